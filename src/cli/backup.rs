//! `kaitsu backup`

use std::path::PathBuf;

use clap::Args;
use kaitsu::backup::{self, Summary};

use super::{
    Outcome,
    configuration::{CLOCK, ConfigurationOptions},
    output::{Cell, Format, Table},
    progress, tell, verify,
};

#[derive(Args)]
pub struct Options {
    /// The file to write; it can be restored on SQLite and on PostgreSQL
    file: PathBuf,
    /// Replace the file if there is one
    #[arg(long)]
    force: bool,
    /// How to print what was written
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub async fn run(configuration: &ConfigurationOptions, options: Options) -> Outcome {
    if options.file.exists() && !options.force {
        let shown = options.file.display();
        return Err(format!("{shown} exists; use --force to replace it").into());
    }
    let (_, database) = configuration.open().await?;
    let bar = progress::bar("writing rows", None);
    let summary = backup::backup(&database, &CLOCK, &options.file, &|rows| bar.inc(rows)).await?;
    bar.finish_and_clear();
    print(&summary, options.format)?;
    let report = verify::confirm(&database).await?;
    if !report.is_clean() {
        let shown = options.file.display();
        tell(&format!(
            "{shown} is a true copy of a database that is not what its history says"
        ));
    }
    database.close().await?;
    Ok(verify::code(&report))
}

/// Prints the tables of a file with their rows.
pub fn print(summary: &Summary, format: Format) -> std::io::Result<()> {
    let mut table = Table::new(["table", "rows"]);
    for (name, rows) in &summary.tables {
        table.row(vec![
            name.as_str().into(),
            i64::try_from(*rows).map_or(Cell::Empty, Cell::Number),
        ]);
    }
    table.print(format)
}
