//! Reporting as a fact of its own: a vendor or chain confirms that all that happened at its facilities up to a day is
//! recorded, whether anything changed or not. Without it a count that stands still may mean that nothing was done, or that
//! nobody told.
//!
//! Confirmations are only ever added, so that who had reported what is known of any instant. One that was wrong is taken
//! back by another, which says up to which day the records are complete after all.

pub mod entity;
pub mod graphql;
mod problem;
pub mod service;

pub use problem::ReportingProblem;
