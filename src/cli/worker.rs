//! `kaitsu worker`

use std::{io::Write, process::ExitCode};

use clap::Args;
use kaitsu::app;

use super::{
    Outcome,
    configuration::{ConfigurationOptions, start_log},
};

#[derive(Args)]
pub struct Options {
    /// Print the configuration in force, without secrets, and end
    #[arg(long)]
    print_config: bool,
}

pub async fn run(configuration: &ConfigurationOptions, options: Options) -> Outcome {
    let config = configuration.load(Vec::new())?;
    if options.print_config {
        writeln!(std::io::stdout(), "{}", config.effective())?;
        return Ok(ExitCode::SUCCESS);
    }
    start_log(&config, &config.log)?;
    app::work(&config, || {
        let _unread = writeln!(std::io::stdout(), "working");
    })
    .await?;
    Ok(ExitCode::SUCCESS)
}
