//! The operation documents of reporting: a vendor confirms, a coordinator sees who has not.

use serde_json::json;

use super::Story;

pub async fn friday(story: &mut Story) {
    let vendor = story.organisation("vendor").await;
    let of = |day: &str| json!({ "input": { "organisationId": vendor, "completeTo": day } });
    story
        .tell(Some("vendor"), "ConfirmReporting", of("2021-12-19"))
        .await;
    let day = json!({ "asOf": "2021-12-19" });
    story.tell(Some("ministry"), "ReportingCoverage", day).await;
    let mut back = of("2021-12-17");
    back["input"]["reason"] = json!("土曜日の導入を記録していませんでした");
    story.tell(Some("vendor"), "WithdrawReporting", back).await;
    let first = json!({ "first": 10 });
    story
        .tell(Some("ministry"), "ReportingConfirmations", first)
        .await;
}
