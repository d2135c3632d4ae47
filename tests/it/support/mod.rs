//! What every integration test needs: its own database, migrated, on either backend.

pub mod accounts;
pub mod api;
mod database;

pub use database::TestDatabase;
