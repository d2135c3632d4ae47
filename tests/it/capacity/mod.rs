//! Capacity: what the records say of the work, what vendors pledge, and the monthly follow-up.

mod follow_ups;
mod pledges;
mod work;

use kaitsu::{
    auth::{Actor, OrganisationKind as Kind},
    db::{Backend, OrganisationId},
    facility::{FeeTable, InstitutionCode, Prefecture},
};
use serde_json::{Value, json};

use crate::support::api::{Api, global};

/// Two vendors and a chain; clinics and pharmacies in Hokkaido and Aomori that have applied on 2021-09-01.
struct Scene {
    api: Api,
    north: OrganisationId,
    south: OrganisationId,
    chain: OrganisationId,
}

impl Scene {
    /// Of six facilities the first four engage the first vendor, the others the second; every second is a store.
    async fn new(backend: Backend) -> Self {
        let api = Api::new(backend).await;
        let scene = Self {
            north: api.organisation(Kind::Vendor, "北海システム").await,
            south: api.organisation(Kind::Vendor, "南洋メディカル").await,
            chain: api.organisation(Kind::Chain, "みなと薬局").await,
            api,
        };
        for number in 1..=6 {
            let vendor = if number <= 4 {
                scene.north
            } else {
                scene.south
            };
            scene.facility(number).await;
            scene.link(number, "VENDOR", vendor, "2020-04-01").await;
            if number % 2 == 0 {
                scene.link(number, "CHAIN", scene.chain, "2020-04-01").await;
            }
            scene.reached(number, "READER_APPLIED", "2021-09-01").await;
        }
        scene
    }

    async fn facility(&self, number: u32) {
        let kind = if number.is_multiple_of(2) {
            "PHARMACY"
        } else {
            "MEDICAL_CLINIC"
        };
        self.api.register(&code(number), kind, "みなと").await;
    }

    async fn done(&self, name: &str, number: u32, more: Value) {
        let mut input = more;
        input["facility"] = json!({ "code": code(number) });
        self.api.done(name, input).await;
    }

    async fn link(&self, number: u32, kind: &str, organisation: OrganisationId, on: &str) {
        let link = json!({ "kind": kind, "organisationId": global(organisation), "on": on });
        self.done("facilityLink", number, link).await;
    }

    async fn reached(&self, number: u32, milestone: &str, on: &str) {
        self.done(
            "milestoneRecord",
            number,
            json!({ "milestone": milestone, "on": on }),
        )
        .await;
    }

    /// Opens a work order and finishes it.
    async fn finished(&self, number: u32, on: &str, minutes: i32) {
        self.done("installationOpen", number, json!({})).await;
        let finish = json!({ "on": on, "minutes": minutes, "withChecks": true });
        self.done("installationFinish", number, finish).await;
    }

    /// Of each month: installed, pledged, waiting, hours, of how many.
    async fn months(&self, actor: &Actor, arguments: &str) -> Vec<String> {
        let data = self.work(actor, arguments).await;
        let months = data["months"].as_array().unwrap().iter();
        months
            .map(|month| {
                format!(
                    "{} {} {} {} {} {}",
                    month["month"].as_str().unwrap(),
                    month["installedCount"],
                    month["pledgedCount"],
                    month["waitingCount"],
                    month["hoursPerInstall"],
                    month["timedCount"]
                )
            })
            .collect()
    }

    async fn work(&self, actor: &Actor, arguments: &str) -> Value {
        let document = format!(
            "{{ workFigures({arguments}) {{ asOf knownAt waitingCount installsPerMonth monthsToClear pledgeKeptPercent learningRatePercent
             months {{ month isWhole installedCount pledgedCount waitingCount hoursPerInstall timedCount }} }} }}"
        );
        let data = self.api.data(actor, &document, json!({})).await;
        data["workFigures"].clone()
    }

    async fn pledge(
        &self,
        actor: &Actor,
        of: OrganisationId,
        pledges: Value,
        more: Value,
    ) -> Value {
        let mut input = more;
        input["organisationId"] = json!(global(of));
        input["pledges"] = pledges;
        let document = "mutation ($input: CapacityPledgeInput!) { capacityPledge(input: $input) {
            pledges { month prefecture installs } changeId userErrors { code path message } } }";
        let data = self
            .api
            .data(actor, document, json!({ "input": input }))
            .await;
        data["capacityPledge"].clone()
    }

    async fn answer(&self, actor: &Actor, of: OrganisationId, month: &str, more: Value) -> Value {
        let mut input = more;
        input["organisationId"] = json!(global(of));
        input["month"] = json!(month);
        let document = format!(
            "mutation ($input: FollowUpAnswerInput!) {{ followUpAnswer(input: $input) {{
             followUp {{ {FOLLOW_UP} }} changeId userErrors {{ code path message }} }} }}"
        );
        let data = self
            .api
            .data(actor, &document, json!({ "input": input }))
            .await;
        data["followUpAnswer"].clone()
    }

    async fn follow_ups(&self, actor: &Actor, arguments: &str) -> Vec<Value> {
        let document =
            format!("{{ followUps(first: 100, {arguments}) {{ nodes {{ {FOLLOW_UP} }} }} }}");
        let data = self.api.data(actor, &document, json!({})).await;
        data["followUps"]["nodes"].as_array().unwrap().clone()
    }

    async fn statuses(&self, actor: &Actor, arguments: &str) -> Vec<String> {
        let told = |one: &Value| {
            let name = one["organisation"]["name"].as_str().unwrap();
            format!("{name} {}", one["status"].as_str().unwrap())
        };
        self.follow_ups(actor, arguments)
            .await
            .iter()
            .map(told)
            .collect()
    }
}

const FOLLOW_UP: &str = "organisation { name } month status dueOn answeredAt changedAt facilityCount installedCount pledgedCount
    waitingCount hoursPerInstall teamCount remark pledges { month prefecture installs } blockers { blocker facilityCount }";

fn code(number: u32) -> String {
    let (prefecture, table) = match number % 2 {
        0 => (2, FeeTable::Dispensing),
        _ => (1, FeeTable::Medical),
    };
    InstitutionCode::with_check_digit(Prefecture::from_number(prefecture).unwrap(), table, number)
        .to_string()
}
