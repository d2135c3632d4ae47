//! Drives Kaitsu and the floor, in turns, on the same database, and tells the ratios. Server, database and
//! load tool share the machine, so only ratios count.

pub mod bulk;
pub mod http;
mod loading;
pub mod measure;
pub mod pgbench;
pub mod process;
pub mod report;
pub mod servers;
mod sheets;
pub mod statements;
mod vendors;
pub mod workload;
pub mod world;
mod writes;
pub mod wrk;

use std::{fs, path::PathBuf, time::Duration};

use kaitsu::demo::Scale;
use measure::{Contender, Plan};
use process::Process;
use report::{Comparison, Fact, Report};
use serde_json::json;
use servers::{Programs, Server};
use sqlx::PgPool;
use workload::Workload;
use world::{Askers, Cluster};

use crate::Failure;

/// The loaded database.
const DATABASE: &str = "kaitsu_bench";
/// The same with ten times the facilities.
const LARGE: &str = "kaitsu_bench_large";

/// What the bench is told.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// A database of the cluster to measure on; its role may make databases
    #[arg(long, env = "BENCH_DATABASE_URL")]
    cluster: String,
    /// The program to measure
    #[arg(long, default_value = "target/release/kaitsu")]
    kaitsu: PathBuf,
    /// The floor
    #[arg(long, default_value = "target/release/floor")]
    floor: PathBuf,
    /// Scratch files and logs
    #[arg(long, default_value = "target/bench")]
    folder: PathBuf,
    /// Runs of each side
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Seconds of a run
    #[arg(long, default_value_t = 4)]
    seconds: u64,
    /// This part of the national data
    #[arg(long, default_value = "1")]
    scale: Scale,
    /// Measure the figures on ten times the data as well
    #[arg(long)]
    large: bool,
    /// Only operations whose name contains this
    #[arg(long)]
    only: Option<String>,
    /// Connections at once
    #[arg(long, value_delimiter = ',', default_value = "1,16,64")]
    connections: Vec<u16>,
    /// Threads of each server
    #[arg(long, default_value_t = 2)]
    workers: usize,
    /// Connections of each server to the database
    #[arg(long, default_value_t = 16)]
    pool: u32,
    /// Print JSON instead of Markdown
    #[arg(long)]
    pub json: bool,
}

/// What every part of the bench needs.
struct Bench {
    options: Options,
    cluster: Cluster,
    postmaster: Process,
    programs: Programs,
    report: Report,
}

/// Measures everything asked for.
///
/// # Errors
/// Something does not run, or answers wrongly.
pub async fn run(options: Options) -> Result<Report, Failure> {
    fs::create_dir_all(&options.folder)?;
    let options = Options {
        kaitsu: fs::canonicalize(&options.kaitsu)?,
        floor: fs::canonicalize(&options.floor)?,
        folder: fs::canonicalize(&options.folder)?,
        ..options
    };
    let cluster = Cluster::connect(&options.cluster).await?;
    let programs = Programs {
        kaitsu: options.kaitsu.clone(),
        floor: options.floor.clone(),
        connections: options.pool,
        workers: options.workers,
        folder: options.folder.clone(),
    };
    let mut bench = Bench {
        postmaster: cluster.postmaster().await?,
        cluster,
        programs,
        report: Report::default(),
        options,
    };
    bench.load().await?;
    let askers = bench.askers(DATABASE).await?;
    bench.read(&askers).await?;
    bench.write(&askers).await?;
    bench.sheets(&askers).await?;
    bench.vendors().await?;
    if bench.options.large {
        bench.large().await?;
    }
    Ok(bench.report)
}

impl Bench {
    fn tell(&mut self, fact: Fact) {
        note(&fact.line());
        self.report.facts.push(fact);
    }

    async fn askers(&self, database: &str) -> Result<Askers, Failure> {
        let pool = self.cluster.open(database).await?;
        let askers = world::askers(&self.cluster.url_of(database), &pool).await?;
        pool.close().await;
        Ok(askers)
    }

    /// The figures of a nation of 2.3 million facilities.
    async fn large(&mut self) -> Result<(), Failure> {
        if !self.cluster.has(LARGE).await? {
            self.cluster.make(LARGE, None).await?;
            let url = self.cluster.url_of(LARGE);
            let scale = "10".parse()?;
            self.programs
                .load(scale, &self.options.folder, Some(&url))?;
            let pool = self.cluster.open(LARGE).await?;
            sqlx::raw_sql("VACUUM ANALYZE").execute(&pool).await?;
            pool.close().await;
        }
        let askers = self.askers(LARGE).await?;
        let url = self.cluster.url_of(LARGE);
        let pool = self.cluster.open(LARGE).await?;
        let ours = self.programs.serve_kaitsu(&url)?;
        let floor = self.programs.serve_floor(&url)?;
        for mut workload in figures(&askers) {
            workload.name = match workload.name {
                "national figures today" => "figures of 2.3 million facilities today",
                "national figures of a past day" => "figures of 2.3 million, of a past day",
                _ => "figures of 2.3 million, as known then",
            };
            self.compare(&pool, &workload, &ours, &floor).await?;
        }
        pool.close().await;
        Ok(())
    }

    async fn read(&mut self, askers: &Askers) -> Result<(), Failure> {
        let url = self.cluster.url_of(DATABASE);
        let pool = self.cluster.open(DATABASE).await?;
        let ours = self.programs.serve_kaitsu(&url)?;
        let floor = self.programs.serve_floor(&url)?;
        self.starting(&ours)?;
        let mut workloads = vec![
            workload::facility(&pool, askers).await?,
            workload::worklist(askers)?,
            workload::page(&pool, askers, &ours).await?,
            workload::search(&pool, askers).await?,
        ];
        workloads.extend(figures(askers));
        for workload in workloads {
            if self.wants(workload.name) {
                self.compare(&pool, &workload, &ours, &floor).await?;
            }
        }
        self.searching();
        let memory = ours.process().memory()?;
        self.tell(Fact {
            what: "peak memory after the reads".to_owned(),
            value: mebibytes(memory.peak),
            unit: "MiB",
            at_most: Some(256.0),
            at_least: None,
        });
        pool.close().await;
        Ok(())
    }

    fn wants(&self, name: &str) -> bool {
        self.options
            .only
            .as_ref()
            .is_none_or(|only| name.contains(only))
    }

    fn starting(&mut self, ours: &Server) -> Result<(), Failure> {
        self.tell(Fact {
            what: "start to first answer".to_owned(),
            value: ours.first_answer.as_secs_f64(),
            unit: "s",
            at_most: Some(0.5),
            at_least: None,
        });
        std::thread::sleep(Duration::from_secs(2));
        self.tell(Fact {
            what: "idle memory".to_owned(),
            value: mebibytes(ours.process().memory()?.now),
            unit: "MiB",
            at_most: Some(64.0),
            at_least: None,
        });
        Ok(())
    }

    async fn compare(
        &mut self,
        pool: &PgPool,
        workload: &Workload,
        ours: &Server,
        floor: &Server,
    ) -> Result<(), Failure> {
        measure::verify(ours, &workload.ours)?;
        measure::verify(floor, &workload.floor)?;
        let [our_file, floor_file] = measure::files(&self.options.folder, workload)?;
        let ours = Contender {
            server: ours,
            requests: &our_file,
        };
        let floor = Contender {
            server: floor,
            requests: &floor_file,
        };
        let plan = Plan {
            rounds: self.options.rounds,
            time: Duration::from_secs(self.options.seconds),
        };
        let counted = (
            statements::count(&self.cluster, pool, &ours).await?,
            statements::count(&self.cluster, pool, &floor).await?,
        );
        for connections in self.options.connections.clone() {
            for side in [&ours, &floor] {
                measure::run(side, connections, Duration::from_secs(1), self.postmaster)?;
            }
            let sides = measure::alternate(plan, connections, self.postmaster, [&ours, &floor])?;
            let mut comparison = Comparison::new(workload.name, connections, sides);
            comparison.ours.statements = counted.0;
            comparison.floor.statements = counted.1;
            comparison.target = workload.target.filter(|_| connections > 1);
            if !workload.statements.is_empty() {
                let tps = pgbench::run(
                    &self.options.folder,
                    &self.cluster.url_of(DATABASE),
                    &workload.statements,
                    connections,
                    self.options.seconds,
                )?;
                comparison.pgbench = Some(tps);
            }
            note(&comparison.line());
            self.report.comparisons.push(comparison);
        }
        Ok(())
    }

    /// The search as a multiple of the look-up.
    fn searching(&mut self) {
        for connections in self.options.connections.clone() {
            let of = |part: &str| {
                self.report
                    .comparisons
                    .iter()
                    .find(|one| one.connections == connections && one.operation.contains(part))
                    .map(|one| one.ours.throughput)
            };
            if let (Some(look_up), Some(search)) = (of("by code"), of("search")) {
                self.tell(Fact {
                    what: format!("search, as a multiple of the look-up, at {connections}"),
                    value: look_up / search,
                    unit: "×",
                    at_most: Some(5.0),
                    at_least: None,
                });
            }
        }
    }
}

fn figures(askers: &Askers) -> [Workload; 3] {
    [
        workload::figures("national figures today", askers, &json!({}), Some(0.6)),
        workload::figures(
            "national figures of a past day",
            askers,
            &json!({ "asOf": "2021-06-20" }),
            Some(0.6),
        ),
        // May cost five times as much as what is known now.
        workload::figures(
            "national figures of a past day, as known then",
            askers,
            &json!({ "asOf": "2021-06-20", "knownAt": "2021-06-25T00:00:00Z" }),
            Some(0.12),
        ),
    ]
}

fn mebibytes(kibibytes: u64) -> f64 {
    wrk::float(kibibytes) / 1_024.0
}

/// Tells whoever waits.
#[expect(
    clippy::print_stderr,
    reason = "the bench is a program for the terminal"
)]
fn note(line: &str) {
    eprintln!("{line}");
}
