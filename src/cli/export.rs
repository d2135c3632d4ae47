//! `kaitsu export`

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::PathBuf,
    process::ExitCode,
};

use clap::{Args, ValueEnum};
use kaitsu::{
    auth::Scope,
    db::{Database, FacilityId},
    facility::entity::{Cursor, Fields, ListQuery, list},
    milestone::{Action, Aspect, Milestone, entity::histories},
};

use super::{
    Outcome,
    configuration::ConfigurationOptions,
    output::{Cell, Format, Table},
    progress,
};

#[derive(Args)]
pub struct Options {
    /// What to write
    #[arg(value_enum)]
    what: What,
    /// Write to this file instead of the standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// How to write
    #[arg(long, value_enum, default_value_t = Format::Csv)]
    format: Format,
}

/// What can be exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum What {
    /// Each facility with its stage and the dates of its milestones
    Facilities,
    /// Each milestone event in force of each facility; `kaitsu import milestones` reads it
    Milestones,
}

/// Facilities read at a time.
const AT_ONCE: u64 = 1_000;

pub async fn run(configuration: &ConfigurationOptions, options: Options) -> Outcome {
    let (_, database) = configuration.open().await?;
    let mut to: Box<dyn Write> = match &options.output {
        Some(file) => Box::new(BufWriter::new(File::create(file)?)),
        None => Box::new(std::io::stdout().lock()),
    };
    let table = match options.what {
        What::Facilities => facilities(&database).await?,
        What::Milestones => milestones(&database).await?,
    };
    table.write(options.format, &mut to)?;
    to.flush()?;
    Ok(ExitCode::SUCCESS)
}

const ALL_FIELDS: Fields = Fields {
    contacts: true,
    milestones: true,
    vendor: true,
    chain: true,
    contractor: false,
};

/// Calls with each page of the registry, in the order of codes.
async fn pages(
    database: &Database,
    fields: Fields,
    mut with: impl AsyncFnMut(
        Vec<kaitsu::facility::entity::FacilityRow>,
    ) -> Result<(), kaitsu::db::DbErr>,
) -> Result<(), kaitsu::db::DbErr> {
    let all = ListQuery::default();
    let mut cursor = None;
    let bar = progress::bar("exporting", None);
    loop {
        let rows = list(
            database,
            &Scope::All,
            &all,
            fields,
            cursor.as_ref(),
            false,
            AT_ONCE,
        )
        .await?;
        bar.inc(u64::try_from(rows.len()).unwrap_or(0));
        cursor = rows.last().and_then(|row| Cursor::of(all.order, row));
        if cursor.is_none() {
            bar.finish_and_clear();
            return Ok(());
        }
        with(rows).await?;
    }
}

async fn facilities(database: &Database) -> Result<Table, kaitsu::db::DbErr> {
    let attributes = [
        "code",
        "kind",
        "prefecture",
        "name",
        "name_kana",
        "postal_code",
        "address",
        "phone",
        "email",
        "public_institution",
        "opened_on",
        "closed_on",
        "vendor",
        "chain",
        "stage",
    ];
    let dates = Milestone::ALL.map(|milestone| milestone.column().to_owned());
    let mut table = Table::new(attributes.map(str::to_owned).into_iter().chain(dates));
    pages(database, ALL_FIELDS, async |rows| {
        for row in rows {
            let contacts = row.contacts.unwrap_or_default();
            let mut cells: Vec<Cell> = vec![
                row.code.into(),
                word(&row.kind).into(),
                row.prefecture.code().into(),
                row.name.into(),
                row.name_kana.into(),
                contacts.0.into(),
                contacts.1.into(),
                contacts.2.into(),
                contacts.3.into(),
                row.public_institution.to_string().into(),
                row.opened_on.to_string().into(),
                row.closed_on.map(|day| day.to_string()).into(),
                row.vendor.map(|vendor| vendor.name).into(),
                row.chain.map(|chain| chain.name).into(),
                word(&row.stage).into(),
            ];
            let dates = row.milestones.unwrap_or_default();
            let dates = dates.values().iter();
            cells.extend(dates.map(|day| Cell::from(day.map(|day| day.to_string()))));
            table.row(cells);
        }
        Ok(())
    })
    .await?;
    Ok(table)
}

async fn milestones(database: &Database) -> Result<Table, kaitsu::db::DbErr> {
    let mut table = Table::new(["code", "milestone", "action", "on", "note"]);
    pages(database, Fields::default(), async |rows| {
        let ids: Vec<FacilityId> = rows.iter().map(|row| row.id).collect();
        let histories = histories(database, database.read(), &ids).await?;
        for row in &rows {
            let Some(history) = histories.get(&row.id) else {
                continue;
            };
            for event in history.in_force() {
                let Aspect::Milestone(milestone) = event.aspect else {
                    continue;
                };
                let action = match event.action {
                    Action::Withdrawn => "WITHDRAWN",
                    _ => "REACHED",
                };
                table.row(vec![
                    row.code.as_str().into(),
                    word(&milestone).into(),
                    action.into(),
                    event.effective_on.to_string().into(),
                    event.note.clone().into(),
                ]);
            }
        }
        Ok(())
    })
    .await?;
    Ok(table)
}

/// A word of our vocabulary as files spell it: READER_APPLIED.
fn word(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value)
        .ok()
        .and_then(|value| value.as_str().map(str::to_owned))
        .unwrap_or_default()
}
