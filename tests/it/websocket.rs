//! graphql-transport-ws as a client meets it: the codes with which a socket is closed, and what runs on it.

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use futures_util::{SinkExt, StreamExt};
use kaitsu::{
    api::Limits,
    http::{Origins, Settings, SocketSettings},
};
use rstest::rstest;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{self, Message, client::IntoClientRequest, http::HeaderValue},
};

use crate::{
    support::process::PATIENCE,
    toy::{Toy, toy, toy_with},
};

struct Client(WebSocketStream<TcpStream>);

/// What a client hears.
#[derive(Debug, PartialEq)]
enum Heard {
    Said(Value),
    Closed(u16),
    Gone,
}

async fn connect(
    toy: &Toy,
    protocol: &str,
    origin: Option<&str>,
) -> Result<Client, tungstenite::Error> {
    let mut request = format!("ws://{}/graphql", toy.address).into_client_request()?;
    if !protocol.is_empty() {
        request.headers_mut().insert(
            "sec-websocket-protocol",
            HeaderValue::from_str(protocol).unwrap(),
        );
    }
    if let Some(origin) = origin {
        request
            .headers_mut()
            .insert("origin", HeaderValue::from_str(origin).unwrap());
    }
    let stream = TcpStream::connect(toy.address).await.unwrap();
    client_async(request, stream)
        .await
        .map(|(socket, _)| Client(socket))
}

async fn open(toy: &Toy) -> Client {
    connect(toy, "graphql-transport-ws", None).await.unwrap()
}

/// A socket on which `connection_ack` was heard.
async fn ready(toy: &Toy) -> Client {
    let mut client = open(toy).await;
    client.say(&json!({"type": "connection_init"})).await;
    assert_eq!(
        client.hear().await,
        Heard::Said(json!({"type": "connection_ack"}))
    );
    client
}

impl Client {
    async fn say(&mut self, message: &Value) {
        self.say_text(&message.to_string()).await;
    }

    async fn say_text(&mut self, text: &str) {
        self.0.send(Message::text(text)).await.unwrap();
    }

    async fn subscribe(&mut self, id: &str, query: &str) {
        self.say(&json!({"id": id, "type": "subscribe", "payload": {"query": query}}))
            .await;
    }

    async fn hear(&mut self) -> Heard {
        loop {
            let next = tokio::time::timeout(PATIENCE, self.0.next())
                .await
                .expect("nothing was heard");
            match next {
                Some(Ok(Message::Text(text))) => {
                    return Heard::Said(serde_json::from_str(&text).unwrap());
                }
                Some(Ok(Message::Close(Some(frame)))) => return Heard::Closed(frame.code.into()),
                Some(Ok(Message::Close(None)) | Err(_)) | None => return Heard::Gone,
                Some(Ok(_)) => {}
            }
        }
    }

    async fn hear_ping(&mut self) {
        let next = tokio::time::timeout(PATIENCE, self.0.next())
            .await
            .expect("nothing was heard");
        assert!(matches!(next, Some(Ok(Message::Ping(_)))), "{next:?}");
    }

    async fn hear_said(&mut self) -> Value {
        match self.hear().await {
            Heard::Said(value) => value,
            other => panic!("expected a message, heard {other:?}"),
        }
    }
}

fn with_socket(change: impl FnOnce(&mut SocketSettings)) -> Toy {
    let mut settings = Settings::default();
    change(&mut settings.socket);
    toy_with(settings, Limits::default())
}

/// Waits until something becomes true.
async fn eventually(what: &str, is_true: impl Fn() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !is_true() {
        assert!(Instant::now() < until, "never: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Waits until so many have begun. What runs could have ended before anybody looks.
async fn eventually_begun(toy: &Toy, number: usize) {
    eventually("it runs", || {
        toy.counters.begun.load(Ordering::SeqCst) == number
    })
    .await;
}

#[actix_web::test]
async fn a_subscription_is_a_row_of_next_and_one_complete() {
    let toy = toy();
    let mut client = ready(&toy).await;
    client
        .subscribe("a", "subscription { ticks(count: 2) }")
        .await;
    for tick in 0..2 {
        assert_eq!(
            client.hear_said().await,
            json!({"type": "next", "id": "a", "payload": {"data": {"ticks": tick}}})
        );
    }
    assert_eq!(
        client.hear_said().await,
        json!({"type": "complete", "id": "a"})
    );
    // The id is free again.
    client.subscribe("a", "{ hello }").await;
    assert_eq!(
        client.hear_said().await["payload"]["data"]["hello"],
        "hello world"
    );
    assert_eq!(
        client.hear_said().await,
        json!({"type": "complete", "id": "a"})
    );
}

#[actix_web::test]
async fn mutations_run_and_the_same_checks_hold() {
    let toy = toy();
    let mut client = ready(&toy).await;
    client.subscribe("a", "mutation { bump }").await;
    assert_eq!(
        client.hear_said().await["payload"],
        json!({"data": {"bump": 1}})
    );
    assert_eq!(client.hear_said().await["type"], "complete");
    for (query, code) in [
        ("{ secret }", "FORBIDDEN"),
        ("{ nothing }", "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { nothing }", "GRAPHQL_VALIDATION_FAILED"),
        ("{", "GRAPHQL_PARSE_FAILED"),
        (
            "subscription { ticks(count: 1) silence }",
            "GRAPHQL_VALIDATION_FAILED",
        ),
        ("query ($v: String!) { greet(name: $v) }", "BAD_VARIABLE"),
        ("{ things(first: 1000) { totalCount } }", "PAGE_SIZE"),
    ] {
        client.subscribe("é\"", query).await;
        let said = client.hear_said().await;
        assert_eq!(
            (&said["type"], &said["id"]),
            (&json!("error"), &json!("é\"")),
            "{said}"
        );
        assert_eq!(said["payload"][0]["extensions"]["code"], code, "{query}");
    }
    client.subscribe("b", "{ leaks }").await;
    let said = client.hear_said().await;
    assert_eq!(said["type"], "next");
    assert_eq!(said["payload"]["errors"][0]["message"], "internal error");
}

#[actix_web::test]
async fn a_subscription_that_cannot_start_does_not_say_why_in_private_words() {
    let toy = toy();
    let mut client = ready(&toy).await;
    client.subscribe("a", "subscription { broken }").await;
    let said = client.hear_said().await;
    assert_eq!(
        said["payload"]["errors"][0]["extensions"]["code"], "INTERNAL",
        "{said}"
    );
    assert_eq!(client.hear_said().await["type"], "complete");
}

#[rstest]
#[case("nonsense", 4400)]
#[case("{}", 4400)]
#[case("{\"type\":\"nonsense\"}", 4400)]
#[case("{\"type\":\"connection_init\"}", 4429)]
#[case("{\"type\":\"subscribe\",\"payload\":{\"query\":\"{hello}\"}}", 4400)]
#[case(
    "{\"type\":\"subscribe\",\"id\":\"\",\"payload\":{\"query\":\"{hello}\"}}",
    4400
)]
#[case(
    "{\"type\":\"subscribe\",\"id\":1,\"payload\":{\"query\":\"{hello}\"}}",
    4400
)]
#[case("{\"type\":\"subscribe\",\"id\":\"a\"}", 4400)]
#[case("{\"type\":\"subscribe\",\"id\":\"a\",\"payload\":{}}", 4400)]
#[case(
    "{\"type\":\"subscribe\",\"id\":\"a\",\"payload\":{\"query\":\"{hello}\",\"variables\":1}}",
    4400
)]
#[case("{\"type\":\"complete\"}", 4400)]
#[case("{\"type\":\"ping\",\"payload\":1}", 4400)]
#[actix_web::test]
async fn a_message_out_of_the_protocol_closes_the_socket(#[case] text: &str, #[case] code: u16) {
    let toy = toy();
    let mut client = ready(&toy).await;
    client.say_text(text).await;
    assert_eq!(client.hear().await, Heard::Closed(code));
}

#[actix_web::test]
async fn binary_messages_and_long_ones_close_the_socket() {
    let toy = toy();
    let mut client = ready(&toy).await;
    client.0.send(Message::binary(vec![1])).await.unwrap();
    assert_eq!(client.hear().await, Heard::Closed(4400));
    let mut client = ready(&toy).await;
    client.say_text(&"x".repeat(65 * 1024)).await;
    assert_eq!(client.hear().await, Heard::Closed(1009));
}

#[actix_web::test]
async fn nothing_runs_before_the_socket_is_initialised() {
    let toy = toy();
    let mut client = open(&toy).await;
    client.say(&json!({"type": "ping"})).await;
    assert_eq!(client.hear_said().await, json!({"type": "pong"}));
    client.subscribe("a", "mutation { bump }").await;
    assert_eq!(client.hear().await, Heard::Closed(4401));
    assert_eq!(toy.counters.bumps.load(Ordering::SeqCst), 0);
}

#[actix_web::test]
async fn an_initialisation_that_does_not_come_or_does_not_end_is_not_waited_for() {
    let toy = with_socket(|socket| socket.init_time = Duration::from_millis(200));
    assert_eq!(open(&toy).await.hear().await, Heard::Closed(4408));
    let mut client = open(&toy).await;
    client
        .say(&json!({"type": "connection_init", "payload": {"token": "slow"}}))
        .await;
    assert_eq!(client.hear().await, Heard::Closed(4408));
}

#[rstest]
#[case(json!({"authorization": "Bearer good"}), "good")]
#[case(json!({"Authorization": "bearer good"}), "good")]
#[case(json!({"token": "good"}), "good")]
#[case(json!({}), "anonymous")]
#[case(Value::Null, "anonymous")]
#[actix_web::test]
async fn the_token_comes_with_the_initialisation(#[case] payload: Value, #[case] name: &str) {
    let toy = toy();
    let mut client = open(&toy).await;
    client
        .say(&json!({"type": "connection_init", "payload": payload}))
        .await;
    assert_eq!(client.hear_said().await["type"], "connection_ack");
    client.subscribe("a", "{ whoami }").await;
    assert_eq!(client.hear_said().await["payload"]["data"]["whoami"], name);
}

#[actix_web::test]
async fn a_bad_token_closes_the_socket() {
    let toy = toy();
    for payload in [
        json!({"token": "forged"}),
        json!({"authorization": "Basic Zm9v"}),
    ] {
        let mut client = open(&toy).await;
        client
            .say(&json!({"type": "connection_init", "payload": payload}))
            .await;
        assert_eq!(client.hear().await, Heard::Closed(4403));
    }
}

#[actix_web::test]
async fn the_socket_ends_with_its_token() {
    let toy = toy();
    let mut client = open(&toy).await;
    client
        .say(&json!({"type": "connection_init", "payload": {"token": "short"}}))
        .await;
    assert_eq!(client.hear_said().await["type"], "connection_ack");
    client.subscribe("a", "subscription { silence }").await;
    assert_eq!(client.hear().await, Heard::Closed(4403));
    eventually("the subscription stops", || {
        toy.counters.live.load(Ordering::SeqCst) == 0
    })
    .await;
}

#[actix_web::test]
async fn an_id_that_is_in_use_closes_the_socket() {
    let toy = toy();
    let mut client = ready(&toy).await;
    client.subscribe("a", "subscription { silence }").await;
    client.subscribe("a", "{ hello }").await;
    assert_eq!(client.hear().await, Heard::Closed(4409));
    eventually("the subscription stops", || {
        toy.counters.live.load(Ordering::SeqCst) == 0
    })
    .await;
}

#[actix_web::test]
async fn a_completed_subscription_stops_and_its_id_is_free() {
    let toy = toy();
    let mut client = ready(&toy).await;
    client.subscribe("a", "subscription { silence }").await;
    eventually_begun(&toy, 1).await;
    client.say(&json!({"type": "complete", "id": "a"})).await;
    client
        .say(&json!({"type": "complete", "id": "unknown"}))
        .await;
    eventually("it stops", || toy.counters.live.load(Ordering::SeqCst) == 0).await;
    client.subscribe("a", "{ hello }").await;
    assert_eq!(client.hear_said().await["type"], "next");
}

#[actix_web::test]
async fn one_socket_runs_a_limited_number_of_operations() {
    let toy = with_socket(|socket| socket.operations = 2);
    let mut client = ready(&toy).await;
    client.subscribe("a", "subscription { silence }").await;
    client.subscribe("b", "subscription { silence }").await;
    client.subscribe("c", "subscription { silence }").await;
    let said = client.hear_said().await;
    assert_eq!((&said["type"], &said["id"]), (&json!("error"), &json!("c")));
    assert_eq!(
        said["payload"][0]["extensions"]["code"],
        "TOO_MANY_SUBSCRIPTIONS"
    );
    client.say(&json!({"type": "complete", "id": "a"})).await;
    client.subscribe("c", "{ hello }").await;
    assert_eq!(client.hear_said().await["type"], "next");
}

#[actix_web::test]
async fn pings_are_answered_with_their_payload_and_sent_to_the_client() {
    let toy = with_socket(|socket| socket.keep_alive = Duration::from_millis(500));
    let mut client = ready(&toy).await;
    client
        .say(&json!({"type": "ping", "payload": {"n": 1}}))
        .await;
    assert_eq!(
        client.hear_said().await,
        json!({"type": "pong", "payload": {"n": 1}})
    );
    client.say(&json!({"type": "pong"})).await;
    // One that answers none is gone after the third; this one answers while it listens, and stays.
    for _ in 0..5 {
        client.hear_ping().await;
    }
    client.say(&json!({"type": "ping"})).await;
    assert_eq!(client.hear_said().await, json!({"type": "pong"}));
}

#[actix_web::test]
async fn a_client_that_answers_no_ping_is_gone() {
    let toy = with_socket(|socket| socket.keep_alive = Duration::from_millis(250));
    let mut client = ready(&toy).await;
    client.subscribe("a", "subscription { silence }").await;
    eventually_begun(&toy, 1).await;
    eventually("it stops", || toy.counters.live.load(Ordering::SeqCst) == 0).await;
}

#[actix_web::test]
async fn a_goodbye_is_answered_with_its_own_code() {
    let toy = toy();
    for code in [1000_u16, 4499] {
        let mut client = ready(&toy).await;
        let frame = tungstenite::protocol::CloseFrame {
            code: code.into(),
            reason: "enough".into(),
        };
        client.0.send(Message::Close(Some(frame))).await.unwrap();
        assert_eq!(client.hear().await, Heard::Closed(code));
    }
}

#[actix_web::test]
async fn a_client_that_leaves_stops_its_subscriptions() {
    let toy = toy();
    let mut client = ready(&toy).await;
    client.subscribe("a", "subscription { silence }").await;
    eventually_begun(&toy, 1).await;
    drop(client);
    eventually("it stops", || toy.counters.live.load(Ordering::SeqCst) == 0).await;
}

#[actix_web::test]
async fn a_client_that_stops_reading_holds_little_and_is_cut_off() {
    let toy = with_socket(|socket| socket.slow_time = Duration::from_millis(300));
    let mut client = ready(&toy).await;
    client
        .subscribe("a", "subscription { flood(bytes: 65536) }")
        .await;
    let produced = || toy.counters.produced.load(Ordering::SeqCst);
    eventually("it runs", || produced() > 0).await;
    let mut before = 0;
    let mut still = 0;
    while still < 40 {
        tokio::time::sleep(Duration::from_millis(20)).await;
        still = if produced() == before { still + 1 } else { 0 };
        before = produced();
    }
    // What the kernel buffers on loopback, and what actix-ws queues: some megabytes, not more and more.
    assert!(
        before < 400,
        "{before} events of 64 KiB were made for a client that does not read"
    );
    // It still reads nothing, and can tell only by what it sends that the connection was cut.
    let until = Instant::now() + PATIENCE;
    let ping = || Message::Ping(tungstenite::Bytes::new());
    while client.0.send(ping()).await.is_ok() {
        assert!(Instant::now() < until, "the connection stays");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(produced(), before);
}

#[actix_web::test]
async fn a_client_must_speak_our_subprotocol() {
    let toy = toy();
    for protocol in ["", "graphql-ws"] {
        let heard = match connect(&toy, protocol, None).await {
            Ok(mut client) => client.hear().await,
            // This client does not go on without its protocol.
            Err(_) => Heard::Closed(4406),
        };
        assert_eq!(heard, Heard::Closed(4406), "{protocol}");
    }
    let both = connect(&toy, "graphql-ws, graphql-transport-ws", None).await;
    assert!(both.is_ok());
}

#[actix_web::test]
async fn pages_of_other_origins_may_not_open_a_socket() {
    let toy_same = toy();
    let own = format!("http://{}", toy_same.address);
    let opens = async |toy: &Toy, origin: &str| {
        connect(toy, "graphql-transport-ws", Some(origin))
            .await
            .is_ok()
    };
    assert!(opens(&toy_same, &own).await);
    assert!(!opens(&toy_same, "https://evil.example").await);
    assert!(!opens(&toy_same, "null").await);
    let toy = with_socket(|socket| {
        socket.origins = Origins::Listed(vec!["https://kaitsu.example".to_owned()]);
    });
    assert!(opens(&toy, "https://kaitsu.example").await);
    assert!(!opens(&toy, &own).await);
}

#[actix_web::test]
async fn a_server_that_stops_says_goodbye() {
    let toy = toy();
    let mut client = ready(&toy).await;
    client.subscribe("a", "subscription { silence }").await;
    eventually_begun(&toy, 1).await;
    toy.settings.socket.shutdown.cancel();
    assert_eq!(client.hear().await, Heard::Closed(1001));
    eventually("it stops", || toy.counters.live.load(Ordering::SeqCst) == 0).await;
}

#[actix_web::test]
async fn whoever_cannot_be_checked_now_is_told_to_come_again() {
    let toy = toy();
    let mut client = open(&toy).await;
    client
        .say(&json!({"type": "connection_init", "payload": {"token": "away"}}))
        .await;
    assert_eq!(client.hear().await, Heard::Closed(1013));
}

/// Hears the answer of a mutation that was under way when the socket had to end, and then the end.
async fn hears_the_answer_first(toy: &Toy, client: &mut Client, code: u16) {
    eventually("the subscription stops", || {
        toy.counters.live.load(Ordering::SeqCst) == 0
    })
    .await;
    toy.counters.told.notify_one();
    assert_eq!(
        client.hear_said().await,
        json!({"type": "next", "id": "m", "payload": {"data": {"bumpWhenTold": 1}}})
    );
    assert_eq!(
        client.hear_said().await,
        json!({"type": "complete", "id": "m"})
    );
    assert_eq!(client.hear().await, Heard::Closed(code));
}

#[actix_web::test]
async fn a_mutation_under_way_is_answered_when_the_server_stops() {
    let toy = toy();
    let mut client = ready(&toy).await;
    client.subscribe("s", "subscription { silence }").await;
    client.subscribe("m", "mutation { bumpWhenTold }").await;
    eventually_begun(&toy, 2).await;
    toy.settings.socket.shutdown.cancel();
    hears_the_answer_first(&toy, &mut client, 1001).await;
}

#[actix_web::test]
async fn a_mutation_under_way_is_answered_when_the_token_expires() {
    let toy = toy();
    let mut client = open(&toy).await;
    client
        .say(&json!({"type": "connection_init", "payload": {"token": "short"}}))
        .await;
    assert_eq!(client.hear_said().await["type"], "connection_ack");
    client.subscribe("s", "subscription { silence }").await;
    client.subscribe("m", "mutation { bumpWhenTold }").await;
    eventually_begun(&toy, 2).await;
    hears_the_answer_first(&toy, &mut client, 4403).await;
}
