//! Undoing a change: a new change that takes back what another did, facility by facility, and refuses those that
//! changed since. Nothing is removed: what was undone stays in the history, voided, and an undoing can be undone.
//!
//! What can be undone is what is done in bulk: milestones, plans, blockers and work orders.

pub mod entity;
pub mod graphql;
pub mod service;
