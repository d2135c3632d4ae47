//! The whole database as one file, and back. The file is the same from SQLite and from PostgreSQL: each
//! row as a line of text, each table with the number and the hash of its rows, compressed. It is written
//! from one snapshot and read in one transaction, and neither holds more than some rows in memory. Keys that sign
//! tokens are not in it; a restored database makes its own, and holds all mail until a person releases it.

mod archive;
mod entity;
mod service;

pub use archive::{ArchiveError, Header};
pub use service::{BackupError, Progress, Summary, backup, check, release_sending, restore};
