//! The results as a table for people, or as JSON.

use std::fmt::Write;

use serde::Serialize;

use super::measure::Side;

/// A comparison on so many connections.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// The operation.
    pub operation: String,
    /// Connections at once.
    pub connections: u16,
    /// Kaitsu.
    pub ours: Side,
    /// The floor.
    pub floor: Side,
    /// The statement alone, a second.
    pub pgbench: Option<f64>,
    /// Ours as a share of the floor's throughput.
    pub ratio: f64,
    /// The share that is good enough, where there is one.
    pub target: Option<f64>,
}

/// A single number with the one it must not exceed, or must reach.
#[derive(Clone, Debug, Serialize)]
pub struct Fact {
    /// What was measured.
    pub what: String,
    /// What came out.
    pub value: f64,
    /// Of what.
    pub unit: &'static str,
    /// The most that is good enough.
    pub at_most: Option<f64>,
    /// The least that is good enough.
    pub at_least: Option<f64>,
}

/// Everything that was measured.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// Under which circumstances.
    pub setting: Vec<String>,
    /// Operation by operation.
    pub comparisons: Vec<Comparison>,
    /// The rest.
    pub facts: Vec<Fact>,
}

impl Comparison {
    /// Puts two sides beside each other.
    pub fn new(operation: &str, connections: u16, [ours, floor]: [Side; 2]) -> Self {
        Self {
            operation: operation.to_owned(),
            connections,
            ratio: ours.throughput / floor.throughput.max(f64::MIN_POSITIVE),
            ours,
            floor,
            pgbench: None,
            target: None,
        }
    }

    fn verdict(&self) -> &'static str {
        verdict(self.target.map(|target| self.ratio >= target))
    }

    /// As a line for whoever waits.
    pub fn line(&self) -> String {
        format!(
            "{:<34} {:>3}  ours {:>7.0}/s {:>6.2} ms {:.3}+{:.3} ms CPU   floor {:>7.0}/s {:>6.2} ms {:.3}+{:.3} ms CPU   {:.2} {}",
            self.operation,
            self.connections,
            self.ours.throughput,
            self.ours.p50,
            self.ours.cpu,
            self.ours.database_cpu,
            self.floor.throughput,
            self.floor.p50,
            self.floor.cpu,
            self.floor.database_cpu,
            self.ratio,
            self.verdict(),
        )
    }
}

impl Fact {
    fn verdict(&self) -> &'static str {
        let low = self.at_most.map(|most| self.value <= most);
        let high = self.at_least.map(|least| self.value >= least);
        verdict(low.or(high))
    }

    fn target(&self) -> String {
        match (self.at_most, self.at_least) {
            (Some(most), _) => format!("≤ {most}"),
            (_, Some(least)) => format!("≥ {least}"),
            _ => String::new(),
        }
    }

    /// As a line for whoever waits.
    pub fn line(&self) -> String {
        format!(
            "{}: {:.3} {} {} {}",
            self.what,
            self.value,
            self.unit,
            self.target(),
            self.verdict()
        )
    }
}

fn verdict(good: Option<bool>) -> &'static str {
    match good {
        Some(true) => "PASS",
        Some(false) => "MISS",
        None => "",
    }
}

impl Report {
    /// As Markdown.
    pub fn markdown(&self) -> String {
        let mut text = String::new();
        for line in &self.setting {
            push(&mut text, format_args!("- {line}"));
        }
        push(&mut text, format_args!("\n{HEAD}"));
        for comparison in &self.comparisons {
            let Comparison {
                operation,
                connections,
                ours,
                floor,
                ..
            } = comparison;
            let pgbench = comparison
                .pgbench
                .map_or_else(String::new, |tps| format!("{tps:.0}"));
            let target = comparison
                .target
                .map_or_else(String::new, |target| format!("≥ {target}"));
            push(
                &mut text,
                format_args!(
                    "| {operation} | {connections} | {:.0} | {:.0} | {pgbench} | {:.2} / {:.2} | {:.2} / {:.2} | \
                     {:.3} / {:.3} | {:.3} / {:.3} | {} / {} | {:.2} | {target} | {} |",
                    ours.throughput,
                    floor.throughput,
                    ours.p50,
                    floor.p50,
                    ours.p99,
                    floor.p99,
                    ours.cpu,
                    floor.cpu,
                    ours.database_cpu,
                    floor.database_cpu,
                    count(ours.statements),
                    count(floor.statements),
                    comparison.ratio,
                    comparison.verdict(),
                ),
            );
        }
        push(
            &mut text,
            format_args!("\n| What | Value | Target | |\n|---|---:|---:|---|"),
        );
        for fact in &self.facts {
            let Fact {
                what, value, unit, ..
            } = fact;
            let (target, verdict) = (fact.target(), fact.verdict());
            push(
                &mut text,
                format_args!("| {what} | {value:.2} {unit} | {target} | {verdict} |"),
            );
        }
        text
    }
}

const HEAD: &str = "| Operation | Connections | Ours /s | Floor /s | pgbench /s | p50 ms, ours / floor | p99 ms | \
                    CPU ms a request, server | CPU ms, PostgreSQL | SQL a request | Ratio | Target | |\n\
                    |---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---|";

fn count(statements: Option<f64>) -> String {
    statements.map_or_else(|| "–".to_owned(), |count| format!("{count:.1}"))
}

fn push(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a string can't fail.
    let _ = writeln!(text, "{line}");
}
