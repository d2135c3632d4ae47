//! Taking back what a sheet wrote, change by change, the last first. Each is undone under a key of its own, so that it is
//! done once whoever begins it again.

use std::collections::HashMap;

use super::run::{Halt, Turn};
use crate::{
    auth::Identity,
    change::{IdempotencyKey, WriteError, Writer},
    db::{ChangeId, DbErr, FacilityId},
    milestone::{Problem, service::ErrorPolicy},
    sheet::{
        RowProblem, SheetRowOutcome, SheetStatus,
        entity::{self, SheetRow},
    },
    undo::service::{UndoOutcome, undo},
};

/// Takes the next change back, or ends the sheet after the last.
pub(super) async fn undo_some(turn: &Turn<'_>) -> Result<(), Halt> {
    let database = &turn.services.database;
    let Some((change, mut rows)) = entity::written_last(database.write(), turn.sheet.id).await?
    else {
        let now = turn.services.clock.now();
        let transaction = database.begin().await?;
        if !entity::go_on(&transaction, turn.sheet, &turn.lease(), 0).await? {
            return Err(Halt::Lost);
        }
        entity::end(&transaction, turn.sheet.id, SheetStatus::Undone, now).await?;
        transaction.commit().await?;
        return Ok(());
    };
    let actor = turn.actor().await?;
    let writer = Writer {
        key: Some(key(turn, change)?),
        ..turn.writer(&actor)
    };
    let outcome = undo(&writer, change, ErrorPolicy::RejectFailedRows).await;
    turn.services.written.notify_one();
    let outcome = outcome.map_err(|error| match error {
        WriteError::Database(error) => Halt::Database(error),
        WriteError::KeyReused => {
            Halt::Database(DbErr::Custom("the key of an undoing is taken".to_owned()))
        }
    })?;
    settle(&mut rows, outcome);
    let transaction = database.begin().await?;
    let done = i32::try_from(rows.len()).unwrap_or(i32::MAX);
    if !entity::go_on(&transaction, turn.sheet, &turn.lease(), done).await? {
        return Err(Halt::Lost);
    }
    let from = SheetRowOutcome::Changed;
    entity::store_outcomes(&transaction, turn.sheet.id, from, &rows).await?;
    transaction.commit().await?;
    Ok(())
}

fn key(turn: &Turn<'_>, change: ChangeId) -> Result<IdempotencyKey, Halt> {
    // One that no client can send, and the same whoever goes on with it.
    let name = format!("\u{1}sheet {} undo {change}", turn.sheet.id.0);
    IdempotencyKey::new(&Identity::System, &name, "sheetUndo", &change)
        .map_err(|error| Halt::Database(DbErr::Json(error.to_string())))
}

/// Says of each row whether it was taken back.
fn settle(rows: &mut [SheetRow], outcome: UndoOutcome) {
    let whole = outcome.problem;
    let mut problems: HashMap<FacilityId, Vec<Problem>> = outcome
        .bulk
        .rows
        .into_iter()
        .filter_map(|row| Some((row.facility?, row.problems)))
        .collect();
    for row in rows {
        let of_row = row.facility.and_then(|facility| problems.remove(&facility));
        // A facility that is out of sight by now is not named among the rows.
        let reasons = match (&whole, of_row) {
            (Some(problem), _) => vec![problem.clone()],
            (None, Some(problems)) => problems,
            (None, None) => vec![Problem::NotFound],
        };
        row.outcome = if reasons.is_empty() {
            SheetRowOutcome::Undone
        } else {
            SheetRowOutcome::NotUndone
        };
        row.detail.problems = reasons.into_iter().map(RowProblem::of).collect();
    }
}
