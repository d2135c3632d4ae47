//! What every GraphQL request passes before it may run: its document is measured and parsed within bounds
//! (`document`), checked against what the schema says and what the GraphQL specification asks for where the library
//! does not look (`validation`, `fields_merge`, `variables`), and priced (`limits`). Nothing here knows of HTTP or of
//! a capability.

pub mod document;
mod fields_merge;
pub mod limits;
mod null_propagation;
pub mod query_error;
mod scan;
pub mod type_map;
mod validation;
mod variables;

pub use document::{CheckedDocument, Checker, OperationPlan, root_fields};
pub use limits::{Cost, Limits};
pub use query_error::QueryError;
pub use type_map::{SchemaUnreadable, TypeMap};
