//! Service tokens: how a vendor's own system comes in.

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{ConnectionTrait, DbErr, QueryResult};

use super::{members::IdPage, role_of};
use crate::{
    auth::{Actor, Permission, Role, secret::SecretHash},
    db::{Database, OrganisationId, Query, Row, UserId},
};

/// A service token without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceToken {
    /// Its row.
    pub id: i64,
    /// In whose name it acts.
    pub organisation: OrganisationId,
    /// What it is for.
    pub name: String,
    /// The role it has there.
    pub role: Role,
    /// What it is limited to.
    pub permissions: Vec<Permission>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it is over.
    pub expires_at: DateTime<Utc>,
    /// When it was revoked.
    pub revoked_at: Option<DateTime<Utc>>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<DateTime<Utc>>,
}

const COLUMNS: &str = "id, organisation_id, name, role, permissions, created_at, expires_at, \
                       revoked_at, last_used_at";

fn read(row: &QueryResult) -> Result<ServiceToken, DbErr> {
    let mut row = Row::new(row);
    Ok(ServiceToken {
        id: row.take()?,
        organisation: row.take()?,
        name: row.take()?,
        role: role_of(row.take()?)?,
        permissions: read_permissions(&row.take::<String>()?),
        created_at: row.take()?,
        expires_at: row.take()?,
        revoked_at: row.take()?,
        last_used_at: row.take()?,
    })
}

/// A permission that this version doesn't know permits nothing.
pub(super) fn read_permissions(stored: &str) -> Vec<Permission> {
    stored
        .split(',')
        .filter_map(Permission::from_name)
        .collect()
}

fn write_permissions(permissions: &[Permission]) -> String {
    let names: Vec<&str> = permissions.iter().map(|one| one.name()).collect();
    names.join(",")
}

/// A service token that the actor manages.
pub async fn token_managed_by(
    connection: &impl ConnectionTrait,
    actor: &Actor,
    id: i64,
) -> Result<Option<ServiceToken>, DbErr> {
    let token = Query::with(
        format!("SELECT {COLUMNS} FROM service_token WHERE id = $1"),
        [id.into()],
    )
    .one(connection)
    .await?
    .as_ref()
    .map(read)
    .transpose()?;
    Ok(token.filter(|token| actor.may_in(token.organisation, Permission::MembersManage)))
}

/// Those of some service tokens that the actor manages, in no order.
pub async fn some_tokens_managed_by(
    database: &Database,
    actor: &Actor,
    ids: &[i64],
) -> Result<Vec<ServiceToken>, DbErr> {
    let mut query = Query::new(format!("SELECT {COLUMNS} FROM service_token WHERE id"));
    query.bind_ids(database.backend(), ids.iter().copied());
    let rows = query.all(database.read()).await?;
    let tokens: Vec<ServiceToken> = rows.iter().map(read).collect::<Result<_, _>>()?;
    Ok(tokens
        .into_iter()
        .filter(|token| actor.may_in(token.organisation, Permission::MembersManage))
        .collect())
}

/// A page of an organisation's service tokens; none if the actor doesn't manage them.
pub async fn tokens_managed_by(
    connection: &impl ConnectionTrait,
    actor: &Actor,
    organisation: OrganisationId,
    page: IdPage,
) -> Result<Vec<ServiceToken>, DbErr> {
    if !actor.may_in(organisation, Permission::MembersManage) {
        return Ok(Vec::new());
    }
    let mut query = Query::with(
        format!("SELECT {COLUMNS} FROM service_token WHERE organisation_id = $1"),
        [organisation.into()],
    );
    page.push(&mut query, "id");
    query.all(connection).await?.iter().map(read).collect()
}

/// What is needed to make a service token.
#[derive(Clone, Debug)]
pub struct ServiceTokenNew<'a> {
    /// In whose name it acts.
    pub organisation: OrganisationId,
    /// What it is for.
    pub name: &'a str,
    /// The role it has there.
    pub role: Role,
    /// What it is limited to.
    pub permissions: &'a [Permission],
    /// The hash of the secret.
    pub hash: SecretHash,
    /// Who made it.
    pub created_by: Option<UserId>,
    /// When it is over.
    pub expires_at: DateTime<Utc>,
}

/// Adds a service token.
pub async fn insert_token(
    connection: &impl ConnectionTrait,
    new: &ServiceTokenNew<'_>,
    now: DateTime<Utc>,
) -> Result<ServiceToken, DbErr> {
    let id = Query::with(
        "INSERT INTO service_token
             (organisation_id, name, role, permissions, token_hash, created_by, created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id",
        [
            new.organisation.into(),
            new.name.into(),
            new.role.code().into(),
            write_permissions(new.permissions).into(),
            new.hash.to_bytes().into(),
            new.created_by.into(),
            now.into(),
            new.expires_at.into(),
        ],
    )
    .scalar(connection)
    .await?;
    Ok(ServiceToken {
        id,
        organisation: new.organisation,
        name: new.name.to_owned(),
        role: new.role,
        permissions: new.permissions.to_vec(),
        created_at: now,
        expires_at: new.expires_at,
        revoked_at: None,
        last_used_at: None,
    })
}

/// Revokes a service token; a token that was revoked before keeps its date.
pub async fn revoke_token(
    connection: &impl ConnectionTrait,
    id: i64,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    Query::with(
        "UPDATE service_token SET revoked_at = $1 WHERE id = $2 AND revoked_at IS NULL",
        [now.into(), id.into()],
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Records when a token was used, unless another process recorded nearly the same.
pub async fn record_use(
    connection: &impl ConnectionTrait,
    id: i64,
    used_at: DateTime<Utc>,
    no_oftener_than: TimeDelta,
) -> Result<(), DbErr> {
    Query::with(
        "UPDATE service_token SET last_used_at = $1
         WHERE id = $2 AND (last_used_at IS NULL OR last_used_at <= $3)",
        [
            used_at.into(),
            id.into(),
            (used_at - no_oftener_than).into(),
        ],
    )
    .execute(connection)
    .await?;
    Ok(())
}
