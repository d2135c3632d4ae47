//! Corporations and areas of chains, and the stores that belong to them.

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
    // The chain that an organisation is a part of.
    "ALTER TABLE organisation ADD COLUMN parent_id {big}",
    "CREATE INDEX organisation_parent ON organisation (parent_id, id) WHERE parent_id IS NOT NULL",
    "ALTER TABLE facility_state ADD COLUMN corporation_id {big} NOT NULL DEFAULT 0",
    "ALTER TABLE facility_state ADD COLUMN area_id {big} NOT NULL DEFAULT 0",
    "CREATE INDEX facility_state_corporation ON facility_state (corporation_id, code) WHERE corporation_id <> 0",
    "CREATE INDEX facility_state_area ON facility_state (area_id, code) WHERE area_id <> 0",
];

const DOWN: &[&str] = &[
    "DROP INDEX facility_state_area",
    "DROP INDEX facility_state_corporation",
    "DROP INDEX organisation_parent",
    "ALTER TABLE facility_state DROP COLUMN area_id",
    "ALTER TABLE facility_state DROP COLUMN corporation_id",
    "ALTER TABLE organisation DROP COLUMN parent_id",
];
