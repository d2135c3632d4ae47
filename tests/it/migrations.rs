//! The migrations go up, down and up again, and end with the same schema.

use kaitsu::db::{Backend, Database, Query};
use migration::{Migrator, MigratorTrait};
use rstest::rstest;

use crate::support::TestDatabase;

/// Every table, column, index and constraint as the database describes it, in a fixed order.
async fn description(database: &Database) -> Vec<String> {
    let sql = match database.backend() {
        Backend::Sqlite => {
            "SELECT type || ' ' || name || ' ' || COALESCE(sql, '') FROM sqlite_master \
             WHERE name NOT LIKE '%seaql_%' ORDER BY 1"
        }
        Backend::Postgres => {
            "SELECT line FROM ( \
               SELECT 'column ' || table_name || '.' || column_name || ' ' || data_type || ' ' \
                 || is_nullable || ' ' || COALESCE(column_default, '') AS line \
               FROM information_schema.columns WHERE table_schema = 'public' \
               UNION ALL SELECT 'index ' || indexdef FROM pg_indexes WHERE schemaname = 'public' \
               UNION ALL SELECT 'constraint ' || conrelid::regclass || ' ' || pg_get_constraintdef(oid) \
               FROM pg_constraint WHERE connamespace = 'public'::regnamespace \
               UNION ALL SELECT 'function ' || proname || ' ' || prosrc FROM pg_proc \
               WHERE pronamespace = 'public'::regnamespace AND proname NOT LIKE '%trgm%' \
             ) AS described WHERE line NOT LIKE '%seaql_%' ORDER BY 1"
        }
    };
    Query::new(sql)
        .all(database.read())
        .await
        .unwrap()
        .iter()
        .map(|row| row.try_get_by_index(0).unwrap())
        .collect()
}

#[rstest]
#[tokio::test]
async fn the_schema_is_the_same_after_up_down_and_up(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let database = TestDatabase::new(backend).await;
    let before = description(database.db()).await;
    assert!(before.len() > 20, "{before:#?}");
    Migrator::down(database.db().write(), None).await.unwrap();
    let emptied = description(database.db()).await;
    let left: Vec<&String> = emptied
        .iter()
        // SQLite keeps the counter of its AUTOINCREMENT columns for ever.
        .filter(|line| !line.starts_with("table sqlite_sequence"))
        .collect();
    assert_eq!(left, Vec::<&String>::new(), "down leaves nothing behind");
    Migrator::up(database.db().write(), None).await.unwrap();
    assert_eq!(description(database.db()).await, before);
}

#[rstest]
#[tokio::test]
async fn every_single_migration_can_be_taken_back_and_repeated(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let database = TestDatabase::new(backend).await;
    let whole = description(database.db()).await;
    let mut steps = vec![whole];
    for _ in Migrator::migrations() {
        Migrator::down(database.db().write(), Some(1))
            .await
            .unwrap();
        steps.push(description(database.db()).await);
    }
    while let Some(expected) = steps.pop() {
        assert_eq!(description(database.db()).await, expected);
        if !steps.is_empty() {
            Migrator::up(database.db().write(), Some(1)).await.unwrap();
        }
    }
}
