//! What holds a facility up. Blockers are recorded as milestones are, on a day, and stay in its history when they are
//! resolved, so that one can ask who waits for what, and since when.

use serde::{Deserialize, Serialize};

/// What a facility waits for. Recorded as it is told, whatever the milestones say.
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
pub enum Blocker {
    /// No terminal PC is to be had (資格確認端末).
    NoPc,
    /// No router or network gear is to be had.
    NoRouter,
    /// The card reader was not delivered.
    ReaderNotDelivered,
    /// The client certificate is missing or doesn't work (電子証明書).
    Certificate,
    /// The line is not there or doesn't work (オンライン請求ネットワーク回線).
    Line,
    /// The vendor has no capacity.
    VendorFull,
    /// The facility is not ready: building work, a change of owner, nobody there.
    FacilityNotReady,
    /// There is no money for it yet.
    Budget,
    /// Something else; a remark should say what.
    Other,
}

impl Blocker {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 9] = [
        Self::NoPc,
        Self::NoRouter,
        Self::ReaderNotDelivered,
        Self::Certificate,
        Self::Line,
        Self::VendorFull,
        Self::FacilityNotReady,
        Self::Budget,
        Self::Other,
    ];

    /// The number under which it is stored: stable for ever. A new one takes the next that is free, below 30.
    pub const fn code(self) -> i16 {
        match self {
            Self::NoPc => 0,
            Self::NoRouter => 1,
            Self::ReaderNotDelivered => 2,
            Self::Certificate => 3,
            Self::Line => 4,
            Self::VendorFull => 5,
            Self::FacilityNotReady => 6,
            Self::Budget => 7,
            Self::Other => 8,
        }
    }

    /// The blocker stored under a number.
    pub fn from_code(code: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|blocker| blocker.code() == code)
    }

    /// The name that Japanese users read.
    pub const fn label_ja(self) -> &'static str {
        match self {
            Self::NoPc => "端末未調達",
            Self::NoRouter => "ルーター未調達",
            Self::ReaderNotDelivered => "カードリーダー未着",
            Self::Certificate => "電子証明書",
            Self::Line => "回線",
            Self::VendorFull => "事業者の対応能力",
            Self::FacilityNotReady => "施設側の準備",
            Self::Budget => "予算",
            Self::Other => "その他",
        }
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::resolver_utils::EnumType;

    use super::*;

    #[test]
    fn every_blocker_is_in_the_list_and_reads_back_from_the_number_under_which_it_is_stored() {
        assert_eq!(Blocker::ALL.len(), Blocker::items().len());
        for (code, blocker) in (0..).zip(Blocker::ALL) {
            assert_eq!(
                (blocker.code(), Blocker::from_code(code)),
                (code, Some(blocker))
            );
        }
        assert_eq!(Blocker::from_code(9), None);
    }
}
