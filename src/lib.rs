//! Kaitsu (開通, "opened for service") runs a national rollout: for each facility the pipeline from the
//! card-reader application to the day it goes live.
//!
//! The map, from the edge inwards:
//!
//! - [`app`]: configuration, clock, wiring, telemetry, start-up and graceful stop
//! - [`http`]: the doors: GraphQL, web sockets, health, metrics
//! - [`api`]: what the whole API shares: limits, errors, pages, node ids, scalars
//! - [`auth`]: who is asking: users, sessions, tokens → actor, permission, scope
//! - [`facility`]: the registry of hospitals, clinics and pharmacies
//! - [`milestone`]: the pipeline: the history of each facility, its rules, and its current state
//! - [`installation`]: the work orders by which facilities are set up
//! - [`handover`]: what vendors propose to support contractors, and what these answer
//! - [`undo`]: a change that takes back what another did
//! - [`capacity`]: what vendors pledge to install, and what the records say of it
//! - [`reporting`]: up to which day vendors and chains have reported
//! - [`sheet`]: files of facilities that are sent, checked, applied and undone
//! - [`worklist`]: what to do next, and filters that people keep
//! - [`vendor`]: the directory of vendors and support contractors
//! - [`supply`]: the catalogue of readers, PCs and routers
//! - [`procurement`]: what facilities apply for, and how far that has come
//! - [`figures`]: how many are open, have applied, are ready and are live, on any day, as known at any instant
//! - [`chain`]: chains, and which of them are large
//! - [`change`]: one row for each write, its number, the change feed, idempotency
//! - [`backup`]: the whole database as one file, and back
//! - [`jobs`]: work that is repeated, and work that one process does once in a while
//! - [`mail`]: the outbox, its templates and transports
//! - [`verify`]: everything recounted from the history
//! - [`demo`]: the national demo data
//! - [`db`]: connections, transactions, typed ids; all that differs between SQLite and PostgreSQL

// The layout of a root field's future is as deep as the calls that it awaits, and more than the default when optimised.
#![recursion_limit = "256"]

pub mod api;
pub mod app;
pub mod auth;
pub mod backup;
pub mod capacity;
pub mod chain;
pub mod change;
pub mod db;
pub mod demo;
pub mod facility;
pub mod figures;
pub mod handover;
pub mod http;
pub mod installation;
pub mod jobs;
pub mod mail;
pub mod milestone;
pub mod procurement;
pub mod reporting;
pub mod sheet;
pub mod supply;
pub mod undo;
pub mod vendor;
pub mod verify;
pub mod worklist;
