//! The feed under concurrent writers, which only PostgreSQL has: whatever the order in which they commit,
//! nobody is skipped and everybody is told the same.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use kaitsu::{
    auth::{Actor, Permission},
    change::{self, Source, Writer},
    db::{Backend, FacilityId, Query},
    facility::service::{AmendRow, Amendment, ContactsPatch, amend},
    milestone::service::ErrorPolicy,
};
use serde_json::Value;

use super::scene::{Scene, facilities, row_of};
use crate::support::api::ministry;

const WRITERS: usize = 64;
const WRITES_EACH: usize = 6;

fn writer<'a>(scene: &'a Scene, actor: &'a Actor) -> Writer<'a> {
    Writer {
        database: &scene.api.services.database,
        clock: &scene.api.services.clock,
        actor,
        source: Source::Api,
        request_id: None,
        reason: None,
        dry_run: false,
        key: None,
    }
}

async fn write(scene: &Scene, facility: FacilityId, number: usize) {
    let actor = ministry();
    let amendment = Amendment::Contacts(ContactsPatch {
        name: Some(format!("浜内科{number}")),
        ..ContactsPatch::default()
    });
    let row = AmendRow {
        facility: Ok(facility),
        amendment: Ok(amendment),
        expected_version: None,
    };
    let writer = writer(scene, &actor);
    let outcome = amend(&writer, "facilityUpdate", &[row], ErrorPolicy::RejectAll)
        .await
        .unwrap();
    assert!(outcome.change.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_skipped_or_told_twice_while_many_write() {
    let scene = Arc::new(Scene::new(Backend::Postgres).await);
    let mut clinics = Vec::new();
    for number in 1..=u32::try_from(WRITERS).unwrap() {
        clinics.push(scene.clinic(number).await);
    }
    scene.settle().await;
    let head = scene.head(&ministry()).await;
    let done = Arc::new(AtomicUsize::new(0));
    let mut tasks = Vec::new();
    for clinic in &clinics {
        let (scene, done, facility) = (Arc::clone(&scene), Arc::clone(&done), row_of(clinic));
        tasks.push(tokio::spawn(async move {
            for number in 0..WRITES_EACH {
                write(&scene, facility, number).await;
            }
            done.fetch_add(1, Ordering::SeqCst);
        }));
    }
    // Two processes number changes; both tell.
    for _ in 0..2 {
        let (scene, done) = (Arc::clone(&scene), Arc::clone(&done));
        tasks.push(tokio::spawn(async move {
            while done.load(Ordering::SeqCst) < WRITERS {
                scene.settle().await;
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }));
    }
    let (meanwhile, cursor) = read_until_done(&scene, &head, &done, 7).await;
    for task in tasks {
        task.await.unwrap();
    }
    scene.settle().await;
    let mut first = meanwhile;
    first.extend(scene.rest(&ministry(), 100, Some(&cursor)).await.0);
    let (second, _) = scene.rest(&ministry(), 33, Some(&head)).await;

    let cursors = |nodes: &[Value]| -> Vec<String> {
        nodes
            .iter()
            .map(|node| node["cursor"].to_string())
            .collect()
    };
    assert_eq!(cursors(&first), cursors(&second), "one order for everybody");
    assert_eq!(first.len(), WRITERS * WRITES_EACH);
    let different: HashSet<String> = cursors(&first).into_iter().collect();
    assert_eq!(different.len(), first.len(), "each once");
    for clinic in &clinics {
        let told = facilities(&first);
        let times = told.iter().filter(|told| *told == clinic).count();
        assert_eq!(times, WRITES_EACH);
    }
}

/// Pages all the time while others write; answers what it was told, and its cursor.
async fn read_until_done(
    scene: &Scene,
    head: &str,
    done: &AtomicUsize,
    size: usize,
) -> (Vec<Value>, String) {
    let (mut told, mut cursor) = (Vec::new(), head.to_owned());
    let reading = async {
        while done.load(Ordering::SeqCst) < WRITERS {
            let page = scene.page(&ministry(), size, Some(&cursor)).await;
            told.extend(page.nodes);
            cursor = page.end;
        }
    };
    tokio::time::timeout(Duration::from_secs(300), reading)
        .await
        .expect("the writers come to an end");
    (told, cursor)
}

#[tokio::test]
async fn a_change_that_began_first_and_commits_last_is_told_last() {
    let scene = Scene::new(Backend::Postgres).await;
    let early = scene.clinic(1).await;
    let others = [scene.clinic(2).await, scene.clinic(3).await];
    scene.settle().await;
    let head = scene.head(&ministry()).await;

    let actor = ministry();
    let writer = writer(&scene, &actor);
    let transaction = writer.database.begin().await.unwrap();
    let change = change::record(
        &transaction,
        &writer,
        actor.acting_for(Permission::ContactWrite),
        "facilityUpdate",
    )
    .await
    .unwrap();
    Query::with(
        "INSERT INTO facility_event (facility_id, change_id, aspect, action, effective_on) \
         VALUES ($1, $2, 50, 2, '2021-12-19')",
        [row_of(&early).0.into(), change.0.into()],
    )
    .execute(&transaction)
    .await
    .unwrap();

    for other in &others {
        scene.rename(other, "浜内科").await;
    }
    scene.settle().await;
    let page = scene.page(&actor, 10, Some(&head)).await;
    assert_eq!(facilities(&page.nodes), others);
    assert!(!page.more);

    transaction.commit().await.unwrap();
    scene.settle().await;
    let page = scene.page(&actor, 10, Some(&page.end)).await;
    assert_eq!(facilities(&page.nodes), std::slice::from_ref(&early));
    let (whole, _) = scene.rest(&actor, 10, Some(&head)).await;
    assert_eq!(
        facilities(&whole),
        [&others[0], &others[1], &early].map(Clone::clone)
    );
}
