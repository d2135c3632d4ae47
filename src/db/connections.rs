//! Statements outside transactions, on either database.

use std::sync::Arc;

use async_trait::async_trait;
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DbBackend, DbErr, ExecResult, QueryResult, Statement,
};

use super::lanes::{Lanes, Waiting};

/// Runs statements that stand alone. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Connections(pub(super) Route);

/// By what statements run.
#[derive(Clone, Debug)]
pub(super) enum Route {
    /// SQLite's connections, which are no farther than a thread.
    Pool(DatabaseConnection),
    /// PostgreSQL's.
    Lanes(Arc<Lanes>),
}

impl Connections {
    /// Announces that a transaction will want a connection, for as long as what it answers lives.
    pub(super) fn wait(&self) -> Waiting<'_> {
        match &self.0 {
            Route::Pool(_) => Waiting::default(),
            Route::Lanes(lanes) => lanes.wait(),
        }
    }

    /// Open connections, and those of them that nobody uses.
    pub(super) fn size(&self) -> (u32, usize) {
        match &self.0 {
            Route::Pool(pool) => sqlite_size(pool),
            Route::Lanes(lanes) => lanes.size(),
        }
    }

    /// Closes the connections after what is under way.
    pub(super) async fn close(self) -> Result<(), DbErr> {
        match self.0 {
            Route::Pool(pool) => pool.close().await,
            Route::Lanes(lanes) => {
                lanes.close().await;
                Ok(())
            }
        }
    }
}

/// Open connections of a pool on SQLite, and those of them that nobody uses.
fn sqlite_size(pool: &DatabaseConnection) -> (u32, usize) {
    let pool = pool.get_sqlite_connection_pool();
    (pool.size(), pool.num_idle())
}

#[async_trait]
impl ConnectionTrait for Connections {
    fn get_database_backend(&self) -> DbBackend {
        match &self.0 {
            Route::Pool(pool) => pool.get_database_backend(),
            Route::Lanes(lanes) => lanes.get_database_backend(),
        }
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        match &self.0 {
            Route::Pool(pool) => pool.execute_raw(statement).await,
            Route::Lanes(lanes) => lanes.execute_raw(statement).await,
        }
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        match &self.0 {
            Route::Pool(pool) => pool.execute_unprepared(sql).await,
            Route::Lanes(lanes) => lanes.execute_unprepared(sql).await,
        }
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        match &self.0 {
            Route::Pool(pool) => pool.query_one_raw(statement).await,
            Route::Lanes(lanes) => lanes.query_one_raw(statement).await,
        }
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        match &self.0 {
            Route::Pool(pool) => pool.query_all_raw(statement).await,
            Route::Lanes(lanes) => lanes.query_all_raw(statement).await,
        }
    }
}
