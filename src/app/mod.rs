//! Configuration, wiring, telemetry, start-up and graceful stop.

pub mod accounts;
pub mod background;
pub mod calendar;
pub mod clock;
pub mod config;
pub mod gate;
mod month;
mod process;
pub mod routes;
mod services;
pub mod telemetry;

pub use clock::{Clock, civil_day};
pub use config::Config;
pub use month::Month;
pub use process::{StartError, serve, work};
pub use services::Services;
