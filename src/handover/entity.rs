//! The table `handover`.

use std::collections::HashMap;

use chrono::NaiveDate;

use super::{Handover, HandoverId, HandoverStatus};
use crate::{
    auth::{Clause, OrganisationName, Scope, entity::push_scope, read_name},
    db::{
        ChangeId, Column, ConnectionTrait, Database, DbErr, FacilityId, OrganisationId, Query, Row,
        Table, Transaction,
    },
    facility::{
        FacilityKind, Prefecture,
        columns::{read_kind, read_prefecture},
    },
    milestone::Milestone,
};

/// Proposals.
pub const HANDOVER: Table = Table {
    name: "handover",
    columns: &[
        ("facility_id", Column::Big),
        ("vendor_id", Column::Big),
        ("contractor_id", Column::Big),
        ("status", Column::Code),
        ("proposed_on", Column::Date),
        ("answer_by", Column::Date),
        ("message", Column::Text),
        ("proposed_by", Column::Big),
    ],
};

const COLUMNS: &str = "h.id, h.facility_id, h.vendor_id, h.contractor_id, h.status, h.proposed_on, h.answer_by, \
     h.answered_on, h.message, h.reason, h.proposed_by, h.answered_by";

fn read(row: &mut Row<'_>) -> Result<Handover, DbErr> {
    Ok(Handover {
        id: HandoverId(row.take()?),
        facility: row.take()?,
        vendor: row.take()?,
        contractor: row.take()?,
        stored: read_status(row.take()?)?,
        proposed_on: row.take()?,
        answer_by: row.take()?,
        answered_on: row.take()?,
        message: row.take()?,
        reason: row.take()?,
        proposed_by: row.take()?,
        answered_by: row.take()?,
    })
}

fn read_status(code: i16) -> Result<HandoverStatus, DbErr> {
    HandoverStatus::from_code(code)
        .ok_or_else(|| DbErr::Type(format!("no proposal has the status {code}")))
}

/// Some proposals, whoever may see them: the caller decides.
pub async fn find(
    database: &Database,
    connection: &impl ConnectionTrait,
    ids: &[i64],
) -> Result<HashMap<HandoverId, Handover>, DbErr> {
    let mut query = Query::new(format!("SELECT {COLUMNS} FROM handover h WHERE h.id"));
    query.bind_ids(database.backend(), ids.iter().copied());
    let rows = query.all(connection).await?;
    rows.iter()
        .map(|row| {
            let handover = read(&mut Row::new(row))?;
            Ok((handover.id, handover))
        })
        .collect()
}

/// The proposals of facilities, whose rows are locked, that nobody has answered; lapsed ones too.
pub async fn unanswered(
    database: &Database,
    transaction: &Transaction,
    facilities: &[FacilityId],
) -> Result<HashMap<FacilityId, Handover>, DbErr> {
    let mut query = Query::new(format!(
        "SELECT {COLUMNS} FROM handover h WHERE h.status = 0 AND h.facility_id"
    ));
    query.bind_ids(database.backend(), facilities.iter().map(|id| id.0));
    let rows = query.all(transaction).await?;
    rows.iter()
        .map(|row| {
            let handover = read(&mut Row::new(row))?;
            Ok((handover.facility, handover))
        })
        .collect()
}

/// Proposes, one of a facility at most, and answers their rows by facility.
pub async fn insert(
    database: &Database,
    transaction: &Transaction,
    proposals: &[Handover],
) -> Result<HashMap<FacilityId, HandoverId>, DbErr> {
    let row = |proposal: &Handover| {
        vec![
            proposal.facility.0.into(),
            proposal.vendor.0.into(),
            proposal.contractor.0.into(),
            proposal.stored.code().into(),
            proposal.proposed_on.into(),
            proposal.answer_by.into(),
            proposal.message.as_str().into(),
            proposal.proposed_by.0.into(),
        ]
    };
    HANDOVER
        .insert(transaction, proposals.iter().map(row).collect())
        .await?;
    let facilities: Vec<FacilityId> = proposals.iter().map(|one| one.facility).collect();
    let made = unanswered(database, transaction, &facilities).await?;
    Ok(made
        .into_iter()
        .map(|(facility, handover)| (facility, handover.id))
        .collect())
}

/// Says what became of proposals.
pub async fn end(
    database: &Database,
    transaction: &Transaction,
    ids: &[HandoverId],
    status: HandoverStatus,
    (on, by): (NaiveDate, ChangeId),
    reason: Option<&str>,
) -> Result<(), DbErr> {
    if ids.is_empty() {
        return Ok(());
    }
    let mut query = Query::new("UPDATE handover SET status = ");
    query
        .bind(status.code())
        .push(", answered_on = ")
        .bind(on)
        .push(", answered_by = ")
        .bind(by.0)
        .push(", reason = ")
        .bind(reason)
        .push(" WHERE id");
    query.bind_ids(database.backend(), ids.iter().map(|id| id.0));
    query.execute(transaction).await?;
    Ok(())
}

/// A proposal with what those see who decide on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandoverRow {
    /// The proposal.
    pub handover: Handover,
    /// The vendor.
    pub vendor: Option<OrganisationName>,
    /// The support contractor.
    pub contractor: Option<OrganisationName>,
    /// The facility's name.
    pub name: String,
    /// Its address.
    pub address: String,
    /// What it is.
    pub kind: FacilityKind,
    /// Where it is.
    pub prefecture: Prefecture,
    /// The planned day of its installation.
    pub planned_on: Option<NaiveDate>,
    /// Is the vendor still the one that the facility engages?
    pub engaged: bool,
}

/// Which proposals a list holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListQuery {
    /// Any of these, by the day; all if there is none.
    pub statuses: Vec<HandoverStatus>,
    /// Some of them, by their rows; `None` for all.
    pub ids: Option<Vec<i64>>,
}

/// Who looks at proposals.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    /// The facilities that they can see.
    pub scope: &'a Scope,
    /// The support contractors that they are of.
    pub contractors: &'a [OrganisationId],
    /// Today in Japan.
    pub today: NaiveDate,
}

/// A page of proposals, the latest first, before a row.
pub async fn list(
    database: &Database,
    reader: &Reader<'_>,
    list: &ListQuery,
    before: Option<i64>,
    most: u64,
) -> Result<Vec<HandoverRow>, DbErr> {
    let mut query = Query::new(format!(
        "SELECT {COLUMNS}, v.id, v.name, k.id, k.name, f.name, f.address, s.kind, s.prefecture, p.planned_on, s.vendor_id \
         FROM handover h JOIN facility_state s ON s.facility_id = h.facility_id \
         JOIN facility f ON f.id = h.facility_id \
         LEFT JOIN organisation v ON v.id = h.vendor_id LEFT JOIN organisation k ON k.id = h.contractor_id \
         LEFT JOIN milestone_plan p ON p.facility_id = h.facility_id AND p.milestone = {} WHERE ",
        Milestone::Installed.code()
    ));
    push_visible(&mut query, database, reader);
    push_statuses(&mut query, &list.statuses, reader.today);
    if let Some(ids) = &list.ids {
        query.push(" AND h.id");
        query.bind_ids(database.backend(), ids.iter().copied());
    }
    if let Some(before) = before {
        query.push(" AND h.id < ").bind(before);
    }
    query.push(" ORDER BY h.id DESC LIMIT ");
    query.bind(i64::try_from(most).unwrap_or(i64::MAX));
    let rows = query.all(database.read()).await?;
    rows.iter()
        .map(|row| {
            let mut row = Row::new(row);
            let handover = read(&mut row)?;
            let vendor = handover.vendor;
            Ok(HandoverRow {
                handover,
                vendor: read_name(&mut row)?,
                contractor: read_name(&mut row)?,
                name: row.take()?,
                address: row.take()?,
                kind: read_kind(&mut row)?,
                prefecture: read_prefecture(&mut row)?,
                planned_on: row.take()?,
                engaged: row.take::<OrganisationId>()? == vendor,
            })
        })
        .collect()
}

/// Whose the facility is sees the proposals; a vendor those of its own work. A contractor sees what is proposed to it
/// while that vendor's work it is and the day has not passed, and what it accepted while that is handed on to it.
fn push_visible(query: &mut Query, database: &Database, reader: &Reader<'_>) {
    query.push("(");
    push_scope(query, &reader.scope.but_for_work(), "s");
    if let Scope::Any(clauses) = reader.scope {
        for clause in clauses {
            if let Clause::Vendor(vendor) = clause {
                query.push(" OR (s.vendor_id = ").bind(vendor.0);
                query.push(" AND h.vendor_id = ").bind(vendor.0).push(")");
            }
        }
    }
    if !reader.contractors.is_empty() {
        query.push(" OR (h.contractor_id");
        query.bind_ids(database.backend(), reader.contractors.iter().map(|id| id.0));
        query.push(" AND ((h.status = 0 AND s.vendor_id = h.vendor_id AND h.answer_by >= ");
        query.bind(reader.today);
        query.push(") OR (h.status = ");
        query.bind(HandoverStatus::Accepted.code());
        query.push(" AND s.contractor_id = h.contractor_id)))");
    }
    query.push(")");
}

fn push_statuses(query: &mut Query, statuses: &[HandoverStatus], today: NaiveDate) {
    if statuses.is_empty() {
        return;
    }
    query.push(" AND (FALSE");
    for status in statuses {
        match status {
            HandoverStatus::Proposed => {
                query.push(" OR (h.status = 0 AND s.vendor_id = h.vendor_id AND h.answer_by >= ");
                query.bind(today).push(")");
            }
            HandoverStatus::Lapsed => {
                query.push(" OR h.status = ").bind(status.code());
                query.push(" OR (h.status = 0 AND (s.vendor_id <> h.vendor_id OR h.answer_by < ");
                query.bind(today).push("))");
            }
            status => {
                query.push(" OR h.status = ").bind(status.code());
            }
        }
    }
    query.push(")");
}
