//! A facility claims its account by its letter.

use std::sync::Arc;

use chrono::TimeDelta;
use kaitsu::{
    auth::{
        Actor, OrganisationKind as Kind, Origin, Role,
        service::{
            ClaimRefusal, ExportRefusal, FacilityAccountClaim, FacilityClaimSecretsExport, Repeated,
        },
    },
    db::{Backend, FacilityId},
};
use rstest::rstest;

use crate::support::accounts::{PASSWORD, World, anonymous, from, reasons};

const CODE: &str = "0110112489";

struct Letters {
    world: World,
    staff: Actor,
    facility: FacilityId,
}

impl Letters {
    async fn new(backend: Backend) -> Self {
        let world = World::new(backend).await;
        let staff = world
            .actor("staff@example.jp", Kind::PaymentFund, Role::Editor)
            .await;
        let facility = world.facility(7, CODE).await;
        Self {
            world,
            staff,
            facility,
        }
    }

    async fn secret(&self) -> String {
        let export = FacilityClaimSecretsExport {
            facilities: vec![self.facility],
        };
        let writer = self.world.writer(&self.staff);
        let letters = self
            .world
            .auth
            .export_claim_secrets(&writer, &export)
            .await
            .unwrap();
        assert_eq!(letters[0].code, CODE);
        letters[0].secret.clone().unwrap()
    }

    async fn claim(&self, claim: &FacilityAccountClaim) -> Result<Actor, Vec<ClaimRefusal>> {
        self.claim_from(&Origin::default(), claim).await
    }

    async fn claim_from(
        &self,
        origin: &Origin,
        claim: &FacilityAccountClaim,
    ) -> Result<Actor, Vec<ClaimRefusal>> {
        let outcome = self
            .world
            .auth
            .claim_facility_account(&anonymous(), origin, claim)
            .await;
        match outcome {
            Ok(claimed) => {
                let caller = self.world.authenticate(&claimed.session.access_token).await;
                Ok(caller.actor)
            }
            refused => Err(reasons(refused)),
        }
    }
}

fn claim(code: &str, secret: &str, email: &str) -> FacilityAccountClaim {
    FacilityAccountClaim {
        code: code.to_owned(),
        secret: secret.to_owned(),
        email: email.to_owned(),
        password: PASSWORD.to_owned(),
        name: "院長".to_owned(),
        language: None,
    }
}

#[rstest]
#[tokio::test]
async fn a_letter_makes_its_holder_administrator_of_that_facility_only(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let letters = Letters::new(backend).await;
    let secret = letters.secret().await;
    assert_eq!(secret.len(), 14);
    let typed = secret.to_lowercase().replace('-', " ");
    let actor = letters
        .claim(&claim("０１１０１１２４８９", &typed, "clinic@example.jp"))
        .await;
    let actor = actor.unwrap();
    assert_eq!(actor.grants.len(), 1);
    assert_eq!(actor.grants[0].kind, Kind::Facility);
    assert_eq!(actor.grants[0].role, Role::Admin);
    assert_eq!(actor.grants[0].facility, Some(letters.facility));
    let name = "SELECT name FROM organisation WHERE facility_id = 7";
    assert_eq!(letters.world.database.text(name).await, "みなと診療所");
    let again = letters
        .claim(&claim(CODE, &secret, "second@example.jp"))
        .await;
    assert_eq!(again.unwrap_err(), [ClaimRefusal::SecretInvalid]);
}

#[rstest]
#[tokio::test]
async fn a_second_letter_adds_an_administrator_to_the_same_account(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let letters = Letters::new(backend).await;
    let secret = letters.secret().await;
    let first = letters
        .claim(&claim(CODE, &secret, "first@example.jp"))
        .await
        .unwrap();
    let secret = letters.secret().await;
    let second = letters
        .claim(&claim(CODE, &secret, "second@example.jp"))
        .await
        .unwrap();
    assert_eq!(first.grants[0].organisation, second.grants[0].organisation);
    let secret = letters.secret().await;
    let again = letters
        .claim(&claim(CODE, &secret, "second@example.jp"))
        .await;
    assert_eq!(again.unwrap_err(), [ClaimRefusal::AlreadyMember]);
}

#[rstest]
#[tokio::test]
async fn an_existing_account_claims_with_its_own_password_only(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let letters = Letters::new(backend).await;
    letters
        .world
        .user("taro@example.jp", Kind::Chain, Role::Viewer)
        .await;
    let secret = letters.secret().await;
    let wrong = FacilityAccountClaim {
        password: "some-other-password".to_owned(),
        ..claim(CODE, &secret, "taro@example.jp")
    };
    let refused = letters.claim(&wrong).await;
    assert_eq!(refused.unwrap_err(), [ClaimRefusal::AccountExists]);
    let actor = letters
        .claim(&claim(CODE, &secret, "taro@example.jp"))
        .await
        .unwrap();
    assert_eq!(
        actor.grants.len(),
        2,
        "the letter was not used up by the wrong password"
    );
}

#[rstest]
#[tokio::test]
async fn wrong_secrets_unknown_codes_and_old_letters_get_one_answer(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let letters = Letters::new(backend).await;
    letters.world.facility(8, "1110301762").await;
    let old = letters.secret().await;
    let new = letters.secret().await;
    for (code, secret) in [
        (CODE, "0000-0000-0000"),
        (CODE, ""),
        (CODE, old.as_str()),
        ("1110301762", new.as_str()),
        ("9999999999", new.as_str()),
    ] {
        let refused = letters
            .claim(&claim(code, secret, "clinic@example.jp"))
            .await;
        assert_eq!(
            refused.unwrap_err(),
            [ClaimRefusal::SecretInvalid],
            "{code} {secret}"
        );
    }
    letters.world.pass(TimeDelta::days(90));
    let refused = letters.claim(&claim(CODE, &new, "clinic@example.jp")).await;
    assert_eq!(
        refused.unwrap_err(),
        [ClaimRefusal::SecretInvalid],
        "90 days"
    );
}

#[rstest]
#[tokio::test]
async fn strangers_who_guess_are_kept_out_and_do_not_end_the_letter(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let letters = Letters::new(backend).await;
    let secret = letters.secret().await;
    let wrong = claim(CODE, "0000-0000-0000", "clinic@example.jp");
    let right = claim(CODE, &secret, "clinic@example.jp");
    for number in 0..9 {
        let stranger = from(&format!("192.0.2.{number}"));
        for _ in 0..10 {
            let refused = letters.claim_from(&stranger, &wrong).await.unwrap_err();
            assert_eq!(refused, [ClaimRefusal::SecretInvalid]);
        }
        let closed = letters.claim_from(&stranger, &right).await.unwrap_err();
        assert!(matches!(closed[..], [ClaimRefusal::Throttled(_)]));
    }
    let holder = from("198.51.100.1");
    letters.claim_from(&holder, &right).await.unwrap();
}

#[rstest]
#[tokio::test]
async fn a_letter_ends_after_more_wrong_guesses_than_the_limits_let_through(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let letters = Letters::new(backend).await;
    let secret = letters.secret().await;
    let guessed = |failures: i32| format!("UPDATE one_time_secret SET failures = {failures}");
    let right = claim(CODE, &secret, "clinic@example.jp");
    letters.world.database.run(&guessed(1_000)).await;
    let refused = letters.claim(&right).await.unwrap_err();
    assert_eq!(refused, [ClaimRefusal::SecretInvalid]);
    letters.world.database.run(&guessed(999)).await;
    letters.claim(&right).await.unwrap();
}

#[rstest]
#[tokio::test]
async fn a_facility_that_is_wanted_twice_gets_no_dead_letter(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let letters = Letters::new(backend).await;
    let twice = FacilityClaimSecretsExport {
        facilities: vec![letters.facility, FacilityId(99), letters.facility],
    };
    let writer = letters.world.writer(&letters.staff);
    let refused = letters
        .world
        .auth
        .export_claim_secrets(&writer, &twice)
        .await;
    let wrong = [
        ExportRefusal::FacilityNotFound(1),
        ExportRefusal::FacilityRepeated(Repeated { position: 2 }),
    ];
    assert_eq!(reasons(refused), wrong);
}

#[rstest]
#[tokio::test]
async fn a_letter_says_where_it_goes(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let letters = Letters::new(backend).await;
    let place = "UPDATE facility SET postal_code = '060-0001', address = '北海道札幌市中央区北一条西二丁目'";
    letters.world.database.run(place).await;
    let export = FacilityClaimSecretsExport {
        facilities: vec![letters.facility],
    };
    let writer = letters.world.writer(&letters.staff);
    let made = letters
        .world
        .auth
        .export_claim_secrets(&writer, &export)
        .await
        .unwrap();
    assert_eq!(made[0].postal_code, "060-0001");
    assert_eq!(made[0].address, "北海道札幌市中央区北一条西二丁目");
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_who_claim_at_once_one_gets_the_account(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let letters = Letters::new(backend).await;
    let secret = letters.secret().await;
    let racers: Vec<_> = (0..8)
        .map(|number| {
            let auth = Arc::clone(&letters.world.auth);
            let claim = claim(CODE, &secret, &format!("racer{number}@example.jp"));
            tokio::spawn(async move {
                let origin = Origin::default();
                auth.claim_facility_account(&anonymous(), &origin, &claim)
                    .await
                    .is_ok()
            })
        })
        .collect();
    let mut claimed = 0;
    for racer in racers {
        claimed += i32::from(racer.await.unwrap());
    }
    assert_eq!(claimed, 1);
    let members =
        "SELECT COUNT(*) FROM membership m JOIN organisation o ON o.id = m.organisation_id
        WHERE o.facility_id = 7";
    assert_eq!(letters.world.database.number(members).await, 1);
}

#[rstest]
#[tokio::test]
async fn letters_are_exported_by_staff_in_the_order_asked_for(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let letters = Letters::new(backend).await;
    let world = &letters.world;
    let other = world.facility(8, "1110301762").await;
    let export = |facilities| FacilityClaimSecretsExport { facilities };
    let both = export(vec![other, letters.facility]);
    let writer = world.writer(&letters.staff);
    let made = world
        .auth
        .export_claim_secrets(&writer, &both)
        .await
        .unwrap();
    let codes: Vec<&str> = made.iter().map(|letter| letter.code.as_str()).collect();
    assert_eq!(codes, ["1110301762", CODE]);

    let stored = "SELECT COUNT(*) FROM one_time_secret";
    let dry = world
        .auth
        .export_claim_secrets(&world.dry(&letters.staff), &both)
        .await
        .unwrap();
    assert!(dry.iter().all(|letter| letter.secret.is_none()));
    assert_eq!(world.database.number(stored).await, 2);

    let keyed = world.keyed(&letters.staff, "k", "both");
    let first = world
        .auth
        .export_claim_secrets(&keyed, &both)
        .await
        .unwrap();
    let again = world
        .auth
        .export_claim_secrets(&keyed, &both)
        .await
        .unwrap();
    assert!(first.iter().all(|letter| letter.secret.is_some()));
    assert!(
        again.iter().all(|letter| letter.secret.is_none()),
        "shown once"
    );
    assert_eq!(world.database.number(stored).await, 4);
    let kept = world.database.text("SELECT outcome FROM idempotency").await;
    assert!(!kept.contains(first[0].secret.as_deref().unwrap()));

    let unknown = export(vec![letters.facility, FacilityId(99), FacilityId(98)]);
    let refused = world.auth.export_claim_secrets(&writer, &unknown).await;
    let not_found = [
        ExportRefusal::FacilityNotFound(1),
        ExportRefusal::FacilityNotFound(2),
    ];
    assert_eq!(reasons(refused), not_found);
    let vendor = world
        .actor("vendor@example.jp", Kind::Vendor, Role::Admin)
        .await;
    let refused = world
        .auth
        .export_claim_secrets(&world.writer(&vendor), &both)
        .await;
    assert_eq!(reasons(refused), [ExportRefusal::Forbidden]);
}
