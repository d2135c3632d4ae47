//! Milestones and blockers in the API: the mutations that record them.

mod blocker;
mod mutation;

pub use blocker::BlockerMutation;
pub use mutation::MilestoneMutation;
