//! A chain's weekly sheet of 2,000 stores as LibreOffice writes it (`scripts/outside/stores`): preview, import, mending of
//! what was refused, import again and undoing, with the figures and `verify` at each step.

use std::{collections::HashMap, io::Read, ops::ControlFlow};

use kaitsu::{
    api::{NodeId, node_id::NodeKind},
    auth::{Actor, OrganisationKind as Kind, Role},
    change::{Source, Writer},
    db::{Backend, FacilityId, OrganisationId},
    facility::{
        FacilityKind, FeeTable, InstitutionCode, Prefecture,
        entity::Contacts,
        service::{Registration, Standing, register_as},
    },
    milestone::{
        Milestone,
        service::{ErrorPolicy, Step, StepRow, write_steps},
    },
    sheet::{
        entity,
        read::{self, Cell, Limits},
        service::result,
        write::{self, Form, Value as Written},
    },
};
use rstest::rstest;
use serde_json::json;

use super::{Scene, person};
use crate::support::api::{Api, ministry};

const STORES: u32 = 2_000;

/// The code of a store, as the script makes it.
fn code(number: u32) -> InstitutionCode {
    let prefecture = Prefecture::from_number(u8::try_from(1 + number % 10).unwrap()).unwrap();
    InstitutionCode::with_check_digit(prefecture, FeeTable::Dispensing, number)
}

/// A chain with its stores, all of which have applied.
async fn chain(backend: Backend) -> Scene {
    let api = Api::new(backend).await;
    let chain = api.organisation(Kind::Chain, "みなと薬局").await;
    let editor = person(&api, Kind::Chain, chain, Role::Editor).await;
    let scene = Scene {
        api,
        vendor: chain,
        editor,
        codes: Vec::new(),
    };
    open_stores(&scene, chain).await;
    scene
}

async fn open_stores(scene: &Scene, chain: OrganisationId) {
    let system = Actor::system();
    let writer = Writer {
        database: &scene.api.services.database,
        clock: &scene.api.services.clock,
        actor: &system,
        source: Source::Import,
        request_id: None,
        reason: None,
        dry_run: false,
        key: None,
    };
    let opened_on = "2015-04-01".parse().unwrap();
    let mut rows = Vec::new();
    for number in 1..=STORES {
        let registration = Registration {
            code: code(number).to_string(),
            kind: FacilityKind::Pharmacy,
            contacts: Contacts {
                name: format!("みなと薬局{number}号店"),
                name_kana: "ミナトヤッキョク".to_owned(),
                postal_code: String::new(),
                address: String::new(),
                phone: String::new(),
                email: None,
            },
            public_institution: false,
            opened_on,
        };
        let standing = Standing {
            chain: Some(chain),
            ..Standing::default()
        };
        let outcome = register_as(&writer, &registration, &standing)
            .await
            .unwrap();
        let row = &outcome.rows[0];
        assert_eq!(row.problems, []);
        rows.push(applied(row.facility.unwrap()));
    }
    let policy = ErrorPolicy::RejectAll;
    let outcome = write_steps(&writer, "import", &rows, policy).await.unwrap();
    assert!(outcome.change.is_some());
}

fn applied(facility: FacilityId) -> StepRow {
    StepRow {
        facility: Ok(facility),
        step: Ok(Step::Record {
            milestone: Milestone::ReaderApplied,
            on: "2021-06-01".parse().unwrap(),
            imply_earlier: false,
        }),
        expected_version: None,
        note: None,
    }
}

/// Stores that are ready, by the figures, after everything was recounted.
async fn ready(scene: &Scene) -> i64 {
    scene.verify().await;
    let document = "{ rolloutFigures { total { ready } } }";
    let data = scene.api.data(&ministry(), document, json!({})).await;
    data["rolloutFigures"]["total"]["ready"].as_i64().unwrap()
}

/// The result of a sheet, mended as a person would: bad days and codes are put right, what nobody knows is left empty.
async fn mended(scene: &Scene, sheet: &str) -> Vec<u8> {
    let row = NodeId::row_of(&async_graphql::ID(sheet.to_owned()), NodeKind::Sheet).unwrap();
    let database = &scene.api.services.database;
    let found = entity::find(database, database.read(), &scene.editor, &[row]).await;
    let sheet = found.unwrap().remove(0);
    let back = result(database, &scene.editor, &sheet).await.unwrap();
    let limits = Limits::default();
    let layout = read::inspect(&back.file, "stores_result.xlsx", &limits).unwrap();
    let mut writer = write::Writer::begin(Form::Xlsx, "stores").unwrap();
    let mut refused = 0;
    read::rows(&back.file, &layout, &limits, &mut |number, cells| {
        let texts: Vec<String> = cells.iter().map(Cell::text).collect();
        if number == 1 {
            assert_eq!(texts[6..], ["Import result", "Import details"]);
            writer.headings(&texts).unwrap();
            return ControlFlow::Continue(());
        }
        let mut values: Vec<Written> = texts.iter().cloned().map(Written::Text).collect();
        if texts[6] == "refused" {
            refused += 1;
            assert_ne!(texts[7], "", "row {number} says why");
            let store: u32 = texts[0].parse().unwrap();
            values[2] = Written::Text(code(store).to_string());
            match texts[4].as_str() {
                "13/25" => values[4] = Written::Day("2021-12-01".parse().unwrap()),
                _ => values[4] = Written::Empty,
            }
        }
        writer.row(&values).unwrap();
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!(refused, 35);
    let (mut file, _) = writer.finish().unwrap();
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).unwrap();
    bytes
}

#[rstest]
#[tokio::test]
async fn a_chains_workbook_goes_through_preview_import_mending_and_undoing(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = chain(backend).await;
    assert_eq!(ready(&scene).await, 0);
    let bytes = std::fs::read("tests/fixtures/stores.xlsx").unwrap();
    let sent = scene.send(&scene.editor, "週報.xlsx", &bytes).await;
    let first = sent.unwrap();
    scene.work().await;
    let seen = scene.sheet(&first).await;
    assert_eq!(
        (&seen["status"], &seen["headingRow"], &seen["rowCount"]),
        (&json!("CHECKED"), &json!(2), &json!(STORES))
    );
    // 30 cells are no days, and five codes have a wrong check digit.
    assert_eq!(
        scene.counts(&first).await,
        json!({ "unchanged": 495, "willChange": 1_470, "refused": 35 })
    );
    let mut identified: HashMap<String, i64> = HashMap::new();
    for row in scene.rows(&first).await {
        let by = row["identifiedBy"].as_str().unwrap_or("NOBODY").to_owned();
        *identified.entry(by).or_default() += 1;
    }
    assert!(identified["LOST_ZERO"] > 80, "{identified:?}");
    assert_eq!(ready(&scene).await, 0, "nothing is written before");

    assert_eq!(scene.apply(&first).await["status"], "APPLIED");
    assert_eq!(
        scene.counts(&first).await,
        json!({ "unchanged": 495, "changed": 1_470, "refused": 35 })
    );
    assert_eq!(ready(&scene).await, 970);

    let bytes = mended(&scene, &first).await;
    let sent = scene.send(&scene.editor, "週報2.xlsx", &bytes).await;
    let second = sent.unwrap();
    scene.work().await;
    assert_eq!(
        scene.counts(&second).await,
        json!({ "unchanged": 1_980, "willChange": 20 })
    );
    scene.apply(&second).await;
    assert_eq!(ready(&scene).await, 990);

    assert_eq!(scene.undo(&second).await["status"], "UNDONE");
    assert_eq!(ready(&scene).await, 970);
    assert_eq!(scene.undo(&first).await["status"], "UNDONE");
    assert_eq!(
        scene.counts(&first).await,
        json!({ "unchanged": 495, "undone": 1_470, "refused": 35 })
    );
    assert_eq!(ready(&scene).await, 0);
    let planned = "SELECT count(*) FROM milestone_plan";
    assert_eq!(scene.api.database.number(planned).await, 0);
}
