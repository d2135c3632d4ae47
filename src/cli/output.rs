//! Tables for people, and the same as CSV and JSON for programs; rows for programs one by one, however many.

use std::io::{self, Write};

use clap::ValueEnum;
use comfy_table::{CellAlignment, presets};

/// How to print a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    #[default]
    Table,
    /// Comma-separated, with a line of headings
    Csv,
    /// An array of objects
    Json,
}

/// How to write rows for programs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum FileFormat {
    /// Comma-separated, with a line of headings
    #[default]
    Csv,
    /// An array of objects, each on a line
    Json,
}

/// One value of a table.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Nothing is there.
    Empty,
    /// A text, a date, a code.
    Text(String),
    /// A count.
    Number(i64),
}

impl Cell {
    fn text(&self) -> String {
        match self {
            Self::Empty => String::new(),
            Self::Text(text) => text.clone(),
            Self::Number(number) => number.to_string(),
        }
    }

    fn json(&self) -> serde_json::Value {
        match self {
            Self::Empty => serde_json::Value::Null,
            Self::Text(text) => text.clone().into(),
            Self::Number(number) => (*number).into(),
        }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Cell {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl<T: Into<Self>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Empty, Into::into)
    }
}

/// Rows under headings.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    columns: Vec<String>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// A table with no rows yet.
    pub fn new<S: Into<String>>(columns: impl IntoIterator<Item = S>) -> Self {
        Self {
            columns: columns.into_iter().map(Into::into).collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row, one value for each column.
    pub fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push(cells);
    }

    /// Prints it to the standard output.
    pub fn print(&self, format: Format) -> io::Result<()> {
        self.write(format, &mut io::stdout().lock())
    }

    /// Writes it.
    pub fn write(&self, format: Format, to: &mut impl Write) -> io::Result<()> {
        match format {
            Format::Table => self.write_for_people(to),
            Format::Csv => self.write_rows(FileFormat::Csv, to),
            Format::Json => self.write_rows(FileFormat::Json, to),
        }
    }

    fn write_for_people(&self, to: &mut impl Write) -> io::Result<()> {
        let mut table = comfy_table::Table::new();
        table.load_style(presets::UTF8_FULL_CONDENSED);
        table.set_header(&self.columns);
        for row in &self.rows {
            table.add_row(row.iter().map(|cell| {
                let alignment = match cell {
                    Cell::Number(_) => CellAlignment::Right,
                    _ => CellAlignment::Left,
                };
                comfy_table::Cell::new(cell.text()).set_alignment(alignment)
            }));
        }
        writeln!(to, "{table}")
    }

    fn write_rows(&self, format: FileFormat, to: &mut impl Write) -> io::Result<()> {
        let mut rows = Rows::begin(format, self.columns.clone(), to)?;
        for row in &self.rows {
            rows.write(row)?;
        }
        rows.end()
    }
}

/// Rows under headings that are written one by one and not kept.
pub struct Rows<W: Write> {
    columns: Vec<String>,
    form: Form<W>,
}

enum Form<W: Write> {
    Csv(Box<csv::Writer<W>>),
    Json { to: W, before: &'static str },
}

impl<W: Write> Rows<W> {
    /// Writes the headings, if the format has any.
    pub fn begin(format: FileFormat, columns: Vec<String>, to: W) -> io::Result<Self> {
        let form = match format {
            FileFormat::Csv => {
                let mut writer = csv::Writer::from_writer(to);
                writer.write_record(&columns)?;
                Form::Csv(Box::new(writer))
            }
            FileFormat::Json => Form::Json { to, before: "[\n" },
        };
        Ok(Self { columns, form })
    }

    /// Writes a row, one value for each column.
    pub fn write(&mut self, cells: &[Cell]) -> io::Result<()> {
        match &mut self.form {
            Form::Csv(writer) => Ok(writer.write_record(cells.iter().map(Cell::text))?),
            Form::Json { to, before } => {
                let values = cells.iter().map(Cell::json);
                let object: serde_json::Map<String, serde_json::Value> =
                    self.columns.iter().cloned().zip(values).collect();
                to.write_all(before.as_bytes())?;
                *before = ",\n";
                Ok(serde_json::to_writer(to, &object)?)
            }
        }
    }

    /// Writes what comes after the last row.
    pub fn end(self) -> io::Result<()> {
        match self.form {
            Form::Csv(mut writer) => writer.flush(),
            Form::Json { mut to, before } => {
                let end = if before == ",\n" { "\n]\n" } else { "[]\n" };
                to.write_all(end.as_bytes())?;
                to.flush()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(format: Format) -> String {
        let mut table = Table::new(["kind", "all", "note"]);
        table.row(vec!["PHARMACY".into(), 60_000.into(), Cell::Empty]);
        table.row(vec!["HOSPITAL".into(), 8_000.into(), "a \"b\", c".into()]);
        let mut bytes = Vec::new();
        table.write(format, &mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn csv_quotes_what_needs_it() {
        assert_eq!(
            written(Format::Csv),
            "kind,all,note\nPHARMACY,60000,\nHOSPITAL,8000,\"a \"\"b\"\", c\"\n"
        );
    }

    #[test]
    fn json_keeps_numbers_and_gaps() {
        let rows: serde_json::Value = serde_json::from_str(&written(Format::Json)).unwrap();
        assert_eq!(
            rows[0],
            serde_json::json!({"kind": "PHARMACY", "all": 60_000, "note": null})
        );
    }

    #[test]
    fn json_without_rows_is_an_empty_array() {
        let mut bytes = Vec::new();
        Table::new(["kind"])
            .write(Format::Json, &mut bytes)
            .unwrap();
        assert_eq!(bytes, b"[]\n");
    }

    #[test]
    fn a_table_for_people_has_a_line_for_each_row() {
        let text = written(Format::Table);
        assert!(
            text.contains(" PHARMACY ") && text.contains(" 60000 "),
            "{text}"
        );
    }
}
