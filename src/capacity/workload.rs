//! What follows from the work of some months: pace, the time that the backlog will take, the learning curve, and how far
//! pledges were kept. Pure.

use chrono::NaiveDate;

use crate::{app::Month, figures::Work};

/// Whole months whose mean is the pace.
const PACE_MONTHS: usize = 3;
/// Fewest months with times told from which a learning rate is read.
const LEARNING_MONTHS: usize = 3;

/// The work of a month.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MonthOfWork {
    /// The month.
    pub month: Month,
    /// The last day that is counted: the month's last, or the day that was asked for.
    pub until: NaiveDate,
    /// Installed, less what was taken back; what waits at the end; minutes, and of how many installations.
    pub work: Work,
    /// Everything up to the end.
    pub total: Work,
    /// How many installations were pledged; `None` where pledges can't be told from each other so.
    pub pledged: Option<i64>,
    /// How many had been pledged by the time the month began.
    pub promised: Option<i64>,
    /// Is it counted to its end, and was it over by the time as of which it is known?
    pub is_whole: bool,
}

/// The work of months up to a day, the last of which may have begun only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    /// One after the other.
    pub months: Vec<MonthOfWork>,
}

impl Workload {
    /// From the totals at the end of the day before the first month and at the end of each month.
    pub fn new(
        before: Work,
        ends: impl IntoIterator<Item = (Month, NaiveDate, Work)>,
        known_on: NaiveDate,
        pledged: impl Fn(Month) -> Option<(i64, i64)>,
    ) -> Self {
        let mut last = before;
        let month = |(month, until, total): (Month, NaiveDate, Work)| {
            let work = total.since(last);
            last = total;
            MonthOfWork {
                month,
                until,
                work,
                total,
                pledged: pledged(month).map(|(pledged, _)| pledged),
                promised: pledged(month).map(|(_, promised)| promised),
                is_whole: until == month.last() && until < known_on,
            }
        };
        Self {
            months: ends.into_iter().map(month).collect(),
        }
    }

    /// Open facilities that wait at the end.
    pub fn waiting(&self) -> i64 {
        self.months.last().map_or(0, |month| month.work.waiting)
    }

    /// Installations in the last whole months, and how many these are: at most [`PACE_MONTHS`].
    fn recent(&self) -> (i64, i64) {
        let whole = self.months.iter().rev().filter(|month| month.is_whole);
        whole.take(PACE_MONTHS).fold((0, 0), |(sum, count), month| {
            (sum + month.work.installed, count + 1)
        })
    }

    /// Installations a month, in tenths, over the last three whole months; `None` without one.
    pub fn pace_in_tenths(&self) -> Option<i64> {
        let (installed, months) = self.recent();
        (months > 0).then(|| rounded(installed * 10, months))
    }

    /// How many months the backlog takes at that pace, in tenths; `None` while nothing is installed.
    pub fn months_to_clear_in_tenths(&self) -> Option<i64> {
        let (installed, months) = self.recent();
        (installed > 0).then(|| rounded(self.waiting() * months * 10, installed))
    }

    /// How much of what had been pledged by the time each month began was installed in it, in tenths of a per cent, over the
    /// whole months with a pledge: more than was pledged in one month makes up for nothing in another. `None` if nothing was.
    pub fn kept_in_tenths(&self) -> Option<i64> {
        let whole = self.months.iter().filter(|month| month.is_whole);
        let (kept, pledged) = whole
            .filter_map(|month| Some((month.work.installed, month.promised?)))
            .fold((0, 0), |(kept, sum), (installed, pledged)| {
                (kept + installed.clamp(0, pledged), sum + pledged)
            });
        (pledged > 0).then(|| rounded(kept * 1_000, pledged))
    }

    /// By how many per cent the time for an installation falls each time that twice as many have been done: Wright's law,
    /// fitted to the months by least squares, each weighed by its installations with a time; negative if it rises. `None` with fewer than three such months, or if no experience was gained between them.
    pub fn learning_rate_percent(&self) -> Option<f64> {
        let points: Vec<(f64, f64, f64)> = self
            .months
            .iter()
            .filter(|month| month.work.timed > 0 && month.total.installed > 0)
            .filter(|month| month.work.minutes > 0)
            .map(|month| {
                let weight = float(month.work.timed);
                let minutes = float(month.work.minutes) / weight;
                (float(month.total.installed).log2(), minutes.log2(), weight)
            })
            .collect();
        if points.len() < LEARNING_MONTHS {
            return None;
        }
        let sum = |of: &dyn Fn(&(f64, f64, f64)) -> f64| points.iter().map(of).sum::<f64>();
        let weight = sum(&|(_, _, w)| *w);
        let (x, y) = (
            sum(&|(x, _, w)| x * w) / weight,
            sum(&|(_, y, w)| y * w) / weight,
        );
        let spread = sum(&|(one, _, w)| w * (one - x) * (one - x));
        let slope = sum(&|(one, other, w)| w * (one - x) * (other - y)) / spread;
        if spread < 1e-9 || !slope.is_finite() {
            return None;
        }
        // Tenths of a per cent.
        let rate = ((1.0 - slope.exp2()) * 1_000.0).round();
        Some(rate / 10.0)
    }
}

/// Minutes for an installation, in tenths of an hour; `None` if nobody told.
pub fn hours_in_tenths(work: Work) -> Option<i64> {
    (work.timed > 0).then(|| rounded(work.minutes * 10, work.timed * 60))
}

/// A quotient rounded half up.
fn rounded(part: i64, whole: i64) -> i64 {
    (part * 2 + whole).div_euclid(whole * 2)
}

fn float(count: i64) -> f64 {
    f64::from(i32::try_from(count).unwrap_or(i32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Installed, waiting at the end, minutes, timed, pledged; of months that end on 2021-12-19.
    type Numbers = (i64, i64, i64, i64, Option<i64>);

    fn workload(numbers: &[Numbers]) -> Workload {
        let last = Month::new(2021, 12).unwrap();
        let count = u32::try_from(numbers.len()).unwrap();
        let months: Vec<Month> = (0..count).rev().map(|back| last.minus(back)).collect();
        let mut total = Work::default();
        let ends: Vec<_> = months
            .iter()
            .zip(numbers)
            .map(|(month, (installed, waiting, minutes, timed, _))| {
                total += Work {
                    installed: *installed,
                    waiting: waiting - total.waiting,
                    minutes: *minutes,
                    timed: *timed,
                };
                let until = month.last().min("2021-12-19".parse().unwrap());
                (*month, until, total)
            })
            .collect();
        let pledged = |month| {
            let place = months.iter().position(|one| *one == month)?;
            numbers[place].4
        };
        let known_on = "2021-12-19".parse().unwrap();
        Workload::new(Work::default(), ends, known_on, |month| {
            pledged(month).map(|pledged| (pledged, pledged))
        })
    }

    #[test]
    fn the_pace_is_that_of_the_last_three_whole_months() {
        let work = workload(&[
            (900, 0, 0, 0, None),
            (10, 0, 0, 0, None),
            (20, 0, 0, 0, None),
            (40, 0, 0, 0, None),
            (500, 100, 0, 0, None),
        ]);
        assert_eq!(work.pace_in_tenths(), Some(233));
        assert_eq!(work.waiting(), 100);
        assert_eq!(work.months_to_clear_in_tenths(), Some(43));
        let begun = workload(&[(5, 3, 0, 0, None)]);
        assert_eq!(begun.pace_in_tenths(), None);
        assert_eq!(begun.months_to_clear_in_tenths(), None);
        let idle = workload(&[(0, 3, 0, 0, None), (0, 3, 0, 0, None)]);
        assert_eq!(idle.pace_in_tenths(), Some(0));
        assert_eq!(idle.months_to_clear_in_tenths(), None, "never");
        let backwards = workload(&[(-2, 3, 0, 0, None), (0, 3, 0, 0, None)]);
        assert_eq!(backwards.pace_in_tenths(), Some(-20));
        assert_eq!(backwards.months_to_clear_in_tenths(), None);
    }

    #[test]
    fn more_in_one_month_does_not_keep_the_pledge_of_another() {
        let work = workload(&[
            (30, 0, 0, 0, Some(10)),
            (5, 0, 0, 0, Some(10)),
            (7, 0, 0, 0, None),
            (-3, 0, 0, 0, Some(4)),
            (9, 0, 0, 0, Some(90)),
        ]);
        assert_eq!(work.kept_in_tenths(), Some(625), "15 of 24");
        assert_eq!(workload(&[(1, 0, 0, 0, Some(2))]).kept_in_tenths(), None);
        assert_eq!(
            workload(&[(1, 0, 0, 0, Some(0)), (0, 0, 0, 0, None)]).kept_in_tenths(),
            None
        );
    }

    #[test]
    fn six_hours_that_become_three_after_eight_times_as_many_are_a_fifth_each_time() {
        // 100 → 200 → 400 → 800 done; each doubling takes off a factor of the cube root of two.
        let work = workload(&[
            (100, 0, 100 * 360, 100, None),
            (100, 0, 100 * 286, 100, None),
            (200, 0, 200 * 227, 200, None),
            (400, 0, 400 * 180, 400, None),
        ]);
        assert_eq!(work.learning_rate_percent(), Some(20.6));
        let hours: Vec<_> = work
            .months
            .iter()
            .map(|one| hours_in_tenths(one.work))
            .collect();
        assert_eq!(hours, [Some(60), Some(48), Some(38), Some(30)]);
        let two = workload(&[(100, 0, 36_000, 100, None), (100, 0, 18_000, 100, None)]);
        assert_eq!(two.learning_rate_percent(), None);
        let nothing_new = workload(&[
            (100, 0, 36_000, 100, None),
            (0, 0, 100, 1, None),
            (0, 0, 100, 1, None),
        ]);
        assert_eq!(nothing_new.learning_rate_percent(), None);
        assert_eq!(workload(&[]).learning_rate_percent(), None);
    }
}
