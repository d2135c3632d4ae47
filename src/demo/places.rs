//! Where facilities stand: in a real city, in a town such as every city has, and reachable under a telephone number that
//! nobody has: after the area code come zeros, where none is ever assigned.

use crate::facility::Prefecture;

use super::cities::{self, City};
use super::rng::Rng;

/// A town (町) of a city: written, read.
#[derive(Debug)]
pub(super) struct Town(&'static str, &'static str);

impl Town {
    /// As the name of a facility has it: written, read.
    pub(super) const fn short(&self) -> (&'static str, &'static str) {
        (self.0, self.1)
    }
}

/// A place for a facility.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) city: &'static City,
    pub(super) town: &'static Town,
    /// Seven digits with a hyphen.
    pub(super) postal_code: String,
    pub(super) address: String,
    /// Clearly fictitious: the area code of the prefecture's capital, and zeros.
    pub(super) phone: String,
}

/// Chooses a place in a prefecture. The first city, its capital or centre, is chosen most often.
pub(super) fn draw(rng: &mut Rng, prefecture: Prefecture) -> Place {
    let region = cities::region(prefecture);
    let city = if rng.per_mille(300) {
        &region.cities[0]
    } else {
        rng.pick(&region.cities)
    };
    let town = rng.pick(&TOWNS);
    let postal_code = format!("{}-{:04}", city.postal, rng.between(1, 999));
    let building = match rng.below(10) {
        0 => format!("　{}メディカルビル{}階", town.0, rng.between(1, 6)),
        1 => format!("　{}ビル{}階", town.0, rng.between(1, 4)),
        _ => String::new(),
    };
    let (block, lot, house) = (rng.between(1, 6), rng.between(1, 28), rng.between(1, 32));
    let address = format!(
        "{}{}{}{block}丁目{lot}番{house}号{building}",
        prefecture.name_ja(),
        city.name,
        town.0
    );
    Place {
        city,
        town,
        postal_code,
        address,
        phone: phone(rng, region.area_code),
    }
}

/// Ten digits: the area code, an exchange of zeros, and four digits.
fn phone(rng: &mut Rng, area_code: &str) -> String {
    let exchange = "0".repeat(6_usize.saturating_sub(area_code.len()));
    format!("{area_code}-{exchange}-{:04}", rng.between(0, 9999))
}

static TOWNS: [Town; 40] = [
    Town("中央", "チュウオウ"),
    Town("本町", "ホンチョウ"),
    Town("栄町", "サカエマチ"),
    Town("緑町", "ミドリチョウ"),
    Town("桜町", "サクラマチ"),
    Town("旭町", "アサヒマチ"),
    Town("東町", "ヒガシマチ"),
    Town("西町", "ニシマチ"),
    Town("南町", "ミナミマチ"),
    Town("北町", "キタマチ"),
    Town("新町", "シンマチ"),
    Town("幸町", "サイワイチョウ"),
    Town("若葉町", "ワカバチョウ"),
    Town("泉町", "イズミチョウ"),
    Town("松原", "マツバラ"),
    Town("駅前", "エキマエ"),
    Town("末広町", "スエヒロチョウ"),
    Town("寿町", "コトブキチョウ"),
    Town("錦町", "ニシキチョウ"),
    Town("宮前", "ミヤマエ"),
    Town("城山", "シロヤマ"),
    Town("平和町", "ヘイワチョウ"),
    Town("曙町", "アケボノチョウ"),
    Town("青葉台", "アオバダイ"),
    Town("朝日ヶ丘", "アサヒガオカ"),
    Town("梅田町", "ウメダチョウ"),
    Town("春日", "カスガ"),
    Town("八幡", "ヤハタ"),
    Town("大手町", "オオテマチ"),
    Town("上野", "ウエノ"),
    Town("昭和町", "ショウワチョウ"),
    Town("清水町", "シミズチョウ"),
    Town("高砂町", "タカサゴチョウ"),
    Town("富士見町", "フジミチョウ"),
    Town("日の出町", "ヒノデチョウ"),
    Town("美咲町", "ミサキチョウ"),
    Town("港町", "ミナトマチ"),
    Town("山手", "ヤマテ"),
    Town("弥生町", "ヤヨイチョウ"),
    Town("若宮", "ワカミヤ"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn telephone_numbers_have_ten_digits_and_an_exchange_of_zeros() {
        for prefecture in Prefecture::all() {
            let place = draw(&mut Rng::stream(&[1]), prefecture);
            let digits = place.phone.chars().filter(char::is_ascii_digit).count();
            assert!(
                digits == 10 && place.phone.contains("-000"),
                "{}",
                place.phone
            );
            assert!(
                place.address.starts_with(prefecture.name_ja()),
                "{}",
                place.address
            );
        }
    }
}
