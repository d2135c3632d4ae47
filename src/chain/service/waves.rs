//! Waves: naming them, planning their stores, and undoing that.

use std::collections::{BTreeMap, HashMap};

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::{
    auth::{
        Actor, OrganisationKind, Permission, Scope, entity::names::kinships, input::checked_text,
    },
    chain::{
        WaveId, WaveProblem as Problem,
        entity::{self, Planned, WaveRow, Which},
    },
    change::{self, WriteError, Writer},
    db::{ChangeId, DbErr, FacilityId, OrganisationId, Transaction, is_unique_violation},
    milestone::{
        self, Milestone,
        authority::Topic,
        service::{
            BulkOutcome, Draft, EARLIEST, ErrorPolicy, MOST_ROWS, Rows, Step, Working, commit,
        },
    },
};

/// Longest name, in characters.
const MOST_NAME: usize = 100;
/// Most waves of a chain.
const MOST_WAVES: usize = 500;
/// Most stores of a wave.
const MOST_STORES: usize = MOST_ROWS;

/// What became of a request about a wave.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The wave; `None` if there is none.
    pub wave: Option<WaveId>,
    /// The change that recorded it, if anything was written.
    pub change: Option<ChangeId>,
    /// Why it was refused, and for which field of the input.
    pub problem: Option<(String, Problem)>,
}

impl Outcome {
    fn refused(field: &str, problem: Problem) -> Self {
        Self {
            problem: Some((field.to_owned(), problem)),
            ..Self::default()
        }
    }
}

/// A wave to be made, or to be called otherwise.
#[derive(Clone, Debug, Serialize)]
pub struct SaveRequest {
    /// The one that is renamed; a new one if none.
    pub id: Option<WaveId>,
    /// The chain of a new one; the actor's own if none is named.
    pub chain: Option<OrganisationId>,
    /// Its name.
    pub name: String,
    /// What a new one plans.
    pub milestone: Milestone,
    /// The version that the caller read.
    pub expected_version: Option<i32>,
}

/// Whoever records milestones for a chain plans its waves; those who do for the nation plan everyone's.
fn may_plan(actor: &Actor, chain: OrganisationId) -> bool {
    let permission = Permission::MilestoneWrite;
    actor.scope(permission) == Scope::All || actor.may_in(chain, permission)
}

/// In whose name a wave is planned: the chain's, if the actor may in it.
fn in_name_of(actor: &Actor, chain: OrganisationId) -> Option<OrganisationId> {
    let permission = Permission::MilestoneWrite;
    if actor.may_in(chain, permission) && actor.belongs_to(chain) {
        return Some(chain);
    }
    actor.acting_for(permission)
}

async fn visible(
    transaction: &Transaction,
    actor: &Actor,
    wave: WaveId,
) -> Result<Option<WaveRow>, DbErr> {
    let found = entity::waves(transaction, actor, Which::Ids(&[wave.0])).await?;
    Ok(found.into_iter().next())
}

/// Makes a wave, or gives one another name.
pub async fn save(writer: &Writer<'_>, request: &SaveRequest) -> Result<Outcome, WriteError> {
    let transaction = writer.database.begin().await?;
    let Ok(name) = checked_text(&request.name, MOST_NAME) else {
        let problem = Problem::BadName { most: MOST_NAME };
        let outcome = Outcome::refused("name", problem);
        return writer.refuse(transaction, outcome).await;
    };
    let written = match request.id {
        None => add(writer, &transaction, request, &name).await,
        Some(id) => rename(writer, &transaction, id, request.expected_version, &name).await,
    };
    match written {
        Ok(outcome) if outcome.problem.is_some() || writer.dry_run => {
            writer.refuse(transaction, outcome).await
        }
        Ok(outcome) => writer.finish(transaction, outcome).await,
        Err(error) if is_unique_violation(&error) => {
            let outcome = Outcome::refused("name", Problem::NameTaken);
            writer.leave_nothing(transaction, outcome).await
        }
        Err(error) => Err(error.into()),
    }
}

async fn add(
    writer: &Writer<'_>,
    transaction: &Transaction,
    request: &SaveRequest,
    name: &str,
) -> Result<Outcome, DbErr> {
    let actor = writer.actor;
    let own = || {
        let mut chains = actor
            .grants_with(Permission::MilestoneWrite)
            .filter(|grant| grant.kind == OrganisationKind::Chain);
        chains.next().map(|grant| grant.organisation)
    };
    let unknown = || Outcome::refused("organisationId", Problem::UnknownOrganisation);
    let Some(chain) = request.chain.or_else(own) else {
        return Ok(unknown());
    };
    let kinds = kinships(transaction, &[chain]).await?;
    let is_chain = kinds
        .get(&chain)
        .is_some_and(|one| one.kind == OrganisationKind::Chain);
    if !is_chain || !may_plan(actor, chain) {
        return Ok(unknown());
    }
    let page = Which::Page {
        chain: Some(chain),
        after: None,
        most: i64::try_from(MOST_WAVES).unwrap_or(i64::MAX),
    };
    let there = entity::waves(transaction, &Actor::system(), page).await?;
    if there.len() >= MOST_WAVES {
        let problem = Problem::TooMany { most: MOST_WAVES };
        return Ok(Outcome::refused("name", problem));
    }
    // Told before anything is written: a broken constraint leaves no transaction to answer in.
    if there.iter().any(|wave| wave.name == name) {
        return Ok(Outcome::refused("name", Problem::NameTaken));
    }
    let organisation = in_name_of(actor, chain);
    let change = change::record(transaction, writer, organisation, "waveSave").await?;
    let wave = entity::insert(transaction, chain, name, request.milestone, change).await?;
    Ok(Outcome {
        wave: Some(wave).filter(|_| !writer.dry_run),
        change: Some(change).filter(|_| !writer.dry_run),
        problem: None,
    })
}

async fn rename(
    writer: &Writer<'_>,
    transaction: &Transaction,
    id: WaveId,
    expected_version: Option<i32>,
    name: &str,
) -> Result<Outcome, DbErr> {
    let Some(before) = visible(transaction, writer.actor, id).await? else {
        return Ok(Outcome::refused("id", Problem::NotFound));
    };
    if !may_plan(writer.actor, before.chain.id) {
        return Ok(Outcome::refused("id", Problem::Forbidden));
    }
    let current = before.version;
    if expected_version.is_some_and(|expected| expected != current)
        || !entity::rename(transaction, id, current, name).await?
    {
        let stale = Problem::StaleVersion { current };
        return Ok(Outcome::refused("expectedVersion", stale));
    }
    let organisation = in_name_of(writer.actor, before.chain.id);
    let change = change::record(transaction, writer, organisation, "waveSave").await?;
    Ok(Outcome {
        wave: Some(id),
        change: Some(change).filter(|_| !writer.dry_run),
        problem: None,
    })
}

/// Removes a wave. What was promised of its stores stays promised.
pub async fn delete(writer: &Writer<'_>, id: WaveId) -> Result<Outcome, WriteError> {
    let transaction = writer.database.begin().await?;
    let outcome = match visible(&transaction, writer.actor, id).await? {
        None => Outcome::refused("id", Problem::NotFound),
        Some(wave) if !may_plan(writer.actor, wave.chain.id) => {
            Outcome::refused("id", Problem::Forbidden)
        }
        Some(wave) => {
            let organisation = in_name_of(writer.actor, wave.chain.id);
            let change = change::record(&transaction, writer, organisation, "waveDelete").await?;
            if entity::remove(&transaction, id, change).await? {
                Outcome {
                    change: Some(change).filter(|_| !writer.dry_run),
                    ..Outcome::default()
                }
            } else {
                Outcome::refused("id", Problem::NotFound)
            }
        }
    };
    if outcome.problem.is_some() || writer.dry_run {
        return writer.refuse(transaction, outcome).await;
    }
    writer.finish(transaction, outcome).await
}

/// One store of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanRow {
    /// The store, or why there is none.
    pub facility: Result<FacilityId, milestone::Problem>,
    /// For which day; `None` takes it out of the wave.
    pub on: Option<NaiveDate>,
    /// The version that the caller read.
    pub expected_version: Option<i32>,
}

/// What became of the planning of a wave.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanOutcome {
    /// Why it was refused as a whole.
    pub problem: Option<Problem>,
    /// Store by store.
    pub bulk: BulkOutcome,
}

/// Plans stores in a wave, in one transaction and by the error policy: the wave's day is also promised in the store's
/// history, unless the milestone was reached or that is promised already.
pub async fn plan(
    writer: &Writer<'_>,
    wave: WaveId,
    rows: &[PlanRow],
    policy: ErrorPolicy,
) -> Result<PlanOutcome, WriteError> {
    let transaction = writer.database.begin().await?;
    let refused = |problem| PlanOutcome {
        problem: Some(problem),
        bulk: BulkOutcome::default(),
    };
    let found = visible(&transaction, writer.actor, wave).await?;
    let wave = match found {
        None => return writer.refuse(transaction, refused(Problem::NotFound)).await,
        Some(wave) if !may_plan(writer.actor, wave.chain.id) => {
            return writer
                .refuse(transaction, refused(Problem::Forbidden))
                .await;
        }
        Some(wave) => wave,
    };
    if !entity::lock(writer.database, &transaction, wave.id).await? {
        return writer.refuse(transaction, refused(Problem::NotFound)).await;
    }
    let named = rows
        .iter()
        .filter_map(|row| row.facility.as_ref().ok().copied());
    let mut request = Request {
        draft: Draft::read(writer, &transaction, named.collect()).await?,
        there: entity::in_force(&transaction, wave.id).await?,
        wave,
        seen: HashMap::new(),
        planned: BTreeMap::new(),
        rows: Rows::default(),
    };
    for (index, row) in rows.iter().enumerate() {
        let checked = request.check(index, row);
        request
            .rows
            .push(row.facility.as_ref().ok().copied(), checked);
    }
    let Request {
        draft,
        there,
        wave,
        planned,
        rows,
        ..
    } = request;
    let told = |bulk| PlanOutcome {
        problem: None,
        bulk,
    };
    let stays = |facility: &FacilityId| !planned.contains_key(facility);
    let of_chain = there.iter().filter(|(_, one)| one.is_of_chain);
    let kept = of_chain.clone().filter(|(facility, _)| stays(facility));
    let stores = kept.count() + planned.values().filter(|on| on.is_some()).count();
    // One that has more than it may, as after an undoing, may become smaller.
    if stores > MOST_STORES.max(of_chain.count()) {
        let problem = Problem::TooManyStores { most: MOST_STORES };
        return writer.refuse(transaction, refused(problem)).await;
    }
    let nothing = planned.is_empty() || rows.refused() && policy == ErrorPolicy::RejectAll;
    if nothing || writer.dry_run {
        let outcome = told(rows.into_outcome(&draft, None, &[], nothing));
        return writer.refuse(transaction, outcome).await;
    }
    let organisation = in_name_of(writer.actor, wave.chain.id);
    let change = change::record(&transaction, writer, organisation, "waveBulkPlan").await?;
    let written = commit(writer, &transaction, change, &draft.amended()).await?;
    match entity::plan_stores(&transaction, wave.id, &planned, change).await {
        Ok(()) => {
            let outcome = told(rows.into_outcome(&draft, Some(change), &written, false));
            writer.finish(transaction, outcome).await
        }
        // Somebody planned one of them in the meantime.
        Err(error) if is_unique_violation(&error) => {
            writer
                .leave_nothing(transaction, refused(Problem::PlannedMeanwhile))
                .await
        }
        Err(error) => Err(error.into()),
    }
}

/// The request while its rows are checked one by one.
struct Request {
    draft: Draft,
    wave: WaveRow,
    there: BTreeMap<FacilityId, Planned>,
    seen: HashMap<FacilityId, usize>,
    planned: BTreeMap<FacilityId, Option<NaiveDate>>,
    rows: Rows,
}

impl Request {
    /// Checks a row and takes its step. Answers how many events it makes.
    fn check(&mut self, index: usize, row: &PlanRow) -> Result<usize, Vec<milestone::Problem>> {
        let one = |problem: milestone::Problem| vec![problem];
        let facility = row.facility.clone().map_err(one)?;
        let milestone = self.wave.milestone;
        let working = self.draft.find(facility).map_err(one)?;
        if !self.draft.may(working, Topic::Milestone(milestone)) {
            return Err(one(milestone::Problem::Forbidden));
        }
        let mut problems = Vec::new();
        let current = working.state.version;
        if row
            .expected_version
            .is_some_and(|expected| expected != current)
        {
            problems.push(milestone::Problem::StaleVersion { current });
        }
        let first = *self.seen.entry(facility).or_insert(index);
        if first != index {
            problems.push(milestone::Problem::DuplicateRow { first });
        }
        if row.on.is_some_and(|on| on < EARLIEST) {
            problems.push(milestone::Problem::TooEarly { earliest: EARLIEST });
        }
        let is_there = self.there.get(&facility).map(|one| one.on);
        // One that was sold may still be taken out.
        let stays = row.on.is_some() || is_there.is_none();
        if stays && working.state.chain != Some(self.wave.chain.id) {
            problems.push(milestone::Problem::NotItsChain);
        }
        let promise = promise(working, milestone, row.on);
        if promise.is_none() && is_there == row.on {
            problems.push(milestone::Problem::NothingToDo);
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let made = match promise {
            None => 0,
            Some(step) => {
                let taken = self.draft.attempt(working, &step, None).map_err(one)?;
                let made = taken.count();
                self.draft.take(facility, taken, index);
                made
            }
        };
        self.planned.insert(facility, row.on);
        Ok(made)
    }
}

/// What promises the day of a wave in a store's history, where that is still to be promised.
fn promise(working: &Working, milestone: Milestone, on: Option<NaiveDate>) -> Option<Step> {
    let current = &working.after().current;
    let done = current.reached(milestone).is_some()
        || milestone == Milestone::Installed && current.reached(Milestone::Ready).is_some();
    let promised = *current.planned_on.of(milestone);
    let missing = on.is_some() && !done && promised != on;
    missing.then_some(Step::Plan { milestone, on })
}

/// What a change told of stores in waves.
#[derive(Debug, Default)]
pub struct Told(HashMap<FacilityId, Vec<entity::Told>>);

impl Told {
    /// Reads what a change told, of so many stores at most, and answers these in its order too.
    pub async fn read(
        transaction: &Transaction,
        change: ChangeId,
        most: usize,
    ) -> Result<(Self, Vec<FacilityId>), DbErr> {
        let told = entity::told_by(transaction, change, most).await?;
        let stores = told.iter().map(|one| one.facility).collect();
        let mut by_store: HashMap<FacilityId, Vec<entity::Told>> = HashMap::new();
        for one in told {
            by_store.entry(one.facility).or_default().push(one);
        }
        Ok((Self(by_store), stores))
    }

    /// May an actor take back what was told of a store?
    ///
    /// # Errors
    /// Only whoever plans the wave may; and it was planned anew since, or is taken back already.
    pub fn check(
        &self,
        actor: &Actor,
        facility: FacilityId,
        undoings: &[ChangeId],
    ) -> Result<(), milestone::Problem> {
        for one in self.0.get(&facility).into_iter().flatten() {
            if !may_plan(actor, one.chain) {
                return Err(milestone::Problem::Forbidden);
            }
            match one.replaced {
                Some((by, _)) if undoings.contains(&by) => {
                    return Err(milestone::Problem::AlreadyUndone);
                }
                Some((_, at)) => return Err(milestone::Problem::ChangedSince { at }),
                None => {}
            }
        }
        Ok(())
    }

    /// Did it tell anything of a store?
    pub fn is_of(&self, facility: FacilityId) -> bool {
        self.0.contains_key(&facility)
    }

    /// Plans stores as they were before the change.
    pub async fn restore(
        &self,
        transaction: &Transaction,
        undone: ChangeId,
        by: ChangeId,
        facilities: &[FacilityId],
    ) -> Result<(), DbErr> {
        if self.0.is_empty() {
            return Ok(());
        }
        entity::restore(transaction, undone, by, facilities).await
    }
}
