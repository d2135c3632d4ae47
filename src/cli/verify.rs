//! `kaitsu verify`

use clap::Args;
use kaitsu::db::Database;

use super::{NotAvailable, Outcome, configuration::ConfigurationOptions, output::Format};

#[derive(Args)]
pub struct Options {
    /// How to print what differs
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub async fn run(configuration: &ConfigurationOptions, options: Options) -> Outcome {
    let (_, database) = configuration.open().await?;
    recount(&database, options.format).await
}

/// Recounts everything and prints every difference; fails if there is one.
#[expect(clippy::unused_async, reason = "recounting reads the database")]
pub async fn recount(_database: &Database, _format: Format) -> Outcome {
    Err(NotAvailable("verify").into())
}
