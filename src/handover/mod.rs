//! Handing on: a vendor proposes the installation of a facility to a support contractor, who accepts, declines with a
//! reason, or lets it lapse. While it is proposed the contractor sees what it takes to decide, and nothing else of the
//! facility or the vendor; from its acceptance on, the facility is handed on to it.

pub mod entity;
pub mod graphql;
mod problem;
pub mod service;

use async_graphql::Enum;
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

pub use problem::HandoverProblem;

use crate::db::{ChangeId, FacilityId, OrganisationId};

/// What became of a proposal. Codes are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, Enum)]
pub enum HandoverStatus {
    /// Nobody has answered yet.
    Proposed,
    /// The contractor took the work on.
    Accepted,
    /// The contractor did not, and said why.
    Declined,
    /// Whoever proposed it took it back.
    Withdrawn,
    /// Nobody answered by the last day, or the facility engages another vendor by now.
    Lapsed,
}

impl HandoverStatus {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Proposed,
        Self::Accepted,
        Self::Declined,
        Self::Withdrawn,
        Self::Lapsed,
    ];

    /// The stored code.
    pub const fn code(self) -> i16 {
        match self {
            Self::Proposed => 0,
            Self::Accepted => 1,
            Self::Declined => 2,
            Self::Withdrawn => 3,
            Self::Lapsed => 4,
        }
    }

    /// The status of a stored code.
    pub fn from_code(code: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.code() == code)
    }
}

/// A row of `handover`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct HandoverId(pub i64);

/// A proposal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handover {
    /// Its row.
    pub id: HandoverId,
    /// Whose installation.
    pub facility: FacilityId,
    /// The vendor whose work it is.
    pub vendor: OrganisationId,
    /// To whom it is proposed.
    pub contractor: OrganisationId,
    /// As it is stored; see [`Self::status_on`].
    pub stored: HandoverStatus,
    /// Since when.
    pub proposed_on: NaiveDate,
    /// The last day on which it can be answered.
    pub answer_by: NaiveDate,
    /// On which day it was answered or taken back.
    pub answered_on: Option<NaiveDate>,
    /// What the vendor says of it.
    pub message: String,
    /// Why it was declined.
    pub reason: Option<String>,
    /// The change that proposed it.
    pub proposed_by: ChangeId,
    /// The change that answered it.
    pub answered_by: Option<ChangeId>,
}

impl Handover {
    /// What has become of it by a day.
    pub fn status_on(&self, day: NaiveDate) -> HandoverStatus {
        match self.stored {
            HandoverStatus::Proposed if self.answer_by < day => HandoverStatus::Lapsed,
            stored => stored,
        }
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::resolver_utils::EnumType;

    use super::*;

    #[test]
    fn every_status_is_in_its_list_and_reads_back() {
        assert_eq!(HandoverStatus::ALL.len(), HandoverStatus::items().len());
        for status in HandoverStatus::ALL {
            assert_eq!(HandoverStatus::from_code(status.code()), Some(status));
        }
    }
}
