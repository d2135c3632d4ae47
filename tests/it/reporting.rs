//! Reporting as a fact of its own: who confirms what, who reads it, and what figures make of it.

use chrono::TimeDelta;
use kaitsu::{
    auth::{Actor, Grant, OrganisationKind as Kind, Role},
    db::{Backend, OrganisationId},
    facility::{FeeTable, InstitutionCode, Prefecture},
};
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::api::{Api, errors, global, member, ministry};

/// Two vendors and two chains. Of eight pharmacies in two prefectures: two engage the first vendor, one of them a store of
/// the first chain; three the second vendor, two of them stores of the second chain; three nobody, one of them a store of
/// the second chain.
struct Scene {
    api: Api,
    north: OrganisationId,
    south: OrganisationId,
    minato: OrganisationId,
    sakura: OrganisationId,
}

impl Scene {
    async fn new(backend: Backend) -> Self {
        let api = Api::new(backend).await;
        let scene = Self {
            north: api.organisation(Kind::Vendor, "北海システム").await,
            south: api.organisation(Kind::Vendor, "南洋メディカル").await,
            minato: api.organisation(Kind::Chain, "みなと薬局").await,
            sakura: api.organisation(Kind::Chain, "さくら薬局").await,
            api,
        };
        let (north, south) = (Some(scene.north), Some(scene.south));
        let (minato, sakura) = (Some(scene.minato), Some(scene.sakura));
        for (number, (vendor, chain)) in (1..).zip([
            (north, None),
            (north, minato),
            (south, None),
            (south, sakura),
            (south, sakura),
            (None, None),
            (None, sakura),
            (None, None),
        ]) {
            let prefecture = Prefecture::from_number(if number % 2 == 0 { 1 } else { 2 }).unwrap();
            let code = InstitutionCode::with_check_digit(prefecture, FeeTable::Dispensing, number)
                .to_string();
            scene.api.register(&code, "PHARMACY", "薬局").await;
            for (kind, organisation) in [("VENDOR", vendor), ("CHAIN", chain)] {
                if let Some(organisation) = organisation {
                    scene.link(&code, kind, organisation, "2020-04-01").await;
                }
            }
        }
        scene
    }

    async fn link(&self, code: &str, kind: &str, organisation: OrganisationId, on: &str) {
        let link = json!({ "facility": { "code": code }, "kind": kind, "organisationId": global(organisation), "on": on });
        self.api.done("facilityLink", link).await;
    }

    async fn say(&self, actor: &Actor, name: &str, of: OrganisationId, more: Value) -> Value {
        let mut input = more;
        input["organisationId"] = json!(global(of));
        let selection = "completeTo changeId userErrors { code path message }";
        self.api.mutate(actor, name, input, selection).await
    }

    async fn confirm(&self, actor: &Actor, of: OrganisationId, day: &str) -> Value {
        self.say(actor, "reportingConfirm", of, json!({ "completeTo": day }))
            .await
    }

    async fn confirmed(&self, kind: Kind, of: OrganisationId, day: &str) {
        let payload = self.confirm(&member(kind, of, Role::Editor), of, day).await;
        assert_eq!(errors(&payload), Vec::<String>::new());
        assert_eq!(payload["completeTo"], day);
    }

    /// Facilities, covered, without anybody, and the share, of what an actor counts.
    async fn coverage(&self, actor: &Actor, arguments: &str) -> String {
        let document = format!(
            "{{ rolloutFigures({arguments}) {{ total {{ all }} coverage {{ facilityCount coveredCount unassignedCount coveredPercent }} }} }}"
        );
        let data = self.api.data(actor, &document, json!({})).await;
        let figures = &data["rolloutFigures"];
        let told = &figures["coverage"];
        assert_eq!(
            told["facilityCount"], figures["total"]["all"],
            "{arguments}"
        );
        format!(
            "{} {} {} {}",
            told["facilityCount"],
            told["coveredCount"],
            told["unassignedCount"],
            told["coveredPercent"]
        )
    }

    /// Who has reported or not.
    async fn reporters(&self, actor: &Actor, arguments: &str, which: &str) -> Vec<String> {
        let document = format!(
            "{{ rolloutFigures({arguments}) {{ coverage {{ reporters{which} {{ organisation {{ name }} kind facilityCount completeTo isComplete }} }} }} }}"
        );
        let data = self.api.data(actor, &document, json!({})).await;
        let reporters = data["rolloutFigures"]["coverage"]["reporters"].clone();
        let told = reporters.as_array().unwrap().iter().map(|one| {
            let name = one["organisation"]["name"].as_str().unwrap();
            let day = one["completeTo"].as_str().unwrap_or("-");
            format!(
                "{name} {} {} {day} {}",
                one["kind"].as_str().unwrap(),
                one["facilityCount"],
                one["isComplete"]
            )
        });
        told.collect()
    }

    async fn history(&self, actor: &Actor, arguments: &str) -> Vec<String> {
        let document = format!(
            "{{ reportingConfirmations(first: 100{arguments}) {{ nodes {{ organisation {{ name }} completeTo reason changeId }} }} }}"
        );
        let data = self.api.data(actor, &document, json!({})).await;
        let nodes = data["reportingConfirmations"]["nodes"].as_array().unwrap();
        let told = nodes.iter().map(|node| {
            assert!(node["changeId"].is_string());
            let name = node["organisation"]["name"].as_str().unwrap();
            let day = node["completeTo"].as_str().unwrap_or("-");
            let reason = node["reason"].as_str().unwrap_or("");
            format!("{name} {day} {reason}").trim_end().to_owned()
        });
        told.collect()
    }
}

#[rstest]
#[tokio::test]
async fn figures_show_who_has_not_reported_and_the_share_that_is_covered(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let staff = ministry();
    let today = "asOf: \"2021-12-19\"";
    assert_eq!(scene.coverage(&staff, today).await, "8 0 2 0.0");
    scene
        .confirmed(Kind::Vendor, scene.north, "2021-12-19")
        .await;
    assert_eq!(scene.coverage(&staff, today).await, "8 2 2 25.0");
    // A store whose vendor has reported is covered once.
    scene
        .confirmed(Kind::Chain, scene.minato, "2021-12-19")
        .await;
    assert_eq!(scene.coverage(&staff, today).await, "8 2 2 25.0");
    scene
        .confirmed(Kind::Chain, scene.sakura, "2021-12-19")
        .await;
    assert_eq!(scene.coverage(&staff, today).await, "8 5 2 62.5");
    scene
        .confirmed(Kind::Vendor, scene.south, "2021-12-12")
        .await;
    assert_eq!(
        scene.coverage(&staff, today).await,
        "8 5 2 62.5",
        "a week short"
    );
    assert_eq!(
        scene.coverage(&staff, "asOf: \"2021-12-12\"").await,
        "8 6 2 75.0"
    );
    assert_eq!(
        scene.reporters(&staff, today, "").await,
        [
            "南洋メディカル VENDOR 3 2021-12-12 false",
            "さくら薬局 CHAIN 3 2021-12-19 true",
            "北海システム VENDOR 2 2021-12-19 true",
            "みなと薬局 CHAIN 1 2021-12-19 true",
        ]
    );
    assert_eq!(
        scene.reporters(&staff, today, "(isComplete: false)").await,
        ["南洋メディカル VENDOR 3 2021-12-12 false"]
    );
    // What is filtered is covered by itself, folded or not.
    for _ in 0..2 {
        let north = format!(
            "{today}, filter: {{ vendorIds: [\"{}\"] }}",
            global(scene.north)
        );
        assert_eq!(scene.coverage(&staff, &north).await, "2 2 0 100.0");
        let south = format!(
            "{today}, filter: {{ vendorIds: [\"{}\"] }}",
            global(scene.south)
        );
        assert_eq!(scene.coverage(&staff, &south).await, "3 2 0 66.7");
        let sakura = format!(
            "{today}, filter: {{ chainIds: [\"{}\"] }}",
            global(scene.sakura)
        );
        assert_eq!(scene.coverage(&staff, &sakura).await, "3 3 0 100.0");
        let hokkaido = format!("{today}, filter: {{ prefectures: [HOKKAIDO] }}");
        assert_eq!(scene.coverage(&staff, &hokkaido).await, "4 2 2 50.0");
        let hospitals = format!("{today}, filter: {{ kinds: [HOSPITAL] }}");
        assert_eq!(scene.coverage(&staff, &hospitals).await, "0 0 0 null");
        scene.api.settle_and_fold().await;
    }
    // Before the links, nobody reported for anything.
    assert_eq!(
        scene.coverage(&staff, "asOf: \"2019-01-01\"").await,
        "0 0 0 null"
    );
}

#[rstest]
#[tokio::test]
async fn what_was_known_of_reporting_at_an_instant_stays(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let clock = &scene.api.services.clock;
    let staff = ministry();
    let mut instants = Vec::new();
    let editor = member(Kind::Vendor, scene.north, Role::Editor);
    for step in 0..4 {
        match step {
            0 => {}
            1 => {
                scene
                    .confirmed(Kind::Vendor, scene.north, "2021-12-19")
                    .await
            }
            2 => {
                scene
                    .confirmed(Kind::Chain, scene.sakura, "2021-12-19")
                    .await
            }
            _ => {
                let input =
                    json!({ "completeTo": "2021-12-10", "reason": "a store was forgotten" });
                let payload = scene
                    .say(&editor, "reportingWithdraw", scene.north, input)
                    .await;
                assert_eq!(payload["completeTo"], "2021-12-10");
            }
        }
        scene.api.settle_and_fold().await;
        clock.advance(TimeDelta::seconds(1));
        instants.push(clock.now().to_rfc3339());
        clock.advance(TimeDelta::seconds(1));
    }
    for _ in 0..2 {
        for (at, expected) in
            instants
                .iter()
                .zip(["8 0 2 0.0", "8 2 2 25.0", "8 5 2 62.5", "8 3 2 37.5"])
        {
            let question = format!("asOf: \"2021-12-19\", knownAt: \"{at}\"");
            assert_eq!(scene.coverage(&staff, &question).await, expected, "{at}");
        }
        scene
            .confirmed(Kind::Vendor, scene.south, "2021-12-19")
            .await;
        clock.advance(TimeDelta::days(40));
        scene.api.settle_and_fold().await;
        // The second round may not confirm it again.
        let of_south = member(Kind::Vendor, scene.south, Role::Admin);
        scene
            .say(&of_south, "reportingWithdraw", scene.south, json!({}))
            .await;
    }
    assert_eq!(
        scene.history(&editor, "").await,
        [
            "北海システム 2021-12-10 a store was forgotten",
            "北海システム 2021-12-19"
        ]
    );
}

#[rstest]
#[tokio::test]
async fn only_those_who_report_confirm_and_in_their_own_name(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let editor = member(Kind::Vendor, scene.north, Role::Editor);
    let day = "2021-12-17";
    // Another vendor's, a chain's, and one that there is not, look alike.
    for other in [scene.south, scene.sakura, OrganisationId(404)] {
        let payload = scene.confirm(&editor, other, day).await;
        assert_eq!(errors(&payload), ["NOT_FOUND input.organisationId"]);
    }
    // Someone who edits for one vendor and only reads for another.
    let mut both = editor.clone();
    both.grants.push(Grant {
        role: Role::Viewer,
        ..member(Kind::Vendor, scene.south, Role::Viewer).grants[0].clone()
    });
    let payload = scene.confirm(&both, scene.south, day).await;
    assert_eq!(errors(&payload), ["FORBIDDEN input.organisationId"]);
    let staff = scene
        .api
        .call(
            &ministry(),
            "mutation ($input: ReportingConfirmInput!) { reportingConfirm(input: $input) { completeTo } }",
            json!({ "input": { "organisationId": global(scene.north), "completeTo": day } }),
        )
        .await;
    assert_eq!(staff["errors"][0]["extensions"]["code"], "Forbidden");
    for (day, expected) in [
        ("2021-12-20", "DATE_IN_FUTURE input.completeTo"),
        ("2019-12-31", "DATE_TOO_EARLY input.completeTo"),
    ] {
        let payload = scene.confirm(&editor, scene.north, day).await;
        assert_eq!(errors(&payload), [expected]);
    }
    let nothing = scene
        .say(&editor, "reportingWithdraw", scene.north, json!({}))
        .await;
    assert_eq!(errors(&nothing), ["NOTHING_TO_DO input.organisationId"]);
    let dry = json!({ "completeTo": day, "dryRun": true });
    let tried = scene
        .say(&editor, "reportingConfirm", scene.north, dry)
        .await;
    assert_eq!(
        tried,
        json!({ "completeTo": day, "changeId": null, "userErrors": [] })
    );
    assert_eq!(scene.history(&editor, "").await, Vec::<String>::new());
    // Once under a key; the same day, or an earlier one, again is nothing new.
    let keyed = json!({ "completeTo": day, "idempotencyKey": "friday" });
    let first = scene
        .say(&editor, "reportingConfirm", scene.north, keyed.clone())
        .await;
    assert_eq!(
        scene
            .say(&editor, "reportingConfirm", scene.north, keyed)
            .await,
        first
    );
    for again in [day, "2021-12-10"] {
        let payload = scene.confirm(&editor, scene.north, again).await;
        assert_eq!(errors(&payload), ["NOTHING_TO_DO input.completeTo"]);
        assert_eq!(payload["completeTo"], day, "as it stands");
    }
    let later = json!({ "completeTo": "2021-12-18" });
    let payload = scene
        .say(&editor, "reportingWithdraw", scene.north, later)
        .await;
    assert_eq!(errors(&payload), ["NOTHING_TO_DO input.completeTo"]);
    let payload = scene
        .say(&editor, "reportingWithdraw", scene.north, json!({}))
        .await;
    assert_eq!(payload["completeTo"], Value::Null);
    assert_eq!(
        scene.history(&editor, "").await,
        ["北海システム -", "北海システム 2021-12-17"]
    );
}

#[rstest]
#[tokio::test]
async fn reports_are_read_by_those_whom_they_concern(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    scene
        .confirmed(Kind::Vendor, scene.north, "2021-12-17")
        .await;
    scene
        .confirmed(Kind::Vendor, scene.south, "2021-12-17")
        .await;
    scene
        .confirmed(Kind::Chain, scene.sakura, "2021-12-17")
        .await;
    let everything = [
        "さくら薬局 2021-12-17",
        "南洋メディカル 2021-12-17",
        "北海システム 2021-12-17",
    ];
    assert_eq!(scene.history(&ministry(), "").await, everything);
    let south = format!(", organisationId: \"{}\"", global(scene.south));
    assert_eq!(
        scene.history(&ministry(), &south).await,
        ["南洋メディカル 2021-12-17"]
    );
    let north = member(Kind::Vendor, scene.north, Role::Viewer);
    assert_eq!(scene.history(&north, "").await, ["北海システム 2021-12-17"]);
    assert_eq!(scene.history(&north, &south).await, Vec::<String>::new());
    // A vendor counts its own facilities, and learns of those who report for them.
    let on = "asOf: \"2021-12-17\"";
    assert_eq!(
        scene.reporters(&north, on, "").await,
        [
            "北海システム VENDOR 2 2021-12-17 true",
            "みなと薬局 CHAIN 1 - false"
        ]
    );
    assert_eq!(scene.coverage(&north, on).await, "2 2 0 100.0");
    let sakura = member(Kind::Chain, scene.sakura, Role::Viewer);
    assert_eq!(scene.coverage(&sakura, on).await, "3 3 0 100.0");
    assert_eq!(
        scene.reporters(&sakura, on, "").await,
        [
            "さくら薬局 CHAIN 3 2021-12-17 true",
            "南洋メディカル VENDOR 2 2021-12-17 true"
        ]
    );
}

#[rstest]
#[tokio::test]
async fn confirmations_at_once_leave_the_latest_day(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let editor = member(Kind::Vendor, scene.north, Role::Editor);
    let days: Vec<String> = (1..=19).map(|day| format!("2021-12-{day:02}")).collect();
    let at_once = days
        .iter()
        .map(|day| scene.confirm(&editor, scene.north, day));
    let payloads = futures_util::future::join_all(at_once).await;
    let written = payloads.iter().filter(|one| one["changeId"].is_string());
    let history = scene.history(&editor, "").await;
    assert_eq!(history.len(), written.count());
    assert_eq!(history[0], "北海システム 2021-12-19");
    let mut sorted = history.clone();
    sorted.sort_unstable_by(|one, other| other.cmp(one));
    assert_eq!(history, sorted, "each goes further than the one before");
}

#[rstest]
#[tokio::test]
async fn coverage_is_of_what_its_reader_counts_now_and_as_it_was_known(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    scene
        .confirmed(Kind::Vendor, scene.north, "2021-12-17")
        .await;
    scene
        .confirmed(Kind::Chain, scene.sakura, "2021-12-19")
        .await;
    let contractor = scene
        .api
        .organisation(Kind::SupportContractor, "設置サポート")
        .await;
    let code = |number| {
        let prefecture = Prefecture::from_number(if number % 2 == 0 { 1 } else { 2 }).unwrap();
        InstitutionCode::with_check_digit(prefecture, FeeTable::Dispensing, number).to_string()
    };
    for number in [1, 3] {
        scene
            .link(
                &code(number),
                "SUPPORT_CONTRACTOR",
                contractor,
                "2021-06-01",
            )
            .await;
    }
    scene.api.settle_and_fold().await;
    scene.api.services.clock.advance(TimeDelta::seconds(1));
    let then = scene.api.services.clock.now().to_rfc3339();
    scene.api.services.clock.advance(TimeDelta::seconds(1));
    scene.api.settle_and_fold().await;
    let mut both = member(Kind::Vendor, scene.north, Role::Viewer);
    both.grants
        .extend(member(Kind::Chain, scene.sakura, Role::Viewer).grants);
    let bureau = scene
        .api
        .organisation(Kind::RegionalBureau, "北海道厚生局")
        .await;
    let bureau = member(Kind::RegionalBureau, bureau, Role::Viewer);
    let helper = member(Kind::SupportContractor, contractor, Role::Viewer);
    for known in [String::new(), format!(", knownAt: \"{then}\"")] {
        let on = |day: &str| format!("asOf: \"{day}\"{known}");
        for (actor, day, expected) in [
            (&ministry(), "2021-12-19", "8 3 2 37.5"),
            (&ministry(), "2021-12-17", "8 5 2 62.5"),
            // Hokkaido alone.
            (&bureau, "2021-12-17", "4 2 2 50.0"),
            (&both, "2021-12-17", "5 5 0 100.0"),
            (&helper, "2021-12-17", "2 1 0 50.0"),
        ] {
            assert_eq!(
                scene.coverage(actor, &on(day)).await,
                expected,
                "{day} {known}"
            );
        }
        let pair = format!(
            "{}, filter: {{ vendorIds: [\"{}\"], chainIds: [\"{}\", \"{}\"] }}",
            on("2021-12-19"),
            global(scene.south),
            global(scene.sakura),
            global(scene.minato)
        );
        assert_eq!(scene.coverage(&ministry(), &pair).await, "2 2 0 100.0");
    }
    // A day in the past tells a vendor nothing of what a chain said since.
    let sakura_for_south = member(Kind::Vendor, scene.south, Role::Viewer);
    assert_eq!(
        scene
            .reporters(&sakura_for_south, "asOf: \"2021-12-01\"", "")
            .await,
        [
            "南洋メディカル VENDOR 3 - false",
            "さくら薬局 CHAIN 2 2021-12-01 true"
        ]
    );
}
