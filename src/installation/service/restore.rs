//! Work orders as they were before a change that is undone.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::{
    change::Writer,
    db::{ChangeId, DbErr, FacilityId, OrganisationId, Transaction},
    installation::{
        Installation, InstallationStatus,
        entity::{self, Image},
    },
    milestone::service::Amended,
};

/// The facilities whose orders can't be called again what they were before a change, since another is called so now.
pub async fn name_conflicts(
    writer: &Writer<'_>,
    transaction: &Transaction,
    undone: ChangeId,
) -> Result<HashSet<FacilityId>, DbErr> {
    let overwritten = entity::images(transaction, undone).await?;
    let mut wanted: HashMap<OrganisationId, Vec<(String, &Installation)>> = HashMap::new();
    for (order, image) in &overwritten {
        for (organisation, name) in image.iter().flat_map(|image| &image.names) {
            if let Some(name) = name {
                let names = wanted.entry(*organisation).or_default();
                names.push((name.clone(), order));
            }
        }
    }
    let mut conflicts = HashSet::new();
    for (organisation, names) in wanted {
        let texts = names.iter().map(|(name, _)| name.clone()).collect();
        let taken = entity::taken(writer.database, transaction, organisation, texts).await?;
        for (name, order) in names {
            if taken.get(&name).is_some_and(|by| *by != order.id) {
                conflicts.insert(order.facility);
            }
        }
    }
    Ok(conflicts)
}

/// Restores what a change overwrote of the orders of facilities that did not change since: an order that it opened is
/// cancelled and called nothing, and any other is as it was. What that overwrites is kept in its turn.
pub async fn restore(
    writer: &Writer<'_>,
    transaction: &Transaction,
    undone: ChangeId,
    by: ChangeId,
    amended: &[Amended],
) -> Result<(), DbErr> {
    let of: BTreeMap<FacilityId, &Amended> =
        amended.iter().map(|one| (one.facility, one)).collect();
    let mut overwritten = entity::images(transaction, undone).await?;
    overwritten.retain(|(order, _)| of.contains_key(&order.facility));
    if overwritten.is_empty() {
        return Ok(());
    }
    let ids: Vec<_> = overwritten.iter().map(|(order, _)| order.id).collect();
    let checks = entity::checks(writer.database, transaction, &ids).await?;
    let names = entity::names_of(writer.database, transaction, &ids).await?;
    let (mut kept, mut restored) = (Vec::new(), Vec::new());
    for (now, before) in overwritten {
        let checked = checks.get(&now.id).cloned().unwrap_or_default();
        let called = || names.iter().filter(|((order, _), _)| *order == now.id);
        let mut image = before.unwrap_or_else(|| Image {
            order: Installation {
                status: InstallationStatus::Cancelled,
                ended_on: Some(writer.clock.today()),
                vendor: of
                    .get(&now.facility)
                    .and_then(|one| one.after.current.cell.vendor),
                contractor: of
                    .get(&now.facility)
                    .and_then(|one| one.after.current.contractor),
                ..now.clone()
            },
            checks: checked.clone(),
            names: called()
                .map(|((_, organisation), _)| (*organisation, None))
                .collect(),
        });
        image.order.version = now.version + 1;
        if now.status.is_open() && !image.order.status.is_open() {
            // It ends by this change, which records again what it recorded.
            image.order.ended_by = Some(by);
        }
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
