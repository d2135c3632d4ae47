//! What is read of applications: where they stand, what comes next, certificates that expire, filters and pages.

use kaitsu::{
    auth::{Actor, Grant, Language, OrganisationKind as Kind, Role},
    db::{Backend, FacilityId, OrganisationId},
};
use rstest::rstest;
use serde_json::{Value, json};

use super::{Scene, code};
use crate::support::api::{errors, member, ministry};

#[rstest]
#[tokio::test]
async fn a_facility_looks_up_by_itself_what_it_would_call_to_ask(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let own = Actor {
        grants: vec![Grant {
            organisation: OrganisationId(77),
            kind: Kind::Facility,
            role: Role::Editor,
            bureau: None,
            facility: Some(FacilityId(1)),
        }],
        language: Language::Ja,
        ..member(Kind::Facility, OrganisationId(77), Role::Editor)
    };
    let file = |kind: &str| json!({ "facility": { "code": code(0) }, "kind": kind, "step": "RECEIVE", "on": "2021-10-01" });
    for kind in ["USE", "CERTIFICATE"] {
        assert_eq!(
            errors(&scene.record(&own, file(kind)).await),
            Vec::<String>::new()
        );
    }
    // What is decided on an application is not decided by who files it.
    let mut accepted = file("CERTIFICATE");
    accepted["step"] = json!("ACCEPT");
    let refused = scene.record(&own, accepted).await;
    assert_eq!(errors(&refused), ["FORBIDDEN input.facility"]);
    let issue = |step: &str, on: &str, until: &str| json!({ "facility": { "code": code(0) }, "kind": "CERTIFICATE", "step": step, "on": on, "expiresOn": until });
    let mut wrong = issue("ISSUE", "2021-10-11", "2021-10-11");
    assert_eq!(
        errors(&scene.record(&ministry(), wrong.clone()).await),
        ["DATE_OUT_OF_ORDER input.expiresOn"]
    );
    wrong["expiresOn"] = json!("2022-01-10");
    scene.taken(wrong).await;
    scene.step(0, "CERTIFICATE", "SEND", "2021-10-12").await;
    assert_eq!(
        scene.reached(0).await,
        "USE_APPLIED 2021-10-01, CERTIFICATE_ISSUED 2021-10-11"
    );
    let document = "query ($filter: ApplicationFilter) { applications(first: 10, filter: $filter) {
        nodes { kind status expiresOn expiring explanation organisation { name } } } }";
    let certificate =
        json!({ "filter": { "kinds": ["CERTIFICATE"], "expiresUntil": "2022-01-31" } });
    let data = scene.api.data(&own, document, certificate.clone()).await;
    let found = &data["applications"]["nodes"][0];
    assert_eq!(
        (&found["status"], &found["expiresOn"], &found["expiring"]),
        (&json!("SENT"), &json!("2022-01-10"), &json!(true))
    );
    assert_eq!(
        found["explanation"],
        "2021-10-12 電子証明書の取得に必要な通知を発送しました。届きましたら端末に証明書を設定してください。\
         証明書の有効期限は2022-01-10です。期限までに再発行を申請してください。"
    );
    // Issued anew, it is yet to be sent, and expires later.
    scene
        .taken(issue("REISSUE", "2021-12-10", "2024-12-10"))
        .await;
    let data = scene.api.data(&own, document, certificate).await;
    assert_eq!(data["applications"]["nodes"], json!([]));
    let data = scene.api.data(&own, document, json!({})).await;
    let told = data["applications"]["nodes"].as_array().unwrap().iter();
    let told: Vec<&str> = told
        .map(|one| one["explanation"].as_str().unwrap())
        .collect();
    assert_eq!(
        told,
        [
            "2021-12-10 電子証明書を発行しました。取得に必要な通知の発送をお待ちください。",
            "2021-10-01 利用申請を受け付けました。確認をお待ちください。"
        ]
    );
    // Nobody else's: the same facility is seen by its vendor, and by no rival.
    let rival = scene.api.organisation(Kind::Vendor, "ライバル").await;
    let rival = member(Kind::Vendor, rival, Role::Editor);
    assert_eq!(scene.list(&rival, json!({})).await, Vec::<String>::new());
    let unseen = json!({ "facility": { "code": code(0) } });
    assert_eq!(scene.list(&rival, unseen).await, Vec::<String>::new());
    scene.api.verify().await;
}

#[rstest]
#[tokio::test]
async fn an_application_that_was_a_mistake_does_not_hide_the_one_before_it(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let certificate = |step: &str, on: &str, until: Value| json!({ "facility": { "code": code(0) }, "kind": "CERTIFICATE", "step": step, "on": on, "expiresOn": until });
    scene
        .taken(certificate("RECEIVE", "2021-10-01", Value::Null))
        .await;
    // What is sent was issued, and has its last day.
    scene
        .taken(certificate("SEND", "2021-10-11", json!("2022-01-10")))
        .await;
    assert_eq!(scene.reached(0).await, "CERTIFICATE_ISSUED 2021-10-11");
    let early = certificate("RECEIVE", "2021-10-10", Value::Null);
    let early = scene.record(&ministry(), early).await;
    assert_eq!(errors(&early), ["DATE_OUT_OF_ORDER input.on"]);
    scene
        .taken(certificate("RECEIVE", "2021-11-01", Value::Null))
        .await;
    scene
        .taken(certificate("CANCEL", "2021-11-02", Value::Null))
        .await;
    let again = scene
        .taken(certificate("REISSUE", "2021-11-03", json!("2022-01-20")))
        .await;
    assert_eq!(again["application"]["status"], "ISSUED");
    // One that takes its place makes it expire unnoticed.
    let expiring = json!({ "expiresUntil": "2022-12-31" });
    assert_eq!(
        scene.list(&ministry(), expiring.clone()).await,
        ["CERTIFICATE ISSUED 2021-11-03"]
    );
    scene
        .taken(certificate("SEND", "2021-11-04", Value::Null))
        .await;
    scene
        .taken(certificate("RECEIVE", "2021-12-01", Value::Null))
        .await;
    scene
        .taken(certificate("ISSUE", "2021-12-10", json!("2024-12-10")))
        .await;
    assert_eq!(
        scene.list(&ministry(), expiring).await,
        Vec::<String>::new()
    );
    let document = "{ applications(first: 10) { nodes { expiring status } } }";
    let data = scene.api.data(&ministry(), document, json!({})).await;
    let nodes = data["applications"]["nodes"].as_array().unwrap();
    assert!(nodes.iter().all(|node| node["expiring"] == false), "{data}");
    scene.api.verify().await;
}

#[rstest]
#[tokio::test]
async fn applications_are_filtered_and_paged_the_last_first(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    scene.taken(scene.filed(0, "2021-10-01", 1, 0)).await;
    scene.taken(scene.filed(1, "2021-11-01", 1, 0)).await;
    let mut hospital = scene.filed(2, "2021-12-01", 1, 0);
    hospital["kind"] = json!("USE");
    hospital["lines"] = json!([]);
    scene.taken(hospital).await;
    scene.step(0, "READER", "ACCEPT", "2021-10-05").await;
    let (reader, none) = (&scene.models[0], &scene.models[1]);
    for (filter, expected) in [
        (
            json!({}),
            &[
                "USE RECEIVED 2021-12-01",
                "READER RECEIVED 2021-11-01",
                "READER ACCEPTED 2021-10-05",
            ][..],
        ),
        (json!({ "kinds": ["USE"] }), &["USE RECEIVED 2021-12-01"]),
        (
            json!({ "statuses": ["ACCEPTED"] }),
            &["READER ACCEPTED 2021-10-05"],
        ),
        (
            json!({ "sinceUntil": "2021-11-01" }),
            &["READER RECEIVED 2021-11-01", "READER ACCEPTED 2021-10-05"],
        ),
        (
            json!({ "modelId": reader, "statuses": ["RECEIVED"] }),
            &["READER RECEIVED 2021-11-01"],
        ),
        (json!({ "modelId": none }), &[]),
        (
            json!({ "facility": { "code": code(1) } }),
            &["READER RECEIVED 2021-11-01"],
        ),
        (json!({ "expiresUntil": "2030-01-01" }), &[]),
    ] {
        assert_eq!(
            scene.list(&ministry(), filter.clone()).await,
            *expected,
            "{filter}"
        );
    }
    let page = async |arguments: &str| {
        let document = format!(
            "{{ applications({arguments}) {{ nodes {{ kind since }} pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }} }} }}"
        );
        let data = scene.api.data(&ministry(), &document, json!({})).await;
        data["applications"].clone()
    };
    let first = page("first: 2").await;
    assert_eq!(first["pageInfo"]["hasNextPage"], true);
    let cursor = first["pageInfo"]["endCursor"].as_str().unwrap();
    let rest = page(&format!("first: 2, after: \"{cursor}\"")).await;
    assert_eq!(
        rest["nodes"],
        json!([{ "kind": "READER", "since": "2021-10-05" }])
    );
    let cursor = rest["pageInfo"]["startCursor"].as_str().unwrap();
    let back = page(&format!("last: 1, before: \"{cursor}\"")).await;
    assert_eq!(
        back["nodes"],
        json!([{ "kind": "READER", "since": "2021-11-01" }])
    );
    assert_eq!(back["pageInfo"]["hasPreviousPage"], true);
}
