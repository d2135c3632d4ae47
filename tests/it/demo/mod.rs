//! The demo nation, recounted facility by facility.

mod facilities;
mod published;
pub mod survey;
