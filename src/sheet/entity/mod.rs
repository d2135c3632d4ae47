//! The tables `sheet`, `sheet_chunk` and `sheet_mapping`. Finders for people start from whose sheets they may see: those
//! that they sent, and those of their organisations.

mod chunks;
mod rows;

pub use chunks::{CHUNK_BYTES, content, insert_chunk};
pub use rows::{
    RowQuery, SheetRow, counts, discard_rows, insert_rows, list_rows, pending, rows_between,
    store_outcomes, written_last,
};

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Serialize, de::DeserializeOwned};

use super::{SheetId, SheetProblem, SheetRowOutcome, SheetStatus, column::Columns, read::Layout};
use crate::{
    auth::{Actor, Identity, OrganisationName, Permission, read_name},
    change::{identity_columns, identity_of},
    db::{
        ChangeId, ConnectionTrait, Database, DbErr, OrganisationId, Query, Row, Transaction,
        delete_in_batches,
    },
};

/// A row of `sheet`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sheet {
    /// Its row.
    pub id: SheetId,
    /// In whose name it was sent.
    pub organisation: Option<OrganisationName>,
    /// Who sent it.
    pub sender: Identity,
    /// The file's name.
    pub name: String,
    /// The SHA-256 of its bytes.
    pub digest: Vec<u8>,
    /// How many bytes it has.
    pub byte_count: i64,
    /// What kind of file it is.
    pub layout: Layout,
    /// Its columns.
    pub columns: Columns,
    /// Rows after that of the headings that have anything in them.
    pub row_count: i32,
    /// Whether all of them were looked at.
    pub is_checked: bool,
    /// How far it has come.
    pub status: SheetStatus,
    /// Why it can't be gone on with.
    pub problem: Option<SheetProblem>,
    /// When it was sent.
    pub uploaded_at: DateTime<Utc>,
    /// When its status last changed.
    pub changed_at: DateTime<Utc>,
    /// Who began what is under way, or ended last.
    pub runner: Identity,
    /// Why, in their words.
    pub reason: Option<String>,
    /// Whether it leaves room for others.
    pub gentle: bool,
    /// How much of what is under way is done.
    pub done_count: i32,
    /// Of how much.
    pub todo_count: i32,
    /// How often a process has taken it since it last got on.
    pub attempts: i32,
    /// Up to which day everything is recorded once it is applied, as its sender says.
    pub complete_to: Option<NaiveDate>,
    /// The change that confirmed it.
    pub confirmed_by: Option<ChangeId>,
}

impl Sheet {
    /// What it confirmed: in whose name, and by which change.
    pub fn confirmation(&self) -> Option<(OrganisationId, ChangeId)> {
        let organisation = self.organisation.as_ref().map(|one| one.id);
        organisation.zip(self.confirmed_by)
    }
}

const COLUMNS: &str = "s.id, o.id, o.name, s.identity_kind, s.identity_id, s.name, s.digest, s.byte_count, s.layout, \
     s.columns, s.row_count, s.is_checked, s.status, s.problem, s.uploaded_at, s.changed_at, s.runner_kind, s.runner_id, s.reason, \
     s.gentle, s.done_count, s.todo_count, s.attempts, s.complete_to, s.confirmed_by";

fn select() -> Query {
    Query::new(format!(
        "SELECT {COLUMNS} FROM sheet s LEFT JOIN organisation o ON o.id = s.organisation_id WHERE "
    ))
}

fn read(row: &mut Row<'_>) -> Result<Sheet, DbErr> {
    Ok(Sheet {
        id: SheetId(row.take()?),
        organisation: read_name(row)?,
        sender: identity_of(row.take()?, row.take()?),
        name: row.take()?,
        digest: row.take()?,
        byte_count: row.take()?,
        layout: from_json(&row.take::<String>()?)?,
        columns: from_json(&row.take::<String>()?)?,
        row_count: row.take()?,
        is_checked: row.take()?,
        status: read_status(row.take()?)?,
        problem: row
            .take::<Option<String>>()?
            .map(|text| from_json(&text))
            .transpose()?,
        uploaded_at: row.take()?,
        changed_at: row.take()?,
        runner: identity_of(row.take()?, row.take()?),
        reason: row.take()?,
        gentle: row.take()?,
        done_count: row.take()?,
        todo_count: row.take()?,
        attempts: row.take()?,
        complete_to: row.take()?,
        confirmed_by: row.take()?,
    })
}

fn read_status(code: i16) -> Result<SheetStatus, DbErr> {
    SheetStatus::from_code(code)
        .ok_or_else(|| DbErr::Type(format!("{code} is no status of a sheet")))
}

/// What is kept as JSON.
fn from_json<T: DeserializeOwned>(text: &str) -> Result<T, DbErr> {
    serde_json::from_str(text).map_err(|error| DbErr::Json(error.to_string()))
}

fn to_json(value: &impl Serialize) -> Result<String, DbErr> {
    serde_json::to_string(value).map_err(|error| DbErr::Json(error.to_string()))
}

/// Whose sheets an actor may see.
fn push_own(query: &mut Query, actor: &Actor) {
    let (kind, id) = identity_columns(&actor.identity);
    query.push("((s.identity_kind = ").bind(kind);
    query.push(" AND s.identity_id = ").bind(id).push(")");
    let organisations = actor.organisations_with(Permission::FacilityRead);
    if !organisations.is_empty() {
        query.push(" OR s.organisation_id IN (");
        query.bind_all(organisations.iter().map(|id| id.0));
        query.push(")");
    }
    query.push(")");
}

/// Those of some sheets that the actor may see.
pub async fn find(
    database: &Database,
    connection: &impl ConnectionTrait,
    actor: &Actor,
    ids: &[i64],
) -> Result<Vec<Sheet>, DbErr> {
    if !actor.may(Permission::FacilityRead) {
        return Ok(Vec::new());
    }
    let mut query = select();
    query.push("s.id");
    query.bind_ids(database.backend(), ids.iter().copied());
    query.push(" AND ");
    push_own(&mut query, actor);
    let rows = query.all(connection).await?;
    rows.iter().map(|row| read(&mut Row::new(row))).collect()
}

/// A sheet that the actor may see, locked until the transaction ends.
pub async fn find_locked(
    database: &Database,
    transaction: &Transaction,
    actor: &Actor,
    id: SheetId,
) -> Result<Option<Sheet>, DbErr> {
    let lock = format!("SELECT 1 FROM sheet WHERE id = $1{}", database.for_update());
    Query::with(lock, [id.0.into()]).one(transaction).await?;
    let found = find(database, transaction, actor, &[id.0]).await?;
    Ok(found.into_iter().next())
}

/// A page of the sheets that the actor may see, the latest first, before a row.
pub async fn list(
    database: &Database,
    actor: &Actor,
    before: Option<i64>,
    most: u64,
) -> Result<Vec<Sheet>, DbErr> {
    let mut query = select();
    push_own(&mut query, actor);
    if let Some(before) = before {
        query.push(" AND s.id < ").bind(before);
    }
    query.push(" ORDER BY s.id DESC LIMIT ");
    query.bind(i64::try_from(most).unwrap_or(i64::MAX));
    let rows = query.all(database.read()).await?;
    rows.iter().map(|row| read(&mut Row::new(row))).collect()
}

/// A file that arrived and was looked at.
#[derive(Clone, Debug)]
pub struct NewSheet {
    /// In whose name.
    pub organisation: Option<OrganisationId>,
    /// Who sends it.
    pub sender: Identity,
    /// Its name.
    pub name: String,
    /// The SHA-256 of its bytes.
    pub digest: Vec<u8>,
    /// How many bytes it has.
    pub byte_count: i64,
    /// What kind of file it is.
    pub layout: Layout,
    /// Its columns.
    pub columns: Columns,
    /// Rows after that of the headings that have anything in them.
    pub row_count: i32,
    /// Where it begins.
    pub status: SheetStatus,
    /// Up to which day everything is recorded once it is applied.
    pub complete_to: Option<NaiveDate>,
}

/// Adds a sheet and answers its id.
pub async fn insert(
    transaction: &Transaction,
    sheet: &NewSheet,
    now: DateTime<Utc>,
) -> Result<SheetId, DbErr> {
    let (kind, id) = identity_columns(&sheet.sender);
    let query = Query::with(
        "INSERT INTO sheet (organisation_id, identity_kind, identity_id, name, digest, byte_count, layout, columns, \
         row_count, is_checked, status, uploaded_at, changed_at, runner_kind, runner_id, gentle, done_count, todo_count, attempts, leased_until, complete_to) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $12, $10, $11, $11, $2, $3, $12, 0, $9, 0, $11, $13) RETURNING id",
        [
            sheet.organisation.map(|id| id.0).into(),
            kind.into(),
            id.into(),
            sheet.name.as_str().into(),
            sheet.digest.clone().into(),
            sheet.byte_count.into(),
            to_json(&sheet.layout)?.into(),
            to_json(&sheet.columns)?.into(),
            sheet.row_count.into(),
            sheet.status.code().into(),
            now.into(),
            false.into(),
            sheet.complete_to.into(),
        ],
    );
    Ok(SheetId(query.scalar(transaction).await?))
}

/// What begins with a sheet: who, why, how much there is to do.
#[derive(Clone, Debug)]
pub struct Beginning {
    /// What.
    pub status: SheetStatus,
    /// Who.
    pub runner: Identity,
    /// Why, in their words.
    pub reason: Option<String>,
    /// Whether it leaves room for others.
    pub gentle: bool,
    /// How much there is to do.
    pub todo_count: i32,
    /// Up to which day everything is recorded once it is applied.
    pub complete_to: Option<NaiveDate>,
}

/// Begins something with a sheet.
pub async fn begin(
    transaction: &Transaction,
    id: SheetId,
    beginning: &Beginning,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    let (kind, runner) = identity_columns(&beginning.runner);
    Query::with(
        "UPDATE sheet SET status = $2, runner_kind = $3, runner_id = $4, reason = $5, gentle = $6, todo_count = $7, \
         done_count = 0, problem = NULL, holder = NULL, leased_until = $8, attempts = 0, changed_at = $8, \
         is_checked = (is_checked AND $2 <> 0), complete_to = $9 WHERE id = $1",
        [
            id.0.into(),
            beginning.status.code().into(),
            kind.into(),
            runner.into(),
            beginning.reason.clone().into(),
            beginning.gentle.into(),
            beginning.todo_count.into(),
            now.into(),
            beginning.complete_to.into(),
        ],
    )
    .execute(transaction)
    .await?;
    Ok(())
}

/// Ends what is under way with a sheet, whose row the transaction has locked.
pub async fn end(
    transaction: &Transaction,
    id: SheetId,
    status: SheetStatus,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    Query::with(
        "UPDATE sheet SET status = $2, holder = NULL, changed_at = $3, \
         is_checked = (is_checked OR $2 = 4) WHERE id = $1",
        [id.0.into(), status.code().into(), now.into()],
    )
    .execute(transaction)
    .await?;
    Ok(())
}

/// Says which change confirmed what a sheet was sent to confirm; none if it was taken back.
pub async fn set_confirmed(
    transaction: &Transaction,
    id: SheetId,
    change: Option<ChangeId>,
) -> Result<(), DbErr> {
    Query::with(
        "UPDATE sheet SET confirmed_by = $2 WHERE id = $1",
        [id.0.into(), change.map(|change| change.0).into()],
    )
    .execute(transaction)
    .await?;
    Ok(())
}

/// Says why a sheet can't be gone on with, unless it was stopped or another process is at it by now.
pub async fn fail(
    database: &Database,
    sheet: &Sheet,
    lease: &Lease<'_>,
    problem: &SheetProblem,
) -> Result<(), DbErr> {
    Query::with(
        "UPDATE sheet SET status = $4, problem = $5, holder = NULL, changed_at = $6 \
         WHERE id = $1 AND status = $2 AND holder = $3",
        [
            sheet.id.0.into(),
            sheet.status.code().into(),
            lease.holder.into(),
            SheetStatus::Failed.code().into(),
            to_json(problem)?.into(),
            lease.now.into(),
        ],
    )
    .execute(database.write())
    .await?;
    Ok(())
}

/// Says what the columns of a sheet hold.
pub async fn set_columns(
    transaction: &Transaction,
    id: SheetId,
    columns: &Columns,
) -> Result<(), DbErr> {
    Query::with(
        "UPDATE sheet SET columns = $2 WHERE id = $1",
        [id.0.into(), to_json(columns)?.into()],
    )
    .execute(transaction)
    .await?;
    Ok(())
}

/// A process that is at a sheet, until an instant.
#[derive(Clone, Copy, Debug)]
pub struct Lease<'a> {
    /// The process.
    pub holder: &'a str,
    /// Now.
    pub now: DateTime<Utc>,
    /// Until when nobody else takes it.
    pub until: DateTime<Utc>,
}

/// Takes the oldest sheet that waits for a process and that no other one is at.
pub async fn lease(database: &Database, lease: &Lease<'_>) -> Result<Option<Sheet>, DbErr> {
    let waiting = Query::with(
        // That which nobody was at for the longest time: many sheets go on side by side.
        "SELECT id FROM sheet WHERE status <= 2 AND (holder IS NULL OR leased_until <= $1 OR holder = $2) \
         ORDER BY leased_until, id LIMIT 1",
        [lease.now.into(), lease.holder.into()],
    );
    let Some(row) = waiting.one(database.write()).await? else {
        return Ok(None);
    };
    let id: i64 = Row::new(&row).take()?;
    let taken = Query::with(
        "UPDATE sheet SET holder = $2, leased_until = $4, attempts = attempts + 1 WHERE id = $1 AND status <= 2 \
         AND (holder IS NULL OR leased_until <= $3 OR holder = $2) RETURNING id",
        [
            id.into(),
            lease.holder.into(),
            lease.now.into(),
            lease.until.into(),
        ],
    );
    if taken.one(database.write()).await?.is_none() {
        return Ok(None);
    }
    let mut query = select();
    query.push("s.id = ").bind(id);
    let found = query.one(database.write()).await?;
    found.map(|row| read(&mut Row::new(&row))).transpose()
}

/// Goes on with a sheet: says so much more is done and keeps the lease. `false` if it was stopped, or another process is
/// at it by now; the transaction must not be committed then. From here on whoever stops it waits until that is done.
pub async fn go_on(
    transaction: &Transaction,
    sheet: &Sheet,
    lease: &Lease<'_>,
    done: i32,
) -> Result<bool, DbErr> {
    // A check begins anew, so that it gets on only when it ends.
    let gets_on = done > 0 && sheet.status != SheetStatus::Checking;
    let attempts = if gets_on { 0 } else { sheet.attempts };
    let row = Query::with(
        "UPDATE sheet SET done_count = done_count + $5, leased_until = $4, attempts = $6 \
         WHERE id = $1 AND status = $2 AND holder = $3 RETURNING id",
        [
            sheet.id.0.into(),
            sheet.status.code().into(),
            lease.holder.into(),
            lease.until.into(),
            done.into(),
            attempts.into(),
        ],
    )
    .one(transaction)
    .await?;
    Ok(row.is_some())
}

/// Keeps a lease for longer, if it is still one's own.
pub async fn renew(database: &Database, id: SheetId, lease: &Lease<'_>) -> Result<(), DbErr> {
    Query::with(
        "UPDATE sheet SET leased_until = $3 WHERE id = $1 AND holder = $2",
        [id.0.into(), lease.holder.into(), lease.until.into()],
    )
    .execute(database.write())
    .await?;
    Ok(())
}

/// The last sheet of the same content that was applied in the same name, and is not undone.
pub async fn applied_before(
    transaction: &Transaction,
    sheet: &Sheet,
) -> Result<Option<SheetId>, DbErr> {
    let (kind, id) = identity_columns(&sheet.sender);
    let row = Query::with(
        "SELECT id FROM sheet WHERE digest = $1 AND id <> $2 AND status IN ($3, $7) \
         AND (organisation_id = $4 OR (identity_kind = $5 AND identity_id = $6)) \
         AND (status = $7 AND todo_count > 0 \
             OR EXISTS (SELECT 1 FROM sheet_row r WHERE r.sheet_id = sheet.id AND r.outcome = $8)) \
         ORDER BY id DESC LIMIT 1",
        [
            sheet.digest.clone().into(),
            sheet.id.0.into(),
            SheetStatus::Applied.code().into(),
            sheet.organisation.as_ref().map(|one| one.id.0).into(),
            kind.into(),
            id.into(),
            SheetStatus::Applying.code().into(),
            SheetRowOutcome::Changed.code().into(),
        ],
    )
    .one(transaction)
    .await?;
    row.map(|row| Ok(SheetId(Row::new(&row).take()?)))
        .transpose()
}

/// How the columns of a file are called and what they hold, as an organisation saved it.
pub type SavedColumns = Vec<(String, super::column::Field)>;

/// Saves columns under a name, in the place of those that have it.
pub async fn save_mapping(
    transaction: &Transaction,
    organisation: OrganisationId,
    name: &str,
    columns: &SavedColumns,
) -> Result<(), DbErr> {
    Query::with(
        "INSERT INTO sheet_mapping (organisation_id, name, columns) VALUES ($1, $2, $3) \
         ON CONFLICT (organisation_id, name) DO UPDATE SET columns = excluded.columns",
        [organisation.0.into(), name.into(), to_json(columns)?.into()],
    )
    .execute(transaction)
    .await?;
    Ok(())
}

/// Removes saved columns. `false` if there are none.
pub async fn delete_mapping(
    transaction: &Transaction,
    organisations: &[OrganisationId],
    name: &str,
) -> Result<bool, DbErr> {
    let mut query = Query::new("DELETE FROM sheet_mapping WHERE name = ");
    query.bind(name).push(" AND organisation_id IN (");
    query
        .bind_all(organisations.iter().map(|id| id.0))
        .push(")");
    Ok(query.execute(transaction).await?.rows_affected() > 0)
}

/// The columns that these organisations have saved, by name.
pub async fn mappings(
    connection: &impl ConnectionTrait,
    organisations: &[OrganisationId],
) -> Result<Vec<(String, SavedColumns)>, DbErr> {
    if organisations.is_empty() {
        return Ok(Vec::new());
    }
    let mut query =
        Query::new("SELECT name, columns FROM sheet_mapping WHERE organisation_id IN (");
    query
        .bind_all(organisations.iter().map(|id| id.0))
        .push(") ORDER BY name, organisation_id");
    let rows = query.all(connection).await?;
    rows.iter()
        .map(|row| {
            let mut row = Row::new(row);
            let name = row.take()?;
            Ok((name, from_json(&row.take::<String>()?)?))
        })
        .collect()
}

/// Forgets sheets that have ended and were sent before an instant, with their bytes and rows. Answers how many.
pub async fn forget(database: &Database, before: DateTime<Utc>) -> Result<u64, DbErr> {
    for (table, key) in [
        // Without a count no row of it is missed.
        ("sheet_count", "outcome"),
        ("sheet_row", "number"),
        ("sheet_chunk", "position"),
    ] {
        let statement = format!(
            "DELETE FROM {table} WHERE (sheet_id, {key}) IN (SELECT r.sheet_id, r.{key} FROM {table} r \
             JOIN sheet s ON s.id = r.sheet_id WHERE s.status > 2 AND s.uploaded_at < $1 LIMIT $2)"
        );
        delete_in_batches(database.write(), &statement, before).await?;
    }
    delete_in_batches(
        database.write(),
        "DELETE FROM sheet WHERE id IN (SELECT id FROM sheet WHERE status > 2 AND uploaded_at < $1 LIMIT $2)",
        before,
    )
    .await
}
