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
    // The last row of an organisation counts; without a day it took everything back.
    "CREATE TABLE reporting_confirmation (
        id {id},
        organisation_id {big} NOT NULL,
        complete_to {date},
        change_id {big} NOT NULL
    ) {strict}",
    "CREATE INDEX reporting_confirmation_organisation ON reporting_confirmation (organisation_id, id)",
];

const DOWN: &[&str] = &["DROP TABLE reporting_confirmation"];
