//! Holding every row of a sheet against its facility. Nothing is written but what was found, so it may begin anew at any
//! time: whoever takes over from a process that died does.

use std::collections::HashMap;

use super::{
    evaluate::{Verdict, evaluate},
    resolve::Named,
    run::{Halt, Turn},
    spool::{Reading, spool},
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
    let mut some = next(turn, &mut reading).await?;
    while let Some(looked) = some {
        // The next rows are read while these are kept.
        let (kept, after) = tokio::join!(keep(turn, looked, &mut seen), next(turn, &mut reading));
        kept?;
        some = after?;
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

/// Rows beside their facilities, as they were when they were read.
struct Looked {
    rows: Vec<(u32, Asked, Found)>,
    draft: Draft,
    /// Rows of the file, those without anything in them too.
    count: usize,
}

type Found = Result<(FacilityId, IdentifiedBy), RowProblem>;

/// Reads the next rows and their facilities.
async fn next(turn: &Turn<'_>, reading: &mut Reading) -> Result<Option<Looked>, Halt> {
    let Some(rows) = reading.next().await else {
        return Ok(None);
    };
    let actor = turn.actor().await?;
    let count = rows.len();
    let asked: Vec<(u32, Asked)> = rows
        .into_iter()
        .filter_map(|(number, cells)| Some((number, row::read(&turn.sheet.columns, &cells)?)))
        .collect();
    let named = Named::find(
        &turn.services.database,
        &actor,
        turn.sheet.organisation.as_ref().map(|one| one.id),
        asked.iter().map(|(_, asked)| asked),
    )
    .await?;
    let rows: Vec<(u32, Asked, Found)> = asked
        .into_iter()
        .map(|(number, asked)| {
            let found = named.of(&asked);
            (number, asked, found)
        })
        .collect();
    let found = rows.iter().filter_map(|(_, _, found)| found.as_ref().ok());
    let ids: Vec<FacilityId> = found.map(|(facility, _)| *facility).collect();
    // Not locked: what is written later is held against the version that is read here.
    let draft = Draft::look(&turn.writer(&actor), ids).await?;
    Ok(Some(Looked { rows, draft, count }))
}

/// Keeps what the rows would do.
async fn keep(
    turn: &Turn<'_>,
    looked: Looked,
    seen: &mut HashMap<FacilityId, u32>,
) -> Result<(), Halt> {
    let Looked { rows, draft, count } = looked;
    let mut told = Vec::new();
    for (number, asked, found) in rows {
        let row = look_at(&draft, number, asked, found, seen);
        told.extend(row.filter(is_worth_telling));
    }
    let transaction = turn.services.database.begin().await?;
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
    found: Found,
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
