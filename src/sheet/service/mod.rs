//! Use cases of sheets: sending one, saying what its columns hold, applying, stopping and undoing it, getting it back with
//! what became of each row, and getting the sheet of one's own facilities to fill in.

mod apply;
mod check;
mod evaluate;
mod export;
mod request;
mod resolve;
mod result;
mod run;
mod spool;
mod undo;
mod upload;

pub use export::{ExportError, MOST_EXPORTED, export};
pub use request::{
    ApplyRequest, CheckRequest, SheetOutcome, apply, cancel, check, delete_mapping, undo,
};
pub use result::result;
pub use run::run;
pub use upload::{Received, UploadError, admit, upload};

/// A file to be sent to somebody, from its beginning.
#[derive(Debug)]
pub struct Written {
    /// The file, which nobody else can see.
    pub file: std::fs::File,
    /// How many bytes it has.
    pub bytes: u64,
}

/// A failure of reading or writing a file on this machine.
fn on_disk(error: impl std::fmt::Display) -> crate::db::DbErr {
    crate::db::DbErr::Custom(format!("a file on this machine: {error}"))
}
