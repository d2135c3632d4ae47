//! Why a count differs between two days, or between what was known then and later: every facility that
//! counts on one side only is put under exactly one reason, so the reasons sum to the difference.

use chrono::NaiveDate;

use crate::{
    auth::{Actor, Permission},
    change::Known,
    db::{Database, DbErr},
    figures::{
        Level,
        entity::rows::{Filter, Side, differing},
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

/// Every facility that counts otherwise on one side of a comparison than on the other, whatever the
/// filter: read once, split for as many groups as are asked for.
#[derive(Clone, Debug)]
pub struct Movements {
    /// By what became known later of the earlier day.
    corrected: Vec<(Side, Side)>,
    /// By what happened between the days, as known in the end.
    moved: Vec<(Side, Side)>,
}

/// Reads the movements between an earlier side and a question's own.
pub async fn movements(
    database: &Database,
    actor: &Actor,
    earlier: (NaiveDate, Known),
    later: (NaiveDate, Known),
) -> Result<Movements, DbErr> {
    let scope = actor.scope(Permission::FiguresRead);
    let known_later = (earlier.0, later.1);
    let corrected = if earlier.1 == later.1 {
        Vec::new()
    } else {
        differing(database.read(), earlier, known_later, &scope).await?
    };
    let moved = differing(database.read(), known_later, later, &scope).await?;
    Ok(Movements { corrected, moved })
}

impl Movements {
    /// What the difference of one count is made of, among the facilities that pass a filter.
    pub fn split(&self, filter: &Filter, level: Level) -> Difference {
        let counts =
            |side: &Side| side.is_some_and(|(cell, at)| at >= level && filter.passes(&cell));
        let mut difference = Difference::default();
        for (before, after) in &self.corrected {
            difference.corrected += i64::from(counts(after)) - i64::from(counts(before));
        }
        for (before, after) in &self.moved {
            let slot = match (counts(before), counts(after)) {
                (false, true) => match before {
                    None => &mut difference.opened,
                    Some((_, at)) if *at >= level => &mut difference.reclassified_in,
                    Some(_) => &mut difference.reached,
                },
                (true, false) => match after {
                    None => &mut difference.closed,
                    Some((_, at)) if *at >= level => &mut difference.reclassified_out,
                    Some(_) => &mut difference.withdrawn,
                },
                _ => continue,
            };
            *slot += 1;
        }
        difference
    }
}
