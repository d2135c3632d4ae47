//! A sheet as it comes back: the same rows and columns, and beside them what became of each row and every reason why.

use std::collections::{HashMap, HashSet};

use tokio::{sync::mpsc, task::JoinHandle};

use super::{
    Written, on_disk,
    spool::{Reading, spool},
};
use crate::{
    auth::{Actor, Language, Permission},
    db::{Database, DbErr, FacilityId},
    facility::entity::{Fields, find_all},
    sheet::{
        SheetRowOutcome,
        column::{Field, ResultColumn},
        entity::{self, Sheet, SheetRow},
        read::{Cell, Encoding, Format},
        row::told_blockers,
        write::{CsvEncoding, Form, Value, WriteError, Writer},
    },
};

/// Writes a sheet with what became of its rows, in the form in which it was sent.
///
/// # Errors
/// The database or the disk.
pub async fn result(database: &Database, actor: &Actor, sheet: &Sheet) -> Result<Written, DbErr> {
    let language = actor.language;
    let kept = kept(sheet);
    let fields: Vec<Option<Field>> = sheet.columns.columns.iter().map(|one| one.field).collect();
    let headings = sheet
        .columns
        .columns
        .iter()
        .zip(&kept)
        .filter(|(_, kept)| **kept)
        .map(|(column, _)| column.heading.clone())
        .chain(ResultColumn::ALL.map(|column| column.heading(language).to_owned()))
        .collect();
    let mut writing = Writing::begin(form(sheet), "Kaitsu", headings);
    let mut reading = Reading::begin(spool(database, sheet).await?, sheet);
    while let Some(rows) = reading.next().await {
        let number = |row: Option<&(u32, Vec<Cell>)>| {
            row.and_then(|(number, _)| i32::try_from(*number).ok())
                .unwrap_or_default()
        };
        let (first, last) = (number(rows.first()), number(rows.last()));
        let mut told = entity::rows_between(database, sheet.id, first, last).await?;
        hide(database, actor, &mut told).await?;
        let rows = rows
            .into_iter()
            .map(|(number, cells)| {
                let row = i32::try_from(number).ok().and_then(|one| told.get(&one));
                let mut values: Vec<Value> = kept
                    .iter()
                    .zip(&fields)
                    .zip(cells.into_iter().chain(std::iter::repeat(Cell::Empty)))
                    .filter(|((kept, _), _)| **kept)
                    .map(
                        |((_, field), cell)| match (field, row.and_then(version_of)) {
                            // So that who mends the row and sends it again is not taken for someone who read it before.
                            (Some(Field::Version), Some(version)) => Value::Whole(version),
                            (field, _) => value(&cell, *field),
                        },
                    )
                    .collect();
                values.extend(outcome(row, sheet.is_checked, language).map(Value::Text));
                values
            })
            .collect();
        if !writing.rows(rows).await {
            break;
        }
    }
    reading.end().await.map_err(on_disk)?;
    writing.end().await
}

/// Whoever can't see a facility any more is told nothing of it.
async fn hide(
    database: &Database,
    actor: &Actor,
    rows: &mut HashMap<i32, SheetRow>,
) -> Result<(), DbErr> {
    let ids: Vec<FacilityId> = rows.values().filter_map(|row| row.facility).collect();
    let scope = actor.scope(Permission::FacilityRead);
    let seen = find_all(database, &scope, &ids, Fields::default()).await?;
    let seen: HashSet<FacilityId> = seen.into_iter().map(|row| row.id).collect();
    for row in rows.values_mut() {
        if row
            .facility
            .is_some_and(|facility| !seen.contains(&facility))
        {
            row.hide();
        }
    }
    Ok(())
}

fn form(sheet: &Sheet) -> Form {
    let encoding = match sheet.layout.encoding {
        Encoding::Utf8 => CsvEncoding::Utf8,
        Encoding::Utf8Bom => CsvEncoding::Utf8Bom,
        Encoding::Cp932 => CsvEncoding::Cp932,
        Encoding::Utf16 => CsvEncoding::Utf16,
    };
    match sheet.layout.format {
        Format::Csv => Form::Csv {
            encoding,
            delimiter: sheet.layout.delimiter,
        },
        Format::Xlsx => Form::Xlsx,
    }
}

/// A cell as it was. A whole number stays one where it names nothing: codes are text.
fn value(cell: &Cell, field: Option<Field>) -> Value {
    match cell {
        Cell::Empty => Value::Empty,
        Cell::Day(day) => Value::Day(*day),
        Cell::Number(_) if field.is_none() => match cell.text().parse() {
            Ok(whole) => Value::Whole(whole),
            Err(_) => Value::Text(cell.text()),
        },
        cell => Value::Text(cell.text()),
    }
}

/// Which columns are the sender's: all but a pair of ours at the end, as in a result that is sent again.
fn kept(sheet: &Sheet) -> Vec<bool> {
    let headings: Vec<&str> = sheet
        .columns
        .columns
        .iter()
        .map(|column| column.heading.as_str())
        .collect();
    let ours = Language::ALL.into_iter().any(|language| {
        headings.ends_with(&ResultColumn::ALL.map(|column| column.heading(language)))
    });
    let theirs = if ours {
        headings.len() - ResultColumn::ALL.len()
    } else {
        headings.len()
    };
    (0..headings.len()).map(|place| place < theirs).collect()
}

/// The version that a row was shown at, or left.
fn version_of(row: &SheetRow) -> Option<i64> {
    let version = i64::from(row.detail.version);
    match row.outcome {
        SheetRowOutcome::Conflict | SheetRowOutcome::NotUndone => Some(version),
        SheetRowOutcome::Changed => Some(version + 1),
        // By its writing and by its undoing.
        SheetRowOutcome::Undone => Some(version + 2),
        SheetRowOutcome::Unchanged | SheetRowOutcome::WillChange | SheetRowOutcome::Refused => None,
    }
}

/// What became of a row, in words: the outcome, and what there is to say of it.
pub(super) fn outcome(row: Option<&SheetRow>, is_checked: bool, language: Language) -> [String; 2] {
    let outcome = row.map_or(SheetRowOutcome::Unchanged, |row| row.outcome);
    let told = match (outcome, language) {
        (SheetRowOutcome::Unchanged, Language::Ja) if !is_checked => "未確認",
        (SheetRowOutcome::Unchanged, Language::En) if !is_checked => "not checked",
        (SheetRowOutcome::Unchanged, Language::Ja) => "変更なし",
        (SheetRowOutcome::Unchanged, Language::En) => "unchanged",
        (SheetRowOutcome::WillChange, Language::Ja) => "取込み予定",
        (SheetRowOutcome::WillChange, Language::En) => "will change",
        (SheetRowOutcome::Refused, Language::Ja) => "エラー",
        (SheetRowOutcome::Refused, Language::En) => "refused",
        (SheetRowOutcome::Conflict, Language::Ja) => "競合",
        (SheetRowOutcome::Conflict, Language::En) => "conflict",
        (SheetRowOutcome::Changed, Language::Ja) => "取込み済み",
        (SheetRowOutcome::Changed, Language::En) => "changed",
        (SheetRowOutcome::Undone, Language::Ja) => "取消し済み",
        (SheetRowOutcome::Undone, Language::En) => "undone",
        (SheetRowOutcome::NotUndone, Language::Ja) => "取消し不可",
        (SheetRowOutcome::NotUndone, Language::En) => "not undone",
    };
    let details = row.map(|row| details(row, language)).unwrap_or_default();
    [told.to_owned(), details]
}

fn details(row: &SheetRow, language: Language) -> String {
    let detail = &row.detail;
    let nothing = match language {
        Language::Ja => "（なし）",
        Language::En => "(none)",
    };
    let changes = detail
        .wishes
        .iter()
        .zip(&detail.before)
        .map(|(wish, before)| {
            let told = |wish: &crate::sheet::Wish| {
                wish.told(language).unwrap_or_else(|| nothing.to_owned())
            };
            let heading = wish.field().heading(language);
            format!("{heading}: {} → {}", told(before), told(wish))
        });
    let problems = detail.problems.iter().map(|one| {
        let message = one.problem.message(language);
        match one.field {
            Some(field) => format!("{}: {message}", field.heading(language)),
            None => message,
        }
    });
    problems.chain(changes).collect::<Vec<_>>().join(" / ")
}

/// Rows on their way into a file, which a thread of its own writes.
pub(super) struct Writing {
    rows: mpsc::Sender<Vec<Vec<Value>>>,
    thread: JoinHandle<Result<Written, WriteError>>,
}

impl Writing {
    /// Begins a file.
    pub fn begin(form: Form, name: &'static str, headings: Vec<String>) -> Self {
        let (rows, mut to_write) = mpsc::channel::<Vec<Vec<Value>>>(2);
        let thread = tokio::task::spawn_blocking(move || {
            let mut writer = Writer::begin(form, name)?;
            writer.headings(&headings)?;
            while let Some(rows) = to_write.blocking_recv() {
                for row in rows {
                    writer.row(&row)?;
                }
            }
            let (file, bytes) = writer.finish()?;
            Ok(Written { file, bytes })
        });
        Self { rows, thread }
    }

    /// Writes rows. `false` if it broke off: its end says why.
    pub async fn rows(&mut self, rows: Vec<Vec<Value>>) -> bool {
        self.rows.send(rows).await.is_ok()
    }

    /// The file, when everything is in it.
    pub async fn end(self) -> Result<Written, DbErr> {
        drop(self.rows);
        self.thread.await.map_err(on_disk)?.map_err(on_disk)
    }
}

/// Blockers as a cell of ours holds them.
pub(super) fn blockers_cell(blockers: &[crate::milestone::Blocker], language: Language) -> Value {
    if blockers.is_empty() {
        Value::Empty
    } else {
        Value::Text(told_blockers(blockers, language))
    }
}
