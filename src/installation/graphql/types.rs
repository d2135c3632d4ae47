//! The type `Installation` and what belongs to it. A page of orders is fetched with everything that the query selects
//! of them, a statement for each table.

use std::collections::HashMap;

use async_graphql::{ComplexObject, Context, ID, Lookahead, SimpleObject};
use chrono::{DateTime, NaiveDate, Utc};

use crate::{
    api::{
        ApiResult, Date, NodeId, UserError, UserErrorCode,
        context::{caller, services},
        node_id::NodeKind,
    },
    app::calendar::business_days,
    auth::{Actor, Language, Permission},
    db::{ChangeId, FacilityId},
    facility::{
        FacilityKind,
        graphql::{Facility, OrganisationSummary, Selected, facilities_by_id, summary, user_error},
    },
    installation::{
        Checklist, ChecklistItem, InstallationId, InstallationProblem, InstallationStatus,
        VisitWindow,
        entity::{
            self, Checks, Condition, InstallationRow, PromiseRow, checklists, checks, promises,
            references,
        },
    },
};

/// The work order (導入作業) by which a facility is set up. While it is open it is the work of the vendor that the
/// facility engages today, or of the support contractor that it is handed on to.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex)]
pub struct Installation {
    #[graphql(skip)]
    id: ID,
    /// Whose.
    facility: Option<Facility>,
    /// How far it has come.
    status: InstallationStatus,
    /// The planned day in force, which is the facility's plan of INSTALLED; null if there is none or the order ended.
    planned_on: Option<Date>,
    /// At which time of the planned day.
    window: Option<VisitWindow>,
    /// The day on which the work began.
    started_on: Option<Date>,
    /// The day on which it ended, however it did.
    ended_on: Option<Date>,
    /// Minutes of work on the site, whoever was there.
    minutes: Option<i32>,
    /// How many people were there.
    crew: Option<i32>,
    /// The remark with which it ended.
    remark: Option<String>,
    /// What your organisation calls it; null if you set nothing. With several organisations, the first that did.
    reference: Option<String>,
    /// The vendor whose work it is, or was when it ended.
    vendor: Option<OrganisationSummary>,
    /// The support contractor whose work it is, or was when it ended.
    support_contractor: Option<OrganisationSummary>,
    /// What has to be done, in the order of the work, and what is.
    checklist: Vec<InstallationCheck>,
    /// The version of the checklist that it follows.
    checklist_version: i32,
    /// Every day that was promised since the order before this one ended, in the order of recording.
    promises: Vec<InstallationPromise>,
    /// How many business days later than first promised it ended, is planned for, or is by now if that day has passed;
    /// negative if earlier. Null if nothing was promised.
    slippage_business_days: Option<i32>,
    /// When it was opened.
    opened_at: DateTime<Utc>,
    /// Counts up with every change: give it as `expectedVersion` to change only what you read.
    version: i32,
}

/// One thing that has to be done at a site.
#[derive(Clone, Debug, SimpleObject)]
pub struct InstallationCheck {
    /// The word by which it is ticked off.
    item: String,
    /// What it is, in your language.
    label: String,
    /// Nothing is finished without it.
    required: bool,
    /// The day on which it was done; null if it is not.
    done_on: Option<Date>,
}

/// A day that was promised for the end of the work.
#[derive(Clone, Debug, SimpleObject)]
pub struct InstallationPromise {
    /// Which day; null if the promise was taken back.
    planned_on: Option<Date>,
    /// When that was recorded.
    recorded_at: DateTime<Utc>,
    /// In whose name.
    organisation: Option<OrganisationSummary>,
    /// The writer's remark.
    note: Option<String>,
    /// The change that promised it was undone: it was a mistake, and doesn't count for the slippage.
    undone: bool,
}

/// What has to be done at facilities of a kind.
#[derive(Clone, Debug, SimpleObject)]
pub struct InstallationChecklist {
    /// Of which kind.
    kind: FacilityKind,
    /// The first is 1, and built in.
    version: i32,
    /// In the order of the work.
    items: Vec<ChecklistEntry>,
}

/// One thing that has to be done at facilities of a kind.
#[derive(Clone, Debug, SimpleObject)]
pub struct ChecklistEntry {
    /// The word by which it is ticked off.
    code: String,
    /// What it is, in your language.
    label: String,
    /// Nothing is finished without it.
    required: bool,
}

#[ComplexObject]
impl Installation {
    /// Global id.
    pub async fn id(&self) -> ID {
        self.id.clone()
    }
}

impl InstallationChecklist {
    /// The list in a language.
    pub fn told(checklist: Checklist, language: Language) -> Self {
        let entry = |item: ChecklistItem| ChecklistEntry {
            label: item.label(language).to_owned(),
            required: item.required,
            code: item.code,
        };
        Self {
            kind: checklist.kind,
            version: checklist.version,
            items: checklist.items.into_iter().map(entry).collect(),
        }
    }
}

/// What a query selects of an order.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted {
    facility: Option<Selected>,
    reference: bool,
    checklist: bool,
    promises: bool,
}

impl Wanted {
    /// From the selection set of an order.
    pub fn of(order: &Lookahead<'_>) -> Self {
        let facility = order.field("facility");
        Self {
            facility: facility.exists().then(|| Selected::of(&facility)),
            reference: order.field("reference").exists(),
            checklist: order.field("checklist").exists(),
            promises: order.field("promises").exists()
                || order.field("slippageBusinessDays").exists(),
        }
    }

    /// What either selects.
    #[must_use]
    pub fn or(mut self, other: Self) -> Self {
        self.facility = Selected::either(self.facility, other.facility);
        self.reference |= other.reference;
        self.checklist |= other.checklist;
        self.promises |= other.promises;
        self
    }
}

/// Completes orders with what stands in other tables.
pub async fn complete(
    context: &Context<'_>,
    rows: Vec<InstallationRow>,
    wanted: Wanted,
) -> ApiResult<Vec<Installation>> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let services = services(context)?;
    let actor = &caller(context)?.actor;
    let database = &services.database;
    let mut facilities: Vec<FacilityId> = rows.iter().map(|row| row.order.facility).collect();
    facilities.sort_unstable();
    facilities.dedup();
    let ids: Vec<InstallationId> = rows.iter().map(|row| row.order.id).collect();
    let of_facility = match wanted.facility {
        Some(selected) => facilities_by_id(services, actor, &facilities, selected).await?,
        None => HashMap::new(),
    };
    let mut named = HashMap::new();
    if wanted.reference {
        let organisations = actor.organisations_with(Permission::FacilityRead);
        let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
        named = references(database, &organisations, &ids).await?;
    }
    let (mut ticked, mut lists) = (HashMap::new(), Vec::new());
    if wanted.checklist {
        ticked = checks(database, database.read(), &ids).await?;
        lists = checklists(database.read()).await?;
    }
    let (mut promised, mut ends) = (HashMap::new(), HashMap::new());
    if wanted.promises {
        promised = promises(database, &facilities).await?;
        ends = entity::ends(database, &facilities).await?;
    }
    let today = services.clock.today();
    let told = |row: InstallationRow| {
        let InstallationRow {
            order,
            planned_on,
            vendor,
            contractor,
            opened_at,
        } = row;
        let promises: Vec<&PromiseRow> = promised
            .get(&order.facility)
            .map(|all| within(all, ends.get(&order.facility), order.ended_by))
            .unwrap_or_default();
        let promise = |promise: &&PromiseRow| InstallationPromise {
            planned_on: promise.planned_on.map(Date),
            recorded_at: promise.recorded_at,
            organisation: promise.organisation.as_ref().map(summary),
            note: promise.note.clone(),
            undone: promise.undone,
        };
        let (kind, version) = order.checklist;
        let list = lists
            .iter()
            .find(|one| one.kind == kind && one.version == version);
        let checks = ticked.get(&order.id);
        Installation {
            id: NodeId::new(NodeKind::Installation, order.id.0).encode(),
            facility: of_facility.get(&order.facility).cloned(),
            status: order.status,
            planned_on: planned_on.map(Date),
            window: order.window,
            started_on: order.started_on.map(Date),
            ended_on: order.ended_on.map(Date),
            minutes: order.minutes,
            crew: order.crew,
            remark: order.remark,
            reference: named.get(&order.id.0).cloned(),
            vendor: vendor.as_ref().map(summary),
            support_contractor: contractor.as_ref().map(summary),
            checklist: list
                .map(|list| told_checks(list, checks, actor.language))
                .unwrap_or_default(),
            checklist_version: version,
            slippage_business_days: slippage(&promises, order.ended_on, planned_on, today),
            promises: promises.iter().map(promise).collect(),
            opened_at,
            version: order.version,
        }
    };
    Ok(rows.into_iter().map(told).collect())
}

fn told_checks(
    list: &Checklist,
    checks: Option<&Checks>,
    language: Language,
) -> Vec<InstallationCheck> {
    let told = |item: &ChecklistItem| InstallationCheck {
        item: item.code.clone(),
        label: item.label(language).to_owned(),
        required: item.required,
        done_on: checks
            .and_then(|checks| checks.get(&item.code))
            .copied()
            .map(Date),
    };
    list.items.iter().map(told).collect()
}

/// The promises of a facility that were made for one order: after the order before it ended, and before it did.
fn within<'a>(
    all: &'a [PromiseRow],
    ends: Option<&Vec<ChangeId>>,
    ended_by: Option<ChangeId>,
) -> Vec<&'a PromiseRow> {
    let before = ends
        .into_iter()
        .flatten()
        .filter(|end| ended_by.is_none_or(|mine| **end < mine))
        .max();
    all.iter()
        .filter(|one| before.is_none_or(|end| one.change > *end))
        .filter(|one| ended_by.is_none_or(|mine| one.change <= mine))
        .collect()
}

/// How many business days after the first promised day it ended, is planned for, or is by now.
fn slippage(
    promises: &[&PromiseRow],
    ended_on: Option<NaiveDate>,
    planned_on: Option<NaiveDate>,
    today: NaiveDate,
) -> Option<i32> {
    let counted = promises.iter().filter(|promise| !promise.undone);
    let first = counted.filter_map(|promise| promise.planned_on).next()?;
    let reached = ended_on.unwrap_or_else(|| planned_on.unwrap_or(first).max(today));
    i32::try_from(business_days(first, reached)).ok()
}

/// Those of some orders that the caller can see, by their rows.
pub async fn installations_by_id(
    context: &Context<'_>,
    ids: &[i64],
) -> ApiResult<HashMap<i64, Installation>> {
    let wanted = Wanted::of(&context.look_ahead());
    by_id(context, ids, wanted).await
}

/// As [`installations_by_id`], where what is wanted is known.
pub async fn by_id(
    context: &Context<'_>,
    ids: &[i64],
    wanted: Wanted,
) -> ApiResult<HashMap<i64, Installation>> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let scope = caller(context)?.actor.scope(Permission::FacilityRead);
    let database = &services(context)?.database;
    let rows = entity::find(database, &scope, Condition::Ids(ids)).await?;
    let keys: Vec<i64> = rows.iter().map(|row| row.order.id.0).collect();
    let orders = complete(context, rows, wanted).await?;
    Ok(keys.into_iter().zip(orders).collect())
}

/// A problem as a user error at a path.
pub fn told(problem: &InstallationProblem, actor: &Actor, path: &[&str]) -> UserError {
    use InstallationProblem as P;
    use UserErrorCode as Code;
    let (code, field) = match problem {
        P::Facility(problem) => {
            let mut error = user_error(problem, actor, path);
            // What is in the way is a milestone, and what names it is the facility.
            if let Some(field) = error.path.last_mut().filter(|field| *field == "milestone") {
                *field = "facility".to_owned();
            }
            return error;
        }
        P::NotOpen => (Code::NotOpen, Some("facility")),
        P::AlreadyOpen => (Code::AlreadyOpen, Some("facility")),
        P::StaleVersion { .. } => (Code::StaleVersion, Some("expectedVersion")),
        P::BeforeStart { .. } => (Code::DateOutOfOrder, Some("on")),
        P::ChecksMissing { .. } => (Code::ChecksMissing, Some("withChecks")),
        P::UnknownItem { .. } => (Code::OutOfRange, Some("items")),
        P::OutOfRange { field, .. } => (Code::OutOfRange, Some(field.as_str())),
        P::ReferenceTaken => (Code::Taken, Some("reference")),
        P::BadReference { .. } => (Code::InvalidText, Some("reference")),
        P::MissingDate => (Code::Missing, Some("on")),
        P::MissingItems => (Code::Missing, Some("items")),
        P::DuplicateRow { .. } => (Code::DuplicateRow, None),
    };
    UserError {
        code,
        path: path
            .iter()
            .copied()
            .chain(field)
            .map(str::to_owned)
            .collect(),
        message: problem.message(actor.language),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn promise(planned_on: Option<&str>, change: i64) -> PromiseRow {
        PromiseRow {
            planned_on: planned_on.map(day),
            recorded_at: DateTime::UNIX_EPOCH,
            organisation: None,
            note: None,
            change: ChangeId(change),
            undone: false,
        }
    }

    #[test]
    fn an_order_has_the_promises_since_the_one_before_it_ended() {
        let all = [1, 5, 9, 12].map(|change| promise(Some("2021-12-17"), change));
        let ends = vec![ChangeId(5), ChangeId(10)];
        let of = |ended_by: Option<i64>| -> Vec<i64> {
            let mine = within(&all, Some(&ends), ended_by.map(ChangeId));
            mine.iter().map(|one| one.change.0).collect()
        };
        assert_eq!(of(Some(5)), [1, 5]);
        assert_eq!(of(Some(10)), [9]);
        assert_eq!(of(None), [12]);
    }

    #[test]
    fn slippage_is_counted_from_the_first_promise() {
        let rows = [
            promise(None, 1),
            promise(Some("2021-12-10"), 2),
            promise(Some("2021-12-24"), 3),
        ];
        let promises: Vec<&PromiseRow> = rows.iter().collect();
        let today = day("2021-12-19");
        for (ended_on, planned_on, expected) in [
            (Some("2021-12-13"), None, 1),
            (Some("2021-12-09"), None, -1),
            (None, Some("2021-12-24"), 10),
            (None, Some("2021-12-15"), 5),
            (None, None, 5),
        ] {
            let counted = slippage(&promises, ended_on.map(day), planned_on.map(day), today);
            assert_eq!(counted, Some(expected), "{ended_on:?} {planned_on:?}");
        }
        assert_eq!(slippage(&promises[..1], None, None, today), None);
        let later: Vec<&PromiseRow> = promises[2..].to_vec();
        assert_eq!(slippage(&later, None, None, today), Some(0));
        assert_eq!(
            slippage(&later, None, Some(day("2021-12-24")), today),
            Some(0)
        );
    }
}
