//! The catalogue in the API.

use std::collections::HashMap;

use async_graphql::{
    ComplexObject, Context, ID, InputObject, Object, SimpleObject,
    connection::{Connection, Edge},
};

use super::{
    HardwareClass, LineType, Model, ModelEntry, ModelId, SupplyProblem,
    entity::{self, Cursor, ListQuery},
    service::{self, Outcome, SaveRequest},
};
use crate::{
    api::{
        ApiError, ApiResult, Date, NodeId, PageArguments, UserError, UserErrorCode, WriteOptions,
        context::{caller, services, writer},
        node_id::NodeKind,
        page::{Fingerprint, bad_cursor},
    },
    facility::{
        FacilityKind,
        graphql::{OrganisationSummary, organisation_id, organisation_of, summary, user_errors},
    },
};

/// A model of a reader, a PC or a router, as everybody may read it.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex)]
pub struct HardwareModel {
    #[graphql(skip)]
    id: ID,
    /// Who makes or supplies it.
    supplier: OrganisationSummary,
    /// What it is.
    class: HardwareClass,
    /// Its name.
    name: String,
    /// Its maker's number.
    number: String,
    /// The kinds of facility that it is made for.
    kinds: Vec<FacilityKind>,
    /// The lines that it goes with; empty for a reader, which has none.
    lines: Vec<LineType>,
    /// Global ids of the readers that a PC goes with; empty for any other hardware.
    reader_ids: Vec<ID>,
    /// The day from which it is no longer made; null while it is.
    discontinued_on: Option<Date>,
    /// Counts up with every change: the `expectedVersion` of the next.
    version: i32,
}

#[ComplexObject]
impl HardwareModel {
    /// Global id.
    pub async fn id(&self) -> ID {
        self.id.clone()
    }
}

fn model_id(id: ModelId) -> ID {
    NodeId::new(NodeKind::HardwareModel, id.0).encode()
}

impl From<Model> for HardwareModel {
    fn from(model: Model) -> Self {
        let entry = model.entry;
        Self {
            id: model_id(model.id),
            supplier: summary(&model.supplier),
            class: entry.class,
            name: entry.name,
            number: entry.number,
            kinds: entry.kinds,
            lines: entry.lines,
            reader_ids: entry.readers.into_iter().map(model_id).collect(),
            discontinued_on: entry.discontinued_on.map(Date),
            version: model.version,
        }
    }
}

/// How many a list of models has.
#[derive(Clone, Copy, Debug, SimpleObject)]
pub struct HardwareModelTotal {
    /// How many models the list has.
    total_count: i64,
}

/// A page of the catalogue.
pub type HardwareModelConnection = Connection<String, HardwareModel, HardwareModelTotal>;

/// Which models to list; all conditions must hold.
#[derive(Clone, Debug, Default, InputObject)]
pub struct HardwareModelFilter {
    /// Of any of these classes.
    #[graphql(default)]
    classes: Vec<HardwareClass>,
    /// Of this supplier.
    supplier_id: Option<ID>,
    /// Made for this kind of facility.
    kind: Option<FacilityKind>,
    /// Goes with this line.
    line: Option<LineType>,
    /// A PC that goes with this reader.
    reader_id: Option<ID>,
    /// Still made today, or no longer; both if not given.
    made: Option<bool>,
}

/// What is to be said of a model.
#[derive(Debug, InputObject)]
pub struct HardwareModelSaveInput {
    /// Global id of the model; a new one if not given.
    id: Option<ID>,
    /// Global id of the supplier of a new one.
    supplier_id: Option<ID>,
    /// What it is. A model stays what it is.
    class: HardwareClass,
    /// Its name, 1 to 100 characters.
    name: String,
    /// Its maker's number, 1 to 60 characters.
    number: String,
    /// The kinds of facility that it is made for, one at least.
    kinds: Vec<FacilityKind>,
    /// The lines that it goes with: one at least for a PC or router, none for a reader.
    #[graphql(default)]
    lines: Vec<LineType>,
    /// Global ids of the readers that a PC goes with.
    #[graphql(default)]
    reader_ids: Vec<ID>,
    /// The day from which it is no longer made.
    discontinued_on: Option<Date>,
    /// The version that you read, where one is changed.
    expected_version: Option<i32>,
    #[graphql(flatten)]
    options: WriteOptions,
}

/// A model, or why its entry was not written.
#[derive(Debug, SimpleObject)]
pub struct HardwareModelPayload {
    /// The model as it is now; null if there is none.
    hardware_model: Option<HardwareModel>,
    /// Why it was refused; empty if it wasn't.
    user_errors: Vec<UserError>,
}

/// Queries over the catalogue.
#[derive(Default)]
pub struct SupplyQuery;

#[Object]
impl SupplyQuery {
    /// The catalogue of readers, PCs and routers, in the order of classes and names; without an account too. Give `first`
    /// or `last`.
    async fn hardware_models(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Which.")] filter: Option<HardwareModelFilter>,
        #[graphql(desc = "How many, from `after`; at most 100.")] first: Option<i32>,
        #[graphql(desc = "The cursor after which to begin.")] after: Option<String>,
        #[graphql(desc = "How many, up to `before`; at most 100.")] last: Option<i32>,
        #[graphql(desc = "The cursor before which to end.")] before: Option<String>,
    ) -> ApiResult<HardwareModelConnection> {
        let filter = filter.unwrap_or_default();
        let fingerprint = Fingerprint::of(&filter);
        let arguments = PageArguments {
            after,
            before,
            first,
            last,
        };
        let page = arguments.check(&fingerprint)?;
        let from = page.from.as_deref().map(read_cursor).transpose()?;
        let services = services(context)?;
        let today = services.clock.today();
        let reader = filter.reader_id.as_ref().map(named_model);
        let list = ListQuery {
            classes: filter.classes,
            supplier: filter
                .supplier_id
                .as_ref()
                .map(organisation_id)
                .transpose()?,
            kind: filter.kind,
            line: filter.line,
            reader: reader.transpose()?,
            made_on: filter.made.map(|made| (today, made)),
        };
        let database = &services.database;
        let (backwards, most) = (page.backwards, page.most());
        let models = entity::list(database, &list, from.as_ref(), backwards, most).await?;
        let (models, previous, next) = page.cut(models);
        let total_count = if context.look_ahead().field("totalCount").exists() {
            entity::count(database, &list).await?
        } else {
            0
        };
        let total = HardwareModelTotal { total_count };
        let mut connection = Connection::with_additional_fields(previous, next, total);
        connection.edges = models
            .into_iter()
            .map(|model| Edge::new(fingerprint.cursor(&cursor(&model)), model.into()))
            .collect();
        Ok(connection)
    }
}

fn cursor(model: &Model) -> [String; 3] {
    [
        model.entry.class.code().to_string(),
        model.entry.name.clone(),
        model.id.0.to_string(),
    ]
}

fn read_cursor(parts: &[String]) -> ApiResult<Cursor> {
    let [class, name, id] = parts else {
        return Err(bad_cursor());
    };
    Ok(Cursor {
        class: class.parse().map_err(|_| bad_cursor())?,
        name: name.clone(),
        id: id.parse().map_err(|_| bad_cursor())?,
    })
}

/// Mutations of the catalogue.
#[derive(Default)]
pub struct SupplyMutation;

#[Object]
impl SupplyMutation {
    /// Writes what the catalogue says of a model, or adds one. Suppliers keep their own, staff everyone's.
    async fn hardware_model_save(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "What to say.")] input: HardwareModelSaveInput,
    ) -> ApiResult<HardwareModelPayload> {
        // An id of another type names nothing: the service says so.
        let row = |id: &ID| ModelId(NodeId::row_of(id, NodeKind::HardwareModel).unwrap_or(0));
        let supplier = input.supplier_id.unwrap_or_default();
        let request = SaveRequest {
            id: input.id.as_ref().map(row),
            supplier: organisation_of(&supplier),
            entry: ModelEntry {
                class: input.class,
                name: input.name,
                number: input.number,
                kinds: input.kinds,
                lines: input.lines,
                readers: input.reader_ids.iter().map(row).collect(),
                discontinued_on: input.discontinued_on.map(|day| day.0),
            },
            expected_version: input.expected_version,
        };
        let written = async {
            let writer = writer(context, "hardwareModelSave", &input.options, &request)?;
            ApiResult::Ok(service::save(&writer, &request).await?)
        };
        let written = written.await;
        services(context)?.written.notify_one();
        payload(context, written).await
    }
}

async fn payload(
    context: &Context<'_>,
    written: ApiResult<Outcome>,
) -> ApiResult<HardwareModelPayload> {
    let actor = &caller(context)?.actor;
    let outcome = match written {
        Err(ApiError::Refused(problems)) => {
            return Ok(HardwareModelPayload {
                hardware_model: None,
                user_errors: user_errors(&problems, actor, &["input"]),
            });
        }
        written => written?,
    };
    let ids: Vec<i64> = outcome.model.iter().map(|id| id.0).collect();
    let told = |(field, problem): (String, SupplyProblem)| UserError {
        code: code_of(&problem),
        path: vec!["input".to_owned(), field],
        message: problem.message(actor.language),
    };
    Ok(HardwareModelPayload {
        hardware_model: models_by_id(context, &ids).await?.into_values().next(),
        user_errors: outcome.problems.into_iter().map(told).collect(),
    })
}

fn code_of(problem: &SupplyProblem) -> UserErrorCode {
    use SupplyProblem as P;
    use UserErrorCode as Code;
    match problem {
        P::NotFound => Code::NotFound,
        P::UnknownSupplier => Code::UnknownOrganisation,
        P::Forbidden => Code::Forbidden,
        P::StaleVersion { .. } => Code::StaleVersion,
        P::BadText { .. } => Code::InvalidText,
        P::NumberTaken => Code::Taken,
        P::Missing => Code::Missing,
        P::NotOfItsClass | P::NoReader | P::ClassStays => Code::HardwareDoesNotFit,
        P::TooMany { .. } => Code::OutOfRange,
    }
}

/// A global id that must be a model's.
pub fn named_model(id: &ID) -> ApiResult<ModelId> {
    NodeId::row_of(id, NodeKind::HardwareModel)
        .map(ModelId)
        .ok_or_else(|| ApiError::bad_input("BAD_ID", "this is no id of a model"))
}

/// Models by their rows.
pub async fn models_by_id(
    context: &Context<'_>,
    ids: &[i64],
) -> ApiResult<HashMap<i64, HardwareModel>> {
    let database = &services(context)?.database;
    let ids: Vec<ModelId> = ids.iter().copied().map(ModelId).collect();
    let found = entity::find(database, database.read(), &ids).await?;
    Ok(found
        .into_iter()
        .map(|model| (model.id.0, model.into()))
        .collect())
}
