//! Work orders in the API.

mod input;
mod mutation;
mod query;
mod types;

pub use mutation::InstallationMutation;
pub use query::{InstallationConnection, InstallationQuery};
pub use types::{Installation, installations_by_id};
