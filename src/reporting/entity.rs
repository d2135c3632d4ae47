//! The table `reporting_confirmation`.

use std::collections::HashMap;

use chrono::{DateTime, NaiveDate, Utc};

use crate::{
    auth::{OrganisationName, read_name},
    change::Known,
    db::{
        Backend, ChangeId, Column, ConnectionTrait, Database, DbErr, OrganisationId, Query, Row,
        Table, Transaction,
    },
};

/// What vendors and chains confirmed.
pub const REPORTING_CONFIRMATION: Table = Table {
    name: "reporting_confirmation",
    columns: &[
        ("organisation_id", Column::Big),
        ("complete_to", Column::Date),
        ("change_id", Column::Big),
        ("taken_back_by", Column::Big),
    ],
};

/// Locks an organisation until the transaction ends, so that what it says comes one after the other, and reads up to
/// which day its records are complete.
pub async fn lock(
    database: &Database,
    transaction: &Transaction,
    organisation: OrganisationId,
) -> Result<Option<NaiveDate>, DbErr> {
    let lock = format!(
        "SELECT 1 FROM organisation WHERE id = $1{}",
        database.for_update()
    );
    Query::with(lock, [organisation.0.into()])
        .one(transaction)
        .await?;
    let found = in_force(transaction, &[organisation], Known::Now).await?;
    Ok(found.get(&organisation).copied())
}

/// Adds what an organisation says; no day says that nothing is complete.
pub async fn insert(
    transaction: &Transaction,
    organisation: OrganisationId,
    complete_to: Option<NaiveDate>,
    change: ChangeId,
) -> Result<(), DbErr> {
    let row = vec![
        organisation.0.into(),
        complete_to.into(),
        change.0.into(),
        None::<i64>.into(),
    ];
    REPORTING_CONFIRMATION.insert(transaction, vec![row]).await
}

/// Up to which day the records of organisations are complete, as it was known; those that never said so are left out.
pub async fn in_force(
    connection: &impl ConnectionTrait,
    organisations: &[OrganisationId],
    known: Known,
) -> Result<HashMap<OrganisationId, NaiveDate>, DbErr> {
    if organisations.is_empty() {
        return Ok(HashMap::new());
    }
    // An organisation speaks once at a time, so that the last of its rows is also the last that was numbered.
    let mut query = Query::new(
        "SELECT o.id, (SELECT r.complete_to FROM reporting_confirmation r WHERE r.organisation_id = o.id",
    );
    match known {
        Known::Now => {
            query.push(" AND r.taken_back_by IS NULL");
        }
        Known::UpTo { seq, .. } => {
            query
                .push(" AND EXISTS (SELECT 1 FROM change c WHERE c.id = r.change_id AND c.seq <= ");
            query.bind(seq);
            query.push(") AND NOT EXISTS (SELECT 1 FROM change c WHERE c.id = r.taken_back_by AND c.seq <= ");
            query.bind(seq).push(")");
        }
    }
    query.push(" ORDER BY r.id DESC LIMIT 1) FROM organisation o WHERE o.id");
    let backend = Backend::of(connection);
    query.bind_ids(backend, organisations.iter().map(|id| id.0));
    let mut found = HashMap::new();
    for row in query.all(connection).await? {
        let mut row = Row::new(&row);
        let id = OrganisationId(row.take()?);
        if let Some(day) = row.take()? {
            found.insert(id, day);
        }
    }
    Ok(found)
}

/// What a change confirmed no longer holds: what was said before it, or has been said since, does.
pub async fn take_back(
    transaction: &Transaction,
    confirmed_by: ChangeId,
    by: ChangeId,
) -> Result<(), DbErr> {
    Query::with(
        "UPDATE reporting_confirmation SET taken_back_by = $2 WHERE change_id = $1 AND taken_back_by IS NULL",
        [confirmed_by.0.into(), by.0.into()],
    )
    .execute(transaction)
    .await?;
    Ok(())
}

/// Something that an organisation said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confirmation {
    /// Its row.
    pub id: i64,
    /// Who.
    pub organisation: OrganisationName,
    /// Up to which day its records are complete; `None` where it took everything back.
    pub complete_to: Option<NaiveDate>,
    /// When.
    pub recorded_at: DateTime<Utc>,
    /// Why, in the words of whoever said it.
    pub reason: Option<String>,
    /// By which change.
    pub change: ChangeId,
    /// The change that took it back.
    pub taken_back_by: Option<ChangeId>,
}

/// A page of what organisations said, the latest first, before a row; of everybody if none are named.
pub async fn list(
    database: &Database,
    organisations: Option<&[OrganisationId]>,
    before: Option<i64>,
    most: u64,
) -> Result<Vec<Confirmation>, DbErr> {
    let mut query = Query::new(
        "SELECT r.id, o.id, o.name, r.complete_to, c.recorded_at, c.reason, c.id, r.taken_back_by FROM reporting_confirmation r \
         JOIN organisation o ON o.id = r.organisation_id JOIN change c ON c.id = r.change_id WHERE r.id < ",
    );
    query.bind(before.unwrap_or(i64::MAX));
    if let Some(organisations) = organisations {
        query.push(" AND r.organisation_id");
        query.bind_ids(database.backend(), organisations.iter().map(|id| id.0));
    }
    query.push(" ORDER BY r.id DESC LIMIT ");
    query.bind(i64::try_from(most).unwrap_or(i64::MAX));
    let rows = query.all(database.read()).await?;
    rows.iter()
        .map(|row| {
            let mut row = Row::new(row);
            let id = row.take()?;
            let organisation = read_name(&mut row)?
                .ok_or_else(|| DbErr::Type("a confirmation of nobody".to_owned()))?;
            Ok(Confirmation {
                id,
                organisation,
                complete_to: row.take()?,
                recorded_at: row.take()?,
                reason: row.take()?,
                change: row.take()?,
                taken_back_by: row.take()?,
            })
        })
        .collect()
}
