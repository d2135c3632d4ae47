//! Chains: which are large, by their applications; and scorecards beside the national average.

mod parts;
mod waves;

use std::collections::BTreeMap;

use chrono::TimeDelta;
use kaitsu::{
    api::{NodeId, node_id::NodeKind},
    auth::{Actor, OrganisationKind as Kind, Role},
    chain::entity::largest_applications,
    db::{Backend, OrganisationId},
    facility::{FeeTable, InstitutionCode, Prefecture},
};
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::api::{Api, global, member, ministry};

struct Scene {
    api: Api,
    chains: Vec<OrganisationId>,
}

impl Scene {
    async fn new(backend: Backend, chains: usize) -> Self {
        let api = Api::new(backend).await;
        let mut scene = Self {
            api,
            chains: Vec::new(),
        };
        for number in 0..chains {
            let name = format!("チェーン{number}");
            scene
                .chains
                .push(scene.api.organisation(Kind::Chain, &name).await);
        }
        scene
    }

    /// Registers stores of a chain, or of none.
    async fn stores(&self, numbers: std::ops::Range<u32>, chain: Option<usize>) {
        for number in numbers {
            self.api
                .register(&code(number), "PHARMACY", "みなと薬局")
                .await;
            if let Some(chain) = chain {
                self.link(number, chain, "2020-04-01").await;
            }
        }
    }

    async fn link(&self, number: u32, chain: usize, on: &str) {
        let id = global(self.chains[chain]);
        let link = json!({ "facility": { "code": code(number) }, "kind": "CHAIN", "organisationId": id, "on": on });
        self.api.done("facilityLink", link).await;
    }

    /// Applies for stores in one request.
    async fn applied_at_once(&self, numbers: std::ops::Range<u32>) {
        let row = |number| json!({ "facility": { "code": code(number) }, "milestone": "READER_APPLIED", "on": "2021-06-01" });
        let rows: Vec<Value> = numbers.map(row).collect();
        let document = "mutation ($input: MilestoneBulkRecordInput!) { milestoneBulkRecord(input: $input) { userErrors { code } rows { userErrors { code path message } } } }";
        let data = self
            .api
            .data(&ministry(), document, json!({ "input": { "rows": rows } }))
            .await;
        let payload = &data["milestoneBulkRecord"];
        assert_eq!(payload["userErrors"], json!([]));
        assert!(
            payload["rows"]
                .as_array()
                .unwrap()
                .iter()
                .all(|row| row["userErrors"] == json!([]))
        );
    }

    async fn applied(&self, number: u32) {
        let applied = json!({ "facility": { "code": code(number) }, "milestone": "READER_APPLIED", "on": "2021-06-01" });
        self.api.done("milestoneRecord", applied).await;
    }

    /// Stores of the largest application, by the place of the chain, where there is one of at least so many.
    async fn large(&self, least: i64) -> BTreeMap<usize, i64> {
        let database = self.api.database.db();
        let found = largest_applications(database.read(), None, least)
            .await
            .unwrap();
        let place = |chain| self.chains.iter().position(|one| *one == chain).unwrap();
        found
            .into_iter()
            .map(|(chain, one)| (place(chain), one.stores))
            .collect()
    }

    async fn chains(&self, actor: &Actor, arguments: &str) -> Vec<String> {
        let document = format!(
            "{{ chains(first: 100{arguments}) {{ nodes {{ organisation {{ name }} storeCount appliedCount isLarge largestApplication {{ storeCount }} }} }} }}"
        );
        let data = self.api.data(actor, &document, json!({})).await;
        let nodes = data["chains"]["nodes"].as_array().unwrap().iter();
        nodes
            .map(|node| {
                format!(
                    "{} {} {} {} {}",
                    node["organisation"]["name"].as_str().unwrap(),
                    node["storeCount"],
                    node["appliedCount"],
                    node["isLarge"],
                    node["largestApplication"]["storeCount"]
                )
            })
            .collect()
    }
}

fn code(number: u32) -> String {
    InstitutionCode::with_check_digit(Prefecture::FIRST, FeeTable::Dispensing, number).to_string()
}

#[rstest]
#[tokio::test]
async fn an_application_counts_what_was_applied_for_in_one_go(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend, 5).await;
    // Four at once, and two more by themselves.
    scene.stores(0..6, Some(0)).await;
    scene.applied_at_once(0..4).await;
    scene.applied(4).await;
    scene.applied(5).await;
    // Stores that had applied and were bought have not applied for this chain.
    scene.stores(10..14, None).await;
    scene.applied_at_once(10..14).await;
    for number in 10..14 {
        scene.link(number, 1, "2021-07-01").await;
    }
    // Nor have those whose application was a mistake.
    scene.stores(20..23, Some(2)).await;
    scene.applied_at_once(20..23).await;
    let mistake = "SELECT max(id) FROM facility_event WHERE aspect = 0";
    let event = scene.api.database.number(mistake).await;
    let correct = json!({ "facility": { "code": code(22) }, "eventId": NodeId::new(NodeKind::Event, event).encode().0 });
    scene.api.done("milestoneCorrect", correct).await;
    // One request for the stores of two chains is an application of each.
    scene.stores(30..33, Some(3)).await;
    scene.stores(33..36, Some(4)).await;
    scene.applied_at_once(30..36).await;
    assert_eq!(
        scene.large(3).await,
        BTreeMap::from([(0, 4), (3, 3), (4, 3)])
    );
    assert_eq!(scene.large(4).await, BTreeMap::from([(0, 4)]));
    // A sheet writes in several changes what is one application.
    scene.stores(40..45, Some(1)).await;
    for number in 40..45 {
        scene.applied(number).await;
    }
    let last = "UPDATE change SET source = 2, request_id = 'sheet 7' WHERE id IN (SELECT change_id FROM facility_event \
                WHERE aspect = 0 ORDER BY id DESC LIMIT 5)";
    assert_eq!(scene.large(4).await, BTreeMap::from([(0, 4)]));
    scene.api.database.run(last).await;
    assert_eq!(scene.large(4).await, BTreeMap::from([(0, 4), (1, 5)]));
    let some = [scene.chains[1], scene.chains[2]];
    let database = scene.api.database.db();
    let only = largest_applications(database.read(), Some(&some), 3);
    assert_eq!(only.await.unwrap().len(), 1);
}

#[rstest]
#[tokio::test]
async fn a_chain_that_applied_for_two_hundred_stores_at_once_is_large(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend, 3).await;
    scene.stores(0..200, Some(0)).await;
    scene.stores(200..203, Some(1)).await;
    scene.applied_at_once(0..199).await;
    scene.applied_at_once(200..203).await;
    let staff = ministry();
    assert_eq!(
        scene.chains(&staff, "").await,
        ["チェーン0 200 199 false null", "チェーン1 3 3 false null"],
        "a store short"
    );
    let undo = scene
        .api
        .database
        .number("SELECT max(change_id) FROM facility_event WHERE facility_id = 1")
        .await;
    let undo = json!({ "changeId": NodeId::new(NodeKind::Change, undo).encode().0 });
    scene.api.done("changeUndo", undo).await;
    scene.applied_at_once(0..200).await;
    assert_eq!(
        scene.chains(&staff, "").await,
        ["チェーン0 200 200 true 200", "チェーン1 3 3 false null"]
    );
    assert_eq!(
        scene.chains(&staff, ", isLarge: false").await,
        ["チェーン1 3 3 false null"]
    );
    let own = |place: usize| member(Kind::Chain, scene.chains[place], Role::Viewer);
    assert_eq!(
        scene.chains(&own(0), "").await,
        ["チェーン0 200 200 true 200"]
    );
    assert_eq!(
        scene.chains(&own(2), "").await,
        ["チェーン2 0 0 false null"],
        "without a store yet"
    );
    let vendor = scene.api.organisation(Kind::Vendor, "あおば").await;
    let vendor = member(Kind::Vendor, vendor, Role::Admin);
    assert_eq!(scene.chains(&vendor, "").await, Vec::<String>::new());
}

#[rstest]
#[tokio::test]
async fn a_scorecard_stands_beside_the_national_average(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend, 2).await;
    scene.stores(0..4, Some(0)).await;
    scene.stores(4..8, None).await;
    scene.applied_at_once(0..6).await;
    let finish = |number: u32, on: &str, minutes: i32| {
        let (on, scene) = (on.to_owned(), &scene);
        async move {
            let facility = json!({ "code": code(number) });
            scene
                .api
                .done("installationOpen", json!({ "facility": facility }))
                .await;
            let input =
                json!({ "facility": facility, "on": on, "minutes": minutes, "withChecks": true });
            scene.api.done("installationFinish", input).await;
            let ready = json!({ "facility": facility, "milestone": "READY", "on": on });
            scene.api.done("milestoneRecord", ready).await;
        }
    };
    finish(0, "2021-11-10", 240).await;
    finish(1, "2021-12-10", 60).await;
    finish(4, "2021-10-05", 120).await;
    let card = async |actor: &Actor, of: OrganisationId, more: &str| {
        let side = "appliedPercent readyPercent livePercent readyPointsInMonth livePointsInMonth waitingPercent monthsToClear hoursPerInstall";
        let document = format!(
            "{{ scorecard(organisationId: \"{}\"{more}) {{ organisation {{ name }} asOf facilityCount own {{ {side} }} nation {{ {side} }} }} }}",
            global(of)
        );
        scene.api.data(actor, &document, json!({})).await["scorecard"].clone()
    };
    let own = member(Kind::Chain, scene.chains[0], Role::Viewer);
    let expected = json!({ "organisation": { "name": "チェーン0" }, "asOf": "2021-12-19", "facilityCount": 4,
        "own": { "appliedPercent": 100.0, "readyPercent": 50.0, "livePercent": 0.0, "readyPointsInMonth": 25.0,
            "livePointsInMonth": 0.0, "waitingPercent": 50.0, "monthsToClear": 6.0, "hoursPerInstall": 4.0 },
        "nation": { "appliedPercent": 75.0, "readyPercent": 37.5, "livePercent": 0.0, "readyPointsInMonth": 12.5,
            "livePointsInMonth": 0.0, "waitingPercent": 37.5, "monthsToClear": 4.5, "hoursPerInstall": 3.0 } });
    for _ in 0..2 {
        assert_eq!(card(&own, scene.chains[0], "").await, expected);
        assert_eq!(card(&ministry(), scene.chains[0], "").await, expected);
        scene.api.settle_and_fold().await;
    }
    // As it was known: later records change nothing of it.
    scene.api.services.clock.advance(TimeDelta::seconds(1));
    let then = scene.api.services.clock.now().to_rfc3339();
    scene.api.services.clock.advance(TimeDelta::days(30));
    finish(2, "2021-12-11", 600).await;
    let known = format!(", asOf: \"2021-12-19\", knownAt: \"{then}\"");
    assert_eq!(card(&own, scene.chains[0], &known).await, expected);
    // Another's is nobody's business.
    assert_eq!(card(&own, scene.chains[1], "").await, Value::Null);
    assert_eq!(card(&own, OrganisationId(404), "").await, Value::Null);
    let empty = card(&ministry(), scene.chains[1], "").await;
    assert_eq!(
        json!([empty["facilityCount"], empty["own"]["appliedPercent"]]),
        json!([0, null])
    );
    let fund = scene.api.organisation(Kind::PaymentFund, "支払基金").await;
    assert_eq!(
        card(&ministry(), fund, "").await,
        Value::Null,
        "neither vendor nor chain"
    );
}
