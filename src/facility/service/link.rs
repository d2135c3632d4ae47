//! Links of a facility to its vendor, chain and support contractor, and who may hand it on.

use std::collections::HashMap;

use chrono::NaiveDate;

use super::amend::{Amendment, Plan, Subject, check_day, plan_values};
use crate::{
    auth::{OrganisationKind, Permission},
    change::Writer,
    db::OrganisationId,
    milestone::{Aspect, Event, History, Problem},
};

pub(super) fn plan_link(
    organisations: &HashMap<OrganisationId, OrganisationKind>,
    subject: &Subject<'_>,
    kind: OrganisationKind,
    organisation: Option<OrganisationId>,
    on: NaiveDate,
) -> Result<Plan, Problem> {
    let aspect = match kind {
        OrganisationKind::Vendor => Aspect::Vendor,
        OrganisationKind::Chain => Aspect::Chain,
        OrganisationKind::SupportContractor => Aspect::Contractor,
        _ => return Err(Problem::UnknownOrganisation),
    };
    check_day(subject, on)?;
    if organisation.is_some_and(|id| organisations.get(&id) != Some(&kind)) {
        return Err(Problem::UnknownOrganisation);
    }
    let value = organisation.map_or(0, |id| id.0);
    let mut plan = plan_values(subject, on, [(aspect, value)].into_iter())?;
    if aspect == Aspect::Vendor {
        plan.events.extend(end_of_handing_on(subject, value, on));
    }
    Ok(plan)
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
