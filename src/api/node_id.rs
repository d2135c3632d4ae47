//! Opaque global ids: the type's name and the row's id, in URL-safe base64. They say nothing that the
//! caller could not see anyway; what a caller may reach is decided by the scope, not by the id.

use async_graphql::ID;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

/// A global id, decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NodeId {
    /// The type.
    pub kind: NodeKind,
    /// The row.
    pub id: i64,
}

/// Types that can be reached by `node(id:)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NodeKind {
    /// A facility.
    Facility,
    /// An organisation.
    Organisation,
    /// A user.
    User,
    /// An event of a facility's history.
    Event,
    /// A service token.
    ServiceToken,
    /// An invitation.
    Invitation,
    /// A vendor or support contractor in the directory.
    Vendor,
    /// A work order.
    Installation,
    /// A change.
    Change,
    /// A proposal to a support contractor.
    Handover,
    /// A file of facilities.
    Sheet,
    /// A filter that somebody keeps.
    SavedFilter,
    /// A named plan of stores and dates.
    Wave,
    /// A model of a reader, a PC or a router.
    HardwareModel,
    /// An application.
    Application,
    /// An order of hardware.
    HardwareOrder,
    /// Units that were delivered together.
    HardwareLot,
}

impl NodeKind {
    /// All types.
    pub const ALL: [Self; 17] = [
        Self::Facility,
        Self::Organisation,
        Self::User,
        Self::Event,
        Self::ServiceToken,
        Self::Invitation,
        Self::Vendor,
        Self::Installation,
        Self::Change,
        Self::Handover,
        Self::Sheet,
        Self::SavedFilter,
        Self::Wave,
        Self::HardwareModel,
        Self::Application,
        Self::HardwareOrder,
        Self::HardwareLot,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Facility => "Facility",
            Self::Organisation => "Organisation",
            Self::User => "User",
            Self::Event => "Event",
            Self::ServiceToken => "ServiceToken",
            Self::Invitation => "Invitation",
            Self::Vendor => "Vendor",
            Self::Installation => "Installation",
            Self::Change => "ChangeRecord",
            Self::Handover => "Handover",
            Self::Sheet => "Sheet",
            Self::SavedFilter => "SavedFilter",
            Self::Wave => "Wave",
            Self::HardwareModel => "HardwareModel",
            Self::Application => "Application",
            Self::HardwareOrder => "HardwareOrder",
            Self::HardwareLot => "HardwareLot",
        }
    }
}

impl NodeId {
    /// The id of a row.
    pub fn new(kind: NodeKind, id: i64) -> Self {
        Self { kind, id }
    }

    /// As the API shows it.
    pub fn encode(self) -> ID {
        let text = format!("{}:{}", self.kind.name(), self.id);
        ID(BASE64_URL_SAFE_NO_PAD.encode(text))
    }

    /// What the API was given; `None` if it is no id of ours.
    pub fn decode(id: &ID) -> Option<Self> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(id.as_bytes()).ok()?;
        let (name, id) = std::str::from_utf8(&bytes).ok()?.split_once(':')?;
        let kind = NodeKind::ALL.into_iter().find(|kind| kind.name() == name)?;
        let id = id.parse().ok().filter(|id: &i64| *id > 0)?;
        Some(Self { kind, id })
    }

    /// The row's id, if it is one of this type.
    pub fn row_of(id: &ID, kind: NodeKind) -> Option<i64> {
        Self::decode(id)
            .filter(|node| node.kind == kind)
            .map(|node| node.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_and_anything_else_is_none() {
        for kind in NodeKind::ALL {
            let node = NodeId::new(kind, 42);
            assert_eq!(NodeId::decode(&node.encode()), Some(node));
        }
        for made_up in [
            "",
            "x",
            "RmFjaWxpdHk6",
            "RmFjaWxpdHk6LTE",
            "????",
            "RmFjaWxpdHk6MQ==",
        ] {
            assert_eq!(NodeId::decode(&ID(made_up.to_owned())), None, "{made_up}");
        }
    }
}
