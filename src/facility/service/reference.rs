//! An organisation's own reference for a facility: what its systems call it. Nobody else sees it.

use crate::{
    auth::Permission,
    change::{self, WriteError, Writer},
    db::FacilityId,
    facility::{entity, text::MOST_REFERENCE},
    milestone::{
        Problem,
        entity::lock,
        service::{BulkOutcome, RowOutcome},
    },
};

/// Sets the reference that an organisation of the actor's keeps for a facility, or removes it: the first whose reach
/// holds the facility. The facility itself does not change, and neither does its version.
pub async fn set_reference(
    writer: &Writer<'_>,
    facility: Result<FacilityId, Problem>,
    reference: Option<&str>,
) -> Result<BulkOutcome, WriteError> {
    let transaction = writer.database.begin().await?;
    let ids: Vec<FacilityId> = facility.iter().copied().collect();
    let visible = writer.actor.scope(Permission::FacilityRead);
    let state = lock(writer.database, &transaction, &ids)
        .await?
        .into_values()
        .find(|state| state.within(&visible));
    let mut row = RowOutcome {
        facility: state.as_ref().map(|state| state.facility),
        ..RowOutcome::default()
    };
    let organisation = writer.actor.acting_over(
        Permission::ContactWrite,
        state.as_slice(),
        |grant, state| state.within(&grant.reach()),
    );
    let problem = match (&state, organisation) {
        (None, _) => Some(facility.err().unwrap_or(Problem::NotFound)),
        (Some(_), None) => Some(Problem::Forbidden),
        (Some(state), Some(organisation)) => {
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
    };
    row.version = state
        .filter(|_| problem.is_none())
        .map(|state| state.version);
    let refused = problem.is_some();
    row.problems.extend(problem);
    let mut outcome = BulkOutcome::of(row);
    if refused || writer.dry_run {
        return writer.refuse(transaction, outcome).await;
    }
    let change = change::record(&transaction, writer, organisation, "facilityReferenceSet").await?;
    outcome.change = Some(change);
    writer.finish(transaction, outcome).await
}
