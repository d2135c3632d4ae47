//! What is served where, beside health and metrics: the wiring of the API's doors.

use std::sync::Arc;

use actix_web::{HttpResponse, web};
use tokio_util::sync::CancellationToken;

use super::{Config, Services, StartError, gate::AccountGate};
use crate::{
    api::{ApiSchema, Checker, policy, schema},
    auth::AuthService,
    http::{self, Endpoint, RequestIds},
};

/// Where GraphQL is served.
pub const GRAPHQL: &str = "/graphql";
/// Where GraphiQL is served, if it is.
pub const GRAPHIQL: &str = "/graphiql";
/// Where the public keys of access tokens are served (RFC 7517).
pub const JWKS: &str = "/.well-known/jwks.json";

/// The API behind its gate.
pub type ApiEndpoint = Endpoint<ApiSchema, AccountGate>;

/// The routes of a process; cheap to clone for each of its threads.
#[derive(Clone)]
pub struct Routes {
    endpoint: web::Data<ApiEndpoint>,
    auth: web::Data<AuthService>,
    graphiql: bool,
}

impl Routes {
    /// Builds what the routes stand on. `closing` is cancelled when open sockets shall be closed.
    ///
    /// # Errors
    /// When a root field of the schema has no policy, or the schema can't be read.
    pub fn open(
        config: &Config,
        services: &Services,
        auth: &Arc<AuthService>,
        closing: &CancellationToken,
    ) -> Result<Self, StartError> {
        let sdl = schema::sdl();
        let unlisted = policy::unlisted(&sdl);
        if !unlisted.is_empty() {
            return Err(StartError::NoPolicy(unlisted));
        }
        let checker = Checker::new(&sdl, config.limits.clone())
            .map_err(|error| StartError::Schema(error.to_string()))?;
        let mut settings = config.endpoint.clone();
        settings.socket.shutdown = closing.clone();
        let endpoint = Endpoint::new(
            schema::build(services, Arc::clone(auth)),
            AccountGate::new(Arc::clone(auth), services.clone()),
            checker,
            settings,
            RequestIds::new(rand::random()),
        );
        Ok(Self {
            endpoint: web::Data::new(endpoint),
            auth: web::Data::from(Arc::clone(auth)),
            graphiql: config.graphiql,
        })
    }

    /// Mounts the routes.
    pub fn mount(&self, services: &mut web::ServiceConfig) {
        http::mount(services, GRAPHQL, self.endpoint.clone());
        services.service(
            web::resource(JWKS)
                .app_data(self.auth.clone())
                .route(web::get().to(jwks)),
        );
        if self.graphiql {
            http::mount_graphiql(services, GRAPHIQL, GRAPHQL);
        }
    }
}

/// The public keys; readers may keep them for a minute.
async fn jwks(auth: web::Data<AuthService>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header(("Cache-Control", "public, max-age=60"))
        .json(auth.tokens().keys().jwks())
}
