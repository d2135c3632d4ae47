//! Runs in turns: ours, the floor, ours … and the medians of what was seen.

use std::{path::Path, time::Duration};

use serde::Serialize;

use super::{
    process::Process,
    servers::Server,
    workload::{self, Line},
    wrk::{self, Seen, float},
};
use crate::Failure;

/// How long and how often.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Runs of each side.
    pub rounds: usize,
    /// The length of a run.
    pub time: Duration,
}

/// One side's medians.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Side {
    /// Answers a second.
    pub throughput: f64,
    /// Milliseconds in which half were answered.
    pub p50: f64,
    /// Milliseconds in which 99 of 100 were answered.
    pub p99: f64,
    /// CPU milliseconds of the server for a request.
    pub cpu: f64,
    /// CPU milliseconds of PostgreSQL for a request.
    pub database_cpu: f64,
    /// SQL statements for a request, if they could be counted; each is a round trip.
    pub statements: Option<f64>,
    /// Bytes of an answer, head included.
    pub bytes: f64,
}

/// A side of a comparison: who is asked what.
pub struct Contender<'a> {
    /// The server.
    pub server: &'a Server,
    /// The requests.
    pub requests: &'a Path,
}

/// Runs both sides in turns on so many connections.
///
/// # Errors
/// A request failed.
pub fn alternate(
    plan: Plan,
    connections: u16,
    postmaster: Process,
    sides: [&Contender<'_>; 2],
) -> Result<[Side; 2], Failure> {
    let mut runs: [Vec<Side>; 2] = [Vec::new(), Vec::new()];
    for round in 0..plan.rounds {
        let mut order: Vec<_> = sides.iter().zip(&mut runs).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for (side, runs) in order {
            runs.push(run(side, connections, plan.time, postmaster)?);
        }
    }
    Ok(runs.map(|runs| median(&runs)))
}

/// One run.
///
/// # Errors
/// A request failed.
pub fn run(
    side: &Contender<'_>,
    connections: u16,
    time: Duration,
    postmaster: Process,
) -> Result<Side, Failure> {
    let server = side.server.process();
    let before = (server.cpu(), postmaster.cpu_with_children());
    let seen = wrk::run(side.server.address, side.requests, connections, time)?;
    let (cpu, database_cpu) = (
        server.cpu() - before.0,
        postmaster.cpu_with_children().saturating_sub(before.1),
    );
    if seen.errors > 0 || seen.requests == 0 {
        return Err(format!("{} of {} requests failed", seen.errors, seen.requests).into());
    }
    Ok(side_of(&seen, cpu, database_cpu))
}

fn side_of(seen: &Seen, cpu: Duration, database_cpu: Duration) -> Side {
    let milliseconds = |time: Duration| time.as_secs_f64() * 1_000.0;
    let requests = float(seen.requests);
    Side {
        throughput: seen.throughput(),
        p50: milliseconds(seen.p50),
        p99: milliseconds(seen.p99),
        cpu: milliseconds(cpu) / requests,
        database_cpu: milliseconds(database_cpu) / requests,
        statements: None,
        bytes: float(seen.bytes) / requests,
    }
}

/// Number by number, the one in the middle.
pub fn median(runs: &[Side]) -> Side {
    let of = |number: fn(&Side) -> f64| middle(runs.iter().map(number).collect());
    Side {
        throughput: of(|run| run.throughput),
        p50: of(|run| run.p50),
        p99: of(|run| run.p99),
        cpu: of(|run| run.cpu),
        database_cpu: of(|run| run.database_cpu),
        statements: None,
        bytes: of(|run| run.bytes),
    }
}

/// The number in the middle.
pub fn middle(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or_default()
}

/// Sends every request of a sample once and says what was answered, so that nothing is measured that is
/// not the answer asked for.
///
/// # Errors
/// An answer has errors, or no data.
pub fn verify(server: &Server, lines: &[Line]) -> Result<(), Failure> {
    let step = lines.len().div_ceil(50).max(1);
    for line in lines.iter().step_by(step) {
        let answer = line.send(server)?;
        let refused = answer.contains("\"errors\"") || answer == "null";
        if refused || answer.contains(r#""facilityByCode":null"#) {
            return Err(format!("{} {} {}: {answer}", line.method, line.path, line.body).into());
        }
    }
    Ok(())
}

/// Writes both sides' requests.
///
/// # Errors
/// The files can't be written.
pub fn files(
    folder: &Path,
    workload: &workload::Workload,
) -> Result<[std::path::PathBuf; 2], Failure> {
    Ok([
        workload::write(folder, "ours", &workload.ours)?,
        workload::write(folder, "floor", &workload.floor)?,
    ])
}
