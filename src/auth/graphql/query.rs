//! Queries over the accounts, and what `node` finds here.

use std::collections::HashMap;

use async_graphql::{Context, ID, Object};

use super::{
    answer::{Request, organisation_id},
    types::{Invitation, Organisation, ServiceToken, User, Viewer},
};
use crate::{
    api::ApiResult,
    auth::{OpenInvitation, Permission},
    db::{OrganisationId, UserId},
};

/// Queries over the accounts.
#[derive(Default)]
pub struct AuthQuery;

#[Object]
impl AuthQuery {
    /// Who is asking, and what they may do.
    async fn viewer(&self, context: &Context<'_>) -> ApiResult<Viewer> {
        let request = Request::of(context)?;
        let user = request.auth.own_account(request.actor).await?;
        let memberships = request.auth.own_memberships(request.actor).await?;
        let may = |permission: &Permission| request.actor.may(*permission);
        Ok(Viewer {
            user: user.map(User::from),
            memberships: memberships.into_iter().map(Into::into).collect(),
            permissions: Permission::ALL.into_iter().filter(may).collect(),
            language: request.actor.language,
        })
    }

    /// An organisation with its members: one of your own, or any if you read the directory. Null if
    /// there is none, or none that you can see.
    async fn organisation(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Global id of the organisation.")] id: ID,
    ) -> ApiResult<Option<Organisation>> {
        organisation_by_id(context, organisation_id(&id)).await
    }
}

/// An organisation within sight.
pub async fn organisation_by_id(
    context: &Context<'_>,
    id: OrganisationId,
) -> ApiResult<Option<Organisation>> {
    Ok(organisations_by_id(context, &[id.0]).await?.remove(&id.0))
}

/// A user within sight.
pub async fn user_by_id(context: &Context<'_>, id: UserId) -> ApiResult<Option<User>> {
    Ok(users_by_id(context, &[id.0]).await?.remove(&id.0))
}

/// A service token that the caller manages.
pub async fn service_token_by_id(
    context: &Context<'_>,
    id: i64,
) -> ApiResult<Option<ServiceToken>> {
    Ok(service_tokens_by_id(context, &[id]).await?.remove(&id))
}

/// Those of some organisations that are within sight, by their rows.
pub async fn organisations_by_id(
    context: &Context<'_>,
    ids: &[i64],
) -> ApiResult<HashMap<i64, Organisation>> {
    let request = Request::of(context)?;
    let ids: Vec<OrganisationId> = ids.iter().copied().map(OrganisationId).collect();
    let found = request.auth.organisations(request.actor, &ids).await?;
    Ok(found
        .into_iter()
        .map(|organisation| (organisation.id.0, organisation.into()))
        .collect())
}

/// Those of some users who are within sight, by their rows.
pub async fn users_by_id(context: &Context<'_>, ids: &[i64]) -> ApiResult<HashMap<i64, User>> {
    let request = Request::of(context)?;
    let ids: Vec<UserId> = ids.iter().copied().map(UserId).collect();
    let found = request.auth.users(request.actor, &ids).await?;
    Ok(found
        .into_iter()
        .map(|user| (user.id.0, user.into()))
        .collect())
}

/// Those of some open invitations that the caller may revoke, by their rows.
pub async fn invitations_by_id(
    context: &Context<'_>,
    ids: &[i64],
) -> ApiResult<HashMap<i64, Invitation>> {
    let request = Request::of(context)?;
    let found = request.auth.some_invitations(request.actor, ids).await?;
    let rows: Vec<i64> = found.iter().map(|invitation| invitation.id).collect();
    Ok(rows
        .into_iter()
        .zip(invitations(context, found).await?)
        .collect())
}

/// Invitations as they are shown, in their order: with their organisations and those who sent them, as far
/// as the caller sees these.
pub async fn invitations(
    context: &Context<'_>,
    found: Vec<OpenInvitation>,
) -> ApiResult<Vec<Invitation>> {
    let mut organisations: Vec<i64> = found.iter().map(|one| one.organisation.0).collect();
    organisations.sort_unstable();
    organisations.dedup();
    let mut users: Vec<i64> = found
        .iter()
        .filter_map(|one| one.invited_by.map(|user| user.0))
        .collect();
    users.sort_unstable();
    users.dedup();
    let (organisations, users) = if found.is_empty() {
        (HashMap::new(), HashMap::new())
    } else {
        (
            organisations_by_id(context, &organisations).await?,
            users_by_id(context, &users).await?,
        )
    };
    Ok(found
        .into_iter()
        .map(|one| {
            let organisation = organisations.get(&one.organisation.0).cloned();
            let inviter = one.invited_by.and_then(|user| users.get(&user.0)).cloned();
            Invitation::new(one, organisation, inviter)
        })
        .collect())
}

/// Those of some service tokens that the caller manages, by their rows.
pub async fn service_tokens_by_id(
    context: &Context<'_>,
    ids: &[i64],
) -> ApiResult<HashMap<i64, ServiceToken>> {
    let request = Request::of(context)?;
    let found = request.auth.some_service_tokens(request.actor, ids).await?;
    Ok(found
        .into_iter()
        .map(|token| (token.id, token.into()))
        .collect())
}
