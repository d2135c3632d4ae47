//! The API as a test calls it: through the policy, without a transport.

use async_graphql::{Request, Variables, parser::types::OperationType};
use kaitsu::{
    api::{ApiSchema, Caller, NodeId, node_id::NodeKind, policy, schema},
    app::{Clock, Services},
    auth::{Actor, Grant, Identity, Language, OrganisationKind, Role},
    db::{Backend, Database, FacilityId, OrganisationId, Query, UserId},
    facility::Bureau,
};
use serde_json::{Value, json};

use super::TestDatabase;

/// A deployment with a schema.
pub struct Api {
    pub database: TestDatabase,
    pub services: Services,
    pub schema: ApiSchema,
}

impl Api {
    /// An empty deployment, on the day of the report.
    pub async fn new(backend: Backend) -> Self {
        let database = TestDatabase::new(backend).await;
        let clock = Clock::fixed(super::accounts::morning());
        let services = Services::new(database.db().clone(), clock);
        let schema = build(&services).await;
        Self {
            database,
            services,
            schema,
        }
    }

    /// Another process of the same deployment, by its schema.
    pub async fn beside(&self, database: Database) -> ApiSchema {
        build(&Services::new(database, self.services.clock.clone())).await
    }

    /// Adds an organisation.
    pub async fn organisation(&self, kind: OrganisationKind, name: &str) -> OrganisationId {
        let id: i64 = Query::with(
            "INSERT INTO organisation (kind, name, name_kana, created_at) VALUES ($1, $2, '', $3) \
             RETURNING id",
            [
                kind.code().into(),
                name.into(),
                self.services.clock.now().into(),
            ],
        )
        .scalar(self.services.database.write())
        .await
        .unwrap();
        OrganisationId(id)
    }

    /// Runs an operation as an actor and returns the whole response.
    pub async fn call(&self, actor: &Actor, query: &str, variables: Value) -> Value {
        call(&self.schema, actor, query, variables).await
    }

    /// Runs an operation that must have no errors and returns its data.
    pub async fn data(&self, actor: &Actor, query: &str, variables: Value) -> Value {
        let response = self.call(actor, query, variables).await;
        assert!(response.get("errors").is_none(), "{response:#}");
        response["data"].clone()
    }

    /// Calls a mutation with an input that the schema takes, and answers what is selected of its payload.
    pub async fn mutate(&self, actor: &Actor, name: &str, input: Value, selection: &str) -> Value {
        let document = format!(
            "mutation ($input: {}{}Input!) {{ {name}(input: $input) {{ {selection} }} }}",
            name[..1].to_uppercase(),
            &name[1..]
        );
        let data = self.data(actor, &document, json!({ "input": input })).await;
        data[name].clone()
    }

    /// Calls a mutation as the ministry; it must succeed.
    pub async fn done(&self, name: &str, input: Value) {
        let selection = "userErrors { code path message }";
        let payload = self.mutate(&ministry(), name, input, selection).await;
        assert_eq!(errors(&payload), Vec::<String>::new(), "{name}");
    }

    /// Everything must be as it follows from the history.
    pub async fn verify(&self) {
        let report = kaitsu::verify::verify(self.database.db(), |_| {}).await;
        assert_eq!(report.unwrap().differences, Vec::new());
    }

    /// Numbers and folds everything.
    pub async fn settle_and_fold(&self) {
        kaitsu::change::settle(&self.services.database, &self.services.clock)
            .await
            .unwrap();
        while kaitsu::figures::service::fold(&self.services.database)
            .await
            .unwrap()
            > 0
        {}
    }

    /// Registers a facility and returns its global id.
    pub async fn register(&self, code: &str, kind: &str, name: &str) -> String {
        let data = self
            .data(
                &ministry(),
                "mutation ($input: FacilityRegisterInput!) { facilityRegister(input: $input) { facility { id } userErrors { code path message } } }",
                json!({ "input": { "code": code, "kind": kind, "name": name, "openedOn": "2020-04-01" } }),
            )
            .await;
        let payload = &data["facilityRegister"];
        assert_eq!(payload["userErrors"], json!([]), "{code}");
        payload["facility"]["id"].as_str().unwrap().to_owned()
    }
}

/// Runs an operation as an actor against a schema and returns the whole response.
pub async fn call(schema: &ApiSchema, actor: &Actor, query: &str, variables: Value) -> Value {
    let mut request = Request::new(query).variables(Variables::from_json(variables));
    let document = request.parsed_query().unwrap().clone();
    for (_, operation) in document.operations.iter() {
        let fields: Vec<String> = operation
            .node
            .selection_set
            .node
            .items
            .iter()
            .filter_map(|item| match &item.node {
                async_graphql::parser::types::Selection::Field(field) => {
                    Some(field.node.name.node.to_string())
                }
                _ => None,
            })
            .collect();
        let kind: OperationType = operation.node.ty;
        if let Err(denial) = policy::check(actor, kind, &fields) {
            return json!({ "errors": [{ "extensions": { "code": format!("{denial:?}") } }] });
        }
    }
    let caller = Caller {
        actor: actor.clone(),
        request_id: "test".to_owned(),
    };
    let response = schema.execute(request.data(caller)).await;
    serde_json::to_value(response).unwrap()
}

async fn build(services: &Services) -> ApiSchema {
    let settings = super::accounts::settings();
    let auth = super::accounts::open(&services.database, &services.clock, settings).await;
    schema::build(services, std::sync::Arc::new(auth))
}

/// Someone of an organisation.
pub fn member(kind: OrganisationKind, organisation: OrganisationId, role: Role) -> Actor {
    Actor {
        identity: Identity::User(UserId(organisation.0 * 10 + i64::from(role.code()))),
        grants: vec![Grant {
            organisation,
            kind,
            role,
            bureau: (kind == OrganisationKind::RegionalBureau).then(|| Bureau::ALL[0]),
            facility: (kind == OrganisationKind::Facility).then_some(FacilityId(1)),
        }],
        token_permissions: None,
        language: Language::En,
    }
}

/// The global id of an organisation.
pub fn global(organisation: OrganisationId) -> String {
    NodeId::new(NodeKind::Organisation, organisation.0)
        .encode()
        .0
}

/// A coordinator of the ministry.
pub fn ministry() -> Actor {
    member(
        OrganisationKind::Ministry,
        OrganisationId(9_999),
        Role::Admin,
    )
}

/// Code and path of each user error of a payload: those of its rows, if it has any, then its own. Each says something.
pub fn errors(payload: &Value) -> Vec<String> {
    let rows = payload["rows"].as_array();
    rows.into_iter()
        .flatten()
        .chain([payload])
        .flat_map(|part| part["userErrors"].as_array().unwrap())
        .map(|error| {
            assert_ne!(error["message"], "");
            let path = error["path"].as_array().unwrap().iter();
            let path: Vec<&str> = path.map(|part| part.as_str().unwrap()).collect();
            format!("{} {}", error["code"].as_str().unwrap(), path.join("."))
        })
        .collect()
}
