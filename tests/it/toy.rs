//! A small schema behind the real endpoint, served on a loopback port of its own, and an HTTP client that sends
//! exactly the bytes it is told to.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use actix_web::{App, HttpServer, http::StatusCode, web};
use async_graphql::{
    Context, Enum, Error, InputObject, MaybeUndefined, Object, Request, Result, Schema,
    SimpleObject, Subscription, parser::types::OperationType,
};
use futures_util::{Stream, StreamExt, stream};
use kaitsu::{
    api::{Checker, Limits},
    http::{Credentials, Endpoint, Gate, Refusal, RequestIds, Settings, coded},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Notify,
};

use crate::support::process::PATIENCE;

pub struct Query;

#[derive(Enum, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    Red,
    Green,
}

#[derive(InputObject)]
pub struct Filter {
    pub name: String,
    pub colour: Option<Colour>,
    pub limit: MaybeUndefined<i32>,
}

#[derive(SimpleObject)]
pub struct PageInfo {
    has_next_page: bool,
}

#[derive(SimpleObject)]
pub struct ThingEdge {
    node: Thing,
}

#[derive(SimpleObject)]
pub struct ThingConnection {
    edges: Vec<ThingEdge>,
    nodes: Vec<Thing>,
    page_info: PageInfo,
    total_count: i32,
}

pub struct Thing;

#[Object]
impl Thing {
    async fn id(&self) -> i32 {
        1
    }
    async fn name(&self) -> &str {
        "thing"
    }
    async fn thing(&self) -> Thing {
        Thing
    }
    async fn things(&self, first: Option<i32>, last: Option<i32>) -> ThingConnection {
        let _ = (first, last);
        connection()
    }
    async fn required_but_broken(&self) -> Result<i32> {
        Err(Error::new("secret detail"))
    }
    async fn optional_but_broken(&self) -> Result<Option<i32>> {
        Err(Error::new("secret detail"))
    }
}

fn connection() -> ThingConnection {
    ThingConnection {
        edges: vec![ThingEdge { node: Thing }],
        nodes: vec![Thing],
        page_info: PageInfo {
            has_next_page: false,
        },
        total_count: 1,
    }
}

fn describe(value: MaybeUndefined<i32>) -> String {
    match value {
        MaybeUndefined::Undefined => "absent".to_owned(),
        MaybeUndefined::Null => "null".to_owned(),
        MaybeUndefined::Value(value) => value.to_string(),
    }
}

#[Object]
impl Query {
    async fn hello(&self, name: Option<String>) -> String {
        format!("hello {}", name.unwrap_or_else(|| "world".to_owned()))
    }
    async fn greet(&self, name: String) -> String {
        format!("hello {name}")
    }
    async fn whoami(&self, ctx: &Context<'_>) -> Result<String> {
        Ok(ctx.data::<Caller>()?.name.to_owned())
    }
    async fn address(&self, ctx: &Context<'_>) -> Result<String> {
        Ok(ctx.data::<Caller>()?.address.clone())
    }
    async fn secret(&self) -> &str {
        "for known callers"
    }
    async fn describe(&self, value: MaybeUndefined<i32>) -> String {
        describe(value)
    }
    async fn filtered(&self, filter: Filter) -> String {
        format!("{} {}", filter.name, describe(filter.limit))
    }
    async fn sum(&self, of: Vec<i64>) -> i64 {
        of.iter().sum()
    }
    async fn thing(&self) -> Thing {
        Thing
    }
    async fn maybe_thing(&self) -> Option<Thing> {
        Some(Thing)
    }
    async fn things(&self, first: Option<i32>, last: Option<i32>) -> ThingConnection {
        let _ = (first, last);
        connection()
    }
    async fn leaks(&self) -> Result<Option<i32>> {
        Err(std::io::Error::other("password=hunter2"))?
    }
    async fn refuses(&self) -> Result<Option<i32>> {
        let error = coded("no such thing", "NOT_FOUND");
        Err(Error {
            message: error.message,
            source: None,
            extensions: error.extensions,
        })
    }
    async fn short(&self, #[graphql(validator(max_length = 5))] text: String) -> String {
        text
    }
    async fn sleeps(&self, milliseconds: u64) -> bool {
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
        true
    }
    async fn panics(&self) -> bool {
        std::hint::black_box(None).expect("secret detail")
    }
}

pub struct Mutation;

#[Object]
impl Mutation {
    async fn bump(&self, ctx: &Context<'_>) -> Result<i64> {
        Ok(ctx
            .data::<Arc<Counters>>()?
            .bumps
            .fetch_add(1, Ordering::SeqCst)
            + 1)
    }
    /// Bumps when the test says so.
    async fn bump_when_told(&self, ctx: &Context<'_>) -> Result<i64> {
        let counters = ctx.data::<Arc<Counters>>()?;
        counters.begun.fetch_add(1, Ordering::SeqCst);
        counters.told.notified().await;
        Ok(counters.bumps.fetch_add(1, Ordering::SeqCst) + 1)
    }
}

#[derive(Default)]
pub struct Counters {
    pub bumps: AtomicI64,
    pub live: AtomicUsize,
    pub produced: AtomicUsize,
    /// Mutations and subscriptions that wait, so far.
    pub begun: AtomicUsize,
    pub told: Notify,
}

/// Counts as live until it is dropped.
struct Alive(Arc<Counters>);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.live.fetch_sub(1, Ordering::SeqCst);
    }
}

pub struct Subscriptions;

#[Subscription]
impl Subscriptions {
    async fn ticks(&self, count: i32) -> impl Stream<Item = i32> {
        stream::iter(0..count)
    }
    async fn silence(&self, ctx: &Context<'_>) -> Result<impl Stream<Item = i32>> {
        let counters = ctx.data::<Arc<Counters>>()?.clone();
        counters.live.fetch_add(1, Ordering::SeqCst);
        counters.begun.fetch_add(1, Ordering::SeqCst);
        let alive = Alive(counters);
        Ok(stream::pending().map(move |()| {
            let _ = &alive;
            0
        }))
    }
    async fn flood(&self, ctx: &Context<'_>, bytes: usize) -> Result<impl Stream<Item = String>> {
        let counters = ctx.data::<Arc<Counters>>()?.clone();
        Ok(stream::repeat(()).map(move |()| {
            counters.produced.fetch_add(1, Ordering::SeqCst);
            "x".repeat(bytes)
        }))
    }
    async fn broken(&self) -> Result<impl Stream<Item = i32>> {
        Err::<stream::Empty<i32>, _>(Error::new("secret detail"))
    }
}

pub type ToySchema = Schema<Query, Mutation, Subscriptions>;

/// Who the toy gate has let in.
#[derive(Clone)]
pub struct Caller {
    name: &'static str,
    address: String,
    expires_at: Option<i64>,
}

/// Knows the tokens `good`, `short` (expires in five seconds), `slow` (takes long to check) and `away` (can't be
/// checked now).
pub struct ToyGate;

impl Gate for ToyGate {
    type Caller = Caller;

    async fn admit(&self, credentials: Credentials<'_>) -> Result<Caller, Refusal> {
        let (name, expires_at) = match credentials.bearer {
            None => ("anonymous", None),
            Some("good") => ("good", None),
            Some("short") => ("short", Some(1_005)),
            Some("slow") => {
                tokio::time::sleep(Duration::from_secs(30)).await;
                ("slow", None)
            }
            Some("away") => {
                return Err(Refusal {
                    status: StatusCode::SERVICE_UNAVAILABLE,
                    ..Refusal::forbidden("try again")
                });
            }
            Some(_) => return Err(Refusal::unauthenticated("the token is not ours")),
        };
        Ok(Caller {
            name,
            address: credentials.address.to_string(),
            expires_at,
        })
    }

    fn allow(
        &self,
        caller: &Caller,
        _kind: OperationType,
        root_fields: &[String],
    ) -> Result<(), Refusal> {
        if caller.name == "anonymous" && root_fields.iter().any(|field| field == "secret") {
            return Err(Refusal::forbidden("not for you"));
        }
        Ok(())
    }

    fn prepare(&self, caller: &Caller, request: Request) -> Request {
        request.data(caller.clone())
    }

    fn expires_at(&self, caller: &Caller) -> Option<i64> {
        caller.expires_at
    }

    fn now(&self) -> i64 {
        1_000
    }
}

pub fn schema(counters: &Arc<Counters>) -> ToySchema {
    Schema::build(Query, Mutation, Subscriptions)
        .data(Arc::clone(counters))
        .finish()
}

/// A running toy.
pub struct Toy {
    pub address: SocketAddr,
    pub counters: Arc<Counters>,
    pub settings: Settings,
    stop: actix_web::dev::ServerHandle,
}

impl Drop for Toy {
    fn drop(&mut self) {
        // Sends the command at once; nobody has to wait for it.
        drop(self.stop.stop(false));
    }
}

pub fn toy() -> Toy {
    toy_with(Settings::default(), Limits::default())
}

pub fn toy_with(settings: Settings, limits: Limits) -> Toy {
    // This is how long actix-web lingers by itself.
    serve(settings, limits, Duration::from_secs(1))
}

/// A toy that goes on reading for so long after it has answered to a body that it doesn't want.
pub fn lingering_toy(time: Duration) -> Toy {
    serve(Settings::default(), Limits::default(), time)
}

fn serve(settings: Settings, limits: Limits, linger: Duration) -> Toy {
    let counters = Arc::new(Counters::default());
    let schema = schema(&counters);
    let checker = Checker::new(&schema.sdl(), limits).unwrap();
    let endpoint = web::Data::new(Endpoint::new(
        schema,
        ToyGate,
        checker,
        settings.clone(),
        RequestIds::new(1),
    ));
    let server = HttpServer::new(move || {
        let endpoint = endpoint.clone();
        App::new().configure(move |services| {
            kaitsu::http::mount(services, "/graphql", endpoint);
            kaitsu::http::mount_graphiql(services, "/graphiql", "/graphql");
        })
    })
    .on_connect(kaitsu::http::remember_connection)
    .workers(1)
    .client_disconnect_timeout(linger)
    .disable_signals()
    .shutdown_timeout(1)
    .bind(("127.0.0.1", 0))
    .unwrap();
    let address = server.addrs()[0];
    let server = server.run();
    let stop = server.handle();
    tokio::spawn(server);
    Toy {
        address,
        counters,
        settings,
        stop,
    }
}

/// What came back.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: HashMap<String, String>,
    pub body: String,
}

impl Reply {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    pub fn code(&self) -> String {
        let json = self.json();
        json["errors"][0]["extensions"]["code"]
            .as_str()
            .unwrap_or_else(|| panic!("no code: {json}"))
            .to_owned()
    }
}

impl Toy {
    /// Sends bytes and reads until the server closes.
    pub async fn raw(&self, bytes: &[u8]) -> Reply {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        read_reply(stream).await
    }

    pub async fn send(&self, method: &str, target: &str, headers: &[&str], body: &[u8]) -> Reply {
        let mut head = format!("{method} {target} HTTP/1.1\r\nhost: toy\r\nconnection: close\r\n");
        for header in headers {
            head.push_str(header);
            head.push_str("\r\n");
        }
        if method == "POST" {
            head.push_str(&format!("content-length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        self.raw(&[head.as_bytes(), body].concat()).await
    }

    pub async fn post_with(&self, headers: &[&str], body: &str) -> Reply {
        let headers = [headers, &["content-type: application/json"]].concat();
        self.send("POST", "/graphql", &headers, body.as_bytes())
            .await
    }

    pub async fn post(&self, body: &serde_json::Value) -> Reply {
        self.post_with(&[], &body.to_string()).await
    }

    /// Posts a document without variables.
    pub async fn query(&self, query: &str) -> Reply {
        self.post(&serde_json::json!({ "query": query })).await
    }
}

pub async fn read_reply(mut stream: impl AsyncRead + Unpin) -> Reply {
    let mut bytes = Vec::new();
    tokio::time::timeout(PATIENCE, async {
        // A reset after the answer is as good as an end.
        let _ = stream.read_to_end(&mut bytes).await;
    })
    .await
    .expect("the server neither answered nor closed");
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text
        .split_once("\r\n\r\n")
        .unwrap_or_else(|| panic!("no answer: {text:?}"));
    let mut lines = head.lines();
    let status = lines.next().unwrap()[9..12].parse().unwrap();
    let headers = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    Reply {
        status,
        headers,
        body: body.to_owned(),
    }
}
