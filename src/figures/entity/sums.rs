//! Summing deltas by series and day, which is what folding, rebuilding and verifying totals have in
//! common. Every delta is kept once, in 48 bytes, and sorted anew for each family of series, so that the
//! whole nation's history is summed in some 30 MB.

use std::collections::BTreeMap;

use chrono::{DateTime, Datelike, NaiveDate, Utc};

use super::{Block, Cell, Counts, Cube, Grid, Series, StoredDelta, TOTAL_KEY, add_encoded};
use crate::{
    app::civil_day,
    db::{DbErr, OrganisationId, Query, Row, Transaction, Values},
    facility::{FacilityKind, Prefecture},
};

/// Rows of totals written in one statement.
const ROWS_AT_ONCE: usize = 5_000;

/// A delta in few bytes, for holding many. Ordered by day, then cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LeanDelta {
    effective_on: NaiveDate,
    kind: FacilityKind,
    prefecture: Prefecture,
    vendor: i64,
    chain: i64,
    counts: [i32; 4],
}

impl LeanDelta {
    /// The delta as it is stored. Counts beyond 32 bits can't be stored and are cut off.
    pub fn new(effective_on: NaiveDate, cell: &Cell, counts: Counts) -> Self {
        let count = |value: i64| {
            i32::try_from(value).unwrap_or(if value < 0 { i32::MIN } else { i32::MAX })
        };
        Self {
            effective_on,
            kind: cell.kind,
            prefecture: cell.prefecture,
            vendor: cell.vendor.map_or(0, |id| id.0),
            chain: cell.chain.map_or(0, |id| id.0),
            counts: [counts.all, counts.applied, counts.ready, counts.live].map(count),
        }
    }

    /// What it adds.
    pub fn counts(&self) -> Counts {
        let [all, applied, ready, live] = self.counts.map(i64::from);
        Counts {
            all,
            applied,
            ready,
            live,
        }
    }

    /// Does it count from the same day, in the same cell?
    pub fn same_place(&self, other: &Self) -> bool {
        let place = |delta: &Self| Self {
            counts: [0; 4],
            ..*delta
        };
        place(self) == place(other)
    }

    /// Adds what another adds.
    pub fn absorb(&mut self, other: &Self) {
        for (mine, theirs) in self.counts.iter_mut().zip(other.counts) {
            *mine = mine.saturating_add(theirs);
        }
    }

    /// From which day it counts, in which cell, and what it adds.
    pub fn stored(&self) -> StoredDelta {
        let organisation = |id: i64| (id != 0).then_some(OrganisationId(id));
        StoredDelta {
            effective_on: self.effective_on,
            cell: Cell {
                kind: self.kind,
                prefecture: self.prefecture,
                vendor: organisation(self.vendor),
                chain: organisation(self.chain),
            },
            counts: self.counts(),
        }
    }
}

/// Series of one sort: each delta belongs to one of them, or to none.
#[derive(Clone, Copy, Debug)]
enum Family {
    Nation,
    Year,
    Month,
    Day,
    Vendor,
    Chain,
}

impl Family {
    const ALL: [Self; 6] = [
        Self::Nation,
        Self::Year,
        Self::Month,
        Self::Day,
        Self::Vendor,
        Self::Chain,
    ];

    /// A number that deltas of the same series share.
    fn member(self, known_on: NaiveDate, delta: &LeanDelta) -> i64 {
        match self {
            Self::Nation => 0,
            Self::Year => known_on.year().into(),
            Self::Month => i64::from(known_on.year()) * 12 + i64::from(known_on.month0()),
            Self::Day => known_on.num_days_from_ce().into(),
            Self::Vendor => delta.vendor,
            Self::Chain => delta.chain,
        }
    }

    fn series(self, known_on: NaiveDate, delta: &LeanDelta) -> Option<Series> {
        let known_in = |block| Series {
            block,
            ..Series::NATION
        };
        match self {
            Self::Nation => Some(Series::NATION),
            Self::Year => Some(known_in(Block::Year(known_on.year()))),
            Self::Month => Some(known_in(Block::Month(known_on.year(), known_on.month()))),
            Self::Day => Some(known_in(Block::Day(known_on))),
            Self::Vendor => Some(Series {
                vendor: delta.vendor,
                ..Series::NATION
            }),
            Self::Chain => (delta.chain != 0).then_some(Series {
                chain: delta.chain,
                ..Series::NATION
            }),
        }
    }
}

/// A delta and the day on which its change was numbered.
type Known = (NaiveDate, LeanDelta);

/// Deltas to be summed by series and day.
#[derive(Debug, Default)]
pub struct Sums {
    deltas: Vec<Known>,
    family: usize,
    start: usize,
}

impl Sums {
    /// Adds a delta of a change numbered at an instant.
    pub fn add(&mut self, settled_at: DateTime<Utc>, delta: &StoredDelta) {
        let lean = LeanDelta::new(delta.effective_on, &delta.cell, delta.counts);
        self.deltas.push((civil_day(settled_at), lean));
    }

    /// How many deltas are summed.
    pub fn len(&self) -> usize {
        self.deltas.len()
    }

    /// Is there nothing to sum?
    pub fn is_empty(&self) -> bool {
        self.deltas.is_empty()
    }

    /// The next series and its deltas by day: the nation in every block, every vendor, every chain. `None`
    /// after the last.
    pub fn next_series(&mut self) -> Option<(Series, &[Known])> {
        let (series, range) = loop {
            let family = *Family::ALL.get(self.family)?;
            if self.start == 0 {
                self.deltas.sort_unstable_by_key(|(known_on, delta)| {
                    (family.member(*known_on, delta), delta.effective_on)
                });
            }
            let rest = self.deltas.get(self.start..).unwrap_or_default();
            let Some((known_on, first)) = rest.first() else {
                self.family += 1;
                self.start = 0;
                continue;
            };
            let member = family.member(*known_on, first);
            let length =
                rest.partition_point(|(known_on, delta)| family.member(*known_on, delta) == member);
            let range = self.start..self.start + length;
            let series = family.series(*known_on, first);
            self.start = range.end;
            if let Some(series) = series {
                break (series, range);
            }
        };
        let deltas = self.deltas.get(range).unwrap_or_default();
        Some((series, deltas))
    }

    /// The rows of the next series, if nothing was folded before.
    pub fn next_rows(&mut self) -> Option<Vec<Values>> {
        let (series, deltas) = self.next_series()?;
        let rows = totals_of(deltas).map(|(day, grid)| total_values(&series, day, &grid));
        Some(rows.collect())
    }

    /// Adds these sums to the stored totals.
    pub async fn fold_into(mut self, transaction: &Transaction, cube: &Cube) -> Result<(), DbErr> {
        let mut changed = Vec::new();
        while let Some((series, deltas)) = self.next_series() {
            changed.extend(fold_series(transaction, cube, series, deltas).await?);
            if changed.len() >= ROWS_AT_ONCE {
                let rows = std::mem::take(&mut changed);
                cube.totals.upsert(transaction, &TOTAL_KEY, rows).await?;
            }
        }
        cube.totals.upsert(transaction, &TOTAL_KEY, changed).await
    }

    /// Writes these sums where no totals are.
    pub async fn insert_into(
        mut self,
        transaction: &Transaction,
        cube: &Cube,
    ) -> Result<(), DbErr> {
        let mut rows = Vec::new();
        while let Some(more) = self.next_rows() {
            rows.extend(more);
            if rows.len() >= ROWS_AT_ONCE {
                let rows = std::mem::take(&mut rows);
                cube.totals.insert(transaction, rows).await?;
            }
        }
        cube.totals.insert(transaction, rows).await
    }
}

/// The counts of a series from each day on which they change, from its deltas in the order of days.
pub fn totals_of(deltas: &[Known]) -> impl Iterator<Item = (NaiveDate, Grid)> + '_ {
    let mut grid = Grid::default();
    days(deltas).map(move |(day, deltas)| {
        add_all(&mut grid, deltas);
        (day, grid.clone())
    })
}

fn days(deltas: &[Known]) -> impl Iterator<Item = (NaiveDate, &[Known])> {
    deltas
        .chunk_by(|(_, one), (_, other)| one.effective_on == other.effective_on)
        .filter_map(|day| Some((day.first()?.1.effective_on, day)))
}

fn add_all(grid: &mut Grid, deltas: &[Known]) {
    for (_, delta) in deltas {
        grid.add(delta.kind, delta.prefecture, delta.counts());
    }
}

/// The rows of a series that change when deltas are added from their days on.
async fn fold_series(
    transaction: &Transaction,
    cube: &Cube,
    series: Series,
    deltas: &[Known],
) -> Result<Vec<Values>, DbErr> {
    let days: BTreeMap<NaiveDate, &[Known]> = days(deltas).collect();
    let Some((&first, _)) = days.first_key_value() else {
        return Ok(Vec::new());
    };
    let (mut before, mut later) = (Grid::default(), BTreeMap::new());
    for (day, grid) in stored_from(transaction, cube, &series, first).await? {
        if day < first {
            before = grid;
        } else {
            later.insert(day, grid);
        }
    }
    let mut added = Grid::default();
    let mut rows = Vec::new();
    let mut all_days: Vec<NaiveDate> = later.keys().chain(days.keys()).copied().collect();
    all_days.sort_unstable();
    all_days.dedup();
    for day in all_days {
        add_all(&mut added, days.get(&day).copied().unwrap_or_default());
        if let Some(stored) = later.remove(&day) {
            before = stored;
        }
        let mut total = before.clone();
        total.add_grid(&added);
        rows.push(total_values(&series, day, &total));
    }
    Ok(rows)
}

/// A series' stored totals from a day on, and the last before it.
async fn stored_from(
    transaction: &Transaction,
    cube: &Cube,
    series: &Series,
    first: NaiveDate,
) -> Result<Vec<(NaiveDate, Grid)>, DbErr> {
    let (level, start) = series.block.key();
    let totals = cube.totals.name;
    let rows = Query::with(
        format!(
            "SELECT effective_on, counts FROM {totals} WHERE block_level = $1 AND block_start = $2 \
             AND vendor_id = $3 AND chain_id = $4 AND effective_on >= COALESCE((SELECT max(effective_on) \
             FROM {totals} WHERE block_level = $1 AND block_start = $2 AND vendor_id = $3 \
             AND chain_id = $4 AND effective_on < $5), $5) ORDER BY effective_on"
        ),
        [
            level.into(),
            start.into(),
            series.vendor.into(),
            series.chain.into(),
            first.into(),
        ],
    )
    .all(transaction)
    .await?;
    rows.iter()
        .map(|row| {
            let mut row = Row::new(row);
            let day = row.take()?;
            let mut grid = Grid::default();
            add_encoded(&mut grid, &row.take::<Vec<u8>>()?)?;
            Ok((day, grid))
        })
        .collect()
}

fn total_values(series: &Series, day: NaiveDate, grid: &Grid) -> Values {
    let (level, start) = series.block.key();
    vec![
        level.into(),
        start.into(),
        series.vendor.into(),
        series.chain.into(),
        day.into(),
        grid.encode().into(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn delta(on: &str, vendor: i64, chain: i64, all: i64) -> StoredDelta {
        let counts = Counts {
            all,
            ..Counts::ZERO
        };
        let cell = Cell {
            kind: FacilityKind::Pharmacy,
            prefecture: Prefecture::FIRST,
            vendor: (vendor > 0).then_some(OrganisationId(vendor)),
            chain: (chain > 0).then_some(OrganisationId(chain)),
        };
        StoredDelta {
            effective_on: day(on),
            cell,
            counts,
        }
    }

    /// What every series holds at the end, and on how many days it changes.
    fn summed(deltas: &[(&str, StoredDelta)]) -> BTreeMap<Series, (usize, i64)> {
        let mut sums = Sums::default();
        for (known, delta) in deltas {
            sums.add(known.parse().unwrap(), delta);
        }
        let mut found = BTreeMap::new();
        while let Some((series, deltas)) = sums.next_series() {
            let totals: Vec<_> = totals_of(deltas).collect();
            let all = totals.last().unwrap().1.iter().map(|(_, _, c)| c.all).sum();
            let earlier = found.insert(series, (totals.len(), all));
            assert_eq!(earlier, None, "a series comes once");
        }
        found
    }

    #[test]
    fn every_delta_is_summed_in_each_of_its_series() {
        let found = summed(&[
            ("2021-01-31T03:00:00Z", delta("2020-12-01", 7, 0, 5)),
            ("2021-01-31T16:00:00Z", delta("2020-12-01", 7, 9, 2)),
            ("2020-12-31T14:59:59Z", delta("2020-11-01", 0, 9, 1)),
        ]);
        let of = |block| {
            found
                .get(&Series {
                    block,
                    ..Series::NATION
                })
                .copied()
        };
        assert_eq!(of(Block::All), Some((2, 8)));
        assert_eq!(of(Block::Year(2020)), Some((1, 1)));
        assert_eq!(of(Block::Year(2021)), Some((1, 7)));
        assert_eq!(of(Block::Month(2021, 1)), Some((1, 5)));
        assert_eq!(
            of(Block::Month(2021, 2)),
            Some((1, 2)),
            "16:00 UTC is the next day in Japan"
        );
        assert_eq!(of(Block::Day(day("2021-02-01"))), Some((1, 2)));
        assert_eq!(found.get(&Series::of_vendor(None)), Some(&(1, 1)));
        assert_eq!(
            found.get(&Series::of_vendor(Some(OrganisationId(7)))),
            Some(&(1, 7))
        );
        assert_eq!(
            found.get(&Series::of_chain(OrganisationId(9))),
            Some(&(2, 3))
        );
        assert_eq!(found.len(), 12, "and in no other: {found:?}");
    }

    #[test]
    fn no_deltas_have_no_series() {
        assert!(summed(&[]).is_empty());
    }
}
