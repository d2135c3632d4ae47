//! Servers that are killed while they write.

use std::{sync::Arc, time::Duration};

use kaitsu::db::Backend;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use rstest::rstest;

use super::{
    deployment::Deployment,
    ledger,
    writers::{Work, Writer, writers},
};
use crate::support::process::Process;

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
    assert!(absent > 0, "no kill came before a commit");
    let acknowledged: usize = writers.iter().map(|one| one.acknowledged.len()).sum();
    println!("{acknowledged} acknowledged; not acknowledged: {done} done, {absent} absent");
}
