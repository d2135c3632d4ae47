//! Orders, lots and allocations whose server is killed while they are written: each request is repeated under its key until
//! it is answered, and in the end every unit is where it should be.

use std::time::Duration;

use kaitsu::{
    api::{NodeId, node_id::NodeKind},
    auth::OrganisationKind as Kind,
    db::{Backend, Query},
};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use rstest::rstest;
use serde_json::{Value, json};

use super::{deployment::Deployment, serving::kills};
use crate::support::process::Process;

/// A few hundred facilities.
const SCALE: &str = "0.002";
/// Units that arrive in each round, of which one goes to each of two facilities, one comes back, and one goes back to the
/// supplier.
const ARRIVE: i64 = 4;

struct Writing<'a> {
    deployment: &'a Deployment,
    server: Option<Process>,
    random: StdRng,
    writes: usize,
    killed: usize,
    unanswered: usize,
}

impl Writing<'_> {
    /// Sends a mutation until it is answered, with servers that may be killed meanwhile.
    async fn write(&mut self, name: &str, selection: &str, mut input: Value, kill: bool) -> Value {
        input["idempotencyKey"] = json!(format!("write {}", self.writes));
        self.writes += 1;
        let kind = format!("{}{}Input", name[..1].to_uppercase(), &name[1..]);
        let document = format!(
            "mutation ($input: {kind}!) {{ {name}(input: $input) {{ {selection} userErrors {{ code path }} }} }}"
        );
        let body = json!({ "query": document, "variables": { "input": input } });
        let mut kill = kill;
        let deployment = self.deployment;
        loop {
            let address = self.address();
            let mut answer = Box::pin(deployment.post(&address, &body));
            let mut answered = None;
            if kill {
                kill = false;
                self.killed += 1;
                let pause = Duration::from_micros(self.random.random_range(200..12_000));
                tokio::select! {
                    done = &mut answer => answered = Some(done),
                    () = tokio::time::sleep(pause) => {}
                }
                self.server = None; // is SIGKILL
                self.server = Some(Process::serve(deployment.url()));
            }
            let answer = match answered {
                Some(answer) => answer,
                None => answer.await,
            };
            let Some(answer) = answer.filter(|answer| answer.status == 200) else {
                self.unanswered += 1;
                continue;
            };
            let data = &answer.body["data"][name];
            assert_eq!(data["userErrors"], json!([]), "{name}: {}", answer.body);
            return data.clone();
        }
    }

    /// Sends rows of one, all of which must be written.
    async fn row(&mut self, name: &str, row: Value, kill: bool) {
        let selection = "writtenCount rows { userErrors { code path } }";
        let input = json!({ "rows": [row] });
        let done = self.write(name, selection, input, kill).await;
        assert_eq!(done["writtenCount"], 1, "{name}: {done}");
    }

    fn address(&self) -> String {
        self.server.as_ref().unwrap().address.clone()
    }

    async fn last_lot(&self) -> String {
        let body = json!({ "query": "{ hardwareLots(first: 1) { nodes { id } } }" });
        let answer = self.deployment.post(&self.address(), &body).await;
        let answer = answer.expect("nobody kills it now").body;
        let id = answer.pointer("/data/hardwareLots/nodes/0/id");
        id.and_then(Value::as_str).unwrap().to_owned()
    }
}

/// An organisation of a kind, made if there is none.
async fn organisation(deployment: &Deployment, kind: Kind) -> String {
    let database = deployment.open().await;
    let made: i64 = Query::with(
        "INSERT INTO organisation (kind, name, name_kana, created_at) \
         SELECT $1, 'みほん', '', created_at FROM organisation LIMIT 1 RETURNING id",
        [kind.code().into()],
    )
    .scalar(database.write())
    .await
    .unwrap();
    database.close().await.unwrap();
    NodeId::new(NodeKind::Organisation, made).encode().0
}

#[rstest]
#[tokio::test]
async fn units_are_where_they_should_be_whenever_their_server_is_killed(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let deployment = Deployment::new(backend, SCALE).await;
    let codes = deployment.untouched().await;
    let supplier = organisation(&deployment, Kind::Supplier).await;
    let buyer = organisation(&deployment, Kind::Vendor).await;
    let mut writing = Writing {
        server: Some(Process::serve(deployment.url())),
        deployment: &deployment,
        random: StdRng::seed_from_u64(20_211_219),
        writes: 0,
        killed: 0,
        unanswered: 0,
    };
    let model = json!({ "supplierId": supplier, "class": "PC", "name": "PC", "number": "PC",
        "kinds": ["HOSPITAL", "MEDICAL_CLINIC", "DENTAL_CLINIC", "PHARMACY"], "lines": ["IP_VPN"] });
    let model = writing
        .write("hardwareModelSave", "hardwareModel { id }", model, false)
        .await;
    let order = json!({ "buyerId": buyer, "modelId": model["hardwareModel"]["id"], "quantity": 1_000,
        "orderedOn": "2021-12-01" });
    let order = writing
        .write("hardwareOrderPlace", "hardwareOrder { id }", order, true)
        .await;
    let order = &order["hardwareOrder"]["id"];
    let rounds = i64::try_from(kills().max(5) / 5).unwrap();
    for round in 0..rounds {
        let on = "2021-12-10";
        let step = |action: &str, quantity: i64, lot: &Value| json!({ "orderId": order, "action": action, "quantity": quantity, "on": on, "lotId": lot });
        let arrived = step("DELIVER", ARRIVE, &Value::Null);
        writing.row("hardwareOrderRecord", arrived, true).await;
        let lot = json!(writing.last_lot().await);
        let place = usize::try_from(2 * round).unwrap();
        for code in &codes[place..place + 2] {
            let unit = json!({ "lotId": lot, "facility": { "code": code }, "on": on });
            writing.row("hardwareAllocate", unit, true).await;
        }
        let back = json!({ "lotId": lot, "facility": { "code": codes[place] }, "on": on });
        writing.row("hardwareRelease", back, true).await;
        let returned = step("RETURN", 1, &lot);
        writing.row("hardwareOrderRecord", returned, true).await;
    }
    assert!(writing.unanswered > 0, "{} were killed", writing.killed);
    drop(writing);
    let database = deployment.open().await;
    for (select, expected) in [
        ("sum(quantity) FROM hardware_lot", ARRIVE * rounds),
        ("sum(allocated) FROM hardware_lot", rounds),
        ("sum(returned) FROM hardware_lot", rounds),
        ("sum(delivered) FROM hardware_order", ARRIVE * rounds),
        ("count(*) FROM hardware_lot", rounds),
        ("count(*) FROM hardware_order_step", 2 * rounds),
        (
            "count(*) FROM hardware_allocation WHERE ended_by IS NULL",
            rounds,
        ),
        ("count(*) FROM hardware_allocation", 2 * rounds),
    ] {
        let sql = format!("SELECT CAST((SELECT {select}) AS BIGINT)");
        let found: i64 = Query::new(sql).scalar(database.read()).await.unwrap();
        assert_eq!(found, expected, "{select}");
    }
    database.close().await.unwrap();
    deployment.verify();
}
