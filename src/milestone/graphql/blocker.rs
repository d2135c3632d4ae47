//! Mutations of what holds facilities up.

use async_graphql::{Context, ID, InputObject, Object};

use super::mutation::{one, write};
use crate::{
    api::{ApiResult, Date, WriteOptions},
    facility::graphql::{
        FacilityBulkPayload, FacilityPayload, FacilityReference, bulk_payload, check_row_count,
        named_event,
    },
    milestone::{
        Blocker, Problem,
        service::{ErrorPolicy, Step},
    },
};

/// Something that holds a facility up.
#[derive(Debug, InputObject)]
pub struct BlockerOpenInput {
    /// Which facility.
    facility: FacilityReference,
    /// What holds it up.
    blocker: Blocker,
    /// The civil day (JST) since which it does; not in the future.
    on: Date,
    /// A remark kept with the record: who waits for whom, what was promised.
    note: Option<String>,
    /// The version you read: refused if somebody changed it since.
    expected_version: Option<i32>,
    #[graphql(flatten)]
    options: WriteOptions,
}

/// Something that no longer holds a facility up.
#[derive(Debug, InputObject)]
pub struct BlockerResolveInput {
    /// Which facility.
    facility: FacilityReference,
    /// What held it up.
    blocker: Blocker,
    /// The civil day (JST) from which it no longer does; not in the future.
    on: Date,
    /// A remark kept with the record.
    note: Option<String>,
    /// The version you read: refused if somebody changed it since.
    expected_version: Option<i32>,
    #[graphql(flatten)]
    options: WriteOptions,
}

/// A record that was a mistake.
#[derive(Debug, InputObject)]
pub struct BlockerCorrectInput {
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
pub enum BlockerAction {
    /// It holds the facility up from `on`.
    #[default]
    Open,
    /// It no longer does, from `on`.
    Resolve,
    /// The record `eventId` was a mistake: it happened `on` another day or, without it, never.
    Correct,
}

/// One row of a bulk write.
#[derive(Debug, InputObject)]
pub struct BlockerRowInput {
    /// Which facility.
    facility: FacilityReference,
    /// What holds it up, or did; for CORRECT it follows from `eventId`.
    blocker: Option<Blocker>,
    /// What to do.
    #[graphql(default)]
    action: BlockerAction,
    /// CORRECT: the entry of the facility's timeline that was a mistake.
    event_id: Option<ID>,
    /// The civil day (JST).
    on: Option<Date>,
    /// A remark kept with the record.
    note: Option<String>,
    /// The version you read: refused if somebody changed it since.
    expected_version: Option<i32>,
}

/// Up to 5,000 blockers in one request.
#[derive(Debug, InputObject)]
pub struct BlockerBulkRecordInput {
    /// The rows, answered in this order.
    rows: Vec<BlockerRowInput>,
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

/// Mutations of what holds facilities up.
#[derive(Default)]
pub struct BlockerMutation;

#[Object]
impl BlockerMutation {
    /// Tells that something holds a facility up.
    async fn blocker_open(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "What.")] input: BlockerOpenInput,
    ) -> ApiResult<FacilityPayload> {
        let step = Step::Block {
            blocker: input.blocker,
            on: input.on.0,
        };
        let row = (input.facility, Ok(step), input.expected_version, input.note);
        one(context, "blockerOpen", row, input.options).await
    }

    /// Tells that something no longer holds a facility up. For a record that was a mistake see `blockerCorrect`.
    async fn blocker_resolve(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "What.")] input: BlockerResolveInput,
    ) -> ApiResult<FacilityPayload> {
        let step = Step::Unblock {
            blocker: input.blocker,
            on: input.on.0,
        };
        let row = (input.facility, Ok(step), input.expected_version, input.note);
        one(context, "blockerResolve", row, input.options).await
    }

    /// Corrects a record that was a mistake: it is voided and perhaps replaced.
    async fn blocker_correct(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The correction.")] input: BlockerCorrectInput,
    ) -> ApiResult<FacilityPayload> {
        let step = Step::Correct {
            event: named_event(&input.event_id),
            on: input.on.map(|day| day.0),
        };
        let row = (input.facility, Ok(step), input.expected_version, input.note);
        one(context, "blockerCorrect", row, input.options).await
    }

    /// Tells of up to 5,000 blockers in one change, and answers row by row.
    async fn blocker_bulk_record(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The rows.")] input: BlockerBulkRecordInput,
    ) -> ApiResult<FacilityBulkPayload> {
        check_row_count(input.rows.len())?;
        let options = WriteOptions {
            idempotency_key: input.idempotency_key,
            dry_run: input.dry_run,
            reason: input.reason,
        };
        let named = |row: BlockerRowInput| {
            let step = step(&row);
            (row.facility, step, row.expected_version, row.note)
        };
        let rows = input.rows.into_iter().map(named).collect();
        let operation = "blockerBulkRecord";
        let written = write(context, operation, rows, input.error_policy, &options).await;
        bulk_payload(context, written).await
    }
}

fn step(row: &BlockerRowInput) -> Result<Step, Problem> {
    let on = row.on.map(|day| day.0);
    let day = on.ok_or(Problem::MissingDate);
    let blocker = row.blocker.ok_or(Problem::MissingBlocker);
    Ok(match row.action {
        BlockerAction::Open => Step::Block {
            blocker: blocker?,
            on: day?,
        },
        BlockerAction::Resolve => Step::Unblock {
            blocker: blocker?,
            on: day?,
        },
        BlockerAction::Correct => Step::Correct {
            event: row
                .event_id
                .as_ref()
                .map(named_event)
                .ok_or(Problem::MissingEvent)?,
            on,
        },
    })
}
