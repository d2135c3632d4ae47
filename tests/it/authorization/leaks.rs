//! Nobody sees, counts, sorts by, filters by, reaches through an id or an edge, or is told of a row out of scope.

use kaitsu::{
    api::node_id::NodeKind,
    auth::{Actor, OrganisationKind as Kind, Role},
    db::Backend,
};
use rstest::rstest;
use serde_json::{Value, json};

use super::scene::{Scene, Target, id};

/// Those who see one facility of the two.
const NARROW: [Kind; 7] = [
    Kind::Vendor,
    Kind::SupportContractor,
    Kind::RegionalBureau,
    Kind::Chain,
    Kind::Corporation,
    Kind::Area,
    Kind::Facility,
];

#[rstest]
#[tokio::test]
async fn places_that_can_not_be_hold_nothing_and_not_everything(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let actor = scene.someone(Some(Kind::Ministry), Role::Viewer, "inside");
    let filter = "filter: { prefectures: [SAITAMA], bureaus: [HOKKAIDO] }";
    let days = "from: \"2021-12-01\", until: \"2021-12-01\", every: DAY";
    let query = format!(
        "{{ facilities(first: 10, {filter}) {{ totalCount nodes {{ code }} }}
            rolloutFigures({filter}) {{ total {{ all facilities(level: ALL, first: 10) {{ nodes {{ code }} }} }} }}
            rolloutSeries({days}, {filter}) {{ all }} }}"
    );
    let nothing = json!({
        "facilities": { "totalCount": 0, "nodes": [] },
        "rolloutFigures": { "total": { "all": 0, "facilities": { "nodes": [] } } },
        "rolloutSeries": [{ "all": 0 }],
    });
    assert_eq!(data(&scene, &actor, &query).await, nothing);
}

async fn data(scene: &Scene, actor: &Actor, query: &str) -> Value {
    let response = scene.execute(actor, query, Value::Null).await;
    assert!(response.get("errors").is_none(), "{query}: {response:#}");
    response["data"].clone()
}

/// Whatever would betray the other side in an answer.
fn traces(target: &Target) -> Vec<String> {
    let mut traces = vec![
        target.code.to_owned(),
        target.name.to_owned(),
        target.facility.clone(),
        target.event.clone(),
        target.link.clone(),
        target.token.clone(),
        target.wave.clone(),
        target.application.clone(),
        target.hardware.0.clone(),
        target.hardware.2[0].clone(),
        "outside".to_owned(),
    ];
    for kind in Kind::ALL {
        traces.extend([
            target.organisation(kind),
            target.user(kind),
            target.invitation(kind),
        ]);
    }
    traces
}

#[track_caller]
fn assert_no_trace(scene: &Scene, who: Kind, query: &str, answer: &Value) {
    let text = answer.to_string();
    for trace in traces(&scene.outside) {
        assert!(
            !text.contains(&trace),
            "{who:?} finds {trace} by {query}: {answer:#}"
        );
    }
}

#[rstest]
#[tokio::test]
async fn a_list_holds_counts_and_sorts_only_what_is_in_scope(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let fields = [
        "CODE",
        "NAME_KANA",
        "OPENED_ON",
        "STAGE",
        "LAST_MILESTONE_ON",
    ];
    for who in NARROW {
        let actor = scene.someone(Some(who), Role::Admin, "inside");
        for (field, page) in fields
            .iter()
            .flat_map(|field| [(field, "first: 100"), (field, "last: 100")])
        {
            for descending in [true, false] {
                let query = format!(
                    "{{ facilities({page}, orderBy: {{ field: {field}, descending: {descending} }}) {{ totalCount
                        edges {{ cursor node {{ id code name vendor {{ id name }} chain {{ id name }} timeline {{ id organisation {{ id }} }} }} }}
                        pageInfo {{ hasNextPage hasPreviousPage }} }} }}"
                );
                let answer = data(&scene, &actor, &query).await;
                let list = &answer["facilities"];
                assert_eq!(list["totalCount"], 1, "{who:?} {query}");
                assert_eq!(list["edges"].as_array().unwrap().len(), 1);
                assert_eq!(list["edges"][0]["node"]["code"], scene.inside.code);
                assert_eq!(
                    list["pageInfo"],
                    json!({ "hasNextPage": false, "hasPreviousPage": false })
                );
            }
        }
    }
}

#[rstest]
#[tokio::test]
async fn a_filter_by_what_is_out_of_scope_finds_nothing(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let filters = [
        format!("vendorId: \"{}\"", scene.outside.organisation(Kind::Vendor)),
        format!("chainId: \"{}\"", scene.outside.organisation(Kind::Chain)),
        format!(
            "corporationId: \"{}\"",
            scene.outside.organisation(Kind::Corporation)
        ),
        format!("areaId: \"{}\"", scene.outside.organisation(Kind::Area)),
        format!("search: \"{}\"", scene.outside.name),
        "prefectures: [SAITAMA]".to_owned(),
        "bureaus: [KANTO_SHINETSU]".to_owned(),
    ];
    for who in NARROW {
        let actor = scene.someone(Some(who), Role::Admin, "inside");
        for filter in &filters {
            let query = format!(
                "{{ facilities(first: 100, filter: {{ {filter} }}) {{ totalCount nodes {{ id code name }} }} }}"
            );
            let answer = data(&scene, &actor, &query).await;
            assert_eq!(
                answer["facilities"],
                json!({ "totalCount": 0, "nodes": [] }),
                "{who:?} {filter}"
            );
        }
    }
}

#[rstest]
#[tokio::test]
async fn figures_count_and_open_only_what_is_in_scope(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    for who in NARROW {
        let actor = scene.someone(Some(who), Role::Admin, "inside");
        for dimension in ["", "KIND", "PREFECTURE", "BUREAU", "VENDOR", "CHAIN"] {
            let query = format!(
                "{{ rolloutFigures(groupBy: [{dimension}], compareWith: {{ asOf: \"2021-05-01\" }}) {{
                    total {{ all applied facilities(level: ALL, first: 10) {{ totalCount nodes {{ code }} }} difference(level: APPLIED) {{ total reached }} }}
                    cells {{ all prefecture vendor {{ id name }} chain {{ id name }} }} }} }}"
            );
            let answer = data(&scene, &actor, &query).await;
            let figures = &answer["rolloutFigures"];
            assert_eq!(figures["total"]["all"], 1, "{who:?} {query}: {answer:#}");
            assert_eq!(
                figures["total"]["facilities"],
                json!({ "totalCount": 1, "nodes": [{ "code": scene.inside.code }] })
            );
            assert_eq!(
                figures["total"]["difference"],
                json!({ "total": 1, "reached": 1 })
            );
            assert_eq!(
                figures["cells"].as_array().unwrap().len(),
                1,
                "{who:?} {query}: {answer:#}"
            );
            assert_no_trace(&scene, who, &query, &answer);
        }
        for filter in [
            format!(
                "vendorIds: [\"{}\"]",
                scene.outside.organisation(Kind::Vendor)
            ),
            format!(
                "chainIds: [\"{}\"]",
                scene.outside.organisation(Kind::Chain)
            ),
            "prefectures: [SAITAMA]".to_owned(),
        ] {
            let query = format!(
                "{{ rolloutFigures(filter: {{ {filter} }}) {{ total {{ all facilities(level: ALL, first: 10) {{ totalCount nodes {{ code }} }} }} }} }}"
            );
            let answer = data(&scene, &actor, &query).await;
            let nothing = json!({ "all": 0, "facilities": { "totalCount": 0, "nodes": [] } });
            assert_eq!(
                answer["rolloutFigures"]["total"], nothing,
                "{who:?} {filter}"
            );
        }
    }
}

#[rstest]
#[tokio::test]
async fn an_id_of_what_is_out_of_scope_is_as_good_as_one_made_up(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let outside = &scene.outside;
    let ids = [
        outside.facility.clone(),
        outside.event.clone(),
        outside.order.clone(),
        outside.change.clone(),
        outside.handover.clone(),
        outside.sheet.clone(),
        outside.token.clone(),
        outside.application.clone(),
        outside.hardware.0.clone(),
        outside.hardware.2[0].clone(),
        outside.invitation(Kind::Vendor),
        outside.organisation(Kind::Vendor),
        outside.organisation(Kind::Facility),
        outside.user(Kind::Vendor),
        outside.user(Kind::Ministry),
        id(NodeKind::Facility, 999_999),
    ];
    for who in NARROW {
        let actor = scene.someone(Some(who), Role::Admin, "inside");
        let list = serde_json::to_string(&ids).unwrap();
        let answer = data(
            &scene,
            &actor,
            &format!("{{ nodes(ids: {list}) {{ id }} }}"),
        )
        .await;
        assert_eq!(
            answer["nodes"],
            json!(vec![Value::Null; ids.len()]),
            "{who:?}"
        );
        for row in &ids {
            let answer = data(
                &scene,
                &actor,
                &format!("{{ node(id: \"{row}\") {{ id }} }}"),
            )
            .await;
            assert_eq!(answer["node"], Value::Null, "{who:?} {row}");
        }
        let feed = "{ changes(first: 100) { nodes { facilityId facility { code name } events { id } organisation { id name } } } }";
        let answer = data(&scene, &actor, feed).await;
        let changes = answer["changes"]["nodes"].as_array().unwrap();
        assert!(!changes.is_empty());
        assert!(
            changes
                .iter()
                .all(|change| change["facilityId"] == json!(scene.inside.facility)),
            "{who:?} {answer:#}"
        );
    }
}

/// A code that is nobody's, with its check digit.
const NOBODYS: &str = "1140000009";

#[rstest]
#[tokio::test]
async fn a_write_to_what_is_out_of_scope_answers_like_one_to_nothing(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let writes = [
        (
            "milestoneRecord",
            "facility { id } eventIds",
            json!({ "milestone": "INSTALLED", "on": "2021-12-01" }),
        ),
        (
            "milestonePlan",
            "facility { id } eventIds",
            json!({ "milestone": "INSTALLED", "on": "2022-01-01" }),
        ),
        (
            "milestoneWithdraw",
            "facility { id } eventIds",
            json!({ "milestone": "READER_APPLIED", "on": "2021-12-01", "expectedVersion": 1 }),
        ),
        (
            "milestoneCorrect",
            "facility { id } eventIds",
            json!({ "eventId": scene.outside.event }),
        ),
        (
            "applicationRecord",
            "application { id } version",
            json!({ "kind": "READER", "step": "DELIVER", "on": "2021-12-01", "expectedVersion": 1 }),
        ),
        (
            "facilityUpdate",
            "facility { id } eventIds",
            json!({ "phone": "1", "expectedVersion": 1 }),
        ),
        (
            "facilityLink",
            "facility { id } eventIds",
            json!({ "kind": "VENDOR", "on": "2021-12-01" }),
        ),
    ];
    for who in NARROW {
        let actor = scene.someone(Some(who), Role::Admin, "inside");
        for (name, fields, input) in &writes {
            let answer = async |reference: Value| {
                let mut input = input.clone();
                input["facility"] = reference;
                let kind = format!("{}{}Input", name[..1].to_uppercase(), &name[1..]);
                let document = format!(
                    "mutation ($input: {kind}!) {{ {name}(input: $input) {{ {fields} userErrors {{ code path message }} }} }}"
                );
                scene
                    .execute(&actor, &document, json!({ "input": input }))
                    .await
            };
            let unknown = answer(json!({ "code": NOBODYS })).await;
            for reference in [
                json!({ "code": scene.outside.code }),
                json!({ "id": scene.outside.facility }),
                json!({ "reference": scene.outside.reference }),
            ] {
                assert_eq!(
                    answer(reference.clone()).await,
                    unknown,
                    "{who:?} {name} {reference}"
                );
            }
        }
    }
}
