//! The institution code (医療機関コード): the ten digits by which insurers, the Payment Fund and vendors name a facility.
//!
//! It is made of the prefecture (2 digits, JIS X 0401), the fee table (1 digit: 1 medical, 3 dental, 4 dispensing), six
//! digits of its own and a check digit. A value of [`InstitutionCode`] has passed all these checks, so whoever holds
//! one needs none. The check digit is modulus 10 with weights 2, 1, 2, 1… from the right, two-digit products split. It
//! covers the first nine digits; in prefectures 11 to 14 it covers only the six after the fee table, and there the
//! dental and dispensing tables are found in the wild with either.

use std::fmt;
use std::str::FromStr;

use super::prefecture::Prefecture;

/// The fee table (点数表) under which a facility bills, the third digit of its code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FeeTable {
    /// 医科, digit 1: hospitals and medical clinics.
    Medical,
    /// 歯科, digit 3: dental clinics.
    Dental,
    /// 調剤, digit 4: pharmacies.
    Dispensing,
}

impl FeeTable {
    /// The digit that stands for this table in an institution code.
    pub const fn digit(self) -> u8 {
        match self {
            Self::Medical => 1,
            Self::Dental => 3,
            Self::Dispensing => 4,
        }
    }

    /// The table behind a digit, if there is one in this rollout.
    pub const fn from_digit(digit: u8) -> Option<Self> {
        match digit {
            1 => Some(Self::Medical),
            3 => Some(Self::Dental),
            4 => Some(Self::Dispensing),
            _ => None,
        }
    }
}

/// Why a text is no institution code.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, thiserror::Error, serde::Serialize, serde::Deserialize,
)]
pub enum InstitutionCodeError {
    /// It doesn't have ten characters.
    #[error("an institution code has ten digits")]
    Length,
    /// It has something other than digits in it.
    #[error("an institution code has digits only")]
    Characters,
    /// Its first two digits are no prefecture of JIS X 0401.
    #[error("the first two digits are no prefecture")]
    UnknownPrefecture,
    /// Its third digit is no fee table that takes part.
    #[error("the third digit is no fee table (1 medical, 3 dental, 4 dispensing)")]
    UnknownFeeTable,
    /// Its last digit doesn't follow from the others: most likely a slip of typing.
    #[error("the check digit is wrong")]
    CheckDigit,
}

/// A valid institution code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InstitutionCode(u64);

/// Digits that an institution has to itself: six, before the check digit.
const BODIES: u64 = 1_000_000;

impl InstitutionCode {
    /// Builds a code from its parts and adds the check digit. Only the last six decimal digits of `body` count.
    pub fn with_check_digit(prefecture: Prefecture, fee_table: FeeTable, body: u32) -> Self {
        let body = u64::from(body) % BODIES;
        let head = u64::from(prefecture.number()) * 10 + u64::from(fee_table.digit());
        let nine = head * BODIES + body;
        let covered = if covers_body_only(prefecture) {
            body
        } else {
            nine
        };
        Self(nine * 10 + check_digit(covered))
    }

    /// Reads a code as people type it: surrounding space is dropped and full-width digits are folded.
    ///
    /// # Errors
    /// The first of the checks of [`InstitutionCodeError`] that fails, in its order.
    pub fn parse(text: &str) -> Result<Self, InstitutionCodeError> {
        let text = text.trim();
        if text.chars().count() != 10 {
            return Err(InstitutionCodeError::Length);
        }
        let value = text
            .chars()
            .try_fold(0_u64, |value, c| Some(value * 10 + digit_of(c)?))
            .ok_or(InstitutionCodeError::Characters)?;
        Self::try_from(value)
    }

    /// The prefecture in which the facility was designated.
    pub fn prefecture(self) -> Prefecture {
        two_digits(self.0 / 100_000_000).unwrap_or(Prefecture::FIRST)
    }

    /// The fee table under which it bills.
    pub fn fee_table(self) -> FeeTable {
        fee_table_of(self.0).unwrap_or(FeeTable::Medical)
    }

    /// The code as a number, as which it may be stored: ten decimal digits, of which the first may be 0.
    pub const fn number(self) -> u64 {
        self.0
    }
}

/// Reads a code stored as a number.
impl TryFrom<u64> for InstitutionCode {
    type Error = InstitutionCodeError;

    fn try_from(value: u64) -> Result<Self, Self::Error> {
        if value >= 10_000_000_000 {
            return Err(InstitutionCodeError::Length);
        }
        let prefecture =
            two_digits(value / 100_000_000).ok_or(InstitutionCodeError::UnknownPrefecture)?;
        let fee_table = fee_table_of(value).ok_or(InstitutionCodeError::UnknownFeeTable)?;
        let nine = value / 10;
        let by_body = check_digit(nine % BODIES);
        let by_nine = check_digit(nine);
        let given = value % 10;
        let right = match (covers_body_only(prefecture), fee_table) {
            (false, _) => given == by_nine,
            (true, FeeTable::Medical) => given == by_body,
            (true, FeeTable::Dental | FeeTable::Dispensing) => given == by_body || given == by_nine,
        };
        if right {
            Ok(Self(value))
        } else {
            Err(InstitutionCodeError::CheckDigit)
        }
    }
}

impl FromStr for InstitutionCode {
    type Err = InstitutionCodeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl fmt::Display for InstitutionCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:010}", self.0)
    }
}

/// Prefectures 11 (Saitama) to 14 (Kanagawa) compute the check digit without the prefecture and the fee table.
fn covers_body_only(prefecture: Prefecture) -> bool {
    (11..=14).contains(&prefecture.number())
}

/// Modulus 10, weights 2, 1, 2, 1… from the right, two-digit products split into their digits.
fn check_digit(mut digits: u64) -> u64 {
    let mut sum = 0;
    let mut doubled = true;
    while digits > 0 {
        let product = digits % 10 * if doubled { 2 } else { 1 };
        sum += product / 10 + product % 10;
        doubled = !doubled;
        digits /= 10;
    }
    (10 - sum % 10) % 10
}

fn digit_of(c: char) -> Option<u64> {
    let folded = match c {
        '０'..='９' => u32::from(c) - u32::from('０'),
        _ => c.to_digit(10)?,
    };
    Some(u64::from(folded))
}

fn two_digits(value: u64) -> Option<Prefecture> {
    u8::try_from(value).ok().and_then(Prefecture::from_number)
}

fn fee_table_of(value: u64) -> Option<FeeTable> {
    u8::try_from(value / 10_000_000 % 10)
        .ok()
        .and_then(FeeTable::from_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> InstitutionCodeError {
        InstitutionCode::parse(text).unwrap_err()
    }

    #[test]
    fn real_codes_pass_and_print_as_they_were_written() {
        for text in ["0110112489", "1110301762"] {
            assert_eq!(InstitutionCode::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_code_tells_its_prefecture_and_fee_table() {
        let sapporo: InstitutionCode = "0110112489".parse().unwrap();
        assert_eq!(
            (sapporo.prefecture().code().as_str(), sapporo.fee_table()),
            ("01", FeeTable::Medical)
        );
        let saitama: InstitutionCode = "1110301762".parse().unwrap();
        assert_eq!(
            (saitama.prefecture().number(), saitama.fee_table()),
            (11, FeeTable::Medical)
        );
    }

    #[test]
    fn full_width_digits_and_surrounding_space_are_folded() {
        assert_eq!(
            InstitutionCode::parse(" ０１１０１１２４８９\n"),
            InstitutionCode::parse("0110112489")
        );
    }

    #[test]
    fn nine_or_eleven_digits_are_refused() {
        assert_eq!(refused("011011248"), InstitutionCodeError::Length);
        assert_eq!(refused("01101124891"), InstitutionCodeError::Length);
        assert_eq!(refused(""), InstitutionCodeError::Length);
    }

    #[test]
    fn letters_and_digits_of_other_scripts_are_refused() {
        assert_eq!(refused("01101124A9"), InstitutionCodeError::Characters);
        assert_eq!(refused("0110-12489"), InstitutionCodeError::Characters);
        assert_eq!(refused("٠١١٠١١٢٤٨٩"), InstitutionCodeError::Characters);
    }

    #[test]
    fn unknown_prefectures_and_fee_tables_are_refused() {
        assert_eq!(
            refused("0010112489"),
            InstitutionCodeError::UnknownPrefecture
        );
        assert_eq!(
            refused("4810112489"),
            InstitutionCodeError::UnknownPrefecture
        );
        assert_eq!(refused("0120112489"), InstitutionCodeError::UnknownFeeTable);
    }

    #[test]
    fn every_wrong_check_digit_is_refused() {
        for last in ["0", "1", "2", "3", "4", "5", "6", "7", "8"] {
            assert_eq!(
                refused(&format!("011011248{last}")),
                InstitutionCodeError::CheckDigit
            );
        }
    }

    #[test]
    fn any_one_digit_changed_is_refused() {
        let right = "0110112489";
        for place in 0..10 {
            for digit in '0'..='9' {
                let changed: String = right
                    .chars()
                    .enumerate()
                    .map(|(at, c)| if at == place { digit } else { c })
                    .collect();
                assert_eq!(
                    InstitutionCode::parse(&changed).is_ok(),
                    changed == right,
                    "{changed}"
                );
            }
        }
    }

    #[test]
    fn in_prefectures_11_to_14_the_check_covers_the_body_alone() {
        for number in 11..=14 {
            let prefecture = Prefecture::from_number(number).unwrap();
            let code = InstitutionCode::with_check_digit(prefecture, FeeTable::Medical, 30_176);
            assert_eq!(code.to_string(), format!("{number}10301762"));
            assert_eq!(InstitutionCode::parse(&code.to_string()), Ok(code));
        }
        // Over nine digits 13 1 030176 would end in 5; the medical table refuses it.
        assert_eq!(check_digit(131_030_176), 5);
        assert_eq!(refused("1310301765"), InstitutionCodeError::CheckDigit);
    }

    #[test]
    fn in_prefectures_11_to_14_dental_and_dispensing_codes_pass_with_either_check_digit() {
        let (by_body, by_nine) = (check_digit(30_176), check_digit(133_030_176));
        assert_ne!(by_body, by_nine);
        for last in 0..10 {
            let accepted = InstitutionCode::parse(&format!("133030176{last}")).is_ok();
            assert_eq!(accepted, last == by_body || last == by_nine, "{last}");
        }
    }

    #[test]
    fn every_built_code_can_be_read_back() {
        for prefecture in Prefecture::all() {
            for table in [FeeTable::Medical, FeeTable::Dental, FeeTable::Dispensing] {
                for body in [0, 1, 123_456, 999_999] {
                    let code = InstitutionCode::with_check_digit(prefecture, table, body);
                    assert_eq!(InstitutionCode::parse(&code.to_string()), Ok(code));
                    assert_eq!((code.prefecture(), code.fee_table()), (prefecture, table));
                }
            }
        }
    }
}
