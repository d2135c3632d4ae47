//! Reading totals: the folded rows and what is not folded yet, in one statement and so in one snapshot.

use std::collections::BTreeMap;

use chrono::{DateTime, Days, NaiveDate, Utc};

use super::{ANY, Block, Cube, Series, StoredDelta, add_encoded, read_delta};
use crate::{
    app::{civil_day, clock::day_begins},
    db::{Backend, ConnectionTrait, DbErr, OrganisationId, Query, Row},
    figures::Grid,
};

/// The columns of a delta in a row that is a folded total, of the types that PostgreSQL insists on.
const NO_DELTA: &str = "CAST(NULL AS DATE), CAST(0 AS SMALLINT), CAST(0 AS SMALLINT), CAST(0 AS BIGINT), \
                        CAST(0 AS BIGINT), 0, 0, 0, 0";

/// The counts of a series as of a day, with everything that is committed.
pub async fn grid(
    connection: &impl ConnectionTrait,
    cube: &Cube,
    series: &Series,
    as_of: NaiveDate,
) -> Result<Grid, DbErr> {
    let (level, start) = series.block.key();
    let totals = cube.totals.name;
    let mut query = Query::with(
        format!(
            "SELECT counts, {NO_DELTA} FROM (SELECT counts FROM {totals} WHERE block_level = $1 AND \
             block_start = $2 AND vendor_id = $3 AND chain_id = $4 AND effective_on <= $5 \
             ORDER BY effective_on DESC LIMIT 1) AS folded"
        ),
        [
            level.into(),
            start.into(),
            series.vendor.into(),
            series.chain.into(),
            as_of.into(),
        ],
    );
    let backend = Backend::of(connection);
    for sort in Beside::NotFolded.sorts() {
        query
            .push(" UNION ALL SELECT NULL, ")
            .push(cube.delta_columns);
        Beside::NotFolded.push_deltas(&mut query, cube, backend, *sort);
        query.push(" AND d.effective_on <= $5");
        if series.vendor != ANY {
            query.push(" AND d.vendor_id = $3");
        }
        if series.chain != ANY {
            query.push(" AND d.chain_id = $4");
        }
    }
    let mut grid = Grid::default();
    for row in query.all(connection).await? {
        add_row(&mut grid, &mut Row::new(&row))?;
    }
    Ok(grid)
}

/// The counts of every vendor as of a day; `None` stands for facilities that engage none.
pub async fn grids_by_vendor(
    connection: &impl ConnectionTrait,
    cube: &Cube,
    as_of: NaiveDate,
) -> Result<Vec<(Option<OrganisationId>, Grid)>, DbErr> {
    let mut grids = grids_by(connection, cube, Member::Vendor, as_of).await?;
    grids.remove(&ANY);
    Ok(grids
        .into_iter()
        .map(|(id, grid)| ((id > 0).then_some(OrganisationId(id)), grid))
        .collect())
}

/// The counts of every chain as of a day; `None` stands for facilities that belong to none, which are
/// the nation less the chains.
pub async fn grids_by_chain(
    connection: &impl ConnectionTrait,
    cube: &Cube,
    as_of: NaiveDate,
) -> Result<Vec<(Option<OrganisationId>, Grid)>, DbErr> {
    let mut grids = grids_by(connection, cube, Member::Chain, as_of).await?;
    let mut none = grids.remove(&ANY).unwrap_or_default();
    grids.remove(&0);
    for chain in grids.values() {
        none.subtract_grid(chain);
    }
    Ok(grids
        .into_iter()
        .map(|(id, grid)| (Some(OrganisationId(id)), grid))
        .chain([(None, none)])
        .collect())
}

/// The counts of every member of a dimension, and of [`ANY`], in one snapshot.
async fn grids_by(
    connection: &impl ConnectionTrait,
    cube: &Cube,
    dimension: Member,
    as_of: NaiveDate,
) -> Result<BTreeMap<i64, Grid>, DbErr> {
    let (level, start) = Block::All.key();
    let (member, other) = dimension.columns();
    let totals = cube.totals.name;
    let mut query = Query::with(
        format!(
            "SELECT t.{member}, t.counts, {NO_DELTA} FROM {totals} t JOIN (SELECT {member}, \
             max(effective_on) AS effective_on FROM {totals} WHERE block_level = $1 AND block_start = $2 \
             AND {other} = $3 AND effective_on <= $4 GROUP BY {member}) AS last \
             ON last.{member} = t.{member} AND last.effective_on = t.effective_on \
             WHERE t.block_level = $1 AND t.block_start = $2 AND t.{other} = $3"
        ),
        [level.into(), start.into(), ANY.into(), as_of.into()],
    );
    let backend = Backend::of(connection);
    for sort in Beside::NotFolded.sorts() {
        query.push(" UNION ALL SELECT d.").push(member);
        query.push(", NULL, ").push(cube.delta_columns);
        Beside::NotFolded.push_deltas(&mut query, cube, backend, *sort);
        query.push(" AND d.effective_on <= $4");
    }
    let mut grids: BTreeMap<i64, Grid> = BTreeMap::new();
    for row in query.all(connection).await? {
        let mut row = Row::new(&row);
        let id: i64 = row.take()?;
        add_row(grids.entry(id).or_default(), &mut row.clone())?;
        if row.clone().take::<Option<Vec<u8>>>()?.is_none() {
            add_row(grids.entry(ANY).or_default(), &mut row)?;
        }
    }
    Ok(grids)
}

/// A dimension whose members are organisations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Member {
    /// By vendor, "none" included.
    Vendor,
    /// By chain, stores of none left out.
    Chain,
}

impl Member {
    fn columns(self) -> (&'static str, &'static str) {
        match self {
            Self::Vendor => ("vendor_id", "chain_id"),
            Self::Chain => ("chain_id", "vendor_id"),
        }
    }
}

/// Which totals hold a series, and which changes count beside them.
struct Pieces<'a> {
    cube: &'a Cube,
    series: Series,
    /// The blocks whose totals are added up.
    blocks: Vec<Block>,
    beside: Beside,
}

/// Changes that are in none of the totals asked for.
#[derive(Clone, Copy)]
enum Beside {
    /// Whatever is not folded.
    NotFolded,
    /// What is known up to a number of a day: that day's changes, and those that are not folded if the number isn't.
    UpTo {
        seq: i64,
        day_begins: DateTime<Utc>,
        is_folded: bool,
    },
}

/// Changes that stand together in one index, which those of a condition with OR do not. None is of two sorts.
#[derive(Clone, Copy)]
enum Sort {
    OfTheDay,
    NotFolded,
    NotNumbered,
}

impl Beside {
    fn sorts(self) -> &'static [Sort] {
        match self {
            Self::NotFolded => &[Sort::NotFolded, Sort::NotNumbered],
            Self::UpTo {
                is_folded: true, ..
            } => &[Sort::OfTheDay],
            Self::UpTo { .. } => &[Sort::OfTheDay, Sort::NotFolded],
        }
    }

    /// Appends the deltas `d` of the changes of a sort, which are few beside all that there are.
    fn push_deltas(self, query: &mut Query, cube: &Cube, backend: Backend, sort: Sort) {
        query.push(" FROM ").push(cube.deltas.name);
        query.push(" d WHERE d.change_id");
        query.push_answers(backend, |query| {
            query.push("SELECT c.id FROM change c WHERE ");
            self.push(query, sort);
        });
    }

    /// Appends the condition on a change `c` that it is of a sort.
    fn push(self, query: &mut Query, sort: Sort) {
        const FOLDED: &str = "(SELECT folded_seq FROM change_horizon WHERE id = 1)";
        match sort {
            Sort::NotNumbered => query.push("c.seq IS NULL"),
            Sort::NotFolded => query.push("c.seq > ").push(FOLDED),
            Sort::OfTheDay => query.push("c.seq <= ").push(FOLDED),
        };
        if let Self::UpTo {
            seq, day_begins, ..
        } = self
        {
            query.push(" AND c.seq <= ").bind(seq);
            if matches!(sort, Sort::OfTheDay) {
                query.push(" AND c.settled_at >= ").bind(day_begins);
                query
                    .push(" AND c.settled_at < ")
                    .bind(day_begins + Days::new(1));
            }
        }
    }
}

/// The counts of a series on each of some days, with everything that is committed.
pub async fn grids(
    connection: &impl ConnectionTrait,
    cube: &Cube,
    series: &Series,
    days: &[NaiveDate],
) -> Result<Vec<Grid>, DbErr> {
    let pieces = Pieces {
        cube,
        series: *series,
        blocks: vec![series.block],
        beside: Beside::NotFolded,
    };
    sum(connection, &pieces, days).await
}

/// The nation's counts on each of some days, from the changes up to a number: whole years, months and days of
/// known time from their blocks, and the rest of the last day from its changes.
pub async fn nation_known(
    connection: &impl ConnectionTrait,
    cube: &Cube,
    days: &[NaiveDate],
    seq: i64,
) -> Result<Vec<Grid>, DbErr> {
    let Some((first, last, folded_seq)) = settled_days(connection, seq).await? else {
        return Ok(vec![Grid::default(); days.len()]);
    };
    let pieces = Pieces {
        cube,
        series: Series::NATION,
        blocks: Block::before(first, last),
        beside: Beside::UpTo {
            seq,
            day_begins: day_begins(last),
            // What is folded stays folded.
            is_folded: seq <= folded_seq,
        },
    };
    sum(connection, &pieces, days).await
}

/// Adds pieces up, in one statement and so in one snapshot.
async fn sum(
    connection: &impl ConnectionTrait,
    pieces: &Pieces<'_>,
    days: &[NaiveDate],
) -> Result<Vec<Grid>, DbErr> {
    let backend = Backend::of(connection);
    let Some(last) = days.iter().max() else {
        return Ok(Vec::new());
    };
    let blocks: Vec<(i64, NaiveDate)> = pieces
        .blocks
        .iter()
        .map(|block| block.key())
        .map(|(level, start)| (i64::from(level), start))
        .collect();
    let places: Vec<(i64, NaiveDate)> = (0..).zip(days.iter().copied()).collect();
    let mut query = Query::new("SELECT asked.place, (SELECT counts FROM ");
    query.push(pieces.cube.totals.name).push(
        " t WHERE t.block_level = block.level AND t.block_start = block.start AND t.vendor_id = ",
    );
    query.bind(pieces.series.vendor).push(" AND t.chain_id = ");
    query
        .bind(pieces.series.chain)
        .push(" AND t.effective_on <= asked.day ORDER BY t.effective_on DESC LIMIT 1), ")
        .push(NO_DELTA);
    query.push(" FROM (SELECT id AS level, day AS start FROM ");
    query.bind_pairs(backend, &blocks);
    query.push(") AS block CROSS JOIN (SELECT id AS place, day FROM ");
    query.bind_pairs(backend, &places).push(") AS asked");
    for sort in pieces.beside.sorts() {
        query.push(" UNION ALL SELECT CAST(-1 AS BIGINT), NULL, ");
        query.push(pieces.cube.summed_columns);
        pieces
            .beside
            .push_deltas(&mut query, pieces.cube, backend, *sort);
        query.push(" AND d.effective_on <= ").bind(*last);
        for (column, member) in [
            ("d.vendor_id", pieces.series.vendor),
            ("d.chain_id", pieces.series.chain),
        ] {
            if member != ANY {
                query.push(" AND ").push(column).push(" = ").bind(member);
            }
        }
        query.push(" GROUP BY d.effective_on, d.kind, d.prefecture");
    }
    let mut grids = vec![Grid::default(); days.len()];
    for row in query.all(connection).await? {
        let mut row = Row::new(&row);
        let place: i64 = row.take()?;
        let asked = usize::try_from(place).ok();
        match asked.and_then(|place| grids.get_mut(place)) {
            Some(grid) => add_row(grid, &mut row)?,
            None => add_delta(&mut grids, days, row.skip(1))?,
        }
    }
    Ok(grids)
}

/// Adds what a change brought to every day from that on.
fn add_delta(grids: &mut [Grid], days: &[NaiveDate], row: &mut Row<'_>) -> Result<(), DbErr> {
    let StoredDelta {
        effective_on,
        cell,
        counts,
    } = read_delta(row)?;
    for (grid, _) in grids
        .iter_mut()
        .zip(days)
        .filter(|(_, day)| effective_on <= **day)
    {
        grid.add_cell(&cell, counts);
    }
    Ok(())
}

/// The days on which the first change and the one with this number were numbered, and how far totals go.
async fn settled_days(
    connection: &impl ConnectionTrait,
    seq: i64,
) -> Result<Option<(NaiveDate, NaiveDate, i64)>, DbErr> {
    let row = Query::with(
        "SELECT first.settled_at, last.settled_at, horizon.folded_seq \
         FROM change first, change last, change_horizon horizon \
         WHERE first.seq = 1 AND last.seq = $1 AND horizon.id = 1",
        [seq.into()],
    )
    .one(connection)
    .await?;
    row.map(|row| {
        let mut row = Row::new(&row);
        let first: DateTime<Utc> = row.take()?;
        let last: DateTime<Utc> = row.take()?;
        Ok((civil_day(first), civil_day(last), row.take()?))
    })
    .transpose()
}

fn add_row(grid: &mut Grid, row: &mut Row<'_>) -> Result<(), DbErr> {
    let folded: Option<Vec<u8>> = row.take()?;
    if let Some(bytes) = folded {
        return add_encoded(grid, &bytes);
    }
    let effective_on: Option<NaiveDate> = row.clone().take()?;
    if effective_on.is_some() {
        let StoredDelta { cell, counts, .. } = read_delta(row)?;
        grid.add_cell(&cell, counts);
    }
    Ok(())
}
