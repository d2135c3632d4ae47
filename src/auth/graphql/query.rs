//! Queries over the accounts, and what `node` finds here.

use async_graphql::{Context, ID, Object};

use super::{
    answer::{Request, organisation_id},
    types::{Organisation, ServiceToken, User, Viewer},
};
use crate::{
    api::ApiResult,
    auth::Permission,
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
        organisation_by_id(context, organisation_id(&id)?).await
    }
}

/// An organisation within sight.
pub async fn organisation_by_id(
    context: &Context<'_>,
    id: OrganisationId,
) -> ApiResult<Option<Organisation>> {
    let request = Request::of(context)?;
    let found = request.auth.organisation(request.actor, id).await?;
    Ok(found.map(Organisation::from))
}

/// A user within sight.
pub async fn user_by_id(context: &Context<'_>, id: UserId) -> ApiResult<Option<User>> {
    let request = Request::of(context)?;
    let found = request.auth.user(request.actor, id).await?;
    Ok(found.map(User::from))
}

/// A service token that the caller manages.
pub async fn service_token_by_id(
    context: &Context<'_>,
    id: i64,
) -> ApiResult<Option<ServiceToken>> {
    let request = Request::of(context)?;
    let found = request.auth.service_token(request.actor, id).await?;
    Ok(found.map(ServiceToken::from))
}
