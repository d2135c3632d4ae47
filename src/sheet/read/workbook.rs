//! Reads XLSX workbooks.
//!
//! The XML itself is read by the library `calamine`, cell by cell, but a
//! workbook from a stranger is checked before `calamine` sees it. An XLSX file
//! is a zip archive of XML parts, and a small archive can unpack to terabytes
//! or announce sizes that make a reader allocate all memory. So the archive is
//! first unpacked once into nothing ([`check_archive`]), counting what really
//! comes out. Then one worksheet is chosen, the first visible one with any
//! content, and its cells are gathered into rows ([`Gatherer`]).

use std::error::Error;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use calamine::{
    DataRef, Dimensions, ExcelDateTime, Reader, SheetType, SheetVisible, Xlsx, XlsxError,
};
use zip::ZipArchive;
use zip::result::ZipError;

use crate::sheet::day::Calendar;

use super::{Cell, EachRow, Encoding, FileProblem, Format, Layout, Limits, ReadError, RowCount};

/// The first bytes of a zip archive that has any entry.
pub(super) const ZIP_MARK: &[u8] = b"PK\x03\x04";
/// The first bytes of an OLE2 container: an old .xls, or a password around an
/// XLSX.
pub(super) const OLE_MARK: &[u8] = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1";

const BLOCK: u64 = 64 * 1024;
const MOST_ENTRIES: usize = 1_000;
/// Between two tags stands at most one cell's text (32,767 characters, each
/// escaped with up to 14 bytes), and no tag is that long.
const LONGEST_PIECE: usize = 1024 * 1024;
/// Every cell format repeats the text of its number format in memory (at most
/// 255 characters, escaped), so styles get narrow limits of their own.
const LONGEST_STYLE_PIECE: usize = 2 * 1024;
const MOST_STYLE_BYTES: u64 = 8 * 1024 * 1024;
/// No entry of the shared strings table can be written in fewer bytes.
const FEWEST_BYTES_PER_STRING: u64 = 8;
const LAST_SHEET_ROW: u32 = 1_048_576;

type Book<'a> = Xlsx<BufReader<&'a File>>;

/// Tells a workbook behind a password from other OLE2 files.
pub(super) fn problem_of_ole(mut file: &File) -> Result<FileProblem, std::io::Error> {
    let name: Vec<u8> = "EncryptedPackage"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    file.seek(SeekFrom::Start(0))?;
    let mut window = Vec::new();
    loop {
        let read = file.take(BLOCK).read_to_end(&mut window)?;
        if window.windows(name.len()).any(|piece| piece == name) {
            return Ok(FileProblem::Encrypted);
        }
        if read == 0 {
            return Ok(FileProblem::NotASheet);
        }
        // The name may lie across two blocks.
        window.drain(..window.len().saturating_sub(name.len()));
    }
}

/// Refuses a zip archive that isn't a workbook.
pub(super) fn refuse_other_archives(file: &File) -> Result<(), ReadError> {
    let archive = open_archive(file)?;
    let has = |wanted: &str| archive.index_for_name(wanted).is_some();
    if has("[Content_Types].xml") && has("xl/workbook.xml") {
        return Ok(());
    }
    Err(FileProblem::NotASheet.into())
}

/// Checks the archive and chooses the worksheet.
pub(super) fn inspect(file: &File, limits: &Limits) -> Result<Layout, ReadError> {
    check_archive(file, limits)?;
    let mut book = open_book(file)?;
    let worksheet = first_filled_worksheet(&mut book)?;
    refuse_merged_cells(&mut book, &worksheet)?;
    Ok(Layout {
        format: Format::Xlsx,
        encoding: Encoding::Utf8,
        delimiter: b',',
        worksheet: Some(worksheet),
    })
}

/// Hands over the rows of the chosen worksheet; see [`super::rows`].
pub(super) fn rows(
    file: &File,
    layout: &Layout,
    limits: &Limits,
    each: &mut EachRow<'_>,
) -> Result<(), ReadError> {
    // Once more: nothing says that this is still the file that was inspected.
    check_archive(file, limits)?;
    let mut book = open_book(file)?;
    let worksheet = layout.worksheet.as_deref().ok_or(FileProblem::Broken)?;
    let calendar = calendar_of(&book);
    let mut source = guarded(|| book.worksheet_cells_reader(worksheet))?;
    let mut gatherer = Gatherer::new(limits, each);
    while let Some(found) = guarded(|| source.next_cell())? {
        let cell = meaning(found.get_value(), calendar);
        if cell.is_empty() {
            continue;
        }
        let (row, column) = found.get_position();
        if gatherer.take(row, column, cell)?.is_break() {
            return Ok(());
        }
    }
    gatherer.hand_over().map(drop).map_err(ReadError::from)
}

fn open_archive(mut file: &File) -> Result<ZipArchive<BufReader<&File>>, ReadError> {
    file.seek(SeekFrom::Start(0))?;
    ZipArchive::new(BufReader::new(file)).map_err(fault)
}

/// Unpacks every part into nothing and counts what comes out.
fn check_archive(file: &File, limits: &Limits) -> Result<(), ReadError> {
    let mut archive = open_archive(file)?;
    if archive.len() > MOST_ENTRIES {
        return Err(FileProblem::TooLarge.into());
    }
    let mut left = limits.unpacked_bytes;
    for index in 0..archive.len() {
        let part = archive.by_index(index).map_err(fault)?;
        let name = part
            .name()
            .map_err(fault)?
            .replace('\\', "/")
            .to_lowercase();
        let unpacked = unpack(part, &mut PartCheck::new(&name, limits, left))?;
        left = left.saturating_sub(unpacked);
    }
    Ok(())
}

fn unpack(mut part: impl Read, check: &mut PartCheck) -> Result<u64, ReadError> {
    let mut block = Vec::new();
    let mut unpacked: u64 = 0;
    loop {
        block.clear();
        let read = part
            .by_ref()
            .take(BLOCK)
            .read_to_end(&mut block)
            .map_err(fault)?;
        if read == 0 {
            return Ok(unpacked);
        }
        unpacked = unpacked.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
        check.look(&block, unpacked)?;
    }
}

/// Watches one part of the archive while it is unpacked.
struct PartCheck {
    most_bytes: u64,
    is_xml: bool,
    longest_piece: usize,
    piece: usize,
    announcement: Option<Announcement>,
}

impl PartCheck {
    fn new(name: &str, limits: &Limits, left: u64) -> Self {
        let is_style = name.ends_with("styles.xml");
        let is_shared_strings = name.ends_with("sharedstrings.xml");
        // Other parts are held in memory as a whole, if they are read at all.
        let is_streamed = ["worksheets/", "media/", "embeddings/", "pivotcache/"]
            .iter()
            .any(|folder| name.contains(folder) && !is_shared_strings);
        let most = match (is_style, is_streamed) {
            (true, _) => MOST_STYLE_BYTES.min(limits.shared_strings_bytes),
            (false, true) => limits.unpacked_bytes,
            (false, false) => limits.shared_strings_bytes,
        };
        Self {
            most_bytes: most.min(left),
            is_xml: name.ends_with(".xml") || name.ends_with(".rels"),
            longest_piece: if is_style {
                LONGEST_STYLE_PIECE
            } else {
                LONGEST_PIECE
            },
            piece: 0,
            announcement: is_shared_strings
                .then(|| Announcement::new(limits.shared_strings_bytes / FEWEST_BYTES_PER_STRING)),
        }
    }

    fn look(&mut self, block: &[u8], unpacked: u64) -> Result<(), FileProblem> {
        if unpacked > self.most_bytes {
            return Err(FileProblem::TooLarge);
        }
        if !self.is_xml {
            return Ok(());
        }
        // UTF-16 would hide from the checks below, and no office program
        // writes it.
        if block.contains(&0) {
            return Err(FileProblem::Broken);
        }
        self.measure_pieces(block)?;
        match &mut self.announcement {
            Some(announcement) => announcement.look(block),
            None => Ok(()),
        }
    }

    /// The XML reader holds the text between two tags in memory.
    fn measure_pieces(&mut self, block: &[u8]) -> Result<(), FileProblem> {
        for (index, between) in block.split(|byte| *byte == b'<').enumerate() {
            if index > 0 {
                self.piece = 0;
            }
            self.piece = self.piece.saturating_add(between.len());
            if self.piece > self.longest_piece {
                return Err(FileProblem::TooLarge);
            }
        }
        Ok(())
    }
}

/// Looks for the attribute `uniqueCount` of the shared strings, because
/// `calamine` allocates room for as many strings as it announces: a lie there
/// would abort the whole program.
struct Announcement {
    most: u64,
    matched: usize,
    count: u64,
}

impl Announcement {
    const NAME: &[u8] = b"uniqueCount";

    fn new(most: u64) -> Self {
        Self {
            most,
            matched: 0,
            count: 0,
        }
    }

    fn look(&mut self, block: &[u8]) -> Result<(), FileProblem> {
        for byte in block {
            self.step(*byte);
            if self.count > self.most {
                return Err(FileProblem::Broken);
            }
        }
        Ok(())
    }

    fn step(&mut self, byte: u8) {
        let is_named = self.matched == Self::NAME.len();
        match byte {
            b'0'..=b'9' if is_named => {
                let digit = u64::from(byte - b'0');
                self.count = self.count.saturating_mul(10).saturating_add(digit);
            }
            b'=' | b'"' | b'\'' | b'+' if is_named && self.count == 0 => {}
            _ if is_named && byte.is_ascii_whitespace() => {}
            _ if Self::NAME.get(self.matched) == Some(&byte) => self.matched += 1,
            _ => {
                self.matched = usize::from(byte == b'u');
                self.count = 0;
            }
        }
    }
}

fn open_book(mut file: &File) -> Result<Book<'_>, ReadError> {
    file.seek(SeekFrom::Start(0))?;
    guarded(|| Xlsx::new(BufReader::new(file)))
}

fn first_filled_worksheet(book: &mut Book) -> Result<String, ReadError> {
    let visible: Vec<String> = book
        .sheets_metadata()
        .iter()
        .filter(|sheet| sheet.typ == SheetType::WorkSheet && sheet.visible == SheetVisible::Visible)
        .map(|sheet| sheet.name.clone())
        .collect();
    for name in visible {
        if has_content(book, &name)? {
            return Ok(name);
        }
    }
    Err(FileProblem::Empty.into())
}

fn has_content(book: &mut Book, worksheet: &str) -> Result<bool, ReadError> {
    let calendar = calendar_of(book);
    let mut source = guarded(|| book.worksheet_cells_reader(worksheet))?;
    while let Some(found) = guarded(|| source.next_cell())? {
        if !meaning(found.get_value(), calendar).is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

fn refuse_merged_cells(book: &mut Book, worksheet: &str) -> Result<(), ReadError> {
    let merged = guarded(|| book.merge_cells_by_sheet_name(worksheet))?;
    match merged.iter().find(|range| range.start != range.end) {
        Some(range) => Err(FileProblem::MergedCells {
            range: shown_range(range),
        }
        .into()),
        None => Ok(()),
    }
}

fn shown_range(range: &Dimensions) -> String {
    format!(
        "{}:{}",
        shown_position(range.start),
        shown_position(range.end)
    )
}

fn shown_position((row, column): (u32, u32)) -> String {
    let mut letters = Vec::new();
    let mut rest = column.saturating_add(1);
    while rest > 0 {
        rest -= 1;
        letters.push(
            char::from_digit(rest % 26 + 10, 36)
                .unwrap_or('?')
                .to_ascii_uppercase(),
        );
        rest /= 26;
    }
    let column: String = letters.iter().rev().collect();
    format!("{column}{}", row.saturating_add(1))
}

fn calendar_of(book: &Book) -> Calendar {
    if book.has_1904_epoch() {
        return Calendar::Since1904;
    }
    Calendar::Since1900
}

fn meaning(value: &DataRef, calendar: Calendar) -> Cell {
    match value {
        DataRef::Empty => Cell::Empty,
        DataRef::String(text) | DataRef::DurationIso(text) => Cell::from_text(text),
        DataRef::SharedString(text) => Cell::from_text(text),
        DataRef::DateTimeIso(text) => iso_day(text),
        DataRef::Int(number) => number.to_string().parse().map_or(Cell::Empty, Cell::Number),
        DataRef::Float(number) => Cell::Number(*number),
        DataRef::DateTime(moment) => day_or_number(moment, calendar),
        DataRef::Bool(truth) => Cell::Truth(*truth),
        DataRef::Error(code) => Cell::Broken(code.to_string()),
    }
}

fn iso_day(text: &str) -> Cell {
    let day = text.split_once('T').map_or(text, |(day, _)| day);
    day.parse()
        .map_or_else(|_| Cell::from_text(text), Cell::Day)
}

fn day_or_number(moment: &ExcelDateTime, calendar: Calendar) -> Cell {
    let serial = moment.as_f64();
    match calendar.day(serial) {
        Some(day) if moment.is_datetime() => Cell::Day(day),
        _ => Cell::Number(serial),
    }
}

/// Gathers cells into rows.
struct Gatherer<'a, 'b> {
    limits: &'a Limits,
    each: &'a mut EachRow<'b>,
    count: RowCount<'a>,
    row: u32,
    cells: Vec<Cell>,
}

impl<'a, 'b> Gatherer<'a, 'b> {
    fn new(limits: &'a Limits, each: &'a mut EachRow<'b>) -> Self {
        let count = RowCount::new(limits);
        Self {
            limits,
            each,
            count,
            row: 0,
            cells: Vec::new(),
        }
    }

    /// Takes a cell that isn't empty, at a position counted from 0.
    fn take(&mut self, row: u32, column: u32, cell: Cell) -> Result<ControlFlow<()>, FileProblem> {
        let row = row.saturating_add(1);
        // A row that jumps back would be handed over twice.
        if row > LAST_SHEET_ROW || row < self.row {
            return Err(FileProblem::Broken);
        }
        if row > self.row && self.hand_over()?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
        self.row = row;
        self.put(column, cell)?;
        Ok(ControlFlow::Continue(()))
    }

    fn put(&mut self, column: u32, cell: Cell) -> Result<(), FileProblem> {
        let row = self.row;
        let column = usize::try_from(column).unwrap_or(usize::MAX);
        if column >= self.limits.columns {
            let most = self.limits.columns;
            return Err(FileProblem::TooManyColumns { most, row });
        }
        if is_longer(&cell, self.limits.cell_characters) {
            let most = self.limits.cell_characters;
            return Err(FileProblem::CellTooLong { most, row });
        }
        if self.cells.len() <= column {
            self.cells.resize(column + 1, Cell::Empty);
        }
        if let Some(place) = self.cells.get_mut(column) {
            *place = cell;
        }
        Ok(())
    }

    fn hand_over(&mut self) -> Result<ControlFlow<()>, FileProblem> {
        if self.cells.is_empty() {
            return Ok(ControlFlow::Continue(()));
        }
        self.count.add()?;
        Ok((self.each)(self.row, std::mem::take(&mut self.cells)))
    }
}

fn is_longer(cell: &Cell, most: usize) -> bool {
    match cell {
        Cell::Text(text) => text.chars().nth(most).is_some(),
        _ => false,
    }
}

/// Runs a call into `calamine`. Its arithmetic on positions in a forged
/// worksheet can overflow, which panics in a debug build: that is the
/// workbook's fault, not ours.
fn guarded<T>(call: impl FnOnce() -> Result<T, XlsxError>) -> Result<T, ReadError> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(answer) => answer.map_err(fault),
        Err(_) => Err(FileProblem::Broken.into()),
    }
}

/// What an error of a library means: a password, a failing disk, or else a
/// damaged workbook.
fn fault(error: impl Error + 'static) -> ReadError {
    let mut cause: Option<&(dyn Error + 'static)> = Some(&error);
    while let Some(found) = cause {
        if wants_password(found) {
            return FileProblem::Encrypted.into();
        }
        if let Some(code) = disk_failure(found) {
            return std::io::Error::from_raw_os_error(code).into();
        }
        cause = found.source();
    }
    FileProblem::Broken.into()
}

fn wants_password(error: &(dyn Error + 'static)) -> bool {
    matches!(error.downcast_ref(), Some(XlsxError::Password))
        || matches!(
            error.downcast_ref(),
            Some(ZipError::UnsupportedArchive(ZipError::PASSWORD_REQUIRED))
        )
}

/// Only an error of the operating system has a code; a damaged archive gives
/// an I/O error without one.
fn disk_failure(error: &(dyn Error + 'static)) -> Option<i32> {
    let direct = error.downcast_ref::<std::io::Error>();
    let shared = || {
        error
            .downcast_ref::<std::sync::Arc<std::io::Error>>()
            .map(AsRef::as_ref)
    };
    direct.or_else(shared)?.raw_os_error()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use chrono::NaiveDate;
    use rust_xlsxwriter::{Format as Style, Formula, Workbook};
    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::*;
    use crate::sheet::read;

    type Rows = Vec<(u32, Vec<Cell>)>;

    fn file(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    fn problem(error: ReadError) -> FileProblem {
        match error {
            ReadError::Problem(problem) => problem,
            ReadError::Io(error) => panic!("{error}"),
        }
    }

    fn read_with(bytes: &[u8], limits: &Limits) -> Result<Rows, FileProblem> {
        let file = file(bytes);
        let layout = read::inspect(&file, "book.xlsx", limits).map_err(problem)?;
        let mut found = Vec::new();
        read::rows(&file, &layout, limits, &mut |row, cells| {
            found.push((row, cells));
            ControlFlow::Continue(())
        })
        .map_err(problem)?;
        Ok(found)
    }

    fn read(bytes: &[u8]) -> Result<Rows, FileProblem> {
        read_with(bytes, &Limits::default())
    }

    fn text(text: &str) -> Cell {
        Cell::Text(text.to_owned())
    }

    fn day(year: i32, month: u32, day: u32) -> Cell {
        Cell::Day(NaiveDate::from_ymd_opt(year, month, day).unwrap())
    }

    fn written(fill: impl FnOnce(&mut Workbook)) -> Vec<u8> {
        let mut book = Workbook::new();
        fill(&mut book);
        book.save_to_buffer().unwrap()
    }

    const TYPES: &str = "<Types/>";
    const MAIN_RELS: &str = r#"<Relationships><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>"#;
    const BOOK: &str =
        r#"<workbook><sheets><sheet name="S" sheetId="1" r:id="rId1"/></sheets></workbook>"#;
    const BOOK_RELS: &str = r#"<Relationships><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/></Relationships>"#;
    const STYLES: &str = r#"<styleSheet><cellXfs><xf numFmtId="0"/><xf numFmtId="14"/><xf numFmtId="31"/><xf numFmtId="46"/></cellXfs></styleSheet>"#;

    /// A workbook written by hand, with other parts added or put in place.
    fn handmade(parts: &[(&str, &[u8])]) -> Vec<u8> {
        let base: [(&str, &[u8]); 5] = [
            ("[Content_Types].xml", TYPES.as_bytes()),
            ("_rels/.rels", MAIN_RELS.as_bytes()),
            ("xl/workbook.xml", BOOK.as_bytes()),
            ("xl/_rels/workbook.xml.rels", BOOK_RELS.as_bytes()),
            ("xl/styles.xml", STYLES.as_bytes()),
        ];
        let is_replaced = |name: &str| parts.iter().any(|(other, _)| *other == name);
        let kept = base.iter().filter(|(name, _)| !is_replaced(name));
        zipped(kept.chain(parts).copied())
    }

    fn zipped<'a>(parts: impl Iterator<Item = (&'a str, &'a [u8])>) -> Vec<u8> {
        let mut archive = ZipWriter::new(std::io::Cursor::new(Vec::new()));
        for (name, content) in parts {
            archive
                .start_file(name, SimpleFileOptions::default())
                .unwrap();
            archive.write_all(content).unwrap();
        }
        archive.finish().unwrap().into_inner()
    }

    fn sheet(rows: &str) -> Vec<u8> {
        let xml = format!("<worksheet><sheetData>{rows}</sheetData></worksheet>");
        handmade(&[("xl/worksheets/sheet1.xml", xml.as_bytes())])
    }

    #[test]
    fn a_workbook_is_read_with_its_row_numbers() {
        let bytes = written(|book| {
            let sheet = book.add_worksheet();
            sheet.write(0, 0, "番号").unwrap();
            sheet.write(0, 2, 110_112_489.0).unwrap();
            sheet.write(4, 1, true).unwrap();
            sheet.write(4, 2, "'=1").unwrap();
            sheet.write(5, 0, "  ").unwrap();
        });
        let expected = vec![
            (
                1,
                vec![text("番号"), Cell::Empty, Cell::Number(110_112_489.0)],
            ),
            (5, vec![Cell::Empty, Cell::Truth(true), text("=1")]),
        ];
        assert_eq!(read(&bytes), Ok(expected));
    }

    #[test]
    fn the_layout_names_the_first_visible_worksheet_with_content() {
        let bytes = written(|book| {
            book.add_worksheet().set_name("空").unwrap();
            let hidden = book
                .add_worksheet()
                .set_name("隠し")
                .unwrap()
                .set_hidden(true);
            hidden.write(0, 0, "x").unwrap();
            let bold = Style::new().set_bold();
            book.add_worksheet().write_blank(0, 0, &bold).unwrap();
            book.add_worksheet()
                .set_name("名簿")
                .unwrap()
                .write(0, 0, "y")
                .unwrap();
        });
        let layout = read::inspect(&file(&bytes), "a.xlsx", &Limits::default()).unwrap();
        assert_eq!(layout.worksheet.as_deref(), Some("名簿"));
        assert_eq!(
            (layout.format, layout.encoding, layout.delimiter),
            (Format::Xlsx, Encoding::Utf8, b',')
        );
        assert_eq!(read(&bytes), Ok(vec![(1, vec![text("y")])]));
    }

    #[test]
    fn a_workbook_without_content_is_empty() {
        assert_eq!(read(&written(|_| ())), Err(FileProblem::Empty));
    }

    #[test]
    fn dates_are_days_and_times_of_day_are_dropped() {
        let bytes = written(|book| {
            let date = Style::new().set_num_format("yyyy/mm/dd hh:mm");
            let japanese = Style::new().set_num_format("[$-411]ggge\"年\"m\"月\"d\"日\";@");
            let sheet = book.add_worksheet();
            sheet.write_with_format(0, 0, 44549.75, &date).unwrap();
            sheet.write_with_format(0, 1, 44549, &japanese).unwrap();
            sheet
                .write_with_format(0, 2, 44_549.999_999_99, &date)
                .unwrap();
            sheet.write_with_format(0, 3, -5, &date).unwrap();
            sheet.write_with_format(0, 4, 1e9, &date).unwrap();
            sheet.write_with_format(0, 5, 0.5, &date).unwrap();
            sheet.write(0, 6, 44549).unwrap();
        });
        let last = day(2021, 12, 19);
        let numbers = [-5.0, 1e9, 0.5, 44549.0].map(Cell::Number);
        let cells = [last.clone(), last.clone(), last]
            .into_iter()
            .chain(numbers)
            .collect();
        assert_eq!(read(&bytes), Ok(vec![(1, cells)]));
    }

    #[test]
    fn built_in_japanese_dates_iso_dates_and_durations_are_told_apart() {
        let bytes = sheet(
            r#"<row r="2"><c r="A2" s="2"><v>44549</v></c><c r="B2" t="d"><v>2021-12-19T10:00:00</v></c><c r="C2" s="3"><v>44549</v></c><c r="D2" t="d"><v>soon</v></c></row>"#,
        );
        let cells = vec![
            day(2021, 12, 19),
            day(2021, 12, 19),
            Cell::Number(44549.0),
            text("soon"),
        ];
        assert_eq!(read(&bytes), Ok(vec![(2, cells)]));
    }

    #[test]
    fn days_since_1904_are_respected() {
        let book = BOOK.replace("<sheets>", r#"<workbookPr date1904="1"/><sheets>"#);
        let rows = r#"<worksheet><sheetData><row r="1"><c r="A1" s="1"><v>43087.5</v></c></row></sheetData></worksheet>"#;
        let bytes = handmade(&[
            ("xl/workbook.xml", book.as_bytes()),
            ("xl/worksheets/sheet1.xml", rows.as_bytes()),
        ]);
        assert_eq!(read(&bytes), Ok(vec![(1, vec![day(2021, 12, 19)])]));
    }

    #[test]
    fn formulas_give_their_cached_value() {
        let bytes = written(|book| {
            let sheet = book.add_worksheet();
            sheet
                .write(0, 0, Formula::new("=1+1").set_result("2"))
                .unwrap();
            sheet
                .write(0, 1, Formula::new("=\"a\"&\"b\"").set_result("ab"))
                .unwrap();
        });
        assert_eq!(
            read(&bytes),
            Ok(vec![(1, vec![Cell::Number(2.0), text("ab")])])
        );
    }

    #[test]
    fn failed_formulas_are_broken_cells() {
        let codes = [
            "#N/A", "#REF!", "#DIV/0!", "#NAME?", "#VALUE!", "#NUM!", "#NULL!",
        ];
        let cells: String = codes
            .iter()
            .map(|code| format!(r#"<c t="e"><f>x</f><v>{code}</v></c>"#))
            .collect();
        let expected = codes
            .iter()
            .map(|code| Cell::Broken((*code).to_owned()))
            .collect();
        assert_eq!(
            read(&sheet(&format!("<row>{cells}</row>"))),
            Ok(vec![(1, expected)])
        );
    }

    #[test]
    fn shared_inline_and_rich_strings_are_text() {
        let strings = r#"<sst count="2" uniqueCount="2"><si><t>007</t></si><si><r><t>髙</t></r><r><t>橋</t></r><rPh><t>タカ</t></rPh></si></sst>"#;
        let rows = r#"<worksheet><sheetData><row><c t="s"><v>0</v></c><c t="s"><v>1</v></c><c t="inlineStr"><is><t>'-1 &amp; 2</t></is></c><c t="str"><f>x</f><v>12</v></c></row></sheetData></worksheet>"#;
        let bytes = handmade(&[
            ("xl/sharedStrings.xml", strings.as_bytes()),
            ("xl/worksheets/sheet1.xml", rows.as_bytes()),
        ]);
        let cells = vec![text("007"), text("髙橋"), text("-1 & 2"), text("12")];
        assert_eq!(read(&bytes), Ok(vec![(1, cells)]));
    }

    #[test]
    fn merged_cells_are_refused_with_the_first_range() {
        let bytes = written(|book| {
            let sheet = book.add_worksheet();
            sheet.merge_range(1, 0, 2, 1, "x", &Style::new()).unwrap();
            sheet.merge_range(5, 27, 5, 30, "y", &Style::new()).unwrap();
        });
        assert_eq!(
            read(&bytes),
            Err(FileProblem::MergedCells {
                range: "A2:B3".to_owned()
            })
        );
        let range = Dimensions::new((5, 27), (1_048_575, 16_383));
        assert_eq!(shown_range(&range), "AB6:XFD1048576");
    }

    #[test]
    fn a_merged_range_of_one_cell_merges_nothing() {
        let sheet = |range: &str| {
            let xml = format!(
                r#"<worksheet><sheetData><row><c><v>1</v></c></row></sheetData><mergeCells><mergeCell ref="{range}"/></mergeCells></worksheet>"#
            );
            handmade(&[("xl/worksheets/sheet1.xml", xml.as_bytes())])
        };
        assert_eq!(
            read(&sheet("A1:A1")),
            Ok(vec![(1, vec![Cell::Number(1.0)])])
        );
        assert!(matches!(
            read(&sheet("C1:C2")),
            Err(FileProblem::MergedCells { .. })
        ));
        assert!(read(&sheet("B2:A1")).is_err());
    }

    #[test]
    fn a_million_blank_rows_are_no_rows() {
        let rows = format!(
            r#"{}<row><c><v>1</v></c></row>"#,
            "<row/>".repeat(1_000_000)
        );
        assert_eq!(
            read(&sheet(&rows)),
            Ok(vec![(1_000_001, vec![Cell::Number(1.0)])])
        );
    }

    #[test]
    fn a_million_styled_blank_cells_are_no_content() {
        let rows = format!(r#"<row>{}</row>"#, r#"<c s="1"/>"#.repeat(1_000_000));
        assert_eq!(read(&sheet(&rows)), Err(FileProblem::Empty));
        let rows = format!(
            r#"<row><c><v>1</v></c>{}</row>"#,
            r#"<c s="1"/>"#.repeat(1_000)
        );
        assert_eq!(read(&sheet(&rows)), Ok(vec![(1, vec![Cell::Number(1.0)])]));
    }

    #[test]
    fn each_limit_is_kept() {
        let limits = Limits {
            rows: 2,
            columns: 2,
            cell_characters: 3,
            ..Limits::default()
        };
        let row = |cells: &str| format!("<row>{cells}</row>");
        let number = "<c><v>1</v></c>";
        let long = r#"<c t="str"><v>髙髙髙髙</v></c>"#;
        let cases = [
            (row(number).repeat(3), FileProblem::TooManyRows { most: 2 }),
            (
                format!("<row/>{}", row(&number.repeat(3))),
                FileProblem::TooManyColumns { most: 2, row: 2 },
            ),
            (row(long), FileProblem::CellTooLong { most: 3, row: 1 }),
        ];
        for (rows, problem) in cases {
            assert_eq!(read_with(&sheet(&rows), &limits), Err(problem));
        }
        assert!(read_with(&sheet(&row(&number.repeat(2)).repeat(2)), &limits).is_ok());
    }

    #[test]
    fn reading_stops_when_told() {
        let file = file(&sheet(
            "<row><c><v>1</v></c></row><row><c><v>1</v></c></row><row><c><v>1</v></c></row>",
        ));
        let limits = Limits::default();
        let layout = read::inspect(&file, "a.xlsx", &limits).unwrap();
        let mut seen = 0;
        read::rows(&file, &layout, &limits, &mut |_, _| {
            seen += 1;
            ControlFlow::Break(())
        })
        .unwrap();
        assert_eq!(seen, 1);
    }

    #[test]
    fn a_row_that_jumps_back_is_damage() {
        let rows = r#"<row><c r="A5"><v>1</v></c><c r="A2"><v>1</v></c></row>"#;
        assert_eq!(read(&sheet(rows)), Err(FileProblem::Broken));
        assert_eq!(
            read(&sheet(r#"<row><c r="A1048577"><v>1</v></c></row>"#)),
            Err(FileProblem::Broken)
        );
    }

    #[test]
    fn positions_beyond_all_numbers_are_a_problem() {
        for position in ["A99999999999999", "ZZZZZZZZZZZZ1", "A0", "1", "A", "あ1"] {
            let rows = format!(r#"<row><c r="{position}"><v>1</v></c></row>"#);
            assert!(read(&sheet(&rows)).is_err(), "{position}");
        }
    }

    #[test]
    fn a_zip_bomb_is_refused() {
        let limits = Limits {
            unpacked_bytes: 2_000_000,
            ..Limits::default()
        };
        let zeros = vec![b' '; 3_000_000];
        let bytes = handmade(&[("xl/worksheets/sheet1.xml", &zeros)]);
        assert!(bytes.len() < 20_000);
        assert_eq!(read_with(&bytes, &limits), Err(FileProblem::TooLarge));
        let parts: [(&str, &[u8]); 2] = [
            ("xl/media/a.png", &zeros[..1_500_000]),
            ("xl/media/b.png", &zeros[..1_500_000]),
        ];
        assert_eq!(
            read_with(&handmade(&parts), &limits),
            Err(FileProblem::TooLarge)
        );
    }

    #[test]
    fn a_zip_bomb_that_lies_about_its_size_is_refused() {
        let limits = Limits {
            unpacked_bytes: 2_000_000,
            ..Limits::default()
        };
        let mut bytes = handmade(&[("xl/media/a.png", &vec![0; 3_000_000])]);
        let declared = 3_000_000_u32.to_le_bytes();
        let mut lies = 0;
        for place in 0..bytes.len() - 4 {
            if bytes[place..place + 4] == declared {
                bytes[place..place + 4].copy_from_slice(&100_u32.to_le_bytes());
                lies += 1;
            }
        }
        assert!(lies >= 2);
        assert!(matches!(
            read_with(&bytes, &limits),
            Err(FileProblem::TooLarge | FileProblem::Broken)
        ));
    }

    #[test]
    fn shared_strings_have_a_limit_of_their_own() {
        let limits = Limits {
            shared_strings_bytes: 10_000,
            ..Limits::default()
        };
        let strings = format!("<sst>{}</sst>", "<si><t>a</t></si>".repeat(1_000));
        let bytes = handmade(&[("xl/sharedStrings.xml", strings.as_bytes())]);
        assert_eq!(read_with(&bytes, &limits), Err(FileProblem::TooLarge));
    }

    #[test]
    fn shared_strings_that_announce_too_many_are_refused() {
        for announced in [
            "=\"18446744073709551615\"",
            " = '900000000000'",
            "=\"00099999999999\"",
        ] {
            let strings = format!("<sst uniqueCount{announced}><si><t>a</t></si></sst>");
            let bytes = handmade(&[("xl/SharedStrings.xml", strings.as_bytes())]);
            assert_eq!(read(&bytes), Err(FileProblem::Broken), "{announced}");
        }
    }

    #[test]
    fn a_cell_that_would_fill_the_memory_is_refused() {
        let rows = format!(
            r#"<row><c t="str"><v>{}</v></c></row>"#,
            "a".repeat(2_000_000)
        );
        assert_eq!(read(&sheet(&rows)), Err(FileProblem::TooLarge));
        let rows = format!(
            r#"<row><c t="str"><v>{}</v></c></row>"#,
            "髙".repeat(32_767)
        );
        assert!(read(&sheet(&rows)).is_ok());
    }

    #[test]
    fn too_many_entries_are_refused() {
        let names: Vec<String> = (0..1_001)
            .map(|number| format!("xl/media/{number}"))
            .collect();
        let parts: Vec<(&str, &[u8])> =
            names.iter().map(|name| (name.as_str(), &b""[..])).collect();
        assert_eq!(read(&handmade(&parts)), Err(FileProblem::TooLarge));
    }

    #[test]
    fn a_zip_without_a_workbook_is_no_sheet() {
        let bytes = zipped([("a.txt", &b"a"[..])].into_iter());
        assert_eq!(read(&bytes), Err(FileProblem::NotASheet));
    }

    #[test]
    fn a_password_is_told_from_an_old_workbook() {
        let mut ole = OLE_MARK.to_vec();
        ole.resize(65_530, 0);
        assert_eq!(read(&ole), Err(FileProblem::NotASheet));
        ole.extend("EncryptedPackage".encode_utf16().flat_map(u16::to_le_bytes));
        assert_eq!(read(&ole), Err(FileProblem::Encrypted));
    }

    #[test]
    fn a_missing_worksheet_part_is_damage() {
        assert_eq!(read(&handmade(&[])), Err(FileProblem::Broken));
    }

    fn ordinary() -> Vec<u8> {
        written(|book| {
            let sheet = book.add_worksheet();
            let date = Style::new().set_num_format("yyyy/mm/dd");
            for row in 0..50 {
                sheet.write(row, 0, row).unwrap();
                sheet.write(row, 1, format!("山田{row}")).unwrap();
                sheet.write_with_format(row, 2, 44549, &date).unwrap();
            }
        })
    }

    #[test]
    fn a_truncated_workbook_is_a_problem_at_any_length() {
        let bytes = ordinary();
        for length in (0..300)
            .chain((300..bytes.len()).step_by(37))
            .chain(bytes.len() - 60..bytes.len())
        {
            assert!(read(&bytes[..length]).is_err(), "{length}");
        }
        assert_eq!(read(&bytes[..bytes.len() / 2]), Err(FileProblem::Broken));
    }

    fn next(seed: &mut u64) -> usize {
        *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        usize::try_from(*seed >> 33).unwrap()
    }

    #[test]
    fn mutated_archives_never_panic() {
        let base = ordinary();
        let mut seed = 7;
        for _ in 0..1_000 {
            let mut bytes = base.clone();
            for _ in 0..3 {
                let place = next(&mut seed) % bytes.len();
                bytes[place] = next(&mut seed).to_le_bytes()[0];
            }
            let _ = read(&bytes);
        }
    }

    #[test]
    fn mutated_parts_never_panic() {
        let rows = r#"<worksheet><dimension ref="A1:C3"/><sheetData><row r="1"><c r="A1" t="s"><v>0</v></c><c r="B1" s="1"><v>44549</v></c></row><row r="3"><c r="C3" t="e"><v>#N/A</v></c></row></sheetData><mergeCells><mergeCell ref="A9:A9"/></mergeCells></worksheet>"#;
        let strings = r#"<sst count="1" uniqueCount="1"><si><t>a&amp;_x000D_</t></si></sst>"#;
        let parts = [
            ("xl/worksheets/sheet1.xml", rows),
            ("xl/sharedStrings.xml", strings),
            ("xl/workbook.xml", BOOK),
            ("xl/styles.xml", STYLES),
            ("xl/_rels/workbook.xml.rels", BOOK_RELS),
            ("_rels/.rels", MAIN_RELS),
        ];
        let alphabet = b"0123456789<>/\"=:&;AZaz_ -\xff\x01";
        let mut seed = 11;
        for round in 0..3_000 {
            let mut mutated = parts.map(|(name, content)| (name, content.as_bytes().to_vec()));
            let content = &mut mutated[round % parts.len()].1;
            for _ in 0..=round % 3 {
                let place = next(&mut seed) % content.len();
                content[place] = alphabet[next(&mut seed) % alphabet.len()];
            }
            let parts = mutated
                .each_ref()
                .map(|(name, content)| (*name, content.as_slice()));
            let _ = read(&handmade(&parts));
        }
    }
}
