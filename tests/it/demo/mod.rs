//! The demo nation, recounted facility by facility.

mod facilities;
mod published;
mod survey;
