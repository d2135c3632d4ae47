//! Milestones and the history of facilities: what happened, from when, and as recorded by which change;
//! the rules that a history obeys; and the current state that follows from it.

mod aspect;
pub mod authority;
mod blocker;
pub mod entity;
pub mod graphql;
pub mod history;
pub mod kind;
mod per_milestone;
mod problem;
mod replay;
pub mod service;
mod work;

pub use aspect::{Action, Aspect};
pub use blocker::Blocker;
pub use history::{Current, Derived, Event, History, Violation};
pub use kind::{Milestone, Stage, stage_of};
pub use per_milestone::PerMilestone;
pub use problem::{Problem, check_note};
pub use replay::{Added, KnownPeriod, Replay};
