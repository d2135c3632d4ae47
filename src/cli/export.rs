//! `kaitsu export`: page by page, so that it needs no more memory for a nation than for a town.

use std::{
    collections::{BTreeSet, HashMap},
    error::Error,
    fs::File,
    io::{BufWriter, Write},
    path::PathBuf,
    process::ExitCode,
};

use chrono::SecondsFormat;
use clap::{Args, ValueEnum};
use kaitsu::{
    auth::Scope,
    change::{
        self,
        feed::{self, Entry, Position},
    },
    db::{Database, DbErr, FacilityId},
    facility::entity::{Cursor, FacilityRow, Fields, ListQuery, find_all, list},
    milestone::{
        Action, Aspect, Event, History, Milestone,
        entity::{TimelineRow, histories},
    },
};

use super::{
    Outcome,
    configuration::{CLOCK, ConfigurationOptions},
    output::{Cell, FileFormat, Rows},
    progress,
};

#[derive(Args)]
pub struct Options {
    /// What to write
    #[arg(value_enum)]
    what: What,
    /// Write to this file instead of the standard output; it appears when it is whole
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// How to write
    #[arg(long, value_enum, default_value_t)]
    format: FileFormat,
}

/// What can be exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum What {
    /// Each facility with its stage and the dates of its milestones; `kaitsu import facilities` reads it
    Facilities,
    /// Each milestone event in force of each facility; `kaitsu import milestones` reads it
    Milestones,
    /// Each change of each facility from the first on, in the order of the change feed
    Changes,
}

/// Rows read at a time.
const AT_ONCE: u16 = 1_000;

type Exported = Result<(), Box<dyn Error + Send + Sync>>;

pub async fn run(configuration: &ConfigurationOptions, options: Options) -> Outcome {
    let (_, database) = configuration.open().await?;
    let Some(file) = &options.output else {
        write(&database, &options, std::io::stdout().lock()).await?;
        return Ok(ExitCode::SUCCESS);
    };
    let unfinished = file.with_added_extension("part");
    let written = write(&database, &options, File::create(&unfinished)?).await;
    if let Err(error) = written {
        std::fs::remove_file(&unfinished)?;
        return Err(error);
    }
    std::fs::rename(unfinished, file)?;
    Ok(ExitCode::SUCCESS)
}

async fn write(database: &Database, options: &Options, to: impl Write) -> Exported {
    let columns = match options.what {
        What::Facilities => facility_columns(),
        What::Milestones => columns(&["code", "milestone", "action", "on", "note"]),
        What::Changes => columns(&[
            "seq",
            "settled_at",
            "operation",
            "source",
            "organisation",
            "code",
            "events",
        ]),
    };
    let mut rows = Rows::begin(options.format, columns, BufWriter::new(to))?;
    match options.what {
        What::Facilities => facilities(database, &mut rows).await?,
        What::Milestones => milestones(database, &mut rows).await?,
        What::Changes => changes(database, &mut rows).await?,
    }
    Ok(rows.end()?)
}

fn columns(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

const ALL_FIELDS: Fields = Fields {
    names: true,
    contacts: true,
    milestones: true,
    vendor: true,
    chain: true,
    contractor: false,
    corporation: false,
    area: false,
};

/// Calls with each page of the registry, in the order of codes.
async fn pages(
    database: &Database,
    fields: Fields,
    mut with: impl AsyncFnMut(Vec<FacilityRow>) -> Exported,
) -> Exported {
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
            AT_ONCE.into(),
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

fn facility_columns() -> Vec<String> {
    let mut columns = columns(&[
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
    ]);
    columns.extend(Milestone::ALL.map(|milestone| milestone.column().to_owned()));
    columns
}

async fn facilities(database: &Database, to: &mut Rows<impl Write>) -> Exported {
    pages(database, ALL_FIELDS, async |rows| {
        for row in rows {
            to.write(&facility_cells(row))?;
        }
        Ok(())
    })
    .await
}

fn facility_cells(row: FacilityRow) -> Vec<Cell> {
    let contacts = row.contacts.unwrap_or_default();
    let (name, name_kana) = row.names.unwrap_or_default();
    let mut cells: Vec<Cell> = vec![
        row.code.into(),
        word(&row.kind).into(),
        row.prefecture.code().into(),
        name.into(),
        name_kana.into(),
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
    cells
}

async fn milestones(database: &Database, to: &mut Rows<impl Write>) -> Exported {
    pages(database, Fields::default(), async |rows| {
        let ids: Vec<FacilityId> = rows.iter().map(|row| row.id).collect();
        let histories = histories(database, database.read(), &ids).await?;
        for row in &rows {
            let Some(history) = histories.get(&row.id) else {
                continue;
            };
            for (milestone, event) in in_recordable_order(history) {
                let action = match event.action {
                    Action::Withdrawn => "WITHDRAWN",
                    _ => "REACHED",
                };
                to.write(&[
                    row.code.as_str().into(),
                    word(&milestone).into(),
                    action.into(),
                    event.effective_on.to_string().into(),
                    event.note.clone().into(),
                ])?;
            }
        }
        Ok(())
    })
    .await
}

/// Milestone events in force in an order in which they can be recorded one by one: by day, and within a day a
/// milestone after what it needs. Corrections may have been recorded in another order.
fn in_recordable_order(history: &History) -> Vec<(Milestone, &Event)> {
    let events = history.in_force().into_iter();
    let mut rest: Vec<(Milestone, &Event)> = events
        .filter_map(|event| match event.aspect {
            Aspect::Milestone(milestone) => Some((milestone, event)),
            _ => None,
        })
        .collect();
    let mut reached = BTreeSet::new();
    let mut ordered = Vec::with_capacity(rest.len());
    while let Some((_, first)) = rest.first() {
        let day = first.effective_on;
        let mut today = rest.iter().take_while(|(_, one)| one.effective_on == day);
        let place = today.position(|(milestone, event)| may_follow(&reached, *milestone, event));
        let (milestone, event) = rest.remove(place.unwrap_or(0));
        if event.action == Action::Withdrawn {
            reached.remove(&milestone);
        } else {
            reached.insert(milestone);
        }
        ordered.push((milestone, event));
    }
    ordered
}

fn may_follow(reached: &BTreeSet<Milestone>, milestone: Milestone, event: &Event) -> bool {
    match (event.action, reached.contains(&milestone)) {
        (Action::Withdrawn, true) => !reached.iter().any(|one| one.needs().contains(&milestone)),
        (Action::Reached, false) => milestone.needs().iter().all(|one| reached.contains(one)),
        _ => false,
    }
}

async fn changes(database: &Database, to: &mut Rows<impl Write>) -> Exported {
    change::settle(database, &CLOCK).await?;
    let mut place = Position::after_change(0);
    let bar = progress::bar("exporting", None);
    loop {
        let page = feed::whole(database, place, AT_ONCE.into()).await?;
        bar.inc(u64::try_from(page.entries.len()).unwrap_or(0));
        write_changes(database, &page.entries, to).await?;
        if !page.more {
            bar.finish_and_clear();
            return Ok(());
        }
        place = page.end;
    }
}

async fn write_changes(
    database: &Database,
    entries: &[Entry],
    to: &mut Rows<impl Write>,
) -> Exported {
    let changes: Vec<_> = entries
        .iter()
        .filter_map(|entry| Some((entry, entry.details.as_ref()?)))
        .collect();
    let keys: Vec<_> = changes
        .iter()
        .map(|(entry, details)| (details.change, entry.facility))
        .collect();
    let events = feed::events_of(database, &keys).await?;
    let codes = codes(database, entries).await?;
    for (entry, details) in changes {
        let recorded = events.get(&(details.change, entry.facility));
        let recorded: Vec<String> = recorded.into_iter().flatten().map(told).collect();
        to.write(&[
            entry.position.seq.into(),
            entry
                .settled_at
                .to_rfc3339_opts(SecondsFormat::Micros, true)
                .into(),
            details.operation.as_str().into(),
            word(&details.source).into(),
            details
                .organisation
                .as_ref()
                .map(|organisation| organisation.name.as_str())
                .into(),
            codes.get(&entry.facility).map(String::as_str).into(),
            recorded.join("; ").into(),
        ])?;
    }
    Ok(())
}

/// The present codes of the facilities.
async fn codes(
    database: &Database,
    entries: &[Entry],
) -> Result<HashMap<FacilityId, String>, DbErr> {
    let ids: BTreeSet<FacilityId> = entries.iter().map(|entry| entry.facility).collect();
    let ids: Vec<FacilityId> = ids.into_iter().collect();
    let found = find_all(database, &Scope::All, &ids, Fields::default()).await?;
    Ok(found.into_iter().map(|row| (row.id, row.code)).collect())
}

/// An event in the words of the API: what happened, the milestone or blocker if it is about one, from which day.
fn told(row: &TimelineRow) -> String {
    let event = &row.event;
    let withdrawn = event.action == Action::Withdrawn;
    let (what, of) = match event.aspect {
        Aspect::Milestone(milestone) if withdrawn => {
            ("MILESTONE_WITHDRAWN", Some(word(&milestone)))
        }
        Aspect::Milestone(milestone) => ("MILESTONE_REACHED", Some(word(&milestone))),
        Aspect::Plan(milestone) if withdrawn => ("MILESTONE_PLAN_DROPPED", Some(word(&milestone))),
        Aspect::Plan(milestone) => ("MILESTONE_PLANNED", Some(word(&milestone))),
        Aspect::Blocker(blocker) => {
            let what = if withdrawn {
                "BLOCKER_RESOLVED"
            } else {
                "BLOCKER_OPENED"
            };
            (what, Some(word(&blocker)))
        }
        Aspect::Opened => ("OPENED", None),
        Aspect::Closed => ("CLOSED", None),
        Aspect::Kind => ("KIND_SET", None),
        Aspect::Prefecture => ("PREFECTURE_SET", None),
        Aspect::PublicInstitution => ("PUBLIC_INSTITUTION_SET", None),
        Aspect::Vendor => ("VENDOR_SET", None),
        Aspect::Chain => ("CHAIN_SET", None),
        Aspect::Contractor => ("CONTRACTOR_SET", None),
        Aspect::Corporation => ("CORPORATION_SET", None),
        Aspect::Area => ("AREA_SET", None),
        Aspect::Installation => ("INSTALLATION_CHANGED", None),
        Aspect::Application(_) => ("APPLICATION_CHANGED", None),
        Aspect::Allocation => ("ALLOCATION_CHANGED", None),
        Aspect::Contacts => ("CONTACTS_UPDATED", None),
        Aspect::Code => ("CODE_SUCCEEDED", None),
    };
    let of = of.map(|of| format!(" {of}"));
    let voided = if row.voided_by.is_some() {
        " (voided)"
    } else {
        ""
    };
    let on = event.effective_on;
    format!("{what}{} {on}{voided}", of.unwrap_or_default())
}

/// A word of our vocabulary as files spell it: READER_APPLIED.
fn word(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value)
        .ok()
        .and_then(|value| value.as_str().map(str::to_owned))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn within_a_day_a_milestone_comes_after_what_it_needs() {
        let day = |text: &str| text.parse().unwrap();
        let (first, second) = (day("2021-03-01"), day("2021-04-01"));
        let history = History::new(vec![
            Event::reached(Milestone::Live, first),
            Event::reached(Milestone::Ready, first),
            Event::reached(Milestone::ReaderApplied, first),
            Event::withdrawn(Milestone::ReaderApplied, second),
            Event::withdrawn(Milestone::Live, second),
            Event::withdrawn(Milestone::Ready, second),
        ]);
        let ordered: Vec<Milestone> = in_recordable_order(&history)
            .into_iter()
            .map(|(milestone, _)| milestone)
            .collect();
        use Milestone::{Live, ReaderApplied, Ready};
        assert_eq!(
            ordered,
            [ReaderApplied, Ready, Live, Live, Ready, ReaderApplied]
        );
    }
}
