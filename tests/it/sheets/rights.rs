//! Whose sheets one may see, and what may be asked of them.

use async_graphql::{Request, Variables};
use futures_util::StreamExt;
use kaitsu::{
    auth::{Actor, ActorRefresh, OrganisationKind as Kind, Permission, Role},
    db::{Backend, DbErr},
    sheet::{SheetProblem, service::UploadError},
};
use rstest::rstest;
use serde_json::{Value, json};

use super::{Scene, code, person};
use crate::support::api::ministry;

#[rstest]
#[tokio::test]
async fn a_sheet_is_of_those_in_whose_name_it_was_sent_and_nobody_elses(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend, 1).await;
    let sheet = scene
        .checked(&format!("code,READY\n{},2021-12-01\n", code(0)))
        .await;
    let rival = scene.api.organisation(Kind::Vendor, "ライバル").await;
    let rival = person(&scene.api, Kind::Vendor, rival, Role::Admin).await;
    let viewer = person(&scene.api, Kind::Vendor, scene.vendor, Role::Viewer).await;
    let document = "query ($id: ID!) { node(id: $id) { id } sheets(first: 10) { nodes { id } }
        sheetRows(sheetId: $id, first: 10) { nodes { number } } }";
    let seen = async |actor: &Actor| {
        let data = scene
            .api
            .data(actor, document, json!({ "id": sheet }))
            .await;
        let count = |list: &Value| list["nodes"].as_array().unwrap().len();
        (
            data["node"].is_object(),
            count(&data["sheets"]),
            count(&data["sheetRows"]),
        )
    };
    assert_eq!(seen(&scene.editor).await, (true, 1, 1));
    assert_eq!(seen(&viewer).await, (true, 1, 1));
    assert_eq!(seen(&rival).await, (false, 0, 0));
    assert_eq!(seen(&ministry()).await, (false, 0, 0));

    for name in ["sheetCheck", "sheetApply", "sheetCancel", "sheetUndo"] {
        for (actor, error) in [(&rival, "NOT_FOUND"), (&viewer, "FORBIDDEN")] {
            let payload = scene.ask(actor, name, &sheet, json!({})).await;
            assert_eq!(payload["userErrors"][0]["code"], error, "{name}");
        }
    }
    // Who may record elsewhere may not here.
    let elsewhere = Actor {
        grants: [&viewer, &rival]
            .iter()
            .flat_map(|actor| actor.grants.clone())
            .collect(),
        ..viewer.clone()
    };
    let payload = scene
        .ask(&elsewhere, "sheetCancel", &sheet, json!({}))
        .await;
    assert_eq!(payload["userErrors"][0]["code"], "FORBIDDEN");
    let refused = scene.send(&viewer, "a.csv", b"code,READY\n1,2\n").await;
    assert!(matches!(
        refused,
        Err(UploadError::Refused(SheetProblem::Forbidden))
    ));
    assert_eq!(scene.sheet(&sheet).await["status"], "CHECKED");
}

#[rstest]
#[tokio::test]
async fn a_row_may_say_what_its_sender_may_record(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend, 1).await;
    let text = format!(
        "code,CERTIFICATE_ISSUED,blockers\n{},2021-12-01,LINE\n",
        code(0)
    );
    let sheet = scene.checked(&text).await;
    assert_eq!(
        scene.told(&sheet).await,
        ["2 REFUSED FORBIDDEN CERTIFICATE_ISSUED on"]
    );
    // A token that may only tell of blockers.
    let mut token = scene.editor.clone();
    token.token_permissions = Some(vec![Permission::FacilityRead, Permission::BlockerWrite]);
    let payload = scene.ask(&token, "sheetCancel", &sheet, json!({})).await;
    assert_eq!(payload["userErrors"], json!([]));
}

#[rstest]
#[tokio::test]
async fn a_dry_run_changes_nothing_and_a_key_counts_once(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend, 1).await;
    let sheet = scene
        .checked(&format!("code,READY\n{},2021-12-01\n", code(0)))
        .await;
    let dry = json!({ "dryRun": true });
    let payload = scene.ask(&scene.editor, "sheetApply", &sheet, dry).await;
    assert_eq!(payload["userErrors"], json!([]));
    assert_eq!(payload["sheet"]["status"], "CHECKED");
    let key = json!({ "idempotencyKey": "friday" });
    for _ in 0..2 {
        let payload = scene
            .ask(&scene.editor, "sheetApply", &sheet, key.clone())
            .await;
        assert_eq!(payload["userErrors"], json!([]));
        scene.work().await;
    }
    let other = json!({ "idempotencyKey": "friday", "again": true });
    let payload = scene.ask(&scene.editor, "sheetApply", &sheet, other).await;
    assert_eq!(payload["userErrors"][0]["code"], "IDEMPOTENCY_KEY_REUSED");
    assert_eq!(scene.counts(&sheet).await, json!({ "changed": 1 }));
}

#[rstest]
#[tokio::test]
async fn columns_are_named_by_hand_and_saved_for_the_next_file(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend, 2).await;
    let text = |number: u32| format!("店,完了,電話\n{},2021-12-01,03-1\n", code(number));
    let sheet = scene.checked(&text(0)).await;
    let seen = scene.sheet(&sheet).await;
    assert_eq!(seen["status"], "NEEDS_COLUMNS");
    assert_eq!(seen["userErrors"].as_array().unwrap().len(), 2);
    assert_eq!(
        seen["columns"][1],
        json!({ "position": 1, "heading": "完了", "field": null, "milestone": null, "samples": ["2021-12-01"] })
    );
    let column = |position: i32, field: &str, milestone: Value| json!({ "position": position, "field": field, "milestone": milestone });
    let code_column = column(0, "CODE", json!(null));
    let ask = async |columns: Value| {
        let input = json!({ "columns": columns, "saveAs": "週報" });
        scene.ask(&scene.editor, "sheetCheck", &sheet, input).await
    };
    for (columns, error) in [
        (json!([code_column]), "MISSING"),
        (json!([column(1, "REACHED", json!("INSTALLED"))]), "MISSING"),
        (
            json!([code_column, column(1, "REACHED", json!(null))]),
            "MISSING",
        ),
        (
            json!([code_column, column(7, "REACHED", json!("READY"))]),
            "NOT_FOUND",
        ),
        (
            json!([code_column, column(-1, "REACHED", json!("READY"))]),
            "NOT_FOUND",
        ),
        (
            json!([
                code_column,
                column(1, "REACHED", json!("READY")),
                column(2, "REACHED", json!("READY"))
            ]),
            "DUPLICATE_ROW",
        ),
    ] {
        let payload = ask(columns.clone()).await;
        assert_eq!(payload["userErrors"][0]["code"], error, "{columns}");
    }
    let columns = json!([code_column, column(1, "REACHED", json!("INSTALLED"))]);
    assert_eq!(ask(columns).await["userErrors"], json!([]));
    scene.work().await;
    assert_eq!(scene.counts(&sheet).await, json!({ "willChange": 1 }));

    let mappings = "{ sheetMappings { name columns { heading field milestone } } }";
    let saved = scene.api.data(&scene.editor, mappings, json!({})).await;
    assert_eq!(
        saved["sheetMappings"],
        json!([{ "name": "週報", "columns": [
            { "heading": "店", "field": "CODE", "milestone": null },
            { "heading": "完了", "field": "REACHED", "milestone": "INSTALLED" },
        ] }])
    );
    let next = scene.checked(&text(1)).await;
    for (name, error) in [("月報", Some("NOT_FOUND")), ("週報", None)] {
        let input = json!({ "savedColumns": name });
        let payload = scene.ask(&scene.editor, "sheetCheck", &next, input).await;
        assert_eq!(payload["userErrors"][0]["code"].as_str(), error);
    }
    scene.work().await;
    assert_eq!(scene.counts(&next).await, json!({ "willChange": 1 }));

    let delete = "mutation ($name: String!) { sheetMappingDelete(input: { name: $name }) { userErrors { code } } }";
    for errors in [json!([]), json!([{ "code": "NOT_FOUND" }])] {
        let name = json!({ "name": "週報" });
        let data = scene.api.data(&scene.editor, delete, name).await;
        assert_eq!(data["sheetMappingDelete"]["userErrors"], errors);
    }
}

/// The follower is always the same.
struct Same(Actor);

impl ActorRefresh for Same {
    fn refresh(&self) -> futures_util::future::BoxFuture<'_, Result<Option<Actor>, DbErr>> {
        Box::pin(async { Ok(Some(self.0.clone())) })
    }
}

#[rstest]
#[tokio::test]
async fn who_follows_a_sheet_is_told_of_each_step_until_it_ends(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend, 1).await;
    let text = format!("code,READY\n{},2021-12-01\n", code(0));
    let sent = scene.send(&scene.editor, "a.csv", text.as_bytes()).await;
    let sheet = sent.unwrap();
    let follow = |actor: &Actor| {
        let refresh: std::sync::Arc<dyn ActorRefresh> = std::sync::Arc::new(Same(actor.clone()));
        let request = Request::new(
            "subscription ($id: ID!) { sheetProgress(sheetId: $id) { status doneCount } }",
        )
        .variables(Variables::from_json(json!({ "id": sheet })))
        .data(refresh);
        let stream = scene.api.schema.execute_stream(request);
        stream.map(|response| {
            let value = serde_json::to_value(response).unwrap();
            value["data"]["sheetProgress"]["status"].clone()
        })
    };
    let mut following = Box::pin(follow(&scene.editor));
    assert_eq!(following.next().await, Some(json!("CHECKING")));
    scene.work().await;
    let rest: Vec<Value> = following.collect().await;
    assert_eq!(rest.last(), Some(&json!("CHECKED")));
    let rival = scene.api.organisation(Kind::Vendor, "ライバル").await;
    let rival = person(&scene.api, Kind::Vendor, rival, Role::Admin).await;
    assert_eq!(Box::pin(follow(&rival)).next().await, None);
}
