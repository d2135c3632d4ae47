//! `kaitsu figures`

use std::{collections::HashMap, process::ExitCode};

use chrono::{DateTime, NaiveDate, Utc};
use clap::{Args, ValueEnum};
use kaitsu::{
    auth::{Actor, entity::names as organisation_names},
    change::{self, Known},
    db::{Database, OrganisationId},
    facility::Bureau,
    figures::{
        Counts,
        entity::rows::Filter,
        service::{self, Answer, Group, Question, Reading},
    },
};

use super::{
    Outcome,
    configuration::{CLOCK, ConfigurationOptions},
    output::{Cell, Format, Table},
};

#[derive(Args)]
pub struct Options {
    /// What was true on this day; today if not given
    #[arg(long, value_name = "DATE")]
    as_of: Option<NaiveDate>,
    /// As it was known at this instant, such as 2021-12-19T23:59:59+09:00; now if not given
    #[arg(long, value_name = "INSTANT")]
    known_at: Option<DateTime<Utc>>,
    /// Print the same for this day, and the differences
    #[arg(long, value_name = "DATE")]
    compare_with: Option<NaiveDate>,
    /// Split by these, such as kind,prefecture
    #[arg(long, value_enum, value_delimiter = ',', value_name = "DIMENSIONS")]
    by: Vec<Dimension>,
    /// How to print: as_of, the dimensions, all, applied, ready, live
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// What figures can be split by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Dimension {
    /// Hospital, medical clinic, dental clinic, pharmacy
    Kind,
    /// One of 47
    Prefecture,
    /// One of eight
    Bureau,
    /// The vendor that is engaged
    Vendor,
    /// The chain that a facility belongs to
    Chain,
}

impl From<Dimension> for service::Dimension {
    fn from(dimension: Dimension) -> Self {
        match dimension {
            Dimension::Kind => Self::Kind,
            Dimension::Prefecture => Self::Prefecture,
            Dimension::Bureau => Self::Bureau,
            Dimension::Vendor => Self::Vendor,
            Dimension::Chain => Self::Chain,
        }
    }
}

pub async fn run(configuration: &ConfigurationOptions, options: Options) -> Outcome {
    let (_, database) = configuration.open().await?;
    let known = change::resolve_known_at(&database, &CLOCK, options.known_at).await?;
    let as_of = options.as_of.unwrap_or_else(|| CLOCK.today());
    let by = &options.by;
    // Two days as they are known now must fit each other while others write; what is settled always does.
    let reading = match (options.compare_with, known) {
        (Some(_), Known::Now) => Reading::together(&database).await?,
        _ => Reading::apart(&database),
    };
    let now = figures(&reading, by, as_of, known).await?;
    let then = match options.compare_with {
        Some(day) => Some((day, figures(&reading, by, day, known).await?)),
        None => None,
    };
    reading.end().await?;
    let names = names(&database, [Some(&now), then.as_ref().map(|(_, then)| then)]).await?;
    let mut table = Table::new(headings(by));
    print_rows(&mut table, by, &as_of.to_string(), &now, &names);
    if let Some((day, then)) = then {
        print_rows(&mut table, by, &day.to_string(), &then, &names);
        let mut difference = now;
        for (group, counts) in then {
            *difference.entry(group).or_default() -= counts;
        }
        let label = format!("{as_of} - {day}");
        print_rows(&mut table, by, &label, &difference, &names);
    }
    table.print(options.format)?;
    Ok(ExitCode::SUCCESS)
}

async fn figures(
    reading: &Reading<'_>,
    by: &[Dimension],
    as_of: NaiveDate,
    known: Known,
) -> Result<Answer, kaitsu::db::DbErr> {
    let question = Question {
        as_of,
        known,
        filter: Filter::default(),
        group_by: by.iter().copied().map(Into::into).collect(),
    };
    reading.ask(&Actor::system(), &question).await
}

fn headings(by: &[Dimension]) -> Vec<String> {
    let dimensions = by
        .iter()
        .map(|dimension| format!("{dimension:?}").to_lowercase());
    let counts = ["all", "applied", "ready", "live"].map(str::to_owned);
    ["as_of".to_owned()]
        .into_iter()
        .chain(dimensions)
        .chain(counts)
        .collect()
}

type Names = HashMap<OrganisationId, String>;

/// The names of all that any of the answers counts: an organisation may have had facilities on one day only.
async fn names(
    database: &Database,
    answers: [Option<&Answer>; 2],
) -> Result<Names, kaitsu::db::DbErr> {
    let ids: Vec<OrganisationId> = answers
        .into_iter()
        .flatten()
        .flat_map(Answer::keys)
        .flat_map(|group| [group.vendor, group.chain])
        .filter_map(Option::flatten)
        .collect();
    organisation_names::names(database, &ids).await
}

fn print_rows(table: &mut Table, by: &[Dimension], as_of: &str, answer: &Answer, names: &Names) {
    let none = Counts::ZERO;
    let empty = [(&Group::default(), &none)];
    let rows: Vec<_> = if answer.is_empty() && by.is_empty() {
        empty.into_iter().collect()
    } else {
        answer.iter().collect()
    };
    for (group, counts) in rows {
        let dimensions = by.iter().map(|dimension| cell(*dimension, group, names));
        let counts = [counts.all, counts.applied, counts.ready, counts.live].map(Cell::from);
        table.row(
            [Cell::from(as_of)]
                .into_iter()
                .chain(dimensions)
                .chain(counts)
                .collect(),
        );
    }
}

fn cell(dimension: Dimension, group: &Group, names: &Names) -> Cell {
    let organisation = |id: Option<Option<OrganisationId>>| {
        id.flatten()
            .map(|id| names.get(&id).cloned().unwrap_or_else(|| id.to_string()))
            .into()
    };
    match dimension {
        Dimension::Kind => group.kind.map(|kind| code(&kind)).into(),
        Dimension::Prefecture => group.prefecture.map(|prefecture| prefecture.code()).into(),
        Dimension::Bureau => group.bureau.map(Bureau::name_ja).into(),
        Dimension::Vendor => organisation(group.vendor),
        Dimension::Chain => organisation(group.chain),
    }
}

/// A kind as files spell it: `medical_clinic`.
fn code(kind: &kaitsu::facility::FacilityKind) -> String {
    serde_json::to_value(kind)
        .ok()
        .and_then(|value| value.as_str().map(str::to_lowercase))
        .unwrap_or_default()
}
