//! Use cases of procurement: recording what happens to applications and taking that back, placing orders and recording what
//! happens to them, and allocating what arrived.

mod allocate;
mod orders;
mod record;
mod restore;

pub use allocate::{
    AllocationOutcome, AllocationRow, AllocationRowOutcome, MOST_FOR_ONE, Way, allocate,
};
pub use orders::{
    MOST_FACILITIES, MOST_PRICE, MOST_UNITS, OrderRow, Outcome as OrderOutcome, PlaceOutcome,
    PlaceRequest, RowOutcome as OrderRowOutcome, place, record_orders,
};
pub use record::{ApplicationRow, MOST_LINES, MOST_READERS, Outcome, RowOutcome, record};
pub use restore::restore;

use crate::{
    auth::{Actor, Identity, OrganisationKind, Permission},
    db::OrganisationId,
};

/// Do people of such an organisation order, deliver and allocate for everyone?
fn is_staff(kind: OrganisationKind) -> bool {
    matches!(
        kind,
        OrganisationKind::Ministry | OrganisationKind::PaymentFund
    )
}

/// May the actor write orders in the name of this organisation, or of everyone?
fn may_for(actor: &Actor, organisation: OrganisationId) -> bool {
    actor.identity == Identity::System
        || actor
            .grants_with(Permission::OrderWrite)
            .any(|grant| grant.organisation == organisation || is_staff(grant.kind))
}
