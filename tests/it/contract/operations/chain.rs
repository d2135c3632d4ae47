//! The operation documents of chains: a head office looks at its month, a coordinator at all chains.

use serde_json::json;

use super::Story;

pub async fn month(story: &mut Story) {
    let chain = story.organisation("chain").await;
    let card = json!({ "organisationId": chain, "asOf": "2021-12-19" });
    story.tell(Some("chain"), "Scorecard", card).await;
    let first = json!({ "first": 10 });
    story.tell(Some("ministry"), "Chains", first).await;
}
