//! Sheets: files that are sent, checked, applied, stopped and undone.

mod confirmation;
mod files;
mod rights;
mod rows;
mod stores;
mod work;

use std::io::{Seek, Write};

use kaitsu::{
    api::{NodeId, node_id::NodeKind},
    auth::{Actor, Grant, Identity, Language, OrganisationKind as Kind, Role},
    db::{Backend, OrganisationId, Query, UserId},
    facility::{FeeTable, InstitutionCode, Prefecture},
    jobs::Progress,
    sheet::{
        SheetId,
        service::{Received, UploadError, run, upload},
    },
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::api::{Api, ministry};

const SHEET: &str = "id name status rowCount doneCount todoCount headingRow format encoding userErrors { code message }
    columns { position heading field milestone samples }
    counts { unchanged willChange refused conflicts changed undone notUndone }";

const ROWS: &str = "query ($id: ID!, $outcomes: [SheetRowOutcome!]! = []) { sheetRows(sheetId: $id, outcomes: $outcomes, first: 100) {
    nodes { number outcome identifiedBy facility { code } changes { field milestone before after } note changeId
        userErrors { code path message } } } }";

/// Clinics of a vendor in an empty deployment, on the day of the report.
pub struct Scene {
    pub api: Api,
    pub vendor: OrganisationId,
    pub editor: Actor,
    pub codes: Vec<String>,
}

impl Scene {
    /// So many clinics that engage a vendor and have applied on 2021-06-01.
    pub async fn new(backend: Backend, clinics: u32) -> Self {
        let api = Api::new(backend).await;
        let vendor = api.organisation(Kind::Vendor, "あおばシステム").await;
        let editor = person(&api, Kind::Vendor, vendor, Role::Editor).await;
        let codes: Vec<String> = (0..clinics).map(code).collect();
        let scene = Self {
            api,
            vendor,
            editor,
            codes,
        };
        for code in &scene.codes {
            scene.clinic(code, Some(vendor)).await;
        }
        scene
    }

    /// Registers a clinic that has applied, and links it.
    pub async fn clinic(&self, code: &str, vendor: Option<OrganisationId>) {
        self.api
            .register(code, "MEDICAL_CLINIC", "みなと内科")
            .await;
        if let Some(vendor) = vendor {
            let id = NodeId::new(NodeKind::Organisation, vendor.0).encode().0;
            let link = json!({ "facility": { "code": code }, "kind": "VENDOR", "organisationId": id, "on": "2020-04-01" });
            self.one(&ministry(), "facilityLink", link).await;
        }
        let applied = json!({ "facility": { "code": code }, "milestone": "READER_APPLIED", "on": "2021-06-01" });
        self.one(&ministry(), "milestoneRecord", applied).await;
    }

    /// Calls a mutation that must succeed.
    pub async fn one(&self, actor: &Actor, name: &str, input: Value) {
        let document = format!(
            "mutation ($input: {}{}Input!) {{ {name}(input: $input) {{ userErrors {{ code path }} }} }}",
            name[..1].to_uppercase(),
            &name[1..]
        );
        let variables = json!({ "input": input });
        let data = self.api.data(actor, &document, variables).await;
        assert_eq!(data[name]["userErrors"], json!([]), "{name} {input}");
    }

    /// Sends a file.
    pub async fn send(
        &self,
        actor: &Actor,
        name: &str,
        bytes: &[u8],
    ) -> Result<String, UploadError> {
        self.send_for(actor, None, name, bytes).await
    }

    /// Sends a file in the name of an organisation.
    pub async fn send_for(
        &self,
        actor: &Actor,
        organisation: Option<OrganisationId>,
        name: &str,
        bytes: &[u8],
    ) -> Result<String, UploadError> {
        let received = received(name, bytes);
        let SheetId(row) = upload(&self.api.services, actor, organisation, received).await?;
        Ok(NodeId::new(NodeKind::Sheet, row).encode().0)
    }

    /// Sends a file of the vendor's and lets it be checked.
    pub async fn checked(&self, text: &str) -> String {
        let sheet = self.send(&self.editor, "週報.csv", text.as_bytes()).await;
        self.work().await;
        sheet.unwrap()
    }

    /// Lets the background do all there is.
    pub async fn work(&self) {
        while run(&self.api.services, "test").await.unwrap() == Progress::More {}
    }

    /// Calls a mutation of a sheet and answers its payload.
    pub async fn ask(&self, actor: &Actor, name: &str, sheet: &str, more: Value) -> Value {
        let mut input = more;
        input["sheetId"] = json!(sheet);
        let document = format!(
            "mutation ($input: Sheet{}Input!) {{ {name}(input: $input) {{ userErrors {{ code path message }} sheet {{ {SHEET} }} }} }}",
            name.trim_start_matches("sheet"),
        );
        let data = self
            .api
            .data(actor, &document, json!({ "input": input }))
            .await;
        data[name].clone()
    }

    /// Applies a sheet of the vendor's but for its refused rows, and waits for the end.
    pub async fn apply(&self, sheet: &str) -> Value {
        let input = json!({ "errorPolicy": "REJECT_FAILED_ROWS", "gentle": false });
        let payload = self.ask(&self.editor, "sheetApply", sheet, input).await;
        assert_eq!(payload["userErrors"], json!([]));
        self.work().await;
        self.sheet(sheet).await
    }

    /// Undoes a sheet of the vendor's and waits for the end.
    pub async fn undo(&self, sheet: &str) -> Value {
        let input = json!({ "gentle": false });
        let payload = self.ask(&self.editor, "sheetUndo", sheet, input).await;
        assert_eq!(payload["userErrors"], json!([]));
        self.work().await;
        self.sheet(sheet).await
    }

    /// A sheet as the vendor sees it.
    pub async fn sheet(&self, sheet: &str) -> Value {
        let document =
            format!("query ($id: ID!) {{ node(id: $id) {{ ... on Sheet {{ {SHEET} }} }} }}");
        let data = self
            .api
            .data(&self.editor, &document, json!({ "id": sheet }))
            .await;
        data["node"].clone()
    }

    /// How many rows of a sheet there are of each outcome, but for those of which there are none.
    pub async fn counts(&self, sheet: &str) -> Value {
        let sheet = self.sheet(sheet).await;
        let mut counts = sheet["counts"].as_object().unwrap().clone();
        counts.retain(|_, count| *count != json!(0) && !count.is_null());
        Value::Object(counts)
    }

    /// The rows of a sheet that there is something to tell of.
    pub async fn rows(&self, sheet: &str) -> Vec<Value> {
        let data = self
            .api
            .data(&self.editor, ROWS, json!({ "id": sheet }))
            .await;
        data["sheetRows"]["nodes"].as_array().unwrap().clone()
    }

    /// Of each row that there is something to tell of: its number, its outcome and its errors.
    pub async fn told(&self, sheet: &str) -> Vec<String> {
        let told = |row: &Value| {
            let errors = row["userErrors"].as_array().unwrap().iter();
            let errors: String = errors
                .map(|error| {
                    let path = error["path"].as_array().unwrap();
                    let path: Vec<&str> = path.iter().map(|one| one.as_str().unwrap()).collect();
                    format!(" {} {}", error["code"].as_str().unwrap(), path.join("."))
                })
                .collect();
            let outcome = row["outcome"].as_str().unwrap();
            format!("{} {outcome}{errors}", row["number"])
                .trim_end()
                .to_owned()
        };
        self.rows(sheet).await.iter().map(told).collect()
    }

    /// The days of a facility's milestones in force, and what is planned and holds it up.
    pub async fn facility(&self, code: &str) -> String {
        let document = "query ($code: String!) { facilityByCode(code: $code) { version
            milestones { milestone reachedOn plannedOn } blockers { blocker } } }";
        let data = self
            .api
            .data(&ministry(), document, json!({ "code": code }))
            .await;
        let facility = &data["facilityByCode"];
        let mut told = Vec::new();
        for one in facility["milestones"].as_array().unwrap() {
            let name = one["milestone"].as_str().unwrap();
            if let Some(day) = one["reachedOn"].as_str() {
                told.push(format!("{name} {day}"));
            }
            if let Some(day) = one["plannedOn"].as_str() {
                told.push(format!("{name} planned {day}"));
            }
        }
        for one in facility["blockers"].as_array().unwrap() {
            told.push(one["blocker"].as_str().unwrap().to_owned());
        }
        told.join(", ")
    }

    pub async fn verify(&self) {
        let report = kaitsu::verify::verify(self.api.database.db(), |_| {})
            .await
            .unwrap();
        assert_eq!(report.differences, Vec::new());
    }
}

/// A file that has arrived.
pub fn received(name: &str, bytes: &[u8]) -> Received {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    Received {
        file,
        name: name.to_owned(),
        digest: Sha256::digest(bytes).to_vec(),
        bytes: bytes.len().try_into().unwrap(),
        complete_to: None,
    }
}

/// The code of a clinic in Hokkaido, which begins with a zero.
pub fn code(number: u32) -> String {
    InstitutionCode::with_check_digit(Prefecture::FIRST, FeeTable::Medical, number).to_string()
}

/// Somebody with an account: the background asks who they are by now.
pub async fn person(api: &Api, kind: Kind, organisation: OrganisationId, role: Role) -> Actor {
    let database = &api.services.database;
    let now = api.services.clock.now();
    let id: i64 = Query::with(
        "INSERT INTO user_account (email, display_name, language, created_at) VALUES ($1, '青葉', $2, $3) RETURNING id",
        [
            format!("{}@example.jp", rand::random::<u64>()).into(),
            Language::En.code().into(),
            now.into(),
        ],
    )
    .scalar(database.write())
    .await
    .unwrap();
    Query::with(
        "INSERT INTO membership (user_id, organisation_id, role, created_at) VALUES ($1, $2, $3, $4)",
        [
            id.into(),
            organisation.0.into(),
            role.code().into(),
            now.into(),
        ],
    )
    .execute(database.write())
    .await
    .unwrap();
    Actor {
        identity: Identity::User(UserId(id)),
        grants: vec![Grant {
            organisation,
            kind,
            role,
            bureau: None,
            facility: None,
        }],
        token_permissions: None,
        language: Language::En,
    }
}
