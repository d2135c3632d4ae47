//! Handing on in the API.

use std::collections::HashMap;

use async_graphql::{
    ComplexObject, Context, Enum, ID, InputObject, Lookahead, Object, SimpleObject,
    connection::{Connection, Edge},
};

use super::{
    HandoverId, HandoverProblem, HandoverStatus,
    entity::{self, HandoverRow, ListQuery, Reader},
    service::{self, Answer, Outcome, Proposal},
};
use crate::{
    api::{
        ApiError, ApiResult, Date, NodeId, PageArguments, UserError, UserErrorCode, WriteOptions,
        context::{caller, services, writer},
        node_id::NodeKind,
        page::{Fingerprint, row_of_cursor},
    },
    auth::{Actor, OrganisationKind, Permission},
    db::{FacilityId, OrganisationId},
    facility::{
        FacilityKind,
        graphql::{
            Facility, FacilityReference, OrganisationSummary, PrefectureName, Selected, change_id,
            check_row_count, facilities_by_id, named_facilities, organisation_of, summary,
            user_error, user_errors,
        },
    },
    milestone::service::ErrorPolicy,
};

/// The proposal of an installation to a support contractor (導入支援業者への依頼).
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex)]
pub struct Handover {
    #[graphql(skip)]
    id: ID,
    /// What became of it.
    status: HandoverStatus,
    /// The vendor whose work it is.
    vendor: Option<OrganisationSummary>,
    /// To whom it is proposed.
    support_contractor: Option<OrganisationSummary>,
    /// The facility's name.
    facility_name: String,
    /// Its address.
    facility_address: String,
    /// What it is.
    facility_kind: FacilityKind,
    /// Where it is.
    prefecture: PrefectureName,
    /// The day for which its installation is planned; null if there is none.
    planned_on: Option<Date>,
    /// Since when it is proposed.
    proposed_on: Date,
    /// The last day on which it can be answered.
    answer_by: Date,
    /// On which day it was answered or taken back.
    answered_on: Option<Date>,
    /// What the vendor says of it.
    message: String,
    /// Why it was declined.
    decline_reason: Option<String>,
    /// The facility, if you can see it: a support contractor can from its acceptance on.
    facility: Option<Facility>,
}

#[ComplexObject]
impl Handover {
    /// Global id.
    pub async fn id(&self) -> ID {
        self.id.clone()
    }
}

/// A page of proposals.
pub type HandoverConnection = Connection<String, Handover>;

/// Facilities to be proposed to a support contractor.
#[derive(Debug, InputObject)]
pub struct HandoverProposeInput {
    /// Which facilities: 1 to 5,000, answered in this order.
    facilities: Vec<FacilityReference>,
    /// Global id of the support contractor's organisation.
    contractor_id: ID,
    /// The last day for an answer, at most 90 days ahead; 14 days if nothing is said.
    answer_by: Option<Date>,
    /// What to know of it, at most 1,000 characters.
    #[graphql(default)]
    message: String,
    /// What becomes of the request if some rows fail.
    #[graphql(default_with = "ErrorPolicy::RejectAll")]
    error_policy: ErrorPolicy,
    #[graphql(flatten)]
    options: WriteOptions,
}

/// How a support contractor answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum, serde::Serialize)]
pub enum HandoverAnswerKind {
    /// It takes the work on: the facility is handed on to it from today.
    Accept,
    /// It does not, and says why.
    Decline,
}

/// Proposals to be answered.
#[derive(Debug, InputObject)]
pub struct HandoverAnswerInput {
    /// Global ids of the proposals: 1 to 5,000, answered in this order.
    handover_ids: Vec<ID>,
    /// How.
    answer: HandoverAnswerKind,
    /// Why they are declined: the vendor reads it.
    #[graphql(default)]
    decline_reason: String,
    /// What becomes of the request if some rows fail.
    #[graphql(default_with = "ErrorPolicy::RejectAll")]
    error_policy: ErrorPolicy,
    #[graphql(flatten)]
    options: WriteOptions,
}

/// Proposals to be taken back.
#[derive(Debug, InputObject)]
pub struct HandoverWithdrawInput {
    /// Global ids of the proposals: 1 to 5,000, answered in this order.
    handover_ids: Vec<ID>,
    /// What becomes of the request if some rows fail.
    #[graphql(default_with = "ErrorPolicy::RejectAll")]
    error_policy: ErrorPolicy,
    #[graphql(flatten)]
    options: WriteOptions,
}

/// What became of one row.
#[derive(Debug, SimpleObject)]
pub struct HandoverBulkRow {
    /// The row's position in the input, from 0.
    index: i32,
    /// The proposal as it stands now; null if there is none, or none that you can see any more.
    handover: Option<Handover>,
    /// Every reason why this row was refused; empty if it was not.
    user_errors: Vec<UserError>,
}

/// What became of proposals.
#[derive(Debug, SimpleObject)]
pub struct HandoverBulkPayload {
    /// Row by row, in input order.
    rows: Vec<HandoverBulkRow>,
    /// Rows that were written (with `dryRun`: would be).
    written_count: i32,
    /// Rows that were refused.
    refused_count: i32,
    /// Global id of the change that recorded it all; null if nothing was written.
    change_id: Option<ID>,
    /// What is wrong with the request itself; if anything is, no row was looked at.
    user_errors: Vec<UserError>,
}

/// Queries over proposals.
#[derive(Default)]
pub struct HandoverQuery;

#[Object]
impl HandoverQuery {
    /// The proposals that you may know of, the latest first: a vendor those of its work, a support contractor those that
    /// wait for its answer and those that it accepted.
    async fn handovers(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Any of these; all if none is given.", default)] statuses: Vec<
            HandoverStatus,
        >,
        #[graphql(desc = "How many, from `after`; 1 to 100, required.")] first: Option<i32>,
        #[graphql(desc = "The cursor after which to begin.")] after: Option<String>,
    ) -> ApiResult<HandoverConnection> {
        let fingerprint = Fingerprint::of(&("handovers", &statuses));
        let page = PageArguments {
            after,
            first,
            ..PageArguments::default()
        }
        .check(&fingerprint)?;
        let before = page.from.as_deref().map(row_of_cursor).transpose()?;
        let list = ListQuery {
            statuses,
            ids: None,
        };
        let most = u64::try_from(page.size).unwrap_or(0) + 1;
        let mut rows = read(context, &list, before, most).await?;
        let more = rows.len() > page.size;
        rows.truncate(page.size);
        let cursors: Vec<String> = rows
            .iter()
            .map(|row| fingerprint.cursor(&[row.handover.id.0.to_string()]))
            .collect();
        let ahead = context.look_ahead();
        let wanted =
            Wanted::of(&ahead.field("nodes")).or(Wanted::of(&ahead.field("edges").field("node")));
        let told = complete(context, rows, wanted).await?;
        let mut connection = Connection::new(before.is_some(), more);
        connection.edges = cursors
            .into_iter()
            .zip(told)
            .map(|(cursor, handover)| Edge::new(cursor, handover))
            .collect();
        Ok(connection)
    }
}

/// Mutations of proposals.
#[derive(Default)]
pub struct HandoverMutation;

#[Object]
impl HandoverMutation {
    /// Proposes the installation of facilities to a support contractor.
    async fn handover_propose(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "What.")] input: HandoverProposeInput,
    ) -> ApiResult<HandoverBulkPayload> {
        check_row_count(input.facilities.len())?;
        let operation = "handoverPropose";
        let policy = input.error_policy;
        let content = (
            &input.facilities,
            &input.contractor_id,
            input.answer_by.map(|day| day.0),
            &input.message,
            policy,
        );
        let written = async {
            let writer = writer(context, operation, &input.options, &content)?;
            let actor = &caller(context)?.actor;
            let database = &services(context)?.database;
            let proposal = Proposal {
                facilities: named_facilities(database, actor, &input.facilities).await?,
                contractor: organisation_of(&input.contractor_id),
                answer_by: input.answer_by.map(|day| day.0),
                message: input.message.clone(),
            };
            ApiResult::Ok(service::propose(&writer, &proposal, policy).await?)
        };
        payload(context, written.await, "facilities").await
    }

    /// Accepts or declines proposals, in the name of the support contractor.
    async fn handover_answer(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "How.")] input: HandoverAnswerInput,
    ) -> ApiResult<HandoverBulkPayload> {
        let answer = match input.answer {
            HandoverAnswerKind::Accept => Answer::Accept,
            HandoverAnswerKind::Decline => Answer::Decline {
                reason: input.decline_reason,
            },
        };
        let policy = input.error_policy;
        let ids = &input.handover_ids;
        end(
            context,
            "handoverAnswer",
            ids,
            answer,
            policy,
            &input.options,
        )
        .await
    }

    /// Takes proposals back that nobody has answered yet.
    async fn handover_withdraw(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Which.")] input: HandoverWithdrawInput,
    ) -> ApiResult<HandoverBulkPayload> {
        let policy = input.error_policy;
        let ids = &input.handover_ids;
        let answer = Answer::Withdraw;
        end(
            context,
            "handoverWithdraw",
            ids,
            answer,
            policy,
            &input.options,
        )
        .await
    }
}

async fn end(
    context: &Context<'_>,
    operation: &'static str,
    ids: &[ID],
    answer: Answer,
    policy: ErrorPolicy,
    options: &WriteOptions,
) -> ApiResult<HandoverBulkPayload> {
    check_row_count(ids.len())?;
    // An id of another type names no proposal.
    let row = |id| HandoverId(NodeId::row_of(id, NodeKind::Handover).unwrap_or(0));
    let ids: Vec<HandoverId> = ids.iter().map(row).collect();
    let written = async {
        let writer = writer(context, operation, options, &(&ids, &answer, policy))?;
        ApiResult::Ok(service::answer(&writer, operation, &ids, &answer, policy).await?)
    };
    payload(context, written.await, "handoverIds").await
}

/// What a query selects of a proposal.
#[derive(Clone, Copy, Debug, Default)]
struct Wanted(Option<Selected>);

impl Wanted {
    fn of(handover: &Lookahead<'_>) -> Self {
        let facility = handover.field("facility");
        Self(facility.exists().then(|| Selected::of(&facility)))
    }

    fn or(self, other: Self) -> Self {
        match (self.0, other.0) {
            (Some(mut mine), Some(theirs)) => {
                mine.merge(theirs);
                Self(Some(mine))
            }
            (mine, theirs) => Self(mine.or(theirs)),
        }
    }
}

async fn read(
    context: &Context<'_>,
    list: &ListQuery,
    before: Option<i64>,
    most: u64,
) -> ApiResult<Vec<HandoverRow>> {
    let services = services(context)?;
    let actor = &caller(context)?.actor;
    let contractors: Vec<OrganisationId> = actor
        .grants_with(Permission::FacilityRead)
        .filter(|grant| grant.kind == OrganisationKind::SupportContractor)
        .map(|grant| grant.organisation)
        .collect();
    let reader = Reader {
        scope: &actor.scope(Permission::FacilityRead),
        contractors: &contractors,
        today: services.clock.today(),
    };
    Ok(entity::list(&services.database, &reader, list, before, most).await?)
}

async fn complete(
    context: &Context<'_>,
    rows: Vec<HandoverRow>,
    Wanted(wanted): Wanted,
) -> ApiResult<Vec<Handover>> {
    let services = services(context)?;
    let actor = &caller(context)?.actor;
    let facilities = match wanted {
        Some(selected) => {
            let mut ids: Vec<FacilityId> = rows.iter().map(|row| row.handover.facility).collect();
            ids.sort_unstable();
            ids.dedup();
            facilities_by_id(services, actor, &ids, selected).await?
        }
        None => HashMap::new(),
    };
    let today = services.clock.today();
    let told = |row: HandoverRow| {
        let status = match row.handover.status_on(today) {
            HandoverStatus::Proposed if !row.engaged => HandoverStatus::Lapsed,
            status => status,
        };
        let handover = row.handover;
        Handover {
            id: NodeId::new(NodeKind::Handover, handover.id.0).encode(),
            status,
            vendor: row.vendor.as_ref().map(summary),
            support_contractor: row.contractor.as_ref().map(summary),
            facility_name: row.name,
            facility_address: row.address,
            facility_kind: row.kind,
            prefecture: row.prefecture.into(),
            planned_on: row.planned_on.map(Date),
            proposed_on: Date(handover.proposed_on),
            answer_by: Date(handover.answer_by),
            answered_on: handover.answered_on.map(Date),
            message: handover.message,
            decline_reason: handover.reason,
            facility: facilities.get(&handover.facility).cloned(),
        }
    };
    Ok(rows.into_iter().map(told).collect())
}

/// Those of some proposals that the caller can see, by their rows.
pub async fn handovers_by_id(
    context: &Context<'_>,
    ids: &[i64],
) -> ApiResult<HashMap<i64, Handover>> {
    let wanted = Wanted::of(&context.look_ahead());
    by_id(context, ids, wanted).await
}

async fn by_id(
    context: &Context<'_>,
    ids: &[i64],
    wanted: Wanted,
) -> ApiResult<HashMap<i64, Handover>> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let list = ListQuery {
        statuses: Vec::new(),
        ids: Some(ids.to_vec()),
    };
    let most = u64::try_from(ids.len()).unwrap_or(u64::MAX);
    let rows = read(context, &list, None, most).await?;
    let keys: Vec<i64> = rows.iter().map(|row| row.handover.id.0).collect();
    let told = complete(context, rows, wanted).await?;
    Ok(keys.into_iter().zip(told).collect())
}

async fn payload(
    context: &Context<'_>,
    written: ApiResult<Outcome>,
    field: &str,
) -> ApiResult<HandoverBulkPayload> {
    let actor = &caller(context)?.actor;
    services(context)?.written.notify_one();
    let outcome = match written {
        Err(ApiError::Refused(problems)) => {
            return Ok(HandoverBulkPayload {
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
    if rows.field("handover").exists() {
        let handovers = outcome.rows.iter().filter_map(|row| row.handover);
        ids.extend(handovers.map(|handover| handover.0));
        ids.sort_unstable();
        ids.dedup();
    }
    let wanted = Wanted::of(&rows.field("handover"));
    let handovers = by_id(context, &ids, wanted).await?;
    let written = outcome.rows.iter().filter(|row| row.written).count();
    let refused = outcome.rows.iter().filter(|row| !row.problems.is_empty());
    let count = |rows: usize| i32::try_from(rows).unwrap_or(i32::MAX);
    Ok(HandoverBulkPayload {
        written_count: count(written),
        refused_count: count(refused.count()),
        change_id: change_id(outcome.change),
        user_errors: outcome
            .problems
            .iter()
            .map(|(field, problem)| told(problem, actor, vec!["input", field]))
            .collect(),
        rows: outcome
            .rows
            .iter()
            .zip(0_i32..)
            .map(|(row, index)| {
                let place = index.to_string();
                let problems = row.problems.iter();
                HandoverBulkRow {
                    index,
                    handover: row.handover.and_then(|id| handovers.get(&id.0).cloned()),
                    user_errors: problems
                        .map(|problem| told(problem, actor, vec!["input", field, &place]))
                        .collect(),
                }
            })
            .collect(),
    })
}

/// A problem as a user error at a path.
fn told(problem: &HandoverProblem, actor: &Actor, path: Vec<&str>) -> UserError {
    use HandoverProblem as P;
    use UserErrorCode as Code;
    let path: Vec<String> = path.into_iter().map(str::to_owned).collect();
    let code = match problem {
        P::Facility(problem) => user_error(problem, actor, &[]).code,
        P::NotFound => Code::NotFound,
        P::Forbidden => Code::Forbidden,
        P::AlreadyProposed => Code::AlreadyOpen,
        P::NotOpen => Code::NotOpen,
        P::NoVendor | P::MissingReason => Code::Missing,
        P::BadAnswerBy { .. } => Code::OutOfRange,
        P::DuplicateRow { .. } => Code::DuplicateRow,
    };
    UserError {
        code,
        path,
        message: problem.message(actor.language),
    }
}
