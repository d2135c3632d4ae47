//! Compares what is stored with what was acknowledged.

use std::collections::{BTreeMap, BTreeSet};

use kaitsu::db::{Query, Row};

use super::{deployment::Deployment, writers::Writer};

/// What is stored of one write.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Stored {
    pub events: BTreeSet<i64>,
    pub changes: BTreeSet<i64>,
    pub has_outcome: bool,
}

/// What is stored of every write, by its key, as of one instant.
pub async fn stored(deployment: &Deployment) -> BTreeMap<String, Stored> {
    let database = deployment.open().await;
    let snapshot = database.begin_snapshot().await.unwrap();
    let mut stored: BTreeMap<String, Stored> = BTreeMap::new();
    let events = "SELECT note, id, change_id FROM facility_event WHERE note LIKE 'write %'";
    for row in Query::new(events).all(&snapshot).await.unwrap() {
        let mut row = Row::new(&row);
        let one = stored.entry(row.take().unwrap()).or_default();
        one.events.insert(row.take().unwrap());
        one.changes.insert(row.take().unwrap());
    }
    let outcomes = "SELECT idempotency_key FROM idempotency";
    for row in Query::new(outcomes).all(&snapshot).await.unwrap() {
        let key = Row::new(&row).take().unwrap();
        stored.entry(key).or_default().has_outcome = true;
    }
    snapshot.rollback().await.unwrap();
    database.close().await.unwrap();
    stored
}

/// What became of the writes that were not acknowledged.
#[derive(Debug, Default)]
pub struct Fates {
    pub done: usize,
    pub absent: usize,
}

/// Everything acknowledged is there exactly once, with its change and its outcome; everything else that was
/// sent is there in the same way or not at all; nothing else is there.
pub async fn check(deployment: &Deployment, writers: &[Writer]) -> Fates {
    let mut stored = stored(deployment).await;
    let mut fates = Fates::default();
    for writer in writers {
        for (key, events) in &writer.acknowledged {
            let one = stored
                .remove(key)
                .unwrap_or_else(|| panic!("{key} was acknowledged and is lost"));
            assert_eq!(&one.events, events, "{key}: {one:?}");
            assert!(one.changes.len() == 1 && one.has_outcome, "{key}: {one:?}");
        }
        let Some(pending) = &writer.pending else {
            continue;
        };
        match stored.remove(&pending.key) {
            None => fates.absent += 1,
            Some(one) => {
                let whole = one.events.len() == pending.events && one.changes.len() == 1;
                assert!(
                    whole && one.has_outcome,
                    "{} is there in part: {one:?}",
                    pending.key
                );
                fates.done += 1;
            }
        }
    }
    assert!(stored.is_empty(), "nobody sent {stored:?}");
    fates
}
