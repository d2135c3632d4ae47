//! A statement put together from pieces of SQL and bound values. Both databases read `$1` parameters,
//! so one text serves both; the text of a given shape is always the same, so it is prepared once.

use sea_orm::{ConnectionTrait, DbErr, ExecResult, QueryResult, Statement, TryGetable, Value};

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

/// Reads a row's columns from left to right.
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

/// SQLite takes at most 32,766 parameters in a statement, PostgreSQL 65,535.
const MOST_PARAMETERS: usize = 32_000;
/// More rows than this in one statement make it slower to plan than it saves in round trips.
const MOST_ROWS: usize = 500;

/// Inserts rows by as few statements as the databases' limits allow.
pub async fn insert_rows(
    connection: &impl ConnectionTrait,
    table: &str,
    columns: &[&str],
    rows: Vec<Vec<Value>>,
) -> Result<(), DbErr> {
    let head = format!("INSERT INTO {table} ({}) VALUES ", columns.join(", "));
    let most = (MOST_PARAMETERS / columns.len().max(1)).clamp(1, MOST_ROWS);
    let mut rows = rows.into_iter().peekable();
    while rows.peek().is_some() {
        let mut query = Query::new(head.clone());
        for (position, row) in rows.by_ref().take(most).enumerate() {
            query.push(if position > 0 { ", (" } else { "(" });
            query.bind_all(row).push(")");
        }
        query.execute(connection).await?;
    }
    Ok(())
}
