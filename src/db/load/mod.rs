//! Bulk loading of empty tables, as fast as each database can: `COPY` on PostgreSQL, long prepared inserts
//! on SQLite. Everything happens in one transaction, so a load is whole or absent. Secondary indexes are
//! taken down for the load and built again before its end, in the same transaction.

mod postgres;
mod sqlite;

use sea_orm::{RuntimeErr, Value, sqlx};

use self::{postgres::Copying, sqlite::Inserting};
use super::{Backend, Column, Database, DbErr, Table, Values};

/// A load under way. Dropped before [`Loader::finish`] it leaves nothing behind.
pub struct Loader(Target);

enum Target {
    Postgres(Copying),
    Sqlite(Box<Inserting>),
}

/// A row that is found by its grams, under the id in its first column.
pub struct Searchable {
    /// Its columns.
    pub values: Values,
    /// See [`super::search`].
    pub grams: Vec<i32>,
}

impl Loader {
    /// Begins to load these tables, and locks everyone else out of them.
    ///
    /// # Errors
    /// One of the tables has rows, or the database failed.
    pub async fn begin(database: &Database, tables: &[&Table]) -> Result<Self, DbErr> {
        Ok(Self(match database.backend() {
            Backend::Postgres => Target::Postgres(Copying::begin(database, tables).await?),
            Backend::Sqlite => Target::Sqlite(Box::new(Inserting::begin(database, tables).await?)),
        }))
    }

    /// Writes rows of a table.
    pub async fn write(
        &mut self,
        table: &Table,
        rows: impl IntoIterator<Item = Values>,
    ) -> Result<(), DbErr> {
        match &mut self.0 {
            Target::Postgres(copying) => copying.write(table, rows).await,
            Target::Sqlite(inserting) => inserting.write(table, rows).await,
        }
    }

    /// Writes rows of a table with their entries in the search index.
    pub async fn write_searchable(
        &mut self,
        table: &Table,
        rows: impl IntoIterator<Item = Searchable>,
    ) -> Result<(), DbErr> {
        match &mut self.0 {
            Target::Postgres(copying) => copying.write_searchable(table, rows).await,
            Target::Sqlite(inserting) => inserting.write_searchable(table, rows).await,
        }
    }

    /// Puts a row in the place of all that a table has. The table isn't one of those being loaded.
    pub async fn replace(&mut self, table: &Table, row: Values) -> Result<(), DbErr> {
        let delete = format!("DELETE FROM {}", table.name);
        match &mut self.0 {
            Target::Postgres(copying) => copying.run(delete).await?,
            Target::Sqlite(inserting) => inserting.run(delete).await?,
        }
        self.write(table, [row]).await
    }

    /// Builds the indexes, moves the sequences past the ids that were written, and commits.
    pub async fn finish(self) -> Result<(), DbErr> {
        match self.0 {
            Target::Postgres(copying) => copying.finish().await,
            Target::Sqlite(inserting) => inserting.finish().await,
        }
    }
}

fn failed(error: sqlx::Error) -> DbErr {
    DbErr::Exec(RuntimeErr::SqlxError(error.into()))
}

fn not_empty(table: &str) -> DbErr {
    DbErr::Custom(format!("{table} has rows already, so it can't be loaded"))
}

fn misfit(column: Column, value: &Value) -> DbErr {
    DbErr::Type(format!("{value:?} is no value of a column of {column:?}"))
}
