//! Undoing a change.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::entity::{self, ChangeRow, Since};
use crate::{
    auth::{Actor, Identity, Permission},
    chain::service::waves,
    change::{self, WriteError, Writer},
    db::{ChangeId, EventId, FacilityId},
    installation,
    milestone::{
        Action, Aspect, Event, History, Problem,
        authority::{Topic, may_record_anything},
        service::{
            BulkOutcome, Draft, ErrorPolicy, MOST_ROWS, RowOutcome, Taken, Working, Written, commit,
        },
    },
    procurement,
};

/// What became of an undoing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UndoOutcome {
    /// Why it was refused as a whole.
    pub problem: Option<Problem>,
    /// Facility by facility, in the order in which the change touched them.
    pub bulk: BulkOutcome,
}

impl UndoOutcome {
    fn refused(problem: Problem) -> Self {
        Self {
            problem: Some(problem),
            bulk: BulkOutcome::default(),
        }
    }
}

/// May the actor see a change? Whoever made it, and everyone in the organisation in whose name it was made.
pub fn is_ones_own(actor: &Actor, change: &ChangeRow) -> bool {
    let read = Permission::FacilityRead;
    actor.identity == Identity::System
        || actor.identity == change.identity && actor.may(read)
        || change
            .organisation
            .as_ref()
            .is_some_and(|organisation| actor.may_in(organisation.id, read))
}

/// Undoes a change in one transaction, by the error policy, or answers as the first time if that was done before under
/// the same key.
pub async fn undo(
    writer: &Writer<'_>,
    undone: ChangeId,
    policy: ErrorPolicy,
) -> Result<UndoOutcome, WriteError> {
    let database = writer.database;
    let transaction = database.begin().await?;
    let found = entity::find(database, &transaction, &[undone.0]).await?;
    let Some(found) = found
        .into_iter()
        .find(|change| is_ones_own(writer.actor, change))
    else {
        let refused = UndoOutcome::refused(Problem::ChangeNotFound);
        return writer.refuse(transaction, refused).await;
    };
    let may = may_record_anything(writer.actor) || writer.actor.may(Permission::LinkWrite);
    if !may {
        let refused = UndoOutcome::refused(Problem::Forbidden);
        return writer.refuse(transaction, refused).await;
    }
    let mut facilities = entity::touched(&transaction, undone, MOST_ROWS + 1).await?;
    let (_, stores) = waves::Told::read(&transaction, undone, MOST_ROWS + 1).await?;
    let touched: HashSet<FacilityId> = facilities.iter().copied().collect();
    facilities.extend(stores.into_iter().filter(|one| !touched.contains(one)));
    // Of nothing, or of more than a request may hold.
    if facilities.is_empty() || facilities.len() > MOST_ROWS {
        let refused = UndoOutcome::refused(Problem::CanNotBeUndone);
        return writer.refuse(transaction, refused).await;
    }
    let draft = Draft::read(writer, &transaction, facilities.clone()).await?;
    // Read after the rows are locked: nothing can come in between.
    let (waves, _) = waves::Told::read(&transaction, undone, MOST_ROWS + 1).await?;
    let since = entity::since(database, &transaction, &facilities, undone).await?;
    let mut request = Request {
        draft,
        since,
        undoings: entity::undone_by(&transaction, undone).await?,
        conflicts: installation::service::name_conflicts(writer, &transaction, undone).await?,
        waves,
        rows: Vec::with_capacity(facilities.len()),
    };
    for (index, facility) in facilities.into_iter().enumerate() {
        request.take(writer, index, facility);
    }
    let refused = request.refused() && policy == ErrorPolicy::RejectAll;
    let nothing = refused || request.taken_back().is_empty();
    if nothing || writer.dry_run {
        let outcome = request.into_outcome(None, &[], nothing);
        return writer.refuse(transaction, outcome).await;
    }
    // That of the change itself, if the actor may in it, so that its colleagues see it.
    let theirs = found.organisation.as_ref().map(|one| one.id);
    let organisation = request.draft.in_name_of_first(writer.actor, theirs);
    let change = change::record(&transaction, writer, organisation, "changeUndo").await?;
    let amended = request.draft.amended();
    let written = commit(writer, &transaction, change, &amended).await?;
    installation::service::restore(writer, &transaction, undone, change, &amended).await?;
    procurement::service::restore(writer, &transaction, undone, change, &amended).await?;
    let stores = request.taken_back();
    request
        .waves
        .restore(&transaction, undone, change, &stores)
        .await?;
    entity::insert(&transaction, change, undone).await?;
    let outcome = request.into_outcome(Some(change), &written, false);
    writer.finish(transaction, outcome).await
}

/// The facilities of a change, one by one.
struct Request {
    draft: Draft,
    since: HashMap<FacilityId, Since>,
    undoings: Vec<ChangeId>,
    /// Facilities whose orders can't be called again what they were.
    conflicts: HashSet<FacilityId>,
    /// What it told of stores in waves.
    waves: waves::Told,
    rows: Vec<(FacilityId, Vec<Problem>)>,
}

impl Request {
    fn take(&mut self, writer: &Writer<'_>, index: usize, facility: FacilityId) {
        let problems = match self.check(writer, facility) {
            Ok(taken) => {
                self.draft.take(facility, taken, index);
                Vec::new()
            }
            Err(problem) => vec![problem],
        };
        self.rows.push((facility, problems));
    }

    /// The facilities of which everything is taken back that the change did.
    fn taken_back(&self) -> Vec<FacilityId> {
        let done = self.rows.iter().filter(|(_, problems)| problems.is_empty());
        done.map(|(facility, _)| *facility).collect()
    }

    fn check(&self, writer: &Writer<'_>, facility: FacilityId) -> Result<Taken, Problem> {
        let undoing = |working: &Working| self.undoing(facility, working);
        let (working, taken) = self.draft.find_before_or_after(facility, undoing)?;
        self.waves.check(writer.actor, facility, &self.undoings)?;
        let is_about = |aspect| taken.events().iter().any(|one| one.aspect == aspect);
        for event in taken.events() {
            // Whoever may record it may undo it. What is not done in bulk has ways of its own to be put right.
            let topic = Topic::of(event.aspect).ok_or(Problem::CanNotBeUndone)?;
            let may = match topic {
                // What another vendor or chain ended comes back with the last one.
                Topic::HandingOn if is_about(Aspect::Vendor) => true,
                Topic::Part if is_about(Aspect::Chain) => true,
                // What a contractor accepted is ended by a link.
                Topic::HandingOn => return Err(Problem::CanNotBeUndone),
                Topic::Link | Topic::Part => self.draft.may_before_or_after(working, &taken, topic),
                _ => self.draft.may(working, topic),
            };
            if !may {
                return Err(Problem::Forbidden);
            }
        }
        Ok(taken)
    }

    fn undoing(&self, facility: FacilityId, working: &Working) -> Result<Taken, Problem> {
        let none = Since::default();
        let since = match self.since.get(&facility) {
            Some(since) => since,
            None if self.waves.is_of(facility) => &none,
            None => return Err(Problem::NotFound),
        };
        match since.later {
            Some((by, _)) if self.undoings.contains(&by) => return Err(Problem::AlreadyUndone),
            Some((_, at)) => return Err(Problem::ChangedSince { at }),
            None => {}
        }
        if self.conflicts.contains(&facility) {
            return Err(Problem::ReferenceTaken);
        }
        let events = compensation(working.history(), &since.events)?;
        Taken::of(working, events).map_err(Problem::of_withdrawal)
    }

    fn refused(&self) -> bool {
        self.rows.iter().any(|(_, problems)| !problems.is_empty())
    }

    fn into_outcome(
        self,
        change: Option<ChangeId>,
        written: &[Written],
        nothing_written: bool,
    ) -> UndoOutcome {
        let made: HashMap<FacilityId, &Vec<EventId>> = written
            .iter()
            .map(|one| (one.facility, &one.events))
            .collect();
        let rows = self
            .rows
            .into_iter()
            .map(|(facility, problems)| {
                let working = self.draft.seen_before_or_after(facility);
                let version =
                    working.map(|working| working.state.version + i32::from(working.is_changed()));
                RowOutcome {
                    facility: working.map(|_| facility),
                    version: version.filter(|_| !nothing_written && problems.is_empty()),
                    events: made
                        .get(&facility)
                        .map(|events| events.to_vec())
                        .unwrap_or_default(),
                    problems,
                }
            })
            .collect();
        UndoOutcome {
            problem: None,
            bulk: BulkOutcome { change, rows },
        }
    }
}

/// What tells that a facility's work order is as it was before an event that told of it. If that said how long the
/// installation took, this says what was said before.
fn order_restored(history: &History, event: &Event, undone: &[EventId]) -> Event {
    let before = || history.minutes_but_for(undone).unwrap_or(0);
    let minutes = event.value.map(|_| before());
    Event::set(Aspect::Installation, event.effective_on, minutes)
}

/// Is there another link of the same day that was recorded later, and that the undoing leaves?
fn is_replaced(history: &History, original: &Event, undone: &[EventId]) -> bool {
    history.in_force().iter().any(|event| {
        event.aspect == original.aspect
            && event.effective_on == original.effective_on
            && event.id > original.id
            && event.id.is_none_or(|id| !undone.contains(&id))
    })
}

/// The events that leave a facility as it was before those of a change: what it recorded is voided, and what it voided
/// is recorded again.
fn compensation(history: &History, undone: &[EventId]) -> Result<Vec<Event>, Problem> {
    let all = history.events();
    let find = |id: &EventId| all.iter().find(|event| event.id == Some(*id));
    let events: Vec<&Event> = undone.iter().filter_map(find).collect();
    if events.len() != undone.len() {
        return Err(Problem::NotFound);
    }
    let voided: Vec<EventId> = events.iter().filter_map(|event| event.voids).collect();
    let mut made = Vec::new();
    for event in events.iter().rev() {
        match event.voids {
            // Recorded and voided by the same change: it is gone as it is.
            None if event.id.is_some_and(|id| voided.contains(&id)) => {}
            None if event.aspect == Aspect::Installation => {
                made.push(order_restored(history, event, undone))
            }
            // What its applications are told of by is told of again: they stand otherwise from now on.
            None if matches!(event.aspect, Aspect::Application(_)) => {
                made.push(Event::set(event.aspect, event.effective_on, None));
            }
            None => made.push(Event::voided(event)),
            Some(id) if undone.contains(&id) => {}
            Some(id) => {
                let original = find(&id).ok_or(Problem::NotFound)?;
                // It would come after what stands in its place since, and count instead of that.
                if Aspect::LINKS.contains(&original.aspect)
                    && is_replaced(history, original, undone)
                {
                    return Err(Problem::CanNotBeUndone);
                }
                made.push(Event {
                    id: None,
                    voids: None,
                    ..original.clone()
                });
            }
        }
    }
    // What is voided goes before what is recorded again takes its place.
    made.sort_by_key(|event| event.action != Action::Voided);
    Ok(made)
}
