//! Finding work orders: pages by their planned days, and some by what they are known by.

use chrono::{DateTime, NaiveDate, Utc};

use super::{columns, read};
use crate::{
    auth::{Clause, OrganisationName, Scope, entity::push_scope, read_name},
    db::{Database, DbErr, FacilityId, OrganisationId, Query, Row},
    facility::{FacilityKind, Prefecture},
    installation::{Installation, InstallationStatus},
    milestone::Milestone,
};

/// Which orders a list holds; all conditions must hold, and of a list any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListQuery {
    /// Of this facility; `Some(None)` of none.
    pub facility: Option<Option<FacilityId>>,
    /// At any of these; all if there is none.
    pub statuses: Vec<InstallationStatus>,
    /// Of facilities of any of these kinds.
    pub kinds: Vec<FacilityKind>,
    /// Of facilities in any of these prefectures, which may be none; bureaus are resolved to theirs.
    pub prefectures: Option<Vec<Prefecture>>,
    /// Of facilities that engage this vendor today.
    pub vendor: Option<OrganisationId>,
    /// Of facilities handed on to this support contractor today.
    pub contractor: Option<OrganisationId>,
    /// Of stores of this chain today.
    pub chain: Option<OrganisationId>,
    /// Planned for this day or later.
    pub planned_from: Option<NaiveDate>,
    /// Planned for this day or earlier.
    pub planned_until: Option<NaiveDate>,
    /// With a planned day, or (`false`) without one.
    pub planned: Option<bool>,
    /// Ended on this day or later.
    pub ended_from: Option<NaiveDate>,
    /// Ended on this day or earlier.
    pub ended_until: Option<NaiveDate>,
}

/// A work order with what stands beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstallationRow {
    /// The order.
    pub order: Installation,
    /// The planned day in force; of one that has ended, none.
    pub planned_on: Option<NaiveDate>,
    /// The vendor whose work it is, or was when it ended.
    pub vendor: Option<OrganisationName>,
    /// The support contractor whose work it is, or was when it ended.
    pub contractor: Option<OrganisationName>,
    /// When it was opened.
    pub opened_at: DateTime<Utc>,
}

/// Where a page begins: after or before this planned day and row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The planned day, [`FOREVER`](crate::figures::FOREVER) if there is none.
    pub planned_on: NaiveDate,
    /// The row.
    pub id: i64,
}

const PLANNED: &str = "COALESCE(p.planned_on, '9999-12-31')";

fn select() -> String {
    format!(
        "SELECT {}, p.planned_on, v.id, v.name, k.id, k.name, c.recorded_at FROM {} \
         JOIN change c ON c.id = i.opened_by \
         LEFT JOIN organisation v ON v.id = CASE WHEN i.status < 2 THEN s.vendor_id ELSE i.vendor_id END \
         LEFT JOIN organisation k ON k.id = CASE WHEN i.status < 2 THEN s.contractor_id ELSE i.contractor_id END",
        columns(),
        from()
    )
}

/// The plan is that of an open order: one that has ended has none.
fn from() -> String {
    format!(
        "installation i JOIN facility_state s ON s.facility_id = i.facility_id \
         LEFT JOIN milestone_plan p ON p.facility_id = i.facility_id AND p.milestone = {} AND i.status < 2",
        Milestone::Installed.code()
    )
}

fn read_row(row: &mut Row<'_>) -> Result<InstallationRow, DbErr> {
    Ok(InstallationRow {
        order: read(row)?,
        planned_on: row.take()?,
        vendor: read_name(row)?,
        contractor: read_name(row)?,
        opened_at: row.take()?,
    })
}

/// Appends the condition that an order `i` of a facility `s` may be seen. Who only works for a facility sees what is
/// theirs to do, and of what has ended what they did themselves.
fn push_visible(query: &mut Query, scope: &Scope) {
    push_scope(query, scope, "s");
    let Scope::Any(clauses) = scope else {
        return;
    };
    if !clauses.iter().any(Clause::is_work) {
        return;
    }
    query.push(" AND (i.status < 2 OR ");
    push_scope(query, &scope.but_for_work(), "s");
    for clause in clauses {
        match clause {
            Clause::Vendor(id) => {
                query.push(" OR i.vendor_id = ").bind(id.0);
            }
            Clause::Contractor(id) => {
                query.push(" OR i.contractor_id = ").bind(id.0);
            }
            Clause::Prefectures(_)
            | Clause::Chain(_)
            | Clause::Corporation(_)
            | Clause::Area(_)
            | Clause::Facility(_) => {}
        }
    }
    query.push(")");
}

/// A page of orders by their planned days, the earliest first; those without one last.
pub async fn list(
    database: &Database,
    scope: &Scope,
    list: &ListQuery,
    from: Option<&Cursor>,
    backwards: bool,
    most: u64,
) -> Result<Vec<InstallationRow>, DbErr> {
    let mut query = Query::new(select());
    push_where(&mut query, scope, list);
    if let Some(Cursor { planned_on, id }) = from {
        query.push(&format!(" AND ({PLANNED}, i.id) "));
        query.push(if backwards { "< (" } else { "> (" });
        query.bind(*planned_on).push(", ").bind(*id).push(")");
    }
    let direction = if backwards { " DESC" } else { "" };
    query.push(&format!(
        " ORDER BY {PLANNED}{direction}, i.id{direction} LIMIT "
    ));
    query.bind(i64::try_from(most).unwrap_or(i64::MAX));
    let rows = query.all(database.read()).await?;
    let mut rows: Vec<InstallationRow> = rows
        .iter()
        .map(|row| read_row(&mut Row::new(row)))
        .collect::<Result<_, DbErr>>()?;
    if backwards {
        rows.reverse();
    }
    Ok(rows)
}

/// How many orders a list has, counted up to so many.
pub async fn count_up_to(
    database: &Database,
    scope: &Scope,
    list: &ListQuery,
    most: i64,
) -> Result<i64, DbErr> {
    let mut query = Query::new(format!("SELECT count(*) FROM (SELECT 1 FROM {}", from()));
    push_where(&mut query, scope, list);
    query.push(" LIMIT ").bind(most).push(") AS counted");
    query.scalar(database.read()).await
}

/// What some orders are found by.
#[derive(Clone, Debug)]
pub enum Condition<'a> {
    /// Their rows.
    Ids(&'a [i64]),
    /// What one of these organisations calls one.
    Reference(&'a [OrganisationId], &'a str),
}

/// Those of some orders that may be seen, in the order of their rows.
pub async fn find(
    database: &Database,
    scope: &Scope,
    condition: Condition<'_>,
) -> Result<Vec<InstallationRow>, DbErr> {
    let mut query = Query::new(select());
    query.push(" WHERE ");
    push_visible(&mut query, scope);
    match condition {
        Condition::Ids(ids) => {
            query.push(" AND i.id");
            query.bind_ids(database.backend(), ids.iter().copied());
        }
        Condition::Reference(organisations, reference) => {
            query.push(
                " AND i.id IN (SELECT r.installation_id FROM installation_reference r WHERE r.organisation_id",
            );
            query
                .bind_ids(database.backend(), organisations.iter().map(|id| id.0))
                .push(" AND r.reference = ")
                .bind(reference)
                .push(")");
        }
    }
    query.push(" ORDER BY i.id");
    let rows = query.all(database.read()).await?;
    rows.iter()
        .map(|row| read_row(&mut Row::new(row)))
        .collect()
}

fn push_where(query: &mut Query, scope: &Scope, list: &ListQuery) {
    query.push(" WHERE ");
    push_visible(query, scope);
    let ListQuery {
        facility,
        statuses,
        kinds,
        prefectures,
        vendor,
        contractor,
        chain,
        planned_from,
        planned_until,
        planned,
        ended_from,
        ended_until,
    } = list;
    match facility {
        Some(Some(facility)) => query.push(" AND i.facility_id = ").bind(facility.0),
        Some(None) => query.push(" AND FALSE"),
        None => query,
    };
    query.and_any("i.status", statuses.iter().map(|one| one.code()));
    query.and_any("s.kind", kinds.iter().map(|one| one.code()));
    if let Some(prefectures) = prefectures {
        let numbers = prefectures.iter().map(|one| i16::from(one.number()));
        query.and_any("s.prefecture", numbers);
        if prefectures.is_empty() {
            query.push(" AND FALSE");
        }
    }
    for (column, member) in [
        ("s.vendor_id", vendor),
        ("s.contractor_id", contractor),
        ("s.chain_id", chain),
    ] {
        if let Some(id) = member {
            query.push(&format!(" AND {column} = ")).bind(id.0);
            // Lets both databases use a partial index.
            query.push(&format!(" AND {column} <> 0"));
        }
    }
    for (condition, day) in [
        ("p.planned_on >= ", planned_from),
        ("p.planned_on <= ", planned_until),
        ("i.ended_on >= ", ended_from),
        ("i.ended_on <= ", ended_until),
    ] {
        if let Some(day) = day {
            query.push(" AND ").push(condition).bind(*day);
        }
    }
    match planned {
        Some(true) => query.push(" AND p.planned_on IS NOT NULL"),
        Some(false) => query.push(" AND p.planned_on IS NULL"),
        None => query,
    };
}
