//! What facilities have of work: the vocabulary of the second cube of totals, which is kept and read as that of the levels
//! is. What happened counts from its day on in the cell of that day and stays there, whoever the facility engages later;
//! what waits moves with it.

use chrono::NaiveDate;

use super::{Cell, Counts};

/// How much work was done up to a day, and how much waits on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Work {
    /// Facilities that were installed up to the day, less those of which that was taken back.
    pub installed: i64,
    /// Open facilities that have applied and wait on the day to be installed: the backlog.
    pub waiting: i64,
    /// Minutes on the site, of the installations up to the day of which somebody told how long they took.
    pub minutes: i64,
    /// How many of these there are.
    pub timed: i64,
}

impl Work {
    /// What was done between an earlier day and this one; what waits now.
    pub fn since(self, earlier: Self) -> Self {
        Self {
            installed: self.installed - earlier.installed,
            waiting: self.waiting,
            minutes: self.minutes - earlier.minutes,
            timed: self.timed - earlier.timed,
        }
    }
}

impl std::ops::AddAssign for Work {
    fn add_assign(&mut self, other: Self) {
        self.installed += other.installed;
        self.waiting += other.waiting;
        self.minutes += other.minutes;
        self.timed += other.timed;
    }
}

/// Both cubes hold four numbers in each cell; these are the places of work.
impl From<Work> for Counts {
    fn from(work: Work) -> Self {
        Self {
            all: work.installed,
            applied: work.waiting,
            ready: work.minutes,
            live: work.timed,
        }
    }
}

impl From<Counts> for Work {
    fn from(counts: Counts) -> Self {
        Self {
            installed: counts.all,
            waiting: counts.applied,
            minutes: counts.ready,
            timed: counts.live,
        }
    }
}

/// What a day adds to the work of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkStep {
    /// The day.
    pub on: NaiveDate,
    /// The cell.
    pub cell: Cell,
    /// What it adds.
    pub work: Work,
}
