//! The change feed in the API: pages for those who ask from time to time, a subscription for those who
//! stay. Both read the same pages from the database, so a cursor of one is good for the other, on any
//! replica.

mod query;
mod subscription;
mod types;

pub use query::ChangeQuery;
pub use subscription::ChangeSubscription;
pub use types::{ChangeConnection, ChangeEdge, ChangeEntry};
