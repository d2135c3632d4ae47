//! An organisation's own reference for a facility: what its systems call it. Nobody else sees it.

use crate::{
    auth::Permission,
    change::{self, WriteError, Writer},
    db::FacilityId,
    facility::entity,
    milestone::{
        Problem,
        entity::lock,
        service::{BulkOutcome, RowOutcome},
    },
};

/// Longest reference, in characters.
pub const MOST_REFERENCE: usize = 100;

/// Sets the reference of the actor's organisation for a facility, or removes it. The facility itself does not change,
/// and neither does its version.
pub async fn set_reference(
    writer: &Writer<'_>,
    facility: Option<FacilityId>,
    reference: Option<&str>,
) -> Result<BulkOutcome, WriteError> {
    let transaction = writer.database.begin().await?;
    let ids: Vec<FacilityId> = facility.into_iter().collect();
    let visible = writer.actor.scope(Permission::FacilityRead);
    let state = lock(writer.database, &transaction, &ids)
        .await?
        .into_values()
        .find(|state| state.within(&visible));
    let mut row = RowOutcome {
        facility: state.as_ref().map(|state| state.facility),
        version: state.as_ref().map(|state| state.version),
        ..RowOutcome::default()
    };
    let allowed = writer.actor.scope(Permission::ContactWrite);
    let organisation = writer.actor.acting_for(Permission::ContactWrite);
    let problem = match (&state, organisation) {
        (None, _) => Some(Problem::NotFound),
        (Some(state), Some(organisation)) if state.within(&allowed) => {
            let bad = |text: &str| {
                text.trim().is_empty()
                    || text.chars().count() > MOST_REFERENCE
                    || text.chars().any(char::is_control)
            };
            if reference.is_some_and(bad) {
                Some(Problem::BadText {
                    most: MOST_REFERENCE,
                })
            } else {
                let reference = reference.map(str::trim);
                let set =
                    entity::set_reference(&transaction, organisation, state.facility, reference);
                (!set.await?).then_some(Problem::ReferenceTaken)
            }
        }
        _ => Some(Problem::Forbidden),
    };
    let refused = problem.is_some();
    row.problems.extend(problem);
    let outcome = |change, row| BulkOutcome {
        change,
        rows: vec![row],
        nothing_written: refused,
    };
    if refused || writer.dry_run {
        return writer.refuse(transaction, outcome(None, row)).await;
    }
    let change = change::record(
        &transaction,
        writer,
        Permission::ContactWrite,
        "facilityReferenceSet",
    )
    .await?;
    writer.finish(transaction, outcome(Some(change), row)).await
}
