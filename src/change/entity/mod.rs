//! The tables `change` and `change_horizon`, and the walk along the changes that the feed is read by.

mod feed;
mod idempotency;

pub use feed::{Bounds, Details, Entry, Epoch, EventsOfEntry, Position, bounds, events_of, walk};
pub use idempotency::{Earlier, IdempotencyKey, KEPT_DAYS, forget_outcomes};

use chrono::{DateTime, Utc};

use crate::{
    auth::Identity,
    change::{Source, identity_columns},
    db::{
        ChangeId, Column, ConnectionTrait, Database, DbErr, OrganisationId, Query, Row, Table,
        Transaction, Values,
    },
};

/// Changes that are numbered when they are written, which only who loads a whole history may do.
pub const SETTLED_CHANGE: Table = Table {
    name: "change",
    columns: &[
        ("id", Column::Big),
        ("seq", Column::Big),
        ("settled_at", Column::Instant),
        ("recorded_at", Column::Instant),
        ("identity_kind", Column::Code),
        ("identity_id", Column::Big),
        ("organisation_id", Column::Big),
        ("source", Column::Code),
        ("operation", Column::Text),
        ("request_id", Column::Text),
        ("reason", Column::Text),
    ],
};

/// The one row that says how far changes are numbered.
pub const CHANGE_HORIZON: Table = Table {
    name: "change_horizon",
    columns: &[
        ("id", Column::Code),
        ("last_seq", Column::Big),
        ("settled_until", Column::Instant),
        ("folded_seq", Column::Big),
    ],
};

/// What is known of a change when it is written.
#[derive(Clone, Debug)]
pub struct ChangeRow {
    /// When, by the writer's clock. Not the order: that is `seq`.
    pub recorded_at: DateTime<Utc>,
    /// Who.
    pub identity: Identity,
    /// In whose name.
    pub organisation: Option<OrganisationId>,
    /// From where.
    pub source: Source,
    /// What was done: the name of the mutation or command.
    pub operation: &'static str,
    /// The request in which it was done.
    pub request_id: Option<String>,
    /// Why, in the writer's words.
    pub reason: Option<String>,
}

/// How far changes are numbered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Horizon {
    /// The last number given.
    pub last_seq: i64,
    /// No change will ever be numbered with an instant at or before this one.
    pub settled_until: DateTime<Utc>,
    /// Totals contain the changes up to this number.
    pub folded_seq: i64,
}

/// The columns of a numbered change's row.
pub fn settled_change_values(
    id: ChangeId,
    seq: i64,
    settled_at: DateTime<Utc>,
    row: ChangeRow,
) -> Values {
    let (identity_kind, identity_id) = identity_columns(&row.identity);
    vec![
        id.0.into(),
        seq.into(),
        settled_at.into(),
        row.recorded_at.into(),
        identity_kind.into(),
        identity_id.into(),
        row.organisation.map(|id| id.0).into(),
        row.source.code().into(),
        row.operation.into(),
        row.request_id.into(),
        row.reason.into(),
    ]
}

/// The columns of the horizon's row.
pub fn horizon_values(horizon: &Horizon) -> Values {
    vec![
        1_i16.into(),
        horizon.last_seq.into(),
        horizon.settled_until.into(),
        horizon.folded_seq.into(),
    ]
}

/// Inserts the row of a change. Call it after every lock is taken: ids of changes that waited for each
/// other are then in the order in which they commit.
pub async fn insert(transaction: &Transaction, row: ChangeRow) -> Result<ChangeId, DbErr> {
    let (identity_kind, identity_id) = identity_columns(&row.identity);
    Query::with(
        "INSERT INTO change (recorded_at, identity_kind, identity_id, organisation_id, source, operation, \
         request_id, reason) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id",
        [
            row.recorded_at.into(),
            identity_kind.into(),
            identity_id.into(),
            row.organisation.map(|id| id.0).into(),
            row.source.code().into(),
            row.operation.into(),
            row.request_id.into(),
            row.reason.into(),
        ],
    )
    .scalar(transaction)
    .await
}

/// The horizon as it stands.
pub async fn horizon(connection: &impl ConnectionTrait) -> Result<Horizon, DbErr> {
    horizon_of(
        connection,
        "SELECT last_seq, settled_until, folded_seq FROM change_horizon WHERE id = 1".to_owned(),
    )
    .await
}

/// The horizon, locked against other processes until the transaction ends.
pub async fn horizon_locked(
    database: &Database,
    transaction: &Transaction,
) -> Result<Horizon, DbErr> {
    horizon_of(
        transaction,
        format!(
            "SELECT last_seq, settled_until, folded_seq FROM change_horizon WHERE id = 1{}",
            database.for_update()
        ),
    )
    .await
}

async fn horizon_of(connection: &impl ConnectionTrait, sql: String) -> Result<Horizon, DbErr> {
    let row = Query::new(sql)
        .one(connection)
        .await?
        .ok_or_else(|| DbErr::RecordNotFound("the change horizon".to_owned()))?;
    let mut row = Row::new(&row);
    Ok(Horizon {
        last_seq: row.take()?,
        settled_until: row.take()?,
        folded_seq: row.take()?,
    })
}

/// Has any committed change no number yet?
pub async fn has_unsettled(connection: &impl ConnectionTrait) -> Result<bool, DbErr> {
    let row = Query::new("SELECT 1 FROM change WHERE seq IS NULL LIMIT 1")
        .one(connection)
        .await?;
    Ok(row.is_some())
}

/// Committed changes that have no number yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsettled {
    /// How many.
    pub count: i64,
    /// When the first of them was recorded.
    pub oldest: Option<DateTime<Utc>>,
}

/// How many changes wait for their number, and for how long.
pub async fn unsettled(connection: &impl ConnectionTrait) -> Result<Unsettled, DbErr> {
    let row = Query::new("SELECT count(*), min(recorded_at) FROM change WHERE seq IS NULL")
        .one(connection)
        .await?
        .ok_or_else(|| DbErr::RecordNotFound("a count".to_owned()))?;
    let mut row = Row::new(&row);
    Ok(Unsettled {
        count: row.take()?,
        oldest: row.take()?,
    })
}

/// Numbers the first `most` committed changes that have no number, after `last_seq`, in the order of ids.
/// Answers how many.
pub async fn number(
    transaction: &Transaction,
    last_seq: i64,
    settled_at: DateTime<Utc>,
    most: i64,
) -> Result<i64, DbErr> {
    let result = Query::with(
        "UPDATE change SET seq = $1 + pending.position, settled_at = $2 FROM (SELECT id, row_number() OVER \
         (ORDER BY id) AS position FROM (SELECT id FROM change WHERE seq IS NULL ORDER BY id LIMIT $3) \
         AS unnumbered) AS pending WHERE change.id = pending.id",
        [last_seq.into(), settled_at.into(), most.into()],
    )
    .execute(transaction)
    .await?;
    Ok(i64::try_from(result.rows_affected()).unwrap_or(i64::MAX))
}

/// Moves the horizon.
pub async fn advance(
    transaction: &Transaction,
    last_seq: i64,
    settled_until: DateTime<Utc>,
) -> Result<(), DbErr> {
    Query::with(
        "UPDATE change_horizon SET last_seq = $1, settled_until = $2 WHERE id = 1",
        [last_seq.into(), settled_until.into()],
    )
    .execute(transaction)
    .await?;
    Ok(())
}

/// Says that totals contain the changes up to this number.
pub async fn set_folded(transaction: &Transaction, folded_seq: i64) -> Result<(), DbErr> {
    Query::with(
        "UPDATE change_horizon SET folded_seq = $1 WHERE id = 1",
        [folded_seq.into()],
    )
    .execute(transaction)
    .await?;
    Ok(())
}

/// The last change numbered at or before an instant, 0 if none.
pub async fn seq_at(connection: &impl ConnectionTrait, at: DateTime<Utc>) -> Result<i64, DbErr> {
    let row = Query::with(
        "SELECT seq FROM change WHERE settled_at <= $1 ORDER BY settled_at DESC, seq DESC LIMIT 1",
        [at.into()],
    )
    .one(connection)
    .await?;
    row.map_or(Ok(0), |row| Row::new(&row).take())
}
