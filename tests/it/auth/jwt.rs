//! Access tokens: what opens the door, and everything that is tried instead.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::TimeDelta;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use kaitsu::{
    auth::{Identity, OrganisationKind, Role, service::AuthFailure},
    db::{Backend, Query, Row},
};
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::{TestDatabase, accounts::World, process};

/// A world with one user, and everything that an attacker may know plus the real private key.
struct Attack {
    world: World,
    kid: String,
    seed: Vec<u8>,
    public_key: Vec<u8>,
    genuine: String,
    claims: Value,
}

impl Attack {
    async fn new(backend: Backend) -> Self {
        let world = World::new(backend).await;
        world
            .user("taro@example.jp", OrganisationKind::Vendor, Role::Editor)
            .await;
        let genuine = world.log_in("taro@example.jp").await.access_token;
        let row = Query::new("SELECT kid, private_key, public_key FROM signing_key")
            .one(world.db().read())
            .await
            .unwrap()
            .unwrap();
        let mut row = Row::new(&row);
        let claims = part(&genuine, 1);
        Self {
            world,
            kid: row.take().unwrap(),
            seed: row.take().unwrap(),
            public_key: row.take().unwrap(),
            genuine,
            claims,
        }
    }

    fn key(&self) -> EncodingKey {
        ed25519(&self.seed)
    }

    fn header(&self) -> Header {
        Header {
            typ: Some("at+jwt".to_owned()),
            kid: Some(self.kid.clone()),
            ..Header::new(Algorithm::EdDSA)
        }
    }

    /// Signed by the real key, with these claims instead of the genuine ones.
    fn with_claims(&self, change: impl Fn(&mut Value)) -> String {
        let mut claims = self.claims.clone();
        change(&mut claims);
        jsonwebtoken::encode(&self.header(), &claims, &self.key()).unwrap()
    }

    /// Signed by the real key, with this header.
    fn with_header(&self, change: impl Fn(&mut Header)) -> String {
        let mut header = self.header();
        change(&mut header);
        jsonwebtoken::encode(&header, &self.claims, &self.key()).unwrap()
    }

    async fn outcome(&self, token: &str) -> &'static str {
        match self.world.auth.authenticate(Some(token), None).await {
            Ok(_) => "welcome",
            Err(failure) => failure.code(),
        }
    }

    #[track_caller]
    fn part_of(&self, at: usize) -> &str {
        self.genuine.split('.').nth(at).unwrap()
    }
}

fn part(token: &str, at: usize) -> Value {
    let text = token.split('.').nth(at).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap()
}

fn encoded(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

fn ed25519(seed: &[u8]) -> EncodingKey {
    let prefix = [
        0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04,
        0x20,
    ];
    EncodingKey::from_ed_der(&[prefix.as_slice(), seed].concat())
}

const ES256_KEY: &str = "-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgWTFfCGljY6aw3Hrt
kHmPRiazukxPLb6ilpRAewjW8nihRANCAATDskChT+Altkm9X7MI69T3IUmrQU0L
950IxEzvw/x5BMEINRMrXLBJhqzO9Bm+d6JbqA21YQmd1Kt4RzLJR1W+
-----END PRIVATE KEY-----";

#[rstest]
#[tokio::test]
async fn a_genuine_token_says_who_is_asking(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let attack = Attack::new(backend).await;
    for _ in 0..2 {
        let caller = attack.world.authenticate(&attack.genuine).await;
        assert!(matches!(caller.actor.identity, Identity::User(_)));
        assert_eq!(caller.actor.grants.len(), 1);
        assert_eq!(caller.actor.grants[0].role, Role::Editor);
        assert!(caller.session.is_some());
    }
    let again = jsonwebtoken::encode(&attack.header(), &attack.claims, &attack.key()).unwrap();
    assert_eq!(attack.outcome(&again).await, "welcome");
}

#[rstest]
#[tokio::test]
async fn a_token_with_another_header_is_refused(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let attack = Attack::new(backend).await;
    let body = attack.part_of(1);
    let signature = attack.part_of(2);
    let forged_header = |header: Value| format!("{}.{body}.{signature}", encoded(&header));
    let public_as_secret = {
        let header = Header {
            alg: Algorithm::HS256,
            ..attack.header()
        };
        let key = EncodingKey::from_secret(&attack.public_key);
        jsonwebtoken::encode(&header, &attack.claims, &key).unwrap()
    };
    let es256 = {
        let header = Header {
            alg: Algorithm::ES256,
            ..attack.header()
        };
        let key = EncodingKey::from_ec_pem(ES256_KEY.as_bytes()).unwrap();
        jsonwebtoken::encode(&header, &attack.claims, &key).unwrap()
    };
    let own_key = ed25519(&[7; 32]);
    let own_jwk = jsonwebtoken::jwk::Jwk::from_encoding_key(&own_key, Algorithm::EdDSA).unwrap();
    let embedded = {
        let header = Header {
            jwk: Some(own_jwk),
            ..attack.header()
        };
        jsonwebtoken::encode(&header, &attack.claims, &own_key).unwrap()
    };
    let kid = attack.kid.clone();
    let none = json!({ "alg": "none", "typ": "at+jwt", "kid": kid });
    let attempts = [
        ("alg none", forged_header(none.clone())),
        (
            "alg none, no signature",
            format!("{}.{body}.", encoded(&none)),
        ),
        (
            "alg None",
            forged_header(json!({ "alg": "None", "typ": "at+jwt", "kid": kid })),
        ),
        ("HS256 with the public key", public_as_secret),
        ("ES256", es256),
        ("an embedded key", embedded),
        (
            "another key under our kid",
            jsonwebtoken::encode(&attack.header(), &attack.claims, &own_key).unwrap(),
        ),
        ("no kid", attack.with_header(|header| header.kid = None)),
        (
            "an unknown kid",
            attack.with_header(|header| header.kid = Some("unknown".to_owned())),
        ),
        (
            "a kid like a path",
            attack.with_header(|header| header.kid = Some("../../dev/null".to_owned())),
        ),
        (
            "a kid like SQL",
            attack.with_header(|header| header.kid = Some("' OR '1'='1".to_owned())),
        ),
        (
            "an empty kid",
            attack.with_header(|header| header.kid = Some(String::new())),
        ),
        (
            "a long kid",
            attack.with_header(|header| header.kid = Some("a".repeat(65))),
        ),
        (
            "typ JWT",
            attack.with_header(|header| header.typ = Some("JWT".to_owned())),
        ),
        ("no typ", attack.with_header(|header| header.typ = None)),
        (
            "a jku",
            attack.with_header(|header| {
                header.jku = Some("https://attacker.example/jwks.json".to_owned());
            }),
        ),
        (
            "an x5u",
            attack.with_header(|header| {
                header.x5u = Some("https://attacker.example/".to_owned());
            }),
        ),
        (
            "a critical extension",
            attack.with_header(|header| header.crit = Some(vec!["b64".to_owned()])),
        ),
    ];
    for (what, token) in attempts {
        assert_eq!(attack.outcome(&token).await, "UNAUTHENTICATED", "{what}");
    }
}

#[rstest]
#[tokio::test]
async fn a_token_with_other_claims_is_refused_though_our_key_signed_it(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let attack = Attack::new(backend).await;
    let now = attack.world.clock.now().timestamp();
    for claim in ["iss", "aud", "sub", "sid", "iat", "nbf", "exp"] {
        let token = attack.with_claims(|claims| {
            claims.as_object_mut().unwrap().remove(claim);
        });
        assert_eq!(
            attack.outcome(&token).await,
            "UNAUTHENTICATED",
            "no {claim}"
        );
        let token = attack.with_claims(|claims| claims[claim] = Value::Null);
        assert_eq!(
            attack.outcome(&token).await,
            "UNAUTHENTICATED",
            "{claim} null"
        );
    }
    let wrong = [
        ("iss", json!("https://attacker.example")),
        ("iss", json!(["http://127.0.0.1:8080"])),
        ("aud", json!("another-service")),
        ("aud", json!(["kaitsu", "another-service"])),
        ("aud", json!("")),
        ("sub", json!("0")),
        ("sub", json!("1 OR 1=1")),
        ("sub", json!(1)),
        ("sid", json!(999)),
        ("nbf", json!(now + 31)),
        ("iat", json!(now + 31)),
        ("exp", json!(now + 25 * 3600)),
        ("exp", json!("9999999999")),
        ("exp", json!(i64::MAX)),
        ("exp", json!(now - 1000)),
    ];
    for (claim, value) in wrong {
        let token = attack.with_claims(|claims| claims[claim] = value.clone());
        assert_eq!(
            attack.outcome(&token).await,
            "UNAUTHENTICATED",
            "{claim}: {value}"
        );
    }
    let extra = attack.with_claims(|claims| claims["admin"] = json!(true));
    assert_eq!(attack.outcome(&extra).await, "UNAUTHENTICATED");
    let other_user =
        attack
            .world
            .user("hanako@example.jp", OrganisationKind::Ministry, Role::Admin);
    let other_user = other_user.await.user.id.to_string();
    let stolen = attack.with_claims(|claims| claims["sub"] = json!(other_user));
    assert_eq!(
        attack.outcome(&stolen).await,
        "UNAUTHENTICATED",
        "another's session"
    );
}

#[rstest]
#[tokio::test]
async fn what_is_no_token_is_refused(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let attack = Attack::new(backend).await;
    let genuine = &attack.genuine;
    let (signed, signature) = genuine.rsplit_once('.').unwrap();
    let mut flipped = URL_SAFE_NO_PAD.decode(signature).unwrap();
    flipped[0] ^= 1;
    let attempts = [
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        "a.b.c".to_owned(),
        format!(" {genuine}"),
        format!("{genuine} "),
        format!("{genuine}\n"),
        format!("{genuine}="),
        format!("{genuine}.x"),
        genuine.replace('.', " . "),
        format!("{signed}."),
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(flipped)),
        signed.to_owned(),
        format!("{genuine}{}", "A".repeat(9_000)),
        "A".repeat(9_000),
        format!("{}.{}", "A".repeat(5_000), "B".repeat(5_000)),
        "kts_".to_owned(),
        "kts_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".to_owned(),
        format!("kts_{}", "A".repeat(9_000)),
        "開通".to_owned(),
        "\u{0}".to_owned(),
    ];
    for token in attempts {
        assert_eq!(attack.outcome(&token).await, "UNAUTHENTICATED", "{token:?}");
    }
}

#[rstest]
#[tokio::test]
async fn a_token_lasts_five_minutes_and_half_a_minute_of_leeway(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let attack = Attack::new(backend).await;
    attack.world.pass(TimeDelta::seconds(5 * 60 + 29));
    assert_eq!(attack.outcome(&attack.genuine).await, "welcome");
    attack.world.pass(TimeDelta::seconds(1));
    assert_eq!(attack.outcome(&attack.genuine).await, "TOKEN_EXPIRED");
}

#[rstest]
#[tokio::test]
async fn a_remembered_signature_never_outlives_the_user_the_login_or_the_key(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let attack = Attack::new(backend).await;
    assert_eq!(attack.outcome(&attack.genuine).await, "welcome");
    let auth = &attack.world.auth;
    auth.set_user_disabled("taro@example.jp", true)
        .await
        .unwrap();
    assert_eq!(attack.outcome(&attack.genuine).await, "UNAUTHENTICATED");
    auth.set_user_disabled("taro@example.jp", false)
        .await
        .unwrap();
    assert_eq!(
        attack.outcome(&attack.genuine).await,
        "UNAUTHENTICATED",
        "its login is over"
    );

    let fresh = attack.world.log_in("taro@example.jp").await.access_token;
    assert_eq!(attack.outcome(&fresh).await, "welcome");
    attack.world.database.run("DELETE FROM signing_key").await;
    attack.world.pass(TimeDelta::minutes(1));
    assert_eq!(
        attack.outcome(&fresh).await,
        "UNAUTHENTICATED",
        "its key is gone"
    );
}

#[rstest]
#[tokio::test]
async fn a_user_who_is_disabled_is_refused_though_the_login_still_stands(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let attack = Attack::new(backend).await;
    assert_eq!(attack.outcome(&attack.genuine).await, "welcome");
    let disable = "UPDATE user_account SET disabled_at = '2021-12-19T00:00:00+00:00'";
    attack.world.database.run(disable).await;
    assert_eq!(attack.outcome(&attack.genuine).await, "UNAUTHENTICATED");
}

#[rstest]
#[tokio::test]
async fn a_login_that_is_over_ends_a_token_that_is_not(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let attack = Attack::new(backend).await;
    let over = "UPDATE session SET expires_at = '2021-12-19T00:00:00+00:00'";
    attack.world.database.run(over).await;
    assert_eq!(attack.outcome(&attack.genuine).await, "UNAUTHENTICATED");
}

#[rstest]
#[tokio::test]
async fn keys_rotate_without_a_restart(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let attack = Attack::new(backend).await;
    let world = &attack.world;
    let other = world.another_process().await;
    let new_kid = world.auth.tokens().keys().rotate().await.unwrap();
    assert_eq!(
        part(&world.log_in("taro@example.jp").await.access_token, 0)["kid"],
        attack.kid
    );

    world.pass(TimeDelta::minutes(4));
    let old = world.log_in("taro@example.jp").await.access_token;
    assert_eq!(part(&old, 0)["kid"], attack.kid, "it doesn't sign yet");
    world.pass(TimeDelta::minutes(1));
    let new = world.log_in("taro@example.jp").await.access_token;
    assert_eq!(part(&new, 0)["kid"], new_kid);
    for token in [&old, &new] {
        assert!(other.authenticate(Some(token), None).await.is_ok());
    }

    let jwks = other.tokens().keys().jwks();
    let kids: Vec<&str> = jwks["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| key["kid"].as_str().unwrap())
        .collect();
    assert!(kids.contains(&attack.kid.as_str()) && kids.contains(&new_kid.as_str()));
    assert_eq!(jwks["keys"][0]["kty"], "OKP");
    assert!(jwks["keys"][0].get("d").is_none(), "no private part");

    world.pass(TimeDelta::hours(24));
    let with_old_key = {
        let now = world.clock.now().timestamp();
        attack.with_claims(|claims| {
            claims["iat"] = json!(now);
            claims["nbf"] = json!(now);
            claims["exp"] = json!(now + 300);
        })
    };
    world.pass(TimeDelta::minutes(6));
    assert_eq!(attack.outcome(&with_old_key).await, "UNAUTHENTICATED");
    assert_eq!(world.auth.purge_expired().await.unwrap().keys, 1);
}

#[rstest]
#[tokio::test]
async fn a_leaked_key_is_replaced_at_once_and_in_every_process_within_a_minute(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let attack = Attack::new(backend).await;
    let world = &attack.world;
    let other = world.another_process().await;
    world.auth.tokens().keys().rotate().await.unwrap();
    for auth in [&*world.auth, &other] {
        assert!(auth.authenticate(Some(&attack.genuine), None).await.is_ok());
    }
    let kid = world.auth.tokens().keys().replace().await.unwrap();
    let fresh = world.another_process().await;
    let refused = fresh.authenticate(Some(&attack.genuine), None).await;
    assert!(matches!(refused, Err(AuthFailure::Invalid)), "at once");

    world.pass(TimeDelta::minutes(1));
    for auth in [&*world.auth, &other] {
        let refused = auth.authenticate(Some(&attack.genuine), None).await;
        assert!(matches!(refused, Err(AuthFailure::Invalid)));
    }
    let new = world.log_in("taro@example.jp").await.access_token;
    assert_eq!(part(&new, 0)["kid"], kid);
    assert!(other.authenticate(Some(&new), None).await.is_ok());
    let published = other.tokens().keys().jwks();
    assert_eq!(published["keys"].as_array().unwrap().len(), 1);
}

#[rstest]
#[tokio::test]
async fn the_operator_rotates_keys_and_revokes_the_old_ones(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let database = TestDatabase::new(backend).await;
    let lasting = "SELECT COUNT(*) FROM signing_key WHERE verifies_until IS NULL";
    let rotated = process::run(database.url(), &["token", "rotate-key"]);
    assert!(rotated.status.success(), "{rotated:?}");
    let keys = "SELECT COUNT(*) FROM signing_key";
    assert_eq!(database.number(keys).await, 2);
    assert_eq!(database.number(lasting).await, 1);

    let replaced = process::run(database.url(), &["token", "rotate-key", "--revoke-old"]);
    let kid = String::from_utf8(replaced.stdout).unwrap();
    let newest = "SELECT kid FROM signing_key WHERE verifies_until IS NULL";
    assert_eq!(database.text(newest).await, kid.trim());
    assert_eq!(database.number(lasting).await, 1);
    let ends = "SELECT COUNT(DISTINCT verifies_until) FROM signing_key";
    assert_eq!(database.number(ends).await, 1, "all others end now");

    let alone = process::run(database.url(), &["token"]);
    assert_eq!(alone.status.code(), Some(2), "it needs an address");
}

#[rstest]
#[tokio::test]
async fn an_unknown_key_is_looked_up_once_in_five_seconds(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let attack = Attack::new(backend).await;
    let world = &attack.world;
    let key = ed25519(&[9; 32]);
    let jwk = jsonwebtoken::jwk::Jwk::from_encoding_key(&key, Algorithm::EdDSA).unwrap();
    let jwk = serde_json::to_value(jwk).unwrap();
    let public = URL_SAFE_NO_PAD.decode(jwk["x"].as_str().unwrap()).unwrap();
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let literal = |bytes: &[u8]| match backend {
        Backend::Sqlite => format!("x'{}'", hex(bytes)),
        Backend::Postgres => format!("'\\x{}'", hex(bytes)),
    };
    let sql = format!(
        "INSERT INTO signing_key (kid, private_key, public_key, created_at, signs_from)
         VALUES ('second', {}, {}, '2021-12-19T00:00:00+00:00', '2021-12-19T00:00:00+00:00')",
        literal(&[9; 32]),
        literal(&public)
    );
    world.database.run(&sql).await;
    let token = {
        let header = Header {
            kid: Some("second".to_owned()),
            ..attack.header()
        };
        jsonwebtoken::encode(&header, &attack.claims, &key).unwrap()
    };
    assert_eq!(
        attack.outcome(&token).await,
        "UNAUTHENTICATED",
        "read a moment ago"
    );
    world.pass(TimeDelta::seconds(5));
    assert_eq!(attack.outcome(&token).await, "welcome");
}

#[rstest]
#[tokio::test]
async fn nobody_is_anonymous_and_a_lost_database_is_no_refusal(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let attack = Attack::new(backend).await;
    let caller = attack.world.auth.authenticate(None, None).await.unwrap();
    assert_eq!(caller.actor.identity, Identity::Anonymous);
    assert_eq!(caller.expires_at, None);
    assert_eq!(attack.outcome(&attack.genuine).await, "welcome");
    attack
        .world
        .database
        .run("ALTER TABLE session RENAME TO lost")
        .await;
    let failure = attack
        .world
        .auth
        .authenticate(Some(&attack.genuine), None)
        .await;
    assert!(matches!(failure, Err(AuthFailure::Fault(_))));
}
