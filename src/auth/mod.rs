//! Who is asking: users, organisations, sessions and tokens become an [`Actor`] with a [`Scope`].

mod actor;
mod scope;

pub use actor::{Actor, Grant, Identity, Language, OrganisationKind, Permission, Role, allows};
pub use scope::{Clause, Scope};
