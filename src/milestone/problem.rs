//! What a caller could expect to go wrong with a write to a facility's history.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use super::{Blocker, Milestone, Violation};
use crate::{app::clock::in_japan, auth::Language, facility::InstitutionCodeError};

/// A rule that a row broke. Stored with the outcome of a write, so variants are only ever added.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Problem {
    /// No such facility, or none that the caller can see.
    NotFound,
    /// The caller sees the facility but may not do this to it.
    Forbidden,
    /// The row was changed since the caller read it.
    StaleVersion {
        /// The version now.
        current: i32,
    },
    /// A date after today.
    InFuture {
        /// Today in Japan.
        today: NaiveDate,
    },
    /// A date before the rollout can have begun.
    TooEarly {
        /// The earliest day accepted.
        earliest: NaiveDate,
    },
    /// The same facility and milestone twice in one request, with nothing between them that undoes the first.
    DuplicateRow {
        /// The index of the first.
        first: usize,
    },
    /// A milestone whose ground is missing on that day.
    MissingGround {
        /// The milestone.
        milestone: Milestone,
        /// What it needs.
        needs: Milestone,
        /// The first day on which it lacks it.
        on: NaiveDate,
    },
    /// Others need this one: they must go too.
    NeededByLater {
        /// The milestone that would be taken back.
        milestone: Milestone,
        /// The one that needs it.
        by: Milestone,
    },
    /// In effect already.
    AlreadyReached {
        /// The milestone.
        milestone: Milestone,
        /// Since when.
        since: NaiveDate,
    },
    /// Not in effect on that day.
    NotReached {
        /// The milestone.
        milestone: Milestone,
    },
    /// It holds the facility up already.
    AlreadyBlocked {
        /// The blocker.
        blocker: Blocker,
        /// Since when.
        since: NaiveDate,
    },
    /// It doesn't hold the facility up on that day.
    NotBlocked {
        /// The blocker.
        blocker: Blocker,
    },
    /// What comes up or is resolved is a blocker.
    MissingBlocker,
    /// Before the facility opened.
    BeforeOpening {
        /// The day it opened.
        opened_on: NaiveDate,
    },
    /// On or after the day on which it closed.
    AfterClosing {
        /// The day it closed.
        closed_on: NaiveDate,
    },
    /// No such event in the facility's history, or it was voided before.
    EventNotFound,
    /// No such change, or none that the caller can see.
    ChangeNotFound,
    /// The facility changed since the change that would be undone.
    ChangedSince {
        /// When it last did.
        at: DateTime<Utc>,
    },
    /// The change was undone before.
    AlreadyUndone,
    /// What the change did is put right in another way.
    CanNotBeUndone,
    /// Nothing would change.
    NothingToDo,
    /// The idempotency key was used for another request.
    KeyReused,
    /// The idempotency key is empty or too long, or holds characters that can't be stored.
    BadIdempotencyKey {
        /// Most characters.
        most: usize,
    },
    /// The reason is too long, or holds characters that can't be stored.
    BadReason {
        /// Most characters.
        most: usize,
    },
    /// What is recorded, planned or withdrawn is a milestone.
    MissingMilestone,
    /// What is recorded or withdrawn needs a day.
    MissingDate,
    /// What is corrected is a record.
    MissingEvent,
    /// The row does not give what its action takes.
    MissingValue,
    /// The institution code is not one.
    BadCode(InstitutionCodeError),
    /// The code by which the facility is named is not one.
    BadFacilityCode(InstitutionCodeError),
    /// Another facility has, or had, this code.
    CodeTaken,
    /// The code's fee table or prefecture is another one than the facility's.
    CodeDoesNotFit,
    /// No organisation of the kind wanted has this id.
    UnknownOrganisation,
    /// On that day the facility does not belong to the chain whose part the organisation is.
    NotItsChain,
    /// Another facility has this reference already.
    ReferenceTaken,
    /// A facility of this kind bills under another fee table than that of its code.
    KindDoesNotFit,
    /// Another code holds from a later day already.
    BeforeLastCode {
        /// The day from which the last one holds.
        since: NaiveDate,
    },
    /// The facility would be left without an opening, or without a kind on its first day.
    Incomplete,
    /// A text is too long, or holds characters that can't be stored.
    BadText {
        /// Most characters.
        most: usize,
    },
}

impl Problem {
    /// From a broken rule, when a milestone is taken back.
    pub fn of_withdrawal(violation: Violation) -> Self {
        match violation {
            Violation::Nesting {
                milestone, needs, ..
            } => Self::NeededByLater {
                milestone: needs,
                by: milestone,
            },
            other => other.into(),
        }
    }

    /// What the user reads.
    pub fn message(&self, language: Language) -> String {
        match language {
            Language::Ja => self.message_ja(),
            Language::En => self.message_en(),
        }
    }

    fn message_ja(&self) -> String {
        match self {
            Self::NotFound => "施設が見つかりません。".to_owned(),
            Self::Forbidden => "この施設に対するこの操作は許可されていません。".to_owned(),
            Self::StaleVersion { current } => {
                format!("他の利用者が先に更新しました（現在の版：{current}）。読み直してください。")
            }
            Self::InFuture { today } => format!("未来の日付は登録できません（本日：{today}）。"),
            Self::TooEarly { earliest } => format!("{earliest} より前の日付は登録できません。"),
            Self::DuplicateRow { first } => {
                format!(
                    "同じ施設・同じ段階の行が重複しています（最初の行：{}）。",
                    first + 1
                )
            }
            Self::MissingGround {
                milestone,
                needs,
                on,
            } => format!(
                "「{}」には{on}時点で「{}」が必要です。",
                milestone.label_ja(),
                needs.label_ja()
            ),
            Self::NeededByLater { milestone, by } => format!(
                "「{}」は「{}」の前提のため、単独では取り消せません。",
                milestone.label_ja(),
                by.label_ja()
            ),
            Self::AlreadyReached { milestone, since } => {
                format!("「{}」は{since}に登録済みです。", milestone.label_ja())
            }
            Self::NotReached { milestone } => {
                format!("「{}」はその日に有効ではありません。", milestone.label_ja())
            }
            Self::AlreadyBlocked { blocker, since } => {
                format!(
                    "阻害要因「{}」は{since}から登録されています。",
                    blocker.label_ja()
                )
            }
            Self::NotBlocked { blocker } => {
                format!(
                    "阻害要因「{}」はその日に登録されていません。",
                    blocker.label_ja()
                )
            }
            Self::MissingBlocker => "阻害要因を指定してください。".to_owned(),
            Self::BeforeOpening { opened_on } => format!("開設日（{opened_on}）より前の日付です。"),
            Self::AfterClosing { closed_on } => format!("廃止日（{closed_on}）以後の日付です。"),
            Self::EventNotFound => "訂正の対象となる記録が見つかりません。".to_owned(),
            Self::ChangedSince { at } => format!(
                "この変更の後に更新されています（最終更新：{}）。",
                in_japan(*at)
            ),
            Self::ChangeNotFound => "変更が見つかりません。".to_owned(),
            Self::AlreadyUndone => "この変更は取り消し済みです。".to_owned(),
            Self::CanNotBeUndone => {
                "この変更は取り消せません。施設の訂正機能を使ってください。".to_owned()
            }
            Self::NothingToDo => "変更がありません。".to_owned(),
            Self::BadCode(_) | Self::BadFacilityCode(_) => {
                "医療機関コードが正しくありません（10桁、検査数字付き）。".to_owned()
            }
            Self::CodeTaken => "この医療機関コードは既に使われています。".to_owned(),
            Self::CodeDoesNotFit => {
                "医療機関コードの都道府県または点数表が施設と一致しません。".to_owned()
            }
            Self::UnknownOrganisation => "該当する組織が見つかりません。".to_owned(),
            Self::NotItsChain => {
                "この施設は、その日付ではこの法人・エリアのチェーンに属していません。".to_owned()
            }
            Self::ReferenceTaken => "この管理番号は別の施設に使われています。".to_owned(),
            Self::KeyReused => "この冪等キーは別の内容の要求に使われています。".to_owned(),
            Self::KindDoesNotFit => {
                "この施設種別は医療機関コードの点数表と一致しません。".to_owned()
            }
            Self::BeforeLastCode { since } => {
                format!("現在の医療機関コードの開始日（{since}）より前の日付です。")
            }
            Self::Incomplete => {
                "開設日と、その日の施設種別は必要です。正しい日付を指定してください。".to_owned()
            }
            Self::BadIdempotencyKey { most } => {
                format!("冪等キーは1〜{most}文字とし、制御文字を含めないでください。")
            }
            Self::MissingMilestone => "段階を指定してください。".to_owned(),
            Self::MissingDate => "日付を入力してください。".to_owned(),
            Self::MissingEvent => "訂正する記録を指定してください。".to_owned(),
            Self::MissingValue => {
                "この処理に必要な項目（連絡先、紐付け先、区分または新しいコード）がありません。"
                    .to_owned()
            }
            Self::BadText { most } | Self::BadReason { most } => {
                format!("文字列は{most}文字以内とし、制御文字を含めないでください。")
            }
        }
    }

    fn message_en(&self) -> String {
        match self {
            Self::NotFound => "No such facility.".to_owned(),
            Self::Forbidden => "You may not do this to this facility.".to_owned(),
            Self::StaleVersion { current } => {
                format!("Somebody changed it first (version {current} now). Read it again.")
            }
            Self::InFuture { today } => {
                format!("A date in the future can't be recorded (today is {today}).")
            }
            Self::TooEarly { earliest } => format!("Dates before {earliest} can't be recorded."),
            Self::DuplicateRow { first } => {
                format!(
                    "The same facility and milestone stands in row {} already.",
                    first + 1
                )
            }
            Self::MissingGround {
                milestone,
                needs,
                on,
            } => format!("{milestone:?} needs {needs:?} to be in effect on {on}."),
            Self::NeededByLater { milestone, by } => {
                format!("{by:?} needs {milestone:?}: take it back as well.")
            }
            Self::AlreadyReached { milestone, since } => {
                format!("{milestone:?} is in effect since {since}.")
            }
            Self::NotReached { milestone } => {
                format!("{milestone:?} is not in effect on that day.")
            }
            Self::AlreadyBlocked { blocker, since } => {
                format!("{blocker:?} holds it up since {since} already.")
            }
            Self::NotBlocked { blocker } => {
                format!("{blocker:?} does not hold it up on that day.")
            }
            Self::MissingBlocker => "Say what holds it up.".to_owned(),
            Self::BeforeOpening { opened_on } => {
                format!("The facility opened on {opened_on}, after that date.")
            }
            Self::AfterClosing { closed_on } => {
                format!("The facility closed on {closed_on}, by that date.")
            }
            Self::EventNotFound => "There is no such record to correct.".to_owned(),
            Self::ChangedSince { at } => {
                format!("It changed since, last at {}.", in_japan(*at))
            }
            Self::ChangeNotFound => "There is no such change.".to_owned(),
            Self::AlreadyUndone => "This was undone before.".to_owned(),
            Self::CanNotBeUndone => {
                "This can't be undone: correct the facility instead.".to_owned()
            }
            Self::NothingToDo => "Nothing would change.".to_owned(),
            Self::BadCode(error) | Self::BadFacilityCode(error) => {
                format!("Not an institution code: {error}.")
            }
            Self::CodeTaken => "This institution code is taken.".to_owned(),
            Self::CodeDoesNotFit => {
                "The code's prefecture or fee table is not the facility's.".to_owned()
            }
            Self::UnknownOrganisation => "There is no such organisation.".to_owned(),
            Self::NotItsChain => {
                "On that day the facility does not belong to the chain of this corporation or area."
                    .to_owned()
            }
            Self::ReferenceTaken => "This reference is taken.".to_owned(),
            Self::KeyReused => {
                "This idempotency key was used for a request with other content.".to_owned()
            }
            Self::KindDoesNotFit => {
                "Such a facility bills under another fee table than that of its code.".to_owned()
            }
            Self::BeforeLastCode { since } => {
                format!("The present code holds since {since}, after that date.")
            }
            Self::Incomplete => {
                "A facility has an opening, and a kind from that day on: give the right day."
                    .to_owned()
            }
            Self::BadIdempotencyKey { most } => {
                format!("An idempotency key has 1 to {most} characters, and no control characters.")
            }
            Self::MissingMilestone => "Say which milestone.".to_owned(),
            Self::MissingDate => "A day is needed here.".to_owned(),
            Self::MissingEvent => "Say which record was a mistake.".to_owned(),
            Self::MissingValue => {
                "The row does not give what its action takes: contacts, a link, a classification or a code.".to_owned()
            }
            Self::BadText { most } | Self::BadReason { most } => {
                format!("Use at most {most} characters, and no control characters.")
            }
        }
    }
}

/// Most characters of a remark.
const MOST_NOTE: usize = 1_000;

/// Is a remark of a sensible length, without control characters?
pub fn check_note(note: Option<&str>) -> Option<Problem> {
    let bad = |note: &str| {
        note.chars().count() > MOST_NOTE || note.chars().any(|c| c.is_control() && c != '\n')
    };
    note.is_some_and(bad)
        .then_some(Problem::BadText { most: MOST_NOTE })
}

impl From<Violation> for Problem {
    fn from(violation: Violation) -> Self {
        match violation {
            Violation::Nesting {
                milestone,
                needs,
                on,
            } => Self::MissingGround {
                milestone,
                needs,
                on,
            },
            Violation::AlreadyReached { milestone, since } => {
                Self::AlreadyReached { milestone, since }
            }
            Violation::NotReached { milestone } => Self::NotReached { milestone },
            Violation::AlreadyBlocked { blocker, since } => Self::AlreadyBlocked { blocker, since },
            Violation::NotBlocked { blocker } => Self::NotBlocked { blocker },
            Violation::BeforeOpening { opened_on } => Self::BeforeOpening { opened_on },
            Violation::AfterClosing { closed_on } => Self::AfterClosing { closed_on },
            Violation::PartOfAnotherChain => Self::NotItsChain,
            Violation::Incomplete => Self::Incomplete,
        }
    }
}
