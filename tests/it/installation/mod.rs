//! Work orders through the API: a vendor's days on its sites.

mod orders;
mod sheets;

use kaitsu::{
    api::{NodeId, node_id::NodeKind},
    auth::{Actor, OrganisationKind as Kind, Role},
    db::{Backend, OrganisationId},
};
use serde_json::{Value, json};

use crate::support::api::{Api, errors, member, ministry};

pub const CLINIC: &str = "0110112489";
pub const SAITAMA: &str = "1110301762";
pub const ITEMS: [&str; 6] = [
    "TERMINAL_SET_UP",
    "CERTIFICATE_INSTALLED",
    "READER_CONNECTED",
    "RECEIPT_COMPUTER_MODIFIED",
    "LINE_TESTED",
    "TRIAL_OPERATION",
];

pub const ORDER: &str =
    "id status plannedOn window startedOn endedOn minutes crew remark reference version
    vendor { name } supportContractor { name } slippageBusinessDays checklistVersion
    checklist { item doneOn } promises { plannedOn note organisation { name } }
    facility { code stage milestones { milestone reachedOn plannedOn } }";

pub struct Scene {
    pub api: Api,
    pub vendor: OrganisationId,
    pub rival: OrganisationId,
    pub helper: OrganisationId,
}

impl Scene {
    /// Two clinics, one of which engages a vendor.
    pub async fn new(backend: Backend) -> Self {
        let api = Api::new(backend).await;
        let scene = Self {
            vendor: api.organisation(Kind::Vendor, "あおばシステム").await,
            rival: api.organisation(Kind::Vendor, "ライバル").await,
            helper: api
                .organisation(Kind::SupportContractor, "設置サポート")
                .await,
            api,
        };
        for (code, name) in [(CLINIC, "みなと内科"), (SAITAMA, "そとの医院")] {
            scene.api.register(code, "MEDICAL_CLINIC", name).await;
        }
        scene
            .link(CLINIC, "VENDOR", scene.vendor, "2020-04-01")
            .await;
        scene
    }

    pub async fn link(&self, code: &str, kind: &str, organisation: OrganisationId, on: &str) {
        let id = NodeId::new(NodeKind::Organisation, organisation.0)
            .encode()
            .0;
        let link =
            json!({ "facility": { "code": code }, "kind": kind, "organisationId": id, "on": on });
        let document = "mutation ($input: FacilityLinkInput!) { facilityLink(input: $input) { userErrors { code } } }";
        let data = self
            .api
            .data(&ministry(), document, json!({ "input": link }))
            .await;
        assert_eq!(data["facilityLink"]["userErrors"], json!([]));
    }

    pub fn editor(&self) -> Actor {
        member(Kind::Vendor, self.vendor, Role::Editor)
    }

    /// Calls a mutation of one order of the clinic.
    pub async fn write(&self, actor: &Actor, name: &str, input: Value) -> Value {
        let mut whole = json!({ "facility": { "code": CLINIC } });
        for (field, value) in input.as_object().unwrap() {
            whole[field] = value.clone();
        }
        let document = format!(
            "mutation ($input: {}{}Input!) {{ {name}(input: $input) {{ version userErrors {{ code path message }}
             installation {{ {ORDER} }} }} }}",
            name[..1].to_uppercase(),
            &name[1..]
        );
        let data = self
            .api
            .data(actor, &document, json!({ "input": whole }))
            .await;
        data[name].clone()
    }

    /// As [`Self::write`], which must succeed; answers the order.
    pub async fn done(&self, actor: &Actor, name: &str, input: Value) -> Value {
        let payload = self.write(actor, name, input).await;
        assert_eq!(errors(&payload), Vec::<String>::new(), "{name}");
        payload["installation"].clone()
    }

    pub async fn bulk(&self, actor: &Actor, input: Value) -> Value {
        let document = "mutation ($input: InstallationBulkRecordInput!) { installationBulkRecord(input: $input) {
            writtenCount refusedCount userErrors { code path }
            rows { index version userErrors { code path } installation { status version } } } }";
        let data = self
            .api
            .data(actor, document, json!({ "input": input }))
            .await;
        data["installationBulkRecord"].clone()
    }

    pub async fn listed(&self, actor: &Actor, filter: Value) -> Vec<String> {
        let document =
            "query ($filter: InstallationFilter) { installations(first: 100, filter: $filter) {
            totalCount nodes { status plannedOn facility { code } } } }";
        let data = self
            .api
            .data(actor, document, json!({ "filter": filter }))
            .await;
        let list = &data["installations"];
        let nodes = list["nodes"].as_array().unwrap();
        assert_eq!(list["totalCount"], json!(nodes.len()));
        nodes
            .iter()
            .map(|node| {
                let planned = node["plannedOn"].as_str().unwrap_or("-");
                let code = node["facility"]["code"].as_str().unwrap();
                format!("{code} {} {planned}", node["status"].as_str().unwrap())
            })
            .collect()
    }

    pub async fn count(&self, table: &str) -> i64 {
        self.api
            .database
            .number(&format!("SELECT count(*) FROM {table}"))
            .await
    }

    pub async fn verify(&self) {
        let report = kaitsu::verify::verify(self.api.database.db(), |_| {})
            .await
            .unwrap();
        assert_eq!(report.differences, Vec::new());
    }
}

pub fn milestone<'a>(order: &'a Value, name: &str) -> &'a Value {
    let milestones = order["facility"]["milestones"].as_array().unwrap();
    milestones
        .iter()
        .find(|one| one["milestone"] == name)
        .unwrap()
}
