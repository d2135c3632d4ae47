//! Work orders as they were before a change that is undone.

use std::collections::HashSet;

use crate::{
    change::Writer,
    db::{ChangeId, DbErr, FacilityId, Transaction},
    installation::{
        InstallationStatus,
        entity::{self, Image},
    },
};

/// Restores what a change overwrote of the orders of some facilities, whose rows are locked and did not change since:
/// an order that it opened is cancelled, and any other is as it was. What that overwrites is kept in its turn.
pub async fn restore(
    writer: &Writer<'_>,
    transaction: &Transaction,
    undone: ChangeId,
    by: ChangeId,
    facilities: &HashSet<FacilityId>,
) -> Result<(), DbErr> {
    let overwritten = entity::images(transaction, undone, facilities).await?;
    if overwritten.is_empty() {
        return Ok(());
    }
    let ids: Vec<_> = overwritten.iter().map(|(order, _)| order.id).collect();
    let checks = entity::checks(writer.database, transaction, &ids).await?;
    let names = entity::names_of(writer.database, transaction, &ids).await?;
    let (mut kept, mut restored) = (Vec::new(), Vec::new());
    for (now, before) in overwritten {
        let checked = checks.get(&now.id).cloned().unwrap_or_default();
        let mut image = before.unwrap_or_else(|| {
            let mut order = now.clone();
            order.status = InstallationStatus::Cancelled;
            order.ended_on = Some(writer.clock.today());
            order.ended_by = Some(by);
            Image {
                order,
                checks: checked.clone(),
                names: Vec::new(),
            }
        });
        image.order.version = now.version + 1;
        let named = |organisation| names.get(&(now.id, organisation)).cloned();
        kept.push(Image {
            names: image
                .names
                .iter()
                .map(|(organisation, _)| (*organisation, named(*organisation)))
                .collect(),
            order: now,
            checks: checked,
        });
        restored.push(image);
    }
    let kept: Vec<_> = kept.iter().map(|one| (one.order.id, Some(one))).collect();
    entity::write_images(transaction, by, &kept).await?;
    entity::replace(writer.database, transaction, by, &restored).await
}
