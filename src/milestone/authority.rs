//! Who may record which milestone: the one table behind `docs/milestones.md`.

use super::Milestone;
use crate::auth::{Actor, Grant, OrganisationKind, Permission, Scope};

/// May an organisation of this kind record, plan, withdraw and correct this milestone?
pub fn may_record(kind: OrganisationKind, milestone: Milestone) -> bool {
    use OrganisationKind as Kind;
    let fund = matches!(kind, Kind::PaymentFund | Kind::Ministry);
    let owner = matches!(kind, Kind::Facility | Kind::Chain);
    let installer = matches!(kind, Kind::Vendor | Kind::SupportContractor);
    match milestone {
        Milestone::ReaderApplied | Milestone::UseApplied => fund || owner,
        Milestone::CertificateIssued => fund,
        Milestone::VendorOrdered
        | Milestone::ReaderDelivered
        | Milestone::PcProcured
        | Milestone::RouterProcured
        | Milestone::Installed
        | Milestone::Ready
        | Milestone::Live => fund || owner || installer,
    }
}

/// The facilities for which the actor may record this milestone.
pub fn recording_scope(actor: &Actor, milestone: Milestone) -> Scope {
    actor.scope_of(Permission::MilestoneWrite, |grant: &Grant| {
        may_record(grant.kind, milestone)
    })
}
