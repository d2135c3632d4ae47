//! A deployment with accounts, for tests: a clock that the test owns, cheap passwords, mail in memory.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use kaitsu::{
    app::Clock,
    auth::{
        Actor, AuthService, AuthSettings, Authenticated, Language, OrganisationKind, Origin, Role,
        password::PasswordCost,
        service::{LogIn, NewMember, SessionTokens, UserCreate, UserCreated},
    },
    change::{IdempotencyKey, Source, Writer},
    db::{Backend, Database, FacilityId},
    mail::{Transport, deliver::Sender, deliver_due},
};

use super::TestDatabase;

/// The password of every user here.
pub const PASSWORD: &str = "kaitsu-test-2021";

/// A deployment.
pub struct World {
    pub database: TestDatabase,
    pub clock: Clock,
    pub auth: Arc<AuthService>,
    pub mail: Transport,
}

/// Argon2 at the lowest cost that it knows.
pub fn settings() -> AuthSettings {
    AuthSettings {
        public_url: "https://kaitsu.example.jp".to_owned(),
        password_cost: PasswordCost {
            memory_kib: 16,
            passes: 1,
            lanes: 1,
        },
        hashing_slots: 2,
        hashing_queue: 64,
        ..AuthSettings::default()
    }
}

/// The morning on which the report was published.
pub fn morning() -> DateTime<Utc> {
    "2021-12-19T00:00:00Z".parse().unwrap()
}

impl World {
    /// A deployment without users.
    pub async fn new(backend: Backend) -> Self {
        Self::with(backend, settings()).await
    }

    /// A deployment with other settings.
    pub async fn with(backend: Backend, settings: AuthSettings) -> Self {
        let database = TestDatabase::new(backend).await;
        let clock = Clock::fixed(morning());
        let auth = open(database.db(), &clock, settings).await;
        Self {
            database,
            clock,
            auth: Arc::new(auth),
            mail: Transport::from_url("memory:").unwrap(),
        }
    }

    pub fn db(&self) -> &Database {
        self.database.db()
    }

    /// Another process of the same deployment.
    pub async fn another_process(&self) -> AuthService {
        open(self.db(), &self.clock, settings()).await
    }

    /// A user of the organisation of this kind; all of a kind are in one.
    pub async fn user(&self, email: &str, kind: OrganisationKind, role: Role) -> UserCreated {
        self.user_of(email, kind, &format!("{kind:?}"), role).await
    }

    /// A user of an organisation.
    pub async fn user_of(
        &self,
        email: &str,
        kind: OrganisationKind,
        organisation: &str,
        role: Role,
    ) -> UserCreated {
        if kind == OrganisationKind::Facility || kind.is_part_of_chain() {
            // A facility claims its account and a chain makes its parts; the operator makes neither.
            let code = kind.code();
            let sql = format!(
                "INSERT INTO organisation (kind, name, name_kana, created_at) SELECT {code}, '{organisation}', '', \
                 '2021-12-01 00:00:00+00:00' WHERE NOT EXISTS (SELECT 1 FROM organisation WHERE kind = {code} \
                 AND name = '{organisation}')"
            );
            self.database.run(&sql).await;
        }
        let bureau = (kind == OrganisationKind::RegionalBureau)
            .then(|| kaitsu::facility::Bureau::from_code(0).unwrap());
        let input = UserCreate {
            email: email.to_owned(),
            name: email.split('@').next().unwrap().to_owned(),
            organisation: NewMember::Named {
                kind,
                name: organisation.to_owned(),
                bureau,
            },
            role,
            password: Some(PASSWORD.to_owned()),
            language: Language::En,
        };
        self.auth.create_user(&input).await.unwrap()
    }

    /// Logs a user in.
    pub async fn log_in(&self, email: &str) -> SessionTokens {
        self.auth
            .log_in(
                &anonymous(),
                &Origin::default(),
                &credentials(email, PASSWORD),
            )
            .await
            .unwrap()
    }

    /// Who the bearer of a token is.
    pub async fn authenticate(&self, token: &str) -> Authenticated {
        self.auth.authenticate(Some(token), None).await.unwrap()
    }

    /// Makes a user and logs in.
    pub async fn actor(&self, email: &str, kind: OrganisationKind, role: Role) -> Actor {
        self.user(email, kind, role).await;
        let tokens = self.log_in(email).await;
        self.authenticate(&tokens.access_token).await.actor
    }

    pub fn writer<'a>(&'a self, actor: &'a Actor) -> Writer<'a> {
        Writer {
            database: self.db(),
            clock: &self.clock,
            actor,
            source: Source::Api,
            request_id: None,
            reason: None,
            dry_run: false,
            key: None,
        }
    }

    pub fn dry<'a>(&'a self, actor: &'a Actor) -> Writer<'a> {
        Writer {
            dry_run: true,
            ..self.writer(actor)
        }
    }

    pub fn keyed<'a>(&'a self, actor: &'a Actor, key: &str, request: &str) -> Writer<'a> {
        let key = IdempotencyKey::new(&actor.identity, key, "test", &request).unwrap();
        Writer {
            key: Some(key),
            ..self.writer(actor)
        }
    }

    /// Sends what is due and returns all mails so far as text.
    pub async fn mails(&self) -> Vec<String> {
        deliver_due(self.db(), &self.mail, &sender(), &self.clock, 100)
            .await
            .unwrap();
        let mails = self.mail.remembered();
        mails
            .iter()
            .map(|mail| String::from_utf8(mail.formatted()).unwrap())
            .collect()
    }

    /// The secret of the link in the newest mail to this address.
    pub async fn mailed_secret(&self, email: &str) -> String {
        let mails = self.mails().await;
        let mail = mails
            .iter()
            .rfind(|mail| mail.contains(&format!("To: {email}")))
            .unwrap_or_else(|| panic!("no mail to {email}"));
        let text = mail.replace("=\r\n", "");
        let (_, after) = text.split_once('#').expect("a link");
        after
            .split(|character: char| character.is_whitespace())
            .next()
            .unwrap()
            .to_owned()
    }

    /// Registers a facility, no more of it than letters need.
    pub async fn facility(&self, id: i64, code: &str) -> FacilityId {
        let yes = "1 = 0";
        for sql in [
            format!(
                "INSERT INTO facility (id, name, name_kana, postal_code, address, phone, search_text)
                 VALUES ({id}, 'みなと診療所', 'ミナトシンリョウジョ', '', '', '', '')"
            ),
            format!("INSERT INTO facility_code (code, facility_id) VALUES ('{code}', {id})"),
            format!(
                "INSERT INTO facility_state (facility_id, code, version, kind, prefecture,
                     public_institution, opened_on, vendor_id, chain_id, contractor_id, stage)
                 VALUES ({id}, '{code}', 1, 1, 1, {yes}, '2020-01-01', 0, 0, 0, 0)"
            ),
        ] {
            self.database.run(&sql).await;
        }
        FacilityId(id)
    }

    pub fn pass(&self, time: TimeDelta) {
        self.clock.advance(time);
    }
}

pub async fn open(db: &Database, clock: &Clock, settings: AuthSettings) -> AuthService {
    AuthService::open(db.clone(), clock.clone(), settings)
        .await
        .unwrap()
}

pub fn sender() -> Sender {
    Sender {
        from: "Kaitsu <noreply@kaitsu.example.jp>".parse().unwrap(),
        reply_to: None,
        domain: "kaitsu.example.jp".to_owned(),
    }
}

pub fn anonymous() -> Actor {
    Actor::anonymous(Language::En)
}

pub fn credentials(email: &str, password: &str) -> LogIn {
    LogIn {
        email: email.to_owned(),
        password: password.to_owned(),
    }
}

/// A request from this address.
pub fn from(address: &str) -> Origin {
    Origin {
        address: Some(address.parse().unwrap()),
        ..Origin::default()
    }
}

/// The reasons of a refusal.
#[track_caller]
pub fn reasons<T, R>(outcome: Result<T, kaitsu::auth::service::Failure<R>>) -> Vec<R> {
    match outcome {
        Ok(_) => panic!("nothing was refused"),
        Err(kaitsu::auth::service::Failure::Refused(reasons)) => reasons,
        Err(kaitsu::auth::service::Failure::Fault(fault)) => panic!("{fault}"),
    }
}
