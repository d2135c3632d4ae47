//! The life of a process: open the database, see that its schema is not behind, work until a signal says
//! stop, and stop so that nothing is left half done: background work ends its step, no new connections are
//! accepted, requests under way are answered, sockets are closed, and then the pools are.

use std::{io, net::SocketAddr, sync::Arc};

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::{
    Clock, Config, Services, accounts,
    background::Background,
    routes::Routes,
    telemetry::{self, TelemetryError},
};
use crate::{
    api::request::type_map::SchemaUnreadable,
    auth::{AuthService, service::OpenError},
    db::{
        Database, DbErr,
        migrations::{self, State},
    },
    http::{self, Check, Health, MetricsPage, Parts, RequestIds, RunningServer},
};

/// Why a process does not start, or ends.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The schema lacks something that this version needs.
    #[error("the database's schema is behind this version; run `kaitsu migrate` (missing: {})", .0.join(", "))]
    Behind(Vec<String>),
    /// The database can't be opened.
    #[error("the database can't be used: {0}")]
    Database(#[from] DbErr),
    /// The address can't be listened on.
    #[error("can't listen on {address}: {error}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        error: io::Error,
    },
    /// The accounts can't be opened.
    #[error(transparent)]
    Accounts(#[from] OpenError),
    /// The schema of the API can't be read back.
    #[error(transparent)]
    Schema(#[from] SchemaUnreadable),
    /// Mail can't be sent as it is configured.
    #[error("mail can't be sent: {0}")]
    Mail(String),
    /// Root fields of the API without a policy: a mistake of ours.
    #[error("the API has fields without a policy: {}", .0.join(", "))]
    NoPolicy(Vec<String>),
    /// The server or the signals failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The log or the metrics.
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
}

/// Serves the API, with the background, until a signal says stop. `bound` is told where it listens.
///
/// # Errors
/// When it can't start; it never leaves by an error once it serves, unless the server itself fails.
pub async fn serve(config: &Config, bound: impl FnOnce(SocketAddr)) -> Result<(), StartError> {
    let metrics = telemetry::start_metrics()?;
    let services = open(config).await?;
    let (stopping, closing) = (CancellationToken::new(), CancellationToken::new());
    let process: u32 = rand::random();
    let auth = accounts::open(config, &services).await?;
    let routes = Routes::open(config, &services, &auth, &closing, process)?;
    let sampled = services.clone();
    let parts = Parts {
        ids: Arc::new(RequestIds::new(process)),
        health: Health {
            checks: checks(&services),
            stopping: stopping.clone(),
        },
        metrics: MetricsPage(Arc::new(move || {
            let (services, metrics) = (sampled.clone(), metrics.clone());
            Box::pin(async move {
                telemetry::sample(&services).await;
                metrics.render()
            })
        })),
    };
    let running = http::start(&config.server, parts, move |app| routes.mount(app));
    let RunningServer {
        address,
        handle,
        server,
    } = running.map_err(|error| StartError::Listen {
        address: config.server.listen,
        error,
    })?;
    let background = start_background(config, &services, &auth, process)?;
    let mut server = tokio::spawn(server);
    tracing::info!(%address, "serving");
    bound(address);

    let failed = tokio::select! {
        signalled = stop_signal() => signalled.err(),
        ended = &mut server => Some(ended.map_err(io::Error::other).and_then(|ended| ended).err()
            .unwrap_or_else(|| io::Error::other("the server ended by itself"))),
    };
    tracing::info!("stopping");
    stopping.cancel();
    // First the background: its connections live on the threads of the server.
    background.stop().await;
    if let Err(error) = auth.record_token_uses().await {
        tracing::warn!(%error, "the last uses of service tokens are not written down");
    }
    closing.cancel();
    handle.stop(true).await;
    let ended = if failed.is_none() {
        server
            .await
            .map_err(io::Error::other)
            .and_then(|ended| ended)
    } else {
        Ok(())
    };
    services.database.close().await?;
    tracing::info!("stopped");
    failed.map_or(ended, Err).map_err(StartError::from)
}

/// Runs the background alone, until a signal says stop.
///
/// # Errors
/// When it can't start.
pub async fn work(config: &Config, started: impl FnOnce()) -> Result<(), StartError> {
    let services = open(config).await?;
    let auth = accounts::open(config, &services).await?;
    let background = start_background(config, &services, &auth, rand::random())?;
    tracing::info!("working");
    started();
    let signalled = stop_signal().await;
    tracing::info!("stopping");
    background.stop().await;
    services.database.close().await?;
    tracing::info!("stopped");
    Ok(signalled?)
}

/// Opens the database for this version.
async fn open(config: &Config) -> Result<Services, StartError> {
    let database = Database::connect(&config.database).await?;
    let status = migrations::status(&database).await?;
    if status.is_behind() {
        let missing = status.in_state(State::Pending).map(ToOwned::to_owned);
        return Err(StartError::Behind(missing.collect()));
    }
    for newer in status.in_state(State::Newer) {
        tracing::warn!(
            migration = newer,
            "the schema is ahead of this version: an upgrade is under way"
        );
    }
    Ok(Services::new(database, Clock::System))
}

fn start_background(
    config: &Config,
    services: &Services,
    auth: &Arc<AuthService>,
    process: u32,
) -> Result<Background, StartError> {
    let steps = accounts::steps(config, services, auth)?;
    let jobs = accounts::jobs(config, auth);
    let holder = format!("{process:08x}");
    Ok(Background::start(
        services,
        config.retention,
        holder,
        steps,
        jobs,
    ))
}

type Checks = Arc<dyn Fn() -> futures_util::future::BoxFuture<'static, Vec<Check>> + Send + Sync>;

/// The database answers, and its schema is not behind.
fn checks(services: &Services) -> Checks {
    let database = services.database.clone();
    Arc::new(move || {
        let database = database.clone();
        Box::pin(async move { check_database(&database).await })
    })
}

async fn check_database(database: &Database) -> Vec<Check> {
    match migrations::status(database).await {
        Err(error) => {
            tracing::warn!(%error, "not ready: the database does not answer");
            vec![Check::bad("database", "it does not answer")]
        }
        Ok(status) => {
            let missing: Vec<&str> = status.in_state(State::Pending).collect();
            let schema = if missing.is_empty() {
                Check::good("migrations")
            } else {
                Check::bad(
                    "migrations",
                    format!("behind: {} missing", missing.join(", ")),
                )
            };
            vec![Check::good("database"), schema]
        }
    }
}

/// Waits for SIGTERM or SIGINT. A second one ends the process at once.
async fn stop_signal() -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::warn!("told to stop again: stopping at once");
        std::process::exit(130);
    });
    Ok(())
}
