//! The seam between the transport and the people who use it: who is asking, and may they. The transport calls it in
//! the same way for HTTP and for sockets, so that no door is left unguarded.

use std::{borrow::Cow, net::IpAddr};

use actix_web::http::StatusCode;
use async_graphql::{ErrorExtensionValues, ServerError, parser::types::OperationType};

/// What a request shows about its sender.
#[derive(Debug, Clone, Copy)]
pub struct Credentials<'r> {
    /// The token of `Authorization: Bearer …`, or of a socket's `connection_init`.
    pub bearer: Option<&'r str>,
    /// Where the request comes from, past the proxies that we trust.
    pub address: IpAddr,
    /// `Accept-Language`, as sent.
    pub language: Option<&'r str>,
    /// The id under which the request is logged.
    pub request_id: &'r str,
}

/// A caller is not let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The public code, for `extensions.code`.
    pub code: &'static str,
    /// What a person reads.
    pub message: Cow<'static, str>,
    /// The HTTP status; 401 is sent with `WWW-Authenticate`.
    pub status: StatusCode,
}

impl Refusal {
    /// The token is missing, expired or not ours: 401.
    #[must_use]
    pub fn unauthenticated(message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code: "UNAUTHENTICATED",
            message: message.into(),
            status: StatusCode::UNAUTHORIZED,
        }
    }

    /// The caller is known and may not do this: 403.
    #[must_use]
    pub fn forbidden(message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code: "FORBIDDEN",
            message: message.into(),
            status: StatusCode::FORBIDDEN,
        }
    }
}

impl From<Refusal> for ServerError {
    fn from(refusal: Refusal) -> Self {
        coded(refusal.message, refusal.code)
    }
}

/// An error that may be shown: it has a code.
#[must_use]
pub fn coded(message: impl Into<String>, code: &str) -> ServerError {
    let mut extensions = ErrorExtensionValues::default();
    extensions.set("code", code);
    let mut error = ServerError::new(message, None);
    error.extensions = Some(extensions);
    error
}

/// Decides on callers.
pub trait Gate: Send + Sync + 'static {
    /// Someone who was let in, anonymous or not.
    type Caller: Clone + Send + Sync + 'static;

    /// Who is asking. No token at all may be an anonymous caller.
    ///
    /// # Errors
    /// When there is a token and it is not good.
    fn admit(
        &self,
        credentials: Credentials<'_>,
    ) -> impl Future<Output = Result<Self::Caller, Refusal>> + Send;

    /// Whether a caller may select these root fields.
    ///
    /// # Errors
    /// When one of them is not for this caller.
    fn allow(
        &self,
        caller: &Self::Caller,
        kind: OperationType,
        root_fields: &[String],
    ) -> Result<(), Refusal>;

    /// Puts the caller, and what is loaded on the caller's behalf, into a request.
    fn prepare(
        &self,
        caller: &Self::Caller,
        request: async_graphql::Request,
    ) -> async_graphql::Request;

    /// When the caller's credentials expire, in seconds since 1970-01-01T00:00:00Z. A socket is closed then.
    fn expires_at(&self, caller: &Self::Caller) -> Option<i64>;

    /// The time now, in seconds since 1970-01-01T00:00:00Z, by the clock that `expires_at` goes by.
    fn now(&self) -> i64;
}
