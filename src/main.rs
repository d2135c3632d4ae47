//! The command line of Kaitsu. Each command is a file of `cli/`; what they do is in the library.

mod cli;

use std::process::ExitCode;

/// Returns memory to the system sooner than the system's own allocator does.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    cli::run().await
}
