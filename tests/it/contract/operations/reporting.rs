//! The operation documents of reporting and capacity: a vendor confirms, pledges and answers, a coordinator sees who has not.

use serde_json::{Value, json};

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

pub async fn first_of_the_month(story: &mut Story) {
    let vendor = story.organisation("vendor").await;
    let of = |mut more: Value| {
        more["organisationId"] = json!(vendor);
        json!({ "input": more })
    };
    let rows = json!([
        { "month": "2021-12", "prefecture": "HOKKAIDO", "installs": 12 },
        { "month": "2022-01", "prefecture": "HOKKAIDO", "installs": 20 },
    ]);
    let pledge = of(json!({ "pledges": rows }));
    story.tell(Some("vendor"), "PledgeCapacity", pledge).await;
    let answer = of(
        json!({ "month": "2021-11", "teamCount": 3, "remark": "年末は6日まで休業します。", "pledges": [
        { "month": "2022-01", "prefecture": "HOKKAIDO", "installs": 18 } ], "completeTo": "2021-12-18" }),
    );
    story.tell(Some("vendor"), "AnswerFollowUp", answer).await;
    let november = json!({ "month": "2021-11", "first": 10 });
    story.tell(Some("ministry"), "FollowUps", november).await;
    let pledged = json!({ "organisationId": vendor, "from": "2021-12", "until": "2022-03" });
    story
        .tell(Some("ministry"), "CapacityPledges", pledged)
        .await;
    let months = json!({ "asOf": "2021-12-19", "months": 3 });
    story.tell(Some("vendor"), "WorkFigures", months).await;
}
