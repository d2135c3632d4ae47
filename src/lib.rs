//! Kaitsu (開通, "opened for service") runs a national rollout: for each facility the pipeline from the
//! card-reader application to the day it goes live.
//!
//! The map, from the edge inwards:
//!
//! - [`app`]: configuration, clock, wiring, start-up and graceful stop
//! - [`auth`]: who is asking: users, sessions, tokens → actor, permission, scope
//! - [`db`]: connections, transactions, typed ids; all that differs between SQLite and PostgreSQL
//! - [`facility`]: the registry of hospitals, clinics and pharmacies

pub mod api;
pub mod app;
pub mod auth;
pub mod change;
pub mod db;
pub mod demo;
pub mod facility;
pub mod figures;
pub mod http;
pub mod milestone;
pub mod verify;
