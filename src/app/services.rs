//! What a use case needs of the process it runs in.

use std::sync::Arc;

use tokio::sync::{Notify, watch};

use super::Clock;
use crate::db::Database;

/// The database, the clock, and bells: for the background, and one that it rings. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Services {
    /// The database.
    pub database: Database,
    /// The clock.
    pub clock: Clock,
    /// Rung after a write, so that it is numbered and folded soon.
    pub written: Arc<Notify>,
    /// Rung when a sheet waits for a process.
    pub sheets: Arc<Notify>,
    /// The last settled change that this process knows of. Whoever learns of a later one sends it here
    /// (`send_replace`), and readers of the change feed wake up; what they read comes from the database.
    pub settled: Arc<watch::Sender<i64>>,
}

impl Services {
    /// Services on a database.
    pub fn new(database: Database, clock: Clock) -> Self {
        Self {
            database,
            clock,
            written: Arc::new(Notify::new()),
            sheets: Arc::new(Notify::new()),
            settled: Arc::new(watch::Sender::new(0)),
        }
    }
}
