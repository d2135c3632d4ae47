//! The table `job_lease`.

use chrono::{DateTime, Utc};

use crate::db::{ConnectionTrait, DbErr, Query};

/// Takes a lease until an instant, if nobody has one now and the job did not run since `ran_before`.
pub async fn lease(
    connection: &impl ConnectionTrait,
    name: &str,
    holder: &str,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
    ran_before: DateTime<Utc>,
) -> Result<bool, DbErr> {
    let row = Query::with(
        "INSERT INTO job_lease (name, holder, until) VALUES ($1, $2, $3) ON CONFLICT (name) DO UPDATE \
         SET holder = excluded.holder, until = excluded.until WHERE job_lease.until <= $4 \
         AND (job_lease.last_run_at IS NULL OR job_lease.last_run_at <= $5) RETURNING name",
        [
            name.into(),
            holder.into(),
            until.into(),
            now.into(),
            ran_before.into(),
        ],
    )
    .one(connection)
    .await?;
    Ok(row.is_some())
}

/// Gives a lease back with what came of it, unless another process has it by now.
pub async fn release(
    connection: &impl ConnectionTrait,
    name: &str,
    holder: &str,
    now: DateTime<Utc>,
    outcome: &str,
) -> Result<(), DbErr> {
    Query::with(
        "UPDATE job_lease SET until = $3, last_run_at = $3, last_outcome = $4 WHERE name = $1 AND holder = $2",
        [name.into(), holder.into(), now.into(), outcome.into()],
    )
    .execute(connection)
    .await?;
    Ok(())
}
