//! Figures in the API: counts and rates by any dimension, as of any day and as known at any instant; the
//! increase since another day and what it is made of; series; prefecture bands; and the facilities behind
//! every count.

mod cells;
mod coverage;
mod query;

pub use cells::percent;
pub use query::{FigureFilter, FiguresQuery, read_filter};
