//! Servers that are killed while they write.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use kaitsu::db::{Backend, Database, Query};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use rstest::rstest;
use serde_json::json;

use super::{
    deployment::Deployment,
    ledger,
    writers::{Work, Writer, writers},
};
use crate::support::process::{PATIENCE, Process};

const SCALE: &str = "0.002";

/// How often a server is killed: `KAITSU_KILLS`, if that is set.
#[expect(
    clippy::disallowed_methods,
    reason = "tests have no configuration file"
)]
pub fn kills() -> usize {
    std::env::var("KAITSU_KILLS").map_or(10, |kills| kills.parse().unwrap())
}

/// Sets writers to work, and kills their server after a while.
async fn work_until_killed(
    deployment: &Arc<Deployment>,
    server: Process,
    writers: Vec<Writer>,
    after: Duration,
) -> Vec<Writer> {
    let work = Work::start(deployment, &server.address, writers);
    tokio::time::sleep(after).await;
    drop(server); // is SIGKILL
    work.lost().await
}

#[rstest]
#[tokio::test]
async fn whatever_a_killed_server_acknowledged_is_there_once_and_nothing_in_part(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let deployment = Arc::new(Deployment::new(backend, SCALE).await);
    let mut writers = writers(&deployment.untouched().await, 6, 2);
    let mut random = StdRng::seed_from_u64(20_211_219);
    let (mut done, mut absent) = (0, 0);
    for round in 0..kills() {
        let after = Duration::from_millis(random.random_range(50..1_800));
        let server = Process::serve(deployment.url());
        writers = work_until_killed(&deployment, server, writers, after).await;
        // After some kills the database is first opened by the next server, which has to recover it.
        if round % 3 != 0 {
            let fates = ledger::check(&deployment, &writers).await;
            done += fates.done;
            absent += fates.absent;
        }
    }
    let server = Process::serve(deployment.url());
    writers = Work::start(&deployment, &server.address, writers)
        .finished()
        .await;
    drop(server);

    assert!(writers.iter().all(|writer| writer.pending.is_none()));
    ledger::check(&deployment, &writers).await;
    deployment.verify();
    // After the first kill nobody looks.
    assert!(kills() < 2 || absent > 0, "no kill came before a commit");
    let acknowledged: usize = writers.iter().map(|one| one.acknowledged.len()).sum();
    println!("{acknowledged} acknowledged; not acknowledged: {done} done, {absent} absent");
}

/// Several writers on each of two servers, the first of which is killed and comes back, again and again.
#[tokio::test]
async fn a_server_goes_on_while_another_on_its_database_is_killed_at_settling_and_folding() {
    let deployment = Arc::new(Deployment::new(Backend::Postgres, SCALE).await);
    let mut writers = writers(&deployment.untouched().await, 6, 2);
    // Two that write singly and both that write in bulk stay with the server that is not killed.
    let staying = writers.split_off(4);
    let survivor = Process::serve(deployment.url());
    let staying = Work::start(&deployment, &survivor.address, staying);
    let mut random = StdRng::seed_from_u64(20_211_219);
    for _ in 0..kills() / 2 {
        let after = Duration::from_millis(random.random_range(50..1_500));
        let server = Process::serve(deployment.url());
        writers = work_until_killed(&deployment, server, writers, after).await;
    }
    let staying = staying.finished().await;
    wait_until_folded(&deployment).await;
    for writer in &staying {
        assert!(
            writer.pending.is_none() && writer.unanswered == 0 && !writer.acknowledged.is_empty()
        );
    }
    writers.extend(staying);
    // What the killed ones left undone is done by the other.
    let writers = Work::start(&deployment, &survivor.address, writers)
        .finished()
        .await;
    ledger::check(&deployment, &writers).await;
    assert_figures_are_exact(&deployment, &survivor.address).await;
    wait_until_folded(&deployment).await;
    assert_figures_are_exact(&deployment, &survivor.address).await;
    deployment.verify();
}

/// Compares the figures of today with a count of the facilities.
async fn assert_figures_are_exact(deployment: &Deployment, address: &str) {
    let query = "{ rolloutFigures { total { all applied ready live } } }";
    let answer = deployment
        .post(address, &json!({ "query": query }))
        .await
        .unwrap();
    let database = deployment.open().await;
    let mut counted = json!({});
    for (level, condition) in [
        ("all", "TRUE"),
        ("applied", "reader_applied_on IS NOT NULL"),
        ("ready", "ready_on IS NOT NULL"),
        ("live", "live_on IS NOT NULL"),
    ] {
        let sql =
            format!("SELECT count(*) FROM facility_state WHERE closed_on IS NULL AND {condition}");
        counted[level] = number(&database, &sql).await.into();
    }
    database.close().await.unwrap();
    assert_eq!(answer.body["data"]["rolloutFigures"]["total"], counted);
}

/// Waits until every change is numbered, without a gap, and is in the totals.
pub async fn wait_until_folded(deployment: &Deployment) {
    let database = deployment.open().await;
    let until = Instant::now() + PATIENCE;
    let mut reached = (-1, -2, -3);
    while !(reached.0 == reached.1 && reached.1 == reached.2) {
        assert!(
            Instant::now() < until,
            "changes, last number, folded: {reached:?}"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
        reached = (
            number(&database, "SELECT count(*) FROM change").await,
            number(&database, "SELECT max(seq) FROM change").await,
            number(&database, "SELECT folded_seq FROM change_horizon").await,
        );
    }
    database.close().await.unwrap();
}

async fn number(database: &Database, sql: &str) -> i64 {
    Query::new(sql).scalar(database.read()).await.unwrap()
}
