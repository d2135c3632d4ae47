//! The accounts and the mail of a process, opened by the configuration, and their background work.

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use lettre::{Address, message::Mailbox};

use super::{Config, Services, StartError, config};
use crate::{
    auth::{AuthService, AuthSettings},
    db::{DbErr, deployment},
    jobs::{Job, Progress, Step},
    mail::{Transport, deliver, deliver_due},
};

/// How often to look for mail that is due.
const MAIL: Duration = Duration::from_secs(1);
/// Mails that are leased together.
const MAILS_AT_ONCE: u16 = 64;
/// How often the last uses of service tokens are written down.
const TOKEN_USES: Duration = Duration::from_secs(30);

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
        access_lifetime: TimeDelta::minutes(i64::from(auth.access_token_minutes)),
        refresh_lifetime: TimeDelta::days(i64::from(auth.refresh_token_days)),
        session_lifetime: TimeDelta::days(i64::from(auth.session_days)),
        hashing_slots: auth.hashing_slots,
        hashing_queue: auth.hashing_queue,
        ..AuthSettings::default()
    };
    let opened =
        AuthService::open(services.database.clone(), services.clock.clone(), settings).await?;
    Ok(Arc::new(opened))
}

/// What every process repeats: sending mail, and writing down when service tokens were used.
///
/// # Errors
/// When mail can't be sent as it is configured.
pub fn steps(
    config: &Config,
    services: &Services,
    auth: &Arc<AuthService>,
) -> Result<Vec<Step>, StartError> {
    let uses = Arc::clone(auth);
    let token_uses = Step {
        name: "token_uses",
        pause: TOKEN_USES,
        bell: None,
        gather: Duration::ZERO,
        work: Arc::new(move || {
            let auth = Arc::clone(&uses);
            Box::pin(async move {
                auth.record_token_uses().await?;
                Ok(Progress::Idle)
            })
        }),
    };
    Ok(vec![sending(config, services)?, token_uses])
}

fn sending(config: &Config, services: &Services) -> Result<Step, StartError> {
    let transport = Transport::from_url(config.mail.url.expose())
        .map_err(|error| StartError::Mail(error.to_string()))?;
    let from = mailbox(&config.mail.from)?;
    let sender = deliver::Sender {
        domain: from.email.domain().to_owned(),
        reply_to: config.mail.reply_to.as_ref().map(mailbox).transpose()?,
        from,
    };
    let services = services.clone();
    Ok(Step {
        name: "mail",
        pause: MAIL,
        bell: None,
        gather: Duration::ZERO,
        work: Arc::new(move || {
            let (services, transport, sender) =
                (services.clone(), transport.clone(), sender.clone());
            Box::pin(async move { send(&services, &transport, &sender).await })
        }),
    })
}

/// Sends what is due, unless this is a restored copy that nobody has released.
async fn send(
    services: &Services,
    transport: &Transport,
    sender: &deliver::Sender,
) -> Result<Progress, DbErr> {
    let database = &services.database;
    if deployment::is_sending_held(database.read()).await? {
        return Ok(Progress::Idle);
    }
    let done = deliver_due(database, transport, sender, &services.clock, MAILS_AT_ONCE).await?;
    let leased = done.sent + done.postponed + done.failed;
    Ok(if leased < u32::from(MAILS_AT_ONCE) {
        Progress::Idle
    } else {
        Progress::More
    })
}

fn mailbox(sender: &config::Sender) -> Result<Mailbox, StartError> {
    let address: Address = sender
        .address
        .parse()
        .map_err(|_| StartError::Mail("an address is none".to_owned()))?;
    Ok(Mailbox::new(sender.name.clone(), address))
}

/// What one process does once in a while: forgetting what is over, and renewing the signing key.
pub fn jobs(config: &Config, auth: &Arc<AuthService>) -> Vec<Job> {
    let (purging, renewing) = (Arc::clone(auth), Arc::clone(auth));
    let age = TimeDelta::days(i64::from(config.auth.signing_key_days));
    vec![
        Job {
            name: "forget_ended_logins",
            every: TimeDelta::hours(1),
            work: Arc::new(move || {
                let auth = Arc::clone(&purging);
                Box::pin(async move {
                    let purged = auth.purge_expired().await?;
                    Ok(format!("{purged:?}"))
                })
            }),
        },
        Job {
            name: "renew_signing_key",
            every: TimeDelta::hours(6),
            work: Arc::new(move || {
                let auth = Arc::clone(&renewing);
                Box::pin(async move {
                    let renewed = auth.tokens().keys().rotate_if_older_than(age).await;
                    let kid = renewed.map_err(|error| DbErr::Custom(error.to_string()))?;
                    Ok(kid.map_or("not due".to_owned(), |kid| format!("new key {kid}")))
                })
            }),
        },
    ]
}
