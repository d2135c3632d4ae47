//! Writing an answer: which errors a caller may see, and the bytes. An error is shown as it is only if it carries a
//! code; async-graphql makes an error of anything that can be displayed, so one without a code may say what is nobody's
//! business. It is logged here, once, and shown as INTERNAL with the id under which it was logged.

use async_graphql::{Response, ServerError, Value};
use serde::Serialize;

use super::gate::coded;

/// Shown errors of a request that was refused; a hostile document can earn thousands.
const MOST_ERRORS: usize = 20;
/// Shown errors of a request that ran.
const MOST_FAILED_FIELDS: usize = 100;
/// Shown characters of a message; one may quote a name from the document.
const MOST_CHARACTERS: usize = 500;

#[derive(Serialize)]
struct Envelope<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a Value>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [ServerError],
    #[serde(skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    extensions: &'a std::collections::BTreeMap<String, Value>,
}

/// A response of which every error may be seen.
#[derive(Debug)]
pub struct Settled {
    response: Response,
    ran: bool,
}

impl Settled {
    /// Whether anything was executed; otherwise there is no `data` at all.
    #[must_use]
    pub fn ran(&self) -> bool {
        self.ran
    }

    /// The errors.
    #[must_use]
    pub fn errors(&self) -> &[ServerError] {
        &self.response.errors
    }

    /// Appends the answer as JSON.
    pub fn write(&self, into: &mut Vec<u8>) {
        let nothing = Value::Object(async_graphql::indexmap::IndexMap::new());
        let data = match &self.response.data {
            _ if !self.ran => None,
            // All fields were skipped: async-graphql has no empty object.
            Value::Null if self.response.errors.is_empty() => Some(&nothing),
            data => Some(data),
        };
        write_envelope(
            &Envelope {
                data,
                errors: &self.response.errors,
                extensions: &self.response.extensions,
            },
            into,
        );
    }
}

fn write_envelope(envelope: &Envelope<'_>, into: &mut Vec<u8>) {
    let length = into.len();
    if let Err(error) = serde_json::to_writer(&mut *into, envelope) {
        tracing::error!(%error, "an answer cannot be written as JSON");
        into.truncate(length);
        into.extend_from_slice(
            br#"{"errors":[{"message":"internal error","extensions":{"code":"INTERNAL"}}]}"#,
        );
    }
}

/// Appends a list of errors that may be seen, as JSON.
pub fn write_list(errors: &[ServerError], into: &mut Vec<u8>) {
    let errors: Vec<_> = errors
        .iter()
        .take(MOST_ERRORS)
        .cloned()
        .map(shorten)
        .collect();
    let length = into.len();
    if let Err(error) = serde_json::to_writer(&mut *into, &errors) {
        tracing::error!(%error, "errors cannot be written as JSON");
        into.truncate(length);
        into.extend_from_slice(b"[]");
    }
}

/// Appends an answer that is nothing but errors with codes, as JSON.
pub fn write_errors(errors: Vec<ServerError>, into: &mut Vec<u8>) {
    let errors: Vec<_> = errors.into_iter().take(MOST_ERRORS).map(shorten).collect();
    write_envelope(
        &Envelope {
            data: None,
            errors: &errors,
            extensions: &std::collections::BTreeMap::new(),
        },
        into,
    );
}

/// An answer to something that went wrong within us and was logged.
#[must_use]
pub fn internal(request_id: &str) -> ServerError {
    let mut error = coded("internal error", "INTERNAL");
    error
        .extensions
        .get_or_insert_default()
        .set("traceId", request_id);
    error
}

/// An answer that is one error, of something that had begun to run.
#[must_use]
pub fn broken_off(error: ServerError) -> Settled {
    Settled {
        response: Response::from_errors(vec![error]),
        ran: true,
    }
}

/// Makes the errors of a response fit to be seen.
#[must_use]
pub fn settle(mut response: Response, request_id: &str) -> Settled {
    if response.errors.is_empty() {
        return Settled {
            response,
            ran: true,
        };
    }
    // Errors of execution have a path, or were made by a resolver; those of validation come alone.
    let ran = response.data != Value::Null || !response.errors.iter().all(is_validation);
    response.errors = std::mem::take(&mut response.errors)
        .into_iter()
        .take(if ran { MOST_FAILED_FIELDS } else { MOST_ERRORS })
        .map(|error| show(error, request_id))
        .collect();
    Settled { response, ran }
}

fn is_validation(error: &ServerError) -> bool {
    error.path.is_empty() && error.source.is_none()
}

fn has_code(error: &ServerError) -> bool {
    error
        .extensions
        .as_ref()
        .is_some_and(|extensions| extensions.get("code").is_some())
}

fn show(mut error: ServerError, request_id: &str) -> ServerError {
    if has_code(&error) {
        return shorten(error);
    }
    let code = if is_validation(&error) {
        "GRAPHQL_VALIDATION_FAILED"
    } else if is_bad_argument(&error) {
        "BAD_USER_INPUT"
    } else {
        tracing::error!(request_id, message = %error.message, path = ?error.path, "a resolver failed");
        let mut shown = internal(request_id);
        shown.locations = error.locations;
        shown.path = error.path;
        return shown;
    };
    error.extensions.get_or_insert_default().set("code", code);
    shorten(error)
}

/// A scalar or a validator refused an argument. `?` would have left a source.
fn is_bad_argument(error: &ServerError) -> bool {
    error.source.is_none() && error.message.starts_with("Failed to parse \"")
}

fn shorten(mut error: ServerError) -> ServerError {
    if let Some((end, _)) = error.message.char_indices().nth(MOST_CHARACTERS) {
        error.message.truncate(end);
        error.message.push('…');
    }
    error
}
