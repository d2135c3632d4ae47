//! Questions that many ask in the same moment, answered by one statement. While a statement is on its way, those that
//! ask at the same thread are gathered for the next, so that a busy server asks the database less often for each
//! request and an idle one waits for nothing. Every answer is from a statement that began after its question was asked.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures_util::future::BoxFuture;
use sea_orm::DbErr;
use tokio::sync::oneshot;

use super::lanes::{LANES, place};

/// What asks for many keys at once, and answers those that there are.
type Load<K, V> = Box<dyn Fn(Vec<K>) -> BoxFuture<'static, Answers<K, V>> + Send + Sync>;

type Answers<K, V> = Result<HashMap<K, V>, DbErr>;

/// Gathers questions of one sort.
pub struct Gather<K, V>(Arc<Shared<K, V>>);

struct Shared<K, V> {
    load: Load<K, V>,
    /// For each thread, whose connections stay with it.
    asked: [Mutex<Asked<K, V>>; LANES],
}

struct Asked<K, V> {
    waiting: Vec<Question<K, V>>,
    /// A statement is on its way, and whoever sent it looks for those who wait when it comes back.
    on_its_way: bool,
}

struct Question<K, V> {
    key: K,
    answer: oneshot::Sender<Result<Option<V>, DbErr>>,
}

impl<K, V> Gather<K, V>
where
    K: Clone + Eq + Hash + Send + 'static,
    V: Clone + Send + 'static,
{
    /// Gathers questions for what loads many at once.
    pub fn new<F>(load: impl Fn(Vec<K>) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Answers<K, V>> + Send + 'static,
    {
        Self(Arc::new(Shared {
            load: Box::new(move |keys| Box::pin(load(keys))),
            asked: std::array::from_fn(|_| {
                Mutex::new(Asked {
                    waiting: Vec::new(),
                    on_its_way: false,
                })
            }),
        }))
    }

    /// The answer to one question, none if there is none.
    ///
    /// # Errors
    /// When the statement fails, for all whom it was sent for.
    pub async fn ask(&self, key: K) -> Result<Option<V>, DbErr> {
        let (answer, answered) = oneshot::channel();
        let place = place();
        if self.0.enter(place, Question { key, answer }) {
            // It is nobody's own: who asked first may leave before the others have their answers.
            tokio::spawn(Courier::answer_all(Arc::clone(&self.0), place));
        }
        answered
            .await
            .unwrap_or_else(|_| Err(DbErr::Custom("the question was given up".into())))
    }
}

impl<K, V> Shared<K, V> {
    #[expect(
        clippy::indexing_slicing,
        reason = "a place is below the number of lanes"
    )]
    fn at(&self, place: usize) -> MutexGuard<'_, Asked<K, V>> {
        self.asked[place % LANES]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a question to the others. True if nobody is on the way who would take it along.
    fn enter(&self, place: usize, question: Question<K, V>) -> bool {
        let mut asked = self.at(place);
        asked.waiting.push(question);
        !std::mem::replace(&mut asked.on_its_way, true)
    }

    /// Those who wait. None ends the round, and the next who asks begins another.
    fn next(&self, place: usize) -> Option<Vec<Question<K, V>>> {
        let mut asked = self.at(place);
        asked.on_its_way = !asked.waiting.is_empty();
        asked.on_its_way.then(|| std::mem::take(&mut asked.waiting))
    }
}

/// Who takes the questions of one thread to the database until nobody waits.
struct Courier<K, V> {
    shared: Arc<Shared<K, V>>,
    place: usize,
    /// Nobody waits any more. Another may have set out since, so the way is no longer this one's to clear.
    done: bool,
}

impl<K, V> Drop for Courier<K, V> {
    /// One that is stopped on the way lets those who wait know, and leaves the way free.
    fn drop(&mut self) {
        if !self.done {
            let mut asked = self.shared.at(self.place);
            asked.waiting.clear();
            asked.on_its_way = false;
        }
    }
}

impl<K, V> Courier<K, V>
where
    K: Clone + Eq + Hash + Send + 'static,
    V: Clone + Send + 'static,
{
    async fn answer_all(shared: Arc<Shared<K, V>>, place: usize) {
        let mut courier = Self {
            shared,
            place,
            done: false,
        };
        while let Some(questions) = courier.shared.next(place) {
            let keys = questions.iter().map(|one| one.key.clone()).collect();
            let answers = (courier.shared.load)(keys).await;
            for Question { key, answer } in questions {
                let one = match &answers {
                    Ok(found) => Ok(found.get(&key).cloned()),
                    Err(error) => Err(error.clone()),
                };
                // Who asked may have left.
                drop(answer.send(one));
            }
        }
        courier.done = true;
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicUsize, Ordering},
        time::Duration,
    };

    use futures_util::future::join_all;
    use tokio::sync::Semaphore;

    use super::*;

    /// Doubles even numbers, knows no odd ones, and counts how often it was asked.
    struct Doubling {
        gather: Gather<i64, i64>,
        loads: Arc<AtomicUsize>,
        gate: Arc<Semaphore>,
    }

    fn doubling() -> Doubling {
        let (loads, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
        let (counted, held) = (Arc::clone(&loads), Arc::clone(&gate));
        let gather = Gather::new(move |keys: Vec<i64>| {
            let (counted, held) = (Arc::clone(&counted), Arc::clone(&held));
            async move {
                counted.fetch_add(1, Ordering::SeqCst);
                held.acquire()
                    .await
                    .map_err(|error| DbErr::Custom(error.to_string()))?
                    .forget();
                if keys.contains(&13) {
                    return Err(DbErr::Custom("unlucky".into()));
                }
                Ok(keys
                    .into_iter()
                    .filter(|key| key % 2 == 0)
                    .map(|key| (key, 2 * key))
                    .collect())
            }
        });
        Doubling {
            gather,
            loads,
            gate,
        }
    }

    #[tokio::test]
    async fn those_who_ask_while_a_statement_is_on_its_way_share_the_next() {
        let all = doubling();
        let first = all.gather.ask(2);
        tokio::pin!(first);
        assert!(futures_util::poll!(first.as_mut()).is_pending());
        while all.loads.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        let others = join_all([4, 4, 5, 6].map(|key| all.gather.ask(key)));
        tokio::pin!(others);
        assert!(futures_util::poll!(others.as_mut()).is_pending());
        all.gate.add_permits(2);
        assert_eq!(first.await, Ok(Some(4)));
        let others: Vec<_> = others.await.into_iter().map(Result::unwrap).collect();
        assert_eq!(others, [Some(8), Some(8), None, Some(12)]);
        assert_eq!(all.loads.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn who_asked_first_may_leave_and_the_others_have_their_answers() {
        let all = doubling();
        let gone = tokio::time::timeout(Duration::from_millis(1), all.gather.ask(2)).await;
        assert!(gone.is_err());
        all.gate.add_permits(2);
        assert_eq!(all.gather.ask(4).await, Ok(Some(8)));
    }

    #[tokio::test]
    async fn a_failure_is_everybody_s_of_one_statement_and_of_no_other() {
        let all = doubling();
        all.gate.add_permits(2);
        let (unlucky, beside) = tokio::join!(all.gather.ask(13), all.gather.ask(4));
        assert_eq!((unlucky.is_err(), beside.is_err()), (true, true));
        assert_eq!(all.gather.ask(4).await, Ok(Some(8)));
    }

    /// A thread ends with the tasks on it, and another may take its place.
    #[test]
    fn a_round_that_was_stopped_leaves_the_way_free() {
        let all = Arc::new(doubling());
        let runtime = || {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap()
        };
        let stopped = runtime();
        stopped.block_on(async {
            let gather = Arc::clone(&all);
            tokio::spawn(async move { gather.gather.ask(2).await });
            while all.loads.load(Ordering::SeqCst) == 0 {
                tokio::task::yield_now().await;
            }
        });
        drop(stopped);
        all.gate.add_permits(1);
        assert_eq!(runtime().block_on(all.gather.ask(4)), Ok(Some(8)));
    }
}
