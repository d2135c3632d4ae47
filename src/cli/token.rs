//! `kaitsu token`

use std::{io::Write, process::ExitCode};

use chrono::TimeDelta;
use clap::{Args, Subcommand};
use kaitsu::app::{Services, accounts};

use super::{
    Outcome,
    configuration::{CLOCK, ConfigurationOptions},
};

#[derive(Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Options {
    #[command(subcommand)]
    action: Option<Action>,
    /// The address of the user whose token it is
    #[arg(long, value_name = "ADDRESS", required = true)]
    email: Option<String>,
    /// How many minutes it lasts, at most a day
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u16).range(1..=1440))]
    minutes: u16,
}

#[derive(Subcommand)]
enum Action {
    /// Make the next key that signs access tokens, and print its name
    RotateKey {
        /// It signs at once, and no other key verifies any more: one of them has leaked
        #[arg(long)]
        revoke_old: bool,
    },
}

pub async fn run(configuration: &ConfigurationOptions, options: Options) -> Outcome {
    let (config, database) = configuration.open().await?;
    let auth = accounts::open(&config, &Services::new(database, CLOCK)).await?;
    let keys = auth.tokens().keys();
    let line = match options.action {
        Some(Action::RotateKey { revoke_old: true }) => keys.replace().await?,
        Some(Action::RotateKey { revoke_old: false }) => keys.rotate().await?,
        None => {
            let email = options.email.unwrap_or_default();
            let lifetime = TimeDelta::minutes(options.minutes.into());
            let issued = auth.issue_access_token(&email, lifetime).await;
            let (token, _) = issued.map_err(super::user::explain)?;
            token
        }
    };
    writeln!(std::io::stdout(), "{line}")?;
    Ok(ExitCode::SUCCESS)
}
