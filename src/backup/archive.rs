//! The file format: gzip around lines of JSON. The first line says what the file is; each table is a line
//! with its name and columns, a line for each row, and a line with their number and SHA-256; the last line
//! says that the file is whole.

use std::{
    fs::{File, OpenOptions},
    io::{BufRead, BufReader, BufWriter, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use chrono::{DateTime, Utc};
use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// The version of this format.
const FORMAT: u32 = 1;
/// A line that is longer than this is damage.
const LONGEST_LINE: u64 = 256 << 20;

/// The first line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The version of the format.
    pub kaitsu_backup: u32,
    /// The version of Kaitsu that wrote it.
    pub version: String,
    /// When the snapshot was taken.
    pub created_at: DateTime<Utc>,
    /// The migrations that the database had, oldest first.
    pub migrations: Vec<String>,
}

impl Header {
    /// The header of a file that is written now.
    pub fn new(created_at: DateTime<Utc>, migrations: Vec<String>) -> Self {
        Self {
            kaitsu_backup: FORMAT,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            created_at,
            migrations,
        }
    }
}

/// A line that is no row.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum Mark {
    Begin {
        table: String,
        columns: Vec<String>,
    },
    End {
        end: String,
        rows: u64,
        sha256: String,
    },
    Whole {
        tables: u64,
        rows: u64,
    },
}

/// The file can't be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The file system failed, or the compressed data is cut short.
    #[error("the file can't be read or written: {0}")]
    Io(#[from] std::io::Error),
    /// It is none of ours.
    #[error("this is no Kaitsu backup")]
    Foreign,
    /// It was written by a newer version.
    #[error("the backup has format {0}, which this version does not know")]
    Format(u32),
    /// What is in it is not what was written.
    #[error("the backup is damaged: {0}")]
    Damaged(String),
}

fn damaged(what: impl Into<String>) -> ArchiveError {
    ArchiveError::Damaged(what.into())
}

/// Counts and hashes the rows of a table.
#[derive(Default)]
struct Tally {
    rows: u64,
    hasher: Sha256,
}

impl Tally {
    fn add(&mut self, line: &[u8]) {
        self.rows += 1;
        self.hasher.update(line);
        self.hasher.update(b"\n");
    }

    fn sha256(self) -> String {
        let digest = self.hasher.finalize();
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Writes a file, table by table.
pub struct Writer {
    file: GzEncoder<BufWriter<File>>,
    tally: Tally,
    tables: u64,
    rows: u64,
}

impl Writer {
    /// Begins a file that only its owner may read: it holds hashes of passwords.
    pub fn create(path: &Path, header: &Header) -> Result<Self, ArchiveError> {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(path)?;
        let mut writer = Self {
            file: GzEncoder::new(BufWriter::new(file), Compression::fast()),
            tally: Tally::default(),
            tables: 0,
            rows: 0,
        };
        writer.line(&json(header)?)?;
        Ok(writer)
    }

    fn line(&mut self, line: &[u8]) -> Result<(), ArchiveError> {
        self.file.write_all(line)?;
        self.file.write_all(b"\n")?;
        Ok(())
    }

    /// Begins a table.
    pub fn begin(&mut self, table: &str, columns: Vec<String>) -> Result<(), ArchiveError> {
        self.tally = Tally::default();
        let table = table.to_owned();
        self.line(&json(&Mark::Begin { table, columns })?)
    }

    /// Adds a row to it.
    pub fn row(&mut self, row: &[Value]) -> Result<(), ArchiveError> {
        let line = json(row)?;
        self.tally.add(&line);
        self.line(&line)
    }

    /// Ends it.
    pub fn end(&mut self, table: &str) -> Result<u64, ArchiveError> {
        let tally = std::mem::take(&mut self.tally);
        let rows = tally.rows;
        self.tables += 1;
        self.rows += rows;
        let end = table.to_owned();
        let sha256 = tally.sha256();
        self.line(&json(&Mark::End { end, rows, sha256 })?)?;
        Ok(rows)
    }

    /// Ends the file; when this returns, it is on the disk.
    pub fn finish(mut self) -> Result<(), ArchiveError> {
        let (tables, rows) = (self.tables, self.rows);
        self.line(&json(&Mark::Whole { tables, rows })?)?;
        let file = self.file.finish()?;
        let file = file
            .into_inner()
            .map_err(std::io::IntoInnerError::into_error)?;
        file.sync_all()?;
        Ok(())
    }
}

fn json<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, ArchiveError> {
    serde_json::to_vec(value).map_err(|error| ArchiveError::Io(error.into()))
}

/// What comes next in a file.
#[derive(Debug, PartialEq)]
pub enum Item {
    /// A table begins.
    Begin {
        /// Its name.
        table: String,
        /// Its columns, in the order of the values of its rows.
        columns: Vec<String>,
    },
    /// A row of it.
    Row(Vec<Value>),
    /// It ends; number and hash of its rows were right.
    End,
    /// The file ends, and is whole.
    Whole {
        /// Its tables.
        tables: u64,
        /// Their rows.
        rows: u64,
    },
}

/// Reads a file and checks it on the way.
pub struct Reader {
    file: BufReader<GzDecoder<BufReader<File>>>,
    header: Header,
    table: Option<(String, Tally)>,
    tables: u64,
    rows: u64,
    line: Vec<u8>,
}

impl Reader {
    /// Opens a file and reads its header.
    pub fn open(path: &Path) -> Result<Self, ArchiveError> {
        let mut file = BufReader::new(GzDecoder::new(BufReader::new(File::open(path)?)));
        let mut line = Vec::new();
        let is_gzip = read_line(&mut file, &mut line).is_ok();
        let value: Value = serde_json::from_slice(&line)
            .ok()
            .filter(|_| is_gzip)
            .ok_or(ArchiveError::Foreign)?;
        match value.get("kaitsu_backup").and_then(Value::as_u64) {
            None => return Err(ArchiveError::Foreign),
            Some(format) if format != u64::from(FORMAT) => {
                return Err(ArchiveError::Format(
                    u32::try_from(format).unwrap_or(u32::MAX),
                ));
            }
            Some(_) => {}
        }
        let header = serde_json::from_value(value)
            .map_err(|error| damaged(format!("its first line: {error}")))?;
        Ok(Self {
            file,
            header,
            table: None,
            tables: 0,
            rows: 0,
            line,
        })
    }

    /// The first line.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Reads on. There is always something: a file without its last line is damaged.
    pub fn next(&mut self) -> Result<Item, ArchiveError> {
        read_line(&mut self.file, &mut self.line)?;
        if self.line.is_empty() {
            return Err(damaged("it is cut short"));
        }
        if self.line.starts_with(b"[") {
            return self.row();
        }
        let mark = serde_json::from_slice(&self.line)
            .map_err(|_| damaged("a line is neither a row nor a mark"))?;
        match (mark, self.table.take()) {
            (Mark::Begin { table, columns }, None) => {
                self.table = Some((table.clone(), Tally::default()));
                Ok(Item::Begin { table, columns })
            }
            (Mark::End { end, rows, sha256 }, Some((table, tally))) if end == table => {
                self.tables += 1;
                self.rows += tally.rows;
                if rows != tally.rows || sha256 != tally.sha256() {
                    return Err(damaged(format!(
                        "the rows of {table} are not those that were written"
                    )));
                }
                Ok(Item::End)
            }
            (Mark::Whole { tables, rows }, None)
                if tables == self.tables && rows == self.rows && self.is_at_end()? =>
            {
                Ok(Item::Whole { tables, rows })
            }
            _ => Err(damaged("its parts are out of order")),
        }
    }

    fn row(&mut self) -> Result<Item, ArchiveError> {
        let (table, tally) = self
            .table
            .as_mut()
            .ok_or_else(|| damaged("a row belongs to no table"))?;
        tally.add(&self.line);
        serde_json::from_slice(&self.line)
            .map(Item::Row)
            .map_err(|_| damaged(format!("a row of {table} can't be read")))
    }

    /// Reading to the end also checks what the compression knows of its content.
    fn is_at_end(&mut self) -> Result<bool, ArchiveError> {
        Ok(self.file.fill_buf().map_err(cut)?.is_empty())
    }
}

/// Reads a line without its end; an empty one at the end of the file.
fn read_line(file: &mut impl BufRead, line: &mut Vec<u8>) -> Result<(), ArchiveError> {
    use std::io::Read;
    line.clear();
    let mut limited = file.take(LONGEST_LINE);
    limited.read_until(b'\n', line).map_err(cut)?;
    if line.last() == Some(&b'\n') {
        line.pop();
    } else if !line.is_empty() {
        return Err(damaged("it is cut short"));
    }
    Ok(())
}

/// What decompression reports is damage to the file.
fn cut(error: std::io::Error) -> ArchiveError {
    use std::io::ErrorKind;
    match error.kind() {
        ErrorKind::UnexpectedEof => damaged("it is cut short"),
        ErrorKind::InvalidInput | ErrorKind::InvalidData => {
            damaged(format!("it can't be decompressed: {error}"))
        }
        _ => ArchiveError::Io(error),
    }
}
