//! A file of the whole nation: sent, checked and applied on an idle database beside COPY of every row that it writes, and
//! applied gently beside other users.

use std::{
    fmt::Write,
    time::{Duration, Instant},
};

use migration::{Migrator, MigratorTrait};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, PgPool, Row};

use super::{
    Bench, DATABASE, http,
    loading::psql,
    mebibytes,
    report::Fact,
    servers::Server,
    workload::{self, Line},
    world::{self, Asker, Askers},
    wrk,
};
use crate::Failure;

/// The database that the sheet is applied to: a copy of the loaded one.
const SHEETS: &str = "kaitsu_bench_sheets";
/// The database that COPY fills.
const COPIED: &str = "kaitsu_bench_sheets_copied";
/// Connections of the other users.
const OTHERS: u16 = 16;
/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(600);

/// What a sheet writes: tables with the rows that it made, before it is undone.
const WRITTEN: [(&str, &str); 5] = [
    (
        "change",
        "SELECT * FROM change WHERE operation = 'sheetApply'",
    ),
    (
        "facility_event",
        "SELECT e.* FROM facility_event e JOIN change c ON c.id = e.change_id WHERE c.operation = 'sheetApply'",
    ),
    (
        "facility_state",
        "SELECT s.* FROM facility_state s WHERE facility_id IN (SELECT facility_id FROM sheet_row WHERE outcome = 4)",
    ),
    (
        "milestone_plan",
        "SELECT p.* FROM milestone_plan p WHERE milestone = 7 AND facility_id IN (SELECT facility_id FROM sheet_row WHERE outcome = 4)",
    ),
    ("sheet_row", "SELECT * FROM sheet_row"),
];

/// A sheet on a server.
struct Sent<'a> {
    server: &'a Server,
    asker: &'a Asker,
    id: String,
}

impl<'a> Sent<'a> {
    fn send(server: &'a Server, asker: &'a Asker, text: &str) -> Result<Self, Failure> {
        let path = "/sheets?name=nation.csv";
        let answer = http::send(server.address, "POST", path, &asker.token, text)?;
        let answer: Value = serde_json::from_str(&answer)?;
        let id = answer.pointer("/sheet/id").and_then(Value::as_str);
        Ok(Self {
            server,
            asker,
            id: id.ok_or("a sheet has no id")?.to_owned(),
        })
    }

    fn ask(&self, name: &str, gentle: bool) -> Result<(), Failure> {
        let kind = name.trim_start_matches("sheet");
        let document = format!(
            "mutation ($input: Sheet{kind}Input!) {{ {name}(input: $input) {{ userErrors {{ message }} }} }}"
        );
        let input = if name == "sheetApply" {
            let policy = "REJECT_FAILED_ROWS";
            json!({ "sheetId": self.id, "gentle": gentle, "again": true, "errorPolicy": policy })
        } else {
            json!({ "sheetId": self.id, "gentle": gentle })
        };
        let body = json!({ "query": document, "variables": { "input": input } }).to_string();
        let data = http::ask(self.server.address, &self.asker.token, &body)?;
        let errors = data.pointer(&format!("/{name}/userErrors"));
        match errors.and_then(Value::as_array) {
            Some(errors) if errors.is_empty() => Ok(()),
            _ => Err(format!("{name}: {data}").into()),
        }
    }

    /// Waits until it has come so far, and answers its counts.
    fn wait(&self, until: &str) -> Result<Value, Failure> {
        let document = "query ($id: ID!) { node(id: $id) { ... on Sheet { status counts { changed refused } } } }";
        let body = json!({ "query": document, "variables": { "id": self.id } }).to_string();
        let started = Instant::now();
        loop {
            let data = http::ask(self.server.address, &self.asker.token, &body)?;
            let status = data.pointer("/node/status").and_then(Value::as_str);
            if status == Some(until) {
                return Ok(data.pointer("/node/counts").cloned().unwrap_or_default());
            }
            if status == Some("FAILED") || started.elapsed() > PATIENCE {
                return Err(format!("a sheet is not {until}: {data}").into());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Bench {
    /// Measures a file of the nation.
    pub(super) async fn sheets(&mut self, askers: &Askers) -> Result<(), Failure> {
        if !self.wants("sheet") {
            return Ok(());
        }
        self.cluster.make(SHEETS, Some(DATABASE)).await?;
        let url = self.cluster.url_of(SHEETS);
        let pool = self.cluster.open(SHEETS).await?;
        sqlx::raw_sql("CHECKPOINT").execute(&pool).await?;
        let server = self.programs.serve_kaitsu(&url)?;
        let text = nation(&pool).await?;
        self.alone(&server, &askers.ministry, &text).await?;
        self.beside_others(&server, askers, &text).await?;
        drop(server);
        pool.close().await;
        self.cluster
            .tell(format!("DROP DATABASE {SHEETS} WITH (FORCE)"))
            .await?;
        Ok(())
    }

    /// On an idle database, as fast as it can.
    async fn alone(&mut self, server: &Server, asker: &Asker, text: &str) -> Result<(), Failure> {
        let before = server.process().memory()?;
        let started = Instant::now();
        let sheet = Sent::send(server, asker, text)?;
        let sent = started.elapsed();
        sheet.wait("CHECKED")?;
        let checked = started.elapsed();
        sheet.ask("sheetApply", false)?;
        let counts = sheet.wait("APPLIED")?;
        let applied = started.elapsed();
        let after = server.process().memory()?;
        let changed = counts.get("changed").and_then(Value::as_u64).unwrap_or(0);
        let rows = text.lines().count().saturating_sub(1);
        if usize::try_from(changed)? < rows / 2 {
            return Err(format!("of {rows} rows {changed} were written").into());
        }
        let copy = self.copy_of().await?;
        let undoing = Instant::now();
        sheet.ask("sheetUndo", false)?;
        sheet.wait("UNDONE")?;
        let undone = undoing.elapsed();
        let (applied, copy) = (applied.as_secs_f64(), copy.as_secs_f64());
        for (what, value, unit, at_most) in [
            (
                format!("a sheet of {rows} rows: sent"),
                sent.as_secs_f64(),
                "s",
                None,
            ),
            ("… and checked".to_owned(), checked.as_secs_f64(), "s", None),
            (
                format!("… and applied ({changed} rows)"),
                applied,
                "s",
                None,
            ),
            (
                "COPY of every row that it writes".to_owned(),
                copy,
                "s",
                None,
            ),
            (
                "a sheet of the nation, as a multiple of COPY".to_owned(),
                applied / copy,
                "×",
                Some(2.5),
            ),
            ("… and undone".to_owned(), undone.as_secs_f64(), "s", None),
            (
                "memory that it takes".to_owned(),
                mebibytes(after.peak.saturating_sub(before.now)),
                "MiB",
                Some(64.0),
            ),
        ] {
            self.tell(Fact {
                what,
                value,
                unit,
                at_most,
                at_least: None,
            });
        }
        Ok(())
    }

    /// How long COPY takes for the rows that the sheet wrote, into the same indexed tables.
    async fn copy_of(&self) -> Result<Duration, Failure> {
        let file = |table: &str| self.options.folder.join(format!("{table}.sheet.copy"));
        let out = WRITTEN.iter().map(|(table, rows)| {
            format!(
                "\\copy ({rows}) to '{}' (format binary)",
                file(table).display()
            )
        });
        psql(&self.cluster.url_of(SHEETS), out)?;
        self.cluster.make(COPIED, None).await?;
        let url = self.cluster.url_of(COPIED);
        let empty = world::connect(&url).await?;
        Migrator::up(empty.pool(), None).await?;
        empty.close().await?;
        let started = Instant::now();
        let copy = WRITTEN.iter().map(|(table, _)| {
            format!(
                "\\copy {table} from '{}' (format binary)",
                file(table).display()
            )
        });
        psql(&url, copy)?;
        let took = started.elapsed();
        self.cluster
            .tell(format!("DROP DATABASE {COPIED} WITH (FORCE)"))
            .await?;
        for (table, _) in WRITTEN {
            std::fs::remove_file(file(table))?;
        }
        Ok(took)
    }

    /// Beside others who look facilities up, gently: how much longer they wait.
    async fn beside_others(
        &mut self,
        server: &Server,
        askers: &Askers,
        text: &str,
    ) -> Result<(), Failure> {
        let pool = self.cluster.open(SHEETS).await?;
        let lines: Vec<Line> = workload::facility(&pool, askers).await?.ours;
        pool.close().await;
        let requests = workload::write(&self.options.folder, "others", &lines)?;
        let time = Duration::from_secs(self.options.seconds.max(8));
        let sheet = Sent::send(server, &askers.ministry, text)?;
        sheet.wait("CHECKED")?;
        wrk::run(server.address, &requests, OTHERS, Duration::from_secs(2))?;
        let alone = wrk::run(server.address, &requests, OTHERS, time)?;
        sheet.ask("sheetApply", true)?;
        let beside = wrk::run(server.address, &requests, OTHERS, time)?;
        let (alone, beside) = (alone.p99.as_secs_f64(), beside.p99.as_secs_f64());
        for (what, value, unit, at_most) in [
            (
                "p99 of look-ups at 16 connections",
                alone * 1_000.0,
                "ms",
                None,
            ),
            ("… beside a sheet", beside * 1_000.0, "ms", None),
            ("… as a multiple", beside / alone, "×", Some(2.0)),
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
}

/// A file that plans the installation of every open facility for one day.
async fn nation(pool: &PgPool) -> Result<String, Failure> {
    let codes = sqlx::query(AssertSqlSafe(
        "SELECT code FROM facility_state WHERE closed_on IS NULL ORDER BY code".to_owned(),
    ))
    .fetch_all(pool)
    .await?;
    let mut text = "code,INSTALLED planned\n".to_owned();
    for row in &codes {
        let code: String = row.try_get(0)?;
        writeln!(text, "{code},2022-03-31")?;
    }
    Ok(text)
}
