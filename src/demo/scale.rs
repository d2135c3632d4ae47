//! How large the demo nation is, relative to the real one.

use std::fmt;
use std::str::FromStr;

/// A factor with six decimals, from 0.001 to 10. At 1 every published figure holds exactly; at others the shape is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Scale {
    millionths: u32,
}

const MILLION: u32 = 1_000_000;

/// Why a text is no scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScaleError {
    /// It isn't a plain decimal number with at most six decimals, such as `0.05`.
    #[error("a scale is a plain decimal number with at most six decimals, such as 0.05")]
    Malformed,
    /// It is a number, outside of what the generator can do.
    #[error("a scale lies between 0.001 and 10")]
    OutOfRange,
}

impl Scale {
    /// The nation as it was.
    pub const NATION: Self = Self {
        millionths: MILLION,
    };
    const SMALLEST: Self = Self {
        millionths: MILLION / 1000,
    };
    const LARGEST: Self = Self {
        millionths: MILLION * 10,
    };

    /// So many times this scale, to the nearest whole number. Never reverses the order of two counts.
    pub(super) fn of(self, count: u32) -> u32 {
        let scaled = (u64::from(count) * u64::from(self.millionths) + u64::from(MILLION / 2))
            / u64::from(MILLION);
        u32::try_from(scaled).unwrap_or(u32::MAX)
    }
}

impl FromStr for Scale {
    type Err = ScaleError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
        let digits_only =
            |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !digits_only(whole) || !digits_only(decimals) || decimals.len() > 6 {
            return Err(ScaleError::Malformed);
        }
        let scale = format!("{whole}{decimals:0<6}")
            .parse()
            .map(|millionths| Self { millionths });
        scale
            .ok()
            .filter(|scale| (Self::SMALLEST..=Self::LARGEST).contains(scale))
            .ok_or(ScaleError::OutOfRange)
    }
}

impl fmt::Display for Scale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = format!("{:06}", self.millionths % MILLION);
        match decimals.trim_end_matches('0') {
            "" => write!(f, "{}", self.millionths / MILLION),
            decimals => write!(f, "{}.{decimals}", self.millionths / MILLION),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_reads_as_it_prints() {
        for text in ["1", "0.01", "0.001", "2.5", "10", "0.123456"] {
            assert_eq!(text.parse::<Scale>().unwrap().to_string(), text);
        }
        assert_eq!("1.0".parse(), Ok(Scale::NATION));
    }

    #[test]
    fn what_is_no_plain_number_or_out_of_range_is_refused() {
        for text in [
            "",
            ".",
            "1.",
            ".5",
            "-1",
            "1e3",
            "NaN",
            "0.1234567",
            "1,5",
            "１",
        ] {
            assert_eq!(text.parse::<Scale>(), Err(ScaleError::Malformed), "{text}");
        }
        for text in ["0", "0.0009", "10.000001", "99999999999"] {
            assert_eq!(text.parse::<Scale>(), Err(ScaleError::OutOfRange), "{text}");
        }
    }

    #[test]
    fn counts_are_rounded_to_the_nearest() {
        let tenth: Scale = "0.1".parse().unwrap();
        assert_eq!([4, 5, 14, 15].map(|count| tenth.of(count)), [0, 1, 1, 2]);
        assert_eq!(Scale::NATION.of(229_221), 229_221);
    }
}
