//! What people get wrong when they write: each slip is told by a code at its place in the input, and nothing is written.

use kaitsu::db::Backend;
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::api::{Api, ministry};

const CLINIC: &str = "0110112489";
/// The clinic's code, but for its last digit.
const MISTYPED: &str = "0110112488";
/// A code without a slip, which nobody has.
const NOBODYS: &str = "0110112497";

/// What a write leaves rows in.
const TABLES: [&str; 8] = [
    "change",
    "facility",
    "facility_code",
    "facility_event",
    "facility_period",
    "facility_reference",
    "figure_delta",
    "idempotency",
];

/// A clinic that opened on 2020-04-01 and reached these milestones.
async fn clinic(backend: Backend, reached: &[(&str, &str)]) -> Api {
    let api = Api::new(backend).await;
    api.register(CLINIC, "MEDICAL_CLINIC", "みなと内科").await;
    for (milestone, on) in reached {
        let input = json!({ "facility": { "code": CLINIC }, "milestone": milestone, "on": on });
        let payload = write(&api, "milestoneRecord", input).await;
        assert_eq!(payload["userErrors"], json!([]), "{milestone}");
    }
    api
}

/// Runs a mutation of one facility and returns its payload.
async fn write(api: &Api, name: &str, input: Value) -> Value {
    let document = format!(
        "mutation ($input: {}{}Input!) {{ {name}(input: $input) {{ facility {{ version }} version eventIds \
         userErrors {{ code path }} }} }}",
        name[..1].to_uppercase(),
        &name[1..]
    );
    let data = api
        .data(&ministry(), &document, json!({ "input": input }))
        .await;
    data[name].clone()
}

/// How many rows there are of everything that a write leaves, and the clinic's version.
async fn everything(api: &Api) -> Vec<i64> {
    let mut found = Vec::new();
    for table in TABLES {
        let rows = format!("SELECT count(*) FROM {table}");
        found.push(api.database.number(&rows).await);
    }
    let version = format!("SELECT version FROM facility_state WHERE code = '{CLINIC}'");
    found.push(api.database.number(&version).await);
    found
}

/// Runs a mutation that must be refused for one reason and leave everything as it was.
async fn refused(api: &Api, name: &str, input: Value, code: &str, path: Value) {
    let before = everything(api).await;
    let payload = write(api, name, input).await;
    assert_eq!(
        payload["userErrors"],
        json!([{ "code": code, "path": path }]),
        "{name}"
    );
    assert_eq!(payload["version"], Value::Null, "{name}");
    assert_eq!(payload["eventIds"], json!([]), "{name}");
    assert_eq!(everything(api).await, before, "{name}");
}

#[rstest]
#[case::ready_before_the_application(&[("READER_APPLIED", "2021-06-01")], "READY", "2021-05-31")]
#[case::live_before_ready(
    &[("READER_APPLIED", "2021-06-01"), ("READY", "2021-07-01")],
    "LIVE",
    "2021-06-30"
)]
#[tokio::test]
async fn a_milestone_dated_before_the_one_that_it_needs_is_refused(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
    #[case] reached: &[(&str, &str)],
    #[case] milestone: &str,
    #[case] on: &str,
) {
    let api = clinic(backend, reached).await;
    let input = json!({ "facility": { "code": CLINIC }, "milestone": milestone, "on": on });
    refused(
        &api,
        "milestoneRecord",
        input,
        "MISSING_EARLIER_MILESTONE",
        json!(["input", "milestone"]),
    )
    .await;
}

const BULK: &str = "mutation ($input: MilestoneBulkRecordInput!) { milestoneBulkRecord(input: $input) {
    writtenCount refusedCount userErrors { code } rows { facility { version } version eventIds userErrors { code path } } } }";

#[rstest]
#[tokio::test]
async fn every_bad_row_of_a_spreadsheet_is_told_at_its_place_and_none_is_written(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
    #[values("REJECT_ALL", "REJECT_FAILED_ROWS")] policy: &str,
) {
    let api = clinic(backend, &[("READER_APPLIED", "2021-06-01")]).await;
    let row = |code: &str, milestone: &str, on: &str| json!({ "facility": { "code": code }, "milestone": milestone, "on": on });
    let mut stale = row(CLINIC, "PC_PROCURED", "2021-12-01");
    stale["expectedVersion"] = json!(1);
    let rows = [
        row(CLINIC, "LIVE", "2021-12-01"),
        row(CLINIC, "INSTALLED", "2021-12-20"),
        row(CLINIC, "INSTALLED", "2021-12-01"),
        stale,
        row(MISTYPED, "INSTALLED", "2021-12-01"),
        row(NOBODYS, "INSTALLED", "2021-12-01"),
    ];
    let expected: [(&str, &[&str]); 6] = [
        ("MISSING_EARLIER_MILESTONE", &["milestone"]),
        ("DATE_IN_FUTURE", &["on"]),
        ("DUPLICATE_ROW", &[]),
        ("STALE_VERSION", &["expectedVersion"]),
        ("INVALID_INSTITUTION_CODE", &["facility"]),
        ("NOT_FOUND", &["facility"]),
    ];
    let before = everything(&api).await;
    let input = json!({ "input": { "rows": rows, "errorPolicy": policy } });
    let data = api.data(&ministry(), BULK, input).await;
    let payload = &data["milestoneBulkRecord"];
    assert_eq!(payload["writtenCount"], 0);
    assert_eq!(payload["refusedCount"], 6);
    assert_eq!(payload["userErrors"], json!([]));
    for (index, (code, field)) in expected.into_iter().enumerate() {
        let row = index.to_string();
        let mut path = vec!["input", "rows", row.as_str()];
        path.extend(field);
        // Of the last two nothing is shown.
        let named = index < 4;
        assert_eq!(
            payload["rows"][index],
            json!({
                "facility": named.then(|| json!({ "version": 2 })),
                "version": null,
                "eventIds": [],
                "userErrors": [{ "code": code, "path": path }],
            })
        );
    }
    assert_eq!(everything(&api).await, before);
}

#[rstest]
#[case("milestoneRecord", json!({ "milestone": "INSTALLED", "on": "2021-12-01" }))]
#[case("milestonePlan", json!({ "milestone": "INSTALLED", "on": "2022-01-15" }))]
#[case("facilityUpdate", json!({ "phone": "011-000-0000" }))]
#[case("facilityReferenceSet", json!({ "reference": "A-1" }))]
#[tokio::test]
async fn a_slip_in_a_facilitys_code_is_told_from_a_code_that_nobody_has(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
    #[case] name: &str,
    #[case] input: Value,
) {
    let api = clinic(backend, &[]).await;
    for (code, told) in [
        (MISTYPED, "INVALID_INSTITUTION_CODE"),
        (NOBODYS, "NOT_FOUND"),
    ] {
        let mut input = input.clone();
        input["facility"] = json!({ "code": code });
        refused(&api, name, input, told, json!(["input", "facility"])).await;
    }
}

#[rstest]
#[case::of_ten_thousand_characters("あ".repeat(10_000))]
#[case::with_a_bell("みなと\u{7}内科".to_owned())]
#[case::with_a_nul("みなと\0内科".to_owned())]
#[tokio::test]
async fn a_name_that_cannot_be_kept_is_refused(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
    #[case] text: String,
) {
    let api = clinic(backend, &[]).await;
    let place = json!(["input"]);
    let update = json!({ "facility": { "code": CLINIC }, "name": text });
    refused(
        &api,
        "facilityUpdate",
        update,
        "INVALID_TEXT",
        place.clone(),
    )
    .await;
    let register = json!({ "code": NOBODYS, "kind": "MEDICAL_CLINIC", "name": text, "openedOn": "2020-04-01" });
    refused(&api, "facilityRegister", register, "INVALID_TEXT", place).await;
}

#[rstest]
#[tokio::test]
async fn a_key_is_good_for_one_request_to_the_registry(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let api = clinic(backend, &[]).await;
    let update = |phone: &str| json!({ "facility": { "code": CLINIC }, "phone": phone, "idempotencyKey": "k1" });
    let first = write(&api, "facilityUpdate", update("011-000-0000")).await;
    assert_eq!(first["userErrors"], json!([]));
    assert_eq!(first["version"], 2);
    let register = json!({ "code": NOBODYS, "kind": "MEDICAL_CLINIC", "name": "浜内科", "openedOn": "2020-04-01",
        "idempotencyKey": "k1" });
    for (name, input) in [
        ("facilityUpdate", update("011-111-1111")),
        ("facilityRegister", register),
    ] {
        let place = json!(["input", "idempotencyKey"]);
        refused(&api, name, input, "IDEMPOTENCY_KEY_REUSED", place).await;
    }
    assert_eq!(
        write(&api, "facilityUpdate", update("011-000-0000")).await,
        first
    );

    // A slip in the code is an outcome as any other.
    let slip = |phone: &str, key: &str| json!({ "facility": { "code": MISTYPED }, "phone": phone, "idempotencyKey": key });
    let reused = json!(["input", "idempotencyKey"]);
    let code = "IDEMPOTENCY_KEY_REUSED";
    refused(
        &api,
        "facilityUpdate",
        slip("1", "k1"),
        code,
        reused.clone(),
    )
    .await;
    let told = write(&api, "facilityUpdate", slip("1", "k2")).await;
    assert_eq!(told["userErrors"][0]["code"], "INVALID_INSTITUTION_CODE");
    assert_eq!(write(&api, "facilityUpdate", slip("1", "k2")).await, told);
    refused(&api, "facilityUpdate", slip("2", "k2"), code, reused).await;
}
