//! Keeping filters, and what is next.

use serde::{Deserialize, Serialize};

use super::{
    NextStep, NextStepReason, SavedFilter, SavedFilterId, WorklistProblem as Problem,
    entity::{self, Kept, StepPosition, StepQuery, Which},
    last_business_day, week_ends,
};
use crate::{
    app::Services,
    auth::{Actor, Permission, Role, input::checked_text},
    change::{WriteError, Writer},
    db::{DbErr, OrganisationId, Transaction, is_unique_violation},
    milestone::{Milestone, authority::may_record},
};

/// Longest name, in characters.
const MOST_NAME: usize = 100;
/// Most filters that one person keeps.
const MOST_FILTERS: i64 = 200;

/// What is looked for on behalf of an actor: promises of what its organisations may record, or of everything for those who
/// only look on.
fn wanted(services: &Services, actor: &Actor) -> StepQuery {
    let today = services.clock.today();
    let is_theirs = |milestone: &Milestone| {
        actor
            .grants_with(Permission::FacilityRead)
            .any(|grant| may_record(grant.kind, *milestone))
    };
    let mut milestones: Vec<Milestone> = Milestone::ALL.into_iter().filter(is_theirs).collect();
    if milestones.is_empty() {
        milestones = Milestone::ALL.to_vec();
    }
    StepQuery {
        milestones,
        today,
        week_ends: week_ends(today),
        since: last_business_day(today),
    }
}

/// A page of what is next, for these reasons in their order, after a position.
pub async fn next_steps(
    services: &Services,
    actor: &Actor,
    reasons: &[NextStepReason],
    after: Option<(NextStepReason, StepPosition)>,
    most: usize,
) -> Result<Vec<NextStep>, DbErr> {
    let wanted = wanted(services, actor);
    let scope = actor.scope(Permission::FacilityRead);
    let mut found: Vec<NextStep> = Vec::new();
    for reason in NextStepReason::ALL
        .into_iter()
        .filter(|one| reasons.contains(one))
    {
        let after = match after {
            Some((last, _)) if reason < last => continue,
            Some((last, position)) if reason == last => Some(position),
            _ => None,
        };
        let left = u64::try_from(most - found.len()).unwrap_or(0);
        if left == 0 {
            break;
        }
        let database = &services.database;
        found.extend(entity::steps(database, &scope, reason, &wanted, after, left).await?);
    }
    Ok(found)
}

/// How much is next for a reason, counted up to so much.
pub async fn count_steps(
    services: &Services,
    actor: &Actor,
    reason: NextStepReason,
    most: i64,
) -> Result<i64, DbErr> {
    let wanted = wanted(services, actor);
    let scope = actor.scope(Permission::FacilityRead);
    entity::count_up_to(&services.database, &scope, reason, &wanted, most).await
}

/// What became of a request about a filter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The filter; `None` if there is none.
    pub filter: Option<SavedFilterId>,
    /// Why it was refused, and for which field of the input.
    pub problem: Option<(String, Problem)>,
}

impl Outcome {
    fn refused(field: &str, problem: Problem) -> Self {
        Self {
            filter: None,
            problem: Some((field.to_owned(), problem)),
        }
    }
}

/// A filter to be kept.
#[derive(Clone, Debug, Serialize)]
pub struct SaveRequest {
    /// The one that it changes; a new one if none.
    pub id: Option<SavedFilterId>,
    /// In which organisation.
    pub organisation: OrganisationId,
    /// Its name.
    pub name: String,
    /// Whether everybody in the organisation may use it.
    pub shared: bool,
    /// The filter, as JSON.
    pub filter: String,
    /// The version that the caller read.
    pub expected_version: Option<i32>,
}

/// Keeps a filter, or changes one that is kept.
pub async fn save(writer: &Writer<'_>, request: &SaveRequest) -> Result<Outcome, WriteError> {
    let transaction = writer.database.begin().await?;
    let Ok(name) = checked_text(&request.name, MOST_NAME) else {
        let problem = Problem::BadName { most: MOST_NAME };
        return writer
            .refuse(transaction, Outcome::refused("name", problem))
            .await;
    };
    let kept = Kept {
        name: &name,
        shared: request.shared,
        filter: &request.filter,
    };
    let written = match request.id {
        None => add(writer, &transaction, request.organisation, &kept).await,
        Some(id) => change(writer, &transaction, id, request.expected_version, &kept).await,
    };
    match written {
        Ok(outcome) if outcome.problem.is_some() || writer.dry_run => {
            writer.refuse(transaction, outcome).await
        }
        Ok(outcome) => writer.finish(transaction, outcome).await,
        Err(error) if is_unique_violation(&error) => {
            let outcome = Outcome::refused("name", Problem::NameTaken);
            writer.refuse(transaction, outcome).await
        }
        Err(error) => Err(error.into()),
    }
}

async fn add(
    writer: &Writer<'_>,
    transaction: &Transaction,
    organisation: OrganisationId,
    kept: &Kept<'_>,
) -> Result<Outcome, DbErr> {
    let actor = writer.actor;
    if !actor.may_in(organisation, Permission::FacilityRead) || !actor.belongs_to(organisation) {
        let problem = Problem::UnknownOrganisation;
        return Ok(Outcome::refused("organisationId", problem));
    }
    if entity::count_of(transaction, &actor.identity).await? >= MOST_FILTERS {
        let problem = Problem::TooMany { most: MOST_FILTERS };
        return Ok(Outcome::refused("name", problem));
    }
    let id = entity::insert(transaction, &actor.identity, organisation, kept).await?;
    Ok(match id {
        Some(id) => Outcome {
            filter: Some(id),
            problem: None,
        },
        None => Outcome::refused("name", Problem::NameTaken),
    })
}

/// The filter that an actor names, if it may use it.
async fn visible(
    transaction: &Transaction,
    actor: &Actor,
    id: SavedFilterId,
) -> Result<Option<SavedFilter>, DbErr> {
    let found = entity::saved_filters(transaction, actor, Which::Ids(&[id.0])).await?;
    Ok(found.into_iter().next())
}

async fn change(
    writer: &Writer<'_>,
    transaction: &Transaction,
    id: SavedFilterId,
    expected_version: Option<i32>,
    kept: &Kept<'_>,
) -> Result<Outcome, DbErr> {
    let Some(before) = visible(transaction, writer.actor, id).await? else {
        return Ok(Outcome::refused("id", Problem::NotFound));
    };
    let mut outcome = Outcome {
        filter: Some(id),
        problem: None,
    };
    let current = before.version;
    if before.owner != writer.actor.identity {
        outcome.problem = Some(("id".to_owned(), Problem::Forbidden));
    } else if expected_version.is_some_and(|expected| expected != current)
        || !entity::update(transaction, id, current, kept).await?
    {
        let stale = Problem::StaleVersion { current };
        outcome.problem = Some(("expectedVersion".to_owned(), stale));
    }
    Ok(outcome)
}

/// Removes a filter: one's own, or, as an administrator, one that is shared in the organisation.
pub async fn delete(writer: &Writer<'_>, id: SavedFilterId) -> Result<Outcome, WriteError> {
    let transaction = writer.database.begin().await?;
    let Some(filter) = visible(&transaction, writer.actor, id).await? else {
        let outcome = Outcome::refused("id", Problem::NotFound);
        return writer.refuse(transaction, outcome).await;
    };
    let is_admin = writer
        .actor
        .grants
        .iter()
        .any(|grant| grant.organisation == filter.organisation.id && grant.role == Role::Admin);
    if filter.owner != writer.actor.identity && !is_admin {
        let outcome = Outcome::refused("id", Problem::Forbidden);
        return writer.refuse(transaction, outcome).await;
    }
    entity::delete(&transaction, id).await?;
    let outcome = Outcome::default();
    if writer.dry_run {
        return writer.refuse(transaction, outcome).await;
    }
    writer.finish(transaction, outcome).await
}
