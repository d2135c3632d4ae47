//! Sockets that stay open while what their callers may do becomes less.

use std::{
    net::SocketAddr,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use actix_web::{App, HttpServer, dev::ServerHandle, web};
use async_graphql::{Executor, Request, parser::types::OperationType};
use chrono::TimeDelta;
use futures_util::{SinkExt, StreamExt};
use kaitsu::{
    api::{Checker, Limits, schema},
    app::{Services, gate::AccountGate},
    auth::{
        OrganisationKind as Kind, Permission, Role,
        service::{MemberRemove, ServiceTokenCreate},
    },
    db::Backend,
    http::{self, Credentials, Endpoint, Gate, Refusal, RequestIds, Settings},
};
use rstest::rstest;
use serde_json::{Value, json};
use tokio::{net::TcpStream, sync::Semaphore};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Message, client::IntoClientRequest},
};

use super::member::own;
use crate::{
    support::{accounts::World, process::PATIENCE},
    toy::{self, Counters},
};

const READ: &str = "{ facilities(first: 1) { totalCount } }";
const REGISTER: &str = r#"mutation { facilityRegister(input: { code: "0110112489", kind: MEDICAL_CLINIC,
    name: "みなと内科", openedOn: "2020-04-01" }) { userErrors { code } } }"#;
const FOLLOW: &str = "subscription { changes { cursor } }";
const REFER: &str = r#"mutation { facilityReferenceSet(input: { facility: { code: "0110112489" },
    reference: "17" }) { userErrors { code } } }"#;
const VIEWER: &str = "{ viewer { permissions } }";
const RENAME: &str = r#"mutation { userUpdate(input: { name: "鈴木" }) { userErrors { code } } }"#;

/// A server on a port of its own.
struct Server {
    address: SocketAddr,
    stop: ServerHandle,
}

impl Drop for Server {
    fn drop(&mut self) {
        // Sends the command at once; nobody has to wait for it.
        drop(self.stop.stop(false));
    }
}

impl Server {
    fn start<E: Executor, G: Gate>(endpoint: Endpoint<E, G>) -> Self {
        let endpoint = web::Data::new(endpoint);
        let server = HttpServer::new(move || {
            let endpoint = endpoint.clone();
            App::new().configure(move |services| http::mount(services, "/graphql", endpoint))
        })
        .workers(1)
        .disable_signals()
        .shutdown_timeout(1)
        .bind(("127.0.0.1", 0))
        .unwrap();
        let address = server.addrs()[0];
        let server = server.run();
        let stop = server.handle();
        tokio::spawn(server);
        Self { address, stop }
    }
}

/// The accounts behind their real gate.
struct Deployment {
    server: Server,
    world: World,
}

impl Deployment {
    async fn new(backend: Backend) -> Self {
        let world = World::new(backend).await;
        let services = Services::new(world.db().clone(), world.clock.clone());
        let schema = schema::build(&services, Arc::clone(&world.auth));
        let checker = Checker::new(&schema.sdl(), Limits::default()).unwrap();
        let gate = AccountGate::new(Arc::clone(&world.auth), services);
        let (settings, ids) = (Settings::default(), RequestIds::new(1));
        let endpoint = Endpoint::new(schema, gate, checker, settings, ids);
        Self {
            server: Server::start(endpoint),
            world,
        }
    }

    /// A socket of an editor of a vendor.
    async fn socket_of_editor(&self, email: &str) -> Socket {
        self.world.user(email, Kind::Vendor, Role::Editor).await;
        let session = self.world.log_in(email).await;
        Socket::open(&self.server, &session.access_token).await
    }
}

struct Socket(WebSocketStream<TcpStream>);

impl Socket {
    /// A socket whose token was accepted.
    async fn open(server: &Server, token: &str) -> Self {
        let url = format!("ws://{}/graphql", server.address);
        let mut request = url.into_client_request().unwrap();
        request.headers_mut().insert(
            "sec-websocket-protocol",
            "graphql-transport-ws".parse().unwrap(),
        );
        let stream = TcpStream::connect(server.address).await.unwrap();
        let (socket, _) = client_async(request, stream).await.unwrap();
        let mut socket = Self(socket);
        let init = json!({ "type": "connection_init", "payload": { "token": token } });
        socket.say(&init).await;
        assert_eq!(socket.hear().await, Ok(json!({ "type": "connection_ack" })));
        socket
    }

    async fn say(&mut self, message: &Value) {
        self.0
            .send(Message::text(message.to_string()))
            .await
            .unwrap();
    }

    /// What is said next, or the code with which the socket is closed.
    async fn hear(&mut self) -> Result<Value, u16> {
        loop {
            let next = tokio::time::timeout(PATIENCE, self.0.next())
                .await
                .expect("nothing was heard");
            match next {
                Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Close(Some(frame)))) => return Err(frame.code.into()),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    async fn subscribe(&mut self, id: &str, document: &str) {
        let message = json!({ "id": id, "type": "subscribe", "payload": { "query": document } });
        self.say(&message).await;
    }

    /// Comes back when everything that was said before has been taken note of.
    async fn is_understood(&mut self) {
        self.say(&json!({ "type": "ping" })).await;
        assert_eq!(self.hear().await, Ok(json!({ "type": "pong" })));
    }

    /// Runs an operation: its data, or the code of why it did not run.
    async fn ask(&mut self, document: &str) -> Result<Value, String> {
        self.subscribe("a", document).await;
        let said = self.hear().await.unwrap();
        if said["type"] == "error" {
            let code = said["payload"][0]["extensions"]["code"].as_str();
            return Err(code.unwrap().to_owned());
        }
        assert_eq!(said["type"], "next", "{said}");
        assert_eq!(said["payload"].get("errors"), None, "{said}");
        self.hear_complete("a").await;
        Ok(said["payload"]["data"].clone())
    }

    async fn hear_complete(&mut self, id: &str) {
        let complete = json!({ "type": "complete", "id": id });
        assert_eq!(self.hear().await, Ok(complete));
    }

    /// An operation is refused for good, and the socket ends with it.
    async fn is_shut_out(&mut self, document: &str) {
        let refused = self.ask(document).await;
        assert_eq!(refused, Err("UNAUTHENTICATED".to_owned()));
        assert_eq!(self.hear().await, Err(4403));
    }
}

#[rstest]
#[case::query(READ)]
#[case::mutation(REGISTER)]
#[case::subscription(FOLLOW)]
#[actix_web::test]
async fn a_revoked_service_token_does_nothing_more_on_an_open_socket(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
    #[case] document: &str,
) {
    let deployment = Deployment::new(backend).await;
    let world = &deployment.world;
    let ministry = world
        .actor("ministry@example.jp", Kind::Ministry, Role::Admin)
        .await;
    let wish = ServiceTokenCreate {
        organisation: own(&ministry),
        name: "nightly upload".to_owned(),
        role: Role::Editor,
        permissions: vec![Permission::FacilityRead, Permission::RegistryWrite],
        expires_at: world.clock.now() + TimeDelta::days(400),
    };
    let made = world
        .auth
        .create_service_token(&world.writer(&ministry), &wish)
        .await
        .unwrap()
        .fresh
        .unwrap();
    let secret = made.secret.unwrap();
    let mut socket = Socket::open(&deployment.server, &secret).await;
    assert_eq!(
        socket.ask(READ).await,
        Ok(json!({ "facilities": { "totalCount": 0 } }))
    );
    world
        .auth
        .revoke_service_token(&world.writer(&ministry), made.token.id)
        .await
        .unwrap();
    socket.is_shut_out(document).await;
    let facilities = "SELECT COUNT(*) FROM facility";
    assert_eq!(world.database.number(facilities).await, 0);
}

#[rstest]
#[case::query(VIEWER)]
#[case::mutation(RENAME)]
#[actix_web::test]
async fn a_disabled_user_does_nothing_more_on_an_open_socket(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
    #[case] document: &str,
) {
    let deployment = Deployment::new(backend).await;
    let mut socket = deployment.socket_of_editor("taro@example.jp").await;
    socket.ask(document).await.unwrap();
    deployment
        .world
        .auth
        .set_user_disabled("taro@example.jp", true)
        .await
        .unwrap();
    socket.is_shut_out(document).await;
}

#[rstest]
#[actix_web::test]
async fn a_removed_member_reads_and_writes_nothing_more_on_an_open_socket(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let deployment = Deployment::new(backend).await;
    let world = &deployment.world;
    let admin = world
        .actor("admin@example.jp", Kind::Vendor, Role::Admin)
        .await;
    let mut socket = deployment.socket_of_editor("taro@example.jp").await;
    for document in [READ, REFER] {
        socket.ask(document).await.unwrap();
    }
    let taro = "SELECT id FROM user_account WHERE email = 'taro@example.jp'";
    let remove = MemberRemove {
        organisation: own(&admin),
        user: kaitsu::db::UserId(world.database.number(taro).await),
    };
    world
        .auth
        .remove_member(&world.writer(&admin), &remove)
        .await
        .unwrap();
    for document in [READ, REFER] {
        let refused = socket.ask(document).await;
        assert_eq!(refused, Err("FORBIDDEN".to_owned()), "{document}");
    }
    // The login goes on, and so does the socket.
    assert_eq!(
        socket.ask(VIEWER).await,
        Ok(json!({ "viewer": { "permissions": [] } }))
    );
}

#[rstest]
#[actix_web::test]
async fn a_caller_who_cannot_be_checked_now_is_told_so_and_keeps_the_socket(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let deployment = Deployment::new(backend).await;
    let mut socket = deployment.socket_of_editor("taro@example.jp").await;
    let database = &deployment.world.database;
    database.run("ALTER TABLE session RENAME TO lost").await;
    for document in [VIEWER, RENAME] {
        let refused = socket.ask(document).await;
        assert_eq!(refused, Err("UNAVAILABLE".to_owned()), "{document}");
    }
    database.run("ALTER TABLE lost RENAME TO session").await;
    socket.ask(VIEWER).await.unwrap();
}

/// Lets one caller in for each permit that a test gives, and nobody any more once it is closed.
struct Turnstile(Arc<Semaphore>);

impl Gate for Turnstile {
    type Caller = ();

    async fn admit(&self, _: Credentials<'_>) -> Result<(), Refusal> {
        let permit = self.0.acquire().await;
        permit
            .map(|permit| permit.forget())
            .map_err(|_| Refusal::unauthenticated("the token was revoked"))
    }

    fn allow(&self, (): &(), _: OperationType, _: &[String]) -> Result<(), Refusal> {
        Ok(())
    }

    fn prepare(&self, (): &(), request: Request) -> Request {
        request
    }

    fn expires_at(&self, (): &()) -> Option<i64> {
        None
    }

    fn now(&self) -> i64 {
        0
    }
}

/// A toy behind a turnstile, with a socket that was let in.
struct Queue {
    _server: Server,
    socket: Socket,
    permits: Arc<Semaphore>,
    counters: Arc<Counters>,
}

impl Queue {
    async fn new(settings: Settings) -> Self {
        let permits = Arc::new(Semaphore::new(1));
        let counters = Arc::new(Counters::default());
        let schema = toy::schema(&counters);
        let checker = Checker::new(&schema.sdl(), Limits::default()).unwrap();
        let gate = Turnstile(Arc::clone(&permits));
        let ids = RequestIds::new(1);
        let server = Server::start(Endpoint::new(schema, gate, checker, settings, ids));
        Self {
            socket: Socket::open(&server, "any").await,
            _server: server,
            permits,
            counters,
        }
    }

    fn bumps(&self) -> i64 {
        self.counters.bumps.load(Ordering::SeqCst)
    }
}

#[actix_web::test]
async fn an_operation_that_is_still_being_admitted_counts_and_can_be_taken_back() {
    let mut settings = Settings::default();
    settings.socket.operations = 1;
    let mut queue = Queue::new(settings).await;
    queue.socket.subscribe("m", "mutation { bump }").await;
    let refused = queue.socket.ask("{ hello }").await;
    assert_eq!(refused, Err("TOO_MANY_SUBSCRIPTIONS".to_owned()));
    let complete = json!({ "type": "complete", "id": "m" });
    queue.socket.say(&complete).await;
    queue.socket.is_understood().await;
    queue.permits.add_permits(2);
    let hello = queue.socket.ask("{ hello }").await;
    assert_eq!(hello, Ok(json!({ "hello": "hello world" })));
    assert_eq!(queue.bumps(), 0);
}

#[actix_web::test]
async fn a_mutation_that_is_still_being_admitted_is_answered_when_the_server_stops() {
    let settings = Settings::default();
    let shutdown = settings.socket.shutdown.clone();
    let mut queue = Queue::new(settings).await;
    let socket = &mut queue.socket;
    socket.subscribe("s", "subscription { silence }").await;
    socket.subscribe("m", "mutation { bump }").await;
    socket.is_understood().await;
    shutdown.cancel();
    queue.permits.add_permits(2);
    let answer = json!({ "type": "next", "id": "m", "payload": { "data": { "bump": 1 } } });
    assert_eq!(socket.hear().await, Ok(answer));
    socket.hear_complete("m").await;
    assert_eq!(socket.hear().await, Err(1001));
}

#[actix_web::test]
async fn a_mutation_under_way_is_answered_though_the_next_operation_is_shut_out() {
    let mut queue = Queue::new(Settings::default()).await;
    queue.permits.add_permits(1);
    queue
        .socket
        .subscribe("m", "mutation { bumpWhenTold }")
        .await;
    let until = Instant::now() + PATIENCE;
    while queue.counters.begun.load(Ordering::SeqCst) == 0 {
        assert!(Instant::now() < until, "the mutation does not begin");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    queue.permits.close();
    let refused = queue.socket.ask("{ hello }").await;
    assert_eq!(refused, Err("UNAUTHENTICATED".to_owned()));
    queue.counters.told.notify_one();
    let answer = json!({ "type": "next", "id": "m", "payload": { "data": { "bumpWhenTold": 1 } } });
    assert_eq!(queue.socket.hear().await, Ok(answer));
    queue.socket.hear_complete("m").await;
    assert_eq!(queue.socket.hear().await, Err(4403));
}
