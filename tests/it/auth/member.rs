//! Organisations and their members.

use std::sync::Arc;

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

pub fn invite(organisation: OrganisationId, email: &str, role: Role) -> MemberInvite {
    MemberInvite {
        organisation,
        email: email.to_owned(),
        role,
        language: None,
    }
}

pub fn with_new_account(secret: &str) -> InvitationAccept {
    InvitationAccept {
        secret: secret.to_owned(),
        by: Acceptance::NewAccount {
            name: "鈴木 花子".to_owned(),
            password: PASSWORD.to_owned(),
            language: None,
        },
    }
}

pub fn own(actor: &Actor) -> OrganisationId {
    actor.grants[0].organisation
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
        parent: None,
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
            .organisations(actor, &[stranger.organisation.id])
            .await;
        assert_eq!(!organisation.unwrap().is_empty(), sees_stranger);
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
