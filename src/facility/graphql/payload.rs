//! What writes to facilities answer: the facility as it is then, or why nothing was written.

use std::collections::HashMap;

use async_graphql::{Context, ID, InputType, SimpleObject, Value};

use super::types::{Facility, Selected, facilities_by_id, facility};
use crate::{
    api::{
        ApiError, ApiResult, NodeId, UserError,
        context::{caller, services},
        node_id::NodeKind,
        plain::{Plain, PlainField, PlainFields},
    },
    auth::Actor,
    db::{ChangeId, EventId, FacilityId},
    facility::entity::Condition,
    milestone::{
        Problem,
        service::{BulkOutcome, MOST_ROWS, RowOutcome},
    },
};

/// What became of a write to one facility.
#[derive(Debug, SimpleObject)]
pub struct FacilityPayload {
    /// The facility as it stands now, so after the write; null if there is none, or none that you can see.
    pub facility: Option<Facility>,
    /// The version that this write left, however often the request is repeated; with `dryRun`, the one that it would
    /// leave. Null if nothing is written.
    pub version: Option<i32>,
    /// Global ids of the events that were recorded.
    pub event_ids: Vec<ID>,
    /// Global id of the change that recorded it; null if nothing was written.
    pub change_id: Option<ID>,
    /// Why nothing was written; empty if it was.
    pub user_errors: Vec<UserError>,
}

/// What became of one row of a bulk write.
#[derive(Debug, SimpleObject)]
pub struct BulkRow {
    /// The row's position in the input, from 0.
    pub index: i32,
    /// The facility as it stands now, so after the write; null if there is none, or none that you can see.
    pub facility: Option<Facility>,
    /// The version that this write left, however often the request is repeated; with `dryRun`, the one that it would
    /// leave. Null if nothing is written for this row.
    pub version: Option<i32>,
    /// Global ids of the events that were recorded for this row.
    pub event_ids: Vec<ID>,
    /// Every reason why this row was refused; empty if it was not.
    pub user_errors: Vec<UserError>,
}

impl PlainFields for BulkRow {
    const TYPE: &'static str = "BulkRow";

    fn value(&self, field: &PlainField<'_>) -> Option<Value> {
        Some(match field.name() {
            "index" => self.index.into(),
            "facility" => field.optional(self.facility.as_deref())?,
            "version" => self.version.map_or(Value::Null, Value::from),
            "eventIds" => Value::List(self.event_ids.iter().map(ID::to_value).collect()),
            "userErrors" => field.list(self.user_errors.iter().cloned())?,
            _ => return None,
        })
    }
}

/// What became of a bulk write.
#[derive(Debug, SimpleObject)]
pub struct FacilityBulkPayload {
    /// Row by row, in input order.
    rows: Vec<Plain<BulkRow>>,
    /// Rows that were written (with `dryRun`: would be).
    written_count: i32,
    /// Rows that were refused.
    refused_count: i32,
    /// Global id of the change that recorded it all, which `changeUndo` takes where it says so; null if nothing was
    /// written.
    change_id: Option<ID>,
    /// What is wrong with the request itself; if anything is, no row was looked at.
    user_errors: Vec<UserError>,
}

/// The payload of a write to one facility.
pub async fn facility_payload(
    context: &Context<'_>,
    written: ApiResult<BulkOutcome>,
) -> ApiResult<FacilityPayload> {
    let actor = &caller(context)?.actor;
    let outcome = match written {
        Err(ApiError::Refused(problems)) => BulkOutcome::refused(problems),
        written => written?,
    };
    let change_id = change_id(outcome.change);
    let row = outcome.rows.into_iter().next().unwrap_or_default();
    let facility = match row.facility {
        None => None,
        Some(id) => {
            let selected = Selected::below(context, "facility");
            // What a write answers must hold the write itself: it is read where it was written.
            facility(services(context)?, actor, &Condition::Id(id), selected).await?
        }
    };
    Ok(FacilityPayload {
        facility,
        version: row.version,
        event_ids: event_ids(&row),
        change_id,
        user_errors: user_errors(&row.problems, actor, &["input"]),
    })
}

/// The same payload with other names for fields at the ends of the paths of its rows, where these are said elsewhere.
pub fn renamed(mut payload: FacilityBulkPayload, names: &[(&str, &[&str])]) -> FacilityBulkPayload {
    for error in payload
        .rows
        .iter_mut()
        .flat_map(|row| &mut row.0.user_errors)
    {
        let said = names
            .iter()
            .find(|(field, _)| error.path.last().is_some_and(|last| last == field));
        if let Some((_, instead)) = said {
            error.path.pop();
            error
                .path
                .extend(instead.iter().map(|&part| part.to_owned()));
        }
    }
    payload
}

/// The payload of a bulk write that was refused as a whole.
pub fn refused_bulk(user_errors: Vec<UserError>) -> FacilityBulkPayload {
    FacilityBulkPayload {
        rows: Vec::new(),
        written_count: 0,
        refused_count: 0,
        change_id: None,
        user_errors,
    }
}

/// A bulk write has some rows, and not too many.
pub fn check_row_count(rows: usize) -> ApiResult<()> {
    if (1..=MOST_ROWS).contains(&rows) {
        return Ok(());
    }
    let message = format!("give 1 to {MOST_ROWS} rows");
    Err(ApiError::bad_input("BAD_ROWS", message))
}

/// The payload of a bulk write.
pub async fn bulk_payload(
    context: &Context<'_>,
    written: ApiResult<BulkOutcome>,
) -> ApiResult<FacilityBulkPayload> {
    let actor = &caller(context)?.actor;
    let outcome = match written {
        Err(ApiError::Refused(problems)) => {
            return Ok(refused_bulk(user_errors(&problems, actor, &["input"])));
        }
        written => written?,
    };
    let rows = context.look_ahead().field("rows");
    let facilities = if rows.field("facility").exists() {
        let mut ids: Vec<FacilityId> = outcome.rows.iter().filter_map(|row| row.facility).collect();
        ids.sort_unstable();
        ids.dedup();
        let selected = Selected::of(&rows.field("facility"));
        facilities_by_id(services(context)?, actor, &ids, selected).await?
    } else {
        HashMap::new()
    };
    let refused = outcome
        .rows
        .iter()
        .filter(|row| !row.problems.is_empty())
        .count();
    let written = outcome
        .rows
        .iter()
        .filter(|row| row.version.is_some())
        .count();
    let rows = outcome
        .rows
        .iter()
        .zip(0_i32..)
        .map(|(row, index)| BulkRow {
            index,
            facility: row.facility.and_then(|id| facilities.get(&id).cloned()),
            version: row.version,
            event_ids: event_ids(row),
            user_errors: user_errors(&row.problems, actor, &["input", "rows", &index.to_string()]),
        })
        .map(Plain)
        .collect();
    Ok(FacilityBulkPayload {
        rows,
        written_count: i32::try_from(written).unwrap_or(i32::MAX),
        refused_count: i32::try_from(refused).unwrap_or(i32::MAX),
        change_id: change_id(outcome.change),
        user_errors: Vec::new(),
    })
}

/// The event that a caller names. An id of another type names none: the service says so by the input's path.
pub fn named_event(id: &ID) -> EventId {
    EventId(NodeId::row_of(id, NodeKind::Event).unwrap_or(0))
}

/// The global id of a change.
pub fn change_id(change: Option<ChangeId>) -> Option<ID> {
    change.map(|change| NodeId::new(NodeKind::Change, change.0).encode())
}

/// Global ids of a row's events.
pub fn event_ids(row: &RowOutcome) -> Vec<ID> {
    row.events
        .iter()
        .map(|id| NodeId::new(NodeKind::Event, id.0).encode())
        .collect()
}

/// Problems as user errors at a path.
pub fn user_errors(problems: &[Problem], actor: &Actor, path: &[&str]) -> Vec<UserError> {
    problems
        .iter()
        .map(|problem| user_error(problem, actor, path))
        .collect()
}

/// A problem as a user error at a path.
pub fn user_error(problem: &Problem, actor: &Actor, path: &[&str]) -> UserError {
    let path = path
        .iter()
        .copied()
        .chain(path_of(problem))
        .map(str::to_owned)
        .collect();
    UserError::of(problem, path, actor.language)
}

/// The input field that a problem is about.
fn path_of(problem: &Problem) -> Option<&'static str> {
    use Problem as P;
    Some(match problem {
        P::NotFound | P::Forbidden | P::BadFacilityCode(_) => "facility",
        P::StaleVersion { .. } => "expectedVersion",
        P::InFuture { .. }
        | P::TooEarly { .. }
        | P::BeforeOpening { .. }
        | P::AfterClosing { .. }
        | P::BeforeLastCode { .. }
        | P::Incomplete
        | P::MissingDate => "on",
        P::MissingGround { .. }
        | P::NeededByLater { .. }
        | P::AlreadyReached { .. }
        | P::NotReached { .. }
        | P::MissingMilestone => "milestone",
        P::AlreadyBlocked { .. } | P::NotBlocked { .. } | P::MissingBlocker => "blocker",
        P::EventNotFound | P::MissingEvent => "eventId",
        P::BadCode(_) | P::CodeTaken | P::CodeDoesNotFit => "code",
        P::KindDoesNotFit => "kind",
        P::UnknownOrganisation | P::NotItsChain => "organisationId",
        P::ReferenceTaken => "reference",
        P::KeyReused | P::BadIdempotencyKey { .. } => "idempotencyKey",
        P::BadReason { .. } => "reason",
        P::ChangeNotFound | P::ChangedSince { .. } | P::AlreadyUndone | P::CanNotBeUndone => {
            "changeId"
        }
        P::DuplicateRow { .. } | P::NothingToDo | P::BadText { .. } | P::MissingValue => {
            return None;
        }
    })
}
