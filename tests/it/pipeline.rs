//! Recording, planning, withdrawing and correcting milestones through the API.

use std::time::Duration;

use chrono::TimeDelta;
use kaitsu::{
    auth::{Actor, OrganisationKind, Role},
    db::{Backend, Database, DatabaseSettings, OrganisationId, Query, is_transient},
};
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::api::{Api, call, member, ministry};

const CLINIC: &str = "0110112489";
const SAITAMA: &str = "1110301762";

const RECORD: &str = "mutation ($input: MilestoneRecordInput!) { milestoneRecord(input: $input) { version
    facility { stage version milestones { milestone reachedOn } } eventIds userErrors { code path message } } }";

struct Scene {
    api: Api,
    clinic: String,
    vendor: OrganisationId,
}

/// One clinic that engages a vendor.
async fn scene(backend: Backend) -> Scene {
    let api = Api::new(backend).await;
    let vendor = api
        .organisation(OrganisationKind::Vendor, "あおばシステム")
        .await;
    let clinic = api.register(CLINIC, "MEDICAL_CLINIC", "みなと内科").await;
    link(&api, &clinic, vendor, "2020-04-01").await;
    Scene {
        api,
        clinic,
        vendor,
    }
}

async fn link(api: &Api, facility: &str, vendor: OrganisationId, on: &str) {
    let id =
        kaitsu::api::NodeId::new(kaitsu::api::node_id::NodeKind::Organisation, vendor.0).encode();
    let data = api
        .data(
            &ministry(),
            "mutation ($input: FacilityLinkInput!) { facilityLink(input: $input) { userErrors { code } } }",
            json!({ "input": { "facility": { "id": facility }, "kind": "VENDOR", "organisationId": id.0, "on": on } }),
        )
        .await;
    assert_eq!(data["facilityLink"]["userErrors"], json!([]));
}

impl Scene {
    fn editor(&self) -> Actor {
        member(OrganisationKind::Vendor, self.vendor, Role::Editor)
    }

    async fn record(&self, actor: &Actor, input: Value) -> Value {
        let mut with_facility = json!({ "facility": { "id": self.clinic } });
        for (name, value) in input.as_object().unwrap() {
            with_facility[name] = value.clone();
        }
        let data = self
            .api
            .data(actor, RECORD, json!({ "input": with_facility }))
            .await;
        data["milestoneRecord"].clone()
    }
}

fn codes(payload: &Value) -> Vec<&str> {
    payload["userErrors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| error["code"].as_str().unwrap())
        .collect()
}

#[rstest]
#[tokio::test]
async fn a_vendor_records_a_milestone_of_a_facility_that_engages_it(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = scene(backend).await;
    let payload = scene
        .record(
            &scene.editor(),
            json!({ "milestone": "INSTALLED", "on": "2021-12-01" }),
        )
        .await;
    assert_eq!(codes(&payload), Vec::<&str>::new());
    assert_eq!(payload["facility"]["stage"], "INSTALLED");
    assert_eq!(payload["facility"]["version"], 3);
    assert_eq!(payload["eventIds"].as_array().unwrap().len(), 1);
    assert_eq!(
        payload["facility"]["milestones"][7],
        json!({ "milestone": "INSTALLED", "reachedOn": "2021-12-01" })
    );
}

#[rstest]
#[tokio::test]
async fn a_rival_vendor_is_told_that_there_is_no_such_facility(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = scene(backend).await;
    let rival = scene
        .api
        .organisation(OrganisationKind::Vendor, "ライバル")
        .await;
    let rival = member(OrganisationKind::Vendor, rival, Role::Admin);
    let payload = scene
        .record(
            &rival,
            json!({ "milestone": "INSTALLED", "on": "2021-12-01" }),
        )
        .await;
    assert_eq!(codes(&payload), ["NOT_FOUND"]);
    assert_eq!(payload["facility"], Value::Null);
    let unknown = scene
        .api
        .data(
            &rival,
            RECORD,
            json!({ "input": { "facility": { "id": "RmFjaWxpdHk6OTk5" }, "milestone": "INSTALLED", "on": "2021-12-01" } }),
        )
        .await;
    assert_eq!(
        unknown["milestoneRecord"], payload,
        "the two must not differ"
    );
}

#[rstest]
#[tokio::test]
async fn what_a_vendor_may_not_record_is_forbidden_and_a_viewer_may_record_nothing(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = scene(backend).await;
    let certificate = json!({ "milestone": "CERTIFICATE_ISSUED", "on": "2021-12-01" });
    let payload = scene.record(&scene.editor(), certificate.clone()).await;
    assert_eq!(codes(&payload), ["FORBIDDEN"]);
    let viewer = member(OrganisationKind::Vendor, scene.vendor, Role::Viewer);
    let response = scene
        .api
        .call(
            &viewer,
            RECORD,
            json!({ "input": { "facility": { "id": scene.clinic }, "milestone": "INSTALLED", "on": "2021-12-01" } }),
        )
        .await;
    assert_eq!(response["errors"][0]["extensions"]["code"], "Forbidden");
}

#[rstest]
#[case::future(json!({ "milestone": "INSTALLED", "on": "2021-12-20" }), &["DATE_IN_FUTURE"])]
#[case::before_the_rollout(json!({ "milestone": "INSTALLED", "on": "2019-12-31" }), &["DATE_TOO_EARLY", "BEFORE_OPENING"])]
#[case::before_opening(json!({ "milestone": "INSTALLED", "on": "2020-03-31" }), &["BEFORE_OPENING"])]
#[case::live_without_ready(json!({ "milestone": "LIVE", "on": "2021-12-01" }), &["MISSING_EARLIER_MILESTONE"])]
#[case::ready_without_application(json!({ "milestone": "READY", "on": "2021-12-01" }), &["MISSING_EARLIER_MILESTONE"])]
#[case::stale(json!({ "milestone": "INSTALLED", "on": "2021-12-01", "expectedVersion": 1 }), &["STALE_VERSION"])]
#[case::several_at_once(json!({ "milestone": "LIVE", "on": "2021-12-20", "expectedVersion": 1 }), &["STALE_VERSION", "DATE_IN_FUTURE", "MISSING_EARLIER_MILESTONE"])]
#[case::long_note(json!({ "milestone": "INSTALLED", "on": "2021-12-01", "note": "x".repeat(1_001) }), &["INVALID_TEXT"])]
#[case::control_characters(json!({ "milestone": "INSTALLED", "on": "2021-12-01", "note": "a\u{0}b" }), &["INVALID_TEXT"])]
#[tokio::test]
async fn a_broken_rule_is_a_user_error_and_changes_nothing(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
    #[case] input: Value,
    #[case] expected: &[&str],
) {
    let scene = scene(backend).await;
    let payload = scene.record(&ministry(), input).await;
    assert_eq!(codes(&payload), expected);
    assert_eq!(payload["facility"]["version"], 2);
    assert_eq!(payload["facility"]["stage"], "NOT_APPLIED");
    assert_eq!(payload["eventIds"], json!([]));
}

#[rstest]
#[tokio::test]
async fn earlier_milestones_are_implied_on_request(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = scene(backend).await;
    let payload = scene
        .record(
            &ministry(),
            json!({ "milestone": "LIVE", "on": "2021-12-01", "implyEarlier": true }),
        )
        .await;
    assert_eq!(codes(&payload), Vec::<&str>::new());
    assert_eq!(payload["eventIds"].as_array().unwrap().len(), 3);
    assert_eq!(payload["facility"]["stage"], "LIVE");
    let again = scene
        .record(
            &ministry(),
            json!({ "milestone": "LIVE", "on": "2021-12-02" }),
        )
        .await;
    assert_eq!(codes(&again), ["ALREADY_REACHED"]);
}

#[rstest]
#[tokio::test]
async fn taking_back_what_others_need_is_refused_unless_they_go_too(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = scene(backend).await;
    scene
        .record(
            &ministry(),
            json!({ "milestone": "LIVE", "on": "2021-12-01", "implyEarlier": true }),
        )
        .await;
    let withdraw = async |with_later: bool| {
        let data = scene
            .api
            .data(
                &ministry(),
                "mutation ($input: MilestoneWithdrawInput!) { milestoneWithdraw(input: $input) {
                    facility { stage } userErrors { code path } } }",
                json!({ "input": { "facility": { "code": CLINIC }, "milestone": "READER_APPLIED", "on": "2021-12-10", "withLater": with_later } }),
            )
            .await;
        data["milestoneWithdraw"].clone()
    };
    let refused = withdraw(false).await;
    assert_eq!(codes(&refused), ["NEEDED_BY_LATER_MILESTONE"]);
    assert_eq!(
        refused["userErrors"][0]["path"],
        json!(["input", "milestone"])
    );
    assert_eq!(refused["facility"]["stage"], "LIVE");
    let done = withdraw(true).await;
    assert_eq!(codes(&done), Vec::<&str>::new());
    assert_eq!(done["facility"]["stage"], "NOT_APPLIED");
}

#[rstest]
#[tokio::test]
async fn a_correction_voids_the_record_and_keeps_it_in_the_timeline(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = scene(backend).await;
    let recorded = scene
        .record(
            &ministry(),
            json!({ "milestone": "READER_APPLIED", "on": "2021-06-01" }),
        )
        .await;
    let data = scene
        .api
        .data(
            &ministry(),
            "mutation ($input: MilestoneCorrectInput!) { milestoneCorrect(input: $input) {
                facility { timeline { kind effectiveOn voided } milestones { reachedOn } } userErrors { code } } }",
            json!({ "input": { "facility": { "code": CLINIC }, "eventId": recorded["eventIds"][0], "on": "2021-07-01" } }),
        )
        .await;
    let facility = &data["milestoneCorrect"]["facility"];
    assert_eq!(facility["milestones"][0]["reachedOn"], "2021-07-01");
    let applied: Vec<(&Value, &Value)> = facility["timeline"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|entry| entry["kind"] == "MILESTONE_REACHED")
        .map(|entry| (&entry["effectiveOn"], &entry["voided"]))
        .collect();
    assert_eq!(
        applied,
        [
            (&json!("2021-06-01"), &json!(true)),
            (&json!("2021-07-01"), &json!(false))
        ]
    );
}

#[rstest]
#[tokio::test]
async fn a_repeated_request_has_one_effect_and_gets_the_first_answer(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = scene(backend).await;
    let input = json!({ "milestone": "INSTALLED", "on": "2021-12-01", "idempotencyKey": "k1" });
    let first = scene.record(&scene.editor(), input.clone()).await;
    assert_eq!(codes(&first), Vec::<&str>::new());
    assert_eq!(first["version"], 3);
    let between = json!({ "milestone": "PC_PROCURED", "on": "2021-11-01" });
    assert_eq!(scene.record(&ministry(), between).await["version"], 4);
    let again = scene.record(&scene.editor(), input).await;
    for part in ["version", "eventIds", "userErrors"] {
        assert_eq!(again[part], first[part], "{part}");
    }
    assert_eq!(again["facility"]["version"], 4, "the facility as it is now");
    // A refusal is kept as well.
    let refused = json!({ "milestone": "LIVE", "on": "2021-12-01", "idempotencyKey": "k2" });
    let first = scene.record(&scene.editor(), refused.clone()).await;
    assert_eq!(codes(&first), ["MISSING_EARLIER_MILESTONE"]);
    assert_eq!(first["version"], Value::Null);
    assert_eq!(scene.record(&scene.editor(), refused).await, first);
    // The same key with other content is refused, and is somebody else's key for another caller.
    let other = json!({ "input": { "facility": { "id": scene.clinic }, "milestone": "ROUTER_PROCURED", "on": "2021-12-01", "idempotencyKey": "k1" } });
    let data = scene.api.data(&scene.editor(), RECORD, other.clone()).await;
    let refused = &data["milestoneRecord"];
    assert_eq!(codes(refused), ["IDEMPOTENCY_KEY_REUSED"]);
    assert_eq!(
        refused["userErrors"][0]["path"],
        json!(["input", "idempotencyKey"])
    );
    assert_eq!(refused["facility"], Value::Null);
    let row =
        json!({ "facility": { "id": scene.clinic }, "milestone": "INSTALLED", "on": "2021-12-01" });
    let bulk = json!({ "input": { "rows": [row], "idempotencyKey": "k1" } });
    let data = scene.api.data(&scene.editor(), BULK, bulk).await;
    let refused = &data["milestoneBulkRecord"];
    assert_eq!(codes(refused), ["IDEMPOTENCY_KEY_REUSED"]);
    assert_eq!(refused["rows"], json!([]));
    let data = scene.api.data(&ministry(), RECORD, other).await;
    assert_eq!(data["milestoneRecord"]["userErrors"], json!([]));
}

#[rstest]
#[tokio::test]
async fn a_dry_run_answers_the_same_and_changes_nothing(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = scene(backend).await;
    let tried = scene
        .record(
            &ministry(),
            json!({ "milestone": "LIVE", "on": "2021-12-01", "dryRun": true }),
        )
        .await;
    assert_eq!(codes(&tried), ["MISSING_EARLIER_MILESTONE"]);
    let tried = scene
        .record(
            &ministry(),
            json!({ "milestone": "INSTALLED", "on": "2021-12-01", "dryRun": true }),
        )
        .await;
    assert_eq!(codes(&tried), Vec::<&str>::new());
    assert_eq!(tried["version"], 3, "the one that it would leave");
    assert_eq!(tried["facility"]["stage"], "NOT_APPLIED");
    assert_eq!(tried["facility"]["version"], 2);
}

const BULK: &str = "mutation ($input: MilestoneBulkRecordInput!) { milestoneBulkRecord(input: $input) {
    writtenCount refusedCount userErrors { code path } rows { index version facility { code stage } eventIds userErrors { code path } } } }";

#[rstest]
#[tokio::test]
async fn a_bulk_write_answers_row_by_row_by_its_error_policy(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = scene(backend).await;
    scene
        .api
        .register(SAITAMA, "MEDICAL_CLINIC", "さくら医院")
        .await;
    let rows = json!([
        { "facility": { "code": CLINIC }, "milestone": "READER_APPLIED", "on": "2021-06-01" },
        { "facility": { "code": "0110112488" }, "milestone": "READER_APPLIED", "on": "2021-06-01" },
        { "facility": { "code": SAITAMA }, "milestone": "LIVE", "on": "2021-12-20" },
        { "facility": { "code": "０１１０１１２４８９" }, "milestone": "READY", "on": "2021-07-01" },
        { "facility": { "code": CLINIC }, "milestone": "READER_APPLIED", "on": "2021-06-02" },
    ]);
    let write = async |policy: &str| {
        let input = json!({ "input": { "rows": rows, "errorPolicy": policy } });
        let data = scene.api.data(&ministry(), BULK, input).await;
        data["milestoneBulkRecord"].clone()
    };
    let expected: [&[&str]; 5] = [
        &[],
        &["INVALID_INSTITUTION_CODE"],
        &["DATE_IN_FUTURE", "MISSING_EARLIER_MILESTONE"],
        &[],
        &["DUPLICATE_ROW", "ALREADY_REACHED"],
    ];
    for (policy, written, stage) in [
        ("REJECT_ALL", 0, "NOT_APPLIED"),
        ("REJECT_FAILED_ROWS", 2, "READY"),
    ] {
        let payload = write(policy).await;
        assert_eq!(payload["writtenCount"], written, "{policy}");
        assert_eq!(payload["refusedCount"], 3);
        for (row, expected) in payload["rows"].as_array().unwrap().iter().zip(expected) {
            assert_eq!(codes(row), expected, "{policy}: {row}");
            let wrote = written > 0 && expected.is_empty();
            assert_eq!(row["version"], if wrote { json!(3) } else { Value::Null });
        }
        assert_eq!(payload["rows"][0]["facility"]["stage"], stage);
        assert_eq!(
            payload["rows"][2]["userErrors"][0]["path"],
            json!(["input", "rows", "2", "on"])
        );
    }
}

impl Scene {
    async fn bulk(&self, actor: &Actor, rows: Value) -> Value {
        let input = json!({ "input": { "rows": rows, "errorPolicy": "REJECT_FAILED_ROWS" } });
        self.api.data(actor, BULK, input).await["milestoneBulkRecord"].clone()
    }

    async fn milestones(&self) -> Vec<Value> {
        let query = "query ($code: String!) { facilityByCode(code: $code) { milestones { reachedOn plannedOn } } }";
        let code = json!({ "code": CLINIC });
        let data = self.api.data(&ministry(), query, code).await;
        let milestones = data["facilityByCode"]["milestones"].as_array().unwrap();
        milestones.clone()
    }
}

#[rstest]
#[tokio::test]
async fn a_bulk_write_corrects_records_each_once(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = scene(backend).await;
    let mut events = Vec::new();
    for milestone in ["READER_APPLIED", "PC_PROCURED"] {
        let input = json!({ "milestone": milestone, "on": "2021-06-01" });
        let recorded = scene.record(&ministry(), input).await;
        events.push(recorded["eventIds"][0].clone());
    }
    let row = |event: &Value, on: Value| json!({ "facility": { "code": CLINIC }, "action": "CORRECT", "eventId": event, "on": on });
    let rows = json!([
        row(&events[0], json!("2021-07-01")),
        row(&events[1], Value::Null),
        row(&events[0], Value::Null),
        row(&json!("RXZlbnQ6OTk5OTk"), Value::Null),
    ]);
    let payload = scene.bulk(&ministry(), rows).await;
    let expected: [&[&str]; 4] = [&[], &[], &["DUPLICATE_ROW", "NOT_FOUND"], &["NOT_FOUND"]];
    for (row, expected) in payload["rows"].as_array().unwrap().iter().zip(expected) {
        assert_eq!(codes(row), expected, "{row}");
    }
    assert_eq!(
        payload["rows"][3]["userErrors"][0]["path"],
        json!(["input", "rows", "3", "eventId"])
    );
    let milestones = scene.milestones().await;
    assert_eq!(milestones[0]["reachedOn"], "2021-07-01");
    assert_eq!(milestones[5]["reachedOn"], Value::Null);
}

#[rstest]
#[case(json!({ "milestone": "READER_APPLIED" }), "on")]
#[case(json!({ "on": "2021-12-01" }), "milestone")]
#[case(json!({ "action": "PLAN" }), "milestone")]
#[case(json!({ "action": "CORRECT", "on": "2021-12-01" }), "eventId")]
#[tokio::test]
async fn a_row_without_what_its_action_needs_is_refused_and_the_others_are_written(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
    #[case] mut row: Value,
    #[case] field: &str,
) {
    let scene = scene(backend).await;
    row["facility"] = json!({ "code": CLINIC });
    let whole =
        json!({ "facility": { "code": CLINIC }, "milestone": "INSTALLED", "on": "2021-06-01" });
    let payload = scene.bulk(&ministry(), json!([row, whole])).await;
    assert_eq!(payload["writtenCount"], 1);
    assert_eq!(
        payload["rows"][0]["userErrors"],
        json!([{ "code": "MISSING", "path": ["input", "rows", "0", field] }])
    );
    assert_eq!(payload["rows"][1]["facility"]["stage"], "INSTALLED");
}

#[rstest]
#[tokio::test]
async fn who_may_not_record_a_milestone_may_not_imply_it(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = scene(backend).await;
    let live = json!({ "milestone": "LIVE", "on": "2021-12-01", "implyEarlier": true });
    let payload = scene.record(&scene.editor(), live.clone()).await;
    assert_eq!(codes(&payload), ["FORBIDDEN"]);
    assert_eq!(payload["facility"]["stage"], "NOT_APPLIED");
    let row = json!({ "facility": { "code": CLINIC }, "milestone": "READY", "on": "2021-12-01", "withOthers": true });
    let payload = scene.bulk(&scene.editor(), json!([row])).await;
    assert_eq!(codes(&payload["rows"][0]), ["FORBIDDEN"]);
    // Once somebody else has applied, only what the vendor may record is implied.
    let applied = json!({ "milestone": "READER_APPLIED", "on": "2021-11-01" });
    scene.record(&ministry(), applied).await;
    let payload = scene.record(&scene.editor(), live).await;
    assert_eq!(codes(&payload), Vec::<&str>::new());
    assert_eq!(payload["facility"]["stage"], "LIVE");
}

#[rstest]
#[tokio::test]
async fn plans_are_dropped_together_and_no_others_with_them(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = scene(backend).await;
    let rows = |milestones: &[&str], on: Value| {
        let row = |milestone: &&str| json!({ "facility": { "code": CLINIC }, "action": "PLAN", "milestone": milestone, "on": on });
        milestones.iter().map(row).collect::<Value>()
    };
    let on = json!("2022-01-15");
    let planned = rows(&["READER_DELIVERED", "INSTALLED", "READY"], on.clone());
    assert_eq!(scene.bulk(&ministry(), planned).await["writtenCount"], 3);
    let dropped = rows(&["READER_DELIVERED", "READY"], Value::Null);
    assert_eq!(scene.bulk(&ministry(), dropped).await["writtenCount"], 2);
    let milestones = scene.milestones().await;
    let planned: Vec<&Value> = [4, 7, 8]
        .map(|place: usize| &milestones[place]["plannedOn"])
        .to_vec();
    assert_eq!(planned, [&Value::Null, &on, &Value::Null]);
}

const LAST: &str = "query ($code: String!) { facilityByCode(code: $code) { timeline { kind organisation { name } } } }";

/// Kind and organisation of what was recorded last of a facility.
async fn last_entry(api: &Api, code: &str) -> (String, Value) {
    let data = api.data(&ministry(), LAST, json!({ "code": code })).await;
    let timeline = data["facilityByCode"]["timeline"].as_array().unwrap();
    let entry = timeline.last().unwrap();
    let kind = entry["kind"].as_str().unwrap().to_owned();
    (kind, entry["organisation"]["name"].clone())
}

#[rstest]
#[tokio::test]
async fn a_member_of_several_organisations_writes_in_the_name_of_the_one_that_may(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = scene(backend).await;
    let saitama = scene
        .api
        .register(SAITAMA, "MEDICAL_CLINIC", "さくら医院")
        .await;
    let other = scene
        .api
        .organisation(OrganisationKind::Vendor, "みどりシステム")
        .await;
    let fund = scene
        .api
        .organisation(OrganisationKind::PaymentFund, "支払基金")
        .await;
    link(&scene.api, &saitama, other, "2020-04-01").await;
    let mut actor = member(OrganisationKind::Vendor, other, Role::Editor);
    actor.grants.extend(scene.editor().grants);

    let installed = json!({ "milestone": "INSTALLED", "on": "2021-12-01" });
    scene.record(&actor, installed).await;
    let reached = |name: Value| ("MILESTONE_REACHED".to_owned(), name);
    assert_eq!(
        last_entry(&scene.api, CLINIC).await,
        reached(json!("あおばシステム"))
    );

    let phone = json!({ "input": { "facility": { "code": CLINIC }, "phone": "011-000-0000" } });
    let update = "mutation ($input: FacilityUpdateInput!) { facilityUpdate(input: $input) { userErrors { code } } }";
    scene.api.data(&actor, update, phone).await;
    let (kind, name) = last_entry(&scene.api, CLINIC).await;
    assert_eq!(
        (kind.as_str(), name),
        ("CONTACTS_UPDATED", json!("あおばシステム"))
    );

    // A request that spans both is in the name of neither.
    let row = |code: &str| json!({ "facility": { "code": code }, "milestone": "PC_PROCURED", "on": "2021-12-01" });
    let payload = scene.bulk(&actor, json!([row(CLINIC), row(SAITAMA)])).await;
    assert_eq!(payload["writtenCount"], 2);
    for code in [CLINIC, SAITAMA] {
        assert_eq!(last_entry(&scene.api, code).await, reached(Value::Null));
    }

    // What no vendor may record is recorded in the name of who may.
    let officer = member(OrganisationKind::PaymentFund, fund, Role::Editor);
    actor.grants.extend(officer.grants);
    let issued = json!({ "milestone": "CERTIFICATE_ISSUED", "on": "2021-12-01" });
    scene.record(&actor, issued).await;
    assert_eq!(
        last_entry(&scene.api, CLINIC).await,
        reached(json!("支払基金"))
    );
}

#[rstest]
#[tokio::test]
async fn a_facility_is_found_by_every_code_it_had_and_by_a_part_of_its_name(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = scene(backend).await;
    let data = scene
        .api
        .data(
            &ministry(),
            "mutation ($input: FacilitySucceedInput!) { facilitySucceed(input: $input) { facility { code prefecture } userErrors { code } } }",
            json!({ "input": { "facility": { "code": CLINIC }, "code": SAITAMA, "on": "2021-12-01" } }),
        )
        .await;
    assert_eq!(
        data["facilitySucceed"],
        json!({ "facility": { "code": SAITAMA, "prefecture": "SAITAMA" }, "userErrors": [] })
    );
    for code in [CLINIC, SAITAMA] {
        let data = scene
            .api
            .data(
                &scene.editor(),
                "query ($code: String!) { facilityByCode(code: $code) { code name vendor { name } } }",
                json!({ "code": code }),
            )
            .await;
        assert_eq!(
            data["facilityByCode"],
            json!({ "code": SAITAMA, "name": "みなと内科", "vendor": { "name": "あおばシステム" } })
        );
    }
    let search = async |text: &str| {
        let data = scene
            .api
            .data(
                &scene.editor(),
                "query ($text: String!) { facilities(first: 10, filter: { search: $text }) { totalCount nodes { name } } }",
                json!({ "text": text }),
            )
            .await;
        data["facilities"]["totalCount"].as_i64().unwrap()
    };
    for (text, found) in [
        ("内科", 1),
        ("ミナト", 1),
        ("みなと", 1),
        ("なと内", 1),
        ("外科", 0),
        ("ﾐﾅﾄ", 1),
        ("100%", 0),
    ] {
        assert_eq!(search(text).await, found, "{text}");
    }
}

#[rstest]
#[tokio::test]
async fn two_writers_of_one_facility_both_succeed_or_one_is_told(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = scene(backend).await;
    let write = |milestone: &'static str| {
        let input = json!({ "milestone": milestone, "on": "2021-12-01", "expectedVersion": 2 });
        let scene = &scene;
        async move { scene.record(&ministry(), input).await }
    };
    let (one, two) = tokio::join!(write("PC_PROCURED"), write("ROUTER_PROCURED"));
    let mut outcomes = [codes(&one), codes(&two)];
    outcomes.sort();
    assert_eq!(outcomes, [vec![], vec!["STALE_VERSION"]]);
    scene.api.services.clock.advance(TimeDelta::days(1));
}

#[rstest]
#[case::long_key("idempotencyKey", "k".repeat(201))]
#[case::empty_key("idempotencyKey", String::new())]
#[case::key_with_a_nul("idempotencyKey", "k\0".to_owned())]
#[case::long_reason("reason", "r".repeat(1_001))]
#[case::reason_with_a_nul("reason", "r\0".to_owned())]
#[tokio::test]
async fn a_key_or_a_reason_that_cannot_be_kept_is_told_at_its_place(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
    #[case] field: &str,
    #[case] text: String,
) {
    let scene = scene(backend).await;
    let mut input = json!({ "milestone": "INSTALLED", "on": "2021-12-01" });
    input[field] = json!(text);
    let payload = scene.record(&ministry(), input).await;
    assert_eq!(codes(&payload), ["INVALID_TEXT"]);
    assert_eq!(payload["userErrors"][0]["path"], json!(["input", field]));
    assert_eq!(payload["eventIds"], json!([]));
}

#[rstest]
#[tokio::test]
async fn a_dry_run_of_many_rows_counts_what_would_be_written(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = scene(backend).await;
    let rows = json!([
        { "facility": { "code": CLINIC }, "milestone": "INSTALLED", "on": "2021-06-01" },
        { "facility": { "code": CLINIC }, "milestone": "LIVE", "on": "2021-06-01" },
    ]);
    for (policy, written) in [("REJECT_ALL", 0), ("REJECT_FAILED_ROWS", 1)] {
        let input = json!({ "input": { "rows": rows, "errorPolicy": policy, "dryRun": true } });
        let data = scene.api.data(&ministry(), BULK, input).await;
        let payload = &data["milestoneBulkRecord"];
        assert_eq!(payload["writtenCount"], written, "{policy}");
        assert_eq!(payload["refusedCount"], 1);
        assert_eq!(payload["rows"][0]["facility"]["stage"], "NOT_APPLIED");
        let would_leave = (written > 0).then_some(3);
        assert_eq!(payload["rows"][0]["version"], json!(would_leave));
    }
}

#[rstest]
#[tokio::test]
async fn an_id_that_is_none_of_an_organisation_is_told_at_its_place(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = scene(backend).await;
    for id in ["made up", &scene.clinic] {
        let data = scene
            .api
            .data(
                &ministry(),
                "mutation ($input: FacilityLinkInput!) { facilityLink(input: $input) { userErrors { code path } } }",
                json!({ "input": { "facility": { "id": scene.clinic }, "kind": "CHAIN", "organisationId": id, "on": "2021-12-01" } }),
            )
            .await;
        assert_eq!(
            data["facilityLink"]["userErrors"],
            json!([{ "code": "UNKNOWN_ORGANISATION", "path": ["input", "organisationId"] }])
        );
    }
}

#[rstest]
#[tokio::test]
async fn a_reference_with_a_nul_is_nobodys(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = scene(backend).await;
    let data = scene
        .api
        .data(
            &scene.editor(),
            "query ($reference: String!) { facilityByReference(reference: $reference) { code } }",
            json!({ "reference": "a\0" }),
        )
        .await;
    assert_eq!(data["facilityByReference"], Value::Null);
    let data = scene
        .api
        .data(
            &scene.editor(),
            RECORD,
            json!({ "input": { "facility": { "reference": "a\0" }, "milestone": "INSTALLED", "on": "2021-12-01" } }),
        )
        .await;
    assert_eq!(codes(&data["milestoneRecord"]), ["NOT_FOUND"]);
}

const REGISTER: &str =
    "mutation ($input: FacilityRegisterInput!) { facilityRegister(input: $input) {
    facility { id } eventIds userErrors { code path } } }";

#[rstest]
#[tokio::test]
async fn of_several_requests_for_one_code_at_once_one_gets_it(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = scene(backend).await;
    scene
        .api
        .register("0110112497", "MEDICAL_CLINIC", "浜内科")
        .await;
    let ministry = ministry();
    let register = |key: Option<&'static str>| {
        let input = json!({ "input": { "code": SAITAMA, "kind": "MEDICAL_CLINIC", "name": "さくら医院",
            "openedOn": "2020-04-01", "idempotencyKey": key } });
        scene.api.data(&ministry, REGISTER, input)
    };
    let succeed = |code: &'static str| {
        let input = json!({ "input": { "facility": { "code": code }, "code": SAITAMA, "on": "2021-12-01" } });
        scene.api.data(
            &ministry,
            "mutation ($input: FacilitySucceedInput!) { facilitySucceed(input: $input) { userErrors { code path } } }",
            input,
        )
    };
    let (one, two, three, four) = tokio::join!(
        register(None),
        register(None),
        succeed(CLINIC),
        succeed("0110112497")
    );
    let mut outcomes = [
        codes(&one["facilityRegister"]),
        codes(&two["facilityRegister"]),
        codes(&three["facilitySucceed"]),
        codes(&four["facilitySucceed"]),
    ];
    outcomes.sort();
    let taken = ["TAKEN"].as_slice();
    assert_eq!(outcomes, [&[], taken, taken, taken]);
}

#[rstest]
#[tokio::test]
async fn a_request_that_is_sent_twice_at_once_is_answered_twice_alike(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let api = Api::new(backend).await;
    let ministry = ministry();
    let register = || {
        let input = json!({ "input": { "code": SAITAMA, "kind": "MEDICAL_CLINIC", "name": "さくら医院",
            "openedOn": "2020-04-01", "idempotencyKey": "k1" } });
        api.data(&ministry, REGISTER, input)
    };
    let (one, two, three) = tokio::join!(register(), register(), register());
    assert_eq!(codes(&one["facilityRegister"]), Vec::<&str>::new());
    assert_eq!(one, two);
    assert_eq!(one, three);
}

#[rstest]
#[tokio::test]
async fn what_is_locked_for_too_long_is_unavailable_and_not_a_fault(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = scene(backend).await;
    let settings = DatabaseSettings {
        url: scene.api.database.url().to_owned(),
        read_url: None,
        connections: 2,
        acquire_timeout: Duration::from_secs(30),
        statement_timeout: Duration::from_secs(2),
        lock_timeout: Duration::from_millis(50),
    };
    let database = Database::connect(&settings).await.unwrap();
    let impatient = scene.api.beside(database.clone()).await;
    let holder = scene.api.services.database.begin().await.unwrap();
    let lock = match backend {
        Backend::Sqlite => "SELECT 1",
        Backend::Postgres => "SELECT 1 FROM facility_state FOR UPDATE",
    };
    Query::new(lock).all(&holder).await.unwrap();
    let input = json!({ "input": { "facility": { "id": scene.clinic }, "milestone": "INSTALLED", "on": "2021-12-01" } });
    let response = call(&impatient, &ministry(), RECORD, input.clone()).await;
    assert_eq!(
        response["errors"][0]["extensions"]["code"], "UNAVAILABLE",
        "{response:#}"
    );
    if backend == Backend::Postgres {
        let slow = Query::new("SELECT pg_sleep(10)").all(database.read()).await;
        assert!(is_transient(&slow.unwrap_err()));
    }
    holder.rollback().await.unwrap();
    let response = call(&impatient, &ministry(), RECORD, input).await;
    assert_eq!(
        codes(&response["data"]["milestoneRecord"]),
        Vec::<&str>::new()
    );
    database.close().await.unwrap();
}
