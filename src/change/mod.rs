//! Changes: every write transaction leaves one row that says who, from where and why. Rows are numbered
//! after they commit ([`settle`]), so that a reader of "up to number N" never sees one slip in behind it;
//! from that follow `knownAt`, the change feed and the folding of totals.

mod entity;
mod idempotency;
mod service;

pub use entity::{
    ChangeRow, Horizon, Source, Unsettled, horizon, identity_of, insert, set_folded, unsettled,
};
pub use idempotency::{Earlier, IdempotencyKey, KEPT_DAYS, forget_outcomes};
pub use service::{Known, KnownAtError, WriteError, Writer, record, resolve_known_at, settle};
