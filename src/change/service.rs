//! Recording changes, numbering them, and resolving `knownAt`.

use chrono::{DateTime, TimeDelta, Utc};

use serde::{Serialize, de::DeserializeOwned};

use super::{
    Earlier, IdempotencyKey, Known, Source,
    entity::{self, ChangeRow, Horizon},
};
use crate::{
    app::Clock,
    auth::Actor,
    db::{ChangeId, Database, DbErr, OrganisationId, Transaction},
};

/// Why an instant can't be resolved.
#[derive(Debug, thiserror::Error)]
pub enum KnownAtError {
    /// It lies in the future: what will be known then is not settled.
    #[error("the instant is not settled yet")]
    NotSettled,
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DbErr),
}

/// Who writes, from where and why: handed to every use case that writes.
#[derive(Clone, Debug)]
pub struct Writer<'a> {
    /// The database.
    pub database: &'a Database,
    /// The clock.
    pub clock: &'a Clock,
    /// Who.
    pub actor: &'a Actor,
    /// From where.
    pub source: Source,
    /// The request.
    pub request_id: Option<String>,
    /// Why, in the writer's words.
    pub reason: Option<String>,
    /// Check everything and answer the same, but change nothing.
    pub dry_run: bool,
    /// Under which a repeated request has one effect.
    pub key: Option<IdempotencyKey>,
}

/// Why a write could not be answered at all.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The idempotency key was used for another request.
    #[error("the idempotency key was used for a request with other content")]
    KeyReused,
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DbErr),
}

impl Writer<'_> {
    /// Ends a write that succeeded: commits it with its outcome, or, if the request was done before under
    /// the same key, undoes it and answers as the first time.
    pub async fn finish<T: Serialize + DeserializeOwned>(
        &self,
        transaction: Transaction,
        outcome: T,
    ) -> Result<T, WriteError> {
        if let Some(key) = &self.key
            && !key.store(&transaction, &outcome, self.clock.now()).await?
        {
            transaction.rollback().await?;
            return self.first_outcome().await;
        }
        transaction.commit().await?;
        Ok(outcome)
    }

    /// Ends a write that was refused or was only tried. A refusal is an outcome too: a repeated request
    /// gets it again, unless the first one did better.
    pub async fn refuse<T: Serialize + DeserializeOwned>(
        &self,
        transaction: Transaction,
        outcome: T,
    ) -> Result<T, WriteError> {
        if self.dry_run {
            return self.leave_nothing(transaction, outcome).await;
        }
        transaction.rollback().await?;
        let Some(key) = &self.key else {
            return Ok(outcome);
        };
        let stored = key
            .store(self.database.write(), &outcome, self.clock.now())
            .await?;
        if stored {
            Ok(outcome)
        } else {
            self.first_outcome().await
        }
    }

    /// Ends a write of which not even the outcome is kept: it was only tried, or is refused only for now. A key that
    /// was used before counts all the same.
    pub async fn leave_nothing<T: DeserializeOwned>(
        &self,
        transaction: Transaction,
        outcome: T,
    ) -> Result<T, WriteError> {
        transaction.rollback().await?;
        Ok(self.earlier().await?.unwrap_or(outcome))
    }

    /// The outcome under a key that was found taken.
    async fn first_outcome<T: DeserializeOwned>(&self) -> Result<T, WriteError> {
        self.earlier().await?.ok_or(WriteError::KeyReused)
    }

    async fn earlier<T: DeserializeOwned>(&self) -> Result<Option<T>, WriteError> {
        let Some(key) = &self.key else {
            return Ok(None);
        };
        match key.earlier(self.database.write()).await? {
            Some(Earlier::Same(outcome)) => Ok(Some(outcome)),
            Some(Earlier::Other) => Err(WriteError::KeyReused),
            None => Ok(None),
        }
    }
}

/// Leaves the change row of a transaction, in the name of an organisation, after its locks are taken and before its
/// writes.
pub async fn record(
    transaction: &Transaction,
    writer: &Writer<'_>,
    organisation: Option<OrganisationId>,
    operation: &'static str,
) -> Result<ChangeId, DbErr> {
    entity::insert(
        transaction,
        ChangeRow {
            recorded_at: writer.clock.now(),
            identity: writer.actor.identity.clone(),
            organisation,
            source: writer.source,
            operation,
            request_id: writer.request_id.clone(),
            reason: writer.reason.clone(),
        },
    )
    .await
}

/// Most changes numbered in one transaction: it must end long before a statement may run no longer.
const NUMBERED_AT_ONCE: i64 = 10_000;

/// Numbers what is committed and not numbered yet. Any process may call it at any time; others wait until
/// the one that is at it is done. Answers how many changes got a number.
pub async fn settle(database: &Database, clock: &Clock) -> Result<i64, DbErr> {
    if !entity::has_unsettled(database.read()).await? {
        return Ok(0);
    }
    let mut numbered = 0;
    loop {
        let transaction = database.begin().await?;
        let horizon = entity::horizon_locked(database, &transaction).await?;
        let some = number(transaction, clock, &horizon).await?;
        numbered += some;
        if some < NUMBERED_AT_ONCE {
            return Ok(numbered);
        }
    }
}

/// Resolves the instant of a `knownAt` to a settled number, numbering first if the instant is recent.
pub async fn resolve_known_at(
    database: &Database,
    clock: &Clock,
    at: Option<DateTime<Utc>>,
) -> Result<Known, KnownAtError> {
    let Some(at) = at else {
        return Ok(Known::Now);
    };
    if at >= clock.now() {
        return Err(KnownAtError::NotSettled);
    }
    // Before anything was settled, and perhaps beyond what a database can tell of time.
    if at < DateTime::UNIX_EPOCH {
        return Ok(Known::UpTo { seq: 0, at });
    }
    if entity::horizon(database.read()).await?.settled_until <= at {
        pass(database, clock, at).await?;
    }
    let seq = entity::seq_at(database.read(), at).await?;
    Ok(Known::UpTo { seq, at })
}

/// Moves the horizon beyond an instant that is over. Of many readers who ask for one, the first moves it,
/// and the others find that it has passed.
async fn pass(database: &Database, clock: &Clock, at: DateTime<Utc>) -> Result<(), DbErr> {
    let transaction = database.begin().await?;
    let horizon = entity::horizon_locked(database, &transaction).await?;
    if horizon.settled_until > at {
        return transaction.rollback().await;
    }
    number(transaction, clock, &horizon).await.map(drop)
}

/// Numbers the next changes and moves the horizon to the instant that they get, which is later than all
/// before. So an instant that the horizon has passed never gets another change, even if more are left: they
/// get a later one.
async fn number(transaction: Transaction, clock: &Clock, horizon: &Horizon) -> Result<i64, DbErr> {
    let stamp = clock
        .now()
        .max(horizon.settled_until + TimeDelta::microseconds(1));
    let most = NUMBERED_AT_ONCE;
    let numbered = entity::number(&transaction, horizon.last_seq, stamp, most).await?;
    entity::advance(&transaction, horizon.last_seq + numbered, stamp).await?;
    transaction.commit().await?;
    Ok(numbered)
}
