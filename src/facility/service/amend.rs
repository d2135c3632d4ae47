//! Amending a facility: contacts, a new code, closing, reclassification, its vendor and chain.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::register::check_contacts;
use crate::{
    auth::{OrganisationKind, Permission},
    change::{self, WriteError, Writer},
    db::{DatabaseTransaction, DbErr, FacilityId, OrganisationId},
    facility::{
        FacilityKind, InstitutionCode, Prefecture,
        entity::{self, Contacts},
    },
    milestone::{
        Aspect, Event, History, Problem,
        entity::{LockedState, histories, lock},
        service::{Amended, BulkOutcome, EARLIEST, RowOutcome, commit},
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
}

impl Amendment {
    fn permission(&self) -> Permission {
        match self {
            Self::Contacts(_) => Permission::ContactWrite,
            Self::Link { .. } => Permission::LinkWrite,
            Self::Succeed { .. } | Self::Close { .. } | Self::Reopen | Self::Reclassify { .. } => {
                Permission::RegistryWrite
            }
        }
    }

    fn operation(&self) -> &'static str {
        match self {
            Self::Contacts(_) => "facilityUpdate",
            Self::Succeed { .. } => "facilitySucceed",
            Self::Close { .. } => "facilityClose",
            Self::Reopen => "facilityReopen",
            Self::Reclassify { .. } => "facilityReclassify",
            Self::Link { .. } => "facilityLink",
        }
    }
}

/// A facility under amendment, its row locked.
struct Subject {
    state: LockedState,
    history: History,
    today: NaiveDate,
}

/// The events of an amendment, and what it writes beside them.
#[derive(Default)]
struct Plan {
    events: Vec<Event>,
    contacts: Option<Contacts>,
    code: Option<(InstitutionCode, NaiveDate)>,
}

/// Amends a facility, in one transaction.
pub async fn amend(
    writer: &Writer<'_>,
    facility: Option<FacilityId>,
    expected_version: Option<i32>,
    amendment: &Amendment,
) -> Result<BulkOutcome, WriteError> {
    let transaction = writer.database.begin().await?;
    let ids: Vec<FacilityId> = facility.into_iter().collect();
    let state = lock(writer.database, &transaction, &ids)
        .await?
        .into_values()
        .next();
    let visible = writer.actor.scope(Permission::FacilityRead);
    let Some(state) = state.filter(|state| state.within(&visible)) else {
        let refused = outcome(None, None, vec![Problem::NotFound]);
        return writer.refuse(transaction, refused).await;
    };
    let (facility, version) = (state.facility, state.version);
    let history = histories(writer.database, &transaction, &[facility])
        .await?
        .remove(&facility)
        .unwrap_or_default();
    let subject = Subject {
        state,
        history,
        today: writer.clock.today(),
    };
    let checked = check(writer, &transaction, &subject, expected_version, amendment).await?;
    let (plan, amended) = match checked {
        Ok(checked) => checked,
        Err(problems) => {
            let refused = outcome(Some(facility), Some(version), problems);
            return writer.refuse(transaction, refused).await;
        }
    };
    let mut done = outcome(Some(facility), Some(version + 1), Vec::new());
    if writer.dry_run {
        return writer.refuse(transaction, done).await;
    }
    let change = change::record(
        &transaction,
        writer,
        amendment.permission(),
        amendment.operation(),
    )
    .await?;
    if let Some(contacts) = &plan.contacts {
        entity::update_contacts(&transaction, facility, contacts).await?;
    }
    if let Some((code, on)) = plan.code
        && !entity::replace_code(&transaction, facility, code, on).await?
    {
        // Somebody took it since we looked.
        let refused = outcome(Some(facility), Some(version), vec![Problem::CodeTaken]);
        return writer.refuse(transaction, refused).await;
    }
    let events = commit(writer, &transaction, change, &[amended]).await?;
    done.change = Some(change);
    if let Some(row) = done.rows.first_mut() {
        row.events = events.into_iter().flatten().collect();
    }
    writer.finish(transaction, done).await
}

async fn check(
    writer: &Writer<'_>,
    transaction: &DatabaseTransaction,
    subject: &Subject,
    expected_version: Option<i32>,
    amendment: &Amendment,
) -> Result<Result<(Plan, Amended), Vec<Problem>>, DbErr> {
    let allowed = writer.actor.scope(amendment.permission());
    if !subject.state.within(&allowed) {
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
    let before = subject.history.derive().map_err(|broken| {
        DbErr::Custom(format!("facility {}: {broken:?}", subject.state.facility))
    })?;
    let derived = subject.history.extended(&plan.events).derive();
    match derived {
        Ok(after) if problems.is_empty() => {
            let code = plan
                .code
                .map_or_else(|| subject.state.code.clone(), |(code, _)| code.to_string());
            let amended = Amended {
                facility: subject.state.facility,
                code,
                version: subject.state.version,
                before: Some(before),
                after,
                events: plan.events.clone(),
            };
            Ok(Ok((plan, amended)))
        }
        Ok(_) => Ok(Err(problems)),
        Err(violation) => {
            problems.push(violation.into());
            Ok(Err(problems))
        }
    }
}

async fn plan(
    transaction: &DatabaseTransaction,
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
        } => Ok(check_day(subject, *on).and_then(|()| {
            let kind = kind.map(|kind| (Aspect::Kind, i64::from(kind.code())));
            let public =
                public_institution.map(|public| (Aspect::PublicInstitution, i64::from(public)));
            plan_values(subject, *on, kind.into_iter().chain(public))
        })),
        Amendment::Link {
            kind,
            organisation,
            on,
        } => plan_link(transaction, subject, *kind, *organisation, *on).await,
    }
}

fn check_day(subject: &Subject, on: NaiveDate) -> Result<(), Problem> {
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

fn plan_values(
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
    transaction: &DatabaseTransaction,
    subject: &Subject,
    code: &str,
    on: NaiveDate,
) -> Result<Result<Plan, Problem>, DbErr> {
    let code = match InstitutionCode::parse(code) {
        Ok(code) => code,
        Err(error) => return Ok(Err(Problem::BadCode(error))),
    };
    if let Err(problem) = check_day(subject, on) {
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

fn prefecture_event(prefecture: Prefecture, on: NaiveDate) -> Event {
    Event::set(Aspect::Prefecture, on, Some(prefecture.number().into()))
}

/// A closing may lie ahead: owners announce it. Milestones from that day on would be lost, and refuse it.
fn plan_closing(subject: &Subject, on: NaiveDate) -> Result<Plan, Problem> {
    if let Some(closing) = closing(subject) {
        return Err(Problem::AfterClosing {
            closed_on: closing.effective_on,
        });
    }
    if on < EARLIEST {
        return Err(Problem::TooEarly { earliest: EARLIEST });
    }
    Ok(Plan {
        events: vec![Event::set(Aspect::Closed, on, None)],
        ..Plan::default()
    })
}

fn plan_reopening(subject: &Subject) -> Result<Plan, Problem> {
    let closing = closing(subject).ok_or(Problem::NothingToDo)?;
    Ok(Plan {
        events: vec![Event::voided(closing)],
        ..Plan::default()
    })
}

fn closing(subject: &Subject) -> Option<&Event> {
    subject
        .history
        .in_force()
        .into_iter()
        .rfind(|event| event.aspect == Aspect::Closed)
}

async fn plan_link(
    transaction: &DatabaseTransaction,
    subject: &Subject,
    kind: OrganisationKind,
    organisation: Option<OrganisationId>,
    on: NaiveDate,
) -> Result<Result<Plan, Problem>, DbErr> {
    let aspect = match kind {
        OrganisationKind::Vendor => Aspect::Vendor,
        OrganisationKind::Chain => Aspect::Chain,
        OrganisationKind::SupportContractor => Aspect::Contractor,
        _ => return Ok(Err(Problem::UnknownOrganisation)),
    };
    if let Err(problem) = check_day(subject, on) {
        return Ok(Err(problem));
    }
    if let Some(organisation) = organisation
        && !entity::organisation_is(transaction, organisation, kind).await?
    {
        return Ok(Err(Problem::UnknownOrganisation));
    }
    let value = organisation.map_or(0, |id| id.0);
    Ok(plan_values(subject, on, [(aspect, value)].into_iter()))
}

fn outcome(
    facility: Option<FacilityId>,
    version: Option<i32>,
    problems: Vec<Problem>,
) -> BulkOutcome {
    BulkOutcome {
        nothing_written: !problems.is_empty(),
        change: None,
        rows: vec![RowOutcome {
            facility,
            version,
            events: Vec::new(),
            problems,
        }],
    }
}
