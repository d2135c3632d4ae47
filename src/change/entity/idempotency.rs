//! Writes that are repeated under their key. The outcome is kept in the transaction of the write, so that
//! a repeated request has one effect and gets the first answer; a refused write keeps its outcome too.

use chrono::{DateTime, Utc};
use serde::{Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};

use crate::{
    auth::Identity,
    db::{ConnectionTrait, Database, DbErr, Query, Row, delete_in_batches, is_unique_violation},
};

/// Outcomes are kept this long; a key may be used again afterwards.
pub const KEPT_DAYS: i64 = 30;

/// The key of a write, with a fingerprint of its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey {
    caller: String,
    key: String,
    request_hash: Vec<u8>,
}

/// What is stored under a key.
#[derive(Debug, PartialEq, Eq)]
pub enum Earlier<T> {
    /// The first outcome of the same request.
    Same(T),
    /// The key was used for another request.
    Other,
}

impl IdempotencyKey {
    /// The key a caller chose for a request, whose content is fingerprinted by its serialised form.
    pub fn new(
        identity: &Identity,
        key: &str,
        operation: &str,
        request: &impl Serialize,
    ) -> Result<Self, serde_json::Error> {
        let caller = match identity {
            Identity::Anonymous => "anonymous".to_owned(),
            Identity::User(user) => format!("user:{user}"),
            Identity::ServiceToken(token) => format!("token:{token}"),
            Identity::System => "system".to_owned(),
        };
        let mut hasher = Sha256::new();
        hasher.update(operation.as_bytes());
        hasher.update([0]);
        hasher.update(serde_json::to_vec(request)?);
        Ok(Self {
            caller,
            key: key.to_owned(),
            request_hash: hasher.finalize().to_vec(),
        })
    }

    /// Keeps an outcome. `false` if the key is taken, after which a transaction is of no more use.
    pub async fn store<T: Serialize>(
        &self,
        connection: &impl ConnectionTrait,
        outcome: &T,
        now: DateTime<Utc>,
    ) -> Result<bool, DbErr> {
        let outcome = serde_json::to_string(outcome).map_err(unreadable)?;
        let stored = Query::with(
            "INSERT INTO idempotency (caller, idempotency_key, request_hash, outcome, created_at) \
             VALUES ($1, $2, $3, $4, $5)",
            [
                self.caller.clone().into(),
                self.key.clone().into(),
                self.request_hash.clone().into(),
                outcome.into(),
                now.into(),
            ],
        )
        .execute(connection)
        .await;
        match stored {
            Ok(_) => Ok(true),
            Err(error) if is_unique_violation(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// What was stored under the key, if anything.
    pub async fn earlier<T: DeserializeOwned>(
        &self,
        connection: &impl ConnectionTrait,
    ) -> Result<Option<Earlier<T>>, DbErr> {
        let row = Query::with(
            "SELECT request_hash, outcome FROM idempotency WHERE caller = $1 AND idempotency_key = $2",
            [self.caller.clone().into(), self.key.clone().into()],
        )
        .one(connection)
        .await?;
        let Some(row) = row else {
            return Ok(None);
        };
        let mut row = Row::new(&row);
        let request_hash: Vec<u8> = row.take()?;
        if request_hash != self.request_hash {
            return Ok(Some(Earlier::Other));
        }
        let outcome: String = row.take()?;
        serde_json::from_str(&outcome)
            .map(|outcome| Some(Earlier::Same(outcome)))
            .map_err(unreadable)
    }
}

/// Forgets outcomes that were kept since before an instant. Answers how many.
pub async fn forget_outcomes(database: &Database, before: DateTime<Utc>) -> Result<u64, DbErr> {
    delete_in_batches(
        database.write(),
        "DELETE FROM idempotency WHERE (caller, idempotency_key) IN (SELECT caller, idempotency_key \
         FROM idempotency WHERE created_at < $1 LIMIT $2)",
        before,
    )
    .await
}

fn unreadable(error: serde_json::Error) -> DbErr {
    DbErr::Json(error.to_string())
}
