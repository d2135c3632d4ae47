//! What is next, and the table `saved_filter`.

use chrono::NaiveDate;

use super::{NextStep, NextStepReason, SavedFilter, SavedFilterId};
use crate::{
    auth::{Actor, Identity, Permission, Scope, entity::push_scope, read_name},
    change::{identity_columns, identity_of},
    db::{
        Backend, ConnectionTrait, Database, DbErr, FacilityId, OrganisationId, Query, Row,
        Transaction,
    },
    milestone::{Aspect, Blocker, Milestone},
};

/// What is looked for.
#[derive(Clone, Debug)]
pub struct StepQuery {
    /// Of these milestones.
    pub milestones: Vec<Milestone>,
    /// Today.
    pub today: NaiveDate,
    /// The last day of the week.
    pub week_ends: NaiveDate,
    /// The last business day before today.
    pub since: NaiveDate,
}

/// Where a page begins: after this day, facility and milestone.
pub type StepPosition = (NaiveDate, i64, i16);

/// Stands for no milestone.
const NO_MILESTONE: i16 = -1;

impl NextStep {
    /// Where it stands among those of its reason.
    pub fn position(&self) -> StepPosition {
        let milestone = self.milestone.map_or(NO_MILESTONE, Milestone::code);
        (self.day, self.facility.0, milestone)
    }
}

/// Some of what is next for a reason, after a position: the oldest promise first, and what was resolved last first.
pub async fn steps(
    database: &Database,
    scope: &Scope,
    reason: NextStepReason,
    wanted: &StepQuery,
    after: Option<StepPosition>,
    most: u64,
) -> Result<Vec<NextStep>, DbErr> {
    let mut query = Query::new("SELECT n.facility_id, n.milestone, n.day FROM (");
    push_steps(&mut query, scope, reason, wanted);
    query.push(") AS n WHERE TRUE");
    let newest_first = reason == NextStepReason::Unblocked;
    if let Some((day, facility, milestone)) = after {
        if newest_first {
            query.push(" AND (n.day < ").bind(day);
            query.push(" OR n.day = ").bind(day);
            query.push(" AND n.facility_id > ").bind(facility).push(")");
        } else {
            query.push(" AND (n.day, n.facility_id, n.milestone) > (");
            query.bind(day).push(", ").bind(facility);
            query.push(", ").bind(milestone).push(")");
        }
    }
    query.push(if newest_first {
        " ORDER BY n.day DESC, n.facility_id LIMIT "
    } else {
        " ORDER BY n.day, n.facility_id, n.milestone LIMIT "
    });
    query.bind(i64::try_from(most).unwrap_or(i64::MAX));
    let rows = query.all(database.read()).await?;
    rows.iter()
        .map(|row| {
            let mut row = Row::new(row);
            let facility: FacilityId = row.take()?;
            let code: i16 = row.take()?;
            Ok(NextStep {
                reason,
                facility,
                milestone: Milestone::from_code(code),
                day: row.take()?,
            })
        })
        .collect()
}

/// How much is next for a reason, counted up to so much.
pub async fn count_up_to(
    database: &Database,
    scope: &Scope,
    reason: NextStepReason,
    wanted: &StepQuery,
    most: i64,
) -> Result<i64, DbErr> {
    let mut query = Query::new("SELECT count(*) FROM (SELECT 1 FROM (");
    push_steps(&mut query, scope, reason, wanted);
    query.push(") AS n LIMIT ").bind(most).push(") AS counted");
    query.scalar(database.read()).await
}

fn push_steps(query: &mut Query, scope: &Scope, reason: NextStepReason, wanted: &StepQuery) {
    match reason {
        NextStepReason::Unblocked => push_unblocked(query, scope, wanted),
        NextStepReason::Overdue | NextStepReason::PromisedThisWeek => {
            push_promised(query, scope, wanted, reason);
        }
    }
}

/// Facilities that are open.
fn push_open(query: &mut Query, wanted: &StepQuery) {
    query.push(" AND (s.closed_on IS NULL OR s.closed_on > ");
    query.bind(wanted.today).push(")");
}

/// Promises for some days that were not kept yet.
fn push_promised(query: &mut Query, scope: &Scope, wanted: &StepQuery, reason: NextStepReason) {
    query.push(
        "SELECT p.facility_id, p.milestone, p.planned_on AS day FROM milestone_plan p \
         JOIN facility_state s ON s.facility_id = p.facility_id WHERE ",
    );
    push_scope(query, scope, "s");
    push_open(query, wanted);
    if reason == NextStepReason::Overdue {
        query.push(" AND p.planned_on < ").bind(wanted.today);
    } else {
        query.push(" AND p.planned_on >= ").bind(wanted.today);
        query.push(" AND p.planned_on <= ").bind(wanted.week_ends);
    }
    query.and_any(
        "p.milestone",
        wanted.milestones.iter().map(|one| one.code()),
    );
    // A condition that PostgreSQL knows nothing of, and so takes to hold of half: of `… IS NULL` it believes that it
    // hardly ever does, and reads everything rather than the first few in their order.
    query.push(" AND CASE p.milestone");
    for milestone in Milestone::ALL {
        let column = milestone.column();
        // Whoever is ready is installed, whether that was told or not.
        let reached = match milestone {
            Milestone::Installed => {
                format!("COALESCE(s.{column}, s.{})", Milestone::Ready.column())
            }
            _ => format!("s.{column}"),
        };
        query.push(&format!(
            " WHEN {} THEN {reached} IS NULL",
            milestone.code()
        ));
    }
    query.push(" END");
}

/// Facilities of which the last thing that held them up was resolved on one of some days.
fn push_unblocked(query: &mut Query, scope: &Scope, wanted: &StepQuery) {
    let first = Aspect::Blocker(Blocker::ALL[0]).code();
    // As the partial index says it: a blocker that was resolved.
    query.push(&format!(
        "SELECT e.facility_id, CAST({NO_MILESTONE} AS SMALLINT) AS milestone, max(e.effective_on) AS day \
         FROM facility_event e JOIN facility_state s ON s.facility_id = e.facility_id \
         WHERE e.aspect >= {first} AND e.action = 1 AND e.effective_on >= "
    ));
    query.bind(wanted.since);
    query.push(" AND e.effective_on <= ").bind(wanted.today);
    query.push(
        " AND NOT EXISTS (SELECT 1 FROM facility_event v WHERE v.voids_id = e.id) \
         AND NOT EXISTS (SELECT 1 FROM facility_blocker b WHERE b.facility_id = e.facility_id) AND ",
    );
    push_scope(query, scope, "s");
    push_open(query, wanted);
    query.push(&format!(
        " AND s.{} IS NULL GROUP BY e.facility_id",
        Milestone::Ready.column()
    ));
}

const COLUMNS: &str =
    "f.id, o.id, o.name, f.identity_kind, f.identity_id, f.name, f.shared, f.filter, f.version";

fn read(row: &mut Row<'_>) -> Result<SavedFilter, DbErr> {
    let id = SavedFilterId(row.take()?);
    let organisation =
        read_name(row)?.ok_or_else(|| DbErr::Type("a filter of no organisation".to_owned()))?;
    Ok(SavedFilter {
        id,
        organisation,
        owner: identity_of(row.take()?, row.take()?),
        name: row.take()?,
        shared: row.take()?,
        filter: row.take()?,
        version: row.take()?,
    })
}

/// Appends the condition that the actor may use a filter: its own, while it belongs to the organisation, and what is
/// shared in its organisations.
fn push_visible(query: &mut Query, backend: Backend, actor: &Actor) {
    let (kind, id) = identity_columns(&actor.identity);
    let organisations = actor.organisations_with(Permission::FacilityRead);
    query.push("f.organisation_id");
    query.bind_ids(backend, organisations.iter().map(|id| id.0));
    query
        .push(" AND (f.shared OR f.identity_kind = ")
        .bind(kind);
    query.push(" AND f.identity_id = ").bind(id).push(")");
}

/// Which filters.
#[derive(Clone, Copy, Debug)]
pub enum Which<'a> {
    /// All that the actor may use.
    All,
    /// Some of them.
    Ids(&'a [i64]),
}

/// The filters that an actor may use, by name.
pub async fn saved_filters(
    connection: &impl ConnectionTrait,
    actor: &Actor,
    which: Which<'_>,
) -> Result<Vec<SavedFilter>, DbErr> {
    if !actor.may(Permission::FacilityRead) {
        return Ok(Vec::new());
    }
    let backend = Backend::of(connection);
    let mut query = Query::new(format!(
        "SELECT {COLUMNS} FROM saved_filter f JOIN organisation o ON o.id = f.organisation_id WHERE "
    ));
    push_visible(&mut query, backend, actor);
    if let Which::Ids(ids) = which {
        query.push(" AND f.id");
        query.bind_ids(backend, ids.iter().copied());
    }
    query.push(" ORDER BY f.name, f.id");
    let rows = query.all(connection).await?;
    rows.iter().map(|row| read(&mut Row::new(row))).collect()
}

/// How many filters somebody keeps.
pub async fn count_of(transaction: &Transaction, owner: &Identity) -> Result<i64, DbErr> {
    let (kind, id) = identity_columns(owner);
    Query::with(
        "SELECT count(*) FROM saved_filter WHERE identity_kind = $1 AND identity_id = $2",
        [kind.into(), id.into()],
    )
    .scalar(transaction)
    .await
}

/// What is to be kept.
#[derive(Clone, Debug)]
pub struct Kept<'a> {
    /// Its name.
    pub name: &'a str,
    /// Whether it is shared.
    pub shared: bool,
    /// The filter, as JSON.
    pub filter: &'a str,
}

/// Keeps a filter. `None` if its owner has another of this name in the organisation.
pub async fn insert(
    transaction: &Transaction,
    owner: &Identity,
    organisation: OrganisationId,
    kept: &Kept<'_>,
) -> Result<Option<SavedFilterId>, DbErr> {
    let (kind, id) = identity_columns(owner);
    let row = Query::with(
        "INSERT INTO saved_filter (organisation_id, identity_kind, identity_id, name, shared, filter, version) \
         VALUES ($1, $2, $3, $4, $5, $6, 1) ON CONFLICT DO NOTHING RETURNING id",
        [
            organisation.0.into(),
            kind.into(),
            id.into(),
            kept.name.into(),
            kept.shared.into(),
            kept.filter.into(),
        ],
    )
    .one(transaction)
    .await?;
    row.map(|row| Ok(SavedFilterId(Row::new(&row).take()?)))
        .transpose()
}

/// Changes a filter of this version. `false` if somebody was faster.
///
/// # Errors
/// A unique violation if its owner has another of this name in the organisation.
pub async fn update(
    transaction: &Transaction,
    id: SavedFilterId,
    version: i32,
    kept: &Kept<'_>,
) -> Result<bool, DbErr> {
    let updated = Query::with(
        "UPDATE saved_filter SET name = $3, shared = $4, filter = $5, version = version + 1 \
         WHERE id = $1 AND version = $2",
        [
            id.0.into(),
            version.into(),
            kept.name.into(),
            kept.shared.into(),
            kept.filter.into(),
        ],
    )
    .execute(transaction)
    .await?;
    Ok(updated.rows_affected() == 1)
}

/// Removes a filter.
pub async fn delete(transaction: &Transaction, id: SavedFilterId) -> Result<(), DbErr> {
    Query::with("DELETE FROM saved_filter WHERE id = $1", [id.0.into()])
        .execute(transaction)
        .await?;
    Ok(())
}
