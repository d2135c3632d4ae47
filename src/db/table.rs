//! Tables by their columns, so that rows are inserted, upserted and bulk-loaded by one description.
//! PostgreSQL takes many rows as one array for each column, which it plans once whatever their number;
//! SQLite takes them as a list of values.

use std::fmt::Write;

use sea_orm::{ConnectionTrait, DbBackend, DbErr, Value};

use super::{Query, Row};

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    /// 64-bit integer: ids.
    Big,
    /// 32-bit integer: counts.
    Int,
    /// 16-bit integer: codes of enums.
    Code,
    /// True or false.
    Bool,
    /// A civil date.
    Date,
    /// An instant, to the microsecond.
    Instant,
    /// Text.
    Text,
    /// Bytes.
    Bytes,
}

/// A table's name and the columns that we write.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// Its written columns, in the order in which rows give their values.
    pub columns: &'static [(&'static str, Column)],
}

/// One row's values, in the order of [`Table::columns`].
pub type Values = Vec<Value>;

/// SQLite takes at most 32,766 parameters in a statement.
const MOST_PARAMETERS: usize = 32_000;
/// More rows than this in one statement make it slower to parse than it saves.
const MOST_ROWS: usize = 500;

impl Table {
    /// Inserts rows.
    pub async fn insert(
        &self,
        connection: &impl ConnectionTrait,
        rows: Vec<Values>,
    ) -> Result<(), DbErr> {
        self.write(connection, rows, "").await.map(drop)
    }

    /// Inserts rows and answers the value of an integer column of each, such as its id. In no order.
    pub async fn insert_returning(
        &self,
        connection: &impl ConnectionTrait,
        column: &str,
        rows: Vec<Values>,
    ) -> Result<Vec<i64>, DbErr> {
        self.write(connection, rows, &format!(" RETURNING {column}"))
            .await
    }

    /// Inserts rows, or replaces those that are there under the same key columns.
    pub async fn upsert(
        &self,
        connection: &impl ConnectionTrait,
        key: &[&str],
        rows: Vec<Values>,
    ) -> Result<(), DbErr> {
        let set: Vec<String> = self
            .columns
            .iter()
            .filter(|(name, _)| !key.contains(name))
            .map(|(name, _)| format!("{name} = excluded.{name}"))
            .collect();
        let tail = format!(
            " ON CONFLICT ({}) DO UPDATE SET {}",
            key.join(", "),
            set.join(", ")
        );
        self.write(connection, rows, &tail).await.map(drop)
    }

    /// Replaces the row whose first column has this row's value.
    pub async fn update(
        &self,
        connection: &impl ConnectionTrait,
        row: Values,
    ) -> Result<(), DbErr> {
        let mut query = Query::new(format!("UPDATE {} SET ", self.name));
        let mut columns = self.columns.iter().zip(row);
        let Some(((key, _), id)) = columns.next() else {
            return Ok(());
        };
        for (position, ((name, _), value)) in columns.enumerate() {
            query.push(if position > 0 { ", " } else { "" });
            query.push(name).push(" = ").bind(value);
        }
        query.push(" WHERE ").push(key).push(" = ").bind(id);
        query.execute(connection).await?;
        Ok(())
    }

    /// Reads a row of all columns, in their order.
    pub fn read(&self, row: &mut Row<'_>) -> Result<Values, DbErr> {
        self.columns
            .iter()
            .map(|(_, column)| column.read(row))
            .collect()
    }

    /// The column names, comma separated.
    pub fn column_list(&self) -> String {
        let names: Vec<&str> = self.columns.iter().map(|(name, _)| *name).collect();
        names.join(", ")
    }

    async fn write(
        &self,
        connection: &impl ConnectionTrait,
        rows: Vec<Values>,
        tail: &str,
    ) -> Result<Vec<i64>, DbErr> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        if rows.iter().any(|row| row.len() != self.columns.len()) {
            return Err(DbErr::Custom(format!(
                "a row of {} has not as many values as there are columns",
                self.name
            )));
        }
        let arrays = connection.get_database_backend() == DbBackend::Postgres && rows.len() > 1;
        if arrays {
            self.write_arrays(connection, rows, tail).await
        } else {
            self.write_values(connection, rows, tail).await
        }
    }

    async fn write_arrays(
        &self,
        connection: &impl ConnectionTrait,
        rows: Vec<Values>,
        tail: &str,
    ) -> Result<Vec<i64>, DbErr> {
        let mut columns: Vec<Vec<Value>> = self
            .columns
            .iter()
            .map(|_| Vec::with_capacity(rows.len()))
            .collect();
        for row in rows {
            for (column, value) in columns.iter_mut().zip(row) {
                column.push(value);
            }
        }
        let mut query = Query::new(format!(
            "INSERT INTO {} ({}) SELECT * FROM unnest(",
            self.name,
            self.column_list()
        ));
        for (position, (values, (_, column))) in
            columns.into_iter().zip(self.columns.iter()).enumerate()
        {
            query.push(if position > 0 { ", " } else { "" });
            // As text: arrays of values can't hold nulls on their way through sea-query.
            query.push("CAST(").bind(array_literal(&values));
            query
                .push("::text AS ")
                .push(column.postgres_name())
                .push("[])");
        }
        query.push(")").push(tail);
        run(connection, query, tail).await
    }

    async fn write_values(
        &self,
        connection: &impl ConnectionTrait,
        rows: Vec<Values>,
        tail: &str,
    ) -> Result<Vec<i64>, DbErr> {
        let most = (MOST_PARAMETERS / self.columns.len().max(1)).clamp(1, MOST_ROWS);
        let mut rows = rows.into_iter().peekable();
        let mut returned = Vec::new();
        while rows.peek().is_some() {
            let mut query = Query::new(format!(
                "INSERT INTO {} ({}) VALUES ",
                self.name,
                self.column_list()
            ));
            for (position, row) in rows.by_ref().take(most).enumerate() {
                query.push(if position > 0 { ", (" } else { "(" });
                query.bind_all(row).push(")");
            }
            query.push(tail);
            returned.extend(run(connection, query, tail).await?);
        }
        Ok(returned)
    }
}

/// Runs a write; with a `RETURNING` its rows are read.
async fn run(
    connection: &impl ConnectionTrait,
    query: Query,
    tail: &str,
) -> Result<Vec<i64>, DbErr> {
    if !tail.contains("RETURNING") {
        query.execute(connection).await?;
        return Ok(Vec::new());
    }
    let rows = query.all(connection).await?;
    rows.iter().map(|row| row.try_get_by_index(0)).collect()
}

impl Column {
    fn read(self, row: &mut Row<'_>) -> Result<Value, DbErr> {
        Ok(match self {
            Self::Big => Value::BigInt(row.take()?),
            Self::Int => Value::Int(row.take()?),
            Self::Code => Value::SmallInt(row.take()?),
            Self::Bool => Value::Bool(row.take()?),
            Self::Date => Value::ChronoDate(row.take()?),
            Self::Instant => Value::ChronoDateTimeUtc(row.take()?),
            Self::Text => Value::String(row.take()?),
            Self::Bytes => Value::Bytes(row.take()?),
        })
    }

    fn postgres_name(self) -> &'static str {
        match self {
            Self::Big => "bigint",
            Self::Int => "integer",
            Self::Code => "smallint",
            Self::Bool => "boolean",
            Self::Date => "date",
            Self::Instant => "timestamptz",
            Self::Text => "text",
            Self::Bytes => "bytea",
        }
    }
}

/// PostgreSQL's text form of an array.
fn array_literal(values: &[Value]) -> String {
    let mut literal = String::with_capacity(values.len() * 8 + 2);
    literal.push('{');
    for (position, value) in values.iter().enumerate() {
        if position > 0 {
            literal.push(',');
        }
        push_element(&mut literal, value);
    }
    literal.push('}');
    literal
}

fn push_element(literal: &mut String, value: &Value) {
    // Writing to a string can't fail.
    let _ = match value {
        Value::BigInt(Some(number)) => write!(literal, "{number}"),
        Value::Int(Some(number)) => write!(literal, "{number}"),
        Value::SmallInt(Some(number)) => write!(literal, "{number}"),
        Value::Bool(Some(truth)) => write!(literal, "{truth}"),
        Value::ChronoDate(Some(day)) => write!(literal, "{day}"),
        Value::ChronoDateTimeUtc(Some(at)) => write!(literal, "\"{}\"", at.to_rfc3339()),
        Value::String(Some(text)) => {
            literal.push('"');
            for c in text.chars() {
                if matches!(c, '"' | '\\') {
                    literal.push('\\');
                }
                literal.push(c);
            }
            literal.push('"');
            Ok(())
        }
        Value::Bytes(Some(bytes)) => {
            literal.push_str("\"\\\\x");
            let written = bytes
                .iter()
                .try_for_each(|byte| write!(literal, "{byte:02x}"));
            literal.push('"');
            written
        }
        _ => write!(literal, "NULL"),
    };
}
