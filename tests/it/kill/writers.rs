//! Those who write: each has facilities of its own and goes round them with records, corrections and
//! withdrawals, under a new idempotency key for each write, which is also the note kept with its events. A
//! write that was not acknowledged is repeated under its key until it is.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use chrono::{Days, NaiveDate};
use kaitsu::{
    api::{NodeId, node_id::NodeKind},
    milestone::Milestone,
};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::deployment::{Answer, Deployment};

/// All milestones, in an order in which they can be reached.
pub fn milestones() -> [String; Milestone::ALL.len()] {
    Milestone::ALL.map(|milestone| {
        let word = serde_json::to_value(milestone).unwrap();
        word.as_str().unwrap().to_owned()
    })
}

/// The demo's histories end before this day.
const FIRST_DAY: NaiveDate = NaiveDate::from_ymd_opt(2022, 1, 1).unwrap();
const RECORD: &str = "mutation ($input: MilestoneRecordInput!) {
    done: milestoneRecord(input: $input) { eventIds userErrors { code } } }";
const CORRECT: &str = "mutation ($input: MilestoneCorrectInput!) {
    done: milestoneCorrect(input: $input) { eventIds userErrors { code } } }";
const WITHDRAW: &str = "mutation ($input: MilestoneWithdrawInput!) {
    done: milestoneWithdraw(input: $input) { eventIds userErrors { code } } }";
const BULK: &str = "mutation ($input: MilestoneBulkRecordInput!) {
    done: milestoneBulkRecord(input: $input) { rows { eventIds } writtenCount refusedCount } }";

/// A write that is not acknowledged yet.
#[derive(Clone, Debug)]
pub struct Write {
    pub key: String,
    /// How many events it makes.
    pub events: usize,
    refused: u64,
    body: Value,
}

/// How a writer writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Record, correct, withdraw; one by one.
    Singly,
    /// All milestones of every facility at once, then all of them taken back.
    InBulk,
}

/// Somebody who writes.
#[derive(Debug)]
pub struct Writer {
    name: String,
    manner: Manner,
    facilities: Vec<String>,
    writes: usize,
    last_event: Value,
    /// What was sent and perhaps not done.
    pub pending: Option<Write>,
    /// The events of each acknowledged write, by its key.
    pub acknowledged: BTreeMap<String, BTreeSet<i64>>,
    /// Requests that the end of the server left without an answer.
    pub unanswered: usize,
    /// Requests that were told to come again.
    pub unavailable: usize,
    /// The longest that a request took.
    pub slowest: Duration,
}

impl Writer {
    fn new(name: String, manner: Manner, facilities: &[String]) -> Self {
        Self {
            name,
            manner,
            facilities: facilities.to_vec(),
            writes: 0,
            last_event: Value::Null,
            pending: None,
            acknowledged: BTreeMap::new(),
            unanswered: 0,
            unavailable: 0,
            slowest: Duration::ZERO,
        }
    }

    /// The next write, after all before it were acknowledged.
    fn next(&mut self) -> Write {
        let key = format!("write {} of {}", self.writes, self.name);
        let write = match self.manner {
            Manner::Singly => self.single(&key),
            Manner::InBulk => self.bulk(&key),
        };
        self.writes += 1;
        write
    }

    fn single(&self, key: &str) -> Write {
        let (round, step) = (self.writes / 3, self.writes % 3);
        let code = &self.facilities[round % self.facilities.len()];
        let on = day(3 * (round / self.facilities.len()) + step);
        let (document, mut input) = match step {
            0 => (
                RECORD,
                json!({ "milestone": "READY", "on": on, "implyEarlier": true }),
            ),
            1 => (CORRECT, json!({ "eventId": self.last_event, "on": on })),
            _ => (
                WITHDRAW,
                json!({ "milestone": "READER_APPLIED", "on": on, "withLater": true }),
            ),
        };
        input["facility"] = json!({ "code": code });
        input["note"] = key.into();
        input["idempotencyKey"] = key.into();
        Write {
            key: key.to_owned(),
            events: 2,
            refused: 0,
            body: json!({ "query": document, "variables": { "input": input } }),
        }
    }

    /// Every other one has a row that is refused.
    fn bulk(&self, key: &str) -> Write {
        let on = day(self.writes);
        let records = self.writes.is_multiple_of(2);
        let row = |code: &str, milestone: &str| {
            let action = if records { "RECORD" } else { "WITHDRAW" };
            json!({ "facility": { "code": code }, "milestone": milestone, "action": action, "on": on,
                    "note": key })
        };
        let mut milestones = milestones();
        if !records {
            milestones.reverse();
        }
        let mut rows: Vec<Value> = self
            .facilities
            .iter()
            .flat_map(|code| milestones.each_ref().map(|milestone| row(code, milestone)))
            .collect();
        let events = rows.len();
        let policy = if records {
            rows.insert(events / 2, row("0000000000", "INSTALLED"));
            "REJECT_FAILED_ROWS"
        } else {
            "REJECT_ALL"
        };
        let input = json!({ "rows": rows, "errorPolicy": policy, "idempotencyKey": key });
        Write {
            key: key.to_owned(),
            events,
            refused: u64::from(records),
            body: json!({ "query": BULK, "variables": { "input": input } }),
        }
    }

    /// Takes note of an answer to the pending write.
    fn take(&mut self, write: Write, answer: &Answer) {
        if let Some(error) = answer.body["errors"].get(0) {
            let code = &error["extensions"]["code"];
            if code == "UNAVAILABLE" {
                assert!(matches!(answer.status, 200 | 503), "{}", answer.status);
                self.unavailable += 1;
            } else {
                // It ran out of time, and nobody knows what became of it.
                assert_eq!(code, "TIMEOUT", "{}: {}", write.key, answer.body);
                assert_eq!(answer.status, 200, "{}", answer.body);
            }
            self.pending = Some(write);
            return;
        }
        assert_eq!(answer.status, 200, "{}", answer.body);
        let done = &answer.body["data"]["done"];
        let ids: Vec<&Value> = match self.manner {
            Manner::Singly => list(&done["eventIds"]).iter().collect(),
            Manner::InBulk => {
                assert_eq!(done["refusedCount"], write.refused, "{}", write.key);
                let rows = list(&done["rows"]).iter();
                rows.flat_map(|row| list(&row["eventIds"])).collect()
            }
        };
        assert_eq!(ids.len(), write.events, "{}: {done:#}", write.key);
        if let Some(last) = ids.last() {
            self.last_event = (*last).clone();
        }
        let rows = ids.iter().map(|id| row_of(id)).collect();
        self.acknowledged.insert(write.key, rows);
    }
}

fn day(number: usize) -> NaiveDate {
    FIRST_DAY + Days::new(u64::try_from(number).unwrap())
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn row_of(id: &Value) -> i64 {
    let id = id.as_str().unwrap().to_owned();
    NodeId::row_of(&id.into(), NodeKind::Event).unwrap()
}

/// So many writers of each manner, with facilities of their own.
pub fn writers(codes: &[String], singly: usize, in_bulk: usize) -> Vec<Writer> {
    let mut codes = codes.iter().cloned();
    let mut some = |count| {
        let some: Vec<String> = codes.by_ref().take(count).collect();
        assert_eq!(some.len(), count, "the demo is too small");
        some
    };
    let single = |number| (format!("single{number}"), Manner::Singly, 6);
    let bulk = |number| (format!("bulk{number}"), Manner::InBulk, 30);
    (0..singly)
        .map(single)
        .chain((0..in_bulk).map(bulk))
        .map(|(name, manner, count)| Writer::new(name, manner, &some(count)))
        .collect()
}

/// Writers at work.
pub struct Work {
    tasks: JoinSet<Writer>,
    enough: CancellationToken,
    turned_away: Arc<AtomicBool>,
}

impl Work {
    /// Sets writers to work on a server.
    pub fn start(deployment: &Arc<Deployment>, address: &str, writers: Vec<Writer>) -> Self {
        let enough = CancellationToken::new();
        let turned_away = Arc::new(AtomicBool::new(false));
        let mut tasks = JoinSet::new();
        for writer in writers {
            let deployment = Arc::clone(deployment);
            let (address, enough) = (address.to_owned(), enough.clone());
            let turned_away = Arc::clone(&turned_away);
            tasks.spawn(
                async move { work(writer, &deployment, &address, &enough, &turned_away).await },
            );
        }
        Self {
            tasks,
            enough,
            turned_away,
        }
    }

    /// Whether anybody was told to come again by now.
    pub fn was_turned_away(&self) -> bool {
        self.turned_away.load(Ordering::Relaxed)
    }

    /// Waits until all have lost their server.
    pub async fn lost(self) -> Vec<Writer> {
        self.tasks.join_all().await
    }

    /// Tells all to come to an end: nothing of theirs is pending then, unless they lost their server.
    pub async fn finished(self) -> Vec<Writer> {
        self.enough.cancel();
        self.tasks.join_all().await
    }
}

async fn work(
    mut writer: Writer,
    deployment: &Deployment,
    address: &str,
    enough: &CancellationToken,
    turned_away: &AtomicBool,
) -> Writer {
    loop {
        let write = match writer.pending.take() {
            Some(write) => write,
            None if enough.is_cancelled() => return writer,
            None => writer.next(),
        };
        let began = Instant::now();
        let answer = deployment.post(address, &write.body).await;
        writer.slowest = writer.slowest.max(began.elapsed());
        let Some(answer) = answer else {
            writer.pending = Some(write);
            writer.unanswered += 1;
            return writer;
        };
        let unavailable = writer.unavailable;
        writer.take(write, &answer);
        if writer.unavailable > unavailable {
            turned_away.store(true, Ordering::Relaxed);
        }
        if writer.pending.is_some() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}
