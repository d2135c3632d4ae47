//! A history replayed as it was recorded, change by change: what was known after each, which is what
//! `knownAt` asks. Whoever writes many changes at once writes this, and whoever verifies compares with it.

use super::{Derived, Event, History, Violation};
use crate::{
    db::ChangeId,
    figures::{Deltas, Period, WorkStep, difference},
};

/// A period, and from which change up to which other it was known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KnownPeriod {
    /// The period.
    pub period: Period,
    /// The change from which it is known.
    pub added_by: ChangeId,
    /// The change since which it is known no longer.
    pub removed_by: Option<ChangeId>,
}

/// What a change adds to the two cubes.
#[derive(Debug, Default)]
pub struct Added {
    /// To the levels.
    pub levels: Deltas,
    /// To the work.
    pub work: Deltas,
}

/// A facility's history up to some change.
#[derive(Debug, Default)]
pub struct Replay {
    history: History,
    known: Vec<KnownPeriod>,
    derived: Option<Derived>,
    changes: i32,
}

impl Replay {
    /// Records the events of the next change. Answers what it adds to the levels and to the work.
    ///
    /// # Errors
    /// The rule that the history breaks from this change on.
    pub fn record(
        &mut self,
        change: ChangeId,
        events: impl IntoIterator<Item = Event>,
    ) -> Result<Added, Violation> {
        self.history.record(events);
        self.changes += 1;
        let after = self.history.derive()?;
        let before = self.derived.take();
        let work: &[WorkStep] = before.as_ref().map_or(&[], |derived| &derived.work);
        let before: &[Period] = before.as_ref().map_or(&[], |derived| &derived.periods);
        let (gone, come) = difference(before, &after.periods);
        let mut added = Added::default();
        for period in gone {
            added.levels.remove(period);
        }
        for period in come {
            added.levels.add(period);
        }
        added.work.replace_work(work, &after.work);
        self.end_last(gone.len(), change);
        self.known.extend(come.iter().map(|period| KnownPeriod {
            period: *period,
            added_by: change,
            removed_by: None,
        }));
        self.derived = Some(after);
        Ok(added)
    }

    /// Every period that was ever known.
    pub fn periods(&self) -> &[KnownPeriod] {
        &self.known
    }

    /// What follows from the history after the last change; `None` before the first.
    pub fn derived(&self) -> Option<&Derived> {
        self.derived.as_ref()
    }

    /// The version of the facility's row: one for each change.
    pub fn version(&self) -> i32 {
        self.changes
    }

    /// The last so many current periods are known no longer.
    fn end_last(&mut self, count: usize, change: ChangeId) {
        let current = self.known.iter_mut().rev();
        let current = current.filter(|known| known.removed_by.is_none());
        for known in current.take(count) {
            known.removed_by = Some(change);
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDate;

    use super::*;
    use crate::{
        db::EventId,
        figures::{FOREVER, Level},
        milestone::{Aspect, Milestone},
    };

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn opened() -> Vec<Event> {
        let on = day("2015-04-01");
        vec![
            Event::set(Aspect::Opened, on, None),
            Event::set(Aspect::Kind, on, Some(3)),
            Event::set(Aspect::Prefecture, on, Some(13)),
        ]
    }

    /// Level, first day, the day after the last, added by, removed by.
    fn rows(replay: &Replay) -> Vec<(Level, String, String, i64, Option<i64>)> {
        let row = |known: &KnownPeriod| {
            let until = match known.period.until {
                FOREVER => "-".to_owned(),
                until => until.to_string(),
            };
            let removed = known.removed_by.map(|change| change.0);
            let from = known.period.from.to_string();
            (known.period.level, from, until, known.added_by.0, removed)
        };
        replay.periods().iter().map(row).collect()
    }

    #[test]
    fn a_correction_keeps_what_was_known_before() {
        let mut replay = Replay::default();
        replay.record(ChangeId(1), opened()).unwrap();
        let mut wrong = Event::reached(Milestone::ReaderApplied, day("2021-02-01"));
        wrong.id = Some(EventId(4));
        replay.record(ChangeId(2), [wrong.clone()]).unwrap();
        let right = Event::reached(Milestone::ReaderApplied, day("2021-02-05"));
        let deltas = replay
            .record(ChangeId(3), [Event::voided(&wrong), right])
            .unwrap();

        let text = str::to_owned;
        assert_eq!(
            rows(&replay),
            [
                (Level::Open, text("2015-04-01"), text("-"), 1, Some(2)),
                (
                    Level::Open,
                    text("2015-04-01"),
                    text("2021-02-01"),
                    2,
                    Some(3)
                ),
                (Level::Applied, text("2021-02-01"), text("-"), 2, Some(3)),
                (Level::Open, text("2015-04-01"), text("2021-02-05"), 3, None),
                (Level::Applied, text("2021-02-05"), text("-"), 3, None),
            ]
        );
        let applied: Vec<_> = deltas
            .levels
            .iter()
            .map(|(day, _, counts)| (day.to_string(), counts.all, counts.applied))
            .collect();
        assert_eq!(
            applied,
            [(text("2021-02-01"), 0, -1), (text("2021-02-05"), 0, 1)]
        );
        assert_eq!(replay.version(), 3);
    }

    #[test]
    fn a_change_that_breaks_a_rule_is_named() {
        let mut replay = Replay::default();
        replay.record(ChangeId(1), opened()).unwrap();
        let broken = replay.record(
            ChangeId(2),
            [Event::reached(Milestone::Ready, day("2021-02-01"))],
        );
        assert!(matches!(broken, Err(Violation::Nesting { .. })));
    }
}
