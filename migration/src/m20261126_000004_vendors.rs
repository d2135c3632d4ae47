//! What vendors and support contractors tell of themselves in the directory.

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
    // An organisation that has told nothing yet has no row. The change is the last one, and says who told it.
    "CREATE TABLE vendor_profile (
        organisation_id {big} PRIMARY KEY,
        accepts_work {bool},
        introduction TEXT NOT NULL,
        version {int} NOT NULL,
        change_id {big}
    ) {strict}",
    "CREATE TABLE vendor_area (
        organisation_id {big} NOT NULL,
        prefecture {code} NOT NULL,
        PRIMARY KEY (organisation_id, prefecture)
    ) {strict}",
    "CREATE TABLE vendor_system (
        organisation_id {big} NOT NULL,
        ordinal {int} NOT NULL,
        name TEXT NOT NULL,
        PRIMARY KEY (organisation_id, ordinal)
    ) {strict}",
    "CREATE TABLE vendor_contact (
        organisation_id {big} NOT NULL,
        ordinal {int} NOT NULL,
        label TEXT NOT NULL,
        phone TEXT,
        email TEXT,
        url TEXT,
        PRIMARY KEY (organisation_id, ordinal)
    ) {strict}",
];

const DOWN: &[&str] = &[
    "DROP TABLE vendor_contact",
    "DROP TABLE vendor_system",
    "DROP TABLE vendor_area",
    "DROP TABLE vendor_profile",
];
