//! The registry of hospitals, clinics and pharmacies: institution codes, kinds, places, names, chains and
//! vendors, and how they are found.

pub mod code;
pub mod entity;
pub mod kind;
pub mod prefecture;
pub mod service;
pub mod text;

pub use code::{FeeTable, InstitutionCode, InstitutionCodeError};
pub use kind::FacilityKind;
pub use prefecture::{Bureau, Prefecture};

impl Bureau {
    /// The number under which the bureau is stored. Stable for ever.
    pub fn code(self) -> i16 {
        Self::ALL
            .into_iter()
            .zip(0_i16..)
            .find(|(bureau, _)| *bureau == self)
            .map_or(0, |(_, code)| code)
    }

    /// The bureau stored under a number.
    pub fn from_code(code: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|bureau| bureau.code() == code)
    }
}
