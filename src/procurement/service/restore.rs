//! Applications as they were before a change that is undone.

use std::collections::HashSet;

use crate::{
    change::Writer,
    db::{ChangeId, DbErr, FacilityId, Transaction},
    milestone::service::Amended,
    procurement::{ApplicationId, Standing, entity},
};

/// Takes back what a change did to the applications of facilities that did not change since: its steps are voided, those
/// that it voided hold again, and each application stands where the rest leaves it.
pub async fn restore(
    writer: &Writer<'_>,
    transaction: &Transaction,
    undone: ChangeId,
    by: ChangeId,
    amended: &[Amended],
) -> Result<(), DbErr> {
    let of: HashSet<FacilityId> = amended.iter().map(|one| one.facility).collect();
    let mut touched = entity::touched_by(transaction, undone).await?;
    touched.retain(|application| of.contains(&application.facility));
    if touched.is_empty() {
        return Ok(());
    }
    let database = writer.database;
    let ids: Vec<ApplicationId> = touched.iter().map(|application| application.id).collect();
    entity::take_back(database, transaction, undone, by, &ids).await?;
    let steps = entity::steps(database, transaction, &ids).await?;
    let today = writer.clock.today();
    for application in &mut touched {
        let left = steps.get(&application.id);
        let left = left.map_or(&[][..], Vec::as_slice);
        application.standing = Standing::after(left, today);
        application.version += 1;
    }
    let touched: Vec<_> = touched.iter().collect();
    entity::update(transaction, &touched).await
}
