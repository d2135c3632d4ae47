//! What rows an actor may reach. A [`Scope`] is a union of clauses, one for each membership that gives
//! the permission asked for; `entity.rs` files turn it into SQL over `facility_state`, and nothing is
//! read without one.

use crate::{
    db::{FacilityId, OrganisationId},
    facility::Prefecture,
};

/// One way in which a facility can be within reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Clause {
    /// Facilities in these prefectures (a regional bureau).
    Prefectures(Vec<Prefecture>),
    /// Facilities that engage this vendor today.
    Vendor(OrganisationId),
    /// Facilities handed on to this support contractor today.
    Contractor(OrganisationId),
    /// Stores of this chain today.
    Chain(OrganisationId),
    /// Stores of this corporation of a chain today.
    Corporation(OrganisationId),
    /// Stores of this area of a chain today.
    Area(OrganisationId),
    /// One facility's own account.
    Facility(FacilityId),
}

/// The facilities within reach: all, or those that match one of the clauses. No clause: none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Every facility.
    All,
    /// Facilities that match one of these.
    Any(Vec<Clause>),
}

impl Clause {
    /// Is it by what facilities are and whom they engage, by which figures are kept?
    pub fn is_dimension(&self) -> bool {
        match self {
            Self::Prefectures(_) | Self::Vendor(_) | Self::Chain(_) => true,
            Self::Contractor(_) | Self::Corporation(_) | Self::Area(_) | Self::Facility(_) => false,
        }
    }

    /// Is it a way of those who only work for a facility, whose own work alone is theirs to see?
    pub fn is_work(&self) -> bool {
        matches!(self, Self::Vendor(_) | Self::Contractor(_))
    }
}

impl Scope {
    /// Nothing is within reach.
    pub const NONE: Self = Self::Any(Vec::new());

    /// Widens this scope by another.
    pub fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Any(mut mine), Self::Any(theirs)) => {
                for clause in theirs {
                    if !mine.contains(&clause) {
                        mine.push(clause);
                    }
                }
                Self::Any(mine)
            }
            _ => Self::All,
        }
    }

    /// What is within reach but for the ways of those who only work for a facility.
    #[must_use]
    pub fn but_for_work(&self) -> Self {
        match self {
            Self::All => Self::All,
            Self::Any(clauses) => {
                let clauses = clauses.iter().filter(|clause| !clause.is_work());
                Self::Any(clauses.cloned().collect())
            }
        }
    }

    /// What is within reach by what facilities are and whom they engage, and not one by one, as work that is handed on, or as stores of a part of a chain.
    #[must_use]
    pub fn by_dimension(&self) -> Self {
        match self {
            Self::All => Self::All,
            Self::Any(clauses) => {
                let clauses = clauses.iter().filter(|clause| clause.is_dimension());
                Self::Any(clauses.cloned().collect())
            }
        }
    }

    /// Is nothing within reach?
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Any(clauses) if clauses.is_empty())
    }
}
