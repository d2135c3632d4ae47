//! Up to which day vendors and chains say that everything is recorded.

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
    // The last row of an organisation that was not taken back counts; without a day it says that nothing is complete.
    "CREATE TABLE reporting_confirmation (
        id {id},
        organisation_id {big} NOT NULL,
        complete_to {date},
        change_id {big} NOT NULL,
        taken_back_by {big}
    ) {strict}",
    "CREATE INDEX reporting_confirmation_organisation ON reporting_confirmation (organisation_id, id)",
    "CREATE UNIQUE INDEX reporting_confirmation_change ON reporting_confirmation (change_id)",
    // When a sheet is applied it confirms that everything up to `complete_to` is recorded, by the change `confirmed_by`.
    "ALTER TABLE sheet ADD COLUMN complete_to {date}",
    "ALTER TABLE sheet ADD COLUMN confirmed_by {big}",
];

const DOWN: &[&str] = &[
    "ALTER TABLE sheet DROP COLUMN confirmed_by",
    "ALTER TABLE sheet DROP COLUMN complete_to",
    "DROP TABLE reporting_confirmation",
];
