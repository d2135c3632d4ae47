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
    figures::{Cell, Counts, Level, Work},
};

/// Which facilities a figure counts, by their dimensions on the day. Empty lists name all, but of
/// prefectures.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Any of these kinds.
    pub kinds: Vec<FacilityKind>,
    /// Any of these prefectures, which may be none; `None` names all.
    pub prefectures: Option<Vec<Prefecture>>,
    /// Any of these vendors; `None` stands for none.
    pub vendors: Vec<Option<OrganisationId>>,
    /// Any of these chains; `None` stands for none.
    pub chains: Vec<Option<OrganisationId>>,
    /// Only stores of some chain.
    pub only_stores: bool,
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
            only_stores,
        } = self;
        self.passes_place(cell.kind, cell.prefecture)
            && (vendors.is_empty() || vendors.contains(&cell.vendor))
            && (chains.is_empty() || chains.contains(&cell.chain))
            && (!only_stores || cell.chain.is_some())
    }

    /// Do a kind and a prefecture pass?
    pub fn passes_place(&self, kind: FacilityKind, prefecture: Prefecture) -> bool {
        (self.kinds.is_empty() || self.kinds.contains(&kind))
            && self
                .prefectures
                .as_ref()
                .is_none_or(|named| named.contains(&prefecture))
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
        only_stores,
    } = filter;
    query.and_any("p.kind", kinds.iter().map(|kind| i64::from(kind.code())));
    if let Some(prefectures) = prefectures {
        let numbers = prefectures.iter().map(|p| i64::from(p.number()));
        query.and_any("p.prefecture", numbers);
        if prefectures.is_empty() {
            query.push(" AND FALSE");
        }
    }
    query.and_any(
        "p.vendor_id",
        vendors.iter().map(|id| id.map_or(0, |id| id.0)),
    );
    query.and_any(
        "p.chain_id",
        chains.iter().map(|id| id.map_or(0, |id| id.0)),
    );
    // As the partial indexes say it.
    if !vendors.is_empty() && !vendors.contains(&None) {
        query.push(" AND p.vendor_id <> 0");
    }
    if *only_stores || !chains.is_empty() && !chains.contains(&None) {
        query.push(" AND p.chain_id <> 0");
    }
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
            Clause::Contractor(id) => push_today(query, "contractor_id", *id),
            Clause::Corporation(id) => push_today(query, "corporation_id", *id),
            Clause::Area(id) => push_today(query, "area_id", *id),
        }
    }
    query.push(")");
}

/// Appends the condition that a facility is an organisation's today.
fn push_today(query: &mut Query, column: &str, organisation: OrganisationId) {
    query.push(&format!(
        "p.facility_id IN (SELECT facility_id FROM facility_state WHERE {column} <> 0 AND {column} = "
    ));
    query.bind(organisation.0).push(")");
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

/// How much work was done up to each of some days, which are in order, and how much waited, from what changes added.
pub async fn work_on_days(
    connection: &impl ConnectionTrait,
    days: &[NaiveDate],
    known: Known,
    filter: &Filter,
    scope: &Scope,
) -> Result<Vec<Work>, DbErr> {
    let Some(&last) = days.last() else {
        return Ok(Vec::new());
    };
    let sums = [
        "installed_count",
        "waiting_count",
        "minute_count",
        "timed_count",
    ]
    .map(|column| format!("CAST(sum(p.{column}) AS BIGINT)"));
    let mut query = Query::new(format!(
        "SELECT p.effective_on, {} FROM work_delta p",
        sums.join(", ")
    ));
    if let Known::UpTo { seq, .. } = known {
        query.push(" JOIN change c ON c.id = p.change_id AND c.seq <= ");
        query.bind(seq);
    }
    query.push(" WHERE p.effective_on <= ").bind(last);
    push_conditions(&mut query, filter, scope);
    query.push(" GROUP BY p.effective_on ORDER BY p.effective_on");
    let mut steps = Vec::new();
    for row in query.all(connection).await? {
        let mut row = Row::new(&row);
        let day: NaiveDate = row.take()?;
        let work = Work {
            installed: row.take()?,
            waiting: row.take()?,
            minutes: row.take()?,
            timed: row.take()?,
        };
        steps.push((day, work));
    }
    let mut steps = steps.into_iter().peekable();
    let mut total = Work::default();
    Ok(days
        .iter()
        .map(|day| {
            while let Some((_, work)) = steps.next_if(|(on, _)| on <= day) {
                total += work;
            }
            total
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

/// How an open facility stood at one end of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// In which cell.
    pub cell: Cell,
    /// At which level.
    pub level: Level,
    /// Was it one of those that are asked for, within what the caller may count?
    pub counted: bool,
}

/// How a facility stood at one end of a comparison; `None` if it was not open.
pub type Side = Option<Standing>;

/// Facilities that stood alike before, and alike after, but not the same before and after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Movement {
    /// At the first end.
    pub before: Side,
    /// At the second end.
    pub after: Side,
    /// How many.
    pub facilities: i64,
}

/// What is read of each side of a pair, and what stands for it where there is none.
const SIDE: [(&str, &str); 6] = [
    ("kind", "CAST(0 AS SMALLINT)"),
    ("prefecture", "CAST(1 AS SMALLINT)"),
    ("vendor_id", "0"),
    ("chain_id", "0"),
    ("level", "CAST(0 AS SMALLINT)"),
    ("counted", "0"),
];

/// How the facilities moved that a filter and a scope count at one end at least. Where they stood at the
/// other end is read whatever it is: one that engages another vendor by then has not closed.
pub async fn movements(
    connection: &impl ConnectionTrait,
    from: (NaiveDate, Known),
    to: (NaiveDate, Known),
    filter: &Filter,
    scope: &Scope,
) -> Result<Vec<Movement>, DbErr> {
    let mut query = Query::new("WITH ");
    let everything = *scope == Scope::All && *filter == Filter::default();
    if !everything {
        for (word, (as_of, known)) in ["concerned AS (", " UNION "].into_iter().zip([from, to]) {
            query.push(word).push("SELECT p.facility_id");
            push_periods(&mut query, as_of, known);
            push_conditions(&mut query, filter, scope);
        }
        query.push("), ");
    }
    let sides = ["side AS (SELECT 1 AS place", " UNION ALL SELECT 2"];
    for (word, (as_of, known)) in sides.into_iter().zip([from, to]) {
        query.push(word).push(
            ", p.facility_id, p.kind, p.prefecture, p.vendor_id, p.chain_id, p.level, CASE WHEN TRUE",
        );
        push_conditions(&mut query, filter, scope);
        query.push(" THEN 1 ELSE 0 END AS counted");
        push_periods(&mut query, as_of, known);
        if !everything {
            query.push(" AND p.facility_id IN (SELECT facility_id FROM concerned)");
        }
    }
    push_pairs(&mut query);
    let rows = query.all(connection).await?;
    rows.iter()
        .map(|row| {
            let mut row = Row::new(row);
            Ok(Movement {
                before: read_side(&mut row)?,
                after: read_side(&mut row)?,
                facilities: row.take()?,
            })
        })
        .collect()
}

/// Ends the table `side` and counts its pairs of unlike sides. They are paired by grouping: SQLite would
/// run a FULL JOIN of the two sides as a loop inside a loop.
fn push_pairs(query: &mut Query) {
    let of_both = |text: &dyn Fn(&str, &str, &str) -> String| -> Vec<String> {
        ["1", "2"]
            .into_iter()
            .flat_map(|place| SIDE.map(|(column, none)| text(place, column, none)))
            .collect()
    };
    let pair = of_both(&|place, column, _| {
        format!("max(CASE place WHEN {place} THEN {column} END) AS {column}_{place}")
    });
    let keys = of_both(&|place, column, _| format!("{column}_{place}"));
    let read = of_both(&|place, column, none| match column {
        "kind" => {
            format!("kind_{place} IS NOT NULL, COALESCE(kind_{place}, {none})")
        }
        "counted" => format!("COALESCE(counted_{place}, {none}) = 1"),
        _ => format!("COALESCE({column}_{place}, {none})"),
    });
    let unlike = SIDE.map(|(column, _)| format!("{column}_1 <> {column}_2"));
    query.push(&format!(
        "), pair AS (SELECT {} FROM side GROUP BY facility_id) SELECT {}, count(*) FROM pair \
         WHERE kind_1 IS NULL OR kind_2 IS NULL OR {} GROUP BY {}",
        pair.join(", "),
        read.join(", "),
        unlike.join(" OR "),
        keys.join(", "),
    ));
}

fn read_side(row: &mut Row<'_>) -> Result<Side, DbErr> {
    let there: bool = row.take()?;
    let standing = Standing {
        cell: read_cell(row)?,
        level: read_level(row)?,
        counted: row.take()?,
    };
    Ok(there.then_some(standing))
}
