//! A facility's history and what follows from it. This is the heart of the system and it is pure: from
//! a list of events it derives the periods that figures count, the current state, and whether the
//! nesting and date rules hold. Every write, of whatever kind, is "add these events, void those, derive
//! again, and refuse the whole if a rule is broken"; totals change by the difference of the periods.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::{
    Action, Aspect, Blocker, Milestone, PerMilestone, Stage, kind::stage_of, work::WorkWalk,
};
use crate::{
    db::{EventId, OrganisationId},
    facility::{FacilityKind, InstitutionCode, Prefecture},
    figures::{Cell, FOREVER, Level, Period, WorkStep},
};

/// An event, stored or about to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its id; `None` while it is not stored.
    pub id: Option<EventId>,
    /// What it is about.
    pub aspect: Aspect,
    /// What happened.
    pub action: Action,
    /// The civil day (JST) on which it took effect.
    pub effective_on: NaiveDate,
    /// An attribute's value.
    pub value: Option<i64>,
    /// The event that this one voids.
    pub voids: Option<EventId>,
    /// The writer's remark.
    pub note: Option<String>,
}

impl Event {
    /// A milestone reached.
    pub fn reached(milestone: Milestone, on: NaiveDate) -> Self {
        Self::new(Aspect::Milestone(milestone), Action::Reached, on, None)
    }

    /// A milestone withdrawn.
    pub fn withdrawn(milestone: Milestone, on: NaiveDate) -> Self {
        Self::new(Aspect::Milestone(milestone), Action::Withdrawn, on, None)
    }

    /// A blocker that came up.
    pub fn blocked(blocker: Blocker, on: NaiveDate) -> Self {
        Self::new(Aspect::Blocker(blocker), Action::Reached, on, None)
    }

    /// A blocker that was resolved.
    pub fn unblocked(blocker: Blocker, on: NaiveDate) -> Self {
        Self::new(Aspect::Blocker(blocker), Action::Withdrawn, on, None)
    }

    /// An attribute set.
    pub fn set(aspect: Aspect, on: NaiveDate, value: Option<i64>) -> Self {
        Self::new(aspect, Action::Set, on, value)
    }

    /// An event voided.
    pub fn voided(event: &Self) -> Self {
        Self {
            voids: event.id,
            ..Self::new(event.aspect, Action::Voided, event.effective_on, None)
        }
    }

    /// The kind that it sets.
    pub fn kind(&self) -> Option<FacilityKind> {
        let code = self.value_of(Aspect::Kind)?;
        i16::try_from(code).ok().and_then(FacilityKind::from_code)
    }

    /// The prefecture that it sets.
    pub fn prefecture(&self) -> Option<Prefecture> {
        let number = self.value_of(Aspect::Prefecture)?;
        u8::try_from(number).ok().and_then(Prefecture::from_number)
    }

    /// Whether it makes the facility a public institution, or no longer one.
    pub fn public_institution(&self) -> Option<bool> {
        let value = self.value_of(Aspect::PublicInstitution)?;
        Some(value != 0)
    }

    /// The institution code that it gives the facility.
    pub fn code(&self) -> Option<InstitutionCode> {
        let number = self.value_of(Aspect::Code)?;
        InstitutionCode::try_from(u64::try_from(number).ok()?).ok()
    }

    fn value_of(&self, aspect: Aspect) -> Option<i64> {
        self.value.filter(|_| self.aspect == aspect)
    }

    /// The same event with a remark.
    pub fn with_note(mut self, note: Option<String>) -> Self {
        self.note = note;
        self
    }

    fn new(aspect: Aspect, action: Action, effective_on: NaiveDate, value: Option<i64>) -> Self {
        Self {
            id: None,
            aspect,
            action,
            effective_on,
            value,
            voids: None,
            note: None,
        }
    }
}

/// A rule that a history breaks, with the day on which it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Violation {
    /// READY without READER_APPLIED, or LIVE without READY, in effect on the day.
    Nesting {
        /// The milestone that lacks its ground.
        milestone: Milestone,
        /// What it needs.
        needs: Milestone,
        /// The first such day.
        on: NaiveDate,
    },
    /// Reached again while in effect.
    AlreadyReached {
        /// The milestone.
        milestone: Milestone,
        /// Since when.
        since: NaiveDate,
    },
    /// Withdrawn though not in effect.
    NotReached {
        /// The milestone.
        milestone: Milestone,
    },
    /// Came up again while it is there.
    AlreadyBlocked {
        /// The blocker.
        blocker: Blocker,
        /// Since when.
        since: NaiveDate,
    },
    /// Resolved though it is not there.
    NotBlocked {
        /// The blocker.
        blocker: Blocker,
    },
    /// Before the facility opened.
    BeforeOpening {
        /// The day it opened.
        opened_on: NaiveDate,
    },
    /// On or after the day on which it closed.
    AfterClosing {
        /// The day it closed.
        closed_on: NaiveDate,
    },
    /// On a day it is a part's of a chain to which it does not belong.
    PartOfAnotherChain,
    /// No opening event is left, or an attribute has no first value.
    Incomplete,
}

/// What holds at the end of a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Current {
    /// Its cell today.
    pub cell: Cell,
    /// Public institution or not.
    pub public_institution: bool,
    /// The support contractor it is handed on to.
    pub contractor: Option<OrganisationId>,
    /// The corporation of its chain that owns it.
    pub corporation: Option<OrganisationId>,
    /// The area of its chain that it belongs to.
    pub area: Option<OrganisationId>,
    /// The day it opened.
    pub opened_on: NaiveDate,
    /// The day from which it no longer counts.
    pub closed_on: Option<NaiveDate>,
    /// Since when each milestone is in effect.
    pub reached_on: PerMilestone<Option<NaiveDate>>,
    /// The planned date in force for each milestone.
    pub planned_on: PerMilestone<Option<NaiveDate>>,
    /// What holds it up, each with the day since which it does.
    pub blocked_since: BTreeMap<Blocker, NaiveDate>,
}

impl Current {
    /// Since when a milestone is in effect.
    pub fn reached(&self, milestone: Milestone) -> Option<NaiveDate> {
        *self.reached_on.of(milestone)
    }

    /// The stage, from the furthest milestone in effect.
    pub fn stage(&self) -> Stage {
        stage_of(|milestone| self.reached(milestone).is_some())
    }

    /// The latest day on which a milestone in effect was reached.
    pub fn last_milestone_on(&self) -> Option<NaiveDate> {
        self.reached_on.values().iter().copied().flatten().max()
    }
}

/// All events of one facility, in the order in which they were recorded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    events: Vec<Event>,
}

impl History {
    /// From stored events in the order of their ids.
    pub fn new(events: Vec<Event>) -> Self {
        Self { events }
    }

    /// All events, voided ones included.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// Adds events after those that are there.
    pub fn extended(&self, new: &[Event]) -> Self {
        let mut events = self.events.clone();
        events.extend_from_slice(new);
        Self { events }
    }

    /// Records events after those that are there.
    pub fn record(&mut self, new: impl IntoIterator<Item = Event>) {
        self.events.extend(new);
    }

    /// Events in force, sorted by the day they took effect, and by recording within a day.
    pub fn in_force(&self) -> Vec<&Event> {
        let mut events: Vec<&Event> = self.recorded_in_force().collect();
        events.sort_by_key(|event| event.effective_on);
        events
    }

    /// Events in force, in the order in which they were recorded.
    fn recorded_in_force(&self) -> impl Iterator<Item = &Event> {
        let voided: Vec<EventId> = self.events.iter().filter_map(|event| event.voids).collect();
        self.events
            .iter()
            .filter(|event| event.action != Action::Voided)
            .filter(move |event| event.id.is_none_or(|id| !voided.contains(&id)))
    }

    /// The stored event in force with this id.
    pub fn find(&self, id: EventId) -> Option<&Event> {
        self.in_force()
            .into_iter()
            .find(|event| event.id == Some(id))
    }

    /// The event by which a milestone is in effect now.
    pub fn latest_reached(&self, milestone: Milestone) -> Option<&Event> {
        self.in_force()
            .into_iter()
            .rfind(|event| event.aspect == Aspect::Milestone(milestone))
            .filter(|event| event.action == Action::Reached)
    }

    /// The value of an attribute on a day.
    pub fn value_on(&self, aspect: Aspect, day: NaiveDate) -> Option<i64> {
        self.in_force()
            .into_iter()
            .rfind(|event| event.aspect == aspect && event.effective_on <= day)
            .and_then(|event| event.value)
    }

    /// Checks every rule and derives everything.
    pub fn derive(&self) -> Result<Derived, Violation> {
        let deriving = Deriving {
            planned_on: self.planned(),
            work: WorkWalk::new(self.minutes_but_for(&[])),
            ..Deriving::default()
        };
        deriving.run(&self.in_force())
    }

    /// How many minutes the installation took, by the last work order that says anything of it, if these events had not
    /// been recorded.
    pub fn minutes_but_for(&self, without: &[EventId]) -> Option<i64> {
        let told = |event: &&Event| {
            event.aspect == Aspect::Installation
                && event.value.is_some()
                && event.id.is_none_or(|id| !without.contains(&id))
        };
        let last = self.recorded_in_force().filter(told).last()?;
        last.value.filter(|minutes| *minutes > 0)
    }

    /// Of all plans of a milestone that are in force the one recorded last counts, whatever its day.
    fn planned(&self) -> PerMilestone<Option<NaiveDate>> {
        let mut planned = PerMilestone::default();
        for event in self.recorded_in_force() {
            if let Aspect::Plan(milestone) = event.aspect {
                let kept = event.action == Action::Set;
                *planned.of_mut(milestone) = kept.then_some(event.effective_on);
            }
        }
        planned
    }
}

/// What follows from a history that breaks no rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Derived {
    /// The periods that figures count, in order, without gaps while open.
    pub periods: Vec<Period>,
    /// What holds at the end.
    pub current: Current,
    /// What it adds to the work done and to the work that waits, day by day.
    pub work: Vec<WorkStep>,
}

/// The state of affairs while walking through the events day by day.
#[derive(Default)]
struct Deriving {
    opened_on: Option<NaiveDate>,
    closed_on: Option<NaiveDate>,
    kind: Option<FacilityKind>,
    prefecture: Option<Prefecture>,
    public_institution: bool,
    vendor: Option<OrganisationId>,
    chain: Option<OrganisationId>,
    contractor: Option<OrganisationId>,
    corporation: Option<OrganisationId>,
    area: Option<OrganisationId>,
    /// The chains to which it belonged when it came to its corporation and its area.
    chains_of_parts: [Option<OrganisationId>; 2],
    /// The parts that were told on the day that is walked through.
    parts_told: [bool; 2],
    reached_on: PerMilestone<Option<NaiveDate>>,
    planned_on: PerMilestone<Option<NaiveDate>>,
    blocked_since: BTreeMap<Blocker, NaiveDate>,
    periods: Vec<Period>,
    work: WorkWalk,
}

impl Deriving {
    fn run(mut self, events: &[&Event]) -> Result<Derived, Violation> {
        self.opened_on = day_of(events, Aspect::Opened);
        self.closed_on = day_of(events, Aspect::Closed);
        self.check_closing()?;
        let mut rest = events;
        while let Some(first) = rest.first() {
            let day = first.effective_on;
            let same_day = rest
                .iter()
                .take_while(|event| event.effective_on == day)
                .count();
            let (today, later) = rest.split_at(same_day);
            for event in today {
                self.apply(event)?;
            }
            self.check_nesting(day)?;
            self.check_parts()?;
            self.open_period(day)?;
            self.work_of(day)?;
            rest = later;
        }
        self.finish()
    }

    fn apply(&mut self, event: &Event) -> Result<(), Violation> {
        let value = event.value.unwrap_or(0);
        match event.aspect {
            Aspect::Milestone(milestone) => return self.apply_milestone(milestone, event),
            Aspect::Blocker(blocker) => return self.apply_blocker(blocker, event),
            Aspect::Kind => self.kind = event.kind(),
            Aspect::Prefecture => self.prefecture = event.prefecture(),
            Aspect::PublicInstitution => {
                self.public_institution = event.public_institution() == Some(true);
            }
            Aspect::Vendor => self.vendor = organisation(value),
            Aspect::Chain => self.chain = organisation(value),
            Aspect::Contractor => self.contractor = organisation(value),
            Aspect::Corporation => {
                self.parts_told[0] |= self.corporation != organisation(value);
                self.corporation = organisation(value);
            }
            Aspect::Area => {
                self.parts_told[1] |= self.area != organisation(value);
                self.area = organisation(value);
            }
            // Of plans the one recorded last is in force, whatever its day: see `History::planned`.
            Aspect::Plan(_)
            | Aspect::Opened
            | Aspect::Closed
            | Aspect::Installation
            | Aspect::Application(_)
            | Aspect::Allocation
            | Aspect::Contacts
            | Aspect::Code => {}
        }
        Ok(())
    }

    fn apply_milestone(&mut self, milestone: Milestone, event: &Event) -> Result<(), Violation> {
        self.check_open(event.effective_on)?;
        let slot = self.reached_on.of_mut(milestone);
        match (event.action, *slot) {
            (Action::Reached, Some(since)) => Err(Violation::AlreadyReached { milestone, since }),
            (Action::Reached, None) => {
                *slot = Some(event.effective_on);
                Ok(())
            }
            (_, None) => Err(Violation::NotReached { milestone }),
            (_, Some(_)) => {
                *slot = None;
                Ok(())
            }
        }
    }

    fn apply_blocker(&mut self, blocker: Blocker, event: &Event) -> Result<(), Violation> {
        self.check_open(event.effective_on)?;
        match (event.action, self.blocked_since.get(&blocker)) {
            (Action::Reached, Some(&since)) => Err(Violation::AlreadyBlocked { blocker, since }),
            (Action::Reached, None) => {
                self.blocked_since.insert(blocker, event.effective_on);
                Ok(())
            }
            (_, None) => Err(Violation::NotBlocked { blocker }),
            (_, Some(_)) => {
                self.blocked_since.remove(&blocker);
                Ok(())
            }
        }
    }

    /// A facility that never opened after all closes on the day on which it would have.
    fn check_closing(&self) -> Result<(), Violation> {
        match (self.opened_on, self.closed_on) {
            (Some(opened_on), Some(closed_on)) if closed_on < opened_on => {
                Err(Violation::BeforeOpening { opened_on })
            }
            _ => Ok(()),
        }
    }

    fn check_open(&self, day: NaiveDate) -> Result<(), Violation> {
        match (self.opened_on, self.closed_on) {
            (None, _) => Err(Violation::Incomplete),
            (Some(opened_on), _) if day < opened_on => Err(Violation::BeforeOpening { opened_on }),
            (_, Some(closed_on)) if day >= closed_on => Err(Violation::AfterClosing { closed_on }),
            _ => Ok(()),
        }
    }

    /// A part of a chain has stores of that chain alone.
    fn check_parts(&mut self) -> Result<(), Violation> {
        let told = std::mem::take(&mut self.parts_told);
        let parts = [self.corporation, self.area];
        for ((part, told), chain) in parts.iter().zip(told).zip(&mut self.chains_of_parts) {
            if told {
                *chain = self.chain;
            }
            if part.is_some() && (self.chain.is_none() || *chain != self.chain) {
                return Err(Violation::PartOfAnotherChain);
            }
        }
        Ok(())
    }

    fn check_nesting(&self, on: NaiveDate) -> Result<(), Violation> {
        let reached = |milestone: Milestone| self.reached(milestone).is_some();
        for milestone in Milestone::ALL.into_iter().filter(|one| reached(*one)) {
            // The latest of what it needs is what people know it by.
            if let Some(&needs) = milestone.needs().iter().rfind(|needs| !reached(**needs)) {
                return Err(Violation::Nesting {
                    milestone,
                    needs,
                    on,
                });
            }
        }
        Ok(())
    }

    fn reached(&self, milestone: Milestone) -> Option<NaiveDate> {
        *self.reached_on.of(milestone)
    }

    fn level(&self) -> Level {
        if self.reached(Milestone::Live).is_some() {
            Level::Live
        } else if self.reached(Milestone::Ready).is_some() {
            Level::Ready
        } else if self.reached(Milestone::ReaderApplied).is_some() {
            Level::Applied
        } else {
            Level::Open
        }
    }

    /// Ends the period before this day and begins the one that holds from it, if anything changed.
    fn open_period(&mut self, day: NaiveDate) -> Result<(), Violation> {
        let Some(opened_on) = self.opened_on else {
            return Err(Violation::Incomplete);
        };
        if day < opened_on {
            return Ok(());
        }
        let closed = self.closed_on.is_some_and(|closed_on| day >= closed_on);
        let next = if closed {
            None
        } else {
            Some((self.cell()?, self.level()))
        };
        if let Some(last) = self.periods.last_mut()
            && last.until == FOREVER
        {
            if next == Some((last.cell, last.level)) {
                return Ok(());
            }
            last.until = day;
        }
        if let Some((cell, level)) = next {
            self.periods.push(Period {
                from: day,
                until: FOREVER,
                cell,
                level,
            });
        }
        Ok(())
    }

    /// Finds what the day did to the work. Whoever is ready is installed, whether that was told or not.
    fn work_of(&mut self, day: NaiveDate) -> Result<(), Violation> {
        if self.opened_on.is_none_or(|opened_on| day < opened_on) {
            return Ok(());
        }
        let is_open = self.closed_on.is_none_or(|closed_on| day < closed_on);
        let cell = is_open.then(|| self.cell()).transpose()?;
        let reached = |milestone| self.reached(milestone).is_some();
        let applied = reached(Milestone::ReaderApplied);
        let installed = reached(Milestone::Installed) || reached(Milestone::Ready);
        self.work.day(day, cell, applied, installed);
        Ok(())
    }

    fn cell(&self) -> Result<Cell, Violation> {
        match (self.kind, self.prefecture) {
            (Some(kind), Some(prefecture)) => Ok(Cell {
                kind,
                prefecture,
                vendor: self.vendor,
                chain: self.chain,
            }),
            _ => Err(Violation::Incomplete),
        }
    }

    fn finish(self) -> Result<Derived, Violation> {
        let current = Current {
            cell: self.cell()?,
            public_institution: self.public_institution,
            contractor: self.contractor,
            corporation: self.corporation,
            area: self.area,
            opened_on: self.opened_on.ok_or(Violation::Incomplete)?,
            closed_on: self.closed_on,
            reached_on: self.reached_on,
            planned_on: self.planned_on,
            blocked_since: self.blocked_since,
        };
        Ok(Derived {
            periods: self.periods,
            current,
            work: self.work.into_steps(),
        })
    }
}

fn organisation(value: i64) -> Option<OrganisationId> {
    (value != 0).then_some(OrganisationId(value))
}

fn day_of(events: &[&Event], aspect: Aspect) -> Option<NaiveDate> {
    events
        .iter()
        .rfind(|event| event.aspect == aspect)
        .map(|event| event.effective_on)
}
