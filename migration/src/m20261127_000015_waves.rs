//! Waves: named plans of stores and dates.

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
    "CREATE TABLE wave (
        id {id},
        organisation_id {big} NOT NULL,
        name {name} NOT NULL,
        milestone {code} NOT NULL,
        version {int} NOT NULL,
        change_id {big} NOT NULL,
        removed_by {big}
    ) {strict}",
    "CREATE UNIQUE INDEX wave_name ON wave (organisation_id, name) WHERE removed_by IS NULL",
    // A row counts until another replaces it; without a day the store is no longer in the wave.
    "CREATE TABLE wave_store (
        id {id},
        wave_id {big} NOT NULL,
        facility_id {big} NOT NULL,
        planned_on {date},
        change_id {big} NOT NULL,
        replaced_by {big}
    ) {strict}",
    "CREATE UNIQUE INDEX wave_store_in_force ON wave_store (wave_id, facility_id) WHERE replaced_by IS NULL",
    "CREATE INDEX wave_store_facility ON wave_store (facility_id, wave_id) WHERE replaced_by IS NULL",
    "CREATE INDEX wave_store_change ON wave_store (change_id)",
    "CREATE INDEX wave_store_replaced ON wave_store (replaced_by, wave_id, facility_id) WHERE replaced_by IS NOT NULL",
];

const DOWN: &[&str] = &["DROP TABLE wave_store", "DROP TABLE wave"];
