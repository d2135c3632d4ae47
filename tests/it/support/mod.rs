//! What every integration test needs: its own database, migrated, on either backend.

pub mod accounts;
pub mod api;
mod database;
pub mod process;
pub mod served;

pub use database::TestDatabase;
