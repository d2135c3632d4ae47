//! Writing a backup, checking one, restoring one, and releasing what a restored copy holds back.

use std::path::Path;

use chrono::{DateTime, Utc};
use futures_util::TryStreamExt;

use super::{
    archive::{ArchiveError, Header, Item, Reader, Writer},
    entity,
};
use crate::{
    app::Clock,
    db::{
        Database, DbErr, Table, Values, deployment,
        load::Loader,
        migrations,
        schema::{Definition, HORIZON, all_tables},
    },
};

/// Rows that are inserted together.
const ROWS_AT_ONCE: usize = 2_000;

/// Is told the number of rows done since it was last told.
pub type Progress<'a> = &'a (dyn Fn(u64) + Send + Sync);

/// What a file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// When the snapshot was taken.
    pub created_at: DateTime<Utc>,
    /// Rows of each table.
    pub tables: Vec<(String, u64)>,
}

/// A backup can't be written or restored. The database is as it was.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The file.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The database.
    #[error("the database failed: {0}")]
    Database(#[from] DbErr),
    /// The database is in use.
    #[error("a backup is restored into an empty database only, and `{0}` has rows")]
    NotEmpty(&'static str),
    /// The schema is another one than when the backup was written.
    #[error(
        "the backup needs exactly these migrations: {wanted}; the database has: {found}. Restore with \
         the schema of that version (`kaitsu migrate --steps N`), then migrate"
    )]
    OtherSchema {
        /// Those of the backup.
        wanted: String,
        /// Those of the database.
        found: String,
    },
}

fn damaged(what: impl Into<String>) -> BackupError {
    ArchiveError::Damaged(what.into()).into()
}

/// Writes the database to a file, as it is at one moment, while others go on writing. The file appears under
/// its name when it is whole, and was read back.
pub async fn backup(
    database: &Database,
    clock: &Clock,
    path: &Path,
    progress: Progress<'_>,
) -> Result<Summary, BackupError> {
    let unfinished = path.with_added_extension("part");
    let summary = write(database, clock, &unfinished, progress).await;
    let checked = summary.and_then(|written| {
        if check(&unfinished)? == written {
            Ok(written)
        } else {
            Err(damaged("it reads back otherwise than it was written"))
        }
    });
    match checked {
        Ok(summary) => {
            std::fs::rename(&unfinished, path).map_err(ArchiveError::from)?;
            Ok(summary)
        }
        Err(error) => {
            if let Err(error) = std::fs::remove_file(&unfinished) {
                tracing::warn!(%error, "an unfinished backup was left behind");
            }
            Err(error)
        }
    }
}

async fn write(
    database: &Database,
    clock: &Clock,
    path: &Path,
    progress: Progress<'_>,
) -> Result<Summary, BackupError> {
    let snapshot = database.begin_snapshot().await?;
    let status = migrations::status_in(database.backend(), &snapshot).await?;
    let migrations = status
        .applied()
        .into_iter()
        .map(ToOwned::to_owned)
        .collect();
    let header = Header::new(clock.now(), migrations);
    let mut writer = Writer::create(path, &header)?;
    let mut tables = Vec::new();
    for definition in backed_up() {
        let name = definition.table.name;
        writer.begin(name, column_names(definition))?;
        let mut rows = entity::all_rows(database.backend(), definition)
            .stream(&snapshot)
            .await?;
        while let Some(row) = rows.try_next().await? {
            writer.row(&entity::to_json(definition, &row)?)?;
            progress(1);
        }
        drop(rows);
        tables.push((name.to_owned(), writer.end(name)?));
    }
    writer.finish()?;
    snapshot.rollback().await?;
    Ok(Summary {
        created_at: header.created_at,
        tables,
    })
}

fn backed_up() -> impl Iterator<Item = &'static Definition> {
    all_tables().filter(|definition| definition.backed_up)
}

fn column_names(definition: &Definition) -> Vec<String> {
    let names = definition.table.columns.iter();
    names.map(|(name, _)| (*name).to_owned()).collect()
}

/// Reads a file from its beginning to its end and says what it holds.
///
/// # Errors
/// When anything in it is not what was written.
pub fn check(path: &Path) -> Result<Summary, BackupError> {
    let mut reader = Reader::open(path)?;
    let mut tables: Vec<(String, u64)> = Vec::new();
    loop {
        match reader.next()? {
            Item::Begin { table, .. } => tables.push((table, 0)),
            Item::Row(_) => {
                if let Some((_, rows)) = tables.last_mut() {
                    *rows += 1;
                }
            }
            Item::End => {}
            Item::Whole { .. } => break,
        }
    }
    Ok(Summary {
        created_at: reader.header().created_at,
        tables,
    })
}

/// Fills an empty database from a file, whole or not at all, and holds its mail.
pub async fn restore(
    database: &Database,
    path: &Path,
    progress: Progress<'_>,
) -> Result<Summary, BackupError> {
    let mut reader = Reader::open(path)?;
    let status = migrations::status(database).await?;
    if status.applied() != reader.header().migrations {
        return Err(BackupError::OtherSchema {
            wanted: reader.header().migrations.join(", "),
            found: status.applied().join(", "),
        });
    }
    if let Some(table) = entity::first_in_use(database.write()).await? {
        return Err(BackupError::NotEmpty(table));
    }
    let empty: Vec<&Table> = backed_up()
        .map(|definition| &definition.table)
        .filter(|table| table.name != HORIZON)
        .collect();
    // The loader locks the tables and looks once more whether they are empty.
    let mut loader = Loader::begin(database, &empty).await?;
    let mut tables = Vec::new();
    while let Item::Begin { table, columns } = reader.next()? {
        let definition = expected(tables.len(), &table, &columns)?;
        let rows = fill(&mut loader, &mut reader, definition, progress).await?;
        tables.push((table, rows));
    }
    if tables.len() != backed_up().count() {
        return Err(damaged("tables are missing"));
    }
    loader.finish().await?;
    Ok(Summary {
        created_at: reader.header().created_at,
        tables,
    })
}

/// The definition of the table that stands at this place in every file.
fn expected(
    place: usize,
    table: &str,
    columns: &[String],
) -> Result<&'static Definition, BackupError> {
    backed_up()
        .nth(place)
        .filter(|definition| definition.table.name == table && column_names(definition) == columns)
        .ok_or_else(|| damaged(format!("`{table}` is no table of this schema")))
}

async fn fill(
    loader: &mut Loader,
    reader: &mut Reader,
    definition: &Definition,
    progress: Progress<'_>,
) -> Result<u64, BackupError> {
    let name = definition.table.name;
    let mut filled = 0;
    let mut rows: Vec<Values> = Vec::new();
    if name == deployment::TABLE {
        rows.push(vec![deployment::SENDING_HELD.into(), "true".into()]);
    }
    loop {
        let item = reader.next()?;
        let is_end = item == Item::End;
        if let Item::Row(row) = item {
            let values = entity::from_json(definition, &row)
                .ok_or_else(|| damaged(format!("a row of {name} has other types")))?;
            filled += 1;
            if !entity::says_that_sending_is_held(definition, &values) {
                rows.push(values);
            }
        }
        if rows.len() >= ROWS_AT_ONCE || is_end {
            let done = u64::try_from(rows.len()).unwrap_or(0);
            load(loader, definition, std::mem::take(&mut rows)).await?;
            progress(done);
        }
        if is_end {
            return Ok(filled);
        }
    }
}

async fn load(
    loader: &mut Loader,
    definition: &Definition,
    mut rows: Vec<Values>,
) -> Result<(), BackupError> {
    if definition.table.name != HORIZON {
        return Ok(entity::load(loader, definition, rows).await?);
    }
    match (rows.pop(), rows.is_empty()) {
        (Some(row), true) => Ok(loader.replace(&definition.table, row).await?),
        _ => Err(damaged(format!("{} has one row", HORIZON))),
    }
}

/// Lets a restored copy send mail. Answers whether it was held.
pub async fn release_sending(database: &Database) -> Result<bool, DbErr> {
    deployment::remove(database.write(), deployment::SENDING_HELD).await
}
