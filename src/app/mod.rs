//! Configuration, wiring, telemetry, start-up and graceful stop.

pub mod clock;
pub mod gate;
mod services;

pub use clock::{Clock, civil_day};
pub use services::Services;
