//! Use cases of applications: recording what happens to them, and taking that back.

mod record;
mod restore;

pub use record::{ApplicationRow, MOST_LINES, MOST_READERS, Outcome, RowOutcome, record};
pub use restore::restore;
