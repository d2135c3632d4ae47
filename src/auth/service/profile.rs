//! One's own name and language.

use super::{
    Audit, AuthService, Failure, Written, conclude,
    problem::{Flaws, refusals},
    record_write,
};
use crate::{
    auth::{
        Language, User,
        entity::accounts,
        input::{Field, InputError, Name},
    },
    change::Writer,
    db::{Transaction, UserId},
};

/// What a person changes about the own account; what isn't given stays.
#[derive(Clone, Debug)]
pub struct UserUpdate {
    /// The name others see.
    pub name: Option<String>,
    /// The language of mails and messages.
    pub language: Option<Language>,
}

refusals! {
    /// Why the profile stays as it is.
    ProfileRefusal { Input(input: InputError), PersonNeeded }
}

impl AuthService {
    /// Changes the actor's own name and language.
    pub async fn update_profile(
        &self,
        writer: &Writer<'_>,
        input: &UserUpdate,
    ) -> Result<Written<UserId, User>, Failure<ProfileRefusal>> {
        let transaction = self.db.begin().await?;
        let outcome = self.try_update(&transaction, writer, input).await;
        conclude(writer, transaction, outcome).await
    }

    async fn try_update(
        &self,
        transaction: &Transaction,
        writer: &Writer<'_>,
        input: &UserUpdate,
    ) -> Result<Written<UserId, User>, Failure<ProfileRefusal>> {
        let nobody = || Failure::refused(ProfileRefusal::PersonNeeded);
        let user = writer.actor.user().ok_or_else(nobody)?;
        let mut flaws = Flaws::default();
        let name = match &input.name {
            Some(name) => flaws.keep(Field::Name, Name::parse(name)),
            None => None,
        };
        if !flaws.is_empty() {
            return Err(flaws.refuse());
        }
        let account = accounts::lock_account(&self.db, transaction, user)
            .await?
            .ok_or_else(nobody)?;
        let changed = User {
            name: name.map_or(account.user.name, |name| name.as_str().to_owned()),
            language: input.language.unwrap_or(account.user.language),
            ..account.user
        };
        accounts::set_profile(transaction, user, &changed.name, changed.language).await?;
        record_write(transaction, writer, Audit::of("userUpdate")).await?;
        Ok(Written::new(user, changed))
    }
}
