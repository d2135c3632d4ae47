//! Counting and opening periods: what totals can't answer is counted from the facilities' own rows, and
//! every count opens into the facilities behind it.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::{read_cell, read_level};
use crate::{
    auth::{Clause, Scope, entity::push_scope},
    change::Known,
    db::{ConnectionTrait, DbErr, FacilityId, OrganisationId, Query, Row},
    facility::{FacilityKind, Prefecture},
    figures::{Cell, Counts, Level},
};

/// Which facilities a figure counts, by their dimensions on the day. Empty lists name all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Any of these kinds.
    pub kinds: Vec<FacilityKind>,
    /// Any of these prefectures.
    pub prefectures: Vec<Prefecture>,
    /// Any of these vendors; `None` stands for none.
    pub vendors: Vec<Option<OrganisationId>>,
    /// Any of these chains; `None` stands for none.
    pub chains: Vec<Option<OrganisationId>>,
}

impl Filter {
    /// Does a cell pass?
    pub fn passes(&self, cell: &Cell) -> bool {
        // Named one by one, so that a new condition can't be forgotten here.
        let Self {
            kinds: _,
            prefectures: _,
            vendors,
            chains,
        } = self;
        self.passes_place(cell.kind, cell.prefecture)
            && (vendors.is_empty() || vendors.contains(&cell.vendor))
            && (chains.is_empty() || chains.contains(&cell.chain))
    }

    /// Do a kind and a prefecture pass?
    pub fn passes_place(&self, kind: FacilityKind, prefecture: Prefecture) -> bool {
        (self.kinds.is_empty() || self.kinds.contains(&kind))
            && (self.prefectures.is_empty() || self.prefectures.contains(&prefecture))
    }
}

/// Appends the tables and conditions of "the periods of a day, as known": `p` is the period.
fn push_periods(query: &mut Query, as_of: NaiveDate, known: Known) {
    push_periods_between(query, as_of, as_of, known);
}

/// Appends the tables and conditions of "the periods of any of these days, both included, as known".
fn push_periods_between(query: &mut Query, first: NaiveDate, last: NaiveDate, known: Known) {
    query.push(" FROM facility_period p");
    if let Known::UpTo { .. } = known {
        query.push(" JOIN change a ON a.id = p.added_by LEFT JOIN change r ON r.id = p.removed_by");
    }
    query.push(" WHERE p.effective_from <= ").bind(last);
    query.push(" AND p.effective_until > ").bind(first);
    match known {
        Known::Now => {
            query.push(" AND p.removed_by IS NULL");
        }
        Known::UpTo { seq, .. } => {
            query.push(" AND a.seq <= ").bind(seq);
            query.push(" AND (p.removed_by IS NULL OR r.seq IS NULL OR r.seq > ");
            query.bind(seq).push(")");
        }
    }
}

/// Appends the conditions of a filter and of a scope by the dimensions of the day.
fn push_conditions(query: &mut Query, filter: &Filter, scope: &Scope) {
    let Filter {
        kinds,
        prefectures,
        vendors,
        chains,
    } = filter;
    push_any(
        query,
        "p.kind",
        kinds.iter().map(|kind| i64::from(kind.code())),
    );
    push_any(
        query,
        "p.prefecture",
        prefectures.iter().map(|p| i64::from(p.number())),
    );
    push_any(
        query,
        "p.vendor_id",
        vendors.iter().map(|id| id.map_or(0, |id| id.0)),
    );
    push_any(
        query,
        "p.chain_id",
        chains.iter().map(|id| id.map_or(0, |id| id.0)),
    );
    let Scope::Any(clauses) = scope else {
        return;
    };
    query.push(" AND (FALSE");
    for clause in clauses {
        query.push(" OR ");
        match clause {
            Clause::Prefectures(prefectures) => {
                query.push("p.prefecture IN (");
                query
                    .bind_all(prefectures.iter().map(|p| i16::from(p.number())))
                    .push(")");
            }
            Clause::Vendor(id) => {
                query
                    .push("(p.vendor_id = ")
                    .bind(id.0)
                    .push(" AND p.vendor_id <> 0)");
            }
            Clause::Chain(id) => {
                query
                    .push("(p.chain_id = ")
                    .bind(id.0)
                    .push(" AND p.chain_id <> 0)");
            }
            Clause::Facility(id) => {
                query.push("p.facility_id = ").bind(id.0);
            }
            Clause::Contractor(id) => {
                query.push(
                    "p.facility_id IN (SELECT facility_id FROM facility_state WHERE contractor_id <> 0 \
                     AND contractor_id = ",
                );
                query.bind(id.0).push(")");
            }
        }
    }
    query.push(")");
}

fn push_any(query: &mut Query, column: &str, values: impl ExactSizeIterator<Item = i64>) {
    if values.len() > 0 {
        query.push(" AND ").push(column).push(" IN (");
        query.bind_all(values).push(")");
    }
}

/// Counts facilities from their periods, by cell.
pub async fn count(
    connection: &impl ConnectionTrait,
    as_of: NaiveDate,
    known: Known,
    filter: &Filter,
    scope: &Scope,
) -> Result<BTreeMap<Cell, Counts>, DbErr> {
    let mut query =
        Query::new("SELECT p.kind, p.prefecture, p.vendor_id, p.chain_id, p.level, count(*)");
    push_periods(&mut query, as_of, known);
    push_conditions(&mut query, filter, scope);
    query.push(" GROUP BY p.kind, p.prefecture, p.vendor_id, p.chain_id, p.level");
    let mut cells: BTreeMap<Cell, Counts> = BTreeMap::new();
    for row in query.all(connection).await? {
        let mut row = Row::new(&row);
        let cell = read_cell(&mut row)?;
        let level = read_level(&mut row)?;
        let facilities: i64 = row.take()?;
        *cells.entry(cell).or_default() += level.counts().times(facilities);
    }
    Ok(cells)
}

/// Counts facilities from their periods on each of some days, which are in order, in one statement: what begins
/// and what ends on each day between them, summed up.
pub async fn count_on_days(
    connection: &impl ConnectionTrait,
    days: &[NaiveDate],
    known: Known,
    filter: &Filter,
    scope: &Scope,
) -> Result<Vec<Counts>, DbErr> {
    let (Some(&first), Some(&last)) = (days.first(), days.last()) else {
        return Ok(Vec::new());
    };
    let mut query = Query::new("WITH period AS (SELECT CASE WHEN p.effective_from < ");
    query.bind(first).push(" THEN ").bind(first);
    query.push(" ELSE p.effective_from END AS begins, p.effective_until AS ends, p.level");
    push_periods_between(&mut query, first, last, known);
    push_conditions(&mut query, filter, scope);
    query.push(
        "), step AS (SELECT begins AS day, level, 1 AS facilities FROM period \
         UNION ALL SELECT ends, level, -1 FROM period WHERE ends <= ",
    );
    query.bind(last);
    query.push(") SELECT day, level, sum(facilities) FROM step GROUP BY day, level ORDER BY day");
    let mut steps = Vec::new();
    for row in query.all(connection).await? {
        let mut row = Row::new(&row);
        let day: NaiveDate = row.take()?;
        let level = read_level(&mut row)?;
        let facilities: i64 = row.take()?;
        steps.push((day, level.counts().times(facilities)));
    }
    let mut steps = steps.into_iter().peekable();
    let mut counts = Counts::ZERO;
    Ok(days
        .iter()
        .map(|day| {
            while let Some((_, step)) = steps.next_if(|(begins, _)| begins <= day) {
                counts += step;
            }
            counts
        })
        .collect())
}

/// A page of the facilities behind a count: those at a level or further, in the order of their ids.
/// `rows` is the caller's scope today: who may count a facility of the past may not open it for ever.
#[expect(clippy::too_many_arguments, reason = "a question has this many parts")]
pub async fn open(
    connection: &impl ConnectionTrait,
    as_of: NaiveDate,
    known: Known,
    filter: &Filter,
    scope: &Scope,
    rows: &Scope,
    level: Level,
    after: Option<FacilityId>,
    most: u64,
) -> Result<Vec<FacilityId>, DbErr> {
    let mut query = Query::new("SELECT p.facility_id");
    push_periods(&mut query, as_of, known);
    push_conditions(&mut query, filter, scope);
    query.push(" AND p.level >= ").bind(level.code());
    if !matches!(rows, Scope::All) {
        query.push(
            " AND EXISTS (SELECT 1 FROM facility_state s WHERE s.facility_id = p.facility_id AND ",
        );
        push_scope(&mut query, rows, "s");
        query.push(")");
    }
    if let Some(after) = after {
        query.push(" AND p.facility_id > ").bind(after.0);
    }
    query.push(" ORDER BY p.facility_id LIMIT ");
    query.bind(i64::try_from(most).unwrap_or(i64::MAX));
    let rows = query.all(connection).await?;
    rows.iter().map(|row| Row::new(row).take()).collect()
}

/// How one facility counted at one end of a comparison.
pub type Side = Option<(Cell, Level)>;

/// The facilities that count otherwise on one side than on the other, with how they count on both.
pub async fn differing(
    connection: &impl ConnectionTrait,
    from: (NaiveDate, Known),
    to: (NaiveDate, Known),
    scope: &Scope,
) -> Result<Vec<(Side, Side)>, DbErr> {
    // Paired by grouping: SQLite would run a FULL JOIN of the two sides as a loop inside a loop.
    let mut query = Query::default();
    for (position, (as_of, known)) in [from, to].into_iter().enumerate() {
        query.push(if position == 0 {
            "WITH side AS (SELECT 1 AS place"
        } else {
            " UNION ALL SELECT 2"
        });
        query.push(", p.facility_id, p.kind, p.prefecture, p.vendor_id, p.chain_id, p.level");
        push_periods(&mut query, as_of, known);
        push_conditions(&mut query, &Filter::default(), scope);
    }
    query.push("), pair AS (SELECT ");
    for place in ["1", "2"] {
        for column in ["kind", "prefecture", "vendor_id", "chain_id", "level"] {
            query.push("max(CASE place WHEN ").push(place);
            query.push(" THEN ").push(column).push(" END) AS ");
            query.push(column).push("_").push(place).push(", ");
        }
    }
    query.push(
        "facility_id FROM side GROUP BY facility_id) \
         SELECT kind_1 IS NOT NULL, COALESCE(kind_1, CAST(0 AS SMALLINT)), COALESCE(prefecture_1, CAST(1 AS SMALLINT)), \
         COALESCE(vendor_id_1, 0), COALESCE(chain_id_1, 0), COALESCE(level_1, CAST(0 AS SMALLINT)), \
         kind_2 IS NOT NULL, COALESCE(kind_2, CAST(0 AS SMALLINT)), COALESCE(prefecture_2, CAST(1 AS SMALLINT)), \
         COALESCE(vendor_id_2, 0), COALESCE(chain_id_2, 0), COALESCE(level_2, CAST(0 AS SMALLINT)) FROM pair \
         WHERE kind_1 IS NULL OR kind_2 IS NULL OR kind_1 <> kind_2 OR prefecture_1 <> prefecture_2 \
         OR vendor_id_1 <> vendor_id_2 OR chain_id_1 <> chain_id_2 OR level_1 <> level_2",
    );
    let rows = query.all(connection).await?;
    rows.iter()
        .map(|row| {
            let mut row = Row::new(row);
            Ok((read_side(&mut row)?, read_side(&mut row)?))
        })
        .collect()
}

fn read_side(row: &mut Row<'_>) -> Result<Side, DbErr> {
    let there: bool = row.take()?;
    let side = (read_cell(row)?, read_level(row)?);
    Ok(there.then_some(side))
}
