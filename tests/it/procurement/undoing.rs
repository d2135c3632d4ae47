//! Applications in bulk and one by one, taken back and brought back.

use kaitsu::{auth::Actor, db::Backend};
use rstest::rstest;
use serde_json::{Value, json};

use super::{BULK, Scene, code};
use crate::support::api::{errors, ministry};

#[rstest]
#[tokio::test]
async fn a_chain_files_in_bulk_is_answered_row_by_row_and_takes_it_back(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let chain = scene.chain();
    let mut bad = scene.filed(2, "2021-12-01", 2, 0);
    let rows = json!([
        scene.filed(0, "2021-12-01", 1, 0),
        scene.filed(1, "2021-12-01", 3, 0),
        bad,
        { "facility": { "code": code(0) }, "kind": "USE", "step": "RECEIVE", "on": "2021-12-02" },
        { "facility": { "code": code(0) }, "kind": "READER", "step": "CANCEL", "on": "2021-12-02" },
        scene.filed(0, "2021-12-03", 1, 0),
    ]);
    let bulk = async |input: Value| {
        scene
            .api
            .mutate(&chain, "applicationBulkRecord", input, BULK)
            .await
    };
    let expected = [
        "TOO_MANY_FREE_READERS input.rows.2.lines",
        "DUPLICATE_ROW input.rows.5",
    ];
    for (policy, dry, written) in [
        ("REJECT_ALL", false, 0),
        ("REJECT_FAILED_ROWS", true, 4),
        ("REJECT_FAILED_ROWS", false, 4),
    ] {
        let input = json!({ "errorPolicy": policy, "dryRun": dry, "rows": rows, "idempotencyKey": format!("{policy} {dry}") });
        let payload = bulk(input.clone()).await;
        assert_eq!(errors(&payload), expected, "{policy}");
        assert_eq!(payload["writtenCount"], written, "{policy} {dry}");
        let again = bulk(input).await;
        assert_eq!(again, payload, "{policy} {dry}");
    }
    assert_eq!(scene.reached(0).await, "USE_APPLIED 2021-12-02");
    assert_eq!(scene.reached(1).await, "READER_APPLIED 2021-12-01");
    bad = scene.filed(2, "2021-12-01", 1, 0);
    let mended = bulk(json!({ "errorPolicy": "REJECT_ALL", "rows": [bad] })).await;
    assert_eq!(mended["rows"][0]["application"]["status"], "RECEIVED");

    // Both changes are undone, and the second once more.
    let undo = async |change: &Value| {
        let input = json!({ "changeId": change });
        let selection = "changeId writtenCount userErrors { code path message } rows { userErrors { code path message } }";
        let payload = scene
            .api
            .mutate(&chain, "changeUndo", input, selection)
            .await;
        assert_eq!(errors(&payload), Vec::<String>::new());
        payload["changeId"].clone()
    };
    let undone = undo(&mended["changeId"]).await;
    assert_eq!(scene.reached(2).await, "");
    assert_eq!(
        scene
            .list(&chain, json!({ "facility": { "code": code(2) } }))
            .await,
        ["READER CANCELLED 2021-12-19"]
    );
    undo(&undone).await;
    assert_eq!(scene.reached(2).await, "READER_APPLIED 2021-12-01");
    assert_eq!(
        scene
            .list(&chain, json!({ "facility": { "code": code(2) } }))
            .await,
        ["READER RECEIVED 2021-12-01"]
    );
    scene.api.verify().await;
}

#[rstest]
#[tokio::test]
async fn a_step_is_undone_and_what_changed_since_is_not(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    scene.taken(scene.filed(0, "2021-12-01", 1, 0)).await;
    let accepted = scene.step(0, "READER", "ACCEPT", "2021-12-02").await;
    let sent = scene.step(0, "READER", "SEND", "2021-12-03").await;
    let selection =
        "changeId userErrors { code path message } rows { userErrors { code path message } }";
    let undo = async |actor: &Actor, change: &Value| {
        let input = json!({ "changeId": change });
        scene
            .api
            .mutate(actor, "changeUndo", input, selection)
            .await
    };
    let early = undo(&ministry(), &accepted["changeId"]).await;
    assert_eq!(errors(&early), ["CHANGED_SINCE input.rows.0.changeId"]);
    // Who may not take the step may not take it back.
    let foreign = undo(&scene.chain(), &sent["changeId"]).await;
    assert_eq!(errors(&foreign), ["NOT_FOUND input.changeId"]);
    let undone = undo(&ministry(), &sent["changeId"]).await;
    assert_eq!(errors(&undone), Vec::<String>::new());
    assert_eq!(
        scene.list(&ministry(), json!({})).await,
        ["READER ACCEPTED 2021-12-02"]
    );
    // It goes on from there.
    let delivered = scene.step(0, "READER", "DELIVER", "2021-12-05").await;
    let steps = delivered["application"]["steps"].as_array().unwrap().len();
    assert_eq!(steps, 3, "{delivered}");
    scene.api.verify().await;
}

#[rstest]
#[tokio::test]
async fn an_undoing_is_undone_and_that_again(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let filed = scene.taken(scene.filed(0, "2021-12-01", 1, 0)).await;
    let mut change = filed["changeId"].clone();
    for (applied, stands) in [
        ("", "READER CANCELLED 2021-12-19"),
        ("READER_APPLIED 2021-12-01", "READER RECEIVED 2021-12-01"),
        ("", "READER CANCELLED 2021-12-19"),
        ("READER_APPLIED 2021-12-01", "READER RECEIVED 2021-12-01"),
    ] {
        let selection =
            "changeId userErrors { code path message } rows { userErrors { code path message } }";
        let input = json!({ "changeId": change });
        let undone = scene
            .api
            .mutate(&ministry(), "changeUndo", input, selection)
            .await;
        assert_eq!(errors(&undone), Vec::<String>::new());
        change = undone["changeId"].clone();
        assert_eq!(scene.reached(0).await, applied);
        assert_eq!(scene.list(&ministry(), json!({})).await, [stands]);
        scene.api.verify().await;
    }
}
