//! The rows of the last bulk write once more, by multi-row SQL in one transaction: what they cost when
//! nothing is parsed, checked or answered.

use std::time::{Duration, Instant};

use sqlx::{AssertSqlSafe, PgPool, Row};

use crate::Failure;

/// The rows, as arrays of one parameter for each column, so that reading them is no part of the time.
struct Rows {
    insert: String,
    columns: Vec<String>,
}

/// A table, its columns with their casts, and the condition that finds the rows of a change.
type Source = (
    &'static str,
    &'static [(&'static str, &'static str)],
    &'static str,
);

/// The tables that a bulk write writes to.
const TABLES: [Source; 5] = [
    (
        "facility_event",
        &[
            ("facility_id", "bigint"),
            ("change_id", "bigint"),
            ("aspect", "smallint"),
            ("action", "smallint"),
            ("effective_on", "date"),
            ("value", "bigint"),
            ("voids_id", "bigint"),
            ("note", "text"),
        ],
        "change_id = $1",
    ),
    (
        "facility_state",
        &[
            ("facility_id", "bigint"),
            ("code", "text"),
            ("version", "integer"),
            ("kind", "smallint"),
            ("prefecture", "smallint"),
            ("public_institution", "boolean"),
            ("opened_on", "date"),
            ("closed_on", "date"),
            ("vendor_id", "bigint"),
            ("chain_id", "bigint"),
            ("contractor_id", "bigint"),
            ("corporation_id", "bigint"),
            ("area_id", "bigint"),
            ("stage", "smallint"),
            ("last_milestone_on", "date"),
            ("reader_applied_on", "date"),
            ("vendor_ordered_on", "date"),
            ("use_applied_on", "date"),
            ("certificate_issued_on", "date"),
            ("reader_delivered_on", "date"),
            ("pc_procured_on", "date"),
            ("router_procured_on", "date"),
            ("installed_on", "date"),
            ("ready_on", "date"),
            ("live_on", "date"),
        ],
        "facility_id IN (SELECT facility_id FROM facility_event WHERE change_id = $1)",
    ),
    (
        "facility_period",
        &[
            ("facility_id", "bigint"),
            ("effective_from", "date"),
            ("effective_until", "date"),
            ("kind", "smallint"),
            ("prefecture", "smallint"),
            ("vendor_id", "bigint"),
            ("chain_id", "bigint"),
            ("level", "smallint"),
            ("added_by", "bigint"),
        ],
        "added_by = $1",
    ),
    (
        "figure_delta",
        &[
            ("change_id", "bigint"),
            ("ordinal", "integer"),
            ("effective_on", "date"),
            ("kind", "smallint"),
            ("prefecture", "smallint"),
            ("vendor_id", "bigint"),
            ("chain_id", "bigint"),
            ("open_count", "integer"),
            ("applied_count", "integer"),
            ("ready_count", "integer"),
            ("live_count", "integer"),
        ],
        "change_id = $1",
    ),
    (
        "work_delta",
        &[
            ("change_id", "bigint"),
            ("ordinal", "integer"),
            ("effective_on", "date"),
            ("kind", "smallint"),
            ("prefecture", "smallint"),
            ("vendor_id", "bigint"),
            ("chain_id", "bigint"),
            ("installed_count", "integer"),
            ("waiting_count", "integer"),
            ("minute_count", "integer"),
            ("timed_count", "integer"),
        ],
        "change_id = $1",
    ),
];

/// Ends what the log owes the files, so that either side writes each page that it changes to the log as a whole: the
/// one that comes second would otherwise find that done for the same rows.
///
/// # Errors
/// The database fails.
pub async fn checkpoint(pool: &PgPool) -> Result<(), Failure> {
    sqlx::query("CHECKPOINT").execute(pool).await?;
    Ok(())
}

/// The rows that the last change wrote.
pub struct Written {
    change: i64,
    facilities: Vec<i64>,
    tables: Vec<Rows>,
}

/// Reads the rows that the last change wrote.
///
/// # Errors
/// The database fails.
pub async fn written(pool: &PgPool) -> Result<Written, Failure> {
    let change: i64 = sqlx::query("SELECT max(change_id) FROM facility_event")
        .fetch_one(pool)
        .await?
        .try_get(0)?;
    let facilities: Vec<i64> =
        sqlx::query("SELECT array_agg(facility_id) FROM facility_event WHERE change_id = $1")
            .bind(change)
            .fetch_one(pool)
            .await?
            .try_get(0)?;
    let mut tables = Vec::new();
    for table in TABLES {
        tables.push(read(pool, table, change).await?);
    }
    Ok(Written {
        change,
        facilities,
        tables,
    })
}

/// Writes the rows of a change again under a new one, and answers how long that took. The change was undone since, so
/// that the same values take the place of the same others.
///
/// # Errors
/// The database fails.
pub async fn rewrite(pool: &PgPool, written: &Written) -> Result<Duration, Failure> {
    let Written {
        change: last,
        facilities,
        tables,
    } = written;
    let outcome: String =
        sqlx::query("SELECT outcome FROM idempotency ORDER BY created_at DESC LIMIT 1")
            .fetch_one(pool)
            .await?
            .try_get(0)?;
    let started = Instant::now();
    let mut transaction = pool.begin().await?;
    let change: i64 = sqlx::query(
        "INSERT INTO change (recorded_at, identity_kind, identity_id, organisation_id, source, operation, \
         request_id, reason) SELECT recorded_at, identity_kind, identity_id, organisation_id, source, operation, \
         request_id, reason FROM change WHERE id = $1 RETURNING id",
    )
    .bind(last)
    .fetch_one(&mut *transaction)
    .await?
    .try_get(0)?;
    // Of each facility the period that has not ended makes room for the two that it becomes.
    sqlx::query(
        "UPDATE facility_period SET removed_by = $1 WHERE removed_by IS NULL AND effective_until = '9999-12-31' \
         AND facility_id = ANY($2)",
    )
    .bind(change)
    .bind(facilities)
    .execute(&mut *transaction)
    .await?;
    for Rows { insert, columns } in tables {
        let mut query = sqlx::query(AssertSqlSafe(insert.as_str())).bind(change);
        for column in columns {
            query = query.bind(column);
        }
        query.execute(&mut *transaction).await?;
    }
    sqlx::query(
        "INSERT INTO idempotency (caller, idempotency_key, request_hash, outcome, created_at) \
                 VALUES ('floor', $1, '', $2, now())",
    )
    .bind(format!("bulk-{change}"))
    .bind(outcome)
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(started.elapsed())
}

async fn read(
    pool: &PgPool,
    (table, columns, of_change): (&str, &[(&str, &str)], &str),
    change: i64,
) -> Result<Rows, Failure> {
    let arrays: Vec<String> = columns
        .iter()
        .map(|(name, cast)| format!("array_agg({name}::{cast} ORDER BY facility_or_place)::text"))
        .collect();
    let place = if table.ends_with("_delta") {
        "ordinal"
    } else {
        "facility_id"
    };
    let rows = sqlx::query(AssertSqlSafe(format!(
        "SELECT {} FROM (SELECT *, {place} AS facility_or_place FROM {table} WHERE {of_change}) AS written",
        arrays.join(", ")
    )))
    .bind(change)
    .fetch_one(pool)
    .await?;
    let values = (0..columns.len())
        .map(|place| rows.try_get(place))
        .collect::<Result<_, _>>()?;
    Ok(Rows {
        insert: insert(table, columns),
        columns: values,
    })
}

/// Inserts arrays as rows; the change's own column takes the new change.
fn insert(table: &str, columns: &[(&str, &str)]) -> String {
    let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    let values: Vec<String> = names
        .iter()
        .map(|name| match *name {
            "change_id" | "added_by" => "$1".to_owned(),
            name => format!("given.{name}"),
        })
        .collect();
    let arrays: Vec<String> = columns
        .iter()
        .zip(2..)
        .map(|((_, cast), place)| format!("${place}::text::{cast}[]"))
        .collect();
    let set: Vec<String> = names
        .iter()
        .map(|name| format!("{name} = excluded.{name}"))
        .collect();
    let conflict = if table == "facility_state" {
        format!(
            " ON CONFLICT (facility_id) DO UPDATE SET {}",
            set.join(", ")
        )
    } else {
        String::new()
    };
    format!(
        "INSERT INTO {table} ({}) SELECT {} FROM unnest({}) AS given ({}){conflict}",
        names.join(", "),
        values.join(", "),
        arrays.join(", "),
        names.join(", "),
    )
}
