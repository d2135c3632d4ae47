//! What the vendors of the demo tell of themselves in the directory.

use super::{National, rng::Rng};
use crate::{
    facility::Prefecture,
    vendor::{ContactPoint, Profile},
};

/// Systems of the demo's own making.
const SYSTEMS: [&str; 8] = [
    "アオゾラレセプト",
    "カルテびより",
    "調剤ナビ24",
    "デンタルノート",
    "ホクト電子カルテ",
    "みやこレセコン",
    "ミント薬歴",
    "わかばクラウド",
];

/// What each vendor tells, in the order of the vendors: where it is engaged, one to three systems and a desk. One in
/// nine has no capacity left.
pub(super) fn vendors(nation: &National) -> Vec<Profile> {
    let areas = nation.organisations.vendor_areas();
    (1_u64..)
        .zip(areas)
        .map(|(number, areas)| {
            let mut rng = Rng::stream(&[40, number]);
            let first = rng.below(8);
            let systems = SYSTEMS
                .iter()
                .cycle()
                .skip(usize::try_from(first).unwrap_or(0));
            let count = usize::try_from(rng.between(1, 3)).unwrap_or(1);
            Profile {
                accepts_work: Some(rng.below(9) > 0),
                introduction: String::new(),
                areas: areas.into_iter().collect(),
                systems: systems.take(count).map(|name| (*name).to_owned()).collect(),
                contacts: vec![desk(&format!("vendor{number}"))],
            }
        })
        .collect()
}

/// What a support contractor tells: it goes everywhere, whatever the system.
pub(super) fn support_contractor(number: u64) -> Profile {
    Profile {
        accepts_work: Some(true),
        introduction: "端末の設置から試験運用まで、全国で導入をお手伝いします。".to_owned(),
        areas: Prefecture::all().collect(),
        systems: Vec::new(),
        contacts: vec![desk(&format!("support{number}"))],
    }
}

fn desk(name: &str) -> ContactPoint {
    ContactPoint {
        label: "導入ご相談窓口".to_owned(),
        email: Some(format!("{name}@demo.example.jp")),
        ..ContactPoint::default()
    }
}
