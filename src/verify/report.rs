//! What verifying finds.

use std::fmt;

use serde::Serialize;

/// Most differences that are listed; all are counted.
const MOST_LISTED: usize = 100;

/// What was verified, and what is not as it should be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// How much was looked at.
    pub checked: Checked,
    /// How many differences there are.
    pub difference_count: u64,
    /// The first of them.
    pub differences: Vec<Difference>,
}

/// How many rows were looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Checked {
    /// Facilities.
    pub facilities: u64,
    /// Events.
    pub events: u64,
    /// Periods, those that are known no longer included.
    pub periods: u64,
    /// Deltas that are folded.
    pub deltas: u64,
    /// Folded totals.
    pub totals: u64,
}

/// A row that is not what the history says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// Its table.
    pub table: &'static str,
    /// Which row, and which column of it if it is one.
    pub key: String,
    /// What it should be.
    pub expected: String,
    /// What it is.
    pub found: String,
}

impl Report {
    /// Is everything as it should be?
    pub fn is_clean(&self) -> bool {
        self.difference_count == 0
    }

    /// How much was looked at and how many differences there are, in one line.
    pub fn summary(&self) -> String {
        let Checked {
            facilities,
            events,
            periods,
            deltas,
            totals,
        } = self.checked;
        let differences = match self.difference_count {
            0 => "no difference".to_owned(),
            1 => "1 difference".to_owned(),
            count if self.differences.len() < MOST_LISTED => format!("{count} differences"),
            count => format!("{count} differences, of which the first are listed"),
        };
        format!(
            "{facilities} facilities, {events} events, {periods} periods, {deltas} deltas, {totals} totals: \
             {differences}"
        )
    }

    /// Adds a difference.
    pub(super) fn differs(
        &mut self,
        table: &'static str,
        key: impl fmt::Display,
        expected: impl fmt::Display,
        found: impl fmt::Display,
    ) {
        self.difference_count += 1;
        if self.differences.len() < MOST_LISTED {
            self.differences.push(Difference {
                table,
                key: key.to_string(),
                expected: expected.to_string(),
                found: found.to_string(),
            });
        }
    }

    /// Counts differences that are not listed.
    pub(super) fn differ_too(&mut self, more: u64) {
        self.difference_count += more;
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for difference in &self.differences {
            writeln!(f, "{difference}")?;
        }
        f.write_str(&self.summary())
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            table,
            key,
            expected,
            found,
        } = self;
        write!(f, "{table}: {key}: expected {expected}, found {found}")
    }
}
