//! Worklists in the API.

use std::collections::HashMap;

use async_graphql::{
    ComplexObject, Context, ID, InputObject, InputType, Object, SimpleObject, Value,
    connection::{Connection, Edge},
};

use super::{
    NextStep as Step, NextStepReason, SavedFilter as Kept, SavedFilterId, WorklistProblem,
    entity::{self, StepPosition, Which},
    service::{self, Outcome, SaveRequest},
};
use crate::{
    api::{
        ApiError, ApiResult, Date, NodeId, PageArguments, UserError, UserErrorCode, WriteOptions,
        context::{caller, services, writer},
        node_id::NodeKind,
        page::{Fingerprint, bad_cursor},
    },
    app::calendar::business_days,
    auth::Actor,
    facility::graphql::{
        Facility, FacilityConnection, FacilityFilter, FacilityOrder, OrganisationSummary,
        facilities_of_nodes, facility_page, organisation_of, summary, user_errors,
    },
    milestone::Milestone,
};

/// Counts beyond this many are not counted out.
const COUNTED_UP_TO: i64 = 10_000;

/// Something to do next.
#[derive(Clone, Debug, SimpleObject)]
pub struct NextStep {
    /// Why it is next.
    reason: NextStepReason,
    /// For which facility.
    facility: Option<Facility>,
    /// What was promised; null where something was resolved.
    milestone: Option<Milestone>,
    /// For which day it was promised, or on which it was resolved.
    day: Date,
    /// How many business days that is away: overdue for so many, or in so many, or resolved so many ago.
    business_days: i64,
}

/// How much is next.
#[derive(Clone, Copy, Debug, SimpleObject)]
pub struct NextStepCounts {
    /// Promised for a day that is over; counted up to 10,000.
    overdue_count: i64,
    /// Promised for this week; counted up to 10,000.
    promised_this_week_count: i64,
    /// Unblocked since the last business day; counted up to 10,000.
    unblocked_count: i64,
}

/// A page of what is next.
pub type NextStepConnection = Connection<String, NextStep, NextStepCounts>;

/// A filter of facilities that somebody keeps under a name.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex)]
pub struct SavedFilter {
    #[graphql(skip)]
    id: ID,
    /// In which organisation it is kept.
    organisation: OrganisationSummary,
    /// Its name.
    name: String,
    /// Whether everybody in the organisation may use it.
    shared: bool,
    /// Whether you keep it.
    is_own: bool,
    /// The filter, a `FacilityFilter` as JSON: for `facilities(filter:)` and `GET /facilities.xlsx?filter=`.
    filter: String,
    /// Counts up with every change: the `expectedVersion` of the next.
    version: i32,
}

#[ComplexObject]
impl SavedFilter {
    /// Global id.
    pub async fn id(&self) -> ID {
        self.id.clone()
    }
}

impl SavedFilter {
    fn of(kept: Kept, actor: &Actor) -> Self {
        Self {
            id: NodeId::new(NodeKind::SavedFilter, kept.id.0).encode(),
            organisation: summary(&kept.organisation),
            name: kept.name,
            shared: kept.shared,
            is_own: kept.owner == actor.identity,
            filter: kept.filter,
            version: kept.version,
        }
    }
}

/// A filter to be kept.
#[derive(Debug, InputObject)]
pub struct SavedFilterSaveInput {
    /// Global id of the one to change; a new one if not given.
    id: Option<ID>,
    /// Global id of the organisation in which a new one is kept.
    organisation_id: ID,
    /// Its name, 1 to 100 characters.
    name: String,
    /// Whether everybody in the organisation may use it.
    #[graphql(default)]
    shared: bool,
    /// The filter.
    filter: FacilityFilter,
    /// The version that you read, where one is changed.
    expected_version: Option<i32>,
    #[graphql(flatten)]
    options: WriteOptions,
}

/// A filter to be removed.
#[derive(Debug, InputObject)]
pub struct SavedFilterDeleteInput {
    /// Global id of the filter.
    id: ID,
    #[graphql(flatten)]
    options: WriteOptions,
}

/// What became of a filter.
#[derive(Debug, SimpleObject)]
pub struct SavedFilterPayload {
    /// The filter as it stands now; null if there is none.
    saved_filter: Option<SavedFilter>,
    /// Why it was refused; empty if it was not.
    user_errors: Vec<UserError>,
}

/// Queries over worklists.
#[derive(Default)]
pub struct WorklistQuery;

#[Object]
impl WorklistQuery {
    /// What to do next at the facilities that you can see: what was promised and is overdue, the oldest first; what is
    /// promised for this week; what nothing holds up any more since the last business day. Promises are those of
    /// milestones that your organisation may record; of all, for those who only look on.
    async fn next_steps(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Any of these; all if none is given.", default)] reasons: Vec<
            NextStepReason,
        >,
        #[graphql(desc = "How many, from `after`; 1 to 100, required.")] first: Option<i32>,
        #[graphql(desc = "The cursor after which to begin.")] after: Option<String>,
    ) -> ApiResult<NextStepConnection> {
        let reasons = if reasons.is_empty() {
            NextStepReason::ALL.to_vec()
        } else {
            reasons
        };
        let fingerprint = Fingerprint::of(&("nextSteps", &reasons));
        let page = PageArguments {
            after,
            first,
            ..PageArguments::default()
        }
        .check(&fingerprint)?;
        let after = page.from.as_deref().map(read_cursor).transpose()?;
        let services = services(context)?;
        let actor = &caller(context)?.actor;
        let most = page.size + 1;
        let mut steps = service::next_steps(services, actor, &reasons, after, most).await?;
        let more = steps.len() > page.size;
        steps.truncate(page.size);
        let ahead = context.look_ahead();
        let mut counts = [0; 3];
        for (count, (field, reason)) in counts.iter_mut().zip([
            ("overdueCount", NextStepReason::Overdue),
            ("promisedThisWeekCount", NextStepReason::PromisedThisWeek),
            ("unblockedCount", NextStepReason::Unblocked),
        ]) {
            if ahead.field(field).exists() {
                *count = service::count_steps(services, actor, reason, COUNTED_UP_TO).await?;
            }
        }
        let [overdue_count, promised_this_week_count, unblocked_count] = counts;
        let counts = NextStepCounts {
            overdue_count,
            promised_this_week_count,
            unblocked_count,
        };
        let mut connection = Connection::with_additional_fields(after.is_some(), more, counts);
        let told = told(context, &steps).await?;
        connection.edges = steps
            .iter()
            .zip(told)
            .map(|(step, told)| Edge::new(fingerprint.cursor(&cursor(step)), told))
            .collect();
        Ok(connection)
    }

    /// The filters that you keep, and those that others share in your organisations, by name.
    async fn saved_filters(&self, context: &Context<'_>) -> ApiResult<Vec<SavedFilter>> {
        let actor = &caller(context)?.actor;
        let database = &services(context)?.database;
        let found = entity::saved_filters(database.read(), actor, Which::All).await?;
        Ok(found
            .into_iter()
            .map(|one| SavedFilter::of(one, actor))
            .collect())
    }

    /// The facilities that pass a filter that you or others keep, in the order asked for: what you can see of them. Null
    /// if there is no such filter.
    #[expect(
        clippy::too_many_arguments,
        reason = "they are the arguments of a connection"
    )]
    async fn worklist(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Global id of the filter.")] saved_filter_id: ID,
        #[graphql(desc = "In which order; by institution code if not given.")] order_by: Option<
            FacilityOrder,
        >,
        #[graphql(desc = "How many, from `after` on; at most 100.")] first: Option<i32>,
        #[graphql(desc = "The cursor after which to begin.")] after: Option<String>,
        #[graphql(desc = "How many, up to `before`; at most 100.")] last: Option<i32>,
        #[graphql(desc = "The cursor before which to end.")] before: Option<String>,
    ) -> ApiResult<Option<FacilityConnection>> {
        let rows: Vec<i64> = NodeId::row_of(&saved_filter_id, NodeKind::SavedFilter)
            .into_iter()
            .collect();
        let actor = &caller(context)?.actor;
        let database = &services(context)?.database;
        let found = entity::saved_filters(database.read(), actor, Which::Ids(&rows)).await?;
        let Some(kept) = found.into_iter().next() else {
            return Ok(None);
        };
        let arguments = PageArguments {
            after,
            before,
            first,
            last,
        };
        let filter = read_filter(&kept.filter)?;
        let order = order_by.unwrap_or_default();
        Ok(Some(
            facility_page(context, filter, order, arguments).await?,
        ))
    }
}

/// Mutations of worklists.
#[derive(Default)]
pub struct WorklistMutation;

#[Object]
impl WorklistMutation {
    /// Keeps a filter of facilities under a name, or changes one that you keep.
    async fn saved_filter_save(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "What to keep.")] input: SavedFilterSaveInput,
    ) -> ApiResult<SavedFilterPayload> {
        let text = serde_json::to_string(&input.filter.to_value())
            .map_err(|_| ApiError::bad_input("BAD_FILTER", "this filter can't be kept"))?;
        // What is no filter is told now, and not when it is used.
        check_filter(context, &text)?;
        let request = SaveRequest {
            // An id of another type names no filter.
            id: input
                .id
                .map(|id| SavedFilterId(NodeId::row_of(&id, NodeKind::SavedFilter).unwrap_or(0))),
            organisation: organisation_of(&input.organisation_id),
            name: input.name,
            shared: input.shared,
            filter: text,
            expected_version: input.expected_version,
        };
        let written = async {
            let writer = writer(context, "savedFilterSave", &input.options, &request)?;
            ApiResult::Ok(service::save(&writer, &request).await?)
        };
        payload(context, written.await).await
    }

    /// Removes a filter: one that you keep, or, as an administrator, one that is shared in your organisation.
    async fn saved_filter_delete(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Which.")] input: SavedFilterDeleteInput,
    ) -> ApiResult<SavedFilterPayload> {
        let id = SavedFilterId(NodeId::row_of(&input.id, NodeKind::SavedFilter).unwrap_or(0));
        let written = async {
            let writer = writer(context, "savedFilterDelete", &input.options, &id)?;
            ApiResult::Ok(service::delete(&writer, id).await?)
        };
        payload(context, written.await).await
    }
}

/// A filter as it was kept.
fn read_filter(text: &str) -> ApiResult<FacilityFilter> {
    let bad = || ApiError::bad_input("BAD_FILTER", "this filter can't be read any more");
    let json: serde_json::Value = serde_json::from_str(text).map_err(|_| bad())?;
    let value = Value::from_json(json).map_err(|_| bad())?;
    FacilityFilter::parse(Some(value)).map_err(|_| bad())
}

/// Says what is wrong with a filter as `facilities` would.
fn check_filter(context: &Context<'_>, text: &str) -> ApiResult<()> {
    let today = services(context)?.clock.today();
    crate::facility::graphql::export_query(read_filter(text)?, today).map(drop)
}

fn cursor(step: &Step) -> [String; 4] {
    let (day, facility, milestone) = step.position();
    let place = NextStepReason::ALL
        .iter()
        .position(|one| *one == step.reason);
    [
        place.unwrap_or(0).to_string(),
        day.to_string(),
        facility.to_string(),
        milestone.to_string(),
    ]
}

fn read_cursor(parts: &[String]) -> ApiResult<(NextStepReason, StepPosition)> {
    let [place, day, facility, milestone] = parts else {
        return Err(bad_cursor());
    };
    let read = || {
        let place: usize = place.parse().ok()?;
        let reason = *NextStepReason::ALL.get(place)?;
        let position = (
            day.parse().ok()?,
            facility.parse().ok()?,
            milestone.parse().ok()?,
        );
        Some((reason, position))
    };
    read().ok_or_else(bad_cursor)
}

async fn told(context: &Context<'_>, steps: &[Step]) -> ApiResult<Vec<NextStep>> {
    let ids = steps.iter().map(|step| step.facility).collect();
    let facilities = facilities_of_nodes(context, ids).await?;
    let today = services(context)?.clock.today();
    Ok(steps
        .iter()
        .map(|step| NextStep {
            reason: step.reason,
            facility: facilities.get(&step.facility).cloned(),
            milestone: step.milestone,
            day: Date(step.day),
            business_days: business_days(step.day.min(today), step.day.max(today)),
        })
        .collect())
}

/// Those of some filters that the caller may use, by their rows.
pub async fn saved_filters_by_id(
    context: &Context<'_>,
    ids: &[i64],
) -> ApiResult<HashMap<i64, SavedFilter>> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let actor = &caller(context)?.actor;
    let database = &services(context)?.database;
    let found = entity::saved_filters(database.read(), actor, Which::Ids(ids)).await?;
    Ok(found
        .into_iter()
        .map(|one| (one.id.0, SavedFilter::of(one, actor)))
        .collect())
}

async fn payload(
    context: &Context<'_>,
    written: ApiResult<Outcome>,
) -> ApiResult<SavedFilterPayload> {
    let actor = &caller(context)?.actor;
    let outcome = match written {
        Err(ApiError::Refused(problems)) => {
            return Ok(SavedFilterPayload {
                saved_filter: None,
                user_errors: user_errors(&problems, actor, &["input"]),
            });
        }
        written => written?,
    };
    let ids: Vec<i64> = outcome.filter.iter().map(|id| id.0).collect();
    let saved_filter = saved_filters_by_id(context, &ids)
        .await?
        .into_values()
        .next();
    let told = |(field, problem): (String, WorklistProblem)| UserError {
        code: code_of(&problem),
        path: vec!["input".to_owned(), field],
        message: problem.message(actor.language),
    };
    Ok(SavedFilterPayload {
        saved_filter,
        user_errors: outcome.problem.map(told).into_iter().collect(),
    })
}

fn code_of(problem: &WorklistProblem) -> UserErrorCode {
    use UserErrorCode as Code;
    use WorklistProblem as P;
    match problem {
        P::NotFound => Code::NotFound,
        P::Forbidden => Code::Forbidden,
        P::UnknownOrganisation => Code::UnknownOrganisation,
        P::StaleVersion { .. } => Code::StaleVersion,
        P::BadName { .. } => Code::InvalidText,
        P::NameTaken => Code::Taken,
        P::TooMany { .. } => Code::OutOfRange,
    }
}
