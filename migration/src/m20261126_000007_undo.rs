//! What it takes to undo a change: which change undid which, and what a change of a work order overwrote.

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
    "CREATE TABLE change_undo (
        change_id {big} PRIMARY KEY,
        undone_id {big} NOT NULL
    ) {strict}",
    "CREATE INDEX change_undo_undone ON change_undo (undone_id)",
    // An order as it was before the change; none if the change opened it. JSON.
    "CREATE TABLE installation_before (
        change_id {big} NOT NULL,
        installation_id {big} NOT NULL,
        image TEXT,
        PRIMARY KEY (change_id, installation_id)
    ) {strict}",
    // The latest changes in the name of an organisation.
    "CREATE INDEX change_organisation ON change (organisation_id, id) WHERE organisation_id IS NOT NULL",
];

const DOWN: &[&str] = &[
    "DROP INDEX change_organisation",
    "DROP TABLE installation_before",
    "DROP TABLE change_undo",
];
