//! Mutations that amend thousands of facilities at once.

use async_graphql::{Context, ID, InputObject, Object};

use super::{
    mutation::{LinkKind, NamedAmendment, linked, set, write},
    payload::{FacilityBulkPayload, bulk_payload, check_row_count, named_event, renamed},
    query::FacilityReference,
};
use crate::{
    api::{ApiResult, Date, WriteOptions},
    facility::{
        FacilityKind,
        service::{Amendment, ContactsPatch},
    },
    milestone::{Problem, service::ErrorPolicy},
};

/// What a row of a bulk write amends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, async_graphql::Enum)]
pub enum FacilityAction {
    /// Names and contacts, by `contacts`.
    Update,
    /// A vendor, chain or support contractor, by `link`, from `on`.
    Link,
    /// What it is, by `classification`, from `on`.
    Reclassify,
    /// The new institution code `code` (承継), from `on`.
    Succeed,
    /// It is closed from `on`; without it, the closing was a mistake.
    Close,
    /// The record `eventId` was a mistake: it happened `on` another day or, without it, never.
    Correct,
}

/// New names and contacts; what is not given stays.
#[derive(Debug, InputObject)]
pub struct ContactsInput {
    /// Its name.
    name: Option<String>,
    /// Its name in katakana.
    name_kana: Option<String>,
    /// Its postal code.
    postal_code: Option<String>,
    /// Its address.
    address: Option<String>,
    /// Its telephone number.
    phone: Option<String>,
    /// Its mail address; an empty text removes it.
    email: Option<String>,
}

/// To whom a facility is linked.
#[derive(Debug, InputObject)]
pub struct LinkInput {
    /// To what.
    kind: LinkKind,
    /// The organisation; null ends the link.
    organisation_id: Option<ID>,
}

/// Other attributes; what is not given stays.
#[derive(Debug, InputObject)]
pub struct ClassificationInput {
    /// What it is.
    kind: Option<FacilityKind>,
    /// Is it a public institution?
    public_institution: Option<bool>,
}

/// One row of a bulk write.
#[derive(Debug, InputObject)]
pub struct FacilityRowInput {
    /// Which facility.
    facility: FacilityReference,
    /// What to amend.
    action: FacilityAction,
    /// UPDATE: what to correct.
    contacts: Option<ContactsInput>,
    /// LINK: to whom.
    link: Option<LinkInput>,
    /// RECLASSIFY: what it is.
    classification: Option<ClassificationInput>,
    /// SUCCEED: the new code.
    code: Option<String>,
    /// CORRECT: the entry of the facility's timeline that was a mistake.
    event_id: Option<ID>,
    /// The civil day (JST).
    on: Option<Date>,
    /// CORRECT: a remark kept with the record.
    note: Option<String>,
    /// The version you read: refused if somebody changed it since.
    expected_version: Option<i32>,
}

/// Up to 5,000 amendments in one request.
#[derive(Debug, InputObject)]
pub struct FacilityBulkAmendInput {
    /// The rows, answered in this order.
    rows: Vec<FacilityRowInput>,
    /// What becomes of the request if some rows fail.
    #[graphql(default_with = "ErrorPolicy::RejectAll")]
    error_policy: ErrorPolicy,
    // Written out: to flatten them copies the rows.
    /// Under which a repeated request has one effect.
    idempotency_key: Option<String>,
    /// Check everything and answer the same, but change nothing.
    #[graphql(default)]
    dry_run: bool,
    /// Why, kept with the change.
    reason: Option<String>,
}

/// One row of references.
#[derive(Debug, InputObject)]
pub struct ReferenceRowInput {
    /// Which facility.
    facility: FacilityReference,
    /// Your organisation's own reference, 1 to 100 characters; null removes it.
    reference: Option<String>,
}

/// Up to 5,000 references in one request.
#[derive(Debug, InputObject)]
pub struct FacilityBulkReferenceSetInput {
    /// The rows, done and answered in this order: what a row frees the next may take.
    rows: Vec<ReferenceRowInput>,
    /// What becomes of the request if some rows fail.
    #[graphql(default_with = "ErrorPolicy::RejectAll")]
    error_policy: ErrorPolicy,
    // Written out: to flatten them copies the rows.
    /// Under which a repeated request has one effect.
    idempotency_key: Option<String>,
    /// Check everything and answer the same, but change nothing.
    #[graphql(default)]
    dry_run: bool,
    /// Why, kept with the change.
    reason: Option<String>,
}

/// Mutations that amend thousands of facilities at once.
#[derive(Default)]
pub struct FacilityBulkMutation;

#[Object]
impl FacilityBulkMutation {
    /// Amends up to 5,000 facilities in one change, and answers row by row: names and contacts, links, and to those who
    /// keep the registry whatever is amended singly.
    async fn facility_bulk_amend(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The rows.")] input: FacilityBulkAmendInput,
    ) -> ApiResult<FacilityBulkPayload> {
        check_row_count(input.rows.len())?;
        let options = WriteOptions {
            idempotency_key: input.idempotency_key,
            dry_run: input.dry_run,
            reason: input.reason,
        };
        let rows = input.rows.into_iter().map(named_amendment).collect();
        let policy = input.error_policy;
        let written = write(context, "facilityBulkAmend", rows, policy, &options).await;
        let payload = bulk_payload(context, written).await?;
        let names: [(&str, &[&str]); 2] = [
            ("organisationId", &["link", "organisationId"]),
            ("kind", &["classification", "kind"]),
        ];
        Ok(renamed(payload, &names))
    }

    /// Sets what your organisation's own systems call up to 5,000 facilities, and answers row by row. The facilities'
    /// versions stay.
    async fn facility_bulk_reference_set(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The rows.")] input: FacilityBulkReferenceSetInput,
    ) -> ApiResult<FacilityBulkPayload> {
        check_row_count(input.rows.len())?;
        let options = WriteOptions {
            idempotency_key: input.idempotency_key,
            dry_run: input.dry_run,
            reason: input.reason,
        };
        let rows = input.rows.into_iter();
        let rows = rows.map(|row| (row.facility, row.reference)).collect();
        let policy = input.error_policy;
        let written = set(context, "facilityBulkReferenceSet", rows, policy, &options).await;
        bulk_payload(context, written).await
    }
}

fn named_amendment(row: FacilityRowInput) -> NamedAmendment {
    let amendment = amendment(&row);
    (row.facility, row.expected_version, amendment)
}

fn amendment(row: &FacilityRowInput) -> Result<Amendment, Problem> {
    let day = row.on.ok_or(Problem::MissingDate);
    let missing = Problem::MissingValue;
    Ok(match row.action {
        FacilityAction::Update => {
            let contacts = row.contacts.as_ref().ok_or(missing)?;
            Amendment::Contacts(ContactsPatch {
                name: contacts.name.clone(),
                name_kana: contacts.name_kana.clone(),
                postal_code: contacts.postal_code.clone(),
                address: contacts.address.clone(),
                phone: contacts.phone.clone(),
                email: contacts.email.clone(),
            })
        }
        FacilityAction::Link => {
            let link = row.link.as_ref().ok_or(missing)?;
            linked(link.kind, link.organisation_id.as_ref(), day?)
        }
        FacilityAction::Reclassify => {
            let class = row.classification.as_ref();
            let class = class.ok_or(missing)?;
            Amendment::Reclassify {
                kind: class.kind,
                public_institution: class.public_institution,
                on: day?.0,
            }
        }
        FacilityAction::Succeed => Amendment::Succeed {
            code: row.code.clone().ok_or(missing)?,
            on: day?.0,
        },
        FacilityAction::Close => row
            .on
            .map_or(Amendment::Reopen, |on| Amendment::Close { on: on.0 }),
        FacilityAction::Correct => Amendment::Correct {
            event: row
                .event_id
                .as_ref()
                .map(named_event)
                .ok_or(Problem::MissingEvent)?,
            on: row.on.map(|on| on.0),
            note: row.note.clone(),
        },
    })
}
