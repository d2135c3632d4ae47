//! The integration tests, in one binary: a file for each area.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod architecture;
mod auth;
mod authorization;
mod background;
mod backup;
mod bad_input;
mod blockers;
mod bulk_amend;
mod capacity;
mod chain;
mod command_line;
mod config;
mod contract;
mod demo;
mod docs;
mod feed;
mod figures;
mod filters;
mod handover;
mod http_graphql;
mod installation;
mod kill;
mod lanes;
mod limits;
mod lists;
mod load;
mod mail;
mod migrations;
mod orders;
mod pipeline;
mod plain;
mod procurement;
mod reference;
mod registry;
mod reporting;
mod seed;
mod server;
mod sheets;
mod supply;
mod support;
mod toy;
mod undo;
mod vendor;
mod websocket;
mod worklist;
