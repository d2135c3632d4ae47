//! The table `sheet_chunk`: the bytes of files, some at a time.

use crate::{
    db::{ConnectionTrait, DbErr, Query, Row, Transaction},
    sheet::SheetId,
};

/// How many bytes stand in a row.
pub const CHUNK_BYTES: usize = 256 * 1024;

/// Adds the bytes that come next.
pub async fn insert_chunk(
    transaction: &Transaction,
    sheet: SheetId,
    position: i32,
    content: Vec<u8>,
) -> Result<(), DbErr> {
    Query::with(
        "INSERT INTO sheet_chunk (sheet_id, position, content) VALUES ($1, $2, $3)",
        [sheet.0.into(), position.into(), content.into()],
    )
    .execute(transaction)
    .await?;
    Ok(())
}

/// The bytes at a position; `None` after the last.
pub async fn content(
    connection: &impl ConnectionTrait,
    sheet: SheetId,
    position: i32,
) -> Result<Option<Vec<u8>>, DbErr> {
    let row = Query::with(
        "SELECT content FROM sheet_chunk WHERE sheet_id = $1 AND position = $2",
        [sheet.0.into(), position.into()],
    )
    .one(connection)
    .await?;
    row.map(|row| Row::new(&row).take()).transpose()
}
