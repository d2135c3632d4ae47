//! What a caller could expect to go wrong with a wave.

use serde::{Deserialize, Serialize};

use crate::auth::Language;

/// Why a request was refused. Stored with the outcome of a write, so variants are only ever added.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum WaveProblem {
    /// No such wave, or none that the caller can see.
    NotFound,
    /// Only the chain whose wave it is plans it.
    Forbidden,
    /// No chain of the caller's.
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
    /// The chain has another wave of this name.
    NameTaken,
    /// The chain has as many as it may.
    TooMany {
        /// How many.
        most: usize,
    },
    /// The wave would have more stores than it may.
    TooManyStores {
        /// How many.
        most: usize,
    },
    /// Somebody planned one of its stores in the same moment.
    PlannedMeanwhile,
}

impl WaveProblem {
    /// What the user reads.
    pub fn message(&self, language: Language) -> String {
        let (ja, en) = match self {
            Self::NotFound => (
                "導入計画（ウェーブ）が見つかりません。".to_owned(),
                "There is no such wave.".to_owned(),
            ),
            Self::Forbidden => (
                "他のチェーンの導入計画は変更できません。".to_owned(),
                "Only the chain whose wave it is changes it.".to_owned(),
            ),
            Self::UnknownOrganisation => (
                "このチェーンは見つかりません。".to_owned(),
                "There is no such chain of yours.".to_owned(),
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
                "同じ名称の導入計画が既にあります。".to_owned(),
                "There is another wave of this name.".to_owned(),
            ),
            Self::TooMany { most } => (
                format!("導入計画は{most}件までです。"),
                format!("A chain has at most {most} waves."),
            ),
            Self::TooManyStores { most } => (
                format!("1件の導入計画に登録できる店舗は{most}件までです。"),
                format!("A wave has at most {most} stores."),
            ),
            Self::PlannedMeanwhile => (
                "同時に他の利用者がこの導入計画を更新しました。もう一度お試しください。".to_owned(),
                "Somebody planned stores of this wave in the same moment: send it again."
                    .to_owned(),
            ),
        };
        match language {
            Language::Ja => ja,
            Language::En => en,
        }
    }
}
