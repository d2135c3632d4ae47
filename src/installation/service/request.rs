//! A request: its rows one by one, then everything at once.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use super::step::{Ground, MOST_REFERENCE, Order, Step, bad_day, told_minutes};
use crate::{
    auth::{Clause, Permission, Scope},
    change::{self, WriteError, Writer},
    db::{ChangeId, DbErr, FacilityId, OrganisationId, Transaction, is_unique_violation},
    installation::{
        Checklist, Installation, InstallationId, InstallationProblem as Problem, entity,
    },
    milestone::{
        self, Aspect, Event,
        authority::Topic,
        check_note,
        entity::LockedState,
        service::{Draft, ErrorPolicy, Taken, commit},
    },
};

/// One row of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepRow {
    /// The facility, or why there is none.
    pub facility: Result<FacilityId, milestone::Problem>,
    /// What to do, or what is wrong with how it was asked.
    pub step: Result<Step, Problem>,
    /// The version of the order that the caller read.
    pub expected_version: Option<i32>,
    /// A remark.
    pub note: Option<String>,
}

/// What became of one row.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowOutcome {
    /// The facility, if the caller can see it.
    pub facility: Option<FacilityId>,
    /// Its order; `None` if it has none.
    pub order: Option<InstallationId>,
    /// The version of the order that the write left, or, if it was only tried, would leave. `None` if nothing is
    /// written for this row.
    pub version: Option<i32>,
    /// Why it was refused.
    pub problems: Vec<Problem>,
}

/// What became of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The change that recorded it, if anything was written.
    pub change: Option<ChangeId>,
    /// Row by row, in input order.
    pub rows: Vec<RowOutcome>,
}

/// Does the steps of all rows in one transaction, by the error policy, or answers as the first time if they were done
/// before under the same key.
pub async fn write_steps(
    writer: &Writer<'_>,
    operation: &'static str,
    rows: &[StepRow],
    policy: ErrorPolicy,
) -> Result<Outcome, WriteError> {
    let transaction = writer.database.begin().await?;
    let mut request = Request::read(writer, &transaction, rows).await?;
    for (index, row) in rows.iter().enumerate() {
        request.take(writer, index, row);
    }
    let refused = request.refused() && policy == ErrorPolicy::RejectAll;
    let nothing = refused || request.draft.is_unchanged();
    if nothing || writer.dry_run {
        let outcome = request.into_outcome(None, nothing);
        return writer.refuse(transaction, outcome).await;
    }
    let organisation = request.draft.in_name_of(writer.actor);
    let change = change::record(&transaction, writer, organisation, operation).await?;
    commit(writer, &transaction, change, &request.draft.amended()).await?;
    match request.write(writer, &transaction, change).await {
        Ok(()) => {
            let outcome = request.into_outcome(Some(change), false);
            writer.finish(transaction, outcome).await
        }
        // Somebody took a reference since we looked.
        Err(error) if is_unique_violation(&error) && !request.names.is_empty() => {
            request.refuse_names();
            let outcome = request.into_outcome(None, true);
            writer.leave_nothing(transaction, outcome).await
        }
        Err(error) => Err(error.into()),
    }
}

/// What an organisation is to call the order that a facility has when all rows are taken.
#[derive(Debug)]
struct Name {
    row: usize,
    organisation: OrganisationId,
    facility: FacilityId,
    reference: Option<String>,
}

/// The request while its rows are checked one by one.
struct Request {
    draft: Draft,
    checklists: Vec<Checklist>,
    /// The order of each facility: the open one, the last if none is open, or the one that the request opens.
    orders: BTreeMap<FacilityId, Order>,
    /// What the actor's organisations call them.
    called: BTreeMap<(InstallationId, OrganisationId), String>,
    names: Vec<Name>,
    /// Whose references are taken by which order; none for one that the request opens.
    taken: HashMap<(OrganisationId, String), Option<InstallationId>>,
    rows: Vec<RowOutcome>,
}

impl Request {
    async fn read(
        writer: &Writer<'_>,
        transaction: &Transaction,
        rows: &[StepRow],
    ) -> Result<Self, DbErr> {
        let facilities: Vec<FacilityId> = rows
            .iter()
            .filter_map(|row| row.facility.as_ref().ok().copied())
            .collect();
        let draft = Draft::read(writer, transaction, facilities.clone()).await?;
        let orders = entity::last_of(writer.database, transaction, &facilities).await?;
        let ids: Vec<InstallationId> = orders.values().map(|(order, _)| order.id).collect();
        let recorded = entity::recorded_by(writer.database, transaction, &ids).await?;
        let naming = rows
            .iter()
            .any(|row| row.step.as_ref().is_ok_and(|step| step.name().is_some()));
        let called = if naming {
            entity::names_of(writer.database, transaction, &ids).await?
        } else {
            BTreeMap::new()
        };
        let references: Vec<String> = rows
            .iter()
            .filter_map(|row| row.step.as_ref().ok()?.name().flatten())
            .filter(|reference| is_reference(reference))
            .map(|reference| reference.trim().to_owned())
            .collect();
        let mut taken = HashMap::new();
        if !references.is_empty() {
            for organisation in writer
                .actor
                .organisations_with(Permission::InstallationWrite)
            {
                let found = entity::taken(
                    writer.database,
                    transaction,
                    organisation,
                    references.clone(),
                );
                let found = found.await?.into_iter();
                taken.extend(found.map(|(text, order)| ((organisation, text), Some(order))));
            }
        }
        Ok(Self {
            draft,
            checklists: entity::checklists(transaction).await?,
            orders: orders
                .into_iter()
                .map(|(facility, (order, checks))| {
                    let recorded = recorded.get(&facility).copied();
                    (facility, Order::stored(order, checks, recorded))
                })
                .collect(),
            called,
            names: Vec::new(),
            taken,
            rows: Vec::with_capacity(rows.len()),
        })
    }

    fn take(&mut self, writer: &Writer<'_>, index: usize, row: &StepRow) {
        let problems = self.check(writer, index, row).err().unwrap_or_default();
        let unseen = Problem::Facility(milestone::Problem::NotFound);
        let facility = row.facility.as_ref().ok().copied();
        self.rows.push(RowOutcome {
            facility: facility.filter(|_| !problems.contains(&unseen)),
            order: None,
            version: None,
            problems,
        });
    }

    /// Checks a row and takes its step.
    fn check(
        &mut self,
        writer: &Writer<'_>,
        index: usize,
        row: &StepRow,
    ) -> Result<(), Vec<Problem>> {
        let one = |problem: milestone::Problem| vec![Problem::from(problem)];
        let facility = *row
            .facility
            .as_ref()
            .map_err(|unnamed| one(unnamed.clone()))?;
        let working = self.draft.find(facility).map_err(one)?;
        if !self.draft.may(working, Topic::Installation) {
            return Err(one(milestone::Problem::Forbidden));
        }
        let step = row.step.as_ref().map_err(|wrong| vec![wrong.clone()])?;
        let scope = writer.actor.scope(Permission::FacilityRead);
        let order = self.orders.get(&facility);
        let order = order.filter(|order| is_seen(order, &working.state, &scope));
        let today = self.draft.today;
        let mut problems: Vec<Problem> = Vec::new();
        let stored = order.and_then(Order::version);
        if let (Some(expected), Some(current)) = (row.expected_version, stored)
            && expected != current
        {
            problems.push(Problem::StaleVersion { current });
        }
        let bad_day = step.day().and_then(|day| bad_day(day, today));
        problems.extend(bad_day.map(Into::into));
        problems.extend(check_note(row.note.as_deref()).map(Into::into));
        if let Some(order) = order
            && let Some(first) = order.row
            && (matches!(step, Step::Open { .. })
                || matches!(step, Step::Reopen) && order.changed && !order.now.status.is_open())
        {
            // A request is about one order of a facility, so that each of its rows can say which, and what ends in it
            // has ended.
            problems.push(Problem::DuplicateRow { first });
            return Err(problems);
        }
        let ground = Ground {
            working,
            order,
            checklists: &self.checklists,
            today,
        };
        let planned = match ground.plan(step, row.note.as_ref()) {
            Ok(planned) => planned,
            Err(wrong) => {
                problems.extend(wrong);
                return Err(problems);
            }
        };
        let name = self.name(writer, index, facility, step, order);
        let (name, bad_name) = match name {
            Ok(name) => (name, None),
            Err(problem) => (None, Some(problem)),
        };
        problems.extend(bad_name);
        let said = planned
            .facility
            .map(|said| self.draft.attempt(working, &said, row.note.as_ref()))
            .transpose();
        match said {
            Ok(said) if problems.is_empty() => {
                if let Some(said) = said {
                    self.draft.take(facility, said, index);
                }
                let minutes = told_minutes(order, &planned.order);
                let event = Event::set(Aspect::Installation, step.day().unwrap_or(today), minutes);
                // How it ended is remarked in the order, which not everybody sees who sees the facility.
                let note = row.note.clone().filter(|_| !step.ends());
                self.tell(facility, event.with_note(note), index)?;
            }
            Ok(_) => return Err(problems),
            Err(problem) => {
                problems.push(problem.into());
                return Err(problems);
            }
        }
        if let Some(name) = name {
            let called = planned
                .order
                .stored
                .as_ref()
                .and_then(|stored| self.called.get(&(stored.order.id, name.organisation)));
            if let Some(called) = called {
                // Free for another row from now on.
                self.taken.remove(&(name.organisation, called.clone()));
            }
            if let Some(reference) = &name.reference {
                let by = planned.order.stored.as_ref().map(|_| planned.order.now.id);
                let taken = (name.organisation, reference.clone());
                self.taken.insert(taken, by);
            }
            self.names.push(name);
        }
        let mut order = planned.order;
        order.row = order.row.or(Some(index));
        self.orders.insert(facility, order);
        Ok(())
    }

    /// Tells the facility's history that its order changed.
    fn tell(&mut self, facility: FacilityId, event: Event, row: usize) -> Result<(), Vec<Problem>> {
        let one = |problem: milestone::Problem| vec![Problem::from(problem)];
        let working = self.draft.find(facility).map_err(one)?;
        let told = Taken::of(working, vec![event]).map_err(|broken| one(broken.into()))?;
        self.draft.take(facility, told, row);
        Ok(())
    }

    /// What the organisation is to call the order, if the step says so.
    fn name(
        &self,
        writer: &Writer<'_>,
        row: usize,
        facility: FacilityId,
        step: &Step,
        order: Option<&Order>,
    ) -> Result<Option<Name>, Problem> {
        let Some(reference) = step.name() else {
            return Ok(None);
        };
        let working = self.draft.find(facility)?;
        let organisation = writer
            .actor
            .acting_over(
                Permission::InstallationWrite,
                &[&working.state],
                |grant, state| Topic::Installation.is_for(grant) && state.within(&grant.reach()),
            )
            .ok_or(milestone::Problem::Forbidden)?;
        if reference.is_some_and(|text| !is_reference(text)) {
            return Err(Problem::BadReference {
                most: MOST_REFERENCE,
            });
        }
        let reference = reference.map(|text| text.trim().to_owned());
        let mine = match step {
            Step::Open { .. } => None,
            _ => order
                .filter(|order| order.stored.is_some())
                .map(|order| order.now.id),
        };
        let called = mine.and_then(|order| self.called.get(&(order, organisation)));
        if let Step::Name { .. } = step
            && !self.names.iter().any(|name| name.facility == facility)
            && called == reference.as_ref()
        {
            return Err(milestone::Problem::NothingToDo.into());
        }
        if let Some(text) = &reference
            && let Some(by) = self.taken.get(&(organisation, text.clone()))
            && (mine.is_none() || *by != mine)
        {
            return Err(Problem::ReferenceTaken);
        }
        Ok(Some(Name {
            row,
            organisation,
            facility,
            reference,
        }))
    }

    fn refused(&self) -> bool {
        self.rows.iter().any(|row| !row.problems.is_empty())
    }

    /// Refuses every row that names an order.
    fn refuse_names(&mut self) {
        for name in &self.names {
            if let Some(row) = self.rows.get_mut(name.row) {
                row.problems.push(Problem::ReferenceTaken);
            }
        }
    }

    /// Writes the orders, what was ticked off and what they are called.
    async fn write(
        &mut self,
        writer: &Writer<'_>,
        transaction: &Transaction,
        change: ChangeId,
    ) -> Result<(), DbErr> {
        for order in self.orders.values_mut().filter(|one| one.changed) {
            order.now.version = order.version().unwrap_or(0) + 1;
            if order.stored.is_none() {
                order.now.opened_by = change;
            }
            let ended = order.now.ended_on.is_some();
            order.now.ended_by = ended.then(|| order.now.ended_by.unwrap_or(change));
        }
        let changed = |one: &&Order| one.changed && one.stored.is_some();
        let stored: Vec<&Installation> = self
            .orders
            .values()
            .filter(changed)
            .map(|order| &order.now)
            .collect();
        // Those that end make room for those that open.
        entity::update(transaction, &stored).await?;
        let opened: Vec<&Installation> = self
            .orders
            .values()
            .filter(|order| order.stored.is_none())
            .map(|order| &order.now)
            .collect();
        let ids = entity::insert(writer.database, transaction, &opened).await?;
        for order in self.orders.values_mut() {
            if let (None, Some(id)) = (&order.stored, ids.get(&order.now.facility)) {
                order.now.id = *id;
            }
        }
        let ticks: Vec<_> = self
            .orders
            .values()
            .flat_map(|order| {
                let ticks = order.ticks.iter();
                ticks.map(|(item, day)| (order.now.id, item.as_str(), *day))
            })
            .collect();
        entity::write_checks(writer.database, transaction, change, &ticks).await?;
        self.keep_images(transaction, change).await?;
        let names: Vec<_> = self
            .names
            .iter()
            .filter_map(|name| {
                let order = self.orders.get(&name.facility)?;
                Some((name.organisation, order.now.id, name.reference.as_deref()))
            })
            .collect();
        entity::write_references(writer.database, transaction, &names).await
    }

    /// Keeps what the request overwrites, so that it can be undone.
    async fn keep_images(
        &mut self,
        transaction: &Transaction,
        change: ChangeId,
    ) -> Result<(), DbErr> {
        for name in &self.names {
            let order = self.orders.get_mut(&name.facility);
            if let Some(stored) = order.and_then(|order| order.stored.as_mut()) {
                let before = self.called.get(&(stored.order.id, name.organisation));
                stored.names.push((name.organisation, before.cloned()));
            }
        }
        let overwritten = |order: &&Order| {
            let named = order
                .stored
                .as_ref()
                .is_some_and(|one| !one.names.is_empty());
            order.changed || named
        };
        let images: Vec<_> = self
            .orders
            .values()
            .filter(overwritten)
            .map(|order| (order.now.id, order.stored.as_deref()))
            .collect();
        entity::write_images(transaction, change, &images).await
    }

    fn into_outcome(self, change: Option<ChangeId>, nothing_written: bool) -> Outcome {
        let rows = self
            .rows
            .into_iter()
            .map(|mut row| {
                let order = row.facility.and_then(|facility| self.orders.get(&facility));
                if let Some(order) = order {
                    row.order = Some(order.now.id).filter(|id| id.0 != 0);
                    let version = order.version().unwrap_or(0) + i32::from(order.changed);
                    row.version = (!nothing_written && row.problems.is_empty()).then_some(version);
                }
                row
            })
            .collect();
        Outcome { change, rows }
    }
}

/// Is an order among those that the actor sees, who sees its facility? Who only works for the facility sees what is
/// theirs to do, and of what has ended what they did themselves; the finders say the same.
fn is_seen(order: &Order, state: &LockedState, scope: &Scope) -> bool {
    let Scope::Any(clauses) = scope else {
        return true;
    };
    order.now.status.is_open()
        || state.within(&scope.but_for_work())
        || clauses.iter().any(|clause| match clause {
            Clause::Vendor(_) => order.now.vendor == state.vendor,
            Clause::Contractor(_) => order.now.contractor == state.contractor,
            _ => false,
        } && state.within(&Scope::Any(vec![clause.clone()])))
}

/// Can a reference be stored and read?
fn is_reference(text: &str) -> bool {
    !text.trim().is_empty()
        && text.chars().count() <= MOST_REFERENCE
        && !text.chars().any(char::is_control)
}
