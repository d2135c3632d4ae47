//! Loading by `COPY … FROM STDIN` in its binary format. The tables are truncated first, which lets rows be
//! written as frozen: nothing is left for a vacuum to do. Rows of each table are gathered and copied some
//! megabytes at a time: the client library never sets `TCP_NODELAY`, so the end of a `COPY` may wait for an
//! acknowledgement that the server's side delays by 40 ms.

use std::collections::BTreeMap;

use chrono::{Datelike, NaiveDate};
use sea_orm::{
    Value,
    sqlx::{self, AssertSqlSafe, Postgres, Row, Transaction, postgres::PgConnection},
};

use super::{Searchable, failed, misfit, not_empty};
use crate::db::{Column, Database, DbErr, Table, Values, search};

/// So many bytes of a table are gathered before they are copied.
const COPIED_AT_ONCE: usize = 4 << 20;
/// So many of them are sent at once.
const SENT_AT_ONCE: usize = 1 << 18;
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
const TRAILER: [u8; 2] = (-1_i16).to_be_bytes();
const NULL: [u8; 4] = (-1_i32).to_be_bytes();
/// 2000-01-01, in days from the common era and in microseconds from 1970: where PostgreSQL's time begins.
const FIRST_DAY: i32 = 730_120;
const FIRST_INSTANT: i64 = 946_684_800_000_000;
/// The type of an element of `integer[]`.
const INT4: i32 = 23;

/// A load into PostgreSQL.
pub(super) struct Copying {
    transaction: Transaction<'static, Postgres>,
    /// What builds the indexes again.
    indexes: Vec<String>,
    tables: Vec<String>,
    /// Those of the tables whose ids may have been written.
    with_ids: Vec<String>,
    gathered: BTreeMap<&'static str, Gathered>,
}

/// Rows of a table that wait to be copied.
struct Gathered {
    sql: String,
    bytes: Vec<u8>,
}

impl Copying {
    pub(super) async fn begin(database: &Database, tables: &[&Table]) -> Result<Self, DbErr> {
        let pool = database.pool().get_postgres_connection_pool();
        let waiting = database.wait();
        let mut transaction = pool.begin().await.map_err(failed)?;
        drop(waiting);
        let names: Vec<String> = tables.iter().map(|table| table.name.to_owned()).collect();
        let list = names.join(", ");
        run(
            &mut transaction,
            format!(
                "SET LOCAL statement_timeout = 0; SET LOCAL maintenance_work_mem = '128MB'; \
                 LOCK TABLE {list} IN ACCESS EXCLUSIVE MODE"
            ),
        )
        .await?;
        for name in &names {
            let sql = AssertSqlSafe(format!("SELECT 1 FROM {name} LIMIT 1"));
            let row = sqlx::query(sql).fetch_optional(&mut *transaction).await;
            if row.map_err(failed)?.is_some() {
                return Err(not_empty(name));
            }
        }
        run(&mut transaction, format!("TRUNCATE {list}")).await?;
        let indexes = take_down_indexes(&mut transaction, &names).await?;
        let with_id = |table: &&&Table| table.columns.iter().any(|(name, _)| *name == "id");
        let with_ids = tables.iter().filter(with_id);
        Ok(Self {
            transaction,
            indexes,
            with_ids: with_ids.map(|table| table.name.to_owned()).collect(),
            tables: names,
            gathered: BTreeMap::new(),
        })
    }

    pub(super) async fn write(
        &mut self,
        table: &Table,
        rows: impl IntoIterator<Item = Values>,
    ) -> Result<(), DbErr> {
        let rows = rows.into_iter().map(|values| (values, None));
        self.gather(table, table.column_list(), rows).await
    }

    pub(super) async fn write_searchable(
        &mut self,
        table: &Table,
        rows: impl IntoIterator<Item = Searchable>,
    ) -> Result<(), DbErr> {
        let columns = format!("{}, {}", table.column_list(), search::GRAMS);
        let rows = rows.into_iter().map(|row| (row.values, Some(row.grams)));
        self.gather(table, columns, rows).await
    }

    async fn gather(
        &mut self,
        table: &Table,
        columns: String,
        rows: impl Iterator<Item = (Values, Option<Vec<i32>>)>,
    ) -> Result<(), DbErr> {
        let frozen = self.tables.iter().any(|name| name == table.name);
        let freeze = if frozen { ", FREEZE" } else { "" };
        let gathered = self.gathered.entry(table.name).or_insert_with(|| Gathered {
            sql: format!(
                "COPY {} ({columns}) FROM STDIN WITH (FORMAT binary{freeze})",
                table.name
            ),
            bytes: HEADER.to_vec(),
        });
        for (values, grams) in rows {
            put_row(&mut gathered.bytes, table, &values, grams.as_deref())?;
            if gathered.bytes.len() >= COPIED_AT_ONCE {
                gathered.copy(&mut self.transaction).await?;
            }
        }
        Ok(())
    }

    pub(super) async fn run(&mut self, sql: String) -> Result<(), DbErr> {
        run(&mut self.transaction, sql).await
    }

    pub(super) async fn finish(mut self) -> Result<(), DbErr> {
        for mut gathered in std::mem::take(&mut self.gathered).into_values() {
            gathered.copy(&mut self.transaction).await?;
        }
        for sql in std::mem::take(&mut self.indexes) {
            self.run(sql).await?;
        }
        for name in std::mem::take(&mut self.with_ids) {
            self.run(format!(
                "SELECT setval(pg_get_serial_sequence('{name}', 'id'), (SELECT max(id) FROM {name}))"
            ))
            .await?;
        }
        let list = self.tables.join(", ");
        self.run(format!("ANALYZE {list}")).await?;
        self.transaction.commit().await.map_err(failed)
    }
}

impl Gathered {
    /// Copies what there is, and begins anew.
    async fn copy(&mut self, connection: &mut PgConnection) -> Result<(), DbErr> {
        self.bytes.extend_from_slice(&TRAILER);
        let mut copy = connection.copy_in_raw(&self.sql).await.map_err(failed)?;
        for some in self.bytes.chunks(SENT_AT_ONCE) {
            copy.send(some).await.map_err(failed)?;
        }
        copy.finish().await.map_err(failed)?;
        self.bytes.truncate(HEADER.len());
        Ok(())
    }
}

async fn run(connection: &mut PgConnection, sql: String) -> Result<(), DbErr> {
    sqlx::raw_sql(AssertSqlSafe(sql))
        .execute(connection)
        .await
        .map_err(failed)
        .map(drop)
}

/// Drops the indexes that no constraint needs. Answers what creates them again.
async fn take_down_indexes(
    connection: &mut PgConnection,
    tables: &[String],
) -> Result<Vec<String>, DbErr> {
    let rows = sqlx::query(
        "SELECT i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid) FROM pg_index i \
         WHERE i.indrelid = ANY(SELECT name::regclass FROM unnest($1) AS name) AND NOT EXISTS \
         (SELECT 1 FROM pg_constraint c WHERE c.conindid = i.indexrelid) ORDER BY i.indexrelid",
    )
    .bind(tables)
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

fn put_row(
    buffer: &mut Vec<u8>,
    table: &Table,
    values: &[Value],
    grams: Option<&[i32]>,
) -> Result<(), DbErr> {
    let fields = table.columns.len() + usize::from(grams.is_some());
    buffer.extend_from_slice(&i16::try_from(fields).unwrap_or(i16::MAX).to_be_bytes());
    if values.len() != table.columns.len() {
        return Err(DbErr::Type(format!(
            "a row of {} is too short or too long",
            table.name
        )));
    }
    for ((_, column), value) in table.columns.iter().zip(values) {
        put_value(buffer, *column, value)?;
    }
    if let Some(grams) = grams {
        put_array(buffer, grams);
    }
    Ok(())
}

fn put_value(buffer: &mut Vec<u8>, column: Column, value: &Value) -> Result<(), DbErr> {
    match (column, value) {
        (Column::Big, Value::BigInt(Some(number))) => put(buffer, &number.to_be_bytes()),
        (Column::Int, Value::Int(Some(number))) => put(buffer, &number.to_be_bytes()),
        (Column::Code, Value::SmallInt(Some(number))) => put(buffer, &number.to_be_bytes()),
        (Column::Bool, Value::Bool(Some(truth))) => put(buffer, &[u8::from(*truth)]),
        (Column::Date, Value::ChronoDate(Some(date))) => put(buffer, &days(*date).to_be_bytes()),
        (Column::Instant, Value::ChronoDateTimeUtc(Some(at))) => {
            put(
                buffer,
                &(at.timestamp_micros() - FIRST_INSTANT).to_be_bytes(),
            );
        }
        (Column::Text, Value::String(Some(text))) => put(buffer, text.as_bytes()),
        (Column::Bytes, Value::Bytes(Some(bytes))) => put(buffer, bytes),
        (
            _,
            Value::BigInt(None)
            | Value::Int(None)
            | Value::SmallInt(None)
            | Value::Bool(None)
            | Value::ChronoDate(None)
            | Value::ChronoDateTimeUtc(None)
            | Value::String(None)
            | Value::Bytes(None),
        ) => buffer.extend_from_slice(&NULL),
        _ => return Err(misfit(column, value)),
    }
    Ok(())
}

fn put(buffer: &mut Vec<u8>, bytes: &[u8]) {
    buffer.extend_from_slice(&length(bytes.len()).to_be_bytes());
    buffer.extend_from_slice(bytes);
}

fn length(bytes: usize) -> i32 {
    i32::try_from(bytes).unwrap_or(i32::MAX)
}

fn days(date: NaiveDate) -> i32 {
    date.num_days_from_ce() - FIRST_DAY
}

/// An array of integers: dimensions, no nulls, type, length, first index, elements.
fn put_array(buffer: &mut Vec<u8>, numbers: &[i32]) {
    let dimensions = i32::from(!numbers.is_empty());
    let bounds = [length(numbers.len()), 1];
    let bounds = if numbers.is_empty() { &[][..] } else { &bounds };
    let header: Vec<i32> = [dimensions, 0, INT4]
        .iter()
        .chain(bounds)
        .copied()
        .collect();
    buffer.extend_from_slice(&length(4 * header.len() + 8 * numbers.len()).to_be_bytes());
    for number in header {
        buffer.extend_from_slice(&number.to_be_bytes());
    }
    for number in numbers {
        buffer.extend_from_slice(&4_i32.to_be_bytes());
        buffer.extend_from_slice(&number.to_be_bytes());
    }
}
