//! The tables `facility_event`, `facility_state`, `milestone_plan` and `facility_blocker`: a facility's history and the
//! read model that is equal to it.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, NaiveDate, Utc};
use sea_orm::Value;

use super::{Action, Aspect, Blocker, Current, Event, History, Milestone, Stage};
use crate::{
    auth::{Clause, Identity, OrganisationName, Scope, read_name},
    change::{Source, identity_of},
    db::{
        ChangeId, Column, Database, DbErr, EventId, FacilityId, OrganisationId, Query, Row, Table,
        Transaction, Values,
    },
    facility::{Prefecture, columns::read_prefecture},
};

/// Events, as they are appended.
pub const FACILITY_EVENT: Table = Table {
    name: "facility_event",
    columns: &[
        ("facility_id", Column::Big),
        ("change_id", Column::Big),
        ("aspect", Column::Code),
        ("action", Column::Code),
        ("effective_on", Column::Date),
        ("value", Column::Big),
        ("voids_id", Column::Big),
        ("note", Column::Text),
    ],
};

/// Events whose ids are given by who loads them.
pub const LOADED_EVENT: Table = Table {
    name: "facility_event",
    columns: &[
        ("id", Column::Big),
        ("facility_id", Column::Big),
        ("change_id", Column::Big),
        ("aspect", Column::Code),
        ("action", Column::Code),
        ("effective_on", Column::Date),
        ("value", Column::Big),
        ("voids_id", Column::Big),
        ("note", Column::Text),
    ],
};

/// What is known of a facility beside its milestones.
const FACILITY_COLUMNS: [(&str, Column); 15] = [
    ("facility_id", Column::Big),
    ("code", Column::Text),
    ("version", Column::Int),
    ("kind", Column::Code),
    ("prefecture", Column::Code),
    ("public_institution", Column::Bool),
    ("opened_on", Column::Date),
    ("closed_on", Column::Date),
    ("vendor_id", Column::Big),
    ("chain_id", Column::Big),
    ("contractor_id", Column::Big),
    ("corporation_id", Column::Big),
    ("area_id", Column::Big),
    ("stage", Column::Code),
    ("last_milestone_on", Column::Date),
];

/// The read model: the facility, and since when each milestone is in effect.
#[expect(
    clippy::indexing_slicing,
    reason = "a constant out of bounds does not compile"
)]
pub const FACILITY_STATE: Table = Table {
    name: "facility_state",
    columns: &{
        const FIRST: usize = FACILITY_COLUMNS.len();
        let mut columns = [("", Column::Date); FIRST + Milestone::ALL.len()];
        columns
            .split_at_mut(FIRST)
            .0
            .copy_from_slice(&FACILITY_COLUMNS);
        let mut place = 0;
        while place < Milestone::ALL.len() {
            columns[FIRST + place].0 = Milestone::ALL[place].column();
            place += 1;
        }
        columns
    },
};

/// Planned dates in force.
pub const MILESTONE_PLAN: Table = Table {
    name: "milestone_plan",
    columns: &[
        ("facility_id", Column::Big),
        ("milestone", Column::Code),
        ("planned_on", Column::Date),
    ],
};

/// What holds facilities up.
pub const FACILITY_BLOCKER: Table = Table {
    name: "facility_blocker",
    columns: &[
        ("facility_id", Column::Big),
        ("blocker", Column::Code),
        ("since", Column::Date),
    ],
};

/// What a writer must know of a facility before it changes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockedState {
    /// Which facility.
    pub facility: FacilityId,
    /// Its present code.
    pub code: String,
    /// Counts up with every change of its row.
    pub version: i32,
    /// Where it is.
    pub prefecture: Prefecture,
    /// The vendor it engages.
    pub vendor: Option<OrganisationId>,
    /// The chain it belongs to.
    pub chain: Option<OrganisationId>,
    /// The support contractor it is handed on to.
    pub contractor: Option<OrganisationId>,
    /// The corporation of its chain that owns it.
    pub corporation: Option<OrganisationId>,
    /// The area of its chain that it belongs to.
    pub area: Option<OrganisationId>,
}

impl LockedState {
    /// Is the facility within a scope today?
    pub fn within(&self, scope: &Scope) -> bool {
        match scope {
            Scope::All => true,
            Scope::Any(clauses) => clauses.iter().any(|clause| match clause {
                Clause::Prefectures(prefectures) => prefectures.contains(&self.prefecture),
                Clause::Vendor(vendor) => self.vendor == Some(*vendor),
                Clause::Contractor(contractor) => self.contractor == Some(*contractor),
                Clause::Chain(chain) => self.chain == Some(*chain),
                Clause::Corporation(corporation) => self.corporation == Some(*corporation),
                Clause::Area(area) => self.area == Some(*area),
                Clause::Facility(facility) => self.facility == *facility,
            }),
        }
    }
}

/// Locks the rows of facilities, in the order of their ids so that two writers can't lock each other out.
/// Ids that are no facility's are left out.
pub async fn lock(
    database: &Database,
    transaction: &Transaction,
    facilities: &[FacilityId],
) -> Result<BTreeMap<FacilityId, LockedState>, DbErr> {
    read_states(database, transaction, facilities, database.for_update()).await
}

/// The rows of facilities as [`lock`] answers them, not locked.
pub async fn states(
    database: &Database,
    connection: &impl sea_orm::ConnectionTrait,
    facilities: &[FacilityId],
) -> Result<BTreeMap<FacilityId, LockedState>, DbErr> {
    read_states(database, connection, facilities, "").await
}

async fn read_states(
    database: &Database,
    connection: &impl sea_orm::ConnectionTrait,
    facilities: &[FacilityId],
    lock: &str,
) -> Result<BTreeMap<FacilityId, LockedState>, DbErr> {
    let mut query = Query::new(
        "SELECT facility_id, code, version, prefecture, vendor_id, chain_id, contractor_id, corporation_id, area_id \
         FROM facility_state WHERE facility_id",
    );
    push_ids(&mut query, database, facilities);
    query.push(" ORDER BY facility_id").push(lock);
    let rows = query.all(connection).await?;
    rows.iter()
        .map(|row| {
            let mut row = Row::new(row);
            let facility: FacilityId = row.take()?;
            let state = LockedState {
                facility,
                code: row.take()?,
                version: row.take()?,
                prefecture: read_prefecture(&mut row)?,
                vendor: organisation(row.take()?),
                chain: organisation(row.take()?),
                contractor: organisation(row.take()?),
                corporation: organisation(row.take()?),
                area: organisation(row.take()?),
            };
            Ok((facility, state))
        })
        .collect()
}

/// The histories of facilities, whole.
pub async fn histories(
    database: &Database,
    connection: &impl sea_orm::ConnectionTrait,
    facilities: &[FacilityId],
) -> Result<BTreeMap<FacilityId, History>, DbErr> {
    let mut query = Query::new(
        "SELECT facility_id, id, aspect, action, effective_on, value, voids_id, note \
         FROM facility_event WHERE facility_id",
    );
    push_ids(&mut query, database, facilities);
    query.push(" ORDER BY facility_id, id");
    let mut events: BTreeMap<FacilityId, Vec<Event>> = BTreeMap::new();
    for row in query.all(connection).await? {
        let mut row = Row::new(&row);
        let facility = row.take()?;
        let mut event = read_event(&mut row)?;
        event.note = row.take()?;
        events.entry(facility).or_default().push(event);
    }
    Ok(events
        .into_iter()
        .map(|(facility, events)| (facility, History::new(events)))
        .collect())
}

fn push_ids(query: &mut Query, database: &Database, facilities: &[FacilityId]) {
    query.bind_ids(database.backend(), facilities.iter().map(|id| id.0));
}

/// Reads id, aspect, action, effective_on, value and voids_id.
pub fn read_event(row: &mut Row<'_>) -> Result<Event, DbErr> {
    let id: EventId = row.take()?;
    let (aspect, action): (i16, i16) = (row.take()?, row.take()?);
    Ok(Event {
        id: Some(id),
        aspect: Aspect::from_code(aspect)
            .ok_or_else(|| DbErr::Type(format!("no aspect has the code {aspect}")))?,
        action: Action::from_code(action)
            .ok_or_else(|| DbErr::Type(format!("no action has the code {action}")))?,
        effective_on: row.take()?,
        value: row.take()?,
        voids: row.take()?,
        note: None,
    })
}

/// The columns of an event's row.
pub fn event_values(facility: FacilityId, change: ChangeId, event: &Event) -> Values {
    vec![
        facility.0.into(),
        change.0.into(),
        event.aspect.code().into(),
        event.action.code().into(),
        event.effective_on.into(),
        event.value.into(),
        event.voids.map(|id| id.0).into(),
        event.note.clone().into(),
    ]
}

/// The columns of a loaded event's row. An event that has no id can't be loaded.
pub fn loaded_event_values(facility: FacilityId, change: ChangeId, event: &Event) -> Values {
    let id = Value::from(event.id.map(|id| id.0));
    let rest = event_values(facility, change, event);
    [id].into_iter().chain(rest).collect()
}

/// The columns of a state's row.
pub fn state_values(facility: FacilityId, code: &str, version: i32, current: &Current) -> Values {
    let organisation = |id: Option<OrganisationId>| Value::from(id.map_or(0, |id| id.0));
    let mut values = vec![
        facility.0.into(),
        code.into(),
        version.into(),
        current.cell.kind.code().into(),
        i16::from(current.cell.prefecture.number()).into(),
        current.public_institution.into(),
        current.opened_on.into(),
        current.closed_on.into(),
        organisation(current.cell.vendor),
        organisation(current.cell.chain),
        organisation(current.contractor),
        organisation(current.corporation),
        organisation(current.area),
        current.stage().code().into(),
        current.last_milestone_on().into(),
    ];
    values.extend(
        current
            .reached_on
            .values()
            .iter()
            .map(|day| Value::from(*day)),
    );
    values
}

/// Are the rows of two states the same, but for code and version? Named one by one, so that a new column can't be
/// forgotten here.
pub fn same_state(one: &Current, other: &Current) -> bool {
    let Current {
        cell,
        public_institution,
        opened_on,
        closed_on,
        contractor,
        corporation,
        area,
        reached_on,
        // In tables of their own.
        planned_on: _,
        blocked_since: _,
    } = one;
    *cell == other.cell
        && *public_institution == other.public_institution
        && (*opened_on, *closed_on) == (other.opened_on, other.closed_on)
        && *contractor == other.contractor
        && (*corporation, *area) == (other.corporation, other.area)
        && *reached_on == other.reached_on
}

/// Appends events and answers their ids, in their order.
pub async fn insert_events(
    transaction: &Transaction,
    change: ChangeId,
    events: &[(FacilityId, &Event)],
) -> Result<Vec<EventId>, DbErr> {
    let rows = events
        .iter()
        .map(|(facility, event)| event_values(*facility, change, event))
        .collect();
    let mut ids = FACILITY_EVENT
        .insert_returning(transaction, "id", rows)
        .await?;
    ids.sort_unstable();
    Ok(ids.into_iter().map(EventId).collect())
}

/// Writes the state of a facility that has one, which costs a database less than not to know.
pub async fn update_state(transaction: &Transaction, row: Values) -> Result<(), DbErr> {
    FACILITY_STATE.update(transaction, row).await
}

/// Writes the states of facilities.
pub async fn upsert_states(transaction: &Transaction, rows: Vec<Values>) -> Result<(), DbErr> {
    FACILITY_STATE
        .upsert(transaction, &["facility_id"], rows)
        .await
}

/// Counts the versions of facilities up, whose states are otherwise as they were.
pub async fn count_versions_up(
    database: &Database,
    transaction: &Transaction,
    ids: &[FacilityId],
) -> Result<(), DbErr> {
    if ids.is_empty() {
        return Ok(());
    }
    let mut query = Query::new("UPDATE facility_state SET version = version + 1 WHERE facility_id");
    query.bind_ids(database.backend(), ids.iter().map(|id| id.0));
    query.execute(transaction).await?;
    Ok(())
}

/// The day of something of a facility, by its code: a planned date, or the day since which a blocker is there. `None`
/// if there is no such day any more.
pub type CurrentDay = (FacilityId, i16, Option<NaiveDate>);

/// Writes the days in force in [`MILESTONE_PLAN`] or [`FACILITY_BLOCKER`].
pub async fn write_days(
    database: &Database,
    transaction: &Transaction,
    table: &Table,
    days: &[CurrentDay],
) -> Result<(), DbErr> {
    let [(facility_id, _), (code, _), ..] = table.columns else {
        return Err(DbErr::Custom(format!("{} has no days", table.name)));
    };
    let rows = days
        .iter()
        .filter_map(|(facility, code, day)| {
            day.map(|day| vec![facility.0.into(), (*code).into(), day.into()])
        })
        .collect();
    table
        .upsert(transaction, &[facility_id, code], rows)
        .await?;
    let dropped: Vec<(i64, i64)> = days
        .iter()
        .filter(|(_, _, day)| day.is_none())
        .map(|(facility, code, _)| (facility.0, (*code).into()))
        .collect();
    if dropped.is_empty() {
        return Ok(());
    }
    let mut query = Query::new(format!(
        "DELETE FROM {} WHERE ({facility_id}, {code}) IN (SELECT first_id, second_id FROM ",
        table.name
    ));
    query.bind_id_pairs(database.backend(), &dropped).push(")");
    query.execute(transaction).await?;
    Ok(())
}

fn organisation(id: i64) -> Option<OrganisationId> {
    (id > 0).then_some(OrganisationId(id))
}

/// Reads a stage's code.
pub fn read_stage(row: &mut Row<'_>) -> Result<Stage, DbErr> {
    let code: i16 = row.take()?;
    Stage::from_code(code).ok_or_else(|| DbErr::Type(format!("no stage has the code {code}")))
}

/// An event as a timeline shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimelineRow {
    /// What happened.
    pub event: Event,
    /// When it was recorded.
    pub recorded_at: DateTime<Utc>,
    /// Who recorded it.
    pub identity: Identity,
    /// In whose name.
    pub organisation: Option<OrganisationName>,
    /// From where.
    pub source: Source,
    /// The vendor, chain or support contractor that it sets.
    pub linked: Option<OrganisationName>,
    /// Set if a later event says that it never happened.
    pub voided_by: Option<Voiding>,
}

/// By what an event was voided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Voiding {
    /// When that was recorded.
    pub recorded_at: DateTime<Utc>,
    /// The writer's remark.
    pub note: Option<String>,
    /// In whose name.
    pub organisation: Option<OrganisationName>,
}

/// Most entries of a facility's timeline; what is older stays in the change feed.
const MOST_ENTRIES: i64 = 500;

/// The columns of a [`TimelineRow`], of an event `t` with [`timeline_joins`].
pub const TIMELINE_COLUMNS: &str = "t.id, t.aspect, t.action, t.effective_on, t.value, t.voids_id, t.note, \
     c.recorded_at, c.identity_kind, c.identity_id, c.source, o.id, o.name, l.id, l.name, \
     vc.recorded_at, v.note, vo.id, vo.name";

/// What stands beside an event `t` in a timeline: its change, the organisation that it sets, and what voids it.
pub fn timeline_joins() -> String {
    let links = Aspect::LINKS.map(|aspect| aspect.code().to_string());
    format!(
        " JOIN change c ON c.id = t.change_id LEFT JOIN organisation o ON o.id = c.organisation_id \
         LEFT JOIN organisation l ON l.id = t.value AND t.aspect IN ({}) \
         LEFT JOIN facility_event v ON v.voids_id = t.id LEFT JOIN change vc ON vc.id = v.change_id \
         LEFT JOIN organisation vo ON vo.id = vc.organisation_id",
        links.join(", ")
    )
}

/// Reads [`TIMELINE_COLUMNS`].
pub fn read_timeline_row(row: &mut Row<'_>) -> Result<TimelineRow, DbErr> {
    let mut event = read_event(row)?;
    event.note = row.take()?;
    Ok(TimelineRow {
        event,
        recorded_at: row.take()?,
        identity: identity_of(row.take()?, row.take()?),
        source: read_source(row.take()?)?,
        organisation: read_name(row)?,
        linked: read_name(row)?,
        voided_by: read_voiding(row)?,
    })
}

fn read_voiding(row: &mut Row<'_>) -> Result<Option<Voiding>, DbErr> {
    let recorded_at: Option<DateTime<Utc>> = row.take()?;
    let note = row.take()?;
    let organisation = read_name(row)?;
    Ok(recorded_at.map(|recorded_at| Voiding {
        recorded_at,
        note,
        organisation,
    }))
}

/// The planned dates in force of facilities, in the order of milestones. The caller has checked the scope.
pub async fn plans(
    database: &Database,
    facilities: &[FacilityId],
) -> Result<HashMap<FacilityId, Vec<(Milestone, NaiveDate)>>, DbErr> {
    days(database, &MILESTONE_PLAN, facilities, Milestone::from_code).await
}

/// What holds facilities up, each with the day since which it does. The caller has checked the scope.
pub async fn blockers(
    database: &Database,
    facilities: &[FacilityId],
) -> Result<HashMap<FacilityId, Vec<(Blocker, NaiveDate)>>, DbErr> {
    days(database, &FACILITY_BLOCKER, facilities, Blocker::from_code).await
}

/// The days in force in [`MILESTONE_PLAN`] or [`FACILITY_BLOCKER`], in the order of the codes.
async fn days<T>(
    database: &Database,
    table: &Table,
    facilities: &[FacilityId],
    of_code: impl Fn(i16) -> Option<T>,
) -> Result<HashMap<FacilityId, Vec<(T, NaiveDate)>>, DbErr> {
    let mut query = Query::new(format!(
        "SELECT {} FROM {} WHERE facility_id",
        table.column_list(),
        table.name
    ));
    push_ids(&mut query, database, facilities);
    query.push(" ORDER BY 1, 2");
    let mut days: HashMap<FacilityId, Vec<(T, NaiveDate)>> = HashMap::new();
    for row in query.all(database.read()).await? {
        let mut row = Row::new(&row);
        let (facility, code): (FacilityId, i16) = (row.take()?, row.take()?);
        let what = of_code(code)
            .ok_or_else(|| DbErr::Type(format!("{} has the code {code}", table.name)))?;
        days.entry(facility).or_default().push((what, row.take()?));
    }
    Ok(days)
}

/// The timelines of facilities, in the order of recording: the latest entries of each, at most [`MOST_ENTRIES`]. What
/// voids an event stands with that event. The caller has checked the scope.
pub async fn timelines(
    database: &Database,
    facilities: &[FacilityId],
) -> Result<HashMap<FacilityId, Vec<TimelineRow>>, DbErr> {
    let mut query = Query::new(format!(
        "SELECT t.facility_id, {TIMELINE_COLUMNS} FROM (SELECT e.*, row_number() OVER \
         (PARTITION BY e.facility_id ORDER BY e.id DESC) AS place FROM facility_event e \
         WHERE e.action <> {} AND e.facility_id",
        Action::Voided.code()
    ));
    push_ids(&mut query, database, facilities);
    query.push(&format!(
        ") t{} WHERE t.place <= {MOST_ENTRIES} ORDER BY t.facility_id, t.id",
        timeline_joins()
    ));
    let mut timelines: HashMap<FacilityId, Vec<TimelineRow>> = HashMap::new();
    for row in query.all(database.read()).await? {
        let mut row = Row::new(&row);
        let timeline = timelines.entry(row.take()?).or_default();
        timeline.push(read_timeline_row(&mut row)?);
    }
    Ok(timelines)
}

/// Reads a source's code.
pub fn read_source(code: i16) -> Result<Source, DbErr> {
    Source::from_code(code).ok_or_else(|| DbErr::Type(format!("no source has the code {code}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_has_a_column_for_each_milestone_in_the_order_in_which_they_are_written() {
        let columns = FACILITY_STATE.columns.iter().map(|(name, _)| *name);
        let dates: Vec<&str> = columns.skip(FACILITY_COLUMNS.len()).collect();
        assert_eq!(dates, Milestone::ALL.map(Milestone::column));
    }
}
