//! Work orders one by one.

use kaitsu::{
    auth::{OrganisationKind as Kind, Role},
    db::{Backend, OrganisationId},
};
use rstest::rstest;
use serde_json::{Value, json};

use super::{CLINIC, ITEMS, SAITAMA, Scene, milestone};
use crate::support::api::{errors, member, ministry};

#[rstest]
#[tokio::test]
async fn an_order_goes_from_its_first_promise_to_installed(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let vendor = scene.editor();
    let opened = scene
        .done(
            &vendor,
            "installationOpen",
            json!({ "plannedOn": "2021-12-10", "window": "MORNING", "reference": "A-0017" }),
        )
        .await;
    assert_eq!(opened["status"], "OPEN");
    assert_eq!(opened["reference"], "A-0017");
    assert_eq!(opened["slippageBusinessDays"], 5, "that day has passed");
    assert_eq!(
        milestone(&opened, "INSTALLED"),
        &json!({ "milestone": "INSTALLED", "reachedOn": null, "plannedOn": "2021-12-10" })
    );
    let later = json!({ "plannedOn": "2021-12-24", "note": "ルーター待ち" });
    let planned = scene.done(&vendor, "installationPlan", later).await;
    assert_eq!(
        (&planned["plannedOn"], &planned["window"]),
        (&json!("2021-12-24"), &Value::Null)
    );
    assert_eq!(planned["slippageBusinessDays"], 10);
    assert_eq!(
        planned["promises"],
        json!([
            { "plannedOn": "2021-12-10", "note": null, "organisation": { "name": "あおばシステム" } },
            { "plannedOn": "2021-12-24", "note": "ルーター待ち", "organisation": { "name": "あおばシステム" } },
        ])
    );
    let started = scene
        .done(&vendor, "installationStart", json!({ "on": "2021-12-14" }))
        .await;
    assert_eq!(started["status"], "STARTED");
    let ticks: Vec<Value> = ITEMS[..5]
        .iter()
        .map(|item| json!({ "item": item, "doneOn": "2021-12-14" }))
        .collect();
    let ticked = scene
        .done(&vendor, "installationCheck", json!({ "items": ticks }))
        .await;
    assert_eq!(
        ticked["checklist"][5],
        json!({ "item": "TRIAL_OPERATION", "doneOn": null })
    );
    let early = json!({ "on": "2021-12-13", "minutes": 0, "crew": 101 });
    let refused = scene.write(&vendor, "installationFinish", early).await;
    assert_eq!(
        errors(&refused),
        [
            "DATE_OUT_OF_ORDER input.on",
            "OUT_OF_RANGE input.minutes",
            "OUT_OF_RANGE input.crew"
        ]
    );
    let end = json!({ "on": "2021-12-15", "minutes": 185, "crew": 2, "note": "良好" });
    let refused = scene
        .write(&vendor, "installationFinish", end.clone())
        .await;
    assert_eq!(errors(&refused), ["CHECKS_MISSING input.withChecks"]);
    let mut end = end;
    end["withChecks"] = json!(true);
    let done = scene.done(&vendor, "installationFinish", end).await;
    assert_eq!(
        [
            &done["status"],
            &done["endedOn"],
            &done["startedOn"],
            &done["remark"]
        ],
        [
            &json!("DONE"),
            &json!("2021-12-15"),
            &json!("2021-12-14"),
            &json!("良好")
        ]
    );
    assert_eq!((&done["minutes"], &done["crew"]), (&json!(185), &json!(2)));
    assert_eq!(done["vendor"]["name"], "あおばシステム");
    assert_eq!(
        done["checklist"][5],
        json!({ "item": "TRIAL_OPERATION", "doneOn": "2021-12-15" })
    );
    assert_eq!(done["slippageBusinessDays"], 3);
    assert_eq!(done["version"], 5);
    assert_eq!(
        milestone(&done, "INSTALLED")["reachedOn"],
        "2021-12-15",
        "in the same transaction"
    );
    assert_eq!(done["facility"]["stage"], "INSTALLED");
    let again = scene.write(&vendor, "installationOpen", json!({})).await;
    assert_eq!(errors(&again), ["ALREADY_REACHED input.facility"]);
    scene.verify().await;
}

#[rstest]
#[tokio::test]
async fn an_order_that_failed_makes_room_for_another_and_one_that_had_not_ended_is_reopened(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let vendor = scene.editor();
    let first = json!({ "plannedOn": "2021-12-03" });
    scene.done(&vendor, "installationOpen", first).await;
    let failed =
        json!({ "on": "2021-12-03", "result": "FAILED", "minutes": 60, "note": "回線不通" });
    let failed = scene.done(&vendor, "installationFinish", failed).await;
    assert_eq!(failed["status"], "FAILED");
    assert_eq!(milestone(&failed, "INSTALLED")["reachedOn"], Value::Null);
    let second = scene
        .done(
            &vendor,
            "installationOpen",
            json!({ "plannedOn": "2021-12-17" }),
        )
        .await;
    assert_ne!(second["id"], failed["id"]);
    assert_eq!(
        second["promises"].as_array().unwrap().len(),
        1,
        "earlier promises are the first order's"
    );
    let end = json!({ "on": "2021-12-17", "withChecks": true });
    let done = scene.done(&vendor, "installationFinish", end).await;
    assert_eq!(done["facility"]["stage"], "INSTALLED");
    let reopened = scene.done(&vendor, "installationReopen", json!({})).await;
    assert_eq!(reopened["status"], "STARTED");
    assert_eq!(milestone(&reopened, "INSTALLED")["reachedOn"], Value::Null);
    let open = scene.write(&vendor, "installationReopen", json!({})).await;
    assert_eq!(errors(&open), ["ALREADY_OPEN input.facility"]);
    let cancelled = json!({ "on": "2021-12-18", "note": "廃業予定" });
    let cancelled = scene.done(&vendor, "installationCancel", cancelled).await;
    assert_eq!(cancelled["status"], "CANCELLED");
    assert_eq!(
        milestone(&cancelled, "INSTALLED"),
        &json!({ "milestone": "INSTALLED", "reachedOn": null, "plannedOn": null })
    );
    for (name, input) in [
        ("installationPlan", json!({ "plannedOn": "2022-01-15" })),
        ("installationStart", json!({ "on": "2021-12-18" })),
        (
            "installationCheck",
            json!({ "items": [{ "item": "LINE_TESTED", "doneOn": "2021-12-18" }] }),
        ),
        ("installationFinish", json!({ "on": "2021-12-18" })),
        ("installationCancel", json!({ "on": "2021-12-18" })),
    ] {
        let refused = scene.write(&vendor, name, input).await;
        assert_eq!(errors(&refused), ["NOT_OPEN input.facility"], "{name}");
    }
    let all = json!({ "statuses": ["OPEN", "STARTED", "DONE", "FAILED", "CANCELLED"] });
    assert_eq!(
        scene.listed(&vendor, all).await,
        [
            "0110112489 FAILED -".to_owned(),
            "0110112489 CANCELLED -".to_owned()
        ]
    );
    scene.verify().await;
}

#[rstest]
#[tokio::test]
async fn a_change_of_vendor_moves_the_open_order_and_leaves_what_ended_with_who_did_it(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let vendor = scene.editor();
    let rival = member(Kind::Vendor, scene.rival, Role::Editor);
    let helper = member(Kind::SupportContractor, scene.helper, Role::Editor);
    let plan = json!({ "plannedOn": "2021-12-24", "reference": "mine" });
    scene.done(&vendor, "installationOpen", plan).await;
    let failed = json!({ "on": "2021-12-10", "result": "FAILED" });
    scene.done(&vendor, "installationFinish", failed).await;
    scene
        .done(
            &vendor,
            "installationOpen",
            json!({ "plannedOn": "2021-12-27" }),
        )
        .await;
    assert_eq!(scene.listed(&rival, json!({})).await, Vec::<String>::new());

    scene
        .link(CLINIC, "VENDOR", scene.rival, "2021-12-12")
        .await;
    assert_eq!(scene.listed(&vendor, json!({})).await, Vec::<String>::new());
    let all = json!({ "statuses": ["OPEN", "STARTED", "DONE", "FAILED", "CANCELLED"] });
    assert_eq!(
        scene.listed(&rival, all.clone()).await,
        ["0110112489 OPEN 2021-12-27"],
        "what another did is another's"
    );
    assert_eq!(scene.listed(&ministry(), all.clone()).await.len(), 2);
    scene
        .link(CLINIC, "SUPPORT_CONTRACTOR", scene.helper, "2021-12-13")
        .await;
    assert_eq!(
        scene.listed(&helper, all.clone()).await,
        ["0110112489 OPEN 2021-12-27"]
    );
    let end = json!({ "on": "2021-12-16", "withChecks": true });
    let done = scene.done(&helper, "installationFinish", end).await;
    assert_eq!(done["vendor"]["name"], "ライバル");
    assert_eq!(done["supportContractor"]["name"], "設置サポート");
    for (actor, expected) in [(&helper, 1), (&rival, 1), (&vendor, 0)] {
        assert_eq!(scene.listed(actor, all.clone()).await.len(), expected);
    }
    let by_name = "{ installationByReference(reference: \"mine\") { status } }";
    let data = scene.api.data(&rival, by_name, json!({})).await;
    assert_eq!(data["installationByReference"], Value::Null);
    scene.verify().await;
}

#[rstest]
#[tokio::test]
async fn every_bad_input_has_a_code_and_changes_nothing(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let vendor = scene.editor();
    let rival = member(Kind::Vendor, scene.rival, Role::Editor);
    let viewer = member(Kind::Vendor, scene.vendor, Role::Viewer);
    let opening = json!({ "plannedOn": "2021-12-24", "reference": "taken" });
    scene.done(&vendor, "installationOpen", opening).await;
    let before = (
        scene.count("facility_event").await,
        scene.count("change").await,
        scene.count("installation_check").await,
    );
    let facility = |code: &str| json!({ "facility": { "code": code } });
    for (name, input, expected) in [
        ("installationOpen", json!({}), "ALREADY_OPEN input.facility"),
        (
            "installationOpen",
            json!({ "note": "a\u{7}b" }),
            "INVALID_TEXT input",
        ),
        (
            "installationPlan",
            json!({ "plannedOn": "2021-12-24" }),
            "NOTHING_TO_DO input",
        ),
        (
            "installationPlan",
            json!({ "plannedOn": "2019-12-24" }),
            "DATE_TOO_EARLY input.on",
        ),
        (
            "installationPlan",
            json!({ "plannedOn": "2022-01-24", "expectedVersion": 7 }),
            "STALE_VERSION input.expectedVersion",
        ),
        (
            "installationStart",
            json!({ "on": "2021-12-20" }),
            "DATE_IN_FUTURE input.on",
        ),
        (
            "installationCheck",
            json!({ "items": [] }),
            "MISSING input.items",
        ),
        (
            "installationCheck",
            json!({ "items": [{ "item": "PAINTED", "doneOn": "2021-12-01" }] }),
            "OUT_OF_RANGE input.items",
        ),
        (
            "installationCheck",
            json!({ "items": [{ "item": "LINE_TESTED", "doneOn": "2021-12-20" }] }),
            "DATE_IN_FUTURE input.on",
        ),
        (
            "installationFinish",
            json!({ "on": "2021-12-20", "withChecks": true }),
            "DATE_IN_FUTURE input.on",
        ),
        (
            "installationFinish",
            json!({ "on": "2012-12-20", "withChecks": true }),
            "DATE_TOO_EARLY input.on",
        ),
        (
            "installationReferenceSet",
            json!({ "reference": " " }),
            "INVALID_TEXT input.reference",
        ),
        (
            "installationReferenceSet",
            json!({ "reference": "x".repeat(101) }),
            "INVALID_TEXT input.reference",
        ),
        (
            "installationReferenceSet",
            json!({ "reference": "a\nb" }),
            "INVALID_TEXT input.reference",
        ),
        (
            "installationPlan",
            facility(SAITAMA),
            "NOT_FOUND input.facility",
        ),
        (
            "installationPlan",
            facility("0110112480"),
            "INVALID_INSTITUTION_CODE input.facility",
        ),
    ] {
        let refused = scene.write(&vendor, name, input.clone()).await;
        assert!(
            errors(&refused).contains(&expected.to_owned()),
            "{name} {input}: {refused}"
        );
        assert_eq!(refused["version"], Value::Null, "{name} {input}");
    }
    let stranger = scene
        .write(&rival, "installationStart", json!({ "on": "2021-12-01" }))
        .await;
    assert_eq!(errors(&stranger), ["NOT_FOUND input.facility"]);
    assert_eq!(stranger["installation"], Value::Null);
    let document = "mutation ($input: InstallationStartInput!) { installationStart(input: $input) { version } }";
    let start = json!({ "input": { "facility": { "code": CLINIC }, "on": "2021-12-01" } });
    let reads = scene.api.call(&viewer, document, start).await;
    assert_eq!(reads["errors"][0]["extensions"]["code"], "Forbidden");
    let after = (
        scene.count("facility_event").await,
        scene.count("change").await,
        scene.count("installation_check").await,
    );
    assert_eq!(before, after);
    scene.verify().await;
}

#[rstest]
#[tokio::test]
async fn a_published_checklist_is_that_of_orders_opened_from_then_on(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    scene
        .link(SAITAMA, "VENDOR", scene.vendor, "2020-04-01")
        .await;
    let vendor = scene.editor();
    scene.done(&vendor, "installationOpen", json!({})).await;
    let publish = |items: Value, version: i32| json!({ "input": { "kind": "MEDICAL_CLINIC", "items": items, "expectedVersion": version } });
    let document = "mutation ($input: InstallationChecklistPublishInput!) { installationChecklistPublish(input: $input) {
        checklist { kind version items { code label required } } userErrors { code path } } }";
    let flawed = json!([
        { "code": "line tested", "labelJa": "回線", "labelEn": "Line" },
        { "code": "LINE", "labelJa": "", "labelEn": "Line" },
        { "code": "LINE", "labelJa": "回線", "labelEn": "Line" },
    ]);
    let refused = scene
        .api
        .data(&ministry(), document, publish(flawed, 3))
        .await;
    assert_eq!(
        errors(&refused["installationChecklistPublish"]),
        [
            "STALE_VERSION input.expectedVersion",
            "INVALID_TEXT input.items.0.code",
            "INVALID_TEXT input.items.1.labelJa",
            "DUPLICATE_ROW input.items.2.code",
        ]
    );
    let items = json!([
        { "code": "LINE", "labelJa": "回線", "labelEn": "Line" },
        { "code": "PHOTO", "labelJa": "写真", "labelEn": "Photo", "required": false },
    ]);
    let fund = member(Kind::PaymentFund, OrganisationId(2), Role::Admin);
    let others = scene
        .api
        .data(&fund, document, publish(items.clone(), 1))
        .await;
    assert_eq!(
        errors(&others["installationChecklistPublish"]),
        ["FORBIDDEN input"]
    );
    let published = scene
        .api
        .data(&ministry(), document, publish(items.clone(), 1))
        .await;
    assert_eq!(
        published["installationChecklistPublish"]["checklist"],
        json!({ "kind": "MEDICAL_CLINIC", "version": 2, "items": [
            { "code": "LINE", "label": "Line", "required": true },
            { "code": "PHOTO", "label": "Photo", "required": false },
        ] })
    );
    let same = scene
        .api
        .data(&ministry(), document, publish(items, 2))
        .await;
    assert_eq!(
        errors(&same["installationChecklistPublish"]),
        ["NOTHING_TO_DO input"]
    );

    let old = scene
        .write(
            &vendor,
            "installationCheck",
            json!({ "items": [{ "item": "LINE", "doneOn": "2021-12-01" }] }),
        )
        .await;
    assert_eq!(
        errors(&old),
        ["OUT_OF_RANGE input.items"],
        "it was opened with the first"
    );
    let other = json!({ "facility": { "code": SAITAMA } });
    let new = scene.done(&vendor, "installationOpen", other).await;
    assert_eq!(new["checklistVersion"], 2);
    assert_eq!(
        new["checklist"],
        json!([{ "item": "LINE", "doneOn": null }, { "item": "PHOTO", "doneOn": null }])
    );
    let ticked = json!({ "facility": { "code": SAITAMA }, "items": [{ "item": "LINE", "doneOn": "2021-12-01" }] });
    scene.done(&vendor, "installationCheck", ticked).await;
    let end = json!({ "facility": { "code": SAITAMA }, "on": "2021-12-02" });
    let done = scene.done(&vendor, "installationFinish", end).await;
    assert_eq!(done["status"], "DONE", "what is not required may be left");
    scene.verify().await;
}

#[rstest]
#[tokio::test]
async fn a_dry_run_answers_the_same_and_leaves_nothing(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let vendor = scene.editor();
    let open = json!({ "plannedOn": "2021-12-24", "reference": "A", "dryRun": true });
    let tried = scene.write(&vendor, "installationOpen", open).await;
    assert_eq!(errors(&tried), Vec::<String>::new());
    assert_eq!(
        (&tried["version"], &tried["installation"]),
        (&json!(1), &Value::Null)
    );
    for table in ["installation", "installation_reference"] {
        assert_eq!(scene.count(table).await, 0);
    }
    scene.done(&vendor, "installationOpen", json!({})).await;
    let end = json!({ "on": "2021-12-01", "withChecks": true, "dryRun": true });
    let tried = scene.write(&vendor, "installationFinish", end).await;
    assert_eq!(tried["version"], 2);
    assert_eq!(tried["installation"]["status"], "OPEN");
    assert_eq!(scene.count("installation_check").await, 0);
    scene.verify().await;
}

#[rstest]
#[tokio::test]
async fn what_another_did_is_not_reopened_renamed_or_taken_back(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let vendor = scene.editor();
    let rival = member(Kind::Vendor, scene.rival, Role::Editor);
    scene.done(&vendor, "installationOpen", json!({})).await;
    let failed =
        json!({ "on": "2021-12-10", "result": "FAILED", "minutes": 90, "note": "鍵がない" });
    scene.done(&vendor, "installationFinish", failed).await;
    scene
        .link(CLINIC, "VENDOR", scene.rival, "2021-12-12")
        .await;
    for (name, input) in [
        ("installationReopen", json!({})),
        ("installationReferenceSet", json!({ "reference": "mine" })),
    ] {
        let refused = scene.write(&rival, name, input).await;
        assert_eq!(errors(&refused), ["NOT_OPEN input.facility"], "{name}");
        assert_eq!(refused["installation"], Value::Null, "{name}");
    }
    let timeline =
        "query ($code: String!) { facilityByCode(code: $code) { timeline { kind note } } }";
    let code = json!({ "code": CLINIC });
    let told = scene.api.data(&rival, timeline, code).await.to_string();
    assert!(!told.contains("鍵がない"), "{told}");

    // The clinic says itself that it is installed; who finishes on that day takes back only what is the order's.
    scene.done(&rival, "installationOpen", json!({})).await;
    let document = "mutation ($input: MilestoneRecordInput!) { milestoneRecord(input: $input) { userErrors { code } } }";
    let own = json!({ "input": { "facility": { "code": CLINIC }, "milestone": "INSTALLED", "on": "2021-12-15" } });
    scene.api.data(&ministry(), document, own).await;
    let end = json!({ "on": "2021-12-15", "withChecks": true });
    scene.done(&rival, "installationFinish", end).await;
    let reopened = scene.done(&rival, "installationReopen", json!({})).await;
    assert_eq!(milestone(&reopened, "INSTALLED")["reachedOn"], "2021-12-15");
    scene.verify().await;
}

#[rstest]
#[tokio::test]
async fn whoever_tells_of_earlier_work_keeps_the_order_in_sight(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let helper = member(Kind::SupportContractor, scene.helper, Role::Editor);
    scene
        .done(&scene.editor(), "installationOpen", json!({}))
        .await;
    scene
        .link(CLINIC, "SUPPORT_CONTRACTOR", scene.helper, "2021-12-18")
        .await;
    let end = json!({ "on": "2021-12-16", "withChecks": true });
    let done = scene.done(&helper, "installationFinish", end).await;
    assert_eq!(done["supportContractor"]["name"], "設置サポート");
}

#[rstest]
#[tokio::test]
async fn an_equal_step_changes_nothing(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let vendor = scene.editor();
    scene
        .done(&vendor, "installationOpen", json!({ "reference": "A" }))
        .await;
    let tick = json!({ "items": [{ "item": "LINE_TESTED", "doneOn": "2021-12-10" }] });
    scene.done(&vendor, "installationCheck", tick.clone()).await;
    let before = scene.count("facility_event").await;
    for (name, input) in [
        ("installationCheck", tick),
        ("installationReferenceSet", json!({ "reference": "A" })),
    ] {
        let same = scene.write(&vendor, name, input).await;
        assert_eq!(errors(&same), ["NOTHING_TO_DO input"], "{name}");
    }
    assert_eq!(scene.count("facility_event").await, before);
}
