//! What Kaitsu's speed is measured with, and against. `scripts/bench` runs it all.
//!
//! - [`floor`]: a server that does as little as can be done for the same answers

pub mod drive;
pub mod floor;

/// How anything here fails: the bench ends and says why.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;
