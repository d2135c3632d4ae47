//! Loading the nation: on PostgreSQL beside COPY of every row into the same indexed tables, and on SQLite.

use std::{
    fs,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use kaitsu::demo::Scale;
use migration::{Migrator, MigratorTrait};
use sqlx::{PgPool, Row};

use super::{Bench, DATABASE, report::Fact, world};
use crate::Failure;

/// The database that COPY fills.
const COPIED: &str = "kaitsu_bench_copied";
/// Tables that are no part of the data.
const NOT_DATA: &str = "('seaql_migrations', 'job_lease')";

impl Bench {
    /// Loads the nation, if it isn't there from an earlier run, and tells how long that took.
    pub(super) async fn load(&mut self) -> Result<(), Failure> {
        let scale = self.options.scale;
        if self.cluster.has(DATABASE).await? {
            return Ok(());
        }
        self.cluster.make(DATABASE, None).await?;
        let ours = self.programs.load(
            scale,
            &self.options.folder,
            Some(&self.cluster.url_of(DATABASE)),
        )?;
        let pool = self.cluster.open(DATABASE).await?;
        let copy = self.copy(&pool).await?;
        sqlx::raw_sql("VACUUM ANALYZE").execute(&pool).await?;
        sqlx::raw_sql("CHECKPOINT").execute(&pool).await?;
        pool.close().await;
        let sqlite = self.load_sqlite(scale)?;
        let (ours, copy) = (ours.as_secs_f64(), copy.as_secs_f64());
        for (what, value, unit, at_most) in [
            ("loading the nation into PostgreSQL", ours, "s", None),
            (
                "COPY of the same rows into the same indexed tables",
                copy,
                "s",
                None,
            ),
            (
                "loading, as a multiple of COPY",
                ours / copy,
                "×",
                Some(2.0),
            ),
            (
                "loading the nation into SQLite",
                sqlite.as_secs_f64(),
                "s",
                Some(40.0),
            ),
        ] {
            self.tell(Fact {
                what: what.to_owned(),
                value,
                unit,
                at_most,
                at_least: None,
            });
        }
        Ok(())
    }

    /// How long COPY takes for every row that is in a database.
    async fn copy(&self, from: &PgPool) -> Result<Duration, Failure> {
        let tables = sqlx::query(sqlx::AssertSqlSafe(format!(
            "SELECT relname FROM pg_stat_user_tables WHERE relname NOT IN {NOT_DATA} ORDER BY relname"
        )))
        .fetch_all(from)
        .await?;
        let tables: Vec<String> = tables
            .iter()
            .map(|row| row.try_get(0))
            .collect::<Result<_, _>>()?;
        let file = |table: &str| {
            self.options
                .folder
                .join(format!("{table}.copy"))
                .display()
                .to_string()
        };
        let out = tables
            .iter()
            .map(|table| format!("\\copy {table} to '{}' (format binary)", file(table)));
        psql(&self.cluster.url_of(DATABASE), out)?;
        self.cluster.make(COPIED, None).await?;
        let url = self.cluster.url_of(COPIED);
        let empty = world::connect(&url).await?;
        Migrator::up(empty.pool(), None).await?;
        empty.close().await?;
        psql(&url, tables.iter().map(|table| format!("TRUNCATE {table}")))?;
        let started = Instant::now();
        psql(
            &url,
            tables
                .iter()
                .map(|table| format!("\\copy {table} from '{}' (format binary)", file(table))),
        )?;
        let took = started.elapsed();
        self.cluster
            .tell(format!("DROP DATABASE {COPIED} WITH (FORCE)"))
            .await?;
        for table in &tables {
            fs::remove_file(file(table))?;
        }
        Ok(took)
    }

    fn load_sqlite(&self, scale: Scale) -> Result<Duration, Failure> {
        let folder = self.options.folder.join("sqlite");
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        let took = self.programs.load(scale, &folder, None)?;
        fs::remove_dir_all(&folder)?;
        Ok(took)
    }
}

/// Runs commands in one transaction.
pub(super) fn psql(url: &str, commands: impl Iterator<Item = String>) -> Result<(), Failure> {
    let mut psql = Command::new("psql");
    psql.args([
        "--quiet",
        "--single-transaction",
        "--set=ON_ERROR_STOP=1",
        url,
    ]);
    for command in commands {
        psql.arg("--command").arg(command);
    }
    let output = psql
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("psql can't be run: {error}"))?;
    if output.status.success() {
        Ok(())
    } else {
        Err(format!("psql: {}", String::from_utf8_lossy(&output.stderr)).into())
    }
}
