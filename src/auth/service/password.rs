//! Changing one's own password.

use chrono::{DateTime, Utc};
use sea_orm::DbErr;

use super::{
    Audit, AuthService, Busy, Failure, Origin, RetryAfter, in_japan,
    problem::{Flaws, refusals},
    record_change,
    throttle::Attempt,
};
use crate::{
    auth::{
        Actor,
        entity::{
            accounts::{self, Account},
            secrets,
            sessions::{self, Ending},
        },
        input::{EmailAddress, Field, InputError},
        password::{HashingError, NewPassword, Verdict},
    },
    db::{SessionId, Transaction},
    mail::{Envelope, Template, enqueue},
};

/// A person's wish for another password.
#[derive(Clone)]
pub struct PasswordChange {
    /// The present one.
    pub current_password: String,
    /// The wished one.
    pub new_password: String,
}

refusals! {
    /// Why a password was not changed.
    PasswordChangeRefusal {
        Input(input: InputError),
        WrongPassword,
        Throttled(retry: RetryAfter),
        Busy(busy: Busy),
        PersonNeeded,
    }
}

impl AuthService {
    /// Changes the actor's own password and ends every other login. The present password is asked for,
    /// and wrong ones count like failed logins.
    pub async fn change_password(
        &self,
        actor: &Actor,
        origin: &Origin,
        input: &PasswordChange,
    ) -> Result<(), Failure<PasswordChangeRefusal>> {
        let user = actor
            .user()
            .ok_or_else(|| Failure::refused(PasswordChangeRefusal::PersonNeeded))?;
        let account = accounts::account_by_id(self.db.read(), user)
            .await?
            .ok_or_else(|| Failure::refused(PasswordChangeRefusal::PersonNeeded))?;
        let email = stored_email(&account);
        let mut flaws = Flaws::default();
        let parsed = NewPassword::parse(&input.new_password, &email);
        let Some(new_password) = flaws.keep(Field::NewPassword, parsed) else {
            return Err(flaws.refuse());
        };
        self.count_attempt(Attempt::LogIn, email.as_str(), origin.address)
            .await?;
        let hashed = self.hash_if_right(&account, input, &new_password).await;
        if matches!(hashed, Err(HashingError::Busy)) {
            // Nobody was told whether the password is right, so it was no attempt.
            self.return_attempt(Attempt::LogIn, email.as_str(), origin.address)
                .await?;
        }
        let hash = hashed?.ok_or_else(|| Failure::refused(PasswordChangeRefusal::WrongPassword))?;

        let transaction = self.db.begin().await?;
        let now = self.clock.now();
        if !super::login::still_stands(&self.db, &transaction, &account).await? {
            return Err(Failure::refused(PasswordChangeRefusal::WrongPassword));
        }
        set_password(&transaction, &account, &hash, origin.session, now).await?;
        self.forgive_attempt(&transaction, Attempt::LogIn, email.as_str(), origin.address)
            .await?;
        record_change(
            &transaction,
            actor,
            origin,
            Audit::of("passwordChange"),
            now,
        )
        .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// The hash of the new password; none if the present one is not right.
    async fn hash_if_right(
        &self,
        account: &Account,
        input: &PasswordChange,
        new_password: &NewPassword,
    ) -> Result<Option<String>, HashingError> {
        let stored = account.password_hash.as_deref();
        let verdict = self
            .passwords
            .verify(&input.current_password, stored)
            .await?;
        if verdict == Verdict::Wrong {
            return Ok(None);
        }
        self.passwords.hash(new_password).await.map(Some)
    }
}

/// Sets a password, ends the logins and links that the old one may have let in, and tells the owner.
pub(super) async fn set_password(
    transaction: &Transaction,
    account: &Account,
    hash: &str,
    keep: Option<SessionId>,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    let user = account.user.id;
    accounts::set_password_hash(transaction, user, hash).await?;
    sessions::revoke_sessions(transaction, user, keep, Ending::PasswordChanged, now).await?;
    secrets::expire_password_secrets(transaction, user, now).await?;
    let notice = Envelope {
        recipient: &account.user.email,
        language: account.user.language,
        template: Template::PasswordChanged,
        variables: serde_json::json!({ "changed_at": in_japan(now) }),
    };
    enqueue(transaction, &notice, now).await
}

/// The address of an account was checked when it was stored.
pub(super) fn stored_email(account: &Account) -> EmailAddress {
    EmailAddress::from_stored(&account.user.email)
}
