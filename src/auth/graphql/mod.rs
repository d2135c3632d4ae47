//! The accounts in the API: who is asking, organisations and their members, logins, passwords,
//! invitations, letters and service tokens.
//!
//! The resolvers find an `Arc<AuthService>` and an [`Origin`](super::Origin) in their context, beside
//! what every resolver finds there.

mod answer;
mod claim;
mod member;
mod names;
mod organisation;
mod password;
mod query;
mod service_token;
mod session;
mod types;

use async_graphql::MergedObject;

pub use answer::message;
pub use names::OrganisationNames;
pub use query::{
    AuthQuery, invitations_by_id, organisations_by_id, service_tokens_by_id, users_by_id,
};
pub use types::{Invitation, Membership, Organisation, ServiceToken, User, Viewer};

/// Mutations of the accounts.
#[derive(Default, MergedObject)]
pub struct AuthMutation(
    session::SessionMutation,
    password::PasswordMutation,
    member::MemberMutation,
    organisation::OrganisationMutation,
    claim::ClaimMutation,
    service_token::ServiceTokenMutation,
);
