//! Use cases of the registry: registering facilities and amending what is known of them. Everything that
//! figures depend on becomes an event in the facility's history.

mod amend;
mod link;
mod plan;
mod reference;
mod register;

pub use amend::{AmendRow, Amendment, ContactsPatch, amend};
pub use reference::{ReferenceRow, set_references};
pub use register::{Registration, Standing, register, register_as};
