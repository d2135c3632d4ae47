//! `kaitsu export`

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{NotAvailable, Outcome, configuration::ConfigurationOptions, output::Format};

#[derive(Args)]
pub struct Options {
    /// What to write
    #[arg(value_enum)]
    what: What,
    /// Write to this file instead of the standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// How to write
    #[arg(long, value_enum, default_value_t = Format::Csv)]
    format: Format,
}

/// What can be exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum What {
    /// Each facility with its stage and its dates
    Facilities,
    /// Each milestone event of each facility
    Milestones,
    /// Each change, in order
    Changes,
}

pub async fn run(configuration: &ConfigurationOptions, options: Options) -> Outcome {
    let (_, _database) = configuration.open().await?;
    let Options {
        what: _,
        output: _,
        format: _,
    } = options;
    Err(NotAvailable("export").into())
}
