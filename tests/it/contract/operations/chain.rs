//! The operation documents of chains: a head office plans and looks at its month, a coordinator at all chains.

use serde_json::json;

use super::{PHARMACY, Story, text};

pub async fn month(story: &mut Story) {
    let chain = story.organisation("chain").await;
    let card = json!({ "organisationId": chain, "asOf": "2021-12-19" });
    story.tell(Some("chain"), "Scorecard", card).await;
    let first = json!({ "first": 10 });
    story.tell(Some("ministry"), "Chains", first).await;
    parts(story, &chain).await;
    wave(story, &chain).await;
}

/// Who looks after which stores, and who files for all of them.
async fn parts(story: &mut Story, chain: &str) {
    let east = json!({ "input": { "kind": "AREA", "name": "東日本エリア", "nameKana": "ヒガシニホンエリア", "parentId": chain } });
    let east = story.tell(Some("office"), "AddChainPart", east).await;
    let east = text(&east, "/data/organisationCreate/organisation/id");
    let filer = json!({ "input": { "organisationId": chain, "email": "filer@example.jp", "role": "FILER" } });
    story.repeat("office", "InviteMember", filer).await;
    let rows = json!({ "input": { "rows": [
        { "facility": { "code": PHARMACY }, "action": "LINK", "on": "2021-12-01", "link": { "kind": "AREA", "organisationId": east } },
        { "facility": { "code": PHARMACY }, "action": "UPDATE", "contacts": { "phone": "011-000-0001" } },
    ] } });
    story.tell(Some("chain"), "AmendFacilities", rows).await;
    let rows = json!({ "input": { "rows": [{ "facility": { "code": PHARMACY }, "reference": "S-0001" }] } });
    story.tell(Some("chain"), "SetReferences", rows).await;
    let all = json!({ "chainId": chain, "first": 10 });
    story.tell(Some("chain"), "ChainParts", all).await;
}

/// What is to go live when, and how far that is.
async fn wave(story: &mut Story, chain: &str) {
    let wave = json!({ "input": { "name": "2022年1月 第一陣", "milestone": "LIVE" } });
    let wave = story.tell(Some("chain"), "SaveWave", wave).await;
    let wave = text(&wave, "/data/waveSave/wave/id");
    let rows = json!({ "input": { "waveId": wave, "rows": [{ "facility": { "code": PHARMACY }, "on": "2022-01-14" }] } });
    story.tell(Some("chain"), "PlanWave", rows).await;
    let all = json!({ "organisationId": chain, "asOf": "2021-12-19", "first": 10 });
    story.tell(Some("vendor"), "Waves", all).await;
    let days = json!({ "waveId": wave });
    story.tell(Some("chain"), "WaveDays", days).await;
    let stores = json!({ "waveId": wave, "states": ["OVERDUE", "TO_COME"], "first": 10 });
    story.tell(Some("chain"), "WaveStores", stores).await;
    let gone = json!({ "input": { "id": wave } });
    story.tell(Some("chain"), "DeleteWave", gone).await;
}
