//! The demo's organisations: their ids and their rows.

use chrono::{DateTime, NaiveTime, Utc};

use super::{National, entity::organisation_values, ledger::take_over_day};
use crate::{
    auth::OrganisationKind,
    db::{OrganisationId, Values},
    facility::{Bureau, Prefecture},
};

/// The demo's organisations by their ids.
#[derive(Clone, Copy, Debug)]
pub(super) struct Organisations {
    vendors: usize,
    chains: usize,
}

impl Organisations {
    /// Those of a nation.
    pub(super) fn of(nation: &National) -> Self {
        Self {
            vendors: nation.vendors().len(),
            chains: nation.chains().len(),
        }
    }

    /// How many vendors there are.
    pub(super) fn vendor_count(self) -> usize {
        self.vendors
    }

    /// 社会保険診療報酬支払基金
    pub(super) const FUND: OrganisationId = OrganisationId(2);
    const FIRST_BUREAU: i64 = 3;
    pub(super) const SUPPORT_CONTRACTORS: [OrganisationId; 2] =
        [OrganisationId(12), OrganisationId(13)];
    const FIRST_VENDOR: i64 = 21;

    pub(super) fn vendor(self, place: usize) -> OrganisationId {
        OrganisationId(Self::FIRST_VENDOR + i64::try_from(place).unwrap_or(0))
    }

    pub(super) fn chain(self, place: usize) -> OrganisationId {
        self.vendor(self.vendors + place)
    }

    /// Chains up to this place have areas and waves.
    const CHAINS_WITH_AREAS: usize = 5;
    /// The last prefecture of the east.
    const LAST_OF_THE_EAST: u8 = 23;

    /// Whether a chain has areas.
    pub(super) fn has_areas(place: usize) -> bool {
        place < Self::CHAINS_WITH_AREAS
    }

    /// The area of a chain to which its stores in a prefecture belong.
    pub(super) fn area(self, place: usize, prefecture: Prefecture) -> OrganisationId {
        let in_the_west = prefecture.number() > Self::LAST_OF_THE_EAST;
        self.chain(self.chains + 2 * place + usize::from(in_the_west))
    }

    /// The support contractor to which a vendor hands on what it can't carry.
    pub(super) fn support_contractor(self, vendor: usize) -> OrganisationId {
        let [one, other] = Self::SUPPORT_CONTRACTORS;
        if vendor.is_multiple_of(2) { one } else { other }
    }

    pub(super) fn rows(self, nation: &National) -> Vec<Values> {
        use OrganisationKind as Kind;
        let single = [
            (1, Kind::Ministry, "厚生労働省", "コウセイロウドウショウ"),
            (
                Self::FUND.0,
                Kind::PaymentFund,
                "社会保険診療報酬支払基金",
                "シャカイホケンシンリョウホウシュウシハライキキン",
            ),
            (
                11,
                Kind::Auditor,
                "全国導入監査室",
                "ゼンコクドウニュウカンサシツ",
            ),
            (
                Self::SUPPORT_CONTRACTORS[0].0,
                Kind::SupportContractor,
                "ミナモ導入支援株式会社",
                "ミナモドウニュウシエン",
            ),
            (
                Self::SUPPORT_CONTRACTORS[1].0,
                Kind::SupportContractor,
                "株式会社トモリ設定サービス",
                "トモリセッテイサービス",
            ),
            (
                14,
                Kind::Supplier,
                "カナエ情報機器株式会社",
                "カナエジョウホウキキ",
            ),
            (
                15,
                Kind::Supplier,
                "株式会社ヒヨリ通信機",
                "ヒヨリツウシンキ",
            ),
        ];
        let single = single
            .into_iter()
            .map(|(id, kind, name, kana)| row(OrganisationId(id), kind, (name, kana), None));
        let bureaus = Bureau::ALL.into_iter().zip(Self::FIRST_BUREAU..);
        let bureaus = bureaus.map(|(bureau, id)| {
            let names = (bureau.name_ja(), bureau.name_kana());
            row(
                OrganisationId(id),
                Kind::RegionalBureau,
                names,
                Some(bureau),
            )
        });
        let vendors = nation.vendors().iter().enumerate();
        let vendors = vendors.map(|(place, vendor)| {
            let names = (vendor.name.as_str(), vendor.name_kana.as_str());
            row(self.vendor(place), Kind::Vendor, names, None)
        });
        let chains = nation.chains().iter().enumerate();
        let chains = chains.map(|(place, chain)| {
            let names = (chain.name.as_str(), chain.name_kana.as_str());
            row(self.chain(place), Kind::Chain, names, None)
        });
        let with_areas = (0..self.chains.min(Self::CHAINS_WITH_AREAS)).flat_map(|place| {
            let last = |number| Prefecture::all().find(|one| one.number() == number);
            [
                (
                    last(Self::LAST_OF_THE_EAST),
                    "東日本エリア",
                    "ヒガシニホンエリア",
                ),
                (
                    last(Self::LAST_OF_THE_EAST + 1),
                    "西日本エリア",
                    "ニシニホンエリア",
                ),
            ]
            .map(|(prefecture, name, name_kana)| (place, prefecture, (name, name_kana)))
        });
        let areas = with_areas.filter_map(|(place, prefecture, names)| {
            let id = self.area(place, prefecture?);
            let chain = Some(self.chain(place));
            Some(organisation_values(
                id,
                Kind::Area,
                names,
                None,
                chain,
                founded_at(),
            ))
        });
        single
            .chain(bureaus)
            .chain(vendors)
            .chain(chains)
            .chain(areas)
            .collect()
    }
}

fn row(
    id: OrganisationId,
    kind: OrganisationKind,
    names: (&str, &str),
    bureau: Option<Bureau>,
) -> Values {
    organisation_values(id, kind, names, bureau, None, founded_at())
}

/// The organisations were there when the rollout began.
fn founded_at() -> DateTime<Utc> {
    take_over_day().and_time(NaiveTime::MIN).and_utc()
}
