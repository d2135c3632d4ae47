//! Applications for readers, for the use of the service and for certificates: their way, what they mean for milestones,
//! who takes which step, and what is refused.

use kaitsu::{
    auth::{Actor, Grant, Language, OrganisationKind as Kind, Role},
    db::{Backend, FacilityId, OrganisationId},
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
async fn a_facility_looks_up_by_itself_what_it_would_call_to_ask(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let own = Actor {
        grants: vec![Grant {
            organisation: OrganisationId(77),
            kind: Kind::Facility,
            role: Role::Editor,
            bureau: None,
            facility: Some(FacilityId(1)),
        }],
        language: Language::Ja,
        ..member(Kind::Facility, OrganisationId(77), Role::Editor)
    };
    let file = |kind: &str| json!({ "facility": { "code": code(0) }, "kind": kind, "step": "RECEIVE", "on": "2021-10-01" });
    for kind in ["USE", "CERTIFICATE"] {
        assert_eq!(
            errors(&scene.record(&own, file(kind)).await),
            Vec::<String>::new()
        );
    }
    // What is decided on an application is not decided by who files it.
    let mut accepted = file("CERTIFICATE");
    accepted["step"] = json!("ACCEPT");
    let refused = scene.record(&own, accepted).await;
    assert_eq!(errors(&refused), ["FORBIDDEN input.facility"]);
    let issue = |step: &str, on: &str, until: &str| json!({ "facility": { "code": code(0) }, "kind": "CERTIFICATE", "step": step, "on": on, "expiresOn": until });
    let mut wrong = issue("ISSUE", "2021-10-11", "2021-10-11");
    assert_eq!(
        errors(&scene.record(&ministry(), wrong.clone()).await),
        ["DATE_OUT_OF_ORDER input.expiresOn"]
    );
    wrong["expiresOn"] = json!("2022-01-10");
    scene.taken(wrong).await;
    scene.step(0, "CERTIFICATE", "SEND", "2021-10-12").await;
    assert_eq!(
        scene.reached(0).await,
        "USE_APPLIED 2021-10-01, CERTIFICATE_ISSUED 2021-10-11"
    );
    let document = "query ($filter: ApplicationFilter) { applications(first: 10, filter: $filter) {
        nodes { kind status expiresOn expiring explanation organisation { name } } } }";
    let certificate =
        json!({ "filter": { "kinds": ["CERTIFICATE"], "expiresUntil": "2022-01-31" } });
    let data = scene.api.data(&own, document, certificate.clone()).await;
    let found = &data["applications"]["nodes"][0];
    assert_eq!(
        (&found["status"], &found["expiresOn"], &found["expiring"]),
        (&json!("SENT"), &json!("2022-01-10"), &json!(true))
    );
    assert_eq!(
        found["explanation"],
        "2021-10-12 電子証明書の取得に必要な通知を発送しました。届きましたら端末に証明書を設定してください。\
         証明書の有効期限は2022-01-10です。期限までに再発行を申請してください。"
    );
    // Issued anew, it is yet to be sent, and expires later.
    scene
        .taken(issue("REISSUE", "2021-12-10", "2024-12-10"))
        .await;
    let data = scene.api.data(&own, document, certificate).await;
    assert_eq!(data["applications"]["nodes"], json!([]));
    let data = scene.api.data(&own, document, json!({})).await;
    let told = data["applications"]["nodes"].as_array().unwrap().iter();
    let told: Vec<&str> = told
        .map(|one| one["explanation"].as_str().unwrap())
        .collect();
    assert_eq!(
        told,
        [
            "2021-12-10 電子証明書を発行しました。取得に必要な通知の発送をお待ちください。",
            "2021-10-01 利用申請を受け付けました。確認をお待ちください。"
        ]
    );
    // Nobody else's: the same facility is seen by its vendor, and by no rival.
    let rival = scene.api.organisation(Kind::Vendor, "ライバル").await;
    let rival = member(Kind::Vendor, rival, Role::Editor);
    assert_eq!(scene.list(&rival, json!({})).await, Vec::<String>::new());
    let unseen = json!({ "facility": { "code": code(0) } });
    assert_eq!(scene.list(&rival, unseen).await, Vec::<String>::new());
    scene.api.verify().await;
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
async fn applications_are_filtered_and_paged_the_last_first(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    scene.taken(scene.filed(0, "2021-10-01", 1, 0)).await;
    scene.taken(scene.filed(1, "2021-11-01", 1, 0)).await;
    let mut hospital = scene.filed(2, "2021-12-01", 1, 0);
    hospital["kind"] = json!("USE");
    hospital["lines"] = json!([]);
    scene.taken(hospital).await;
    scene.step(0, "READER", "ACCEPT", "2021-10-05").await;
    let (reader, none) = (&scene.models[0], &scene.models[1]);
    for (filter, expected) in [
        (
            json!({}),
            &[
                "USE RECEIVED 2021-12-01",
                "READER RECEIVED 2021-11-01",
                "READER ACCEPTED 2021-10-05",
            ][..],
        ),
        (json!({ "kinds": ["USE"] }), &["USE RECEIVED 2021-12-01"]),
        (
            json!({ "statuses": ["ACCEPTED"] }),
            &["READER ACCEPTED 2021-10-05"],
        ),
        (
            json!({ "sinceUntil": "2021-11-01" }),
            &["READER RECEIVED 2021-11-01", "READER ACCEPTED 2021-10-05"],
        ),
        (
            json!({ "modelId": reader, "statuses": ["RECEIVED"] }),
            &["READER RECEIVED 2021-11-01"],
        ),
        (json!({ "modelId": none }), &[]),
        (
            json!({ "facility": { "code": code(1) } }),
            &["READER RECEIVED 2021-11-01"],
        ),
        (json!({ "expiresUntil": "2030-01-01" }), &[]),
    ] {
        assert_eq!(
            scene.list(&ministry(), filter.clone()).await,
            *expected,
            "{filter}"
        );
    }
    let page = async |arguments: &str| {
        let document = format!(
            "{{ applications({arguments}) {{ nodes {{ kind since }} pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }} }} }}"
        );
        let data = scene.api.data(&ministry(), &document, json!({})).await;
        data["applications"].clone()
    };
    let first = page("first: 2").await;
    assert_eq!(first["pageInfo"]["hasNextPage"], true);
    let cursor = first["pageInfo"]["endCursor"].as_str().unwrap();
    let rest = page(&format!("first: 2, after: \"{cursor}\"")).await;
    assert_eq!(
        rest["nodes"],
        json!([{ "kind": "READER", "since": "2021-10-05" }])
    );
    let cursor = rest["pageInfo"]["startCursor"].as_str().unwrap();
    let back = page(&format!("last: 1, before: \"{cursor}\"")).await;
    assert_eq!(
        back["nodes"],
        json!([{ "kind": "READER", "since": "2021-11-01" }])
    );
    assert_eq!(back["pageInfo"]["hasPreviousPage"], true);
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

#[rstest]
#[tokio::test]
async fn an_application_that_was_a_mistake_does_not_hide_the_one_before_it(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let certificate = |step: &str, on: &str, until: Value| json!({ "facility": { "code": code(0) }, "kind": "CERTIFICATE", "step": step, "on": on, "expiresOn": until });
    scene
        .taken(certificate("RECEIVE", "2021-10-01", Value::Null))
        .await;
    // What is sent was issued, and has its last day.
    scene
        .taken(certificate("SEND", "2021-10-11", json!("2022-01-10")))
        .await;
    assert_eq!(scene.reached(0).await, "CERTIFICATE_ISSUED 2021-10-11");
    let early = certificate("RECEIVE", "2021-10-10", Value::Null);
    let early = scene.record(&ministry(), early).await;
    assert_eq!(errors(&early), ["DATE_OUT_OF_ORDER input.on"]);
    scene
        .taken(certificate("RECEIVE", "2021-11-01", Value::Null))
        .await;
    scene
        .taken(certificate("CANCEL", "2021-11-02", Value::Null))
        .await;
    let again = scene
        .taken(certificate("REISSUE", "2021-11-03", json!("2022-01-20")))
        .await;
    assert_eq!(again["application"]["status"], "ISSUED");
    // One that takes its place makes it expire unnoticed.
    let expiring = json!({ "expiresUntil": "2022-12-31" });
    assert_eq!(
        scene.list(&ministry(), expiring.clone()).await,
        ["CERTIFICATE ISSUED 2021-11-03"]
    );
    scene
        .taken(certificate("SEND", "2021-11-04", Value::Null))
        .await;
    scene
        .taken(certificate("RECEIVE", "2021-12-01", Value::Null))
        .await;
    scene
        .taken(certificate("ISSUE", "2021-12-10", json!("2024-12-10")))
        .await;
    assert_eq!(
        scene.list(&ministry(), expiring).await,
        Vec::<String>::new()
    );
    let document = "{ applications(first: 10) { nodes { expiring status } } }";
    let data = scene.api.data(&ministry(), document, json!({})).await;
    let nodes = data["applications"]["nodes"].as_array().unwrap();
    assert!(nodes.iter().all(|node| node["expiring"] == false), "{data}");
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
