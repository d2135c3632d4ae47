//! What every root field is asked, at the least that it takes. The match is exhaustive: a new root field does not
//! compile until somebody says here how it is called.

use async_graphql::parser::types::OperationType;
use kaitsu::{
    api::{NodeId, node_id::NodeKind, policy::RootField},
    auth::OrganisationKind as Kind,
};
use serde_json::{Value, json};

use super::scene::Target;

/// What a field is aimed at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aim {
    /// A facility.
    Facility,
    /// An organisation of the caller's own kind, its members, invitations and tokens.
    Organisation,
    /// Nothing that another could be told from.
    Nothing,
}

/// How a field is called.
pub struct Ask {
    pub aim: Aim,
    pub document: String,
    pub variables: Value,
}

impl Ask {
    /// The same without an effect, where the field knows dry runs.
    pub fn dry(&self) -> Value {
        let mut variables = self.variables.clone();
        if let Some(Value::Object(input)) = variables.get_mut("input")
            && knows_dry_runs(&self.document)
        {
            input.insert("dryRun".to_owned(), json!(true));
        }
        variables
    }
}

/// Logins and what a person does to the own account have none: they fail for other reasons here.
fn knows_dry_runs(document: &str) -> bool {
    let personal = ["session", "password", "invitationAccept", "facilityAccount"];
    !personal
        .iter()
        .any(|name| document.contains(&format!(" {name}")))
}

/// `unique` keeps one call apart from the next where somebody counts attempts.
pub fn ask(field: RootField, target: &Target, own: Option<Kind>, unique: usize) -> Ask {
    use RootField as F;
    let kind = own.unwrap_or(Kind::Vendor);
    let facility = json!({ "code": target.code });
    let query = |aim, arguments: String, selection: &str| Ask {
        aim,
        document: format!("{{ {}{arguments} {selection} }}", field.name()),
        variables: Value::Null,
    };
    let mutation = |aim, input: Value| {
        let name = field.name();
        let selection = match field {
            F::MilestoneBulkRecord
            | F::FacilityBulkAmend
            | F::WaveBulkPlan
            | F::FacilityBulkReferenceSet
            | F::BlockerBulkRecord
            | F::InstallationBulkRecord
            | F::ApplicationBulkRecord
            | F::HardwareOrderRecord
            | F::HardwareAllocate
            | F::HardwareRelease
            | F::HandoverPropose
            | F::HandoverAnswer
            | F::HandoverWithdraw
            | F::ChangeUndo => "rows { userErrors { code } } userErrors { code }",
            _ => "userErrors { code }",
        };
        Ask {
            aim,
            document: format!(
                "mutation ($input: {}{}Input!) {{ {name}(input: $input) {{ {selection} }} }}",
                name[..1].to_uppercase(),
                &name[1..]
            ),
            variables: json!({ "input": input }),
        }
    };
    debug_assert!(matches!(
        field.operation(),
        OperationType::Query | OperationType::Mutation | OperationType::Subscription
    ));
    match field {
        F::Node => query(
            Aim::Facility,
            format!("(id: \"{}\")", target.facility),
            "{ id }",
        ),
        F::Nodes => query(
            Aim::Facility,
            format!("(ids: [\"{}\"])", target.facility),
            "{ id }",
        ),
        F::Viewer => query(Aim::Nothing, String::new(), "{ language }"),
        F::Organisation => query(
            Aim::Organisation,
            format!("(id: \"{}\")", target.organisation(kind)),
            "{ id }",
        ),
        F::FacilityByCode => query(
            Aim::Facility,
            format!("(code: \"{}\")", target.code),
            "{ id }",
        ),
        F::FacilityByReference => query(
            Aim::Facility,
            format!("(reference: \"{}\")", target.reference),
            "{ id }",
        ),
        F::Facilities => query(
            Aim::Facility,
            format!("(first: 10, filter: {{ search: \"{}\" }})", target.name),
            "{ nodes { id } }",
        ),
        F::RolloutFigures => query(
            Aim::Facility,
            format!(
                "(filter: {{ vendorIds: [\"{}\"] }}, groupBy: [KIND])",
                target.organisation(Kind::Vendor)
            ),
            "{ cells { all } }",
        ),
        F::RolloutSeries => query(
            Aim::Facility,
            format!(
                "(from: \"2021-12-19\", until: \"2021-12-19\", every: DAY, filter: {{ vendorIds: [\"{}\"] }})",
                target.organisation(Kind::Vendor)
            ),
            "{ all }",
        ),
        F::Changes => query(
            Aim::Nothing,
            "(first: 100)".to_owned(),
            "{ nodes { facilityId } }",
        ),
        F::ChangeHead => query(Aim::Nothing, String::new(), ""),
        F::FollowChanges => Ask {
            aim: Aim::Nothing,
            document: "subscription { changes { facilityId } }".to_owned(),
            variables: Value::Null,
        },
        F::SessionCreate => {
            let email = format!("nobody{unique}@example.jp");
            mutation(
                Aim::Nothing,
                json!({ "email": email, "password": "wrong-password-1" }),
            )
        }
        F::SessionRefresh => mutation(
            Aim::Nothing,
            json!({ "refreshToken": format!("ktr_{unique}") }),
        ),
        F::SessionDelete => mutation(
            Aim::Nothing,
            json!({ "refreshToken": format!("ktr_{unique}") }),
        ),
        F::PasswordChange => mutation(
            Aim::Nothing,
            json!({ "currentPassword": "wrong-password-1", "newPassword": "another-pass-2021" }),
        ),
        F::PasswordResetRequest => mutation(
            Aim::Nothing,
            json!({ "email": format!("nobody{unique}@example.jp") }),
        ),
        F::PasswordReset => mutation(
            Aim::Nothing,
            json!({ "proof": { "link": format!("made-up-{unique}") }, "newPassword": "another-pass-2021" }),
        ),
        F::AccountCodeIssue => mutation(
            Aim::Nothing,
            json!({ "email": format!("nobody{unique}@example.jp"), "identityCheck": "called back" }),
        ),
        F::MemberInvite => mutation(
            Aim::Organisation,
            json!({ "organisationId": target.organisation(kind), "email": "new@example.jp", "role": "VIEWER" }),
        ),
        F::MemberInvitationRevoke => {
            mutation(Aim::Organisation, json!({ "id": target.invitation(kind) }))
        }
        F::InvitationAccept => mutation(
            Aim::Nothing,
            json!({ "secret": format!("made-up-{unique}") }),
        ),
        F::MemberUpdate => mutation(
            Aim::Organisation,
            json!({ "organisationId": target.organisation(kind), "userId": target.user(kind), "role": "ADMIN" }),
        ),
        F::MemberRemove => mutation(
            Aim::Organisation,
            json!({ "organisationId": target.organisation(kind), "userId": target.user(kind) }),
        ),
        F::UserUpdate => mutation(Aim::Nothing, json!({ "name": "someone" })),
        F::OrganisationCreate => mutation(
            Aim::Nothing,
            json!({ "kind": "VENDOR", "name": "new vendor", "nameKana": "シンキ" }),
        ),
        F::FacilityClaimSecretsExport => {
            mutation(Aim::Facility, json!({ "facilityIds": [target.facility] }))
        }
        F::FacilityAccountClaim => mutation(
            Aim::Nothing,
            json!({ "code": target.code, "secret": format!("made-up-{unique}"), "email": "clinic@example.jp",
                "name": "clinic", "password": "another-pass-2021" }),
        ),
        F::ServiceTokenCreate => mutation(
            Aim::Organisation,
            json!({ "organisationId": target.organisation(kind), "name": "sheet", "role": "EDITOR",
                "permissions": ["FACILITY_READ"], "expiresAt": "2022-06-01T00:00:00Z" }),
        ),
        // The token is a vendor's: everybody else reaches for a stranger's.
        F::ServiceTokenRevoke => mutation(Aim::Organisation, json!({ "id": target.token })),
        F::FacilityRegister => mutation(
            Aim::Nothing,
            json!({ "code": "0140000001", "kind": "PHARMACY", "name": "new", "openedOn": "2021-12-01" }),
        ),
        F::FacilityUpdate => mutation(
            Aim::Facility,
            json!({ "facility": facility, "phone": "011-000-0000" }),
        ),
        F::FacilitySucceed => mutation(
            Aim::Facility,
            json!({ "facility": facility, "code": "0110112497", "on": "2021-12-19" }),
        ),
        F::FacilityClose => mutation(
            Aim::Facility,
            json!({ "facility": facility, "on": "2021-12-19" }),
        ),
        F::FacilityReclassify => mutation(
            Aim::Facility,
            json!({ "facility": facility, "publicInstitution": true, "on": "2021-12-19" }),
        ),
        F::FacilityLink => mutation(
            Aim::Facility,
            json!({ "facility": facility, "kind": "VENDOR", "on": "2021-12-19" }),
        ),
        F::FacilityCorrect => mutation(
            Aim::Facility,
            json!({ "facility": facility, "eventId": target.link }),
        ),
        F::FacilityReferenceSet => mutation(
            Aim::Facility,
            json!({ "facility": facility, "reference": format!("made-up-{unique}") }),
        ),
        F::FacilityBulkAmend => mutation(
            Aim::Facility,
            json!({ "rows": [{ "facility": facility, "action": "LINK", "on": "2021-12-19",
                "link": { "kind": "VENDOR" } }] }),
        ),
        F::FacilityBulkReferenceSet => mutation(
            Aim::Facility,
            json!({ "rows": [{ "facility": facility, "reference": format!("made-up-{unique}") }] }),
        ),
        // The directory is no secret: another's entry is seen and not kept.
        F::Vendors => query(Aim::Nothing, "(first: 10)".to_owned(), "{ nodes { id } }"),
        F::SupportContractors => query(Aim::Nothing, "(first: 10)".to_owned(), "{ nodes { id } }"),
        // Neither is the catalogue.
        F::HardwareModels => query(Aim::Nothing, "(first: 10)".to_owned(), "{ nodes { id } }"),
        F::HardwareModelSave => mutation(
            Aim::Organisation,
            json!({ "supplierId": target.organisation(Kind::Supplier), "class": "ROUTER", "name": "made up",
                "number": format!("made-up-{unique}"), "kinds": ["PHARMACY"], "lines": ["IP_VPN"] }),
        ),
        F::Applications => query(
            Aim::Facility,
            format!(
                "(first: 10, filter: {{ facility: {{ code: \"{}\" }} }})",
                target.code
            ),
            "{ nodes { id } }",
        ),
        // Every kind that may record anything may record that readers arrived.
        F::ApplicationRecord => mutation(
            Aim::Facility,
            json!({ "facility": facility, "kind": "READER", "step": "DELIVER", "on": "2021-12-01" }),
        ),
        F::ApplicationBulkRecord => mutation(
            Aim::Facility,
            json!({ "errorPolicy": "REJECT_ALL", "rows": [{ "facility": facility, "kind": "READER", "step": "DELIVER",
                "on": "2021-12-01" }] }),
        ),
        F::HardwareOrders => query(
            Aim::Facility,
            format!(
                "(first: 10, filter: {{ buyerId: \"{}\" }})",
                target.organisation(Kind::Vendor)
            ),
            "{ nodes { id } }",
        ),
        F::HardwareLots => query(
            Aim::Facility,
            format!(
                "(first: 10, filter: {{ orderId: \"{}\" }})",
                target.hardware.0
            ),
            "{ nodes { id } }",
        ),
        F::HardwareOrderPlace => {
            let buyer = match kind {
                Kind::SupportContractor | Kind::Chain | Kind::Corporation | Kind::Facility => kind,
                _ => Kind::Vendor,
            };
            mutation(
                Aim::Organisation,
                json!({ "buyerId": target.organisation(buyer), "modelId": target.hardware.1, "quantity": 1,
                    "orderedOn": "2021-12-01" }),
            )
        }
        F::HardwareOrderRecord => mutation(
            Aim::Facility,
            json!({ "rows": [{ "orderId": target.hardware.0, "action": "CANCEL", "quantity": 1, "on": "2021-12-02" }] }),
        ),
        F::HardwareAllocate => mutation(
            Aim::Facility,
            json!({ "rows": [{ "lotId": target.hardware.2[0], "facility": facility, "on": "2021-12-02" }] }),
        ),
        F::HardwareRelease => mutation(
            Aim::Facility,
            json!({ "rows": [{ "lotId": target.hardware.2[1], "facility": facility, "on": "2021-12-02" }] }),
        ),
        F::VendorUpdate => {
            let kept = match kind {
                Kind::SupportContractor => Kind::SupportContractor,
                _ => Kind::Vendor,
            };
            let vendor = target.vendor(kept);
            mutation(
                Aim::Organisation,
                json!({ "vendorId": vendor, "acceptsWork": unique.is_multiple_of(2) }),
            )
        }
        // Every kind that may record anything may record that it installed.
        F::MilestoneRecord => mutation(
            Aim::Facility,
            json!({ "facility": facility, "milestone": "INSTALLED", "on": "2021-12-01" }),
        ),
        F::MilestonePlan => mutation(
            Aim::Facility,
            json!({ "facility": facility, "milestone": "INSTALLED", "on": "2022-01-15" }),
        ),
        F::MilestoneWithdraw => mutation(
            Aim::Facility,
            json!({ "facility": facility, "milestone": "READER_APPLIED", "on": "2021-12-01" }),
        ),
        F::MilestoneCorrect => mutation(
            Aim::Facility,
            json!({ "facility": facility, "eventId": target.event }),
        ),
        F::Installations => query(
            Aim::Facility,
            format!(
                "(first: 10, filter: {{ facility: {{ code: \"{}\" }} }})",
                target.code
            ),
            "{ nodes { id } }",
        ),
        F::InstallationByReference => query(
            Aim::Facility,
            format!("(reference: \"{}\")", target.reference),
            "{ id }",
        ),
        F::InstallationChecklists => query(Aim::Nothing, String::new(), "{ kind version }"),
        // The order is open: whoever may open one or take back its end is told so.
        F::InstallationOpen => mutation(Aim::Facility, json!({ "facility": facility })),
        F::InstallationReopen => mutation(Aim::Facility, json!({ "facility": facility })),
        F::InstallationPlan => mutation(
            Aim::Facility,
            json!({ "facility": facility, "plannedOn": "2022-01-15" }),
        ),
        F::InstallationStart | F::InstallationCancel => mutation(
            Aim::Facility,
            json!({ "facility": facility, "on": "2021-12-01" }),
        ),
        F::InstallationCheck => mutation(
            Aim::Facility,
            json!({ "facility": facility, "items": [{ "item": "LINE_TESTED", "doneOn": "2021-12-01" }] }),
        ),
        F::InstallationFinish => mutation(
            Aim::Facility,
            json!({ "facility": facility, "on": "2021-12-01", "withChecks": true }),
        ),
        F::InstallationReferenceSet => mutation(
            Aim::Facility,
            json!({ "facility": facility, "reference": format!("made-up-{unique}") }),
        ),
        F::InstallationBulkRecord => mutation(
            Aim::Facility,
            json!({ "rows": [{ "facility": facility, "action": "PLAN", "on": "2022-01-15" }] }),
        ),
        F::InstallationChecklistPublish => mutation(
            Aim::Nothing,
            json!({ "kind": "PHARMACY", "items": [{ "code": "ALL", "labelJa": "全部", "labelEn": "All" }] }),
        ),
        F::Handovers => query(
            Aim::Nothing,
            "(first: 10)".to_owned(),
            "{ nodes { facilityName } }",
        ),
        // It is handed on to that contractor already: whoever may hand it on is told so.
        F::HandoverPropose => mutation(
            Aim::Facility,
            json!({ "facilities": [facility], "contractorId": target.organisation(Kind::SupportContractor) }),
        ),
        F::HandoverAnswer => mutation(
            Aim::Facility,
            json!({ "handoverIds": [target.handover], "answer": "DECLINE", "declineReason": "busy" }),
        ),
        F::HandoverWithdraw => mutation(Aim::Facility, json!({ "handoverIds": [target.handover] })),
        F::Sheets => query(Aim::Nothing, "(first: 10)".to_owned(), "{ nodes { name } }"),
        F::SheetRows => query(
            Aim::Facility,
            format!("(first: 10, sheetId: \"{}\")", target.sheet),
            "{ nodes { number } }",
        ),
        F::SheetMappings => query(Aim::Nothing, String::new(), "{ name }"),
        F::SheetProgress => Ask {
            aim: Aim::Nothing,
            document: format!(
                "subscription {{ sheetProgress(sheetId: \"{}\") {{ status }} }}",
                target.sheet
            ),
            variables: Value::Null,
        },
        F::SheetCheck | F::SheetApply | F::SheetCancel | F::SheetUndo => {
            mutation(Aim::Facility, json!({ "sheetId": target.sheet }))
        }
        F::SheetMappingDelete => mutation(Aim::Nothing, json!({ "name": "weekly" })),
        F::ReportingConfirmations => query(
            Aim::Nothing,
            "(first: 10)".to_owned(),
            "{ nodes { completeTo } }",
        ),
        F::ReportingConfirm | F::ReportingWithdraw => {
            let reporter = match kind {
                Kind::Chain => Kind::Chain,
                _ => Kind::Vendor,
            };
            let organisation = target.organisation(reporter);
            mutation(
                Aim::Organisation,
                json!({ "organisationId": organisation, "completeTo": "2021-12-01" }),
            )
        }
        F::WorkFigures => query(
            Aim::Facility,
            format!(
                "(filter: {{ vendorIds: [\"{}\"] }})",
                target.organisation(Kind::Vendor)
            ),
            "{ waitingCount }",
        ),
        F::CapacityPledges => query(
            Aim::Organisation,
            format!(
                "(organisationId: \"{}\", from: \"2021-12\", until: \"2022-12\")",
                target.organisation(Kind::Vendor)
            ),
            "{ installs }",
        ),
        F::FollowUps => query(
            Aim::Nothing,
            "(month: \"2021-11\", first: 10)".to_owned(),
            "{ nodes { facilityCount } }",
        ),
        F::CapacityPledge => mutation(
            Aim::Organisation,
            json!({ "organisationId": target.organisation(Kind::Vendor), "pledges": [
                { "month": "2022-01", "prefecture": "AOMORI", "installs": unique % 10_000 } ] }),
        ),
        F::FollowUpAnswer => mutation(
            Aim::Organisation,
            json!({ "organisationId": target.organisation(Kind::Vendor), "month": "2021-11" }),
        ),
        F::Scorecard => query(
            Aim::Organisation,
            format!(
                "(organisationId: \"{}\")",
                target.organisation(match kind {
                    Kind::Chain => Kind::Chain,
                    _ => Kind::Vendor,
                })
            ),
            "{ facilityCount }",
        ),
        F::Chains => query(
            Aim::Nothing,
            "(first: 10)".to_owned(),
            "{ nodes { storeCount } }",
        ),
        F::ChainParts => query(
            Aim::Organisation,
            format!(
                "(chainId: \"{}\", first: 10)",
                target.organisation(Kind::Chain)
            ),
            "{ nodes { organisation { id } } }",
        ),
        F::Waves => query(
            Aim::Organisation,
            format!(
                "(organisationId: \"{}\", first: 10)",
                target.organisation(Kind::Chain)
            ),
            "{ nodes { id } }",
        ),
        F::WaveDays => query(
            Aim::Facility,
            format!("(waveId: \"{}\")", target.wave),
            "{ plannedCount }",
        ),
        F::WaveStores => query(
            Aim::Facility,
            format!("(waveId: \"{}\", first: 10)", target.wave),
            "{ nodes { facility { id } } }",
        ),
        F::WaveSave => mutation(
            Aim::Organisation,
            json!({ "organisationId": target.organisation(Kind::Chain), "name": format!("wave {unique}") }),
        ),
        F::WaveDelete => mutation(
            Aim::Organisation,
            json!({ "id": NodeId::new(NodeKind::Wave, 404).encode().0 }),
        ),
        F::WaveBulkPlan => mutation(
            Aim::Facility,
            json!({ "waveId": target.wave, "rows": [{ "facility": facility, "on": "2022-03-02" }] }),
        ),
        F::NextSteps => query(
            Aim::Nothing,
            "(first: 10)".to_owned(),
            "{ nodes { facility { code } } }",
        ),
        F::SavedFilters => query(Aim::Nothing, String::new(), "{ name }"),
        F::Worklist => query(
            Aim::Organisation,
            format!(
                "(savedFilterId: \"{}\", first: 10)",
                NodeId::new(NodeKind::SavedFilter, 404).encode().0
            ),
            "{ nodes { id } }",
        ),
        F::SavedFilterSave => mutation(
            Aim::Organisation,
            json!({ "organisationId": target.organisation(kind), "name": format!("list {unique}"), "filter": {} }),
        ),
        F::SavedFilterDelete => mutation(
            Aim::Nothing,
            json!({ "id": NodeId::new(NodeKind::SavedFilter, 404).encode().0 }),
        ),
        F::OwnChanges => query(
            Aim::Nothing,
            "(first: 10)".to_owned(),
            "{ nodes { facilityCount } }",
        ),
        // The ministry's last change of the facility: to everybody else there is none.
        F::ChangeUndo => mutation(Aim::Facility, json!({ "changeId": target.change })),
        F::BlockerOpen => mutation(
            Aim::Facility,
            json!({ "facility": facility, "blocker": "BUDGET", "on": "2021-12-01" }),
        ),
        F::BlockerResolve => mutation(
            Aim::Facility,
            json!({ "facility": facility, "blocker": "NO_PC", "on": "2021-12-01" }),
        ),
        F::BlockerCorrect => mutation(
            Aim::Facility,
            json!({ "facility": facility, "eventId": target.blocker }),
        ),
        F::BlockerBulkRecord => mutation(
            Aim::Facility,
            json!({ "rows": [{ "facility": facility, "blocker": "BUDGET", "on": "2021-12-01" }] }),
        ),
        F::MilestoneBulkRecord => mutation(
            Aim::Facility,
            json!({ "rows": [{ "facility": facility, "milestone": "INSTALLED", "on": "2021-12-01" }] }),
        ),
    }
}
