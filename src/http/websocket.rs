//! graphql-transport-ws on a web socket. Each socket is one task that does one thing at a time: it reads a message, or
//! takes the next event of a subscription, or keeps a deadline. It asks no subscription for an event before the last
//! one was handed over, so a client that reads slowly holds back its own events, and one that stops reading is cut off.
//!
//! Each operation is admitted like a request of its own, by the token that was shown at `connection_init`: what was
//! true of its bearer then may be so no more.

use std::{
    collections::HashMap,
    net::{IpAddr, TcpStream},
    os::fd::AsFd,
    sync::Arc,
    time::Duration,
};

use actix_web::{
    HttpRequest, HttpResponse,
    dev::Extensions,
    http::{StatusCode, header},
    web,
};
use actix_ws::{AggregatedMessage, AggregatedMessageStream, ProtocolError, Session};
use async_graphql::{Executor, ServerError, parser::types::OperationType};
use futures_util::{
    Stream, StreamExt,
    stream::{self, AbortHandle, Abortable, BoxStream, SelectAll},
};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::{
    answer::{Settled, write_errors},
    endpoint::{Door, Endpoint},
    gate::{Credentials, Gate, Refusal, coded},
    graphql::{bearer, language},
    incoming::Parameters,
    socket_protocol::{self as protocol, ClientMessage, Closing, SUBPROTOCOL},
};

/// Which pages may open a socket. Browsers send cookies and the like with it and do not ask first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Origins {
    /// Pages of the host that the socket is opened on.
    #[default]
    SameHost,
    /// Pages of these origins, such as `https://kaitsu.example`.
    Listed(Vec<String>),
}

/// What an operator may set for sockets.
#[derive(Debug, Clone)]
pub struct SocketSettings {
    /// How long `connection_init` may take, its check included.
    pub init_time: Duration,
    /// How often the client is pinged. One that is silent for three of these is gone.
    pub keep_alive: Duration,
    /// How long the client may take no data before it is cut off.
    pub slow_time: Duration,
    /// Operations that run at a time on one socket.
    pub operations: usize,
    /// The longest message, in bytes.
    pub message_bytes: usize,
    /// Which pages may open a socket.
    pub origins: Origins,
    /// Cancelled when the server stops; all sockets are closed then.
    pub shutdown: CancellationToken,
}

impl Default for SocketSettings {
    fn default() -> Self {
        Self {
            init_time: Duration::from_secs(10),
            keep_alive: Duration::from_secs(12),
            slow_time: Duration::from_secs(10),
            operations: 16,
            message_bytes: 64 * 1024,
            origins: Origins::default(),
            shutdown: CancellationToken::new(),
        }
    }
}

/// The connection below a socket, kept so that it can be cut: a client that reads nothing would not even take a close
/// frame, and actix-web waits for it for ever.
struct Wire(TcpStream);

/// Keeps hold of a connection. To be called from `HttpServer::on_connect`; without it, a client that stopped reading
/// keeps its connection, and the little that is buffered for it, until it goes away.
pub fn remember_connection(connection: &dyn std::any::Any, extensions: &mut Extensions) {
    let Some(connection) = connection.downcast_ref::<actix_web::rt::net::TcpStream>() else {
        return;
    };
    if let Ok(held) = connection.as_fd().try_clone_to_owned() {
        extensions.insert(Arc::new(Wire(TcpStream::from(held))));
    }
}

/// Whether a request asks for a web socket.
pub(super) fn is_wanted(request: &HttpRequest) -> bool {
    request
        .headers()
        .get(header::UPGRADE)
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// Opens a socket.
pub(super) fn open<E: Executor, G: Gate>(
    request: &HttpRequest,
    payload: web::Payload,
    endpoint: Arc<Endpoint<E, G>>,
) -> HttpResponse {
    if !may_open(&endpoint.settings.socket.origins, request) {
        let mut body = Vec::new();
        let error = coded(
            "pages of this origin may not open a socket",
            "FORBIDDEN_ORIGIN",
        );
        write_errors(vec![error], &mut body);
        return HttpResponse::build(StatusCode::FORBIDDEN)
            .content_type("application/json; charset=utf-8")
            .body(body);
    }
    let (response, session, messages) =
        match actix_ws::handle_with_protocols(request, payload, &[SUBPROTOCOL]) {
            Ok(opened) => opened,
            Err(error) => return error.error_response(),
        };
    let settings = &endpoint.settings.socket;
    let messages = messages
        .max_frame_size(settings.message_bytes)
        .aggregate_continuations()
        .max_continuation_size(settings.message_bytes);
    let speaks = response
        .headers()
        .contains_key(header::SEC_WEBSOCKET_PROTOCOL);
    let socket = Socket {
        session,
        origin: Arc::new(Sender {
            id: endpoint.ids.of(request),
            address: endpoint.settings.proxies.client(request),
            language: language(request).map(ToOwned::to_owned),
            bearer: bearer(request)
                .ok()
                .flatten()
                .map(|token| Bearer(token.to_owned())),
        }),
        wire: request.conn_data::<Arc<Wire>>().map(Arc::clone),
        caller: None,
        expiry: None,
        running: HashMap::new(),
        events: SelectAll::new(),
        operations: 0,
        endpoint,
    };
    actix_web::rt::spawn(socket.serve(messages, speaks));
    response
}

fn may_open(origins: &Origins, request: &HttpRequest) -> bool {
    let Some(origin) = request.headers().get(header::ORIGIN) else {
        // Not a browser.
        return true;
    };
    let Ok(origin) = origin.to_str() else {
        return false;
    };
    match origins {
        Origins::SameHost => origin
            .split_once("://")
            .is_some_and(|(_, host)| host.eq_ignore_ascii_case(request.connection_info().host())),
        Origins::Listed(listed) => listed
            .iter()
            .any(|known| known.eq_ignore_ascii_case(origin)),
    }
}

/// Who opened a socket.
#[derive(Clone)]
struct Sender {
    id: String,
    address: IpAddr,
    language: Option<String>,
    bearer: Option<Bearer>,
}

/// A token that is kept for as long as its socket. It can't be printed, so that no log gets to know it.
#[derive(Clone)]
struct Bearer(String);

impl Sender {
    /// Asks the gate who this is by now.
    async fn admit<G: Gate>(&self, gate: &G, request_id: &str) -> Result<G::Caller, Refusal> {
        gate.admit(Credentials {
            bearer: self.bearer.as_ref().map(|bearer| bearer.0.as_str()),
            address: self.address,
            language: self.language.as_deref(),
            request_id,
        })
        .await
    }
}

/// An operation that is under way.
struct Running {
    /// It turned out to be a subscription, which goes on until somebody ends it.
    lasts: bool,
    handle: AbortHandle,
}

/// Something that happened to an operation.
enum Event {
    /// Its caller was not let in.
    TurnedAway(Refusal),
    /// It may not run.
    Rejected(Vec<ServerError>),
    /// It is a subscription.
    Subscribed,
    Next(Box<Settled>),
    Done,
}

/// An operation that was asked for.
struct Operation<E, G> {
    endpoint: Arc<Endpoint<E, G>>,
    sender: Arc<Sender>,
    request_id: String,
}

impl<E: Executor, G: Gate> Operation<E, G> {
    /// Begins it in the order of a POST: first its caller is admitted, then it is checked, then it runs.
    async fn begin(self, parameters: Parameters) -> BoxStream<'static, Event> {
        let Self {
            endpoint,
            sender,
            request_id,
        } = self;
        let caller = match sender.admit(&endpoint.gate, &request_id).await {
            Ok(caller) => caller,
            Err(refusal) => return only(Event::TurnedAway(refusal)),
        };
        let ready = match endpoint.ready(&caller, parameters, Door::Socket) {
            Ok(ready) => ready,
            Err(rejection) => return only(Event::Rejected(rejection.errors)),
        };
        if ready.kind() == OperationType::Subscription {
            let results = until_done(endpoint.stream(ready, request_id));
            return only(Event::Subscribed).chain(results).boxed();
        }
        until_done(stream::once(async move {
            endpoint.run(ready, &request_id, false).await
        }))
    }
}

fn only(event: Event) -> BoxStream<'static, Event> {
    stream::iter([event]).boxed()
}

fn until_done(results: impl Stream<Item = Settled> + Send + 'static) -> BoxStream<'static, Event> {
    results
        .map(|settled| Event::Next(Box::new(settled)))
        .chain(only(Event::Done))
        .boxed()
}

type Events = BoxStream<'static, (Arc<str>, Event)>;

struct Socket<E: Executor, G: Gate> {
    endpoint: Arc<Endpoint<E, G>>,
    session: Session,
    origin: Arc<Sender>,
    wire: Option<Arc<Wire>>,
    /// As admitted by `connection_init`; `None` until then.
    caller: Option<G::Caller>,
    expiry: Option<Instant>,
    running: HashMap<Arc<str>, Running>,
    events: SelectAll<Abortable<Events>>,
    /// Operations so far, to tell their log lines apart.
    operations: u64,
}

impl<E: Executor, G: Gate> Socket<E, G> {
    async fn serve(mut self, messages: AggregatedMessageStream, speaks: bool) {
        let closing = if speaks {
            match self.talk(messages).await {
                Err(closing) => closing,
                Ok(never) => match never {},
            }
        } else {
            Closing::NoSubprotocol
        };
        let closing = if closing.lets_finish() {
            self.finish().await.err().unwrap_or(closing)
        } else {
            closing
        };
        tracing::debug!(socket = self.origin.id, ?closing, "a socket ends");
        self.end(closing).await;
    }

    /// Ends the subscriptions, and tells the answers of the queries and mutations that are under way: each has its
    /// own time limit.
    async fn finish(&mut self) -> Result<(), Closing> {
        self.end_subscriptions();
        while let Some((id, event)) = self.events.next().await {
            match self.happened(&id, event).await {
                // The socket ends anyway: who is turned away by now costs the others no answer.
                Ok(()) | Err(Closing::Forbidden | Closing::Expired) => {}
                Err(closing) => return Err(closing),
            }
            // What was still being admitted may have turned out to be one.
            self.end_subscriptions();
        }
        Ok(())
    }

    fn end_subscriptions(&self) {
        for running in self.running.values() {
            if running.lasts {
                running.handle.abort();
            }
        }
    }

    async fn end(self, closing: Closing) {
        let patience = self.endpoint.settings.socket.slow_time;
        // Whatever still runs stops before the goodbye.
        drop(self.events);
        let sent = match closing.reason() {
            Some(reason) => tokio::time::timeout(patience, self.session.close(Some(reason)))
                .await
                .is_ok(),
            None => false,
        };
        if !sent && let Some(wire) = self.wire {
            // The connection may be gone already; then there is nothing to cut.
            let _ = wire.0.shutdown(std::net::Shutdown::Both);
        }
    }

    /// Keeps the conversation up until there is a reason to end it.
    async fn talk(
        &mut self,
        mut messages: AggregatedMessageStream,
    ) -> Result<std::convert::Infallible, Closing> {
        let settings = self.endpoint.settings.socket.clone();
        let init_end = Instant::now() + settings.init_time;
        let mut pulse = tokio::time::interval(settings.keep_alive);
        pulse.set_missed_tick_behavior(MissedTickBehavior::Delay);
        pulse.reset();
        let mut silent_pulses = 0_u8;
        loop {
            let deadline = match (&self.caller, self.expiry) {
                (None, _) => Some((init_end, Closing::InitTimeout)),
                (Some(_), Some(expiry)) => Some((expiry, Closing::Expired)),
                (Some(_), None) => None,
            };
            tokio::select! {
                message = messages.recv() => {
                    silent_pulses = 0;
                    self.heard(message, init_end).await?;
                }
                Some((id, event)) = self.events.next(), if !self.events.is_empty() => {
                    self.happened(&id, event).await?;
                }
                () = settings.shutdown.cancelled() => return Err(Closing::GoingAway),
                closing = reached(deadline) => return Err(closing),
                _ = pulse.tick() => {
                    silent_pulses += 1;
                    if silent_pulses > 3 {
                        return Err(Closing::SlowConsumer);
                    }
                    self.ping().await?;
                }
            }
        }
    }

    async fn heard(
        &mut self,
        message: Option<Result<AggregatedMessage, ProtocolError>>,
        init_end: Instant,
    ) -> Result<(), Closing> {
        match message {
            None => Err(Closing::Gone),
            Some(Ok(AggregatedMessage::Close(reason))) => {
                Err(Closing::ByClient(reason.map(|reason| reason.code)))
            }
            Some(Ok(AggregatedMessage::Text(text))) => {
                self.act(protocol::read(&text)?, init_end).await
            }
            Some(Ok(AggregatedMessage::Binary(_))) => {
                Err(Closing::BadMessage("Binary messages are not understood"))
            }
            Some(Ok(AggregatedMessage::Ping(bytes))) => {
                let patience = self.endpoint.settings.socket.slow_time;
                let sent = tokio::time::timeout(patience, self.session.pong(&bytes)).await;
                delivered(sent)
            }
            Some(Ok(AggregatedMessage::Pong(_))) => Ok(()),
            Some(Err(error)) => Err(broken(&error)),
        }
    }

    async fn act(&mut self, message: ClientMessage, init_end: Instant) -> Result<(), Closing> {
        match message {
            ClientMessage::Init { token } => {
                if self.caller.is_some() {
                    return Err(Closing::SecondInit);
                }
                tokio::time::timeout_at(init_end, self.admit(token))
                    .await
                    .map_err(|_| Closing::InitTimeout)??;
                self.say(protocol::ACK.to_owned()).await
            }
            ClientMessage::Ping { payload } => self.say(protocol::pong(payload.as_deref())).await,
            ClientMessage::Pong => Ok(()),
            ClientMessage::Subscribe { id, parameters } => {
                if self.caller.is_none() {
                    return Err(Closing::Unauthorized);
                }
                self.begin(id, parameters).await
            }
            ClientMessage::Complete { id } => {
                if self.caller.is_none() {
                    return Err(Closing::Unauthorized);
                }
                if let Some(running) = self.running.remove(id.as_str()) {
                    running.handle.abort();
                }
                Ok(())
            }
        }
    }

    async fn admit(&mut self, token: Option<String>) -> Result<(), Closing> {
        if let Some(token) = token {
            Arc::make_mut(&mut self.origin).bearer = Some(Bearer(token));
        }
        let gate = &self.endpoint.gate;
        let caller =
            self.origin
                .admit(gate, &self.origin.id)
                .await
                .map_err(|refusal| match refusal.status {
                    StatusCode::SERVICE_UNAVAILABLE => Closing::Unavailable,
                    _ => Closing::Forbidden,
                })?;
        self.expiry = gate.expires_at(&caller).map(|expires| {
            let left = u64::try_from(expires.saturating_sub(gate.now())).unwrap_or(0);
            // Far beyond what a socket lives, and within what an instant can hold.
            Instant::now() + Duration::from_secs(left.min(30 * 86_400))
        });
        self.caller = Some(caller);
        Ok(())
    }

    /// Begins an operation. It counts at once, though its caller is still to be admitted.
    async fn begin(&mut self, id: String, parameters: Parameters) -> Result<(), Closing> {
        if self.running.contains_key(id.as_str()) {
            return Err(Closing::DuplicateId(id));
        }
        if self.running.len() >= self.endpoint.settings.socket.operations {
            let error = coded(
                "too many operations run on this socket",
                "TOO_MANY_SUBSCRIPTIONS",
            );
            return self.say(protocol::error(&id, &[error])).await;
        }
        self.operations += 1;
        let operation = Operation {
            endpoint: Arc::clone(&self.endpoint),
            sender: Arc::clone(&self.origin),
            request_id: format!("{}-{}", self.origin.id, self.operations),
        };
        let id: Arc<str> = id.into();
        let name = Arc::clone(&id);
        let events: Events = stream::once(operation.begin(parameters))
            .flatten()
            .map(move |event| (Arc::clone(&name), event))
            .boxed();
        let (events, handle) = stream::abortable(events);
        let running = Running {
            lasts: false,
            handle,
        };
        self.running.insert(id, running);
        self.events.push(events);
        Ok(())
    }

    async fn happened(&mut self, id: &str, event: Event) -> Result<(), Closing> {
        match event {
            Event::TurnedAway(refusal) => self.turn_away(id, refusal).await,
            Event::Rejected(errors) => self.reject(id, &errors).await,
            Event::Subscribed => {
                if let Some(running) = self.running.get_mut(id) {
                    running.lasts = true;
                }
                Ok(())
            }
            Event::Next(settled) if settled.ran() => self.say(protocol::next(id, &settled)).await,
            Event::Next(settled) => self.reject(id, settled.errors()).await,
            Event::Done => {
                self.running.remove(id);
                self.say(protocol::complete(id)).await
            }
        }
    }

    /// Ends an operation whose caller was not let in, and the socket with it, unless we could not tell.
    async fn turn_away(&mut self, id: &str, refusal: Refusal) -> Result<(), Closing> {
        let status = refusal.status;
        self.reject(id, &[ServerError::from(refusal)]).await?;
        if status == StatusCode::SERVICE_UNAVAILABLE {
            return Ok(());
        }
        let gate = &self.endpoint.gate;
        let expiry = self
            .caller
            .as_ref()
            .and_then(|caller| gate.expires_at(caller));
        match expiry {
            // It was noticed a moment before the socket's own deadline, which lets others finish.
            Some(expires) if expires <= gate.now() => Err(Closing::Expired),
            _ => Err(Closing::Forbidden),
        }
    }

    /// Ends an operation that does not run.
    async fn reject(&mut self, id: &str, errors: &[ServerError]) -> Result<(), Closing> {
        if let Some(running) = self.running.remove(id) {
            running.handle.abort();
        }
        self.say(protocol::error(id, errors)).await
    }

    /// Hands a message over; the client has its time to take it.
    async fn say(&mut self, text: String) -> Result<(), Closing> {
        let patience = self.endpoint.settings.socket.slow_time;
        let sent = tokio::time::timeout(patience, self.session.text(text)).await;
        delivered(sent)
    }

    async fn ping(&mut self) -> Result<(), Closing> {
        let patience = self.endpoint.settings.socket.slow_time;
        let sent = tokio::time::timeout(patience, self.session.ping(b"")).await;
        delivered(sent)
    }
}

fn delivered(
    sent: Result<Result<(), actix_ws::Closed>, tokio::time::error::Elapsed>,
) -> Result<(), Closing> {
    match sent {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_closed)) => Err(Closing::Gone),
        Err(_elapsed) => Err(Closing::SlowConsumer),
    }
}

async fn reached(deadline: Option<(Instant, Closing)>) -> Closing {
    match deadline {
        Some((instant, closing)) => {
            tokio::time::sleep_until(instant).await;
            closing
        }
        None => std::future::pending().await,
    }
}

fn broken(error: &ProtocolError) -> Closing {
    match error {
        ProtocolError::Overflow => Closing::TooBig,
        ProtocolError::Io(error) if error.kind() == std::io::ErrorKind::InvalidData => {
            Closing::NotUtf8
        }
        // This is how actix-ws says that the parts of a message are too long together.
        ProtocolError::Io(error) if error.to_string().contains("continuation size") => {
            Closing::TooBig
        }
        ProtocolError::Io(_) => Closing::Gone,
        _ => Closing::BadFrame,
    }
}
