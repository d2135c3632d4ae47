//! The doors of the API: GraphQL over HTTP (`graphql`), graphql-transport-ws on a web socket (`websocket`), and
//! GraphiQL (`graphiql`). All of them lead through one `endpoint`, which asks the `gate` who is there and what they may
//! do. `client` tells where a request comes from, `negotiation` which media type it gets, `incoming` reads it and
//! `answer` writes what may be seen. Files come in and go out by `sheets`.
//!
//! The `server` around them gives each request its id, its log line and its security headers, and serves `health` and
//! `metrics`.

mod answer;
mod client;
mod endpoint;
mod gate;
mod graphiql;
mod graphql;
mod health;
mod incoming;
mod metrics;
mod negotiation;
mod server;
mod sheets;
mod socket_protocol;
mod websocket;

use actix_web::web;
use async_graphql::Executor;

pub use client::{Network, NotANetwork, ProxyHeader, RequestIds, TrustedProxies};
pub use endpoint::{Endpoint, Settings};
pub use gate::{Credentials, Gate, Refusal, coded};
pub use graphiql::mount as mount_graphiql;
pub use health::{Check, Health};
pub use metrics::{MetricsPage, describe_metrics};
pub use server::{Parts, RunningServer, ServerSettings, start};
pub use sheets::{ActorGate, SheetDoor, SheetSettings, mount as mount_sheets};
pub use websocket::{Origins, SocketSettings, remember_connection};

/// Serves an endpoint at a path, for HTTP and web sockets alike.
pub fn mount<E: Executor, G: Gate>(
    services: &mut web::ServiceConfig,
    path: &str,
    endpoint: web::Data<Endpoint<E, G>>,
) {
    services.service(
        web::resource(path)
            .app_data(endpoint)
            .route(web::post().to(graphql::post::<E, G>))
            .route(web::get().to(graphql::get::<E, G>))
            .default_service(web::route().to(graphql::other::<E, G>)),
    );
}
