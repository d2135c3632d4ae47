//! Letters to facilities, and the accounts claimed by them.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use chrono::{DateTime, Utc};
use serde::Serialize;

use super::{
    answer::{Request, row_of, split},
    member::options,
    session::{Session, session},
};
use crate::{
    api::{ApiError, ApiResult, NodeId, UserError, context::writer, node_id::NodeKind},
    auth::{
        Language,
        service::{ClaimSecret, FacilityAccountClaim, FacilityClaimSecretsExport, MOST_LETTERS},
    },
    db::FacilityId,
};

/// Letters are wanted for these facilities.
#[derive(InputObject, Serialize)]
pub struct FacilityClaimSecretsExportInput {
    /// Global ids of the facilities, at most 5,000, each once.
    facility_ids: Vec<ID>,
    /// Under which a repeated request has one effect. A repeated request doesn't show the secrets again.
    idempotency_key: Option<String>,
    /// Check everything and answer the same but for the secrets, and change nothing.
    #[graphql(default)]
    #[serde(skip)]
    dry_run: bool,
}

/// What is printed on one facility's letter.
#[derive(SimpleObject)]
pub struct FacilityClaimSecret {
    /// Global id of the facility.
    facility_id: ID,
    /// Its institution code.
    code: String,
    /// Its name.
    name: String,
    /// Its postal code; empty if not known.
    postal_code: String,
    /// Its address, prefecture first; empty if not known.
    address: String,
    /// The secret, as `XXXX-XXXX-XXXX`. Shown once; null on a dry run or for a repeated request.
    secret: Option<String>,
    /// When it is over.
    expires_at: DateTime<Utc>,
}

impl From<ClaimSecret> for FacilityClaimSecret {
    fn from(letter: ClaimSecret) -> Self {
        Self {
            facility_id: NodeId::new(NodeKind::Facility, letter.facility.0).encode(),
            code: letter.code,
            name: letter.name,
            postal_code: letter.postal_code,
            address: letter.address,
            secret: letter.secret,
            expires_at: letter.expires_at,
        }
    }
}

/// Letters, or why there are none.
#[derive(SimpleObject)]
pub struct FacilityClaimSecretsPayload {
    /// One for each facility, in the order of the input; null if they were refused.
    secrets: Option<Vec<FacilityClaimSecret>>,
    /// Why they were refused; empty if they weren't.
    user_errors: Vec<UserError>,
}

/// The holder of a letter claims the facility's account.
#[derive(InputObject)]
pub struct FacilityAccountClaimInput {
    /// The institution code, present or past.
    code: String,
    /// The secret of the letter, in any case, with or without hyphens.
    #[graphql(secret)]
    secret: String,
    /// The address of the account: a new one, or one that exists.
    email: String,
    /// The password to be, or the one that the account has.
    #[graphql(secret)]
    password: String,
    /// Your name, for a new account.
    name: String,
    /// The language of mails and messages, for a new account.
    language: Option<Language>,
}

/// A login to the claimed account, or why it was not claimed.
#[derive(SimpleObject)]
pub struct FacilityAccountClaimPayload {
    /// The login; null if the claim was refused.
    session: Option<Session>,
    /// Why it was refused; empty if it wasn't.
    user_errors: Vec<UserError>,
}

/// Mutations of letters.
#[derive(Default)]
pub struct ClaimMutation;

#[Object]
impl ClaimMutation {
    /// Makes one-time secrets for letters to facilities. A new one replaces the facility's old one; each
    /// is good for 90 days.
    async fn facility_claim_secrets_export(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Which facilities.")] input: FacilityClaimSecretsExportInput,
    ) -> ApiResult<FacilityClaimSecretsPayload> {
        if input.facility_ids.len() > MOST_LETTERS {
            return Err(ApiError::bad_input(
                "LIST_TOO_LONG",
                format!("at most {MOST_LETTERS} facilities"),
            ));
        }
        let request = Request::of(context)?;
        let options = options(&input.idempotency_key, input.dry_run);
        let writer = writer(context, "facilityClaimSecretsExport", &options, &input)?;
        let facilities = input
            .facility_ids
            .iter()
            .map(|id| FacilityId(row_of(id, NodeKind::Facility)))
            .collect();
        let export = FacilityClaimSecretsExport { facilities };
        let outcome = request.auth.export_claim_secrets(&writer, &export).await;
        let (letters, user_errors) = split(context, outcome)?;
        Ok(FacilityClaimSecretsPayload {
            secrets: letters.map(|letters| letters.into_iter().map(Into::into).collect()),
            user_errors,
        })
    }

    /// Claims a facility's own account by its code and the secret of its letter, and logs in. Whoever
    /// claims it administers it.
    async fn facility_account_claim(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The letter, and who claims.")] input: FacilityAccountClaimInput,
    ) -> ApiResult<FacilityAccountClaimPayload> {
        let request = Request::of(context)?;
        let claim = FacilityAccountClaim {
            code: input.code,
            secret: input.secret,
            email: input.email,
            password: input.password,
            name: input.name,
            language: input.language,
        };
        let outcome = request
            .auth
            .claim_facility_account(request.actor, &request.origin, &claim)
            .await;
        let (claimed, user_errors) = split(context, outcome)?;
        let session = match claimed {
            Some(claimed) => Some(session(&request, claimed.session).await?),
            None => None,
        };
        Ok(FacilityAccountClaimPayload {
            session,
            user_errors,
        })
    }
}
