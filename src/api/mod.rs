//! What every part of the API shares: scalars, node ids, pages, user errors and top-level errors. The
//! schema's root and its policy stand here too, and what every request passes before it runs
//! ([`request`]).

pub mod context;
pub mod error;
pub mod node_id;
pub mod page;
pub mod plain;
pub mod policy;
pub mod request;
pub mod scalars;
pub mod schema;
pub mod user_error;

pub use context::{Caller, WriteOptions};
pub use error::{ApiError, ApiResult};
pub use node_id::NodeId;
pub use page::{Page, PageArguments};
pub use request::{Checker, Cost, Limits, QueryError, TypeMap};
pub use scalars::{Date, YearMonth};
pub use schema::{ApiSchema, sdl};
pub use user_error::{UserError, UserErrorCode};
