//! Who belongs to which organisation, in what role.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr, QueryResult};

use super::{
    accounts::{
        Organisation, User, organisation_columns, push_own_organisations, read_organisation,
        read_user, sees_directory, user_columns,
    },
    role_of,
};
use crate::{
    auth::{Actor, OrganisationKind, Role},
    db::{Database, OrganisationId, Query, Row, UserId},
};

/// A user's place in an organisation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// The member.
    pub user: User,
    /// The organisation.
    pub organisation: Organisation,
    /// What the member may do in its name.
    pub role: Role,
    /// Since when.
    pub created_at: DateTime<Utc>,
}

/// A page of a list that is read in the order of ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdPage {
    /// Rows after this id only.
    pub after: Option<i64>,
    /// Rows before this id only.
    pub before: Option<i64>,
    /// At most this many rows.
    pub limit: u16,
    /// Take the last ones instead of the first.
    pub from_end: bool,
}

impl IdPage {
    /// Adds the page's conditions and its order to a query whose `WHERE` has begun.
    pub(super) fn push(&self, query: &mut Query, column: &str) {
        if let Some(after) = self.after {
            query.push(" AND ").push(column).push(" > ");
            query.bind(after);
        }
        if let Some(before) = self.before {
            query.push(" AND ").push(column).push(" < ");
            query.bind(before);
        }
        query.push(" ORDER BY ").push(column);
        query.push(if self.from_end { " DESC" } else { "" });
        query.push(" LIMIT ");
        query.bind(i64::from(self.limit));
    }
}

fn select() -> String {
    format!(
        "SELECT {}, {}, m.role, m.created_at FROM membership m
         JOIN user_account u ON u.id = m.user_id
         JOIN organisation o ON o.id = m.organisation_id",
        user_columns(),
        organisation_columns()
    )
}

fn read(row: &QueryResult) -> Result<Membership, DbErr> {
    let mut row = Row::new(row);
    Ok(Membership {
        user: read_user(&mut row)?,
        organisation: read_organisation(&mut row)?,
        role: role_of(row.take()?)?,
        created_at: row.take()?,
    })
}

/// The memberships of a user, for that user.
pub async fn memberships_of(
    connection: &impl ConnectionTrait,
    user: UserId,
) -> Result<Vec<Membership>, DbErr> {
    let mut query = Query::new(select());
    query.push(" WHERE m.user_id = ");
    query.bind(user);
    query.push(" ORDER BY m.organisation_id");
    query.all(connection).await?.iter().map(read).collect()
}

/// A membership that the actor may see.
pub async fn membership_visible_to(
    connection: &impl ConnectionTrait,
    actor: &Actor,
    organisation: OrganisationId,
    user: UserId,
) -> Result<Option<Membership>, DbErr> {
    let mut query = Query::new(select());
    query.push(" WHERE m.organisation_id = ");
    query.bind(organisation);
    query.push(" AND m.user_id = ");
    query.bind(user);
    restrict(&mut query, actor);
    query.one(connection).await?.as_ref().map(read).transpose()
}

/// A page of an organisation's members, as far as the actor may see them.
pub async fn members_visible_to(
    connection: &impl ConnectionTrait,
    actor: &Actor,
    organisation: OrganisationId,
    page: IdPage,
) -> Result<Vec<Membership>, DbErr> {
    let mut query = Query::new(select());
    query.push(" WHERE m.organisation_id = ");
    query.bind(organisation);
    restrict(&mut query, actor);
    page.push(&mut query, "m.user_id");
    query.all(connection).await?.iter().map(read).collect()
}

fn restrict(query: &mut Query, actor: &Actor) {
    if !sees_directory(actor) {
        query.push(" AND ");
        push_own_organisations(query, actor, "m.organisation_id");
    }
}

/// The kinds of the organisations that a user belongs to, with their ids, for those who must know how
/// much an account opens.
pub async fn kinds_of_user(
    connection: &impl ConnectionTrait,
    user: UserId,
) -> Result<Vec<(OrganisationId, OrganisationKind)>, DbErr> {
    Query::with(
        "SELECT o.id, o.kind FROM membership m JOIN organisation o ON o.id = m.organisation_id
         WHERE m.user_id = $1",
        [user.into()],
    )
    .all(connection)
    .await?
    .iter()
    .map(|row| {
        let mut row = Row::new(row);
        Ok((row.take()?, super::kind_of(row.take()?)?))
    })
    .collect()
}

/// Is the user a member?
pub async fn is_member(
    connection: &impl ConnectionTrait,
    organisation: OrganisationId,
    user: UserId,
) -> Result<bool, DbErr> {
    Query::with(
        "SELECT 1 FROM membership WHERE user_id = $1 AND organisation_id = $2",
        [user.into(), organisation.into()],
    )
    .one(connection)
    .await
    .map(|row| row.is_some())
}

/// Is the owner of this address a member?
pub async fn is_member_by_email(
    connection: &impl ConnectionTrait,
    organisation: OrganisationId,
    email: &str,
) -> Result<bool, DbErr> {
    Query::with(
        "SELECT 1 FROM membership m JOIN user_account u ON u.id = m.user_id
         WHERE m.organisation_id = $1 AND u.email = $2",
        [organisation.into(), email.into()],
    )
    .one(connection)
    .await
    .map(|row| row.is_some())
}

/// Holds an organisation's members still until the transaction ends: whoever would remove the last
/// administrator must wait for another who is about to.
pub async fn lock_members(
    db: &Database,
    connection: &impl ConnectionTrait,
    organisation: OrganisationId,
) -> Result<(), DbErr> {
    Query::with(
        format!(
            "SELECT id FROM organisation WHERE id = $1{}",
            db.for_update()
        ),
        [organisation.into()],
    )
    .one(connection)
    .await?;
    Ok(())
}

/// Administrators who can come in, other than this user.
pub async fn other_admins(
    connection: &impl ConnectionTrait,
    organisation: OrganisationId,
    user: Option<UserId>,
) -> Result<i64, DbErr> {
    Query::with(
        "SELECT COUNT(*) FROM membership m JOIN user_account u ON u.id = m.user_id
         WHERE m.organisation_id = $1 AND m.role = $2 AND u.disabled_at IS NULL AND m.user_id <> $3",
        [
            organisation.into(),
            Role::Admin.code().into(),
            user.unwrap_or(UserId(0)).into(),
        ],
    )
    .scalar(connection)
    .await
}

/// Adds a membership.
pub async fn insert_membership(
    connection: &impl ConnectionTrait,
    organisation: OrganisationId,
    user: UserId,
    role: Role,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    Query::with(
        "INSERT INTO membership (user_id, organisation_id, role, created_at)
         VALUES ($1, $2, $3, $4)",
        [
            user.into(),
            organisation.into(),
            role.code().into(),
            now.into(),
        ],
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Sets a member's role.
pub async fn set_role(
    connection: &impl ConnectionTrait,
    organisation: OrganisationId,
    user: UserId,
    role: Role,
) -> Result<(), DbErr> {
    Query::with(
        "UPDATE membership SET role = $1 WHERE user_id = $2 AND organisation_id = $3",
        [role.code().into(), user.into(), organisation.into()],
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Ends a membership.
pub async fn delete_membership(
    connection: &impl ConnectionTrait,
    organisation: OrganisationId,
    user: UserId,
) -> Result<(), DbErr> {
    Query::with(
        "DELETE FROM membership WHERE user_id = $1 AND organisation_id = $2",
        [user.into(), organisation.into()],
    )
    .execute(connection)
    .await?;
    Ok(())
}
