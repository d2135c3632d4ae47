//! `kaitsu worker`

use std::{io::Write, net::SocketAddr, process::ExitCode};

use clap::Args;
use kaitsu::app;

use super::{
    Outcome,
    configuration::{ConfigurationOptions, start_log},
};

#[derive(Args)]
pub struct Options {
    /// Serve health and metrics here; port 0 lets the system choose. Without it nothing is listened on
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
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
    app::work(&config, options.listen, |address| {
        let _unread = match address {
            Some(address) => writeln!(std::io::stdout(), "listening on http://{address}"),
            None => writeln!(std::io::stdout(), "working"),
        };
    })
    .await?;
    Ok(ExitCode::SUCCESS)
}
