//! Reading and writing any table by its definition: rows become JSON and JSON becomes rows.

use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use sea_orm::{QueryResult, Value, prelude::Json};

use crate::{
    db::{
        Backend, Column, ConnectionTrait, DbErr, Query, Values, deployment,
        load::{Loader, Searchable},
        schema::{Definition, all_tables},
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

/// Loads rows, and what is derived from them for searching.
pub async fn load(
    loader: &mut Loader,
    definition: &Definition,
    rows: Vec<Values>,
) -> Result<(), DbErr> {
    let columns = definition.table.columns;
    let search_text = columns.iter().position(|(name, _)| *name == "search_text");
    let Some(place) = search_text else {
        return loader.write(&definition.table, rows).await;
    };
    let searchable = rows.into_iter().map(|values| {
        let grams = match values.get(place) {
            Some(Value::String(Some(folded))) => text::grams(folded),
            _ => Vec::new(),
        };
        Searchable { values, grams }
    });
    loader.write_searchable(&definition.table, searchable).await
}

/// Is this the row that says that mail is held?
pub fn says_that_sending_is_held(definition: &Definition, row: &Values) -> bool {
    let key = row.first().and_then(|value| match value {
        Value::String(Some(key)) => Some(key.as_str()),
        _ => None,
    });
    definition.table.name == deployment::TABLE && key == Some(deployment::SENDING_HELD)
}

/// The name of a table that holds rows although a new database would have none in it. The first of them is
/// enough to know that a database is in use.
pub async fn first_in_use(
    connection: &impl ConnectionTrait,
) -> Result<Option<&'static str>, DbErr> {
    for definition in all_tables().filter(|definition| definition.backed_up) {
        if definition.is_in_use(connection).await? {
            return Ok(Some(definition.table.name));
        }
    }
    Ok(None)
}
