//! Undoing changes through the API.

use chrono::TimeDelta;
use kaitsu::{
    api::{NodeId, node_id::NodeKind},
    auth::{Actor, OrganisationKind as Kind, Role},
    db::{Backend, OrganisationId},
    facility::{FeeTable, InstitutionCode, Prefecture},
};
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::api::{Api, errors, member, ministry};

const UNDO: &str = "mutation ($input: ChangeUndoInput!) { changeUndo(input: $input) { writtenCount refusedCount changeId
    userErrors { code path } rows { index version eventIds userErrors { code path message } facility { code stage version } } } }";

struct Scene {
    api: Api,
    vendor: OrganisationId,
    codes: Vec<String>,
}

impl Scene {
    /// Four clinics that engage a vendor and have applied.
    async fn new(backend: Backend) -> Self {
        let api = Api::new(backend).await;
        let vendor = api.organisation(Kind::Vendor, "あおばシステム").await;
        let code = |number| {
            InstitutionCode::with_check_digit(Prefecture::FIRST, FeeTable::Medical, number)
                .to_string()
        };
        let scene = Self {
            api,
            vendor,
            codes: (0..4).map(code).collect(),
        };
        for code in &scene.codes {
            scene
                .api
                .register(code, "MEDICAL_CLINIC", "みなと内科")
                .await;
            scene.link(code, vendor, "2020-04-01").await;
            let applied = json!({ "facility": { "code": code }, "milestone": "READER_APPLIED", "on": "2021-06-01" });
            scene.one(&ministry(), "milestoneRecord", applied).await;
        }
        scene
    }

    async fn link(&self, code: &str, vendor: OrganisationId, on: &str) -> Value {
        let id = NodeId::new(NodeKind::Organisation, vendor.0).encode().0;
        let link = json!({ "facility": { "code": code }, "kind": "VENDOR", "organisationId": id, "on": on });
        self.one(&ministry(), "facilityLink", link).await
    }

    fn editor(&self) -> Actor {
        member(Kind::Vendor, self.vendor, Role::Editor)
    }

    /// Calls a mutation that must succeed; answers its change.
    async fn one(&self, actor: &Actor, name: &str, input: Value) -> Value {
        let document = format!(
            "mutation ($input: {}{}Input!) {{ {name}(input: $input) {{ changeId userErrors {{ code path }} }} }}",
            name[..1].to_uppercase(),
            &name[1..]
        );
        let variables = json!({ "input": input });
        let data = self.api.data(actor, &document, variables).await;
        assert_eq!(data[name]["userErrors"], json!([]), "{name} {input}");
        assert!(data[name]["changeId"].is_string(), "{name} {input}");
        data[name]["changeId"].clone()
    }

    /// Records a milestone of all clinics in one change.
    async fn bulk(&self, milestone: &str, on: &str) -> Value {
        let row = |code: &String| json!({ "facility": { "code": code }, "milestone": milestone, "on": on });
        let rows: Vec<Value> = self.codes.iter().map(row).collect();
        let input = json!({ "rows": rows });
        self.one(&self.editor(), "milestoneBulkRecord", input).await
    }

    async fn undo(&self, actor: &Actor, input: Value) -> Value {
        let data = self.api.data(actor, UNDO, json!({ "input": input })).await;
        data["changeUndo"].clone()
    }

    async fn stages(&self) -> Vec<String> {
        let mut stages = Vec::new();
        for code in &self.codes {
            let document = "query ($code: String!) { facilityByCode(code: $code) { stage } }";
            let code = json!({ "code": code });
            let data = self.api.data(&ministry(), document, code).await;
            let stage = data["facilityByCode"]["stage"].as_str().unwrap();
            stages.push(stage.to_owned());
        }
        stages
    }

    async fn ready(&self, arguments: &str) -> i64 {
        let document = format!("{{ rolloutFigures{arguments} {{ total {{ ready }} }} }}");
        let data = self.api.data(&ministry(), &document, json!({})).await;
        data["rolloutFigures"]["total"]["ready"].as_i64().unwrap()
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
async fn a_bulk_change_is_undone_by_another_that_can_be_undone_too(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let change = scene.bulk("READY", "2021-12-01").await;
    assert_eq!(scene.ready("").await, 4);
    let clock = &scene.api.services.clock;
    kaitsu::change::settle(scene.api.database.db(), clock)
        .await
        .unwrap();
    clock.advance(TimeDelta::hours(1));
    let before = clock.now();
    clock.advance(TimeDelta::hours(1));

    let dry = json!({ "changeId": change, "dryRun": true });
    let tried = scene.undo(&scene.editor(), dry).await;
    assert_eq!(
        (&tried["writtenCount"], &tried["changeId"]),
        (&json!(4), &Value::Null)
    );
    assert_eq!(scene.stages().await, ["READY"; 4]);

    let keyed = json!({ "changeId": change, "idempotencyKey": "once" });
    let undone = scene.undo(&scene.editor(), keyed.clone()).await;
    assert_eq!(errors(&undone), Vec::<String>::new());
    assert_eq!(undone["writtenCount"], 4);
    assert_eq!(scene.stages().await, ["APPLIED"; 4]);
    assert_eq!(scene.ready("").await, 0);
    let known = format!("(knownAt: \"{}\")", before.to_rfc3339());
    assert_eq!(scene.ready(&known).await, 4, "as it was known then");
    assert_eq!(scene.undo(&scene.editor(), keyed).await, undone);
    scene.verify().await;

    let twice = json!({ "changeId": change });
    let twice = scene.undo(&scene.editor(), twice).await;
    let each = (0..4).map(|row| format!("ALREADY_UNDONE input.rows.{row}.changeId"));
    assert_eq!(errors(&twice), each.collect::<Vec<_>>());
    let again = json!({ "changeId": undone["changeId"] });
    let redone = scene.undo(&scene.editor(), again).await;
    assert_eq!(redone["writtenCount"], 4);
    assert_eq!(scene.stages().await, ["READY"; 4]);
    scene.verify().await;
}

#[rstest]
#[tokio::test]
async fn what_changed_since_is_refused_and_says_so_and_the_rest_goes_back(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let change = scene.bulk("INSTALLED", "2021-12-01").await;
    let blocked =
        json!({ "facility": { "code": scene.codes[2] }, "blocker": "LINE", "on": "2021-12-02" });
    scene.one(&ministry(), "blockerOpen", blocked).await;

    let all = json!({ "changeId": change, "errorPolicy": "REJECT_ALL" });
    let refused = scene.undo(&scene.editor(), all).await;
    assert_eq!(
        (&refused["writtenCount"], &refused["refusedCount"]),
        (&json!(0), &json!(1))
    );
    assert_eq!(scene.stages().await, ["INSTALLED"; 4]);
    let rest = json!({ "changeId": change });
    let rest = scene.undo(&scene.editor(), rest).await;
    assert_eq!(errors(&rest), ["CHANGED_SINCE input.rows.2.changeId"]);
    let refused = &rest["rows"][2];
    assert_eq!(refused["facility"]["code"], json!(scene.codes[2]));
    let message = refused["userErrors"][0]["message"].as_str().unwrap();
    assert!(message.contains("2021-12-19"), "{message}");
    assert_eq!(rest["writtenCount"], 3);
    assert_eq!(
        scene.stages().await,
        ["APPLIED", "APPLIED", "INSTALLED", "APPLIED"]
    );
    scene.verify().await;
}

/// A facility but for its timeline and version, which only grow.
async fn read(scene: &Scene) -> Value {
    let document = "query ($code: String!) { facilityByCode(code: $code) { stage lastMilestoneOn
        blockers { blocker since } milestones { milestone reachedOn plannedOn } } }";
    let code = json!({ "code": scene.codes[0] });
    scene.api.data(&ministry(), document, code).await["facilityByCode"].clone()
}

#[rstest]
#[tokio::test]
async fn corrections_plans_and_blockers_go_back_to_what_they_were(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let vendor = scene.editor();
    let facility = json!({ "code": scene.codes[0] });
    let step = |action: &str, on: Value| json!({ "facility": facility, "milestone": "INSTALLED", "action": action, "on": on });
    let first = json!([
        step("PLAN", json!("2021-12-10")),
        step("RECORD", json!("2021-12-10")),
    ]);
    let first = json!({ "rows": first });
    scene.one(&vendor, "milestoneBulkRecord", first).await;
    let line = json!({ "facility": facility, "blocker": "LINE", "on": "2021-12-02" });
    scene.one(&vendor, "blockerOpen", line).await;
    let before = read(&scene).await;
    let timeline =
        "query ($code: String!) { facilityByCode(code: $code) { timeline { id kind } } }";
    let data = scene
        .api
        .data(&vendor, timeline, json!({ "code": scene.codes[0] }))
        .await;
    let recorded = data["facilityByCode"]["timeline"]
        .as_array()
        .unwrap()
        .iter()
        .rfind(|entry| entry["kind"] == "MILESTONE_REACHED")
        .unwrap();

    // Corrected to another day, taken back, recorded again and planned anew, all in one.
    let rows = json!([
        { "facility": facility, "action": "CORRECT", "eventId": recorded["id"], "on": "2021-12-08" },
        step("WITHDRAW", json!("2021-12-12")),
        step("RECORD", json!("2021-12-14")),
        step("PLAN", json!("2021-12-13")),
    ]);
    let resolved = json!({ "facility": facility, "blocker": "LINE", "on": "2021-12-16" });
    let dropped = json!({ "rows": [step("PLAN", Value::Null)] });
    for (name, input) in [
        ("milestoneBulkRecord", json!({ "rows": rows })),
        ("milestoneBulkRecord", dropped),
        ("blockerResolve", resolved),
    ] {
        let change = scene.one(&vendor, name, input).await;
        let after = read(&scene).await;
        assert_ne!(after, before, "{name}");
        let undone = scene.undo(&vendor, json!({ "changeId": change })).await;
        assert_eq!(errors(&undone), Vec::<String>::new());
        assert_eq!(read(&scene).await, before, "{name}");
        let again = json!({ "changeId": undone["changeId"] });
        let redone = scene.undo(&vendor, again).await;
        assert_eq!(read(&scene).await, after, "{name}");
        let again = json!({ "changeId": redone["changeId"] });
        scene.undo(&vendor, again).await;
        assert_eq!(read(&scene).await, before, "{name}");
        scene.verify().await;
    }
}

/// The orders of the first clinic, whole.
async fn orders(scene: &Scene) -> Value {
    let document = "query ($filter: InstallationFilter) { installations(first: 10, filter: $filter) { nodes {
        status plannedOn window startedOn endedOn minutes crew remark vendor { name } checklist { item doneOn }
        facility { stage milestones { milestone reachedOn plannedOn } } } } }";
    let statuses = ["OPEN", "STARTED", "DONE", "FAILED", "CANCELLED"];
    let filter = json!({ "facility": { "code": scene.codes[0] }, "statuses": statuses });
    let data = scene
        .api
        .data(&ministry(), document, json!({ "filter": filter }))
        .await;
    data["installations"]["nodes"].clone()
}

/// What the vendor calls the first clinic's last order.
async fn called(scene: &Scene, reference: &str) -> Value {
    let document =
        "query ($reference: String!) { installationByReference(reference: $reference) { status } }";
    let asked = json!({ "reference": reference });
    scene.api.data(&scene.editor(), document, asked).await["installationByReference"].clone()
}

#[rstest]
#[tokio::test]
async fn work_orders_go_back_to_what_they_were(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let vendor = scene.editor();
    let with = |fields: Value| {
        let mut row = json!({ "facility": { "code": scene.codes[0] } });
        for (name, value) in fields.as_object().unwrap() {
            row[name] = value.clone();
        }
        row
    };
    let opened = json!({ "rows": [
        with(json!({ "action": "OPEN", "on": "2021-12-10", "window": "MORNING", "reference": "A-1" })),
        with(json!({ "action": "CHECK", "on": "2021-12-10", "items": ["LINE_TESTED"] })),
    ] });
    let opening = scene.one(&vendor, "installationBulkRecord", opened).await;
    let before = orders(&scene).await;
    let whole = json!({ "rows": [
        with(json!({ "action": "START", "on": "2021-12-10" })),
        with(json!({ "action": "CHECK", "items": ["LINE_TESTED"] })),
        with(json!({ "action": "FINISH", "on": "2021-12-15", "minutes": 200, "crew": 2, "withChecks": true, "note": "良好" })),
    ] });
    let whole = scene.one(&vendor, "installationBulkRecord", whole).await;
    let after = orders(&scene).await;
    assert_eq!(after[0]["facility"]["stage"], "INSTALLED");

    let undone = scene.undo(&vendor, json!({ "changeId": whole })).await;
    assert_eq!(errors(&undone), Vec::<String>::new());
    assert_eq!(orders(&scene).await, before);
    scene.verify().await;

    let again = json!({ "changeId": undone["changeId"] });
    let redone = scene.undo(&vendor, again).await;
    assert_eq!(errors(&redone), Vec::<String>::new());
    assert_eq!(orders(&scene).await, after);
    // What was done again is taken back as what was done at first.
    let reopen = with(json!({}));
    scene.one(&vendor, "installationReopen", reopen).await;
    assert_eq!(orders(&scene).await[0]["facility"]["stage"], "APPLIED");
    let first = json!({ "changeId": opening });
    let first = scene.undo(&vendor, first).await;
    assert_eq!(errors(&first), ["CHANGED_SINCE input.rows.0.changeId"]);
    scene.verify().await;
}

#[rstest]
#[tokio::test]
async fn a_sheet_that_was_undone_is_sent_again(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let vendor = scene.editor();
    let sheet = |on: &str| {
        let row = |(place, code): (usize, &String)| json!({ "facility": { "code": code }, "action": "OPEN", "on": on, "reference": format!("S-{place}") });
        let rows: Vec<Value> = scene.codes.iter().enumerate().map(row).collect();
        json!({ "rows": rows })
    };
    let wrong = scene
        .one(&vendor, "installationBulkRecord", sheet("2021-12-10"))
        .await;
    let undone = scene.undo(&vendor, json!({ "changeId": wrong })).await;
    assert_eq!(undone["writtenCount"], 4);
    // The vendor sees what it had opened, and that it is no more.
    let list = "{ installations(first: 10, filter: { statuses: [CANCELLED] }) { nodes { reference vendor { name } } } }";
    let seen = scene.api.data(&vendor, list, json!({})).await;
    let gone = json!({ "reference": null, "vendor": { "name": "あおばシステム" } });
    assert_eq!(seen["installations"]["nodes"], json!(vec![gone; 4]));
    let right = scene
        .one(&vendor, "installationBulkRecord", sheet("2021-12-14"))
        .await;
    let open = "{ installations(first: 10) { nodes { reference plannedOn slippageBusinessDays promises { plannedOn undone } } } }";
    let seen = scene.api.data(&vendor, open, json!({})).await;
    let nodes = &seen["installations"]["nodes"];
    assert_eq!(nodes.as_array().unwrap().len(), 4);
    assert_eq!(
        nodes[0],
        json!({ "reference": "S-0", "plannedOn": "2021-12-14", "slippageBusinessDays": 3,
                "promises": [{ "plannedOn": "2021-12-14", "undone": false }] })
    );
    scene.verify().await;

    // Going back to the first is not possible by now, and a dry run says so as well.
    let redo = json!({ "changeId": undone["changeId"] });
    let refused = scene.undo(&vendor, redo).await;
    assert_eq!(refused["refusedCount"], 4);
    scene.undo(&vendor, json!({ "changeId": right })).await;
    scene.verify().await;
}

#[rstest]
#[tokio::test]
async fn what_is_no_change_of_facilities_is_not_undone(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let named = json!({ "facility": { "code": scene.codes[0] }, "reference": "K-1" });
    let named = scene
        .one(&scene.editor(), "facilityReferenceSet", named)
        .await;
    let refused = scene
        .undo(&scene.editor(), json!({ "changeId": named }))
        .await;
    assert_eq!(errors(&refused), ["CAN_NOT_BE_UNDONE input.changeId"]);
}

#[rstest]
#[tokio::test]
async fn what_an_order_was_called_goes_back_unless_another_is_called_so_by_now(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let vendor = scene.editor();
    let of = |place: usize| json!({ "code": scene.codes[place] });
    let open = json!({ "facility": of(0), "reference": "A-1" });
    scene.one(&vendor, "installationOpen", open).await;
    let renamed = json!({ "facility": of(0), "reference": "A-2" });
    let renamed = scene
        .one(&vendor, "installationReferenceSet", renamed)
        .await;
    assert_eq!(called(&scene, "A-1").await, Value::Null);
    let undone = scene.undo(&vendor, json!({ "changeId": renamed })).await;
    assert_eq!(errors(&undone), Vec::<String>::new());
    assert_eq!(called(&scene, "A-1").await, json!({ "status": "OPEN" }));
    assert_eq!(called(&scene, "A-2").await, Value::Null);

    let taken = json!({ "facility": of(1), "reference": "A-2" });
    scene.one(&vendor, "installationOpen", taken).await;
    for dry in [true, false] {
        let redone = json!({ "changeId": undone["changeId"], "dryRun": dry });
        let redone = scene.undo(&vendor, redone).await;
        assert_eq!(errors(&redone), ["TAKEN input.rows.0.reference"], "{dry}");
    }
    assert_eq!(called(&scene, "A-1").await, json!({ "status": "OPEN" }));
    scene.verify().await;
}

#[rstest]
#[tokio::test]
async fn only_those_undo_a_change_in_whose_name_it_was_made_and_who_may_record_it(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let change = scene.bulk("INSTALLED", "2021-12-01").await;
    let rival = scene.api.organisation(Kind::Vendor, "ライバル").await;
    let unknown = vec!["NOT_FOUND input.changeId".to_owned()];
    let forbidden = vec!["FORBIDDEN input.facility".to_owned()];
    for (actor, expected) in [
        (member(Kind::Vendor, rival, Role::Admin), unknown.clone()),
        (ministry(), unknown.clone()),
        (member(Kind::Vendor, scene.vendor, Role::Viewer), forbidden),
    ] {
        let refused = scene.undo(&actor, json!({ "changeId": change })).await;
        assert_eq!(errors(&refused), expected);
        assert_eq!(refused["changeId"], Value::Null);
    }
    for id in [
        "nothing".to_owned(),
        NodeId::new(NodeKind::Change, 4_711).encode().0,
        NodeId::new(NodeKind::Facility, 1).encode().0,
    ] {
        let refused = json!({ "changeId": id });
        let refused = scene.undo(&scene.editor(), refused).await;
        assert_eq!(errors(&refused), unknown);
    }
    // A facility that has gone to another vendor is another's by now.
    scene.link(&scene.codes[0], rival, "2021-12-10").await;
    let undone = json!({ "changeId": change });
    let undone = scene.undo(&scene.editor(), undone).await;
    assert_eq!(errors(&undone), ["NOT_FOUND input.rows.0.facility"]);
    assert_eq!(undone["rows"][0]["facility"], Value::Null);
    assert_eq!(undone["writtenCount"], 3);
    let public = json!({ "facility": { "code": scene.codes[0] }, "publicInstitution": true, "on": "2021-12-10" });
    let public = scene.one(&ministry(), "facilityReclassify", public).await;
    let registry = scene.undo(&ministry(), json!({ "changeId": public })).await;
    assert_eq!(
        errors(&registry),
        ["CAN_NOT_BE_UNDONE input.rows.0.changeId"]
    );
    assert_eq!(
        scene.stages().await,
        ["INSTALLED", "APPLIED", "APPLIED", "APPLIED"]
    );
    scene.verify().await;
}

#[rstest]
#[tokio::test]
async fn ones_own_changes_are_listed_the_latest_first(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let first = scene.bulk("INSTALLED", "2021-12-01").await;
    let undone = json!({ "changeId": first });
    let undone = scene.undo(&scene.editor(), undone).await["changeId"].clone();
    let list = "query ($first: Int!, $after: String) { ownChanges(first: $first, after: $after) {
        nodes { id operation facilityCount undoesId undoneById organisation { name } } pageInfo { hasNextPage endCursor } } }";
    let vendor = scene.editor();
    let page = scene.api.data(&vendor, list, json!({ "first": 1 })).await["ownChanges"].clone();
    let name = json!({ "name": "あおばシステム" });
    assert_eq!(
        page["nodes"],
        json!([{ "id": undone, "operation": "changeUndo", "facilityCount": 4, "undoesId": first, "undoneById": null,
                 "organisation": name }])
    );
    let next = json!({ "first": 10, "after": page["pageInfo"]["endCursor"] });
    let page = scene.api.data(&vendor, list, next.clone()).await["ownChanges"].clone();
    assert_eq!(
        page["nodes"],
        json!([{ "id": first, "operation": "milestoneBulkRecord", "facilityCount": 4, "undoesId": null,
                 "undoneById": undone, "organisation": name }])
    );
    assert_eq!(page["pageInfo"]["hasNextPage"], false);
    let stranger = scene.api.call(&ministry(), list, next).await;
    assert_eq!(stranger["errors"][0]["extensions"]["code"], "BAD_CURSOR");
    let node = "query ($id: ID!) { node(id: $id) { ... on ChangeRecord { operation } } }";
    for (actor, expected) in [
        (&vendor, json!({ "operation": "milestoneBulkRecord" })),
        (&ministry(), Value::Null),
    ] {
        let found = scene.api.data(actor, node, json!({ "id": first })).await;
        assert_eq!(found["node"], expected);
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_who_undo_at_once_undo_once(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let change = scene.bulk("INSTALLED", "2021-12-01").await;
    let vendor = scene.editor();
    let both = (0..6).map(|_| scene.undo(&vendor, json!({ "changeId": change })));
    let answers = futures_util::future::join_all(both).await;
    let written = answers
        .iter()
        .map(|answer| answer["writtenCount"].as_i64().unwrap());
    assert_eq!(written.sum::<i64>(), 4, "{answers:#?}");
    assert_eq!(scene.stages().await, ["APPLIED"; 4]);
    scene.verify().await;
}
