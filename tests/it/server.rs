//! The server as a process: start, readiness, what every answer carries, and the graceful stop.

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use futures_util::{SinkExt, StreamExt};
use kaitsu::{
    auth::{OrganisationKind, Permission, Role, service::ServiceTokenCreate},
    db::Backend,
};
use rstest::rstest;
use tokio::{io::AsyncWriteExt, net::TcpStream};
use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest};

use crate::support::{
    TestDatabase,
    accounts::World,
    process::{self, PATIENCE, Process, read_all},
};

const BEHIND: &str =
    "DELETE FROM seaql_migrations WHERE version = (SELECT max(version) FROM seaql_migrations)";
const AHEAD: &str =
    "INSERT INTO seaql_migrations (version, applied_at) VALUES ('m99990101_000001_next', 0)";
const QUERY: &str = r#"{"query":"{__typename}"}"#;

fn header<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    answer
        .lines()
        .filter_map(|line| line.split_once(": "))
        .find(|(found, _)| found.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
}

/// The metrics page, as soon as it holds this.
async fn metrics_holding(server: &Process, line: &str) -> String {
    let until = Instant::now() + PATIENCE;
    loop {
        let metrics = server.get("/metrics").await;
        if metrics.contains(line) {
            return metrics;
        }
        assert!(Instant::now() < until, "{line} is not in\n{metrics}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_worker_shows_its_health_and_its_metrics_where_it_is_told_and_nothing_else() {
    let database = TestDatabase::new(Backend::Sqlite).await;
    let worker = ["worker", "--listen", "127.0.0.1:0"];
    let quiet = ["--set", "log.filter=error"];
    let mut worker = Process::start(database.url(), &[&worker[..], &quiet[..]].concat());
    worker.readiness(200, r#""status":"ready""#).await;
    let settled = "kaitsu_background_steps_total{step=\"settle\",outcome=\"done\"}";
    metrics_holding(&worker, settled).await;
    for nowhere in ["/graphql?query={__typename}", "/.well-known/jwks.json"] {
        let answer = worker.get(nowhere).await;
        assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
    }
    worker.terminate();
    assert!(worker.ended().await.success());
}

#[rstest]
#[tokio::test]
async fn a_server_does_not_start_on_a_schema_that_is_behind(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let database = TestDatabase::new(backend).await;
    database.run(BEHIND).await;
    for command in ["serve", "worker"] {
        let output = process::run(database.url(), &[command]);
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(
            told.contains("behind") && told.contains("kaitsu migrate"),
            "{told}"
        );
    }
}

#[rstest]
#[tokio::test]
async fn readiness_follows_the_schema_and_life_does_not(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let database = TestDatabase::new(backend).await;
    database.run(AHEAD).await;
    let server = Process::serve(database.url());
    server.readiness(200, "").await;

    database.run(BEHIND).await; // takes the newer one back
    database.run(BEHIND).await;
    let behind = server.readiness(503, "migrations").await;
    let body = behind.split("\r\n\r\n").last().unwrap();
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["status"], "not ready");
    assert_eq!(body["checks"][1]["name"], "migrations");
    assert!(
        body["checks"][1]["reason"]
            .as_str()
            .unwrap()
            .starts_with("behind: m")
    );
    let live = server.get("/health/live").await;
    assert!(live.starts_with("HTTP/1.1 200 "), "{live}");
}

#[tokio::test]
async fn readiness_fails_while_the_database_is_away_and_comes_back_with_it() {
    let database = TestDatabase::new(Backend::Postgres).await;
    let server = Process::serve(database.url());
    server.readiness(200, "").await;
    let name = database.url().rsplit('/').next().unwrap().to_owned();
    let elsewhere = TestDatabase::new(Backend::Postgres).await;
    elsewhere
        .run(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false"))
        .await;
    elsewhere
        .run(&format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
        ))
        .await;
    let away = server.readiness(503, "database").await;
    assert!(!away.contains(&name), "{away}");
    elsewhere
        .run(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true"))
        .await;
    server.readiness(200, "").await;
}

#[tokio::test]
async fn every_answer_carries_its_request_id_and_headers_that_protect() {
    let database = TestDatabase::new(Backend::Sqlite).await;
    let server = Process::serve(database.url());
    for path in ["/health/live", "/nowhere", "/metrics", "/graphql"] {
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\nx-request-id: mine-1\r\n\r\n"
        );
        let answer = server.exchange(&request).await;
        assert_eq!(header(&answer, "x-request-id"), Some("mine-1"), "{answer}");
        assert_eq!(
            header(&answer, "x-content-type-options"),
            Some("nosniff"),
            "{answer}"
        );
        assert_eq!(
            header(&answer, "cache-control"),
            Some("no-store"),
            "{answer}"
        );
        assert!(
            header(&answer, "content-security-policy").is_some(),
            "{answer}"
        );
    }
    let forged = server
        .exchange(
            "GET /nowhere HTTP/1.1\r\nhost: test\r\nconnection: close\r\nx-request-id: a b\r\n\r\n",
        )
        .await;
    assert!(forged.starts_with("HTTP/1.1 404 "), "{forged}");
    assert_ne!(header(&forged, "x-request-id"), Some("a b"));
}

#[tokio::test]
async fn pages_of_listed_origins_only_may_call_from_a_browser() {
    let database = TestDatabase::new(Backend::Sqlite).await;
    let origins = "server.cors_origins=https://app.example";
    let server = Process::start(
        database.url(),
        &[
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--set",
            origins,
            "--set",
            "log.filter=error",
        ],
    );
    let preflight = |origin: &str| {
        format!(
            "OPTIONS /graphql HTTP/1.1\r\nhost: test\r\nconnection: close\r\norigin: {origin}\r\n\
             access-control-request-method: POST\r\n\
             access-control-request-headers: authorization,content-type\r\n\r\n"
        )
    };
    let allowed = server.exchange(&preflight("https://app.example")).await;
    assert_eq!(
        header(&allowed, "access-control-allow-origin"),
        Some("https://app.example"),
        "{allowed}"
    );
    let refused = server.exchange(&preflight("https://evil.example")).await;
    assert_eq!(
        header(&refused, "access-control-allow-origin"),
        None,
        "{refused}"
    );
}

#[tokio::test]
async fn the_api_its_keys_and_its_metrics_are_served() {
    let database = TestDatabase::new(Backend::Sqlite).await;
    let server = Process::serve(database.url());
    let answer = server
        .exchange(&format!(
            "POST /graphql HTTP/1.1\r\nhost: test\r\nconnection: close\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{QUERY}",
            QUERY.len()
        ))
        .await;
    assert!(
        answer.ends_with(r#"{"data":{"__typename":"Query"}}"#),
        "{answer}"
    );
    let keys = server.get("/.well-known/jwks.json").await;
    assert!(
        keys.contains("\"kid\"") && !keys.contains("\"d\""),
        "{keys}"
    );
    // Background work begins with the server and not before it.
    let settled = "kaitsu_background_steps_total{step=\"settle\",outcome=\"done\"}";
    let metrics = metrics_holding(&server, settled).await;
    for line in [
        "kaitsu_http_requests_total{route=\"/graphql\",method=\"POST\",status=\"200\"} 1",
        "kaitsu_graphql_operations_total{kind=\"query\",outcome=\"answered\"} 1",
        "kaitsu_fold_lag_changes 0",
        "kaitsu_changes_unsettled 0",
        "kaitsu_database_connections{state=\"idle\"}",
        "kaitsu_process_resident_memory_bytes ",
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }
}

#[rstest]
#[tokio::test]
async fn a_request_under_way_is_answered_and_a_new_one_refused_when_the_server_stops(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let database = TestDatabase::new(backend).await;
    // What is sent in two parts takes as long as it takes here.
    let mut server = Process::start(
        database.url(),
        &[
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--set",
            "server.header_timeout=60s",
            "--set",
            "server.body_timeout=5m",
            "--set",
            "log.filter=error",
        ],
    );
    let mut idle = TcpStream::connect(&server.address).await.unwrap();
    let mut under_way = TcpStream::connect(&server.address).await.unwrap();
    let head = format!(
        "POST /graphql HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        QUERY.len()
    );
    let (first, rest) = QUERY.split_at(5);
    under_way.write_all(head.as_bytes()).await.unwrap();
    under_way.write_all(first.as_bytes()).await.unwrap();
    under_way.flush().await.unwrap();
    // The page itself is the other one that waits for its answer.
    metrics_holding(&server, "kaitsu_http_requests_in_flight 2").await;

    server.terminate();
    let until = Instant::now() + PATIENCE;
    while TcpStream::connect(&server.address).await.is_ok() {
        assert!(Instant::now() < until, "connections are still accepted");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    under_way.write_all(rest.as_bytes()).await.unwrap();
    let answer = read_all(&mut under_way).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(
        answer.ends_with(r#"{"data":{"__typename":"Query"}}"#),
        "{answer}"
    );
    assert_eq!(read_all(&mut idle).await, "");
    assert!(server.ended().await.success());
}

#[rstest]
#[tokio::test]
async fn the_last_use_of_a_service_token_is_not_lost_when_the_server_stops(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::new(backend).await;
    let admin = world
        .actor("admin@example.jp", OrganisationKind::Vendor, Role::Admin)
        .await;
    let wish = ServiceTokenCreate {
        organisation: admin.grants[0].organisation,
        name: "nightly".to_owned(),
        role: Role::Viewer,
        permissions: vec![Permission::FacilityRead],
        expires_at: world.clock.now() + TimeDelta::days(1),
    };
    let made = world
        .auth
        .create_service_token(&world.writer(&admin), &wish)
        .await;
    let token = made.unwrap().fresh.unwrap().secret.unwrap();
    let database = &world.database;
    let for_long = "UPDATE service_token SET expires_at = '2999-01-01T00:00:00+00:00'";
    database.run(for_long).await;

    let mut server = Process::serve(database.url());
    // The step that writes uses down has run once by then, and runs again in half a minute.
    let written = "kaitsu_background_steps_total{step=\"token_uses\",outcome=\"done\"}";
    metrics_holding(&server, written).await;
    let request = format!(
        "POST /graphql HTTP/1.1\r\nhost: test\r\nconnection: close\r\nauthorization: Bearer {token}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{QUERY}",
        QUERY.len()
    );
    let answer = server.exchange(&request).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    server.terminate();
    assert!(server.ended().await.success());
    let used = "SELECT COUNT(*) FROM service_token WHERE last_used_at IS NOT NULL";
    assert_eq!(database.number(used).await, 1);
}

#[tokio::test]
async fn sockets_are_closed_with_a_code_when_the_server_stops() {
    let database = TestDatabase::new(Backend::Sqlite).await;
    let mut server = Process::serve(database.url());
    let url = format!("ws://{}/graphql", server.address);
    let mut request = url.into_client_request().unwrap();
    request.headers_mut().insert(
        "sec-websocket-protocol",
        "graphql-transport-ws".parse().unwrap(),
    );
    let stream = TcpStream::connect(&server.address).await.unwrap();
    let (mut socket, _) = tokio_tungstenite::client_async(request, stream)
        .await
        .unwrap();
    socket
        .send(Message::text(r#"{"type":"connection_init"}"#))
        .await
        .unwrap();
    let acknowledged = socket.next().await.unwrap().unwrap();
    assert_eq!(
        acknowledged.to_text().unwrap(),
        r#"{"type":"connection_ack"}"#
    );
    server.terminate();
    let close = loop {
        match tokio::time::timeout(PATIENCE, socket.next()).await.unwrap() {
            Some(Ok(Message::Close(Some(frame)))) => break u16::from(frame.code),
            Some(Ok(_)) => {}
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(close, 1001);
    drop(socket);
    assert!(server.ended().await.success());
}
