//! The registry of hospitals, clinics and pharmacies.

mod prefecture;

pub use prefecture::{Bureau, Prefecture};
