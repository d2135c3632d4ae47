//! Reading a GraphQL request off the wire, from a body or from a query string. What cannot be read gets a code and a
//! 4xx status, whatever was sent; a body is never held beyond its cap and never waited for beyond its time.

use std::{borrow::Cow, time::Duration};

use actix_web::{
    HttpRequest,
    http::{StatusCode, header},
    web,
};
use async_graphql::{Extensions, ServerError, Variables};
use futures_util::StreamExt;
use serde::Deserialize;

use super::gate::coded;

/// The parameters of one GraphQL request.
#[derive(Debug)]
pub struct Parameters {
    /// The document.
    pub query: String,
    /// Which of its operations.
    pub operation_name: Option<String>,
    /// The variables, not yet checked.
    pub variables: Variables,
    /// What extensions the client speaks; we know none.
    pub extensions: Extensions,
}

/// One request, or several in an array.
#[derive(Debug)]
pub enum Incoming {
    /// An object.
    One(Parameters),
    /// An array of objects.
    Batch(Vec<Parameters>),
}

/// A request that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// The body is longer than its cap.
    #[error("the body has more than {most} bytes")]
    TooLarge {
        /// The cap in bytes.
        most: usize,
    },
    /// The body did not arrive in time.
    #[error("the body did not arrive in time")]
    TooSlow,
    /// The connection broke within the body.
    #[error("the body broke off")]
    BrokenOff,
    /// The body is no JSON text in UTF-8.
    #[error("the {part} is not JSON in UTF-8 (line {line}, column {column})")]
    NotJson {
        /// The body, or a parameter of the query string.
        part: &'static str,
        /// From 1, or 0 if unknown.
        line: usize,
        /// From 1, or 0 if unknown.
        column: usize,
    },
    /// A parameter has a wrong type.
    #[error("`{parameter}` must be {expected}")]
    WrongType {
        /// Its name.
        parameter: &'static str,
        /// What it must be.
        expected: &'static str,
    },
    /// The body is JSON, but no object.
    #[error("the body must be an object with a `query`, each parameter once")]
    NotAnObject,
    /// There is no `query`.
    #[error("`query` is missing")]
    NoQuery,
    /// A parameter stands twice in the query string.
    #[error("`{parameter}` stands twice")]
    Repeated {
        /// Its name.
        parameter: &'static str,
    },
    /// The query string is not UTF-8 in percent encoding.
    #[error("the query string is not percent-encoded UTF-8")]
    BadEncoding,
    /// An array of requests, where we take one, or too many of them.
    #[error("several requests in one body: {most} are allowed")]
    Batch {
        /// The most that are allowed; 0 if batches are not taken at all.
        most: usize,
    },
}

impl Unreadable {
    /// The public code.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "BODY_TOO_LARGE",
            Self::TooSlow => "BODY_TIMEOUT",
            Self::BrokenOff | Self::NotJson { .. } => "BAD_JSON",
            Self::WrongType { .. }
            | Self::NotAnObject
            | Self::NoQuery
            | Self::Repeated { .. }
            | Self::BadEncoding => "BAD_REQUEST",
            Self::Batch { .. } => "BATCH_NOT_ALLOWED",
        }
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(self) -> StatusCode {
        match self {
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    /// Whether bytes of the body may still be on their way, so that the connection cannot be used again.
    #[must_use]
    pub fn leaves_the_body_unread(self) -> bool {
        matches!(
            self,
            Self::TooLarge { .. } | Self::TooSlow | Self::BrokenOff
        )
    }
}

impl From<Unreadable> for ServerError {
    fn from(error: Unreadable) -> Self {
        coded(error.to_string(), error.code())
    }
}

/// Reads a whole body. One that is too long is left to actix-web, which goes on reading for a while without keeping
/// anything, so that a client that listens only after it has sent all gets its answer.
///
/// # Errors
/// When it is longer than `most` bytes, announced or not, takes longer than `within`, or breaks off.
pub async fn body(
    request: &HttpRequest,
    payload: web::Payload,
    most: usize,
    within: Duration,
) -> Result<web::Bytes, Unreadable> {
    let announced = request
        .headers()
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.parse::<usize>().ok());
    if announced.is_some_and(|bytes| bytes > most) {
        return Err(Unreadable::TooLarge { most });
    }
    let room = announced.unwrap_or(0).min(64 * 1024);
    tokio::time::timeout(within, collect(payload, most, room))
        .await
        .map_err(|_| Unreadable::TooSlow)?
}

async fn collect(
    mut payload: web::Payload,
    most: usize,
    room: usize,
) -> Result<web::Bytes, Unreadable> {
    let mut body = web::Bytes::new();
    let mut pieces = web::BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| Unreadable::BrokenOff)?;
        if body.len() + pieces.len() + chunk.len() > most {
            return Err(Unreadable::TooLarge { most });
        }
        if body.is_empty() && pieces.is_empty() {
            // Most bodies come in one piece, which then is not copied.
            body = chunk;
            continue;
        }
        if !body.is_empty() {
            pieces.reserve(room.max(body.len() + chunk.len()));
            pieces.extend_from_slice(&std::mem::take(&mut body));
        }
        pieces.extend_from_slice(&chunk);
    }
    Ok(if pieces.is_empty() {
        body
    } else {
        pieces.freeze()
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire<'w> {
    #[serde(borrow)]
    query: Option<Cow<'w, str>>,
    #[serde(borrow)]
    operation_name: Option<Cow<'w, str>>,
    #[serde(default)]
    variables: Variables,
    #[serde(default)]
    extensions: Extensions,
}

impl Wire<'_> {
    fn into_parameters(self) -> Result<Parameters, Unreadable> {
        Ok(Parameters {
            query: self.query.ok_or(Unreadable::NoQuery)?.into_owned(),
            operation_name: self.operation_name.map(Cow::into_owned),
            variables: self.variables,
            extensions: self.extensions,
        })
    }
}

/// Reads the JSON of a body; an array of up to `most_batched` requests if that is not 0.
///
/// # Errors
/// When it is not JSON, or not a GraphQL request.
pub fn from_json(body: &[u8], most_batched: usize) -> Result<Incoming, Unreadable> {
    let text = std::str::from_utf8(body).map_err(|_| not_json("body", 0, 0))?;
    if !text.trim_ascii_start().starts_with('[') {
        let wire: Wire<'_> = serde_json::from_str(text).map_err(|error| explain(text, &error))?;
        return Ok(Incoming::One(wire.into_parameters()?));
    }
    if most_batched == 0 {
        // Broken JSON is broken JSON, whatever it was going to be.
        let _: serde::de::IgnoredAny =
            serde_json::from_str(text).map_err(|error| explain(text, &error))?;
        return Err(Unreadable::Batch { most: 0 });
    }
    let wires: Vec<Wire<'_>> = serde_json::from_str(text).map_err(|error| explain(text, &error))?;
    if wires.is_empty() || wires.len() > most_batched {
        return Err(Unreadable::Batch { most: most_batched });
    }
    let requests: Result<Vec<_>, _> = wires.into_iter().map(Wire::into_parameters).collect();
    Ok(Incoming::Batch(requests?))
}

/// Says what is wrong with a body that could not be read, without repeating any of it.
fn explain(text: &str, error: &serde_json::Error) -> Unreadable {
    let Ok(value) = serde_json::from_str::<serde_json::Value>(text) else {
        return not_json("body", error.line(), error.column());
    };
    let Some(object) = value.as_object() else {
        return Unreadable::NotAnObject;
    };
    let is = |parameter: &str, fits: fn(&serde_json::Value) -> bool| {
        object
            .get(parameter)
            .is_none_or(|value| value.is_null() || fits(value))
    };
    for parameter in ["query", "operationName"] {
        if !is(parameter, serde_json::Value::is_string) {
            return Unreadable::WrongType {
                parameter,
                expected: "a string",
            };
        }
    }
    for parameter in ["variables", "extensions"] {
        if !is(parameter, serde_json::Value::is_object) {
            return Unreadable::WrongType {
                parameter,
                expected: "an object",
            };
        }
    }
    Unreadable::NotAnObject
}

fn not_json(part: &'static str, line: usize, column: usize) -> Unreadable {
    Unreadable::NotJson { part, line, column }
}

/// Reads the parameters of a GET request; an empty one counts as left out, unknown ones are ignored.
///
/// # Errors
/// When a parameter is malformed or stands twice, or `query` is missing.
pub fn from_query_string(text: &str) -> Result<Parameters, Unreadable> {
    let mut found: [(&'static str, Option<String>); 4] = [
        ("query", None),
        ("operationName", None),
        ("variables", None),
        ("extensions", None),
    ];
    for pair in text.split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let name = decode(name)?;
        let Some((parameter, place)) = found.iter_mut().find(|(known, _)| *known == name) else {
            continue;
        };
        if place.is_some() {
            return Err(Unreadable::Repeated { parameter });
        }
        *place = Some(decode(value)?);
    }
    let [query, operation_name, variables, extensions] =
        found.map(|(_, value)| value.filter(|value| !value.is_empty()));
    Ok(Parameters {
        query: query.ok_or(Unreadable::NoQuery)?,
        operation_name,
        variables: object("variables", variables.as_deref())?,
        extensions: object("extensions", extensions.as_deref())?,
    })
}

fn object<T: Default + for<'de> Deserialize<'de>>(
    parameter: &'static str,
    text: Option<&str>,
) -> Result<T, Unreadable> {
    let Some(text) = text else {
        return Ok(T::default());
    };
    serde_json::from_str(text).map_err(|error| {
        if error.is_data() {
            Unreadable::WrongType {
                parameter,
                expected: "an object",
            }
        } else {
            not_json(parameter, error.line(), error.column())
        }
    })
}

/// Undoes the encoding of a form: `+` for a space and `%` with two hexadecimal digits.
fn decode(text: &str) -> Result<String, Unreadable> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let (digits, after) = after.split_at_checked(2).ok_or(Unreadable::BadEncoding)?;
                rest = after;
                let digits = std::str::from_utf8(digits)
                    .ok()
                    .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
                    .ok_or(Unreadable::BadEncoding)?;
                bytes.push(u8::from_str_radix(digits, 16).map_err(|_| Unreadable::BadEncoding)?);
            }
            byte => bytes.push(byte),
        }
    }
    String::from_utf8(bytes).map_err(|_| Unreadable::BadEncoding)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(br#"{"query":"{a}""#, "BAD_JSON")]
    #[case(b"\xef\xbb\xbf{\"query\":\"{a}\"}", "BAD_JSON")]
    #[case(b"{\"query\":\"\xff\"}", "BAD_JSON")]
    #[case(br#"{"query":"\ud800"}"#, "BAD_JSON")]
    #[case(br#"{"query":"{a}","variables":{"x":"\udc00"}}"#, "BAD_JSON")]
    #[case(br#"{"query":"{a}","variables":{"x":1e999}}"#, "BAD_JSON")]
    #[case(b"{\"query\":\"{a}\0\"}", "BAD_JSON")]
    #[case(b"", "BAD_JSON")]
    #[case(b"[{\"query\"", "BAD_JSON")]
    #[case(b"null", "BAD_REQUEST")]
    #[case(b"{}", "BAD_REQUEST")]
    #[case(br#"{"query":null}"#, "BAD_REQUEST")]
    #[case(br#"{"query":1}"#, "BAD_REQUEST")]
    #[case(br#"{"query":"{a}","query":"{b}"}"#, "BAD_REQUEST")]
    #[case(br#"{"query":"{a}","variables":[]}"#, "BAD_REQUEST")]
    #[case(br#"{"query":"{a}","operationName":{}}"#, "BAD_REQUEST")]
    #[case(br#"[{"query":"{a}"}]"#, "BATCH_NOT_ALLOWED")]
    fn a_body_that_is_no_request_is_refused(#[case] body: &[u8], #[case] code: &str) {
        assert_eq!(from_json(body, 0).unwrap_err().code(), code);
    }

    #[test]
    fn json_nested_without_end_is_refused() {
        let deep = format!(
            r#"{{"query":"{{a}}","variables":{{"x":{}"#,
            "[".repeat(100_000)
        );
        assert_eq!(
            from_json(deep.as_bytes(), 0).unwrap_err().code(),
            "BAD_JSON"
        );
    }

    #[test]
    fn a_batch_is_read_up_to_its_limit() {
        let body = br#"[{"query":"{a}"},{"query":"{b}"}]"#;
        assert!(matches!(from_json(body, 2), Ok(Incoming::Batch(two)) if two.len() == 2));
        assert!(matches!(
            from_json(body, 1),
            Err(Unreadable::Batch { most: 1 })
        ));
        assert!(matches!(
            from_json(b"[]", 1),
            Err(Unreadable::Batch { most: 1 })
        ));
    }

    #[test]
    fn a_query_string_is_decoded() {
        let read = from_query_string(
            "query=%7Ba%28b%3A+%22%E9%96%8B%22%29%7D&variables=%7B%22x%22%3A1%7D&operationName=",
        )
        .unwrap();
        assert_eq!(read.query, "{a(b: \"開\")}");
        assert_eq!(read.operation_name, None);
        assert_eq!(read.variables.len(), 1);
    }

    #[rstest]
    #[case("", Unreadable::NoQuery)]
    #[case("query=%7", Unreadable::BadEncoding)]
    #[case("query=%+1", Unreadable::BadEncoding)]
    #[case("query=%ff", Unreadable::BadEncoding)]
    #[case("query=a&query=b", Unreadable::Repeated { parameter: "query" })]
    #[case("query=a&variables=[1]", Unreadable::WrongType { parameter: "variables", expected: "an object" })]
    #[case("query=a&variables={", Unreadable::NotJson { part: "variables", line: 1, column: 1 })]
    fn a_malformed_query_string_is_refused(#[case] text: &str, #[case] expected: Unreadable) {
        assert_eq!(from_query_string(text).unwrap_err(), expected);
    }
}
