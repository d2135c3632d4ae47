//! `kaitsu restore`

use std::{path::PathBuf, process::ExitCode};

use clap::Args;
use kaitsu::{app::StartError, backup};

use super::{
    Outcome, backup::print, configuration::ConfigurationOptions, output::Format, progress, tell,
    verify,
};

#[derive(Args)]
pub struct Options {
    /// The file to read, into a database that is migrated and empty
    #[arg(required_unless_present = "release")]
    file: Option<PathBuf>,
    /// Let a restored copy send mail: nothing is sent from it until a person says so here
    #[arg(long, conflicts_with = "file")]
    release: bool,
    /// How to print what was restored
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub async fn run(configuration: &ConfigurationOptions, options: Options) -> Outcome {
    let (_, database) = match options.release {
        true => configuration.open().await?,
        false => configuration.connect().await?,
    };
    let Some(file) = options.file else {
        let was_held = backup::release_sending(&database)
            .await
            .map_err(StartError::from)?;
        tell(if was_held {
            "mail is sent again"
        } else {
            "no mail was held"
        });
        return Ok(ExitCode::SUCCESS);
    };
    let bar = progress::bar("restoring rows", None);
    let summary = backup::restore(&database, &file, &|rows| bar.inc(rows)).await?;
    bar.finish_and_clear();
    print(&summary, options.format)?;
    tell("mail is held; `kaitsu restore --release` lets it go");
    Ok(verify::code(&verify::confirm(&database).await?))
}
