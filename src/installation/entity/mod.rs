//! The tables `installation`, `installation_check`, `installation_reference` and `checklist`.

mod images;
mod list;
mod promises;

use std::collections::{BTreeMap, HashMap};

use chrono::NaiveDate;
pub use images::{
    INSTALLATION_BEFORE, Image, image_values, images, names_of, replace, write_images,
};
pub use list::{Condition, Cursor, InstallationRow, ListQuery, count_up_to, find, list};
pub use promises::{PromiseRow, ends, promises, references};
use sea_orm::Value;

use super::{Checklist, Installation, InstallationId, InstallationStatus, VisitWindow};
use crate::{
    db::{
        ChangeId, Column, ConnectionTrait, Database, DbErr, EventId, FacilityId, OrganisationId,
        Query, Row, Table, Transaction, Values,
    },
    facility::{FacilityKind, columns::read_kind},
    milestone::{Action, Aspect, Milestone},
};

/// Work orders.
pub const INSTALLATION: Table = Table {
    name: "installation",
    columns: &[
        ("id", Column::Big),
        ("facility_id", Column::Big),
        ("status", Column::Code),
        ("visit_window", Column::Code),
        ("started_on", Column::Date),
        ("ended_on", Column::Date),
        ("minutes", Column::Int),
        ("crew", Column::Int),
        ("remark", Column::Text),
        ("checklist_kind", Column::Code),
        ("checklist_version", Column::Int),
        ("vendor_id", Column::Big),
        ("contractor_id", Column::Big),
        ("version", Column::Int),
        ("opened_by", Column::Big),
        ("ended_by", Column::Big),
    ],
};

/// As [`INSTALLATION`], for rows whose ids the database gives.
const NEW_INSTALLATION: Table = Table {
    name: INSTALLATION.name,
    columns: match INSTALLATION.columns.split_first() {
        Some((_, rest)) => rest,
        None => &[],
    },
};

/// What was ticked off.
pub const INSTALLATION_CHECK: Table = Table {
    name: "installation_check",
    columns: &[
        ("installation_id", Column::Big),
        ("item", Column::Text),
        ("done_on", Column::Date),
        ("change_id", Column::Big),
    ],
};

/// What organisations call them.
pub const INSTALLATION_REFERENCE: Table = Table {
    name: "installation_reference",
    columns: &[
        ("organisation_id", Column::Big),
        ("installation_id", Column::Big),
        ("reference", Column::Text),
    ],
};

/// What was ticked off, by the codes of the items.
pub type Checks = BTreeMap<String, NaiveDate>;

/// The columns of an order `i`, as [`read`] reads them.
fn columns() -> String {
    let names: Vec<String> = INSTALLATION
        .columns
        .iter()
        .map(|(name, _)| format!("i.{name}"))
        .collect();
    names.join(", ")
}

fn read(row: &mut Row<'_>) -> Result<Installation, DbErr> {
    let organisation = |id: i64| (id != 0).then_some(OrganisationId(id));
    Ok(Installation {
        id: InstallationId(row.take()?),
        facility: row.take()?,
        status: read_status(row.take()?)?,
        window: row.take::<Option<i16>>()?.map(read_window).transpose()?,
        started_on: row.take()?,
        ended_on: row.take()?,
        minutes: row.take()?,
        crew: row.take()?,
        remark: row.take()?,
        checklist: (read_kind(row)?, row.take()?),
        vendor: organisation(row.take()?),
        contractor: organisation(row.take()?),
        version: row.take()?,
        opened_by: row.take()?,
        ended_by: row.take()?,
    })
}

fn read_status(code: i16) -> Result<InstallationStatus, DbErr> {
    InstallationStatus::from_code(code)
        .ok_or_else(|| DbErr::Type(format!("no work order has the status {code}")))
}

fn read_window(code: i16) -> Result<VisitWindow, DbErr> {
    VisitWindow::from_code(code)
        .ok_or_else(|| DbErr::Type(format!("no window has the code {code}")))
}

/// The columns of an order's row.
pub fn values(order: &Installation) -> Values {
    let organisation = |id: Option<OrganisationId>| Value::from(id.map_or(0, |id| id.0));
    let (kind, version) = order.checklist;
    vec![
        order.id.0.into(),
        order.facility.0.into(),
        order.status.code().into(),
        order.window.map(VisitWindow::code).into(),
        order.started_on.into(),
        order.ended_on.into(),
        order.minutes.into(),
        order.crew.into(),
        order.remark.clone().into(),
        kind.code().into(),
        version.into(),
        organisation(order.vendor),
        organisation(order.contractor),
        order.version.into(),
        order.opened_by.0.into(),
        order.ended_by.map(|change| change.0).into(),
    ]
}

/// The orders of facilities whose rows are locked: the open one or, where none is, the last, each with what was ticked
/// off.
pub async fn last_of(
    database: &Database,
    transaction: &Transaction,
    facilities: &[FacilityId],
) -> Result<BTreeMap<FacilityId, (Installation, Checks)>, DbErr> {
    let mut query = Query::new(format!(
        "SELECT {} FROM installation i WHERE i.id IN (SELECT COALESCE(max(CASE WHEN l.status < 2 THEN l.id END), max(l.id)) \
         FROM installation l WHERE l.facility_id",
        columns()
    ));
    query
        .bind_ids(database.backend(), facilities.iter().map(|id| id.0))
        .push(" GROUP BY l.facility_id)");
    let rows = query.all(transaction).await?;
    let orders: Vec<Installation> = rows
        .iter()
        .map(|row| read(&mut Row::new(row)))
        .collect::<Result<_, DbErr>>()?;
    let ids: Vec<InstallationId> = orders.iter().map(|order| order.id).collect();
    let mut checks = checks(database, transaction, &ids).await?;
    Ok(orders
        .into_iter()
        .map(|order| {
            let checks = checks.remove(&order.id).unwrap_or_default();
            (order.facility, (order, checks))
        })
        .collect())
}

/// What was ticked off of orders.
pub async fn checks(
    database: &Database,
    connection: &impl ConnectionTrait,
    orders: &[InstallationId],
) -> Result<HashMap<InstallationId, Checks>, DbErr> {
    let mut all: HashMap<InstallationId, Checks> = HashMap::new();
    if orders.is_empty() {
        return Ok(all);
    }
    let mut query = Query::new(
        "SELECT installation_id, item, done_on FROM installation_check WHERE installation_id",
    );
    query.bind_ids(database.backend(), orders.iter().map(|id| id.0));
    for row in query.all(connection).await? {
        let mut row = Row::new(&row);
        let checks = all.entry(InstallationId(row.take()?)).or_default();
        checks.insert(row.take()?, row.take()?);
    }
    Ok(all)
}

/// Opens orders, one of a facility at most, and answers their ids by facility.
pub async fn insert(
    database: &Database,
    transaction: &Transaction,
    orders: &[&Installation],
) -> Result<HashMap<FacilityId, InstallationId>, DbErr> {
    if orders.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = orders
        .iter()
        .map(|order| values(order).into_iter().skip(1).collect())
        .collect();
    NEW_INSTALLATION.insert(transaction, rows).await?;
    let mut query = Query::new("SELECT facility_id, max(id) FROM installation WHERE facility_id");
    query
        .bind_ids(
            database.backend(),
            orders.iter().map(|order| order.facility.0),
        )
        .push(" GROUP BY facility_id");
    let rows = query.all(transaction).await?;
    rows.iter()
        .map(|row| {
            let mut row = Row::new(row);
            Ok((row.take()?, InstallationId(row.take()?)))
        })
        .collect()
}

/// Writes orders that are there.
pub async fn update(transaction: &Transaction, orders: &[&Installation]) -> Result<(), DbErr> {
    let rows: Vec<Values> = orders.iter().map(|order| values(order)).collect();
    INSTALLATION.upsert(transaction, &["id"], rows).await
}

/// Ticks items off, or, with no day, no longer.
pub async fn write_checks(
    database: &Database,
    transaction: &Transaction,
    change: ChangeId,
    ticks: &[(InstallationId, &str, Option<NaiveDate>)],
) -> Result<(), DbErr> {
    let done = ticks.iter().filter_map(|(order, item, day)| {
        day.map(|day| vec![order.0.into(), (*item).into(), day.into(), change.0.into()])
    });
    INSTALLATION_CHECK
        .upsert(transaction, &["installation_id", "item"], done.collect())
        .await?;
    let mut undone: BTreeMap<&str, Vec<i64>> = BTreeMap::new();
    for (order, item, _) in ticks.iter().filter(|(_, _, day)| day.is_none()) {
        undone.entry(item).or_default().push(order.0);
    }
    for (item, orders) in undone {
        let mut query = Query::new("DELETE FROM installation_check WHERE item = ");
        query.bind(item).push(" AND installation_id");
        query.bind_ids(database.backend(), orders);
        query.execute(transaction).await?;
    }
    Ok(())
}

/// Which of an organisation's references are taken, and by which order.
pub async fn taken(
    database: &Database,
    transaction: &Transaction,
    organisation: OrganisationId,
    references: Vec<String>,
) -> Result<HashMap<String, InstallationId>, DbErr> {
    let mut query = Query::new(
        "SELECT reference, installation_id FROM installation_reference WHERE organisation_id = ",
    );
    query
        .bind(organisation.0)
        .push(" AND reference")
        .bind_texts(database.backend(), references);
    let rows = query.all(transaction).await?;
    rows.iter()
        .map(|row| {
            let mut row = Row::new(row);
            Ok((row.take()?, InstallationId(row.take()?)))
        })
        .collect()
}

/// Writes what organisations call orders; no reference removes it, and of several for the same the last counts.
///
/// # Errors
/// A unique violation if another order has one of the references.
pub async fn write_references(
    database: &Database,
    transaction: &Transaction,
    names: &[(OrganisationId, InstallationId, Option<&str>)],
) -> Result<(), DbErr> {
    let last: BTreeMap<(OrganisationId, InstallationId), Option<&str>> = names
        .iter()
        .map(|(organisation, order, reference)| ((*organisation, *order), *reference))
        .collect();
    let mut removed: BTreeMap<OrganisationId, Vec<i64>> = BTreeMap::new();
    // All of them first, so that two may change names with each other.
    for (organisation, order) in last.keys() {
        removed.entry(*organisation).or_default().push(order.0);
    }
    for (organisation, orders) in removed {
        let mut query = Query::new("DELETE FROM installation_reference WHERE organisation_id = ");
        query.bind(organisation.0).push(" AND installation_id");
        query.bind_ids(database.backend(), orders);
        query.execute(transaction).await?;
    }
    let rows = last
        .iter()
        .filter_map(|((organisation, order), reference)| {
            reference.map(|text| vec![organisation.0.into(), order.0.into(), text.into()])
        });
    INSTALLATION_REFERENCE
        .insert(transaction, rows.collect())
        .await
}

/// Every checklist that orders may follow, of each kind the newest last.
pub async fn checklists(connection: &impl ConnectionTrait) -> Result<Vec<Checklist>, DbErr> {
    let rows = Query::new("SELECT kind, version, items FROM checklist ORDER BY kind, version")
        .all(connection)
        .await?;
    let built_in = FacilityKind::ALL.map(Checklist::built_in);
    Ok(built_in
        .into_iter()
        .chain(read_checklists(&rows)?)
        .collect())
}

fn read_checklists(rows: &[sea_orm::QueryResult]) -> Result<Vec<Checklist>, DbErr> {
    rows.iter()
        .map(|row| {
            let mut row = Row::new(row);
            let (kind, version) = (read_kind(&mut row)?, row.take()?);
            let items: String = row.take()?;
            let items =
                serde_json::from_str(&items).map_err(|error| DbErr::Json(error.to_string()))?;
            Ok(Checklist {
                kind,
                version,
                items,
            })
        })
        .collect()
}

/// Publishes a checklist. False if somebody published this version meanwhile.
pub async fn publish(
    transaction: &Transaction,
    checklist: &Checklist,
    change: ChangeId,
) -> Result<bool, DbErr> {
    let items =
        serde_json::to_string(&checklist.items).map_err(|error| DbErr::Json(error.to_string()))?;
    let inserted = Query::with(
        "INSERT INTO checklist (kind, version, items, change_id) VALUES ($1, $2, $3, $4) \
         ON CONFLICT DO NOTHING",
        [
            checklist.kind.code().into(),
            checklist.version.into(),
            items.into(),
            change.0.into(),
        ],
    )
    .execute(transaction)
    .await?;
    Ok(inserted.rows_affected() == 1)
}

/// The events by which orders recorded INSTALLED when they ended, by their facilities.
pub async fn recorded_by(
    database: &Database,
    transaction: &Transaction,
    orders: &[InstallationId],
) -> Result<HashMap<FacilityId, EventId>, DbErr> {
    let mut query = Query::new(format!(
        "SELECT e.facility_id, e.id FROM installation i JOIN facility_event e ON e.facility_id = i.facility_id \
         AND e.change_id = i.ended_by AND e.aspect = {} AND e.action = {} WHERE i.id",
        Aspect::Milestone(Milestone::Installed).code(),
        Action::Reached.code()
    ));
    query.bind_ids(database.backend(), orders.iter().map(|id| id.0));
    let rows = query.all(transaction).await?;
    rows.iter()
        .map(|row| {
            let mut row = Row::new(row);
            Ok((row.take()?, row.take()?))
        })
        .collect()
}
