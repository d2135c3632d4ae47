//! Sheets: files of facilities, one row each, that people fill in and send (CSV or XLSX). A file is looked at when it
//! arrives, and its columns are named by their headings or by hand. Then it is checked: each row is held against its
//! facility, and what it would change is kept with it. Nothing is written before somebody has seen that and says so. What
//! is applied is what was shown: a row whose facility has changed meanwhile is a conflict and shows both values. An empty
//! cell says nothing, a word clears, and a row that says what is there already writes nothing.
//!
//! Checking, applying and undoing are background work (`service/run.rs`), a thousand rows in a transaction that also
//! holds what became of them, so that a process may die at any point and another goes on.

pub mod column;
pub mod day;
pub mod entity;
pub mod graphql;
mod problem;
pub mod read;
mod row;
pub mod service;
pub mod write;

use async_graphql::Enum;
use serde::{Deserialize, Serialize};

pub use problem::SheetProblem;
pub use row::{Asked, Detail, IdentifiedBy, Name, RowProblem, Wish};

/// A row of `sheet`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SheetId(pub i64);

/// How far a sheet has come. Codes are stored; those that wait for a process come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, Enum)]
pub enum SheetStatus {
    /// Its rows are held against their facilities; nothing is written.
    Checking,
    /// The rows that were shown to change something are written.
    Applying,
    /// What its rows wrote is taken back.
    Undoing,
    /// It was read, but which column is which must be said: `sheetCheck`.
    NeedsColumns,
    /// Every row was looked at: `sheetApply` writes what they say.
    Checked,
    /// Its rows are written, but for those that were refused.
    Applied,
    /// It was stopped. Rows that were written before stay, and can be undone.
    Cancelled,
    /// It could not be gone on with.
    Failed,
    /// What its rows wrote was taken back, but for those that changed since.
    Undone,
}

impl SheetStatus {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Checking,
        Self::Applying,
        Self::Undoing,
        Self::NeedsColumns,
        Self::Checked,
        Self::Applied,
        Self::Cancelled,
        Self::Failed,
        Self::Undone,
    ];

    /// The stored code; those that wait for a process have 2 or less.
    pub const fn code(self) -> i16 {
        match self {
            Self::Checking => 0,
            Self::Applying => 1,
            Self::Undoing => 2,
            Self::NeedsColumns => 3,
            Self::Checked => 4,
            Self::Applied => 5,
            Self::Cancelled => 6,
            Self::Failed => 7,
            Self::Undone => 8,
        }
    }

    /// The status of a stored code.
    pub fn from_code(code: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.code() == code)
    }

    /// Is a process at it, or about to be?
    pub fn is_under_way(self) -> bool {
        matches!(self, Self::Checking | Self::Applying | Self::Undoing)
    }
}

/// What a row of a sheet would do, or did. Codes are stored.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, Enum,
)]
pub enum SheetRowOutcome {
    /// What it says is there already.
    Unchanged,
    /// It will be written when the sheet is applied.
    WillChange,
    /// Something is wrong with it.
    Refused,
    /// Its facility has changed since it was exported or checked.
    Conflict,
    /// It was written.
    Changed,
    /// It was written, and taken back.
    Undone,
    /// It was written and could not be taken back, as when its facility has changed since.
    NotUndone,
}

impl SheetRowOutcome {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Unchanged,
        Self::WillChange,
        Self::Refused,
        Self::Conflict,
        Self::Changed,
        Self::Undone,
        Self::NotUndone,
    ];

    /// The stored code.
    pub const fn code(self) -> i16 {
        match self {
            Self::Unchanged => 0,
            Self::WillChange => 1,
            Self::Refused => 2,
            Self::Conflict => 3,
            Self::Changed => 4,
            Self::Undone => 5,
            Self::NotUndone => 6,
        }
    }

    /// The outcome of a stored code.
    pub fn from_code(code: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.code() == code)
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::resolver_utils::EnumType;

    use super::*;

    #[test]
    fn every_status_and_outcome_is_in_its_list_and_reads_back() {
        assert_eq!(SheetStatus::ALL.len(), SheetStatus::items().len());
        for status in SheetStatus::ALL {
            assert_eq!(SheetStatus::from_code(status.code()), Some(status));
            assert_eq!(status.is_under_way(), status.code() <= 2);
        }
        assert_eq!(SheetRowOutcome::ALL.len(), SheetRowOutcome::items().len());
        for outcome in SheetRowOutcome::ALL {
            assert_eq!(SheetRowOutcome::from_code(outcome.code()), Some(outcome));
        }
    }
}
