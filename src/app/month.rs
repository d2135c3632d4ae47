//! Months of the civil calendar in Japan, by which work is pledged and followed up.

use chrono::{Datelike, Months, NaiveDate};
use serde::{Deserialize, Serialize};

/// A month.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Month(NaiveDate);

impl Month {
    /// The month of a day.
    pub fn of(day: NaiveDate) -> Self {
        Self(day.with_day(1).unwrap_or(day))
    }

    /// The month of a year, by its number from 1.
    pub fn new(year: i32, month: u32) -> Option<Self> {
        NaiveDate::from_ymd_opt(year, month, 1).map(Self)
    }

    /// Its first day, by which it is stored.
    pub fn first(self) -> NaiveDate {
        self.0
    }

    /// Its last day.
    pub fn last(self) -> NaiveDate {
        let next = self.plus(1).0;
        next.pred_opt().unwrap_or(next)
    }

    /// The month so many months later.
    pub fn plus(self, months: u32) -> Self {
        let later = self.0.checked_add_months(Months::new(months));
        Self(later.unwrap_or(self.0))
    }

    /// The month so many months earlier.
    pub fn minus(self, months: u32) -> Self {
        let earlier = self.0.checked_sub_months(Months::new(months));
        Self(earlier.unwrap_or(self.0))
    }
}

impl std::fmt::Display for Month {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{:04}-{:02}", self.0.year(), self.0.month())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_knows_its_days_and_its_neighbours() {
        let day = |text: &str| text.parse::<NaiveDate>().unwrap();
        let february = Month::of(day("2020-02-17"));
        assert_eq!(february.to_string(), "2020-02");
        assert_eq!(february.first(), day("2020-02-01"));
        assert_eq!(february.last(), day("2020-02-29"));
        assert_eq!(february.plus(11).to_string(), "2021-01");
        assert_eq!(february.minus(2).last(), day("2019-12-31"));
        assert_eq!(Month::new(2021, 13), None);
        assert_eq!(Month::new(2021, 12), Some(Month::of(day("2021-12-31"))));
    }
}
