//! Amending a facility: contacts, a new code, closing, reclassification, its vendor and chain.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::{
    link::{end_of_wrong_handing_on, hands_on_its_own_work, plan_link},
    register::{check_closing, check_contacts, check_opening},
};
use crate::{
    auth::{OrganisationKind, Permission},
    change::{self, WriteError, Writer},
    db::{DbErr, EventId, FacilityId, OrganisationId, Transaction},
    facility::{
        FacilityKind, InstitutionCode, Prefecture,
        entity::{self, Contacts},
    },
    milestone::{
        Aspect, Current, Derived, Event, History, Problem, check_note,
        entity::{LockedState, histories, lock},
        service::{Amended, BulkOutcome, EARLIEST, RowOutcome, commit, correction},
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

/// A facility under amendment, its row locked.
pub(super) struct Subject {
    pub(super) state: LockedState,
    pub(super) history: History,
    before: Derived,
    pub(super) today: NaiveDate,
}

impl Subject {
    /// Locks the facility and reads what there is of it; `None` if the writer can't see it.
    async fn read(
        writer: &Writer<'_>,
        transaction: &Transaction,
        facility: FacilityId,
    ) -> Result<Option<Self>, DbErr> {
        let locked = lock(writer.database, transaction, &[facility]).await?;
        let visible = writer.actor.scope(Permission::FacilityRead);
        let Some(state) = locked
            .into_values()
            .next()
            .filter(|state| state.within(&visible))
        else {
            return Ok(None);
        };
        let history = histories(writer.database, transaction, &[state.facility])
            .await?
            .remove(&state.facility)
            .unwrap_or_default();
        let before = history
            .derive()
            .map_err(|broken| DbErr::Custom(format!("facility {}: {broken:?}", state.facility)))?;
        Ok(Some(Self {
            state,
            history,
            before,
            today: writer.clock.today(),
        }))
    }

    fn current(&self) -> &Current {
        &self.before.current
    }

    /// The event in force of these aspects that took effect last.
    pub(super) fn last(&self, aspects: &[Aspect]) -> Option<&Event> {
        self.history
            .in_force()
            .into_iter()
            .rfind(|event| aspects.contains(&event.aspect))
    }
}

/// An amendment that breaks no rule.
struct Checked {
    permission: Permission,
    plan: Plan,
    amended: Amended,
}

/// The events of an amendment, and what it writes beside them.
#[derive(Default)]
pub(super) struct Plan {
    pub(super) events: Vec<Event>,
    contacts: Option<Contacts>,
    code: Option<(InstitutionCode, NaiveDate)>,
}

/// Amends a facility, in one transaction. One that the request did not name rightly is refused for that.
pub async fn amend(
    writer: &Writer<'_>,
    facility: Result<FacilityId, Problem>,
    expected_version: Option<i32>,
    amendment: &Amendment,
) -> Result<BulkOutcome, WriteError> {
    let transaction = writer.database.begin().await?;
    let subject = match facility {
        Ok(facility) => Subject::read(writer, &transaction, facility)
            .await?
            .ok_or(Problem::NotFound),
        Err(unnamed) => Err(unnamed),
    };
    let subject = match subject {
        Ok(subject) => subject,
        Err(problem) => {
            let refused = outcome(None, None, vec![problem]);
            return writer.refuse(transaction, refused).await;
        }
    };
    let facility = subject.state.facility;
    let checked = check(writer, &transaction, &subject, expected_version, amendment).await?;
    let Checked {
        permission,
        plan,
        amended,
    } = match checked {
        Ok(checked) => checked,
        Err(problems) => {
            let refused = outcome(Some(facility), None, problems);
            return writer.refuse(transaction, refused).await;
        }
    };
    let mut done = outcome(Some(facility), Some(amended.version + 1), Vec::new());
    if writer.dry_run {
        return writer.refuse(transaction, done).await;
    }
    let organisation = writer
        .actor
        .acting_over(permission, &[&subject.state], |grant, state| {
            state.within(&grant.reach())
        });
    let change = change::record(&transaction, writer, organisation, amendment.operation()).await?;
    if let Some(contacts) = &plan.contacts {
        entity::update_contacts(&transaction, facility, contacts).await?;
    }
    if let Some((code, on)) = plan.code
        && !entity::replace_code(&transaction, facility, code, on).await?
    {
        // Somebody took it since we looked.
        let refused = outcome(Some(facility), None, vec![Problem::CodeTaken]);
        return writer.refuse(transaction, refused).await;
    }
    let written = commit(writer, &transaction, change, &[amended]).await?;
    done.change = Some(change);
    if let Some(row) = done.rows.first_mut() {
        row.events = written.into_iter().flat_map(|one| one.events).collect();
    }
    writer.finish(transaction, done).await
}

async fn check(
    writer: &Writer<'_>,
    transaction: &Transaction,
    subject: &Subject,
    expected_version: Option<i32>,
    amendment: &Amendment,
) -> Result<Result<Checked, Vec<Problem>>, DbErr> {
    let permission = match amendment.permission(&subject.history) {
        Ok(permission) => permission,
        Err(problem) => return Ok(Err(vec![problem])),
    };
    if !subject.state.within(&writer.actor.scope(permission))
        || permission == Permission::HandOn && !hands_on_its_own_work(writer, subject, amendment)
    {
        return Ok(Err(vec![Problem::Forbidden]));
    }
    let mut problems = Vec::new();
    if let Some(expected) = expected_version
        && expected != subject.state.version
    {
        problems.push(Problem::StaleVersion {
            current: subject.state.version,
        });
    }
    let plan = match plan(transaction, subject, amendment).await? {
        Ok(plan) => plan,
        Err(problem) => {
            problems.push(problem);
            return Ok(Err(problems));
        }
    };
    match subject.history.extended(&plan.events).derive() {
        Ok(after) if problems.is_empty() => {
            let amended = amended(subject, &plan, after);
            Ok(Ok(Checked {
                permission,
                plan,
                amended,
            }))
        }
        Ok(_) => Ok(Err(problems)),
        Err(violation) => {
            problems.push(violation.into());
            Ok(Err(problems))
        }
    }
}

fn amended(subject: &Subject, plan: &Plan, after: Derived) -> Amended {
    let code = plan
        .code
        .map_or_else(|| subject.state.code.clone(), |(code, _)| code.to_string());
    Amended {
        facility: subject.state.facility,
        code,
        version: subject.state.version,
        before: Some(subject.before.clone()),
        after,
        events: plan.events.clone(),
    }
}

async fn plan(
    transaction: &Transaction,
    subject: &Subject,
    amendment: &Amendment,
) -> Result<Result<Plan, Problem>, DbErr> {
    match amendment {
        Amendment::Contacts(patch) => {
            let now = entity::contacts_of(transaction, subject.state.facility).await?;
            Ok(now
                .ok_or(Problem::NotFound)
                .and_then(|now| plan_contacts(subject, &now, patch)))
        }
        Amendment::Succeed { code, on } => plan_code(transaction, subject, code, *on).await,
        Amendment::Close { on } => Ok(plan_closing(subject, *on)),
        Amendment::Reopen => Ok(plan_reopening(subject)),
        Amendment::Reclassify {
            kind,
            public_institution,
            on,
        } => Ok(plan_class(subject, *kind, *public_institution, *on)),
        Amendment::Link {
            kind,
            organisation,
            on,
        } => plan_link(transaction, subject, *kind, *organisation, *on).await,
        Amendment::Correct { event, on, note } => {
            Ok(plan_correction(subject, *event, *on, note.as_ref()))
        }
    }
}

pub(super) fn check_day(subject: &Subject, on: NaiveDate) -> Result<(), Problem> {
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
fn check_open(subject: &Subject, on: NaiveDate) -> Result<(), Problem> {
    let opened_on = subject.current().opened_on;
    match subject.current().closed_on {
        _ if on < opened_on => Err(Problem::BeforeOpening { opened_on }),
        Some(closed_on) if on >= closed_on => Err(Problem::AfterClosing { closed_on }),
        _ => Ok(()),
    }
}

fn plan_class(
    subject: &Subject,
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
    subject: &Subject,
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
    subject: &Subject,
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

async fn plan_code(
    transaction: &Transaction,
    subject: &Subject,
    code: &str,
    on: NaiveDate,
) -> Result<Result<Plan, Problem>, DbErr> {
    let code = match InstitutionCode::parse(code) {
        Ok(code) => code,
        Err(error) => return Ok(Err(Problem::BadCode(error))),
    };
    if let Err(problem) = check_succession(subject, on) {
        return Ok(Err(problem));
    }
    let old = InstitutionCode::parse(&subject.state.code).ok();
    if old.is_some_and(|old| old.fee_table() != code.fee_table()) {
        return Ok(Err(Problem::CodeDoesNotFit));
    }
    if entity::code_is_taken(transaction, code).await? {
        return Ok(Err(Problem::CodeTaken));
    }
    let moved = (code.prefecture() != subject.state.prefecture)
        .then(|| prefecture_event(code.prefecture(), on));
    let number = i64::try_from(code.number()).ok();
    let events = [Event::set(Aspect::Code, on, number)]
        .into_iter()
        .chain(moved)
        .collect();
    Ok(Ok(Plan {
        events,
        contacts: None,
        code: Some((code, on)),
    }))
}

/// A code holds until the next one does, so successions are recorded in their order. On the same day a later one
/// stands for the earlier: a code that was mistyped is put right so.
fn check_succession(subject: &Subject, on: NaiveDate) -> Result<(), Problem> {
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
fn plan_closing(subject: &Subject, on: NaiveDate) -> Result<Plan, Problem> {
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

fn plan_reopening(subject: &Subject) -> Result<Plan, Problem> {
    let closing = subject
        .last(&[Aspect::Closed])
        .ok_or(Problem::NothingToDo)?;
    Ok(Plan {
        events: vec![Event::voided(closing)],
        ..Plan::default()
    })
}

fn plan_correction(
    subject: &Subject,
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
    let mut events = correction(&subject.history, event, on)?;
    for first in first_values(subject, wrong, on) {
        events.extend(correction(&subject.history, first, on)?);
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
fn check_right_day(subject: &Subject, aspect: Aspect, on: NaiveDate) -> Result<(), Problem> {
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
fn first_values(subject: &Subject, wrong: &Event, on: Option<NaiveDate>) -> Vec<EventId> {
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

fn outcome(
    facility: Option<FacilityId>,
    version: Option<i32>,
    problems: Vec<Problem>,
) -> BulkOutcome {
    BulkOutcome::of(RowOutcome {
        facility,
        version,
        events: Vec::new(),
        problems,
    })
}
