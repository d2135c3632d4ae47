//! What is served where, beside health and metrics: the wiring of the API's doors.

use actix_web::web;
use tokio_util::sync::CancellationToken;

use super::{Config, Services, StartError};
use crate::http;

/// Where GraphQL is served.
pub const GRAPHQL: &str = "/graphql";
/// Where GraphiQL is served, if it is.
pub const GRAPHIQL: &str = "/graphiql";

/// The routes of a process; cheap to clone for each of its threads.
#[derive(Clone)]
pub struct Routes {
    graphiql: bool,
}

impl Routes {
    /// Opens what the routes stand on. `closing` is cancelled when open sockets shall be closed.
    ///
    /// # Errors
    /// When something that they need can't be opened.
    #[expect(
        clippy::unused_async,
        reason = "what the API stands on is opened by asking the database"
    )]
    pub async fn open(
        config: &Config,
        _services: &Services,
        _closing: &CancellationToken,
    ) -> Result<Self, StartError> {
        Ok(Self {
            graphiql: config.graphiql,
        })
    }

    /// Mounts the routes.
    pub fn mount(&self, services: &mut web::ServiceConfig) {
        if self.graphiql {
            http::mount_graphiql(services, GRAPHIQL, GRAPHQL);
        }
    }
}
