//! The cell that a facility counts in, and its level: the vocabulary shared by histories, deltas and
//! totals.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::WorkStep;
use crate::{
    db::OrganisationId,
    facility::{FacilityKind, Prefecture},
};

/// The dimensions by which figures are grouped and filtered, as they were on a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Cell {
    /// What the facility is.
    pub kind: FacilityKind,
    /// Where it is.
    pub prefecture: Prefecture,
    /// The vendor it engages, if any.
    pub vendor: Option<OrganisationId>,
    /// The chain it belongs to, if any.
    pub chain: Option<OrganisationId>,
}

/// How far an open facility has come, as figures see it. The counts are nested: a facility at a level
/// counts in that level's figure and in all before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Level {
    /// Open on the day.
    Open,
    /// A reader application is in effect.
    Applied,
    /// Ready (準備完了).
    Ready,
    /// Live (運用開始).
    Live,
}

impl Level {
    /// All levels, lowest first.
    pub const ALL: [Self; 4] = [Self::Open, Self::Applied, Self::Ready, Self::Live];

    /// The stored code, which is also the index into [`Counts`].
    pub fn code(self) -> i16 {
        match self {
            Self::Open => 0,
            Self::Applied => 1,
            Self::Ready => 2,
            Self::Live => 3,
        }
    }

    /// The level of a stored code.
    pub fn from_code(code: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.code() == code)
    }

    /// What one facility at this level adds to the four counts.
    pub fn counts(self) -> Counts {
        let at = |level: Self| i64::from(self >= level);
        Counts {
            all: at(Self::Open),
            applied: at(Self::Applied),
            ready: at(Self::Ready),
            live: at(Self::Live),
        }
    }
}

/// The four counts of facilities; always `live ≤ ready ≤ applied ≤ all` in a total.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Counts {
    /// Open facilities.
    pub all: i64,
    /// With a reader application in effect.
    pub applied: i64,
    /// Ready.
    pub ready: i64,
    /// Live.
    pub live: i64,
}

impl Counts {
    /// Nothing counted.
    pub const ZERO: Self = Self {
        all: 0,
        applied: 0,
        ready: 0,
        live: 0,
    };

    /// One of the four.
    pub fn at(&self, level: Level) -> i64 {
        match level {
            Level::Open => self.all,
            Level::Applied => self.applied,
            Level::Ready => self.ready,
            Level::Live => self.live,
        }
    }

    /// All four, times a number of facilities.
    pub fn times(self, facilities: i64) -> Self {
        Self {
            all: self.all * facilities,
            applied: self.applied * facilities,
            ready: self.ready * facilities,
            live: self.live * facilities,
        }
    }

    /// Are all four zero?
    pub fn is_zero(&self) -> bool {
        *self == Self::ZERO
    }
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.all += other.all;
        self.applied += other.applied;
        self.ready += other.ready;
        self.live += other.live;
    }
}

impl std::ops::SubAssign for Counts {
    fn sub_assign(&mut self, other: Self) {
        self.all -= other.all;
        self.applied -= other.applied;
        self.ready -= other.ready;
        self.live -= other.live;
    }
}

impl std::ops::Sub for Counts {
    type Output = Self;

    fn sub(mut self, other: Self) -> Self {
        self -= other;
        self
    }
}

/// A stretch of days over which a facility counted alike: from the first day up to, and not including,
/// the last ([`FOREVER`] if it has no end yet).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Period {
    /// First day.
    pub from: NaiveDate,
    /// The day after the last.
    pub until: NaiveDate,
    /// The cell it counted in.
    pub cell: Cell,
    /// Its level.
    pub level: Level,
}

/// The day after the last of a period that has no end.
pub const FOREVER: NaiveDate = match NaiveDate::from_ymd_opt(9999, 12, 31) {
    Some(day) => day,
    None => NaiveDate::MAX,
};

/// How the periods of a facility change: those that are known no longer, and those that are from now on.
/// What they have in common at their beginning stays as it is.
pub fn difference<'a>(before: &'a [Period], after: &'a [Period]) -> (&'a [Period], &'a [Period]) {
    let same = before
        .iter()
        .zip(after)
        .take_while(|(before, after)| before == after)
        .count();
    (
        before.get(same..).unwrap_or_default(),
        after.get(same..).unwrap_or_default(),
    )
}

/// What one change adds to the counts, by the day from which it counts and by cell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deltas(BTreeMap<(NaiveDate, Cell), Counts>);

impl Deltas {
    /// A facility now counts over this period.
    pub fn add(&mut self, period: &Period) {
        *self.at(period.from, period.cell) += period.level.counts();
        if period.until < FOREVER {
            *self.at(period.until, period.cell) -= period.level.counts();
        }
    }

    /// A facility no longer counts over this period.
    pub fn remove(&mut self, period: &Period) {
        *self.at(period.from, period.cell) -= period.level.counts();
        if period.until < FOREVER {
            *self.at(period.until, period.cell) += period.level.counts();
        }
    }

    /// The deltas that are not zero, in the order of day and cell.
    pub fn iter(&self) -> impl Iterator<Item = (NaiveDate, Cell, Counts)> + '_ {
        self.0
            .iter()
            .filter(|(_, counts)| !counts.is_zero())
            .map(|(&(day, cell), &counts)| (day, cell, counts))
    }

    /// What a facility adds to the work of its cells becomes something else.
    pub fn replace_work(&mut self, before: &[WorkStep], after: &[WorkStep]) {
        for step in before {
            *self.at(step.on, step.cell) -= step.work.into();
        }
        for step in after {
            *self.at(step.on, step.cell) += step.work.into();
        }
    }

    fn at(&mut self, day: NaiveDate, cell: Cell) -> &mut Counts {
        self.0.entry((day, cell)).or_default()
    }
}
