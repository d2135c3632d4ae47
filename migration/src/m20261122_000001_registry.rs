//! Changes, facilities, their append-only history and the current state of each.

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
    // One row for each write transaction. `seq` and `settled_at` are filled in after the commit.
    "CREATE TABLE change (
        id {id},
        seq {big},
        recorded_at {instant} NOT NULL,
        settled_at {instant},
        identity_kind {code} NOT NULL,
        identity_id {big},
        organisation_id {big},
        source {code} NOT NULL,
        operation TEXT NOT NULL,
        request_id TEXT,
        reason TEXT
    ) {strict}",
    "CREATE UNIQUE INDEX change_seq ON change (seq)",
    "CREATE INDEX change_unsettled ON change (id) WHERE seq IS NULL",
    "CREATE INDEX change_settled_at ON change (settled_at)",
    // One row: how far changes are numbered, and folded into totals. Whoever writes the row anew, as a restore does,
    // begins another epoch, in which numbers and the places they name mean something else.
    "CREATE TABLE change_horizon (
        id {code} PRIMARY KEY,
        last_seq {big} NOT NULL,
        settled_until {instant} NOT NULL,
        folded_seq {big} NOT NULL,
        epoch {random}
    ) {strict}",
    "INSERT INTO change_horizon (id, last_seq, settled_until, folded_seq)
     VALUES (1, 0, '1970-01-01 00:00:00+00:00', 0)",
    // A write repeated under its key answers from here.
    "CREATE TABLE idempotency (
        caller TEXT NOT NULL,
        idempotency_key TEXT NOT NULL,
        request_hash {bytes} NOT NULL,
        outcome TEXT NOT NULL,
        created_at {instant} NOT NULL,
        PRIMARY KEY (caller, idempotency_key)
    ) {strict}",
    "CREATE INDEX idempotency_created_at ON idempotency (created_at)",
    "CREATE TABLE facility (
        id {id},
        name {name} NOT NULL,
        name_kana {name} NOT NULL,
        postal_code TEXT NOT NULL,
        address TEXT NOT NULL,
        phone TEXT NOT NULL,
        email TEXT,
        search_text TEXT NOT NULL
    ) {strict}",
    "CREATE INDEX facility_kana ON facility (name_kana, id)",
    // n-grams of two characters, so that 薬局 is found without a scan, whatever the locale.
    "postgres:ALTER TABLE facility ADD COLUMN search_grams INTEGER[] NOT NULL DEFAULT '{}'",
    "postgres:CREATE INDEX facility_search ON facility USING gin (search_grams) WITH (fastupdate = off)",
    "sqlite:CREATE VIRTUAL TABLE facility_search USING fts5 (grams, content='', contentless_delete=1, detail=none, tokenize='ascii')",
    // Every code a facility ever had; `valid_until` is null for the present one.
    "CREATE TABLE facility_code (
        code TEXT PRIMARY KEY,
        facility_id {big} NOT NULL,
        valid_until {date}
    ) {strict}",
    "CREATE INDEX facility_code_facility ON facility_code (facility_id)",
    "CREATE TABLE facility_reference (
        organisation_id {big} NOT NULL,
        reference TEXT NOT NULL,
        facility_id {big} NOT NULL,
        PRIMARY KEY (organisation_id, reference)
    ) {strict}",
    "CREATE UNIQUE INDEX facility_reference_facility ON facility_reference (organisation_id, facility_id)",
    // The history: what happened, from when it took effect, and which change recorded it.
    "CREATE TABLE facility_event (
        id {id},
        facility_id {big} NOT NULL,
        change_id {big} NOT NULL,
        aspect {code} NOT NULL,
        action {code} NOT NULL,
        effective_on {date} NOT NULL,
        value {big},
        voids_id {big},
        note TEXT
    ) {strict}",
    "CREATE INDEX facility_event_facility ON facility_event (facility_id, id)",
    "CREATE INDEX facility_event_change ON facility_event (change_id, facility_id)",
    // By what an event was voided; few ever are.
    "CREATE INDEX facility_event_voids ON facility_event (voids_id) WHERE voids_id IS NOT NULL",
    // The read model: one row for each facility, equal to its history at all times.
    "CREATE TABLE facility_state (
        facility_id {big} PRIMARY KEY,
        code TEXT NOT NULL,
        version {int} NOT NULL,
        kind {code} NOT NULL,
        prefecture {code} NOT NULL,
        public_institution {bool} NOT NULL,
        opened_on {date} NOT NULL,
        closed_on {date},
        vendor_id {big} NOT NULL,
        chain_id {big} NOT NULL,
        contractor_id {big} NOT NULL,
        stage {code} NOT NULL,
        last_milestone_on {date},
        reader_applied_on {date},
        vendor_ordered_on {date},
        use_applied_on {date},
        certificate_issued_on {date},
        reader_delivered_on {date},
        pc_procured_on {date},
        router_procured_on {date},
        installed_on {date},
        ready_on {date},
        live_on {date}
    ) {strict}",
    "CREATE UNIQUE INDEX facility_state_code ON facility_state (code)",
    "CREATE INDEX facility_state_place ON facility_state (prefecture, kind, code)",
    "CREATE INDEX facility_state_vendor ON facility_state (vendor_id, code)",
    // The worklist of a vendor, the longest quiet first: the expression is that of the order, word for word.
    "CREATE INDEX facility_state_quiet ON facility_state (vendor_id, (COALESCE(last_milestone_on, '0001-01-01')), code)
     WHERE vendor_id <> 0",
    "CREATE INDEX facility_state_chain ON facility_state (chain_id, code) WHERE chain_id <> 0",
    "CREATE INDEX facility_state_contractor ON facility_state (contractor_id, code) WHERE contractor_id <> 0",
    "CREATE INDEX facility_state_stage ON facility_state (stage, code)",
    // The planned date in force for each milestone; earlier promises are events.
    "CREATE TABLE milestone_plan (
        facility_id {big} NOT NULL,
        milestone {code} NOT NULL,
        planned_on {date} NOT NULL,
        PRIMARY KEY (facility_id, milestone)
    ) {strict}",
    "CREATE INDEX milestone_plan_date ON milestone_plan (milestone, planned_on)",
    // Facts about this deployment: that it is a demo, that it was restored and holds its mail.
    "CREATE TABLE deployment (
        key TEXT PRIMARY KEY,
        value TEXT NOT NULL
    ) {strict}",
    // Which process does a periodic job, until when, and how it last ended.
    "CREATE TABLE job_lease (
        name TEXT PRIMARY KEY,
        holder TEXT NOT NULL,
        until {instant} NOT NULL,
        last_run_at {instant},
        last_outcome TEXT
    ) {strict}",
];

const DOWN: &[&str] = &[
    "DROP TABLE job_lease",
    "DROP TABLE deployment",
    "DROP TABLE milestone_plan",
    "DROP TABLE facility_state",
    "DROP TABLE facility_event",
    "DROP TABLE facility_reference",
    "DROP TABLE facility_code",
    "sqlite:DROP TABLE facility_search",
    "DROP TABLE facility",
    "DROP TABLE idempotency",
    "DROP TABLE change_horizon; DROP TABLE change",
];
