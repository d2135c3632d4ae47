//! The messages of graphql-transport-ws (<https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md>) and the
//! codes with which a socket is closed.

use std::borrow::Cow;

use actix_ws::{CloseCode, CloseReason};
use async_graphql::{Extensions, ServerError, Variables};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    answer::{self, Settled},
    graphql::token_of,
    incoming::Parameters,
};

/// The subprotocol that a client has to offer.
pub(super) const SUBPROTOCOL: &str = "graphql-transport-ws";

/// What a client says.
#[derive(Debug)]
pub(super) enum ClientMessage {
    /// The first word, with a token.
    Init { token: Option<String> },
    /// Are you there?
    Ping { payload: Option<Box<RawValue>> },
    /// I am here.
    Pong,
    /// Run this.
    Subscribe { id: String, parameters: Parameters },
    /// I do not want it any more.
    Complete { id: String },
}

/// Why a socket ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Closing {
    /// The client has closed it, with its code if it gave one.
    ByClient(Option<CloseCode>),
    /// The connection is gone.
    Gone,
    /// The message is not one of the protocol.
    BadMessage(&'static str),
    /// Something was asked before `connection_ack`.
    Unauthorized,
    /// The token was refused.
    Forbidden,
    /// The token has expired.
    Expired,
    /// The token can't be checked now: try again later.
    Unavailable,
    /// The client does not speak our subprotocol.
    NoSubprotocol,
    /// No `connection_init` came in time.
    InitTimeout,
    /// An id that is still in use was used again.
    DuplicateId(String),
    /// A second `connection_init`.
    SecondInit,
    /// A message is longer than we take.
    TooBig,
    /// A text is not UTF-8.
    NotUtf8,
    /// The frames are not those of a web socket.
    BadFrame,
    /// The client does not read what it asked for; nothing more can be sent.
    SlowConsumer,
    /// We are stopping.
    GoingAway,
}

impl Closing {
    /// Whether what is under way still gets its time, and its answer is told before the goodbye.
    pub(super) fn lets_finish(&self) -> bool {
        matches!(self, Self::GoingAway | Self::Expired | Self::Forbidden)
    }

    /// The code and the words of the close frame; `None` if there is nobody to send it to.
    pub(super) fn reason(&self) -> Option<CloseReason> {
        let (code, words): (u16, Cow<'static, str>) = match self {
            Self::Gone | Self::SlowConsumer => return None,
            // A close frame is answered with its own code (RFC 6455, section 5.5.1).
            Self::ByClient(code) => {
                return Some(CloseReason {
                    code: code.unwrap_or(CloseCode::Normal),
                    description: None,
                });
            }
            Self::BadMessage(words) => (4400, Cow::Borrowed(words)),
            Self::Unauthorized => (4401, "Unauthorized".into()),
            Self::Forbidden => (4403, "Forbidden".into()),
            Self::Expired => (4403, "Token expired".into()),
            Self::Unavailable => (1013, "Try again later".into()),
            Self::NoSubprotocol => (4406, "Subprotocol not acceptable".into()),
            Self::InitTimeout => (4408, "Connection initialisation timeout".into()),
            Self::DuplicateId(id) => {
                let short: String = id.chars().take(24).collect();
                (
                    4409,
                    format!("Subscriber for {short} already exists").into(),
                )
            }
            Self::SecondInit => (4429, "Too many initialisation requests".into()),
            Self::TooBig => (1009, "Message too big".into()),
            Self::NotUtf8 => (1007, "Text is not UTF-8".into()),
            Self::BadFrame => (1002, "Protocol error".into()),
            Self::GoingAway => (1001, "Going away".into()),
        };
        Some(CloseReason {
            code: CloseCode::from(code),
            description: Some(words.into_owned()),
        })
    }
}

#[derive(Deserialize)]
struct Frame<'f> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'f, str>,
    #[serde(borrow)]
    id: Option<Cow<'f, str>>,
    #[serde(borrow)]
    payload: Option<&'f RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Subscribe {
    query: String,
    operation_name: Option<String>,
    #[serde(default)]
    variables: Variables,
    #[serde(default)]
    extensions: Extensions,
}

/// Reads a text message.
pub(super) fn read(text: &str) -> Result<ClientMessage, Closing> {
    let frame: Frame<'_> =
        serde_json::from_str(text).map_err(|_| Closing::BadMessage("Invalid message received"))?;
    match frame.kind.as_ref() {
        "connection_init" => Ok(ClientMessage::Init {
            token: token(frame.payload)?,
        }),
        "ping" => {
            object(frame.payload)?;
            Ok(ClientMessage::Ping {
                payload: frame.payload.map(ToOwned::to_owned),
            })
        }
        "pong" => {
            object(frame.payload)?;
            Ok(ClientMessage::Pong)
        }
        "subscribe" => {
            let id = id(frame.id)?;
            let payload = frame.payload.map_or("null", RawValue::get);
            let subscribe: Subscribe = serde_json::from_str(payload)
                .map_err(|_| Closing::BadMessage("Invalid payload of subscribe"))?;
            Ok(ClientMessage::Subscribe {
                id,
                parameters: Parameters {
                    query: subscribe.query,
                    operation_name: subscribe.operation_name,
                    variables: subscribe.variables,
                    extensions: subscribe.extensions,
                },
            })
        }
        "complete" => Ok(ClientMessage::Complete { id: id(frame.id)? }),
        _ => Err(Closing::BadMessage("Invalid type of message")),
    }
}

fn id(id: Option<Cow<'_, str>>) -> Result<String, Closing> {
    id.filter(|id| !id.is_empty())
        .map(Cow::into_owned)
        .ok_or(Closing::BadMessage("Message without an id"))
}

/// A payload that may be left out, or `null`, and is an object otherwise.
fn object(payload: Option<&RawValue>) -> Result<Variables, Closing> {
    let Some(payload) = payload else {
        return Ok(Variables::default());
    };
    serde_json::from_str(payload.get()).map_err(|_| Closing::BadMessage("Payload is not an object"))
}

/// The token of `{"authorization": "Bearer …"}` or `{"token": "…"}`.
fn token(payload: Option<&RawValue>) -> Result<Option<String>, Closing> {
    let payload = object(payload)?;
    for (name, value) in payload.iter() {
        let async_graphql::Value::String(value) = value else {
            continue;
        };
        if name.eq_ignore_ascii_case("authorization") {
            let token = token_of(value).ok_or(Closing::Forbidden)?;
            return Ok(Some(token.to_owned()));
        }
        if name.as_str() == "token" {
            return Ok(Some(value.clone()));
        }
    }
    Ok(None)
}

/// `connection_ack`
pub(super) const ACK: &str = r#"{"type":"connection_ack"}"#;

/// `pong`, with the payload of the ping.
pub(super) fn pong(payload: Option<&RawValue>) -> String {
    match payload {
        Some(payload) => format!(r#"{{"type":"pong","payload":{}}}"#, payload.get()),
        None => r#"{"type":"pong"}"#.to_owned(),
    }
}

/// `next`: a result.
pub(super) fn next(id: &str, settled: &Settled) -> String {
    message("next", id, |into| settled.write(into))
}

/// `error`: the operation was refused, and this is the last of it.
pub(super) fn error(id: &str, errors: &[ServerError]) -> String {
    message("error", id, |into| answer::write_list(errors, into))
}

/// `complete`: the operation is over.
pub(super) fn complete(id: &str) -> String {
    let mut text = String::from(r#"{"type":"complete","id":"#);
    text.push_str(&quoted(id));
    text.push('}');
    text
}

fn message(kind: &str, id: &str, payload: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut bytes = Vec::with_capacity(256);
    bytes.extend_from_slice(br#"{"type":""#);
    bytes.extend_from_slice(kind.as_bytes());
    bytes.extend_from_slice(br#"","id":"#);
    bytes.extend_from_slice(quoted(id).as_bytes());
    bytes.extend_from_slice(br#","payload":"#);
    payload(&mut bytes);
    bytes.push(b'}');
    // What was written is JSON, and JSON is UTF-8.
    String::from_utf8(bytes).unwrap_or_default()
}

fn quoted(id: &str) -> String {
    serde_json::Value::from(id).to_string()
}
