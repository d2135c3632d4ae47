//! Applications for readers, for the use of the service and for certificates: their way, what they mean for milestones,
//! who takes which step, and what is refused.

mod lookup;
mod undoing;

use kaitsu::{
    auth::{Actor, OrganisationKind as Kind, Role},
    db::{Backend, OrganisationId},
    facility::{FeeTable, InstitutionCode, Prefecture},
};
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::api::{Api, errors, global, member, ministry};

const ONE: &str = "application { id status since expiresOn explanation version lines { model { name } freeQuantity boughtQuantity }
    steps { step on } } version changeId userErrors { code path message }";
const BULK: &str = "writtenCount refusedCount changeId userErrors { code path message }
    rows { index version application { status } userErrors { code path message } }";

struct Scene {
    api: Api,
    vendor: OrganisationId,
    chain: OrganisationId,
    /// Global ids of readers: for everyone, for hospitals, discontinued on 2021-12-01; and of a PC.
    models: Vec<Value>,
}

/// The codes of a clinic, a hospital and a pharmacy.
fn code(place: u32) -> String {
    let table = if place == 2 {
        FeeTable::Dispensing
    } else {
        FeeTable::Medical
    };
    InstitutionCode::with_check_digit(Prefecture::FIRST, table, place).to_string()
}

impl Scene {
    async fn new(backend: Backend) -> Self {
        let api = Api::new(backend).await;
        let vendor = api.organisation(Kind::Vendor, "あおばシステム").await;
        let chain = api.organisation(Kind::Chain, "みなと薬局").await;
        for (place, kind) in (0..).zip(["MEDICAL_CLINIC", "HOSPITAL", "PHARMACY"]) {
            let code = code(place);
            api.register(&code, kind, "みなと").await;
            for (kind, organisation) in [("VENDOR", vendor), ("CHAIN", chain)] {
                let link = json!({ "facility": { "code": code }, "kind": kind, "organisationId": global(organisation),
                    "on": "2020-04-01" });
                api.done("facilityLink", link).await;
            }
        }
        let maker = api.organisation(Kind::Supplier, "みるカード工業").await;
        let mut models = Vec::new();
        let all = json!(["HOSPITAL", "MEDICAL_CLINIC", "DENTAL_CLINIC", "PHARMACY"]);
        for (class, number, kinds, lines, gone) in [
            ("READER", "MC-1", all.clone(), json!([]), Value::Null),
            (
                "READER",
                "MC-H",
                json!(["HOSPITAL"]),
                json!([]),
                Value::Null,
            ),
            (
                "READER",
                "MC-0",
                all.clone(),
                json!([]),
                json!("2021-12-01"),
            ),
            ("PC", "PC-1", all, json!(["IP_VPN"]), Value::Null),
        ] {
            let model = json!({ "supplierId": global(maker), "class": class, "name": number, "number": number,
                "kinds": kinds, "lines": lines, "discontinuedOn": gone });
            let selection = "hardwareModel { id } userErrors { code path message }";
            let saved = api
                .mutate(&ministry(), "hardwareModelSave", model, selection)
                .await;
            assert_eq!(errors(&saved), Vec::<String>::new());
            models.push(saved["hardwareModel"]["id"].clone());
        }
        Self {
            api,
            vendor,
            chain,
            models,
        }
    }

    fn chain(&self) -> Actor {
        member(Kind::Chain, self.chain, Role::Editor)
    }

    fn filed(&self, place: u32, on: &str, free: i32, bought: i32) -> Value {
        json!({ "facility": { "code": code(place) }, "kind": "READER", "step": "RECEIVE", "on": on,
            "lines": [{ "modelId": self.models[0], "freeQuantity": free, "boughtQuantity": bought }] })
    }

    async fn record(&self, actor: &Actor, input: Value) -> Value {
        self.api
            .mutate(actor, "applicationRecord", input, ONE)
            .await
    }

    /// Records a step as the ministry, which must be taken.
    async fn taken(&self, input: Value) -> Value {
        let payload = self.record(&ministry(), input.clone()).await;
        assert_eq!(errors(&payload), Vec::<String>::new(), "{input}");
        payload
    }

    async fn step(&self, place: u32, kind: &str, step: &str, on: &str) -> Value {
        let facility = json!({ "code": code(place) });
        self.taken(json!({ "facility": facility, "kind": kind, "step": step, "on": on }))
            .await
    }

    /// The days on which a facility reached milestones.
    async fn reached(&self, place: u32) -> String {
        let document = "query ($code: String!) { facilityByCode(code: $code) { milestones { milestone reachedOn } } }";
        let data = self
            .api
            .data(&ministry(), document, json!({ "code": code(place) }))
            .await;
        let milestones = data["facilityByCode"]["milestones"].as_array().unwrap();
        let reached = milestones.iter().filter_map(|one| {
            let day = one["reachedOn"].as_str()?;
            Some(format!("{} {day}", one["milestone"].as_str().unwrap()))
        });
        reached.collect::<Vec<_>>().join(", ")
    }

    async fn applied_as_of(&self, day: &str) -> i64 {
        let document = format!("{{ rolloutFigures(asOf: \"{day}\") {{ total {{ applied }} }} }}");
        let data = self.api.data(&ministry(), &document, json!({})).await;
        data["rolloutFigures"]["total"]["applied"].as_i64().unwrap()
    }

    async fn list(&self, actor: &Actor, filter: Value) -> Vec<String> {
        let document = "query ($filter: ApplicationFilter) { applications(first: 100, filter: $filter) { totalCount
            nodes { kind status since facility { code } } } }";
        let data = self
            .api
            .data(actor, document, json!({ "filter": filter }))
            .await;
        let list = &data["applications"];
        let nodes = list["nodes"].as_array().unwrap();
        assert_eq!(list["totalCount"], json!(nodes.len()));
        let text = |node: &Value, field: &str| node[field].as_str().unwrap().to_owned();
        let told = nodes.iter().map(|node| {
            format!(
                "{} {} {}",
                text(node, "kind"),
                text(node, "status"),
                text(node, "since")
            )
        });
        told.collect()
    }
}

#[rstest]
#[tokio::test]
async fn an_application_for_readers_goes_its_way_and_records_what_it_means(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let filed = scene
        .record(&scene.chain(), scene.filed(1, "2021-06-01", 3, 2))
        .await;
    assert_eq!(errors(&filed), Vec::<String>::new());
    assert_eq!(
        filed["application"]["lines"],
        json!([{ "model": { "name": "MC-1" }, "freeQuantity": 3, "boughtQuantity": 2 }])
    );
    assert_eq!(scene.reached(1).await, "READER_APPLIED 2021-06-01");
    scene.step(1, "READER", "ACCEPT", "2021-06-08").await;
    scene.step(1, "READER", "SEND", "2021-09-01").await;
    assert_eq!(scene.reached(1).await, "READER_APPLIED 2021-06-01");
    // Whoever installs takes the delivery.
    let vendor = member(Kind::Vendor, scene.vendor, Role::Editor);
    let delivered = json!({ "facility": { "code": code(1) }, "kind": "READER", "step": "DELIVER", "on": "2021-09-03",
        "expectedVersion": 3 });
    let delivered = scene.record(&vendor, delivered).await;
    assert_eq!(errors(&delivered), Vec::<String>::new());
    let application = &delivered["application"];
    assert_eq!(
        (
            &application["status"],
            &application["since"],
            &application["version"]
        ),
        (&json!("DELIVERED"), &json!("2021-09-03"), &json!(4))
    );
    let steps = application["steps"].as_array().unwrap().iter();
    let steps: Vec<&str> = steps.map(|one| one["step"].as_str().unwrap()).collect();
    assert_eq!(steps, ["RECEIVE", "ACCEPT", "SEND", "DELIVER"]);
    assert_eq!(
        scene.reached(1).await,
        "READER_APPLIED 2021-06-01, READER_DELIVERED 2021-09-03"
    );
    // Another may follow, of readers that are bought: the free ones are used up.
    let more = scene
        .record(&ministry(), scene.filed(1, "2021-10-01", 1, 0))
        .await;
    assert_eq!(errors(&more), ["TOO_MANY_FREE_READERS input.lines"]);
    scene.taken(scene.filed(1, "2021-10-01", 0, 1)).await;
    assert_eq!(
        scene.list(&vendor, json!({})).await,
        ["READER RECEIVED 2021-10-01", "READER DELIVERED 2021-09-03"]
    );
    // It is cancelled, and the first still stands for the milestone.
    scene.step(1, "READER", "CANCEL", "2021-10-02").await;
    assert_eq!(
        scene.reached(1).await,
        "READER_APPLIED 2021-06-01, READER_DELIVERED 2021-09-03"
    );
    scene.api.verify().await;
}

#[rstest]
#[tokio::test]
async fn one_that_is_cancelled_is_withdrawn_on_its_day_and_may_be_filed_again(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    scene.taken(scene.filed(0, "2021-06-01", 1, 0)).await;
    let cancelled = json!({ "facility": { "code": code(0) }, "kind": "READER", "step": "CANCEL", "on": "2021-07-01",
        "note": "施設の都合" });
    let chain = scene.record(&scene.chain(), cancelled.clone()).await;
    assert_eq!(chain["application"]["status"], "CANCELLED");
    assert_eq!(scene.reached(0).await, "");
    let again = scene.record(&scene.chain(), cancelled).await;
    assert_eq!(errors(&again), ["NOT_WHILE input.step"]);
    // Its free reader is free again.
    scene.taken(scene.filed(0, "2021-08-01", 1, 0)).await;
    for (day, applied) in [
        ("2021-05-31", 0),
        ("2021-06-01", 1),
        ("2021-06-30", 1),
        ("2021-07-01", 0),
        ("2021-07-31", 0),
        ("2021-08-01", 1),
    ] {
        assert_eq!(scene.applied_as_of(day).await, applied, "{day}");
    }
    // What is needed by what came after can't be cancelled, and nothing changes.
    let ready =
        json!({ "facility": { "code": code(0) }, "milestone": "READY", "on": "2021-12-01" });
    scene.api.done("milestoneRecord", ready).await;
    let late = json!({ "facility": { "code": code(0) }, "kind": "READER", "step": "CANCEL", "on": "2021-12-10" });
    let late = scene.record(&scene.chain(), late).await;
    assert_eq!(errors(&late), ["NEEDED_BY_LATER_MILESTONE input.facility"]);
    assert_eq!(late["application"]["status"], "RECEIVED");
    assert_eq!(
        scene
            .list(&ministry(), json!({ "statuses": ["RECEIVED"] }))
            .await,
        ["READER RECEIVED 2021-08-01"]
    );
    scene.api.verify().await;
}

#[rstest]
#[tokio::test]
async fn what_can_not_be_is_refused_at_its_place_and_changes_nothing(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    scene.taken(scene.filed(1, "2021-06-10", 1, 0)).await;
    let line = |model: usize, free: i64, bought: i64| json!({ "modelId": scene.models[model], "freeQuantity": free, "boughtQuantity": bought });
    let step = |step: &str, on: &str| json!({ "facility": { "code": code(1) }, "kind": "READER", "step": step, "on": on });
    let with = |field: &str, value: Value| {
        let mut input = scene.filed(0, "2021-12-01", 1, 0);
        input[field] = value;
        input
    };
    let cases = [
        (with("lines", json!([])), "MISSING input.lines"),
        (
            with("lines", json!([line(0, 0, 0)])),
            "OUT_OF_RANGE input.lines.0.freeQuantity",
        ),
        (
            with("lines", json!([line(0, -1, 2)])),
            "OUT_OF_RANGE input.lines.0.freeQuantity",
        ),
        (
            with("lines", json!([line(0, 1, -1)])),
            "OUT_OF_RANGE input.lines.0.boughtQuantity",
        ),
        (
            with("lines", json!([line(0, 1, 100)])),
            "OUT_OF_RANGE input.lines.0.boughtQuantity",
        ),
        (
            with("lines", json!([line(0, 0, 2_147_483_647)])),
            "OUT_OF_RANGE input.lines.0.boughtQuantity",
        ),
        (
            with("lines", json!([line(0, 2_147_483_647, 2_147_483_647)])),
            "OUT_OF_RANGE input.lines.0.boughtQuantity",
        ),
        (
            with("lines", json!(vec![line(0, 0, 1); 21])),
            "OUT_OF_RANGE input.lines",
        ),
        (
            with("lines", json!([line(0, 2, 0)])),
            "TOO_MANY_FREE_READERS input.lines",
        ),
        (
            with("lines", json!([line(0, 1, 0), line(0, 0, 1)])),
            "DUPLICATE_ROW input.lines.1.modelId",
        ),
        (
            with("lines", json!([line(1, 1, 0)])),
            "HARDWARE_DOES_NOT_FIT input.lines.0.modelId",
        ),
        (
            with("lines", json!([line(3, 1, 0)])),
            "HARDWARE_DOES_NOT_FIT input.lines.0.modelId",
        ),
        (
            with(
                "lines",
                json!([{ "modelId": global(scene.chain), "freeQuantity": 1 }]),
            ),
            "HARDWARE_DOES_NOT_FIT input.lines.0.modelId",
        ),
        (
            with("lines", json!([line(2, 1, 0)])),
            "HARDWARE_DISCONTINUED input.lines.0.modelId",
        ),
        (with("on", json!("2021-12-20")), "DATE_IN_FUTURE input.on"),
        (with("on", json!("1990-01-01")), "DATE_TOO_EARLY input.on"),
        (
            with("expiresOn", json!("2023-12-01")),
            "DATE_OUT_OF_ORDER input.expiresOn",
        ),
        (with("kind", json!("USE")), "OUT_OF_RANGE input.lines"),
        (with("note", json!("a\u{7}")), "INVALID_TEXT input"),
        (
            with("facility", json!({ "code": "9999999999" })),
            "INVALID_INSTITUTION_CODE input.facility",
        ),
        (
            with("facility", json!({ "code": code(7) })),
            "NOT_FOUND input.facility",
        ),
        (
            json!({ "facility": { "code": code(0) }, "kind": "READER", "step": "ACCEPT", "on": "2021-12-01" }),
            "NO_APPLICATION input.kind",
        ),
        (
            scene.filed(1, "2021-12-01", 1, 0),
            "ALREADY_OPEN input.kind",
        ),
        (step("ACCEPT", "2021-06-09"), "DATE_OUT_OF_ORDER input.on"),
        (step("ISSUE", "2021-06-11"), "NOT_WHILE input.step"),
        (step("REISSUE", "2021-06-11"), "NOT_WHILE input.step"),
    ];
    for (input, expected) in cases {
        let payload = scene.record(&ministry(), input.clone()).await;
        assert_eq!(errors(&payload), [expected], "{input}");
        assert_eq!(
            (&payload["version"], &payload["changeId"]),
            (&Value::Null, &Value::Null)
        );
    }
    let mut stale = step("ACCEPT", "2021-06-11");
    stale["expectedVersion"] = json!(7);
    let stale = scene.record(&ministry(), stale).await;
    assert_eq!(errors(&stale), ["STALE_VERSION input.expectedVersion"]);
    // A discontinued model could be applied for while it was made.
    let mut early = with("lines", json!([line(2, 1, 0)]));
    early["on"] = json!("2021-11-30");
    early["dryRun"] = json!(true);
    assert_eq!(
        errors(&scene.record(&ministry(), early).await),
        Vec::<String>::new()
    );
    for (table, expected) in [
        ("application", 1),
        ("application_line", 1),
        ("application_step", 1),
    ] {
        let count = format!("SELECT count(*) FROM {table}");
        assert_eq!(scene.api.database.number(&count).await, expected, "{table}");
    }
    assert_eq!(scene.reached(0).await, "");
}

#[rstest]
#[tokio::test]
async fn who_installs_files_nothing_and_who_files_for_a_chain_decides_nothing(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let vendor = member(Kind::Vendor, scene.vendor, Role::Editor);
    let filer = member(Kind::Chain, scene.chain, Role::Filer);
    let filed = scene.filed(0, "2021-12-01", 1, 0);
    assert_eq!(
        errors(&scene.record(&vendor, filed.clone()).await),
        ["FORBIDDEN input.facility"]
    );
    assert_eq!(
        errors(&scene.record(&filer, filed).await),
        Vec::<String>::new()
    );
    for (step, on) in [
        ("ACCEPT", "2021-12-02"),
        ("SEND", "2021-12-02"),
        ("DELIVER", "2021-12-02"),
    ] {
        let input =
            json!({ "facility": { "code": code(0) }, "kind": "READER", "step": step, "on": on });
        let payload = scene.record(&filer, input).await;
        assert_eq!(errors(&payload), ["FORBIDDEN input.facility"], "{step}");
    }
    let cancel = json!({ "facility": { "code": code(0) }, "kind": "READER", "step": "CANCEL", "on": "2021-12-02" });
    assert_eq!(
        errors(&scene.record(&filer, cancel).await),
        Vec::<String>::new()
    );
}

#[rstest]
#[tokio::test]
async fn of_two_who_file_at_once_one_is_told_that_it_is_under_way(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let chain = scene.chain();
    let ministry = ministry();
    let (one, other) = tokio::join!(
        scene.record(&chain, scene.filed(0, "2021-12-01", 1, 0)),
        scene.record(&ministry, scene.filed(0, "2021-12-01", 1, 0))
    );
    let told = [errors(&one), errors(&other)].concat();
    assert_eq!(told, ["ALREADY_OPEN input.kind"]);
    assert_eq!(
        scene
            .api
            .database
            .number("SELECT count(*) FROM application")
            .await,
        1
    );
    scene.api.verify().await;
}

#[rstest]
#[tokio::test]
async fn what_was_recorded_before_an_application_is_not_taken_back_with_it(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    for milestone in ["READER_APPLIED", "READY", "LIVE"] {
        let told =
            json!({ "facility": { "code": code(0) }, "milestone": milestone, "on": "2021-06-01" });
        scene.api.done("milestoneRecord", told).await;
    }
    let before = scene.reached(0).await;
    scene.taken(scene.filed(0, "2021-12-01", 0, 1)).await;
    scene.step(0, "READER", "CANCEL", "2021-12-10").await;
    assert_eq!(scene.reached(0).await, before);
    scene.taken(scene.filed(0, "2021-12-11", 1, 0)).await;
    scene.api.verify().await;
}

#[rstest]
#[tokio::test]
async fn a_facility_that_is_not_open_takes_no_step(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let early = scene
        .record(&ministry(), scene.filed(0, "2020-03-31", 1, 0))
        .await;
    assert_eq!(errors(&early), ["BEFORE_OPENING input.on"]);
    scene.taken(scene.filed(0, "2021-06-01", 1, 0)).await;
    let closing = json!({ "facility": { "code": code(0) }, "on": "2021-12-01" });
    scene.api.done("facilityClose", closing).await;
    let late = json!({ "facility": { "code": code(0) }, "kind": "READER", "step": "ACCEPT", "on": "2021-12-01" });
    let late = scene.record(&ministry(), late).await;
    assert_eq!(errors(&late), ["AFTER_CLOSING input.on"]);
    scene.step(0, "READER", "ACCEPT", "2021-11-30").await;
}

#[rstest]
#[tokio::test]
async fn of_a_delivery_and_a_cancellation_at_once_one_is_written(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    scene.taken(scene.filed(0, "2021-12-01", 1, 0)).await;
    let step = |step: &str| json!({ "facility": { "code": code(0) }, "kind": "READER", "step": step, "on": "2021-12-02" });
    let (chain, ministry) = (scene.chain(), ministry());
    let (one, other) = tokio::join!(
        scene.record(&chain, step("CANCEL")),
        scene.record(&ministry, step("DELIVER"))
    );
    let told = [errors(&one), errors(&other)].concat();
    assert_eq!(told, ["NOT_WHILE input.step"]);
    scene.api.verify().await;
}
