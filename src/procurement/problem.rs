//! What a caller could expect to go wrong with an application.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::ApplicationStatus;
use crate::{auth::Language, milestone::Problem};

/// A rule that a row broke. Stored with the outcome of a write, so variants are only ever added.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ApplicationProblem {
    /// Of the facility or its history.
    Facility(Problem),
    /// The facility has no such application.
    NoApplication,
    /// The facility has one under way already.
    UnderWay,
    /// An application that stands there can't take this step.
    NotNow {
        /// Where it stands.
        status: ApplicationStatus,
    },
    /// It can't happen before what happened last.
    BeforeLast {
        /// The day of that.
        since: NaiveDate,
    },
    /// The application was changed since the caller read it.
    StaleVersion {
        /// The version now.
        current: i32,
    },
    /// An application for readers says which, and how many.
    MissingLines,
    /// Nothing else has lines.
    NoLines,
    /// More models than an application may have.
    TooManyLines {
        /// The most.
        most: usize,
    },
    /// Only what is issued expires, and not before it is issued.
    BadExpiry,
    /// A line of the readers is of no model that is made for the facility.
    ModelDoesNotFit {
        /// The position of the line.
        line: usize,
    },
    /// The model of a line is no longer made.
    Discontinued {
        /// The position of the line.
        line: usize,
        /// Since when.
        since: NaiveDate,
    },
    /// The same model in two lines.
    DoubledModel {
        /// The position of the second.
        line: usize,
    },
    /// A number of readers that can't be.
    BadQuantity {
        /// The position of the line.
        line: usize,
        /// It is the number of those that are bought.
        bought: bool,
        /// The most of one line.
        most: i32,
    },
    /// More readers free of charge than the facility has.
    TooManyFree {
        /// How many it has.
        allowed: i32,
        /// How many of them other applications have.
        taken: i32,
    },
    /// An application that an earlier row of the request files or ends.
    DuplicateRow {
        /// The index of the first.
        first: usize,
    },
}

impl From<Problem> for ApplicationProblem {
    fn from(problem: Problem) -> Self {
        Self::Facility(problem)
    }
}

impl ApplicationProblem {
    /// What the user reads.
    pub fn message(&self, language: Language) -> String {
        let (ja, en) = match self {
            Self::Facility(problem) => return problem.message(language),
            Self::NoApplication => told(
                "この施設にはこの種類の申請がありません。",
                "The facility has no such application.",
            ),
            Self::UnderWay => told(
                "この施設には手続き中の申請が既にあります。",
                "The facility has an application under way already.",
            ),
            Self::NotNow { status } => (
                format!(
                    "申請は「{}」のため、この処理はできません。",
                    status.label_ja()
                ),
                format!(
                    "The application is {}: it can't take this step.",
                    status.word()
                ),
            ),
            Self::BeforeLast { since } => (
                format!("直前の処理日（{since}）より前の日付は指定できません。"),
                format!("It can't be before {since}, the day of what happened last."),
            ),
            Self::StaleVersion { current } => (
                format!(
                    "他の利用者が先に更新しました（現在の版：{current}）。読み直してください。"
                ),
                format!("Somebody changed it since you read it: its version is {current} now."),
            ),
            Self::MissingLines => told(
                "顔認証付きカードリーダーの機種と台数を指定してください。",
                "Say which card readers, and how many.",
            ),
            Self::NoLines => told(
                "機種と台数は、顔認証付きカードリーダーの申込の受付でのみ指定できます。",
                "Only an application for card readers that is received has lines.",
            ),
            Self::TooManyLines { most } => (
                format!("機種は{most}件まで指定できます。"),
                format!("At most {most} models."),
            ),
            Self::BadExpiry => told(
                "有効期限は、証明書の発行・再発行でのみ、発行日より後の日付を指定できます。",
                "Only a certificate that is issued expires, and after the day on which it is.",
            ),
            Self::ModelDoesNotFit { .. } => told(
                "この施設で使える顔認証付きカードリーダーの機種ではありません。",
                "This is no card reader that is made for the facility.",
            ),
            Self::Discontinued { since, .. } => (
                format!("この機種は{since}に販売を終了しました。"),
                format!("This model has not been made since {since}."),
            ),
            Self::DoubledModel { .. } => told(
                "同じ機種が重複しています。台数をまとめてください。",
                "The same model stands in an earlier line.",
            ),
            Self::BadQuantity { most, .. } => (
                format!("台数は合わせて1～{most}台で入力してください。"),
                format!("1 to {most} readers of a model, free and bought together."),
            ),
            Self::TooManyFree { allowed, taken } => (
                format!(
                    "無償で提供されるのは{allowed}台まで（申込済み{taken}台）です。超える分は購入として入力してください。"
                ),
                format!(
                    "The facility has {allowed} readers free of charge, of which {taken} are applied for: more are bought."
                ),
            ),
            Self::DuplicateRow { first } => (
                format!(
                    "この施設の申請は{}行目で受付または終了しています。",
                    first + 1
                ),
                format!(
                    "Row {} files or ends an application of this facility.",
                    first + 1
                ),
            ),
        };
        match language {
            Language::Ja => ja,
            Language::En => en,
        }
    }
}

fn told(ja: &str, en: &str) -> (String, String) {
    (ja.to_owned(), en.to_owned())
}
