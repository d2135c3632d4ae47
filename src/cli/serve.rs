//! `kaitsu serve`

use std::{io::Write, process::ExitCode};

use clap::Args;
use kaitsu::app;

use super::{
    Outcome,
    configuration::{ConfigurationOptions, start_log},
};

#[derive(Args)]
pub struct Options {
    /// Listen here instead of server.listen; port 0 lets the system choose
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    /// Print the configuration in force, without secrets, and end
    #[arg(long)]
    print_config: bool,
}

pub async fn run(configuration: &ConfigurationOptions, options: Options) -> Outcome {
    let listen = options
        .listen
        .map(|listen| ("--listen".to_owned(), "server.listen".to_owned(), listen));
    let config = configuration.load(listen.into_iter().collect())?;
    if options.print_config {
        writeln!(std::io::stdout(), "{}", config.effective())?;
        return Ok(ExitCode::SUCCESS);
    }
    start_log(&config, &config.log)?;
    app::serve(&config, |address| {
        // Scripts read the address from here; a closed pipe is no reason not to serve.
        let _unread = writeln!(std::io::stdout(), "listening on http://{address}");
    })
    .await?;
    Ok(ExitCode::SUCCESS)
}
