//! The directory of vendors and support contractors: who finds whom, who keeps what, and what is refused.

use kaitsu::{
    api::{NodeId, node_id::NodeKind},
    auth::{Actor, OrganisationKind as Kind, Role},
    db::{Backend, OrganisationId, Query},
};
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::{
    accounts::anonymous,
    api::{Api, errors, member, ministry},
};

const UPDATE: &str = "mutation ($input: VendorUpdateInput!) { vendorUpdate(input: $input) {
    vendor { name acceptsWork introduction areas systems contacts { label phone email url } version }
    userErrors { code path message } } }";
const NAMES: &str = "query ($filter: VendorFilter, $first: Int, $after: String, $last: Int, $before: String) {
    vendors(filter: $filter, first: $first, after: $after, last: $last, before: $before) {
        totalCount nodes { name } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }";

/// Two vendors, a contractor and a chain.
struct Scene {
    api: Api,
    north: OrganisationId,
    south: OrganisationId,
    helper: OrganisationId,
    chain: OrganisationId,
}

impl Scene {
    async fn new(backend: Backend) -> Self {
        let api = Api::new(backend).await;
        let north = named(&api, Kind::Vendor, "北海システム", "ホッカイシステム").await;
        let south = named(&api, Kind::Vendor, "南洋メディカル", "ナンヨウメディカル").await;
        let helper = named(
            &api,
            Kind::SupportContractor,
            "設置サポート",
            "セッチサポート",
        )
        .await;
        let chain = named(
            &api,
            Kind::Chain,
            "みなと薬局チェーン",
            "ミナトヤッキョクチェーン",
        )
        .await;
        Self {
            api,
            north,
            south,
            helper,
            chain,
        }
    }

    fn editor(&self, of: OrganisationId) -> Actor {
        let kind = match of {
            of if of == self.helper => Kind::SupportContractor,
            of if of == self.chain => Kind::Chain,
            _ => Kind::Vendor,
        };
        member(kind, of, Role::Editor)
    }

    async fn update(&self, actor: &Actor, vendor: OrganisationId, told: Value) -> Value {
        let mut input = json!({ "vendorId": id(vendor) });
        input
            .as_object_mut()
            .unwrap()
            .extend(told.as_object().unwrap().clone());
        let data = self
            .api
            .data(actor, UPDATE, json!({ "input": input }))
            .await;
        data["vendorUpdate"].clone()
    }

    async fn names(&self, filter: Value) -> Vec<String> {
        let asked = json!({ "first": 100, "filter": filter });
        let data = self.api.data(&ministry(), NAMES, asked).await;
        let names = names(&data["vendors"]);
        assert_eq!(data["vendors"]["totalCount"], names.len());
        names
    }

    /// Everything that a refused update must leave alone.
    async fn rows(&self) -> i64 {
        let tables = [
            "vendor_profile",
            "vendor_area",
            "vendor_system",
            "vendor_contact",
            "change",
        ];
        let counts = tables.map(|table| format!("(SELECT count(*) FROM {table})"));
        let all = format!("SELECT {}", counts.join(" + "));
        self.api.database.number(&all).await
    }
}

async fn named(api: &Api, kind: Kind, name: &str, kana: &str) -> OrganisationId {
    let organisation = api.organisation(kind, name).await;
    Query::with(
        "UPDATE organisation SET name_kana = $1 WHERE id = $2",
        [kana.into(), organisation.0.into()],
    )
    .execute(api.services.database.write())
    .await
    .unwrap();
    organisation
}

fn id(vendor: OrganisationId) -> String {
    NodeId::new(NodeKind::Vendor, vendor.0).encode().0
}

fn names(list: &Value) -> Vec<String> {
    let nodes = list["nodes"].as_array().unwrap().iter();
    nodes
        .map(|node| node["name"].as_str().unwrap().to_owned())
        .collect()
}

#[rstest]
#[tokio::test]
async fn everyone_is_found_by_name_area_system_and_whether_they_take_on_work(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let told = [
        (
            scene.north,
            json!({ "areas": ["HOKKAIDO", "AOMORI"], "systems": ["ＯＲＣＡ", "Ｐａｌｅｔｔｅ"], "acceptsWork": true }),
        ),
        (
            scene.south,
            json!({ "areas": ["OKINAWA"], "systems": ["orca クラウド"], "acceptsWork": false }),
        ),
        (scene.helper, json!({ "areas": ["AOMORI"] })),
    ];
    for (vendor, told) in told {
        let payload = scene.update(&ministry(), vendor, told).await;
        assert_eq!(errors(&payload), Vec::<String>::new());
    }
    let (north, south, helper) = ("北海システム", "南洋メディカル", "設置サポート");
    for (filter, expected) in [
        (json!(null), vec![helper, south, north]),
        (json!({}), vec![helper, south, north]),
        (json!({ "kinds": ["VENDOR"] }), vec![south, north]),
        (json!({ "kinds": ["SUPPORT_CONTRACTOR"] }), vec![helper]),
        (json!({ "areas": ["AOMORI"] }), vec![helper, north]),
        (
            json!({ "areas": ["OKINAWA", "HOKKAIDO"] }),
            vec![south, north],
        ),
        (json!({ "areas": ["TOKYO"] }), vec![]),
        (json!({ "system": "Orca" }), vec![south, north]),
        (json!({ "system": "ｸﾗｳﾄﾞ" }), vec![south]),
        (json!({ "search": "めでぃかる" }), vec![south]),
        (json!({ "search": "北海" }), vec![north]),
        (json!({ "search": "みなと" }), vec![]),
        (json!({ "acceptsWork": true }), vec![north]),
        (json!({ "acceptsWork": false }), vec![south]),
        (
            json!({ "areas": ["AOMORI"], "acceptsWork": true, "kinds": ["SUPPORT_CONTRACTOR"] }),
            vec![],
        ),
    ] {
        assert_eq!(scene.names(filter.clone()).await, expected, "{filter}");
    }
}

#[rstest]
#[tokio::test]
async fn the_directory_is_read_page_by_page_from_either_end(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    for number in 0..3 {
        // The same kana: the order goes on by the row.
        named(
            &scene.api,
            Kind::Vendor,
            &format!("同名{number}"),
            "ナンヨウメディカル",
        )
        .await;
    }
    let all = scene.names(json!(null)).await;
    assert_eq!(all.len(), 6);
    for (size, from, to) in [
        ("first", "after", "endCursor"),
        ("last", "before", "startCursor"),
    ] {
        let mut seen: Vec<String> = Vec::new();
        let mut cursor = Value::Null;
        loop {
            let asked = json!({ size: 2, from: cursor });
            let page = scene.api.data(&ministry(), NAMES, asked).await["vendors"].clone();
            let names = names(&page);
            assert!(names.len() <= 2);
            if size == "first" {
                seen.extend(names);
            } else {
                seen.splice(0..0, names);
            }
            let more = if size == "first" {
                "hasNextPage"
            } else {
                "hasPreviousPage"
            };
            if page["pageInfo"][more] == false {
                break;
            }
            cursor = page["pageInfo"][to].clone();
        }
        assert_eq!(seen, all, "{size}");
    }
    let other = json!({ "first": 2, "after": "bm90aGluZw" });
    let refused = scene.api.call(&ministry(), NAMES, other).await;
    assert_eq!(refused["errors"][0]["extensions"]["code"], "BAD_CURSOR");
}

#[rstest]
#[tokio::test]
async fn the_public_reads_support_contractors_and_nobody_else(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let list = "{ supportContractors(first: 10) { totalCount nodes { id name kind } } }";
    let data = scene.api.data(&anonymous(), list, json!({})).await;
    assert_eq!(
        data["supportContractors"],
        json!({ "totalCount": 1, "nodes": [
            { "id": id(scene.helper), "name": "設置サポート", "kind": "SUPPORT_CONTRACTOR" }] })
    );
    let refused = scene
        .api
        .call(
            &anonymous(),
            "{ vendors(first: 10) { totalCount } }",
            json!({}),
        )
        .await;
    assert_eq!(
        refused["errors"][0]["extensions"]["code"],
        "Unauthenticated"
    );
}

#[rstest]
#[tokio::test]
async fn a_vendor_keeps_its_own_entry_and_staff_keep_everyones(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let told = json!({ "acceptsWork": true });
    let nobodys: [(OrganisationId, Vec<String>); 2] = [
        (scene.north, vec![]),
        (scene.south, vec!["FORBIDDEN input.vendorId".to_owned()]),
    ];
    for (vendor, expected) in nobodys {
        let payload = scene
            .update(&scene.editor(scene.north), vendor, told.clone())
            .await;
        assert_eq!(errors(&payload), expected);
    }
    let by_helper = scene
        .update(&scene.editor(scene.helper), scene.north, told.clone())
        .await;
    assert_eq!(errors(&by_helper), ["FORBIDDEN input.vendorId"]);
    let by_staff = scene.update(&ministry(), scene.south, told.clone()).await;
    assert_eq!(by_staff["vendor"]["acceptsWork"], true);

    // A chain is in no directory, and an organisation's id names no vendor.
    for stranger in [
        id(scene.chain),
        NodeId::new(NodeKind::Organisation, scene.north.0)
            .encode()
            .0,
    ] {
        let input = json!({ "input": { "vendorId": stranger, "acceptsWork": true } });
        let data = scene.api.data(&ministry(), UPDATE, input).await;
        assert_eq!(errors(&data["vendorUpdate"]), ["NOT_FOUND input.vendorId"]);
    }
    for (kind, role) in [(Kind::Vendor, Role::Viewer), (Kind::Chain, Role::Admin)] {
        let actor = member(kind, scene.north, role);
        let input = json!({ "input": { "vendorId": id(scene.north), "acceptsWork": false } });
        let refused = scene.api.call(&actor, UPDATE, input).await;
        assert_eq!(
            refused["errors"][0]["extensions"]["code"], "Forbidden",
            "{kind:?}"
        );
    }
}

#[rstest]
#[tokio::test]
async fn what_is_told_replaces_what_was_told_and_the_rest_stays(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let north = scene.editor(scene.north);
    let told = json!({
        "introduction": " 北海道の医療機関を支えて三十年。\n夜間も対応します。 ",
        "areas": ["AOMORI", "HOKKAIDO", "AOMORI"], "systems": ["ORCA", " Palette "],
        "contacts": [{ "label": "導入窓口", "phone": "011-000-0000", "email": "", "url": "https://example.jp/導入" }],
    });
    let first = scene.update(&north, scene.north, told.clone()).await;
    assert_eq!(
        first,
        json!({ "userErrors": [], "vendor": {
        "name": "北海システム", "acceptsWork": null, "introduction": "北海道の医療機関を支えて三十年。\n夜間も対応します。",
        "areas": ["HOKKAIDO", "AOMORI"], "systems": ["ORCA", "Palette"], "version": 1,
        "contacts": [{ "label": "導入窓口", "phone": "011-000-0000", "email": null, "url": "https://example.jp/導入" }] } })
    );
    let changes = scene.rows().await;
    let same = scene.update(&north, scene.north, told).await;
    assert_eq!(same, first, "what is told already changes nothing");
    assert_eq!(scene.rows().await, changes);

    let second = scene
        .update(
            &north,
            scene.north,
            json!({ "systems": ["Palette"], "expectedVersion": 1 }),
        )
        .await;
    assert_eq!(second["vendor"]["systems"], json!(["Palette"]));
    assert_eq!(second["vendor"]["areas"], json!(["HOKKAIDO", "AOMORI"]));
    assert_eq!(second["vendor"]["version"], 2);
    let stale = scene
        .update(
            &north,
            scene.north,
            json!({ "systems": [], "expectedVersion": 1 }),
        )
        .await;
    assert_eq!(errors(&stale), ["STALE_VERSION input.expectedVersion"]);
    assert_eq!(stale["vendor"]["systems"], json!(["Palette"]));
    let emptied = scene
        .update(
            &north,
            scene.north,
            json!({ "systems": [], "areas": [], "contacts": [] }),
        )
        .await;
    assert_eq!(emptied["vendor"]["contacts"], json!([]));

    let node = "query ($id: ID!) { node(id: $id) { id ... on Vendor { name version } } }";
    let node = scene
        .api
        .data(&north, node, json!({ "id": id(scene.north) }))
        .await;
    assert_eq!(
        node["node"],
        json!({ "id": id(scene.north), "name": "北海システム", "version": 3 })
    );
}

#[rstest]
#[tokio::test]
async fn every_flaw_is_told_at_its_place_and_nothing_is_written(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let north = scene.editor(scene.north);
    let before = scene.rows().await;
    let payload = scene
        .update(
            &north,
            scene.north,
            json!({
                "introduction": "長".repeat(2_001),
                "systems": ["ORCA", "ｏｒｃａ", "", "x".repeat(201), "鈴\u{7}"],
                "contacts": [
                    { "label": "", "phone": "011\n000" },
                    { "label": "窓口", "email": "nobody" },
                    { "label": "窓口", "url": "javascript:alert(1)" },
                    { "label": "窓口", "url": "https://" },
                    { "label": "窓口" },
                ],
            }),
        )
        .await;
    assert_eq!(
        errors(&payload),
        [
            "INVALID_TEXT input.introduction",
            "DUPLICATE_ROW input.systems.1",
            "MISSING input.systems.2",
            "INVALID_TEXT input.systems.3",
            "INVALID_TEXT input.systems.4",
            "MISSING input.contacts.0.label",
            "INVALID_TEXT input.contacts.0.phone",
            "INVALID_EMAIL input.contacts.1.email",
            "INVALID_TEXT input.contacts.2.url",
            "INVALID_TEXT input.contacts.3.url",
            "MISSING input.contacts.4",
        ]
    );
    assert_eq!(payload["vendor"]["version"], 0);
    let many: Vec<String> = (0..51).map(|number| format!("system {number}")).collect();
    let contacts = vec![json!({ "label": "窓口", "phone": "1" }); 11];
    let payload = scene
        .update(
            &north,
            scene.north,
            json!({ "systems": many, "contacts": contacts }),
        )
        .await;
    assert_eq!(
        errors(&payload),
        ["OUT_OF_RANGE input.systems", "OUT_OF_RANGE input.contacts"]
    );
    assert_eq!(scene.rows().await, before);
}

#[rstest]
#[tokio::test]
async fn a_repeated_update_has_one_effect_and_a_dry_one_none(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let north = scene.editor(scene.north);
    let before = scene.rows().await;
    let dry = scene
        .update(
            &north,
            scene.north,
            json!({ "acceptsWork": true, "dryRun": true }),
        )
        .await;
    assert_eq!(errors(&dry), Vec::<String>::new());
    assert_eq!(scene.rows().await, before);

    let told = json!({ "acceptsWork": true, "idempotencyKey": "one" });
    let first = scene.update(&north, scene.north, told.clone()).await;
    let other = json!({ "acceptsWork": false });
    scene.update(&north, scene.north, other).await;
    let again = scene.update(&north, scene.north, told).await;
    assert_eq!(first["vendor"]["version"], 1);
    assert_eq!(
        again["vendor"]["acceptsWork"], false,
        "told by the later update"
    );
    assert_eq!(again["vendor"]["version"], 2);
    let reused = json!({ "acceptsWork": false, "idempotencyKey": "one" });
    let reused = scene.update(&north, scene.north, reused).await;
    assert_eq!(
        errors(&reused),
        ["IDEMPOTENCY_KEY_REUSED input.idempotencyKey"]
    );
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_who_update_one_entry_at_once_both_count(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let north = scene.editor(scene.north);
    let told = (0..16).map(|number| {
        let systems = json!({ "systems": [format!("system {number}"), "ORCA"] });
        scene.update(&north, scene.north, systems)
    });
    for payload in futures_util::future::join_all(told).await {
        assert_eq!(errors(&payload), Vec::<String>::new());
    }
    let one = scene
        .update(&ministry(), scene.north, json!({ "acceptsWork": true }))
        .await;
    assert_eq!(one["vendor"]["version"], 17);
    assert_eq!(one["vendor"]["systems"].as_array().unwrap().len(), 2);
    assert_eq!(
        scene
            .api
            .database
            .number("SELECT count(*) FROM change")
            .await,
        17
    );
}
