//! What is read for every request: does the bearer of this token still stand, and where? One prepared
//! statement each, by primary keys and one unique index.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr, QueryResult};

use super::{bureau_of, kind_of, language_of, role_of};
use crate::{
    auth::{Actor, Grant, Identity, Language, Permission, secret::SecretHash},
    db::{Database, Query, Row, SessionId, UserId},
};

/// The bearer of an access token, as it stands now.
#[derive(Clone, Debug)]
pub struct CallingUser {
    /// Who it is.
    pub user: UserId,
    /// The language the user chose.
    pub language: Language,
    /// The memberships.
    pub grants: Vec<Grant>,
}

/// The users of logins, but of those that are over or whose user is disabled.
pub async fn calling_users(
    database: &Database,
    sessions: &[SessionId],
    now: DateTime<Utc>,
) -> Result<HashMap<SessionId, CallingUser>, DbErr> {
    let mut query = Query::new(
        "SELECT s.id, s.user_id, u.language, m.organisation_id, m.role, o.kind, o.bureau, o.facility_id
         FROM session s
         JOIN user_account u ON u.id = s.user_id
         LEFT JOIN membership m ON m.user_id = u.id
         LEFT JOIN organisation o ON o.id = m.organisation_id
         WHERE s.id",
    );
    query
        .bind_ids(database.backend(), sessions.iter().map(|id| id.0))
        .push(" AND s.revoked_at IS NULL AND u.disabled_at IS NULL AND s.expires_at > ")
        .bind(now)
        .push(" ORDER BY m.organisation_id");
    let mut callers = HashMap::with_capacity(sessions.len());
    for row in query.all(database.read()).await? {
        let mut row = Row::new(&row);
        let session: SessionId = row.take()?;
        let (user, language) = (row.take()?, language_of(row.take()?)?);
        let caller = callers.entry(session).or_insert_with(|| CallingUser {
            user,
            language,
            grants: Vec::new(),
        });
        caller.grants.extend(read_grant(&mut row)?);
    }
    Ok(callers)
}

/// A user without memberships has one row without an organisation.
fn read_grant(row: &mut Row<'_>) -> Result<Option<Grant>, DbErr> {
    let Some(organisation) = row.take()? else {
        return Ok(None);
    };
    Ok(Some(Grant {
        organisation,
        role: role_of(row.take()?)?,
        kind: kind_of(row.take()?)?,
        bureau: bureau_of(row.take()?)?,
        facility: row.take()?,
    }))
}

/// A vendor's own system, as its token stands now.
#[derive(Clone, Debug)]
pub struct CallingToken {
    /// The token's row.
    pub id: i64,
    /// Where it acts, in what role.
    pub grant: Grant,
    /// What it is limited to.
    pub permissions: Vec<Permission>,
    /// When it is over.
    pub expires_at: DateTime<Utc>,
    /// When it was last seen, to the minute.
    pub last_used_at: Option<DateTime<Utc>>,
}

const TOKEN_COLUMNS: &str = "SELECT t.id, t.permissions, t.expires_at, t.last_used_at,
            t.organisation_id, t.role, o.kind, o.bureau, o.facility_id
     FROM service_token t JOIN organisation o ON o.id = t.organisation_id";

/// The service token of this hash, unless it is revoked or over.
pub async fn calling_token(
    connection: &impl ConnectionTrait,
    hash: SecretHash,
    now: DateTime<Utc>,
) -> Result<Option<CallingToken>, DbErr> {
    let row = Query::with(
        format!(
            "{TOKEN_COLUMNS} WHERE t.token_hash = $1 AND t.revoked_at IS NULL AND t.expires_at > $2"
        ),
        [hash.to_bytes().into(), now.into()],
    )
    .one(connection)
    .await?;
    row.as_ref().map(read_token).transpose()
}

/// Whoever began something that goes on in the background, as they stand now. `None` if the user is disabled, the token
/// revoked or over, or nobody in particular began it.
pub async fn acting(
    connection: &impl ConnectionTrait,
    identity: &Identity,
    now: DateTime<Utc>,
) -> Result<Option<Actor>, DbErr> {
    match identity {
        Identity::User(user) => acting_user(connection, *user).await,
        Identity::ServiceToken(token) => acting_token(connection, *token, now).await,
        Identity::System => Ok(Some(Actor::system())),
        Identity::Anonymous => Ok(None),
    }
}

async fn acting_user(
    connection: &impl ConnectionTrait,
    user: UserId,
) -> Result<Option<Actor>, DbErr> {
    let rows = Query::with(
        "SELECT u.language, m.organisation_id, m.role, o.kind, o.bureau, o.facility_id
         FROM user_account u
         LEFT JOIN membership m ON m.user_id = u.id
         LEFT JOIN organisation o ON o.id = m.organisation_id
         WHERE u.id = $1 AND u.disabled_at IS NULL ORDER BY m.organisation_id",
        [user.0.into()],
    )
    .all(connection)
    .await?;
    let mut actor = None;
    for row in &rows {
        let mut row = Row::new(row);
        let language = language_of(row.take()?)?;
        let actor = actor.get_or_insert_with(|| Actor {
            identity: Identity::User(user),
            grants: Vec::new(),
            token_permissions: None,
            language,
        });
        actor.grants.extend(read_grant(&mut row)?);
    }
    Ok(actor)
}

async fn acting_token(
    connection: &impl ConnectionTrait,
    token: i64,
    now: DateTime<Utc>,
) -> Result<Option<Actor>, DbErr> {
    let row = Query::with(
        format!("{TOKEN_COLUMNS} WHERE t.id = $1 AND t.revoked_at IS NULL AND t.expires_at > $2"),
        [token.into(), now.into()],
    )
    .one(connection)
    .await?;
    let token = row.as_ref().map(read_token).transpose()?;
    Ok(token.map(|token| Actor {
        identity: Identity::ServiceToken(token.id),
        grants: vec![token.grant],
        token_permissions: Some(token.permissions),
        language: Language::default(),
    }))
}

fn read_token(row: &QueryResult) -> Result<CallingToken, DbErr> {
    let mut row = Row::new(row);
    Ok(CallingToken {
        id: row.take()?,
        permissions: super::tokens::read_permissions(&row.take::<String>()?),
        expires_at: row.take()?,
        last_used_at: row.take()?,
        grant: Grant {
            organisation: row.take()?,
            role: role_of(row.take()?)?,
            kind: kind_of(row.take()?)?,
            bureau: bureau_of(row.take()?)?,
            facility: row.take()?,
        },
    })
}
