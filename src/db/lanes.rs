//! Connections to PostgreSQL for statements that stand alone. sqlx's pool asks the server after each use whether the
//! connection still works, a round trip that costs as much as a look-up, and hands a connection to whichever thread
//! comes first, which then waits for another thread's event loop. Lanes keep connections that sqlx's pool has lent:
//! each at the thread on whose event loop it was opened, and ready for the next statement as soon as the last one
//! ended well. One that failed or was given up in the middle goes back to sqlx's pool, which looks after it, and so do
//! those that transactions wait for.

use std::{
    cell::Cell,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use sea_orm::{
    ConnAcquireErr, ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, RuntimeErr,
    Statement, Values,
    sqlx::{
        self, AssertSqlSafe, Connection, Executor, PgConnection, PgPool, Postgres,
        pool::PoolConnection, query::Query,
    },
};
use sea_query_sqlx::SqlxValues;

/// Threads beyond this many share lanes.
const LANES: usize = 64;
/// A connection that nobody used for so long is asked whether it works before it is used again.
const TRUSTED_FOR: Duration = Duration::from_secs(5);
/// A connection is replaced after so long, since a server process grows with what it has prepared.
const LENT_FOR: Duration = Duration::from_secs(30 * 60);

/// A connection that sqlx's pool has lent.
#[derive(Debug)]
struct Lent {
    connection: PoolConnection<Postgres>,
    lane: usize,
    since: Instant,
    used: Instant,
}

/// Connections at the threads that opened them.
#[derive(Debug)]
pub(super) struct Lanes {
    pool: PgPool,
    most: u32,
    idle: [Mutex<Vec<Lent>>; LANES],
    /// Who waits for a connection of sqlx's pool.
    waiting: AtomicUsize,
    statements: std::sync::Arc<AtomicU64>,
}

/// Somebody waits for a connection of sqlx's pool for as long as this lives.
#[derive(Default)]
pub struct Waiting<'a>(Option<&'a AtomicUsize>);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(waiting) = self.0 {
            waiting.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

/// The lane of this thread.
fn lane() -> usize {
    static THREADS: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static LANE: Cell<Option<usize>> = const { Cell::new(None) };
    }
    LANE.with(|lane| {
        lane.get().unwrap_or_else(|| {
            let mine = THREADS.fetch_add(1, Ordering::Relaxed) % LANES;
            lane.set(Some(mine));
            mine
        })
    })
}

impl Lanes {
    /// Lanes of a pool that opens at most so many connections, counting statements.
    pub(super) fn new(pool: PgPool, most: u32, statements: std::sync::Arc<AtomicU64>) -> Self {
        Self {
            pool,
            most,
            idle: std::array::from_fn(|_| Mutex::default()),
            waiting: AtomicUsize::new(0),
            statements,
        }
    }

    /// Connections of the pool: open ones, and those of them that nobody uses.
    pub(super) fn size(&self) -> (u32, usize) {
        let idle: usize = (0..LANES)
            .filter_map(|lane| self.idle_in(lane, |idle| idle.len()))
            .sum();
        (self.pool.size(), self.pool.num_idle() + idle)
    }

    /// Announces that a connection of sqlx's pool will be waited for, and hands it one if it has none.
    pub(super) fn wait(&self) -> Waiting<'_> {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        if self.pool.num_idle() == 0 && self.pool.size() >= self.most {
            // Dropping it returns it.
            drop(self.pop());
        }
        Waiting(Some(&self.waiting))
    }

    /// Gives every idle connection back, and takes no more.
    pub(super) async fn close(&self) {
        let closed = self.pool.close();
        for lane in 0..LANES {
            drop(self.idle_in(lane, std::mem::take));
        }
        closed.await;
    }

    fn idle_in<T>(&self, lane: usize, act: impl FnOnce(&mut Vec<Lent>) -> T) -> Option<T> {
        let lane = self.idle.get(lane)?;
        Some(act(&mut lane
            .lock()
            .unwrap_or_else(PoisonError::into_inner)))
    }

    /// An idle connection, this thread's first.
    fn pop(&self) -> Option<Lent> {
        let mine = lane();
        (mine..LANES)
            .chain(0..mine)
            .find_map(|lane| self.idle_in(lane, Vec::pop).flatten())
    }

    async fn take(&self) -> Result<Lent, DbErr> {
        loop {
            let mine = self.idle_in(lane(), Vec::pop).flatten();
            let idle = match mine {
                None if self.pool.size() >= self.most => self.pop(),
                mine => mine,
            };
            let Some(mut lent) = idle else {
                return self.borrow().await;
            };
            if lent.used.elapsed() < TRUSTED_FOR || lent.connection.ping().await.is_ok() {
                return Ok(lent);
            }
            lent.connection.close_on_drop();
        }
    }

    async fn borrow(&self) -> Result<Lent, DbErr> {
        let _waiting = self.wait();
        let connection = self.pool.acquire().await.map_err(not_acquired)?;
        let now = Instant::now();
        Ok(Lent {
            connection,
            lane: lane(),
            since: now,
            used: now,
        })
    }

    /// Makes a connection ready for the next statement after one that ended so.
    fn settle<T>(&self, mut lent: Lent, result: Result<T, sqlx::Error>) -> Result<T, sqlx::Error> {
        let works = match &result {
            Ok(_) | Err(sqlx::Error::RowNotFound | sqlx::Error::Database(_)) => true,
            Err(_) => false,
        };
        if !works {
            lent.connection.close_on_drop();
            return result;
        }
        let wanted = self.waiting.load(Ordering::SeqCst) > 0 || self.pool.is_closed();
        if !wanted && lent.since.elapsed() < LENT_FOR {
            lent.used = Instant::now();
            self.idle_in(lent.lane, |idle| idle.push(lent));
        }
        result
    }

    fn count(&self) {
        self.statements.fetch_add(1, Ordering::Relaxed);
    }
}

fn not_acquired(error: sqlx::Error) -> DbErr {
    match error {
        sqlx::Error::PoolTimedOut => DbErr::ConnectionAcquire(ConnAcquireErr::Timeout),
        sqlx::Error::PoolClosed => DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed),
        error => DbErr::Conn(RuntimeErr::SqlxError(error.into())),
    }
}

fn query(statement: Statement) -> Query<'static, Postgres, SqlxValues> {
    let values = statement.values.unwrap_or_else(|| Values(Vec::new()));
    sqlx::query_with(AssertSqlSafe(statement.sql), SqlxValues(values))
}

#[async_trait]
impl ConnectionTrait for Lanes {
    fn get_database_backend(&self) -> DbBackend {
        DbBackend::Postgres
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.count();
        let mut lent = self.take().await?;
        let connection: &mut PgConnection = &mut lent.connection;
        let result = query(statement).execute(connection).await;
        self.settle(lent, result)
            .map(Into::into)
            .map_err(|error| DbErr::Exec(RuntimeErr::SqlxError(error.into())))
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        let mut lent = self.take().await?;
        let connection: &mut PgConnection = &mut lent.connection;
        let result = connection.execute(AssertSqlSafe(sql.to_owned())).await;
        self.settle(lent, result)
            .map(Into::into)
            .map_err(|error| DbErr::Exec(RuntimeErr::SqlxError(error.into())))
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.count();
        let mut lent = self.take().await?;
        let connection: &mut PgConnection = &mut lent.connection;
        let result = query(statement).fetch_optional(connection).await;
        self.settle(lent, result)
            .map(|row| row.map(Into::into))
            .map_err(|error| DbErr::Query(RuntimeErr::SqlxError(error.into())))
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.count();
        let mut lent = self.take().await?;
        let connection: &mut PgConnection = &mut lent.connection;
        let result = query(statement).fetch_all(connection).await;
        self.settle(lent, result)
            .map(|rows| rows.into_iter().map(Into::into).collect())
            .map_err(|error| DbErr::Query(RuntimeErr::SqlxError(error.into())))
    }
}
