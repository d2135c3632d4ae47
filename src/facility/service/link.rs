//! Links of a facility to its vendor, its chain and the chain's parts, and its support contractor, and who may hand it on.

use std::collections::HashMap;

use chrono::NaiveDate;

use super::{
    amend::Amendment,
    plan::{Plan, Subject, check_day, plan_values},
};
use crate::{
    auth::{OrganisationKind, Permission, entity::names::Kinship},
    change::Writer,
    db::OrganisationId,
    milestone::{Aspect, Event, History, Problem},
};

/// The parts of a chain to which a store may belong.
const PARTS: [Aspect; 2] = [Aspect::Corporation, Aspect::Area];

pub(super) fn plan_link(
    organisations: &HashMap<OrganisationId, Kinship>,
    subject: &Subject<'_>,
    kind: OrganisationKind,
    organisation: Option<OrganisationId>,
    on: NaiveDate,
) -> Result<Plan, Problem> {
    let aspect = match kind {
        OrganisationKind::Vendor => Aspect::Vendor,
        OrganisationKind::Chain => Aspect::Chain,
        OrganisationKind::SupportContractor => Aspect::Contractor,
        OrganisationKind::Corporation => Aspect::Corporation,
        OrganisationKind::Area => Aspect::Area,
        _ => return Err(Problem::UnknownOrganisation),
    };
    check_day(subject, on)?;
    if let Some(id) = organisation {
        let known = organisations.get(&id).filter(|one| one.kind == kind);
        let known = known.ok_or(Problem::UnknownOrganisation)?;
        let chain = subject.history.value_on(Aspect::Chain, on).unwrap_or(0);
        if known.parent.is_some_and(|parent| parent.0 != chain) {
            return Err(Problem::NotItsChain);
        }
    }
    let value = organisation.map_or(0, |id| id.0);
    let mut plan = plan_values(subject, on, [(aspect, value)].into_iter())?;
    let linked = plan.events.clone();
    match aspect {
        Aspect::Vendor => plan.events.extend(end_of_handing_on(subject, value, on)),
        Aspect::Chain => plan.events.extend(ends_of_parts(subject.history, &linked)),
        Aspect::Corporation | Aspect::Area if value != 0 => {
            plan.events
                .extend(end_with_its_chain(subject.history, &linked, aspect, on));
        }
        _ => {}
    }
    Ok(plan)
}

/// What ends the parts of the chain to which a facility does not belong any more by these events: those that it came to
/// under another chain than it has on a day by now.
pub(super) fn ends_of_parts(history: &History, events: &[Event]) -> Vec<Event> {
    let chain = |history: &History, day| history.value_on(Aspect::Chain, day).unwrap_or(0);
    let mut after = history.extended(events);
    let mut days: Vec<NaiveDate> = after
        .in_force()
        .iter()
        .filter(|event| event.aspect == Aspect::Chain || PARTS.contains(&event.aspect))
        .map(|event| event.effective_on)
        .collect();
    days.sort_unstable();
    days.dedup();
    let mut ends = Vec::new();
    for part in PARTS {
        for day in &days {
            let belongs = after.value_on(part, *day).unwrap_or(0) != 0;
            if belongs && chain(history, *day) != chain(&after, *day) {
                let end = Event::set(part, *day, Some(0));
                after = after.extended(std::slice::from_ref(&end));
                ends.push(end);
            }
        }
    }
    ends
}

/// What is told late of a part of a chain ends where the facility has left that chain since.
fn end_with_its_chain(
    history: &History,
    linked: &[Event],
    part: Aspect,
    on: NaiveDate,
) -> Option<Event> {
    let after = history.extended(linked);
    let chain = after.value_on(Aspect::Chain, on);
    let in_force = after.in_force();
    let left = in_force
        .iter()
        .filter(|event| event.aspect == Aspect::Chain && event.effective_on > on)
        .map(|event| event.effective_on)
        .find(|day| after.value_on(Aspect::Chain, *day) != chain)?;
    let stays = after.value_on(part, left) == after.value_on(part, on);
    stays.then(|| Event::set(part, left, Some(0)))
}

/// Whom the last vendor handed a facility on to worked for that vendor: another one's engagement ends it, and also what
/// was handed on since then, where the change of vendor is recorded late.
fn end_of_handing_on(subject: &Subject<'_>, vendor: i64, on: NaiveDate) -> Option<Event> {
    let history = subject.history;
    let last_vendor = history.value_on(Aspect::Vendor, on).unwrap_or(0);
    if last_vendor == 0 || last_vendor == vendor {
        return None;
    }
    let in_force = history.in_force();
    let next_vendor = in_force
        .iter()
        .filter(|event| event.aspect == Aspect::Vendor && event.effective_on > on)
        .map(|event| event.effective_on)
        .min();
    let last_day = in_force
        .iter()
        .filter(|event| event.aspect == Aspect::Contractor && event.effective_on >= on)
        .map(|event| event.effective_on)
        .filter(|day| next_vendor.is_none_or(|next| *day < next))
        .max()
        .unwrap_or(on);
    let handed_on = history.value_on(Aspect::Contractor, last_day).unwrap_or(0);
    (handed_on != 0).then(|| Event::set(Aspect::Contractor, last_day, Some(0)))
}

/// A correction that leaves another vendor today ends what the wrong one handed on.
pub(super) fn end_of_wrong_handing_on(
    subject: &Subject<'_>,
    correction: &[Event],
) -> Option<Event> {
    let today = subject.today;
    let corrected = subject.history.extended(correction);
    let vendor = |history: &History| history.value_on(Aspect::Vendor, today).unwrap_or(0);
    let handed_on = corrected.value_on(Aspect::Contractor, today).unwrap_or(0) != 0;
    (handed_on && vendor(&corrected) != vendor(subject.history))
        .then(|| Event::set(Aspect::Contractor, today, Some(0)))
}

/// Is it about which part of a chain a store belongs to?
pub(super) fn part_of_chain(amendment: &Amendment, history: &History) -> bool {
    match amendment {
        Amendment::Link { kind, .. } => kind.is_part_of_chain(),
        Amendment::Correct { event, .. } => history
            .find(*event)
            .is_some_and(|wrong| matches!(wrong.aspect, Aspect::Corporation | Aspect::Area)),
        _ => false,
    }
}

/// A vendor hands on what it was engaged for, from its engagement on: what others did before that is not its own. Whose
/// the facility is may hand it on at any time.
pub(super) fn hands_on_its_own_work(
    writer: &Writer<'_>,
    subject: &Subject<'_>,
    amendment: &Amendment,
) -> bool {
    let owns = writer.actor.scope(Permission::LinkWrite);
    let engaged = subject.last(&[Aspect::Vendor]);
    let days = handed_on(amendment, subject.history);
    subject.state.within(&owns)
        || engaged.is_some_and(|engaged| days.iter().all(|day| *day >= engaged.effective_on))
}

/// The days on which it hands a facility on, or no longer does.
fn handed_on(amendment: &Amendment, history: &History) -> Vec<NaiveDate> {
    match amendment {
        Amendment::Link { on, .. } => vec![*on],
        Amendment::Correct { event, on, .. } => {
            let wrong = history.find(*event).map(|wrong| wrong.effective_on);
            wrong.into_iter().chain(*on).collect()
        }
        Amendment::Contacts(_)
        | Amendment::Succeed { .. }
        | Amendment::Close { .. }
        | Amendment::Reopen
        | Amendment::Reclassify { .. } => Vec::new(),
    }
}
