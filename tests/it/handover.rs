//! Handing on through the API: what a vendor proposes, and what a support contractor answers.

use chrono::TimeDelta;
use kaitsu::{
    auth::{Actor, OrganisationKind as Kind, Role},
    db::{Backend, OrganisationId},
};
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::api::{Api, errors, global, member, ministry};

const CLINIC: &str = "0110112489";
const SAITAMA: &str = "1110301762";
const PHARMACY: &str = "0140000001";

struct Scene {
    api: Api,
    vendor: OrganisationId,
    rival: OrganisationId,
    helper: OrganisationId,
    other: OrganisationId,
}

impl Scene {
    /// A clinic and a pharmacy that engage a vendor, and a clinic that engages nobody.
    async fn new(backend: Backend) -> Self {
        let api = Api::new(backend).await;
        let contractor = Kind::SupportContractor;
        let scene = Self {
            vendor: api.organisation(Kind::Vendor, "あおばシステム").await,
            rival: api.organisation(Kind::Vendor, "ライバル").await,
            helper: api.organisation(contractor, "設置サポート").await,
            other: api.organisation(contractor, "ほかの業者").await,
            api,
        };
        for (code, kind, name) in [
            (CLINIC, "MEDICAL_CLINIC", "みなと内科"),
            (SAITAMA, "MEDICAL_CLINIC", "そとの医院"),
            (PHARMACY, "PHARMACY", "みなと薬局"),
        ] {
            scene.api.register(code, kind, name).await;
        }
        for code in [CLINIC, PHARMACY] {
            scene.link(code, scene.vendor, "2020-04-01").await;
        }
        scene
    }

    async fn link(&self, code: &str, vendor: OrganisationId, on: &str) {
        let link = json!({ "facility": { "code": code }, "kind": "VENDOR", "organisationId": global(vendor), "on": on });
        let document = "mutation ($input: FacilityLinkInput!) { facilityLink(input: $input) { userErrors { code } } }";
        let link = json!({ "input": link });
        let data = self.api.data(&ministry(), document, link).await;
        assert_eq!(data["facilityLink"]["userErrors"], json!([]));
    }

    fn vendor(&self) -> Actor {
        member(Kind::Vendor, self.vendor, Role::Editor)
    }

    fn helper(&self) -> Actor {
        member(Kind::SupportContractor, self.helper, Role::Editor)
    }

    async fn write(&self, actor: &Actor, name: &str, input: Value) -> Value {
        let document = format!(
            "mutation ($input: {}{}Input!) {{ {name}(input: $input) {{ writtenCount refusedCount changeId userErrors {{ code path message }}
             rows {{ handover {{ id status declineReason }} userErrors {{ code path message }} }} }} }}",
            name[..1].to_uppercase(),
            &name[1..]
        );
        let variables = json!({ "input": input });
        let data = self.api.data(actor, &document, variables).await;
        data[name].clone()
    }

    async fn propose(&self, actor: &Actor, codes: &[&str], more: Value) -> Value {
        let facilities: Vec<Value> = codes.iter().map(|code| json!({ "code": code })).collect();
        let mut input = json!({ "facilities": facilities, "contractorId": global(self.helper) });
        for (field, value) in more.as_object().unwrap() {
            input[field] = value.clone();
        }
        self.write(actor, "handoverPropose", input).await
    }

    /// Proposes the clinic; answers the proposal's id.
    async fn proposed(&self) -> Value {
        let payload = self.propose(&self.vendor(), &[CLINIC], json!({})).await;
        assert_eq!(errors(&payload), Vec::<String>::new());
        payload["rows"][0]["handover"]["id"].clone()
    }

    async fn answer(&self, actor: &Actor, id: &Value, answer: &str, reason: &str) -> Value {
        let input = json!({ "handoverIds": [id], "answer": answer, "declineReason": reason });
        self.write(actor, "handoverAnswer", input).await
    }

    /// Status, name and whether the facility itself is seen, of all that an actor sees.
    async fn seen(&self, actor: &Actor) -> Vec<String> {
        let list = "{ handovers(first: 100) { nodes { status facilityName facility { code } } } }";
        let data = self.api.data(actor, list, json!({})).await;
        let nodes = data["handovers"]["nodes"].as_array().unwrap().iter();
        nodes
            .map(|node| {
                let code = node["facility"]["code"].as_str().unwrap_or("-");
                let word = |field: &str| node[field].as_str().unwrap().to_owned();
                format!("{} {} {code}", word("status"), word("facilityName"))
            })
            .collect()
    }

    /// Whether an actor sees the clinic, and to whom it is handed on.
    async fn clinic(&self, actor: &Actor) -> Value {
        let document =
            "query ($code: String!) { facilityByCode(code: $code) { supportContractor { name } } }";
        let code = json!({ "code": CLINIC });
        self.api.data(actor, document, code).await["facilityByCode"].clone()
    }
}

#[rstest]
#[tokio::test]
async fn a_contractor_sees_what_is_proposed_to_it_and_the_facility_when_it_accepts(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let (vendor, helper) = (scene.vendor(), scene.helper());
    let other = member(Kind::SupportContractor, scene.other, Role::Admin);
    let id = scene.proposed().await;
    assert_eq!(scene.seen(&helper).await, ["PROPOSED みなと内科 -"]);
    assert_eq!(
        scene.seen(&vendor).await,
        [format!("PROPOSED みなと内科 {CLINIC}")]
    );
    assert_eq!(scene.seen(&other).await, Vec::<String>::new());
    assert_eq!(scene.clinic(&helper).await, Value::Null);
    let details = "query ($id: ID!) { node(id: $id) { ... on Handover { facilityName facilityKind prefecture message answerBy
        proposedOn vendor { name } supportContractor { name } facility { code } } } }";
    let told = scene.api.data(&helper, details, json!({ "id": id })).await;
    assert_eq!(
        told["node"],
        json!({ "facilityName": "みなと内科", "facilityKind": "MEDICAL_CLINIC", "prefecture": "HOKKAIDO", "message": "",
            "answerBy": "2022-01-02", "proposedOn": "2021-12-19", "vendor": { "name": "あおばシステム" },
            "supportContractor": { "name": "設置サポート" }, "facility": null })
    );
    let stranger = scene.api.data(&other, details, json!({ "id": id })).await;
    assert_eq!(stranger["node"], Value::Null);

    for (actor, expected) in [
        (&other, "NOT_FOUND input.handoverIds.0"),
        (&vendor, "FORBIDDEN input.handoverIds.0"),
        (&ministry(), "FORBIDDEN input.handoverIds.0"),
    ] {
        let refused = scene.answer(actor, &id, "ACCEPT", "").await;
        assert_eq!(errors(&refused), [expected]);
    }
    let accepted = scene.answer(&helper, &id, "ACCEPT", "").await;
    assert_eq!(errors(&accepted), Vec::<String>::new());
    assert_eq!(accepted["rows"][0]["handover"]["status"], "ACCEPTED");
    assert_eq!(
        scene.clinic(&helper).await,
        json!({ "supportContractor": { "name": "設置サポート" } })
    );
    assert_eq!(
        scene.seen(&helper).await,
        [format!("ACCEPTED みなと内科 {CLINIC}")]
    );
    let again = scene.answer(&helper, &id, "DECLINE", "やはり無理").await;
    assert_eq!(errors(&again), ["NOT_OPEN input.handoverIds.0"]);
    let back = json!({ "handoverIds": [id] });
    let back = scene.write(&vendor, "handoverWithdraw", back).await;
    assert_eq!(errors(&back), ["NOT_OPEN input.handoverIds.0"]);
    let twice = json!({ "contractorId": global(scene.other) });
    let twice = scene.propose(&vendor, &[CLINIC], twice).await;
    assert_eq!(errors(&twice), ["ALREADY_OPEN input.facilities.0"]);
    scene.api.verify().await;
}

#[rstest]
#[tokio::test]
async fn nobody_accepts_what_is_done_or_has_gone_to_another_meanwhile(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let (vendor, helper) = (scene.vendor(), scene.helper());
    let id = scene.proposed().await;
    let contractor = json!({ "facility": { "code": CLINIC }, "kind": "SUPPORT_CONTRACTOR", "organisationId": global(scene.other), "on": "2021-12-18" });
    let document = "mutation ($input: FacilityLinkInput!) { facilityLink(input: $input) { userErrors { code } } }";
    scene
        .api
        .data(&vendor, document, json!({ "input": contractor }))
        .await;
    let late = scene.answer(&helper, &id, "ACCEPT", "").await;
    assert_eq!(errors(&late), ["ALREADY_OPEN input.handoverIds.0"]);
    // Who has it learns nothing of what is proposed to another.
    let other = member(Kind::SupportContractor, scene.other, Role::Admin);
    let probed = scene.answer(&other, &id, "ACCEPT", "").await;
    assert_eq!(errors(&probed), ["NOT_FOUND input.handoverIds.0"]);

    let id =
        scene.propose(&vendor, &[PHARMACY], json!({})).await["rows"][0]["handover"]["id"].clone();
    let installed = json!({ "input": { "facility": { "code": PHARMACY }, "milestone": "INSTALLED", "on": "2021-12-01" } });
    let document =
        "mutation ($input: MilestoneRecordInput!) { milestoneRecord(input: $input) { version } }";
    scene.api.data(&vendor, document, installed).await;
    let late = scene.answer(&helper, &id, "ACCEPT", "").await;
    assert_eq!(errors(&late), ["ALREADY_REACHED input.handoverIds.0"]);
    scene.api.verify().await;
}

#[rstest]
#[tokio::test]
async fn whoever_declines_says_why_and_sees_it_no_more(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let (vendor, helper) = (scene.vendor(), scene.helper());
    let id = scene.proposed().await;
    let silent = scene.answer(&helper, &id, "DECLINE", " ").await;
    assert_eq!(errors(&silent), ["MISSING input.declineReason"]);
    let declined = scene
        .answer(&helper, &id, "DECLINE", "年内は満員です")
        .await;
    assert_eq!(errors(&declined), Vec::<String>::new());
    assert_eq!(
        declined["rows"][0]["handover"],
        Value::Null,
        "it is no longer theirs"
    );
    assert_eq!(scene.seen(&helper).await, Vec::<String>::new());
    let list = "{ handovers(first: 1, statuses: [DECLINED]) { nodes { status declineReason answeredOn } } }";
    let told = scene.api.data(&vendor, list, json!({})).await;
    assert_eq!(
        told["handovers"]["nodes"],
        json!([{ "status": "DECLINED", "declineReason": "年内は満員です", "answeredOn": "2021-12-19" }])
    );
    assert_eq!(
        scene.clinic(&vendor).await,
        json!({ "supportContractor": null })
    );
    let next = scene.proposed().await;
    assert_ne!(next, id);
    let back = json!({ "handoverIds": [next] });
    let back = scene.write(&vendor, "handoverWithdraw", back).await;
    assert_eq!(back["rows"][0]["handover"]["status"], "WITHDRAWN");
    let late = scene.answer(&helper, &next, "ACCEPT", "").await;
    assert_eq!(errors(&late), ["NOT_FOUND input.handoverIds.0"]);
    scene.api.verify().await;
}

#[rstest]
#[tokio::test]
async fn one_that_nobody_answers_lapses_and_makes_room_for_the_next(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let (vendor, helper) = (scene.vendor(), scene.helper());
    let id = scene.proposed().await;
    let twice = scene.propose(&vendor, &[CLINIC], json!({})).await;
    assert_eq!(errors(&twice), ["ALREADY_OPEN input.facilities.0"]);
    let clock = &scene.api.services.clock;
    clock.advance(TimeDelta::days(14));
    assert_eq!(scene.seen(&helper).await.len(), 1, "the last day");
    clock.advance(TimeDelta::days(1));
    assert_eq!(scene.seen(&helper).await, Vec::<String>::new());
    assert_eq!(
        scene.seen(&vendor).await,
        [format!("LAPSED みなと内科 {CLINIC}")]
    );
    let late = scene.answer(&helper, &id, "ACCEPT", "").await;
    assert_eq!(errors(&late), ["NOT_FOUND input.handoverIds.0"]);
    let back = json!({ "handoverIds": [id] });
    let back = scene.write(&vendor, "handoverWithdraw", back).await;
    assert_eq!(errors(&back), ["NOT_OPEN input.handoverIds.0"]);
    scene.proposed().await;
    let both = [
        format!("PROPOSED みなと内科 {CLINIC}"),
        format!("LAPSED みなと内科 {CLINIC}"),
    ];
    assert_eq!(scene.seen(&vendor).await, both);
    scene.api.verify().await;
}

#[rstest]
#[tokio::test]
async fn what_a_former_vendor_proposed_is_no_longer_offered(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let id = scene.proposed().await;
    scene.link(CLINIC, scene.rival, "2021-12-10").await;
    let rival = member(Kind::Vendor, scene.rival, Role::Editor);
    for actor in [&scene.helper(), &scene.vendor(), &rival] {
        assert_eq!(scene.seen(actor).await, Vec::<String>::new());
    }
    assert_eq!(
        scene.seen(&ministry()).await,
        [format!("LAPSED みなと内科 {CLINIC}")]
    );
    let late = scene.answer(&scene.helper(), &id, "ACCEPT", "").await;
    assert_eq!(errors(&late), ["NOT_FOUND input.handoverIds.0"]);
    let own = scene.propose(&rival, &[CLINIC], json!({})).await;
    assert_eq!(errors(&own), Vec::<String>::new());
    assert_eq!(scene.seen(&scene.helper()).await, ["PROPOSED みなと内科 -"]);
    scene.api.verify().await;
}

#[rstest]
#[tokio::test]
async fn every_row_of_a_bad_proposal_is_told_and_nothing_is_written(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let vendor = scene.vendor();
    let count = async || {
        let rows = "SELECT count(*) FROM handover";
        scene.api.database.number(rows).await
    };
    let rows = [CLINIC, CLINIC, SAITAMA, "0110112480"];
    let refused = scene.propose(&vendor, &rows, json!({})).await;
    assert_eq!(
        errors(&refused),
        [
            "DUPLICATE_ROW input.facilities.1",
            "NOT_FOUND input.facilities.2",
            "INVALID_INSTITUTION_CODE input.facilities.3",
        ]
    );
    assert_eq!(
        (&refused["writtenCount"], &refused["changeId"]),
        (&json!(0), &Value::Null)
    );
    for (more, expected) in [
        (
            json!({ "answerBy": "2021-12-18" }),
            "OUT_OF_RANGE input.answerBy",
        ),
        (
            json!({ "answerBy": "2022-03-20" }),
            "OUT_OF_RANGE input.answerBy",
        ),
        (
            json!({ "contractorId": global(scene.rival) }),
            "UNKNOWN_ORGANISATION input.contractorId",
        ),
        (
            json!({ "contractorId": "nobody" }),
            "UNKNOWN_ORGANISATION input.contractorId",
        ),
        (
            json!({ "message": "x".repeat(1_001) }),
            "INVALID_TEXT input.message",
        ),
        (
            json!({ "idempotencyKey": "" }),
            "INVALID_TEXT input.idempotencyKey",
        ),
    ] {
        let refused = scene.propose(&vendor, &[CLINIC], more.clone()).await;
        assert_eq!(errors(&refused), [expected], "{more}");
    }
    let nobodys = scene.propose(&ministry(), &[SAITAMA], json!({})).await;
    assert_eq!(errors(&nobodys), ["MISSING input.facilities.0"]);
    let installed = json!({ "input": { "facility": { "code": PHARMACY }, "milestone": "INSTALLED", "on": "2021-12-01" } });
    let document =
        "mutation ($input: MilestoneRecordInput!) { milestoneRecord(input: $input) { version } }";
    scene.api.data(&vendor, document, installed).await;
    let done = scene.propose(&vendor, &[PHARMACY], json!({})).await;
    assert_eq!(errors(&done), ["ALREADY_REACHED input.facilities.0"]);
    let dry = scene
        .propose(&vendor, &[CLINIC], json!({ "dryRun": true }))
        .await;
    assert_eq!(dry["writtenCount"], 1);
    assert_eq!(count().await, 0);

    let some = json!({ "errorPolicy": "REJECT_FAILED_ROWS", "idempotencyKey": "some" });
    let first = scene.propose(&vendor, &rows, some.clone()).await;
    assert_eq!(first["writtenCount"], 1);
    assert_eq!(scene.propose(&vendor, &rows, some).await, first);
    assert_eq!(count().await, 1);
    let rows = json!({ "handoverIds": [first["rows"][0]["handover"]["id"], first["rows"][0]["handover"]["id"], "nothing"],
        "answer": "ACCEPT", "errorPolicy": "REJECT_FAILED_ROWS" });
    let answered = scene.write(&scene.helper(), "handoverAnswer", rows).await;
    assert_eq!(
        errors(&answered),
        [
            "DUPLICATE_ROW input.handoverIds.1",
            "NOT_FOUND input.handoverIds.2"
        ]
    );
    assert_eq!(answered["writtenCount"], 1);
    let again = scene.propose(&vendor, &[CLINIC], json!({})).await;
    assert_eq!(errors(&again), ["NOTHING_TO_DO input.facilities.0"]);
    scene.api.verify().await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_those_who_answer_and_take_back_at_once_one_is_first(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let (vendor, helper) = (scene.vendor(), scene.helper());
    let id = scene.proposed().await;
    let back = json!({ "handoverIds": [id] });
    let (accepted, declined, withdrawn) = tokio::join!(
        scene.answer(&helper, &id, "ACCEPT", ""),
        scene.answer(&helper, &id, "DECLINE", "満員"),
        scene.write(&vendor, "handoverWithdraw", back)
    );
    let written = [&accepted, &declined, &withdrawn]
        .iter()
        .filter(|answer| answer["writtenCount"] == 1)
        .count();
    assert_eq!(written, 1, "{accepted} {declined} {withdrawn}");
    let handed_on = scene.clinic(&vendor).await["supportContractor"] != Value::Null;
    assert_eq!(handed_on, accepted["writtenCount"] == 1);
    scene.api.verify().await;
}
