//! The gate of the API: who is asking, by the accounts, and what they may call, by the policy.

use std::sync::Arc;

use async_graphql::{Request, parser::types::OperationType};
use futures_util::future::BoxFuture;

use super::Services;
use crate::{
    api::{
        Caller,
        policy::{self, Denial},
    },
    auth::{
        Actor, ActorRefresh, AuthService, Authenticated, Language, Origin, service::AuthFailure,
    },
    db::DbErr,
    http::{ActorGate, Credentials, Gate, Refusal},
};

/// Lets callers in by their tokens.
pub struct AccountGate {
    auth: Arc<AuthService>,
    services: Services,
}

/// Someone who was let in.
#[derive(Clone)]
pub struct Guest {
    authenticated: Authenticated,
    origin: Origin,
    request_id: String,
    token: Option<Arc<str>>,
}

/// Asks the accounts again who the bearer of a token is, for what lasts longer than a request.
struct Again {
    auth: Arc<AuthService>,
    token: Option<Arc<str>>,
    language: Language,
}

impl ActorRefresh for Again {
    fn refresh(&self) -> BoxFuture<'_, Result<Option<Actor>, DbErr>> {
        Box::pin(async {
            let again = self
                .auth
                .authenticate(self.token.as_deref(), Some(self.language));
            match again.await {
                Ok(authenticated) => Ok(Some(authenticated.actor)),
                Err(AuthFailure::Expired | AuthFailure::Invalid) => Ok(None),
                Err(AuthFailure::Fault(fault)) => Err(fault.into()),
            }
        })
    }
}

impl AccountGate {
    /// A gate by these accounts.
    pub fn new(auth: Arc<AuthService>, services: Services) -> Self {
        Self { auth, services }
    }
}

impl Gate for AccountGate {
    type Caller = Guest;

    async fn admit(&self, credentials: Credentials<'_>) -> Result<Guest, Refusal> {
        let language = credentials.language.and_then(preferred_language);
        let authenticated = self
            .auth
            .authenticate(credentials.bearer, language)
            .await
            .map_err(refusal)?;
        Ok(Guest {
            origin: Origin {
                address: Some(credentials.address),
                session: authenticated.session,
                request_id: Some(credentials.request_id.to_owned()),
            },
            authenticated,
            request_id: credentials.request_id.to_owned(),
            token: credentials.bearer.map(Arc::from),
        })
    }

    fn allow(
        &self,
        guest: &Guest,
        operation: OperationType,
        root_fields: &[String],
    ) -> Result<(), Refusal> {
        policy::check(&guest.authenticated.actor, operation, root_fields).map_err(|denial| {
            match denial {
                Denial::Unauthenticated => Refusal::unauthenticated("log in first"),
                Denial::Forbidden => Refusal::forbidden("you may not do this"),
            }
        })
    }

    fn prepare(&self, guest: &Guest, request: Request) -> Request {
        let again: Arc<dyn ActorRefresh> = Arc::new(Again {
            auth: Arc::clone(&self.auth),
            token: guest.token.clone(),
            language: guest.authenticated.actor.language,
        });
        request
            .data(again)
            .data(Caller {
                actor: guest.authenticated.actor.clone(),
                request_id: guest.request_id.clone(),
            })
            .data(guest.origin.clone())
    }

    fn expires_at(&self, guest: &Guest) -> Option<i64> {
        guest.authenticated.expires_at.map(|at| at.timestamp())
    }

    fn now(&self) -> i64 {
        self.services.clock.now().timestamp()
    }
}

impl ActorGate for AccountGate {
    fn actor<'c>(&self, guest: &'c Guest) -> &'c Actor {
        &guest.authenticated.actor
    }
}

fn refusal(failure: AuthFailure) -> Refusal {
    match failure {
        AuthFailure::Expired | AuthFailure::Invalid => Refusal {
            code: failure.code(),
            ..Refusal::unauthenticated(failure.to_string())
        },
        AuthFailure::Fault(fault) => {
            tracing::error!(error = %fault, "a token could not be checked");
            Refusal {
                code: "UNAVAILABLE",
                message: "try again".into(),
                status: actix_web::http::StatusCode::SERVICE_UNAVAILABLE,
            }
        }
    }
}

/// The first of our languages in an `Accept-Language`, by its weights.
fn preferred_language(header: &str) -> Option<Language> {
    let mut wanted: Vec<(f32, Language)> = header
        .split(',')
        .take(20)
        .filter_map(|part| {
            let mut pieces = part.trim().split(';');
            let tag = pieces.next()?.trim().to_ascii_lowercase();
            let weight = pieces
                .find_map(|piece| piece.trim().strip_prefix("q=")?.parse::<f32>().ok())
                .unwrap_or(1.0);
            let language = match tag.split('-').next()? {
                "ja" => Language::Ja,
                "en" => Language::En,
                _ => return None,
            };
            (weight > 0.0).then_some((weight, language))
        })
        .collect();
    wanted.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    wanted.first().map(|(_, language)| *language)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_heaviest_language_of_ours_is_preferred() {
        for (header, language) in [
            ("en", Some(Language::En)),
            ("fr, ja;q=0.3, en;q=0.5", Some(Language::En)),
            ("ja-JP,ja;q=0.9,en;q=0.8", Some(Language::Ja)),
            ("en;q=0, ja;q=0.1", Some(Language::Ja)),
            ("fr", None),
            ("", None),
            (";;;q=,", None),
        ] {
            assert_eq!(preferred_language(header), language, "{header}");
        }
    }
}
