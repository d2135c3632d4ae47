//! The registry of hospitals, clinics and pharmacies: institution codes, kinds, places, names, chains and
//! vendors, and how they are found.

pub mod code;
pub mod columns;
pub mod entity;
pub mod graphql;
pub mod kind;
pub mod prefecture;
pub mod service;
pub mod text;

pub use code::{FeeTable, InstitutionCode, InstitutionCodeError};
pub use kind::FacilityKind;
pub use prefecture::{Bureau, Prefecture};
