//! Mutations that amend the registry.

use async_graphql::{Context, ID, InputObject, Object};
use serde::Serialize;

use super::{
    payload::{FacilityPayload, facility_payload, named_event},
    query::{FacilityReference, organisation_of, resolve},
};
use crate::{
    api::{
        ApiResult, Date, WriteOptions,
        context::{caller, services, writer},
    },
    auth::{Actor, OrganisationKind},
    db::{Database, DbErr, FacilityId},
    facility::{
        FacilityKind, InstitutionCode,
        entity::Contacts,
        service::{
            AmendRow, Amendment, ContactsPatch, ReferenceRow, Registration, amend, register,
            set_references,
        },
    },
    milestone::{
        Problem,
        service::{BulkOutcome, ErrorPolicy},
    },
};

/// A facility to be registered.
#[derive(Debug, InputObject)]
pub struct FacilityRegisterInput {
    /// Institution code, ten digits with a check digit; the prefecture follows from it.
    code: String,
    /// What it is; must fit the code's fee table.
    kind: FacilityKind,
    /// Its name.
    name: String,
    /// Its name in katakana.
    #[graphql(default)]
    name_kana: String,
    /// Its postal code, such as 100-8916.
    #[graphql(default)]
    postal_code: String,
    /// Its address, prefecture first.
    #[graphql(default)]
    address: String,
    /// Its telephone number.
    #[graphql(default)]
    phone: String,
    /// Its mail address.
    email: Option<String>,
    /// Is it a public institution?
    #[graphql(default)]
    public_institution: bool,
    /// The day it opened, or will open.
    opened_on: Date,
    #[graphql(flatten)]
    options: WriteOptions,
}

/// New names and contacts of a facility; what is not given stays.
#[derive(Debug, InputObject)]
pub struct FacilityUpdateInput {
    /// Which facility.
    facility: FacilityReference,
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
    /// The version you read: refused if somebody changed it since.
    expected_version: Option<i32>,
    #[graphql(flatten)]
    options: WriteOptions,
}

/// A new institution code of a facility (承継).
#[derive(Debug, InputObject)]
pub struct FacilitySucceedInput {
    /// Which facility.
    facility: FacilityReference,
    /// The new code.
    code: String,
    /// From which day it holds.
    on: Date,
    /// The version you read: refused if somebody changed it since.
    expected_version: Option<i32>,
    #[graphql(flatten)]
    options: WriteOptions,
}

/// The closing of a facility, or taking it back.
#[derive(Debug, InputObject)]
pub struct FacilityCloseInput {
    /// Which facility.
    facility: FacilityReference,
    /// The first day on which it no longer counts; null takes a closing back that was a mistake.
    on: Option<Date>,
    /// The version you read: refused if somebody changed it since.
    expected_version: Option<i32>,
    #[graphql(flatten)]
    options: WriteOptions,
}

/// Other attributes of a facility from a day on; what is not given stays.
#[derive(Debug, InputObject)]
pub struct FacilityReclassifyInput {
    /// Which facility.
    facility: FacilityReference,
    /// What it is.
    kind: Option<FacilityKind>,
    /// Is it a public institution?
    public_institution: Option<bool>,
    /// From which day.
    on: Date,
    /// The version you read: refused if somebody changed it since.
    expected_version: Option<i32>,
    #[graphql(flatten)]
    options: WriteOptions,
}

/// To what a facility is linked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, async_graphql::Enum)]
pub enum LinkKind {
    /// The vendor it engages.
    Vendor,
    /// The chain it belongs to.
    Chain,
    /// The support contractor it is handed on to.
    SupportContractor,
    /// The corporation of its chain that owns it.
    Corporation,
    /// The area of its chain that it belongs to.
    Area,
}

impl LinkKind {
    fn organisation_kind(self) -> OrganisationKind {
        match self {
            Self::Vendor => OrganisationKind::Vendor,
            Self::Chain => OrganisationKind::Chain,
            Self::SupportContractor => OrganisationKind::SupportContractor,
            Self::Corporation => OrganisationKind::Corporation,
            Self::Area => OrganisationKind::Area,
        }
    }
}

/// A facility's vendor, chain, part of its chain or support contractor from a day on.
#[derive(Debug, InputObject)]
pub struct FacilityLinkInput {
    /// Which facility.
    facility: FacilityReference,
    /// To what.
    kind: LinkKind,
    /// The organisation; null ends the link.
    organisation_id: Option<ID>,
    /// From which day.
    on: Date,
    /// The version you read: refused if somebody changed it since.
    expected_version: Option<i32>,
    #[graphql(flatten)]
    options: WriteOptions,
}

/// A record of the registry, or a link, that was a mistake.
#[derive(Debug, InputObject)]
pub struct FacilityCorrectInput {
    /// Which facility.
    facility: FacilityReference,
    /// The entry of its timeline that was a mistake.
    event_id: ID,
    /// The right day; null if it never happened.
    on: Option<Date>,
    /// A remark kept with the record.
    note: Option<String>,
    /// The version you read: refused if somebody changed it since.
    expected_version: Option<i32>,
    #[graphql(flatten)]
    options: WriteOptions,
}

/// What your organisation's own systems call a facility.
#[derive(Debug, InputObject)]
pub struct FacilityReferenceSetInput {
    /// Which facility.
    facility: FacilityReference,
    /// Your organisation's own reference, 1 to 100 characters; null removes it.
    reference: Option<String>,
    #[graphql(flatten)]
    options: WriteOptions,
}

/// Mutations that amend the registry.
#[derive(Default)]
pub struct FacilityMutation;

#[Object]
impl FacilityMutation {
    /// Registers a facility.
    async fn facility_register(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The facility.")] input: FacilityRegisterInput,
    ) -> ApiResult<FacilityPayload> {
        let registration = Registration {
            code: input.code,
            kind: input.kind,
            contacts: Contacts {
                name: input.name,
                name_kana: input.name_kana,
                postal_code: input.postal_code,
                address: input.address,
                phone: input.phone,
                email: input.email,
            },
            public_institution: input.public_institution,
            opened_on: input.opened_on.0,
        };
        let written = async {
            let writer = writer(context, "facilityRegister", &input.options, &registration)?;
            Ok(register(&writer, &registration).await?)
        };
        end(context, written.await).await
    }

    /// Corrects a facility's names and contacts.
    async fn facility_update(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "What to correct.")] input: FacilityUpdateInput,
    ) -> ApiResult<FacilityPayload> {
        let amendment = Amendment::Contacts(ContactsPatch {
            name: input.name,
            name_kana: input.name_kana,
            postal_code: input.postal_code,
            address: input.address,
            phone: input.phone,
            email: input.email,
        });
        let request = (input.facility, input.expected_version, amendment);
        run(context, request, input.options).await
    }

    /// Gives a facility a new institution code (承継). It stays findable by every code it had.
    async fn facility_succeed(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The new code.")] input: FacilitySucceedInput,
    ) -> ApiResult<FacilityPayload> {
        let amendment = Amendment::Succeed {
            code: input.code,
            on: input.on.0,
        };
        let request = (input.facility, input.expected_version, amendment);
        run(context, request, input.options).await
    }

    /// Closes a facility, or takes a closing back.
    async fn facility_close(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The closing.")] input: FacilityCloseInput,
    ) -> ApiResult<FacilityPayload> {
        let amendment = match input.on {
            Some(on) => Amendment::Close { on: on.0 },
            None => Amendment::Reopen,
        };
        let request = (input.facility, input.expected_version, amendment);
        run(context, request, input.options).await
    }

    /// Changes what a facility is, from a day on.
    async fn facility_reclassify(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "What it is.")] input: FacilityReclassifyInput,
    ) -> ApiResult<FacilityPayload> {
        let amendment = Amendment::Reclassify {
            kind: input.kind,
            public_institution: input.public_institution,
            on: input.on.0,
        };
        let request = (input.facility, input.expected_version, amendment);
        run(context, request, input.options).await
    }

    /// Sets a facility's vendor, chain, corporation or area of its chain, or support contractor from a day on; figures of
    /// earlier days keep the one it had then. Another vendor ends what the last one handed on to a support contractor,
    /// another chain what belonged to a part of the last one. A vendor hands on from its own engagement on; which part a
    /// store belongs to is for its head office to say.
    async fn facility_link(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The link.")] input: FacilityLinkInput,
    ) -> ApiResult<FacilityPayload> {
        let amendment = linked(input.kind, input.organisation_id.as_ref(), input.on);
        let request = (input.facility, input.expected_version, amendment);
        run(context, request, input.options).await
    }

    /// Corrects a record that was a mistake: it is voided, and perhaps replaced by the same on another day. Takes
    /// openings, closings, kinds, public institutions and links; for milestones see `milestoneCorrect`. An opening that
    /// was earlier takes along the kind and the prefecture of the first day. Figures as known before stay as they were.
    async fn facility_correct(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The correction.")] input: FacilityCorrectInput,
    ) -> ApiResult<FacilityPayload> {
        let amendment = Amendment::Correct {
            event: named_event(&input.event_id),
            on: input.on.map(|day| day.0),
            note: input.note,
        };
        let request = (input.facility, input.expected_version, amendment);
        run(context, request, input.options).await
    }

    /// Sets what your organisation's own systems call a facility. Nobody else sees it, and the facility's version
    /// stays.
    async fn facility_reference_set(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The reference.")] input: FacilityReferenceSetInput,
    ) -> ApiResult<FacilityPayload> {
        let row = (input.facility, input.reference);
        let policy = ErrorPolicy::RejectAll;
        let options = &input.options;
        let written = set(context, "facilityReferenceSet", vec![row], policy, options).await;
        facility_payload(context, written).await
    }
}

/// Wakes the background and tells what became of a write.
async fn end(context: &Context<'_>, written: ApiResult<BulkOutcome>) -> ApiResult<FacilityPayload> {
    services(context)?.written.notify_one();
    facility_payload(context, written).await
}

/// The facilities that a write names, each or why there is none: a slip of typing is told from a code that nobody has,
/// or nobody whom the actor can see.
pub async fn named_facilities(
    database: &Database,
    actor: &Actor,
    references: &[FacilityReference],
) -> Result<Vec<Result<FacilityId, Problem>>, DbErr> {
    let found = resolve(database, actor, references).await?;
    Ok(references
        .iter()
        .zip(found)
        .map(|(reference, found)| found.ok_or_else(|| unfound(reference)))
        .collect())
}

fn unfound(reference: &FacilityReference) -> Problem {
    match reference {
        FacilityReference::Code(code) => InstitutionCode::parse(code)
            .map_or_else(Problem::BadFacilityCode, |_| Problem::NotFound),
        FacilityReference::Id(_) | FacilityReference::Reference(_) => Problem::NotFound,
    }
}

pub(super) fn linked(kind: LinkKind, organisation: Option<&ID>, on: Date) -> Amendment {
    Amendment::Link {
        kind: kind.organisation_kind(),
        // An id of another type names no organisation: the service says so by the input's path.
        organisation: organisation.map(organisation_of),
        on: on.0,
    }
}

pub(super) type NamedAmendment = (FacilityReference, Option<i32>, Result<Amendment, Problem>);

async fn run(
    context: &Context<'_>,
    request: (FacilityReference, Option<i32>, Amendment),
    options: WriteOptions,
) -> ApiResult<FacilityPayload> {
    let operation = request.2.operation();
    let (facility, expected_version, amendment) = request;
    let row = (facility, expected_version, Ok(amendment));
    let policy = ErrorPolicy::RejectAll;
    let written = write(context, operation, vec![row], policy, &options).await;
    facility_payload(context, written).await
}

pub(super) async fn write(
    context: &Context<'_>,
    operation: &'static str,
    rows: Vec<NamedAmendment>,
    policy: ErrorPolicy,
    options: &WriteOptions,
) -> ApiResult<BulkOutcome> {
    let writer = writer(context, operation, options, &(&rows, policy))?;
    let (references, amendments): (Vec<_>, Vec<_>) = rows
        .into_iter()
        .map(|(reference, version, amendment)| (reference, (version, amendment)))
        .unzip();
    let services = services(context)?;
    let actor = &caller(context)?.actor;
    let found = named_facilities(&services.database, actor, &references).await?;
    let rows: Vec<AmendRow> = found
        .into_iter()
        .zip(amendments)
        .map(|(facility, (expected_version, amendment))| AmendRow {
            facility,
            amendment,
            expected_version,
        })
        .collect();
    let outcome = amend(&writer, operation, &rows, policy).await?;
    services.written.notify_one();
    Ok(outcome)
}

pub(super) async fn set(
    context: &Context<'_>,
    operation: &'static str,
    rows: Vec<(FacilityReference, Option<String>)>,
    policy: ErrorPolicy,
    options: &WriteOptions,
) -> ApiResult<BulkOutcome> {
    let writer = writer(context, operation, options, &(&rows, policy))?;
    let (references, texts): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
    let services = services(context)?;
    let actor = &caller(context)?.actor;
    let found = named_facilities(&services.database, actor, &references).await?;
    let rows: Vec<ReferenceRow> = found
        .into_iter()
        .zip(texts)
        .map(|(facility, reference)| ReferenceRow {
            facility,
            reference,
        })
        .collect();
    let outcome = set_references(&writer, operation, &rows, policy).await?;
    services.written.notify_one();
    Ok(outcome)
}
