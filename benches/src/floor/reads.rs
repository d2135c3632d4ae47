//! The floor's look-up, lists and search.

use actix_web::web::{Data, Json, Path};
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use sqlx::{PgPool, Row, postgres::PgRow};

use super::Failed;

/// A facility by its code, with vendor, chain and milestones.
pub const FACILITY: &str = "SELECT s.facility_id, s.code, f.name, s.kind, s.prefecture, s.stage, \
    s.version, s.opened_on, v.id, v.name, c.id, c.name, s.reader_applied_on, s.vendor_ordered_on, \
    s.use_applied_on, s.certificate_issued_on, s.reader_delivered_on, s.pc_procured_on, \
    s.router_procured_on, s.installed_on, s.ready_on, s.live_on \
    FROM facility_code k JOIN facility_state s ON s.facility_id = k.facility_id \
    JOIN facility f ON f.id = s.facility_id LEFT JOIN organisation v ON v.id = s.vendor_id \
    LEFT JOIN organisation c ON c.id = s.chain_id WHERE k.code = $1";

/// The first 50 open facilities of a vendor, and how many it has, counted up to 10,000.
pub const WORKLIST: &str = "SELECT s.facility_id, s.code, f.name, s.kind, s.prefecture, s.stage, \
    s.version, s.last_milestone_on, c.id, c.name, \
    (SELECT count(*) FROM (SELECT 1 FROM facility_state t WHERE t.vendor_id = $1 AND t.opened_on <= $2 \
    AND (t.closed_on IS NULL OR t.closed_on > $2) LIMIT 10001) AS counted) \
    FROM facility_state s JOIN facility f ON f.id = s.facility_id \
    LEFT JOIN organisation c ON c.id = s.chain_id WHERE s.vendor_id = $1 AND s.opened_on <= $2 \
    AND (s.closed_on IS NULL OR s.closed_on > $2) ORDER BY s.code LIMIT 51";

/// 50 open facilities of the nation after a code.
pub const PAGE: &str = "SELECT s.facility_id, s.code, f.name, s.kind, s.prefecture, s.stage, \
    s.version, s.last_milestone_on, v.id, v.name FROM facility_state s \
    JOIN facility f ON f.id = s.facility_id LEFT JOIN organisation v ON v.id = s.vendor_id \
    WHERE s.code > $1 AND s.opened_on <= $2 AND (s.closed_on IS NULL OR s.closed_on > $2) \
    ORDER BY s.code LIMIT 51";

/// The first 50 open facilities with all these grams in whose texts a part is found.
pub const SEARCH: &str = "SELECT s.facility_id, s.code, f.name, s.kind, s.prefecture, s.stage, \
    s.version, s.last_milestone_on, v.id, v.name FROM facility_state s \
    JOIN facility f ON f.id = s.facility_id LEFT JOIN organisation v ON v.id = s.vendor_id \
    WHERE f.search_grams @> $1 AND f.search_text LIKE $2 AND s.opened_on <= $3 \
    AND (s.closed_on IS NULL OR s.closed_on > $3) ORDER BY s.code LIMIT 51";

/// A vendor or a chain.
#[derive(Serialize)]
struct Organisation {
    id: i64,
    name: String,
}

/// What [`FACILITY`] answers.
#[derive(Serialize)]
pub struct Facility {
    id: i64,
    code: String,
    name: String,
    kind: i16,
    prefecture: i16,
    stage: i16,
    version: i32,
    opened_on: NaiveDate,
    vendor: Option<Organisation>,
    chain: Option<Organisation>,
    milestones: [Option<NaiveDate>; 10],
}

/// A row of a list.
#[derive(Serialize)]
struct Listed {
    id: i64,
    code: String,
    name: String,
    kind: i16,
    prefecture: i16,
    stage: i16,
    version: i32,
    last_milestone_on: Option<NaiveDate>,
    organisation: Option<Organisation>,
}

/// A page of a list.
#[derive(Serialize)]
pub struct List {
    rows: Vec<Listed>,
    more: bool,
    total: Option<i64>,
}

/// What to search for.
#[derive(Deserialize)]
pub struct Wanted {
    grams: Vec<i32>,
    like: String,
}

/// Answers [`FACILITY`].
pub async fn facility(
    pool: Data<PgPool>,
    code: Path<String>,
) -> Result<Json<Option<Facility>>, Failed> {
    let row = sqlx::query(FACILITY)
        .bind(code.as_str())
        .fetch_optional(pool.as_ref())
        .await?;
    Ok(Json(row.as_ref().map(read).transpose()?))
}

/// Answers [`WORKLIST`].
pub async fn worklist(pool: Data<PgPool>, vendor: Path<i64>) -> Result<Json<List>, Failed> {
    let rows = sqlx::query(WORKLIST)
        .bind(*vendor)
        .bind(today())
        .fetch_all(pool.as_ref())
        .await?;
    let total = rows.first().map(|row| row.try_get(10)).transpose()?;
    Ok(Json(list(&rows, Some(total.unwrap_or(0)))?))
}

/// Answers [`PAGE`].
pub async fn page(pool: Data<PgPool>, after: Path<String>) -> Result<Json<List>, Failed> {
    let rows = sqlx::query(PAGE)
        .bind(after.as_str())
        .bind(today())
        .fetch_all(pool.as_ref())
        .await?;
    Ok(Json(list(&rows, None)?))
}

/// Answers [`SEARCH`].
pub async fn search(pool: Data<PgPool>, wanted: Json<Wanted>) -> Result<Json<List>, Failed> {
    let rows = sqlx::query(SEARCH)
        .bind(&wanted.grams)
        .bind(&wanted.like)
        .bind(today())
        .fetch_all(pool.as_ref())
        .await?;
    Ok(Json(list(&rows, None)?))
}

/// The civil day in Japan.
#[expect(
    clippy::disallowed_methods,
    reason = "the bench has no clock to be handed"
)]
pub fn today() -> NaiveDate {
    (chrono::Utc::now() + chrono::TimeDelta::hours(9)).date_naive()
}

fn read(row: &PgRow) -> Result<Facility, sqlx::Error> {
    let mut milestones = [None; 10];
    for (place, milestone) in milestones.iter_mut().enumerate() {
        *milestone = row.try_get(12 + place)?;
    }
    Ok(Facility {
        id: row.try_get(0)?,
        code: row.try_get(1)?,
        name: row.try_get(2)?,
        kind: row.try_get(3)?,
        prefecture: row.try_get(4)?,
        stage: row.try_get(5)?,
        version: row.try_get(6)?,
        opened_on: row.try_get(7)?,
        vendor: organisation(row, 8)?,
        chain: organisation(row, 10)?,
        milestones,
    })
}

fn organisation(row: &PgRow, place: usize) -> Result<Option<Organisation>, sqlx::Error> {
    let Some(id) = row.try_get(place)? else {
        return Ok(None);
    };
    let name = row.try_get(place + 1)?;
    Ok(Some(Organisation { id, name }))
}

fn list(rows: &[PgRow], total: Option<i64>) -> Result<List, sqlx::Error> {
    let read = |row: &PgRow| {
        Ok(Listed {
            id: row.try_get(0)?,
            code: row.try_get(1)?,
            name: row.try_get(2)?,
            kind: row.try_get(3)?,
            prefecture: row.try_get(4)?,
            stage: row.try_get(5)?,
            version: row.try_get(6)?,
            last_milestone_on: row.try_get(7)?,
            organisation: organisation(row, 8)?,
        })
    };
    Ok(List {
        rows: rows
            .iter()
            .take(50)
            .map(read)
            .collect::<Result<_, sqlx::Error>>()?,
        more: rows.len() > 50,
        total,
    })
}
