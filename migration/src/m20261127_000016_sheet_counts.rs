//! How many rows of a sheet there are of each outcome, and room to rewrite the state of facilities in its place.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        super::run(manager, UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        super::run(manager, DOWN).await
    }
}

const UP: &[&str] = &[
    // Whoever follows a sheet asks for them many times, and a sheet may have 300,000 rows.
    "CREATE TABLE sheet_count (
        sheet_id {big} NOT NULL,
        outcome {code} NOT NULL,
        row_count {int} NOT NULL,
        PRIMARY KEY (sheet_id, outcome)
    ) {strict}",
    "INSERT INTO sheet_count (sheet_id, outcome, row_count) \
     SELECT sheet_id, outcome, count(*) FROM sheet_row GROUP BY sheet_id, outcome",
    // A row that is rewritten on its own page leaves the ten indexes alone where nothing indexed changes.
    "postgres:ALTER TABLE facility_state SET (fillfactor = 85)",
];

const DOWN: &[&str] = &[
    "postgres:ALTER TABLE facility_state RESET (fillfactor)",
    "DROP TABLE sheet_count",
];
