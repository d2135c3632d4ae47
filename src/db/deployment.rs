//! Facts about this deployment, in the table `deployment`: few, and read seldom.

use super::{ConnectionTrait, DbErr, Query, Row};

/// The table's name.
pub const TABLE: &str = "deployment";
/// Present while no mail may be sent: the database is a restored copy, and nobody has released it.
pub const SENDING_HELD: &str = "sending_held";

/// The value of a fact.
pub async fn get(connection: &impl ConnectionTrait, key: &str) -> Result<Option<String>, DbErr> {
    let row = Query::with("SELECT value FROM deployment WHERE key = $1", [key.into()])
        .one(connection)
        .await?;
    row.map(|row| Row::new(&row).take()).transpose()
}

/// States a fact.
pub async fn set(connection: &impl ConnectionTrait, key: &str, value: &str) -> Result<(), DbErr> {
    Query::with(
        "INSERT INTO deployment (key, value) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        [key.into(), value.into()],
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Takes a fact back. Answers whether it was stated.
pub async fn remove(connection: &impl ConnectionTrait, key: &str) -> Result<bool, DbErr> {
    let result = Query::with("DELETE FROM deployment WHERE key = $1", [key.into()])
        .execute(connection)
        .await?;
    Ok(result.rows_affected() > 0)
}

/// May no mail be sent?
pub async fn is_sending_held(connection: &impl ConnectionTrait) -> Result<bool, DbErr> {
    Ok(get(connection, SENDING_HELD).await?.is_some())
}
