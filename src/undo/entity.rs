//! The table `change_undo`, and what is asked of changes before they are undone.

use std::collections::HashMap;

use chrono::{DateTime, Utc};

use crate::{
    auth::{Identity, OrganisationName, read_name},
    change::{Source, identity_of},
    db::{
        ChangeId, Column, ConnectionTrait, Database, DbErr, EventId, FacilityId, OrganisationId,
        Query, Row, Table, Transaction,
    },
    milestone::entity::read_source,
};

/// Which change undid which.
pub const CHANGE_UNDO: Table = Table {
    name: "change_undo",
    columns: &[("change_id", Column::Big), ("undone_id", Column::Big)],
};

/// A change, as those may see it in whose name it was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeRow {
    /// Its row.
    pub id: ChangeId,
    /// When it was recorded.
    pub recorded_at: DateTime<Utc>,
    /// Who.
    pub identity: Identity,
    /// In whose name.
    pub organisation: Option<OrganisationName>,
    /// From where.
    pub source: Source,
    /// The mutation or command.
    pub operation: String,
    /// Why, in the writer's words.
    pub reason: Option<String>,
    /// The change that it undid.
    pub undoes: Option<ChangeId>,
    /// The last change that undid something of it.
    pub undone_by: Option<ChangeId>,
}

const SELECT: &str = "SELECT c.id, c.recorded_at, c.identity_kind, c.identity_id, o.id, o.name, c.source, c.operation, \
     c.reason, u.undone_id, (SELECT max(b.change_id) FROM change_undo b WHERE b.undone_id = c.id) \
     FROM change c LEFT JOIN organisation o ON o.id = c.organisation_id \
     LEFT JOIN change_undo u ON u.change_id = c.id WHERE ";

fn read(row: &mut Row<'_>) -> Result<ChangeRow, DbErr> {
    Ok(ChangeRow {
        id: row.take()?,
        recorded_at: row.take()?,
        identity: identity_of(row.take()?, row.take()?),
        organisation: read_name(row)?,
        source: read_source(row.take()?)?,
        operation: row.take()?,
        reason: row.take()?,
        undoes: row.take()?,
        undone_by: row.take()?,
    })
}

/// Some changes, whoever made them: the caller decides who may see them.
pub async fn find(
    database: &Database,
    connection: &impl ConnectionTrait,
    ids: &[i64],
) -> Result<Vec<ChangeRow>, DbErr> {
    let mut query = Query::new(format!("{SELECT}c.id"));
    query.bind_ids(database.backend(), ids.iter().copied());
    let rows = query.all(connection).await?;
    rows.iter().map(|row| read(&mut Row::new(row))).collect()
}

/// A page of the changes that were made in the name of these organisations, the latest first, before a row.
pub async fn list(
    database: &Database,
    organisations: &[OrganisationId],
    before: Option<i64>,
    most: u64,
) -> Result<Vec<ChangeRow>, DbErr> {
    if organisations.is_empty() {
        return Ok(Vec::new());
    }
    let mut query = Query::new(format!("{SELECT}c.organisation_id"));
    query.bind_ids(database.backend(), organisations.iter().map(|id| id.0));
    if let Some(before) = before {
        query.push(" AND c.id < ").bind(before);
    }
    query.push(" ORDER BY c.id DESC LIMIT ");
    query.bind(i64::try_from(most).unwrap_or(i64::MAX));
    let rows = query.all(database.read()).await?;
    rows.iter().map(|row| read(&mut Row::new(row))).collect()
}

/// How many facilities each of some changes touched.
pub async fn facility_counts(
    database: &Database,
    changes: &[i64],
) -> Result<HashMap<i64, i64>, DbErr> {
    let mut query = Query::new("SELECT t.change_id, count(*) FROM (");
    for (position, table) in ["facility_event", "wave_store"].into_iter().enumerate() {
        query.push(if position > 0 { " UNION " } else { "" });
        query.push(&format!(
            "SELECT change_id, facility_id FROM {table} WHERE change_id"
        ));
        query.bind_ids(database.backend(), changes.iter().copied());
    }
    query.push(") AS t GROUP BY t.change_id");
    let rows = query.all(database.read()).await?;
    rows.iter()
        .map(|row| {
            let mut row = Row::new(row);
            Ok((row.take()?, row.take()?))
        })
        .collect()
}

/// The facilities that a change touched, in the order in which it did; so many at most.
pub async fn touched(
    transaction: &Transaction,
    change: ChangeId,
    most: usize,
) -> Result<Vec<FacilityId>, DbErr> {
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let rows = Query::with(
        "SELECT facility_id FROM facility_event WHERE change_id = $1 GROUP BY facility_id ORDER BY min(id) LIMIT $2",
        [change.0.into(), most.into()],
    )
    .all(transaction)
    .await?;
    rows.iter().map(|row| Row::new(row).take()).collect()
}

/// What was recorded of a facility by a change, and what changed it last since.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Since {
    /// The events of the change, in their order.
    pub events: Vec<EventId>,
    /// The last change since, and when it was recorded.
    pub later: Option<(ChangeId, DateTime<Utc>)>,
}

/// What was recorded of facilities by a change and since. Their rows are locked, and changes of a locked facility have
/// numbers in the order in which they were made.
pub async fn since(
    database: &Database,
    transaction: &Transaction,
    facilities: &[FacilityId],
    change: ChangeId,
) -> Result<HashMap<FacilityId, Since>, DbErr> {
    let mut query = Query::new(
        "SELECT e.facility_id, e.id, e.change_id, c.recorded_at FROM facility_event e \
         JOIN change c ON c.id = e.change_id WHERE e.facility_id",
    );
    query
        .bind_ids(database.backend(), facilities.iter().map(|id| id.0))
        .push(" AND e.change_id >= ")
        .bind(change.0)
        .push(" ORDER BY e.facility_id, e.id");
    let mut all: HashMap<FacilityId, Since> = HashMap::new();
    for row in query.all(transaction).await? {
        let mut row = Row::new(&row);
        let since = all.entry(row.take()?).or_default();
        let (event, by): (EventId, ChangeId) = (row.take()?, row.take()?);
        if by == change {
            since.events.push(event);
        } else {
            since.later = Some((by, row.take()?));
        }
    }
    Ok(all)
}

/// The changes that undid a change, or something of it.
pub async fn undone_by(
    transaction: &Transaction,
    change: ChangeId,
) -> Result<Vec<ChangeId>, DbErr> {
    let rows = Query::with(
        "SELECT change_id FROM change_undo WHERE undone_id = $1",
        [change.0.into()],
    )
    .all(transaction)
    .await?;
    rows.iter().map(|row| Row::new(row).take()).collect()
}

/// Records that a change undid another.
pub async fn insert(
    transaction: &Transaction,
    change: ChangeId,
    undone: ChangeId,
) -> Result<(), DbErr> {
    let row = vec![change.0.into(), undone.0.into()];
    CHANGE_UNDO.insert(transaction, vec![row]).await
}
