//! Serves the floor until killed.

use clap::Parser;
use kaitsu_bench::{Failure, floor};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
struct CommandLine {
    #[command(flatten)]
    settings: floor::Settings,
}

#[actix_web::main]
async fn main() -> Result<(), Failure> {
    floor::serve(CommandLine::parse().settings).await
}
