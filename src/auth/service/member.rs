//! Changing and ending memberships. An organisation keeps at least one administrator who can come in.

use super::{Audit, AuthService, Failure, Written, conclude, problem::refusals, record_write};
use crate::{
    auth::{
        Actor, Membership, Permission, Role,
        entity::{members, secrets},
        input::{Field, Flaw, InputError},
    },
    change::Writer,
    db::{OrganisationId, Transaction, UserId},
};

/// A membership: the organisation and the user.
pub type MemberKey = (OrganisationId, UserId);

/// A member gets another role.
#[derive(Clone, Copy, Debug)]
pub struct MemberUpdate {
    /// The organisation.
    pub organisation: OrganisationId,
    /// The member.
    pub user: UserId,
    /// The new role.
    pub role: Role,
}

/// A member leaves.
#[derive(Clone, Copy, Debug)]
pub struct MemberRemove {
    /// The organisation.
    pub organisation: OrganisationId,
    /// The member.
    pub user: UserId,
}

refusals! {
    /// Why a membership stays as it is.
    MemberRefusal { Input(input: InputError), MembershipNotFound, Forbidden, LastAdmin }
}

impl AuthService {
    /// Gives a member another role; only an administrator may.
    pub async fn change_member_role(
        &self,
        writer: &Writer<'_>,
        input: &MemberUpdate,
    ) -> Result<Written<MemberKey, Membership>, Failure<MemberRefusal>> {
        let transaction = self.db.begin().await?;
        let outcome = self.try_change(&transaction, writer, input).await;
        conclude(writer, transaction, outcome).await
    }

    async fn try_change(
        &self,
        transaction: &Transaction,
        writer: &Writer<'_>,
        input: &MemberUpdate,
    ) -> Result<Written<MemberKey, Membership>, Failure<MemberRefusal>> {
        let actor = writer.actor;
        let member = self
            .lock_member(transaction, actor, input.organisation, input.user)
            .await?;
        if !actor.may_in(input.organisation, Permission::MembersManage) {
            return Err(Failure::refused(MemberRefusal::Forbidden));
        }
        if !input.role.is_in(member.organisation.kind) {
            return Err(Failure::refused(Flaw::OutOfRange.at(Field::Role)));
        }
        if input.role != Role::Admin {
            keep_an_admin(transaction, &member).await?;
        }
        members::set_role(transaction, input.organisation, input.user, input.role).await?;
        if input.role != Role::Admin {
            self.end_invitations_by(transaction, input.organisation, input.user)
                .await?;
        }
        record_membership(transaction, writer, "memberUpdate", &member).await?;
        let changed = Membership {
            role: input.role,
            ..member
        };
        Ok(Written::new((input.organisation, input.user), changed))
    }

    /// Ends a membership; an administrator may, and everyone may leave. It holds from the next request.
    pub async fn remove_member(
        &self,
        writer: &Writer<'_>,
        input: &MemberRemove,
    ) -> Result<Written<MemberKey, Membership>, Failure<MemberRefusal>> {
        let transaction = self.db.begin().await?;
        let outcome = self.try_remove(&transaction, writer, input).await;
        conclude(writer, transaction, outcome).await
    }

    async fn try_remove(
        &self,
        transaction: &Transaction,
        writer: &Writer<'_>,
        input: &MemberRemove,
    ) -> Result<Written<MemberKey, Membership>, Failure<MemberRefusal>> {
        let actor = writer.actor;
        let member = self
            .lock_member(transaction, actor, input.organisation, input.user)
            .await?;
        let leaves = actor.user() == Some(input.user);
        if !leaves && !actor.may_in(input.organisation, Permission::MembersManage) {
            return Err(Failure::refused(MemberRefusal::Forbidden));
        }
        keep_an_admin(transaction, &member).await?;
        members::delete_membership(transaction, input.organisation, input.user).await?;
        let now = self.clock.now();
        let email = &member.user.email;
        secrets::expire_invitations(transaction, input.organisation, email, now).await?;
        self.end_invitations_by(transaction, input.organisation, input.user)
            .await?;
        record_membership(transaction, writer, "memberRemove", &member).await?;
        Ok(Written::new((input.organisation, input.user), member))
    }

    /// Whoever administers an organisation no more doesn't come back, or stay, by an invitation of their own.
    async fn end_invitations_by(
        &self,
        transaction: &Transaction,
        organisation: OrganisationId,
        inviter: UserId,
    ) -> Result<(), Failure<MemberRefusal>> {
        let now = self.clock.now();
        secrets::expire_invitations_by(transaction, organisation, inviter, now).await?;
        Ok(())
    }

    async fn lock_member(
        &self,
        transaction: &Transaction,
        actor: &Actor,
        organisation: OrganisationId,
        user: UserId,
    ) -> Result<Membership, Failure<MemberRefusal>> {
        members::lock_members(&self.db, transaction, organisation).await?;
        members::membership_visible_to(transaction, actor, organisation, user)
            .await?
            .ok_or_else(|| Failure::refused(MemberRefusal::MembershipNotFound))
    }
}

async fn record_membership(
    transaction: &Transaction,
    writer: &Writer<'_>,
    operation: &'static str,
    member: &Membership,
) -> Result<(), Failure<MemberRefusal>> {
    let audit = Audit::of(operation)
        .in_name_of(member.organisation.id)
        .about(format!("user {}", member.user.id));
    record_write(transaction, writer, audit).await?;
    Ok(())
}

/// Refuses to take the last administrator away.
async fn keep_an_admin(
    transaction: &Transaction,
    member: &Membership,
) -> Result<(), Failure<MemberRefusal>> {
    let organisation = member.organisation.id;
    if member.role == Role::Admin
        && members::other_admins(transaction, organisation, Some(member.user.id)).await? == 0
    {
        return Err(Failure::refused(MemberRefusal::LastAdmin));
    }
    Ok(())
}
