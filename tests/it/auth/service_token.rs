//! Tokens of vendors' own systems.

use chrono::{TimeDelta, Utc};
use kaitsu::{
    auth::{
        Actor, Identity, OrganisationKind as Kind, Permission, Role,
        input::{Field, Flaw},
        service::{
            InviteRefusal, NewServiceToken, OrganisationCreate, OrganisationRefusal,
            ServiceTokenCreate, ServiceTokenRefusal,
        },
    },
    db::Backend,
};
use rstest::rstest;

use super::member::invite;
use crate::support::accounts::{World, anonymous, reasons};

fn wish(world: &World, admin: &Actor) -> ServiceTokenCreate {
    ServiceTokenCreate {
        organisation: admin.grants[0].organisation,
        name: "nightly upload".to_owned(),
        role: Role::Editor,
        permissions: vec![Permission::MilestoneWrite, Permission::FacilityRead],
        expires_at: world.clock.now() + TimeDelta::days(400),
    }
}

async fn made(world: &World, admin: &Actor) -> NewServiceToken {
    let made = world
        .auth
        .create_service_token(&world.writer(admin), &wish(world, admin))
        .await;
    made.unwrap().fresh.unwrap()
}

#[rstest]
#[tokio::test]
async fn a_service_token_does_what_it_says_and_no_more(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::new(backend).await;
    let admin = world
        .actor("admin@example.jp", Kind::Vendor, Role::Admin)
        .await;
    let NewServiceToken { token, secret } = made(&world, &admin).await;
    let secret = secret.unwrap();
    assert!(secret.starts_with("kts_"));
    let caller = world.authenticate(&secret).await;
    assert_eq!(caller.actor.identity, Identity::ServiceToken(token.id));
    assert_eq!(caller.expires_at, Some(token.expires_at));
    for permission in Permission::ALL {
        let named = token.permissions.contains(&permission);
        assert_eq!(caller.actor.may(permission), named, "{permission:?}");
    }
    world.pass(TimeDelta::days(400));
    assert!(
        world.auth.authenticate(Some(&secret), None).await.is_err(),
        "over"
    );
}

#[rstest]
#[tokio::test]
async fn a_revoked_service_token_is_refused_at_once(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::new(backend).await;
    let admin = world
        .actor("admin@example.jp", Kind::Vendor, Role::Admin)
        .await;
    let stranger = world
        .actor("stranger@example.jp", Kind::Chain, Role::Admin)
        .await;
    let made = made(&world, &admin).await;
    let (id, secret) = (made.token.id, made.secret.unwrap());
    let outcome = world
        .auth
        .revoke_service_token(&world.writer(&stranger), id)
        .await;
    assert_eq!(
        reasons(outcome),
        [ServiceTokenRefusal::ServiceTokenNotFound]
    );
    world.authenticate(&secret).await;
    let revoked = world
        .auth
        .revoke_service_token(&world.writer(&admin), id)
        .await
        .unwrap();
    assert_eq!(revoked.fresh.unwrap().revoked_at, Some(world.clock.now()));
    assert!(world.auth.authenticate(Some(&secret), None).await.is_err());
}

#[rstest]
#[tokio::test]
async fn a_service_token_is_limited_to_its_role_and_a_little_over_a_year(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::new(backend).await;
    let admin = world
        .actor("admin@example.jp", Kind::Vendor, Role::Admin)
        .await;
    let editor = world
        .actor("editor@example.jp", Kind::Vendor, Role::Editor)
        .await;
    let good = wish(&world, &admin);
    let with = |role, permissions: &[Permission]| ServiceTokenCreate {
        role,
        permissions: permissions.to_vec(),
        ..good.clone()
    };
    let until = |expires_at: chrono::DateTime<Utc>| ServiceTokenCreate {
        expires_at,
        ..good.clone()
    };
    let now = world.clock.now();
    for (bad, field, flaw) in [
        (
            with(Role::Viewer, &[Permission::MilestoneWrite]),
            "permissions",
            Flaw::OutOfRange,
        ),
        (
            with(Role::Admin, &[Permission::AccountsHelp]),
            "permissions",
            Flaw::OutOfRange,
        ),
        (
            with(Role::Admin, &[Permission::MembersManage]),
            "permissions",
            Flaw::OutOfRange,
        ),
        (with(Role::Editor, &[]), "permissions", Flaw::Missing),
        (until(now), "expiresAt", Flaw::OutOfRange),
        (
            until(now + TimeDelta::days(401)),
            "expiresAt",
            Flaw::OutOfRange,
        ),
    ] {
        let outcome = world
            .auth
            .create_service_token(&world.writer(&admin), &bad)
            .await;
        let [ServiceTokenRefusal::Input(error)] = reasons(outcome)[..] else {
            panic!("{field}");
        };
        assert_eq!((error.field.name(), error.flaw), (field, flaw));
    }
    let outcome = world
        .auth
        .create_service_token(&world.writer(&editor), &good)
        .await;
    assert_eq!(reasons(outcome), [ServiceTokenRefusal::Forbidden]);
    let outcome = world
        .auth
        .create_service_token(&world.writer(&anonymous()), &good)
        .await;
    assert_eq!(
        reasons(outcome),
        [ServiceTokenRefusal::OrganisationNotFound]
    );
}

#[rstest]
#[tokio::test]
async fn a_repeated_request_makes_one_token_and_shows_its_secret_once(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::new(backend).await;
    let admin = world
        .actor("admin@example.jp", Kind::Vendor, Role::Admin)
        .await;
    let wish = wish(&world, &admin);
    let writer = world.keyed(&admin, "k", "wish");
    let first = world
        .auth
        .create_service_token(&writer, &wish)
        .await
        .unwrap();
    let again = world
        .auth
        .create_service_token(&writer, &wish)
        .await
        .unwrap();
    assert_eq!(first.key, again.key);
    assert!(again.fresh.is_none());
    assert_eq!(
        world
            .database
            .number("SELECT COUNT(*) FROM service_token")
            .await,
        1
    );
}

#[rstest]
#[tokio::test]
async fn the_last_use_is_written_once_a_minute_and_not_by_the_request(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::new(backend).await;
    let admin = world
        .actor("admin@example.jp", Kind::Vendor, Role::Admin)
        .await;
    let made = made(&world, &admin).await;
    let secret = made.secret.unwrap();
    let last_use = async || {
        let token = world
            .auth
            .some_service_tokens(&admin, &[made.token.id])
            .await
            .unwrap();
        token[0].last_used_at
    };
    let first = world.clock.now();
    for _ in 0..100 {
        world.authenticate(&secret).await;
    }
    assert_eq!(last_use().await, None);
    assert_eq!(world.auth.record_token_uses().await.unwrap(), 1);
    assert_eq!(last_use().await, Some(first));
    world.pass(TimeDelta::seconds(59));
    world.authenticate(&secret).await;
    assert_eq!(world.auth.record_token_uses().await.unwrap(), 0);
    world.pass(TimeDelta::seconds(1));
    world.authenticate(&secret).await;
    assert_eq!(world.auth.record_token_uses().await.unwrap(), 1);
    assert_eq!(last_use().await, Some(first + TimeDelta::minutes(1)));
}

#[rstest]
#[tokio::test]
async fn a_token_does_nothing_that_needs_a_person_though_it_was_made_for_it(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::new(backend).await;
    let ministry = world
        .actor("ministry@example.jp", Kind::Ministry, Role::Admin)
        .await;
    let forbidden = [
        Permission::MembersManage,
        Permission::AccountsHelp,
        Permission::OrganisationWrite,
    ];
    for permission in forbidden {
        let bad = ServiceTokenCreate {
            role: Role::Admin,
            permissions: vec![Permission::FacilityRead, permission],
            ..wish(&world, &ministry)
        };
        let writer = world.writer(&ministry);
        let refused = world.auth.create_service_token(&writer, &bad).await;
        let flaw = Flaw::OutOfRange.at(Field::Permissions);
        assert_eq!(reasons(refused), [ServiceTokenRefusal::Input(flaw)]);
    }

    let secret = made(&world, &ministry).await.secret.unwrap();
    let older = "UPDATE service_token SET role = 2, permissions =
        'MEMBERS_MANAGE,ACCOUNTS_HELP,ORGANISATION_WRITE,DIRECTORY_READ'";
    world.database.run(older).await;
    let system = world.authenticate(&secret).await.actor;
    assert!(system.may(Permission::DirectoryRead));
    assert!(!forbidden.iter().any(|permission| system.may(*permission)));
    let create = OrganisationCreate {
        kind: Kind::Ministry,
        name: "second ministry".to_owned(),
        name_kana: "ダイニ".to_owned(),
        bureau: None,
        parent: None,
    };
    let made = world
        .auth
        .create_organisation(&world.writer(&system), &create)
        .await;
    assert_eq!(reasons(made), [OrganisationRefusal::Forbidden]);
    let first = world
        .auth
        .create_organisation(&world.writer(&ministry), &create)
        .await;
    let invite = invite(first.unwrap().key, "first@example.jp", Role::Admin);
    let invited = world
        .auth
        .invite_member(&world.writer(&system), &invite)
        .await;
    assert_eq!(reasons(invited), [InviteRefusal::PersonNeeded]);
}
