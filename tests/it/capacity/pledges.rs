//! What vendors pledge, and how far that is kept.

use chrono::TimeDelta;
use kaitsu::{
    auth::{OrganisationKind as Kind, Permission, Role},
    db::{Backend, OrganisationId},
};
use rstest::rstest;
use serde_json::{Value, json};

use super::Scene;
use crate::support::api::{errors, global, member, ministry};

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
