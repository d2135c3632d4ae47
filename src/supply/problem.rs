//! What can be wrong with an entry of the catalogue.

use serde::{Deserialize, Serialize};

use crate::auth::Language;

/// Why an entry is refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SupplyProblem {
    /// No such model.
    NotFound,
    /// No such supplier.
    UnknownSupplier,
    /// It is another supplier's.
    Forbidden,
    /// Somebody changed it since it was read.
    StaleVersion {
        /// Its version now.
        current: i32,
    },
    /// Empty, longer than this many characters, or with characters that can't be stored.
    BadText {
        /// How many may be.
        most: usize,
    },
    /// Its maker has another model of this number.
    NumberTaken,
    /// A model is made for one kind of facility at least, and a PC or router goes with one kind of line at least.
    Missing,
    /// A reader has no line, and readers go with PCs only.
    NotOfItsClass,
    /// None of the models that are named is this reader.
    NoReader,
    /// A model stays what it is: a reader becomes no router.
    ClassStays,
    /// A supplier has at most so many models.
    TooMany {
        /// How many may be.
        most: i64,
    },
}

impl SupplyProblem {
    /// A sentence for people.
    pub fn message(&self, language: Language) -> String {
        let (ja, en) = match self {
            Self::StaleVersion { current } => (
                format!(
                    "他の利用者が先に更新しました（現在の版：{current}）。読み直してください。"
                ),
                format!("Somebody changed it since you read it: its version is {current} now."),
            ),
            Self::BadText { most } => (
                format!("1～{most}文字で入力し、制御文字を含めないでください。"),
                format!("1 to {most} characters, and none of them a control character."),
            ),
            Self::TooMany { most } => (
                format!("機種の登録は{most}件までです。"),
                format!("A supplier has at most {most} models."),
            ),
            Self::NotFound => told("機種が見つかりません。", "There is no such model."),
            Self::UnknownSupplier => told(
                "メーカー・サプライヤーが見つかりません。",
                "There is no such supplier.",
            ),
            Self::Forbidden => told(
                "他社の機種は変更できません。",
                "This is another supplier's.",
            ),
            Self::NumberTaken => told(
                "この型番は既に登録されています。",
                "Another model of the supplier has this number.",
            ),
            Self::Missing => told("1つ以上指定してください。", "At least one is needed here."),
            Self::NotOfItsClass => told(
                "この種類の機器には指定できません。",
                "This can't be said of hardware of this class.",
            ),
            Self::NoReader => told(
                "顔認証付きカードリーダーの機種ではありません。",
                "This is no model of a card reader.",
            ),
            Self::ClassStays => told(
                "機器の種類は変更できません。",
                "The class of a model can't be changed.",
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
