//! Bringing the schema up to date, and telling whether it is. A server starts on a schema that is ahead of
//! it, as it is while the next version is rolled out, but not on one that is behind. sea-orm's own runner
//! refuses a database that holds migrations it does not know, so the table of applied migrations is read
//! here. Each migration is one transaction, under a lock that two processes can't hold at once.

use migration::{MigrationTrait, Migrator, MigratorTrait, SchemaManager};

use crate::{
    app::Clock,
    db::{Backend, ConnectionTrait, Database, DatabaseTransaction, DbErr, Query, Row},
};

/// Only one process migrates at a time.
const MIGRATION_LOCK: i64 = 0x4b41_4954_0002;

/// How one migration stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// In the database.
    Applied,
    /// Not in the database yet.
    Pending,
    /// In the database, and made by a version newer than this one.
    Newer,
}

/// How all migrations stand, oldest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status(Vec<(String, State)>);

/// Migrations can't be run.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// What this version does not know, it can't take back.
    #[error("{0} was applied by a newer version; only that one can take it back")]
    Newer(String),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DbErr),
}

impl Status {
    /// Every migration with its state.
    pub fn migrations(&self) -> &[(String, State)] {
        &self.0
    }

    /// Names of those in one state.
    pub fn in_state(&self, state: State) -> impl Iterator<Item = &str> {
        self.0
            .iter()
            .filter(move |(_, found)| *found == state)
            .map(|(name, _)| name.as_str())
    }

    /// Does the database lack something that this version needs?
    pub fn is_behind(&self) -> bool {
        self.in_state(State::Pending).next().is_some()
    }

    /// Names of all that is in the database.
    pub fn applied(&self) -> Vec<&str> {
        self.0
            .iter()
            .filter(|(_, state)| *state != State::Pending)
            .map(|(name, _)| name.as_str())
            .collect()
    }
}

/// How the database stands towards this version.
pub async fn status(database: &Database) -> Result<Status, DbErr> {
    status_in(database.backend(), database.read()).await
}

/// The same, within a transaction.
pub async fn status_in(
    backend: Backend,
    connection: &impl ConnectionTrait,
) -> Result<Status, DbErr> {
    let applied = applied(backend, connection).await?;
    let known: Vec<String> = Migrator::migrations()
        .iter()
        .map(|migration| migration.name().to_owned())
        .collect();
    let newer: Vec<String> = applied
        .iter()
        .filter(|name| !known.contains(name))
        .cloned()
        .collect();
    let state = |name: &String| {
        if applied.contains(name) {
            State::Applied
        } else {
            State::Pending
        }
    };
    let known = known.into_iter().map(|name| {
        let state = state(&name);
        (name, state)
    });
    let newer = newer.into_iter().map(|name| (name, State::Newer));
    Ok(Status(known.chain(newer).collect()))
}

/// Applies what is pending, at most so many. Answers what it applied.
pub async fn up(
    database: &Database,
    clock: &Clock,
    most: Option<usize>,
) -> Result<Vec<String>, MigrateError> {
    let mut done = Vec::new();
    for migration in Migrator::migrations() {
        if most.is_some_and(|most| done.len() >= most) {
            break;
        }
        let transaction = begin(database).await?;
        if applied(database.backend(), &transaction)
            .await?
            .iter()
            .any(|name| name == migration.name())
        {
            transaction.rollback().await?;
            continue;
        }
        migration.up(&SchemaManager::new(&transaction)).await?;
        Query::with(
            "INSERT INTO seaql_migrations (version, applied_at) VALUES ($1, $2)",
            [migration.name().into(), clock.now().timestamp().into()],
        )
        .execute(&transaction)
        .await?;
        transaction.commit().await?;
        done.push(migration.name().to_owned());
    }
    Ok(done)
}

/// Takes back the last so many. Answers what it took back. What they held is lost.
pub async fn down(database: &Database, count: usize) -> Result<Vec<String>, MigrateError> {
    let mut done = Vec::new();
    let known = Migrator::migrations();
    while done.len() < count {
        let transaction = begin(database).await?;
        let applied = applied(database.backend(), &transaction).await?;
        let Some(last) = applied.last() else {
            break;
        };
        let migration = known
            .iter()
            .find(|migration| migration.name() == last)
            .ok_or_else(|| MigrateError::Newer(last.clone()))?;
        take_back(&transaction, migration.as_ref()).await?;
        transaction.commit().await?;
        done.push(last.clone());
    }
    Ok(done)
}

async fn take_back(
    transaction: &DatabaseTransaction,
    migration: &dyn MigrationTrait,
) -> Result<(), DbErr> {
    migration.down(&SchemaManager::new(transaction)).await?;
    Query::with(
        "DELETE FROM seaql_migrations WHERE version = $1",
        [migration.name().into()],
    )
    .execute(transaction)
    .await?;
    Ok(())
}

async fn begin(database: &Database) -> Result<DatabaseTransaction, DbErr> {
    let transaction = database.begin_alone(MIGRATION_LOCK).await?;
    transaction
        .execute_unprepared(
            "CREATE TABLE IF NOT EXISTS seaql_migrations (version VARCHAR NOT NULL PRIMARY KEY, \
             applied_at BIGINT NOT NULL)",
        )
        .await?;
    Ok(transaction)
}

/// Names of the migrations in the database, oldest first; none if there is no table of them.
async fn applied(
    backend: Backend,
    connection: &impl ConnectionTrait,
) -> Result<Vec<String>, DbErr> {
    let exists = match backend {
        Backend::Sqlite => {
            "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'seaql_migrations'"
        }
        Backend::Postgres => "SELECT 1 WHERE to_regclass('seaql_migrations') IS NOT NULL",
    };
    if Query::new(exists).one(connection).await?.is_none() {
        return Ok(Vec::new());
    }
    let rows = Query::new("SELECT version FROM seaql_migrations")
        .all(connection)
        .await?;
    let names: Result<Vec<String>, DbErr> = rows.iter().map(|row| Row::new(row).take()).collect();
    let mut names = names?;
    names.sort_unstable();
    Ok(names)
}
