//! The clock. Everything that depends on the present takes a [`Clock`], so that a test owns time and a
//! request sees one instant from its beginning to its end.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use chrono::{DateTime, FixedOffset, NaiveDate, TimeDelta, Utc};

/// Japan has no daylight saving time: the civil day is UTC+9 throughout.
pub const JST: FixedOffset = FixedOffset::east_opt(9 * 3600).unwrap();

/// Tells the time, in production from the system and in tests from the test.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The system's clock.
    System,
    /// Microseconds since 1970-01-01 UTC, set by a test.
    Fixed(Arc<AtomicI64>),
}

impl Clock {
    /// A clock that stands still until it is moved.
    pub fn fixed(at: DateTime<Utc>) -> Self {
        Self::Fixed(Arc::new(AtomicI64::new(at.timestamp_micros())))
    }

    /// The present instant, to the microsecond that both databases keep.
    pub fn now(&self) -> DateTime<Utc> {
        let micros = match self {
            #[expect(clippy::disallowed_methods, reason = "this is where time enters")]
            Self::System => Utc::now().timestamp_micros(),
            Self::Fixed(micros) => micros.load(Ordering::SeqCst),
        };
        DateTime::from_timestamp_micros(micros).unwrap_or_default()
    }

    /// The civil day in Japan.
    pub fn today(&self) -> NaiveDate {
        civil_day(self.now())
    }

    /// Moves a fixed clock forward; the system's clock stays as it is.
    pub fn advance(&self, by: TimeDelta) {
        if let Self::Fixed(micros) = self {
            micros.fetch_add(by.num_microseconds().unwrap_or(0), Ordering::SeqCst);
        }
    }
}

/// An instant as people in Japan read it, to the minute.
pub fn in_japan(at: DateTime<Utc>) -> String {
    at.with_timezone(&JST).format("%Y-%m-%d %H:%M").to_string()
}

/// The instant at which a civil day begins in Japan.
pub fn day_begins(day: NaiveDate) -> DateTime<Utc> {
    (day.and_time(chrono::NaiveTime::MIN) - TimeDelta::hours(9)).and_utc()
}

/// The civil day in Japan at an instant.
pub fn civil_day(at: DateTime<Utc>) -> NaiveDate {
    at.with_timezone(&JST).date_naive()
}
