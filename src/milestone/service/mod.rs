//! Use cases that change a facility's history. All of them end in [`commit`]: events, state, plans,
//! periods and deltas of one change are written together or not at all.

mod commit;
mod draft;
mod record;
mod recorded;

pub use commit::{Amended, Written, commit};
pub use draft::{Draft, Taken, Working, correction, planned};
pub use record::{
    BulkOutcome, EARLIEST, ErrorPolicy, MOST_ROWS, RowOutcome, Rows, Step, StepRow, write_steps,
};
pub use recorded::already_recorded;
