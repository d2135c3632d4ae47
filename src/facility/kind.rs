//! The four kinds of facility (施設種別). Every published figure is broken down by them, in this order.

use serde::{Deserialize, Serialize};

use super::code::FeeTable;

/// What a facility is. The order is the one in which the ministry's report lists them.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    async_graphql::Enum,
)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum FacilityKind {
    /// 病院: twenty beds or more.
    Hospital,
    /// 医科診療所.
    MedicalClinic,
    /// 歯科診療所.
    DentalClinic,
    /// 薬局: pharmacies that dispense under health insurance.
    Pharmacy,
}

impl FacilityKind {
    /// All kinds, in the order of the report.
    pub const ALL: [Self; 4] = [
        Self::Hospital,
        Self::MedicalClinic,
        Self::DentalClinic,
        Self::Pharmacy,
    ];

    /// The number under which the kind is stored. Stable for ever.
    pub const fn code(self) -> i16 {
        match self {
            Self::Hospital => 0,
            Self::MedicalClinic => 1,
            Self::DentalClinic => 2,
            Self::Pharmacy => 3,
        }
    }

    /// The kind stored under a number.
    pub fn from_code(code: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }

    /// The name that Japanese users read.
    pub const fn label_ja(self) -> &'static str {
        match self {
            Self::Hospital => "病院",
            Self::MedicalClinic => "医科診療所",
            Self::DentalClinic => "歯科診療所",
            Self::Pharmacy => "薬局",
        }
    }

    /// The fee table under which the kind bills, which is part of its institution code.
    pub const fn fee_table(self) -> FeeTable {
        match self {
            Self::Hospital | Self::MedicalClinic => FeeTable::Medical,
            Self::DentalClinic => FeeTable::Dental,
            Self::Pharmacy => FeeTable::Dispensing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_found_by_its_code_and_no_other_number_is_a_kind() {
        for kind in FacilityKind::ALL {
            assert_eq!(FacilityKind::from_code(kind.code()), Some(kind));
        }
        assert_eq!(FacilityKind::ALL.map(FacilityKind::code), [0, 1, 2, 3]);
        assert_eq!(FacilityKind::from_code(4), None);
        assert_eq!(FacilityKind::from_code(-1), None);
    }

    #[test]
    fn kinds_are_serialised_as_the_api_spells_them() {
        let spelled = serde_json::to_string(&FacilityKind::ALL).unwrap();
        assert_eq!(
            spelled,
            r#"["HOSPITAL","MEDICAL_CLINIC","DENTAL_CLINIC","PHARMACY"]"#
        );
    }

    #[test]
    fn kinds_bill_under_the_tables_1_1_3_and_4() {
        assert_eq!(
            FacilityKind::ALL.map(|kind| kind.fee_table().digit()),
            [1, 1, 3, 4]
        );
    }
}
