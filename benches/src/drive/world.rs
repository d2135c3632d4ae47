//! The database that is measured: the national demo with users who may ask, and samples of what they ask
//! for.

use std::{str::FromStr, time::Duration};

use chrono::TimeDelta;
use kaitsu::{
    app::Clock,
    auth::{
        AuthService, AuthSettings, Language, OrganisationKind, Role,
        service::{NewMember, UserCreate},
    },
    db::{Database, DatabaseSettings, OrganisationId},
};
use sqlx::{
    AssertSqlSafe, PgPool, Row,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use crate::Failure;

/// Tokens of the bench's users last so long.
const TOKENS_LAST: TimeDelta = TimeDelta::hours(23);
/// How many vendors have a user.
const VENDORS: usize = 40;

/// A PostgreSQL cluster where the bench may make databases.
pub struct Cluster {
    options: PgConnectOptions,
    admin: PgPool,
    url: String,
}

/// Someone who asks.
#[derive(Clone, Debug)]
pub struct Asker {
    /// The bearer token.
    pub token: String,
    /// The organisation in whose name.
    pub organisation: i64,
}

/// Who asks.
#[derive(Clone, Debug)]
pub struct Askers {
    /// An editor of the ministry: sees all.
    pub ministry: Asker,
    /// Vendors of every size, one user each.
    pub vendors: Vec<Asker>,
}

impl Cluster {
    /// Connects to a cluster by the URL of one of its databases.
    ///
    /// # Errors
    /// Nobody answers.
    pub async fn connect(url: &str) -> Result<Self, Failure> {
        let options = PgConnectOptions::from_str(url)?;
        let admin = pool(options.clone()).await?;
        Ok(Self {
            options,
            admin,
            url: url.to_owned(),
        })
    }

    /// The URL of another database in the cluster.
    pub fn url_of(&self, database: &str) -> String {
        let base = self
            .url
            .rsplit_once('/')
            .map_or(self.url.as_str(), |(base, _)| base);
        format!("{base}/{database}")
    }

    /// A pool on a database.
    ///
    /// # Errors
    /// There is none.
    pub async fn open(&self, database: &str) -> Result<PgPool, Failure> {
        pool(self.options.clone().database(database)).await
    }

    /// Is there a database of this name?
    ///
    /// # Errors
    /// The cluster fails.
    pub async fn has(&self, database: &str) -> Result<bool, Failure> {
        let found = sqlx::query("SELECT 1 FROM pg_database WHERE datname = $1")
            .bind(database)
            .fetch_optional(&self.admin)
            .await?;
        Ok(found.is_some())
    }

    /// Makes a database, anew if there was one; like `template` if given.
    ///
    /// # Errors
    /// Someone is connected to either.
    pub async fn make(&self, database: &str, template: Option<&str>) -> Result<(), Failure> {
        self.tell(format!("DROP DATABASE IF EXISTS {database} WITH (FORCE)"))
            .await?;
        let template = template.unwrap_or("template0");
        self.tell(format!("CREATE DATABASE {database} TEMPLATE {template}"))
            .await?;
        Ok(())
    }

    /// Runs a statement of the bench's own making.
    ///
    /// # Errors
    /// It fails.
    pub async fn tell(&self, sql: String) -> Result<(), Failure> {
        sqlx::raw_sql(AssertSqlSafe(sql))
            .execute(&self.admin)
            .await?;
        Ok(())
    }

    /// The process of the postmaster.
    ///
    /// # Errors
    /// The cluster fails, or runs on another machine.
    pub async fn postmaster(&self) -> Result<super::process::Process, Failure> {
        let backend: i32 = sqlx::query("SELECT pg_backend_pid()")
            .fetch_one(&self.admin)
            .await?
            .try_get(0)?;
        super::process::Process(u32::try_from(backend)?)
            .parent()
            .ok_or_else(|| "PostgreSQL does not run on this machine".into())
    }
}

async fn pool(options: PgConnectOptions) -> Result<PgPool, Failure> {
    Ok(PgPoolOptions::new()
        .max_connections(4)
        .connect_with(options)
        .await?)
}

/// Gives the demo users, once.
///
/// # Errors
/// The database fails.
pub async fn askers(url: &str, pool: &PgPool) -> Result<Askers, Failure> {
    let database = connect(url).await?;
    let auth = AuthService::open(database.clone(), Clock::System, AuthSettings::default()).await?;
    let of_kind = i32::from(OrganisationKind::Ministry.code());
    let ministry: i64 = sqlx::query("SELECT min(id) FROM organisation WHERE kind = $1")
        .bind(of_kind)
        .fetch_one(pool)
        .await?
        .try_get(0)?;
    let sizes = sqlx::query(
        "SELECT vendor_id FROM facility_state WHERE vendor_id <> 0 AND closed_on IS NULL \
         GROUP BY vendor_id HAVING count(*) >= 60 ORDER BY count(*) DESC",
    )
    .fetch_all(pool)
    .await?;
    let step = sizes.len().div_ceil(VENDORS).max(1);
    let mut vendors = Vec::new();
    for row in sizes.iter().step_by(step) {
        vendors.push(asker(&auth, row.try_get(0)?).await?);
    }
    let ministry = asker(&auth, ministry).await?;
    drop(auth);
    database.close().await?;
    Ok(Askers { ministry, vendors })
}

/// Gives an organisation its demo user.
///
/// # Errors
/// The database fails.
pub async fn asker_of(url: &str, organisation: i64) -> Result<Asker, Failure> {
    let database = connect(url).await?;
    let auth = AuthService::open(database.clone(), Clock::System, AuthSettings::default()).await?;
    let made = asker(&auth, organisation).await?;
    drop(auth);
    database.close().await?;
    Ok(made)
}

async fn asker(auth: &AuthService, organisation: i64) -> Result<Asker, Failure> {
    let email = format!("bench-{organisation}@example.jp");
    let new = UserCreate {
        email: email.clone(),
        name: "Bench".to_owned(),
        organisation: NewMember::Of(OrganisationId(organisation)),
        role: Role::Editor,
        password: None,
        language: Language::En,
    };
    if auth.issue_access_token(&email, TOKENS_LAST).await.is_err() {
        auth.create_user(&new)
            .await
            .map_err(|failure| format!("{failure:?}"))?;
    }
    let (token, _) = auth
        .issue_access_token(&email, TOKENS_LAST)
        .await
        .map_err(|failure| format!("{failure:?}"))?;
    Ok(Asker {
        token,
        organisation,
    })
}

/// Opens a database as the bench itself uses it.
///
/// # Errors
/// There is none.
pub async fn connect(url: &str) -> Result<Database, Failure> {
    let limit = Duration::from_secs(600);
    let settings = DatabaseSettings {
        url: url.to_owned(),
        read_url: None,
        connections: 4,
        acquire_timeout: limit,
        statement_timeout: limit,
        lock_timeout: limit,
    };
    Ok(Database::connect(&settings).await?)
}
