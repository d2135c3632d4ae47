//! Lists of facilities: every order, pages that join up, and cursors that are good for their list only.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::TimeDelta;
use kaitsu::{
    auth::{OrganisationKind, Role},
    db::{Backend, Query},
    facility::{FeeTable, InstitutionCode, Prefecture},
};
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::api::{Api, member, ministry};

type Columns = (
    u8,
    &'static str,
    &'static str,
    i16,
    &'static str,
    Option<&'static str>,
    i16,
    Option<&'static str>,
);

/// What stands in the columns of nine facilities, in the order of their codes: each order puts them in another order,
/// every column has ties, and some days are missing.
const FACILITIES: [Columns; 9] = [
    // prefecture, name, kana, kind, opened, closed, stage, last milestone
    (1, "丙", "ウ", 3, "2020-04-03", None, 2, None),
    (
        1,
        "甲",
        "ア",
        3,
        "2020-04-02",
        Some("2021-03-01"),
        0,
        Some("2021-02-01"),
    ),
    (1, "乙", "イ", 2, "2020-04-02", None, 5, Some("2021-03-01")),
    (1, "甲", "ア", 2, "2020-04-01", Some("2021-01-01"), 0, None),
    (
        2,
        "丁",
        "エ",
        3,
        "2020-04-05",
        Some("2021-03-01"),
        2,
        Some("2021-02-01"),
    ),
    (2, "乙", "ウ", 2, "2020-04-01", None, 1, Some("2021-01-01")),
    (2, "戊", "ア", 3, "2020-04-04", None, 5, Some("2021-03-01")),
    (3, "甲", "オ", 2, "2020-04-02", Some("2021-02-01"), 1, None),
    (3, "丙", "イ", 3, "2020-04-03", None, 0, Some("2021-01-01")),
];

fn code(prefecture: u8, body: usize) -> String {
    let prefecture = Prefecture::from_number(prefecture).unwrap();
    let body = u32::try_from(body).unwrap();
    InstitutionCode::with_check_digit(prefecture, FeeTable::Dental, body).to_string()
}

/// Registers them; what only a history could bring about is written into the rows that lists are read from.
async fn registered(backend: Backend) -> Api {
    let api = Api::new(backend).await;
    for (number, (prefecture, name, kana, kind, opened, closed, stage, last)) in
        FACILITIES.into_iter().enumerate()
    {
        let code = code(prefecture, number);
        api.register(&code, "DENTAL_CLINIC", name).await;
        let day = |day: Option<&str>| day.map_or("NULL".to_owned(), |day| format!("'{day}'"));
        api.database
            .run(&format!(
                "UPDATE facility SET name_kana = '{kana}' WHERE id = \
                 (SELECT facility_id FROM facility_state WHERE code = '{code}'); \
                 UPDATE facility_state SET kind = {kind}, opened_on = '{opened}', closed_on = {}, stage = {stage}, \
                 last_milestone_on = {} WHERE code = '{code}'",
                day(closed),
                day(last),
            ))
            .await;
    }
    api
}

/// The codes in an order, as the table above says it.
fn in_order(order: &str) -> Vec<String> {
    let mut rows: Vec<(Vec<String>, String)> = FACILITIES
        .into_iter()
        .enumerate()
        .map(|(number, row)| {
            let (prefecture, name, kana, kind, opened, closed, stage, last) = row;
            let key = match order {
                "CODE" => vec![],
                "NAME" => vec![name.to_owned()],
                "NAME_KANA" => vec![kana.to_owned()],
                "PREFECTURE" => vec![prefecture.to_string(), kind.to_string()],
                "OPENED_ON" => vec![opened.to_owned()],
                "CLOSED_ON" => vec![closed.unwrap_or("never").to_owned()],
                "STAGE" => vec![stage.to_string()],
                "LAST_MILESTONE_ON" => vec![last.unwrap_or("").to_owned()],
                other => panic!("{other}"),
            };
            (key, code(prefecture, number))
        })
        .collect();
    rows.sort();
    rows.into_iter().map(|(_, code)| code).collect()
}

fn codes(response: &Value) -> Vec<String> {
    response["data"]["facilities"]["edges"]
        .as_array()
        .unwrap_or_else(|| panic!("{response:#}"))
        .iter()
        .map(|edge| edge["node"]["code"].as_str().unwrap().to_owned())
        .collect()
}

fn cursor_at(response: &Value, index: usize) -> &str {
    response["data"]["facilities"]["edges"][index]["cursor"]
        .as_str()
        .unwrap()
}

fn error_of(response: &Value) -> &Value {
    &response["errors"][0]["extensions"]["code"]
}

#[rstest]
#[tokio::test]
async fn pages_of_a_list_join_up_in_both_directions_and_refuse_foreign_cursors(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
    #[values(
        "CODE",
        "NAME",
        "NAME_KANA",
        "PREFECTURE",
        "OPENED_ON",
        "CLOSED_ON",
        "STAGE",
        "LAST_MILESTONE_ON"
    )]
    order: &str,
    #[values(false, true)] descending: bool,
) {
    let api = registered(backend).await;
    let page = async |arguments: &str| {
        let query = format!(
            "{{ facilities(orderBy: {{ field: {order}, descending: {descending} }}, filter: {{ open: null }}, {arguments}) {{
                edges {{ cursor node {{ code }} }} pageInfo {{ hasNextPage hasPreviousPage }} }} }}"
        );
        api.call(&ministry(), &query, json!({})).await
    };
    let all = codes(&page("first: 100").await);
    let mut expected = in_order(order);
    if descending {
        expected.reverse();
    }
    assert_eq!(all, expected);
    for size in [1, 2, 4] {
        let (mut forwards, mut backwards) = (Vec::new(), Vec::new());
        let mut from = String::new();
        loop {
            let next = page(&format!("first: {size}{from}")).await;
            let found = codes(&next);
            let Some(last) = found.len().checked_sub(1) else {
                break;
            };
            from = format!(", after: \"{}\"", cursor_at(&next, last));
            forwards.extend(found);
        }
        let mut from = String::new();
        loop {
            let before = page(&format!("last: {size}{from}")).await;
            let found = codes(&before);
            if found.is_empty() {
                break;
            }
            from = format!(", before: \"{}\"", cursor_at(&before, 0));
            backwards.splice(0..0, found);
        }
        assert_eq!(forwards, all, "pages of {size}");
        assert_eq!(backwards, all, "pages of {size}, backwards");
    }
    let first = page("first: 3").await;
    let cursor = cursor_at(&first, 2);
    let second = page(&format!("first: 3, after: \"{cursor}\"")).await;
    assert_eq!(
        second["data"]["facilities"]["pageInfo"],
        json!({ "hasNextPage": true, "hasPreviousPage": true })
    );
    for (arguments, code) in [
        ("first: 1000000", "BAD_PAGE"),
        ("first: 0", "BAD_PAGE"),
        ("first: -1", "BAD_PAGE"),
        ("first: 1, last: 1", "BAD_PAGE"),
        ("first: 1, after: \"bm90IG91cnM\"", "BAD_CURSOR"),
    ] {
        assert_eq!(error_of(&page(arguments).await), code, "{arguments}");
    }
    let other = format!(
        "{{ facilities(orderBy: {{ field: {order}, descending: {} }}, filter: {{ open: null }}, \
         first: 1, after: \"{cursor}\") {{ totalCount }} }}",
        !descending
    );
    let refused = api.call(&ministry(), &other, json!({})).await;
    assert_eq!(error_of(&refused), "BAD_CURSOR");
}

#[rstest]
#[case("CODE", &["", "\u{1f}0130000001\u{1f}0130000001", "\u{1f}\0"])]
#[case("NAME_KANA", &["\u{1f}ア", "\u{1f}ア\0\u{1f}0130000001"])]
#[case("STAGE", &["\u{1f}x\u{1f}0130000001", "\u{1f}99999\u{1f}0130000001"])]
#[case("OPENED_ON", &[
    "\u{1f}today\u{1f}0130000001",
    "\u{1f}-200000-01-01\u{1f}0130000001",
    "\u{1f}+200000-01-01\u{1f}0130000001",
])]
#[tokio::test]
async fn a_place_that_was_made_up_is_refused(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
    #[case] order: &str,
    #[case] places: &[&str],
) {
    let api = registered(backend).await;
    let query = "query ($order: FacilityOrderField!, $after: String) { facilities(first: 1, after: $after, \
                 orderBy: { field: $order }) { edges { cursor node { code } } } }";
    let response = api
        .call(&ministry(), query, json!({ "order": order }))
        .await;
    let real = BASE64_URL_SAFE_NO_PAD
        .decode(cursor_at(&response, 0))
        .unwrap();
    let real = String::from_utf8(real).unwrap();
    let (list, _) = real.split_once('\u{1f}').unwrap();
    for place in places {
        let after = BASE64_URL_SAFE_NO_PAD.encode(format!("{list}{place}"));
        let response = api
            .call(
                &ministry(),
                query,
                json!({ "order": order, "after": after }),
            )
            .await;
        assert_eq!(error_of(&response), "BAD_CURSOR", "{place:?}: {response}");
    }
}

#[rstest]
#[tokio::test]
async fn a_cursor_outlives_the_day(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let api = registered(backend).await;
    let query = "query ($after: String) { facilities(first: 2, after: $after, \
                 filter: { daysSinceLastMilestoneAtLeast: 30 }) { edges { cursor node { code } } } }";
    let first = api.call(&ministry(), query, json!({})).await;
    api.services.clock.advance(TimeDelta::days(1));
    let after = json!({ "after": cursor_at(&first, 1) });
    let second = api.call(&ministry(), query, after).await;
    let mut both = codes(&first);
    both.extend(codes(&second));
    let open: Vec<String> = FACILITIES
        .iter()
        .enumerate()
        .filter(|(_, row)| row.5.is_none() && row.7.is_some())
        .map(|(number, row)| code(row.0, number))
        .collect();
    assert_eq!(both, open[..4]);
}

#[rstest]
#[tokio::test]
async fn a_search_is_measured_before_it_is_folded_and_an_age_may_be_any(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let api = registered(backend).await;
    let query = "query ($filter: FacilityFilter) { facilities(first: 1, filter: $filter) { edges { cursor node { code } } } }";
    for text in ["\u{fdfa}".repeat(201), "x".to_owned(), "\0\0".to_owned()] {
        let filter = json!({ "filter": { "search": text } });
        let response = api.call(&ministry(), query, filter).await;
        assert_eq!(error_of(&response), "BAD_SEARCH");
    }
    // A hundred characters, written in two hundred.
    let filter = json!({ "filter": { "search": "ｶﾞ".repeat(100) } });
    api.data(&ministry(), query, filter).await;
    for field in [
        "daysSinceLastMilestoneAtLeast",
        "daysSinceLastMilestoneAtMost",
    ] {
        let mut filter = json!({ "filter": {} });
        filter["filter"][field] = json!(i32::MAX);
        api.data(&ministry(), query, filter).await;
    }
}

#[tokio::test]
async fn a_vendors_longest_quiet_facilities_are_read_from_an_index_in_order() {
    let api = registered(Backend::Postgres).await;
    let vendor = api.organisation(OrganisationKind::Vendor, "あおば").await;
    api.database
        .run(&format!(
            "UPDATE facility_state SET vendor_id = {vendor}; ANALYZE facility_state"
        ))
        .await;
    let actor = member(OrganisationKind::Vendor, vendor, Role::Viewer);
    let query = "{ facilities(first: 3, filter: { open: null }, orderBy: { field: LAST_MILESTONE_ON }) { edges { node { code } } } }";
    let found = codes(&api.call(&actor, query, json!({})).await);
    assert_eq!(found, in_order("LAST_MILESTONE_ON")[..3]);
    let plan = Query::new(format!(
        "EXPLAIN SELECT code FROM facility_state s WHERE s.vendor_id = {vendor} AND s.vendor_id <> 0 \
         ORDER BY COALESCE(s.last_milestone_on, '0001-01-01'), s.code LIMIT 3"
    ));
    let transaction = api.services.database.begin().await.unwrap();
    // The table is so small that reading all of it would be cheaper.
    Query::new("SET LOCAL enable_seqscan = off")
        .execute(&transaction)
        .await
        .unwrap();
    let plan: Vec<String> = plan
        .all(&transaction)
        .await
        .unwrap()
        .iter()
        .map(|row| row.try_get_by_index(0).unwrap())
        .collect();
    let plan = plan.join("\n");
    assert!(plan.contains("facility_state_quiet"), "{plan}");
    assert!(!plan.contains("Sort"), "{plan}");
}
