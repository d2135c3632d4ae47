//! Work orders in bulk, and several writers at once.

use kaitsu::{
    db::Backend,
    facility::{FeeTable, InstitutionCode, Prefecture},
};
use rstest::rstest;
use serde_json::json;

use super::{CLINIC, SAITAMA, Scene};
use crate::support::api::errors;

#[rstest]
#[tokio::test]
async fn a_sheet_is_answered_row_by_row_and_its_rows_are_taken_in_their_order(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    scene
        .link(SAITAMA, "VENDOR", scene.vendor, "2020-04-01")
        .await;
    let vendor = scene.editor();
    let (clinic, saitama) = (json!({ "code": CLINIC }), json!({ "code": SAITAMA }));
    let input = json!({ "errorPolicy": "REJECT_FAILED_ROWS", "idempotencyKey": "monday", "rows": [
        { "facility": clinic, "action": "OPEN", "on": "2021-12-10", "reference": "M-1" },
        { "facility": clinic, "action": "START", "on": "2021-12-10" },
        { "facility": clinic, "action": "CHECK", "on": "2021-12-10", "items": ["LINE_TESTED", "TRIAL_OPERATION"] },
        { "facility": clinic, "action": "FINISH", "on": "2021-12-10", "minutes": 200, "crew": 1 },
        { "facility": clinic, "action": "FINISH", "on": "2021-12-10", "minutes": 200, "crew": 1, "withChecks": true },
        { "facility": clinic, "action": "OPEN" },
        { "facility": saitama, "action": "OPEN", "on": "2021-12-24", "reference": "M-1" },
        { "facility": saitama, "action": "OPEN", "on": "2021-12-24", "reference": "M-2" },
        { "facility": saitama, "action": "START" },
        { "facility": { "code": "9999999999" }, "action": "OPEN" },
    ] });
    let first = scene.bulk(&vendor, input.clone()).await;
    let told: Vec<Vec<String>> = first["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(errors)
        .collect();
    let expected: [&[&str]; 10] = [
        &[],
        &[],
        &[],
        &["CHECKS_MISSING input.rows.3.withChecks"],
        &[],
        &["DUPLICATE_ROW input.rows.5"],
        &["TAKEN input.rows.6.reference"],
        &[],
        &["MISSING input.rows.8.on"],
        &["INVALID_INSTITUTION_CODE input.rows.9.facility"],
    ];
    assert_eq!(told, expected);
    assert_eq!(
        (&first["writtenCount"], &first["refusedCount"]),
        (&json!(5), &json!(5))
    );
    assert_eq!(
        first["rows"][4]["installation"],
        json!({ "status": "DONE", "version": 1 })
    );
    let again = scene.bulk(&vendor, input).await;
    assert_eq!(again, first);
    assert_eq!(scene.count("installation").await, 2);
    let renamed = json!({ "rows": [
        { "facility": saitama, "action": "SET_REFERENCE", "reference": "M-1" },
    ] });
    let refused = scene.bulk(&vendor, renamed).await;
    assert_eq!(
        errors(&refused["rows"][0]),
        ["TAKEN input.rows.0.reference"]
    );
    let swapped = json!({ "rows": [
        { "facility": clinic, "action": "SET_REFERENCE" },
        { "facility": saitama, "action": "SET_REFERENCE", "reference": "M-1" },
    ] });
    let swapped = scene.bulk(&vendor, swapped).await;
    assert_eq!(swapped["refusedCount"], 0, "{swapped}");
    let all_or_none = json!({ "rows": [
        { "facility": saitama, "action": "PLAN", "on": "2022-01-14" },
        { "facility": clinic, "action": "PLAN", "on": "2022-01-14" },
    ] });
    let none = scene.bulk(&vendor, all_or_none).await;
    assert_eq!(none["writtenCount"], 0);
    assert_eq!(
        scene.listed(&vendor, json!({})).await,
        ["1110301762 OPEN 2021-12-24"]
    );
    scene.verify().await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_who_open_or_name_at_once_make_one_order_and_one_name(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let vendor = scene.editor();
    let openings = (0..8).map(|_| scene.write(&vendor, "installationOpen", json!({})));
    let payloads = futures_util::future::join_all(openings).await;
    let opened = payloads.iter().filter(|payload| errors(payload).is_empty());
    assert_eq!(opened.count(), 1);
    assert_eq!(scene.count("installation").await, 1);

    // Facilities of their own, so that nobody waits for another's row.
    let codes: Vec<String> = (0..8)
        .map(|number| {
            InstitutionCode::with_check_digit(Prefecture::FIRST, FeeTable::Medical, number)
                .to_string()
        })
        .collect();
    for code in &codes {
        scene.api.register(code, "MEDICAL_CLINIC", "駅前").await;
        scene.link(code, "VENDOR", scene.vendor, "2020-04-01").await;
    }
    let named = codes.iter().map(|code| {
        let row = json!({ "facility": { "code": code }, "action": "OPEN", "reference": "one" });
        scene.bulk(&vendor, json!({ "rows": [row] }))
    });
    let answers = futures_util::future::join_all(named).await;
    let written = answers.iter().filter(|answer| answer["writtenCount"] == 1);
    assert_eq!(written.count(), 1, "{answers:#?}");
    for refused in answers.iter().filter(|answer| answer["writtenCount"] == 0) {
        assert_eq!(
            errors(&refused["rows"][0]),
            ["TAKEN input.rows.0.reference"]
        );
    }
    assert_eq!(scene.count("installation").await, 2);
    assert_eq!(scene.count("installation_reference").await, 1);
    scene.verify().await;
}

#[rstest]
#[tokio::test]
async fn of_several_plans_in_a_request_the_last_row_counts(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let vendor = scene.editor();
    let clinic = json!({ "code": CLINIC });
    let rows = json!({ "rows": [
        { "facility": clinic, "action": "OPEN", "on": "2021-12-20" },
        { "facility": clinic, "action": "PLAN", "on": "2021-12-10" },
    ] });
    let answer = scene.bulk(&vendor, rows).await;
    assert_eq!(answer["refusedCount"], 0, "{answer}");
    assert_eq!(
        scene.listed(&vendor, json!({})).await,
        ["0110112489 OPEN 2021-12-10"]
    );
    scene.verify().await;
    let rows = json!({ "rows": [
        { "facility": clinic, "action": "PLAN" },
        { "facility": clinic, "action": "PLAN", "on": "2021-12-05" },
    ] });
    scene.bulk(&vendor, rows).await;
    assert_eq!(
        scene.listed(&vendor, json!({})).await,
        ["0110112489 OPEN 2021-12-05"]
    );
    scene.verify().await;
}

#[rstest]
#[tokio::test]
async fn a_request_is_about_one_order_of_a_facility(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let vendor = scene.editor();
    let clinic = json!({ "code": CLINIC });
    scene
        .done(&vendor, "installationOpen", json!({ "reference": "A" }))
        .await;
    let rows = json!({ "errorPolicy": "REJECT_FAILED_ROWS", "rows": [
        { "facility": clinic, "action": "FAIL", "on": "2021-12-10" },
        { "facility": clinic, "action": "OPEN", "on": "2021-12-14" },
        { "facility": clinic, "action": "START", "on": "2021-12-14" },
        { "facility": clinic, "action": "REOPEN" },
        { "facility": clinic, "action": "FINISH", "on": "2021-12-15", "withChecks": true },
        { "facility": clinic, "action": "REOPEN" },
    ] });
    let answer = scene.bulk(&vendor, rows).await;
    let told: Vec<Vec<String>> = answer["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(errors)
        .collect();
    let expected: [&[&str]; 6] = [
        &[],
        &["DUPLICATE_ROW input.rows.1"],
        &["NOT_OPEN input.rows.2.facility"],
        &["DUPLICATE_ROW input.rows.3"],
        &["NOT_OPEN input.rows.4.facility"],
        &["DUPLICATE_ROW input.rows.5"],
    ];
    assert_eq!(told, expected);
    let all = json!({ "statuses": ["OPEN", "STARTED", "DONE", "FAILED", "CANCELLED"] });
    assert_eq!(scene.listed(&vendor, all).await, ["0110112489 FAILED -"]);
    assert_eq!(scene.count("installation").await, 1);
    scene.verify().await;
}
