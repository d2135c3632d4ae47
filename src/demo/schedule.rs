//! The national course of events in whole numbers: how many facilities of each kind were open, had applied, were ready
//! and were live at the end of each interval between two published dates, and how many must have moved in between.
//!
//! What the ministry published is taken as it is. Where it published only a total, or nothing, a plausible number that
//! fits stands in [`ANCHORS`] and says so. From the stocks at both ends of an interval follow the flows through it:
//! the published totals fell in places, so facilities closed and applications were cancelled, and some more of both
//! happened than the net numbers show.

use crate::facility::FacilityKind;

use super::calendar::Interval;
use super::rng::Rng;
use super::scale::Scale;

/// One value for each kind of facility.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ByKind<T> {
    hospital: T,
    medical_clinic: T,
    dental_clinic: T,
    pharmacy: T,
}

impl<T> ByKind<T> {
    pub(super) const fn new(hospital: T, medical_clinic: T, dental_clinic: T, pharmacy: T) -> Self {
        Self {
            hospital,
            medical_clinic,
            dental_clinic,
            pharmacy,
        }
    }

    pub(super) const fn of(&self, kind: FacilityKind) -> &T {
        match kind {
            FacilityKind::Hospital => &self.hospital,
            FacilityKind::MedicalClinic => &self.medical_clinic,
            FacilityKind::DentalClinic => &self.dental_clinic,
            FacilityKind::Pharmacy => &self.pharmacy,
        }
    }
}

/// How many facilities stand where at the end of a day. Each number contains the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stock {
    pub(super) open: u32,
    pub(super) applied: u32,
    pub(super) ready: u32,
    pub(super) live: u32,
}

const fn stock(open: u32, applied: u32, ready: u32, live: u32) -> Stock {
    Stock {
        open,
        applied,
        ready,
        live,
    }
}

/// The stocks on the eve of 2020-08-07 and at the end of each [`Interval`].
const ANCHORS: [ByKind<Stock>; 9] = [
    // 2020-08-06, before applications were taken: chosen.
    ByKind::new(
        stock(8291, 0, 0, 0),
        stock(89_130, 0, 0, 0),
        stock(71_060, 0, 0, 0),
        stock(59_760, 0, 0, 0),
    ),
    // 2020-10-11: open and applied are published.
    ByKind::new(
        stock(8287, 965, 0, 0),
        stock(89_171, 8051, 0, 0),
        stock(71_026, 9638, 0, 0),
        stock(59_835, 14_525, 0, 0),
    ),
    // 2021-02-07: applied is published.
    ByKind::new(
        stock(8282, 3150, 0, 0),
        stock(89_160, 18_752, 0, 0),
        stock(70_985, 16_531, 0, 0),
        stock(59_975, 26_707, 0, 0),
    ),
    // 2021-04-18: open and applied are published; the first pre-operation sites are chosen.
    ByKind::new(
        stock(8276, 6421, 20, 9),
        stock(89_159, 40_011, 48, 22),
        stock(70_935, 35_143, 32, 14),
        stock(60_095, 48_342, 110, 45),
    ),
    // 2021-07-18: applied by kind and open in total (228,834) are published.
    ByKind::new(
        stock(8254, 6416, 560, 164),
        stock(89_281, 39_856, 1900, 384),
        stock(70_885, 35_028, 1350, 310),
        stock(60_414, 49_129, 2650, 572),
    ),
    // 2021-07-26: live in total (1,664) is published.
    ByKind::new(
        stock(8252, 6413, 610, 190),
        stock(89_292, 39_795, 2060, 450),
        stock(70_880, 34_962, 1480, 362),
        stock(60_440, 49_110, 2850, 662),
    ),
    // 2021-10-03: the totals are published: open 229,201, applied 128,789, ready 17,032, live 6,190.
    ByKind::new(
        stock(8237, 6378, 1361, 590),
        stock(89_420, 39_231, 5079, 1700),
        stock(70_838, 34_346, 3890, 1460),
        stock(60_706, 48_834, 6702, 2440),
    ),
    // 2021-10-20, the start of full operation: applied, ready and live are published.
    ByKind::new(
        stock(8234, 6381, 1627, 1056),
        stock(89_421, 39_287, 6072, 3240),
        stock(70_828, 34_380, 4650, 2825),
        stock(60_722, 48_936, 8013, 4555),
    ),
    // 2021-12-19, the report: all published.
    ByKind::new(
        stock(8226, 6406, 2199, 1647),
        stock(89_429, 39_607, 9129, 5956),
        stock(70_791, 34_561, 7005, 5135),
        stock(60_775, 49_168, 12_998, 8550),
    ),
];

/// Facilities that close in a thousand days beyond those by which the published totals fell.
const CLOSURES_PER_THOUSAND_DAYS: ByKind<u32> = ByKind::new(60, 2200, 1600, 1800);

/// Applications in an interval that aren't seen in the net growth, per thousand in effect at its start. As many are
/// cancelled. The exodus of summer 2021, seen in the published totals, comes on top.
const UNSEEN_APPLICATIONS_PER_MILLE: [u32; Interval::COUNT] = [0, 3, 6, 6, 1, 5, 2, 5];

/// Of those who cancelled, so many per thousand apply again in each later interval.
const SECOND_THOUGHTS_PER_MILLE: u32 = 40;

/// One count for each interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Slots([u32; Interval::COUNT]);

impl Slots {
    pub(super) fn at(&self, interval: Interval) -> u32 {
        self.0.get(interval.place()).copied().unwrap_or(0)
    }

    pub(super) fn add(&mut self, interval: Interval, count: u32) {
        if let Some(slot) = self.0.get_mut(interval.place()) {
            *slot += count;
        }
    }

    pub(super) fn total(&self) -> u32 {
        self.0.iter().sum()
    }

    /// Takes one of the counts away from an interval between `first` and `last`, each as likely; none if all are gone.
    pub(super) fn draw(
        &mut self,
        rng: &mut Rng,
        first: Interval,
        last: Interval,
    ) -> Option<Interval> {
        let range = || Interval::all().filter(|interval| (first..=last).contains(interval));
        let left: u64 = range().map(|interval| u64::from(self.at(interval))).sum();
        if left == 0 {
            return None;
        }
        let mut place = rng.below(left);
        for interval in range() {
            let here = u64::from(self.at(interval));
            if place < here {
                self.take(interval);
                return Some(interval);
            }
            place -= here;
        }
        None
    }

    fn take(&mut self, interval: Interval) {
        if let Some(slot) = self.0.get_mut(interval.place()) {
            *slot = slot.saturating_sub(1);
        }
    }

    /// The intervals, each as often as its count says.
    pub(super) fn spread(&self) -> impl Iterator<Item = Interval> {
        Interval::all().flat_map(|interval| {
            std::iter::repeat_n(interval, usize::try_from(self.at(interval)).unwrap_or(0))
        })
    }
}

/// What the facilities of a kind do in each interval.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Flows {
    pub(super) opened: Slots,
    pub(super) closed: Slots,
    /// Those of `closed` that had an application in effect; of these, those that were ready; of these, those live.
    pub(super) closed_applied: Slots,
    pub(super) closed_ready: Slots,
    pub(super) closed_live: Slots,
    /// First applications.
    pub(super) applied: Slots,
    pub(super) withdrawn: Slots,
    /// Applications by those who had withdrawn one.
    pub(super) reapplied: Slots,
    pub(super) ready: Slots,
    pub(super) live: Slots,
}

/// The stocks of a kind at the start and at the end of every interval.
pub(super) fn stocks(kind: FacilityKind, scale: Scale) -> [Stock; Interval::COUNT + 1] {
    ANCHORS.map(|anchor| {
        let nation = anchor.of(kind);
        stock(
            scale.of(nation.open),
            scale.of(nation.applied),
            scale.of(nation.ready),
            scale.of(nation.live),
        )
    })
}

/// The last day's stock of a kind.
pub(super) fn final_stock(kind: FacilityKind, scale: Scale) -> Stock {
    let [.., last] = stocks(kind, scale);
    last
}

/// Of `whole`, as much as `part` is of `of`, rounded down.
fn share(whole: u32, part: u32, of: u32) -> u32 {
    u32::try_from(u64::from(whole) * u64::from(part) / u64::from(of.max(1))).unwrap_or(whole)
}

/// The flows that lead from each stock to the next.
pub(super) fn flows(kind: FacilityKind, scale: Scale) -> Flows {
    let mut flows = Flows::default();
    let mut cancelled = 0;
    let stocks = stocks(kind, scale);
    for ((interval, ends), unseen) in Interval::all()
        .zip(stocks.windows(2))
        .zip(UNSEEN_APPLICATIONS_PER_MILLE)
    {
        let [before, after] = ends else { continue };
        let churn = scale.of(CLOSURES_PER_THOUSAND_DAYS.of(kind) * interval.days() / 1000);
        let closed = churn + before.open.saturating_sub(after.open);
        // Who has invested closes less often: half as often as the others.
        let closed_share = |count: u32| share(closed, count, before.open) / 2;
        let (closed_applied, closed_ready) =
            (closed_share(before.applied), closed_share(before.ready));
        let closed_live = closed_share(before.live);

        let reapplied = cancelled * SECOND_THOUGHTS_PER_MILLE / 1000;
        let unseen = (before.applied * unseen / 1000).max(closed_applied);
        let grown = after.applied.saturating_sub(before.applied);
        let shrunk = before.applied.saturating_sub(after.applied);
        let withdrawn = unseen + shrunk + reapplied - closed_applied;
        cancelled += withdrawn - reapplied;

        flows
            .opened
            .add(interval, after.open + closed - before.open);
        flows.closed.add(interval, closed);
        flows.closed_applied.add(interval, closed_applied);
        flows.closed_ready.add(interval, closed_ready);
        flows.closed_live.add(interval, closed_live);
        flows.applied.add(interval, grown + unseen);
        flows.withdrawn.add(interval, withdrawn);
        flows.reapplied.add(interval, reapplied);
        flows
            .ready
            .add(interval, after.ready + closed_ready - before.ready);
        flows
            .live
            .add(interval, after.live + closed_live - before.live);
    }
    flows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nation(anchor: &ByKind<Stock>) -> Stock {
        FacilityKind::ALL
            .into_iter()
            .map(|kind| *anchor.of(kind))
            .fold(stock(0, 0, 0, 0), |sum, one| {
                stock(
                    sum.open + one.open,
                    sum.applied + one.applied,
                    sum.ready + one.ready,
                    sum.live + one.live,
                )
            })
    }

    #[test]
    fn the_chosen_numbers_add_up_to_the_published_totals() {
        let total = ANCHORS.map(|anchor| nation(&anchor));
        assert_eq!((total[1].open, total[1].applied), (228_319, 33_179));
        assert_eq!(total[2].applied, 65_140);
        assert_eq!((total[3].open, total[3].applied), (228_465, 129_917));
        assert_eq!((total[4].open, total[4].applied), (228_834, 130_429));
        assert_eq!(total[5].live, 1664);
        assert_eq!(total[6], stock(229_201, 128_789, 17_032, 6190));
        assert_eq!(
            (total[7].applied, total[7].ready, total[7].live),
            (128_984, 20_362, 11_676)
        );
        assert_eq!(total[8], stock(229_221, 129_742, 31_331, 21_288));
    }

    #[test]
    fn the_flows_lead_from_each_stock_to_the_next() {
        for kind in FacilityKind::ALL {
            let (flows, stocks) = (flows(kind, Scale::NATION), stocks(kind, Scale::NATION));
            for (interval, ends) in Interval::all().zip(stocks.windows(2)) {
                let (before, after) = (ends[0], ends[1]);
                let at = |slots: &Slots| slots.at(interval);
                assert_eq!(
                    before.open + at(&flows.opened),
                    after.open + at(&flows.closed)
                );
                assert_eq!(
                    before.applied + at(&flows.applied) + at(&flows.reapplied),
                    after.applied + at(&flows.withdrawn) + at(&flows.closed_applied),
                );
                assert_eq!(
                    before.ready + at(&flows.ready),
                    after.ready + at(&flows.closed_ready)
                );
                assert_eq!(
                    before.live + at(&flows.live),
                    after.live + at(&flows.closed_live)
                );
            }
        }
    }

    #[test]
    fn at_least_as_many_close_as_the_published_totals_prove() {
        let closed = FacilityKind::ALL.map(|kind| flows(kind, Scale::NATION).closed.total());
        assert!(
            closed[0] >= 61 && closed[1] >= 12 && closed[2] >= 235,
            "{closed:?}"
        );
    }

    #[test]
    fn drawing_from_slots_empties_them_and_stays_in_the_range() {
        let mut slots = Slots::default();
        let [first, second, third, ..] = Interval::ALL;
        slots.add(first, 1);
        slots.add(third, 2);
        let mut rng = Rng::stream(&[1]);
        assert_eq!(slots.draw(&mut rng, second, third), Some(third));
        assert_eq!(slots.draw(&mut rng, second, third), Some(third));
        assert_eq!(slots.draw(&mut rng, second, third), None);
        assert_eq!(slots.total(), 1);
    }
}
