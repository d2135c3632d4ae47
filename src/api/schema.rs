//! The root of the schema: the queries, mutations and subscriptions of all capabilities, and `node`.

use std::sync::Arc;

use async_graphql::{
    Context, ID, Interface, MergedObject, MergedSubscription, Object, SDLExportOptions, Schema,
    SchemaBuilder, connection::Connection, dataloader::DataLoader,
};

use super::{
    ApiResult, NodeId,
    context::{caller, services},
    node_id::NodeKind,
};
use crate::{
    app::Services,
    auth::{
        AuthService,
        graphql::{
            AuthMutation, AuthQuery, Membership, Organisation, OrganisationNames, ServiceToken,
            User, organisation_by_id, service_token_by_id, user_by_id,
        },
    },
    change::graphql::{ChangeQuery, ChangeSubscription},
    db::{FacilityId, OrganisationId, UserId},
    facility::{
        entity::Condition,
        graphql::{
            Facility, FacilityConnection, FacilityMutation, FacilityQuery, Selected, facility,
        },
    },
    figures::graphql::FiguresQuery,
    milestone::graphql::MilestoneMutation,
};

/// Something with a global id.
#[derive(Interface)]
#[graphql(field(name = "id", ty = "ID", desc = "Global id."))]
pub enum Node {
    /// A facility.
    Facility(Box<Facility>),
    /// An organisation.
    Organisation(Organisation),
    /// A user.
    User(User),
    /// A service token.
    ServiceToken(ServiceToken),
}

/// Queries that serve every type.
#[derive(Default)]
pub struct NodeQuery;

/// Most ids in one `nodes`.
const MOST_NODES: usize = 100;

#[Object]
impl NodeQuery {
    /// The thing with this global id; null if there is none, or none that you can see.
    async fn node(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Global id.")] id: ID,
    ) -> ApiResult<Option<Node>> {
        find(context, &id).await
    }

    /// The things with these global ids, in their order; null where there is none that you can see.
    async fn nodes(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Global ids, at most 100.")] ids: Vec<ID>,
    ) -> ApiResult<Vec<Option<Node>>> {
        if ids.len() > MOST_NODES {
            return Err(super::ApiError::bad_input(
                "LIST_TOO_LONG",
                format!("ask for at most {MOST_NODES} nodes"),
            ));
        }
        let mut found = Vec::with_capacity(ids.len());
        for id in &ids {
            found.push(find(context, id).await?);
        }
        Ok(found)
    }
}

async fn find(context: &Context<'_>, id: &ID) -> ApiResult<Option<Node>> {
    let Some(node) = NodeId::decode(id) else {
        return Ok(None);
    };
    let database = &services(context)?.database;
    let actor = &caller(context)?.actor;
    match node.kind {
        NodeKind::Facility => {
            let condition = Condition::Id(FacilityId(node.id));
            let selected = Selected::of(&context.look_ahead());
            let found = facility(database, actor, &condition, selected).await?;
            Ok(found.map(|facility| Node::Facility(Box::new(facility))))
        }
        NodeKind::Organisation => {
            let found = organisation_by_id(context, OrganisationId(node.id)).await?;
            Ok(found.map(Node::Organisation))
        }
        NodeKind::User => {
            let found = user_by_id(context, UserId(node.id)).await?;
            Ok(found.map(Node::User))
        }
        NodeKind::ServiceToken => {
            let found = service_token_by_id(context, node.id).await?;
            Ok(found.map(Node::ServiceToken))
        }
        // An event is read in its facility's timeline.
        NodeKind::Event => Ok(None),
    }
}

/// All queries.
#[derive(Default, MergedObject)]
pub struct Query(
    NodeQuery,
    AuthQuery,
    FacilityQuery,
    FiguresQuery,
    ChangeQuery,
);

/// All mutations.
#[derive(Default, MergedObject)]
pub struct Mutation(AuthMutation, FacilityMutation, MilestoneMutation);

/// All subscriptions.
#[derive(Default, MergedSubscription)]
pub struct Subscription(ChangeSubscription);

/// The API.
pub type ApiSchema = Schema<Query, Mutation, Subscription>;

fn root() -> SchemaBuilder<Query, Mutation, Subscription> {
    Schema::build(
        Query::default(),
        Mutation::default(),
        Subscription::default(),
    )
    // The library's connections come without a description.
    .override_output_type_description::<FacilityConnection>("A page of facilities.")
    .override_output_type_description::<Connection<String, Membership>>("A page of memberships.")
    .override_output_type_description::<Connection<String, ServiceToken>>(
        "A page of service tokens.",
    )
}

/// The schema with the services that its resolvers use.
pub fn build(services: &Services, auth: Arc<AuthService>) -> ApiSchema {
    let names = DataLoader::new(OrganisationNames(services.database.clone()), tokio::spawn)
        .delay(std::time::Duration::from_micros(200));
    // A name that was loaded is not kept for the next request, which may read a newer one.
    names.enable_all_cache(false);
    root()
        .data(services.clone())
        .data(names)
        .data(auth)
        .finish()
}

/// The schema in its definition language, sorted, as it is committed.
pub fn sdl() -> String {
    root().finish().sdl_with_options(
        SDLExportOptions::new()
            .sorted_fields()
            .sorted_arguments()
            .sorted_enum_items()
            .include_specified_by(),
    )
}
