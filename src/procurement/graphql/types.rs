//! The type `Application` and what belongs to it. A page is fetched with everything that the query selects, a statement
//! for each table.

use std::collections::HashMap;

use async_graphql::{ComplexObject, Context, ID, Lookahead, SimpleObject};
use chrono::{DateTime, Utc};

use super::explained::{Expiry, explained};
use crate::{
    api::{
        ApiResult, Date, NodeId, UserError, UserErrorCode,
        context::{caller, services},
        node_id::NodeKind,
    },
    auth::{Actor, Permission},
    db::FacilityId,
    facility::graphql::{
        Facility, OrganisationSummary, Selected, facilities_by_id, summary, user_error,
    },
    procurement::{
        ApplicationId, ApplicationKind, ApplicationProblem, ApplicationStatus, ApplicationStep,
        entity::{self, ApplicationRow},
    },
    supply::graphql::{HardwareModel, models_by_id},
};

/// An application (申込・申請): for card readers, for the use of the service, or for the certificate of the terminal.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex)]
pub struct Application {
    #[graphql(skip)]
    id: ID,
    /// Whose.
    facility: Option<Facility>,
    /// What is applied for.
    kind: ApplicationKind,
    /// How far it has come.
    status: ApplicationStatus,
    /// Since which day.
    since: Date,
    /// Where it stands and what comes next, in your language: what one would otherwise call to ask.
    explanation: String,
    /// On which day it arrived.
    received_on: Date,
    /// Until which day the certificate is valid that was issued last.
    expires_on: Option<Date>,
    /// The certificate expires within 60 days, or has.
    expiring: bool,
    /// Which readers, and how many.
    lines: Vec<ApplicationLine>,
    /// What happened to it, in the order of recording; what was undone is not among it.
    steps: Vec<ApplicationStepTaken>,
    /// In whose name it was filed.
    organisation: Option<OrganisationSummary>,
    /// When it was filed here.
    recorded_at: DateTime<Utc>,
    /// Counts up with every change: give it as `expectedVersion` to change only what you read.
    version: i32,
}

/// So many readers of a model.
#[derive(Clone, Debug, SimpleObject)]
pub struct ApplicationLine {
    /// Which model.
    model: Option<HardwareModel>,
    /// How many of them free of charge.
    free_quantity: i32,
    /// How many of them are bought.
    bought_quantity: i32,
}

/// Something that happened to an application.
#[derive(Clone, Debug, SimpleObject)]
pub struct ApplicationStepTaken {
    /// What.
    step: ApplicationStep,
    /// On which day.
    on: Date,
    /// Until which day a certificate is valid that was issued by it.
    expires_on: Option<Date>,
}

#[ComplexObject]
impl Application {
    /// Global id.
    pub async fn id(&self) -> ID {
        self.id.clone()
    }
}

/// What a query selects of an application.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted {
    facility: Option<Selected>,
    lines: bool,
    models: bool,
    steps: bool,
}

impl Wanted {
    /// From the selection set of an application.
    pub fn of(application: &Lookahead<'_>) -> Self {
        let facility = application.field("facility");
        let lines = application.field("lines");
        Self {
            facility: facility.exists().then(|| Selected::of(&facility)),
            lines: lines.exists(),
            models: lines.field("model").exists(),
            steps: application.field("steps").exists(),
        }
    }

    /// What either selects.
    #[must_use]
    pub fn or(mut self, other: Self) -> Self {
        self.facility = Selected::either(self.facility, other.facility);
        self.lines |= other.lines;
        self.models |= other.models;
        self.steps |= other.steps;
        self
    }
}

/// Completes applications with what stands in other tables.
pub async fn complete(
    context: &Context<'_>,
    rows: Vec<ApplicationRow>,
    wanted: Wanted,
) -> ApiResult<Vec<Application>> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let services = services(context)?;
    let actor = &caller(context)?.actor;
    let database = &services.database;
    let ids: Vec<ApplicationId> = rows.iter().map(|row| row.application.id).collect();
    let facilities = match wanted.facility {
        Some(selected) => {
            let mut ids: Vec<FacilityId> =
                rows.iter().map(|row| row.application.facility).collect();
            ids.sort_unstable();
            ids.dedup();
            facilities_by_id(services, actor, &ids, selected).await?
        }
        None => HashMap::new(),
    };
    let (mut lines, mut models) = (HashMap::new(), HashMap::new());
    if wanted.lines {
        lines = entity::lines(database, database.read(), &ids).await?;
    }
    if wanted.models {
        let mut named: Vec<i64> = lines.values().flatten().map(|line| line.model.0).collect();
        named.sort_unstable();
        named.dedup();
        models = models_by_id(context, &named).await?;
    }
    let mut steps = HashMap::new();
    if wanted.steps {
        steps = entity::steps(database, database.read(), &ids).await?;
    }
    let today = services.clock.today();
    let told = |row: ApplicationRow| {
        let ApplicationRow {
            application,
            recorded_at,
            organisation,
            replaced,
        } = row;
        let standing = application.standing;
        // A certificate in whose place there is another expires unnoticed.
        let told_on = (!replaced).then_some(today);
        let lines = lines.remove(&application.id).unwrap_or_default();
        let steps = steps.remove(&application.id).unwrap_or_default();
        Application {
            id: NodeId::new(NodeKind::Application, application.id.0).encode(),
            facility: facilities.get(&application.facility).cloned(),
            kind: application.kind,
            status: standing.status,
            since: Date(standing.since),
            explanation: explained(application.kind, &standing, told_on, actor.language),
            received_on: Date(application.received_on),
            expires_on: standing.expires_on.map(Date),
            expiring: told_on.is_some_and(|today| Expiry::of(&standing, today).is_some()),
            lines: lines
                .into_iter()
                .map(|line| ApplicationLine {
                    model: models.get(&line.model.0).cloned(),
                    free_quantity: line.free,
                    bought_quantity: line.bought,
                })
                .collect(),
            steps: steps
                .into_iter()
                .map(|step| ApplicationStepTaken {
                    step: step.step,
                    on: Date(step.on),
                    expires_on: step.expires_on.map(Date),
                })
                .collect(),
            organisation: organisation.as_ref().map(summary),
            recorded_at,
            version: application.version,
        }
    };
    Ok(rows.into_iter().map(told).collect())
}

/// Those of some applications that the caller can see, by their rows.
pub async fn applications_by_id(
    context: &Context<'_>,
    ids: &[i64],
) -> ApiResult<HashMap<i64, Application>> {
    let wanted = Wanted::of(&context.look_ahead());
    by_id(context, ids, wanted).await
}

/// As [`applications_by_id`], where what is wanted is known.
pub async fn by_id(
    context: &Context<'_>,
    ids: &[i64],
    wanted: Wanted,
) -> ApiResult<HashMap<i64, Application>> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let scope = caller(context)?.actor.scope(Permission::FacilityRead);
    let rows = entity::find(&services(context)?.database, &scope, ids).await?;
    let keys: Vec<i64> = rows.iter().map(|row| row.application.id.0).collect();
    let applications = complete(context, rows, wanted).await?;
    Ok(keys.into_iter().zip(applications).collect())
}

/// A problem as a user error at a path.
pub fn told(problem: &ApplicationProblem, actor: &Actor, path: &[&str]) -> UserError {
    use ApplicationProblem as P;
    use UserErrorCode as Code;
    let line =
        |line: &usize, field: &str| vec!["lines".to_owned(), line.to_string(), field.to_owned()];
    let at = |field: &str| vec![field.to_owned()];
    let (code, field) = match problem {
        P::Facility(problem) => {
            let mut error = user_error(problem, actor, path);
            // What is in the way is a milestone, and what names it is the facility.
            if let Some(field) = error.path.last_mut().filter(|field| *field == "milestone") {
                *field = "facility".to_owned();
            }
            return error;
        }
        P::NoApplication => (Code::NoApplication, at("kind")),
        P::UnderWay => (Code::AlreadyOpen, at("kind")),
        P::NotNow { .. } => (Code::NotWhile, at("step")),
        P::BeforeLast { .. } => (Code::DateOutOfOrder, at("on")),
        P::StaleVersion { .. } => (Code::StaleVersion, at("expectedVersion")),
        P::MissingLines => (Code::Missing, at("lines")),
        P::NoLines | P::TooManyLines { .. } => (Code::OutOfRange, at("lines")),
        P::BadExpiry => (Code::DateOutOfOrder, at("expiresOn")),
        P::ModelDoesNotFit { line: position } => {
            (Code::HardwareDoesNotFit, line(position, "modelId"))
        }
        P::Discontinued { line: position, .. } => {
            (Code::HardwareDiscontinued, line(position, "modelId"))
        }
        P::DoubledModel { line: position } => (Code::DuplicateRow, line(position, "modelId")),
        P::BadQuantity {
            line: position,
            bought,
            ..
        } => {
            let field = if *bought {
                "boughtQuantity"
            } else {
                "freeQuantity"
            };
            (Code::OutOfRange, line(position, field))
        }
        P::TooManyFree { .. } => (Code::TooManyFreeReaders, at("lines")),
        P::DuplicateRow { .. } => (Code::DuplicateRow, Vec::new()),
    };
    let path = path.iter().copied().map(str::to_owned);
    UserError {
        code,
        path: path.chain(field).collect(),
        message: problem.message(actor.language),
    }
}
