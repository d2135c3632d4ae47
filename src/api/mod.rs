//! What every part of the API shares: scalars, node ids, pages, user errors and top-level errors. The
//! schema's root, its policy and its limits stand here too.

pub mod context;
pub mod error;
pub mod node_id;
pub mod page;
pub mod scalars;
pub mod user_error;

pub use context::{Caller, WriteOptions};
pub use error::{ApiError, ApiResult};
pub use node_id::NodeId;
pub use page::{Page, PageArguments};
pub use scalars::Date;
pub use user_error::{UserError, UserErrorCode};
