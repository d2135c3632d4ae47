//! All integration tests, in one binary.

#[cfg(test)]
mod auth;
#[cfg(test)]
mod demo;
#[cfg(test)]
mod support;
