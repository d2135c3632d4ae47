//! GraphQL over HTTP at one address: POST and GET, as the published audits of the `graphql-http` project test it.
//! A request is turned away as early as possible: by what it accepts, by its content type, by its token, and only then
//! is its body read. A body other than JSON is refused, which is also what keeps other sites' forms out.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        StatusCode,
        header::{self, HeaderValue},
    },
    web,
};
use async_graphql::{Executor, ServerError};

use super::{
    answer,
    client::REQUEST_ID,
    endpoint::{Door, Endpoint, Rejection},
    gate::{Credentials, Gate, Refusal, coded},
    incoming::{self, Incoming, Parameters, Unreadable},
    negotiation::{self, MediaType},
    websocket,
};

/// Asks for the cost of the request in `extensions.cost`.
const COST: &str = "x-kaitsu-cost";

/// What an answer needs to know of its request.
struct Exchange {
    id: String,
    media: MediaType,
    show_cost: bool,
}

impl Exchange {
    /// Settles on a media type; the answer if there is none.
    fn open<E: Executor, G: Gate>(
        endpoint: &Endpoint<E, G>,
        request: &HttpRequest,
    ) -> Result<Self, Box<HttpResponse>> {
        let mut exchange = Self {
            id: endpoint.ids.of(request),
            media: MediaType::Json,
            show_cost: request
                .headers()
                .get(COST)
                .is_some_and(|value| value == "1"),
        };
        match negotiation::answer_type(request) {
            Some(media) => {
                exchange.media = media;
                Ok(exchange)
            }
            None => Err(Box::new(exchange.refuse(
                StatusCode::NOT_ACCEPTABLE,
                coded(
                    "answers are application/graphql-response+json or application/json",
                    "NOT_ACCEPTABLE",
                ),
            ))),
        }
    }

    fn answer(&self, status: StatusCode, body: Vec<u8>) -> HttpResponse {
        let mut response = HttpResponse::with_body(status, body);
        let headers = response.headers_mut();
        let media = HeaderValue::from_static(self.media.header());
        headers.insert(header::CONTENT_TYPE, media);
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(header::VARY, HeaderValue::from_static("accept"));
        if let Ok(id) = HeaderValue::from_str(&self.id) {
            headers.insert(REQUEST_ID.clone(), id);
        }
        response.map_into_boxed_body()
    }

    fn refuse(&self, status: StatusCode, error: ServerError) -> HttpResponse {
        let mut body = Vec::with_capacity(160);
        answer::write_errors(vec![error], &mut body);
        self.answer(status, body)
    }

    fn unreadable(&self, error: Unreadable) -> HttpResponse {
        let mut response = self.refuse(error.status(), error.into());
        if error.leaves_the_body_unread() {
            response
                .head_mut()
                .set_connection_type(actix_web::http::ConnectionType::Close);
        }
        response
    }

    fn turn_away(&self, refusal: Refusal) -> HttpResponse {
        let status = refusal.status;
        self.with_challenge(self.refuse(status, refusal.into()))
    }

    fn reject(&self, rejection: Rejection) -> HttpResponse {
        let status = rejection.status.unwrap_or(self.media.request_error());
        let mut body = Vec::with_capacity(256);
        answer::write_errors(rejection.errors, &mut body);
        let mut response = self.with_challenge(self.answer(status, body));
        if status == StatusCode::METHOD_NOT_ALLOWED {
            response
                .headers_mut()
                .insert(header::ALLOW, HeaderValue::from_static("POST"));
        }
        response
    }

    fn with_challenge(&self, mut response: HttpResponse) -> HttpResponse {
        if response.status() == StatusCode::UNAUTHORIZED {
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// Asks the gate who sends a request.
async fn admit<E: Executor, G: Gate>(
    endpoint: &Endpoint<E, G>,
    request: &HttpRequest,
    id: &str,
) -> Result<G::Caller, Refusal> {
    let credentials = Credentials {
        bearer: bearer(request)?,
        address: endpoint.settings.proxies.client(request),
        language: language(request),
        request_id: id,
    };
    endpoint.gate.admit(credentials).await
}

/// The `Accept-Language` of a request.
pub(super) fn language(request: &HttpRequest) -> Option<&str> {
    request
        .headers()
        .get(header::ACCEPT_LANGUAGE)
        .and_then(|value| value.to_str().ok())
}

/// The token of `Authorization: Bearer …`; other schemes are not ours to judge and are refused.
pub(super) fn bearer(request: &HttpRequest) -> Result<Option<&str>, Refusal> {
    let mut values = request.headers().get_all(header::AUTHORIZATION);
    let (value, more) = (values.next(), values.next());
    let Some(value) = value else {
        return Ok(None);
    };
    value
        .to_str()
        .ok()
        .filter(|_| more.is_none())
        .and_then(token_of)
        .map(Some)
        .ok_or_else(|| Refusal::unauthenticated("send one `Authorization: Bearer <token>`"))
}

/// The token within `Bearer <token>`.
pub(super) fn token_of(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.trim().split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() && !token.contains(' '))
        .then_some(token)
}

/// Answers a POST.
pub(super) async fn post<E: Executor, G: Gate>(
    request: HttpRequest,
    payload: web::Payload,
    endpoint: web::Data<Endpoint<E, G>>,
) -> HttpResponse {
    let exchange = match Exchange::open(&endpoint, &request) {
        Ok(exchange) => exchange,
        Err(refused) => return *refused,
    };
    if !negotiation::is_json(&request) {
        return exchange.refuse(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            coded(
                "send application/json in UTF-8, not compressed",
                "UNSUPPORTED_MEDIA_TYPE",
            ),
        );
    }
    let caller = match admit(&endpoint, &request, &exchange.id).await {
        Ok(caller) => caller,
        Err(refusal) => return exchange.turn_away(refusal),
    };
    let settings = &endpoint.settings;
    let body = incoming::body(&request, payload, settings.body_bytes, settings.body_time).await;
    let incoming = body.and_then(|body| incoming::from_json(&body, settings.batch));
    match incoming {
        Ok(Incoming::One(parameters)) => {
            answer_one(&endpoint, &exchange, &caller, parameters, Door::Post).await
        }
        Ok(Incoming::Batch(many)) => answer_batch(&endpoint, &exchange, &caller, many).await,
        Err(error) => exchange.unreadable(error),
    }
}

/// Answers a GET, or opens a socket if that is what is asked for.
pub(super) async fn get<E: Executor, G: Gate>(
    request: HttpRequest,
    payload: web::Payload,
    endpoint: web::Data<Endpoint<E, G>>,
) -> HttpResponse {
    if websocket::is_wanted(&request) {
        return websocket::open(&request, payload, endpoint.into_inner());
    }
    let exchange = match Exchange::open(&endpoint, &request) {
        Ok(exchange) => exchange,
        Err(refused) => return *refused,
    };
    let caller = match admit(&endpoint, &request, &exchange.id).await {
        Ok(caller) => caller,
        Err(refusal) => return exchange.turn_away(refusal),
    };
    match incoming::from_query_string(request.query_string()) {
        Ok(parameters) => answer_one(&endpoint, &exchange, &caller, parameters, Door::Get).await,
        Err(error) => exchange.unreadable(error),
    }
}

/// Answers every other method.
pub(super) async fn other<E: Executor, G: Gate>(
    request: HttpRequest,
    endpoint: web::Data<Endpoint<E, G>>,
) -> HttpResponse {
    let exchange = match Exchange::open(&endpoint, &request) {
        Ok(exchange) => exchange,
        Err(refused) => return *refused,
    };
    let error = coded("use POST or GET", "METHOD_NOT_ALLOWED");
    let mut response = exchange.refuse(StatusCode::METHOD_NOT_ALLOWED, error);
    response
        .headers_mut()
        .insert(header::ALLOW, HeaderValue::from_static("GET, POST"));
    response
}

async fn answer_one<E: Executor, G: Gate>(
    endpoint: &Endpoint<E, G>,
    exchange: &Exchange,
    caller: &G::Caller,
    parameters: Parameters,
    door: Door,
) -> HttpResponse {
    let ready = match endpoint.ready(caller, parameters, door) {
        Ok(ready) => ready,
        Err(rejection) => return exchange.reject(rejection),
    };
    let settled = endpoint.run(ready, &exchange.id, exchange.show_cost).await;
    let status = if settled.ran() {
        StatusCode::OK
    } else {
        exchange.media.request_error()
    };
    let mut body = Vec::with_capacity(1024);
    settled.write(&mut body);
    exchange.answer(status, body)
}

/// Answers an array of requests with an array, in order, one after the other.
async fn answer_batch<E: Executor, G: Gate>(
    endpoint: &Endpoint<E, G>,
    exchange: &Exchange,
    caller: &G::Caller,
    requests: Vec<Parameters>,
) -> HttpResponse {
    let mut body = Vec::with_capacity(1024);
    body.push(b'[');
    for parameters in requests {
        if body.len() > 1 {
            body.push(b',');
        }
        match endpoint.ready(caller, parameters, Door::Post) {
            Ok(ready) => endpoint
                .run(ready, &exchange.id, exchange.show_cost)
                .await
                .write(&mut body),
            Err(rejection) => answer::write_errors(rejection.errors, &mut body),
        }
    }
    body.push(b']');
    exchange.answer(StatusCode::OK, body)
}
