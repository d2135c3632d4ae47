//! How a facility's attributes stand in columns, for whoever reads a table that has them.

use super::{FacilityKind, Prefecture};
use crate::db::{DbErr, Row};

/// Reads a kind's code.
pub fn read_kind(row: &mut Row<'_>) -> Result<FacilityKind, DbErr> {
    let code: i16 = row.take()?;
    FacilityKind::from_code(code)
        .ok_or_else(|| DbErr::Type(format!("{code} is no kind of facility")))
}

/// Reads a prefecture's number.
pub fn read_prefecture(row: &mut Row<'_>) -> Result<Prefecture, DbErr> {
    let number: i16 = row.take()?;
    u8::try_from(number)
        .ok()
        .and_then(Prefecture::from_number)
        .ok_or_else(|| DbErr::Type(format!("{number} is no prefecture")))
}
