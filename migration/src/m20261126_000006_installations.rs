//! Work orders, what was ticked off, what organisations call them, and the checklists that the ministry publishes.

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
    // While it is open it has no vendor of its own: it is the work of whoever the facility engages. 0 is nobody.
    "CREATE TABLE installation (
        id {id},
        facility_id {big} NOT NULL,
        status {code} NOT NULL,
        visit_window {code},
        started_on {date},
        ended_on {date},
        minutes {int},
        crew {int},
        remark TEXT,
        checklist_kind {code} NOT NULL,
        checklist_version {int} NOT NULL,
        vendor_id {big} NOT NULL,
        contractor_id {big} NOT NULL,
        version {int} NOT NULL,
        opened_by {big} NOT NULL,
        ended_by {big}
    ) {strict}",
    "CREATE UNIQUE INDEX installation_open ON installation (facility_id) WHERE status < 2",
    "CREATE INDEX installation_facility ON installation (facility_id, id)",
    "CREATE INDEX installation_ended ON installation (ended_on, id) WHERE status >= 2",
    "CREATE INDEX installation_vendor ON installation (vendor_id, ended_on) WHERE vendor_id <> 0",
    "CREATE INDEX installation_contractor ON installation (contractor_id, ended_on) WHERE contractor_id <> 0",
    "CREATE TABLE installation_check (
        installation_id {big} NOT NULL,
        item TEXT NOT NULL,
        done_on {date} NOT NULL,
        change_id {big} NOT NULL,
        PRIMARY KEY (installation_id, item)
    ) {strict}",
    "CREATE TABLE installation_reference (
        organisation_id {big} NOT NULL,
        installation_id {big} NOT NULL,
        reference TEXT NOT NULL,
        PRIMARY KEY (organisation_id, installation_id)
    ) {strict}",
    "CREATE UNIQUE INDEX installation_reference_text ON installation_reference (organisation_id, reference)",
    // The first version of each kind is built in. `items` is a JSON list.
    "CREATE TABLE checklist (
        kind {code} NOT NULL,
        version {int} NOT NULL,
        items TEXT NOT NULL,
        change_id {big} NOT NULL,
        PRIMARY KEY (kind, version)
    ) {strict}",
];

const DOWN: &[&str] = &[
    "DROP TABLE checklist",
    "DROP TABLE installation_reference",
    "DROP TABLE installation_check",
    "DROP TABLE installation",
];
