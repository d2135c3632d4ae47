//! Background work. A [`Step`] is repeated by every process: woken by a bell or after a pause, with a
//! growing pause after failures. A [`Job`] is due once in a while and done by one process, which holds a
//! lease on it; a process may die at any line, and another one goes on when the lease is over. Both must
//! be safe to do twice.

mod entity;

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use chrono::TimeDelta;
use futures_util::{FutureExt, future::BoxFuture};
use metrics::{counter, describe_counter};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::{
    app::Clock,
    db::{Database, DbErr},
};

/// The pause after the first failure; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// A job that takes longer than this may be begun by another process, too.
const LEASE: TimeDelta = TimeDelta::minutes(15);

/// Whether a step has more to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Nothing is left for now.
    Idle,
    /// Call again at once.
    More,
}

/// Work as a function that is called again and again.
pub type Work<T> = Arc<dyn Fn() -> BoxFuture<'static, Result<T, DbErr>> + Send + Sync>;

/// Work that every process repeats.
#[derive(Clone)]
pub struct Step {
    /// In the log and the metrics.
    pub name: &'static str,
    /// How long to rest when nothing is left and nobody rings.
    pub pause: Duration,
    /// Rung when there is something to do.
    pub bell: Option<Arc<Notify>>,
    /// How long to wait after a ring, so that many rings are one.
    pub gather: Duration,
    /// What to do.
    pub work: Work<Progress>,
}

/// Work that one process does once in a while.
#[derive(Clone)]
pub struct Job {
    /// Its name in the table, the log and the metrics.
    pub name: &'static str,
    /// How long after its last run it is due.
    pub every: TimeDelta,
    /// What to do; the answer is a few words on what was done.
    pub work: Work<String>,
}

/// Describes the metrics of background work.
pub fn describe_metrics() {
    describe_counter!(
        "kaitsu_background_steps_total",
        "Repeated work of this process, by step and outcome"
    );
    describe_counter!(
        "kaitsu_jobs_total",
        "Jobs that this process did, by name and outcome"
    );
}

/// Repeats a step until it is stopped. What is under way is finished.
pub async fn repeat(step: Step, stop: CancellationToken) {
    let mut failures = 0_u32;
    while !stop.is_cancelled() {
        let outcome = AssertUnwindSafe((step.work)()).catch_unwind().await;
        let outcome = outcome.unwrap_or_else(|_| Err(DbErr::Custom("it panicked".to_owned())));
        let word = if outcome.is_ok() { "done" } else { "failed" };
        counter!("kaitsu_background_steps_total", "step" => step.name, "outcome" => word)
            .increment(1);
        match outcome {
            Ok(progress) => {
                if failures > 0 {
                    tracing::info!(step = step.name, failures, "background work goes on");
                }
                failures = 0;
                if progress == Progress::Idle {
                    rest(&step, &stop).await;
                }
            }
            Err(error) => {
                if failures == 0 {
                    tracing::error!(step = step.name, %error, "background work failed; trying again");
                }
                failures = failures.saturating_add(1);
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = tokio::time::sleep(pause_after(failures)) => {}
                }
            }
        }
    }
}

async fn rest(step: &Step, stop: &CancellationToken) {
    let rung = async {
        match &step.bell {
            Some(bell) => bell.notified().await,
            None => std::future::pending().await,
        }
        tokio::time::sleep(step.gather).await;
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = rung => {}
        () = tokio::time::sleep(step.pause) => {}
    }
}

fn pause_after(failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    FIRST_PAUSE
        .saturating_mul(2_u32.saturating_pow(doublings))
        .min(LONGEST_PAUSE)
}

/// Does every job that is due and that no other process holds. Answers the names of those it did.
pub async fn run_due(
    database: &Database,
    clock: &Clock,
    holder: &str,
    jobs: &[Job],
) -> Result<Vec<&'static str>, DbErr> {
    let mut done = Vec::new();
    for job in jobs {
        let now = clock.now();
        let leased = entity::lease(
            database.write(),
            job.name,
            holder,
            now,
            now + LEASE,
            now - job.every,
        )
        .await?;
        if !leased {
            continue;
        }
        let outcome = AssertUnwindSafe((job.work)()).catch_unwind().await;
        let outcome = outcome.unwrap_or_else(|_| Err(DbErr::Custom("it panicked".to_owned())));
        let (word, told) = match outcome {
            Ok(told) => ("done", told),
            Err(error) => {
                tracing::error!(job = job.name, %error, "a job failed");
                ("failed", format!("failed: {error}"))
            }
        };
        counter!("kaitsu_jobs_total", "job" => job.name, "outcome" => word).increment(1);
        tracing::debug!(job = job.name, outcome = told, "a job ended");
        entity::release(database.write(), job.name, holder, clock.now(), &told).await?;
        done.push(job.name);
    }
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_after_failures_doubles_up_to_half_a_minute() {
        assert_eq!(pause_after(1), FIRST_PAUSE);
        assert_eq!(pause_after(3), 4 * FIRST_PAUSE);
        assert_eq!(pause_after(u32::MAX), LONGEST_PAUSE);
    }
}
