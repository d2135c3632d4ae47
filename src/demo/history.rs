//! The dates of a facility: from the intervals of its course to the days on which things happened and were recorded.
//!
//! The three milestones that are counted (applied, ready, live) and the openings and closings follow the calendar's
//! rhythms. The steps between them are filled in: most who became ready had gone through all of them, with a report
//! missing here and there; of those still on the way many wait for a PC or a router. Readers are delivered about four
//! months after the application, so that some 71,000 had theirs by the end of May 2021.

use chrono::NaiveDate;

use crate::milestone::Milestone;

use super::calendar::{Calendar, Day, Flow};
use super::course::Course;
use super::rng::Rng;
use super::{DemoAction, DemoEvent};

/// When a facility opened (if during the rollout) and closed, and what it reached between.
#[derive(Debug)]
pub(super) struct History {
    pub(super) opened: Option<Day>,
    /// The first day on which it wasn't open any more.
    pub(super) closed: Option<Day>,
    /// The day of its last application, if one is or was in effect.
    pub(super) applied: Option<Day>,
    /// In the order in which it was recorded.
    pub(super) events: Vec<DemoEvent>,
}

/// What happened, before it is known when it was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Happening {
    day: Day,
    withdrawn: bool,
    milestone: Milestone,
}

pub(super) fn of(course: Course, has_vendor: bool, calendar: &Calendar, rng: &mut Rng) -> History {
    let opened = course
        .opened
        .map(|interval| calendar.draw(rng, Flow::Open, interval, Day::FIRST));
    let closed = course
        .closed
        .map(|interval| calendar.draw(rng, Flow::Close, interval, Day::FIRST));
    let mut writer = Writer {
        calendar,
        rng,
        has_vendor,
        last: closed.map_or(Day::LAST, Day::before),
        log: Vec::new(),
    };
    let applied = writer.applications(course, opened.unwrap_or(Day::FIRST));
    if let Some(applied) =
        applied.filter(|_| course.withdrawn.is_none() || course.reapplied.is_some())
    {
        writer.way_to_operation(course, applied);
    }
    History {
        opened,
        closed,
        applied,
        events: writer.record(),
    }
}

struct Writer<'a> {
    calendar: &'a Calendar,
    rng: &'a mut Rng,
    has_vendor: bool,
    /// The last day on which anything can happen.
    last: Day,
    log: Vec<Happening>,
}

impl Writer<'_> {
    fn reach(&mut self, milestone: Milestone, day: Day) {
        self.log.push(Happening {
            day,
            withdrawn: false,
            milestone,
        });
    }

    fn withdraw(&mut self, milestone: Milestone, day: Day) {
        self.log.push(Happening {
            day,
            withdrawn: true,
            milestone,
        });
    }

    /// Applications and cancellations. Returns the day of the last application.
    fn applications(&mut self, course: Course, opened: Day) -> Option<Day> {
        let first = self
            .calendar
            .draw(self.rng, Flow::Apply, course.applied?, opened);
        self.reach(Milestone::ReaderApplied, first);
        let Some(interval) = course.withdrawn else {
            return Some(first);
        };
        let withdrawn = self
            .calendar
            .draw(self.rng, Flow::Withdraw, interval, first);
        self.cancelled_order(first, withdrawn);
        self.withdraw(Milestone::ReaderApplied, withdrawn);
        let Some(interval) = course.reapplied else {
            return Some(first);
        };
        let again = self
            .calendar
            .draw(self.rng, Flow::Apply, interval, withdrawn);
        self.reach(Milestone::ReaderApplied, again);
        Some(again)
    }

    /// A few of those who cancel had already ordered.
    fn cancelled_order(&mut self, applied: Day, withdrawn: Day) {
        let days = withdrawn.days_since(applied);
        if self.has_vendor && days > 20 && self.rng.per_mille(150) {
            let ordered = self.after(applied, 5, days - 10);
            if let Some(ordered) = ordered {
                self.reach(Milestone::VendorOrdered, ordered);
                self.withdraw(Milestone::VendorOrdered, withdrawn);
            }
        }
    }

    fn way_to_operation(&mut self, course: Course, applied: Day) {
        match course.ready {
            Some(interval) => {
                let ready = self.calendar.draw(self.rng, Flow::Ready, interval, applied);
                self.steps_to_readiness(applied, ready);
                self.reach(Milestone::Ready, ready);
                if let Some(interval) = course.live {
                    let live = self.calendar.draw(self.rng, Flow::Live, interval, ready);
                    self.reach(Milestone::Live, live);
                }
            }
            None => self.steps_on_the_way(applied),
        }
    }

    /// The steps of one who became ready, at so many hundredths of the way. One in forty of each was never reported.
    fn steps_to_readiness(&mut self, applied: Day, ready: Day) {
        const STEPS: [(Milestone, u32, u32); 6] = [
            (Milestone::VendorOrdered, 8, 35),
            (Milestone::UseApplied, 30, 55),
            (Milestone::CertificateIssued, 56, 70),
            (Milestone::PcProcured, 45, 85),
            (Milestone::RouterProcured, 45, 85),
            (Milestone::Installed, 86, 98),
        ];
        let days = ready.days_since(applied);
        for (milestone, from, to) in STEPS {
            let share = self.rng.between(from, to);
            let reported = !self.rng.per_mille(25);
            let ordered_of_nobody = milestone == Milestone::VendorOrdered && !self.has_vendor;
            if let Some(day) = applied
                .plus(days * share / 100)
                .filter(|_| reported && !ordered_of_nobody)
            {
                let day = self.calendar.workday_from(day, ready);
                self.reach(milestone, day);
            }
        }
        let latest = applied.plus(days * 80 / 100).unwrap_or(ready);
        let delivered = self.delivery(applied).map_or(latest, |day| day.min(latest));
        if !self.rng.per_mille(20) {
            let day = self.calendar.workday_from(delivered, ready);
            self.reach(Milestone::ReaderDelivered, day);
        }
    }

    /// The steps of one who isn't ready yet: ordered perhaps, and waiting for hardware more often than not.
    fn steps_on_the_way(&mut self, applied: Day) {
        let delivered = self.delivery(applied);
        if let Some(day) = delivered {
            self.reach(Milestone::ReaderDelivered, day);
        }
        if self.rng.per_mille(420)
            && let Some(day) = self.after(applied, 20, 220)
        {
            self.reach(Milestone::UseApplied, day);
            if let Some(day) = self.after(day, 7, 28).filter(|_| self.rng.per_mille(900)) {
                self.reach(Milestone::CertificateIssued, day);
            }
        }
        if !self.has_vendor || !self.rng.per_mille(640) {
            return;
        }
        let Some(ordered) = self.after(applied, 8, 150) else {
            return;
        };
        self.reach(Milestone::VendorOrdered, ordered);
        let pc = self
            .after(ordered, 40, 300)
            .filter(|_| self.rng.per_mille(420));
        let router = self
            .after(ordered, 30, 240)
            .filter(|_| self.rng.per_mille(520));
        for (milestone, day) in [
            (Milestone::PcProcured, pc),
            (Milestone::RouterProcured, router),
        ] {
            if let Some(day) = day {
                self.reach(milestone, day);
            }
        }
        if let (Some(delivered), Some(pc), Some(router)) = (delivered, pc, router)
            && self.rng.per_mille(250)
            && let Some(day) = self.after(delivered.max(pc).max(router), 5, 45)
        {
            self.reach(Milestone::Installed, day);
        }
    }

    /// When the reader comes: about four months after the application.
    fn delivery(&mut self, applied: Day) -> Option<Day> {
        self.after(applied, 82, 122)
    }

    /// A working day so many days after another, if it isn't too late for anything to happen.
    fn after(&mut self, day: Day, least: u32, most: u32) -> Option<Day> {
        let days = self.rng.between(least, most);
        let day = day.plus(days).filter(|day| *day <= self.last)?;
        Some(self.calendar.workday_from(day, self.last))
    }

    /// Puts everything in order and says when it was entered: mostly at once, else some days later, and never before
    /// something that had happened earlier.
    fn record(mut self) -> Vec<DemoEvent> {
        self.log.sort_unstable();
        let mut known = Day::FIRST;
        let mut events = Vec::with_capacity(self.log.len());
        for happening in std::mem::take(&mut self.log) {
            let lag = match self.rng.below(100) {
                0..=54 => 0,
                55..=84 => self.rng.between(1, 3),
                _ => self.rng.between(4, 10),
            };
            let entered = happening.day.plus(lag).filter(|day| *day <= self.last);
            let entered = entered.map_or(happening.day, |day| {
                self.calendar.workday_from(day, self.last)
            });
            known = known.max(entered);
            events.push(DemoEvent {
                milestone: happening.milestone,
                action: if happening.withdrawn {
                    DemoAction::Withdrawn
                } else {
                    DemoAction::Reached
                },
                effective_on: happening.day.date(),
                recorded_on: known.date(),
            });
        }
        events
    }
}

/// A day before the rollout, `years` at most; more often a recent one. Designations begin on the first of a month.
pub(super) fn date_before_the_rollout(rng: &mut Rng, years: u32) -> NaiveDate {
    let months = rng.between(0, years * 12).min(rng.between(0, years * 12));
    let first = NaiveDate::from_ymd_opt(2020, 8, 1).unwrap_or_default();
    first
        .checked_sub_months(chrono::Months::new(months))
        .unwrap_or(first)
}
