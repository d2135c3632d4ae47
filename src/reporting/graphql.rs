//! Confirmations in the API.

use async_graphql::{
    ComplexObject, Context, ID, InputObject, Object, SimpleObject,
    connection::{Connection, Edge},
};
use chrono::{DateTime, Utc};

use super::{
    ReportingProblem,
    entity::{self, Confirmation},
    service::{self, Outcome, reports},
};
use crate::{
    api::{
        ApiError, ApiResult, Date, PageArguments, UserError, UserErrorCode, WriteOptions,
        context::{caller, services, writer},
        page::{Fingerprint, row_of_cursor},
    },
    auth::{Actor, Language, Permission, Scope},
    db::OrganisationId,
    facility::graphql::{OrganisationSummary, change_id, organisation_of, summary, user_errors},
};

/// What a vendor or chain said of its reporting (報告完了): that everything up to a day is recorded, or that it is not
/// after all.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex)]
pub struct ReportingConfirmation {
    #[graphql(skip)]
    change: Option<ID>,
    /// Who.
    organisation: OrganisationSummary,
    /// Up to which day its records are complete; null where it took everything back.
    complete_to: Option<Date>,
    /// When it was said.
    recorded_at: DateTime<Utc>,
    /// Why, in the words of whoever said it.
    reason: Option<String>,
    /// Global id of the change that took it back, as the undoing of a sheet does; what was said before it, or has been
    /// said since, holds then.
    taken_back_by_change_id: Option<ID>,
}

#[ComplexObject]
impl ReportingConfirmation {
    /// Global id of the change that recorded it.
    async fn change_id(&self) -> Option<ID> {
        self.change.clone()
    }
}

impl From<Confirmation> for ReportingConfirmation {
    fn from(said: Confirmation) -> Self {
        Self {
            change: change_id(Some(said.change)),
            organisation: summary(&said.organisation),
            complete_to: said.complete_to.map(Date),
            recorded_at: said.recorded_at,
            reason: said.reason,
            taken_back_by_change_id: change_id(said.taken_back_by),
        }
    }
}

/// A page of confirmations.
pub type ReportingConfirmationConnection = Connection<String, ReportingConfirmation>;

/// A confirmation.
#[derive(Debug, InputObject)]
pub struct ReportingConfirmInput {
    /// Global id of the vendor's or chain's organisation.
    organisation_id: ID,
    /// Everything that happened up to this day, included, is recorded: today at the latest.
    complete_to: Date,
    #[graphql(flatten)]
    options: WriteOptions,
}

/// A confirmation to be taken back.
#[derive(Debug, InputObject)]
pub struct ReportingWithdrawInput {
    /// Global id of the vendor's or chain's organisation.
    organisation_id: ID,
    /// Up to which earlier day the records are complete after all; not given: up to none.
    complete_to: Option<Date>,
    #[graphql(flatten)]
    options: WriteOptions,
}

/// What became of a confirmation.
#[derive(Debug, SimpleObject)]
pub struct ReportingPayload {
    /// Up to which day the organisation's records are complete as this left it (with `dryRun`: would leave it); null if
    /// they are not, and where it was refused before that was looked at.
    complete_to: Option<Date>,
    /// Global id of the change that recorded it; null if nothing was written.
    change_id: Option<ID>,
    /// Why it was refused; empty if it was not.
    user_errors: Vec<UserError>,
}

/// Queries over confirmations.
#[derive(Default)]
pub struct ReportingQuery;

#[Object]
impl ReportingQuery {
    /// What vendors and chains said of their reporting, the latest first: your own organisations, and everybody to those
    /// who count the whole nation. Who has reported by a day, and who has not, is in `rolloutFigures { coverage }`.
    async fn reporting_confirmations(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Of this organisation alone.")] organisation_id: Option<ID>,
        #[graphql(desc = "How many, from `after`; 1 to 100, required.")] first: Option<i32>,
        #[graphql(desc = "The cursor after which to begin.")] after: Option<String>,
    ) -> ApiResult<ReportingConfirmationConnection> {
        let named = organisation_id.as_ref().map(organisation_of);
        let organisations = readable(&caller(context)?.actor, named);
        let fingerprint = Fingerprint::of(&("reportingConfirmations", named.map(|id| id.0)));
        let page = PageArguments {
            after,
            first,
            ..PageArguments::default()
        }
        .check(&fingerprint)?;
        let before = page.from.as_deref().map(row_of_cursor).transpose()?;
        let most = u64::try_from(page.size).unwrap_or(0) + 1;
        let database = &services(context)?.database;
        let mut rows = entity::list(database, organisations.as_deref(), before, most).await?;
        let more = rows.len() > page.size;
        rows.truncate(page.size);
        let mut connection = Connection::new(before.is_some(), more);
        connection.edges = rows
            .into_iter()
            .map(|row| Edge::new(fingerprint.cursor(&[row.id.to_string()]), row.into()))
            .collect();
        Ok(connection)
    }
}

/// Mutations of confirmations.
#[derive(Default)]
pub struct ReportingMutation;

#[Object]
impl ReportingMutation {
    /// Confirms in the name of a vendor or chain that everything up to a day is recorded, whether anything changed or
    /// not. A sheet can do it too: `sheetApply(input: { completeTo })`.
    async fn reporting_confirm(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Up to which day.")] input: ReportingConfirmInput,
    ) -> ApiResult<ReportingPayload> {
        let organisation = organisation_of(&input.organisation_id);
        let day = input.complete_to.0;
        let written = async {
            let content = (organisation.0, day);
            let writer = writer(context, "reportingConfirm", &input.options, &content)?;
            ApiResult::Ok(service::confirm(&writer, organisation, day).await?)
        };
        payload(context, written.await)
    }

    /// Takes a confirmation back, whole or up to an earlier day. What was known before stays known.
    async fn reporting_withdraw(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Up to which day the records are complete after all.")]
        input: ReportingWithdrawInput,
    ) -> ApiResult<ReportingPayload> {
        let organisation = organisation_of(&input.organisation_id);
        let day = input.complete_to.map(|day| day.0);
        let written = async {
            let content = (organisation.0, day);
            let writer = writer(context, "reportingWithdraw", &input.options, &content)?;
            ApiResult::Ok(service::withdraw(&writer, organisation, day).await?)
        };
        payload(context, written.await)
    }
}

/// Whose confirmations an actor reads, of the one that is named or of all; `None` for everybody's.
fn readable(actor: &Actor, named: Option<OrganisationId>) -> Option<Vec<OrganisationId>> {
    if actor.scope(Permission::FiguresRead) == Scope::All {
        return named.map(|one| vec![one]);
    }
    let own = actor
        .grants_with(Permission::FiguresRead)
        .filter(|grant| reports(grant.kind))
        .map(|grant| grant.organisation)
        .filter(|own| named.is_none_or(|named| named == *own));
    Some(own.collect())
}

fn payload(context: &Context<'_>, written: ApiResult<Outcome>) -> ApiResult<ReportingPayload> {
    let actor = &caller(context)?.actor;
    services(context)?.written.notify_one();
    let outcome = match written {
        Err(ApiError::Refused(problems)) => {
            return Ok(ReportingPayload {
                complete_to: None,
                change_id: None,
                user_errors: user_errors(&problems, actor, &["input"]),
            });
        }
        written => written?,
    };
    let told = |(field, problem): (String, ReportingProblem)| {
        user_error(&problem, vec!["input".to_owned(), field], actor.language)
    };
    Ok(ReportingPayload {
        complete_to: outcome.complete_to.map(Date),
        change_id: change_id(outcome.change),
        user_errors: outcome.problem.map(told).into_iter().collect(),
    })
}

/// A problem as a user error at a path.
pub fn user_error(problem: &ReportingProblem, path: Vec<String>, language: Language) -> UserError {
    use ReportingProblem as P;
    use UserErrorCode as Code;
    UserError {
        code: match problem {
            P::NotFound => Code::NotFound,
            P::Forbidden | P::NoReporter => Code::Forbidden,
            P::InFuture { .. } => Code::DateInFuture,
            P::TooEarly { .. } => Code::DateTooEarly,
            P::AlreadyConfirmed { .. } | P::NotConfirmed => Code::NothingToDo,
        },
        path,
        message: problem.message(language),
    }
}
