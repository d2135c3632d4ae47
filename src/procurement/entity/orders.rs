//! The tables `hardware_order`, `hardware_order_step`, `hardware_order_facility`, `hardware_lot` and
//! `hardware_allocation`.

use std::collections::{BTreeMap, HashMap};

use chrono::NaiveDate;

use crate::{
    auth::{Actor, Identity, OrganisationKind, Permission, Scope, entity::push_scope},
    db::{
        Backend, ChangeId, Column, ConnectionTrait, Database, DbErr, FacilityId, Query, Row, Table,
        Transaction, Values,
    },
    facility::{FacilityKind, columns::read_kind},
    procurement::{Lot, LotId, Order, OrderId, OrderStep},
    supply::{HardwareClass, ModelId},
};

/// Orders.
pub const HARDWARE_ORDER: Table = Table {
    name: "hardware_order",
    columns: &[
        ("id", Column::Big),
        ("buyer_id", Column::Big),
        ("supplier_id", Column::Big),
        ("model_id", Column::Big),
        ("ordered_model_id", Column::Big),
        ("quantity", Column::Int),
        ("delivered", Column::Int),
        ("cancelled", Column::Int),
        ("unit_price", Column::Int),
        ("ordered_on", Column::Date),
        ("promised_on", Column::Date),
        ("version", Column::Int),
        ("change_id", Column::Big),
    ],
};

/// What happened to orders.
pub const HARDWARE_ORDER_STEP: Table = Table {
    name: "hardware_order_step",
    columns: &[
        ("order_id", Column::Big),
        ("step", Column::Code),
        ("done_on", Column::Date),
        ("quantity", Column::Int),
        ("promised_on", Column::Date),
        ("model_id", Column::Big),
        ("lot_id", Column::Big),
        ("note", Column::Text),
        ("change_id", Column::Big),
    ],
};

/// Lots.
pub const HARDWARE_LOT: Table = Table {
    name: "hardware_lot",
    columns: &[
        ("id", Column::Big),
        ("order_id", Column::Big),
        ("buyer_id", Column::Big),
        ("model_id", Column::Big),
        ("class", Column::Code),
        ("quantity", Column::Int),
        ("allocated", Column::Int),
        ("returned", Column::Int),
        ("received_on", Column::Date),
        ("stock_since", Column::Date),
        ("change_id", Column::Big),
    ],
};

/// As [`HARDWARE_LOT`], for rows whose ids the database gives.
const NEW_HARDWARE_LOT: Table = Table {
    name: HARDWARE_LOT.name,
    columns: match HARDWARE_LOT.columns.split_first() {
        Some((_, rest)) => rest,
        None => &[],
    },
};

/// Allocations.
pub const HARDWARE_ALLOCATION: Table = Table {
    name: "hardware_allocation",
    columns: &[
        ("lot_id", Column::Big),
        ("facility_id", Column::Big),
        ("class", Column::Code),
        ("quantity", Column::Int),
        ("allocated_on", Column::Date),
        ("reached", Column::Bool),
        ("change_id", Column::Big),
    ],
};

/// The facilities of orders.
pub const HARDWARE_ORDER_FACILITY: Table = Table {
    name: "hardware_order_facility",
    columns: &[("order_id", Column::Big), ("facility_id", Column::Big)],
};

pub(super) const ORDER: &str = "h.id, h.buyer_id, h.supplier_id, h.model_id, h.ordered_model_id, h.quantity, h.delivered, h.cancelled, h.unit_price, \
     h.ordered_on, h.promised_on, h.version";

pub(super) fn read_order(row: &mut Row<'_>) -> Result<Order, DbErr> {
    Ok(Order {
        id: OrderId(row.take()?),
        buyer: row.take()?,
        supplier: row.take()?,
        model: ModelId(row.take()?),
        ordered: ModelId(row.take()?),
        quantity: row.take()?,
        delivered: row.take()?,
        cancelled: row.take()?,
        unit_price: row.take()?,
        ordered_on: row.take()?,
        promised_on: row.take()?,
        version: row.take()?,
    })
}

fn order_values(order: &Order, change: ChangeId) -> Values {
    vec![
        order.id.0.into(),
        order.buyer.0.into(),
        order.supplier.0.into(),
        order.model.0.into(),
        order.ordered.0.into(),
        order.quantity.into(),
        order.delivered.into(),
        order.cancelled.into(),
        order.unit_price.into(),
        order.ordered_on.into(),
        order.promised_on.into(),
        order.version.into(),
        change.0.into(),
    ]
}

pub(super) const LOT: &str = "l.id, l.order_id, l.buyer_id, l.model_id, l.class, l.quantity, l.allocated, l.returned, l.received_on, l.stock_since";

pub(super) fn read_lot(row: &mut Row<'_>) -> Result<Lot, DbErr> {
    let (id, order) = (LotId(row.take()?), OrderId(row.take()?));
    let buyer = row.take()?;
    let model = ModelId(row.take()?);
    let class: i16 = row.take()?;
    Ok(Lot {
        id,
        order,
        buyer,
        model,
        class: HardwareClass::from_code(class)
            .ok_or_else(|| DbErr::Type(format!("{class} is no class of hardware")))?,
        quantity: row.take()?,
        allocated: row.take()?,
        returned: row.take()?,
        received_on: row.take()?,
        stock_since: row.take()?,
    })
}

fn lot_values(lot: &Lot, change: ChangeId) -> Values {
    vec![
        lot.id.0.into(),
        lot.order.0.into(),
        lot.buyer.0.into(),
        lot.model.0.into(),
        lot.class.code().into(),
        lot.quantity.into(),
        lot.allocated.into(),
        lot.returned.into(),
        lot.received_on.into(),
        lot.stock_since.into(),
        change.0.into(),
    ]
}

/// Does the actor see every order?
pub fn sees_all(actor: &Actor) -> bool {
    use OrganisationKind as Kind;
    actor.identity == Identity::System
        || actor.grants_with(Permission::OrderRead).any(|grant| {
            matches!(
                grant.kind,
                Kind::Ministry | Kind::PaymentFund | Kind::Auditor
            )
        })
}

/// Appends the condition that the actor sees what these columns are of: its own organisations' orders, on either side.
pub(super) fn push_visible(query: &mut Query, backend: Backend, actor: &Actor, sides: &[&str]) {
    if sees_all(actor) {
        query.push("TRUE");
        return;
    }
    let organisations = actor.organisations_with(Permission::OrderRead);
    query.push("(");
    for (position, column) in sides.iter().enumerate() {
        query.push(if position > 0 { " OR " } else { "" });
        query.push(column);
        query.bind_ids(backend, organisations.iter().map(|id| id.0));
    }
    query.push(")");
}

pub(super) const SIDES: [&str; 2] = ["h.buyer_id", "h.supplier_id"];

/// Orders that the actor sees, locked until the transaction ends, in the order of their rows.
pub async fn lock_orders(
    database: &Database,
    transaction: &Transaction,
    actor: &Actor,
    ids: &[OrderId],
) -> Result<BTreeMap<OrderId, Order>, DbErr> {
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let mut query = Query::new(format!("SELECT {ORDER} FROM hardware_order h WHERE "));
    push_visible(&mut query, database.backend(), actor, &SIDES);
    query.push(" AND h.id");
    query.bind_ids(database.backend(), ids.iter().map(|id| id.0));
    query.push(" ORDER BY h.id").push(database.for_update());
    let rows = query.all(transaction).await?;
    rows.iter()
        .map(|row| {
            let order = read_order(&mut Row::new(row))?;
            Ok((order.id, order))
        })
        .collect()
}

/// Lots of buyers that the actor sees, locked until the transaction ends, in the order of their rows.
pub async fn lock_lots(
    database: &Database,
    transaction: &Transaction,
    actor: &Actor,
    ids: &[LotId],
) -> Result<BTreeMap<LotId, Lot>, DbErr> {
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let mut query = Query::new(format!("SELECT {LOT} FROM hardware_lot l WHERE "));
    push_visible(&mut query, database.backend(), actor, &["l.buyer_id"]);
    query.push(" AND l.id");
    query.bind_ids(database.backend(), ids.iter().map(|id| id.0));
    query.push(" ORDER BY l.id").push(database.for_update());
    let rows = query.all(transaction).await?;
    rows.iter()
        .map(|row| {
            let lot = read_lot(&mut Row::new(row))?;
            Ok((lot.id, lot))
        })
        .collect()
}

/// Places an order for some facilities.
pub async fn insert_order(
    transaction: &Transaction,
    change: ChangeId,
    order: &Order,
    facilities: &[FacilityId],
) -> Result<OrderId, DbErr> {
    const NEW: Table = Table {
        name: HARDWARE_ORDER.name,
        columns: match HARDWARE_ORDER.columns.split_first() {
            Some((_, rest)) => rest,
            None => &[],
        },
    };
    let row = order_values(order, change).into_iter().skip(1).collect();
    let ids = NEW.insert_returning(transaction, "id", vec![row]).await?;
    let id = ids.first().copied();
    let id = id.ok_or_else(|| DbErr::Custom("an order got no id".to_owned()))?;
    let rows = facilities
        .iter()
        .map(|facility| vec![id.into(), facility.0.into()]);
    HARDWARE_ORDER_FACILITY
        .insert(transaction, rows.collect())
        .await?;
    Ok(OrderId(id))
}

/// Writes orders that are there.
pub async fn update_orders(
    transaction: &Transaction,
    change: ChangeId,
    orders: &[&Order],
) -> Result<(), DbErr> {
    let rows = orders.iter().map(|order| order_values(order, change));
    HARDWARE_ORDER
        .upsert(transaction, &["id"], rows.collect())
        .await
}

/// Writes lots that are there.
pub async fn update_lots(
    transaction: &Transaction,
    change: ChangeId,
    lots: &[&Lot],
) -> Result<(), DbErr> {
    let rows = lots.iter().map(|lot| lot_values(lot, change));
    HARDWARE_LOT
        .upsert(transaction, &["id"], rows.collect())
        .await
}

/// Adds lots that arrived.
pub async fn insert_lots(
    transaction: &Transaction,
    change: ChangeId,
    lots: &[Lot],
) -> Result<(), DbErr> {
    let rows = lots
        .iter()
        .map(|lot| lot_values(lot, change).into_iter().skip(1).collect());
    NEW_HARDWARE_LOT.insert(transaction, rows.collect()).await
}

/// A step of an order as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepRow {
    /// Of which order.
    pub order: OrderId,
    /// What happened.
    pub step: OrderStep,
    /// On which day.
    pub on: NaiveDate,
    /// A remark.
    pub note: Option<String>,
}

/// Keeps what happened to orders.
pub async fn insert_steps(
    transaction: &Transaction,
    change: ChangeId,
    steps: &[StepRow],
) -> Result<(), DbErr> {
    let values = |row: &StepRow| -> Values {
        let (mut quantity, mut promised, mut model, mut lot) = (None, None, None, None);
        match row.step {
            OrderStep::Promise { until } => promised = until,
            OrderStep::Substitute { model: other } => model = Some(other.0),
            OrderStep::Deliver { quantity: some } | OrderStep::Cancel { quantity: some } => {
                quantity = Some(some);
            }
            OrderStep::Return {
                lot: of,
                quantity: some,
            } => {
                quantity = Some(some);
                lot = Some(of.0);
            }
        }
        vec![
            row.order.0.into(),
            row.step.code().into(),
            row.on.into(),
            quantity.into(),
            promised.into(),
            model.into(),
            lot.into(),
            row.note.clone().into(),
            change.0.into(),
        ]
    };
    HARDWARE_ORDER_STEP
        .insert(transaction, steps.iter().map(values).collect())
        .await
}

/// Steps of orders, in the order of recording: for each its order, step, day, quantity, promised day, model and remark.
pub async fn steps(
    database: &Database,
    orders: &[OrderId],
) -> Result<HashMap<OrderId, Vec<StepRow>>, DbErr> {
    let mut all: HashMap<OrderId, Vec<StepRow>> = HashMap::new();
    if orders.is_empty() {
        return Ok(all);
    }
    let mut query = Query::new(
        "SELECT order_id, step, done_on, quantity, promised_on, model_id, lot_id, note FROM hardware_order_step \
         WHERE order_id",
    );
    query.bind_ids(database.backend(), orders.iter().map(|id| id.0));
    query.push(" ORDER BY order_id, id");
    for row in query.all(database.read()).await? {
        let mut row = Row::new(&row);
        let order = OrderId(row.take()?);
        let code: i16 = row.take()?;
        let on = row.take()?;
        let quantity: Option<i32> = row.take()?;
        let quantity = quantity.unwrap_or(0);
        let until = row.take()?;
        let (model, lot): (Option<i64>, Option<i64>) = (row.take()?, row.take()?);
        let step = match code {
            0 => OrderStep::Promise { until },
            1 => OrderStep::Substitute {
                model: ModelId(model.unwrap_or(0)),
            },
            2 => OrderStep::Deliver { quantity },
            3 => OrderStep::Cancel { quantity },
            4 => OrderStep::Return {
                lot: LotId(lot.unwrap_or(0)),
                quantity,
            },
            _ => return Err(DbErr::Type(format!("{code} is no step of an order"))),
        };
        all.entry(order).or_default().push(StepRow {
            order,
            step,
            on,
            note: row.take()?,
        });
    }
    Ok(all)
}

/// An allocation in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allocation {
    /// Its row; 0 for one that is not written yet.
    pub id: i64,
    /// Of which lot.
    pub lot: LotId,
    /// To which facility.
    pub facility: FacilityId,
    /// Of which class.
    pub class: HardwareClass,
    /// How many units.
    pub quantity: i32,
    /// Since which day.
    pub on: NaiveDate,
    /// The facility reached the milestone by it.
    pub reached: bool,
}

/// The allocations of facilities that are in force.
pub async fn allocations_of(
    database: &Database,
    connection: &impl ConnectionTrait,
    facilities: &[FacilityId],
) -> Result<Vec<Allocation>, DbErr> {
    let mut query = Query::new(
        "SELECT id, lot_id, facility_id, class, quantity, allocated_on, reached FROM hardware_allocation \
         WHERE ended_by IS NULL AND facility_id",
    );
    query.bind_ids(database.backend(), facilities.iter().map(|id| id.0));
    query.push(" ORDER BY id");
    let rows = query.all(connection).await?;
    rows.iter()
        .map(|row| {
            let mut row = Row::new(row);
            let id = row.take()?;
            let lot = LotId(row.take()?);
            let facility = row.take()?;
            let class: i16 = row.take()?;
            Ok(Allocation {
                id,
                lot,
                facility,
                class: HardwareClass::from_code(class)
                    .ok_or_else(|| DbErr::Type(format!("{class} is no class of hardware")))?,
                quantity: row.take()?,
                on: row.take()?,
                reached: row.take()?,
            })
        })
        .collect()
}

/// Allocates units.
pub async fn insert_allocations(
    transaction: &Transaction,
    change: ChangeId,
    allocations: &[Allocation],
) -> Result<(), DbErr> {
    let rows = allocations.iter().map(|one| {
        vec![
            one.lot.0.into(),
            one.facility.0.into(),
            one.class.code().into(),
            one.quantity.into(),
            one.on.into(),
            one.reached.into(),
            change.0.into(),
        ]
    });
    HARDWARE_ALLOCATION
        .insert(transaction, rows.collect())
        .await
}

/// Ends allocations on a day.
pub async fn end_allocations(
    database: &Database,
    transaction: &Transaction,
    change: ChangeId,
    ended: &[(i64, NaiveDate)],
) -> Result<(), DbErr> {
    let mut by_day: BTreeMap<NaiveDate, Vec<i64>> = BTreeMap::new();
    for (id, on) in ended {
        by_day.entry(*on).or_default().push(*id);
    }
    for (on, ids) in by_day {
        let mut query = Query::new("UPDATE hardware_allocation SET ended_on = ");
        query.bind(on).push(", ended_by = ").bind(change.0);
        query.push(" WHERE id");
        query.bind_ids(database.backend(), ids);
        query.execute(transaction).await?;
    }
    Ok(())
}

/// Says of allocations that the facility has what it reached by others because of them now.
pub async fn inherit(
    database: &Database,
    transaction: &Transaction,
    ids: &[i64],
) -> Result<(), DbErr> {
    if ids.is_empty() {
        return Ok(());
    }
    let mut query = Query::new("UPDATE hardware_allocation SET reached = ");
    query.bind(true).push(" WHERE id");
    query.bind_ids(database.backend(), ids.iter().copied());
    query.execute(transaction).await?;
    Ok(())
}

/// What those of some facilities are that are in a scope.
pub async fn kinds_of(
    database: &Database,
    connection: &impl ConnectionTrait,
    scope: &Scope,
    facilities: &[FacilityId],
) -> Result<HashMap<FacilityId, FacilityKind>, DbErr> {
    if facilities.is_empty() {
        return Ok(HashMap::new());
    }
    let mut query =
        Query::new("SELECT s.facility_id, s.kind FROM facility_state s WHERE s.facility_id");
    query.bind_ids(database.backend(), facilities.iter().map(|id| id.0));
    query.push(" AND ");
    push_scope(&mut query, scope, "s");
    let rows = query.all(connection).await?;
    rows.iter()
        .map(|row| {
            let mut row = Row::new(row);
            Ok((row.take()?, read_kind(&mut row)?))
        })
        .collect()
}

/// For which kinds of facility orders are placed.
pub async fn kinds_ordered_for(
    database: &Database,
    connection: &impl ConnectionTrait,
    orders: &[OrderId],
) -> Result<HashMap<OrderId, Vec<FacilityKind>>, DbErr> {
    let mut kinds: HashMap<OrderId, Vec<FacilityKind>> = HashMap::new();
    if orders.is_empty() {
        return Ok(kinds);
    }
    let mut query = Query::new(
        "SELECT DISTINCT f.order_id, s.kind FROM hardware_order_facility f \
         JOIN facility_state s ON s.facility_id = f.facility_id WHERE f.order_id",
    );
    query.bind_ids(database.backend(), orders.iter().map(|id| id.0));
    for row in query.all(connection).await? {
        let mut row = Row::new(&row);
        let of_order = kinds.entry(OrderId(row.take()?)).or_default();
        of_order.push(read_kind(&mut row)?);
    }
    Ok(kinds)
}
