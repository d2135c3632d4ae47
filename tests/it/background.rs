//! The background: two processes together, jobs under a lease, waking, and what is forgotten.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use chrono::{DateTime, TimeDelta};
use kaitsu::{
    app::{Clock, Services, background::Background, config::RetentionConfig},
    change::{self, Known},
    db,
    db::Backend,
    figures,
    jobs::{self, Job},
};
use rstest::rstest;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::support::{
    TestDatabase,
    process::{PATIENCE, Process},
};

const RETENTION: RetentionConfig = RetentionConfig {
    idempotency_days: 30,
    sheet_days: 90,
};

/// Commits changes, each of which adds one open facility of a vendor from some day on.
async fn write_changes(database: &TestDatabase, from: i64, count: i64) {
    for number in from..from + count {
        let day = 1 + number % 28;
        let vendor = number % 3;
        database
            .run(&format!(
                "INSERT INTO change (id, recorded_at, identity_kind, source, operation) \
                 VALUES ({number}, '2021-12-01 00:00:00+00:00', 3, 4, 'test'); \
                 INSERT INTO figure_delta (change_id, ordinal, effective_on, kind, prefecture, vendor_id, \
                 chain_id, open_count, applied_count, ready_count, live_count) \
                 VALUES ({number}, 0, '2021-11-{day:02}', 1, 13, {vendor}, 0, 1, 0, 0, 0)"
            ))
            .await;
    }
}

/// The numbers from one to another as the column `n` of a table.
fn numbers(backend: Backend, from: i64, until: i64) -> String {
    match backend {
        Backend::Postgres => format!("generate_series({from}, {until}) AS numbers (n)"),
        Backend::Sqlite => format!(
            "(WITH RECURSIVE numbers (n) AS (SELECT {from} UNION ALL SELECT n + 1 FROM numbers \
             WHERE n < {until}) SELECT n FROM numbers) AS numbers"
        ),
    }
}

/// Commits many changes at once that add nothing.
async fn write_backlog(database: &TestDatabase, from: i64, until: i64) {
    let numbers = numbers(database.db().backend(), from, until);
    database
        .run(&format!(
            "INSERT INTO change (id, recorded_at, identity_kind, source, operation) \
             SELECT n, '2021-12-01 00:00:00+00:00', 3, 4, 'test' FROM {numbers}"
        ))
        .await;
}

/// Commits a change that adds a facility in each of many cells.
async fn write_bulk(database: &TestDatabase, number: i64, deltas: i64) {
    write_backlog(database, number, number).await;
    let numbers = numbers(database.db().backend(), 1, deltas);
    database
        .run(&format!(
            "INSERT INTO figure_delta (change_id, ordinal, effective_on, kind, prefecture, vendor_id, \
             chain_id, open_count, applied_count, ready_count, live_count) \
             SELECT {number}, n, '2021-11-01', n % 4, 1 + n % 47, n % 3, 0, 1, 0, 0, 0 FROM {numbers}"
        ))
        .await;
}

/// All folded totals as one text.
async fn totals(database: &TestDatabase) -> String {
    let (hex, order) = match database.db().backend() {
        Backend::Sqlite => ("hex(counts)", "group_concat(line, ';')"),
        Backend::Postgres => ("encode(counts, 'hex')", "string_agg(line, ';')"),
    };
    database
        .text(&format!(
            "SELECT {order} FROM (SELECT block_level || '/' || block_start || '/' || vendor_id || '/' || \
             chain_id || '/' || effective_on || '/' || {hex} AS line FROM figure_total ORDER BY 1) AS lines"
        ))
        .await
}

async fn wait_until_folded(database: &TestDatabase, changes: i64) {
    let until = Instant::now() + PATIENCE;
    while database
        .number("SELECT folded_seq FROM change_horizon")
        .await
        < changes
    {
        assert!(Instant::now() < until, "the changes are not folded");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[rstest]
#[tokio::test]
async fn two_processes_number_and_fold_together_without_doubling(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let database = TestDatabase::new(backend).await;
    let quiet = ["worker", "--set", "log.filter=error"];
    let mut one = Process::start(database.url(), &quiet);
    let mut other = Process::start(database.url(), &quiet);
    write_changes(&database, 1, 300).await;
    wait_until_folded(&database, 300).await;
    one.terminate();
    assert!(one.ended().await.success());
    write_changes(&database, 301, 50).await;
    wait_until_folded(&database, 350).await;
    other.terminate();
    assert!(other.ended().await.success());

    assert_eq!(
        database.number("SELECT last_seq FROM change_horizon").await,
        350
    );
    assert_eq!(
        database
            .number("SELECT count(DISTINCT seq) FROM change")
            .await,
        350
    );
    assert_eq!(database.number("SELECT max(seq) FROM change").await, 350);
    let folded = totals(&database).await;
    figures::service::rebuild(database.db()).await.unwrap();
    let rebuilt = totals(&database).await;
    // Blocks of known time follow from when changes were numbered, which is the same in both.
    assert_eq!(folded, rebuilt);
}

#[rstest]
#[tokio::test]
async fn a_backlog_of_any_size_is_numbered_some_at_a_time_and_in_order(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let database = TestDatabase::new(backend).await;
    let clock = Clock::fixed(DateTime::from_timestamp(1_640_000_000, 0).unwrap());
    write_backlog(&database, 1, 25_000).await;
    let before = clock.now() - TimeDelta::microseconds(1);
    let known = async || change::resolve_known_at(database.db(), &clock, Some(before)).await;
    let Known::UpTo { seq, .. } = known().await.unwrap() else {
        panic!("an instant is settled");
    };
    assert_eq!(seq, 0, "nothing was numbered by then");
    write_backlog(&database, 25_001, 30_000).await;
    let settled = change::settle(database.db(), &clock).await.unwrap();
    assert_eq!(settled, 20_000, "and 10,000 by who asked");
    for (sql, expected) in [
        ("SELECT count(*) FROM change WHERE seq = id", 30_000),
        ("SELECT last_seq FROM change_horizon", 30_000),
        ("SELECT count(DISTINCT settled_at) FROM change", 3),
        (
            "SELECT max(together) FROM (SELECT count(*) AS together FROM change GROUP BY settled_at) AS counted",
            10_000,
        ),
        (
            "SELECT count(*) FROM change a JOIN change b ON b.seq = a.seq + 1 WHERE b.settled_at < a.settled_at",
            0,
        ),
    ] {
        assert_eq!(database.number(sql).await, expected, "{sql}");
    }
    let again = known().await.unwrap();
    assert_eq!(again, Known::UpTo { seq, at: before });
    assert_eq!(change::settle(database.db(), &clock).await.unwrap(), 0);
}

#[rstest]
#[tokio::test]
async fn many_readers_of_a_recent_instant_move_the_horizon_once(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let database = TestDatabase::new(backend).await;
    let clock = Clock::fixed(DateTime::from_timestamp(1_640_000_000, 0).unwrap());
    let recent = clock.now() - TimeDelta::milliseconds(1);
    let readers = (0..6).map(|_| change::resolve_known_at(database.db(), &clock, Some(recent)));
    for known in futures_util::future::join_all(readers).await {
        known.unwrap();
    }
    let horizon = change::horizon(database.db().read()).await.unwrap();
    // Who moves it again moves it on by a microsecond.
    assert_eq!(horizon.settled_until, clock.now());
}

#[rstest]
#[tokio::test]
async fn bulk_changes_are_folded_whole_and_few_at_a_time(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let database = TestDatabase::new(backend).await;
    let clock = Clock::fixed(DateTime::from_timestamp(1_640_000_000, 0).unwrap());
    for number in 1..=4 {
        write_bulk(&database, number, 55_000).await;
    }
    change::settle(database.db(), &clock).await.unwrap();
    for left in [2, 0] {
        let folded = figures::service::fold(database.db()).await.unwrap();
        assert_eq!(folded, left);
    }
    let folded = totals(&database).await;
    figures::service::rebuild(database.db()).await.unwrap();
    assert_eq!(folded, totals(&database).await);
}

#[rstest]
#[tokio::test]
async fn every_process_learns_of_the_last_settled_change(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let database = TestDatabase::new(backend).await;
    let start = |name: &str| {
        let services = Services::new(database.db().clone(), Clock::System);
        let started = Background::start(
            &services,
            RETENTION,
            name.to_owned(),
            Vec::new(),
            Vec::new(),
        );
        (services, started)
    };
    let ((here, one), (there, other)) = (start("one"), start("other"));
    write_changes(&database, 1, 5).await;
    here.written.notify_one();
    for services in [&here, &there] {
        let mut settled = services.settled.subscribe();
        let learned = settled.wait_for(|seq| *seq == 5);
        tokio::time::timeout(PATIENCE, learned)
            .await
            .unwrap()
            .unwrap();
    }
    one.stop().await;
    other.stop().await;
}

#[tokio::test]
async fn a_ring_reaches_other_processes_and_outlives_a_broken_connection() {
    let database = TestDatabase::new(Backend::Postgres).await;
    let (bell, stop) = (Arc::new(Notify::new()), CancellationToken::new());
    let listening = {
        let (db, bell, stop) = (database.db().clone(), Arc::clone(&bell), stop.clone());
        tokio::spawn(async move { db::wake::listen(&db, &bell, &stop).await })
    };
    for round in ["at first", "after the connection was broken"] {
        let until = Instant::now() + PATIENCE;
        loop {
            db::wake::ring(database.db()).await.unwrap();
            let rung = tokio::time::timeout(Duration::from_millis(200), bell.notified()).await;
            if rung.is_ok() {
                break;
            }
            assert!(Instant::now() < until, "nothing rang {round}");
        }
        database
            .run(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                 WHERE query LIKE 'LISTEN%' AND datname = current_database()",
            )
            .await;
    }
    stop.cancel();
    listening.await.unwrap();
}

fn counting(count: &Arc<AtomicU32>, outcome: Result<&'static str, &'static str>) -> Job {
    let count = Arc::clone(count);
    Job {
        name: "counting",
        every: TimeDelta::hours(1),
        work: Arc::new(move || {
            count.fetch_add(1, Ordering::SeqCst);
            let outcome = outcome
                .map(ToOwned::to_owned)
                .map_err(|text| db::DbErr::Custom(text.to_owned()));
            Box::pin(async move { outcome })
        }),
    }
}

#[rstest]
#[tokio::test]
async fn a_job_is_done_by_one_process_when_it_is_due(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let database = TestDatabase::new(backend).await;
    let clock = Clock::fixed(DateTime::from_timestamp(1_640_000_000, 0).unwrap());
    let count = Arc::new(AtomicU32::new(0));
    let job = [counting(&count, Ok("all good"))];
    let due = async |holder| {
        jobs::run_due(database.db(), &clock, holder, &job)
            .await
            .unwrap()
    };
    assert_eq!(due("one").await, ["counting"]);
    assert!(due("one").await.is_empty() && due("other").await.is_empty());
    clock.advance(TimeDelta::minutes(59));
    assert!(due("other").await.is_empty());
    clock.advance(TimeDelta::minutes(1));
    let (one, other) = tokio::join!(due("one"), due("other"));
    assert_eq!(one.len() + other.len(), 1);
    assert_eq!(count.load(Ordering::SeqCst), 2);
    assert_eq!(
        database.text("SELECT last_outcome FROM job_lease").await,
        "all good"
    );
}

#[rstest]
#[tokio::test]
async fn a_job_whose_process_died_is_done_by_another_when_the_lease_is_over(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let database = TestDatabase::new(backend).await;
    let clock = Clock::fixed(DateTime::from_timestamp(1_640_000_000, 0).unwrap());
    let count = Arc::new(AtomicU32::new(0));
    let begun = Arc::new(Notify::new());
    let dying = {
        let mut job = counting(&count, Ok(""));
        let begun = Arc::clone(&begun);
        job.work = Arc::new(move || {
            begun.notify_one();
            Box::pin(std::future::pending())
        });
        [job]
    };
    // It dies within its work.
    tokio::select! {
        done = jobs::run_due(database.db(), &clock, "one", &dying) => panic!("{done:?}"),
        begun = tokio::time::timeout(PATIENCE, begun.notified()) => begun.unwrap(),
    }
    let job = [counting(&count, Err("no luck"))];
    let due = async || {
        jobs::run_due(database.db(), &clock, "other", &job)
            .await
            .unwrap()
    };
    assert!(due().await.is_empty());
    clock.advance(TimeDelta::minutes(15));
    assert_eq!(due().await, ["counting"]);
    let outcome = database.text("SELECT last_outcome FROM job_lease").await;
    assert!(
        outcome.starts_with("failed: ") && outcome.contains("no luck"),
        "{outcome}"
    );
}

#[rstest]
#[tokio::test]
async fn outcomes_past_their_retention_are_forgotten_and_no_others(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let database = TestDatabase::new(backend).await;
    let now = DateTime::from_timestamp(1_640_000_000, 0).unwrap();
    for (key, age) in [("old", 31), ("young", 29)] {
        db::Query::with(
            "INSERT INTO idempotency (caller, idempotency_key, request_hash, outcome, created_at) \
             VALUES ('user:1', $1, $2, '{}', $3)",
            [
                key.into(),
                vec![0_u8].into(),
                (now - TimeDelta::days(age)).into(),
            ],
        )
        .execute(database.db().write())
        .await
        .unwrap();
    }
    let before = now - TimeDelta::days(30);
    assert_eq!(
        change::forget_outcomes(database.db(), before)
            .await
            .unwrap(),
        1
    );
    let left = database
        .text("SELECT idempotency_key FROM idempotency")
        .await;
    assert_eq!(left, "young");
}
