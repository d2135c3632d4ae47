//! Logging in and out.

use async_graphql::{Context, InputObject, Object, SimpleObject};
use chrono::{DateTime, Utc};

use super::{
    answer::{Request, split},
    types::User,
};
use crate::{
    api::{ApiResult, UserError},
    auth::service::{LogIn, SessionTokens},
};

/// A login.
#[derive(Clone, SimpleObject)]
pub struct Session {
    /// Goes with each request, as `Authorization: Bearer …`.
    access_token: String,
    /// When the access token is over.
    access_token_expires_at: DateTime<Utc>,
    /// Gives the next pair of tokens, once. Used a second time, it ends the login.
    refresh_token: String,
    /// When the refresh token is over.
    refresh_token_expires_at: DateTime<Utc>,
    /// Whose login it is.
    user: Option<User>,
}

/// The login that these tokens are of.
pub(super) async fn session(request: &Request<'_>, tokens: SessionTokens) -> ApiResult<Session> {
    let user = request.auth.session_user(&tokens).await?;
    Ok(Session {
        access_token: tokens.access_token,
        access_token_expires_at: tokens.access_expires_at,
        refresh_token: tokens.refresh_token,
        refresh_token_expires_at: tokens.refresh_expires_at,
        user: user.map(User::from),
    })
}

async fn payload(
    request: &Request<'_>,
    tokens: Option<SessionTokens>,
    user_errors: Vec<UserError>,
) -> ApiResult<SessionPayload> {
    let session = match tokens {
        Some(tokens) => Some(session(request, tokens).await?),
        None => None,
    };
    Ok(SessionPayload {
        session,
        user_errors,
    })
}

/// Who wants to come in.
#[derive(InputObject)]
pub struct SessionCreateInput {
    /// The address of the account.
    email: String,
    /// Its password.
    #[graphql(secret)]
    password: String,
}

/// A login is kept going.
#[derive(InputObject)]
pub struct SessionRefreshInput {
    /// The refresh token of the login.
    #[graphql(secret)]
    refresh_token: String,
}

/// A login ends.
#[derive(InputObject)]
pub struct SessionDeleteInput {
    /// The refresh token of the login to end; without it, the login of this request's access token.
    #[graphql(secret)]
    refresh_token: Option<String>,
    /// End every login of the account, on all devices. Needs an access token.
    #[graphql(default)]
    everywhere: bool,
}

/// A login, or why there is none.
#[derive(SimpleObject)]
pub struct SessionPayload {
    /// The login; null if it was refused.
    session: Option<Session>,
    /// Why it was refused; empty if it wasn't.
    user_errors: Vec<UserError>,
}

/// The end of a login.
#[derive(SimpleObject)]
pub struct SessionDeletePayload {
    /// Why nothing ended; empty if it did.
    user_errors: Vec<UserError>,
}

/// Mutations of logins.
#[derive(Default)]
pub struct SessionMutation;

#[Object]
impl SessionMutation {
    /// Logs in by address and password.
    async fn session_create(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Who wants to come in.")] input: SessionCreateInput,
    ) -> ApiResult<SessionPayload> {
        let request = Request::of(context)?;
        let credentials = LogIn {
            email: input.email,
            password: input.password,
        };
        let outcome = request
            .auth
            .log_in(request.actor, &request.origin, &credentials)
            .await;
        let (tokens, user_errors) = split(context, outcome)?;
        payload(&request, tokens, user_errors).await
    }

    /// Keeps a login going: takes its refresh token and gives the next pair of tokens.
    async fn session_refresh(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Which login.")] input: SessionRefreshInput,
    ) -> ApiResult<SessionPayload> {
        let request = Request::of(context)?;
        let outcome = request
            .auth
            .refresh(request.actor, &request.origin, &input.refresh_token)
            .await;
        let (tokens, user_errors) = split(context, outcome)?;
        payload(&request, tokens, user_errors).await
    }

    /// Logs out, here or everywhere.
    async fn session_delete(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Which login.")] input: SessionDeleteInput,
    ) -> ApiResult<SessionDeletePayload> {
        let request = Request::of(context)?;
        let outcome = match input.refresh_token.filter(|_| !input.everywhere) {
            Some(token) => {
                let auth = request.auth;
                auth.log_out(request.actor, &request.origin, &token).await
            }
            None => {
                request
                    .auth
                    .log_out_current(request.actor, &request.origin, input.everywhere)
                    .await
            }
        };
        let (_, user_errors) = split(context, outcome)?;
        Ok(SessionDeletePayload { user_errors })
    }
}
