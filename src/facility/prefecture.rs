//! The 47 prefectures (都道府県, JIS X 0401) and the eight offices of the regional bureaus (地方厚生局・支局) that look after them.
//!
//! The table here is the one of `assets/figures/prefectures.csv` and `prefecture_bureau.csv`; a test compares them.

use serde::{Deserialize, Serialize};

/// A prefecture, by its number 1 to 47. A value that exists is one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Prefecture(u8);

struct Row {
    name_ja: &'static str,
    name_en: &'static str,
    bureau: Bureau,
    /// Row and column in the tile map of Japan, where neighbours stand side by side.
    tile: (u8, u8),
}

impl Prefecture {
    /// Hokkaido, number 1.
    pub const FIRST: Self = Self(1);

    /// All 47, by number.
    pub fn all() -> impl DoubleEndedIterator<Item = Self> + ExactSizeIterator {
        (0..47).map(|before| Self(before + 1))
    }

    /// The prefecture of a number, if it is 1 to 47.
    pub const fn from_number(number: u8) -> Option<Self> {
        if number >= 1 && number <= 47 {
            Some(Self(number))
        } else {
            None
        }
    }

    /// Reads the two digits of JIS X 0401: "01" to "47".
    pub fn parse(code: &str) -> Option<Self> {
        let two_digits = code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_digit());
        if two_digits {
            code.parse().ok().and_then(Self::from_number)
        } else {
            None
        }
    }

    /// 1 to 47.
    pub const fn number(self) -> u8 {
        self.0
    }

    /// The two digits of JIS X 0401.
    pub fn code(self) -> String {
        format!("{:02}", self.0)
    }

    /// The Japanese name with its suffix 都, 道, 府 or 県.
    pub fn name_ja(self) -> &'static str {
        self.row().name_ja
    }

    /// The English name, without a suffix.
    pub fn name_en(self) -> &'static str {
        self.row().name_en
    }

    /// The regional bureau that looks after it.
    pub fn bureau(self) -> Bureau {
        self.row().bureau
    }

    /// Whether it is a 県, as opposed to Tokyo (都), Hokkaido (道), Osaka and Kyoto (府). The ministry's report counts
    /// prefectures by these suffixes.
    pub fn is_ken(self) -> bool {
        self.name_ja().ends_with('県')
    }

    /// The prefectures beside it on the tile map of Japan.
    pub fn neighbours(self) -> impl Iterator<Item = Self> {
        let (row, column) = self.row().tile;
        Self::all().filter(move |other| {
            let (other_row, other_column) = other.row().tile;
            row.abs_diff(other_row) + column.abs_diff(other_column) == 1
        })
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "a Prefecture is 1 to 47 by construction, and the table has 47 rows"
    )]
    fn row(self) -> &'static Row {
        &PREFECTURES[usize::from(self.0 - 1)]
    }
}

/// An office that looks after the facilities of a region: the seven regional bureaus and the Shikoku branch.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    async_graphql::Enum,
)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Bureau {
    /// 北海道厚生局.
    Hokkaido,
    /// 東北厚生局.
    Tohoku,
    /// 関東信越厚生局.
    KantoShinetsu,
    /// 東海北陸厚生局.
    TokaiHokuriku,
    /// 近畿厚生局.
    Kinki,
    /// 中国四国厚生局; of its prefectures, those of Shikoku belong to its branch.
    ChugokuShikoku,
    /// 四国厚生支局, the branch of the former.
    Shikoku,
    /// 九州厚生局.
    Kyushu,
}

impl Bureau {
    /// All eight, from north to south.
    pub const ALL: [Self; 8] = [
        Self::Hokkaido,
        Self::Tohoku,
        Self::KantoShinetsu,
        Self::TokaiHokuriku,
        Self::Kinki,
        Self::ChugokuShikoku,
        Self::Shikoku,
        Self::Kyushu,
    ];

    /// Its Japanese name.
    pub const fn name_ja(self) -> &'static str {
        match self {
            Self::Hokkaido => "北海道厚生局",
            Self::Tohoku => "東北厚生局",
            Self::KantoShinetsu => "関東信越厚生局",
            Self::TokaiHokuriku => "東海北陸厚生局",
            Self::Kinki => "近畿厚生局",
            Self::ChugokuShikoku => "中国四国厚生局",
            Self::Shikoku => "四国厚生支局",
            Self::Kyushu => "九州厚生局",
        }
    }

    /// Its name in full-width katakana.
    pub const fn name_kana(self) -> &'static str {
        match self {
            Self::Hokkaido => "ホッカイドウコウセイキョク",
            Self::Tohoku => "トウホクコウセイキョク",
            Self::KantoShinetsu => "カントウシンエツコウセイキョク",
            Self::TokaiHokuriku => "トウカイホクリクコウセイキョク",
            Self::Kinki => "キンキコウセイキョク",
            Self::ChugokuShikoku => "チュウゴクシコクコウセイキョク",
            Self::Shikoku => "シコクコウセイシキョク",
            Self::Kyushu => "キュウシュウコウセイキョク",
        }
    }

    /// The prefectures that it looks after, by number.
    pub fn prefectures(self) -> impl Iterator<Item = Prefecture> {
        Prefecture::all().filter(move |prefecture| prefecture.bureau() == self)
    }
}

const fn row(name_ja: &'static str, name_en: &'static str, bureau: Bureau, tile: (u8, u8)) -> Row {
    Row {
        name_ja,
        name_en,
        bureau,
        tile,
    }
}

static PREFECTURES: [Row; 47] = [
    row("北海道", "Hokkaido", Bureau::Hokkaido, (1, 13)),
    row("青森県", "Aomori", Bureau::Tohoku, (2, 13)),
    row("岩手県", "Iwate", Bureau::Tohoku, (3, 13)),
    row("宮城県", "Miyagi", Bureau::Tohoku, (4, 13)),
    row("秋田県", "Akita", Bureau::Tohoku, (3, 12)),
    row("山形県", "Yamagata", Bureau::Tohoku, (4, 12)),
    row("福島県", "Fukushima", Bureau::Tohoku, (5, 12)),
    row("茨城県", "Ibaraki", Bureau::KantoShinetsu, (6, 13)),
    row("栃木県", "Tochigi", Bureau::KantoShinetsu, (6, 12)),
    row("群馬県", "Gunma", Bureau::KantoShinetsu, (6, 11)),
    row("埼玉県", "Saitama", Bureau::KantoShinetsu, (7, 12)),
    row("千葉県", "Chiba", Bureau::KantoShinetsu, (7, 13)),
    row("東京都", "Tokyo", Bureau::KantoShinetsu, (8, 12)),
    row("神奈川県", "Kanagawa", Bureau::KantoShinetsu, (9, 12)),
    row("新潟県", "Niigata", Bureau::KantoShinetsu, (5, 11)),
    row("富山県", "Toyama", Bureau::TokaiHokuriku, (6, 10)),
    row("石川県", "Ishikawa", Bureau::TokaiHokuriku, (6, 9)),
    row("福井県", "Fukui", Bureau::Kinki, (7, 9)),
    row("山梨県", "Yamanashi", Bureau::KantoShinetsu, (7, 11)),
    row("長野県", "Nagano", Bureau::KantoShinetsu, (7, 10)),
    row("岐阜県", "Gifu", Bureau::TokaiHokuriku, (8, 9)),
    row("静岡県", "Shizuoka", Bureau::TokaiHokuriku, (8, 11)),
    row("愛知県", "Aichi", Bureau::TokaiHokuriku, (8, 10)),
    row("三重県", "Mie", Bureau::TokaiHokuriku, (9, 9)),
    row("滋賀県", "Shiga", Bureau::Kinki, (8, 8)),
    row("京都府", "Kyoto", Bureau::Kinki, (7, 8)),
    row("大阪府", "Osaka", Bureau::Kinki, (8, 7)),
    row("兵庫県", "Hyogo", Bureau::Kinki, (7, 7)),
    row("奈良県", "Nara", Bureau::Kinki, (9, 8)),
    row("和歌山県", "Wakayama", Bureau::Kinki, (9, 7)),
    row("鳥取県", "Tottori", Bureau::ChugokuShikoku, (7, 6)),
    row("島根県", "Shimane", Bureau::ChugokuShikoku, (7, 5)),
    row("岡山県", "Okayama", Bureau::ChugokuShikoku, (8, 6)),
    row("広島県", "Hiroshima", Bureau::ChugokuShikoku, (8, 5)),
    row("山口県", "Yamaguchi", Bureau::ChugokuShikoku, (8, 4)),
    row("徳島県", "Tokushima", Bureau::Shikoku, (11, 6)),
    row("香川県", "Kagawa", Bureau::Shikoku, (10, 6)),
    row("愛媛県", "Ehime", Bureau::Shikoku, (10, 5)),
    row("高知県", "Kochi", Bureau::Shikoku, (11, 5)),
    row("福岡県", "Fukuoka", Bureau::Kyushu, (9, 3)),
    row("佐賀県", "Saga", Bureau::Kyushu, (9, 2)),
    row("長崎県", "Nagasaki", Bureau::Kyushu, (9, 1)),
    row("熊本県", "Kumamoto", Bureau::Kyushu, (10, 2)),
    row("大分県", "Oita", Bureau::Kyushu, (10, 3)),
    row("宮崎県", "Miyazaki", Bureau::Kyushu, (11, 3)),
    row("鹿児島県", "Kagoshima", Bureau::Kyushu, (11, 2)),
    row("沖縄県", "Okinawa", Bureau::Kyushu, (12, 1)),
];

impl Bureau {
    /// The number under which the bureau is stored. Stable for ever.
    pub fn code(self) -> i16 {
        Self::ALL
            .into_iter()
            .zip(0_i16..)
            .find(|(bureau, _)| *bureau == self)
            .map_or(0, |(_, code)| code)
    }

    /// The bureau stored under a number.
    pub fn from_code(code: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|bureau| bureau.code() == code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_the_one_of_the_ministry() {
        let file = include_str!("../../assets/figures/prefectures.csv");
        let lines: Vec<&str> = file.lines().skip(1).collect();
        assert_eq!(lines.len(), 47);
        for (line, prefecture) in lines.into_iter().zip(Prefecture::all()) {
            let cells: Vec<&str> = line.split(',').collect();
            let (row, column) = prefecture.row().tile;
            assert_eq!(Prefecture::parse(cells[0]), Some(prefecture));
            assert_eq!(
                (cells[1], cells[2]),
                (prefecture.name_ja(), prefecture.name_en())
            );
            assert_eq!(
                (cells[4], cells[5]),
                (row.to_string().as_str(), column.to_string().as_str())
            );
        }
    }

    #[test]
    fn every_prefecture_belongs_to_the_bureau_of_the_ministrys_list() {
        let file = include_str!("../../assets/figures/prefecture_bureau.csv");
        for line in file.lines().skip(1) {
            let (code, bureau) = line.split_once(',').unwrap();
            assert_eq!(
                Prefecture::parse(code).unwrap().bureau().name_ja(),
                bureau,
                "{code}"
            );
        }
        assert_eq!(
            Bureau::ALL
                .iter()
                .map(|bureau| bureau.prefectures().count())
                .sum::<usize>(),
            47
        );
    }

    #[test]
    fn only_the_codes_01_to_47_are_prefectures() {
        assert_eq!(Prefecture::parse("47").map(Prefecture::number), Some(47));
        for wrong in ["00", "48", "1", "001", "+1", "一二"] {
            assert_eq!(Prefecture::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn neighbours_know_each_other_and_only_okinawa_has_none() {
        for prefecture in Prefecture::all() {
            for neighbour in prefecture.neighbours() {
                assert!(neighbour.neighbours().any(|back| back == prefecture));
            }
        }
        let alone: Vec<u8> = Prefecture::all()
            .filter(|p| p.neighbours().next().is_none())
            .map(Prefecture::number)
            .collect();
        assert_eq!(alone, [47]);
    }

    #[test]
    fn four_prefectures_are_no_ken() {
        let others: Vec<&str> = Prefecture::all()
            .filter(|p| !p.is_ken())
            .map(Prefecture::name_ja)
            .collect();
        assert_eq!(others, ["北海道", "東京都", "京都府", "大阪府"]);
    }
}
