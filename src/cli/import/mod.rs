//! `kaitsu import`: every line is checked before the first is written, and every line that is refused is told
//! with its number and all its reasons. Whoever repeats an import is not refused what it wrote.

mod facilities;
mod milestones;

use std::{error::Error, path::PathBuf, process::ExitCode};

use clap::{Args, ValueEnum};
use kaitsu::{
    auth::{Actor, Language},
    change::{Source, Writer},
    milestone::Problem,
};
use serde::Deserialize;

use super::{
    Outcome,
    configuration::{CLOCK, ConfigurationOptions},
    output::{Format, Table},
    tell,
};

#[derive(Args)]
pub struct Options {
    /// What the rows are
    #[arg(value_enum)]
    what: What,
    /// A CSV file in UTF-8 with a line of headings, as `kaitsu export` writes it
    file: PathBuf,
    /// Check everything and print the same, but change nothing
    #[arg(long)]
    dry_run: bool,
    /// Record READER_APPLIED and READY on the date of a later milestone where they are missing
    #[arg(long)]
    imply_earlier: bool,
    /// Write the good rows although others are refused; it ends with 1 all the same
    #[arg(long)]
    keep_going: bool,
    /// Why, kept with the changes
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// How to print the rows that were refused
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// What can be imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum What {
    /// New facilities: code, kind, name, `name_kana`, `postal_code`, address, phone, email,
    /// `public_institution`, `opened_on`, `closed_on`, vendor, chain. Vendor and chain are named as organisations
    /// that exist, and are the facility's from its opening on, or from 2020-01-01 if it opened before. Other
    /// columns of an export follow from the milestones and are not read
    Facilities,
    /// Milestones reached or withdrawn: code, milestone, action, on, note
    Milestones,
}

/// A line that was refused, counted from 1 with the headings as line 1.
struct Refusal {
    line: usize,
    reason: String,
}

/// What became of a file.
#[derive(Default)]
struct Imported {
    written: usize,
    already_there: usize,
    refused: Vec<Refusal>,
}

type Attempt = Result<Imported, Box<dyn Error + Send + Sync>>;

pub async fn run(configuration: &ConfigurationOptions, options: Options) -> Outcome {
    let (_, database) = configuration.open().await?;
    let actor = Actor::system();
    let writer = Writer {
        database: &database,
        clock: &CLOCK,
        actor: &actor,
        source: Source::Import,
        request_id: None,
        reason: options.reason.clone(),
        dry_run: false,
        key: None,
    };
    let mut imported = match options.what {
        What::Facilities => facilities::import(&writer, &options).await?,
        What::Milestones => milestones::import(&writer, &options).await?,
    };
    imported.refused.sort_by_key(|refusal| refusal.line);
    imported.tell(&options)?;
    Ok(if imported.refused.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

impl Imported {
    fn tell(&self, options: &Options) -> std::io::Result<()> {
        let mut table = Table::new(["line", "refused"]);
        for refusal in &self.refused {
            let line = i64::try_from(refusal.line).unwrap_or(i64::MAX);
            table.row(vec![line.into(), refusal.reason.as_str().into()]);
        }
        if !self.refused.is_empty() {
            table.print(options.format)?;
        }
        let done = if options.dry_run {
            "would be written"
        } else {
            "written"
        };
        let there = match self.already_there {
            0 => String::new(),
            some => format!("{some} already there, "),
        };
        tell(&format!(
            "{} {done}, {there}{} refused",
            self.written,
            self.refused.len()
        ));
        Ok(())
    }

    /// Takes note of what became of a line.
    fn take(&mut self, line: usize, problems: &[Problem]) {
        match reason(problems) {
            None => self.written += 1,
            Some(reason) => self.refused.push(Refusal { line, reason }),
        }
    }

    /// Nothing was written after all, unless it was not meant to be.
    fn given_up(self, options: &Options) -> Self {
        let written = if options.dry_run { self.written } else { 0 };
        Self { written, ..self }
    }
}

impl Options {
    /// After checking: are the good lines written now?
    fn goes_on(&self, all_good: bool) -> bool {
        !self.dry_run && (all_good || self.keep_going)
    }
}

/// Lines with their numbers.
type Lines<T> = Vec<(usize, T)>;

/// Reads a whole file; a line that can't be read is a refusal.
fn read<T: for<'de> Deserialize<'de>>(
    options: &Options,
) -> Result<(Lines<T>, Vec<Refusal>), csv::Error> {
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .from_path(&options.file)?;
    let (mut lines, mut refused) = (Vec::new(), Vec::new());
    for (index, line) in reader.deserialize().enumerate() {
        match line {
            Ok(line) => lines.push((index + 2, line)),
            Err(error) => refused.push(Refusal {
                line: index + 2,
                reason: error.to_string(),
            }),
        }
    }
    Ok((lines, refused))
}

/// Every reason for which a row was refused, in English.
fn reason(problems: &[Problem]) -> Option<String> {
    let reasons: Vec<String> = problems
        .iter()
        .map(|problem| problem.message(Language::En))
        .collect();
    (!reasons.is_empty()).then(|| reasons.join(" "))
}
