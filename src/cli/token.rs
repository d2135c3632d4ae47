//! `kaitsu token`

use clap::Args;

use super::{NotAvailable, Outcome, configuration::ConfigurationOptions};

#[derive(Args)]
pub struct Options {
    /// The address of the user whose token it is
    #[arg(long, value_name = "ADDRESS")]
    email: String,
}

pub async fn run(configuration: &ConfigurationOptions, options: Options) -> Outcome {
    let (_, _database) = configuration.open().await?;
    let Options { email: _ } = options;
    Err(NotAvailable("token").into())
}
