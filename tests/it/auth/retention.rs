//! What the accounts forget, and what the operator does at the command line.

use chrono::TimeDelta;
use kaitsu::{
    auth::{
        Language, OrganisationKind as Kind, Origin, Role,
        service::{
            ClaimRefusal, FacilityAccountClaim, FacilityClaimSecretsExport, NewMember,
            OperatorRefusal, UserCreate,
        },
    },
    db::Backend,
};
use rstest::rstest;

use crate::support::accounts::{PASSWORD, World, anonymous, credentials, reasons};

#[rstest]
#[tokio::test]
async fn what_ended_is_forgotten_after_its_time_and_what_lasts_is_kept(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::new(backend).await;
    world
        .user("taro@example.jp", Kind::Vendor, Role::Editor)
        .await;
    let origin = Origin::default();
    world.log_in("taro@example.jp").await;
    world
        .auth
        .request_password_reset(&anonymous(), &origin, "taro@example.jp")
        .await
        .unwrap();
    world.mails().await;
    world.pass(TimeDelta::days(29));
    let purged = world.auth.purge_expired().await.unwrap();
    assert_eq!((purged.sessions, purged.secrets, purged.mails), (0, 0, 0));
    assert!(purged.attempts > 0);
    world.pass(TimeDelta::days(2));
    let purged = world.auth.purge_expired().await.unwrap();
    assert_eq!((purged.sessions, purged.secrets, purged.mails), (0, 1, 0));
    world.pass(TimeDelta::days(60));
    world.log_in("taro@example.jp").await;
    let purged = world.auth.purge_expired().await.unwrap();
    assert_eq!(
        (purged.sessions, purged.mails),
        (2, 1),
        "a login and its refresh token"
    );
    assert_eq!(
        world.database.number("SELECT COUNT(*) FROM session").await,
        1
    );
    assert_eq!(
        world
            .database
            .number("SELECT COUNT(*) FROM signing_key")
            .await,
        1
    );
}

#[rstest]
#[tokio::test]
async fn a_used_letter_is_forgotten_when_it_brings_none_before_it_back(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::new(backend).await;
    let staff = world
        .actor("staff@example.jp", Kind::PaymentFund, Role::Editor)
        .await;
    let facility = world.facility(7, "0110112489").await;
    let letter = async || {
        let export = FacilityClaimSecretsExport {
            facilities: vec![facility],
        };
        let writer = world.writer(&staff);
        let letters = world.auth.export_claim_secrets(&writer, &export).await;
        letters.unwrap()[0].secret.clone().unwrap()
    };
    let claim = async |secret: String, email: &str| {
        let claim = FacilityAccountClaim {
            code: "0110112489".to_owned(),
            secret,
            email: email.to_owned(),
            password: PASSWORD.to_owned(),
            name: "院長".to_owned(),
            language: None,
        };
        world
            .auth
            .claim_facility_account(&anonymous(), &Origin::default(), &claim)
            .await
    };
    let first = letter().await;
    world.pass(TimeDelta::days(1));
    let second = letter().await;
    assert!(claim(second, "first@example.jp").await.is_ok());

    world.pass(TimeDelta::days(31));
    assert_eq!(world.auth.purge_expired().await.unwrap().secrets, 0);
    let replaced = claim(first, "second@example.jp").await;
    assert_eq!(reasons(replaced), [ClaimRefusal::SecretInvalid]);

    // The first ends after 90 days; both go 30 days later.
    world.pass(TimeDelta::days(90));
    let third = letter().await;
    assert!(claim(third, "third@example.jp").await.is_ok());
    assert_eq!(world.auth.purge_expired().await.unwrap().secrets, 2);
    world.pass(TimeDelta::days(29));
    assert_eq!(world.auth.purge_expired().await.unwrap().secrets, 0);
    world.pass(TimeDelta::days(2));
    assert_eq!(world.auth.purge_expired().await.unwrap().secrets, 1);
}

#[rstest]
#[tokio::test]
async fn more_than_one_statement_deletes_is_forgotten_at_once(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::new(backend).await;
    let windows = |from: u32, until: &str| {
        format!(
            "WITH RECURSIVE numbers (n) AS (SELECT {from} UNION ALL SELECT n + 1 FROM numbers WHERE n < {from} + 5000)
             INSERT INTO login_throttle (bucket, attempts, window_ends_at)
             SELECT 'bucket ' || n, 1, '{until}' FROM numbers"
        )
    };
    for sql in [
        windows(0, "2021-12-18 00:00:00+00:00"),
        windows(9_000, "2021-12-20 00:00:00+00:00"),
    ] {
        world.database.run(&sql).await;
    }
    let purged = world.auth.purge_expired().await.unwrap();
    assert_eq!(purged.attempts, 5_001);
    let left = "SELECT COUNT(*) FROM login_throttle";
    assert_eq!(world.database.number(left).await, 5_001);
}

#[rstest]
#[tokio::test]
async fn the_operator_makes_the_first_administrator_and_hands_out_a_token(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::new(backend).await;
    let input = UserCreate {
        email: "first@example.jp".to_owned(),
        name: "最初の管理者".to_owned(),
        organisation: NewMember::Named {
            kind: Kind::Ministry,
            name: "厚生労働省".to_owned(),
            bureau: None,
        },
        role: Role::Admin,
        password: None,
        language: Language::Ja,
    };
    let made = world.auth.create_user(&input).await.unwrap();
    let password = made.generated_password.unwrap();
    let credentials = credentials("first@example.jp", &password);
    let origin = Origin::default();
    world
        .auth
        .log_in(&anonymous(), &origin, &credentials)
        .await
        .unwrap();
    assert_eq!(
        reasons(world.auth.create_user(&input).await),
        [OperatorRefusal::AlreadyMember]
    );

    let hours = TimeDelta::hours(8);
    let (token, expires_at) = world
        .auth
        .issue_access_token("first@example.jp", hours)
        .await
        .unwrap();
    assert_eq!(expires_at, world.clock.now() + hours);
    world.pass(hours - TimeDelta::seconds(1));
    assert_eq!(
        world.authenticate(&token).await.actor.grants[0].role,
        Role::Admin
    );
    world.pass(TimeDelta::minutes(1));
    assert!(world.auth.authenticate(Some(&token), None).await.is_err());
    let outcome = world
        .auth
        .issue_access_token("nobody@example.jp", hours)
        .await;
    assert_eq!(reasons(outcome), [OperatorRefusal::UserNotFound]);
}
