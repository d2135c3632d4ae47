//! SQLite's disk runs full: at a page for which there is no room, and at the end of a transaction, when its
//! log can't be written. Writes fail with a code and leave nothing, reads go on, and writes succeed again
//! when there is room, without a restart.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use kaitsu::{
    change,
    db::Backend,
    facility::{FeeTable, InstitutionCode, Prefecture},
};
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};

use super::{
    deployment::Deployment,
    ledger,
    writers::{Work, writers},
};
use crate::support::{
    api::{Api, ministry},
    process::{PATIENCE, Process},
};

const BULK: &str = "mutation ($input: MilestoneBulkRecordInput!) {
    milestoneBulkRecord(input: $input) { writtenCount refusedCount } }";
const FIGURES: &str = "{ rolloutFigures { total { all applied } } }";
const FACILITIES: u32 = 20;

/// The most pages that the database may have; SQLite takes no less than it has.
async fn limit_pages(api: &Api, pages: u32) {
    let sql = format!("PRAGMA max_page_count = {pages}");
    api.services
        .database
        .write()
        .execute_unprepared(&sql)
        .await
        .unwrap();
}

async fn write(api: &Api, facilities: &[String], number: usize) -> Value {
    let note = "満".repeat(1_000);
    let rows: Vec<Value> = facilities
        .iter()
        .map(|id| {
            json!({ "facility": { "id": id }, "milestone": "READER_APPLIED", "note": note,
                    "action": if number.is_multiple_of(2) { "RECORD" } else { "WITHDRAW" },
                    "on": format!("2021-{:02}-{:02}", 1 + number / 28, 1 + number % 28) })
        })
        .collect();
    let input = json!({ "rows": rows, "idempotencyKey": format!("write {number}") });
    api.call(&ministry(), BULK, json!({ "input": input })).await
}

/// The size of a log, once something was written to it.
async fn size_of_log(log: &Path) -> u64 {
    let until = Instant::now() + PATIENCE;
    loop {
        let size = std::fs::metadata(log).map_or(0, |log| log.len());
        if size > 0 {
            return size;
        }
        assert!(Instant::now() < until, "nothing is written");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn rows(api: &Api) -> i64 {
    let tables = [
        "facility_event",
        "facility_period",
        "figure_delta",
        "change",
        "idempotency",
    ];
    let counts = tables.map(|table| format!("(SELECT count(*) FROM {table})"));
    api.database
        .number(&format!("SELECT {}", counts.join(" + ")))
        .await
}

#[tokio::test]
async fn a_write_for_which_there_is_no_room_leaves_nothing_and_later_ones_succeed() {
    let api = Api::new(Backend::Sqlite).await;
    let mut facilities = Vec::new();
    for number in 0..FACILITIES {
        let code =
            InstitutionCode::with_check_digit(Prefecture::FIRST, FeeTable::Dispensing, number);
        let name = format!("みなと薬局{number}");
        facilities.push(api.register(&code.to_string(), "PHARMACY", &name).await);
    }
    limit_pages(&api, 1).await;
    let mut number = 0;
    let (before, refused) = loop {
        let before = rows(&api).await;
        let answer = write(&api, &facilities, number).await;
        if answer.get("errors").is_some() {
            break (before, answer);
        }
        assert_eq!(
            answer["data"]["milestoneBulkRecord"]["writtenCount"],
            FACILITIES
        );
        number += 1;
        assert!(number < 300, "the disk never ran full");
    };
    assert_eq!(rows(&api).await, before);
    let figures = api.data(&ministry(), FIGURES, json!({})).await;
    assert_eq!(figures["rolloutFigures"]["total"]["all"], FACILITIES);
    let again = write(&api, &facilities, number).await;
    assert_eq!(again["errors"], refused["errors"], "while there is no room");
    assert_eq!(rows(&api).await, before);

    limit_pages(&api, 1_000_000).await;
    let written = write(&api, &facilities, number).await;
    assert_eq!(
        written["data"]["milestoneBulkRecord"]["writtenCount"], FACILITIES,
        "{written}"
    );
    change::settle(&api.services.database, &api.services.clock)
        .await
        .unwrap();
    let report = kaitsu::verify::verify(api.database.db(), |_| ())
        .await
        .unwrap();
    assert!(report.is_clean(), "{report}");
}

#[tokio::test]
async fn a_log_that_cannot_be_written_refuses_writes_until_there_is_room_again() {
    let deployment = Arc::new(Deployment::new(Backend::Sqlite, "0.002").await);
    let server = Process::serve_within_limits(deployment.url());
    let writers = writers(&deployment.untouched().await, 3, 1);
    let work = Work::start(&deployment, &server.address, writers);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let path = deployment.url().trim_start_matches("sqlite:");
    let path = path.trim_end_matches("?mode=rwc").to_owned() + "-wal";
    // The log is written from its start again after each checkpoint, so its size of now may be out of reach.
    let mut limit = size_of_log(Path::new(&path)).await;
    assert!(!work.was_turned_away(), "there was no limit yet");
    while !work.was_turned_away() {
        assert!(limit > 0, "no write met the limit");
        server.limit_files(Some(limit));
        tokio::time::sleep(Duration::from_millis(500)).await;
        limit /= 2;
    }
    let read = json!({ "query": FIGURES });
    let figures = deployment.post(&server.address, &read).await.unwrap();
    assert!(figures.body["data"]["rolloutFigures"]["total"]["all"].is_number());
    server.limit_files(None);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let writers = work.finished().await;
    drop(server);
    assert!(writers.iter().any(|writer| writer.unavailable > 0));
    for writer in &writers {
        assert!(writer.pending.is_none() && writer.unanswered == 0);
    }
    ledger::check(&deployment, &writers).await;
    deployment.verify();
}
