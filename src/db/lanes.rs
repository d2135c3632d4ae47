//! Connections to PostgreSQL, for statements that stand alone and for transactions. sqlx's pool asks the server after
//! each use whether the connection still works, a round trip that costs as much as a look-up, and hands a connection to
//! whichever thread comes first, which then waits for another thread's event loop. Lanes keep connections that sqlx's
//! pool has lent: each at the thread on whose event loop it was opened, and ready for the next use as soon as the last
//! one ended well. Who finds none waits in the queue of its own lane. One that failed or was given up in the middle
//! goes back to sqlx's pool, which looks after it, and so do those that are waited for there.
//!
//! Nobody waits for a connection that nobody uses: who waits says so first and then looks once more, and who gives one
//! back looks for those who wait afterwards.

use std::{
    cell::Cell,
    sync::{
        Arc, Mutex, PoisonError,
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
use tokio::{
    runtime::Handle,
    sync::{Mutex as AsyncMutex, Notify},
};

/// Threads beyond this many share lanes.
pub(super) const LANES: usize = 64;
/// A connection that nobody used for so long is asked whether it works before it is used again.
const TRUSTED_FOR: Duration = Duration::from_secs(5);
/// A connection is replaced after so long, since a server process grows with what it has prepared.
const LENT_FOR: Duration = Duration::from_secs(30 * 60);

/// A connection that sqlx's pool has lent.
#[derive(Debug)]
struct Lent {
    connection: PoolConnection<Postgres>,
    /// Of the lane that it comes back to.
    place: usize,
    since: Instant,
    used: Instant,
    /// A transaction was begun and has not ended well.
    in_transaction: bool,
}

impl Drop for Lent {
    /// Nobody else may find themselves in a transaction that was left open.
    fn drop(&mut self) {
        if self.in_transaction {
            self.connection.close_on_drop();
        }
    }
}

/// The connections of the threads that share a lane.
#[derive(Debug, Default)]
struct Lane {
    idle: Mutex<Vec<Lent>>,
    /// Who waits for a connection here.
    queue: AtomicUsize,
    /// Rung when one comes back while somebody waits.
    back: Notify,
}

impl Lane {
    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Lent>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_waited_for(&self) -> bool {
        self.queue.load(Ordering::SeqCst) > 0
    }
}

/// Connections at the threads that opened them.
#[derive(Debug)]
pub(super) struct Lanes {
    pool: PgPool,
    most: u32,
    lanes: [Lane; LANES],
    /// Who waits for a connection of sqlx's pool.
    waiting: AtomicUsize,
    statements: Arc<AtomicU64>,
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

/// Somebody waits in the queue of a lane for as long as this lives.
struct Queued<'a> {
    lanes: &'a Lanes,
    lane: &'a Lane,
}

impl<'a> Queued<'a> {
    fn at(lanes: &'a Lanes, lane: &'a Lane) -> Self {
        lane.queue.fetch_add(1, Ordering::SeqCst);
        Self { lanes, lane }
    }
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        self.lane.queue.fetch_sub(1, Ordering::SeqCst);
        // Who leaves may have been rung for twice, or for nothing: the ring is another's. One too many does no harm.
        self.lanes.ring(self.lane);
    }
}

/// The place of this thread's lane.
pub(super) fn place() -> usize {
    static THREADS: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static PLACE: Cell<Option<usize>> = const { Cell::new(None) };
    }
    PLACE.with(|place| {
        place.get().unwrap_or_else(|| {
            let mine = THREADS.fetch_add(1, Ordering::Relaxed) % LANES;
            place.set(Some(mine));
            mine
        })
    })
}

impl Lanes {
    /// Lanes of a pool that opens at most so many connections, counting statements.
    pub(super) fn new(pool: PgPool, most: u32, statements: Arc<AtomicU64>) -> Self {
        Self {
            pool,
            most,
            lanes: std::array::from_fn(|_| Lane::default()),
            waiting: AtomicUsize::new(0),
            statements,
        }
    }

    /// Connections of the pool: open ones, and those of them that nobody uses.
    pub(super) fn size(&self) -> (u32, usize) {
        let idle: usize = self.lanes.iter().map(|lane| lane.idle().len()).sum();
        (self.pool.size(), self.pool.num_idle() + idle)
    }

    /// Announces that a connection of sqlx's pool will be waited for, and hands it one if it has none.
    pub(super) fn wait(&self) -> Waiting<'_> {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        if self.pool.num_idle() == 0 && self.is_full() {
            // Dropping it returns it.
            drop(self.any());
        }
        Waiting(Some(&self.waiting))
    }

    /// Gives every idle connection back, and takes no more.
    pub(super) async fn close(&self) {
        let closed = self.pool.close();
        self.hand_back();
        closed.await;
    }

    /// Gives every idle connection back to sqlx's pool.
    fn hand_back(&self) {
        for lane in &self.lanes {
            drop(std::mem::take(&mut *lane.idle()));
        }
    }

    fn is_full(&self) -> bool {
        self.pool.size() >= self.most
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "a place is below the number of lanes"
    )]
    fn at(&self, place: usize) -> &Lane {
        &self.lanes[place % LANES]
    }

    /// An idle connection of any lane, this thread's first.
    fn any(&self) -> Option<Lent> {
        let mine = place();
        (mine..mine + LANES).find_map(|place| self.at(place).idle().pop())
    }

    async fn take(&self) -> Result<Lent, DbErr> {
        loop {
            let mine = self.at(place()).idle().pop();
            let idle = if mine.is_none() && self.is_full() {
                self.any()
            } else {
                mine
            };
            let lent = match idle {
                Some(lent) => lent,
                None if !self.is_full() || self.pool.num_idle() > 0 => self.borrow().await?,
                None => self.queue().await?,
            };
            if let Some(lent) = trusted(lent).await {
                return Ok(lent);
            }
        }
    }

    /// From sqlx's pool, which has one or may open one.
    async fn borrow(&self) -> Result<Lent, DbErr> {
        let _waiting = self.wait();
        self.pool.acquire().await.map(lent).map_err(not_acquired)
    }

    /// The next that comes back, to this lane or to sqlx's pool.
    async fn queue(&self) -> Result<Lent, DbErr> {
        let lane = self.at(place());
        let _queued = Queued::at(self, lane);
        let acquire = self.pool.acquire();
        tokio::pin!(acquire);
        loop {
            let back = lane.back.notified();
            tokio::pin!(back);
            back.as_mut().enable();
            if let Some(lent) = self.any() {
                return Ok(lent);
            }
            tokio::select! {
                () = back => {}
                // It also says when the time is up.
                acquired = &mut acquire => return acquired.map(lent).map_err(not_acquired),
            }
        }
    }

    /// Rings for one who waits in a queue, at this lane first.
    fn ring(&self, first: &Lane) {
        let here = first.is_waited_for().then_some(first);
        let elsewhere = || self.lanes.iter().find(|lane| lane.is_waited_for());
        if let Some(lane) = here.or_else(elsewhere) {
            lane.back.notify_one();
        }
    }

    /// Makes a connection ready for the next statement after one that ended so.
    fn settle<T>(&self, mut lent: Lent, result: Result<T, sqlx::Error>) -> Result<T, sqlx::Error> {
        if !works_after(&result) {
            lent.connection.close_on_drop();
            return result;
        }
        if self.pool.is_closed() || lent.since.elapsed() >= LENT_FOR {
            return result;
        }
        lent.used = Instant::now();
        let home = self.at(lent.place);
        home.idle().push(lent);
        if self.pool.is_closed() {
            // It was closed a moment ago, and waits for this one.
            self.hand_back();
        } else if self.waiting.load(Ordering::SeqCst) > 0 {
            // Dropping it returns it.
            drop(self.any());
        } else {
            self.ring(home);
        }
        result
    }

    fn count(&self) {
        self.statements.fetch_add(1, Ordering::Relaxed);
    }
}

fn lent(connection: PoolConnection<Postgres>) -> Lent {
    let now = Instant::now();
    Lent {
        connection,
        place: place(),
        since: now,
        used: now,
        in_transaction: false,
    }
}

/// Does a connection go on after a statement that ended so? Not after the server said that it ends the session.
fn works_after<T>(result: &Result<T, sqlx::Error>) -> bool {
    match result {
        Ok(_) | Err(sqlx::Error::RowNotFound) => true,
        Err(sqlx::Error::Database(error)) => {
            !error.code().is_some_and(|code| code.starts_with("57P"))
        }
        Err(_) => false,
    }
}

/// A connection that works, as far as one can know.
async fn trusted(mut lent: Lent) -> Option<Lent> {
    if lent.used.elapsed() < TRUSTED_FOR || lent.connection.ping().await.is_ok() {
        return Some(lent);
    }
    lent.connection.close_on_drop();
    None
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

/// A failure of a statement that answers with no rows.
fn not_executed(error: sqlx::Error) -> DbErr {
    DbErr::Exec(RuntimeErr::SqlxError(error.into()))
}

/// A failure of one that answers with rows.
fn not_queried(error: sqlx::Error) -> DbErr {
    DbErr::Query(RuntimeErr::SqlxError(error.into()))
}

async fn execute(on: &mut PgConnection, statement: Statement) -> Result<ExecResult, sqlx::Error> {
    query(statement).execute(on).await.map(Into::into)
}

async fn execute_unprepared(on: &mut PgConnection, sql: &str) -> Result<ExecResult, sqlx::Error> {
    let done = on.execute(AssertSqlSafe(sql.to_owned())).await;
    done.map(Into::into)
}

async fn query_one(
    on: &mut PgConnection,
    statement: Statement,
) -> Result<Option<QueryResult>, sqlx::Error> {
    let row = query(statement).fetch_optional(on).await;
    row.map(|row| row.map(Into::into))
}

async fn query_all(
    on: &mut PgConnection,
    statement: Statement,
) -> Result<Vec<QueryResult>, sqlx::Error> {
    let rows = query(statement).fetch_all(on).await;
    rows.map(|rows| rows.into_iter().map(Into::into).collect())
}

#[async_trait]
impl ConnectionTrait for Lanes {
    fn get_database_backend(&self) -> DbBackend {
        DbBackend::Postgres
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.count();
        let mut lent = self.take().await?;
        let result = execute(&mut lent.connection, statement).await;
        self.settle(lent, result).map_err(not_executed)
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        let mut lent = self.take().await?;
        let result = execute_unprepared(&mut lent.connection, sql).await;
        self.settle(lent, result).map_err(not_executed)
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.count();
        let mut lent = self.take().await?;
        let result = query_one(&mut lent.connection, statement).await;
        self.settle(lent, result).map_err(not_queried)
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.count();
        let mut lent = self.take().await?;
        let result = query_all(&mut lent.connection, statement).await;
        self.settle(lent, result).map_err(not_queried)
    }
}

/// A transaction on a connection of a lane.
#[derive(Debug)]
pub(super) struct LaneTransaction {
    lanes: Arc<Lanes>,
    /// Nothing once it has ended.
    lent: AsyncMutex<Option<Lent>>,
}

impl LaneTransaction {
    /// Begins one with this statement.
    pub(super) async fn begin(lanes: &Arc<Lanes>, with: &str) -> Result<Self, DbErr> {
        let mut lent = lanes.take().await?;
        lent.in_transaction = true;
        execute_unprepared(&mut lent.connection, with)
            .await
            .map_err(not_executed)?;
        Ok(Self {
            lanes: Arc::clone(lanes),
            lent: AsyncMutex::new(Some(lent)),
        })
    }

    pub(super) async fn commit(self) -> Result<(), DbErr> {
        self.end("COMMIT").await
    }

    pub(super) async fn rollback(self) -> Result<(), DbErr> {
        self.end("ROLLBACK").await
    }

    async fn end(mut self, with: &str) -> Result<(), DbErr> {
        match self.lent.get_mut().take() {
            Some(lent) => end(&self.lanes, lent, with).await.map_err(not_executed),
            None => Ok(()),
        }
    }
}

/// Ends a transaction and gives its connection back to its lane.
async fn end(lanes: &Lanes, mut lent: Lent, with: &str) -> Result<(), sqlx::Error> {
    execute_unprepared(&mut lent.connection, with).await?;
    lent.in_transaction = false;
    lanes.settle(lent, Ok(()))
}

impl Drop for LaneTransaction {
    /// Takes back what was given up in the middle, as when a client goes away.
    fn drop(&mut self) {
        if let (Some(lent), Ok(runtime)) = (self.lent.get_mut().take(), Handle::try_current()) {
            let lanes = Arc::clone(&self.lanes);
            runtime.spawn(async move {
                if let Err(error) = end(&lanes, lent, "ROLLBACK").await {
                    tracing::debug!(%error, "a transaction could not be taken back; its connection is closed");
                }
            });
        }
    }
}

/// The connection of a transaction, which has one until it ends.
fn connection(lent: &mut Option<Lent>) -> Result<&mut PgConnection, sqlx::Error> {
    match lent {
        Some(lent) => Ok(&mut lent.connection),
        None => Err(sqlx::Error::PoolClosed),
    }
}

#[async_trait]
impl ConnectionTrait for LaneTransaction {
    fn get_database_backend(&self) -> DbBackend {
        DbBackend::Postgres
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.lanes.count();
        let mut lent = self.lent.lock().await;
        let connection = connection(&mut lent).map_err(not_executed)?;
        let result = execute(connection, statement).await;
        result.map_err(not_executed)
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        let mut lent = self.lent.lock().await;
        let connection = connection(&mut lent).map_err(not_executed)?;
        let result = execute_unprepared(connection, sql).await;
        result.map_err(not_executed)
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.lanes.count();
        let mut lent = self.lent.lock().await;
        let connection = connection(&mut lent).map_err(not_queried)?;
        let result = query_one(connection, statement).await;
        result.map_err(not_queried)
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.lanes.count();
        let mut lent = self.lent.lock().await;
        let connection = connection(&mut lent).map_err(not_queried)?;
        let result = query_all(connection, statement).await;
        result.map_err(not_queried)
    }
}
