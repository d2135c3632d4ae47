//! Vendors and support contractors as those who look for one find them: where they work, which systems they know, how
//! to reach them, and whether they take on work at present.
//!
//! Every organisation of these kinds stands in the directory from its first day, with its name alone until somebody
//! tells more. What it tells is public, so nothing here says whose facilities it has.

pub mod entity;
pub mod graphql;
pub mod service;

use async_graphql::Enum;
use serde::{Deserialize, Serialize};

use crate::{auth::OrganisationKind, db::OrganisationId, facility::Prefecture};

/// Who stands in the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum VendorKind {
    /// A vendor (システム事業者).
    Vendor,
    /// A support contractor (導入支援業者).
    SupportContractor,
}

impl VendorKind {
    /// Both kinds.
    pub const ALL: [Self; 2] = [Self::Vendor, Self::SupportContractor];

    /// The kind of organisation that it is.
    pub fn organisation_kind(self) -> OrganisationKind {
        match self {
            Self::Vendor => OrganisationKind::Vendor,
            Self::SupportContractor => OrganisationKind::SupportContractor,
        }
    }

    /// Whether an organisation of this kind stands in the directory, and as what.
    pub fn of(kind: OrganisationKind) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|one| one.organisation_kind() == kind)
    }
}

/// Where somebody can be reached.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContactPoint {
    /// What for, or who answers.
    pub label: String,
    /// A telephone number.
    pub phone: Option<String>,
    /// A mail address.
    pub email: Option<String>,
    /// A page.
    pub url: Option<String>,
}

/// What an organisation tells of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// Whether it takes on work at present; `None` while it has not said.
    pub accepts_work: Option<bool>,
    /// A few sentences.
    pub introduction: String,
    /// Where it works, in the order of the prefectures' codes.
    pub areas: Vec<Prefecture>,
    /// The systems that it knows, in its own order.
    pub systems: Vec<String>,
    /// How to reach it, in its own order.
    pub contacts: Vec<ContactPoint>,
}

/// An organisation in the directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vendor {
    /// Its row.
    pub id: OrganisationId,
    /// What it is.
    pub kind: VendorKind,
    /// Its name.
    pub name: String,
    /// Its name in kana.
    pub name_kana: String,
    /// What it tells.
    pub profile: Profile,
    /// How often it has told something; 0 for one that has told nothing yet.
    pub version: i32,
}

/// What is to be told; what is not given stays.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ProfilePatch {
    /// Whether it takes on work at present.
    pub accepts_work: Option<bool>,
    /// A few sentences.
    pub introduction: Option<String>,
    /// Where it works.
    pub areas: Option<Vec<Prefecture>>,
    /// The systems that it knows.
    pub systems: Option<Vec<String>>,
    /// How to reach it.
    pub contacts: Option<Vec<ContactPoint>>,
}

/// What is wrong with an update, and where in the input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slip {
    /// Names and positions below the input, outermost first.
    pub path: Vec<String>,
    /// What is wrong there.
    pub wrong: Wrong,
}

/// What can be wrong with an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Wrong {
    /// No such organisation in the directory.
    NotFound,
    /// It is another's.
    Forbidden,
    /// Somebody changed it since it was read.
    StaleVersion {
        /// Its version now.
        current: i32,
    },
    /// Nothing is given where something is needed.
    Missing,
    /// A contact point without a way to get in touch.
    NoWay,
    /// Longer than this many characters, or with characters that can't be stored.
    BadText {
        /// How many may be.
        most: usize,
    },
    /// A longer list than this.
    TooMany {
        /// How many may be.
        most: usize,
    },
    /// It stands earlier in the list already.
    Repeated,
    /// Not a mail address.
    BadEmail,
    /// Not the address of a page, which begins with https:// or http://.
    BadUrl,
}

impl Wrong {
    /// Says where it is wrong.
    pub fn at<const N: usize>(self, path: [&str; N]) -> Slip {
        Slip {
            path: path.map(str::to_owned).to_vec(),
            wrong: self,
        }
    }
}
