//! Who is told what: the scope of today, and what went out of it.

use kaitsu::{
    auth::{Actor, Clause, OrganisationKind, Permission, Scope},
    db::{Backend, FacilityId, OrganisationId, Query, Row},
    facility::Prefecture,
};
use rstest::rstest;
use serde_json::{Value, json};

use super::scene::{Scene, code_in, facilities, operations, row_of};

#[rstest]
#[tokio::test]
async fn the_old_vendor_is_told_the_id_the_new_one_everything_and_a_rival_nothing(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let (old, old_staff) = scene.vendor("あおばシステム").await;
    let (new, new_staff) = scene.vendor("みどりシステム").await;
    let (_, rival) = scene.vendor("きいろシステム").await;
    let clinic = scene.clinic_of(1, old).await;
    scene.settle().await;
    let head = scene.head(&old_staff).await;
    scene.rename(&clinic, "浜内科").await;
    scene.engage(&clinic, Some(new), "2021-06-01").await;
    scene.rename(&clinic, "港内科").await;
    scene.settle().await;

    let (told, _) = scene.rest(&old_staff, 10, Some(&head)).await;
    let [left] = told.as_slice() else {
        panic!("{told:#?}");
    };
    assert_eq!(left["facilityId"], json!(clinic));
    assert_eq!(left["leftScope"], true);
    let silent = [
        "operation",
        "source",
        "actorKind",
        "organisation",
        "reason",
        "facility",
    ];
    for field in silent {
        assert_eq!(left[field], Value::Null, "{field}");
    }
    assert_eq!(left["events"], json!([]));

    let (told, _) = scene.rest(&new_staff, 10, Some(&head)).await;
    assert_eq!(
        operations(&told),
        ["facilityUpdate", "facilityLink", "facilityUpdate"]
    );
    assert!(told.iter().all(|node| node["facility"]["name"] == "港内科"));
    assert_eq!(told[1]["events"][0]["kind"], "VENDOR_SET");
    let (told, _) = scene.rest(&rival, 10, None).await;
    assert_eq!(told, Vec::<Value>::new());
}

#[rstest]
#[tokio::test]
async fn what_was_never_visible_is_not_told_when_it_moves_on(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let (one, _) = scene.vendor("あおばシステム").await;
    let (two, _) = scene.vendor("みどりシステム").await;
    let (_, rival) = scene.vendor("きいろシステム").await;
    let (_, bureau) = scene
        .organisation(OrganisationKind::RegionalBureau, "北海道厚生局")
        .await;
    let clinic = scene.clinic_of(1, one).await;
    assert!(scene.succeed(&clinic, &code_in(13, 1), "2021-02-01").await);
    scene.settle().await;
    let head = scene.head(&rival).await;
    scene.engage(&clinic, Some(two), "2021-06-01").await;
    scene.engage(&clinic, None, "2021-07-01").await;
    assert!(scene.succeed(&clinic, &code_in(27, 1), "2021-08-01").await);
    scene.settle().await;
    for reader in [&rival, &bureau] {
        let (told, _) = scene.rest(reader, 10, Some(&head)).await;
        assert_eq!(told, Vec::<Value>::new());
    }
    let (told, _) = scene.rest(&bureau, 10, None).await;
    assert_eq!(facilities(&told), [clinic], "it left the bureau once");
    assert_eq!(operations(&told), ["left"]);
}

/// Where a facility belongs.
#[derive(Clone, Copy, Debug, Default)]
struct Links {
    facility: i64,
    vendor: i64,
    chain: i64,
    contractor: i64,
    prefecture: i64,
}

impl Links {
    async fn of(scene: &Scene, facility: FacilityId) -> Self {
        let row = Query::with(
            "SELECT facility_id, vendor_id, chain_id, contractor_id, prefecture FROM facility_state \
             WHERE facility_id = $1",
            [facility.0.into()],
        )
        .one(scene.api.services.database.read())
        .await
        .unwrap()
        .unwrap();
        let mut row = Row::new(&row);
        Self {
            facility: row.take().unwrap(),
            vendor: row.take().unwrap(),
            chain: row.take().unwrap(),
            contractor: row.take().unwrap(),
            prefecture: i64::from(row.take::<i16>().unwrap()),
        }
    }

    fn within(&self, actor: &Actor) -> bool {
        let Scope::Any(clauses) = actor.scope(Permission::FacilityRead) else {
            return true;
        };
        let number = |prefecture: &Prefecture| i64::from(prefecture.number());
        clauses.iter().any(|clause| match clause {
            Clause::Vendor(id) => self.vendor == id.0,
            Clause::Chain(id) => self.chain == id.0,
            Clause::Contractor(id) => self.contractor == id.0,
            Clause::Corporation(_) | Clause::Area(_) => unreachable!("nobody here is of a part"),
            Clause::Facility(id) => self.facility == id.0,
            Clause::Prefectures(list) => list.iter().map(number).any(|n| n == self.prefecture),
        })
    }
}

/// A made-up sequence that is the same each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> usize {
        // splitmix64
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed >> 33) % sides).unwrap()
    }
}

/// Moves facilities about at random, backdated too, and keeps how each stood after each change.
async fn moved_about(
    scene: &Scene,
    dice: &mut Dice,
    organisations: &[(&str, OrganisationId)],
) -> Vec<Links> {
    let mut clinics = Vec::new();
    let mut steps = Vec::new();
    for number in 1..=3 {
        let clinic = scene.clinic(number).await;
        steps.push(Links::of(scene, row_of(&clinic)).await);
        clinics.push(clinic);
    }
    for number in 0..70_u32 {
        let clinic = &clinics[dice.roll(3)];
        // Mostly as time goes by, and now and then for some day in the past.
        let month = match dice.roll(4) {
            0 => 1 + dice.roll(11),
            _ => 1 + usize::try_from(number / 7).unwrap(),
        };
        let day = format!("2021-{month:02}-{:02}", 1 + dice.roll(28));
        let changed = match dice.roll(6) {
            0 => {
                scene.rename(clinic, &format!("浜内科{number}")).await;
                true
            }
            1 => {
                let prefecture = if dice.roll(2) == 0 { 1 } else { 13 };
                scene
                    .succeed(clinic, &code_in(prefecture, 100 + number), &day)
                    .await
            }
            _ => {
                let (kind, organisation) = organisations[dice.roll(4)];
                let organisation = (dice.roll(3) > 0).then_some(organisation);
                scene.link(clinic, kind, organisation, &day).await
            }
        };
        if changed {
            steps.push(Links::of(scene, row_of(clinic)).await);
        }
        if dice.roll(4) == 0 {
            scene.settle().await;
        }
    }
    scene.settle().await;
    steps
}

#[rstest]
#[tokio::test]
async fn each_reader_is_told_what_the_present_scope_holds_and_what_left_it(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
    #[values(1, 2, 3)] seed: u64,
) {
    let scene = Scene::new(backend).await;
    let (one, one_staff) = scene.vendor("あおばシステム").await;
    let (two, two_staff) = scene.vendor("みどりシステム").await;
    let (chain, chain_staff) = scene.organisation(OrganisationKind::Chain, "港会").await;
    let (support, support_staff) = scene
        .organisation(OrganisationKind::SupportContractor, "さくらサポート")
        .await;
    let (_, bureau) = scene
        .organisation(OrganisationKind::RegionalBureau, "北海道厚生局")
        .await;
    let (_, clinic_staff) = scene
        .organisation(OrganisationKind::Facility, "みなと内科1")
        .await;
    let mut both = one_staff.clone();
    both.grants.extend(bureau.grants.clone());
    let organisations = [
        ("VENDOR", one),
        ("VENDOR", two),
        ("CHAIN", chain),
        ("SUPPORT_CONTRACTOR", support),
    ];
    let steps = moved_about(&scene, &mut Dice(seed), &organisations).await;
    let today = |facility: i64| {
        steps
            .iter()
            .rfind(|links| links.facility == facility)
            .unwrap()
    };

    let readers = [
        one_staff,
        two_staff,
        chain_staff,
        support_staff,
        bureau,
        clinic_staff,
        both,
    ];
    let mut left = 0;
    for (position, reader) in readers.iter().enumerate() {
        let mut expected = Vec::new();
        for (index, now) in steps.iter().enumerate() {
            let before = steps[..index]
                .iter()
                .rfind(|links| links.facility == now.facility);
            if today(now.facility).within(reader) {
                expected.push((now.facility, false));
            } else if before.is_some_and(|before| before.within(reader)) && !now.within(reader) {
                expected.push((now.facility, true));
                left += 1;
            }
        }
        let (told, _) = scene.rest(reader, 1 + position, None).await;
        let told: Vec<(i64, bool)> = told
            .iter()
            .map(|node| {
                let facility = row_of(node["facilityId"].as_str().unwrap()).0;
                (facility, node["leftScope"].as_bool().unwrap())
            })
            .collect();
        assert_eq!(told, expected, "reader {position}");
    }
    assert!(left > 5, "only {left} left a scope: the test tells little");
}
