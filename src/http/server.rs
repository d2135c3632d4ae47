//! The HTTP server: what every request passes (an id, a log line, metrics, security headers, CORS), and how
//! it starts and stops. Stopping is graceful: no new connections, what is under way is answered.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use actix_cors::Cors;
use actix_web::{
    App, Error, HttpResponse, HttpServer,
    body::MessageBody,
    dev::{Server, ServerHandle, ServiceRequest, ServiceResponse},
    http::header::{self, HeaderMap, HeaderName, HeaderValue},
    middleware::{Next, from_fn},
    web,
};
use tracing::Instrument;

use super::{
    client::{REQUEST_ID, RequestIds},
    health::{self, Health},
    metrics::{self, InFlight, MetricsPage},
    websocket::remember_connection,
};

/// What an operator may set.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    /// Where to listen; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// Threads that answer requests; 0 means one for each core.
    pub workers: usize,
    /// Most connections at once.
    pub max_connections: usize,
    /// How long the head of a request may take to arrive.
    pub header_timeout: Duration,
    /// How long a connection may be idle between requests.
    pub keep_alive: Duration,
    /// How long requests under way may take when the server stops.
    pub shutdown_grace: Duration,
    /// Origins of pages that may use the API from a browser.
    pub cors_origins: Vec<String>,
    /// People reach us by https: browsers are told to insist on it.
    pub secure: bool,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            workers: 0,
            max_connections: 10_000,
            header_timeout: Duration::from_secs(10),
            keep_alive: Duration::from_secs(75),
            shutdown_grace: Duration::from_secs(30),
            cors_origins: Vec::new(),
            secure: false,
        }
    }
}

/// What every server has beside its routes.
#[derive(Clone)]
pub struct Parts {
    /// Ids for requests that bring none.
    pub ids: Arc<RequestIds>,
    /// Readiness.
    pub health: Health,
    /// The metrics page.
    pub metrics: MetricsPage,
}

/// A server that listens.
pub struct RunningServer {
    /// Where.
    pub address: SocketAddr,
    /// Stops it.
    pub handle: ServerHandle,
    /// Ends when it has stopped; it must be polled for the server to run.
    pub server: Server,
}

/// Begins to listen. `mount` adds the routes of the API.
///
/// # Errors
/// When the address can't be listened on.
pub fn start(
    settings: &ServerSettings,
    parts: Parts,
    mount: impl Fn(&mut web::ServiceConfig) + Clone + Send + 'static,
) -> io::Result<RunningServer> {
    let workers = match settings.workers {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        workers => workers,
    };
    let per_worker = settings.max_connections.div_ceil(workers).max(1);
    let (origins, secure) = (settings.cors_origins.clone(), settings.secure);
    let server = HttpServer::new(move || {
        let parts = parts.clone();
        App::new()
            .app_data(web::Data::from(Arc::clone(&parts.ids)))
            .configure(mount.clone())
            .configure(|services| {
                health::mount(services, parts.health);
                metrics::mount(services, parts.metrics);
            })
            .default_service(web::route().to(nowhere))
            .wrap(cors(&origins))
            .wrap(from_fn(move |request, next| observe(request, next, secure)))
    })
    .workers(workers)
    .max_connections(per_worker)
    .keep_alive(settings.keep_alive)
    .client_request_timeout(settings.header_timeout)
    .shutdown_timeout(settings.shutdown_grace.as_secs())
    .on_connect(remember_connection)
    .disable_signals()
    .bind(settings.listen)?;
    let address = server.addrs().first().copied().unwrap_or(settings.listen);
    let server = server.run();
    Ok(RunningServer {
        address,
        handle: server.handle(),
        server,
    })
}

fn cors(origins: &[String]) -> Cors {
    let cors = Cors::default()
        .allowed_methods(["GET", "POST"])
        .allowed_headers([
            header::ACCEPT,
            header::ACCEPT_LANGUAGE,
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            REQUEST_ID.clone(),
            HeaderName::from_static("x-kaitsu-cost"),
        ])
        .expose_headers([REQUEST_ID.clone()])
        .max_age(600);
    origins
        .iter()
        .fold(cors, |cors, origin| cors.allowed_origin(origin))
}

async fn nowhere() -> HttpResponse {
    HttpResponse::NotFound().json(serde_json::json!({
        "errors": [{
            "message": "there is nothing at this address",
            "extensions": { "code": "NOT_FOUND" },
        }],
    }))
}

/// Gives a request its id and its span, and leaves one line and one count of how it was answered.
async fn observe(
    mut request: ServiceRequest,
    next: Next<impl MessageBody>,
    secure: bool,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let id = match request.app_data::<web::Data<RequestIds>>() {
        Some(ids) => ids.of(request.request()),
        None => String::new(),
    };
    let id_value = HeaderValue::from_str(&id).unwrap_or(HeaderValue::from_static(""));
    request
        .headers_mut()
        .insert(REQUEST_ID.clone(), id_value.clone());
    let method = request.method().clone();
    let started = Instant::now();
    let in_flight = InFlight::begin();
    let span = tracing::info_span!("request", id);
    let answered = next.call(request).instrument(span.clone()).await;
    drop(in_flight);
    let time = started.elapsed();
    let (route, status) = match &answered {
        Ok(response) => (response.request().match_pattern(), response.status()),
        Err(error) => (None, error.as_response_error().status_code()),
    };
    let route = route.as_deref().unwrap_or("unmatched");
    metrics::answered(route, &method, status.as_u16(), time);
    span.in_scope(|| {
        tracing::info!(
            target: "kaitsu::access",
            %method,
            route,
            status = status.as_u16(),
            milliseconds = u64::try_from(time.as_millis()).unwrap_or(u64::MAX),
            "answered"
        );
    });
    let mut response = answered?;
    protect(response.headers_mut(), id_value, secure);
    Ok(response)
}

/// Headers that keep browsers from doing harm with our answers; what a handler has set stays.
fn protect(headers: &mut HeaderMap, id: HeaderValue, secure: bool) {
    let mut set = |name: HeaderName, value: &'static str| {
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    };
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::X_FRAME_OPTIONS, "DENY");
    set(header::REFERRER_POLICY, "no-referrer");
    set(header::CACHE_CONTROL, "no-store");
    set(
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; frame-ancestors 'none'",
    );
    if secure {
        set(header::STRICT_TRANSPORT_SECURITY, "max-age=31536000");
    }
    headers.insert(REQUEST_ID.clone(), id);
}
