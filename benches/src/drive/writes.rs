//! Recording: one milestone in a request, on few and many connections, in one cell of the figures or all
//! over the nation, and thousands in one request.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sqlx::{PgPool, Row};

use super::{
    Bench, DATABASE, bulk, http,
    measure::{self, Contender, Side},
    mebibytes, note,
    report::{Comparison, Fact},
    servers::Server,
    statements,
    workload::{self, Line, document},
    world::{Asker, Askers},
};
use crate::Failure;

/// The database that is written to: a copy of the loaded one.
const WRITTEN: &str = "kaitsu_bench_written";
/// The day on which everything is recorded: one after the demo's last.
const DAY: &str = "2021-12-20";
/// More requests a second than any run answers.
const FASTEST: u64 = 2_200;
/// More than are answered a second where only one cell of the figures is written to.
const FASTEST_IN_A_CELL: u64 = 1_300;
/// Rows of the largest request.
pub const BULK: usize = 5_000;

/// A database to write to, with both servers on it and facilities that were not written yet.
struct Stage {
    pool: PgPool,
    ours: Server,
    floor: Server,
    facilities: std::vec::IntoIter<i64>,
}

impl Bench {
    /// Measures every write.
    pub(super) async fn write(&mut self, askers: &Askers) -> Result<(), Failure> {
        if self.wants("recording") {
            for connections in self.options.connections.clone() {
                self.record(&askers.ministry, connections).await?;
            }
            self.crowd(&askers.ministry).await?;
        }
        if self.wants("bulk") {
            self.bulk(&askers.ministry).await?;
        }
        Ok(())
    }

    async fn stage(&self, only: &str) -> Result<Stage, Failure> {
        self.cluster.make(WRITTEN, Some(DATABASE)).await?;
        let url = self.cluster.url_of(WRITTEN);
        let pool = self.cluster.open(WRITTEN).await?;
        sqlx::raw_sql("CHECKPOINT").execute(&pool).await?;
        let facilities = sqlx::query(sqlx::AssertSqlSafe(format!(
            "SELECT facility_id FROM facility_state WHERE reader_applied_on IS NOT NULL AND ready_on IS NULL \
             AND live_on IS NULL AND closed_on IS NULL AND last_milestone_on <= '{DAY}' AND {only} \
             ORDER BY md5(code)"
        )))
        .fetch_all(&pool)
        .await?;
        let facilities: Vec<i64> = facilities
            .iter()
            .map(|row| row.try_get(0))
            .collect::<Result<_, _>>()?;
        Ok(Stage {
            pool,
            ours: self.programs.serve_kaitsu(&url)?,
            floor: self.programs.serve_floor(&url)?,
            facilities: facilities.into_iter(),
        })
    }

    async fn record(&mut self, asker: &Asker, connections: u16) -> Result<(), Failure> {
        let mut stage = self.stage("TRUE").await?;
        let counted = self.statements(asker, &mut stage).await?;
        let mut runs: [Vec<Side>; 2] = [Vec::new(), Vec::new()];
        let time = Duration::from_secs(self.options.seconds);
        for round in 0..=self.options.rounds {
            for (place, runs) in runs.iter_mut().enumerate() {
                let side = self
                    .record_once(asker, &mut stage, place == 0, connections, (time, FASTEST))
                    .await?;
                // The first round warms up.
                if round > 0 {
                    runs.push(side);
                }
            }
        }
        let sides = runs.map(|runs| measure::median(&runs));
        let mut comparison = Comparison::new("recording one milestone", connections, sides);
        (comparison.ours.statements, comparison.floor.statements) = counted;
        comparison.target = (connections > 1).then_some(0.6);
        note(&comparison.line());
        self.report.comparisons.push(comparison);
        let peak = stage.ours.process().memory()?.peak;
        self.tell(Fact {
            what: format!("peak memory after recording on {connections}"),
            value: mebibytes(peak),
            unit: "MiB",
            at_most: Some(256.0),
            at_least: None,
        });
        Ok(())
    }

    async fn statements(
        &self,
        asker: &Asker,
        stage: &mut Stage,
    ) -> Result<(Option<f64>, Option<f64>), Failure> {
        let mut counted = [None, None];
        for (place, counted) in counted.iter_mut().enumerate() {
            let lines = self.lines(asker, stage, place == 0, Duration::from_secs(2), FASTEST)?;
            let requests = workload::write(&self.options.folder, "record", &lines)?;
            let server = if place == 0 {
                &stage.ours
            } else {
                &stage.floor
            };
            let contender = Contender {
                server,
                requests: &requests,
            };
            *counted = statements::count(&self.cluster, &stage.pool, &contender).await?;
        }
        let [ours, floor] = counted;
        Ok((ours, floor))
    }

    /// One run, every request about another facility; all of them must be recorded.
    async fn record_once(
        &self,
        asker: &Asker,
        stage: &mut Stage,
        to_us: bool,
        connections: u16,
        (time, fastest): (Duration, u64),
    ) -> Result<Side, Failure> {
        let lines = self.lines(asker, stage, to_us, time, fastest)?;
        let requests = workload::write(&self.options.folder, "record", &lines)?;
        let server = if to_us { &stage.ours } else { &stage.floor };
        let before = events(&stage.pool).await?;
        let side = measure::run(
            &Contender {
                server,
                requests: &requests,
            },
            connections,
            time,
            self.postmaster,
        )?;
        let written = events(&stage.pool).await? - before;
        let answered = side.throughput * time.as_secs_f64();
        // Requests under way when the time is over are written and not counted.
        if f64::from(u32::try_from(written)?) < answered * 0.98 {
            return Err(format!("{answered:.0} answers, but {written} milestones").into());
        }
        Ok(side)
    }

    fn lines(
        &self,
        asker: &Asker,
        stage: &mut Stage,
        to_us: bool,
        time: Duration,
        fastest: u64,
    ) -> Result<Vec<Line>, Failure> {
        let most = usize::try_from(fastest * time.as_secs())?;
        let facilities: Vec<i64> = stage.facilities.by_ref().take(most).collect();
        if facilities.len() < most.min(500) {
            return Err("too few facilities are left to record anything of".into());
        }
        Ok(facilities
            .into_iter()
            .map(|facility| {
                let key = format!("bench-{facility}");
                if to_us {
                    let input = json!({
                        "facility": { "id": node(facility) }, "milestone": "READY", "on": DAY, "idempotencyKey": key,
                    });
                    Line::ask(asker, document!("record"), &json!({ "input": input }))
                } else {
                    Line::post("/milestone", &json!({ "facility": facility, "on": DAY, "key": key }))
                }
            })
            .collect())
    }

    /// 64 writers in one cell of the figures beside 64 all over the nation.
    async fn crowd(&mut self, asker: &Asker) -> Result<(), Failure> {
        let mut throughputs = Vec::new();
        for only in ["prefecture = 13 AND kind = 3", "TRUE"] {
            let mut stage = self.stage(only).await?;
            let mut runs = Vec::new();
            // One cell has only so many facilities: short runs.
            let time = Duration::from_secs(1);
            for round in 0..3 {
                let side = self
                    .record_once(asker, &mut stage, true, 64, (time, FASTEST_IN_A_CELL))
                    .await?;
                if round > 0 {
                    runs.push(side.throughput);
                }
            }
            throughputs.push(measure::middle(runs));
        }
        let [one_cell, everywhere] = throughputs.as_slice() else {
            return Ok(());
        };
        self.tell(Fact {
            what: "64 writers in one prefecture and kind, as a share of 64 everywhere".to_owned(),
            value: one_cell / everywhere,
            unit: "",
            at_most: None,
            at_least: Some(0.9),
        });
        Ok(())
    }

    /// Thousands of rows in one request, beside the same rows by multi-row SQL.
    async fn bulk(&mut self, asker: &Asker) -> Result<(), Failure> {
        let mut stage = self.stage("TRUE").await?;
        let (mut ours, mut floor) = (Vec::new(), Vec::new());
        let before = stage.ours.process().memory()?.now;
        let mut memory = None;
        for _ in 0..self.options.rounds + 2 {
            let facilities: Vec<i64> = stage.facilities.by_ref().take(BULK).collect();
            let body = bulk_body(&facilities);
            bulk::checkpoint(&stage.pool).await?;
            let started = Instant::now();
            let data = http::ask(stage.ours.address, &asker.token, &body)?;
            ours.push(started.elapsed().as_secs_f64());
            let peak = stage.ours.process().memory()?.peak;
            // Of the first alone: undoing it is another request.
            memory.get_or_insert(peak.saturating_sub(before));
            if data.pointer("/milestoneBulkRecord/writtenCount") != Some(&json!(facilities.len())) {
                return Err(format!("not all rows were written: {:.500}", data.to_string()).into());
            }
            let written = bulk::written(&stage.pool).await?;
            let change = data.pointer("/milestoneBulkRecord/changeId");
            let undo = json!({ "query": document!("undo"), "variables": { "id": change } });
            let undone = http::ask(stage.ours.address, &asker.token, &undo.to_string())?;
            if undone.pointer("/changeUndo/writtenCount") != Some(&json!(facilities.len())) {
                return Err(format!("not all was undone: {:.500}", undone.to_string()).into());
            }
            bulk::checkpoint(&stage.pool).await?;
            floor.push(bulk::rewrite(&stage.pool, &written).await?.as_secs_f64());
        }
        let (ours, floor) = (measure::middle(ours), measure::middle(floor));
        note(&format!(
            "5,000 in one mutation: {ours:.3} s, multi-row SQL {floor:.3} s"
        ));
        for (what, value, unit, at_most) in [
            ("5,000 milestones in one mutation", ours, "s", None),
            ("the same rows by multi-row SQL", floor, "s", None),
            (
                "5,000 in one mutation, as a multiple of multi-row SQL",
                ours / floor,
                "×",
                Some(1.5),
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
        self.tell(Fact {
            what: "memory that 5,000 in one mutation take".to_owned(),
            value: mebibytes(memory.unwrap_or_default()),
            unit: "MiB",
            at_most: Some(64.0),
            at_least: None,
        });
        let peak = stage.ours.process().memory()?.peak;
        self.tell(Fact {
            what: "peak memory after bulk writes".to_owned(),
            value: mebibytes(peak),
            unit: "MiB",
            at_most: Some(256.0),
            at_least: None,
        });
        Ok(())
    }
}

fn bulk_body(facilities: &[i64]) -> String {
    let rows: Vec<Value> = facilities
        .iter()
        .map(|facility| json!({ "facility": { "id": node(*facility) }, "milestone": "READY", "on": DAY }))
        .collect();
    let input = json!({ "rows": rows, "errorPolicy": "REJECT_ALL", "idempotencyKey": format!("bulk-{:?}", facilities.first()) });
    json!({ "query": document!("bulk"), "variables": { "input": input } }).to_string()
}

/// The global id of a facility.
fn node(facility: i64) -> String {
    kaitsu::api::NodeId::new(kaitsu::api::node_id::NodeKind::Facility, facility)
        .encode()
        .0
}

async fn events(pool: &PgPool) -> Result<i64, Failure> {
    let row = sqlx::query(
        "SELECT count(*) FROM facility_event WHERE effective_on = $1::date AND aspect = 8",
    )
    .bind(DAY.parse::<chrono::NaiveDate>()?)
    .fetch_one(pool)
    .await?;
    Ok(row.try_get(0)?)
}
