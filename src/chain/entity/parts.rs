//! The stores of the corporations and areas of chains.

use chrono::NaiveDate;

use crate::{
    auth::{Actor, OrganisationKind, Permission, Scope},
    db::{Backend, ConnectionTrait, DbErr, OrganisationId, Query, Row},
};

/// A part of a chain and its open stores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartCounts {
    /// Its organisation.
    pub organisation: OrganisationId,
    /// Its name.
    pub name: String,
    /// A corporation or an area.
    pub kind: OrganisationKind,
    /// Open stores.
    pub stores: i64,
    /// With a reader application in effect.
    pub applied: i64,
    /// Ready.
    pub ready: i64,
    /// Live.
    pub live: i64,
}

/// Some parts of a chain that the actor may know of, after one, in the order in which they were added: all, to those who
/// count the nation or belong to the chain, and one's own.
pub async fn parts(
    connection: &impl ConnectionTrait,
    actor: &Actor,
    chain: OrganisationId,
    today: NaiveDate,
    after: Option<i64>,
    most: u64,
) -> Result<Vec<PartCounts>, DbErr> {
    let backend = Backend::of(connection);
    let permission = Permission::FiguresRead;
    let whole = actor.scope(permission) == Scope::All || actor.may_in(chain, permission);
    let own = actor.organisations_with(permission);
    let mut query = Query::new(
        "SELECT o.id, o.name, o.kind, count(s.facility_id), count(s.reader_applied_on), count(s.ready_on), count(s.live_on) \
         FROM organisation o LEFT JOIN facility_state s ON CASE o.kind",
    );
    for (kind, column) in [
        (OrganisationKind::Corporation, "corporation_id"),
        (OrganisationKind::Area, "area_id"),
    ] {
        query.push(&format!(" WHEN {} THEN s.{column}", kind.code()));
    }
    // Told of the chain, whose stores an index finds.
    query
        .push(" END = o.id AND s.chain_id <> 0 AND s.chain_id = ")
        .bind(chain.0);
    query.push(" AND s.opened_on <= ").bind(today);
    query.push(" AND (s.closed_on IS NULL OR s.closed_on > ");
    query
        .bind(today)
        .push(") WHERE o.parent_id = ")
        .bind(chain.0);
    if !whole {
        query.push(" AND o.id");
        query.bind_ids(backend, own.iter().map(|id| id.0));
    }
    if let Some(after) = after {
        query.push(" AND o.id > ").bind(after);
    }
    query.push(" GROUP BY o.id, o.name, o.kind ORDER BY o.id LIMIT ");
    query.bind(i64::try_from(most).unwrap_or(i64::MAX));
    let rows = query.all(connection).await?;
    rows.iter()
        .map(|row| {
            let mut row = Row::new(row);
            let organisation = row.take()?;
            let name = row.take()?;
            let code: i16 = row.take()?;
            let kind = OrganisationKind::from_code(code)
                .ok_or_else(|| DbErr::Type(format!("{code} is no kind of organisation")))?;
            Ok(PartCounts {
                organisation,
                name,
                kind,
                stores: row.take()?,
                applied: row.take()?,
                ready: row.take()?,
                live: row.take()?,
            })
        })
        .collect()
}
