//! What is kept ready beside its records: where applications stand, what orders and lots add up to, and how many rows
//! sheets have.

use sea_orm::DatabaseTransaction;

use super::{Report, entity};
use crate::{
    db::{Database, DbErr},
    procurement::{self, ApplicationId, Standing},
};

/// Applications looked at together.
const AT_ONCE: u64 = 2_000;

/// Verifies both.
pub async fn verify(
    database: &Database,
    snapshot: &DatabaseTransaction,
    report: &mut Report,
) -> Result<(), DbErr> {
    verify_applications(database, snapshot, report).await?;
    for (key, expected, found) in procurement::entity::order_lists::imbalances(snapshot).await? {
        report.differs("hardware_order", key, expected, found);
    }
    for (sheet, outcome, expected, found) in entity::wrong_sheet_counts(snapshot).await? {
        let key = format!("sheet {sheet} outcome {outcome}");
        report.differs("sheet_count", key, expected, found);
    }
    Ok(())
}

/// An application stands where its steps leave it.
async fn verify_applications(
    database: &Database,
    snapshot: &DatabaseTransaction,
    report: &mut Report,
) -> Result<(), DbErr> {
    let mut after = ApplicationId(0);
    loop {
        let some = procurement::entity::after(snapshot, after, AT_ONCE).await?;
        let Some(last) = some.last() else {
            return Ok(());
        };
        after = last.id;
        let ids: Vec<ApplicationId> = some.iter().map(|application| application.id).collect();
        let steps = procurement::entity::steps(database, snapshot, &ids).await?;
        for application in &some {
            let steps = steps.get(&application.id).map_or(&[][..], Vec::as_slice);
            // One whose filing was undone is cancelled since that day, which no step of it tells.
            let expected = Standing::after(steps, application.standing.since);
            if expected != application.standing {
                let key = format!("application {}", application.id.0);
                let found = &application.standing;
                report.differs("application", key, told(&expected), told(found));
            }
        }
    }
}

fn told(standing: &Standing) -> String {
    let Standing {
        status,
        since,
        expires_on,
    } = standing;
    let until = expires_on.map(|day| format!(", valid until {day}"));
    format!(
        "{} since {since}{}",
        status.word(),
        until.unwrap_or_default()
    )
}
