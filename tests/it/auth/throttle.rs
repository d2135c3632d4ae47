//! Attempts are counted for all processes together.

use std::sync::Arc;

use chrono::TimeDelta;
use kaitsu::{
    auth::{
        AuthService, AuthSettings, OrganisationKind, Origin, Role,
        service::{LogInRefusal, ThrottleLimits},
    },
    db::Backend,
};
use rstest::rstest;

use crate::support::accounts::{PASSWORD, World, anonymous, credentials, from, reasons, settings};

const TARO: &str = "taro@example.jp";

fn limited() -> AuthSettings {
    AuthSettings {
        throttle: ThrottleLimits {
            pair_attempts: 4,
            account_attempts: 8,
            address_attempts: 6,
            window: TimeDelta::minutes(15),
            mails: 2,
            ..ThrottleLimits::default()
        },
        ..settings()
    }
}

async fn try_in(auth: &AuthService, email: &str, password: &str, origin: &Origin) -> LogInRefusal {
    let input = credentials(email, password);
    let outcome = auth.log_in(&anonymous(), origin, &input).await;
    reasons(outcome).remove(0)
}

async fn two_processes(backend: Backend) -> (World, AuthService) {
    let world = World::with(backend, limited()).await;
    world
        .user(TARO, OrganisationKind::Vendor, Role::Editor)
        .await;
    let other = AuthService::open(world.db().clone(), world.clock.clone(), limited()).await;
    (world, other.unwrap())
}

#[rstest]
#[tokio::test]
async fn an_account_is_closed_to_who_guesses_and_not_to_its_owner(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let (world, other) = two_processes(backend).await;
    let stranger = from("192.0.2.1");
    for number in 0..6 {
        let refusal = try_in(&world.auth, TARO, "wrong", &stranger).await;
        let is_closed = matches!(refusal, LogInRefusal::Throttled(_));
        assert_eq!(is_closed, number >= 4, "{number}");
    }
    let input = credentials(TARO, PASSWORD);
    let owner = from("198.51.100.1");
    other.log_in(&anonymous(), &owner, &input).await.unwrap();
}

#[rstest]
#[tokio::test]
async fn an_address_over_its_limit_costs_nobody_else_anything_and_adds_no_rows(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let (world, other) = two_processes(backend).await;
    let stranger = from("192.0.2.1");
    for number in 0..6 {
        let email = format!("user{number}@example.jp");
        try_in(&world.auth, &email, "wrong", &stranger).await;
    }
    let rows = "SELECT COUNT(*) FROM login_throttle";
    let before = world.database.number(rows).await;
    for number in 0..20 {
        let email = format!("other{number}@example.jp");
        for email in [TARO, &email] {
            let refusal = try_in(&world.auth, email, "wrong", &stranger).await;
            assert!(matches!(refusal, LogInRefusal::Throttled(_)), "{refusal:?}");
        }
    }
    assert_eq!(world.database.number(rows).await, before);
    let input = credentials(TARO, PASSWORD);
    let owner = from("198.51.100.1");
    other.log_in(&anonymous(), &owner, &input).await.unwrap();
}

#[rstest]
#[tokio::test]
async fn an_account_that_many_addresses_try_is_closed_to_all_for_a_while(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let (world, other) = two_processes(backend).await;
    for number in 0..8 {
        let auth = if number % 2 == 0 {
            &*world.auth
        } else {
            &other
        };
        let refusal = try_in(auth, TARO, "wrong", &from(&format!("192.0.2.{number}"))).await;
        assert_eq!(refusal, LogInRefusal::InvalidCredentials);
    }
    for auth in [&*world.auth, &other] {
        let refusal = try_in(auth, TARO, PASSWORD, &from("198.51.100.1")).await;
        let LogInRefusal::Throttled(retry) = refusal else {
            panic!("{refusal:?}");
        };
        assert_eq!(retry.seconds, 15 * 60);
    }
    world.pass(TimeDelta::minutes(15));
    world.log_in(TARO).await;
}

#[rstest]
#[tokio::test]
async fn an_address_that_tries_many_accounts_is_closed(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let (world, other) = two_processes(backend).await;
    for number in 0..6 {
        let auth = if number % 2 == 0 {
            &*world.auth
        } else {
            &other
        };
        let email = format!("user{number}@example.jp");
        let address = format!("2001:db8:1:2::{number}");
        let refusal = try_in(auth, &email, "wrong", &from(&address)).await;
        assert_eq!(refusal, LogInRefusal::InvalidCredentials);
    }
    let refusal = try_in(&other, TARO, PASSWORD, &from("2001:db8:1:2:ffff::1")).await;
    assert!(
        matches!(refusal, LogInRefusal::Throttled(_)),
        "one /64 is one subscriber"
    );
    let input = credentials(TARO, PASSWORD);
    let elsewhere = from("2001:db8:1:3::1");
    other
        .log_in(&anonymous(), &elsewhere, &input)
        .await
        .unwrap();
}

#[rstest]
#[tokio::test]
async fn who_comes_in_counts_anew_and_costs_the_address_nothing(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let (world, _) = two_processes(backend).await;
    let office = from("192.0.2.1");
    let input = credentials(TARO, PASSWORD);
    for _ in 0..10 {
        world
            .auth
            .log_in(&anonymous(), &office, &input)
            .await
            .unwrap();
    }
    for _ in 0..3 {
        try_in(&world.auth, TARO, "wrong", &office).await;
    }
    world
        .auth
        .log_in(&anonymous(), &office, &input)
        .await
        .unwrap();
    for _ in 0..3 {
        let refusal = try_in(&world.auth, TARO, "wrong", &office).await;
        assert_eq!(refusal, LogInRefusal::InvalidCredentials);
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn guesses_made_at_once_are_all_counted(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let (world, other) = two_processes(backend).await;
    let processes = [Arc::clone(&world.auth), Arc::new(other)];
    let guesses: Vec<_> = (0..40)
        .map(|number| {
            let auth = Arc::clone(&processes[number % 2]);
            tokio::spawn(async move { try_in(&auth, TARO, "wrong", &Origin::default()).await })
        })
        .collect();
    let mut heard = 0;
    for guess in guesses {
        heard += usize::from(guess.await.unwrap() == LogInRefusal::InvalidCredentials);
    }
    assert_eq!(heard, 4);
    let names = "SELECT COUNT(*) FROM login_throttle WHERE bucket LIKE '%taro%'";
    assert_eq!(
        world.database.number(names).await,
        0,
        "the table names nobody"
    );
}
