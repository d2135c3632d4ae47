//! The floor: a bare actix-web server that answers with the JSON of one prepared statement for the same
//! rows and the same fields as Kaitsu's operation. No GraphQL, no accounts, no limits, no log: nothing can
//! answer these questions from this database for much less. It has as many workers and connections as the
//! server that it is compared with.

pub mod figures;
pub mod reads;
pub mod writes;

use std::{fmt, net::SocketAddr};

use actix_web::{App, HttpServer, ResponseError, web};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use crate::Failure;

/// What the floor is told.
#[derive(Clone, Debug, clap::Args)]
pub struct Settings {
    /// The database
    #[arg(long, env = "DATABASE_URL")]
    pub database: String,
    /// Where to listen
    #[arg(long)]
    pub listen: SocketAddr,
    /// Most connections to the database
    #[arg(long, default_value_t = 16)]
    pub connections: u32,
    /// Threads that answer requests
    #[arg(long, default_value_t = 2)]
    pub workers: usize,
}

/// The database failed: the caller gets a 500.
#[derive(Debug)]
pub struct Failed(sqlx::Error);

impl fmt::Display for Failed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl ResponseError for Failed {}

impl From<sqlx::Error> for Failed {
    fn from(error: sqlx::Error) -> Self {
        Self(error)
    }
}

/// Serves until killed.
///
/// # Errors
/// The database or the address can't be used.
pub async fn serve(settings: Settings) -> Result<(), Failure> {
    let options: PgConnectOptions = settings.database.parse()?;
    let pool = PgPoolOptions::new()
        .max_connections(settings.connections)
        .test_before_acquire(false)
        .connect_with(options.options([("jit", "off")]))
        .await?;
    let figures = figures::read(&pool).await?;
    let schema = web::Data::new(figures::schema(figures));
    let pool = web::Data::new(pool);
    HttpServer::new(move || {
        App::new()
            .app_data(pool.clone())
            .app_data(schema.clone())
            .route("/facility/{code}", web::get().to(reads::facility))
            .route("/worklist/{vendor}", web::get().to(reads::worklist))
            .route("/page/{after}", web::get().to(reads::page))
            .route("/search", web::post().to(reads::search))
            .route("/figures", web::post().to(figures::answer))
            .route("/milestone", web::post().to(writes::record))
    })
    .workers(settings.workers)
    .bind(settings.listen)?
    .run()
    .await?;
    Ok(())
}
