//! One-time secrets: invitations, password links, codes issued by staff and facilities' letters.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr, QueryResult, Value};

use super::role_of;
use crate::{
    auth::{Role, secret::SecretHash},
    db::{
        Column, Database, FacilityId, OrganisationId, Query, Row, Table, UserId, Values,
        delete_in_batches,
    },
};

/// What a one-time secret is good for. Codes are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Joins an organisation.
    Invitation,
    /// Sets a password, by a link that was mailed.
    PasswordLink,
    /// Sets a password, by a code from staff who checked the identity.
    AccountCode,
    /// Claims a facility's account, by its letter.
    FacilityClaim,
}

impl Purpose {
    /// The code kept in the database.
    pub fn code(self) -> i16 {
        match self {
            Self::Invitation => 0,
            Self::PasswordLink => 1,
            Self::AccountCode => 2,
            Self::FacilityClaim => 3,
        }
    }
}

/// A one-time secret as it is stored.
#[derive(Clone)]
pub struct OneTimeSecret {
    /// Its row.
    pub id: i64,
    /// The hash of the secret.
    pub hash: Vec<u8>,
    /// Whose password it sets.
    pub user: Option<UserId>,
    /// What it joins.
    pub organisation: Option<OrganisationId>,
    /// The facility it claims.
    pub facility: Option<FacilityId>,
    /// The address it was sent to.
    pub email: Option<String>,
    /// The role it gives.
    pub role: Option<Role>,
    /// Wrong guesses so far.
    pub failures: i32,
}

/// What is needed to make a one-time secret.
#[derive(Clone, Copy)]
pub struct SecretNew<'a> {
    /// What it is good for.
    pub purpose: Purpose,
    /// The hash of the secret.
    pub hash: SecretHash,
    /// Whose password it sets; none also for a link that nobody will get.
    pub user: Option<UserId>,
    /// What it joins.
    pub organisation: Option<OrganisationId>,
    /// The facility it claims.
    pub facility: Option<FacilityId>,
    /// The address it is sent to.
    pub email: Option<&'a str>,
    /// The role it gives.
    pub role: Option<Role>,
    /// Who asked for it.
    pub created_by: Option<UserId>,
    /// When it is over.
    pub expires_at: DateTime<Utc>,
}

impl SecretNew<'_> {
    /// A secret that names nothing yet.
    pub fn new(purpose: Purpose, hash: SecretHash, expires_at: DateTime<Utc>) -> Self {
        Self {
            purpose,
            hash,
            user: None,
            organisation: None,
            facility: None,
            email: None,
            role: None,
            created_by: None,
            expires_at,
        }
    }
}

const COLUMNS: &str =
    "id, secret_hash, user_id, organisation_id, facility_id, email, role, failures";

fn read(row: &QueryResult) -> Result<OneTimeSecret, DbErr> {
    let mut row = Row::new(row);
    Ok(OneTimeSecret {
        id: row.take()?,
        hash: row.take()?,
        user: row.take()?,
        organisation: row.take()?,
        facility: row.take()?,
        email: row.take()?,
        role: row.take::<Option<i16>>()?.map(role_of).transpose()?,
        failures: row.take()?,
    })
}

const ONE_TIME_SECRET: Table = Table {
    name: "one_time_secret",
    columns: &[
        ("purpose", Column::Code),
        ("secret_hash", Column::Bytes),
        ("user_id", Column::Big),
        ("organisation_id", Column::Big),
        ("facility_id", Column::Big),
        ("email", Column::Text),
        ("role", Column::Code),
        ("created_by", Column::Big),
        ("created_at", Column::Instant),
        ("expires_at", Column::Instant),
        ("failures", Column::Int),
    ],
};

/// Adds secrets.
pub async fn insert_secrets(
    connection: &impl ConnectionTrait,
    new: &[SecretNew<'_>],
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    let rows = new.iter().map(|new| write(new, now)).collect();
    ONE_TIME_SECRET.insert(connection, rows).await
}

/// Adds one secret and answers its row.
pub async fn insert_secret(
    connection: &impl ConnectionTrait,
    new: &SecretNew<'_>,
    now: DateTime<Utc>,
) -> Result<i64, DbErr> {
    let rows = vec![write(new, now)];
    ONE_TIME_SECRET
        .insert_returning(connection, "id", rows)
        .await?
        .pop()
        .ok_or_else(|| DbErr::RecordNotFound("a secret that was added".to_owned()))
}

fn write(new: &SecretNew<'_>, now: DateTime<Utc>) -> Values {
    vec![
        new.purpose.code().into(),
        new.hash.to_bytes().into(),
        new.user.into(),
        new.organisation.into(),
        new.facility.into(),
        new.email.into(),
        new.role.map(Role::code).into(),
        new.created_by.into(),
        now.into(),
        new.expires_at.into(),
        0_i32.into(),
    ]
}

/// An unused secret by what its bearer shows.
pub async fn live_secret_by_hash(
    connection: &impl ConnectionTrait,
    purpose: Purpose,
    hash: SecretHash,
    now: DateTime<Utc>,
) -> Result<Option<OneTimeSecret>, DbErr> {
    Query::with(
        format!(
            "SELECT {COLUMNS} FROM one_time_secret
             WHERE secret_hash = $1 AND purpose = $2 AND used_at IS NULL AND expires_at > $3"
        ),
        [hash.to_bytes().into(), purpose.code().into(), now.into()],
    )
    .one(connection)
    .await?
    .as_ref()
    .map(read)
    .transpose()
}

/// Whom a code or a letter was made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// A code issued by staff.
    User(UserId),
    /// A facility's letter.
    Facility(FacilityId),
}

/// The newest code or letter of its holder, locked until the transaction ends so that guesses queue up.
/// An older one has been replaced by it.
pub async fn lock_newest_secret(
    db: &Database,
    connection: &impl ConnectionTrait,
    holder: Holder,
    now: DateTime<Utc>,
) -> Result<Option<OneTimeSecret>, DbErr> {
    let (purpose, column, id) = match holder {
        Holder::User(user) => (Purpose::AccountCode, "user_id", Value::from(user)),
        Holder::Facility(facility) => {
            (Purpose::FacilityClaim, "facility_id", Value::from(facility))
        }
    };
    let newest = Query::with(
        format!(
            "SELECT {COLUMNS}, used_at, expires_at FROM one_time_secret
             WHERE {column} = $1 AND purpose = $2 ORDER BY id DESC LIMIT 1{}",
            db.for_update()
        ),
        [id, purpose.code().into()],
    )
    .one(connection)
    .await?;
    let Some(newest) = newest else {
        return Ok(None);
    };
    let mut dates = Row::new(&newest);
    dates.skip(COLUMNS.split(',').count());
    let used_at: Option<DateTime<Utc>> = dates.take()?;
    let expires_at: DateTime<Utc> = dates.take()?;
    if used_at.is_some() || expires_at <= now {
        return Ok(None);
    }
    read(&newest).map(Some)
}

/// Counts a wrong guess.
pub async fn count_failure(connection: &impl ConnectionTrait, id: i64) -> Result<(), DbErr> {
    Query::with(
        "UPDATE one_time_secret SET failures = failures + 1 WHERE id = $1",
        [id.into()],
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Uses a secret up. Of two who try at once, one succeeds.
pub async fn use_secret(
    connection: &impl ConnectionTrait,
    id: i64,
    now: DateTime<Utc>,
) -> Result<bool, DbErr> {
    Query::with(
        "UPDATE one_time_secret SET used_at = $1
         WHERE id = $2 AND used_at IS NULL AND expires_at > $1",
        [now.into(), id.into()],
    )
    .execute(connection)
    .await
    .map(|done| done.rows_affected() == 1)
}

/// Ends the links and codes that would set this user's password.
pub async fn expire_password_secrets(
    connection: &impl ConnectionTrait,
    user: UserId,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    Query::with(
        "UPDATE one_time_secret SET expires_at = $1
         WHERE user_id = $2 AND purpose IN ($3, $4) AND used_at IS NULL AND expires_at > $1",
        [
            now.into(),
            user.into(),
            Purpose::PasswordLink.code().into(),
            Purpose::AccountCode.code().into(),
        ],
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Ends the open invitations of an address to an organisation: a new one replaces them, or the person is
/// no longer wanted there.
pub async fn expire_invitations(
    connection: &impl ConnectionTrait,
    organisation: OrganisationId,
    email: &str,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    Query::with(
        "UPDATE one_time_secret SET expires_at = $1
         WHERE email = $2 AND organisation_id = $3 AND purpose = $4
           AND used_at IS NULL AND expires_at > $1",
        [
            now.into(),
            email.into(),
            organisation.into(),
            Purpose::Invitation.code().into(),
        ],
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Ends the open invitations to an organisation, and to its parts, that a user sent, who no longer administers it.
pub async fn expire_invitations_by(
    connection: &impl ConnectionTrait,
    organisation: OrganisationId,
    inviter: UserId,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    Query::with(
        "UPDATE one_time_secret SET expires_at = $1
         WHERE organisation_id IN (SELECT id FROM organisation WHERE id = $2 OR parent_id = $2)
           AND created_by = $3 AND purpose = $4
           AND used_at IS NULL AND expires_at > $1",
        [
            now.into(),
            organisation.into(),
            inviter.into(),
            Purpose::Invitation.code().into(),
        ],
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Ends every open secret that a user made: invitations, codes and letters.
pub async fn expire_secrets_by(
    connection: &impl ConnectionTrait,
    maker: UserId,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    Query::with(
        "UPDATE one_time_secret SET expires_at = $1
         WHERE created_by = $2 AND used_at IS NULL AND expires_at > $1",
        [now.into(), maker.into()],
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Ends a secret before its time.
pub async fn expire_secret(
    connection: &impl ConnectionTrait,
    id: i64,
    now: DateTime<Utc>,
) -> Result<bool, DbErr> {
    Query::with(
        "UPDATE one_time_secret SET expires_at = $1
         WHERE id = $2 AND used_at IS NULL AND expires_at > $1",
        [now.into(), id.into()],
    )
    .execute(connection)
    .await
    .map(|done| done.rows_affected() == 1)
}

/// Deletes the secrets that were used or ended before an instant. A letter that replaced another one stays until that
/// one has ended, too: a facility's newest is the one that counts, and what it replaced must not become it.
pub async fn delete_over(
    connection: &impl ConnectionTrait,
    before: DateTime<Utc>,
) -> Result<u64, DbErr> {
    delete_in_batches(
        connection,
        "DELETE FROM one_time_secret WHERE id IN
             (SELECT past.id FROM one_time_secret past
              WHERE (past.expires_at < $1 OR past.used_at < $1) AND NOT EXISTS
                  (SELECT 1 FROM one_time_secret older
                   WHERE older.facility_id = past.facility_id AND older.purpose = past.purpose
                     AND older.id < past.id AND older.used_at IS NULL AND older.expires_at >= $1)
              LIMIT $2)",
        before,
    )
    .await
}
