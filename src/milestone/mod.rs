//! Milestones: how far each facility has come, from the application for a card reader to live operation.

pub mod kind;

pub use kind::{Milestone, Stage, stage_of};
