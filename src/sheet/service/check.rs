//! Holding every row of a sheet against its facility. Nothing is written but what was found, so it may begin anew at any
//! time: whoever takes over from a process that died does.

use std::collections::HashMap;

use super::{
    evaluate::{Verdict, evaluate},
    resolve::Named,
    run::{Halt, Turn},
    spool::{Reading, Rows, spool},
};
use crate::{
    db::FacilityId,
    milestone::{Problem, service::Draft},
    sheet::{
        Asked, Detail, IdentifiedBy, RowProblem, SheetProblem, SheetRowOutcome, SheetStatus,
        entity::{self, SheetRow},
        row,
    },
};

/// Checks a sheet from its first row to its last.
pub(super) async fn check(turn: &Turn<'_>) -> Result<(), Halt> {
    let database = &turn.services.database;
    let _held = turn.hold();
    let file = spool(database, turn.sheet).await?;
    let transaction = database.begin().await?;
    if !entity::go_on(
        &transaction,
        turn.sheet,
        &turn.lease(),
        -turn.sheet.done_count,
    )
    .await?
    {
        return Err(Halt::Lost);
    }
    entity::discard_rows(&transaction, turn.sheet.id).await?;
    transaction.commit().await?;
    let mut reading = Reading::begin(file, turn.sheet);
    let mut seen = HashMap::new();
    while let Some(rows) = reading.next().await {
        check_some(turn, rows, &mut seen).await?;
    }
    reading.end().await?;
    let now = turn.services.clock.now();
    let transaction = database.begin().await?;
    if !entity::go_on(&transaction, turn.sheet, &turn.lease(), 0).await? {
        return Err(Halt::Lost);
    }
    entity::end(&transaction, turn.sheet.id, SheetStatus::Checked, now).await?;
    transaction.commit().await?;
    Ok(())
}

async fn check_some(
    turn: &Turn<'_>,
    rows: Rows,
    seen: &mut HashMap<FacilityId, u32>,
) -> Result<(), Halt> {
    let database = &turn.services.database;
    let actor = turn.actor().await?;
    let count = rows.len();
    let asked: Vec<(u32, Asked)> = rows
        .into_iter()
        .filter_map(|(number, cells)| Some((number, row::read(&turn.sheet.columns, &cells)?)))
        .collect();
    let named = Named::find(
        database,
        &actor,
        turn.sheet.organisation.as_ref().map(|one| one.id),
        asked.iter().map(|(_, asked)| asked),
    )
    .await?;
    let found: Vec<_> = asked.iter().map(|(_, asked)| named.of(asked)).collect();
    let ids = found.iter().filter_map(|one| one.as_ref().ok());
    let ids: Vec<FacilityId> = ids.map(|(facility, _)| *facility).collect();
    // Not locked: what is written later is held against the version that is read here.
    let draft = Draft::look(&turn.writer(&actor), ids).await?;
    let mut told = Vec::new();
    for ((number, asked), found) in asked.into_iter().zip(found) {
        let row = look_at(&draft, number, asked, found, seen);
        told.extend(row.filter(is_worth_telling));
    }
    let transaction = database.begin().await?;
    let done = i32::try_from(count).unwrap_or(i32::MAX);
    if !entity::go_on(&transaction, turn.sheet, &turn.lease(), done).await? {
        return Err(Halt::Lost);
    }
    entity::insert_rows(&transaction, turn.sheet.id, &told).await?;
    transaction.commit().await?;
    Ok(())
}

/// A row that changes nothing is told of only if its facility was not simply named by its code.
fn is_worth_telling(row: &SheetRow) -> bool {
    row.outcome != SheetRowOutcome::Unchanged
        || !matches!(
            row.detail.identified,
            Some(IdentifiedBy::Code | IdentifiedBy::Reference)
        )
}

fn look_at(
    draft: &Draft,
    number: u32,
    asked: Asked,
    found: Result<(FacilityId, IdentifiedBy), RowProblem>,
    seen: &mut HashMap<FacilityId, u32>,
) -> Option<SheetRow> {
    let mut row = SheetRow {
        number: i32::try_from(number).ok()?,
        facility: None,
        outcome: SheetRowOutcome::Refused,
        change: None,
        detail: Detail {
            note: asked.note,
            problems: asked.problems,
            ..Detail::default()
        },
    };
    let (facility, by) = match found {
        Ok(found) => found,
        Err(problem) => {
            // A code that can't be read has been told of.
            if row.detail.problems.is_empty() || !asked.names.is_empty() {
                row.detail.problems.push(problem);
            }
            return Some(row);
        }
    };
    let Ok(working) = draft.find(facility) else {
        row.detail.problems.push(RowProblem::of(Problem::NotFound));
        return Some(row);
    };
    row.facility = Some(facility);
    row.detail.identified = Some(by);
    row.detail.version = working.state.version;
    let first = *seen.entry(facility).or_insert(number);
    if first != number {
        let doubled = SheetProblem::DoubledRow { first };
        row.detail.problems.push(RowProblem::of(doubled));
    }
    let verdict = evaluate(draft, working, &asked.wishes, row.detail.note.as_ref());
    let stale = asked
        .version
        .is_some_and(|version| version != working.state.version);
    judge(&mut row, verdict, stale);
    Some(row)
}

/// Says what becomes of a row, by what it would do and whether its facility has changed since the row was read.
pub(super) fn judge(row: &mut SheetRow, verdict: Verdict, stale: bool) {
    let (difference, mut problems) = match verdict {
        Verdict::Unchanged => {
            if row.detail.problems.is_empty() {
                row.outcome = SheetRowOutcome::Unchanged;
            }
            return;
        }
        Verdict::Change { difference, .. } => (difference, Vec::new()),
        Verdict::Refused {
            difference,
            problems,
        } => (difference, problems),
    };
    row.detail.wishes = difference.wishes;
    row.detail.before = difference.before;
    row.detail.problems.append(&mut problems);
    row.outcome = if !row.detail.problems.is_empty() {
        SheetRowOutcome::Refused
    } else if stale {
        let current = row.detail.version;
        let conflict = SheetProblem::Conflict { current };
        row.detail.problems.push(RowProblem::of(conflict));
        SheetRowOutcome::Conflict
    } else {
        SheetRowOutcome::WillChange
    };
}
