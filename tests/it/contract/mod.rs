//! The published contract: the committed schema and what may change in it, and the operation documents, which run
//! here as their users run them.

mod breaking;
mod document;
mod operations;
mod schema;
