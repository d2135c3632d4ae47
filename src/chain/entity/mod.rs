//! The applications of chains, the stores of their parts, and the tables `wave` and `wave_store`.

mod applications;
mod parts;
mod waves;

pub use applications::{Application, largest_applications};
pub use parts::{PartCounts, parts};
pub use waves::{
    Counts, DayCounts, StoreCursor, StoreRow, WaveRow, Which, counts, days, in_force, insert,
    plan_stores, remove, rename, restore, stores, waves,
};
