//! What a caller could expect to go wrong with a filter that is kept.

use serde::{Deserialize, Serialize};

use crate::auth::Language;

/// Why a request was refused. Stored with the outcome of a write, so variants are only ever added.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum WorklistProblem {
    /// No such filter, or none that the caller can see.
    NotFound,
    /// Somebody else's.
    Forbidden,
    /// No organisation of the caller's.
    UnknownOrganisation,
    /// Somebody changed it since it was read.
    StaleVersion {
        /// Its version now.
        current: i32,
    },
    /// The name is empty, too long, or has characters that can't be stored.
    BadName {
        /// How many characters may be.
        most: usize,
    },
    /// The caller has another of this name.
    NameTaken,
    /// The caller keeps as many as one may.
    TooMany {
        /// How many.
        most: i64,
    },
}

impl WorklistProblem {
    /// What the user reads.
    pub fn message(&self, language: Language) -> String {
        let (ja, en) = match self {
            Self::NotFound => (
                "保存した条件が見つかりません。".to_owned(),
                "There is no such saved filter.".to_owned(),
            ),
            Self::Forbidden => (
                "他の利用者が保存した条件は変更できません。".to_owned(),
                "Only whoever saved a filter changes it.".to_owned(),
            ),
            Self::UnknownOrganisation => (
                "この組織は見つかりません。".to_owned(),
                "There is no such organisation of yours.".to_owned(),
            ),
            Self::StaleVersion { current } => (
                format!(
                    "他の利用者が先に更新しました（現在の版：{current}）。読み直してください。"
                ),
                format!("It was changed since you read it: its version is {current} now."),
            ),
            Self::BadName { most } => (
                format!("名称は1文字以上{most}文字以内で入力してください。"),
                format!("A name has 1 to {most} characters, and no control characters."),
            ),
            Self::NameTaken => (
                "同じ名称の条件を既に保存しています。".to_owned(),
                "You have saved another under this name.".to_owned(),
            ),
            Self::TooMany { most } => (
                format!("保存できる条件は{most}件までです。"),
                format!("At most {most} filters can be saved."),
            ),
        };
        match language {
            Language::Ja => ja,
            Language::En => en,
        }
    }
}
