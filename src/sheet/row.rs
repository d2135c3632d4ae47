//! What a row says, read cell by cell, before any facility is looked at.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

use super::{
    SheetProblem,
    column::{Columns, Field},
    day,
    read::Cell,
};
use crate::{
    auth::Language,
    facility::{FacilityKind, InstitutionCode, Prefecture, text::MOST_REFERENCE},
    milestone::{Blocker, Milestone, Problem, check_note},
};

/// The words in a cell that clear what is there.
const CLEARS: [&str; 3] = ["CLEAR", "クリア", "削除"];
/// Digits of a code without prefecture and fee table.
const OWN_DIGITS: usize = 7;

/// How a row named its facility.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, async_graphql::Enum)]
#[graphql(name = "SheetRowIdentification")]
pub enum IdentifiedBy {
    /// The present institution code.
    Code,
    /// An institution code that it had before.
    PastCode,
    /// A code of nine digits that has lost its leading zero.
    LostZero,
    /// Prefecture, fee table and seven digits.
    SevenDigits,
    /// The organisation's own reference.
    Reference,
}

/// A name by which a facility may be found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Name {
    /// An institution code, as it was written or completed.
    Code(InstitutionCode, IdentifiedBy),
    /// An own reference.
    Reference(String),
}

/// What a row wants to be true.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Wish {
    /// A milestone is reached since a day, or was never.
    Reached(Milestone, Option<NaiveDate>),
    /// A milestone is planned for a day, or no longer.
    Planned(Milestone, Option<NaiveDate>),
    /// This is all that holds the facility up.
    Blockers(Vec<Blocker>),
}

impl Wish {
    /// The column that says it.
    pub fn field(&self) -> Field {
        match self {
            Self::Reached(milestone, _) => Field::Reached(*milestone),
            Self::Planned(milestone, _) => Field::Planned(*milestone),
            Self::Blockers(_) => Field::Blockers,
        }
    }

    /// What it says, as a cell does; `None` if it clears.
    pub fn told(&self, language: Language) -> Option<String> {
        match self {
            Self::Reached(_, day) | Self::Planned(_, day) => day.map(|day| day.to_string()),
            Self::Blockers(blockers) => {
                (!blockers.is_empty()).then(|| told_blockers(blockers, language))
            }
        }
    }
}

/// Blockers in one cell.
pub fn told_blockers(blockers: &[Blocker], language: Language) -> String {
    let (names, between): (Vec<String>, _) = match language {
        Language::Ja => {
            let names = blockers.iter().map(|one| one.label_ja().to_owned());
            (names.collect(), "、")
        }
        Language::En => (blockers.iter().map(super::column::word).collect(), ", "),
    };
    names.join(between)
}

/// A problem and the column that it is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowProblem {
    /// The column; `None` if it is about the row.
    pub field: Option<Field>,
    /// What is wrong.
    pub problem: SheetProblem,
}

impl RowProblem {
    /// About a column.
    pub fn at(field: Field, problem: impl Into<SheetProblem>) -> Self {
        Self {
            field: Some(field),
            problem: problem.into(),
        }
    }

    /// About the row.
    pub fn of(problem: impl Into<SheetProblem>) -> Self {
        Self {
            field: None,
            problem: problem.into(),
        }
    }
}

/// What a row says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Every name that it gives its facility.
    pub names: Vec<Name>,
    /// The version that was exported.
    pub version: Option<i32>,
    /// What it wants to be true.
    pub wishes: Vec<Wish>,
    /// A remark.
    pub note: Option<String>,
    /// What can't be read.
    pub problems: Vec<RowProblem>,
}

/// What is kept of a row that was looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Detail {
    /// How it named its facility.
    pub identified: Option<IdentifiedBy>,
    /// The version of its facility when it was looked at.
    pub version: i32,
    /// What it changes.
    pub wishes: Vec<Wish>,
    /// What is there instead, wish by wish.
    pub before: Vec<Wish>,
    /// A remark.
    pub note: Option<String>,
    /// Why it is refused.
    pub problems: Vec<RowProblem>,
}

/// Reads a row. `None` if the columns that mean something are all empty.
pub fn read(columns: &Columns, cells: &[Cell]) -> Option<Asked> {
    let filled: Vec<(Field, &Cell)> = columns
        .columns
        .iter()
        .zip(cells)
        .filter_map(|(column, cell)| Some((column.field?, cell)))
        .filter(|(_, cell)| !cell.is_empty())
        .collect();
    if filled.is_empty() {
        return None;
    }
    let mut asked = Asked::default();
    read_names(&mut asked, &filled);
    for (field, cell) in filled {
        asked.read_cell(field, cell);
    }
    if asked.names.is_empty() && asked.problems.is_empty() {
        asked
            .problems
            .push(RowProblem::of(SheetProblem::NoFacilityNamed));
    }
    Some(asked)
}

impl Asked {
    fn read_cell(&mut self, field: Field, cell: &Cell) {
        let read = match field {
            Field::Reached(milestone) => day_in(cell).map(|day| {
                self.wishes.push(Wish::Reached(milestone, day));
            }),
            Field::Planned(milestone) => day_in(cell).map(|day| {
                self.wishes.push(Wish::Planned(milestone, day));
            }),
            Field::Blockers => blockers_in(cell).map(|blockers| {
                self.wishes.push(Wish::Blockers(blockers));
            }),
            Field::Version => version_in(cell).map(|version| self.version = Some(version)),
            Field::Note => note_in(cell).map(|note| self.note = Some(note)),
            Field::Code | Field::Reference | Field::Prefecture | Field::FeeTable => Ok(()),
        };
        if let Err(problem) = read {
            self.problems.push(RowProblem::at(field, problem));
        }
    }
}

/// Text as it was meant: full-width digits and letters are narrow.
fn plain(cell: &Cell) -> String {
    cell.text().nfkc().collect::<String>().trim().to_owned()
}

fn clears(cell: &Cell) -> bool {
    CLEARS.contains(&plain(cell).to_uppercase().as_str())
}

fn day_in(cell: &Cell) -> Result<Option<NaiveDate>, SheetProblem> {
    if clears(cell) {
        return Ok(None);
    }
    day::parse(cell)
        .map(Some)
        .ok_or_else(|| SheetProblem::NoDay { text: shown(cell) })
}

/// A remark, whatever breaks its lines.
fn note_in(cell: &Cell) -> Result<String, SheetProblem> {
    let note = cell
        .text()
        .replace("\r\n", "\n")
        .replace('\r', "\n")
        .replace('\t', " ");
    match check_note(Some(&note)) {
        Some(problem) => Err(problem.into()),
        None => Ok(note),
    }
}

fn version_in(cell: &Cell) -> Result<i32, SheetProblem> {
    plain(cell)
        .parse()
        .map_err(|_| SheetProblem::NoNumber { text: shown(cell) })
}

fn blockers_in(cell: &Cell) -> Result<Vec<Blocker>, SheetProblem> {
    if clears(cell) {
        return Ok(Vec::new());
    }
    let text = plain(cell);
    let parts = text
        .split(['、', ',', ';', '/', '\n'])
        .map(str::trim)
        .filter(|part| !part.is_empty());
    let mut blockers = Vec::new();
    for part in parts {
        let found = Blocker::ALL.into_iter().find(|blocker| {
            let label: String = blocker.label_ja().nfkc().collect();
            label == part || super::column::word(blocker) == part.to_uppercase()
        });
        let blocker = found.ok_or_else(|| SheetProblem::NoBlocker { text: cut(part) })?;
        if !blockers.contains(&blocker) {
            blockers.push(blocker);
        }
    }
    if blockers.is_empty() {
        return Err(SheetProblem::NoBlocker { text: cut(&text) });
    }
    blockers.sort_unstable();
    Ok(blockers)
}

/// A cell as it is quoted in a message.
fn shown(cell: &Cell) -> String {
    cut(&cell.text())
}

fn cut(text: &str) -> String {
    const MOST: usize = 40;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// Finds every name that a row gives its facility.
fn read_names(asked: &mut Asked, filled: &[(Field, &Cell)]) {
    let cell = |field: Field| {
        let mut cells = filled.iter().filter(|(one, _)| *one == field);
        cells.next().map(|(_, cell)| *cell)
    };
    if let Some(reference) = cell(Field::Reference) {
        match reference_of(reference) {
            Ok(name) => asked.names.push(name),
            Err(problem) => asked
                .problems
                .push(RowProblem::at(Field::Reference, problem)),
        }
    }
    let Some(code) = cell(Field::Code) else {
        return;
    };
    let head = cell(Field::Prefecture)
        .and_then(|cell| prefecture(&plain(cell)))
        .zip(cell(Field::FeeTable).and_then(|cell| fee_table(&plain(cell))));
    let named = match code_of(&plain(code), head) {
        // What is no code may be what the organisation calls the facility.
        Err(_) if !looks_like_a_code(&plain(code)) => reference_of(code),
        named => named,
    };
    match named {
        Ok(name) => asked.names.push(name),
        Err(problem) => asked.problems.push(RowProblem::at(Field::Code, problem)),
    }
}

fn reference_of(cell: &Cell) -> Result<Name, SheetProblem> {
    let text = cell.text();
    if text.chars().count() > MOST_REFERENCE || text.chars().any(char::is_control) {
        return Err(SheetProblem::from(Problem::BadText {
            most: MOST_REFERENCE,
        }));
    }
    Ok(Name::Reference(text))
}

fn looks_like_a_code(text: &str) -> bool {
    text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn code_of(text: &str, head: Option<(Prefecture, u8)>) -> Result<Name, SheetProblem> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, by) = match (text.len(), head) {
        (9, _) if digits => (format!("0{text}"), IdentifiedBy::LostZero),
        (1..=OWN_DIGITS, Some((prefecture, table))) if digits => (
            format!("{}{table}{text:0>7}", prefecture.code()),
            IdentifiedBy::SevenDigits,
        ),
        _ => (text.to_owned(), IdentifiedBy::Code),
    };
    let code = InstitutionCode::parse(&whole).map_err(Problem::BadFacilityCode)?;
    Ok(Name::Code(code, by))
}

fn prefecture(text: &str) -> Option<Prefecture> {
    let by_number = text.parse().ok().and_then(Prefecture::from_number);
    by_number.or_else(|| {
        Prefecture::all().find(|one| {
            let name = one.name_ja();
            name == text || name.trim_end_matches(['都', '府', '県']) == text
        })
    })
}

fn fee_table(text: &str) -> Option<u8> {
    if let Ok(digit) = text.parse() {
        return matches!(digit, 1 | 3 | 4).then_some(digit);
    }
    let of_kind = FacilityKind::ALL
        .into_iter()
        .find(|kind| kind.label_ja() == text || super::column::word(kind) == text.to_uppercase());
    match text {
        "医科" => Some(1),
        "歯科" => Some(3),
        "調剤" => Some(4),
        _ => of_kind.map(|kind| kind.fee_table().digit()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facility::InstitutionCodeError;

    fn columns(headings: &[&str]) -> Columns {
        Columns::guessed(1, headings.iter().map(|one| (*one).to_owned()).collect())
    }

    fn row(cells: &[&str]) -> Vec<Cell> {
        cells
            .iter()
            .map(|text| Cell::Text((*text).to_owned()))
            .collect()
    }

    fn asked(headings: &[&str], cells: &[&str]) -> Asked {
        read(&columns(headings), &row(cells)).unwrap()
    }

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn a_row_says_what_its_cells_say_and_empty_ones_say_nothing() {
        let headings = [
            "code",
            "READY",
            "LIVE",
            "INSTALLED planned",
            "備考",
            "版",
            "電話",
        ];
        let cells = [
            "0110112489",
            "令和3年12月1日",
            "",
            "削除",
            "済",
            "４",
            "03-1",
        ];
        let asked = asked(&headings, &cells);
        assert_eq!(
            asked.wishes,
            [
                Wish::Reached(Milestone::Ready, Some(day("2021-12-01"))),
                Wish::Planned(Milestone::Installed, None),
            ]
        );
        assert_eq!(
            (asked.note.as_deref(), asked.version),
            (Some("済"), Some(4))
        );
        assert_eq!(asked.problems, []);
    }

    #[test]
    fn a_remark_may_have_lines_and_tabs() {
        let asked = asked(&["code", "備考"], &["A", "一行目\r\n二行目\t続き"]);
        assert_eq!(asked.note.as_deref(), Some("一行目\n二行目 続き"));
        assert_eq!(asked.problems, []);
    }

    #[test]
    fn a_row_whose_columns_are_all_empty_is_none() {
        let columns = columns(&["code", "READY", "電話"]);
        assert_eq!(read(&columns, &row(&["", " ", "03-1"])), None);
        assert_eq!(read(&columns, &[]), None);
    }

    #[test]
    fn a_code_is_completed_if_that_can_be_done_in_one_way() {
        let named = |cells: &[&str]| asked(&["code", "都道府県", "点数表", "READY"], cells).names;
        let code = InstitutionCode::parse("0110112489").unwrap();
        for (cells, by) in [
            (["0110112489", "", "", ""], IdentifiedBy::Code),
            (["０１１０１１２４８９", "", "", ""], IdentifiedBy::Code),
            (["110112489", "", "", ""], IdentifiedBy::LostZero),
            (["0112489", "01", "1", ""], IdentifiedBy::SevenDigits),
            (["112489", "北海道", "医科", ""], IdentifiedBy::SevenDigits),
            (["112489", "1", "病院", ""], IdentifiedBy::SevenDigits),
        ] {
            assert_eq!(named(&cells), [Name::Code(code, by)], "{cells:?}");
        }
        let reference = |text: &str| [Name::Reference(text.to_owned())];
        assert_eq!(named(&["A-17", "", "", ""]), reference("A-17"));
        assert_eq!(named(&["0112489", "", "", ""]), reference("0112489"));
    }

    #[test]
    fn every_cell_that_can_not_be_read_is_told() {
        let headings = ["code", "READY", "LIVE", "阻害要因", "版"];
        let asked = asked(
            &headings,
            &["0110112488", "13/25", "済", "回線、天気", "よん"],
        );
        let problems: Vec<(Option<Field>, SheetProblem)> = asked
            .problems
            .into_iter()
            .map(|one| (one.field, one.problem))
            .collect();
        let text = |text: &str| text.to_owned();
        assert_eq!(
            problems,
            [
                (
                    Some(Field::Code),
                    Problem::BadFacilityCode(InstitutionCodeError::CheckDigit).into()
                ),
                (
                    Some(Field::Reached(Milestone::Ready)),
                    SheetProblem::NoDay {
                        text: text("13/25")
                    }
                ),
                (
                    Some(Field::Reached(Milestone::Live)),
                    SheetProblem::NoDay { text: text("済") }
                ),
                (
                    Some(Field::Blockers),
                    SheetProblem::NoBlocker {
                        text: text("天気")
                    }
                ),
                (
                    Some(Field::Version),
                    SheetProblem::NoNumber {
                        text: text("よん")
                    }
                ),
            ]
        );
    }

    #[test]
    fn blockers_are_a_list_in_one_cell_in_either_language() {
        let read = |text: &str| asked(&["code", "blockers"], &["A", text]).wishes;
        let both = [Wish::Blockers(vec![Blocker::NoPc, Blocker::Line])];
        assert_eq!(read("回線、端末未調達"), both);
        assert_eq!(read("line; NO_PC, LINE"), both);
        assert_eq!(read("clear"), [Wish::Blockers(Vec::new())]);
        for language in Language::ALL {
            assert_eq!(read(&both[0].told(language).unwrap()), both);
        }
    }

    #[test]
    fn a_row_that_names_nobody_is_refused() {
        let asked = asked(&["code", "READY"], &["", "2021-12-01"]);
        assert_eq!(
            asked.problems,
            [RowProblem::of(SheetProblem::NoFacilityNamed)]
        );
    }
}
