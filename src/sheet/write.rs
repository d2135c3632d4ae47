//! Writes a spreadsheet row by row, as a CSV file or as a workbook (XLSX).
//!
//! A [`Writer`] is begun with a [`Form`], is given one line of headings and then as many rows as
//! there are, and hands over a finished file. Every row goes to the disk as it comes, so a file of
//! a million rows needs no more memory than a file of ten. The files have no name: nobody else can
//! open them, and they are gone when they are closed.
//!
//! What a person sees in the spreadsheet program must be what was stored. A code keeps its leading
//! zeros, and a text that looks like a formula is never calculated. A workbook can say of a cell
//! that it is text. A CSV file cannot, so there such a text gets an apostrophe in front.

use std::fs::File;
use std::io::{self, BufWriter, Seek, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

use chrono::{Datelike, NaiveDate};
use encoding_rs::{EncoderResult, SHIFT_JIS};
use rust_xlsxwriter::{ExcelDateTime, Format, IgnoreError, Workbook, Worksheet, XlsxError};

/// How many rows a worksheet has, the line of headings included.
const ROWS_OF_A_WORKSHEET: u32 = 1_048_576;

/// How much text a cell of a worksheet holds, counted as Excel counts it, in units of UTF-16.
const UNITS_OF_A_CELL: usize = 32_767;

/// The largest number whose every digit a worksheet keeps. It keeps fifteen.
const LARGEST_EXACT: u64 = 999_999_999_999_999;

/// The formats `@` and `0` by their numbers among those every workbook has, so that no program can
/// take them for formats of its user.
const TEXT_FORMAT: u8 = 49;
const WHOLE_FORMAT: u8 = 1;

/// The first year a worksheet has dates for.
const FIRST_YEAR: u16 = 1900;

/// The narrowest and the widest column, in characters.
const NARROWEST: u32 = 10;
const WIDEST: u32 = 40;

/// The kind of file to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Lines of values, for any program. Lines end with CR and LF.
    Csv {
        /// How characters become bytes.
        encoding: CsvEncoding,
        /// What stands between two values: an ASCII character, as a rule `,` or a tab.
        delimiter: u8,
    },
    /// A workbook with one worksheet.
    Xlsx,
}

/// How the characters of a CSV file become bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CsvEncoding {
    /// UTF-8 without a mark at the beginning.
    Utf8,
    /// UTF-8 with a byte order mark, by which Excel knows it.
    Utf8Bom,
    /// Shift JIS as Windows has it. A character that it does not have becomes `?`.
    Cp932,
    /// UTF-16, little endian, with a byte order mark.
    Utf16,
}

/// What one cell holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing.
    Empty,
    /// A text, which stays the text it is: no number, no date, no formula.
    Text(String),
    /// A day: a date in a workbook, `2021-12-19` in a CSV file. A day that a worksheet has no date
    /// for, before 1900 or after 9999, is a text there.
    Day(NaiveDate),
    /// A whole number. One of more than fifteen digits, which a worksheet would round, is a text
    /// there.
    Whole(i64),
}

/// Why a spreadsheet could not be written. The file that was begun is of no use then.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The temporary folder refused the file, for instance because the disk is full.
    #[error("the temporary file could not be written")]
    Io(#[from] io::Error),
    /// A row could not be put into the form of CSV.
    #[error("a row could not be written as CSV")]
    Csv(#[from] csv::Error),
    /// The workbook could not be written, or cannot be as asked: a bad sheet name, more columns
    /// than a worksheet has.
    #[error("the workbook could not be written")]
    Xlsx(#[from] XlsxError),
    /// There are more rows than a worksheet has: 1,048,576 with the line of headings.
    #[error("there are more rows than a worksheet has")]
    TooManyRows,
}

/// A spreadsheet that is being written.
///
/// The rows need not be as long as the line of headings. After an error, drop the writer: what it
/// has written so far is of no use.
pub struct Writer(Sheet);

enum Sheet {
    Lines(Box<Lines>),
    Book(Box<Book>),
}

impl Writer {
    /// Begins a file in the temporary folder, which nobody else can see and which is gone when it
    /// is closed. A CSV file has no use for the sheet name.
    ///
    /// # Errors
    ///
    /// [`WriteError::Io`] or [`WriteError::Xlsx`] if the temporary folder cannot be written to;
    /// [`WriteError::Xlsx`] if Excel does not allow the sheet name: it is empty, longer than 31
    /// characters, begins or ends with an apostrophe or has one of `[ ] : * ? / \`.
    pub fn begin(form: Form, sheet_name: &str) -> Result<Self, WriteError> {
        let sheet = match form {
            Form::Csv {
                encoding,
                delimiter,
            } => Sheet::Lines(Box::new(Lines::begin(encoding, delimiter)?)),
            Form::Xlsx => Sheet::Book(Box::new(Book::begin(sheet_name)?)),
        };
        Ok(Self(sheet))
    }

    /// Writes the line of headings: bold and frozen in a workbook, whose columns are as wide as
    /// their headings ask for. Call it once, before the rows.
    ///
    /// # Errors
    ///
    /// As [`Writer::row`].
    pub fn headings(&mut self, headings: &[String]) -> Result<(), WriteError> {
        match &mut self.0 {
            Sheet::Lines(lines) => lines.headings(headings),
            Sheet::Book(book) => book.headings(headings),
        }
    }

    /// Writes one row below the last.
    ///
    /// # Errors
    ///
    /// [`WriteError::TooManyRows`] if the worksheet is full, [`WriteError::Xlsx`] if the row has
    /// more columns than a worksheet, [`WriteError::Io`] if the temporary folder takes no more.
    pub fn row(&mut self, values: &[Value]) -> Result<(), WriteError> {
        match &mut self.0 {
            Sheet::Lines(lines) => lines.row(values),
            Sheet::Book(book) => book.row(values),
        }
    }

    /// Ends it: the file, to be read from its beginning, and how many bytes it has.
    ///
    /// # Errors
    ///
    /// [`WriteError::Io`] or [`WriteError::Xlsx`] if the temporary folder takes no more;
    /// [`WriteError::Xlsx`] if the worksheet has more than 4 GiB before it is packed.
    pub fn finish(self) -> Result<(File, u64), WriteError> {
        match self.0 {
            Sheet::Lines(lines) => from_its_beginning(lines.out),
            Sheet::Book(book) => book.finish(),
        }
    }
}

fn from_its_beginning(out: BufWriter<File>) -> Result<(File, u64), WriteError> {
    let mut file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    let bytes = file.stream_position()?;
    file.rewind()?;
    Ok((file, bytes))
}

/// A CSV file that is being written.
struct Lines {
    out: BufWriter<File>,
    encoding: CsvEncoding,
    style: csv::WriterBuilder,
    line: Vec<u8>,
}

impl Lines {
    fn begin(encoding: CsvEncoding, delimiter: u8) -> Result<Self, WriteError> {
        let mut out = BufWriter::new(tempfile::tempfile()?);
        out.write_all(byte_order_mark(encoding))?;
        let mut style = csv::WriterBuilder::new();
        style
            .delimiter(delimiter)
            .terminator(csv::Terminator::CRLF)
            .flexible(true);
        Ok(Self {
            out,
            encoding,
            style,
            line: Vec::new(),
        })
    }

    fn headings(&mut self, headings: &[String]) -> Result<(), WriteError> {
        self.fields(headings.iter().map(|heading| guarded(heading.clone())))
    }

    fn row(&mut self, values: &[Value]) -> Result<(), WriteError> {
        self.fields(values.iter().map(field))
    }

    /// A line is complete before it is encoded, so no character is ever cut in two.
    fn fields(&mut self, fields: impl Iterator<Item = String>) -> Result<(), WriteError> {
        self.line.clear();
        let mut record = self.style.from_writer(&mut self.line);
        record.write_record(fields.map(String::into_bytes))?;
        record.flush()?;
        drop(record);
        let line = str::from_utf8(&self.line).map_err(io::Error::other)?;
        encode(line, self.encoding, &mut self.out)?;
        Ok(())
    }
}

fn field(value: &Value) -> String {
    match value {
        Value::Empty => String::new(),
        Value::Text(text) => guarded(text.clone()),
        Value::Day(day) => guarded(day.to_string()),
        Value::Whole(number) => number.to_string(),
    }
}

/// A spreadsheet program shows a text with an apostrophe in front as it is, and calculates nothing.
fn guarded(text: String) -> String {
    if looks_like_a_formula(&text) && !is_a_plain_number(&text) {
        return format!("'{text}");
    }
    text
}

fn looks_like_a_formula(text: &str) -> bool {
    // U+2212 is here because CP932 has it only as the full-width minus.
    text.starts_with([
        '=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠', '\u{2212}',
    ])
}

/// Digits with a sign in front and perhaps a point between them: `-5`, `+3.2`.
fn is_a_plain_number(text: &str) -> bool {
    let Some(unsigned) = text.strip_prefix(['+', '-']) else {
        return false;
    };
    match unsigned.split_once('.') {
        Some((whole, fraction)) => are_digits(whole) && are_digits(fraction),
        None => are_digits(unsigned),
    }
}

fn are_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn byte_order_mark(encoding: CsvEncoding) -> &'static [u8] {
    match encoding {
        CsvEncoding::Utf8 | CsvEncoding::Cp932 => &[],
        CsvEncoding::Utf8Bom => &[0xEF, 0xBB, 0xBF],
        CsvEncoding::Utf16 => &[0xFF, 0xFE],
    }
}

fn encode(line: &str, encoding: CsvEncoding, out: &mut impl Write) -> io::Result<()> {
    match encoding {
        CsvEncoding::Utf8 | CsvEncoding::Utf8Bom => out.write_all(line.as_bytes()),
        CsvEncoding::Cp932 => encode_cp932(line, out),
        CsvEncoding::Utf16 => encode_utf16(line, out),
    }
}

fn encode_utf16(line: &str, out: &mut impl Write) -> io::Result<()> {
    line.encode_utf16()
        .try_for_each(|unit| out.write_all(&unit.to_le_bytes()))
}

fn encode_cp932(line: &str, out: &mut impl Write) -> io::Result<()> {
    let line: String = line.chars().map(as_cp932_has_it).collect();
    let mut encoder = SHIFT_JIS.new_encoder();
    let mut bytes = [0; 4096];
    let mut rest = line.as_str();
    loop {
        let (result, read, written) =
            encoder.encode_from_utf8_without_replacement(rest, &mut bytes, false);
        out.write_all(bytes.get(..written).unwrap_or_default())?;
        rest = rest.get(read..).unwrap_or_default();
        match result {
            EncoderResult::InputEmpty => return Ok(()),
            EncoderResult::OutputFull => {}
            EncoderResult::Unmappable(_) => out.write_all(b"?")?,
        }
    }
}

/// Unicode has some signs of Shift JIS twice, and CP932 knows only one of the two. Text typed on a
/// Mac, or converted from JIS X 0208 elsewhere, has the other.
fn as_cp932_has_it(sign: char) -> char {
    match sign {
        '\u{301C}' => '\u{FF5E}', // 〜
        '\u{2016}' => '\u{2225}', // ‖
        '\u{2014}' => '\u{2015}', // —
        '\u{00A2}' => '\u{FFE0}', // ¢
        '\u{00A3}' => '\u{FFE1}', // £
        '\u{00AC}' => '\u{FFE2}', // ¬
        // The encoder would make a backslash of the first, and a tilde of the second.
        '\u{00A5}' => '\u{FFE5}', // ¥
        '\u{203E}' => '\u{FFE3}', // ‾
        _ => sign,
    }
}

/// A workbook that is being written. Its rows are in a temporary file of the library until
/// [`Book::finish`] packs them.
struct Book {
    workbook: Workbook,
    worksheet: Worksheet,
    looks: Looks,
    columns: Vec<Column>,
    next_row: u32,
}

/// How the cells of a workbook look.
struct Looks {
    heading: Format,
    text: Format,
    day: Format,
    whole: Format,
}

/// What a column under a heading holds, as far as its rows have told. It decides what becomes of
/// that which a person types into the column later. Of two kinds in one column the later one of
/// this list counts: a text beside numbers is a code, a text beside days is a day nobody knows.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Column {
    Empty,
    Whole,
    Text,
    Day,
}

impl Book {
    fn begin(sheet_name: &str) -> Result<Self, WriteError> {
        let mut workbook = Workbook::new();
        let mut worksheet = workbook.new_worksheet_with_constant_memory()?;
        worksheet.set_name(sheet_name)?;
        Ok(Self {
            workbook,
            worksheet,
            looks: Looks::new(),
            columns: Vec::new(),
            next_row: 0,
        })
    }

    fn headings(&mut self, headings: &[String]) -> Result<(), WriteError> {
        let row = self.take_row()?;
        self.columns = vec![Column::Empty; headings.len()];
        self.worksheet.set_freeze_panes(row.saturating_add(1), 0)?;
        with_panics_as_errors(|| {
            for (column, heading) in (0..).zip(headings) {
                let text = cell_text(heading);
                self.worksheet.set_column_width(column, width(heading))?;
                self.worksheet
                    .write_string_with_format(row, column, text, &self.looks.heading)?;
            }
            Ok(())
        })
    }

    fn row(&mut self, values: &[Value]) -> Result<(), WriteError> {
        let row = self.take_row()?;
        for (column, value) in self.columns.iter_mut().zip(values) {
            *column = Column::of(value).max(*column);
        }
        with_panics_as_errors(|| {
            for (column, value) in (0..).zip(values) {
                self.cell(row, column, value)?;
            }
            Ok(())
        })
    }

    fn take_row(&mut self) -> Result<u32, WriteError> {
        let row = self.next_row;
        if row >= ROWS_OF_A_WORKSHEET {
            return Err(WriteError::TooManyRows);
        }
        self.next_row = row.saturating_add(1);
        Ok(row)
    }

    fn cell(&mut self, row: u32, column: u16, value: &Value) -> Result<(), XlsxError> {
        match value {
            Value::Empty => Ok(()),
            Value::Text(text) => self.text(row, column, text),
            Value::Day(day) => self.day(row, column, *day),
            Value::Whole(number) => self.whole(row, column, *number),
        }
    }

    fn text(&mut self, row: u32, column: u16, text: &str) -> Result<(), XlsxError> {
        let text = cell_text(text);
        self.worksheet
            .write_string_with_format(row, column, text, &self.looks.text)?;
        Ok(())
    }

    fn day(&mut self, row: u32, column: u16, day: NaiveDate) -> Result<(), XlsxError> {
        let Some(date) = worksheet_date(day) else {
            return self.text(row, column, &day.to_string());
        };
        self.worksheet
            .write_datetime_with_format(row, column, date, &self.looks.day)?;
        Ok(())
    }

    fn whole(&mut self, row: u32, column: u16, number: i64) -> Result<(), XlsxError> {
        if number.unsigned_abs() > LARGEST_EXACT {
            return self.text(row, column, &number.to_string());
        }
        self.worksheet
            .write_with_format(row, column, number, &self.looks.whole)?;
        Ok(())
    }

    fn finish(mut self) -> Result<(File, u64), WriteError> {
        self.format_columns()?;
        let mut out = BufWriter::new(tempfile::tempfile()?);
        self.workbook.push_worksheet(self.worksheet);
        with_panics_as_errors(|| self.workbook.save_to_writer(&mut out))?;
        from_its_beginning(out)
    }

    /// The formats of the columns are written before the rows, but only when the file is packed:
    /// by now the rows have told what the columns hold.
    fn format_columns(&mut self) -> Result<(), XlsxError> {
        for (number, column) in (0..).zip(&self.columns) {
            if let Some(format) = self.looks.of_column(*column) {
                self.worksheet.set_column_format(number, format)?;
            }
            // Else Excel marks every code as a number by mistake, and offers to make it one.
            self.worksheet.ignore_error_range(
                0,
                number,
                ROWS_OF_A_WORKSHEET.saturating_sub(1),
                number,
                IgnoreError::NumberStoredAsText,
            )?;
        }
        Ok(())
    }
}

impl Looks {
    fn new() -> Self {
        Self {
            heading: Format::new().set_num_format_index(TEXT_FORMAT).set_bold(),
            text: Format::new().set_num_format_index(TEXT_FORMAT),
            day: Format::new().set_num_format("yyyy-mm-dd"),
            whole: Format::new().set_num_format_index(WHOLE_FORMAT),
        }
    }

    /// A column of numbers has no format, so that a fraction typed there shows.
    fn of_column(&self, column: Column) -> Option<&Format> {
        match column {
            Column::Empty | Column::Text => Some(&self.text),
            Column::Day => Some(&self.day),
            Column::Whole => None,
        }
    }
}

impl Column {
    fn of(value: &Value) -> Self {
        match value {
            Value::Empty => Self::Empty,
            Value::Whole(_) => Self::Whole,
            Value::Text(_) => Self::Text,
            Value::Day(_) => Self::Day,
        }
    }
}

/// The library panics where its temporary file takes no more, but a full disk is an error like any
/// other here.
fn with_panics_as_errors(write: impl FnOnce() -> Result<(), XlsxError>) -> Result<(), WriteError> {
    match catch_unwind(AssertUnwindSafe(write)) {
        Ok(written) => Ok(written?),
        Err(_) => Err(WriteError::Io(io::Error::other(
            "the temporary folder takes no more",
        ))),
    }
}

/// The text as a cell can hold it: cut to what fits, without the characters XML has no place for,
/// its lines broken by LF alone, because Excel shows a CR as `_x000D_` or as nothing.
fn cell_text(text: &str) -> String {
    let mut room = UNITS_OF_A_CELL;
    text.replace("\r\n", "\n")
        .replace('\r', "\n")
        .chars()
        .filter(|sign| has_a_place_in_xml(*sign))
        .take_while(|sign| match room.checked_sub(sign.len_utf16()) {
            Some(left) => {
                room = left;
                true
            }
            None => false,
        })
        .collect()
}

fn has_a_place_in_xml(sign: char) -> bool {
    match sign {
        '\t' | '\n' | '\r' => true,
        '\0'..='\u{1F}' | '\u{FFFE}' | '\u{FFFF}' => false,
        _ => true,
    }
}

fn worksheet_date(day: NaiveDate) -> Option<ExcelDateTime> {
    let year = u16::try_from(day.year()).ok()?;
    if year < FIRST_YEAR {
        return None;
    }
    let month = u8::try_from(day.month()).ok()?;
    let day_of_month = u8::try_from(day.day()).ok()?;
    ExcelDateTime::from_ymd(year, month, day_of_month).ok()
}

/// How wide a column with this heading is, in characters, with some air around the heading.
fn width(heading: &str) -> f64 {
    let air = 2;
    let wide = heading
        .chars()
        .map(|sign| if is_full_width(sign) { 2 } else { 1 })
        .fold(air, u32::saturating_add);
    f64::from(wide.clamp(NARROWEST, WIDEST))
}

/// Whether a character takes the room of two, by the blocks of Unicode it may be in.
fn is_full_width(sign: char) -> bool {
    matches!(sign,
        '\u{1100}'..='\u{115F}'
        | '\u{2E80}'..='\u{A4CF}'
        | '\u{AC00}'..='\u{D7A3}'
        | '\u{F900}'..='\u{FAFF}'
        | '\u{FE30}'..='\u{FE6F}'
        | '\u{FF01}'..='\u{FF60}'
        | '\u{FFE0}'..='\u{FFE6}'
        | '\u{1F300}'..='\u{1FAFF}'
        | '\u{20000}'..='\u{3FFFD}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use calamine::{Data, Reader, Xlsx};
    use std::io::{BufReader, Read};

    const UTF8: Form = Form::Csv {
        encoding: CsvEncoding::Utf8,
        delimiter: b',',
    };

    fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    fn day(year: i32, month: u32, day: u32) -> Value {
        Value::Day(NaiveDate::from_ymd_opt(year, month, day).unwrap())
    }

    fn strings(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    fn written(form: Form, headings: &[&str], rows: &[Vec<Value>]) -> File {
        let mut writer = Writer::begin(form, "名簿").unwrap();
        writer.headings(&strings(headings)).unwrap();
        for row in rows {
            writer.row(row).unwrap();
        }
        writer.finish().unwrap().0
    }

    fn bytes_of(mut file: File) -> Vec<u8> {
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).unwrap();
        bytes
    }

    fn csv_bytes(encoding: CsvEncoding, rows: &[Vec<Value>]) -> Vec<u8> {
        let form = Form::Csv {
            encoding,
            delimiter: b',',
        };
        let mut writer = Writer::begin(form, "").unwrap();
        for row in rows {
            writer.row(row).unwrap();
        }
        bytes_of(writer.finish().unwrap().0)
    }

    fn csv_line(value: Value) -> String {
        String::from_utf8(csv_bytes(CsvEncoding::Utf8, &[vec![value]])).unwrap()
    }

    fn cells(file: File) -> Vec<Vec<Data>> {
        let mut workbook = Xlsx::new(BufReader::new(file)).unwrap();
        let range = workbook.worksheet_range("名簿").unwrap();
        range.rows().map(<[Data]>::to_vec).collect()
    }

    fn cell_read_back(value: Value) -> Data {
        let file = written(Form::Xlsx, &["h"], &[vec![value]]);
        cells(file)[1][0].clone()
    }

    fn part(file: &File, name: &str) -> String {
        let mut archive = zip::ZipArchive::new(BufReader::new(file)).unwrap();
        let mut part = String::new();
        archive
            .by_name(name)
            .unwrap()
            .read_to_string(&mut part)
            .unwrap();
        part
    }

    fn sheet_xml(file: &File) -> String {
        part(file, "xl/worksheets/sheet1.xml")
    }

    /// The number format of the style with this index, as `xl/styles.xml` has it.
    fn number_format(file: &File, style: &str) -> String {
        let styles = part(file, "xl/styles.xml");
        let cell_styles = styles.split("<cellXfs").nth(1).unwrap();
        let style = cell_styles
            .split("<xf ")
            .nth(style.parse::<usize>().unwrap() + 1)
            .unwrap();
        let id = attribute(style, "numFmtId");
        match styles.split(&format!("<numFmt numFmtId=\"{id}\"")).nth(1) {
            Some(format) => attribute(format, "formatCode").to_owned(),
            None => format!("built in {id}"),
        }
    }

    /// Neighbours that look the same share one element.
    fn column_format(file: &File, sheet: &str, column: u16) -> String {
        let element = sheet
            .split("<col ")
            .skip(1)
            .find(|element| attribute(element, "max").parse::<u16>().unwrap() >= column)
            .unwrap()
            .split('>')
            .next()
            .unwrap();
        if !element.contains("style=") {
            return "none".to_owned();
        }
        number_format(file, attribute(element, "style"))
    }

    fn attribute<'a>(element: &'a str, name: &str) -> &'a str {
        let value = element.split(&format!("{name}=\"")).nth(1).unwrap();
        value.split('"').next().unwrap()
    }

    fn element<'a>(xml: &'a str, start: &str) -> &'a str {
        let rest = &xml[xml.find(start).unwrap()..];
        &rest[..=rest.find('>').unwrap()]
    }

    /// Excel has `@` and `0` among its own formats.
    const BUILT_IN_TEXT: &str = "built in 49";
    const BUILT_IN_WHOLE: &str = "built in 1";

    #[test]
    fn a_writer_can_go_to_another_thread() {
        fn goes_to_another_thread<T: Send>() {}
        goes_to_another_thread::<Writer>();
    }

    #[test]
    fn a_csv_file_has_its_values_quoted_only_where_needed() {
        let file = written(
            UTF8,
            &["番号", "氏名"],
            &[
                vec![text("0110"), text("a,b"), Value::Empty],
                vec![text("say \"x\""), day(2021, 12, 19), Value::Whole(-7)],
            ],
        );
        let expected = "番号,氏名\r\n0110,\"a,b\",\r\n\"say \"\"x\"\"\",2021-12-19,-7\r\n";
        assert_eq!(bytes_of(file), expected.as_bytes());
    }

    #[test]
    fn a_line_break_stays_within_its_csv_value() {
        assert_eq!(csv_line(text("a\nb")), "\"a\nb\"\r\n");
        assert_eq!(csv_line(text("a\r\nb")), "\"a\r\nb\"\r\n");
    }

    #[test]
    fn an_empty_csv_file_has_only_its_mark() {
        assert_eq!(csv_bytes(CsvEncoding::Utf8, &[]), b"");
        assert_eq!(csv_bytes(CsvEncoding::Utf8Bom, &[]), b"\xEF\xBB\xBF");
        assert_eq!(csv_bytes(CsvEncoding::Utf16, &[]), b"\xFF\xFE");
        assert_eq!(csv_bytes(CsvEncoding::Cp932, &[]), b"");
    }

    #[test]
    fn utf8_with_a_mark_has_it_once() {
        let rows = [vec![text("あ")], vec![text("b")]];
        let expected = b"\xEF\xBB\xBF\xE3\x81\x82\r\nb\r\n";
        assert_eq!(csv_bytes(CsvEncoding::Utf8Bom, &rows), expected);
    }

    #[test]
    fn utf16_is_little_endian_with_a_mark() {
        let rows = [vec![text("あ😀"), text("b")]];
        let expected = b"\xFF\xFE\x42\x30\x3D\xD8\x00\xDE,\0b\0\r\0\n\0";
        assert_eq!(csv_bytes(CsvEncoding::Utf16, &rows), expected);
    }

    #[test]
    fn cp932_has_the_characters_of_windows() {
        let rows = [vec![text("①㈱髙～")]];
        let expected = b"\x87\x40\x87\x8A\xFB\xFC\x81\x60\r\n";
        assert_eq!(csv_bytes(CsvEncoding::Cp932, &rows), expected);
    }

    #[test]
    fn cp932_has_the_wave_dash_and_its_like_under_another_number() {
        let rows = [vec![text("〜‖—¢£¬¥‾−")]];
        let expected =
            b"\x81\x60\x81\x61\x81\x5C\x81\x91\x81\x92\x81\xCA\x81\x8F\x81\x50\x81\x7C\r\n";
        assert_eq!(csv_bytes(CsvEncoding::Cp932, &rows), expected);
    }

    #[test]
    fn a_character_that_cp932_does_not_have_becomes_a_question_mark() {
        let rows = [vec![text("a😀b𠮷"), text("é")]];
        assert_eq!(csv_bytes(CsvEncoding::Cp932, &rows), b"a?b?,?\r\n");
    }

    #[test]
    fn a_long_cp932_value_is_written_whole() {
        let rows = [vec![text(&"漢😀".repeat(20_000))]];
        let expected = [b"\x8A\xBF?".repeat(20_000), b"\r\n".to_vec()].concat();
        assert_eq!(csv_bytes(CsvEncoding::Cp932, &rows), expected);
    }

    #[test]
    fn a_delimiter_may_be_a_tab() {
        let form = Form::Csv {
            encoding: CsvEncoding::Utf8,
            delimiter: b'\t',
        };
        let file = written(form, &["a,b", "c"], &[vec![text("d\te"), text("f")]]);
        assert_eq!(bytes_of(file), b"a,b\tc\r\n\"d\te\"\tf\r\n");
    }

    #[test]
    fn a_delimiter_that_is_no_character_is_an_error() {
        let form = Form::Csv {
            encoding: CsvEncoding::Utf8,
            delimiter: 0xFF,
        };
        let mut writer = Writer::begin(form, "").unwrap();
        let result = writer.row(&[text("a"), text("b")]);
        assert!(matches!(result, Err(WriteError::Io(_))));
    }

    #[test]
    fn a_text_like_a_formula_gets_an_apostrophe() {
        for formula in [
            "=1+1", "+A1", "-A1", "@SUM(1)", "＝1", "＋1", "－1", "＠a", "−1", "=5", "-", "+",
            "-1-2", "-1.2.3", "-.5", "-5.", "-１", "+1,000", "--5", "-5 ",
        ] {
            assert_eq!(guarded(formula.to_owned()), format!("'{formula}"));
        }
        assert_eq!(csv_line(text("\t=1")), "'\t=1\r\n");
        assert_eq!(csv_line(text("\r=1")), "\"'\r=1\"\r\n");
    }

    #[test]
    fn a_plain_number_or_other_text_gets_no_apostrophe() {
        for plain in [
            "-5", "+3.2", "+81", "-0.50", "", "a=1", " =1", "'=1", "0110", "1-2",
        ] {
            assert_eq!(guarded(plain.to_owned()), plain);
        }
    }

    #[test]
    fn a_heading_like_a_formula_gets_an_apostrophe_too() {
        assert_eq!(bytes_of(written(UTF8, &["=a"], &[])), b"'=a\r\n");
    }

    #[test]
    fn a_finished_file_is_read_from_its_beginning_and_has_its_length() {
        for form in [UTF8, Form::Xlsx] {
            let mut writer = Writer::begin(form, "名簿").unwrap();
            writer.row(&[text("abc")]).unwrap();
            let (file, length) = writer.finish().unwrap();
            assert_eq!(bytes_of(file).len(), usize::try_from(length).unwrap());
        }
    }

    #[test]
    fn a_code_keeps_its_leading_zero() {
        let code = cell_read_back(text("0110112489"));
        assert_eq!(code, Data::String("0110112489".to_owned()));
    }

    #[test]
    fn a_formula_stays_text_in_a_workbook() {
        let file = written(Form::Xlsx, &["h"], &[vec![text("=1+1")]]);
        assert!(!sheet_xml(&file).contains("<f>"));
        assert_eq!(cells(file)[1][0], Data::String("=1+1".to_owned()));
    }

    #[test]
    fn a_text_cell_has_the_text_format() {
        let file = written(Form::Xlsx, &["h"], &[vec![text("0110")]]);
        let style = attribute(element(&sheet_xml(&file), "<c r=\"A2\""), "s").to_owned();
        assert_eq!(number_format(&file, &style), BUILT_IN_TEXT);
    }

    #[test]
    fn a_day_is_a_real_date() {
        let file = written(Form::Xlsx, &["h"], &[vec![day(2021, 12, 19)]]);
        let style = attribute(element(&sheet_xml(&file), "<c r=\"A2\""), "s").to_owned();
        assert_eq!(number_format(&file, &style), "yyyy-mm-dd");
        let Data::DateTime(date) = cells(file)[1][0] else {
            panic!("no date");
        };
        // 2021-12-19, in days from 1899-12-30 on.
        assert_eq!(date.as_f64(), 44_549.0);
    }

    #[test]
    fn a_day_no_worksheet_has_is_text() {
        assert_eq!(
            cell_read_back(day(1899, 12, 31)),
            Data::String("1899-12-31".to_owned())
        );
        assert_eq!(
            cell_read_back(day(10_000, 1, 1)),
            Data::String("+10000-01-01".to_owned())
        );
    }

    #[test]
    fn a_whole_number_is_a_number() {
        let file = written(Form::Xlsx, &["h"], &[vec![Value::Whole(-42)]]);
        let style = attribute(element(&sheet_xml(&file), "<c r=\"A2\""), "s").to_owned();
        assert_eq!(number_format(&file, &style), BUILT_IN_WHOLE);
        assert_eq!(cells(file)[1][0], Data::Float(-42.0));
    }

    #[test]
    fn a_number_a_worksheet_would_round_is_text() {
        assert_eq!(
            cell_read_back(Value::Whole(999_999_999_999_999)),
            Data::Float(999_999_999_999_999.0)
        );
        assert_eq!(
            cell_read_back(Value::Whole(i64::MIN)),
            Data::String(i64::MIN.to_string())
        );
    }

    #[test]
    fn nothing_leaves_a_cell_empty() {
        let file = written(Form::Xlsx, &["a", "b"], &[vec![Value::Empty, text("x")]]);
        assert_eq!(cells(file)[1][0], Data::Empty);
    }

    #[test]
    fn an_empty_text_leaves_a_cell_empty() {
        let file = written(Form::Xlsx, &["a", "b"], &[vec![text(""), text("x")]]);
        assert_eq!(cells(file)[1][0], Data::Empty);
    }

    #[test]
    fn a_line_break_within_a_cell_is_a_line_feed() {
        let cell = cell_read_back(text("a\r\nb\nc\rd"));
        assert_eq!(cell, Data::String("a\nb\nc\nd".to_owned()));
    }

    #[test]
    fn characters_that_xml_cannot_hold_are_dropped() {
        let cell = cell_read_back(text("a\0b\u{1B}c\u{FFFF}\td<&>\"é😀"));
        assert_eq!(cell, Data::String("abc\td<&>\"é😀".to_owned()));
    }

    #[test]
    fn a_text_that_looks_like_an_escape_stays_as_it_is() {
        let file = written(Form::Xlsx, &["h"], &[vec![text("_x0041_")]]);
        assert!(sheet_xml(&file).contains("_x005F_x0041_"));
    }

    #[test]
    fn spaces_around_a_text_stay() {
        let file = written(Form::Xlsx, &["h"], &[vec![text(" a ")]]);
        assert!(sheet_xml(&file).contains("<t xml:space=\"preserve\"> a </t>"));
    }

    #[test]
    fn a_text_too_long_for_a_cell_is_cut() {
        let cell = cell_read_back(text(&"あ".repeat(40_000)));
        assert_eq!(cell, Data::String("あ".repeat(32_767)));
    }

    #[test]
    fn a_cut_never_parts_a_character() {
        let cut = cell_text(&"😀".repeat(20_000));
        assert_eq!(cut, "😀".repeat(16_383));
        assert_eq!(cell_text(&"a".repeat(32_767)).len(), 32_767);
    }

    #[test]
    fn headings_are_bold_and_frozen() {
        let file = written(Form::Xlsx, &["見出し"], &[vec![text("x")]]);
        let sheet = sheet_xml(&file);
        assert!(element(&sheet, "<pane").contains("ySplit=\"1\""));
        assert!(element(&sheet, "<pane").contains("state=\"frozen\""));
        assert!(part(&file, "xl/styles.xml").contains("<b/>"));
        assert_eq!(cells(file)[0][0], Data::String("見出し".to_owned()));
    }

    #[test]
    fn what_is_typed_later_into_a_column_of_text_stays_text() {
        let file = written(
            Form::Xlsx,
            &["text", "day", "number", "empty", "both", "unknown day"],
            &[
                vec![
                    text("01"),
                    day(2021, 12, 19),
                    Value::Whole(1),
                    Value::Empty,
                    Value::Whole(1),
                    text("?"),
                ],
                vec![
                    text("02"),
                    Value::Empty,
                    Value::Empty,
                    Value::Empty,
                    text("01"),
                    day(2021, 12, 19),
                ],
            ],
        );
        let sheet = sheet_xml(&file);
        let formats: Vec<String> = (1..=6).map(|n| column_format(&file, &sheet, n)).collect();
        assert_eq!(
            formats,
            [
                BUILT_IN_TEXT,
                "yyyy-mm-dd",
                "none",
                BUILT_IN_TEXT,
                BUILT_IN_TEXT,
                "yyyy-mm-dd"
            ]
        );
    }

    #[test]
    fn a_code_is_not_marked_as_a_number_by_mistake() {
        let file = written(Form::Xlsx, &["h"], &[vec![text("01")]]);
        let sheet = sheet_xml(&file);
        let ignored = element(&sheet, "<ignoredError ");
        assert_eq!(attribute(ignored, "sqref"), "A1:A1048576");
        assert_eq!(attribute(ignored, "numberStoredAsText"), "1");
    }

    #[test]
    fn a_column_is_as_wide_as_its_heading_within_reason() {
        assert_eq!(width(""), 10.0);
        assert_eq!(width("abcdefghijkl"), 14.0);
        assert_eq!(width("受診者氏名カナ"), 16.0);
        assert_eq!(width(&"長".repeat(100)), 40.0);
    }

    #[test]
    fn rows_may_be_longer_or_shorter_than_the_headings() {
        let rows = [vec![], vec![text("a"), text("b")], vec![text("c")]];
        let read = cells(written(Form::Xlsx, &["h"], &rows));
        assert_eq!(read[2][1], Data::String("b".to_owned()));
        assert_eq!(read[3][0], Data::String("c".to_owned()));
        assert_eq!(
            bytes_of(written(UTF8, &["h"], &rows)),
            b"h\r\n\"\"\r\na,b\r\nc\r\n"
        );
    }

    #[test]
    fn a_workbook_without_rows_can_be_read() {
        assert_eq!(cells(written(Form::Xlsx, &["h"], &[])).len(), 1);
        assert!(cells(written(Form::Xlsx, &[], &[])).is_empty());
    }

    #[test]
    fn a_sheet_name_that_excel_does_not_allow_is_an_error() {
        for name in ["", "a/b", &"x".repeat(32)] {
            let begun = Writer::begin(Form::Xlsx, name);
            assert!(matches!(begun, Err(WriteError::Xlsx(_))));
        }
    }

    #[test]
    fn a_worksheet_has_room_for_a_limited_number_of_rows() {
        let mut book = Book::begin("名簿").unwrap();
        book.next_row = ROWS_OF_A_WORKSHEET - 1;
        book.row(&[text("last")]).unwrap();
        let row = book.row(&[text("one too many")]);
        assert!(matches!(row, Err(WriteError::TooManyRows)));
        let file = book.finish().unwrap().0;
        assert!(sheet_xml(&file).contains("<c r=\"A1048576\""));
    }

    #[test]
    fn a_worksheet_has_room_for_a_limited_number_of_columns() {
        let mut writer = Writer::begin(Form::Xlsx, "名簿").unwrap();
        let row = writer.row(&vec![text("x"); 16_385]);
        assert!(matches!(row, Err(WriteError::Xlsx(_))));
    }

    #[test]
    fn a_panic_of_the_library_is_an_error() {
        let written = with_panics_as_errors(|| panic!("disk full"));
        assert!(matches!(written, Err(WriteError::Io(_))));
    }
}
