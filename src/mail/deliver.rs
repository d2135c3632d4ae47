//! Sends what is in the outbox. Each mail is leased first, so that any number of workers may run and any
//! of them may die. A server that refuses for now is asked again after a while that doubles, with some
//! chance in it; one that refuses for good, or for more than two days, ends the mail as failed.

use std::{num::TryFromIntError, time::SystemTime};

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{StreamExt, stream};
use lettre::{
    Message,
    message::{
        Mailbox,
        header::{ContentType, HeaderName, HeaderValue},
    },
};

use super::{
    entity::{self, LeasedMail, MailState},
    template::{self, Template},
    transport::{SMTP_CONNECTIONS, Transport, TransportError},
};
use crate::{
    app::Clock,
    auth::secret,
    db::{Database, DbErr},
};

/// A lease outlasts the transport's own time-out by far.
const LEASE: TimeDelta = TimeDelta::minutes(5);
/// The wait after the first failure; each later one doubles it …
const FIRST_WAIT: TimeDelta = TimeDelta::seconds(30);
/// … up to this.
const LONGEST_WAIT: TimeDelta = TimeDelta::hours(4);
/// After this a mail is given up (RFC 5321 suggests four to five days; an invitation is old by then).
const GIVE_UP_AFTER: TimeDelta = TimeDelta::days(2);
/// Longest error text that is kept.
const MOST_ERROR_CHARACTERS: usize = 500;

/// Who our mails come from.
#[derive(Clone, Debug)]
pub struct Sender {
    /// The address in `From`.
    pub from: Mailbox,
    /// Where answers go, if not there.
    pub reply_to: Option<Mailbox>,
    /// The domain of our Message-IDs.
    pub domain: String,
}

/// What one step did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delivered {
    /// Accepted by the transport.
    pub sent: u32,
    /// To be tried again.
    pub postponed: u32,
    /// Given up.
    pub failed: u32,
}

/// Sends up to `limit` mails that are due. Returns what became of them; nothing leased means nothing was
/// due.
pub async fn deliver_due(
    db: &Database,
    transport: &Transport,
    sender: &Sender,
    clock: &Clock,
    limit: u16,
) -> Result<Delivered, DbErr> {
    let now = clock.now();
    let leased = entity::lease_due(db.write(), now, now + LEASE, limit).await?;
    let at_once = usize::try_from(SMTP_CONNECTIONS).unwrap_or(1);
    let outcomes: Vec<Result<MailState, DbErr>> = stream::iter(leased)
        .map(|mail| deliver(db, transport, sender, clock, mail))
        .buffer_unordered(at_once)
        .collect()
        .await;
    let mut delivered = Delivered::default();
    for outcome in outcomes {
        match outcome? {
            MailState::Sent => delivered.sent += 1,
            MailState::Queued | MailState::Uncertain => delivered.postponed += 1,
            MailState::Failed | MailState::Suppressed => delivered.failed += 1,
        }
    }
    Ok(delivered)
}

async fn deliver(
    db: &Database,
    transport: &Transport,
    sender: &Sender,
    clock: &Clock,
    mail: LeasedMail,
) -> Result<MailState, DbErr> {
    let result = match compose(sender, &mail) {
        Ok(message) => transport.send(&mail.message_id, message).await,
        Err(error) => Err(TransportError::Permanent(error)),
    };
    let now = clock.now();
    let state = match &result {
        Ok(()) => MailState::Sent,
        Err(TransportError::Permanent(_)) => MailState::Failed,
        Err(_) if now - mail.created_at > GIVE_UP_AFTER => MailState::Failed,
        Err(TransportError::Temporary(_)) => MailState::Queued,
        Err(TransportError::Uncertain(_)) => MailState::Uncertain,
    };
    let error = result.err().map(|error| shortened(&error.to_string()));
    if let Some(error) = &error {
        tracing::warn!(
            mail = mail.id,
            attempts = mail.attempts,
            ?state,
            error,
            "mail not sent"
        );
    }
    match state {
        MailState::Queued | MailState::Uncertain => {
            let later = now + wait_after(mail.attempts);
            let error = error.unwrap_or_default();
            entity::postpone(db.write(), mail.id, state, later, &error).await?;
        }
        MailState::Sent | MailState::Failed | MailState::Suppressed => {
            entity::finish(db.write(), mail.id, state, error.as_deref(), now).await?;
        }
    }
    Ok(state)
}

fn shortened(text: &str) -> String {
    text.chars().take(MOST_ERROR_CHARACTERS).collect()
}

/// Doubles with each attempt; between half and all of it, so that mails postponed together come back
/// apart.
fn wait_after(attempts: i32) -> TimeDelta {
    let doublings = u32::try_from(attempts.clamp(1, 20) - 1).unwrap_or(0);
    let wait = FIRST_WAIT
        .checked_mul(2_i32.pow(doublings))
        .unwrap_or(LONGEST_WAIT)
        .min(LONGEST_WAIT);
    let [chance] = secret::random::<1>();
    wait / 2 + wait / 2 * i32::from(chance) / 255
}

fn compose(sender: &Sender, mail: &LeasedMail) -> Result<Message, String> {
    let template = Template::from_name(&mail.template)
        .ok_or_else(|| format!("no template is called {}", mail.template))?;
    let variables = serde_json::from_str(&mail.content).map_err(|error| error.to_string())?;
    let letter =
        template::render(template, mail.language, &variables).map_err(|error| error.to_string())?;
    let recipient: Mailbox = mail
        .recipient
        .parse()
        .map_err(|_| "the recipient is no address".to_owned())?;
    let mut message = Message::builder().from(sender.from.clone());
    if let Some(reply_to) = &sender.reply_to {
        message = message.reply_to(reply_to.clone());
    }
    message
        .to(recipient)
        .date(system_time(mail.created_at).map_err(|error| error.to_string())?)
        .message_id(Some(format!("<{}@{}>", mail.message_id, sender.domain)))
        .raw_header(HeaderValue::new(
            HeaderName::new_from_ascii_str("Auto-Submitted"),
            "auto-generated".to_owned(),
        ))
        .subject(letter.subject)
        .header(ContentType::TEXT_PLAIN)
        .body(letter.body)
        .map_err(|error| error.to_string())
}

fn system_time(at: DateTime<Utc>) -> Result<SystemTime, TryFromIntError> {
    let seconds = u64::try_from(at.timestamp())?;
    Ok(SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_up_to_four_hours_and_never_vanishes() {
        for attempts in 1..40 {
            let wait = wait_after(attempts);
            assert!(wait >= FIRST_WAIT / 2, "{attempts}: {wait}");
            assert!(wait <= LONGEST_WAIT, "{attempts}: {wait}");
        }
        assert!(wait_after(1) <= FIRST_WAIT);
        assert!(wait_after(12) >= LONGEST_WAIT / 2);
    }
}
