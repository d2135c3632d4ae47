//! `changes` and `changeHead`, page by page.

use chrono::TimeDelta;
use kaitsu::{
    auth::{Actor, Language, OrganisationKind},
    backup,
    db::Backend,
};
use rstest::rstest;
use serde_json::{Value, json};

use super::scene::{Scene, facilities, forged, operations, position_of};
use crate::support::api::ministry;

#[rstest]
#[tokio::test]
async fn every_change_is_told_in_order_whatever_the_page_size(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let (vendor, _) = scene.vendor("あおばシステム").await;
    let first = scene.clinic_of(1, vendor).await;
    scene.settle().await;
    let second = scene.clinic(2).await;
    scene.rename(&first, "浜内科").await;
    scene.settle().await;
    let (whole, end) = scene.rest(&ministry(), 100, None).await;
    assert_eq!(
        facilities(&whole),
        [&first, &first, &second, &first].map(Clone::clone)
    );
    let done = [
        "facilityRegister",
        "facilityLink",
        "facilityRegister",
        "facilityUpdate",
    ];
    assert_eq!(operations(&whole), done);
    for size in 1..=4 {
        assert_eq!(
            scene.rest(&ministry(), size, None).await,
            (whole.clone(), end.clone())
        );
    }
    for (position, node) in whole.iter().enumerate() {
        let cursor = node["cursor"].as_str();
        let (rest, _) = scene.rest(&ministry(), 2, cursor).await;
        assert_eq!(rest, whole[position + 1..]);
    }
}

#[rstest]
#[tokio::test]
async fn an_entry_tells_who_did_what_and_how_the_facility_stands_now(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let (vendor, staff) = scene.vendor("あおばシステム").await;
    let clinic = scene.clinic_of(1, vendor).await;
    scene.settle().await;
    let head = scene.head(&staff).await;
    let record = "mutation ($input: MilestoneRecordInput!) { milestoneRecord(input: $input) { eventIds userErrors { code } } }";
    let input = json!({ "facility": { "id": clinic }, "milestone": "INSTALLED", "on": "2021-05-01",
        "reason": "by telephone" });
    let recorded = scene
        .api
        .data(&staff, record, json!({ "input": input }))
        .await;
    let event = &recorded["milestoneRecord"]["eventIds"][0];
    let correct = "mutation ($input: MilestoneCorrectInput!) { milestoneCorrect(input: $input) { eventIds userErrors { code } } }";
    let input = json!({ "facility": { "id": clinic }, "eventId": event, "on": "2021-05-02" });
    let corrected = scene
        .api
        .data(&staff, correct, json!({ "input": input }))
        .await;
    assert_eq!(corrected["milestoneCorrect"]["userErrors"], json!([]));
    scene.settle().await;

    let page = scene.page(&staff, 10, Some(&head)).await;
    assert_eq!(
        operations(&page.nodes),
        ["milestoneRecord", "milestoneCorrect"]
    );
    let [recorded, corrected] = page.nodes.as_slice() else {
        panic!("two entries");
    };
    assert_eq!(recorded["organisation"]["name"], "あおばシステム");
    assert_eq!(recorded["actorKind"], "USER");
    assert_eq!(recorded["source"], "API");
    assert_eq!(recorded["reason"], "by telephone");
    assert_eq!(recorded["leftScope"], false);
    assert_eq!(recorded["facility"]["id"], json!(clinic));
    assert_eq!(recorded["facility"]["vendor"]["name"], "あおばシステム");
    assert_eq!(recorded["facility"]["version"], 4);
    let voided = json!({ "id": event, "kind": "MILESTONE_REACHED", "milestone": "INSTALLED",
        "effectiveOn": "2021-05-01", "voided": true, "organisation": { "name": "あおばシステム" } });
    assert_eq!(recorded["events"], json!([voided]));
    assert_eq!(
        corrected["events"][0], voided,
        "what the correction took back"
    );
    assert_eq!(corrected["events"][1]["effectiveOn"], "2021-05-02");
    assert_eq!(corrected["events"][1]["voided"], false);
}

#[rstest]
#[tokio::test]
async fn a_change_that_is_not_settled_is_not_told_yet(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let clinic = scene.clinic(1).await;
    let page = scene.page(&ministry(), 10, None).await;
    assert!(page.nodes.is_empty() && !page.more);
    let head = scene.head(&ministry()).await;
    assert_eq!(page.end, head);
    scene.settle().await;
    let page = scene.page(&ministry(), 10, Some(&head)).await;
    assert_eq!(facilities(&page.nodes), [clinic]);
    assert_eq!(page.end, scene.head(&ministry()).await);
    let page = scene.page(&ministry(), 10, Some(&page.end)).await;
    assert!(page.nodes.is_empty() && !page.more);
}

#[rstest]
#[tokio::test]
async fn cursors_of_other_lists_and_made_up_ones_are_refused(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    scene.clinic(1).await;
    scene.settle().await;
    let list = "{ facilities(first: 1) { edges { cursor } } }";
    let data = scene.api.data(&ministry(), list, json!({})).await;
    let other = data["facilities"]["edges"][0]["cursor"].as_str().unwrap();
    let head = scene.head(&ministry()).await;
    let bad = [
        other.to_owned(),
        String::new(),
        "made up".to_owned(),
        forged(&head, "999"),
        forged(&head, "-1"),
        forged(&head, "1.5"),
        forged(&head, "99999999999999999999"),
        forged(&head, "1\0"),
    ];
    for cursor in bad {
        let refused = scene.try_page(&ministry(), 10, Some(&cursor)).await.err();
        assert_eq!(refused.as_deref(), Some("BAD_CURSOR"), "{cursor}");
    }
    let there =
        "query ($after: String) { facilities(first: 1, after: $after) { edges { cursor } } }";
    let response = scene
        .api
        .call(&ministry(), there, json!({ "after": head }))
        .await;
    assert_eq!(response["errors"][0]["extensions"]["code"], "BAD_CURSOR");
    for first in [0, 101] {
        let refused = scene.try_page(&ministry(), first, None).await.err();
        assert_eq!(refused.as_deref(), Some("BAD_PAGE"));
    }
}

#[rstest]
#[tokio::test]
async fn a_reader_may_be_away_for_ninety_days(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let clinic = scene.clinic(1).await;
    scene.settle().await;
    let before = scene.head(&ministry()).await;
    scene.rename(&clinic, "浜内科").await;
    scene.settle().await;
    let after = scene.head(&ministry()).await;

    scene.api.services.clock.advance(TimeDelta::days(90));
    let page = scene.page(&ministry(), 10, Some(&before)).await;
    assert_eq!(operations(&page.nodes), ["facilityUpdate"]);

    scene.api.services.clock.advance(TimeDelta::days(1));
    let expired = scene.try_page(&ministry(), 10, Some(&before)).await.err();
    assert_eq!(expired.as_deref(), Some("CURSOR_EXPIRED"));
    let page = scene.page(&ministry(), 10, Some(&after)).await;
    assert!(page.nodes.is_empty(), "nothing was missed since");
    let page = scene.page(&ministry(), 10, None).await;
    assert!(page.nodes.is_empty(), "what is older is not told");

    scene.rename(&clinic, "港内科").await;
    scene.settle().await;
    for cursor in [None, Some(after.as_str())] {
        let page = scene.page(&ministry(), 10, cursor).await;
        assert_eq!(operations(&page.nodes), ["facilityUpdate"]);
    }
}

#[rstest]
#[tokio::test]
async fn whoever_may_not_read_facilities_is_told_nothing(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    scene.clinic(1).await;
    scene.settle().await;
    let (_, supplier) = scene
        .organisation(OrganisationKind::Supplier, "メーカー")
        .await;
    let anonymous = Actor::anonymous(Language::En);
    for (actor, denial) in [(&supplier, "Forbidden"), (&anonymous, "Unauthenticated")] {
        let refused = scene.try_page(actor, 10, None).await.err();
        assert_eq!(refused.as_deref(), Some(denial));
        let response = scene.api.call(actor, "{ changeHead }", json!({})).await;
        assert_eq!(response["errors"][0]["extensions"]["code"], denial);
    }
}

#[rstest]
#[tokio::test]
async fn pages_stay_bounded_and_cursors_silent_where_nothing_is_the_readers(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let (vendor, staff) = scene.vendor("あおばシステム").await;
    let (rival, _) = scene.vendor("みどりシステム").await;
    scene.import(100_123, 9_500, rival).await;
    let clinic = scene.clinic_of(1, vendor).await;
    scene.import(200_001, 30, rival).await;
    scene.settle().await;

    let mut page = scene.page(&staff, 10, None).await;
    assert!(
        page.nodes.is_empty() && page.more,
        "a bounded look at what is a rival's"
    );
    let mut pages = 1;
    let mut told: Vec<Value> = Vec::new();
    loop {
        let (_, facility) = position_of(&page.end);
        let silent = facility == i64::MAX || facility % 1_000 == 0;
        assert!(silent, "the cursor tells of the facility {facility}");
        if !page.more {
            break;
        }
        page = scene.page(&staff, 10, Some(&page.end)).await;
        pages += 1;
        told.extend(page.nodes.clone());
    }
    assert_eq!(facilities(&told), [clinic.clone(), clinic]);
    assert!((3..=5).contains(&pages), "{pages} pages");
    let page = scene.page(&ministry(), 100, None).await;
    assert_eq!(
        page.nodes.len(),
        100,
        "nothing is looked over where all is the reader's"
    );
}

#[rstest]
#[tokio::test]
async fn a_cursor_of_the_original_is_refused_by_its_restored_copy(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let (original, copy) = (Scene::new(backend).await, Scene::new(backend).await);
    let clinic = original.clinic(1).await;
    original.settle().await;
    let name = format!("kaitsu-feed-{:016x}.gz", rand::random::<u64>());
    let file = std::env::temp_dir().join(name);
    let services = &original.api.services;
    backup::backup(&services.database, &services.clock, &file, &|_| {})
        .await
        .unwrap();
    let head = original.head(&ministry()).await;
    backup::restore(&copy.api.services.database, &file, &|_| {})
        .await
        .unwrap();
    std::fs::remove_file(&file).unwrap();

    // The copy goes on by itself, past the number that the reader has.
    for name in ["浜内科", "港内科"] {
        copy.rename(&clinic, name).await;
        copy.settle().await;
    }
    let refused = copy.try_page(&ministry(), 10, Some(&head)).await.err();
    assert_eq!(refused.as_deref(), Some("BAD_CURSOR"));
    let (whole, end) = copy.rest(&ministry(), 10, None).await;
    assert_eq!(whole.len(), 3);
    assert!(
        copy.page(&ministry(), 10, Some(&end))
            .await
            .nodes
            .is_empty()
    );
}
