//! Who is asking. An [`Actor`] is made once for each request from a verified token and the current
//! memberships, and is handed to every use case; permissions follow from the kind of organisation and
//! the role in it, by one table ([`allows`]).

use async_graphql::Enum;
use serde::{Deserialize, Serialize};

use super::scope::{Clause, Scope};
use crate::{
    db::{FacilityId, OrganisationId, UserId},
    facility::Bureau,
};

/// What an organisation is in the rollout.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, Enum,
)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OrganisationKind {
    /// A vendor (システム事業者).
    Vendor,
    /// A support contractor (導入支援業者).
    SupportContractor,
    /// The ministry (厚生労働省).
    Ministry,
    /// A regional bureau (地方厚生局).
    RegionalBureau,
    /// The Payment Fund (支払基金).
    PaymentFund,
    /// A chain's head office.
    Chain,
    /// One facility's own account.
    Facility,
    /// A maker of PCs, routers or readers.
    Supplier,
    /// Reads everything, writes nothing.
    Auditor,
    /// A corporation (法人) that owns stores of a chain.
    Corporation,
    /// An area (エリア) of a chain, with its manager.
    Area,
}

impl OrganisationKind {
    /// All kinds, in the order of their codes.
    pub const ALL: [Self; 11] = [
        Self::Vendor,
        Self::SupportContractor,
        Self::Ministry,
        Self::RegionalBureau,
        Self::PaymentFund,
        Self::Chain,
        Self::Facility,
        Self::Supplier,
        Self::Auditor,
        Self::Corporation,
        Self::Area,
    ];

    /// The code kept in the database.
    pub fn code(self) -> i16 {
        match self {
            Self::Vendor => 0,
            Self::SupportContractor => 1,
            Self::Ministry => 2,
            Self::RegionalBureau => 3,
            Self::PaymentFund => 4,
            Self::Chain => 5,
            Self::Facility => 6,
            Self::Supplier => 7,
            Self::Auditor => 8,
            Self::Corporation => 9,
            Self::Area => 10,
        }
    }

    /// The kind of a stored code.
    pub fn from_code(code: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }

    /// Is it a part of a chain?
    pub fn is_part_of_chain(self) -> bool {
        matches!(self, Self::Corporation | Self::Area)
    }
}

/// What a member may do in the name of the organisation. A later role may do all that an earlier one may.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, Enum,
)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Role {
    /// Reads.
    Viewer,
    /// Reads, and files for a chain or its corporation (取りまとめ者): applications, in its name. Whoever is delegated to
    /// need not be of its people.
    Filer,
    /// Reads and writes.
    Editor,
    /// Reads, writes and manages members.
    Admin,
}

impl Role {
    /// All roles, weakest first.
    pub const ALL: [Self; 4] = [Self::Viewer, Self::Filer, Self::Editor, Self::Admin];

    /// The code kept in the database.
    pub fn code(self) -> i16 {
        match self {
            Self::Viewer => 0,
            Self::Editor => 1,
            Self::Admin => 2,
            Self::Filer => 3,
        }
    }

    /// The role of a stored code.
    pub fn from_code(code: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.code() == code)
    }

    /// Is there such a role in an organisation of this kind?
    pub fn is_in(self, kind: OrganisationKind) -> bool {
        self != Self::Filer
            || matches!(
                kind,
                OrganisationKind::Chain | OrganisationKind::Corporation
            )
    }
}

/// Something that a membership or a service token may permit.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, Enum,
)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Permission {
    /// See facilities in scope, their history and their changes.
    FacilityRead,
    /// Register, close, reclassify and succeed facilities.
    RegistryWrite,
    /// Correct a facility's name, address and contacts, and keep one's own reference for it.
    ContactWrite,
    /// Engage a vendor or join a chain, or end it.
    LinkWrite,
    /// Hand facilities on to a support contractor, or end it. LINK_WRITE of a service token includes it.
    HandOn,
    /// Record, plan, withdraw and correct milestones but for applications.
    MilestoneWrite,
    /// Record, plan, withdraw and correct applications: READER_APPLIED and USE_APPLIED. MILESTONE_WRITE of a service
    /// token includes it.
    ApplicationWrite,
    /// Tell what holds a facility up, and when it no longer does.
    BlockerWrite,
    /// Open, plan, tick off and end work orders.
    InstallationWrite,
    /// Read figures, within the scope.
    FiguresRead,
    /// Invite, change and remove members, make service tokens.
    MembersManage,
    /// Issue account codes to people whose identity was checked, export claim letters.
    AccountsHelp,
    /// Create organisations.
    OrganisationWrite,
    /// See users and organisations beyond one's own.
    DirectoryRead,
    /// Keep what one's own organisation tells in the directory of vendors; staff keep everyone's.
    VendorWrite,
    /// Confirm in the name of one's own vendor or chain how far its records are complete, pledge what it can install and
    /// answer what it is asked each month.
    ReportWrite,
    /// Keep what the catalogue says of one's own hardware; staff keep everyone's.
    SupplyWrite,
    /// See the orders and the stock of one's own organisation; staff see everyone's.
    OrderRead,
    /// Place orders, record what happens to them, and allocate what arrived.
    OrderWrite,
}

impl Permission {
    /// All permissions, in the order in which they are printed.
    pub const ALL: [Self; 19] = [
        Self::FacilityRead,
        Self::RegistryWrite,
        Self::ContactWrite,
        Self::LinkWrite,
        Self::HandOn,
        Self::MilestoneWrite,
        Self::ApplicationWrite,
        Self::BlockerWrite,
        Self::InstallationWrite,
        Self::FiguresRead,
        Self::MembersManage,
        Self::AccountsHelp,
        Self::OrganisationWrite,
        Self::DirectoryRead,
        Self::VendorWrite,
        Self::ReportWrite,
        Self::SupplyWrite,
        Self::OrderRead,
        Self::OrderWrite,
    ];

    /// The name kept in the database and shown by the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::FacilityRead => "FACILITY_READ",
            Self::RegistryWrite => "REGISTRY_WRITE",
            Self::ContactWrite => "CONTACT_WRITE",
            Self::LinkWrite => "LINK_WRITE",
            Self::HandOn => "HAND_ON",
            Self::MilestoneWrite => "MILESTONE_WRITE",
            Self::ApplicationWrite => "APPLICATION_WRITE",
            Self::BlockerWrite => "BLOCKER_WRITE",
            Self::InstallationWrite => "INSTALLATION_WRITE",
            Self::FiguresRead => "FIGURES_READ",
            Self::MembersManage => "MEMBERS_MANAGE",
            Self::AccountsHelp => "ACCOUNTS_HELP",
            Self::OrganisationWrite => "ORGANISATION_WRITE",
            Self::DirectoryRead => "DIRECTORY_READ",
            Self::VendorWrite => "VENDOR_WRITE",
            Self::ReportWrite => "REPORT_WRITE",
            Self::SupplyWrite => "SUPPLY_WRITE",
            Self::OrderRead => "ORDER_READ",
            Self::OrderWrite => "ORDER_WRITE",
        }
    }

    /// Only for people: what makes members, accounts or organisations would outlive a service token that was
    /// revoked, and whose identity was checked is a person's word.
    pub fn needs_a_person(self) -> bool {
        match self {
            Self::MembersManage | Self::AccountsHelp | Self::OrganisationWrite => true,
            Self::FacilityRead
            | Self::RegistryWrite
            | Self::ContactWrite
            | Self::LinkWrite
            | Self::HandOn
            | Self::MilestoneWrite
            | Self::ApplicationWrite
            | Self::BlockerWrite
            | Self::InstallationWrite
            | Self::FiguresRead
            | Self::DirectoryRead
            | Self::VendorWrite
            | Self::ReportWrite
            | Self::SupplyWrite
            | Self::OrderRead
            | Self::OrderWrite => false,
        }
    }

    /// The permission of a stored name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|permission| permission.name() == name)
    }
}

/// How the actor came to us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// Without a token: sees what is public.
    Anonymous,
    /// A person.
    User(UserId),
    /// A vendor's own system, in the name of its organisation.
    ServiceToken(i64),
    /// The operator at the command line, or a background job.
    System,
}

/// The language of messages to this actor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize, Enum)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Language {
    /// Japanese (日本語).
    #[default]
    Ja,
    /// English.
    En,
}

impl Language {
    /// Both languages.
    pub const ALL: [Self; 2] = [Self::Ja, Self::En];

    /// The code kept in the database.
    pub fn code(self) -> i16 {
        match self {
            Self::Ja => 0,
            Self::En => 1,
        }
    }

    /// The language of a stored code.
    pub fn from_code(code: i16) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|language| language.code() == code)
    }
}

/// One membership, as it stands now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The organisation in whose name the actor may act.
    pub organisation: OrganisationId,
    /// What that organisation is.
    pub kind: OrganisationKind,
    /// The role in it.
    pub role: Role,
    /// Set for a regional bureau.
    pub bureau: Option<Bureau>,
    /// Set for a facility's own account.
    pub facility: Option<FacilityId>,
}

/// Who is asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// How the actor came to us.
    pub identity: Identity,
    /// Memberships as they stand now.
    pub grants: Vec<Grant>,
    /// A service token's own limits; `None` for people, whose roles decide.
    pub token_permissions: Option<Vec<Permission>>,
    /// The language of messages.
    pub language: Language,
}

impl Actor {
    /// Someone without a token.
    pub fn anonymous(language: Language) -> Self {
        Self {
            identity: Identity::Anonymous,
            grants: Vec::new(),
            token_permissions: None,
            language,
        }
    }

    /// The operator or a background job: every permission over every facility.
    pub fn system() -> Self {
        Self {
            identity: Identity::System,
            grants: Vec::new(),
            token_permissions: None,
            language: Language::Ja,
        }
    }

    /// May the actor do this anywhere at all?
    pub fn may(&self, permission: Permission) -> bool {
        self.identity == Identity::System
            || (self.token_allows(permission)
                && self
                    .grants
                    .iter()
                    .any(|grant| allows(grant.kind, grant.role, permission)))
    }

    /// The facilities over which the actor has this permission.
    pub fn scope(&self, permission: Permission) -> Scope {
        self.scope_of(permission, |_| true)
    }

    /// The facilities over which the actor has this permission by a membership that fits.
    pub fn scope_of(&self, permission: Permission, fits: impl Fn(&Grant) -> bool) -> Scope {
        if self.identity == Identity::System {
            return Scope::All;
        }
        self.grants_with(permission)
            .filter(|grant| fits(grant))
            .map(Grant::reach)
            .fold(Scope::NONE, Scope::or)
    }

    /// The memberships that give this permission, in their order.
    pub fn grants_with(&self, permission: Permission) -> impl Iterator<Item = &Grant> {
        self.grants.iter().filter(move |grant| {
            self.token_allows(permission) && allows(grant.kind, grant.role, permission)
        })
    }

    /// The organisations in whose name the actor has this permission, in the order of the memberships.
    pub fn organisations_with(&self, permission: Permission) -> Vec<OrganisationId> {
        self.grants_with(permission)
            .map(|grant| grant.organisation)
            .collect()
    }

    /// The organisation in whose name the actor does what is about no facility in particular: the first that gives
    /// the permission.
    pub fn acting_for(&self, permission: Permission) -> Option<OrganisationId> {
        self.grants_with(permission)
            .next()
            .map(|grant| grant.organisation)
    }

    /// The organisation in whose name the actor writes all this: the first that gives the permission and covers every
    /// part. None if no single one does: a request over the facilities of two vendors is in the name of neither, lest
    /// a facility's timeline names an organisation that has nothing to do with it.
    pub fn acting_over<T>(
        &self,
        permission: Permission,
        written: &[T],
        covers: impl Fn(&Grant, &T) -> bool,
    ) -> Option<OrganisationId> {
        self.grants_with(permission)
            .find(|grant| written.iter().all(|part| covers(grant, part)))
            .map(|grant| grant.organisation)
    }

    /// May the actor do this in the name of this organisation?
    pub fn may_in(&self, organisation: OrganisationId, permission: Permission) -> bool {
        self.identity == Identity::System
            || (self.token_allows(permission)
                && self.grants.iter().any(|grant| {
                    grant.organisation == organisation && allows(grant.kind, grant.role, permission)
                }))
    }

    /// Is the actor a member of this organisation, in whatever role?
    pub fn belongs_to(&self, organisation: OrganisationId) -> bool {
        self.grants
            .iter()
            .any(|grant| grant.organisation == organisation)
    }

    /// The person, if the actor is one.
    pub fn user(&self) -> Option<UserId> {
        match self.identity {
            Identity::User(user) => Some(user),
            _ => None,
        }
    }

    fn token_allows(&self, permission: Permission) -> bool {
        self.token_permissions.as_ref().is_none_or(|permissions| {
            // Tokens were made for every kind of link before handing on was told from the others, and for every milestone
            // before applications were.
            let wider = match permission {
                Permission::HandOn => Some(Permission::LinkWrite),
                Permission::ApplicationWrite => Some(Permission::MilestoneWrite),
                _ => None,
            };
            let included = wider.is_some_and(|wider| permissions.contains(&wider));
            (included || permissions.contains(&permission)) && !permission.needs_a_person()
        })
    }
}

impl Grant {
    /// The facilities that this membership reaches.
    pub fn reach(&self) -> Scope {
        use OrganisationKind as Kind;
        let clause = match self.kind {
            Kind::Ministry | Kind::PaymentFund | Kind::Auditor => return Scope::All,
            Kind::Supplier => return Scope::NONE,
            Kind::Vendor => Clause::Vendor(self.organisation),
            Kind::SupportContractor => Clause::Contractor(self.organisation),
            Kind::Chain => Clause::Chain(self.organisation),
            Kind::Corporation => Clause::Corporation(self.organisation),
            Kind::Area => Clause::Area(self.organisation),
            Kind::RegionalBureau => match self.bureau {
                Some(bureau) => Clause::Prefectures(bureau.prefectures().collect()),
                None => return Scope::NONE,
            },
            Kind::Facility => match self.facility {
                Some(facility) => Clause::Facility(facility),
                None => return Scope::NONE,
            },
        };
        Scope::Any(vec![clause])
    }
}

/// May a member in this role of an organisation of this kind do this? `docs/authorization.md` is printed from it.
pub fn allows(kind: OrganisationKind, role: Role, permission: Permission) -> bool {
    least_role(kind, permission).is_some_and(|least| role >= least)
}

/// The one table of who may do what: the least role that has a permission. Whatever a kind is not given here, it
/// may not do.
fn least_role(kind: OrganisationKind, permission: Permission) -> Option<Role> {
    use OrganisationKind as Kind;
    use Permission as May;
    match kind {
        Kind::Ministry | Kind::PaymentFund => match permission {
            May::FacilityRead | May::FiguresRead | May::DirectoryRead | May::OrderRead => {
                Some(Role::Viewer)
            }
            May::RegistryWrite
            | May::ContactWrite
            | May::LinkWrite
            | May::HandOn
            | May::MilestoneWrite
            | May::ApplicationWrite
            | May::BlockerWrite
            | May::InstallationWrite
            | May::AccountsHelp
            | May::VendorWrite
            | May::SupplyWrite
            | May::OrderWrite => Some(Role::Editor),
            May::MembersManage | May::OrganisationWrite => Some(Role::Admin),
            // Only those who report know whether they have.
            May::ReportWrite => None,
        },
        Kind::Vendor | Kind::SupportContractor => match permission {
            May::FacilityRead | May::FiguresRead | May::OrderRead => Some(Role::Viewer),
            May::ContactWrite
            | May::MilestoneWrite
            | May::BlockerWrite
            | May::InstallationWrite
            | May::OrderWrite
            | May::VendorWrite => Some(Role::Editor),
            // The work is the vendor's: whom it was handed on to hands it on to nobody.
            May::HandOn | May::ReportWrite if kind == Kind::Vendor => Some(Role::Editor),
            May::MembersManage => Some(Role::Admin),
            _ => None,
        },
        Kind::Chain | Kind::Corporation | Kind::Facility => match permission {
            May::FacilityRead | May::FiguresRead | May::OrderRead => Some(Role::Viewer),
            // Whoever files for a chain may do no more.
            May::ApplicationWrite => Some(Role::Filer),
            May::ContactWrite
            | May::LinkWrite
            | May::HandOn
            | May::MilestoneWrite
            | May::BlockerWrite
            | May::InstallationWrite
            | May::OrderWrite => Some(Role::Editor),
            May::ReportWrite if kind == Kind::Chain => Some(Role::Editor),
            May::MembersManage => Some(Role::Admin),
            _ => None,
        },
        // Whose stores are whose, and whom they engage, is for the head office and the corporations.
        Kind::Area => match permission {
            May::FacilityRead | May::FiguresRead => Some(Role::Viewer),
            May::ContactWrite
            | May::MilestoneWrite
            | May::BlockerWrite
            | May::InstallationWrite => Some(Role::Editor),
            May::MembersManage => Some(Role::Admin),
            _ => None,
        },
        Kind::RegionalBureau => match permission {
            May::FacilityRead | May::FiguresRead => Some(Role::Viewer),
            May::ContactWrite | May::BlockerWrite => Some(Role::Editor),
            May::MembersManage => Some(Role::Admin),
            _ => None,
        },
        Kind::Supplier => match permission {
            May::OrderRead => Some(Role::Viewer),
            May::SupplyWrite | May::OrderWrite => Some(Role::Editor),
            May::MembersManage => Some(Role::Admin),
            _ => None,
        },
        Kind::Auditor => match permission {
            May::FacilityRead | May::FiguresRead | May::DirectoryRead | May::OrderRead => {
                Some(Role::Viewer)
            }
            May::MembersManage => Some(Role::Admin),
            _ => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::resolver_utils::EnumType;

    use super::*;

    /// The schema knows every variant; what is missing here could be stored and never be read again.
    #[test]
    fn every_kind_role_and_permission_is_in_its_list_and_reads_back() {
        assert_eq!(OrganisationKind::ALL.len(), OrganisationKind::items().len());
        for kind in OrganisationKind::ALL {
            assert_eq!(OrganisationKind::from_code(kind.code()), Some(kind));
        }
        assert_eq!(Role::ALL.len(), Role::items().len());
        for role in Role::ALL {
            assert_eq!(Role::from_code(role.code()), Some(role));
        }
        assert_eq!(Permission::ALL.len(), Permission::items().len());
        for permission in Permission::ALL {
            assert_eq!(Permission::from_name(permission.name()), Some(permission));
        }
    }
}
