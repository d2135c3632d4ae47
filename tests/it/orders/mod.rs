//! Orders of hardware: their sides, partial deliveries, promises and substitutes, and what is refused.

mod conservation;
mod units;

use kaitsu::{
    auth::{Actor, OrganisationKind as Kind, Role},
    db::{Backend, OrganisationId},
    facility::{FeeTable, InstitutionCode, Prefecture},
};
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::api::{Api, errors, global, member, ministry};

const PLACED: &str =
    "hardwareOrder { id quantity openQuantity unitPrice promisedOn supplier { name } version
    facilities { facility { code } doubled } } changeId userErrors { code path message }";
const RECORDED: &str =
    "writtenCount refusedCount changeId userErrors { code path message } rows { index version
    hardwareOrder { quantity deliveredQuantity cancelledQuantity openQuantity promisedOn version
        steps { action on quantity promisedOn } } userErrors { code path message } }";
const MOVED: &str =
    "writtenCount refusedCount changeId userErrors { code path message } rows { index written
    lot { stockQuantity allocatedQuantity } facility { code } userErrors { code path message } }";

struct Scene {
    api: Api,
    vendor: OrganisationId,
    maker: OrganisationId,
    /// Global ids of a PC for clinics, another, a router, and a PC that is no longer made.
    models: Vec<Value>,
}

/// Two clinics and a pharmacy.
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
        for (place, kind) in (0..).zip(["MEDICAL_CLINIC", "MEDICAL_CLINIC", "PHARMACY"]) {
            let code = code(place);
            api.register(&code, kind, "みなと").await;
            let link = json!({ "facility": { "code": code }, "kind": "VENDOR", "organisationId": global(vendor),
                "on": "2020-04-01" });
            api.done("facilityLink", link).await;
        }
        let maker = api.organisation(Kind::Supplier, "窓口電機").await;
        let mut models = Vec::new();
        for (class, number, gone) in [
            ("PC", "PC-1", Value::Null),
            ("PC", "PC-2", Value::Null),
            ("ROUTER", "RT-1", Value::Null),
            ("PC", "PC-0", json!("2021-11-01")),
        ] {
            let model = json!({ "supplierId": global(maker), "class": class, "name": number, "number": number,
                "kinds": ["MEDICAL_CLINIC"], "lines": ["IP_VPN"], "discontinuedOn": gone });
            let selection = "hardwareModel { id } userErrors { code path message }";
            let saved = api
                .mutate(&ministry(), "hardwareModelSave", model, selection)
                .await;
            models.push(saved["hardwareModel"]["id"].clone());
        }
        Self {
            api,
            vendor,
            maker,
            models,
        }
    }

    fn buyer(&self) -> Actor {
        member(Kind::Vendor, self.vendor, Role::Editor)
    }

    fn supplier(&self) -> Actor {
        member(Kind::Supplier, self.maker, Role::Editor)
    }

    fn order(&self, quantity: i64) -> Value {
        json!({ "buyerId": global(self.vendor), "modelId": self.models[0], "quantity": quantity,
            "orderedOn": "2021-11-01", "unitPrice": 98_000 })
    }

    async fn place(&self, actor: &Actor, input: Value) -> Value {
        self.api
            .mutate(actor, "hardwareOrderPlace", input, PLACED)
            .await
    }

    /// Places an order that must be taken, and answers its global id.
    async fn placed(&self, quantity: i64) -> Value {
        let placed = self.place(&self.buyer(), self.order(quantity)).await;
        assert_eq!(errors(&placed), Vec::<String>::new());
        placed["hardwareOrder"]["id"].clone()
    }

    async fn record(&self, actor: &Actor, rows: Value) -> Value {
        let input = json!({ "rows": rows });
        self.api
            .mutate(actor, "hardwareOrderRecord", input, RECORDED)
            .await
    }

    /// Units of an order arrive; answers the lot.
    async fn arrived(&self, order: &Value, quantity: i64, on: &str) -> Value {
        let rows =
            json!([{ "orderId": order, "action": "DELIVER", "quantity": quantity, "on": on }]);
        let recorded = self.record(&self.supplier(), rows).await;
        assert_eq!(errors(&recorded), Vec::<String>::new());
        let document = "query ($id: ID!) { hardwareLots(first: 1, filter: { orderId: $id }) { nodes { id } } }";
        let data = self
            .api
            .data(&self.buyer(), document, json!({ "id": order }))
            .await;
        data["hardwareLots"]["nodes"][0]["id"].clone()
    }

    async fn moved(&self, name: &str, lot: &Value, place: u32, quantity: i64, on: &str) -> Value {
        let facility = json!({ "code": code(place) });
        let mut row = json!({ "lotId": lot, "facility": facility, "on": on });
        if name == "hardwareAllocate" {
            row["quantity"] = json!(quantity);
        }
        self.api
            .mutate(&self.buyer(), name, json!({ "rows": [row] }), MOVED)
            .await
    }

    /// The days on which a facility reached milestones.
    async fn reached(&self, place: u32) -> String {
        let document = "query ($code: String!) { facilityByCode(code: $code) { milestones { milestone reachedOn } } }";
        let code = json!({ "code": code(place) });
        let data = self.api.data(&ministry(), document, code).await;
        let milestones = data["facilityByCode"]["milestones"].as_array().unwrap();
        let reached = milestones.iter().filter_map(|one| {
            let day = one["reachedOn"].as_str()?;
            Some(format!("{} {day}", one["milestone"].as_str().unwrap()))
        });
        reached.collect::<Vec<_>>().join(", ")
    }

    /// Quantity, allocated, in stock and returned of each lot, the last first.
    async fn stock(&self) -> Vec<[i64; 4]> {
        let document = "{ hardwareLots(first: 100) { nodes { quantity allocatedQuantity stockQuantity returnedQuantity } } }";
        let data = self.api.data(&self.buyer(), document, json!({})).await;
        let nodes = data["hardwareLots"]["nodes"].as_array().unwrap().iter();
        let fields = [
            "quantity",
            "allocatedQuantity",
            "stockQuantity",
            "returnedQuantity",
        ];
        nodes
            .map(|node| fields.map(|field| node[field].as_i64().unwrap()))
            .collect()
    }
}

#[rstest]
#[tokio::test]
async fn an_order_arrives_in_parts_and_keeps_every_promise(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let order = scene.placed(10).await;
    let rows = json!([
        { "orderId": order, "action": "PROMISE", "on": "2021-11-05", "promisedOn": "2021-12-25" },
        { "orderId": order, "action": "PROMISE", "on": "2021-12-01" },
        { "orderId": order, "action": "PROMISE", "on": "2021-12-10", "promisedOn": "2022-01-31" },
        { "orderId": order, "action": "DELIVER", "on": "2021-12-15", "quantity": 6 },
        { "orderId": order, "action": "CANCEL", "on": "2021-12-16", "quantity": 1 },
    ]);
    let recorded = scene.record(&scene.supplier(), rows).await;
    assert_eq!(errors(&recorded), Vec::<String>::new());
    let stands = &recorded["rows"][4]["hardwareOrder"];
    let numbers = [
        "quantity",
        "deliveredQuantity",
        "cancelledQuantity",
        "openQuantity",
        "version",
    ];
    let numbers = numbers.map(|field| stands[field].as_i64().unwrap());
    assert_eq!(numbers, [10, 6, 1, 3, 2]);
    let steps = stands["steps"].as_array().unwrap();
    let promised: Vec<&Value> = steps.iter().map(|step| &step["promisedOn"]).collect();
    assert_eq!(
        promised[..3],
        [&json!("2021-12-25"), &Value::Null, &json!("2022-01-31")]
    );
    // What went back is the buyer's.
    let document =
        "query ($id: ID!) { hardwareLots(first: 1, filter: { orderId: $id }) { nodes { id } } }";
    let data = scene
        .api
        .data(&scene.buyer(), document, json!({ "id": order }))
        .await;
    let lot = &data["hardwareLots"]["nodes"][0]["id"];
    let back = json!([{ "orderId": order, "action": "RETURN", "lotId": lot, "quantity": 2, "on": "2021-12-17" }]);
    let theirs = scene.record(&scene.supplier(), back.clone()).await;
    assert_eq!(errors(&theirs), ["FORBIDDEN input.rows.0.orderId"]);
    assert_eq!(
        errors(&scene.record(&scene.buyer(), back).await),
        Vec::<String>::new()
    );
    assert_eq!(scene.stock().await, [[6, 0, 4, 2]]);
    // The rest is delivered as another model of the same class.
    let rows = json!([
        { "orderId": order, "action": "SUBSTITUTE", "on": "2021-12-18", "modelId": scene.models[2] },
        { "orderId": order, "action": "SUBSTITUTE", "on": "2021-12-18", "modelId": scene.models[1] },
    ]);
    let input = json!({ "rows": rows, "errorPolicy": "REJECT_FAILED_ROWS" });
    let payload = scene
        .api
        .mutate(&scene.supplier(), "hardwareOrderRecord", input, RECORDED)
        .await;
    assert_eq!(
        errors(&payload),
        ["HARDWARE_DOES_NOT_FIT input.rows.0.modelId"]
    );
    scene.arrived(&order, 3, "2021-12-19").await;
    let document = "{ hardwareLots(first: 10) { nodes { quantity model { name } } } }";
    let data = scene.api.data(&scene.buyer(), document, json!({})).await;
    assert_eq!(
        data["hardwareLots"]["nodes"],
        json!([{ "quantity": 3, "model": { "name": "PC-2" } }, { "quantity": 6, "model": { "name": "PC-1" } }])
    );
    scene.api.verify().await;
}

#[rstest]
#[tokio::test]
async fn what_can_not_be_is_refused_and_changes_nothing(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let with = |field: &str, value: Value| {
        let mut input = scene.order(5);
        input[field] = value;
        input
    };
    let helper = scene.api.organisation(Kind::Auditor, "監査").await;
    let clinic = json!({ "code": code(0) });
    for (input, expected) in [
        (scene.order(0), "OUT_OF_RANGE input.quantity"),
        (scene.order(-3), "OUT_OF_RANGE input.quantity"),
        (scene.order(100_001), "OUT_OF_RANGE input.quantity"),
        (with("unitPrice", json!(-1)), "OUT_OF_RANGE input.unitPrice"),
        (
            with("orderedOn", json!("2021-12-20")),
            "DATE_IN_FUTURE input.orderedOn",
        ),
        (
            with("orderedOn", json!("1990-01-01")),
            "DATE_OUT_OF_ORDER input.orderedOn",
        ),
        (
            with("promisedOn", json!("2021-10-31")),
            "DATE_OUT_OF_ORDER input.promisedOn",
        ),
        (
            with("modelId", json!(global(scene.maker))),
            "NOT_FOUND input.modelId",
        ),
        (
            with("modelId", scene.models[3].clone()),
            "HARDWARE_DISCONTINUED input.modelId",
        ),
        (
            with("buyerId", json!(global(helper))),
            "UNKNOWN_ORGANISATION input.buyerId",
        ),
        (
            with("buyerId", json!(global(scene.maker))),
            "UNKNOWN_ORGANISATION input.buyerId",
        ),
        (
            with("facilities", json!([{ "code": code(2) }])),
            "HARDWARE_DOES_NOT_FIT input.facilities.0",
        ),
        (
            with("facilities", json!([{ "code": code(9) }])),
            "NOT_FOUND input.facilities.0",
        ),
        (
            with("facilities", json!([clinic, clinic])),
            "OUT_OF_RANGE input.facilities",
        ),
    ] {
        let payload = scene.place(&scene.buyer(), input.clone()).await;
        let told = errors(&payload);
        // A problem of the model stands at the facilities too.
        assert!(
            told.iter().any(|one| one.starts_with(expected)),
            "{input} {told:?}"
        );
        assert_eq!(payload["hardwareOrder"], Value::Null);
    }
    let order = scene.placed(5).await;
    let lot = scene.arrived(&order, 3, "2021-11-10").await;
    let row = |action: &str, fields: Value| {
        let mut row = json!({ "orderId": order, "action": action, "on": "2021-11-12" });
        for (field, value) in fields.as_object().unwrap() {
            row[field] = value.clone();
        }
        row
    };
    for (row, expected) in [
        (
            row("DELIVER", json!({ "quantity": 3 })),
            "OUT_OF_RANGE input.rows.0.quantity",
        ),
        (
            row("DELIVER", json!({ "quantity": 0 })),
            "OUT_OF_RANGE input.rows.0.quantity",
        ),
        (
            row("DELIVER", json!({ "quantity": -1 })),
            "OUT_OF_RANGE input.rows.0.quantity",
        ),
        (
            row("DELIVER", json!({ "quantity": 2_147_483_647 })),
            "OUT_OF_RANGE input.rows.0.quantity",
        ),
        (row("DELIVER", json!({})), "MISSING input.rows.0.quantity"),
        (
            row("CANCEL", json!({ "quantity": 3 })),
            "OUT_OF_RANGE input.rows.0.quantity",
        ),
        (
            row("RETURN", json!({ "quantity": 4, "lotId": lot })),
            "OUT_OF_RANGE input.rows.0.quantity",
        ),
        (
            row("RETURN", json!({ "quantity": 1 })),
            "MISSING input.rows.0.lotId",
        ),
        (
            row("RETURN", json!({ "quantity": 1, "lotId": order })),
            "NOT_FOUND input.rows.0.lotId",
        ),
        (
            row(
                "RETURN",
                json!({ "quantity": 1, "lotId": lot, "on": "2021-11-09" }),
            ),
            "DATE_OUT_OF_ORDER input.rows.0.on",
        ),
        (
            row("PROMISE", json!({})),
            "NOTHING_TO_DO input.rows.0.action",
        ),
        (
            row("PROMISE", json!({ "promisedOn": "2021-11-11" })),
            "DATE_OUT_OF_ORDER input.rows.0.promisedOn",
        ),
        (
            row("CANCEL", json!({ "quantity": 1, "on": "2021-10-31" })),
            "DATE_OUT_OF_ORDER input.rows.0.on",
        ),
        (
            row("CANCEL", json!({ "quantity": 1, "on": "2021-12-20" })),
            "DATE_IN_FUTURE input.rows.0.on",
        ),
        (
            row("CANCEL", json!({ "quantity": 1, "expectedVersion": 9 })),
            "STALE_VERSION input.rows.0.expectedVersion",
        ),
        (
            row("CANCEL", json!({ "quantity": 1, "orderId": lot })),
            "NOT_FOUND input.rows.0.orderId",
        ),
    ] {
        let payload = scene.record(&scene.buyer(), json!([row])).await;
        assert_eq!(errors(&payload), [expected], "{row}");
    }
    for (place, quantity, on, expected) in [
        (0, 4, "2021-11-12", "OUT_OF_RANGE input.rows.0.quantity"),
        (0, 0, "2021-11-12", "OUT_OF_RANGE input.rows.0.quantity"),
        (
            2,
            1,
            "2021-11-12",
            "HARDWARE_DOES_NOT_FIT input.rows.0.lotId",
        ),
        (9, 1, "2021-11-12", "NOT_FOUND input.rows.0.facility"),
        (0, 1, "2021-11-09", "DATE_OUT_OF_ORDER input.rows.0.on"),
    ] {
        let payload = scene
            .moved("hardwareAllocate", &lot, place, quantity, on)
            .await;
        assert_eq!(errors(&payload), [expected], "{place} {quantity} {on}");
    }
    let never = scene
        .moved("hardwareRelease", &lot, 0, 1, "2021-11-12")
        .await;
    assert_eq!(errors(&never), ["NOT_ALLOCATED input.rows.0.facility"]);
    scene
        .moved("hardwareAllocate", &lot, 0, 1, "2021-11-12")
        .await;
    let early = scene
        .moved("hardwareRelease", &lot, 0, 1, "2021-11-11")
        .await;
    assert_eq!(errors(&early), ["DATE_OUT_OF_ORDER input.rows.0.on"]);
    assert_eq!(scene.stock().await, [[3, 1, 2, 0]]);
    scene.api.verify().await;
}

#[rstest]
#[tokio::test]
async fn an_order_and_its_price_are_for_its_two_sides(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let order = scene.placed(5).await;
    let lot = scene.arrived(&order, 3, "2021-11-10").await;
    let rival = scene.api.organisation(Kind::Supplier, "つなぐ通信").await;
    let rival = member(Kind::Supplier, rival, Role::Editor);
    let other = scene.api.organisation(Kind::Vendor, "ライバル").await;
    let other = member(Kind::Vendor, other, Role::Editor);
    let list = "{ hardwareOrders(first: 10) { totalCount nodes { unitPrice } } hardwareLots(first: 10) { nodes { id } } }";
    let node = "query ($ids: [ID!]!) { nodes(ids: $ids) { id } }";
    let ids = json!({ "ids": [order, lot] });
    for stranger in [&rival, &other] {
        let data = scene.api.data(stranger, list, json!({})).await;
        assert_eq!(
            data["hardwareOrders"],
            json!({ "totalCount": 0, "nodes": [] })
        );
        assert_eq!(data["hardwareLots"]["nodes"], json!([]));
        let data = scene.api.data(stranger, node, ids.clone()).await;
        assert_eq!(data["nodes"], json!([null, null]));
        let rows =
            json!([{ "orderId": order, "action": "CANCEL", "quantity": 1, "on": "2021-12-01" }]);
        let refused = scene.record(stranger, rows).await;
        assert_eq!(errors(&refused), ["NOT_FOUND input.rows.0.orderId"]);
        assert_eq!(refused["rows"][0]["hardwareOrder"], Value::Null);
    }
    // The supplier sees the order, and nothing of the buyer's stock or facilities.
    let data = scene.api.data(&scene.supplier(), list, json!({})).await;
    assert_eq!(
        data["hardwareOrders"]["nodes"],
        json!([{ "unitPrice": 98_000 }])
    );
    assert_eq!(data["hardwareLots"]["nodes"], json!([]));
    let staff = scene.api.data(&ministry(), list, json!({})).await;
    assert_eq!(staff["hardwareLots"]["nodes"].as_array().unwrap().len(), 1);
}

#[rstest]
#[tokio::test]
async fn orders_of_several_suppliers_for_one_facility_are_flagged(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let rival = scene.api.organisation(Kind::Supplier, "つなぐ通信").await;
    let chain = scene.api.organisation(Kind::Chain, "港会").await;
    let mut models = scene.models.clone();
    let other = json!({ "supplierId": global(rival), "class": "PC", "name": "PC-9", "number": "PC-9",
        "kinds": ["MEDICAL_CLINIC"], "lines": ["IP_VPN"] });
    let selection = "hardwareModel { id } userErrors { code path message }";
    let saved = scene
        .api
        .mutate(&ministry(), "hardwareModelSave", other, selection)
        .await;
    models.push(saved["hardwareModel"]["id"].clone());
    let place = async |buyer: OrganisationId, model: usize, places: &[u32]| {
        let facilities: Vec<Value> = places
            .iter()
            .map(|one| json!({ "code": code(*one) }))
            .collect();
        let input = json!({ "buyerId": global(buyer), "modelId": models[model], "quantity": 2,
            "orderedOn": "2021-11-01", "facilities": facilities });
        let placed = scene.place(&ministry(), input).await;
        assert_eq!(errors(&placed), Vec::<String>::new());
        placed["hardwareOrder"].clone()
    };
    let flags = async |order: &Value| {
        let document = "query ($id: ID!) { node(id: $id) { ... on HardwareOrder { facilityCount facilities { doubled } } } }";
        let id = json!({ "id": order["id"] });
        let data = scene.api.data(&scene.buyer(), document, id).await;
        let facilities = data["node"]["facilities"].as_array().unwrap();
        assert_eq!(data["node"]["facilityCount"], json!(facilities.len()));
        let flags = facilities
            .iter()
            .map(|one| one["doubled"].as_bool().unwrap());
        flags.collect::<Vec<_>>()
    };
    let first = place(scene.vendor, 0, &[0, 1]).await;
    assert_eq!(flags(&first).await, [false, false]);
    // Another buyer's, from another supplier.
    let second = place(chain, 4, &[1]).await;
    assert_eq!(flags(&first).await, [false, true]);
    // A router is another need.
    let router = place(scene.vendor, 2, &[1]).await;
    assert_eq!(flags(&router).await, [false]);
    let list = "query ($doubled: Boolean!) { hardwareOrders(first: 10, filter: { doubled: $doubled }) { totalCount } }";
    for (doubled, count) in [(true, 2), (false, 1)] {
        let variables = json!({ "doubled": doubled });
        let data = scene.api.data(&ministry(), list, variables).await;
        assert_eq!(data["hardwareOrders"]["totalCount"], count);
    }
    // What arrived and is in stock is there twice, too; what is cancelled or given away is not.
    let step = async |action: &str, quantity: i64| {
        let rows = json!([{ "orderId": second["id"], "action": action, "quantity": quantity, "on": "2021-12-01" }]);
        let recorded = scene.record(&ministry(), rows).await;
        assert_eq!(errors(&recorded), Vec::<String>::new());
    };
    step("DELIVER", 1).await;
    step("CANCEL", 1).await;
    assert_eq!(flags(&first).await, [false, true]);
    let lots =
        "query ($id: ID!) { hardwareLots(first: 1, filter: { orderId: $id }) { nodes { id } } }";
    let data = scene
        .api
        .data(&ministry(), lots, json!({ "id": second["id"] }))
        .await;
    let lot = &data["hardwareLots"]["nodes"][0]["id"];
    let rows = json!([{ "lotId": lot, "facility": { "code": code(1) }, "on": "2021-12-02" }]);
    scene
        .api
        .done("hardwareAllocate", json!({ "rows": rows }))
        .await;
    assert_eq!(flags(&first).await, [false, false]);
}

#[rstest]
#[tokio::test]
async fn an_order_is_for_facilities_that_the_buyer_sees(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let other = scene.api.organisation(Kind::Vendor, "ライバル").await;
    let other_actor = member(Kind::Vendor, other, Role::Editor);
    let id =
        |row: i64| kaitsu::api::NodeId::new(kaitsu::api::node_id::NodeKind::Facility, row).encode();
    for facility in [id(1), id(999_999)] {
        for dry in [true, false] {
            let mut input = scene.order(1);
            input["buyerId"] = json!(global(other));
            input["dryRun"] = json!(dry);
            input["facilities"] = json!([{ "id": facility.0 }]);
            let refused = scene.place(&other_actor, input).await;
            assert_eq!(errors(&refused), ["NOT_FOUND input.facilities.0"]);
        }
    }
    let rows = "SELECT count(*) FROM hardware_order_facility";
    assert_eq!(scene.api.database.number(rows).await, 0);
}

#[rstest]
#[tokio::test]
async fn a_substitute_fits_what_the_order_is_for_and_the_ordered_model_stays_known(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let wide = json!({ "supplierId": global(scene.maker), "class": "PC", "name": "PC-H", "number": "PC-H",
        "kinds": ["HOSPITAL"], "lines": ["IP_VPN"] });
    let selection = "hardwareModel { id } userErrors { code path message }";
    let wide = scene
        .api
        .mutate(&ministry(), "hardwareModelSave", wide, selection)
        .await;
    let mut input = scene.order(5);
    input["facilities"] = json!([{ "code": code(0) }]);
    let placed = scene.place(&scene.buyer(), input).await;
    let order = &placed["hardwareOrder"]["id"];
    let step = |model: &Value, version: i64| json!({ "orderId": order, "action": "SUBSTITUTE", "on": "2021-11-05", "modelId": model, "expectedVersion": version });
    for (model, expected) in [
        (
            &wide["hardwareModel"]["id"],
            "HARDWARE_DOES_NOT_FIT input.rows.0.modelId",
        ),
        (
            &scene.models[3],
            "HARDWARE_DISCONTINUED input.rows.0.modelId",
        ),
    ] {
        let refused = scene
            .record(&scene.supplier(), json!([step(model, 1)]))
            .await;
        assert_eq!(errors(&refused), [expected]);
    }
    // Two rows of one request are about the version that was read; a promise is told late.
    let promise = json!({ "orderId": order, "action": "PROMISE", "on": "2021-11-06", "promisedOn": "2021-11-30",
        "expectedVersion": 1 });
    let rows = json!([step(&scene.models[1], 1), promise]);
    let recorded = scene.record(&scene.supplier(), rows).await;
    assert_eq!(errors(&recorded), Vec::<String>::new());
    let document = "query ($id: ID!) { node(id: $id) { ... on HardwareOrder { model { name } orderedModel { name }
        steps { action model { name } } } } }";
    let data = scene
        .api
        .data(&scene.buyer(), document, json!({ "id": order }))
        .await;
    assert_eq!(
        data["node"],
        json!({ "model": { "name": "PC-2" }, "orderedModel": { "name": "PC-1" }, "steps": [
            { "action": "SUBSTITUTE", "model": { "name": "PC-2" } }, { "action": "PROMISE", "model": null } ] })
    );
}
