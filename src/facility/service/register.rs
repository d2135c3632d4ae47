//! Registering a facility.

use chrono::{Months, NaiveDate};
use serde::{Deserialize, Serialize};

use crate::{
    auth::{OrganisationKind, Permission, entity::names::kinships},
    change::{self, WriteError, Writer},
    db::{DbErr, OrganisationId, Transaction},
    facility::{
        FacilityKind, InstitutionCode,
        entity::{self, Contacts},
    },
    milestone::{
        Aspect, Event, History, Problem,
        service::{Amended, BulkOutcome, EARLIEST, RowOutcome, commit},
    },
};

/// Longest name, kana or address, in characters.
pub const MOST_NAME: usize = 200;

const FIRST_VERSION: i32 = 1;

/// A facility to be registered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registration {
    /// Its institution code, as the caller wrote it.
    pub code: String,
    /// What it is.
    pub kind: FacilityKind,
    /// How it is called and reached.
    pub contacts: Contacts,
    /// Public institution or not.
    pub public_institution: bool,
    /// The day it opened, or will open.
    pub opened_on: NaiveDate,
}

/// What is known beside that of a facility that is not new. Its vendor and its chain are its own from the day on
/// which it opened, or from [`EARLIEST`] if it opened before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// The day from which it no longer counts.
    pub closed_on: Option<NaiveDate>,
    /// The vendor it engages.
    pub vendor: Option<OrganisationId>,
    /// The chain it belongs to.
    pub chain: Option<OrganisationId>,
}

/// Registers a facility. The prefecture is that of its code.
pub async fn register(
    writer: &Writer<'_>,
    registration: &Registration,
) -> Result<BulkOutcome, WriteError> {
    register_as(writer, registration, &Standing::default()).await
}

/// Registers a facility as it stands, in one change.
pub async fn register_as(
    writer: &Writer<'_>,
    registration: &Registration,
    standing: &Standing,
) -> Result<BulkOutcome, WriteError> {
    let transaction = writer.database.begin().await?;
    let (code, mut problems) = check(writer, registration);
    let today = writer.clock.today();
    problems.extend(check_standing(&transaction, registration, standing, today).await?);
    if let Some(code) = code
        && !entity::taken_codes(&transaction, &[code]).await?.is_empty()
    {
        problems.push(Problem::CodeTaken);
    }
    let (Some(code), true) = (code, problems.is_empty()) else {
        let refused = BulkOutcome::refused(problems);
        return writer.refuse(transaction, refused).await;
    };
    if writer.dry_run {
        let tried = RowOutcome {
            version: Some(FIRST_VERSION),
            ..RowOutcome::default()
        };
        return writer.refuse(transaction, BulkOutcome::of(tried)).await;
    }
    let facility = entity::insert(&transaction, &registration.contacts).await?;
    if !entity::add_code(&transaction, facility, code).await? {
        // Somebody took it since we looked: another, or the same request that was sent twice.
        let refused = BulkOutcome::refused(vec![Problem::CodeTaken]);
        return writer.refuse(transaction, refused).await;
    }
    let change = change::record(
        &transaction,
        writer,
        writer.actor.acting_for(Permission::RegistryWrite),
        "facilityRegister",
    )
    .await?;
    let mut events = first_events(registration, code);
    events.extend(events_of(registration.opened_on, standing));
    let after = match History::new(events.clone()).derive() {
        Ok(after) => after,
        Err(broken) => {
            let refused = BulkOutcome::refused(vec![broken.into()]);
            return writer.refuse(transaction, refused).await;
        }
    };
    let amended = Amended {
        facility,
        code: code.to_string(),
        version: 0,
        before: None,
        after: after.into(),
        events,
    };
    let written = commit(writer, &transaction, change, &[amended]).await?;
    let outcome = BulkOutcome {
        change: Some(change),
        rows: vec![RowOutcome {
            facility: Some(facility),
            version: Some(FIRST_VERSION),
            events: written.into_iter().flat_map(|one| one.events).collect(),
            problems: Vec::new(),
        }],
    };
    writer.finish(transaction, outcome).await
}

/// The events with which a history begins.
fn first_events(registration: &Registration, code: InstitutionCode) -> Vec<Event> {
    let on = registration.opened_on;
    let public = registration
        .public_institution
        .then(|| Event::set(Aspect::PublicInstitution, on, Some(1)));
    [
        Event::set(Aspect::Opened, on, None),
        Event::set(Aspect::Kind, on, Some(registration.kind.code().into())),
        Event::set(
            Aspect::Prefecture,
            on,
            Some(code.prefecture().number().into()),
        ),
    ]
    .into_iter()
    .chain(public)
    .collect()
}

fn events_of(opened_on: NaiveDate, standing: &Standing) -> Vec<Event> {
    let links = [
        (Aspect::Vendor, standing.vendor),
        (Aspect::Chain, standing.chain),
    ];
    let linked = links.into_iter().filter_map(|(aspect, organisation)| {
        let id = organisation?.0;
        Some(Event::set(aspect, opened_on.max(EARLIEST), Some(id)))
    });
    let closed = standing.closed_on;
    linked
        .chain(closed.map(|on| Event::set(Aspect::Closed, on, None)))
        .collect()
}

async fn check_standing(
    transaction: &Transaction,
    registration: &Registration,
    standing: &Standing,
    today: NaiveDate,
) -> Result<Vec<Problem>, DbErr> {
    let opened_on = registration.opened_on;
    let mut problems = Vec::new();
    if let Some(closed_on) = standing.closed_on {
        if closed_on < opened_on {
            problems.push(Problem::BeforeOpening { opened_on });
        }
        problems.extend(check_announced(closed_on, today));
    }
    let links = [
        (OrganisationKind::Vendor, standing.vendor),
        (OrganisationKind::Chain, standing.chain),
    ];
    let links = links.map(|(kind, organisation)| organisation.map(|id| (id, kind)));
    let named: Vec<OrganisationId> = links.iter().flatten().map(|(id, _)| *id).collect();
    if !named.is_empty() {
        let kinds = kinships(transaction, &named).await?;
        let unknown = links
            .iter()
            .flatten()
            .filter(|(id, kind)| kinds.get(id).map(|one| one.kind) != Some(*kind));
        problems.extend(unknown.map(|_| Problem::UnknownOrganisation));
    }
    Ok(problems)
}

fn check(
    writer: &Writer<'_>,
    registration: &Registration,
) -> (Option<InstitutionCode>, Vec<Problem>) {
    let mut problems = Vec::new();
    if !writer.actor.may(Permission::RegistryWrite) {
        problems.push(Problem::Forbidden);
    }
    let code = match InstitutionCode::parse(&registration.code) {
        Ok(code) => Some(code),
        Err(error) => {
            problems.push(Problem::BadCode(error));
            None
        }
    };
    if code.is_some_and(|code| code.fee_table() != registration.kind.fee_table()) {
        problems.push(Problem::CodeDoesNotFit);
    }
    problems.extend(check_opening(registration.opened_on, writer.clock.today()));
    problems.extend(check_contacts(&registration.contacts));
    (code, problems)
}

/// Some facilities are older than a century.
pub fn check_opening(on: NaiveDate, today: NaiveDate) -> Option<Problem> {
    let earliest = EARLIEST - Months::new(12 * 150);
    let too_early = (on < earliest).then_some(Problem::TooEarly { earliest });
    check_announced(on, today).or(too_early)
}

/// What closed before the rollout began has no part in it.
pub fn check_closing(on: NaiveDate, today: NaiveDate) -> Option<Problem> {
    let too_early = (on < EARLIEST).then_some(Problem::TooEarly { earliest: EARLIEST });
    check_announced(on, today).or(too_early)
}

/// Owners announce openings and closings up to a year ahead; a later day is a slip of typing.
fn check_announced(on: NaiveDate, today: NaiveDate) -> Option<Problem> {
    (on > today + Months::new(12)).then_some(Problem::InFuture { today })
}

/// Are names and contacts of a sensible length, without control characters?
pub fn check_contacts(contacts: &Contacts) -> Option<Problem> {
    let email = contacts.email.as_deref().unwrap_or("a@b");
    let texts = [
        (&contacts.name, 1),
        (&contacts.name_kana, 0),
        (&contacts.postal_code, 0),
        (&contacts.address, 0),
        (&contacts.phone, 0),
    ];
    let sound = |text: &str, least: usize| {
        (least..=MOST_NAME).contains(&text.chars().count()) && !text.chars().any(char::is_control)
    };
    let all = texts.iter().all(|(text, least)| sound(text, *least))
        && sound(email, 3)
        && email.contains('@');
    (!all).then_some(Problem::BadText { most: MOST_NAME })
}
