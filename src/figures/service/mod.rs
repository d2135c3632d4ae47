//! Use cases of figures: what a writer adds, folding in the background, rebuilding, and reading.

mod ask;
mod bands;
mod coverage;
mod differences;
mod reading;
mod work;

use chrono::NaiveDate;

pub use ask::{Answer, Dimension, Group, Question};
pub use bands::{Bands, Threshold, bands};
pub use coverage::{Coverage, Reporter};
pub use differences::{Difference, Movements};
pub use reading::{Reading, ask, ask_on_days, counts_by_today};
pub use work::{ask_work, work_by_vendor, work_of_nation};

use super::{
    Deltas, Period, WorkStep, difference,
    entity::{self, Cube, Sums},
};
use crate::{
    change::{self, Horizon},
    db::{ChangeId, Database, DbErr, FacilityId, Transaction},
};

/// Most changes folded in one transaction …
const FOLD_AT_ONCE: i64 = 2_000;
/// … or fewer, if these have more deltas than this.
const FOLD_DELTAS: usize = 100_000;
/// Only one process folds at a time.
const FOLD_LOCK: i64 = 0x4b41_4954_0001;

/// How the periods and the work of a facility change.
#[derive(Clone, Debug)]
pub struct FacilityChange<'a> {
    /// The facility.
    pub facility: FacilityId,
    /// As they were known; empty for a new facility.
    pub before: &'a [Period],
    /// As they are known from now on.
    pub after: &'a [Period],
    /// Its work as it was known.
    pub work_before: &'a [WorkStep],
    /// Its work as it is known from now on.
    pub work_after: &'a [WorkStep],
}

/// Writes what a change does to the counts: periods that end, periods that begin, and the deltas.
pub async fn record(
    database: &Database,
    transaction: &Transaction,
    change: ChangeId,
    changes: &[FacilityChange<'_>],
) -> Result<(), DbErr> {
    let mut deltas = Deltas::default();
    let mut work = Deltas::default();
    let mut removed: Vec<(i64, NaiveDate)> = Vec::new();
    let mut added = Vec::new();
    for FacilityChange {
        facility,
        before,
        after,
        work_before,
        work_after,
    } in changes
    {
        let (gone, come) = difference(before, after);
        if let Some(first) = gone.first() {
            removed.push((facility.0, first.from));
        }
        for period in gone {
            deltas.remove(period);
        }
        for period in come {
            deltas.add(period);
            added.push((*facility, *period));
        }
        work.replace_work(work_before, work_after);
    }
    entity::remove_periods(database, transaction, change, &removed).await?;
    entity::add_periods(transaction, change, &added).await?;
    entity::add_deltas(transaction, &Cube::LEVELS, change, &deltas).await?;
    entity::add_deltas(transaction, &Cube::WORK, change, &work).await
}

/// Folds numbered changes into totals, some at a time. Answers how many changes are left to fold. What is
/// numbered stays as it is, so it is read and summed before the transaction begins.
pub async fn fold(database: &Database) -> Result<i64, DbErr> {
    let horizon = change::horizon(database.read()).await?;
    if horizon.folded_seq >= horizon.last_seq {
        return Ok(0);
    }
    let (levels, work, up_to) = sum_next(database, &horizon).await?;
    let transaction = database.begin().await?;
    let alone = database.try_lock(&transaction, FOLD_LOCK).await?;
    if !alone || change::horizon(&transaction).await?.folded_seq != horizon.folded_seq {
        // Another process is at it, or was faster.
        transaction.rollback().await?;
        return Ok(0);
    }
    levels.fold_into(&transaction, &Cube::LEVELS).await?;
    work.fold_into(&transaction, &Cube::WORK).await?;
    change::set_folded(&transaction, up_to).await?;
    transaction.commit().await?;
    Ok(horizon.last_seq - up_to)
}

/// Sums the changes to be folded next: whole ones, up to the number that is answered, of the levels and of the work.
async fn sum_next(database: &Database, horizon: &Horizon) -> Result<(Sums, Sums, i64), DbErr> {
    let most = horizon.last_seq.min(horizon.folded_seq + FOLD_AT_ONCE);
    let (mut work, by_work) = sum_of(database, &Cube::WORK, horizon.folded_seq, most).await?;
    let (levels, up_to) = sum_of(database, &Cube::LEVELS, horizon.folded_seq, by_work).await?;
    if up_to < by_work {
        (work, _) = sum_of(database, &Cube::WORK, horizon.folded_seq, up_to).await?;
    }
    Ok((levels, work, up_to))
}

/// Sums what changes after a number add to a cube, up to another or, if that is much, up to the one that is answered.
async fn sum_of(
    database: &Database,
    cube: &Cube,
    after: i64,
    most: i64,
) -> Result<(Sums, i64), DbErr> {
    let mut up_to = most;
    let mut sums = Sums::default();
    let mut next = Some(entity::after_change(after));
    while let Some(after) = next {
        next = entity::numbered_deltas(database.read(), cube, after, up_to, &mut sums).await?;
        if let Some((seq, _)) = next
            && sums.len() >= FOLD_DELTAS
        {
            up_to = seq;
        }
    }
    Ok((sums, up_to))
}

/// Builds all totals anew from the deltas, while others read the old ones and write on.
pub async fn rebuild(database: &Database) -> Result<(), DbErr> {
    let transaction = database.begin().await?;
    database.lock(&transaction, FOLD_LOCK).await?;
    let last_seq = change::horizon(&transaction).await?.last_seq;
    for cube in &Cube::ALL {
        entity::clear_totals(&transaction, cube).await?;
        let mut sums = Sums::default();
        let mut next = Some((0, 0));
        while let Some(after) = next {
            let page = entity::folded_deltas(&transaction, cube, after, last_seq, &mut sums);
            next = page.await?;
        }
        sums.insert_into(&transaction, cube).await?;
    }
    change::set_folded(&transaction, last_seq).await?;
    transaction.commit().await
}
