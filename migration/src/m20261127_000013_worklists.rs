//! Filters that people keep, and what finds what is next.

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
    // `identity_*` is whoever keeps it.
    "CREATE TABLE saved_filter (
        id {id},
        organisation_id {big} NOT NULL,
        identity_kind {code} NOT NULL,
        identity_id {big} NOT NULL,
        name {name} NOT NULL,
        shared {bool} NOT NULL,
        filter TEXT NOT NULL,
        version {int} NOT NULL
    ) {strict}",
    "CREATE UNIQUE INDEX saved_filter_name ON saved_filter (identity_kind, identity_id, organisation_id, name)",
    "CREATE INDEX saved_filter_organisation ON saved_filter (organisation_id)",
    // What is promised for a day, whatever it is.
    "CREATE INDEX milestone_plan_day ON milestone_plan (planned_on, facility_id, milestone)",
    // What was resolved on a day.
    "CREATE INDEX facility_event_resolved ON facility_event (effective_on, facility_id) WHERE aspect >= 60 AND action = 1",
];

const DOWN: &[&str] = &[
    "DROP INDEX facility_event_resolved",
    "DROP INDEX milestone_plan_day",
    "DROP TABLE saved_filter",
];
