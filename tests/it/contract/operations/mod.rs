//! Every operation document runs here as its users run it: over HTTP, with their rights, inside the limits, on both
//! databases, and its answer is compared with the committed one.

mod chain;
mod hardware;
mod reporting;
mod sheets;
mod worklist;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use kaitsu::{
    api::{NodeId, node_id::NodeKind},
    auth::{OrganisationKind as Kind, Role},
    db::Backend,
};
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::{accounts::PASSWORD, served::Served};

const CLINIC: &str = "0110112489";
const PHARMACY: &str = "0140000001";
const SUCCESSOR: &str = "1110301762";

/// The documents by their names.
pub fn documents() -> BTreeMap<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("graphql/operations");
    let mut documents = BTreeMap::new();
    for capability in std::fs::read_dir(folder).unwrap() {
        for file in std::fs::read_dir(capability.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(
                documents.insert(name, text).is_none(),
                "{path:?} stands twice"
            );
        }
    }
    documents
}

#[test]
fn every_document_says_for_whom_it_is_and_holds_the_one_operation_of_its_name() {
    for (name, text) in documents() {
        assert!(text.starts_with("# "), "{name} says nothing of its users");
        let operations = text.lines().filter(|line| {
            ["query ", "mutation ", "subscription "]
                .iter()
                .any(|kind| line.starts_with(kind))
        });
        let names: Vec<&str> = operations
            .filter_map(|line| line.split([' ', '(']).nth(1))
            .collect();
        assert_eq!(names, [name.as_str()]);
    }
}

/// A day in the life of the rollout, told by operations one after the other.
struct Story {
    served: Served,
    documents: BTreeMap<String, String>,
    told: BTreeSet<String>,
}

impl Story {
    async fn begin(backend: Backend) -> Self {
        let mut served = Served::new(backend).await;
        served.user("ministry", Kind::Ministry, Role::Admin).await;
        served.user("vendor", Kind::Vendor, Role::Admin).await;
        served.user("chain", Kind::Chain, Role::Editor).await;
        served.user("office", Kind::Chain, Role::Admin).await;
        served.user("maker", Kind::Supplier, Role::Editor).await;
        served
            .user("helper", Kind::SupportContractor, Role::Editor)
            .await;
        Self {
            served,
            documents: documents(),
            told: BTreeSet::new(),
        }
    }

    /// The global id of a user's organisation.
    async fn organisation(&self, user: &str) -> String {
        let response = self
            .served
            .post(Some(user), &self.documents["Viewer"], &json!({}))
            .await;
        text(&response, "/data/viewer/memberships/0/organisation/id")
    }

    /// Runs an operation and compares the answer.
    async fn tell(&mut self, user: Option<&str>, name: &str, variables: Value) -> Value {
        let response = self
            .served
            .post(user, &self.documents[name], &variables)
            .await;
        assert_eq!(refusals(&response["data"]), Vec::<&Value>::new(), "{name}");
        self.compare(name, response)
    }

    /// Runs an operation that tells of what was refused, and compares the answer.
    async fn tell_with_errors(&mut self, user: &str, name: &str, variables: Value) -> Value {
        let response = self
            .served
            .post(Some(user), &self.documents[name], &variables)
            .await;
        assert_ne!(refusals(&response["data"]), Vec::<&Value>::new(), "{name}");
        self.compare(name, response)
    }

    fn compare(&mut self, name: &str, response: Value) -> Value {
        self.told.insert(name.to_owned());
        assert!(response.get("errors").is_none(), "{name}: {response:#}");
        insta::with_settings!({ prepend_module_to_snapshot => false, snapshot_path => "../../../../graphql/answers" }, {
            insta::assert_json_snapshot!(name, redacted(response.clone()));
        });
        response
    }

    /// Runs an operation again, for its effect.
    async fn repeat(&self, user: &str, name: &str, variables: Value) -> Value {
        let response = self
            .served
            .post(Some(user), &self.documents[name], &variables)
            .await;
        assert_eq!(
            refusals(&response["data"]),
            Vec::<&Value>::new(),
            "{name}: {response:#}"
        );
        response
    }
}

fn text(response: &Value, pointer: &str) -> String {
    let found = response.pointer(pointer).and_then(Value::as_str);
    found
        .unwrap_or_else(|| panic!("no {pointer} in {response:#}"))
        .to_owned()
}

/// All user errors, wherever they stand.
fn refusals(value: &Value) -> Vec<&Value> {
    match value {
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(name, value)| match value {
                Value::Array(errors) if name == "userErrors" => errors.iter().collect(),
                value => refusals(value),
            })
            .collect(),
        Value::Array(items) => items.iter().flat_map(refusals).collect(),
        _ => Vec::new(),
    }
}

/// Replaces what differs from run to run.
fn redacted(mut value: Value) -> Value {
    const OPAQUE: [&str; 12] = [
        "resultPath",
        "changeId",
        "undoesId",
        "undoneById",
        "id",
        "organisationId",
        "facilityId",
        "cursor",
        "endCursor",
        "secret",
        "accessToken",
        "refreshToken",
    ];
    match &mut value {
        Value::Object(fields) => {
            for (name, field) in fields.iter_mut() {
                *field = match field.take() {
                    Value::String(_) if OPAQUE.contains(&name.as_str()) => {
                        json!(format!("[{name}]"))
                    }
                    Value::Array(ids) if name == "eventIds" => vec!["[id]"; ids.len()].into(),
                    other => redacted(other),
                };
            }
        }
        Value::Array(items) => {
            for item in items {
                *item = redacted(item.take());
            }
        }
        _ => {}
    }
    value
}

#[rstest]
#[actix_web::test]
async fn every_operation_document_answers_its_users(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let mut story = Story::begin(backend).await;
    accounts(&mut story).await;
    let clinic = registry(&mut story).await;
    pipeline(&mut story).await;
    story.served.settle().await;
    reading(&mut story, &clinic).await;
    directory(&mut story).await;
    figures(&mut story).await;
    hardware::months(&mut story).await;
    endings(&mut story).await;
    let written: BTreeSet<String> = story.documents.keys().cloned().collect();
    assert_eq!(story.told, written, "every document is run");
}

async fn accounts(story: &mut Story) {
    let credentials = json!({ "email": "ministry@example.jp", "password": PASSWORD });
    let session = story.tell(None, "Login", credentials).await;
    let refresh = text(&session, "/data/sessionCreate/session/refreshToken");
    let session = story
        .tell(None, "Refresh", json!({ "refreshToken": refresh }))
        .await;
    let refresh = text(&session, "/data/sessionRefresh/session/refreshToken");
    story
        .tell(None, "Logout", json!({ "refreshToken": refresh }))
        .await;
    story.tell(Some("vendor"), "Viewer", json!({})).await;
    let organisation = story.organisation("vendor").await;
    let members = json!({ "organisationId": organisation, "first": 50 });
    story.tell(Some("vendor"), "Members", members).await;
    let invitation = json!({ "input": { "organisationId": organisation, "email": "new@example.jp", "role": "EDITOR" } });
    story.tell(Some("vendor"), "InviteMember", invitation).await;
    let token = json!({ "input": {
        "organisationId": organisation, "name": "install-sheet", "role": "EDITOR",
        "permissions": ["FACILITY_READ", "MILESTONE_WRITE"], "expiresAt": "2022-12-01T00:00:00Z",
    } });
    story
        .tell(Some("vendor"), "CreateServiceToken", token)
        .await;
}

async fn directory(story: &mut Story) {
    let organisation = story.organisation("vendor").await.into();
    let row = NodeId::row_of(&organisation, NodeKind::Organisation).unwrap();
    let vendor = NodeId::new(NodeKind::Vendor, row).encode().0;
    let told = json!({ "input": {
        "vendorId": vendor, "acceptsWork": true, "areas": ["HOKKAIDO", "TOKYO"], "systems": ["ORCA"],
        "contacts": [{ "label": "導入窓口", "phone": "011-000-0000", "url": "https://vendor.example.jp/" }],
    } });
    story.tell(Some("vendor"), "UpdateVendor", told).await;
    let organisation = story.organisation("helper").await.into();
    let row = NodeId::row_of(&organisation, NodeKind::Organisation).unwrap();
    let helper = NodeId::new(NodeKind::Vendor, row).encode().0;
    let told = json!({ "input": {
        "vendorId": helper, "introduction": "設置から試験運用まで。", "areas": ["OKINAWA"],
        "systems": ["ORCA"], "contacts": [{ "label": "受付", "email": "desk@helper.example.jp" }],
    } });
    story.repeat("helper", "UpdateVendor", told).await;
    let wanted = json!({ "first": 10, "filter": { "areas": ["TOKYO"], "acceptsWork": true } });
    story.tell(Some("chain"), "Vendors", wanted).await;
    story
        .tell(None, "SupportContractors", json!({ "first": 10 }))
        .await;
}

async fn registry(story: &mut Story) -> String {
    let clinic = json!({ "input": {
        "code": CLINIC, "kind": "MEDICAL_CLINIC", "name": "みなと内科", "nameKana": "ミナトナイカ", "openedOn": "2020-04-01",
    } });
    let registered = story
        .tell(Some("ministry"), "RegisterFacility", clinic)
        .await;
    let pharmacy = json!({ "input": {
        "code": PHARMACY, "kind": "PHARMACY", "name": "みなと薬局", "nameKana": "ミナトヤッキョク", "openedOn": "2020-04-01",
    } });
    story.repeat("ministry", "RegisterFacility", pharmacy).await;
    let contacts = json!({ "input": {
        "facility": { "code": CLINIC }, "address": "北海道札幌市中央区北一条西二丁目", "phone": "011-000-0000", "email": "minato@example.jp",
    } });
    story
        .tell(Some("ministry"), "UpdateFacility", contacts)
        .await;
    let vendor = story.organisation("vendor").await;
    let chain = story.organisation("chain").await;
    let engage = |code: &str, kind: &str, organisation: &str| json!({ "input": { "facility": { "code": code }, "kind": kind, "organisationId": organisation, "on": "2020-04-01" } });
    story
        .tell(
            Some("ministry"),
            "LinkVendor",
            engage(CLINIC, "VENDOR", &vendor),
        )
        .await;
    story
        .repeat(
            "ministry",
            "LinkVendor",
            engage(PHARMACY, "VENDOR", &vendor),
        )
        .await;
    story
        .repeat("ministry", "LinkVendor", engage(PHARMACY, "CHAIN", &chain))
        .await;
    text(&registered, "/data/facilityRegister/facility/id")
}

async fn pipeline(story: &mut Story) {
    let step = |milestone: &str, on: &str| json!({ "input": { "facility": { "code": CLINIC }, "milestone": milestone, "on": on } });
    let rows = json!({ "input": { "errorPolicy": "REJECT_FAILED_ROWS", "rows": [
        { "facility": { "code": CLINIC }, "milestone": "READER_APPLIED", "on": "2021-06-01" },
        { "facility": { "code": PHARMACY }, "milestone": "READER_APPLIED", "on": "2021-07-01" },
        { "facility": { "code": PHARMACY }, "milestone": "READY", "on": "2021-11-01" },
        { "facility": { "code": PHARMACY }, "milestone": "LIVE", "action": "PLAN", "on": "2022-01-10" },
    ] } });
    story.tell(Some("ministry"), "RecordMilestones", rows).await;
    story
        .tell(Some("vendor"), "PlanMilestone", step("READY", "2022-01-15"))
        .await;
    let recorded = story
        .tell(
            Some("vendor"),
            "RecordMilestone",
            step("INSTALLED", "2021-12-10"),
        )
        .await;
    let event = text(&recorded, "/data/milestoneRecord/eventIds/0");
    let correction = json!({ "input": { "facility": { "code": CLINIC }, "eventId": event, "on": "2021-12-11", "note": "one day late" } });
    story
        .tell(Some("vendor"), "CorrectMilestone", correction)
        .await;
    story
        .tell(
            Some("ministry"),
            "WithdrawMilestone",
            step("READER_APPLIED", "2021-12-15"),
        )
        .await;
    blockers(story).await;
    installations(story).await;
}

/// A vendor's day on the site of a pharmacy.
async fn installations(story: &mut Story) {
    let of = |fields: Value| {
        let mut input = json!({ "facility": { "code": PHARMACY } });
        for (name, value) in fields.as_object().unwrap() {
            input[name] = value.clone();
        }
        json!({ "input": input })
    };
    let list = json!({ "kind": "HOSPITAL", "items": [
        { "code": "LINE_TESTED", "labelJa": "回線の疎通確認", "labelEn": "Line tested" },
        { "code": "WARDS_INFORMED", "labelJa": "病棟への周知", "labelEn": "Wards informed", "required": false },
    ] });
    let list = json!({ "input": list });
    story.tell(Some("ministry"), "PublishChecklist", list).await;
    story.tell(Some("vendor"), "Checklists", json!({})).await;
    let end = json!({ "on": "2021-12-15", "withChecks": true, "minutes": 190, "crew": 2 });
    for (name, fields) in [
        (
            "OpenInstallation",
            json!({ "plannedOn": "2021-12-10", "window": "MORNING", "reference": "W-0042" }),
        ),
        (
            "PlanInstallation",
            json!({ "plannedOn": "2021-12-15", "note": "ルーターの入荷待ち" }),
        ),
        ("StartInstallation", json!({ "on": "2021-12-15" })),
        (
            "CheckInstallation",
            json!({ "items": [
                { "item": "TERMINAL_SET_UP", "doneOn": "2021-12-15" },
                { "item": "READER_CONNECTED", "doneOn": "2021-12-15" },
            ] }),
        ),
        ("FinishInstallation", end),
        (
            "ReopenInstallation",
            json!({ "note": "別の店舗と取り違え" }),
        ),
        ("NameInstallation", json!({ "reference": "W-0043" })),
    ] {
        story.tell(Some("vendor"), name, of(fields)).await;
    }
    let mine = json!({ "first": 10, "filter": { "plannedUntil": "2021-12-31" } });
    story.tell(Some("vendor"), "Installations", mine).await;
    let named = json!({ "reference": "W-0043" });
    story
        .tell(Some("vendor"), "InstallationByReference", named)
        .await;
    let never = of(json!({ "on": "2021-12-16", "note": "閉店予定" }));
    story.tell(Some("chain"), "CancelInstallation", never).await;
    let rows = json!({ "input": { "rows": [
        { "facility": { "code": PHARMACY }, "action": "OPEN", "on": "2021-12-24" },
        { "facility": { "code": PHARMACY }, "action": "PLAN", "on": "2022-01-14", "note": "年末は不可" },
    ] } });
    let written = story
        .tell(Some("vendor"), "RecordInstallations", rows)
        .await;
    let change = text(&written, "/data/installationBulkRecord/changeId");
    let undo = json!({ "input": { "changeId": change, "reason": "別の店舗の行でした" } });
    story.tell(Some("vendor"), "UndoChange", undo).await;
    let latest = json!({ "first": 2 });
    story.tell(Some("vendor"), "OwnChanges", latest).await;
    handovers(story).await;
    sheets::friday(story).await;
    worklist::morning(story).await;
    reporting::friday(story).await;
    reporting::first_of_the_month(story).await;
    chain::month(story).await;
}

/// A vendor that is full asks a support contractor.
async fn handovers(story: &mut Story) {
    let helper = story.organisation("helper").await;
    let propose = json!({ "input": { "facilities": [{ "code": PHARMACY }], "contractorId": helper,
        "message": "年内に一台、午前中の作業をお願いできますか。" } });
    let proposed = story
        .tell(Some("vendor"), "ProposeHandover", propose.clone())
        .await;
    let id = |proposed: &Value| text(proposed, "/data/handoverPropose/rows/0/handover/id");
    let back = json!({ "input": { "handoverIds": [id(&proposed)] } });
    story.tell(Some("vendor"), "WithdrawHandover", back).await;
    let proposed = story.repeat("vendor", "ProposeHandover", propose).await;
    let open = json!({ "statuses": ["PROPOSED"], "first": 10 });
    story.tell(Some("helper"), "Handovers", open).await;
    let busy = json!({ "input": { "handoverIds": [id(&proposed)], "answer": "DECLINE", "declineReason": "年内は満員です" } });
    story.tell(Some("helper"), "AnswerHandover", busy).await;
}

async fn blockers(story: &mut Story) {
    let step = |code: &str, blocker: &str, on: &str| json!({ "input": { "facility": { "code": code }, "blocker": blocker, "on": on } });
    let opened = story
        .tell(
            Some("vendor"),
            "OpenBlocker",
            step(CLINIC, "NO_ROUTER", "2021-12-01"),
        )
        .await;
    let event = text(&opened, "/data/blockerOpen/eventIds/0");
    let correction = json!({ "input": { "facility": { "code": CLINIC }, "eventId": event, "on": "2021-12-02", "note": "one day late" } });
    story
        .tell(Some("vendor"), "CorrectBlocker", correction)
        .await;
    story
        .tell(
            Some("vendor"),
            "ResolveBlocker",
            step(CLINIC, "NO_ROUTER", "2021-12-16"),
        )
        .await;
    let rows = json!({ "input": { "errorPolicy": "REJECT_FAILED_ROWS", "rows": [
        { "facility": { "code": CLINIC }, "blocker": "CERTIFICATE", "on": "2021-12-03" },
        { "facility": { "code": PHARMACY }, "blocker": "BUDGET", "on": "2021-12-13" },
    ] } });
    story.tell(Some("ministry"), "RecordBlockers", rows).await;
    let waits =
        json!({ "blocked": { "by": ["CERTIFICATE"], "businessDaysAtLeast": 5 }, "first": 10 });
    story.tell(Some("vendor"), "WhoWaits", waits).await;
}

async fn reading(story: &mut Story, clinic: &str) {
    let named = json!({ "input": { "facility": { "code": CLINIC }, "reference": "K-0017" } });
    story.tell(Some("vendor"), "SetReference", named).await;
    let stranger = NodeId::new(NodeKind::Facility, 4_711).encode().0;
    let ids = json!({ "ids": [clinic, stranger] });
    story.tell(Some("vendor"), "FacilitiesById", ids).await;
    story
        .tell(Some("vendor"), "FacilityByCode", json!({ "code": CLINIC }))
        .await;
    story
        .tell(
            Some("vendor"),
            "Worklist",
            json!({ "filter": { "kinds": ["MEDICAL_CLINIC", "PHARMACY"] } }),
        )
        .await;
    let page = story
        .tell(Some("ministry"), "NationalList", json!({ "first": 1 }))
        .await;
    let cursor = text(&page, "/data/facilities/pageInfo/endCursor");
    let next = story
        .repeat(
            "ministry",
            "NationalList",
            json!({ "first": 1, "after": cursor }),
        )
        .await;
    assert_eq!(text(&next, "/data/facilities/edges/0/node/code"), PHARMACY);
    story
        .tell(
            Some("vendor"),
            "SearchFacilities",
            json!({ "text": "ﾅｲｶ", "first": 10 }),
        )
        .await;
    story
        .tell(Some("chain"), "ChainStores", json!({ "first": 50 }))
        .await;
    story
        .tell(
            Some("ministry"),
            "FacilityTimeline",
            json!({ "id": clinic }),
        )
        .await;
    story
        .tell(Some("vendor"), "Changes", json!({ "first": 50 }))
        .await;
    let follow = &story.documents["FollowChanges"];
    let refused = story.served.post(Some("vendor"), follow, &json!({})).await;
    assert_eq!(
        text(&refused, "/errors/0/extensions/code"),
        "SUBSCRIPTION_NEEDS_SOCKET"
    );
    story.told.insert("FollowChanges".to_owned());
}

async fn figures(story: &mut Story) {
    story
        .tell(Some("ministry"), "NationalFigures", json!({}))
        .await;
    story
        .tell(
            Some("ministry"),
            "FiguresByPrefecture",
            json!({ "asOf": "2021-12-19" }),
        )
        .await;
    let compared = json!({ "asOf": "2021-12-19", "since": "2021-10-20", "level": "APPLIED" });
    story
        .tell(Some("ministry"), "FiguresWithIncrease", compared)
        .await;
    let bands = json!({ "asOf": "2021-12-19", "level": "APPLIED" });
    story.tell(Some("ministry"), "PrefectureBands", bands).await;
    let series = json!({ "from": "2021-05-01", "until": "2021-12-01", "every": "MONTH" });
    story.tell(Some("vendor"), "Series", series).await;
    let opened = json!({ "asOf": "2021-12-19", "level": "READY", "first": 10 });
    story.tell(Some("vendor"), "OpenCount", opened).await;
}

async fn endings(story: &mut Story) {
    let succession = json!({ "input": { "facility": { "code": CLINIC }, "code": SUCCESSOR, "on": "2021-12-19" } });
    story
        .tell(Some("ministry"), "SucceedFacility", succession)
        .await;
    let closing = json!({ "input": { "facility": { "code": CLINIC }, "on": "2021-12-19" } });
    story.tell(Some("ministry"), "CloseFacility", closing).await;
}

/// What is read with lists, and what is written in bulk, with variables for a number of rows.
fn measured(
    rows: usize,
    codes: &[String],
    clinic: &str,
    sheet: &str,
    wave: &str,
    lot: &str,
) -> Vec<(&'static str, Value)> {
    let steps: Vec<Value> = codes
        .iter()
        .map(|code| json!({ "facility": { "code": code }, "milestone": "INSTALLED", "on": "2021-12-01" }))
        .collect();
    let plans: Vec<Value> = codes
        .iter()
        .map(|code| json!({ "facility": { "code": code }, "action": "PLAN", "on": "2022-01-14" }))
        .collect();
    let calls = codes
        .iter()
        .map(|code| json!({ "facility": { "code": code }, "action": "UPDATE", "contacts": { "phone": "011" } }));
    let amended: Vec<Value> = calls.collect();
    let names = codes
        .iter()
        .map(|code| json!({ "facility": { "code": code }, "reference": format!("S-{code}") }));
    let names: Vec<Value> = names.collect();
    let accepted = codes
        .iter()
        .map(|code| json!({ "facility": { "code": code }, "kind": "USE", "step": "ACCEPT", "on": "2021-12-02" }));
    let accepted: Vec<Value> = accepted.collect();
    let units = codes
        .iter()
        .map(|code| json!({ "lotId": lot, "facility": { "code": code }, "on": "2021-12-02" }));
    let units: Vec<Value> = units.collect();
    let days_of_stores = codes
        .iter()
        .map(|code| json!({ "facility": { "code": code }, "on": "2022-01-14" }));
    let stores: Vec<Value> = days_of_stores.collect();
    let ids: Vec<String> = (1_i64..)
        .take(rows)
        .map(|row| NodeId::new(NodeKind::Facility, row).encode().0)
        .collect();
    let days = chrono::Days::new(u64::try_from(rows).unwrap());
    let from: chrono::NaiveDate = "2021-06-01".parse().unwrap();
    let series = json!({ "from": from, "until": from + days, "every": "DAY" });
    vec![
        ("FacilityByCode", json!({ "code": codes[0] })),
        ("Worklist", json!({})),
        ("NationalList", json!({ "first": rows })),
        ("SearchFacilities", json!({ "text": "歯科", "first": rows })),
        ("ChainStores", json!({ "first": rows })),
        ("WhoWaits", json!({ "blocked": {}, "first": rows })),
        ("Installations", json!({ "first": rows })),
        ("OwnChanges", json!({ "first": rows })),
        ("ReportingConfirmations", json!({ "first": rows })),
        ("ReportingCoverage", json!({})),
        ("WorkFigures", json!({})),
        ("Chains", json!({ "first": rows })),
        ("NextSteps", json!({ "first": rows })),
        ("Waves", json!({ "first": rows })),
        ("WaveStores", json!({ "waveId": wave, "first": rows })),
        ("WaveDays", json!({ "waveId": wave })),
        (
            "AmendFacilities",
            json!({ "input": { "dryRun": true, "rows": amended } }),
        ),
        (
            "SetReferences",
            json!({ "input": { "dryRun": true, "rows": names } }),
        ),
        (
            "PlanWave",
            json!({ "input": { "dryRun": true, "waveId": wave, "rows": stores } }),
        ),
        ("FollowUps", json!({ "month": "2021-11", "first": rows })),
        ("Handovers", json!({ "first": rows })),
        ("Applications", json!({ "first": rows })),
        ("HardwareModels", json!({ "first": rows })),
        ("HardwareOrders", json!({ "first": rows })),
        ("HardwareLots", json!({ "first": rows })),
        (
            "AllocateHardware",
            json!({ "input": { "dryRun": true, "rows": units } }),
        ),
        (
            "RecordApplications",
            json!({ "input": { "dryRun": true, "errorPolicy": "REJECT_ALL", "rows": accepted } }),
        ),
        ("Sheets", json!({ "first": rows })),
        ("SheetRows", json!({ "sheetId": sheet, "first": rows })),
        ("FacilityTimeline", json!({ "id": clinic })),
        ("Vendors", json!({ "first": rows })),
        ("SupportContractors", json!({ "first": rows })),
        ("FacilitiesById", json!({ "ids": ids })),
        ("Series", series),
        ("Changes", json!({ "first": rows })),
        ("NationalFigures", json!({})),
        ("FiguresByPrefecture", json!({})),
        (
            "FiguresWithIncrease",
            json!({ "asOf": "2021-12-19", "since": "2021-10-20", "level": "ALL" }),
        ),
        (
            "PrefectureBands",
            json!({ "asOf": "2021-12-19", "level": "ALL" }),
        ),
        (
            "OpenCount",
            json!({ "asOf": "2021-12-19", "level": "ALL", "first": rows }),
        ),
        (
            "RecordMilestones",
            json!({ "input": { "dryRun": true, "rows": steps } }),
        ),
        (
            "RecordInstallations",
            json!({ "input": { "dryRun": true, "rows": plans } }),
        ),
    ]
}

/// Registers dental clinics with these numbers, all with one vendor and one chain.
async fn register(served: &Served, numbers: std::ops::Range<u32>) -> Vec<String> {
    use kaitsu::facility::{FeeTable, InstitutionCode, Prefecture};
    let document = &documents()["RegisterFacility"];
    let mut codes = Vec::new();
    for number in numbers {
        let code = InstitutionCode::with_check_digit(Prefecture::FIRST, FeeTable::Dental, number)
            .to_string();
        let input = json!({ "input": { "code": code, "kind": "DENTAL_CLINIC", "name": "みなと歯科", "openedOn": "2020-04-01" } });
        let response = served.post(Some("ministry"), document, &input).await;
        assert_eq!(
            refusals(&response["data"]),
            Vec::<&Value>::new(),
            "{response:#}"
        );
        codes.push(code);
    }
    codes
}

/// So many waves of a chain, the last of them with all stores but for a day. Answers that.
async fn waves(served: &Served, chain: i64, count: usize, codes: &[String]) -> String {
    let chain = NodeId::new(NodeKind::Organisation, chain).encode().0;
    let mut wave = String::new();
    for number in 0..count {
        let name = format!("{count}-{number}");
        let input = json!({ "input": { "organisationId": chain, "name": name } });
        let document = &documents()["SaveWave"];
        let response = served.post(Some("ministry"), document, &input).await;
        wave = text(&response, "/data/waveSave/wave/id");
    }
    let row = |code: &String| json!({ "facility": { "code": code }, "on": "2022-01-13" });
    let rows: Vec<Value> = codes.iter().map(row).collect();
    let input = json!({ "input": { "waveId": wave, "rows": rows } });
    let response = served
        .post(Some("ministry"), &documents()["PlanWave"], &input)
        .await;
    assert_eq!(refusals(&response["data"]), Vec::<&Value>::new());
    wave
}

/// So many orders of a vendor, each for all facilities and with a lot that arrived. Answers the last lot.
async fn stock(
    served: &Served,
    vendor: i64,
    supplier: i64,
    count: usize,
    codes: &[String],
) -> String {
    let organisation = |row| NodeId::new(NodeKind::Organisation, row).encode().0;
    let model = json!({ "input": { "supplierId": organisation(supplier), "class": "PC", "name": "PC",
        "number": format!("PC-{count}"), "kinds": ["DENTAL_CLINIC"], "lines": ["IP_VPN"] } });
    let told = async |name: &str, variables: Value| {
        let response = served
            .post(Some("ministry"), &documents()[name], &variables)
            .await;
        assert_eq!(refusals(&response["data"]), Vec::<&Value>::new(), "{name}");
        response
    };
    let saved = told("SaveHardwareModel", model).await;
    let model = text(&saved, "/data/hardwareModelSave/hardwareModel/id");
    let facilities: Vec<Value> = codes.iter().map(|code| json!({ "code": code })).collect();
    let order = json!({ "input": { "buyerId": organisation(vendor), "modelId": model, "quantity": 200,
        "orderedOn": "2021-12-01", "facilities": facilities } });
    for _ in 0..count {
        let placed = told("PlaceOrder", order.clone()).await;
        let order = text(&placed, "/data/hardwareOrderPlace/hardwareOrder/id");
        let arrived = json!({ "input": { "rows": [{ "orderId": order, "action": "DELIVER", "quantity": 100, "on": "2021-12-01" }] } });
        told("RecordOrders", arrived).await;
    }
    let lots = told("HardwareLots", json!({ "first": 1 })).await;
    text(&lots, "/data/hardwareLots/nodes/0/id")
}

/// Opens a work order for each, and tells what holds it up.
async fn put_to_work(served: &Served, codes: &[String]) {
    let row = |code: &String| json!({ "facility": { "code": code }, "action": "OPEN", "on": "2021-12-24" });
    let orders: Vec<Value> = codes.iter().map(row).collect();
    let row = |code: &String| json!({ "facility": { "code": code }, "blocker": "NO_PC", "on": "2021-12-01" });
    let blockers: Vec<Value> = codes.iter().map(row).collect();
    let row = |code: &String| json!({ "facility": { "code": code }, "kind": "USE", "step": "RECEIVE", "on": "2021-12-01" });
    let applications: Vec<Value> = codes.iter().map(row).collect();
    for (name, rows) in [
        ("RecordInstallations", orders),
        ("RecordBlockers", blockers),
        ("RecordApplications", applications),
    ] {
        let input = json!({ "input": { "rows": rows, "errorPolicy": "REJECT_ALL" } });
        let response = served
            .post(Some("ministry"), &documents()[name], &input)
            .await;
        assert_eq!(refusals(&response["data"]), Vec::<&Value>::new(), "{name}");
    }
}

#[rstest]
#[actix_web::test]
async fn no_operation_costs_a_statement_per_row(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let mut served = Served::new(backend).await;
    served.user("ministry", Kind::Ministry, Role::Admin).await;
    let vendor = served
        .user("vendor", Kind::Vendor, Role::Admin)
        .await
        .organisation
        .id
        .0;
    let chain = served
        .user("chain", Kind::Chain, Role::Admin)
        .await
        .organisation
        .id
        .0;
    let supplier = served
        .user("maker", Kind::Supplier, Role::Admin)
        .await
        .organisation
        .id
        .0;
    let documents = documents();
    let mut codes = Vec::new();
    let mut counts: Vec<BTreeMap<&str, u64>> = Vec::new();
    for rows in [10, 100] {
        let from = u32::try_from(codes.len()).unwrap();
        let new = register(&served, from..u32::try_from(rows).unwrap()).await;
        put_to_work(&served, &new).await;
        codes.extend(new);
        let link = format!("UPDATE facility_state SET vendor_id = {vendor}, chain_id = {chain}");
        served.world.database.run(&link).await;
        let propose = format!(
            "INSERT INTO handover (facility_id, vendor_id, contractor_id, status, proposed_on, answer_by, message, proposed_by)
             SELECT facility_id, {vendor}, {chain}, 0, '2021-12-01', '2021-12-31', '', 1 FROM facility_state
             WHERE facility_id NOT IN (SELECT facility_id FROM handover)"
        );
        served.world.database.run(&propose).await;
        served.settle().await;
        let first = served
            .world
            .database
            .number("SELECT MIN(id) FROM facility")
            .await;
        let clinic = NodeId::new(NodeKind::Facility, first).encode().0;
        let lines: String = codes
            .iter()
            .map(|code| format!("{code},2021-12-01\n"))
            .collect();
        let text = format!("code,INSTALLED\n{lines}");
        let mut sheet = String::new();
        for _ in 0..rows {
            sheet = sheets::send(&served, "ministry", "a.csv", &text).await;
        }
        let wave = waves(&served, chain, rows, &codes).await;
        let lot = stock(&served, vendor, supplier, rows, &codes).await;
        // What is written follows from the history, which knows nothing of the links.
        served.world.database.run(&link).await;
        let mut count = BTreeMap::new();
        for (name, variables) in measured(rows, &codes, &clinic, &sheet, &wave, &lot) {
            let before = served.services.database.statements();
            let response = served
                .post(Some("ministry"), &documents[name], &variables)
                .await;
            assert!(response.get("errors").is_none(), "{name}: {response:#}");
            assert_eq!(refusals(&response["data"]), Vec::<&Value>::new(), "{name}");
            count.insert(name, served.services.database.statements() - before);
        }
        counts.push(count);
    }
    assert_eq!(counts[0], counts[1], "statements at 10 rows and at 100");
    assert!(
        counts[0].values().all(|count| (2..=20).contains(count)),
        "{:?}",
        counts[0]
    );
}
