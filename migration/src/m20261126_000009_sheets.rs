//! Files of facilities that people send: the bytes, what each row will do or did, and how an organisation names its
//! columns.

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
    // `identity_*` is whoever sent it, `runner_*` whoever began what is under way or ended last.
    "CREATE TABLE sheet (
        id {id},
        organisation_id {big},
        identity_kind {code} NOT NULL,
        identity_id {big},
        name TEXT NOT NULL,
        digest {bytes} NOT NULL,
        byte_count {big} NOT NULL,
        layout TEXT NOT NULL,
        columns TEXT NOT NULL,
        row_count {int} NOT NULL,
        is_checked {bool} NOT NULL,
        status {code} NOT NULL,
        problem TEXT,
        uploaded_at {instant} NOT NULL,
        changed_at {instant} NOT NULL,
        runner_kind {code} NOT NULL,
        runner_id {big},
        reason TEXT,
        gentle {bool} NOT NULL,
        done_count {int} NOT NULL,
        todo_count {int} NOT NULL,
        attempts {int} NOT NULL,
        holder TEXT,
        leased_until {instant} NOT NULL
    ) {strict}",
    "CREATE INDEX sheet_organisation ON sheet (organisation_id, id)",
    "CREATE INDEX sheet_sender ON sheet (identity_kind, identity_id, id)",
    // Those that wait for a process: CHECKING, APPLYING, UNDOING.
    "CREATE INDEX sheet_waiting ON sheet (id) WHERE status <= 2",
    "CREATE TABLE sheet_chunk (
        sheet_id {big} NOT NULL,
        position {int} NOT NULL,
        content {bytes} NOT NULL,
        PRIMARY KEY (sheet_id, position)
    ) {strict}",
    // A row that would change nothing, and of which nothing is to be told, has none.
    "CREATE TABLE sheet_row (
        sheet_id {big} NOT NULL,
        number {int} NOT NULL,
        facility_id {big},
        outcome {code} NOT NULL,
        change_id {big},
        detail TEXT NOT NULL,
        PRIMARY KEY (sheet_id, number)
    ) {strict}",
    "CREATE INDEX sheet_row_outcome ON sheet_row (sheet_id, outcome, number)",
    "CREATE TABLE sheet_mapping (
        organisation_id {big} NOT NULL,
        name {name} NOT NULL,
        columns TEXT NOT NULL,
        PRIMARY KEY (organisation_id, name)
    ) {strict}",
];

const DOWN: &[&str] = &[
    "DROP TABLE sheet_mapping",
    "DROP TABLE sheet_row",
    "DROP TABLE sheet_chunk",
    "DROP TABLE sheet",
];
