//! The applications of chains, the stores of their parts, and the tables `wave` and `wave_store`.

mod applications;
mod parts;
mod waves;

pub use applications::{Application, largest_applications};
pub use parts::{PartCounts, parts};
pub use waves::{
    Counts, DayCounts, Planned, StoreCursor, StoreRow, Told, WAVE, WAVE_STORE, WaveRow, Which,
    counts, days, in_force, insert, lock, plan_stores, remove, rename, restore, stores, told_by,
    waves,
};
