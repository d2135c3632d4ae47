//! The life of a process: open the database, see that its schema is not behind, work until a signal says
//! stop, and stop so that nothing is left half done: background work ends its step, no new connections are
//! accepted, requests under way are answered, sockets are closed, and then the pools are.

use std::{future, io, net::SocketAddr, sync::Arc};

use actix_web::web;
use futures_util::future::Either;
use metrics_exporter_prometheus::PrometheusHandle;
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
    http::{self, Check, Health, MetricsPage, Parts, RequestIds, RunningServer, ServerSettings},
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
    let process = Process::open(config).await?;
    let routes = Routes::open(
        config,
        &process.services,
        &process.auth,
        &process.closing,
        process.id,
    )?;
    let running = process.listen(&config.server, move |app| routes.mount(app))?;
    let address = running.address;
    process
        .run(config, Some(running), || {
            tracing::info!(%address, "serving");
            bound(address);
        })
        .await
}

/// Runs the background alone, until a signal says stop. Health and metrics are served where it is told to listen,
/// and `started` is told where that is.
///
/// # Errors
/// When it can't start, or the server fails.
pub async fn work(
    config: &Config,
    listen: Option<SocketAddr>,
    started: impl FnOnce(Option<SocketAddr>),
) -> Result<(), StartError> {
    let process = Process::open(config).await?;
    let observed = |listen| {
        let settings = ServerSettings {
            listen,
            workers: 1,
            ..config.server.clone()
        };
        process.listen(&settings, |_| ())
    };
    let running = listen.map(observed).transpose()?;
    let address = running.as_ref().map(|running| running.address);
    process
        .run(config, running, || {
            tracing::info!(address = address.map(tracing::field::display), "working");
            started(address);
        })
        .await
}

/// What a process has whether it serves or only works.
struct Process {
    id: u32,
    services: Services,
    auth: Arc<AuthService>,
    metrics: PrometheusHandle,
    /// It is no longer ready for requests.
    stopping: CancellationToken,
    /// Sockets say goodbye.
    closing: CancellationToken,
}

impl Process {
    async fn open(config: &Config) -> Result<Self, StartError> {
        let metrics = telemetry::start_metrics()?;
        let services = open(config).await?;
        let auth = accounts::open(config, &services).await?;
        Ok(Self {
            id: rand::random(),
            services,
            auth,
            metrics,
            stopping: CancellationToken::new(),
            closing: CancellationToken::new(),
        })
    }

    /// Begins to listen, with health and metrics beside what `mount` adds.
    fn listen(
        &self,
        settings: &ServerSettings,
        mount: impl Fn(&mut web::ServiceConfig) + Clone + Send + 'static,
    ) -> Result<RunningServer, StartError> {
        let (services, metrics) = (self.services.clone(), self.metrics.clone());
        let parts = Parts {
            ids: Arc::new(RequestIds::new(self.id)),
            health: Health {
                checks: checks(&self.services),
                stopping: self.stopping.clone(),
            },
            metrics: MetricsPage(Arc::new(move || {
                let (services, metrics) = (services.clone(), metrics.clone());
                Box::pin(async move {
                    telemetry::sample(&services).await;
                    metrics.render()
                })
            })),
        };
        http::start(settings, parts, mount).map_err(|error| StartError::Listen {
            address: settings.listen,
            error,
        })
    }

    /// Works until a signal says stop or the server fails, and stops.
    async fn run(
        self,
        config: &Config,
        running: Option<RunningServer>,
        started: impl FnOnce(),
    ) -> Result<(), StartError> {
        let background = start_background(config, &self.services, &self.auth, self.id)?;
        let (handle, server) = match running {
            Some(running) => (Some(running.handle), Either::Left(running.server)),
            None => (None, Either::Right(future::pending())),
        };
        let mut server = tokio::spawn(server);
        started();

        let failed = tokio::select! {
            signalled = stop_signal() => signalled.err(),
            ended = &mut server => Some(ended.map_err(io::Error::other).and_then(|ended| ended).err()
                .unwrap_or_else(|| io::Error::other("the server ended by itself"))),
        };
        tracing::info!("stopping");
        self.stopping.cancel();
        // First the background: its connections live on the threads of the server.
        background.stop().await;
        if let Err(error) = self.auth.record_token_uses().await {
            tracing::warn!(%error, "the last uses of service tokens are not written down");
        }
        self.closing.cancel();
        let mut ended = Ok(());
        if let Some(handle) = handle {
            handle.stop(true).await;
            if failed.is_none() {
                ended = server
                    .await
                    .map_err(io::Error::other)
                    .and_then(|ended| ended);
            }
        }
        self.services.database.close().await?;
        tracing::info!("stopped");
        failed.map_or(ended, Err).map_err(StartError::from)
    }
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
