//! What the accounts need to know of facilities: which one a code names, and how it is called.

use sea_orm::{ConnectionTrait, DbErr};

use crate::db::{FacilityId, Query, Row};

/// A facility as its letter names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LetterFacility {
    /// Its row.
    pub id: FacilityId,
    /// Its present institution code.
    pub code: String,
    /// Its name.
    pub name: String,
    /// Its name in kana.
    pub name_kana: String,
}

fn read(row: &sea_orm::QueryResult) -> Result<LetterFacility, DbErr> {
    let mut row = Row::new(row);
    Ok(LetterFacility {
        id: row.take()?,
        code: row.take()?,
        name: row.take()?,
        name_kana: row.take()?,
    })
}

/// The facility that has or had this code.
pub async fn facility_by_code(
    connection: &impl ConnectionTrait,
    code: &str,
) -> Result<Option<LetterFacility>, DbErr> {
    Query::with(
        "SELECT f.id, f.code, f.name, f.name_kana FROM facility_code c
         JOIN facility f ON f.id = c.facility_id WHERE c.code = $1",
        [code.into()],
    )
    .one(connection)
    .await?
    .as_ref()
    .map(read)
    .transpose()
}

/// The facilities of these ids, in the order of ids; unknown ids are left out. Letters go to any facility
/// of the registry, so this is only for those who export them.
pub async fn facilities_for_letters(
    connection: &impl ConnectionTrait,
    ids: &[FacilityId],
) -> Result<Vec<LetterFacility>, DbErr> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut query = Query::new("SELECT id, code, name, name_kana FROM facility WHERE id IN (");
    query.bind_all(ids.iter().copied());
    query.push(") ORDER BY id");
    query.all(connection).await?.iter().map(read).collect()
}
