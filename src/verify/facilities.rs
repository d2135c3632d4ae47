//! Verifying facilities: each one's history is replayed, and its rows are compared with what follows.

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{DefaultHasher, Hash, Hasher},
};

use chrono::NaiveDate;
use sea_orm::Value;

use super::{
    Report,
    entity::{self, Range, Stored},
};
use crate::{
    db::{ChangeId, DatabaseTransaction, DbErr, EventId, FacilityId, Table, Values},
    facility::{InstitutionCode, entity::FACILITY, text},
    figures::entity::{KNOWN_PERIOD, StoredDelta, known_period_values},
    milestone::{
        Action, Aspect, Blocker, Current, Event, Replay,
        entity::{FACILITY_BLOCKER, FACILITY_STATE, MILESTONE_PLAN, state_values},
    },
};

/// Verifies all facilities.
pub async fn verify(
    snapshot: &DatabaseTransaction,
    report: &mut Report,
    progress: impl Fn(u64),
) -> Result<(), DbErr> {
    let mut work = BTreeMap::new();
    let mut range = Range::next(snapshot, None).await?;
    while let Some(some) = range {
        let facilities = some.read(snapshot).await?;
        progress(u64::try_from(facilities.len()).unwrap_or(0));
        for (id, stored) in &facilities {
            let mut subject = Subject {
                id: FacilityId(*id),
                stored,
                report,
                work: &mut work,
            };
            subject.verify();
        }
        range = Range::next(snapshot, range).await?;
    }
    verify_work(snapshot, work, report).await
}

/// Digests of what each change adds to the work.
type WorkDigests = BTreeMap<ChangeId, i64>;

/// What each change adds to the work, against what follows from the histories.
async fn verify_work(
    snapshot: &DatabaseTransaction,
    mut expected: WorkDigests,
    report: &mut Report,
) -> Result<(), DbErr> {
    let mut found = entity::work_digests(snapshot, digest_of).await?;
    found.retain(|_, digest| *digest != 0);
    expected.retain(|_, digest| *digest != 0);
    let changes: BTreeSet<&ChangeId> = found.keys().chain(expected.keys()).collect();
    for change in changes {
        if found.get(change) != expected.get(change) {
            let key = format!("change {change}");
            let what_follows = "what follows from the history";
            report.differs("work_delta", key, what_follows, "something else");
        }
    }
    Ok(())
}

/// A number for what a delta adds, such that sums of deltas have sums of numbers: each cell and count weighs something
/// else.
fn digest_of(delta: &StoredDelta) -> i64 {
    let counts = [
        delta.counts.all,
        delta.counts.applied,
        delta.counts.ready,
        delta.counts.live,
    ];
    let weight = |place: usize| {
        let mut hasher = DefaultHasher::new();
        (delta.effective_on, delta.cell, place).hash(&mut hasher);
        hasher.finish().cast_signed()
    };
    counts
        .into_iter()
        .enumerate()
        .filter(|(_, count)| *count != 0)
        .fold(0, |sum: i64, (place, count)| {
            sum.wrapping_add(count.wrapping_mul(weight(place)))
        })
}

/// A facility under inspection.
struct Subject<'a> {
    id: FacilityId,
    stored: &'a Stored,
    report: &'a mut Report,
    /// What changes add to the work, by what was looked at so far.
    work: &'a mut WorkDigests,
}

impl Subject<'_> {
    fn verify(&mut self) {
        let checked = &mut self.report.checked;
        checked.facilities += 1;
        checked.events += u64::try_from(self.stored.events.len()).unwrap_or(0);
        checked.periods += u64::try_from(self.stored.periods.len()).unwrap_or(0);
        self.verify_search();
        let code = self.present_code();
        if let Some(replay) = self.replay() {
            self.verify_state(&code, &replay);
            self.verify_periods(&replay);
            self.verify_codes(&code, &replay);
        }
    }

    fn differs(
        &mut self,
        table: &'static str,
        key: &str,
        expected: impl std::fmt::Display,
        found: impl std::fmt::Display,
    ) {
        let separator = if key.is_empty() { "" } else { ", " };
        let key = format!("facility {}{separator}{key}", self.id);
        self.report.differs(table, key, expected, found);
    }

    /// The search text follows from names and address, and the index from the search text.
    fn verify_search(&mut self) {
        let Some(values) = &self.stored.facility else {
            return self.differs("facility", "", "a row", "none");
        };
        let text_of = |column: &str| {
            let mut columns = FACILITY.columns.iter().zip(values);
            let value = columns.find(|((name, _), _)| *name == column);
            match value {
                Some((_, Value::String(Some(text)))) => text.as_str(),
                _ => "",
            }
        };
        let [name, kana, address] = ["name", "name_kana", "address"].map(text_of);
        let expected = text::search_text(name, kana, address);
        let found = text_of("search_text");
        if found != expected {
            return self.differs("facility", "search_text", expected, found);
        }
        let grams = text::grams(&expected);
        match &self.stored.entry {
            None => self.differs("facility_search", "", "an entry", "none"),
            Some(entry) if !entry.is_of(&grams) => {
                let expected = format!("{} grams", grams.len());
                self.differs("facility_search", "", expected, entry);
            }
            Some(_) => {}
        }
    }

    /// Of a facility's codes exactly one is valid today.
    fn present_code(&mut self) -> String {
        let mut codes = self.stored.codes.iter();
        let present: Vec<&str> = codes
            .by_ref()
            .filter(|(_, until)| until.is_none())
            .map(|(code, _)| code.as_str())
            .collect();
        match present.as_slice() {
            [one] => (*one).to_owned(),
            several => {
                let found = format!("{} {}", several.len(), several.join(" "));
                self.differs("facility_code", "", "1 present code", found.trim_end());
                String::new()
            }
        }
    }

    /// Each succession ended one code and began the next; the present one is of the facility's prefecture.
    fn verify_codes(&mut self, present: &str, replay: &Replay) {
        let events = self.stored.events.iter().flatten().map(|(_, event)| event);
        let successions: Vec<(Option<i64>, NaiveDate)> = events
            .filter(|event| event.aspect == Aspect::Code && event.action == Action::Set)
            .map(|event| (event.value, event.effective_on))
            .collect();
        let mut ends = successions.iter().map(|(_, on)| Some(*on)).chain([None]);
        let first_end = ends.next().flatten();
        let mut rest = self.stored.codes.clone();
        for ((number, _), end) in successions.iter().zip(ends) {
            let place = rest
                .iter()
                .position(|(code, until)| number_of(code) == *number && *until == end);
            match place {
                Some(place) => drop(rest.remove(place)),
                None => {
                    let code = format!("{:010}", number.unwrap_or_default());
                    self.differs("facility_code", &code, written_end(end), "none");
                }
            }
        }
        self.verify_first_code(&rest, first_end);
        self.verify_prefecture(present, replay);
    }

    /// What is left is the code with which the facility began. Its history doesn't tell which that was.
    fn verify_first_code(&mut self, rest: &[(String, Option<NaiveDate>)], end: Option<NaiveDate>) {
        if matches!(rest, [(_, until)] if *until == end) {
            return;
        }
        let found: Vec<String> = rest
            .iter()
            .map(|(code, until)| format!("{code} {}", written_end(*until)))
            .collect();
        let expected = format!("one first code, {}", written_end(end));
        self.differs("facility_code", "", expected, found.join(", "));
    }

    fn verify_prefecture(&mut self, present: &str, replay: &Replay) {
        let Some(derived) = replay.derived() else {
            return;
        };
        let expected = derived.current.cell.prefecture;
        let found = InstitutionCode::parse(present).map(InstitutionCode::prefecture);
        if found != Ok(expected) {
            let expected = format!("a code of {}", expected.name_en());
            self.differs("facility_code", "code", expected, present);
        }
    }

    /// Replays the history. `None` if it can't be.
    fn replay(&mut self) -> Option<Replay> {
        let events: Option<Vec<&(ChangeId, Event)>> =
            self.stored.events.iter().map(Option::as_ref).collect();
        let Some(events) = events else {
            self.differs("facility_event", "", "known aspects and actions", "others");
            return None;
        };
        if events.is_empty() {
            self.differs("facility_event", "", "an opening", "no events");
            return None;
        }
        self.verify_voids(&events);
        let mut replay = Replay::default();
        for recorded in events.chunk_by(|(one, _), (other, _)| one == other) {
            let change = recorded.first().map_or(ChangeId(0), |(change, _)| *change);
            let events = recorded.iter().map(|(_, event)| event.clone());
            let added = match replay.record(change, events) {
                Ok(added) => added,
                Err(broken) => {
                    let key = format!("change {change}");
                    let found = format!("{broken:?}");
                    self.differs("facility_event", &key, "every rule obeyed", found);
                    return None;
                }
            };
            let digest = self.work.entry(change).or_default();
            for (effective_on, cell, counts) in added.work.iter() {
                let delta = StoredDelta {
                    effective_on,
                    cell,
                    counts,
                };
                *digest = digest.wrapping_add(digest_of(&delta));
            }
        }
        Some(replay)
    }

    /// What is voided was there before, and is voided once.
    fn verify_voids(&mut self, events: &[&(ChangeId, Event)]) {
        let mut before: Vec<EventId> = Vec::new();
        for (_, event) in events {
            let id = event.id.unwrap_or(EventId(0));
            if event.action == Action::Voided {
                let place = before
                    .iter()
                    .position(|earlier| Some(*earlier) == event.voids);
                match place {
                    Some(place) => drop(before.swap_remove(place)),
                    None => {
                        let key = format!("event {id}");
                        let found = event
                            .voids
                            .map_or("nothing".to_owned(), |id| id.to_string());
                        self.differs("facility_event", &key, "an earlier event to void", found);
                    }
                }
            } else {
                before.push(id);
            }
        }
    }

    fn verify_state(&mut self, code: &str, replay: &Replay) {
        let Some(derived) = replay.derived() else {
            return;
        };
        let expected = state_values(self.id, code, replay.version(), &derived.current);
        match &self.stored.state {
            None => self.differs("facility_state", "", "a row", "none"),
            Some(found) => self.compare(&FACILITY_STATE, "", &expected, found),
        }
        let plans = plan_rows(self.id, &derived.current);
        self.compare_rows(&MILESTONE_PLAN, &plans, &self.stored.plans);
        let blockers = blocker_rows(self.id, &derived.current);
        self.compare_rows(&FACILITY_BLOCKER, &blockers, &self.stored.blockers);
    }

    /// The periods that were ever known, each with the changes that added and removed it.
    fn verify_periods(&mut self, replay: &Replay) {
        let expected: Vec<Values> = replay
            .periods()
            .iter()
            .map(|known| {
                known_period_values(self.id, &known.period, known.added_by, known.removed_by)
            })
            .collect();
        self.compare_rows(&KNOWN_PERIOD, &expected, &self.stored.periods);
    }

    /// Names the columns in which a row differs.
    fn compare(&mut self, table: &Table, key: &str, expected: &[Value], found: &[Value]) {
        for (((column, _), expected), found) in table.columns.iter().zip(expected).zip(found) {
            if expected != found {
                let separator = if key.is_empty() { "" } else { ", " };
                let key = format!("{key}{separator}{column}");
                self.differs(table.name, &key, expected, found);
            }
        }
    }

    /// Compares rows whose order doesn't matter, though it is nearly always the same.
    fn compare_rows(&mut self, table: &Table, expected: &[Values], found: &[Values]) {
        if expected == found {
            return;
        }
        let mut surplus: BTreeMap<String, i32> = BTreeMap::new();
        for row in found {
            *surplus.entry(written(table, row)).or_default() += 1;
        }
        for row in expected {
            *surplus.entry(written(table, row)).or_default() -= 1;
        }
        for (row, count) in surplus {
            for _ in count..0 {
                self.differs(table.name, "", &row, "no such row");
            }
            for _ in 0..count {
                self.differs(table.name, "", "no such row", &row);
            }
        }
    }
}

/// A stored code as the history keeps it.
fn number_of(code: &str) -> Option<i64> {
    let number = InstitutionCode::parse(code).ok()?.number();
    i64::try_from(number).ok()
}

fn written_end(until: Option<NaiveDate>) -> String {
    until.map_or_else(
        || "valid today".to_owned(),
        |until| format!("valid until {until}"),
    )
}

fn plan_rows(id: FacilityId, current: &Current) -> Vec<Values> {
    current
        .planned_on
        .iter()
        .filter_map(|(milestone, day)| {
            day.map(|day| vec![id.0.into(), milestone.code().into(), day.into()])
        })
        .collect()
}

fn blocker_rows(id: FacilityId, current: &Current) -> Vec<Values> {
    let row = |(blocker, since): (&Blocker, &NaiveDate)| {
        vec![id.0.into(), blocker.code().into(), (*since).into()]
    };
    current.blocked_since.iter().map(row).collect()
}

/// A row's columns but for the first, which is the facility.
fn written(table: &Table, row: &[Value]) -> String {
    let columns = table.columns.iter().zip(row).skip(1);
    let columns: Vec<String> = columns
        .map(|((name, _), value)| format!("{name} {value}"))
        .collect();
    columns.join(" ")
}
