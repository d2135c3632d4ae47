//! The changes of the demo nation: on each day of the rollout one of the Payment Fund and one of every
//! vendor that had something to record. Facilities are met one after the other, each with its changes of
//! all days, so every pair of day and recorder has its change's id in advance; those that were used are
//! numbered in the end.

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};

use super::{calendar::Day, roster::Organisations};
use crate::{
    auth::Identity,
    change::{ChangeRow, Source, settled_change_values},
    db::{ChangeId, OrganisationId, Values},
};

/// Who recorded something: the Payment Fund, or a vendor by its place. In this order within a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Recorder {
    Fund,
    Vendor(usize),
}

/// On the eve of the rollout's first day the registry of existing facilities was taken over.
pub(super) fn take_over_day() -> NaiveDate {
    Day::FIRST.date().pred_opt().unwrap_or_default()
}

/// A day's changes are recorded between 17:00 and 19:00 in Japan.
const HOURS_BEFORE_UTC: i64 = 9;
const FIRST_HOUR: i64 = 17;
const SECONDS_FOR_ALL: i64 = 2 * 3600;
/// A change is numbered a moment after it was recorded.
const SETTLED_AFTER: TimeDelta = TimeDelta::milliseconds(250);

/// Which changes there are.
#[derive(Debug)]
pub(super) struct Ledger {
    /// The Payment Fund and all vendors.
    recorders: usize,
    /// By day, then recorder.
    used: Vec<bool>,
}

impl Ledger {
    pub(super) fn new(vendors: usize) -> Self {
        let days = (Day::LAST.date() - take_over_day()).num_days() + 1;
        let recorders = vendors + 1;
        Self {
            recorders,
            used: vec![false; usize::try_from(days).unwrap_or(0) * recorders],
        }
    }

    /// The change in which a recorder recorded something on a day.
    pub(super) fn change(&mut self, day: NaiveDate, recorder: Recorder) -> ChangeId {
        let days = usize::try_from((day - take_over_day()).num_days()).unwrap_or(0);
        let recorder = match recorder {
            Recorder::Fund => 0,
            Recorder::Vendor(place) => place + 1,
        };
        let place = days * self.recorders + recorder;
        if let Some(used) = self.used.get_mut(place) {
            *used = true;
        }
        ChangeId(i64::try_from(place).unwrap_or(0) + 1)
    }

    /// The changes that there are, numbered.
    pub(super) fn changes(&self) -> impl Iterator<Item = Change> + '_ {
        let used = self.used.iter().enumerate().filter(|(_, used)| **used);
        used.zip(1_i64..)
            .map(|((place, _), seq)| self.at(place, seq))
    }

    fn at(&self, place: usize, seq: i64) -> Change {
        let days = i64::try_from(place / self.recorders).unwrap_or(0);
        let recorder = place % self.recorders;
        let of_day = i64::try_from(recorder).unwrap_or(0) * SECONDS_FOR_ALL * 1_000_000
            / i64::try_from(self.recorders).unwrap_or(1);
        let recorded_at = take_over_day().and_time(NaiveTime::MIN).and_utc()
            + TimeDelta::days(days)
            + TimeDelta::hours(FIRST_HOUR - HOURS_BEFORE_UTC)
            + TimeDelta::microseconds(of_day);
        Change {
            id: ChangeId(i64::try_from(place).unwrap_or(0) + 1),
            seq,
            recorder: recorder
                .checked_sub(1)
                .map_or(Recorder::Fund, Recorder::Vendor),
            recorded_at,
        }
    }
}

/// A numbered change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) id: ChangeId,
    pub(super) seq: i64,
    pub(super) recorder: Recorder,
    pub(super) recorded_at: DateTime<Utc>,
}

impl Change {
    pub(super) fn settled_at(&self) -> DateTime<Utc> {
        self.recorded_at + SETTLED_AFTER
    }

    /// The columns of its row.
    pub(super) fn values(&self, organisations: Organisations) -> Values {
        let row = ChangeRow {
            recorded_at: self.recorded_at,
            identity: Identity::System,
            organisation: Some(self.organisation(organisations)),
            source: Source::Demo,
            operation: "demo",
            request_id: None,
            reason: None,
        };
        settled_change_values(self.id, self.seq, self.settled_at(), row)
    }

    fn organisation(&self, organisations: Organisations) -> OrganisationId {
        match self.recorder {
            Recorder::Fund => Organisations::FUND,
            Recorder::Vendor(place) => organisations.vendor(place),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn changes_are_numbered_in_the_order_of_time() {
        let mut ledger = Ledger::new(3);
        let late = ledger.change(day("2021-12-19"), Recorder::Vendor(2));
        let noon = ledger.change(day("2021-01-04"), Recorder::Vendor(0));
        let fund = ledger.change(day("2021-01-04"), Recorder::Fund);
        let first = ledger.change(day("2020-08-06"), Recorder::Fund);
        assert_eq!(ledger.change(day("2021-01-04"), Recorder::Vendor(0)), noon);
        let changes: Vec<Change> = ledger.changes().collect();
        let ids: Vec<_> = changes
            .iter()
            .map(|change| (change.seq, change.id))
            .collect();
        assert_eq!(ids, [(1, first), (2, fund), (3, noon), (4, late)]);
        assert!(changes.is_sorted_by(|one, other| one.settled_at() < other.recorded_at));
        assert_eq!(first, ChangeId(1));
        assert_eq!(
            changes[1].recorded_at.to_rfc3339(),
            "2021-01-04T08:00:00+00:00"
        );
        assert_eq!(changes[3].recorder, Recorder::Vendor(2));
    }
}
