//! Kaitsu runs a national rollout: hundreds of thousands of facilities, each going from "applied" to "live".

/// The national demo data, whose histories add up to every published figure.
pub mod demo;
/// What a facility is: institution code, kind, prefecture.
pub mod facility;
/// How far a facility has come: milestones and the stage that follows from them.
pub mod milestone;
