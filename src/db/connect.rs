//! Pools for the two databases. SQLite is opened in WAL mode with one writing connection and several
//! reading ones; PostgreSQL has one pool, and a second one on a read replica if there is one.

use std::{
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use sea_orm::{
    AccessMode, ConnectOptions, ConnectionTrait, DatabaseConnection, DatabaseTransaction,
    DbBackend, DbErr, IsolationLevel, SqliteTransactionMode, TransactionOptions, TransactionTrait,
    sqlx::{
        self, Connection,
        sqlite::{SqliteJournalMode, SqliteSynchronous},
    },
};

use super::{
    Query,
    connections::{Connections, Route},
    lanes::{LaneTransaction, Lanes, Waiting},
    transaction::{By, Transaction},
};

/// Which database a URL names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// Embedded, the default.
    Sqlite,
    /// For production.
    Postgres,
}

/// What a pool needs to know. Times are limits, not delays.
#[derive(Clone)]
pub struct DatabaseSettings {
    /// `sqlite:path?mode=rwc` or `postgres://…`.
    pub url: String,
    /// A read replica, for settled questions only.
    pub read_url: Option<String>,
    /// Most connections of this process.
    pub connections: u32,
    /// How long a request waits for a connection.
    pub acquire_timeout: Duration,
    /// How long a statement may run.
    pub statement_timeout: Duration,
    /// How long a statement waits for a lock.
    pub lock_timeout: Duration,
}

/// Without the URLs, which hold passwords.
impl std::fmt::Debug for DatabaseSettings {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("DatabaseSettings")
            .field("backend", &Backend::of_url(&self.url))
            .field("has_replica", &self.read_url.is_some())
            .field("connections", &self.connections)
            .field("acquire_timeout", &self.acquire_timeout)
            .field("statement_timeout", &self.statement_timeout)
            .field("lock_timeout", &self.lock_timeout)
            .finish()
    }
}

/// The database of this deployment. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Database {
    backend: Backend,
    reader: Connections,
    writer: Connections,
    pool: DatabaseConnection,
    replica: Option<Connections>,
    statements: Arc<AtomicU64>,
}

impl Backend {
    /// Reads the scheme of a URL.
    pub fn of_url(url: &str) -> Option<Self> {
        if url.starts_with("sqlite:") {
            Some(Self::Sqlite)
        } else if url.starts_with("postgres:") || url.starts_with("postgresql:") {
            Some(Self::Postgres)
        } else {
            None
        }
    }

    /// Which database a connection leads to.
    pub fn of(connection: &impl ConnectionTrait) -> Self {
        match connection.get_database_backend() {
            DbBackend::Postgres => Self::Postgres,
            _ => Self::Sqlite,
        }
    }
}

impl Database {
    /// Opens the pools; connects once to learn early that the database answers.
    pub async fn connect(settings: &DatabaseSettings) -> Result<Self, DbErr> {
        match Backend::of_url(&settings.url) {
            Some(Backend::Sqlite) => Self::connect_sqlite(settings).await,
            Some(Backend::Postgres) => Self::connect_postgres(settings).await,
            None => Err(DbErr::Custom(
                "the database URL must begin with sqlite: or postgres:".to_owned(),
            )),
        }
    }

    async fn connect_sqlite(settings: &DatabaseSettings) -> Result<Self, DbErr> {
        let statements = Arc::default();
        let writer = open(sqlite_options(settings, 1), &statements).await?;
        let reader = open(sqlite_options(settings, settings.connections), &statements).await?;
        Ok(Self {
            backend: Backend::Sqlite,
            reader: Connections(Route::Pool(reader)),
            writer: Connections(Route::Pool(writer.clone())),
            pool: writer,
            replica: None,
            statements,
        })
    }

    async fn connect_postgres(settings: &DatabaseSettings) -> Result<Self, DbErr> {
        let statements = Arc::default();
        let lanes = |pool: &DatabaseConnection| {
            let pool = pool.get_postgres_connection_pool().clone();
            let lanes = Lanes::new(pool, settings.connections, Arc::clone(&statements));
            Connections(Route::Lanes(Arc::new(lanes)))
        };
        let pool = open(postgres_options(settings, &settings.url), &statements).await?;
        let replica = match &settings.read_url {
            Some(url) => {
                let replica = open(postgres_options(settings, url), &statements).await?;
                Some(lanes(&replica))
            }
            None => None,
        };
        let connections = lanes(&pool);
        Ok(Self {
            backend: Backend::Postgres,
            reader: connections.clone(),
            writer: connections,
            pool,
            replica,
            statements,
        })
    }

    /// Which database this is.
    pub fn backend(&self) -> Backend {
        self.backend
    }

    /// SQL statements that this process has sent so far, beside those that begin and end transactions and
    /// bulk loading.
    pub fn statements(&self) -> u64 {
        self.statements.load(Ordering::Relaxed)
    }

    /// For reading what is current.
    pub fn read(&self) -> &Connections {
        &self.reader
    }

    /// Connections of this process: open ones, and those of them that nobody uses.
    pub fn connections(&self) -> (u32, u32) {
        let (mut open, mut idle) = (0, 0);
        let mut add = |(size, unused): (u32, usize)| {
            open += size;
            idle += u32::try_from(unused).unwrap_or(size);
        };
        for reader in std::iter::once(&self.reader).chain(&self.replica) {
            add(reader.size());
        }
        if self.backend == Backend::Sqlite {
            add(self.writer.size());
        }
        (open, idle)
    }

    /// A copy that follows behind, if there is one: for reading what can no longer change, once it is there.
    pub fn replica(&self) -> Option<&Connections> {
        self.replica.as_ref()
    }

    /// For writes that are one statement.
    pub fn write(&self) -> &Connections {
        &self.writer
    }

    /// The pool that writes, for what needs a connection of its own: migrations, bulk loading, listening. Whoever
    /// takes one of its connections holds what [`Self::wait`] answers until it has it.
    pub fn pool(&self) -> &DatabaseConnection {
        &self.pool
    }

    /// Announces that a connection of the pool is waited for, for as long as what it answers lives.
    pub fn wait(&self) -> Waiting<'_> {
        self.writer.wait()
    }

    /// Begins a transaction that will write. On SQLite it takes the write lock at once: one that began
    /// reading could not take it later without failing.
    pub async fn begin(&self) -> Result<Transaction, DbErr> {
        Ok(Transaction(match &self.writer.0 {
            Route::Pool(_) => By::Pool(self.begin_write().await?),
            Route::Lanes(lanes) => By::Lane(LaneTransaction::begin(lanes, "BEGIN").await?),
        }))
    }

    /// Begins a transaction that may take its time and that is alone among those begun under the same key:
    /// it waits for them first. Locks of rows and tables it still waits for no longer than usual.
    pub async fn begin_alone(&self, key: i64) -> Result<DatabaseTransaction, DbErr> {
        let transaction = self.begin_write().await?;
        if self.backend == Backend::Postgres {
            for timeout in ["statement_timeout", "lock_timeout"] {
                transaction
                    .execute_unprepared(&format!("SET LOCAL {timeout} = 0"))
                    .await?;
            }
            self.lock(&transaction, key).await?;
            transaction
                .execute_unprepared("SET LOCAL lock_timeout TO DEFAULT")
                .await?;
        }
        Ok(transaction)
    }

    /// One that writes, on a connection of the pool.
    async fn begin_write(&self) -> Result<DatabaseTransaction, DbErr> {
        let _waiting = self.wait();
        let immediate = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        self.pool.begin_with_options(immediate).await
    }

    /// Begins a transaction whose statements all see the database as it is now.
    pub async fn begin_read(&self) -> Result<Transaction, DbErr> {
        const SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
        Ok(Transaction(match &self.reader.0 {
            Route::Pool(pool) => By::Pool(pool.begin().await?),
            Route::Lanes(lanes) => By::Lane(LaneTransaction::begin(lanes, SNAPSHOT).await?),
        }))
    }

    /// The same, however long it reads, and row by row.
    pub async fn begin_snapshot(&self) -> Result<DatabaseTransaction, DbErr> {
        let lanes = match &self.reader.0 {
            Route::Pool(pool) => return pool.begin().await,
            Route::Lanes(lanes) => lanes,
        };
        let _waiting = lanes.wait();
        let options = TransactionOptions {
            isolation_level: Some(IsolationLevel::RepeatableRead),
            access_mode: Some(AccessMode::ReadOnly),
            ..TransactionOptions::default()
        };
        let transaction = self.pool.begin_with_options(options).await?;
        transaction
            .execute_unprepared("SET LOCAL statement_timeout = 0")
            .await?;
        Ok(transaction)
    }

    /// Closes the pools after what is under way.
    pub async fn close(self) -> Result<(), DbErr> {
        if let Some(replica) = self.replica {
            replica.close().await?;
        }
        self.reader.close().await?;
        self.writer.close().await
    }

    /// Takes a lock that ends with the transaction, if no other process holds it. SQLite has one writer,
    /// so its transactions hold every lock already.
    pub async fn try_lock(&self, transaction: &Transaction, key: i64) -> Result<bool, DbErr> {
        match self.backend {
            Backend::Sqlite => Ok(true),
            Backend::Postgres => {
                Query::with("SELECT pg_try_advisory_xact_lock($1)", [key.into()])
                    .scalar(transaction)
                    .await
            }
        }
    }

    /// Like [`Self::try_lock`], but waits.
    pub async fn lock(&self, transaction: &impl ConnectionTrait, key: i64) -> Result<(), DbErr> {
        if self.backend == Backend::Postgres {
            Query::with("SELECT 1 FROM pg_advisory_xact_lock($1)", [key.into()])
                .one(transaction)
                .await?;
        }
        Ok(())
    }

    /// Locks the rows that a `SELECT` reads. SQLite's transaction holds the whole database already.
    pub fn for_update(&self) -> &'static str {
        match self.backend {
            Backend::Sqlite => "",
            Backend::Postgres => " FOR UPDATE",
        }
    }
}

/// Can a database be reached under this URL, as far as its text tells?
pub fn is_database_url(url: &str) -> bool {
    match Backend::of_url(url) {
        Some(Backend::Sqlite) => sqlx::sqlite::SqliteConnectOptions::from_str(url).is_ok(),
        Some(Backend::Postgres) => sqlx::postgres::PgConnectOptions::from_str(url).is_ok(),
        None => false,
    }
}

/// Opens a pool that counts its statements.
async fn open(
    options: ConnectOptions,
    statements: &Arc<AtomicU64>,
) -> Result<DatabaseConnection, DbErr> {
    let mut pool = sea_orm::Database::connect(options).await?;
    let statements = Arc::clone(statements);
    pool.set_metric_callback(move |_| {
        statements.fetch_add(1, Ordering::Relaxed);
    });
    Ok(pool)
}

fn sqlite_options(settings: &DatabaseSettings, connections: u32) -> ConnectOptions {
    let mut options = ConnectOptions::new(settings.url.clone());
    let busy = settings.lock_timeout;
    options
        .max_connections(connections)
        .acquire_timeout(settings.acquire_timeout)
        .test_before_acquire(false)
        .sqlx_logging(false)
        .map_sqlx_sqlite_pool_opts(|pool| {
            pool.after_release(|connection, _| Box::pin(is_out_of_transactions(connection)))
        })
        .map_sqlx_sqlite_opts(move |sqlite| {
            sqlite
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Full)
                .busy_timeout(busy)
                .foreign_keys(true)
                .pragma("cache_size", "-16000")
                .statement_cache_capacity(256)
        });
    options
}

/// Has a connection that comes back to its pool left its transaction? Where SQLite could not write, as on a
/// full disk, it has ended the transaction by itself, and sqlx goes on believing that there is one: what is
/// begun then is a savepoint, and once one of these is rolled back nothing that follows is ever committed,
/// though every commit succeeds. A pool closes a connection for which this says no.
async fn is_out_of_transactions(
    connection: &mut sqlx::SqliteConnection,
) -> Result<bool, sqlx::Error> {
    if connection.is_in_transaction() {
        // A transaction that was dropped is still being rolled back; this waits for it.
        connection.ping().await?;
    }
    Ok(!connection.is_in_transaction())
}

fn postgres_options(settings: &DatabaseSettings, url: &str) -> ConnectOptions {
    let mut options = ConnectOptions::new(url.to_owned());
    let statement_timeout = settings.statement_timeout.as_millis().to_string();
    let lock_timeout = settings.lock_timeout.as_millis().to_string();
    options
        .max_connections(settings.connections)
        .acquire_timeout(settings.acquire_timeout)
        .test_before_acquire_if_idle_for(Duration::from_secs(5))
        .sqlx_logging(false)
        .map_sqlx_postgres_opts(move |postgres: sqlx::postgres::PgConnectOptions| {
            postgres
                .application_name("kaitsu")
                .statement_cache_capacity(256)
                .options([
                    ("statement_timeout", statement_timeout.as_str()),
                    ("lock_timeout", lock_timeout.as_str()),
                    ("idle_in_transaction_session_timeout", "60000"),
                    ("jit", "off"),
                ])
        });
    options
}
