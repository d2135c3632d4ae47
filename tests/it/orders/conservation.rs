//! Nothing gets lost, is made or is in two places, whatever is done and by how many at once.

use std::sync::Arc;

use kaitsu::db::Backend;
use rstest::rstest;
use serde_json::{Value, json};

use super::{Scene, code};
use crate::support::api::errors;

/// Numbers that look random and are the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % most
    }
}

/// What there is to do something with.
struct Things {
    orders: Vec<Value>,
    lots: Vec<Value>,
}

impl Things {
    async fn of(scene: &Scene) -> Self {
        let document = "{ hardwareOrders(first: 100) { nodes { id } } hardwareLots(first: 100) { nodes { id } } }";
        let data = scene.api.data(&scene.buyer(), document, json!({})).await;
        let ids = |list: &str| {
            let nodes = data[list]["nodes"].as_array().unwrap().iter();
            nodes.map(|node| node["id"].clone()).collect()
        };
        Self {
            orders: ids("hardwareOrders"),
            lots: ids("hardwareLots"),
        }
    }
}

/// A request that may well be refused. Answers what it did, if it did anything.
async fn something(scene: &Scene, dice: &mut Dice, things: &Things) -> Option<&'static str> {
    let order = &things.orders[dice.below(things.orders.len())];
    let quantity = i64::try_from(dice.below(4)).unwrap();
    let lot = &things.lots[dice.below(things.lots.len())];
    let place = u32::try_from(dice.below(2)).unwrap();
    let on = ["2021-12-01", "2021-12-02"][dice.below(2)];
    let step = |action: &str| json!([{ "orderId": order, "action": action, "quantity": quantity, "on": on, "lotId": lot }]);
    let (done, payload) = match dice.below(6) {
        0 => (
            "deliver",
            scene.record(&scene.supplier(), step("DELIVER")).await,
        ),
        1 => ("cancel", scene.record(&scene.buyer(), step("CANCEL")).await),
        2 => ("return", scene.record(&scene.buyer(), step("RETURN")).await),
        3 | 4 => {
            let moved = scene.moved("hardwareAllocate", lot, place, quantity, on);
            ("allocate", moved.await)
        }
        _ => {
            let moved = scene.moved("hardwareRelease", lot, place, 0, on);
            ("release", moved.await)
        }
    };
    (payload["writtenCount"] == 1).then_some(done)
}

/// Nothing is lost, made or in two places, by the answers and by what is kept.
async fn conserved(scene: &Scene) {
    let document = "{ hardwareOrders(first: 100) { nodes { quantity deliveredQuantity cancelledQuantity openQuantity } } }";
    let data = scene.api.data(&scene.buyer(), document, json!({})).await;
    let mut delivered = 0;
    for node in data["hardwareOrders"]["nodes"].as_array().unwrap() {
        let of = |field: &str| node[field].as_i64().unwrap();
        let open = of("openQuantity");
        assert_eq!(
            of("quantity"),
            of("deliveredQuantity") + of("cancelledQuantity") + open,
            "{node}"
        );
        assert!(open >= 0, "{node}");
        delivered += of("deliveredQuantity");
    }
    let mut received = 0;
    for [quantity, allocated, in_stock, returned] in scene.stock().await {
        assert_eq!(quantity, allocated + in_stock + returned);
        assert!(allocated >= 0 && in_stock >= 0 && returned >= 0);
        received += quantity;
    }
    assert_eq!(received, delivered);
    // Who has a unit has procured, and nobody else has.
    for place in [0, 1] {
        let held = format!(
            "SELECT count(*) FROM hardware_allocation a JOIN facility_state s ON s.facility_id = a.facility_id \
             WHERE a.ended_by IS NULL AND s.code = '{}'",
            code(place)
        );
        let held = scene.api.database.number(&held).await;
        assert_eq!(scene.reached(place).await.is_empty(), held == 0, "{place}");
    }
    // The steps, lots and allocations add up to what is kept of them.
    scene.api.verify().await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_made_or_in_two_places_whatever_is_done(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
    #[values(1, 2, 3)] seed: u64,
) {
    let scene = Arc::new(Scene::new(backend).await);
    for quantity in [200, 300] {
        let order = scene.placed(quantity).await;
        scene.arrived(&order, 5, "2021-11-10").await;
    }
    let mut dice = [Dice(seed), Dice(seed + 100)];
    let mut done: std::collections::BTreeMap<&str, u32> = std::collections::BTreeMap::new();
    for round in 0..64 {
        let things = Arc::new(Things::of(&scene).await);
        // Two at once, each as it likes.
        let both = dice.map(|mut dice| {
            let (scene, things) = (Arc::clone(&scene), Arc::clone(&things));
            tokio::spawn(async move {
                let what = something(&scene, &mut dice, &things).await;
                (what, dice)
            })
        });
        let [one, other] = both;
        let (one, other) = (one.await.unwrap(), other.await.unwrap());
        for what in [one.0, other.0].into_iter().flatten() {
            *done.entry(what).or_default() += 1;
        }
        dice = [one.1, other.1];
        if round % 16 == 15 {
            conserved(&scene).await;
        }
    }
    for what in ["deliver", "cancel", "return", "allocate", "release"] {
        assert!(done.contains_key(what), "seed {seed}: {done:?}");
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_who_allocate_the_last_unit_at_once_give_it_to_one(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Arc::new(Scene::new(backend).await);
    let order = scene.placed(8).await;
    for unit in 0..4 {
        let lot = scene.arrived(&order, 1, "2021-11-10").await;
        let both = [0, 1].map(|place| {
            let (scene, lot) = (Arc::clone(&scene), lot.clone());
            tokio::spawn(async move {
                scene
                    .moved("hardwareAllocate", &lot, place, 1, "2021-11-12")
                    .await
            })
        });
        let mut told = Vec::new();
        for one in both {
            told.extend(errors(&one.await.unwrap()));
        }
        assert_eq!(told, ["OUT_OF_RANGE input.rows.0.quantity"], "{unit}");
    }
    assert_eq!(scene.stock().await, [[1, 1, 0, 0]; 4]);
    conserved(&scene).await;
}
