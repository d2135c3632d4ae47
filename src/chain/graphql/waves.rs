//! Waves in the API.

use std::collections::HashMap;

use async_graphql::{
    ComplexObject, Context, ID, InputObject, Object, SimpleObject,
    connection::{Connection, Edge},
};

use crate::{
    api::{
        ApiError, ApiResult, Date, NodeId, PageArguments, UserError, UserErrorCode, WriteOptions,
        context::{caller, services, writer},
        node_id::NodeKind,
        page::{Fingerprint, bad_cursor, row_of_cursor},
    },
    app::calendar::business_days,
    auth::{Actor, Permission},
    chain::{
        WaveId, WaveProblem, WaveStoreState,
        entity::{self, Counts, StoreCursor, StoreRow, WaveRow, Which},
        service::waves::{self as service, Outcome, PlanRow, SaveRequest},
    },
    facility::graphql::{
        Facility, FacilityBulkPayload, FacilityReference, OrganisationSummary, bulk_payload,
        change_id, check_row_count, facilities_of_nodes, named_facilities, organisation_of,
        refused_bulk, renamed, summary, user_errors,
    },
    milestone::{Milestone, service::ErrorPolicy},
};

/// A named plan of stores of a chain, each with the day on which it is to reach a milestone.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex)]
pub struct Wave {
    #[graphql(skip)]
    row: WaveRow,
    /// The chain whose it is.
    chain: OrganisationSummary,
    /// Its name.
    name: String,
    /// What its stores are to reach.
    milestone: Milestone,
    /// Counts up with every change of its name: the `expectedVersion` of the next.
    version: i32,
    /// How far it is, by the stores that you can see and that are still open stores of the chain.
    progress: WaveProgress,
}

#[ComplexObject]
impl Wave {
    /// Global id.
    pub async fn id(&self) -> ID {
        NodeId::new(NodeKind::Wave, self.row.id.0).encode()
    }
}

/// How far a wave is on a day, as that is known now.
#[derive(Clone, Copy, Debug, SimpleObject)]
pub struct WaveProgress {
    /// The day.
    as_of: Date,
    /// Its stores.
    store_count: i64,
    /// Planned for that day or earlier.
    due_count: i64,
    /// Done by then. Whoever is ready (準備完了) is installed, whether that was told or not.
    done_count: i64,
    /// Of these, done by the planned day.
    done_on_time_count: i64,
    /// Planned for an earlier day, and not done.
    overdue_count: i64,
    /// Not done, and promised by now for a later day than that of the wave.
    moved_count: i64,
    /// Not done, and something holds them up today.
    blocked_count: i64,
}

impl WaveProgress {
    fn of(counts: Counts, as_of: Date) -> Self {
        Self {
            as_of,
            store_count: counts.stores,
            due_count: counts.due,
            done_count: counts.done,
            done_on_time_count: counts.done_on_time,
            overdue_count: counts.overdue,
            moved_count: counts.moved,
            blocked_count: counts.blocked,
        }
    }
}

/// How far a wave is after a day.
#[derive(Clone, Copy, Debug, SimpleObject)]
pub struct WaveDay {
    /// The day.
    day: Date,
    /// Planned for this day or earlier.
    planned_count: i64,
    /// Done on this day or earlier; null for a day that is still to come.
    done_count: Option<i64>,
}

/// A store in a wave.
#[derive(Clone, Debug, SimpleObject)]
pub struct WaveStore {
    /// The store.
    facility: Option<Facility>,
    /// How it stands.
    state: WaveStoreState,
    /// The day on which the wave has it.
    planned_on: Date,
    /// For which day it is promised by now.
    promised_on: Option<Date>,
    /// When it was done.
    done_on: Option<Date>,
    /// By how many business days it was or is late: done after its day, promised for a later one, or overdue; 0 if none of
    /// these.
    late_business_days: i64,
}

/// A page of waves.
pub type WaveConnection = Connection<String, Wave>;
/// A page of the stores of a wave.
pub type WaveStoreConnection = Connection<String, WaveStore>;

/// A wave to be made, or to be called otherwise.
#[derive(Debug, InputObject)]
pub struct WaveSaveInput {
    /// Global id of the one to rename; a new one if not given.
    id: Option<ID>,
    /// Global id of the chain of a new one; your own if not given.
    organisation_id: Option<ID>,
    /// Its name, 1 to 100 characters.
    name: String,
    /// What the stores of a new one are to reach; it stays.
    #[graphql(default_with = "Milestone::Installed")]
    milestone: Milestone,
    /// The version that you read, where one is renamed.
    expected_version: Option<i32>,
    #[graphql(flatten)]
    options: WriteOptions,
}

/// A wave to be removed.
#[derive(Debug, InputObject)]
pub struct WaveDeleteInput {
    /// Global id of the wave.
    id: ID,
    #[graphql(flatten)]
    options: WriteOptions,
}

/// A store and its day.
#[derive(Debug, InputObject)]
pub struct WaveRowInput {
    /// Which store.
    facility: FacilityReference,
    /// For which day; null takes it out of the wave.
    on: Option<Date>,
    /// The version of the store that you read: refused if somebody changed it since.
    expected_version: Option<i32>,
}

/// Up to 5,000 stores of a wave.
#[derive(Debug, InputObject)]
pub struct WaveBulkPlanInput {
    /// Global id of the wave.
    wave_id: ID,
    /// The rows, answered in this order.
    rows: Vec<WaveRowInput>,
    /// What becomes of the request if some rows fail.
    #[graphql(default_with = "ErrorPolicy::RejectAll")]
    error_policy: ErrorPolicy,
    // Written out: to flatten them copies the rows.
    /// Under which a repeated request has one effect.
    idempotency_key: Option<String>,
    /// Check everything and answer the same, but change nothing.
    #[graphql(default)]
    dry_run: bool,
    /// Why, kept with the change.
    reason: Option<String>,
}

/// What became of a wave.
#[derive(Debug, SimpleObject)]
pub struct WavePayload {
    /// The wave as it stands now; null if there is none.
    wave: Option<Wave>,
    /// Global id of the change that recorded it; null if nothing was written.
    change_id: Option<ID>,
    /// Why it was refused; empty if it was not.
    user_errors: Vec<UserError>,
}

/// Queries over waves.
#[derive(Default)]
pub struct WaveQuery;

#[Object]
impl WaveQuery {
    /// The waves of your chain, and those that have stores that you can see, in the order in which they were made.
    async fn waves(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Global id of a chain: only its own.")] organisation_id: Option<ID>,
        #[graphql(desc = "The day of which progress is told; today if not given.")] as_of: Option<
            Date,
        >,
        #[graphql(desc = "How many, from `after`; 1 to 100, required.")] first: Option<i32>,
        #[graphql(desc = "The cursor after which to begin.")] after: Option<String>,
    ) -> ApiResult<WaveConnection> {
        let fingerprint = Fingerprint::of(&("waves", &organisation_id, as_of));
        let page = PageArguments {
            after,
            first,
            ..PageArguments::default()
        }
        .check(&fingerprint)?;
        let after = page.from.as_deref().map(row_of_cursor).transpose()?;
        let database = &services(context)?.database;
        let actor = &caller(context)?.actor;
        let which = Which::Page {
            chain: organisation_id.as_ref().map(organisation_of),
            after,
            most: i64::try_from(page.size).unwrap_or(0) + 1,
        };
        let mut rows = entity::waves(database.read(), actor, which).await?;
        let more = rows.len() > page.size;
        rows.truncate(page.size);
        let mut connection = Connection::new(after.is_some(), more);
        connection.edges = told(context, rows, as_of)
            .await?
            .into_iter()
            .map(|wave| Edge::new(fingerprint.cursor(&[wave.row.id.0.to_string()]), wave))
            .collect();
        Ok(connection)
    }

    /// The plan of a wave and its progress, day by day, both added up: the days on which something was planned or done,
    /// and today. Empty if there is no such wave.
    async fn wave_days(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Global id of the wave.")] wave_id: ID,
    ) -> ApiResult<Vec<WaveDay>> {
        let Some(wave) = visible(context, &wave_id).await? else {
            return Ok(Vec::new());
        };
        let services = services(context)?;
        let scope = caller(context)?.actor.scope(Permission::FacilityRead);
        let today = services.clock.today();
        let mut days = entity::days(services.database.read(), &scope, wave.id, today).await?;
        if !days.is_empty() {
            days.entry(today).or_default();
        }
        let (mut planned, mut done) = (0, 0);
        Ok(days
            .into_iter()
            .map(|(day, counts)| {
                planned += counts.planned;
                done += counts.done;
                WaveDay {
                    day: Date(day),
                    planned_count: planned,
                    done_count: (day <= today).then_some(done),
                }
            })
            .collect())
    }

    /// The stores of a wave that you can see, by their days. Null if there is no such wave.
    async fn wave_stores(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Global id of the wave.")] wave_id: ID,
        #[graphql(desc = "Any of these; all if none is given.", default)] states: Vec<
            WaveStoreState,
        >,
        #[graphql(desc = "How many, from `after`; 1 to 100, required.")] first: Option<i32>,
        #[graphql(desc = "The cursor after which to begin.")] after: Option<String>,
    ) -> ApiResult<Option<WaveStoreConnection>> {
        let fingerprint = Fingerprint::of(&("waveStores", &wave_id, &states));
        let page = PageArguments {
            after,
            first,
            ..PageArguments::default()
        }
        .check(&fingerprint)?;
        let after = page.from.as_deref().map(read_cursor).transpose()?;
        let Some(wave) = visible(context, &wave_id).await? else {
            return Ok(None);
        };
        let services = services(context)?;
        let scope = caller(context)?.actor.scope(Permission::FacilityRead);
        let mut rows = entity::stores(
            services.database.read(),
            &scope,
            wave.id,
            &states,
            services.clock.today(),
            after,
            i64::try_from(page.size).unwrap_or(0) + 1,
        )
        .await?;
        let more = rows.len() > page.size;
        rows.truncate(page.size);
        let told = stores(context, &rows).await?;
        let mut connection = Connection::new(after.is_some(), more);
        connection.edges = rows
            .iter()
            .zip(told)
            .map(|(row, told)| {
                let place = [row.planned_on.to_string(), row.facility.0.to_string()];
                Edge::new(fingerprint.cursor(&place), told)
            })
            .collect();
        Ok(Some(connection))
    }
}

/// Mutations of waves.
#[derive(Default)]
pub struct WaveMutation;

#[Object]
impl WaveMutation {
    /// Makes a wave, still without stores, or gives one another name.
    async fn wave_save(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The wave.")] input: WaveSaveInput,
    ) -> ApiResult<WavePayload> {
        let request = SaveRequest {
            id: input.id.as_ref().map(named_wave),
            chain: input.organisation_id.as_ref().map(organisation_of),
            name: input.name,
            milestone: input.milestone,
            expected_version: input.expected_version,
        };
        let written = async {
            let writer = writer(context, "waveSave", &input.options, &request)?;
            ApiResult::Ok(service::save(&writer, &request).await?)
        };
        payload(context, written.await).await
    }

    /// Removes a wave. What was promised of its stores stays promised.
    async fn wave_delete(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Which.")] input: WaveDeleteInput,
    ) -> ApiResult<WavePayload> {
        let id = named_wave(&input.id);
        let written = async {
            let writer = writer(context, "waveDelete", &input.options, &id)?;
            ApiResult::Ok(service::delete(&writer, id).await?)
        };
        payload(context, written.await).await
    }

    /// Plans up to 5,000 stores of the chain in a wave, or takes them out of it, and answers row by row. The wave's day is
    /// also promised of the store, as `milestonePlan` does, unless it was reached or is promised so already; a store that
    /// is taken out keeps its promise.
    async fn wave_bulk_plan(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The stores.")] input: WaveBulkPlanInput,
    ) -> ApiResult<FacilityBulkPayload> {
        check_row_count(input.rows.len())?;
        let options = WriteOptions {
            idempotency_key: input.idempotency_key,
            dry_run: input.dry_run,
            reason: input.reason,
        };
        let wave = named_wave(&input.wave_id);
        let rows = input.rows.into_iter();
        let rows = rows.map(|row| (row.facility, row.on.map(|on| on.0), row.expected_version));
        let rows: Vec<_> = rows.collect();
        let policy = input.error_policy;
        let services = services(context)?;
        let actor = &caller(context)?.actor;
        let written = async {
            let writer = writer(context, "waveBulkPlan", &options, &(wave, &rows, policy))?;
            let references: Vec<FacilityReference> =
                rows.iter().map(|(facility, ..)| facility.clone()).collect();
            let found = named_facilities(&services.database, actor, &references).await?;
            let rows: Vec<PlanRow> = found
                .into_iter()
                .zip(&rows)
                .map(|(facility, (_, on, expected_version))| PlanRow {
                    facility,
                    on: *on,
                    expected_version: *expected_version,
                })
                .collect();
            let outcome = service::plan(&writer, wave, &rows, policy).await?;
            services.written.notify_one();
            ApiResult::Ok(outcome)
        };
        match written.await {
            Ok(outcome) => match outcome.problem {
                Some(problem) => Ok(refused_bulk(vec![user_error("waveId", &problem, actor)])),
                None => {
                    let payload = bulk_payload(context, Ok(outcome.bulk)).await?;
                    let names: [(&str, &[&str]); 1] = [("organisationId", &["facility"])];
                    Ok(renamed(payload, &names))
                }
            },
            Err(refused) => bulk_payload(context, Err(refused)).await,
        }
    }
}

/// The wave that a caller names. An id of another type names none: the service says so by the input's path.
fn named_wave(id: &ID) -> WaveId {
    WaveId(NodeId::row_of(id, NodeKind::Wave).unwrap_or(0))
}

async fn visible(context: &Context<'_>, id: &ID) -> ApiResult<Option<WaveRow>> {
    let actor = &caller(context)?.actor;
    let database = &services(context)?.database;
    let ids = [named_wave(id).0];
    let found = entity::waves(database.read(), actor, Which::Ids(&ids)).await?;
    Ok(found.into_iter().next())
}

/// Waves with how far they are.
async fn told(
    context: &Context<'_>,
    rows: Vec<WaveRow>,
    as_of: Option<Date>,
) -> ApiResult<Vec<Wave>> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let services = services(context)?;
    let scope = caller(context)?.actor.scope(Permission::FacilityRead);
    let as_of = as_of.unwrap_or(Date(services.clock.today()));
    let ids: Vec<i64> = rows.iter().map(|row| row.id.0).collect();
    let counts = entity::counts(services.database.read(), &scope, &ids, as_of.0).await?;
    Ok(rows
        .into_iter()
        .map(|row| Wave {
            chain: summary(&row.chain),
            name: row.name.clone(),
            milestone: row.milestone,
            version: row.version,
            progress: WaveProgress::of(counts.get(&row.id).copied().unwrap_or_default(), as_of),
            row,
        })
        .collect())
}

async fn stores(context: &Context<'_>, rows: &[StoreRow]) -> ApiResult<Vec<WaveStore>> {
    let ids = rows.iter().map(|row| row.facility).collect();
    let facilities = facilities_of_nodes(context, ids).await?;
    let today = services(context)?.clock.today();
    Ok(rows
        .iter()
        .map(|row| {
            let planned_on = row.planned_on;
            let state = match row.reached_on {
                Some(day) if day <= planned_on => WaveStoreState::DoneOnTime,
                Some(_) => WaveStoreState::DoneLate,
                None if planned_on < today => WaveStoreState::Overdue,
                None => WaveStoreState::ToCome,
            };
            let until = row.reached_on.unwrap_or_else(|| {
                row.promised_on
                    .unwrap_or(planned_on)
                    .max(today.min(planned_on))
            });
            let until = match state {
                WaveStoreState::Overdue => until.max(today),
                _ => until,
            };
            WaveStore {
                facility: facilities.get(&row.facility).cloned(),
                state,
                planned_on: Date(planned_on),
                promised_on: row.promised_on.map(Date),
                done_on: row.reached_on.map(Date),
                late_business_days: business_days(planned_on, until).max(0),
            }
        })
        .collect())
}

fn read_cursor(parts: &[String]) -> ApiResult<StoreCursor> {
    let [day, facility] = parts else {
        return Err(bad_cursor());
    };
    let read = || Some((day.parse().ok()?, facility.parse().ok()?));
    read().ok_or_else(bad_cursor)
}

/// Those of some waves that the caller can see, by their rows, as they are today.
pub async fn waves_by_id(context: &Context<'_>, ids: &[i64]) -> ApiResult<HashMap<i64, Wave>> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let actor = &caller(context)?.actor;
    let database = &services(context)?.database;
    let rows = entity::waves(database.read(), actor, Which::Ids(ids)).await?;
    let waves = told(context, rows, None).await?;
    Ok(waves
        .into_iter()
        .map(|wave| (wave.row.id.0, wave))
        .collect())
}

async fn payload(context: &Context<'_>, written: ApiResult<Outcome>) -> ApiResult<WavePayload> {
    let actor = &caller(context)?.actor;
    let outcome = match written {
        Err(ApiError::Refused(problems)) => {
            return Ok(WavePayload {
                wave: None,
                change_id: None,
                user_errors: user_errors(&problems, actor, &["input"]),
            });
        }
        written => written?,
    };
    services(context)?.written.notify_one();
    let ids: Vec<i64> = outcome.wave.iter().map(|wave| wave.0).collect();
    let wave = waves_by_id(context, &ids).await?.into_values().next();
    let told = outcome
        .problem
        .map(|(field, problem)| user_error(&field, &problem, actor));
    Ok(WavePayload {
        wave,
        change_id: change_id(outcome.change),
        user_errors: told.into_iter().collect(),
    })
}

fn user_error(field: &str, problem: &WaveProblem, actor: &Actor) -> UserError {
    UserError {
        code: code_of(problem),
        path: vec!["input".to_owned(), field.to_owned()],
        message: problem.message(actor.language),
    }
}

fn code_of(problem: &WaveProblem) -> UserErrorCode {
    use UserErrorCode as Code;
    use WaveProblem as P;
    match problem {
        P::NotFound => Code::NotFound,
        P::Forbidden => Code::Forbidden,
        P::UnknownOrganisation => Code::UnknownOrganisation,
        P::StaleVersion { .. } | P::PlannedMeanwhile => Code::StaleVersion,
        P::BadName { .. } => Code::InvalidText,
        P::NameTaken => Code::Taken,
        P::TooMany { .. } | P::TooManyStores { .. } => Code::OutOfRange,
    }
}
