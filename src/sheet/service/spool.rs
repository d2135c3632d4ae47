//! From the database to a file on this machine, and from there row by row: whatever the size of a sheet, memory holds some
//! hundred rows of it.

use std::{
    fs::File,
    io::{Seek, Write},
    ops::ControlFlow,
};

use tokio::{sync::mpsc, task::JoinHandle};

use super::on_disk;
use crate::{
    db::{Database, DbErr},
    sheet::{
        column::Columns,
        entity::{self, Sheet},
        read::{self, Cell, Limits, ReadError},
    },
};

/// Rows handled together.
pub(super) const ROWS_AT_ONCE: usize = 1_000;

/// About as many bytes of text are handled together.
const BYTES_AT_ONCE: usize = 4 * 1024 * 1024;

/// Rows with their numbers.
pub(super) type Rows = Vec<(u32, Vec<Cell>)>;

/// The file of a sheet.
pub(super) async fn spool(database: &Database, sheet: &Sheet) -> Result<File, DbErr> {
    let mut file = tempfile::tempfile().map_err(on_disk)?;
    let mut position = 0;
    while let Some(content) = entity::content(database.read(), sheet.id, position).await? {
        file.write_all(&content).map_err(on_disk)?;
        position += 1;
    }
    file.rewind().map_err(on_disk)?;
    Ok(file)
}

/// The rows of a file as they are read by a thread of its own.
pub(super) struct Reading {
    rows: mpsc::Receiver<Rows>,
    thread: JoinHandle<Result<(), ReadError>>,
}

impl Reading {
    /// Begins to read the rows after that of the headings.
    pub fn begin(file: File, sheet: &Sheet) -> Self {
        let layout = sheet.layout.clone();
        let heading_row = sheet.columns.heading_row;
        let (sender, rows) = mpsc::channel(1);
        let thread = tokio::task::spawn_blocking(move || {
            let (mut some, mut bytes) = (Rows::new(), 0);
            read::rows(&file, &layout, &Limits::default(), &mut |number, cells| {
                if number <= heading_row {
                    return ControlFlow::Continue(());
                }
                bytes += cells.iter().map(|cell| cell.text().len()).sum::<usize>();
                some.push((number, cells));
                if some.len() < ROWS_AT_ONCE && bytes < BYTES_AT_ONCE {
                    return ControlFlow::Continue(());
                }
                bytes = 0;
                match sender.blocking_send(std::mem::take(&mut some)) {
                    Ok(()) => ControlFlow::Continue(()),
                    Err(_nobody_listens) => ControlFlow::Break(()),
                }
            })?;
            if !some.is_empty() {
                // Nobody may be listening any more.
                sender.blocking_send(some).ok();
            }
            Ok(())
        });
        Self { rows, thread }
    }

    /// The next rows; `None` after the last.
    pub async fn next(&mut self) -> Option<Rows> {
        self.rows.recv().await
    }

    /// Whether it came to its end well.
    pub async fn end(self) -> Result<(), ReadError> {
        drop(self.rows);
        self.thread
            .await
            .map_err(|broken| ReadError::Io(std::io::Error::other(broken)))?
    }
}

/// Headings and some rows below them: what a file looks like.
pub(super) fn columns_of(head: &[(u32, Vec<Cell>)]) -> Columns {
    let guesses = |cells: &Vec<Cell>| {
        let headings = cells.iter().map(Cell::text).collect();
        let columns = Columns::guessed(0, headings);
        let count = columns.fields().count();
        (columns.fields().any(|field| field.identifies()), count)
    };
    // Above the headings there may be a title. Where none is known they are the first row
    // that is at least half as wide as the widest.
    let filled = |cells: &Vec<Cell>| cells.iter().filter(|cell| !cell.is_empty()).count();
    let widest = head
        .iter()
        .map(|(_, cells)| filled(cells))
        .max()
        .unwrap_or(0);
    let place = head
        .iter()
        .position(|(_, cells)| matches!(guesses(cells), (true, 2..)))
        .or_else(|| {
            head.iter()
                .position(|(_, cells)| 2 * filled(cells) >= widest)
        })
        .unwrap_or(0);
    let Some((heading_row, cells)) = head.get(place) else {
        return Columns::default();
    };
    let mut headings: Vec<String> = cells.iter().map(|cell| shown(cell, MOST_HEADING)).collect();
    // A column may have values and no heading.
    let below = head.iter().skip(place);
    let width = below.filter_map(|(_, cells)| cells.iter().rposition(|cell| !cell.is_empty()));
    headings.resize(width.max().map_or(0, |last| last + 1), String::new());
    let mut columns = Columns::guessed(*heading_row, headings);
    for (_, cells) in head.iter().skip(place + 1) {
        for (column, cell) in columns.columns.iter_mut().zip(cells) {
            if column.samples.len() < SAMPLES && !cell.is_empty() {
                column.samples.push(shown(cell, MOST_SAMPLE));
            }
        }
    }
    columns
}

/// Values shown of each column.
const SAMPLES: usize = 3;
/// Characters shown of each.
const MOST_SAMPLE: usize = 40;
/// Characters of a heading; the rest is cut off.
const MOST_HEADING: usize = 100;

fn shown(cell: &Cell, most: usize) -> String {
    cell.text().chars().take(most).collect()
}
