//! From what a use case answers to what the API shows: refusals become user errors in the caller's
//! language, faults become top-level errors.

use std::sync::Arc;

use async_graphql::{Context, ID};

use crate::{
    api::{
        ApiError, ApiResult, NodeId, UserError, UserErrorCode,
        context::{caller, services},
        node_id::NodeKind,
    },
    auth::{
        Actor, AuthService, Language, Origin,
        input::Flaw,
        service::{Failure, Fault, Problem, Repeated},
    },
    change::WriteError,
    db::{DbErr, OrganisationId, UserId},
    milestone,
};

/// What a resolver of the accounts needs.
pub(super) struct Request<'a> {
    pub auth: &'a AuthService,
    pub actor: &'a Actor,
    pub origin: Origin,
}

impl<'a> Request<'a> {
    /// Reads the context.
    pub fn of(context: &Context<'a>) -> ApiResult<Self> {
        let auth = context.data_opt::<Arc<AuthService>>().ok_or_else(|| {
            ApiError::from(DbErr::Custom("the request carries no accounts".to_owned()))
        })?;
        let caller = caller(context)?;
        let origin = context.data_opt::<Origin>().cloned().unwrap_or_default();
        Ok(Self {
            auth,
            actor: &caller.actor,
            origin: Origin {
                request_id: Some(caller.request_id.clone()),
                ..origin
            },
        })
    }
}

/// What was done, if it was, and why not, if it wasn't.
pub(super) fn split<T, R: Into<Problem>>(
    context: &Context<'_>,
    outcome: Result<T, Failure<R>>,
) -> ApiResult<(Option<T>, Vec<UserError>)> {
    let language = caller(context)?.actor.language;
    services(context)?.written.notify_one();
    match outcome {
        Ok(done) => Ok((Some(done), Vec::new())),
        Err(Failure::Refused(reasons)) => {
            let errors = reasons
                .into_iter()
                .map(|reason| user_error(reason.into(), language));
            Ok((None, errors.collect()))
        }
        Err(Failure::Fault(Fault::Write(WriteError::KeyReused))) => {
            let path = ["input", "idempotencyKey"].map(str::to_owned).to_vec();
            let error = UserError::of(&milestone::Problem::KeyReused, path, language);
            Ok((None, vec![error]))
        }
        Err(Failure::Fault(fault)) => Err(api_error(fault)),
    }
}

fn api_error(fault: Fault) -> ApiError {
    match fault {
        Fault::Write(error) => error.into(),
        fault => DbErr::from(fault).into(),
    }
}

/// The user that an input names. An id of another type names nobody: the service says so by the input's path.
pub(super) fn user_id(id: &ID) -> UserId {
    UserId(row_of(id, NodeKind::User))
}

/// The organisation that an input names, in the same way.
pub(super) fn organisation_id(id: &ID) -> OrganisationId {
    OrganisationId(row_of(id, NodeKind::Organisation))
}

/// The row of a global id of this kind; no row has the number of another's.
pub(super) fn row_of(id: &ID, kind: NodeKind) -> i64 {
    NodeId::row_of(id, kind).unwrap_or(0)
}

/// What a person reads of a problem.
pub fn message(problem: &Problem, language: Language) -> String {
    let (_, ja, en) = sentence(problem);
    match language {
        Language::Ja => ja,
        Language::En => en,
    }
}

fn user_error(problem: Problem, language: Language) -> UserError {
    let (code, _, _) = sentence(&problem);
    let message = message(&problem, language);
    UserError {
        code,
        path: path(&problem),
        message,
    }
}

fn path(problem: &Problem) -> Vec<String> {
    let input = || "input".to_owned();
    let field = |name: &str| vec![input(), name.to_owned()];
    match problem {
        Problem::Input(error) => field(error.field.name()),
        Problem::FacilityNotFound(position) | Problem::FacilityRepeated(Repeated { position }) => {
            vec![input(), "facilityIds".to_owned(), position.to_string()]
        }
        Problem::WrongPassword => field("currentPassword"),
        Problem::UserNotFound | Problem::AccountExists | Problem::AlreadyMember => field("email"),
        Problem::OrganisationNotFound => field("organisationId"),
        Problem::ServiceTokenNotFound | Problem::InvitationNotFound => field("id"),
        Problem::MembershipNotFound | Problem::LastAdmin => field("userId"),
        Problem::SessionEnded => field("refreshToken"),
        Problem::SecretInvalid => field("secret"),
        Problem::Throttled(_)
        | Problem::Busy(_)
        | Problem::InvalidCredentials
        | Problem::PersonNeeded
        | Problem::Forbidden => vec![input()],
    }
}

/// The code and the sentence, in Japanese and in English.
fn sentence(problem: &Problem) -> (UserErrorCode, String, String) {
    use UserErrorCode as Code;
    let (code, ja, en) = match problem {
        Problem::Input(error) => return flaw(error.flaw),
        Problem::Throttled(retry) => {
            return (
                Code::Throttled,
                format!(
                    "試行回数が多すぎます。{}秒後にもう一度お試しください。",
                    retry.seconds
                ),
                format!("Too many attempts: try again in {} seconds.", retry.seconds),
            );
        }
        Problem::Busy(_) => (
            Code::Busy,
            "混み合っています。しばらくしてからもう一度お試しください。",
            "Too many logins at once: try again in a moment.",
        ),
        Problem::InvalidCredentials => (
            Code::InvalidCredentials,
            "メールアドレスまたはパスワードが正しくありません。",
            "The address or the password is not right.",
        ),
        Problem::WrongPassword => (
            Code::WrongPassword,
            "現在のパスワードが正しくありません。",
            "The present password is not right.",
        ),
        Problem::SessionEnded => (
            Code::SessionEnded,
            "ログインの有効期限が切れました。もう一度ログインしてください。",
            "The login is over: log in again.",
        ),
        Problem::SecretInvalid => (
            Code::SecretInvalid,
            "リンクまたはコードが正しくないか、使用済みか、有効期限が切れています。",
            "The link or code is wrong, used, or over.",
        ),
        Problem::AccountExists => (
            Code::AccountExists,
            "このメールアドレスのアカウントは既にあります。ログインするか、そのパスワードを入力してください。",
            "The address has an account: log in first, or give its password.",
        ),
        Problem::PersonNeeded => (
            Code::PersonNeeded,
            "利用者本人としてログインしてください。",
            "Only a person who is logged in can do this.",
        ),
        Problem::UserNotFound => (
            Code::NotFound,
            "利用者が見つかりません。",
            "There is no such user.",
        ),
        Problem::OrganisationNotFound => (
            Code::NotFound,
            "組織が見つかりません。",
            "There is no such organisation.",
        ),
        Problem::MembershipNotFound => (
            Code::NotFound,
            "この組織の利用者ではありません。",
            "There is no such member.",
        ),
        Problem::ServiceTokenNotFound => (
            Code::NotFound,
            "サービストークンが見つかりません。",
            "There is no such service token.",
        ),
        Problem::FacilityNotFound(_) => (
            Code::NotFound,
            "施設が見つかりません。",
            "There is no such facility.",
        ),
        Problem::FacilityRepeated(_) => (
            Code::DuplicateRow,
            "同じ施設が重複しています。",
            "The same facility stands here already.",
        ),
        Problem::InvitationNotFound => (
            Code::NotFound,
            "有効な招待が見つかりません。",
            "There is no such open invitation.",
        ),
        Problem::Forbidden => (
            Code::Forbidden,
            "この操作を行う権限がありません。",
            "You may not do this.",
        ),
        Problem::AlreadyMember => (
            Code::AlreadyMember,
            "既にこの組織の利用者です。",
            "The person is a member already.",
        ),
        Problem::LastAdmin => (
            Code::LastAdministrator,
            "組織には管理者が少なくとも一人必要です。",
            "An organisation keeps at least one administrator.",
        ),
    };
    (code, ja.to_owned(), en.to_owned())
}

fn flaw(flaw: Flaw) -> (UserErrorCode, String, String) {
    use UserErrorCode as Code;
    match flaw {
        Flaw::Missing => (
            Code::Missing,
            "入力してください。".to_owned(),
            "Something is needed here.".to_owned(),
        ),
        Flaw::TooLong(most) => (
            Code::InvalidText,
            format!("{most}文字以内で入力してください。"),
            format!("At most {most} characters."),
        ),
        Flaw::TooShort(least) => (
            Code::WeakPassword,
            format!("{least}文字以上で入力してください。"),
            format!("At least {least} characters."),
        ),
        Flaw::ControlCharacters => (
            Code::InvalidText,
            "制御文字は使えません。".to_owned(),
            "Control characters are not possible here.".to_owned(),
        ),
        Flaw::Link => (
            Code::InvalidText,
            "名前にURLは使えません。".to_owned(),
            "A name is no place for a link.".to_owned(),
        ),
        Flaw::Email => (
            Code::InvalidEmail,
            "メールアドレスの形式が正しくありません。".to_owned(),
            "This is not an e-mail address.".to_owned(),
        ),
        Flaw::CommonPassword => (
            Code::WeakPassword,
            "よく使われるパスワードは設定できません。".to_owned(),
            "This password is among those that everyone tries first.".to_owned(),
        ),
        Flaw::PasswordIsEmail => (
            Code::WeakPassword,
            "メールアドレスと同じパスワードは設定できません。".to_owned(),
            "The address is no password.".to_owned(),
        ),
        Flaw::OutOfRange => (
            Code::OutOfRange,
            "指定できない値です。".to_owned(),
            "This value is not possible here.".to_owned(),
        ),
        Flaw::InstitutionCode => (
            Code::InvalidInstitutionCode,
            "医療機関コードは10桁の数字です。".to_owned(),
            "An institution code has ten digits.".to_owned(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::Value;
    use sea_orm::RuntimeErr;

    use super::*;
    use crate::auth::keys::KeyError;

    #[test]
    fn a_database_that_is_away_is_unavailable_to_who_logs_in_too() {
        let away = || DbErr::Conn(RuntimeErr::Internal("refused".to_owned()));
        for fault in [
            Fault::Database(away()),
            Fault::Keys(KeyError::Database(away())),
        ] {
            let shown = async_graphql::Error::from(api_error(fault));
            let code = shown.extensions.as_ref().and_then(|told| told.get("code"));
            assert_eq!(code, Some(&Value::from("UNAVAILABLE")));
        }
    }
}
