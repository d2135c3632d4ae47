//! What the ministry published, beside a recount of the demo nation.

use kaitsu::facility::{FacilityKind, Prefecture};

use super::survey::{SURVEY, csv_name, date};

/// One published number and ours.
struct Comparison {
    figure: String,
    published: String,
    ours: String,
}

fn assert_all_equal(comparisons: &[Comparison]) {
    for Comparison {
        figure,
        published,
        ours,
    } in comparisons
    {
        let verdict = if published == ours { "" } else { "  DIFFERS" };
        println!("{figure:<90} {published:>9} {ours:>9}{verdict}");
    }
    let equal = comparisons
        .iter()
        .filter(|one| one.published == one.ours)
        .count();
    println!("{equal} of {} equal", comparisons.len());
    assert!(equal == comparisons.len() && equal > 0);
}

fn rows(file: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    file.lines().skip(1).map(|line| line.split(',').collect())
}

#[test]
fn every_number_published_before_the_report_is_ours() {
    let mut comparisons = Vec::new();
    for row in rows(include_str!(
        "../../../assets/figures/published_before_2021-12-20.csv"
    )) {
        let (day, kind, metric, value, total) = (row[0], row[1], row[2], row[3], row[4]);
        let ours = match metric {
            "reader_applications" => Some(SURVEY.counts(date(day), kind).applied),
            "ready_facilities" => Some(SURVEY.counts(date(day), kind).ready),
            "live_facilities" => Some(SURVEY.counts(date(day), kind).live),
            "facilities_total" => Some(SURVEY.counts(date(day), kind).open),
            "portal_registrations" | "readers_delivered_approx" => None,
            other => panic!("what is {other}?"),
        };
        let mut compare = |metric: &str, published: &str, ours: u32| {
            comparisons.push(Comparison {
                figure: format!("{day} {kind} {metric}"),
                published: published.to_owned(),
                ours: ours.to_string(),
            });
        };
        if let Some(ours) = ours {
            compare(metric, value, ours);
        }
        if !total.is_empty() {
            compare("facilities", total, SURVEY.counts(date(day), kind).open);
        }
    }
    assert_all_equal(&comparisons);
}

fn our_figure(row: &[&str]) -> String {
    let (day, kind, metric, start, end) = (row[0], row[2], row[3], row[4], row[5]);
    let on = |day: &str| SURVEY.counts(date(day), kind);
    let per_cent = |part: u32| format!("{:.1}", f64::from(part) * 100.0 / f64::from(on(day).open));
    match metric {
        "facilities_total" => on(day).open.to_string(),
        "reader_applications" => on(day).applied.to_string(),
        "ready_facilities" => on(day).ready.to_string(),
        "live_facilities" => on(day).live.to_string(),
        "reader_application_pct" => per_cent(on(day).applied),
        "ready_facilities_pct" => per_cent(on(day).ready),
        "live_facilities_pct" => per_cent(on(day).live),
        "ready_facilities_increase" => (on(end).ready - on(start).ready).to_string(),
        "live_facilities_increase" => (on(end).live - on(start).live).to_string(),
        band => prefectures_in(band, kind).to_string(),
    }
}

/// The bands as the issue reads the report: 超 is more than, 以上 at least, and the hospitals' bands exclude each other.
fn prefectures_in(band: &str, kind: &str) -> usize {
    let within: fn(f64) -> bool = match band {
        "prefectures_application_rate_over_50pct" => |rate| rate > 50.0,
        "prefectures_application_rate_over_60pct" => |rate| rate > 60.0,
        "prefectures_application_rate_over_70pct" => |rate| rate > 70.0,
        "prefectures_application_rate_60pct_band" => |rate| (60.0..70.0).contains(&rate),
        "prefectures_application_rate_70pct_band" => |rate| (70.0..80.0).contains(&rate),
        "prefectures_application_rate_80pct_band" => |rate| (80.0..90.0).contains(&rate),
        "prefectures_application_rate_70pct_or_more" => |rate| rate >= 70.0,
        "prefectures_application_rate_80pct_or_more" => |rate| rate >= 80.0,
        "prefectures_application_rate_90pct_or_more" => |rate| rate >= 90.0,
        other => panic!("what is {other}?"),
    };
    SURVEY
        .rates(kind)
        .into_iter()
        .filter(|(_, rate)| within(*rate))
        .count()
}

#[test]
fn every_figure_of_the_report_is_ours() {
    const SECTIONS: [&str; 4] = ["application", "application_by_prefecture", "ready", "live"];
    let figures = rows(include_str!("../../../assets/figures/seed_figures.csv"))
        .filter(|row| SECTIONS.contains(&row[1]));
    let comparisons: Vec<Comparison> = figures
        .map(|row| Comparison {
            figure: format!("{} {} {} {} {}", row[0], row[1], row[2], row[3], row[4])
                .trim_end()
                .to_owned(),
            published: row[6].to_owned(),
            ours: our_figure(&row),
        })
        .collect();
    assert_all_equal(&comparisons);
}

#[test]
fn the_facilities_of_every_prefecture_and_kind_are_those_of_the_ministry() {
    let mut comparisons = Vec::new();
    for row in rows(include_str!(
        "../../../assets/figures/facilities_by_prefecture.csv"
    )) {
        let prefecture = Prefecture::parse(row[0]).unwrap();
        for (kind, published) in FacilityKind::ALL.into_iter().zip(&row[1..]) {
            comparisons.push(Comparison {
                figure: format!("{} {}", prefecture.name_ja(), kind.label_ja()),
                published: (*published).to_owned(),
                ours: SURVEY.by_prefecture[&(kind, prefecture)].open.to_string(),
            });
        }
    }
    assert_eq!(comparisons.len(), 188);
    assert_all_equal(&comparisons);
}

#[test]
fn the_suffixes_of_the_reports_sentences_bind() {
    let names = |kind: &str, low: f64, high: f64| -> Vec<&str> {
        let within = SURVEY
            .rates(kind)
            .into_iter()
            .filter(|(_, rate)| (low..high).contains(rate));
        within.map(|(prefecture, _)| prefecture.name_ja()).collect()
    };
    let only_ken = |names: &[&str]| names.iter().all(|name| name.ends_with('県'));

    let hospitals = |low, high| names("hospital", low, high);
    assert!(only_ken(&hospitals(90.0, 101.0)) && only_ken(&hospitals(60.0, 70.0)));
    assert_eq!(hospitals(60.0, 70.0).len(), 3);
    assert!(hospitals(80.0, 90.0).contains(&"大阪府") && hospitals(80.0, 90.0).contains(&"京都府"));
    assert!(hospitals(70.0, 80.0).contains(&"東京都") && hospitals(70.0, 80.0).contains(&"北海道"));
    assert!(only_ken(&names("medical_clinic", 50.0, 101.0)));
    assert!(only_ken(&names("dental_clinic", 60.0, 101.0)));
    let pharmacies = names("pharmacy", 80.0, 101.0);
    assert!(pharmacies.contains(&"東京都") && !pharmacies.contains(&"北海道"));
    assert!(pharmacies.contains(&"大阪府") || pharmacies.contains(&"京都府"));

    for kind in FacilityKind::ALL {
        let edges: &[f64] = match kind {
            FacilityKind::Hospital => &[60.0, 70.0, 80.0, 90.0],
            FacilityKind::MedicalClinic => &[50.0],
            FacilityKind::DentalClinic => &[60.0, 70.0],
            FacilityKind::Pharmacy => &[70.0, 80.0],
        };
        for (prefecture, rate) in SURVEY.rates(csv_name(kind)) {
            let edge = edges
                .iter()
                .map(|edge| (rate - edge).abs())
                .fold(f64::MAX, f64::min);
            assert!(edge >= 0.3, "{kind:?} {}: {rate}", prefecture.name_ja());
        }
    }
}
