//! Amending thousands of facilities in one change, and undoing that: links, names and contacts, codes, references.

use kaitsu::{
    api::{NodeId, node_id::NodeKind},
    auth::{Actor, OrganisationKind as Kind, Role},
    db::{Backend, OrganisationId},
    facility::{FeeTable, InstitutionCode, Prefecture},
};
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::api::{Api, errors, global, member, ministry};

const TOLD: &str = "writtenCount refusedCount changeId userErrors { code path } \
    rows { version eventIds userErrors { code path } facility { code name reference version } }";

struct Scene {
    api: Api,
    chain: OrganisationId,
    vendor: OrganisationId,
}

impl Scene {
    /// Six pharmacies, the first four of them stores of a chain.
    async fn new(backend: Backend) -> Self {
        let api = Api::new(backend).await;
        let chain = api.organisation(Kind::Chain, "みなと薬局").await;
        let vendor = api.organisation(Kind::Vendor, "あおばシステム").await;
        for number in 0..6 {
            api.register(&code(number), "PHARMACY", "みなと薬局").await;
            if number < 4 {
                let link = json!({ "facility": { "code": code(number) }, "kind": "CHAIN",
                    "organisationId": global(chain), "on": "2020-04-01" });
                api.done("facilityLink", link).await;
            }
        }
        Self { api, chain, vendor }
    }

    fn head_office(&self) -> Actor {
        member(Kind::Chain, self.chain, Role::Editor)
    }

    async fn amend(&self, actor: &Actor, rows: Value, policy: &str) -> Value {
        let input = json!({ "rows": rows, "errorPolicy": policy });
        self.api
            .mutate(actor, "facilityBulkAmend", input, TOLD)
            .await
    }

    async fn refer(&self, actor: &Actor, rows: Value, policy: &str) -> Value {
        let input = json!({ "rows": rows, "errorPolicy": policy });
        self.api
            .mutate(actor, "facilityBulkReferenceSet", input, TOLD)
            .await
    }

    async fn undo(&self, actor: &Actor, change: &Value) -> Value {
        let input = json!({ "changeId": change });
        self.api.mutate(actor, "changeUndo", input, TOLD).await
    }

    /// What a facility is today, to the ministry.
    async fn seen(&self, number: u32, selection: &str) -> Value {
        let document =
            format!("query ($code: String!) {{ facilityByCode(code: $code) {{ {selection} }} }}");
        let variables = json!({ "code": code(number) });
        let data = self.api.data(&ministry(), &document, variables).await;
        data["facilityByCode"].clone()
    }

    async fn vendors(&self) -> Vec<Value> {
        let mut vendors = Vec::new();
        for number in 0..6 {
            let seen = self.seen(number, "vendor { name }").await;
            vendors.push(seen["vendor"]["name"].clone());
        }
        vendors
    }
}

fn code(number: u32) -> String {
    InstitutionCode::with_check_digit(Prefecture::FIRST, FeeTable::Dispensing, number).to_string()
}

fn link(number: u32, kind: &str, organisation: Option<OrganisationId>, on: &str) -> Value {
    json!({ "facility": { "code": code(number) }, "action": "LINK", "on": on,
        "link": { "kind": kind, "organisationId": organisation.map(global) } })
}

fn renamed(number: u32, name: &str) -> Value {
    json!({ "facility": { "code": code(number) }, "action": "UPDATE", "contacts": { "name": name } })
}

/// What each row was refused for.
fn told(payload: &Value) -> Vec<Vec<String>> {
    assert_eq!(payload["userErrors"], json!([]), "{payload}");
    let rows = payload["rows"].as_array().unwrap();
    rows.iter().map(errors).collect()
}

#[rstest]
#[tokio::test]
async fn links_are_made_row_by_row_and_undone(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let chain = scene.head_office();
    let engage = |number| link(number, "VENDOR", Some(scene.vendor), "2021-06-01");
    let mut stale = engage(3);
    stale["expectedVersion"] = json!(1);
    let unsaid = json!({ "facility": { "code": code(3) }, "action": "LINK", "on": "2021-06-01" });
    let rows = json!([
        engage(0),
        // Of nobody's chain: it looks as if there were none.
        engage(4),
        link(1, "VENDOR", Some(scene.chain), "2021-06-01"),
        engage(0),
        link(1, "VENDOR", Some(scene.vendor), "2121-06-01"),
        stale,
        unsaid,
        link(2, "VENDOR", None, "2021-06-01"),
        engage(2),
    ]);
    let expected = [
        vec![],
        vec!["NOT_FOUND input.rows.1.facility"],
        vec!["UNKNOWN_ORGANISATION input.rows.2.link.organisationId"],
        vec!["DUPLICATE_ROW input.rows.3", "NOTHING_TO_DO input.rows.3"],
        vec!["DATE_IN_FUTURE input.rows.4.on"],
        vec!["STALE_VERSION input.rows.5.expectedVersion"],
        vec!["MISSING input.rows.6"],
        vec!["NOTHING_TO_DO input.rows.7"],
        vec!["DUPLICATE_ROW input.rows.8"],
    ];
    let refused = scene.amend(&chain, rows.clone(), "REJECT_ALL").await;
    assert_eq!(told(&refused), expected);
    assert_eq!(refused["changeId"], Value::Null);
    assert_eq!(scene.vendors().await, vec![Value::Null; 6]);

    let done = scene.amend(&chain, rows, "REJECT_FAILED_ROWS").await;
    assert_eq!(told(&done), expected);
    assert_eq!(
        (&done["writtenCount"], &done["refusedCount"]),
        (&json!(1), &json!(8))
    );
    assert_eq!(done["rows"][0]["version"], 3);
    assert_eq!(done["rows"][0]["facility"]["version"], 3);
    assert_eq!(done["rows"][0]["eventIds"].as_array().unwrap().len(), 1);
    assert_eq!(scene.vendors().await[0], "あおばシステム");

    let rest = json!([engage(1), engage(2), engage(3)]);
    let change = scene.amend(&chain, rest, "REJECT_ALL").await["changeId"].clone();
    assert_eq!(scene.vendors().await[..4], vec![json!("あおばシステム"); 4]);
    let undone = scene.undo(&chain, &change).await;
    assert_eq!(undone["writtenCount"], 3, "{undone}");
    assert_eq!(scene.vendors().await[1..4], vec![Value::Null; 3]);
    let again = scene.undo(&chain, &change).await;
    assert_eq!(told(&again)[0], ["ALREADY_UNDONE input.rows.0.changeId"]);
    scene.api.verify().await;
}

/// What a chain gave away by mistake it gets back, though it sees it no longer; a rival gets nothing.
#[rstest]
#[tokio::test]
async fn a_chain_takes_back_that_it_left_its_stores(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let chain = scene.head_office();
    let leaves = |number| link(number, "CHAIN", None, "2021-06-01");
    let left = scene
        .amend(
            &chain,
            json!([leaves(0), leaves(1), leaves(2)]),
            "REJECT_ALL",
        )
        .await;
    assert_eq!(left["writtenCount"], 3);
    let seen = "query ($code: String!) { facilityByCode(code: $code) { code } }";
    let first = json!({ "code": code(0) });
    let data = scene.api.data(&chain, seen, first.clone()).await;
    assert_eq!(data["facilityByCode"], Value::Null);
    // Another takes over one of them meanwhile.
    let other = scene.api.organisation(Kind::Chain, "あさひ薬局").await;
    let bought = json!({ "facility": { "code": code(2) }, "kind": "CHAIN", "organisationId": global(other), "on": "2021-06-02" });
    scene.api.done("facilityLink", bought).await;
    let rival = member(Kind::Chain, other, Role::Editor);
    let refused = scene.undo(&rival, &left["changeId"]).await;
    assert_eq!(errors(&refused), ["NOT_FOUND input.changeId"]);

    let reader = member(Kind::Chain, scene.chain, Role::Viewer);
    let refused = scene.undo(&reader, &left["changeId"]).await;
    assert_eq!(errors(&refused), ["FORBIDDEN input.facility"]);
    let input = json!({ "changeId": left["changeId"], "errorPolicy": "REJECT_FAILED_ROWS" });
    let undone = scene.api.mutate(&chain, "changeUndo", input, TOLD).await;
    assert_eq!(
        told(&undone),
        [vec![], vec![], vec!["NOT_FOUND input.rows.2.facility"]]
    );
    assert_eq!(undone["rows"][0]["facility"]["code"], code(0));
    assert_eq!(undone["rows"][2]["facility"], Value::Null);
    let data = scene.api.data(&chain, seen, first).await;
    assert_eq!(data["facilityByCode"]["code"], code(0));
    let bought = scene.seen(2, "chain { name }").await;
    assert_eq!(bought["chain"]["name"], "あさひ薬局");
    scene.api.verify().await;
}

#[rstest]
#[tokio::test]
async fn names_and_contacts_are_corrected_in_bulk_and_found_by(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let chain = scene.head_office();
    let found = async |text: &str| {
        let document = "query ($search: String!) { facilities(first: 9, filter: { search: $search }) { nodes { code } } }";
        let data = scene
            .api
            .data(&chain, document, json!({ "search": text }))
            .await;
        data["facilities"]["nodes"].as_array().unwrap().len()
    };
    assert_eq!(found("みなと").await, 4);
    let nameless =
        json!({ "facility": { "code": code(2) }, "action": "UPDATE", "contacts": { "name": "" } });
    let rows = json!([
        renamed(0, "さくら堂駅前店"),
        renamed(1, "さくら堂本店"),
        nameless,
        renamed(3, "みなと薬局"),
        renamed(0, "さくら堂"),
        { "facility": { "code": code(3) }, "action": "UPDATE", "contacts": { "phone": "03-0000-0000", "email": "shop@example.jp" } },
    ]);
    let done = scene.amend(&chain, rows, "REJECT_FAILED_ROWS").await;
    let expected = [
        vec![],
        vec![],
        vec!["INVALID_TEXT input.rows.2"],
        vec!["NOTHING_TO_DO input.rows.3"],
        vec!["DUPLICATE_ROW input.rows.4"],
        vec!["DUPLICATE_ROW input.rows.5"],
    ];
    assert_eq!(told(&done), expected);
    assert_eq!(done["rows"][1]["facility"]["name"], "さくら堂本店");
    assert_eq!((found("さくら堂").await, found("みなと").await), (2, 2));
    let rows = json!([{ "facility": { "code": code(3) }, "action": "UPDATE",
        "contacts": { "phone": "03-0000-0000", "email": "shop@example.jp" } }]);
    scene.amend(&chain, rows, "REJECT_ALL").await;
    let seen = scene.seen(3, "name phone email version").await;
    assert_eq!(
        seen,
        json!({ "name": "みなと薬局", "phone": "03-0000-0000", "email": "shop@example.jp", "version": 3 })
    );
    scene.api.verify().await;
}

#[rstest]
#[tokio::test]
async fn the_registry_is_amended_in_bulk_by_those_who_keep_it(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let succeeds = |number, to: u32| json!({ "facility": { "code": code(number) }, "action": "SUCCEED", "code": code(to), "on": "2021-06-01" });
    let closes = |number, on: Option<&str>| json!({ "facility": { "code": code(number) }, "action": "CLOSE", "on": on });
    let public = json!({ "facility": { "code": code(3) }, "action": "RECLASSIFY", "on": "2021-06-01", "classification": { "publicInstitution": true } });
    let rows = json!([
        succeeds(0, 100),
        // The same for a second one, and one that is another's already.
        succeeds(1, 100),
        succeeds(1, 5),
        succeeds(1, 101),
        closes(2, Some("2021-06-01")),
        closes(4, None),
        public,
        { "facility": { "code": code(5) }, "action": "SUCCEED", "on": "2021-06-01" },
        { "facility": { "code": code(5) }, "action": "CORRECT" },
    ]);
    let expected = [
        vec![],
        vec!["TAKEN input.rows.1.code"],
        vec!["DUPLICATE_ROW input.rows.2", "TAKEN input.rows.2.code"],
        vec!["DUPLICATE_ROW input.rows.3"],
        vec![],
        vec!["NOTHING_TO_DO input.rows.5"],
        vec![],
        vec!["MISSING input.rows.7"],
        vec!["MISSING input.rows.8.eventId"],
    ];
    let forbidden = scene
        .amend(&scene.head_office(), rows.clone(), "REJECT_FAILED_ROWS")
        .await;
    assert_eq!(told(&forbidden)[0], ["FORBIDDEN input.rows.0.facility"]);
    assert_eq!(forbidden["writtenCount"], 0);
    let done = scene.amend(&ministry(), rows, "REJECT_FAILED_ROWS").await;
    assert_eq!(told(&done), expected);
    let seen = scene.seen(0, "code").await;
    assert_eq!(seen["code"], code(100));
    assert_eq!(scene.seen(2, "closedOn").await["closedOn"], "2021-06-01");
    assert_eq!(
        scene.seen(3, "publicInstitution").await["publicInstitution"],
        true
    );
    // Codes and closings have ways of their own to be put right.
    let undone = scene.undo(&ministry(), &done["changeId"]).await;
    assert_eq!(
        told(&undone),
        vec![
            vec!["CAN_NOT_BE_UNDONE input.rows.0.changeId"],
            vec!["CAN_NOT_BE_UNDONE input.rows.1.changeId"],
            vec!["CAN_NOT_BE_UNDONE input.rows.2.changeId"]
        ]
    );
    // A link that was a mistake is corrected in bulk.
    let links = "query ($code: String!) { facilityByCode(code: $code) { timeline { id kind } } }";
    let data = scene
        .api
        .data(&ministry(), links, json!({ "code": code(3) }))
        .await;
    let entries = data["facilityByCode"]["timeline"].as_array().unwrap();
    let joined = entries
        .iter()
        .find(|one| one["kind"] == "CHAIN_SET")
        .unwrap();
    let rows = json!([{ "facility": { "code": code(3) }, "action": "CORRECT", "eventId": joined["id"],
        "on": "2020-05-01", "note": "届出の日付" }]);
    let corrected = scene.amend(&scene.head_office(), rows, "REJECT_ALL").await;
    assert_eq!(told(&corrected), [Vec::<String>::new()]);
    scene.api.verify().await;
}

#[rstest]
#[tokio::test]
async fn a_request_is_repeated_tried_and_limited(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let chain = scene.head_office();
    let rows = json!([renamed(0, "さくら堂"), renamed(1, "さくら堂")]);
    let mut input = json!({ "rows": rows, "dryRun": true });
    let tried = scene
        .api
        .mutate(&chain, "facilityBulkAmend", input.clone(), TOLD)
        .await;
    assert_eq!(
        (&tried["writtenCount"], &tried["changeId"]),
        (&json!(2), &Value::Null)
    );
    assert_eq!(tried["rows"][0]["version"], 3);
    assert_eq!(scene.seen(0, "name").await["name"], "みなと薬局");
    input = json!({ "rows": rows, "idempotencyKey": "once" });
    let first = scene
        .api
        .mutate(&chain, "facilityBulkAmend", input.clone(), TOLD)
        .await;
    let second = scene
        .api
        .mutate(&chain, "facilityBulkAmend", input.clone(), TOLD)
        .await;
    assert_eq!(first, second);
    input["rows"] = json!([renamed(0, "別")]);
    let reused = scene
        .api
        .mutate(&chain, "facilityBulkAmend", input, TOLD)
        .await;
    assert_eq!(
        errors(&reused),
        ["IDEMPOTENCY_KEY_REUSED input.idempotencyKey"]
    );
    let document = "mutation ($input: FacilityBulkAmendInput!) { facilityBulkAmend(input: $input) { writtenCount } }";
    let too_many: Vec<Value> = (0..5_001).map(|_| renamed(0, "別")).collect();
    for rows in [json!([]), json!(too_many)] {
        let response = scene
            .api
            .call(&chain, document, json!({ "input": { "rows": rows } }))
            .await;
        assert_eq!(response["errors"][0]["extensions"]["code"], "BAD_ROWS");
    }
}

#[rstest]
#[tokio::test]
async fn references_are_set_in_the_order_of_the_rows(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let chain = scene.head_office();
    let row = |number, reference: Option<&str>| json!({ "facility": { "code": code(number) }, "reference": reference });
    let first = json!([
        row(0, Some("S-1")),
        row(1, Some(" S-2 ")),
        row(2, Some("S-1")),
        row(4, Some("S-4")),
        row(3, Some(" "))
    ]);
    let expected = [
        vec![],
        vec![],
        vec!["TAKEN input.rows.2.reference"],
        vec!["NOT_FOUND input.rows.3.facility"],
        vec!["INVALID_TEXT input.rows.4"],
    ];
    let refused = scene.refer(&chain, first.clone(), "REJECT_ALL").await;
    assert_eq!(told(&refused), expected);
    assert_eq!(refused["changeId"], Value::Null);
    let count = "SELECT count(*) FROM facility_reference";
    assert_eq!(scene.api.database.number(count).await, 0);
    let done = scene.refer(&chain, first, "REJECT_FAILED_ROWS").await;
    assert_eq!(told(&done), expected);
    assert_eq!(done["rows"][1]["facility"]["reference"], "S-2");
    assert_eq!(done["rows"][1]["version"], 2);
    assert!(done["changeId"].is_string());
    // Two change places: what a row frees the next takes.
    let swapped = json!([row(0, None), row(1, Some("S-1")), row(0, Some("S-2"))]);
    let done = scene.refer(&chain, swapped, "REJECT_ALL").await;
    assert_eq!(told(&done), vec![Vec::<String>::new(); 3]);
    assert_eq!(done["rows"][0]["facility"]["reference"], "S-2");
    assert_eq!(done["rows"][1]["facility"]["reference"], "S-1");
    // Nobody else's are touched, seen or in the way.
    let vendor = member(Kind::Vendor, scene.vendor, Role::Editor);
    for number in [0, 1] {
        let engaged = json!({ "facility": { "code": code(number) }, "kind": "VENDOR", "organisationId": global(scene.vendor), "on": "2021-06-01" });
        scene.api.done("facilityLink", engaged).await;
    }
    let theirs = scene
        .refer(
            &vendor,
            json!([row(1, Some("S-2")), row(0, None)]),
            "REJECT_ALL",
        )
        .await;
    assert_eq!(told(&theirs), vec![Vec::<String>::new(); 2]);
    let mine = "query ($code: String!) { facilityByCode(code: $code) { reference } }";
    let data = scene
        .api
        .data(&chain, mine, json!({ "code": code(1) }))
        .await;
    assert_eq!(data["facilityByCode"]["reference"], "S-1");
    let viewer = member(Kind::Chain, scene.chain, Role::Viewer);
    let document = "mutation ($input: FacilityBulkReferenceSetInput!) { facilityBulkReferenceSet(input: $input) { writtenCount } }";
    let response = scene
        .api
        .call(
            &viewer,
            document,
            json!({ "input": { "rows": [row(0, None)] } }),
        )
        .await;
    assert_eq!(response["errors"][0]["extensions"]["code"], "Forbidden");
}

/// A record that another of the same day replaced would count again in its stead.
#[rstest]
#[tokio::test]
async fn a_link_that_was_replaced_on_its_day_does_not_come_back(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let other = scene.api.organisation(Kind::Chain, "あさひ薬局").await;
    let moved = json!({ "facility": { "code": code(0) }, "kind": "CHAIN", "organisationId": global(other), "on": "2020-04-01" });
    scene.api.done("facilityLink", moved).await;
    let first = "SELECT min(id) FROM facility_event WHERE aspect = 26";
    let first = scene.api.database.number(first).await;
    let first = NodeId::new(NodeKind::Event, first);
    let void = json!({ "facility": { "code": code(0) }, "eventId": first.encode().0 });
    let selection = "changeId userErrors { code path message }";
    let voided = scene
        .api
        .mutate(&ministry(), "facilityCorrect", void, selection)
        .await;
    let undone = scene.undo(&ministry(), &voided["changeId"]).await;
    assert_eq!(told(&undone), [["CAN_NOT_BE_UNDONE input.rows.0.changeId"]]);
    let seen = scene.seen(0, "chain { name }").await;
    assert_eq!(seen["chain"]["name"], "あさひ薬局");
    scene.api.verify().await;
}
