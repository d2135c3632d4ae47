//! PostgreSQL goes away under load and comes back, while our server stays.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    cluster::Cluster,
    deployment::Deployment,
    ledger,
    serving::wait_until_folded,
    writers::{Work, Writer, writers},
};
use crate::support::process::{PATIENCE, Process};

/// How long the server here waits for a connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(2);
/// What a busy machine may add to it.
const SLACK: Duration = Duration::from_secs(30);

async fn wait_until_turned_away(work: &Work) {
    let until = Instant::now() + PATIENCE;
    while !work.was_turned_away() {
        assert!(Instant::now() < until, "nobody is told to come again");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn total(writers: &[Writer], count: fn(&Writer) -> usize) -> usize {
    writers.iter().map(count).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_fail_clearly_while_postgresql_is_away_and_succeed_again_when_it_is_back() {
    let cluster = Cluster::start();
    let deployment = Arc::new(Deployment::at(&cluster.url(), "0.002"));
    let timeout = format!("database.acquire_timeout={}s", ACQUIRE_TIMEOUT.as_secs());
    // The server cuts off no request, so that one that hangs shows by the time that it took.
    let server = Process::start(
        deployment.url(),
        &[
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--set",
            &timeout,
            "--set",
            "server.request_timeout=60s",
            "--set",
            "log.filter=off",
        ],
    );
    let mut writers = writers(&deployment.untouched().await, 6, 2);
    for mode in ["fast", "immediate"] {
        let (acknowledged, unavailable) = (
            total(&writers, |writer| writer.acknowledged.len()),
            total(&writers, |writer| writer.unavailable),
        );
        let work = Work::start(&deployment, &server.address, writers);
        tokio::time::sleep(Duration::from_secs(1)).await;
        cluster.stop(mode);
        server.readiness(503, "").await;
        let live = server.get("/health/live").await;
        assert!(live.starts_with("HTTP/1.1 200 "), "{live}");
        tokio::time::sleep(ACQUIRE_TIMEOUT).await;
        wait_until_turned_away(&work).await;
        cluster.resume();
        server.readiness(200, "").await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        writers = work.finished().await;

        assert!(total(&writers, |writer| writer.unavailable) > unavailable);
        assert!(total(&writers, |writer| writer.acknowledged.len()) > acknowledged);
        for writer in &writers {
            assert!(writer.pending.is_none() && writer.unanswered == 0);
            assert!(
                writer.slowest < ACQUIRE_TIMEOUT + SLACK,
                "{:?}",
                writer.slowest
            );
        }
        ledger::check(&deployment, &writers).await;
    }
    wait_until_folded(&deployment).await;
    drop(server);
    deployment.verify();
}
