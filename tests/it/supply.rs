//! The catalogue of readers, PCs and routers: who reads it, who keeps what, and what is refused.

use kaitsu::{
    auth::{Actor, OrganisationKind as Kind, Role},
    db::{Backend, OrganisationId},
};
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::{
    accounts::anonymous,
    api::{Api, errors, global, member, ministry},
};

const MODEL: &str = "hardwareModel { id supplier { name } class name number kinds lines readerIds discontinuedOn version }
    userErrors { code path message }";
const NAMES: &str = "query ($filter: HardwareModelFilter, $first: Int, $after: String, $last: Int, $before: String) {
    hardwareModels(filter: $filter, first: $first, after: $after, last: $last, before: $before) {
        totalCount nodes { name } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }";

struct Scene {
    api: Api,
    maker: OrganisationId,
    other: OrganisationId,
}

impl Scene {
    async fn new(backend: Backend) -> Self {
        let api = Api::new(backend).await;
        Self {
            maker: api.organisation(Kind::Supplier, "みるカード工業").await,
            other: api.organisation(Kind::Supplier, "つなぐ通信").await,
            api,
        }
    }

    fn editor(&self, of: OrganisationId) -> Actor {
        member(Kind::Supplier, of, Role::Editor)
    }

    fn reader(&self) -> Value {
        json!({ "supplierId": global(self.maker), "class": "READER", "name": "みるカード", "number": "MC-1",
            "kinds": ["PHARMACY", "HOSPITAL", "PHARMACY"] })
    }

    async fn save(&self, actor: &Actor, input: Value) -> Value {
        self.api
            .mutate(actor, "hardwareModelSave", input, MODEL)
            .await
    }

    /// Saves a model that must be taken, and answers it.
    async fn saved(&self, input: Value) -> Value {
        let payload = self.save(&ministry(), input).await;
        assert_eq!(errors(&payload), Vec::<String>::new());
        payload["hardwareModel"].clone()
    }

    async fn names(&self, filter: Value) -> Vec<String> {
        let variables = json!({ "filter": filter, "first": 100 });
        let data = self.api.data(&anonymous(), NAMES, variables).await;
        let list = &data["hardwareModels"];
        let nodes = list["nodes"].as_array().unwrap().iter();
        let names: Vec<String> = nodes
            .map(|node| node["name"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(list["totalCount"], json!(names.len()));
        names
    }
}

#[rstest]
#[tokio::test]
async fn a_maker_keeps_its_models_and_everybody_reads_them(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let maker = scene.editor(scene.maker);
    let saved = scene.save(&maker, scene.reader()).await;
    assert_eq!(errors(&saved), Vec::<String>::new());
    let reader = &saved["hardwareModel"];
    assert_eq!(
        (&reader["kinds"], &reader["lines"], &reader["version"]),
        (&json!(["HOSPITAL", "PHARMACY"]), &json!([]), &json!(1))
    );
    let pc = json!({ "supplierId": global(scene.maker), "class": "PC", "name": "窓口端末", "number": "PC-9",
        "kinds": ["PHARMACY"], "lines": ["IPSEC_IKE", "IP_VPN"], "readerIds": [reader["id"]] });
    let pc = scene.save(&maker, pc).await["hardwareModel"].clone();
    assert_eq!(pc["lines"], json!(["IP_VPN", "IPSEC_IKE"]));
    assert_eq!(pc["readerIds"], json!([reader["id"]]));

    // What is said already writes nothing; something else counts the version up.
    let mut again = scene.reader();
    again["id"] = reader["id"].clone();
    let same = scene.save(&maker, again.clone()).await;
    assert_eq!(same["hardwareModel"]["version"], 1);
    again["discontinuedOn"] = json!("2021-12-01");
    again["expectedVersion"] = json!(1);
    let gone = scene.save(&maker, again.clone()).await;
    assert_eq!(gone["hardwareModel"]["version"], 2);
    let stale = scene.save(&maker, again).await;
    assert_eq!(errors(&stale), ["STALE_VERSION input.expectedVersion"]);
    assert_eq!(scene.names(json!({})).await, ["みるカード", "窓口端末"]);

    // By its id, without an account too.
    let id = reader["id"].as_str().unwrap();
    let document =
        format!("{{ node(id: \"{id}\") {{ ... on HardwareModel {{ discontinuedOn }} }} }}");
    let data = scene.api.data(&maker, &document, json!({})).await;
    assert_eq!(data["node"]["discontinuedOn"], "2021-12-01");
}

#[rstest]
#[tokio::test]
async fn each_filter_of_the_catalogue_holds_what_it_says(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let reader = scene.saved(scene.reader()).await;
    let maker = global(scene.maker);
    let other = global(scene.other);
    for (class, name, kinds, lines, readers, gone) in [
        (
            "PC",
            "B端末",
            json!(["PHARMACY"]),
            json!(["IP_VPN"]),
            json!([reader["id"]]),
            Value::Null,
        ),
        (
            "PC",
            "A端末",
            json!(["HOSPITAL"]),
            json!(["IPSEC_IKE"]),
            json!([]),
            json!("2021-12-19"),
        ),
        (
            "ROUTER",
            "ルーター",
            json!(["HOSPITAL", "PHARMACY"]),
            json!(["IP_VPN", "IPSEC_IKE"]),
            json!([]),
            json!("2021-12-20"),
        ),
    ] {
        scene
            .saved(json!({ "supplierId": other, "class": class, "name": name, "number": name, "kinds": kinds,
                "lines": lines, "readerIds": readers, "discontinuedOn": gone }))
            .await;
    }
    for (filter, expected) in [
        (json!({}), &["みるカード", "A端末", "B端末", "ルーター"][..]),
        (
            json!({ "classes": ["ROUTER", "READER"] }),
            &["みるカード", "ルーター"],
        ),
        (json!({ "supplierId": maker }), &["みるカード"]),
        (
            json!({ "kind": "HOSPITAL" }),
            &["みるカード", "A端末", "ルーター"],
        ),
        (json!({ "kind": "DENTAL_CLINIC" }), &[]),
        (json!({ "line": "IPSEC_IKE" }), &["A端末", "ルーター"]),
        (json!({ "readerId": reader["id"] }), &["B端末"]),
        (
            json!({ "made": true }),
            &["みるカード", "B端末", "ルーター"],
        ),
        (json!({ "made": false }), &["A端末"]),
        (
            json!({ "classes": ["PC"], "line": "IP_VPN", "kind": "PHARMACY" }),
            &["B端末"],
        ),
    ] {
        assert_eq!(scene.names(filter.clone()).await, *expected, "{filter}");
    }
    // Pages in both directions.
    let page = async |arguments: Value| {
        let data = scene.api.data(&anonymous(), NAMES, arguments).await;
        data["hardwareModels"].clone()
    };
    let first = page(json!({ "first": 3 })).await;
    assert_eq!(first["pageInfo"]["hasNextPage"], true);
    let rest = page(json!({ "first": 3, "after": first["pageInfo"]["endCursor"] })).await;
    assert_eq!(rest["nodes"], json!([{ "name": "ルーター" }]));
    assert_eq!(rest["pageInfo"]["hasPreviousPage"], true);
    let back = page(json!({ "last": 2, "before": rest["pageInfo"]["startCursor"] })).await;
    assert_eq!(
        back["nodes"],
        json!([{ "name": "A端末" }, { "name": "B端末" }])
    );
    for filter in [
        json!({ "readerId": maker }),
        json!({ "supplierId": reader["id"] }),
    ] {
        let response = scene
            .api
            .call(&anonymous(), NAMES, json!({ "first": 1, "filter": filter }))
            .await;
        assert_eq!(
            response["errors"][0]["extensions"]["code"], "BAD_ID",
            "{response}"
        );
    }
}

#[rstest]
#[tokio::test]
async fn an_entry_that_can_not_be_is_refused_and_changes_nothing(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let reader = scene.saved(scene.reader()).await;
    let router = json!({ "supplierId": global(scene.maker), "class": "ROUTER", "name": "ルーター", "number": "RT-1",
        "kinds": ["HOSPITAL"], "lines": ["IP_VPN"] });
    let kept = scene.saved(router.clone()).await;
    let vendor = scene.api.organisation(Kind::Vendor, "あおばシステム").await;
    let cases = [
        (json!({ "name": " " }), "INVALID_TEXT input.name"),
        (
            json!({ "name": "あ".repeat(101) }),
            "INVALID_TEXT input.name",
        ),
        (json!({ "number": "a\u{7}" }), "INVALID_TEXT input.number"),
        (json!({ "number": "MC-1" }), "TAKEN input.number"),
        (json!({ "kinds": [] }), "MISSING input.kinds"),
        (json!({ "lines": [] }), "MISSING input.lines"),
        (
            json!({ "class": "READER" }),
            "HARDWARE_DOES_NOT_FIT input.lines",
        ),
        (
            json!({ "readerIds": [reader["id"]] }),
            "HARDWARE_DOES_NOT_FIT input.readerIds",
        ),
        (
            json!({ "class": "PC", "readerIds": [kept["id"]] }),
            "HARDWARE_DOES_NOT_FIT input.readerIds",
        ),
        (
            json!({ "class": "PC", "readerIds": [global(vendor)] }),
            "HARDWARE_DOES_NOT_FIT input.readerIds",
        ),
        (
            json!({ "id": kept["id"], "class": "PC" }),
            "HARDWARE_DOES_NOT_FIT input.class",
        ),
        (json!({ "id": global(vendor) }), "NOT_FOUND input.id"),
        (
            json!({ "supplierId": global(vendor) }),
            "UNKNOWN_ORGANISATION input.supplierId",
        ),
        (
            json!({ "supplierId": null }),
            "UNKNOWN_ORGANISATION input.supplierId",
        ),
    ];
    for (different, expected) in cases {
        let mut input = router.clone();
        input["number"] = json!("RT-2");
        for (field, value) in different.as_object().unwrap() {
            input[field] = value.clone();
        }
        let payload = scene.save(&ministry(), input).await;
        assert_eq!(errors(&payload), [expected], "{different}");
    }
    // Another supplier's, and those who keep none.
    let rival = scene.editor(scene.other);
    let mut mine = router.clone();
    mine["number"] = json!("RT-2");
    assert_eq!(
        errors(&scene.save(&rival, mine.clone()).await),
        ["FORBIDDEN input.supplierId"]
    );
    mine["id"] = kept["id"].clone();
    assert_eq!(
        errors(&scene.save(&rival, mine).await),
        ["FORBIDDEN input.id"]
    );
    let models = "SELECT count(*) FROM hardware_model";
    assert_eq!(scene.api.database.number(models).await, 2);
    let viewer = member(Kind::Supplier, scene.maker, Role::Viewer);
    let document = "mutation ($input: HardwareModelSaveInput!) { hardwareModelSave(input: $input) { userErrors { code } } }";
    let response = scene
        .api
        .call(&viewer, document, json!({ "input": router }))
        .await;
    assert_eq!(response["errors"][0]["extensions"]["code"], "Forbidden");
}

#[rstest]
#[tokio::test]
async fn a_dry_run_writes_nothing_and_a_repeated_request_writes_once(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let maker = scene.editor(scene.maker);
    let models = "SELECT count(*) FROM hardware_model";
    let mut input = scene.reader();
    input["dryRun"] = json!(true);
    assert_eq!(
        errors(&scene.save(&maker, input.clone()).await),
        Vec::<String>::new()
    );
    assert_eq!(scene.api.database.number(models).await, 0);
    input["dryRun"] = json!(false);
    input["idempotencyKey"] = json!("once");
    let first = scene.save(&maker, input.clone()).await;
    let again = scene.save(&maker, input).await;
    assert_eq!(first["hardwareModel"]["id"], again["hardwareModel"]["id"]);
    assert_eq!(scene.api.database.number(models).await, 1);
    // Two at once of the same number: one of them is there.
    let mut input = scene.reader();
    input["number"] = json!("MC-2");
    let (one, other) = tokio::join!(
        scene.save(&maker, input.clone()),
        scene.save(&maker, input.clone())
    );
    let mut told = [errors(&one), errors(&other)].concat();
    told.sort();
    assert_eq!(told, ["TAKEN input.number"]);
}
