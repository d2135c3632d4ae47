//! The command line: one file for each command. A command reads the configuration, calls the library, and
//! prints. Results go to the standard output; progress, the log and errors go to the standard error stream.

mod backup;
mod configuration;
mod demo;
mod export;
mod figures;
mod import;
mod migrate;
mod output;
mod progress;
mod restore;
mod schema;
mod serve;
mod token;
mod user;
mod verify;
mod worker;

use std::{error::Error, io::Write, process::ExitCode};

use clap::{Parser, Subcommand};
use configuration::ConfigurationOptions;

/// How a command ends, unless by an error.
type Outcome = Result<ExitCode, Box<dyn Error + Send + Sync>>;

/// Kaitsu runs a national rollout: an API, its background work, and the tools of its operator.
///
/// Settings come from defaults, then a file, then the environment (DATABASE_URL, KAITSU_SECTION__KEY),
/// then flags; `kaitsu serve --print-config` shows them all.
#[derive(Parser)]
#[command(name = "kaitsu", version, max_term_width = 100)]
struct CommandLine {
    #[command(flatten)]
    configuration: ConfigurationOptions,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve a demo: the national data, an account of each kind, mail as files
    Demo(demo::Options),
    /// Serve the API, with the background work, until told to stop
    Serve(serve::Options),
    /// Do the background work alone, until told to stop
    Worker(worker::Options),
    /// Bring the database's schema up to date, or show how it stands
    Migrate(migrate::Options),
    /// Read facilities or milestones from a spreadsheet
    Import(import::Options),
    /// Write facilities, milestones or changes to a file
    Export(export::Options),
    /// Print the figures of a day
    Figures(figures::Options),
    /// Recount everything from the history and name every difference
    Verify(verify::Options),
    /// Write the whole database to a file
    Backup(backup::Options),
    /// Fill an empty database from a backup; no mail is sent from it until it is released
    Restore(restore::Options),
    /// Print the GraphQL schema
    Schema(schema::Options),
    /// Make a user, or let one in no more
    User(user::Options),
    /// Print an access token for scripts
    Token(token::Options),
}

/// Reads the command line and does what it says.
pub async fn run() -> ExitCode {
    let line = CommandLine::parse();
    let outcome = dispatch(line.command, &line.configuration).await;
    outcome.unwrap_or_else(|error| {
        tell(&format!("error: {error}"));
        ExitCode::FAILURE
    })
}

async fn dispatch(command: Command, configuration: &ConfigurationOptions) -> Outcome {
    match command {
        Command::Demo(options) => demo::run(configuration, options).await,
        Command::Serve(options) => serve::run(configuration, options).await,
        Command::Worker(options) => worker::run(configuration, options).await,
        Command::Migrate(options) => migrate::run(configuration, options).await,
        Command::Import(options) => import::run(configuration, options).await,
        Command::Export(options) => export::run(configuration, options).await,
        Command::Figures(options) => figures::run(configuration, options).await,
        Command::Verify(options) => verify::run(configuration, options).await,
        Command::Backup(options) => backup::run(configuration, options).await,
        Command::Restore(options) => restore::run(configuration, options).await,
        Command::Schema(options) => schema::run(&options),
        Command::User(options) => user::run(configuration, options).await,
        Command::Token(options) => token::run(configuration, options).await,
    }
}

/// Writes a line for the person at the terminal; there is nobody to tell if that fails.
fn tell(line: &str) {
    let _unheard = writeln!(std::io::stderr(), "{line}");
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn every_command_and_option_says_what_it_is_for() {
        for command in CommandLine::command().get_subcommands() {
            assert!(command.get_about().is_some(), "{}", command.get_name());
            for argument in command.get_arguments() {
                let told = argument.get_help().is_some() || argument.get_id() == "help";
                assert!(told, "{} {}", command.get_name(), argument.get_id());
            }
        }
    }
}
