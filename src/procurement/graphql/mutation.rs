//! Mutations of applications.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use super::types::{Application, Wanted, by_id, told};
use crate::{
    api::{
        ApiError, ApiResult, Date, NodeId, UserError, WriteOptions,
        context::{caller, services, writer},
        node_id::NodeKind,
    },
    auth::Actor,
    facility::graphql::{
        FacilityReference, change_id, check_row_count, named_facilities, user_errors,
    },
    milestone::service::ErrorPolicy,
    procurement::{
        ApplicationKind, ApplicationProblem, ApplicationStep, ReaderLine, StepTaken,
        service::{ApplicationRow, Outcome, RowOutcome, record},
    },
    supply::ModelId,
};

/// So many readers of a model.
#[derive(Clone, Debug, InputObject)]
pub struct ApplicationLineInput {
    /// Global id of the model.
    model_id: ID,
    /// How many of them free of charge: a hospital has up to 3, any other facility 1.
    #[graphql(default)]
    free_quantity: i32,
    /// How many of them are bought. At most 100 of a model, free and bought together.
    #[graphql(default)]
    bought_quantity: i32,
}

/// Something that happened to an application of a facility.
#[derive(Clone, Debug, InputObject)]
pub struct ApplicationRowInput {
    /// Which facility.
    facility: FacilityReference,
    /// What is applied for.
    kind: ApplicationKind,
    /// What happened. RECEIVE files an application; any other step is of the one that was filed last.
    step: ApplicationStep,
    /// On which day.
    on: Date,
    /// Which card readers, where they are applied for; at most 20 models.
    #[graphql(default)]
    lines: Vec<ApplicationLineInput>,
    /// Until which day a certificate is valid that is issued.
    expires_on: Option<Date>,
    /// The version of the application that you read.
    expected_version: Option<i32>,
    /// A remark kept with what is recorded.
    note: Option<String>,
}

/// Something that happened to an application.
#[derive(Debug, InputObject)]
pub struct ApplicationRecordInput {
    #[graphql(flatten)]
    row: ApplicationRowInput,
    #[graphql(flatten)]
    options: WriteOptions,
}

/// What happened to applications.
#[derive(Debug, InputObject)]
pub struct ApplicationBulkRecordInput {
    /// 1 to 5,000 rows.
    rows: Vec<ApplicationRowInput>,
    /// What becomes of the others if a row fails.
    #[graphql(default_with = "ErrorPolicy::RejectAll")]
    error_policy: ErrorPolicy,
    #[graphql(flatten)]
    options: WriteOptions,
}

/// What became of a write to one application.
#[derive(Debug, SimpleObject)]
pub struct ApplicationPayload {
    /// The application as it stands now; null if there is none, or none that you can see.
    application: Option<Application>,
    /// The version that this write left, however often the request is repeated; with `dryRun`, the one that it would
    /// leave. Null if nothing is written.
    version: Option<i32>,
    /// The change that recorded it, by which it can be undone; null if nothing is written.
    change_id: Option<ID>,
    /// Why it was refused; empty if it wasn't.
    user_errors: Vec<UserError>,
}

/// What became of one row.
#[derive(Debug, SimpleObject)]
pub struct ApplicationBulkRow {
    /// The row's position in the request, from 0.
    index: i32,
    /// The application as it stands now; null if there is none, or none that you can see.
    application: Option<Application>,
    /// The version that this write left; with `dryRun`, the one that it would leave. Null if nothing is written for this
    /// row.
    version: Option<i32>,
    /// Why it was refused; empty if it wasn't.
    user_errors: Vec<UserError>,
}

/// What became of a bulk request.
#[derive(Debug, SimpleObject)]
pub struct ApplicationBulkPayload {
    /// Row by row, in the order of the request.
    rows: Vec<ApplicationBulkRow>,
    /// How many rows are written.
    written_count: i32,
    /// How many rows are refused.
    refused_count: i32,
    /// The change that recorded it, by which it can be undone; null if nothing is written.
    change_id: Option<ID>,
    /// What is wrong with the request as a whole.
    user_errors: Vec<UserError>,
}

/// Mutations of applications.
#[derive(Default)]
pub struct ProcurementMutation;

#[Object]
impl ProcurementMutation {
    /// Records what happened to an application: filed, accepted, issued, sent, delivered, issued anew or cancelled. An
    /// application for readers is READER_APPLIED, its delivery READER_DELIVERED, one for use USE_APPLIED, and a certificate
    /// that is issued CERTIFICATE_ISSUED, in the same transaction; cancelling takes that back on its day.
    async fn application_record(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "What happened.")] input: ApplicationRecordInput,
    ) -> ApiResult<ApplicationPayload> {
        let policy = ErrorPolicy::RejectAll;
        let rows = vec![input.row];
        let written = write(context, "applicationRecord", rows, policy, &input.options).await;
        let actor = &caller(context)?.actor;
        let outcome = match written {
            Err(ApiError::Refused(problems)) => Outcome {
                change: None,
                rows: vec![RowOutcome {
                    problems: problems.into_iter().map(Into::into).collect(),
                    ..RowOutcome::default()
                }],
            },
            written => written?,
        };
        let row = outcome.rows.into_iter().next().unwrap_or_default();
        let wanted = Wanted::of(&context.look_ahead().field("application"));
        let ids: Vec<i64> = row.application.iter().map(|id| id.0).collect();
        Ok(ApplicationPayload {
            application: by_id(context, &ids, wanted).await?.into_values().next(),
            version: row.version,
            change_id: change_id(outcome.change),
            user_errors: errors(&row.problems, actor, &["input"]),
        })
    }

    /// Records what happened to up to 5,000 applications in one change, and answers row by row.
    async fn application_bulk_record(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The rows.")] input: ApplicationBulkRecordInput,
    ) -> ApiResult<ApplicationBulkPayload> {
        check_row_count(input.rows.len())?;
        let operation = "applicationBulkRecord";
        let (policy, options) = (input.error_policy, &input.options);
        let written = write(context, operation, input.rows, policy, options).await;
        bulk_payload(context, written).await
    }
}

fn row(
    facility: Result<crate::db::FacilityId, crate::milestone::Problem>,
    input: ApplicationRowInput,
) -> ApplicationRow {
    let line = |line: ApplicationLineInput| ReaderLine {
        // An id of another type names no model: the service says so.
        model: ModelId(NodeId::row_of(&line.model_id, NodeKind::HardwareModel).unwrap_or(0)),
        free: line.free_quantity,
        bought: line.bought_quantity,
    };
    ApplicationRow {
        facility,
        kind: input.kind,
        taken: StepTaken {
            step: input.step,
            on: input.on.0,
            expires_on: input.expires_on.map(|day| day.0),
            reached: false,
        },
        lines: input.lines.into_iter().map(line).collect(),
        expected_version: input.expected_version,
        note: input.note,
    }
}

async fn write(
    context: &Context<'_>,
    operation: &'static str,
    inputs: Vec<ApplicationRowInput>,
    policy: ErrorPolicy,
    options: &WriteOptions,
) -> ApiResult<Outcome> {
    let references: Vec<FacilityReference> =
        inputs.iter().map(|input| input.facility.clone()).collect();
    let unnamed = || Err(crate::milestone::Problem::NotFound);
    // What the request says, whichever facilities its names find.
    let said: Vec<ApplicationRow> = inputs
        .iter()
        .map(|input| row(unnamed(), input.clone()))
        .collect();
    let writer = writer(context, operation, options, &(&references, said, policy))?;
    let services = services(context)?;
    let actor = &caller(context)?.actor;
    let found = named_facilities(&services.database, actor, &references).await?;
    let rows: Vec<ApplicationRow> = found
        .into_iter()
        .zip(inputs)
        .map(|(facility, input)| row(facility, input))
        .collect();
    let outcome = record(&writer, operation, &rows, policy).await?;
    services.written.notify_one();
    Ok(outcome)
}

fn errors(problems: &[ApplicationProblem], actor: &Actor, path: &[&str]) -> Vec<UserError> {
    problems
        .iter()
        .map(|problem| told(problem, actor, path))
        .collect()
}

async fn bulk_payload(
    context: &Context<'_>,
    written: ApiResult<Outcome>,
) -> ApiResult<ApplicationBulkPayload> {
    let actor = &caller(context)?.actor;
    let outcome = match written {
        Err(ApiError::Refused(problems)) => {
            return Ok(ApplicationBulkPayload {
                rows: Vec::new(),
                written_count: 0,
                refused_count: 0,
                change_id: None,
                user_errors: user_errors(&problems, actor, &["input"]),
            });
        }
        written => written?,
    };
    let selected = context.look_ahead().field("rows").field("application");
    let mut ids: Vec<i64> = Vec::new();
    if selected.exists() {
        let named = outcome.rows.iter().filter_map(|row| row.application);
        ids.extend(named.map(|id| id.0));
        ids.sort_unstable();
        ids.dedup();
    }
    let applications = by_id(context, &ids, Wanted::of(&selected)).await?;
    let count = |counted: &dyn Fn(&RowOutcome) -> bool| {
        let rows = outcome.rows.iter().filter(|row| counted(row)).count();
        i32::try_from(rows).unwrap_or(i32::MAX)
    };
    let rows = outcome
        .rows
        .iter()
        .zip(0_i32..)
        .map(|(row, index)| ApplicationBulkRow {
            index,
            application: row
                .application
                .and_then(|id| applications.get(&id.0).cloned()),
            version: row.version,
            user_errors: errors(&row.problems, actor, &["input", "rows", &index.to_string()]),
        })
        .collect();
    Ok(ApplicationBulkPayload {
        rows,
        written_count: count(&|row| row.version.is_some()),
        refused_count: count(&|row| !row.problems.is_empty()),
        change_id: change_id(outcome.change),
        user_errors: Vec::new(),
    })
}
