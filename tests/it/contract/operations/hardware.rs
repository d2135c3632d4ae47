//! A maker keeps its catalogue, a chain applies for readers, the fund ships them, and a vendor orders PCs.

use serde_json::{Value, json};

use super::{CLINIC, PHARMACY, Story, text};

pub async fn months(story: &mut Story) {
    let maker = story.organisation("maker").await;
    let reader = json!({ "input": {
        "supplierId": maker, "class": "READER", "name": "みるカード", "number": "MC-1",
        "kinds": ["HOSPITAL", "MEDICAL_CLINIC", "DENTAL_CLINIC", "PHARMACY"],
    } });
    let saved = story.tell(Some("maker"), "SaveHardwareModel", reader).await;
    let reader = text(&saved, "/data/hardwareModelSave/hardwareModel/id");
    let terminal = json!({ "input": {
        "supplierId": maker, "class": "PC", "name": "窓口端末", "number": "PC-9", "kinds": ["PHARMACY"],
        "lines": ["IP_VPN", "IPSEC_IKE"], "readerIds": [reader], "discontinuedOn": "2022-03-31",
    } });
    let saved = story.repeat("maker", "SaveHardwareModel", terminal).await;
    let terminal = text(&saved, "/data/hardwareModelSave/hardwareModel/id");
    let wanted = json!({ "filter": { "kind": "PHARMACY", "made": true }, "first": 10 });
    story.tell(None, "HardwareModels", wanted).await;

    // The pharmacy was said to have applied long ago, so that only its lines are new.
    let lines = json!([{ "modelId": reader, "freeQuantity": 1 }]);
    let filed = json!({ "input": { "facility": { "code": PHARMACY }, "kind": "READER", "step": "RECEIVE",
        "on": "2021-12-13", "lines": lines } });
    story.tell(Some("chain"), "RecordApplication", filed).await;
    let row = |code: &str, kind: &str, step: &str, on: &str| -> Value {
        json!({ "facility": { "code": code }, "kind": kind, "step": step, "on": on })
    };
    let rows = json!({ "input": { "errorPolicy": "REJECT_FAILED_ROWS", "rows": [
        row(PHARMACY, "READER", "SEND", "2021-12-15"),
        row(PHARMACY, "CERTIFICATE", "RECEIVE", "2021-12-15"),
        row(CLINIC, "READER", "SEND", "2021-12-15"),
        { "facility": { "code": PHARMACY }, "kind": "CERTIFICATE", "step": "ISSUE", "on": "2021-12-17",
          "expiresOn": "2023-12-17" },
    ] } });
    story
        .tell_with_errors("ministry", "RecordApplications", rows)
        .await;
    let mine = json!({ "filter": { "facility": { "code": PHARMACY } }, "first": 10 });
    story.tell(Some("vendor"), "Applications", mine).await;
    ordering_week(story, &terminal).await;
}

/// A vendor orders a PC on Monday, some of it arrives, and the pharmacy gets one.
async fn ordering_week(story: &mut Story, terminal: &str) {
    let vendor = story.organisation("vendor").await;
    let order = json!({ "input": { "buyerId": vendor, "modelId": terminal, "quantity": 10, "unitPrice": 98000,
        "orderedOn": "2021-12-13", "facilities": [{ "code": PHARMACY }] } });
    let placed = story.tell(Some("vendor"), "PlaceOrder", order).await;
    let order = text(&placed, "/data/hardwareOrderPlace/hardwareOrder/id");
    let rows = json!({ "input": { "errorPolicy": "REJECT_FAILED_ROWS", "rows": [
        { "orderId": order, "action": "PROMISE", "on": "2021-12-14", "promisedOn": "2022-01-31",
          "note": "半導体の入荷待ち" },
        { "orderId": order, "action": "DELIVER", "on": "2021-12-16", "quantity": 4 },
        { "orderId": order, "action": "DELIVER", "on": "2021-12-17", "quantity": 7 },
    ] } });
    story.tell_with_errors("maker", "RecordOrders", rows).await;
    let stock = json!({ "filter": { "inStock": true }, "first": 10 });
    let stock = story.tell(Some("vendor"), "HardwareLots", stock).await;
    let lot = text(&stock, "/data/hardwareLots/nodes/0/id");
    let row = |on: &str| json!({ "input": { "rows": [{ "lotId": lot, "facility": { "code": PHARMACY }, "on": on }] } });
    let given = row("2021-12-17");
    story.tell(Some("vendor"), "AllocateHardware", given).await;
    let open = json!({ "filter": { "open": true }, "first": 10 });
    story.tell(Some("vendor"), "HardwareOrders", open).await;
    let back = row("2021-12-18");
    story.tell(Some("vendor"), "ReleaseHardware", back).await;
}
