//! `kaitsu schema`

use std::{io::Write, process::ExitCode};

use clap::Args;

use super::Outcome;

#[derive(Args)]
pub struct Options {}

pub fn run(_: &Options) -> Outcome {
    writeln!(std::io::stdout(), "{}", kaitsu::api::sdl().trim_end())?;
    Ok(ExitCode::SUCCESS)
}
