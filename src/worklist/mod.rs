//! Worklists: what to do next, and filters that people keep under a name, for themselves or for their organisation.
//!
//! What is next follows from the records alone: what was promised for a day that is over, what is promised for this week,
//! and what nothing holds up any more since the last business day.

pub mod entity;
pub mod graphql;
mod problem;
pub mod service;

use async_graphql::Enum;
use chrono::{Datelike, Days, NaiveDate};
use serde::{Deserialize, Serialize};

pub use problem::WorklistProblem;

use crate::{
    app::calendar::is_business_day,
    auth::{Identity, OrganisationName},
    db::FacilityId,
    milestone::Milestone,
};

/// Why something is next.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, Enum,
)]
pub enum NextStepReason {
    /// It was promised for a day that is over.
    Overdue,
    /// It is promised for a day from today to the end of the week, which is a Sunday.
    PromisedThisWeek,
    /// What held the facility up was resolved since the last business day before today, and nothing does any more.
    Unblocked,
}

impl NextStepReason {
    /// All of them, in the order in which a list has them.
    pub const ALL: [Self; 3] = [Self::Overdue, Self::PromisedThisWeek, Self::Unblocked];
}

/// Something to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NextStep {
    /// Why.
    pub reason: NextStepReason,
    /// For which facility.
    pub facility: FacilityId,
    /// What was promised; `None` where something was resolved.
    pub milestone: Option<Milestone>,
    /// For which day it was promised, or on which it was resolved.
    pub day: NaiveDate,
}

/// A row of `saved_filter`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SavedFilterId(pub i64);

/// A filter that somebody keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedFilter {
    /// Its row.
    pub id: SavedFilterId,
    /// In which organisation.
    pub organisation: OrganisationName,
    /// Whose.
    pub owner: Identity,
    /// Its name.
    pub name: String,
    /// Whether everybody in the organisation may use it.
    pub shared: bool,
    /// The filter of facilities, as JSON.
    pub filter: String,
    /// Counts up with every change.
    pub version: i32,
}

/// The last day of a day's week.
pub fn week_ends(day: NaiveDate) -> NaiveDate {
    day + Days::new(6 - u64::from(day.weekday().num_days_from_monday()))
}

/// The last business day before a day.
pub fn last_business_day(day: NaiveDate) -> NaiveDate {
    let mut before = day;
    while let Some(earlier) = before.pred_opt() {
        before = earlier;
        if is_business_day(before) {
            break;
        }
    }
    before
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_week_ends_on_its_sunday_and_yesterday_is_a_business_day() {
        let day = |text: &str| text.parse::<NaiveDate>().unwrap();
        for (today, ends, yesterday) in [
            ("2021-12-13", "2021-12-19", "2021-12-10"),
            ("2021-12-17", "2021-12-19", "2021-12-16"),
            ("2021-12-19", "2021-12-19", "2021-12-17"),
            ("2022-01-04", "2022-01-09", "2021-12-28"),
        ] {
            assert_eq!(week_ends(day(today)), day(ends), "{today}");
            assert_eq!(last_business_day(day(today)), day(yesterday), "{today}");
        }
    }
}
