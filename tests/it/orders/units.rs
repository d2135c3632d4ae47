//! Units in stock: what they reach where they are allocated, and what is withdrawn where they come back.

use kaitsu::{auth::OrganisationKind as Kind, db::Backend};
use rstest::rstest;
use serde_json::{Value, json};

use super::{MOVED, Scene, code};
use crate::support::api::{errors, global};

#[rstest]
#[tokio::test]
async fn what_is_allocated_is_procured_and_what_goes_back_is_withdrawn(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let order = scene.placed(10).await;
    let first = scene.arrived(&order, 3, "2021-11-10").await;
    let second = scene.arrived(&order, 2, "2021-11-20").await;
    let given = scene
        .moved("hardwareAllocate", &first, 0, 2, "2021-11-12")
        .await;
    assert_eq!(errors(&given), Vec::<String>::new());
    assert_eq!(
        given["rows"][0]["lot"],
        json!({ "stockQuantity": 1, "allocatedQuantity": 2 })
    );
    assert_eq!(scene.reached(0).await, "PC_PROCURED 2021-11-12");
    // A unit of another lot stands for it too.
    scene
        .moved("hardwareAllocate", &second, 0, 1, "2021-11-21")
        .await;
    scene
        .moved("hardwareRelease", &first, 0, 1, "2021-12-01")
        .await;
    assert_eq!(scene.reached(0).await, "PC_PROCURED 2021-11-12");
    scene
        .moved("hardwareRelease", &second, 0, 1, "2021-12-02")
        .await;
    assert_eq!(scene.reached(0).await, "");
    assert_eq!(scene.stock().await, [[2, 0, 2, 0], [3, 0, 3, 0]]);
    let again = scene
        .moved("hardwareAllocate", &first, 0, 3, "2021-12-03")
        .await;
    assert_eq!(errors(&again), Vec::<String>::new());
    assert_eq!(scene.reached(0).await, "PC_PROCURED 2021-12-03");
    // It is taken back as it was done, and not undone.
    let undo = json!({ "changeId": again["changeId"] });
    let selection = "userErrors { code path message } rows { userErrors { code path message } }";
    let undone = scene
        .api
        .mutate(&scene.buyer(), "changeUndo", undo, selection)
        .await;
    assert_eq!(errors(&undone), ["CAN_NOT_BE_UNDONE input.rows.0.changeId"]);
    scene.api.verify().await;
}

#[rstest]
#[tokio::test]
async fn a_release_takes_back_only_what_was_reached_by_the_units(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let told =
        json!({ "facility": { "code": code(0) }, "milestone": "PC_PROCURED", "on": "2021-06-01" });
    scene.api.done("milestoneRecord", told).await;
    let order = scene.placed(10).await;
    let lot = scene.arrived(&order, 5, "2021-11-10").await;
    let done = async |name: &str, place: u32, quantity: i64, on: &str| {
        let moved = scene.moved(name, &lot, place, quantity, on).await;
        assert_eq!(errors(&moved), Vec::<String>::new(), "{name} {place} {on}");
    };
    done("hardwareAllocate", 0, 1, "2021-12-01").await;
    done("hardwareRelease", 0, 0, "2021-12-02").await;
    assert_eq!(scene.reached(0).await, "PC_PROCURED 2021-06-01");
    // Units come to those that are there, and all of them go back.
    done("hardwareAllocate", 1, 1, "2021-12-03").await;
    done("hardwareAllocate", 1, 2, "2021-12-04").await;
    assert_eq!(scene.reached(1).await, "PC_PROCURED 2021-12-03");
    assert_eq!(scene.stock().await, [[5, 3, 2, 0]]);
    let document = "{ hardwareLots(first: 1) { nodes { allocations { quantity allocatedOn facility { code } } } } }";
    let data = scene.api.data(&scene.buyer(), document, json!({})).await;
    assert_eq!(
        data["hardwareLots"]["nodes"][0]["allocations"],
        json!([{ "quantity": 3, "allocatedOn": "2021-12-03", "facility": { "code": code(1) } }])
    );
    // No unit was in two places: what came back on a day was not in stock before.
    done("hardwareRelease", 1, 0, "2021-12-10").await;
    assert_eq!(scene.reached(1).await, "");
    let early = scene
        .moved("hardwareAllocate", &lot, 0, 1, "2021-12-09")
        .await;
    assert_eq!(errors(&early), ["DATE_OUT_OF_ORDER input.rows.0.on"]);
    let back = json!([{ "orderId": order, "action": "RETURN", "lotId": lot, "quantity": 1, "on": "2021-12-09" }]);
    let back = scene.record(&scene.buyer(), back).await;
    assert_eq!(errors(&back), ["DATE_OUT_OF_ORDER input.rows.0.on"]);
    scene.api.verify().await;
}

#[rstest]
#[tokio::test]
async fn units_come_back_from_a_facility_that_closed_or_went_to_another(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let order = scene.placed(10).await;
    let lot = scene.arrived(&order, 5, "2021-11-10").await;
    for place in [0, 1] {
        let given = scene
            .moved("hardwareAllocate", &lot, place, 1, "2021-11-12")
            .await;
        assert_eq!(errors(&given), Vec::<String>::new());
    }
    let closing = json!({ "facility": { "code": code(0) }, "on": "2021-12-01" });
    scene.api.done("facilityClose", closing).await;
    let late = scene
        .moved("hardwareAllocate", &lot, 0, 1, "2021-12-05")
        .await;
    assert_eq!(errors(&late), ["AFTER_CLOSING input.rows.0.on"]);
    let early = scene
        .moved("hardwareAllocate", &lot, 0, 1, "2020-03-31")
        .await;
    let told = errors(&early);
    assert!(
        told.contains(&"BEFORE_OPENING input.rows.0.on".to_owned()),
        "{told:?}"
    );
    let back = scene
        .moved("hardwareRelease", &lot, 0, 0, "2021-12-05")
        .await;
    assert_eq!(errors(&back), Vec::<String>::new());
    assert_eq!(scene.reached(0).await, "PC_PROCURED 2021-11-12");

    let rival = scene.api.organisation(Kind::Vendor, "ライバル").await;
    let link = json!({ "facility": { "code": code(1) }, "kind": "VENDOR", "organisationId": global(rival), "on": "2021-12-06" });
    scene.api.done("facilityLink", link).await;
    let document =
        "{ hardwareLots(first: 1) { nodes { allocations { facilityId facility { code } } } } }";
    let data = scene.api.data(&scene.buyer(), document, json!({})).await;
    let held = &data["hardwareLots"]["nodes"][0]["allocations"][0];
    assert_eq!(held["facility"], Value::Null);
    let rows =
        json!([{ "lotId": lot, "facility": { "id": held["facilityId"] }, "on": "2021-12-07" }]);
    let back = scene
        .api
        .mutate(
            &scene.buyer(),
            "hardwareRelease",
            json!({ "rows": rows }),
            MOVED,
        )
        .await;
    assert_eq!(errors(&back), Vec::<String>::new());
    assert_eq!(back["rows"][0]["facility"], Value::Null);
    // Its milestone is another's by now.
    assert_eq!(scene.reached(1).await, "PC_PROCURED 2021-11-12");
    assert_eq!(scene.stock().await, [[5, 0, 5, 0]]);
    let again = scene
        .api
        .mutate(
            &scene.buyer(),
            "hardwareRelease",
            json!({ "rows": rows }),
            MOVED,
        )
        .await;
    assert_eq!(errors(&again), ["NOT_FOUND input.rows.0.facility"]);
    scene.api.verify().await;
}
