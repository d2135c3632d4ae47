//! Inviting, changing and removing members, joining, and one's own profile.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use serde::Serialize;

use super::{
    answer::{Request, organisation_id, row_of, split, user_id},
    query::{invitations, user_by_id},
    session::{Session, session},
    types::{Invitation, Membership, User},
};
use crate::{
    api::{ApiResult, UserError, WriteOptions, context::writer, node_id::NodeKind},
    auth::{
        Language, OpenInvitation, Role,
        service::{
            Acceptance, InvitationAccept, MemberInvite, MemberKey, MemberRemove, MemberUpdate,
            UserUpdate, Written,
        },
    },
};

/// Somebody is asked to join an organisation.
#[derive(InputObject, Serialize)]
pub struct MemberInviteInput {
    /// Global id of the organisation.
    organisation_id: ID,
    /// The address that the invitation is mailed to.
    email: String,
    /// The role in the organisation.
    role: Role,
    /// The language of the mail; yours if not given.
    language: Option<Language>,
    /// Under which a repeated request has one effect.
    idempotency_key: Option<String>,
    /// Check everything and answer the same, but change nothing.
    #[graphql(default)]
    #[serde(skip)]
    dry_run: bool,
}

/// An invitation, or why there is none.
#[derive(SimpleObject)]
pub struct InvitationPayload {
    /// The invitation; null if it was refused.
    invitation: Option<Invitation>,
    /// Why it was refused; empty if it wasn't.
    user_errors: Vec<UserError>,
}

/// An invitation is taken back.
#[derive(InputObject, Serialize)]
pub struct MemberInvitationRevokeInput {
    /// Global id of the invitation.
    id: ID,
    /// Under which a repeated request has one effect.
    idempotency_key: Option<String>,
    /// Check everything and answer the same, but change nothing.
    #[graphql(default)]
    #[serde(skip)]
    dry_run: bool,
}

/// An invitation that was taken back, or why it wasn't.
#[derive(SimpleObject)]
pub struct MemberInvitationRevokePayload {
    /// The invitation as it ended. Null if it was refused, or for a repeated request.
    invitation: Option<Invitation>,
    /// Why it was refused; empty if it wasn't.
    user_errors: Vec<UserError>,
}

/// The holder of an invitation joins.
#[derive(InputObject)]
pub struct InvitationAcceptInput {
    /// The secret of the link: what follows the `#`.
    #[graphql(secret)]
    secret: String,
    /// Your name, for a new account. Without it you join with the account that the address has.
    name: Option<String>,
    /// The password to be, or the one that the account has. Not needed if you are logged in with it.
    #[graphql(secret)]
    password: Option<String>,
    /// The language of mails and messages, for a new account.
    language: Option<Language>,
}

/// Somebody joined, or why not.
#[derive(SimpleObject)]
pub struct InvitationAcceptPayload {
    /// A login for an account that was made now; null otherwise.
    session: Option<Session>,
    /// Why nobody joined; empty if somebody did.
    user_errors: Vec<UserError>,
}

/// A member gets another role.
#[derive(InputObject, Serialize)]
pub struct MemberUpdateInput {
    /// Global id of the organisation.
    organisation_id: ID,
    /// Global id of the member.
    user_id: ID,
    /// The new role.
    role: Role,
    /// Under which a repeated request has one effect.
    idempotency_key: Option<String>,
    /// Check everything and answer the same, but change nothing.
    #[graphql(default)]
    #[serde(skip)]
    dry_run: bool,
}

/// A member leaves.
#[derive(InputObject, Serialize)]
pub struct MemberRemoveInput {
    /// Global id of the organisation.
    organisation_id: ID,
    /// Global id of the member; your own to leave.
    user_id: ID,
    /// Under which a repeated request has one effect.
    idempotency_key: Option<String>,
    /// Check everything and answer the same, but change nothing.
    #[graphql(default)]
    #[serde(skip)]
    dry_run: bool,
}

/// A membership, or why it stays as it is.
#[derive(SimpleObject)]
pub struct MemberPayload {
    /// The membership; after a removal as it last was. Null if it was refused, or can't be seen any more.
    membership: Option<Membership>,
    /// Why it was refused; empty if it wasn't.
    user_errors: Vec<UserError>,
}

/// What you change about your own account; what isn't given stays.
#[derive(InputObject, Serialize)]
pub struct UserUpdateInput {
    /// The name others see.
    name: Option<String>,
    /// The language of mails and messages.
    language: Option<Language>,
    /// Under which a repeated request has one effect.
    idempotency_key: Option<String>,
    /// Check everything and answer the same, but change nothing.
    #[graphql(default)]
    #[serde(skip)]
    dry_run: bool,
}

/// Your own account, or why it stays as it is.
#[derive(SimpleObject)]
pub struct UserPayload {
    /// Your account; null if the change was refused.
    user: Option<User>,
    /// Why it was refused; empty if it wasn't.
    user_errors: Vec<UserError>,
}

/// Mutations of members.
#[derive(Default)]
pub struct MemberMutation;

#[Object]
impl MemberMutation {
    /// Mails an invitation to an organisation that you administer, or to the first administrator of one
    /// that has none if you create organisations. It is good for seven days.
    async fn member_invite(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Whom, and where to.")] input: MemberInviteInput,
    ) -> ApiResult<InvitationPayload> {
        let request = Request::of(context)?;
        let options = options(&input.idempotency_key, input.dry_run);
        let writer = writer(context, "memberInvite", &options, &input)?;
        let invite = MemberInvite {
            organisation: organisation_id(&input.organisation_id),
            email: input.email,
            role: input.role,
            language: input.language,
        };
        let outcome = request.auth.invite_member(&writer, &invite).await;
        let (invitation, user_errors) = split(context, outcome)?;
        let invitation = match invitation {
            Some(sent) => {
                let open = OpenInvitation {
                    id: sent.id,
                    organisation: sent.organisation,
                    email: sent.email,
                    role: sent.role,
                    invited_by: request.actor.user(),
                    expires_at: sent.expires_at,
                };
                invitations(context, vec![open]).await?.pop()
            }
            None => None,
        };
        Ok(InvitationPayload {
            invitation,
            user_errors,
        })
    }

    /// Takes back an open invitation that you sent, or one to an organisation that you administer; its link
    /// is over at once.
    async fn member_invitation_revoke(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Which invitation.")] input: MemberInvitationRevokeInput,
    ) -> ApiResult<MemberInvitationRevokePayload> {
        let request = Request::of(context)?;
        let options = options(&input.idempotency_key, input.dry_run);
        let writer = writer(context, "memberInvitationRevoke", &options, &input)?;
        let invitation = row_of(&input.id, NodeKind::Invitation);
        let outcome = request.auth.revoke_invitation(&writer, invitation).await;
        let (written, user_errors) = split(context, outcome)?;
        let revoked = written.and_then(|written| written.fresh);
        Ok(MemberInvitationRevokePayload {
            invitation: invitations(context, revoked.into_iter().collect())
                .await?
                .pop(),
            user_errors,
        })
    }

    /// Joins the organisation of an invitation, with a new account or with one that exists.
    async fn invitation_accept(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The invitation, and who joins.")] input: InvitationAcceptInput,
    ) -> ApiResult<InvitationAcceptPayload> {
        let request = Request::of(context)?;
        let by = match (input.name, input.password) {
            (Some(name), password) => Acceptance::NewAccount {
                name,
                password: password.unwrap_or_default(),
                language: input.language,
            },
            (None, Some(password)) => Acceptance::Password(password),
            (None, None) => Acceptance::Actor,
        };
        let accept = InvitationAccept {
            secret: input.secret,
            by,
        };
        let outcome = request
            .auth
            .accept_invitation(request.actor, &request.origin, &accept)
            .await;
        let (accepted, user_errors) = split(context, outcome)?;
        let session = match accepted.and_then(|accepted| accepted.session) {
            Some(tokens) => Some(session(&request, tokens).await?),
            None => None,
        };
        Ok(InvitationAcceptPayload {
            session,
            user_errors,
        })
    }

    /// Gives a member another role.
    async fn member_update(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Whom, and which role.")] input: MemberUpdateInput,
    ) -> ApiResult<MemberPayload> {
        let request = Request::of(context)?;
        let options = options(&input.idempotency_key, input.dry_run);
        let writer = writer(context, "memberUpdate", &options, &input)?;
        let update = MemberUpdate {
            organisation: organisation_id(&input.organisation_id),
            user: user_id(&input.user_id),
            role: input.role,
        };
        let outcome = request.auth.change_member_role(&writer, &update).await;
        let (written, user_errors) = split(context, outcome)?;
        member_payload(&request, written, user_errors).await
    }

    /// Ends a membership; it holds from the next request. An organisation keeps one administrator.
    async fn member_remove(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Whom.")] input: MemberRemoveInput,
    ) -> ApiResult<MemberPayload> {
        let request = Request::of(context)?;
        let options = options(&input.idempotency_key, input.dry_run);
        let writer = writer(context, "memberRemove", &options, &input)?;
        let remove = MemberRemove {
            organisation: organisation_id(&input.organisation_id),
            user: user_id(&input.user_id),
        };
        let outcome = request.auth.remove_member(&writer, &remove).await;
        let (written, user_errors) = split(context, outcome)?;
        member_payload(&request, written, user_errors).await
    }

    /// Changes your own name and language.
    async fn user_update(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "What to change.")] input: UserUpdateInput,
    ) -> ApiResult<UserPayload> {
        let request = Request::of(context)?;
        let options = options(&input.idempotency_key, input.dry_run);
        let writer = writer(context, "userUpdate", &options, &input)?;
        let update = UserUpdate {
            name: input.name,
            language: input.language,
        };
        let outcome = request.auth.update_profile(&writer, &update).await;
        let (written, user_errors) = split(context, outcome)?;
        let user = match written {
            Some(Written {
                fresh: Some(user), ..
            }) => Some(user.into()),
            Some(Written { key, fresh: None }) => user_by_id(context, key).await?,
            None => None,
        };
        Ok(UserPayload { user, user_errors })
    }
}

/// What every repeatable write takes. Inputs leave `dry_run` out of what they are serialised to, by which a key knows
/// its request again: trying it first is no other request.
pub(super) fn options(idempotency_key: &Option<String>, dry_run: bool) -> WriteOptions {
    WriteOptions {
        idempotency_key: idempotency_key.clone(),
        dry_run,
        reason: None,
    }
}

/// The membership as it was written, or, for a repeated request, as it is seen now.
async fn member_payload(
    request: &Request<'_>,
    written: Option<Written<MemberKey, crate::auth::Membership>>,
    user_errors: Vec<UserError>,
) -> ApiResult<MemberPayload> {
    let membership = match written {
        Some(Written {
            fresh: Some(membership),
            ..
        }) => Some(membership),
        Some(Written {
            key: (organisation, user),
            fresh: None,
        }) => {
            let auth = request.auth;
            auth.membership(request.actor, organisation, user).await?
        }
        None => None,
    };
    Ok(MemberPayload {
        membership: membership.map(Membership::from),
        user_errors,
    })
}
