//! What a question about the past is asked of.

use chrono::{DateTime, Utc};

/// Up to which change a question is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// Everything that is committed.
    Now,
    /// The changes up to this number, which are settled for ever.
    UpTo {
        /// The number.
        seq: i64,
        /// The instant that was asked for.
        at: DateTime<Utc>,
    },
}
