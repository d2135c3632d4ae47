//! Capacity in the API: how much work is done and waits, pledges, and the monthly follow-up.

mod query;
mod scorecard;
mod types;

pub use query::{CapacityMutation, CapacityQuery};
pub use scorecard::ScorecardQuery;
pub use types::FollowUpConnection;
