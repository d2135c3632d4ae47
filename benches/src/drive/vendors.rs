//! A vendor with 30,000 facilities beside one with 30: what either begins the day with must cost the same.

use std::time::Duration;

use kaitsu::api::{NodeId, node_id::NodeKind};
use serde_json::{Value, json};
use sqlx::{PgPool, Row};

use super::{
    Bench, DATABASE,
    measure::{self, Contender, Side},
    report::Fact,
    workload::{self, Line, document},
    world::{self, Asker},
};
use crate::Failure;

/// The database in which vendors are merged: a copy of the loaded one.
const MERGED: &str = "kaitsu_bench_vendors";
/// Facilities of the large one, in a nation of the whole scale.
const LARGE: i64 = 30_000;
/// Facilities of the small one, at least.
const SMALL: i64 = 30;

/// The tables that say whose a facility is, or was.
const TABLES: [&str; 4] = [
    "facility_state",
    "facility_period",
    "figure_delta",
    "work_delta",
];

impl Bench {
    /// Measures what a large and a small vendor read.
    pub(super) async fn vendors(&mut self) -> Result<(), Failure> {
        if !self.wants("vendor of 30,000") {
            return Ok(());
        }
        self.cluster.make(MERGED, Some(DATABASE)).await?;
        let pool = self.cluster.open(MERGED).await?;
        let [large, small] = merge(&pool).await?;
        promise(&pool).await?;
        let url = self.cluster.url_of(MERGED);
        self.programs.rebuild_totals(&url)?;
        sqlx::raw_sql("VACUUM ANALYZE").execute(&pool).await?;
        let large = world::asker_of(&url, large).await?;
        let small = world::asker_of(&url, small).await?;
        let server = self.programs.serve_kaitsu(&url)?;
        for (what, document, variables) in [
            ("first page of the worklist", document!("page"), json!({})),
            (
                "first page of the worklist with its total",
                document!("worklist"),
                json!({}),
            ),
            ("what is next", document!("next"), json!({})),
            ("scorecard", document!("scorecard"), Value::Null),
        ] {
            let mut medians = [0.0; 2];
            let lines =
                [&large, &small].map(|asker| Line::ask(asker, document, &of(asker, &variables)));
            let mut runs: [Vec<Side>; 2] = [Vec::new(), Vec::new()];
            for round in 0..=self.options.rounds {
                for (line, runs) in lines.iter().zip(&mut runs) {
                    measure::verify(&server, std::slice::from_ref(line))?;
                    let file = workload::write(
                        &self.options.folder,
                        "vendor",
                        std::slice::from_ref(line),
                    )?;
                    let contender = Contender {
                        server: &server,
                        requests: &file,
                    };
                    let time = Duration::from_secs(self.options.seconds);
                    let side = measure::run(&contender, 16, time, self.postmaster)?;
                    // The first round warms up.
                    if round > 0 {
                        runs.push(side);
                    }
                }
            }
            for (median, runs) in medians.iter_mut().zip(&runs) {
                *median = measure::median(runs).throughput;
            }
            let [of_large, of_small] = medians;
            self.tell(Fact {
                what: format!("vendor of 30,000, {what}: time beside one of 30 ({of_large:.0}/s and {of_small:.0}/s)"),
                value: of_small / of_large,
                unit: "×",
                at_most: Some(1.25),
                at_least: None,
            });
        }
        pool.close().await;
        Ok(())
    }
}

fn of(asker: &Asker, variables: &Value) -> Value {
    match variables {
        Value::Null => {
            let id = NodeId::new(NodeKind::Organisation, asker.organisation).encode();
            json!({ "organisationId": id.as_str() })
        }
        variables => variables.clone(),
    }
}

/// Makes one vendor of several, so that it has enough facilities, and answers it and one that has few.
async fn merge(pool: &PgPool) -> Result<[i64; 2], Failure> {
    let sizes = sqlx::query(
        "SELECT vendor_id, count(*) FROM facility_state WHERE vendor_id <> 0 AND closed_on IS NULL \
         GROUP BY vendor_id ORDER BY count(*) DESC",
    )
    .fetch_all(pool)
    .await?;
    let sizes: Vec<(i64, i64)> = sizes
        .iter()
        .map(|row| Ok((row.try_get(0)?, row.try_get(1)?)))
        .collect::<Result<_, Failure>>()?;
    let (large, _) = *sizes.first().ok_or("there are no vendors")?;
    let (small, _) = *sizes
        .iter()
        .rfind(|(_, size)| *size >= SMALL)
        .ok_or("there is no small vendor")?;
    let mut total = 0;
    let merged: Vec<i64> = sizes
        .iter()
        .filter(|(vendor, _)| *vendor != small)
        .take_while(|(_, size)| {
            let more = total < LARGE;
            total += size;
            more
        })
        .map(|(vendor, _)| *vendor)
        .collect();
    for table in TABLES {
        let sql = format!("UPDATE {table} SET vendor_id = $1 WHERE vendor_id = ANY($2)");
        sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(large)
            .bind(&merged)
            .execute(pool)
            .await?;
    }
    Ok([large, small])
}

/// Promises days for what waits to be installed: some are overdue, some are for this week.
async fn promise(pool: &PgPool) -> Result<(), Failure> {
    sqlx::raw_sql(
        "INSERT INTO milestone_plan (facility_id, milestone, planned_on) SELECT facility_id, 7, \
         CURRENT_DATE + CAST(facility_id % 120 AS INTEGER) - 60 FROM facility_state WHERE closed_on IS NULL \
         AND reader_applied_on IS NOT NULL AND installed_on IS NULL AND ready_on IS NULL ON CONFLICT DO NOTHING",
    )
    .execute(pool)
    .await?;
    Ok(())
}
