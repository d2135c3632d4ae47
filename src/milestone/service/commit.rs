//! Writing amended histories: the last step of every use case that changes one.

use chrono::NaiveDate;

use crate::{
    change::Writer,
    db::{ChangeId, DbErr, EventId, FacilityId, Transaction},
    figures::{
        Period,
        service::{PeriodChange, record},
    },
    milestone::{Derived, Event, Milestone, entity},
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
    pub before: Option<Derived>,
    /// What follows now.
    pub after: Derived,
    /// The events that are new.
    pub events: Vec<Event>,
}

/// Writes what a change did to facilities. Answers the ids of the new events, facility by facility.
pub async fn commit(
    writer: &Writer<'_>,
    transaction: &Transaction,
    change: ChangeId,
    amended: &[Amended],
) -> Result<Vec<Vec<EventId>>, DbErr> {
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
        many => entity::upsert_states(transaction, many.iter().map(state).collect()).await?,
    }
    let plans: Vec<_> = amended.iter().flat_map(changed_plans).collect();
    entity::write_plans(writer.database, transaction, &plans).await?;
    let periods: Vec<PeriodChange<'_>> = amended.iter().filter_map(changed_periods).collect();
    record(writer.database, transaction, change, &periods).await?;
    let mut ids = ids.into_iter();
    Ok(amended
        .iter()
        .map(|one| ids.by_ref().take(one.events.len()).collect())
        .collect())
}

fn changed_periods(one: &Amended) -> Option<PeriodChange<'_>> {
    let before: &[Period] = one
        .before
        .as_ref()
        .map_or(&[], |before| before.periods.as_slice());
    (before != one.after.periods.as_slice()).then_some(PeriodChange {
        facility: one.facility,
        before,
        after: &one.after.periods,
    })
}

fn changed_plans(
    one: &Amended,
) -> impl Iterator<Item = (FacilityId, Milestone, Option<NaiveDate>)> + '_ {
    one.after
        .current
        .planned_on
        .iter()
        .filter_map(|(milestone, after)| {
            let before = one.before.as_ref();
            let before = before.and_then(|before| *before.current.planned_on.of(milestone));
            (before != *after).then_some((one.facility, milestone, *after))
        })
}
