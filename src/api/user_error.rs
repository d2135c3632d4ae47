//! User errors: what the caller of a write could expect to go wrong, with a code for programs, a path to
//! the input and a sentence in the caller's language.

use async_graphql::{Enum, InputType, SimpleObject, Value};

use super::plain::{PlainField, PlainFields};
use crate::{auth::Language, milestone::Problem};

/// Why a write, or a row of one, was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Enum)]
pub enum UserErrorCode {
    /// No such thing, or none that you can see.
    NotFound,
    /// You can see it but may not do this to it.
    Forbidden,
    /// Somebody changed it since you read it.
    StaleVersion,
    /// A date after today.
    DateInFuture,
    /// A date before the rollout can have begun.
    DateTooEarly,
    /// A date before another that it must not precede.
    DateOutOfOrder,
    /// The same facility, the same facility and milestone, the same event, or the same text of a list twice in one
    /// request.
    DuplicateRow,
    /// READY needs READER_APPLIED, and LIVE needs READY, on that day.
    MissingEarlierMilestone,
    /// A later milestone needs the one that would be taken back.
    NeededByLaterMilestone,
    /// The milestone is in effect already.
    AlreadyReached,
    /// The milestone is not in effect on that day.
    NotReached,
    /// It holds the facility up already.
    AlreadyBlocked,
    /// It does not hold the facility up on that day.
    NotBlocked,
    /// The facility has no open work order.
    NotOpen,
    /// The facility has an open work order already.
    AlreadyOpen,
    /// Some of what must be done is not ticked off.
    ChecksMissing,
    /// Before the facility opened.
    BeforeOpening,
    /// On or after the day on which the facility closed.
    AfterClosing,
    /// It changed since the change that would be undone.
    ChangedSince,
    /// The change was undone before.
    AlreadyUndone,
    /// What the change did is put right in another way.
    CanNotBeUndone,
    /// Not while it is in that status.
    NotWhile,
    /// The file can't be read.
    UnreadableFile,
    /// A cell holds something that can't be read.
    UnreadableValue,
    /// It fits several facilities.
    Ambiguous,
    /// A file of the same content was applied before.
    AppliedBefore,
    /// Some rows are refused, and all or nothing was asked for.
    HasRefusedRows,
    /// Nothing would change.
    NothingToDo,
    /// The idempotency key was used for a request with other content.
    IdempotencyKeyReused,
    /// Not an institution code.
    InvalidInstitutionCode,
    /// The code or reference belongs to another facility.
    Taken,
    /// The code does not fit the facility's kind or prefecture.
    CodeDoesNotFit,
    /// This hardware is not made for the facility, or not what it is said to be.
    HardwareDoesNotFit,
    /// This hardware is no longer made.
    HardwareDiscontinued,
    /// The facility has no such application.
    NoApplication,
    /// Nothing of this lot is allocated to the facility.
    NotAllocated,
    /// More readers free of charge than the facility has.
    TooManyFreeReaders,
    /// No such organisation of the kind wanted.
    UnknownOrganisation,
    /// On that day the facility does not belong to the chain of this corporation or area.
    NotItsChain,
    /// A text is too short, too long, or has characters that can't be stored.
    InvalidText,
    /// Nothing was given where something is needed.
    Missing,
    /// Not among the values that are possible here.
    OutOfRange,
    /// Not an address that mail could be sent to.
    InvalidEmail,
    /// The password is too short, too long, too common, or is the address.
    WeakPassword,
    /// Unknown account, wrong password, or an account that is closed.
    InvalidCredentials,
    /// The present password is another one.
    WrongPassword,
    /// The login is over: log in again.
    SessionEnded,
    /// The link, code or letter is wrong, over or used.
    SecretInvalid,
    /// The address has an account: log in first, or give its password.
    AccountExists,
    /// Only a person can do this, not a system.
    PersonNeeded,
    /// The person is a member already.
    AlreadyMember,
    /// An organisation keeps at least one administrator.
    LastAdministrator,
    /// Too many attempts: wait.
    Throttled,
    /// Too many logins at once: try again in a moment.
    Busy,
}

/// Why a write, or a row of one, was refused.
#[derive(Clone, Debug, PartialEq, Eq, SimpleObject)]
pub struct UserError {
    /// For programs.
    pub code: UserErrorCode,
    /// Where in the input: names and list positions, outermost first.
    pub path: Vec<String>,
    /// For people, in the caller's language.
    pub message: String,
}

impl PlainFields for UserError {
    const TYPE: &'static str = "UserError";

    fn value(&self, field: &PlainField<'_>) -> Option<Value> {
        Some(match field.name() {
            "code" => self.code.to_value(),
            "path" => Value::List(self.path.iter().cloned().map(Value::String).collect()),
            "message" => Value::String(self.message.clone()),
            _ => return None,
        })
    }
}

impl UserError {
    /// A problem of a facility's history at a path.
    pub fn of(problem: &Problem, path: Vec<String>, language: Language) -> Self {
        Self {
            code: code_of(problem),
            path,
            message: problem.message(language),
        }
    }
}

fn code_of(problem: &Problem) -> UserErrorCode {
    use UserErrorCode as Code;
    match problem {
        Problem::NotFound | Problem::EventNotFound | Problem::ChangeNotFound => Code::NotFound,
        Problem::Forbidden => Code::Forbidden,
        Problem::StaleVersion { .. } => Code::StaleVersion,
        Problem::InFuture { .. } => Code::DateInFuture,
        Problem::TooEarly { .. } => Code::DateTooEarly,
        Problem::DuplicateRow { .. } => Code::DuplicateRow,
        Problem::MissingGround { .. } => Code::MissingEarlierMilestone,
        Problem::NeededByLater { .. } => Code::NeededByLaterMilestone,
        Problem::AlreadyReached { .. } => Code::AlreadyReached,
        Problem::NotReached { .. } => Code::NotReached,
        Problem::AlreadyBlocked { .. } => Code::AlreadyBlocked,
        Problem::NotBlocked { .. } => Code::NotBlocked,
        Problem::BeforeOpening { .. } => Code::BeforeOpening,
        Problem::AfterClosing { .. } => Code::AfterClosing,
        Problem::ChangedSince { .. } => Code::ChangedSince,
        Problem::AlreadyUndone => Code::AlreadyUndone,
        Problem::CanNotBeUndone => Code::CanNotBeUndone,
        Problem::NothingToDo => Code::NothingToDo,
        Problem::KeyReused => Code::IdempotencyKeyReused,
        Problem::BadCode(_) | Problem::BadFacilityCode(_) => Code::InvalidInstitutionCode,
        Problem::CodeTaken | Problem::ReferenceTaken => Code::Taken,
        Problem::CodeDoesNotFit | Problem::KindDoesNotFit => Code::CodeDoesNotFit,
        Problem::BeforeLastCode { .. } => Code::DateOutOfOrder,
        Problem::UnknownOrganisation => Code::UnknownOrganisation,
        Problem::NotItsChain => Code::NotItsChain,
        Problem::BadText { .. } | Problem::BadIdempotencyKey { .. } | Problem::BadReason { .. } => {
            Code::InvalidText
        }
        Problem::MissingMilestone
        | Problem::MissingBlocker
        | Problem::MissingDate
        | Problem::MissingEvent
        | Problem::MissingValue
        | Problem::Incomplete => Code::Missing,
    }
}
