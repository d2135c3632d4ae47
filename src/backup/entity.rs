//! Reading and writing any table by its definition: rows become JSON and JSON becomes rows.

use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use sea_orm::{QueryResult, Value, prelude::Json};

use crate::{
    db::{
        Backend, Column, ConnectionTrait, Database, DatabaseTransaction, DbErr, Query, Values,
        schema::{ALL_TABLES, Definition},
        search,
    },
    facility::text,
};

/// The query for all rows of a table, in the same order on both databases.
pub fn all_rows(backend: Backend, definition: &Definition) -> Query {
    let order: Vec<String> = definition
        .key
        .iter()
        .map(|name| {
            let is_text = definition.table.columns.contains(&(*name, Column::Text));
            if is_text && backend == Backend::Postgres {
                format!("{name} COLLATE \"C\"")
            } else {
                (*name).to_owned()
            }
        })
        .collect();
    Query::new(format!(
        "SELECT {} FROM {} ORDER BY {}",
        definition.table.column_list(),
        definition.table.name,
        order.join(", ")
    ))
}

/// A row as JSON values.
pub fn to_json(definition: &Definition, row: &QueryResult) -> Result<Vec<Json>, DbErr> {
    definition
        .table
        .columns
        .iter()
        .enumerate()
        .map(|(index, (_, column))| cell_to_json(row, index, *column))
        .collect()
}

fn cell_to_json(row: &QueryResult, index: usize, column: Column) -> Result<Json, DbErr> {
    Ok(match column {
        Column::Big => row.try_get_by_index::<Option<i64>>(index)?.into(),
        Column::Int => row.try_get_by_index::<Option<i32>>(index)?.into(),
        Column::Code => row.try_get_by_index::<Option<i16>>(index)?.into(),
        Column::Bool => row.try_get_by_index::<Option<bool>>(index)?.into(),
        Column::Text => row.try_get_by_index::<Option<String>>(index)?.into(),
        Column::Date => row
            .try_get_by_index::<Option<NaiveDate>>(index)?
            .map(|date| date.to_string())
            .into(),
        Column::Instant => row
            .try_get_by_index::<Option<DateTime<Utc>>>(index)?
            .map(|at| at.to_rfc3339_opts(SecondsFormat::Micros, true))
            .into(),
        Column::Bytes => row
            .try_get_by_index::<Option<Vec<u8>>>(index)?
            .map(|bytes| STANDARD.encode(bytes))
            .into(),
    })
}

/// A row's values from JSON; `None` if they are not of the table's types.
pub fn from_json(definition: &Definition, row: &[Json]) -> Option<Values> {
    let columns = definition.table.columns;
    if row.len() != columns.len() {
        return None;
    }
    row.iter()
        .zip(columns)
        .map(|(value, (_, column))| cell_from_json(value, *column))
        .collect()
}

fn cell_from_json(value: &Json, column: Column) -> Option<Value> {
    if value.is_null() {
        return Some(match column {
            Column::Big => None::<i64>.into(),
            Column::Int => None::<i32>.into(),
            Column::Code => None::<i16>.into(),
            Column::Bool => None::<bool>.into(),
            Column::Date => None::<NaiveDate>.into(),
            Column::Instant => None::<DateTime<Utc>>.into(),
            Column::Text => None::<String>.into(),
            Column::Bytes => None::<Vec<u8>>.into(),
        });
    }
    Some(match column {
        Column::Big => value.as_i64()?.into(),
        Column::Int => i32::try_from(value.as_i64()?).ok()?.into(),
        Column::Code => i16::try_from(value.as_i64()?).ok()?.into(),
        Column::Bool => value.as_bool()?.into(),
        Column::Date => value.as_str()?.parse::<NaiveDate>().ok()?.into(),
        Column::Instant => value.as_str()?.parse::<DateTime<Utc>>().ok()?.into(),
        Column::Text => value.as_str()?.into(),
        Column::Bytes => STANDARD.decode(value.as_str()?).ok()?.into(),
    })
}

/// Inserts rows, and what is derived from them for searching.
pub async fn insert(
    transaction: &DatabaseTransaction,
    definition: &Definition,
    rows: Vec<Values>,
) -> Result<(), DbErr> {
    let grams = (definition.table.name == "facility").then(|| grams_of(definition, &rows));
    definition.table.insert(transaction, rows).await?;
    match grams {
        Some(grams) if !grams.is_empty() => search::write_many(transaction, &grams).await,
        _ => Ok(()),
    }
}

fn grams_of(definition: &Definition, rows: &[Values]) -> Vec<(i64, Vec<i32>)> {
    let place = |wanted: &str| {
        let mut columns = definition.table.columns.iter();
        columns.position(|(name, _)| *name == wanted)
    };
    let (Some(id), Some(search_text)) = (place("id"), place("search_text")) else {
        return Vec::new();
    };
    rows.iter()
        .filter_map(|row| match (row.get(id), row.get(search_text)) {
            (Some(Value::BigInt(Some(id))), Some(Value::String(Some(folded)))) => {
                Some((*id, text::grams(folded)))
            }
            _ => None,
        })
        .collect()
}

/// The name of a table that holds rows although a new database would have none in it. The first of them is
/// enough to know that a database is in use.
pub async fn first_in_use(
    connection: &impl ConnectionTrait,
) -> Result<Option<&'static str>, DbErr> {
    for definition in ALL_TABLES.iter().filter(|definition| definition.backed_up) {
        let name = definition.table.name;
        let filter = match name {
            "change_horizon" => " WHERE last_seq > 0",
            _ => "",
        };
        let row = Query::new(format!("SELECT 1 FROM {name}{filter} LIMIT 1"))
            .one(connection)
            .await?;
        if row.is_some() {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

/// Removes what a new database has in a table.
pub async fn clear(
    transaction: &DatabaseTransaction,
    definition: &Definition,
) -> Result<(), DbErr> {
    Query::new(format!("DELETE FROM {}", definition.table.name))
        .execute(transaction)
        .await?;
    Ok(())
}

/// Lets the database number new rows after those that were inserted with their numbers. SQLite does so by
/// itself.
pub async fn continue_numbering(
    database: &Database,
    transaction: &DatabaseTransaction,
) -> Result<(), DbErr> {
    if database.backend() == Backend::Sqlite {
        return Ok(());
    }
    for definition in ALL_TABLES {
        if !definition.backed_up || !definition.has_generated_id() {
            continue;
        }
        let name = definition.table.name;
        Query::new(format!(
            "SELECT setval(pg_get_serial_sequence('{name}', 'id'), COALESCE(max(id), 1), max(id) IS NOT NULL) \
             FROM {name}"
        ))
        .one(transaction)
        .await?;
    }
    Ok(())
}
