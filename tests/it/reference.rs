//! An organisation's own references: set, found by, seen by nobody else.

use kaitsu::{
    auth::{Actor, OrganisationKind as Kind, Role},
    db::Backend,
};
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::api::{Api, member, ministry};

const CLINIC: &str = "0110112489";
const PHARMACY: &str = "0140000001";

const SET: &str = "mutation ($input: FacilityReferenceSetInput!) { facilityReferenceSet(input: $input) { \
                   facility { code reference version } userErrors { code path } } }";

struct Scene {
    api: Api,
    vendor: Actor,
    rival: Actor,
}

/// A clinic and a pharmacy, and two vendors of which the first is engaged by both.
async fn scene(backend: Backend) -> Scene {
    let api = Api::new(backend).await;
    let vendor = api.organisation(Kind::Vendor, "あおばシステム").await;
    let rival = api.organisation(Kind::Vendor, "ライバル").await;
    api.register(CLINIC, "MEDICAL_CLINIC", "みなと内科").await;
    api.register(PHARMACY, "PHARMACY", "みなと薬局").await;
    let link = format!("UPDATE facility_state SET vendor_id = {vendor}");
    api.database.run(&link).await;
    Scene {
        vendor: member(Kind::Vendor, vendor, Role::Editor),
        rival: member(Kind::Vendor, rival, Role::Editor),
        api,
    }
}

impl Scene {
    async fn set(&self, actor: &Actor, input: Value) -> Value {
        let data = self.api.data(actor, SET, json!({ "input": input })).await;
        data["facilityReferenceSet"].clone()
    }

    async fn found(&self, actor: &Actor, reference: &str) -> Value {
        let query =
            "query ($reference: String!) { facilityByReference(reference: $reference) { code } }";
        let data = self
            .api
            .data(actor, query, json!({ "reference": reference }))
            .await;
        data["facilityByReference"]["code"].clone()
    }
}

fn codes(payload: &Value) -> Vec<&str> {
    let errors = payload["userErrors"].as_array().unwrap();
    errors
        .iter()
        .map(|error| error["code"].as_str().unwrap())
        .collect()
}

#[rstest]
#[tokio::test]
async fn an_organisation_finds_and_names_a_facility_by_its_own_reference(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = scene(backend).await;
    let input =
        json!({ "facility": { "code": CLINIC }, "reference": " 0017 ", "idempotencyKey": "once" });
    for _ in 0..2 {
        let set = scene.set(&scene.vendor, input.clone()).await;
        let facility = json!({ "code": CLINIC, "reference": "0017", "version": 1 });
        assert_eq!(set, json!({ "facility": facility, "userErrors": [] }));
    }
    assert_eq!(scene.found(&scene.vendor, "0017").await, CLINIC);
    let moved = json!({ "facility": { "reference": "0017" }, "reference": "0018" });
    assert_eq!(
        scene.set(&scene.vendor, moved).await["facility"]["code"],
        CLINIC
    );
    assert_eq!(scene.found(&scene.vendor, "0017").await, Value::Null);
    let removed = json!({ "facility": { "reference": "0018" }, "reference": null });
    assert_eq!(
        scene.set(&scene.vendor, removed).await["facility"]["reference"],
        Value::Null
    );
    assert_eq!(scene.found(&scene.vendor, "0018").await, Value::Null);
    let changes = "SELECT count(*) FROM change WHERE operation = 'facilityReferenceSet'";
    assert_eq!(scene.api.database.number(changes).await, 3);
}

#[rstest]
#[tokio::test]
async fn a_reference_means_nothing_to_others(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = scene(backend).await;
    let input = json!({ "facility": { "code": CLINIC }, "reference": "0017" });
    scene.set(&scene.vendor, input).await;
    for stranger in [&scene.rival, &ministry()] {
        assert_eq!(scene.found(stranger, "0017").await, Value::Null);
    }
    let query = "query ($code: String!) { facilityByCode(code: $code) { reference } }";
    let seen = scene
        .api
        .data(&ministry(), query, json!({ "code": CLINIC }))
        .await;
    assert_eq!(seen["facilityByCode"]["reference"], Value::Null);
    let theirs = json!({ "facility": { "code": CLINIC }, "reference": "0017" });
    let set = scene.set(&ministry(), theirs).await;
    assert_eq!(codes(&set), Vec::<&str>::new());
    let unseen = json!({ "facility": { "code": CLINIC }, "reference": "0019" });
    assert_eq!(codes(&scene.set(&scene.rival, unseen).await), ["NOT_FOUND"]);
}

/// Somebody who works for both vendors.
fn both(one: &Actor, other: &Actor) -> Actor {
    let grants = [one, other].map(|actor| actor.grants[0].clone());
    Actor {
        grants: grants.to_vec(),
        ..one.clone()
    }
}

#[rstest]
#[tokio::test]
async fn a_member_of_two_vendors_keeps_references_for_the_one_that_is_engaged_and_finds_those_of_both(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = scene(backend).await;
    let engage = format!(
        "UPDATE facility_state SET vendor_id = {} WHERE code = '{PHARMACY}'",
        scene.rival.grants[0].organisation
    );
    scene.api.database.run(&engage).await;
    let both = both(&scene.vendor, &scene.rival);
    for (code, reference) in [(CLINIC, "0017"), (PHARMACY, "P-1")] {
        let input = json!({ "facility": { "code": code }, "reference": reference });
        let set = scene.set(&both, input).await;
        assert_eq!(set["facility"]["reference"], reference);
        assert_eq!(scene.found(&both, reference).await, code);
        let again = json!({ "facility": { "reference": reference }, "reference": reference });
        assert_eq!(scene.set(&both, again).await["facility"]["code"], code);
    }
    assert_eq!(scene.found(&scene.vendor, "0017").await, CLINIC);
    assert_eq!(scene.found(&scene.vendor, "P-1").await, Value::Null);
    assert_eq!(scene.found(&scene.rival, "P-1").await, PHARMACY);
}

#[rstest]
#[tokio::test]
async fn a_refused_reference_changes_nothing(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = scene(backend).await;
    let first = json!({ "facility": { "code": CLINIC }, "reference": "0017" });
    scene.set(&scene.vendor, first).await;
    let long = "x".repeat(101);
    for (reference, code) in [
        ("0017", "TAKEN"),
        ("", "INVALID_TEXT"),
        (" ", "INVALID_TEXT"),
        ("a\u{0}b", "INVALID_TEXT"),
        (long.as_str(), "INVALID_TEXT"),
    ] {
        let input = json!({ "facility": { "code": PHARMACY }, "reference": reference });
        let set = scene.set(&scene.vendor, input).await;
        assert_eq!(codes(&set), [code], "{reference:?}");
        assert_eq!(set["facility"]["reference"], Value::Null);
    }
    let dry = json!({ "facility": { "code": PHARMACY }, "reference": "0018", "dryRun": true });
    assert_eq!(
        codes(&scene.set(&scene.vendor, dry).await),
        Vec::<&str>::new()
    );
    assert_eq!(scene.found(&scene.vendor, "0018").await, Value::Null);
    assert_eq!(scene.found(&scene.vendor, "0017").await, CLINIC);
}
