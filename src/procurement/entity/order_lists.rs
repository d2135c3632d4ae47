//! What is read of orders, lots and the facilities that orders are placed for.

use std::collections::{HashMap, HashSet};

use chrono::NaiveDate;

use super::orders::{LOT, ORDER, SIDES, push_visible, read_lot, read_order};
use crate::{
    auth::{Actor, OrganisationName, read_name},
    db::{Backend, ConnectionTrait, Database, DbErr, FacilityId, OrganisationId, Query, Row},
    procurement::{Lot, LotId, Order, OrderId},
    supply::ModelId,
};

/// An order as lists have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderRow {
    /// The order.
    pub order: Order,
    /// Who orders.
    pub buyer: OrganisationName,
    /// From whom.
    pub supplier: OrganisationName,
}

/// Which orders a list holds; all conditions must hold.
#[derive(Clone, Debug, Default)]
pub struct OrderQuery {
    /// Ordered by it.
    pub buyer: Option<OrganisationId>,
    /// Ordered from it.
    pub supplier: Option<OrganisationId>,
    /// Of this model.
    pub model: Option<ModelId>,
    /// With units that are open, or (`false`) without.
    pub open: Option<bool>,
    /// What is open is promised for this day or earlier.
    pub promised_until: Option<NaiveDate>,
    /// With units that are open and without a promised day, or (`false`) with one.
    pub undetermined: Option<bool>,
    /// Placed for a facility for which another one is placed too, or (`false`) for none.
    pub doubled: Option<bool>,
}

fn select_orders() -> String {
    format!(
        "SELECT {ORDER}, b.id, b.name, p.id, p.name FROM hardware_order h JOIN organisation b ON b.id = h.buyer_id \
         JOIN organisation p ON p.id = h.supplier_id WHERE "
    )
}

fn read_order_row(row: &mut Row<'_>) -> Result<OrderRow, DbErr> {
    let none = || DbErr::Type("an order of nobody".to_owned());
    Ok(OrderRow {
        order: read_order(row)?,
        buyer: read_name(row)?.ok_or_else(none)?,
        supplier: read_name(row)?.ok_or_else(none)?,
    })
}

/// A page of the orders that the actor sees, the last first.
pub async fn list_orders(
    database: &Database,
    actor: &Actor,
    list: &OrderQuery,
    from: Option<i64>,
    backwards: bool,
    most: u64,
) -> Result<Vec<OrderRow>, DbErr> {
    let mut query = Query::new(select_orders());
    push_orders(&mut query, database.backend(), actor, list);
    push_page(&mut query, "h.id", from, backwards, most);
    let rows = query.all(database.read()).await?;
    let mut rows: Vec<OrderRow> = rows
        .iter()
        .map(|row| read_order_row(&mut Row::new(row)))
        .collect::<Result<_, DbErr>>()?;
    if backwards {
        rows.reverse();
    }
    Ok(rows)
}

/// How many orders a list has, counted up to so many.
pub async fn count_orders(
    database: &Database,
    actor: &Actor,
    list: &OrderQuery,
    most: i64,
) -> Result<i64, DbErr> {
    let mut query = Query::new("SELECT count(*) FROM (SELECT 1 FROM hardware_order h WHERE ");
    push_orders(&mut query, database.backend(), actor, list);
    query.push(" LIMIT ").bind(most).push(") AS counted");
    query.scalar(database.read()).await
}

/// Those of some orders that the actor sees.
pub async fn find_orders(
    database: &Database,
    actor: &Actor,
    ids: &[i64],
) -> Result<Vec<OrderRow>, DbErr> {
    let mut query = Query::new(select_orders());
    push_visible(&mut query, database.backend(), actor, &SIDES);
    query.push(" AND h.id");
    query.bind_ids(database.backend(), ids.iter().copied());
    query.push(" ORDER BY h.id");
    let rows = query.all(database.read()).await?;
    rows.iter()
        .map(|row| read_order_row(&mut Row::new(row)))
        .collect()
}

fn push_page(query: &mut Query, id: &str, from: Option<i64>, backwards: bool, most: u64) {
    if let Some(from) = from {
        query.push(&format!(" AND {id} {} ", if backwards { ">" } else { "<" }));
        query.bind(from);
    }
    let direction = if backwards { "" } else { " DESC" };
    query.push(&format!(" ORDER BY {id}{direction} LIMIT "));
    query.bind(i64::try_from(most).unwrap_or(i64::MAX));
}

const IS_OPEN: &str = "h.quantity > h.delivered + h.cancelled";

fn push_orders(query: &mut Query, backend: Backend, actor: &Actor, list: &OrderQuery) {
    let OrderQuery {
        buyer,
        supplier,
        model,
        open,
        promised_until,
        undetermined,
        doubled,
    } = list;
    push_visible(query, backend, actor, &SIDES);
    for (column, organisation) in [("h.buyer_id", buyer), ("h.supplier_id", supplier)] {
        if let Some(id) = organisation {
            query.push(&format!(" AND {column} = ")).bind(id.0);
        }
    }
    if let Some(model) = model {
        query.push(" AND h.model_id = ").bind(model.0);
    }
    if let Some(open) = *open {
        query.push(if open { " AND " } else { " AND NOT " });
        query.push(IS_OPEN);
    }
    if let Some(day) = promised_until {
        query.push(" AND ").push(IS_OPEN);
        query.push(" AND h.promised_on <= ").bind(*day);
    }
    if let Some(undetermined) = *undetermined {
        query.push(" AND ").push(IS_OPEN);
        query.push(if undetermined {
            " AND h.promised_on IS NULL"
        } else {
            " AND h.promised_on IS NOT NULL"
        });
    }
    if let Some(doubled) = *doubled {
        query.push(if doubled { " AND " } else { " AND NOT " });
        query.push("EXISTS (SELECT 1 FROM hardware_order_facility f WHERE f.order_id = h.id AND ");
        query.push(&doubled_at("h")).push(")");
    }
}

/// The condition that an order has units that may yet go to the facilities for which it is placed: open, or in stock.
fn supplies(order: &str) -> String {
    format!(
        "({order}.quantity > {order}.delivered + {order}.cancelled OR EXISTS (SELECT 1 FROM hardware_lot l \
         WHERE l.order_id = {order}.id AND l.quantity > l.allocated + l.returned))"
    )
}

/// The condition that another order of the class supplies the facility of a row `f` of an order, too.
fn doubled_at(order: &str) -> String {
    format!(
        "({} AND EXISTS (SELECT 1 FROM hardware_order_facility x JOIN hardware_order y ON y.id = x.order_id \
         JOIN hardware_model m ON m.id = y.model_id JOIN hardware_model n ON n.id = {order}.model_id \
         WHERE x.facility_id = f.facility_id AND x.order_id <> f.order_id AND m.class = n.class AND {}))",
        supplies(order),
        supplies("y")
    )
}

/// A facility that an order is placed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderedFor {
    /// Of which order.
    pub order: OrderId,
    /// Which facility.
    pub facility: FacilityId,
    /// Another order of the same class that has units for it, open or in stock, is placed for it, with whichever supplier
    /// and by whomever: what it needs is counted once.
    pub doubled: bool,
    /// For how many facilities the order is placed.
    pub count: i64,
}

/// Facilities that are listed of an order.
const MOST_LISTED: i64 = 100;

/// The facilities that orders are placed for: the first hundred of each.
pub async fn ordered_for(
    database: &Database,
    orders: &[OrderId],
) -> Result<Vec<OrderedFor>, DbErr> {
    if orders.is_empty() {
        return Ok(Vec::new());
    }
    let mut query = Query::new(format!(
        "SELECT f.order_id, f.facility_id, {} AS doubled, f.many FROM (SELECT order_id, facility_id, \
         row_number() OVER (PARTITION BY order_id ORDER BY facility_id) AS place, \
         count(*) OVER (PARTITION BY order_id) AS many FROM hardware_order_facility WHERE order_id",
        doubled_at("o")
    ));
    query.bind_ids(database.backend(), orders.iter().map(|id| id.0));
    query.push(") AS f JOIN hardware_order o ON o.id = f.order_id WHERE f.place <= ");
    query.bind(MOST_LISTED);
    query.push(" ORDER BY f.order_id, f.facility_id");
    let rows = query.all(database.read()).await?;
    rows.iter()
        .map(|row| {
            let mut row = Row::new(row);
            Ok(OrderedFor {
                order: OrderId(row.take()?),
                facility: row.take()?,
                doubled: row.take()?,
                count: row.take()?,
            })
        })
        .collect()
}

/// What of lots is allocated to whom: the first hundred of each.
pub async fn allocations(
    database: &Database,
    lots: &[LotId],
) -> Result<Vec<(LotId, FacilityId, i32, NaiveDate)>, DbErr> {
    if lots.is_empty() {
        return Ok(Vec::new());
    }
    let mut query = Query::new(
        "SELECT a.lot_id, a.facility_id, a.quantity, a.allocated_on FROM (SELECT id, lot_id, facility_id, quantity, \
         allocated_on, row_number() OVER (PARTITION BY lot_id ORDER BY id) AS place FROM hardware_allocation \
         WHERE ended_by IS NULL AND lot_id",
    );
    query.bind_ids(database.backend(), lots.iter().map(|id| id.0));
    query.push(") AS a WHERE a.place <= ").bind(MOST_LISTED);
    query.push(" ORDER BY a.lot_id, a.id");
    let rows = query.all(database.read()).await?;
    rows.iter()
        .map(|row| {
            let mut row = Row::new(row);
            Ok((LotId(row.take()?), row.take()?, row.take()?, row.take()?))
        })
        .collect()
}

/// Which lots a list holds; all conditions must hold.
#[derive(Clone, Debug, Default)]
pub struct LotQuery {
    /// Of this buyer.
    pub buyer: Option<OrganisationId>,
    /// Of this order.
    pub order: Option<OrderId>,
    /// Of this model.
    pub model: Option<ModelId>,
    /// With units in stock, or (`false`) without.
    pub in_stock: Option<bool>,
}

/// A page of the lots that the actor sees, the last first.
pub async fn list_lots(
    database: &Database,
    actor: &Actor,
    list: &LotQuery,
    from: Option<i64>,
    backwards: bool,
    most: u64,
) -> Result<Vec<Lot>, DbErr> {
    let LotQuery {
        buyer,
        order,
        model,
        in_stock,
    } = list;
    let mut query = Query::new(format!("SELECT {LOT} FROM hardware_lot l WHERE "));
    push_visible(&mut query, database.backend(), actor, &["l.buyer_id"]);
    for (column, id) in [
        ("l.buyer_id", buyer.map(|id| id.0)),
        ("l.order_id", order.map(|id| id.0)),
        ("l.model_id", model.map(|id| id.0)),
    ] {
        if let Some(id) = id {
            query.push(&format!(" AND {column} = ")).bind(id);
        }
    }
    if let Some(in_stock) = *in_stock {
        query.push(if in_stock { " AND " } else { " AND NOT " });
        query.push("l.quantity > l.allocated + l.returned");
    }
    push_page(&mut query, "l.id", from, backwards, most);
    let rows = query.all(database.read()).await?;
    let mut lots: Vec<Lot> = rows
        .iter()
        .map(|row| read_lot(&mut Row::new(row)))
        .collect::<Result<_, DbErr>>()?;
    if backwards {
        lots.reverse();
    }
    Ok(lots)
}

/// Those of some lots that the actor sees.
pub async fn find_lots(database: &Database, actor: &Actor, ids: &[i64]) -> Result<Vec<Lot>, DbErr> {
    let mut query = Query::new(format!("SELECT {LOT} FROM hardware_lot l WHERE "));
    push_visible(&mut query, database.backend(), actor, &["l.buyer_id"]);
    query.push(" AND l.id");
    query.bind_ids(database.backend(), ids.iter().copied());
    query.push(" ORDER BY l.id");
    let rows = query.all(database.read()).await?;
    rows.iter()
        .map(|row| read_lot(&mut Row::new(row)))
        .collect()
}

/// Names of organisations.
pub async fn names(
    database: &Database,
    ids: &HashSet<OrganisationId>,
) -> Result<HashMap<OrganisationId, OrganisationName>, DbErr> {
    let mut query = Query::new("SELECT o.id, o.name FROM organisation o WHERE o.id");
    query.bind_ids(database.backend(), ids.iter().map(|id| id.0));
    let rows = query.all(database.read()).await?;
    let mut names = HashMap::new();
    for row in &rows {
        if let Some(name) = read_name(&mut Row::new(row))? {
            names.insert(name.id, name);
        }
    }
    Ok(names)
}

/// What does not add up: orders of which the steps say another number delivered or cancelled than is kept, and lots of
/// which the allocations in force or the returns do.
pub async fn imbalances(
    connection: &impl ConnectionTrait,
) -> Result<Vec<(String, i64, i64)>, DbErr> {
    let mut found = Vec::new();
    for (what, counted, kept) in [
        (
            "'order ' || h.id || ' delivered'",
            "COALESCE((SELECT sum(s.quantity) FROM hardware_order_step s WHERE s.order_id = h.id AND s.step = 2), 0)",
            "h.delivered AS kept FROM hardware_order h",
        ),
        (
            "'order ' || h.id || ' received'",
            "COALESCE((SELECT sum(l.quantity) FROM hardware_lot l WHERE l.order_id = h.id), 0)",
            "h.delivered AS kept FROM hardware_order h",
        ),
        (
            "'order ' || h.id || ' cancelled'",
            "COALESCE((SELECT sum(s.quantity) FROM hardware_order_step s WHERE s.order_id = h.id AND s.step = 3), 0)",
            "h.cancelled AS kept FROM hardware_order h",
        ),
        (
            "'lot ' || h.id || ' allocated'",
            "COALESCE((SELECT sum(a.quantity) FROM hardware_allocation a WHERE a.lot_id = h.id AND a.ended_by IS NULL), 0)",
            "h.allocated AS kept FROM hardware_lot h",
        ),
        (
            "'lot ' || h.id || ' returned'",
            "COALESCE((SELECT sum(s.quantity) FROM hardware_order_step s WHERE s.order_id = h.order_id AND s.lot_id = h.id AND s.step = 4), 0)",
            "h.returned AS kept FROM hardware_lot h",
        ),
    ] {
        let rows = Query::new(format!(
            "SELECT what, CAST(counted AS BIGINT), CAST(kept AS BIGINT) FROM \
             (SELECT {what} AS what, {counted} AS counted, {kept}) AS held \
             WHERE counted <> kept ORDER BY what LIMIT 100"
        ))
        .all(connection)
        .await?;
        for row in &rows {
            let mut row = Row::new(row);
            found.push((row.take()?, row.take()?, row.take()?));
        }
    }
    Ok(found)
}
