//! Worklists: what is next, and filters that people keep.

use chrono::TimeDelta;
use kaitsu::{
    api::{NodeId, node_id::NodeKind},
    auth::{Actor, Identity, OrganisationKind as Kind, Role},
    db::{Backend, OrganisationId, UserId},
    facility::{FeeTable, InstitutionCode, Prefecture},
};
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::api::{Api, errors, global, member, ministry};

/// Clinics of two vendors. It is Sunday, 2021-12-19.
struct Scene {
    api: Api,
    vendor: OrganisationId,
    rival: OrganisationId,
    helper: OrganisationId,
}

impl Scene {
    /// The first so many clinics engage the vendor, the next the rival.
    async fn new(backend: Backend) -> Self {
        let api = Api::new(backend).await;
        let scene = Self {
            vendor: api.organisation(Kind::Vendor, "あおばシステム").await,
            rival: api.organisation(Kind::Vendor, "ライバル").await,
            helper: api
                .organisation(Kind::SupportContractor, "設置サポート")
                .await,
            api,
        };
        for number in 1..=7 {
            scene
                .api
                .register(&code(number), "MEDICAL_CLINIC", &format!("医院{number}"))
                .await;
            let vendor = if number < 7 {
                scene.vendor
            } else {
                scene.rival
            };
            let link =
                json!({ "kind": "VENDOR", "organisationId": global(vendor), "on": "2020-04-01" });
            scene.done("facilityLink", number, link).await;
            let applied = json!({ "milestone": "READER_APPLIED", "on": "2021-06-01" });
            scene.done("milestoneRecord", number, applied).await;
        }
        scene
    }

    async fn done(&self, name: &str, number: u32, more: Value) {
        let mut input = more;
        input["facility"] = json!({ "code": code(number) });
        self.api.done(name, input).await;
    }

    async fn planned(&self, number: u32, milestone: &str, on: &str) {
        self.done(
            "milestonePlan",
            number,
            json!({ "milestone": milestone, "on": on }),
        )
        .await;
    }

    async fn blocked(&self, number: u32, blocker: &str, on: &str) {
        self.done(
            "blockerOpen",
            number,
            json!({ "blocker": blocker, "on": on }),
        )
        .await;
    }

    async fn resolved(&self, number: u32, blocker: &str, on: &str) {
        self.done(
            "blockerResolve",
            number,
            json!({ "blocker": blocker, "on": on }),
        )
        .await;
    }

    /// What is next, in words.
    async fn next(&self, actor: &Actor, arguments: &str) -> Vec<String> {
        let document = format!(
            "{{ nextSteps(first: 100{arguments}) {{ nodes {{ reason facility {{ name }} milestone day businessDays }} }} }}"
        );
        let data = self.api.data(actor, &document, json!({})).await;
        let nodes = data["nextSteps"]["nodes"].as_array().unwrap().iter();
        nodes.map(told).collect()
    }

    async fn save(&self, actor: &Actor, input: Value) -> Value {
        let mut input = input;
        if input["organisationId"].is_null() {
            input["organisationId"] = json!(global(self.vendor));
        }
        let selection =
            "savedFilter { id name shared isOwn filter version } userErrors { code path message }";
        self.api
            .mutate(actor, "savedFilterSave", input, selection)
            .await
    }

    async fn kept(&self, actor: &Actor) -> Vec<String> {
        let document = "{ savedFilters { name shared isOwn organisation { name } } }";
        let data = self.api.data(actor, document, json!({})).await;
        let filters = data["savedFilters"].as_array().unwrap().iter();
        filters
            .map(|one| {
                format!(
                    "{} {} {}",
                    one["name"].as_str().unwrap(),
                    one["shared"],
                    one["isOwn"]
                )
            })
            .collect()
    }
}

fn told(node: &Value) -> String {
    format!(
        "{} {} {} {} {}",
        node["reason"].as_str().unwrap(),
        node["facility"]["name"].as_str().unwrap_or("-"),
        node["milestone"].as_str().unwrap_or("-"),
        node["day"].as_str().unwrap(),
        node["businessDays"]
    )
}

fn code(number: u32) -> String {
    InstitutionCode::with_check_digit(Prefecture::FIRST, FeeTable::Medical, number).to_string()
}

/// Another member of the same organisation.
fn colleague(of: &Actor, number: i64, role: Role) -> Actor {
    let mut actor = of.clone();
    actor.identity = Identity::User(UserId(number));
    actor.grants[0].role = role;
    actor
}

#[rstest]
#[tokio::test]
async fn overdue_comes_first_then_this_week_then_what_was_unblocked(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    // Monday, so that the week lies ahead.
    scene.api.services.clock.advance(TimeDelta::days(1));
    scene.planned(1, "INSTALLED", "2021-12-10").await;
    scene.planned(1, "LIVE", "2021-12-24").await;
    scene.planned(2, "INSTALLED", "2021-11-30").await;
    scene.planned(3, "INSTALLED", "2021-12-20").await;
    scene.planned(3, "READY", "2021-12-26").await;
    scene.planned(4, "INSTALLED", "2021-12-27").await;
    scene.planned(7, "INSTALLED", "2021-12-01").await;
    // What only the Payment Fund records is not a vendor's to do.
    scene.planned(4, "CERTIFICATE_ISSUED", "2021-12-01").await;
    // Resolved on the last business day before, or today; or earlier; or something else still holds it up.
    for (number, blockers, resolved) in [
        (4, &["NO_PC"][..], "2021-12-17"),
        (5, &["LINE", "BUDGET"], "2021-12-20"),
        (6, &["LINE"], "2021-12-16"),
        (7, &["LINE"], "2021-12-20"),
    ] {
        for blocker in blockers {
            scene.blocked(number, blocker, "2021-12-01").await;
            scene.resolved(number, blocker, resolved).await;
        }
    }
    scene.blocked(3, "NO_PC", "2021-12-01").await;
    scene.blocked(3, "LINE", "2021-12-01").await;
    scene.resolved(3, "LINE", "2021-12-17").await;
    let vendor = member(Kind::Vendor, scene.vendor, Role::Viewer);
    let everything = [
        "OVERDUE 医院2 INSTALLED 2021-11-30 14",
        "OVERDUE 医院1 INSTALLED 2021-12-10 6",
        "PROMISED_THIS_WEEK 医院3 INSTALLED 2021-12-20 0",
        "PROMISED_THIS_WEEK 医院1 LIVE 2021-12-24 4",
        "PROMISED_THIS_WEEK 医院3 READY 2021-12-26 4",
        "UNBLOCKED 医院5 - 2021-12-20 0",
        "UNBLOCKED 医院4 - 2021-12-17 1",
    ];
    assert_eq!(scene.next(&vendor, "").await, everything);
    assert_eq!(
        scene.next(&vendor, ", reasons: [UNBLOCKED, OVERDUE]").await,
        [&everything[..2], &everything[5..]].concat()
    );
    // Page by page, the same; and counted.
    let mut found = Vec::new();
    let mut after = String::new();
    loop {
        let document = format!(
            "{{ nextSteps(first: 2{after}) {{ overdueCount promisedThisWeekCount unblockedCount pageInfo {{ hasNextPage endCursor }}
             nodes {{ reason facility {{ name }} milestone day businessDays }} }} }}"
        );
        let data = scene.api.data(&vendor, &document, json!({})).await;
        let page = &data["nextSteps"];
        assert_eq!(
            json!([
                page["overdueCount"],
                page["promisedThisWeekCount"],
                page["unblockedCount"]
            ]),
            json!([2, 3, 2])
        );
        found.extend(page["nodes"].as_array().unwrap().iter().map(told));
        if page["pageInfo"]["hasNextPage"] == false {
            break;
        }
        after = format!(
            ", after: \"{}\"",
            page["pageInfo"]["endCursor"].as_str().unwrap()
        );
    }
    assert_eq!(found, everything);
    // Those who look on see every promise.
    let staff = scene.next(&ministry(), ", reasons: [OVERDUE]").await;
    assert_eq!(staff.len(), 4);
    // What is done is done: installed, or ready without that being told.
    scene
        .done(
            "milestoneRecord",
            2,
            json!({ "milestone": "INSTALLED", "on": "2021-12-20" }),
        )
        .await;
    scene
        .done(
            "milestoneRecord",
            1,
            json!({ "milestone": "READY", "on": "2021-12-20" }),
        )
        .await;
    scene
        .done("facilityClose", 3, json!({ "on": "2021-12-20" }))
        .await;
    assert_eq!(
        scene.next(&vendor, "").await,
        [
            "PROMISED_THIS_WEEK 医院1 LIVE 2021-12-24 4",
            "UNBLOCKED 医院5 - 2021-12-20 0",
            "UNBLOCKED 医院4 - 2021-12-17 1",
        ]
    );
    // What a support contractor took over is its own to do.
    let helper = member(Kind::SupportContractor, scene.helper, Role::Editor);
    assert_eq!(scene.next(&helper, "").await, Vec::<String>::new());
    let handed = json!({ "kind": "SUPPORT_CONTRACTOR", "organisationId": global(scene.helper), "on": "2021-12-20" });
    scene.done("facilityLink", 5, handed).await;
    assert_eq!(
        scene.next(&helper, "").await,
        ["UNBLOCKED 医院5 - 2021-12-20 0"]
    );
    // A record that is mended is no resolution.
    let corrected =
        "SELECT max(id) FROM facility_event WHERE aspect = 64 AND action = 1 AND facility_id = 5";
    let event = scene.api.database.number(corrected).await;
    let mend = json!({ "eventId": NodeId::new(NodeKind::Event, event).encode().0 });
    scene.done("blockerCorrect", 5, mend).await;
    assert_eq!(
        scene.next(&helper, "").await,
        Vec::<String>::new(),
        "the line is a problem again"
    );
    let nothing = member(Kind::Supplier, scene.helper, Role::Admin);
    let denied = scene
        .api
        .call(
            &nothing,
            "{ nextSteps(first: 1) { nodes { day } } }",
            json!({}),
        )
        .await;
    assert_eq!(denied["errors"][0]["extensions"]["code"], "Forbidden");
}

#[rstest]
#[tokio::test]
async fn a_filter_is_kept_shared_used_and_removed(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let editor = member(Kind::Vendor, scene.vendor, Role::Editor);
    let viewer = colleague(&editor, 701, Role::Viewer);
    let admin = colleague(&editor, 702, Role::Admin);
    let rival = member(Kind::Vendor, scene.rival, Role::Admin);
    let filter =
        json!({ "search": "医院", "blocked": { "businessDaysAtLeast": 3, "by": ["LINE"] } });
    let payload = scene
        .save(&editor, json!({ "name": " 回線待ち ", "filter": filter }))
        .await;
    assert_eq!(errors(&payload), Vec::<String>::new());
    let kept = payload["savedFilter"].clone();
    assert_eq!(
        json!([kept["name"], kept["shared"], kept["isOwn"], kept["version"]]),
        json!(["回線待ち", false, true, 1])
    );
    let text: Value = serde_json::from_str(kept["filter"].as_str().unwrap()).unwrap();
    assert_eq!(
        text["blocked"],
        json!({ "by": ["LINE"], "businessDaysAtLeast": 3 })
    );
    // It is its keeper's alone until it is shared.
    assert_eq!(scene.kept(&editor).await, ["回線待ち false true"]);
    for other in [&viewer, &rival] {
        assert_eq!(scene.kept(other).await, Vec::<String>::new());
    }
    let worklist = async |actor: &Actor| {
        let document = "query ($id: ID!) { worklist(savedFilterId: $id, first: 10) { totalCount nodes { name } } node(id: $id) { ... on SavedFilter { name } } }";
        scene
            .api
            .data(actor, document, json!({ "id": kept["id"] }))
            .await
    };
    assert_eq!(
        worklist(&viewer).await,
        json!({ "worklist": null, "node": null })
    );
    let share = json!({ "id": kept["id"], "name": "回線待ち", "filter": filter, "shared": true, "expectedVersion": 1 });
    let shared = scene.save(&editor, share.clone()).await;
    assert_eq!(shared["savedFilter"]["version"], 2);
    let stale = scene.save(&editor, share).await;
    assert_eq!(errors(&stale), ["STALE_VERSION input.expectedVersion"]);
    assert_eq!(scene.kept(&viewer).await, ["回線待ち true false"]);
    assert_eq!(scene.kept(&rival).await, Vec::<String>::new());
    scene.blocked(2, "LINE", "2021-12-10").await;
    scene.blocked(7, "LINE", "2021-12-10").await;
    // Each sees of it what they may see.
    assert_eq!(
        worklist(&viewer).await,
        json!({ "worklist": { "totalCount": 1, "nodes": [{ "name": "医院2" }] }, "node": { "name": "回線待ち" } })
    );
    assert_eq!(
        worklist(&rival).await,
        json!({ "worklist": null, "node": null })
    );
    // Others don't change it; an administrator may take it away.
    let change = json!({ "id": kept["id"], "name": "mine", "filter": {} });
    assert_eq!(
        errors(&scene.save(&viewer, change.clone()).await),
        ["FORBIDDEN input.id"]
    );
    assert_eq!(
        errors(&scene.save(&rival, change).await),
        ["NOT_FOUND input.id"]
    );
    let delete = async |actor: &Actor, more: Value| {
        let mut input = more;
        input["id"] = kept["id"].clone();
        scene
            .api
            .mutate(
                actor,
                "savedFilterDelete",
                input,
                "savedFilter { id } userErrors { code path message }",
            )
            .await
    };
    assert_eq!(
        errors(&delete(&viewer, json!({})).await),
        ["FORBIDDEN input.id"]
    );
    assert_eq!(
        errors(&delete(&rival, json!({})).await),
        ["NOT_FOUND input.id"]
    );
    assert_eq!(
        errors(&delete(&admin, json!({ "dryRun": true })).await),
        Vec::<String>::new()
    );
    assert_eq!(scene.kept(&editor).await, ["回線待ち true true"]);
    assert_eq!(
        errors(&delete(&admin, json!({})).await),
        Vec::<String>::new()
    );
    assert_eq!(scene.kept(&editor).await, Vec::<String>::new());
    // Whoever leaves the organisation leaves its filters.
    scene
        .save(&editor, json!({ "name": "a", "filter": {} }))
        .await;
    let mut left = editor.clone();
    left.grants.clone_from(&rival.grants);
    assert_eq!(scene.kept(&left).await, Vec::<String>::new());
}

#[rstest]
#[tokio::test]
async fn a_filter_that_is_none_is_not_kept(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let editor = member(Kind::Vendor, scene.vendor, Role::Editor);
    for name in ["", " ", "a\u{7}", &"あ".repeat(101)] {
        let payload = scene
            .save(&editor, json!({ "name": name, "filter": {} }))
            .await;
        assert_eq!(errors(&payload), ["INVALID_TEXT input.name"], "{name:?}");
    }
    for organisation in [scene.rival, OrganisationId(404)] {
        let elsewhere =
            json!({ "name": "a", "filter": {}, "organisationId": global(organisation) });
        let payload = scene.save(&editor, elsewhere).await;
        assert_eq!(
            errors(&payload),
            ["UNKNOWN_ORGANISATION input.organisationId"]
        );
    }
    for bad in [
        json!({ "search": "a" }),
        json!({ "daysSinceLastMilestoneAtLeast": -1 }),
        json!({ "vendorId": "nobody" }),
    ] {
        let document = "mutation ($input: SavedFilterSaveInput!) { savedFilterSave(input: $input) { userErrors { code } } }";
        let input = json!({ "input": { "organisationId": global(scene.vendor), "name": "a", "filter": bad } });
        let answer = scene.api.call(&editor, document, input).await;
        assert!(
            answer["errors"][0]["extensions"]["code"].is_string(),
            "{bad}: {answer}"
        );
    }
    assert_eq!(scene.kept(&editor).await, Vec::<String>::new());
    // One of a name for each of its keepers, also at once; a key counts once.
    let at_once = (0..6).map(|_| scene.save(&editor, json!({ "name": "週報", "filter": {} })));
    let payloads = futures_util::future::join_all(at_once).await;
    let taken = payloads
        .iter()
        .filter(|one| errors(one) == ["TAKEN input.name"]);
    assert_eq!(taken.count(), 5);
    let keyed = json!({ "name": "月報", "filter": {}, "idempotencyKey": "k" });
    let first = scene.save(&editor, keyed.clone()).await;
    assert_eq!(scene.save(&editor, keyed).await, first);
    let rename = json!({ "id": first["savedFilter"]["id"], "name": "週報", "filter": {} });
    assert_eq!(
        errors(&scene.save(&editor, rename).await),
        ["TAKEN input.name"]
    );
    assert_eq!(scene.kept(&editor).await.len(), 2);
}
