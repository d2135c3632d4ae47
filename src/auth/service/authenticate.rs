//! From a bearer token to an [`Actor`]: the path of every request. A signature is verified once and
//! remembered; the user, the login and the memberships are read each time, in one statement with those who
//! come at the same moment.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::DbErr;

use super::{AuthService, Fault};
use crate::{
    auth::{
        Actor, Identity, Language,
        entity::{callers, tokens},
        secret::{SERVICE_TOKEN_PREFIX, SecretHash},
        token::TokenError,
    },
    db::SessionId,
};

/// The use of a service token is recorded no oftener than this.
const USE_RECORDED_EVERY: TimeDelta = TimeDelta::minutes(1);
/// Longest service token that is looked at.
const MOST_SERVICE_TOKEN_BYTES: usize = 128;

/// Who is asking, and until when that holds.
#[derive(Clone, Debug)]
pub struct Authenticated {
    /// Who is asking.
    pub actor: Actor,
    /// When the token is over; none without a token.
    pub expires_at: Option<DateTime<Utc>>,
    /// The login of an access token.
    pub session: Option<SessionId>,
}

/// Why a token opens nothing.
#[derive(Debug, thiserror::Error)]
pub enum AuthFailure {
    /// It was good once: refresh it.
    #[error("the token has expired")]
    Expired,
    /// It is none of ours, or its user, login or token was ended.
    #[error("the token is not valid")]
    Invalid,
    /// We could not tell.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl AuthFailure {
    /// The code in an error's extensions.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Expired => "TOKEN_EXPIRED",
            Self::Invalid => "UNAUTHENTICATED",
            Self::Fault(_) => "INTERNAL",
        }
    }
}

impl From<TokenError> for AuthFailure {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::Expired => Self::Expired,
            TokenError::Invalid => Self::Invalid,
            TokenError::Keys(error) => Self::Fault(Fault::Keys(error)),
        }
    }
}

impl From<DbErr> for AuthFailure {
    fn from(error: DbErr) -> Self {
        Self::Fault(Fault::Database(error))
    }
}

impl AuthService {
    /// Who the bearer of this token is; anonymous without one. `language` is what the request asks for;
    /// without it people get the language they chose.
    pub async fn authenticate(
        &self,
        bearer: Option<&str>,
        language: Option<Language>,
    ) -> Result<Authenticated, AuthFailure> {
        match bearer {
            None => Ok(Authenticated {
                actor: Actor::anonymous(language.unwrap_or_default()),
                expires_at: None,
                session: None,
            }),
            Some(token) if token.starts_with(SERVICE_TOKEN_PREFIX) => {
                self.authenticate_system(token, language).await
            }
            Some(token) => self.authenticate_user(token, language).await,
        }
    }

    async fn authenticate_user(
        &self,
        token: &str,
        language: Option<Language>,
    ) -> Result<Authenticated, AuthFailure> {
        let token = self.tokens.verify(token).await?;
        let caller = self
            .callers
            .ask(token.session)
            .await?
            .filter(|caller| caller.user == token.user)
            .ok_or(AuthFailure::Invalid)?;
        Ok(Authenticated {
            actor: Actor {
                identity: Identity::User(token.user),
                grants: caller.grants,
                token_permissions: None,
                language: language.unwrap_or(caller.language),
            },
            expires_at: Some(token.expires_at),
            session: Some(token.session),
        })
    }

    async fn authenticate_system(
        &self,
        token: &str,
        language: Option<Language>,
    ) -> Result<Authenticated, AuthFailure> {
        if token.len() > MOST_SERVICE_TOKEN_BYTES {
            return Err(AuthFailure::Invalid);
        }
        let now = self.clock.now();
        let caller = callers::calling_token(self.db.read(), SecretHash::of(token), now)
            .await?
            .ok_or(AuthFailure::Invalid)?;
        self.uses.note(caller.id, caller.last_used_at, now);
        Ok(Authenticated {
            actor: Actor {
                identity: Identity::ServiceToken(caller.id),
                grants: vec![caller.grant],
                token_permissions: Some(caller.permissions),
                language: language.unwrap_or_default(),
            },
            expires_at: Some(caller.expires_at),
            session: None,
        })
    }

    /// Writes when service tokens were last used. A background step calls it twice a minute, and the
    /// graceful stop once more; requests never wait for it.
    pub async fn record_token_uses(&self) -> Result<usize, DbErr> {
        let uses = self.uses.take();
        for (token, used_at) in &uses {
            tokens::record_use(self.db.write(), *token, *used_at, USE_RECORDED_EVERY).await?;
        }
        Ok(uses.len())
    }
}

/// Uses of service tokens that are not written yet: one for each token, so it never grows beyond their
/// number.
#[derive(Debug, Default)]
pub(super) struct TokenUses(Mutex<HashMap<i64, DateTime<Utc>>>);

impl TokenUses {
    fn note(&self, token: i64, recorded_at: Option<DateTime<Utc>>, now: DateTime<Utc>) {
        if recorded_at.is_some_and(|recorded_at| now - recorded_at < USE_RECORDED_EVERY) {
            return;
        }
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(token, now);
    }

    fn take(&self) -> HashMap<i64, DateTime<Utc>> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
