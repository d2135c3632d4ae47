//! `kaitsu import facilities`

use std::collections::{HashMap, HashSet};

use chrono::NaiveDate;
use kaitsu::{
    auth::{OrganisationKind, entity::accounts::organisation_by_name},
    change::Writer,
    db::{Database, DbErr, OrganisationId},
    facility::{
        FacilityKind, InstitutionCode,
        entity::Contacts,
        service::{Registration, Standing, register_as},
    },
};
use serde::Deserialize;

use super::{Attempt, Imported, Lines, Options, Refusal, read};
use crate::cli::progress;

/// A line of a file of facilities.
#[derive(Debug, Deserialize)]
struct Line {
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
    #[serde(default)]
    closed_on: Option<NaiveDate>,
    #[serde(default)]
    vendor: Option<String>,
    #[serde(default)]
    chain: Option<String>,
}

/// A facility as a line has it.
type Described = (Registration, Standing);

/// Registers the facilities of a file, each in a change of its own.
pub(super) async fn import(writer: &Writer<'_>, options: &Options) -> Attempt {
    let (lines, mut refused) = read::<Line>(options)?;
    let mut described = Vec::new();
    let mut names = Names::default();
    let mut seen = HashMap::new();
    for (line, read) in lines {
        let facility = match repeated(&mut seen, line, &read.code) {
            Some(reason) => Err(reason),
            None => names.describe(writer.database, read).await?,
        };
        match facility {
            Ok(facility) => described.push((line, facility)),
            Err(reason) => refused.push(Refusal { line, reason }),
        }
    }
    let trying = Writer {
        dry_run: true,
        ..writer.clone()
    };
    let mut checked = register_all(&trying, &described, "checking").await?;
    checked.refused.extend(refused);
    if !options.goes_on(checked.refused.is_empty()) {
        return Ok(checked.given_up(options));
    }
    let bad: HashSet<usize> = checked.refused.iter().map(|refusal| refusal.line).collect();
    described.retain(|(line, _)| !bad.contains(line));
    let mut written = register_all(writer, &described, "registering").await?;
    written.refused.extend(checked.refused);
    Ok(written)
}

async fn register_all(
    writer: &Writer<'_>,
    facilities: &Lines<Described>,
    what: &'static str,
) -> Attempt {
    let mut outcome = Imported::default();
    let bar = progress::bar(what, u64::try_from(facilities.len()).ok());
    for (line, (registration, standing)) in facilities {
        let done = register_as(writer, registration, standing).await?;
        let problems: Vec<_> = done.rows.into_iter().flat_map(|row| row.problems).collect();
        outcome.take(*line, &problems);
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(outcome)
}

/// Two lines with one new code would both pass the check.
fn repeated(seen: &mut HashMap<InstitutionCode, usize>, line: usize, code: &str) -> Option<String> {
    let code = InstitutionCode::parse(code).ok()?;
    let first = *seen.entry(code).or_insert(line);
    (first != line).then(|| format!("The same code stands in line {first} already."))
}

/// Organisations by kind and name, each asked for once.
#[derive(Default)]
struct Names(HashMap<(OrganisationKind, String), Option<OrganisationId>>);

impl Names {
    /// The facility that a line describes, or why it can't be understood.
    async fn describe(
        &mut self,
        database: &Database,
        line: Line,
    ) -> Result<Result<Described, String>, DbErr> {
        let (vendor, chain) = (
            (OrganisationKind::Vendor, "vendor"),
            (OrganisationKind::Chain, "chain"),
        );
        let vendor = self.find(database, vendor, line.vendor).await?;
        let chain = self.find(database, chain, line.chain).await?;
        let (vendor, chain) = match (vendor, chain) {
            (Ok(vendor), Ok(chain)) => (vendor, chain),
            (vendor, chain) => {
                let unknown: Vec<String> =
                    [vendor.err(), chain.err()].into_iter().flatten().collect();
                return Ok(Err(unknown.join(" ")));
            }
        };
        let registration = Registration {
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
        };
        let standing = Standing {
            closed_on: line.closed_on,
            vendor,
            chain,
        };
        Ok(Ok((registration, standing)))
    }

    async fn find(
        &mut self,
        database: &Database,
        (kind, what): (OrganisationKind, &str),
        name: Option<String>,
    ) -> Result<Result<Option<OrganisationId>, String>, DbErr> {
        let Some(name) = name.filter(|name| !name.is_empty()) else {
            return Ok(Ok(None));
        };
        let key = (kind, name);
        let found = match self.0.get(&key) {
            Some(found) => *found,
            None => {
                let found = organisation_by_name(database.read(), kind, &key.1).await?;
                let id = found.map(|organisation| organisation.id);
                self.0.insert(key.clone(), id);
                id
            }
        };
        Ok(found
            .map(Some)
            .ok_or_else(|| format!("No {what} is called {}.", key.1)))
    }
}
