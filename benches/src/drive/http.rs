//! The few requests that the bench sends itself: one connection each, answered whole.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use serde_json::Value;

use crate::Failure;

/// Sends a request and reads the answer's body.
///
/// # Errors
/// Nobody answers, or with another status than one of success.
pub fn send(
    server: SocketAddr,
    method: &str,
    path: &str,
    token: &str,
    body: &str,
) -> Result<String, Failure> {
    let mut stream = TcpStream::connect(server)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(120)))?;
    let authorization = if token.is_empty() {
        String::new()
    } else {
        format!("Authorization: Bearer {token}\r\n")
    };
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n{authorization}\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let answer = String::from_utf8(answer)?;
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .ok_or("the answer has no head")?;
    if !head.starts_with("HTTP/1.1 20") {
        return Err(format!("{method} {path}: {head}\n{body}").into());
    }
    Ok(body.to_owned())
}

/// Asks a GraphQL server, and answers `data`.
///
/// # Errors
/// As [`send`], and when the answer has errors.
pub fn ask(server: SocketAddr, token: &str, body: &str) -> Result<Value, Failure> {
    let answer = send(server, "POST", "/graphql", token, body)?;
    let mut answer: Value = serde_json::from_str(&answer)?;
    if answer.get("errors").is_some() {
        return Err(format!("{body}\n{answer}").into());
    }
    Ok(answer.get_mut("data").map(Value::take).unwrap_or_default())
}
