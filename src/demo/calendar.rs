//! When things happen: the days of the rollout, the intervals between published dates, and how busy each day was.
//!
//! Within an interval only the number of events is given. This spreads them as people work: hardly on weekends and
//! holidays, designations on the first of a month, a rush for readers towards the end of March 2021 (the last day on
//! which an application brought the full subsidy), and a first day of full operation on 2021-10-20. From one interval
//! to the next the pace changes smoothly.

use chrono::{Datelike, Days, NaiveDate, Weekday};

use crate::{app::calendar::is_business_day, facility::FacilityKind};

use super::rng::Rng;
use super::scale::Scale;
use super::schedule::{self, Flows, Slots};

/// A day of the rollout, counted from 2020-08-07, when applications for readers began, to 2021-12-19.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Day(u32);

const START: NaiveDate = civil(2020, 8, 7);
/// Days in all.
const DAYS: u32 = 500;

const fn civil(year: i32, month: u32, day: u32) -> NaiveDate {
    match NaiveDate::from_ymd_opt(year, month, day) {
        Some(date) => date,
        None => NaiveDate::MIN,
    }
}

impl Day {
    pub(super) const FIRST: Self = Self(0);
    pub(super) const LAST: Self = Self(DAYS - 1);

    pub(super) fn date(self) -> NaiveDate {
        days_from_start(self.0)
    }

    /// So many days later; none if that is after the last day.
    pub(super) fn plus(self, days: u32) -> Option<Self> {
        Some(Self(self.0 + days)).filter(|day| *day <= Self::LAST)
    }

    /// The day before; the first day stays.
    pub(super) fn before(self) -> Self {
        Self(self.0.saturating_sub(1))
    }

    pub(super) fn days_since(self, earlier: Self) -> u32 {
        self.0.saturating_sub(earlier.0)
    }

    fn all() -> impl Iterator<Item = Self> {
        (0..DAYS).map(Self)
    }

    fn place(self) -> usize {
        usize::try_from(self.0).unwrap_or(0)
    }
}

fn days_from_start(days: u32) -> NaiveDate {
    START
        .checked_add_days(Days::new(u64::from(days)))
        .unwrap_or(START)
}

/// A stretch of days that ends on a date for which figures were published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Interval(u8);

impl Interval {
    pub(super) const COUNT: usize = 8;
    pub(super) const ALL: [Self; Self::COUNT] = [
        Self(0),
        Self(1),
        Self(2),
        Self(3),
        Self(4),
        Self(5),
        Self(6),
        Self(7),
    ];
    pub(super) const FIRST: Self = Self(0);
    pub(super) const LAST: Self = Self(7);

    pub(super) fn all() -> impl DoubleEndedIterator<Item = Self> {
        Self::ALL.into_iter()
    }

    /// 0 to 7.
    pub(super) const fn number(self) -> u8 {
        self.0
    }

    pub(super) fn place(self) -> usize {
        usize::from(self.0)
    }

    pub(super) fn next(self) -> Option<Self> {
        Some(Self(self.0 + 1)).filter(|next| *next <= Self::LAST)
    }

    /// The one before; none before the first.
    pub(super) fn previous(self) -> Option<Self> {
        self.0.checked_sub(1).map(Self)
    }

    pub(super) const fn last_day(self) -> Day {
        Day(match self.0 {
            0 => 65,  // 2020-10-11
            1 => 184, // 2021-02-07
            2 => 254, // 2021-04-18
            3 => 345, // 2021-07-18
            4 => 353, // 2021-07-26
            5 => 422, // 2021-10-03
            6 => 439, // 2021-10-20
            _ => DAYS - 1,
        })
    }

    pub(super) fn first_day(self) -> Day {
        self.previous()
            .map_or(Day::FIRST, |previous| Day(previous.last_day().0 + 1))
    }

    pub(super) fn days(self) -> u32 {
        self.last_day().0 + 1 - self.first_day().0
    }
}

/// What may happen to a facility on a day, as far as it follows a rhythm of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    Open,
    Close,
    Apply,
    Withdraw,
    Ready,
    Live,
}

impl Flow {
    const ALL: [Self; 6] = [
        Self::Open,
        Self::Close,
        Self::Apply,
        Self::Withdraw,
        Self::Ready,
        Self::Live,
    ];

    const fn place(self) -> usize {
        match self {
            Self::Open => 0,
            Self::Close => 1,
            Self::Apply => 2,
            Self::Withdraw => 3,
            Self::Ready => 4,
            Self::Live => 5,
        }
    }

    const fn slots(self, flows: &Flows) -> &Slots {
        match self {
            Self::Open => &flows.opened,
            Self::Close => &flows.closed,
            Self::Apply => &flows.applied,
            Self::Withdraw => &flows.withdrawn,
            Self::Ready => &flows.ready,
            Self::Live => &flows.live,
        }
    }
}

/// How busy each day is for each flow.
#[derive(Debug)]
pub(super) struct Calendar {
    workdays: Vec<bool>,
    /// For each flow, the sum of the weights of all days before a day, for every day and the one after the last.
    sums: [Vec<u64>; 6],
}

impl Calendar {
    /// The calendar of the nation; a smaller scale follows the same one.
    pub(super) fn new() -> Self {
        let workdays: Vec<bool> = Day::all().map(|day| is_business_day(day.date())).collect();
        let sums = Flow::ALL.map(|flow| running_sums(&weights(flow, &workdays)));
        Self { workdays, sums }
    }

    /// A day of an interval, not before `earliest`, by the rhythm of a flow.
    pub(super) fn draw(&self, rng: &mut Rng, flow: Flow, interval: Interval, earliest: Day) -> Day {
        let (first, last) = (interval.first_day().max(earliest), interval.last_day());
        let Some(sums) = self.sums.get(flow.place()) else {
            return last;
        };
        let sum_before = |place: usize| sums.get(place).copied().unwrap_or(0);
        let (low, high) = (sum_before(first.place()), sum_before(last.place() + 1));
        let target = low + rng.below(high.saturating_sub(low));
        // The last day whose sum before it doesn't exceed the target.
        let place = sums.partition_point(|sum| *sum <= target).saturating_sub(1);
        u32::try_from(place).map_or(last, Day).clamp(first, last)
    }

    /// The first working day from `day` on, but at the latest `limit`.
    pub(super) fn workday_from(&self, day: Day, limit: Day) -> Day {
        let mut day = day;
        while day < limit && !self.workdays.get(day.place()).copied().unwrap_or(true) {
            day = Day(day.0 + 1);
        }
        day.min(limit)
    }
}

fn running_sums(weights: &[u64]) -> Vec<u64> {
    let mut sum = 0;
    let mut sums = vec![0];
    for weight in weights {
        sum += weight;
        sums.push(sum);
    }
    sums
}

/// The weights of a flow on every day, relative to the other days of its interval.
fn weights(flow: Flow, workdays: &[bool]) -> Vec<u64> {
    let pace = pace(flow);
    let mut weights: Vec<u64> = Day::all()
        .zip(pace)
        .zip(workdays)
        .map(|((day, pace), workday)| pace * rhythm(flow, day.date(), *workday))
        .collect();
    if flow == Flow::Live {
        crowd_the_start_of_full_operation(&mut weights);
    }
    weights
}

/// How a flow follows the week, the month and the season.
fn rhythm(flow: Flow, date: NaiveDate, workday: bool) -> u64 {
    let week = match (workday, date.weekday()) {
        (true, Weekday::Mon) => 110,
        (true, _) => 100,
        (false, Weekday::Sat) => 25,
        (false, _) => 6,
    };
    let obon = if date.month() == 8 && matches!(date.day(), 12..=16) {
        4
    } else {
        10
    };
    match flow {
        Flow::Open | Flow::Close if date.day() == 1 => 6000,
        Flow::Open | Flow::Close => 100,
        Flow::Apply => week * obon * rush_for_the_subsidy(date),
        Flow::Withdraw => week * obon,
        Flow::Ready | Flow::Live if date < civil(2021, 3, 4) => 0,
        Flow::Ready | Flow::Live => week * obon,
    }
}

/// Applications until 2021-03-31 brought the full subsidy (rules ACCEL of the subsidy table).
fn rush_for_the_subsidy(date: NaiveDate) -> u64 {
    match (date.year(), date.month(), date.day()) {
        (2021, 3, 25..) => 9,
        (2021, 3, 15..) => 6,
        (2021, 4, ..=18) => 1,
        _ => 3,
    }
}

/// Six in ten of those who went live between 2021-10-04 and 10-20 did so on the last day, when full operation began.
fn crowd_the_start_of_full_operation(weights: &mut [u64]) {
    let [.., interval, _] = Interval::ALL;
    let days_before = interval.first_day().place()..interval.last_day().place();
    let sum: u64 = weights.get(days_before).unwrap_or_default().iter().sum();
    if let Some(weight) = weights.get_mut(interval.last_day().place()) {
        *weight = sum * 3 / 2;
    }
}

/// The pace of a flow on each day, in events of a thousand days: a line through each interval that bends in its middle
/// and meets its neighbours at its ends.
fn pace(flow: Flow) -> Vec<u64> {
    let means = Interval::ALL.map(|interval| mean_pace(flow, interval));
    let between = |left: u64, right: u64| ((left + right) / 2).min(2 * left.min(right));
    let mut pace = Vec::new();
    for interval in Interval::all() {
        let mean_of = |other: Option<Interval>| {
            other
                .and_then(|other| means.get(other.place()))
                .copied()
                .unwrap_or_else(|| mean_pace(flow, interval))
        };
        let mean = mean_of(Some(interval));
        let start = between(mean_of(interval.previous()), mean);
        let end = between(mean, mean_of(interval.next()));
        let middle = (2 * mean).saturating_sub((start + end) / 2).max(mean / 4);
        pace.extend(bent_line(start, middle, end, u64::from(interval.days())));
    }
    pace
}

fn bent_line(start: u64, middle: u64, end: u64, days: u64) -> impl Iterator<Item = u64> {
    (0..days).map(move |day| {
        let (done, days) = (2 * day + 1, 2 * days);
        let line =
            |from: u64, to: u64, done: u64| (from * (days / 2 - done) + to * done) / (days / 2);
        let value = if done <= days / 2 {
            line(start, middle, done)
        } else {
            line(middle, end, done - days / 2)
        };
        value.max(1)
    })
}

fn mean_pace(flow: Flow, interval: Interval) -> u64 {
    let events: u32 = FacilityKind::ALL
        .into_iter()
        .map(|kind| {
            flow.slots(&schedule::flows(kind, Scale::NATION))
                .at(interval)
        })
        .sum();
    u64::from(events) * 1000 / u64::from(interval.days())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(flow: Flow, interval: Interval, chosen: impl Fn(NaiveDate) -> bool) -> u64 {
        let calendar = Calendar::new();
        let mut rng = Rng::stream(&[1]);
        let draws = (0..10_000).map(|_| calendar.draw(&mut rng, flow, interval, Day::FIRST));
        u64::try_from(draws.filter(|day| chosen(day.date())).count()).unwrap() / 100
    }

    #[test]
    fn the_intervals_end_on_the_published_dates() {
        let ends: Vec<String> = Interval::all()
            .map(|interval| interval.last_day().date().to_string())
            .collect();
        let published = [
            "2020-10-11",
            "2021-02-07",
            "2021-04-18",
            "2021-07-18",
            "2021-07-26",
            "2021-10-03",
            "2021-10-20",
            "2021-12-19",
        ];
        assert_eq!(ends, published);
        assert_eq!(Interval::all().map(Interval::days).sum::<u32>(), DAYS);
    }

    #[test]
    fn draws_stay_in_their_interval_and_after_the_earliest_day() {
        let calendar = Calendar::new();
        let mut rng = Rng::stream(&[2]);
        for flow in Flow::ALL {
            for interval in Interval::all() {
                let earliest = Day(interval.last_day().0 - 3);
                for _ in 0..200 {
                    let day = calendar.draw(&mut rng, flow, interval, earliest);
                    assert!(
                        (earliest..=interval.last_day()).contains(&day),
                        "{flow:?} {interval:?} {day:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn few_apply_on_weekends_and_holidays() {
        let [_, interval, ..] = Interval::ALL;
        let weekend = |date: NaiveDate| matches!(date.weekday(), Weekday::Sat | Weekday::Sun);
        assert!((2..10).contains(&share(Flow::Apply, interval, weekend)));
        assert!(share(Flow::Apply, interval, |date| date == civil(2020, 11, 23)) < 1);
    }

    #[test]
    fn the_rush_for_readers_peaks_at_the_end_of_march() {
        let [_, _, interval, ..] = Interval::ALL;
        let march = share(Flow::Apply, interval, |date| date.month() == 3);
        let april = share(Flow::Apply, interval, |date| date.month() == 4);
        assert!(march > 70 && april < 6, "{march} {april}");
    }

    #[test]
    fn most_of_october_goes_live_on_the_first_day_of_full_operation() {
        let [.., interval, _] = Interval::ALL;
        assert!(
            (57..63).contains(&share(Flow::Live, interval, |date| date == civil(2021, 10, 20)))
        );
    }

    #[test]
    fn nobody_is_ready_before_the_trial_of_march_2021() {
        let [_, _, interval, ..] = Interval::ALL;
        assert_eq!(
            share(Flow::Ready, interval, |date| date < civil(2021, 3, 4)),
            0
        );
    }

    #[test]
    fn a_workday_is_found_after_the_holidays_of_may() {
        let calendar = Calendar::new();
        let eve = Day::all()
            .find(|day| day.date() == civil(2021, 5, 1))
            .unwrap();
        assert_eq!(
            calendar.workday_from(eve, Day::LAST).date(),
            civil(2021, 5, 6)
        );
        assert_eq!(calendar.workday_from(eve, eve), eve);
    }
}
