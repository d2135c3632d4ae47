//! Loads the names of organisations, many in one statement.

use std::{collections::HashMap, sync::Arc};

use async_graphql::dataloader::Loader;

use super::OrganisationName;
use crate::db::{Database, DbErr, OrganisationId, Query, Row};

/// Loads from the pool.
pub struct Names(pub Database);

impl Loader<OrganisationId> for Names {
    type Value = OrganisationName;
    type Error = Arc<DbErr>;

    async fn load(
        &self,
        ids: &[OrganisationId],
    ) -> Result<HashMap<OrganisationId, OrganisationName>, Self::Error> {
        load(&self.0, ids).await.map_err(Arc::new)
    }
}

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

async fn load(
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
