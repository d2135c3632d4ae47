//! `kaitsu import milestones`

use std::collections::HashMap;

use chrono::NaiveDate;
use kaitsu::{
    auth::{Actor, Permission},
    change::Writer,
    db::{Database, DbErr, FacilityId},
    facility::{InstitutionCode, entity::find_by_codes},
    milestone::{
        Milestone, Problem,
        service::{ErrorPolicy, MOST_ROWS, Step, StepRow, already_recorded, write_steps},
    },
};
use serde::Deserialize;

use super::{Attempt, Imported, Lines, Options, read};
use crate::cli::progress;

/// A line of a file of milestones.
#[derive(Debug, Deserialize)]
struct Line {
    code: String,
    milestone: Milestone,
    #[serde(default)]
    action: Action,
    on: NaiveDate,
    #[serde(default)]
    note: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Action {
    #[default]
    Reached,
    Withdrawn,
}

/// Writes the milestones of a file in chunks, each in one change. The lines of one facility keep their order and
/// stand in one chunk, since a line may rest on those before it.
pub(super) async fn import(writer: &Writer<'_>, options: &Options) -> Attempt {
    let (lines, unread) = read::<Line>(options)?;
    let mut rows = resolve(writer.database, lines, options).await?;
    rows.sort_by_key(|(_, row)| row.named());
    let trying = Writer {
        dry_run: true,
        ..writer.clone()
    };
    let checked = write_all(&trying, &rows, "checking").await?;
    let all_good = unread.is_empty() && checked.refused.is_empty();
    let mut outcome = if options.goes_on(all_good) {
        write_all(writer, &rows, "recording").await?
    } else {
        checked.given_up(options)
    };
    outcome.refused.extend(unread);
    Ok(outcome)
}

async fn write_all(writer: &Writer<'_>, rows: &Lines<StepRow>, what: &'static str) -> Attempt {
    let mut outcome = Imported::default();
    let bar = progress::bar(what, u64::try_from(rows.len()).ok());
    for chunk in chunks(rows, MOST_ROWS) {
        let (lines, steps) = unrecorded(writer.database, chunk).await?;
        outcome.already_there += chunk.len() - steps.len();
        let done = write_steps(writer, "import", &steps, ErrorPolicy::RejectFailedRows).await?;
        for (line, row) in lines.iter().zip(done.rows) {
            let problems = row.problems.into_iter();
            let problems: Vec<Problem> = problems.map(|one| in_file(one, &lines)).collect();
            outcome.take(*line, &problems);
        }
        bar.inc(u64::try_from(chunk.len()).unwrap_or(0));
    }
    bar.finish_and_clear();
    Ok(outcome)
}

/// The rows of a chunk that say something new, with their lines apart.
async fn unrecorded(
    database: &Database,
    chunk: &[(usize, StepRow)],
) -> Result<(Vec<usize>, Vec<StepRow>), DbErr> {
    let (lines, steps): (Vec<usize>, Vec<StepRow>) = chunk.iter().cloned().unzip();
    let recorded = already_recorded(database, &steps).await?;
    let rows = lines.into_iter().zip(steps).zip(recorded);
    let new = rows.filter(|(_, recorded)| !recorded);
    Ok(new.map(|(row, _)| row).unzip())
}

/// Chunks of at most so many rows that part the rows of no facility, unless it has more by itself.
fn chunks(rows: &[(usize, StepRow)], most: usize) -> Vec<&[(usize, StepRow)]> {
    let (mut chunks, mut rest) = (Vec::new(), rows);
    while !rest.is_empty() {
        let mut size = 0;
        for rows in rest.chunk_by(|(_, one), (_, other)| one.facility == other.facility) {
            if size > 0 && size + rows.len() > most {
                break;
            }
            size += rows.len();
        }
        let (chunk, later) = rest.split_at(size);
        chunks.push(chunk);
        rest = later;
    }
    chunks
}

/// A problem that names a row names its line in the file.
fn in_file(problem: Problem, lines: &[usize]) -> Problem {
    match problem {
        Problem::DuplicateRow { first } => Problem::DuplicateRow {
            // The message counts from 1.
            first: lines.get(first).map_or(first, |line| line - 1),
        },
        other => other,
    }
}

async fn resolve(
    database: &Database,
    lines: Lines<Line>,
    options: &Options,
) -> Result<Lines<StepRow>, DbErr> {
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
    let row = |line: Line| {
        let facility = match InstitutionCode::parse(&line.code) {
            Ok(code) => found.get(&code).copied().ok_or(Problem::NotFound),
            Err(slip) => Err(Problem::BadFacilityCode(slip)),
        };
        StepRow {
            facility,
            step: Ok(step(&line, options)),
            expected_version: None,
            note: line.note.filter(|note| !note.is_empty()),
        }
    };
    let lines = lines.into_iter();
    Ok(lines.map(|(number, line)| (number, row(line))).collect())
}

fn step(line: &Line, options: &Options) -> Step {
    match line.action {
        Action::Reached => Step::Record {
            milestone: line.milestone,
            on: line.on,
            imply_earlier: options.imply_earlier,
        },
        Action::Withdrawn => Step::Withdraw {
            milestone: line.milestone,
            on: line.on,
            with_later: options.imply_earlier,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(facilities: &[i64]) -> Vec<(usize, StepRow)> {
        let row = |(line, id): (usize, &i64)| {
            let step = Step::Plan {
                milestone: Milestone::Live,
                on: None,
            };
            let row = StepRow {
                facility: Ok(FacilityId(*id)),
                step: Ok(step),
                expected_version: None,
                note: None,
            };
            (line, row)
        };
        facilities.iter().enumerate().map(row).collect()
    }

    #[test]
    fn a_chunk_ends_between_two_facilities() {
        let sizes = |facilities: &[i64]| -> Vec<usize> {
            let rows = rows(facilities);
            chunks(&rows, 3).into_iter().map(<[_]>::len).collect()
        };
        assert_eq!(sizes(&[1, 1, 2, 2, 3]), [2, 3]);
        assert_eq!(sizes(&[1, 1, 1, 1, 2]), [4, 1]);
        assert_eq!(sizes(&[1, 2, 3, 4, 5, 6]), [3, 3]);
        assert_eq!(sizes(&[]), Vec::<usize>::new());
    }
}
