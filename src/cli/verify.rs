//! `kaitsu verify`

use std::process::ExitCode;

use clap::Args;
use kaitsu::{db::Database, verify::verify};

use super::{
    Outcome,
    configuration::ConfigurationOptions,
    output::{Format, Table},
    progress, tell,
};

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
pub async fn recount(database: &Database, format: Format) -> Outcome {
    let bar = progress::bar("recounting facilities", None);
    let report = verify(database, |facilities| bar.inc(facilities)).await?;
    bar.finish_and_clear();
    if !report.is_clean() || format != Format::Table {
        let mut table = Table::new(["table", "key", "expected", "found"]);
        for one in &report.differences {
            table.row(vec![
                one.table.into(),
                one.key.as_str().into(),
                one.expected.as_str().into(),
                one.found.as_str().into(),
            ]);
        }
        table.print(format)?;
    }
    tell(&report.summary());
    Ok(match report.is_clean() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}
