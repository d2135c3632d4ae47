//! Two facilities that have nothing in common, and everyone who might reach for them.

use std::{collections::HashMap, sync::Arc};

use async_graphql::{Request, Variables, parser::types::OperationType, resolver_utils::EnumType};
use kaitsu::{
    api::{
        ApiSchema, Caller, NodeId,
        node_id::NodeKind,
        policy::{self, Denial, RootField},
        schema,
    },
    app::Services,
    auth::{Actor, Grant, Identity, Language, OrganisationKind as Kind, Origin, Permission, Role},
    db::{Backend, Database, FacilityId, OrganisationId, Query, UserId, schema::all_tables},
    facility::Bureau,
};
use serde_json::{Value, json};

use crate::support::accounts::{World, anonymous};

/// What a caller may aim at: a facility, and the organisations around it.
pub struct Target {
    pub code: &'static str,
    pub name: &'static str,
    pub reference: &'static str,
    pub facility: String,
    /// A milestone that it reached.
    pub event: String,
    /// The global id of the record of what holds it up.
    pub blocker: String,
    /// The global id of its work order.
    pub order: String,
    /// The global id of its proposal to another support contractor than the one that has it.
    pub handover: String,
    /// The global id of the change that opened that.
    pub change: String,
    /// The global id of a sheet that the vendor sent.
    pub sheet: String,
    /// A link that it has.
    pub link: String,
    /// The global id of a wave of its chain that has it.
    pub wave: String,
    /// The global id of its application for readers.
    pub application: String,
    /// An order of its vendor for PCs, their model, and two lots that arrived, of which it has a unit of the second.
    pub hardware: (String, String, [String; 2]),
    /// The organisations around it, one of each kind.
    pub organisations: HashMap<Kind, Organisation>,
    /// A service token of the vendor.
    pub token: String,
}

impl Target {
    /// The global id of the organisation of a kind.
    pub fn organisation(&self, kind: Kind) -> String {
        id(NodeKind::Organisation, self.organisations[&kind].id.0)
    }

    /// The global id of its entry in the directory.
    pub fn vendor(&self, kind: Kind) -> String {
        id(NodeKind::Vendor, self.organisations[&kind].id.0)
    }

    /// The global id of a member of it.
    pub fn user(&self, kind: Kind) -> String {
        id(NodeKind::User, self.organisations[&kind].colleague.0)
    }

    /// The global id of an open invitation to it.
    pub fn invitation(&self, kind: Kind) -> String {
        self.organisations[&kind].invitation.clone()
    }

    fn facility_row(&self) -> FacilityId {
        let facility = async_graphql::ID(self.facility.clone());
        FacilityId(NodeId::row_of(&facility, NodeKind::Facility).unwrap())
    }
}

/// A role's word in the schema.
fn word(role: Role) -> &'static str {
    let items = Role::items().iter();
    let mut found = items.filter(|item| item.value == role);
    found.next().unwrap().name
}

pub fn id(kind: NodeKind, row: i64) -> String {
    NodeId::new(kind, row).encode().0
}

/// An organisation with two people.
pub struct Organisation {
    id: OrganisationId,
    /// Who calls.
    caller: UserId,
    /// Who is reached for.
    colleague: UserId,
    /// The global id of an invitation that is open.
    invitation: String,
}

/// Somebody who calls, and how the matrix names them.
pub struct Someone {
    pub kind: Option<Kind>,
    pub role: &'static str,
    pub actor: Actor,
}

pub struct Scene {
    pub world: World,
    schema: ApiSchema,
    pub inside: Target,
    pub outside: Target,
}

impl Scene {
    pub async fn new(backend: Backend) -> Self {
        let world = World::new(backend).await;
        let services = Services::new(world.db().clone(), world.clock.clone());
        let schema = schema::build(&services, Arc::clone(&world.auth));
        let blank = |code, name, reference| Target {
            code,
            name,
            reference,
            facility: String::new(),
            event: String::new(),
            blocker: String::new(),
            order: String::new(),
            change: String::new(),
            sheet: String::new(),
            handover: String::new(),
            link: String::new(),
            wave: String::new(),
            application: String::new(),
            hardware: Default::default(),
            organisations: HashMap::new(),
            token: String::new(),
        };
        let mut scene = Self {
            world,
            schema,
            inside: blank("0110112489", "みなと内科", "IN-1"),
            outside: blank("1110301762", "そとの医院", "OUT-1"),
        };
        for side in ["inside", "outside"] {
            scene.furnish(side).await;
        }
        scene.settle().await;
        scene
    }

    fn target(&mut self, side: &str) -> &mut Target {
        if side == "inside" {
            &mut self.inside
        } else {
            &mut self.outside
        }
    }

    /// Registers the facility of a side, with its organisations, one milestone and a token of its vendor.
    async fn furnish(&mut self, side: &'static str) {
        for kind in Kind::ALL {
            let email = format!("{kind:?}@{side}.example.jp").to_lowercase();
            let name = format!("{side} {kind:?}");
            let made = self.world.user_of(&email, kind, &name, Role::Admin).await;
            let email = format!("staff-{email}");
            let colleague = self.world.user_of(&email, kind, &name, Role::Viewer).await;
            let organisation = Organisation {
                id: made.organisation.id,
                caller: made.user.id,
                colleague: colleague.user.id,
                invitation: String::new(),
            };
            self.target(side).organisations.insert(kind, organisation);
            self.invite(side, kind).await;
        }
        let target = self.target(side);
        let (code, name) = (target.code, target.name);
        let organisations: Vec<(&str, String)> = [
            ("VENDOR", Kind::Vendor),
            ("CHAIN", Kind::Chain),
            ("CORPORATION", Kind::Corporation),
            ("AREA", Kind::Area),
            ("SUPPORT_CONTRACTOR", Kind::SupportContractor),
        ]
        .map(|(link, kind)| (link, target.organisation(kind)))
        .to_vec();
        let chain = target.organisations[&Kind::Chain].id;
        let parts = [Kind::Corporation, Kind::Area].map(|kind| target.organisations[&kind].id);
        for part in parts {
            let part = format!("UPDATE organisation SET parent_id = {chain} WHERE id = {part}");
            self.world.database.run(&part).await;
        }
        let ministry = self.ministry();
        let registered = self
            .write(&ministry, "facilityRegister", "facility { id }", json!({ "code": code, "kind": "MEDICAL_CLINIC", "name": name, "openedOn": "2020-04-01" }))
            .await;
        let facility = registered["facility"]["id"].as_str().unwrap().to_owned();
        let mut linked = Value::Null;
        for (kind, organisation) in organisations {
            let link = json!({ "facility": { "id": facility }, "kind": kind, "organisationId": organisation, "on": "2020-04-01" });
            linked = self
                .write(&ministry, "facilityLink", "eventIds", link)
                .await;
        }
        let applied = json!({ "facility": { "id": facility }, "milestone": "READER_APPLIED", "on": "2021-06-01" });
        let recorded = self
            .write(&ministry, "milestoneRecord", "eventIds", applied)
            .await;
        let blocked =
            json!({ "facility": { "id": facility }, "blocker": "NO_PC", "on": "2021-06-01" });
        let blocked = self
            .write(&ministry, "blockerOpen", "eventIds", blocked)
            .await;
        let order = json!({ "facility": { "id": facility }, "plannedOn": "2021-12-24" });
        let order = self
            .write(
                &ministry,
                "installationOpen",
                "installation { id } changeId",
                order,
            )
            .await;
        // To the contractor that has it: as if it had been proposed before it was handed on.
        let target = self.target(side);
        let organisation = |kind| target.organisations[&kind].id;
        let (to, by) = (
            organisation(Kind::SupportContractor),
            organisation(Kind::Vendor),
        );
        let sender = target.organisations[&Kind::Vendor].caller;
        let row = NodeId::row_of(&async_graphql::ID(facility.clone()), NodeKind::Facility).unwrap();
        self.world
            .database
            .run(&format!(
                "INSERT INTO handover (facility_id, vendor_id, contractor_id, status, proposed_on, answer_by, message, proposed_by)
                 VALUES ({row}, {by}, {to}, 0, '2021-12-01', '2021-12-31', '', 1)"
            ))
            .await;
        let proposed = self
            .world
            .database
            .number("SELECT max(id) FROM handover")
            .await;
        self.world
            .database
            .run(&format!(
                r#"INSERT INTO sheet (organisation_id, identity_kind, identity_id, name, digest, byte_count, layout, columns,
                 row_count, is_checked, status, uploaded_at, changed_at, runner_kind, gentle, done_count, todo_count, attempts, leased_until) SELECT {by}, 1, {},
                 'a.csv', token_hash, 1, '{{"format":"Csv","encoding":"Utf8","delimiter":44,"worksheet":null}}',
                 '{{"heading_row":1,"columns":[]}}', 1, TRUE, 4, t.created_at, t.created_at, 0, FALSE, 0, 0, 0, t.created_at
                 FROM (SELECT secret_hash AS token_hash, created_at FROM one_time_secret LIMIT 1) t"#,
                sender
            ))
            .await;
        let sheet = self
            .world
            .database
            .number("SELECT max(id) FROM sheet")
            .await;
        self.world
            .database
            .run(&format!(
                r#"INSERT INTO sheet_row (sheet_id, number, facility_id, outcome, detail) VALUES ({sheet}, 2, {row}, 1,
                 '{{"identified":"Code","version":1,"wishes":[],"before":[],"note":null,"problems":[]}}')"#
            ))
            .await;
        let count = format!(
            "INSERT INTO sheet_count (sheet_id, outcome, row_count) VALUES ({sheet}, 1, 1)"
        );
        self.world.database.run(&count).await;
        let vendor = self.someone(Some(Kind::Vendor), Role::Admin, side);
        let token = json!({ "organisationId": self.target(side).organisation(Kind::Vendor), "name": "sheet", "role": "EDITOR",
            "permissions": ["FACILITY_READ"], "expiresAt": "2022-06-01T00:00:00Z" });
        let token = self
            .write(&vendor, "serviceTokenCreate", "serviceToken { id }", token)
            .await;
        let wave = json!({ "organisationId": id(NodeKind::Organisation, chain.0), "name": format!("{side} wave"), "milestone": "LIVE" });
        let wave = self.write(&ministry, "waveSave", "wave { id }", wave).await;
        let planned = json!({ "waveId": wave["wave"]["id"], "rows": [{ "facility": { "id": facility }, "on": "2022-03-01" }] });
        self.write(&ministry, "waveBulkPlan", "changeId", planned)
            .await;
        let supplier = self.target(side).organisation(Kind::Supplier);
        let model = json!({ "supplierId": supplier, "class": "READER", "name": "みるカード", "number": "MC-1",
            "kinds": ["MEDICAL_CLINIC"] });
        let model = self
            .write(
                &ministry,
                "hardwareModelSave",
                "hardwareModel { id }",
                model,
            )
            .await;
        let filed = json!({ "facility": { "id": facility }, "kind": "READER", "step": "RECEIVE", "on": "2021-06-01",
            "lines": [{ "modelId": model["hardwareModel"]["id"], "freeQuantity": 1 }] });
        let filed = self
            .write(&ministry, "applicationRecord", "application { id }", filed)
            .await;
        let hardware = self.equip(side, &facility).await;
        let target = self.target(side);
        target.hardware = hardware;
        target.application = filed["application"]["id"].as_str().unwrap().to_owned();
        target.wave = wave["wave"]["id"].as_str().unwrap().to_owned();
        target.facility = facility;
        target.event = recorded["eventIds"][0].as_str().unwrap().to_owned();
        target.blocker = blocked["eventIds"][0].as_str().unwrap().to_owned();
        target.order = order["installation"]["id"].as_str().unwrap().to_owned();
        target.change = order["changeId"].as_str().unwrap().to_owned();
        target.handover = id(NodeKind::Handover, proposed);
        target.sheet = id(NodeKind::Sheet, sheet);
        target.link = linked["eventIds"][0].as_str().unwrap().to_owned();
        target.token = token["serviceToken"]["id"].as_str().unwrap().to_owned();
        let (row, reference) = (target.facility_row(), target.reference);
        let order = NodeId::row_of(
            &async_graphql::ID(target.order.clone()),
            NodeKind::Installation,
        )
        .unwrap();
        let organisations: Vec<OrganisationId> = target
            .organisations
            .values()
            .map(|organisation| organisation.id)
            .collect();
        for organisation in organisations {
            self.world
                .database
                .run(&format!("INSERT INTO installation_reference (organisation_id, reference, installation_id) VALUES ({organisation}, '{reference}', {order})"))
                .await;
            self.world
                .database
                .run(&format!("INSERT INTO facility_reference (organisation_id, reference, facility_id) VALUES ({organisation}, '{reference}', {row})"))
                .await;
        }
    }

    /// The vendor of a side orders PCs, of which some arrive, and gives the facility one.
    async fn equip(&mut self, side: &'static str, facility: &str) -> (String, String, [String; 2]) {
        let ministry = self.ministry();
        let target = self.target(side);
        let (supplier, vendor) = (
            target.organisation(Kind::Supplier),
            target.organisation(Kind::Vendor),
        );
        let model = json!({ "supplierId": supplier, "class": "PC", "name": "窓口端末", "number": "PC-9",
            "kinds": ["MEDICAL_CLINIC"], "lines": ["IP_VPN"] });
        let model = self
            .write(
                &ministry,
                "hardwareModelSave",
                "hardwareModel { id }",
                model,
            )
            .await;
        let model = model["hardwareModel"]["id"].as_str().unwrap().to_owned();
        let order = json!({ "buyerId": vendor, "modelId": model, "quantity": 5, "orderedOn": "2021-11-01" });
        let order = self
            .write(
                &ministry,
                "hardwareOrderPlace",
                "hardwareOrder { id }",
                order,
            )
            .await;
        let order = order["hardwareOrder"]["id"].as_str().unwrap().to_owned();
        let mut lots = [String::new(), String::new()];
        for lot in &mut lots {
            let arrived = json!({ "rows": [{ "orderId": order, "action": "DELIVER", "quantity": 1, "on": "2021-11-10" }] });
            self.write(&ministry, "hardwareOrderRecord", "changeId", arrived)
                .await;
            let latest = "SELECT max(id) FROM hardware_lot";
            *lot = id(
                NodeKind::HardwareLot,
                self.world.database.number(latest).await,
            );
        }
        let given = json!({ "rows": [{ "lotId": lots[1], "facility": { "id": facility }, "on": "2021-11-11" }] });
        self.write(&ministry, "hardwareAllocate", "changeId", given)
            .await;
        (order, model, lots)
    }

    /// Somebody else than the caller has invited somebody.
    async fn invite(&mut self, side: &'static str, kind: Kind) {
        let inviter = Actor {
            identity: Identity::User(self.target(side).organisations[&kind].colleague),
            ..self.someone(Some(kind), Role::Admin, side)
        };
        let organisation = self.target(side).organisation(kind);
        let email = format!("invited-{kind:?}@{side}.example.jp");
        let input = json!({ "organisationId": organisation, "email": email, "role": "VIEWER" });
        let sent = self
            .write(&inviter, "memberInvite", "invitation { id }", input)
            .await;
        let invitation = sent["invitation"]["id"].as_str().unwrap().to_owned();
        let organisations = &mut self.target(side).organisations;
        organisations.get_mut(&kind).unwrap().invitation = invitation;
    }

    pub async fn settle(&self) {
        let database = self.world.db();
        kaitsu::change::settle(database, &self.world.clock)
            .await
            .unwrap();
        while kaitsu::figures::service::fold(database).await.unwrap() > 0 {}
    }

    fn ministry(&self) -> Actor {
        self.someone(Some(Kind::Ministry), Role::Admin, "inside")
    }

    /// A member of an organisation of a side, or nobody.
    pub fn someone(&self, kind: Option<Kind>, role: Role, side: &str) -> Actor {
        let Some(kind) = kind else {
            return anonymous();
        };
        let target = if side == "inside" {
            &self.inside
        } else {
            &self.outside
        };
        let organisation = &target.organisations[&kind];
        Actor {
            identity: Identity::User(organisation.caller),
            grants: vec![Grant {
                organisation: organisation.id,
                kind,
                role,
                bureau: (kind == Kind::RegionalBureau).then(|| Bureau::from_code(0).unwrap()),
                facility: (kind == Kind::Facility && !target.facility.is_empty())
                    .then(|| target.facility_row()),
            }],
            token_permissions: None,
            language: Language::En,
        }
    }

    /// Everyone of the inside, from nobody to the ministry's administrator, two service tokens of the vendor, and
    /// one of the ministry with all that a token may be made for.
    pub fn everyone(&self) -> Vec<Someone> {
        let mut everyone = vec![Someone {
            kind: None,
            role: "anonymous",
            actor: anonymous(),
        }];
        for kind in Kind::ALL {
            for role in Role::ALL.into_iter().filter(|role| role.is_in(kind)) {
                let name = word(role);
                let actor = self.someone(Some(kind), role, "inside");
                everyone.push(Someone {
                    kind: Some(kind),
                    role: name,
                    actor,
                });
            }
        }
        let all = Permission::ALL
            .into_iter()
            .filter(|one| !one.needs_a_person());
        for (kind, least, role, permissions) in [
            (
                Kind::Vendor,
                Role::Editor,
                "token (FACILITY_READ)",
                vec![Permission::FacilityRead],
            ),
            (
                Kind::Vendor,
                Role::Editor,
                "token (FACILITY_READ and MILESTONE_WRITE)",
                vec![Permission::FacilityRead, Permission::MilestoneWrite],
            ),
            (
                Kind::Ministry,
                Role::Admin,
                "token of the MINISTRY (all that it may have)",
                all.collect(),
            ),
        ] {
            let token = async_graphql::ID(self.inside.token.clone());
            let actor = Actor {
                identity: Identity::ServiceToken(
                    NodeId::row_of(&token, NodeKind::ServiceToken).unwrap(),
                ),
                token_permissions: Some(permissions),
                ..self.someone(Some(kind), least, "inside")
            };
            everyone.push(Someone {
                kind: Some(kind),
                role,
                actor,
            });
        }
        everyone
    }

    /// Calls a root field through the policy and returns the whole response.
    pub async fn call(
        &self,
        actor: &Actor,
        field: RootField,
        document: &str,
        variables: Value,
    ) -> Value {
        if let Err(denial) = policy::check(actor, field.operation(), &[field.name().to_owned()]) {
            let code = match denial {
                Denial::Unauthenticated => "UNAUTHENTICATED",
                Denial::Forbidden => "FORBIDDEN",
            };
            return json!({ "errors": [{ "extensions": { "code": code } }] });
        }
        self.execute(actor, document, variables).await
    }

    /// Runs a document past the policy.
    pub async fn execute(&self, actor: &Actor, document: &str, variables: Value) -> Value {
        let request = Request::new(document)
            .variables(Variables::from_json(variables))
            .data(Origin::default())
            .data(Caller {
                actor: actor.clone(),
                request_id: "test".to_owned(),
            });
        serde_json::to_value(self.schema.execute(request).await).unwrap()
    }

    /// Runs a mutation that must succeed, and returns its payload.
    pub async fn write(&self, actor: &Actor, name: &str, fields: &str, input: Value) -> Value {
        let document = format!(
            "mutation ($input: {}{}Input!) {{ {name}(input: $input) {{ {fields} userErrors {{ code path }} }} }}",
            name[..1].to_uppercase(),
            &name[1..]
        );
        let field = RootField::named(OperationType::Mutation, name).unwrap();
        let response = self
            .call(actor, field, &document, json!({ "input": input }))
            .await;
        let payload = response["data"][name].clone();
        assert_eq!(payload["userErrors"], json!([]), "{name}: {response:#}");
        payload
    }

    /// Everything that the database holds, but the count of wrong passwords.
    pub async fn everything(&self) -> Vec<(&'static str, String)> {
        let mut everything = Vec::new();
        for definition in all_tables() {
            let table = definition.table;
            if table.name != "login_throttle" {
                let columns: Vec<&str> = table.columns.iter().map(|(name, _)| *name).collect();
                everything.push((
                    table.name,
                    rows(self.world.db(), table.name, &columns).await,
                ));
            }
        }
        everything
    }
}

async fn rows(database: &Database, table: &str, columns: &[&str]) -> String {
    let row = columns
        .iter()
        .map(|column| match database.backend() {
            Backend::Sqlite => format!("quote({column})"),
            Backend::Postgres => format!("COALESCE({column}::text, 'NULL')"),
        })
        .collect::<Vec<_>>()
        .join(" || ',' || ");
    let all = match database.backend() {
        Backend::Sqlite => "group_concat(line, ';')",
        Backend::Postgres => "string_agg(line, ';' ORDER BY line)",
    };
    let sql = format!(
        "SELECT COALESCE({all}, '') FROM (SELECT {row} AS line FROM {table} ORDER BY 1) AS lines"
    );
    Query::new(sql).scalar(database.read()).await.unwrap()
}
