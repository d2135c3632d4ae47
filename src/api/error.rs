//! Top-level errors: what no user error can say. Only those made here are shown; a failure of ours keeps
//! its cause to the log, where it is written once, and is shown as INTERNAL.

use std::sync::Arc;

use async_graphql::{Error, ErrorExtensions, resolver_utils::enum_value};

use super::UserError;
use crate::{
    auth::Language,
    change::{KnownAtError, WriteError, feed::FeedError},
    db::{DbErr, is_transient},
    milestone::Problem,
};

/// What resolvers answer with.
pub type ApiResult<T> = Result<T, ApiError>;

/// An error of a whole field. It is deliberately no `Display`: only [`From`] below decides what a client
/// reads.
#[derive(Clone, Debug)]
pub enum ApiError {
    /// The caller's fault, to be shown.
    Shown {
        /// A stable code for programs.
        code: &'static str,
        /// A sentence for people.
        message: String,
    },
    /// A write that was refused for what its request says beside the thing to be written, such as its
    /// idempotency key. Payloads tell it as user errors.
    Refused(Vec<Problem>),
    /// Ours: logged where it is shown as INTERNAL.
    Internal(Arc<DbErr>),
}

impl ApiError {
    /// An argument that can't be right whatever is stored.
    pub fn bad_input(code: &'static str, message: impl Into<String>) -> Self {
        Self::Shown {
            code,
            message: message.into(),
        }
    }

    /// The field needs someone who is logged in.
    pub fn unauthenticated() -> Self {
        Self::bad_input("UNAUTHENTICATED", "log in first")
    }

    /// The caller may not call the field.
    pub fn forbidden() -> Self {
        Self::bad_input("FORBIDDEN", "you may not do this")
    }
}

impl From<DbErr> for ApiError {
    fn from(error: DbErr) -> Self {
        Self::Internal(Arc::new(error))
    }
}

impl From<WriteError> for ApiError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::KeyReused => Self::Refused(vec![Problem::KeyReused]),
            WriteError::Database(error) => error.into(),
        }
    }
}

impl From<KnownAtError> for ApiError {
    fn from(error: KnownAtError) -> Self {
        match error {
            KnownAtError::NotSettled => Self::bad_input(
                "NOT_SETTLED",
                "knownAt lies in the future: what will be known then is not settled",
            ),
            KnownAtError::Database(error) => error.into(),
        }
    }
}

impl From<FeedError> for ApiError {
    fn from(error: FeedError) -> Self {
        match error {
            FeedError::CursorExpired => Self::bad_input(
                "CURSOR_EXPIRED",
                "changes after this cursor are no longer kept for the feed: load everything again",
            ),
            FeedError::CursorUnknown => Self::bad_input(
                "BAD_CURSOR",
                "this cursor lies beyond the last change: load everything again",
            ),
            FeedError::Database(error) => error.into(),
        }
    }
}

impl From<ApiError> for Error {
    fn from(error: ApiError) -> Self {
        match error {
            ApiError::Shown { code, message } => {
                Self::new(message).extend_with(|_, extensions| extensions.set("code", code))
            }
            ApiError::Refused(problems) => refused(&problems),
            ApiError::Internal(cause) if is_transient(&cause) => {
                tracing::warn!(%cause, "the database is unavailable");
                Self::new("the database is unavailable, try again").extend_with(|_, extensions| {
                    extensions.set("code", "UNAVAILABLE");
                })
            }
            // Without a code: the transport logs it once and shows INTERNAL with the request's id.
            ApiError::Internal(cause) => Self::new_with_source(cause.to_string()),
        }
    }
}

/// A refusal where no payload tells it.
fn refused(problems: &[Problem]) -> Error {
    let told: Vec<UserError> = problems
        .iter()
        .map(|problem| UserError::of(problem, Vec::new(), Language::En))
        .collect();
    let messages: Vec<&str> = told.iter().map(|error| error.message.as_str()).collect();
    Error::new(messages.join(" ")).extend_with(|_, extensions| {
        if let Some(first) = told.first() {
            extensions.set("code", enum_value(first.code));
        }
    })
}
