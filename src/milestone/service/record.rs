//! Recording, planning, withdrawing and correcting milestones, one or thousands in a request.

use std::collections::HashMap;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::{
    commit::{Written, commit},
    draft::{Draft, topic_of},
};
use crate::{
    change::{self, WriteError, Writer},
    db::{ChangeId, EventId, FacilityId},
    milestone::{Blocker, Milestone, Problem, check_note, entity::LockedState},
};

/// Most rows in one request; more than that is a file.
pub const MOST_ROWS: usize = 5_000;

/// Nothing of the rollout happened before this day: the portal opened for applications on 2020-08-07,
/// and facilities may have engaged a vendor some time before.
pub const EARLIEST: NaiveDate = match NaiveDate::from_ymd_opt(2020, 1, 1) {
    Some(day) => day,
    None => NaiveDate::MIN,
};

/// What to do to one facility's history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// The milestone was reached on a day. With `imply_earlier`, READER_APPLIED and READY are recorded on
    /// the same day where the milestone needs them and they are missing; who may not record these may not imply them.
    Record {
        /// Which.
        milestone: Milestone,
        /// When.
        on: NaiveDate,
        /// Record what it needs as well.
        imply_earlier: bool,
    },
    /// The milestone is planned for a day, or no longer planned.
    Plan {
        /// Which.
        milestone: Milestone,
        /// For when.
        on: Option<NaiveDate>,
    },
    /// The milestone was taken back on a day. With `with_later`, those that need it go too.
    Withdraw {
        /// Which.
        milestone: Milestone,
        /// From when it is no longer in effect.
        on: NaiveDate,
        /// Take back what needs it as well.
        with_later: bool,
    },
    /// Something holds the facility up from a day on.
    Block {
        /// What.
        blocker: Blocker,
        /// Since when.
        on: NaiveDate,
    },
    /// It no longer does.
    Unblock {
        /// What.
        blocker: Blocker,
        /// From when.
        on: NaiveDate,
    },
    /// An event was a mistake: it is voided, and perhaps replaced by the same on another day.
    Correct {
        /// Which event.
        event: EventId,
        /// The right day; `None` if it never happened.
        on: Option<NaiveDate>,
    },
}

/// One row of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepRow {
    /// The facility, or why there is none: what the caller gave is no code, or none of theirs.
    pub facility: Result<FacilityId, Problem>,
    /// What to do, or what is wrong with how it was asked.
    pub step: Result<Step, Problem>,
    /// The version the caller read.
    pub expected_version: Option<i32>,
    /// A remark kept with the event.
    pub note: Option<String>,
}

impl StepRow {
    /// The facility, if there is one.
    pub fn named(&self) -> Option<FacilityId> {
        self.facility.as_ref().ok().copied()
    }
}

/// What becomes of a request some of whose rows fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, async_graphql::Enum)]
pub enum ErrorPolicy {
    /// Nothing is written if any row fails.
    RejectAll,
    /// The rows that pass are written.
    RejectFailedRows,
}

/// What became of one row.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowOutcome {
    /// The facility, if the caller can see it.
    pub facility: Option<FacilityId>,
    /// The version that the write left, or, if it was only tried, would leave. `None` if nothing is written for this
    /// row.
    pub version: Option<i32>,
    /// The events written for this row.
    pub events: Vec<EventId>,
    /// Why it was refused.
    pub problems: Vec<Problem>,
}

/// What became of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BulkOutcome {
    /// The change that recorded it, if anything was written.
    pub change: Option<ChangeId>,
    /// Row by row, in input order.
    pub rows: Vec<RowOutcome>,
}

impl BulkOutcome {
    /// Of a request with one row, for which nothing was written.
    pub fn of(row: RowOutcome) -> Self {
        Self {
            change: None,
            rows: vec![row],
        }
    }

    /// Of a request with one row that was refused before its facility was looked at.
    pub fn refused(problems: Vec<Problem>) -> Self {
        Self::of(RowOutcome {
            problems,
            ..RowOutcome::default()
        })
    }
}

/// The rows of a request while they are checked one by one.
#[derive(Debug, Default)]
pub struct Rows(Vec<(RowOutcome, usize)>);

impl Rows {
    /// The next row: the facility that it names, and how many events it makes or why it is refused.
    pub fn push(&mut self, named: Option<FacilityId>, checked: Result<usize, Vec<Problem>>) {
        let (problems, made) = match checked {
            Ok(made) => (Vec::new(), made),
            Err(problems) => (problems, 0),
        };
        let row = RowOutcome {
            facility: named.filter(|_| !problems.contains(&Problem::NotFound)),
            problems,
            ..RowOutcome::default()
        };
        self.0.push((row, made));
    }

    /// Is any of them refused?
    pub fn refused(&self) -> bool {
        self.0.iter().any(|(row, _)| !row.problems.is_empty())
    }

    /// What became of them, each with the version that its facility has then and with its own of the events that were
    /// written.
    pub fn into_outcome(
        self,
        draft: &Draft,
        change: Option<ChangeId>,
        written: &[Written],
        nothing_written: bool,
    ) -> BulkOutcome {
        let mut made: HashMap<FacilityId, std::slice::Iter<'_, EventId>> = written
            .iter()
            .map(|one| (one.facility, one.events.iter()))
            .collect();
        let rows = self
            .0
            .into_iter()
            .map(|(mut row, count)| {
                let working = row.facility.and_then(|id| draft.get(id));
                row.version = working
                    .filter(|_| !nothing_written && row.problems.is_empty())
                    .map(|working| working.state.version + i32::from(working.is_changed()));
                if let Some(ids) = row.facility.and_then(|id| made.get_mut(&id)) {
                    row.events = ids.take(count).copied().collect();
                }
                row
            })
            .collect();
        BulkOutcome { change, rows }
    }
}

/// Does the steps of all rows in one transaction, by the error policy, or answers as the first time if
/// they were done before under the same key.
pub async fn write_steps(
    writer: &Writer<'_>,
    operation: &'static str,
    rows: &[StepRow],
    policy: ErrorPolicy,
) -> Result<BulkOutcome, WriteError> {
    let transaction = writer.database.begin().await?;
    let named = rows.iter().filter_map(StepRow::named).collect();
    let mut request = Request {
        draft: Draft::read(writer, &transaction, named).await?,
        seen: HashMap::new(),
        rows: Rows::default(),
    };
    for (index, row) in rows.iter().enumerate() {
        request.take(index, row);
    }
    let Request { draft, rows, .. } = request;
    let refused = rows.refused() && policy == ErrorPolicy::RejectAll;
    let nothing = refused || draft.is_unchanged();
    if nothing || writer.dry_run {
        let outcome = rows.into_outcome(&draft, None, &[], nothing);
        return writer.refuse(transaction, outcome).await;
    }
    let organisation = draft.in_name_of(writer.actor);
    let change = change::record(&transaction, writer, organisation, operation).await?;
    let written = commit(writer, &transaction, change, &draft.amended()).await?;
    let outcome = rows.into_outcome(&draft, Some(change), &written, false);
    writer.finish(transaction, outcome).await
}

/// What no two rows of a request may do to the same facility.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Subject {
    Record(Milestone),
    Plan(Milestone),
    Withdraw(Milestone),
    Block(Blocker),
    Unblock(Blocker),
    Correct(EventId),
}

impl From<&Step> for Subject {
    fn from(step: &Step) -> Self {
        match step {
            Step::Record { milestone, .. } => Self::Record(*milestone),
            Step::Plan { milestone, .. } => Self::Plan(*milestone),
            Step::Withdraw { milestone, .. } => Self::Withdraw(*milestone),
            Step::Block { blocker, .. } => Self::Block(*blocker),
            Step::Unblock { blocker, .. } => Self::Unblock(*blocker),
            Step::Correct { event, .. } => Self::Correct(*event),
        }
    }
}

impl Subject {
    /// What may be done once more after this: a milestone is recorded again after it was withdrawn, a blocker comes up
    /// again after it was resolved.
    fn undone(self) -> Option<Self> {
        match self {
            Self::Record(milestone) => Some(Self::Withdraw(milestone)),
            Self::Withdraw(milestone) => Some(Self::Record(milestone)),
            Self::Block(blocker) => Some(Self::Unblock(blocker)),
            Self::Unblock(blocker) => Some(Self::Block(blocker)),
            Self::Plan(_) | Self::Correct(_) => None,
        }
    }
}

/// The request while its rows are checked one by one.
struct Request {
    draft: Draft,
    seen: HashMap<(FacilityId, Subject), usize>,
    rows: Rows,
}

impl Request {
    fn take(&mut self, index: usize, row: &StepRow) {
        let checked = self.check(index, row);
        self.rows.push(row.named(), checked);
    }

    /// Checks a row and takes its step. Answers how many events it makes.
    fn check(&mut self, index: usize, row: &StepRow) -> Result<usize, Vec<Problem>> {
        let one = |problem: Problem| vec![problem];
        let facility = *row
            .facility
            .as_ref()
            .map_err(|unnamed| one(unnamed.clone()))?;
        let working = self.draft.find(facility).map_err(one)?;
        let step = row.step.as_ref().map_err(|wrong| one(wrong.clone()))?;
        let topic = topic_of(working, step).map_err(one)?;
        if !self.draft.may(working, topic) {
            return Err(one(Problem::Forbidden));
        }
        let mut problems = check_row(row, step, &working.state, self.draft.today);
        let subject = Subject::from(step);
        let first = *self.seen.entry((facility, subject)).or_insert(index);
        if first != index {
            problems.push(Problem::DuplicateRow { first });
        }
        match self.draft.attempt(working, step, row.note.as_ref()) {
            Ok(taken) if problems.is_empty() => {
                let made = taken.count();
                self.draft.take(facility, taken, index);
                if let Some(undone) = subject.undone() {
                    self.seen.remove(&(facility, undone));
                }
                Ok(made)
            }
            Ok(_) => Err(problems),
            Err(problem) => {
                problems.push(problem);
                Err(problems)
            }
        }
    }
}

/// The checks that need no history.
fn check_row(row: &StepRow, step: &Step, state: &LockedState, today: NaiveDate) -> Vec<Problem> {
    let mut problems = Vec::new();
    if let Some(expected) = row.expected_version
        && expected != state.version
    {
        problems.push(Problem::StaleVersion {
            current: state.version,
        });
    }
    let (day, may_be_ahead) = match step {
        Step::Record { on, .. }
        | Step::Withdraw { on, .. }
        | Step::Block { on, .. }
        | Step::Unblock { on, .. } => (Some(*on), false),
        Step::Correct { on, .. } => (*on, false),
        Step::Plan { on, .. } => (*on, true),
    };
    if day.is_some_and(|day| day > today) && !may_be_ahead {
        problems.push(Problem::InFuture { today });
    }
    if day.is_some_and(|day| day < EARLIEST) {
        problems.push(Problem::TooEarly { earliest: EARLIEST });
    }
    problems.extend(check_note(row.note.as_deref()));
    problems
}
