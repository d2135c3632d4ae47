//! The work in the field: what vendors promised and did at the sites, and what holds the others up.
//!
//! A third of the installations that a vendor reported was done under a work order, with its minutes: six hours in the
//! spring of 2021, three at the end of the year, as the report has it. Those who wait for hardware are blocked by it more
//! often than not, and those who have all of it are planned, some for a day that was over when the year ended. All of it
//! follows from the milestones by a stream of chance of its own, so that it moves none of the published figures.

use chrono::{Datelike, Days, NaiveDate};

use super::{
    DemoAction, DemoEvent, DemoFacility,
    calendar::Day,
    chronicle::{Entry, vendor_on},
    ledger::Recorder,
    rng::Rng,
    roster::Organisations,
};
use crate::{
    app::calendar::is_business_day,
    facility::FacilityKind,
    installation::VisitWindow,
    milestone::{Aspect, Blocker, Event, Milestone},
};

/// The purpose of the stream of chance.
const PURPOSE: u64 = 0x6669_656C_6477_6F72;

/// What a facility's work makes of its history.
#[derive(Default)]
pub(super) struct Fieldwork {
    /// Who told what, when.
    pub(super) entries: Vec<Entry>,
    /// The work order, if there is one.
    pub(super) order: Option<Order>,
    /// The day that was first promised for the installation.
    pub(super) promised_on: Option<NaiveDate>,
}

/// A work order.
#[derive(Clone, Copy, Debug)]
pub(super) struct Order {
    /// Whose, by its place.
    pub(super) vendor: usize,
    /// When it was opened.
    pub(super) opened: NaiveDate,
    pub(super) window: VisitWindow,
    pub(super) crew: i32,
    /// Set if it was done.
    pub(super) done: Option<Done>,
}

/// How it was done.
#[derive(Clone, Copy, Debug)]
pub(super) struct Done {
    pub(super) on: NaiveDate,
    pub(super) recorded: NaiveDate,
    pub(super) minutes: i32,
}

pub(super) fn of(facility: &DemoFacility, organisations: Organisations) -> Fieldwork {
    let mut writer = Writer {
        facility,
        organisations,
        rng: Rng::stream(&[PURPOSE, facility.code.number()]),
        work: Fieldwork::default(),
    };
    let ordered = writer.last(Milestone::VendorOrdered);
    if let Some(ordered) = ordered.filter(|_| facility.closed_on.is_none()) {
        match (
            writer.last(Milestone::Installed),
            writer.last(Milestone::Ready),
        ) {
            (Some(installed), _) => writer.done(ordered, installed),
            (None, None) => {
                writer.hindered(ordered);
                writer.planned(ordered);
            }
            (None, Some(_)) => {}
        }
    }
    writer.work
}

struct Writer<'a> {
    facility: &'a DemoFacility,
    organisations: Organisations,
    rng: Rng,
    work: Fieldwork,
}

impl Writer<'_> {
    /// When a milestone was last reached, if it was not taken back.
    fn last(&self, milestone: Milestone) -> Option<DemoEvent> {
        let of_it = |event: &&DemoEvent| event.milestone == milestone;
        let last = self.facility.events.iter().rfind(of_it).copied();
        last.filter(|event| event.action == DemoAction::Reached)
    }

    /// Days after another.
    fn after(&mut self, day: NaiveDate, least: u32, most: u32) -> NaiveDate {
        day + Days::new(self.rng.between(least, most).into())
    }

    /// The vendor of a day tells something; the Payment Fund, if there is none.
    fn tell(&mut self, day: NaiveDate, event: Event) {
        let recorder = vendor_on(self.facility, day).map_or(Recorder::Fund, Recorder::Vendor);
        self.work.entries.push(Entry {
            day,
            recorder,
            event,
        });
    }

    fn promise(&mut self, told: NaiveDate, on: NaiveDate) {
        self.tell(
            told,
            Event::set(Aspect::Plan(Milestone::Installed), on, None),
        );
        self.work.promised_on = self.work.promised_on.or(Some(on));
    }

    fn open(&mut self, vendor: usize, opened: NaiveDate, done: Option<Done>) {
        self.tell(opened, Event::set(Aspect::Installation, opened, None));
        self.work.order = Some(Order {
            vendor,
            opened,
            window: *self.rng.pick(&VisitWindow::ALL),
            crew: if self.rng.per_mille(700) { 1 } else { 2 },
            done,
        });
    }

    /// It was installed under a work order, in three of ten after the day was moved once.
    fn done(&mut self, ordered: DemoEvent, installed: DemoEvent) {
        let (on, recorded) = (installed.effective_on, installed.recorded_on);
        let (Some(vendor), true) = (vendor_on(self.facility, recorded), self.rng.per_mille(330))
        else {
            return;
        };
        let opened = workday_from(on - Days::new(self.rng.between(8, 35).into()));
        let is_theirs = vendor_on(self.facility, opened) == Some(vendor);
        if opened < ordered.recorded_on || opened + Days::new(4) > on || !is_theirs {
            return;
        }
        let minutes = self.minutes(on);
        let done = Done {
            on,
            recorded,
            minutes,
        };
        if self.rng.per_mille(300) {
            let room = u32::try_from((on - opened).num_days()).unwrap_or(4);
            let first = workday_from(on - Days::new(self.rng.between(1, room - 2).into()));
            if first < on {
                self.promise(opened, first);
                let moved = first.max(opened + Days::new(1)) - Days::new(1);
                self.promise(moved, on);
            } else {
                self.promise(opened, on);
            }
        } else {
            self.promise(opened, on);
        }
        self.open(vendor, opened, Some(done));
        let event = Event::set(Aspect::Installation, on, Some(minutes.into()));
        self.tell(recorded, event);
    }

    /// Six hours in March 2021, a third of an hour less each month until it is three; twice that for a hospital.
    fn minutes(&mut self, on: NaiveDate) -> i32 {
        let months = (on.year() - 2021) * 12 + i32::try_from(on.month0()).unwrap_or(0) - 2;
        let usual = (360 - 20 * months).clamp(180, 360);
        let usual = match self.facility.kind {
            FacilityKind::Hospital => usual * 2,
            FacilityKind::MedicalClinic | FacilityKind::DentalClinic | FacilityKind::Pharmacy => {
                usual
            }
        };
        let share = i32::try_from(self.rng.between(75, 125)).unwrap_or(100);
        usual * share / 500 * 5
    }

    /// What it waits for, or waited for.
    fn hindered(&mut self, ordered: DemoEvent) {
        let last = Day::LAST.date();
        for (blocker, milestone, chance) in [
            (Blocker::NoPc, Milestone::PcProcured, 350),
            (Blocker::NoRouter, Milestone::RouterProcured, 250),
            (Blocker::ReaderNotDelivered, Milestone::ReaderDelivered, 150),
        ] {
            let hinders = self.rng.per_mille(chance);
            let since = workday_from(self.after(ordered.recorded_on, 12, 80));
            let until = self.last(milestone).map(|reached| reached.recorded_on);
            if hinders && since <= last && until.is_none_or(|until| since < until) {
                self.tell(since, Event::blocked(blocker, since));
                if let Some(until) = until {
                    self.tell(until, Event::unblocked(blocker, until));
                }
            }
        }
        for (blocker, chance) in [
            (Blocker::FacilityNotReady, 30),
            (Blocker::VendorFull, 25),
            (Blocker::Line, 15),
            (Blocker::Budget, 10),
        ] {
            let hinders = self.rng.per_mille(chance);
            let since = workday_from(self.after(ordered.recorded_on, 30, 160));
            if hinders && since <= last {
                self.tell(since, Event::blocked(blocker, since));
            }
        }
    }

    /// Where all hardware is there, a day and a work order, a few of them handed on; elsewhere sometimes a day in spring.
    fn planned(&mut self, ordered: DemoEvent) {
        let last = Day::LAST.date();
        let hardware = [
            Milestone::ReaderDelivered,
            Milestone::PcProcured,
            Milestone::RouterProcured,
        ]
        .map(|milestone| self.last(milestone).map(|reached| reached.recorded_on));
        let complete = hardware
            .iter()
            .try_fold(ordered.recorded_on, |latest, one| {
                one.map(|recorded| recorded.max(latest))
            });
        match complete {
            Some(complete) if self.rng.per_mille(800) => {
                let opened = workday_from(self.after(complete, 1, 6));
                let on = self.after(last, 0, 55) - Days::new(12);
                let on = workday_from(on.max(opened + Days::new(1)));
                let Some(vendor) = vendor_on(self.facility, opened).filter(|_| opened <= last)
                else {
                    return;
                };
                self.promise(opened, on);
                self.open(vendor, opened, None);
                let stays = vendor_on(self.facility, last) == Some(vendor);
                if stays && self.rng.per_mille(80) {
                    let contractor = self.organisations.support_contractor(vendor);
                    let handed_on = Event::set(Aspect::Contractor, opened, Some(contractor.0));
                    self.tell(opened, handed_on);
                }
            }
            None if self.rng.per_mille(120) => {
                let told = workday_from(last - Days::new(self.rng.between(3, 25).into()));
                let on = workday_from(self.after(last, 20, 100));
                if told >= ordered.recorded_on && vendor_on(self.facility, told).is_some() {
                    self.promise(told, on);
                }
            }
            _ => {}
        }
    }
}

/// This day, or the next on which people work.
fn workday_from(day: NaiveDate) -> NaiveDate {
    let next = day.iter_days().find(|day| is_business_day(*day));
    next.unwrap_or(day)
}
