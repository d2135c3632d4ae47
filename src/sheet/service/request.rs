//! What people say of a sheet: which column is which, that it be written, stopped or taken back. Each is one transaction
//! that changes the sheet's status; a process does the rest.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::{
    auth::Actor,
    change::{Known, WriteError, Writer},
    db::{DbErr, OrganisationId, Transaction},
    milestone::authority::{may_record_anything, organisations_that_record},
    reporting::{
        self, ReportingProblem,
        service::{check_day, check_reporter, take_back_within},
    },
    sheet::{
        SheetId, SheetProblem, SheetRowOutcome, SheetStatus,
        column::{Columns, Field},
        entity::{self, Beginning, SavedColumns, Sheet},
    },
};

/// Longest name of saved columns, in characters.
const MOST_NAME: usize = 100;

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SheetOutcome {
    /// The sheet; `None` if there is none that the caller can see.
    pub sheet: Option<SheetId>,
    /// Why it was refused.
    pub problems: Vec<SheetProblem>,
}

/// Which column is which.
#[derive(Clone, Debug, Default, Serialize)]
pub struct CheckRequest {
    /// Columns by their position, and what they hold; those that are not named are left alone. `None` to guess them all.
    pub columns: Option<Vec<(i32, Field)>>,
    /// The name of columns that were saved, used instead.
    pub saved: Option<String>,
    /// A name under which to save these columns.
    pub save_as: Option<String>,
}

/// How a sheet is to be applied.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct ApplyRequest {
    /// Even if some of its rows are refused.
    pub without_refused: bool,
    /// Even if a file of the same content was applied before.
    pub again: bool,
    /// Leaving room for others.
    pub gentle: bool,
    /// Confirming that everything up to this day is recorded then; what was said when it was sent if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub complete_to: Option<NaiveDate>,
    /// Confirming nothing, whatever was said when it was sent.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub without_confirmation: bool,
}

/// Checks a sheet anew, by other columns perhaps.
pub async fn check(
    writer: &Writer<'_>,
    id: SheetId,
    request: &CheckRequest,
) -> Result<SheetOutcome, WriteError> {
    let asked = Opened::open(writer, id).await?;
    let statuses = [
        SheetStatus::NeedsColumns,
        SheetStatus::Checked,
        SheetStatus::Checking,
        SheetStatus::Cancelled,
        SheetStatus::Failed,
    ];
    let mut problems = asked.problems(writer, &statuses);
    let Some(sheet) = &asked.sheet else {
        return asked.refuse(writer, problems).await;
    };
    // Rows that were written are told of in their places.
    if problems.is_empty() && asked.has_written(writer).await? {
        let status = sheet.status;
        problems.push(SheetProblem::NotWhile { status });
    }
    let columns = match columns(&asked.transaction, sheet, request).await? {
        Ok(columns) => columns,
        Err(wrong) => {
            problems.push(wrong);
            return asked.refuse(writer, problems).await;
        }
    };
    problems.extend(columns.problems());
    let name = request.save_as.as_deref().map(str::trim);
    problems.extend(
        name.filter(|name| !is_name(name))
            .map(|_| SheetProblem::BadMappingName),
    );
    if !problems.is_empty() {
        return asked.refuse(writer, problems).await;
    }
    entity::set_columns(&asked.transaction, id, &columns).await?;
    let organisation = sheet.organisation.as_ref().map(|one| one.id);
    if let (Some(name), Some(organisation)) = (name, organisation) {
        let saved: SavedColumns = columns
            .columns
            .iter()
            .filter_map(|column| Some((column.heading.clone(), column.field?)))
            .collect();
        entity::save_mapping(&asked.transaction, organisation, name, &saved).await?;
    }
    let todo_count = sheet.row_count;
    let beginning = asked.beginning(writer, SheetStatus::Checking, false, todo_count);
    asked.begin(writer, &beginning).await
}

/// Writes what the rows of a sheet were shown to change.
pub async fn apply(
    writer: &Writer<'_>,
    id: SheetId,
    request: ApplyRequest,
) -> Result<SheetOutcome, WriteError> {
    let asked = Opened::open(writer, id).await?;
    // One that was stopped, or failed, is gone on with, even if what it wrote before was taken back.
    let statuses = [
        SheetStatus::Checked,
        SheetStatus::Cancelled,
        SheetStatus::Failed,
        SheetStatus::Undone,
    ];
    let mut problems = asked.problems(writer, &statuses);
    let Some(sheet) = asked.sheet.as_ref().filter(|_| problems.is_empty()) else {
        return asked.refuse(writer, problems).await;
    };
    if !sheet.is_checked {
        let status = sheet.status;
        return asked
            .refuse(writer, vec![SheetProblem::NotWhile { status }])
            .await;
    }
    let counts = entity::counts(writer.database, &asked.transaction, &[id.0]).await?;
    let count = |outcome| {
        let of_sheet = counts.get(&id.0);
        of_sheet
            .and_then(|one| one.get(&outcome))
            .copied()
            .unwrap_or(0)
    };
    let will_change = count(SheetRowOutcome::WillChange);
    let refused = count(SheetRowOutcome::Refused) + count(SheetRowOutcome::Conflict);
    let complete_to = request
        .complete_to
        .or(sheet.complete_to)
        .filter(|_| !request.without_confirmation);
    if let Some(day) = complete_to {
        let undone = count(SheetRowOutcome::Undone) + count(SheetRowOutcome::NotUndone);
        if refused + undone > 0 {
            let count = refused + undone;
            problems.push(SheetProblem::NotAllRecorded { count });
        }
        let found = check_confirmation(writer, &asked.transaction, sheet, day).await?;
        // What is said already is no reason not to write rows.
        let is_said = matches!(
            found,
            Some(SheetProblem::Reporting(
                ReportingProblem::AlreadyConfirmed { .. }
            ))
        );
        problems.extend(found.filter(|_| !is_said || will_change == 0));
    }
    if refused > 0 && !request.without_refused && complete_to.is_none() {
        problems.push(SheetProblem::HasRefusedRows { count: refused });
    }
    if will_change == 0 && complete_to.is_none() {
        problems.push(SheetProblem::NothingToApply);
    }
    if !request.again
        && will_change > 0
        && let Some(earlier) = entity::applied_before(&asked.transaction, sheet).await?
    {
        problems.push(SheetProblem::AppliedBefore { sheet: earlier.0 });
    }
    if !problems.is_empty() {
        return asked.refuse(writer, problems).await;
    }
    let todo_count = i32::try_from(will_change).unwrap_or(i32::MAX);
    let beginning = Beginning {
        complete_to,
        ..asked.beginning(writer, SheetStatus::Applying, request.gentle, todo_count)
    };
    asked.begin(writer, &beginning).await
}

/// What is wrong with confirming that everything up to a day is recorded once a sheet is applied.
async fn check_confirmation(
    writer: &Writer<'_>,
    transaction: &Transaction,
    sheet: &Sheet,
    day: NaiveDate,
) -> Result<Option<SheetProblem>, DbErr> {
    let organisation = sheet.organisation.as_ref().map(|one| one.id);
    let today = writer.clock.today();
    if let Err(wrong) = can_confirm(writer.actor, organisation, day, today) {
        return Ok(Some(wrong.into()));
    }
    let organisations: Vec<OrganisationId> = organisation.into_iter().collect();
    let confirmed = reporting::entity::in_force(transaction, &organisations, Known::Now).await?;
    let later = confirmed.into_values().find(|before| *before >= day);
    Ok(later.map(|complete_to| ReportingProblem::AlreadyConfirmed { complete_to }.into()))
}

/// May an actor confirm in the name of an organisation that everything up to a day is recorded?
pub(super) fn can_confirm(
    actor: &Actor,
    organisation: Option<OrganisationId>,
    day: NaiveDate,
    today: NaiveDate,
) -> Result<(), ReportingProblem> {
    let organisation = organisation.ok_or(ReportingProblem::NotFound)?;
    check_reporter(actor, organisation)?;
    check_day(day, today)
}

/// Stops what is under way with a sheet, or gives one up that was not applied. Rows that were written stay.
pub async fn cancel(writer: &Writer<'_>, id: SheetId) -> Result<SheetOutcome, WriteError> {
    let asked = Opened::open(writer, id).await?;
    let statuses = [
        SheetStatus::NeedsColumns,
        SheetStatus::Checking,
        SheetStatus::Checked,
        SheetStatus::Applying,
    ];
    let problems = asked.problems(writer, &statuses);
    if !problems.is_empty() {
        return asked.refuse(writer, problems).await;
    }
    let now = writer.clock.now();
    entity::end(&asked.transaction, id, SheetStatus::Cancelled, now).await?;
    asked.finish(writer).await
}

/// Takes back what a sheet wrote.
pub async fn undo(
    writer: &Writer<'_>,
    id: SheetId,
    gentle: bool,
) -> Result<SheetOutcome, WriteError> {
    let asked = Opened::open(writer, id).await?;
    let statuses = [
        SheetStatus::Applied,
        SheetStatus::Cancelled,
        SheetStatus::Failed,
    ];
    let mut problems = asked.problems(writer, &statuses);
    let counts = entity::counts(writer.database, &asked.transaction, &[id.0]).await?;
    let changed = counts
        .get(&id.0)
        .and_then(|one| one.get(&SheetRowOutcome::Changed));
    let confirmed = asked.sheet.as_ref().and_then(Sheet::confirmation);
    if let Some((organisation, _)) = confirmed
        && problems.is_empty()
        && let Err(wrong) = check_reporter(writer.actor, organisation)
    {
        problems.push(wrong.into());
    }
    if problems.is_empty() && changed.is_none() && confirmed.is_none() {
        problems.push(SheetProblem::NothingToApply);
    }
    if !problems.is_empty() {
        return asked.refuse(writer, problems).await;
    }
    let todo_count = changed.map_or(0, |count| i32::try_from(*count).unwrap_or(i32::MAX));
    if let Some((organisation, change)) = confirmed {
        // Before the first row goes: nobody is to read that they are there.
        take_back_within(writer, &asked.transaction, organisation, change).await?;
        entity::set_confirmed(&asked.transaction, id, None).await?;
    }
    let beginning = asked.beginning(writer, SheetStatus::Undoing, gentle, todo_count);
    asked.begin(writer, &beginning).await
}

/// Removes columns that were saved.
pub async fn delete_mapping(writer: &Writer<'_>, name: &str) -> Result<SheetOutcome, WriteError> {
    let transaction = writer.database.begin().await?;
    let organisations = organisations_that_record(writer.actor);
    let mut outcome = SheetOutcome {
        sheet: None,
        problems: Vec::new(),
    };
    if !may_record_anything(writer.actor) {
        outcome.problems.push(SheetProblem::Forbidden);
    } else if organisations.is_empty()
        || !is_name(name.trim())
        || !entity::delete_mapping(&transaction, &organisations, name.trim()).await?
    {
        outcome.problems.push(SheetProblem::NoSuchMapping);
    }
    if writer.dry_run || !outcome.problems.is_empty() {
        return writer.refuse(transaction, outcome).await;
    }
    writer.finish(transaction, outcome).await
}

/// May the actor have rows of a sheet written: in its own name, or as its sender if it is in nobody's?
fn may_use(actor: &Actor, sheet: &Sheet) -> bool {
    match &sheet.organisation {
        Some(organisation) => organisations_that_record(actor).contains(&organisation.id),
        None => actor.identity == sheet.sender && may_record_anything(actor),
    }
}

/// A request about a sheet, whose row is locked.
struct Opened {
    transaction: Transaction,
    sheet: Option<Sheet>,
}

impl Opened {
    async fn open(writer: &Writer<'_>, id: SheetId) -> Result<Self, DbErr> {
        let transaction = writer.database.begin().await?;
        let sheet = entity::find_locked(writer.database, &transaction, writer.actor, id).await?;
        Ok(Self { transaction, sheet })
    }

    /// Why it can't be done, whatever its rows say.
    fn problems(&self, writer: &Writer<'_>, statuses: &[SheetStatus]) -> Vec<SheetProblem> {
        match &self.sheet {
            None => vec![SheetProblem::NotFound],
            Some(sheet) if !may_use(writer.actor, sheet) => vec![SheetProblem::Forbidden],
            Some(sheet) if !statuses.contains(&sheet.status) => {
                let status = sheet.status;
                vec![SheetProblem::NotWhile { status }]
            }
            Some(_) => Vec::new(),
        }
    }

    async fn has_written(&self, writer: &Writer<'_>) -> Result<bool, DbErr> {
        let Some(sheet) = &self.sheet else {
            return Ok(false);
        };
        let counts = entity::counts(writer.database, &self.transaction, &[sheet.id.0]).await?;
        let of_sheet = counts.get(&sheet.id.0);
        Ok(of_sheet.is_some_and(|one| {
            [
                SheetRowOutcome::Changed,
                SheetRowOutcome::Undone,
                SheetRowOutcome::NotUndone,
            ]
            .iter()
            .any(|outcome| one.contains_key(outcome))
        }))
    }

    fn beginning(
        &self,
        writer: &Writer<'_>,
        status: SheetStatus,
        gentle: bool,
        todo_count: i32,
    ) -> Beginning {
        Beginning {
            status,
            runner: writer.actor.identity.clone(),
            reason: writer.reason.clone(),
            gentle,
            todo_count,
            complete_to: self.sheet.as_ref().and_then(|sheet| sheet.complete_to),
        }
    }

    fn outcome(&self, problems: Vec<SheetProblem>) -> SheetOutcome {
        SheetOutcome {
            sheet: self.sheet.as_ref().map(|sheet| sheet.id),
            problems,
        }
    }

    async fn refuse(
        self,
        writer: &Writer<'_>,
        problems: Vec<SheetProblem>,
    ) -> Result<SheetOutcome, WriteError> {
        let outcome = self.outcome(problems);
        writer.refuse(self.transaction, outcome).await
    }

    async fn begin(
        self,
        writer: &Writer<'_>,
        beginning: &Beginning,
    ) -> Result<SheetOutcome, WriteError> {
        if let Some(sheet) = &self.sheet {
            let now = writer.clock.now();
            entity::begin(&self.transaction, sheet.id, beginning, now).await?;
        }
        self.finish(writer).await
    }

    async fn finish(self, writer: &Writer<'_>) -> Result<SheetOutcome, WriteError> {
        let outcome = self.outcome(Vec::new());
        if writer.dry_run {
            return writer.refuse(self.transaction, outcome).await;
        }
        writer.finish(self.transaction, outcome).await
    }
}

fn is_name(name: &str) -> bool {
    (1..=MOST_NAME).contains(&name.chars().count()) && !name.chars().any(char::is_control)
}

/// What the columns of a sheet hold, as it is asked for.
async fn columns(
    transaction: &Transaction,
    sheet: &Sheet,
    request: &CheckRequest,
) -> Result<Result<Columns, SheetProblem>, DbErr> {
    let mut columns = sheet.columns.clone();
    if let Some(name) = &request.saved {
        let organisations: Vec<OrganisationId> =
            sheet.organisation.iter().map(|one| one.id).collect();
        let saved = entity::mappings(transaction, &organisations).await?;
        let Some((_, saved)) = saved.into_iter().find(|(one, _)| one == name.trim()) else {
            return Ok(Err(SheetProblem::NoSuchMapping));
        };
        for column in &mut columns.columns {
            let mut named = saved
                .iter()
                .filter(|(heading, _)| *heading == column.heading);
            column.field = named.next().map(|(_, field)| *field);
        }
        return Ok(Ok(columns));
    }
    let Some(asked) = &request.columns else {
        for column in &mut columns.columns {
            column.field = Field::guess(&column.heading);
        }
        return Ok(Ok(columns));
    };
    for column in &mut columns.columns {
        column.field = None;
    }
    for (position, field) in asked {
        let place = usize::try_from(*position).ok();
        let Some(column) = place.and_then(|place| columns.columns.get_mut(place)) else {
            let position = *position;
            return Ok(Err(SheetProblem::NoSuchColumn { position }));
        };
        column.field = Some(*field);
    }
    Ok(Ok(columns))
}
