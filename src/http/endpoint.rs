//! One way from a request's parameters to its answer, whichever door it came through: read the document, choose the
//! operation, ask the gate, check and price the variables, execute within the time limit, and settle the errors.

use std::{
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use actix_web::http::StatusCode;
use async_graphql::{
    Executor, Request, Response, ServerError, Value, indexmap::IndexMap,
    parser::types::OperationType,
};
use futures_util::{FutureExt, Stream, StreamExt};

use super::{
    answer::{self, Settled},
    client::{RequestIds, TrustedProxies},
    gate::{Gate, coded},
    incoming::Parameters,
    metrics::{self, Ended, OpenSubscription},
    websocket::SocketSettings,
};
use crate::api::request::{CheckedDocument, Checker, Cost};

/// What an operator may set.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The longest body, in bytes.
    pub body_bytes: usize,
    /// How long a body may take to arrive.
    pub body_time: Duration,
    /// How long a query or mutation may run.
    pub execution_time: Duration,
    /// Requests in one body; 0 refuses arrays.
    pub batch: usize,
    /// Whose word on the client's address we take.
    pub proxies: TrustedProxies,
    /// The web socket.
    pub socket: SocketSettings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            body_bytes: 10 * 1024 * 1024,
            body_time: Duration::from_secs(15),
            execution_time: Duration::from_secs(10),
            batch: 0,
            proxies: TrustedProxies::default(),
            socket: SocketSettings::default(),
        }
    }
}

/// A schema behind its gate and its limits.
pub struct Endpoint<E, G> {
    executor: E,
    /// Who is let in.
    pub(super) gate: G,
    checker: Checker,
    /// What the operator has set.
    pub(super) settings: Settings,
    /// Ids for requests that bring none.
    pub(super) ids: RequestIds,
}

/// A request that may run.
pub(super) struct Ready {
    request: Request,
    kind: OperationType,
    cost: Cost,
    document: Arc<CheckedDocument>,
    operation: Option<String>,
}

impl Ready {
    pub(super) fn kind(&self) -> OperationType {
        self.kind
    }
}

/// A request that may not run.
#[derive(Debug)]
pub(super) struct Rejection {
    /// All that is wrong with it, each with a code.
    pub(super) errors: Vec<ServerError>,
    /// `None` leaves the status to the media type.
    pub(super) status: Option<StatusCode>,
}

impl<T: Into<ServerError>> From<Vec<T>> for Rejection {
    fn from(errors: Vec<T>) -> Self {
        Self {
            errors: errors.into_iter().map(Into::into).collect(),
            status: None,
        }
    }
}

/// What a door lets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Door {
    /// Queries only.
    Get,
    /// Queries and mutations.
    Post,
    /// Everything.
    Socket,
}

impl Door {
    fn check(self, kind: OperationType) -> Result<(), Rejection> {
        match (self, kind) {
            (Self::Get, OperationType::Mutation) => Err(Rejection {
                errors: vec![coded("a mutation is sent by POST", "METHOD_NOT_ALLOWED")],
                status: Some(StatusCode::METHOD_NOT_ALLOWED),
            }),
            (Self::Get | Self::Post, OperationType::Subscription) => Err(Rejection {
                errors: vec![coded(
                    "subscriptions are served on the web socket (graphql-transport-ws)",
                    "SUBSCRIPTION_NEEDS_SOCKET",
                )],
                status: Some(StatusCode::BAD_REQUEST),
            }),
            _ => Ok(()),
        }
    }
}

impl<E: Executor, G: Gate> Endpoint<E, G> {
    /// `checker` has read the schema that `executor` executes.
    pub fn new(
        executor: E,
        gate: G,
        checker: Checker,
        settings: Settings,
        ids: RequestIds,
    ) -> Self {
        Self {
            executor,
            gate,
            checker,
            settings,
            ids,
        }
    }

    /// Checks a request down to its variables and makes it executable.
    pub(super) fn ready(
        &self,
        caller: &G::Caller,
        parameters: Parameters,
        door: Door,
    ) -> Result<Ready, Rejection> {
        let document = self.checker.read(&parameters.query)?;
        let plan = document
            .operation(parameters.operation_name.as_deref())
            .map_err(|error| vec![error])?;
        door.check(plan.kind())?;
        self.gate
            .allow(caller, plan.kind(), plan.root_fields())
            .map_err(|refusal| Rejection {
                status: Some(refusal.status),
                errors: vec![refusal.into()],
            })?;
        let mut variables = parameters.variables;
        let cost = self.checker.admit(&document, plan, &mut variables)?;
        let executable = self.checker.executable(&document, plan, &variables);
        let (kind, operation) = (plan.kind(), plan.name().map(ToOwned::to_owned));
        let mut request = Request::new(parameters.query).variables(variables);
        request.operation_name.clone_from(&operation);
        request.extensions = parameters.extensions;
        request.set_parsed_query(executable);
        Ok(Ready {
            request: self.gate.prepare(caller, request),
            kind,
            cost,
            document,
            operation,
        })
    }

    /// Runs a query or mutation.
    pub(super) async fn run(&self, ready: Ready, request_id: &str, show_cost: bool) -> Settled {
        let Ready {
            request,
            cost,
            document,
            operation,
            kind,
        } = ready;
        let started = Instant::now();
        let count = |ended| metrics::executed(kind, ended, started.elapsed());
        let execution = AssertUnwindSafe(self.executor.execute(request)).catch_unwind();
        match tokio::time::timeout(self.settings.execution_time, execution).await {
            Ok(Ok(mut response)) => {
                count(Ended::Answered);
                self.checker
                    .complete(&document, operation.as_deref(), &mut response);
                if show_cost {
                    add_cost(&mut response, cost);
                }
                answer::settle(response, request_id)
            }
            Ok(Err(_panic)) => {
                count(Ended::Panicked);
                tracing::error!(request_id, "a resolver panicked");
                answer::broken_off(answer::internal(request_id))
            }
            Err(_elapsed) => {
                count(Ended::TimedOut);
                tracing::warn!(request_id, "a request ran out of time");
                answer::broken_off(coded("the request ran out of time", "TIMEOUT"))
            }
        }
    }

    /// Runs a subscription.
    pub(super) fn stream(
        self: &Arc<Self>,
        ready: Ready,
        request_id: String,
    ) -> impl Stream<Item = Settled> + Send + 'static {
        let Ready {
            request,
            document,
            operation,
            ..
        } = ready;
        let endpoint = Arc::clone(self);
        let open = OpenSubscription::begin();
        let stream = self.executor.execute_stream(request, None);
        AssertUnwindSafe(stream)
            .catch_unwind()
            .inspect(move |_| {
                // The count goes down when the stream is dropped.
                let _held = &open;
            })
            .map(move |event| match event {
                Ok(mut response) => {
                    endpoint
                        .checker
                        .complete(&document, operation.as_deref(), &mut response);
                    answer::settle(response, &request_id)
                }
                Err(_panic) => {
                    tracing::error!(request_id, "a subscription panicked");
                    answer::broken_off(answer::internal(&request_id))
                }
            })
    }
}

fn add_cost(response: &mut Response, cost: Cost) {
    let mut shown = IndexMap::with_capacity(3);
    for (name, value) in [
        ("depth", cost.depth),
        ("fields", cost.fields),
        ("complexity", cost.complexity),
    ] {
        shown.insert(async_graphql::Name::new(name), Value::from(value));
    }
    response
        .extensions
        .insert("cost".to_owned(), Value::Object(shown));
}
