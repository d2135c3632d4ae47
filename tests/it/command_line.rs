//! The commands of the operator, run as they are: what they print, what they leave behind, and how they end.

use std::path::{Path, PathBuf};

use kaitsu::{
    db::{Backend, Query, Row, migrations, schema},
    demo,
};
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::{TestDatabase, process};

const CLINIC: &str = "0110112489";
const SAITAMA: &str = "1110301762";

/// A folder that is removed with the value.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let name = format!("kaitsu-command-{:016x}", rand::random::<u64>());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    fn file(&self, name: &str, content: &str) -> String {
        let path = self.path(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    fn is_empty(&self) -> bool {
        std::fs::read_dir(&self.0).unwrap().next().is_none()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

/// What a command printed, and how it ended.
struct Ended {
    code: Option<i32>,
    printed: String,
    told: String,
}

fn run(database: &TestDatabase, arguments: &[&str]) -> Ended {
    of(process::run(database.url(), arguments))
}

fn of(output: std::process::Output) -> Ended {
    Ended {
        code: output.status.code(),
        printed: String::from_utf8(output.stdout).unwrap(),
        told: String::from_utf8(output.stderr).unwrap(),
    }
}

fn succeed(database: &TestDatabase, arguments: &[&str]) -> String {
    let Ended {
        code,
        printed,
        told,
    } = run(database, arguments);
    assert_eq!(code, Some(0), "{arguments:?}: {printed}{told}");
    printed
}

fn json_of(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

const FACILITIES: &str = "code,kind,name,opened_on,closed_on,vendor,public_institution\n\
    0110112489,MEDICAL_CLINIC,みなと内科,2019-04-01,,あおばシステム,true\n\
    1110301762,MEDICAL_CLINIC,さいたま医院,2020-04-01,2021-10-01,きえたシステム,false\n";
const MILESTONES: &str = "code,milestone,action,on,note\n\
    0110112489,READER_APPLIED,REACHED,2021-11-01,portal\n\
    0110112489,READY,REACHED,2021-12-01,\n\
    0110112489,READY,WITHDRAWN,2021-12-05,router broke\n\
    0110112489,READY,REACHED,2021-12-24,\n";

/// Two clinics with a vendor each, one of which closed, made by commands alone.
async fn scene(backend: Backend, folder: &Folder) -> TestDatabase {
    let database = TestDatabase::new(backend).await;
    for (name, email) in [
        ("あおばシステム", "aoba@vendor.example.jp"),
        ("きえたシステム", "kieta@vendor.example.jp"),
    ] {
        create_user(&database, email, &["vendor", "--organisation", name]);
    }
    let facilities = folder.file("facilities.csv", FACILITIES);
    succeed(&database, &["import", "facilities", &facilities]);
    let milestones = folder.file("milestones.csv", MILESTONES);
    succeed(&database, &["import", "milestones", &milestones]);
    database
}

fn create_user(database: &TestDatabase, email: &str, of: &[&str]) -> String {
    let who = ["user", "create", "--email", email, "--name", "Somebody"];
    let kind = ["--format", "csv", "--organisation-kind"];
    succeed(database, &[&who[..], &kind[..], of].concat())
}

async fn tables(database: &TestDatabase, backend: Backend) -> i64 {
    let sql = match backend {
        Backend::Sqlite => "SELECT count(*) FROM sqlite_master WHERE type = 'table'",
        Backend::Postgres => "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema()",
    };
    database.number(sql).await
}

const SMALL_DEMO: [&str; 6] = ["demo", "--load-only", "--dir", ".", "--scale", "0.001"];

#[rstest]
#[tokio::test]
async fn a_demo_leaves_a_database_in_use_as_it_is_although_its_schema_is_behind(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let database = TestDatabase::new(backend).await;
    migrations::down(database.db(), 1).await.unwrap();
    database
        .run(
            "INSERT INTO facility (name, name_kana, postal_code, address, phone, search_text) \
             VALUES ('みなと内科', '', '', '', '', '')",
        )
        .await;
    let before = tables(&database, backend).await;
    let refused = run(&database, &SMALL_DEMO);
    assert_eq!(refused.code, Some(1));
    assert!(refused.told.contains("is no demo"), "{}", refused.told);
    let status = migrations::status(database.db()).await.unwrap();
    assert!(status.is_behind(), "nothing was migrated");
    assert_eq!(tables(&database, backend).await, before);
}

#[rstest]
#[tokio::test]
async fn a_demo_makes_nothing_in_somebody_elses_database(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
    #[values(false, true)] of_another_program_with_migrations: bool,
) {
    let database = TestDatabase::new(backend).await;
    migrations::down(database.db(), 99).await.unwrap();
    if of_another_program_with_migrations {
        database
            .run("INSERT INTO seaql_migrations (version, applied_at) VALUES ('m2020_letters', 0)")
            .await;
    } else {
        database.run("DROP TABLE seaql_migrations").await;
    }
    database.run("CREATE TABLE letters (id BIGINT)").await;
    let before = tables(&database, backend).await;
    let refused = run(&database, &SMALL_DEMO);
    assert_eq!(refused.code, Some(1));
    assert!(refused.told.contains("is no demo"), "{}", refused.told);
    assert_eq!(tables(&database, backend).await, before);
}

#[rstest]
#[tokio::test]
async fn an_unused_database_that_is_behind_becomes_a_demo(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let database = TestDatabase::new(backend).await;
    migrations::down(database.db(), 1).await.unwrap();
    assert!(schema::is_unused(database.db()).await.unwrap());
    succeed(&database, &SMALL_DEMO);
    let scale = demo::is_demo(database.db()).await.unwrap();
    assert_eq!(scale.unwrap().to_string(), "0.001");
    succeed(&database, &SMALL_DEMO);
}

#[test]
fn a_demo_stays_in_its_folder_whatever_else_a_file_sets() {
    let folder = Folder::new();
    let config = folder.file("kaitsu.toml", "[limits]\ndepth = 30\n");
    let dir = folder.path("demo");
    let demo = ["demo", "--load-only", "--dir", &dir, "--scale", "0.001"];
    let output = process::run_in(&[], &[&demo[..], &["--config", &config]].concat());
    assert!(output.status.success());
    assert!(Path::new(&dir).join("kaitsu.db").is_file());
}

#[tokio::test]
async fn what_kubernetes_puts_into_the_environment_stops_nothing() {
    let database = TestDatabase::new(Backend::Sqlite).await;
    let environment = [
        ("DATABASE_URL", database.url()),
        ("KAITSU_PORT", "tcp://10.0.0.7:8080"),
        ("KAITSU_SERVICE_HOST", "10.0.0.7"),
    ];
    let verified = of(process::run_in(&environment, &["verify"]));
    assert_eq!(verified.code, Some(0), "{}", verified.told);
    let ignored =
        "ignored, since settings are named KAITSU_SECTION__KEY: KAITSU_PORT, KAITSU_SERVICE_HOST";
    assert!(verified.told.contains(ignored), "{}", verified.told);
}

#[rstest]
#[tokio::test]
async fn figures_are_printed_for_a_day_a_past_knowledge_and_against_another_day(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let folder = Folder::new();
    let database = scene(backend, &folder).await;
    let figures = |arguments: &[&str]| {
        let figures = ["figures", "--as-of", "2021-12-19", "--format", "csv"];
        succeed(&database, &[&figures[..], arguments].concat())
    };
    assert_eq!(
        figures(&[]),
        "as_of,all,applied,ready,live\n2021-12-19,1,1,0,0\n"
    );
    assert_eq!(
        figures(&["--known-at", "2021-12-20T00:00:00+09:00"]),
        "as_of,all,applied,ready,live\n2021-12-19,0,0,0,0\n"
    );
    assert_eq!(
        figures(&["--by", "kind,prefecture"]),
        "as_of,kind,prefecture,all,applied,ready,live\n2021-12-19,medical_clinic,01,1,1,0,0\n"
    );
    assert_eq!(
        figures(&["--by", "vendor", "--compare-with", "2021-09-01"]),
        "as_of,vendor,all,applied,ready,live\n\
         2021-12-19,あおばシステム,1,1,0,0\n\
         2021-09-01,あおばシステム,1,0,0,0\n\
         2021-09-01,きえたシステム,1,0,0,0\n\
         2021-12-19 - 2021-09-01,あおばシステム,0,1,0,0\n\
         2021-12-19 - 2021-09-01,きえたシステム,-1,0,0,0\n"
    );
    let by_kind = ["figures", "--as-of", "2021-12-02", "--by", "kind"];
    let printed = succeed(
        &database,
        &[&by_kind[..], &["--format", "json"][..]].concat(),
    );
    assert_eq!(
        json_of(&printed),
        json!([{ "as_of": "2021-12-02", "kind": "medical_clinic", "all": 1, "applied": 1,
                 "ready": 1, "live": 0 }])
    );
}

#[rstest]
#[tokio::test]
async fn exports_are_written_as_csv_and_as_json(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let folder = Folder::new();
    let database = scene(backend, &folder).await;
    assert_eq!(
        succeed(&database, &["export", "facilities"]),
        "code,kind,prefecture,name,name_kana,postal_code,address,phone,email,public_institution,\
         opened_on,closed_on,vendor,chain,stage,reader_applied_on,vendor_ordered_on,use_applied_on,\
         certificate_issued_on,reader_delivered_on,pc_procured_on,router_procured_on,installed_on,\
         ready_on,live_on\n\
         0110112489,MEDICAL_CLINIC,01,みなと内科,,,,,,true,2019-04-01,,あおばシステム,,READY,\
         2021-11-01,,,,,,,,2021-12-24,\n\
         1110301762,MEDICAL_CLINIC,11,さいたま医院,,,,,,false,2020-04-01,2021-10-01,きえたシステム,,\
         NOT_APPLIED,,,,,,,,,,\n"
    );
    assert_eq!(succeed(&database, &["export", "milestones"]), MILESTONES);
    let printed = succeed(&database, &["export", "milestones", "--format", "json"]);
    assert_eq!(
        json_of(&printed)[2],
        json!({ "code": CLINIC, "milestone": "READY", "action": "WITHDRAWN", "on": "2021-12-05",
                "note": "router broke" })
    );
}

#[rstest]
#[tokio::test]
async fn every_change_is_exported_in_the_order_of_the_feed(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let folder = Folder::new();
    let database = scene(backend, &folder).await;
    let printed = succeed(&database, &["export", "changes", "--format", "json"]);
    let mut changes = json_of(&printed);
    let changes = changes.as_array_mut().unwrap();
    for change in changes.iter_mut() {
        let settled_at = change.as_object_mut().unwrap().remove("settled_at");
        assert!(settled_at.unwrap().as_str().unwrap().ends_with('Z'));
        assert!(change.as_object_mut().unwrap().remove("seq").is_some());
    }
    let change = |operation: &str, code: &str, events: &str| {
        json!({ "operation": operation, "source": "IMPORT", "organisation": null, "code": code,
                "events": events })
    };
    assert_eq!(
        *changes,
        [
            change(
                "facilityRegister",
                CLINIC,
                "OPENED 2019-04-01; KIND_SET 2019-04-01; PREFECTURE_SET 2019-04-01; \
                 PUBLIC_INSTITUTION_SET 2019-04-01; VENDOR_SET 2020-01-01"
            ),
            change(
                "facilityRegister",
                SAITAMA,
                "OPENED 2020-04-01; KIND_SET 2020-04-01; PREFECTURE_SET 2020-04-01; \
                 VENDOR_SET 2020-04-01; CLOSED 2021-10-01"
            ),
            change(
                "import",
                CLINIC,
                "MILESTONE_REACHED READER_APPLIED 2021-11-01; MILESTONE_REACHED READY 2021-12-01; \
                 MILESTONE_WITHDRAWN READY 2021-12-05; MILESTONE_REACHED READY 2021-12-24"
            ),
        ]
    );
    let printed = succeed(&database, &["export", "changes"]);
    let heading = "seq,settled_at,operation,source,organisation,code,events\n";
    assert!(printed.starts_with(heading), "{printed}");
    assert_eq!(printed.lines().count(), 4);
}

#[rstest]
#[tokio::test]
async fn what_is_exported_is_imported_and_exported_again_the_same(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let (folder, original) = (Folder::new(), TestDatabase::new(backend).await);
    let demo = ["demo", "--load-only", "--dir", ".", "--scale", "0.008"];
    succeed(&original, &demo);
    let copy = TestDatabase::new(backend).await;
    let rows = Query::new("SELECT kind, name FROM organisation WHERE kind IN (0, 5) ORDER BY id");
    for row in rows.all(original.db().read()).await.unwrap() {
        let mut row = Row::new(&row);
        let (kind, name): (i16, String) = (row.take().unwrap(), row.take().unwrap());
        Query::with(
            "INSERT INTO organisation (kind, name, name_kana, created_at) VALUES ($1, $2, '', $3)",
            [
                kind.into(),
                name.into(),
                chrono::DateTime::UNIX_EPOCH.into(),
            ],
        )
        .execute(copy.db().write())
        .await
        .unwrap();
    }
    for what in ["facilities", "milestones"] {
        let file = folder.path(what);
        assert_eq!(succeed(&original, &["export", what, "-o", &file]), "");
        assert!(!Path::new(&format!("{file}.part")).exists());
        let imported = run(&copy, &["import", what, &file]);
        assert_eq!(imported.code, Some(0), "{}", imported.printed);
    }
    let lines = std::fs::read_to_string(folder.path("milestones")).unwrap();
    assert!(lines.lines().count() > 5_001, "more than one chunk");
    for what in ["facilities", "milestones"] {
        let exported = std::fs::read_to_string(folder.path(what)).unwrap();
        assert!(succeed(&copy, &["export", what]) == exported, "{what}");
    }
    succeed(&copy, &["verify"]);
}

#[rstest]
#[tokio::test]
async fn a_code_that_a_file_repeats_is_refused_before_anything_is_written(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let (folder, database) = (Folder::new(), TestDatabase::new(backend).await);
    let file = folder.file(
        "facilities.csv",
        "code,kind,name,opened_on,vendor\n\
         0110112489,MEDICAL_CLINIC,みなと内科,2019-04-01,\n\
         0110112489,MEDICAL_CLINIC,みなと内科分院,2019-04-01,\n\
         1110301762,MEDICAL_CLINIC,さいたま医院,2020-04-01,だれも\n",
    );
    let import = ["import", "facilities", &file, "--format", "csv"];
    let refused = run(&database, &import);
    assert_eq!(refused.code, Some(1));
    assert_eq!(
        refused.printed,
        "line,refused\n\
         3,The same code stands in line 2 already.\n\
         4,No vendor is called だれも.\n"
    );
    assert!(refused.told.contains("0 written, 2 refused"));
    assert_eq!(database.number("SELECT count(*) FROM facility").await, 0);
    let kept = run(&database, &[&import[..], &["--keep-going"]].concat());
    assert!(kept.told.contains("1 written, 2 refused"), "{}", kept.told);
    assert_eq!(kept.code, Some(1));
    assert_eq!(database.number("SELECT count(*) FROM facility").await, 1);
    let taken = run(&database, &import);
    assert!(
        taken
            .printed
            .contains("2,This institution code is taken.\n"),
        "{}",
        taken.printed
    );
}

#[rstest]
#[tokio::test]
async fn a_milestone_that_a_file_repeats_is_refused_with_the_line_of_the_first(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let folder = Folder::new();
    let database = scene(backend, &folder).await;
    let file = folder.file(
        "more.csv",
        "code,milestone,action,on\n\
         1110301762,INSTALLED,REACHED,2021-09-01\n\
         0110112489,INSTALLED,REACHED,2021-12-01\n\
         1110301762,INSTALLED,REACHED,2021-09-01\n",
    );
    let refused = run(
        &database,
        &["import", "milestones", &file, "--format", "json"],
    );
    assert_eq!(refused.code, Some(1));
    let refused = json_of(&refused.printed);
    assert_eq!(refused.as_array().unwrap().len(), 1);
    assert_eq!(refused[0]["line"], 4);
    let reason = refused[0]["refused"].as_str().unwrap();
    assert!(reason.contains("stands in row 2 already"), "{reason}");
}

#[rstest]
#[tokio::test]
async fn a_repeated_import_leaves_what_is_there_and_writes_what_is_missing(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let folder = Folder::new();
    let database = scene(backend, &folder).await;
    let changes = "SELECT count(*) FROM change";
    let before = database.number(changes).await;
    let import = |name: &str, content: &str, more: &[&str]| {
        let file = folder.file(name, content);
        let import = ["import", "milestones", &file, "--format", "csv"];
        run(&database, &[&import[..], more].concat())
    };
    for more in [&["--dry-run"][..], &["--keep-going"], &[]] {
        let again = import("again.csv", MILESTONES, more);
        assert!(
            again.told.contains("4 already there, 0 refused"),
            "{}",
            again.told
        );
        assert_eq!((again.code, again.printed.as_str()), (Some(0), ""));
    }
    assert_eq!(database.number(changes).await, before);

    // What was reached, withdrawn and reached again on one day is there as often as it was.
    let longer = format!(
        "{MILESTONES}0110112489,INSTALLED,REACHED,2021-12-10,\n\
         0110112489,INSTALLED,WITHDRAWN,2021-12-10,\n\
         0110112489,INSTALLED,REACHED,2021-12-10,\n"
    );
    for told in [
        "3 written, 4 already there, 0 refused",
        "0 written, 7 already there, 0 refused",
    ] {
        let longer = import("longer.csv", &longer, &[]);
        assert!(longer.told.contains(told), "{}", longer.told);
        assert_eq!(longer.code, Some(0));
    }
    assert_eq!(database.number(changes).await, before + 1);

    let wrong = format!(
        "{MILESTONES}0110112489,INSTALLED,REACHED,2021-12-11,\n\
         0110112488,INSTALLED,REACHED,2021-12-10,\n\
         1110301762,INSTALLED,REACHED,2021-09-01,\n"
    );
    let keep_going = ["--keep-going"];
    for (more, told) in [
        (&keep_going[..0], "0 written, 4 already there, 2 refused"),
        (&keep_going[..], "1 written, 4 already there, 2 refused"),
    ] {
        let refused = import("wrong.csv", &wrong, more);
        assert!(refused.told.contains(told), "{}", refused.told);
        assert_eq!(refused.code, Some(1));
        assert_eq!(
            refused.printed,
            "line,refused\n\
             6,Installed is in effect since 2021-12-10.\n\
             7,Not an institution code: the check digit is wrong.\n"
        );
    }
    assert_eq!(database.number(changes).await, before + 2);
}

#[rstest]
#[tokio::test]
async fn a_closing_in_another_century_is_not_imported(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let (folder, database) = (Folder::new(), TestDatabase::new(backend).await);
    let file = folder.file(
        "facilities.csv",
        "code,kind,name,opened_on,closed_on\n\
         0110112489,MEDICAL_CLINIC,みなと内科,2019-04-01,2201-01-01\n",
    );
    let refused = run(
        &database,
        &["import", "facilities", &file, "--format", "csv"],
    );
    assert_eq!(refused.code, Some(1));
    assert!(
        refused.printed.contains("A date in the future"),
        "{}",
        refused.printed
    );
    assert_eq!(database.number("SELECT count(*) FROM facility").await, 0);
}

#[rstest]
#[tokio::test]
async fn the_operator_is_told_in_a_sentence_why_a_user_is_not_made(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let database = TestDatabase::new(backend).await;
    let refusal = |of: &[&str]| {
        let who = ["user", "create", "--email", "a@example.go.jp", "--name"];
        let who = [&who[..], &["Somebody", "--organisation-kind"]].concat();
        let refused = run(&database, &[&who[..], of].concat());
        assert_ne!(refused.code, Some(0), "{of:?}");
        refused.told
    };
    for (of, told) in [
        (
            &["regional-bureau", "--organisation", "九州厚生局"][..],
            "error: bureau: Something is needed here.\n",
        ),
        (
            &["vendor", "--organisation", "あおば", "--bureau", "3"],
            "error: bureau: This value is not possible here.\n",
        ),
        (
            &["facility", "--organisation", "みなと内科"],
            "error: kind: This value is not possible here.\n",
        ),
    ] {
        assert_eq!(refusal(of), told, "{of:?}");
    }
    let nine = refusal(&["regional-bureau", "--organisation", "九", "--bureau", "9"]);
    assert!(nine.contains("a number from 0 to 7"), "{nine}");
    let unknown = refusal(&["hospital", "--organisation", "みなと"]);
    assert!(unknown.contains("support-contractor"), "{unknown}");
    let organisations = "SELECT count(*) FROM organisation";
    assert_eq!(database.number(organisations).await, 0);

    let bureau = ["regional-bureau", "--organisation", "九州厚生局"];
    let printed = create_user(
        &database,
        "k@example.go.jp",
        &[&bureau[..], &["--bureau", "7"]].concat(),
    );
    let (heading, row) = printed.split_once('\n').unwrap();
    assert_eq!(heading, "email,organisation,password");
    assert!(row.starts_with("k@example.go.jp,九州厚生局,"), "{row}");
    let reach = "SELECT count(*) FROM organisation WHERE bureau = 7";
    assert_eq!(database.number(reach).await, 1);
    create_user(&database, "l@example.go.jp", &bureau);
    assert_eq!(database.number(organisations).await, 1);
    let member = refusal(&[
        "regional-bureau",
        "--organisation",
        "九州厚生局",
        "--bureau",
        "6",
    ]);
    assert_eq!(member, "error: bureau: This value is not possible here.\n");
}

#[rstest]
#[tokio::test]
async fn a_user_is_let_in_no_more_and_again(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let database = TestDatabase::new(backend).await;
    let email = "k@example.go.jp";
    create_user(
        &database,
        email,
        &["ministry", "--organisation", "厚生労働省"],
    );
    let disabled = "SELECT count(*) FROM user_account WHERE disabled_at IS NOT NULL";
    assert_eq!(
        succeed(&database, &["user", "disable", "--email", email]),
        ""
    );
    assert_eq!(database.number(disabled).await, 1);
    succeed(&database, &["user", "enable", "--email", email]);
    assert_eq!(database.number(disabled).await, 0);
    let unknown = run(&database, &["user", "disable", "--email", "n@example.jp"]);
    assert_eq!(unknown.told, "error: There is no such user.\n");
}

#[rstest]
#[tokio::test]
async fn totals_that_are_wrong_are_built_anew(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let database = TestDatabase::new(backend).await;
    succeed(&database, &SMALL_DEMO);
    let totals = database.number("SELECT count(*) FROM figure_total").await;
    database
        .run("DELETE FROM figure_total WHERE effective_on < '2021-01-01'")
        .await;
    let wrong = run(&database, &["verify", "--format", "csv"]);
    assert_eq!(wrong.code, Some(1));
    assert!(
        wrong
            .printed
            .starts_with("table,key,expected,found\nfigure_total,"),
        "{}",
        wrong.printed
    );
    let mended = succeed(
        &database,
        &["verify", "--rebuild-totals", "--format", "json"],
    );
    assert_eq!(json_of(&mended), json!([]));
    assert_eq!(
        database.number("SELECT count(*) FROM figure_total").await,
        totals
    );
}

#[test]
fn the_schema_that_is_printed_is_the_one_that_is_served() {
    let printed = of(process::run_in(&[], &["schema"]));
    assert_eq!(printed.code, Some(0), "{}", printed.told);
    assert!(printed.printed.trim_end() == kaitsu::api::sdl().trim_end());
}

#[tokio::test]
async fn an_export_that_fails_leaves_no_file() {
    let (folder, database) = (Folder::new(), TestDatabase::new(Backend::Sqlite).await);
    database.run("DROP TABLE facility_state").await;
    let failed = run(
        &database,
        &["export", "facilities", "-o", &folder.path("out.csv")],
    );
    assert_eq!(failed.code, Some(1));
    assert!(folder.is_empty());
}
