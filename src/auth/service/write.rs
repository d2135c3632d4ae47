//! How the use cases end their transactions: with a change that says who, from where and why, and, where
//! a caller may repeat a request under its key, with the outcome kept beside it.

use sea_orm::DbErr;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{Failure, Origin, Problem};
use crate::{
    auth::{Actor, Identity},
    change::{self, ChangeRow, Source, Writer},
    db::{ChangeId, OrganisationId, Transaction},
};

/// What a repeatable write wrote. Only the key is kept for a repeated request, which reads the rest anew,
/// within the rights of that day; secrets are in the rest, and so are never kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(bound(serialize = "K: Serialize", deserialize = "K: DeserializeOwned"))]
pub struct Written<K, T> {
    /// What was written.
    pub key: K,
    /// As it was written just now; none for a repeated request.
    #[serde(skip)]
    pub fresh: Option<T>,
}

impl<K, T> Written<K, T> {
    pub(super) fn new(key: K, fresh: T) -> Self {
        Self {
            key,
            fresh: Some(fresh),
        }
    }
}

/// A write as the audit log names it.
pub(super) struct Audit {
    operation: &'static str,
    organisation: Option<OrganisationId>,
    reason: Option<String>,
}

impl Audit {
    pub(super) fn of(operation: &'static str) -> Self {
        Self {
            operation,
            organisation: None,
            reason: None,
        }
    }

    /// In whose name, or whose it is.
    pub(super) fn in_name_of(self, organisation: impl Into<Option<OrganisationId>>) -> Self {
        Self {
            organisation: organisation.into(),
            ..self
        }
    }

    /// What or whom it is about, and why.
    pub(super) fn about(self, reason: impl Into<String>) -> Self {
        Self {
            reason: Some(reason.into()),
            ..self
        }
    }
}

/// Leaves the change of a request.
pub(super) async fn record_change(
    transaction: &Transaction,
    actor: &Actor,
    origin: &Origin,
    audit: Audit,
    now: chrono::DateTime<chrono::Utc>,
) -> Result<ChangeId, DbErr> {
    let source = match actor.identity {
        Identity::System => Source::CommandLine,
        Identity::Anonymous | Identity::User(_) | Identity::ServiceToken(_) => Source::Api,
    };
    let row = ChangeRow {
        recorded_at: now,
        identity: actor.identity.clone(),
        organisation: audit.organisation,
        source,
        operation: audit.operation,
        request_id: origin.request_id.clone(),
        reason: audit.reason,
    };
    change::insert(transaction, row).await
}

/// Leaves the change of a repeatable write.
pub(super) async fn record_write(
    transaction: &Transaction,
    writer: &Writer<'_>,
    audit: Audit,
) -> Result<ChangeId, DbErr> {
    let row = ChangeRow {
        recorded_at: writer.clock.now(),
        identity: writer.actor.identity.clone(),
        organisation: audit.organisation,
        source: writer.source,
        operation: audit.operation,
        request_id: writer.request_id.clone(),
        reason: audit.reason.or_else(|| writer.reason.clone()),
    };
    change::insert(transaction, row).await
}

/// Ends a repeatable write: commits it, or undoes it if it was refused or only tried. What a request
/// under the same key was told first, it is told again, unless it was told to come back later.
pub(super) async fn conclude<T, R>(
    writer: &Writer<'_>,
    transaction: Transaction,
    outcome: Result<T, Failure<R>>,
) -> Result<T, Failure<R>>
where
    T: Serialize + DeserializeOwned,
    R: Serialize + DeserializeOwned + Clone + Into<Problem>,
{
    let told: Result<T, Vec<R>> = match outcome {
        Ok(done) if writer.dry_run => writer.refuse(transaction, Ok(done)).await?,
        Ok(done) => writer.finish(transaction, Ok(done)).await?,
        Err(Failure::Refused(reasons)) if reasons.iter().any(passes) => {
            writer.leave_nothing(transaction, Err(reasons)).await?
        }
        Err(Failure::Refused(reasons)) => writer.refuse(transaction, Err(reasons)).await?,
        Err(fault @ Failure::Fault(_)) => return Err(fault),
    };
    told.map_err(Failure::Refused)
}

/// Does a refusal pass by itself? Whoever waits as told must not be told it again.
fn passes<R: Clone + Into<Problem>>(reason: &R) -> bool {
    let problem: Problem = reason.clone().into();
    matches!(problem, Problem::Throttled(_) | Problem::Busy(_))
}
