//! The floor's recording of READY: the statements and rows of Kaitsu's transaction, one after the other,
//! for a facility that has applied and is not ready. It checks nothing.

use actix_web::web::{Data, Json};
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, PgPool, Row};

use super::Failed;

/// READY was reached.
#[derive(Deserialize)]
pub struct Recorded {
    facility: i64,
    on: NaiveDate,
    key: String,
}

/// What was written.
#[derive(Serialize)]
pub struct Written {
    facility: i64,
    code: String,
    version: i32,
    event: i64,
}

const LOCK: &str = "SELECT facility_id, code, version, prefecture, vendor_id, chain_id, contractor_id \
    FROM facility_state WHERE facility_id = $1 ORDER BY facility_id FOR UPDATE";
const HISTORY: &str = "SELECT facility_id, id, aspect, action, effective_on, value, voids_id \
    FROM facility_event WHERE facility_id = $1 ORDER BY facility_id, id";
const CHANGE: &str = "INSERT INTO change (recorded_at, identity_kind, identity_id, organisation_id, source, \
    operation, request_id, reason) VALUES ($1, 1, 1, 1, 0, 'milestoneRecord', $2, NULL) RETURNING id";
const EVENT: &str = "INSERT INTO facility_event (facility_id, change_id, aspect, action, effective_on, value, \
    voids_id, note) VALUES ($1, $2, 8, 0, $3, NULL, NULL, NULL) RETURNING id";
const STATE: &str = "UPDATE facility_state SET version = version + 1, stage = greatest(stage, 5), \
    last_milestone_on = greatest(last_milestone_on, $2), ready_on = $2 WHERE facility_id = $1";
const PERIOD_ENDS: &str = "UPDATE facility_period SET removed_by = $2 WHERE facility_id = $1 \
    AND removed_by IS NULL AND effective_until = '9999-12-31' \
    RETURNING effective_from, kind, prefecture, vendor_id, chain_id";
const PERIODS: &str = "INSERT INTO facility_period (facility_id, effective_from, effective_until, kind, \
    prefecture, vendor_id, chain_id, level, added_by) VALUES ($1, $2, $3, $4, $5, $6, $7, 1, $8), \
    ($1, $3, '9999-12-31', $4, $5, $6, $7, 2, $8)";
const DELTA: &str = "INSERT INTO figure_delta (change_id, ordinal, effective_on, kind, prefecture, vendor_id, \
    chain_id, open_count, applied_count, ready_count, live_count) VALUES ($1, 0, $2, $3, $4, $5, $6, 0, 0, 1, 0)";
const OUTCOME: &str = "INSERT INTO idempotency (caller, idempotency_key, request_hash, outcome, created_at) \
    VALUES ('floor', $1, $2, $3, $4)";

/// Records it.
pub async fn record(pool: Data<PgPool>, recorded: Json<Recorded>) -> Result<Json<Written>, Failed> {
    let mut transaction = pool.begin().await?;
    let written = write(&mut transaction, &recorded).await?;
    transaction.commit().await?;
    Ok(Json(written))
}

#[expect(
    clippy::disallowed_methods,
    reason = "the bench has no clock to be handed"
)]
fn now() -> DateTime<Utc> {
    Utc::now()
}

async fn write(
    connection: &mut PgConnection,
    Recorded { facility, on, key }: &Recorded,
) -> Result<Written, sqlx::Error> {
    let state = sqlx::query(LOCK)
        .bind(facility)
        .fetch_one(&mut *connection)
        .await?;
    let history = sqlx::query(HISTORY)
        .bind(facility)
        .fetch_all(&mut *connection)
        .await?;
    for event in &history {
        event.try_get::<i64, _>(1)?;
    }
    let change: i64 = sqlx::query(CHANGE)
        .bind(now())
        .bind(key)
        .fetch_one(&mut *connection)
        .await?
        .try_get(0)?;
    let event: i64 = sqlx::query(EVENT)
        .bind(facility)
        .bind(change)
        .bind(on)
        .fetch_one(&mut *connection)
        .await?
        .try_get(0)?;
    sqlx::query(STATE)
        .bind(facility)
        .bind(on)
        .execute(&mut *connection)
        .await?;
    count(connection, *facility, change, *on).await?;
    let written = Written {
        facility: *facility,
        code: state.try_get(1)?,
        version: state.try_get::<i32, _>(2)? + 1,
        event,
    };
    sqlx::query(OUTCOME)
        .bind(key)
        .bind([0_u8; 32].as_slice())
        .bind(serde_json::to_string(&written).unwrap_or_default())
        .bind(now())
        .execute(&mut *connection)
        .await?;
    Ok(written)
}

async fn count(
    connection: &mut PgConnection,
    facility: i64,
    change: i64,
    on: NaiveDate,
) -> Result<(), sqlx::Error> {
    let ended = sqlx::query(PERIOD_ENDS)
        .bind(facility)
        .bind(change)
        .fetch_one(&mut *connection)
        .await?;
    let from: NaiveDate = ended.try_get(0)?;
    let (kind, prefecture): (i16, i16) = (ended.try_get(1)?, ended.try_get(2)?);
    let (vendor, chain): (i64, i64) = (ended.try_get(3)?, ended.try_get(4)?);
    sqlx::query(PERIODS)
        .bind(facility)
        .bind(from)
        .bind(on)
        .bind(kind)
        .bind(prefecture)
        .bind(vendor)
        .bind(chain)
        .bind(change)
        .execute(&mut *connection)
        .await?;
    sqlx::query(DELTA)
        .bind(change)
        .bind(on)
        .bind(kind)
        .bind(prefecture)
        .bind(vendor)
        .bind(chain)
        .execute(&mut *connection)
        .await?;
    Ok(())
}
