//! Kaitsu: the backend of a national rollout.

pub mod api;
pub mod http;
