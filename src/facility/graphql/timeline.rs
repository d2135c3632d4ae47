//! A facility's timeline: what happened to it, in whose name, and what was later said to be a mistake.

use async_graphql::{ID, SimpleObject};
use chrono::{DateTime, Utc};

use super::{
    PrefectureName,
    types::{OrganisationSummary, summary},
};
use crate::{
    api::{Date, NodeId, node_id::NodeKind},
    auth::Identity,
    change::Source,
    facility::FacilityKind,
    milestone::{Action, Aspect, Blocker, Milestone, entity::TimelineRow},
};

/// What happened, in a facility's timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, async_graphql::Enum)]
pub enum TimelineEventKind {
    /// A milestone was reached.
    MilestoneReached,
    /// A milestone was taken back.
    MilestoneWithdrawn,
    /// A milestone was planned for `effectiveOn`.
    MilestonePlanned,
    /// A milestone is no longer planned.
    MilestonePlanDropped,
    /// Something holds the facility up.
    BlockerOpened,
    /// It no longer does.
    BlockerResolved,
    /// The facility opened.
    Opened,
    /// The facility closed.
    Closed,
    /// Its kind was set or changed.
    KindSet,
    /// Its prefecture was set or changed.
    PrefectureSet,
    /// It became, or ceased to be, a public institution.
    PublicInstitutionSet,
    /// It engaged a vendor, or ended that.
    VendorSet,
    /// It joined a chain, or left it.
    ChainSet,
    /// It was handed on to a support contractor, or back.
    ContractorSet,
    /// It went to a corporation of its chain, or to none.
    CorporationSet,
    /// It went to an area of its chain, or to none.
    AreaSet,
    /// Its work order was opened, changed or ended.
    InstallationChanged,
    /// One of its applications was filed, or went a step further.
    ApplicationChanged,
    /// Hardware was allocated to it from somebody's stock, or went back.
    AllocationChanged,
    /// Its name, address or contacts were corrected.
    ContactsUpdated,
    /// It got a new institution code.
    CodeSucceeded,
}

/// How an actor came to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, async_graphql::Enum)]
pub enum ActorKind {
    /// Someone without an account.
    Anonymous,
    /// A person.
    User,
    /// A system with a service token.
    ServiceToken,
    /// The operator or a background job.
    System,
}

/// An entry of a facility's history.
#[derive(Clone, Debug, SimpleObject)]
pub struct TimelineEntry {
    /// Global id of the event; a correction names it.
    id: ID,
    /// What happened.
    kind: TimelineEventKind,
    /// Which milestone, if it is about one.
    milestone: Option<Milestone>,
    /// What holds the facility up or no longer does, if it is about that.
    blocker: Option<Blocker>,
    /// The civil day (JST) on which it took effect.
    effective_on: Date,
    /// When it was recorded.
    recorded_at: DateTime<Utc>,
    /// In whose name it was recorded; null for the operator, and where one request wrote to facilities of several
    /// organisations.
    organisation: Option<OrganisationSummary>,
    /// How whoever recorded it came to us.
    actor_kind: ActorKind,
    /// Where it came from.
    source: Source,
    /// The writer's remark.
    note: Option<String>,
    /// The vendor, chain or support contractor that it sets; null for another event, and if the link ended.
    organisation_set: Option<OrganisationSummary>,
    /// The kind that it sets; null for another event.
    facility_kind: Option<FacilityKind>,
    /// The prefecture that it sets; null for another event.
    prefecture: Option<PrefectureName>,
    /// Whether it makes the facility a public institution, or no longer one; null for another event.
    public_institution: Option<bool>,
    /// The institution code that it gives the facility; null for another event.
    code: Option<String>,
    /// A later correction says that it never happened.
    voided: bool,
    /// That correction; null if there is none.
    voided_by: Option<Correction>,
}

/// A correction that says of a record that it never happened.
#[derive(Clone, Debug, SimpleObject)]
pub struct Correction {
    /// When it was recorded.
    recorded_at: DateTime<Utc>,
    /// In whose name it was recorded; null for the operator, and where one request wrote to facilities of several
    /// organisations.
    organisation: Option<OrganisationSummary>,
    /// The writer's remark.
    note: Option<String>,
}

impl From<&Identity> for ActorKind {
    fn from(identity: &Identity) -> Self {
        match identity {
            Identity::Anonymous => Self::Anonymous,
            Identity::User(_) => Self::User,
            Identity::ServiceToken(_) => Self::ServiceToken,
            Identity::System => Self::System,
        }
    }
}

/// An event as the API shows it.
pub fn timeline_entry(row: &TimelineRow) -> TimelineEntry {
    use TimelineEventKind as Kind;
    let event = &row.event;
    let withdrawn = event.action == Action::Withdrawn;
    let (kind, milestone) = match event.aspect {
        Aspect::Milestone(milestone) if withdrawn => (Kind::MilestoneWithdrawn, Some(milestone)),
        Aspect::Milestone(milestone) => (Kind::MilestoneReached, Some(milestone)),
        Aspect::Plan(milestone) if withdrawn => (Kind::MilestonePlanDropped, Some(milestone)),
        Aspect::Plan(milestone) => (Kind::MilestonePlanned, Some(milestone)),
        Aspect::Blocker(_) if withdrawn => (Kind::BlockerResolved, None),
        Aspect::Blocker(_) => (Kind::BlockerOpened, None),
        Aspect::Opened => (Kind::Opened, None),
        Aspect::Closed => (Kind::Closed, None),
        Aspect::Kind => (Kind::KindSet, None),
        Aspect::Prefecture => (Kind::PrefectureSet, None),
        Aspect::PublicInstitution => (Kind::PublicInstitutionSet, None),
        Aspect::Vendor => (Kind::VendorSet, None),
        Aspect::Chain => (Kind::ChainSet, None),
        Aspect::Contractor => (Kind::ContractorSet, None),
        Aspect::Corporation => (Kind::CorporationSet, None),
        Aspect::Area => (Kind::AreaSet, None),
        Aspect::Installation => (Kind::InstallationChanged, None),
        Aspect::Application(_) => (Kind::ApplicationChanged, None),
        Aspect::Allocation => (Kind::AllocationChanged, None),
        Aspect::Contacts => (Kind::ContactsUpdated, None),
        Aspect::Code => (Kind::CodeSucceeded, None),
    };
    TimelineEntry {
        id: NodeId::new(NodeKind::Event, event.id.map_or(0, |id| id.0)).encode(),
        kind,
        milestone,
        blocker: match event.aspect {
            Aspect::Blocker(blocker) => Some(blocker),
            _ => None,
        },
        effective_on: event.effective_on.into(),
        recorded_at: row.recorded_at,
        organisation: row.organisation.as_ref().map(summary),
        actor_kind: (&row.identity).into(),
        source: row.source,
        note: event.note.clone(),
        organisation_set: row.linked.as_ref().map(summary),
        facility_kind: event.kind(),
        prefecture: event.prefecture().map(PrefectureName::from),
        public_institution: event.public_institution(),
        code: event.code().map(|code| code.to_string()),
        voided: row.voided_by.is_some(),
        voided_by: row.voided_by.as_ref().map(|by| Correction {
            recorded_at: by.recorded_at,
            organisation: by.organisation.as_ref().map(summary),
            note: by.note.clone(),
        }),
    }
}
