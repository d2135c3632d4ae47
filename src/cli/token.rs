//! `kaitsu token`

use std::{io::Write, process::ExitCode};

use chrono::TimeDelta;
use clap::Args;
use kaitsu::app::{Services, accounts};

use super::{
    Outcome,
    configuration::{CLOCK, ConfigurationOptions},
};

#[derive(Args)]
pub struct Options {
    /// The address of the user whose token it is
    #[arg(long, value_name = "ADDRESS")]
    email: String,
    /// How many minutes it lasts, at most a day
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u16).range(1..=1440))]
    minutes: u16,
}

pub async fn run(configuration: &ConfigurationOptions, options: Options) -> Outcome {
    let (config, database) = configuration.open().await?;
    let auth = accounts::open(&config, &Services::new(database, CLOCK)).await?;
    let lifetime = TimeDelta::minutes(options.minutes.into());
    let (token, _) = auth
        .issue_access_token(&options.email, lifetime)
        .await
        .map_err(super::user::explain)?;
    writeln!(std::io::stdout(), "{token}")?;
    Ok(ExitCode::SUCCESS)
}
