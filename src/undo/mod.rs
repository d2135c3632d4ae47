//! Undoing a change: a new change that takes back what another did, facility by facility, and refuses those that
//! changed since. Nothing is removed: what was undone stays in the history, voided, and an undoing can be undone.
//!
//! What can be undone is milestones, plans, blockers, work orders, waves, and the links to vendors, chains and their parts.
//! Names and contacts are kept as they are now and not as they were, so they are written anew; what the registry says is
//! corrected.

pub mod entity;
pub mod graphql;
pub mod service;
