//! What vendors pledge to install, and what they answer to the follow-up of each month.

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
    // `month` is its first day. A row counts until another replaces it.
    "CREATE TABLE capacity_pledge (
        id {id},
        organisation_id {big} NOT NULL,
        month {date} NOT NULL,
        prefecture {code} NOT NULL,
        installs {int} NOT NULL,
        change_id {big} NOT NULL,
        replaced_by {big}
    ) {strict}",
    "CREATE UNIQUE INDEX capacity_pledge_in_force ON capacity_pledge (organisation_id, month, prefecture) \
     WHERE replaced_by IS NULL",
    "CREATE INDEX capacity_pledge_month ON capacity_pledge (month, organisation_id)",
    "CREATE TABLE capacity_answer (
        id {id},
        organisation_id {big} NOT NULL,
        month {date} NOT NULL,
        team_count {int},
        remark TEXT NOT NULL,
        change_id {big} NOT NULL,
        replaced_by {big}
    ) {strict}",
    "CREATE UNIQUE INDEX capacity_answer_in_force ON capacity_answer (month, organisation_id) WHERE replaced_by IS NULL",
    "CREATE INDEX capacity_answer_month ON capacity_answer (month, organisation_id)",
    // Which chains applied for many stores at once.
    "CREATE INDEX figure_delta_chain ON figure_delta (chain_id, change_id) WHERE chain_id <> 0 AND applied_count > 0",
    // The work of a vendor or chain as it was known in the past is summed from what changes added.
    "CREATE INDEX work_delta_vendor ON work_delta (vendor_id) WHERE vendor_id <> 0",
    "CREATE INDEX work_delta_chain ON work_delta (chain_id) WHERE chain_id <> 0",
];

const DOWN: &[&str] = &[
    "DROP INDEX work_delta_chain",
    "DROP INDEX work_delta_vendor",
    "DROP INDEX figure_delta_chain",
    "DROP TABLE capacity_answer",
    "DROP TABLE capacity_pledge",
];
