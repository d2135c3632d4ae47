//! The use cases of the accounts: each validates, then generates what is random or slow to make, then
//! writes in one transaction with its mails and its change. They take an [`Actor`] and the service's
//! clock and know nothing of GraphQL or HTTP.
//!
//! One file for each group of use cases; [`problem`] lists everything that a caller can be told.

mod authenticate;
mod claim;
mod invitation;
mod login;
mod member;
mod operator;
mod organisation;
mod password;
pub mod problem;
mod profile;
mod reading;
mod recovery;
mod retention;
mod service_token;
mod throttle;
mod write;

use std::net::IpAddr;

pub use authenticate::{AuthFailure, Authenticated};
use chrono::TimeDelta;
pub use claim::{
    ClaimRefusal, ClaimSecret, ClaimedAccount, ExportRefusal, FacilityAccountClaim,
    FacilityClaimSecretsExport, MOST_LETTERS,
};
pub use invitation::{
    Acceptance, AcceptedInvitation, Invitation, InvitationAccept, InviteRefusal, MemberInvite,
    RevokeRefusal,
};
pub use login::{LogIn, LogInRefusal, LogOutRefusal, RefreshRefusal, SessionTokens};
pub use member::{MemberKey, MemberRefusal, MemberRemove, MemberUpdate};
pub use operator::{NewMember, OperatorRefusal, UserCreate, UserCreated};
pub use organisation::{OrganisationCreate, OrganisationRefusal};
pub use password::{PasswordChange, PasswordChangeRefusal};
pub use problem::{Busy, Failure, Fault, Problem, Repeated, RetryAfter};
pub use profile::{ProfileRefusal, UserUpdate};
pub use recovery::{
    AccountCode, AccountCodeIssue, CodeRefusal, PasswordProof, PasswordReset, ResetRefusal,
};
pub use retention::Purged;
pub use service_token::{NewServiceToken, ServiceTokenCreate, ServiceTokenRefusal};
pub use throttle::ThrottleLimits;
pub use write::Written;
use write::{Audit, conclude, record_change, record_write};

use super::{
    Actor, Identity, Language,
    entity::callers::{CallingUser, calling_users},
    keys::KeyError,
    password::{HashingError, PasswordCost, Passwords},
    token::AccessTokens,
};
use crate::{
    app::{Clock, clock::in_japan},
    db::{Database, Gather, SessionId, UserId},
};

/// What a deployment decides about its accounts.
#[derive(Clone, Debug)]
pub struct AuthSettings {
    /// `iss` of access tokens: the public URL of this service.
    pub issuer: String,
    /// `aud` of access tokens.
    pub audience: String,
    /// Where the pages behind mailed links are: the secret follows as the fragment, which no server logs.
    pub public_url: String,
    /// How long an access token lasts.
    pub access_lifetime: TimeDelta,
    /// How long a login lasts without being refreshed.
    pub refresh_lifetime: TimeDelta,
    /// How long a login lasts however often it is refreshed.
    pub session_lifetime: TimeDelta,
    /// What hashing a password costs.
    pub password_cost: PasswordCost,
    /// Hashes that may run at once.
    pub hashing_slots: usize,
    /// Hashes that may wait for a slot.
    pub hashing_queue: usize,
    /// How many attempts are allowed.
    pub throttle: ThrottleLimits,
}

impl Default for AuthSettings {
    fn default() -> Self {
        Self {
            issuer: "http://127.0.0.1:8080".to_owned(),
            audience: "kaitsu".to_owned(),
            public_url: "http://127.0.0.1:8080".to_owned(),
            access_lifetime: TimeDelta::minutes(5),
            refresh_lifetime: TimeDelta::days(7),
            session_lifetime: TimeDelta::days(30),
            password_cost: PasswordCost::default(),
            hashing_slots: 2,
            hashing_queue: 64,
            throttle: ThrottleLimits::default(),
        }
    }
}

/// Where a request came from, beside who is asking.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The client's address, behind trusted proxies.
    pub address: Option<IpAddr>,
    /// The login of its access token.
    pub session: Option<SessionId>,
    /// The request's id in logs and in the audit log.
    pub request_id: Option<String>,
}

/// The accounts of this deployment, as one process serves them.
pub struct AuthService {
    db: Database,
    clock: Clock,
    settings: AuthSettings,
    passwords: Passwords,
    tokens: AccessTokens,
    callers: Gather<SessionId, CallingUser>,
    uses: authenticate::TokenUses,
}

/// Why the service could not start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The signing keys can't be read or made.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// The cost of hashing is no cost that argon2 knows.
    #[error(transparent)]
    Hashing(#[from] HashingError),
}

impl AuthService {
    /// Opens the accounts; makes the first signing key if there is none.
    pub async fn open(
        db: Database,
        clock: Clock,
        settings: AuthSettings,
    ) -> Result<Self, OpenError> {
        let passwords = Passwords::new(
            settings.password_cost,
            settings.hashing_slots,
            settings.hashing_queue,
        )?;
        let tokens = AccessTokens::open(
            settings.issuer.clone(),
            settings.audience.clone(),
            db.clone(),
            clock.clone(),
        )
        .await?;
        let (asked, now) = (db.clone(), clock.clone());
        let callers = Gather::new(move |sessions: Vec<SessionId>| {
            let (db, now) = (asked.clone(), now.now());
            async move { calling_users(&db, &sessions, now).await }
        });
        Ok(Self {
            db,
            clock,
            settings,
            passwords,
            tokens,
            callers,
            uses: authenticate::TokenUses::default(),
        })
    }

    /// The access tokens and, behind them, the signing keys.
    pub fn tokens(&self) -> &AccessTokens {
        &self.tokens
    }

    /// The passwords, for metrics.
    pub fn passwords(&self) -> &Passwords {
        &self.passwords
    }

    fn link(&self, page: &str, secret: &str) -> String {
        format!(
            "{}/{page}#{secret}",
            self.settings.public_url.trim_end_matches('/')
        )
    }
}

/// The user as an actor, for changes that a person makes before having a token.
fn as_user(user: UserId, language: Language) -> Actor {
    Actor {
        identity: Identity::User(user),
        ..Actor::anonymous(language)
    }
}
