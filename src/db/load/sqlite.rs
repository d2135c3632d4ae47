//! Loading by inserts of many rows, each prepared once. The connection that does it is closed afterwards,
//! and with it go the larger cache and whatever a failed load left undone.

use std::{collections::BTreeMap, sync::Arc};

use sea_orm::{
    Value,
    sqlx::{
        self, Arguments, AssertSqlSafe, Row, Sqlite,
        pool::PoolConnection,
        sqlite::{SqliteArguments, SqliteConnection},
    },
};

use super::{Searchable, failed, misfit, not_empty};
use crate::db::{Column, Database, DbErr, Table, Values, search};

/// Values bound in one statement; more don't make it faster.
const VALUES_AT_ONCE: usize = 1_000;
/// SQLite's page cache during a load, in KiB.
const CACHE: u32 = 48 * 1024;

/// A load into SQLite.
pub(super) struct Inserting {
    connection: PoolConnection<Sqlite>,
    /// What builds the indexes again.
    indexes: Vec<String>,
    batches: BTreeMap<&'static str, Batch>,
}

/// Rows of a table that wait until they fill a statement.
struct Batch {
    head: String,
    columns: usize,
    /// Rows in a full statement, and its text.
    most: usize,
    full: Arc<str>,
    rows: usize,
    arguments: SqliteArguments,
}

impl Inserting {
    pub(super) async fn begin(database: &Database, tables: &[&Table]) -> Result<Self, DbErr> {
        let pool = database.pool().get_sqlite_connection_pool();
        let mut connection = pool.acquire().await.map_err(failed)?;
        connection.close_on_drop();
        run(&mut connection, format!("PRAGMA cache_size = -{CACHE}")).await?;
        run(&mut connection, "BEGIN IMMEDIATE".to_owned()).await?;
        let mut indexes = Vec::new();
        for table in tables {
            let sql = AssertSqlSafe(format!("SELECT 1 FROM {} LIMIT 1", table.name));
            let row = sqlx::query(sql).fetch_optional(&mut *connection).await;
            if row.map_err(failed)?.is_some() {
                return Err(not_empty(table.name));
            }
            indexes.extend(take_down_indexes(&mut connection, table.name).await?);
        }
        for sql in search::BEGIN_LOAD {
            run(&mut connection, (*sql).to_owned()).await?;
        }
        Ok(Self {
            connection,
            indexes,
            batches: BTreeMap::new(),
        })
    }

    pub(super) async fn write(
        &mut self,
        table: &Table,
        rows: impl IntoIterator<Item = Values>,
    ) -> Result<(), DbErr> {
        let batch = self
            .batches
            .entry(table.name)
            .or_insert_with(|| Batch::new(table.name, &table.column_list(), table.columns.len()));
        for values in rows {
            batch.add(table, values)?;
            batch.flush_full(&mut self.connection).await?;
        }
        Ok(())
    }

    pub(super) async fn write_searchable(
        &mut self,
        table: &Table,
        rows: impl IntoIterator<Item = Searchable>,
    ) -> Result<(), DbErr> {
        for row in rows {
            let Some(Value::BigInt(Some(id))) = row.values.first() else {
                return Err(DbErr::Type(format!("a row of {} has no id", table.name)));
            };
            let entry = vec![(*id).into(), search::document(&row.grams).into()];
            self.write(&search::FTS, [entry]).await?;
            self.write(table, [row.values]).await?;
        }
        Ok(())
    }

    pub(super) async fn run(&mut self, sql: String) -> Result<(), DbErr> {
        run(&mut self.connection, sql).await
    }

    pub(super) async fn finish(mut self) -> Result<(), DbErr> {
        for batch in std::mem::take(&mut self.batches).into_values() {
            batch.flush(&mut self.connection).await?;
        }
        for sql in std::mem::take(&mut self.indexes) {
            self.run(sql).await?;
        }
        for sql in search::END_LOAD {
            self.run((*sql).to_owned()).await?;
        }
        self.run("COMMIT".to_owned()).await?;
        // What the load wrote is in the log; from here it goes into the file, and the log is emptied.
        self.run("PRAGMA wal_checkpoint(TRUNCATE)".to_owned())
            .await?;
        self.connection.close().await.map_err(failed)
    }
}

async fn run(connection: &mut SqliteConnection, sql: String) -> Result<(), DbErr> {
    sqlx::raw_sql(AssertSqlSafe(sql))
        .execute(connection)
        .await
        .map_err(failed)
        .map(drop)
}

/// Drops the indexes that no constraint needs. Answers what creates them again.
async fn take_down_indexes(
    connection: &mut SqliteConnection,
    table: &str,
) -> Result<Vec<String>, DbErr> {
    let rows = sqlx::query(
        "SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND tbl_name = ? AND sql IS NOT NULL",
    )
    .bind(table)
    .fetch_all(&mut *connection)
    .await
    .map_err(failed)?;
    let mut definitions = Vec::new();
    for row in rows {
        let name: String = row.try_get(0).map_err(failed)?;
        definitions.push(row.try_get(1).map_err(failed)?);
        run(connection, format!("DROP INDEX {name}")).await?;
    }
    Ok(definitions)
}

impl Batch {
    fn new(table: &str, column_list: &str, columns: usize) -> Self {
        let head = format!("INSERT INTO {table} ({column_list}) VALUES ");
        let most = (VALUES_AT_ONCE / columns.max(1)).max(1);
        let full = Arc::from(statement(&head, columns, most));
        Self {
            head,
            columns,
            most,
            full,
            rows: 0,
            arguments: SqliteArguments::default(),
        }
    }

    fn add(&mut self, table: &Table, values: Values) -> Result<(), DbErr> {
        if values.len() != self.columns {
            return Err(DbErr::Type(format!(
                "a row of {} is too short or too long",
                table.name
            )));
        }
        for ((_, column), value) in table.columns.iter().zip(values) {
            bind(&mut self.arguments, *column, value)?;
        }
        self.rows += 1;
        Ok(())
    }

    async fn flush_full(&mut self, connection: &mut SqliteConnection) -> Result<(), DbErr> {
        if self.rows < self.most {
            return Ok(());
        }
        self.rows = 0;
        let arguments = std::mem::take(&mut self.arguments);
        sqlx::query_with(AssertSqlSafe(Arc::clone(&self.full)), arguments)
            .execute(connection)
            .await
            .map_err(failed)
            .map(drop)
    }

    async fn flush(self, connection: &mut SqliteConnection) -> Result<(), DbErr> {
        if self.rows == 0 {
            return Ok(());
        }
        let sql = statement(&self.head, self.columns, self.rows);
        sqlx::query_with(AssertSqlSafe(sql), self.arguments)
            .persistent(false)
            .execute(connection)
            .await
            .map_err(failed)
            .map(drop)
    }
}

/// Parameters without numbers: looking up the names of numbered ones takes time with the square of their
/// count.
fn statement(head: &str, columns: usize, rows: usize) -> String {
    let row = format!("({})", vec!["?"; columns].join(","));
    format!("{head}{}", vec![row; rows].join(","))
}

fn bind(arguments: &mut SqliteArguments, column: Column, value: Value) -> Result<(), DbErr> {
    let bound = match (column, value) {
        (Column::Big, Value::BigInt(number)) => arguments.add(number),
        (Column::Int, Value::Int(number)) => arguments.add(number),
        (Column::Code, Value::SmallInt(number)) => arguments.add(number),
        (Column::Bool, Value::Bool(truth)) => arguments.add(truth),
        (Column::Date, Value::ChronoDate(date)) => arguments.add(date.map(|date| date.to_string())),
        (Column::Instant, Value::ChronoDateTimeUtc(at)) => arguments.add(at),
        (Column::Text, Value::String(text)) => arguments.add(text),
        (Column::Bytes, Value::Bytes(bytes)) => arguments.add(bytes),
        (column, value) => return Err(misfit(column, &value)),
    };
    bound.map_err(|error| DbErr::Type(error.to_string()))
}
