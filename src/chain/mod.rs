//! Chains: who they are, how many stores they have, which of them are large, their parts and their waves.
//!
//! Stores belong to a chain from a day to a day, by links that are part of their history. A chain is large (大手チェーン薬局)
//! if it once applied for the readers of 200 stores or more in one go: one request, or one sheet. That is computed from the
//! records, and no one types it in.

//!
//! A corporation (法人) or an area (エリア) of a chain is an organisation that is a part of it, with members of its own. Stores
//! belong to it from a day to a day, as they do to the chain. A wave is a named plan: stores of a chain, each with the day
//! on which it is to reach a milestone. To plan a store in a wave promises that day in its history; what is promised
//! later moves the promise and not the wave.

pub mod entity;
pub mod graphql;
mod problem;
pub mod service;

use async_graphql::Enum;
use serde::{Deserialize, Serialize};

pub use problem::WaveProblem;

/// Stores of one application from which a chain is large (the ministry's report of 2021-12-19, page 7).
pub const LARGE_FROM: i64 = 200;

/// The row of a wave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct WaveId(pub i64);

/// How a store stands in its wave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, Enum)]
pub enum WaveStoreState {
    /// Done by its day.
    DoneOnTime,
    /// Done after its day.
    DoneLate,
    /// Its day is over.
    Overdue,
    /// Its day is still to come, or today.
    ToCome,
}
