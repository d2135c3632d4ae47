//! Accounts and mail as a process wires them: the service by the configuration, and the background work
//! that they need.

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use lettre::message::Mailbox;

use super::{Config, Services, StartError};
use crate::{
    auth::{AuthService, AuthSettings},
    db::{DbErr, deployment},
    jobs::{Job, Progress, Step},
    mail::{Transport, deliver::Sender, deliver_due},
};

/// Mails sent in one step.
const MAILS_AT_ONCE: u16 = 50;
/// How often to look for mail, and to write when service tokens were used.
const LOOK: Duration = Duration::from_secs(5);
/// Signing keys are replaced when they are this old.
const KEY_AGE: TimeDelta = TimeDelta::days(30);

/// Opens the accounts.
///
/// # Errors
/// When the signing keys can't be read or made.
pub async fn open(config: &Config, services: &Services) -> Result<Arc<AuthService>, StartError> {
    let auth = &config.auth;
    let settings = AuthSettings {
        issuer: auth.issuer.clone(),
        audience: auth.audience.clone(),
        public_url: config.public_url.clone(),
        access_lifetime: TimeDelta::minutes(auth.access_token_minutes.into()),
        refresh_lifetime: TimeDelta::days(auth.refresh_token_days.into()),
        session_lifetime: TimeDelta::days(auth.session_days.into()),
        hashing_slots: auth.hashing_slots,
        hashing_queue: auth.hashing_queue,
        ..AuthSettings::default()
    };
    let service = AuthService::open(services.database.clone(), services.clock.clone(), settings)
        .await
        .map_err(|error| StartError::Accounts(error.to_string()))?;
    Ok(Arc::new(service))
}

/// What every process repeats: mail is sent, and the use of service tokens is written.
///
/// # Errors
/// When the configuration names no sender or transport that can be used.
pub fn steps(
    config: &Config,
    services: &Services,
    auth: &Arc<AuthService>,
) -> Result<Vec<Step>, StartError> {
    Ok(vec![mail_step(config, services)?, token_step(auth)])
}

fn mail_step(config: &Config, services: &Services) -> Result<Step, StartError> {
    let wrong = |error: String| StartError::Mail(error);
    let transport =
        Transport::from_url(config.mail.url.expose()).map_err(|error| wrong(error.to_string()))?;
    let from = &config.mail.from;
    let address = from
        .address
        .parse()
        .map_err(|_| wrong("mail.from is no address".to_owned()))?;
    let sender = Sender {
        domain: from
            .address
            .rsplit_once('@')
            .map_or_else(String::new, |(_, domain)| domain.to_owned()),
        from: Mailbox::new(from.name.clone(), address),
    };
    let services = services.clone();
    Ok(Step {
        name: "mail",
        pause: LOOK,
        bell: None,
        gather: Duration::ZERO,
        work: Arc::new(move || {
            let (services, transport, sender) =
                (services.clone(), transport.clone(), sender.clone());
            Box::pin(async move { send(&services, &transport, &sender).await })
        }),
    })
}

/// A restored copy sends nothing until a person releases it.
async fn send(
    services: &Services,
    transport: &Transport,
    sender: &Sender,
) -> Result<Progress, DbErr> {
    if deployment::is_sending_held(services.database.read()).await? {
        return Ok(Progress::Idle);
    }
    let Services {
        database, clock, ..
    } = services;
    let done = deliver_due(database, transport, sender, clock, MAILS_AT_ONCE).await?;
    Ok(if done.sent > 0 {
        Progress::More
    } else {
        Progress::Idle
    })
}

fn token_step(auth: &Arc<AuthService>) -> Step {
    let auth = Arc::clone(auth);
    Step {
        name: "token_uses",
        pause: LOOK,
        bell: None,
        gather: Duration::ZERO,
        work: Arc::new(move || {
            let auth = Arc::clone(&auth);
            Box::pin(async move {
                auth.record_token_uses().await?;
                Ok(Progress::Idle)
            })
        }),
    }
}

/// What one process does once in a while: what has expired is forgotten, and keys are replaced.
pub fn jobs(auth: &Arc<AuthService>) -> Vec<Job> {
    let (purging, rotating) = (Arc::clone(auth), Arc::clone(auth));
    vec![
        Job {
            name: "forget_expired_accounts",
            every: TimeDelta::hours(1),
            work: Arc::new(move || {
                let auth = Arc::clone(&purging);
                Box::pin(async move { Ok(format!("{:?}", auth.purge_expired().await?)) })
            }),
        },
        Job {
            name: "rotate_signing_key",
            every: TimeDelta::days(1),
            work: Arc::new(move || {
                let auth = Arc::clone(&rotating);
                Box::pin(async move {
                    let rotated = auth.tokens().keys().rotate_if_older_than(KEY_AGE).await;
                    match rotated {
                        Ok(Some(kid)) => Ok(format!("new key {kid}")),
                        Ok(None) => Ok("the key is young".to_owned()),
                        Err(error) => Err(DbErr::Custom(error.to_string())),
                    }
                })
            }),
        },
    ]
}
