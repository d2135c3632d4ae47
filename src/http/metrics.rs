//! What the doors count, and the page that shows all metrics of the process. Labels take few values:
//! routes are patterns, methods are a handful, and what a client may choose is no label.

use std::{sync::Arc, time::Duration};

use actix_web::{HttpResponse, http::Method, web};
use async_graphql::parser::types::OperationType;
use futures_util::future::BoxFuture;
use metrics::{
    Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};

const REQUESTS: &str = "kaitsu_http_requests_total";
const REQUEST_TIME: &str = "kaitsu_http_request_seconds";
const IN_FLIGHT: &str = "kaitsu_http_requests_in_flight";
const OPERATIONS: &str = "kaitsu_graphql_operations_total";
const OPERATION_TIME: &str = "kaitsu_graphql_operation_seconds";
const SUBSCRIPTIONS: &str = "kaitsu_subscriptions_open";

/// Describes the metrics of the doors.
pub fn describe_metrics() {
    describe_counter!(REQUESTS, "Requests answered, by route, method and status");
    describe_histogram!(
        REQUEST_TIME,
        Unit::Seconds,
        "Time until the answer began, by route and method"
    );
    describe_gauge!(IN_FLIGHT, "Requests that wait for their answer");
    describe_counter!(
        OPERATIONS,
        "Queries and mutations executed, by kind and outcome"
    );
    describe_histogram!(
        OPERATION_TIME,
        Unit::Seconds,
        "Execution time of queries and mutations, by kind"
    );
    describe_gauge!(SUBSCRIPTIONS, "Subscriptions open in this process");
}

/// Renders all metrics in Prometheus' text format, after reading the levels.
#[derive(Clone)]
pub struct MetricsPage(pub Arc<dyn Fn() -> BoxFuture<'static, String> + Send + Sync>);

/// Serves `/metrics`.
pub(super) fn mount(services: &mut web::ServiceConfig, page: MetricsPage) {
    services.service(
        web::resource("/metrics")
            .app_data(web::Data::new(page))
            .route(web::get().to(show)),
    );
}

async fn show(page: web::Data<MetricsPage>) -> HttpResponse {
    let text = (page.0)().await;
    HttpResponse::Ok()
        .content_type("text/plain; version=0.0.4; charset=utf-8")
        .body(text)
}

/// A request that waits for its answer, until it is dropped.
pub(super) struct InFlight;

impl InFlight {
    pub(super) fn begin() -> Self {
        gauge!(IN_FLIGHT).increment(1);
        Self
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        gauge!(IN_FLIGHT).decrement(1);
    }
}

/// Counts an answered request.
pub(super) fn answered(route: &str, method: &Method, status: u16, time: Duration) {
    let method = match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    };
    counter!(REQUESTS, "route" => route.to_owned(), "method" => method, "status" => status.to_string())
        .increment(1);
    histogram!(REQUEST_TIME, "route" => route.to_owned(), "method" => method).record(time);
}

/// How the execution of an operation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// With an answer, errors or not.
    Answered,
    /// It took too long.
    TimedOut,
    /// A resolver panicked.
    Panicked,
}

/// Counts an executed query or mutation.
pub(super) fn executed(kind: OperationType, ended: Ended, time: Duration) {
    let kind = match kind {
        OperationType::Query => "query",
        OperationType::Mutation => "mutation",
        OperationType::Subscription => "subscription",
    };
    let outcome = match ended {
        Ended::Answered => "answered",
        Ended::TimedOut => "timed_out",
        Ended::Panicked => "panicked",
    };
    counter!(OPERATIONS, "kind" => kind, "outcome" => outcome).increment(1);
    histogram!(OPERATION_TIME, "kind" => kind).record(time);
}

/// A subscription that is open until this is dropped.
pub(super) struct OpenSubscription;

impl OpenSubscription {
    pub(super) fn begin() -> Self {
        gauge!(SUBSCRIPTIONS).increment(1);
        Self
    }
}

impl Drop for OpenSubscription {
    fn drop(&mut self) {
        gauge!(SUBSCRIPTIONS).decrement(1);
    }
}
