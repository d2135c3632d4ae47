//! Counted attempts, shared by all processes. An attempt is counted before it is made, in one statement,
//! so that many at once can't all pass before the first is counted.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr};

use crate::db::{Query, Row, delete_in_batches};

/// What a bucket holds after an attempt was counted in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    /// Attempts in this window, this one included.
    pub attempts: i32,
    /// When the window ends and counting begins anew.
    pub window_ends_at: DateTime<Utc>,
}

/// Counts an attempt in a bucket.
pub async fn count_attempt(
    connection: &impl ConnectionTrait,
    bucket: &str,
    now: DateTime<Utc>,
    window_ends_at: DateTime<Utc>,
) -> Result<Counted, DbErr> {
    let row = Query::with(
        "INSERT INTO login_throttle (bucket, attempts, window_ends_at) VALUES ($1, 1, $2)
         ON CONFLICT (bucket) DO UPDATE SET
             attempts = CASE WHEN login_throttle.window_ends_at <= $3
                 THEN 1 ELSE login_throttle.attempts + 1 END,
             window_ends_at = CASE WHEN login_throttle.window_ends_at <= $3
                 THEN $2 ELSE login_throttle.window_ends_at END
         RETURNING attempts, window_ends_at",
        [bucket.into(), window_ends_at.into(), now.into()],
    )
    .one(connection)
    .await?
    .ok_or_else(|| DbErr::RecordNotFound("a counted attempt".to_owned()))?;
    let mut row = Row::new(&row);
    Ok(Counted {
        attempts: row.take()?,
        window_ends_at: row.take()?,
    })
}

/// Takes back one attempt: it was no guess after all.
pub async fn forgive_attempt(connection: &impl ConnectionTrait, bucket: &str) -> Result<(), DbErr> {
    Query::with(
        "UPDATE login_throttle SET attempts = attempts - 1 WHERE bucket = $1 AND attempts > 0",
        [bucket.into()],
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Begins to count anew: the account's owner has come in.
pub async fn reset(connection: &impl ConnectionTrait, bucket: &str) -> Result<(), DbErr> {
    Query::with(
        "DELETE FROM login_throttle WHERE bucket = $1",
        [bucket.into()],
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Deletes the windows that are over, unless another begins just then in the same bucket.
pub async fn delete_past(
    connection: &impl ConnectionTrait,
    now: DateTime<Utc>,
) -> Result<u64, DbErr> {
    delete_in_batches(
        connection,
        "DELETE FROM login_throttle WHERE window_ends_at <= $1 AND bucket IN
             (SELECT bucket FROM login_throttle WHERE window_ends_at <= $1 LIMIT $2)",
        now,
    )
    .await
}
