//! A vendor's Friday, told by operations: its weekly file is sent, shown, applied and taken back.

use std::io::Write;

use kaitsu::{
    api::{NodeId, node_id::NodeKind},
    jobs::Progress,
    sheet::service::{Received, run, upload},
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{CLINIC, PHARMACY, Story, text as text_at};
use crate::support::served::Served;

/// Sends a file as one of the users.
pub async fn send(served: &Served, user: &str, name: &str, text: &str) -> String {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    let received = Received {
        file,
        name: name.to_owned(),
        digest: Sha256::digest(text).to_vec(),
        bytes: text.len().try_into().unwrap(),
        complete_to: None,
    };
    let actor = served.actor(user).await;
    let sheet = upload(&served.services, &actor, None, received)
        .await
        .unwrap();
    work(served).await;
    NodeId::new(NodeKind::Sheet, sheet.0).encode().0
}

/// Lets the background do all there is.
pub async fn work(served: &Served) {
    while run(&served.services, "test").await.unwrap() == Progress::More {}
}

pub async fn friday(story: &mut Story) {
    let text = format!(
        "店,導入予定,回線の状況,メモ\n{CLINIC},令和4年1月21日,,回線工事の後\n{PHARMACY},2022/1/28,回線,\n0110112480,2022-01-28,,\n"
    );
    let sheet = send(&story.served, "vendor", "週報.csv", &text).await;
    let by_id = json!({ "id": sheet });
    let told = story.tell_with_errors("vendor", "SheetById", by_id).await;
    assert_eq!(told["data"]["node"]["status"], "NEEDS_COLUMNS");
    let of = |mut more: Value| {
        more["sheetId"] = json!(sheet);
        json!({ "input": more })
    };
    let follow = &story.documents["FollowSheet"];
    let of_sheet = json!({ "sheetId": sheet });
    let refused = story.served.post(Some("vendor"), follow, &of_sheet).await;
    assert_eq!(
        text_at(&refused, "/errors/0/extensions/code"),
        "SUBSCRIPTION_NEEDS_SOCKET"
    );
    story.told.insert("FollowSheet".to_owned());
    let columns = json!({ "saveAs": "週報", "columns": [
        { "position": 0, "field": "CODE" },
        { "position": 1, "field": "PLANNED", "milestone": "INSTALLED" },
        { "position": 2, "field": "BLOCKERS" },
        { "position": 3, "field": "NOTE" },
    ] });
    story.tell(Some("vendor"), "CheckSheet", of(columns)).await;
    work(&story.served).await;
    let saved = json!({});
    story.tell(Some("vendor"), "SheetMappings", saved).await;
    let rows = json!({ "sheetId": sheet, "first": 10 });
    story.tell_with_errors("vendor", "SheetRows", rows).await;
    let all = of(json!({ "errorPolicy": "REJECT_FAILED_ROWS", "gentle": false }));
    story.tell(Some("vendor"), "ApplySheet", all).await;
    work(&story.served).await;
    let undo = of(json!({ "gentle": false, "reason": "先週のファイルでした" }));
    story.tell(Some("vendor"), "UndoSheet", undo).await;
    work(&story.served).await;
    let other = send(&story.served, "vendor", "週報.csv", &text).await;
    let cancel = json!({ "input": { "sheetId": other } });
    story.tell(Some("vendor"), "CancelSheet", cancel).await;
    let list = json!({ "first": 10 });
    story.tell(Some("vendor"), "Sheets", list).await;
    let name = json!({ "input": { "name": "週報" } });
    story.tell(Some("vendor"), "DeleteSheetMapping", name).await;
}
