//! Everything that a caller of the accounts can be told, and one exhaustive enum for each use case of
//! what it may refuse. A refusal is what the caller could expect; a [`Fault`] is everything else, logged
//! once where it is shown.

use sea_orm::DbErr;
use serde::{Deserialize, Serialize};

use crate::{
    auth::{
        input::{Field, Flaw, InputError},
        keys::KeyError,
        password::HashingError,
    },
    change::WriteError,
};

/// Try again after this many seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryAfter {
    /// Until the window of counted attempts ends.
    pub seconds: i64,
}

/// Too many passwords are being hashed; try again in a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Busy;

/// This position of a list says what an earlier one says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repeated {
    /// The later position, from 0.
    pub position: usize,
}

/// Everything that a caller of the accounts can be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// A field of the input is not as it must be.
    Input(InputError),
    /// Too many attempts for this account or from this address.
    Throttled(RetryAfter),
    /// Too many logins at once.
    Busy(Busy),
    /// Unknown account, wrong password or disabled: we don't say which.
    InvalidCredentials,
    /// The present password is not the one that was given.
    WrongPassword,
    /// The refresh token is unknown, over, or was used before.
    SessionEnded,
    /// The link, code or letter is unknown, over, used, or was guessed at too often.
    SecretInvalid,
    /// The address has an account: its owner must log in, or give its password.
    AccountExists,
    /// Only a person can do this.
    PersonNeeded,
    /// There is no such user within sight.
    UserNotFound,
    /// There is no such organisation within sight.
    OrganisationNotFound,
    /// There is no such membership within sight.
    MembershipNotFound,
    /// There is no such service token within sight.
    ServiceTokenNotFound,
    /// There is no facility at this position of the input.
    FacilityNotFound(usize),
    /// The facility at this position of the input stands there twice.
    FacilityRepeated(Repeated),
    /// There is no such open invitation within sight.
    InvitationNotFound,
    /// The actor may see it but may not do this.
    Forbidden,
    /// The person is a member already.
    AlreadyMember,
    /// An organisation keeps at least one administrator.
    LastAdmin,
}

/// A use case did not do what was asked.
#[derive(Debug)]
pub enum Failure<R> {
    /// For reasons that the caller can act on; at least one.
    Refused(Vec<R>),
    /// For a reason that only the operator can act on.
    Fault(Fault),
}

/// What no caller could expect. It is never shown to one.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The database refused or did not answer.
    #[error(transparent)]
    Database(#[from] DbErr),
    /// No token could be signed.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// A repeated write could not be answered.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// No password could be hashed.
    #[error("{0}")]
    Hashing(String),
}

impl From<Fault> for DbErr {
    /// A database that is away is told as that, whatever was wanted of it.
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Database(error)
            | Fault::Keys(KeyError::Database(error))
            | Fault::Write(WriteError::Database(error)) => error,
            Fault::Keys(_) | Fault::Write(WriteError::KeyReused) | Fault::Hashing(_) => {
                Self::Custom(fault.to_string())
            }
        }
    }
}

impl<R> Failure<R> {
    /// One reason.
    pub fn refused(reason: impl Into<R>) -> Self {
        Self::Refused(vec![reason.into()])
    }
}

impl<R> From<DbErr> for Failure<R> {
    fn from(error: DbErr) -> Self {
        Self::Fault(Fault::Database(error))
    }
}

impl<R> From<WriteError> for Failure<R> {
    fn from(error: WriteError) -> Self {
        Self::Fault(Fault::Write(error))
    }
}

impl<R> From<KeyError> for Failure<R> {
    fn from(error: KeyError) -> Self {
        Self::Fault(Fault::Keys(error))
    }
}

impl<R: From<Busy>> From<HashingError> for Failure<R> {
    fn from(error: HashingError) -> Self {
        match error {
            HashingError::Busy => Self::refused(Busy),
            HashingError::Failed(text) => Self::Fault(Fault::Hashing(text)),
        }
    }
}

/// Collects the flaws of an input, so that all are told at once.
#[derive(Debug, Default)]
pub(super) struct Flaws(Vec<InputError>);

impl Flaws {
    /// Keeps the value, or remembers what is wrong with it.
    pub(super) fn keep<T>(&mut self, field: Field, parsed: Result<T, Flaw>) -> Option<T> {
        parsed.map_err(|flaw| self.add(field, flaw)).ok()
    }

    /// Remembers a flaw.
    pub(super) fn add(&mut self, field: Field, flaw: Flaw) {
        self.0.push(flaw.at(field));
    }

    /// All that is wrong.
    pub(super) fn refuse<R: From<InputError>>(self) -> Failure<R> {
        Failure::Refused(self.0.into_iter().map(R::from).collect())
    }

    /// Is anything wrong so far?
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Declares what a use case may refuse, as a choice of [`Problem`]s.
macro_rules! refusals {
    ($(#[$doc:meta])* $name:ident { $($variant:ident $(($bind:ident: $payload:ty))?),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        pub enum $name {
            $(
                #[doc = concat!("As [`Problem::", stringify!($variant), "`](super::Problem).")]
                $variant $(($payload))?,
            )+
        }

        impl From<$name> for $crate::auth::service::Problem {
            fn from(refusal: $name) -> Self {
                match refusal {
                    $($name::$variant $(($bind))? => Self::$variant $(($bind))?,)+
                }
            }
        }

        $($(
            impl From<$payload> for $name {
                fn from($bind: $payload) -> Self {
                    Self::$variant($bind)
                }
            }
        )?)+
    };
}

pub(super) use refusals;
