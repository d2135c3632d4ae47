//! A small demo in a database of its own, and requests to whichever server serves it at the time.

use std::time::Duration;

use kaitsu::db::{Backend, Database, DatabaseSettings, Query, Row};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::support::{TestDatabase, process};

/// No request may take longer than this, whatever happens: a server that hangs fails the test.
pub const LONGEST: Duration = Duration::from_secs(60);

/// A demo, loaded, and somebody who may write all of it.
pub struct Deployment {
    url: String,
    token: String,
    /// Dropped last.
    _database: Option<TestDatabase>,
}

/// What a server answered.
pub struct Answer {
    pub status: u16,
    pub body: Value,
}

impl Deployment {
    /// The demo at a scale in a new database.
    pub async fn new(backend: Backend, scale: &str) -> Self {
        let database = TestDatabase::new(backend).await;
        // A connection that outlives the server would keep SQLite from recovering as it does after a crash.
        database.db().clone().close().await.unwrap();
        load(database.url(), scale);
        Self::of(database)
    }

    /// The demo at a scale in the empty database under this URL.
    pub fn at(url: &str, scale: &str) -> Self {
        load(url, scale);
        Self {
            url: url.to_owned(),
            token: token(url),
            _database: None,
        }
    }

    /// The demo that is in this database.
    pub fn of(database: TestDatabase) -> Self {
        Self {
            url: database.url().to_owned(),
            token: token(database.url()),
            _database: Some(database),
        }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// Opens the database for a look.
    pub async fn open(&self) -> Database {
        open(&self.url).await
    }

    /// Codes of facilities that nothing was recorded of yet.
    pub async fn untouched(&self) -> Vec<String> {
        let database = self.open().await;
        let rows = Query::new(
            "SELECT code FROM facility_state WHERE stage = 0 AND last_milestone_on IS NULL \
             AND closed_on IS NULL ORDER BY facility_id",
        )
        .all(database.read())
        .await
        .unwrap();
        database.close().await.unwrap();
        let code = |row| Row::new(row).take().unwrap();
        rows.iter().map(code).collect()
    }

    /// Recounts everything by the command that an operator would use.
    pub fn verify(&self) {
        succeed(&self.url, &["verify"]);
    }

    /// Posts a GraphQL request. `None` if there is no whole answer, since the server is gone.
    pub async fn post(&self, address: &str, body: &Value) -> Option<Answer> {
        self.send(address, "/graphql", "application/json", &body.to_string())
            .await
    }

    /// Posts a body to a path, as [`Self::post`].
    pub async fn send(
        &self,
        address: &str,
        path: &str,
        media_type: &str,
        body: &str,
    ) -> Option<Answer> {
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\nauthorization: Bearer {}\r\n\
             content-type: {media_type}\r\ncontent-length: {}\r\n\r\n{body}",
            self.token,
            body.len()
        );
        let answer = timeout(LONGEST, exchange(address, &request))
            .await
            .expect("the server hangs")?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        Some(Answer {
            status: head.split(' ').nth(1)?.parse().ok()?,
            body: serde_json::from_str(body).ok()?,
        })
    }
}

fn load(url: &str, scale: &str) {
    let demo = ["demo", "--load-only", "--dir", ".", "--scale", scale];
    succeed(url, &demo);
}

fn token(url: &str) -> String {
    let email = "coordinator@demo.example.jp";
    let token = succeed(url, &["token", "--email", email, "--minutes", "600"]);
    token.trim().to_owned()
}

async fn exchange(address: &str, request: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    Some(answer)
}

/// Opens a database for a look, with few connections.
pub async fn open(url: &str) -> Database {
    let patient = Duration::from_secs(30);
    Database::connect(&DatabaseSettings {
        url: url.to_owned(),
        read_url: None,
        connections: 2,
        acquire_timeout: patient,
        statement_timeout: patient,
        lock_timeout: patient,
    })
    .await
    .unwrap()
}

/// Runs a command that must succeed and returns what it prints.
pub fn succeed(url: &str, arguments: &[&str]) -> String {
    let output = process::run(url, arguments);
    assert!(
        output.status.success(),
        "{arguments:?}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}
