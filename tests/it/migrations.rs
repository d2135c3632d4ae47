//! Migrations: one at a time, back and forth, beside another version's, and by two processes at once.

use kaitsu::{
    app::Clock,
    db::{
        Backend,
        migrations::{self, MigrateError, State},
    },
};
use rstest::rstest;

use crate::support::{TestDatabase, process};

const NEWER: &str =
    "INSERT INTO seaql_migrations (version, applied_at) VALUES ('m99990101_000001_next', 0)";

async fn schema(database: &TestDatabase) -> String {
    match database.db().backend() {
        Backend::Sqlite => {
            database
                .text("SELECT group_concat(sql, ';') FROM (SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name)")
                .await
        }
        Backend::Postgres => {
            database
                .text(
                    "SELECT (SELECT string_agg(table_name || column_name || data_type || is_nullable, ';' ORDER BY \
                     table_name, column_name) FROM information_schema.columns WHERE table_schema = 'public') || \
                     (SELECT string_agg(indexdef, ';' ORDER BY indexname) FROM pg_indexes WHERE schemaname = 'public')",
                )
                .await
        }
    }
}

#[rstest]
#[tokio::test]
async fn the_schema_goes_down_and_up_again_step_by_step(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let database = TestDatabase::new(backend).await;
    let before = schema(&database).await;
    let all = migrations::status(database.db()).await.unwrap();
    let count = all.migrations().len();
    assert_eq!(all.applied().len(), count);

    let down = migrations::down(database.db(), count + 1).await.unwrap();
    assert_eq!(down.len(), count);
    let status = migrations::status(database.db()).await.unwrap();
    assert!(status.is_behind() && status.applied().is_empty());

    let clock = Clock::System;
    let first = migrations::up(database.db(), &clock, Some(1))
        .await
        .unwrap();
    assert_eq!(first, [all.migrations()[0].0.clone()]);
    let rest = migrations::up(database.db(), &clock, None).await.unwrap();
    assert_eq!(first.len() + rest.len(), count);
    assert!(
        migrations::up(database.db(), &clock, None)
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(schema(&database).await, before);
}

#[rstest]
#[tokio::test]
async fn a_schema_ahead_is_not_behind_and_only_its_own_version_takes_it_back(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let database = TestDatabase::new(backend).await;
    database.run(NEWER).await;
    let status = migrations::status(database.db()).await.unwrap();
    assert!(!status.is_behind());
    let newer: Vec<&str> = status.in_state(State::Newer).collect();
    assert_eq!(newer, ["m99990101_000001_next"]);
    assert!(
        migrations::up(database.db(), &Clock::System, None)
            .await
            .unwrap()
            .is_empty()
    );
    let refused = migrations::down(database.db(), 1).await;
    assert!(
        matches!(refused, Err(MigrateError::Newer(_))),
        "{refused:?}"
    );
}

#[rstest]
#[tokio::test]
async fn two_processes_migrate_at_once_and_each_migration_runs_once(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let database = TestDatabase::new(backend).await;
    let count = migrations::down(database.db(), 99).await.unwrap().len();
    let url = database.url().to_owned();
    let migrate = || {
        let url = url.clone();
        tokio::task::spawn_blocking(move || process::run(&url, &["migrate", "--format", "csv"]))
    };
    let (one, other) = (migrate(), migrate());
    let mut applied = 0;
    for output in [one.await.unwrap(), other.await.unwrap()] {
        let told = String::from_utf8(output.stdout).unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        applied += told.matches(",applied").count();
    }
    assert_eq!(applied, count);
    assert!(!migrations::status(database.db()).await.unwrap().is_behind());
}

#[rstest]
#[tokio::test]
async fn the_command_line_shows_how_the_schema_stands(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let database = TestDatabase::new(backend).await;
    let status = || process::run(database.url(), &["migrate", "--status", "--format", "csv"]);
    assert!(status().status.success());
    let down = process::run(database.url(), &["migrate", "--down", "1"]);
    assert!(down.status.success());
    let behind = status();
    assert_eq!(behind.status.code(), Some(1));
    assert!(
        String::from_utf8(behind.stdout)
            .unwrap()
            .trim_end()
            .ends_with(",pending")
    );
}
