//! What has to be done at a site, as a list by the kind of facility. The first version is built in; the ministry
//! publishes later ones, and an order keeps the version that it was opened with.

use serde::{Deserialize, Serialize};

use crate::{auth::Language, facility::FacilityKind};

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChecklistItem {
    /// The word by which it is ticked off: capital letters, digits and underscores.
    pub code: String,
    /// What Japanese users read.
    pub label_ja: String,
    /// What English users read.
    pub label_en: String,
    /// Nothing is finished without it.
    pub required: bool,
}

impl ChecklistItem {
    /// What a user reads.
    pub fn label(&self, language: Language) -> &str {
        match language {
            Language::Ja => &self.label_ja,
            Language::En => &self.label_en,
        }
    }
}

/// What has to be done at facilities of a kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checklist {
    /// Of which kind.
    pub kind: FacilityKind,
    /// The first is 1.
    pub version: i32,
    /// In the order of the work.
    pub items: Vec<ChecklistItem>,
}

/// What every kind of facility needs (オンライン資格確認等システムの導入作業), and whether nothing is finished without it.
const STEPS: [(&str, &str, &str, bool); 6] = [
    (
        "TERMINAL_SET_UP",
        "資格確認端末の設置・設定",
        "Terminal set up",
        true,
    ),
    (
        "CERTIFICATE_INSTALLED",
        "電子証明書のインストール",
        "Certificate installed",
        true,
    ),
    (
        "READER_CONNECTED",
        "顔認証付きカードリーダーの接続",
        "Card reader connected",
        true,
    ),
    (
        "RECEIPT_COMPUTER_MODIFIED",
        "レセプトコンピュータの改修",
        "Receipt computer modified",
        true,
    ),
    (
        "LINE_TESTED",
        "ネットワーク回線の疎通確認",
        "Line tested",
        true,
    ),
    ("TRIAL_OPERATION", "運用テスト", "Trial operation", true),
];

/// What hospitals need beside.
const HOSPITAL_STEPS: [(&str, &str, &str, bool); 1] = [(
    "CHART_SYSTEM_CONNECTED",
    "電子カルテシステムの改修・接続",
    "Electronic chart system modified and connected",
    false,
)];

impl Checklist {
    /// The version that is built in.
    pub const BUILT_IN: i32 = 1;

    /// The built-in list of a kind.
    pub fn built_in(kind: FacilityKind) -> Self {
        let more: &[_] = match kind {
            FacilityKind::Hospital => &HOSPITAL_STEPS,
            FacilityKind::MedicalClinic | FacilityKind::DentalClinic | FacilityKind::Pharmacy => {
                &[]
            }
        };
        let item =
            |(code, label_ja, label_en, required): &(&str, &str, &str, bool)| ChecklistItem {
                code: (*code).to_owned(),
                label_ja: (*label_ja).to_owned(),
                label_en: (*label_en).to_owned(),
                required: *required,
            };
        Self {
            kind,
            version: Self::BUILT_IN,
            items: STEPS.iter().chain(more).map(item).collect(),
        }
    }

    /// The item of a code.
    pub fn find(&self, code: &str) -> Option<&ChecklistItem> {
        self.items.iter().find(|item| item.code == code)
    }
}
