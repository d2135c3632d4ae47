//! Files as they come in and go out over HTTP.

use std::{io::Read, sync::Arc};

use actix_web::{App, http::header, test, web};
use kaitsu::{
    app::{Services, gate::AccountGate},
    auth::{OrganisationKind as Kind, Role},
    db::Backend,
    http::{self, RequestIds, SheetDoor, SheetSettings},
    jobs::Progress,
    sheet::service::run,
};
use rstest::rstest;
use serde_json::{Value, json};

use super::code;
use crate::support::accounts::World;

/// A deployment whose door for files is open.
struct Door {
    world: World,
    services: Services,
    door: web::Data<SheetDoor<AccountGate>>,
    token: String,
}

/// What the door answered.
struct Answer {
    status: u16,
    headers: header::HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn header(&self, name: &header::HeaderName) -> &str {
        self.headers.get(name).unwrap().to_str().unwrap()
    }

    fn error(&self) -> String {
        let code = &self.json()["errors"][0]["extensions"]["code"];
        format!("{} {}", self.status, code.as_str().unwrap())
    }
}

impl Door {
    /// A door behind which the ministry has some clinics.
    async fn new(backend: Backend, clinics: u32) -> Self {
        let world = World::new(backend).await;
        let services = Services::new(world.db().clone(), world.clock.clone());
        let gate = AccountGate::new(Arc::clone(&world.auth), services.clone());
        let settings = SheetSettings {
            most_bytes: 1024 * 1024,
            ..SheetSettings::default()
        };
        let door = SheetDoor::new(gate, services.clone(), settings, RequestIds::new(1));
        let email = "coordinator@example.jp";
        world.user(email, Kind::Ministry, Role::Editor).await;
        let token = world.log_in(email).await.access_token;
        let door = Self {
            world,
            services,
            door: web::Data::new(door),
            token,
        };
        for number in 0..clinics {
            door.clinic(number).await;
        }
        door
    }

    async fn clinic(&self, number: u32) {
        let schema = kaitsu::api::schema::build(&self.services, Arc::clone(&self.world.auth));
        let actor = crate::support::api::ministry();
        for (document, input) in [
            (
                "mutation ($input: FacilityRegisterInput!) { facilityRegister(input: $input) { userErrors { code } } }",
                json!({ "code": code(number), "kind": "MEDICAL_CLINIC", "name": format!("=みなと内科{number}"), "openedOn": "2020-04-01" }),
            ),
            (
                "mutation ($input: MilestoneRecordInput!) { milestoneRecord(input: $input) { userErrors { code } } }",
                json!({ "facility": { "code": code(number) }, "milestone": "READER_APPLIED", "on": "2021-06-01" }),
            ),
        ] {
            let answer =
                crate::support::api::call(&schema, &actor, document, json!({ "input": input }))
                    .await;
            assert!(answer.get("errors").is_none(), "{answer}");
        }
    }

    async fn call(&self, request: test::TestRequest) -> Answer {
        let app = App::new().configure(|services| http_mount(services, &self.door));
        let app = test::init_service(app).await;
        let request = request
            .peer_addr("127.0.0.1:4000".parse().unwrap())
            .to_request();
        let response = test::call_service(&app, request).await;
        Answer {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: test::read_body(response).await.to_vec(),
        }
    }

    fn authorized(&self, request: test::TestRequest) -> test::TestRequest {
        request
            .insert_header((header::AUTHORIZATION, format!("Bearer {}", self.token)))
            .insert_header((header::ACCEPT_LANGUAGE, "en"))
    }

    async fn send(&self, name: &str, bytes: &[u8]) -> Answer {
        let request = test::TestRequest::post()
            .uri(&format!("/sheets?name={name}"))
            .set_payload(bytes.to_vec());
        self.call(self.authorized(request)).await
    }

    async fn get(&self, path: &str) -> Answer {
        let request = test::TestRequest::get().uri(path);
        self.call(self.authorized(request)).await
    }

    async fn work(&self) {
        while run(&self.services, "test").await.unwrap() == Progress::More {}
    }

    /// Sends a file, lets it be checked, and gets it back.
    async fn back(&self, name: &str, bytes: &[u8]) -> Answer {
        let sent = self.send(name, bytes).await;
        assert_eq!(sent.status, 201, "{}", String::from_utf8_lossy(&sent.body));
        self.work().await;
        let sheet = sent.json()["sheet"]["id"].clone();
        self.get(&format!("/sheets/{}/result", sheet.as_str().unwrap()))
            .await
    }
}

fn http_mount(services: &mut web::ServiceConfig, door: &web::Data<SheetDoor<AccountGate>>) {
    http::mount_sheets(services, door.clone());
}

/// Empties a workbook into text, a line for each row.
fn unpacked(bytes: &[u8]) -> Vec<Vec<String>> {
    use kaitsu::sheet::read::{Limits, inspect, rows};
    let mut file = tempfile::tempfile().unwrap();
    std::io::Write::write_all(&mut file, bytes).unwrap();
    let limits = Limits::default();
    let layout = inspect(&file, "a.xlsx", &limits).unwrap();
    let mut all = Vec::new();
    rows(&file, &layout, &limits, &mut |_, cells| {
        all.push(cells.iter().map(|cell| cell.text()).collect());
        std::ops::ControlFlow::Continue(())
    })
    .unwrap();
    all
}

#[rstest]
#[tokio::test]
async fn what_is_exported_is_sent_back_unchanged_and_writes_nothing(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
    #[values(
        "facilities.csv",
        "facilities.csv?encoding=utf-8",
        "facilities.csv?encoding=cp932",
        "facilities.xlsx"
    )]
    path: &str,
) {
    let door = Door::new(backend, 3).await;
    let exported = door.get(&format!("/{path}")).await;
    assert_eq!(exported.status, 200);
    let disposition = exported.header(&header::CONTENT_DISPOSITION);
    assert!(disposition.starts_with("attachment; "));
    let name = if path.contains("xlsx") {
        "a.xlsx"
    } else {
        "a.csv"
    };
    let sent = door.send(name, &exported.body).await;
    assert_eq!(sent.status, 201);
    door.work().await;
    let rows = "SELECT count(*) FROM sheet_row";
    assert_eq!(door.world.database.number(rows).await, 0);
    let counted = "SELECT row_count FROM sheet WHERE status = 4";
    assert_eq!(door.world.database.number(counted).await, 3);
}

#[rstest]
#[tokio::test]
async fn a_code_keeps_its_zero_and_a_name_is_no_formula_in_what_goes_out(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let door = Door::new(backend, 1).await;
    let text = String::from_utf8(door.get("/facilities.csv").await.body).unwrap();
    let mut lines = text.trim_start_matches('\u{feff}').lines();
    assert!(lines.next().unwrap().starts_with("Institution code,Name,"));
    let row = lines.next().unwrap();
    assert!(
        row.starts_with(&format!("{},'=みなと内科0,", code(0))),
        "{row}"
    );
    let workbook = door.get("/facilities.xlsx").await;
    let rows = unpacked(&workbook.body);
    assert_eq!(rows[1][..2], [code(0), "=みなと内科0".to_owned()]);
    let mut sheet = String::new();
    let cursor = std::io::Cursor::new(workbook.body);
    let mut archive = zip::ZipArchive::new(cursor).unwrap();
    let mut entry = archive.by_name("xl/worksheets/sheet1.xml").unwrap();
    entry.read_to_string(&mut sheet).unwrap();
    assert!(!sheet.contains("<f>"), "no cell is a formula");
}

#[rstest]
#[tokio::test]
async fn a_file_comes_back_in_its_own_form_with_what_became_of_each_row(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let door = Door::new(backend, 2).await;
    let text = format!(
        "連絡事項,医療機関コード,準備完了日\r\n'=1+1,{},2021-12-01\r\n\"改行\nあり\",{},13/25\r\n,{},\r\n",
        code(0),
        code(1),
        code(1)
    );
    let (cp932, ..) = encoding_rs::SHIFT_JIS.encode(&text);
    let back = door.back("%E9%80%B1%E5%A0%B1.csv", &cp932).await;
    assert_eq!(back.status, 200);
    let name = back.header(&header::CONTENT_DISPOSITION);
    assert!(name.ends_with("%E9%80%B1%E5%A0%B1_result.csv"), "{name}");
    let (text, _, broken) = encoding_rs::SHIFT_JIS.decode(&back.body);
    assert!(!broken);
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .from_reader(text.as_bytes());
    let rows: Vec<Vec<String>> = reader
        .records()
        .map(|row| row.unwrap().iter().map(str::to_owned).collect())
        .collect();
    assert_eq!(
        rows[0],
        [
            "連絡事項",
            "医療機関コード",
            "準備完了日",
            "Import result",
            "Import details"
        ]
    );
    assert_eq!(
        rows[1],
        [
            "'=1+1",
            &code(0),
            "2021-12-01",
            "will change",
            "READY on: (none) → 2021-12-01"
        ]
    );
    assert_eq!(rows[2][..4], ["改行\nあり", &code(1), "13/25", "refused"]);
    assert!(
        rows[2][4].starts_with("READY on: “13/25” can't be read as a day"),
        "{}",
        rows[2][4]
    );
    assert_eq!(rows[3][3], "refused");
    // Sent again, its result is not taken for one of its columns.
    let again = door.back("a.csv", &back.body).await;
    assert_eq!(again.body, back.body);
}

#[rstest]
#[case("a.csv", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "422 NOT_A_SHEET")]
#[case("a.xlsx", b"code,READY\n1,2\n", "422 NOT_WHAT_IT_SAYS")]
#[case("a.csv", b"", "422 FILE_EMPTY")]
#[case("a.csv", b"code,READY\n", "422 FILE_EMPTY")]
#[case("a.csv", b"\n\n\n", "422 FILE_EMPTY")]
#[case("a.csv", b"code,READY\n\"1,2\n3,4\n", "422 FILE_BROKEN")]
#[case("a.csv", b"code,READY\n\xe6\x96\xbd,\x8e\n", "422 BAD_ENCODING")]
#[case("a.xlsx", b"PK\x03\x04 not really", "422 FILE_BROKEN")]
#[case("a.csv", b"code\0READY\n1,2\n", "422 NOT_A_SHEET")]
#[tokio::test]
async fn a_file_that_can_not_be_read_is_refused_and_leaves_nothing(
    #[case] name: &str,
    #[case] bytes: &[u8],
    #[case] error: &str,
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let door = Door::new(backend, 0).await;
    let answer = door.send(name, bytes).await;
    assert_eq!(answer.error(), error);
    for table in ["sheet", "sheet_chunk", "sheet_row"] {
        let left = format!("SELECT count(*) FROM {table}");
        assert_eq!(door.world.database.number(&left).await, 0);
    }
}

#[rstest]
#[tokio::test]
async fn the_door_is_for_those_who_may_pass_and_files_that_fit(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let door = Door::new(backend, 1).await;
    let text = format!("code,READY\n{},2021-12-01\n", code(0));
    let large = vec![b'a'; 1024 * 1024 + 1];
    assert_eq!(
        door.send("a.csv", &large).await.error(),
        "413 FILE_TOO_LARGE"
    );
    for (day, expected) in [
        ("friday", "400 BAD_REQUEST"),
        // The ministry's: only vendors and chains report.
        ("2021-12-17", "403 FORBIDDEN"),
    ] {
        let answer = door.send(&format!("a.csv&completeTo={day}"), b"x").await;
        assert_eq!(answer.error(), expected);
    }
    let long = "a".repeat(256);
    assert_eq!(door.send(&long, b"x").await.error(), "400 BAD_REQUEST");
    for path in ["/sheets/nothing/result", "/sheets/U2hlZXQ6OTk/result"] {
        assert_eq!(door.get(path).await.error(), "404 NOT_FOUND");
    }
    for filter in [
        "%7B",
        "%7B%22kinds%22%3A%5B%22SHOP%22%5D%7D",
        "%7B%22search%22%3A%22a%22%7D",
    ] {
        let answer = door.get(&format!("/facilities.csv?filter={filter}")).await;
        assert_eq!(answer.status, 400, "{filter}");
    }
    let kinds = "%7B%22kinds%22%3A%5B%22PHARMACY%22%5D%7D";
    let none = door.get(&format!("/facilities.csv?filter={kinds}")).await;
    assert_eq!(String::from_utf8(none.body).unwrap().lines().count(), 1);

    let nobody = |request: test::TestRequest| request.set_payload(text.clone());
    let answer = door
        .call(nobody(test::TestRequest::post().uri("/sheets")))
        .await;
    assert_eq!(answer.error(), "401 UNAUTHENTICATED");
    assert_eq!(answer.header(&header::WWW_AUTHENTICATE), "Bearer");
    let get = test::TestRequest::get().uri("/facilities.xlsx");
    assert_eq!(door.call(get).await.error(), "401 UNAUTHENTICATED");
    for (request, allowed) in [
        (test::TestRequest::get().uri("/sheets"), "POST"),
        (test::TestRequest::post().uri("/facilities.csv"), "GET"),
    ] {
        let answer = door.call(door.authorized(request)).await;
        assert_eq!(answer.error(), "405 METHOD_NOT_ALLOWED");
        assert_eq!(answer.header(&header::ALLOW), allowed);
    }
    // Somebody's result is nobody else's.
    let sent = door.send("a.csv", text.as_bytes()).await.json();
    let path = format!("/sheets/{}/result", sent["sheet"]["id"].as_str().unwrap());
    door.world
        .user("rival@example.jp", Kind::Vendor, Role::Admin)
        .await;
    let token = door.world.log_in("rival@example.jp").await.access_token;
    let rival = test::TestRequest::get()
        .uri(&path)
        .insert_header((header::AUTHORIZATION, format!("Bearer {token}")));
    assert_eq!(door.call(rival).await.error(), "404 NOT_FOUND");
    assert_eq!(door.get(&path).await.status, 200);
}

#[rstest]
#[tokio::test]
async fn a_result_says_what_was_not_looked_at_and_mends_its_versions(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let door = Door::new(backend, 2).await;
    let text = |version: u32| {
        format!(
            "code,version,READY\n{},{version},2021-12-01\n{},9,2021-12-01\n",
            code(0),
            code(1)
        )
    };
    let sent = door.send("a.csv", text(2).as_bytes()).await.json();
    let id = sent["sheet"]["id"].as_str().unwrap().to_owned();
    let result = async || {
        let back = door.get(&format!("/sheets/{id}/result")).await;
        let text = String::from_utf8(back.body).unwrap();
        let rows = text.lines().skip(1);
        rows.map(|row| row.split(',').skip(1).take(3).collect::<Vec<_>>().join(" "))
            .collect::<Vec<String>>()
    };
    assert_eq!(
        result().await,
        ["2 2021-12-01 not checked", "9 2021-12-01 not checked"]
    );
    door.work().await;
    assert_eq!(
        result().await,
        ["2 2021-12-01 will change", "2 2021-12-01 conflict"]
    );
    let apply =
        "mutation ($input: SheetApplyInput!) { sheetApply(input: $input) { userErrors { code } } }";
    let input = json!({ "sheetId": id, "errorPolicy": "REJECT_FAILED_ROWS", "gentle": false });
    let schema = kaitsu::api::schema::build(&door.services, Arc::clone(&door.world.auth));
    let actor = door.world.auth.authenticate(Some(&door.token), None).await;
    let actor = actor.unwrap().actor;
    let answer = crate::support::api::call(&schema, &actor, apply, json!({ "input": input })).await;
    assert_eq!(answer["data"]["sheetApply"]["userErrors"], json!([]));
    door.work().await;
    assert_eq!(
        result().await,
        ["3 2021-12-01 changed", "2 2021-12-01 conflict"]
    );
}

/// A workbook of a few kilobytes that shows one long text in every cell.
#[rstest]
#[tokio::test]
async fn a_small_workbook_that_holds_too_much_is_refused(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let door = Door::new(backend, 0).await;
    let row = |number: usize| {
        let cells = "<c t=\"s\"><v>0</v></c>".repeat(100);
        format!("<row r=\"{number}\">{cells}</row>")
    };
    let rows: String = (1..100).map(row).collect();
    let sheet = format!(
        "<worksheet xmlns=\"http://schemas.openxmlformats.org/spreadsheetml/2006/main\"><sheetData>{rows}</sheetData></worksheet>"
    );
    let strings = format!(
        "<sst xmlns=\"http://schemas.openxmlformats.org/spreadsheetml/2006/main\" uniqueCount=\"1\"><si><t>{}</t></si></sst>",
        "a".repeat(32_000)
    );
    let relation = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
    let parts = [
        (
            "[Content_Types].xml",
            "<Types xmlns=\"http://schemas.openxmlformats.org/package/2006/content-types\"/>"
                .to_owned(),
        ),
        (
            "_rels/.rels",
            format!(
                "<Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\"><Relationship Id=\"r1\" Type=\"{relation}/officeDocument\" Target=\"xl/workbook.xml\"/></Relationships>"
            ),
        ),
        (
            "xl/workbook.xml",
            format!(
                "<workbook xmlns=\"http://schemas.openxmlformats.org/spreadsheetml/2006/main\" xmlns:r=\"{relation}\"><sheets><sheet name=\"a\" sheetId=\"1\" r:id=\"r1\"/></sheets></workbook>"
            ),
        ),
        (
            "xl/_rels/workbook.xml.rels",
            format!(
                "<Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\"><Relationship Id=\"r1\" Type=\"{relation}/worksheet\" Target=\"worksheets/sheet1.xml\"/><Relationship Id=\"r2\" Type=\"{relation}/sharedStrings\" Target=\"sharedStrings.xml\"/></Relationships>"
            ),
        ),
        ("xl/worksheets/sheet1.xml", sheet),
        ("xl/sharedStrings.xml", strings),
    ];
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, text) in parts {
        let options = zip::write::SimpleFileOptions::default();
        archive.start_file(name, options).unwrap();
        std::io::Write::write_all(&mut archive, text.as_bytes()).unwrap();
    }
    let bytes = archive.finish().unwrap().into_inner();
    assert!(bytes.len() < 10_000, "{} bytes", bytes.len());
    assert_eq!(
        door.send("a.xlsx", &bytes).await.error(),
        "422 FILE_TOO_LARGE"
    );
}

#[rstest]
#[tokio::test]
async fn who_has_two_files_on_their_way_waits_with_the_third(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let door = Door::new(backend, 1).await;
    let app = App::new().configure(|services| http_mount(services, &door.door));
    let app = test::init_service(app).await;
    let get = || {
        door.authorized(test::TestRequest::get().uri("/facilities.csv"))
            .peer_addr("127.0.0.1:4000".parse().unwrap())
            .to_request()
    };
    let first = test::call_service(&app, get()).await;
    let second = test::call_service(&app, get()).await;
    let third = test::call_service(&app, get()).await;
    assert_eq!(third.status(), 503);
    assert_eq!(third.headers().get(header::RETRY_AFTER).unwrap(), "5");
    drop((first, second));
    assert_eq!(test::call_service(&app, get()).await.status(), 200);
}
