//! Installations: the work order by which a vendor, or the support contractor that it handed a facility on to, sets a
//! facility up. A facility has one open order at most; those that ended stay.
//!
//! An order is of its facility. While it is open it is the work of whoever the facility engages today, so that a change
//! of vendor moves it; when it ends it keeps who did it. The planned day is the facility's plan of INSTALLED and nothing
//! else, so there is one promise in force and its history holds every earlier one. Finishing an order records INSTALLED.

mod checklist;
pub mod entity;
pub mod graphql;
mod problem;
pub mod service;

use async_graphql::Enum;
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

pub use checklist::{Checklist, ChecklistItem};
pub use problem::InstallationProblem;

use crate::{
    db::{ChangeId, FacilityId, OrganisationId},
    facility::FacilityKind,
};

/// How far a work order has come. Codes are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, Enum)]
pub enum InstallationStatus {
    /// Not begun.
    Open,
    /// Somebody is at it.
    Started,
    /// Everything is installed and connected.
    Done,
    /// Somebody was there, and it could not be finished: another order will be needed.
    Failed,
    /// It won't be done under this order.
    Cancelled,
}

impl InstallationStatus {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Open,
        Self::Started,
        Self::Done,
        Self::Failed,
        Self::Cancelled,
    ];

    /// The stored code; those that have ended have 2 or more.
    pub const fn code(self) -> i16 {
        match self {
            Self::Open => 0,
            Self::Started => 1,
            Self::Done => 2,
            Self::Failed => 3,
            Self::Cancelled => 4,
        }
    }

    /// The status of a stored code.
    pub fn from_code(code: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.code() == code)
    }

    /// Is there something left to do?
    pub fn is_open(self) -> bool {
        matches!(self, Self::Open | Self::Started)
    }
}

/// At which time of the planned day. Codes are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, Enum)]
pub enum VisitWindow {
    /// Before noon.
    Morning,
    /// After noon.
    Afternoon,
    /// The whole day.
    AllDay,
}

impl VisitWindow {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Morning, Self::Afternoon, Self::AllDay];

    /// The stored code.
    pub const fn code(self) -> i16 {
        match self {
            Self::Morning => 0,
            Self::Afternoon => 1,
            Self::AllDay => 2,
        }
    }

    /// The window of a stored code.
    pub fn from_code(code: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|window| window.code() == code)
    }
}

/// A row of `installation`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct InstallationId(pub i64);

/// A work order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Installation {
    /// Its row.
    pub id: InstallationId,
    /// Whose.
    pub facility: FacilityId,
    /// How far it has come.
    pub status: InstallationStatus,
    /// At which time of the planned day.
    pub window: Option<VisitWindow>,
    /// The day on which the work began.
    pub started_on: Option<NaiveDate>,
    /// The day on which it ended.
    pub ended_on: Option<NaiveDate>,
    /// Minutes of work on the site, whoever was there.
    pub minutes: Option<i32>,
    /// How many people were there.
    pub crew: Option<i32>,
    /// A remark on how it ended.
    pub remark: Option<String>,
    /// The kind of facility whose checklist it follows, and in which version.
    pub checklist: (FacilityKind, i32),
    /// The vendor that had the facility when it ended.
    pub vendor: Option<OrganisationId>,
    /// The support contractor that had it then.
    pub contractor: Option<OrganisationId>,
    /// Counts up with every change.
    pub version: i32,
    /// By which change it was opened.
    pub opened_by: ChangeId,
    /// By which it ended.
    pub ended_by: Option<ChangeId>,
}

#[cfg(test)]
mod tests {
    use async_graphql::resolver_utils::EnumType;

    use super::*;

    #[test]
    fn every_status_and_window_is_in_its_list_and_reads_back() {
        assert_eq!(
            InstallationStatus::ALL.len(),
            InstallationStatus::items().len()
        );
        for status in InstallationStatus::ALL {
            assert_eq!(InstallationStatus::from_code(status.code()), Some(status));
            assert_eq!(status.is_open(), status.code() < 2);
        }
        assert_eq!(VisitWindow::ALL.len(), VisitWindow::items().len());
        for window in VisitWindow::ALL {
            assert_eq!(VisitWindow::from_code(window.code()), Some(window));
        }
    }
}
