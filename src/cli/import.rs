//! `kaitsu import`

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{NotAvailable, Outcome, configuration::ConfigurationOptions, output::Format};

#[derive(Args)]
pub struct Options {
    /// What the rows are
    #[arg(value_enum)]
    what: What,
    /// A CSV file with a line of headings
    file: PathBuf,
    /// Check everything and print the same, but change nothing
    #[arg(long)]
    dry_run: bool,
    /// Record READER_APPLIED and READY on the date of a later milestone where they are missing
    #[arg(long)]
    imply_earlier: bool,
    /// Write the good rows although others are refused
    #[arg(long)]
    keep_going: bool,
    /// Why, kept with the changes
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// How to print what became of each row
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// What can be imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum What {
    /// New facilities, or new attributes of known ones
    Facilities,
    /// Milestones reached
    Milestones,
}

pub async fn run(configuration: &ConfigurationOptions, options: Options) -> Outcome {
    let (_, _database) = configuration.open().await?;
    let Options {
        what: _,
        file: _,
        dry_run: _,
        imply_earlier: _,
        keep_going: _,
        reason: _,
        format: _,
    } = options;
    Err(NotAvailable("import").into())
}
