//! What an amendment makes of a facility's history, and what it writes beside it.

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::NaiveDate;

use super::{
    amend::{AmendRow, Amendment, ContactsPatch},
    link::{end_of_wrong_handing_on, ends_of_parts, plan_link},
    register::{check_closing, check_contacts, check_opening},
};
use crate::{
    auth::entity::names::{Kinship, kinships},
    db::{DbErr, EventId, FacilityId, OrganisationId, Transaction},
    facility::{
        FacilityKind, InstitutionCode, Prefecture,
        entity::{self, Contacts},
    },
    milestone::{
        Aspect, Current, Event, History, Problem, check_note,
        entity::LockedState,
        service::{EARLIEST, Working, correction},
    },
};

/// A facility under amendment, its row locked, as the rows so far leave it.
pub(super) struct Subject<'a> {
    pub(super) state: &'a LockedState,
    pub(super) history: &'a History,
    current: &'a Current,
    pub(super) today: NaiveDate,
}

impl<'a> Subject<'a> {
    pub(super) fn of(working: &'a Working, today: NaiveDate) -> Self {
        Self {
            state: &working.state,
            history: working.history(),
            current: &working.after().current,
            today,
        }
    }

    /// The event in force of these aspects that took effect last.
    pub(super) fn last(&self, aspects: &[Aspect]) -> Option<&'a Event> {
        self.history
            .in_force()
            .into_iter()
            .rfind(|event| aspects.contains(&event.aspect))
    }
}

/// The events of an amendment, and what it writes beside them.
#[derive(Default)]
pub(super) struct Plan {
    pub(super) events: Vec<Event>,
    pub(super) contacts: Option<Contacts>,
    pub(super) code: Option<(InstitutionCode, NaiveDate)>,
}

/// What rows are checked against beside the histories.
pub(super) struct Ground {
    pub(super) organisations: HashMap<OrganisationId, Kinship>,
    pub(super) taken: HashSet<InstitutionCode>,
    pub(super) contacts: BTreeMap<FacilityId, Contacts>,
}

impl Ground {
    pub(super) async fn read(transaction: &Transaction, rows: &[AmendRow]) -> Result<Self, DbErr> {
        let (mut organisations, mut codes, mut facilities) = (Vec::new(), Vec::new(), Vec::new());
        for row in rows {
            match (&row.amendment, &row.facility) {
                (Ok(Amendment::Link { organisation, .. }), _) => organisations.extend(organisation),
                (Ok(Amendment::Succeed { code, .. }), _) => {
                    codes.extend(InstitutionCode::parse(code).ok());
                }
                (Ok(Amendment::Contacts(_)), Ok(facility)) => facilities.push(*facility),
                _ => {}
            }
        }
        organisations.sort_unstable();
        organisations.dedup();
        let mut ground = Self {
            organisations: HashMap::new(),
            taken: HashSet::new(),
            contacts: BTreeMap::new(),
        };
        if !organisations.is_empty() {
            ground.organisations = kinships(transaction, &organisations).await?;
        }
        if !codes.is_empty() {
            ground.taken = entity::taken_codes(transaction, &codes).await?;
        }
        if !facilities.is_empty() {
            ground.contacts = entity::contacts_of(transaction, &facilities).await?;
        }
        Ok(ground)
    }
}

/// What an amendment of a facility takes.
///
/// # Errors
/// Why it can't be done.
pub(super) fn plan(
    ground: &Ground,
    subject: &Subject<'_>,
    amendment: &Amendment,
) -> Result<Plan, Problem> {
    match amendment {
        Amendment::Contacts(patch) => {
            let now = ground.contacts.get(&subject.state.facility);
            plan_contacts(subject, now.ok_or(Problem::NotFound)?, patch)
        }
        Amendment::Succeed { code, on } => plan_code(&ground.taken, subject, code, *on),
        Amendment::Close { on } => plan_closing(subject, *on),
        Amendment::Reopen => plan_reopening(subject),
        Amendment::Reclassify {
            kind,
            public_institution,
            on,
        } => plan_class(subject, *kind, *public_institution, *on),
        Amendment::Link {
            kind,
            organisation,
            on,
        } => plan_link(&ground.organisations, subject, *kind, *organisation, *on),
        Amendment::Correct { event, on, note } => {
            plan_correction(subject, *event, *on, note.as_ref())
        }
    }
}

pub(super) fn check_day(subject: &Subject<'_>, on: NaiveDate) -> Result<(), Problem> {
    if on > subject.today {
        return Err(Problem::InFuture {
            today: subject.today,
        });
    }
    if on < EARLIEST {
        return Err(Problem::TooEarly { earliest: EARLIEST });
    }
    Ok(())
}

/// What a facility is can change only while it is open.
fn check_open(subject: &Subject<'_>, on: NaiveDate) -> Result<(), Problem> {
    let opened_on = subject.current.opened_on;
    match subject.current.closed_on {
        _ if on < opened_on => Err(Problem::BeforeOpening { opened_on }),
        Some(closed_on) if on >= closed_on => Err(Problem::AfterClosing { closed_on }),
        _ => Ok(()),
    }
}

fn plan_class(
    subject: &Subject<'_>,
    kind: Option<FacilityKind>,
    public_institution: Option<bool>,
    on: NaiveDate,
) -> Result<Plan, Problem> {
    check_day(subject, on)?;
    check_open(subject, on)?;
    let code = InstitutionCode::parse(&subject.state.code).map_err(Problem::BadCode)?;
    if kind.is_some_and(|kind| kind.fee_table() != code.fee_table()) {
        return Err(Problem::KindDoesNotFit);
    }
    let kind = kind.map(|kind| (Aspect::Kind, i64::from(kind.code())));
    let public = public_institution.map(|public| (Aspect::PublicInstitution, i64::from(public)));
    plan_values(subject, on, kind.into_iter().chain(public))
}

pub(super) fn plan_values(
    subject: &Subject<'_>,
    on: NaiveDate,
    values: impl Iterator<Item = (Aspect, i64)>,
) -> Result<Plan, Problem> {
    let events: Vec<Event> = values
        .filter(|(aspect, value)| subject.history.value_on(*aspect, on).unwrap_or(0) != *value)
        .map(|(aspect, value)| Event::set(aspect, on, Some(value)))
        .collect();
    if events.is_empty() {
        return Err(Problem::NothingToDo);
    }
    Ok(Plan {
        events,
        ..Plan::default()
    })
}

fn plan_contacts(
    subject: &Subject<'_>,
    now: &Contacts,
    patch: &ContactsPatch,
) -> Result<Plan, Problem> {
    let or = |new: &Option<String>, old: &String| new.clone().unwrap_or_else(|| old.clone());
    let contacts = Contacts {
        name: or(&patch.name, &now.name),
        name_kana: or(&patch.name_kana, &now.name_kana),
        postal_code: or(&patch.postal_code, &now.postal_code),
        address: or(&patch.address, &now.address),
        phone: or(&patch.phone, &now.phone),
        email: match &patch.email {
            None => now.email.clone(),
            Some(email) => Some(email.clone()).filter(|email| !email.is_empty()),
        },
    };
    if contacts == *now {
        return Err(Problem::NothingToDo);
    }
    if let Some(problem) = check_contacts(&contacts) {
        return Err(problem);
    }
    Ok(Plan {
        events: vec![Event::set(Aspect::Contacts, subject.today, None)],
        contacts: Some(contacts),
        code: None,
    })
}

fn plan_code(
    taken: &HashSet<InstitutionCode>,
    subject: &Subject<'_>,
    code: &str,
    on: NaiveDate,
) -> Result<Plan, Problem> {
    let code = InstitutionCode::parse(code).map_err(Problem::BadCode)?;
    check_succession(subject, on)?;
    let old = InstitutionCode::parse(&subject.state.code).ok();
    if old.is_some_and(|old| old.fee_table() != code.fee_table()) {
        return Err(Problem::CodeDoesNotFit);
    }
    if taken.contains(&code) {
        return Err(Problem::CodeTaken);
    }
    let moved = (code.prefecture() != subject.state.prefecture)
        .then(|| prefecture_event(code.prefecture(), on));
    let number = i64::try_from(code.number()).ok();
    let events = [Event::set(Aspect::Code, on, number)]
        .into_iter()
        .chain(moved)
        .collect();
    Ok(Plan {
        events,
        contacts: None,
        code: Some((code, on)),
    })
}

/// A code holds until the next one does, so successions are recorded in their order. On the same day a later one
/// stands for the earlier: a code that was mistyped is put right so.
fn check_succession(subject: &Subject<'_>, on: NaiveDate) -> Result<(), Problem> {
    check_day(subject, on)?;
    check_open(subject, on)?;
    match subject.last(&[Aspect::Code, Aspect::Prefecture]) {
        Some(last) if on < last.effective_on => Err(Problem::BeforeLastCode {
            since: last.effective_on,
        }),
        _ => Ok(()),
    }
}

fn prefecture_event(prefecture: Prefecture, on: NaiveDate) -> Event {
    Event::set(Aspect::Prefecture, on, Some(prefecture.number().into()))
}

/// Milestones from the day of the closing on would be lost, and refuse it.
fn plan_closing(subject: &Subject<'_>, on: NaiveDate) -> Result<Plan, Problem> {
    if let Some(closing) = subject.last(&[Aspect::Closed]) {
        return Err(Problem::AfterClosing {
            closed_on: closing.effective_on,
        });
    }
    if let Some(problem) = check_closing(on, subject.today) {
        return Err(problem);
    }
    Ok(Plan {
        events: vec![Event::set(Aspect::Closed, on, None)],
        ..Plan::default()
    })
}

fn plan_reopening(subject: &Subject<'_>) -> Result<Plan, Problem> {
    let closing = subject
        .last(&[Aspect::Closed])
        .ok_or(Problem::NothingToDo)?;
    Ok(Plan {
        events: vec![Event::voided(closing)],
        ..Plan::default()
    })
}

fn plan_correction(
    subject: &Subject<'_>,
    event: EventId,
    on: Option<NaiveDate>,
    note: Option<&String>,
) -> Result<Plan, Problem> {
    let wrong = subject.history.find(event).ok_or(Problem::EventNotFound)?;
    if let Some(on) = on {
        check_right_day(subject, wrong.aspect, on)?;
    }
    if let Some(problem) = check_note(note.map(String::as_str)) {
        return Err(problem);
    }
    let mut events = correction(subject.history, event, on)?;
    for first in first_values(subject, wrong, on) {
        events.extend(correction(subject.history, first, on)?);
    }
    match wrong.aspect {
        Aspect::Vendor => events.extend(end_of_wrong_handing_on(subject, &events)),
        Aspect::Chain => events.extend(ends_of_parts(subject.history, &events)),
        Aspect::Corporation | Aspect::Area => {
            let chain = |day| subject.history.value_on(Aspect::Chain, day).unwrap_or(0);
            // That it left one is right on any day on which it was one's.
            let came = wrong.value.unwrap_or(0) != 0;
            if came && on.is_some_and(|on| chain(on) != chain(wrong.effective_on)) {
                return Err(Problem::NotItsChain);
            }
        }
        _ => {}
    }
    Ok(Plan {
        events: events
            .into_iter()
            .map(|event| event.with_note(note.cloned()))
            .collect(),
        ..Plan::default()
    })
}

/// The days that are possible are those on which it could have been recorded.
fn check_right_day(subject: &Subject<'_>, aspect: Aspect, on: NaiveDate) -> Result<(), Problem> {
    match aspect {
        Aspect::Opened => check_opening(on, subject.today).map_or(Ok(()), Err),
        Aspect::Closed => check_closing(on, subject.today).map_or(Ok(()), Err),
        Aspect::Kind | Aspect::PublicInstitution => {
            check_day(subject, on)?;
            check_open(subject, on)
        }
        _ => check_day(subject, on),
    }
}

/// An opening that was earlier takes along what the facility has been from its first day.
fn first_values(subject: &Subject<'_>, wrong: &Event, on: Option<NaiveDate>) -> Vec<EventId> {
    const FIRST: [Aspect; 3] = [Aspect::Kind, Aspect::Prefecture, Aspect::PublicInstitution];
    let earlier = on.is_some_and(|on| on < wrong.effective_on);
    if wrong.aspect != Aspect::Opened || !earlier {
        return Vec::new();
    }
    subject
        .history
        .in_force()
        .into_iter()
        .filter(|event| event.effective_on == wrong.effective_on && FIRST.contains(&event.aspect))
        .filter_map(|event| event.id)
        .collect()
}
