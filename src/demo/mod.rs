//! The national demo: 229,221 made-up hospitals, clinics and pharmacies whose histories add up to every figure that the
//! ministry published about the rollout between 2020-10-11 and 2021-12-19.
//!
//! It is worked backwards. `schedule` has the published numbers and derives from them how many facilities of each kind
//! must have opened, closed, applied, cancelled, become ready and gone live between two published dates. `allocation`
//! divides the facilities and applications of the last day between the prefectures, within the bands of the report.
//! `course` deals the flows out to single facilities, by interval. That is all that is kept, some twenty bytes for
//! each; names, dates and links follow from it on the fly when [`National::facilities`] is read.
//!
//! Everything is integer arithmetic on a fixed seed: the same nation, byte for byte, on every machine.

mod allocation;
mod assembly;
mod calendar;
mod chronicle;
mod cities;
mod course;
mod directory;
mod entity;
mod fieldwork;
mod history;
mod ledger;
mod load;
mod names;
mod organisations;
mod places;
mod promises;
mod rng;
mod roster;
mod scale;
mod schedule;

use chrono::NaiveDate;

use crate::facility::{FacilityKind, InstitutionCode, Prefecture};
use crate::milestone::Milestone;

pub use entity::{has_account, is_demo, organisation_for};
pub use load::load;
pub use scale::{Scale, ScaleError};

/// A vendor or a pharmacy chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DemoOrganisation {
    /// Its name, nobody's in reality.
    pub name: String,
    /// The name in full-width katakana, without the form of the company.
    pub name_kana: String,
    /// Where its head office is.
    pub headquarters: Prefecture,
    /// The kinds of facility that it serves; a chain has pharmacies only.
    pub specialities: Vec<FacilityKind>,
    /// Where it works, by number; all 47 for a national one.
    pub prefectures: Vec<Prefecture>,
}

/// A facility with all that ever happened to it until 2021-12-19.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DemoFacility {
    /// Its code today. Unique in the nation, past codes included.
    pub code: InstitutionCode,
    /// Codes it had before a succession, oldest first, each with the first day on which it was no longer valid.
    pub past_codes: Vec<(InstitutionCode, NaiveDate)>,
    /// What it is.
    pub kind: FacilityKind,
    /// Where it is.
    pub prefecture: Prefecture,
    /// Its name; several facilities may share one.
    pub name: String,
    /// The name in full-width katakana.
    pub name_kana: String,
    /// Seven digits with a hyphen.
    pub postal_code: String,
    /// From the prefecture to the house number, and the building if there is one.
    pub address: String,
    /// With hyphens; never an assigned number.
    pub phone: String,
    /// An address in `example.jp`, if it gave one.
    pub email: Option<String>,
    /// Whether it belongs to the public institutions (公的医療機関等).
    pub public_institution: bool,
    /// The first day on which it is open.
    pub opened_on: NaiveDate,
    /// The first day on which it is open no more.
    pub closed_on: Option<NaiveDate>,
    /// The chains to which it belonged, by time; at most one on a day.
    pub chain: Vec<DemoLink>,
    /// The vendors that it engaged, by time; at most one on a day.
    pub vendor: Vec<DemoLink>,
    /// What it reached and withdrew, by `recorded_on`, then `effective_on`. In this order every rule of the milestones
    /// holds after each event.
    pub events: Vec<DemoEvent>,
}

/// A time with an organisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DemoLink {
    /// Its place in [`National::vendors`] or [`National::chains`].
    pub index: usize,
    /// The first day.
    pub from: NaiveDate,
    /// The first day on which it was over, which is the first of the next link; none while it lasts.
    pub until: Option<NaiveDate>,
}

/// A milestone reached or withdrawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DemoEvent {
    /// Which milestone.
    pub milestone: Milestone,
    /// What happened to it.
    pub action: DemoAction,
    /// The civil day on which it took effect.
    pub effective_on: NaiveDate,
    /// The civil day on which somebody entered it; not before `effective_on`, not after 2021-12-19.
    pub recorded_on: NaiveDate,
}

/// What happened to a milestone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DemoAction {
    /// It was reached.
    Reached,
    /// It was taken back.
    Withdrawn,
}

/// The demo nation: its organisations, and the plan from which its facilities follow.
#[derive(Debug)]
pub struct National {
    organisations: organisations::Organisations,
    calendar: calendar::Calendar,
    /// By prefecture, then kind.
    cells: Vec<course::Cell>,
}

impl National {
    /// Plans the nation. At [`Scale::NATION`] every published figure holds exactly; a smaller or larger one keeps the
    /// proportions, rounded, and follows the same calendar.
    pub fn plan(scale: Scale) -> Self {
        let organisations = organisations::Organisations::new(scale);
        let plan = |kind| course::plan(kind, scale, &organisations);
        let mut cells: Vec<course::Cell> = FacilityKind::ALL.into_iter().flat_map(plan).collect();
        cells.sort_by_key(|cell| (cell.prefecture, cell.kind));
        Self {
            organisations,
            calendar: calendar::Calendar::new(),
            cells,
        }
    }

    /// The vendors; a [`DemoLink`] of a facility's `vendor` points into this.
    pub fn vendors(&self) -> &[DemoOrganisation] {
        &self.organisations.vendors
    }

    /// The pharmacy chains; a [`DemoLink`] of a facility's `chain` points into this.
    pub fn chains(&self) -> &[DemoOrganisation] {
        &self.organisations.chains
    }

    /// How many facilities there are, those that have closed included.
    pub fn facility_count(&self) -> usize {
        self.cells.iter().map(|cell| cell.plans.len()).sum()
    }

    /// All facilities, one after the other, by prefecture and kind; always in the same order. Each is made when it is
    /// asked for.
    pub fn facilities(&self) -> impl Iterator<Item = DemoFacility> {
        self.cells.iter().flat_map(move |cell| {
            (0_u32..).zip(&cell.plans).map(move |(number, plan)| {
                assembly::facility(&self.organisations, &self.calendar, cell, number, *plan)
            })
        })
    }
}
