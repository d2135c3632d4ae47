//! The subscription `changes`: where it begins, what it is told and when it ends.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_graphql::{Request, Response, Variables};
use chrono::TimeDelta;
use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream::BoxStream};
use kaitsu::{
    api::{ApiSchema, Caller, schema},
    app::Services,
    auth::{Actor, ActorRefresh},
    db::{Backend, Database, DatabaseSettings, DbErr},
};
use rstest::rstest;
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::scene::{Scene, facilities, forged, operations};
use crate::support::{accounts, api::ministry};

const FOLLOW: &str = "subscription ($after: String) { changes(after: $after) {
    cursor operation facilityId leftScope facility { name } events { kind } } }";
/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a follower may do, as the test decides; counts how often it was asked, which is before each page.
struct Rights {
    actor: Mutex<Option<Actor>>,
    asked: AtomicUsize,
    asking: Notify,
}

impl ActorRefresh for Rights {
    fn refresh(&self) -> BoxFuture<'_, Result<Option<Actor>, DbErr>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.asking.notify_waiters();
        let actor = self.actor.lock().unwrap().clone();
        async move { Ok(actor) }.boxed()
    }
}

struct Follower {
    stream: BoxStream<'static, Response>,
    rights: Arc<Rights>,
}

impl Follower {
    fn new(schema: &ApiSchema, actor: &Actor, after: Option<&str>) -> Self {
        let rights = Arc::new(Rights {
            actor: Mutex::new(Some(actor.clone())),
            asked: AtomicUsize::new(0),
            asking: Notify::new(),
        });
        let caller = Caller {
            actor: actor.clone(),
            request_id: "test".to_owned(),
        };
        let refresh: Arc<dyn ActorRefresh> = Arc::<Rights>::clone(&rights);
        let request = Request::new(FOLLOW)
            .variables(Variables::from_json(json!({ "after": after })))
            .data(caller)
            .data(refresh);
        let stream = schema.execute_stream(request).boxed();
        Self { stream, rights }
    }

    /// The next event: an entry, an error's code, or the end.
    async fn event(&mut self) -> Option<Result<Value, String>> {
        let response = tokio::time::timeout(PATIENCE, self.stream.next())
            .await
            .expect("something in time")?;
        let response = serde_json::to_value(response).unwrap();
        Some(match response.get("errors") {
            Some(errors) => Err(errors[0]["extensions"]["code"].as_str().unwrap().to_owned()),
            None => Ok(response["data"]["changes"].clone()),
        })
    }

    async fn entry(&mut self) -> Value {
        self.event().await.expect("an entry, no end").unwrap()
    }

    async fn entries(&mut self, count: usize) -> Vec<Value> {
        let mut entries = Vec::new();
        for _ in 0..count {
            entries.push(self.entry().await);
        }
        entries
    }

    /// Runs until it asked for a page that nothing was in, so that it stands where it began.
    async fn begin(&mut self) {
        let rights = Arc::clone(&self.rights);
        let asking = rights.asking.notified();
        tokio::select! {
            event = self.stream.next() => panic!("{event:?}"),
            asked = tokio::time::timeout(PATIENCE, asking) => asked.expect("a beginning in time"),
        }
    }
}

impl Rights {
    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn become_of(&self, actor: Option<Actor>) {
        *self.actor.lock().unwrap() = actor;
    }
}

#[rstest]
#[tokio::test]
async fn a_follower_is_told_what_settles_from_now_on(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let (vendor, staff) = scene.vendor("あおばシステム").await;
    let clinic = scene.clinic_of(1, vendor).await;
    scene.settle().await;
    let mut follower = Follower::new(&scene.api.schema, &staff, None);
    follower.begin().await;
    let other = scene.clinic(2).await;
    scene.rename(&clinic, "浜内科").await;
    scene.settle().await;
    let entry = follower.entry().await;
    assert_eq!(entry["facilityId"], json!(clinic));
    assert_eq!(entry["facility"]["name"], "浜内科");
    assert_eq!(entry["events"], json!([{ "kind": "CONTACTS_UPDATED" }]));
    scene.engage(&other, Some(vendor), "2021-06-01").await;
    scene.engage(&clinic, None, "2021-06-01").await;
    scene.settle().await;
    let told = follower.entries(2).await;
    assert_eq!(facilities(&told), [other, clinic]);
    assert_eq!(operations(&told), ["facilityLink", "left"]);
    assert_eq!(told[1]["leftScope"], true);
    assert_eq!(told[1]["facility"], Value::Null);
}

#[rstest]
#[tokio::test]
async fn a_follower_goes_on_at_another_replica_with_the_same_cursor(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let head = scene.head(&ministry()).await;
    for number in 1..=6 {
        scene.clinic(number).await;
    }
    scene.settle().await;
    let (paged, _) = scene.rest(&ministry(), 4, Some(&head)).await;

    let mut follower = Follower::new(&scene.api.schema, &ministry(), Some(&head));
    let mut told = follower.entries(2).await;
    drop(follower);
    let other = replica(&scene).await;
    let cursor = told[1]["cursor"].as_str().unwrap().to_owned();
    let mut follower = Follower::new(&other, &ministry(), Some(&cursor));
    told.extend(follower.entries(4).await);
    assert_eq!(facilities(&told), facilities(&paged));

    // Nobody tells the other replica: it finds out by itself.
    follower.begin().await;
    let late = scene.clinic(7).await;
    scene.settle().await;
    assert_eq!(follower.entry().await["facilityId"], json!(late));
}

/// Another process of the same deployment.
async fn replica(scene: &Scene) -> ApiSchema {
    let settings = DatabaseSettings {
        url: scene.api.database.url().to_owned(),
        read_url: None,
        connections: 2,
        acquire_timeout: PATIENCE,
        statement_timeout: PATIENCE,
        lock_timeout: PATIENCE,
    };
    let database = Database::connect(&settings).await.unwrap();
    let services = Services::new(database, scene.api.services.clock.clone());
    let auth = accounts::open(&services.database, &services.clock, accounts::settings()).await;
    schema::build(&services, Arc::new(auth))
}

#[rstest]
#[tokio::test]
async fn a_follower_with_a_bad_cursor_is_refused(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    scene.clinic(1).await;
    scene.settle().await;
    let head = scene.head(&ministry()).await;
    let old = forged(&head, "0");
    scene.api.services.clock.advance(TimeDelta::days(91));
    for (cursor, code) in [("made up", "BAD_CURSOR"), (old.as_str(), "CURSOR_EXPIRED")] {
        let mut follower = Follower::new(&scene.api.schema, &ministry(), Some(cursor));
        assert_eq!(follower.event().await, Some(Err(code.to_owned())));
        assert_eq!(follower.event().await, None);
    }
}

#[rstest]
#[tokio::test]
async fn a_subscription_ends_when_its_reader_is_gone_or_loses_the_right_to_read(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
    #[values(false, true)] stays_without_grants: bool,
) {
    let scene = Scene::new(backend).await;
    let (vendor, staff) = scene.vendor("あおばシステム").await;
    let head = scene.head(&staff).await;
    let clinic = scene.clinic_of(1, vendor).await;
    scene.settle().await;
    let mut follower = Follower::new(&scene.api.schema, &staff, Some(&head));
    follower.entries(2).await;
    let without = Actor {
        grants: Vec::new(),
        ..staff
    };
    follower
        .rights
        .become_of(stays_without_grants.then_some(without));
    scene.rename(&clinic, "浜内科").await;
    scene.settle().await;
    assert_eq!(follower.event().await, None);
}

#[rstest]
#[tokio::test]
async fn a_follower_whose_scope_changes_is_told_by_the_new_one(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let (one, one_staff) = scene.vendor("あおばシステム").await;
    let (two, two_staff) = scene.vendor("みどりシステム").await;
    let clinic_of_one = scene.clinic_of(1, one).await;
    let clinic_of_two = scene.clinic_of(2, two).await;
    scene.settle().await;
    let head = scene.head(&one_staff).await;
    scene.rename(&clinic_of_one, "浜内科").await;
    scene.settle().await;
    let mut follower = Follower::new(&scene.api.schema, &one_staff, Some(&head));
    assert_eq!(follower.entry().await["facilityId"], json!(clinic_of_one));
    follower.rights.become_of(Some(two_staff));
    scene.rename(&clinic_of_one, "坂内科").await;
    scene.rename(&clinic_of_two, "港内科").await;
    scene.settle().await;
    assert_eq!(follower.entry().await["facilityId"], json!(clinic_of_two));
}

#[rstest]
#[tokio::test]
async fn a_slow_reader_holds_one_page_of_ten_thousand_entries_and_misses_none(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let (vendor, staff) = scene.vendor("あおばシステム").await;
    let head = scene.head(&staff).await;
    scene.import(100_001, 5_000, vendor).await;
    scene.import(200_001, 5_000, vendor).await;
    scene.settle().await;
    let mut follower = Follower::new(&scene.api.schema, &staff, Some(&head));
    let mut told = Vec::new();
    for taken in 1..=1_000_usize {
        told.push(follower.entry().await);
        // No page is read before the last entry of the one before was taken.
        assert_eq!(follower.rights.asked(), taken.div_ceil(50), "{taken} taken");
    }
    let last = told.last().unwrap()["cursor"].as_str().map(str::to_owned);
    drop(follower);
    let mut follower = Follower::new(&scene.api.schema, &staff, last.as_deref());
    told.extend(follower.entries(200).await);
    let (mut paged, mut cursor) = (Vec::new(), head);
    while paged.len() < told.len() {
        let page = scene.page(&staff, 100, Some(&cursor)).await;
        paged.extend(page.nodes);
        cursor = page.end;
    }
    assert_eq!(facilities(&told), facilities(&paged));
}

#[rstest]
#[tokio::test]
async fn what_waited_for_a_slow_reader_is_read_again_before_it_is_told(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let (vendor, staff) = scene.vendor("あおばシステム").await;
    let mut clinics = Vec::new();
    for number in 1..=3 {
        clinics.push(scene.clinic_of(number, vendor).await);
    }
    scene.settle().await;
    let head = scene.head(&staff).await;
    for clinic in &clinics {
        scene.rename(clinic, "浜内科").await;
    }
    scene.settle().await;
    let mut follower = Follower::new(&scene.api.schema, &staff, Some(&head));
    assert_eq!(follower.entry().await["facilityId"], json!(clinics[0]));
    scene.engage(&clinics[1], None, "2021-06-01").await;
    scene.settle().await;
    scene.api.services.clock.advance(TimeDelta::seconds(2));
    let told = follower.entries(2).await;
    assert_eq!(facilities(&told), [clinics[2].clone(), clinics[1].clone()]);
    assert_eq!(operations(&told), ["facilityUpdate", "left"]);
}
