//! `kaitsu migrate`

use std::process::ExitCode;

use clap::Args;
use kaitsu::db::migrations::{self, State};

use super::{
    Outcome,
    configuration::{CLOCK, ConfigurationOptions},
    output::{Format, Table},
};

#[derive(Args)]
pub struct Options {
    /// Change nothing, show how each migration stands; ends with 1 if the schema is behind
    #[arg(long, conflicts_with_all = ["steps", "down"])]
    status: bool,
    /// Apply at most so many
    #[arg(long, value_name = "N", conflicts_with = "down")]
    steps: Option<usize>,
    /// Take back the last so many; what their tables hold is lost
    #[arg(long, value_name = "N")]
    down: Option<usize>,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub async fn run(configuration: &ConfigurationOptions, options: Options) -> Outcome {
    let (_, database) = configuration.connect().await?;
    if !options.status {
        let (done, word) = match options.down {
            Some(count) => (migrations::down(&database, count).await?, "taken back"),
            None => (
                migrations::up(&database, &CLOCK, options.steps).await?,
                "applied",
            ),
        };
        let mut table = Table::new(["migration", "outcome"]);
        for name in done {
            table.row(vec![name.into(), word.into()]);
        }
        table.print(options.format)?;
        database.close().await?;
        return Ok(ExitCode::SUCCESS);
    }
    let status = migrations::status(&database).await?;
    let mut table = Table::new(["migration", "state"]);
    for (name, state) in status.migrations() {
        let state = match state {
            State::Applied => "applied",
            State::Pending => "pending",
            State::Newer => "newer than this version",
        };
        table.row(vec![name.as_str().into(), state.into()]);
    }
    table.print(options.format)?;
    database.close().await?;
    Ok(if status.is_behind() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}
