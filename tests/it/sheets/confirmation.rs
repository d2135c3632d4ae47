//! Sheets that confirm that everything up to a day is recorded.

use kaitsu::{
    api::{NodeId, node_id::NodeKind},
    auth::{OrganisationKind as Kind, Permission, Role},
    db::Backend,
    reporting::ReportingProblem,
    sheet::{
        SheetProblem,
        service::{UploadError, upload},
    },
};
use rstest::rstest;
use serde_json::{Value, json};

use super::{Scene, code, person, received};
use crate::support::api::{errors, ministry};

/// Up to which day the vendor has reported.
async fn reported(scene: &Scene) -> Value {
    let document = "{ rolloutFigures { coverage { reporters { completeTo } } } }";
    let data = scene.api.data(&ministry(), document, json!({})).await;
    data["rolloutFigures"]["coverage"]["reporters"][0]["completeTo"].clone()
}

/// What a sheet would confirm, and whether it has.
async fn confirmation(scene: &Scene, sheet: &str) -> (String, Value, bool) {
    let document = "query ($id: ID!) { node(id: $id) { ... on Sheet { status completeTo confirmationChangeId } } }";
    let data = scene
        .api
        .data(&scene.editor, document, json!({ "id": sheet }))
        .await;
    let node = &data["node"];
    let status = node["status"].as_str().unwrap().to_owned();
    (
        status,
        node["completeTo"].clone(),
        node["confirmationChangeId"].is_string(),
    )
}

async fn apply(scene: &Scene, sheet: &str, more: Value) -> Vec<String> {
    let mut input = more;
    input["gentle"] = json!(false);
    let payload = scene.ask(&scene.editor, "sheetApply", sheet, input).await;
    scene.work().await;
    errors(&payload)
}

#[rstest]
#[tokio::test]
async fn a_sheet_confirms_with_its_last_row_and_its_undoing_takes_that_back(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend, 3).await;
    let text = format!("code,READY\n{},2021-12-01\n{},\n", code(0), code(1));
    let sheet = scene.checked(&text).await;
    let friday = json!({ "completeTo": "2021-12-17" });
    assert_eq!(apply(&scene, &sheet, friday).await, Vec::<String>::new());
    assert_eq!(
        confirmation(&scene, &sheet).await,
        ("APPLIED".to_owned(), json!("2021-12-17"), true)
    );
    assert_eq!(reported(&scene).await, "2021-12-17");
    // The next week nothing has changed: the same file says so, and is no doubled one.
    let again = scene.checked(&text).await;
    assert_eq!(
        apply(&scene, &again, json!({})).await,
        ["NOTHING_TO_DO input"]
    );
    assert_eq!(
        apply(&scene, &again, json!({ "completeTo": "2021-12-17" })).await,
        ["NOTHING_TO_DO input.completeTo"]
    );
    assert_eq!(
        apply(&scene, &again, json!({ "completeTo": "2021-12-19" })).await,
        Vec::<String>::new()
    );
    assert_eq!(reported(&scene).await, "2021-12-19");
    // Whatever is taken back first, what the others say holds until they are.
    let newest_first = backend == Backend::Sqlite;
    let (one, other) = if newest_first {
        (&again, &sheet)
    } else {
        (&sheet, &again)
    };
    scene.undo(one).await;
    let left = if newest_first {
        "2021-12-17"
    } else {
        "2021-12-19"
    };
    assert_eq!(reported(&scene).await, left);
    assert!(!confirmation(&scene, one).await.2);
    scene.undo(other).await;
    assert_eq!(reported(&scene).await, Value::Null);
    // What was taken back is not there: it can't be confirmed by applying the sheet again.
    for more in [json!({}), json!({ "completeTo": "2021-12-19" })] {
        assert_eq!(
            apply(&scene, &sheet, more).await,
            ["HAS_REFUSED_ROWS input.completeTo"]
        );
    }
    assert_eq!(
        apply(&scene, &sheet, json!({ "withoutConfirmation": true })).await,
        ["NOTHING_TO_DO input"]
    );
    // The file can be sent again: the sheet that wrote nothing is no reason against it.
    let third = scene.checked(&text).await;
    assert_eq!(apply(&scene, &third, json!({})).await, Vec::<String>::new());
    assert_eq!(reported(&scene).await, Value::Null);
    scene.verify().await;
}

#[rstest]
#[tokio::test]
async fn with_rows_that_are_not_written_nothing_is_confirmed(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend, 2).await;
    let text = format!(
        "code,READY\n{},2021-12-01\n{},2021-13-01\n",
        code(0),
        code(1)
    );
    let sheet = scene.checked(&text).await;
    let input = json!({ "completeTo": "2021-12-17", "errorPolicy": "REJECT_FAILED_ROWS" });
    assert_eq!(
        apply(&scene, &sheet, input).await,
        ["HAS_REFUSED_ROWS input.completeTo"]
    );
    // A row that becomes a conflict between the check and the end leaves something unrecorded.
    let text = format!(
        "code,READY\n{},2021-12-01\n{},2021-12-01\n",
        code(0),
        code(1)
    );
    let sheet = scene.checked(&text).await;
    let ready =
        json!({ "facility": { "code": code(1) }, "milestone": "READY", "on": "2021-12-02" });
    scene.one(&scene.editor, "milestoneRecord", ready).await;
    assert_eq!(
        apply(&scene, &sheet, json!({ "completeTo": "2021-12-17" })).await,
        Vec::<String>::new()
    );
    assert_eq!(
        confirmation(&scene, &sheet).await,
        ("APPLIED".to_owned(), json!("2021-12-17"), false)
    );
    assert_eq!(reported(&scene).await, Value::Null);
}

#[rstest]
#[tokio::test]
async fn what_a_sheet_is_sent_to_confirm_is_checked_when_it_is_sent(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend, 1).await;
    let text = format!("code,READY\n{},2021-12-01\n", code(0));
    let contractor = scene
        .api
        .organisation(Kind::SupportContractor, "設置サポート")
        .await;
    let helper = person(
        &scene.api,
        Kind::SupportContractor,
        contractor,
        Role::Editor,
    )
    .await;
    let today = scene.api.services.clock.today();
    let send = async |actor, day: &str| {
        let mut file = received("週報.csv", text.as_bytes());
        file.complete_to = Some(day.parse().unwrap());
        upload(&scene.api.services, actor, None, file).await
    };
    for (actor, day, expected) in [
        (
            &scene.editor,
            "2021-12-20",
            ReportingProblem::InFuture { today },
        ),
        (
            &scene.editor,
            "2001-01-01",
            ReportingProblem::TooEarly {
                earliest: "2020-01-01".parse().unwrap(),
            },
        ),
        (&helper, "2021-12-17", ReportingProblem::NoReporter),
    ] {
        match send(actor, day).await {
            Err(UploadError::Refused(problem)) => {
                assert_eq!(problem, SheetProblem::Reporting(expected));
            }
            other => panic!("{other:?}"),
        }
    }
    let sent = send(&scene.editor, "2021-12-17").await.unwrap();
    scene.work().await;
    let id = NodeId::new(NodeKind::Sheet, sent.0).encode().0;
    assert_eq!(
        confirmation(&scene, &id).await,
        ("CHECKED".to_owned(), json!("2021-12-17"), false)
    );
    // What was said with the file counts where nothing else is said.
    assert_eq!(apply(&scene, &id, json!({})).await, Vec::<String>::new());
    assert_eq!(reported(&scene).await, "2021-12-17");
}

#[rstest]
#[tokio::test]
async fn a_sheet_is_undone_with_its_confirmation_by_those_who_may_report(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend, 1).await;
    let text = format!("code,READY\n{},2021-12-01\n", code(0));
    let sheet = scene.checked(&text).await;
    let mut token = scene.editor.clone();
    token.token_permissions = Some(vec![Permission::FacilityRead, Permission::MilestoneWrite]);
    let input = json!({ "completeTo": "2021-12-17" });
    let payload = scene.ask(&token, "sheetApply", &sheet, input.clone()).await;
    assert_eq!(errors(&payload), ["FORBIDDEN input.completeTo"]);
    assert_eq!(apply(&scene, &sheet, input).await, Vec::<String>::new());
    let payload = scene.ask(&token, "sheetUndo", &sheet, json!({})).await;
    assert_eq!(errors(&payload), ["FORBIDDEN input.completeTo"]);
    // It no longer holds before the first row goes.
    let payload = scene
        .ask(&scene.editor, "sheetUndo", &sheet, json!({}))
        .await;
    assert_eq!(errors(&payload), Vec::<String>::new());
    assert_eq!(
        scene.facility(&code(0)).await,
        "READER_APPLIED 2021-06-01, READY 2021-12-01"
    );
    assert_eq!(reported(&scene).await, Value::Null);
    let dry = json!({ "completeTo": "2021-12-17", "dryRun": true });
    scene.work().await;
    let payload = scene.ask(&scene.editor, "sheetApply", &sheet, dry).await;
    assert_eq!(errors(&payload), ["HAS_REFUSED_ROWS input.completeTo"]);
}

#[rstest]
#[tokio::test]
async fn two_files_of_a_day_both_confirm_it_and_a_file_without_rows_does(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend, 2).await;
    let today = "2021-12-19";
    for clinic in [0, 1] {
        let text = format!("code,READY\n{},2021-12-01\n", code(clinic));
        let sheet = scene.checked(&text).await;
        let confirm = json!({ "completeTo": today });
        assert_eq!(apply(&scene, &sheet, confirm).await, Vec::<String>::new());
        // The second says the same day again, and writes its row.
        assert!(confirmation(&scene, &sheet).await.2);
        assert!(scene.facility(&code(clinic)).await.contains("READY"));
    }
    let other = Scene::new(backend, 1).await;
    let mut empty = received("週報.csv", b"code,READY\n");
    empty.complete_to = Some(today.parse().unwrap());
    let sent = upload(&other.api.services, &other.editor, None, empty)
        .await
        .unwrap();
    other.work().await;
    let id = NodeId::new(NodeKind::Sheet, sent.0).encode().0;
    assert_eq!(apply(&other, &id, json!({})).await, Vec::<String>::new());
    assert_eq!(reported(&other).await, today);
}
