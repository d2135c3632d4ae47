//! The operation documents of worklists: a vendor begins the day, and keeps what it looks for.

use serde_json::{Value, json};

use super::{CLINIC, PHARMACY, Story, refusals, text};

pub async fn morning(story: &mut Story) {
    let vendor = story.organisation("vendor").await;
    let plan = &story.documents["PlanMilestone"];
    for (code, milestone, on) in [
        (CLINIC, "LIVE", "2021-12-10"),
        (PHARMACY, "READY", "2021-12-19"),
    ] {
        let input = json!({ "facility": { "code": code }, "milestone": milestone, "on": on });
        let planned = json!({ "input": input });
        let response = story.served.post(Some("vendor"), plan, &planned).await;
        assert_eq!(
            refusals(&response["data"]),
            Vec::<&Value>::new(),
            "{response:#}"
        );
    }
    let first = json!({ "first": 10 });
    story.tell(Some("vendor"), "NextSteps", first).await;
    let filter = json!({ "kinds": ["MEDICAL_CLINIC"], "hasBlocker": true });
    let input = json!({ "organisationId": vendor, "name": "止まっている医院", "shared": true, "filter": filter });
    let kept = story
        .tell(Some("vendor"), "SaveFilter", json!({ "input": input }))
        .await;
    let id = text(&kept, "/data/savedFilterSave/savedFilter/id");
    story.tell(Some("vendor"), "SavedFilters", json!({})).await;
    let list = json!({ "savedFilterId": id, "first": 10 });
    story.tell(Some("vendor"), "SavedWorklist", list).await;
    let input = json!({ "input": { "id": id } });
    story.tell(Some("vendor"), "DeleteFilter", input).await;
}
