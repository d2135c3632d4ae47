//! Whether this process lives, and whether it is ready for requests: what load balancers and orchestrators
//! ask. Ready means that the database answers in time, that its schema is not behind, and that the process
//! is not stopping.

use std::{sync::Arc, time::Duration};

use actix_web::{HttpResponse, web};
use futures_util::future::BoxFuture;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

/// How long the checks may take.
const CHECK_TIME: Duration = Duration::from_secs(1);

/// One thing that readiness needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was checked.
    pub name: &'static str,
    /// Whether it is good.
    pub ok: bool,
    /// If not, why: in words for an operator, without internals.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Check {
    /// It is good.
    #[must_use]
    pub fn good(name: &'static str) -> Self {
        Self {
            name,
            ok: true,
            reason: None,
        }
    }

    /// It is not.
    #[must_use]
    pub fn bad(name: &'static str, reason: impl Into<String>) -> Self {
        Self {
            name,
            ok: false,
            reason: Some(reason.into()),
        }
    }
}

/// What readiness asks.
#[derive(Clone)]
pub struct Health {
    /// Checks whatever this process stands on.
    pub checks: Arc<dyn Fn() -> BoxFuture<'static, Vec<Check>> + Send + Sync>,
    /// Cancelled when the process begins to stop.
    pub stopping: CancellationToken,
}

#[derive(Serialize)]
struct Answer {
    status: &'static str,
    checks: Vec<Check>,
}

impl Health {
    async fn check(&self) -> Vec<Check> {
        if self.stopping.is_cancelled() {
            return vec![Check::bad("process", "it is stopping")];
        }
        tokio::time::timeout(CHECK_TIME, (self.checks)())
            .await
            .unwrap_or_else(|_| vec![Check::bad("database", "no answer within a second")])
    }
}

/// Serves `/health/live` and `/health/ready`.
pub(super) fn mount(services: &mut web::ServiceConfig, health: Health) {
    services.service(
        web::scope("/health")
            .app_data(web::Data::new(health))
            .route("/live", web::get().to(live))
            .route("/ready", web::get().to(ready)),
    );
}

async fn live() -> HttpResponse {
    HttpResponse::Ok().json(Answer {
        status: "live",
        checks: Vec::new(),
    })
}

async fn ready(health: web::Data<Health>) -> HttpResponse {
    let checks = health.check().await;
    if checks.iter().all(|check| check.ok) {
        HttpResponse::Ok().json(Answer {
            status: "ready",
            checks,
        })
    } else {
        HttpResponse::ServiceUnavailable().json(Answer {
            status: "not ready",
            checks,
        })
    }
}
