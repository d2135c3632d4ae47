//! Changing passwords, and coming back in without one.

use std::sync::Arc;

use chrono::TimeDelta;
use kaitsu::{
    auth::{
        AuthSettings, OrganisationKind as Kind, Origin, Role,
        service::{
            AccountCodeIssue, Busy, CodeRefusal, PasswordChange, PasswordChangeRefusal,
            PasswordProof, PasswordReset, ResetRefusal,
        },
    },
    db::Backend,
};
use rstest::rstest;

use crate::support::accounts::{
    PASSWORD, World, anonymous, credentials, from, open, reasons, settings,
};

const TARO: &str = "taro@example.jp";
const NEW: &str = "another-password-42";

fn by_link(secret: &str) -> PasswordReset {
    PasswordReset {
        proof: PasswordProof::Link(secret.to_owned()),
        new_password: NEW.to_owned(),
    }
}

fn by_code(email: &str, code: &str) -> PasswordReset {
    PasswordReset {
        proof: PasswordProof::Code {
            email: email.to_owned(),
            code: code.to_owned(),
        },
        new_password: NEW.to_owned(),
    }
}

fn issue(email: &str) -> AccountCodeIssue {
    AccountCodeIssue {
        email: email.to_owned(),
        identity_check: "called back at the registered number".to_owned(),
    }
}

async fn can_log_in(world: &World, email: &str, password: &str) -> bool {
    let input = credentials(email, password);
    world
        .auth
        .log_in(&anonymous(), &Origin::default(), &input)
        .await
        .is_ok()
}

#[rstest]
#[tokio::test]
async fn a_mailed_link_sets_a_password_once_and_ends_every_login(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::new(backend).await;
    world.user(TARO, Kind::Vendor, Role::Editor).await;
    let before = world.log_in(TARO).await;
    let origin = Origin::default();
    world
        .auth
        .request_password_reset(&anonymous(), &origin, TARO)
        .await
        .unwrap();
    let secret = world.mailed_secret(TARO).await;

    let weak = PasswordReset {
        new_password: "password1234".to_owned(),
        ..by_link(&secret)
    };
    let outcome = world
        .auth
        .reset_password(&anonymous(), &origin, &weak)
        .await;
    assert!(
        matches!(reasons(outcome)[..], [ResetRefusal::Input(_)]),
        "the link isn't used up"
    );
    world
        .auth
        .reset_password(&anonymous(), &origin, &by_link(&secret))
        .await
        .unwrap();
    assert!(
        world
            .auth
            .authenticate(Some(&before.access_token), None)
            .await
            .is_err()
    );
    assert!(!can_log_in(&world, TARO, PASSWORD).await);
    assert!(can_log_in(&world, TARO, NEW).await);
    let again = world
        .auth
        .reset_password(&anonymous(), &origin, &by_link(&secret))
        .await;
    assert_eq!(reasons(again), [ResetRefusal::SecretInvalid]);
    let mails = world.mails().await;
    assert!(
        mails
            .iter()
            .any(|mail| mail.contains("Your password was changed"))
    );
}

#[rstest]
#[tokio::test]
async fn asking_for_a_link_tells_nobody_whether_there_is_an_account(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::new(backend).await;
    world.user(TARO, Kind::Vendor, Role::Editor).await;
    world
        .user("gone@example.jp", Kind::Vendor, Role::Editor)
        .await;
    world
        .auth
        .set_user_disabled("gone@example.jp", true)
        .await
        .unwrap();
    let count = "SELECT (SELECT COUNT(*) FROM mail_outbox) + (SELECT COUNT(*) FROM one_time_secret)
        + (SELECT COUNT(*) FROM login_throttle)";
    let kept_for_ever = "SELECT COUNT(*) FROM change";
    let changes = world.database.number(kept_for_ever).await;
    let mut writes = Vec::new();
    for email in [TARO, "nobody@example.jp", "gone@example.jp"] {
        let before = world.database.number(count).await;
        let origin = Origin::default();
        world
            .auth
            .request_password_reset(&anonymous(), &origin, email)
            .await
            .unwrap();
        writes.push(world.database.number(count).await - before);
    }
    assert_eq!(writes, [5, 5, 5], "the same work");
    assert_eq!(world.database.number(kept_for_ever).await, changes);
    assert_eq!(world.mails().await.len(), 1);
}

#[rstest]
#[tokio::test]
async fn a_flood_of_requests_mails_a_few_links(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::new(backend).await;
    world.user(TARO, Kind::Vendor, Role::Editor).await;
    for _ in 0..9 {
        let origin = Origin::default();
        world
            .auth
            .request_password_reset(&anonymous(), &origin, TARO)
            .await
            .unwrap();
    }
    assert_eq!(world.mails().await.len(), 5);
}

#[rstest]
#[tokio::test]
async fn a_link_ends_after_an_hour_and_with_the_next_change_of_password(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::new(backend).await;
    let taro = world.actor(TARO, Kind::Vendor, Role::Editor).await;
    let origin = Origin::default();
    world
        .auth
        .request_password_reset(&anonymous(), &origin, TARO)
        .await
        .unwrap();
    let old = world.mailed_secret(TARO).await;
    world.pass(TimeDelta::hours(1));
    let outcome = world
        .auth
        .reset_password(&anonymous(), &origin, &by_link(&old))
        .await;
    assert_eq!(reasons(outcome), [ResetRefusal::SecretInvalid]);

    world
        .auth
        .request_password_reset(&anonymous(), &origin, TARO)
        .await
        .unwrap();
    let secret = world.mailed_secret(TARO).await;
    let change = PasswordChange {
        current_password: PASSWORD.to_owned(),
        new_password: "a-third-password-43".to_owned(),
    };
    world
        .auth
        .change_password(&taro, &origin, &change)
        .await
        .unwrap();
    let outcome = world
        .auth
        .reset_password(&anonymous(), &origin, &by_link(&secret))
        .await;
    assert_eq!(reasons(outcome), [ResetRefusal::SecretInvalid]);
}

#[rstest]
#[tokio::test]
async fn changing_a_password_needs_the_present_one_and_ends_the_other_logins(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::new(backend).await;
    world.user(TARO, Kind::Vendor, Role::Editor).await;
    let here = world.log_in(TARO).await;
    let there = world.log_in(TARO).await;
    let caller = world.authenticate(&here.access_token).await;
    let origin = Origin {
        session: caller.session,
        ..Origin::default()
    };
    let change = |current: &str| PasswordChange {
        current_password: current.to_owned(),
        new_password: NEW.to_owned(),
    };
    let outcome = world
        .auth
        .change_password(&caller.actor, &origin, &change("wrong"))
        .await;
    assert_eq!(reasons(outcome), [PasswordChangeRefusal::WrongPassword]);
    world
        .auth
        .change_password(&caller.actor, &origin, &change(PASSWORD))
        .await
        .unwrap();
    world.authenticate(&here.access_token).await;
    assert!(
        world
            .auth
            .authenticate(Some(&there.access_token), None)
            .await
            .is_err()
    );
    assert!(can_log_in(&world, TARO, NEW).await);
}

#[rstest]
#[tokio::test]
async fn a_change_of_password_that_nobody_has_time_for_is_no_attempt(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::new(backend).await;
    world.user(TARO, Kind::Vendor, Role::Editor).await;
    let session = world.log_in(TARO).await;
    let taro = world.authenticate(&session.access_token).await.actor;
    let without_hands = AuthSettings {
        hashing_slots: 0,
        hashing_queue: 0,
        ..settings()
    };
    let busy = open(world.db(), &world.clock, without_hands).await;
    let change = PasswordChange {
        current_password: "wrong".to_owned(),
        new_password: NEW.to_owned(),
    };
    let home = from("192.0.2.1");
    let counted = "SELECT COALESCE(SUM(attempts), 0) FROM login_throttle";
    let refused = busy.change_password(&taro, &home, &change).await;
    assert_eq!(reasons(refused), [PasswordChangeRefusal::Busy(Busy)]);
    assert_eq!(world.database.number(counted).await, 0);
    let refused = world.auth.change_password(&taro, &home, &change).await;
    assert_eq!(reasons(refused), [PasswordChangeRefusal::WrongPassword]);
    assert_eq!(
        world.database.number(counted).await,
        3,
        "for the address, the pair and the account"
    );
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_link_sets_one_password_of_many_at_once(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::new(backend).await;
    world.user(TARO, Kind::Vendor, Role::Editor).await;
    let origin = Origin::default();
    world
        .auth
        .request_password_reset(&anonymous(), &origin, TARO)
        .await
        .unwrap();
    let secret = world.mailed_secret(TARO).await;
    let racers: Vec<_> = (0..8)
        .map(|number| {
            let auth = Arc::clone(&world.auth);
            let reset = PasswordReset {
                new_password: format!("racing-password-{number}"),
                ..by_link(&secret)
            };
            tokio::spawn(async move {
                auth.reset_password(&anonymous(), &Origin::default(), &reset)
                    .await
                    .is_ok()
            })
        })
        .collect();
    let mut done = 0;
    for racer in racers {
        done += i32::from(racer.await.unwrap());
    }
    assert_eq!(done, 1);
}

#[rstest]
#[tokio::test]
async fn a_code_from_staff_sets_a_password_and_says_who_issued_it_and_why(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::new(backend).await;
    let taro = world.user(TARO, Kind::Vendor, Role::Editor).await.user;
    let staff = world
        .actor("staff@example.jp", Kind::PaymentFund, Role::Editor)
        .await;
    let origin = Origin::default();
    let issued = world
        .auth
        .issue_account_code(&world.writer(&staff), &issue(TARO))
        .await
        .unwrap()
        .fresh
        .unwrap();
    assert_eq!(issued.code.len(), 10);
    let reason = "SELECT reason FROM change WHERE operation = 'accountCodeIssue'";
    let recorded = world.database.text(reason).await;
    assert_eq!(
        recorded,
        format!("user {}: called back at the registered number", taro.id)
    );
    let notice = world.mails().await;
    assert!(notice[0].contains("A code was issued"));
    assert!(!notice[0].contains(&issued.code));

    let spoken = format!("{} {}", &issued.code[..5].to_lowercase(), &issued.code[5..]);
    let reset = by_code(TARO, &spoken);
    world
        .auth
        .reset_password(&anonymous(), &origin, &reset)
        .await
        .unwrap();
    assert!(can_log_in(&world, TARO, NEW).await);
    let again = world
        .auth
        .reset_password(&anonymous(), &origin, &reset)
        .await;
    assert_eq!(reasons(again), [ResetRefusal::SecretInvalid]);
}

#[rstest]
#[tokio::test]
async fn a_code_outlives_a_few_wrong_guesses_and_dies_of_age_and_of_its_successor(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::new(backend).await;
    world.user(TARO, Kind::Vendor, Role::Editor).await;
    let staff = world
        .actor("staff@example.jp", Kind::PaymentFund, Role::Editor)
        .await;
    let origin = Origin::default();
    let refused = async |code: &str| {
        let outcome = world
            .auth
            .reset_password(&anonymous(), &origin, &by_code(TARO, code))
            .await;
        reasons(outcome) == [ResetRefusal::SecretInvalid]
    };
    let guessed = world
        .auth
        .issue_account_code(&world.writer(&staff), &issue(TARO))
        .await
        .unwrap()
        .fresh
        .unwrap();
    for _ in 0..5 {
        assert!(refused("0000000000").await);
    }
    world
        .auth
        .reset_password(&anonymous(), &origin, &by_code(TARO, &guessed.code))
        .await
        .unwrap();
    let old = world
        .auth
        .issue_account_code(&world.writer(&staff), &issue(TARO))
        .await
        .unwrap()
        .fresh
        .unwrap();
    let new = world
        .auth
        .issue_account_code(&world.writer(&staff), &issue(TARO))
        .await
        .unwrap()
        .fresh
        .unwrap();
    assert!(refused(&old.code).await, "replaced");
    world.pass(TimeDelta::hours(2));
    assert!(refused(&new.code).await, "over");
}

#[rstest]
#[tokio::test]
async fn helping_is_no_way_into_an_account_that_opens_more_than_its_own(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::new(backend).await;
    let staff = world
        .actor("staff@example.jp", Kind::PaymentFund, Role::Editor)
        .await;
    let admin = world
        .actor("fund@example.jp", Kind::PaymentFund, Role::Admin)
        .await;
    let vendor = world
        .actor("vendor@example.jp", Kind::Vendor, Role::Admin)
        .await;
    world
        .user("ministry@example.jp", Kind::Ministry, Role::Admin)
        .await;
    world
        .user("auditor@example.jp", Kind::Auditor, Role::Viewer)
        .await;
    for (actor, email, refusal) in [
        (&staff, "ministry@example.jp", CodeRefusal::Forbidden),
        (&admin, "ministry@example.jp", CodeRefusal::Forbidden),
        (&staff, "auditor@example.jp", CodeRefusal::Forbidden),
        (&staff, "fund@example.jp", CodeRefusal::Forbidden),
        (&staff, "staff@example.jp", CodeRefusal::Forbidden),
        (&vendor, "staff@example.jp", CodeRefusal::Forbidden),
        (&staff, "nobody@example.jp", CodeRefusal::UserNotFound),
    ] {
        let outcome = world
            .auth
            .issue_account_code(&world.writer(actor), &issue(email))
            .await;
        assert_eq!(reasons(outcome), [refusal], "{email}");
    }
    world
        .auth
        .issue_account_code(&world.writer(&admin), &issue("staff@example.jp"))
        .await
        .unwrap();
}

#[rstest]
#[tokio::test]
async fn a_repeated_request_issues_one_code_and_shows_it_once_and_a_dry_run_none(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::new(backend).await;
    world.user(TARO, Kind::Vendor, Role::Editor).await;
    let staff = world
        .actor("staff@example.jp", Kind::PaymentFund, Role::Editor)
        .await;
    let dry = world
        .auth
        .issue_account_code(&world.dry(&staff), &issue(TARO))
        .await
        .unwrap();
    assert!(dry.fresh.is_none());
    let codes = "SELECT COUNT(*) FROM one_time_secret";
    assert_eq!(world.database.number(codes).await, 0);

    let keyed = world.keyed(&staff, "k", "issue");
    let first = world.auth.issue_account_code(&keyed, &issue(TARO)).await;
    let code = first.unwrap().fresh.unwrap().code;
    let again = world.auth.issue_account_code(&keyed, &issue(TARO)).await;
    assert!(again.unwrap().fresh.is_none());
    assert_eq!(world.database.number(codes).await, 1);
    assert_eq!(world.mails().await.len(), 1);
    let kept = world.database.text("SELECT outcome FROM idempotency").await;
    assert!(!kept.contains(&code), "{kept}");
}

#[rstest]
#[tokio::test]
async fn an_owner_who_was_kept_out_comes_back_in_by_a_link(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::new(backend).await;
    world.user(TARO, Kind::Vendor, Role::Editor).await;
    let home = from("192.0.2.1");
    let input = credentials(TARO, "forgotten-password");
    for _ in 0..11 {
        let refused = world.auth.log_in(&anonymous(), &home, &input).await;
        assert_eq!(reasons(refused).len(), 1);
    }
    world
        .auth
        .request_password_reset(&anonymous(), &home, TARO)
        .await
        .unwrap();
    let secret = world.mailed_secret(TARO).await;
    world
        .auth
        .reset_password(&anonymous(), &home, &by_link(&secret))
        .await
        .unwrap();
    let input = credentials(TARO, NEW);
    world
        .auth
        .log_in(&anonymous(), &home, &input)
        .await
        .unwrap();
}
