//! Who is asking: users, organisations, sessions and tokens become an [`Actor`] with a [`Scope`].

mod actor;
mod name;
mod refresh;
mod scope;

pub use actor::{Actor, Grant, Identity, Language, OrganisationKind, Permission, Role, allows};
pub use name::{OrganisationName, read_name};
pub use refresh::ActorRefresh;
pub use scope::{Clause, Scope};
