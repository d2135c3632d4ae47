//! Organisations and their members.

use std::sync::Arc;

use chrono::TimeDelta;
use kaitsu::{
    auth::{
        Actor, OrganisationKind as Kind, Origin, Role,
        input::Flaw,
        service::{
            Acceptance, InvitationAccept, InviteRefusal, MemberInvite, MemberRefusal, MemberRemove,
            MemberUpdate, OrganisationCreate, OrganisationRefusal, UserUpdate,
        },
    },
    db::{Backend, OrganisationId},
};
use rstest::rstest;

use crate::support::accounts::{PASSWORD, World, anonymous, reasons};

fn invite(organisation: OrganisationId, email: &str, role: Role) -> MemberInvite {
    MemberInvite {
        organisation,
        email: email.to_owned(),
        role,
        language: None,
    }
}

fn with_new_account(secret: &str) -> InvitationAccept {
    InvitationAccept {
        secret: secret.to_owned(),
        by: Acceptance::NewAccount {
            name: "鈴木 花子".to_owned(),
            password: PASSWORD.to_owned(),
            language: None,
        },
    }
}

fn own(actor: &Actor) -> OrganisationId {
    actor.grants[0].organisation
}

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
        (&anonymous(), InviteRefusal::OrganisationNotFound),
        (&auditor, InviteRefusal::Forbidden),
        (&fund, InviteRefusal::Forbidden),
    ] {
        let outcome = world.auth.invite_member(&world.writer(actor), &wish).await;
        assert_eq!(reasons(outcome), [refusal], "{:?}", actor.grants);
    }
}

#[rstest]
#[tokio::test]
async fn who_creates_an_organisation_invites_its_first_administrator_and_no_more(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::new(backend).await;
    let fund = world
        .actor("fund@example.jp", Kind::PaymentFund, Role::Admin)
        .await;
    let create = |kind, bureau| OrganisationCreate {
        kind,
        name: "北海道医療システム".to_owned(),
        name_kana: "ホッカイドウイリョウシステム".to_owned(),
        bureau,
    };
    let vendor = create(Kind::Vendor, None);
    let dry = world
        .auth
        .create_organisation(&world.dry(&fund), &vendor)
        .await
        .unwrap();
    assert_eq!(dry.fresh.unwrap().name, "北海道医療システム");
    let made = "SELECT COUNT(*) FROM organisation WHERE kind = 0";
    assert_eq!(
        world.database.number(made).await,
        0,
        "a dry run leaves nothing"
    );
    let organisation = world
        .auth
        .create_organisation(&world.writer(&fund), &vendor)
        .await;
    let organisation = organisation.unwrap().key;

    let as_editor = invite(organisation, "first@example.jp", Role::Editor);
    let outcome = world
        .auth
        .invite_member(&world.writer(&fund), &as_editor)
        .await;
    assert_eq!(reasons(outcome), [InviteRefusal::Forbidden]);
    let as_admin = invite(organisation, "first@example.jp", Role::Admin);
    world
        .auth
        .invite_member(&world.writer(&fund), &as_admin)
        .await
        .unwrap();
    let secret = world.mailed_secret("first@example.jp").await;
    let accept = with_new_account(&secret);
    world
        .auth
        .accept_invitation(&anonymous(), &Origin::default(), &accept)
        .await
        .unwrap();
    let second = invite(organisation, "second@example.jp", Role::Admin);
    let outcome = world
        .auth
        .invite_member(&world.writer(&fund), &second)
        .await;
    assert_eq!(reasons(outcome), [InviteRefusal::Forbidden]);

    let see_all = create(Kind::Ministry, None);
    let outcome = world
        .auth
        .create_organisation(&world.writer(&fund), &see_all)
        .await;
    assert_eq!(
        reasons(outcome),
        [OrganisationRefusal::Forbidden],
        "the ministry's to create"
    );
    let ministry = world
        .actor("ministry@example.jp", Kind::Ministry, Role::Admin)
        .await;
    let fields = |outcome: Vec<OrganisationRefusal>| {
        outcome
            .into_iter()
            .map(|refusal| match refusal {
                OrganisationRefusal::Input(error) => (error.field.name(), error.flaw),
                OrganisationRefusal::Forbidden => panic!("forbidden"),
            })
            .collect::<Vec<_>>()
    };
    let outcome = world
        .auth
        .create_organisation(
            &world.writer(&ministry),
            &create(Kind::RegionalBureau, None),
        )
        .await;
    assert_eq!(fields(reasons(outcome)), [("bureau", Flaw::Missing)]);
    let nameless = OrganisationCreate {
        name: "\u{7}".to_owned(),
        name_kana: "ア".repeat(10_000),
        ..create(Kind::Facility, None)
    };
    let outcome = world
        .auth
        .create_organisation(&world.writer(&ministry), &nameless)
        .await;
    let flaws = [
        ("name", Flaw::ControlCharacters),
        ("nameKana", Flaw::TooLong(200)),
        ("kind", Flaw::OutOfRange),
    ];
    assert_eq!(fields(reasons(outcome)), flaws, "all at once");
}

#[rstest]
#[tokio::test]
async fn a_removed_membership_is_gone_in_the_next_request(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::new(backend).await;
    let admin = world
        .actor("admin@example.jp", Kind::Vendor, Role::Admin)
        .await;
    let taro = world
        .user("taro@example.jp", Kind::Vendor, Role::Editor)
        .await
        .user;
    let tokens = world.log_in("taro@example.jp").await;
    let update = MemberUpdate {
        organisation: own(&admin),
        user: taro.id,
        role: Role::Viewer,
    };
    world
        .auth
        .change_member_role(&world.writer(&admin), &update)
        .await
        .unwrap();
    let caller = world.authenticate(&tokens.access_token).await;
    assert_eq!(caller.actor.grants[0].role, Role::Viewer);
    let remove = MemberRemove {
        organisation: own(&admin),
        user: taro.id,
    };
    world
        .auth
        .remove_member(&world.dry(&admin), &remove)
        .await
        .unwrap();
    assert_eq!(
        world
            .authenticate(&tokens.access_token)
            .await
            .actor
            .grants
            .len(),
        1
    );
    world
        .auth
        .remove_member(&world.writer(&admin), &remove)
        .await
        .unwrap();
    assert!(
        world
            .authenticate(&tokens.access_token)
            .await
            .actor
            .grants
            .is_empty()
    );
    let again = world
        .auth
        .remove_member(&world.writer(&admin), &remove)
        .await;
    assert_eq!(reasons(again), [MemberRefusal::MembershipNotFound]);
}

#[rstest]
#[tokio::test]
async fn the_last_administrator_stays(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::new(backend).await;
    let admin = world
        .actor("admin@example.jp", Kind::Vendor, Role::Admin)
        .await;
    let organisation = own(&admin);
    let user = admin.user().unwrap();
    let demote = MemberUpdate {
        organisation,
        user,
        role: Role::Editor,
    };
    let leave = MemberRemove { organisation, user };
    let outcome = world
        .auth
        .change_member_role(&world.writer(&admin), &demote)
        .await;
    assert_eq!(reasons(outcome), [MemberRefusal::LastAdmin]);
    let outcome = world
        .auth
        .remove_member(&world.writer(&admin), &leave)
        .await;
    assert_eq!(reasons(outcome), [MemberRefusal::LastAdmin]);

    world
        .user("second@example.jp", Kind::Vendor, Role::Admin)
        .await;
    world
        .auth
        .set_user_disabled("second@example.jp", true)
        .await
        .unwrap();
    let outcome = world
        .auth
        .remove_member(&world.writer(&admin), &leave)
        .await;
    assert_eq!(
        reasons(outcome),
        [MemberRefusal::LastAdmin],
        "one who can't come in doesn't count"
    );
    world
        .auth
        .set_user_disabled("second@example.jp", false)
        .await
        .unwrap();
    world
        .auth
        .remove_member(&world.writer(&admin), &leave)
        .await
        .unwrap();
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_administrators_who_leave_at_once_one_stays(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = Arc::new(World::new(backend).await);
    let keeper = world
        .actor("keeper@example.jp", Kind::Vendor, Role::Admin)
        .await;
    let organisation = own(&keeper);
    for round in 0..5 {
        let email = format!("other{round}@example.jp");
        let other = world.actor(&email, Kind::Vendor, Role::Admin).await;
        let racers = [keeper.clone(), other.clone()].map(|actor| {
            let world = Arc::clone(&world);
            tokio::spawn(async move {
                let user = actor.user().unwrap();
                let leave = MemberRemove { organisation, user };
                world
                    .auth
                    .remove_member(&world.writer(&actor), &leave)
                    .await
                    .is_ok()
            })
        });
        let mut left = 0;
        for racer in racers {
            left += i32::from(racer.await.unwrap());
        }
        assert_eq!(left, 1, "round {round}");
        let admins = "SELECT COUNT(*) FROM membership WHERE role = 2";
        assert_eq!(world.database.number(admins).await, 1);
        world.database.run("DELETE FROM membership").await;
        let user = keeper.user().unwrap();
        world
            .database
            .run(&format!(
                "INSERT INTO membership (user_id, organisation_id, role, created_at)
                 VALUES ({user}, {organisation}, 2, '2021-12-19T00:00:00+00:00')"
            ))
            .await;
    }
}

#[rstest]
#[tokio::test]
async fn a_member_sees_fellow_members_and_nobody_else(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::new(backend).await;
    let taro = world
        .actor("taro@example.jp", Kind::Vendor, Role::Viewer)
        .await;
    let fellow = world
        .user("fellow@example.jp", Kind::Vendor, Role::Viewer)
        .await;
    let stranger = world
        .user("stranger@example.jp", Kind::Chain, Role::Viewer)
        .await;
    let auditor = world
        .actor("auditor@example.jp", Kind::Auditor, Role::Viewer)
        .await;
    for (actor, sees_stranger) in [(&taro, false), (&auditor, true), (&anonymous(), false)] {
        let user = world.auth.user(actor, stranger.user.id).await.unwrap();
        assert_eq!(user.is_some(), sees_stranger);
        let organisation = world
            .auth
            .organisation(actor, stranger.organisation.id)
            .await;
        assert_eq!(organisation.unwrap().is_some(), sees_stranger);
    }
    assert!(
        world
            .auth
            .user(&taro, fellow.user.id)
            .await
            .unwrap()
            .is_some()
    );
    let remove = MemberRemove {
        organisation: stranger.organisation.id,
        user: stranger.user.id,
    };
    let outcome = world
        .auth
        .remove_member(&world.writer(&taro), &remove)
        .await;
    assert_eq!(reasons(outcome), [MemberRefusal::MembershipNotFound]);
    let outcome = world
        .auth
        .remove_member(&world.writer(&auditor), &remove)
        .await;
    assert_eq!(reasons(outcome), [MemberRefusal::Forbidden]);
    let remove = MemberRemove {
        organisation: fellow.organisation.id,
        user: fellow.user.id,
    };
    let outcome = world
        .auth
        .remove_member(&world.writer(&taro), &remove)
        .await;
    assert_eq!(reasons(outcome), [MemberRefusal::Forbidden]);
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
    assert!(matches!(
        outcome,
        Err(kaitsu::auth::service::Failure::Fault(_))
    ));
    assert_eq!(world.mails().await.len(), 1);
}

#[rstest]
#[tokio::test]
async fn one_changes_only_ones_own_name_and_language(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::new(backend).await;
    let taro = world
        .actor("taro@example.jp", Kind::Vendor, Role::Viewer)
        .await;
    world
        .user("other@example.jp", Kind::Vendor, Role::Viewer)
        .await;
    let update = UserUpdate {
        name: Some(" 山田 太郎 ".to_owned()),
        language: None,
    };
    let changed = world
        .auth
        .update_profile(&world.writer(&taro), &update)
        .await
        .unwrap();
    assert_eq!(changed.fresh.unwrap().name, "山田 太郎");
    let renamed = "SELECT COUNT(*) FROM user_account WHERE display_name = '山田 太郎'";
    assert_eq!(world.database.number(renamed).await, 1);
}
