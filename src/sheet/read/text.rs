//! Reads CSV texts: finds out their encoding and delimiter, and cuts them into
//! rows and cells.
//!
//! The bytes go through an incremental decoder block by block and the
//! characters go one by one through a small state machine ([`Cutter`]), so that
//! a text of any size needs the same memory. The machine is our own because
//! three things matter here that CSV libraries hide: blank lines and quoted
//! line breaks must give the row numbers that a spreadsheet program shows, a
//! quotation mark that is never closed must be told, and it must not swallow
//! the rest of the file into memory before that.

use std::fs::File;
use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::ops::ControlFlow;

use encoding_rs::{Decoder, DecoderResult, SHIFT_JIS, UTF_8, UTF_16BE, UTF_16LE};

use super::{
    Cell, EachRow, Encoding, FileProblem, Format, Layout, Limits, ReadError, RowCount,
    opening_bytes,
};

const BLOCK: usize = 64 * 1024;
const UTF8_MARK: &[u8] = b"\xef\xbb\xbf";
const UTF16_LITTLE_MARK: &[u8] = b"\xff\xfe";
const UTF16_BIG_MARK: &[u8] = b"\xfe\xff";
/// Old DOS programs end a text with this character.
const DOS_END: char = '\u{1a}';
const DELIMITERS: [char; 3] = [',', '\t', ';'];

/// What a text consumer says after each block: go on, stop, or fail.
type Heard = Result<ControlFlow<()>, ReadError>;

/// Refuses a file that has control characters, as no text has.
pub(super) fn refuse_binary(file: &File) -> Result<(), ReadError> {
    let mut controls = Controls::default();
    if has_utf16_mark(file)? {
        return match decode(file, Encoding::Utf16, &mut |text| {
            controls.check(text.chars())
        }) {
            // The encoding is judged later, after the name.
            Err(ReadError::Problem(FileProblem::BadEncoding { .. })) => Ok(()),
            other => other,
        };
    }
    let mut reader = from_start(file)?;
    loop {
        let block = reader.fill_buf()?;
        if block.is_empty() {
            return Ok(());
        }
        let _ = controls.check(block.iter().copied().map(char::from))?;
        let length = block.len();
        reader.consume(length);
    }
}

/// Finds the encoding and the delimiter, and reads the text to its end.
pub(super) fn inspect(file: &File, limits: &Limits) -> Result<Layout, ReadError> {
    let encoding = encoding_of(file)?;
    let delimiter = delimiter_of(file, encoding)?;
    let layout = Layout {
        format: Format::Csv,
        encoding,
        delimiter,
        worksheet: None,
    };
    let mut has_rows = false;
    rows(file, &layout, limits, &mut |_, _| {
        has_rows = true;
        ControlFlow::Continue(())
    })?;
    if !has_rows {
        return Err(FileProblem::Empty.into());
    }
    Ok(layout)
}

/// Hands over the rows of a text; see [`super::rows`].
pub(super) fn rows(
    file: &File,
    layout: &Layout,
    limits: &Limits,
    each: &mut EachRow<'_>,
) -> Result<(), ReadError> {
    let mut cutter = Cutter::new(char::from(layout.delimiter), limits, each);
    let mut stopped = false;
    decode(file, layout.encoding, &mut |text| {
        for character in text.chars() {
            if cutter.take(character)?.is_break() {
                stopped = true;
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    })?;
    if !stopped {
        cutter.finish()?;
    }
    Ok(())
}

#[derive(Default)]
struct Controls {
    ended: bool,
}

impl Controls {
    fn check(&mut self, characters: impl Iterator<Item = char>) -> Heard {
        for character in characters {
            let is_allowed = matches!(character, '\t' | '\r' | '\n' | DOS_END);
            if self.ended || (character.is_ascii_control() && !is_allowed) {
                return Err(FileProblem::NotASheet.into());
            }
            self.ended = character == DOS_END;
        }
        Ok(ControlFlow::Continue(()))
    }
}

fn from_start(mut file: &File) -> Result<BufReader<&File>, std::io::Error> {
    file.seek(SeekFrom::Start(0))?;
    Ok(BufReader::with_capacity(BLOCK, file))
}

fn has_utf16_mark(file: &File) -> Result<bool, std::io::Error> {
    let opening = opening_bytes(file)?;
    Ok(opening.starts_with(UTF16_LITTLE_MARK) || opening.starts_with(UTF16_BIG_MARK))
}

fn encoding_of(file: &File) -> Result<Encoding, ReadError> {
    if has_utf16_mark(file)? {
        return proved(file, Encoding::Utf16);
    }
    if opening_bytes(file)?.starts_with(UTF8_MARK) {
        return proved(file, Encoding::Utf8Bom);
    }
    match proved(file, Encoding::Utf8) {
        Err(ReadError::Problem(not_utf8 @ FileProblem::BadEncoding { .. })) => {
            if has_utf8_line(file)? {
                return Err(not_utf8.into());
            }
            proved(file, Encoding::Cp932).map_err(|error| match error {
                ReadError::Problem(_) => not_utf8.into(),
                ReadError::Io(_) => error,
            })
        }
        answer => answer,
    }
}

/// Whether a line can only be meant as UTF-8. Most Japanese in UTF-8 can also
/// be read as CP932, as gibberish, so a file of both would pass for CP932.
fn has_utf8_line(file: &File) -> Result<bool, std::io::Error> {
    let mut line = Utf8Line::default();
    let mut reader = from_start(file)?;
    loop {
        let block = reader.fill_buf()?;
        if block.is_empty() {
            return Ok(line.is_proof());
        }
        for byte in block {
            if matches!(byte, b'\r' | b'\n') && line.is_proof() {
                return Ok(true);
            }
            line.add(*byte);
        }
        let length = block.len();
        reader.consume(length);
    }
}

/// Judges whether one line is UTF-8 with Japanese in it.
#[derive(Default)]
struct Utf8Line {
    is_bad: bool,
    /// Characters of two bytes don't count: in CP932 they are half-width kana.
    has_long_characters: bool,
    expected: u8,
}

impl Utf8Line {
    fn is_proof(&self) -> bool {
        self.has_long_characters && !self.is_bad && self.expected == 0
    }

    fn add(&mut self, byte: u8) {
        let follows = matches!(byte, 0x80..=0xbf);
        self.is_bad |= follows != (self.expected > 0);
        match byte {
            b'\r' | b'\n' => *self = Self::default(),
            0x80..=0xbf => self.expected = self.expected.saturating_sub(1),
            0xc2..=0xdf => self.expected = 1,
            0xe0..=0xef => self.expected = 2,
            0xf0..=0xf4 => self.expected = 3,
            0xc0 | 0xc1 | 0xf5..=0xff => self.is_bad = true,
            _ => {}
        }
        self.has_long_characters |= byte >= 0xe0;
    }
}

fn proved(file: &File, encoding: Encoding) -> Result<Encoding, ReadError> {
    decode(file, encoding, &mut |_| Ok(ControlFlow::Continue(())))?;
    Ok(encoding)
}

/// Decodes a text from its start, after any byte order mark, and hands it over
/// in pieces of bounded size.
fn decode(
    file: &File,
    encoding: Encoding,
    hear: &mut dyn FnMut(&str) -> Heard,
) -> Result<(), ReadError> {
    let (mut decoder, mark) = decoder_of(file, encoding)?;
    let mut reader = from_start(file)?;
    reader.seek(SeekFrom::Start(mark))?;
    let mut text = String::with_capacity(BLOCK);
    let mut lines = LineCount::default();
    loop {
        let block = reader.fill_buf()?;
        let is_end = block.is_empty();
        let (result, used) = decoder.decode_to_string_without_replacement(block, &mut text, is_end);
        reader.consume(used);
        lines.add(&text);
        // CP932 has no use for this byte: it is a sign of another encoding.
        let is_foreign = encoding == Encoding::Cp932 && text.contains('\u{80}');
        if is_foreign {
            return Err(lines.bad_encoding());
        }
        if hear(&text)?.is_break() {
            return Ok(());
        }
        text.clear();
        match result {
            DecoderResult::Malformed(..) => return Err(lines.bad_encoding()),
            DecoderResult::InputEmpty if is_end => return Ok(()),
            DecoderResult::InputEmpty | DecoderResult::OutputFull => {}
        }
    }
}

/// The decoder for a text and the length of its byte order mark.
fn decoder_of(file: &File, encoding: Encoding) -> Result<(Decoder, u64), std::io::Error> {
    let (encoding, mark) = match encoding {
        Encoding::Utf8 => (UTF_8, 0),
        Encoding::Utf8Bom => (UTF_8, 3),
        Encoding::Cp932 => (SHIFT_JIS, 0),
        Encoding::Utf16 if opening_bytes(file)?.starts_with(UTF16_BIG_MARK) => (UTF_16BE, 2),
        Encoding::Utf16 => (UTF_16LE, 2),
    };
    Ok((encoding.new_decoder_without_bom_handling(), mark))
}

/// Counts physical lines, whatever ends them.
#[derive(Default)]
struct LineCount {
    ends: u32,
    after_return: bool,
}

impl LineCount {
    fn add(&mut self, text: &str) {
        for byte in text.bytes() {
            let is_end = byte == b'\r' || (byte == b'\n' && !self.after_return);
            self.ends = self.ends.saturating_add(u32::from(is_end));
            self.after_return = byte == b'\r';
        }
    }

    fn bad_encoding(&self) -> ReadError {
        let row = self.ends.saturating_add(1);
        FileProblem::BadEncoding { row }.into()
    }
}

fn delimiter_of(file: &File, encoding: Encoding) -> Result<u8, ReadError> {
    let mut guess = DelimiterGuess::default();
    decode(file, encoding, &mut |text| {
        Ok(text.chars().try_for_each(|character| guess.take(character)))
    })?;
    Ok(guess.winner())
}

/// Counts the possible delimiters in the first line that isn't blank, outside
/// quotes.
#[derive(Default)]
struct DelimiterGuess {
    commas: u64,
    tabs: u64,
    semicolons: u64,
    in_quotes: bool,
    has_content: bool,
    before: Option<char>,
}

impl DelimiterGuess {
    fn take(&mut self, character: char) -> ControlFlow<()> {
        let is_line_end = matches!(character, '\r' | '\n') && !self.in_quotes;
        if is_line_end && self.has_content {
            return ControlFlow::Break(());
        }
        if is_line_end {
            *self = Self::default();
            return ControlFlow::Continue(());
        }
        self.count(character);
        self.has_content |= !character.is_whitespace();
        self.before = Some(character);
        ControlFlow::Continue(())
    }

    fn count(&mut self, character: char) {
        match character {
            '"' if self.in_quotes => self.in_quotes = false,
            '"' => self.in_quotes = self.can_open_quotes(),
            _ if self.in_quotes => {}
            ',' => self.commas += 1,
            '\t' => self.tabs += 1,
            ';' => self.semicolons += 1,
            _ => {}
        }
    }

    fn can_open_quotes(&self) -> bool {
        match self.before {
            None | Some('"') => true,
            Some(before) => DELIMITERS.contains(&before),
        }
    }

    fn winner(&self) -> u8 {
        let most = self.commas.max(self.tabs).max(self.semicolons);
        if self.commas == most {
            return b',';
        }
        if self.tabs == most {
            return b'\t';
        }
        b';'
    }
}

/// Where in a row the cutter stands.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    RowStart,
    CellStart,
    Plain,
    Quoted,
    /// After a quotation mark within quotes: it closes them, or a second one
    /// follows and both mean one.
    QuoteInQuotes,
}

/// Cuts characters into cells and rows, and hands each row over.
struct Cutter<'a, 'b> {
    delimiter: char,
    limits: &'a Limits,
    each: &'a mut EachRow<'b>,
    place: Place,
    after_return: bool,
    row: u32,
    count: RowCount<'a>,
    cells: Vec<Cell>,
    text: String,
    characters: usize,
}

impl<'a, 'b> Cutter<'a, 'b> {
    fn new(delimiter: char, limits: &'a Limits, each: &'a mut EachRow<'b>) -> Self {
        Self {
            delimiter,
            limits,
            each,
            place: Place::RowStart,
            after_return: false,
            row: 1,
            count: RowCount::new(limits),
            cells: Vec::new(),
            text: String::new(),
            characters: 0,
        }
    }

    fn take(&mut self, character: char) -> Result<ControlFlow<()>, FileProblem> {
        let completes_line_end = self.after_return && character == '\n';
        self.after_return = false;
        if completes_line_end || character == DOS_END {
            return Ok(ControlFlow::Continue(()));
        }
        match (self.place, character) {
            (Place::Quoted, '"') => self.place = Place::QuoteInQuotes,
            (Place::Quoted, _) => self.keep(character),
            (Place::QuoteInQuotes, '"') => {
                self.keep('"');
                self.place = Place::Quoted;
            }
            (Place::RowStart | Place::CellStart, '"') => self.place = Place::Quoted,
            (_, '\r' | '\n') => {
                self.after_return = character == '\r';
                return self.end_row();
            }
            (_, _) if character == self.delimiter => {
                self.end_cell()?;
                self.place = Place::CellStart;
            }
            (_, _) => {
                self.keep(character);
                self.place = Place::Plain;
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Keeps no more than the limit, but goes on counting: only at the end of
    /// the cell is it known whether the cell is too long or never closed.
    fn keep(&mut self, character: char) {
        self.characters = self.characters.saturating_add(1);
        if self.characters <= self.limits.cell_characters {
            self.text.push(character);
        }
    }

    fn end_cell(&mut self) -> Result<(), FileProblem> {
        let row = self.row;
        if self.characters > self.limits.cell_characters {
            let most = self.limits.cell_characters;
            return Err(FileProblem::CellTooLong { most, row });
        }
        let cell = Cell::from_text(&self.text);
        self.text.clear();
        self.characters = 0;
        if self.cells.len() < self.limits.columns {
            self.cells.push(cell);
            return Ok(());
        }
        if cell.is_empty() {
            return Ok(());
        }
        let most = self.limits.columns;
        Err(FileProblem::TooManyColumns { most, row })
    }

    fn end_row(&mut self) -> Result<ControlFlow<()>, FileProblem> {
        self.end_cell()?;
        self.place = Place::RowStart;
        let row = self.row;
        self.row = row.saturating_add(1);
        let cells = std::mem::take(&mut self.cells);
        if cells.iter().all(Cell::is_empty) {
            return Ok(ControlFlow::Continue(()));
        }
        self.count.add()?;
        Ok((self.each)(row, cells))
    }

    fn finish(&mut self) -> Result<(), FileProblem> {
        match self.place {
            Place::Quoted => Err(FileProblem::UnclosedQuote { row: self.row }),
            Place::RowStart => Ok(()),
            Place::CellStart | Place::Plain | Place::QuoteInQuotes => self.end_row().map(drop),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use encoding_rs::SHIFT_JIS;

    use super::*;
    use crate::sheet::read::{self, Format};

    fn file(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    fn cp932(text: &str) -> Vec<u8> {
        let (bytes, _, has_unmappable) = SHIFT_JIS.encode(text);
        assert!(!has_unmappable);
        bytes.into_owned()
    }

    fn utf16_little(text: &str) -> Vec<u8> {
        "\u{feff}"
            .encode_utf16()
            .chain(text.encode_utf16())
            .flat_map(u16::to_le_bytes)
            .collect()
    }

    fn utf16_big(text: &str) -> Vec<u8> {
        "\u{feff}"
            .encode_utf16()
            .chain(text.encode_utf16())
            .flat_map(u16::to_be_bytes)
            .collect()
    }

    fn looked(bytes: &[u8]) -> Result<Layout, FileProblem> {
        looked_with(bytes, &Limits::default())
    }

    fn looked_with(bytes: &[u8], limits: &Limits) -> Result<Layout, FileProblem> {
        read::inspect(&file(bytes), "list.csv", limits).map_err(problem)
    }

    fn problem(error: ReadError) -> FileProblem {
        match error {
            ReadError::Problem(problem) => problem,
            ReadError::Io(error) => panic!("{error}"),
        }
    }

    fn read(bytes: &[u8]) -> Vec<(u32, Vec<String>)> {
        let file = file(bytes);
        let limits = Limits::default();
        let layout = read::inspect(&file, "list.csv", &limits).unwrap();
        let mut found = Vec::new();
        read::rows(&file, &layout, &limits, &mut |row, cells| {
            found.push((row, cells.iter().map(Cell::text).collect()));
            ControlFlow::Continue(())
        })
        .unwrap();
        found
    }

    fn expect(rows: &[(u32, &[&str])]) -> Vec<(u32, Vec<String>)> {
        let owned = |cells: &[&str]| cells.iter().map(|cell| (*cell).to_owned()).collect();
        rows.iter()
            .map(|(row, cells)| (*row, owned(cells)))
            .collect()
    }

    #[test]
    fn a_plain_text_is_read() {
        let layout = looked(b"a,b\n1,2\n").unwrap();
        assert_eq!(
            layout,
            Layout {
                format: Format::Csv,
                encoding: Encoding::Utf8,
                delimiter: b',',
                worksheet: None
            }
        );
        assert_eq!(
            read(b"a,b\n1,2\n"),
            expect(&[(1, &["a", "b"]), (2, &["1", "2"])])
        );
    }

    #[test]
    fn cells_are_text_or_empty_and_never_numbers() {
        let file = file(b"007,,x\n");
        let limits = Limits::default();
        let layout = read::inspect(&file, "a.csv", &limits).unwrap();
        let mut found = Vec::new();
        read::rows(&file, &layout, &limits, &mut |_, cells| {
            found = cells;
            ControlFlow::Continue(())
        })
        .unwrap();
        let text = |text: &str| Cell::Text(text.to_owned());
        assert_eq!(found, [text("007"), Cell::Empty, text("x")]);
    }

    #[test]
    fn cp932_with_vendor_characters_is_read() {
        let bytes = cp932("番号,名前\r\n①,㈱髙橋～\r\n");
        assert_eq!(looked(&bytes).unwrap().encoding, Encoding::Cp932);
        assert_eq!(
            read(&bytes),
            expect(&[(1, &["番号", "名前"]), (2, &["①", "㈱髙橋～"])])
        );
    }

    #[test]
    fn the_wave_dash_of_cp932_becomes_the_full_width_tilde_of_windows() {
        assert_eq!(read(b"a,\x81\x60"), expect(&[(1, &["a", "\u{ff5e}"])]));
    }

    #[test]
    fn a_delimiter_byte_inside_a_cp932_character_divides_nothing() {
        // The second byte of 表 is a backslash, that of ア a letter.
        assert_eq!(read(&cp932("表,ソ")), expect(&[(1, &["表", "ソ"])]));
    }

    #[test]
    fn utf8_after_a_byte_order_mark_is_read_without_it() {
        let bytes = "\u{feff}番号,〜\n1,2".as_bytes();
        assert_eq!(looked(bytes).unwrap().encoding, Encoding::Utf8Bom);
        assert_eq!(
            read(bytes),
            expect(&[(1, &["番号", "〜"]), (2, &["1", "2"])])
        );
    }

    #[test]
    fn utf16_of_either_byte_order_is_read() {
        for bytes in [
            utf16_little("番号\t名\r\n1\t😀"),
            utf16_big("番号\t名\r\n1\t😀"),
        ] {
            let layout = looked(&bytes).unwrap();
            assert_eq!(
                (layout.encoding, layout.delimiter),
                (Encoding::Utf16, b'\t')
            );
            assert_eq!(
                read(&bytes),
                expect(&[(1, &["番号", "名"]), (2, &["1", "😀"])])
            );
        }
    }

    #[test]
    fn half_a_utf16_character_is_a_bad_encoding() {
        let mut bytes = utf16_little("a\r\nb");
        bytes.push(b'c');
        assert_eq!(looked(&bytes), Err(FileProblem::BadEncoding { row: 2 }));
        let lone_surrogate = b"\xff\xfea\0\n\0\x00\xd8b\0";
        assert_eq!(
            looked(lone_surrogate),
            Err(FileProblem::BadEncoding { row: 2 })
        );
    }

    #[test]
    fn mixed_encodings_are_refused_with_the_first_line_that_is_not_utf8() {
        let mut bytes = "番号,\r\nああ\r\n".as_bytes().to_vec();
        bytes.extend(cp932("髙橋\r\n"));
        assert_eq!(looked(&bytes), Err(FileProblem::BadEncoding { row: 3 }));
        let mut bytes = cp932("髙橋\r\n");
        bytes.extend("ああ".as_bytes());
        assert_eq!(looked(&bytes), Err(FileProblem::BadEncoding { row: 1 }));
    }

    #[test]
    fn bytes_of_no_known_encoding_are_told_with_their_line() {
        let cases: [(&[u8], u32); 6] = [
            (b"a\rb\n\n\xff", 4),
            (b"a\r\nb\r\n\xff", 3),
            (b"\xef\xbb\xbfa\n\x82\xa0", 2),
            (b"a\n\x80", 2),
            (b"a\n\x82", 2),
            (b"a\ncaf\xe9\n", 2),
        ];
        for (bytes, row) in cases {
            assert_eq!(
                looked(bytes),
                Err(FileProblem::BadEncoding { row }),
                "{bytes:?}"
            );
        }
    }

    #[test]
    fn half_width_kana_are_no_sign_of_utf8() {
        assert_eq!(
            read(&cp932("髙\nﾃｽ")),
            expect(&[(1, &["髙"]), (2, &["ﾃｽ"])])
        );
    }

    #[test]
    fn characters_across_blocks_stay_whole() {
        for shift in 0..4 {
            let mut text = "x".repeat(shift);
            for _ in 0..40_000 {
                text.push_str("髙,1\n");
            }
            assert_eq!(read(text.as_bytes()).len(), 40_000);
            assert_eq!(read(&cp932(&text)), read(text.as_bytes()));
        }
    }

    #[test]
    fn control_characters_make_no_text() {
        for bytes in [
            &b"a,\0"[..],
            b"a\x1ab",
            b"a\x1a\n",
            b"\x07",
            b"a\x0cb",
            b"\xff\xfea\0\0\0",
        ] {
            assert_eq!(looked(bytes), Err(FileProblem::NotASheet), "{bytes:?}");
        }
    }

    #[test]
    fn a_dos_end_of_file_is_no_content() {
        assert_eq!(read(b"a,b\r\n\x1a"), expect(&[(1, &["a", "b"])]));
        assert_eq!(looked(b"\x1a"), Err(FileProblem::Empty));
    }

    #[test]
    fn every_line_ending_ends_a_row() {
        let rows = expect(&[(1, &["a"]), (2, &["b"]), (3, &["c"])]);
        for text in ["a\nb\nc", "a\r\nb\r\nc\r\n", "a\rb\rc\r", "a\nb\r\nc\r"] {
            assert_eq!(read(text.as_bytes()), rows, "{text:?}");
        }
    }

    #[test]
    fn blank_lines_count_as_rows() {
        assert_eq!(
            read(b"\n\na\n\n \n,,\nb"),
            expect(&[(3, &["a"]), (7, &["b"])])
        );
        assert_eq!(read(b"a\r\n\r\n\r\nb"), expect(&[(1, &["a"]), (4, &["b"])]));
        assert_eq!(read(b"a\r\r\rb"), expect(&[(1, &["a"]), (4, &["b"])]));
    }

    #[test]
    fn a_quoted_field_with_line_breaks_is_one_row() {
        let text = b"a,\"x\r\ny\n\nz\",c\r\n\r\nd";
        assert_eq!(
            read(text),
            expect(&[(1, &["a", "x\r\ny\n\nz", "c"]), (3, &["d"])])
        );
    }

    #[test]
    fn quotes_are_read_as_spreadsheet_programs_read_them() {
        assert_eq!(
            read(b"\"a \"\"b\"\"\",\"\",\"1,2\""),
            expect(&[(1, &["a \"b\"", "", "1,2"])])
        );
        assert_eq!(
            read(b"5\" pipe,\"a\"b"),
            expect(&[(1, &["5\" pipe", "ab"])])
        );
    }

    #[test]
    fn an_unclosed_quote_is_told_with_its_row() {
        assert_eq!(
            looked(b"a\n\nb,\"c\nd\ne\n"),
            Err(FileProblem::UnclosedQuote { row: 3 })
        );
        assert_eq!(
            looked(b"a,\"b\"\""),
            Err(FileProblem::UnclosedQuote { row: 1 })
        );
        let mut long = b"a\n\"".to_vec();
        long.extend(b"x\n".repeat(100_000));
        assert_eq!(looked(&long), Err(FileProblem::UnclosedQuote { row: 2 }));
    }

    #[test]
    fn the_delimiter_is_the_most_frequent_of_the_first_line_with_content() {
        let cases: [(&str, u8); 8] = [
            ("a\tb\tc,d", b'\t'),
            ("a;b;c,d", b';'),
            ("a,b;c", b','),
            ("alone", b','),
            ("\n \t\t \r\na;b\n,,,,", b';'),
            ("\"a;;;;;\n;;\",b", b','),
            ("\"a\"\";;;\",b", b','),
            ("5\" a;6\" b;c,d", b';'),
        ];
        for (text, delimiter) in cases {
            assert_eq!(
                looked(text.as_bytes()).unwrap().delimiter,
                delimiter,
                "{text:?}"
            );
        }
    }

    #[test]
    fn rows_may_have_different_numbers_of_cells() {
        assert_eq!(
            read(b"a\nb,c,\nd,e"),
            expect(&[(1, &["a"]), (2, &["b", "c", ""]), (3, &["d", "e"])])
        );
    }

    #[test]
    fn the_guard_against_formulas_is_taken_off() {
        let text = b"'=1+1,'+81,'-5,'@x,\"'\ta\",\"'\ra\",'90s,''=";
        let cells: &[&str] = &["=1+1", "+81", "-5", "@x", "a", "a", "'90s", "''="];
        assert_eq!(read(text), expect(&[(1, cells)]));
    }

    #[test]
    fn a_text_without_content_is_empty() {
        for bytes in [
            &b""[..],
            b"\n\n",
            b" \t\n",
            b",,\n,,",
            b"\xef\xbb\xbf",
            b"\xff\xfe",
            b"\"\"",
        ] {
            assert_eq!(looked(bytes), Err(FileProblem::Empty), "{bytes:?}");
        }
    }

    #[test]
    fn each_limit_is_kept() {
        let limits = Limits {
            rows: 2,
            columns: 2,
            cell_characters: 3,
            ..Limits::default()
        };
        assert!(looked_with("髙髙髙,b,, ,\n\n\nc,d".as_bytes(), &limits).is_ok());
        let cases = [
            ("a\n\nb\nc", FileProblem::TooManyRows { most: 2 }),
            ("a\n,,c", FileProblem::TooManyColumns { most: 2, row: 2 }),
            ("a\nbbbb", FileProblem::CellTooLong { most: 3, row: 2 }),
            ("a\n\"bbbb\"", FileProblem::CellTooLong { most: 3, row: 2 }),
        ];
        for (text, problem) in cases {
            assert_eq!(
                looked_with(text.as_bytes(), &limits),
                Err(problem),
                "{text:?}"
            );
        }
    }

    #[test]
    fn reading_stops_when_told() {
        let file = file(b"a\nb\nc\n\"");
        let layout = looked(b"a").unwrap();
        let mut seen = 0;
        read::rows(&file, &layout, &Limits::default(), &mut |_, _| {
            seen += 1;
            ControlFlow::Break(())
        })
        .unwrap();
        assert_eq!(seen, 1);
    }

    #[test]
    fn mutated_texts_never_panic() {
        let base = cp932("番号,\"名\n前\";'=1\r\n①,\"\"\"㈱\",\t\r\n");
        let mut seed: u64 = 42;
        for _ in 0..3_000 {
            let mut bytes = base.clone();
            for _ in 0..3 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let place = usize::try_from(seed >> 33).unwrap() % bytes.len();
                bytes[place] = seed.to_be_bytes()[2];
            }
            let _ = looked(&bytes);
        }
    }
}
