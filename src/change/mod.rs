//! Changes: every write transaction leaves one row that says who, from where and why. Rows are numbered
//! after they commit ([`settle`]), so that a reader of "up to number N" never sees one slip in behind it;
//! from that follow `knownAt`, the change feed ([`feed`]) and the folding of totals.

mod entity;
pub mod feed;
pub mod graphql;
mod idempotency;
mod service;

pub use entity::{
    CHANGE_HORIZON, ChangeRow, Horizon, SETTLED_CHANGE, Source, Unsettled, horizon, horizon_values,
    identity_of, insert, set_folded, settled_change_values, unsettled,
};
pub use idempotency::{Earlier, IdempotencyKey, KEPT_DAYS, forget_outcomes};
pub use service::{Known, KnownAtError, WriteError, Writer, record, resolve_known_at, settle};
