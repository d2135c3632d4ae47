//! Queries and mutations of capacity.

use std::collections::{BTreeMap, HashMap};

use async_graphql::{
    Context, ID, Lookahead, Object,
    connection::{Connection, Edge},
};
use chrono::{DateTime, NaiveDate, Utc};

use super::types::{
    BlockerCount, CapacityPledge, CapacityPledgeInput, CapacityPledgePayload, CapacityPledgeRow,
    FollowUp, FollowUpAnswerInput, FollowUpConnection, FollowUpPayload, WorkFigures, tenths,
};
use crate::{
    api::{
        ApiError, ApiResult, Date, NodeId, PageArguments, UserError, UserErrorCode, YearMonth,
        context::{caller, services, writer},
        node_id::NodeKind,
        page::{Fingerprint, row_of_cursor},
    },
    app::{Month, civil_day},
    auth::{Actor, OrganisationKind, Permission, Scope, entity::names},
    capacity::{
        CapacityProblem, FollowUpStatus, Pledge, due_on,
        entity::{self, Answer},
        service::{self, EARLIER_MONTHS, FollowUpAnswer, Outcome},
        status_of,
        workload::hours_in_tenths,
    },
    change,
    db::OrganisationId,
    facility::graphql::{OrganisationSummary, change_id, organisation_of, user_errors},
    figures::{
        graphql::{FigureFilter, read_filter},
        service::Question,
    },
    milestone::Blocker,
    reporting,
};

/// Most months that are told of at once.
const MOST_MONTHS: i32 = 60;
/// Months for which a follow-up tells what is pledged.
const PLEDGED_AHEAD: u32 = 3;
/// Most pledges of one request.
const MOST_PLEDGES: usize = 5_000;

/// Queries over capacity.
#[derive(Default)]
pub struct CapacityQuery;

#[Object]
impl CapacityQuery {
    /// How much work was done in some months up to a day, how much waits and how long that will take, of what you may
    /// count: as it is known now or was known at an instant. A past answer stays the same for ever.
    async fn work_figures(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "What was true on this civil day (JST); today if not given.")]
        as_of: Option<Date>,
        #[graphql(desc = "As it was known at this instant; now if not given.")] known_at: Option<
            DateTime<Utc>,
        >,
        #[graphql(
            desc = "How many months, the one of the day included; 1 to 60.",
            default = 12
        )]
        months: i32,
        #[graphql(desc = "Which facilities, by what they were on the day of each event.")]
        filter: Option<FigureFilter>,
    ) -> ApiResult<WorkFigures> {
        let services = services(context)?;
        let actor = &caller(context)?.actor;
        let told = u32::try_from(months)
            .ok()
            .filter(|_| (1..=MOST_MONTHS).contains(&months))
            .ok_or_else(|| {
                let message = format!("ask for 1 to {MOST_MONTHS} months");
                ApiError::bad_input("OUT_OF_RANGE", message)
            })?;
        let question = Question {
            as_of: as_of.map_or_else(|| services.clock.today(), |day| day.0),
            known: change::resolve_known_at(&services.database, &services.clock, known_at).await?,
            filter: read_filter(filter.unwrap_or_default())?,
            group_by: Vec::new(),
        };
        // The pace is of the months before the one that has only begun.
        let read = told.max(EARLIER_MONTHS + 1);
        let today = services.clock.today();
        let workload = service::workload(&services.database, actor, &question, read, today).await?;
        let workload = workload.ok_or_else(|| {
            let message = "work is counted for vendors, chains, prefectures and the nation";
            ApiError::bad_input("NOT_COUNTED", message)
        })?;
        let told = usize::try_from(told).unwrap_or(usize::MAX);
        Ok(WorkFigures::new(&question, &workload, told))
    }

    /// What a vendor pledges, by month and prefecture: one's own, and everybody's to those who count the whole nation.
    /// Empty for another's.
    async fn capacity_pledges(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Global id of the vendor's organisation.")] organisation_id: ID,
        #[graphql(desc = "The first month.")] from: YearMonth,
        #[graphql(desc = "The last month, at most 60 later.")] until: YearMonth,
    ) -> ApiResult<Vec<CapacityPledge>> {
        let last = from.0.plus(MOST_MONTHS.unsigned_abs());
        if until.0 > last {
            let message = format!("ask for at most {MOST_MONTHS} months");
            return Err(ApiError::bad_input("OUT_OF_RANGE", message));
        }
        let vendor = organisation_of(&organisation_id);
        let readable = readable(&caller(context)?.actor);
        if readable.is_some_and(|own| !own.contains(&vendor)) {
            return Ok(Vec::new());
        }
        pledges_of(context, vendor, (from.0, until.0)).await
    }

    /// The follow-ups of a month, in the order in which their vendors were added: of every vendor that had facilities at
    /// its end or had pledged something for it, to those who count the whole nation, and one's own. Those with a status of
    /// OVERDUE or OPEN have not answered.
    async fn follow_ups(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "About which month, which is over.")] month: YearMonth,
        #[graphql(desc = "Any of these; all if none is given.", default)] statuses: Vec<
            FollowUpStatus,
        >,
        #[graphql(desc = "How many, from `after`; 1 to 100, required.")] first: Option<i32>,
        #[graphql(desc = "The cursor after which to begin.")] after: Option<String>,
    ) -> ApiResult<FollowUpConnection> {
        let month = month.0;
        let fingerprint = Fingerprint::of(&("followUps", month.to_string(), &statuses));
        let page = PageArguments {
            after,
            first,
            ..PageArguments::default()
        }
        .check(&fingerprint)?;
        let after = page.from.as_deref().map(row_of_cursor).transpose()?;
        let today = services(context)?.clock.today();
        if month.last() >= today {
            return Ok(Connection::new(false, false));
        }
        let readable = readable(&caller(context)?.actor);
        let asked = Asked::read(context, month).await?;
        let mut vendors: Vec<OrganisationId> = asked
            .facilities
            .keys()
            .copied()
            .filter(|vendor| readable.as_ref().is_none_or(|own| own.contains(vendor)))
            .filter(|vendor| after.is_none_or(|after| vendor.0 > after))
            .filter(|vendor| {
                statuses.is_empty() || statuses.contains(&asked.status(*vendor, today))
            })
            .take(page.size + 1)
            .collect();
        let more = vendors.len() > page.size;
        vendors.truncate(page.size);
        let ahead = context.look_ahead();
        let wanted =
            Wanted::of(&ahead.field("nodes")).or(Wanted::of(&ahead.field("edges").field("node")));
        let mut connection = Connection::new(after.is_some(), more);
        connection.edges = asked
            .complete(context, &vendors, wanted)
            .await?
            .into_iter()
            .map(|one| Edge::new(fingerprint.cursor(&[one.vendor.0.to_string()]), one))
            .collect();
        Ok(connection)
    }
}

/// Mutations of capacity.
#[derive(Default)]
pub struct CapacityMutation;

#[Object]
impl CapacityMutation {
    /// Pledges installations in the name of a vendor, in place of what was pledged for the same months and prefectures.
    /// All of it is written, or nothing.
    async fn capacity_pledge(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "What.")] input: CapacityPledgeInput,
    ) -> ApiResult<CapacityPledgePayload> {
        check_length(&input.pledges)?;
        let vendor = organisation_of(&input.organisation_id);
        let pledges: Vec<Pledge> = input.pledges.into_iter().map(Into::into).collect();
        let written = async {
            let content = (vendor.0, &pledges);
            let writer = writer(context, "capacityPledge", &input.options, &content)?;
            ApiResult::Ok(service::pledge(&writer, vendor, &pledges).await?)
        };
        let (outcome, user_errors) = told(context, written.await)?;
        let first = Month::of(services(context)?.clock.today());
        let seen = seen(&caller(context)?.actor, &outcome);
        let pledges = match seen.filter(|_| user_errors.is_empty()) {
            Some(vendor) => pledges_of(context, vendor, (first, first.plus(120))).await?,
            None => Vec::new(),
        };
        Ok(CapacityPledgePayload {
            pledges,
            change_id: change_id(outcome.change),
            user_errors,
        })
    }

    /// Answers the follow-up of a month in the name of a vendor, in place of what was answered; what it pledges and
    /// confirms goes with it.
    async fn follow_up_answer(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "What to say.")] input: FollowUpAnswerInput,
    ) -> ApiResult<FollowUpPayload> {
        check_length(&input.pledges)?;
        let vendor = organisation_of(&input.organisation_id);
        let answer = FollowUpAnswer {
            month: input.month.0,
            team_count: input.team_count,
            remark: input.remark.replace("\r\n", "\n"),
            pledges: input.pledges.into_iter().map(Into::into).collect(),
            complete_to: input.complete_to.map(|day| day.0),
        };
        let written = async {
            let content = (vendor.0, &answer);
            let writer = writer(context, "followUpAnswer", &input.options, &content)?;
            ApiResult::Ok(service::answer(&writer, vendor, &answer).await?)
        };
        let (outcome, user_errors) = told(context, written.await)?;
        let wanted = Wanted::of(&context.look_ahead().field("followUp"));
        let month = answer.month;
        let is_over = month.last() < services(context)?.clock.today();
        let seen = seen(&caller(context)?.actor, &outcome);
        let follow_up = match seen.filter(|_| is_over) {
            Some(vendor) => {
                let asked = Asked::read(context, month).await?;
                let vendors: Vec<_> = [vendor]
                    .into_iter()
                    .filter(|vendor| asked.facilities.contains_key(vendor))
                    .collect();
                asked.complete(context, &vendors, wanted).await?.pop()
            }
            None => None,
        };
        Ok(FollowUpPayload {
            follow_up,
            change_id: change_id(outcome.change),
            user_errors,
        })
    }
}

fn check_length(pledges: &[CapacityPledgeRow]) -> ApiResult<()> {
    if pledges.len() > MOST_PLEDGES {
        let message = format!("give at most {MOST_PLEDGES} pledges");
        return Err(ApiError::bad_input("LIST_TOO_LONG", message));
    }
    Ok(())
}

/// Whose pledges and follow-ups an actor reads; `None` for everybody's.
fn readable(actor: &Actor) -> Option<Vec<OrganisationId>> {
    if actor.scope(Permission::FiguresRead) == Scope::All {
        return None;
    }
    let own = actor
        .grants_with(Permission::FiguresRead)
        .filter(|grant| grant.kind == OrganisationKind::Vendor)
        .map(|grant| grant.organisation);
    Some(own.collect())
}

/// The vendor of an outcome, if the actor may read of it by now: the outcome may be that of an earlier request.
fn seen(actor: &Actor, outcome: &Outcome) -> Option<OrganisationId> {
    let may_read = |vendor: &OrganisationId| readable(actor).is_none_or(|own| own.contains(vendor));
    outcome.vendor.filter(may_read)
}

async fn pledges_of(
    context: &Context<'_>,
    vendor: OrganisationId,
    months: (Month, Month),
) -> ApiResult<Vec<CapacityPledge>> {
    let database = &services(context)?.database;
    let found = entity::pledges(database.read(), &[vendor], months).await?;
    let pledges = found.get(&vendor).into_iter().flatten();
    Ok(pledges.map(Into::into).collect())
}

/// What a query selects of a follow-up beside its own row.
#[derive(Clone, Copy, Debug, Default)]
struct Wanted {
    pledges: bool,
    blockers: bool,
}

impl Wanted {
    fn of(follow_up: &Lookahead<'_>) -> Self {
        Self {
            pledges: follow_up.field("pledges").exists(),
            blockers: follow_up.field("blockers").exists(),
        }
    }

    fn or(self, other: Self) -> Self {
        Self {
            pledges: self.pledges || other.pledges,
            blockers: self.blockers || other.blockers,
        }
    }
}

/// Everybody who is followed up for a month, and what they answered.
struct Asked {
    month: Month,
    facilities: BTreeMap<OrganisationId, i64>,
    answers: HashMap<OrganisationId, Answer>,
}

impl Asked {
    async fn read(context: &Context<'_>, month: Month) -> ApiResult<Self> {
        let database = &services(context)?.database;
        Ok(Self {
            month,
            facilities: service::asked_vendors(database, month).await?,
            answers: entity::answers(database.read(), month).await?,
        })
    }

    fn status(&self, vendor: OrganisationId, today: NaiveDate) -> FollowUpStatus {
        let answered_on = self.answers.get(&vendor).map(|one| civil_day(one.first_at));
        status_of(self.month, answered_on, today)
    }

    /// Tells of some of them, in their order.
    async fn complete(
        &self,
        context: &Context<'_>,
        vendors: &[OrganisationId],
        wanted: Wanted,
    ) -> ApiResult<Vec<FollowUp>> {
        if vendors.is_empty() {
            return Ok(Vec::new());
        }
        let services = services(context)?;
        let database = &services.database;
        let today = services.clock.today();
        let names = names::names(database, vendors).await?;
        let work = service::work_of_month(database, self.month).await?;
        let pledged = entity::pledged_by_vendor(database.read(), self.month).await?;
        let pledges = if wanted.pledges {
            let months = (self.month.plus(1), self.month.plus(PLEDGED_AHEAD));
            entity::pledges(database.read(), vendors, months).await?
        } else {
            HashMap::new()
        };
        let held_up = if wanted.blockers {
            entity::held_up(database.read(), vendors, today).await?
        } else {
            HashMap::new()
        };
        let told = |vendor: &OrganisationId| {
            let work = work.get(vendor).copied().unwrap_or_default();
            let answer = self.answers.get(vendor);
            let count = |(blocker, count): (&Blocker, &i64)| BlockerCount {
                blocker: *blocker,
                facility_count: *count,
            };
            FollowUp {
                vendor: *vendor,
                pledges: pledges
                    .get(vendor)
                    .into_iter()
                    .flatten()
                    .map(Into::into)
                    .collect(),
                held_up: held_up
                    .get(vendor)
                    .into_iter()
                    .flatten()
                    .map(count)
                    .collect(),
                organisation: OrganisationSummary {
                    id: NodeId::new(NodeKind::Organisation, vendor.0).encode(),
                    name: names.get(vendor).cloned().unwrap_or_default(),
                },
                month: YearMonth(self.month),
                status: self.status(*vendor, today),
                due_on: Date(due_on(self.month)),
                answered_at: answer.map(|one| one.first_at),
                changed_at: answer.map(|one| one.last_at),
                facility_count: self.facilities.get(vendor).copied().unwrap_or(0),
                installed_count: work.installed,
                pledged_count: pledged.get(vendor).copied().unwrap_or(0),
                waiting_count: work.waiting,
                hours_per_install: tenths(hours_in_tenths(work)),
                team_count: answer.and_then(|one| one.team_count),
                remark: answer.map(|one| one.remark.clone()).unwrap_or_default(),
            }
        };
        Ok(vendors.iter().map(told).collect())
    }
}

/// An outcome, and its problems as user errors.
fn told(
    context: &Context<'_>,
    written: ApiResult<Outcome>,
) -> ApiResult<(Outcome, Vec<UserError>)> {
    let actor = &caller(context)?.actor;
    services(context)?.written.notify_one();
    let mut outcome = match written {
        Err(ApiError::Refused(problems)) => {
            let errors = user_errors(&problems, actor, &["input"]);
            return Ok((Outcome::default(), errors));
        }
        written => written?,
    };
    let problems = std::mem::take(&mut outcome.problems);
    let errors = problems.into_iter().map(|(below, problem)| {
        let path = ["input".to_owned()].into_iter().chain(below).collect();
        user_error(&problem, path, actor)
    });
    let errors = errors.collect();
    Ok((outcome, errors))
}

fn user_error(problem: &CapacityProblem, path: Vec<String>, actor: &Actor) -> UserError {
    use CapacityProblem as P;
    use UserErrorCode as Code;
    let code = match problem {
        P::NotFound => Code::NotFound,
        P::Forbidden | P::NoVendor => Code::Forbidden,
        P::MonthOver { .. } | P::MonthTooFar { .. } | P::OutOfRange { .. } => Code::OutOfRange,
        P::MonthNotOver { .. } => Code::DateInFuture,
        P::NotAsked => Code::NothingToDo,
        P::BadText { .. } => Code::InvalidText,
        P::DuplicateRow { .. } => Code::DuplicateRow,
        P::Reporting(problem) => {
            return reporting::graphql::user_error(problem, path, actor.language);
        }
    };
    UserError {
        code,
        path,
        message: problem.message(actor.language),
    }
}
