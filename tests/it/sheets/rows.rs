//! What rows of sheets do to their facilities.

use chrono::TimeDelta;
use kaitsu::{
    auth::{Actor, OrganisationKind as Kind, Role},
    db::Backend,
    sheet::{SheetProblem, service::UploadError},
};
use rstest::rstest;
use serde_json::json;

use super::{Scene, code, person};
use crate::support::api::ministry;

#[rstest]
#[tokio::test]
async fn a_sheet_is_shown_before_it_is_written_and_writes_what_was_shown(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend, 3).await;
    let [first, second, third] = [0, 1, 2].map(code);
    let text = format!(
        "医療機関コード,準備完了日,導入作業完了予定日,阻害要因,備考\r\n\
         {first},2021/12/01,,,\r\n\
         {second},,令和4年1月20日,回線、端末未調達,回線待ち\r\n\
         {third},,,,\r\n"
    );
    let sheet = scene.checked(&text).await;
    let seen = scene.sheet(&sheet).await;
    assert_eq!(
        (&seen["status"], &seen["rowCount"]),
        (&json!("CHECKED"), &json!(3))
    );
    assert_eq!(
        scene.counts(&sheet).await,
        json!({ "unchanged": 1, "willChange": 2 })
    );
    let rows = scene.rows(&sheet).await;
    assert_eq!(
        rows[0]["changes"],
        json!([{ "field": "REACHED", "milestone": "READY", "before": null, "after": "2021-12-01" }])
    );
    assert_eq!(
        rows[1]["changes"],
        json!([
            { "field": "PLANNED", "milestone": "INSTALLED", "before": null, "after": "2022-01-20" },
            { "field": "BLOCKERS", "milestone": null, "before": null, "after": "NO_PC, LINE" },
        ])
    );
    let applied = "READER_APPLIED 2021-06-01";
    assert_eq!(scene.facility(&first).await, applied);

    let done = scene.apply(&sheet).await;
    assert_eq!(
        (&done["status"], &done["doneCount"], &done["todoCount"]),
        (&json!("APPLIED"), &json!(2), &json!(2))
    );
    assert_eq!(
        scene.counts(&sheet).await,
        json!({ "unchanged": 1, "changed": 2 })
    );
    assert_eq!(
        scene.facility(&first).await,
        format!("{applied}, READY 2021-12-01")
    );
    assert_eq!(
        scene.facility(&second).await,
        format!("{applied}, INSTALLED planned 2022-01-20, NO_PC, LINE")
    );
    let notes = "SELECT count(*) FROM facility_event WHERE note = '回線待ち'";
    assert_eq!(scene.api.database.number(notes).await, 3);
    scene.verify().await;

    let undone = scene.undo(&sheet).await;
    assert_eq!(undone["status"], "UNDONE");
    assert_eq!(
        scene.counts(&sheet).await,
        json!({ "unchanged": 1, "undone": 2 })
    );
    for code in [&first, &second] {
        assert_eq!(scene.facility(code).await, applied);
    }
    scene.verify().await;
}

#[rstest]
#[tokio::test]
async fn a_day_that_differs_corrects_and_a_word_clears(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend, 1).await;
    let code = code(0);
    let say = async |headings: &str, cells: &str| {
        let text = format!("code,{headings}\n{code},{cells}\n");
        let sheet = scene.checked(&text).await;
        assert_eq!(scene.apply(&sheet).await["status"], "APPLIED");
        scene.facility(&code).await
    };
    let applied = "READER_APPLIED 2021-06-01";
    assert_eq!(
        say(
            "READY,LIVE,INSTALLED planned,blockers",
            "2021-11-01,2021-11-10,2022-01-20,LINE"
        )
        .await,
        format!("{applied}, INSTALLED planned 2022-01-20, READY 2021-11-01, LIVE 2021-11-10, LINE")
    );
    // Both move together, to days that neither could move to alone.
    assert_eq!(
        say("READY,LIVE", "2021-11-20,2021-11-25").await,
        format!("{applied}, INSTALLED planned 2022-01-20, READY 2021-11-20, LIVE 2021-11-25, LINE")
    );
    assert_eq!(
        say(
            "LIVE,INSTALLED planned,blockers",
            "クリア,clear,\"NO_PC、LINE\""
        )
        .await,
        format!("{applied}, READY 2021-11-20, NO_PC, LINE")
    );
    assert_eq!(
        say("READY,blockers", "削除,CLEAR").await,
        applied.to_owned()
    );
    let voided = "SELECT count(*) FROM facility_event WHERE voids_id IS NOT NULL";
    assert!(scene.api.database.number(voided).await > 0);
    scene.verify().await;
}

#[rstest]
#[tokio::test]
async fn every_error_of_a_row_is_told_at_its_column_and_the_other_rows_are_written(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend, 6).await;
    // Nobody's, and one that isn't there.
    scene.clinic(&code(50), None).await;
    let rows = [
        format!("{},2021-12-01,", code(0)),
        format!("{},13/25,2022-02-31", code(1)),
        format!("{},2022-12-01,", code(2)),
        format!("{},2019-12-01,", code(3)),
        format!("{},,2021-12-01", code(4)),
        format!("{},2021-12-01,", code(50)),
        format!("{},2021-12-01,", code(51)),
        "0110112488,2021-12-01,".to_owned(),
        ",2021-12-01,".to_owned(),
        format!("{},2021-12-02,", code(0)),
        format!("{},2021-12-01,2021-12-01", code(5)),
    ];
    let sheet = scene
        .checked(&format!("code,READY,LIVE\n{}\n", rows.join("\n")))
        .await;
    assert_eq!(
        scene.told(&sheet).await,
        [
            "2 WILL_CHANGE",
            "3 REFUSED UNREADABLE_VALUE READY on UNREADABLE_VALUE LIVE on",
            "4 REFUSED DATE_IN_FUTURE READY on",
            "5 REFUSED DATE_TOO_EARLY READY on BEFORE_OPENING",
            "6 REFUSED MISSING_EARLIER_MILESTONE LIVE on",
            // Somebody else's is told like one that is not there.
            "7 REFUSED NOT_FOUND Institution code",
            "8 REFUSED NOT_FOUND Institution code",
            "9 REFUSED INVALID_INSTITUTION_CODE Institution code",
            "10 REFUSED MISSING",
            "11 REFUSED DUPLICATE_ROW",
            "12 WILL_CHANGE",
        ]
    );
    // All or nothing is nothing.
    let payload = scene
        .ask(&scene.editor, "sheetApply", &sheet, json!({}))
        .await;
    assert_eq!(payload["userErrors"][0]["code"], "HAS_REFUSED_ROWS");
    scene.apply(&sheet).await;
    assert_eq!(
        scene.counts(&sheet).await,
        json!({ "changed": 2, "refused": 9 })
    );
    assert_eq!(
        scene.facility(&code(5)).await,
        "READER_APPLIED 2021-06-01, READY 2021-12-01, LIVE 2021-12-01"
    );
    assert_eq!(scene.facility(&code(50)).await, "READER_APPLIED 2021-06-01");
    scene.verify().await;
}

#[rstest]
#[tokio::test]
async fn a_row_whose_facility_changed_is_a_conflict_unless_it_says_what_is_there(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend, 4).await;
    let version = |code: &str| {
        let sql = format!("SELECT version FROM facility_state WHERE code = '{code}'");
        let database = &scene.api.database;
        async move { database.number(&sql).await }
    };
    let mut text = "code,version,READY\n".to_owned();
    for code in &scene.codes {
        text += &format!("{code},{},2021-12-01\n", version(code).await);
    }
    let record = async |code: &str, milestone: &str, on: &str| {
        let input = json!({ "facility": { "code": code }, "milestone": milestone, "on": on });
        scene.one(&ministry(), "milestoneRecord", input).await;
    };
    // Before it is checked: another day, and the same.
    record(&code(0), "READY", "2021-11-30").await;
    record(&code(1), "READY", "2021-12-01").await;
    let sheet = scene.checked(&text).await;
    assert_eq!(
        scene.told(&sheet).await,
        ["2 CONFLICT STALE_VERSION", "4 WILL_CHANGE", "5 WILL_CHANGE"]
    );
    let conflict = &scene.rows(&sheet).await[0];
    assert_eq!(
        conflict["changes"],
        json!([{ "field": "REACHED", "milestone": "READY", "before": "2021-11-30", "after": "2021-12-01" }])
    );
    // After it was checked, too.
    record(&code(2), "INSTALLED", "2021-11-20").await;
    record(&code(3), "READY", "2021-12-01").await;
    scene.apply(&sheet).await;
    assert_eq!(
        scene.told(&sheet).await,
        [
            "2 CONFLICT STALE_VERSION",
            "4 CONFLICT STALE_VERSION",
            "5 UNCHANGED"
        ]
    );
    assert_eq!(
        scene.facility(&code(2)).await,
        "READER_APPLIED 2021-06-01, INSTALLED 2021-11-20"
    );
    scene.verify().await;
}

#[rstest]
#[tokio::test]
async fn a_facility_is_found_by_whatever_fits_it_alone(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend, 6).await;
    let reference = async |number: u32, reference: &str| {
        let input = json!({ "facility": { "code": code(number) }, "reference": reference });
        scene
            .one(&scene.editor, "facilityReferenceSet", input)
            .await;
    };
    reference(3, "A-3").await;
    reference(4, "A-4").await;
    let succeed = json!({ "facility": { "code": code(5) }, "code": code(60), "on": "2021-10-01" });
    scene.one(&ministry(), "facilitySucceed", succeed).await;
    let without_zero = &code(1)[1..];
    let seven = &code(2)[3..];
    let text = format!(
        "コード,都道府県,点数表,管理番号,READY\n\
         {},,,,2021-12-01\n\
         {without_zero},,,,2021-12-01\n\
         {seven},北海道,医科,,2021-12-01\n\
         A-3,,,,2021-12-01\n\
         ,,,A-4,2021-12-01\n\
         {},,,A-3,2021-12-01\n\
         {},,,,2021-12-01\n\
         {},,,B-9,2021-12-02\n\
         C-1,,,,2021-12-01\n",
        code(0),
        code(0),
        code(5),
        code(4),
    );
    let text = text.replace("コード,都", "医療機関コード,都");
    let sheet = scene.checked(&text).await;
    let rows = scene.rows(&sheet).await;
    let identified: Vec<(&str, &str)> = rows
        .iter()
        .map(|row| {
            (
                row["identifiedBy"].as_str().unwrap_or("-"),
                row["facility"]["code"].as_str().unwrap_or("-"),
            )
        })
        .collect();
    let codes = [0, 1, 2, 3, 4, 60].map(code);
    assert_eq!(
        identified,
        [
            ("CODE", codes[0].as_str()),
            ("LOST_ZERO", &codes[1]),
            ("SEVEN_DIGITS", &codes[2]),
            ("REFERENCE", &codes[3]),
            ("REFERENCE", &codes[4]),
            ("-", "-"),
            ("PAST_CODE", &codes[5]),
            ("CODE", &codes[4]),
            ("-", "-"),
        ]
    );
    let errors: Vec<String> = scene
        .told(&sheet)
        .await
        .into_iter()
        .filter(|told| told.contains("REFUSED"))
        .collect();
    assert_eq!(
        errors,
        [
            "7 REFUSED AMBIGUOUS",
            "9 REFUSED DUPLICATE_ROW",
            "10 REFUSED NOT_FOUND"
        ]
    );
}

#[rstest]
#[tokio::test]
async fn undoing_a_sheet_leaves_what_changed_since_and_says_so(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend, 3).await;
    let rows: String = scene
        .codes
        .iter()
        .map(|code| format!("{code},2021-12-01\n"))
        .collect();
    let sheet = scene.checked(&format!("code,READY\n{rows}")).await;
    scene.apply(&sheet).await;
    scene.api.services.clock.advance(TimeDelta::minutes(1));
    let live = json!({ "facility": { "code": code(1) }, "milestone": "LIVE", "on": "2021-12-02" });
    scene.one(&ministry(), "milestoneRecord", live).await;
    let undone = scene.undo(&sheet).await;
    assert_eq!(undone["status"], "UNDONE");
    assert_eq!(
        scene.told(&sheet).await,
        ["2 UNDONE", "3 NOT_UNDONE CHANGED_SINCE", "4 UNDONE"]
    );
    assert_eq!(
        scene.facility(&code(1)).await,
        "READER_APPLIED 2021-06-01, READY 2021-12-01, LIVE 2021-12-02"
    );
    let again = scene
        .ask(&scene.editor, "sheetUndo", &sheet, json!({}))
        .await;
    assert_eq!(again["userErrors"][0]["code"], "NOT_WHILE");
    scene.verify().await;
}

#[rstest]
#[tokio::test]
async fn a_reference_is_that_of_the_organisation_in_whose_name_the_sheet_is_sent(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend, 2).await;
    let other = scene.api.organisation(Kind::Vendor, "みどり").await;
    scene.clinic(&code(2), Some(other)).await;
    let theirs = person(&scene.api, Kind::Vendor, other, Role::Editor).await;
    for (actor, number) in [(&scene.editor, 0), (&theirs, 2)] {
        let input = json!({ "facility": { "code": code(number) }, "reference": "100" });
        scene.one(actor, "facilityReferenceSet", input).await;
    }
    let both = Actor {
        grants: [&scene.editor, &theirs]
            .iter()
            .flat_map(|actor| actor.grants.clone())
            .collect(),
        ..scene.editor.clone()
    };
    let text = format!(
        "code,reference,READY\n,100,2021-12-01\n{},100,2021-12-01\n{},100,2021-12-01\n{},100,2021-12-01\n",
        code(0),
        code(2),
        code(1)
    );
    // In whose name it is sent must be said.
    let sent = scene.send(&both, "a.csv", text.as_bytes()).await;
    assert!(matches!(
        sent,
        Err(UploadError::Refused(SheetProblem::WhoseIsIt))
    ));
    let sql = format!(
        "INSERT INTO membership (user_id, organisation_id, role, created_at) SELECT user_id, {}, role, created_at \
         FROM membership WHERE organisation_id = {}",
        other.0, scene.vendor.0
    );
    scene.api.database.run(&sql).await;
    let sheet = scene
        .send_for(&both, Some(scene.vendor), "a.csv", text.as_bytes())
        .await
        .unwrap();
    scene.work().await;
    assert_eq!(
        scene.told(&sheet).await,
        [
            "2 WILL_CHANGE",
            "3 REFUSED DUPLICATE_ROW",
            // The code says one facility, and the reference another.
            "4 REFUSED AMBIGUOUS",
            "5 REFUSED AMBIGUOUS"
        ]
    );
}

#[rstest]
#[tokio::test]
async fn texts_that_can_not_be_kept_are_refused_at_their_columns(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend, 2).await;
    let text = format!(
        "code,備考,READY\n{},{},2021-12-01\n{},,2021-12-01\n",
        code(0),
        "長".repeat(1_001),
        "9".repeat(101),
    );
    let sheet = scene.checked(&text).await;
    assert_eq!(
        scene.told(&sheet).await,
        [
            "2 REFUSED INVALID_TEXT Remark",
            "3 REFUSED INVALID_TEXT Institution code"
        ]
    );
    let longest = "SELECT max(length(detail)) FROM sheet_row";
    assert!(scene.api.database.number(longest).await < 500);
}

#[rstest]
#[tokio::test]
async fn headings_may_stand_below_a_title_whatever_they_are_called(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend, 1).await;
    let known = format!(
        "週報 12月\n\n作成,青葉\ncode,READY\n{},2021-12-01\n",
        code(0)
    );
    let sheet = scene.checked(&known).await;
    assert_eq!(scene.sheet(&sheet).await["headingRow"], 4);
    assert_eq!(scene.told(&sheet).await, ["5 WILL_CHANGE"]);
    let unknown = format!("週報 12月\n店,完了\n{},2021-12-01,メモ\n", code(0));
    let sheet = scene.checked(&unknown).await;
    let seen = scene.sheet(&sheet).await;
    assert_eq!(
        (&seen["headingRow"], &seen["status"]),
        (&json!(2), &json!("NEEDS_COLUMNS"))
    );
    assert_eq!(seen["columns"].as_array().unwrap().len(), 3);
}
