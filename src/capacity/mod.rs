//! Capacity: what vendors pledge to install in a month and a prefecture, what became of it, and how long the backlog will
//! take. Pledges and what vendors answer to the monthly follow-up are told; everything else comes from the records.
//!
//! A follow-up is of a month that is over, and due on the fifth business day after it. Each vendor that had facilities at
//! its end is asked; what we know already stands in the form.

pub mod entity;
pub mod graphql;
mod problem;
pub mod service;
mod workload;

use async_graphql::Enum;
use chrono::{Days, NaiveDate};
use serde::{Deserialize, Serialize};

pub use problem::CapacityProblem;
pub use workload::{MonthOfWork, Workload};

use crate::{
    app::{Month, calendar::is_business_day},
    facility::Prefecture,
};

/// The business day of the following month on which a follow-up is due.
const DUE_BUSINESS_DAY: usize = 5;

/// How many installations are pledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pledge {
    /// In which month.
    pub month: Month,
    /// Where, by its number.
    pub prefecture: u8,
    /// How many.
    pub installs: i32,
}

impl Pledge {
    /// Where.
    pub fn prefecture(&self) -> Prefecture {
        Prefecture::from_number(self.prefecture).unwrap_or(Prefecture::FIRST)
    }
}

/// How far the follow-up of a month has come for a vendor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, Enum)]
pub enum FollowUpStatus {
    /// Not answered, and not due before today.
    Open,
    /// Not answered, and due on a day that is over.
    Overdue,
    /// Answered in time.
    Answered,
    /// Answered after the day on which it was due.
    AnsweredLate,
}

/// The day on which the follow-up of a month is due.
pub fn due_on(month: Month) -> NaiveDate {
    let first = month.plus(1).first();
    first
        .iter_days()
        .filter(|day| is_business_day(*day))
        .nth(DUE_BUSINESS_DAY - 1)
        .unwrap_or(first + Days::new(7))
}

/// How far a follow-up has come on a day, that was first answered on another or not at all.
pub fn status_of(month: Month, answered_on: Option<NaiveDate>, today: NaiveDate) -> FollowUpStatus {
    let due = due_on(month);
    match answered_on {
        Some(day) if day > due => FollowUpStatus::AnsweredLate,
        Some(_) => FollowUpStatus::Answered,
        None if today > due => FollowUpStatus::Overdue,
        None => FollowUpStatus::Open,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_follow_up_is_due_on_the_fifth_business_day() {
        for (month, due) in [
            // Wednesday the first.
            ((2021, 11), "2021-12-07"),
            // The year begins on the fourth, and Monday the tenth is a holiday.
            ((2021, 12), "2022-01-11"),
            ((2022, 4), "2022-05-11"),
        ] {
            let month = Month::new(month.0, month.1).unwrap();
            assert_eq!(due_on(month).to_string(), due);
        }
    }

    #[test]
    fn what_is_answered_on_the_day_is_in_time() {
        let month = Month::new(2021, 11).unwrap();
        let day = |text: &str| text.parse::<NaiveDate>().unwrap();
        let on = |answered: Option<&str>, today| status_of(month, answered.map(day), day(today));
        assert_eq!(on(None, "2021-12-07"), FollowUpStatus::Open);
        assert_eq!(on(None, "2021-12-08"), FollowUpStatus::Overdue);
        assert_eq!(
            on(Some("2021-12-07"), "2022-01-31"),
            FollowUpStatus::Answered
        );
        assert_eq!(
            on(Some("2021-12-08"), "2021-12-08"),
            FollowUpStatus::AnsweredLate
        );
    }
}
