//! The accounts through the API.

use std::sync::Arc;

use async_graphql::{Request, Variables};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use kaitsu::{
    api::{ApiSchema, Caller, NodeId, node_id::NodeKind, schema},
    app::Services,
    auth::{Actor, Language, OrganisationKind as Kind, Origin, Role},
    db::Backend,
};
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::accounts::{PASSWORD, World, anonymous};

pub struct Api {
    pub world: World,
    schema: ApiSchema,
}

impl Api {
    pub async fn new(backend: Backend) -> Self {
        let world = World::new(backend).await;
        let services = Services::new(world.db().clone(), world.clock.clone());
        Self {
            schema: schema::build(&services, Arc::clone(&world.auth)),
            world,
        }
    }

    /// Runs a document as an actor with `$input`, and returns the whole response.
    async fn run(&self, caller: (&Actor, Origin), document: &str, input: Value) -> Value {
        let (actor, origin) = caller;
        let request = Request::new(document)
            .variables(Variables::from_json(json!({ "input": input })))
            .data(origin)
            .data(Caller {
                actor: actor.clone(),
                request_id: "r-1".to_owned(),
            });
        serde_json::to_value(self.schema.execute(request).await).unwrap()
    }

    /// Runs a mutation `field(input:)` and returns its payload.
    pub async fn mutate(&self, actor: &Actor, field: &str, fields: &str, input: Value) -> Value {
        let kind = format!("{}{}Input", field[..1].to_uppercase(), &field[1..]);
        let document = format!(
            "mutation ($input: {kind}!) {{ {field}(input: $input) {{
                {fields} userErrors {{ code path message }} }} }}"
        );
        let response = self.run((actor, Origin::default()), &document, input).await;
        assert!(response.get("errors").is_none(), "{response:#}");
        response["data"][field].clone()
    }

    async fn query(&self, actor: &Actor, document: &str) -> Value {
        self.run((actor, Origin::default()), document, Value::Null)
            .await
    }
}

const SESSION: &str = "session { accessToken refreshToken user { email name } }";

#[rstest]
#[tokio::test]
async fn a_login_shows_the_viewer_and_ends(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let api = Api::new(backend).await;
    api.world
        .user("taro@example.jp", Kind::Vendor, Role::Editor)
        .await;
    let input = json!({ "email": "taro@example.jp", "password": PASSWORD });
    let payload = api
        .mutate(&anonymous(), "sessionCreate", SESSION, input)
        .await;
    assert_eq!(payload["userErrors"], json!([]));
    assert_eq!(payload["session"]["user"]["email"], "taro@example.jp");
    let token = payload["session"]["accessToken"].as_str().unwrap();
    let caller = api.world.authenticate(token).await;

    let viewer = "{ viewer { user { id email language } permissions language
        memberships { role organisation { id kind name } user { name } } } }";
    let viewer = api.query(&caller.actor, viewer).await["data"]["viewer"].clone();
    assert_eq!(viewer["memberships"][0]["organisation"]["kind"], "VENDOR");
    assert_eq!(
        viewer["permissions"],
        json!([
            "FACILITY_READ",
            "CONTACT_WRITE",
            "HAND_ON",
            "MILESTONE_WRITE",
            "BLOCKER_WRITE",
            "INSTALLATION_WRITE",
            "FIGURES_READ",
            "VENDOR_WRITE",
            "REPORT_WRITE",
            "ORDER_READ",
            "ORDER_WRITE"
        ])
    );

    let input = json!({ "refreshToken": payload["session"]["refreshToken"] });
    let next = api
        .mutate(&anonymous(), "sessionRefresh", SESSION, input.clone())
        .await;
    assert_eq!(next["userErrors"], json!([]));
    let reused = api
        .mutate(&anonymous(), "sessionRefresh", SESSION, input)
        .await;
    assert_eq!(reused["session"], Value::Null);
    assert_eq!(reused["userErrors"][0]["code"], "SESSION_ENDED");
    assert_eq!(
        reused["userErrors"][0]["path"],
        json!(["input", "refreshToken"])
    );

    let again = api.world.log_in("taro@example.jp").await;
    let caller = api.world.authenticate(&again.access_token).await;
    let origin = Origin {
        session: caller.session,
        ..Origin::default()
    };
    let document =
        "mutation { sessionDelete(input: { everywhere: true }) { userErrors { code } } }";
    let response = api
        .run((&caller.actor, origin), document, Value::Null)
        .await;
    assert_eq!(response["data"]["sessionDelete"]["userErrors"], json!([]));
    let ended = api.world.auth.authenticate(Some(&again.access_token), None);
    assert!(ended.await.is_err());
}

#[rstest]
#[tokio::test]
async fn messages_come_in_the_language_of_the_caller(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let api = Api::new(backend).await;
    for (language, message) in [
        (
            Language::Ja,
            "メールアドレスまたはパスワードが正しくありません。",
        ),
        (Language::En, "The address or the password is not right."),
    ] {
        let input = json!({ "email": "nobody@example.jp", "password": "whatever" });
        let actor = Actor::anonymous(language);
        let payload = api.mutate(&actor, "sessionCreate", SESSION, input).await;
        assert_eq!(payload["userErrors"][0]["code"], "INVALID_CREDENTIALS");
        assert_eq!(payload["userErrors"][0]["message"], message);
    }
}

#[rstest]
#[tokio::test]
async fn an_administrator_builds_an_organisation_from_its_first_invitation_on(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let api = Api::new(backend).await;
    let fund = api
        .world
        .actor("fund@example.jp", Kind::PaymentFund, Role::Admin)
        .await;
    let input =
        json!({ "kind": "VENDOR", "name": "北海道医療", "nameKana": "ホッカイドウイリョウ" });
    let made = api
        .mutate(
            &fund,
            "organisationCreate",
            "organisation { id name }",
            input,
        )
        .await;
    let organisation = made["organisation"]["id"].clone();

    let input =
        json!({ "organisationId": organisation, "email": "first@example.jp", "role": "ADMIN" });
    let fields = "invitation { email role expiresAt organisation { name } }";
    let sent = api.mutate(&fund, "memberInvite", fields, input).await;
    assert_eq!(sent["invitation"]["organisation"]["name"], "北海道医療");
    let secret = api.world.mailed_secret("first@example.jp").await;
    let input = json!({ "secret": secret, "name": "最初", "password": PASSWORD });
    let joined = api
        .mutate(&anonymous(), "invitationAccept", SESSION, input)
        .await;
    let token = joined["session"]["accessToken"].as_str().unwrap();
    let admin = api.world.authenticate(token).await.actor;
    let caller = admin.user().unwrap();

    let input = json!({ "organisationId": organisation, "name": "nightly", "role": "EDITOR",
        "permissions": ["MILESTONE_WRITE"], "expiresAt": "2022-06-01T00:00:00Z",
        "idempotencyKey": "k-1" });
    let fields = "secret serviceToken { id name permissions lastUsedAt revokedAt }";
    let first = api
        .mutate(&admin, "serviceTokenCreate", fields, input.clone())
        .await;
    let again = api
        .mutate(&admin, "serviceTokenCreate", fields, input)
        .await;
    assert!(first["secret"].as_str().unwrap().starts_with("kts_"));
    assert_eq!(again["secret"], Value::Null);
    assert_eq!(first["serviceToken"], again["serviceToken"]);
    let revoke = json!({ "id": first["serviceToken"]["id"] });
    let revoked = api.mutate(
        &admin,
        "serviceTokenRevoke",
        "serviceToken { revokedAt }",
        revoke,
    );
    assert!(revoked.await["serviceToken"]["revokedAt"].is_string());

    let id = organisation.as_str().unwrap();
    let document = format!(
        "{{ organisation(id: \"{id}\") {{ name members(first: 1) {{
              nodes {{ role user {{ id name }} }} pageInfo {{ hasNextPage endCursor }} }}
            serviceTokens(last: 5) {{ nodes {{ name }} }} }}
           node(id: \"{id}\") {{ id ... on Organisation {{ kind }} }} }}"
    );
    let seen = api.query(&admin, &document).await;
    assert_eq!(
        seen["data"]["organisation"]["members"]["nodes"][0]["role"],
        "ADMIN"
    );
    assert_eq!(
        seen["data"]["organisation"]["serviceTokens"]["nodes"][0]["name"],
        "nightly"
    );
    assert_eq!(seen["data"]["node"]["kind"], "VENDOR");
    let as_fund = api.query(&fund, &document).await;
    assert_eq!(
        as_fund["data"]["organisation"]["serviceTokens"]["nodes"],
        json!([])
    );
    let stranger = api
        .world
        .actor("s@example.jp", Kind::Chain, Role::Admin)
        .await;
    let unseen = api.query(&stranger, &document).await;
    assert_eq!(
        unseen["data"],
        json!({ "organisation": null, "node": null })
    );

    let user = seen["data"]["organisation"]["members"]["nodes"][0]["user"]["id"].clone();
    let input = json!({ "organisationId": organisation, "userId": user });
    let refused = api
        .mutate(&admin, "memberRemove", "membership { role }", input)
        .await;
    assert_eq!(refused["userErrors"][0]["code"], "LAST_ADMINISTRATOR");
    let request = "SELECT COUNT(*) FROM change WHERE request_id = 'r-1' AND identity_id = ";
    let changes = api
        .world
        .database
        .number(&format!("{request}{caller}"))
        .await;
    assert_eq!(
        changes, 3,
        "joined, made and revoked a token: once each, with the request's id"
    );
}

#[rstest]
#[tokio::test]
async fn members_are_paged_in_both_directions(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let api = Api::new(backend).await;
    let admin = api
        .world
        .actor("user0@example.jp", Kind::Vendor, Role::Admin)
        .await;
    for number in 1..5 {
        let email = format!("user{number}@example.jp");
        api.world.user(&email, Kind::Vendor, Role::Viewer).await;
    }
    let viewer = api
        .query(&admin, "{ viewer { memberships { organisation { id } } } }")
        .await;
    let id = viewer["data"]["viewer"]["memberships"][0]["organisation"]["id"].clone();
    let page = async |arguments: &str| {
        let document = format!(
            "{{ organisation(id: {id}) {{ members({arguments}) {{
                edges {{ cursor node {{ user {{ name }} }} }}
                pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }} }} }} }}"
        );
        let response = api.query(&admin, &document).await;
        (
            response["data"]["organisation"]["members"].clone(),
            response["errors"].clone(),
        )
    };
    let names = |page: &Value| -> Vec<String> {
        let edges = page["edges"].as_array().unwrap().iter();
        edges
            .map(|edge| edge["node"]["user"]["name"].as_str().unwrap().to_owned())
            .collect()
    };
    let (first, _) = page("first: 2").await;
    assert_eq!(names(&first), ["user0", "user1"]);
    assert_eq!(first["pageInfo"]["hasNextPage"], true);
    let end = &first["pageInfo"]["endCursor"];
    let (second, _) = page(&format!("first: 3, after: {end}")).await;
    assert_eq!(names(&second), ["user2", "user3", "user4"]);
    assert_eq!(second["pageInfo"]["hasNextPage"], false);
    let start = &second["pageInfo"]["startCursor"];
    let (back, _) = page(&format!("last: 1, before: {start}")).await;
    assert_eq!(names(&back), ["user1"]);
    assert_eq!(back["pageInfo"]["hasPreviousPage"], true);
    for bad in [
        "first: 101",
        "first: 0",
        "first: -1",
        "first: 1, last: 1",
        "first: 1, after: \"x\"",
    ] {
        let (_, errors) = page(bad).await;
        let code = errors[0]["extensions"]["code"].as_str().unwrap().to_owned();
        assert!(code.starts_with("BAD_"), "{bad}: {code}");
    }
    // From this list, but not from us.
    let cursor = BASE64_URL_SAFE_NO_PAD
        .decode(end.as_str().unwrap())
        .unwrap();
    let cursor = String::from_utf8(cursor).unwrap();
    let (list, _) = cursor.split_once('\u{1f}').unwrap();
    for parts in ["", "\u{1f}x", "\u{1f}1\u{1f}2"] {
        let forged = BASE64_URL_SAFE_NO_PAD.encode(format!("{list}{parts}"));
        let (_, errors) = page(&format!("first: 1, after: \"{forged}\"")).await;
        assert_eq!(errors[0]["extensions"]["code"], "BAD_CURSOR", "{parts:?}");
    }
}

#[rstest]
#[tokio::test]
async fn a_key_that_was_used_for_something_else_is_told_at_its_place(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let api = Api::new(backend).await;
    let fund = api
        .world
        .actor("fund@example.jp", Kind::PaymentFund, Role::Admin)
        .await;
    let create = async |name: &str| {
        let input =
            json!({ "kind": "VENDOR", "name": name, "nameKana": "ア", "idempotencyKey": "k1" });
        api.mutate(&fund, "organisationCreate", "organisation { name }", input)
            .await
    };
    let first = create("あおばシステム").await;
    assert_eq!(first["organisation"]["name"], "あおばシステム");
    let other = create("みどりシステム").await;
    assert_eq!(other["organisation"], Value::Null);
    assert_eq!(other["userErrors"][0]["code"], "IDEMPOTENCY_KEY_REUSED");
    assert_eq!(
        other["userErrors"][0]["path"],
        json!(["input", "idempotencyKey"])
    );
}

#[rstest]
#[tokio::test]
async fn a_dry_run_under_a_key_is_answered_as_the_request_would_be(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let api = Api::new(backend).await;
    let fund = api
        .world
        .actor("fund@example.jp", Kind::PaymentFund, Role::Admin)
        .await;
    let create = async |name: &str, dry_run: bool| {
        let input = json!({ "kind": "VENDOR", "name": name, "nameKana": "ア",
            "idempotencyKey": "k1", "dryRun": dry_run });
        api.mutate(&fund, "organisationCreate", "organisation { name }", input)
            .await
    };
    let tried = create("みどりシステム", true).await;
    assert_eq!(tried["userErrors"], json!([]));
    let first = create("あおばシステム", false).await;
    assert_eq!(first["userErrors"], json!([]), "trying takes no key");
    assert_eq!(create("あおばシステム", true).await, first);
    // What would be refused for itself, too.
    for name in ["みどりシステム", ""] {
        let refused = create(name, false).await;
        assert_eq!(refused["userErrors"][0]["code"], "IDEMPOTENCY_KEY_REUSED");
        assert_eq!(create(name, true).await, refused, "{name:?}");
    }
    let made = "SELECT COUNT(*) FROM organisation WHERE kind = 0";
    assert_eq!(api.world.database.number(made).await, 1);
}

#[rstest]
#[tokio::test]
async fn an_account_comes_back_by_link_code_and_letter(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let api = Api::new(backend).await;
    let email = "taro@example.jp";
    api.world.user(email, Kind::Vendor, Role::Editor).await;
    let staff = api
        .world
        .actor("staff@example.jp", Kind::PaymentFund, Role::Editor)
        .await;
    let input = json!({ "email": email });
    api.mutate(&anonymous(), "passwordResetRequest", "", input)
        .await;
    let link = api.world.mailed_secret(email).await;
    let reset = |proof: Value| json!({ "proof": proof, "newPassword": "another-password-42" });
    let weak = json!({ "proof": { "link": link }, "newPassword": "short" });
    let refused = api.mutate(&anonymous(), "passwordReset", "", weak).await;
    assert_eq!(refused["userErrors"][0]["code"], "WEAK_PASSWORD");
    assert_eq!(
        refused["userErrors"][0]["path"],
        json!(["input", "newPassword"])
    );
    let by_link = reset(json!({ "link": link }));
    let done = api
        .mutate(&anonymous(), "passwordReset", "", by_link.clone())
        .await;
    assert_eq!(done["userErrors"], json!([]));
    let again = api.mutate(&anonymous(), "passwordReset", "", by_link).await;
    assert_eq!(again["userErrors"][0]["code"], "SECRET_INVALID");

    let input = json!({ "email": email, "identityCheck": "called back" });
    let issued = api.mutate(
        &staff,
        "accountCodeIssue",
        "accountCode { code expiresAt }",
        input,
    );
    let code = issued.await["accountCode"]["code"].clone();
    let by_code = reset(json!({ "code": { "email": email, "code": code } }));
    let done = api.mutate(&anonymous(), "passwordReset", "", by_code).await;
    assert_eq!(done["userErrors"], json!([]));

    api.world.facility(7, "0110112489").await;
    let facility = NodeId::new(NodeKind::Facility, 7).encode();
    let input = json!({ "facilityIds": [facility] });
    let fields = "secrets { facilityId code name secret expiresAt }";
    let letters = api
        .mutate(&staff, "facilityClaimSecretsExport", fields, input)
        .await;
    let input = json!({ "code": "0110112489", "secret": letters["secrets"][0]["secret"],
        "email": "clinic@example.jp", "password": PASSWORD, "name": "院長" });
    let claimed = api
        .mutate(&anonymous(), "facilityAccountClaim", SESSION, input)
        .await;
    let token = claimed["session"]["accessToken"].as_str().unwrap();
    let clinic = api.world.authenticate(token).await.actor;
    let own = "{ viewer { memberships { organisation { kind facilityId } } } }";
    let own = api.query(&clinic, own).await;
    let organisation = &own["data"]["viewer"]["memberships"][0]["organisation"];
    assert_eq!(organisation["facilityId"], json!(facility));
}

#[rstest]
#[tokio::test]
async fn open_invitations_are_seen_and_revoked_by_administrators_only(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let api = Api::new(backend).await;
    let admin = api
        .world
        .actor("admin@example.jp", Kind::Vendor, Role::Admin)
        .await;
    let editor = api
        .world
        .actor("editor@example.jp", Kind::Vendor, Role::Editor)
        .await;
    let ministry = api
        .world
        .actor("ministry@example.jp", Kind::Ministry, Role::Admin)
        .await;
    let organisation = NodeId::new(NodeKind::Organisation, admin.grants[0].organisation.0).encode();
    for (email, role) in [
        ("one@example.jp", "EDITOR"),
        ("two@example.jp", "VIEWER"),
        ("three@example.jp", "VIEWER"),
    ] {
        let input = json!({ "organisationId": organisation, "email": email, "role": role });
        api.mutate(&admin, "memberInvite", "invitation { id }", input)
            .await;
    }
    let joined = json!({ "secret": api.world.mailed_secret("three@example.jp").await,
        "name": "三郎", "password": PASSWORD });
    api.mutate(&anonymous(), "invitationAccept", SESSION, joined)
        .await;
    let list = format!(
        "{{ organisation(id: \"{}\") {{ invitations(first: 10) {{ nodes {{
            id email role expiresAt invitedBy {{ email }} organisation {{ name }} }} }} }} }}",
        *organisation
    );
    let nodes = async |actor: &Actor| {
        let seen = api.query(actor, &list).await;
        seen["data"]["organisation"]["invitations"]["nodes"].clone()
    };
    let seen = nodes(&admin).await;
    let id = seen[0]["id"].clone();
    assert_eq!(
        seen[0],
        json!({ "id": id, "email": "one@example.jp", "role": "EDITOR",
            "expiresAt": "2021-12-26T00:00:00+00:00", "invitedBy": { "email": "admin@example.jp" },
            "organisation": { "name": "Vendor" } })
    );
    assert_eq!(seen.as_array().unwrap().len(), 2, "who joined is no guest");
    let node = format!("{{ node(id: {id}) {{ id ... on Invitation {{ email }} }} }}");
    for stranger in [&editor, &ministry] {
        assert_eq!(nodes(stranger).await, json!([]));
        assert_eq!(
            api.query(stranger, &node).await["data"]["node"],
            Value::Null
        );
        let input = json!({ "id": id });
        let refused = api
            .mutate(stranger, "memberInvitationRevoke", "", input)
            .await;
        assert_eq!(refused["userErrors"][0]["code"], "NOT_FOUND");
        assert_eq!(refused["userErrors"][0]["path"], json!(["input", "id"]));
    }
    let found = api.query(&admin, &node).await;
    assert_eq!(found["data"]["node"]["email"], "one@example.jp");
    let fields = "invitation { email expiresAt }";
    let revoked = api
        .mutate(
            &admin,
            "memberInvitationRevoke",
            fields,
            json!({ "id": id }),
        )
        .await;
    assert_eq!(revoked["invitation"]["email"], "one@example.jp");
    let left = nodes(&admin).await;
    assert_eq!(left[0]["email"], "two@example.jp");
    assert_eq!(left.as_array().unwrap().len(), 1);
}
