//! Backups: what goes into a file comes out of it, on either database; nothing else is taken for one.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{Read, Write},
    path::PathBuf,
};

use chrono::{DateTime, Days, NaiveDate, TimeDelta};
use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use kaitsu::{
    app::Clock,
    backup::{self, ArchiveError, BackupError},
    db::{
        Backend, Column, Query, Row, deployment,
        schema::{Definition, all_tables},
        search,
    },
    facility::text,
};
use rstest::rstest;
use sea_orm::Value;

use crate::support::{TestDatabase, process};

/// A path that is removed with the value.
struct Archive(PathBuf);

impl Archive {
    fn new() -> Self {
        let name = format!("kaitsu-backup-{:016x}.gz", rand::random::<u64>());
        Self(std::env::temp_dir().join(name))
    }

    fn bytes(&self) -> Vec<u8> {
        std::fs::read(&self.0).unwrap()
    }

    /// The lines after the first, which has the time of the backup.
    fn content(&self) -> String {
        let mut text = String::new();
        GzDecoder::new(&self.bytes()[..])
            .read_to_string(&mut text)
            .unwrap();
        text.split_once('\n').unwrap().1.to_owned()
    }

    /// The same file with its text changed.
    fn changed(&self, change: impl FnOnce(String) -> String) -> Self {
        let mut text = String::new();
        GzDecoder::new(&self.bytes()[..])
            .read_to_string(&mut text)
            .unwrap();
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(change(text).as_bytes()).unwrap();
        let other = Self::new();
        std::fs::write(&other.0, gzip.finish().unwrap()).unwrap();
        other
    }
}

impl Drop for Archive {
    fn drop(&mut self) {
        std::fs::remove_file(&self.0).ok();
    }
}

fn clock() -> Clock {
    Clock::fixed(DateTime::from_timestamp(1_640_000_000, 0).unwrap())
}

/// A value that is another one in each row, with what is hard to carry.
fn value(column: Column, name: &str, number: i64) -> Value {
    let small = i16::try_from(number).unwrap();
    match column {
        Column::Big if name == "id" => number.into(),
        Column::Big => (i64::MAX - number).into(),
        // What the database itself holds together.
        Column::Int if name == "quantity" => (10 + i32::from(small)).into(),
        Column::Int if ["delivered", "cancelled", "allocated", "returned"].contains(&name) => {
            i32::from(small).into()
        }
        Column::Int => (-i32::from(small)).into(),
        Column::Code => small.into(),
        Column::Bool => (number % 2 == 0).into(),
        Column::Date => {
            let first = NaiveDate::from_ymd_opt(2020, 2, 28).unwrap();
            (first + Days::new(u64::try_from(number).unwrap())).into()
        }
        Column::Instant => {
            let first = DateTime::from_timestamp(1_600_000_000, 0).unwrap();
            (first + TimeDelta::microseconds(number * 100_001)).into()
        }
        Column::Text => format!("みなと薬局「{number}」 \"'\\ \u{1}\n,ﾔｸ😀").into(),
        Column::Bytes => vec![0, 255, 10, u8::try_from(number).unwrap()].into(),
    }
}

/// Three rows in every table.
async fn fill(database: &TestDatabase) {
    for definition in all_tables() {
        if definition.table.name == "change_horizon" {
            continue;
        }
        let rows = (1..=3).map(|number| {
            let columns = definition.table.columns.iter();
            columns
                .map(|(name, column)| value(*column, name, number))
                .collect()
        });
        definition
            .table
            .insert(database.db().write(), rows.collect())
            .await
            .unwrap();
    }
    database
        .run(
            "UPDATE change_horizon SET last_seq = 7, folded_seq = 5; \
             UPDATE change SET seq = NULL, settled_at = NULL, request_id = NULL WHERE id = 2",
        )
        .await;
}

async fn write(database: &TestDatabase) -> Archive {
    let archive = Archive::new();
    let summary = backup::backup(database.db(), &clock(), &archive.0, &|_| {})
        .await
        .unwrap();
    assert_eq!(backup::check(&archive.0).unwrap(), summary);
    archive
}

async fn restore(database: &TestDatabase, archive: &Archive) -> Result<(), BackupError> {
    backup::restore(database.db(), &archive.0, &|_| {})
        .await
        .map(drop)
}

#[rstest]
#[tokio::test]
async fn what_was_backed_up_is_restored_on_either_database(
    #[values(Backend::Sqlite, Backend::Postgres)] from: Backend,
    #[values(Backend::Sqlite, Backend::Postgres)] to: Backend,
) {
    let original = TestDatabase::new(from).await;
    fill(&original).await;
    let archive = write(&original).await;

    let copy = TestDatabase::new(to).await;
    restore(&copy, &archive).await.unwrap();
    assert!(deployment::is_sending_held(copy.db().read()).await.unwrap());
    assert!(backup::release_sending(copy.db()).await.unwrap());
    assert!(!backup::release_sending(copy.db()).await.unwrap());
    assert_eq!(write(&copy).await.content(), archive.content());

    // New rows are numbered after the restored ones, and restored ones are found.
    let id: i64 = Query::new(
        "INSERT INTO facility (name, name_kana, postal_code, address, phone, search_text) \
         VALUES ('', '', '', '', '', '') RETURNING id",
    )
    .scalar(copy.db().write())
    .await
    .unwrap();
    assert_eq!(id, 4);
    let mut found = Query::new("SELECT count(*) FROM facility f WHERE ");
    search::push_match(&mut found, to, "f", &text::grams("みなと薬局"));
    assert_eq!(found.scalar::<i64>(copy.db().read()).await.unwrap(), 3);
}

#[rstest]
#[tokio::test]
async fn keys_and_what_concerns_processes_stay_behind(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let database = TestDatabase::new(backend).await;
    fill(&database).await;
    let content = write(&database).await.content();
    for table in ["signing_key", "login_throttle", "job_lease"] {
        assert!(!content.contains(table), "{table}");
    }
    assert!(content.contains("\"user_account\""));
}

#[rstest]
#[tokio::test]
async fn only_an_empty_database_is_restored_into(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let database = TestDatabase::new(backend).await;
    let archive = write(&database).await;
    database
        .run("INSERT INTO deployment (key, value) VALUES ('demo', '1')")
        .await;
    let refused = restore(&database, &archive).await;
    assert!(
        matches!(refused, Err(BackupError::NotEmpty("deployment"))),
        "{refused:?}"
    );
    assert!(
        !deployment::is_sending_held(database.db().read())
            .await
            .unwrap()
    );
}

#[rstest]
#[tokio::test]
async fn a_backup_of_another_schema_is_refused(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let database = TestDatabase::new(backend).await;
    let archive = write(&database).await;
    database
        .run("INSERT INTO seaql_migrations (version, applied_at) VALUES ('m99990101_000001_next', 0)")
        .await;
    let refused = restore(&database, &archive).await;
    assert!(
        matches!(refused, Err(BackupError::OtherSchema { .. })),
        "{refused:?}"
    );
}

#[rstest]
#[tokio::test]
async fn a_damaged_file_is_refused_and_leaves_nothing(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let original = TestDatabase::new(backend).await;
    fill(&original).await;
    let whole = write(&original).await;
    let bytes = whole.bytes();
    let raw = |bytes: Vec<u8>| {
        let archive = Archive::new();
        std::fs::write(&archive.0, bytes).unwrap();
        archive
    };
    let mut flipped = bytes.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    let damaged = [
        ("a flipped bit", raw(flipped)),
        ("half the file", raw(bytes[..middle].to_vec())),
        (
            "all but the last bytes",
            raw(bytes[..bytes.len() - 4].to_vec()),
        ),
        (
            "a changed name",
            whole.changed(|text| text.replacen("みなと", "みなみ", 1)),
        ),
        (
            "a lost row",
            whole.changed(|text| without_line(&text, |line| line.starts_with("[3,"))),
        ),
        (
            "a lost end",
            whole.changed(|text| without_line(&text, |line| line.starts_with("{\"tables\""))),
        ),
        ("a lost table", whole.changed(without_last_table)),
        (
            "another type",
            whole.changed(|text| text.replacen("[1,", "[\"1\",", 1)),
        ),
    ];
    let copy = TestDatabase::new(backend).await;
    for (what, archive) in &damaged {
        let refused = restore(&copy, archive).await;
        assert!(
            matches!(refused, Err(BackupError::Archive(ArchiveError::Damaged(_)))),
            "{what}: {refused:?}"
        );
        assert_eq!(
            copy.number("SELECT count(*) FROM facility").await,
            0,
            "{what}"
        );
        assert_eq!(
            copy.number("SELECT count(*) FROM change_horizon").await,
            1,
            "{what}"
        );
    }
    let foreign = restore(&copy, &raw(b"hello".to_vec())).await;
    assert!(
        matches!(foreign, Err(BackupError::Archive(ArchiveError::Foreign))),
        "{foreign:?}"
    );
    let newer =
        whole.changed(|text| text.replacen("\"kaitsu_backup\":1", "\"kaitsu_backup\":2", 1));
    let newer = restore(&copy, &newer).await;
    assert!(
        matches!(newer, Err(BackupError::Archive(ArchiveError::Format(2)))),
        "{newer:?}"
    );
    restore(&copy, &whole).await.unwrap();
}

fn without_line(text: &str, is_lost: impl Fn(&str) -> bool) -> String {
    let mut lost = false;
    let mut kept = String::new();
    for line in text.lines() {
        if !lost && is_lost(line) {
            lost = true;
        } else {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    assert!(lost);
    kept
}

/// Without the last table, and with a last line that agrees.
fn without_last_table(text: String) -> String {
    let (rest, _) = text.rsplit_once("{\"table\"").unwrap();
    let tables = rest.matches("{\"end\"").count();
    let rows = rest.lines().filter(|line| line.starts_with('[')).count();
    format!("{rest}{{\"tables\":{tables},\"rows\":{rows}}}\n")
}

#[rstest]
#[tokio::test]
async fn the_list_of_tables_is_that_of_the_schema(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let database = TestDatabase::new(backend).await;
    let sql = match backend {
        Backend::Sqlite => {
            "SELECT m.name, c.name, c.type, c.pk FROM sqlite_master m, pragma_table_info(m.name) c \
             WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' AND m.name NOT LIKE 'facility_search%' \
             AND m.name <> 'seaql_migrations' AND c.name <> 'epoch'"
        }
        Backend::Postgres => {
            "SELECT c.table_name::text, c.column_name::text, c.data_type::text, COALESCE(k.ordinal_position, 0)::bigint \
             FROM information_schema.columns c LEFT JOIN information_schema.key_column_usage k \
             ON k.table_schema = c.table_schema AND k.table_name = c.table_name \
             AND k.column_name = c.column_name WHERE c.table_schema = 'public' \
             AND c.table_name <> 'seaql_migrations' AND c.column_name NOT IN ('search_grams', 'epoch')"
        }
    };
    let rows = Query::new(sql).all(database.db().read()).await.unwrap();
    let mut live: BTreeMap<String, BTreeSet<(String, String)>> = BTreeMap::new();
    let mut keys: BTreeMap<String, Vec<(i64, String)>> = BTreeMap::new();
    for row in &rows {
        let mut row = Row::new(row);
        let (table, column, kind): (String, String, String) = (
            row.take().unwrap(),
            row.take().unwrap(),
            row.take().unwrap(),
        );
        let place: i64 = row.take().unwrap();
        if place > 0 {
            keys.entry(table.clone())
                .or_default()
                .push((place, column.clone()));
        }
        live.entry(table)
            .or_default()
            .insert((column, kind.to_lowercase()));
    }
    let listed: BTreeMap<String, BTreeSet<(String, String)>> = all_tables()
        .map(|definition| {
            (
                definition.table.name.to_owned(),
                described(backend, definition),
            )
        })
        .collect();
    assert_eq!(listed, live);
    for definition in all_tables() {
        let mut key = keys.remove(definition.table.name).unwrap();
        key.sort();
        let key: Vec<&str> = key.iter().map(|(_, name)| name.as_str()).collect();
        assert_eq!(definition.key, key, "{}", definition.table.name);
    }
}

fn described(backend: Backend, definition: &Definition) -> BTreeSet<(String, String)> {
    let kind = |column: &Column| match (backend, column) {
        (Backend::Postgres, Column::Big) => "bigint",
        (Backend::Postgres, Column::Int) => "integer",
        (Backend::Postgres, Column::Code) => "smallint",
        (Backend::Postgres, Column::Bool) => "boolean",
        (Backend::Postgres, Column::Date) => "date",
        (Backend::Postgres, Column::Instant) => "timestamp with time zone",
        (Backend::Postgres, Column::Bytes) => "bytea",
        (Backend::Sqlite, Column::Big | Column::Int | Column::Code | Column::Bool) => "integer",
        (Backend::Sqlite, Column::Bytes) => "blob",
        (_, Column::Text) | (Backend::Sqlite, Column::Date | Column::Instant) => "text",
    };
    let columns = definition.table.columns.iter();
    columns
        .map(|(name, column)| ((*name).to_owned(), kind(column).to_owned()))
        .collect()
}

/// A small demo.
async fn demo(backend: Backend) -> TestDatabase {
    let database = TestDatabase::new(backend).await;
    let scale = "0.001".parse().unwrap();
    kaitsu::demo::load(database.db(), &clock(), scale, |_, _| ())
        .await
        .unwrap();
    database
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn the_command_line_writes_restores_and_releases() {
    let (original, copy) = (
        demo(Backend::Sqlite).await,
        TestDatabase::new(Backend::Postgres).await,
    );
    let facilities = original.number("SELECT count(*) FROM facility").await;
    let archive = Archive::new();
    let path = archive.0.to_str().unwrap();
    let written = process::run(original.url(), &["backup", path, "--format", "csv"]);
    assert!(written.status.success());
    let (tables, told) = (text(written.stdout), text(written.stderr));
    assert!(tables.contains(&format!("facility,{facilities}\n")));
    assert!(told.trim_end().ends_with("no difference"), "{told}");
    let again = process::run(original.url(), &["backup", path]);
    assert!(text(again.stderr).contains("--force"));

    let restored = process::run(copy.url(), &["restore", path, "--format", "json"]);
    assert!(restored.status.success());
    let tables: serde_json::Value = serde_json::from_slice(&restored.stdout).unwrap();
    let row = serde_json::json!({ "table": "facility", "rows": facilities });
    assert!(tables.as_array().unwrap().contains(&row), "{tables}");
    assert!(text(restored.stderr).trim_end().ends_with("no difference"));
    assert!(deployment::is_sending_held(copy.db().read()).await.unwrap());
    let released = process::run(copy.url(), &["restore", "--release"]);
    assert!(released.status.success());
    assert!(!deployment::is_sending_held(copy.db().read()).await.unwrap());
}

#[rstest]
#[tokio::test]
async fn a_backup_of_a_damaged_database_says_so_and_fails(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let database = demo(backend).await;
    database
        .run("UPDATE facility_state SET version = version + 1 WHERE facility_id = 7")
        .await;
    let archive = Archive::new();
    let arguments = ["backup", archive.0.to_str().unwrap(), "--format", "json"];
    let written = process::run(database.url(), &arguments);
    assert_eq!(written.status.code(), Some(1));
    let told = text(written.stderr);
    assert!(
        told.contains("facility_state: facility 7, version: expected"),
        "{told}"
    );
    let tables: serde_json::Value = serde_json::from_slice(&written.stdout).unwrap();
    assert!(tables.as_array().unwrap().len() > 10, "one document");
    backup::check(&archive.0).unwrap();
}
