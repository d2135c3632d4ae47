//! Mutations of the pipeline.

use async_graphql::{Context, ID, InputObject, Object};

use crate::{
    api::{
        ApiResult, Date, WriteOptions,
        context::{caller, services, writer},
    },
    facility::graphql::{
        FacilityBulkPayload, FacilityPayload, FacilityReference, bulk_payload, check_row_count,
        facility_payload, named_event, named_facilities,
    },
    milestone::{
        Milestone, Problem,
        service::{BulkOutcome, ErrorPolicy, Step, StepRow, write_steps},
    },
};

/// A milestone that was reached.
#[derive(Debug, InputObject)]
pub struct MilestoneRecordInput {
    /// Which facility.
    facility: FacilityReference,
    /// Which milestone.
    milestone: Milestone,
    /// The civil day (JST) on which it was reached; not in the future.
    on: Date,
    /// Record READER_APPLIED and READY on the same day where the milestone needs them and they are missing; you must be
    /// one who may record them.
    #[graphql(default)]
    imply_earlier: bool,
    /// A remark kept with the record.
    note: Option<String>,
    /// The version you read: refused if somebody changed it since.
    expected_version: Option<i32>,
    #[graphql(flatten)]
    options: WriteOptions,
}

/// A milestone that is planned.
#[derive(Debug, InputObject)]
pub struct MilestonePlanInput {
    /// Which facility.
    facility: FacilityReference,
    /// Which milestone.
    milestone: Milestone,
    /// For which day; null drops the plan. Every earlier promise stays in the timeline.
    on: Option<Date>,
    /// A remark kept with the record.
    note: Option<String>,
    /// The version you read: refused if somebody changed it since.
    expected_version: Option<i32>,
    #[graphql(flatten)]
    options: WriteOptions,
}

/// A milestone that is taken back, as when an application is cancelled.
#[derive(Debug, InputObject)]
pub struct MilestoneWithdrawInput {
    /// Which facility.
    facility: FacilityReference,
    /// Which milestone.
    milestone: Milestone,
    /// The civil day (JST) from which it is no longer in effect.
    on: Date,
    /// Take back READY and LIVE as well where they need it; otherwise they refuse it.
    #[graphql(default)]
    with_later: bool,
    /// A remark kept with the record.
    note: Option<String>,
    /// The version you read: refused if somebody changed it since.
    expected_version: Option<i32>,
    #[graphql(flatten)]
    options: WriteOptions,
}

/// A record that was a mistake.
#[derive(Debug, InputObject)]
pub struct MilestoneCorrectInput {
    /// Which facility.
    facility: FacilityReference,
    /// The entry of its timeline that was a mistake.
    event_id: ID,
    /// The right day; null if it never happened.
    on: Option<Date>,
    /// A remark kept with the record.
    note: Option<String>,
    /// The version you read: refused if somebody changed it since.
    expected_version: Option<i32>,
    #[graphql(flatten)]
    options: WriteOptions,
}

/// What a row of a bulk write does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, async_graphql::Enum)]
pub enum MilestoneAction {
    /// It was reached `on` a day.
    #[default]
    Record,
    /// It is planned for `on`; without it, the plan is dropped.
    Plan,
    /// It is taken back from `on`.
    Withdraw,
    /// The record `eventId` was a mistake: it happened `on` another day or, without it, never.
    Correct,
}

/// One row of a bulk write.
#[derive(Debug, InputObject)]
pub struct MilestoneRowInput {
    /// Which facility.
    facility: FacilityReference,
    /// Which milestone; for CORRECT it follows from `eventId`.
    milestone: Option<Milestone>,
    /// What to do.
    #[graphql(default)]
    action: MilestoneAction,
    /// CORRECT: the entry of the facility's timeline that was a mistake.
    event_id: Option<ID>,
    /// The civil day (JST).
    on: Option<Date>,
    /// RECORD: READER_APPLIED and READY as well where missing. WITHDRAW: READY and LIVE as well.
    #[graphql(default)]
    with_others: bool,
    /// A remark kept with the record.
    note: Option<String>,
    /// The version you read: refused if somebody changed it since.
    expected_version: Option<i32>,
}

/// Up to 5,000 milestones in one request.
#[derive(Debug, InputObject)]
pub struct MilestoneBulkRecordInput {
    /// The rows, answered in this order.
    rows: Vec<MilestoneRowInput>,
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

/// Mutations of the pipeline.
#[derive(Default)]
pub struct MilestoneMutation;

#[Object]
impl MilestoneMutation {
    /// Records that a facility reached a milestone.
    async fn milestone_record(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The milestone.")] input: MilestoneRecordInput,
    ) -> ApiResult<FacilityPayload> {
        let step = Step::Record {
            milestone: input.milestone,
            on: input.on.0,
            imply_earlier: input.imply_earlier,
        };
        let row = (input.facility, Ok(step), input.expected_version, input.note);
        one(context, "milestoneRecord", row, input.options).await
    }

    /// Plans a milestone for a day, or drops the plan.
    async fn milestone_plan(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The plan.")] input: MilestonePlanInput,
    ) -> ApiResult<FacilityPayload> {
        let step = Step::Plan {
            milestone: input.milestone,
            on: input.on.map(|day| day.0),
        };
        let row = (input.facility, Ok(step), input.expected_version, input.note);
        one(context, "milestonePlan", row, input.options).await
    }

    /// Takes a milestone back from a day on, as when an application is cancelled. It stays in the figures
    /// of earlier days; for a record that was a mistake see `milestoneCorrect`.
    async fn milestone_withdraw(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "What to take back.")] input: MilestoneWithdrawInput,
    ) -> ApiResult<FacilityPayload> {
        let step = Step::Withdraw {
            milestone: input.milestone,
            on: input.on.0,
            with_later: input.with_later,
        };
        let row = (input.facility, Ok(step), input.expected_version, input.note);
        one(context, "milestoneWithdraw", row, input.options).await
    }

    /// Corrects a record that was a mistake: it is voided and perhaps replaced. Figures as known before
    /// stay as they were.
    async fn milestone_correct(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The correction.")] input: MilestoneCorrectInput,
    ) -> ApiResult<FacilityPayload> {
        let step = Step::Correct {
            event: named_event(&input.event_id),
            on: input.on.map(|day| day.0),
        };
        let row = (input.facility, Ok(step), input.expected_version, input.note);
        one(context, "milestoneCorrect", row, input.options).await
    }

    /// Records, plans, withdraws and corrects up to 5,000 milestones in one change, and answers row by row.
    async fn milestone_bulk_record(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The rows.")] input: MilestoneBulkRecordInput,
    ) -> ApiResult<FacilityBulkPayload> {
        check_row_count(input.rows.len())?;
        let options = WriteOptions {
            idempotency_key: input.idempotency_key,
            dry_run: input.dry_run,
            reason: input.reason,
        };
        let rows = input.rows.into_iter().map(named_step).collect();
        let written = write(
            context,
            "milestoneBulkRecord",
            rows,
            input.error_policy,
            &options,
        )
        .await;
        bulk_payload(context, written).await
    }
}

pub(super) type NamedStep = (
    FacilityReference,
    Result<Step, Problem>,
    Option<i32>,
    Option<String>,
);

fn named_step(row: MilestoneRowInput) -> NamedStep {
    let step = step(&row);
    (row.facility, step, row.expected_version, row.note)
}

fn step(row: &MilestoneRowInput) -> Result<Step, Problem> {
    let on = row.on.map(|day| day.0);
    let day = on.ok_or(Problem::MissingDate);
    let milestone = row.milestone.ok_or(Problem::MissingMilestone);
    Ok(match row.action {
        MilestoneAction::Record => Step::Record {
            milestone: milestone?,
            on: day?,
            imply_earlier: row.with_others,
        },
        MilestoneAction::Plan => Step::Plan {
            milestone: milestone?,
            on,
        },
        MilestoneAction::Withdraw => Step::Withdraw {
            milestone: milestone?,
            on: day?,
            with_later: row.with_others,
        },
        MilestoneAction::Correct => Step::Correct {
            event: row
                .event_id
                .as_ref()
                .map(named_event)
                .ok_or(Problem::MissingEvent)?,
            on,
        },
    })
}

pub(super) async fn one(
    context: &Context<'_>,
    operation: &'static str,
    row: NamedStep,
    options: WriteOptions,
) -> ApiResult<FacilityPayload> {
    let written = write(
        context,
        operation,
        vec![row],
        ErrorPolicy::RejectAll,
        &options,
    )
    .await;
    facility_payload(context, written).await
}

pub(super) async fn write(
    context: &Context<'_>,
    operation: &'static str,
    rows: Vec<NamedStep>,
    policy: ErrorPolicy,
    options: &WriteOptions,
) -> ApiResult<BulkOutcome> {
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
