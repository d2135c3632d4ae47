//! What figures of work are read from: deltas that writers append, and the folded totals.

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
    // As `figure_delta` and `figure_total`, but of the work: facilities installed, facilities that wait to be, minutes on the site, and installations
    // of which these were told.
    "CREATE TABLE work_delta (
        change_id {big} NOT NULL,
        ordinal {int} NOT NULL,
        effective_on {date} NOT NULL,
        kind {code} NOT NULL,
        prefecture {code} NOT NULL,
        vendor_id {big} NOT NULL,
        chain_id {big} NOT NULL,
        installed_count {int} NOT NULL,
        waiting_count {int} NOT NULL,
        minute_count {int} NOT NULL,
        timed_count {int} NOT NULL,
        PRIMARY KEY (change_id, ordinal)
    ) {strict}",
    "CREATE TABLE work_total (
        block_level {code} NOT NULL,
        block_start {date} NOT NULL,
        vendor_id {big} NOT NULL,
        chain_id {big} NOT NULL,
        effective_on {date} NOT NULL,
        counts {bytes} NOT NULL,
        PRIMARY KEY (block_level, block_start, vendor_id, chain_id, effective_on)
    ) {strict}",
    "postgres:ALTER TABLE work_total ALTER COLUMN counts SET STORAGE MAIN",
];

const DOWN: &[&str] = &["DROP TABLE work_total", "DROP TABLE work_delta"];
