//! What things are called: firms, chains and facilities, in kanji and in katakana.
//!
//! Firms and chains are put together from syllables so that they are nobody's. Facilities are named as real ones are,
//! after their doctor, their town or something pleasant, and like real ones many share a name.

use crate::facility::FacilityKind;

use super::cities::City;
use super::places::Town;
use super::rng::Rng;

/// A name as it is written and as it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Spelling {
    pub(super) text: String,
    /// Full-width katakana.
    pub(super) kana: String,
}

/// A part of a name: written, read.
type Part = (&'static str, &'static str);

impl Spelling {
    fn of(parts: &[Part]) -> Self {
        Self {
            text: parts.iter().map(|(text, _)| *text).collect(),
            kana: parts.iter().map(|(_, kana)| *kana).collect(),
        }
    }

    fn with(mut self, (text, kana): Part) -> Self {
        self.text.push_str(text);
        self.kana.push_str(kana);
        self
    }
}

const FIRST_SYLLABLES: [&str; 27] = [
    "アオ", "ミナ", "ソラ", "ユキ", "カゼ", "ヒナ", "モリ", "ツキ", "ホシ", "ナギ", "サト", "イズ",
    "クレ", "トワ", "マキ", "リク", "セナ", "コト", "アキ", "ワカ", "ノア", "タマ", "シラ", "カナ",
    "ウミ", "アサ", "ニレ",
];
const LAST_SYLLABLES: [&str; 20] = [
    "リカ",
    "ノワ",
    "テラ",
    "ベル",
    "ミス",
    "ルナ",
    "ネア",
    "リオ",
    "フィン",
    "マール",
    "レイ",
    "ネッサ",
    "ローゼ",
    "リンド",
    "ファロ",
    "メリア",
    "ドーレ",
    "ティモ",
    "ヴェント",
    "ラーレ",
];
/// 27 × 20 coined words; a stride prime to their number visits each once, vendors from the start and chains from 400.
const COINED_WORDS: usize = 540;
const STRIDE: usize = 211;
const FIRST_CHAIN: usize = 400;

fn coined(index: usize) -> String {
    let word = index * STRIDE % COINED_WORDS;
    let first = FIRST_SYLLABLES.get(word % 27).copied().unwrap_or_default();
    let last = LAST_SYLLABLES.get(word / 27).copied().unwrap_or_default();
    format!("{first}{last}")
}

const VENDOR_TRADES: [Part; 8] = [
    ("システムズ", "システムズ"),
    ("情報システム", "ジョウホウシステム"),
    ("医療情報", "イリョウジョウホウ"),
    ("ソリューションズ", "ソリューションズ"),
    ("データサービス", "データサービス"),
    ("ヘルステック", "ヘルステック"),
    ("電算", "デンサン"),
    ("コンピュータ", "コンピュータ"),
];

/// The name of a vendor.
pub(super) fn vendor(index: usize) -> Spelling {
    let word = coined(index);
    let mut rng = Rng::stream(&[10, u64::try_from(index).unwrap_or(0)]);
    let (trade, trade_kana) = rng.pick(&VENDOR_TRADES);
    let text = if rng.per_mille(500) {
        format!("株式会社{word}{trade}")
    } else {
        format!("{word}{trade}株式会社")
    };
    Spelling {
        text,
        kana: format!("{word}{trade_kana}"),
    }
}

/// The name of the company behind a chain.
pub(super) fn chain(place: u16) -> Spelling {
    let word = coined(FIRST_CHAIN + usize::from(place));
    Spelling {
        text: format!("株式会社{word}ファーマシー"),
        kana: format!("{word}ファーマシー"),
    }
}

/// What the stores of a chain are called, before the name of the store.
pub(super) fn brand(place: u16) -> Spelling {
    let word = coined(FIRST_CHAIN + usize::from(place));
    Spelling {
        text: format!("{word}薬局"),
        kana: format!("{word}ヤッキョク"),
    }
}

/// What a facility is named after.
pub(super) struct Setting<'a> {
    pub(super) kind: FacilityKind,
    pub(super) city: &'a City,
    pub(super) town: &'a Town,
    pub(super) public: bool,
    pub(super) brand: Option<Spelling>,
}

/// The name of a facility.
pub(super) fn facility(rng: &mut Rng, setting: Setting<'_>) -> Spelling {
    match setting.kind {
        FacilityKind::Hospital => hospital(rng, &setting),
        FacilityKind::MedicalClinic => medical_clinic(rng, &setting),
        FacilityKind::DentalClinic => dental_clinic(rng, &setting),
        FacilityKind::Pharmacy => pharmacy(rng, setting),
    }
}

fn hospital(rng: &mut Rng, setting: &Setting<'_>) -> Spelling {
    if setting.public {
        return Spelling::of(&[setting.city.short(), *rng.pick(&PUBLIC_HOSPITALS)]);
    }
    match rng.below(10) {
        0..=2 => Spelling::of(&[*rng.pick(&SURNAMES), *rng.pick(&HOSPITALS)]),
        3..=5 => Spelling::of(&[
            setting.city.short(),
            *rng.pick(&WORDS),
            *rng.pick(&HOSPITALS),
        ]),
        6..=7 => Spelling::of(&[*rng.pick(&WORDS), *rng.pick(&HOSPITALS)]),
        _ => Spelling::of(&[
            setting.city.short(),
            setting.town.short(),
            *rng.pick(&HOSPITALS),
        ]),
    }
}

fn medical_clinic(rng: &mut Rng, setting: &Setting<'_>) -> Spelling {
    if setting.public {
        return Spelling::of(&[
            ("公立", "コウリツ"),
            setting.city.short(),
            setting.town.short(),
            ("診療所", "シンリョウジョ"),
        ]);
    }
    match rng.below(10) {
        0..=2 => Spelling::of(&[*rng.pick(&SURNAMES), ("医院", "イイン")]),
        3..=5 => Spelling::of(&[
            *rng.pick(&SURNAMES),
            *rng.pick(&SPECIALITIES),
            *rng.pick(&CLINICS),
        ]),
        6..=7 => Spelling::of(&[
            setting.town.short(),
            *rng.pick(&SPECIALITIES),
            ("クリニック", "クリニック"),
        ]),
        8 => Spelling::of(&[
            setting.city.short(),
            *rng.pick(&WORDS),
            ("クリニック", "クリニック"),
        ]),
        _ => Spelling::of(&[
            *rng.pick(&WORDS),
            *rng.pick(&SPECIALITIES),
            ("クリニック", "クリニック"),
        ]),
    }
}

fn dental_clinic(rng: &mut Rng, setting: &Setting<'_>) -> Spelling {
    if setting.public {
        return Spelling::of(&[
            ("公立", "コウリツ"),
            setting.city.short(),
            ("歯科診療所", "シカシンリョウジョ"),
        ]);
    }
    match rng.below(10) {
        0..=4 => Spelling::of(&[*rng.pick(&SURNAMES), *rng.pick(&DENTISTS)]),
        5..=7 => Spelling::of(&[setting.town.short(), *rng.pick(&DENTISTS)]),
        _ => Spelling::of(&[*rng.pick(&WORDS), *rng.pick(&DENTISTS)]),
    }
}

fn pharmacy(rng: &mut Rng, setting: Setting<'_>) -> Spelling {
    const PHARMACY: Part = ("薬局", "ヤッキョク");
    const STORE: Part = ("店", "テン");
    if let Some(brand) = setting.brand {
        let space = ("　", "　");
        let store = brand.with(space).with(setting.city.short());
        let store = if rng.per_mille(700) {
            store.with(setting.town.short())
        } else {
            store
        };
        return store.with(STORE);
    }
    match rng.below(10) {
        0..=3 => Spelling::of(&[*rng.pick(&WORDS), PHARMACY]),
        4..=5 => Spelling::of(&[setting.town.short(), PHARMACY]),
        6..=7 => Spelling::of(&[*rng.pick(&SURNAMES), PHARMACY]),
        8 => Spelling::of(&[
            *rng.pick(&WORDS),
            PHARMACY,
            ("　", "　"),
            setting.town.short(),
            STORE,
        ]),
        _ => Spelling::of(&[
            setting.city.short(),
            *rng.pick(&WORDS),
            ("調剤", "チョウザイ"),
            PHARMACY,
        ]),
    }
}

const PUBLIC_HOSPITALS: [Part; 7] = [
    ("公立病院", "コウリツビョウイン"),
    ("公立総合病院", "コウリツソウゴウビョウイン"),
    ("医療センター", "イリョウセンター"),
    ("総合医療センター", "ソウゴウイリョウセンター"),
    ("地域医療センター", "チイキイリョウセンター"),
    ("保健医療センター", "ホケンイリョウセンター"),
    ("こども医療センター", "コドモイリョウセンター"),
];
const HOSPITALS: [Part; 8] = [
    ("病院", "ビョウイン"),
    ("病院", "ビョウイン"),
    ("総合病院", "ソウゴウビョウイン"),
    ("記念病院", "キネンビョウイン"),
    ("中央病院", "チュウオウビョウイン"),
    ("整形外科病院", "セイケイゲカビョウイン"),
    ("リハビリテーション病院", "リハビリテーションビョウイン"),
    ("メディカルセンター", "メディカルセンター"),
];
const CLINICS: [Part; 4] = [
    ("医院", "イイン"),
    ("クリニック", "クリニック"),
    ("クリニック", "クリニック"),
    ("診療所", "シンリョウジョ"),
];
const SPECIALITIES: [Part; 14] = [
    ("内科", "ナイカ"),
    ("内科", "ナイカ"),
    ("内科小児科", "ナイカショウニカ"),
    ("小児科", "ショウニカ"),
    ("眼科", "ガンカ"),
    ("耳鼻咽喉科", "ジビインコウカ"),
    ("皮フ科", "ヒフカ"),
    ("整形外科", "セイケイゲカ"),
    ("外科", "ゲカ"),
    ("胃腸科", "イチョウカ"),
    ("循環器内科", "ジュンカンキナイカ"),
    ("産婦人科", "サンフジンカ"),
    ("泌尿器科", "ヒニョウキカ"),
    ("メンタル", "メンタル"),
];
const DENTISTS: [Part; 6] = [
    ("歯科医院", "シカイイン"),
    ("歯科医院", "シカイイン"),
    ("歯科", "シカ"),
    ("歯科クリニック", "シカクリニック"),
    ("デンタルクリニック", "デンタルクリニック"),
    ("歯科・矯正歯科", "シカ・キョウセイシカ"),
];
const WORDS: [Part; 40] = [
    ("あおば", "アオバ"),
    ("あけぼの", "アケボノ"),
    ("あさひ", "アサヒ"),
    ("あじさい", "アジサイ"),
    ("いずみ", "イズミ"),
    ("うぐいす", "ウグイス"),
    ("うみかぜ", "ウミカゼ"),
    ("おひさま", "オヒサマ"),
    ("かえで", "カエデ"),
    ("かもめ", "カモメ"),
    ("きぼう", "キボウ"),
    ("くすのき", "クスノキ"),
    ("けやき", "ケヤキ"),
    ("ききょう", "キキョウ"),
    ("こだま", "コダマ"),
    ("やまざくら", "ヤマザクラ"),
    ("さつき", "サツキ"),
    ("しあわせ", "シアワセ"),
    ("しらかば", "シラカバ"),
    ("すずらん", "スズラン"),
    ("すみれ", "スミレ"),
    ("そよかぜ", "ソヨカゼ"),
    ("たいよう", "タイヨウ"),
    ("つばき", "ツバキ"),
    ("つばめ", "ツバメ"),
    ("なかよし", "ナカヨシ"),
    ("にじいろ", "ニジイロ"),
    ("のぞみ", "ノゾミ"),
    ("はなみずき", "ハナミズキ"),
    ("ひかり", "ヒカリ"),
    ("ひだまり", "ヒダマリ"),
    ("ひまわり", "ヒマワリ"),
    ("ふたば", "フタバ"),
    ("ほほえみ", "ホホエミ"),
    ("まごころ", "マゴコロ"),
    ("みどり", "ミドリ"),
    ("もみじ", "モミジ"),
    ("やまびこ", "ヤマビコ"),
    ("ゆうあい", "ユウアイ"),
    ("わかば", "ワカバ"),
];
const SURNAMES: [Part; 72] = [
    ("佐藤", "サトウ"),
    ("鈴木", "スズキ"),
    ("高橋", "タカハシ"),
    ("田中", "タナカ"),
    ("伊藤", "イトウ"),
    ("渡辺", "ワタナベ"),
    ("山本", "ヤマモト"),
    ("中村", "ナカムラ"),
    ("小林", "コバヤシ"),
    ("加藤", "カトウ"),
    ("吉田", "ヨシダ"),
    ("山田", "ヤマダ"),
    ("佐々木", "ササキ"),
    ("山口", "ヤマグチ"),
    ("松本", "マツモト"),
    ("井上", "イノウエ"),
    ("木村", "キムラ"),
    ("林", "ハヤシ"),
    ("斎藤", "サイトウ"),
    ("清水", "シミズ"),
    ("山崎", "ヤマザキ"),
    ("森", "モリ"),
    ("池田", "イケダ"),
    ("橋本", "ハシモト"),
    ("阿部", "アベ"),
    ("石川", "イシカワ"),
    ("山下", "ヤマシタ"),
    ("中島", "ナカジマ"),
    ("石井", "イシイ"),
    ("小川", "オガワ"),
    ("前田", "マエダ"),
    ("岡田", "オカダ"),
    ("長谷川", "ハセガワ"),
    ("藤田", "フジタ"),
    ("後藤", "ゴトウ"),
    ("近藤", "コンドウ"),
    ("村上", "ムラカミ"),
    ("遠藤", "エンドウ"),
    ("青木", "アオキ"),
    ("坂本", "サカモト"),
    ("斉藤", "サイトウ"),
    ("福田", "フクダ"),
    ("太田", "オオタ"),
    ("西村", "ニシムラ"),
    ("藤井", "フジイ"),
    ("岡本", "オカモト"),
    ("金子", "カネコ"),
    ("藤原", "フジワラ"),
    ("三浦", "ミウラ"),
    ("中野", "ナカノ"),
    ("中川", "ナカガワ"),
    ("原田", "ハラダ"),
    ("松田", "マツダ"),
    ("竹内", "タケウチ"),
    ("小野", "オノ"),
    ("田村", "タムラ"),
    ("中山", "ナカヤマ"),
    ("和田", "ワダ"),
    ("石田", "イシダ"),
    ("森田", "モリタ"),
    ("上田", "ウエダ"),
    ("原", "ハラ"),
    ("内田", "ウチダ"),
    ("柴田", "シバタ"),
    ("酒井", "サカイ"),
    ("宮崎", "ミヤザキ"),
    ("横山", "ヨコヤマ"),
    ("高木", "タカギ"),
    ("安藤", "アンドウ"),
    ("宮本", "ミヤモト"),
    ("大野", "オオノ"),
    ("小島", "コジマ"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_coined_word_comes_once() {
        let mut words: Vec<String> = (0..COINED_WORDS).map(coined).collect();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), COINED_WORDS);
    }

    #[test]
    fn readings_are_full_width_katakana() {
        let lists: [&[Part]; 8] = [
            &VENDOR_TRADES,
            &PUBLIC_HOSPITALS,
            &HOSPITALS,
            &CLINICS,
            &SPECIALITIES,
            &DENTISTS,
            &WORDS,
            &SURNAMES,
        ];
        for (text, kana) in lists.into_iter().flatten() {
            assert!(
                kana.chars().all(|c| ('ァ'..='ー').contains(&c)),
                "{text} {kana}"
            );
        }
    }
}
