//! A database of its own for each test. The schema is migrated once into a template, which is named by a
//! hash of the migrations and shared by all test processes; each test gets a copy and drops it at its
//! end. A server that can't be reached fails the test: it is never skipped.

use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use kaitsu::db::{Backend, Database, DatabaseSettings, Query};
use migration::{Migrator, MigratorTrait};
use sea_orm::ConnectionTrait;
use sha2::{Digest, Sha256};

/// Where the tests' PostgreSQL is, unless `KAITSU_TEST_POSTGRES_URL` says otherwise.
const DEFAULT_POSTGRES: &str = "postgres://postgres@127.0.0.1:5432/";

/// A migrated database that lives as long as this value.
pub struct TestDatabase {
    database: Database,
    url: String,
    place: Place,
}

enum Place {
    File(PathBuf),
    Server(String),
}

impl TestDatabase {
    /// A fresh copy of the migrated template.
    pub async fn new(backend: Backend) -> Self {
        let (url, place) = match backend {
            Backend::Sqlite => copy_file().await,
            Backend::Postgres => copy_on_server().await,
        };
        let database = Database::connect(&settings(&url, 8)).await.unwrap();
        Self {
            database,
            url,
            place,
        }
    }

    /// The database.
    pub fn db(&self) -> &Database {
        &self.database
    }

    /// Its URL, for a process of its own.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Runs a statement that a test needs and the product doesn't have.
    pub async fn run(&self, sql: &str) {
        self.database.write().execute_unprepared(sql).await.unwrap();
    }

    /// The number that a query answers.
    pub async fn number(&self, sql: &str) -> i64 {
        Query::new(format!("SELECT CAST(({sql}) AS BIGINT)"))
            .scalar(self.database.read())
            .await
            .unwrap()
    }

    /// The text that a query answers.
    pub async fn text(&self, sql: &str) -> String {
        Query::new(sql).scalar(self.database.read()).await.unwrap()
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        match &self.place {
            Place::File(path) => {
                for suffix in ["", "-wal", "-shm"] {
                    std::fs::remove_file(with_suffix(path, suffix)).ok();
                }
            }
            Place::Server(name) => drop_on_server(name.clone()),
        }
    }
}

fn settings(url: &str, connections: u32) -> DatabaseSettings {
    DatabaseSettings {
        url: url.to_owned(),
        read_url: None,
        connections,
        acquire_timeout: Duration::from_secs(30),
        statement_timeout: Duration::from_secs(30),
        lock_timeout: Duration::from_secs(30),
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// The folder of this version of the schema, shared by all test processes.
fn folder() -> PathBuf {
    let folder = std::env::temp_dir().join(format!("kaitsu-test-{}", schema_hash()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// Unreleased migrations change, so the template is named by what they say and not by their names.
fn schema_hash() -> String {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("migration/src");
    let mut files: Vec<PathBuf> = std::fs::read_dir(sources)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let mut hash = Sha256::new();
    for file in files {
        hash.update(std::fs::read(file).unwrap());
    }
    let hash = hash.finalize();
    hash.iter()
        .take(6)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// One process at a time makes a template.
fn lock(folder: &Path, what: &str) -> File {
    let file = File::create(folder.join(format!("{what}.lock"))).unwrap();
    file.lock().unwrap();
    file
}

fn unique_name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let chance: u32 = rand::random();
    format!("{}_{number}_{chance:08x}", std::process::id())
}

async fn copy_file() -> (String, Place) {
    let folder = folder();
    let template = folder.join("template.sqlite");
    {
        let _lock = lock(&folder, "sqlite");
        if !template.exists() {
            let unfinished = folder.join("unfinished.sqlite");
            for suffix in ["", "-wal", "-shm"] {
                std::fs::remove_file(with_suffix(&unfinished, suffix)).ok();
            }
            migrate(&format!("sqlite:{}?mode=rwc", unfinished.display())).await;
            std::fs::rename(unfinished, &template).unwrap();
        }
    }
    let path = folder.join(format!("{}.sqlite", unique_name()));
    std::fs::copy(&template, &path).unwrap();
    let url = format!("sqlite:{}?mode=rwc", path.display());
    (url, Place::File(path))
}

async fn migrate(url: &str) {
    let database = Database::connect(&settings(url, 1)).await.unwrap();
    Migrator::up(database.pool(), None).await.unwrap();
    // Closing the last connection folds SQLite's log into the file that will be copied.
    database.close().await.unwrap();
}

#[expect(
    clippy::disallowed_methods,
    reason = "tests have no configuration file"
)]
fn server_url() -> String {
    std::env::var("KAITSU_TEST_POSTGRES_URL").unwrap_or_else(|_| DEFAULT_POSTGRES.to_owned())
}

fn url_of(name: &str) -> String {
    format!("{}/{name}", server_url().trim_end_matches('/'))
}

async fn server() -> Database {
    Database::connect(&settings(&url_of("postgres"), 1))
        .await
        .expect("the tests need PostgreSQL: see KAITSU_TEST_POSTGRES_URL")
}

async fn copy_on_server() -> (String, Place) {
    let folder = folder();
    let server = server().await;
    let template = format!("kaitsu_template_{}", schema_hash());
    {
        let _lock = lock(&folder, "postgres");
        make_template_on_server(&server, &template).await;
    }
    let name = format!("kaitsu_test_{}", unique_name());
    server
        .write()
        .execute_unprepared(&format!("CREATE DATABASE {name} TEMPLATE {template}"))
        .await
        .unwrap();
    server.close().await.unwrap();
    (url_of(&name), Place::Server(name))
}

async fn make_template_on_server(server: &Database, template: &str) {
    let made: i64 = Query::with(
        "SELECT COUNT(*) FROM pg_database WHERE datname = $1",
        [template.into()],
    )
    .scalar(server.read())
    .await
    .unwrap();
    if made > 0 {
        return;
    }
    let unfinished = format!("{template}_unfinished");
    for sql in [
        format!("DROP DATABASE IF EXISTS {unfinished} WITH (FORCE)"),
        format!("CREATE DATABASE {unfinished}"),
    ] {
        server.write().execute_unprepared(&sql).await.unwrap();
    }
    migrate(&url_of(&unfinished)).await;
    let rename = format!("ALTER DATABASE {unfinished} RENAME TO {template}");
    server.write().execute_unprepared(&rename).await.unwrap();
}

/// Runs on a thread of its own, since the test's runtime is on its way out.
fn drop_on_server(name: String) {
    let dropping = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async move {
            let server = server().await;
            let sql = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
            server.write().execute_unprepared(&sql).await.unwrap();
            server.close().await.unwrap();
        });
    });
    dropping.join().ok();
}
