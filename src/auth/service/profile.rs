//! One's own name and language.

use super::{
    Audit, AuthService, Failure, finish,
    problem::{Flaws, refusals},
    record_change,
};
use crate::auth::{
    Actor, Language, User,
    entity::accounts,
    input::{InputError, Name},
};

/// What a person changes about the own account; what isn't given stays.
#[derive(Clone, Debug)]
pub struct UserUpdate {
    /// The name others see.
    pub name: Option<String>,
    /// The language of mails and messages.
    pub language: Option<Language>,
    /// Check only.
    pub dry_run: bool,
}

refusals! {
    /// Why the profile stays as it is.
    ProfileRefusal { Input(input: InputError), PersonNeeded }
}

impl AuthService {
    /// Changes the actor's own name and language.
    pub async fn update_profile(
        &self,
        actor: &Actor,
        input: &UserUpdate,
    ) -> Result<User, Failure<ProfileRefusal>> {
        let nobody = || Failure::refused(ProfileRefusal::PersonNeeded);
        let user = actor.user().ok_or_else(nobody)?;
        let mut flaws = Flaws::default();
        let name = match &input.name {
            Some(name) => flaws.keep("name", Name::parse(name)),
            None => None,
        };
        if !flaws.is_empty() {
            return Err(flaws.refuse());
        }
        let transaction = self.db.begin().await?;
        let now = self.clock.now();
        let account = accounts::lock_account(&self.db, &transaction, user)
            .await?
            .ok_or_else(nobody)?;
        let changed = User {
            name: name.map_or(account.user.name, |name| name.as_str().to_owned()),
            language: input.language.unwrap_or(account.user.language),
            ..account.user
        };
        accounts::set_profile(&transaction, user, &changed.name, changed.language).await?;
        record_change(&transaction, actor, &Audit::of("userUpdate"), now).await?;
        finish(transaction, input.dry_run).await?;
        Ok(changed)
    }
}
