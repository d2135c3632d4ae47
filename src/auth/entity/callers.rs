//! What is read for every request: does the bearer of this token still stand, and where? One prepared
//! statement each, by primary keys and one unique index.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr, QueryResult};

use super::{bureau_of, kind_of, language_of, role_of};
use crate::{
    auth::{Grant, Language, Permission, secret::SecretHash},
    db::{Query, Row, SessionId, UserId},
};

/// The bearer of an access token, as it stands now.
#[derive(Clone, Debug)]
pub struct CallingUser {
    /// The language the user chose.
    pub language: Language,
    /// The memberships.
    pub grants: Vec<Grant>,
}

const CALLING_USER: &str =
    "SELECT u.language, m.organisation_id, m.role, o.kind, o.bureau, o.facility_id
     FROM session s
     JOIN user_account u ON u.id = s.user_id
     LEFT JOIN membership m ON m.user_id = u.id
     LEFT JOIN organisation o ON o.id = m.organisation_id
     WHERE s.id = $1 AND s.user_id = $2 AND s.revoked_at IS NULL AND s.expires_at > $3
       AND u.disabled_at IS NULL
     ORDER BY m.organisation_id";

/// The user of a login, unless the login is over or the user disabled.
pub async fn calling_user(
    connection: &impl ConnectionTrait,
    session: SessionId,
    user: UserId,
    now: DateTime<Utc>,
) -> Result<Option<CallingUser>, DbErr> {
    let rows = Query::with(CALLING_USER, [session.into(), user.into(), now.into()])
        .all(connection)
        .await?;
    let Some(first) = rows.first() else {
        return Ok(None);
    };
    let language = language_of(Row::new(first).take()?)?;
    let grants = rows.iter().map(read_grant).filter_map(Result::transpose);
    Ok(Some(CallingUser {
        language,
        grants: grants.collect::<Result<_, _>>()?,
    }))
}

/// A user without memberships has one row without an organisation.
fn read_grant(row: &QueryResult) -> Result<Option<Grant>, DbErr> {
    let mut row = Row::new(row);
    row.skip(1);
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

const CALLING_TOKEN: &str = "SELECT t.id, t.permissions, t.expires_at, t.last_used_at,
            t.organisation_id, t.role, o.kind, o.bureau, o.facility_id
     FROM service_token t JOIN organisation o ON o.id = t.organisation_id
     WHERE t.token_hash = $1 AND t.revoked_at IS NULL AND t.expires_at > $2";

/// The service token of this hash, unless it is revoked or over.
pub async fn calling_token(
    connection: &impl ConnectionTrait,
    hash: SecretHash,
    now: DateTime<Utc>,
) -> Result<Option<CallingToken>, DbErr> {
    let row = Query::with(CALLING_TOKEN, [hash.to_bytes().into(), now.into()])
        .one(connection)
        .await?;
    row.as_ref().map(read_token).transpose()
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
