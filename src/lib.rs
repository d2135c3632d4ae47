//! Kaitsu runs a national rollout: hundreds of thousands of facilities, each going from "applied" to "live".

/// What a facility is: institution code, kind, prefecture.
pub mod facility;
