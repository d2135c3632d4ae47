//! What a caller could expect to go wrong with a confirmation.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::auth::Language;

/// Why a confirmation was refused. Stored with the outcome of a write, so variants are only ever added.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReportingProblem {
    /// No vendor or chain of the caller's.
    NotFound,
    /// The caller may not confirm anything in its name.
    Forbidden,
    /// A day after today.
    InFuture {
        /// Today in Japan.
        today: NaiveDate,
    },
    /// The caller's organisation is neither a vendor nor a chain.
    NoReporter,
    /// Before there was anything to report.
    TooEarly {
        /// The first day that could be.
        earliest: NaiveDate,
    },
    /// It has confirmed this day, or a later one.
    AlreadyConfirmed {
        /// Up to which day its records are complete.
        complete_to: NaiveDate,
    },
    /// It has confirmed nothing that this would take back.
    NotConfirmed,
}

impl ReportingProblem {
    /// What the user reads.
    pub fn message(&self, language: Language) -> String {
        let (ja, en) = match self {
            Self::NotFound => (
                "この組織は見つかりません。".to_owned(),
                "There is no such vendor or chain of yours.".to_owned(),
            ),
            Self::Forbidden => (
                "この組織の報告を行う権限がありません。".to_owned(),
                "You may not report in the name of this organisation.".to_owned(),
            ),
            Self::NoReporter => (
                "報告を行うのはシステム事業者とチェーン本部です。".to_owned(),
                "Only vendors and chains report.".to_owned(),
            ),
            Self::InFuture { today } => (
                format!("未来の日付は報告できません（本日：{today}）。"),
                format!("Nothing is complete up to a day in the future; today is {today}."),
            ),
            Self::TooEarly { earliest } => (
                format!("{earliest}以降の日付を入力してください。"),
                format!("The day is before {earliest}."),
            ),
            Self::AlreadyConfirmed { complete_to } => (
                format!("{complete_to}まで報告済みです。戻す場合は報告を取り消してください。"),
                format!("It is confirmed up to {complete_to} already: to go back, withdraw that."),
            ),
            Self::NotConfirmed => (
                "取り消す報告がありません。".to_owned(),
                "Nothing is confirmed that this would take back.".to_owned(),
            ),
        };
        match language {
            Language::Ja => ja,
            Language::En => en,
        }
    }
}
