//! The table of signing keys.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr, QueryResult};

use crate::db::{Query, Row};

/// One Ed25519 key as it is stored.
pub struct StoredKey {
    /// Its name in token headers and in the published set.
    pub kid: String,
    /// The 32 bytes of the seed.
    pub private_key: Vec<u8>,
    /// The 32 bytes that verify.
    pub public_key: Vec<u8>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// From when it signs.
    pub signs_from: DateTime<Utc>,
    /// Until when it verifies; unset while it has no successor.
    pub verifies_until: Option<DateTime<Utc>>,
}

impl std::fmt::Debug for StoredKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("StoredKey")
            .field("kid", &self.kid)
            .field("signs_from", &self.signs_from)
            .finish_non_exhaustive()
    }
}

/// The keys that still verify, newest first.
pub async fn usable_keys(
    connection: &impl ConnectionTrait,
    now: DateTime<Utc>,
) -> Result<Vec<StoredKey>, DbErr> {
    Query::with(
        "SELECT kid, private_key, public_key, created_at, signs_from, verifies_until
         FROM signing_key WHERE verifies_until IS NULL OR verifies_until > $1
         ORDER BY signs_from DESC, kid",
        [now.into()],
    )
    .all(connection)
    .await?
    .iter()
    .map(read_key)
    .collect()
}

fn read_key(row: &QueryResult) -> Result<StoredKey, DbErr> {
    let mut row = Row::new(row);
    Ok(StoredKey {
        kid: row.take()?,
        private_key: row.take()?,
        public_key: row.take()?,
        created_at: row.take()?,
        signs_from: row.take()?,
        verifies_until: row.take()?,
    })
}

/// Adds a key.
pub async fn insert_key(connection: &impl ConnectionTrait, key: &StoredKey) -> Result<(), DbErr> {
    Query::with(
        "INSERT INTO signing_key
             (kid, private_key, public_key, created_at, signs_from, verifies_until)
         VALUES ($1, $2, $3, $4, $5, $6)",
        [
            key.kid.clone().into(),
            key.private_key.clone().into(),
            key.public_key.clone().into(),
            key.created_at.into(),
            key.signs_from.into(),
            key.verifies_until.into(),
        ],
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Says until when the keys without a successor verify, now that they have one.
pub async fn retire_keys(
    connection: &impl ConnectionTrait,
    successor: &str,
    verify_until: DateTime<Utc>,
) -> Result<(), DbErr> {
    Query::with(
        "UPDATE signing_key SET verifies_until = $1 WHERE verifies_until IS NULL AND kid <> $2",
        [verify_until.into(), successor.into()],
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Ends all keys but one, those that had a successor already too.
pub async fn revoke_keys(
    connection: &impl ConnectionTrait,
    successor: &str,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    Query::with(
        "UPDATE signing_key SET verifies_until = $1
         WHERE kid <> $2 AND (verifies_until IS NULL OR verifies_until > $1)",
        [now.into(), successor.into()],
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Deletes the keys that no longer verify anything.
pub async fn delete_retired_keys(
    connection: &impl ConnectionTrait,
    now: DateTime<Utc>,
) -> Result<u64, DbErr> {
    Query::with(
        "DELETE FROM signing_key WHERE verifies_until <= $1",
        [now.into()],
    )
    .execute(connection)
    .await
    .map(|done| done.rows_affected())
}
