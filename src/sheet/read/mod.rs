//! Reads a spreadsheet row by row, whatever it is: a CSV text or an XLSX
//! workbook.
//!
//! Two calls are enough. [`inspect`] looks at a file that somebody sent and
//! says what it is (its [`Layout`]) or what is wrong with it (a
//! [`FileProblem`]). [`rows`] then hands over the rows one after another, so
//! that memory doesn't grow with their number. Files come from strangers: sizes
//! and names that a file claims are never trusted, and [`Limits`] bound what
//! one file may cost. The submodule `text` knows CSV, `workbook` knows XLSX.

mod text;
mod workbook;

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::ops::ControlFlow;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

/// The most that one file may hold. A file with more is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Rows that have content; blank rows are free.
    pub rows: u32,
    /// Columns; empty cells further to the right are free.
    pub columns: usize,
    /// Characters in one cell.
    pub cell_characters: usize,
    /// Bytes of the text of one row.
    pub row_bytes: u64,
    /// Bytes of the text of all rows: a workbook may show one text in many cells.
    pub text_bytes: u64,
    /// Bytes of all parts of a workbook together, unpacked.
    pub unpacked_bytes: u64,
    /// Bytes of any part of a workbook that is held in memory, such as its
    /// shared strings, unpacked.
    pub shared_strings_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // Those of an export, and some above their headings.
            rows: 300_020,
            columns: 200,
            cell_characters: 32_767,
            row_bytes: 1024 * 1024,
            text_bytes: 512 * 1024 * 1024,
            unpacked_bytes: 512 * 1024 * 1024,
            shared_strings_bytes: 64 * 1024 * 1024,
        }
    }
}

/// The kind of a spreadsheet file, told by its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Format {
    /// A text with one row a line, its cells divided by a delimiter.
    Csv,
    /// An Office Open XML workbook.
    Xlsx,
}

/// How the characters of a text are written as bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Encoding {
    /// UTF-8 without a byte order mark; also said of every workbook.
    Utf8,
    /// UTF-8 after a byte order mark.
    Utf8Bom,
    /// Shift_JIS as Windows writes it (code page 932).
    Cp932,
    /// UTF-16 after a byte order mark, which tells its byte order.
    Utf16,
}

/// What [`inspect`] found out about a file that can be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout {
    /// The kind of file.
    pub format: Format,
    /// The encoding of a text; [`Encoding::Utf8`] for a workbook.
    pub encoding: Encoding,
    /// What divides the cells of a text (`,`, tab or `;`); `,` for a workbook.
    pub delimiter: u8,
    /// The name of the worksheet that is read; `None` for a text.
    pub worksheet: Option<String>,
}

/// The content of one cell.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Nothing.
    Empty,
    /// Text, also when it looks like a number. Every CSV cell is text.
    Text(String),
    /// A number that isn't shown as a date.
    Number(f64),
    /// A civil date; a time of day is dropped.
    Day(NaiveDate),
    /// TRUE or FALSE.
    Truth(bool),
    /// A failed formula, by its code such as `#N/A` or `#REF!`.
    Broken(String),
}

impl Cell {
    /// Whether a person sees nothing here: no content, or only white space.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Text(text) => text.trim().is_empty(),
            _ => false,
        }
    }

    /// The content as a person reads it: text without white space around it, a
    /// whole number without a decimal point, a day as 2021-12-19.
    pub fn text(&self) -> String {
        match self {
            Self::Empty => String::new(),
            Self::Text(text) => text.trim().to_owned(),
            Self::Number(number) => shown_number(*number),
            Self::Day(day) => day.to_string(),
            Self::Truth(true) => "TRUE".to_owned(),
            Self::Truth(false) => "FALSE".to_owned(),
            Self::Broken(code) => code.clone(),
        }
    }

    /// How much text it holds.
    fn bytes(&self) -> u64 {
        match self {
            Self::Text(text) | Self::Broken(text) => u64::try_from(text.len()).unwrap_or(u64::MAX),
            Self::Empty | Self::Number(_) | Self::Day(_) | Self::Truth(_) => 0,
        }
    }

    /// A text cell, without the apostrophe that keeps a spreadsheet program
    /// from taking our own exported text for a formula.
    fn from_text(text: &str) -> Self {
        let text = without_formula_guard(text);
        if text.is_empty() {
            return Self::Empty;
        }
        Self::Text(text.to_owned())
    }
}

/// What a text begins with that a spreadsheet program would take for a formula.
const FORMULA_SIGNS: [char; 11] = [
    '=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠', '\u{2212}',
];

fn without_formula_guard(text: &str) -> &str {
    match text.strip_prefix('\'') {
        Some(rest) if rest.starts_with(FORMULA_SIGNS) => rest,
        _ => text,
    }
}

/// Spreadsheet programs show 15 digits; the 17 of a float would turn 0.3 into
/// 0.30000000000000004.
fn shown_number(number: f64) -> String {
    if number == 0.0 {
        return "0".to_owned();
    }
    match format!("{number:.14e}").parse::<f64>() {
        Ok(rounded) => rounded.to_string(),
        Err(_) => number.to_string(),
    }
}

/// Why a file is refused. Rows count from 1, as a spreadsheet program shows
/// them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum FileProblem {
    /// No cell has any content.
    #[error("the file is empty")]
    Empty,
    /// Something else: a PDF, a picture, an old .xls, a zip without a workbook.
    #[error("the file is not a spreadsheet")]
    NotASheet,
    /// The extension of the name and the content contradict each other.
    #[error("the file is named .{says} but its content is {is:?}")]
    NotWhatItSays {
        /// The extension, in lower case.
        says: String,
        /// What the content is.
        is: Format,
    },
    /// Neither UTF-8 nor CP932 all through, nor UTF-16 after its mark.
    #[error("line {row} has characters in an unknown encoding")]
    BadEncoding {
        /// The line of the first byte that can't be read as UTF-8 (or, after
        /// its mark, as UTF-16).
        row: u32,
    },
    /// A damaged or truncated workbook.
    #[error("the workbook is damaged")]
    Broken,
    /// A quotation mark that nothing closes before the end of the file.
    #[error("the quotation mark in row {row} is never closed")]
    UnclosedQuote {
        /// The row where it stands.
        row: u32,
    },
    /// More rows with content than allowed.
    #[error("the file has more than {most} rows")]
    TooManyRows {
        /// How many are allowed.
        most: u32,
    },
    /// Content further to the right than allowed.
    #[error("row {row} has more than {most} columns")]
    TooManyColumns {
        /// How many are allowed.
        most: usize,
        /// The first such row.
        row: u32,
    },
    /// More characters in a cell than allowed.
    #[error("row {row} has a cell of more than {most} characters")]
    CellTooLong {
        /// How many are allowed.
        most: usize,
        /// The first such row.
        row: u32,
    },
    /// A workbook that unpacks to more than allowed, or more text than allowed.
    #[error("the file holds too much")]
    TooLarge,
    /// A workbook that is protected by a password.
    #[error("the workbook is protected by a password")]
    Encrypted,
    /// Cells of the worksheet are merged, so that rows can't be told apart.
    #[error("the cells {range} are merged")]
    MergedCells {
        /// The first merged range, like `A2:B3`.
        range: String,
    },
}

/// Why reading stopped.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file itself is to blame; its sender can mend it.
    #[error(transparent)]
    Problem(#[from] FileProblem),
    /// The machine is to blame, for example its disk.
    #[error("the file could not be read from the disk: {0}")]
    Io(#[from] std::io::Error),
}

/// What [`rows`] calls with each row: its number and its cells.
pub type EachRow<'a> = dyn FnMut(u32, Vec<Cell>) -> ControlFlow<()> + 'a;

/// Looks at a file: what is it, and can it be read?
///
/// `name` is the name that the sender gave it; only its extension matters, and
/// an unknown one leaves the decision to the content. A text is read to its end
/// (a few times, in constant memory), so that [`rows`] will succeed with the
/// same limits. Of a workbook the archive, the choice of the worksheet and its
/// merged cells are checked; what is wrong in a cell or a row, [`rows`] tells.
///
/// # Errors
/// [`ReadError::Problem`] if the file can't be read, [`ReadError::Io`] if the
/// disk fails.
pub fn inspect(file: &File, name: &str, limits: &Limits) -> Result<Layout, ReadError> {
    let format = format_of(file)?;
    refuse_contradicting_name(name, format)?;
    match format {
        Format::Csv => text::inspect(file, limits),
        Format::Xlsx => workbook::inspect(file, limits),
    }
}

/// Calls `each` with every row that has any cell that isn't empty, from the
/// top, until it says stop: with the row's number as a spreadsheet program
/// shows it (from 1) and its cells.
///
/// # Errors
/// [`ReadError::Problem`] if the file breaks a limit or can't be read (rows
/// before the fault have been handed over by then), [`ReadError::Io`] if the
/// disk fails.
pub fn rows(
    file: &File,
    layout: &Layout,
    limits: &Limits,
    each: &mut EachRow<'_>,
) -> Result<(), ReadError> {
    let mut left = limits.text_bytes;
    let mut too_large = false;
    let mut bounded = |number: u32, cells: Vec<Cell>| {
        let bytes = cells.iter().map(Cell::bytes).sum();
        too_large = bytes > limits.row_bytes || bytes > left;
        left = left.saturating_sub(bytes);
        if too_large {
            ControlFlow::Break(())
        } else {
            each(number, cells)
        }
    };
    match layout.format {
        Format::Csv => text::rows(file, layout, limits, &mut bounded)?,
        Format::Xlsx => workbook::rows(file, layout, limits, &mut bounded)?,
    }
    if too_large {
        return Err(FileProblem::TooLarge.into());
    }
    Ok(())
}

fn format_of(file: &File) -> Result<Format, ReadError> {
    let opening = opening_bytes(file)?;
    if opening.is_empty() {
        return Err(FileProblem::Empty.into());
    }
    if opening.starts_with(workbook::OLE_MARK) {
        return Err(workbook::problem_of_ole(file)?.into());
    }
    if opening.starts_with(workbook::ZIP_MARK) {
        workbook::refuse_other_archives(file)?;
        return Ok(Format::Xlsx);
    }
    if opening.starts_with(b"%PDF") {
        return Err(FileProblem::NotASheet.into());
    }
    text::refuse_binary(file)?;
    Ok(Format::Csv)
}

fn opening_bytes(mut file: &File) -> Result<Vec<u8>, std::io::Error> {
    let mut opening = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.take(8).read_to_end(&mut opening)?;
    Ok(opening)
}

fn refuse_contradicting_name(name: &str, is: Format) -> Result<(), FileProblem> {
    let Some((_, extension)) = name.rsplit_once('.') else {
        return Ok(());
    };
    let says = extension.to_lowercase();
    let promised = match says.as_str() {
        "csv" | "txt" | "tsv" => Format::Csv,
        "xlsx" | "xlsm" => Format::Xlsx,
        _ => return Ok(()),
    };
    if promised == is {
        return Ok(());
    }
    Err(FileProblem::NotWhatItSays { says, is })
}

/// Counts the rows with content against the limit.
struct RowCount<'a> {
    limits: &'a Limits,
    seen: u32,
}

impl<'a> RowCount<'a> {
    fn new(limits: &'a Limits) -> Self {
        Self { limits, seen: 0 }
    }

    fn add(&mut self) -> Result<(), FileProblem> {
        if self.seen >= self.limits.rows {
            let most = self.limits.rows;
            return Err(FileProblem::TooManyRows { most });
        }
        self.seen += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn look(bytes: &[u8], name: &str) -> Result<Format, FileProblem> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        match inspect(&file, name, &Limits::default()) {
            Ok(layout) => Ok(layout.format),
            Err(ReadError::Problem(problem)) => Err(problem),
            Err(ReadError::Io(error)) => panic!("{error}"),
        }
    }

    fn workbook() -> Vec<u8> {
        let mut book = rust_xlsxwriter::Workbook::new();
        book.add_worksheet().write(0, 0, "a").unwrap();
        book.save_to_buffer().unwrap()
    }

    #[test]
    fn a_cell_is_shown_as_a_person_reads_it() {
        let day = NaiveDate::from_ymd_opt(2021, 12, 19).unwrap();
        let cases = [
            (Cell::Empty, ""),
            (Cell::Text(" 山田　".to_owned()), "山田"),
            (Cell::Number(110_112_489.0), "110112489"),
            (Cell::Number(0.1 + 0.2), "0.3"),
            (Cell::Number(-0.0), "0"),
            (Cell::Number(-1.5), "-1.5"),
            (Cell::Number(1e15), "1000000000000000"),
            (Cell::Day(day), "2021-12-19"),
            (Cell::Truth(true), "TRUE"),
            (Cell::Broken("#N/A".to_owned()), "#N/A"),
        ];
        for (cell, shown) in cases {
            assert_eq!(cell.text(), shown);
        }
    }

    #[test]
    fn white_space_is_no_content() {
        assert!(Cell::Empty.is_empty());
        assert!(Cell::Text(" 　\n".to_owned()).is_empty());
        assert!(!Cell::Number(0.0).is_empty());
        assert!(!Cell::Truth(false).is_empty());
    }

    #[test]
    fn an_empty_file_is_told() {
        assert_eq!(look(b"", "a.csv"), Err(FileProblem::Empty));
        assert_eq!(look(b"", "a.xlsx"), Err(FileProblem::Empty));
    }

    #[test]
    fn a_pdf_is_no_sheet_whatever_its_name() {
        for name in ["a.csv", "a.xlsx", "a.pdf", "a"] {
            assert_eq!(
                look(b"%PDF-1.7\n1 0 obj", name),
                Err(FileProblem::NotASheet)
            );
        }
    }

    #[test]
    fn a_name_that_contradicts_the_content_is_refused() {
        let lie = |says: &str, is| {
            Err(FileProblem::NotWhatItSays {
                says: says.to_owned(),
                is,
            })
        };
        assert_eq!(look(b"a,b", "a.xlsx"), lie("xlsx", Format::Csv));
        assert_eq!(look(b"a,b", "a.XLSM"), lie("xlsm", Format::Csv));
        for says in ["csv", "txt", "tsv"] {
            assert_eq!(
                look(&workbook(), &format!("a.{says}")),
                lie(says, Format::Xlsx)
            );
        }
        assert_eq!(look(b"\xff\xfea\0\x00", "a.xlsx"), lie("xlsx", Format::Csv));
    }

    #[test]
    fn without_a_telling_name_the_content_decides() {
        for name in ["", "list", "list.dat", "list.xls", "."] {
            assert_eq!(look(b"a,b", name), Ok(Format::Csv));
            assert_eq!(look(&workbook(), name), Ok(Format::Xlsx));
        }
    }

    #[test]
    fn problems_are_told_in_plain_words_and_can_be_stored() {
        let problem = FileProblem::MergedCells {
            range: "A2:B3".to_owned(),
        };
        assert_eq!(problem.to_string(), "the cells A2:B3 are merged");
        assert_eq!(
            ReadError::from(problem).to_string(),
            "the cells A2:B3 are merged"
        );
    }
}
