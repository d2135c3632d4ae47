//! Why a count differs between two days, or between what was known then and later: every facility that
//! counts on one side only is put under exactly one reason, so the reasons sum to the difference.

use chrono::NaiveDate;

use super::ask::Question;
use crate::{
    auth::{Actor, Permission},
    change::Known,
    db::{Database, DbErr},
    figures::{
        Level,
        entity::rows::{Side, differing},
    },
};

/// What a difference is made of. `reached + opened + reclassified_in + corrected − withdrawn − closed −
/// reclassified_out` is the difference; `corrected` has a sign of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Open on both days, and reached the level between them.
    pub reached: i64,
    /// Open on both days, and fell back below the level.
    pub withdrawn: i64,
    /// Opened between them, and at the level on the second.
    pub opened: i64,
    /// Closed between them, and at the level on the first.
    pub closed: i64,
    /// At the level on both days, and came under the filter.
    pub reclassified_in: i64,
    /// At the level on both days, and left the filter.
    pub reclassified_out: i64,
    /// Already on the first day, by what became known later.
    pub corrected: i64,
}

impl Difference {
    /// The sum: the second count less the first.
    pub fn total(&self) -> i64 {
        self.reached + self.opened + self.reclassified_in + self.corrected
            - self.withdrawn
            - self.closed
            - self.reclassified_out
    }
}

/// Splits the difference between a question asked of an earlier side and of its own.
pub async fn differences(
    database: &Database,
    actor: &Actor,
    question: &Question,
    earlier: (NaiveDate, Known),
    level: Level,
) -> Result<Difference, DbErr> {
    let scope = actor.scope(Permission::FiguresRead);
    let counts =
        |side: &Side| side.is_some_and(|(cell, at)| at >= level && question.filter.passes(&cell));
    let mut difference = Difference::default();
    let moved = (question.as_of, question.known);
    // First what became known later of the same day …
    if earlier.1 != moved.1 {
        let known_later = (earlier.0, moved.1);
        for (before, after) in differing(database.read(), earlier, known_later, &scope).await? {
            difference.corrected += i64::from(counts(&after)) - i64::from(counts(&before));
        }
    }
    // … then what happened until the other day, as known in the end.
    for (before, after) in differing(database.read(), (earlier.0, moved.1), moved, &scope).await? {
        let slot = match (counts(&before), counts(&after)) {
            (false, true) => match before {
                None => &mut difference.opened,
                Some((_, at)) if at >= level => &mut difference.reclassified_in,
                Some(_) => &mut difference.reached,
            },
            (true, false) => match after {
                None => &mut difference.closed,
                Some((_, at)) if at >= level => &mut difference.reclassified_out,
                Some(_) => &mut difference.withdrawn,
            },
            _ => continue,
        };
        *slot += 1;
    }
    Ok(difference)
}
