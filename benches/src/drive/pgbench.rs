//! The statement alone, without any server of ours: `pgbench` with prepared statements.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use crate::Failure;

/// Each connection plans each of them once, which takes longer than running it.
const MOST: usize = 8;

/// Statements a second on so many connections.
///
/// # Errors
/// `pgbench` is missing or fails.
pub fn run(
    folder: &Path,
    database: &str,
    statements: &[String],
    connections: u16,
    seconds: u64,
) -> Result<f64, Failure> {
    let mut command = Command::new("pgbench");
    command
        .args(["--no-vacuum", "--protocol=prepared"])
        .stdin(Stdio::null())
        .arg(format!("--client={connections}"))
        .arg(format!("--time={seconds}"));
    for (place, statement) in statements.iter().take(MOST).enumerate() {
        let script = folder.join(format!("statement-{place}.sql"));
        fs::write(&script, format!("{statement};\n"))?;
        command.arg("--file").arg(script);
    }
    let output = command
        .arg(database)
        .output()
        .map_err(|error| format!("pgbench can't be run: {error}"))?;
    let said = String::from_utf8_lossy(&output.stdout);
    said.lines()
        .find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok())
        .ok_or_else(|| {
            format!(
                "pgbench said: {said}{}",
                String::from_utf8_lossy(&output.stderr)
            )
            .into()
        })
}
