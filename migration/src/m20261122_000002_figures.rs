//! What figures are read from: the dated periods of every facility, the deltas that writers append, and
//! the folded totals.

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
    // How a facility counted from one day until another, as some changes had it known.
    "CREATE TABLE facility_period (
        id {id},
        facility_id {big} NOT NULL,
        effective_from {date} NOT NULL,
        effective_until {date} NOT NULL,
        kind {code} NOT NULL,
        prefecture {code} NOT NULL,
        vendor_id {big} NOT NULL,
        chain_id {big} NOT NULL,
        level {code} NOT NULL,
        added_by {big} NOT NULL,
        removed_by {big}
    ) {strict}",
    "CREATE INDEX facility_period_facility ON facility_period (facility_id)",
    "CREATE INDEX facility_period_place ON facility_period (prefecture, kind, facility_id)",
    "CREATE INDEX facility_period_vendor ON facility_period (vendor_id, facility_id) WHERE vendor_id <> 0",
    "CREATE INDEX facility_period_chain ON facility_period (chain_id, facility_id) WHERE chain_id <> 0",
    // What a change added to the counts from a day on, by cell. Appended by writers, never updated.
    "CREATE TABLE figure_delta (
        change_id {big} NOT NULL,
        ordinal {int} NOT NULL,
        effective_on {date} NOT NULL,
        kind {code} NOT NULL,
        prefecture {code} NOT NULL,
        vendor_id {big} NOT NULL,
        chain_id {big} NOT NULL,
        open_count {int} NOT NULL,
        applied_count {int} NOT NULL,
        ready_count {int} NOT NULL,
        live_count {int} NOT NULL,
        PRIMARY KEY (change_id, ordinal)
    ) {strict}",
    // Counts of kind × prefecture up to a day, for a vendor and chain (or any: -1), from the changes of a
    // block of known time (0: all, 1: a year, 2: a month, 3: a day).
    "CREATE TABLE figure_total (
        block_level {code} NOT NULL,
        block_start {date} NOT NULL,
        vendor_id {big} NOT NULL,
        chain_id {big} NOT NULL,
        effective_on {date} NOT NULL,
        counts {bytes} NOT NULL,
        PRIMARY KEY (block_level, block_start, vendor_id, chain_id, effective_on)
    ) {strict}",
    "postgres:ALTER TABLE figure_total ALTER COLUMN counts SET STORAGE MAIN",
];

const DOWN: &[&str] = &[
    "DROP TABLE figure_total",
    "DROP TABLE figure_delta",
    "DROP TABLE facility_period",
];
