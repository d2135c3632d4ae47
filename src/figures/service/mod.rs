//! Use cases of figures: what a writer adds, folding in the background, rebuilding, and reading.

mod ask;
mod bands;
mod differences;

use chrono::NaiveDate;

pub use ask::{Answer, Dimension, Group, Question, ask, ask_on_days, open};
pub use bands::{Bands, Threshold, bands};
pub use differences::{Difference, Movements, movements};

use super::{
    Deltas, Period, difference,
    entity::{self, Sums},
};
use crate::{
    change,
    db::{ChangeId, Database, DatabaseTransaction, DbErr, FacilityId},
};

/// Most changes folded in one transaction.
const FOLD_AT_ONCE: i64 = 2_000;
/// Only one process folds at a time.
const FOLD_LOCK: i64 = 0x4b41_4954_0001;

/// How the periods of a facility change.
#[derive(Clone, Debug)]
pub struct PeriodChange<'a> {
    /// The facility.
    pub facility: FacilityId,
    /// As they were known; empty for a new facility.
    pub before: &'a [Period],
    /// As they are known from now on.
    pub after: &'a [Period],
}

/// Writes what a change does to the counts: periods that end, periods that begin, and the deltas.
pub async fn record(
    database: &Database,
    transaction: &DatabaseTransaction,
    change: ChangeId,
    changes: &[PeriodChange<'_>],
) -> Result<(), DbErr> {
    let mut deltas = Deltas::default();
    let mut removed: Vec<(i64, NaiveDate)> = Vec::new();
    let mut added = Vec::new();
    for PeriodChange {
        facility,
        before,
        after,
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
    }
    entity::remove_periods(database, transaction, change, &removed).await?;
    entity::add_periods(transaction, change, &added).await?;
    entity::add_deltas(transaction, change, &deltas).await
}

/// Folds numbered changes into totals, some at a time. Answers how many changes are left to fold.
pub async fn fold(database: &Database) -> Result<i64, DbErr> {
    let horizon = change::horizon(database.read()).await?;
    if horizon.folded_seq >= horizon.last_seq {
        return Ok(0);
    }
    let transaction = database.begin().await?;
    if !database.try_lock(&transaction, FOLD_LOCK).await? {
        transaction.rollback().await?;
        return Ok(0);
    }
    let horizon = change::horizon(&transaction).await?;
    let up_to = horizon.last_seq.min(horizon.folded_seq + FOLD_AT_ONCE);
    let mut sums = Sums::default();
    for (settled_at, delta) in
        entity::deltas_between(&transaction, horizon.folded_seq, up_to).await?
    {
        sums.add(settled_at, &delta);
    }
    sums.fold_into(&transaction).await?;
    change::set_folded(&transaction, up_to).await?;
    transaction.commit().await?;
    Ok(horizon.last_seq - up_to)
}

/// Builds all totals anew from the deltas, while others read the old ones and write on.
pub async fn rebuild(database: &Database) -> Result<(), DbErr> {
    let transaction = database.begin().await?;
    database.lock(&transaction, FOLD_LOCK).await?;
    let last_seq = change::horizon(&transaction).await?.last_seq;
    entity::clear_totals(&transaction).await?;
    let mut sums = Sums::default();
    let mut next = Some((0, 0));
    while let Some(after) = next {
        next = entity::folded_deltas(&transaction, after, last_seq, &mut sums).await?;
    }
    sums.insert_into(&transaction).await?;
    change::set_folded(&transaction, last_seq).await?;
    transaction.commit().await
}
