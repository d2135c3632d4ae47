//! The background of a process: `serve` and `worker` both run it, any number of them at once. Changes are
//! numbered and folded soon after they commit, and what is past its retention is forgotten.

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use tokio::{task::JoinSet, time::timeout};
use tokio_util::sync::CancellationToken;

use super::{Services, config::RetentionConfig};
use crate::{
    change,
    db::{DbErr, wake},
    figures,
    jobs::{self, Job, Progress, Step},
    sheet,
};

/// How often to look for changes of which no bell told.
const LOOK: Duration = Duration::from_millis(250);
/// Changes committed within this time of each other are numbered together.
const GATHER: Duration = Duration::from_millis(100);
/// How often to look for sheets of which no bell told.
const SHEETS: Duration = Duration::from_secs(1);
/// How often to look for jobs that are due.
const JOBS: Duration = Duration::from_secs(60);
/// How long a stopping process waits for what is under way.
const FINISH: Duration = Duration::from_secs(20);

/// The background of this process, under way.
pub struct Background {
    tasks: JoinSet<()>,
    stop: CancellationToken,
}

impl Background {
    /// Starts the steps and the jobs that every deployment has, and those given. `holder` names this
    /// process in leases.
    pub fn start(
        services: &Services,
        retention: RetentionConfig,
        holder: String,
        more_steps: Vec<Step>,
        more_jobs: Vec<Job>,
    ) -> Self {
        let mut jobs = retention_jobs(services, retention);
        jobs.extend(more_jobs);
        let mut steps = vec![
            settling(services),
            folding(services),
            sheets(services, holder.clone()),
            job_step(services, holder, jobs),
        ];
        steps.extend(more_steps);
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        for step in steps {
            tasks.spawn(jobs::repeat(step, stop.clone()));
        }
        let (services, stopped) = (services.clone(), stop.clone());
        tasks.spawn(async move {
            wake::listen(&services.database, &services.written, &stopped).await;
        });
        Self { tasks, stop }
    }

    /// Stops after what is under way.
    pub async fn stop(mut self) {
        self.stop.cancel();
        let finished = async { while self.tasks.join_next().await.is_some() {} };
        if timeout(FINISH, finished).await.is_err() {
            tracing::warn!("background work was cut off; it is done again by whoever goes on");
        }
    }
}

/// Numbers what is committed, tells other processes, and tells those who wait in this one.
fn settling(services: &Services) -> Step {
    let services = services.clone();
    Step {
        name: "settle",
        pause: LOOK,
        bell: Some(Arc::clone(&services.written)),
        gather: GATHER,
        work: Arc::new(move || {
            let services = services.clone();
            Box::pin(async move { settle(&services).await })
        }),
    }
}

async fn settle(services: &Services) -> Result<Progress, DbErr> {
    if change::settle(&services.database, &services.clock).await? > 0 {
        wake::ring(&services.database).await?;
    }
    let last = change::horizon(services.database.read()).await?.last_seq;
    services.settled.send_if_modified(|known| {
        let is_news = last > *known;
        *known = last.max(*known);
        is_news
    });
    Ok(Progress::Idle)
}

fn folding(services: &Services) -> Step {
    let database = services.database.clone();
    Step {
        name: "fold",
        pause: LOOK,
        bell: None,
        gather: Duration::ZERO,
        work: Arc::new(move || {
            let database = database.clone();
            Box::pin(async move {
                let left = figures::service::fold(&database).await?;
                Ok(if left > 0 {
                    Progress::More
                } else {
                    Progress::Idle
                })
            })
        }),
    }
}

/// Checks, applies and undoes sheets.
fn sheets(services: &Services, holder: String) -> Step {
    let services = services.clone();
    let holder: Arc<str> = holder.into();
    Step {
        name: "sheets",
        pause: SHEETS,
        bell: Some(Arc::clone(&services.sheets)),
        gather: Duration::ZERO,
        work: Arc::new(move || {
            let (services, holder) = (services.clone(), Arc::clone(&holder));
            Box::pin(async move { sheet::service::run(&services, &holder).await })
        }),
    }
}

fn job_step(services: &Services, holder: String, jobs: Vec<Job>) -> Step {
    let services = services.clone();
    let (holder, jobs): (Arc<str>, Arc<[Job]>) = (holder.into(), jobs.into());
    Step {
        name: "jobs",
        pause: JOBS,
        bell: None,
        gather: Duration::ZERO,
        work: Arc::new(move || {
            let (services, holder, jobs) =
                (services.clone(), Arc::clone(&holder), Arc::clone(&jobs));
            Box::pin(async move {
                jobs::run_due(&services.database, &services.clock, &holder, &jobs).await?;
                Ok(Progress::Idle)
            })
        }),
    }
}

fn retention_jobs(services: &Services, retention: RetentionConfig) -> Vec<Job> {
    let (outcomes, sheets) = (services.clone(), services.clone());
    let ago =
        |services: &Services, days: u16| services.clock.now() - TimeDelta::days(i64::from(days));
    vec![
        Job {
            name: "forget_outcomes",
            every: TimeDelta::hours(1),
            work: Arc::new(move || {
                let services = outcomes.clone();
                Box::pin(async move {
                    let before = ago(&services, retention.idempotency_days);
                    let forgotten = change::forget_outcomes(&services.database, before).await?;
                    Ok(format!("{forgotten} outcomes forgotten"))
                })
            }),
        },
        Job {
            name: "forget_sheets",
            every: TimeDelta::hours(1),
            work: Arc::new(move || {
                let services = sheets.clone();
                Box::pin(async move {
                    let before = ago(&services, retention.sheet_days);
                    let forgotten = sheet::entity::forget(&services.database, before).await?;
                    Ok(format!("{forgotten} sheets forgotten"))
                })
            }),
        },
    ]
}
