//! Recording, planning, withdrawing and correcting milestones, one or thousands in a request.

use std::collections::{BTreeMap, HashMap};

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::commit::{Amended, commit};
use crate::{
    auth::{Actor, Permission, Scope},
    change::{self, WriteError, Writer},
    db::{ChangeId, DbErr, EventId, FacilityId, OrganisationId, Transaction},
    milestone::{
        Action, Aspect, Derived, Event, History, Milestone, PerMilestone, Problem,
        authority::{may_record, recording_scope},
        entity::{self, LockedState},
    },
};

/// Most rows in one request; more than that is a file.
pub const MOST_ROWS: usize = 5_000;

/// Nothing of the rollout happened before this day: the portal opened for applications on 2020-08-07,
/// and facilities may have engaged a vendor some time before.
pub const EARLIEST: NaiveDate = match NaiveDate::from_ymd_opt(2020, 1, 1) {
    Some(day) => day,
    None => NaiveDate::MIN,
};

const MOST_NOTE: usize = 1_000;

/// What to do to one facility's history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// The milestone was reached on a day. With `imply_earlier`, READER_APPLIED and READY are recorded on
    /// the same day where the milestone needs them and they are missing; who may not record these may not imply them.
    Record {
        /// Which.
        milestone: Milestone,
        /// When.
        on: NaiveDate,
        /// Record what it needs as well.
        imply_earlier: bool,
    },
    /// The milestone is planned for a day, or no longer planned.
    Plan {
        /// Which.
        milestone: Milestone,
        /// For when.
        on: Option<NaiveDate>,
    },
    /// The milestone was taken back on a day. With `with_later`, those that need it go too.
    Withdraw {
        /// Which.
        milestone: Milestone,
        /// From when it is no longer in effect.
        on: NaiveDate,
        /// Take back what needs it as well.
        with_later: bool,
    },
    /// An event was a mistake: it is voided, and perhaps replaced by the same on another day.
    Correct {
        /// Which event.
        event: EventId,
        /// The right day; `None` if it never happened.
        on: Option<NaiveDate>,
    },
}

/// One row of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepRow {
    /// The facility, or why there is none: what the caller gave is no code, or none of theirs.
    pub facility: Result<FacilityId, Problem>,
    /// What to do, or what is wrong with how it was asked.
    pub step: Result<Step, Problem>,
    /// The version the caller read.
    pub expected_version: Option<i32>,
    /// A remark kept with the event.
    pub note: Option<String>,
}

impl StepRow {
    /// The facility, if there is one.
    pub fn named(&self) -> Option<FacilityId> {
        self.facility.as_ref().ok().copied()
    }
}

/// What becomes of a request some of whose rows fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, async_graphql::Enum)]
pub enum ErrorPolicy {
    /// Nothing is written if any row fails.
    RejectAll,
    /// The rows that pass are written.
    RejectFailedRows,
}

/// What became of one row.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowOutcome {
    /// The facility, if the caller can see it.
    pub facility: Option<FacilityId>,
    /// The version that the write left, or, if it was only tried, would leave. `None` if nothing is written for this
    /// row.
    pub version: Option<i32>,
    /// The events written for this row.
    pub events: Vec<EventId>,
    /// Why it was refused.
    pub problems: Vec<Problem>,
}

/// What became of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BulkOutcome {
    /// The change that recorded it, if anything was written.
    pub change: Option<ChangeId>,
    /// Row by row, in input order.
    pub rows: Vec<RowOutcome>,
}

impl BulkOutcome {
    /// Of a request with one row, for which nothing was written.
    pub fn of(row: RowOutcome) -> Self {
        Self {
            change: None,
            rows: vec![row],
        }
    }

    /// Of a request with one row that was refused before its facility was looked at.
    pub fn refused(problems: Vec<Problem>) -> Self {
        Self::of(RowOutcome {
            problems,
            ..RowOutcome::default()
        })
    }
}

/// Does the steps of all rows in one transaction, by the error policy, or answers as the first time if
/// they were done before under the same key.
pub async fn write_steps(
    writer: &Writer<'_>,
    operation: &'static str,
    rows: &[StepRow],
    policy: ErrorPolicy,
) -> Result<BulkOutcome, WriteError> {
    let transaction = writer.database.begin().await?;
    let mut draft = Draft::read(writer, &transaction, rows).await?;
    for (index, row) in rows.iter().enumerate() {
        draft.take(index, row);
    }
    let refused = draft.refused() && policy == ErrorPolicy::RejectAll;
    let nothing = refused || draft.is_unchanged();
    if nothing || writer.dry_run {
        return writer
            .refuse(transaction, draft.into_outcome(None, &[], nothing))
            .await;
    }
    let organisation = draft.in_name_of(writer.actor);
    let change = change::record(&transaction, writer, organisation, operation).await?;
    let amended = draft.amended();
    let ids = commit(writer, &transaction, change, &amended).await?;
    let outcome = draft.into_outcome(Some(change), &ids, false);
    writer.finish(transaction, outcome).await
}

/// A facility as the rows change it, before anything is written.
struct Working {
    state: LockedState,
    before: Derived,
    history: History,
    after: Derived,
    events: Vec<Event>,
    order: usize,
}

/// What no two rows of a request may do to the same facility.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Subject {
    Record(Milestone),
    Plan(Milestone),
    Withdraw(Milestone),
    Correct(EventId),
}

impl From<&Step> for Subject {
    fn from(step: &Step) -> Self {
        match step {
            Step::Record { milestone, .. } => Self::Record(*milestone),
            Step::Plan { milestone, .. } => Self::Plan(*milestone),
            Step::Withdraw { milestone, .. } => Self::Withdraw(*milestone),
            Step::Correct { event, .. } => Self::Correct(*event),
        }
    }
}

impl Subject {
    /// What may be done once more after this: a milestone is recorded again after it was withdrawn.
    fn undone(self) -> Option<Self> {
        match self {
            Self::Record(milestone) => Some(Self::Withdraw(milestone)),
            Self::Withdraw(milestone) => Some(Self::Record(milestone)),
            Self::Plan(_) | Self::Correct(_) => None,
        }
    }
}

/// The request while its rows are checked one by one.
struct Draft {
    today: NaiveDate,
    visible: Scope,
    recording: PerMilestone<Scope>,
    facilities: BTreeMap<FacilityId, Working>,
    seen: HashMap<(FacilityId, Subject), usize>,
    rows: Vec<(RowOutcome, usize)>,
}

impl Draft {
    async fn read(
        writer: &Writer<'_>,
        transaction: &Transaction,
        rows: &[StepRow],
    ) -> Result<Self, DbErr> {
        let mut ids: Vec<FacilityId> = rows.iter().filter_map(StepRow::named).collect();
        ids.sort_unstable();
        ids.dedup();
        let states = entity::lock(writer.database, transaction, &ids).await?;
        let mut histories = entity::histories(writer.database, transaction, &ids).await?;
        let mut facilities = BTreeMap::new();
        for (facility, state) in states {
            let history = histories.remove(&facility).unwrap_or_default();
            let before = history
                .derive()
                .map_err(|broken| DbErr::Custom(format!("facility {facility}: {broken:?}")))?;
            facilities.insert(
                facility,
                Working {
                    state,
                    after: before.clone(),
                    before,
                    history,
                    events: Vec::new(),
                    order: usize::MAX,
                },
            );
        }
        Ok(Self {
            today: writer.clock.today(),
            visible: writer.actor.scope(Permission::FacilityRead),
            recording: PerMilestone::new(|milestone| recording_scope(writer.actor, milestone)),
            facilities,
            seen: HashMap::new(),
            rows: Vec::with_capacity(rows.len()),
        })
    }

    fn take(&mut self, index: usize, row: &StepRow) {
        let (problems, written) = match self.check(index, row) {
            Ok(written) => (Vec::new(), written),
            Err(problems) => (problems, 0),
        };
        let seen = row
            .named()
            .filter(|_| !problems.contains(&Problem::NotFound));
        self.rows.push((
            RowOutcome {
                facility: seen,
                version: None,
                events: Vec::new(),
                problems,
            },
            written,
        ));
    }

    /// Checks a row and applies it to the facility's working history. Answers how many events it makes.
    fn check(&mut self, index: usize, row: &StepRow) -> Result<usize, Vec<Problem>> {
        let not_found = || vec![Problem::NotFound];
        let unnamed = |problem: &Problem| vec![problem.clone()];
        let facility = *row.facility.as_ref().map_err(unnamed)?;
        let working = self.facilities.get_mut(&facility).ok_or_else(not_found)?;
        if !working.state.within(&self.visible) {
            return Err(not_found());
        }
        let step = row.step.as_ref().map_err(|wrong| vec![wrong.clone()])?;
        let milestone = milestone_of(working, step).map_err(|problem| vec![problem])?;
        if !working.state.within(self.recording.of(milestone)) {
            return Err(vec![Problem::Forbidden]);
        }
        let mut problems = check_row(row, step, &working.state, self.today);
        let subject = Subject::from(step);
        let first = *self.seen.entry((facility, subject)).or_insert(index);
        if first != index {
            problems.push(Problem::DuplicateRow { first });
        }
        match apply(working, step, row.note.as_ref()) {
            Ok((history, after, events)) => {
                let may = |milestone| working.state.within(self.recording.of(milestone));
                if !touched(&events).all(may) {
                    problems.push(Problem::Forbidden);
                }
                if !problems.is_empty() {
                    return Err(problems);
                }
                let made = events.len();
                working.history = history;
                working.after = after;
                working.events.extend(events);
                working.order = working.order.min(index);
                if let Some(undone) = subject.undone() {
                    self.seen.remove(&(facility, undone));
                }
                Ok(made)
            }
            Err(problem) => {
                problems.push(problem);
                Err(problems)
            }
        }
    }

    fn refused(&self) -> bool {
        self.rows.iter().any(|(row, _)| !row.problems.is_empty())
    }

    fn is_unchanged(&self) -> bool {
        self.facilities
            .values()
            .all(|working| working.events.is_empty())
    }

    /// In whose name the request writes: somebody who may record each of its milestones of each facility.
    fn in_name_of(&self, actor: &Actor) -> Option<OrganisationId> {
        let written: Vec<(&LockedState, Milestone)> = self
            .facilities
            .values()
            .flat_map(|one| touched(&one.events).map(|milestone| (&one.state, milestone)))
            .collect();
        actor.acting_over(
            Permission::MilestoneWrite,
            &written,
            |grant, (state, milestone)| {
                may_record(grant.kind, *milestone) && state.within(&grant.reach())
            },
        )
    }

    /// The facilities that change, in the order in which the request first names them.
    fn changed(&self) -> Vec<(&FacilityId, &Working)> {
        let mut changed: Vec<_> = self
            .facilities
            .iter()
            .filter(|(_, working)| !working.events.is_empty())
            .collect();
        changed.sort_by_key(|(_, working)| working.order);
        changed
    }

    fn amended(&self) -> Vec<Amended> {
        self.changed()
            .into_iter()
            .map(|(facility, working)| Amended {
                facility: *facility,
                code: working.state.code.clone(),
                version: working.state.version,
                before: Some(working.before.clone()),
                after: working.after.clone(),
                events: working.events.clone(),
            })
            .collect()
    }

    fn into_outcome(
        self,
        change: Option<ChangeId>,
        ids: &[Vec<EventId>],
        nothing_written: bool,
    ) -> BulkOutcome {
        let mut made: HashMap<FacilityId, std::slice::Iter<'_, EventId>> = self
            .changed()
            .into_iter()
            .zip(ids)
            .map(|((facility, _), ids)| (*facility, ids.iter()))
            .collect();
        let rows = self
            .rows
            .into_iter()
            .map(|(mut row, written)| {
                let working = row.facility.and_then(|id| self.facilities.get(&id));
                row.version = working
                    .filter(|_| !nothing_written && row.problems.is_empty())
                    .map(|working| working.state.version + 1);
                if let Some(ids) = row.facility.and_then(|id| made.get_mut(&id)) {
                    row.events = ids.take(written).copied().collect();
                }
                row
            })
            .collect();
        BulkOutcome { change, rows }
    }
}

/// The checks that need no history.
fn check_row(row: &StepRow, step: &Step, state: &LockedState, today: NaiveDate) -> Vec<Problem> {
    let mut problems = Vec::new();
    if let Some(expected) = row.expected_version
        && expected != state.version
    {
        problems.push(Problem::StaleVersion {
            current: state.version,
        });
    }
    let (day, may_be_ahead) = match step {
        Step::Record { on, .. } | Step::Withdraw { on, .. } => (Some(*on), false),
        Step::Correct { on, .. } => (*on, false),
        Step::Plan { on, .. } => (*on, true),
    };
    if day.is_some_and(|day| day > today) && !may_be_ahead {
        problems.push(Problem::InFuture { today });
    }
    if day.is_some_and(|day| day < EARLIEST) {
        problems.push(Problem::TooEarly { earliest: EARLIEST });
    }
    problems.extend(check_note(row.note.as_deref()));
    problems
}

/// Is a remark of a sensible length, without control characters?
pub fn check_note(note: Option<&str>) -> Option<Problem> {
    let bad = |note: &str| {
        note.chars().count() > MOST_NOTE || note.chars().any(|c| c.is_control() && c != '\n')
    };
    note.is_some_and(bad)
        .then_some(Problem::BadText { most: MOST_NOTE })
}

/// The milestone that a step is about, by which it is decided who may do it.
fn milestone_of(working: &Working, step: &Step) -> Result<Milestone, Problem> {
    match step {
        Step::Record { milestone, .. }
        | Step::Plan { milestone, .. }
        | Step::Withdraw { milestone, .. } => Ok(*milestone),
        Step::Correct { event, .. } => {
            // Of events that are voided too: a row before may have done that.
            let mut events = working.history.events().iter();
            match events
                .find(|one| one.id == Some(*event))
                .map(|one| one.aspect)
            {
                Some(Aspect::Milestone(milestone)) => Ok(milestone),
                _ => Err(Problem::EventNotFound),
            }
        }
    }
}

/// The milestones that events are about, those among them that the caller only implied.
fn touched(events: &[Event]) -> impl Iterator<Item = Milestone> {
    events.iter().filter_map(|event| match event.aspect {
        Aspect::Milestone(milestone) | Aspect::Plan(milestone) => Some(milestone),
        _ => None,
    })
}

/// The history after a step, what follows from it, and the events that the step makes.
fn apply(
    working: &Working,
    step: &Step,
    note: Option<&String>,
) -> Result<(History, Derived, Vec<Event>), Problem> {
    let events = match step {
        Step::Record {
            milestone,
            on,
            imply_earlier,
        } => recorded(working, *milestone, *on, *imply_earlier),
        Step::Plan { milestone, on } => vec![planned(working, *milestone, *on)?],
        Step::Withdraw {
            milestone,
            on,
            with_later,
        } => withdrawn(working, *milestone, *on, *with_later),
        Step::Correct { event, on } => correction(&working.history, *event, *on)?,
    };
    let events: Vec<Event> = events
        .into_iter()
        .map(|event| event.with_note(note.cloned()))
        .collect();
    let history = working.history.extended(&events);
    let takes_back = matches!(step, Step::Withdraw { .. } | Step::Correct { on: None, .. });
    match history.derive() {
        Ok(after) => Ok((history, after, events)),
        Err(violation) if takes_back => Err(Problem::of_withdrawal(violation)),
        Err(violation) => Err(violation.into()),
    }
}

fn recorded(working: &Working, milestone: Milestone, on: NaiveDate, imply: bool) -> Vec<Event> {
    let missing = |needed: &&Milestone| imply && working.after.current.reached(**needed).is_none();
    milestone
        .needs()
        .iter()
        .filter(missing)
        .chain([&milestone])
        .map(|milestone| Event::reached(*milestone, on))
        .collect()
}

fn planned(
    working: &Working,
    milestone: Milestone,
    on: Option<NaiveDate>,
) -> Result<Event, Problem> {
    let now = *working.after.current.planned_on.of(milestone);
    if now == on {
        return Err(Problem::NothingToDo);
    }
    let aspect = Aspect::Plan(milestone);
    match (on, now) {
        (Some(on), _) => Ok(Event::set(aspect, on, None)),
        (None, Some(now)) => Ok(Event {
            action: Action::Withdrawn,
            ..Event::set(aspect, now, None)
        }),
        (None, None) => Err(Problem::NothingToDo),
    }
}

fn withdrawn(
    working: &Working,
    milestone: Milestone,
    on: NaiveDate,
    with_later: bool,
) -> Vec<Event> {
    let goes = |later: &Milestone| {
        with_later
            && later.needs().contains(&milestone)
            && working.after.current.reached(*later).is_some()
    };
    let later = Milestone::ALL.into_iter().rev().filter(goes);
    later
        .chain([milestone])
        .map(|milestone| Event::withdrawn(milestone, on))
        .collect()
}

/// The events that correct one that was a mistake: it is voided and, if it happened on another day, recorded again.
pub fn correction(
    history: &History,
    event: EventId,
    on: Option<NaiveDate>,
) -> Result<Vec<Event>, Problem> {
    let wrong = history.find(event).ok_or(Problem::EventNotFound)?;
    if on == Some(wrong.effective_on) {
        return Err(Problem::NothingToDo);
    }
    let replacement = on.map(|on| Event {
        id: None,
        effective_on: on,
        note: None,
        ..wrong.clone()
    });
    Ok([Event::voided(wrong)]
        .into_iter()
        .chain(replacement)
        .collect())
}
