//! Service tokens for vendors' own systems.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use chrono::{DateTime, Utc};
use serde::Serialize;

use super::{
    answer::{Request, organisation_id, row_of, split},
    member::options,
    query::service_token_by_id,
    types::ServiceToken,
};
use crate::{
    api::{ApiResult, UserError, context::writer, node_id::NodeKind},
    auth::{
        Permission, Role,
        service::{NewServiceToken, ServiceTokenCreate, Written},
    },
};

/// A system is to act for an organisation.
#[derive(InputObject, Serialize)]
pub struct ServiceTokenCreateInput {
    /// Global id of the organisation, which you administer.
    organisation_id: ID,
    /// What the token is for.
    name: String,
    /// The role it has in the organisation.
    role: Role,
    /// What it is limited to: some of what the role may do there, but never MEMBERS_MANAGE, ACCOUNTS_HELP or
    /// ORGANISATION_WRITE, which need a person.
    permissions: Vec<Permission>,
    /// When it is over, at most 400 days from now.
    expires_at: DateTime<Utc>,
    /// Under which a repeated request has one effect. A repeated request doesn't show the secret again.
    idempotency_key: Option<String>,
    /// Check everything and answer the same but for the secret, and change nothing.
    #[graphql(default)]
    #[serde(skip)]
    dry_run: bool,
}

/// A service token, or why there is none.
#[derive(SimpleObject)]
pub struct ServiceTokenCreatePayload {
    /// The token; null if it was refused.
    service_token: Option<ServiceToken>,
    /// What the system sends as `Authorization: Bearer …`. Shown once; null on a dry run or for a
    /// repeated request.
    secret: Option<String>,
    /// Why it was refused; empty if it wasn't.
    user_errors: Vec<UserError>,
}

/// A system may come in no more.
#[derive(InputObject, Serialize)]
pub struct ServiceTokenRevokeInput {
    /// Global id of the service token.
    id: ID,
    /// Under which a repeated request has one effect.
    idempotency_key: Option<String>,
    /// Check everything and answer the same, but change nothing.
    #[graphql(default)]
    #[serde(skip)]
    dry_run: bool,
}

/// A service token that was revoked, or why it wasn't.
#[derive(SimpleObject)]
pub struct ServiceTokenRevokePayload {
    /// The token; null if it was refused.
    service_token: Option<ServiceToken>,
    /// Why it was refused; empty if it wasn't.
    user_errors: Vec<UserError>,
}

/// Mutations of service tokens.
#[derive(Default)]
pub struct ServiceTokenMutation;

#[Object]
impl ServiceTokenMutation {
    /// Makes a service token for an organisation that you administer.
    async fn service_token_create(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The token.")] input: ServiceTokenCreateInput,
    ) -> ApiResult<ServiceTokenCreatePayload> {
        let request = Request::of(context)?;
        let options = options(&input.idempotency_key, input.dry_run);
        let writer = writer(context, "serviceTokenCreate", &options, &input)?;
        let create = ServiceTokenCreate {
            organisation: organisation_id(&input.organisation_id),
            name: input.name,
            role: input.role,
            permissions: input.permissions,
            expires_at: input.expires_at,
        };
        let outcome = request.auth.create_service_token(&writer, &create).await;
        let (written, user_errors) = split(context, outcome)?;
        let (service_token, secret) = match written {
            Some(Written {
                fresh: Some(NewServiceToken { token, secret }),
                ..
            }) => (Some(token.into()), secret),
            Some(Written { key, fresh: None }) => (service_token_by_id(context, key).await?, None),
            None => (None, None),
        };
        Ok(ServiceTokenCreatePayload {
            service_token,
            secret,
            user_errors,
        })
    }

    /// Revokes a service token; it holds from the next request.
    async fn service_token_revoke(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Which token.")] input: ServiceTokenRevokeInput,
    ) -> ApiResult<ServiceTokenRevokePayload> {
        let request = Request::of(context)?;
        let options = options(&input.idempotency_key, input.dry_run);
        let writer = writer(context, "serviceTokenRevoke", &options, &input)?;
        let token = row_of(&input.id, NodeKind::ServiceToken);
        let outcome = request.auth.revoke_service_token(&writer, token).await;
        let (written, user_errors) = split(context, outcome)?;
        let service_token = match written {
            Some(Written {
                fresh: Some(token), ..
            }) => Some(token.into()),
            Some(Written { key, fresh: None }) => service_token_by_id(context, key).await?,
            None => None,
        };
        Ok(ServiceTokenRevokePayload {
            service_token,
            user_errors,
        })
    }
}
