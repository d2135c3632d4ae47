//! Milestones in the API: the mutations that record, plan, withdraw and correct them.

mod mutation;

pub use mutation::MilestoneMutation;
