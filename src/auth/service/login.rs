//! Logging in, keeping a login going, and logging out.
//!
//! A login is a session: the family of refresh tokens that came from it. Each refresh token is good for
//! one use and gives the next; one that is used a second time was copied by somebody, and as we can't
//! know which of the two is the thief, the whole family ends. That is strict on purpose: a client with
//! several tabs must let one of them refresh (the Web Locks API does it).

use chrono::{DateTime, Utc};
use sea_orm::ConnectionTrait;

use super::{
    Audit, AuthService, Busy, Failure, Origin, RetryAfter, as_user, problem::refusals,
    record_change, throttle::Attempt,
};
use crate::{
    auth::{
        Actor, Language,
        entity::{
            accounts::{self, Account},
            sessions::{self, Ending},
        },
        input::EmailAddress,
        password::{HashingError, Verdict},
        secret::{self, SecretHash},
    },
    db::{DbErr, SessionId, Transaction, UserId},
};

/// Who wants to come in.
#[derive(Clone)]
pub struct LogIn {
    /// The address of the account.
    pub email: String,
    /// Its password.
    pub password: String,
}

/// The tokens of a login.
#[derive(Clone)]
pub struct SessionTokens {
    /// Whose login it is.
    pub user: UserId,
    /// The login.
    pub session: SessionId,
    /// The JWT that goes with each request.
    pub access_token: String,
    /// When it is over.
    pub access_expires_at: DateTime<Utc>,
    /// Gives the next pair, once.
    pub refresh_token: String,
    /// When it is over.
    pub refresh_expires_at: DateTime<Utc>,
}

refusals! {
    /// Why somebody was not let in.
    LogInRefusal { InvalidCredentials, Throttled(retry: RetryAfter), Busy(busy: Busy) }
}
refusals! {
    /// Why a login was not kept going.
    RefreshRefusal { SessionEnded }
}
refusals! {
    /// Why nobody was logged out.
    LogOutRefusal { PersonNeeded }
}

impl AuthService {
    /// Lets a person in by address and password. Attempts are counted by account and by address; the
    /// answer never says whether the account exists.
    pub async fn log_in(
        &self,
        actor: &Actor,
        origin: &Origin,
        input: &LogIn,
    ) -> Result<SessionTokens, Failure<LogInRefusal>> {
        let Ok(email) = EmailAddress::parse(&input.email) else {
            return Err(Failure::refused(LogInRefusal::InvalidCredentials));
        };
        let account = self.prove(&email, &input.password, origin).await?;
        let transaction = self.db.begin().await?;
        let now = self.clock.now();
        if !still_stands(&self.db, &transaction, &account).await? {
            return Err(Failure::refused(LogInRefusal::InvalidCredentials));
        }
        let tokens = self
            .begin_session(&transaction, account.user.id, now)
            .await?;
        self.forgive_attempt(&transaction, Attempt::LogIn, email.as_str(), origin.address)
            .await?;
        let author = as_user(account.user.id, actor.language);
        record_change(
            &transaction,
            &author,
            origin,
            Audit::of("sessionCreate"),
            now,
        )
        .await?;
        transaction.commit().await?;
        Ok(tokens)
    }

    /// The account whose address and password these are. Costs one counted attempt and one hash,
    /// whatever comes of it.
    pub(super) async fn prove<R>(
        &self,
        email: &EmailAddress,
        password: &str,
        origin: &Origin,
    ) -> Result<Account, Failure<R>>
    where
        R: From<RetryAfter> + From<Busy> + From<LogInRefusal>,
    {
        self.count_attempt(Attempt::LogIn, email.as_str(), origin.address)
            .await?;
        let account = accounts::account_by_email(self.db.read(), email).await?;
        let stored = account
            .as_ref()
            .and_then(|account| account.password_hash.as_deref());
        let verdict = match self.passwords.verify(password, stored).await {
            Err(HashingError::Busy) => {
                // Nobody looked at the password, so it was no attempt.
                self.return_attempt(Attempt::LogIn, email.as_str(), origin.address)
                    .await?;
                return Err(Failure::refused(Busy));
            }
            verdict => verdict?,
        };
        let Some(account) =
            account.filter(|account| verdict != Verdict::Wrong && account.is_enabled())
        else {
            return Err(Failure::refused(LogInRefusal::InvalidCredentials));
        };
        if verdict == Verdict::RightButOutdated {
            return self.upgrade_hash(account, password).await;
        }
        Ok(account)
    }

    async fn upgrade_hash<R: From<Busy>>(
        &self,
        mut account: Account,
        password: &str,
    ) -> Result<Account, Failure<R>> {
        if let Some(old) = account.password_hash.take() {
            let new = self.passwords.rehash(password).await?;
            accounts::upgrade_password_hash(self.db.write(), account.user.id, &old, &new).await?;
            account.password_hash = Some(new);
        }
        Ok(account)
    }

    /// Keeps a login going: takes a refresh token and gives the next pair.
    pub async fn refresh(
        &self,
        actor: &Actor,
        origin: &Origin,
        refresh_token: &str,
    ) -> Result<SessionTokens, Failure<RefreshRefusal>> {
        let hash = SecretHash::of(refresh_token);
        // What was never ours doesn't get as far as the lock of a writer.
        if sessions::session_of_refresh_token(self.db.read(), hash)
            .await?
            .is_none()
        {
            return Err(Failure::refused(RefreshRefusal::SessionEnded));
        }
        let transaction = self.db.begin().await?;
        let now = self.clock.now();
        let Some(taken) = sessions::take_refresh_token(&transaction, hash, now).await? else {
            self.end_reused(&transaction, hash, actor.language, origin)
                .await?;
            transaction.commit().await?;
            return Err(Failure::refused(RefreshRefusal::SessionEnded));
        };
        let tokens = self
            .next_tokens(
                &transaction,
                taken.user,
                taken.session,
                taken.session_expires_at,
            )
            .await?;
        transaction.commit().await?;
        Ok(tokens)
    }

    /// A refresh token that was used before ends its whole family.
    async fn end_reused(
        &self,
        transaction: &Transaction,
        hash: SecretHash,
        language: Language,
        origin: &Origin,
    ) -> Result<(), DbErr> {
        let now = self.clock.now();
        let Some((session, user, true)) =
            sessions::session_of_refresh_token(transaction, hash).await?
        else {
            return Ok(());
        };
        if sessions::revoke_session(transaction, session, Ending::Reused, now).await? {
            tracing::warn!(%user, %session, "a refresh token was used twice: its login was ended");
            let audit = Audit::of("sessionRefresh").about("a refresh token was used twice");
            record_change(transaction, &as_user(user, language), origin, audit, now).await?;
        }
        Ok(())
    }

    /// Ends the login of a refresh token. A token that is unknown or over has nothing to end.
    pub async fn log_out(
        &self,
        actor: &Actor,
        origin: &Origin,
        refresh_token: &str,
    ) -> Result<(), Failure<LogOutRefusal>> {
        let hash = SecretHash::of(refresh_token);
        let known = sessions::session_of_refresh_token(self.db.read(), hash).await?;
        let Some((session, user, _)) = known else {
            return Ok(());
        };
        let transaction = self.db.begin().await?;
        let now = self.clock.now();
        end_session(
            &transaction,
            session,
            &as_user(user, actor.language),
            origin,
            now,
        )
        .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Ends the login that the request's own access token came from, or all logins of its user.
    pub async fn log_out_current(
        &self,
        actor: &Actor,
        origin: &Origin,
        everywhere: bool,
    ) -> Result<(), Failure<LogOutRefusal>> {
        let (Some(user), Some(session)) = (actor.user(), origin.session) else {
            return Err(Failure::refused(LogOutRefusal::PersonNeeded));
        };
        let transaction = self.db.begin().await?;
        let now = self.clock.now();
        if everywhere {
            sessions::revoke_sessions(&transaction, user, None, Ending::LoggedOut, now).await?;
            record_change(&transaction, actor, origin, Audit::of("sessionDelete"), now).await?;
        } else {
            end_session(
                &transaction,
                session,
                &as_user(user, actor.language),
                origin,
                now,
            )
            .await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Begins a login and gives its first tokens.
    pub(super) async fn begin_session<R>(
        &self,
        transaction: &impl ConnectionTrait,
        user: UserId,
        now: DateTime<Utc>,
    ) -> Result<SessionTokens, Failure<R>> {
        let ends_at = now + self.settings.session_lifetime;
        let session = sessions::insert_session(transaction, user, now, ends_at).await?;
        self.next_tokens(transaction, user, session, ends_at).await
    }

    async fn next_tokens<R>(
        &self,
        transaction: &impl ConnectionTrait,
        user: UserId,
        session: SessionId,
        session_ends_at: DateTime<Utc>,
    ) -> Result<SessionTokens, Failure<R>> {
        let now = self.clock.now();
        let refresh_token = secret::refresh_token();
        let refresh_expires_at = session_ends_at.min(now + self.settings.refresh_lifetime);
        let hash = SecretHash::of(&refresh_token);
        sessions::insert_refresh_token(transaction, session, hash, now, refresh_expires_at).await?;
        let lifetime = self.settings.access_lifetime;
        let (access_token, access_expires_at) = self.tokens.sign(user, session, lifetime).await?;
        Ok(SessionTokens {
            user,
            session,
            access_token,
            access_expires_at,
            refresh_token,
            refresh_expires_at,
        })
    }
}

async fn end_session(
    transaction: &Transaction,
    session: SessionId,
    author: &Actor,
    origin: &Origin,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    if sessions::revoke_session(transaction, session, Ending::LoggedOut, now).await? {
        record_change(transaction, author, origin, Audit::of("sessionDelete"), now).await?;
    }
    Ok(())
}

/// Is the account as it was when its password was compared? It is locked until the transaction ends, so
/// that no login slips in behind a change of password that ends them all.
pub(super) async fn still_stands(
    db: &crate::db::Database,
    transaction: &Transaction,
    proven: &Account,
) -> Result<bool, DbErr> {
    let now = accounts::lock_account(db, transaction, proven.user.id).await?;
    Ok(now.is_some_and(|now| now.is_enabled() && now.password_hash == proven.password_hash))
}
