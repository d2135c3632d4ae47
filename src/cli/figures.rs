//! `kaitsu figures`

use chrono::{DateTime, NaiveDate, Utc};
use clap::{Args, ValueEnum};

use super::{NotAvailable, Outcome, configuration::ConfigurationOptions, output::Format};

#[derive(Args)]
pub struct Options {
    /// What was true on this day; today if not given
    #[arg(long, value_name = "DATE")]
    as_of: Option<NaiveDate>,
    /// As it was known at this instant, such as 2021-12-19T23:59:59+09:00; now if not given
    #[arg(long, value_name = "INSTANT")]
    known_at: Option<DateTime<Utc>>,
    /// Print the same for this day, and the differences
    #[arg(long, value_name = "DATE")]
    compare_with: Option<NaiveDate>,
    /// Split by these, such as kind,prefecture
    #[arg(long, value_enum, value_delimiter = ',', value_name = "DIMENSIONS")]
    by: Vec<Dimension>,
    /// How to print: as_of, the dimensions, all, applied, ready, live
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// What figures can be split by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Dimension {
    /// Hospital, medical clinic, dental clinic, pharmacy
    Kind,
    /// One of 47
    Prefecture,
    /// One of eight
    Bureau,
    /// The vendor that is engaged
    Vendor,
    /// The chain that a facility belongs to
    Chain,
}

pub async fn run(configuration: &ConfigurationOptions, options: Options) -> Outcome {
    let (_, _database) = configuration.open().await?;
    let Options {
        as_of: _,
        known_at: _,
        compare_with: _,
        by: _,
        format: _,
    } = options;
    Err(NotAvailable("figures").into())
}
