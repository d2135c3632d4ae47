//! Corporations and areas of chains, and those who file for a chain.

use kaitsu::{
    api::{NodeId, node_id::NodeKind},
    auth::{Actor, OrganisationKind as Kind, Role},
    db::{Backend, OrganisationId},
};
use rstest::rstest;
use serde_json::{Value, json};

use super::{Scene, code};
use crate::support::api::{errors, global, member, ministry};

impl Scene {
    /// A part of a chain.
    async fn part(&self, kind: Kind, name: &str, chain: usize) -> OrganisationId {
        let part = self.api.organisation(kind, name).await;
        let chain = self.chains[chain].0;
        let part_of = format!(
            "UPDATE organisation SET parent_id = {chain} WHERE id = {}",
            part.0
        );
        self.api.database.run(&part_of).await;
        part
    }

    fn head_office(&self) -> Actor {
        member(Kind::Chain, self.chains[0], Role::Editor)
    }

    /// Links stores to an organisation in one change, or ends their links.
    async fn join(
        &self,
        actor: &Actor,
        numbers: std::ops::Range<u32>,
        kind: &str,
        to: Option<OrganisationId>,
        on: &str,
    ) -> Vec<Vec<String>> {
        let row = |number| {
            json!({ "facility": { "code": code(number) }, "action": "LINK", "on": on,
            "link": { "kind": kind, "organisationId": to.map(global) } })
        };
        let rows: Vec<Value> = numbers.map(row).collect();
        let selection =
            "changeId userErrors { code path } rows { userErrors { code path message } }";
        let input = json!({ "rows": rows, "errorPolicy": "REJECT_FAILED_ROWS" });
        let payload = self
            .api
            .mutate(actor, "facilityBulkAmend", input, selection)
            .await;
        let rows = payload["rows"].as_array().unwrap();
        rows.iter().map(errors).collect()
    }

    /// The codes of the facilities that an actor sees, by their numbers.
    async fn seen(&self, actor: &Actor, numbers: std::ops::Range<u32>) -> Vec<u32> {
        let query = "{ facilities(first: 100) { nodes { code } } }";
        let data = self.api.data(actor, query, json!({})).await;
        let nodes = data["facilities"]["nodes"].as_array().unwrap();
        numbers
            .filter(|number| nodes.iter().any(|node| node["code"] == code(*number)))
            .collect()
    }

    async fn recorded(&self, actor: &Actor, number: u32, milestone: &str) -> Vec<String> {
        let input = json!({ "facility": { "code": code(number) }, "milestone": milestone, "on": "2021-06-01" });
        let selection = "userErrors { code path message }";
        let payload = self
            .api
            .mutate(actor, "milestoneRecord", input, selection)
            .await;
        errors(&payload)
    }

    async fn parts(&self, actor: &Actor) -> Vec<String> {
        let query = "query ($chain: ID!) { chainParts(chainId: $chain, first: 10) { nodes { kind organisation { name } storeCount appliedCount } } }";
        let variables = json!({ "chain": global(self.chains[0]) });
        let data = self.api.data(actor, query, variables).await;
        let nodes = data["chainParts"]["nodes"].as_array().unwrap().iter();
        nodes
            .map(|node| {
                format!(
                    "{} {} {} {}",
                    node["kind"].as_str().unwrap(),
                    node["organisation"]["name"].as_str().unwrap(),
                    node["storeCount"],
                    node["appliedCount"]
                )
            })
            .collect()
    }
}

fn none(count: usize) -> Vec<Vec<String>> {
    vec![Vec::new(); count]
}

#[rstest]
#[tokio::test]
async fn a_part_sees_and_records_its_own_stores_and_no_others(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend, 2).await;
    scene.stores(0..6, Some(0)).await;
    scene.stores(6..8, Some(1)).await;
    let owner = scene.part(Kind::Corporation, "港湾薬局", 0).await;
    let east = scene.part(Kind::Area, "東日本", 0).await;
    let other = scene.part(Kind::Area, "他社", 1).await;
    let office = scene.head_office();
    let corporation = scene.join(&office, 0..3, "CORPORATION", Some(owner), "2021-01-01");
    assert_eq!(corporation.await, none(3));
    let area = scene.join(&office, 2..5, "AREA", Some(east), "2021-01-01");
    assert_eq!(area.await, none(3));

    let owner_editor = member(Kind::Corporation, owner, Role::Editor);
    let manager = member(Kind::Area, east, Role::Editor);
    assert_eq!(scene.seen(&owner_editor, 0..8).await, [0, 1, 2]);
    assert_eq!(scene.seen(&manager, 0..8).await, [2, 3, 4]);
    let figures = "{ rolloutFigures { total { all } } }";
    let data = scene.api.data(&manager, figures, json!({})).await;
    assert_eq!(data["rolloutFigures"]["total"]["all"], 3);
    let filtered = json!({ "filter": { "corporationId": global(owner), "areaId": global(east) } });
    let query = "query ($filter: FacilityFilter) { facilities(first: 9, filter: $filter) { nodes { code corporation { name } area { name } } } }";
    let data = scene.api.data(&office, query, filtered).await;
    assert_eq!(
        data["facilities"]["nodes"],
        json!([{ "code": code(2), "corporation": { "name": "港湾薬局" }, "area": { "name": "東日本" } }])
    );

    // The corporation applies for its stores; the area manager tells what happens in them.
    let none_of_yours = ["NOT_FOUND input.facility"];
    let nothing: [&str; 0] = [];
    assert_eq!(
        scene.recorded(&owner_editor, 3, "READER_APPLIED").await,
        none_of_yours
    );
    assert_eq!(
        scene.recorded(&owner_editor, 2, "READER_APPLIED").await,
        nothing
    );
    assert_eq!(
        scene.recorded(&manager, 3, "READER_APPLIED").await,
        ["FORBIDDEN input.facility"]
    );
    assert_eq!(scene.recorded(&manager, 2, "INSTALLED").await, nothing);
    assert_eq!(
        scene.recorded(&manager, 0, "INSTALLED").await,
        none_of_yours
    );
    let written =
        "SELECT count(*) FROM change WHERE operation = 'milestoneRecord' AND organisation_id = ";
    assert_eq!(
        scene
            .api
            .database
            .number(&format!("{written}{}", owner.0))
            .await,
        1
    );
    assert_eq!(
        scene
            .api
            .database
            .number(&format!("{written}{}", east.0))
            .await,
        1
    );

    // Whose stores are whose is for the head office to say, and of its own stores alone.
    for (actor, expected) in [
        (&owner_editor, "FORBIDDEN input.rows.0.facility"),
        (&manager, "FORBIDDEN input.rows.0.facility"),
        (
            &member(Kind::Chain, scene.chains[1], Role::Admin),
            "NOT_FOUND input.rows.0.facility",
        ),
    ] {
        let moved = scene.join(actor, 2..3, "AREA", None, "2021-02-01").await;
        assert_eq!(moved, [[expected]]);
    }
    let foreign = scene
        .join(&office, 5..6, "AREA", Some(other), "2021-02-01")
        .await;
    assert_eq!(
        foreign,
        [["NOT_ITS_CHAIN input.rows.0.link.organisationId"]]
    );
    let wrong_kind = scene
        .join(&office, 5..6, "AREA", Some(owner), "2021-02-01")
        .await;
    assert_eq!(
        wrong_kind,
        [["UNKNOWN_ORGANISATION input.rows.0.link.organisationId"]]
    );
    // Before it belonged to the chain it was nobody's part.
    let early = scene
        .join(&office, 5..6, "AREA", Some(east), "2020-03-01")
        .await;
    assert_eq!(early, [["NOT_ITS_CHAIN input.rows.0.link.organisationId"]]);

    let all = ["CORPORATION 港湾薬局 3 1", "AREA 東日本 3 1"];
    assert_eq!(scene.parts(&office).await, all);
    assert_eq!(scene.parts(&ministry()).await, all);
    assert_eq!(scene.parts(&manager).await, all[1..]);
    let rival = member(Kind::Chain, scene.chains[1], Role::Admin);
    assert_eq!(scene.parts(&rival).await, Vec::<String>::new());
    scene.api.verify().await;
}

#[rstest]
#[tokio::test]
async fn a_store_that_is_sold_leaves_the_parts_of_its_chain(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend, 2).await;
    scene.stores(0..4, Some(0)).await;
    let east = scene.part(Kind::Area, "東日本", 0).await;
    let owner = scene.part(Kind::Corporation, "港湾薬局", 0).await;
    let office = scene.head_office();
    scene
        .join(&office, 0..4, "AREA", Some(east), "2021-01-01")
        .await;
    scene
        .join(&office, 0..4, "CORPORATION", Some(owner), "2021-03-01")
        .await;
    let manager = member(Kind::Area, east, Role::Viewer);
    // Sold, closed to the chain altogether, and sold on a day before it went to the corporation.
    scene.link(0, 1, "2021-06-01").await;
    scene.join(&office, 1..2, "CHAIN", None, "2021-06-01").await;
    scene.link(2, 1, "2021-02-01").await;
    assert_eq!(scene.seen(&manager, 0..4).await, [3]);
    assert_eq!(
        scene.parts(&office).await,
        ["AREA 東日本 1 0", "CORPORATION 港湾薬局 1 0"]
    );
    let kept = "SELECT count(*) FROM facility_state WHERE area_id <> 0 OR corporation_id <> 0";
    assert_eq!(scene.api.database.number(kept).await, 1);
    // That a store joined the chain was a mistake, so that it never was a part's.
    let joined =
        "SELECT max(id) FROM facility_event WHERE aspect = 26 AND effective_on = '2020-04-01'";
    let event = NodeId::new(NodeKind::Event, scene.api.database.number(joined).await);
    let mistake = json!({ "facility": { "code": code(3) }, "eventId": event.encode().0 });
    scene.api.done("facilityCorrect", mistake).await;
    assert_eq!(scene.api.database.number(kept).await, 0);
    assert_eq!(scene.seen(&manager, 0..4).await, Vec::<u32>::new());
    scene.api.verify().await;
}

#[rstest]
#[tokio::test]
async fn whoever_files_for_a_chain_applies_and_does_nothing_else(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend, 2).await;
    scene.stores(0..4, Some(0)).await;
    scene.stores(4..5, Some(1)).await;
    let filer = member(Kind::Chain, scene.chains[0], Role::Filer);
    assert_eq!(scene.seen(&filer, 0..5).await, [0, 1, 2, 3]);
    let row = |number, milestone: &str| json!({ "facility": { "code": code(number) }, "milestone": milestone, "on": "2021-06-01" });
    let rows = json!([
        row(0, "READER_APPLIED"), row(1, "READER_APPLIED"), row(1, "USE_APPLIED"),
        row(2, "INSTALLED"), row(4, "READER_APPLIED"),
        // What it needs may be implied, and it may not be recorded.
        { "facility": { "code": code(3) }, "milestone": "READY", "on": "2021-06-01", "withOthers": true },
    ]);
    let selection = "changeId userErrors { code path } rows { userErrors { code path message } }";
    let input = json!({ "rows": rows, "errorPolicy": "REJECT_FAILED_ROWS" });
    let filed = scene
        .api
        .mutate(&filer, "milestoneBulkRecord", input, selection)
        .await;
    assert_eq!(
        errors(&filed),
        [
            "FORBIDDEN input.rows.3.facility",
            "NOT_FOUND input.rows.4.facility",
            "FORBIDDEN input.rows.5.facility"
        ]
    );
    // In the name of the chain, whose editors see it among its changes.
    let named = format!(
        "SELECT count(*) FROM change WHERE operation = 'milestoneBulkRecord' AND organisation_id = {}",
        scene.chains[0].0
    );
    assert_eq!(scene.api.database.number(&named).await, 1);
    // What was filed by mistake is taken back.
    let undone = json!({ "changeId": filed["changeId"] });
    let undone = scene
        .api
        .mutate(&filer, "changeUndo", undone, selection)
        .await;
    assert_eq!(errors(&undone), Vec::<String>::new());
    // Links, contacts and waves are no filing.
    let link = scene.join(&filer, 0..1, "CHAIN", None, "2021-06-01").await;
    assert_eq!(link, [["FORBIDDEN input.rows.0.facility"]]);
    for (name, input) in [
        (
            "facilityUpdate",
            json!({ "facility": { "code": code(0) }, "name": "別" }),
        ),
        (
            "blockerOpen",
            json!({ "facility": { "code": code(0) }, "blocker": "BUDGET", "on": "2021-06-01" }),
        ),
        ("waveSave", json!({ "name": "第一陣" })),
    ] {
        let document = format!(
            "mutation ($input: {}{}Input!) {{ {name}(input: $input) {{ userErrors {{ code }} }} }}",
            name[..1].to_uppercase(),
            &name[1..]
        );
        let response = scene
            .api
            .call(&filer, &document, json!({ "input": input }))
            .await;
        assert_eq!(
            response["errors"][0]["extensions"]["code"], "Forbidden",
            "{name}"
        );
    }
    scene.api.verify().await;
}

/// Whatever is told late or corrected, a part has stores of its own chain alone.
#[rstest]
#[tokio::test]
async fn no_part_ever_reaches_a_store_of_another_chain(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend, 2).await;
    scene.stores(0..4, Some(0)).await;
    let east = scene.part(Kind::Area, "東日本", 0).await;
    let other = scene.part(Kind::Area, "他社", 1).await;
    let manager = member(Kind::Area, east, Role::Editor);
    // Sold in June, and told afterwards that it had been of the area since March.
    scene.link(0, 1, "2021-06-01").await;
    let late = scene
        .join(&ministry(), 0..1, "AREA", Some(east), "2021-03-01")
        .await;
    assert_eq!(late, none(1));
    assert_eq!(scene.seen(&manager, 0..4).await, Vec::<u32>::new());
    // That it left the area is no mistake while it has left the chain.
    let newest = "SELECT max(id) FROM facility_event WHERE aspect = 29 AND value = 0";
    let event = NodeId::new(NodeKind::Event, scene.api.database.number(newest).await);
    let event = event.encode().0;
    let selection = "userErrors { code path message }";
    for on in [Value::Null, json!("2021-08-01")] {
        let wrong = json!({ "facility": { "code": code(0) }, "eventId": event, "on": on });
        let refused = scene
            .api
            .mutate(&ministry(), "facilityCorrect", wrong, selection)
            .await;
        assert_eq!(
            errors(&refused),
            ["NOT_ITS_CHAIN input.organisationId"],
            "{on}"
        );
    }
    // That it was sold is told to have happened before it came to the area.
    let office = scene.head_office();
    assert_eq!(
        scene
            .join(&office, 1..2, "AREA", Some(east), "2021-03-01")
            .await,
        none(1)
    );
    scene.link(1, 1, "2021-06-01").await;
    let sold = "SELECT max(id) FROM facility_event WHERE aspect = 26";
    let sold = NodeId::new(NodeKind::Event, scene.api.database.number(sold).await);
    let earlier =
        json!({ "facility": { "code": code(1) }, "eventId": sold.encode().0, "on": "2021-02-01" });
    scene.api.done("facilityCorrect", earlier).await;
    assert_eq!(scene.seen(&manager, 0..4).await, Vec::<u32>::new());
    // Who gives a store away says nothing of where it goes there.
    let row = |kind: &str, to: OrganisationId| {
        json!({ "facility": { "code": code(2) }, "action": "LINK", "on": "2021-06-01",
        "link": { "kind": kind, "organisationId": global(to) } })
    };
    let input = json!({ "rows": [row("CHAIN", scene.chains[1]), row("AREA", other)], "errorPolicy": "REJECT_FAILED_ROWS" });
    let given = scene
        .api
        .mutate(
            &office,
            "facilityBulkAmend",
            input,
            "changeId userErrors { code path message } rows { userErrors { code path message } }",
        )
        .await;
    assert_eq!(errors(&given), ["NOT_FOUND input.rows.1.facility"]);
    scene.api.verify().await;
}

/// Undoing is no way around who says which part a store belongs to; that it leaves the chain its owner says.
#[rstest]
#[tokio::test]
async fn a_corporation_leaves_the_chain_and_does_not_take_back_what_it_lost(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend, 1).await;
    scene.stores(0..2, Some(0)).await;
    let one = scene.part(Kind::Corporation, "港湾薬局", 0).await;
    let other = scene.part(Kind::Corporation, "みなと堂", 0).await;
    let office = scene.head_office();
    scene
        .join(&office, 0..2, "CORPORATION", Some(one), "2021-01-01")
        .await;
    scene
        .join(&office, 0..1, "CORPORATION", Some(other), "2021-02-01")
        .await;
    let moved = scene
        .api
        .database
        .number("SELECT max(id) FROM change")
        .await;
    let moved = NodeId::new(NodeKind::Change, moved);
    // Its editor also looks on at the head office.
    let mut editor = member(Kind::Corporation, one, Role::Editor);
    editor
        .grants
        .extend(member(Kind::Chain, scene.chains[0], Role::Viewer).grants);
    let selection = "userErrors { code path message } rows { userErrors { code path message } }";
    let input = json!({ "changeId": moved.encode().0 });
    let refused = scene
        .api
        .mutate(&editor, "changeUndo", input.clone(), selection)
        .await;
    assert_eq!(errors(&refused), ["FORBIDDEN input.rows.0.facility"]);
    let undone = scene
        .api
        .mutate(&office, "changeUndo", input, selection)
        .await;
    assert_eq!(errors(&undone), Vec::<String>::new());
    let owner = member(Kind::Corporation, one, Role::Editor);
    assert_eq!(scene.seen(&owner, 0..2).await, [0, 1]);
    assert_eq!(
        scene.join(&owner, 0..1, "CHAIN", None, "2021-06-01").await,
        none(1)
    );
    assert_eq!(scene.seen(&owner, 0..2).await, [1]);
    assert_eq!(scene.seen(&office, 0..2).await, [1]);
    scene.api.verify().await;
}
