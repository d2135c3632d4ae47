//! The root of the schema: the queries, mutations and subscriptions of all capabilities, and `node`.

use std::{collections::HashMap, sync::Arc};

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
            AuthMutation, AuthQuery, Invitation, Membership, Organisation, OrganisationNames,
            ServiceToken, User, invitations_by_id, organisations_by_id, service_tokens_by_id,
            users_by_id,
        },
    },
    capacity::graphql::{CapacityMutation, CapacityQuery, FollowUpConnection, ScorecardQuery},
    chain::graphql::{
        ChainConnection, ChainPartConnection, ChainPartQuery, ChainQuery, Wave, WaveConnection,
        WaveMutation, WaveQuery, WaveStoreConnection, waves_by_id,
    },
    change::graphql::{ChangeQuery, ChangeSubscription},
    db::FacilityId,
    facility::graphql::{
        Facility, FacilityBulkMutation, FacilityConnection, FacilityMutation, FacilityQuery,
        Selected, facilities_by_id,
    },
    figures::graphql::FiguresQuery,
    handover::graphql::{
        Handover, HandoverConnection, HandoverMutation, HandoverQuery, handovers_by_id,
    },
    installation::graphql::{
        Installation, InstallationConnection, InstallationMutation, InstallationQuery,
        installations_by_id,
    },
    milestone::graphql::{BlockerMutation, MilestoneMutation},
    procurement::graphql::{
        Application, ApplicationConnection, HardwareLot, HardwareLotConnection, HardwareOrder,
        HardwareOrderConnection, HardwareOrderMutation, HardwareOrderQuery, ProcurementMutation,
        ProcurementQuery, applications_by_id, lots_by_id, orders_by_id,
    },
    reporting::graphql::{ReportingConfirmationConnection, ReportingMutation, ReportingQuery},
    sheet::graphql::{
        Sheet, SheetConnection, SheetMutation, SheetQuery, SheetRowConnection, SheetSubscription,
        sheets_by_id,
    },
    supply::graphql::{
        HardwareModel, HardwareModelConnection, SupplyMutation, SupplyQuery, models_by_id,
    },
    undo::graphql::{ChangeRecord, ChangeRecordConnection, UndoMutation, UndoQuery, changes_by_id},
    vendor::graphql::{Vendor, VendorConnection, VendorMutation, VendorQuery, vendors_by_id},
    worklist::graphql::{
        NextStepConnection, SavedFilter, WorklistMutation, WorklistQuery, saved_filters_by_id,
    },
};

/// Something with a global id.
#[derive(Clone, Interface)]
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
    /// An invitation.
    Invitation(Invitation),
    /// A vendor or support contractor in the directory.
    Vendor(Box<Vendor>),
    /// A work order.
    Installation(Box<Installation>),
    /// A change.
    ChangeRecord(ChangeRecord),
    /// A proposal to a support contractor.
    Handover(Box<Handover>),
    /// A file of facilities.
    Sheet(Box<Sheet>),
    /// A filter that somebody keeps.
    SavedFilter(SavedFilter),
    /// A named plan of stores and dates.
    Wave(Box<Wave>),
    /// A model of a reader, a PC or a router.
    HardwareModel(Box<HardwareModel>),
    /// An application.
    Application(Box<Application>),
    /// An order of hardware.
    HardwareOrder(Box<HardwareOrder>),
    /// Units that were delivered together.
    HardwareLot(Box<HardwareLot>),
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
        let found = find(context, std::slice::from_ref(&id)).await?;
        Ok(found.into_iter().flatten().next())
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
        find(context, &ids).await
    }
}

/// Reads the things with these ids, a statement for each type among them.
async fn find(context: &Context<'_>, ids: &[ID]) -> ApiResult<Vec<Option<Node>>> {
    let asked: Vec<Option<NodeId>> = ids.iter().map(NodeId::decode).collect();
    let mut found: HashMap<NodeId, Node> = HashMap::new();
    for kind in NodeKind::ALL {
        let mut rows: Vec<i64> = asked
            .iter()
            .flatten()
            .filter(|node| node.kind == kind)
            .map(|node| node.id)
            .collect();
        rows.sort_unstable();
        rows.dedup();
        if !rows.is_empty() {
            let nodes = find_of(context, kind, &rows).await?;
            found.extend(
                nodes
                    .into_iter()
                    .map(|(id, node)| (NodeId { kind, id }, node)),
            );
        }
    }
    Ok(asked
        .into_iter()
        .map(|id| id.and_then(|id| found.get(&id).cloned()))
        .collect())
}

async fn find_of(
    context: &Context<'_>,
    kind: NodeKind,
    rows: &[i64],
) -> ApiResult<Vec<(i64, Node)>> {
    Ok(match kind {
        NodeKind::Facility => {
            let actor = &caller(context)?.actor;
            let ids: Vec<FacilityId> = rows.iter().copied().map(FacilityId).collect();
            let selected = Selected::of(&context.look_ahead());
            let found = facilities_by_id(services(context)?, actor, &ids, selected).await?;
            named(
                found.into_iter().map(|(id, one)| (id.0, Box::new(one))),
                Node::Facility,
            )
        }
        NodeKind::Organisation => named(
            organisations_by_id(context, rows).await?,
            Node::Organisation,
        ),
        NodeKind::User => named(users_by_id(context, rows).await?, Node::User),
        NodeKind::ServiceToken => named(
            service_tokens_by_id(context, rows).await?,
            Node::ServiceToken,
        ),
        NodeKind::Invitation => named(invitations_by_id(context, rows).await?, Node::Invitation),
        NodeKind::Vendor => named(
            vendors_by_id(context, rows)
                .await?
                .into_iter()
                .map(|(id, vendor)| (id, Box::new(vendor))),
            Node::Vendor,
        ),
        NodeKind::Installation => named(
            installations_by_id(context, rows)
                .await?
                .into_iter()
                .map(|(id, order)| (id, Box::new(order))),
            Node::Installation,
        ),
        NodeKind::Change => named(changes_by_id(context, rows).await?, Node::ChangeRecord),
        NodeKind::Handover => named(
            handovers_by_id(context, rows)
                .await?
                .into_iter()
                .map(|(id, handover)| (id, Box::new(handover))),
            Node::Handover,
        ),
        NodeKind::Sheet => named(
            sheets_by_id(context, rows)
                .await?
                .into_iter()
                .map(|(id, sheet)| (id, Box::new(sheet))),
            Node::Sheet,
        ),
        NodeKind::SavedFilter => {
            named(saved_filters_by_id(context, rows).await?, Node::SavedFilter)
        }
        NodeKind::Wave => named(
            waves_by_id(context, rows)
                .await?
                .into_iter()
                .map(|(id, wave)| (id, Box::new(wave))),
            Node::Wave,
        ),
        NodeKind::HardwareModel => named(
            models_by_id(context, rows)
                .await?
                .into_iter()
                .map(|(id, model)| (id, Box::new(model))),
            Node::HardwareModel,
        ),
        NodeKind::Application => named(
            applications_by_id(context, rows)
                .await?
                .into_iter()
                .map(|(id, application)| (id, Box::new(application))),
            Node::Application,
        ),
        NodeKind::HardwareOrder => named(
            orders_by_id(context, rows)
                .await?
                .into_iter()
                .map(|(id, order)| (id, Box::new(order))),
            Node::HardwareOrder,
        ),
        NodeKind::HardwareLot => named(
            lots_by_id(context, rows)
                .await?
                .into_iter()
                .map(|(id, lot)| (id, Box::new(lot))),
            Node::HardwareLot,
        ),
        // An event is read in its facility's timeline.
        NodeKind::Event => Vec::new(),
    })
}

fn named<T>(
    found: impl IntoIterator<Item = (i64, T)>,
    name: impl Fn(T) -> Node,
) -> Vec<(i64, Node)> {
    found.into_iter().map(|(id, one)| (id, name(one))).collect()
}

/// All queries.
#[derive(Default, MergedObject)]
pub struct Query(
    NodeQuery,
    AuthQuery,
    FacilityQuery,
    VendorQuery,
    SupplyQuery,
    ProcurementQuery,
    HardwareOrderQuery,
    InstallationQuery,
    FiguresQuery,
    ChangeQuery,
    UndoQuery,
    HandoverQuery,
    SheetQuery,
    ReportingQuery,
    CapacityQuery,
    WorklistQuery,
    ScorecardQuery,
    ChainQuery,
    ChainPartQuery,
    WaveQuery,
);

/// All mutations.
#[derive(Default, MergedObject)]
pub struct Mutation(
    AuthMutation,
    FacilityMutation,
    FacilityBulkMutation,
    VendorMutation,
    SupplyMutation,
    ProcurementMutation,
    HardwareOrderMutation,
    MilestoneMutation,
    BlockerMutation,
    InstallationMutation,
    UndoMutation,
    HandoverMutation,
    SheetMutation,
    ReportingMutation,
    CapacityMutation,
    WorklistMutation,
    WaveMutation,
);

/// All subscriptions.
#[derive(Default, MergedSubscription)]
pub struct Subscription(ChangeSubscription, SheetSubscription);

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
    .override_output_type_description::<VendorConnection>("A page of the directory.")
    .override_output_type_description::<HardwareModelConnection>("A page of the catalogue.")
    .override_output_type_description::<ApplicationConnection>("A page of applications.")
    .override_output_type_description::<HardwareOrderConnection>("A page of orders.")
    .override_output_type_description::<HardwareLotConnection>("A page of lots.")
    .override_output_type_description::<HandoverConnection>("A page of proposals.")
    .override_output_type_description::<ChangeRecordConnection>("A page of changes.")
    .override_output_type_description::<SheetConnection>("A page of sheets.")
    .override_output_type_description::<FollowUpConnection>("A page of follow-ups.")
    .override_output_type_description::<NextStepConnection>("A page of what is next.")
    .override_output_type_description::<ChainConnection>("A page of chains.")
    .override_output_type_description::<ChainPartConnection>("A page of parts of a chain.")
    .override_output_type_description::<WaveConnection>("A page of waves.")
    .override_output_type_description::<WaveStoreConnection>("A page of the stores of a wave.")
    .override_output_type_description::<SheetRowConnection>("A page of rows of a sheet.")
    .override_output_type_description::<ReportingConfirmationConnection>("A page of confirmations.")
    .override_output_type_description::<InstallationConnection>("A page of work orders.")
    .override_output_type_description::<Connection<String, Membership>>("A page of memberships.")
    .override_output_type_description::<Connection<String, Invitation>>("A page of invitations.")
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
