//! Loading the demo nation, and verifying what was loaded.

use kaitsu::{
    app::Clock,
    db::Backend,
    demo::{self, Scale},
};

use crate::support::TestDatabase;

async fn loaded(backend: Backend, scale: &str) -> TestDatabase {
    let database = TestDatabase::new(backend).await;
    let clock = Clock::fixed("2021-12-20T00:00:00Z".parse().unwrap());
    let scale: Scale = scale.parse().unwrap();
    demo::load(database.db(), &clock, scale, |_, _| ())
        .await
        .unwrap();
    database
}

#[tokio::test]
async fn spike_sqlite() {
    let t = std::time::Instant::now();
    let database = loaded(Backend::Sqlite, "0.01").await;
    println!("sqlite {:?}", t.elapsed());
    for q in [
        "facility",
        "facility_code",
        "facility_event",
        "facility_state",
        "facility_period",
        "figure_delta",
        "figure_total",
        "change",
        "organisation",
        "facility_search",
    ] {
        println!(
            "{q} {}",
            database.number(&format!("SELECT count(*) FROM {q}")).await
        );
    }
}

#[tokio::test]
async fn spike_postgres() {
    let t = std::time::Instant::now();
    let database = loaded(Backend::Postgres, "0.01").await;
    println!("pg {:?}", t.elapsed());
    for q in [
        "facility",
        "facility_code",
        "facility_event",
        "facility_state",
        "facility_period",
        "figure_delta",
        "figure_total",
        "change",
        "organisation",
    ] {
        println!(
            "{q} {}",
            database.number(&format!("SELECT count(*) FROM {q}")).await
        );
    }
}
