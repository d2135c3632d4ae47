//! Figures: how many facilities are open, have applied, are ready and are live, by kind, prefecture,
//! vendor and chain, as of any day and as known at any instant. They are read from totals, whose cost
//! does not grow with the registry: writers append deltas in their transaction, a background step folds
//! them, and a reader sums both in one snapshot.

mod cell;
pub mod entity;
pub mod graphql;
mod grid;
pub mod service;
mod tally;
mod work;

pub use cell::{Cell, Counts, Deltas, FOREVER, Level, Period, difference};
pub use grid::Grid;
pub use tally::Tally;
pub use work::{Work, WorkStep};
