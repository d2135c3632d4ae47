//! What people read of the accounts, as far as they may see it.

use sea_orm::DbErr;

use super::{AuthService, SessionTokens};
use crate::{
    auth::{
        Actor, Membership, Organisation, ServiceToken, User,
        entity::{
            OpenInvitation, accounts, invitations,
            members::{self, IdPage},
            tokens,
        },
    },
    db::{OrganisationId, UserId},
};

impl AuthService {
    /// The actor's own account, if the actor is a person.
    pub async fn own_account(&self, actor: &Actor) -> Result<Option<User>, DbErr> {
        match actor.user() {
            Some(user) => self.user(actor, user).await,
            None => Ok(None),
        }
    }

    /// Whose login these tokens are.
    pub async fn session_user(&self, tokens: &SessionTokens) -> Result<Option<User>, DbErr> {
        let account = accounts::account_by_id(self.db.read(), tokens.user).await?;
        Ok(account.map(|account| account.user))
    }

    /// The actor's own memberships.
    pub async fn own_memberships(&self, actor: &Actor) -> Result<Vec<Membership>, DbErr> {
        match actor.user() {
            Some(user) => members::memberships_of(self.db.read(), user).await,
            None => Ok(Vec::new()),
        }
    }

    /// A user within sight.
    pub async fn user(&self, actor: &Actor, user: UserId) -> Result<Option<User>, DbErr> {
        accounts::user_visible_to(self.db.read(), actor, user).await
    }

    /// Those of some users who are within sight.
    pub async fn users(&self, actor: &Actor, users: &[UserId]) -> Result<Vec<User>, DbErr> {
        accounts::users_visible_to(&self.db, actor, users).await
    }

    /// Those of some organisations that are within sight.
    pub async fn organisations(
        &self,
        actor: &Actor,
        organisations: &[OrganisationId],
    ) -> Result<Vec<Organisation>, DbErr> {
        accounts::organisations_visible_to(&self.db, actor, organisations).await
    }

    /// A membership within sight.
    pub async fn membership(
        &self,
        actor: &Actor,
        organisation: OrganisationId,
        user: UserId,
    ) -> Result<Option<Membership>, DbErr> {
        members::membership_visible_to(self.db.read(), actor, organisation, user).await
    }

    /// A page of an organisation's members.
    pub async fn members(
        &self,
        actor: &Actor,
        organisation: OrganisationId,
        page: IdPage,
    ) -> Result<Vec<Membership>, DbErr> {
        members::members_visible_to(self.db.read(), actor, organisation, page).await
    }

    /// Those of some open invitations that the actor may revoke.
    pub async fn some_invitations(
        &self,
        actor: &Actor,
        invitations: &[i64],
    ) -> Result<Vec<OpenInvitation>, DbErr> {
        let now = self.clock.now();
        let connection = self.db.read();
        invitations::some_invitations_managed_by(&self.db, connection, actor, invitations, now)
            .await
    }

    /// A page of an organisation's open invitations; none if the actor doesn't manage its members.
    pub async fn invitations(
        &self,
        actor: &Actor,
        organisation: OrganisationId,
        page: IdPage,
    ) -> Result<Vec<OpenInvitation>, DbErr> {
        let now = self.clock.now();
        invitations::invitations_managed_by(self.db.read(), actor, organisation, page, now).await
    }

    /// Those of some service tokens that the actor manages.
    pub async fn some_service_tokens(
        &self,
        actor: &Actor,
        tokens: &[i64],
    ) -> Result<Vec<ServiceToken>, DbErr> {
        tokens::some_tokens_managed_by(&self.db, actor, tokens).await
    }

    /// A page of an organisation's service tokens; none if the actor doesn't manage them.
    pub async fn service_tokens(
        &self,
        actor: &Actor,
        organisation: OrganisationId,
        page: IdPage,
    ) -> Result<Vec<ServiceToken>, DbErr> {
        tokens::tokens_managed_by(self.db.read(), actor, organisation, page).await
    }
}
