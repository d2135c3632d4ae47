//! What a sender could expect to go wrong with a sheet or a row of one.

use serde::{Deserialize, Serialize};

use super::{SheetStatus, read::FileProblem};
use crate::{
    auth::Language,
    milestone::{self, Problem},
    reporting::ReportingProblem,
};

/// Why a sheet or a row of one is refused. Stored with it, so variants are only ever added.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SheetProblem {
    /// Of the facility or its history.
    Facility(Problem),
    /// Of the file.
    File(FileProblem),
    /// Of what it would confirm.
    Reporting(ReportingProblem),
    /// No such sheet, or none that the caller can see.
    NotFound,
    /// The caller may record nothing.
    Forbidden,
    /// The sender may record in the name of several organisations, and names none.
    WhoseIsIt,
    /// Not while the sheet is so.
    NotWhile {
        /// How it is.
        status: SheetStatus,
    },
    /// No column says which facility a row is about.
    NoIdentifyingColumn,
    /// No column says anything that could be written.
    NoWritingColumn,
    /// Several columns hold the same.
    DoubledColumn {
        /// Their headings.
        headings: Vec<String>,
    },
    /// There is no such column in the file.
    NoSuchColumn {
        /// Its position, from 0.
        position: i32,
    },
    /// No columns are saved under this name.
    NoSuchMapping,
    /// The name under which columns are saved is empty or too long.
    BadMappingName,
    /// A file with the same content was applied before.
    AppliedBefore {
        /// As which sheet.
        sheet: i64,
    },
    /// Some of its rows are refused, and all or nothing was asked for.
    HasRefusedRows {
        /// How many.
        count: i64,
    },
    /// Some of its rows are refused or were taken back: with it nothing can be confirmed.
    NotAllRecorded {
        /// How many.
        count: i64,
    },
    /// None of its rows would change anything.
    NothingToApply,
    /// Whoever began it may no longer be here.
    RunnerGone,
    /// Something went wrong on our side.
    Fault,
    /// A row says nothing of which facility it is about.
    NoFacilityNamed,
    /// What a row says fits several facilities.
    Ambiguous,
    /// A cell is no day.
    NoDay {
        /// What it says.
        text: String,
    },
    /// A cell is no number.
    NoNumber {
        /// What it says.
        text: String,
    },
    /// A cell names something that is no blocker.
    NoBlocker {
        /// What it says.
        text: String,
    },
    /// The same facility in a row before.
    DoubledRow {
        /// The number of that row.
        first: u32,
    },
    /// The facility has changed since the row was exported or checked.
    Conflict {
        /// The version of the facility now.
        current: i32,
    },
}

impl From<Problem> for SheetProblem {
    fn from(problem: Problem) -> Self {
        Self::Facility(problem)
    }
}

impl From<ReportingProblem> for SheetProblem {
    fn from(problem: ReportingProblem) -> Self {
        Self::Reporting(problem)
    }
}

impl From<FileProblem> for SheetProblem {
    fn from(problem: FileProblem) -> Self {
        Self::File(problem)
    }
}

impl SheetProblem {
    /// What the user reads.
    pub fn message(&self, language: Language) -> String {
        match (self, language) {
            (Self::Facility(problem), language) => problem.message(language),
            (Self::Reporting(problem), language) => problem.message(language),
            (_, Language::Ja) => self.message_ja(),
            (_, Language::En) => self.message_en(),
        }
    }

    fn message_ja(&self) -> String {
        match self {
            Self::Facility(problem) => problem.message(Language::Ja),
            Self::Reporting(problem) => problem.message(Language::Ja),
            Self::File(problem) => file_ja(problem),
            Self::NotFound => "ファイルが見つかりません。".to_owned(),
            Self::Forbidden => "ファイルの取込みは許可されていません。".to_owned(),
            Self::WhoseIsIt => {
                "どの組織として取り込むか指定してください（organisation）。".to_owned()
            }
            Self::NotWhile { status } => {
                format!(
                    "この操作は現在の状態（{}）ではできません。",
                    status_ja(*status)
                )
            }
            Self::NoIdentifyingColumn => {
                "施設を特定する列（医療機関コードまたは自社管理番号）がありません。".to_owned()
            }
            Self::NoWritingColumn => {
                "登録できる列（各段階の日付・予定日、阻害要因）がありません。".to_owned()
            }
            Self::DoubledColumn { headings } => {
                format!(
                    "同じ内容の列が複数あります（{}）。1つだけ選んでください。",
                    headings.join("、")
                )
            }
            Self::NoSuchColumn { position } => format!("列{}はありません。", position + 1),
            Self::NoSuchMapping => "保存された列の対応が見つかりません。".to_owned(),
            Self::BadMappingName => "名前は1〜100文字としてください。".to_owned(),
            Self::AppliedBefore { .. } => {
                "同じ内容のファイルは取込み済みです。もう一度取り込む場合は again を指定してください。"
                    .to_owned()
            }
            Self::HasRefusedRows { count } => {
                format!("{count}行にエラーがあります。修正するか、エラーのない行だけを取り込んでください。")
            }
            Self::NotAllRecorded { count } => format!(
                "記録されない行が{count}行あるため、報告完了とすることはできません。修正するか、報告完了なしで取り込んでください。"
            ),
            Self::NothingToApply => "変更される行がありません。".to_owned(),
            Self::RunnerGone => "操作を始めた利用者は現在利用できません。".to_owned(),
            Self::Fault => "システムの障害により中断しました。もう一度お試しください。".to_owned(),
            Self::NoFacilityNamed => "施設を特定する値がありません。".to_owned(),
            Self::Ambiguous => {
                "該当する施設が複数あります。10桁の医療機関コードを入力してください。".to_owned()
            }
            Self::NoDay { text } => format!(
                "「{text}」は日付として読み取れません（例：2021-12-19、2021/12/19、令和3年12月19日）。"
            ),
            Self::NoNumber { text } => format!("「{text}」は整数ではありません。"),
            Self::NoBlocker { text } => {
                let labels = milestone::Blocker::ALL.map(milestone::Blocker::label_ja);
                format!(
                    "「{text}」という阻害要因はありません（{}）。",
                    labels.join("、")
                )
            }
            Self::DoubledRow { first } => format!("同じ施設が{first}行目にあります。"),
            Self::Conflict { current } => {
                format!("他の利用者が先に更新しました（現在の版：{current}）。現在の値を確認してください。")
            }
        }
    }

    fn message_en(&self) -> String {
        match self {
            Self::Facility(problem) => problem.message(Language::En),
            Self::Reporting(problem) => problem.message(Language::En),
            Self::File(problem) => file_en(problem),
            Self::NotFound => "There is no such sheet.".to_owned(),
            Self::Forbidden => "You may not send sheets.".to_owned(),
            Self::WhoseIsIt => {
                "Say in the name of which organisation you send it (organisation).".to_owned()
            }
            Self::NotWhile { status } => {
                format!("This can't be done while the sheet is {}.", status_en(*status))
            }
            Self::NoIdentifyingColumn => {
                "No column says which facility a row is about (institution code or own reference)."
                    .to_owned()
            }
            Self::NoWritingColumn => {
                "No column holds anything that could be written (days of milestones, plans, blockers)."
                    .to_owned()
            }
            Self::DoubledColumn { headings } => {
                format!("Several columns hold the same: {}.", headings.join(", "))
            }
            Self::NoSuchColumn { position } => format!("There is no column {}.", position + 1),
            Self::NoSuchMapping => "No columns are saved under this name.".to_owned(),
            Self::BadMappingName => "A name has 1 to 100 characters.".to_owned(),
            Self::AppliedBefore { .. } => {
                "A file with this content was applied before. Say `again` to do it once more."
                    .to_owned()
            }
            Self::HasRefusedRows { count } => {
                format!("{count} rows are refused. Mend them, or apply the others alone.")
            }
            Self::NotAllRecorded { count } => format!(
                "{count} rows are not recorded, so that nothing can be confirmed with it. Mend them, or apply it without a confirmation."
            ),
            Self::NothingToApply => "No row would change anything.".to_owned(),
            Self::RunnerGone => "Whoever began this may no longer be here.".to_owned(),
            Self::Fault => "It broke off through a fault of ours. Try again.".to_owned(),
            Self::NoFacilityNamed => "The row doesn't say which facility it is about.".to_owned(),
            Self::Ambiguous => {
                "This fits several facilities: give the institution code of ten digits.".to_owned()
            }
            Self::NoDay { text } => {
                format!("“{text}” can't be read as a day (write 2021-12-19, 2021/12/19 or 令和3年12月19日).")
            }
            Self::NoNumber { text } => format!("“{text}” is no whole number."),
            Self::NoBlocker { text } => {
                let words = milestone::Blocker::ALL.map(super::column::word);
                format!("“{text}” is no blocker ({}).", words.join(", "))
            }
            Self::DoubledRow { first } => format!("The same facility stands in row {first}."),
            Self::Conflict { current } => {
                format!("Somebody changed it first (version {current} now): look at both values.")
            }
        }
    }
}

fn status_en(status: SheetStatus) -> &'static str {
    match status {
        SheetStatus::Checking => "being checked",
        SheetStatus::Applying => "being applied",
        SheetStatus::Undoing => "being undone",
        SheetStatus::NeedsColumns => "waiting for its columns",
        SheetStatus::Checked => "checked",
        SheetStatus::Applied => "applied",
        SheetStatus::Cancelled => "stopped",
        SheetStatus::Failed => "failed",
        SheetStatus::Undone => "undone",
    }
}

fn status_ja(status: SheetStatus) -> &'static str {
    match status {
        SheetStatus::Checking => "確認中",
        SheetStatus::Applying => "取込み中",
        SheetStatus::Undoing => "取消し中",
        SheetStatus::NeedsColumns => "列の指定待ち",
        SheetStatus::Checked => "確認済み",
        SheetStatus::Applied => "取込み済み",
        SheetStatus::Cancelled => "中止",
        SheetStatus::Failed => "失敗",
        SheetStatus::Undone => "取消し済み",
    }
}

fn file_ja(problem: &FileProblem) -> String {
    match problem {
        FileProblem::Empty => "ファイルに行がありません。".to_owned(),
        FileProblem::NotASheet => "CSVまたはXLSXのファイルではありません。".to_owned(),
        FileProblem::NotWhatItSays { says, .. } => {
            format!("ファイルの内容が拡張子（.{says}）と一致しません。")
        }
        FileProblem::BadEncoding { row } => {
            format!(
                "{row}行目の文字コードを読み取れません。UTF-8またはShift_JIS（CP932）で保存してください。"
            )
        }
        FileProblem::Broken => "ファイルが壊れているか、途中で切れています。".to_owned(),
        FileProblem::UnclosedQuote { row } => {
            format!("{row}行目から始まる引用符（\"）が閉じられていません。")
        }
        FileProblem::TooManyRows { most } => format!("行数が多すぎます（最大{most}行）。"),
        FileProblem::TooManyColumns { most, row } => {
            format!("{row}行目の列数が多すぎます（最大{most}列）。")
        }
        FileProblem::CellTooLong { most, row } => {
            format!("{row}行目のセルが長すぎます（最大{most}文字）。")
        }
        FileProblem::TooLarge => "ファイルの内容が多すぎます。".to_owned(),
        FileProblem::Encrypted => {
            "パスワードで保護されたファイルは取り込めません。保護を解除してください。".to_owned()
        }
        FileProblem::MergedCells { range } => {
            format!("セルの結合（{range}）を解除してください。")
        }
    }
}

fn file_en(problem: &FileProblem) -> String {
    match problem {
        FileProblem::Empty => "The file has no rows.".to_owned(),
        FileProblem::NotASheet => "The file is neither CSV nor XLSX.".to_owned(),
        FileProblem::NotWhatItSays { says, .. } => {
            format!("The file is not what its name says (.{says}).")
        }
        FileProblem::BadEncoding { row } => {
            format!("Line {row} can't be read: save the file as UTF-8 or as Shift_JIS (CP932).")
        }
        FileProblem::Broken => "The file is damaged or cut off.".to_owned(),
        FileProblem::UnclosedQuote { row } => {
            format!("A quote that begins in row {row} is never closed.")
        }
        FileProblem::TooManyRows { most } => format!("The file has more than {most} rows."),
        FileProblem::TooManyColumns { most, row } => {
            format!("Row {row} has more than {most} columns.")
        }
        FileProblem::CellTooLong { most, row } => {
            format!("A cell in row {row} has more than {most} characters.")
        }
        FileProblem::TooLarge => "The file holds too much.".to_owned(),
        FileProblem::Encrypted => {
            "The file is protected by a password: take the protection off.".to_owned()
        }
        FileProblem::MergedCells { range } => {
            format!("Take the merged cells ({range}) apart.")
        }
    }
}
