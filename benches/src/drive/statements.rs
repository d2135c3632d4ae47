//! How many statements a request takes, counted by `pg_stat_statements`, which is switched on for that
//! alone. Neither side pipelines, so each statement is a round trip.

use std::time::Duration;

use sqlx::{PgPool, Row};

use super::{
    measure::Contender,
    world::Cluster,
    wrk::{self, float},
};
use crate::Failure;

/// Statements for a request, less what the server does by itself meanwhile; `None` where
/// `pg_stat_statements` isn't preloaded.
///
/// # Errors
/// The cluster or the requests fail.
pub async fn count(
    cluster: &Cluster,
    pool: &PgPool,
    side: &Contender<'_>,
) -> Result<Option<f64>, Failure> {
    let preloaded = sqlx::query("SHOW shared_preload_libraries")
        .fetch_one(pool)
        .await?;
    if !preloaded
        .try_get::<String, _>(0)?
        .contains("pg_stat_statements")
    {
        return Ok(None);
    }
    sqlx::query("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
        .execute(pool)
        .await?;
    switch(cluster, "top").await?;
    let time = Duration::from_secs(2);
    reset(pool).await?;
    std::thread::sleep(time);
    let idle = calls(pool).await?;
    reset(pool).await?;
    let seen = wrk::run(side.server.address, side.requests, 1, time)?;
    let busy = calls(pool).await?;
    switch(cluster, "none").await?;
    Ok(Some(
        float(busy.saturating_sub(idle)) / float(seen.requests),
    ))
}

async fn switch(cluster: &Cluster, track: &str) -> Result<(), Failure> {
    cluster
        .tell(format!(
            "ALTER SYSTEM SET pg_stat_statements.track = '{track}'"
        ))
        .await?;
    cluster.tell("SELECT pg_reload_conf()".to_owned()).await?;
    std::thread::sleep(Duration::from_millis(200));
    Ok(())
}

async fn reset(pool: &PgPool) -> Result<(), Failure> {
    sqlx::query("SELECT pg_stat_statements_reset()")
        .execute(pool)
        .await?;
    Ok(())
}

async fn calls(pool: &PgPool) -> Result<u64, Failure> {
    let row = sqlx::query(
        "SELECT coalesce(sum(calls), 0)::bigint FROM pg_stat_statements s \
         JOIN pg_database d ON d.oid = s.dbid WHERE d.datname = current_database()",
    )
    .fetch_one(pool)
    .await?;
    Ok(u64::try_from(row.try_get::<i64, _>(0)?)?)
}
