//! What processes do with sheets in the background: each takes the one that nobody was at for the longest time, does a part
//! of what is under way with it, and takes the next.

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use tokio::task::JoinHandle;

use super::{apply::apply_some, check::check, on_disk, undo::undo_some};
use crate::{
    app::Services,
    auth::{Actor, entity::callers::acting},
    change::{Source, Writer},
    db::{DbErr, is_transient},
    jobs::Progress,
    milestone::authority::may_record_anything,
    sheet::{
        SheetProblem, SheetStatus,
        entity::{self, Lease, Sheet},
        read::ReadError,
    },
};

/// How long a process that says nothing is believed to be at a sheet. One that takes longer for some rows may lose it to
/// another, and then writes nothing; what can take long says that it is at it ([`Turn::hold`]).
const LEASE: TimeDelta = TimeDelta::seconds(5);

/// How often the lease is renewed while something takes long.
const RENEWED_EVERY: Duration = Duration::from_secs(1);
/// So often something is begun with a sheet without getting on, as when a process dies of it each time.
const MOST_ATTEMPTS: i32 = 10;

/// Why a process stops in the middle.
#[derive(Debug)]
pub(super) enum Halt {
    /// The sheet was stopped, or another process is at it.
    Lost,
    /// It can't be gone on with.
    Problem(SheetProblem),
    /// Ours.
    Database(DbErr),
}

impl From<DbErr> for Halt {
    fn from(error: DbErr) -> Self {
        Self::Database(error)
    }
}

impl From<ReadError> for Halt {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Problem(problem) => Self::Problem(problem.into()),
            ReadError::Io(error) => Self::Database(on_disk(error)),
        }
    }
}

/// A process at a sheet.
pub(super) struct Turn<'a> {
    /// The services of the process.
    pub services: &'a Services,
    /// The sheet, as it was taken.
    pub sheet: &'a Sheet,
    holder: &'a str,
}

impl Turn<'_> {
    /// The lease from now on.
    pub fn lease(&self) -> Lease<'_> {
        lease(self.services, self.holder)
    }

    /// Whoever began what is under way, with what they may do by now.
    pub async fn actor(&self) -> Result<Actor, Halt> {
        let now = self.services.clock.now();
        let found = acting(self.services.database.write(), &self.sheet.runner, now).await?;
        // Without rights it stops, so that somebody else can go on with the rest.
        found
            .filter(may_record_anything)
            .ok_or(Halt::Problem(SheetProblem::RunnerGone))
    }

    /// The writer on their behalf.
    pub fn writer<'b>(&'b self, actor: &'b Actor) -> Writer<'b> {
        Writer {
            database: &self.services.database,
            clock: &self.services.clock,
            actor,
            source: Source::Import,
            // What belongs together is told by it, though a thousand rows make a change. No client can send a space.
            request_id: Some(format!("sheet {}", self.sheet.id.0)),
            reason: self.sheet.reason.clone(),
            dry_run: false,
            key: None,
        }
    }

    /// Keeps the lease while something takes long that can't say so.
    pub fn hold(&self) -> Held {
        let (services, sheet) = (self.services.clone(), self.sheet.id);
        let holder = self.holder.to_owned();
        Held(tokio::spawn(async move {
            loop {
                tokio::time::sleep(RENEWED_EVERY).await;
                let lease = lease(&services, &holder);
                if let Err(error) = entity::renew(&services.database, sheet, &lease).await {
                    tracing::warn!(sheet = sheet.0, %error, "a lease could not be renewed");
                }
            }
        }))
    }
}

/// A lease that is renewed for as long as this lives, whatever takes its time.
pub(super) struct Held(JoinHandle<()>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn lease<'a>(services: &Services, holder: &'a str) -> Lease<'a> {
    let now = services.clock.now();
    Lease {
        holder,
        now,
        until: now + LEASE,
    }
}

/// Does a part of what is under way with a sheet, if there is any.
///
/// # Errors
/// The database could not be asked; what was begun is gone on with later.
pub async fn run(services: &Services, holder: &str) -> Result<Progress, DbErr> {
    let database = &services.database;
    let Some(sheet) = entity::lease(database, &lease(services, holder)).await? else {
        return Ok(Progress::Idle);
    };
    let turn = Turn {
        services,
        sheet: &sheet,
        holder,
    };
    let began = Instant::now();
    let done = match sheet.status {
        _ if sheet.attempts > MOST_ATTEMPTS => Err(Halt::Problem(SheetProblem::Fault)),
        SheetStatus::Checking => check(&turn).await,
        SheetStatus::Applying => apply_some(&turn).await,
        SheetStatus::Undoing => undo_some(&turn).await,
        _ => Ok(()),
    };
    let problem = match done {
        Ok(()) | Err(Halt::Lost) => None,
        Err(Halt::Problem(problem)) => Some(problem),
        Err(Halt::Database(error)) if is_transient(&error) => return Err(error),
        Err(Halt::Database(error)) => {
            tracing::error!(sheet = sheet.id.0, %error, "a sheet can't be gone on with");
            Some(SheetProblem::Fault)
        }
    };
    if let Some(problem) = problem {
        entity::fail(database, &sheet, &turn.lease(), &problem).await?;
    }
    if sheet.gentle {
        // Others have the database to themselves for as long as we had it.
        tokio::time::sleep(began.elapsed()).await;
    }
    Ok(Progress::More)
}
