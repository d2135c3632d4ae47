//! What the API says of sheets.

use async_graphql::{ComplexObject, Enum, ID, SimpleObject, connection::Connection};
use chrono::{DateTime, Utc};

use crate::{
    api::{Date, NodeId, UserError, UserErrorCode, node_id::NodeKind},
    auth::Language,
    facility::graphql::{Facility, OrganisationSummary, change_id, summary},
    milestone::Milestone,
    reporting,
    sheet::{
        IdentifiedBy, RowProblem, SheetProblem, SheetRowOutcome, SheetStatus,
        column::{Columns, Field},
        entity,
        read::{Encoding, FileProblem, Format},
    },
};

/// What kind of file a sheet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum SheetFormat {
    /// Text with values between commas, tabs or semicolons.
    Csv,
    /// A workbook (Office Open XML); its first worksheet that has anything in it.
    Xlsx,
}

/// How the text of a sheet is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum SheetEncoding {
    /// UTF-8.
    #[graphql(name = "UTF_8")]
    Utf8,
    /// UTF-8 after a byte order mark, as spreadsheet programs write it.
    #[graphql(name = "UTF_8_BOM")]
    Utf8Bom,
    /// Shift_JIS as Windows has it (Windows-31J).
    #[graphql(name = "CP932")]
    Cp932,
    /// UTF-16 after a byte order mark.
    #[graphql(name = "UTF_16")]
    Utf16,
}

/// What a column of a sheet holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum, serde::Serialize)]
pub enum SheetField {
    /// The institution code: ten digits, nine that have lost their zero, or seven beside prefecture and fee table.
    Code,
    /// Your organisation's own reference for the facility.
    Reference,
    /// The prefecture, by number or name, of a code of seven digits.
    Prefecture,
    /// The fee table of a code of seven digits: its digit, its name or a kind of facility.
    FeeTable,
    /// The version that was exported: the row is a conflict if the facility has changed since.
    Version,
    /// The day on which a milestone was reached. One that differs corrects what is recorded.
    Reached,
    /// The day for which a milestone is planned.
    Planned,
    /// All that holds the facility up: what is not named no longer does, from today.
    Blockers,
    /// A remark kept with what the row records.
    Note,
}

impl SheetField {
    /// A field, with the milestone that it is of.
    pub fn of(field: Field) -> (Self, Option<Milestone>) {
        match field {
            Field::Code => (Self::Code, None),
            Field::Reference => (Self::Reference, None),
            Field::Prefecture => (Self::Prefecture, None),
            Field::FeeTable => (Self::FeeTable, None),
            Field::Version => (Self::Version, None),
            Field::Reached(milestone) => (Self::Reached, Some(milestone)),
            Field::Planned(milestone) => (Self::Planned, Some(milestone)),
            Field::Blockers => (Self::Blockers, None),
            Field::Note => (Self::Note, None),
        }
    }

    /// The field, if it has a milestone where it needs one.
    pub fn with(self, milestone: Option<Milestone>) -> Option<Field> {
        Some(match self {
            Self::Code => Field::Code,
            Self::Reference => Field::Reference,
            Self::Prefecture => Field::Prefecture,
            Self::FeeTable => Field::FeeTable,
            Self::Version => Field::Version,
            Self::Reached => Field::Reached(milestone?),
            Self::Planned => Field::Planned(milestone?),
            Self::Blockers => Field::Blockers,
            Self::Note => Field::Note,
        })
    }
}

/// A column of a sheet.
#[derive(Clone, Debug, SimpleObject)]
pub struct SheetColumn {
    /// Its position, from 0.
    position: i32,
    /// Its heading.
    heading: String,
    /// The first few values that are not empty.
    samples: Vec<String>,
    /// What it holds; null for one that is left alone.
    field: Option<SheetField>,
    /// Of which milestone.
    milestone: Option<Milestone>,
}

/// How many rows of a sheet there are of each outcome.
#[derive(Clone, Copy, Debug, Default, SimpleObject)]
pub struct SheetCounts {
    /// What they say is there already; null while not all of them were looked at.
    unchanged: Option<i64>,
    /// They will be written when the sheet is applied.
    will_change: i64,
    /// Something is wrong with them.
    refused: i64,
    /// Their facility has changed since they were exported or checked.
    conflicts: i64,
    /// They were written.
    changed: i64,
    /// They were written, and taken back.
    undone: i64,
    /// They were written and could not be taken back.
    not_undone: i64,
}

impl SheetCounts {
    /// Of a sheet, whose rows of each outcome were counted.
    pub fn of(
        sheet: &entity::Sheet,
        counted: Option<&std::collections::HashMap<SheetRowOutcome, i64>>,
    ) -> Self {
        let count = |outcome: SheetRowOutcome| {
            let found = counted.and_then(|counted| counted.get(&outcome));
            found.copied().unwrap_or(0)
        };
        let others: i64 = SheetRowOutcome::ALL
            .into_iter()
            .filter(|outcome| *outcome != SheetRowOutcome::Unchanged)
            .map(count)
            .sum();
        Self {
            unchanged: sheet
                .is_checked
                .then(|| i64::from(sheet.row_count) - others),
            will_change: count(SheetRowOutcome::WillChange),
            refused: count(SheetRowOutcome::Refused),
            conflicts: count(SheetRowOutcome::Conflict),
            changed: count(SheetRowOutcome::Changed),
            undone: count(SheetRowOutcome::Undone),
            not_undone: count(SheetRowOutcome::NotUndone),
        }
    }
}

/// A file of facilities that was sent to be read (POST `/sheets`). Whoever sent it sees it, and everyone in the
/// organisation in whose name it was sent.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex)]
pub struct Sheet {
    #[graphql(skip)]
    id: ID,
    /// The file's name.
    name: String,
    /// What kind of file it is.
    format: SheetFormat,
    /// How its text is written.
    encoding: SheetEncoding,
    /// The worksheet that is read, of a workbook.
    worksheet: Option<String>,
    /// How many bytes it has.
    byte_count: i64,
    /// In whose name it was sent.
    organisation: Option<OrganisationSummary>,
    /// When it was sent.
    uploaded_at: DateTime<Utc>,
    /// How far it has come.
    status: SheetStatus,
    /// When its status last changed.
    changed_at: DateTime<Utc>,
    /// The row of its headings, from 1.
    heading_row: i32,
    /// Its columns.
    columns: Vec<SheetColumn>,
    /// How many rows it has below its headings.
    row_count: i32,
    /// How many rows there are of each outcome.
    counts: SheetCounts,
    /// How many rows of what is under way, or ended last, are done.
    done_count: i32,
    /// Of how many.
    todo_count: i32,
    /// Why, in the words of whoever began what is under way.
    reason: Option<String>,
    /// Up to which day everything is recorded once it is applied, as whoever sent or applied it says.
    complete_to: Option<Date>,
    /// Global id of the change that confirmed it; null if nothing did: it was not asked for, the sheet is not applied
    /// or is undone, some of its rows could not be written, whoever applied it may no longer report, or that day or a
    /// later one is confirmed already.
    confirmation_change_id: Option<ID>,
    /// Where to get it with the result of each row in added columns (GET).
    result_path: String,
    /// What is wrong with it as a whole: which columns are missing, or why it could not be gone on with.
    user_errors: Vec<UserError>,
}

#[ComplexObject]
impl Sheet {
    /// Global id.
    pub async fn id(&self) -> ID {
        self.id.clone()
    }
}

impl Sheet {
    /// A stored sheet, its rows counted.
    pub fn of(sheet: entity::Sheet, counts: SheetCounts, language: Language) -> Self {
        let id = NodeId::new(NodeKind::Sheet, sheet.id.0).encode();
        let missing = match sheet.status {
            SheetStatus::NeedsColumns => sheet.columns.problems(),
            _ => Vec::new(),
        };
        let user_errors = sheet
            .problem
            .iter()
            .chain(&missing)
            .map(|problem| user_error(problem, Vec::new(), language))
            .collect();
        Self {
            result_path: format!("/sheets/{}/result", id.as_str()),
            id,
            name: sheet.name,
            format: match sheet.layout.format {
                Format::Csv => SheetFormat::Csv,
                Format::Xlsx => SheetFormat::Xlsx,
            },
            encoding: match sheet.layout.encoding {
                Encoding::Utf8 => SheetEncoding::Utf8,
                Encoding::Utf8Bom => SheetEncoding::Utf8Bom,
                Encoding::Cp932 => SheetEncoding::Cp932,
                Encoding::Utf16 => SheetEncoding::Utf16,
            },
            worksheet: sheet.layout.worksheet,
            byte_count: sheet.byte_count,
            organisation: sheet.organisation.as_ref().map(summary),
            uploaded_at: sheet.uploaded_at,
            status: sheet.status,
            changed_at: sheet.changed_at,
            heading_row: i32::try_from(sheet.columns.heading_row).unwrap_or(i32::MAX),
            columns: columns(sheet.columns),
            row_count: sheet.row_count,
            counts,
            done_count: sheet.done_count,
            todo_count: sheet.todo_count,
            reason: sheet.reason,
            complete_to: sheet.complete_to.map(Date),
            confirmation_change_id: change_id(sheet.confirmed_by),
            user_errors,
        }
    }

    /// What is told of it while it goes on.
    pub fn progress(&self) -> (SheetStatus, i32, i32) {
        (self.status, self.done_count, self.todo_count)
    }
}

fn columns(columns: Columns) -> Vec<SheetColumn> {
    columns
        .columns
        .into_iter()
        .zip(0_i32..)
        .map(|(column, position)| {
            let (field, milestone) = column.field.map(SheetField::of).unzip();
            SheetColumn {
                position,
                heading: column.heading,
                samples: column.samples,
                field,
                milestone: milestone.flatten(),
            }
        })
        .collect()
}

/// A page of sheets.
pub type SheetConnection = Connection<String, Sheet>;

/// A value that a row changes.
#[derive(Clone, Debug, SimpleObject)]
pub struct SheetRowChange {
    /// The column that says so.
    field: SheetField,
    /// Of which milestone.
    milestone: Option<Milestone>,
    /// What was there when the row was looked at; null if nothing was.
    before: Option<String>,
    /// What the row says; null if it clears.
    after: Option<String>,
}

/// What a row of a sheet would do, or did.
#[derive(Clone, Debug, SimpleObject)]
pub struct SheetRow {
    /// Its number, as a spreadsheet program shows it.
    number: i32,
    /// What it would do, or did.
    outcome: SheetRowOutcome,
    /// How it named its facility; null if it named none that you can see.
    identified_by: Option<IdentifiedBy>,
    /// Its facility, if you can see it.
    facility: Option<Facility>,
    /// What it changes.
    changes: Vec<SheetRowChange>,
    /// The remark that it leaves.
    note: Option<String>,
    /// Global id of the change that wrote it.
    change_id: Option<ID>,
    /// Every reason why it is refused. The path is the heading of the column in our own files, if it is about one.
    user_errors: Vec<UserError>,
}

impl SheetRow {
    /// A stored row, with its facility if its reader can see that.
    pub fn of(mut row: entity::SheetRow, facility: Option<Facility>, language: Language) -> Self {
        if row.facility.is_some() && facility.is_none() {
            row.hide();
        }
        let detail = row.detail;
        let changes = detail
            .wishes
            .iter()
            .zip(&detail.before)
            .map(|(wish, before)| {
                let (field, milestone) = SheetField::of(wish.field());
                SheetRowChange {
                    field,
                    milestone,
                    before: before.told(language),
                    after: wish.told(language),
                }
            })
            .collect();
        Self {
            number: row.number,
            outcome: row.outcome,
            identified_by: detail.identified,
            facility,
            changes,
            note: detail.note,
            change_id: change_id(row.change),
            user_errors: detail
                .problems
                .iter()
                .map(|problem| row_error(problem, language))
                .collect(),
        }
    }
}

/// A page of rows of a sheet.
pub type SheetRowConnection = Connection<String, SheetRow>;

fn row_error(problem: &RowProblem, language: Language) -> UserError {
    let field = problem.field.map(|field| field.heading(language));
    user_error(&problem.problem, field.into_iter().collect(), language)
}

/// A problem as a user error at a path.
pub fn user_error(problem: &SheetProblem, path: Vec<String>, language: Language) -> UserError {
    use UserErrorCode as Code;
    let code = match problem {
        SheetProblem::Facility(problem) => return UserError::of(problem, path, language),
        SheetProblem::Reporting(problem) => {
            return reporting::graphql::user_error(problem, path, language);
        }
        SheetProblem::File(FileProblem::Empty) => Code::Missing,
        SheetProblem::File(_) => Code::UnreadableFile,
        SheetProblem::NotFound
        | SheetProblem::NoSuchMapping
        | SheetProblem::NoSuchColumn { .. } => Code::NotFound,
        SheetProblem::Forbidden | SheetProblem::RunnerGone => Code::Forbidden,
        SheetProblem::NotWhile { .. } => Code::NotWhile,
        SheetProblem::WhoseIsIt
        | SheetProblem::NoIdentifyingColumn
        | SheetProblem::NoWritingColumn
        | SheetProblem::NoFacilityNamed => Code::Missing,
        SheetProblem::DoubledColumn { .. } | SheetProblem::DoubledRow { .. } => Code::DuplicateRow,
        SheetProblem::BadMappingName => Code::InvalidText,
        SheetProblem::AppliedBefore { .. } => Code::AppliedBefore,
        SheetProblem::HasRefusedRows { .. } | SheetProblem::NotAllRecorded { .. } => {
            Code::HasRefusedRows
        }
        SheetProblem::NothingToApply => Code::NothingToDo,
        SheetProblem::Fault => Code::Busy,
        SheetProblem::Ambiguous => Code::Ambiguous,
        SheetProblem::NoDay { .. }
        | SheetProblem::NoNumber { .. }
        | SheetProblem::NoBlocker { .. } => Code::UnreadableValue,
        SheetProblem::Conflict { .. } => Code::StaleVersion,
    };
    UserError {
        code,
        path,
        message: problem.message(language),
    }
}
