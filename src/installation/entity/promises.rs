//! What stands beside work orders: every day that was promised, and what organisations call them.

use std::collections::HashMap;

use chrono::{DateTime, NaiveDate, Utc};

use crate::{
    auth::{OrganisationName, read_name},
    db::{ChangeId, Database, DbErr, FacilityId, OrganisationId, Query, Row},
    facility::entity::first_of_each,
    milestone::{Action, Aspect, Milestone},
};

/// A day that was promised for the end of the work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PromiseRow {
    /// Which day; `None` if the promise was taken back.
    pub planned_on: Option<NaiveDate>,
    /// When that was recorded.
    pub recorded_at: DateTime<Utc>,
    /// In whose name.
    pub organisation: Option<OrganisationName>,
    /// The writer's remark.
    pub note: Option<String>,
    /// By which change.
    pub change: ChangeId,
    /// That change was undone: it was promised by mistake.
    pub undone: bool,
}

/// Every day that was promised for facilities, in the order of recording: the plans of INSTALLED, undone ones too.
pub async fn promises(
    database: &Database,
    facilities: &[FacilityId],
) -> Result<HashMap<FacilityId, Vec<PromiseRow>>, DbErr> {
    let mut query = Query::new(format!(
        "SELECT e.facility_id, e.action, e.effective_on, c.recorded_at, o.id, o.name, e.note, e.change_id, \
         EXISTS (SELECT 1 FROM facility_event v WHERE v.voids_id = e.id) \
         FROM facility_event e JOIN change c ON c.id = e.change_id \
         LEFT JOIN organisation o ON o.id = c.organisation_id \
         WHERE e.aspect = {} AND e.action <> {} \
         AND e.facility_id",
        Aspect::Plan(Milestone::Installed).code(),
        Action::Voided.code()
    ));
    query
        .bind_ids(database.backend(), facilities.iter().map(|id| id.0))
        .push(" ORDER BY e.facility_id, e.id");
    let mut all: HashMap<FacilityId, Vec<PromiseRow>> = HashMap::new();
    for row in query.all(database.read()).await? {
        let mut row = Row::new(&row);
        let promises = all.entry(row.take()?).or_default();
        let (action, day): (i16, NaiveDate) = (row.take()?, row.take()?);
        promises.push(PromiseRow {
            planned_on: (action == Action::Set.code()).then_some(day),
            recorded_at: row.take()?,
            organisation: read_name(&mut row)?,
            note: row.take()?,
            change: row.take()?,
            undone: row.take()?,
        });
    }
    Ok(all)
}

/// The changes by which orders of facilities ended, in their order.
pub async fn ends(
    database: &Database,
    facilities: &[FacilityId],
) -> Result<HashMap<FacilityId, Vec<ChangeId>>, DbErr> {
    let mut query = Query::new(
        "SELECT facility_id, ended_by FROM installation WHERE ended_by IS NOT NULL AND facility_id",
    );
    query
        .bind_ids(database.backend(), facilities.iter().map(|id| id.0))
        .push(" ORDER BY id");
    let mut all: HashMap<FacilityId, Vec<ChangeId>> = HashMap::new();
    for row in query.all(database.read()).await? {
        let mut row = Row::new(&row);
        all.entry(row.take()?).or_default().push(row.take()?);
    }
    Ok(all)
}

/// What these organisations call orders; where several do, the first of them.
pub async fn references(
    database: &Database,
    organisations: &[OrganisationId],
    orders: &[i64],
) -> Result<HashMap<i64, String>, DbErr> {
    let mut query = Query::new(
        "SELECT organisation_id, installation_id, reference FROM installation_reference \
         WHERE organisation_id",
    );
    query
        .bind_ids(database.backend(), organisations.iter().map(|id| id.0))
        .push(" AND installation_id")
        .bind_ids(database.backend(), orders.iter().copied());
    first_of_each(database, organisations, query).await
}
