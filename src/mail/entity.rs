//! The outbox.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr, QueryResult};

use crate::{
    auth::Language,
    db::{Query, Row, delete_in_batches},
};

/// Where a mail stands. Codes are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailState {
    /// To be sent, now or later.
    Queued,
    /// Accepted by the next server.
    Sent,
    /// Refused for good, or given up.
    Failed,
    /// Never meant to be sent: the answer to a request must not depend on whether an account exists.
    Suppressed,
    /// Handed over, but we never learned the outcome; it is sent again under the same Message-ID.
    Uncertain,
}

impl MailState {
    /// The code kept in the database.
    pub fn code(self) -> i16 {
        match self {
            Self::Queued => 0,
            Self::Sent => 1,
            Self::Failed => 2,
            Self::Suppressed => 3,
            Self::Uncertain => 4,
        }
    }
}

/// A mail to be put into the outbox. It may hold a secret, so it is never printed.
#[derive(Clone)]
pub struct MailNew<'a> {
    /// Stays the same however often it is sent.
    pub message_id: &'a str,
    /// The address.
    pub recipient: &'a str,
    /// The template's name.
    pub template: &'a str,
    /// The language.
    pub language: Language,
    /// The template's variables as JSON.
    pub content: &'a str,
    /// Queued or suppressed.
    pub state: MailState,
}

/// Adds a mail.
pub async fn insert_mail(
    connection: &impl ConnectionTrait,
    new: &MailNew<'_>,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    let finished_at = (new.state != MailState::Queued).then_some(now);
    Query::with(
        "INSERT INTO mail_outbox
             (message_id, recipient, template, language, content, created_at, not_before, attempts,
              state, finished_at)
         VALUES ($1, $2, $3, $4, $5, $6, $6, 0, $7, $8)",
        [
            new.message_id.into(),
            new.recipient.into(),
            new.template.into(),
            new.language.code().into(),
            new.content.into(),
            now.into(),
            new.state.code().into(),
            finished_at.into(),
        ],
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// A mail that this process has leased. It may hold a secret, so it is never printed.
#[derive(Clone)]
pub struct LeasedMail {
    /// Its row.
    pub id: i64,
    /// Stays the same however often it is sent.
    pub message_id: String,
    /// The address.
    pub recipient: String,
    /// The template's name.
    pub template: String,
    /// The language.
    pub language: Language,
    /// The template's variables as JSON.
    pub content: String,
    /// When it was accepted for sending.
    pub created_at: DateTime<Utc>,
    /// How often it was handed over, this time included.
    pub attempts: i32,
}

const DUE: &str = "finished_at IS NULL AND not_before <= $1
                   AND (leased_until IS NULL OR leased_until <= $1)";

/// Leases mails that are due. One whose lease ran out was perhaps sent by a process that died: it becomes
/// uncertain.
pub async fn lease_due(
    connection: &impl ConnectionTrait,
    now: DateTime<Utc>,
    leased_until: DateTime<Utc>,
    limit: u16,
) -> Result<Vec<LeasedMail>, DbErr> {
    Query::with(
        format!(
            "UPDATE mail_outbox SET leased_until = $2, attempts = attempts + 1,
                 state = CASE WHEN leased_until IS NULL THEN state ELSE $3 END
             WHERE {DUE} AND id IN
                 (SELECT id FROM mail_outbox WHERE {DUE} ORDER BY not_before, id LIMIT $4)
             RETURNING id, message_id, recipient, template, language, content, created_at, attempts"
        ),
        [
            now.into(),
            leased_until.into(),
            MailState::Uncertain.code().into(),
            i64::from(limit).into(),
        ],
    )
    .all(connection)
    .await?
    .iter()
    .map(read)
    .collect()
}

fn read(row: &QueryResult) -> Result<LeasedMail, DbErr> {
    let mut row = Row::new(row);
    Ok(LeasedMail {
        id: row.take()?,
        message_id: row.take()?,
        recipient: row.take()?,
        template: row.take()?,
        language: Language::from_code(row.take()?).unwrap_or_default(),
        content: row.take()?,
        created_at: row.take()?,
        attempts: row.take()?,
    })
}

/// Closes a mail and forgets what it said: it may have carried a secret.
pub async fn finish(
    connection: &impl ConnectionTrait,
    id: i64,
    state: MailState,
    error: Option<&str>,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    Query::with(
        "UPDATE mail_outbox SET state = $1, finished_at = $2, leased_until = NULL, content = '{}',
             last_error = $3 WHERE id = $4",
        [state.code().into(), now.into(), error.into(), id.into()],
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Gives a mail back, to be tried again later.
pub async fn postpone(
    connection: &impl ConnectionTrait,
    id: i64,
    state: MailState,
    not_before: DateTime<Utc>,
    error: &str,
) -> Result<(), DbErr> {
    Query::with(
        "UPDATE mail_outbox SET state = $1, not_before = $2, leased_until = NULL, last_error = $3
         WHERE id = $4",
        [
            state.code().into(),
            not_before.into(),
            error.into(),
            id.into(),
        ],
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Deletes mails that were finished before an instant.
pub async fn delete_finished(
    connection: &impl ConnectionTrait,
    before: DateTime<Utc>,
) -> Result<u64, DbErr> {
    delete_in_batches(
        connection,
        "DELETE FROM mail_outbox WHERE id IN
             (SELECT id FROM mail_outbox WHERE finished_at < $1 LIMIT $2)",
        before,
    )
    .await
}
