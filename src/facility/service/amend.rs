//! Amending facilities, one or thousands in a request: contacts, a new code, closing, reclassification, their vendors and
//! chains.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::{
    link::{end_of_wrong_handing_on, hands_on_its_own_work, plan_link},
    register::{check_closing, check_contacts, check_opening},
};
use crate::{
    auth::{Actor, OrganisationKind, Permission, allows, entity::names::kinds_of},
    change::{self, WriteError, Writer},
    db::{DbErr, EventId, FacilityId, OrganisationId, Transaction},
    facility::{
        FacilityKind, InstitutionCode, Prefecture,
        entity::{self, Contacts},
    },
    milestone::{
        Aspect, Current, Event, History, Problem, check_note,
        entity::LockedState,
        service::{
            BulkOutcome, Draft, EARLIEST, ErrorPolicy, RowOutcome, Rows, Taken, Working, commit,
            correction,
        },
    },
};

/// New contacts; `None` leaves one as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContactsPatch {
    /// Its name.
    pub name: Option<String>,
    /// Its name in katakana.
    pub name_kana: Option<String>,
    /// Its postal code.
    pub postal_code: Option<String>,
    /// Its address.
    pub address: Option<String>,
    /// Its telephone number.
    pub phone: Option<String>,
    /// Its mail address; an empty text removes it.
    pub email: Option<String>,
}

/// What to amend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Amendment {
    /// Names and contacts.
    Contacts(ContactsPatch),
    /// A new institution code from a day on (承継).
    Succeed {
        /// The new code, as the caller wrote it.
        code: String,
        /// From when.
        on: NaiveDate,
    },
    /// Closed from a day on.
    Close {
        /// The first day on which it no longer counts.
        on: NaiveDate,
    },
    /// The closing was a mistake.
    Reopen,
    /// Other attributes from a day on; `None` leaves one as it is.
    Reclassify {
        /// What it is.
        kind: Option<FacilityKind>,
        /// Public institution or not.
        public_institution: Option<bool>,
        /// From when.
        on: NaiveDate,
    },
    /// Engages a vendor, joins a chain or is handed on, from a day on; `None` ends it.
    Link {
        /// The link's kind: VENDOR, CHAIN or SUPPORT_CONTRACTOR.
        kind: OrganisationKind,
        /// The organisation.
        organisation: Option<OrganisationId>,
        /// From when.
        on: NaiveDate,
    },
    /// A record of the registry or a link was a mistake: it is voided, and perhaps replaced by the same on another
    /// day.
    Correct {
        /// Which event.
        event: EventId,
        /// The right day; `None` if it never happened.
        on: Option<NaiveDate>,
        /// A remark kept with the correction.
        note: Option<String>,
    },
}

impl Amendment {
    fn permission(&self, history: &History) -> Result<Permission, Problem> {
        Ok(match self {
            Self::Contacts(_) => Permission::ContactWrite,
            Self::Link { kind, .. } => match kind {
                OrganisationKind::SupportContractor => Permission::HandOn,
                _ => Permission::LinkWrite,
            },
            Self::Succeed { .. } | Self::Close { .. } | Self::Reopen | Self::Reclassify { .. } => {
                Permission::RegistryWrite
            }
            Self::Correct { event, .. } => history
                .find(*event)
                .and_then(|wrong| permission_to_correct(wrong.aspect))
                .ok_or(Problem::EventNotFound)?,
        })
    }

    /// The mutation that asks for it.
    pub fn operation(&self) -> &'static str {
        match self {
            Self::Correct { .. } => "facilityCorrect",
            Self::Contacts(_) => "facilityUpdate",
            Self::Succeed { .. } => "facilitySucceed",
            Self::Close { .. } => "facilityClose",
            Self::Reopen => "facilityReopen",
            Self::Reclassify { .. } => "facilityReclassify",
            Self::Link { .. } => "facilityLink",
        }
    }
}

/// Whoever may record such a thing may correct it.
fn permission_to_correct(aspect: Aspect) -> Option<Permission> {
    match aspect {
        Aspect::Opened | Aspect::Closed | Aspect::Kind | Aspect::PublicInstitution => {
            Some(Permission::RegistryWrite)
        }
        Aspect::Vendor | Aspect::Chain => Some(Permission::LinkWrite),
        Aspect::Contractor => Some(Permission::HandOn),
        // Milestones, plans, blockers and work orders have their own mutations, contacts are written anew, and a code, with the prefecture
        // that follows from it, is succeeded by another.
        Aspect::Milestone(_)
        | Aspect::Plan(_)
        | Aspect::Blocker(_)
        | Aspect::Installation
        | Aspect::Contacts
        | Aspect::Code
        | Aspect::Prefecture => None,
    }
}

/// One row of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AmendRow {
    /// The facility, or why there is none.
    pub facility: Result<FacilityId, Problem>,
    /// What to amend, or what is wrong with how it was asked.
    pub amendment: Result<Amendment, Problem>,
    /// The version the caller read.
    pub expected_version: Option<i32>,
}

/// A facility under amendment, its row locked, as the rows so far leave it.
pub(super) struct Subject<'a> {
    pub(super) state: &'a LockedState,
    pub(super) history: &'a History,
    current: &'a Current,
    pub(super) today: NaiveDate,
}

impl<'a> Subject<'a> {
    fn of(working: &'a Working, today: NaiveDate) -> Self {
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
    contacts: Option<Contacts>,
    code: Option<(InstitutionCode, NaiveDate)>,
}

/// Amends facilities in one transaction, by the error policy, or answers as the first time if that was done before under
/// the same key. A row that did not name its facility rightly is refused for that.
pub async fn amend(
    writer: &Writer<'_>,
    operation: &'static str,
    rows: &[AmendRow],
    policy: ErrorPolicy,
) -> Result<BulkOutcome, WriteError> {
    let transaction = writer.database.begin().await?;
    let mut request = Request::read(writer, &transaction, rows).await?;
    for (index, row) in rows.iter().enumerate() {
        request.take(writer, index, row);
    }
    let refused = request.rows.refused() && policy == ErrorPolicy::RejectAll;
    let nothing = refused || request.draft.is_unchanged();
    if nothing || writer.dry_run {
        let outcome = request
            .rows
            .into_outcome(&request.draft, None, &[], nothing);
        return writer.refuse(transaction, outcome).await;
    }
    let organisation = request.in_name_of(writer.actor);
    let change = change::record(&transaction, writer, organisation, operation).await?;
    entity::update_contacts(&transaction, &request.called).await?;
    for (facility, code, on) in &request.codes {
        if !entity::replace_code(&transaction, *facility, *code, *on).await? {
            // Somebody took it since we looked.
            let refused = code_taken(rows, code);
            return writer.leave_nothing(transaction, refused).await;
        }
    }
    let written = commit(writer, &transaction, change, &request.draft.amended()).await?;
    let outcome = request
        .rows
        .into_outcome(&request.draft, Some(change), &written, false);
    writer.finish(transaction, outcome).await
}

/// Nothing is written, since a code was taken in the meantime.
fn code_taken(rows: &[AmendRow], taken: &InstitutionCode) -> BulkOutcome {
    let asked = |row: &AmendRow| match &row.amendment {
        Ok(Amendment::Succeed { code, .. }) => InstitutionCode::parse(code).ok(),
        _ => None,
    };
    let rows = rows.iter().map(|row| RowOutcome {
        facility: row.facility.as_ref().ok().copied(),
        problems: (asked(row) == Some(*taken))
            .then_some(Problem::CodeTaken)
            .into_iter()
            .collect(),
        ..RowOutcome::default()
    });
    BulkOutcome {
        change: None,
        rows: rows.collect(),
    }
}

/// What no two rows of a request may amend of the same facility.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Part {
    Contacts,
    Code,
    Closing,
    Class(NaiveDate),
    Link(OrganisationKind, NaiveDate),
    Event(EventId),
}

impl From<&Amendment> for Part {
    fn from(amendment: &Amendment) -> Self {
        match amendment {
            Amendment::Contacts(_) => Self::Contacts,
            Amendment::Succeed { .. } => Self::Code,
            Amendment::Close { .. } | Amendment::Reopen => Self::Closing,
            Amendment::Reclassify { on, .. } => Self::Class(*on),
            Amendment::Link { kind, on, .. } => Self::Link(*kind, *on),
            Amendment::Correct { event, .. } => Self::Event(*event),
        }
    }
}

/// What rows are checked against beside the histories.
struct Ground {
    organisations: HashMap<OrganisationId, OrganisationKind>,
    taken: HashSet<InstitutionCode>,
    contacts: BTreeMap<FacilityId, Contacts>,
}

impl Ground {
    async fn read(transaction: &Transaction, rows: &[AmendRow]) -> Result<Self, DbErr> {
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
            ground.organisations = kinds_of(transaction, &organisations).await?;
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

/// The request while its rows are checked one by one.
struct Request {
    draft: Draft,
    ground: Ground,
    seen: HashMap<(FacilityId, Part), usize>,
    /// What it takes to write what the rows so far do.
    needed: BTreeSet<(FacilityId, Permission)>,
    called: BTreeMap<FacilityId, Contacts>,
    codes: Vec<(FacilityId, InstitutionCode, NaiveDate)>,
    rows: Rows,
}

impl Request {
    async fn read(
        writer: &Writer<'_>,
        transaction: &Transaction,
        rows: &[AmendRow],
    ) -> Result<Self, DbErr> {
        let named = rows
            .iter()
            .filter_map(|row| row.facility.as_ref().ok().copied());
        Ok(Self {
            draft: Draft::read(writer, transaction, named.collect()).await?,
            ground: Ground::read(transaction, rows).await?,
            seen: HashMap::new(),
            needed: BTreeSet::new(),
            called: BTreeMap::new(),
            codes: Vec::new(),
            rows: Rows::default(),
        })
    }

    fn take(&mut self, writer: &Writer<'_>, index: usize, row: &AmendRow) {
        let checked = self.check(writer, index, row);
        self.rows.push(row.facility.as_ref().ok().copied(), checked);
    }

    /// Checks a row and takes its amendment. Answers how many events it makes.
    fn check(
        &mut self,
        writer: &Writer<'_>,
        index: usize,
        row: &AmendRow,
    ) -> Result<usize, Vec<Problem>> {
        let one = |problem: Problem| vec![problem];
        let facility = *row
            .facility
            .as_ref()
            .map_err(|unnamed| one(unnamed.clone()))?;
        let working = self.draft.find(facility).map_err(one)?;
        let amendment = row.amendment.as_ref().map_err(|wrong| one(wrong.clone()))?;
        let subject = Subject::of(working, self.draft.today);
        let permission = amendment.permission(subject.history).map_err(one)?;
        if !subject.state.within(&writer.actor.scope(permission))
            || permission == Permission::HandOn
                && !hands_on_its_own_work(writer, &subject, amendment)
        {
            return Err(one(Problem::Forbidden));
        }
        let mut problems = Vec::new();
        if let Some(expected) = row.expected_version
            && expected != subject.state.version
        {
            problems.push(Problem::StaleVersion {
                current: subject.state.version,
            });
        }
        let first = *self
            .seen
            .entry((facility, Part::from(amendment)))
            .or_insert(index);
        if first != index {
            problems.push(Problem::DuplicateRow { first });
        }
        let plan = match plan(&self.ground, &subject, amendment) {
            Ok(plan) => plan,
            Err(problem) => {
                problems.push(problem);
                return Err(problems);
            }
        };
        match Taken::of(working, plan.events) {
            Ok(taken) if problems.is_empty() => {
                let made = taken.count();
                self.draft.take(facility, taken, index);
                self.needed.insert((facility, permission));
                if let Some(contacts) = plan.contacts {
                    self.ground.contacts.insert(facility, contacts.clone());
                    self.called.insert(facility, contacts);
                }
                if let Some((code, on)) = plan.code {
                    self.ground.taken.insert(code);
                    self.draft.rename(facility, code.to_string());
                    self.codes.push((facility, code, on));
                }
                Ok(made)
            }
            Ok(_) => Err(problems),
            Err(violation) => {
                problems.push(violation.into());
                Err(problems)
            }
        }
    }

    /// In whose name the request writes: somebody who may amend each part of it of each facility.
    fn in_name_of(&self, actor: &Actor) -> Option<OrganisationId> {
        let (_, permission) = self.needed.first()?;
        let written: Vec<(&LockedState, Permission)> = self
            .needed
            .iter()
            .filter_map(|(facility, permission)| {
                Some((&self.draft.get(*facility)?.state, *permission))
            })
            .collect();
        actor.acting_over(*permission, &written, |grant, (state, permission)| {
            allows(grant.kind, grant.role, *permission) && state.within(&grant.reach())
        })
    }
}

fn plan(ground: &Ground, subject: &Subject<'_>, amendment: &Amendment) -> Result<Plan, Problem> {
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
    if wrong.aspect == Aspect::Vendor {
        let handed_on = end_of_wrong_handing_on(subject, &events);
        events.extend(handed_on);
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
