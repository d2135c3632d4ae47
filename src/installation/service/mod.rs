//! Opening, planning, starting, ticking off, finishing and cancelling work orders, one or thousands in a request. What
//! an order says of its facility (the planned day, INSTALLED) is recorded in the same transaction.

mod checklist;
mod request;
mod restore;
mod step;

pub use checklist::{ChecklistOutcome, publish};
pub use request::{Outcome, RowOutcome, StepRow, write_steps};
pub use restore::{name_conflicts, restore};
pub use step::{Effort, MOST_CREW, MOST_MINUTES, MOST_REFERENCE, Step, Tick};
