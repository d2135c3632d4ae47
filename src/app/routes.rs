//! What is served where, beside health and metrics: the wiring of the API's doors.

use std::sync::Arc;

use actix_web::{HttpResponse, http::header, web};
use tokio_util::sync::CancellationToken;

use super::{Config, Services, StartError, gate::AccountGate};
use crate::{
    api::{ApiSchema, Checker, policy, schema},
    auth::AuthService,
    http::{self, Endpoint, RequestIds, Settings, SheetDoor, SocketSettings},
};

/// Where GraphQL is served.
pub const GRAPHQL: &str = "/graphql";
/// Where GraphiQL is served, if it is.
pub const GRAPHIQL: &str = "/graphiql";
/// Where the public keys of our tokens are (RFC 7517).
pub const KEYS: &str = "/.well-known/jwks.json";

/// The routes of a process; cheap to clone for each of its threads.
#[derive(Clone)]
pub struct Routes {
    endpoint: web::Data<Endpoint<ApiSchema, AccountGate>>,
    sheets: web::Data<SheetDoor<AccountGate>>,
    auth: web::Data<AuthService>,
    graphiql: bool,
}

impl Routes {
    /// Builds what the routes stand on. Sockets are closed when `closing` is cancelled. `process` tells this
    /// process's request ids from others.
    ///
    /// # Errors
    /// When a root field has no policy, or the schema can't be read back.
    pub fn open(
        config: &Config,
        services: &Services,
        auth: &Arc<AuthService>,
        closing: &CancellationToken,
        process: u32,
    ) -> Result<Self, StartError> {
        let schema = schema::build(services, Arc::clone(auth));
        let sdl = schema.sdl();
        let unlisted = policy::unlisted(&sdl);
        if !unlisted.is_empty() {
            return Err(StartError::NoPolicy(unlisted));
        }
        let checker = Checker::new(&sdl, config.limits.clone())?;
        let settings = Settings {
            socket: SocketSettings {
                shutdown: closing.clone(),
                ..config.endpoint.socket.clone()
            },
            ..config.endpoint.clone()
        };
        let gate = AccountGate::new(Arc::clone(auth), services.clone());
        let door = SheetDoor::new(
            AccountGate::new(Arc::clone(auth), services.clone()),
            services.clone(),
            config.sheets.clone(),
            RequestIds::new(process),
        );
        let ids = RequestIds::new(process);
        Ok(Self {
            endpoint: web::Data::new(Endpoint::new(schema, gate, checker, settings, ids)),
            sheets: web::Data::new(door),
            auth: web::Data::from(Arc::clone(auth)),
            graphiql: config.graphiql,
        })
    }

    /// Mounts the routes.
    pub fn mount(&self, services: &mut web::ServiceConfig) {
        http::mount(services, GRAPHQL, self.endpoint.clone());
        http::mount_sheets(services, self.sheets.clone());
        services.service(
            web::resource(KEYS)
                .app_data(self.auth.clone())
                .route(web::get().to(keys)),
        );
        if self.graphiql {
            http::mount_graphiql(services, GRAPHIQL, GRAPHQL);
        }
    }
}

/// The keys that our tokens are verified with. A new key is shown for some minutes before it signs.
async fn keys(auth: web::Data<AuthService>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "public, max-age=60"))
        .json(auth.tokens().keys().jwks())
}
