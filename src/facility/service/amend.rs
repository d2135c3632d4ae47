//! Amending facilities, one or thousands in a request: contacts, a new code, closing, reclassification, their vendors and
//! chains.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::{
    link::{hands_on_its_own_work, part_of_chain},
    plan::{Ground, Subject, plan},
};
use crate::{
    auth::{Actor, OrganisationKind, Permission, allows},
    change::{self, WriteError, Writer},
    db::{DbErr, EventId, FacilityId, OrganisationId, Transaction},
    facility::{
        FacilityKind, InstitutionCode,
        entity::{self, Contacts},
    },
    milestone::{
        Aspect, History, Problem,
        authority::keeps_parts,
        entity::LockedState,
        service::{BulkOutcome, Draft, ErrorPolicy, Rows, Taken, commit},
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
    /// Engages a vendor, joins a chain or a part of it, or is handed on, from a day on; `None` ends it.
    Link {
        /// The link's kind: VENDOR, CHAIN, SUPPORT_CONTRACTOR, CORPORATION or AREA.
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
        Aspect::Vendor | Aspect::Chain | Aspect::Corporation | Aspect::Area => {
            Some(Permission::LinkWrite)
        }
        Aspect::Contractor => Some(Permission::HandOn),
        // Milestones, plans, blockers, work orders and applications have their own mutations, contacts are written anew,
        // and a code, with the prefecture that follows from it, is succeeded by another.
        Aspect::Milestone(_)
        | Aspect::Plan(_)
        | Aspect::Blocker(_)
        | Aspect::Installation
        | Aspect::Application(_)
        | Aspect::Allocation
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
    // In the order of the codes, so that two requests that cross don't wait for each other.
    request.codes.sort_unstable_by_key(|(_, code, _)| *code);
    for (facility, code, on) in request.codes.clone() {
        if !entity::replace_code(&transaction, facility, code, on).await? {
            // Somebody took it since we looked.
            let taken = request.code_taken(rows, code);
            return writer.leave_nothing(transaction, taken).await;
        }
    }
    let written = commit(writer, &transaction, change, &request.draft.amended()).await?;
    let outcome = request
        .rows
        .into_outcome(&request.draft, Some(change), &written, false);
    writer.finish(transaction, outcome).await
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

/// The request while its rows are checked one by one.
struct Request {
    draft: Draft,
    ground: Ground,
    seen: HashMap<(FacilityId, Part), usize>,
    /// What it takes to write what the rows so far do, and whether that is for those who keep the parts of chains.
    needed: BTreeSet<(FacilityId, Permission, bool)>,
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
        // Which part of a chain a store belongs to is its head office's to say.
        let of_part = part_of_chain(amendment, subject.history);
        let scope = writer
            .actor
            .scope_of(permission, |grant| !of_part || keeps_parts(grant));
        // What a row before gave away is somebody else's by now.
        let now = working.state_now();
        if !now.within(&writer.actor.scope(Permission::FacilityRead)) {
            return Err(one(Problem::NotFound));
        }
        if !subject.state.within(&scope)
            || !now.within(&scope)
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
                self.needed.insert((facility, permission, of_part));
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

    /// Nothing is written, since a code was taken in the meantime.
    fn code_taken(self, rows: &[AmendRow], taken: InstitutionCode) -> BulkOutcome {
        let mut outcome = self.rows.into_outcome(&self.draft, None, &[], true);
        for (row, told) in rows.iter().zip(&mut outcome.rows) {
            let asked = match &row.amendment {
                Ok(Amendment::Succeed { code, .. }) => InstitutionCode::parse(code).ok(),
                _ => None,
            };
            if asked == Some(taken) && told.problems.is_empty() {
                told.problems.push(Problem::CodeTaken);
            }
        }
        outcome
    }

    /// In whose name the request writes: somebody who may amend each part of it of each facility.
    fn in_name_of(&self, actor: &Actor) -> Option<OrganisationId> {
        let (_, first, _) = self.needed.first()?;
        let written: Vec<(&LockedState, Permission, bool)> = self
            .needed
            .iter()
            .filter_map(|(facility, permission, of_part)| {
                Some((&self.draft.get(*facility)?.state, *permission, *of_part))
            })
            .collect();
        actor.acting_over(*first, &written, |grant, (state, permission, of_part)| {
            allows(grant.kind, grant.role, *permission)
                && (!of_part || keeps_parts(grant))
                && state.within(&grant.reach())
        })
    }
}
