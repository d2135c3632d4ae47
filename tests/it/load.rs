//! Loading the demo nation, and verifying what was loaded.

use kaitsu::{
    app::Clock,
    auth::{Actor, Scope},
    change::{self, Known, Source, Writer},
    db::{
        Backend, FacilityId, OrganisationId, Query, Row,
        load::{Loader, Searchable},
        schema,
    },
    demo::{self, National, Scale},
    facility::{
        FacilityKind, FeeTable, InstitutionCode, Prefecture,
        entity::{Contacts, FACILITY, facility_values},
        service::{Registration, register},
    },
    figures::{
        Counts, Grid, Work,
        entity::{
            Cube,
            rows::{self, Filter},
            totals,
        },
        service::{fold, rebuild, work_by_vendor},
    },
    verify::{Report, verify},
};
use rstest::rstest;

use crate::{
    demo::survey::{PUBLISHED_DATES, Survey, date},
    support::TestDatabase,
};

const SCALE: &str = "0.01";
/// Enough to be damaged, and verified often.
const SMALL: &str = "0.002";

fn scale() -> Scale {
    SCALE.parse().unwrap()
}

fn clock() -> Clock {
    Clock::fixed("2021-12-20T00:00:00Z".parse().unwrap())
}

async fn loaded(backend: Backend) -> TestDatabase {
    loaded_at(backend, scale()).await
}

async fn loaded_at(backend: Backend, scale: Scale) -> TestDatabase {
    let database = TestDatabase::new(backend).await;
    demo::load(database.db(), &clock(), scale, |_, _| ())
        .await
        .unwrap();
    database
}

async fn report(database: &TestDatabase) -> Report {
    verify(database.db(), |_| ()).await.unwrap()
}

#[rstest]
#[tokio::test]
async fn a_loaded_demo_is_what_its_history_says(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let database = loaded(backend).await;
    let report = report(&database).await;
    assert!(report.is_clean(), "{report}");
    let facilities = u64::try_from(National::plan(scale()).facility_count()).unwrap();
    assert_eq!(report.checked.facilities, facilities);
    let events = database.number("SELECT count(*) FROM facility_event").await;
    assert_eq!(report.checked.events, u64::try_from(events).unwrap());
    assert!(
        report.checked.deltas > 5_000 && report.checked.totals > 5_000,
        "{report}"
    );
    let corrected = "SELECT count(*) FROM facility_event WHERE action = 3";
    assert!(
        database.number(corrected).await > 0,
        "some application was corrected"
    );
    let past = "SELECT count(*) FROM facility_code WHERE valid_until IS NOT NULL";
    let renamed = "SELECT count(*) FROM facility_event WHERE aspect = 51";
    assert_eq!(database.number(past).await, database.number(renamed).await);
}

#[rstest]
#[tokio::test]
async fn the_periods_of_a_loaded_demo_count_what_the_generator_made(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let database = loaded(backend).await;
    let survey = Survey::of(&National::plan(scale()));
    let (filter, db) = (Filter::default(), database.db());
    for day in PUBLISHED_DATES.map(date) {
        let cells = rows::count(db.read(), day, Known::Now, &filter, &Scope::All)
            .await
            .unwrap();
        for kind in FacilityKind::ALL {
            let mut found = Counts::ZERO;
            for (_, counts) in cells.iter().filter(|(cell, _)| cell.kind == kind) {
                found += *counts;
            }
            let made = survey.counts[&(day, kind)];
            let expected = Counts {
                all: made.open.into(),
                applied: made.applied.into(),
                ready: made.ready.into(),
                live: made.live.into(),
            };
            assert_eq!(found, expected, "{kind:?} on {day}");
        }
    }
}

#[rstest]
#[tokio::test]
async fn what_was_known_then_is_the_same_from_totals_and_from_periods(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let database = loaded(backend).await;
    let db = database.db();
    let mut answers = Vec::new();
    for at in [
        "2020-08-06T10:00:00Z",
        "2021-02-28T09:00:00Z",
        "2021-10-03T08:17:00Z",
    ] {
        let known = change::resolve_known_at(db, &clock(), Some(at.parse().unwrap())).await;
        let Known::UpTo { seq, at } = known.unwrap() else {
            panic!("the past is settled");
        };
        for as_of in ["2020-08-06", "2021-02-26", "2021-12-19"].map(date) {
            let known = Known::UpTo { seq, at };
            let filter = Filter::default();
            let cells = rows::count(db.read(), as_of, known, &filter, &Scope::All);
            let mut counted = Grid::default();
            for (cell, counts) in cells.await.unwrap() {
                counted.add_cell(&cell, counts);
            }
            let known = totals::nation_known(db.read(), &Cube::LEVELS, &[as_of], seq)
                .await
                .unwrap();
            assert_eq!(known, [counted.clone()]);
            answers.push(
                counted
                    .iter()
                    .map(|(_, _, counts)| counts.applied)
                    .sum::<i64>(),
            );
        }
    }
    assert_eq!(
        answers[..3],
        [0, 0, 0],
        "nobody had applied before the rollout: {answers:?}"
    );
    assert!(answers[4] > 100 && answers[7] > answers[4], "{answers:?}");
}

#[rstest]
#[tokio::test]
async fn a_database_in_use_is_never_made_a_demo(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let database = TestDatabase::new(backend).await;
    assert!(schema::is_unused(database.db()).await.unwrap());
    assert_eq!(demo::is_demo(database.db()).await.unwrap(), None);
    let (clock, scale) = (clock(), "0.001".parse().unwrap());
    let load = || demo::load(database.db(), &clock, scale, |_, _| ());
    load().await.unwrap();
    assert!(!schema::is_unused(database.db()).await.unwrap());
    assert_eq!(
        demo::is_demo(database.db())
            .await
            .unwrap()
            .unwrap()
            .to_string(),
        "0.001"
    );
    let before = report(&database).await;
    assert!(before.is_clean());
    let refused = load().await.unwrap_err().to_string();
    assert!(
        refused.contains("organisation has rows already"),
        "{refused}"
    );
    assert_eq!(report(&database).await, before);
}

#[rstest]
#[tokio::test]
async fn a_load_that_is_given_up_leaves_nothing(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let database = TestDatabase::new(backend).await;
    let indexes = match backend {
        Backend::Sqlite => "SELECT count(*) FROM sqlite_schema WHERE type = 'index'",
        Backend::Postgres => "SELECT count(*) FROM pg_indexes WHERE schemaname = 'public'",
    };
    let before = database.number(indexes).await;
    let mut loader = Loader::begin(database.db(), &[&FACILITY]).await.unwrap();
    let contacts = Contacts {
        name: "みどり薬局".to_owned(),
        name_kana: "ミドリヤッキョク".to_owned(),
        postal_code: "060-0001".to_owned(),
        address: "北海道札幌市中央区1".to_owned(),
        phone: "011-000-0000".to_owned(),
        email: None,
    };
    let facilities = (1..=10_000).map(|id| Searchable {
        values: facility_values(FacilityId(id), &contacts),
        grams: vec![1, 2, 3],
    });
    loader
        .write_searchable(&FACILITY, facilities)
        .await
        .unwrap();
    drop(loader);
    // Waits until the connection of the load is gone.
    let transaction = database.db().begin().await.unwrap();
    transaction.rollback().await.unwrap();
    assert_eq!(database.number("SELECT count(*) FROM facility").await, 0);
    assert_eq!(database.number(indexes).await, before);
}

#[rstest]
#[tokio::test]
async fn a_loaded_demo_is_written_on_like_any_other_database(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let database = loaded(backend).await;
    let (db, clock, actor) = (database.db(), clock(), Actor::system());
    let writer = Writer {
        database: db,
        clock: &clock,
        actor: &actor,
        source: Source::CommandLine,
        request_id: None,
        reason: None,
        dry_run: false,
        key: None,
    };
    let code = InstitutionCode::with_check_digit(Prefecture::FIRST, FeeTable::Dispensing, 999_999);
    let registration = Registration {
        code: code.to_string(),
        kind: FacilityKind::Pharmacy,
        contacts: Contacts {
            name: "あたらし薬局".to_owned(),
            name_kana: "アタラシヤッキョク".to_owned(),
            postal_code: "060-0001".to_owned(),
            address: "北海道札幌市中央区1".to_owned(),
            phone: "011-000-0000".to_owned(),
            email: None,
        },
        public_institution: false,
        opened_on: date("2021-12-20"),
    };
    let outcome = register(&writer, &registration).await.unwrap();
    assert_eq!(outcome.rows[0].problems, []);
    assert!(
        report(&database).await.is_clean(),
        "with a change that has no number yet"
    );
    change::settle(db, &clock).await.unwrap();
    assert!(
        report(&database).await.is_clean(),
        "with a change that is not folded yet"
    );
    assert_eq!(fold(db).await.unwrap(), 0);
    let report = report(&database).await;
    assert!(report.is_clean(), "{report}");
}

#[rstest]
#[tokio::test]
async fn what_waits_and_what_was_installed_by_the_totals_is_so_by_the_states(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let database = loaded(backend).await;
    let today = "2021-12-19".parse().unwrap();
    let by_totals = work_by_vendor(database.db(), today).await.unwrap();
    let rows = Query::new(
        "SELECT vendor_id, count(*) FROM facility_state WHERE vendor_id <> 0 AND closed_on IS NULL \
         AND reader_applied_on IS NOT NULL AND installed_on IS NULL AND ready_on IS NULL GROUP BY vendor_id",
    );
    let mut waiting = 0;
    for row in rows.all(database.db().read()).await.unwrap() {
        let mut row = Row::new(&row);
        let (vendor, count): (OrganisationId, i64) = (row.take().unwrap(), row.take().unwrap());
        assert_eq!(by_totals[&vendor].waiting, count, "{vendor:?}");
        waiting += count;
    }
    assert!(waiting > 500, "{waiting}");
    let sum = |of: fn(&Work) -> i64| by_totals.values().map(of).sum::<i64>();
    assert_eq!(sum(|work| work.waiting), waiting);
    // Whoever engages another vendor since was installed by the one before, and whoever closed was installed too.
    let installed = "SELECT count(*) FROM facility_state WHERE installed_on IS NOT NULL OR ready_on IS NOT NULL";
    let none = work_on(&database, "vendor_id = 0").await;
    assert_eq!(
        sum(|work| work.installed) + none,
        database.number(installed).await
    );
}

/// Installations that changes added, of those that a condition names.
async fn work_on(database: &TestDatabase, condition: &str) -> i64 {
    let sql = format!(
        "SELECT CAST(COALESCE(sum(installed_count), 0) AS BIGINT) FROM work_delta WHERE {condition}"
    );
    database.number(&sql).await
}

#[rstest]
#[tokio::test]
async fn totals_built_anew_are_those_of_the_load(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let database = loaded(backend).await;
    let before = all_totals(&database).await;
    rebuild(database.db()).await.unwrap();
    assert!(before == all_totals(&database).await);
}

async fn all_totals(database: &TestDatabase) -> Vec<Vec<sea_orm::Value>> {
    let mut all = Vec::new();
    for Cube { totals, .. } in Cube::ALL {
        let sql = format!(
            "SELECT {} FROM {} ORDER BY 1, 2, 3, 4, 5",
            totals.column_list(),
            totals.name
        );
        let rows = Query::new(sql).all(database.db().read()).await.unwrap();
        assert!(rows.len() > 2_000, "{}: {}", totals.name, rows.len());
        let read = |row| totals.read(&mut Row::new(row)).unwrap();
        all.extend(rows.iter().map(read));
    }
    all
}

/// Some rows of a table, what is done to them, and where that is noticed.
struct Damage {
    rows: (&'static str, &'static str),
    sql: &'static str,
    noticed: (&'static str, &'static str),
}

const fn damage(
    table: &'static str,
    condition: &'static str,
    sql: &'static str,
    noticed: (&'static str, &'static str),
) -> Damage {
    Damage {
        rows: (table, condition),
        sql,
        noticed,
    }
}

const TOTAL: &str =
    "block_level = 0 AND vendor_id = -1 AND chain_id = -1 AND effective_on = '2020-08-01'";

/// What the last installation of all added to the work.
const LAST_WORK: &str =
    "change_id = (SELECT max(change_id) FROM facility_event WHERE aspect = 7) AND ordinal = 0";

const DAMAGES: &[Damage] = &[
    damage(
        "facility_state",
        "facility_id = 100",
        "UPDATE facility_state SET stage = (stage + 1) % 7",
        ("facility_state", "facility 100, stage"),
    ),
    damage(
        "facility_state",
        "facility_id = 101",
        "UPDATE facility_state SET version = version + 1",
        ("facility_state", "facility 101, version"),
    ),
    damage(
        "facility_state",
        "facility_id = 102",
        "DELETE FROM facility_state",
        ("facility_state", "facility 102"),
    ),
    damage(
        "facility_period",
        "facility_id = 103",
        "UPDATE facility_period SET level = 3 - level",
        ("facility_period", "facility 103"),
    ),
    damage(
        "facility_period",
        "facility_id = 104",
        "UPDATE facility_period SET removed_by = added_by + 1",
        ("facility_period", "facility 104"),
    ),
    damage(
        "facility_period",
        "facility_id = 105",
        "DELETE FROM facility_period",
        ("figure_delta", "change 1 from"),
    ),
    damage(
        "facility_event",
        "facility_id = 106 AND aspect = 22",
        "UPDATE facility_event SET value = (value + 1) % 4",
        ("facility_state", "facility 106, kind"),
    ),
    damage(
        "facility_event",
        "facility_id = 107 AND aspect = 20",
        "DELETE FROM facility_event",
        ("facility_event", "facility 107, change 1"),
    ),
    damage(
        "facility_event",
        "facility_id = 108",
        "UPDATE facility_event SET aspect = 99",
        ("facility_event", "facility 108"),
    ),
    damage(
        "facility_event",
        "facility_id = 109 AND aspect = 20",
        "UPDATE facility_event SET action = 3, voids_id = 1",
        ("facility_event", "facility 109, event"),
    ),
    damage(
        "figure_delta",
        "change_id = 1 AND ordinal = 5",
        "DELETE FROM figure_delta",
        ("figure_delta", "change 1 from"),
    ),
    damage(
        "figure_delta",
        "change_id = 1 AND ordinal = 5",
        "UPDATE figure_delta SET live_count = live_count + 1",
        ("figure_total", "All, vendor -1, chain -1, from"),
    ),
    damage(
        "figure_delta",
        "change_id = 1 AND ordinal = 5",
        "UPDATE figure_delta SET live_count = 1000",
        ("figure_delta", "All, vendor -1, chain -1, from"),
    ),
    damage(
        "figure_total",
        TOTAL,
        "UPDATE figure_total SET counts = substr(counts, 1, 0)",
        ("figure_total", "All, vendor -1, chain -1, from 2020-08-01"),
    ),
    damage(
        "figure_total",
        TOTAL,
        "UPDATE figure_total SET counts = substr(counts, 1, 1)",
        ("figure_total", "All, vendor -1, chain -1, from 2020-08-01"),
    ),
    damage(
        "figure_total",
        TOTAL,
        "DELETE FROM figure_total",
        ("figure_total", "All, vendor -1, chain -1, from 2020-08-01"),
    ),
    damage(
        "figure_total",
        "block_start = '1999-01-01'",
        "INSERT INTO figure_total SELECT 1, '1999-01-01', -1, -1, effective_on, counts FROM figure_total \
         WHERE block_level = 0 AND vendor_id = -1 AND chain_id = -1",
        ("figure_total", "block 1 from 1999-01-01"),
    ),
    damage(
        "figure_total",
        "effective_on = '1801-01-01'",
        "INSERT INTO figure_total SELECT 0, block_start, -1, -1, '1801-01-01', counts FROM figure_total \
         WHERE block_level = 0 AND vendor_id = -1 AND chain_id = -1 AND effective_on = '2020-08-01'",
        ("figure_total", "All, vendor -1, chain -1, from 1801-01-01"),
    ),
    damage(
        "work_delta",
        LAST_WORK,
        "DELETE FROM work_delta",
        ("work_delta", "change "),
    ),
    damage(
        "work_delta",
        LAST_WORK,
        "UPDATE work_delta SET vendor_id = vendor_id + 1",
        ("work_delta", "change "),
    ),
    damage(
        "work_delta",
        LAST_WORK,
        "UPDATE work_delta SET waiting_count = -1000",
        ("work_delta", "All, vendor -1, chain -1, from"),
    ),
    damage(
        "work_total",
        "block_level = 0 AND vendor_id = -1 AND chain_id = -1 AND effective_on = (SELECT max(effective_on) FROM facility_event WHERE aspect = 7)",
        "DELETE FROM work_total",
        ("work_total", "All, vendor -1, chain -1, from"),
    ),
    damage(
        "facility_code",
        "facility_id = 110",
        "DELETE FROM facility_code",
        ("facility_code", "facility 110"),
    ),
    damage(
        "facility_code",
        "facility_id = 111",
        "UPDATE facility_code SET valid_until = '2021-01-01'",
        ("facility_code", "facility 111"),
    ),
    damage(
        "facility_code",
        "code = '0000000000'",
        "INSERT INTO facility_code VALUES ('0000000000', 117, '2021-01-01')",
        ("facility_code", "facility 117"),
    ),
    damage(
        "facility_event",
        "facility_id = 118 AND aspect = 51",
        "INSERT INTO facility_event (facility_id, change_id, aspect, action, effective_on, value) \
         VALUES (118, 1, 51, 2, '2021-01-01', 110112489)",
        ("facility_code", "facility 118, 0110112489"),
    ),
    damage(
        "facility_code",
        "facility_id = 115",
        "UPDATE facility_code SET code = '0000000000'",
        ("facility_code", "facility 115, code"),
    ),
    damage(
        "facility_event",
        "facility_id = 116 AND aspect = 23",
        "UPDATE facility_event SET value = 1 + value % 47",
        ("facility_code", "facility 116, code"),
    ),
    damage(
        "facility",
        "id = 112",
        "UPDATE facility SET name = '別'",
        ("facility", "facility 112, search_text"),
    ),
    damage(
        "facility",
        "id = 113",
        "DELETE FROM facility",
        ("facility", "facility 113"),
    ),
    damage(
        "milestone_plan",
        "facility_id = 114",
        "INSERT INTO milestone_plan VALUES (114, 8, '2022-01-01')",
        ("milestone_plan", "facility 114"),
    ),
    damage(
        "change",
        "id = 1",
        "DELETE FROM change",
        ("change", "change 1 of facility_event"),
    ),
    damage(
        "change_horizon",
        "id = 1",
        "UPDATE change_horizon SET last_seq = last_seq - 1",
        ("change_horizon", "last_seq"),
    ),
    damage(
        "change_horizon",
        "id = 1",
        "UPDATE change_horizon SET settled_until = '2021-01-01 00:00:00+00:00'",
        ("change_horizon", "settled_until"),
    ),
];

impl Damage {
    fn statement(&self) -> String {
        if self.sql.starts_with("INSERT") {
            return self.sql.to_owned();
        }
        format!("{} WHERE {}", self.sql, self.rows.1)
    }

    async fn is_noticed(&self, database: &TestDatabase) {
        let (table, condition) = self.rows;
        let kept = format!("CREATE TABLE kept AS SELECT * FROM {table} WHERE {condition}");
        database.run(&kept).await;
        database.run(&self.statement()).await;
        let report = report(database).await;
        let noticed = report
            .differences
            .iter()
            .any(|one| one.table == self.noticed.0 && one.key.starts_with(self.noticed.1));
        assert!(noticed, "{} is noticed in\n{report}", self.statement());
        database
            .run(&format!("DELETE FROM {table} WHERE {condition}"))
            .await;
        database
            .run(&format!("INSERT INTO {table} SELECT * FROM kept"))
            .await;
        database.run("DROP TABLE kept").await;
    }
}

#[rstest]
#[tokio::test]
async fn every_kind_of_damage_is_named(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let database = loaded_at(backend, SMALL.parse().unwrap()).await;
    for damage in DAMAGES {
        damage.is_noticed(&database).await;
    }
    let repaired = report(&database).await;
    assert!(repaired.is_clean(), "{repaired}");
    let lost_entries = match backend {
        Backend::Sqlite => "DELETE FROM facility_search WHERE rowid BETWEEN 201 AND 350",
        Backend::Postgres => "UPDATE facility SET search_grams = '{}' WHERE id BETWEEN 201 AND 350",
    };
    database.run(lost_entries).await;
    let report = report(&database).await;
    assert_eq!(report.difference_count, 150, "all are counted");
    assert_eq!(report.differences.len(), 100, "and the first are listed");
    assert_eq!(report.differences[0].table, "facility_search");
    assert_eq!(report.differences[0].key, "facility 201");
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["differenceCount"], 150);
    assert!(
        report
            .to_string()
            .ends_with("150 differences, of which the first are listed")
    );
}
