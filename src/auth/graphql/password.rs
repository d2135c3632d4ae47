//! Passwords, and coming back in without one.

use async_graphql::{Context, InputObject, Object, OneofObject, SimpleObject};
use chrono::{DateTime, Utc};
use serde::Serialize;

use super::{
    answer::{Request, split},
    member::options,
};
use crate::{
    api::{ApiResult, UserError, context::writer},
    auth::service::{AccountCodeIssue, PasswordChange, PasswordProof, PasswordReset},
};

/// Another password for oneself.
#[derive(InputObject)]
pub struct PasswordChangeInput {
    /// The present password.
    #[graphql(secret)]
    current_password: String,
    /// The password to be: 12 to 128 characters.
    #[graphql(secret)]
    new_password: String,
}

/// A forgotten password.
#[derive(InputObject)]
pub struct PasswordResetRequestInput {
    /// The address of the account.
    email: String,
}

/// A code that staff issued, with the account that it is for.
#[derive(InputObject)]
pub struct AccountCodeInput {
    /// The address of the account.
    email: String,
    /// The code, in any case, with or without hyphens.
    #[graphql(secret)]
    code: String,
}

/// How an account is shown to be one's own: exactly one of these.
#[derive(OneofObject)]
pub enum PasswordResetProof {
    /// The secret of the mailed link: what follows the `#`.
    Link(String),
    /// A code that staff issued.
    Code(AccountCodeInput),
}

/// A forgotten password is set anew.
#[derive(InputObject)]
pub struct PasswordResetInput {
    /// How the account is shown to be one's own.
    #[graphql(secret)]
    proof: PasswordResetProof,
    /// The password to be: 12 to 128 characters.
    #[graphql(secret)]
    new_password: String,
}

/// Staff checked who is calling.
#[derive(InputObject, Serialize)]
pub struct AccountCodeIssueInput {
    /// The address of the account.
    email: String,
    /// How the identity was checked, in a sentence; kept in the audit log.
    identity_check: String,
    /// Under which a repeated request has one effect. A repeated request doesn't show the code again.
    idempotency_key: Option<String>,
    /// Check everything, and change nothing.
    #[graphql(default)]
    #[serde(skip)]
    dry_run: bool,
}

/// What became of a password.
#[derive(SimpleObject)]
pub struct PasswordPayload {
    /// Why nothing was done; empty if it was. A request for a link is never refused because there is no
    /// such account.
    user_errors: Vec<UserError>,
}

/// A code for the person on the telephone.
#[derive(SimpleObject)]
pub struct AccountCode {
    /// The code, shown once.
    code: String,
    /// When it is over.
    expires_at: DateTime<Utc>,
}

/// A code, or why there is none.
#[derive(SimpleObject)]
pub struct AccountCodePayload {
    /// The code; null if it was refused, on a dry run, or for a repeated request: issue another, which
    /// replaces it.
    account_code: Option<AccountCode>,
    /// Why it was refused; empty if it wasn't.
    user_errors: Vec<UserError>,
}

/// Mutations of passwords.
#[derive(Default)]
pub struct PasswordMutation;

#[Object]
impl PasswordMutation {
    /// Changes one's own password and ends one's other logins.
    async fn password_change(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The passwords.")] input: PasswordChangeInput,
    ) -> ApiResult<PasswordPayload> {
        let request = Request::of(context)?;
        let change = PasswordChange {
            current_password: input.current_password,
            new_password: input.new_password,
        };
        let outcome = request
            .auth
            .change_password(request.actor, &request.origin, &change)
            .await;
        let (_, user_errors) = split(context, outcome)?;
        Ok(PasswordPayload { user_errors })
    }

    /// Mails a link that sets a new password, if there is such an account. The answer is the same in
    /// either case.
    async fn password_reset_request(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Whose password.")] input: PasswordResetRequestInput,
    ) -> ApiResult<PasswordPayload> {
        let request = Request::of(context)?;
        let outcome = request
            .auth
            .request_password_reset(request.actor, &request.origin, &input.email)
            .await;
        let (_, user_errors) = split(context, outcome)?;
        Ok(PasswordPayload { user_errors })
    }

    /// Sets a password by a mailed link or by a code from staff, and ends every login of the account.
    async fn password_reset(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The proof and the password.")] input: PasswordResetInput,
    ) -> ApiResult<PasswordPayload> {
        let request = Request::of(context)?;
        let reset = PasswordReset {
            proof: match input.proof {
                PasswordResetProof::Link(secret) => PasswordProof::Link(secret),
                PasswordResetProof::Code(AccountCodeInput { email, code }) => {
                    PasswordProof::Code { email, code }
                }
            },
            new_password: input.new_password,
        };
        let outcome = request
            .auth
            .reset_password(request.actor, &request.origin, &reset)
            .await;
        let (_, user_errors) = split(context, outcome)?;
        Ok(PasswordPayload { user_errors })
    }

    /// Issues a code with which a person whose identity was checked sets a password.
    async fn account_code_issue(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "For whom, and how the identity was checked.")]
        input: AccountCodeIssueInput,
    ) -> ApiResult<AccountCodePayload> {
        let request = Request::of(context)?;
        let options = options(&input.idempotency_key, input.dry_run);
        let writer = writer(context, "accountCodeIssue", &options, &input)?;
        let issue = AccountCodeIssue {
            email: input.email,
            identity_check: input.identity_check,
        };
        let outcome = request.auth.issue_account_code(&writer, &issue).await;
        let (written, user_errors) = split(context, outcome)?;
        let code = written.and_then(|written| written.fresh);
        Ok(AccountCodePayload {
            account_code: code.map(|code| AccountCode {
                code: code.code,
                expires_at: code.expires_at,
            }),
            user_errors,
        })
    }
}
