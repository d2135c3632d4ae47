//! Verifying a database: everything that follows from the history is derived again from the events and
//! compared with what is stored: states, plans, periods as they were known, deltas, totals, codes and the
//! search index; so is where applications stand, from their steps. It reads one snapshot, some facilities at a time, so it may run beside writers, needs
//! little memory, and says nothing of what they do meanwhile.

mod entity;
mod facilities;
mod figures;
mod records;
mod report;

pub use report::{Checked, Difference, Report};

use crate::db::{Database, DbErr};

/// Recounts everything. `progress` is told whenever some more facilities are done. What can't even be read
/// is an error; what is wrong is in the report.
pub async fn verify(database: &Database, progress: impl Fn(u64)) -> Result<Report, DbErr> {
    let snapshot = database.begin_snapshot().await?;
    let mut report = Report::default();
    facilities::verify(&snapshot, &mut report, progress).await?;
    figures::verify(&snapshot, &mut report).await?;
    records::verify(database, &snapshot, &mut report).await?;
    snapshot.rollback().await?;
    Ok(report)
}
