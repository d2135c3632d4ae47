//! Invitations: who may send them, and who joins by them.

use std::sync::Arc;

use chrono::TimeDelta;
use kaitsu::{
    auth::{
        AuthSettings, OrganisationKind as Kind, Origin, Role,
        input::{Field, Flaw},
        service::{
            Acceptance, Failure, InvitationAccept, InviteRefusal, MemberRemove, MemberUpdate,
            OrganisationCreate, RevokeRefusal, ThrottleLimits,
        },
    },
    db::Backend,
};
use rstest::rstest;

use super::member::{invite, own, with_new_account};
use crate::support::accounts::{PASSWORD, World, anonymous, reasons, settings};

#[rstest]
#[tokio::test]
async fn an_invited_person_joins_with_a_new_account_once(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::new(backend).await;
    let admin = world
        .actor("admin@example.jp", Kind::Vendor, Role::Admin)
        .await;
    let wish = invite(own(&admin), "Hanako@Example.jp", Role::Editor);
    world
        .auth
        .invite_member(&world.writer(&admin), &wish)
        .await
        .unwrap();
    let secret = world.mailed_secret("hanako@example.jp").await;
    assert!(secret.starts_with("ktl_"));
    let content = "SELECT content FROM mail_outbox";
    assert_eq!(
        world.database.text(content).await,
        "{}",
        "nothing to read once it is sent"
    );

    let accept = with_new_account(&secret);
    let joined = world
        .auth
        .accept_invitation(&anonymous(), &Origin::default(), &accept)
        .await;
    let session = joined.unwrap().session.unwrap();
    let caller = world.authenticate(&session.access_token).await;
    assert_eq!(own(&caller.actor), own(&admin));
    assert_eq!(caller.actor.grants[0].role, Role::Editor);

    let again = world
        .auth
        .accept_invitation(&caller.actor, &Origin::default(), &accept)
        .await;
    assert_eq!(reasons(again), [InviteRefusal::SecretInvalid]);
    let again = world.auth.invite_member(&world.writer(&admin), &wish).await;
    assert_eq!(reasons(again), [InviteRefusal::AlreadyMember]);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_invitation_lets_one_of_many_racers_in(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::new(backend).await;
    let admin = world
        .actor("admin@example.jp", Kind::Vendor, Role::Admin)
        .await;
    let wish = invite(own(&admin), "hanako@example.jp", Role::Viewer);
    world
        .auth
        .invite_member(&world.writer(&admin), &wish)
        .await
        .unwrap();
    let secret = world.mailed_secret("hanako@example.jp").await;
    let racers: Vec<_> = (0..8)
        .map(|_| {
            let auth = Arc::clone(&world.auth);
            let accept = with_new_account(&secret);
            tokio::spawn(async move {
                let origin = Origin::default();
                auth.accept_invitation(&anonymous(), &origin, &accept)
                    .await
                    .is_ok()
            })
        })
        .collect();
    let mut joined = 0;
    for racer in racers {
        joined += i32::from(racer.await.unwrap());
    }
    assert_eq!(joined, 1);
    assert_eq!(
        world
            .database
            .number("SELECT COUNT(*) FROM membership")
            .await,
        2
    );
}

#[rstest]
#[tokio::test]
async fn an_address_with_an_account_joins_only_through_its_owner(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::new(backend).await;
    let admin = world
        .actor("admin@example.jp", Kind::Vendor, Role::Admin)
        .await;
    let hanako = world
        .actor("hanako@example.jp", Kind::Chain, Role::Viewer)
        .await;
    let stranger = world
        .actor("stranger@example.jp", Kind::Supplier, Role::Viewer)
        .await;
    let wish = invite(own(&admin), "hanako@example.jp", Role::Editor);
    world
        .auth
        .invite_member(&world.writer(&admin), &wish)
        .await
        .unwrap();
    let secret = world.mailed_secret("hanako@example.jp").await;
    let by = |by| InvitationAccept {
        secret: secret.clone(),
        by,
    };
    let origin = Origin::default();
    for (actor, accept) in [
        (&anonymous(), with_new_account(&secret)),
        (&anonymous(), by(Acceptance::Actor)),
        (&stranger, by(Acceptance::Actor)),
    ] {
        let outcome = world.auth.accept_invitation(actor, &origin, &accept).await;
        assert_eq!(reasons(outcome), [InviteRefusal::AccountExists]);
    }
    let wrong = by(Acceptance::Password("wrong-password".to_owned()));
    let outcome = world
        .auth
        .accept_invitation(&anonymous(), &origin, &wrong)
        .await;
    assert_eq!(reasons(outcome), [InviteRefusal::InvalidCredentials]);

    let accept = by(Acceptance::Actor);
    let joined = world
        .auth
        .accept_invitation(&hanako, &origin, &accept)
        .await
        .unwrap();
    assert!(joined.session.is_none());
    let tokens = world.log_in("hanako@example.jp").await;
    assert_eq!(
        world
            .authenticate(&tokens.access_token)
            .await
            .actor
            .grants
            .len(),
        2
    );
}

#[rstest]
#[tokio::test]
async fn an_invitation_ends_after_a_week_or_when_a_new_one_is_sent(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::new(backend).await;
    let admin = world
        .actor("admin@example.jp", Kind::Vendor, Role::Admin)
        .await;
    let wish = invite(own(&admin), "hanako@example.jp", Role::Editor);
    world
        .auth
        .invite_member(&world.writer(&admin), &wish)
        .await
        .unwrap();
    let first = world.mailed_secret("hanako@example.jp").await;
    world
        .auth
        .invite_member(&world.writer(&admin), &wish)
        .await
        .unwrap();
    let second = world.mailed_secret("hanako@example.jp").await;
    assert_ne!(first, second);
    let origin = Origin::default();
    let outcome = world
        .auth
        .accept_invitation(&anonymous(), &origin, &with_new_account(&first))
        .await;
    assert_eq!(reasons(outcome), [InviteRefusal::SecretInvalid]);
    world.pass(TimeDelta::days(7));
    let outcome = world
        .auth
        .accept_invitation(&anonymous(), &origin, &with_new_account(&second))
        .await;
    assert_eq!(reasons(outcome), [InviteRefusal::SecretInvalid]);
}

#[rstest]
#[tokio::test]
async fn only_administrators_invite_and_only_into_their_own(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::new(backend).await;
    let vendor = world
        .actor("admin@example.jp", Kind::Vendor, Role::Admin)
        .await;
    let editor = world
        .actor("editor@example.jp", Kind::Vendor, Role::Editor)
        .await;
    let chain = world
        .actor("chain@example.jp", Kind::Chain, Role::Admin)
        .await;
    let fund = world
        .actor("fund@example.jp", Kind::PaymentFund, Role::Admin)
        .await;
    let auditor = world
        .actor("auditor@example.jp", Kind::Auditor, Role::Admin)
        .await;
    let wish = invite(own(&vendor), "new@example.jp", Role::Admin);
    for (actor, refusal) in [
        (&editor, InviteRefusal::Forbidden),
        (&chain, InviteRefusal::OrganisationNotFound),
        (&anonymous(), InviteRefusal::PersonNeeded),
        (&auditor, InviteRefusal::Forbidden),
        (&fund, InviteRefusal::Forbidden),
    ] {
        let outcome = world.auth.invite_member(&world.writer(actor), &wish).await;
        assert_eq!(reasons(outcome), [refusal], "{:?}", actor.grants);
    }
}

#[rstest]
#[tokio::test]
async fn a_repeated_invitation_is_mailed_once_and_another_under_its_key_is_refused(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::new(backend).await;
    let admin = world
        .actor("admin@example.jp", Kind::Vendor, Role::Admin)
        .await;
    let wish = invite(own(&admin), "hanako@example.jp", Role::Editor);
    let first = world
        .auth
        .invite_member(&world.keyed(&admin, "k1", "a"), &wish)
        .await
        .unwrap();
    world.pass(TimeDelta::hours(1));
    let again = world
        .auth
        .invite_member(&world.keyed(&admin, "k1", "a"), &wish)
        .await
        .unwrap();
    assert_eq!(first, again, "the first outcome, its end included");
    assert_eq!(world.mails().await.len(), 1);
    let outcome = world
        .auth
        .invite_member(&world.keyed(&admin, "k1", "b"), &wish)
        .await;
    assert!(matches!(outcome, Err(Failure::Fault(_))));
    assert_eq!(world.mails().await.len(), 1);
}

#[rstest]
#[tokio::test]
async fn an_invitation_to_a_new_address_asks_for_the_name_that_is_missing(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::new(backend).await;
    let admin = world
        .actor("admin@example.jp", Kind::Vendor, Role::Admin)
        .await;
    let wish = invite(own(&admin), "hanako@example.jp", Role::Editor);
    world
        .auth
        .invite_member(&world.writer(&admin), &wish)
        .await
        .unwrap();
    let accept = InvitationAccept {
        secret: world.mailed_secret("hanako@example.jp").await,
        by: Acceptance::Password(PASSWORD.to_owned()),
    };
    let outcome = world
        .auth
        .accept_invitation(&anonymous(), &Origin::default(), &accept)
        .await;
    let missing = Flaw::Missing.at(Field::Name);
    assert_eq!(reasons(outcome), [InviteRefusal::Input(missing)]);
}

#[rstest]
#[tokio::test]
async fn an_organisation_mails_fifty_invitations_a_day(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::new(backend).await;
    let admin = world
        .actor("admin@example.jp", Kind::Vendor, Role::Admin)
        .await;
    let invite = async |number: usize| {
        let wish = invite(own(&admin), &format!("u{number}@example.jp"), Role::Viewer);
        world.auth.invite_member(&world.writer(&admin), &wish).await
    };
    for number in 0..50 {
        invite(number).await.unwrap();
    }
    world.pass(TimeDelta::hours(23));
    let [InviteRefusal::Throttled(wait)] = reasons(invite(50).await)[..] else {
        panic!("one too many was sent");
    };
    assert_eq!(wait.seconds, 60 * 60);
    world.pass(TimeDelta::hours(1));
    invite(50).await.unwrap();
}

#[rstest]
#[tokio::test]
async fn an_invitation_that_has_to_wait_is_mailed_later_under_the_same_key(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let limited = AuthSettings {
        throttle: ThrottleLimits {
            invitations: 1,
            ..ThrottleLimits::default()
        },
        ..settings()
    };
    let world = World::with(backend, limited).await;
    let admin = world
        .actor("admin@example.jp", Kind::Vendor, Role::Admin)
        .await;
    let invite = async |name: &str, request: &str| {
        let wish = invite(own(&admin), &format!("{name}@example.jp"), Role::Viewer);
        let writer = world.keyed(&admin, name, request);
        world.auth.invite_member(&writer, &wish).await
    };
    let first = invite("one", "one").await.unwrap();
    for _ in 0..2 {
        let told = reasons(invite("two", "two").await);
        assert!(
            matches!(told[..], [InviteRefusal::Throttled(_)]),
            "{told:?}"
        );
    }
    // A key that was used counts, though this request would have to wait as well.
    assert_eq!(invite("one", "one").await.unwrap(), first);
    let other = invite("one", "other").await;
    assert!(matches!(other, Err(Failure::Fault(_))));
    world.pass(TimeDelta::days(1));
    invite("two", "two").await.unwrap();
    assert_eq!(world.mails().await.len(), 2);
}

#[rstest]
#[tokio::test]
async fn an_administrator_who_was_removed_demoted_or_disabled_does_not_come_back_by_an_own_invitation(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
    #[values("removed", "demoted", "disabled")] how: &str,
) {
    let world = World::new(backend).await;
    let keeper = world
        .actor("keeper@example.jp", Kind::Vendor, Role::Admin)
        .await;
    let leaver = world
        .actor("leaver@example.jp", Kind::Vendor, Role::Admin)
        .await;
    let (organisation, user) = (own(&keeper), leaver.user().unwrap());
    for (actor, email) in [
        (&leaver, "second-address@example.jp"),
        (&keeper, "colleague@example.jp"),
    ] {
        let wish = invite(organisation, email, Role::Admin);
        world
            .auth
            .invite_member(&world.writer(actor), &wish)
            .await
            .unwrap();
    }
    let writer = world.writer(&keeper);
    match how {
        "removed" => {
            let remove = MemberRemove { organisation, user };
            world.auth.remove_member(&writer, &remove).await.unwrap();
        }
        "demoted" => {
            let update = MemberUpdate {
                organisation,
                user,
                role: Role::Editor,
            };
            world
                .auth
                .change_member_role(&writer, &update)
                .await
                .unwrap();
        }
        _ => {
            let disabled = world.auth.set_user_disabled("leaver@example.jp", true);
            disabled.await.unwrap();
        }
    }
    let accept = async |email: &str| {
        let accept = with_new_account(&world.mailed_secret(email).await);
        world
            .auth
            .accept_invitation(&anonymous(), &Origin::default(), &accept)
            .await
    };
    let back = accept("second-address@example.jp").await;
    assert_eq!(reasons(back), [InviteRefusal::SecretInvalid]);
    accept("colleague@example.jp").await.unwrap();
}

#[rstest]
#[tokio::test]
async fn who_sent_an_invitation_from_outside_takes_it_back_and_a_stranger_does_not(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::new(backend).await;
    let fund = world
        .actor("fund@example.jp", Kind::PaymentFund, Role::Admin)
        .await;
    let stranger = world
        .actor("stranger@example.jp", Kind::Chain, Role::Admin)
        .await;
    let create = OrganisationCreate {
        kind: Kind::Vendor,
        name: "北海道医療システム".to_owned(),
        name_kana: "ホッカイドウイリョウシステム".to_owned(),
        bureau: None,
        parent: None,
    };
    let made = world
        .auth
        .create_organisation(&world.writer(&fund), &create)
        .await;
    let wish = invite(made.unwrap().key, "mistyped@example.jp", Role::Admin);
    let sent = world
        .auth
        .invite_member(&world.writer(&fund), &wish)
        .await
        .unwrap();
    let secret = world.mailed_secret("mistyped@example.jp").await;
    let refused = world
        .auth
        .revoke_invitation(&world.writer(&stranger), sent.id)
        .await;
    assert_eq!(reasons(refused), [RevokeRefusal::InvitationNotFound]);
    world
        .auth
        .revoke_invitation(&world.dry(&fund), sent.id)
        .await
        .unwrap();
    let keyed = world.keyed(&fund, "k", "revoke");
    for _ in 0..2 {
        let revoked = world.auth.revoke_invitation(&keyed, sent.id).await;
        assert_eq!(revoked.unwrap().key, sent.id);
    }
    let outcome = world
        .auth
        .accept_invitation(&anonymous(), &Origin::default(), &with_new_account(&secret))
        .await;
    assert_eq!(reasons(outcome), [InviteRefusal::SecretInvalid]);
    let again = world
        .auth
        .revoke_invitation(&world.writer(&fund), sent.id)
        .await;
    assert_eq!(reasons(again), [RevokeRefusal::InvitationNotFound]);
}
