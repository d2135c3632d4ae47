//! What every integration test needs: its own database, migrated, on either backend.

mod database;

pub use database::TestDatabase;
