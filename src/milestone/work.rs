//! What a facility's history says of work: when it began and ceased to wait, when it was installed, and how long that took.

use chrono::NaiveDate;

use crate::figures::{Cell, Work, WorkStep};

/// How long an installation took: the day on which it ended, and minutes on the site.
pub type Effort = (NaiveDate, i64);

/// Follows a facility from day to day.
#[derive(Default)]
pub struct WorkWalk {
    /// How long its installation took, if somebody told.
    effort: Option<Effort>,
    /// The cell in which it waits.
    waiting: Option<Cell>,
    /// The cell in which it was installed.
    installed: Option<Cell>,
    steps: Vec<WorkStep>,
}

impl WorkWalk {
    /// Begins before the first day.
    pub fn new(effort: Option<Effort>) -> Self {
        Self {
            effort,
            ..Self::default()
        }
    }

    /// At the end of a day it is in this cell, or closed, has applied or not, and is installed or not.
    pub fn day(&mut self, on: NaiveDate, cell: Option<Cell>, applied: bool, installed: bool) {
        let waiting = cell.filter(|_| applied && !installed);
        if waiting != self.waiting {
            for (cell, sign) in [(self.waiting, -1), (waiting, 1)] {
                let work = Work {
                    waiting: sign,
                    ..Work::default()
                };
                self.step(on, cell, work);
            }
            self.waiting = waiting;
        }
        // What was done stays with whom it was done by.
        let (credited, sign) = match (self.installed, installed) {
            (None, true) => (cell, 1),
            (Some(before), false) => (Some(before), -1),
            _ => (None, 0),
        };
        if credited.is_some() {
            let work = Work {
                installed: sign,
                ..Work::default()
            };
            self.step(on, credited, work);
            self.installed = credited.filter(|_| installed);
        }
        if let Some((_, minutes)) = self.effort.filter(|(day, _)| *day == on) {
            let work = Work {
                minutes,
                timed: 1,
                ..Work::default()
            };
            self.step(on, cell, work);
        }
    }

    /// Everything that was found.
    pub fn into_steps(self) -> Vec<WorkStep> {
        self.steps
    }

    fn step(&mut self, on: NaiveDate, cell: Option<Cell>, work: Work) {
        self.steps
            .extend(cell.map(|cell| WorkStep { on, cell, work }));
    }
}
