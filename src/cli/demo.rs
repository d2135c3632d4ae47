//! `kaitsu demo`

use std::path::PathBuf;

use clap::Args;

use super::{NotAvailable, Outcome, configuration::ConfigurationOptions};

#[derive(Args)]
pub struct Options {
    /// Keep the database and the mails in this folder
    #[arg(long, value_name = "DIR", default_value = "kaitsu-demo")]
    dir: PathBuf,
    /// This part of the national data, above 0, where 1 is all of it
    #[arg(long, value_name = "F", default_value_t = 1.0)]
    scale: f64,
    /// Listen here; port 0 lets the system choose
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    listen: String,
    /// Load the data and end
    #[arg(long)]
    load_only: bool,
}

#[expect(clippy::unused_async, reason = "loading and serving wait")]
pub async fn run(_configuration: &ConfigurationOptions, options: Options) -> Outcome {
    let Options {
        dir: _,
        scale: _,
        listen: _,
        load_only: _,
    } = options;
    Err(NotAvailable("demo").into())
}
