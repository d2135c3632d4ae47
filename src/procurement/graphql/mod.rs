//! Applications in the API.

mod explained;
mod mutation;
mod query;
mod types;

pub use mutation::ProcurementMutation;
pub use query::{ApplicationConnection, ProcurementQuery};
pub use types::{Application, applications_by_id};
