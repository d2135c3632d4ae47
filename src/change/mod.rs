//! Changes: every write transaction leaves one row that says who, from where and why. Rows are numbered
//! after they commit ([`settle`]), so that a reader of "up to number N" never sees one slip in behind it;
//! from that follow `knownAt`, the change feed ([`feed`]) and the folding of totals.

mod entity;
pub mod feed;
pub mod graphql;
mod known;
mod service;
mod source;

pub use entity::{
    CHANGE_HORIZON, ChangeRow, Horizon, SETTLED_CHANGE, Unsettled, horizon, horizon_values, insert,
    set_folded, settled_change_values, unsettled,
};
pub use entity::{Earlier, IdempotencyKey, KEPT_DAYS, forget_outcomes};
pub use known::Known;
pub use service::{KnownAtError, WriteError, Writer, record, resolve_known_at, settle};
pub use source::{Source, identity_columns, identity_of};
