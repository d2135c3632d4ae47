//! The parts of chains: who makes them, and who is invited into them.

use kaitsu::{
    api::{NodeId, node_id::NodeKind},
    auth::{Actor, OrganisationKind as Kind, Role},
    db::Backend,
};
use rstest::rstest;
use serde_json::{Value, json};

use super::graphql::Api;

#[rstest]
#[tokio::test]
async fn the_administrators_of_a_chain_make_its_parts_and_invite_into_them(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let api = Api::new(backend).await;
    let chain = api
        .world
        .actor("chain@example.jp", Kind::Chain, Role::Admin)
        .await;
    let vendor = api
        .world
        .actor("vendor@example.jp", Kind::Vendor, Role::Admin)
        .await;
    let id = |actor: &Actor| {
        NodeId::new(NodeKind::Organisation, actor.grants[0].organisation.0)
            .encode()
            .0
    };
    let create = async |actor: &Actor, kind: &str, parent: Value| {
        let input = json!({ "kind": kind, "name": "東日本", "nameKana": "ヒガシニホン", "parentId": parent });
        let fields = "organisation { id kind parentId }";
        api.mutate(actor, "organisationCreate", fields, input).await
    };
    let told = |payload: &Value| {
        let error = &payload["userErrors"][0];
        format!("{} {}", error["code"].as_str().unwrap(), error["path"])
    };
    let area = create(&chain, "AREA", json!(id(&chain))).await;
    assert_eq!(area["organisation"]["parentId"], id(&chain));
    for (actor, kind, parent, expected) in [
        (&vendor, "AREA", json!(id(&chain)), "FORBIDDEN [\"input\"]"),
        (&vendor, "AREA", json!(id(&vendor)), "FORBIDDEN [\"input\"]"),
        (&chain, "AREA", Value::Null, "FORBIDDEN [\"input\"]"),
        (&chain, "VENDOR", json!(id(&chain)), "FORBIDDEN [\"input\"]"),
        (
            &chain,
            "MINISTRY",
            json!(id(&chain)),
            "FORBIDDEN [\"input\"]",
        ),
    ] {
        let refused = create(actor, kind, parent).await;
        assert_eq!(told(&refused), expected, "{kind}");
        assert_eq!(refused["organisation"], Value::Null);
    }
    let fund = api
        .world
        .actor("fund@example.jp", Kind::PaymentFund, Role::Admin)
        .await;
    for (kind, parent, expected) in [
        (
            "CORPORATION",
            Value::Null,
            "MISSING [\"input\",\"parentId\"]",
        ),
        (
            "CORPORATION",
            json!(id(&vendor)),
            "MISSING [\"input\",\"parentId\"]",
        ),
        (
            "VENDOR",
            json!(id(&chain)),
            "OUT_OF_RANGE [\"input\",\"parentId\"]",
        ),
    ] {
        let refused = create(&fund, kind, parent).await;
        assert_eq!(told(&refused), expected, "{kind}");
    }

    let invite = async |actor: &Actor, to: &Value, role: &str, email: &str| {
        let input = json!({ "organisationId": to, "email": email, "role": role });
        let fields = "invitation { role }";
        api.mutate(actor, "memberInvite", fields, input).await
    };
    let part = &area["organisation"]["id"];
    let sent = invite(&chain, part, "EDITOR", "manager@example.jp").await;
    assert_eq!(sent["invitation"]["role"], "EDITOR");
    let stranger = invite(&vendor, part, "EDITOR", "spy@example.jp").await;
    assert_eq!(told(&stranger).split(' ').next(), Some("NOT_FOUND"));
    // Only a chain and its corporations have somebody who files.
    for (actor, to) in [(&chain, part.clone()), (&vendor, json!(id(&vendor)))] {
        let refused = invite(actor, &to, "FILER", "filer@example.jp").await;
        assert_eq!(told(&refused), "OUT_OF_RANGE [\"input\",\"role\"]");
    }
    let filer = invite(&chain, &json!(id(&chain)), "FILER", "filer@example.jp").await;
    assert_eq!(filer["invitation"]["role"], "FILER");
    // Whoever administers the chain no more doesn't come back through a part.
    let second = api
        .world
        .actor("second@example.jp", Kind::Chain, Role::Admin)
        .await;
    let user = NodeId::new(NodeKind::User, chain.user().unwrap().0)
        .encode()
        .0;
    let gone = json!({ "organisationId": id(&chain), "userId": user });
    let gone = api
        .mutate(&second, "memberRemove", "membership { role }", gone)
        .await;
    assert_eq!(gone["userErrors"], json!([]));
    let part_row = NodeId::row_of(
        &async_graphql::ID(part.as_str().unwrap().to_owned()),
        NodeKind::Organisation,
    );
    let ended = format!(
        "SELECT count(*) FROM one_time_secret s WHERE s.organisation_id = {} AND s.expires_at > \
         (SELECT max(recorded_at) FROM change)",
        part_row.unwrap()
    );
    assert_eq!(api.world.database.number(&ended).await, 0);
}
