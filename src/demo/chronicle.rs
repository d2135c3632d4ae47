//! What was recorded of a facility: its registration, its links, its milestones, each as an event in the
//! change that recorded it. A few applications were first entered with a wrong date and corrected weeks
//! later, always between the same published dates, so that a published figure is the same as it was known.

use chrono::{Days, NaiveDate};

use super::{
    DemoAction, DemoEvent, DemoFacility, DemoLink,
    calendar::{Day, Interval},
    ledger::{Ledger, Recorder, take_over_day},
    roster::Organisations,
};
use crate::{
    db::{ChangeId, EventId, OrganisationId},
    milestone::{Action, Aspect, Event, Milestone},
};

/// One application in so many is corrected, where there is room for it.
const APPLICATIONS_PER_CORRECTION: u64 = 2_000;
/// The wrong date is so many days too early, and is noticed so many days after it was entered.
const DAYS_TOO_EARLY: Days = Days::new(3);
const DAYS_UNNOTICED: Days = Days::new(24);

/// An event and when it was recorded by whom.
pub(super) struct Entry {
    pub(super) day: NaiveDate,
    pub(super) recorder: Recorder,
    pub(super) event: Event,
}

/// The events of a facility in the order in which they were recorded, each with its change. `next_id`
/// counts the events of the nation.
pub(super) fn of(
    facility: &DemoFacility,
    fieldwork: Vec<Entry>,
    organisations: Organisations,
    ledger: &mut Ledger,
    next_id: &mut i64,
) -> Vec<(ChangeId, Event)> {
    let mut entries = registration(facility);
    entries.extend(links(facility, &facility.vendor, Aspect::Vendor, |place| {
        organisations.vendor(place)
    }));
    entries.extend(links(facility, &facility.chain, Aspect::Chain, |place| {
        organisations.chain(place)
    }));
    entries.extend(areas(facility, organisations));
    let correction = correction(facility);
    entries.extend(facility.events.iter().map(|event| {
        let wrong = correction
            .as_ref()
            .filter(|_| event.milestone == Milestone::ReaderApplied);
        milestone(facility, event, wrong.map(|correction| correction.wrong))
    }));
    entries.extend(correction.into_iter().flat_map(Correction::entries));
    entries.extend(fieldwork);
    entries.sort_by_key(|entry| (entry.day, entry.recorder));
    let mut events: Vec<(ChangeId, Event)> = Vec::with_capacity(entries.len());
    for Entry {
        day,
        recorder,
        mut event,
    } in entries
    {
        event.id = Some(EventId(*next_id));
        *next_id += 1;
        if event.action == Action::Voided {
            event.voids = voided_by(&events, &event);
        }
        events.push((ledger.change(day, recorder), event));
    }
    events
}

fn voided_by(earlier: &[(ChangeId, Event)], void: &Event) -> Option<EventId> {
    let mut reached = earlier.iter().map(|(_, event)| event);
    let voided = reached
        .find(|event| event.aspect == void.aspect && event.effective_on == void.effective_on);
    voided.and_then(|event| event.id)
}

/// The day on which the facility became known.
fn registered_on(facility: &DemoFacility) -> NaiveDate {
    facility.opened_on.max(take_over_day())
}

fn by_fund(day: NaiveDate, event: Event) -> Entry {
    Entry {
        day,
        recorder: Recorder::Fund,
        event,
    }
}

fn registration(facility: &DemoFacility) -> Vec<Entry> {
    let (day, opened_on) = (registered_on(facility), facility.opened_on);
    let set = |aspect, value: i64| by_fund(day, Event::set(aspect, opened_on, Some(value)));
    let mut entries = vec![
        by_fund(day, Event::set(Aspect::Opened, opened_on, None)),
        set(Aspect::Kind, facility.kind.code().into()),
        set(Aspect::Prefecture, facility.prefecture.number().into()),
    ];
    if facility.public_institution {
        entries.push(set(Aspect::PublicInstitution, 1));
    }
    let codes = facility.past_codes.iter().skip(1).map(|(code, _)| *code);
    for ((_, until), next) in facility.past_codes.iter().zip(codes.chain([facility.code])) {
        let number = i64::try_from(next.number()).ok();
        entries.push(by_fund(*until, Event::set(Aspect::Code, *until, number)));
    }
    if let Some(closed_on) = facility.closed_on {
        let event = Event::set(Aspect::Closed, closed_on, None);
        entries.push(by_fund(closed_on.min(Day::LAST.date()), event));
    }
    entries
}

fn links(
    facility: &DemoFacility,
    links: &[DemoLink],
    aspect: Aspect,
    id: impl Fn(usize) -> OrganisationId,
) -> Vec<Entry> {
    let registered_on = registered_on(facility);
    let mut entries = Vec::new();
    for (position, link) in links.iter().enumerate() {
        let day = link.from.max(registered_on);
        let event = Event::set(aspect, link.from, Some(id(link.index).0));
        entries.push(by_fund(day, event));
        let next = links.get(position + 1).map(|next| next.from);
        if let Some(until) = link.until.filter(|until| Some(*until) != next) {
            let event = Event::set(aspect, until, Some(0));
            entries.push(by_fund(until.max(registered_on), event));
        }
    }
    entries
}

/// The areas of chains that have some, by where the store is.
fn areas(facility: &DemoFacility, organisations: Organisations) -> Vec<Entry> {
    let of_area = |link: &&DemoLink| Organisations::has_areas(link.index);
    let with_areas: Vec<DemoLink> = facility.chain.iter().filter(of_area).copied().collect();
    let area = |place| organisations.area(place, facility.prefecture);
    links(facility, &with_areas, Aspect::Area, area)
}

/// The place of the vendor that a facility engages on a day.
pub(super) fn vendor_on(facility: &DemoFacility, day: NaiveDate) -> Option<usize> {
    let on_that_day =
        |link: &&DemoLink| link.from <= day && link.until.is_none_or(|until| day < until);
    let vendor = facility.vendor.iter().find(on_that_day);
    vendor.map(|link| link.index)
}

fn milestone(facility: &DemoFacility, event: &DemoEvent, wrong: Option<NaiveDate>) -> Entry {
    let effective_on = wrong.unwrap_or(event.effective_on);
    Entry {
        day: event.recorded_on,
        recorder: recorder(facility, event),
        event: match event.action {
            DemoAction::Reached => Event::reached(event.milestone, effective_on),
            DemoAction::Withdrawn => Event::withdrawn(event.milestone, effective_on),
        },
    }
}

/// The Payment Fund records what it hears of first; the rest is recorded by the vendor of the day.
fn recorder(facility: &DemoFacility, event: &DemoEvent) -> Recorder {
    let vendor = vendor_on(facility, event.recorded_on);
    match event.milestone {
        Milestone::ReaderApplied
        | Milestone::UseApplied
        | Milestone::CertificateIssued
        | Milestone::ReaderDelivered => Recorder::Fund,
        Milestone::VendorOrdered
        | Milestone::PcProcured
        | Milestone::RouterProcured
        | Milestone::Installed
        | Milestone::Ready
        | Milestone::Live => vendor.map_or(Recorder::Fund, Recorder::Vendor),
    }
}

/// An application that was entered with a wrong date.
struct Correction {
    wrong: NaiveDate,
    right: NaiveDate,
    corrected_on: NaiveDate,
}

impl Correction {
    fn entries(self) -> [Entry; 2] {
        let wrong = Event::reached(Milestone::ReaderApplied, self.wrong);
        let right = Event::reached(Milestone::ReaderApplied, self.right);
        let note = Some("申込日の入力誤りを訂正".to_owned());
        [
            by_fund(self.corrected_on, Event::voided(&wrong)),
            by_fund(self.corrected_on, right.with_note(note)),
        ]
    }
}

/// The correction of the facility's only application, if it is one of the few that need one.
fn correction(facility: &DemoFacility) -> Option<Correction> {
    if !(facility.code.number() / 10).is_multiple_of(APPLICATIONS_PER_CORRECTION) {
        return None;
    }
    let of_reader = |event: &&DemoEvent| event.milestone == Milestone::ReaderApplied;
    let mut applications = facility.events.iter().filter(of_reader);
    let (application, None) = (applications.next()?, applications.next()) else {
        return None;
    };
    let right = application.effective_on;
    let wrong = right.checked_sub_days(DAYS_TOO_EARLY)?;
    let corrected_on = application.recorded_on.checked_add_days(DAYS_UNNOTICED)?;
    let end = facility.closed_on.unwrap_or(Day::LAST.date());
    let published_between = Interval::all()
        .map(|interval| interval.last_day().date())
        .any(|published| wrong <= published && published < right);
    let room = wrong >= facility.opened_on.max(Day::FIRST.date()) && corrected_on < end;
    (room && !published_between).then_some(Correction {
        wrong,
        right,
        corrected_on,
    })
}
