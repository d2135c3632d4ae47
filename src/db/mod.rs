//! Connections, transactions and typed ids. What differs between SQLite and PostgreSQL lives in this
//! folder and nowhere else: the pools, how a write transaction begins, bulk loading, advisory locks
//! and the search index. Everyone above speaks one SQL, with `$1` parameters, through [`Query`].

mod connect;
mod connections;
pub mod deployment;
mod failure;
mod gather;
mod id;
mod lanes;
pub mod load;
pub mod migrations;
mod query;
pub mod schema;
pub mod search;
mod table;
mod transaction;
pub mod wake;

pub use connect::{Backend, Database, DatabaseSettings, is_database_url};
pub use connections::Connections;
pub use failure::{is_transient, is_unique_violation};
pub use gather::Gather;
pub use id::{ChangeId, EventId, FacilityId, OrganisationId, SessionId, UserId};
pub use query::{Query, Row, delete_in_batches};
pub use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr};
pub use table::{Column, Table, Values};
pub use transaction::Transaction;
