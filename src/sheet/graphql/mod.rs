//! Sheets in the API. Files themselves come and go over HTTP (`http/sheets.rs`).

mod mutation;
mod query;
mod subscription;
mod types;

pub use mutation::SheetMutation;
pub use query::{SheetQuery, sheets_by_id};
pub use subscription::SheetSubscription;
pub use types::{Sheet, SheetConnection, SheetRow, SheetRowConnection};
