//! Logins and their refresh tokens.

use std::sync::Arc;

use chrono::TimeDelta;
use kaitsu::{
    auth::{
        AuthSettings, OrganisationKind, Origin, Role,
        password::PasswordCost,
        service::{LogInRefusal, RefreshRefusal},
    },
    db::Backend,
};
use rstest::rstest;

use crate::support::accounts::{PASSWORD, World, anonymous, credentials, from, reasons, settings};

const TARO: &str = "taro@example.jp";

async fn world_with_taro(backend: Backend) -> World {
    let world = World::new(backend).await;
    world
        .user(TARO, OrganisationKind::Vendor, Role::Editor)
        .await;
    world
}

#[rstest]
#[tokio::test]
async fn a_login_opens_the_door_however_the_address_is_typed(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = world_with_taro(backend).await;
    let input = credentials(" Taro＠Example.JP ", PASSWORD);
    let tokens = world
        .auth
        .log_in(&anonymous(), &Origin::default(), &input)
        .await
        .unwrap();
    assert!(tokens.refresh_token.starts_with("ktr_"));
    let caller = world.authenticate(&tokens.access_token).await;
    assert_eq!(caller.session, Some(tokens.session));
    let plain = "SELECT COUNT(*) FROM refresh_token WHERE token_hash IS NULL";
    assert_eq!(world.database.number(plain).await, 0);
    let recorded = "SELECT COUNT(*) FROM change WHERE operation = 'sessionCreate'";
    assert_eq!(world.database.number(recorded).await, 1);
}

#[rstest]
#[tokio::test]
async fn wrong_unknown_and_disabled_get_one_answer(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = world_with_taro(backend).await;
    let ichiro = "ichiro@example.jp";
    world
        .user(ichiro, OrganisationKind::Vendor, Role::Viewer)
        .await;
    world.auth.set_user_disabled(ichiro, true).await.unwrap();
    for (email, password) in [
        (TARO, "wrong-password"),
        (TARO, ""),
        ("nobody@example.jp", PASSWORD),
        (ichiro, PASSWORD),
        ("no address", PASSWORD),
    ] {
        let input = credentials(email, password);
        let outcome = world
            .auth
            .log_in(&anonymous(), &Origin::default(), &input)
            .await;
        assert_eq!(
            reasons(outcome),
            [LogInRefusal::InvalidCredentials],
            "{email}"
        );
    }
}

#[rstest]
#[tokio::test]
async fn a_refresh_token_gives_the_next_pair_until_the_login_is_over(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = world_with_taro(backend).await;
    let mut tokens = world.log_in(TARO).await;
    for _ in 0..4 {
        world.pass(TimeDelta::days(6));
        let next = world
            .auth
            .refresh(&anonymous(), &Origin::default(), &tokens.refresh_token)
            .await
            .unwrap();
        assert_eq!(next.session, tokens.session);
        assert_ne!(next.refresh_token, tokens.refresh_token);
        world.authenticate(&next.access_token).await;
        tokens = next;
    }
    world.pass(TimeDelta::days(6));
    let outcome = world
        .auth
        .refresh(&anonymous(), &Origin::default(), &tokens.refresh_token)
        .await;
    assert_eq!(
        reasons(outcome),
        [RefreshRefusal::SessionEnded],
        "after 30 days"
    );
}

#[rstest]
#[tokio::test]
async fn an_idle_login_ends_after_a_week(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = world_with_taro(backend).await;
    let tokens = world.log_in(TARO).await;
    world.pass(TimeDelta::days(7));
    let outcome = world
        .auth
        .refresh(&anonymous(), &Origin::default(), &tokens.refresh_token)
        .await;
    assert_eq!(reasons(outcome), [RefreshRefusal::SessionEnded]);
}

#[rstest]
#[tokio::test]
async fn a_reused_refresh_token_ends_its_family_and_no_other(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = world_with_taro(backend).await;
    let first = world.log_in(TARO).await;
    let elsewhere = world.log_in(TARO).await;
    let origin = Origin::default();
    let second = world
        .auth
        .refresh(&anonymous(), &origin, &first.refresh_token)
        .await
        .unwrap();

    let reused = world
        .auth
        .refresh(&anonymous(), &origin, &first.refresh_token)
        .await;
    assert_eq!(reasons(reused), [RefreshRefusal::SessionEnded]);
    let heir = world
        .auth
        .refresh(&anonymous(), &origin, &second.refresh_token)
        .await;
    assert_eq!(reasons(heir), [RefreshRefusal::SessionEnded]);
    for token in [&first.access_token, &second.access_token] {
        assert!(world.auth.authenticate(Some(token), None).await.is_err());
    }
    world.authenticate(&elsewhere.access_token).await;
    world
        .auth
        .refresh(&anonymous(), &origin, &elsewhere.refresh_token)
        .await
        .unwrap();
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_who_use_a_refresh_token_at_once_neither_keeps_the_login(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = world_with_taro(backend).await;
    let other = Arc::new(world.another_process().await);
    for _ in 0..10 {
        let tokens = world.log_in(TARO).await;
        let racers = [Arc::clone(&world.auth), Arc::clone(&other)].map(|auth| {
            let token = tokens.refresh_token.clone();
            tokio::spawn(async move {
                auth.refresh(&anonymous(), &Origin::default(), &token)
                    .await
                    .ok()
            })
        });
        let mut winners = Vec::new();
        for racer in racers {
            winners.extend(racer.await.unwrap());
        }
        assert_eq!(winners.len(), 1, "one use");
        let winner = &winners[0];
        assert!(
            world
                .auth
                .authenticate(Some(&winner.access_token), None)
                .await
                .is_err()
        );
        let outcome = world
            .auth
            .refresh(&anonymous(), &Origin::default(), &winner.refresh_token)
            .await;
        assert_eq!(reasons(outcome), [RefreshRefusal::SessionEnded]);
    }
    let reused = "SELECT COUNT(*) FROM session WHERE revoked_because = 'REUSED'";
    assert_eq!(world.database.number(reused).await, 10);
}

#[rstest]
#[tokio::test]
async fn logging_out_ends_one_login_or_all(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = world_with_taro(backend).await;
    let here = world.log_in(TARO).await;
    let there = world.log_in(TARO).await;
    let third = world.log_in(TARO).await;
    world
        .auth
        .log_out(&anonymous(), &Origin::default(), &third.refresh_token)
        .await
        .unwrap();
    assert!(
        world
            .auth
            .authenticate(Some(&third.access_token), None)
            .await
            .is_err()
    );

    let caller = world.authenticate(&here.access_token).await;
    let origin = Origin {
        session: caller.session,
        ..Origin::default()
    };
    world
        .auth
        .log_out_current(&caller.actor, &origin, false)
        .await
        .unwrap();
    assert!(
        world
            .auth
            .authenticate(Some(&here.access_token), None)
            .await
            .is_err()
    );
    world.authenticate(&there.access_token).await;

    let caller = world.authenticate(&there.access_token).await;
    let origin = Origin {
        session: caller.session,
        ..Origin::default()
    };
    let last = world.log_in(TARO).await;
    world
        .auth
        .log_out_current(&caller.actor, &origin, true)
        .await
        .unwrap();
    for tokens in [there, last] {
        assert!(
            world
                .auth
                .authenticate(Some(&tokens.access_token), None)
                .await
                .is_err()
        );
    }
}

#[rstest]
#[tokio::test]
async fn a_dearer_hash_replaces_the_old_one_at_login(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = world_with_taro(backend).await;
    let hash = "SELECT password_hash FROM user_account";
    assert!(world.database.text(hash).await.contains("m=16,t=1"));
    let dearer = AuthSettings {
        password_cost: PasswordCost {
            memory_kib: 32,
            passes: 2,
            lanes: 1,
        },
        ..settings()
    };
    let upgraded = kaitsu::auth::AuthService::open(world.db().clone(), world.clock.clone(), dearer)
        .await
        .unwrap();
    let input = credentials(TARO, PASSWORD);
    upgraded
        .log_in(&anonymous(), &Origin::default(), &input)
        .await
        .unwrap();
    assert!(world.database.text(hash).await.contains("m=32,t=2"));
    world.log_in(TARO).await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_flood_of_logins_hashes_a_few_at_a_time_and_everyone_is_answered(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    // Many more than the slots and the queue take, and no more than SQLite counts before the last gives up waiting.
    const ATTEMPTS: usize = 60;
    let flooded = AuthSettings {
        password_cost: PasswordCost::default(),
        hashing_slots: 2,
        hashing_queue: 8,
        ..settings()
    };
    let world = World::with(backend, flooded).await;
    let attempts: Vec<_> = (0..ATTEMPTS)
        .map(|number| {
            let auth = Arc::clone(&world.auth);
            tokio::spawn(async move {
                let input = credentials(&format!("user{number}@example.jp"), PASSWORD);
                let origin = from(&format!("192.0.2.{number}"));
                reasons(auth.log_in(&anonymous(), &origin, &input).await)
            })
        })
        .collect();
    let mut answers = Vec::new();
    for attempt in attempts {
        answers.extend(attempt.await.unwrap());
    }
    let busy = answers
        .iter()
        .filter(|answer| matches!(answer, LogInRefusal::Busy(_)))
        .count();
    let wrong = answers
        .iter()
        .filter(|answer| **answer == LogInRefusal::InvalidCredentials)
        .count();
    assert_eq!(busy + wrong, ATTEMPTS);
    assert!(world.auth.passwords().most_at_once() <= 2);
    assert!(wrong >= 10, "some were heard: {wrong}");
    let counted =
        "SELECT COALESCE(SUM(attempts), 0) FROM login_throttle WHERE bucket LIKE '%account%'";
    let counted = world.database.number(counted).await;
    assert_eq!(
        counted,
        i64::try_from(wrong).unwrap(),
        "who was not heard made no attempt"
    );
}
