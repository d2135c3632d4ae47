//! Creating organisations.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use serde::Serialize;

use super::{
    answer::{Request, organisation_id, split},
    member::options,
    query::organisation_by_id,
    types::Organisation,
};
use crate::{
    api::{ApiResult, UserError, context::writer},
    auth::{
        OrganisationKind,
        service::{OrganisationCreate, Written},
    },
    facility::Bureau,
};

/// A vendor, a chain … joins the rollout.
#[derive(InputObject, Serialize)]
pub struct OrganisationCreateInput {
    /// What it is. A facility's own account is claimed by its letter, not created.
    kind: OrganisationKind,
    /// Its name.
    name: String,
    /// Its name in kana.
    name_kana: String,
    /// Which regional bureau it is; needed for one, and for nothing else.
    bureau: Option<Bureau>,
    /// The chain whose part it is; needed for a corporation or an area, and for nothing else.
    parent_id: Option<ID>,
    /// Under which a repeated request has one effect.
    idempotency_key: Option<String>,
    /// Check everything and answer the same, but change nothing.
    #[graphql(default)]
    #[serde(skip)]
    dry_run: bool,
}

/// An organisation, or why there is none.
#[derive(SimpleObject)]
pub struct OrganisationPayload {
    /// The organisation; null if it was refused.
    organisation: Option<Organisation>,
    /// Why it was refused; empty if it wasn't.
    user_errors: Vec<UserError>,
}

/// Mutations of organisations.
#[derive(Default)]
pub struct OrganisationMutation;

#[Object]
impl OrganisationMutation {
    /// Creates an organisation, still without members: invite its first administrator next. The administrators of a chain
    /// create the corporations and areas that are its parts.
    async fn organisation_create(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The organisation.")] input: OrganisationCreateInput,
    ) -> ApiResult<OrganisationPayload> {
        let request = Request::of(context)?;
        let options = options(&input.idempotency_key, input.dry_run);
        let writer = writer(context, "organisationCreate", &options, &input)?;
        let create = OrganisationCreate {
            kind: input.kind,
            name: input.name,
            name_kana: input.name_kana,
            bureau: input.bureau,
            // An id of another type is none's.
            parent: input.parent_id.as_ref().map(organisation_id),
        };
        let outcome = request.auth.create_organisation(&writer, &create).await;
        let (written, user_errors) = split(context, outcome)?;
        let organisation = match written {
            Some(Written {
                fresh: Some(organisation),
                ..
            }) => Some(organisation.into()),
            Some(Written { key, fresh: None }) => organisation_by_id(context, key).await?,
            None => None,
        };
        Ok(OrganisationPayload {
            organisation,
            user_errors,
        })
    }
}
