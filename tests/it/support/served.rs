//! A deployment as its users meet it: the real endpoint over HTTP, with accounts, policy and limits.

use std::{collections::HashMap, sync::Arc};

use actix_web::{App, http::header, test, web};
use kaitsu::{
    api::{ApiSchema, Checker, Limits, schema},
    app::{Services, gate::AccountGate},
    auth::{OrganisationKind, Role, service::UserCreated},
    db::Backend,
    http::{self, Endpoint, RequestIds, Settings},
};
use serde_json::{Value, json};

use super::accounts::World;

/// A deployment with its endpoint.
pub struct Served {
    pub world: World,
    pub services: Services,
    endpoint: web::Data<Endpoint<ApiSchema, AccountGate>>,
    tokens: HashMap<String, String>,
}

impl Served {
    /// An empty deployment on the day of the report.
    pub async fn new(backend: Backend) -> Self {
        let world = World::new(backend).await;
        let services = Services::new(world.db().clone(), world.clock.clone());
        let schema = schema::build(&services, Arc::clone(&world.auth));
        let checker = Checker::new(&schema.sdl(), Limits::default()).unwrap();
        let gate = AccountGate::new(Arc::clone(&world.auth), services.clone());
        let ids = RequestIds::new(1);
        let endpoint = Endpoint::new(schema, gate, checker, Settings::default(), ids);
        Self {
            world,
            services,
            endpoint: web::Data::new(endpoint),
            tokens: HashMap::new(),
        }
    }

    /// Makes a user who is known here by the name before the `@`, and logs in.
    pub async fn user(&mut self, name: &str, kind: OrganisationKind, role: Role) -> UserCreated {
        let email = format!("{name}@example.jp");
        let created = self.world.user(&email, kind, role).await;
        let session = self.world.log_in(&email).await;
        self.tokens.insert(name.to_owned(), session.access_token);
        created
    }

    /// Posts an operation as one of the users, or as nobody, and returns the whole response.
    pub async fn post(&self, user: Option<&str>, document: &str, variables: &Value) -> Value {
        let app = App::new().configure(|services| {
            http::mount(services, "/graphql", self.endpoint.clone());
        });
        let app = test::init_service(app).await;
        let mut request = test::TestRequest::post()
            .uri("/graphql")
            .peer_addr("127.0.0.1:4000".parse().unwrap())
            .insert_header((header::ACCEPT_LANGUAGE, "en"))
            .set_json(json!({ "query": document, "variables": variables }));
        if let Some(user) = user {
            let token = format!("Bearer {}", self.tokens[user]);
            request = request.insert_header((header::AUTHORIZATION, token));
        }
        test::call_and_read_body_json(&app, request.to_request()).await
    }

    /// One of the users, as a request has them.
    pub async fn actor(&self, user: &str) -> kaitsu::auth::Actor {
        let token = Some(self.tokens[user].as_str());
        let found = self.world.auth.authenticate(token, None).await;
        found.unwrap().actor
    }

    /// Numbers and folds everything that was written.
    pub async fn settle(&self) {
        kaitsu::change::settle(&self.services.database, &self.services.clock)
            .await
            .unwrap();
        while kaitsu::figures::service::fold(&self.services.database)
            .await
            .unwrap()
            > 0
        {}
    }
}
