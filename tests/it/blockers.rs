//! What holds facilities up: told, resolved and corrected through the API.

use kaitsu::{
    auth::{Actor, OrganisationKind as Kind, Role},
    db::{Backend, OrganisationId},
};
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::api::{Api, errors, member, ministry};

const CLINIC: &str = "0110112489";
const SAITAMA: &str = "1110301762";

struct Scene {
    api: Api,
    vendor: OrganisationId,
}

impl Scene {
    /// Two clinics, one of which engages a vendor.
    async fn new(backend: Backend) -> Self {
        let api = Api::new(backend).await;
        let vendor = api.organisation(Kind::Vendor, "あおばシステム").await;
        for (code, name) in [(CLINIC, "みなと内科"), (SAITAMA, "そとの医院")] {
            api.register(code, "MEDICAL_CLINIC", name).await;
        }
        let scene = Self { api, vendor };
        let id = kaitsu::api::NodeId::new(kaitsu::api::node_id::NodeKind::Organisation, vendor.0);
        let link = json!({ "facility": { "code": CLINIC }, "kind": "VENDOR", "organisationId": id.encode().0, "on": "2020-04-01" });
        assert_eq!(
            errors(&scene.write(&ministry(), "facilityLink", link).await),
            Vec::<String>::new()
        );
        scene
    }

    fn editor(&self) -> Actor {
        member(Kind::Vendor, self.vendor, Role::Editor)
    }

    async fn write(&self, actor: &Actor, name: &str, input: Value) -> Value {
        let document = format!(
            "mutation ($input: {}{}Input!) {{ {name}(input: $input) {{ version eventIds userErrors {{ code path message }}
             facility {{ version blockers {{ blocker since businessDays }} }} }} }}",
            name[..1].to_uppercase(),
            &name[1..]
        );
        let data = self
            .api
            .data(actor, &document, json!({ "input": input }))
            .await;
        data[name].clone()
    }

    async fn open(&self, actor: &Actor, blocker: &str, on: &str) -> Value {
        let input = json!({ "facility": { "code": CLINIC }, "blocker": blocker, "on": on });
        self.write(actor, "blockerOpen", input).await
    }

    async fn resolve(&self, actor: &Actor, blocker: &str, on: &str) -> Value {
        let input = json!({ "facility": { "code": CLINIC }, "blocker": blocker, "on": on });
        self.write(actor, "blockerResolve", input).await
    }

    async fn verify(&self) {
        let report = kaitsu::verify::verify(self.api.database.db(), |_| {})
            .await
            .unwrap();
        assert_eq!(report.differences, Vec::new());
    }
}

#[rstest]
#[tokio::test]
async fn a_blocker_is_there_until_it_is_resolved_and_may_come_back(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let vendor = scene.editor();
    let opened = scene.open(&vendor, "NO_ROUTER", "2021-12-01").await;
    assert_eq!(errors(&opened), Vec::<String>::new());
    scene.open(&vendor, "BUDGET", "2021-12-17").await;
    let blocked = scene.resolve(&vendor, "CERTIFICATE", "2021-12-17").await;
    assert_eq!(errors(&blocked), ["NOT_BLOCKED input.blocker"]);
    assert_eq!(
        blocked["facility"]["blockers"],
        json!([
            { "blocker": "NO_ROUTER", "since": "2021-12-01", "businessDays": 12 },
            { "blocker": "BUDGET", "since": "2021-12-17", "businessDays": 0 },
        ])
    );
    scene.resolve(&vendor, "BUDGET", "2021-12-18").await;
    let gone = scene.resolve(&vendor, "NO_ROUTER", "2021-12-16").await;
    assert_eq!(gone["facility"]["blockers"], json!([]));
    let back = scene.open(&vendor, "NO_ROUTER", "2021-12-17").await;
    assert_eq!(
        back["facility"]["blockers"],
        json!([{ "blocker": "NO_ROUTER", "since": "2021-12-17", "businessDays": 0 }])
    );
    scene.verify().await;
}

#[rstest]
#[tokio::test]
async fn what_can_not_be_is_refused_with_a_code_and_changes_nothing(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let vendor = scene.editor();
    scene.open(&vendor, "LINE", "2021-12-01").await;
    let events = "SELECT count(*) FROM facility_event";
    let before = scene.api.database.number(events).await;
    for (name, blocker, on, expected) in [
        (
            "blockerOpen",
            "LINE",
            "2021-12-05",
            "ALREADY_BLOCKED input.blocker",
        ),
        // Before it came up: it would come up twice.
        (
            "blockerOpen",
            "LINE",
            "2021-11-05",
            "ALREADY_BLOCKED input.blocker",
        ),
        (
            "blockerResolve",
            "LINE",
            "2021-11-30",
            "NOT_BLOCKED input.blocker",
        ),
        (
            "blockerResolve",
            "NO_PC",
            "2021-12-05",
            "NOT_BLOCKED input.blocker",
        ),
        (
            "blockerOpen",
            "NO_PC",
            "2021-12-20",
            "DATE_IN_FUTURE input.on",
        ),
        (
            "blockerOpen",
            "NO_PC",
            "2019-12-31",
            "DATE_TOO_EARLY input.on",
        ),
    ] {
        let input = json!({ "facility": { "code": CLINIC }, "blocker": blocker, "on": on });
        let refused = scene.write(&vendor, name, input).await;
        assert!(
            errors(&refused).contains(&expected.to_owned()),
            "{name} {blocker} {on}: {refused}"
        );
    }
    let stale = json!({ "facility": { "code": CLINIC }, "blocker": "NO_PC", "on": "2021-12-01", "expectedVersion": 1 });
    let stale = scene.write(&vendor, "blockerOpen", stale).await;
    assert_eq!(errors(&stale), ["STALE_VERSION input.expectedVersion"]);
    let stranger =
        json!({ "facility": { "code": SAITAMA }, "blocker": "NO_PC", "on": "2021-12-01" });
    let stranger = scene.write(&vendor, "blockerOpen", stranger).await;
    assert_eq!(errors(&stranger), ["NOT_FOUND input.facility"]);
    assert_eq!(scene.api.database.number(events).await, before);
    scene.verify().await;
}

#[rstest]
#[tokio::test]
async fn a_mistake_is_corrected_and_stays_in_the_timeline(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let vendor = scene.editor();
    let bureau = member(Kind::RegionalBureau, OrganisationId(4_711), Role::Editor);
    let opened = scene.open(&vendor, "OTHER", "2021-12-01").await;
    let event = opened["eventIds"][0].clone();
    let correct = |on: Option<&str>, event: &Value| json!({ "facility": { "code": CLINIC }, "eventId": event, "on": on, "note": "電話で確認" });
    // The bureau of its prefecture may say so too, and a vendor that it doesn't engage may not.
    let mut dry = correct(None, &event);
    dry["dryRun"] = json!(true);
    let told = scene.write(&bureau, "blockerCorrect", dry.clone()).await;
    assert_eq!(errors(&told), Vec::<String>::new());
    let rival = member(Kind::Vendor, OrganisationId(4_711), Role::Editor);
    let told = scene.write(&rival, "blockerCorrect", dry).await;
    assert_eq!(errors(&told), ["NOT_FOUND input.facility"]);
    let moved = scene
        .write(
            &vendor,
            "blockerCorrect",
            correct(Some("2021-12-13"), &event),
        )
        .await;
    assert_eq!(
        moved["facility"]["blockers"],
        json!([{ "blocker": "OTHER", "since": "2021-12-13", "businessDays": 4 }])
    );
    let again = scene
        .write(&vendor, "blockerCorrect", correct(None, &event))
        .await;
    assert_eq!(errors(&again), ["NOT_FOUND input.eventId"]);
    let event = moved["eventIds"][1].clone();
    let never = scene
        .write(&vendor, "blockerCorrect", correct(None, &event))
        .await;
    assert_eq!(never["facility"]["blockers"], json!([]));
    let timeline = scene
        .api
        .data(
            &vendor,
            "query ($code: String!) { facilityByCode(code: $code) { timeline { kind blocker effectiveOn voided } } }",
            json!({ "code": CLINIC }),
        )
        .await;
    let told: Vec<&Value> = timeline["facilityByCode"]["timeline"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|entry| entry["blocker"] == "OTHER")
        .collect();
    assert_eq!(
        json!(told),
        json!([
            { "kind": "BLOCKER_OPENED", "blocker": "OTHER", "effectiveOn": "2021-12-01", "voided": true },
            { "kind": "BLOCKER_OPENED", "blocker": "OTHER", "effectiveOn": "2021-12-13", "voided": true },
        ])
    );
    scene.verify().await;
}

#[rstest]
#[tokio::test]
async fn a_sheet_of_blockers_is_answered_row_by_row(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let vendor = scene.editor();
    scene.open(&vendor, "NO_PC", "2021-12-01").await;
    let document = "mutation ($input: BlockerBulkRecordInput!) { blockerBulkRecord(input: $input) {
        writtenCount refusedCount rows { index version userErrors { code path } } userErrors { code } } }";
    let facility = json!({ "code": CLINIC });
    let input = json!({ "errorPolicy": "REJECT_FAILED_ROWS", "idempotencyKey": "sheet", "rows": [
        { "facility": facility, "blocker": "NO_PC", "action": "RESOLVE", "on": "2021-12-10" },
        { "facility": facility, "blocker": "NO_PC", "on": "2021-12-15" },
        { "facility": facility, "blocker": "NO_PC", "on": "2021-12-16" },
        { "facility": facility, "on": "2021-12-16" },
        { "facility": facility, "blocker": "BUDGET" },
        { "facility": { "code": SAITAMA }, "blocker": "BUDGET", "on": "2021-12-16" },
        { "facility": facility, "action": "CORRECT" },
    ] });
    let first = scene
        .api
        .data(&vendor, document, json!({ "input": input }))
        .await;
    let answer = &first["blockerBulkRecord"];
    assert_eq!(
        (&answer["writtenCount"], &answer["refusedCount"]),
        (&json!(2), &json!(5))
    );
    let told: Vec<(String, String)> = answer["rows"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|row| row["userErrors"].as_array().unwrap())
        .map(|error| {
            let path = error["path"]
                .as_array()
                .unwrap()
                .iter()
                .filter_map(Value::as_str);
            (
                error["code"].as_str().unwrap().to_owned(),
                path.collect::<Vec<_>>().join("."),
            )
        })
        .collect();
    let expected = [
        ("DUPLICATE_ROW", "input.rows.2"),
        ("ALREADY_BLOCKED", "input.rows.2.blocker"),
        ("MISSING", "input.rows.3.blocker"),
        ("MISSING", "input.rows.4.on"),
        ("NOT_FOUND", "input.rows.5.facility"),
        ("MISSING", "input.rows.6.eventId"),
    ];
    assert_eq!(
        told,
        expected.map(|(code, path)| (code.to_owned(), path.to_owned()))
    );
    let again = scene
        .api
        .data(&vendor, document, json!({ "input": input }))
        .await;
    assert_eq!(again, first, "a repeated request has one effect");
    scene.verify().await;
}
