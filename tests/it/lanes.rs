//! Connections for statements that stand alone and for transactions, from one budget.

use std::{
    future::Future,
    pin::pin,
    task::Poll,
    time::{Duration, Instant},
};

use futures_util::future::{join_all, poll_fn};
use kaitsu::db::{Backend, ConnectionTrait, Database, DatabaseSettings, DbErr, Query, Row};
use rstest::rstest;

use crate::support::TestDatabase;

const BUDGET: u32 = 2;

/// A process whose budget is two connections, and which waits no longer than the test's patience for one.
async fn process(database: &TestDatabase) -> Database {
    let patience = Duration::from_secs(20);
    let settings = DatabaseSettings {
        url: database.url().to_owned(),
        read_url: None,
        connections: BUDGET,
        acquire_timeout: patience,
        statement_timeout: patience,
        lock_timeout: patience,
    };
    Database::connect(&settings).await.unwrap()
}

async fn echo(database: &Database, number: i64) -> i64 {
    let query = Query::with("SELECT CAST($1 AS BIGINT)", [number.into()]);
    query.scalar(database.read()).await.unwrap()
}

async fn transact(database: &Database, number: i64) -> i64 {
    let transaction = database.begin().await.unwrap();
    let query = Query::with("SELECT CAST($1 AS BIGINT)", [number.into()]);
    let answer = query.scalar(&transaction).await.unwrap();
    transaction.commit().await.unwrap();
    answer
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn statements_and_transactions_beyond_the_budget_all_get_their_turn(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let test = TestDatabase::new(backend).await;
    let database = process(&test).await;
    let tasks = (0..400_i64).map(|number| {
        let database = database.clone();
        tokio::spawn(async move {
            if number % 5 == 0 {
                transact(&database, number).await
            } else {
                echo(&database, number).await
            }
        })
    });
    for (number, answer) in (0..).zip(join_all(tasks).await) {
        assert_eq!(answer.unwrap(), number);
    }
    let (open, idle) = database.connections();
    // SQLite has a connection for writing beside them.
    assert!(
        open <= BUDGET + 1 && idle <= open,
        "{open} open, {idle} idle"
    );
    database.close().await.unwrap();
}

#[rstest]
#[tokio::test]
async fn a_transaction_begins_though_statements_keep_every_connection(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let test = TestDatabase::new(backend).await;
    let database = process(&test).await;
    let both = join_all((0..i64::from(BUDGET)).map(|number| echo(&database, number))).await;
    assert_eq!(both, [0, 1]);
    assert_eq!(transact(&database, 7).await, 7);
    assert_eq!(echo(&database, 8).await, 8);
    database.close().await.unwrap();
}

/// Goes a number of steps with what is asked and then gives it up.
async fn give_up_after<T>(steps: i64, asked: impl Future<Output = T>) {
    let mut asked = pin!(asked);
    let mut polls = 0;
    poll_fn(|context| {
        polls += 1;
        match asked.as_mut().poll(context) {
            Poll::Pending if polls <= steps => Poll::Pending,
            _ => Poll::Ready(()),
        }
    })
    .await;
}

/// Statements that are given up at every place at which they wait.
#[rstest]
#[tokio::test]
async fn a_statement_that_is_given_up_gives_no_other_one_its_answer(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let test = TestDatabase::new(backend).await;
    let database = process(&test).await;
    for number in 0..60 {
        give_up_after(number % 6, echo(&database, -1)).await;
        assert_eq!(echo(&database, number).await, number);
        assert_eq!(transact(&database, number).await, number);
    }
    database.close().await.unwrap();
}

async fn note(connection: &impl ConnectionTrait, number: i64) -> Result<(), DbErr> {
    let insert = "INSERT INTO noted (number) VALUES ($1)";
    Query::with(insert, [number.into()])
        .execute(connection)
        .await
        .map(|_| ())
}

async fn noted(database: &Database) -> Vec<i64> {
    let all = Query::new("SELECT number FROM noted ORDER BY number");
    let rows = all.all(database.read()).await.unwrap();
    rows.iter()
        .map(|row| Row::new(row).take().unwrap())
        .collect()
}

async fn note_twice(database: &Database, first: i64, second: i64) -> Result<(), DbErr> {
    let transaction = database.begin().await?;
    note(&transaction, first).await?;
    note(&transaction, second).await?;
    transaction.commit().await
}

/// Comes back when what was given up has been cleared away: its connection is the next that is used.
async fn all_are_idle(database: &Database) {
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        let (open, idle) = database.connections();
        if open == idle {
            return;
        }
        assert!(Instant::now() < until, "{open} open, {idle} idle");
        tokio::task::yield_now().await;
    }
}

/// One that is dropped before its end, wherever it waits, or that fails, leaves nothing, and what is written
/// afterwards on any connection is kept.
#[rstest]
#[tokio::test]
async fn a_transaction_that_does_not_end_leaves_nothing_and_nobody_in_it(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let test = TestDatabase::new(backend).await;
    let database = process(&test).await;
    let observer = process(&test).await;
    let create = "CREATE TABLE noted (number BIGINT NOT NULL PRIMARY KEY)";
    database.write().execute_unprepared(create).await.unwrap();
    for number in 0..60 {
        give_up_after(number % 12, note_twice(&database, 1_000, -1 - number)).await;
        all_are_idle(&database).await;
        note(database.write(), number).await.unwrap();
        assert!(noted(&observer).await.contains(&number));
        assert!(note_twice(&database, 2_000, number).await.is_err());
    }
    observer.close().await.unwrap();
    let written = noted(&database).await;
    let given_up = |number: &&i64| **number == 1_000 || **number < 0;
    let (given_up, kept): (Vec<&i64>, Vec<&i64>) = written.iter().partition(given_up);
    assert!(kept.into_iter().copied().eq(0..60));
    // The first that got to its end before it was given up holds the number of all of them.
    assert!(matches!(given_up.len(), 0 | 2), "{given_up:?}");

    let transaction = database.begin().await.unwrap();
    note(&transaction, 60).await.unwrap();
    transaction.rollback().await.unwrap();
    note(database.write(), 61).await.unwrap();
    let written = noted(&database).await;
    assert!(!written.contains(&60) && written.contains(&61));
    database.close().await.unwrap();
}

#[rstest]
#[tokio::test]
async fn a_transaction_that_reads_sees_one_moment_and_writes_nothing(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let test = TestDatabase::new(backend).await;
    let database = process(&test).await;
    let create = "CREATE TABLE noted (number BIGINT NOT NULL PRIMARY KEY)";
    database.write().execute_unprepared(create).await.unwrap();
    let snapshot = database.begin_read().await.unwrap();
    let count = || Query::new("SELECT count(*) FROM noted");
    assert_eq!(count().scalar::<i64>(&snapshot).await.unwrap(), 0);
    note(database.write(), 1).await.unwrap();
    assert_eq!(count().scalar::<i64>(&snapshot).await.unwrap(), 0);
    assert!(note(&snapshot, 2).await.is_err());
    drop(snapshot);
    assert_eq!(noted(&database).await, [1]);
    database.close().await.unwrap();
}
