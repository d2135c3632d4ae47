//! What the records say of the work: who did it, what waits, how long it took, as of any day and as it was known.

use chrono::TimeDelta;
use kaitsu::{
    api::{NodeId, node_id::NodeKind},
    auth::{OrganisationKind as Kind, Role},
    db::Backend,
};
use rstest::rstest;
use serde_json::json;

use super::{Scene, code};
use crate::support::api::{global, member, ministry};

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
    scene.api.verify().await;
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
    scene.api.verify().await;
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
    scene.api.verify().await;
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
    scene.api.verify().await;
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
