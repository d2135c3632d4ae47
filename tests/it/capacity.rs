//! Capacity: what the records say of the work, what vendors pledge, and the monthly follow-up.

use chrono::TimeDelta;
use kaitsu::{
    api::{NodeId, node_id::NodeKind},
    auth::{Actor, OrganisationKind as Kind, Permission, Role},
    db::{Backend, OrganisationId},
    facility::{FeeTable, InstitutionCode, Prefecture},
};
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::api::{Api, errors, member, ministry};

/// Two vendors and a chain; clinics and pharmacies in Hokkaido and Aomori that have applied on 2021-09-01.
struct Scene {
    api: Api,
    north: OrganisationId,
    south: OrganisationId,
    chain: OrganisationId,
}

impl Scene {
    /// Of six facilities the first four engage the first vendor, the others the second; every second is a store.
    async fn new(backend: Backend) -> Self {
        let api = Api::new(backend).await;
        let scene = Self {
            north: api.organisation(Kind::Vendor, "北海システム").await,
            south: api.organisation(Kind::Vendor, "南洋メディカル").await,
            chain: api.organisation(Kind::Chain, "みなと薬局").await,
            api,
        };
        for number in 1..=6 {
            let vendor = if number <= 4 {
                scene.north
            } else {
                scene.south
            };
            scene.facility(number).await;
            scene.link(number, "VENDOR", vendor, "2020-04-01").await;
            if number % 2 == 0 {
                scene.link(number, "CHAIN", scene.chain, "2020-04-01").await;
            }
            scene.reached(number, "READER_APPLIED", "2021-09-01").await;
        }
        scene
    }

    async fn facility(&self, number: u32) {
        let kind = if number.is_multiple_of(2) {
            "PHARMACY"
        } else {
            "MEDICAL_CLINIC"
        };
        self.api.register(&code(number), kind, "みなと").await;
    }

    async fn one(&self, actor: &Actor, name: &str, input: Value) -> Value {
        let document = format!(
            "mutation ($input: {}{}Input!) {{ {name}(input: $input) {{ userErrors {{ code path message }} }} }}",
            name[..1].to_uppercase(),
            &name[1..]
        );
        let data = self
            .api
            .data(actor, &document, json!({ "input": input }))
            .await;
        data[name].clone()
    }

    async fn done(&self, name: &str, number: u32, more: Value) {
        let mut input = more;
        input["facility"] = json!({ "code": code(number) });
        let payload = self.one(&ministry(), name, input).await;
        assert_eq!(errors(&payload), Vec::<String>::new(), "{name} {number}");
    }

    async fn link(&self, number: u32, kind: &str, organisation: OrganisationId, on: &str) {
        let link = json!({ "kind": kind, "organisationId": global(organisation), "on": on });
        self.done("facilityLink", number, link).await;
    }

    async fn reached(&self, number: u32, milestone: &str, on: &str) {
        self.done(
            "milestoneRecord",
            number,
            json!({ "milestone": milestone, "on": on }),
        )
        .await;
    }

    /// Opens a work order and finishes it.
    async fn finished(&self, number: u32, on: &str, minutes: i32) {
        self.done("installationOpen", number, json!({})).await;
        let finish = json!({ "on": on, "minutes": minutes, "withChecks": true });
        self.done("installationFinish", number, finish).await;
    }

    /// Of each month: installed, pledged, waiting, hours, of how many.
    async fn months(&self, actor: &Actor, arguments: &str) -> Vec<String> {
        let data = self.work(actor, arguments).await;
        let months = data["months"].as_array().unwrap().iter();
        months
            .map(|month| {
                format!(
                    "{} {} {} {} {} {}",
                    month["month"].as_str().unwrap(),
                    month["installedCount"],
                    month["pledgedCount"],
                    month["waitingCount"],
                    month["hoursPerInstall"],
                    month["timedCount"]
                )
            })
            .collect()
    }

    async fn work(&self, actor: &Actor, arguments: &str) -> Value {
        let document = format!(
            "{{ workFigures({arguments}) {{ asOf knownAt waitingCount installsPerMonth monthsToClear pledgeKeptPercent learningRatePercent
             months {{ month isWhole installedCount pledgedCount waitingCount hoursPerInstall timedCount }} }} }}"
        );
        let data = self.api.data(actor, &document, json!({})).await;
        data["workFigures"].clone()
    }

    async fn pledge(
        &self,
        actor: &Actor,
        of: OrganisationId,
        pledges: Value,
        more: Value,
    ) -> Value {
        let mut input = more;
        input["organisationId"] = json!(global(of));
        input["pledges"] = pledges;
        let document = "mutation ($input: CapacityPledgeInput!) { capacityPledge(input: $input) {
            pledges { month prefecture installs } changeId userErrors { code path message } } }";
        let data = self
            .api
            .data(actor, document, json!({ "input": input }))
            .await;
        data["capacityPledge"].clone()
    }

    async fn answer(&self, actor: &Actor, of: OrganisationId, month: &str, more: Value) -> Value {
        let mut input = more;
        input["organisationId"] = json!(global(of));
        input["month"] = json!(month);
        let document = format!(
            "mutation ($input: FollowUpAnswerInput!) {{ followUpAnswer(input: $input) {{
             followUp {{ {FOLLOW_UP} }} changeId userErrors {{ code path message }} }} }}"
        );
        let data = self
            .api
            .data(actor, &document, json!({ "input": input }))
            .await;
        data["followUpAnswer"].clone()
    }

    async fn follow_ups(&self, actor: &Actor, arguments: &str) -> Vec<Value> {
        let document =
            format!("{{ followUps(first: 100, {arguments}) {{ nodes {{ {FOLLOW_UP} }} }} }}");
        let data = self.api.data(actor, &document, json!({})).await;
        data["followUps"]["nodes"].as_array().unwrap().clone()
    }

    async fn statuses(&self, actor: &Actor, arguments: &str) -> Vec<String> {
        let told = |one: &Value| {
            let name = one["organisation"]["name"].as_str().unwrap();
            format!("{name} {}", one["status"].as_str().unwrap())
        };
        self.follow_ups(actor, arguments)
            .await
            .iter()
            .map(told)
            .collect()
    }

    async fn verify(&self) {
        let report = kaitsu::verify::verify(self.api.database.db(), |_| {})
            .await
            .unwrap();
        assert_eq!(report.differences, Vec::new());
    }
}

const FOLLOW_UP: &str = "organisation { name } month status dueOn answeredAt changedAt facilityCount installedCount pledgedCount
    waitingCount hoursPerInstall teamCount remark pledges { month prefecture installs } blockers { blocker facilityCount }";

fn code(number: u32) -> String {
    let (prefecture, table) = match number % 2 {
        0 => (2, FeeTable::Dispensing),
        _ => (1, FeeTable::Medical),
    };
    InstitutionCode::with_check_digit(Prefecture::from_number(prefecture).unwrap(), table, number)
        .to_string()
}

fn global(organisation: OrganisationId) -> String {
    NodeId::new(NodeKind::Organisation, organisation.0)
        .encode()
        .0
}

#[rstest]
#[tokio::test]
async fn work_counts_for_whoever_did_it_and_what_waits_moves_with_the_facility(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    scene.reached(1, "INSTALLED", "2021-10-08").await;
    scene.reached(2, "INSTALLED", "2021-11-12").await;
    // One that steps over it is installed all the same, and once.
    scene.reached(5, "READY", "2021-11-30").await;
    scene.reached(5, "INSTALLED", "2021-12-01").await;
    // What is installed stays with the vendor that did it; what waits goes over.
    for number in [1, 3] {
        scene
            .link(number, "VENDOR", scene.south, "2021-12-01")
            .await;
    }
    scene
        .done("facilityClose", 4, json!({ "on": "2021-12-10" }))
        .await;
    let north = member(Kind::Vendor, scene.north, Role::Viewer);
    let south = member(Kind::Vendor, scene.south, Role::Viewer);
    let chain = member(Kind::Chain, scene.chain, Role::Viewer);
    for _ in 0..2 {
        assert_eq!(
            scene.months(&north, "months: 4").await,
            [
                "2021-09 0 0 4 null 0",
                "2021-10 1 0 3 null 0",
                "2021-11 1 0 2 null 0",
                "2021-12 0 0 0 null 0"
            ]
        );
        assert_eq!(
            scene.months(&south, "months: 3").await,
            [
                "2021-10 0 0 2 null 0",
                "2021-11 1 0 1 null 0",
                "2021-12 0 0 2 null 0"
            ]
        );
        assert_eq!(
            scene.months(&chain, "months: 2").await,
            ["2021-11 1 null 2 null 0", "2021-12 0 null 1 null 0"],
            "pledges are no chain's to know"
        );
        assert_eq!(
            scene.months(&ministry(), "months: 2").await,
            ["2021-11 2 0 3 null 0", "2021-12 0 0 2 null 0"]
        );
        let clinics = "months: 2, filter: { kinds: [MEDICAL_CLINIC] }";
        assert_eq!(
            scene.months(&ministry(), clinics).await,
            ["2021-11 1 null 1 null 0", "2021-12 0 null 1 null 0"]
        );
        let both = format!(
            "months: 1, filter: {{ vendorIds: [\"{}\"], chainIds: [\"{}\"] }}",
            global(scene.north),
            global(scene.chain)
        );
        assert_eq!(
            scene.months(&ministry(), &both).await,
            ["2021-12 0 null 0 null 0"]
        );
        let then = "asOf: \"2021-11-15\", months: 1";
        assert_eq!(scene.months(&north, then).await, ["2021-11 1 0 2 null 0"]);
        scene.api.settle_and_fold().await;
    }
    scene.verify().await;
    // What is withdrawn is taken off the month in which it is.
    scene
        .done(
            "milestoneWithdraw",
            2,
            json!({ "milestone": "INSTALLED", "on": "2021-12-05" }),
        )
        .await;
    assert_eq!(
        scene.months(&north, "months: 2").await,
        ["2021-11 1 0 2 null 0", "2021-12 -1 0 1 null 0"]
    );
    scene.api.settle_and_fold().await;
    scene.verify().await;
}

#[rstest]
#[tokio::test]
async fn hours_follow_from_work_orders_however_these_are_mended(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let north = member(Kind::Vendor, scene.north, Role::Editor);
    let now = "months: 2";
    scene.finished(1, "2021-11-10", 360).await;
    scene.finished(2, "2021-12-10", 180).await;
    scene.finished(3, "2021-12-11", 90).await;
    let told = ["2021-11 1 0 3 6.0 1", "2021-12 2 0 1 2.3 2"];
    assert_eq!(scene.months(&north, now).await, told);
    // What is done to an order that has ended says nothing of its hours.
    scene
        .done("installationReferenceSet", 2, json!({ "reference": "A-1" }))
        .await;
    assert_eq!(scene.months(&north, now).await, told);
    let document = "mutation ($input: InstallationReopenInput!) { installationReopen(input: $input) { changeId userErrors { code } } }";
    let input = json!({ "input": { "facility": { "code": code(3) } } });
    let reopened = scene.api.data(&ministry(), document, input).await;
    assert_eq!(
        scene.months(&north, now).await,
        ["2021-11 1 0 3 6.0 1", "2021-12 1 0 2 3.0 1"]
    );
    // Undoing that brings the installation back with its hours.
    let undo = json!({ "changeId": reopened["installationReopen"]["changeId"] });
    let document = "mutation ($input: ChangeUndoInput!) { changeUndo(input: $input) { changeId rows { userErrors { code } } userErrors { code } } }";
    let undone = scene
        .api
        .data(&ministry(), document, json!({ "input": undo }))
        .await;
    assert_eq!(undone["changeUndo"]["userErrors"], json!([]));
    assert_eq!(scene.months(&north, now).await, told);
    // And undoing the undoing takes it away again.
    let again = json!({ "changeId": undone["changeUndo"]["changeId"] });
    let redone = scene
        .api
        .data(&ministry(), document, json!({ "input": again }))
        .await;
    assert_eq!(redone["changeUndo"]["userErrors"], json!([]));
    assert_eq!(
        scene.months(&north, now).await,
        ["2021-11 1 0 3 6.0 1", "2021-12 1 0 2 3.0 1"]
    );
    scene.api.settle_and_fold().await;
    scene.verify().await;
}

#[rstest]
#[tokio::test]
async fn the_work_and_the_pledges_that_were_known_at_an_instant_stay(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let clock = &scene.api.services.clock;
    let north = member(Kind::Vendor, scene.north, Role::Editor);
    let mut instants = Vec::new();
    let january = |installs: i32| json!([{ "month": "2021-12", "prefecture": "AOMORI", "installs": installs }]);
    for step in 0..3 {
        match step {
            0 => {
                scene.finished(1, "2021-11-10", 360).await;
                scene
                    .pledge(&north, scene.north, january(5), json!({}))
                    .await;
            }
            1 => {
                scene.finished(2, "2021-12-10", 120).await;
                scene
                    .pledge(&north, scene.north, january(8), json!({}))
                    .await;
            }
            _ => {
                scene
                    .pledge(&north, scene.north, january(0), json!({}))
                    .await;
                scene.done("installationReopen", 1, json!({})).await;
            }
        }
        scene.api.settle_and_fold().await;
        clock.advance(TimeDelta::seconds(1));
        instants.push(clock.now().to_rfc3339());
        clock.advance(TimeDelta::seconds(1));
    }
    clock.advance(TimeDelta::days(40));
    scene.reached(3, "INSTALLED", "2021-11-11").await;
    let expected = [
        ["2021-11 1 0 3 6.0 1", "2021-12 0 5 3 null 0"],
        ["2021-11 1 0 3 6.0 1", "2021-12 1 8 2 2.0 1"],
        ["2021-11 0 0 4 null 0", "2021-12 1 0 3 2.0 1"],
    ];
    for _ in 0..2 {
        for (at, months) in instants.iter().zip(expected) {
            let then = format!("asOf: \"2021-12-19\", knownAt: \"{at}\", months: 2");
            assert_eq!(scene.months(&north, &then).await, months, "{at}");
            let vendor = format!(
                "{then}, filter: {{ vendorIds: [\"{}\"] }}",
                global(scene.north)
            );
            assert_eq!(scene.months(&ministry(), &vendor).await, months, "{at}");
        }
        let nation = format!(
            "asOf: \"2021-12-19\", knownAt: \"{}\", months: 2",
            instants[1]
        );
        assert_eq!(
            scene.months(&ministry(), &nation).await,
            ["2021-11 1 0 5 6.0 1", "2021-12 1 8 4 2.0 1"]
        );
        scene.api.settle_and_fold().await;
    }
}

#[rstest]
#[tokio::test]
async fn pledges_stand_beside_what_was_done(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let north = member(Kind::Vendor, scene.north, Role::Editor);
    let row = |month: &str, prefecture: &str, installs: i32| json!({ "month": month, "prefecture": prefecture, "installs": installs });
    let pledges = json!([
        row("2021-12", "HOKKAIDO", 3),
        row("2021-12", "AOMORI", 1),
        row("2022-01", "AOMORI", 7)
    ]);
    let dry = scene
        .pledge(
            &north,
            scene.north,
            pledges.clone(),
            json!({ "dryRun": true }),
        )
        .await;
    assert_eq!(dry["userErrors"], json!([]));
    assert_eq!(dry["pledges"], json!([]));
    let payload = scene
        .pledge(
            &north,
            scene.north,
            pledges.clone(),
            json!({ "idempotencyKey": "a" }),
        )
        .await;
    assert_eq!(
        payload["pledges"],
        json!([
            row("2021-12", "HOKKAIDO", 3),
            row("2021-12", "AOMORI", 1),
            row("2022-01", "AOMORI", 7)
        ])
    );
    let repeated = scene
        .pledge(
            &north,
            scene.north,
            pledges.clone(),
            json!({ "idempotencyKey": "a" }),
        )
        .await;
    assert_eq!(repeated, payload);
    let same = scene.pledge(&north, scene.north, pledges, json!({})).await;
    assert_eq!(same["changeId"], Value::Null, "it says nothing new");
    // What is not named stays; 0 takes back.
    let other = scene
        .pledge(
            &north,
            scene.north,
            json!([row("2021-12", "AOMORI", 0)]),
            json!({}),
        )
        .await;
    assert_eq!(
        other["pledges"],
        json!([
            row("2021-12", "HOKKAIDO", 3),
            row("2021-12", "AOMORI", 0),
            row("2022-01", "AOMORI", 7)
        ])
    );
    let months = |months: &str| format!("asOf: \"2022-01-31\", months: {months}");
    scene.api.services.clock.advance(TimeDelta::days(50));
    scene.reached(1, "INSTALLED", "2021-12-21").await;
    scene.reached(2, "INSTALLED", "2021-12-22").await;
    assert_eq!(
        scene.months(&north, &months("2")).await,
        ["2021-12 2 3 2 null 0", "2022-01 0 7 2 null 0"]
    );
    let work = scene.work(&north, &months("2")).await;
    assert_eq!(
        work["pledgeKeptPercent"], 0.0,
        "0 of 7: December had begun when it was pledged for"
    );
    assert_eq!(work["installsPerMonth"], 0.7);
    assert_eq!(work["monthsToClear"], 3.0);
    // A rival's are none of one's business; a bureau sees those for its prefectures, the nation all.
    let rival = member(Kind::Vendor, scene.south, Role::Editor);
    let bureau = scene
        .api
        .organisation(Kind::RegionalBureau, "北海道厚生局")
        .await;
    let bureau = member(Kind::RegionalBureau, bureau, Role::Viewer);
    let both = format!(
        "{}, filter: {{ vendorIds: [\"{}\"] }}",
        months("2"),
        global(scene.north)
    );
    assert_eq!(
        scene.months(&rival, &both).await,
        ["2021-12 0 0 0 null 0", "2022-01 0 0 0 null 0"]
    );
    assert_eq!(
        scene.months(&bureau, &months("2")).await,
        ["2021-12 1 3 2 null 0", "2022-01 0 0 2 null 0"]
    );
    assert_eq!(
        scene.months(&ministry(), &months("1")).await,
        ["2022-01 0 7 4 null 0"]
    );
    let list = |of: OrganisationId| {
        format!(
            "{{ capacityPledges(organisationId: \"{}\", from: \"2021-01\", until: \"2022-12\") {{ installs }} }}",
            global(of)
        )
    };
    for (actor, count) in [(&north, 3), (&ministry(), 3), (&rival, 0), (&bureau, 0)] {
        let data = scene.api.data(actor, &list(scene.north), json!({})).await;
        assert_eq!(data["capacityPledges"].as_array().unwrap().len(), count);
    }
}

#[rstest]
#[tokio::test]
async fn a_bad_pledge_says_where_it_is_wrong(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let north = member(Kind::Vendor, scene.north, Role::Editor);
    let row = |month: &str, installs: i32| json!({ "month": month, "prefecture": "AOMORI", "installs": installs });
    let bad = json!([
        row("2021-11", 1),
        row("2024-01", 1),
        row("2022-01", -1),
        row("2022-01", 100_001),
        row("2023-12", 1)
    ]);
    let payload = scene.pledge(&north, scene.north, bad, json!({})).await;
    assert_eq!(
        errors(&payload),
        [
            "OUT_OF_RANGE input.pledges.0.month",
            "OUT_OF_RANGE input.pledges.1.month",
            "OUT_OF_RANGE input.pledges.2.installs",
            "OUT_OF_RANGE input.pledges.3.installs",
            "DUPLICATE_ROW input.pledges.3",
        ]
    );
    assert_eq!(payload["pledges"], json!([]));
    let one = json!([row("2022-01", 1)]);
    for other in [scene.south, OrganisationId(404)] {
        let payload = scene.pledge(&north, other, one.clone(), json!({})).await;
        assert_eq!(errors(&payload), ["NOT_FOUND input.organisationId"]);
    }
    let chain = member(Kind::Chain, scene.chain, Role::Editor);
    let payload = scene
        .pledge(&chain, scene.chain, one.clone(), json!({}))
        .await;
    assert_eq!(errors(&payload), ["FORBIDDEN input.organisationId"]);
    let mut token = north.clone();
    token.token_permissions = Some(vec![Permission::FiguresRead, Permission::ReportWrite]);
    let payload = scene.pledge(&token, scene.north, one, json!({})).await;
    assert_eq!(errors(&payload), Vec::<String>::new());
    // Who may say it and not read it is told nothing of it.
    token.token_permissions = Some(vec![Permission::ReportWrite]);
    let one = json!([row("2022-02", 1)]);
    let keyed = json!({ "idempotencyKey": "k" });
    let payload = scene.pledge(&token, scene.north, one, keyed).await;
    assert_eq!(payload["pledges"], json!([]));
    assert!(payload["changeId"].is_string());
    let payload = scene
        .answer(&token, scene.north, "2021-11", json!({}))
        .await;
    assert_eq!(payload["followUp"], Value::Null);
    // Nor is who left, and asks again under the same key.
    let (march, key) = (
        json!([row("2022-03", 1)]),
        json!({ "idempotencyKey": "left" }),
    );
    let payload = scene
        .pledge(&north, scene.north, march.clone(), key.clone())
        .await;
    assert_ne!(payload["pledges"], json!([]));
    let mut left = north.clone();
    left.grants = member(Kind::Vendor, scene.south, Role::Editor).grants;
    let payload = scene.pledge(&left, scene.north, march, key).await;
    assert_eq!(payload["pledges"], json!([]));
    for (question, wrong) in [
        ("workFigures(months: 0)", "OUT_OF_RANGE"),
        ("workFigures(months: 61)", "OUT_OF_RANGE"),
    ] {
        let answer = scene
            .api
            .call(&north, &format!("{{ {question} {{ asOf }} }}"), json!({}))
            .await;
        assert_eq!(
            answer["errors"][0]["extensions"]["code"], wrong,
            "{question}"
        );
    }
    let contractor = scene
        .api
        .organisation(Kind::SupportContractor, "設置")
        .await;
    for actor in [
        member(Kind::SupportContractor, contractor, Role::Admin),
        member(Kind::Facility, contractor, Role::Admin),
    ] {
        let answer = scene
            .api
            .call(&actor, "{ workFigures { asOf } }", json!({}))
            .await;
        assert_eq!(answer["errors"][0]["extensions"]["code"], "NOT_COUNTED");
    }
}

#[rstest]
#[tokio::test]
async fn a_follow_up_holds_what_is_known_and_says_who_has_not_answered(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let north = member(Kind::Vendor, scene.north, Role::Editor);
    scene.finished(1, "2021-11-10", 360).await;
    scene
        .done(
            "blockerOpen",
            2,
            json!({ "blocker": "NO_PC", "on": "2021-12-01" }),
        )
        .await;
    let november = "month: \"2021-11\"";
    // Due on 2021-12-07.
    assert_eq!(
        scene.statuses(&ministry(), november).await,
        ["北海システム OVERDUE", "南洋メディカル OVERDUE"]
    );
    let answer = json!({ "teamCount": 4, "remark": "端末の入荷待ちです。", "completeTo": "2021-12-17",
        "pledges": [{ "month": "2022-01", "prefecture": "HOKKAIDO", "installs": 2 }] });
    let payload = scene.answer(&north, scene.north, "2021-11", answer).await;
    assert_eq!(errors(&payload), Vec::<String>::new());
    let told = &payload["followUp"];
    assert_eq!(
        json!([
            told["status"],
            told["dueOn"],
            told["facilityCount"],
            told["installedCount"],
            told["pledgedCount"],
            told["waitingCount"],
            told["hoursPerInstall"],
            told["teamCount"],
            told["remark"],
            told["pledges"],
            told["blockers"]
        ]),
        json!(["ANSWERED_LATE", "2021-12-07", 4, 1, 0, 3, 6.0, 4, "端末の入荷待ちです。",
            [{ "month": "2022-01", "prefecture": "HOKKAIDO", "installs": 2 }], [{ "blocker": "NO_PC", "facilityCount": 1 }]])
    );
    let coverage = "{ rolloutFigures(asOf: \"2021-12-17\") { coverage { coveredCount } } }";
    let data = scene.api.data(&ministry(), coverage, json!({})).await;
    assert_eq!(data["rolloutFigures"]["coverage"]["coveredCount"], 4);
    // A better answer takes its place, and does not make it later.
    scene.api.services.clock.advance(TimeDelta::hours(30));
    let payload = scene
        .answer(&north, scene.north, "2021-11", json!({ "teamCount": 5 }))
        .await;
    let changed = &payload["followUp"];
    assert_eq!(changed["answeredAt"], told["answeredAt"]);
    assert_ne!(changed["changedAt"], told["changedAt"]);
    assert_eq!(
        json!([changed["teamCount"], changed["remark"]]),
        json!([5, ""])
    );
    assert_eq!(
        scene
            .statuses(
                &ministry(),
                &format!("{november}, statuses: [OVERDUE, OPEN]")
            )
            .await,
        ["南洋メディカル OVERDUE"]
    );
    // Each vendor sees its own; a chain none.
    assert_eq!(
        scene.statuses(&north, november).await,
        ["北海システム ANSWERED_LATE"]
    );
    let chain = member(Kind::Chain, scene.chain, Role::Admin);
    assert_eq!(scene.statuses(&chain, november).await, Vec::<String>::new());
    // December isn't over.
    assert_eq!(
        scene.statuses(&ministry(), "month: \"2021-12\"").await,
        Vec::<String>::new()
    );
    let page = scene
        .api
        .data(
            &ministry(),
            "{ followUps(first: 1, month: \"2021-11\") { nodes { status } pageInfo { hasNextPage endCursor } } }",
            json!({}),
        )
        .await;
    assert_eq!(page["followUps"]["pageInfo"]["hasNextPage"], true);
    let after = page["followUps"]["pageInfo"]["endCursor"].as_str().unwrap();
    assert_eq!(
        scene
            .statuses(&ministry(), &format!("{november}, after: \"{after}\""))
            .await,
        ["南洋メディカル OVERDUE"]
    );
}

#[rstest]
#[tokio::test]
async fn a_bad_answer_to_a_follow_up_writes_nothing(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let north = member(Kind::Vendor, scene.north, Role::Editor);
    let bad = json!({ "teamCount": -1, "remark": "\u{7}", "completeTo": "2021-12-20",
        "pledges": [{ "month": "2021-01", "prefecture": "HOKKAIDO", "installs": 2 }] });
    let payload = scene.answer(&north, scene.north, "2021-12", bad).await;
    assert_eq!(
        errors(&payload),
        [
            "DATE_IN_FUTURE input.month",
            "OUT_OF_RANGE input.teamCount",
            "INVALID_TEXT input.remark",
            "OUT_OF_RANGE input.pledges.0.month",
            "DATE_IN_FUTURE input.completeTo",
        ]
    );
    // Before it had any facility.
    let payload = scene
        .answer(&north, scene.north, "2020-03", json!({}))
        .await;
    assert_eq!(errors(&payload), ["NOTHING_TO_DO input.month"]);
    let payload = scene
        .answer(&north, scene.south, "2021-11", json!({}))
        .await;
    assert_eq!(errors(&payload), ["NOT_FOUND input.organisationId"]);
    let dry = json!({ "teamCount": 3, "dryRun": true });
    let payload = scene.answer(&north, scene.north, "2021-11", dry).await;
    assert_eq!(errors(&payload), Vec::<String>::new());
    assert_eq!(payload["followUp"]["status"], "OVERDUE");
    let rows =
        "SELECT (SELECT count(*) FROM capacity_answer) + (SELECT count(*) FROM capacity_pledge)";
    assert_eq!(scene.api.database.number(rows).await, 0);
    let answers = (0..8).map(|teams| {
        let answer = json!({ "teamCount": teams, "pledges": [{ "month": "2022-02", "prefecture": "AOMORI", "installs": teams + 1 }] });
        scene.answer(&north, scene.north, "2021-11", answer)
    });
    for payload in futures_util::future::join_all(answers).await {
        assert_eq!(errors(&payload), Vec::<String>::new());
    }
    let in_force = "SELECT (SELECT count(*) FROM capacity_answer WHERE replaced_by IS NULL) * 10
        + (SELECT count(*) FROM capacity_pledge WHERE replaced_by IS NULL)";
    assert_eq!(
        scene.api.database.number(in_force).await,
        11,
        "one each, whoever came last"
    );
}

#[rstest]
#[tokio::test]
async fn hours_go_with_the_installation_that_they_are_of(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let north = member(Kind::Vendor, scene.north, Role::Editor);
    scene.finished(1, "2021-12-10", 900).await;
    assert_eq!(
        scene.months(&north, "months: 1").await,
        ["2021-12 1 0 3 15.0 1"]
    );
    // It was in November; the order says nothing else.
    let installed = "SELECT max(id) FROM facility_event WHERE aspect = 7 AND facility_id = 1";
    let event = scene.api.database.number(installed).await;
    let event = NodeId::new(NodeKind::Event, event).encode().0;
    scene
        .done(
            "milestoneCorrect",
            1,
            json!({ "eventId": event, "on": "2021-11-28" }),
        )
        .await;
    let november = ["2021-11 1 0 3 15.0 1", "2021-12 0 0 3 null 0"];
    assert_eq!(scene.months(&north, "months: 2").await, november);
    // Taken back, and begun anew: what was done stays what it was until the new order is finished.
    let withdraw = json!({ "milestone": "INSTALLED", "on": "2021-12-15" });
    scene.done("milestoneWithdraw", 1, withdraw).await;
    let withdrawn = ["2021-11 1 0 3 15.0 1", "2021-12 -1 0 4 null -1"];
    assert_eq!(scene.months(&north, "months: 2").await, withdrawn);
    scene.done("installationOpen", 1, json!({})).await;
    assert_eq!(scene.months(&north, "months: 2").await, withdrawn);
    scene
        .done("installationCancel", 1, json!({ "on": "2021-12-16" }))
        .await;
    assert_eq!(scene.months(&north, "months: 2").await, withdrawn);
    scene.api.settle_and_fold().await;
    scene.verify().await;
}

#[rstest]
#[tokio::test]
async fn a_month_that_is_not_over_is_not_whole_whatever_is_asked(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    for (number, on) in [(1, "2021-09-10"), (2, "2021-10-10"), (3, "2021-11-10")] {
        scene.reached(number, "INSTALLED", on).await;
    }
    let north = member(Kind::Vendor, scene.north, Role::Viewer);
    for as_of in ["2021-12-19", "2021-12-31", "2022-03-31"] {
        let arguments = format!("asOf: \"{as_of}\", months: 7");
        let work = scene.work(&north, &arguments).await;
        assert_eq!(work["installsPerMonth"], 1.0, "{as_of}");
        let months = work["months"].as_array().unwrap().iter();
        let mut whole = months.rev().filter(|month| month["isWhole"] == true);
        assert_eq!(whole.next().unwrap()["month"], "2021-11", "{as_of}");
    }
}
