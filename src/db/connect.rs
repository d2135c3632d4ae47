//! Pools for the two databases. SQLite is opened in WAL mode with one writing connection and several
//! reading ones; PostgreSQL has one pool, and a second one on a read replica if there is one.

use std::time::Duration;

use sea_orm::{
    AccessMode, ConnectOptions, DatabaseConnection, DatabaseTransaction, DbErr, IsolationLevel,
    SqliteTransactionMode, TransactionOptions, TransactionTrait,
    sqlx::{
        self,
        sqlite::{SqliteJournalMode, SqliteSynchronous},
    },
};

use super::Query;

/// Which database a URL names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// Embedded, the default.
    Sqlite,
    /// For production.
    Postgres,
}

/// What a pool needs to know. Times are limits, not delays.
#[derive(Clone, Debug)]
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

/// The database of this deployment. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Database {
    backend: Backend,
    reader: DatabaseConnection,
    writer: DatabaseConnection,
    replica: Option<DatabaseConnection>,
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
        let writer = sea_orm::Database::connect(sqlite_options(settings, 1)).await?;
        let reader =
            sea_orm::Database::connect(sqlite_options(settings, settings.connections)).await?;
        Ok(Self {
            backend: Backend::Sqlite,
            reader,
            writer,
            replica: None,
        })
    }

    async fn connect_postgres(settings: &DatabaseSettings) -> Result<Self, DbErr> {
        let pool = sea_orm::Database::connect(postgres_options(settings, &settings.url)).await?;
        let replica = match &settings.read_url {
            Some(url) => Some(sea_orm::Database::connect(postgres_options(settings, url)).await?),
            None => None,
        };
        Ok(Self {
            backend: Backend::Postgres,
            reader: pool.clone(),
            writer: pool,
            replica,
        })
    }

    /// Which database this is.
    pub fn backend(&self) -> Backend {
        self.backend
    }

    /// For reading what is current.
    pub fn read(&self) -> &DatabaseConnection {
        &self.reader
    }

    /// For reading what can no longer change: the replica if there is one.
    pub fn read_settled(&self) -> &DatabaseConnection {
        self.replica.as_ref().unwrap_or(&self.reader)
    }

    /// The pool that writes, for migrations and for statements that stand alone.
    pub fn write(&self) -> &DatabaseConnection {
        &self.writer
    }

    /// Begins a transaction that will write. On SQLite it takes the write lock at once: one that began
    /// reading could not take it later without failing.
    pub async fn begin(&self) -> Result<DatabaseTransaction, DbErr> {
        self.writer
            .begin_with_options(TransactionOptions {
                sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
                ..TransactionOptions::default()
            })
            .await
    }

    /// Begins to read everything as it is at one instant, however long that takes.
    pub async fn snapshot(&self) -> Result<DatabaseTransaction, DbErr> {
        if self.backend == Backend::Sqlite {
            return self.reader.begin().await;
        }
        let (isolation, access) = (IsolationLevel::RepeatableRead, AccessMode::ReadOnly);
        let transaction = self
            .reader
            .begin_with_config(Some(isolation), Some(access))
            .await?;
        Query::new("SELECT set_config('statement_timeout', '0', true), set_config('work_mem', '64MB', true)")
            .one(&transaction)
            .await?;
        Ok(transaction)
    }

    /// Closes the pools after what is under way.
    pub async fn close(self) -> Result<(), DbErr> {
        if self.backend == Backend::Sqlite {
            self.reader.close().await?;
        }
        if let Some(replica) = self.replica {
            replica.close().await?;
        }
        self.writer.close().await
    }

    /// Takes a lock that ends with the transaction, if no other process holds it. SQLite has one writer,
    /// so its transactions hold every lock already.
    pub async fn try_lock(
        &self,
        transaction: &DatabaseTransaction,
        key: i64,
    ) -> Result<bool, DbErr> {
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
    pub async fn lock(&self, transaction: &DatabaseTransaction, key: i64) -> Result<(), DbErr> {
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

fn sqlite_options(settings: &DatabaseSettings, connections: u32) -> ConnectOptions {
    let mut options = ConnectOptions::new(settings.url.clone());
    let busy = settings.lock_timeout;
    options
        .max_connections(connections)
        .acquire_timeout(settings.acquire_timeout)
        .test_before_acquire(false)
        .sqlx_logging(false)
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
