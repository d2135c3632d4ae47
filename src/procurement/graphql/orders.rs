//! Orders, lots and stock in the API.

use std::collections::{HashMap, HashSet};

use async_graphql::{
    ComplexObject, Context, Enum, ID, InputObject, Lookahead, Object, SimpleObject,
    connection::{Connection, Edge},
};

use crate::{
    api::{
        ApiError, ApiResult, Date, NodeId, PageArguments,
        context::{caller, services},
        node_id::NodeKind,
        page::{Fingerprint, row_of_cursor},
    },
    db::FacilityId,
    facility::graphql::{
        Facility, ListTotal, OrganisationSummary, Selected, facilities_by_id, organisation_id,
        summary,
    },
    procurement::{
        Lot, LotId, OrderId, OrderStep,
        entity::{
            order_lists::{self, LotQuery, OrderQuery, OrderRow, OrderedFor},
            orders::{self, StepRow},
        },
    },
    supply::{
        HardwareClass,
        graphql::{HardwareModel, models_by_id, named_model},
    },
};

/// Totals beyond this many are not counted out.
const COUNTED_UP_TO: i64 = 10_000;

/// What happened to an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum, serde::Serialize)]
pub enum HardwareOrderAction {
    /// What is open is promised for a day, or its date is undetermined.
    Promise,
    /// What is open is delivered as another model of the supplier's.
    Substitute,
    /// Units arrived: a lot.
    Deliver,
    /// Units that were open won't come.
    Cancel,
    /// Units of a lot went back.
    Return,
}

/// An order of hardware. Its two sides see it, and staff; nobody else does, and nobody else sees its price.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex)]
pub struct HardwareOrder {
    #[graphql(skip)]
    id: ID,
    /// Who orders.
    buyer: OrganisationSummary,
    /// From whom.
    supplier: OrganisationSummary,
    /// Which model; of what is open, where it was substituted.
    model: Option<HardwareModel>,
    /// Which model was ordered.
    ordered_model: Option<HardwareModel>,
    /// How many units were ordered: delivered, cancelled or open.
    quantity: i32,
    /// How many were delivered.
    delivered_quantity: i32,
    /// How many were cancelled.
    cancelled_quantity: i32,
    /// How many are still to come.
    open_quantity: i32,
    /// What a unit costs, in yen; null if it was not told.
    unit_price: Option<i32>,
    /// On which day it was placed.
    ordered_on: Date,
    /// The day for which what is open is promised; null while its delivery date is undetermined (納期未定).
    promised_on: Option<Date>,
    /// What happened to it, every earlier promise too, in the order of recording.
    steps: Vec<HardwareOrderStep>,
    /// The first hundred facilities that it is placed for, as far as you can see them.
    facilities: Vec<HardwareOrderFacility>,
    /// For how many facilities it is placed.
    facility_count: i64,
    /// Counts up with every change: give it as `expectedVersion` to change only what you read.
    version: i32,
}

/// Something that happened to an order.
#[derive(Clone, Debug, SimpleObject)]
pub struct HardwareOrderStep {
    /// What.
    action: HardwareOrderAction,
    /// On which day.
    on: Date,
    /// How many units were delivered, cancelled or returned.
    quantity: Option<i32>,
    /// The day that was promised; null where none was.
    promised_on: Option<Date>,
    /// The model that is delivered instead, where it is substituted.
    model: Option<HardwareModel>,
    /// Global id of the lot from which units went back.
    lot_id: Option<ID>,
    /// A remark.
    note: Option<String>,
}

/// A facility that an order is placed for.
#[derive(Clone, Debug, SimpleObject)]
pub struct HardwareOrderFacility {
    /// Which.
    facility: Option<Facility>,
    /// Another order of the same class that has units for it, to come or in stock, is placed for it, with whichever
    /// supplier and by whomever: what it needs is counted once.
    doubled: bool,
}

/// Units of a lot that a facility has.
#[derive(Clone, Debug, SimpleObject)]
pub struct HardwareAllocation {
    /// Global id of the facility, by which they are taken back.
    facility_id: ID,
    /// The facility; null where it is no longer yours.
    facility: Option<Facility>,
    /// How many units.
    quantity: i32,
    /// Since which day.
    allocated_on: Date,
}

/// Units that were delivered together. Units that are neither allocated nor returned are in stock.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex)]
pub struct HardwareLot {
    #[graphql(skip)]
    id: ID,
    /// Global id of the order.
    order_id: ID,
    /// Whose.
    buyer: Option<OrganisationSummary>,
    /// Of which model.
    model: Option<HardwareModel>,
    /// What it is.
    class: HardwareClass,
    /// How many units arrived: allocated, in stock or returned.
    quantity: i32,
    /// How many are allocated to facilities.
    allocated_quantity: i32,
    /// How many went back.
    returned_quantity: i32,
    /// How many are in stock.
    stock_quantity: i32,
    /// On which day they arrived.
    received_on: Date,
    /// Who has what of it: the first hundred.
    allocations: Vec<HardwareAllocation>,
}

#[ComplexObject]
impl HardwareOrder {
    /// Global id.
    pub async fn id(&self) -> ID {
        self.id.clone()
    }
}

#[ComplexObject]
impl HardwareLot {
    /// Global id.
    pub async fn id(&self) -> ID {
        self.id.clone()
    }
}

/// A page of orders.
pub type HardwareOrderConnection = Connection<String, HardwareOrder, ListTotal>;

/// A page of lots.
pub type HardwareLotConnection = Connection<String, HardwareLot>;

/// Which orders a list holds; all conditions must hold.
#[derive(Clone, Debug, Default, InputObject)]
pub struct HardwareOrderFilter {
    /// Ordered by this organisation.
    buyer_id: Option<ID>,
    /// Ordered from this supplier.
    supplier_id: Option<ID>,
    /// Of this model.
    model_id: Option<ID>,
    /// With units to come, or without.
    open: Option<bool>,
    /// With units to come that are promised for this day or earlier: with yesterday, what is overdue.
    promised_until: Option<Date>,
    /// With units to come whose delivery date is undetermined, or is not.
    undetermined: Option<bool>,
    /// Placed for a facility for which another order has units of the class too, or for none.
    doubled: Option<bool>,
}

/// Which lots a list holds; all conditions must hold.
#[derive(Clone, Debug, Default, InputObject)]
pub struct HardwareLotFilter {
    /// Of this buyer.
    buyer_id: Option<ID>,
    /// Of this order.
    order_id: Option<ID>,
    /// Of this model.
    model_id: Option<ID>,
    /// With units in stock, or without.
    in_stock: Option<bool>,
}

/// Queries over orders and stock.
#[derive(Default)]
pub struct HardwareOrderQuery;

#[Object]
impl HardwareOrderQuery {
    /// The orders of your organisations, on either side, the last first. Give `first` or `last`.
    async fn hardware_orders(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Which; all if not given.")] filter: Option<HardwareOrderFilter>,
        #[graphql(desc = "How many, from `after`; at most 100.")] first: Option<i32>,
        #[graphql(desc = "The cursor after which to begin.")] after: Option<String>,
        #[graphql(desc = "How many, up to `before`; at most 100.")] last: Option<i32>,
        #[graphql(desc = "The cursor before which to end.")] before: Option<String>,
    ) -> ApiResult<HardwareOrderConnection> {
        let filter = filter.unwrap_or_default();
        let fingerprint = Fingerprint::of(&filter);
        let arguments = PageArguments {
            after,
            before,
            first,
            last,
        };
        let page = arguments.check(&fingerprint)?;
        let from = page.from.as_deref().map(row_of_cursor).transpose()?;
        let list = OrderQuery {
            buyer: filter.buyer_id.as_ref().map(organisation_id).transpose()?,
            supplier: filter
                .supplier_id
                .as_ref()
                .map(organisation_id)
                .transpose()?,
            model: filter.model_id.as_ref().map(named_model).transpose()?,
            open: filter.open,
            promised_until: filter.promised_until.map(|day| day.0),
            undetermined: filter.undetermined,
            doubled: filter.doubled,
        };
        let database = &services(context)?.database;
        let actor = &caller(context)?.actor;
        let (backwards, most) = (page.backwards, page.most());
        let rows = order_lists::list_orders(database, actor, &list, from, backwards, most).await?;
        let (rows, previous, next) = page.cut(rows);
        let ahead = context.look_ahead();
        let counted =
            ahead.field("totalCount").exists() || ahead.field("totalCountIsExact").exists();
        let total = if counted {
            order_lists::count_orders(database, actor, &list, COUNTED_UP_TO + 1).await?
        } else {
            0
        };
        let total = ListTotal::up_to(total, COUNTED_UP_TO);
        let wanted =
            Wanted::of(&ahead.field("nodes")).or(Wanted::of(&ahead.field("edges").field("node")));
        let cursors: Vec<String> = rows
            .iter()
            .map(|row| fingerprint.cursor(&[row.order.id.0.to_string()]))
            .collect();
        let orders = complete_orders(context, rows, wanted).await?;
        let mut connection = Connection::with_additional_fields(previous, next, total);
        let edges = cursors.into_iter().zip(orders);
        connection.edges = edges
            .map(|(cursor, order)| Edge::new(cursor, order))
            .collect();
        Ok(connection)
    }

    /// The lots that your organisations received, the last first: what is in stock, and what went where. Give `first` or
    /// `last`.
    async fn hardware_lots(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Which; all if not given.")] filter: Option<HardwareLotFilter>,
        #[graphql(desc = "How many, from `after`; at most 100.")] first: Option<i32>,
        #[graphql(desc = "The cursor after which to begin.")] after: Option<String>,
        #[graphql(desc = "How many, up to `before`; at most 100.")] last: Option<i32>,
        #[graphql(desc = "The cursor before which to end.")] before: Option<String>,
    ) -> ApiResult<HardwareLotConnection> {
        let filter = filter.unwrap_or_default();
        let fingerprint = Fingerprint::of(&filter);
        let arguments = PageArguments {
            after,
            before,
            first,
            last,
        };
        let page = arguments.check(&fingerprint)?;
        let from = page.from.as_deref().map(row_of_cursor).transpose()?;
        let order = filter.order_id.as_ref().map(|id| {
            NodeId::row_of(id, NodeKind::HardwareOrder)
                .map(OrderId)
                .ok_or_else(|| ApiError::bad_input("BAD_ID", "this is no id of an order"))
        });
        let list = LotQuery {
            buyer: filter.buyer_id.as_ref().map(organisation_id).transpose()?,
            order: order.transpose()?,
            model: filter.model_id.as_ref().map(named_model).transpose()?,
            in_stock: filter.in_stock,
        };
        let database = &services(context)?.database;
        let actor = &caller(context)?.actor;
        let (backwards, most) = (page.backwards, page.most());
        let rows = order_lists::list_lots(database, actor, &list, from, backwards, most).await?;
        let (rows, previous, next) = page.cut(rows);
        let cursors: Vec<String> = rows
            .iter()
            .map(|lot| fingerprint.cursor(&[lot.id.0.to_string()]))
            .collect();
        let ahead = context.look_ahead();
        let wanted = LotWanted::of(&ahead.field("nodes"))
            .or(LotWanted::of(&ahead.field("edges").field("node")));
        let lots = complete_lots(context, rows, wanted).await?;
        let mut connection = Connection::new(previous, next);
        let edges = cursors.into_iter().zip(lots);
        connection.edges = edges.map(|(cursor, lot)| Edge::new(cursor, lot)).collect();
        Ok(connection)
    }
}

/// What a query selects of an order.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted {
    steps: bool,
    facilities: bool,
    facility: Option<Selected>,
}

impl Wanted {
    /// From the selection set of an order.
    pub fn of(order: &Lookahead<'_>) -> Self {
        let facilities = order.field("facilities");
        let facility = facilities.field("facility");
        Self {
            steps: order.field("steps").exists(),
            facilities: facilities.exists() || order.field("facilityCount").exists(),
            facility: facility.exists().then(|| Selected::of(&facility)),
        }
    }

    /// What either selects.
    #[must_use]
    pub fn or(mut self, other: Self) -> Self {
        self.facility = Selected::either(self.facility, other.facility);
        self.steps |= other.steps;
        self.facilities |= other.facilities;
        self
    }
}

/// Completes orders with what stands in other tables, a statement for each.
pub async fn complete_orders(
    context: &Context<'_>,
    rows: Vec<OrderRow>,
    wanted: Wanted,
) -> ApiResult<Vec<HardwareOrder>> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let database = &services(context)?.database;
    let ids: Vec<OrderId> = rows.iter().map(|row| row.order.id).collect();
    let mut steps: HashMap<OrderId, Vec<StepRow>> = HashMap::new();
    if wanted.steps {
        steps = orders::steps(database, &ids).await?;
    }
    let of_orders = rows
        .iter()
        .flat_map(|row| [row.order.model.0, row.order.ordered.0]);
    let of_steps = steps.values().flatten().filter_map(|row| match row.step {
        OrderStep::Substitute { model } => Some(model.0),
        _ => None,
    });
    let mut models: Vec<i64> = of_orders.chain(of_steps).collect();
    models.sort_unstable();
    models.dedup();
    let models = models_by_id(context, &models).await?;
    let mut placed: HashMap<OrderId, Vec<OrderedFor>> = HashMap::new();
    let mut facilities = HashMap::new();
    if wanted.facilities {
        for one in order_lists::ordered_for(database, &ids).await? {
            placed.entry(one.order).or_default().push(one);
        }
        let all = placed.values().flatten();
        let mut named: Vec<FacilityId> = all.map(|one| one.facility).collect();
        named.sort_unstable();
        named.dedup();
        let services = services(context)?;
        let actor = &caller(context)?.actor;
        let selected = wanted.facility.unwrap_or_default();
        facilities = facilities_by_id(services, actor, &named, selected).await?;
    }
    let told = |row: OrderRow| {
        let order = row.order;
        let steps = steps.remove(&order.id).unwrap_or_default();
        let placed = placed.remove(&order.id).unwrap_or_default();
        let seen = |one: &&OrderedFor| facilities.contains_key(&one.facility);
        HardwareOrder {
            id: NodeId::new(NodeKind::HardwareOrder, order.id.0).encode(),
            buyer: summary(&row.buyer),
            supplier: summary(&row.supplier),
            model: models.get(&order.model.0).cloned(),
            ordered_model: models.get(&order.ordered.0).cloned(),
            quantity: order.quantity,
            delivered_quantity: order.delivered,
            cancelled_quantity: order.cancelled,
            open_quantity: order.open(),
            unit_price: order.unit_price,
            ordered_on: Date(order.ordered_on),
            promised_on: order.promised_on.map(Date),
            steps: steps
                .into_iter()
                .map(|row| told_step(row, &models))
                .collect(),
            facility_count: placed.first().map_or(0, |one| one.count),
            facilities: placed
                .iter()
                .filter(seen)
                .map(|one| HardwareOrderFacility {
                    facility: facilities.get(&one.facility).cloned(),
                    doubled: one.doubled,
                })
                .collect(),
            version: order.version,
        }
    };
    Ok(rows.into_iter().map(told).collect())
}

fn told_step(row: StepRow, models: &HashMap<i64, HardwareModel>) -> HardwareOrderStep {
    let (model, lot) = match row.step {
        OrderStep::Substitute { model } => (models.get(&model.0).cloned(), None),
        OrderStep::Return { lot, .. } => (None, Some(lot)),
        _ => (None, None),
    };
    let (action, quantity, promised_on) = match row.step {
        OrderStep::Promise { until } => (HardwareOrderAction::Promise, None, until),
        OrderStep::Substitute { .. } => (HardwareOrderAction::Substitute, None, None),
        OrderStep::Deliver { quantity } => (HardwareOrderAction::Deliver, Some(quantity), None),
        OrderStep::Cancel { quantity } => (HardwareOrderAction::Cancel, Some(quantity), None),
        OrderStep::Return { quantity, .. } => (HardwareOrderAction::Return, Some(quantity), None),
    };
    HardwareOrderStep {
        action,
        on: Date(row.on),
        quantity,
        promised_on: promised_on.map(Date),
        model,
        lot_id: lot.map(|lot| NodeId::new(NodeKind::HardwareLot, lot.0).encode()),
        note: row.note,
    }
}

/// What a query selects of a lot.
#[derive(Clone, Copy, Debug, Default)]
struct LotWanted {
    allocations: bool,
    facility: Option<Selected>,
}

impl LotWanted {
    fn of(lot: &Lookahead<'_>) -> Self {
        let allocations = lot.field("allocations");
        let facility = allocations.field("facility");
        Self {
            allocations: allocations.exists(),
            facility: facility.exists().then(|| Selected::of(&facility)),
        }
    }

    fn or(mut self, other: Self) -> Self {
        self.facility = Selected::either(self.facility, other.facility);
        self.allocations |= other.allocations;
        self
    }
}

/// Completes lots with what stands in other tables.
async fn complete_lots(
    context: &Context<'_>,
    lots: Vec<Lot>,
    wanted: LotWanted,
) -> ApiResult<Vec<HardwareLot>> {
    if lots.is_empty() {
        return Ok(Vec::new());
    }
    let models: Vec<i64> = lots.iter().map(|lot| lot.model.0).collect();
    let models = models_by_id(context, &models).await?;
    let buyers: HashSet<_> = lots.iter().map(|lot| lot.buyer).collect();
    let services = services(context)?;
    let buyers = order_lists::names(&services.database, &buyers).await?;
    let mut allocated: HashMap<LotId, Vec<HardwareAllocation>> = HashMap::new();
    if wanted.allocations {
        let ids: Vec<LotId> = lots.iter().map(|lot| lot.id).collect();
        let found = order_lists::allocations(&services.database, &ids).await?;
        let mut named: Vec<FacilityId> = found.iter().map(|(_, facility, ..)| *facility).collect();
        named.sort_unstable();
        named.dedup();
        let actor = &caller(context)?.actor;
        let facilities = match wanted.facility {
            Some(selected) => facilities_by_id(services, actor, &named, selected).await?,
            None => HashMap::new(),
        };
        for (lot, facility, quantity, on) in found {
            allocated.entry(lot).or_default().push(HardwareAllocation {
                facility_id: NodeId::new(NodeKind::Facility, facility.0).encode(),
                facility: facilities.get(&facility).cloned(),
                quantity,
                allocated_on: Date(on),
            });
        }
    }
    let told = |lot: Lot| HardwareLot {
        id: NodeId::new(NodeKind::HardwareLot, lot.id.0).encode(),
        order_id: NodeId::new(NodeKind::HardwareOrder, lot.order.0).encode(),
        buyer: buyers.get(&lot.buyer).map(summary),
        model: models.get(&lot.model.0).cloned(),
        class: lot.class,
        quantity: lot.quantity,
        allocated_quantity: lot.allocated,
        returned_quantity: lot.returned,
        stock_quantity: lot.in_stock(),
        received_on: Date(lot.received_on),
        allocations: allocated.remove(&lot.id).unwrap_or_default(),
    };
    Ok(lots.into_iter().map(told).collect())
}

/// Those of some orders that the caller sees, by their rows.
pub async fn orders_by_id(
    context: &Context<'_>,
    ids: &[i64],
) -> ApiResult<HashMap<i64, HardwareOrder>> {
    let wanted = Wanted::of(&context.look_ahead());
    orders_with(context, ids, wanted).await
}

/// As [`orders_by_id`], where what is wanted is known.
pub async fn orders_with(
    context: &Context<'_>,
    ids: &[i64],
    wanted: Wanted,
) -> ApiResult<HashMap<i64, HardwareOrder>> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let actor = &caller(context)?.actor;
    let rows = order_lists::find_orders(&services(context)?.database, actor, ids).await?;
    let keys: Vec<i64> = rows.iter().map(|row| row.order.id.0).collect();
    let orders = complete_orders(context, rows, wanted).await?;
    Ok(keys.into_iter().zip(orders).collect())
}

/// Those of some lots that the caller sees, by their rows.
pub async fn lots_by_id(
    context: &Context<'_>,
    ids: &[i64],
) -> ApiResult<HashMap<i64, HardwareLot>> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let actor = &caller(context)?.actor;
    let rows = order_lists::find_lots(&services(context)?.database, actor, ids).await?;
    let keys: Vec<i64> = rows.iter().map(|lot| lot.id.0).collect();
    let wanted = LotWanted::of(&context.look_ahead());
    let lots = complete_lots(context, rows, wanted).await?;
    Ok(keys.into_iter().zip(lots).collect())
}
