//! What an operator sees: the log, one line for each event with the id of its request, and the metrics.
//! Neither names people: lines and labels carry ids, and labels take few values.

use std::sync::OnceLock;

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram, gauge};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::{EnvFilter, util::TryInitError};

use super::Services;
use crate::{change, db::DbErr, http};

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line, for machines.
    Json,
}

/// What is logged, and how.
#[derive(Clone, Debug)]
pub struct LogSettings {
    /// How lines look.
    pub format: LogFormat,
    /// What is logged, such as `info,kaitsu=debug`.
    pub filter: String,
}

/// The log or the metrics could not start.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter is none.
    #[error("the log filter can't be read: {0}")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// Somebody logs already.
    #[error("the log has another owner: {0}")]
    Log(#[from] TryInitError),
    /// The recorder of metrics.
    #[error("metrics can't be recorded: {0}")]
    Metrics(#[from] BuildError),
}

/// Bounds of the histograms, in seconds.
const SECONDS: [f64; 13] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();

/// Starts logging to the standard error stream; the standard output belongs to commands.
///
/// # Errors
/// When the filter is none, or something else logs already.
pub fn start_log(settings: &LogSettings) -> Result<(), TelemetryError> {
    use tracing_subscriber::util::SubscriberInitExt;
    let filter = EnvFilter::builder().parse(&settings.filter)?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    match settings.format {
        LogFormat::Text => lines.with_ansi(false).finish().try_init()?,
        LogFormat::Json => lines
            .json()
            .flatten_event(true)
            .with_span_list(false)
            .finish()
            .try_init()?,
    }
    Ok(())
}

/// Starts recording metrics, once in a process.
///
/// # Errors
/// When something else records them already.
pub fn start_metrics() -> Result<PrometheusHandle, TelemetryError> {
    if let Some(handle) = RECORDER.get() {
        return Ok(handle.clone());
    }
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)?
        .install_recorder()?;
    describe();
    Ok(RECORDER.get_or_init(|| handle).clone())
}

fn describe() {
    http::describe_metrics();
    crate::jobs::describe_metrics();
    describe_gauge!(
        "kaitsu_database_connections",
        "Connections of this process, by state"
    );
    describe_gauge!(
        "kaitsu_changes_unsettled",
        "Committed changes that have no number yet"
    );
    describe_gauge!(
        "kaitsu_settle_lag_seconds",
        Unit::Seconds,
        "Age of the oldest change that has no number yet"
    );
    describe_gauge!(
        "kaitsu_fold_lag_changes",
        "Numbered changes that are not folded into totals yet"
    );
    describe_gauge!(
        "kaitsu_change_last_seq",
        "The number of the last settled change"
    );
    describe_gauge!(
        "kaitsu_process_resident_memory_bytes",
        Unit::Bytes,
        "Memory of this process"
    );
    describe_gauge!(
        "kaitsu_process_peak_memory_bytes",
        Unit::Bytes,
        "The most memory that this process ever had"
    );
    describe_counter!(
        "kaitsu_metrics_failures_total",
        "Times that the database could not be asked for its gauges"
    );
    describe_histogram!(
        "kaitsu_metrics_sample_seconds",
        Unit::Seconds,
        "How long it took to ask for the gauges"
    );
}

/// Reads what is no event but a level: connections, lags, memory.
pub async fn sample(services: &Services) {
    let (open, idle) = services.database.connections();
    gauge!("kaitsu_database_connections", "state" => "idle").set(idle);
    gauge!("kaitsu_database_connections", "state" => "used").set(open.saturating_sub(idle));
    for (name, field) in [
        ("kaitsu_process_resident_memory_bytes", "VmRSS:"),
        ("kaitsu_process_peak_memory_bytes", "VmHWM:"),
    ] {
        if let Some(kib) = memory_kib(field).await {
            gauge!(name).set(f64::from(kib) * 1_024.0);
        }
    }
    let started = std::time::Instant::now();
    if let Err(error) = sample_changes(services).await {
        tracing::debug!(%error, "the lags could not be read");
        metrics::counter!("kaitsu_metrics_failures_total").increment(1);
    }
    metrics::histogram!("kaitsu_metrics_sample_seconds").record(started.elapsed());
}

async fn sample_changes(services: &Services) -> Result<(), DbErr> {
    let database = services.database.read();
    let horizon = change::horizon(database).await?;
    let unsettled = change::unsettled(database).await?;
    let age = unsettled.oldest.map_or(0, |oldest| {
        (services.clock.now() - oldest).num_milliseconds().max(0)
    });
    gauge!("kaitsu_change_last_seq").set(as_gauge(horizon.last_seq));
    gauge!("kaitsu_fold_lag_changes").set(as_gauge(horizon.last_seq - horizon.folded_seq));
    gauge!("kaitsu_changes_unsettled").set(as_gauge(unsettled.count));
    gauge!("kaitsu_settle_lag_seconds").set(as_gauge(age) / 1_000.0);
    Ok(())
}

/// Gauges are floating-point numbers: exact up to 2^53.
#[expect(
    clippy::as_conversions,
    reason = "there is no lossless conversion, and counts stay far below 2^53"
)]
fn as_gauge(number: i64) -> f64 {
    number as f64
}

/// A field of `/proc/self/status`, where there is one.
async fn memory_kib(field: &str) -> Option<u32> {
    let status = tokio::fs::read_to_string("/proc/self/status").await.ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    line.split_whitespace().next()?.parse().ok()
}
