//! Mutations of orders, and of what goes from the stock to facilities.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use super::orders::{
    HardwareLot, HardwareOrder, HardwareOrderAction, Wanted, lots_by_id, orders_with,
};
use crate::{
    api::{
        ApiError, ApiResult, Date, NodeId, UserError, UserErrorCode, WriteOptions,
        context::{caller, services, writer},
        node_id::NodeKind,
    },
    auth::Actor,
    facility::graphql::{
        Facility, FacilityReference, Selected, change_id, check_row_count, facilities_by_id,
        named_facilities, organisation_of, user_error, user_errors,
    },
    milestone::{self, service::ErrorPolicy},
    procurement::{
        LotId, OrderId, OrderProblem, OrderStep,
        service::{
            AllocationOutcome, AllocationRow, OrderOutcome, OrderRow, PlaceOutcome, PlaceRequest,
            Way, allocate, place, record_orders,
        },
    },
    supply::ModelId,
};

/// An order to be placed.
#[derive(Debug, InputObject)]
pub struct HardwareOrderPlaceInput {
    /// Global id of the organisation that orders.
    buyer_id: ID,
    /// Global id of the model; it is ordered from its supplier.
    model_id: ID,
    /// How many units, 1 to 100,000.
    quantity: i32,
    /// What a unit costs, in yen. Only the two sides and staff see it.
    unit_price: Option<i32>,
    /// On which day it was placed.
    ordered_on: Date,
    /// The day for which it is promised; not given while its delivery date is undetermined.
    promised_on: Option<Date>,
    /// The facilities that it is placed for, at most 5,000; none for stock.
    #[graphql(default)]
    facilities: Vec<FacilityReference>,
    #[graphql(flatten)]
    options: WriteOptions,
}

/// Something that happened to an order.
#[derive(Clone, Debug, InputObject)]
pub struct HardwareOrderRowInput {
    /// Global id of the order.
    order_id: ID,
    /// What happened.
    action: HardwareOrderAction,
    /// On which day.
    on: Date,
    /// How many units were delivered, are cancelled or went back.
    quantity: Option<i32>,
    /// The day that is promised; not given for an undetermined one.
    promised_on: Option<Date>,
    /// Global id of the model that is delivered instead.
    model_id: Option<ID>,
    /// Global id of the lot from which units went back.
    lot_id: Option<ID>,
    /// The version of the order that you read.
    expected_version: Option<i32>,
    /// A remark.
    note: Option<String>,
}

/// What happened to orders.
#[derive(Debug, InputObject)]
pub struct HardwareOrderRecordInput {
    /// 1 to 5,000 rows.
    rows: Vec<HardwareOrderRowInput>,
    /// What becomes of the others if a row fails.
    #[graphql(default_with = "ErrorPolicy::RejectAll")]
    error_policy: ErrorPolicy,
    #[graphql(flatten)]
    options: WriteOptions,
}

/// Units of a lot for a facility, or back from it.
#[derive(Clone, Debug, InputObject)]
pub struct HardwareAllocationRowInput {
    /// Global id of the lot.
    lot_id: ID,
    /// Which facility.
    facility: FacilityReference,
    /// How many units, beside those that it has: 100 of a lot at most.
    #[graphql(default = 1)]
    quantity: i32,
    /// On which day.
    on: Date,
    /// A remark.
    note: Option<String>,
}

/// Units for facilities, or back from them.
#[derive(Debug, InputObject)]
pub struct HardwareAllocateInput {
    /// 1 to 5,000 rows.
    rows: Vec<HardwareAllocationRowInput>,
    /// What becomes of the others if a row fails.
    #[graphql(default_with = "ErrorPolicy::RejectAll")]
    error_policy: ErrorPolicy,
    #[graphql(flatten)]
    options: WriteOptions,
}

/// All units of a lot that a facility has.
#[derive(Clone, Debug, InputObject)]
pub struct HardwareReleaseRowInput {
    /// Global id of the lot.
    lot_id: ID,
    /// Which facility; by its global id where it is no longer yours.
    facility: FacilityReference,
    /// On which day they came back.
    on: Date,
    /// A remark.
    note: Option<String>,
}

impl From<HardwareReleaseRowInput> for HardwareAllocationRowInput {
    fn from(row: HardwareReleaseRowInput) -> Self {
        Self {
            lot_id: row.lot_id,
            facility: row.facility,
            // All of them, however many.
            quantity: 0,
            on: row.on,
            note: row.note,
        }
    }
}

/// Units that go back into the stock.
#[derive(Debug, InputObject)]
pub struct HardwareReleaseInput {
    /// 1 to 5,000 rows.
    rows: Vec<HardwareReleaseRowInput>,
    /// What becomes of the others if a row fails.
    #[graphql(default_with = "ErrorPolicy::RejectAll")]
    error_policy: ErrorPolicy,
    #[graphql(flatten)]
    options: WriteOptions,
}

/// An order, or why it was not placed.
#[derive(Debug, SimpleObject)]
pub struct HardwareOrderPayload {
    /// The order as it stands now; null if there is none.
    hardware_order: Option<HardwareOrder>,
    /// The change that recorded it; null if nothing is written.
    change_id: Option<ID>,
    /// Why it was refused; empty if it wasn't.
    user_errors: Vec<UserError>,
}

/// What became of one row.
#[derive(Debug, SimpleObject)]
pub struct HardwareOrderRow {
    /// The row's position in the request, from 0.
    index: i32,
    /// The order as it stands now; null if there is none that you see.
    hardware_order: Option<HardwareOrder>,
    /// The version that this write left; with `dryRun`, the one that it would leave. Null if nothing is written for this
    /// row.
    version: Option<i32>,
    /// Why it was refused; empty if it wasn't.
    user_errors: Vec<UserError>,
}

/// What became of a request about orders.
#[derive(Debug, SimpleObject)]
pub struct HardwareOrderRecordPayload {
    /// Row by row, in the order of the request.
    rows: Vec<HardwareOrderRow>,
    /// How many rows are written.
    written_count: i32,
    /// How many rows are refused.
    refused_count: i32,
    /// The change that recorded it; null if nothing is written.
    change_id: Option<ID>,
    /// What is wrong with the request as a whole.
    user_errors: Vec<UserError>,
}

/// What became of one row.
#[derive(Debug, SimpleObject)]
pub struct HardwareAllocationRow {
    /// The row's position in the request, from 0.
    index: i32,
    /// The lot as it stands now; null if there is none of yours.
    lot: Option<HardwareLot>,
    /// The facility as it stands now; null if there is none that you see.
    facility: Option<Facility>,
    /// Whether it is written, or with `dryRun` would be.
    written: bool,
    /// Why it was refused; empty if it wasn't.
    user_errors: Vec<UserError>,
}

/// What became of a request about units in stock.
#[derive(Debug, SimpleObject)]
pub struct HardwareAllocationPayload {
    /// Row by row, in the order of the request.
    rows: Vec<HardwareAllocationRow>,
    /// How many rows are written.
    written_count: i32,
    /// How many rows are refused.
    refused_count: i32,
    /// The change that recorded it; null if nothing is written.
    change_id: Option<ID>,
    /// What is wrong with the request as a whole.
    user_errors: Vec<UserError>,
}

/// Mutations of orders and stock.
#[derive(Default)]
pub struct HardwareOrderMutation;

#[Object]
impl HardwareOrderMutation {
    /// Places an order for PCs, routers or readers, for one or many facilities or for stock.
    async fn hardware_order_place(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "What to order.")] input: HardwareOrderPlaceInput,
    ) -> ApiResult<HardwareOrderPayload> {
        let actor = &caller(context)?.actor;
        let mut request = PlaceRequest {
            buyer: organisation_of(&input.buyer_id),
            model: model(&input.model_id),
            quantity: input.quantity,
            unit_price: input.unit_price,
            ordered_on: input.ordered_on.0,
            promised_on: input.promised_on.map(|day| day.0),
            facilities: Vec::new(),
        };
        let written = async {
            let operation = "hardwareOrderPlace";
            let content = (&request, &input.facilities);
            let writer = writer(context, operation, &input.options, &content)?;
            let database = &services(context)?.database;
            request.facilities = named_facilities(database, actor, &input.facilities).await?;
            ApiResult::Ok(place(&writer, &request).await?)
        };
        let outcome = match written.await {
            Err(ApiError::Refused(problems)) => PlaceOutcome {
                problems: problems
                    .into_iter()
                    .map(|problem| (Vec::new(), problem.into()))
                    .collect(),
                ..PlaceOutcome::default()
            },
            written => written?,
        };
        services(context)?.written.notify_one();
        let told = |(path, problem): &(Vec<String>, OrderProblem)| {
            let mut error = error(problem, actor, &["input"], &ORDER);
            if !path.is_empty() {
                error.path = std::iter::once("input".to_owned())
                    .chain(path.iter().cloned())
                    .collect();
            }
            error
        };
        let wanted = Wanted::of(&context.look_ahead().field("hardwareOrder"));
        let ids: Vec<i64> = outcome.order.iter().map(|id| id.0).collect();
        Ok(HardwareOrderPayload {
            hardware_order: orders_with(context, &ids, wanted)
                .await?
                .into_values()
                .next(),
            change_id: change_id(outcome.change),
            user_errors: outcome.problems.iter().map(told).collect(),
        })
    }

    /// Records what happened to up to 5,000 orders in one change, and answers row by row: promised, substituted, delivered
    /// in part or whole, cancelled, returned. Either side records, but what goes back is the buyer's.
    async fn hardware_order_record(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The rows.")] input: HardwareOrderRecordInput,
    ) -> ApiResult<HardwareOrderRecordPayload> {
        check_row_count(input.rows.len())?;
        let actor = &caller(context)?.actor;
        let rows: Vec<OrderRow> = input.rows.iter().map(row).collect();
        let written = async {
            let operation = "hardwareOrderRecord";
            let content = (&rows, input.error_policy);
            let writer = writer(context, operation, &input.options, &content)?;
            ApiResult::Ok(record_orders(&writer, &rows, input.error_policy).await?)
        };
        let written = written.await;
        services(context)?.written.notify_one();
        let OrderOutcome { change, rows } = match written {
            Err(ApiError::Refused(problems)) => {
                return Ok(HardwareOrderRecordPayload {
                    rows: Vec::new(),
                    written_count: 0,
                    refused_count: 0,
                    change_id: None,
                    user_errors: user_errors(&problems, actor, &["input"]),
                });
            }
            written => written?,
        };
        let selected = context.look_ahead().field("rows").field("hardwareOrder");
        let mut ids: Vec<i64> = Vec::new();
        if selected.exists() {
            ids.extend(rows.iter().filter_map(|row| row.order).map(|id| id.0));
            ids.sort_unstable();
            ids.dedup();
        }
        let orders = orders_with(context, &ids, Wanted::of(&selected)).await?;
        let told = rows
            .iter()
            .zip(0_i32..)
            .map(|(row, index)| HardwareOrderRow {
                index,
                hardware_order: row.order.and_then(|id| orders.get(&id.0).cloned()),
                version: row.version,
                user_errors: errors(&row.problems, actor, index, &ORDER),
            });
        Ok(HardwareOrderRecordPayload {
            written_count: count(rows.iter().filter(|row| row.version.is_some())),
            refused_count: count(rows.iter().filter(|row| !row.problems.is_empty())),
            change_id: change_id(change),
            rows: told.collect(),
            user_errors: Vec::new(),
        })
    }

    /// Allocates units in stock to up to 5,000 facilities in one change, and answers row by row. With them a facility
    /// reaches PC_PROCURED, ROUTER_PROCURED or READER_DELIVERED.
    async fn hardware_allocate(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The rows.")] input: HardwareAllocateInput,
    ) -> ApiResult<HardwareAllocationPayload> {
        let HardwareAllocateInput {
            rows,
            error_policy,
            options,
        } = input;
        move_units(context, Way::Out, rows, error_policy, &options).await
    }

    /// Takes all units of lots back into the stock that facilities have from them, those that are no longer yours too. What
    /// a facility reached by them, and has no other unit for, is withdrawn on that day; what was recorded before stays.
    async fn hardware_release(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The rows.")] input: HardwareReleaseInput,
    ) -> ApiResult<HardwareAllocationPayload> {
        let HardwareReleaseInput {
            rows,
            error_policy,
            options,
        } = input;
        let rows = rows.into_iter().map(Into::into).collect();
        move_units(context, Way::Back, rows, error_policy, &options).await
    }
}

// An id of another type names nothing: the services say so.
fn model(id: &ID) -> ModelId {
    ModelId(NodeId::row_of(id, NodeKind::HardwareModel).unwrap_or(0))
}

fn lot(id: &ID) -> LotId {
    LotId(NodeId::row_of(id, NodeKind::HardwareLot).unwrap_or(0))
}

fn row(input: &HardwareOrderRowInput) -> OrderRow {
    let missing = |field: &str| OrderProblem::Missing {
        field: field.to_owned(),
    };
    let quantity = input.quantity.ok_or_else(|| missing("quantity"));
    let step = || {
        Ok(match input.action {
            HardwareOrderAction::Promise => OrderStep::Promise {
                until: input.promised_on.map(|day| day.0),
            },
            HardwareOrderAction::Substitute => OrderStep::Substitute {
                model: model(input.model_id.as_ref().ok_or_else(|| missing("modelId"))?),
            },
            HardwareOrderAction::Deliver => OrderStep::Deliver {
                quantity: quantity?,
            },
            HardwareOrderAction::Cancel => OrderStep::Cancel {
                quantity: quantity?,
            },
            HardwareOrderAction::Return => OrderStep::Return {
                lot: lot(input.lot_id.as_ref().ok_or_else(|| missing("lotId"))?),
                quantity: quantity?,
            },
        })
    };
    OrderRow {
        order: OrderId(NodeId::row_of(&input.order_id, NodeKind::HardwareOrder).unwrap_or(0)),
        step: step(),
        on: input.on.0,
        expected_version: input.expected_version,
        note: input.note.clone(),
    }
}

async fn move_units(
    context: &Context<'_>,
    way: Way,
    inputs: Vec<HardwareAllocationRowInput>,
    policy: ErrorPolicy,
    options: &WriteOptions,
) -> ApiResult<HardwareAllocationPayload> {
    check_row_count(inputs.len())?;
    let actor = &caller(context)?.actor;
    let row = |input: &HardwareAllocationRowInput, facility| AllocationRow {
        lot: lot(&input.lot_id),
        facility,
        quantity: input.quantity,
        on: input.on.0,
        note: input.note.clone(),
    };
    let references: Vec<FacilityReference> =
        inputs.iter().map(|input| input.facility.clone()).collect();
    let written = async {
        // What the request says, whichever facilities its names find.
        let unnamed = || Err(milestone::Problem::NotFound);
        let said: Vec<AllocationRow> = inputs.iter().map(|input| row(input, unnamed())).collect();
        let operation = match way {
            Way::Out => "hardwareAllocate",
            Way::Back => "hardwareRelease",
        };
        let writer = writer(context, operation, options, &(&references, said, policy))?;
        let database = &services(context)?.database;
        let found = named_facilities(database, actor, &references).await?;
        let named = inputs.iter().zip(found);
        let rows: Vec<AllocationRow> = named
            .map(|(input, facility)| row(input, facility))
            .collect();
        ApiResult::Ok(allocate(&writer, way, &rows, policy).await?)
    };
    let written = written.await;
    services(context)?.written.notify_one();
    let AllocationOutcome { change, rows } = match written {
        Err(ApiError::Refused(problems)) => {
            return Ok(HardwareAllocationPayload {
                rows: Vec::new(),
                written_count: 0,
                refused_count: 0,
                change_id: None,
                user_errors: user_errors(&problems, actor, &["input"]),
            });
        }
        written => written?,
    };
    let selected = context.look_ahead().field("rows");
    let (mut lots, mut facilities) = (Vec::new(), Vec::new());
    if selected.field("lot").exists() {
        lots.extend(rows.iter().filter_map(|row| row.lot).map(|id| id.0));
        lots.sort_unstable();
        lots.dedup();
    }
    if selected.field("facility").exists() {
        facilities.extend(rows.iter().filter_map(|row| row.facility));
        facilities.sort_unstable();
        facilities.dedup();
    }
    let lots = lots_by_id(context, &lots).await?;
    let services = services(context)?;
    let wanted = Selected::of(&selected.field("facility"));
    let facilities = facilities_by_id(services, actor, &facilities, wanted).await?;
    let told = rows
        .iter()
        .zip(0_i32..)
        .map(|(row, index)| HardwareAllocationRow {
            index,
            lot: row.lot.and_then(|id| lots.get(&id.0).cloned()),
            facility: row.facility.and_then(|id| facilities.get(&id).cloned()),
            written: row.written,
            user_errors: errors(&row.problems, actor, index, &UNITS),
        });
    Ok(HardwareAllocationPayload {
        written_count: count(rows.iter().filter(|row| row.written)),
        refused_count: count(rows.iter().filter(|row| !row.problems.is_empty())),
        change_id: change_id(change),
        rows: told.collect(),
        user_errors: Vec::new(),
    })
}

fn count(rows: impl Iterator) -> i32 {
    i32::try_from(rows.count()).unwrap_or(i32::MAX)
}

/// Which fields of an input name what a problem may be about.
struct Subject {
    row: &'static str,
    model: &'static str,
    step: &'static str,
}

const ORDER: Subject = Subject {
    row: "orderId",
    model: "modelId",
    step: "action",
};

const UNITS: Subject = Subject {
    row: "lotId",
    model: "lotId",
    step: "facility",
};

fn errors(
    problems: &[OrderProblem],
    actor: &Actor,
    index: i32,
    subject: &Subject,
) -> Vec<UserError> {
    let index = index.to_string();
    problems
        .iter()
        .map(|problem| error(problem, actor, &["input", "rows", &index], subject))
        .collect()
}

/// A problem as a user error at a path.
fn error(problem: &OrderProblem, actor: &Actor, path: &[&str], subject: &Subject) -> UserError {
    use OrderProblem as P;
    use UserErrorCode as Code;
    let (code, field) = match problem {
        P::Facility(problem) => {
            let mut error = user_error(problem, actor, path);
            // What is in the way is a milestone, and what names it is the facility.
            if let Some(field) = error.path.last_mut().filter(|field| *field == "milestone") {
                *field = "facility".to_owned();
            }
            return error;
        }
        P::NoOrder => (Code::NotFound, "orderId"),
        P::NoLot => (Code::NotFound, "lotId"),
        P::UnknownBuyer => (Code::UnknownOrganisation, "buyerId"),
        P::NoModel => (Code::NotFound, "modelId"),
        P::Discontinued { .. } => (Code::HardwareDiscontinued, "modelId"),
        P::DoesNotFit => (Code::HardwareDoesNotFit, subject.model),
        P::Forbidden => (Code::Forbidden, subject.row),
        P::BadQuantity { .. } => (Code::OutOfRange, "quantity"),
        P::BadPrice => (Code::OutOfRange, "unitPrice"),
        P::TooEarly { .. } => (Code::DateOutOfOrder, "on"),
        P::InFuture { .. } => (Code::DateInFuture, "on"),
        P::PromiseInPast { .. } => (Code::DateOutOfOrder, "promisedOn"),
        P::StaleVersion { .. } => (Code::StaleVersion, "expectedVersion"),
        P::NothingToDo => (Code::NothingToDo, subject.step),
        P::NotAllocated => (Code::NotAllocated, "facility"),
        P::BadFacilities { .. } => (Code::OutOfRange, "facilities"),
        P::Missing { field } => (Code::Missing, field.as_str()),
    };
    UserError {
        code,
        path: path
            .iter()
            .copied()
            .chain([field])
            .map(str::to_owned)
            .collect(),
        message: problem.message(actor.language),
    }
}
