//! Imports that are killed: each chunk of 5,000 lines is one transaction, there whole or absent, and a repeated
//! import writes what is missing and nothing twice.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    time::Instant,
};

use kaitsu::{
    db::{Backend, Query, Row},
    milestone::service::MOST_ROWS,
};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use rstest::rstest;

use super::{
    deployment::{Deployment, succeed},
    serving::kills,
    writers::milestones,
};
use crate::support::process::{PATIENCE, Process};

/// Large enough for a file of two chunks.
const SCALE: &str = "0.008";

/// A spreadsheet with a remark in each line by which its event is found.
struct Spreadsheet {
    path: PathBuf,
    lines: usize,
}

impl Spreadsheet {
    fn of(codes: &[String]) -> Self {
        let name = format!("kaitsu-import-{:016x}.csv", rand::random::<u64>());
        let path = std::env::temp_dir().join(name);
        let mut text = "code,milestone,on,note\n".to_owned();
        let rows = codes
            .iter()
            .flat_map(|code| milestones().map(|milestone| (code, milestone)));
        let mut lines = 0;
        for (number, (code, milestone)) in rows.enumerate() {
            text.push_str(&format!("{code},{milestone},2022-01-05,line {number}\n"));
            lines = number + 1;
        }
        std::fs::write(&path, text).unwrap();
        Self { path, lines }
    }

    fn chunks(&self) -> usize {
        self.lines.div_ceil(MOST_ROWS)
    }
}

impl Drop for Spreadsheet {
    fn drop(&mut self) {
        std::fs::remove_file(&self.path).ok();
    }
}

fn arguments(path: &Path) -> [&str; 6] {
    let path = path.to_str().unwrap();
    [
        "import",
        "milestones",
        path,
        "--keep-going",
        "--format",
        "csv",
    ]
}

/// How many chunks are there. No line is there twice, no chunk in part, none was written by two changes.
async fn chunks_written(deployment: &Deployment, spreadsheet: &Spreadsheet) -> usize {
    let database = deployment.open().await;
    let sql = "SELECT note, change_id FROM facility_event WHERE note LIKE 'line %'";
    let rows = Query::new(sql).all(database.read()).await.unwrap();
    database.close().await.unwrap();
    let mut lines = BTreeSet::new();
    let mut changes = vec![BTreeSet::new(); spreadsheet.chunks()];
    for row in &rows {
        let mut row = Row::new(row);
        let (note, change): (String, i64) = (row.take().unwrap(), row.take().unwrap());
        let line: usize = note.trim_start_matches("line ").parse().unwrap();
        assert!(lines.insert(line), "line {line} is there twice");
        changes[line / MOST_ROWS].insert(change);
    }
    for (chunk, changes) in changes.iter().enumerate() {
        let first = chunk * MOST_ROWS;
        let size = (spreadsheet.lines - first).min(MOST_ROWS);
        let found = lines.range(first..first + size).count();
        assert!(
            found == 0 || found == size,
            "{found} lines of chunk {chunk}"
        );
        assert!(
            changes.len() <= 1,
            "chunk {chunk} was written by {changes:?}"
        );
    }
    changes.iter().filter(|changes| !changes.is_empty()).count()
}

#[rstest]
#[tokio::test]
async fn a_killed_import_leaves_whole_chunks_and_is_completed_by_another(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let deployment = Deployment::new(backend, SCALE).await;
    let spreadsheet = Spreadsheet::of(&deployment.untouched().await);
    assert!(spreadsheet.chunks() > 1, "the demo is too small");
    let began = Instant::now();
    let mut trial = arguments(&spreadsheet.path).to_vec();
    trial.push("--dry-run");
    succeed(deployment.url(), &trial);
    // Checking takes the first part of an import; nothing is written before.
    let checked = began.elapsed();
    assert_eq!(chunks_written(&deployment, &spreadsheet).await, 0);

    // The first is killed while it writes its second chunk, the others at random.
    let mut import = Process::spawn(deployment.url(), &arguments(&spreadsheet.path));
    let until = Instant::now() + 10 * PATIENCE;
    loop {
        let has_ended = import.has_ended();
        if chunks_written(&deployment, &spreadsheet).await > 0 {
            break;
        }
        assert!(!has_ended, "the import ended and wrote nothing");
        assert!(Instant::now() < until, "the import writes nothing");
    }
    drop(import); // is SIGKILL
    let mut written = chunks_written(&deployment, &spreadsheet).await;
    let mut random = StdRng::seed_from_u64(20_211_219);
    for _ in 0..kills() / 3 {
        let import = Process::spawn(deployment.url(), &arguments(&spreadsheet.path));
        let part = random.random_range(1.0..3.0);
        tokio::time::sleep(checked.mul_f64(part)).await;
        drop(import);
        let now = chunks_written(&deployment, &spreadsheet).await;
        assert!(
            now >= written,
            "{written} chunks were there, and {now} are left"
        );
        written = now;
    }
    succeed(deployment.url(), &arguments(&spreadsheet.path));
    let all = spreadsheet.chunks();
    assert_eq!(chunks_written(&deployment, &spreadsheet).await, all);
    deployment.verify();
}
