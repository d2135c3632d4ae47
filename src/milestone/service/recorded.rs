//! What a file says that is recorded already: whoever imports it again leaves that as it is.

use std::collections::HashMap;

use chrono::NaiveDate;

use super::{Step, StepRow};
use crate::{
    db::{Database, DbErr, FacilityId},
    milestone::{Action, Aspect, Milestone, entity},
};

/// What makes a row and a record the same; remarks make no difference.
type Fact = (FacilityId, Milestone, Action, NaiveDate);

/// For each row, whether its facility reached or withdrew the milestone on that very day already. A record stands for
/// one row, so that a milestone that was reached, withdrawn and reached again on one day is there as often as it was.
pub async fn already_recorded(database: &Database, rows: &[StepRow]) -> Result<Vec<bool>, DbErr> {
    let mut facilities: Vec<FacilityId> = rows.iter().filter_map(StepRow::named).collect();
    facilities.sort_unstable();
    facilities.dedup();
    let mut records: HashMap<Fact, usize> = HashMap::new();
    for (facility, history) in entity::histories(database, database.read(), &facilities).await? {
        for event in history.in_force() {
            if let Aspect::Milestone(milestone) = event.aspect {
                let fact = (facility, milestone, event.action, event.effective_on);
                *records.entry(fact).or_default() += 1;
            }
        }
    }
    Ok(rows
        .iter()
        .map(|row| {
            let left = fact(row).and_then(|fact| records.get_mut(&fact));
            left.is_some_and(take_one)
        })
        .collect())
}

/// What a row says happened; plans, blockers and corrections are something else.
fn fact(row: &StepRow) -> Option<Fact> {
    let facility = row.named()?;
    match row.step.as_ref().ok()? {
        Step::Record { milestone, on, .. } => Some((facility, *milestone, Action::Reached, *on)),
        Step::Withdraw { milestone, on, .. } => {
            Some((facility, *milestone, Action::Withdrawn, *on))
        }
        Step::Plan { .. } | Step::Block { .. } | Step::Unblock { .. } | Step::Correct { .. } => {
            None
        }
    }
}

/// Takes one away, if any is left.
fn take_one(left: &mut usize) -> bool {
    let any = *left > 0;
    *left = left.saturating_sub(1);
    any
}
