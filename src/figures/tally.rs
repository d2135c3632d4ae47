//! The deltas of many changes at once, for writers that record years of history in one go and meet the
//! facilities one after the other, each with all its changes.

use chrono::NaiveDate;

use super::{
    Cell, Counts, Deltas,
    entity::{LeanDelta, StoredDelta},
};
use crate::db::ChangeId;

/// It isn't worth summing up fewer than these.
const LEAST_TO_SUM: usize = 1 << 17;

/// Deltas by change, in 48 bytes each.
#[derive(Debug, Default)]
pub struct Tally {
    deltas: Vec<(ChangeId, LeanDelta)>,
    /// So many were left when they were last summed up.
    summed: usize,
}

impl Tally {
    /// Adds what a change brings to the counts.
    pub fn add(&mut self, change: ChangeId, deltas: &Deltas) {
        for (day, cell, counts) in deltas.iter() {
            self.push(change, day, &cell, counts);
        }
        if self.deltas.len() >= LEAST_TO_SUM.max(self.summed * 2) {
            self.sum_up();
        }
    }

    /// The deltas that are not zero, in the order of change, day and cell.
    pub fn into_sorted(mut self) -> impl Iterator<Item = (ChangeId, StoredDelta)> {
        self.sum_up();
        self.deltas
            .into_iter()
            .map(|(change, delta)| (change, delta.stored()))
    }

    fn push(&mut self, change: ChangeId, day: NaiveDate, cell: &Cell, counts: Counts) {
        self.deltas
            .push((change, LeanDelta::new(day, cell, counts)));
    }

    fn sum_up(&mut self) {
        self.deltas.sort_unstable();
        self.deltas.dedup_by(|next, kept| {
            let same = next.0 == kept.0 && next.1.same_place(&kept.1);
            if same {
                kept.1.absorb(&next.1);
            }
            same
        });
        self.deltas.retain(|(_, delta)| !delta.counts().is_zero());
        self.summed = self.deltas.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        facility::{FacilityKind, Prefecture},
        figures::{FOREVER, Level, Period},
    };

    fn period(from: &str, until: NaiveDate, level: Level) -> Period {
        Period {
            from: from.parse().unwrap(),
            until,
            cell: Cell {
                kind: FacilityKind::Hospital,
                prefecture: Prefecture::FIRST,
                vendor: None,
                chain: None,
            },
            level,
        }
    }

    #[test]
    fn deltas_of_the_same_change_day_and_cell_are_one() {
        let mut tally = Tally::default();
        let mut deltas = Deltas::default();
        deltas.add(&period("2021-01-01", FOREVER, Level::Ready));
        for _ in 0..LEAST_TO_SUM {
            tally.add(ChangeId(2), &deltas);
        }
        tally.add(ChangeId(1), &deltas);
        let sums: Vec<_> = tally
            .into_sorted()
            .map(|(change, delta)| (change.0, delta.counts.all, delta.counts.live))
            .collect();
        let many = i64::try_from(LEAST_TO_SUM).unwrap();
        assert_eq!(sums, [(1, 1, 0), (2, many, 0)]);
    }

    #[test]
    fn what_adds_up_to_nothing_is_left_out() {
        let mut tally = Tally::default();
        let (mut come, mut gone) = (Deltas::default(), Deltas::default());
        come.add(&period("2021-01-01", FOREVER, Level::Open));
        gone.remove(&period("2021-01-01", FOREVER, Level::Open));
        tally.add(ChangeId(1), &come);
        tally.add(ChangeId(1), &gone);
        assert_eq!(tally.into_sorted().count(), 0);
    }
}
