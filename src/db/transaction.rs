//! Transactions, on either database.

use async_trait::async_trait;
use sea_orm::{
    ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, ExecResult, QueryResult, Statement,
};

use super::lanes::LaneTransaction;

/// Statements that take effect together, or not at all: one that is dropped is rolled back.
#[derive(Debug)]
pub struct Transaction(pub(super) By);

/// By what a transaction runs.
#[derive(Debug)]
pub(super) enum By {
    /// A connection to SQLite.
    Pool(DatabaseTransaction),
    /// One to PostgreSQL.
    Lane(LaneTransaction),
}

impl Transaction {
    /// Makes everything take effect.
    pub async fn commit(self) -> Result<(), DbErr> {
        match self.0 {
            By::Pool(transaction) => transaction.commit().await,
            By::Lane(transaction) => transaction.commit().await,
        }
    }

    /// Takes everything back.
    pub async fn rollback(self) -> Result<(), DbErr> {
        match self.0 {
            By::Pool(transaction) => transaction.rollback().await,
            By::Lane(transaction) => transaction.rollback().await,
        }
    }
}

#[async_trait]
impl ConnectionTrait for Transaction {
    fn get_database_backend(&self) -> DbBackend {
        match &self.0 {
            By::Pool(transaction) => transaction.get_database_backend(),
            By::Lane(transaction) => transaction.get_database_backend(),
        }
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        match &self.0 {
            By::Pool(transaction) => transaction.execute_raw(statement).await,
            By::Lane(transaction) => transaction.execute_raw(statement).await,
        }
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        match &self.0 {
            By::Pool(transaction) => transaction.execute_unprepared(sql).await,
            By::Lane(transaction) => transaction.execute_unprepared(sql).await,
        }
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        match &self.0 {
            By::Pool(transaction) => transaction.query_one_raw(statement).await,
            By::Lane(transaction) => transaction.query_one_raw(statement).await,
        }
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        match &self.0 {
            By::Pool(transaction) => transaction.query_all_raw(statement).await,
            By::Lane(transaction) => transaction.query_all_raw(statement).await,
        }
    }
}
