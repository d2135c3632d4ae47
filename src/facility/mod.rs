//! Facilities: the hospitals, clinics and pharmacies that the rollout equips. This folder holds what a facility *is*:
//! its institution code, its kind, and the prefecture and regional bureau it belongs to.

pub mod code;
pub mod kind;
pub mod prefecture;

pub use code::{FeeTable, InstitutionCode, InstitutionCodeError};
pub use kind::FacilityKind;
pub use prefecture::{Bureau, Prefecture};
