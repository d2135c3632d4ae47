//! Writing what the rows of a sheet were shown to change: some rows, what they say and what became of them in one
//! transaction, which is there whole or not at all.

use futures_util::{TryStreamExt, stream};

use super::{
    check::judge,
    evaluate::{Verdict, evaluate},
    run::{Halt, Turn},
    spool::ROWS_AT_ONCE,
};
use crate::{
    change::{self, Writer},
    db::{Backend, ChangeId, DbErr, FacilityId, Transaction},
    milestone::{
        Problem,
        service::{Draft, commit},
    },
    reporting::service::{check_reporter, confirm_within},
    sheet::{
        RowProblem, SheetRowOutcome, SheetStatus,
        entity::{self, SheetRow},
    },
};

/// Thousands of rows written in a turn, before other sheets have theirs.
const IN_A_TURN: usize = 3;
/// Thousands of rows under way at the same time: what the next ones change is found while the database writes the last.
const SIDE_BY_SIDE: usize = 2;

/// Writes the next rows, or ends the sheet after the last.
pub(super) async fn apply_some(turn: &Turn<'_>) -> Result<(), Halt> {
    let database = &turn.services.database;
    // Nothing is locked while rows are worked out, which may take long beside others.
    let _held = turn.hold();
    // Who leaves room for others rests after each thousand. SQLite has one writer.
    let alone = turn.sheet.gentle || database.backend() == Backend::Sqlite;
    let parts = if alone { 1 } else { IN_A_TURN };
    let rows = entity::pending(database.write(), turn.sheet.id, parts * ROWS_AT_ONCE).await?;
    if rows.is_empty() {
        return end(turn).await;
    }
    let mut rows = rows.into_iter();
    let parts = std::iter::from_fn(move || {
        let part: Vec<SheetRow> = rows.by_ref().take(ROWS_AT_ONCE).collect();
        (!part.is_empty()).then_some(part)
    });
    stream::iter(parts.map(Ok))
        .try_for_each_concurrent(SIDE_BY_SIDE, |part| write(turn, part))
        .await
}

/// Writes some rows in one transaction.
async fn write(turn: &Turn<'_>, mut rows: Vec<SheetRow>) -> Result<(), Halt> {
    let database = &turn.services.database;
    let actor = turn.actor().await?;
    let writer = turn.writer(&actor);
    let transaction = database.begin().await?;
    let ids: Vec<FacilityId> = rows.iter().filter_map(|row| row.facility).collect();
    let mut draft = Draft::read(&writer, &transaction, ids).await?;
    for (index, row) in rows.iter_mut().enumerate() {
        take(&mut draft, index, row);
    }
    if !draft.is_unchanged() {
        let theirs = turn.sheet.organisation.as_ref().map(|one| one.id);
        let organisation = draft.in_name_of_first(&actor, theirs);
        let change = change::record(&transaction, &writer, organisation, "sheetApply").await?;
        commit(&writer, &transaction, change, &draft.amended()).await?;
        settle(&mut rows, change);
    }
    // Only now, for the row of the sheet is locked by it and others write at the same time: whatever was written is rolled
    // back if the sheet was stopped, or another process is at it.
    let done = i32::try_from(rows.len()).unwrap_or(i32::MAX);
    if !entity::go_on(&transaction, turn.sheet, &turn.lease(), done).await? {
        return Err(Halt::Lost);
    }
    let from = SheetRowOutcome::WillChange;
    entity::store_outcomes(&transaction, turn.sheet.id, from, &rows).await?;
    transaction.commit().await?;
    turn.services.written.notify_one();
    Ok(())
}

/// Ends a sheet of which no row is left to be written.
async fn end(turn: &Turn<'_>) -> Result<(), Halt> {
    let database = &turn.services.database;
    let actor = turn.actor().await?;
    let transaction = database.begin().await?;
    if !entity::go_on(&transaction, turn.sheet, &turn.lease(), 0).await? {
        return Err(Halt::Lost);
    }
    confirm(turn, &turn.writer(&actor), &transaction).await?;
    let now = turn.services.clock.now();
    entity::end(&transaction, turn.sheet.id, SheetStatus::Applied, now).await?;
    transaction.commit().await?;
    turn.services.written.notify_one();
    Ok(())
}

/// Confirms what the sheet was sent to confirm, unless a row that was to be written could not be: then not everything is
/// recorded.
async fn confirm(
    turn: &Turn<'_>,
    writer: &Writer<'_>,
    transaction: &Transaction,
) -> Result<(), DbErr> {
    let sheet = turn.sheet;
    let Some((organisation, complete_to)) = sheet.organisation.as_ref().zip(sheet.complete_to)
    else {
        return Ok(());
    };
    let counts = entity::counts(writer.database, transaction, &[sheet.id.0]).await?;
    let not_recorded = [
        SheetRowOutcome::Refused,
        SheetRowOutcome::Conflict,
        SheetRowOutcome::Undone,
        SheetRowOutcome::NotUndone,
    ];
    let is_left = counts.get(&sheet.id.0).is_some_and(|counts| {
        not_recorded
            .iter()
            .any(|outcome| counts.contains_key(outcome))
    });
    if is_left || check_reporter(writer.actor, organisation.id).is_err() {
        return Ok(());
    }
    let change = confirm_within(writer, transaction, organisation.id, complete_to).await?;
    entity::set_confirmed(transaction, sheet.id, change).await
}

/// Takes a row as it was shown, or finds out why it can't be any more.
fn take(draft: &mut Draft, index: usize, row: &mut SheetRow) {
    row.detail.problems.clear();
    let Some((facility, working)) = row
        .facility
        .and_then(|facility| Some((facility, draft.find(facility).ok()?)))
    else {
        row.outcome = SheetRowOutcome::Refused;
        row.detail.problems.push(RowProblem::of(Problem::NotFound));
        return;
    };
    let stale = working.state.version != row.detail.version;
    row.detail.version = working.state.version;
    let wishes = std::mem::take(&mut row.detail.wishes);
    let verdict = evaluate(draft, working, &wishes, row.detail.note.as_ref());
    match verdict {
        Verdict::Change { taken, .. } if !stale => {
            row.detail.wishes = wishes;
            draft.take(facility, *taken, index);
        }
        verdict => {
            row.detail.before.clear();
            judge(row, verdict, stale);
        }
    }
}

/// Rows that are still to be changed were.
fn settle(rows: &mut [SheetRow], change: ChangeId) {
    for row in rows {
        if row.outcome == SheetRowOutcome::WillChange {
            row.outcome = SheetRowOutcome::Changed;
            row.change = Some(change);
        }
    }
}
