//! Running `wrk` with the requests of a file.

use std::{
    net::SocketAddr,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use crate::Failure;

/// What one run of `wrk` saw.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// Requests that were answered.
    pub requests: u64,
    /// How long it ran.
    pub time: Duration,
    /// Requests without an answer, or with a status of 400 or more.
    pub errors: u64,
    /// Half of the answers took no longer.
    pub p50: Duration,
    /// 99 of 100 answers took no longer.
    pub p99: Duration,
    /// What was received, heads included.
    pub bytes: u64,
}

impl Seen {
    /// Answers a second.
    pub fn throughput(&self) -> f64 {
        float(self.requests) / self.time.as_secs_f64()
    }
}

/// A count as a number to divide by.
pub fn float(count: u64) -> f64 {
    u32::try_from(count).map_or(f64::MAX, f64::from)
}

/// Sends the requests of a file over and over, on so many connections for so long.
///
/// # Errors
/// `wrk` is missing, or says nothing that can be read.
pub fn run(
    server: SocketAddr,
    requests: &Path,
    connections: u16,
    time: Duration,
) -> Result<Seen, Failure> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/wrk.lua");
    let output = Command::new("wrk")
        .arg("--threads=1")
        .arg(format!("--connections={connections}"))
        .arg(format!("--duration={}s", time.as_secs().max(1)))
        .arg("--timeout=10s")
        .arg(format!("--script={script}"))
        .arg(format!("http://{server}"))
        .arg("--")
        .arg(requests)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("wrk can't be run: {error}"))?;
    let said = String::from_utf8_lossy(&output.stdout);
    let line = said.lines().find_map(|line| line.strip_prefix("BENCH "));
    let numbers: Vec<u64> = line
        .unwrap_or_default()
        .split(' ')
        .filter_map(|number| number.parse().ok())
        .collect();
    let [requests, time, errors, p50, p99, bytes] = numbers.as_slice() else {
        return Err(format!(
            "wrk said: {said}{}",
            String::from_utf8_lossy(&output.stderr)
        )
        .into());
    };
    Ok(Seen {
        requests: *requests,
        time: Duration::from_micros(*time),
        errors: *errors,
        p50: Duration::from_micros(*p50),
        p99: Duration::from_micros(*p99),
        bytes: *bytes,
    })
}
