//! What can be done to a facility's work order, and what follows for the order and for the facility.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::{
    db::{ChangeId, EventId, OrganisationId},
    installation::{
        Checklist, Installation, InstallationId, InstallationProblem as Problem,
        InstallationStatus, VisitWindow,
        entity::{Checks, Image},
    },
    milestone::{
        self, Aspect, Milestone,
        service::{EARLIEST, Step as FacilityStep, Working},
    },
};

/// Longest reference, in characters.
pub const MOST_REFERENCE: usize = 100;
/// Most minutes of work on one site.
pub const MOST_MINUTES: i32 = 60_000;
/// Most people on one site.
pub const MOST_CREW: i32 = 100;

/// An item that was done, or is not done after all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tick {
    /// The code of the item.
    pub item: String,
    /// The day on which it was done; `None` if it was not.
    pub done_on: Option<NaiveDate>,
}

/// How much work it was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effort {
    /// Minutes on the site.
    pub minutes: Option<i32>,
    /// People on the site.
    pub crew: Option<i32>,
}

/// What to do to a facility's order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// Open one.
    Open {
        /// The planned day, if there is one yet.
        planned_on: Option<NaiveDate>,
        /// At which time of that day.
        window: Option<VisitWindow>,
        /// What the organisation calls it.
        reference: Option<String>,
    },
    /// Plan it for a day, or for none.
    Plan {
        /// Which day.
        on: Option<NaiveDate>,
        /// At which time of that day.
        window: Option<VisitWindow>,
    },
    /// The work began.
    Start {
        /// On which day.
        on: NaiveDate,
    },
    /// Tick items off.
    Check {
        /// Which.
        ticks: Vec<Tick>,
    },
    /// Everything is installed and connected.
    Finish {
        /// On which day.
        on: NaiveDate,
        /// How much work it was.
        effort: Effort,
        /// Tick off, on that day, what is left.
        with_checks: bool,
    },
    /// Somebody was there, and it could not be finished.
    Fail {
        /// On which day.
        on: NaiveDate,
        /// How much work it was.
        effort: Effort,
    },
    /// It won't be done under this order, and is no longer planned.
    Cancel {
        /// On which day that was said.
        on: NaiveDate,
    },
    /// It had not ended after all. INSTALLED, if it recorded that, never happened.
    Reopen,
    /// What the organisation calls it; `None` removes that.
    Name {
        /// The reference.
        reference: Option<String>,
    },
}

impl Step {
    /// The day that it is about; none for one that is about today.
    pub(super) fn day(&self) -> Option<NaiveDate> {
        match self {
            Self::Start { on }
            | Self::Finish { on, .. }
            | Self::Fail { on, .. }
            | Self::Cancel { on } => Some(*on),
            Self::Open { .. }
            | Self::Plan { .. }
            | Self::Check { .. }
            | Self::Reopen
            | Self::Name { .. } => None,
        }
    }

    /// Does it end the order?
    pub(super) fn ends(&self) -> bool {
        matches!(
            self,
            Self::Finish { .. } | Self::Fail { .. } | Self::Cancel { .. }
        )
    }

    /// What the organisation is to call the order, if the step says so.
    pub(super) fn name(&self) -> Option<Option<&str>> {
        match self {
            Self::Name { reference } => Some(reference.as_deref()),
            Self::Open {
                reference: Some(reference),
                ..
            } => Some(Some(reference)),
            _ => None,
        }
    }
}

/// An order under change.
#[derive(Clone, Debug)]
pub(super) struct Order {
    /// As it is by now.
    pub now: Installation,
    /// As it is stored; none for one that the request opens.
    pub stored: Option<Box<Image>>,
    /// What is ticked off by now.
    pub checks: Checks,
    /// What the request ticks off, or no longer does.
    pub ticks: BTreeMap<String, Option<NaiveDate>>,
    /// The event by which it recorded INSTALLED when it ended.
    pub recorded: Option<EventId>,
    /// Did the request change it?
    pub changed: bool,
    /// The first row of the request that was about it.
    pub row: Option<usize>,
}

impl Order {
    /// One that is stored.
    pub fn stored(now: Installation, checks: Checks, recorded: Option<EventId>) -> Self {
        Self {
            recorded,
            row: None,
            stored: Some(Box::new(Image {
                order: now.clone(),
                checks: checks.clone(),
                names: Vec::new(),
            })),
            now,
            checks,
            ticks: BTreeMap::new(),
            changed: false,
        }
    }

    /// The version that is stored; none for one that the request opens.
    pub fn version(&self) -> Option<i32> {
        self.stored.as_ref().map(|stored| stored.order.version)
    }

    fn opened(working: &Working, checklist: &Checklist, window: Option<VisitWindow>) -> Self {
        let now = Installation {
            id: InstallationId(0),
            facility: working.state.facility,
            status: InstallationStatus::Open,
            window,
            started_on: None,
            ended_on: None,
            minutes: None,
            crew: None,
            remark: None,
            checklist: (checklist.kind, checklist.version),
            vendor: None,
            contractor: None,
            version: 0,
            opened_by: ChangeId(0),
            ended_by: None,
        };
        Self {
            recorded: None,
            row: None,
            now,
            stored: None,
            checks: Checks::new(),
            ticks: BTreeMap::new(),
            changed: true,
        }
    }

    fn tick(&mut self, item: &str, done_on: Option<NaiveDate>) {
        match done_on {
            Some(day) => self.checks.insert(item.to_owned(), day),
            None => self.checks.remove(item),
        };
        self.ticks.insert(item.to_owned(), done_on);
    }

    fn end(
        &mut self,
        working: &Working,
        status: InstallationStatus,
        on: NaiveDate,
        effort: Effort,
    ) {
        // Whoever had it that day, or who has it now if nobody did: they tell of work that was done before they were
        // engaged on paper.
        let member = |aspect, now: Option<OrganisationId>| {
            let value = working.history().value_on(aspect, on);
            value.filter(|id| *id != 0).map(OrganisationId).or(now)
        };
        self.now.status = status;
        self.now.ended_on = Some(on);
        self.now.minutes = effort.minutes;
        self.now.crew = effort.crew;
        self.now.vendor = member(Aspect::Vendor, working.state.vendor);
        self.now.contractor = member(Aspect::Contractor, working.state.contractor);
    }
}

/// What it says of how long the installation of its facility took, in the value of the event that tells of a step: `None`
/// for nothing, 0 for that it is not known.
pub(super) fn told_minutes(before: Option<&Order>, now: &Order) -> Option<i64> {
    let is_done = |order: &Order| order.now.status == InstallationStatus::Done;
    // Another order begins nothing anew: what the last one told stands until this one tells more.
    let same = before.filter(|before| before.now.id == now.now.id);
    match (same.is_some_and(is_done), is_done(now)) {
        (false, true) => Some(now.now.minutes.map_or(0, i64::from)),
        (true, false) => Some(0),
        _ => None,
    }
}

/// What a step does, once nothing is wrong with it.
#[derive(Debug)]
pub(super) struct Move {
    /// The order as it leaves it.
    pub order: Order,
    /// What it says of the facility.
    pub facility: Option<FacilityStep>,
}

/// What a step is taken in.
pub(super) struct Ground<'a> {
    /// The facility.
    pub working: &'a Working,
    /// Its last order.
    pub order: Option<&'a Order>,
    /// Every checklist.
    pub checklists: &'a [Checklist],
    /// Today in Japan.
    pub today: NaiveDate,
}

impl Ground<'_> {
    /// Finds out what a step does, or all that is wrong with it.
    pub fn plan(&self, step: &Step, note: Option<&String>) -> Result<Move, Vec<Problem>> {
        let one = |problem: Problem| vec![problem];
        match step {
            Step::Open {
                planned_on, window, ..
            } => self.open(*planned_on, *window).map_err(one),
            Step::Plan { on, window } => self.replan(*on, *window).map_err(one),
            Step::Start { on } => self.start(*on).map_err(one),
            Step::Check { ticks } => self.check(ticks),
            Step::Finish {
                on,
                effort,
                with_checks,
            } => self.finish(*on, *effort, *with_checks, note),
            Step::Fail { on, effort } => self.stop(InstallationStatus::Failed, *on, *effort, note),
            Step::Cancel { on } => {
                self.stop(InstallationStatus::Cancelled, *on, Effort::default(), note)
            }
            Step::Reopen => self.reopen().map_err(one),
            Step::Name { .. } => {
                let order = self.order.cloned().ok_or(Problem::NotOpen).map_err(one)?;
                Ok(Move {
                    order,
                    facility: None,
                })
            }
        }
    }

    fn current(&self) -> Result<Order, Problem> {
        let open = self.order.filter(|order| order.now.status.is_open());
        let mut order = open.cloned().ok_or(Problem::NotOpen)?;
        order.changed = true;
        Ok(order)
    }

    /// The planned day in force.
    fn planned_on(&self) -> Option<NaiveDate> {
        let current = &self.working.after().current;
        *current.planned_on.of(Milestone::Installed)
    }

    /// What it takes for the planned day to be this one.
    fn planned(&self, on: Option<NaiveDate>) -> Result<Option<FacilityStep>, Problem> {
        if on.is_some_and(|day| day < EARLIEST) {
            let earliest = EARLIEST;
            return Err(milestone::Problem::TooEarly { earliest }.into());
        }
        let milestone = Milestone::Installed;
        Ok((self.planned_on() != on).then_some(FacilityStep::Plan { milestone, on }))
    }

    fn open(
        &self,
        planned_on: Option<NaiveDate>,
        window: Option<VisitWindow>,
    ) -> Result<Move, Problem> {
        if self.order.is_some_and(|order| order.now.status.is_open()) {
            return Err(Problem::AlreadyOpen);
        }
        let current = &self.working.after().current;
        if let Some(since) = current.reached(Milestone::Installed) {
            let milestone = Milestone::Installed;
            return Err(milestone::Problem::AlreadyReached { milestone, since }.into());
        }
        if let Some(closed_on) = current.closed_on.filter(|day| *day <= self.today) {
            return Err(milestone::Problem::AfterClosing { closed_on }.into());
        }
        let kind = current.cell.kind;
        let built_in = Checklist::built_in(kind);
        let newest = self.checklists.iter().rfind(|one| one.kind == kind);
        // A plan from before it was opened stays in force.
        let facility = match planned_on {
            Some(_) => self.planned(planned_on)?,
            None => None,
        };
        Ok(Move {
            order: Order::opened(self.working, newest.unwrap_or(&built_in), window),
            facility,
        })
    }

    fn replan(&self, on: Option<NaiveDate>, window: Option<VisitWindow>) -> Result<Move, Problem> {
        let mut order = self.current()?;
        let facility = self.planned(on)?;
        if facility.is_none() && order.now.window == window {
            return Err(milestone::Problem::NothingToDo.into());
        }
        order.now.window = window;
        Ok(Move { order, facility })
    }

    fn start(&self, on: NaiveDate) -> Result<Move, Problem> {
        let mut order = self.current()?;
        if order.now.started_on == Some(on) {
            return Err(milestone::Problem::NothingToDo.into());
        }
        order.now.status = InstallationStatus::Started;
        order.now.started_on = Some(on);
        Ok(Move {
            order,
            facility: None,
        })
    }

    fn check(&self, ticks: &[Tick]) -> Result<Move, Vec<Problem>> {
        let mut order = self.current().map_err(|problem| vec![problem])?;
        let before = order.checks.clone();
        if ticks.is_empty() {
            return Err(vec![Problem::MissingItems]);
        }
        let checklist = self.checklist_of(&order);
        let mut problems = Vec::new();
        for tick in ticks {
            if checklist.find(&tick.item).is_none() {
                let items = checklist.items.iter().map(|item| item.code.clone());
                let items = items.collect();
                problems.push(Problem::UnknownItem { items });
            }
            problems.extend(
                tick.done_on
                    .and_then(|day| bad_day(day, self.today))
                    .map(Into::into),
            );
            order.tick(&tick.item, tick.done_on);
        }
        if problems.is_empty() && order.checks == before {
            problems.push(milestone::Problem::NothingToDo.into());
        }
        if problems.is_empty() {
            Ok(Move {
                order,
                facility: None,
            })
        } else {
            Err(problems)
        }
    }

    fn finish(
        &self,
        on: NaiveDate,
        effort: Effort,
        with_checks: bool,
        note: Option<&String>,
    ) -> Result<Move, Vec<Problem>> {
        let Move { mut order, .. } = self.stop(InstallationStatus::Done, on, effort, note)?;
        let checklist = self.checklist_of(&order);
        let left = |order: &Order| -> Vec<String> {
            let items = checklist.items.iter();
            items
                .filter(|item| item.required && !order.checks.contains_key(&item.code))
                .map(|item| item.code.clone())
                .collect()
        };
        if with_checks {
            for item in left(&order) {
                order.tick(&item, Some(on));
            }
        }
        let items = left(&order);
        if !items.is_empty() {
            return Err(vec![Problem::ChecksMissing { items }]);
        }
        order.now.started_on = order.now.started_on.or(Some(on));
        let milestone = Milestone::Installed;
        let current = &self.working.after().current;
        let recorded = current.reached(milestone) == Some(on);
        Ok(Move {
            order,
            facility: (!recorded).then_some(FacilityStep::Record {
                milestone,
                on,
                imply_earlier: false,
            }),
        })
    }

    fn stop(
        &self,
        status: InstallationStatus,
        on: NaiveDate,
        effort: Effort,
        note: Option<&String>,
    ) -> Result<Move, Vec<Problem>> {
        let mut order = self.current().map_err(|problem| vec![problem])?;
        let mut problems = Vec::new();
        if let Some(started_on) = order.now.started_on.filter(|started_on| on < *started_on) {
            problems.push(Problem::BeforeStart { started_on });
        }
        for (field, number, most) in [
            ("minutes", effort.minutes, MOST_MINUTES),
            ("crew", effort.crew, MOST_CREW),
        ] {
            if number.is_some_and(|number| !(1..=most).contains(&number)) {
                problems.push(Problem::OutOfRange {
                    field: field.to_owned(),
                    least: 1,
                    most,
                });
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        order.end(self.working, status, on, effort);
        order.now.remark = note.cloned();
        let cancelled = status == InstallationStatus::Cancelled;
        let milestone = Milestone::Installed;
        let drop = FacilityStep::Plan {
            milestone,
            on: None,
        };
        Ok(Move {
            order,
            facility: (cancelled && self.planned_on().is_some()).then_some(drop),
        })
    }

    fn reopen(&self) -> Result<Move, Problem> {
        let mut order = self.order.cloned().ok_or(Problem::NotOpen)?;
        if order.now.status.is_open() {
            return Err(Problem::AlreadyOpen);
        }
        // It may have been corrected or withdrawn since, and what another recorded is not the order's to take back.
        let recorded = order.recorded.filter(|id| {
            let latest = self.working.history().latest_reached(Milestone::Installed);
            latest.is_some_and(|latest| latest.id == Some(*id))
        });
        order.now.status = match order.now.started_on {
            Some(_) => InstallationStatus::Started,
            None => InstallationStatus::Open,
        };
        order.now.ended_on = None;
        order.now.ended_by = None;
        order.now.minutes = None;
        order.now.crew = None;
        order.now.remark = None;
        order.now.vendor = None;
        order.now.contractor = None;
        order.changed = true;
        Ok(Move {
            order,
            facility: recorded.map(|event| FacilityStep::Correct { event, on: None }),
        })
    }

    fn checklist_of(&self, order: &Order) -> Checklist {
        let (kind, version) = order.now.checklist;
        let found = self
            .checklists
            .iter()
            .find(|one| one.kind == kind && one.version == version);
        found.cloned().unwrap_or_else(|| Checklist::built_in(kind))
    }
}

/// What is wrong with a day on which something is said to have happened.
pub(super) fn bad_day(day: NaiveDate, today: NaiveDate) -> Option<milestone::Problem> {
    if day > today {
        Some(milestone::Problem::InFuture { today })
    } else if day < EARLIEST {
        Some(milestone::Problem::TooEarly { earliest: EARLIEST })
    } else {
        None
    }
}
