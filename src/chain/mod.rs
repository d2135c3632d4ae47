//! Chains: who they are, how many stores they have, and which of them are large.
//!
//! Stores belong to a chain from a day to a day, by links that are part of their history. A chain is large (大手チェーン薬局)
//! if it once applied for the readers of 200 stores or more in one go: one request, or one sheet. That is computed from the
//! records, and no one types it in.

pub mod entity;
pub mod graphql;
pub mod service;

/// Stores of one application from which a chain is large (the ministry's report of 2021-12-19, page 7).
pub const LARGE_FROM: i64 = 200;
