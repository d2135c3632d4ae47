//! What a use case needs of the process it runs in.

use std::sync::Arc;

use tokio::sync::Notify;

use super::Clock;
use crate::db::Database;

/// The database, the clock, and a bell for the background: cheap to clone.
#[derive(Clone, Debug)]
pub struct Services {
    /// The database.
    pub database: Database,
    /// The clock.
    pub clock: Clock,
    /// Rung after a write, so that it is numbered and folded soon.
    pub written: Arc<Notify>,
}

impl Services {
    /// Services on a database.
    pub fn new(database: Database, clock: Clock) -> Self {
        Self {
            database,
            clock,
            written: Arc::new(Notify::new()),
        }
    }
}
