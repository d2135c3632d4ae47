//! Facilities under change in one transaction, before anything is written: their histories as the steps so far leave
//! them, and who may take which step.

use std::{collections::BTreeMap, sync::Arc};

use chrono::NaiveDate;

use super::{Step, commit::Amended};
use crate::{
    auth::{Actor, Permission, Scope, allows},
    change::Writer,
    db::{DbErr, EventId, FacilityId, OrganisationId, Transaction},
    milestone::{
        Action, Aspect, Derived, Event, History, Milestone, Problem, Violation,
        authority::{Rights, Topic},
        entity::{self, LockedState},
    },
};

/// A facility as the steps change it.
#[derive(Debug)]
pub struct Working {
    /// Its row, locked.
    pub state: LockedState,
    before: Arc<Derived>,
    history: History,
    after: Arc<Derived>,
    events: Vec<Event>,
    order: usize,
}

impl Working {
    /// Does any step so far change it?
    pub fn is_changed(&self) -> bool {
        !self.events.is_empty()
    }

    /// What follows from its history as the steps so far leave it.
    pub fn after(&self) -> &Derived {
        &self.after
    }

    /// Its history as the steps so far leave it.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// Its row as the steps so far leave it, as far as that decides who may do what.
    pub fn state_now(&self) -> LockedState {
        self.state_if(&self.after)
    }

    /// Its row if it stood so, as far as that decides who may do what.
    fn state_if(&self, derived: &Derived) -> LockedState {
        let current = &derived.current;
        LockedState {
            vendor: current.cell.vendor,
            chain: current.cell.chain,
            contractor: current.contractor,
            corporation: current.corporation,
            area: current.area,
            ..self.state.clone()
        }
    }
}

/// A step that breaks no rule, before it is taken.
#[derive(Debug)]
pub struct Taken {
    history: History,
    after: Arc<Derived>,
    events: Vec<Event>,
}

impl Taken {
    /// The recording of these events.
    ///
    /// # Errors
    /// The rule that they break.
    pub fn of(working: &Working, events: Vec<Event>) -> Result<Self, Violation> {
        let history = working.history.extended(&events);
        let after = history.derive()?;
        Ok(Self {
            history,
            after: Arc::new(after),
            events,
        })
    }

    /// The events that it makes.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// How many events it makes.
    pub fn count(&self) -> usize {
        self.events.len()
    }
}

/// Facilities under change.
#[derive(Debug)]
pub struct Draft {
    /// Today in Japan.
    pub today: NaiveDate,
    visible: Scope,
    rights: Rights,
    facilities: BTreeMap<FacilityId, Working>,
}

impl Draft {
    /// Locks facilities and reads their histories.
    pub async fn read(
        writer: &Writer<'_>,
        transaction: &Transaction,
        mut ids: Vec<FacilityId>,
    ) -> Result<Self, DbErr> {
        ids.sort_unstable();
        ids.dedup();
        let states = entity::lock(writer.database, transaction, &ids).await?;
        let histories = entity::histories(writer.database, transaction, &ids).await?;
        Self::of(writer, states, histories)
    }

    /// Reads the histories of facilities to find out what a step would do. Nothing may be written by it: the rows are not
    /// locked.
    pub async fn look(writer: &Writer<'_>, mut ids: Vec<FacilityId>) -> Result<Self, DbErr> {
        ids.sort_unstable();
        ids.dedup();
        let connection = writer.database.read();
        let states = entity::states(writer.database, connection, &ids).await?;
        let histories = entity::histories(writer.database, connection, &ids).await?;
        Self::of(writer, states, histories)
    }

    fn of(
        writer: &Writer<'_>,
        states: BTreeMap<FacilityId, LockedState>,
        mut histories: BTreeMap<FacilityId, History>,
    ) -> Result<Self, DbErr> {
        let mut facilities = BTreeMap::new();
        for (facility, state) in states {
            let history = histories.remove(&facility).unwrap_or_default();
            let before = history
                .derive()
                .map_err(|broken| DbErr::Custom(format!("facility {facility}: {broken:?}")))?;
            let before = Arc::new(before);
            let working = Working {
                state,
                after: Arc::clone(&before),
                before,
                history,
                events: Vec::new(),
                order: usize::MAX,
            };
            facilities.insert(facility, working);
        }
        Ok(Self {
            today: writer.clock.today(),
            visible: writer.actor.scope(Permission::FacilityRead),
            rights: Rights::of(writer.actor),
            facilities,
        })
    }

    /// The facility as the steps so far leave it, if the actor can see it.
    pub fn find(&self, facility: FacilityId) -> Result<&Working, Problem> {
        let found = self.facilities.get(&facility);
        found
            .filter(|working| working.state.within(&self.visible))
            .ok_or(Problem::NotFound)
    }

    /// The facility, as [`Self::find`], whether or not the actor can see it.
    pub fn get(&self, facility: FacilityId) -> Option<&Working> {
        self.facilities.get(&facility)
    }

    /// The facility as [`Self::find`], if the actor can see it now or could if these events were taken: what it linked to
    /// others is no longer its own.
    pub fn find_before_or_after(
        &self,
        facility: FacilityId,
        taken: impl FnOnce(&Working) -> Result<Taken, Problem>,
    ) -> Result<(&Working, Taken), Problem> {
        let working = self.facilities.get(&facility).ok_or(Problem::NotFound)?;
        let seen = working.state.within(&self.visible);
        match taken(working) {
            Ok(taken) if seen || working.state_if(&taken.after).within(&self.visible) => {
                Ok((working, taken))
            }
            Err(problem) if seen => Err(problem),
            _ => Err(Problem::NotFound),
        }
    }

    /// The facility, if the actor can see it as it is or as the steps so far leave it.
    pub fn seen_before_or_after(&self, facility: FacilityId) -> Option<&Working> {
        let working = self.facilities.get(&facility)?;
        let seen = working.state.within(&self.visible) || working.state_now().within(&self.visible);
        seen.then_some(working)
    }

    /// May the actor record such a thing of the facility?
    pub fn may(&self, working: &Working, topic: Topic) -> bool {
        working.state.within(self.rights.over(topic))
    }

    /// May the actor, or could it if these events were taken?
    pub fn may_before_or_after(&self, working: &Working, taken: &Taken, topic: Topic) -> bool {
        self.may(working, topic)
            || working
                .state_if(&taken.after)
                .within(self.rights.over(topic))
    }

    /// Tries a step.
    ///
    /// # Errors
    /// Why it can't be taken: a rule that it breaks, or what it implies and the actor may not record.
    pub fn attempt(
        &self,
        working: &Working,
        step: &Step,
        note: Option<&String>,
    ) -> Result<Taken, Problem> {
        self.allowed(working, apply(working, step, note)?)
    }

    /// Tries to record events.
    ///
    /// # Errors
    /// Why they can't be: a rule that they break, or one that the actor may not record.
    pub fn attempt_events(&self, working: &Working, events: Vec<Event>) -> Result<Taken, Problem> {
        let takes_back = events.iter().all(|event| event.action == Action::Voided);
        let taken = Taken::of(working, events).map_err(|broken| {
            if takes_back {
                Problem::of_withdrawal(broken)
            } else {
                broken.into()
            }
        })?;
        self.allowed(working, taken)
    }

    fn allowed(&self, working: &Working, taken: Taken) -> Result<Taken, Problem> {
        if touched(&taken.events).all(|topic| self.may(working, topic)) {
            Ok(taken)
        } else {
            Err(Problem::Forbidden)
        }
    }

    /// Takes a step in a row of the request.
    pub fn take(&mut self, facility: FacilityId, taken: Taken, row: usize) {
        if let Some(working) = self.facilities.get_mut(&facility) {
            working.history = taken.history;
            working.after = taken.after;
            working.events.extend(taken.events);
            working.order = working.order.min(row);
        }
    }

    /// The facility has another code from now on.
    pub fn rename(&mut self, facility: FacilityId, code: String) {
        if let Some(working) = self.facilities.get_mut(&facility) {
            working.state.code = code;
        }
    }

    /// Was no step taken?
    pub fn is_unchanged(&self) -> bool {
        self.facilities
            .values()
            .all(|working| working.events.is_empty())
    }

    /// In whose name the request writes: somebody who may record each part of it of each facility.
    pub fn in_name_of(&self, actor: &Actor) -> Option<OrganisationId> {
        let written: Vec<(&Working, Topic)> = self
            .facilities
            .values()
            .flat_map(|one| touched(&one.events).map(move |topic| (one, topic)))
            .collect();
        let permission = written
            .first()
            .map_or(Permission::MilestoneWrite, |(_, topic)| topic.permission());
        actor.acting_over(permission, &written, |grant, (working, topic)| {
            let reach = grant.reach();
            let links = matches!(topic, Topic::Link | Topic::Part | Topic::HandingOn);
            topic.is_for(grant)
                && allows(grant.kind, grant.role, topic.permission())
                && (working.state.within(&reach) || links && working.state_now().within(&reach))
        })
    }

    /// In whose name the request writes: that of this organisation, if the actor may in it, so that its members see it.
    pub fn in_name_of_first(
        &self,
        actor: &Actor,
        first: Option<OrganisationId>,
    ) -> Option<OrganisationId> {
        let mut narrowed = actor.clone();
        narrowed
            .grants
            .retain(|grant| Some(grant.organisation) == first);
        self.in_name_of(&narrowed)
            .or_else(|| self.in_name_of(actor))
    }

    /// The facilities that change, in the order in which the request first names them.
    pub fn amended(&self) -> Vec<Amended> {
        let mut changed: Vec<_> = self
            .facilities
            .iter()
            .filter(|(_, working)| !working.events.is_empty())
            .collect();
        changed.sort_by_key(|(_, working)| working.order);
        changed
            .into_iter()
            .map(|(facility, working)| Amended {
                facility: *facility,
                code: working.state.code.clone(),
                version: working.state.version,
                before: Some(Arc::clone(&working.before)),
                after: Arc::clone(&working.after),
                events: working.events.clone(),
            })
            .collect()
    }
}

/// What a step is about, by which it is decided who may do it.
pub fn topic_of(working: &Working, step: &Step) -> Result<Topic, Problem> {
    match step {
        Step::Record { milestone, .. }
        | Step::Plan { milestone, .. }
        | Step::Withdraw { milestone, .. } => Ok(Topic::Milestone(*milestone)),
        Step::Block { .. } | Step::Unblock { .. } => Ok(Topic::Blocker),
        Step::Correct { event, .. } => {
            // Of events that are voided too: a row before may have done that.
            let mut events = working.history.events().iter();
            let found = events.find(|one| one.id == Some(*event));
            match found.map(|one| one.aspect) {
                Some(Aspect::Milestone(milestone)) => Ok(Topic::Milestone(milestone)),
                Some(Aspect::Blocker(_)) => Ok(Topic::Blocker),
                _ => Err(Problem::EventNotFound),
            }
        }
    }
}

/// What events are about, those among them that the caller only implied.
fn touched(events: &[Event]) -> impl Iterator<Item = Topic> {
    events.iter().filter_map(|event| Topic::of(event.aspect))
}

/// The history after a step, what follows from it, and the events that the step makes.
fn apply(working: &Working, step: &Step, note: Option<&String>) -> Result<Taken, Problem> {
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
        Step::Block { blocker, on } => vec![Event::blocked(*blocker, *on)],
        Step::Unblock { blocker, on } => vec![Event::unblocked(*blocker, *on)],
        Step::Correct { event, on } => correction(&working.history, *event, *on)?,
    };
    let takes_back = matches!(step, Step::Withdraw { .. } | Step::Correct { on: None, .. });
    let events = events
        .into_iter()
        .map(|event| event.with_note(note.cloned()))
        .collect();
    Taken::of(working, events).map_err(|violation| {
        if takes_back {
            Problem::of_withdrawal(violation)
        } else {
            since_before(working, violation).into()
        }
    })
}

/// A record of an earlier day meets the one that is there: what the caller wants to know is since when that holds.
fn since_before(working: &Working, violation: Violation) -> Violation {
    let current = &working.after.current;
    match violation {
        Violation::AlreadyReached { milestone, since } => Violation::AlreadyReached {
            milestone,
            since: current.reached(milestone).unwrap_or(since),
        },
        Violation::AlreadyBlocked { blocker, since } => Violation::AlreadyBlocked {
            blocker,
            since: *current.blocked_since.get(&blocker).unwrap_or(&since),
        },
        other => other,
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

/// The event that plans a milestone for a day, or drops its plan.
///
/// # Errors
/// It is planned so already.
pub fn planned(
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
