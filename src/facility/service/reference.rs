//! An organisation's own references for facilities: what its systems call them. Nobody else sees them.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use crate::{
    auth::{Actor, Permission},
    change::{self, WriteError, Writer},
    db::{DbErr, FacilityId, OrganisationId, Transaction},
    facility::{
        entity::{self, Naming},
        text::MOST_REFERENCE,
    },
    milestone::{
        Problem,
        entity::{LockedState, lock},
        service::{BulkOutcome, ErrorPolicy, RowOutcome},
    },
};

/// One row of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReferenceRow {
    /// The facility, or why there is none.
    pub facility: Result<FacilityId, Problem>,
    /// What it is to be called; `None` for nothing any more.
    pub reference: Option<String>,
}

/// Sets the references that organisations of the actor's keep for facilities, or removes them, in one transaction and by
/// the error policy: for each facility the first organisation whose reach holds it. The facilities themselves do not
/// change, and neither do their versions.
pub async fn set_references(
    writer: &Writer<'_>,
    operation: &'static str,
    rows: &[ReferenceRow],
    policy: ErrorPolicy,
) -> Result<BulkOutcome, WriteError> {
    let transaction = writer.database.begin().await?;
    let mut request = Request::read(writer, &transaction, rows).await?;
    let told: Vec<RowOutcome> = rows.iter().map(|row| request.take(writer, row)).collect();
    let refused = told.iter().any(|row| !row.problems.is_empty());
    let nothing = request.set.is_empty() || refused && policy == ErrorPolicy::RejectAll;
    let mut outcome = BulkOutcome {
        change: None,
        rows: told,
    };
    if nothing {
        outcome.rows.iter_mut().for_each(|row| row.version = None);
    }
    if nothing || writer.dry_run {
        return writer.refuse(transaction, outcome).await;
    }
    let organisation = request.in_name_of(writer.actor);
    let change = change::record(&transaction, writer, organisation, operation).await?;
    if !entity::set_references(&transaction, &request.namings()).await? {
        // Somebody took one since we looked.
        for (row, told) in rows.iter().zip(&mut outcome.rows) {
            let naming = told.version.take().is_some() && row.reference.is_some();
            told.problems
                .extend(naming.then_some(Problem::ReferenceTaken));
        }
        return writer.leave_nothing(transaction, outcome).await;
    }
    outcome.change = Some(change);
    writer.finish(transaction, outcome).await
}

/// The request while its rows are checked one by one.
struct Request {
    /// The facilities that the actor can see.
    states: BTreeMap<FacilityId, LockedState>,
    /// Who is called so, as the rows so far leave it.
    taken: HashMap<(OrganisationId, String), FacilityId>,
    /// How they are called.
    called: HashMap<(OrganisationId, FacilityId), String>,
    set: BTreeMap<(OrganisationId, FacilityId), Option<String>>,
}

impl Request {
    async fn read(
        writer: &Writer<'_>,
        transaction: &Transaction,
        rows: &[ReferenceRow],
    ) -> Result<Self, DbErr> {
        let mut named: Vec<FacilityId> = rows
            .iter()
            .filter_map(|row| row.facility.as_ref().ok().copied())
            .collect();
        named.sort_unstable();
        named.dedup();
        let visible = writer.actor.scope(Permission::FacilityRead);
        let mut states = lock(writer.database, transaction, &named).await?;
        states.retain(|_, state| state.within(&visible));
        let organisations = writer.actor.organisations_with(Permission::ContactWrite);
        let texts = rows.iter().filter_map(|row| row.reference.as_deref());
        let texts: Vec<String> = texts.filter_map(|text| checked(text).ok()).collect();
        let named: Vec<FacilityId> = states.keys().copied().collect();
        let mut request = Self {
            states,
            taken: HashMap::new(),
            called: HashMap::new(),
            set: BTreeMap::new(),
        };
        for found in entity::namings(transaction, &organisations, texts, &named).await? {
            let Some(reference) = found.reference else {
                continue;
            };
            request
                .taken
                .insert((found.organisation, reference.clone()), found.facility);
            request
                .called
                .insert((found.organisation, found.facility), reference);
        }
        Ok(request)
    }

    fn take(&mut self, writer: &Writer<'_>, row: &ReferenceRow) -> RowOutcome {
        let named = row.facility.as_ref().ok();
        let state = named.and_then(|facility| self.states.get(facility));
        let (facility, version) = (
            state.map(|state| state.facility),
            state.map(|state| state.version),
        );
        let problem = self.check(writer, row).err();
        RowOutcome {
            facility,
            version: version.filter(|_| problem.is_none()),
            events: Vec::new(),
            problems: problem.into_iter().collect(),
        }
    }

    /// Checks a row and does what it says. What a facility was called is free for the rows that follow.
    fn check(&mut self, writer: &Writer<'_>, row: &ReferenceRow) -> Result<(), Problem> {
        let facility = row.facility.clone()?;
        let state = self.states.get(&facility).ok_or(Problem::NotFound)?;
        let organisation = in_name_of(writer.actor, &[state]).ok_or(Problem::Forbidden)?;
        let reference = row.reference.as_deref().map(checked).transpose()?;
        if let Some(reference) = &reference {
            let holder = self.taken.get(&(organisation, reference.clone()));
            if holder.is_some_and(|holder| *holder != facility) {
                return Err(Problem::ReferenceTaken);
            }
        }
        let key = (organisation, facility);
        if let Some(before) = self.called.remove(&key) {
            self.taken.remove(&(organisation, before));
        }
        if let Some(reference) = &reference {
            self.taken
                .insert((organisation, reference.clone()), facility);
            self.called.insert(key, reference.clone());
        }
        self.set.insert(key, reference);
        Ok(())
    }

    fn in_name_of(&self, actor: &Actor) -> Option<OrganisationId> {
        let written = self.set.keys();
        let written: Vec<&LockedState> = written
            .filter_map(|(_, facility)| self.states.get(facility))
            .collect();
        in_name_of(actor, &written)
    }

    fn namings(&self) -> Vec<Naming> {
        let set = self.set.iter();
        set.map(|((organisation, facility), reference)| Naming {
            organisation: *organisation,
            facility: *facility,
            reference: reference.clone(),
        })
        .collect()
    }
}

/// The first organisation of the actor's that may call all these facilities something.
fn in_name_of(actor: &Actor, states: &[&LockedState]) -> Option<OrganisationId> {
    actor.acting_over(Permission::ContactWrite, states, |grant, state| {
        state.within(&grant.reach())
    })
}

/// A reference without the spaces around it.
fn checked(text: &str) -> Result<String, Problem> {
    let text = text.trim();
    let bad = text.is_empty()
        || text.chars().count() > MOST_REFERENCE
        || text.chars().any(char::is_control);
    if bad {
        return Err(Problem::BadText {
            most: MOST_REFERENCE,
        });
    }
    Ok(text.to_owned())
}
