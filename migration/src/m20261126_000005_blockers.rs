//! What holds facilities up, as it stands; the history has the rest.

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
    "CREATE TABLE facility_blocker (
        facility_id {big} NOT NULL,
        blocker {code} NOT NULL,
        since {date} NOT NULL,
        PRIMARY KEY (facility_id, blocker)
    ) {strict}",
    // Who waits for what, the longest first.
    "CREATE INDEX facility_blocker_since ON facility_blocker (blocker, since, facility_id)",
];

const DOWN: &[&str] = &["DROP TABLE facility_blocker"];
