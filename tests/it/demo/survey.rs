//! One walk through the demo nation, counting everything by the events of each facility.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::LazyLock;

use chrono::NaiveDate;
use kaitsu::demo::{DemoAction, DemoFacility, National, Scale};
use kaitsu::facility::{FacilityKind, Prefecture};
use kaitsu::milestone::{Milestone, Stage, stage_of};
use sha2::{Digest, Sha256};

pub fn date(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

pub fn is_open(facility: &DemoFacility, on: NaiveDate) -> bool {
    facility.opened_on <= on && facility.closed_on.is_none_or(|closed| on < closed)
}

pub fn in_effect(facility: &DemoFacility, milestone: Milestone, on: NaiveDate) -> bool {
    let mut known = facility
        .events
        .iter()
        .filter(|event| event.milestone == milestone && event.effective_on <= on);
    known
        .next_back()
        .is_some_and(|event| event.action == DemoAction::Reached)
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub open: u32,
    pub applied: u32,
    pub ready: u32,
    pub live: u32,
}

impl Counts {
    fn add(&mut self, facility: &DemoFacility, on: NaiveDate) {
        if is_open(facility, on) {
            let reached = |milestone| u32::from(in_effect(facility, milestone, on));
            self.open += 1;
            self.applied += reached(Milestone::ReaderApplied);
            self.ready += reached(Milestone::Ready);
            self.live += reached(Milestone::Live);
        }
    }
}

pub const PUBLISHED_DATES: [&str; 8] = [
    "2020-10-11",
    "2021-02-07",
    "2021-04-18",
    "2021-07-18",
    "2021-07-26",
    "2021-10-03",
    "2021-10-20",
    "2021-12-19",
];

/// What one walk through the nation finds.
#[derive(Default)]
pub struct Survey {
    pub counts: BTreeMap<(NaiveDate, FacilityKind), Counts>,
    pub by_prefecture: BTreeMap<(FacilityKind, Prefecture), Counts>,
    pub daily: BTreeMap<(NaiveDate, Milestone), u32>,
    pub stages: BTreeMap<Stage, u32>,
    pub readers_by_end_of_may: u32,
    pub vendor_sizes: Vec<u32>,
    pub chain_sizes: Vec<u32>,
    pub vendor_changes: u32,
    pub chain_changes: u32,
    pub successions: u32,
    pub closed: BTreeMap<FacilityKind, u32>,
    pub opened: u32,
    pub withdrawn: u32,
    pub reapplied: u32,
    pub fingerprint: String,
}

impl Survey {
    pub fn of(nation: &National) -> Self {
        let mut survey = Self {
            vendor_sizes: vec![0; nation.vendors().len()],
            chain_sizes: vec![0; nation.chains().len()],
            ..Self::default()
        };
        let mut digest = Sha256::new();
        let mut line = String::new();
        for facility in nation.facilities() {
            survey.add(&facility);
            line.clear();
            write_out(&mut line, &facility);
            digest.update(&line);
        }
        for organisation in nation.vendors().iter().chain(nation.chains()) {
            let areas: String = organisation
                .prefectures
                .iter()
                .map(|prefecture| prefecture.code())
                .collect();
            digest.update(format!(
                "{},{},{areas}\n",
                organisation.name, organisation.name_kana
            ));
        }
        survey.fingerprint = digest
            .finalize()
            .iter()
            .fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
        survey
    }

    fn add(&mut self, facility: &DemoFacility) {
        let last = date("2021-12-19");
        for day in PUBLISHED_DATES.map(date) {
            self.counts
                .entry((day, facility.kind))
                .or_default()
                .add(facility, day);
        }
        self.by_prefecture
            .entry((facility.kind, facility.prefecture))
            .or_default()
            .add(facility, last);
        if is_open(facility, last) {
            *self
                .stages
                .entry(stage_of(|milestone| in_effect(facility, milestone, last)))
                .or_default() += 1;
            if let Some(link) = facility.vendor.last() {
                self.vendor_sizes[link.index] += 1;
            }
            if let Some(link) = facility.chain.last() {
                self.chain_sizes[link.index] += 1;
            }
        }
        for event in facility
            .events
            .iter()
            .filter(|event| event.action == DemoAction::Reached)
        {
            *self
                .daily
                .entry((event.effective_on, event.milestone))
                .or_default() += 1;
        }
        let end_of_may = date("2021-05-31");
        self.readers_by_end_of_may +=
            u32::from(in_effect(facility, Milestone::ReaderDelivered, end_of_may));
        self.vendor_changes += u32::from(facility.vendor.len() == 2);
        self.chain_changes += u32::from(facility.chain.len() == 2);
        self.successions += u32::from(!facility.past_codes.is_empty());
        *self.closed.entry(facility.kind).or_default() += u32::from(facility.closed_on.is_some());
        self.opened += u32::from(facility.opened_on > date("2020-08-06"));
        let count = |action| {
            let applications = facility
                .events
                .iter()
                .filter(|event| event.milestone == Milestone::ReaderApplied);
            u32::try_from(applications.filter(|event| event.action == action).count()).unwrap()
        };
        self.withdrawn += count(DemoAction::Withdrawn);
        self.reapplied += count(DemoAction::Reached).saturating_sub(1);
    }

    pub fn counts(&self, on: NaiveDate, kind: &str) -> Counts {
        let kinds = FacilityKind::ALL
            .into_iter()
            .filter(|own| kind == "total" || csv_name(*own) == kind);
        kinds
            .map(|own| self.counts[&(on, own)])
            .fold(Counts::default(), |sum, one| Counts {
                open: sum.open + one.open,
                applied: sum.applied + one.applied,
                ready: sum.ready + one.ready,
                live: sum.live + one.live,
            })
    }

    pub fn rates(&self, kind: &str) -> Vec<(Prefecture, f64)> {
        let of_kind = self
            .by_prefecture
            .iter()
            .filter(|((own, _), _)| csv_name(*own) == kind);
        of_kind
            .map(|((_, place), counts)| {
                (
                    *place,
                    f64::from(counts.applied) * 100.0 / f64::from(counts.open),
                )
            })
            .collect()
    }
}

/// One line with everything of a facility, in a form of our own that no library's update changes.
fn write_out(line: &mut String, facility: &DemoFacility) {
    let f = facility;
    write!(
        line,
        "{},{},{},{},{},",
        f.code,
        f.kind.code(),
        f.prefecture.code(),
        f.name,
        f.name_kana
    )
    .unwrap();
    write!(
        line,
        "{},{},{},{:?},{},",
        f.postal_code, f.address, f.phone, f.email, f.public_institution
    )
    .unwrap();
    write!(
        line,
        "{},{}",
        f.opened_on,
        f.closed_on.map_or(String::new(), |day| day.to_string())
    )
    .unwrap();
    for (code, valid_to) in &f.past_codes {
        write!(line, ",{code}<{valid_to}").unwrap();
    }
    for (letter, links) in [('c', &f.chain), ('v', &f.vendor)] {
        for link in links {
            let until = link.until.map_or(String::new(), |day| day.to_string());
            write!(line, ",{letter}{}:{}:{until}", link.index, link.from).unwrap();
        }
    }
    for event in &f.events {
        let sign = if event.action == DemoAction::Reached {
            '+'
        } else {
            '-'
        };
        write!(
            line,
            ",{sign}{}:{}:{}",
            event.milestone.code(),
            event.effective_on,
            event.recorded_on
        )
        .unwrap();
    }
    line.push('\n');
}

pub static NATION: LazyLock<National> = LazyLock::new(|| National::plan(Scale::NATION));
pub static SURVEY: LazyLock<Survey> = LazyLock::new(|| Survey::of(&NATION));

pub fn csv_name(kind: FacilityKind) -> &'static str {
    match kind {
        FacilityKind::Hospital => "hospital",
        FacilityKind::MedicalClinic => "medical_clinic",
        FacilityKind::DentalClinic => "dental_clinic",
        FacilityKind::Pharmacy => "pharmacy",
    }
}
