//! Logins and the refresh tokens that keep them going.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr};

use crate::{
    auth::secret::SecretHash,
    db::{Query, Row, SessionId, UserId, delete_in_batches},
};

/// Why a login ended before its time. Stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The user logged out.
    LoggedOut,
    /// A refresh token was used twice: one of the two users of it stole it.
    Reused,
    /// The password was changed or reset.
    PasswordChanged,
    /// The operator disabled the user.
    Disabled,
}

impl Ending {
    fn name(self) -> &'static str {
        match self {
            Self::LoggedOut => "LOGGED_OUT",
            Self::Reused => "REUSED",
            Self::PasswordChanged => "PASSWORD_CHANGED",
            Self::Disabled => "DISABLED",
        }
    }
}

/// Begins a login.
pub async fn insert_session(
    connection: &impl ConnectionTrait,
    user: UserId,
    now: DateTime<Utc>,
    expires_at: DateTime<Utc>,
) -> Result<SessionId, DbErr> {
    Query::with(
        "INSERT INTO session (user_id, created_at, expires_at) VALUES ($1, $2, $3) RETURNING id",
        [user.into(), now.into(), expires_at.into()],
    )
    .scalar(connection)
    .await
}

/// Adds a refresh token to a login.
pub async fn insert_refresh_token(
    connection: &impl ConnectionTrait,
    session: SessionId,
    hash: SecretHash,
    now: DateTime<Utc>,
    expires_at: DateTime<Utc>,
) -> Result<(), DbErr> {
    Query::with(
        "INSERT INTO refresh_token (token_hash, session_id, created_at, expires_at)
         VALUES ($1, $2, $3, $4)",
        [
            hash.to_bytes().into(),
            session.into(),
            now.into(),
            expires_at.into(),
        ],
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// A login whose refresh token was just taken.
#[derive(Clone, Copy, Debug)]
pub struct Refreshed {
    /// The login.
    pub session: SessionId,
    /// Its user.
    pub user: UserId,
    /// When the login ends, however often it is refreshed.
    pub session_expires_at: DateTime<Utc>,
}

/// Takes an unused refresh token of a login that still stands. Of two who try at once, one gets it.
pub async fn take_refresh_token(
    connection: &impl ConnectionTrait,
    hash: SecretHash,
    now: DateTime<Utc>,
) -> Result<Option<Refreshed>, DbErr> {
    let taken = Query::with(
        "UPDATE refresh_token SET used_at = $1
         WHERE token_hash = $2 AND used_at IS NULL AND expires_at > $1
         RETURNING session_id",
        [now.into(), hash.to_bytes().into()],
    )
    .one(connection)
    .await?;
    let Some(taken) = taken else {
        return Ok(None);
    };
    let session: SessionId = Row::new(&taken).take()?;
    Query::with(
        "SELECT s.user_id, s.expires_at FROM session s JOIN user_account u ON u.id = s.user_id
         WHERE s.id = $1 AND s.revoked_at IS NULL AND s.expires_at > $2 AND u.disabled_at IS NULL",
        [session.into(), now.into()],
    )
    .one(connection)
    .await?
    .map(|row| {
        let mut row = Row::new(&row);
        Ok(Refreshed {
            session,
            user: row.take()?,
            session_expires_at: row.take()?,
        })
    })
    .transpose()
}

/// The login and the user of a refresh token, and whether it was used.
pub async fn session_of_refresh_token(
    connection: &impl ConnectionTrait,
    hash: SecretHash,
) -> Result<Option<(SessionId, UserId, bool)>, DbErr> {
    Query::with(
        "SELECT r.session_id, s.user_id, r.used_at FROM refresh_token r
         JOIN session s ON s.id = r.session_id WHERE r.token_hash = $1",
        [hash.to_bytes().into()],
    )
    .one(connection)
    .await?
    .map(|row| {
        let mut row = Row::new(&row);
        let session = row.take()?;
        let user = row.take()?;
        let used_at: Option<DateTime<Utc>> = row.take()?;
        Ok((session, user, used_at.is_some()))
    })
    .transpose()
}

/// Ends a login. Says whether it stood until now.
pub async fn revoke_session(
    connection: &impl ConnectionTrait,
    session: SessionId,
    because: Ending,
    now: DateTime<Utc>,
) -> Result<bool, DbErr> {
    Query::with(
        "UPDATE session SET revoked_at = $1, revoked_because = $2
         WHERE id = $3 AND revoked_at IS NULL",
        [now.into(), because.name().into(), session.into()],
    )
    .execute(connection)
    .await
    .map(|done| done.rows_affected() > 0)
}

/// Ends all logins of a user but one.
pub async fn revoke_sessions(
    connection: &impl ConnectionTrait,
    user: UserId,
    except: Option<SessionId>,
    because: Ending,
    now: DateTime<Utc>,
) -> Result<u64, DbErr> {
    Query::with(
        "UPDATE session SET revoked_at = $1, revoked_because = $2
         WHERE user_id = $3 AND revoked_at IS NULL AND id <> $4",
        [
            now.into(),
            because.name().into(),
            user.into(),
            except.unwrap_or(SessionId(0)).into(),
        ],
    )
    .execute(connection)
    .await
    .map(|done| done.rows_affected())
}

/// Deletes refresh tokens and logins that ended before an instant.
pub async fn delete_ended(
    connection: &impl ConnectionTrait,
    before: DateTime<Utc>,
) -> Result<u64, DbErr> {
    let tokens = delete_in_batches(
        connection,
        "DELETE FROM refresh_token WHERE token_hash IN
             (SELECT token_hash FROM refresh_token WHERE expires_at < $1 OR session_id IN
                 (SELECT id FROM session WHERE expires_at < $1 OR revoked_at < $1) LIMIT $2)",
        before,
    )
    .await?;
    let sessions = delete_in_batches(
        connection,
        "DELETE FROM session WHERE id IN
             (SELECT id FROM session WHERE expires_at < $1 OR revoked_at < $1 LIMIT $2)",
        before,
    )
    .await?;
    Ok(tokens + sessions)
}
