//! The tables of the accounts and the only place that queries them. Finders for people start from what an
//! [`Actor`](super::Actor) may see; the others serve use cases that prove their right by a secret or a
//! password, and say so.

pub mod accounts;
pub mod callers;
pub mod facilities;
pub mod invitations;
pub mod keys;
pub mod members;
pub mod names;
mod scope;
pub mod secrets;
pub mod sessions;
pub mod throttle;
pub mod tokens;

use sea_orm::DbErr;

pub use accounts::{Organisation, User};
pub use invitations::OpenInvitation;
pub use members::Membership;
pub use scope::push_scope;
pub use tokens::ServiceToken;

use super::{Language, OrganisationKind, Role};
use crate::facility::Bureau;

fn unknown(what: &str, code: i16) -> DbErr {
    DbErr::Type(format!("{code} is no {what}"))
}

fn role_of(code: i16) -> Result<Role, DbErr> {
    Role::from_code(code).ok_or_else(|| unknown("role", code))
}

fn kind_of(code: i16) -> Result<OrganisationKind, DbErr> {
    OrganisationKind::from_code(code).ok_or_else(|| unknown("kind of organisation", code))
}

fn language_of(code: i16) -> Result<Language, DbErr> {
    Language::from_code(code).ok_or_else(|| unknown("language", code))
}

fn bureau_of(code: Option<i16>) -> Result<Option<Bureau>, DbErr> {
    code.map(|code| Bureau::from_code(code).ok_or_else(|| unknown("bureau", code)))
        .transpose()
}
