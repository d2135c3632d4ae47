//! Single facilities and their histories obey the rules, and the nation is plausible and always the same.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use chrono::NaiveDate;
use kaitsu::demo::{DemoAction, DemoFacility, DemoLink, National, Scale};
use kaitsu::facility::{FacilityKind, InstitutionCode};
use kaitsu::milestone::{Milestone, Stage};

use super::survey::{NATION, PUBLISHED_DATES, SURVEY, Survey, csv_name, date, is_open};

/// SHA-256 over everything in the nation. Whoever changes the generator on purpose puts the new one here.
const FINGERPRINT: &str = "fa50ffc9dddf0bac4054d806582753ea130d2b8724f93b0ec53aec9d6d0a28b0";

/// Follows the events in the order in which they became known and checks every rule after each.
fn assert_history_obeys_the_rules(facility: &DemoFacility) {
    let (first, last) = (date("2020-08-07"), date("2021-12-19"));
    let mut reached: BTreeMap<Milestone, NaiveDate> = BTreeMap::new();
    let mut order = (first, first);
    for event in &facility.events {
        assert!(is_open(facility, event.effective_on));
        assert!(event.effective_on >= first && event.recorded_on <= last);
        assert!(event.recorded_on >= event.effective_on);
        assert!((event.recorded_on, event.effective_on) >= order);
        order = (event.recorded_on, event.effective_on);
        match event.action {
            DemoAction::Reached => {
                assert!(
                    reached
                        .insert(event.milestone, event.effective_on)
                        .is_none(),
                    "reached twice"
                );
                let needed = match event.milestone {
                    Milestone::Ready => Some(Milestone::ReaderApplied),
                    Milestone::Live => Some(Milestone::Ready),
                    _ => None,
                };
                assert!(needed.is_none_or(|needed| reached[&needed] <= event.effective_on));
            }
            DemoAction::Withdrawn => {
                let since = reached.remove(&event.milestone).unwrap();
                assert!(since < event.effective_on);
                assert!(
                    !reached.contains_key(&Milestone::Ready)
                        && !reached.contains_key(&Milestone::Live)
                );
            }
        }
    }
}

fn assert_links_follow_each_other(facility: &DemoFacility, links: &[DemoLink]) {
    for pair in links.windows(2) {
        assert_eq!(pair[0].until, Some(pair[1].from));
        assert_ne!(pair[0].index, pair[1].index);
    }
    for link in links {
        assert!(link.from >= facility.opened_on && link.from <= date("2021-12-19"));
        assert!(link.until.is_none_or(|until| link.from < until));
        assert!(facility.closed_on.is_none_or(|closed| link.from < closed));
    }
    assert!(links.last().is_none_or(|link| link.until.is_none()));
}

fn assert_is_well_formed(facility: &DemoFacility, nation: &National) {
    let context = format!("{facility:?}");
    assert_eq!(
        InstitutionCode::parse(&facility.code.to_string()),
        Ok(facility.code)
    );
    assert_eq!(facility.code.prefecture(), facility.prefecture);
    assert_eq!(facility.code.fee_table(), facility.kind.fee_table());
    assert!(
        facility
            .closed_on
            .is_none_or(|closed| facility.opened_on < closed && closed <= date("2021-12-19"))
    );
    for text in [
        &facility.name,
        &facility.address,
        &facility.phone,
        &facility.postal_code,
    ] {
        assert!(
            !text.is_empty() && !text.chars().any(char::is_control),
            "{context}"
        );
    }
    assert!(
        facility
            .name_kana
            .chars()
            .all(|c| ('ァ'..='ー').contains(&c) || c == '　'),
        "{context}"
    );
    for link in &facility.vendor {
        let vendor = &nation.vendors()[link.index];
        assert!(
            vendor.specialities.contains(&facility.kind)
                && vendor.prefectures.contains(&facility.prefecture)
        );
    }
    for link in &facility.chain {
        assert_eq!(facility.kind, FacilityKind::Pharmacy);
        assert!(
            nation.chains()[link.index]
                .prefectures
                .contains(&facility.prefecture)
        );
    }
    for (_, valid_to) in &facility.past_codes {
        assert!(
            facility.opened_on < *valid_to && is_open(facility, *valid_to),
            "{context}"
        );
    }
}

#[test]
fn every_history_obeys_the_rules_and_every_facility_is_well_formed() {
    let mut codes: HashSet<InstitutionCode> = HashSet::new();
    let mut count = 0;
    for facility in NATION.facilities() {
        assert_history_obeys_the_rules(&facility);
        assert_links_follow_each_other(&facility, &facility.vendor);
        assert_links_follow_each_other(&facility, &facility.chain);
        assert_is_well_formed(&facility, &NATION);
        for code in facility
            .past_codes
            .iter()
            .map(|(code, _)| *code)
            .chain([facility.code])
        {
            assert!(codes.insert(code), "{code} comes twice");
        }
        count += 1;
    }
    assert_eq!(count, NATION.facility_count());
}

#[test]
fn some_close_open_cancel_and_come_back() {
    let closed: Vec<u32> = FacilityKind::ALL.map(|kind| SURVEY.closed[&kind]).to_vec();
    println!("closed {closed:?}, opened {}", SURVEY.opened);
    println!(
        "applications withdrawn {}, applied again {}",
        SURVEY.withdrawn, SURVEY.reapplied
    );
    println!(
        "vendor changes {}, chain changes {}",
        SURVEY.vendor_changes, SURVEY.chain_changes
    );
    println!("successions {}", SURVEY.successions);
    assert!(closed[0] >= 61 && closed[1] >= 12 && closed[2] >= 235);
    assert!((2000..6000).contains(&SURVEY.withdrawn) && (100..1000).contains(&SURVEY.reapplied));
    assert!((200..600).contains(&SURVEY.vendor_changes));
    assert!((35..70).contains(&SURVEY.chain_changes));
    assert!((24..72).contains(&SURVEY.successions));
}

#[test]
fn vendors_have_a_long_tail_and_some_chains_exceed_two_hundred_stores() {
    let mut vendors = SURVEY.vendor_sizes.clone();
    vendors.sort_unstable_by(|a, b| b.cmp(a));
    let mut chains = SURVEY.chain_sizes.clone();
    chains.sort_unstable_by(|a, b| b.cmp(a));
    println!("vendors {vendors:?}\nchains {chains:?}");
    assert_eq!((vendors.len(), chains.len()), (300, 60));
    assert!((27_000..33_000).contains(&vendors[0]));
    assert!((3..8).contains(&vendors.iter().filter(|size| **size > 10_000).count()));
    assert!(vendors.iter().filter(|size| **size < 50).count() >= 100);
    assert!(vendors.iter().all(|size| *size > 0) && chains.iter().all(|size| *size > 0));
    assert!(chains.iter().filter(|size| **size > 200).count() >= 10);
}

#[test]
fn the_steps_between_are_plausible() {
    println!(
        "{:?}, readers by 2021-05-31: {}",
        SURVEY.stages, SURVEY.readers_by_end_of_may
    );
    assert!((69_000..73_000).contains(&SURVEY.readers_by_end_of_may));
    let at = |stage| SURVEY.stages[&stage];
    assert_eq!(
        (at(Stage::Live), at(Stage::Ready)),
        (21_288, 31_331 - 21_288)
    );
    assert!(
        at(Stage::Ordered) > 4 * at(Stage::Procured),
        "many wait for a PC or a router"
    );
    assert!(
        at(Stage::Applied) > 10_000 && at(Stage::Installed) > 500 && at(Stage::Procured) > 3000
    );
}

#[test]
fn growth_follows_working_days_and_never_jumps_but_at_the_start_of_operation() {
    let on = |day: NaiveDate, milestone| SURVEY.daily.get(&(day, milestone)).copied().unwrap_or(0);
    let week = |day: NaiveDate, milestone| -> u32 {
        day.iter_days().take(7).map(|day| on(day, milestone)).sum()
    };
    let monday = date("2020-08-10");
    for milestone in [Milestone::ReaderApplied, Milestone::Ready, Milestone::Live] {
        let weeks: Vec<u32> = monday
            .iter_weeks()
            .take(70)
            .map(|day| week(day, milestone))
            .collect();
        println!("{milestone:?} by week: {weeks:?}");
        let different = weeks.iter().collect::<BTreeSet<_>>().len();
        assert!(different > 25, "a linear block repeats its numbers");
    }
    let autumn = date("2020-09-28").iter_weeks().take(10);
    let autumn: Vec<u32> = autumn
        .map(|day| week(day, Milestone::ReaderApplied))
        .collect();
    assert!(
        autumn
            .windows(2)
            .all(|pair| pair[0] < 2 * pair[1] && pair[1] < 2 * pair[0]),
        "2020-10-11 leaves a step: {autumn:?}"
    );
    let working: u32 = week(date("2020-11-09"), Milestone::ReaderApplied);
    let weekend = on(date("2020-11-14"), Milestone::ReaderApplied)
        + on(date("2020-11-15"), Milestone::ReaderApplied);
    assert!(weekend * 10 < working);
    assert!(on(date("2021-10-20"), Milestone::Live) > 3000);
}

#[test]
fn two_runs_are_identical_and_equal_to_the_committed_fingerprint() {
    let again = Survey::of(&National::plan(Scale::NATION));
    assert_eq!(again.fingerprint, SURVEY.fingerprint);
    assert_eq!(again.fingerprint, FINGERPRINT);
}

#[test]
fn smaller_nations_keep_the_shape() {
    for (text, facilities) in [("0.001", 229), ("0.01", 2292), ("0.037", 8481)] {
        let nation = National::plan(text.parse().unwrap());
        let survey = Survey::of(&nation);
        let total = survey.counts(date("2021-12-19"), "total");
        println!("{text}: {total:?}");
        assert!(total.open.abs_diff(facilities) <= 2);
        assert!((56..=58).contains(&(total.applied * 100 / total.open)));
        assert!(
            FacilityKind::ALL
                .into_iter()
                .all(|kind| survey.counts(date("2021-12-19"), csv_name(kind)).live > 0)
        );
        for facility in nation.facilities() {
            assert_history_obeys_the_rules(&facility);
            assert_is_well_formed(&facility, &nation);
        }
    }
}

#[test]
fn a_smaller_nation_hits_its_own_rounded_figures() {
    let survey = Survey::of(&National::plan("0.01".parse().unwrap()));
    for day in PUBLISHED_DATES.map(date) {
        let (small, whole) = (survey.counts(day, "total"), SURVEY.counts(day, "total"));
        for (small, whole) in [
            (small.open, whole.open),
            (small.applied, whole.applied),
            (small.ready, whole.ready),
            (small.live, whole.live),
        ] {
            assert!(
                (small * 100).abs_diff(whole) <= 200,
                "{day}: {small} for {whole}"
            );
        }
    }
}
