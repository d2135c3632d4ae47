//! Who may record what: the one table behind `docs/milestones.md`.

use super::{Aspect, Milestone, PerMilestone};
use crate::{
    auth::{Actor, Grant, OrganisationKind, Permission, Scope},
    db::OrganisationId,
};

/// May an organisation of this kind record, plan, withdraw and correct this milestone?
pub fn may_record(kind: OrganisationKind, milestone: Milestone) -> bool {
    use OrganisationKind as Kind;
    let fund = matches!(kind, Kind::PaymentFund | Kind::Ministry);
    let owner = matches!(kind, Kind::Facility | Kind::Chain | Kind::Corporation);
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
        | Milestone::Live => fund || owner || installer || kind == Kind::Area,
    }
}

/// Does a membership say to which part of a chain a store belongs? The head office's does, and those of staff.
pub fn keeps_parts(grant: &Grant) -> bool {
    use OrganisationKind as Kind;
    matches!(grant.kind, Kind::Ministry | Kind::PaymentFund | Kind::Chain)
}

/// What is recorded of a facility, as far as it matters for who may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    /// A milestone, reached or planned.
    Milestone(Milestone),
    /// Something that holds it up.
    Blocker,
    /// Its work order.
    Installation,
    /// The vendor that it engages, or the chain that it belongs to.
    Link,
    /// The corporation and the area of its chain.
    Part,
    /// Whom it is handed on to.
    HandingOn,
}

impl Topic {
    /// What an event of this aspect is about; `None` for the registry, which has permissions of its own.
    pub fn of(aspect: Aspect) -> Option<Self> {
        match aspect {
            Aspect::Milestone(milestone)
            | Aspect::Plan(milestone)
            | Aspect::Application(milestone) => Some(Self::Milestone(milestone)),
            Aspect::Blocker(_) => Some(Self::Blocker),
            Aspect::Installation => Some(Self::Installation),
            Aspect::Vendor | Aspect::Chain => Some(Self::Link),
            Aspect::Corporation | Aspect::Area => Some(Self::Part),
            Aspect::Contractor => Some(Self::HandingOn),
            // Whose the stock is decides that.
            Aspect::Allocation
            | Aspect::Opened
            | Aspect::Closed
            | Aspect::Kind
            | Aspect::Prefecture
            | Aspect::PublicInstitution
            | Aspect::Contacts
            | Aspect::Code => None,
        }
    }

    /// The permission that it takes.
    pub fn permission(self) -> Permission {
        match self {
            Self::Milestone(Milestone::ReaderApplied | Milestone::UseApplied) => {
                Permission::ApplicationWrite
            }
            Self::Milestone(_) => Permission::MilestoneWrite,
            Self::Blocker => Permission::BlockerWrite,
            Self::Installation => Permission::InstallationWrite,
            Self::Link | Self::Part => Permission::LinkWrite,
            Self::HandingOn => Permission::HandOn,
        }
    }

    /// Is it for an organisation of this kind?
    pub fn is_for(self, grant: &Grant) -> bool {
        match self {
            Self::Milestone(milestone) => may_record(grant.kind, milestone),
            // Who may say that it is installed.
            Self::Installation => may_record(grant.kind, Milestone::Installed),
            Self::Part => keeps_parts(grant),
            Self::Blocker | Self::Link | Self::HandingOn => true,
        }
    }
}

const RECORDING: [Permission; 4] = [
    Permission::MilestoneWrite,
    Permission::ApplicationWrite,
    Permission::BlockerWrite,
    Permission::InstallationWrite,
];

/// May the actor record anything at all of any facility?
pub fn may_record_anything(actor: &Actor) -> bool {
    RECORDING
        .into_iter()
        .any(|permission| actor.may(permission))
}

/// The organisations in whose name the actor may.
pub fn organisations_that_record(actor: &Actor) -> Vec<OrganisationId> {
    let mut organisations: Vec<OrganisationId> = RECORDING
        .into_iter()
        .flat_map(|permission| actor.organisations_with(permission))
        .collect();
    organisations.sort_unstable();
    organisations.dedup();
    organisations
}

/// For which facilities an actor may record what.
#[derive(Clone, Debug)]
pub struct Rights {
    milestones: PerMilestone<Scope>,
    blockers: Scope,
    installations: Scope,
    links: Scope,
    parts: Scope,
    handing_on: Scope,
}

impl Rights {
    /// The actor's rights.
    pub fn of(actor: &Actor) -> Self {
        let over =
            |topic: Topic| actor.scope_of(topic.permission(), |grant: &Grant| topic.is_for(grant));
        Self {
            milestones: PerMilestone::new(|milestone| over(Topic::Milestone(milestone))),
            blockers: over(Topic::Blocker),
            installations: over(Topic::Installation),
            links: over(Topic::Link),
            parts: over(Topic::Part),
            handing_on: over(Topic::HandingOn),
        }
    }

    /// The facilities for which the actor may record this.
    pub fn over(&self, topic: Topic) -> &Scope {
        match topic {
            Topic::Milestone(milestone) => self.milestones.of(milestone),
            Topic::Blocker => &self.blockers,
            Topic::Installation => &self.installations,
            Topic::Link => &self.links,
            Topic::Part => &self.parts,
            Topic::HandingOn => &self.handing_on,
        }
    }
}
