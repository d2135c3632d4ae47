//! What the operator does at the command line: the first administrator, a token for a script, letting
//! somebody in no more. Nobody else can reach these; the shell is the permission.

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    Audit, AuthService, Busy, Failure, Origin,
    organisation::check_kind,
    problem::{Flaws, refusals},
    record_change,
};
use crate::{
    auth::{
        Actor, Language, Organisation, OrganisationKind, Role, User,
        entity::{
            accounts::{self, OrganisationNew, UserNew},
            members, secrets,
            sessions::{self, Ending},
        },
        input::{EmailAddress, Field, Flaw, InputError, Name},
        password::NewPassword,
        secret,
    },
    db::{OrganisationId, Transaction, UserId},
    facility::Bureau,
};

/// The organisation that a new user belongs to.
#[derive(Clone, Debug)]
pub enum NewMember {
    /// One that exists.
    Of(OrganisationId),
    /// The one of this kind and name; it is made if there is none.
    Named {
        /// What it is.
        kind: OrganisationKind,
        /// Its name.
        name: String,
        /// Which bureau, if it is one.
        bureau: Option<Bureau>,
    },
}

/// A user is made at the command line.
#[derive(Clone)]
pub struct UserCreate {
    /// The address.
    pub email: String,
    /// The name.
    pub name: String,
    /// The organisation.
    pub organisation: NewMember,
    /// The role in it.
    pub role: Role,
    /// The password; a generated one if not given.
    pub password: Option<String>,
    /// The language of mails and messages.
    pub language: Language,
}

/// A user that was made, or was given a membership.
#[derive(Clone)]
pub struct UserCreated {
    /// The user.
    pub user: User,
    /// The organisation.
    pub organisation: Organisation,
    /// The password, if it was generated.
    pub generated_password: Option<String>,
}

refusals! {
    /// Why the operator's wish was refused.
    OperatorRefusal {
        Input(input: InputError),
        UserNotFound,
        OrganisationNotFound,
        AlreadyMember,
        Busy(busy: Busy),
    }
}

impl AuthService {
    /// Makes a user with a membership, and the organisation if need be. An address that has an account
    /// keeps its name and password and gets the membership.
    pub async fn create_user(
        &self,
        input: &UserCreate,
    ) -> Result<UserCreated, Failure<OperatorRefusal>> {
        let generated = input.password.is_none().then(secret::password);
        let password = input.password.as_ref().or(generated.as_ref());
        let mut flaws = Flaws::default();
        let name = flaws.keep(Field::Name, Name::parse(&input.name));
        let email = flaws.keep(Field::Email, EmailAddress::parse(&input.email));
        let (Some(name), Some(email)) = (name, email) else {
            return Err(flaws.refuse());
        };
        let parsed = NewPassword::parse(password.map_or("", String::as_str), &email);
        let Some(password) = flaws.keep(Field::Password, parsed) else {
            return Err(flaws.refuse());
        };
        let hash = self.passwords.hash(&password).await?;

        let transaction = self.db.begin().await?;
        let now = self.clock.now();
        let organisation = self
            .find_or_make(&transaction, &input.organisation, now)
            .await?;
        let existing = accounts::account_by_email(&transaction, &email).await?;
        let is_new = existing.is_none();
        let user = match existing {
            Some(account) => account.user,
            None => {
                let new = UserNew {
                    email: &email,
                    name: name.as_str(),
                    password_hash: &hash,
                    language: input.language,
                };
                accounts::insert_user(&transaction, &new, now).await?
            }
        };
        if !input.role.is_in(organisation.kind) {
            return Err(Failure::refused(Flaw::OutOfRange.at(Field::Role)));
        }
        if members::is_member(&transaction, organisation.id, user.id).await? {
            return Err(Failure::refused(OperatorRefusal::AlreadyMember));
        }
        members::insert_membership(&transaction, organisation.id, user.id, input.role, now).await?;
        let audit = Audit::of("userCreate")
            .in_name_of(organisation.id)
            .about(format!("user {}", user.id));
        record_operator(&transaction, audit, now).await?;
        transaction.commit().await?;
        Ok(UserCreated {
            user,
            organisation,
            generated_password: generated.filter(|_| is_new),
        })
    }

    async fn find_or_make(
        &self,
        transaction: &Transaction,
        wanted: &NewMember,
        now: DateTime<Utc>,
    ) -> Result<Organisation, Failure<OperatorRefusal>> {
        let (kind, name, bureau) = match wanted {
            NewMember::Of(id) => {
                return accounts::organisation_by_id(transaction, *id)
                    .await?
                    .ok_or_else(|| Failure::refused(OperatorRefusal::OrganisationNotFound));
            }
            NewMember::Named { kind, name, bureau } => (*kind, name, *bureau),
        };
        let mut flaws = Flaws::default();
        let Some(name) = flaws.keep(Field::Organisation, Name::parse(name)) else {
            return Err(flaws.refuse());
        };
        let name = name.as_str();
        if let Some(found) = accounts::organisation_by_name(transaction, kind, name).await? {
            return match bureau.is_none() || bureau == found.bureau {
                true => Ok(found),
                false => Err(Failure::refused(Flaw::OutOfRange.at(Field::Bureau))),
            };
        }
        check_kind(&mut flaws, kind, bureau, None);
        if !flaws.is_empty() {
            return Err(flaws.refuse());
        }
        let new = OrganisationNew {
            kind,
            name,
            name_kana: name,
            bureau,
            facility: None,
            parent: None,
        };
        Ok(accounts::insert_organisation(transaction, &new, now).await?)
    }

    /// An access token for a script, of a login that ends with it and can't be refreshed. It lasts at
    /// most a day.
    pub async fn issue_access_token(
        &self,
        email: &str,
        lifetime: TimeDelta,
    ) -> Result<(String, DateTime<Utc>), Failure<OperatorRefusal>> {
        let user = self.enabled_user(email).await?;
        let transaction = self.db.begin().await?;
        let now = self.clock.now();
        let lifetime = lifetime.min(crate::auth::keys::LONGEST_TOKEN);
        // The login outlives the token by the leeway that the token has.
        let ends_at = now + lifetime + TimeDelta::minutes(1);
        let session = sessions::insert_session(&transaction, user, now, ends_at).await?;
        let signed = self.tokens.sign(user, session, lifetime).await?;
        let audit = Audit::of("accessTokenIssue").about(format!("user {user}"));
        record_operator(&transaction, audit, now).await?;
        transaction.commit().await?;
        Ok(signed)
    }

    async fn enabled_user(&self, email: &str) -> Result<UserId, Failure<OperatorRefusal>> {
        let mut flaws = Flaws::default();
        let Some(email) = flaws.keep(Field::Email, EmailAddress::parse(email)) else {
            return Err(flaws.refuse());
        };
        accounts::account_by_email(self.db.read(), &email)
            .await?
            .filter(accounts::Account::is_enabled)
            .map(|account| account.user.id)
            .ok_or_else(|| Failure::refused(OperatorRefusal::UserNotFound))
    }

    /// Lets a user in no more, or again. Disabling ends every login at once, and what others could still come
    /// in by at this user's word: open invitations, codes and letters.
    pub async fn set_user_disabled(
        &self,
        email: &str,
        disabled: bool,
    ) -> Result<(), Failure<OperatorRefusal>> {
        let mut flaws = Flaws::default();
        let Some(email) = flaws.keep(Field::Email, EmailAddress::parse(email)) else {
            return Err(flaws.refuse());
        };
        let transaction = self.db.begin().await?;
        let now = self.clock.now();
        let user = accounts::account_by_email(&transaction, &email)
            .await?
            .map(|account| account.user.id)
            .ok_or_else(|| Failure::refused(OperatorRefusal::UserNotFound))?;
        accounts::set_disabled(&transaction, user, disabled.then_some(now)).await?;
        if disabled {
            sessions::revoke_sessions(&transaction, user, None, Ending::Disabled, now).await?;
            secrets::expire_secrets_by(&transaction, user, now).await?;
        }
        let operation = if disabled {
            "userDisable"
        } else {
            "userEnable"
        };
        let audit = Audit::of(operation).about(format!("user {user}"));
        record_operator(&transaction, audit, now).await?;
        transaction.commit().await?;
        Ok(())
    }
}

async fn record_operator(
    transaction: &Transaction,
    audit: Audit,
    now: DateTime<Utc>,
) -> Result<(), sea_orm::DbErr> {
    let origin = Origin::default();
    record_change(transaction, &Actor::system(), &origin, audit, now).await?;
    Ok(())
}
