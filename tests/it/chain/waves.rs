//! Waves: plans of stores and days, and how far they are.

use chrono::TimeDelta;
use kaitsu::{
    api::{NodeId, node_id::NodeKind},
    auth::{Actor, OrganisationKind as Kind, Role},
    db::{Backend, OrganisationId},
};
use rstest::rstest;
use serde_json::{Value, json};

use super::{Scene, code};
use crate::support::api::{errors, global, member, ministry};

const PROGRESS: &str = "progress { storeCount dueCount doneCount doneOnTimeCount overdueCount movedCount blockedCount }";

impl Scene {
    fn planner(&self) -> Actor {
        member(Kind::Chain, self.chains[0], Role::Editor)
    }

    async fn wave(&self, name: &str) -> Value {
        let payload = self.save(&self.planner(), json!({ "name": name })).await;
        assert_eq!(errors(&payload), Vec::<String>::new());
        payload["wave"]["id"].clone()
    }

    async fn save(&self, actor: &Actor, input: Value) -> Value {
        let selection =
            "wave { id name version milestone } changeId userErrors { code path message }";
        self.api.mutate(actor, "waveSave", input, selection).await
    }

    async fn plan(&self, actor: &Actor, wave: &Value, rows: Value) -> Value {
        let input = json!({ "waveId": wave, "rows": rows, "errorPolicy": "REJECT_FAILED_ROWS" });
        let selection = "changeId writtenCount userErrors { code path message } \
            rows { version eventIds userErrors { code path message } }";
        self.api
            .mutate(actor, "waveBulkPlan", input, selection)
            .await
    }

    /// Stores, due, done, done on time, overdue, moved and blocked.
    async fn progress(&self, actor: &Actor, as_of: Option<&str>) -> Vec<Vec<i64>> {
        let query = format!(
            "query ($asOf: Date) {{ waves(first: 10, asOf: $asOf) {{ nodes {{ {PROGRESS} }} }} }}"
        );
        let data = self.api.data(actor, &query, json!({ "asOf": as_of })).await;
        let nodes = data["waves"]["nodes"].as_array().unwrap().iter();
        let fields = [
            "storeCount",
            "dueCount",
            "doneCount",
            "doneOnTimeCount",
            "overdueCount",
            "movedCount",
            "blockedCount",
        ];
        nodes
            .map(|node| {
                let told = fields.iter().map(|field| node["progress"][field].as_i64());
                told.map(Option::unwrap).collect()
            })
            .collect()
    }

    async fn days(&self, wave: &Value) -> Value {
        let query = "query ($wave: ID!) { waveDays(waveId: $wave) { day plannedCount doneCount } }";
        let data = self
            .api
            .data(&self.planner(), query, json!({ "wave": wave }))
            .await;
        data["waveDays"].clone()
    }

    async fn wave_stores(&self, actor: &Actor, wave: &Value, states: Value) -> Vec<String> {
        let query = "query ($wave: ID!, $states: [WaveStoreState!], $after: String) { waveStores(waveId: $wave, states: $states, \
            first: 2, after: $after) { pageInfo { hasNextPage endCursor } nodes { facility { code } state plannedOn promisedOn doneOn lateBusinessDays } } }";
        let (mut told, mut after) = (Vec::new(), Value::Null);
        loop {
            let variables = json!({ "wave": wave, "states": states, "after": after });
            let data = self.api.data(actor, query, variables).await;
            let page = &data["waveStores"];
            if page.is_null() {
                return vec!["no such wave".to_owned()];
            }
            for node in page["nodes"].as_array().unwrap() {
                let place = (0..20).find(|number| node["facility"]["code"] == code(*number));
                told.push(format!(
                    "{} {} {} {} {} {}",
                    place.unwrap(),
                    node["state"].as_str().unwrap(),
                    node["plannedOn"].as_str().unwrap(),
                    node["promisedOn"].as_str().unwrap_or("-"),
                    node["doneOn"].as_str().unwrap_or("-"),
                    node["lateBusinessDays"]
                ));
            }
            if page["pageInfo"]["hasNextPage"] == false {
                return told;
            }
            after = page["pageInfo"]["endCursor"].clone();
        }
    }

    async fn promised(&self, number: u32) -> Value {
        let query = "query ($code: String!) { facilityByCode(code: $code) { milestones { milestone plannedOn } } }";
        let variables = json!({ "code": code(number) });
        let data = self.api.data(&ministry(), query, variables).await;
        let all = data["facilityByCode"]["milestones"].as_array().unwrap();
        let installed = all.iter().find(|one| one["milestone"] == "INSTALLED");
        installed.unwrap()["plannedOn"].clone()
    }

    async fn told(&self, name: &str, number: u32, fields: Value) {
        let mut input = json!({ "facility": { "code": code(number) } });
        for (field, value) in fields.as_object().unwrap() {
            input[field] = value.clone();
        }
        self.api.done(name, input).await;
    }
}

fn row(number: u32, on: Option<&str>) -> Value {
    json!({ "facility": { "code": code(number) }, "on": on })
}

/// The scene's today is 2021-12-19, a Sunday.
#[rstest]
#[tokio::test]
async fn a_wave_promises_its_days_and_tells_how_far_it_is(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend, 2).await;
    scene.stores(0..7, Some(0)).await;
    let planner = scene.planner();
    let wave = scene.wave("第一陣").await;
    assert_eq!(scene.progress(&planner, None).await, [[0; 7]]);
    assert_eq!(scene.days(&wave).await, json!([]));
    // One is installed already, and one promised for the day that the wave has.
    scene
        .told(
            "milestoneRecord",
            0,
            json!({ "milestone": "INSTALLED", "on": "2021-12-01" }),
        )
        .await;
    scene
        .told(
            "milestonePlan",
            1,
            json!({ "milestone": "INSTALLED", "on": "2021-12-10" }),
        )
        .await;
    let rows = json!([
        row(0, Some("2021-12-10")),
        row(1, Some("2021-12-10")),
        row(2, Some("2021-12-10")),
        row(3, Some("2021-12-10")),
        row(4, Some("2022-01-14")),
        row(5, Some("2022-01-14")),
    ]);
    let planned = scene.plan(&planner, &wave, rows).await;
    assert_eq!(errors(&planned), Vec::<String>::new());
    assert_eq!(planned["writtenCount"], 6);
    // Nothing to promise: the facility stays as it is.
    assert_eq!(planned["rows"][0]["eventIds"], json!([]));
    assert_eq!(planned["rows"][0]["version"], 3);
    assert_eq!(planned["rows"][2]["version"], 3);
    assert_eq!(scene.promised(2).await, "2021-12-10");
    scene
        .told(
            "milestoneRecord",
            1,
            json!({ "milestone": "INSTALLED", "on": "2021-12-14" }),
        )
        .await;
    scene
        .told(
            "milestonePlan",
            2,
            json!({ "milestone": "INSTALLED", "on": "2021-12-22" }),
        )
        .await;
    scene
        .told(
            "blockerOpen",
            4,
            json!({ "blocker": "NO_ROUTER", "on": "2021-12-15" }),
        )
        .await;
    assert_eq!(
        scene.progress(&planner, None).await,
        [[6, 4, 2, 1, 2, 1, 1]]
    );
    assert_eq!(
        scene.progress(&planner, Some("2021-12-12")).await,
        [[6, 4, 1, 1, 3, 1, 1]]
    );
    assert_eq!(
        scene.progress(&planner, Some("2021-11-30")).await,
        [[6, 0, 0, 0, 0, 1, 1]]
    );
    assert_eq!(
        scene.days(&wave).await,
        json!([
            { "day": "2021-12-01", "plannedCount": 0, "doneCount": 1 },
            { "day": "2021-12-10", "plannedCount": 4, "doneCount": 1 },
            { "day": "2021-12-14", "plannedCount": 4, "doneCount": 2 },
            { "day": "2021-12-19", "plannedCount": 4, "doneCount": 2 },
            { "day": "2022-01-14", "plannedCount": 6, "doneCount": null },
        ])
    );
    let all = [
        "0 DONE_ON_TIME 2021-12-10 - 2021-12-01 0",
        "1 DONE_LATE 2021-12-10 2021-12-10 2021-12-14 2",
        "2 OVERDUE 2021-12-10 2021-12-22 - 8",
        "3 OVERDUE 2021-12-10 2021-12-10 - 5",
        "4 TO_COME 2022-01-14 2022-01-14 - 0",
        "5 TO_COME 2022-01-14 2022-01-14 - 0",
    ];
    assert_eq!(scene.wave_stores(&planner, &wave, json!([])).await, all);
    assert_eq!(
        scene.wave_stores(&planner, &wave, json!(["OVERDUE"])).await,
        all[2..4]
    );
    assert_eq!(
        scene
            .wave_stores(&planner, &wave, json!(["DONE_LATE", "TO_COME"]))
            .await,
        [all[1], all[4], all[5]]
    );

    // Sold: it is no longer the chain's to tell of.
    scene.link(3, 1, "2021-12-16").await;
    assert_eq!(
        scene.progress(&planner, None).await,
        [[5, 3, 2, 1, 1, 1, 1]]
    );
    // The vendor of a store sees the wave, and of it that store.
    let vendor = scene.api.organisation(Kind::Vendor, "あおばシステム").await;
    let engaged = json!({ "kind": "VENDOR", "organisationId": global(vendor), "on": "2021-06-01" });
    scene.told("facilityLink", 4, engaged).await;
    let at_work = member(Kind::Vendor, vendor, Role::Editor);
    assert_eq!(
        scene.progress(&at_work, None).await,
        [[1, 0, 0, 0, 0, 0, 1]]
    );
    assert_eq!(
        scene.wave_stores(&at_work, &wave, json!([])).await,
        all[4..5]
    );
    let refused = scene
        .plan(&at_work, &wave, json!([row(4, Some("2022-01-20"))]))
        .await;
    assert_eq!(errors(&refused), ["FORBIDDEN input.waveId"]);
    let rival = member(Kind::Chain, scene.chains[1], Role::Admin);
    assert_eq!(scene.progress(&rival, None).await, Vec::<Vec<i64>>::new());
    assert_eq!(
        scene.wave_stores(&rival, &wave, json!([])).await,
        ["no such wave"]
    );
    assert_eq!(
        scene.progress(&ministry(), None).await,
        [[5, 3, 2, 1, 1, 1, 1]]
    );
    scene.api.verify().await;
}

#[rstest]
#[tokio::test]
async fn every_row_is_answered_and_the_whole_is_undone(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend, 2).await;
    scene.stores(0..5, Some(0)).await;
    scene.stores(5..6, Some(1)).await;
    let planner = scene.planner();
    let wave = scene.wave("第一陣").await;
    let mut stale = row(3, Some("2022-01-14"));
    stale["expectedVersion"] = json!(99);
    let rows = json!([
        row(0, Some("2022-01-14")),
        row(0, Some("2022-01-15")),
        row(5, Some("2022-01-14")),
        row(1, None),
        row(2, Some("2019-01-14")),
        stale,
    ]);
    let planned = scene.plan(&planner, &wave, rows).await;
    assert_eq!(
        errors(&planned),
        [
            "DUPLICATE_ROW input.rows.1",
            "NOT_FOUND input.rows.2.facility",
            "NOTHING_TO_DO input.rows.3",
            "DATE_TOO_EARLY input.rows.4.on",
            "STALE_VERSION input.rows.5.expectedVersion"
        ]
    );
    let by_ministry = scene
        .plan(&ministry(), &wave, json!([row(5, Some("2022-01-14"))]))
        .await;
    assert_eq!(
        errors(&by_ministry),
        ["NOT_ITS_CHAIN input.rows.0.facility"]
    );
    let again = scene
        .plan(&planner, &wave, json!([row(0, Some("2022-01-14"))]))
        .await;
    assert_eq!(errors(&again), ["NOTHING_TO_DO input.rows.0"]);

    // Moved, added and taken out in one change, which is then undone, and that in turn.
    scene
        .told(
            "milestonePlan",
            1,
            json!({ "milestone": "INSTALLED", "on": "2022-01-20" }),
        )
        .await;
    let rows = json!([
        row(0, Some("2022-01-17")),
        row(1, Some("2022-01-20")),
        row(2, Some("2022-01-18"))
    ]);
    let changed = scene.plan(&planner, &wave, rows).await;
    assert_eq!(errors(&changed), Vec::<String>::new());
    let taken_out = scene.plan(&planner, &wave, json!([row(2, None)])).await;
    assert_eq!(errors(&taken_out), Vec::<String>::new());
    let now = [
        "0 TO_COME 2022-01-17 2022-01-17 - 0",
        "1 TO_COME 2022-01-20 2022-01-20 - 0",
    ];
    assert_eq!(scene.wave_stores(&planner, &wave, json!([])).await, now);
    assert_eq!(
        scene.promised(2).await,
        "2022-01-18",
        "what was promised stays promised"
    );
    let undo = async |change: &Value| {
        let selection = "changeId writtenCount userErrors { code path message } rows { version userErrors { code path message } }";
        let input = json!({ "changeId": change });
        scene
            .api
            .mutate(&planner, "changeUndo", input, selection)
            .await
    };
    // What was planned anew since is refused, the rest goes back.
    let undone = undo(&changed["changeId"]).await;
    assert_eq!(errors(&undone), ["CHANGED_SINCE input.rows.1.changeId"]);
    assert_eq!(
        scene.wave_stores(&planner, &wave, json!([])).await,
        ["0 TO_COME 2022-01-14 2022-01-14 - 0"]
    );
    assert_eq!(scene.promised(2).await, "2022-01-18");
    let again = undo(&undone["changeId"]).await;
    assert_eq!(errors(&again), Vec::<String>::new());
    assert_eq!(scene.wave_stores(&planner, &wave, json!([])).await, now);
    // A store that is taken out changes nothing of its history, and comes back all the same.
    let back = undo(&taken_out["changeId"]).await;
    assert_eq!(
        (errors(&back), &back["writtenCount"]),
        (Vec::new(), &json!(1))
    );
    let all = scene.wave_stores(&planner, &wave, json!([])).await;
    assert_eq!(all[1], "2 TO_COME 2022-01-18 2022-01-18 - 0");
    let twice = undo(&taken_out["changeId"]).await;
    assert_eq!(errors(&twice), ["ALREADY_UNDONE input.rows.0.changeId"]);
    scene.api.verify().await;
}

#[rstest]
#[tokio::test]
async fn waves_are_named_renamed_and_removed(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend, 2).await;
    scene.stores(0..1, Some(0)).await;
    let planner = scene.planner();
    let made = scene
        .save(&planner, json!({ "name": "第一陣", "idempotencyKey": "w" }))
        .await;
    let again = scene
        .save(&planner, json!({ "name": "第一陣", "idempotencyKey": "w" }))
        .await;
    assert_eq!(made, again);
    assert_eq!(made["wave"]["milestone"], "INSTALLED");
    let id = made["wave"]["id"].clone();
    let tried = scene
        .save(&planner, json!({ "name": "第二陣", "dryRun": true }))
        .await;
    assert_eq!(
        (errors(&tried), &tried["changeId"]),
        (Vec::new(), &Value::Null)
    );
    let unknown = global(OrganisationId(4_711));
    for (input, expected) in [
        (json!({ "name": "第一陣" }), "TAKEN input.name"),
        (json!({ "name": " " }), "INVALID_TEXT input.name"),
        (
            json!({ "name": "x".repeat(101) }),
            "INVALID_TEXT input.name",
        ),
        (
            json!({ "name": "第二陣", "organisationId": unknown }),
            "UNKNOWN_ORGANISATION input.organisationId",
        ),
        (
            json!({ "name": "第二陣", "organisationId": global(scene.chains[1]) }),
            "UNKNOWN_ORGANISATION input.organisationId",
        ),
        (
            json!({ "name": "第二陣", "id": id, "expectedVersion": 7 }),
            "STALE_VERSION input.expectedVersion",
        ),
        (
            json!({ "name": "第二陣", "id": NodeId::new(NodeKind::Wave, 99).encode().0 }),
            "NOT_FOUND input.id",
        ),
        (
            json!({ "name": "第二陣", "id": global(scene.chains[0]) }),
            "NOT_FOUND input.id",
        ),
    ] {
        let refused = scene.save(&planner, input.clone()).await;
        assert_eq!(errors(&refused), [expected], "{input}");
    }
    // Another chain has names of its own.
    let other = member(Kind::Chain, scene.chains[1], Role::Editor);
    assert_eq!(
        errors(&scene.save(&other, json!({ "name": "第一陣" })).await),
        Vec::<String>::new()
    );
    let foreign = scene
        .save(&other, json!({ "name": "横取り", "id": id }))
        .await;
    assert_eq!(errors(&foreign), ["NOT_FOUND input.id"]);
    let vendor = member(Kind::Vendor, OrganisationId(77), Role::Admin);
    let nobody = scene.save(&vendor, json!({ "name": "第一陣" })).await;
    assert_eq!(
        errors(&nobody),
        ["UNKNOWN_ORGANISATION input.organisationId"]
    );
    let renamed = scene
        .save(
            &planner,
            json!({ "name": "春の陣", "id": id, "expectedVersion": 1 }),
        )
        .await;
    assert_eq!(
        (&renamed["wave"]["name"], &renamed["wave"]["version"]),
        (&json!("春の陣"), &json!(2))
    );
    let second = scene.save(&planner, json!({ "name": "第一陣" })).await;
    let taken = scene
        .save(
            &planner,
            json!({ "name": "春の陣", "id": second["wave"]["id"] }),
        )
        .await;
    assert_eq!(errors(&taken), ["TAKEN input.name"]);

    scene
        .plan(&planner, &id, json!([row(0, Some("2022-01-14"))]))
        .await;
    scene.api.services.clock.advance(TimeDelta::hours(1));
    let delete = async |actor: &Actor, id: &Value| {
        let selection = "wave { id } userErrors { code path message }";
        let payload = scene
            .api
            .mutate(actor, "waveDelete", json!({ "id": id }), selection)
            .await;
        errors(&payload)
    };
    assert_eq!(delete(&other, &id).await, ["NOT_FOUND input.id"]);
    assert_eq!(delete(&planner, &id).await, Vec::<String>::new());
    assert_eq!(delete(&planner, &id).await, ["NOT_FOUND input.id"]);
    assert_eq!(scene.promised(0).await, "2022-01-14");
    assert_eq!(
        scene.wave_stores(&planner, &id, json!([])).await,
        ["no such wave"]
    );
    let gone = scene.plan(&planner, &id, json!([row(0, None)])).await;
    assert_eq!(errors(&gone), ["NOT_FOUND input.waveId"]);
    // Its name is free again.
    assert_eq!(
        errors(&scene.save(&planner, json!({ "name": "春の陣" })).await),
        Vec::<String>::new()
    );
}

#[rstest]
#[tokio::test]
async fn two_who_plan_the_same_stores_at_once_both_get_an_answer(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend, 1).await;
    scene.stores(0..4, Some(0)).await;
    let planner = scene.planner();
    let wave = scene.wave("第一陣").await;
    let plan = |on: &'static str| {
        let rows: Vec<Value> = (0..4).map(|number| row(number, Some(on))).collect();
        scene.plan(&planner, &wave, json!(rows))
    };
    let (one, other) = tokio::join!(plan("2022-01-14"), plan("2022-01-17"));
    let written = [&one, &other].map(|one| one["writtenCount"].as_i64().unwrap());
    assert_eq!(written, [4, 4], "{one} {other}");
    let counted = "SELECT count(*) FROM wave_store WHERE replaced_by IS NULL";
    assert_eq!(scene.api.database.number(counted).await, 4);
    let days = scene.days(&wave).await;
    assert_eq!(days.as_array().unwrap().last().unwrap()["plannedCount"], 4);
    assert_eq!(days.as_array().unwrap().len(), 2, "one of them, and today");
    scene.api.verify().await;
}

/// Who may not plan a wave does not plan it by undoing either.
#[rstest]
#[tokio::test]
async fn only_who_plans_a_wave_takes_back_what_was_planned(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend, 1).await;
    scene.stores(0..2, Some(0)).await;
    let planner = scene.planner();
    let made = scene
        .save(
            &planner,
            json!({ "name": "申込", "milestone": "READER_APPLIED" }),
        )
        .await;
    let wave = made["wave"]["id"].clone();
    let promised = json!({ "milestone": "READER_APPLIED", "on": "2022-01-14" });
    scene.told("milestonePlan", 0, promised).await;
    let rows = json!([row(0, Some("2022-01-14")), row(1, Some("2022-01-14"))]);
    let planned = scene.plan(&planner, &wave, rows).await;
    let filer = member(Kind::Chain, scene.chains[0], Role::Filer);
    let selection = "userErrors { code path message } rows { userErrors { code path message } }";
    let input = json!({ "changeId": planned["changeId"] });
    let refused = scene
        .api
        .mutate(&filer, "changeUndo", input, selection)
        .await;
    let mut told = errors(&refused);
    told.sort_unstable();
    assert_eq!(
        told,
        [
            "FORBIDDEN input.rows.0.facility",
            "FORBIDDEN input.rows.1.facility"
        ]
    );
    assert_eq!(scene.wave_stores(&planner, &wave, json!([])).await.len(), 2);
}

#[rstest]
#[tokio::test]
async fn a_store_that_closed_is_no_longer_waited_for_and_one_of_today_is_not_late(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend, 1).await;
    scene.stores(0..3, Some(0)).await;
    let planner = scene.planner();
    let wave = scene.wave("第一陣").await;
    let rows = json!([
        row(0, Some("2021-12-10")),
        row(1, Some("2021-12-10")),
        row(2, Some("2021-12-19"))
    ]);
    scene.plan(&planner, &wave, rows).await;
    scene
        .told("facilityClose", 0, json!({ "on": "2021-12-15" }))
        .await;
    assert_eq!(
        scene.progress(&planner, None).await,
        [[2, 2, 0, 0, 1, 0, 0]]
    );
    assert_eq!(
        scene.progress(&planner, Some("2021-12-14")).await,
        [[3, 2, 0, 0, 2, 0, 0]]
    );
    assert_eq!(
        scene.wave_stores(&planner, &wave, json!([])).await,
        [
            "1 OVERDUE 2021-12-10 2021-12-10 - 5",
            "2 TO_COME 2021-12-19 2021-12-19 - 0"
        ]
    );
}
