//! Plain objects answer at once what async-graphql would answer field by field.

use kaitsu::{
    auth::{OrganisationKind as Kind, Role},
    db::Backend,
};
use serde_json::{Value, json};

use crate::support::api::{Api, member, ministry};

const FACILITY: &str = "__typename id code kind prefecture name nameKana publicInstitution openedOn closedOn stage \
    lastMilestoneOn version reference vendor { id name __typename } chain { id name } supportContractor { name } \
    milestones { milestone reachedOn plannedOn } renamed: name ... on Facility { again: code } ...Rest";
const REST: &str = "fragment Rest on Facility { milestones { plannedOn } last: vendor { name } }";

/// A clinic with a vendor, milestones and a plan.
async fn scene() -> Api {
    let api = Api::new(Backend::Sqlite).await;
    let vendor = api.organisation(Kind::Vendor, "あおばシステム").await;
    let clinic = api
        .register("0110112489", "MEDICAL_CLINIC", "みなと内科")
        .await;
    let row = |milestone: &str, action: &str, on: &str| json!({ "facility": { "id": clinic }, "milestone": milestone, "action": action, "on": on });
    let rows = [
        row("READER_APPLIED", "RECORD", "2021-06-01"),
        row("READY", "RECORD", "2021-11-01"),
        row("LIVE", "PLAN", "2022-02-01"),
    ];
    let write = "mutation ($input: MilestoneBulkRecordInput!) { milestoneBulkRecord(input: $input) { refusedCount } }";
    let data = api
        .data(&ministry(), write, json!({ "input": { "rows": rows } }))
        .await;
    assert_eq!(data["milestoneBulkRecord"]["refusedCount"], 0);
    let link = format!("UPDATE facility_state SET vendor_id = {vendor}");
    api.database.run(&link).await;
    api
}

async fn ask(api: &Api, query: &str) -> Value {
    api.data(&ministry(), query, json!({})).await
}

#[tokio::test]
async fn a_facility_is_the_same_whether_it_is_answered_at_once_or_field_by_field() {
    let api = scene().await;
    let at_once = format!("{{ facilityByCode(code: \"0110112489\") {{ {FACILITY} }} }} {REST}");
    // A fragment on an interface is resolved by the library.
    let by_field = at_once.replace("__typename id code", "... on Node { id } __typename code");
    let (at_once, by_field) = (ask(&api, &at_once).await, ask(&api, &by_field).await);
    assert_eq!(at_once, by_field);
    let facility = &at_once["facilityByCode"];
    assert_eq!(facility["vendor"]["name"], "あおばシステム");
    assert_eq!(facility["milestones"][9]["plannedOn"], "2022-02-01");
    assert_eq!(facility["milestones"][8]["reachedOn"], "2021-11-01");
}

#[tokio::test]
async fn a_count_is_the_same_whether_it_is_answered_at_once_or_field_by_field() {
    let api = scene().await;
    let query = "{ rolloutFigures(asOf: \"2021-12-19\", groupBy: [KIND, PREFECTURE, BUREAU]) { cells { \
        kind prefecture bureau all applied ready live appliedPercent readyPercent livePercent } } }";
    let at_once = ask(&api, query).await;
    let by_field = ask(
        &api,
        &query.replace("livePercent }", "livePercent increase { all } }"),
    )
    .await;
    let cell = &at_once["rolloutFigures"]["cells"][0];
    assert_eq!(cell["appliedPercent"], 100.0);
    for (name, value) in cell.as_object().unwrap() {
        assert_eq!(
            &by_field["rolloutFigures"]["cells"][0][name], value,
            "{name}"
        );
    }
}

#[tokio::test]
async fn fields_come_in_the_order_in_which_they_are_asked_for() {
    let api = scene().await;
    let query = "{ facilityByCode(code: \"0110112489\") { version name code } }";
    let actor = member(
        Kind::Ministry,
        kaitsu::db::OrganisationId(9_999),
        Role::Admin,
    );
    let caller = kaitsu::api::Caller {
        actor,
        request_id: "test".to_owned(),
    };
    let request = async_graphql::Request::new(query).data(caller);
    let answer = serde_json::to_string(&api.schema.execute(request).await.data).unwrap();
    let places = ["version", "name", "code"].map(|name| answer.find(&format!("\"{name}\":")));
    assert!(places.is_sorted(), "{answer}");
}
