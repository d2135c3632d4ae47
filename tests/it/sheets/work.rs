//! Sheets in the background: processes that die, that are stopped, and that are two.

use chrono::TimeDelta;
use kaitsu::{
    api::{NodeId, node_id::NodeKind},
    auth::{OrganisationKind as Kind, Role},
    db::Backend,
    jobs::Progress,
    sheet::service::run,
};
use rstest::rstest;
use serde_json::json;

use super::{Scene, code, person};
use crate::support::api::ministry;

/// A file that says of every clinic of the scene that it was ready on a day.
fn all_ready(scene: &Scene, on: &str) -> String {
    let rows: String = scene
        .codes
        .iter()
        .map(|code| format!("{code},{on}\n"))
        .collect();
    format!("code,READY\n{rows}")
}

async fn begin(scene: &Scene, name: &str, sheet: &str) {
    let payload = scene
        .ask(&scene.editor, name, sheet, json!({ "gentle": false }))
        .await;
    assert_eq!(payload["userErrors"], json!([]));
}

#[rstest]
#[tokio::test]
async fn the_same_file_is_recognised_and_done_once_more_only_if_that_is_said(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend, 2).await;
    let text = all_ready(&scene, "2021-12-01");
    let (first, second) = (scene.checked(&text).await, scene.checked(&text).await);
    scene.apply(&first).await;
    let colleague = person(&scene.api, Kind::Vendor, scene.vendor, Role::Editor).await;
    let payload = scene
        .ask(&colleague, "sheetApply", &second, json!({}))
        .await;
    assert_eq!(payload["userErrors"][0]["code"], "APPLIED_BEFORE");
    let again = json!({ "again": true, "gentle": false });
    let payload = scene.ask(&colleague, "sheetApply", &second, again).await;
    assert_eq!(payload["userErrors"], json!([]));
    scene.work().await;
    // What it says is there by now.
    assert_eq!(scene.counts(&second).await, json!({ "unchanged": 2 }));
    let events = "SELECT count(*) FROM facility_event WHERE aspect = 8";
    assert_eq!(scene.api.database.number(events).await, 2);
    // After an undoing it is no longer there.
    scene.undo(&first).await;
    let third = scene.checked(&text).await;
    assert_eq!(scene.apply(&third).await["status"], "APPLIED");
    // The second wrote nothing, so that it is no reason against another.
    let fourth = scene.checked(&text).await;
    assert_eq!(scene.counts(&fourth).await, json!({ "unchanged": 2 }));
}

#[rstest]
#[tokio::test]
async fn two_people_who_send_the_same_rows_both_get_an_answer_and_write_once(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend, 30).await;
    let one = scene.checked(&all_ready(&scene, "2021-12-01")).await;
    let other = scene.checked(&all_ready(&scene, "2021-12-02")).await;
    begin(&scene, "sheetApply", &one).await;
    begin(&scene, "sheetApply", &other).await;
    let services = &scene.api.services;
    let process = async |name: &'static str| {
        while run(services, name).await.unwrap() == Progress::More {}
    };
    tokio::join!(process("one"), process("two"));
    scene.work().await;
    let counts = [scene.counts(&one).await, scene.counts(&other).await];
    assert!(
        counts.contains(&json!({ "changed": 30 })) && counts.contains(&json!({ "conflicts": 30 })),
        "{counts:?}"
    );
    scene.verify().await;
}

/// The work of a process is cut off at a point, as a kill does, and another goes on.
#[rstest]
#[tokio::test]
async fn a_process_that_dies_anywhere_loses_and_doubles_nothing(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend, 40).await;
    let services = &scene.api.services;
    let mut cuts = 0;
    for (day, name) in [("2021-12-01", "sheetApply"), ("", "sheetUndo")] {
        let sheet = if day.is_empty() {
            scene.api.services.clock.advance(TimeDelta::hours(1));
            latest(&scene).await
        } else {
            let bytes = all_ready(&scene, day);
            let sent = scene.send(&scene.editor, "a.csv", bytes.as_bytes());
            let sheet = sent.await.unwrap();
            cuts += cut_off_until_done(&scene).await;
            sheet
        };
        begin(&scene, name, &sheet).await;
        cuts += cut_off_until_done(&scene).await;
        let counts = scene.counts(&sheet).await;
        let events = "SELECT count(*) FROM facility_event WHERE aspect = 8 AND voids_id IS NULL";
        assert_eq!(scene.api.database.number(events).await, 40);
        let voids = "SELECT count(*) FROM facility_event WHERE aspect = 8 AND voids_id IS NOT NULL";
        if day.is_empty() {
            assert_eq!(counts, json!({ "undone": 40 }));
            assert_eq!(scene.api.database.number(voids).await, 40);
        } else {
            assert_eq!(counts, json!({ "changed": 40 }));
            assert_eq!(scene.api.database.number(voids).await, 0);
        }
        scene.verify().await;
    }
    assert!(cuts > 8, "it was cut off {cuts} times");
    assert_eq!(run(services, "last").await.unwrap(), Progress::Idle);
}

async fn latest(scene: &Scene) -> String {
    let row = scene.api.database.number("SELECT max(id) FROM sheet").await;
    NodeId::new(NodeKind::Sheet, row).encode().0
}

/// Lets processes work until nothing is left, each cut off a statement later than the one before, and a little after that.
/// Answers how many were.
async fn cut_off_until_done(scene: &Scene) -> u64 {
    let database = &scene.api.services.database;
    let mut cuts = 0;
    loop {
        // A lease is over before the next process comes, and so many die of a sheet only here.
        scene.api.services.clock.advance(TimeDelta::seconds(6));
        scene
            .api
            .database
            .run("UPDATE sheet SET attempts = 0")
            .await;
        let name = format!("process {cuts}");
        let began = database.statements();
        let mut polls_left = cuts % 3;
        let mut working = Box::pin(run(&scene.api.services, &name));
        let ended = std::future::poll_fn(|context| {
            let done = working.as_mut().poll(context).map(Some);
            if done.is_pending() && database.statements() - began > cuts / 3 {
                if polls_left == 0 {
                    return std::task::Poll::Ready(None);
                }
                polls_left -= 1;
            }
            done
        })
        .await;
        match ended {
            None => cuts += 1,
            Some(done) => {
                if done.unwrap() == Progress::Idle {
                    return cuts;
                }
            }
        }
    }
}

#[rstest]
#[tokio::test]
async fn a_sheet_that_is_stopped_keeps_what_was_written_and_can_be_undone(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend, 3).await;
    let sheet = scene.checked(&all_ready(&scene, "2021-12-01")).await;
    begin(&scene, "sheetApply", &sheet).await;
    assert_eq!(
        run(&scene.api.services, "one").await.unwrap(),
        Progress::More
    );
    let payload = scene
        .ask(&scene.editor, "sheetCancel", &sheet, json!({}))
        .await;
    assert_eq!(payload["userErrors"], json!([]));
    assert_eq!(payload["sheet"]["status"], "CANCELLED");
    scene.work().await;
    assert_eq!(scene.sheet(&sheet).await["status"], "CANCELLED");
    assert_eq!(scene.counts(&sheet).await, json!({ "changed": 3 }));
    // Its rows are told of in their places: they are not looked at anew.
    let payload = scene
        .ask(&scene.editor, "sheetCheck", &sheet, json!({}))
        .await;
    assert_eq!(payload["userErrors"][0]["code"], "NOT_WHILE");
    assert_eq!(scene.undo(&sheet).await["status"], "UNDONE");
    assert_eq!(scene.counts(&sheet).await, json!({ "undone": 3 }));

    // One that was not begun can be checked again after it was given up.
    let other = scene.checked(&all_ready(&scene, "2021-12-03")).await;
    for (name, status) in [("sheetCancel", "CANCELLED"), ("sheetCheck", "CHECKING")] {
        let payload = scene.ask(&scene.editor, name, &other, json!({})).await;
        assert_eq!(payload["sheet"]["status"], status, "{payload}");
    }
    scene.work().await;
    assert_eq!(scene.sheet(&other).await["status"], "CHECKED");
}

#[rstest]
#[tokio::test]
async fn rights_count_as_they_are_when_the_rows_are_written(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend, 2).await;
    let sheet = scene.checked(&all_ready(&scene, "2021-12-01")).await;
    let other = scene.checked(&all_ready(&scene, "2021-12-02")).await;
    begin(&scene, "sheetApply", &sheet).await;
    // One clinic changes its vendor after that.
    let rival = scene.api.organisation(Kind::Vendor, "ライバル").await;
    let id = NodeId::new(NodeKind::Organisation, rival.0).encode().0;
    let link = json!({ "facility": { "code": code(1) }, "kind": "VENDOR", "organisationId": id, "on": "2021-12-10" });
    scene.one(&ministry(), "facilityLink", link).await;
    scene.work().await;
    assert_eq!(
        scene.counts(&sheet).await,
        json!({ "changed": 1, "refused": 1 })
    );
    let rows = scene.rows(&sheet).await;
    assert_eq!(
        (&rows[1]["facility"], &rows[1]["changes"]),
        (&json!(null), &json!([])),
        "what a vendor can't see any more is not shown"
    );
    assert_eq!(scene.told(&sheet).await[1], "3 REFUSED NOT_FOUND");

    // Whoever began it is gone.
    let input = json!({ "errorPolicy": "REJECT_FAILED_ROWS" });
    let payload = scene.ask(&scene.editor, "sheetApply", &other, input).await;
    assert_eq!(payload["userErrors"], json!([]));
    let disable = "UPDATE user_account SET disabled_at = created_at";
    scene.api.database.run(disable).await;
    scene.work().await;
    let failed = scene.sheet(&other).await;
    assert_eq!(failed["status"], "FAILED");
    assert_eq!(failed["userErrors"][0]["code"], "FORBIDDEN");
    scene.verify().await;
}

#[rstest]
#[tokio::test]
async fn sheets_are_forgotten_after_their_time_with_their_rows_and_bytes(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend, 2).await;
    let old = scene.checked(&all_ready(&scene, "2021-12-01")).await;
    scene.apply(&old).await;
    scene.api.services.clock.advance(TimeDelta::days(91));
    scene.checked(&all_ready(&scene, "2021-12-02")).await;
    let before = scene.api.services.clock.now() - TimeDelta::days(90);
    let database = scene.api.database.db();
    let forgotten = kaitsu::sheet::entity::forget(database, before).await;
    assert_eq!(forgotten.unwrap(), 1);
    for table in ["sheet", "sheet_chunk"] {
        let left = format!("SELECT count(*) FROM {table}");
        assert_eq!(scene.api.database.number(&left).await, 1, "{table}");
    }
    let left = "SELECT count(*) FROM sheet_row";
    assert_eq!(scene.api.database.number(left).await, 2);
    assert_eq!(
        scene.facility(&code(0)).await,
        "READER_APPLIED 2021-06-01, READY 2021-12-01"
    );
}
