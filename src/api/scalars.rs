//! Scalars of our own.

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};
use chrono::NaiveDate;

use crate::app::Month;

/// A civil date in Japan (JST), as ISO 8601 writes it: `2021-12-19`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date(pub NaiveDate);

/// A civil date in Japan (JST), as ISO 8601 writes it: `2021-12-19`.
#[Scalar(specified_by_url = "https://scalars.graphql.org/andimarek/local-date.html")]
impl ScalarType for Date {
    fn parse(value: Value) -> InputValueResult<Self> {
        let Value::String(text) = &value else {
            return Err(InputValueError::expected_type(value));
        };
        read(text)
            .map(Self)
            .ok_or_else(|| InputValueError::custom("a date is written YYYY-MM-DD"))
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_string())
    }
}

/// A month of the civil calendar in Japan, as ISO 8601 writes it: `2021-12`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct YearMonth(pub Month);

/// A month of the civil calendar in Japan, as ISO 8601 writes it: `2021-12`.
#[Scalar(specified_by_url = "https://www.rfc-editor.org/rfc/rfc3339")]
impl ScalarType for YearMonth {
    fn parse(value: Value) -> InputValueResult<Self> {
        let Value::String(text) = &value else {
            return Err(InputValueError::expected_type(value));
        };
        read(&format!("{text}-01"))
            .map(|first| Self(Month::of(first)))
            .ok_or_else(|| InputValueError::custom("a month is written YYYY-MM"))
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_string())
    }
}

impl From<NaiveDate> for Date {
    fn from(day: NaiveDate) -> Self {
        Self(day)
    }
}

/// Digits and hyphens in their places: chrono also reads 2021-1-2, +12345-1-2 and -001-01-01.
fn read(text: &str) -> Option<NaiveDate> {
    let in_place = |(place, byte): (usize, u8)| match place {
        4 | 7 => byte == b'-',
        _ => byte.is_ascii_digit(),
    };
    (text.len() == 10 && text.bytes().enumerate().all(in_place))
        .then(|| text.parse().ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_has_its_digits_in_their_places() {
        assert_eq!(read("2021-12-19"), NaiveDate::from_ymd_opt(2021, 12, 19));
        for text in [
            "2021-1-2",
            "+12345-1-2",
            "-001-01-01",
            "2021-02-30",
            "2021/12/19",
            "２０２１-1",
            "",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
