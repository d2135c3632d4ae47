//! Configuration, wiring, telemetry, start-up and graceful stop.

pub mod clock;

pub use clock::{Clock, civil_day};
