//! Prefecture bands: how many prefectures reach each ten per cent, and the sentence that the ministry's
//! report prints about it. The report says 超 for "more than" and 以上 for "at least", counts its upper
//! bands exclusively (a prefecture stands in one band only), and names the sort of prefectures in a band
//! by its suffixes (都 道 府 県).

use std::collections::BTreeMap;

use super::ask::Answer;
use crate::{
    auth::Language,
    facility::{FacilityKind, Prefecture},
    figures::{Counts, Level},
};

/// How many prefectures reach a threshold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Threshold {
    /// Per cent: 0, 10 … 90.
    pub percent: i64,
    /// More than this (超).
    pub above: i64,
    /// This or more (以上).
    pub at_least: i64,
    /// This or more, and less than the next threshold.
    pub within: i64,
    suffixes_above: String,
    suffixes_within: String,
}

/// The bands of one kind of facility.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bands {
    /// The kind.
    pub kind: FacilityKind,
    /// Of which count.
    pub level: Level,
    /// Prefectures in which there are any facilities of the kind.
    pub prefectures: i64,
    /// From 90 per cent down.
    pub thresholds: Vec<Threshold>,
}

/// The bands of each kind, from figures grouped by kind and prefecture.
pub fn bands(answer: &Answer, level: Level) -> Vec<Bands> {
    let mut kinds: BTreeMap<FacilityKind, Vec<(Prefecture, Counts)>> = BTreeMap::new();
    for (group, counts) in answer {
        if let (Some(kind), Some(prefecture)) = (group.kind, group.prefecture)
            && counts.all > 0
        {
            kinds.entry(kind).or_default().push((prefecture, *counts));
        }
    }
    kinds
        .into_iter()
        .map(|(kind, rates)| Bands {
            kind,
            level,
            prefectures: i64::try_from(rates.len()).unwrap_or(0),
            thresholds: (0..=9)
                .rev()
                .map(|tens| threshold(tens * 10, level, &rates))
                .collect(),
        })
        .collect()
}

fn threshold(percent: i64, level: Level, rates: &[(Prefecture, Counts)]) -> Threshold {
    // Exact: count / all ≥ percent / 100, without a division.
    let reach = |least: i64, strictly: bool| -> Vec<Prefecture> {
        rates
            .iter()
            .filter(|(_, counts)| {
                let (share, needed) = (counts.at(level) * 100, least * counts.all);
                if strictly {
                    share > needed
                } else {
                    share >= needed
                }
            })
            .map(|(prefecture, _)| *prefecture)
            .collect()
    };
    let (above, at_least) = (reach(percent, true), reach(percent, false));
    let next = if percent == 90 {
        Vec::new()
    } else {
        reach(percent + 10, false)
    };
    let within: Vec<Prefecture> = at_least
        .iter()
        .filter(|prefecture| !next.contains(prefecture))
        .copied()
        .collect();
    let count = |prefectures: &[Prefecture]| i64::try_from(prefectures.len()).unwrap_or(0);
    Threshold {
        percent,
        above: count(&above),
        at_least: count(&at_least),
        within: count(&within),
        suffixes_above: suffixes(&above),
        suffixes_within: suffixes(&within),
    }
}

/// The last characters of the prefectures' names, in the order 都 道 府 県.
fn suffixes(prefectures: &[Prefecture]) -> String {
    ['都', '道', '府', '県']
        .into_iter()
        .filter(|suffix| {
            prefectures
                .iter()
                .any(|prefecture| prefecture.name_ja().ends_with(*suffix))
        })
        .collect()
}

/// From which per cent on bands are worth a clause of their own.
const WORTH_SAYING: i64 = 60;

impl Bands {
    /// What the report prints: the greatest ten per cent that every prefecture exceeds, if that is 60 or
    /// more and all 47 are counted, then each band above it; else the bands from 60 per cent up; else how many
    /// exceed 50. `None` for the count of all, which is no rate.
    pub fn sentence(&self, language: Language) -> Option<String> {
        let rate = match self.level {
            Level::Open => return None,
            Level::Applied => "申込割合",
            Level::Ready => "準備完了割合",
            Level::Live => "運用開始割合",
        };
        let all = self.thresholds.iter().find(|threshold| {
            self.is_of_the_nation()
                && threshold.above == self.prefectures
                && threshold.percent >= WORTH_SAYING
        });
        let floor = all.map_or(WORTH_SAYING, |all| all.percent + 10);
        let upper: Vec<&Threshold> = self
            .thresholds
            .iter()
            .filter(|threshold| threshold.percent >= floor && threshold.within > 0)
            .collect();
        let mut clauses: Vec<String> = Vec::new();
        if let Some(all) = all {
            clauses.push(match language {
                Language::Ja => format!("全都道府県で{}％超", all.percent),
                Language::En => format!("more than {} % in every prefecture", all.percent),
            });
        }
        for (position, band) in upper.iter().enumerate() {
            let of_which = all.is_some() && upper.len() > 1 && position == 0;
            clauses.push(match language {
                Language::Ja => format!(
                    "{}{}{}で{}％以上",
                    if of_which { "うち、" } else { "" },
                    band.within,
                    band.suffixes_within,
                    band.percent
                ),
                Language::En => format!("{} % or more in {}", band.percent, band.within),
            });
        }
        if clauses.is_empty()
            && let Some(half) = self.thresholds.iter().find(|t| t.percent == 50)
        {
            clauses.push(match language {
                Language::Ja => format!("{}{}で50％超", half.above, half.suffixes_above),
                Language::En => format!("more than 50 % in {}", half.above),
            });
        }
        Some(match language {
            Language::Ja => format!("{}の{rate}は{}", self.kind.label_ja(), clauses.join("、")),
            Language::En => clauses.join(", "),
        })
    }

    /// Do all prefectures count? A bureau, a vendor or a filter may have only some, which are not "every" one.
    fn is_of_the_nation(&self) -> bool {
        usize::try_from(self.prefectures) == Ok(Prefecture::all().len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::service::Group;

    /// What is said of the first so many prefectures, in each of which three hospitals of four have applied.
    fn said_of(prefectures: usize, language: Language) -> String {
        let counts = Counts {
            all: 4,
            applied: 3,
            ..Counts::ZERO
        };
        let answer: Answer = Prefecture::all()
            .take(prefectures)
            .map(|prefecture| {
                let group = Group {
                    kind: Some(FacilityKind::Hospital),
                    prefecture: Some(prefecture),
                    ..Group::default()
                };
                (group, counts)
            })
            .collect();
        let bands = bands(&answer, Level::Applied);
        bands[0].sentence(language).unwrap()
    }

    #[test]
    fn only_of_all_47_is_it_said_that_every_prefecture_exceeds_a_rate() {
        for (prefectures, japanese, english) in [
            (
                47,
                "全都道府県で70％超",
                "more than 70 % in every prefecture",
            ),
            (46, "46都道府県で70％以上", "70 % or more in 46"),
            (1, "1道で70％以上", "70 % or more in 1"),
        ] {
            assert_eq!(said_of(prefectures, Language::En), english);
            assert_eq!(
                said_of(prefectures, Language::Ja),
                format!("病院の申込割合は{japanese}")
            );
        }
    }
}
