//! The tables `facility_period`, `figure_delta`, `figure_total`, `work_delta` and `work_total`: writing what a change does to the
//! counts, and folding it into totals.

pub mod rows;
mod sums;
pub mod totals;

use chrono::{Datelike, NaiveDate};
use sea_orm::Value;

use super::{Cell, Counts, Deltas, Grid, Level, Period};
use crate::{
    db::{
        ChangeId, Column, ConnectionTrait, Database, DbErr, FacilityId, OrganisationId, Query, Row,
        Table, Transaction, Values,
    },
    facility::columns::{read_kind, read_prefecture},
};

/// Deltas read in one page.
const DELTAS_AT_ONCE: usize = 10_000;

/// Stands for "any vendor" and "any chain" in a total's key.
pub const ANY: i64 = -1;

/// The periods of facilities.
pub const FACILITY_PERIOD: Table = Table {
    name: "facility_period",
    columns: &[
        ("facility_id", Column::Big),
        ("effective_from", Column::Date),
        ("effective_until", Column::Date),
        ("kind", Column::Code),
        ("prefecture", Column::Code),
        ("vendor_id", Column::Big),
        ("chain_id", Column::Big),
        ("level", Column::Code),
        ("added_by", Column::Big),
    ],
};

/// The periods of facilities, with all that was ever known.
pub const KNOWN_PERIOD: Table = Table {
    name: "facility_period",
    columns: &[
        ("facility_id", Column::Big),
        ("effective_from", Column::Date),
        ("effective_until", Column::Date),
        ("kind", Column::Code),
        ("prefecture", Column::Code),
        ("vendor_id", Column::Big),
        ("chain_id", Column::Big),
        ("level", Column::Code),
        ("added_by", Column::Big),
        ("removed_by", Column::Big),
    ],
};

/// What each change adds to the counts.
pub const FIGURE_DELTA: Table = Table {
    name: "figure_delta",
    columns: &[
        ("change_id", Column::Big),
        ("ordinal", Column::Int),
        ("effective_on", Column::Date),
        ("kind", Column::Code),
        ("prefecture", Column::Code),
        ("vendor_id", Column::Big),
        ("chain_id", Column::Big),
        ("open_count", Column::Int),
        ("applied_count", Column::Int),
        ("ready_count", Column::Int),
        ("live_count", Column::Int),
    ],
};

/// What each change adds to the work.
pub const WORK_DELTA: Table = Table {
    name: "work_delta",
    columns: &[
        ("change_id", Column::Big),
        ("ordinal", Column::Int),
        ("effective_on", Column::Date),
        ("kind", Column::Code),
        ("prefecture", Column::Code),
        ("vendor_id", Column::Big),
        ("chain_id", Column::Big),
        ("installed_count", Column::Int),
        ("waiting_count", Column::Int),
        ("minute_count", Column::Int),
        ("timed_count", Column::Int),
    ],
};

/// Folded totals of the levels.
pub const FIGURE_TOTAL: Table = Table {
    name: "figure_total",
    columns: &[
        ("block_level", Column::Code),
        ("block_start", Column::Date),
        ("vendor_id", Column::Big),
        ("chain_id", Column::Big),
        ("effective_on", Column::Date),
        ("counts", Column::Bytes),
    ],
};

/// Folded totals of the work.
pub const WORK_TOTAL: Table = Table {
    name: "work_total",
    columns: FIGURE_TOTAL.columns,
};

/// Numbers by effective day × kind × prefecture × vendor × chain: deltas that writers append, and totals that they are
/// folded into. There are two cubes, of four numbers each, and all that is done with one is done with the other.
#[derive(Clone, Copy, Debug)]
pub struct Cube {
    /// What each change adds.
    pub deltas: &'static Table,
    /// What that adds up to.
    pub totals: &'static Table,
    /// The columns that [`read_delta`] reads, of a row `d` of the deltas.
    pub delta_columns: &'static str,
    /// The same of deltas summed by day, kind and prefecture: an import leaves thousands on a day.
    summed_columns: &'static str,
}

impl Cube {
    /// How far facilities have come: [`Counts`].
    pub const LEVELS: Self = Self {
        deltas: &FIGURE_DELTA,
        totals: &FIGURE_TOTAL,
        delta_columns: "d.effective_on, d.kind, d.prefecture, d.vendor_id, d.chain_id, \
                        d.open_count, d.applied_count, d.ready_count, d.live_count",
        summed_columns: "d.effective_on, d.kind, d.prefecture, CAST(0 AS BIGINT), CAST(0 AS BIGINT), \
                         CAST(sum(d.open_count) AS INTEGER), CAST(sum(d.applied_count) AS INTEGER), \
                         CAST(sum(d.ready_count) AS INTEGER), CAST(sum(d.live_count) AS INTEGER)",
    };

    /// How much work was done and how much waits: [`Work`](crate::figures::Work).
    pub const WORK: Self = Self {
        deltas: &WORK_DELTA,
        totals: &WORK_TOTAL,
        delta_columns: "d.effective_on, d.kind, d.prefecture, d.vendor_id, d.chain_id, \
                        d.installed_count, d.waiting_count, d.minute_count, d.timed_count",
        summed_columns: "d.effective_on, d.kind, d.prefecture, CAST(0 AS BIGINT), CAST(0 AS BIGINT), \
                         CAST(sum(d.installed_count) AS INTEGER), CAST(sum(d.waiting_count) AS INTEGER), \
                         CAST(sum(d.minute_count) AS INTEGER), CAST(sum(d.timed_count) AS INTEGER)",
    };

    /// Both.
    pub const ALL: [Self; 2] = [Self::LEVELS, Self::WORK];
}

/// Identifies a total.
const TOTAL_KEY: [&str; 5] = [
    "block_level",
    "block_start",
    "vendor_id",
    "chain_id",
    "effective_on",
];

pub use sums::{LeanDelta, Sums, totals_of};

/// A stretch of known time whose changes are summed on their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Block {
    /// Everything that is folded.
    All,
    /// The changes numbered in a year.
    Year(i32),
    /// The changes numbered in a month: year and month.
    Month(i32, u32),
    /// The changes numbered on a day.
    Day(NaiveDate),
}

impl Block {
    /// The blocks into which a change numbered on a day is summed.
    pub fn of(day: NaiveDate) -> [Self; 4] {
        [
            Self::All,
            Self::Year(day.year()),
            Self::Month(day.year(), day.month()),
            Self::Day(day),
        ]
    }

    /// The fewest blocks that together hold every change numbered after `first` began and before `day`.
    pub fn before(first: NaiveDate, day: NaiveDate) -> Vec<Self> {
        let years = (first.year()..day.year()).map(Self::Year);
        let months = (1..day.month()).map(|month| Self::Month(day.year(), month));
        let days = (1..day.day())
            .filter_map(|of_month| day.with_day(of_month))
            .map(Self::Day);
        years.chain(months).chain(days).collect()
    }

    /// The stored key: level and first day.
    pub fn key(self) -> (i16, NaiveDate) {
        let first = |year, month| NaiveDate::from_ymd_opt(year, month, 1).unwrap_or(NaiveDate::MIN);
        match self {
            Self::All => (0, first(1970, 1)),
            Self::Year(year) => (1, first(year, 1)),
            Self::Month(year, month) => (2, first(year, month)),
            Self::Day(day) => (3, day),
        }
    }
}

/// A total's key but for its day: which block, vendor and chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Series {
    /// The block of known time.
    pub block: Block,
    /// A vendor, 0 for none, or [`ANY`].
    pub vendor: i64,
    /// A chain, or [`ANY`].
    pub chain: i64,
}

impl Series {
    /// The whole nation.
    pub const NATION: Self = Self {
        block: Block::All,
        vendor: ANY,
        chain: ANY,
    };

    /// The facilities of a vendor, or of none.
    pub fn of_vendor(vendor: Option<OrganisationId>) -> Self {
        Self {
            vendor: vendor.map_or(0, |id| id.0),
            ..Self::NATION
        }
    }

    /// The stores of a chain.
    pub fn of_chain(chain: OrganisationId) -> Self {
        Self {
            chain: chain.0,
            ..Self::NATION
        }
    }

    /// The series into which a delta is summed: the nation in every block, its vendor's and its chain's.
    pub fn of(cell: &Cell, known_on: NaiveDate) -> impl Iterator<Item = Self> {
        let nation = Block::of(known_on).map(|block| Self {
            block,
            ..Self::NATION
        });
        nation
            .into_iter()
            .chain([Self::of_vendor(cell.vendor)])
            .chain(cell.chain.map(Self::of_chain))
    }
}

/// A delta as it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredDelta {
    /// From which day it counts.
    pub effective_on: NaiveDate,
    /// In which cell.
    pub cell: Cell,
    /// What it adds.
    pub counts: Counts,
}

/// The columns of a period's row.
pub fn period_values(facility: FacilityId, period: &Period, added_by: ChangeId) -> Values {
    vec![
        facility.0.into(),
        period.from.into(),
        period.until.into(),
        period.cell.kind.code().into(),
        i16::from(period.cell.prefecture.number()).into(),
        organisation_value(period.cell.vendor),
        organisation_value(period.cell.chain),
        period.level.code().into(),
        added_by.0.into(),
    ]
}

/// The columns of a period's row that may be known no longer.
pub fn known_period_values(
    facility: FacilityId,
    period: &Period,
    added_by: ChangeId,
    removed_by: Option<ChangeId>,
) -> Values {
    let mut values = period_values(facility, period, added_by);
    values.push(removed_by.map(|change| change.0).into());
    values
}

/// The columns of a delta's row.
pub fn delta_values(change: ChangeId, ordinal: i32, delta: &StoredDelta) -> Values {
    let count = |value: i64| Value::from(i32::try_from(value).unwrap_or(i32::MAX));
    vec![
        change.0.into(),
        ordinal.into(),
        delta.effective_on.into(),
        delta.cell.kind.code().into(),
        i16::from(delta.cell.prefecture.number()).into(),
        organisation_value(delta.cell.vendor),
        organisation_value(delta.cell.chain),
        count(delta.counts.all),
        count(delta.counts.applied),
        count(delta.counts.ready),
        count(delta.counts.live),
    ]
}

fn organisation_value(organisation: Option<OrganisationId>) -> Value {
    organisation.map_or(0, |id| id.0).into()
}

/// Ends the current periods of facilities from a day on: they are known no longer.
pub async fn remove_periods(
    database: &Database,
    transaction: &Transaction,
    change: ChangeId,
    from: &[(i64, NaiveDate)],
) -> Result<(), DbErr> {
    if from.is_empty() {
        return Ok(());
    }
    let mut query = Query::new("UPDATE facility_period SET removed_by = ");
    query.bind(change.0);
    if let [(facility, day)] = from {
        // PostgreSQL plans this once, and the pairs anew each time.
        query.push(" WHERE facility_id = ").bind(*facility);
        query.push(" AND effective_from >= ").bind(*day);
    } else {
        query.push(" FROM ");
        query.bind_pairs(database.backend(), from).push(
            " WHERE facility_period.facility_id = pairs.id \
             AND facility_period.effective_from >= pairs.day",
        );
    }
    query.push(" AND facility_period.removed_by IS NULL");
    query.execute(transaction).await?;
    Ok(())
}

/// Appends periods.
pub async fn add_periods(
    transaction: &Transaction,
    change: ChangeId,
    periods: &[(FacilityId, Period)],
) -> Result<(), DbErr> {
    let rows = periods
        .iter()
        .map(|(facility, period)| period_values(*facility, period, change))
        .collect();
    FACILITY_PERIOD.insert(transaction, rows).await
}

/// Appends what a change adds to a cube.
pub async fn add_deltas(
    transaction: &Transaction,
    cube: &Cube,
    change: ChangeId,
    deltas: &Deltas,
) -> Result<(), DbErr> {
    let rows = deltas
        .iter()
        .zip(0_i32..)
        .map(|((effective_on, cell, counts), ordinal)| {
            let delta = StoredDelta {
                effective_on,
                cell,
                counts,
            };
            delta_values(change, ordinal, &delta)
        })
        .collect();
    cube.deltas.insert(transaction, rows).await
}

/// Where a page of deltas ends: the change, by its number ([`numbered_deltas`]) or its id
/// ([`folded_deltas`]), and the ordinal.
pub type DeltaPosition = (i64, i32);

/// Before every delta of the change that follows a number.
pub fn after_change(seq: i64) -> DeltaPosition {
    (seq, i32::MAX)
}

/// A page of the deltas of changes up to a number, in the order of numbers, each with the instant of
/// numbering. Answers where the page ends, if another may follow.
pub async fn numbered_deltas(
    connection: &impl ConnectionTrait,
    cube: &Cube,
    after: DeltaPosition,
    up_to_seq: i64,
    sums: &mut Sums,
) -> Result<Option<DeltaPosition>, DbErr> {
    let query = Query::with(
        format!(
            "SELECT c.seq, d.ordinal, c.settled_at, {} FROM change c JOIN {} d ON d.change_id = c.id WHERE c.seq >= $1 \
             AND (c.seq, d.ordinal) > ($1, $2) AND c.seq <= $3 ORDER BY c.seq, d.ordinal LIMIT {DELTAS_AT_ONCE}",
            cube.delta_columns, cube.deltas.name
        ),
        [after.0.into(), after.1.into(), up_to_seq.into()],
    );
    read_page(connection, query, sums).await
}

/// A page of all deltas of changes up to a number, in the order of their keys, each with the instant of
/// numbering. Answers where the page ends, if another may follow.
pub async fn folded_deltas(
    connection: &impl ConnectionTrait,
    cube: &Cube,
    after: DeltaPosition,
    up_to_seq: i64,
    sums: &mut Sums,
) -> Result<Option<DeltaPosition>, DbErr> {
    let query = Query::with(
        format!(
            "SELECT d.change_id, d.ordinal, c.settled_at, {} FROM {} d JOIN change c ON c.id = d.change_id \
             WHERE (d.change_id, d.ordinal) > ($1, $2) AND c.seq <= $3 ORDER BY d.change_id, d.ordinal \
             LIMIT {DELTAS_AT_ONCE}",
            cube.delta_columns, cube.deltas.name
        ),
        [after.0.into(), after.1.into(), up_to_seq.into()],
    );
    read_page(connection, query, sums).await
}

async fn read_page(
    connection: &impl ConnectionTrait,
    query: Query,
    sums: &mut Sums,
) -> Result<Option<DeltaPosition>, DbErr> {
    let rows = query.all(connection).await?;
    let mut last = None;
    for row in &rows {
        let mut row = Row::new(row);
        last = Some((row.take()?, row.take()?));
        let settled_at = row.take()?;
        sums.add(settled_at, &read_delta(&mut row)?);
    }
    Ok(last.filter(|_| rows.len() == DELTAS_AT_ONCE))
}

/// Reads what a cube adds.
pub fn read_delta(row: &mut Row<'_>) -> Result<StoredDelta, DbErr> {
    let effective_on = row.take()?;
    let cell = read_cell(row)?;
    let mut count = || row.take::<i32>().map(i64::from);
    Ok(StoredDelta {
        effective_on,
        cell,
        counts: Counts {
            all: count()?,
            applied: count()?,
            ready: count()?,
            live: count()?,
        },
    })
}

/// Reads kind, prefecture, vendor and chain.
pub fn read_cell(row: &mut Row<'_>) -> Result<Cell, DbErr> {
    Ok(Cell {
        kind: read_kind(row)?,
        prefecture: read_prefecture(row)?,
        vendor: organisation(row.take()?),
        chain: organisation(row.take()?),
    })
}

/// Reads a level's code.
pub fn read_level(row: &mut Row<'_>) -> Result<Level, DbErr> {
    let code: i16 = row.take()?;
    Level::from_code(code).ok_or_else(|| unreadable("level", code))
}

fn organisation(id: i64) -> Option<OrganisationId> {
    (id > 0).then_some(OrganisationId(id))
}

fn unreadable(what: &str, code: i16) -> DbErr {
    DbErr::Type(format!("no {what} has the code {code}"))
}

/// Adds a stored grid, or says that the row is damaged.
pub fn add_encoded(grid: &mut Grid, bytes: &[u8]) -> Result<(), DbErr> {
    grid.add_encoded(bytes)
        .ok_or_else(|| DbErr::Type("a stored total can't be read".to_owned()))
}

/// Removes all folded totals of a cube, before they are built anew.
pub async fn clear_totals(transaction: &Transaction, cube: &Cube) -> Result<(), DbErr> {
    Query::new(format!("DELETE FROM {}", cube.totals.name))
        .execute(transaction)
        .await?;
    Ok(())
}
