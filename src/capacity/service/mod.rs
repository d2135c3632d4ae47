//! Reading how much work is done, pledging, and answering follow-ups.

mod scorecard;

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

pub use scorecard::{Scorecard, Side, may_read, scorecard};

use super::{
    CapacityProblem as Problem, Pledge, Workload,
    entity::{self, PledgeFilter},
};
use crate::{
    app::{Month, civil_day},
    auth::{Actor, Clause, OrganisationKind, Permission, Scope, input::is_control},
    change::{self, Known, WriteError, Writer},
    db::{ChangeId, Database, DbErr, OrganisationId, Transaction},
    figures::{
        Work,
        entity::rows::Filter,
        service::{Dimension, Question, ask, ask_work, work_by_vendor, work_of_nation},
    },
    reporting::{
        ReportingProblem,
        entity::lock,
        service::{check_day, confirm_within},
    },
};

/// Months after this one that can be pledged.
const MOST_AHEAD: u32 = 24;
/// Most installations pledged for a month and prefecture.
const MOST_INSTALLS: i32 = 100_000;
/// Most teams.
const MOST_TEAMS: i32 = 10_000;
/// Longest remark, in characters.
const MOST_REMARK: usize = 2_000;
/// Months before the one asked for that are read along, for its pace.
pub const EARLIER_MONTHS: u32 = 3;

/// The work of some months up to a day, as it was known. `None` if nothing that the actor may count is counted so.
pub async fn workload(
    database: &Database,
    actor: &Actor,
    question: &Question,
    months: u32,
    today: NaiveDate,
) -> Result<Option<Workload>, DbErr> {
    let span = Span::up_to(question.as_of, months);
    let Some(totals) = ask_work(database, actor, question, &span.days()).await? else {
        return Ok(None);
    };
    let pledged = match visible_pledges(actor, &question.filter) {
        Some(filter) => {
            let (range, known) = ((span.first, span.last()), question.known);
            let months: Vec<Month> = span.months().collect();
            let pledged = entity::pledged(database.read(), &filter, range, known).await?;
            let promised = entity::promised(database.read(), &filter, &months, known).await?;
            Some((pledged, promised))
        }
        None => None,
    };
    Ok(Some(span.workload(
        &totals,
        known_on(question.known, today),
        |month| {
            let (pledged, promised) = pledged.as_ref()?;
            let of = |sums: &BTreeMap<Month, i64>| sums.get(&month).copied().unwrap_or(0);
            Some((of(pledged), of(promised)))
        },
    )))
}

/// The nation's work of some months up to a day, for comparison: whoever asks.
pub async fn national_workload(
    database: &Database,
    as_of: NaiveDate,
    known: Known,
    months: u32,
    today: NaiveDate,
) -> Result<Workload, DbErr> {
    let span = Span::up_to(as_of, months);
    let totals = work_of_nation(database, known, &span.days()).await?;
    Ok(span.workload(&totals, known_on(known, today), |_| None))
}

/// The civil day as of which something is known.
fn known_on(known: Known, today: NaiveDate) -> NaiveDate {
    match known {
        Known::Now => today,
        Known::UpTo { at, .. } => civil_day(at),
    }
}

/// Months that follow each other, up to a day in the last of them.
struct Span {
    first: Month,
    count: u32,
    as_of: NaiveDate,
}

impl Span {
    fn up_to(as_of: NaiveDate, count: u32) -> Self {
        Self {
            first: Month::of(as_of).minus(count.saturating_sub(1)),
            count,
            as_of,
        }
    }

    fn months(&self) -> impl Iterator<Item = Month> {
        let first = self.first;
        (0..self.count).map(move |later| first.plus(later))
    }

    fn last(&self) -> Month {
        Month::of(self.as_of)
    }

    /// The last day before them, and the last of each that is counted.
    fn days(&self) -> Vec<NaiveDate> {
        let before = self.first.minus(1).last();
        let ends = self.months().map(|month| month.last().min(self.as_of));
        [before].into_iter().chain(ends).collect()
    }

    fn workload(
        &self,
        totals: &[Work],
        known_on: NaiveDate,
        pledged: impl Fn(Month) -> Option<(i64, i64)>,
    ) -> Workload {
        let before = totals.first().copied().unwrap_or_default();
        let ends = self
            .months()
            .zip(totals.iter().skip(1))
            .map(|(month, total)| (month, month.last().min(self.as_of), *total));
        Workload::new(before, ends, known_on, pledged)
    }
}

/// Whose pledges stand beside the work that a filter names, as far as the actor may know of them: those of everybody for
/// those who count the nation, a vendor's own, and those for a bureau's prefectures. Pledges are of no kind of facility and
/// of no chain.
fn visible_pledges(actor: &Actor, filter: &Filter) -> Option<PledgeFilter> {
    if !filter.kinds.is_empty() || !filter.chains.is_empty() || filter.only_stores {
        return None;
    }
    let named: Vec<OrganisationId> = filter.vendors.iter().copied().flatten().collect();
    let mut pledges = PledgeFilter {
        vendors: (!filter.vendors.is_empty()).then_some(named),
        prefectures: filter.prefectures.clone(),
    };
    let Scope::Any(clauses) = actor.scope(Permission::FiguresRead).by_dimension() else {
        return Some(pledges);
    };
    match clauses.as_slice() {
        [Clause::Vendor(own)] => {
            let is_named = pledges
                .vendors
                .as_ref()
                .is_none_or(|named| named.contains(own));
            pledges.vendors = Some(if is_named { vec![*own] } else { Vec::new() });
        }
        // What a single vendor pledges is its own to know.
        [Clause::Prefectures(_)] if pledges.vendors.is_some() => return None,
        [Clause::Prefectures(places)] => {
            let named = pledges.prefectures.take();
            let both = places
                .iter()
                .filter(|place| named.as_ref().is_none_or(|named| named.contains(place)));
            pledges.prefectures = Some(both.copied().collect());
        }
        _ => return None,
    }
    Some(pledges)
}

/// Why an actor may not speak of a vendor's capacity.
fn check_vendor(actor: &Actor, vendor: OrganisationId) -> Result<(), Problem> {
    let own = actor
        .grants
        .iter()
        .find(|grant| grant.organisation == vendor);
    match own {
        None => Err(Problem::NotFound),
        Some(own) if own.kind != OrganisationKind::Vendor => Err(Problem::NoVendor),
        Some(_) if !actor.may_in(vendor, Permission::ReportWrite) => Err(Problem::Forbidden),
        Some(_) => Ok(()),
    }
}

/// A problem, and the names and positions of the input where it lies.
pub type Place = (Vec<String>, Problem);

/// What became of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The vendor; `None` if it is none of the caller's.
    pub vendor: Option<OrganisationId>,
    /// The change that recorded it; none if nothing was written.
    pub change: Option<ChangeId>,
    /// Why it was refused.
    pub problems: Vec<Place>,
}

fn at<const N: usize>(path: [&str; N], problem: impl Into<Problem>) -> Place {
    (path.map(str::to_owned).to_vec(), problem.into())
}

/// Pledges installations, in place of what was pledged for the same months and prefectures. What is pledged already
/// writes nothing.
pub async fn pledge(
    writer: &Writer<'_>,
    vendor: OrganisationId,
    pledges: &[Pledge],
) -> Result<Outcome, WriteError> {
    let transaction = writer.database.begin().await?;
    let mut outcome = Outcome::default();
    if let Err(problem) = check_vendor(writer.actor, vendor) {
        outcome.vendor = (problem != Problem::NotFound).then_some(vendor);
        outcome.problems.push(at(["organisationId"], problem));
        return writer.refuse(transaction, outcome).await;
    }
    outcome.vendor = Some(vendor);
    outcome.problems = check_pledges(pledges, Month::of(writer.clock.today()));
    if !outcome.problems.is_empty() {
        return writer.refuse(transaction, outcome).await;
    }
    lock(writer.database, &transaction, vendor).await?;
    let new = unlike(&transaction, vendor, pledges).await?;
    if new.is_empty() || writer.dry_run {
        return writer.refuse(transaction, outcome).await;
    }
    let change = change::record(&transaction, writer, Some(vendor), "capacityPledge").await?;
    entity::write_pledges(&transaction, vendor, &new, change).await?;
    outcome.change = Some(change);
    writer.finish(transaction, outcome).await
}

/// What is wrong with pledges, each with the row and field.
fn check_pledges(pledges: &[Pledge], now: Month) -> Vec<Place> {
    let mut problems = Vec::new();
    let mut seen = BTreeMap::new();
    let last = now.plus(MOST_AHEAD);
    for (index, pledge) in pledges.iter().enumerate() {
        let row = index.to_string();
        let place = |field| ["pledges", row.as_str(), field];
        if pledge.month < now {
            problems.push(at(place("month"), Problem::MonthOver { first: now }));
        }
        if pledge.month > last {
            problems.push(at(place("month"), Problem::MonthTooFar { last }));
        }
        let (least, most) = (0, MOST_INSTALLS);
        if !(least..=most).contains(&pledge.installs) {
            problems.push(at(place("installs"), Problem::OutOfRange { least, most }));
        }
        let first = *seen
            .entry((pledge.month, pledge.prefecture))
            .or_insert(index);
        if first != index {
            problems.push(at(
                ["pledges", row.as_str()],
                Problem::DuplicateRow { first },
            ));
        }
    }
    problems
}

/// Those of some pledges that are not what is pledged already. Nothing is pledged until something is.
async fn unlike(
    transaction: &Transaction,
    vendor: OrganisationId,
    pledges: &[Pledge],
) -> Result<Vec<Pledge>, DbErr> {
    let months = pledges.iter().map(|pledge| pledge.month);
    let (Some(first), Some(last)) = (months.clone().min(), months.max()) else {
        return Ok(Vec::new());
    };
    let before = entity::pledges(transaction, &[vendor], (first, last)).await?;
    let before = before.get(&vendor).map_or(&[][..], Vec::as_slice);
    let is_said = |pledge: &Pledge| {
        let same = before
            .iter()
            .find(|one| (one.month, one.prefecture) == (pledge.month, pledge.prefecture));
        same.map_or(0, |one| one.installs) == pledge.installs
    };
    Ok(pledges
        .iter()
        .filter(|one| !is_said(one))
        .copied()
        .collect())
}

/// What a vendor says to the follow-up of a month.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FollowUpAnswer {
    /// The month.
    pub month: Month,
    /// How many teams it has.
    pub team_count: Option<i32>,
    /// What else there is to say.
    pub remark: String,
    /// What it pledges for the months to come.
    pub pledges: Vec<Pledge>,
    /// Up to which day its records are complete.
    pub complete_to: Option<NaiveDate>,
}

/// Answers the follow-up of a month: what is said, what is pledged and what is confirmed, at once.
pub async fn answer(
    writer: &Writer<'_>,
    vendor: OrganisationId,
    answer: &FollowUpAnswer,
) -> Result<Outcome, WriteError> {
    let mut outcome = Outcome::default();
    let checked = check_vendor(writer.actor, vendor);
    let asked = match &checked {
        // Before the transaction: SQLite has one writer.
        Ok(()) => is_asked(writer.database, vendor, answer.month).await?,
        Err(_) => false,
    };
    let transaction = writer.database.begin().await?;
    if let Err(problem) = checked {
        outcome.vendor = (problem != Problem::NotFound).then_some(vendor);
        outcome.problems.push(at(["organisationId"], problem));
        return writer.refuse(transaction, outcome).await;
    }
    outcome.vendor = Some(vendor);
    let today = writer.clock.today();
    let last = Month::of(today).minus(1);
    let problems = &mut outcome.problems;
    if answer.month > last {
        problems.push(at(["month"], Problem::MonthNotOver { last }));
    } else if !asked {
        problems.push(at(["month"], Problem::NotAsked));
    }
    let (least, most) = (0, MOST_TEAMS);
    if answer
        .team_count
        .is_some_and(|teams| !(least..=most).contains(&teams))
    {
        problems.push(at(["teamCount"], Problem::OutOfRange { least, most }));
    }
    let remark = answer.remark.trim();
    let is_bad = |c: char| is_control(c) && c != '\n';
    if remark.chars().count() > MOST_REMARK || remark.chars().any(is_bad) {
        problems.push(at(["remark"], Problem::BadText { most: MOST_REMARK }));
    }
    problems.extend(check_pledges(&answer.pledges, Month::of(today)));
    if let Some(Err(wrong)) = answer.complete_to.map(|day| check_day(day, today)) {
        problems.push(at(["completeTo"], wrong));
    }
    let confirmed = lock(writer.database, &transaction, vendor).await?;
    if let (Some(day), Some(complete_to)) = (answer.complete_to, confirmed)
        && day < complete_to
    {
        let said = ReportingProblem::AlreadyConfirmed { complete_to };
        problems.push(at(["completeTo"], said));
    }
    if !problems.is_empty() || writer.dry_run {
        return writer.refuse(transaction, outcome).await;
    }
    let new = unlike(&transaction, vendor, &answer.pledges).await?;
    let change = change::record(&transaction, writer, Some(vendor), "followUpAnswer").await?;
    entity::write_pledges(&transaction, vendor, &new, change).await?;
    let said = (answer.team_count, remark);
    entity::write_answer(&transaction, vendor, answer.month, said, change).await?;
    if let Some(day) = answer.complete_to {
        confirm_within(writer, &transaction, vendor, day).await?;
    }
    outcome.change = Some(change);
    writer.finish(transaction, outcome).await
}

/// Is the vendor followed up for a month?
async fn is_asked(
    database: &Database,
    vendor: OrganisationId,
    month: Month,
) -> Result<bool, DbErr> {
    let asked = asked_vendors(database, month).await?;
    Ok(asked.contains_key(&vendor))
}

/// Who is followed up for a month: the vendors that had open facilities at its end, and how many, and those that had
/// pledged something for it.
pub async fn asked_vendors(
    database: &Database,
    month: Month,
) -> Result<BTreeMap<OrganisationId, i64>, DbErr> {
    let question = Question {
        as_of: month.last(),
        known: Known::Now,
        filter: Filter::default(),
        group_by: vec![Dimension::Vendor],
    };
    let answer = ask(database, &Actor::system(), &question).await?;
    let mut asked: BTreeMap<OrganisationId, i64> = answer
        .into_iter()
        .filter_map(|(group, counts)| Some((group.vendor.flatten()?, counts.all)))
        .filter(|(_, all)| *all > 0)
        .collect();
    let pledged = entity::pledged_by_vendor(database.read(), month).await?;
    for (vendor, _) in pledged.into_iter().filter(|(_, installs)| *installs > 0) {
        asked.entry(vendor).or_default();
    }
    Ok(asked)
}

/// What the records say of each vendor's month.
pub async fn work_of_month(
    database: &Database,
    month: Month,
) -> Result<BTreeMap<OrganisationId, Work>, DbErr> {
    let before = work_by_vendor(database, month.minus(1).last()).await?;
    let after = work_by_vendor(database, month.last()).await?;
    Ok(after
        .into_iter()
        .map(|(vendor, total)| {
            let earlier = before.get(&vendor).copied().unwrap_or_default();
            (vendor, total.since(earlier))
        })
        .collect())
}
