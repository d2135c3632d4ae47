//! An organisation as other rows name it.

use crate::db::{DbErr, OrganisationId, Row};

/// An organisation's id and name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrganisationName {
    /// Its id.
    pub id: OrganisationId,
    /// Its name.
    pub name: String,
}

/// Reads id and name of an organisation that may not be there.
pub fn read_name(row: &mut Row<'_>) -> Result<Option<OrganisationName>, DbErr> {
    let (id, name): (Option<i64>, Option<String>) = (row.take()?, row.take()?);
    Ok(id.zip(name).map(|(id, name)| OrganisationName {
        id: OrganisationId(id),
        name,
    }))
}
