//! GraphQL over HTTP as a client meets it: media types, statuses, methods, bodies, and what may be seen of an error.

use std::time::{Duration, Instant};

use kaitsu::{
    api::Limits,
    http::{Network, Settings},
};
use rstest::rstest;
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt, net::TcpStream};

use crate::toy::{lingering_toy, read_reply, toy, toy_with};

const JSON: &str = "application/json; charset=utf-8";
const GRAPHQL: &str = "application/graphql-response+json; charset=utf-8";
const ACCEPT_GRAPHQL: &str = "accept: application/graphql-response+json";

#[actix_web::test]
async fn an_answer_has_the_type_that_the_client_prefers() {
    let toy = toy();
    let body = r#"{"query":"{ hello }"}"#;
    for (accept, expected) in [
        (&[][..], JSON),
        (&["accept: */*"], JSON),
        (
            &["accept: application/json;q=0.9, application/graphql-response+json"],
            GRAPHQL,
        ),
        (
            &["accept: application/graphql-response+json;q=0.1, application/json;q=0.2"],
            JSON,
        ),
    ] {
        let reply = toy.post_with(accept, body).await;
        assert_eq!(reply.status, 200);
        assert_eq!(reply.headers["content-type"], expected);
        assert_eq!(reply.json(), json!({"data": {"hello": "hello world"}}));
    }
}

#[actix_web::test]
async fn a_type_that_we_do_not_speak_is_not_acceptable() {
    let reply = toy()
        .post_with(&["accept: text/html"], r#"{"query":"{ hello }"}"#)
        .await;
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (406, "NOT_ACCEPTABLE")
    );
}

#[actix_web::test]
async fn a_request_error_is_200_for_old_clients_and_400_for_new_ones_and_has_no_data() {
    let toy = toy();
    for (query, code) in [
        ("{", "GRAPHQL_PARSE_FAILED"),
        ("{ nothing }", "GRAPHQL_VALIDATION_FAILED"),
        ("query ($n: String!) { greet(name: $n) }", "BAD_VARIABLE"),
        ("{ __typename @nothing }", "GRAPHQL_VALIDATION_FAILED"),
    ] {
        let body = json!({ "query": query }).to_string();
        let old = toy.post_with(&["accept: application/json"], &body).await;
        assert_eq!((old.status, old.code().as_str()), (200, code), "{query}");
        assert!(old.json().get("data").is_none());
        let new = toy.post_with(&[ACCEPT_GRAPHQL], &body).await;
        assert_eq!((new.status, new.code().as_str()), (400, code), "{query}");
        assert!(new.json().get("data").is_none());
    }
}

#[rstest]
#[case("text/plain")]
#[case("application/x-www-form-urlencoded")]
#[case("multipart/form-data; boundary=x")]
#[case("application/json; charset=shift_jis")]
#[case("application/jsonp")]
#[actix_web::test]
async fn a_body_that_a_foreign_form_could_send_is_not_read(#[case] content_type: &str) {
    let toy = toy();
    let header = format!("content-type: {content_type}");
    let reply = toy
        .send(
            "POST",
            "/graphql",
            &[&header],
            br#"{"query":"mutation { bump }"}"#,
        )
        .await;
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (415, "UNSUPPORTED_MEDIA_TYPE")
    );
}

#[actix_web::test]
async fn a_body_without_a_type_or_with_two_or_compressed_is_not_read() {
    let toy = toy();
    let body = br#"{"query":"{ hello }"}"#;
    let json = "content-type: application/json";
    for headers in [&[][..], &[json, json], &[json, "content-encoding: gzip"]] {
        let reply = toy.send("POST", "/graphql", headers, body).await;
        assert_eq!(reply.status, 415, "{headers:?}");
    }
    let utf8 = ["content-type: Application/JSON; Charset=\"UTF-8\""];
    assert_eq!(toy.send("POST", "/graphql", &utf8, body).await.status, 200);
}

#[actix_web::test]
async fn queries_may_be_got() {
    let toy = toy();
    let target = "/graphql?query=query+A(%24n:String!)%7Bgreet(name:%24n)%7D+query+B%7Bhello%7D\
                  &operationName=A&variables=%7B%22n%22:%22%E9%96%8B%E9%80%9A%22%7D&extensions=%7B%7D";
    let reply = toy.send("GET", target, &[], b"").await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.json(), json!({"data": {"greet": "hello 開通"}}));
    let reply = toy.send("GET", "/graphql", &[], b"").await;
    assert_eq!((reply.status, reply.code().as_str()), (400, "BAD_REQUEST"));
}

#[actix_web::test]
async fn a_mutation_by_get_is_refused_and_changes_nothing() {
    let toy = toy();
    let reply = toy
        .send("GET", "/graphql?query=mutation%7Bbump%7D", &[], b"")
        .await;
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (405, "METHOD_NOT_ALLOWED")
    );
    assert_eq!(reply.headers["allow"], "POST");
    let reply = toy.query("mutation { bump }").await;
    assert_eq!(reply.json(), json!({"data": {"bump": 1}}));
}

#[rstest]
#[case("PUT")]
#[case("DELETE")]
#[case("PATCH")]
#[case("OPTIONS")]
#[actix_web::test]
async fn other_methods_are_told_which_are_allowed(#[case] method: &str) {
    let reply = toy().send(method, "/graphql", &[], b"").await;
    assert_eq!(reply.status, 405);
    assert_eq!(reply.headers["allow"], "GET, POST");
}

#[actix_web::test]
async fn a_subscription_over_http_is_sent_to_the_socket() {
    let reply = toy().query("subscription { ticks(count: 1) }").await;
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (400, "SUBSCRIPTION_NEEDS_SOCKET")
    );
}

#[actix_web::test]
async fn a_body_over_the_cap_is_refused_whether_announced_or_in_chunks() {
    let settings = Settings {
        body_bytes: 1024,
        ..Settings::default()
    };
    let toy = toy_with(settings, Limits::default());
    let long = json!({"query": "{ hello }", "extensions": {"x": "y".repeat(8000)}}).to_string();
    let reply = toy.post_with(&[], &long).await;
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (413, "BODY_TOO_LARGE")
    );

    let mut chunked = b"POST /graphql HTTP/1.1\r\nhost: toy\r\ncontent-type: application/json\r\n\
        transfer-encoding: chunked\r\nconnection: close\r\n\r\n"
        .to_vec();
    for piece in long.as_bytes().chunks(500) {
        chunked.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        chunked.extend_from_slice(piece);
        chunked.extend_from_slice(b"\r\n");
    }
    chunked.extend_from_slice(b"0\r\n\r\n");
    let reply = toy.raw(&chunked).await;
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (413, "BODY_TOO_LARGE")
    );
}

#[actix_web::test]
async fn a_body_of_a_hundred_mebibytes_gets_its_answer() {
    let toy = lingering_toy(Duration::from_secs(10));
    let stream = TcpStream::connect(toy.address).await.unwrap();
    let (reading, mut writing) = stream.into_split();
    let length = 100 * 1024 * 1024;
    let head = format!(
        "POST /graphql HTTP/1.1\r\nhost: toy\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    );
    let sending = async move {
        writing.write_all(head.as_bytes()).await.unwrap();
        let piece = vec![b' '; 1024 * 1024];
        for _ in 0..100 {
            // The server does not listen for ever to somebody who has an answer.
            if writing.write_all(&piece).await.is_err() {
                break;
            }
        }
    };
    let (reply, ()) = tokio::join!(read_reply(reading), sending);
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (413, "BODY_TOO_LARGE")
    );
}

#[actix_web::test]
async fn a_body_that_does_not_arrive_is_not_waited_for() {
    let settings = Settings {
        body_time: Duration::from_millis(200),
        ..Settings::default()
    };
    let toy = toy_with(settings, Limits::default());
    let reply = toy
        .raw(b"POST /graphql HTTP/1.1\r\nhost: toy\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{")
        .await;
    assert_eq!((reply.status, reply.code().as_str()), (408, "BODY_TIMEOUT"));
}

#[rstest]
#[case(b"{\"query\":\"{ hello }\"".as_slice(), "BAD_JSON")]
#[case(b"\xef\xbb\xbf{\"query\":\"{ hello }\"}", "BAD_JSON")]
#[case(b"{\"query\":\"{ hello(name: \\\"\xff\\\") }\"}", "BAD_JSON")]
#[case(br#"{"query":"{ hello(name: \"\ud800\") }"}"#, "BAD_JSON")]
#[case(b"", "BAD_JSON")]
#[case(br#"{"query":"{ hello }","variables":"{}"}"#, "BAD_REQUEST")]
#[case(br#"[{"query":"{ hello }"}]"#, "BATCH_NOT_ALLOWED")]
#[actix_web::test]
async fn a_body_that_cannot_be_read_is_400_with_a_code(#[case] body: &[u8], #[case] code: &str) {
    let toy = toy();
    let headers = ["content-type: application/json"];
    let reply = toy.send("POST", "/graphql", &headers, body).await;
    assert_eq!((reply.status, reply.code().as_str()), (400, code));
    assert!(reply.json().get("data").is_none());
}

#[actix_web::test]
async fn a_batch_is_answered_in_order_where_it_is_allowed() {
    let settings = Settings {
        batch: 2,
        ..Settings::default()
    };
    let toy = toy_with(settings, Limits::default());
    let reply = toy
        .post(&json!([{"query": "mutation { bump }"}, {"query": "{ nothing }"}]))
        .await;
    assert_eq!(reply.json()[0], json!({"data": {"bump": 1}}));
    assert!(reply.json()[1].get("data").is_none());
    let three = json!([{"query": "{hello}"}, {"query": "{hello}"}, {"query": "{hello}"}]);
    assert_eq!(toy.post(&three).await.code(), "BATCH_NOT_ALLOWED");
}

#[actix_web::test]
async fn a_bad_token_is_401_and_says_how_to_do_better() {
    let toy = toy();
    let body = r#"{"query":"{ whoami }"}"#;
    for header in [
        "authorization: Bearer forged",
        "authorization: Basic Zm9v",
        "authorization: Bearer",
    ] {
        let reply = toy.post_with(&[header], body).await;
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (401, "UNAUTHENTICATED"),
            "{header}"
        );
        assert_eq!(reply.headers["www-authenticate"], "Bearer");
    }
    let reply = toy.post_with(&["authorization: bearer good"], body).await;
    assert_eq!(reply.json(), json!({"data": {"whoami": "good"}}));
}

#[rstest]
#[case("{ secret }")]
#[case("{ harmless: secret }")]
#[case("{ secret @skip(if: true) }")]
#[case("{ ... { secret } }")]
#[case("{ ...F } fragment F on Query { ... on Query { secret } }")]
#[actix_web::test]
async fn the_gate_sees_every_root_field_however_it_is_written(#[case] query: &str) {
    let reply = toy().query(query).await;
    assert_eq!((reply.status, reply.code().as_str()), (403, "FORBIDDEN"));
}

#[actix_web::test]
async fn what_a_resolver_did_not_mean_for_the_public_is_not_shown() {
    let toy = toy();
    for query in ["{ leaks }", "{ maybeThing { optionalButBroken } }"] {
        let reply = toy
            .post_with(
                &["x-request-id: trace-1"],
                &json!({"query": query}).to_string(),
            )
            .await;
        assert_eq!(reply.status, 200);
        let error = &reply.json()["errors"][0];
        assert_eq!(error["message"], "internal error");
        assert_eq!(
            error["extensions"],
            json!({"code": "INTERNAL", "traceId": "trace-1"})
        );
        assert!(!reply.body.contains("hunter2") && !reply.body.contains("secret"));
    }
    let reply = toy.query("{ refuses }").await;
    assert_eq!(reply.json()["errors"][0]["message"], "no such thing");
    assert_eq!(reply.code(), "NOT_FOUND");
    let reply = toy.query(r#"{ short(text: "too long") }"#).await;
    assert_eq!(reply.code(), "BAD_USER_INPUT");
}

#[actix_web::test]
async fn a_resolver_that_panics_is_an_internal_error() {
    let toy = toy();
    let reply = toy.query("{ panics }").await;
    assert_eq!((reply.status, reply.code().as_str()), (200, "INTERNAL"));
    assert_eq!(toy.query("{ hello }").await.status, 200);
}

#[actix_web::test]
async fn a_request_that_takes_too_long_is_stopped() {
    let settings = Settings {
        execution_time: Duration::from_millis(100),
        ..Settings::default()
    };
    let reply = toy_with(settings, Limits::default())
        .query("{ sleeps(milliseconds: 60000) }")
        .await;
    assert_eq!(reply.code(), "TIMEOUT");
    assert_eq!(reply.json()["data"], Value::Null);
}

#[actix_web::test]
async fn the_request_id_is_echoed_if_it_is_sane() {
    let toy = toy();
    let body = r#"{"query":"{ hello }"}"#;
    let reply = toy.post_with(&["x-request-id: abc-1_Z"], body).await;
    assert_eq!(reply.headers["x-request-id"], "abc-1_Z");
    let reply = toy.post_with(&["x-request-id: <script>"], body).await;
    assert!(reply.headers["x-request-id"].starts_with("00000001-"));
}

#[actix_web::test]
async fn the_cost_is_told_to_those_who_ask() {
    let toy = toy();
    let body = json!({
        "query": "query ($n: Int!) { things(first: $n) { nodes { id name } totalCount } }",
        "variables": {"n": 10}
    })
    .to_string();
    let reply = toy.post_with(&["x-kaitsu-cost: 1"], &body).await;
    let cost = json!({"depth": 3, "fields": 5, "complexity": 32});
    assert_eq!(reply.json()["extensions"]["cost"], cost);
    assert!(
        toy.post_with(&[], &body)
            .await
            .json()
            .get("extensions")
            .is_none()
    );
}

#[actix_web::test]
async fn the_clients_address_is_told_only_by_proxies_that_are_trusted() {
    let body = r#"{"query":"{ address }"}"#;
    let header = ["x-forwarded-for: 203.0.113.9"];
    let reply = toy().post_with(&header, body).await;
    assert_eq!(reply.json()["data"]["address"], "127.0.0.1");
    let mut settings = Settings::default();
    settings.proxies.networks = vec!["127.0.0.0/8".parse::<Network>().unwrap()];
    let reply = toy_with(settings, Limits::default())
        .post_with(&header, body)
        .await;
    assert_eq!(reply.json()["data"]["address"], "203.0.113.9");
}

#[rstest]
#[case("{ maybeThing { optionalButBroken } }", json!({"maybeThing": {"optionalButBroken": null}}))]
#[case("{ maybeThing { id optionalButBroken } }", json!({"maybeThing": {"id": 1, "optionalButBroken": null}}))]
#[case("{ maybeThing { id requiredButBroken optionalButBroken } }", json!({"maybeThing": null}))]
#[case("{ hello maybeThing { thing { requiredButBroken } } }", json!({"hello": "hello world", "maybeThing": null}))]
#[case("{ hello thing { requiredButBroken } }", Value::Null)]
#[case("{ leaks hello }", json!({"hello": "hello world", "leaks": null}))]
#[case("{ things(first: 1) { nodes { ...F } } } fragment F on Thing { broken: optionalButBroken }",
    json!({"things": {"nodes": [{"broken": null}]}}))]
#[case("{ hello @skip(if: true) }", json!({}))]
#[actix_web::test]
async fn a_failed_field_is_null_as_near_as_its_type_allows(
    #[case] query: &str,
    #[case] data: Value,
) {
    assert_eq!(toy().query(query).await.json()["data"], data);
}

#[rstest]
#[case("query ($v: Int) { describe(value: $v) }", json!({}), "describe", "absent")]
#[case("query ($v: Int) { describe(value: $v) }", json!({"v": null}), "describe", "null")]
#[case("query ($v: Int = 7) { describe(value: $v) }", json!({}), "describe", "7")]
#[case("query ($v: Int) { filtered(filter: {name: \"a\", limit: $v}) }", json!({}), "filtered", "a absent")]
#[case("query ($f: Filter!) { filtered(filter: $f) }", json!({"f": {"name": "a", "limit": null}}), "filtered", "a null")]
#[case("query ($s: Boolean = true) { hello @skip(if: $s) a: hello }", json!({}), "hello", "")]
#[actix_web::test]
async fn a_variable_that_is_left_out_is_absent_or_has_its_default(
    #[case] query: &str,
    #[case] variables: Value,
    #[case] field: &str,
    #[case] expected: &str,
) {
    let reply = toy()
        .post(&json!({"query": query, "variables": variables}))
        .await;
    let json = reply.json();
    assert_eq!(
        json["data"][field].as_str().unwrap_or_default(),
        expected,
        "{json}"
    );
    assert!(json.get("errors").is_none(), "{json}");
}

#[actix_web::test]
async fn the_operation_is_chosen_by_its_name() {
    let toy = toy();
    let both = "query A { a: hello } query B { b: hello }";
    let reply = toy
        .post(&json!({"query": both, "operationName": "B"}))
        .await;
    assert_eq!(reply.json(), json!({"data": {"b": "hello world"}}));
    for name in [Value::Null, json!(""), json!("C")] {
        let reply = toy
            .post(&json!({"query": both, "operationName": name}))
            .await;
        assert_eq!(reply.code(), "OPERATION_RESOLUTION_FAILURE");
    }
}

#[actix_web::test]
async fn a_syntax_error_says_where_and_does_not_repeat_the_document() {
    let reply = toy().query("{ hello(name: \"hunter2\" }").await;
    let error = &reply.json()["errors"][0];
    assert_eq!(error["locations"], json!([{"line": 1, "column": 25}]));
    assert!(!reply.body.contains("hunter2"), "{}", reply.body);
}

#[actix_web::test]
async fn a_hostile_document_is_answered_at_once_and_briefly() {
    let toy = toy();
    let bomb: String = (0..8)
        .map(|level| {
            let spreads = format!("...F{} ", level + 1).repeat(8);
            format!("fragment F{level} on Thing {{ thing {{ {spreads} }} }} ")
        })
        .collect();
    for query in [
        format!("{{ thing {{ ...F0 }} }} {bomb} fragment F8 on Thing {{ id }}"),
        "{".repeat(100_000),
        format!("{{ sum(of: {}", "[".repeat(100_000)),
        "{ unknown } ".repeat(5_000),
        format!("{{ {} }}", "thing { unknown } ".repeat(1_900)),
        format!(
            "{{ {} }}",
            (0..1900)
                .map(|n| format!("a{n}: hello "))
                .collect::<String>()
        ),
        format!(
            "query ({}) {{ hello }}",
            (0..3000)
                .map(|n| format!("$v{n}: Int "))
                .collect::<String>()
        ),
    ] {
        let start = Instant::now();
        let reply = toy.query(&query).await;
        let took = start.elapsed();
        assert!(
            took < Duration::from_secs(10),
            "{took:?} for {}…",
            &query[..40]
        );
        assert!(!reply.code().is_empty());
        assert!(
            reply.body.len() < 20_000,
            "{} bytes for {}…",
            reply.body.len(),
            &query[..40]
        );
    }
}

#[actix_web::test]
async fn graphiql_is_served_whole_and_may_load_nothing_from_elsewhere() {
    let toy = toy();
    let page = toy.send("GET", "/graphiql", &[], b"").await;
    assert_eq!(page.status, 200);
    assert!(page.headers["content-security-policy"].contains("default-src 'none'"));
    assert!(!page.body.contains("://") && !page.body.contains("{{"));
    let files: Vec<_> = page
        .body
        .split('"')
        .filter(|part| part.starts_with("/graphiql/"))
        .collect();
    assert_eq!(files.len(), 7);
    for file in files {
        let reply = toy.send("GET", file, &[], b"").await;
        assert_eq!(reply.status, 200, "{file}");
        assert_eq!(
            reply.headers["content-type"].starts_with("text/css"),
            file.ends_with(".css")
        );
    }
    assert_eq!(
        toy.send("GET", "/graphiql/secrets", &[], b"").await.status,
        404
    );
}
