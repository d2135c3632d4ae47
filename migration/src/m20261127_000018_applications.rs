//! Applications for readers, for the use of the service and for certificates.

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
    // Status, since when and until when it is valid follow from the steps that are not voided.
    "CREATE TABLE application (
        id {id},
        facility_id {big} NOT NULL,
        kind {code} NOT NULL,
        status {code} NOT NULL,
        since {date} NOT NULL,
        received_on {date} NOT NULL,
        expires_on {date},
        version {int} NOT NULL,
        opened_by {big} NOT NULL
    ) {strict}",
    "CREATE INDEX application_facility ON application (facility_id, kind, id)",
    "CREATE INDEX application_status ON application (kind, status, id)",
    "CREATE INDEX application_expiry ON application (expires_on) WHERE expires_on IS NOT NULL",
    "CREATE INDEX application_opened_by ON application (opened_by)",
    "CREATE TABLE application_line (
        application_id {big} NOT NULL,
        model_id {big} NOT NULL,
        free_count {int} NOT NULL,
        bought_count {int} NOT NULL,
        PRIMARY KEY (application_id, model_id)
    ) {strict}",
    "CREATE INDEX application_line_model ON application_line (model_id)",
    // A step that reached a milestone says so: only that is taken back with it.
    "CREATE TABLE application_step (
        id {id},
        application_id {big} NOT NULL,
        step {code} NOT NULL,
        done_on {date} NOT NULL,
        expires_on {date},
        reached {bool} NOT NULL,
        change_id {big} NOT NULL,
        voided_by {big}
    ) {strict}",
    "CREATE INDEX application_step_application ON application_step (application_id, id)",
    "CREATE INDEX application_step_change ON application_step (change_id)",
    "CREATE INDEX application_step_voided ON application_step (voided_by) WHERE voided_by IS NOT NULL",
];

const DOWN: &[&str] = &[
    "DROP TABLE application_step",
    "DROP TABLE application_line",
    "DROP TABLE application",
];
