//! Measures Kaitsu beside the floor; `scripts/bench` sets up what it needs.

use std::io::Write;

use clap::Parser;
use kaitsu_bench::{Failure, drive};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
struct CommandLine {
    #[command(flatten)]
    options: drive::Options,
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let options = CommandLine::parse().options;
    let json = options.json;
    let report = drive::run(options).await?;
    let text = if json {
        serde_json::to_string_pretty(&report)?
    } else {
        report.markdown()
    };
    writeln!(std::io::stdout(), "{text}")?;
    Ok(())
}
