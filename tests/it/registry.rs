//! What the registry knows of a facility over time: its timeline, its codes and links, the rules of amending it, and
//! the correction of what was a mistake.

use chrono::TimeDelta;
use kaitsu::{
    api::{NodeId, node_id::NodeKind},
    auth::{Actor, OrganisationKind as Kind, Permission, Role, allows},
    db::{Backend, OrganisationId},
};
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::api::{Api, member, ministry};

const CLINIC: &str = "0110112489";
const SAITAMA: &str = "1110301762";

const FACILITY: &str = "query ($code: String!) { facilityByCode(code: $code) {
    openedOn closedOn kind prefecture vendor { name } supportContractor { name } pastCodes { code validUntil }
    timeline { id kind milestone effectiveOn note organisationSet { name } facilityKind prefecture publicInstitution
        code voided voidedBy { recordedAt note organisation { name } } } } }";

struct Scene {
    api: Api,
    vendor: OrganisationId,
    contractor: OrganisationId,
}

/// A clinic that opened on 2020-04-01, and organisations that it may engage.
async fn scene(backend: Backend) -> Scene {
    let api = Api::new(backend).await;
    let vendor = api.organisation(Kind::Vendor, "あおばシステム").await;
    let contractor = api
        .organisation(Kind::SupportContractor, "さくらサポート")
        .await;
    api.register(CLINIC, "MEDICAL_CLINIC", "みなと内科").await;
    Scene {
        api,
        vendor,
        contractor,
    }
}

impl Scene {
    /// Runs a mutation of the clinic and returns its payload.
    async fn amend(&self, name: &str, mut input: Value) -> Value {
        input["facility"] = json!({ "code": CLINIC });
        let document = format!(
            "mutation ($input: {}{}Input!) {{ {name}(input: $input) {{ eventIds version userErrors {{ code path }} }} }}",
            name[..1].to_uppercase(),
            &name[1..]
        );
        let input = json!({ "input": input });
        self.api.data(&ministry(), &document, input).await[name].clone()
    }

    /// Runs a mutation that must succeed and returns the id of its event.
    async fn amended(&self, name: &str, input: Value) -> Value {
        let payload = self.amend(name, input).await;
        assert_eq!(payload["userErrors"], json!([]), "{name}");
        payload["eventIds"][0].clone()
    }

    async fn engage(&self, kind: &str, organisation: OrganisationId, on: &str) -> Value {
        let id = NodeId::new(NodeKind::Organisation, organisation.0)
            .encode()
            .0;
        let link = json!({ "kind": kind, "organisationId": id, "on": on });
        self.amended("facilityLink", link).await
    }

    async fn facility(&self) -> Value {
        let code = json!({ "code": CLINIC });
        let data = self.api.data(&ministry(), FACILITY, code).await;
        data["facilityByCode"].clone()
    }

    /// The entry of the timeline of this kind.
    async fn entry(&self, kind: &str) -> Value {
        let facility = self.facility().await;
        let timeline = facility["timeline"].as_array().unwrap();
        let mut entries = timeline.iter().filter(|entry| entry["kind"] == kind);
        entries
            .next()
            .unwrap_or_else(|| panic!("no {kind}"))
            .clone()
    }
}

#[rstest]
#[tokio::test]
async fn a_timeline_says_what_was_set_and_who_voided_what_and_why(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = scene(backend).await;
    let ministry_name = "INSERT INTO organisation (id, kind, name, name_kana, created_at) VALUES (9999, 2, '厚生労働省', '', '2020-01-01T00:00:00Z')";
    scene.api.database.run(ministry_name).await;
    scene.engage("VENDOR", scene.vendor, "2021-01-01").await;
    let handed = scene
        .engage("SUPPORT_CONTRACTOR", scene.contractor, "2021-02-01")
        .await;
    let class = json!({ "kind": "HOSPITAL", "publicInstitution": true, "on": "2021-03-01" });
    scene.amended("facilityReclassify", class).await;
    let succession = json!({ "code": SAITAMA, "on": "2021-04-01" });
    scene.amended("facilitySucceed", succession).await;
    let correction = json!({ "eventId": handed, "note": "another clinic's" });
    scene.amended("facilityCorrect", correction).await;

    let set = |entry: &Value| {
        json!([
            entry["kind"],
            entry["organisationSet"]["name"],
            entry["facilityKind"],
            entry["prefecture"],
            entry["publicInstitution"],
            entry["code"]
        ])
    };
    let facility = scene.facility().await;
    let timeline = facility["timeline"].as_array().unwrap();
    let told: Vec<Value> = timeline.iter().map(set).collect();
    assert_eq!(
        told,
        [
            json!(["OPENED", null, null, null, null, null]),
            json!(["KIND_SET", null, "MEDICAL_CLINIC", null, null, null]),
            json!(["PREFECTURE_SET", null, null, "HOKKAIDO", null, null]),
            json!(["VENDOR_SET", "あおばシステム", null, null, null, null]),
            json!(["CONTRACTOR_SET", "さくらサポート", null, null, null, null]),
            json!(["KIND_SET", null, "HOSPITAL", null, null, null]),
            json!(["PUBLIC_INSTITUTION_SET", null, null, null, true, null]),
            json!(["CODE_SUCCEEDED", null, null, null, null, SAITAMA]),
            json!(["PREFECTURE_SET", null, null, "SAITAMA", null, null]),
        ]
    );
    let by = &timeline[4]["voidedBy"];
    assert_eq!(by["note"], "another clinic's");
    assert_eq!(by["organisation"]["name"], "厚生労働省");
    assert!(
        by["recordedAt"]
            .as_str()
            .unwrap()
            .starts_with("2021-12-19T")
    );
    let voided: Vec<bool> = timeline
        .iter()
        .map(|entry| entry["voided"] == true)
        .collect();
    assert_eq!(voided.iter().filter(|voided| **voided).count(), 1);
    assert_eq!(timeline[3]["voidedBy"], Value::Null);
}

#[rstest]
#[tokio::test]
async fn a_timeline_holds_the_latest_500_entries(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = scene(backend).await;
    let rows: Vec<String> = (0..510)
        .map(|number| format!("(1, 1, 50, 2, '2021-06-01', '{number}')"))
        .collect();
    let insert = format!(
        "INSERT INTO facility_event (facility_id, change_id, aspect, action, effective_on, note) VALUES {}",
        rows.join(", ")
    );
    scene.api.database.run(&insert).await;
    let facility = scene.facility().await;
    let timeline = facility["timeline"].as_array().unwrap();
    assert_eq!(timeline.len(), 500);
    assert_eq!(timeline[0]["note"], "10");
    assert_eq!(timeline[499]["note"], "509");
}

#[rstest]
#[tokio::test]
async fn a_facility_shows_its_past_codes_and_its_support_contractor(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = scene(backend).await;
    let before = scene.facility().await;
    assert_eq!(before["pastCodes"], json!([]));
    assert_eq!(before["supportContractor"], Value::Null);
    scene
        .engage("SUPPORT_CONTRACTOR", scene.contractor, "2021-02-01")
        .await;
    let succession = json!({ "code": SAITAMA, "on": "2021-04-01" });
    scene.amended("facilitySucceed", succession).await;
    let after = scene.facility().await;
    assert_eq!(
        after["pastCodes"],
        json!([{ "code": CLINIC, "validUntil": "2021-04-01" }])
    );
    assert_eq!(after["supportContractor"]["name"], "さくらサポート");
}

#[rstest]
#[case::kind_of_another_fee_table("facilityReclassify", json!({ "kind": "PHARMACY", "on": "2021-07-01" }), "CODE_DOES_NOT_FIT", "kind")]
#[case::kind_before_the_opening("facilityReclassify", json!({ "kind": "HOSPITAL", "on": "2020-03-31" }), "BEFORE_OPENING", "on")]
#[case::kind_after_the_closing("facilityReclassify", json!({ "kind": "HOSPITAL", "on": "2021-12-01" }), "AFTER_CLOSING", "on")]
#[case::code_before_the_last_one("facilitySucceed", json!({ "code": "0110112497", "on": "2021-05-31" }), "DATE_OUT_OF_ORDER", "on")]
#[case::code_before_the_opening("facilitySucceed", json!({ "code": "0110112497", "on": "2020-03-31" }), "BEFORE_OPENING", "on")]
#[case::code_after_the_closing("facilitySucceed", json!({ "code": "0110112497", "on": "2021-12-01" }), "AFTER_CLOSING", "on")]
#[tokio::test]
async fn an_amendment_that_breaks_a_rule_of_the_registry_is_refused(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
    #[case] name: &str,
    #[case] input: Value,
    #[case] code: &str,
    #[case] field: &str,
) {
    let scene = scene(backend).await;
    let succession = json!({ "code": SAITAMA, "on": "2021-06-01" });
    scene.amended("facilitySucceed", succession).await;
    let closing = json!({ "on": "2021-12-01" });
    scene.amended("facilityClose", closing).await;
    let before = scene.facility().await;
    let payload = scene.amend(name, input).await;
    assert_eq!(
        payload["userErrors"],
        json!([{ "code": code, "path": ["input", field] }])
    );
    assert_eq!(payload["version"], Value::Null);
    assert_eq!(scene.facility().await, before);
}

#[rstest]
#[tokio::test]
async fn a_code_that_was_mistyped_is_succeeded_on_the_same_day(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = scene(backend).await;
    for code in [SAITAMA, "0110112497"] {
        let succession = json!({ "code": code, "on": "2021-06-01" });
        scene.amended("facilitySucceed", succession).await;
    }
    assert_eq!(scene.facility().await["prefecture"], "HOKKAIDO");
}

#[rstest]
#[tokio::test]
async fn a_facility_closes_on_the_day_of_its_opening_or_later(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = scene(backend).await;
    let payload = scene
        .amend("facilityClose", json!({ "on": "2020-03-31" }))
        .await;
    assert_eq!(
        payload["userErrors"],
        json!([{ "code": "BEFORE_OPENING", "path": ["input", "on"] }])
    );
    scene
        .amended("facilityClose", json!({ "on": "2020-04-01" }))
        .await;
    let opening = scene.entry("OPENED").await;
    let later = json!({ "eventId": opening["id"], "on": "2020-04-02" });
    let payload = scene.amend("facilityCorrect", later).await;
    assert_eq!(payload["userErrors"][0]["code"], "BEFORE_OPENING");
}

#[rstest]
#[tokio::test]
async fn a_closing_is_announced_at_most_a_year_ahead(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = scene(backend).await;
    let too_late = json!([{ "code": "DATE_IN_FUTURE", "path": ["input", "on"] }]);
    for on in ["2022-12-20", "2201-01-01"] {
        let before = scene.facility().await;
        let payload = scene.amend("facilityClose", json!({ "on": on })).await;
        assert_eq!(payload["userErrors"], too_late, "{on}");
        assert_eq!(scene.facility().await, before, "{on}");
    }
    let last = json!({ "on": "2022-12-19" });
    let closing = scene.amended("facilityClose", last).await;
    let moved = json!({ "eventId": closing, "on": "2022-12-20" });
    let payload = scene.amend("facilityCorrect", moved).await;
    assert_eq!(payload["userErrors"], too_late);
    assert_eq!(scene.facility().await["closedOn"], "2022-12-19");
}

/// How many clinics are open on a day, and how many more that is than was known at an instant, by its reason.
async fn open_on(scene: &Scene, on: &str, known: &str) -> Value {
    let data = scene
        .api
        .data(
            &ministry(),
            "query ($on: Date!, $known: DateTime!) { rolloutFigures(asOf: $on, compareWith: { asOf: $on, knownAt: $known }) {
                total { all difference(level: ALL) { total corrected } } } }",
            json!({ "on": on, "known": known }),
        )
        .await;
    let total = &data["rolloutFigures"]["total"];
    json!([
        total["all"],
        total["difference"]["total"],
        total["difference"]["corrected"]
    ])
}

#[rstest]
#[case::earlier("2019-10-01", "2019-11-01", json!([1, 1, 1]))]
#[case::later("2020-10-01", "2020-05-01", json!([0, -1, -1]))]
#[tokio::test]
async fn an_opening_on_a_wrong_day_is_corrected_and_figures_say_so(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
    #[case] opened_on: &str,
    #[case] between: &str,
    #[case] expected: Value,
) {
    let scene = scene(backend).await;
    scene.api.settle_and_fold().await;
    let clock = &scene.api.services.clock;
    clock.advance(TimeDelta::hours(1));
    let known = clock.now();
    clock.advance(TimeDelta::hours(1));
    let opening = scene.entry("OPENED").await;
    let correction = json!({ "eventId": opening["id"], "on": opened_on });
    let payload = scene.amend("facilityCorrect", correction).await;
    assert_eq!(payload["userErrors"], json!([]));
    assert_eq!(payload["version"], 2);
    let facility = scene.facility().await;
    assert_eq!(facility["openedOn"], opened_on);
    assert_eq!(facility["kind"], "MEDICAL_CLINIC");
    let known = known.to_rfc3339();
    assert_eq!(open_on(&scene, between, &known).await, expected);
    let again = json!({ "eventId": opening["id"], "on": opened_on });
    let payload = scene.amend("facilityCorrect", again).await;
    assert_eq!(payload["userErrors"][0]["code"], "NOT_FOUND");
}

#[rstest]
#[tokio::test]
async fn a_link_from_a_wrong_day_is_moved_and_one_that_never_was_is_voided(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = scene(backend).await;
    let rival = scene.api.organisation(Kind::Vendor, "ライバル").await;
    scene.engage("VENDOR", scene.vendor, "2021-01-01").await;
    let wrong = scene.engage("VENDOR", rival, "2021-02-01").await;
    let moved = json!({ "eventId": wrong, "on": "2020-12-01" });
    let moved = scene.amend("facilityCorrect", moved).await;
    assert_eq!(scene.facility().await["vendor"]["name"], "あおばシステム");
    let back = json!({ "eventId": moved["eventIds"][1], "on": "2021-02-01" });
    let back = scene.amend("facilityCorrect", back).await;
    assert_eq!(scene.facility().await["vendor"]["name"], "ライバル");
    let voided = json!({ "eventId": back["eventIds"][1] });
    scene.amended("facilityCorrect", voided).await;
    assert_eq!(scene.facility().await["vendor"]["name"], "あおばシステム");
}

#[rstest]
#[tokio::test]
async fn what_a_facility_can_not_be_without_is_moved_with_its_opening_only(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = scene(backend).await;
    let recorded = json!({ "milestone": "INSTALLED", "on": "2021-06-01" });
    scene.amended("milestoneRecord", recorded).await;
    for (kind, on, code) in [
        ("OPENED", Value::Null, "MISSING"),
        ("KIND_SET", Value::Null, "MISSING"),
        ("KIND_SET", json!("2021-01-01"), "MISSING"),
        ("KIND_SET", json!("2020-03-31"), "BEFORE_OPENING"),
        ("OPENED", json!("2023-01-01"), "DATE_IN_FUTURE"),
        ("OPENED", json!("2021-07-01"), "BEFORE_OPENING"),
        ("PREFECTURE_SET", json!("2021-01-01"), "NOT_FOUND"),
        ("MILESTONE_REACHED", Value::Null, "NOT_FOUND"),
    ] {
        let event = scene.entry(kind).await;
        let correction = json!({ "eventId": event["id"], "on": on });
        let payload = scene.amend("facilityCorrect", correction).await;
        assert_eq!(payload["userErrors"][0]["code"], code, "{kind} {on}");
    }
}

#[rstest]
#[tokio::test]
async fn who_may_write_links_corrects_links_and_nothing_else_of_the_registry(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = scene(backend).await;
    let chain = scene.api.organisation(Kind::Chain, "港会").await;
    scene.engage("CHAIN", chain, "2020-05-01").await;
    let office = member(Kind::Chain, chain, Role::Editor);
    let document = "mutation ($input: FacilityCorrectInput!) { facilityCorrect(input: $input) { userErrors { code path } } }";
    for (kind, errors) in [
        (
            "OPENED",
            json!([{ "code": "FORBIDDEN", "path": ["input", "facility"] }]),
        ),
        ("CHAIN_SET", json!([])),
    ] {
        let event = scene.entry(kind).await;
        let input =
            json!({ "facility": { "code": CLINIC }, "eventId": event["id"], "on": "2020-06-01" });
        let data = scene
            .api
            .data(&office, document, json!({ "input": input }))
            .await;
        assert_eq!(data["facilityCorrect"]["userErrors"], errors, "{kind}");
    }
}

#[rstest]
#[tokio::test]
async fn a_vendor_hands_its_own_facilities_on_and_writes_no_other_link(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = scene(backend).await;
    let rival = scene.api.organisation(Kind::Vendor, "ライバル").await;
    scene.engage("VENDOR", scene.vendor, "2021-01-01").await;
    let editor = |kind, organisation| member(kind, organisation, Role::Editor);
    let link = async |actor: &Actor, kind: &str, organisation: OrganisationId| {
        let document = "mutation ($input: FacilityLinkInput!) { facilityLink(input: $input) { eventIds userErrors { code path } } }";
        let id = NodeId::new(NodeKind::Organisation, organisation.0).encode();
        let input = json!({ "facility": { "code": CLINIC }, "kind": kind, "organisationId": id.0, "on": "2021-02-01" });
        let input = json!({ "input": input });
        scene.api.call(actor, document, input).await
    };
    let told = |response: &Value| response["data"]["facilityLink"]["userErrors"].clone();
    let vendor = editor(Kind::Vendor, scene.vendor);
    let handed = link(&vendor, "SUPPORT_CONTRACTOR", scene.contractor).await;
    assert_eq!(told(&handed), json!([]));
    let after = scene.facility().await;
    assert_eq!(after["supportContractor"]["name"], "さくらサポート");

    let refusal = |code: &str| json!([{ "code": code, "path": ["input", "facility"] }]);
    let response = link(&vendor, "VENDOR", rival).await;
    assert_eq!(told(&response), refusal("FORBIDDEN"));
    let response = link(
        &editor(Kind::Vendor, rival),
        "SUPPORT_CONTRACTOR",
        scene.contractor,
    )
    .await;
    assert_eq!(told(&response), refusal("NOT_FOUND"));
    for actor in [
        editor(Kind::SupportContractor, scene.contractor),
        member(Kind::Vendor, scene.vendor, Role::Viewer),
    ] {
        let response = link(&actor, "SUPPORT_CONTRACTOR", scene.contractor).await;
        let code = &response["errors"][0]["extensions"]["code"];
        assert_eq!(*code, "Forbidden", "{:?}", actor.grants);
    }
    assert_eq!(scene.facility().await, after);

    // What it may record it may correct, and nothing else.
    let correct = "mutation ($input: FacilityCorrectInput!) { facilityCorrect(input: $input) { userErrors { code path } } }";
    let engaged = scene.entry("VENDOR_SET").await["id"].clone();
    let handed = handed["data"]["facilityLink"]["eventIds"][0].clone();
    for (event, errors) in [(engaged, refusal("FORBIDDEN")), (handed, json!([]))] {
        let input = json!({ "input": { "facility": { "code": CLINIC }, "eventId": event } });
        let data = scene.api.data(&vendor, correct, input).await;
        assert_eq!(data["facilityCorrect"]["userErrors"], errors);
    }
    assert_eq!(scene.facility().await["supportContractor"], Value::Null);
}

#[rstest]
#[tokio::test]
async fn handing_on_ends_with_the_vendor_and_the_next_one_begins_with_its_engagement(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = scene(backend).await;
    let rival = scene.api.organisation(Kind::Vendor, "ライバル").await;
    scene.engage("VENDOR", scene.vendor, "2021-01-01").await;
    let handed = scene
        .engage("SUPPORT_CONTRACTOR", scene.contractor, "2021-02-01")
        .await;
    let contractor = member(Kind::SupportContractor, scene.contractor, Role::Viewer);
    let sees = async || {
        let document = "query ($code: String!) { facilityByCode(code: $code) { id } }";
        let data = scene
            .api
            .data(&contractor, document, json!({ "code": CLINIC }))
            .await;
        !data["facilityByCode"].is_null()
    };
    assert!(sees().await);
    scene.engage("VENDOR", rival, "2021-06-01").await;
    assert_eq!(scene.facility().await["supportContractor"], Value::Null);
    assert!(!sees().await, "whom the last vendor handed it on to");

    // Recorded late: what was handed on since then ends, too.
    scene
        .engage("SUPPORT_CONTRACTOR", scene.contractor, "2021-08-01")
        .await;
    assert!(sees().await);
    let third = scene.api.organisation(Kind::Vendor, "三番目").await;
    scene.engage("VENDOR", third, "2021-07-01").await;
    assert!(!sees().await, "handed on after the day of the change");
    scene.engage("VENDOR", rival, "2021-09-01").await;

    let next = member(Kind::Vendor, rival, Role::Editor);
    let forbidden = json!([{ "code": "FORBIDDEN", "path": ["input", "facility"] }]);
    let ask = async |name: &str, mut input: Value| {
        input["facility"] = json!({ "code": CLINIC });
        let document = format!(
            "mutation ($input: {}{}Input!) {{ {name}(input: $input) {{ userErrors {{ code path }} }} }}",
            name[..1].to_uppercase(),
            &name[1..]
        );
        let input = json!({ "input": input });
        scene.api.data(&next, &document, input).await[name]["userErrors"].clone()
    };
    let helper = NodeId::new(NodeKind::Organisation, scene.contractor.0).encode();
    let link =
        |on: &str| json!({ "kind": "SUPPORT_CONTRACTOR", "organisationId": helper.0, "on": on });
    assert_eq!(ask("facilityLink", link("2021-08-31")).await, forbidden);
    let correction = json!({ "eventId": handed, "on": "2021-09-01" });
    assert_eq!(ask("facilityCorrect", correction).await, forbidden);
    assert_eq!(ask("facilityLink", link("2021-09-01")).await, json!([]));
    assert!(sees().await);
}

#[rstest]
#[tokio::test]
async fn handing_on_ends_when_the_vendor_that_did_it_was_a_mistake(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = scene(backend).await;
    let wrong = scene.api.organisation(Kind::Vendor, "取り違え").await;
    scene.engage("VENDOR", scene.vendor, "2021-01-01").await;
    let mistake = scene.engage("VENDOR", wrong, "2021-06-01").await;
    scene
        .engage("SUPPORT_CONTRACTOR", scene.contractor, "2021-07-01")
        .await;
    assert_ne!(scene.facility().await["supportContractor"], Value::Null);
    let corrected = json!({ "eventId": mistake });
    scene.amended("facilityCorrect", corrected).await;
    let facility = scene.facility().await;
    assert_eq!(facility["supportContractor"], Value::Null);
    assert_ne!(facility["vendor"], Value::Null);
}

/// The policy of the fields asks for the lesser of the two.
#[test]
fn who_may_write_links_may_hand_on() {
    for kind in Kind::ALL {
        for role in Role::ALL {
            let links = allows(kind, role, Permission::LinkWrite);
            assert!(!links || allows(kind, role, Permission::HandOn), "{kind:?}");
        }
    }
}
