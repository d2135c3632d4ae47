//! `kaitsu verify`

use std::process::ExitCode;

use clap::Args;
use kaitsu::{
    change,
    db::Database,
    figures::service::rebuild,
    verify::{Report, verify},
};

use super::{
    Outcome,
    configuration::{CLOCK, ConfigurationOptions},
    output::{Format, Table},
    progress, tell,
};

#[derive(Args)]
pub struct Options {
    /// First build all totals anew from the deltas, for totals that were found wrong
    #[arg(long)]
    rebuild_totals: bool,
    /// How to print what differs
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub async fn run(configuration: &ConfigurationOptions, options: Options) -> Outcome {
    let (_, database) = match options.rebuild_totals {
        true => configuration.open_patiently().await?,
        false => configuration.open().await?,
    };
    if options.rebuild_totals {
        change::settle(&database, &CLOCK).await?;
        rebuild(&database).await?;
        tell("all totals are built anew");
    }
    let report = recount(&database).await?;
    if !report.is_clean() || options.format != Format::Table {
        differences(&report).print(options.format)?;
    }
    tell(&report.summary());
    Ok(code(&report))
}

/// Recounts everything after other work, whose results the standard output has: what differs is told beside
/// it.
pub async fn confirm(database: &Database) -> Result<Report, kaitsu::db::DbErr> {
    let report = recount(database).await?;
    tell(&report.to_string());
    Ok(report)
}

async fn recount(database: &Database) -> Result<Report, kaitsu::db::DbErr> {
    let bar = progress::bar("recounting facilities", None);
    let report = verify(database, |facilities| bar.inc(facilities)).await?;
    bar.finish_and_clear();
    Ok(report)
}

fn differences(report: &Report) -> Table {
    let mut table = Table::new(["table", "key", "expected", "found"]);
    for one in &report.differences {
        table.row(vec![
            one.table.into(),
            one.key.as_str().into(),
            one.expected.as_str().into(),
            one.found.as_str().into(),
        ]);
    }
    table
}

/// Whether everything is as it should be.
pub fn code(report: &Report) -> ExitCode {
    match report.is_clean() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}
