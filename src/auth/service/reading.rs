//! What people read of the accounts, as far as they may see it.

use sea_orm::DbErr;

use super::{AuthService, SessionTokens};
use crate::{
    auth::{
        Actor, Membership, Organisation, ServiceToken, User,
        entity::{
            accounts,
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

    /// An organisation within sight.
    pub async fn organisation(
        &self,
        actor: &Actor,
        organisation: OrganisationId,
    ) -> Result<Option<Organisation>, DbErr> {
        accounts::organisation_visible_to(self.db.read(), actor, organisation).await
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

    /// A service token that the actor manages.
    pub async fn service_token(
        &self,
        actor: &Actor,
        token: i64,
    ) -> Result<Option<ServiceToken>, DbErr> {
        tokens::token_managed_by(self.db.read(), actor, token).await
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
