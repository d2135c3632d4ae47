//! Answering a question: which totals hold the answer, or that it must be counted from rows.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use crate::{
    auth::{Actor, Clause, Permission, Scope},
    change::Known,
    db::{ConnectionTrait, DbErr, FacilityId, OrganisationId},
    facility::{Bureau, FacilityKind, Prefecture},
    figures::{
        Cell, Counts, Grid, Level,
        entity::{
            Cube, Series,
            rows::{self, Filter},
            totals::{self, Member},
        },
    },
};

/// By what figures are grouped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, async_graphql::Enum)]
#[graphql(name = "FigureDimension")]
pub enum Dimension {
    /// By kind of facility.
    Kind,
    /// By prefecture.
    Prefecture,
    /// By regional bureau.
    Bureau,
    /// By the vendor engaged on the day.
    Vendor,
    /// By the chain belonged to on the day.
    Chain,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// What was true on this day …
    pub as_of: NaiveDate,
    /// … as it was known then.
    pub known: Known,
    /// Which facilities.
    pub filter: Filter,
    /// By what.
    pub group_by: Vec<Dimension>,
}

/// One group of an answer; only the dimensions asked for are set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Group {
    /// The kind.
    pub kind: Option<FacilityKind>,
    /// The bureau.
    pub bureau: Option<Bureau>,
    /// The prefecture.
    pub prefecture: Option<Prefecture>,
    /// The vendor; `Some(None)`: those that engage none.
    pub vendor: Option<Option<OrganisationId>>,
    /// The chain; `Some(None)`: those that belong to none.
    pub chain: Option<Option<OrganisationId>>,
}

/// Counts by group, in the order of groups.
pub type Answer = BTreeMap<Group, Counts>;

impl Question {
    fn groups_by(&self, dimension: Dimension) -> bool {
        self.group_by.contains(&dimension)
    }

    fn group_of(&self, cell: &Cell) -> Group {
        Group {
            kind: self.groups_by(Dimension::Kind).then_some(cell.kind),
            bureau: self
                .groups_by(Dimension::Bureau)
                .then(|| cell.prefecture.bureau()),
            prefecture: self
                .groups_by(Dimension::Prefecture)
                .then_some(cell.prefecture),
            vendor: self.groups_by(Dimension::Vendor).then_some(cell.vendor),
            chain: self.groups_by(Dimension::Chain).then_some(cell.chain),
        }
    }

    /// The question about one group of its answer.
    pub fn narrowed(&self, group: &Group) -> Self {
        let mut filter = self.filter.clone();
        if let Some(kind) = group.kind {
            filter.kinds = vec![kind];
        }
        if let Some(bureau) = group.bureau {
            narrow_places(&mut filter.prefectures, bureau.prefectures());
        }
        if let Some(prefecture) = group.prefecture {
            filter.prefectures = Some(vec![prefecture]);
        }
        if let Some(vendor) = group.vendor {
            filter.vendors = vec![vendor];
        }
        if let Some(chain) = group.chain {
            filter.chains = vec![chain];
        }
        Self {
            filter,
            group_by: Vec::new(),
            ..self.clone()
        }
    }
}

/// Where an answer is read from.
pub(super) enum Source {
    /// One grid of kind × prefecture.
    Grid(Series),
    /// The nation's grid as known at a number.
    Known(i64),
    /// A grid for each vendor or chain.
    Members(Member),
    /// The facilities' periods.
    Rows,
}

/// Is a question answered from rows? Then it costs the same by vendor and chain as by either.
pub(super) fn is_from_rows(actor: &Actor, question: &Question) -> bool {
    let (question, scope) = narrow_to_scope(question, actor.scope(Permission::FiguresRead));
    matches!(source(&question, &scope), Source::Rows)
}

/// Answers a question within what the actor may count.
pub(super) async fn answer(
    connection: &impl ConnectionTrait,
    actor: &Actor,
    question: &Question,
) -> Result<Answer, DbErr> {
    let scope = actor.scope(Permission::FiguresRead);
    if scope.is_empty() {
        return Ok(Answer::new());
    }
    let (question, scope) = narrow_to_scope(question, scope);
    let mut answer = Answer::new();
    match source(&question, &scope) {
        Source::Grid(series) => {
            let grid = totals::grid(connection, &Cube::LEVELS, &series, question.as_of).await?;
            let member = |id: i64| (id > 0).then_some(OrganisationId(id));
            let (vendor, chain) = (member(series.vendor), member(series.chain));
            add_grid(&mut answer, &question, vendor, chain, &grid);
        }
        Source::Known(seq) => {
            for grid in
                totals::nation_known(connection, &Cube::LEVELS, &[question.as_of], seq).await?
            {
                add_grid(&mut answer, &question, None, None, &grid);
            }
        }
        Source::Members(Member::Vendor) => {
            for (vendor, grid) in
                totals::grids_by_vendor(connection, &Cube::LEVELS, question.as_of).await?
            {
                add_grid(&mut answer, &question, vendor, None, &grid);
            }
        }
        Source::Members(Member::Chain) => {
            for (chain, grid) in
                totals::grids_by_chain(connection, &Cube::LEVELS, question.as_of).await?
            {
                add_grid(&mut answer, &question, None, chain, &grid);
            }
        }
        Source::Rows => {
            let (as_of, known) = (question.as_of, question.known);
            let cells = rows::count(connection, as_of, known, &question.filter, &scope).await?;
            for (cell, counts) in cells {
                *answer.entry(question.group_of(&cell)).or_default() += counts;
            }
        }
    }
    answer.retain(|_, counts| !counts.is_zero());
    Ok(answer)
}

/// Answers a question on each of some days, which are in order, without groups.
pub(super) async fn on_days(
    connection: &impl ConnectionTrait,
    actor: &Actor,
    question: &Question,
    days: &[NaiveDate],
) -> Result<Vec<Counts>, DbErr> {
    let scope = actor.scope(Permission::FiguresRead);
    if scope.is_empty() {
        return Ok(vec![Counts::ZERO; days.len()]);
    }
    let question = Question {
        group_by: Vec::new(),
        ..question.clone()
    };
    let (question, scope) = narrow_to_scope(&question, scope);
    let grids = match source(&question, &scope) {
        Source::Grid(series) => totals::grids(connection, &Cube::LEVELS, &series, days).await?,
        Source::Known(seq) => totals::nation_known(connection, &Cube::LEVELS, days, seq).await?,
        Source::Members(_) | Source::Rows => {
            let (known, filter) = (question.known, &question.filter);
            return rows::count_on_days(connection, days, known, filter, &scope).await;
        }
    };
    Ok(grids
        .iter()
        .map(|grid| {
            let mut total = Counts::ZERO;
            for (kind, prefecture, counts) in grid.iter() {
                if question.filter.passes_place(kind, prefecture) {
                    total += counts;
                }
            }
            total
        })
        .collect())
}

/// A page of the facilities behind a count, in the order of their ids.
pub(super) async fn open(
    connection: &impl ConnectionTrait,
    actor: &Actor,
    question: &Question,
    level: Level,
    after: Option<FacilityId>,
    most: u64,
) -> Result<Vec<FacilityId>, DbErr> {
    let (question, scope) = narrow_to_scope(question, actor.scope(Permission::FiguresRead));
    rows::open(
        connection,
        question.as_of,
        question.known,
        &question.filter,
        &scope,
        &actor.scope(Permission::FacilityRead),
        level,
        after,
        most,
    )
    .await
}

/// A scope of one clause by a dimension is a filter; what remains must be checked row by row.
pub(super) fn narrow_to_scope(question: &Question, scope: Scope) -> (Question, Scope) {
    let mut question = question.clone();
    let Scope::Any(clauses) = &scope else {
        return (question, scope);
    };
    let narrowed = match clauses.as_slice() {
        [Clause::Prefectures(prefectures)] => {
            narrow_places(
                &mut question.filter.prefectures,
                prefectures.iter().copied(),
            );
            true
        }
        [Clause::Vendor(vendor)] => narrow_member(&mut question.filter.vendors, *vendor),
        [Clause::Chain(chain)] => narrow_member(&mut question.filter.chains, *chain),
        _ => false,
    };
    if narrowed {
        (question, Scope::All)
    } else {
        (question, scope)
    }
}

fn narrow_places(places: &mut Option<Vec<Prefecture>>, only: impl Iterator<Item = Prefecture>) {
    let named = places.take();
    let both = only.filter(|place| named.as_ref().is_none_or(|named| named.contains(place)));
    *places = Some(both.collect());
}

fn narrow_member(members: &mut Vec<Option<OrganisationId>>, only: OrganisationId) -> bool {
    let may = members.is_empty() || members.contains(&Some(only));
    if may {
        *members = vec![Some(only)];
    }
    may
}

pub(super) fn source(question: &Question, scope: &Scope) -> Source {
    // Kinds and prefectures are in every grid; another condition has to be thought of here.
    let Filter {
        kinds: _,
        prefectures: _,
        vendors,
        chains,
        only_stores,
    } = &question.filter;
    if *scope != Scope::All || *only_stores {
        return Source::Rows;
    }
    let by_vendor = question.groups_by(Dimension::Vendor);
    let by_chain = question.groups_by(Dimension::Chain);
    let members = (vendors.as_slice(), chains.as_slice());
    match (question.known, members) {
        (Known::Now, ([], [])) => match (by_vendor, by_chain) {
            (false, false) => Source::Grid(Series::NATION),
            (true, false) => Source::Members(Member::Vendor),
            (false, true) => Source::Members(Member::Chain),
            (true, true) => Source::Rows,
        },
        (Known::Now, ([vendor], [])) if !by_chain => Source::Grid(Series::of_vendor(*vendor)),
        (Known::Now, ([], [Some(chain)])) if !by_vendor => Source::Grid(Series::of_chain(*chain)),
        (Known::UpTo { seq, .. }, ([], [])) if !by_vendor && !by_chain => Source::Known(seq),
        _ => Source::Rows,
    }
}

fn add_grid(
    answer: &mut Answer,
    question: &Question,
    vendor: Option<OrganisationId>,
    chain: Option<OrganisationId>,
    grid: &Grid,
) {
    for (kind, prefecture, counts) in grid.iter() {
        if question.filter.passes_place(kind, prefecture) {
            let cell = Cell {
                kind,
                prefecture,
                vendor,
                chain,
            };
            *answer.entry(question.group_of(&cell)).or_default() += counts;
        }
    }
}
