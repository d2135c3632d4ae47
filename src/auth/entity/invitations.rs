//! Open invitations, as those see them who may revoke them: the administrators of the organisation, and who
//! sent them.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr, QueryResult};

use super::{members::IdPage, role_of, secrets::Purpose};
use crate::{
    auth::{Actor, Permission, Role},
    db::{Database, OrganisationId, Query, Row, UserId},
};

/// An invitation that nobody has accepted yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenInvitation {
    /// Its row.
    pub id: i64,
    /// The organisation to join.
    pub organisation: OrganisationId,
    /// The address that the mail went to.
    pub email: String,
    /// The role in the organisation.
    pub role: Role,
    /// Who sent it.
    pub invited_by: Option<UserId>,
    /// When it is over.
    pub expires_at: DateTime<Utc>,
}

fn read(row: &QueryResult) -> Result<OpenInvitation, DbErr> {
    let mut row = Row::new(row);
    Ok(OpenInvitation {
        id: row.take()?,
        organisation: row.take()?,
        email: row.take()?,
        role: role_of(row.take()?)?,
        invited_by: row.take()?,
        expires_at: row.take()?,
    })
}

/// The open invitations, up to a condition that is still to come.
fn select(now: DateTime<Utc>) -> Query {
    Query::with(
        "SELECT id, organisation_id, email, role, created_by, expires_at FROM one_time_secret
         WHERE purpose = $1 AND used_at IS NULL AND expires_at > $2",
        [Purpose::Invitation.code().into(), now.into()],
    )
}

/// A page of an organisation's open invitations; none if the actor doesn't manage its members.
pub async fn invitations_managed_by(
    connection: &impl ConnectionTrait,
    actor: &Actor,
    organisation: OrganisationId,
    page: IdPage,
    now: DateTime<Utc>,
) -> Result<Vec<OpenInvitation>, DbErr> {
    if !actor.may_in(organisation, Permission::MembersManage) {
        return Ok(Vec::new());
    }
    let mut query = select(now);
    query.push(" AND organisation_id = ");
    query.bind(organisation);
    page.push(&mut query, "id");
    query.all(connection).await?.iter().map(read).collect()
}

/// Those of some open invitations that the actor may revoke, in no order. Whoever sent one may, too: the
/// first administrator of an organisation is invited from outside.
pub async fn some_invitations_managed_by(
    database: &Database,
    connection: &impl ConnectionTrait,
    actor: &Actor,
    ids: &[i64],
    now: DateTime<Utc>,
) -> Result<Vec<OpenInvitation>, DbErr> {
    let mut query = select(now);
    query.push(" AND id");
    query.bind_ids(database.backend(), ids.iter().copied());
    let rows = query.all(connection).await?;
    let invitations: Vec<OpenInvitation> = rows.iter().map(read).collect::<Result<_, _>>()?;
    Ok(invitations
        .into_iter()
        .filter(|invitation| {
            let is_own = invitation.invited_by.is_some() && invitation.invited_by == actor.user();
            is_own || actor.may_in(invitation.organisation, Permission::MembersManage)
        })
        .collect())
}
