//! Proposing, answering and taking back.

use std::collections::HashMap;

use chrono::{Days, NaiveDate};
use serde::{Deserialize, Serialize};

use super::{Handover, HandoverId, HandoverProblem as Problem, HandoverStatus, entity};
use crate::{
    auth::{Actor, Clause, Grant, OrganisationKind, Permission, Scope, entity::names::kinships},
    change::{self, WriteError, Writer},
    db::{ChangeId, DbErr, FacilityId, OrganisationId, Transaction},
    milestone::{
        self, Aspect, Event, Milestone, check_note,
        entity::LockedState,
        service::{Draft, ErrorPolicy, Taken, Working, commit},
    },
};

/// Most days for an answer.
const MOST_DAYS: u64 = 90;
/// Days for an answer if nothing is said.
pub const USUAL_DAYS: u64 = 14;

/// What is proposed, of facilities one by one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    /// Which facilities, or why there is none.
    pub facilities: Vec<Result<FacilityId, milestone::Problem>>,
    /// To whom.
    pub contractor: OrganisationId,
    /// The last day for an answer.
    pub answer_by: Option<NaiveDate>,
    /// What the vendor says of it.
    pub message: String,
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// The contractor takes the work on.
    Accept,
    /// It does not.
    Decline {
        /// Why.
        reason: String,
    },
    /// Whoever proposed it takes it back.
    Withdraw,
}

impl Answer {
    fn status(&self) -> HandoverStatus {
        match self {
            Self::Accept => HandoverStatus::Accepted,
            Self::Decline { .. } => HandoverStatus::Declined,
            Self::Withdraw => HandoverStatus::Withdrawn,
        }
    }
}

/// What became of one row.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowOutcome {
    /// The proposal; `None` if there is none.
    pub handover: Option<HandoverId>,
    /// Was anything written for it, or would it be?
    pub written: bool,
    /// Why it was refused.
    pub problems: Vec<Problem>,
}

/// What became of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The change that recorded it, if anything was written.
    pub change: Option<ChangeId>,
    /// What is wrong with the request itself, each with its field.
    pub problems: Vec<(String, Problem)>,
    /// Row by row, in input order.
    pub rows: Vec<RowOutcome>,
}

impl Outcome {
    fn of(problems: Vec<Result<(), Problem>>) -> Self {
        let row = |checked: Result<(), Problem>| RowOutcome {
            handover: None,
            written: checked.is_ok(),
            problems: checked.err().into_iter().collect(),
        };
        Self {
            rows: problems.into_iter().map(row).collect(),
            ..Self::default()
        }
    }

    fn wrong(field: &str, problem: Problem) -> Self {
        Self {
            problems: vec![(field.to_owned(), problem)],
            ..Self::default()
        }
    }

    /// Does the policy let the rows that passed be written?
    fn is_refused(&self, policy: ErrorPolicy) -> bool {
        let passed = self.rows.iter().filter(|row| row.written).count();
        passed == 0 || policy == ErrorPolicy::RejectAll && passed < self.rows.len()
    }

    fn nothing_written(mut self) -> Self {
        for row in &mut self.rows {
            row.written = false;
        }
        self
    }
}

/// Proposes facilities to a support contractor.
pub async fn propose(
    writer: &Writer<'_>,
    proposal: &Proposal,
    policy: ErrorPolicy,
) -> Result<Outcome, WriteError> {
    let transaction = writer.database.begin().await?;
    let today = writer.clock.today();
    if let Some((field, wrong)) = check_proposal(&transaction, proposal, today).await? {
        let refused = Outcome::wrong(field, wrong);
        return writer.refuse(transaction, refused).await;
    }
    let ids: Vec<FacilityId> = proposal.facilities.iter().flatten().copied().collect();
    let draft = Draft::read(writer, &transaction, ids.clone()).await?;
    let unanswered = entity::unanswered(writer.database, &transaction, &ids).await?;
    let may = writer.actor.scope(Permission::HandOn);
    let mut seen = HashMap::new();
    let mut checked = Vec::with_capacity(proposal.facilities.len());
    let mut made = Vec::new();
    for (index, facility) in proposal.facilities.iter().enumerate() {
        checked.push((|| {
            let facility = facility.clone()?;
            let working = draft.find(facility)?;
            let first = *seen.entry(facility).or_insert(index);
            if first != index {
                return Err(Problem::DuplicateRow { first });
            }
            if !working.state.within(&may) {
                return Err(milestone::Problem::Forbidden.into());
            }
            check_work(working, proposal.contractor)?;
            let current = &working.after().current;
            // What a former vendor proposed is no longer its own to hand on.
            let open = unanswered.get(&facility).is_some_and(|one| {
                one.status_on(today) == HandoverStatus::Proposed
                    && current.cell.vendor == Some(one.vendor)
            });
            if open {
                return Err(Problem::AlreadyProposed);
            }
            made.push(Handover {
                id: HandoverId(0),
                facility,
                vendor: current.cell.vendor.ok_or(Problem::NoVendor)?,
                contractor: proposal.contractor,
                stored: HandoverStatus::Proposed,
                proposed_on: today,
                answer_by: answer_by(proposal, today),
                answered_on: None,
                message: proposal.message.trim().to_owned(),
                reason: None,
                proposed_by: ChangeId(0),
                answered_by: None,
            });
            Ok(())
        })());
    }
    let mut outcome = Outcome::of(checked);
    if outcome.is_refused(policy) {
        return writer.refuse(transaction, outcome.nothing_written()).await;
    }
    if writer.dry_run {
        return writer.refuse(transaction, outcome).await;
    }
    let states: Vec<_> = made
        .iter()
        .filter_map(|one| draft.get(one.facility))
        .map(|working| &working.state)
        .collect();
    let organisation = writer
        .actor
        .acting_over(Permission::HandOn, &states, |grant, state| {
            state.within(&grant.reach())
        });
    let change = change::record(&transaction, writer, organisation, "handoverPropose").await?;
    // One that lapsed makes room for the next.
    let lapsed: Vec<HandoverId> = made
        .iter()
        .filter_map(|one| unanswered.get(&one.facility))
        .map(|lapsed| lapsed.id)
        .collect();
    let status = HandoverStatus::Lapsed;
    entity::end(
        writer.database,
        &transaction,
        &lapsed,
        status,
        (today, change),
        None,
    )
    .await?;
    for one in &mut made {
        one.proposed_by = change;
    }
    let ids = entity::insert(writer.database, &transaction, &made).await?;
    for (row, facility) in outcome.rows.iter_mut().zip(&proposal.facilities) {
        let id = facility
            .as_ref()
            .ok()
            .and_then(|facility| ids.get(facility));
        row.handover = id.copied().filter(|_| row.written);
    }
    outcome.change = Some(change);
    writer.finish(transaction, outcome).await
}

/// Is there something to hand on, and to nobody yet?
fn check_work(working: &Working, contractor: OrganisationId) -> Result<(), Problem> {
    let current = &working.after().current;
    if let Some(since) = current.reached(Milestone::Installed) {
        let milestone = Milestone::Installed;
        return Err(milestone::Problem::AlreadyReached { milestone, since }.into());
    }
    if let Some(closed_on) = current.closed_on {
        return Err(milestone::Problem::AfterClosing { closed_on }.into());
    }
    match current.contractor {
        Some(has_it) if has_it == contractor => Err(milestone::Problem::NothingToDo.into()),
        Some(_) => Err(Problem::AlreadyProposed),
        None => Ok(()),
    }
}

fn answer_by(proposal: &Proposal, today: NaiveDate) -> NaiveDate {
    let usual = today.checked_add_days(Days::new(USUAL_DAYS));
    proposal.answer_by.or(usual).unwrap_or(today)
}

/// What is wrong with a proposal as a whole, and in which field.
async fn check_proposal(
    transaction: &Transaction,
    proposal: &Proposal,
    today: NaiveDate,
) -> Result<Option<(&'static str, Problem)>, DbErr> {
    let until = today
        .checked_add_days(Days::new(MOST_DAYS))
        .unwrap_or(today);
    if let Some(bad) = check_note(Some(&proposal.message)) {
        return Ok(Some(("message", bad.into())));
    }
    let from = today;
    if !(from..=until).contains(&answer_by(proposal, today)) {
        return Ok(Some(("answerBy", Problem::BadAnswerBy { from, until })));
    }
    let kinds = kinships(transaction, &[proposal.contractor]).await?;
    let contractor = kinds.get(&proposal.contractor);
    let known = contractor.is_some_and(|one| one.kind == OrganisationKind::SupportContractor);
    let unknown = || {
        (
            "contractorId",
            milestone::Problem::UnknownOrganisation.into(),
        )
    };
    Ok((!known).then(unknown))
}

/// Answers proposals, or takes them back.
pub async fn answer(
    writer: &Writer<'_>,
    operation: &'static str,
    ids: &[HandoverId],
    answer: &Answer,
    policy: ErrorPolicy,
) -> Result<Outcome, WriteError> {
    let transaction = writer.database.begin().await?;
    if let Answer::Decline { reason } = answer {
        let missing = reason.trim().is_empty().then_some(Problem::MissingReason);
        let wrong = missing.or_else(|| check_note(Some(reason)).map(Into::into));
        if let Some(wrong) = wrong {
            let refused = Outcome::wrong("declineReason", wrong);
            return writer.refuse(transaction, refused).await;
        }
    }
    let rows: Vec<i64> = ids.iter().map(|id| id.0).collect();
    let before = entity::find(writer.database, &transaction, &rows).await?;
    let facilities = before.values().map(|one| one.facility).collect();
    let mut draft = Draft::read(writer, &transaction, facilities).await?;
    // Read again now that nobody else can answer them.
    let found = entity::find(writer.database, &transaction, &rows).await?;
    let today = writer.clock.today();
    let mut seen = HashMap::new();
    let mut checked = Vec::with_capacity(ids.len());
    let mut ended: Vec<&Handover> = Vec::new();
    for (index, id) in ids.iter().enumerate() {
        let one = (|| {
            let handover = found.get(id).ok_or(Problem::NotFound)?;
            let first = *seen.entry(*id).or_insert(index);
            if first != index {
                return Err(Problem::DuplicateRow { first });
            }
            check_answer(writer, &draft, handover, answer, today)?;
            if *answer == Answer::Accept {
                accept(&mut draft, handover, today, index)?;
            }
            ended.push(handover);
            Ok(())
        })();
        checked.push(one);
    }
    let mut outcome = Outcome::of(checked);
    for (row, id) in outcome.rows.iter_mut().zip(ids) {
        let unknown = row.problems.contains(&Problem::NotFound);
        row.handover = (!unknown).then_some(*id);
    }
    if outcome.is_refused(policy) {
        return writer.refuse(transaction, outcome.nothing_written()).await;
    }
    if writer.dry_run {
        return writer.refuse(transaction, outcome).await;
    }
    let organisation =
        writer
            .actor
            .acting_over(permission_of(answer), &ended, |grant, handover| {
                is_theirs(grant, &draft, handover, answer)
            });
    let change = change::record(&transaction, writer, organisation, operation).await?;
    commit(writer, &transaction, change, &draft.amended()).await?;
    let reason = match answer {
        Answer::Decline { reason } => Some(reason.trim()),
        Answer::Accept | Answer::Withdraw => None,
    };
    let ids: Vec<HandoverId> = ended.iter().map(|one| one.id).collect();
    let by = (today, change);
    entity::end(
        writer.database,
        &transaction,
        &ids,
        answer.status(),
        by,
        reason,
    )
    .await?;
    outcome.change = Some(change);
    writer.finish(transaction, outcome).await
}

fn permission_of(answer: &Answer) -> Permission {
    match answer {
        Answer::Accept | Answer::Decline { .. } => Permission::InstallationWrite,
        Answer::Withdraw => Permission::HandOn,
    }
}

/// Is it for a membership to answer a proposal so?
fn is_theirs(grant: &Grant, draft: &Draft, handover: &Handover, answer: &Answer) -> bool {
    match answer {
        Answer::Accept | Answer::Decline { .. } => grant.organisation == handover.contractor,
        Answer::Withdraw => draft
            .get(handover.facility)
            .is_some_and(|working| working.state.within(&grant.reach())),
    }
}

/// Who may answer a proposal, and whether it can be answered by now.
fn check_answer(
    writer: &Writer<'_>,
    draft: &Draft,
    handover: &Handover,
    answer: &Answer,
    today: NaiveDate,
) -> Result<(), Problem> {
    let working = draft.get(handover.facility).ok_or(Problem::NotFound)?;
    let offered = working.state.vendor == Some(handover.vendor)
        && handover.status_on(today) == HandoverStatus::Proposed;
    if !is_seen(writer.actor, handover, &working.state, offered) {
        return Err(Problem::NotFound);
    }
    let theirs = |grant: &Grant| is_theirs(grant, draft, handover, answer);
    if !writer.actor.grants_with(permission_of(answer)).any(theirs) {
        return Err(Problem::Forbidden);
    }
    if !offered {
        return Err(Problem::NotOpen);
    }
    match answer {
        Answer::Accept => check_work(working, handover.contractor),
        Answer::Decline { .. } | Answer::Withdraw => Ok(()),
    }
}

/// Does the actor see a proposal? The list says the same.
fn is_seen(actor: &Actor, handover: &Handover, state: &LockedState, offered: bool) -> bool {
    let accepted = handover.stored == HandoverStatus::Accepted
        && state.contractor == Some(handover.contractor);
    let scope = actor.scope(Permission::FacilityRead);
    let own_work = Clause::Vendor(handover.vendor);
    let by_facility = state.within(&scope.but_for_work())
        || state.vendor == Some(handover.vendor)
            && matches!(&scope, Scope::Any(clauses) if clauses.contains(&own_work));
    let contractor = actor.may_in(handover.contractor, Permission::FacilityRead);
    by_facility || contractor && (offered || accepted)
}

/// Hands the facility on from today.
fn accept(
    draft: &mut Draft,
    handover: &Handover,
    today: NaiveDate,
    row: usize,
) -> Result<(), Problem> {
    let contractor = Some(handover.contractor.0);
    let event = Event::set(Aspect::Contractor, today, contractor);
    let working = draft.get(handover.facility).ok_or(Problem::NotFound)?;
    let taken = Taken::of(working, vec![event]).map_err(milestone::Problem::from)?;
    draft.take(handover.facility, taken, row);
    Ok(())
}
