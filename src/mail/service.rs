//! Puts mails into the outbox.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr};

use super::{
    entity::{self, MailNew, MailState},
    template::Template,
};
use crate::auth::{Language, secret};

/// Whom a mail is for and what it says. It may hold a secret, so it is never printed.
#[derive(Clone)]
pub struct Envelope<'a> {
    /// The address.
    pub recipient: &'a str,
    /// The language.
    pub language: Language,
    /// Which mail.
    pub template: Template,
    /// The template's variables.
    pub variables: serde_json::Value,
}

/// Accepts a mail for sending, in the transaction that wants it.
pub async fn enqueue(
    transaction: &impl ConnectionTrait,
    envelope: &Envelope<'_>,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    let content = envelope.variables.to_string();
    insert(transaction, envelope, &content, MailState::Queued, now).await
}

/// Writes what [`enqueue`] would, but nothing will be sent: so that a request takes the same time
/// whether or not there is anyone to write to.
pub async fn suppress(
    transaction: &impl ConnectionTrait,
    envelope: &Envelope<'_>,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    insert(transaction, envelope, "{}", MailState::Suppressed, now).await
}

async fn insert(
    transaction: &impl ConnectionTrait,
    envelope: &Envelope<'_>,
    content: &str,
    state: MailState,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    let new = MailNew {
        message_id: &secret::identifier(),
        recipient: envelope.recipient,
        template: envelope.template.name(),
        language: envelope.language,
        content,
        state,
    };
    entity::insert_mail(transaction, &new, now).await
}
