//! Figures: exact after every commit, the same before and after folding, reproducible as known.

use std::cell::Cell;

use async_graphql::ID;
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use kaitsu::{
    api::{NodeId, node_id::NodeKind},
    auth::{Actor, OrganisationKind, Role},
    change::Known,
    db::{Backend, Database, DatabaseSettings, OrganisationId},
    facility::{FacilityKind, FeeTable, InstitutionCode, Prefecture},
    figures::{
        entity::rows::Filter,
        service::{Answer, Dimension, Question, ask, ask_on_days},
    },
};
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::{
    TestDatabase,
    api::{Api, member, ministry},
};

/// A generator of our own, so that a failing run can be repeated.
struct Random(Cell<u64>);

impl Random {
    fn below(&self, most: usize) -> usize {
        let next = self
            .0
            .get()
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.0.set(next);
        usize::try_from(next >> 33).unwrap() % most
    }

    fn day(&self) -> String {
        let first: NaiveDate = "2020-06-01".parse().unwrap();
        (first + TimeDelta::days(i64::try_from(self.below(500)).unwrap())).to_string()
    }
}

const ALL_DIMENSIONS: [Dimension; 5] = [
    Dimension::Kind,
    Dimension::Prefecture,
    Dimension::Bureau,
    Dimension::Vendor,
    Dimension::Chain,
];

fn question(as_of: &str, known: Known, group_by: &[Dimension]) -> Question {
    Question {
        as_of: as_of.parse().unwrap(),
        known,
        filter: Filter::default(),
        group_by: group_by.to_vec(),
    }
}

/// Sums an answer with all dimensions down to fewer.
fn rolled_up(rows: &Answer, keep: &[Dimension]) -> Answer {
    let mut rolled = Answer::new();
    for (group, counts) in rows {
        let mut group = *group;
        if !keep.contains(&Dimension::Kind) {
            group.kind = None;
        }
        if !keep.contains(&Dimension::Prefecture) {
            group.prefecture = None;
        }
        if !keep.contains(&Dimension::Bureau) {
            group.bureau = None;
        }
        if !keep.contains(&Dimension::Vendor) {
            group.vendor = None;
        }
        if !keep.contains(&Dimension::Chain) {
            group.chain = None;
        }
        *rolled.entry(group).or_default() += *counts;
    }
    rolled.retain(|_, counts| !counts.is_zero());
    rolled
}

/// Compares every source of an answer with a count of the rows, on several days.
async fn compare(api: &Api, known: Known) {
    let database = &api.services.database;
    for as_of in [
        "2020-05-01",
        "2020-09-09",
        "2021-01-31",
        "2021-06-15",
        "2021-12-19",
        "2030-01-01",
    ] {
        // Grouped by vendor and chain both, an answer is always counted from rows.
        let rows = ask(
            database,
            &Actor::system(),
            &question(as_of, known, &ALL_DIMENSIONS),
        )
        .await
        .unwrap();
        for (group, counts) in &rows {
            let nested = [counts.all, counts.applied, counts.ready, counts.live];
            assert!(
                nested.is_sorted_by(|a, b| a >= b) && counts.live >= 0,
                "{group:?} {counts:?}"
            );
        }
        for dimensions in [
            &[][..],
            &[Dimension::Kind],
            &[Dimension::Kind, Dimension::Prefecture],
            &[Dimension::Bureau],
            &[Dimension::Vendor],
            &[Dimension::Vendor, Dimension::Kind],
            &[Dimension::Chain],
        ] {
            let fast = ask(
                database,
                &Actor::system(),
                &question(as_of, known, dimensions),
            )
            .await
            .unwrap();
            assert_eq!(
                fast,
                rolled_up(&rows, dimensions),
                "{as_of} {dimensions:?} {known:?}"
            );
        }
    }
}

/// Compares series of the nation, of one vendor, and of a chain that is counted from rows.
async fn compare_all_series(chaos: &Chaos, known: Known) {
    let filter = |place: usize| {
        let (_, id) = &chaos.organisations[place];
        let row = NodeId::row_of(&ID(id.clone()), NodeKind::Organisation).unwrap();
        vec![Some(OrganisationId(row))]
    };
    let nation = Filter::default();
    let pharmacies = Filter {
        kinds: vec![FacilityKind::Pharmacy],
        ..Filter::default()
    };
    let vendor = Filter {
        vendors: filter(0),
        ..Filter::default()
    };
    let both = Filter {
        vendors: filter(0),
        chains: filter(2),
        ..Filter::default()
    };
    for filter in [nation, pharmacies, vendor, both] {
        compare_series(&chaos.api, &Actor::system(), known, &filter).await;
    }
}

/// Compares a series, whatever it is read from, with the same days one by one.
async fn compare_series(api: &Api, actor: &Actor, known: Known, filter: &Filter) {
    let days: Vec<NaiveDate> = [
        "2019-01-01",
        "2020-06-15",
        "2020-09-09",
        "2021-06-15",
        "2030-01-01",
    ]
    .map(|day| day.parse().unwrap())
    .into();
    let database = &api.services.database;
    let mut question = question("2021-12-19", known, &[]);
    question.filter = filter.clone();
    let series = ask_on_days(database, actor, &question, &days)
        .await
        .unwrap();
    for (as_of, counts) in days.into_iter().zip(series) {
        question.as_of = as_of;
        let answer = ask(database, actor, &question).await.unwrap();
        let alone = answer.into_values().next().unwrap_or_default();
        assert_eq!(counts, alone, "{as_of} {known:?} {filter:?}");
    }
}

/// Makes facilities and does random things to them, whether they are allowed or not.
struct Chaos {
    api: Api,
    random: Random,
    codes: Vec<String>,
    organisations: Vec<(&'static str, String)>,
}

impl Chaos {
    async fn new(backend: Backend, seed: u64) -> Self {
        let api = Api::new(backend).await;
        let mut organisations = Vec::new();
        for (kind, name) in [
            (OrganisationKind::Vendor, "VENDOR"),
            (OrganisationKind::Vendor, "VENDOR"),
            (OrganisationKind::Chain, "CHAIN"),
            (OrganisationKind::Chain, "CHAIN"),
        ] {
            let id = api.organisation(kind, name).await;
            let id = kaitsu::api::NodeId::new(kaitsu::api::node_id::NodeKind::Organisation, id.0);
            organisations.push((name, id.encode().0));
        }
        let mut codes = Vec::new();
        for body in 0..12 {
            let prefecture = Prefecture::from_number(if body % 3 == 0 { 1 } else { 13 }).unwrap();
            let (table, kind) = match body % 2 {
                0 => (FeeTable::Dispensing, "PHARMACY"),
                _ => (FeeTable::Medical, "MEDICAL_CLINIC"),
            };
            let code = InstitutionCode::with_check_digit(prefecture, table, body).to_string();
            api.register(&code, kind, "施設").await;
            codes.push(code);
        }
        Self {
            api,
            random: Random(Cell::new(seed)),
            codes,
            organisations,
        }
    }

    async fn step(&self) {
        let code = self.codes[self.random.below(self.codes.len())].clone();
        let on = self.random.day();
        let facility = json!({ "code": code });
        let milestone = ["READER_APPLIED", "READY", "LIVE", "INSTALLED"][self.random.below(4)];
        let (name, kind, input) = match self.random.below(12) {
            0..=4 => (
                "milestoneRecord",
                "MilestoneRecordInput",
                json!({ "facility": facility, "milestone": milestone, "on": on, "implyEarlier": self.random.below(2) == 0 }),
            ),
            5 => (
                "milestoneWithdraw",
                "MilestoneWithdrawInput",
                json!({ "facility": facility, "milestone": milestone, "on": on, "withLater": true }),
            ),
            6 => (
                "facilityClose",
                "FacilityCloseInput",
                json!({ "facility": facility, "on": on }),
            ),
            7 => (
                "facilityClose",
                "FacilityCloseInput",
                json!({ "facility": facility, "on": null }),
            ),
            8 => (
                "facilityReclassify",
                "FacilityReclassifyInput",
                json!({ "facility": facility, "kind": "HOSPITAL", "on": on }),
            ),
            9 => return self.correct(facility, on).await,
            _ => {
                let (link, id) = self.organisations[self.random.below(4)].clone();
                let id = if self.random.below(4) == 0 {
                    Value::Null
                } else {
                    json!(id)
                };
                (
                    "facilityLink",
                    "FacilityLinkInput",
                    json!({ "facility": facility, "kind": link, "organisationId": id, "on": on }),
                )
            }
        };
        self.mutate(name, kind, input).await;
    }

    async fn mutate(&self, name: &str, kind: &str, input: Value) {
        let query = format!(
            "mutation ($input: {kind}!) {{ {name}(input: $input) {{ userErrors {{ code }} }} }}"
        );
        self.api
            .data(&ministry(), &query, json!({ "input": input }))
            .await;
    }

    async fn correct(&self, facility: Value, on: String) {
        let data = self
            .api
            .data(
                &ministry(),
                "query ($code: String!) { facilityByCode(code: $code) { timeline { id milestone kind voided } } }",
                json!({ "code": facility["code"] }),
            )
            .await;
        let events: Vec<Value> = data["facilityByCode"]["timeline"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|entry| entry["voided"] == json!(false))
            .cloned()
            .collect();
        if events.is_empty() {
            return;
        }
        let event = &events[self.random.below(events.len())];
        let (name, kind) = if event["milestone"].is_null() {
            ("facilityCorrect", "FacilityCorrectInput")
        } else {
            ("milestoneCorrect", "MilestoneCorrectInput")
        };
        let on = if self.random.below(2) == 0 {
            Value::Null
        } else {
            json!(on)
        };
        let input = json!({ "facility": facility, "eventId": event["id"], "on": on });
        self.mutate(name, kind, input).await;
    }
}

#[rstest]
#[tokio::test]
async fn totals_equal_a_recount_after_any_writes_folds_and_corrections(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
    #[values(1, 2, 3)] seed: u64,
) {
    let chaos = Chaos::new(backend, seed).await;
    let mut moments: Vec<DateTime<Utc>> = Vec::new();
    for round in 0..8 {
        for _ in 0..10 {
            chaos.step().await;
        }
        compare(&chaos.api, Known::Now).await;
        compare_all_series(&chaos, Known::Now).await;
        if round % 2 == 1 {
            chaos.api.settle_and_fold().await;
            compare(&chaos.api, Known::Now).await;
        }
        chaos.api.services.clock.advance(TimeDelta::hours(7));
        moments.push(chaos.api.services.clock.now());
        // Known days, months and years all get blocks of their own.
        chaos
            .api
            .services
            .clock
            .advance(TimeDelta::days([0, 1, 20, 400][round % 4]));
    }
    let services = &chaos.api.services;
    for at in moments {
        let known = kaitsu::change::resolve_known_at(&services.database, &services.clock, Some(at))
            .await
            .unwrap();
        compare(&chaos.api, known).await;
        compare_all_series(&chaos, known).await;
    }
    let asked = question(
        "2021-12-19",
        Known::Now,
        &[Dimension::Kind, Dimension::Vendor],
    );
    let before = ask(&services.database, &Actor::system(), &asked)
        .await
        .unwrap();
    kaitsu::figures::service::rebuild(&services.database)
        .await
        .unwrap();
    let after = ask(&services.database, &Actor::system(), &asked)
        .await
        .unwrap();
    assert_eq!(before, after, "a rebuild changes nothing");
    compare(&chaos.api, Known::Now).await;
}

#[rstest]
#[tokio::test]
async fn a_settled_question_gets_the_same_answer_for_ever(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let chaos = Chaos::new(backend, 7).await;
    for _ in 0..30 {
        chaos.step().await;
    }
    let at = chaos.api.services.clock.now();
    chaos.api.services.clock.advance(TimeDelta::seconds(1));
    let ask = async |chaos: &Chaos| {
        chaos
            .api
            .data(
                &ministry(),
                "query ($at: DateTime!) { rolloutFigures(asOf: \"2021-12-19\", knownAt: $at, groupBy: [KIND, PREFECTURE]) {
                    cells { kind prefecture all applied ready live } total { all live } } }",
                json!({ "at": at }),
            )
            .await
            .to_string()
    };
    let first = ask(&chaos).await;
    for _ in 0..30 {
        chaos.step().await;
    }
    assert_eq!(ask(&chaos).await, first);
    chaos.api.settle_and_fold().await;
    assert_eq!(ask(&chaos).await, first);
    let response = chaos
        .api
        .call(
            &ministry(),
            "{ rolloutFigures(knownAt: \"2100-01-01T00:00:00Z\") { total { all } } }",
            json!({}),
        )
        .await;
    assert_eq!(response["errors"][0]["extensions"]["code"], "NOT_SETTLED");
}

#[rstest]
#[tokio::test]
async fn before_the_first_change_nothing_was_known_however_far_back(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
    #[values(
        "1969-12-31T23:59:59Z",
        "0001-01-01T00:00:00Z",
        "-9999-01-01T00:00:00Z",
        "-262000-01-01T00:00:00Z"
    )]
    at: &str,
) {
    let api = Api::new(backend).await;
    api.register("0110112489", "MEDICAL_CLINIC", "みなと内科")
        .await;
    api.settle_and_fold().await;
    let query = "query ($at: DateTime!) { rolloutFigures(knownAt: $at) { total { all } } }";
    let data = api.data(&ministry(), query, json!({ "at": at })).await;
    assert_eq!(data["rolloutFigures"]["total"]["all"], 0);
}

#[rstest]
#[tokio::test]
async fn every_count_opens_into_its_facilities_and_every_difference_sums(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
    #[values(11, 12)] seed: u64,
) {
    let chaos = Chaos::new(backend, seed).await;
    for _ in 0..40 {
        chaos.step().await;
    }
    let known = chaos.api.services.clock.now();
    chaos.api.services.clock.advance(TimeDelta::seconds(1));
    for _ in 0..40 {
        chaos.step().await;
    }
    let data = chaos
        .api
        .data(
            &ministry(),
            "query ($known: DateTime!) { rolloutFigures(asOf: \"2021-10-10\", groupBy: [KIND, VENDOR],
                compareWith: { asOf: \"2021-01-01\", knownAt: $known }) { cells { ...C } total { ...C } } }
            fragment C on FigureCell { all applied ready live increase { all applied ready live }
                a: difference(level: ALL) { ...D } b: difference(level: APPLIED) { ...D } c: difference(level: LIVE) { ...D }
                opened: facilities(level: APPLIED, first: 100) { nodes { code } } }
            fragment D on FigureDifference { total reached withdrawn opened closed reclassifiedIn reclassifiedOut corrected }",
            json!({ "known": known }),
        )
        .await;
    let figures = &data["rolloutFigures"];
    let cells = figures["cells"].as_array().unwrap();
    assert!(cells.len() > 2);
    for cell in cells.iter().chain([&figures["total"]]) {
        assert_eq!(
            cell["opened"]["nodes"].as_array().unwrap().len(),
            usize::try_from(cell["applied"].as_i64().unwrap()).unwrap()
        );
        for (difference, level) in [("a", "all"), ("b", "applied"), ("c", "live")] {
            let difference = &cell[difference];
            let part = |name: &str| difference[name].as_i64().unwrap();
            assert_eq!(
                difference["total"], cell["increase"][level],
                "{level}: {cell:#}"
            );
            assert_eq!(
                part("reached") + part("opened") + part("reclassifiedIn") + part("corrected")
                    - part("withdrawn")
                    - part("closed")
                    - part("reclassifiedOut"),
                part("total")
            );
        }
    }
}

#[rstest]
#[tokio::test]
async fn a_cursor_behind_a_count_outlives_the_day(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let api = Api::new(backend).await;
    let codes = ["0110112489", "1110301762"];
    for code in codes {
        api.register(code, "MEDICAL_CLINIC", "みなと内科").await;
    }
    let page = async |variables: Value| {
        let query = "query ($asOf: Date, $after: String) { rolloutFigures(asOf: $asOf) { total {
            facilities(level: ALL, first: 1, after: $after) { edges { cursor node { code } } } } } }";
        api.call(&ministry(), query, variables).await
    };
    let edge =
        |page: &Value| page["data"]["rolloutFigures"]["total"]["facilities"]["edges"][0].clone();
    let first = edge(&page(json!({})).await);
    api.services.clock.advance(TimeDelta::days(1));
    let second = edge(&page(json!({ "after": first["cursor"] })).await);
    assert_eq!([&first["node"]["code"], &second["node"]["code"]], codes);
    let of_a_day = page(json!({ "asOf": "2021-10-10", "after": first["cursor"] })).await;
    assert_eq!(of_a_day["errors"][0]["extensions"]["code"], "BAD_CURSOR");
}

#[rstest]
#[tokio::test]
async fn a_vendor_counts_the_facilities_it_had_then_and_opens_those_it_has_now(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let chaos = Chaos::new(backend, 1).await;
    let code = &chaos.codes[0];
    for (vendor, on) in [(0, "2020-06-01"), (1, "2021-06-01")] {
        let (kind, id) = &chaos.organisations[vendor];
        chaos
            .mutate(
                "facilityLink",
                "FacilityLinkInput",
                json!({ "facility": { "code": code }, "kind": kind, "organisationId": id, "on": on }),
            )
            .await;
    }
    let first =
        kaitsu::api::NodeId::decode(&async_graphql::ID(chaos.organisations[0].1.clone())).unwrap();
    let first = member(
        OrganisationKind::Vendor,
        kaitsu::db::OrganisationId(first.id),
        Role::Viewer,
    );
    for (as_of, counted) in [("2021-05-31", 1), ("2021-06-01", 0)] {
        let data = chaos
            .api
            .data(
                &first,
                "query ($day: Date!) { rolloutFigures(asOf: $day) { total { all facilities(level: ALL, first: 10) { nodes { code } } } } }",
                json!({ "day": as_of }),
            )
            .await;
        let total = &data["rolloutFigures"]["total"];
        assert_eq!(total["all"], counted, "{as_of}");
        assert_eq!(
            total["facilities"]["nodes"],
            json!([]),
            "it engages another today"
        );
    }
}

/// The differences of three levels, one of them asked of an earlier instant.
const DIFFERENCES: &str = "query ($known: DateTime!, $by: [FigureDimension!]!) {
    rolloutFigures(asOf: \"2021-10-10\", groupBy: $by, compareWith: { asOf: \"2021-01-01\", knownAt: $known }) {
        cells { ...C } total { ...C } }
}
fragment C on FigureCell { bureau vendor { id } chain { id } increase { all applied live }
    a: difference(level: ALL) { ...D } b: difference(level: APPLIED) { ...D } c: difference(level: LIVE) { ...D } }
fragment D on FigureDifference { total reached withdrawn opened closed reclassifiedIn reclassifiedOut corrected }";

#[rstest]
#[tokio::test]
async fn a_callers_differences_sum_and_are_the_nations_for_its_group(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
    #[values(11, 12)] seed: u64,
) {
    let chaos = Chaos::new(backend, seed).await;
    for _ in 0..60 {
        chaos.step().await;
    }
    let known = chaos.api.services.clock.now();
    chaos.api.services.clock.advance(TimeDelta::seconds(1));
    for _ in 0..60 {
        chaos.step().await;
    }
    let ask = async |actor: &Actor, by: Value| {
        let variables = json!({ "known": known, "by": by });
        chaos.api.data(actor, DIFFERENCES, variables).await["rolloutFigures"].clone()
    };
    let organisation = |place: usize| {
        let id = &chaos.organisations[place].1;
        let row = NodeId::row_of(&ID(id.clone()), NodeKind::Organisation).unwrap();
        (OrganisationId(row), json!({ "id": id }))
    };
    let (vendor, other, chain) = (organisation(0), organisation(1), organisation(2));
    let nowhere = (OrganisationId(9_998), json!("HOKKAIDO"));
    let mut reclassified = 0;
    for (kind, dimension, (id, group)) in [
        (OrganisationKind::Vendor, "vendor", vendor),
        (OrganisationKind::Vendor, "vendor", other),
        (OrganisationKind::Chain, "chain", chain),
        (OrganisationKind::RegionalBureau, "bureau", nowhere),
    ] {
        let mine = ask(&member(kind, id, Role::Viewer), json!([])).await["total"].clone();
        let nation = ask(&ministry(), json!([dimension.to_uppercase()])).await;
        let cells = nation["cells"].as_array().unwrap();
        let of_group = cells
            .iter()
            .find(|cell| cell[dimension] == group)
            .unwrap_or_else(|| panic!("no {group} in {nation:#}"));
        for (level, count) in [("a", "all"), ("b", "applied"), ("c", "live")] {
            assert_eq!(mine[level]["total"], mine["increase"][count], "{mine:#}");
            assert_eq!(mine[level], of_group[level], "{dimension} {group}");
            reclassified += mine[level]["reclassifiedIn"].as_i64().unwrap();
        }
    }
    assert!(reclassified > 0, "facilities went from one to the other");
}

#[rstest]
#[tokio::test]
async fn a_comparison_and_the_pages_behind_it_are_of_one_moment_while_others_write(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let chaos = Chaos::new(backend, 21).await;
    let read_all = Cell::new(false);
    let write = async {
        while !read_all.get() {
            chaos.step().await;
        }
    };
    let read = async {
        for _ in 0..60 {
            let data = chaos
                .api
                .data(
                    &ministry(),
                    "{ rolloutFigures(asOf: \"2021-10-10\", compareWith: { asOf: \"2021-03-01\" }) { total {
                        increase { applied } difference(level: APPLIED) { total }
                        facilities(level: APPLIED, first: 100) { totalCount nodes { code } } } } }",
                    json!({}),
                )
                .await;
            let total = &data["rolloutFigures"]["total"];
            assert_eq!(total["difference"]["total"], total["increase"]["applied"]);
            let nodes = total["facilities"]["nodes"].as_array().unwrap().len();
            assert_eq!(total["facilities"]["totalCount"], json!(nodes));
        }
        read_all.set(true);
    };
    tokio::join!(write, read);
}

const SERIES: &str = "query ($from: Date!, $until: Date!, $known: DateTime, $filter: FigureFilter) {
    rolloutSeries(from: $from, until: $until, every: DAY, knownAt: $known, filter: $filter) { asOf all } }";

#[rstest]
#[tokio::test]
async fn a_series_of_400_points_takes_as_many_statements_as_one_of_10(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let chaos = Chaos::new(backend, 5).await;
    for _ in 0..20 {
        chaos.step().await;
    }
    let known = chaos.api.services.clock.now();
    chaos.api.services.clock.advance(TimeDelta::seconds(1));
    chaos.api.settle_and_fold().await;
    let first: NaiveDate = "2020-08-07".parse().unwrap();
    let vendor_ids = [&chaos.organisations[0].1];
    for (known, filter) in [
        (Value::Null, json!({})),
        (json!(known), json!({})),
        (Value::Null, json!({ "vendorIds": vendor_ids })),
        (json!(known), json!({ "vendorIds": vendor_ids })),
    ] {
        let mut statements = Vec::new();
        for points in [10, 400] {
            let before = chaos.api.services.database.statements();
            let until = first + TimeDelta::days(points - 1);
            let variables =
                json!({ "from": first, "until": until, "known": known, "filter": filter });
            let data = chaos.api.data(&ministry(), SERIES, variables).await;
            let answered = data["rolloutSeries"].as_array().unwrap().len();
            assert_eq!(i64::try_from(answered).unwrap(), points);
            statements.push(chaos.api.services.database.statements() - before);
        }
        assert_eq!(statements[0], statements[1], "{known} {filter}");
        assert!(statements[1] <= 4, "{statements:?}");
    }
}

#[rstest]
#[tokio::test]
async fn a_series_that_ends_before_it_begins_is_empty(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let api = Api::new(backend).await;
    let code = InstitutionCode::with_check_digit(Prefecture::FIRST, FeeTable::Medical, 1);
    api.register(&code.to_string(), "MEDICAL_CLINIC", "みなと内科")
        .await;
    let known = api.services.clock.now();
    api.services.clock.advance(TimeDelta::seconds(1));
    for known in [Value::Null, json!(known)] {
        let variables = json!({ "from": "2021-12-02", "until": "2021-12-01", "known": known });
        let data = api.data(&ministry(), SERIES, variables).await;
        assert_eq!(data["rolloutSeries"], json!([]));
    }
}

/// A question that is counted from rows, and what it answers.
async fn counted_by_rows(database: &Database, known: Known) -> i64 {
    let asked = question("2021-12-19", known, &[Dimension::Vendor, Dimension::Chain]);
    let answer = ask(database, &Actor::system(), &asked).await.unwrap();
    answer.values().map(|counts| counts.all).sum()
}

#[tokio::test]
async fn a_replica_answers_once_it_has_all_that_is_asked_for() {
    let api = Api::new(Backend::Postgres).await;
    let replica = TestDatabase::new(Backend::Postgres).await;
    let patience = std::time::Duration::from_secs(30);
    let database = Database::connect(&DatabaseSettings {
        url: api.database.url().to_owned(),
        read_url: Some(replica.url().to_owned()),
        connections: 2,
        acquire_timeout: patience,
        statement_timeout: patience,
        lock_timeout: patience,
    })
    .await
    .unwrap();
    let code = InstitutionCode::with_check_digit(Prefecture::FIRST, FeeTable::Medical, 1);
    api.register(&code.to_string(), "MEDICAL_CLINIC", "みなと内科")
        .await;
    api.settle_and_fold().await;
    api.services.clock.advance(TimeDelta::seconds(1));
    let at = api.services.clock.now() - TimeDelta::milliseconds(1);
    let known = kaitsu::change::resolve_known_at(&database, &api.services.clock, Some(at))
        .await
        .unwrap();
    assert_eq!(
        counted_by_rows(&database, known).await,
        1,
        "the replica lags"
    );
    replica.run("UPDATE change_horizon SET last_seq = 1").await;
    assert_eq!(
        counted_by_rows(&database, known).await,
        0,
        "the replica has got there, and has nothing"
    );
    assert_eq!(counted_by_rows(&database, Known::Now).await, 1);
}
