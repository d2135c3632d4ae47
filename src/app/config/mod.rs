//! The configuration: defaults, then the file (`kaitsu.toml`), then the environment (`DATABASE_URL`,
//! `KAITSU_SECTION__KEY`), then flags, each over the one before. It is read once, at start, into the
//! settings of the parts that it configures. All that is wrong with it is told at once, each with its key,
//! where it was set and what was expected; unknown settings are wrong, too. Secrets are never printed.

mod reader;
mod values;

use std::{fmt, path::PathBuf, time::Duration};

use reader::Reader;
pub use reader::{Effective, Problem};
use values::{
    PROXY_HEADERS, boolean, database_url, duration, http_url, log_filter, mail_url, networks,
    number, origins, sender, size, socket_address, text, word,
};
pub use values::{Secret, Sender, without_password};

use super::telemetry::{LogFormat, LogSettings};
use crate::{
    api::{Limits, page},
    change,
    db::{Backend, DatabaseSettings},
    http::{Origins, ServerSettings, Settings, SheetSettings, SocketSettings, TrustedProxies},
};

/// The file that is read if none is named and it is there.
pub const DEFAULT_FILE: &str = "kaitsu.toml";
/// The database if none is named: a file in the working directory.
const DEFAULT_DATABASE: &str = "sqlite:kaitsu.db?mode=rwc";
const DEFAULT_MAIL: &str = "file:kaitsu-mail";

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3_600);

/// From where settings are taken.
#[derive(Clone, Default)]
pub struct Sources {
    /// The file, if any.
    pub file: Option<PathBuf>,
    /// Names and values.
    pub environment: Vec<(String, String)>,
    /// The flag as a person wrote it, the key, and the value.
    pub flags: Vec<(String, String, String)>,
}

/// How seriously to take it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Environment {
    /// GraphiQL is on.
    Development,
    /// GraphiQL is off unless asked for, and what only a developer would leave at its default is required.
    Production,
}

/// Accounts and tokens.
#[derive(Clone, Debug)]
pub struct AuthConfig {
    /// `iss` of access tokens.
    pub issuer: String,
    /// `aud` of access tokens.
    pub audience: String,
    /// How long an access token lasts, in minutes.
    pub access_token_minutes: u32,
    /// How long a login lasts without being refreshed, in days.
    pub refresh_token_days: u32,
    /// How long a login lasts however often it is refreshed, in days.
    pub session_days: u32,
    /// A signing key is followed by a new one after so many days.
    pub signing_key_days: u32,
    /// Passwords that are hashed at once; each takes some 20 MiB while it is.
    pub hashing_slots: usize,
    /// Passwords that may wait for a slot.
    pub hashing_queue: usize,
}

/// Mail.
#[derive(Clone, Debug)]
pub struct MailConfig {
    /// `smtp://…`, `smtps://…`, `file:DIR` or `memory:`.
    pub url: Secret,
    /// The sender.
    pub from: Sender,
    /// Where answers go, if not to the sender.
    pub reply_to: Option<Sender>,
}

/// How long to keep what grows and is no history, in days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetentionConfig {
    /// Outcomes under idempotency keys.
    pub idempotency_days: u16,
    /// Sheets that were sent, with what became of their rows.
    pub sheet_days: u16,
}

/// The whole configuration, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// Development or production.
    pub environment: Environment,
    /// The address under which people reach this service; no slash at its end.
    pub public_url: String,
    /// Serve GraphiQL.
    pub graphiql: bool,
    /// The HTTP server.
    pub server: ServerSettings,
    /// The GraphQL endpoint.
    pub endpoint: Settings,
    /// The door for files.
    pub sheets: SheetSettings,
    /// The limits of a GraphQL request.
    pub limits: Limits,
    /// The pools.
    pub database: DatabaseSettings,
    /// Accounts and tokens.
    pub auth: AuthConfig,
    /// Mail.
    pub mail: MailConfig,
    /// The log.
    pub log: LogSettings,
    /// What is forgotten when.
    pub retention: RetentionConfig,
    /// Names in the environment that begin like ours and are no settings: Kubernetes makes some for a service
    /// that is called kaitsu.
    pub ignored: Vec<String>,
    effective: Vec<Effective>,
}

/// The configuration can't be used.
#[derive(Debug, thiserror::Error)]
pub struct ConfigError {
    /// All that is wrong with it.
    pub problems: Vec<Problem>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.problems.len() {
            1 => formatter.write_str("the configuration has a problem:")?,
            many => write!(formatter, "the configuration has {many} problems:")?,
        }
        for problem in &self.problems {
            write!(formatter, "\n  {problem}")?;
        }
        Ok(())
    }
}

impl Config {
    /// Reads and checks everything.
    ///
    /// # Errors
    /// All problems at once.
    pub fn load(sources: &Sources) -> Result<Self, ConfigError> {
        let mut reader = Reader::open(sources);
        let config = Self::read(&mut reader);
        config.check(&mut reader);
        reader.refuse_unknown();
        if reader.problems.is_empty() {
            Ok(Self {
                ignored: reader.ignored,
                effective: reader.effective,
                ..config
            })
        } else {
            Err(ConfigError {
                problems: reader.problems,
            })
        }
    }

    fn read(reader: &mut Reader) -> Self {
        const ENVIRONMENTS: &[(&str, Environment)] = &[
            ("development", Environment::Development),
            ("production", Environment::Production),
        ];
        let environment = reader.take("environment", Environment::Development, &word(ENVIRONMENTS));
        let public_url = reader.take(
            "server.public_url",
            "http://127.0.0.1:8080".to_owned(),
            &http_url(),
        );
        let graphiql = reader.take(
            "server.graphiql",
            environment == Environment::Development,
            &boolean(),
        );
        let server = read_server(reader, public_url.starts_with("https:"));
        let endpoint = read_endpoint(reader);
        Self {
            server,
            sheets: read_sheets(reader, &endpoint),
            endpoint,
            limits: read_limits(reader),
            database: read_database(reader),
            auth: read_auth(reader, &public_url),
            mail: read_mail(reader),
            log: read_log(reader),
            retention: read_retention(reader),
            ignored: Vec::new(),
            effective: Vec::new(),
            environment,
            public_url,
            graphiql,
        }
    }

    /// What must fit together.
    fn check(&self, reader: &mut Reader) {
        if self.environment == Environment::Production && !reader.is_given("server.public_url") {
            reader.refuse(
                "server.public_url",
                "must be set in production: mails and tokens carry it",
            );
        }
        let smtp = self.mail.url.expose().starts_with("smtp");
        if smtp && !reader.is_given("mail.from") {
            reader.refuse("mail.from", "must be set where mail is sent by SMTP");
        }
        if self.database.read_url.is_some()
            && Backend::of_url(&self.database.url) != Some(Backend::Postgres)
        {
            reader.refuse(
                "database.read_url",
                "a replica needs PostgreSQL as database.url",
            );
        }
        if reader.problems.is_empty()
            && self.database.lock_timeout > self.database.statement_timeout
        {
            reader.refuse(
                "database.lock_timeout",
                "must not be longer than database.statement_timeout",
            );
        }
    }

    /// Was this setting given, or is it the default?
    pub fn is_given(&self, key: &str) -> bool {
        let mut given = self.effective.iter();
        given.any(|setting| setting.key == key && setting.source != reader::DEFAULT)
    }

    /// The configuration in force as TOML, each setting with where it was set, without secrets.
    pub fn effective(&self) -> String {
        let mut settings: Vec<&Effective> = self.effective.iter().collect();
        settings.sort_by_key(|setting| (setting.key.contains('.'), setting.key));
        let mut lines = Vec::new();
        let mut section = "";
        for Effective { key, value, source } in settings {
            let (of, name) = key.split_once('.').unwrap_or(("", key));
            if of != section {
                lines.push(format!("\n[{of}]"));
                section = of;
            }
            lines.push(format!("{name} = {value} # {source}"));
        }
        lines.join("\n")
    }
}

fn read_server(reader: &mut Reader, secure: bool) -> ServerSettings {
    let default = ServerSettings::default();
    ServerSettings {
        listen: reader.take("server.listen", default.listen, &socket_address()),
        workers: reader.take("server.workers", default.workers, &number(0..=256)),
        max_connections: reader.take(
            "server.max_connections",
            default.max_connections,
            &number(1..=1_000_000),
        ),
        header_timeout: reader.take(
            "server.header_timeout",
            default.header_timeout,
            &duration(SECOND..=60 * SECOND),
        ),
        keep_alive: reader.take(
            "server.keep_alive",
            default.keep_alive,
            &duration(SECOND..=HOUR),
        ),
        shutdown_grace: reader.take(
            "server.shutdown_grace",
            default.shutdown_grace,
            &duration(SECOND..=HOUR),
        ),
        cors_origins: reader.take("server.cors_origins", Vec::new(), &origins()),
        secure,
    }
}

fn read_endpoint(reader: &mut Reader) -> Settings {
    let default = Settings::default();
    let socket = SocketSettings::default();
    let proxies = reader.take("server.trusted_proxies", Vec::new(), &networks());
    let header = reader.take(
        "server.proxy_header",
        default.proxies.header,
        &word(PROXY_HEADERS),
    );
    let origins = reader.take("server.socket_origins", Vec::new(), &origins());
    Settings {
        body_bytes: reader.take(
            "server.body_limit",
            default.body_bytes,
            &size(1 << 10..=1 << 30),
        ),
        body_time: reader.take(
            "server.body_timeout",
            default.body_time,
            &duration(SECOND..=HOUR),
        ),
        execution_time: reader.take(
            "server.request_timeout",
            default.execution_time,
            &duration(100 * MILLISECOND..=HOUR),
        ),
        batch: reader.take("limits.batch", default.batch, &number(0..=100)),
        proxies: TrustedProxies {
            networks: proxies.into_iter().map(|(_, network)| network).collect(),
            header,
        },
        socket: SocketSettings {
            origins: if origins.is_empty() {
                Origins::SameHost
            } else {
                Origins::Listed(origins)
            },
            operations: reader.take(
                "limits.socket_operations",
                socket.operations,
                &number(1..=1_000),
            ),
            message_bytes: reader.take(
                "limits.socket_message",
                socket.message_bytes,
                &size(1 << 10..=1 << 24),
            ),
            ..socket
        },
    }
}

fn read_limits(reader: &mut Reader) -> Limits {
    let default = Limits::default();
    Limits {
        document_bytes: reader.take(
            "limits.document",
            default.document_bytes,
            &size(1 << 10..=1 << 24),
        ),
        tokens: reader.take("limits.tokens", default.tokens, &number(100..=1_000_000)),
        nesting: reader.take("limits.nesting", default.nesting, &number(16..=200)),
        operations: reader.take("limits.operations", default.operations, &number(1..=1_000)),
        depth: reader.take("limits.depth", default.depth, &number(16..=100)),
        fields: reader.take("limits.fields", default.fields, &number(100..=1_000_000)),
        complexity: reader.take(
            "limits.complexity",
            default.complexity,
            &number(100..=1_000_000_000),
        ),
        aliases: reader.take("limits.aliases", default.aliases, &number(0..=100_000)),
        directives: reader.take(
            "limits.directives",
            default.directives,
            &number(0..=100_000),
        ),
        root_fields: reader.take(
            "limits.root_fields",
            default.root_fields,
            &number(1..=1_000),
        ),
        list_items: reader.take(
            "limits.list_items",
            default.list_items,
            &number(1..=1_000_000),
        ),
        page_size: reader.take(
            "limits.page_size",
            default.page_size,
            &number(1..=u64::from(page::MOST.unsigned_abs())),
        ),
        cached_tokens: reader.take(
            "limits.cached_tokens",
            default.cached_tokens,
            &number(0..=10_000_000),
        ),
    }
}

fn read_database(reader: &mut Reader) -> DatabaseSettings {
    let timeout = || duration(MILLISECOND..=HOUR);
    let url = reader.take(
        "database.url",
        Secret::new(DEFAULT_DATABASE),
        &database_url(),
    );
    let read_url = reader.take("database.read_url", None, &database_url().optional());
    DatabaseSettings {
        url: url.expose().to_owned(),
        read_url: read_url.map(|url| url.expose().to_owned()),
        connections: reader.take("database.connections", 16, &number(3..=1_000)),
        acquire_timeout: reader.take("database.acquire_timeout", 5 * SECOND, &timeout()),
        statement_timeout: reader.take("database.statement_timeout", 30 * SECOND, &timeout()),
        lock_timeout: reader.take("database.lock_timeout", 5 * SECOND, &timeout()),
    }
}

fn read_auth(reader: &mut Reader, public_url: &str) -> AuthConfig {
    AuthConfig {
        issuer: reader.take("auth.issuer", public_url.to_owned(), &text()),
        audience: reader.take("auth.audience", "kaitsu".to_owned(), &text()),
        access_token_minutes: reader.take("auth.access_token_minutes", 5, &number(1..=60)),
        refresh_token_days: reader.take("auth.refresh_token_days", 7, &number(1..=90)),
        session_days: reader.take("auth.session_days", 30, &number(1..=365)),
        signing_key_days: reader.take("auth.signing_key_days", 30, &number(1..=365)),
        hashing_slots: reader.take("auth.hashing_slots", 2, &number(1..=64)),
        hashing_queue: reader.take("auth.hashing_queue", 64, &number(0..=10_000)),
    }
}

fn read_mail(reader: &mut Reader) -> MailConfig {
    MailConfig {
        url: reader.take("mail.url", Secret::new(DEFAULT_MAIL), &mail_url()),
        from: reader.take("mail.from", Sender::default(), &sender()),
        reply_to: reader.take("mail.reply_to", None, &sender().optional()),
    }
}

fn read_log(reader: &mut Reader) -> LogSettings {
    const FORMATS: &[(&str, LogFormat)] = &[("text", LogFormat::Text), ("json", LogFormat::Json)];
    LogSettings {
        format: reader.take("log.format", LogFormat::Text, &word(FORMATS)),
        filter: reader.take("log.filter", "info".to_owned(), &log_filter()),
    }
}

fn read_sheets(reader: &mut Reader, endpoint: &Settings) -> SheetSettings {
    let default = SheetSettings::default();
    SheetSettings {
        most_bytes: reader.take(
            "sheets.limit",
            default.most_bytes,
            &size(1024..=1024 * 1024 * 1024),
        ),
        upload_time: reader.take(
            "sheets.upload_timeout",
            default.upload_time,
            &duration(SECOND..=HOUR),
        ),
        at_once: reader.take("sheets.at_once", default.at_once, &number(1..=1_000)),
        proxies: endpoint.proxies.clone(),
    }
}

fn read_retention(reader: &mut Reader) -> RetentionConfig {
    let idempotency_days = u16::try_from(change::KEPT_DAYS).unwrap_or(u16::MAX);
    RetentionConfig {
        idempotency_days: reader.take(
            "retention.idempotency_days",
            idempotency_days,
            &number(1..=3_650),
        ),
        sheet_days: reader.take("retention.sheet_days", 90, &number(1..=3_650)),
    }
}
