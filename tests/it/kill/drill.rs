//! The drill: a backup is taken while writers write, and restored where it is needed.

use std::{path::PathBuf, sync::Arc, time::Duration};

use kaitsu::db::{Backend, deployment};
use rstest::rstest;

use super::{
    deployment::{Deployment, open, succeed},
    ledger::stored,
    writers::{Work, writers},
};
use crate::support::{TestDatabase, process::Process};

/// A path that is removed with the value.
struct Archive(PathBuf);

impl Drop for Archive {
    fn drop(&mut self) {
        std::fs::remove_file(&self.0).ok();
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_taken_while_writers_write_is_restored_whole_on_either_database(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let original = Arc::new(Deployment::new(backend, "0.002").await);
    let server = Process::serve(original.url());
    let writers = writers(&original.untouched().await, 4, 1);
    let work = Work::start(&original, &server.address, writers);
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let writers = work.finished().await;
    let before = stored(&original).await;
    assert!(before.values().any(|write| write.has_outcome));

    let name = format!("kaitsu-drill-{:016x}.gz", rand::random::<u64>());
    let archive = Archive(std::env::temp_dir().join(name));
    let path = archive.0.to_str().unwrap();
    let work = Work::start(&original, &server.address, writers);
    tokio::time::sleep(Duration::from_millis(200)).await;
    succeed(original.url(), &["backup", path]);
    tokio::time::sleep(Duration::from_millis(200)).await;
    let writers = work.finished().await;
    drop(server);
    let after = stored(&original).await;
    let acknowledged: usize = writers.iter().map(|one| one.acknowledged.len()).sum();
    assert_eq!(after.len(), acknowledged);

    for kind in [Backend::Sqlite, Backend::Postgres] {
        let empty = TestDatabase::new(kind).await;
        empty.db().clone().close().await.unwrap();
        // It ends in a recount, and fails if that finds anything.
        succeed(empty.url(), &["restore", path]);
        let copy = Deployment::of(empty);
        let restored = stored(&copy).await;
        for (key, write) in &before {
            assert_eq!(restored.get(key), Some(write), "{key} was there before");
        }
        for (key, write) in &restored {
            assert_eq!(after.get(key), Some(write), "{key} is there in part");
        }
        let database = open(copy.url()).await;
        assert!(deployment::is_sending_held(database.read()).await.unwrap());
        database.close().await.unwrap();
    }
}
