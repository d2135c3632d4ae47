//! Loads the names of organisations, many in one statement.

use std::{collections::HashMap, sync::Arc};

use async_graphql::dataloader::Loader;

use crate::{
    auth::{OrganisationName, entity::names},
    db::{Database, DbErr, OrganisationId},
};

/// Loads from the pool.
pub struct OrganisationNames(pub Database);

impl Loader<OrganisationId> for OrganisationNames {
    type Value = OrganisationName;
    type Error = Arc<DbErr>;

    async fn load(
        &self,
        ids: &[OrganisationId],
    ) -> Result<HashMap<OrganisationId, OrganisationName>, Self::Error> {
        names::load(&self.0, ids).await.map_err(Arc::new)
    }
}
