//! Confirming that records are complete, and taking it back.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::{ReportingProblem as Problem, entity};
use crate::{
    auth::{Actor, OrganisationKind, Permission},
    change::{self, WriteError, Writer},
    db::{ChangeId, DbErr, OrganisationId, Transaction},
    milestone::service::EARLIEST,
};

/// The operations that changes name, whatever request they are part of.
const CONFIRM: &str = "reportingConfirm";
const WITHDRAW: &str = "reportingWithdraw";

/// What became of a confirmation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Whose; `None` if there is no such organisation of the caller's.
    pub organisation: Option<OrganisationId>,
    /// Up to which day its records are complete.
    pub complete_to: Option<NaiveDate>,
    /// The change that recorded it.
    pub change: Option<ChangeId>,
    /// Why it was refused, and for which field of the input.
    pub problem: Option<(String, Problem)>,
}

/// Does somebody of this kind report?
pub fn reports(kind: OrganisationKind) -> bool {
    matches!(kind, OrganisationKind::Vendor | OrganisationKind::Chain)
}

/// Why an actor may not report in the name of an organisation. Others than its own do not exist for this.
pub fn check_reporter(actor: &Actor, organisation: OrganisationId) -> Result<(), Problem> {
    let own = actor
        .grants
        .iter()
        .find(|grant| grant.organisation == organisation);
    match own {
        None => Err(Problem::NotFound),
        Some(own) if !reports(own.kind) => Err(Problem::NoReporter),
        Some(_) if !actor.may_in(organisation, Permission::ReportWrite) => Err(Problem::Forbidden),
        Some(_) => Ok(()),
    }
}

/// Can records be complete up to this day?
pub fn check_day(day: NaiveDate, today: NaiveDate) -> Result<(), Problem> {
    if day > today {
        Err(Problem::InFuture { today })
    } else if day < EARLIEST {
        Err(Problem::TooEarly { earliest: EARLIEST })
    } else {
        Ok(())
    }
}

/// Confirms that all that happened at an organisation's facilities up to a day is recorded.
pub async fn confirm(
    writer: &Writer<'_>,
    organisation: OrganisationId,
    complete_to: NaiveDate,
) -> Result<Outcome, WriteError> {
    let said = |before: Option<NaiveDate>| {
        check_day(complete_to, writer.clock.today()).map_err(|wrong| ("completeTo", wrong))?;
        match before {
            Some(complete_to_before) if complete_to_before >= complete_to => Err((
                "completeTo",
                Problem::AlreadyConfirmed {
                    complete_to: complete_to_before,
                },
            )),
            _ => Ok(()),
        }
    };
    say(writer, CONFIRM, organisation, Some(complete_to), said).await
}

/// Takes a confirmation back: the records are complete up to an earlier day, or it is not known up to which.
pub async fn withdraw(
    writer: &Writer<'_>,
    organisation: OrganisationId,
    complete_to: Option<NaiveDate>,
) -> Result<Outcome, WriteError> {
    let said = |before: Option<NaiveDate>| {
        let Some(before) = before else {
            return Err(("organisationId", Problem::NotConfirmed));
        };
        if complete_to.is_some_and(|day| day >= before) {
            return Err(("completeTo", Problem::NotConfirmed));
        }
        complete_to
            .map_or(Ok(()), |day| check_day(day, writer.clock.today()))
            .map_err(|wrong| ("completeTo", wrong))
    };
    say(writer, WITHDRAW, organisation, complete_to, said).await
}

async fn say(
    writer: &Writer<'_>,
    operation: &'static str,
    organisation: OrganisationId,
    complete_to: Option<NaiveDate>,
    check: impl FnOnce(Option<NaiveDate>) -> Result<(), (&'static str, Problem)>,
) -> Result<Outcome, WriteError> {
    let transaction = writer.database.begin().await?;
    let mut outcome = Outcome {
        organisation: None,
        complete_to: None,
        change: None,
        problem: None,
    };
    let refused = |(field, problem): (&str, Problem)| Some((field.to_owned(), problem));
    if let Err(problem) = check_reporter(writer.actor, organisation) {
        outcome.organisation = (problem != Problem::NotFound).then_some(organisation);
        outcome.problem = refused(("organisationId", problem));
        return writer.refuse(transaction, outcome).await;
    }
    outcome.organisation = Some(organisation);
    let before = entity::lock(writer.database, &transaction, organisation).await?;
    if let Err(problem) = check(before) {
        outcome.complete_to = before;
        outcome.problem = refused(problem);
        return writer.refuse(transaction, outcome).await;
    }
    outcome.complete_to = complete_to;
    if writer.dry_run {
        return writer.refuse(transaction, outcome).await;
    }
    let change = change::record(&transaction, writer, Some(organisation), operation).await?;
    entity::insert(&transaction, organisation, complete_to, change).await?;
    outcome.change = Some(change);
    writer.finish(transaction, outcome).await
}

/// Confirms in the transaction of another write, which has checked the rest. A later day that was confirmed meanwhile
/// stays. Answers the change.
pub async fn confirm_within(
    writer: &Writer<'_>,
    transaction: &Transaction,
    organisation: OrganisationId,
    complete_to: NaiveDate,
) -> Result<Option<ChangeId>, DbErr> {
    let before = entity::lock(writer.database, transaction, organisation).await?;
    // The same day is said again: whoever said it before may take that back.
    if before.is_some_and(|before| before > complete_to) {
        return Ok(None);
    }
    let change = change::record(transaction, writer, Some(organisation), CONFIRM).await?;
    entity::insert(transaction, organisation, Some(complete_to), change).await?;
    Ok(Some(change))
}

/// Takes back what a change confirmed, in the transaction of another write.
pub async fn take_back_within(
    writer: &Writer<'_>,
    transaction: &Transaction,
    organisation: OrganisationId,
    confirmed_by: ChangeId,
) -> Result<(), DbErr> {
    entity::lock(writer.database, transaction, organisation).await?;
    let change = change::record(transaction, writer, Some(organisation), WITHDRAW).await?;
    entity::take_back(transaction, confirmed_by, change).await
}
