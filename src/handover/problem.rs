//! What a caller could expect to go wrong with handing on.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::{auth::Language, milestone::Problem};

/// Why a row was refused. Stored with the outcome of a write, so variants are only ever added.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum HandoverProblem {
    /// Of the facility or its history.
    Facility(Problem),
    /// No such proposal, or none that the caller can see.
    NotFound,
    /// The caller sees the proposal but may not do this to it.
    Forbidden,
    /// It is proposed to somebody already, or handed on.
    AlreadyProposed,
    /// It was answered, taken back or has lapsed.
    NotOpen,
    /// The facility engages no vendor whose work could be handed on.
    NoVendor,
    /// To be answered by a day that is over or too far ahead.
    BadAnswerBy {
        /// The first day that could be.
        from: NaiveDate,
        /// The last.
        until: NaiveDate,
    },
    /// Whoever declines says why.
    MissingReason,
    /// The same proposal or facility earlier in the request.
    DuplicateRow {
        /// The index of the first.
        first: usize,
    },
}

impl From<Problem> for HandoverProblem {
    fn from(problem: Problem) -> Self {
        Self::Facility(problem)
    }
}

impl HandoverProblem {
    /// What the user reads.
    pub fn message(&self, language: Language) -> String {
        let (ja, en) = match self {
            Self::Facility(problem) => return problem.message(language),
            Self::BadAnswerBy { from, until } => {
                return match language {
                    Language::Ja => {
                        format!("回答期限は{from}から{until}までの日付にしてください。")
                    }
                    Language::En => format!("Answers are due on a day from {from} to {until}."),
                };
            }
            Self::DuplicateRow { first } => {
                return match language {
                    Language::Ja => format!("同じ行が重複しています（最初の行：{}）。", first + 1),
                    Language::En => format!("The same stands in row {} already.", first + 1),
                };
            }
            Self::NotFound => ("依頼が見つかりません。", "There is no such proposal."),
            Self::Forbidden => (
                "この依頼に対するこの操作は許可されていません。",
                "You may not do this to the proposal.",
            ),
            Self::AlreadyProposed => (
                "この施設の導入作業は既に依頼中か、導入支援業者が担当しています。",
                "It is proposed to a support contractor already, or one has it.",
            ),
            Self::NotOpen => (
                "この依頼は回答済み、取り下げ済みまたは期限切れです。",
                "The proposal was answered or taken back, or has lapsed.",
            ),
            Self::NoVendor => (
                "この施設にはシステム事業者が登録されていません。",
                "The facility engages no vendor.",
            ),
            Self::MissingReason => (
                "お断りの理由を入力してください。",
                "Say why it is declined.",
            ),
        };
        match language {
            Language::Ja => ja.to_owned(),
            Language::En => en.to_owned(),
        }
    }
}
