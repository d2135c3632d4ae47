//! Writing amended histories: the last step of every use case that changes one.

use std::sync::Arc;

use crate::{
    change::Writer,
    db::{ChangeId, DbErr, EventId, FacilityId, Transaction},
    figures::{
        Period, WorkStep,
        service::{FacilityChange, record},
    },
    milestone::{
        Aspect, Blocker, Derived, Event,
        entity::{self, CurrentDay, FACILITY_BLOCKER, MILESTONE_PLAN},
    },
};

/// A facility whose history was extended without breaking a rule.
#[derive(Clone, Debug)]
pub struct Amended {
    /// The facility.
    pub facility: FacilityId,
    /// Its present code.
    pub code: String,
    /// Its version before; 0 for a new one.
    pub version: i32,
    /// What followed from its history before; `None` for a new one.
    pub before: Option<Arc<Derived>>,
    /// What follows now.
    pub after: Arc<Derived>,
    /// The events that are new.
    pub events: Vec<Event>,
}

/// The events that were written for a facility, by their ids.
#[derive(Clone, Debug)]
pub struct Written {
    /// The facility.
    pub facility: FacilityId,
    /// Its new events, in their order.
    pub events: Vec<EventId>,
}

/// Writes what a change did to facilities. Answers the new events, facility by facility.
pub async fn commit(
    writer: &Writer<'_>,
    transaction: &Transaction,
    change: ChangeId,
    amended: &[Amended],
) -> Result<Vec<Written>, DbErr> {
    let events: Vec<(FacilityId, &Event)> = amended
        .iter()
        .flat_map(|one| one.events.iter().map(|event| (one.facility, event)))
        .collect();
    let ids = entity::insert_events(transaction, change, &events).await?;
    let state = |one: &Amended| {
        entity::state_values(one.facility, &one.code, one.version + 1, &one.after.current)
    };
    match amended {
        [one] if one.before.is_some() => entity::update_state(transaction, state(one)).await?,
        many => {
            let (counted_up, others): (Vec<&Amended>, Vec<&Amended>) =
                many.iter().partition(|one| stays(one));
            let ids: Vec<FacilityId> = counted_up.iter().map(|one| one.facility).collect();
            entity::count_versions_up(writer.database, transaction, &ids).await?;
            let states = others.into_iter().map(state).collect();
            entity::upsert_states(transaction, states).await?;
        }
    }
    let plans: Vec<CurrentDay> = amended.iter().flat_map(changed_plans).collect();
    entity::write_days(writer.database, transaction, &MILESTONE_PLAN, &plans).await?;
    let blockers: Vec<CurrentDay> = amended.iter().flat_map(changed_blockers).collect();
    entity::write_days(writer.database, transaction, &FACILITY_BLOCKER, &blockers).await?;
    let counted: Vec<FacilityChange<'_>> = amended.iter().filter_map(counted).collect();
    record(writer.database, transaction, change, &counted).await?;
    let mut ids = ids.into_iter();
    Ok(amended
        .iter()
        .map(|one| Written {
            facility: one.facility,
            events: ids.by_ref().take(one.events.len()).collect(),
        })
        .collect())
}

/// Is nothing of a facility's row changed but its version, as by a plan or a blocker?
fn stays(one: &Amended) -> bool {
    let renamed = |event: &Event| event.aspect == Aspect::Code;
    let before = one.before.as_deref();
    before.is_some_and(|before| entity::same_state(&before.current, &one.after.current))
        && !one.events.iter().any(renamed)
}

/// What of a facility figures count otherwise from now on.
fn counted(one: &Amended) -> Option<FacilityChange<'_>> {
    let before: &[Period] = one.before.as_ref().map_or(&[], |before| &before.periods);
    let work: &[WorkStep] = one.before.as_ref().map_or(&[], |before| &before.work);
    (before != one.after.periods || work != one.after.work).then_some(FacilityChange {
        facility: one.facility,
        before,
        after: &one.after.periods,
        work_before: work,
        work_after: &one.after.work,
    })
}

fn changed_plans(one: &Amended) -> impl Iterator<Item = CurrentDay> + '_ {
    one.after
        .current
        .planned_on
        .iter()
        .filter_map(|(milestone, after)| {
            let before = one.before.as_ref();
            let before = before.and_then(|before| *before.current.planned_on.of(milestone));
            (before != *after).then_some((one.facility, milestone.code(), *after))
        })
}

fn changed_blockers(one: &Amended) -> impl Iterator<Item = CurrentDay> + '_ {
    let since = |derived: &Derived, blocker| derived.current.blocked_since.get(&blocker).copied();
    Blocker::ALL.into_iter().filter_map(move |blocker| {
        let before = one
            .before
            .as_ref()
            .and_then(|before| since(before, blocker));
        let after = since(&one.after, blocker);
        (before != after).then_some((one.facility, blocker.code(), after))
    })
}
