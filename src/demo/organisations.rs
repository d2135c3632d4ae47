//! The vendors and pharmacy chains of the demo nation, and who works for whom.
//!
//! A few makers of receipt computers serve ten thousand facilities and more each, and a long tail of regional firms
//! serves some dozens around its home. What a firm does and where decides which facilities may engage it; how likely
//! they do is its weight in the market of a kind and prefecture. All names are made up of syllables that mean nothing.

use std::collections::BTreeSet;

use crate::facility::{FacilityKind, Prefecture};

use super::DemoOrganisation;
use super::allocation;
use super::names::{self, Spelling};
use super::rng::Rng;
use super::scale::Scale;

/// A place in the list of vendors or of chains.
pub(super) type Place = u16;

/// Firms of one sort, each smaller than the one before.
struct Segment {
    firms: u32,
    kinds: &'static [FacilityKind],
    national: bool,
    /// The weight of its largest firm in each of `kinds`.
    weights: &'static [u64],
}

const ALL_BUT_DENTAL: &[FacilityKind] = &[
    FacilityKind::MedicalClinic,
    FacilityKind::Pharmacy,
    FacilityKind::Hospital,
];

/// 300 firms in all. Weights compare within a kind.
const SEGMENTS: &[Segment] = &[
    // Makers for all who bill under the medical and dispensing tables; the first is the giant of the market.
    Segment {
        firms: 9,
        kinds: ALL_BUT_DENTAL,
        national: true,
        weights: &[1700, 900, 400],
    },
    Segment {
        firms: 12,
        kinds: &[FacilityKind::Hospital],
        national: true,
        weights: &[300],
    },
    Segment {
        firms: 14,
        kinds: &[FacilityKind::MedicalClinic],
        national: true,
        weights: &[900],
    },
    Segment {
        firms: 10,
        kinds: &[FacilityKind::DentalClinic],
        national: true,
        weights: &[1400],
    },
    Segment {
        firms: 10,
        kinds: &[FacilityKind::Pharmacy],
        national: true,
        weights: &[1300],
    },
    Segment {
        firms: 90,
        kinds: ALL_BUT_DENTAL,
        national: false,
        weights: &[220, 160, 80],
    },
    Segment {
        firms: 70,
        kinds: &[FacilityKind::MedicalClinic],
        national: false,
        weights: &[500],
    },
    Segment {
        firms: 45,
        kinds: &[FacilityKind::DentalClinic],
        national: false,
        weights: &[400],
    },
    Segment {
        firms: 40,
        kinds: &[FacilityKind::Pharmacy],
        national: false,
        weights: &[400],
    },
];

/// Stores of each chain, nationally, of 60,775 pharmacies; the others have no chain.
const CHAIN_STORES: [u64; 60] = [
    1080, 890, 760, 640, 540, 470, 410, 370, 330, 300, 280, 265, 250, 240, 180, 165, 150, 140, 130,
    120, 110, 105, 100, 95, 90, 86, 82, 78, 74, 70, 67, 64, 61, 58, 55, 52, 50, 48, 46, 44, 42, 40,
    38, 36, 34, 32, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17,
];
/// The larger chains have stores everywhere.
const NATIONAL_CHAINS: usize = 20;

/// All vendors and chains and their markets.
#[derive(Debug)]
pub(super) struct Organisations {
    pub(super) vendors: Vec<DemoOrganisation>,
    pub(super) chains: Vec<DemoOrganisation>,
    /// For each kind and prefecture, in their order, who is engaged how often.
    vendor_markets: Vec<Market>,
    /// For each prefecture, the same of chains. Its last share is "no chain".
    chain_markets: Vec<Market>,
    /// The vendor that each chain has for all its stores.
    chain_vendors: Vec<Place>,
}

impl Organisations {
    pub(super) fn new(scale: Scale) -> Self {
        let homes = Homes::new();
        let mut offers = Vec::new();
        let mut vendors = Vec::new();
        for segment in SEGMENTS {
            for rank in 0..kept(segment.firms, 2, scale) {
                let home = homes.draw(&mut Rng::stream(&[2, place(vendors.len()).into()]));
                let offer = Offer::of(segment, rank, home, place(vendors.len()));
                vendors.push(vendor(vendors.len(), &offer));
                offers.push(offer);
            }
        }
        let chain_count = usize::try_from(kept(60, 6, scale)).unwrap_or(60);
        let chain_offers: Vec<ChainOffer> = CHAIN_STORES
            .into_iter()
            .take(chain_count)
            .enumerate()
            .map(|(at, stores)| ChainOffer {
                stores,
                area: chain_area(at, &homes),
                place: place(at),
            })
            .collect();
        let chains = chain_offers.iter().map(chain).collect();
        let everywhere: Vec<&Offer> = offers
            .iter()
            .filter(|offer| offer.national && offer.weight(FacilityKind::Pharmacy) > 0)
            .collect();
        Self {
            vendors,
            chains,
            vendor_markets: vendor_markets(&offers),
            chain_vendors: chain_offers
                .iter()
                .map(|chain| house_vendor(&everywhere, chain.place))
                .collect(),
            chain_markets: chain_markets(&chain_offers),
        }
    }

    /// A vendor that facilities of a kind engage in a prefecture.
    pub(super) fn draw_vendor(
        &self,
        rng: &mut Rng,
        kind: FacilityKind,
        prefecture: Prefecture,
    ) -> Option<Place> {
        let row =
            usize::from(kind.code().unsigned_abs()) * 47 + usize::from(prefecture.number() - 1);
        self.vendor_markets.get(row)?.draw(rng)
    }

    /// Where each vendor is engaged by anybody, in the order of the vendors.
    pub(super) fn vendor_areas(&self) -> Vec<BTreeSet<Prefecture>> {
        let mut areas = vec![BTreeSet::new(); self.vendors.len()];
        let places = FacilityKind::ALL.iter().flat_map(|_| Prefecture::all());
        for (market, prefecture) in self.vendor_markets.iter().zip(places) {
            for (_, vendor) in &market.choices {
                let area = vendor.and_then(|vendor| areas.get_mut(usize::from(vendor)));
                if let Some(area) = area {
                    area.insert(prefecture);
                }
            }
        }
        areas
    }

    /// The chain to which a pharmacy belongs, if to any.
    pub(super) fn draw_chain(&self, rng: &mut Rng, prefecture: Prefecture) -> Option<Place> {
        self.chain_markets
            .get(usize::from(prefecture.number() - 1))?
            .draw(rng)
    }

    /// A chain that has stores in a prefecture.
    pub(super) fn draw_other_chain(&self, rng: &mut Rng, prefecture: Prefecture) -> Option<Place> {
        let market = self
            .chain_markets
            .get(usize::from(prefecture.number() - 1))?;
        market.draw_organisation(rng)
    }

    /// The vendor that a chain has for its stores.
    pub(super) fn vendor_of_chain(&self, chain: Place) -> Option<Place> {
        self.chain_vendors.get(usize::from(chain)).copied()
    }

    /// What the stores of a chain are called before the name of the store.
    pub(super) fn brand(chain: Place) -> Spelling {
        names::brand(chain)
    }
}

/// Of so many organisations, those that a smaller nation keeps.
fn kept(count: u32, at_least: u32, scale: Scale) -> u32 {
    scale.of(count).clamp(at_least.min(count), count)
}

fn place(index: usize) -> Place {
    Place::try_from(index).unwrap_or(Place::MAX)
}

/// Where firms have their head office: anywhere, but more often where there is more to do.
struct Homes(Market);

impl Homes {
    fn new() -> Self {
        let clinics = allocation::shares(FacilityKind::MedicalClinic, Scale::NATION);
        let shares = clinics.iter().map(|share| {
            (
                u64::from(share.open) + 600,
                Some(share.prefecture.number().into()),
            )
        });
        Self(Market::new(shares))
    }

    fn draw(&self, rng: &mut Rng) -> Prefecture {
        let number = self
            .0
            .draw(rng)
            .and_then(|number| u8::try_from(number).ok());
        number
            .and_then(Prefecture::from_number)
            .unwrap_or(Prefecture::FIRST)
    }
}

/// What a vendor offers: to whom, where, and with what success.
struct Offer {
    place: Place,
    national: bool,
    home: Prefecture,
    weights: Vec<(FacilityKind, u64)>,
}

impl Offer {
    fn of(segment: &Segment, rank: u32, home: Prefecture, place: Place) -> Self {
        let rank = u64::from(rank);
        // The leader of a national market towers over the rest; regional firms are smaller, and more alike.
        let (divisor, least) = if segment.national {
            ((rank + 1) * (rank + 4) / 4, 1)
        } else {
            (1 + rank / 3, 45)
        };
        let sizes = segment.kinds.iter().zip(segment.weights);
        let weights = sizes.map(|(kind, weight)| (*kind, (weight / divisor).max(least)));
        Self {
            place,
            national: segment.national,
            home,
            weights: weights.collect(),
        }
    }

    fn weight(&self, kind: FacilityKind) -> u64 {
        self.weights
            .iter()
            .find(|(own, _)| *own == kind)
            .map_or(0, |(_, weight)| *weight)
    }

    /// The weight in a prefecture, in hundredths: full at home, a third next door.
    fn weight_in(&self, kind: FacilityKind, prefecture: Prefecture) -> u64 {
        let weight = self.weight(kind) * 99;
        if self.national || prefecture == self.home {
            weight
        } else if self
            .home
            .neighbours()
            .any(|neighbour| neighbour == prefecture)
        {
            weight / 3
        } else {
            0
        }
    }

    fn area(&self) -> Vec<Prefecture> {
        if self.national {
            Prefecture::all().collect()
        } else {
            around(self.home)
        }
    }
}

fn around(home: Prefecture) -> Vec<Prefecture> {
    let mut area: Vec<Prefecture> = home.neighbours().chain([home]).collect();
    area.sort_unstable();
    area
}

fn vendor(index: usize, offer: &Offer) -> DemoOrganisation {
    let mut specialities: Vec<FacilityKind> = offer.weights.iter().map(|(kind, _)| *kind).collect();
    specialities.sort_unstable();
    let name = names::vendor(index);
    DemoOrganisation {
        name: name.text,
        name_kana: name.kana,
        headquarters: offer.home,
        specialities,
        prefectures: offer.area(),
    }
}

struct ChainOffer {
    place: Place,
    stores: u64,
    area: Vec<Prefecture>,
}

fn chain_area(index: usize, homes: &Homes) -> Vec<Prefecture> {
    let home = homes.draw(&mut Rng::stream(&[3, place(index).into()]));
    if index < NATIONAL_CHAINS {
        Prefecture::all().collect()
    } else {
        around(home)
    }
}

fn chain(offer: &ChainOffer) -> DemoOrganisation {
    let name = names::chain(offer.place);
    let mut rng = Rng::stream(&[4, offer.place.into()]);
    let middle = offer
        .area
        .get(offer.area.len() / 2)
        .copied()
        .unwrap_or(Prefecture::FIRST);
    let tokyo = Prefecture::from_number(13)
        .filter(|tokyo| offer.area.contains(tokyo) && rng.per_mille(600));
    DemoOrganisation {
        name: name.text,
        name_kana: name.kana,
        headquarters: tokyo.unwrap_or(middle),
        specialities: vec![FacilityKind::Pharmacy],
        prefectures: offer.area.clone(),
    }
}

/// One of the vendors that serve pharmacies everywhere.
fn house_vendor(everywhere: &[&Offer], chain: Place) -> Place {
    let market = Market::new(
        everywhere
            .iter()
            .map(|offer| (offer.weight(FacilityKind::Pharmacy), Some(offer.place))),
    );
    market
        .draw(&mut Rng::stream(&[5, chain.into()]))
        .unwrap_or(0)
}

fn vendor_markets(offers: &[Offer]) -> Vec<Market> {
    let markets = FacilityKind::ALL
        .into_iter()
        .flat_map(|kind| Prefecture::all().map(move |place| (kind, place)));
    markets
        .map(|(kind, prefecture)| {
            let firms = offers
                .iter()
                .map(|offer| (offer.weight_in(kind, prefecture), Some(offer.place)));
            Market::new(firms.filter(|(weight, _)| *weight > 0))
        })
        .collect()
}

fn chain_markets(offers: &[ChainOffer]) -> Vec<Market> {
    let pharmacies = allocation::shares(FacilityKind::Pharmacy, Scale::NATION);
    let within = |area: &[Prefecture]| -> u64 {
        pharmacies
            .iter()
            .filter(|share| area.contains(&share.prefecture))
            .map(|share| u64::from(share.open))
            .sum()
    };
    // Of a hundred thousand pharmacies of its area, those that are its stores.
    let densities: Vec<u64> = offers
        .iter()
        .map(|offer| offer.stores * 100_000 / within(&offer.area).max(1))
        .collect();
    Prefecture::all()
        .map(|prefecture| {
            let here = offers
                .iter()
                .zip(&densities)
                .filter(|(offer, _)| offer.area.contains(&prefecture));
            let stores: Vec<_> = here
                .map(|(offer, density)| (*density, Some(offer.place)))
                .collect();
            let taken: u64 = stores.iter().map(|(density, _)| density).sum();
            Market::new(
                stores
                    .into_iter()
                    .chain([(100_000_u64.saturating_sub(taken), None)]),
            )
        })
        .collect()
}

/// A choice between organisations, or none, by weight.
#[derive(Debug)]
struct Market {
    /// The sum of the weights up to and with each choice.
    choices: Vec<(u64, Option<Place>)>,
}

impl Market {
    fn new(weights: impl Iterator<Item = (u64, Option<Place>)>) -> Self {
        let mut sum = 0;
        let choices = weights.map(|(weight, place)| {
            sum += weight;
            (sum, place)
        });
        Self {
            choices: choices.collect(),
        }
    }

    fn draw(&self, rng: &mut Rng) -> Option<Place> {
        let (total, _) = self.choices.last()?;
        self.at(rng.below(*total))
    }

    /// The same without the choice of none, which comes last.
    fn draw_organisation(&self, rng: &mut Rng) -> Option<Place> {
        let (total, _) = self.choices.iter().rfind(|(_, place)| place.is_some())?;
        self.at(rng.below(*total))
    }

    fn at(&self, target: u64) -> Option<Place> {
        let at = self.choices.partition_point(|(sum, _)| *sum <= target);
        self.choices.get(at)?.1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_300_vendors_and_60_chains_with_names_of_their_own() {
        let organisations = Organisations::new(Scale::NATION);
        assert_eq!(
            (organisations.vendors.len(), organisations.chains.len()),
            (300, 60)
        );
        let both = || organisations.vendors.iter().chain(&organisations.chains);
        for name in [
            |o: &DemoOrganisation| o.name.clone(),
            |o: &DemoOrganisation| o.name_kana.clone(),
        ] {
            let mut names: Vec<String> = both().map(name).collect();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), 360);
        }
    }

    #[test]
    fn a_vendor_is_engaged_only_for_what_it_does_and_where() {
        let organisations = Organisations::new(Scale::NATION);
        let mut rng = Rng::stream(&[1]);
        for kind in FacilityKind::ALL {
            for prefecture in Prefecture::all() {
                for _ in 0..100 {
                    let vendor = organisations
                        .draw_vendor(&mut rng, kind, prefecture)
                        .unwrap();
                    let vendor = &organisations.vendors[usize::from(vendor)];
                    assert!(
                        vendor.specialities.contains(&kind)
                            && vendor.prefectures.contains(&prefecture)
                    );
                }
            }
        }
    }

    #[test]
    fn regional_vendors_serve_their_home_and_its_neighbours() {
        let organisations = Organisations::new(Scale::NATION);
        let regional = organisations
            .vendors
            .iter()
            .filter(|vendor| vendor.prefectures.len() < 47);
        let mut count = 0;
        for vendor in regional {
            assert_eq!(vendor.prefectures, around(vendor.headquarters));
            count += 1;
        }
        assert_eq!(count, 245);
    }

    #[test]
    fn the_vendor_of_a_chain_serves_pharmacies_everywhere() {
        let organisations = Organisations::new(Scale::NATION);
        for chain in 0..60 {
            let vendor =
                &organisations.vendors[usize::from(organisations.vendor_of_chain(chain).unwrap())];
            assert!(vendor.specialities.contains(&FacilityKind::Pharmacy));
            assert_eq!(vendor.prefectures.len(), 47);
        }
    }

    #[test]
    fn a_small_nation_keeps_some_of_every_sort() {
        let organisations = Organisations::new("0.001".parse().unwrap());
        assert_eq!(
            (organisations.vendors.len(), organisations.chains.len()),
            (18, 6)
        );
        let mut rng = Rng::stream(&[1]);
        for kind in FacilityKind::ALL {
            assert!(
                organisations
                    .draw_vendor(&mut rng, kind, Prefecture::FIRST)
                    .is_some()
            );
        }
    }
}
