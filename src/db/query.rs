//! A statement put together from pieces of SQL and bound values. Both databases read `$1` parameters,
//! so one text serves both; the text of a given shape is always the same, so it is prepared once.

use chrono::{DateTime, Utc};
use sea_orm::{
    ConnectionTrait, DbErr, ExecResult, QueryResult, Statement, StreamTrait, TryGetable, Value,
};

use super::Backend;

/// SQL with its bound values.
#[derive(Clone, Debug, Default)]
pub struct Query {
    sql: String,
    values: Vec<Value>,
}

impl Query {
    /// Starts from SQL that binds nothing yet.
    pub fn new(sql: impl Into<String>) -> Self {
        Self {
            sql: sql.into(),
            values: Vec::new(),
        }
    }

    /// Starts from SQL whose parameters `$1…` are given at once.
    pub fn with<const N: usize>(sql: impl Into<String>, values: [Value; N]) -> Self {
        Self {
            sql: sql.into(),
            values: values.into(),
        }
    }

    /// Appends SQL.
    pub fn push(&mut self, sql: &str) -> &mut Self {
        self.sql.push_str(sql);
        self
    }

    /// Appends a parameter and binds it.
    pub fn bind(&mut self, value: impl Into<Value>) -> &mut Self {
        self.values.push(value.into());
        self.sql.push('$');
        self.sql.push_str(&self.values.len().to_string());
        self
    }

    /// Appends parameters separated by commas, for `IN (…)`.
    pub fn bind_all<V: Into<Value>>(&mut self, values: impl IntoIterator<Item = V>) -> &mut Self {
        for (position, value) in values.into_iter().enumerate() {
            if position > 0 {
                self.sql.push_str(", ");
            }
            self.bind(value);
        }
        self
    }

    /// Appends "and the column is one of these", or nothing if there are none.
    pub fn and_any<V: Into<Value>>(
        &mut self,
        column: &str,
        values: impl ExactSizeIterator<Item = V>,
    ) -> &mut Self {
        if values.len() == 0 {
            return self;
        }
        self.push(" AND ").push(column).push(" IN (");
        self.bind_all(values).push(")")
    }

    /// Appends "is one of these ids", as one parameter whatever their number.
    pub fn bind_ids(&mut self, backend: Backend, ids: impl IntoIterator<Item = i64>) -> &mut Self {
        let ids: Vec<i64> = ids.into_iter().collect();
        if let [one] = *ids {
            return self.push(" = ").bind(one);
        }
        match backend {
            Backend::Postgres => self.push(" = ANY(").bind(ids).push(")"),
            Backend::Sqlite => {
                let ids: Vec<String> = ids.iter().map(i64::to_string).collect();
                self.push(" IN (SELECT value FROM json_each(")
                    .bind(format!("[{}]", ids.join(",")))
                    .push("))")
            }
        }
    }

    /// Appends "is one of those that a question answers with". PostgreSQL asks first and then goes to each by an
    /// index, as is right where they are few, for how many it would take them.
    pub fn push_answers(
        &mut self,
        backend: Backend,
        question: impl FnOnce(&mut Self),
    ) -> &mut Self {
        let (before, after) = match backend {
            Backend::Postgres => (" = ANY(ARRAY(", "))"),
            Backend::Sqlite => (" IN (", ")"),
        };
        self.push(before);
        question(self);
        self.push(after)
    }

    /// Appends "is one of these texts", as one parameter whatever their number.
    pub fn bind_texts(&mut self, backend: Backend, texts: Vec<String>) -> &mut Self {
        match backend {
            Backend::Postgres => self.push(" = ANY(").bind(texts).push(")"),
            Backend::Sqlite => {
                let list = serde_json::Value::from(texts).to_string();
                self.push(" IN (SELECT value FROM json_each(")
                    .bind(list)
                    .push("))")
            }
        }
    }

    /// Appends a table of pairs, with the columns `id` and `day`.
    pub fn bind_pairs(
        &mut self,
        backend: Backend,
        pairs: &[(i64, chrono::NaiveDate)],
    ) -> &mut Self {
        match backend {
            Backend::Postgres => {
                let ids: Vec<i64> = pairs.iter().map(|(id, _)| *id).collect();
                let days: Vec<chrono::NaiveDate> = pairs.iter().map(|(_, day)| *day).collect();
                self.push("unnest(")
                    .bind(ids)
                    .push("::bigint[], ")
                    .bind(days)
                    .push("::date[]) AS pairs (id, day)")
            }
            Backend::Sqlite => {
                let list: Vec<String> = pairs
                    .iter()
                    .map(|(id, day)| format!("[{id},\"{day}\"]"))
                    .collect();
                self.push("(SELECT value ->> 0 AS id, value ->> 1 AS day FROM json_each(")
                    .bind(format!("[{}]", list.join(",")))
                    .push(")) AS pairs")
            }
        }
    }

    /// Appends a table of pairs of ids, with the columns `first_id` and `second_id`.
    pub fn bind_id_pairs(&mut self, backend: Backend, pairs: &[(i64, i64)]) -> &mut Self {
        match backend {
            Backend::Postgres => {
                let (first, second): (Vec<i64>, Vec<i64>) = pairs.iter().copied().unzip();
                self.push("unnest(")
                    .bind(first)
                    .push("::bigint[], ")
                    .bind(second)
                    .push("::bigint[]) AS pairs (first_id, second_id)")
            }
            Backend::Sqlite => {
                let list: Vec<String> = pairs
                    .iter()
                    .map(|(first, second)| format!("[{first},{second}]"))
                    .collect();
                self.push(
                    "(SELECT value ->> 0 AS first_id, value ->> 1 AS second_id FROM json_each(",
                )
                .bind(format!("[{}]", list.join(",")))
                .push(")) AS pairs")
            }
        }
    }

    /// The number of values bound so far.
    pub fn bound(&self) -> usize {
        self.values.len()
    }

    /// The text, for tests and logs; values are never logged.
    pub fn sql(&self) -> &str {
        &self.sql
    }

    fn statement(self, connection: &impl ConnectionTrait) -> Statement {
        Statement::from_sql_and_values(connection.get_database_backend(), self.sql, self.values)
    }

    /// All rows.
    pub async fn all(self, connection: &impl ConnectionTrait) -> Result<Vec<QueryResult>, DbErr> {
        let statement = self.statement(connection);
        connection.query_all_raw(statement).await
    }

    /// All rows, one after the other, so that memory holds few of them.
    pub async fn stream<C: ConnectionTrait + StreamTrait>(
        self,
        connection: &C,
    ) -> Result<C::Stream<'_>, DbErr> {
        let statement = self.statement(connection);
        connection.stream_raw(statement).await
    }

    /// The first row, if any.
    pub async fn one(
        self,
        connection: &impl ConnectionTrait,
    ) -> Result<Option<QueryResult>, DbErr> {
        let statement = self.statement(connection);
        connection.query_one_raw(statement).await
    }

    /// The first column of the only row of a query that always has one.
    pub async fn scalar<T: TryGetable>(
        self,
        connection: &impl ConnectionTrait,
    ) -> Result<T, DbErr> {
        let row = self
            .one(connection)
            .await?
            .ok_or_else(|| DbErr::RecordNotFound("a row was expected".to_owned()))?;
        row.try_get_by_index(0)
    }

    /// Runs a statement that answers with no rows.
    pub async fn execute(self, connection: &impl ConnectionTrait) -> Result<ExecResult, DbErr> {
        let statement = self.statement(connection);
        connection.execute_raw(statement).await
    }
}

/// Rows that one statement deletes at most.
const BATCH: u16 = 5_000;

/// Deletes what is past, a batch at a time: no statement comes near its time limit, and no writer waits for long. The
/// statement takes the instant before which rows are past as `$1`, and how many it may delete as `$2`. Answers how many
/// were deleted.
pub async fn delete_in_batches(
    connection: &impl ConnectionTrait,
    statement: &str,
    before: DateTime<Utc>,
) -> Result<u64, DbErr> {
    let mut deleted = 0;
    loop {
        let batch = Query::with(statement, [before.into(), i64::from(BATCH).into()])
            .execute(connection)
            .await?
            .rows_affected();
        deleted += batch;
        if batch < u64::from(BATCH) {
            return Ok(deleted);
        }
    }
}

/// Reads a row's columns from left to right.
#[derive(Clone)]
pub struct Row<'a> {
    row: &'a QueryResult,
    next: usize,
}

impl<'a> Row<'a> {
    /// Starts at the first column.
    pub fn new(row: &'a QueryResult) -> Self {
        Self { row, next: 0 }
    }

    /// The next column's value.
    pub fn take<T: TryGetable>(&mut self) -> Result<T, DbErr> {
        let value = self.row.try_get_by_index(self.next)?;
        self.next += 1;
        Ok(value)
    }

    /// Passes over columns.
    pub fn skip(&mut self, columns: usize) -> &mut Self {
        self.next += columns;
        self
    }
}
