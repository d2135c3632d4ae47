//! What a row would change of its facility, and whether it may.

use chrono::NaiveDate;

use crate::{
    milestone::{
        Blocker, Event, Milestone, Problem,
        authority::Topic,
        service::{Draft, EARLIEST, Taken, Working, planned},
    },
    sheet::{RowProblem, Wish, column::Field},
};

/// What a row would do.
#[derive(Debug)]
pub(super) enum Verdict {
    /// Nothing: what it says is there already.
    Unchanged,
    /// It differs, and may be written.
    Change {
        /// What it changes.
        difference: Difference,
        /// The recording of that.
        taken: Box<Taken>,
    },
    /// It differs, and may not.
    Refused {
        /// What it would change.
        difference: Difference,
        /// Every reason why it may not.
        problems: Vec<RowProblem>,
    },
}

/// What a row says that is not so, and what is.
#[derive(Debug, Default)]
pub(super) struct Difference {
    /// What it says.
    pub wishes: Vec<Wish>,
    /// What is, wish by wish.
    pub before: Vec<Wish>,
}

/// Holds what a row says against its facility.
pub(super) fn evaluate(
    draft: &Draft,
    working: &Working,
    wishes: &[Wish],
    note: Option<&String>,
) -> Verdict {
    let mut difference = Difference::default();
    let mut problems: Vec<RowProblem> = Vec::new();
    // What is voided goes before what takes its place.
    let (mut voided, mut recorded) = (Vec::new(), Vec::new());
    for wish in wishes {
        let before = now(working, wish);
        if before == *wish {
            continue;
        }
        problems.extend(
            objections(draft, working, wish).map(|problem| RowProblem::at(wish.field(), problem)),
        );
        let events = events(working, wish, draft.today);
        for event in events {
            let to = if event.voids.is_some() {
                &mut voided
            } else {
                &mut recorded
            };
            to.push(event);
        }
        difference.wishes.push(wish.clone());
        difference.before.push(before);
    }
    if difference.wishes.is_empty() {
        return Verdict::Unchanged;
    }
    let events = voided
        .into_iter()
        .chain(recorded)
        .map(|event| event.with_note(note.cloned()))
        .collect();
    match draft.attempt_events(working, events) {
        Ok(taken) if problems.is_empty() => {
            return Verdict::Change {
                difference,
                taken: Box::new(taken),
            };
        }
        Ok(_) => {}
        // Said of its column already.
        Err(Problem::Forbidden) if !problems.is_empty() => {}
        Err(problem) => problems.push(RowProblem {
            field: field_of(&problem),
            problem: problem.into(),
        }),
    }
    Verdict::Refused {
        difference,
        problems,
    }
}

/// What is, where a wish says what should be.
fn now(working: &Working, wish: &Wish) -> Wish {
    let current = &working.after().current;
    match wish {
        Wish::Reached(milestone, _) => Wish::Reached(*milestone, current.reached(*milestone)),
        Wish::Planned(milestone, _) => {
            Wish::Planned(*milestone, *current.planned_on.of(*milestone))
        }
        Wish::Blockers(_) => Wish::Blockers(current.blocked_since.keys().copied().collect()),
    }
}

/// What is wrong with a wish by itself.
fn objections(
    draft: &Draft,
    working: &Working,
    wish: &Wish,
) -> impl Iterator<Item = Problem> + use<> {
    let (topic, day, may_be_ahead) = match wish {
        Wish::Reached(milestone, day) => (Topic::Milestone(*milestone), *day, false),
        Wish::Planned(milestone, day) => (Topic::Milestone(*milestone), *day, true),
        Wish::Blockers(_) => (Topic::Blocker, None, false),
    };
    let today = draft.today;
    let forbidden = (!draft.may(working, topic)).then_some(Problem::Forbidden);
    let ahead = day
        .filter(|day| *day > today && !may_be_ahead)
        .map(|_| Problem::InFuture { today });
    let early = day
        .filter(|day| *day < EARLIEST)
        .map(|_| Problem::TooEarly { earliest: EARLIEST });
    forbidden.into_iter().chain(ahead).chain(early)
}

/// The events that make a wish true.
fn events(working: &Working, wish: &Wish, today: NaiveDate) -> Vec<Event> {
    match wish {
        Wish::Reached(milestone, day) => reached(working, *milestone, *day),
        Wish::Planned(milestone, day) => planned(working, *milestone, *day).into_iter().collect(),
        Wish::Blockers(wanted) => {
            let there = &working.after().current.blocked_since;
            let come = wanted
                .iter()
                .filter(|blocker| !there.contains_key(blocker))
                .map(|blocker| Event::blocked(*blocker, today));
            let gone = there
                .keys()
                .filter(|blocker| !wanted.contains(blocker))
                .map(|blocker: &Blocker| Event::unblocked(*blocker, today));
            gone.chain(come).collect()
        }
    }
}

/// A day that differs from the one that is recorded says that the record was a mistake.
fn reached(working: &Working, milestone: Milestone, day: Option<NaiveDate>) -> Vec<Event> {
    let wrong = working.history().latest_reached(milestone);
    let record = day.map(|day| Event::reached(milestone, day));
    wrong.map(Event::voided).into_iter().chain(record).collect()
}

/// The column that a broken rule is about.
fn field_of(problem: &Problem) -> Option<Field> {
    match problem {
        Problem::MissingGround { milestone, .. }
        | Problem::NeededByLater { milestone, .. }
        | Problem::AlreadyReached { milestone, .. }
        | Problem::NotReached { milestone } => Some(Field::Reached(*milestone)),
        Problem::AlreadyBlocked { .. } | Problem::NotBlocked { .. } => Some(Field::Blockers),
        _ => None,
    }
}
