//! Who may call which root field. The match in [`RootField::policy`] is exhaustive, so a field without a
//! policy does not compile; a field that is in the schema but not here is refused by [`check`], and the
//! server does not start with one ([`unlisted`]).

use async_graphql::parser::types::OperationType;

use crate::auth::{Actor, Identity, Permission};

/// What a root field asks of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Anyone, without an account too.
    Public,
    /// Anyone who is logged in.
    LoggedIn,
    /// Someone with this permission in some organisation; rows are then decided by the scope.
    Needs(Permission),
    /// Someone with one of these; which of them it takes is decided row by row.
    NeedsAny(&'static [Permission]),
}

macro_rules! root_fields {
    ($($field:ident $name:literal $operation:ident),+ $(,)?) => {
        /// Every root field of the API.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum RootField {
            $(
                #[doc = concat!("`", $name, "`")]
                $field,
            )+
        }

        impl RootField {
            /// All root fields.
            pub const ALL: &[Self] = &[$(Self::$field),+];

            /// The field's name in the schema.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$field => $name,)+
                }
            }

            /// The root that it stands at.
            pub fn operation(self) -> OperationType {
                match self {
                    $(Self::$field => OperationType::$operation,)+
                }
            }
        }
    };
}

root_fields! {
    Node "node" Query,
    Nodes "nodes" Query,
    Viewer "viewer" Query,
    Organisation "organisation" Query,
    FacilityByCode "facilityByCode" Query,
    FacilityByReference "facilityByReference" Query,
    Facilities "facilities" Query,
    Vendors "vendors" Query,
    Installations "installations" Query,
    InstallationByReference "installationByReference" Query,
    InstallationChecklists "installationChecklists" Query,
    Handovers "handovers" Query,
    SupportContractors "supportContractors" Query,
    HardwareModels "hardwareModels" Query,
    Applications "applications" Query,
    HardwareOrders "hardwareOrders" Query,
    HardwareLots "hardwareLots" Query,
    RolloutFigures "rolloutFigures" Query,
    RolloutSeries "rolloutSeries" Query,
    Changes "changes" Query,
    ChangeHead "changeHead" Query,
    OwnChanges "ownChanges" Query,
    Scorecard "scorecard" Query,
    Chains "chains" Query,
    ChainParts "chainParts" Query,
    Waves "waves" Query,
    WaveDays "waveDays" Query,
    WaveStores "waveStores" Query,
    NextSteps "nextSteps" Query,
    SavedFilters "savedFilters" Query,
    Worklist "worklist" Query,
    ReportingConfirmations "reportingConfirmations" Query,
    WorkFigures "workFigures" Query,
    CapacityPledges "capacityPledges" Query,
    FollowUps "followUps" Query,
    Sheets "sheets" Query,
    SheetRows "sheetRows" Query,
    SheetMappings "sheetMappings" Query,
    FollowChanges "changes" Subscription,
    SheetProgress "sheetProgress" Subscription,
    SessionCreate "sessionCreate" Mutation,
    SessionRefresh "sessionRefresh" Mutation,
    SessionDelete "sessionDelete" Mutation,
    PasswordChange "passwordChange" Mutation,
    PasswordResetRequest "passwordResetRequest" Mutation,
    PasswordReset "passwordReset" Mutation,
    AccountCodeIssue "accountCodeIssue" Mutation,
    MemberInvite "memberInvite" Mutation,
    MemberInvitationRevoke "memberInvitationRevoke" Mutation,
    InvitationAccept "invitationAccept" Mutation,
    MemberUpdate "memberUpdate" Mutation,
    MemberRemove "memberRemove" Mutation,
    UserUpdate "userUpdate" Mutation,
    OrganisationCreate "organisationCreate" Mutation,
    FacilityClaimSecretsExport "facilityClaimSecretsExport" Mutation,
    FacilityAccountClaim "facilityAccountClaim" Mutation,
    ServiceTokenCreate "serviceTokenCreate" Mutation,
    ServiceTokenRevoke "serviceTokenRevoke" Mutation,
    FacilityRegister "facilityRegister" Mutation,
    FacilityUpdate "facilityUpdate" Mutation,
    FacilitySucceed "facilitySucceed" Mutation,
    FacilityClose "facilityClose" Mutation,
    FacilityReclassify "facilityReclassify" Mutation,
    FacilityLink "facilityLink" Mutation,
    FacilityCorrect "facilityCorrect" Mutation,
    FacilityReferenceSet "facilityReferenceSet" Mutation,
    FacilityBulkAmend "facilityBulkAmend" Mutation,
    FacilityBulkReferenceSet "facilityBulkReferenceSet" Mutation,
    VendorUpdate "vendorUpdate" Mutation,
    MilestoneRecord "milestoneRecord" Mutation,
    MilestonePlan "milestonePlan" Mutation,
    MilestoneWithdraw "milestoneWithdraw" Mutation,
    MilestoneCorrect "milestoneCorrect" Mutation,
    MilestoneBulkRecord "milestoneBulkRecord" Mutation,
    InstallationOpen "installationOpen" Mutation,
    InstallationPlan "installationPlan" Mutation,
    InstallationStart "installationStart" Mutation,
    InstallationCheck "installationCheck" Mutation,
    InstallationFinish "installationFinish" Mutation,
    InstallationCancel "installationCancel" Mutation,
    InstallationReopen "installationReopen" Mutation,
    InstallationReferenceSet "installationReferenceSet" Mutation,
    InstallationBulkRecord "installationBulkRecord" Mutation,
    InstallationChecklistPublish "installationChecklistPublish" Mutation,
    HandoverPropose "handoverPropose" Mutation,
    HandoverAnswer "handoverAnswer" Mutation,
    HandoverWithdraw "handoverWithdraw" Mutation,
    ChangeUndo "changeUndo" Mutation,
    ReportingConfirm "reportingConfirm" Mutation,
    ReportingWithdraw "reportingWithdraw" Mutation,
    WaveSave "waveSave" Mutation,
    WaveDelete "waveDelete" Mutation,
    WaveBulkPlan "waveBulkPlan" Mutation,
    HardwareModelSave "hardwareModelSave" Mutation,
    ApplicationRecord "applicationRecord" Mutation,
    ApplicationBulkRecord "applicationBulkRecord" Mutation,
    HardwareOrderPlace "hardwareOrderPlace" Mutation,
    HardwareOrderRecord "hardwareOrderRecord" Mutation,
    HardwareAllocate "hardwareAllocate" Mutation,
    HardwareRelease "hardwareRelease" Mutation,
    SavedFilterSave "savedFilterSave" Mutation,
    SavedFilterDelete "savedFilterDelete" Mutation,
    CapacityPledge "capacityPledge" Mutation,
    FollowUpAnswer "followUpAnswer" Mutation,
    SheetCheck "sheetCheck" Mutation,
    SheetApply "sheetApply" Mutation,
    SheetCancel "sheetCancel" Mutation,
    SheetUndo "sheetUndo" Mutation,
    SheetMappingDelete "sheetMappingDelete" Mutation,
    BlockerOpen "blockerOpen" Mutation,
    BlockerResolve "blockerResolve" Mutation,
    BlockerCorrect "blockerCorrect" Mutation,
    BlockerBulkRecord "blockerBulkRecord" Mutation,
}

impl RootField {
    /// What it asks of its caller.
    pub fn policy(self) -> Policy {
        match self {
            Self::SessionCreate
            | Self::SessionRefresh
            | Self::SessionDelete
            | Self::PasswordResetRequest
            | Self::PasswordReset
            | Self::InvitationAccept
            | Self::FacilityAccountClaim => Policy::Public,
            Self::Viewer | Self::SupportContractors | Self::HardwareModels => Policy::Public,
            Self::Node
            | Self::Nodes
            | Self::Organisation
            | Self::Vendors
            | Self::InstallationChecklists
            | Self::PasswordChange
            | Self::UserUpdate
            // Everyone may leave.
            | Self::MemberRemove => Policy::LoggedIn,
            Self::AccountCodeIssue | Self::FacilityClaimSecretsExport => {
                Policy::Needs(Permission::AccountsHelp)
            }
            // The first ADMIN of a new organisation is invited by whoever may create it.
            Self::MemberInvite => Policy::LoggedIn,
            Self::MemberInvitationRevoke
            | Self::MemberUpdate
            | Self::ServiceTokenCreate
            | Self::ServiceTokenRevoke
            // Administrators of a chain create its parts.
            | Self::OrganisationCreate => Policy::Needs(Permission::MembersManage),
            Self::FacilityByCode
            | Self::FacilityByReference
            | Self::Facilities
            | Self::Installations
            | Self::Applications
            | Self::InstallationByReference
            | Self::Handovers
            | Self::Changes
            | Self::ChangeHead
            | Self::OwnChanges
            // What was done may be undone by whoever may do it: that is decided facility by facility.
            | Self::ChangeUndo
            // So is what its rows amend.
            | Self::FacilityBulkAmend
            // Whoever may record something may send sheets; what their rows may record is decided row by row.
            | Self::Sheets
            | Self::SheetRows
            | Self::SheetMappings
            | Self::SheetProgress
            | Self::SheetCheck
            | Self::SheetApply
            | Self::SheetCancel
            | Self::SheetUndo
            | Self::SheetMappingDelete
            // Whoever may look for facilities may keep what they look for.
            | Self::NextSteps
            | Self::SavedFilters
            | Self::Worklist
            | Self::Waves
            | Self::WaveDays
            | Self::WaveStores
            | Self::SavedFilterSave
            | Self::SavedFilterDelete
            | Self::FollowChanges => Policy::Needs(Permission::FacilityRead),
            Self::RolloutFigures
            | Self::RolloutSeries
            | Self::ReportingConfirmations
            | Self::WorkFigures
            | Self::CapacityPledges
            | Self::Scorecard
            | Self::Chains
            | Self::ChainParts
            | Self::FollowUps => {
                Policy::Needs(Permission::FiguresRead)
            }
            Self::ReportingConfirm
            | Self::ReportingWithdraw
            | Self::CapacityPledge
            | Self::FollowUpAnswer => Policy::Needs(Permission::ReportWrite),
            Self::FacilityRegister
            | Self::FacilitySucceed
            | Self::FacilityClose
            | Self::FacilityReclassify => Policy::Needs(Permission::RegistryWrite),
            Self::FacilityUpdate | Self::FacilityReferenceSet | Self::FacilityBulkReferenceSet => Policy::Needs(Permission::ContactWrite),
            Self::VendorUpdate => Policy::Needs(Permission::VendorWrite),
            Self::HardwareModelSave => Policy::Needs(Permission::SupplyWrite),
            Self::HardwareOrders | Self::HardwareLots => Policy::Needs(Permission::OrderRead),
            Self::HardwareOrderPlace
            | Self::HardwareOrderRecord
            | Self::HardwareAllocate
            | Self::HardwareRelease => Policy::Needs(Permission::OrderWrite),
            // The least that any of them needs. Another link needs LINK_WRITE and the registry REGISTRY_WRITE, by what
            // is linked or corrected.
            Self::FacilityLink
            | Self::FacilityCorrect
            | Self::HandoverPropose
            | Self::HandoverWithdraw => Policy::Needs(Permission::HandOn),
            Self::MilestoneRecord
            | Self::MilestonePlan
            | Self::MilestoneWithdraw
            | Self::MilestoneCorrect
            | Self::MilestoneBulkRecord
            | Self::ApplicationRecord
            | Self::ApplicationBulkRecord => {
                Policy::NeedsAny(&[Permission::MilestoneWrite, Permission::ApplicationWrite])
            }
            Self::WaveSave | Self::WaveDelete | Self::WaveBulkPlan => {
                Policy::Needs(Permission::MilestoneWrite)
            }
            Self::HandoverAnswer
            | Self::InstallationOpen
            | Self::InstallationPlan
            | Self::InstallationStart
            | Self::InstallationCheck
            | Self::InstallationFinish
            | Self::InstallationCancel
            | Self::InstallationReopen
            | Self::InstallationReferenceSet
            | Self::InstallationBulkRecord
            | Self::InstallationChecklistPublish => Policy::Needs(Permission::InstallationWrite),
            Self::BlockerOpen
            | Self::BlockerResolve
            | Self::BlockerCorrect
            | Self::BlockerBulkRecord => Policy::Needs(Permission::BlockerWrite),
        }
    }

    /// The root field of this name.
    pub fn named(operation: OperationType, name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|field| field.operation() == operation && field.name() == name)
    }
}

/// Why a caller may not call a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denial {
    /// Log in first.
    Unauthenticated,
    /// Not with these memberships.
    Forbidden,
}

/// May the actor call all these root fields? Introspection is open to everyone: the schema is published.
pub fn check(actor: &Actor, operation: OperationType, fields: &[String]) -> Result<(), Denial> {
    fields
        .iter()
        .filter(|name| !name.starts_with("__"))
        .try_for_each(|name| {
            let policy = RootField::named(operation, name).map(RootField::policy);
            check_one(actor, policy)
        })
}

fn check_one(actor: &Actor, policy: Option<Policy>) -> Result<(), Denial> {
    let anonymous = actor.identity == Identity::Anonymous;
    match policy {
        Some(Policy::Public) => Ok(()),
        Some(Policy::LoggedIn) if !anonymous => Ok(()),
        Some(Policy::Needs(permission)) if !anonymous && actor.may(permission) => Ok(()),
        Some(Policy::NeedsAny(any)) if !anonymous && any.iter().any(|one| actor.may(*one)) => {
            Ok(())
        }
        _ if anonymous => Err(Denial::Unauthenticated),
        _ => Err(Denial::Forbidden),
    }
}

/// The root fields of a schema, by its SDL, that have no policy.
pub fn unlisted(sdl: &str) -> Vec<String> {
    let Ok(document) = async_graphql::parser::parse_schema(sdl) else {
        return vec!["the schema can't be read".to_owned()];
    };
    let mut unlisted = Vec::new();
    for definition in document.definitions {
        use async_graphql::parser::types::{TypeKind, TypeSystemDefinition as Definition};
        let Definition::Type(definition) = definition else {
            continue;
        };
        let operation = match definition.node.name.node.as_str() {
            "Query" => OperationType::Query,
            "Mutation" => OperationType::Mutation,
            "Subscription" => OperationType::Subscription,
            _ => continue,
        };
        if let TypeKind::Object(object) = definition.node.kind {
            unlisted.extend(
                object
                    .fields
                    .into_iter()
                    .map(|field| field.node.name.node.to_string())
                    .filter(|name| RootField::named(operation, name).is_none()),
            );
        }
    }
    unlisted
}
