//! The names and kinds of organisations, many in one statement. Whoever names an organisation has read its id in a
//! row within a scope.

use std::collections::HashMap;

use super::kind_of;
use crate::{
    auth::{OrganisationKind, OrganisationName},
    db::{Backend, Database, DbErr, OrganisationId, Query, Row, Transaction},
};

/// The names of organisations by their ids.
pub async fn names(
    database: &Database,
    ids: &[OrganisationId],
) -> Result<HashMap<OrganisationId, String>, DbErr> {
    let found = load(database, ids).await?;
    Ok(found
        .into_iter()
        .map(|(id, found)| (id, found.name))
        .collect())
}

/// The organisations of these ids as other rows name them.
pub async fn load(
    database: &Database,
    ids: &[OrganisationId],
) -> Result<HashMap<OrganisationId, OrganisationName>, DbErr> {
    let mut query = Query::new("SELECT id, name FROM organisation WHERE id");
    query.bind_ids(database.backend(), ids.iter().map(|id| id.0));
    let rows = query.all(database.read()).await?;
    rows.iter()
        .map(|row| {
            let mut row = Row::new(row);
            let id = row.take()?;
            Ok((
                id,
                OrganisationName {
                    id,
                    name: row.take()?,
                },
            ))
        })
        .collect()
}

/// What an organisation is, and of which chain it is a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kinship {
    /// What it is.
    pub kind: OrganisationKind,
    /// The chain.
    pub parent: Option<OrganisationId>,
}

/// What organisations are; of ids that are none's, nothing.
pub async fn kinships(
    transaction: &Transaction,
    organisations: &[OrganisationId],
) -> Result<HashMap<OrganisationId, Kinship>, DbErr> {
    let mut query = Query::new("SELECT id, kind, parent_id FROM organisation WHERE id");
    query.bind_ids(
        Backend::of(transaction),
        organisations.iter().map(|id| id.0),
    );
    let rows = query.all(transaction).await?;
    rows.iter()
        .map(|row| {
            let mut row = Row::new(row);
            let id = row.take()?;
            let kind = kind_of(row.take()?)?;
            let parent = row.take()?;
            Ok((id, Kinship { kind, parent }))
        })
        .collect()
}
