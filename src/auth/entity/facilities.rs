//! What the accounts need to know of facilities: which one a code names, and how it is called.

use sea_orm::{ConnectionTrait, DbErr};

use crate::db::{Database, FacilityId, Query, Row};

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
    /// Its postal code; empty if not known.
    pub postal_code: String,
    /// Its address, prefecture first; empty if not known.
    pub address: String,
}

const COLUMNS: &str = "f.id, s.code, f.name, f.name_kana, f.postal_code, f.address";

fn read(row: &sea_orm::QueryResult) -> Result<LetterFacility, DbErr> {
    let mut row = Row::new(row);
    Ok(LetterFacility {
        id: row.take()?,
        code: row.take()?,
        name: row.take()?,
        name_kana: row.take()?,
        postal_code: row.take()?,
        address: row.take()?,
    })
}

/// The facility that has or had this code.
pub async fn facility_by_code(
    connection: &impl ConnectionTrait,
    code: &str,
) -> Result<Option<LetterFacility>, DbErr> {
    Query::with(
        format!(
            "SELECT {COLUMNS} FROM facility_code c
             JOIN facility f ON f.id = c.facility_id
             JOIN facility_state s ON s.facility_id = f.id
             WHERE c.code = $1"
        ),
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
    db: &Database,
    connection: &impl ConnectionTrait,
    ids: &[FacilityId],
) -> Result<Vec<LetterFacility>, DbErr> {
    let mut query = Query::new(format!(
        "SELECT {COLUMNS} FROM facility f
         JOIN facility_state s ON s.facility_id = f.id WHERE f.id"
    ));
    query.bind_ids(db.backend(), ids.iter().map(|id| id.0));
    query.push(" ORDER BY f.id");
    query.all(connection).await?.iter().map(read).collect()
}
