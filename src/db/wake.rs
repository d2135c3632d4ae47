//! Waking other processes. PostgreSQL carries a bell between processes (`NOTIFY`); it is rung on its own,
//! after a commit and never inside a writer's transaction, where it would hold a global lock. It carries
//! no data and may be lost: everyone who listens also looks for news now and then. SQLite has no bell.

use std::{sync::Arc, time::Duration};

use sea_orm::{DbErr, sqlx::postgres::PgListener};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{Backend, Database, Query};

const CHANNEL: &str = "kaitsu_changes";
/// How long to wait before listening again where listening failed.
const PAUSE: Duration = Duration::from_secs(1);

/// Rings for every process that listens.
pub async fn ring(database: &Database) -> Result<(), DbErr> {
    if database.backend() == Backend::Postgres {
        Query::with("SELECT pg_notify($1, '')", [CHANNEL.into()])
            .execute(database.write())
            .await?;
    }
    Ok(())
}

/// Passes on every ring to a bell of this process until it is stopped, over one connection of the pool
/// that is renewed when it breaks.
pub async fn listen(database: &Database, bell: &Arc<Notify>, stop: &CancellationToken) {
    if database.backend() == Backend::Sqlite {
        return;
    }
    let mut failed_before = false;
    while !stop.is_cancelled() {
        tokio::select! {
            () = stop.cancelled() => return,
            error = listen_once(database, bell) => {
                if !failed_before {
                    tracing::warn!(%error, "can't be woken by other processes; looking now and then");
                }
                failed_before = true;
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
}

/// Listens until it fails.
async fn listen_once(database: &Database, bell: &Arc<Notify>) -> sea_orm::sqlx::Error {
    let pool = database.pool().get_postgres_connection_pool();
    let waiting = database.wait();
    let mut listener = match PgListener::connect_with(pool).await {
        Ok(listener) => listener,
        Err(error) => return error,
    };
    drop(waiting);
    if let Err(error) = listener.listen(CHANNEL).await {
        return error;
    }
    loop {
        // `None` means that the connection broke and was renewed: something may have been missed.
        match listener.try_recv().await {
            Ok(_) => bell.notify_one(),
            Err(error) => return error,
        }
    }
}
