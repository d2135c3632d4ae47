//! What an event of a facility's history is about, and what happened to it.

use super::{Blocker, Milestone};

/// What an event is about. Codes are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Aspect {
    /// A milestone was reached or withdrawn.
    Milestone(Milestone),
    /// Opened; takes effect on the day of opening.
    Opened,
    /// Closed; the facility no longer counts from that day on.
    Closed,
    /// Its kind; `value` is the code.
    Kind,
    /// Its prefecture; `value` is the number.
    Prefecture,
    /// Whether it is a public institution; `value` is 0 or 1.
    PublicInstitution,
    /// The vendor it engages; `value` is the organisation, 0 for none.
    Vendor,
    /// The chain it belongs to; `value` is the organisation, 0 for none.
    Chain,
    /// The support contractor it is handed on to; `value` is the organisation, 0 for none.
    Contractor,
    /// The corporation of its chain that owns it; `value` is the organisation, 0 for none.
    Corporation,
    /// The area of its chain that it belongs to; `value` is the organisation, 0 for none.
    Area,
    /// A milestone's planned date; `effective_on` is that date.
    Plan(Milestone),
    /// Something holds it up from that day on, or, if withdrawn, no longer does.
    Blocker(Blocker),
    /// Its work order was opened, changed or ended.
    Installation,
    /// One of its applications was filed, or taken a step further, by those who may record this milestone.
    Application(Milestone),
    /// Hardware was allocated to it from somebody's stock, or went back.
    Allocation,
    /// Name, address or contacts were corrected.
    Contacts,
    /// A new institution code (succession 承継).
    Code,
}

impl Aspect {
    /// The aspects whose value is an organisation.
    pub const LINKS: [Self; 5] = [
        Self::Vendor,
        Self::Chain,
        Self::Contractor,
        Self::Corporation,
        Self::Area,
    ];

    const SINGLE: [Self; 14] = [
        Self::Opened,
        Self::Closed,
        Self::Kind,
        Self::Prefecture,
        Self::PublicInstitution,
        Self::Vendor,
        Self::Chain,
        Self::Contractor,
        Self::Corporation,
        Self::Area,
        Self::Installation,
        Self::Allocation,
        Self::Contacts,
        Self::Code,
    ];

    /// The stored code.
    pub fn code(self) -> i16 {
        match self {
            Self::Milestone(milestone) => milestone.code(),
            Self::Opened => 20,
            Self::Closed => 21,
            Self::Kind => 22,
            Self::Prefecture => 23,
            Self::PublicInstitution => 24,
            Self::Vendor => 25,
            Self::Chain => 26,
            Self::Contractor => 27,
            Self::Corporation => 28,
            Self::Area => 29,
            Self::Plan(milestone) => 30 + milestone.code(),
            Self::Contacts => 50,
            Self::Code => 51,
            Self::Installation => 52,
            Self::Allocation => 53,
            Self::Blocker(blocker) => 60 + blocker.code(),
            Self::Application(milestone) => 80 + milestone.code(),
        }
    }

    /// The aspect of a stored code.
    pub fn from_code(code: i16) -> Option<Self> {
        let milestones = Milestone::ALL.into_iter().map(Self::Milestone);
        let plans = Milestone::ALL.into_iter().map(Self::Plan);
        let blockers = Blocker::ALL.into_iter().map(Self::Blocker);
        let applications = Milestone::ALL.into_iter().map(Self::Application);
        milestones
            .chain(plans)
            .chain(applications)
            .chain(blockers)
            .chain(Self::SINGLE)
            .find(|aspect| aspect.code() == code)
    }
}

/// What happened to the aspect. Codes are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Action {
    /// The milestone was reached, or the blocker came up.
    Reached,
    /// It was taken back, or the blocker was resolved: from that day on it is no longer in effect.
    Withdrawn,
    /// The attribute took this value, or the plan this date.
    Set,
    /// An earlier event was a mistake: it never happened.
    Voided,
}

impl Action {
    /// All actions.
    pub const ALL: [Self; 4] = [Self::Reached, Self::Withdrawn, Self::Set, Self::Voided];

    /// The stored code.
    pub fn code(self) -> i16 {
        match self {
            Self::Reached => 0,
            Self::Withdrawn => 1,
            Self::Set => 2,
            Self::Voided => 3,
        }
    }

    /// The action of a stored code.
    pub fn from_code(code: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.code() == code)
    }
}
