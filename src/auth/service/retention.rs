//! What the accounts forget, and when. Changes (who did what) are never forgotten: they are the audit log, and by them
//! it is told what was known at any time. `docs/architecture.md` has the table of all that grows.

use chrono::TimeDelta;
use sea_orm::DbErr;

use super::AuthService;
use crate::{
    auth::entity::{keys, secrets, sessions, throttle},
    mail::entity as mail,
};

/// Logins and refresh tokens are kept this long after their end, to answer questions about misuse.
const SESSIONS_KEPT: TimeDelta = TimeDelta::days(30);
/// One-time secrets likewise, after they were used or ended, whichever came first.
const SECRETS_KEPT: TimeDelta = TimeDelta::days(30);
/// Finished mails hold addresses, but what they said is gone when they are sent.
const MAILS_KEPT: TimeDelta = TimeDelta::days(90);

/// Rows that were deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Purged {
    /// Logins and refresh tokens.
    pub sessions: u64,
    /// One-time secrets.
    pub secrets: u64,
    /// Windows of counted attempts.
    pub attempts: u64,
    /// Finished mails.
    pub mails: u64,
    /// Signing keys that verify nothing any more.
    pub keys: u64,
}

impl AuthService {
    /// Deletes what is past its retention: logins and refresh tokens 30 days after their end, one-time secrets
    /// after their use or end, finished mails after 90 days, counted attempts and signing keys when they are over.
    /// Service tokens are kept: lists show who could come in, and when.
    pub async fn purge_expired(&self) -> Result<Purged, DbErr> {
        let now = self.clock.now();
        let db = self.db.write();
        Ok(Purged {
            sessions: sessions::delete_ended(db, now - SESSIONS_KEPT).await?,
            secrets: secrets::delete_over(db, now - SECRETS_KEPT).await?,
            attempts: throttle::delete_past(db, now).await?,
            mails: mail::delete_finished(db, now - MAILS_KEPT).await?,
            keys: keys::delete_retired_keys(db, now).await?,
        })
    }
}
