//! Who is asking: users, organisations, sessions and tokens become an [`Actor`] with a [`Scope`].
//!
//! A request brings an access token (a JWT of five minutes, [`token`]), a service token of a vendor's own
//! system, or nothing. [`AuthService::authenticate`] verifies it and reads, in one statement, whether the
//! user, the login and the memberships still stand, so that a disabled user or a removed membership
//! counts at once. Permissions follow from the kind of organisation and the role in it by one table,
//! [`allows`].
//!
//! To add a role or a permission, start in `actor.rs`; everything else is an exhaustive `match`.

mod actor;
pub mod entity;
pub mod graphql;
pub mod input;
pub mod keys;
mod name;
pub mod password;
mod refresh;
mod scope;
pub mod secret;
pub mod service;
pub mod token;

pub use actor::{Actor, Grant, Identity, Language, OrganisationKind, Permission, Role, allows};
pub use entity::{Membership, OpenInvitation, Organisation, ServiceToken, User};
pub use name::{OrganisationName, read_name};
pub use refresh::ActorRefresh;
pub use scope::{Clause, Scope};
pub use service::{AuthService, AuthSettings, Authenticated, Origin};
