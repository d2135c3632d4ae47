//! What a resolver finds in its context: the services of the process, and who is asking.

use std::sync::Arc;

use async_graphql::{Context, InputObject};

use super::{ApiError, ApiResult};
use crate::{
    app::Services,
    auth::{Actor, ActorRefresh},
    change::{IdempotencyKey, Source, Writer},
    db::DbErr,
    milestone::Problem,
};

/// Who is asking, and in which request.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Who.
    pub actor: Actor,
    /// The request's id, for the log and the change.
    pub request_id: String,
}

/// Longest idempotency key, in characters.
const MOST_KEY: usize = 200;
/// Longest reason, in characters.
const MOST_REASON: usize = 1_000;

/// What every write takes beside its own input, in which these fields are written out (`#[graphql(flatten)]`).
#[derive(Clone, Debug, Default, InputObject)]
pub struct WriteOptions {
    /// Under which a repeated request has one effect.
    pub idempotency_key: Option<String>,
    /// Check everything and answer the same, but change nothing.
    #[graphql(default)]
    pub dry_run: bool,
    /// Why, kept with the change.
    pub reason: Option<String>,
}

impl WriteOptions {
    /// All that is wrong with them.
    fn problems(&self) -> Vec<Problem> {
        let bad_key = |key: &String| {
            !(1..=MOST_KEY).contains(&key.chars().count()) || key.chars().any(char::is_control)
        };
        let bad_reason = |reason: &String| {
            reason.chars().count() > MOST_REASON
                || reason.chars().any(|c| c.is_control() && c != '\n')
        };
        let mut problems = Vec::new();
        if self.idempotency_key.as_ref().is_some_and(bad_key) {
            problems.push(Problem::BadIdempotencyKey { most: MOST_KEY });
        }
        if self.reason.as_ref().is_some_and(bad_reason) {
            problems.push(Problem::BadReason { most: MOST_REASON });
        }
        problems
    }
}

/// The services of the process.
pub fn services<'a>(context: &Context<'a>) -> ApiResult<&'a Services> {
    context.data_opt().ok_or_else(missing)
}

/// Who is asking.
pub fn caller<'a>(context: &Context<'a>) -> ApiResult<&'a Caller> {
    context.data_opt().ok_or_else(missing)
}

/// By whom a long-lived request learns what its caller may do by now. The context of a subscription must
/// hold an `Arc<dyn ActorRefresh>`: without it nothing is handed out.
pub fn actor_refresh(context: &Context<'_>) -> ApiResult<Arc<dyn ActorRefresh>> {
    context
        .data_opt::<Arc<dyn ActorRefresh>>()
        .map(Arc::clone)
        .ok_or_else(missing)
}

/// The writer of a mutation.
pub fn writer<'a>(
    context: &Context<'a>,
    operation: &'static str,
    options: &WriteOptions,
    request: &impl serde::Serialize,
) -> ApiResult<Writer<'a>> {
    let services = services(context)?;
    let caller = caller(context)?;
    let problems = options.problems();
    if !problems.is_empty() {
        return Err(ApiError::Refused(problems));
    }
    let key = options
        .idempotency_key
        .as_ref()
        .map(|key| IdempotencyKey::new(&caller.actor.identity, key, operation, request))
        .transpose()
        .map_err(|_| missing())?;
    Ok(Writer {
        database: &services.database,
        clock: &services.clock,
        actor: &caller.actor,
        source: Source::Api,
        request_id: Some(caller.request_id.clone()),
        reason: options.reason.clone(),
        dry_run: options.dry_run,
        key,
    })
}

fn missing() -> ApiError {
    DbErr::Custom("the request carries no caller or services".to_owned()).into()
}
