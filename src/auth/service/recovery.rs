//! Coming back in without a password: by a link that is mailed, or by a code that staff issue after they
//! checked who is calling. (681 calls in eight weeks were about accounts.)
//!
//! Asking for a link answers the same, and does the same work, whether or not there is such an account.

use chrono::TimeDelta;

use super::{
    Audit, AuthService, Busy, Failure, Origin, RetryAfter, Written, conclude, in_japan,
    password::{set_password, stored_email},
    problem::{Flaws, refusals},
    record_change, record_write,
    throttle::Attempt,
};
use crate::{
    auth::{
        Actor, OrganisationKind, Permission,
        entity::{
            accounts::{self, Account},
            members,
            secrets::{self, Holder, OneTimeSecret, Purpose, SecretNew},
        },
        input::{EmailAddress, Field, InputError, Note},
        password::NewPassword,
        secret::{self, SecretHash},
    },
    change::Writer,
    db::{DbErr, Transaction, UserId},
    mail::{Envelope, Template, enqueue, service::suppress},
};

/// A mailed link is good for this long.
const LINK_LASTS: TimeDelta = TimeDelta::hours(1);
/// A code has 50 bits and is used while the person is on the telephone.
const CODE_LASTS: TimeDelta = TimeDelta::hours(2);
/// Wrong guesses after which a code or letter is dead. Institution codes and addresses are no secrets, so a
/// stranger must not end one by a few guesses: the limits on attempts are what keeps 50 bits safe for two
/// hours and 60 for 90 days, and this is for the day on which they fail.
const MOST_FAILURES: i32 = 1_000;

/// How somebody shows that an account is theirs.
#[derive(Clone)]
pub enum PasswordProof {
    /// The secret of a mailed link.
    Link(String),
    /// A code that staff issued, and the address of the account.
    Code {
        /// The address of the account.
        email: String,
        /// The code, however it was written down.
        code: String,
    },
}

/// A forgotten password is set anew.
#[derive(Clone)]
pub struct PasswordReset {
    /// How the account is shown to be theirs.
    pub proof: PasswordProof,
    /// The new password.
    pub new_password: String,
}

/// Staff checked who is calling.
#[derive(Clone, Debug)]
pub struct AccountCodeIssue {
    /// The address of the account.
    pub email: String,
    /// How the identity was checked; kept in the audit log.
    pub identity_check: String,
}

/// A code for the person on the telephone.
#[derive(Clone)]
pub struct AccountCode {
    /// The code, shown once.
    pub code: String,
    /// When it is over.
    pub expires_at: chrono::DateTime<chrono::Utc>,
}

refusals! {
    /// Why no password was set, or no link sent.
    ResetRefusal {
        Input(input: InputError),
        SecretInvalid,
        Throttled(retry: RetryAfter),
        Busy(busy: Busy),
    }
}
refusals! {
    /// Why no code was issued.
    CodeRefusal { Input(input: InputError), UserNotFound, Forbidden }
}

impl AuthService {
    /// Mails a link that sets a new password, if there is such an account. The answer is the same in
    /// either case. It leaves no change, which would be kept for ever: anybody may ask, for any address,
    /// and nothing comes of it until the link is used.
    pub async fn request_password_reset(
        &self,
        actor: &Actor,
        origin: &Origin,
        email: &str,
    ) -> Result<(), Failure<ResetRefusal>> {
        let mut flaws = Flaws::default();
        let Some(email) = flaws.keep(Field::Email, EmailAddress::parse(email)) else {
            return Err(flaws.refuse());
        };
        self.count_attempt(Attempt::Link, email.as_str(), origin.address)
            .await?;
        let account = accounts::account_by_email(self.db.read(), &email)
            .await?
            .filter(Account::is_enabled);
        let secret = secret::link();
        let transaction = self.db.begin().await?;
        let now = self.clock.now();
        let expires_at = now + LINK_LASTS;
        let may_mail = self
            .count_link(&transaction, email.as_str())
            .await?
            .is_none();
        let new = SecretNew {
            user: account.as_ref().map(|account| account.user.id),
            email: Some(email.as_str()),
            ..SecretNew::new(Purpose::PasswordLink, SecretHash::of(&secret), expires_at)
        };
        secrets::insert_secrets(&transaction, &[new], now).await?;
        let envelope = Envelope {
            recipient: email.as_str(),
            language: account
                .as_ref()
                .map_or(actor.language, |account| account.user.language),
            template: Template::PasswordReset,
            variables: serde_json::json!({
                "link": self.link("password-reset", &secret),
                "expires_at": in_japan(expires_at),
            }),
        };
        if account.is_some() && may_mail {
            enqueue(&transaction, &envelope, now).await?;
        } else {
            suppress(&transaction, &envelope, now).await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Sets a password by a link or a code, and ends every login of the account.
    pub async fn reset_password(
        &self,
        actor: &Actor,
        origin: &Origin,
        input: &PasswordReset,
    ) -> Result<(), Failure<ResetRefusal>> {
        let invalid = || Failure::refused(ResetRefusal::SecretInvalid);
        let found = match &input.proof {
            PasswordProof::Link(link) => {
                let hash = SecretHash::of(link);
                let now = self.clock.now();
                secrets::live_secret_by_hash(self.db.read(), Purpose::PasswordLink, hash, now)
                    .await?
            }
            PasswordProof::Code { email, code } => self.find_code(origin, email, code).await?,
        };
        let found = found.ok_or_else(invalid)?;
        let user = found.user.ok_or_else(invalid)?;
        let account = accounts::account_by_id(self.db.read(), user)
            .await?
            .filter(Account::is_enabled)
            .ok_or_else(invalid)?;
        let email = stored_email(&account);
        let mut flaws = Flaws::default();
        let parsed = NewPassword::parse(&input.new_password, &email);
        let Some(new_password) = flaws.keep(Field::NewPassword, parsed) else {
            return Err(flaws.refuse());
        };
        let hash = self.passwords.hash(&new_password).await?;

        let transaction = self.db.begin().await?;
        let now = self.clock.now();
        // The account first, as everyone who sets passwords does: two can't wait for each other.
        accounts::lock_account(&self.db, &transaction, user).await?;
        if !secrets::use_secret(&transaction, found.id, now).await? {
            return Err(invalid());
        }
        set_password(&transaction, &account, &hash, None, now).await?;
        for attempt in [Attempt::LogIn, Attempt::Link, Attempt::Code] {
            self.forget_attempts(&transaction, attempt, email.as_str(), origin.address)
                .await?;
        }
        let author = super::as_user(user, actor.language);
        record_change(
            &transaction,
            &author,
            origin,
            Audit::of("passwordReset"),
            now,
        )
        .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// The code of this address's account, if it is the right one. Wrong ones are counted.
    async fn find_code(
        &self,
        origin: &Origin,
        email: &str,
        code: &str,
    ) -> Result<Option<OneTimeSecret>, Failure<ResetRefusal>> {
        let Ok(email) = EmailAddress::parse(email) else {
            return Ok(None);
        };
        self.count_attempt(Attempt::Code, email.as_str(), origin.address)
            .await?;
        match accounts::account_by_email(self.db.read(), &email).await? {
            Some(account) => {
                let holder = Holder::User(account.user.id);
                Ok(self.guess(holder, code).await?)
            }
            None => Ok(None),
        }
    }

    /// Compares a typed code with its holder's newest one. A wrong guess is counted, and after
    /// [`MOST_FAILURES`] of them the code is dead. A right one is not used up yet.
    pub(super) async fn guess(
        &self,
        holder: Holder,
        typed: &str,
    ) -> Result<Option<OneTimeSecret>, DbErr> {
        let hash = SecretHash::of(&secret::fold_code(typed));
        let transaction = self.db.begin().await?;
        let now = self.clock.now();
        let newest = secrets::lock_newest_secret(&self.db, &transaction, holder, now)
            .await?
            .filter(|newest| newest.failures < MOST_FAILURES);
        let right = match newest {
            Some(newest) if hash.matches(&newest.hash) => Some(newest),
            Some(newest) => {
                secrets::count_failure(&transaction, newest.id).await?;
                None
            }
            None => None,
        };
        transaction.commit().await?;
        Ok(right)
    }

    /// Issues a code with which the person on the telephone sets a password. Who issued it and how the
    /// identity was checked is kept, and the account's owner is told by mail. A dry run or a repeated
    /// request shows no code.
    pub async fn issue_account_code(
        &self,
        writer: &Writer<'_>,
        input: &AccountCodeIssue,
    ) -> Result<Written<UserId, AccountCode>, Failure<CodeRefusal>> {
        let transaction = self.db.begin().await?;
        let outcome = self.try_issue(&transaction, writer, input).await;
        conclude(writer, transaction, outcome).await
    }

    async fn try_issue(
        &self,
        transaction: &Transaction,
        writer: &Writer<'_>,
        input: &AccountCodeIssue,
    ) -> Result<Written<UserId, AccountCode>, Failure<CodeRefusal>> {
        let actor = writer.actor;
        if !actor.may(Permission::AccountsHelp) {
            return Err(Failure::refused(CodeRefusal::Forbidden));
        }
        let mut flaws = Flaws::default();
        let email = flaws.keep(Field::Email, EmailAddress::parse(&input.email));
        let check = flaws.keep(Field::IdentityCheck, Note::parse(&input.identity_check));
        let (Some(email), Some(check)) = (email, check) else {
            return Err(flaws.refuse());
        };
        let account = accounts::account_by_email(transaction, &email)
            .await?
            .filter(Account::is_enabled)
            .ok_or_else(|| Failure::refused(CodeRefusal::UserNotFound))?;
        let user = account.user.id;
        check_may_help(transaction, actor, user).await?;

        let code = secret::account_code();
        let now = self.clock.now();
        let expires_at = now + CODE_LASTS;
        let new = SecretNew {
            user: Some(user),
            created_by: actor.user(),
            ..SecretNew::new(Purpose::AccountCode, SecretHash::of(&code), expires_at)
        };
        secrets::insert_secrets(transaction, &[new], now).await?;
        let notice = Envelope {
            recipient: &account.user.email,
            language: account.user.language,
            template: Template::AccountCode,
            variables: serde_json::json!({
                "issued_at": in_japan(now),
                "expires_at": in_japan(expires_at),
            }),
        };
        enqueue(transaction, &notice, now).await?;
        let audit = Audit::of("accountCodeIssue")
            .in_name_of(actor.acting_for(Permission::AccountsHelp))
            .about(format!("user {user}: {}", check.as_str()));
        record_write(transaction, writer, audit).await?;
        Ok(Written {
            key: user,
            fresh: (!writer.dry_run).then_some(AccountCode { code, expires_at }),
        })
    }
}

/// Helping with an account is a way into it. So nobody helps themselves, and an account that opens
/// more than its own organisation is helped only by those who manage its members anyway.
async fn check_may_help(
    transaction: &Transaction,
    actor: &Actor,
    user: UserId,
) -> Result<(), Failure<CodeRefusal>> {
    let opened = members::kinds_of_user(transaction, user).await?;
    let out_of_reach = opened.iter().any(|(organisation, kind)| {
        is_official(*kind) && !actor.may_in(*organisation, Permission::MembersManage)
    });
    if actor.user() == Some(user) || out_of_reach {
        return Err(Failure::refused(CodeRefusal::Forbidden));
    }
    Ok(())
}

/// Kinds that see or do more than their own.
pub(super) fn is_official(kind: OrganisationKind) -> bool {
    match kind {
        OrganisationKind::Ministry
        | OrganisationKind::RegionalBureau
        | OrganisationKind::PaymentFund
        | OrganisationKind::Auditor => true,
        OrganisationKind::Vendor
        | OrganisationKind::SupportContractor
        | OrganisationKind::Chain
        | OrganisationKind::Corporation
        | OrganisationKind::Area
        | OrganisationKind::Facility
        | OrganisationKind::Supplier => false,
    }
}
