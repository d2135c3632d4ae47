//! Links of a facility to its vendor, its chain and the chain's parts, and its support contractor, and who may hand it on.

use std::collections::HashMap;

use chrono::NaiveDate;

use super::{
    amend::Amendment,
    plan::{Plan, Subject, check_day, plan_values},
};
use crate::{
    auth::{Grant, OrganisationKind, Permission, entity::names::Kinship},
    change::Writer,
    db::OrganisationId,
    milestone::{Aspect, Event, History, Problem},
};

/// The links that end with another one: whom the last vendor handed a facility on to worked for that vendor, and a part of
/// a chain has stores of that chain alone.
pub(super) fn followers(leader: Aspect) -> &'static [Aspect] {
    match leader {
        Aspect::Vendor => &[Aspect::Contractor],
        Aspect::Chain => &[Aspect::Corporation, Aspect::Area],
        _ => &[],
    }
}

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
    for follower in followers(aspect) {
        let ended = end_of(subject, aspect, value, *follower, on);
        plan.events.extend(ended);
    }
    Ok(plan)
}

/// Another vendor or chain ends what followed the last one, and also what was linked since then, where the change is
/// recorded late.
fn end_of(
    subject: &Subject<'_>,
    leader: Aspect,
    value: i64,
    follower: Aspect,
    on: NaiveDate,
) -> Option<Event> {
    let history = subject.history;
    let last_leader = history.value_on(leader, on).unwrap_or(0);
    if last_leader == 0 || last_leader == value {
        return None;
    }
    let in_force = history.in_force();
    let next_leader = in_force
        .iter()
        .filter(|event| event.aspect == leader && event.effective_on > on)
        .map(|event| event.effective_on)
        .min();
    let last_day = in_force
        .iter()
        .filter(|event| event.aspect == follower && event.effective_on >= on)
        .map(|event| event.effective_on)
        .filter(|day| next_leader.is_none_or(|next| *day < next))
        .max()
        .unwrap_or(on);
    let followed = history.value_on(follower, last_day).unwrap_or(0);
    (followed != 0).then(|| Event::set(follower, last_day, Some(0)))
}

/// A correction that leaves another vendor or chain today ends what followed the wrong one.
pub(super) fn end_of_wrong(
    subject: &Subject<'_>,
    correction: &[Event],
    leader: Aspect,
    follower: Aspect,
) -> Option<Event> {
    let today = subject.today;
    let corrected = subject.history.extended(correction);
    let led = |history: &History| history.value_on(leader, today).unwrap_or(0);
    let followed = corrected.value_on(follower, today).unwrap_or(0) != 0;
    (followed && led(&corrected) != led(subject.history))
        .then(|| Event::set(follower, today, Some(0)))
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

/// Does a membership say which part of a chain a store belongs to?
pub(super) fn keeps_parts(grant: &Grant) -> bool {
    use OrganisationKind as Kind;
    matches!(grant.kind, Kind::Ministry | Kind::PaymentFund | Kind::Chain)
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
