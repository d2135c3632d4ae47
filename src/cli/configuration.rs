//! Where a command's settings come from: the flags that every command has, the environment and the file.

use std::path::{Path, PathBuf};

use clap::Args;
use kaitsu::{
    app::{
        Clock, Config, StartError,
        config::{ConfigError, DEFAULT_FILE, Sources},
        telemetry::{self, LogFormat, LogSettings},
    },
    db::{
        Database,
        migrations::{self, State},
    },
};

#[derive(Args)]
#[command(next_help_heading = "Configuration")]
pub struct ConfigurationOptions {
    /// Read settings from this file instead of kaitsu.toml in the working directory
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Set one setting, such as server.graphiql=false; may be repeated
    #[arg(long, global = true, value_name = "KEY=VALUE", value_parser = pair)]
    set: Vec<(String, String)>,
}

fn pair(text: &str) -> Result<(String, String), String> {
    text.split_once('=')
        .map(|(key, value)| (key.trim().to_owned(), value.to_owned()))
        .ok_or_else(|| "write it as KEY=VALUE".to_owned())
}

impl ConfigurationOptions {
    /// Reads and checks the configuration; `flags` are a command's own (flag, key, value).
    pub fn load(&self, flags: Vec<(String, String, String)>) -> Result<Config, ConfigError> {
        let default = Path::new(DEFAULT_FILE);
        let file = self
            .config
            .clone()
            .or_else(|| default.is_file().then(|| default.to_owned()));
        let set = self
            .set
            .iter()
            .map(|(key, value)| ("--set".to_owned(), key.clone(), value.clone()));
        Config::load(&Sources {
            file,
            environment: environment(),
            flags: set.chain(flags).collect(),
        })
    }

    /// Does the environment, the file or a flag say which database?
    pub fn names_database(&self) -> bool {
        let by_flag = self.set.iter().any(|(key, _)| key == "database.url");
        let names = ["DATABASE_URL", "KAITSU_DATABASE__URL"];
        by_flag
            || self.config.is_some()
            || environment()
                .iter()
                .any(|(name, _)| names.contains(&name.as_str()))
    }

    /// Opens the database for a command that needs it as it should be: up to date.
    pub async fn open(
        &self,
    ) -> Result<(Config, Database), Box<dyn std::error::Error + Send + Sync>> {
        let (config, database) = self.connect().await?;
        let status = migrations::status(&database).await?;
        if status.is_behind() {
            let missing = status.in_state(State::Pending).map(ToOwned::to_owned);
            return Err(StartError::Behind(missing.collect()).into());
        }
        Ok((config, database))
    }

    /// Opens the database whatever its schema.
    pub async fn connect(
        &self,
    ) -> Result<(Config, Database), Box<dyn std::error::Error + Send + Sync>> {
        let config = self.load(Vec::new())?;
        telemetry::start_log(&LogSettings {
            format: LogFormat::Text,
            filter: "warn".to_owned(),
        })?;
        let database = Database::connect(&config.database)
            .await
            .map_err(StartError::from)?;
        Ok((config, database))
    }
}

/// The clock of the command line.
pub const CLOCK: Clock = Clock::System;

/// What of the environment is text.
fn environment() -> Vec<(String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}
