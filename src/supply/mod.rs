//! Supply: which readers, PCs and routers there are, from whom, and for whom they are made.
//!
//! A model is its maker's, who keeps its entry; staff keep everyone's. Nothing is ever taken out of the catalogue: what is
//! no longer made is discontinued from a day, so that everything that was applied for or ordered keeps its name. What the
//! catalogue tells is public.

pub mod entity;
pub mod graphql;
mod problem;
pub mod service;

use async_graphql::Enum;
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

pub use problem::SupplyProblem;

use crate::{auth::OrganisationName, facility::FacilityKind};

/// What a piece of hardware is. Codes are stored.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, Enum,
)]
pub enum HardwareClass {
    /// A card reader that recognises faces (顔認証付きカードリーダー).
    Reader,
    /// The PC on which eligibility is looked up (資格確認端末).
    Pc,
    /// The router of the line.
    Router,
}

impl HardwareClass {
    /// All of them, in the order of their codes.
    pub const ALL: [Self; 3] = [Self::Reader, Self::Pc, Self::Router];

    /// The stored code.
    pub const fn code(self) -> i16 {
        match self {
            Self::Reader => 0,
            Self::Pc => 1,
            Self::Router => 2,
        }
    }

    /// The class of a stored code.
    pub fn from_code(code: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.code() == code)
    }
}

/// How a facility is connected to the network. Codes are stored.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, Enum,
)]
pub enum LineType {
    /// A line of a closed network (IP-VPN).
    IpVpn,
    /// A tunnel through the internet (IPsec with IKE).
    IpsecIke,
}

impl LineType {
    /// Both, in the order of their codes.
    pub const ALL: [Self; 2] = [Self::IpVpn, Self::IpsecIke];

    /// The stored code.
    pub const fn code(self) -> i16 {
        match self {
            Self::IpVpn => 0,
            Self::IpsecIke => 1,
        }
    }
}

/// A row of `hardware_model`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ModelId(pub i64);

/// What the catalogue says of a model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelEntry {
    /// What it is.
    pub class: HardwareClass,
    /// Its name.
    pub name: String,
    /// Its maker's number, of which its maker has no other.
    pub number: String,
    /// The kinds of facility that it is made for, in the order of their codes.
    pub kinds: Vec<FacilityKind>,
    /// The lines that it goes with, in the order of their codes; none for a reader, which has no line.
    pub lines: Vec<LineType>,
    /// The readers that go with it, in the order of their rows; none for what is no PC.
    pub readers: Vec<ModelId>,
    /// The day from which it is no longer made.
    pub discontinued_on: Option<NaiveDate>,
}

/// A model in the catalogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    /// Its row.
    pub id: ModelId,
    /// Who makes it.
    pub supplier: OrganisationName,
    /// What is said of it.
    pub entry: ModelEntry,
    /// Counts up with every change.
    pub version: i32,
}

#[cfg(test)]
mod tests {
    use async_graphql::resolver_utils::EnumType;

    use super::*;

    #[test]
    fn every_class_and_line_is_in_its_list_and_its_code_is_its_place() {
        assert_eq!(HardwareClass::ALL.len(), HardwareClass::items().len());
        for (class, code) in HardwareClass::ALL.into_iter().zip(0..) {
            assert_eq!(
                (class.code(), HardwareClass::from_code(code)),
                (code, Some(class))
            );
        }
        assert_eq!(LineType::ALL.len(), LineType::items().len());
        for (line, code) in LineType::ALL.into_iter().zip(0..) {
            assert_eq!(line.code(), code);
        }
    }
}
