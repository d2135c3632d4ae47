//! Scalars of our own.

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};
use chrono::NaiveDate;

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
        // Exactly ten characters: chrono also reads 2021-1-2, which a reader of 20211-2-3 would regret.
        if text.len() != 10 {
            return Err(InputValueError::custom("a date is written YYYY-MM-DD"));
        }
        text.parse()
            .map(Self)
            .map_err(|_| InputValueError::custom("a date is written YYYY-MM-DD"))
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
