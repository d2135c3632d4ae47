//! Where a command's settings come from: the flags that every command has, the environment and the file.

use std::{
    error::Error,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;
use kaitsu::{
    app::{
        Clock, Config, StartError,
        config::{ConfigError, DEFAULT_FILE, Sources},
        telemetry::{self, LogFormat, LogSettings, TelemetryError},
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

    /// Opens the database for a command that needs it as it should be: up to date.
    pub async fn open(&self) -> Opened {
        up_to_date(self.connect().await?).await
    }

    /// Like [`Self::open`], for statements that may take as long as they need.
    pub async fn open_patiently(&self) -> Opened {
        let mut config = self.load(Vec::new())?;
        config.database.statement_timeout = PATIENCE;
        config.database.lock_timeout = PATIENCE;
        up_to_date(connect(config).await?).await
    }

    /// Opens the database whatever its schema.
    pub async fn connect(&self) -> Opened {
        connect(self.load(Vec::new())?).await
    }
}

type Opened = Result<(Config, Database), Box<dyn Error + Send + Sync>>;

/// Longer than anything that a person waits for.
const PATIENCE: Duration = Duration::from_secs(86_400);

async fn connect(config: Config) -> Opened {
    let quiet = LogSettings {
        format: LogFormat::Text,
        filter: "warn".to_owned(),
    };
    start_log(&config, &quiet)?;
    let database = Database::connect(&config.database)
        .await
        .map_err(StartError::from)?;
    Ok((config, database))
}

async fn up_to_date((config, database): (Config, Database)) -> Opened {
    let status = migrations::status(&database).await?;
    if status.is_behind() {
        let missing = status.in_state(State::Pending).map(ToOwned::to_owned);
        return Err(StartError::Behind(missing.collect()).into());
    }
    Ok((config, database))
}

/// Starts the log, and says in it which names in the environment look like settings and are none.
pub fn start_log(config: &Config, settings: &LogSettings) -> Result<(), TelemetryError> {
    telemetry::start_log(settings)?;
    if !config.ignored.is_empty() {
        let names = config.ignored.join(", ");
        tracing::warn!("ignored, since settings are named KAITSU_SECTION__KEY: {names}");
    }
    Ok(())
}

/// The clock of the command line.
pub const CLOCK: Clock = Clock::System;

/// What of the environment is text.
fn environment() -> Vec<(String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}
