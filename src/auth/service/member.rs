//! Changing and ending memberships. An organisation keeps at least one administrator who can come in.

use super::{
    Audit, AuthService, Failure, finish,
    problem::refusals,
    record_change,
};
use crate::{
    auth::{
        Actor, Membership, Permission, Role,
        entity::{members, secrets},
    },
    db::{DatabaseTransaction, OrganisationId, UserId},
};

/// A member gets another role.
#[derive(Clone, Copy, Debug)]
pub struct MemberUpdate {
    /// The organisation.
    pub organisation: OrganisationId,
    /// The member.
    pub user: UserId,
    /// The new role.
    pub role: Role,
    /// Check only.
    pub dry_run: bool,
}

/// A member leaves.
#[derive(Clone, Copy, Debug)]
pub struct MemberRemove {
    /// The organisation.
    pub organisation: OrganisationId,
    /// The member.
    pub user: UserId,
    /// Check only.
    pub dry_run: bool,
}

refusals! {
    /// Why a membership stays as it is.
    MemberRefusal { MembershipNotFound, Forbidden, LastAdmin }
}

impl AuthService {
    /// Gives a member another role; only an administrator may.
    pub async fn change_member_role(
        &self,
        actor: &Actor,
        input: &MemberUpdate,
    ) -> Result<Membership, Failure<MemberRefusal>> {
        let transaction = self.db.begin().await?;
        let member = self
            .lock_member(&transaction, actor, input.organisation, input.user)
            .await?;
        if !actor.may_in(input.organisation, Permission::MembersManage) {
            return Err(Failure::refused(MemberRefusal::Forbidden));
        }
        if input.role != Role::Admin {
            keep_an_admin(&transaction, &member).await?;
        }
        members::set_role(&transaction, input.organisation, input.user, input.role).await?;
        self.record_membership(&transaction, actor, "memberUpdate", &member)
            .await?;
        finish(transaction, input.dry_run).await?;
        Ok(Membership {
            role: input.role,
            ..member
        })
    }

    /// Ends a membership; an administrator may, and everyone may leave. It holds from the next request.
    pub async fn remove_member(
        &self,
        actor: &Actor,
        input: &MemberRemove,
    ) -> Result<Membership, Failure<MemberRefusal>> {
        let transaction = self.db.begin().await?;
        let member = self
            .lock_member(&transaction, actor, input.organisation, input.user)
            .await?;
        let leaves = actor.user() == Some(input.user);
        if !leaves && !actor.may_in(input.organisation, Permission::MembersManage) {
            return Err(Failure::refused(MemberRefusal::Forbidden));
        }
        keep_an_admin(&transaction, &member).await?;
        members::delete_membership(&transaction, input.organisation, input.user).await?;
        let now = self.clock.now();
        let email = &member.user.email;
        secrets::expire_invitations(&transaction, input.organisation, email, now).await?;
        self.record_membership(&transaction, actor, "memberRemove", &member)
            .await?;
        finish(transaction, input.dry_run).await?;
        Ok(member)
    }

    async fn lock_member(
        &self,
        transaction: &DatabaseTransaction,
        actor: &Actor,
        organisation: OrganisationId,
        user: UserId,
    ) -> Result<Membership, Failure<MemberRefusal>> {
        members::lock_members(&self.db, transaction, organisation).await?;
        members::membership_visible_to(transaction, actor, organisation, user)
            .await?
            .ok_or_else(|| Failure::refused(MemberRefusal::MembershipNotFound))
    }

    async fn record_membership(
        &self,
        transaction: &DatabaseTransaction,
        actor: &Actor,
        operation: &'static str,
        member: &Membership,
    ) -> Result<(), Failure<MemberRefusal>> {
        let reason = format!("user {}", member.user.id);
        let audit = Audit {
            operation,
            organisation: Some(member.organisation.id),
            reason: Some(&reason),
        };
        record_change(transaction, actor, &audit, self.clock.now()).await?;
        Ok(())
    }
}

/// Refuses to take the last administrator away.
async fn keep_an_admin(
    transaction: &DatabaseTransaction,
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
