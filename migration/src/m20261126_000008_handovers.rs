//! What vendors propose to support contractors, and what these answer.

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
    // One that nobody answered lapses after its last day; its status says so when the next one is proposed.
    "CREATE TABLE handover (
        id {id},
        facility_id {big} NOT NULL,
        vendor_id {big} NOT NULL,
        contractor_id {big} NOT NULL,
        status {code} NOT NULL,
        proposed_on {date} NOT NULL,
        answer_by {date} NOT NULL,
        answered_on {date},
        message TEXT NOT NULL,
        reason TEXT,
        proposed_by {big} NOT NULL,
        answered_by {big}
    ) {strict}",
    "CREATE UNIQUE INDEX handover_open ON handover (facility_id) WHERE status = 0",
    "CREATE INDEX handover_contractor ON handover (contractor_id, id)",
    "CREATE INDEX handover_vendor ON handover (vendor_id, id)",
];

const DOWN: &[&str] = &["DROP TABLE handover"];
