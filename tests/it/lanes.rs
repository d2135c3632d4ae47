//! Connections for statements that stand alone and for transactions, from one budget.

use std::{future::Future, pin::pin, task::Poll, time::Duration};

use futures_util::future::{join_all, poll_fn};
use kaitsu::db::{Backend, Database, DatabaseSettings, Query};
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

/// Statements that are given up at every place at which they wait.
#[rstest]
#[tokio::test]
async fn a_statement_that_is_given_up_gives_no_other_one_its_answer(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let test = TestDatabase::new(backend).await;
    let database = process(&test).await;
    for number in 0..60 {
        {
            let mut given_up = pin!(echo(&database, -1));
            let mut polls = 0;
            poll_fn(|context| {
                polls += 1;
                match given_up.as_mut().poll(context) {
                    Poll::Pending if polls <= number % 6 => Poll::Pending,
                    _ => Poll::Ready(()),
                }
            })
            .await;
        }
        assert_eq!(echo(&database, number).await, number);
        assert_eq!(transact(&database, number).await, number);
    }
    database.close().await.unwrap();
}
