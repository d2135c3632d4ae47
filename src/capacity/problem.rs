//! What a caller could expect to go wrong with pledges and follow-ups.

use serde::{Deserialize, Serialize};

use crate::{app::Month, auth::Language, reporting::ReportingProblem};

/// Why a request was refused. Stored with the outcome of a write, so variants are only ever added.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CapacityProblem {
    /// No organisation of the caller's.
    NotFound,
    /// The caller may not pledge or answer in its name.
    Forbidden,
    /// The caller's organisation is no vendor.
    NoVendor,
    /// A month that is over can't be pledged any more.
    MonthOver {
        /// The first that can.
        first: Month,
    },
    /// A month too far ahead.
    MonthTooFar {
        /// The last that can be pledged.
        last: Month,
    },
    /// A month that isn't over can't be followed up yet.
    MonthNotOver {
        /// The last that can.
        last: Month,
    },
    /// The vendor had no facilities in that month, so that nothing is asked of it.
    NotAsked,
    /// A number that is none of these.
    OutOfRange {
        /// The least.
        least: i32,
        /// The most.
        most: i32,
    },
    /// Too long, or with characters that can't be stored.
    BadText {
        /// How many characters may be.
        most: usize,
    },
    /// The same month and prefecture earlier in the request.
    DuplicateRow {
        /// The index of the first.
        first: usize,
    },
    /// Of what is confirmed with it.
    Reporting(ReportingProblem),
}

impl From<ReportingProblem> for CapacityProblem {
    fn from(problem: ReportingProblem) -> Self {
        Self::Reporting(problem)
    }
}

impl CapacityProblem {
    /// What the user reads.
    pub fn message(&self, language: Language) -> String {
        let (ja, en) = match self {
            Self::NotFound => (
                "この組織は見つかりません。".to_owned(),
                "There is no such vendor of yours.".to_owned(),
            ),
            Self::Forbidden => (
                "この組織の対応可能件数や月次報告を入力する権限がありません。".to_owned(),
                "You may not pledge or answer in the name of this vendor.".to_owned(),
            ),
            Self::NoVendor => (
                "対応可能件数と月次報告を入力するのはシステム事業者です。".to_owned(),
                "Only vendors pledge and are followed up.".to_owned(),
            ),
            Self::MonthOver { first } => (
                format!("終了した月の対応可能件数は変更できません（{first}以降）。"),
                format!("A month that is over can't be pledged; {first} is the first that can."),
            ),
            Self::MonthTooFar { last } => (
                format!("{last}までの月を入力してください。"),
                format!("Pledges go up to {last}."),
            ),
            Self::MonthNotOver { last } => (
                format!("月次報告は月が終わってから入力してください（{last}まで）。"),
                format!("A month is followed up when it is over; {last} is the last that is."),
            ),
            Self::NotAsked => (
                "月末時点の担当施設も対応可能件数の入力もないため、この月の月次報告は不要です。".to_owned(),
                "The vendor had no facilities at the end of that month and had pledged nothing: nothing is asked of it.".to_owned(),
            ),
            Self::OutOfRange { least, most } => (
                format!("{least}から{most}までの数を入力してください。"),
                format!("A number from {least} to {most}."),
            ),
            Self::BadText { most } => (
                format!("{most}文字以内とし、制御文字を含めないでください。"),
                format!("At most {most} characters, and none of them a control character."),
            ),
            Self::DuplicateRow { first } => (
                format!(
                    "同じ月と都道府県が重複しています（最初の行：{}）。",
                    first + 1
                ),
                format!(
                    "The same month and prefecture stand in row {} already.",
                    first + 1
                ),
            ),
            Self::Reporting(problem) => return problem.message(language),
        };
        match language {
            Language::Ja => ja,
            Language::En => en,
        }
    }
}
