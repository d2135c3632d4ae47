//! What a facility's history says of work: when it began and ceased to wait, when it was installed, and how long that took.

use chrono::NaiveDate;

use crate::figures::{Cell, Work, WorkStep};

/// Follows a facility from day to day.
#[derive(Default)]
pub struct WorkWalk {
    /// How many minutes on the site its installation took, if somebody told.
    minutes: Option<i64>,
    /// The cell in which it waits.
    waiting: Option<Cell>,
    /// The cell in which it was installed.
    installed: Option<Cell>,
    steps: Vec<WorkStep>,
}

impl WorkWalk {
    /// Begins before the first day.
    pub fn new(minutes: Option<i64>) -> Self {
        Self {
            minutes,
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
        // What was done stays with whom it was done by, and so does how long it took.
        let (credited, sign) = match (self.installed, installed) {
            (None, true) => (cell, 1),
            (Some(before), false) => (Some(before), -1),
            _ => return,
        };
        let work = Work {
            installed: sign,
            minutes: sign * self.minutes.unwrap_or(0),
            timed: self.minutes.map_or(0, |_| sign),
            ..Work::default()
        };
        self.step(on, credited, work);
        self.installed = credited.filter(|_| installed);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        db::OrganisationId,
        facility::{FacilityKind, Prefecture},
    };

    fn cell(vendor: i64) -> Cell {
        Cell {
            kind: FacilityKind::Pharmacy,
            prefecture: Prefecture::FIRST,
            vendor: (vendor > 0).then_some(OrganisationId(vendor)),
            chain: None,
        }
    }

    /// Day, vendor (0 for none, -1 where it is closed), applied, installed.
    fn walked(minutes: Option<i64>, days: &[(u32, i64, bool, bool)]) -> Vec<(u32, i64, [i64; 4])> {
        use chrono::Datelike;
        let mut walk = WorkWalk::new(minutes);
        for (day, vendor, applied, installed) in days {
            let on = NaiveDate::from_ymd_opt(2021, 12, *day).unwrap();
            let open = (*vendor >= 0).then(|| cell(*vendor));
            walk.day(on, open, *applied, *installed);
        }
        let told = |step: WorkStep| {
            let vendor = step.cell.vendor.map_or(0, |id| id.0);
            let Work {
                installed,
                waiting,
                minutes,
                timed,
            } = step.work;
            (step.on.day(), vendor, [installed, waiting, minutes, timed])
        };
        walk.into_steps().into_iter().map(told).collect()
    }

    #[test]
    fn waiting_moves_and_ends_and_what_was_done_stays_with_its_hours() {
        let steps = walked(
            Some(90),
            &[
                (1, 7, true, false),
                (2, 8, true, false),
                (3, 8, true, true),
                (4, 9, true, true),
                (5, 9, true, false),
                (6, -1, true, false),
            ],
        );
        assert_eq!(
            steps,
            [
                (1, 7, [0, 1, 0, 0]),
                (2, 7, [0, -1, 0, 0]),
                (2, 8, [0, 1, 0, 0]),
                (3, 8, [0, -1, 0, 0]),
                (3, 8, [1, 0, 90, 1]),
                // Taken back from whom it was credited to; it waits where it is by now.
                (5, 9, [0, 1, 0, 0]),
                (5, 8, [-1, 0, -90, -1]),
                (6, 9, [0, -1, 0, 0]),
            ]
        );
    }

    #[test]
    fn who_applies_and_is_installed_on_a_day_never_waited() {
        assert_eq!(walked(None, &[(1, 0, true, true)]), [(1, 0, [1, 0, 0, 0])]);
        assert_eq!(
            walked(None, &[(1, 0, false, false), (2, 0, false, false)]),
            []
        );
        // Closed while installed: what was done was done.
        assert_eq!(
            walked(None, &[(1, 7, true, true), (2, -1, true, true)]),
            [(1, 7, [1, 0, 0, 0])]
        );
    }
}
