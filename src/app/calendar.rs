//! Business days in Japan: not Saturdays, Sundays, national holidays, or the closing of the year from 12-29 to 01-03
//! (年末年始, 行政機関の休日に関する法律 第1条). Waiting, slippage and deadlines are counted in them.

use std::{collections::HashSet, sync::LazyLock};

use chrono::{Datelike, Days, NaiveDate, Weekday};

/// National holidays (国民の祝日, substitutes included) as the Cabinet Office publishes them, from 2019 to 2028. Later
/// years have only their weekends and the closing of the year until the list is renewed.
static HOLIDAYS: LazyLock<HashSet<NaiveDate>> = LazyLock::new(|| {
    include_str!("../../assets/figures/holidays.csv")
        .lines()
        .skip(1)
        .filter_map(|line| line.split(',').next()?.parse().ok())
        .collect()
});

/// Most days that are walked one by one; beyond, whole weeks are taken as five.
const MOST_DAYS: i64 = 3_660;

/// Is it a day on which people work?
pub fn is_business_day(day: NaiveDate) -> bool {
    let weekend = matches!(day.weekday(), Weekday::Sat | Weekday::Sun);
    let closing = matches!((day.month(), day.day()), (12, 29..) | (1, ..=3));
    !weekend && !closing && !HOLIDAYS.contains(&day)
}

/// How many business days come after one day up to another, which is counted if it is one. Negative if the other comes
/// first. From a Friday to the Monday after it is 1, to the Saturday 0.
pub fn business_days(from: NaiveDate, until: NaiveDate) -> i64 {
    if until < from {
        return -business_days(until, from);
    }
    let days = (until - from).num_days();
    if days > MOST_DAYS {
        return days / 7 * 5;
    }
    let counted = from
        .iter_days()
        .skip(1)
        .take_while(|day| *day <= until)
        .filter(|day| is_business_day(*day))
        .count();
    i64::try_from(counted).unwrap_or(i64::MAX)
}

/// The last day since which at least so many business days have passed by a day: whatever began then or earlier has
/// waited that long.
pub fn business_days_before(day: NaiveDate, count: u32) -> NaiveDate {
    let mut left = count;
    let mut at = day;
    while left > 0 {
        if is_business_day(at) {
            left -= 1;
        }
        match at.checked_sub_days(Days::new(1)) {
            Some(before) => at = before,
            None => return NaiveDate::MIN,
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn weekends_holidays_and_the_closing_of_the_year_are_no_business_days() {
        for (text, expected) in [
            ("2021-12-17", true),
            ("2021-12-18", false),
            ("2021-12-19", false),
            ("2021-11-03", false),
            // The Olympics moved the day of the mountain, and a Monday stood in for it.
            ("2021-08-09", false),
            ("2021-08-11", true),
            ("2021-12-28", true),
            ("2021-12-29", false),
            ("2021-12-31", false),
            ("2022-01-03", false),
            ("2022-01-04", true),
        ] {
            assert_eq!(is_business_day(day(text)), expected, "{text}");
        }
    }

    #[test]
    fn the_list_of_holidays_is_whole() {
        for year in 2019..=2028 {
            let holidays = HOLIDAYS.iter().filter(|day| day.year() == year).count();
            assert!((16..=22).contains(&holidays), "{year}: {holidays}");
        }
        assert_eq!(HOLIDAYS.len(), 181);
    }

    #[test]
    fn business_days_are_counted_after_the_first_day() {
        for (from, until, expected) in [
            ("2021-12-17", "2021-12-17", 0),
            ("2021-12-17", "2021-12-19", 0),
            ("2021-12-17", "2021-12-20", 1),
            ("2021-12-28", "2022-01-04", 1),
            ("2022-01-04", "2021-12-28", -1),
            ("2021-05-01", "2021-05-31", 18),
        ] {
            assert_eq!(
                business_days(day(from), day(until)),
                expected,
                "{from} {until}"
            );
        }
        let centuries = business_days(day("1021-12-17"), day("2021-12-17"));
        assert!((260_000..262_000).contains(&centuries), "{centuries}");
    }

    #[test]
    fn whoever_began_on_the_last_day_has_waited_so_long_and_a_day_later_has_not() {
        for text in ["2021-12-17", "2021-12-20", "2022-01-04", "2022-01-02"] {
            for count in 0..30 {
                let began = business_days_before(day(text), count);
                assert!(
                    business_days(began, day(text)) >= count.into(),
                    "{text} {count}"
                );
                if count > 0 {
                    let later = began.succ_opt().unwrap();
                    assert!(
                        business_days(later, day(text)) < count.into(),
                        "{text} {count}"
                    );
                }
            }
        }
    }
}
