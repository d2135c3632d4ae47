//! Where it happens: how many facilities of each kind every prefecture has on 2021-12-19, and how many of them have
//! applied for a reader.
//!
//! The facilities are those of `facilities_by_prefecture.csv`. Of the applications by prefecture the ministry's report
//! gives only bands: "all prefectures over 60 %, of these one 県 at 90 % or more, 23 府県 at 80 % or more" and so on.
//! Its suffixes bind: only 県 are in the top bands of clinics and dentists, and Tokyo (都), Hokkaido (道), Osaka and
//! Kyoto (府) are where the words put them. Within its band each prefecture gets a rate of its own, off the edges.

use crate::facility::{FacilityKind, Prefecture};

use super::rng::Rng;
use super::scale::Scale;
use super::schedule;

/// Facilities of a kind in a prefecture on 2021-12-19.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Share {
    pub(super) prefecture: Prefecture,
    pub(super) open: u32,
    /// Of these, those whose application for a reader is in effect.
    pub(super) applied: u32,
}

/// A band of application rates and the prefectures in it.
struct Band {
    /// Lowest and highest rate, per thousand: the report's bounds, drawn in by at least three.
    rates: (u32, u32),
    prefectures: &'static [u8],
}

const fn band(low: u32, high: u32, prefectures: &'static [u8]) -> Band {
    Band {
        rates: (low, high),
        prefectures,
    }
}

const HOSPITAL_BANDS: [Band; 4] = [
    band(905, 960, &[32]),
    band(
        804,
        890,
        &[
            3, 5, 6, 15, 16, 17, 18, 20, 21, 22, 24, 25, 26, 27, 30, 31, 33, 34, 35, 36, 37, 41, 44,
        ],
    ),
    band(612, 695, &[19, 39, 47]),
    band(704, 796, &[]),
];
const MEDICAL_CLINIC_BANDS: [Band; 2] = [
    band(
        506,
        580,
        &[3, 5, 6, 7, 15, 16, 17, 18, 20, 25, 31, 32, 35, 41, 46],
    ),
    band(350, 494, &[]),
];
const DENTAL_CLINIC_BANDS: [Band; 3] = [
    band(704, 745, &[16, 17, 18]),
    band(605, 695, &[5, 6, 15, 31, 32, 36, 41]),
    band(390, 590, &[]),
];
const PHARMACY_BANDS: [Band; 2] = [
    band(
        804,
        880,
        &[
            2, 3, 4, 5, 6, 7, 9, 12, 13, 15, 16, 17, 18, 20, 21, 22, 24, 25, 27, 31, 32, 34, 35,
            37, 41, 44, 46,
        ],
    ),
    band(704, 796, &[]),
];

/// The report's bands. A prefecture that none names is in the last.
const fn bands(kind: FacilityKind) -> &'static [Band] {
    match kind {
        FacilityKind::Hospital => &HOSPITAL_BANDS,
        FacilityKind::MedicalClinic => &MEDICAL_CLINIC_BANDS,
        FacilityKind::DentalClinic => &DENTAL_CLINIC_BANDS,
        FacilityKind::Pharmacy => &PHARMACY_BANDS,
    }
}

/// The prefectures' shares of a kind, by number of the prefecture.
pub(super) fn shares(kind: FacilityKind, scale: Scale) -> Vec<Share> {
    let nation = nation(kind);
    if scale == Scale::NATION {
        return nation;
    }
    let total = schedule::final_stock(kind, scale);
    let weights = |of: fn(&Share) -> u32| -> Vec<u64> {
        nation.iter().map(|share| u64::from(of(share))).collect()
    };
    let unlimited = vec![u32::MAX; nation.len()];
    let open = apportion(total.open, &weights(|share| share.open), &unlimited);
    let applied = apportion(total.applied, &weights(|share| share.applied), &open);
    let shares = nation.iter().zip(open).zip(applied);
    shares
        .map(|((nation, open), applied)| Share {
            prefecture: nation.prefecture,
            open,
            applied,
        })
        .collect()
}

fn nation(kind: FacilityKind) -> Vec<Share> {
    let open = facilities_by_prefecture(kind);
    let limits = || {
        Prefecture::all()
            .zip(&open)
            .map(|(prefecture, open)| limits(kind, prefecture, *open))
    };
    let least: u32 = limits().map(|(low, _)| low).sum();
    let room: Vec<u32> = limits()
        .map(|(low, high)| high.saturating_sub(low))
        .collect();
    let weights: Vec<u64> = Prefecture::all()
        .zip(&room)
        .map(|(p, room)| eagerness(kind, p) * u64::from(*room))
        .collect();
    let above = apportion(
        schedule::final_stock(kind, Scale::NATION)
            .applied
            .saturating_sub(least),
        &weights,
        &room,
    );
    let applied = limits().zip(above).map(|((low, _), above)| low + above);
    let shares = Prefecture::all().zip(&open).zip(applied);
    shares
        .map(|((prefecture, open), applied)| Share {
            prefecture,
            open: *open,
            applied,
        })
        .collect()
}

/// The fewest and the most applications that keep a prefecture in its band.
fn limits(kind: FacilityKind, prefecture: Prefecture, open: u32) -> (u32, u32) {
    let named = |band: &&Band| band.prefectures.contains(&prefecture.number());
    let bands = bands(kind);
    let (low, high) = bands
        .iter()
        .find(named)
        .or(bands.last())
        .map_or((0, 1000), |band| band.rates);
    ((open * low).div_ceil(1000), open * high / 1000)
}

/// How far into its band a prefecture leans, relative to the others.
fn eagerness(kind: FacilityKind, prefecture: Prefecture) -> u64 {
    let labels = [
        1,
        u64::from(kind.code().unsigned_abs()),
        u64::from(prefecture.number()),
    ];
    400 + Rng::stream(&labels).below(1200)
}

fn facilities_by_prefecture(kind: FacilityKind) -> Vec<u32> {
    let file = include_str!("../../assets/figures/facilities_by_prefecture.csv");
    let column = 1 + usize::from(kind.code().unsigned_abs());
    file.lines()
        .skip(1)
        .filter_map(|line| line.split(',').nth(column)?.parse().ok())
        .collect()
}

/// Divides `total` in proportion to `weights`, by largest remainder, never above the caps. If the caps leave too little
/// room, they are all filled.
pub(super) fn apportion(total: u32, weights: &[u64], caps: &[u32]) -> Vec<u32> {
    let sum = weights.iter().sum::<u64>().max(1);
    let mut parts: Vec<Part> = weights
        .iter()
        .zip(caps)
        .map(|(weight, cap)| {
            let exact = u64::from(total) * weight;
            let whole = u32::try_from(exact / sum).unwrap_or(u32::MAX).min(*cap);
            Part {
                count: whole,
                remainder: exact % sum,
                cap: *cap,
            }
        })
        .collect();
    let mut left = total.saturating_sub(parts.iter().map(|part| part.count).sum());
    let mut order: Vec<&mut Part> = parts.iter_mut().collect();
    // The sort is stable: of equal remainders the first comes first.
    order.sort_by_key(|part| std::cmp::Reverse(part.remainder));
    while left > 0 && order.iter().any(|part| part.count < part.cap) {
        for part in &mut order {
            if left > 0 && part.count < part.cap {
                part.count += 1;
                left -= 1;
            }
        }
    }
    parts.iter().map(|part| part.count).collect()
}

struct Part {
    count: u32,
    remainder: u64,
    cap: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(kind: FacilityKind) -> Vec<(Prefecture, u32)> {
        let per_mille = |share: Share| (share.prefecture, share.applied * 1000 / share.open);
        shares(kind, Scale::NATION)
            .into_iter()
            .map(per_mille)
            .collect()
    }

    fn named(chosen: &[(Prefecture, u32)]) -> Vec<&'static str> {
        chosen
            .iter()
            .map(|(prefecture, _)| prefecture.name_ja())
            .collect()
    }

    #[test]
    fn the_ministrys_numbers_by_prefecture_add_up_to_its_totals() {
        let totals =
            FacilityKind::ALL.map(|kind| facilities_by_prefecture(kind).iter().sum::<u32>());
        assert_eq!(totals, [8226, 89_429, 70_791, 60_775]);
        for kind in FacilityKind::ALL {
            assert_eq!(facilities_by_prefecture(kind).len(), 47);
        }
    }

    #[test]
    fn applications_by_prefecture_add_up_to_the_published_totals() {
        for (kind, published) in FacilityKind::ALL
            .into_iter()
            .zip([6406, 39_607, 34_561, 49_168])
        {
            let applied: u32 = shares(kind, Scale::NATION)
                .iter()
                .map(|share| share.applied)
                .sum();
            assert_eq!(applied, published);
        }
    }

    #[test]
    fn every_rate_is_off_the_edges_of_its_band() {
        for kind in FacilityKind::ALL {
            for share in shares(kind, Scale::NATION) {
                let (low, high) = limits(kind, share.prefecture, share.open);
                assert!((low..=high).contains(&share.applied), "{kind:?} {share:?}");
            }
            for band in bands(kind) {
                let distance = |rate: u32| (rate % 100).min(100 - rate % 100);
                assert!(distance(band.rates.0) >= 3 && distance(band.rates.1) >= 3);
            }
        }
    }

    #[test]
    fn hospitals_stand_in_the_bands_of_the_report() {
        let rates = rates(FacilityKind::Hospital);
        let within = |low: u32, high: u32| -> Vec<(Prefecture, u32)> {
            rates
                .iter()
                .copied()
                .filter(|(_, rate)| (low..high).contains(rate))
                .collect()
        };
        assert_eq!(
            [
                within(900, 1001).len(),
                within(800, 900).len(),
                within(700, 800).len()
            ],
            [1, 23, 20]
        );
        assert_eq!(within(601, 1001).len(), 47);
        assert!(
            within(900, 1001)
                .iter()
                .chain(&within(600, 700))
                .all(|(prefecture, _)| prefecture.is_ken())
        );
        assert!(
            named(&within(700, 800)).contains(&"東京都")
                && named(&within(700, 800)).contains(&"北海道")
        );
        assert!(
            named(&within(800, 900)).contains(&"大阪府")
                && named(&within(800, 900)).contains(&"京都府")
        );
    }

    #[test]
    fn only_ken_are_in_the_top_bands_of_clinics() {
        let medical: Vec<_> = rates(FacilityKind::MedicalClinic)
            .into_iter()
            .filter(|(_, rate)| *rate >= 500)
            .collect();
        assert_eq!(medical.len(), 15);
        let dental: Vec<_> = rates(FacilityKind::DentalClinic)
            .into_iter()
            .filter(|(_, rate)| *rate >= 600)
            .collect();
        assert_eq!(dental.iter().filter(|(_, rate)| *rate >= 700).count(), 3);
        assert_eq!(dental.len(), 10);
        assert!(
            medical
                .iter()
                .chain(&dental)
                .all(|(prefecture, _)| prefecture.is_ken())
        );
    }

    #[test]
    fn pharmacies_at_eighty_per_cent_include_tokyo_and_osaka_and_not_hokkaido() {
        let rates = rates(FacilityKind::Pharmacy);
        assert!(rates.iter().all(|(_, rate)| *rate > 700));
        let top: Vec<_> = rates.into_iter().filter(|(_, rate)| *rate >= 800).collect();
        assert_eq!(top.len(), 27);
        let names = named(&top);
        assert!(
            names.contains(&"東京都") && names.contains(&"大阪府") && !names.contains(&"北海道")
        );
    }

    #[test]
    fn a_smaller_nation_keeps_its_totals_and_nobody_applies_who_is_not_there() {
        for text in ["0.001", "0.01", "0.3", "10"] {
            let scale = text.parse().unwrap();
            for kind in FacilityKind::ALL {
                let (shares, total) = (shares(kind, scale), schedule::final_stock(kind, scale));
                assert_eq!(
                    shares.iter().map(|share| share.open).sum::<u32>(),
                    total.open
                );
                assert_eq!(
                    shares.iter().map(|share| share.applied).sum::<u32>(),
                    total.applied
                );
                assert!(shares.iter().all(|share| share.applied <= share.open));
            }
        }
    }

    #[test]
    fn parts_follow_the_weights_and_the_caps() {
        assert_eq!(apportion(10, &[1, 1, 1], &[9, 9, 9]), [4, 3, 3]);
        assert_eq!(apportion(10, &[8, 1, 1], &[5, 9, 9]), [5, 3, 2]);
        assert_eq!(apportion(10, &[1, 1], &[2, 3]), [2, 3]);
        assert_eq!(apportion(0, &[1, 2], &[9, 9]), [0, 0]);
    }
}
