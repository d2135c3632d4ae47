//! Sheets whose server is killed while it checks, applies and undoes them: the next server goes on, and in the end every
//! row was written once and taken back once.

use std::time::{Duration, Instant};

use kaitsu::db::{Backend, Query};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use rstest::rstest;
use serde_json::{Value, json};

use super::{deployment::Deployment, serving::kills};
use crate::support::process::{PATIENCE, Process};

/// Large enough for a file of several thousand rows.
const SCALE: &str = "0.02";

/// What is under way with a sheet, on whichever server there is.
struct Following<'a> {
    deployment: &'a Deployment,
    sheet: String,
    random: StdRng,
    killed: usize,
}

impl Following<'_> {
    /// Asks a server until it answers.
    async fn ask(&self, server: &Process, document: &str, variables: Value) -> Value {
        let body = json!({ "query": document, "variables": variables });
        let answer = self.deployment.post(&server.address, &body).await;
        let answer = answer.expect("nobody kills it now").body;
        assert!(answer.get("errors").is_none(), "{answer}");
        answer["data"].clone()
    }

    /// How many rows will be written.
    async fn will_change(&self, server: &Process) -> usize {
        let document =
            "query ($id: ID!) { node(id: $id) { ... on Sheet { counts { willChange } } } }";
        let data = self
            .ask(server, document, json!({ "id": self.sheet }))
            .await;
        let count = data["node"]["counts"]["willChange"].as_u64().unwrap();
        usize::try_from(count).unwrap()
    }

    /// Begins something, and kills servers until it has ended.
    async fn through(&mut self, server: Process, begin: Option<&str>, end: &str) -> Process {
        if let Some(name) = begin {
            let kind = name.trim_start_matches("sheet");
            let document = format!(
                "mutation ($input: Sheet{kind}Input!) {{ {name}(input: $input) {{ userErrors {{ code }} }} }}"
            );
            let mut input = json!({ "input": { "sheetId": self.sheet, "gentle": false } });
            if kind == "Apply" {
                input["input"]["errorPolicy"] = json!("REJECT_FAILED_ROWS");
            }
            let data = self.ask(&server, &document, input).await;
            assert_eq!(data[name]["userErrors"], json!([]));
        }
        let mut server = server;
        let until = Instant::now() + 10 * PATIENCE;
        let mut left = kills() / 3;
        loop {
            let document =
                "query ($id: ID!) { node(id: $id) { ... on Sheet { status doneCount } } }";
            let data = self
                .ask(&server, document, json!({ "id": self.sheet }))
                .await;
            let status = data["node"]["status"].as_str().unwrap().to_owned();
            if status == end {
                return server;
            }
            assert!(
                ["CHECKING", "APPLYING", "UNDOING"].contains(&status.as_str()),
                "{status}"
            );
            assert!(Instant::now() < until, "it does not end: {data}");
            let pause = self.random.random_range(20..400);
            tokio::time::sleep(Duration::from_millis(pause)).await;
            if left > 0 {
                left -= 1;
                self.killed += 1;
                drop(server); // is SIGKILL
                server = Process::serve(self.deployment.url());
                // Whoever comes next waits until the dead one's lease is over.
            }
        }
    }
}

#[rstest]
#[tokio::test]
async fn a_sheet_whose_servers_are_killed_is_written_once_and_taken_back_once(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let deployment = Deployment::new(backend, SCALE).await;
    let codes = deployment.untouched().await;
    let rows: String = codes
        .iter()
        .map(|code| format!("{code},2021-12-10,回線\n"))
        .collect();
    let text = format!("医療機関コード,端末調達,阻害要因\n{rows}");
    let server = Process::serve(deployment.url());
    let sent = deployment
        .send(&server.address, "/sheets?name=a.csv", "text/csv", &text)
        .await
        .unwrap();
    assert_eq!(sent.status, 201, "{}", sent.body);
    let mut following = Following {
        deployment: &deployment,
        sheet: sent.body["sheet"]["id"].as_str().unwrap().to_owned(),
        random: StdRng::seed_from_u64(20_211_219),
        killed: 0,
    };
    let server = following.through(server, None, "CHECKED").await;
    // Some opened after that day.
    let rows = following.will_change(&server).await;
    assert!(rows > 1_500, "{rows} rows are too few");
    let server = following
        .through(server, Some("sheetApply"), "APPLIED")
        .await;
    assert_eq!(counted(&deployment).await, (rows, 2 * rows, 0));
    let server = following.through(server, Some("sheetUndo"), "UNDONE").await;
    drop(server);
    assert_eq!(counted(&deployment).await, (rows, 2 * rows, 2 * rows));
    assert!(kills() < 3 || following.killed > 0, "nobody was killed");
    deployment.verify();
}

/// Facilities of which the sheet's changes recorded something, what they recorded, and what of that is voided.
async fn counted(deployment: &Deployment) -> (usize, usize, usize) {
    let database = deployment.open().await;
    let number = async |select: &str| {
        let sql = format!(
            "SELECT {select} FROM facility_event e JOIN change c ON c.id = e.change_id \
             LEFT JOIN facility_event v ON v.voids_id = e.id WHERE c.operation = 'sheetApply'"
        );
        let count: i64 = Query::new(sql).scalar(database.read()).await.unwrap();
        usize::try_from(count).unwrap()
    };
    let counted = (
        number("count(DISTINCT e.facility_id)").await,
        number("count(e.id)").await,
        number("count(v.id)").await,
    );
    database.close().await.unwrap();
    counted
}
