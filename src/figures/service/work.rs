//! How much work was done and how much waits: the second cube, asked as the first is.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::{
    ask::{Question, Source, narrow_to_scope, source},
    reading::connection,
};
use crate::{
    auth::{Actor, Permission},
    change::Known,
    db::{Database, DbErr, OrganisationId},
    figures::{
        Grid, Work,
        entity::{
            Cube,
            rows::{Filter, work_on_days},
            totals,
        },
    },
};

/// Answers a question on each of some days, which are in order, without groups: a statement however many days there are.
/// `None` if nothing that the actor may count is counted so: work has no single facilities, and none that are handed on.
pub async fn ask_work(
    database: &Database,
    actor: &Actor,
    question: &Question,
    days: &[NaiveDate],
) -> Result<Option<Vec<Work>>, DbErr> {
    let scope = actor.scope(Permission::FiguresRead).by_dimension();
    if scope.is_empty() {
        return Ok(None);
    }
    let (question, scope) = narrow_to_scope(question, scope);
    let connection = connection(database, actor, &[question.known]).await?;
    let cube = &Cube::WORK;
    let grids = match source(&question, &scope) {
        Source::Grid(series) => totals::grids(connection, cube, &series, days).await?,
        Source::Known(seq) => totals::nation_known(connection, cube, days, seq).await?,
        Source::Members(_) | Source::Rows => {
            let (known, filter) = (question.known, &question.filter);
            let found = work_on_days(connection, days, known, filter, &scope).await?;
            return Ok(Some(found));
        }
    };
    Ok(Some(
        grids
            .iter()
            .map(|grid| total(grid, &question.filter))
            .collect(),
    ))
}

/// The work of every vendor as of a day.
pub async fn work_by_vendor(
    database: &Database,
    as_of: NaiveDate,
) -> Result<BTreeMap<OrganisationId, Work>, DbErr> {
    let grids = totals::grids_by_vendor(database.read(), &Cube::WORK, as_of).await?;
    let everything = Filter::default();
    Ok(grids
        .into_iter()
        .filter_map(|(vendor, grid)| Some((vendor?, total(&grid, &everything))))
        .collect())
}

fn total(grid: &Grid, filter: &Filter) -> Work {
    let mut work = Work::default();
    for (kind, prefecture, counts) in grid.iter() {
        if filter.passes_place(kind, prefecture) {
            work += counts.into();
        }
    }
    work
}

/// The nation's own work, whoever asks: what averages are taken of.
pub async fn work_of_nation(
    database: &Database,
    known: Known,
    days: &[NaiveDate],
) -> Result<Vec<Work>, DbErr> {
    let question = Question {
        as_of: days.last().copied().unwrap_or_default(),
        known,
        filter: Filter::default(),
        group_by: Vec::new(),
    };
    let nation = ask_work(database, &Actor::system(), &question, days).await?;
    Ok(nation.unwrap_or_default())
}
