//! The ministry's report of 2021-12-19, number for number, from our own records through the API.

use std::collections::BTreeMap;

use kaitsu::{
    auth::{Actor, Language},
    db::Backend,
    demo::{self, Scale},
};
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::api::{Api, ministry};

const FIGURES: &str = "query ($day: Date!, $earlier: Date!) {
    rolloutFigures(asOf: $day, groupBy: [KIND], compareWith: { asOf: $earlier }) {
        cells { kind ...Counts }
        total { ...Counts }
    }
}
fragment Counts on FigureCell {
    all applied ready live appliedPercent readyPercent livePercent increase { ready live }
}";

const BANDS: &str = "query ($level: FigureLevel!) {
    rolloutFigures(asOf: \"2021-12-19\") {
        prefectureBands(level: $level) { kind sentence bands { percent above atLeast within } }
    }
}";

/// Every figure of a day by the report's name of the kind: `hospital` … `total`.
async fn figures(api: &Api, day: &str) -> BTreeMap<String, Value> {
    let variables = json!({ "day": day, "earlier": "2021-10-20" });
    let data = api.data(&ministry(), FIGURES, variables).await;
    let figures = &data["rolloutFigures"];
    let mut kinds: BTreeMap<String, Value> = figures["cells"]
        .as_array()
        .unwrap()
        .iter()
        .map(|cell| (cell["kind"].as_str().unwrap().to_lowercase(), cell.clone()))
        .collect();
    kinds.insert("total".to_owned(), figures["total"].clone());
    kinds
}

async fn bands(api: &Api, actor: &Actor, level: &str) -> BTreeMap<String, Value> {
    let data = api.data(actor, BANDS, json!({ "level": level })).await;
    data["rolloutFigures"]["prefectureBands"]
        .as_array()
        .unwrap()
        .iter()
        .map(|bands| {
            (
                bands["kind"].as_str().unwrap().to_lowercase(),
                bands.clone(),
            )
        })
        .collect()
}

/// The band's number that the report's metric means: 超 is above, a 90 % or 70 % "or more" at the top is
/// cumulative, a band is a band.
fn band(bands: &Value, metric: &str) -> Value {
    let percent: i64 = metric
        .chars()
        .filter(char::is_ascii_digit)
        .collect::<String>()
        .parse()
        .unwrap();
    let of_percent = bands["bands"]
        .as_array()
        .unwrap()
        .iter()
        .find(|band| band["percent"] == percent)
        .unwrap();
    let field = match metric {
        _ if metric.contains("_over_") => "above",
        _ if metric.ends_with("_or_more") => "atLeast",
        _ if metric.ends_with("_band") => "within",
        other => panic!("what is {other}?"),
    };
    of_percent[field].clone()
}

#[rstest]
#[tokio::test]
async fn every_figure_of_the_report_comes_out_of_our_own_records(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let api = Api::new(backend).await;
    let clock = &api.services.clock;
    demo::load(&api.services.database, clock, Scale::NATION, |_, _| {})
        .await
        .unwrap();
    let days: BTreeMap<&str, _> = BTreeMap::from([
        ("2021-10-20", figures(&api, "2021-10-20").await),
        ("2021-12-19", figures(&api, "2021-12-19").await),
    ]);
    let bands = bands(&api, &ministry(), "APPLIED").await;
    let (mut compared, mut differing) = (0, 0);
    for line in include_str!("../../assets/figures/seed_figures.csv")
        .lines()
        .skip(1)
    {
        let row: Vec<&str> = line.split(',').collect();
        let [day, section, kind, metric, _, _, published] = row[..] else {
            panic!("{line}")
        };
        let cell = || &days[day][kind];
        let ours = match (section, metric) {
            ("application", "reader_applications") => cell()["applied"].clone(),
            ("application", "facilities_total") => cell()["all"].clone(),
            ("application", "reader_application_pct") => cell()["appliedPercent"].clone(),
            ("ready", "ready_facilities") => cell()["ready"].clone(),
            ("ready", "ready_facilities_increase") => cell()["increase"]["ready"].clone(),
            ("ready", "ready_facilities_pct") => cell()["readyPercent"].clone(),
            ("live", "live_facilities") => cell()["live"].clone(),
            ("live", "live_facilities_increase") => cell()["increase"]["live"].clone(),
            ("live", "live_facilities_pct") => cell()["livePercent"].clone(),
            ("application_by_prefecture", _) => band(&bands[kind], metric),
            ("application" | "ready" | "live", other) => panic!("what is {other}?"),
            _ => continue,
        };
        let ours = ours.to_string();
        let equal = ours == published;
        compared += 1;
        differing += i32::from(!equal);
        let verdict = if equal { "" } else { "  DIFFERS" };
        println!("{day} {section:<26} {kind:<15} {metric:<46} {published:>7} {ours:>7}{verdict}");
    }
    println!("{compared} figures compared on {backend:?}, {differing} differ");
    assert_eq!((compared, differing), (58, 0));
    assert_sentences(&bands);
    assert_japanese_sentences(&api).await;
}

/// What the report says in words.
fn assert_sentences(bands: &BTreeMap<String, Value>) {
    assert_eq!(ministry().language, Language::En);
    for (kind, sentence) in [
        (
            "hospital",
            "more than 60 % in every prefecture, 90 % or more in 1, 80 % or more in 23, 70 % or more in 20",
        ),
        ("medical_clinic", "more than 50 % in 15"),
        ("dental_clinic", "70 % or more in 3, 60 % or more in 7"),
        (
            "pharmacy",
            "more than 70 % in every prefecture, 80 % or more in 27",
        ),
    ] {
        assert_eq!(bands[kind]["sentence"], sentence, "{kind}");
    }
}

/// What the report says in words, and how.
async fn assert_japanese_sentences(api: &Api) {
    let coordinator = Actor {
        language: Language::Ja,
        ..ministry()
    };
    let applied = bands(api, &coordinator, "APPLIED").await;
    for (kind, sentence) in [
        (
            "hospital",
            "病院の申込割合は全都道府県で60％超、うち、1県で90％以上、23府県で80％以上、20都道県で70%以上",
        ),
        ("medical_clinic", "医科診療所の申込割合は15県で50％超"),
        (
            "dental_clinic",
            "歯科診療所の申込割合は3県で70％以上、7県で60％以上",
        ),
        (
            "pharmacy",
            "薬局の申込割合は全都道府県で70％超、27都府県で80％以上",
        ),
    ] {
        // One of the report's signs is of half width.
        let printed = sentence.replace('%', "％");
        assert_eq!(applied[kind]["sentence"], printed, "{kind}");
    }
    for (level, rate) in [("READY", "準備完了割合"), ("LIVE", "運用開始割合")] {
        let bands = bands(api, &coordinator, level).await;
        let sentence = bands["pharmacy"]["sentence"].as_str().unwrap();
        assert!(
            sentence.starts_with(&format!("薬局の{rate}は")),
            "{sentence}"
        );
    }
    let all = bands(api, &coordinator, "ALL").await;
    assert_eq!(all["pharmacy"]["sentence"], Value::Null);
}
