//! A whole facility from its plan: code, name, place, links and history put together.

use chrono::NaiveDate;

use crate::facility::{FacilityKind, InstitutionCode};

use super::calendar::{Calendar, Day};
use super::course::{Cell, Plan};
use super::history::{self, History};
use super::names::{self, Setting};
use super::organisations::{Organisations, Place};
use super::places;
use super::rng::Rng;
use super::{DemoFacility, DemoLink};

/// Vendors changed, per thousand facilities that have one: a few hundred in the nation.
const VENDOR_CHANGES_PER_MILLE: u64 = 2;
/// Stores that changed their chain, per thousand: some fifty in the nation.
const CHAIN_CHANGES_PER_MILLE: u64 = 6;
/// One facility in so many passed to a successor with a new code: some dozens in the nation.
const FACILITIES_PER_SUCCESSION: u64 = 5000;

/// What is being put together, and where it stands in the plan.
struct Assembly<'a> {
    organisations: &'a Organisations,
    calendar: &'a Calendar,
    cell: &'a Cell,
    number: u32,
    plan: Plan,
}

/// The facility of a plan, the `number`th of its cell.
pub(super) fn facility(
    organisations: &Organisations,
    calendar: &Calendar,
    cell: &Cell,
    number: u32,
    plan: Plan,
) -> DemoFacility {
    Assembly {
        organisations,
        calendar,
        cell,
        number,
        plan,
    }
    .facility()
}

impl Assembly<'_> {
    fn facility(&self) -> DemoFacility {
        let kind = self.cell.kind;
        let history = history::of(
            self.plan.course,
            self.plan.vendor.is_some(),
            self.calendar,
            &mut self.rng(30),
        );
        let opened_on = self.opened_on(&history);
        let chain = self.chain_links(&history, opened_on);
        let mut rng = self.rng(31);
        let place = places::draw(&mut rng, self.cell.prefecture);
        let public = rng.per_mille(public_per_mille(kind));
        let brand = self.plan.chain.map(Organisations::brand);
        let name = names::facility(
            &mut rng,
            Setting {
                kind,
                city: place.city,
                town: place.town,
                public,
                brand,
            },
        );
        let code = self.code(0);
        DemoFacility {
            code,
            past_codes: self.past_codes(&history),
            kind,
            prefecture: self.cell.prefecture,
            name: name.text,
            name_kana: name.kana,
            postal_code: place.postal_code,
            address: place.address,
            phone: place.phone,
            email: rng
                .per_mille(620)
                .then(|| format!("f{code}@{}.example.jp", domain(kind))),
            public_institution: public,
            opened_on,
            closed_on: history.closed.map(Day::date),
            vendor: self.vendor_links(&history, opened_on),
            chain,
            events: history.events,
        }
    }

    /// A stream of random numbers for a purpose.
    fn rng(&self, purpose: u64) -> Rng {
        let kind = u64::from(self.cell.kind.code().unsigned_abs());
        Rng::stream(&[
            purpose,
            self.cell.prefecture.number().into(),
            kind,
            self.number.into(),
        ])
    }

    /// The code of the `generation`th bearer, 0 for the present one.
    fn code(&self, generation: u32) -> InstitutionCode {
        // Both lie within a million, apart from each other: hospitals and clinics share a fee table.
        let kinds_apart = if self.cell.kind == FacilityKind::MedicalClinic {
            100_000
        } else {
            0
        };
        let serial = u64::from(self.number) + kinds_apart + u64::from(generation) * 500_000;
        // The factor is prime to a million, so different serials have different bodies.
        let body = (serial * 618_033 + u64::from(self.cell.prefecture.number()) * 7919) % 1_000_000;
        let fee_table = self.cell.kind.fee_table();
        InstitutionCode::with_check_digit(
            self.cell.prefecture,
            fee_table,
            u32::try_from(body).unwrap_or(0),
        )
    }

    fn past_codes(&self, history: &History) -> Vec<(InstitutionCode, NaiveDate)> {
        let mut rng = self.rng(32);
        let succeeded = rng.below(FACILITIES_PER_SUCCESSION) == 0;
        let date = self
            .day_of_change(&mut rng, history)
            .filter(|_| succeeded && history.opened.is_none());
        date.map(|date| (self.code(1), date)).into_iter().collect()
    }

    fn opened_on(&self, history: &History) -> NaiveDate {
        match history.opened {
            Some(day) => day.date(),
            None => history::date_before_the_rollout(&mut self.rng(33), 62),
        }
    }

    fn vendor_links(&self, history: &History, opened_on: NaiveDate) -> Vec<DemoLink> {
        let Some(vendor) = self.plan.vendor else {
            return Vec::new();
        };
        let mut rng = self.rng(34);
        let long_known = history::date_before_the_rollout(&mut rng, 15).max(opened_on);
        let first_application = history.events.first().map(|event| event.effective_on);
        let with_the_application = first_application.filter(|_| rng.per_mille(250));
        let from = with_the_application.unwrap_or(long_known);
        let changed = rng.per_mille(VENDOR_CHANGES_PER_MILLE);
        let next = self
            .organisations
            .draw_vendor(&mut rng, self.cell.kind, self.cell.prefecture);
        let next = next.filter(|next| changed && *next != vendor);
        links(
            vendor,
            from,
            next.zip(self.day_of_change(&mut rng, history)),
        )
    }

    fn chain_links(&self, history: &History, opened_on: NaiveDate) -> Vec<DemoLink> {
        let Some(chain) = self.plan.chain else {
            return Vec::new();
        };
        let mut rng = self.rng(35);
        let from = history::date_before_the_rollout(&mut rng, 20).max(opened_on);
        let changed = rng.per_mille(CHAIN_CHANGES_PER_MILLE);
        // The present chain, which gave the store its name, took it over from another.
        let before = self
            .organisations
            .draw_other_chain(&mut rng, self.cell.prefecture)
            .filter(|before| changed && *before != chain);
        match before.zip(self.day_of_change(&mut rng, history)) {
            Some((before, day)) => links(before, from, Some((chain, day))),
            None => links(chain, from, None),
        }
    }

    /// A day in the life of the facility during the rollout, if it has one to spare.
    fn day_of_change(&self, rng: &mut Rng, history: &History) -> Option<NaiveDate> {
        let last = history.closed.unwrap_or(Day::LAST).before();
        let first = history.opened.max(history.applied).unwrap_or(Day::FIRST);
        let days = last.days_since(first);
        if days < 30 {
            return None;
        }
        let day = first.plus(rng.between(20, days))?;
        Some(self.calendar.workday_from(day, last).date())
    }
}

fn links(first: Place, from: NaiveDate, next: Option<(Place, NaiveDate)>) -> Vec<DemoLink> {
    let next = next.filter(|(_, day)| *day > from);
    let one = DemoLink {
        index: first.into(),
        from,
        until: next.map(|(_, day)| day),
    };
    let other = next.map(|(place, day)| DemoLink {
        index: place.into(),
        from: day,
        until: None,
    });
    [one].into_iter().chain(other).collect()
}

const fn public_per_mille(kind: FacilityKind) -> u64 {
    match kind {
        FacilityKind::Hospital => 185,
        FacilityKind::MedicalClinic => 35,
        FacilityKind::DentalClinic => 4,
        FacilityKind::Pharmacy => 0,
    }
}

const fn domain(kind: FacilityKind) -> &'static str {
    match kind {
        FacilityKind::Hospital => "hospital",
        FacilityKind::MedicalClinic => "clinic",
        FacilityKind::DentalClinic => "dental",
        FacilityKind::Pharmacy => "pharmacy",
    }
}
