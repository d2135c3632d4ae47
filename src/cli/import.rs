//! `kaitsu import`

use std::{collections::HashMap, path::PathBuf, process::ExitCode};

use chrono::NaiveDate;
use clap::{Args, ValueEnum};
use kaitsu::{
    auth::{Actor, Language, Permission},
    change::{Source, Writer},
    db::{Database, FacilityId},
    facility::{
        FacilityKind, InstitutionCode,
        entity::{Contacts, find_by_codes},
        service::{Registration, register},
    },
    milestone::{
        Milestone, Problem,
        service::{ErrorPolicy, MOST_ROWS, Step, StepRow, write_steps},
    },
};
use serde::Deserialize;

use super::{
    Outcome,
    configuration::{CLOCK, ConfigurationOptions},
    output::{Format, Table},
    progress, tell,
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
    /// Write the good rows although others are refused
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
    /// `public_institution`, `opened_on`
    Facilities,
    /// Milestones reached or withdrawn: code, milestone, action, on, note
    Milestones,
}

/// A line of a file of facilities.
#[derive(Debug, Deserialize)]
struct FacilityLine {
    code: String,
    kind: FacilityKind,
    name: String,
    #[serde(default)]
    name_kana: String,
    #[serde(default)]
    postal_code: String,
    #[serde(default)]
    address: String,
    #[serde(default)]
    phone: String,
    #[serde(default)]
    email: Option<String>,
    #[serde(default)]
    public_institution: bool,
    opened_on: NaiveDate,
}

/// A line of a file of milestones.
#[derive(Debug, Deserialize)]
struct MilestoneLine {
    code: String,
    milestone: Milestone,
    #[serde(default)]
    action: LineAction,
    on: NaiveDate,
    #[serde(default)]
    note: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum LineAction {
    #[default]
    Reached,
    Withdrawn,
}

/// A line that was refused, counted from 1 with the headings as line 1.
struct Refusal {
    line: usize,
    reason: String,
}

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
    let (written, refused) = match options.what {
        What::Facilities => facilities(&writer, &options).await?,
        What::Milestones => milestones(&writer, &options).await?,
    };
    let mut table = Table::new(["line", "refused"]);
    for refusal in &refused {
        let line = i64::try_from(refusal.line).unwrap_or(i64::MAX);
        table.row(vec![line.into(), refusal.reason.as_str().into()]);
    }
    if !refused.is_empty() {
        table.print(options.format)?;
    }
    let done = if options.dry_run {
        "would be written"
    } else {
        "written"
    };
    tell(&format!("{written} {done}, {} refused", refused.len()));
    let failed = !refused.is_empty() && !options.keep_going;
    Ok(if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
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

type Imported = Result<(usize, Vec<Refusal>), Box<dyn std::error::Error + Send + Sync>>;

async fn facilities(writer: &Writer<'_>, options: &Options) -> Imported {
    let (lines, mut refused) = read::<FacilityLine>(options)?;
    let lines: Vec<(usize, Registration)> = lines
        .into_iter()
        .map(|(line, read)| (line, read.into()))
        .collect();
    // Every row is checked before the first is written.
    let trying = Writer {
        dry_run: true,
        ..writer.clone()
    };
    let mut good = Vec::new();
    let bar = progress::bar("checking", u64::try_from(lines.len()).ok());
    for (line, registration) in &lines {
        let problems = problems_of(&register(&trying, registration).await?);
        match reason(&problems) {
            None => good.push(registration),
            Some(reason) => refused.push(Refusal {
                line: *line,
                reason,
            }),
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    if options.dry_run || (!refused.is_empty() && !options.keep_going) {
        let would = if options.dry_run { good.len() } else { 0 };
        return Ok((would, refused));
    }
    let bar = progress::bar("registering", u64::try_from(good.len()).ok());
    for registration in &good {
        register(writer, registration).await?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok((good.len(), refused))
}

impl From<FacilityLine> for Registration {
    fn from(line: FacilityLine) -> Self {
        Self {
            code: line.code,
            kind: line.kind,
            contacts: Contacts {
                name: line.name,
                name_kana: line.name_kana,
                postal_code: line.postal_code,
                address: line.address,
                phone: line.phone,
                email: line.email.filter(|email| !email.is_empty()),
            },
            public_institution: line.public_institution,
            opened_on: line.opened_on,
        }
    }
}

async fn milestones(writer: &Writer<'_>, options: &Options) -> Imported {
    let (lines, mut refused) = read::<MilestoneLine>(options)?;
    let rows = resolve(writer.database, lines, options).await?;
    let trying = Writer {
        dry_run: true,
        ..writer.clone()
    };
    let mut passes = vec![(&trying, ErrorPolicy::RejectFailedRows)];
    if !options.dry_run {
        passes.push((writer, ErrorPolicy::RejectFailedRows));
    }
    let mut written = 0;
    for (pass, (writer, policy)) in passes.into_iter().enumerate() {
        if pass == 1 && !refused.is_empty() && !options.keep_going {
            return Ok((0, refused));
        }
        written = 0;
        refused.retain(|refusal| pass == 0 || !rows.iter().any(|(line, _)| *line == refusal.line));
        let bar = progress::bar("milestones", u64::try_from(rows.len()).ok());
        for chunk in rows.chunks(MOST_ROWS) {
            let steps: Vec<StepRow> = chunk.iter().map(|(_, step)| step.clone()).collect();
            let outcome = write_steps(writer, "import", &steps, policy).await?;
            for ((line, _), row) in chunk.iter().zip(outcome.rows) {
                match reason(&row.problems) {
                    None => written += 1,
                    Some(reason) => refused.push(Refusal {
                        line: *line,
                        reason,
                    }),
                }
            }
            bar.inc(u64::try_from(chunk.len()).unwrap_or(0));
        }
        bar.finish_and_clear();
    }
    Ok((written, refused))
}

async fn resolve(
    database: &Database,
    lines: Vec<(usize, MilestoneLine)>,
    options: &Options,
) -> Result<Vec<(usize, StepRow)>, kaitsu::db::DbErr> {
    let mut codes: Vec<InstitutionCode> = lines
        .iter()
        .filter_map(|(_, line)| InstitutionCode::parse(&line.code).ok())
        .collect();
    codes.sort_unstable();
    codes.dedup();
    let scope = Actor::system().scope(Permission::FacilityRead);
    let mut found: HashMap<InstitutionCode, FacilityId> = HashMap::new();
    for chunk in codes.chunks(MOST_ROWS) {
        let some = find_by_codes(database, &scope, chunk).await?;
        found.extend(some.into_iter().map(|(code, found)| (code, found.facility)));
    }
    Ok(lines
        .into_iter()
        .map(|(number, line)| {
            let facility = InstitutionCode::parse(&line.code)
                .ok()
                .and_then(|code| found.get(&code).copied());
            let step = match line.action {
                LineAction::Reached => Step::Record {
                    milestone: line.milestone,
                    on: line.on,
                    imply_earlier: options.imply_earlier,
                },
                LineAction::Withdrawn => Step::Withdraw {
                    milestone: line.milestone,
                    on: line.on,
                    with_later: options.imply_earlier,
                },
            };
            let row = StepRow {
                facility,
                step: Ok(step),
                expected_version: None,
                note: line.note.filter(|note| !note.is_empty()),
            };
            (number, row)
        })
        .collect())
}

fn problems_of(outcome: &kaitsu::milestone::service::BulkOutcome) -> Vec<Problem> {
    outcome
        .rows
        .iter()
        .flat_map(|row| row.problems.clone())
        .collect()
}

/// Every reason for which a row was refused, in English.
fn reason(problems: &[Problem]) -> Option<String> {
    let reasons: Vec<String> = problems
        .iter()
        .map(|problem| problem.message(Language::En))
        .collect();
    (!reasons.is_empty()).then(|| reasons.join(" "))
}
