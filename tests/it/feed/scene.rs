//! What the tests of the feed share: facilities that change, and readers that follow.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use kaitsu::{
    api::{NodeId, node_id::NodeKind},
    auth::{Actor, OrganisationKind, Role},
    change,
    db::{Backend, FacilityId, OrganisationId, Query},
    facility::{FeeTable, InstitutionCode, Prefecture},
};
use serde_json::{Value, json};

use crate::support::api::{Api, member, ministry};

const CHANGES: &str = "query ($first: Int, $after: String) { changes(first: $first, after: $after) {
    edges { cursor node { cursor } }
    nodes { cursor recordedAt settledAt operation source actorKind organisation { id name } reason
        facilityId leftScope facility { id name version vendor { name } milestones { milestone plannedOn } timeline { id } }
        events { id kind milestone effectiveOn voided organisation { name } } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }";

/// A deployment whose feed is read.
pub struct Scene {
    pub api: Api,
}

/// A page as the API answered it.
pub struct Page {
    pub nodes: Vec<Value>,
    pub more: bool,
    pub end: String,
}

impl Scene {
    pub async fn new(backend: Backend) -> Self {
        Self {
            api: Api::new(backend).await,
        }
    }

    /// A vendor with somebody who works there.
    pub async fn vendor(&self, name: &str) -> (OrganisationId, Actor) {
        self.organisation(OrganisationKind::Vendor, name).await
    }

    pub async fn organisation(
        &self,
        kind: OrganisationKind,
        name: &str,
    ) -> (OrganisationId, Actor) {
        let id = self.api.organisation(kind, name).await;
        (id, member(kind, id, Role::Editor))
    }

    /// Registers a clinic in Hokkaido and returns its global id.
    pub async fn clinic(&self, number: u32) -> String {
        let code = code_in(1, number);
        let name = format!("みなと内科{number}");
        self.api.register(&code, "MEDICAL_CLINIC", &name).await
    }

    /// Registers a clinic that engages a vendor.
    pub async fn clinic_of(&self, number: u32, vendor: OrganisationId) -> String {
        let clinic = self.clinic(number).await;
        self.engage(&clinic, Some(vendor), "2020-04-01").await;
        clinic
    }

    /// Sets a facility's vendor.
    pub async fn engage(&self, facility: &str, vendor: Option<OrganisationId>, on: &str) {
        assert!(self.link(facility, "VENDOR", vendor, on).await);
    }

    /// Sets a link of a facility; `false` if that was no change.
    pub async fn link(
        &self,
        facility: &str,
        kind: &str,
        organisation: Option<OrganisationId>,
        on: &str,
    ) -> bool {
        let organisation =
            organisation.map(|id| NodeId::new(NodeKind::Organisation, id.0).encode().0);
        let input = json!({ "facility": { "id": facility }, "kind": kind, "organisationId": organisation,
            "on": on, "reason": "a secret between the ministry and the next one" });
        self.mutate("facilityLink", "FacilityLinkInput", input)
            .await
    }

    /// Gives a facility a new code, in another prefecture perhaps.
    pub async fn succeed(&self, facility: &str, code: &str, on: &str) -> bool {
        let input = json!({ "facility": { "id": facility }, "code": code, "on": on });
        self.mutate("facilitySucceed", "FacilitySucceedInput", input)
            .await
    }

    /// Renames a facility.
    pub async fn rename(&self, facility: &str, name: &str) {
        let input = json!({ "facility": { "id": facility }, "name": name, "reason": "misspelt" });
        assert!(
            self.mutate("facilityUpdate", "FacilityUpdateInput", input)
                .await
        );
    }

    async fn mutate(&self, field: &str, input_type: &str, input: Value) -> bool {
        let document = format!(
            "mutation ($input: {input_type}!) {{ {field}(input: $input) {{ userErrors {{ code }} }} }}"
        );
        let data = self
            .api
            .data(&ministry(), &document, json!({ "input": input }))
            .await;
        match data[field]["userErrors"].as_array().unwrap().as_slice() {
            [] => true,
            [error] => {
                let refused = error["code"].as_str().unwrap();
                assert!(["NOTHING_TO_DO", "DATE_OUT_OF_ORDER"].contains(&refused));
                false
            }
            errors => panic!("{errors:?}"),
        }
    }

    /// Numbers what was committed and tells those who wait.
    pub async fn settle(&self) {
        let services = &self.api.services;
        change::settle(&services.database, &services.clock)
            .await
            .unwrap();
        let horizon = change::horizon(services.database.read()).await.unwrap();
        services.settled.send_replace(horizon.last_seq);
    }

    /// A page of the feed, or its error's code.
    pub async fn try_page(
        &self,
        actor: &Actor,
        first: usize,
        after: Option<&str>,
    ) -> Result<Page, String> {
        let variables = json!({ "first": first, "after": after });
        let response = self.api.call(actor, CHANGES, variables).await;
        if let Some(errors) = response.get("errors") {
            return Err(errors[0]["extensions"]["code"].as_str().unwrap().to_owned());
        }
        let page = &response["data"]["changes"];
        let nodes = page["nodes"].as_array().unwrap().clone();
        let info = &page["pageInfo"];
        assert_eq!(info["hasPreviousPage"], json!(after.is_some()));
        assert_eq!(
            info["startCursor"],
            nodes
                .first()
                .map_or(Value::Null, |node| node["cursor"].clone())
        );
        assert!(nodes.len() <= first, "{} of {first}", nodes.len());
        for (edge, node) in page["edges"].as_array().unwrap().iter().zip(&nodes) {
            assert_eq!(edge["cursor"], node["cursor"]);
        }
        Ok(Page {
            nodes,
            more: info["hasNextPage"].as_bool().unwrap(),
            end: info["endCursor"].as_str().unwrap().to_owned(),
        })
    }

    pub async fn page(&self, actor: &Actor, first: usize, after: Option<&str>) -> Page {
        self.try_page(actor, first, after).await.unwrap()
    }

    /// Everything after a cursor, read in pages of this size, and the last page's cursor.
    pub async fn rest(
        &self,
        actor: &Actor,
        first: usize,
        after: Option<&str>,
    ) -> (Vec<Value>, String) {
        let mut page = self.page(actor, first, after).await;
        let mut nodes = page.nodes;
        while page.more {
            let before = position_of(&page.end);
            page = self.page(actor, first, Some(&page.end)).await;
            assert!(position_of(&page.end) > before, "the cursor stands still");
            nodes.extend(page.nodes);
        }
        (nodes, page.end)
    }

    /// The cursor of this moment.
    pub async fn head(&self, actor: &Actor) -> String {
        let data = self.api.data(actor, "{ changeHead }", json!({})).await;
        data["changeHead"].as_str().unwrap().to_owned()
    }

    /// Registers many facilities of a vendor in one change, as an import would: with ids from `first` on.
    pub async fn import(&self, first: i64, count: i64, vendor: OrganisationId) {
        let transaction = self.api.services.database.begin().await.unwrap();
        let change: i64 = Query::new(
            "INSERT INTO change (recorded_at, identity_kind, source, operation) \
             VALUES ('2021-12-19 00:00:00+00:00', 3, 2, 'import') RETURNING id",
        )
        .scalar(&transaction)
        .await
        .unwrap();
        let last = first + count - 1;
        let vendor = vendor.0;
        let ids = format!(
            "WITH RECURSIVE n (i) AS (SELECT {first} UNION ALL SELECT i + 1 FROM n WHERE i < {last})"
        );
        for sql in [
            format!(
                "INSERT INTO facility (id, name, name_kana, postal_code, address, phone, search_text) \
                 {ids} SELECT i, 'みなと', 'ミナト', '', '', '', '' FROM n"
            ),
            format!(
                "INSERT INTO facility_state (facility_id, code, version, kind, prefecture, public_institution, \
                 opened_on, vendor_id, chain_id, contractor_id, stage) \
                 {ids} SELECT i, CAST(i AS TEXT), 1, 1, 1, 1 = 0, '2020-01-01', {vendor}, 0, 0, 0 FROM n"
            ),
            // Opened, prefecture and vendor.
            format!(
                "INSERT INTO facility_event (facility_id, change_id, aspect, action, effective_on, value) \
                 {ids} SELECT i, {change}, aspect, 2, '2020-01-01', value FROM n CROSS JOIN \
                 (SELECT 20 AS aspect, 0 AS value UNION ALL SELECT 23, 1 UNION ALL SELECT 25, {vendor}) a"
            ),
        ] {
            Query::new(sql).execute(&transaction).await.unwrap();
        }
        transaction.commit().await.unwrap();
    }
}

/// A valid code of a clinic.
pub fn code_in(prefecture: u8, number: u32) -> String {
    let prefecture = Prefecture::from_number(prefecture).unwrap();
    InstitutionCode::with_check_digit(prefecture, FeeTable::Medical, number).to_string()
}

/// The row behind a global id.
pub fn row_of(facility: &str) -> FacilityId {
    FacilityId(NodeId::row_of(&facility.into(), NodeKind::Facility).unwrap())
}

/// Facilities of entries, in order.
pub fn facilities(nodes: &[Value]) -> Vec<String> {
    nodes
        .iter()
        .map(|node| node["facilityId"].as_str().unwrap().to_owned())
        .collect()
}

/// What entries are about, in order.
pub fn operations(nodes: &[Value]) -> Vec<&str> {
    nodes
        .iter()
        .map(|node| node["operation"].as_str().unwrap_or("left"))
        .collect()
}

/// What an attacker reads in a cursor: the number of the change, and the facility.
pub fn position_of(cursor: &str) -> (i64, i64) {
    let text = String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(cursor).unwrap()).unwrap();
    let mut parts = text
        .split('\u{1f}')
        .skip(2)
        .map(|part| part.parse().unwrap());
    (parts.next().unwrap(), parts.next().unwrap())
}

/// The cursor of another change, made up from a real one.
pub fn forged(cursor: &str, seq: &str) -> String {
    let text = String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(cursor).unwrap()).unwrap();
    let mut parts: Vec<&str> = text.split('\u{1f}').collect();
    parts[2] = seq;
    BASE64_URL_SAFE_NO_PAD.encode(parts.join("\u{1f}"))
}
