//! Mutations of work orders.

use async_graphql::{Context, ID, Object, SimpleObject};

use super::input::{
    ChecklistEntryInput, InstallationAction, InstallationBulkRecordInput, InstallationCancelInput,
    InstallationCheckInput, InstallationChecklistPublishInput, InstallationFinishInput,
    InstallationOpenInput, InstallationPlanInput, InstallationReferenceSetInput,
    InstallationReopenInput, InstallationResult, InstallationRowInput, InstallationStartInput,
    InstallationTick,
};
use super::types::{Installation, InstallationChecklist, Wanted, by_id, told};
use crate::{
    api::{
        ApiError, ApiResult, UserError, WriteOptions,
        context::{caller, services, writer},
    },
    facility::graphql::{
        FacilityReference, change_id, check_row_count, named_facilities, user_errors,
    },
    installation::{
        ChecklistItem, InstallationProblem,
        service::{self, Effort, Outcome, RowOutcome, Step, StepRow, Tick, write_steps},
    },
    milestone::{self, service::ErrorPolicy},
};

/// What became of a write to one work order.
#[derive(Debug, SimpleObject)]
pub struct InstallationPayload {
    /// The order as it stands now, so after the write; null if there is none, or none that you can see.
    installation: Option<Installation>,
    /// The version of the order that this write left, however often the request is repeated; with `dryRun`, the one
    /// that it would leave. Null if nothing is written.
    version: Option<i32>,
    /// Global id of the change that recorded it; null if nothing was written.
    change_id: Option<ID>,
    /// Why nothing was written; empty if it was.
    user_errors: Vec<UserError>,
}

/// What became of one row of a bulk write.
#[derive(Debug, SimpleObject)]
pub struct InstallationBulkRow {
    /// The row's position in the input, from 0.
    index: i32,
    /// The order as it stands now, so after the write; null if there is none, or none that you can see.
    installation: Option<Installation>,
    /// The version of the order that this write left, however often the request is repeated; with `dryRun`, the one
    /// that it would leave. Null if nothing is written for this row.
    version: Option<i32>,
    /// Every reason why this row was refused; empty if it was not.
    user_errors: Vec<UserError>,
}

/// What became of a bulk write.
#[derive(Debug, SimpleObject)]
pub struct InstallationBulkPayload {
    /// Row by row, in input order.
    rows: Vec<InstallationBulkRow>,
    /// Rows that were written (with `dryRun`: would be).
    written_count: i32,
    /// Rows that were refused.
    refused_count: i32,
    /// Global id of the change that recorded it all, which `changeUndo` takes; null if nothing was written.
    change_id: Option<ID>,
    /// What is wrong with the request itself; if anything is, no row was looked at.
    user_errors: Vec<UserError>,
}

/// What became of a checklist.
#[derive(Debug, SimpleObject)]
pub struct InstallationChecklistPayload {
    /// The list as it was published; null if it was not.
    checklist: Option<InstallationChecklist>,
    /// Why it was not; empty if it was.
    user_errors: Vec<UserError>,
}

/// Mutations of work orders.
#[derive(Default)]
pub struct InstallationMutation;

#[Object]
impl InstallationMutation {
    /// Opens a work order.
    async fn installation_open(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The order.")] input: InstallationOpenInput,
    ) -> ApiResult<InstallationPayload> {
        let step = Step::Open {
            planned_on: input.planned_on.map(|day| day.0),
            window: input.window,
            reference: input.reference,
        };
        let row = (input.facility, Ok(step), None, input.note);
        one(context, "installationOpen", row, input.options).await
    }

    /// Plans an open work order for a day, or drops the plan.
    async fn installation_plan(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The plan.")] input: InstallationPlanInput,
    ) -> ApiResult<InstallationPayload> {
        let step = Step::Plan {
            on: input.planned_on.map(|day| day.0),
            window: input.window,
        };
        let row = (input.facility, Ok(step), input.expected_version, input.note);
        one(context, "installationPlan", row, input.options).await
    }

    /// Tells that the work began.
    async fn installation_start(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "When.")] input: InstallationStartInput,
    ) -> ApiResult<InstallationPayload> {
        let step = Step::Start { on: input.on.0 };
        let row = (input.facility, Ok(step), input.expected_version, input.note);
        one(context, "installationStart", row, input.options).await
    }

    /// Ticks off items of the checklist, or takes that back.
    async fn installation_check(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Which.")] input: InstallationCheckInput,
    ) -> ApiResult<InstallationPayload> {
        let tick = |tick: InstallationTick| Tick {
            item: tick.item,
            done_on: tick.done_on.map(|day| day.0),
        };
        let step = Step::Check {
            ticks: input.items.into_iter().map(tick).collect(),
        };
        let row = (input.facility, Ok(step), input.expected_version, input.note);
        one(context, "installationCheck", row, input.options).await
    }

    /// Tells how the work ended. If it ended well, INSTALLED is recorded on that day in the same change.
    async fn installation_finish(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "How.")] input: InstallationFinishInput,
    ) -> ApiResult<InstallationPayload> {
        let effort = Effort {
            minutes: input.minutes,
            crew: input.crew,
        };
        let on = input.on.0;
        let step = match input.result {
            InstallationResult::Done => Step::Finish {
                on,
                effort,
                with_checks: input.with_checks,
            },
            InstallationResult::Failed => Step::Fail { on, effort },
        };
        let row = (input.facility, Ok(step), input.expected_version, input.note);
        one(context, "installationFinish", row, input.options).await
    }

    /// Ends an open work order that won't be done.
    async fn installation_cancel(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Which.")] input: InstallationCancelInput,
    ) -> ApiResult<InstallationPayload> {
        let step = Step::Cancel { on: input.on.0 };
        let row = (input.facility, Ok(step), input.expected_version, input.note);
        one(context, "installationCancel", row, input.options).await
    }

    /// Takes back that a work order ended.
    async fn installation_reopen(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Which.")] input: InstallationReopenInput,
    ) -> ApiResult<InstallationPayload> {
        let row = (
            input.facility,
            Ok(Step::Reopen),
            input.expected_version,
            input.note,
        );
        one(context, "installationReopen", row, input.options).await
    }

    /// Sets what your organisation calls a work order, or removes that.
    async fn installation_reference_set(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The reference.")] input: InstallationReferenceSetInput,
    ) -> ApiResult<InstallationPayload> {
        let step = Step::Name {
            reference: input.reference,
        };
        let row = (input.facility, Ok(step), None, None);
        one(context, "installationReferenceSet", row, input.options).await
    }

    /// Takes up to 5,000 steps of work orders in one change, and answers row by row.
    async fn installation_bulk_record(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The rows.")] input: InstallationBulkRecordInput,
    ) -> ApiResult<InstallationBulkPayload> {
        check_row_count(input.rows.len())?;
        let options = WriteOptions {
            idempotency_key: input.idempotency_key,
            dry_run: input.dry_run,
            reason: input.reason,
        };
        let named = |mut row: InstallationRowInput| {
            let step = step(&mut row);
            (row.facility, step, row.expected_version, row.note)
        };
        let rows = input.rows.into_iter().map(named).collect();
        let operation = "installationBulkRecord";
        let written = write(context, operation, rows, input.error_policy, &options).await;
        bulk_payload(context, written).await
    }

    /// Publishes a new version of the checklist of a kind of facility. Orders that are opened from now on follow it.
    async fn installation_checklist_publish(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The list.")] input: InstallationChecklistPublishInput,
    ) -> ApiResult<InstallationChecklistPayload> {
        let operation = "installationChecklistPublish";
        let actor = &caller(context)?.actor;
        let content = (input.kind, &input.items, input.expected_version);
        let writer = match writer(context, operation, &input.options, &content) {
            Err(ApiError::Refused(problems)) => {
                return Ok(InstallationChecklistPayload {
                    checklist: None,
                    user_errors: user_errors(&problems, actor, &["input"]),
                });
            }
            writer => writer?,
        };
        let item = |item: ChecklistEntryInput| ChecklistItem {
            code: item.code,
            label_ja: item.label_ja.trim().to_owned(),
            label_en: item.label_en.trim().to_owned(),
            required: item.required,
        };
        let items = input.items.into_iter().map(item).collect();
        let outcome = service::publish(&writer, input.kind, items, input.expected_version).await?;
        let at = |(path, problem): &(Vec<String>, InstallationProblem)| {
            let mut error = told(problem, actor, &["input"]);
            error.path = std::iter::once("input".to_owned())
                .chain(path.iter().cloned())
                .collect();
            error
        };
        let language = actor.language;
        Ok(InstallationChecklistPayload {
            user_errors: outcome.problems.iter().map(at).collect(),
            checklist: outcome
                .checklist
                .map(|list| InstallationChecklist::told(list, language)),
        })
    }
}

type NamedStep = (
    FacilityReference,
    Result<Step, InstallationProblem>,
    Option<i32>,
    Option<String>,
);

fn step(row: &mut InstallationRowInput) -> Result<Step, InstallationProblem> {
    let on = row.on.map(|day| day.0);
    let day = on.ok_or(InstallationProblem::MissingDate);
    let effort = Effort {
        minutes: row.minutes,
        crew: row.crew,
    };
    let window = row.window;
    Ok(match row.action {
        InstallationAction::Open => Step::Open {
            planned_on: on,
            window,
            reference: row.reference.take(),
        },
        InstallationAction::Plan => Step::Plan { on, window },
        InstallationAction::Start => Step::Start { on: day? },
        InstallationAction::Check => {
            let items = std::mem::take(&mut row.items).into_iter();
            let ticks = items.map(|item| Tick { item, done_on: on }).collect();
            Step::Check { ticks }
        }
        InstallationAction::Finish => Step::Finish {
            on: day?,
            effort,
            with_checks: row.with_checks,
        },
        InstallationAction::Fail => Step::Fail { on: day?, effort },
        InstallationAction::Cancel => Step::Cancel { on: day? },
        InstallationAction::Reopen => Step::Reopen,
        InstallationAction::SetReference => Step::Name {
            reference: row.reference.take(),
        },
    })
}

async fn write(
    context: &Context<'_>,
    operation: &'static str,
    rows: Vec<NamedStep>,
    policy: ErrorPolicy,
    options: &WriteOptions,
) -> ApiResult<Outcome> {
    let writer = writer(context, operation, options, &(&rows, policy))?;
    let services = services(context)?;
    let (references, steps): (Vec<_>, Vec<_>) = rows
        .into_iter()
        .map(|(reference, step, version, note)| (reference, (step, version, note)))
        .unzip();
    let actor = &caller(context)?.actor;
    let found = named_facilities(&services.database, actor, &references).await?;
    let rows: Vec<StepRow> = found
        .into_iter()
        .zip(steps)
        .map(|(facility, (step, expected_version, note))| StepRow {
            facility,
            step,
            expected_version,
            note,
        })
        .collect();
    let outcome = write_steps(&writer, operation, &rows, policy).await?;
    services.written.notify_one();
    Ok(outcome)
}

async fn one(
    context: &Context<'_>,
    operation: &'static str,
    row: NamedStep,
    options: WriteOptions,
) -> ApiResult<InstallationPayload> {
    let policy = ErrorPolicy::RejectAll;
    let written = write(context, operation, vec![row], policy, &options).await;
    let actor = &caller(context)?.actor;
    let outcome = match written {
        Err(ApiError::Refused(problems)) => Outcome {
            change: None,
            rows: vec![RowOutcome {
                problems: as_ours(problems),
                ..RowOutcome::default()
            }],
        },
        written => written?,
    };
    let row = outcome.rows.into_iter().next().unwrap_or_default();
    let wanted = Wanted::of(&context.look_ahead().field("installation"));
    let ids: Vec<i64> = row.order.iter().map(|order| order.0).collect();
    Ok(InstallationPayload {
        installation: by_id(context, &ids, wanted).await?.into_values().next(),
        version: row.version,
        change_id: change_id(outcome.change),
        user_errors: errors(&row.problems, actor, &["input"]),
    })
}

fn as_ours(problems: Vec<milestone::Problem>) -> Vec<InstallationProblem> {
    problems.into_iter().map(Into::into).collect()
}

fn errors(
    problems: &[InstallationProblem],
    actor: &crate::auth::Actor,
    path: &[&str],
) -> Vec<UserError> {
    problems
        .iter()
        .map(|problem| told(problem, actor, path))
        .collect()
}

async fn bulk_payload(
    context: &Context<'_>,
    written: ApiResult<Outcome>,
) -> ApiResult<InstallationBulkPayload> {
    let actor = &caller(context)?.actor;
    let outcome = match written {
        Err(ApiError::Refused(problems)) => {
            return Ok(InstallationBulkPayload {
                rows: Vec::new(),
                written_count: 0,
                refused_count: 0,
                change_id: None,
                user_errors: user_errors(&problems, actor, &["input"]),
            });
        }
        written => written?,
    };
    let rows = context.look_ahead().field("rows");
    let mut ids: Vec<i64> = Vec::new();
    if rows.field("installation").exists() {
        let orders = outcome.rows.iter().filter_map(|row| row.order);
        ids.extend(orders.map(|order| order.0));
        ids.sort_unstable();
        ids.dedup();
    }
    let wanted = Wanted::of(&rows.field("installation"));
    let orders = by_id(context, &ids, wanted).await?;
    let count = |counted: &dyn Fn(&RowOutcome) -> bool| {
        let rows = outcome.rows.iter().filter(|row| counted(row)).count();
        i32::try_from(rows).unwrap_or(i32::MAX)
    };
    let written_count = count(&|row| row.version.is_some());
    let refused_count = count(&|row| !row.problems.is_empty());
    let rows = outcome
        .rows
        .iter()
        .zip(0_i32..)
        .map(|(row, index)| InstallationBulkRow {
            index,
            installation: row.order.and_then(|id| orders.get(&id.0).cloned()),
            version: row.version,
            user_errors: errors(&row.problems, actor, &["input", "rows", &index.to_string()]),
        })
        .collect();
    Ok(InstallationBulkPayload {
        rows,
        written_count,
        refused_count,
        change_id: change_id(outcome.change),
        user_errors: Vec::new(),
    })
}
