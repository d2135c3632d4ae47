//! Recording what happens to applications: rows one by one, then everything at once.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use crate::{
    change::{self, WriteError, Writer},
    db::{ChangeId, DbErr, FacilityId, Transaction},
    facility::FacilityKind,
    milestone::{
        self, Aspect, Event, Milestone,
        authority::Topic,
        check_note,
        service::{Draft, EARLIEST, ErrorPolicy, Step, Taken, Working, commit},
    },
    procurement::{
        ApplicationId, ApplicationKind, ApplicationProblem as Problem, ApplicationStatus,
        ApplicationStep, ReaderLine, Standing, StepTaken,
        entity::{self, APPLICATION_LINE, APPLICATION_STEP, Application},
        free_readers,
    },
    supply::{self, HardwareClass, Model, ModelId},
};

/// Most readers of one line.
pub const MOST_READERS: i32 = 100;
/// Most lines of an application.
pub const MOST_LINES: usize = 20;

/// One row of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApplicationRow {
    /// The facility, or why there is none.
    pub facility: Result<FacilityId, milestone::Problem>,
    /// What is applied for.
    pub kind: ApplicationKind,
    /// What happened, and on which day.
    pub taken: StepTaken,
    /// Which readers, of an application that is filed.
    pub lines: Vec<ReaderLine>,
    /// The version of the application that the caller read.
    pub expected_version: Option<i32>,
    /// A remark.
    pub note: Option<String>,
}

/// What became of one row.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowOutcome {
    /// The application; `None` if there is none, or none that the caller can see.
    pub application: Option<ApplicationId>,
    /// The version that the write left, or, if it was only tried, would leave. `None` if nothing is written for this row.
    pub version: Option<i32>,
    /// Why it was refused.
    pub problems: Vec<Problem>,
}

/// What became of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The change that recorded it, if anything was written.
    pub change: Option<ChangeId>,
    /// Row by row, in input order.
    pub rows: Vec<RowOutcome>,
}

/// Records what happened to applications in one transaction, by the error policy, or answers as the first time if that
/// was done before under the same key.
pub async fn record(
    writer: &Writer<'_>,
    operation: &'static str,
    rows: &[ApplicationRow],
    policy: ErrorPolicy,
) -> Result<Outcome, WriteError> {
    let transaction = writer.database.begin().await?;
    let mut request = Request::read(writer, &transaction, rows).await?;
    for (index, row) in rows.iter().enumerate() {
        let taken = request.take(index, row);
        request.tell(row, taken);
    }
    let refused = request.told.iter().any(|told| !told.problems.is_empty());
    let nothing = refused && policy == ErrorPolicy::RejectAll || request.draft.is_unchanged();
    if nothing || writer.dry_run {
        let outcome = request.into_outcome(rows, None, nothing);
        return writer.refuse(transaction, outcome).await;
    }
    let organisation = request.draft.in_name_of(writer.actor);
    let change = change::record(&transaction, writer, organisation, operation).await?;
    commit(writer, &transaction, change, &request.draft.amended()).await?;
    request.write(&transaction, change).await?;
    let outcome = request.into_outcome(rows, Some(change), false);
    writer.finish(transaction, outcome).await
}

/// An application while the rows of a request are taken.
struct Filed {
    application: Application,
    steps: Vec<StepTaken>,
    lines: Vec<ReaderLine>,
    /// How many of its steps are stored.
    stored: usize,
    /// The row that files or ends it.
    decided_in: Option<usize>,
}

impl Filed {
    fn is_new(&self) -> bool {
        self.application.id.0 == 0
    }

    fn is_in_force(&self) -> bool {
        self.application.standing.status != ApplicationStatus::Cancelled
    }

    /// How many readers it has free of charge.
    fn free(&self) -> i32 {
        let free = self.lines.iter().map(|line| line.free);
        if self.is_in_force() { free.sum() } else { 0 }
    }

    fn version(&self) -> i32 {
        self.application.version + i32::from(self.steps.len() > self.stored)
    }
}

/// The request while its rows are checked one by one.
struct Request {
    draft: Draft,
    /// Of each facility and kind, the first first.
    filed: BTreeMap<(FacilityId, ApplicationKind), Vec<Filed>>,
    models: HashMap<ModelId, Model>,
    told: Vec<Told>,
}

/// What is told of a row: which of the applications of its facility and kind it is of, and what is wrong with it.
struct Told {
    place: Option<usize>,
    problems: Vec<Problem>,
}

impl Request {
    async fn read(
        writer: &Writer<'_>,
        transaction: &Transaction,
        rows: &[ApplicationRow],
    ) -> Result<Self, DbErr> {
        let database = writer.database;
        let named = rows.iter().filter_map(|row| row.facility.as_ref().ok());
        let facilities: Vec<FacilityId> = named.copied().collect();
        // Locked before anything else of them is read.
        let draft = Draft::read(writer, transaction, facilities.clone()).await?;
        let found = entity::of_facilities(database, transaction, &facilities).await?;
        let ids: Vec<ApplicationId> = found.iter().map(|one| one.id).collect();
        let mut steps = entity::steps(database, transaction, &ids).await?;
        let mut lines = entity::lines(database, transaction, &ids).await?;
        let mut filed: BTreeMap<_, Vec<Filed>> = BTreeMap::new();
        for application in found {
            let key = (application.facility, application.kind);
            let steps = steps.remove(&application.id).unwrap_or_default();
            filed.entry(key).or_default().push(Filed {
                stored: steps.len(),
                steps,
                lines: lines.remove(&application.id).unwrap_or_default(),
                application,
                decided_in: None,
            });
        }
        let mut models: Vec<ModelId> = rows
            .iter()
            .flat_map(|row| row.lines.iter().map(|line| line.model))
            .collect();
        models.sort_unstable();
        models.dedup();
        let models = supply::entity::find(database, transaction, &models).await?;
        Ok(Self {
            draft,
            filed,
            models: models.into_iter().map(|model| (model.id, model)).collect(),
            told: Vec::with_capacity(rows.len()),
        })
    }

    /// Checks a row and takes its step.
    fn take(&mut self, index: usize, row: &ApplicationRow) -> Result<usize, Vec<Problem>> {
        let one = |problem: milestone::Problem| vec![Problem::from(problem)];
        let facility = row.facility.clone().map_err(one)?;
        let working = self.draft.find(facility).map_err(one)?;
        let StepTaken { step, on, .. } = row.taken;
        let topic = step.is_for(row.kind);
        if !self.draft.may(working, Topic::Milestone(topic)) {
            return Err(one(milestone::Problem::Forbidden));
        }
        let all = self.filed.get(&(facility, row.kind));
        let all = all.map_or(&[][..], Vec::as_slice);
        let place = place_of(all);
        let mut problems = self.slips(working, row);
        let against = self.against(place.and_then(|place| all.get(place)), row);
        let may_be_filed = against.is_none();
        problems.extend(against);
        if step == ApplicationStep::Receive && may_be_filed {
            problems.extend(self.check_lines(working.after().current.cell.kind, all, row));
        } else if step != ApplicationStep::Receive && !row.lines.is_empty() {
            problems.push(Problem::NoLines);
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let said = means(working, row, all, place);
        let reached = matches!(said, Some(Step::Record { .. }));
        if let Some(said) = said {
            let said = self.draft.attempt(working, &said, row.note.as_ref());
            let said = said.map_err(one)?;
            self.draft.take(facility, said, index);
        }
        // Its history tells of it too, so that it has another version and the change can be undone.
        let event = Event::set(Aspect::Application(topic), on, None);
        let event = event.with_note(row.note.clone());
        let working = self.draft.find(facility).map_err(one)?;
        let told = Taken::of(working, vec![event]).map_err(|broken| one(broken.into()))?;
        self.draft.take(facility, told, index);
        Ok(self.keep(index, facility, row, reached))
    }

    fn tell(&mut self, row: &ApplicationRow, taken: Result<usize, Vec<Problem>>) {
        let facility = row.facility.as_ref().ok();
        let seen = facility.filter(|facility| self.draft.find(**facility).is_ok());
        let there = || place_of(self.filed.get(&(*seen?, row.kind))?);
        let told = match taken {
            Ok(place) => Told {
                place: Some(place),
                problems: Vec::new(),
            },
            Err(problems) => Told {
                place: there(),
                problems,
            },
        };
        self.told.push(told);
    }

    /// What is wrong with a row by itself.
    fn slips(&self, working: &Working, row: &ApplicationRow) -> Vec<Problem> {
        let StepTaken {
            step,
            on,
            expires_on,
            ..
        } = row.taken;
        let today = self.draft.today;
        let mut slips: Vec<Problem> = Vec::new();
        if on > today {
            slips.push(milestone::Problem::InFuture { today }.into());
        }
        let current = &working.after().current;
        let opened_on = current.opened_on;
        if on < EARLIEST {
            slips.push(milestone::Problem::TooEarly { earliest: EARLIEST }.into());
        } else if on < opened_on {
            slips.push(milestone::Problem::BeforeOpening { opened_on }.into());
        }
        if let Some(closed_on) = current.closed_on.filter(|closed_on| *closed_on <= on) {
            slips.push(milestone::Problem::AfterClosing { closed_on }.into());
        }
        let issues = matches!(step, ApplicationStep::Issue | ApplicationStep::Reissue)
            || step == ApplicationStep::Send && row.kind == ApplicationKind::Certificate;
        if expires_on.is_some_and(|until| !issues || until <= on) {
            slips.push(Problem::BadExpiry);
        }
        slips.extend(check_note(row.note.as_deref()).map(Into::into));
        slips
    }

    /// What is wrong with a step of the application that it is of, or after which another is filed.
    fn against(&self, last: Option<&Filed>, row: &ApplicationRow) -> Option<Problem> {
        let (kind, step) = (row.kind, row.taken.step);
        let under_way = last.filter(|last| !last.application.standing.status.ends(kind));
        if let Some(first) = last.and_then(|last| last.decided_in)
            && step == ApplicationStep::Receive
        {
            return Some(Problem::DuplicateRow { first });
        }
        if let Some((expected, current)) = row.expected_version.zip(last.map(Filed::version))
            && expected != current
        {
            return Some(Problem::StaleVersion { current });
        }
        let files = step == ApplicationStep::Receive;
        if files && under_way.is_some() {
            return Some(Problem::UnderWay);
        }
        let Some(last) = last else {
            return (!files).then_some(Problem::NoApplication);
        };
        let Standing { status, since, .. } = last.application.standing;
        if !files && !kind.may_take(status, step) {
            return Some(Problem::NotNow { status });
        }
        (row.taken.on < since).then_some(Problem::BeforeLast { since })
    }

    /// What is wrong with the readers of an application that is filed.
    fn check_lines(
        &self,
        kind: FacilityKind,
        earlier: &[Filed],
        row: &ApplicationRow,
    ) -> Vec<Problem> {
        let lines = &row.lines;
        if row.kind != ApplicationKind::Reader {
            let has_lines = !lines.is_empty();
            return has_lines.then_some(Problem::NoLines).into_iter().collect();
        }
        if lines.is_empty() {
            return vec![Problem::MissingLines];
        }
        if lines.len() > MOST_LINES {
            return vec![Problem::TooManyLines { most: MOST_LINES }];
        }
        let mut problems = Vec::new();
        for (position, line) in lines.iter().enumerate() {
            problems.extend(self.check_line(kind, row, position, line));
        }
        let allowed = free_readers(kind);
        let taken: i32 = earlier.iter().map(Filed::free).sum();
        let free = lines.iter().map(|line| i64::from(line.free)).sum::<i64>();
        if problems.is_empty() && free + i64::from(taken) > i64::from(allowed) {
            problems.push(Problem::TooManyFree { allowed, taken });
        }
        problems
    }

    fn check_line(
        &self,
        kind: FacilityKind,
        row: &ApplicationRow,
        position: usize,
        line: &ReaderLine,
    ) -> Option<Problem> {
        let ReaderLine {
            model,
            free,
            bought,
        } = *line;
        let count = free.checked_add(bought);
        let is_bad =
            free < 0 || bought < 0 || count.is_none_or(|n| !(1..=MOST_READERS).contains(&n));
        if is_bad {
            return Some(Problem::BadQuantity {
                line: position,
                bought: free >= 0 && bought != 0,
                most: MOST_READERS,
            });
        }
        let mut before = row.lines.iter().take(position);
        if before.any(|one| one.model == model) {
            return Some(Problem::DoubledModel { line: position });
        }
        let fits = self.models.get(&model).filter(|found| {
            let entry = &found.entry;
            entry.class == HardwareClass::Reader && entry.kinds.contains(&kind)
        });
        let Some(found) = fits else {
            return Some(Problem::ModelDoesNotFit { line: position });
        };
        let gone = found.entry.discontinued_on;
        let gone = gone.filter(|since| *since <= row.taken.on);
        gone.map(|since| Problem::Discontinued {
            line: position,
            since,
        })
    }

    /// Takes a step that breaks no rule.
    fn keep(
        &mut self,
        index: usize,
        facility: FacilityId,
        row: &ApplicationRow,
        reached: bool,
    ) -> usize {
        let all = self.filed.entry((facility, row.kind)).or_default();
        let taken = StepTaken {
            reached,
            ..row.taken
        };
        if taken.step == ApplicationStep::Receive {
            all.push(Filed {
                application: Application {
                    id: ApplicationId(0),
                    facility,
                    kind: row.kind,
                    standing: Standing::after(&[], taken.on),
                    received_on: taken.on,
                    version: 0,
                    opened_by: ChangeId(0),
                },
                steps: Vec::new(),
                lines: row.lines.clone(),
                stored: 0,
                decided_in: None,
            });
        }
        let last = all.len().saturating_sub(1);
        let place = match taken.step {
            ApplicationStep::Receive => last,
            _ => place_of(all).unwrap_or(last),
        };
        if let Some(last) = all.get_mut(place) {
            last.steps.push(taken);
            last.application.standing = Standing::after(&last.steps, taken.on);
            if last.is_new() || last.application.standing.status.ends(row.kind) {
                last.decided_in.get_or_insert(index);
            }
        }
        place
    }

    /// Writes the applications, their lines and their steps.
    async fn write(&mut self, transaction: &Transaction, change: ChangeId) -> Result<(), DbErr> {
        let mut touched: Vec<&mut Filed> = self
            .filed
            .values_mut()
            .flatten()
            .filter(|filed| filed.steps.len() > filed.stored)
            .collect();
        for filed in &mut touched {
            filed.application.version += 1;
            if filed.is_new() {
                filed.application.opened_by = change;
            }
        }
        let new: Vec<&Application> = touched
            .iter()
            .filter(|filed| filed.is_new())
            .map(|filed| &filed.application)
            .collect();
        let ids = entity::insert(transaction, change, &new).await?;
        let known: Vec<&Application> = touched
            .iter()
            .filter(|filed| !filed.is_new())
            .map(|filed| &filed.application)
            .collect();
        entity::update(transaction, &known).await?;
        let (mut lines, mut steps) = (Vec::new(), Vec::new());
        for filed in touched {
            let key = (filed.application.facility, filed.application.kind);
            if filed.is_new()
                && let Some(id) = ids.get(&key)
            {
                filed.application.id = *id;
                lines.extend(
                    filed
                        .lines
                        .iter()
                        .map(|line| entity::line_values(*id, line)),
                );
            }
            let id = filed.application.id;
            let taken = filed.steps.iter().skip(filed.stored);
            steps.extend(taken.map(|step| entity::step_values(id, step, change)));
            filed.stored = filed.steps.len();
        }
        APPLICATION_LINE.insert(transaction, lines).await?;
        APPLICATION_STEP.insert(transaction, steps).await
    }

    fn into_outcome(
        self,
        rows: &[ApplicationRow],
        change: Option<ChangeId>,
        nothing_written: bool,
    ) -> Outcome {
        let told = rows.iter().zip(self.told).map(|(row, told)| {
            let Told { place, problems } = told;
            let facility = row.facility.as_ref().ok();
            let of = |facility: &FacilityId| self.filed.get(&(*facility, row.kind))?.get(place?);
            let filed = facility.and_then(of);
            let written = !nothing_written && problems.is_empty();
            RowOutcome {
                application: filed
                    .map(|filed| filed.application.id)
                    .filter(|id| id.0 != 0),
                version: filed.map(Filed::version).filter(|_| written),
                problems,
            }
        });
        Outcome {
            change,
            rows: told.collect(),
        }
    }
}

/// Which of a facility's applications of a kind a step is of: the last in force, or the last if none is. One that was filed
/// by mistake and cancelled does not hide the one before it.
fn place_of(all: &[Filed]) -> Option<usize> {
    let in_force = all.iter().rposition(Filed::is_in_force);
    in_force.or_else(|| all.len().checked_sub(1))
}

/// What a step of the application at a place says of the facility's milestones. Nothing that was reached is reached again,
/// and withdrawn is only what the application reached itself, unless another one stands for it.
fn means(
    working: &Working,
    row: &ApplicationRow,
    all: &[Filed],
    place: Option<usize>,
) -> Option<Step> {
    let StepTaken { step, on, .. } = row.taken;
    let is_reached = |milestone: &Milestone| working.after().current.reached(*milestone).is_some();
    if let Some(milestone) = step.reaches(row.kind) {
        let new = Some(milestone).filter(|one| !is_reached(one));
        return new.map(|milestone| Step::Record {
            milestone,
            on,
            imply_earlier: false,
        });
    }
    let mut others = all.iter().enumerate();
    let stands = others.any(|(at, one)| Some(at) != place && one.is_in_force());
    let ours = place.and_then(|place| all.get(place));
    let reached = ours.is_some_and(|one| one.steps.iter().any(|step| step.reached));
    let withdrawn = step.takes_back(row.kind);
    let withdrawn = withdrawn.filter(|one| is_reached(one) && reached && !stands);
    withdrawn.map(|milestone| Step::Withdraw {
        milestone,
        on,
        with_later: false,
    })
}
