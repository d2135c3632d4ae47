//! What a caller could expect to go wrong with a work order.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::{auth::Language, milestone::Problem};

/// A rule that a row broke. Stored with the outcome of a write, so variants are only ever added.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum InstallationProblem {
    /// Of the facility or its history.
    Facility(Problem),
    /// The facility has no open order.
    NotOpen,
    /// The facility has an open order already.
    AlreadyOpen,
    /// The order was changed since the caller read it.
    StaleVersion {
        /// The version now.
        current: i32,
    },
    /// It can't end before it began.
    BeforeStart {
        /// The day on which it began.
        started_on: NaiveDate,
    },
    /// What is left to do is not optional.
    ChecksMissing {
        /// The codes of what is left.
        items: Vec<String>,
    },
    /// The checklist has no such item.
    UnknownItem {
        /// What it has.
        items: Vec<String>,
    },
    /// A number that can't be.
    OutOfRange {
        /// The field.
        field: String,
        /// The least.
        least: i32,
        /// The most.
        most: i32,
    },
    /// Another order of the organisation has this reference.
    ReferenceTaken,
    /// The reference is empty or too long, or holds characters that can't be stored.
    BadReference {
        /// Most characters.
        most: usize,
    },
    /// What is told needs a day.
    MissingDate,
    /// What is ticked off must be told.
    MissingItems,
    /// The same facility earlier in the request: one row for each.
    DuplicateRow {
        /// The index of the first.
        first: usize,
    },
}

impl From<Problem> for InstallationProblem {
    fn from(problem: Problem) -> Self {
        Self::Facility(problem)
    }
}

impl InstallationProblem {
    /// What the user reads.
    pub fn message(&self, language: Language) -> String {
        match (self, language) {
            (Self::Facility(problem), language) => problem.message(language),
            (Self::NotOpen, Language::Ja) => {
                "この施設には作業中の導入作業がありません。".to_owned()
            }
            (Self::NotOpen, Language::En) => "The facility has no open work order.".to_owned(),
            (Self::AlreadyOpen, Language::Ja) => {
                "この施設には既に作業中の導入作業があります。".to_owned()
            }
            (Self::AlreadyOpen, Language::En) => {
                "The facility has an open work order already.".to_owned()
            }
            (Self::StaleVersion { current }, language) => {
                Problem::StaleVersion { current: *current }.message(language)
            }
            (Self::BeforeStart { started_on }, Language::Ja) => {
                format!("作業開始日（{started_on}）より前の日付は登録できません。")
            }
            (Self::BeforeStart { started_on }, Language::En) => {
                format!("The work began on {started_on}, after that date.")
            }
            (Self::ChecksMissing { items }, Language::Ja) => {
                format!("未完了の必須項目があります：{}", items.join("、"))
            }
            (Self::ChecksMissing { items }, Language::En) => {
                format!("Some of what must be done is left: {}.", items.join(", "))
            }
            (Self::UnknownItem { items }, Language::Ja) => {
                format!(
                    "この項目はチェックリストにありません（項目：{}）。",
                    items.join("、")
                )
            }
            (Self::UnknownItem { items }, Language::En) => {
                format!(
                    "The checklist has no such item; it has {}.",
                    items.join(", ")
                )
            }
            (Self::OutOfRange { least, most, .. }, Language::Ja) => {
                format!("{least}から{most}までの数を入力してください。")
            }
            (Self::OutOfRange { least, most, .. }, Language::En) => {
                format!("Give a number from {least} to {most}.")
            }
            (Self::ReferenceTaken, Language::Ja) => {
                "この管理番号は他の導入作業で使われています。".to_owned()
            }
            (Self::ReferenceTaken, Language::En) => {
                "Another work order has this reference.".to_owned()
            }
            (Self::BadReference { most }, Language::Ja) => {
                format!("管理番号は1から{most}文字とし、制御文字を含めないでください。")
            }
            (Self::BadReference { most }, Language::En) => {
                format!("A reference has 1 to {most} characters, and no control characters.")
            }
            (Self::MissingDate, language) => Problem::MissingDate.message(language),
            (Self::MissingItems, Language::Ja) => "項目を指定してください。".to_owned(),
            (Self::MissingItems, Language::En) => "Say which items.".to_owned(),
            (Self::DuplicateRow { first }, Language::Ja) => {
                format!("同じ施設の行が重複しています（最初の行：{}）。", first + 1)
            }
            (Self::DuplicateRow { first }, Language::En) => {
                format!("The same facility stands in row {} already.", first + 1)
            }
        }
    }
}
