//! The monthly follow-up: the form, who has answered, and what is refused.

use chrono::TimeDelta;
use kaitsu::{
    auth::{OrganisationKind as Kind, Role},
    db::Backend,
};
use rstest::rstest;
use serde_json::json;

use super::Scene;
use crate::support::api::{errors, member, ministry};

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
