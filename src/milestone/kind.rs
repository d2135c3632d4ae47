//! The ten milestones that a facility passes on its way to online eligibility verification, and the stage that follows
//! from them.
//!
//! Milestones are recorded; the [`Stage`] never is: it is derived from the furthest milestone in effect. Reports from
//! the field skip steps, so a gap (installed, but nobody ever said that the router came) holds nobody back.

use serde::{Deserialize, Serialize};

/// A step that a facility reaches on a civil date, in the order of the process.
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
pub enum Milestone {
    /// The free card reader was applied for (顔認証付きカードリーダー申込). READY needs it.
    ReaderApplied,
    /// The vendor was ordered to do the work (システム事業者への発注).
    VendorOrdered,
    /// The use of the service was applied for (オンライン資格確認利用申請).
    UseApplied,
    /// The client certificate was issued (電子証明書発行).
    CertificateIssued,
    /// The card reader was delivered (カードリーダー配送).
    ReaderDelivered,
    /// The terminal PC was procured (資格確認端末調達).
    PcProcured,
    /// The router or network gear was procured (ルーター調達).
    RouterProcured,
    /// Everything is installed and connected (導入作業完了).
    Installed,
    /// Ready for operation (準備完了), systems included. LIVE needs it.
    Ready,
    /// In operation with patients (運用開始).
    Live,
}

impl Milestone {
    /// All milestones, in the order of the process.
    pub const ALL: [Self; 10] = [
        Self::ReaderApplied,
        Self::VendorOrdered,
        Self::UseApplied,
        Self::CertificateIssued,
        Self::ReaderDelivered,
        Self::PcProcured,
        Self::RouterProcured,
        Self::Installed,
        Self::Ready,
        Self::Live,
    ];

    /// Where it stands in [`Self::ALL`].
    #[expect(
        clippy::as_conversions,
        reason = "variants are declared in the order of the process"
    )]
    pub(super) const fn place(self) -> usize {
        self as usize
    }

    /// The number under which the milestone is stored: stable for ever, whatever comes in between. A new one takes
    /// the next number that is free, below 20.
    pub const fn code(self) -> i16 {
        match self {
            Self::ReaderApplied => 0,
            Self::VendorOrdered => 1,
            Self::UseApplied => 2,
            Self::CertificateIssued => 3,
            Self::ReaderDelivered => 4,
            Self::PcProcured => 5,
            Self::RouterProcured => 6,
            Self::Installed => 7,
            Self::Ready => 8,
            Self::Live => 9,
        }
    }

    /// The milestone stored under a number.
    pub fn from_code(code: i16) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|milestone| milestone.code() == code)
    }

    /// The column of `facility_state` that says since when it is in effect.
    pub const fn column(self) -> &'static str {
        match self {
            Self::ReaderApplied => "reader_applied_on",
            Self::VendorOrdered => "vendor_ordered_on",
            Self::UseApplied => "use_applied_on",
            Self::CertificateIssued => "certificate_issued_on",
            Self::ReaderDelivered => "reader_delivered_on",
            Self::PcProcured => "pc_procured_on",
            Self::RouterProcured => "router_procured_on",
            Self::Installed => "installed_on",
            Self::Ready => "ready_on",
            Self::Live => "live_on",
        }
    }

    /// What it needs on every day: all of these, the earliest first. Nothing else is refused for want of another.
    pub const fn needs(self) -> &'static [Self] {
        match self {
            Self::Ready => &[Self::ReaderApplied],
            Self::Live => &[Self::ReaderApplied, Self::Ready],
            Self::ReaderApplied
            | Self::VendorOrdered
            | Self::UseApplied
            | Self::CertificateIssued
            | Self::ReaderDelivered
            | Self::PcProcured
            | Self::RouterProcured
            | Self::Installed => &[],
        }
    }

    /// The name that Japanese users read.
    pub const fn label_ja(self) -> &'static str {
        match self {
            Self::ReaderApplied => "カードリーダー申込",
            Self::VendorOrdered => "システム事業者発注",
            Self::UseApplied => "利用申請",
            Self::CertificateIssued => "電子証明書発行",
            Self::ReaderDelivered => "カードリーダー受領",
            Self::PcProcured => "端末調達",
            Self::RouterProcured => "ルーター調達",
            Self::Installed => "導入作業完了",
            Self::Ready => "準備完了",
            Self::Live => "運用開始",
        }
    }
}

/// How far a facility has come, in one word.
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
pub enum Stage {
    /// Nothing that would move it is in effect.
    NotApplied,
    /// The reader is applied for, and perhaps some steps towards the order are done.
    Applied,
    /// The vendor has the order, and the hardware isn't complete.
    Ordered,
    /// Reader, PC and router are all there.
    Procured,
    /// Installed and connected.
    Installed,
    /// Ready for operation.
    Ready,
    /// In operation.
    Live,
}

impl Stage {
    /// All stages, from the start to the goal.
    pub const ALL: [Self; 7] = [
        Self::NotApplied,
        Self::Applied,
        Self::Ordered,
        Self::Procured,
        Self::Installed,
        Self::Ready,
        Self::Live,
    ];

    /// The number under which the stage is stored. Stable for ever; a later stage has a higher one.
    pub const fn code(self) -> i16 {
        match self {
            Self::NotApplied => 0,
            Self::Applied => 1,
            Self::Ordered => 2,
            Self::Procured => 3,
            Self::Installed => 4,
            Self::Ready => 5,
            Self::Live => 6,
        }
    }

    /// The stage stored under a number.
    pub fn from_code(code: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| stage.code() == code)
    }

    /// The name that Japanese users read.
    pub const fn label_ja(self) -> &'static str {
        match self {
            Self::NotApplied => "未申込",
            Self::Applied => "申込済",
            Self::Ordered => "発注済",
            Self::Procured => "機器調達済",
            Self::Installed => "導入作業済",
            Self::Ready => "準備完了",
            Self::Live => "運用開始",
        }
    }
}

/// Derives the stage from the milestones in effect: the furthest one decides, whatever is missing before it.
///
/// Three milestones make no stage by themselves: a use application and a certificate come before or after the order as
/// it happens, and a single piece of hardware doesn't make PROCURED, which is reader, PC and router all three.
pub fn stage_of(reached: impl Fn(Milestone) -> bool) -> Stage {
    let procured = || {
        [
            Milestone::ReaderDelivered,
            Milestone::PcProcured,
            Milestone::RouterProcured,
        ]
        .into_iter()
        .all(&reached)
    };
    if reached(Milestone::Live) {
        Stage::Live
    } else if reached(Milestone::Ready) {
        Stage::Ready
    } else if reached(Milestone::Installed) {
        Stage::Installed
    } else if procured() {
        Stage::Procured
    } else if reached(Milestone::VendorOrdered) {
        Stage::Ordered
    } else if reached(Milestone::ReaderApplied) {
        Stage::Applied
    } else {
        Stage::NotApplied
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stage(reached: &[Milestone]) -> Stage {
        stage_of(|milestone| reached.contains(&milestone))
    }

    /// Stored numbers never change: a new milestone adds a line.
    #[test]
    fn milestones_keep_the_numbers_under_which_they_are_stored() {
        let stored = [
            (Milestone::ReaderApplied, 0),
            (Milestone::VendorOrdered, 1),
            (Milestone::UseApplied, 2),
            (Milestone::CertificateIssued, 3),
            (Milestone::ReaderDelivered, 4),
            (Milestone::PcProcured, 5),
            (Milestone::RouterProcured, 6),
            (Milestone::Installed, 7),
            (Milestone::Ready, 8),
            (Milestone::Live, 9),
        ];
        assert_eq!(stored.len(), Milestone::ALL.len());
        for (milestone, code) in stored {
            assert_eq!(
                (milestone.code(), Milestone::from_code(code)),
                (code, Some(milestone))
            );
        }
        assert_eq!(Milestone::from_code(-1), None);
    }

    #[test]
    fn stages_are_numbered_in_their_order_which_lists_are_sorted_by() {
        for (place, stage) in (0..).zip(Stage::ALL) {
            assert_eq!(
                (stage.code(), Stage::from_code(place)),
                (place, Some(stage))
            );
        }
        assert_eq!(Stage::from_code(7), None);
    }

    #[test]
    fn what_a_milestone_needs_comes_before_it_and_holds_what_that_needs() {
        for milestone in Milestone::ALL {
            let needs = milestone.needs();
            assert!(needs.iter().all(|needed| *needed < milestone));
            for needed in needs {
                assert!(needed.needs().iter().all(|one| needs.contains(one)));
            }
        }
    }

    #[test]
    fn a_facility_without_milestones_has_not_applied() {
        assert_eq!(stage(&[]), Stage::NotApplied);
    }

    #[test]
    fn the_stage_rises_with_the_milestones_in_their_order() {
        let after_each: Vec<Stage> = (1..=10)
            .map(|count| stage(&Milestone::ALL[..count]))
            .collect();
        let expected = [
            Stage::Applied,
            Stage::Ordered,
            Stage::Ordered,
            Stage::Ordered,
            Stage::Ordered,
            Stage::Ordered,
            Stage::Procured,
            Stage::Installed,
            Stage::Ready,
            Stage::Live,
        ];
        assert_eq!(after_each, expected);
    }

    #[test]
    fn the_furthest_milestone_decides_over_gaps() {
        assert_eq!(
            stage(&[Milestone::ReaderApplied, Milestone::Installed]),
            Stage::Installed
        );
        assert_eq!(
            stage(&[Milestone::ReaderApplied, Milestone::Ready]),
            Stage::Ready
        );
        assert_eq!(stage(&[Milestone::VendorOrdered]), Stage::Ordered);
    }

    #[test]
    fn procured_needs_reader_pc_and_router() {
        let all = [
            Milestone::ReaderApplied,
            Milestone::ReaderDelivered,
            Milestone::PcProcured,
            Milestone::RouterProcured,
        ];
        assert_eq!(stage(&all), Stage::Procured);
        for missing in &all[1..] {
            let rest: Vec<Milestone> = all
                .iter()
                .copied()
                .filter(|milestone| milestone != missing)
                .collect();
            assert_eq!(stage(&rest), Stage::Applied, "without {missing:?}");
        }
    }
}
