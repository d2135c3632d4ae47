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

    /// Is nothing within reach?
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Any(clauses) if clauses.is_empty())
    }
}
