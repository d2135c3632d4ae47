//! Why a count differs between two days, or between what was known then and later: every facility that
//! counts on one side only is put under exactly one reason, so the reasons sum to the difference.

use chrono::NaiveDate;

use crate::{
    auth::{Actor, Permission},
    change::Known,
    db::{ConnectionTrait, DbErr},
    figures::{
        Level,
        entity::rows::{self, Filter, Movement, Side},
    },
};

use super::Question;

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
    /// At the level on both days, and came under the filter or within what the caller may count.
    pub reclassified_in: i64,
    /// At the level on both days, and left the filter or what the caller may count.
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

/// How facilities moved between the sides of a comparison: read once, split for as many groups and levels
/// as are asked for.
#[derive(Clone, Debug)]
pub struct Movements {
    /// By what became known later of the earlier day.
    corrected: Vec<Movement>,
    /// By what happened between the days, as known in the end.
    moved: Vec<Movement>,
}

impl Movements {
    /// Reads the movements between an earlier side and a question's own.
    pub(super) async fn read(
        connection: &impl ConnectionTrait,
        actor: &Actor,
        earlier: (NaiveDate, Known),
        question: &Question,
    ) -> Result<Self, DbErr> {
        let (scope, filter) = (actor.scope(Permission::FiguresRead), &question.filter);
        let later = (question.as_of, question.known);
        let known_later = (earlier.0, later.1);
        let corrected = if earlier.1 == later.1 {
            Vec::new()
        } else {
            rows::movements(connection, earlier, known_later, filter, &scope).await?
        };
        let moved = rows::movements(connection, known_later, later, filter, &scope).await?;
        Ok(Self { corrected, moved })
    }

    /// What the difference of one count is made of, among the facilities that pass the filter of a group.
    pub fn split(&self, filter: &Filter, level: Level) -> Difference {
        let counts = |side: &Side| {
            side.is_some_and(|at| at.counted && at.level >= level && filter.passes(&at.cell))
        };
        let mut difference = Difference::default();
        for movement in &self.corrected {
            let change = i64::from(counts(&movement.after)) - i64::from(counts(&movement.before));
            difference.corrected += change * movement.facilities;
        }
        for Movement {
            before,
            after,
            facilities,
        } in &self.moved
        {
            let slot = match (counts(before), counts(after)) {
                (false, true) => match before {
                    None => &mut difference.opened,
                    Some(at) if at.level >= level => &mut difference.reclassified_in,
                    Some(_) => &mut difference.reached,
                },
                (true, false) => match after {
                    None => &mut difference.closed,
                    Some(at) if at.level >= level => &mut difference.reclassified_out,
                    Some(_) => &mut difference.withdrawn,
                },
                _ => continue,
            };
            *slot += facilities;
        }
        difference
    }
}
