//! Organisations, users, memberships, sessions, tokens, one-time secrets and the mail they need.

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
    "CREATE TABLE organisation (
        id {id},
        kind {code} NOT NULL,
        name {name} NOT NULL,
        name_kana {name} NOT NULL,
        bureau {code},
        facility_id {big},
        created_at {instant} NOT NULL
    ) {strict}",
    "CREATE INDEX organisation_kind ON organisation (kind, name_kana, id)",
    "CREATE UNIQUE INDEX organisation_facility ON organisation (facility_id)",
    "CREATE TABLE user_account (
        id {id},
        email TEXT NOT NULL,
        display_name TEXT NOT NULL,
        password_hash TEXT,
        language {code} NOT NULL,
        disabled_at {instant},
        created_at {instant} NOT NULL
    ) {strict}",
    "CREATE UNIQUE INDEX user_account_email ON user_account (email)",
    "CREATE TABLE membership (
        user_id {big} NOT NULL,
        organisation_id {big} NOT NULL,
        role {code} NOT NULL,
        created_at {instant} NOT NULL,
        PRIMARY KEY (user_id, organisation_id)
    ) {strict}",
    "CREATE INDEX membership_organisation ON membership (organisation_id, user_id)",
    // A login: the family of refresh tokens that came from it.
    "CREATE TABLE session (
        id {id},
        user_id {big} NOT NULL,
        created_at {instant} NOT NULL,
        expires_at {instant} NOT NULL,
        revoked_at {instant},
        revoked_because TEXT
    ) {strict}",
    "CREATE INDEX session_of_user ON session (user_id)",
    "CREATE INDEX session_expires_at ON session (expires_at)",
    "CREATE TABLE refresh_token (
        token_hash {bytes} PRIMARY KEY,
        session_id {big} NOT NULL,
        created_at {instant} NOT NULL,
        expires_at {instant} NOT NULL,
        used_at {instant}
    ) {strict}",
    "CREATE INDEX refresh_token_session ON refresh_token (session_id)",
    "CREATE INDEX refresh_token_expires_at ON refresh_token (expires_at)",
    "CREATE TABLE service_token (
        id {id},
        organisation_id {big} NOT NULL,
        name TEXT NOT NULL,
        role {code} NOT NULL,
        permissions TEXT NOT NULL,
        token_hash {bytes} NOT NULL,
        created_by {big},
        created_at {instant} NOT NULL,
        expires_at {instant} NOT NULL,
        revoked_at {instant},
        last_used_at {instant}
    ) {strict}",
    "CREATE UNIQUE INDEX service_token_hash ON service_token (token_hash)",
    "CREATE INDEX service_token_organisation ON service_token (organisation_id)",
    // Invitations, password resets, codes issued by staff, claims of a facility's account.
    "CREATE TABLE one_time_secret (
        id {id},
        purpose {code} NOT NULL,
        secret_hash {bytes} NOT NULL,
        user_id {big},
        organisation_id {big},
        facility_id {big},
        email TEXT,
        role {code},
        created_by {big},
        created_at {instant} NOT NULL,
        expires_at {instant} NOT NULL,
        failures {int} NOT NULL,
        used_at {instant}
    ) {strict}",
    "CREATE INDEX one_time_secret_hash ON one_time_secret (secret_hash)",
    "CREATE INDEX one_time_secret_facility ON one_time_secret (facility_id) WHERE facility_id IS NOT NULL",
    "CREATE INDEX one_time_secret_user ON one_time_secret (user_id) WHERE user_id IS NOT NULL",
    "CREATE INDEX one_time_secret_email ON one_time_secret (email) WHERE email IS NOT NULL",
    "CREATE INDEX one_time_secret_organisation ON one_time_secret (organisation_id, id) WHERE organisation_id IS NOT NULL",
    "CREATE INDEX one_time_secret_expires_at ON one_time_secret (expires_at)",
    "CREATE INDEX one_time_secret_used_at ON one_time_secret (used_at) WHERE used_at IS NOT NULL",
    // Attempts at logging in and at guessing secrets, by account and by address, in windows.
    "CREATE TABLE login_throttle (
        bucket TEXT PRIMARY KEY,
        attempts {int} NOT NULL,
        window_ends_at {instant} NOT NULL
    ) {strict}",
    "CREATE INDEX login_throttle_window_ends_at ON login_throttle (window_ends_at)",
    // Ed25519 keys that sign access tokens. Not part of a backup. `verifies_until` is set when a key has
    // a successor.
    "CREATE TABLE signing_key (
        kid TEXT PRIMARY KEY,
        private_key {bytes} NOT NULL,
        public_key {bytes} NOT NULL,
        created_at {instant} NOT NULL,
        signs_from {instant} NOT NULL,
        verifies_until {instant}
    ) {strict}",
    // Mail accepted for sending, written in the transaction that wants it.
    "CREATE TABLE mail_outbox (
        id {id},
        message_id TEXT NOT NULL,
        recipient TEXT NOT NULL,
        template TEXT NOT NULL,
        language {code} NOT NULL,
        content TEXT NOT NULL,
        created_at {instant} NOT NULL,
        not_before {instant} NOT NULL,
        attempts {int} NOT NULL,
        leased_until {instant},
        state {code} NOT NULL,
        finished_at {instant},
        last_error TEXT
    ) {strict}",
    "CREATE INDEX mail_outbox_due ON mail_outbox (not_before, id) WHERE finished_at IS NULL",
    "CREATE INDEX mail_outbox_finished_at ON mail_outbox (finished_at)",
];

const DOWN: &[&str] = &[
    "DROP TABLE mail_outbox",
    "DROP TABLE signing_key",
    "DROP TABLE login_throttle",
    "DROP TABLE one_time_secret",
    "DROP TABLE service_token",
    "DROP TABLE refresh_token",
    "DROP TABLE session",
    "DROP TABLE membership",
    "DROP TABLE user_account",
    "DROP TABLE organisation",
];
