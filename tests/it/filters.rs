//! Filters of the list of facilities: what each lets through, alone and beside others, and that the total agrees.

use std::collections::BTreeSet;

use kaitsu::{
    auth::OrganisationKind,
    db::Backend,
    facility::{FeeTable, InstitutionCode, Prefecture},
};
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::api::{Api, global, ministry};

const CLINIC: &str = "みなと内科";
const DENTIST: &str = "さくら歯科";
/// Closed since 2021-10-01.
const HOSPITAL: &str = "みなと病院";
const PHARMACY: &str = "みなと薬局";
/// Opens on 2022-04-01.
const NEWCOMER: &str = "あした薬局";

/// Name, prefecture, fee table, kind, whether it is a public institution, and the day of opening.
type Registration = (&'static str, u8, FeeTable, &'static str, bool, &'static str);

/// In the order of their codes.
const FACILITIES: [Registration; 5] = [
    (
        CLINIC,
        1,
        FeeTable::Medical,
        "MEDICAL_CLINIC",
        false,
        "2020-04-01",
    ),
    (
        DENTIST,
        2,
        FeeTable::Dental,
        "DENTAL_CLINIC",
        true,
        "2020-04-01",
    ),
    (
        HOSPITAL,
        11,
        FeeTable::Medical,
        "HOSPITAL",
        false,
        "2020-04-01",
    ),
    (
        PHARMACY,
        11,
        FeeTable::Dispensing,
        "PHARMACY",
        false,
        "2020-04-01",
    ),
    (
        NEWCOMER,
        13,
        FeeTable::Dispensing,
        "PHARMACY",
        false,
        "2022-04-01",
    ),
];

const LIST: &str = "query ($filter: FacilityFilter) { facilities(first: 100, filter: $filter) {
    totalCount totalCountIsExact nodes { name } } }";
const LIST_OF_ALL: &str =
    "{ facilities(first: 100) { totalCount totalCountIsExact nodes { name } } }";

fn code(name: &str) -> String {
    let mut facilities = FACILITIES.into_iter();
    let (_, prefecture, table, ..) = facilities.find(|(one, ..)| *one == name).unwrap();
    let prefecture = Prefecture::from_number(prefecture).unwrap();
    InstitutionCode::with_check_digit(prefecture, table, 7).to_string()
}

/// Facilities of which every filter finds some and not all, and the organisations that they have to do with.
struct Scene {
    api: Api,
    aoba: String,
    hibari: String,
    chain: String,
    /// Its corporation and its area.
    parts: [String; 2],
}

impl Scene {
    async fn new(backend: Backend) -> Self {
        let api = Api::new(backend).await;
        let vendor = OrganisationKind::Vendor;
        let corporation = api
            .organisation(OrganisationKind::Corporation, "港湾薬局")
            .await;
        let area = api.organisation(OrganisationKind::Area, "道央").await;
        let scene = Self {
            parts: [global(corporation), global(area)],
            aoba: global(api.organisation(vendor, "あおばシステム").await),
            hibari: global(api.organisation(vendor, "ひばりシステム").await),
            chain: global(api.organisation(OrganisationKind::Chain, "港会").await),
            api,
        };
        scene.register().await;
        scene.link().await;
        scene.go_on().await;
        scene
    }

    async fn register(&self) {
        for (name, _, _, kind, public, opened_on) in FACILITIES {
            let facility = json!({ "code": code(name), "kind": kind, "name": name, "openedOn": opened_on,
                                   "publicInstitution": public });
            self.write("facilityRegister", facility).await;
        }
    }

    async fn link(&self) {
        for (name, kind, organisation) in [
            (CLINIC, "VENDOR", &self.aoba),
            (HOSPITAL, "VENDOR", &self.aoba),
            (PHARMACY, "VENDOR", &self.hibari),
            (PHARMACY, "CHAIN", &self.chain),
            (PHARMACY, "CORPORATION", &self.parts[0]),
            (PHARMACY, "AREA", &self.parts[1]),
        ] {
            let link = json!({ "facility": { "code": code(name) }, "kind": kind, "organisationId": organisation,
                               "on": "2021-01-01" });
            self.write("facilityLink", link).await;
        }
    }

    /// What was reached, ten days ago by the clinic and thirty by the pharmacy, and what is planned.
    async fn go_on(&self) {
        for (write, name, milestone, on) in [
            ("milestoneRecord", CLINIC, "READER_APPLIED", "2021-06-01"),
            ("milestoneRecord", CLINIC, "INSTALLED", "2021-12-09"),
            ("milestonePlan", CLINIC, "READY", "2022-01-15"),
            ("milestonePlan", DENTIST, "INSTALLED", "2022-02-01"),
            ("milestonePlan", DENTIST, "READY", "2022-02-20"),
            ("milestoneRecord", PHARMACY, "READER_APPLIED", "2021-11-01"),
            ("milestoneRecord", PHARMACY, "READY", "2021-11-10"),
            ("milestoneRecord", PHARMACY, "LIVE", "2021-11-19"),
        ] {
            let step =
                json!({ "facility": { "code": code(name) }, "milestone": milestone, "on": on });
            self.write(write, step).await;
        }
        for (write, name, blocker, on) in [
            ("blockerOpen", CLINIC, "NO_PC", "2021-10-01"),
            ("blockerResolve", CLINIC, "NO_PC", "2021-11-01"),
            ("blockerOpen", CLINIC, "CERTIFICATE", "2021-12-10"),
            ("blockerOpen", DENTIST, "NO_ROUTER", "2021-12-01"),
            ("blockerOpen", DENTIST, "BUDGET", "2021-12-17"),
        ] {
            let step = json!({ "facility": { "code": code(name) }, "blocker": blocker, "on": on });
            self.write(write, step).await;
        }
        let closing = json!({ "facility": { "code": code(HOSPITAL) }, "on": "2021-10-01" });
        self.write("facilityClose", closing).await;
    }

    /// Runs a mutation that must succeed.
    async fn write(&self, name: &str, input: Value) {
        let document = format!(
            "mutation ($input: {}{}Input!) {{ {name}(input: $input) {{ userErrors {{ code path }} }} }}",
            name[..1].to_uppercase(),
            &name[1..]
        );
        let variables = json!({ "input": input });
        let data = self.api.data(&ministry(), &document, variables).await;
        assert_eq!(data[name]["userErrors"], json!([]), "{name} {input}");
    }

    /// The names in a list that tells its total.
    async fn listed(&self, document: &str, variables: Value) -> Vec<String> {
        let asked = variables.to_string();
        let data = self.api.data(&ministry(), document, variables).await;
        let list = &data["facilities"];
        let names: Vec<String> = list["nodes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|node| node["name"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(list["totalCount"], json!(names.len()), "{asked}");
        assert_eq!(list["totalCountIsExact"], true, "{asked}");
        names
    }

    /// The filters that the schema has.
    async fn filters(&self) -> BTreeSet<String> {
        let question = "{ __type(name: \"FacilityFilter\") { inputFields { name } } }";
        let response = self.api.schema.execute(question).await;
        let data = serde_json::to_value(response.data).unwrap();
        let fields = data["__type"]["inputFields"].as_array().unwrap();
        let names = fields.iter().map(|field| field["name"].as_str().unwrap());
        names.map(str::to_owned).collect()
    }
}

#[rstest]
#[tokio::test]
async fn each_filter_lists_and_counts_exactly_what_it_says(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let Scene {
        aoba,
        hibari,
        chain,
        parts: [corporation, area],
        ..
    } = &scene;
    let cases: &[(Value, &[&str])] = &[
        (json!({}), &[CLINIC, DENTIST, PHARMACY]),
        (json!({ "open": true }), &[CLINIC, DENTIST, PHARMACY]),
        (json!({ "open": false }), &[HOSPITAL, NEWCOMER]),
        (
            json!({ "open": null }),
            &[CLINIC, DENTIST, HOSPITAL, PHARMACY, NEWCOMER],
        ),
        (json!({ "kinds": [] }), &[CLINIC, DENTIST, PHARMACY]),
        (json!({ "kinds": ["PHARMACY"] }), &[PHARMACY]),
        (
            json!({ "kinds": ["PHARMACY", "HOSPITAL"], "open": null }),
            &[HOSPITAL, PHARMACY, NEWCOMER],
        ),
        (json!({ "prefectures": ["AOMORI"] }), &[DENTIST]),
        (
            json!({ "prefectures": ["HOKKAIDO", "SAITAMA"] }),
            &[CLINIC, PHARMACY],
        ),
        (json!({ "bureaus": ["TOHOKU"] }), &[DENTIST]),
        (
            json!({ "bureaus": ["HOKKAIDO", "KANTO_SHINETSU"] }),
            &[CLINIC, PHARMACY],
        ),
        (
            json!({ "bureaus": ["KANTO_SHINETSU"], "prefectures": ["AOMORI", "SAITAMA"] }),
            &[PHARMACY],
        ),
        (
            json!({ "bureaus": ["TOHOKU"], "prefectures": ["SAITAMA"] }),
            &[],
        ),
        (json!({ "stages": ["NOT_APPLIED"] }), &[DENTIST]),
        (
            json!({ "stages": ["INSTALLED", "LIVE"] }),
            &[CLINIC, PHARMACY],
        ),
        (json!({ "vendorId": aoba }), &[CLINIC]),
        (
            json!({ "vendorId": aoba, "open": null }),
            &[CLINIC, HOSPITAL],
        ),
        (json!({ "vendorId": hibari }), &[PHARMACY]),
        (json!({ "vendorId": chain }), &[]),
        (json!({ "hasVendor": true }), &[CLINIC, PHARMACY]),
        (json!({ "hasVendor": false }), &[DENTIST]),
        (
            json!({ "hasVendor": false, "open": null }),
            &[DENTIST, NEWCOMER],
        ),
        (json!({ "hasVendor": null }), &[CLINIC, DENTIST, PHARMACY]),
        (json!({ "hasVendor": true, "vendorId": aoba }), &[CLINIC]),
        (json!({ "hasVendor": false, "vendorId": aoba }), &[]),
        (json!({ "chainId": chain }), &[PHARMACY]),
        (json!({ "chainId": chain, "vendorId": hibari }), &[PHARMACY]),
        (json!({ "chainId": chain, "vendorId": aoba }), &[]),
        (json!({ "chainId": aoba }), &[]),
        (json!({ "corporationId": corporation }), &[PHARMACY]),
        (json!({ "corporationId": area }), &[]),
        (json!({ "areaId": area, "chainId": chain }), &[PHARMACY]),
        (json!({ "areaId": chain }), &[]),
        (json!({ "publicInstitution": true }), &[DENTIST]),
        (json!({ "publicInstitution": false }), &[CLINIC, PHARMACY]),
        (
            json!({ "planned": { "milestone": "READY" } }),
            &[CLINIC, DENTIST],
        ),
        (
            json!({ "planned": { "milestone": "INSTALLED" } }),
            &[DENTIST],
        ),
        (
            json!({ "planned": { "milestone": "READY", "from": "2022-01-16" } }),
            &[DENTIST],
        ),
        (
            json!({ "planned": { "milestone": "READY", "until": "2022-02-19" } }),
            &[CLINIC],
        ),
        (
            json!({ "planned": { "milestone": "READY", "from": "2022-01-15", "until": "2022-01-15" } }),
            &[CLINIC],
        ),
        (
            json!({ "planned": { "milestone": "READY", "from": "2022-01-16", "until": "2022-02-19" } }),
            &[],
        ),
        (json!({ "hasBlocker": true }), &[CLINIC, DENTIST]),
        (json!({ "hasBlocker": false }), &[PHARMACY]),
        (
            json!({ "hasBlocker": false, "open": null }),
            &[HOSPITAL, PHARMACY, NEWCOMER],
        ),
        (json!({ "blocked": {} }), &[CLINIC, DENTIST]),
        (json!({ "blocked": { "by": ["NO_PC"] } }), &[]),
        (
            json!({ "blocked": { "by": ["NO_PC", "CERTIFICATE"] } }),
            &[CLINIC],
        ),
        (json!({ "blocked": { "by": ["BUDGET"] } }), &[DENTIST]),
        (
            json!({ "blocked": { "businessDaysAtLeast": 5 } }),
            &[CLINIC, DENTIST],
        ),
        (
            json!({ "blocked": { "businessDaysAtLeast": 6 } }),
            &[DENTIST],
        ),
        (
            json!({ "blocked": { "businessDaysAtLeast": 12 } }),
            &[DENTIST],
        ),
        (json!({ "blocked": { "businessDaysAtLeast": 13 } }), &[]),
        (
            json!({ "blocked": { "by": ["BUDGET"], "businessDaysAtLeast": 1 } }),
            &[],
        ),
        (
            json!({ "blocked": { "by": ["CERTIFICATE"] }, "hasBlocker": false }),
            &[],
        ),
        (
            json!({ "daysSinceLastMilestoneAtLeast": 10 }),
            &[CLINIC, PHARMACY],
        ),
        (json!({ "daysSinceLastMilestoneAtLeast": 11 }), &[PHARMACY]),
        (json!({ "daysSinceLastMilestoneAtLeast": 31 }), &[]),
        (json!({ "daysSinceLastMilestoneAtMost": 9 }), &[]),
        (json!({ "daysSinceLastMilestoneAtMost": 10 }), &[CLINIC]),
        (
            json!({ "daysSinceLastMilestoneAtMost": 30 }),
            &[CLINIC, PHARMACY],
        ),
        (
            json!({ "daysSinceLastMilestoneAtLeast": 11, "daysSinceLastMilestoneAtMost": 29 }),
            &[],
        ),
        (
            json!({ "waitingBusinessDaysAtLeast": 0, "open": null }),
            &[CLINIC, DENTIST],
        ),
        (
            json!({ "waitingBusinessDaysAtLeast": 6 }),
            &[CLINIC, DENTIST],
        ),
        (json!({ "waitingBusinessDaysAtLeast": 7 }), &[DENTIST]),
        (json!({ "waitingBusinessDaysAtLeast": 1_000 }), &[]),
        (json!({ "search": "ﾐﾅﾄ" }), &[CLINIC, PHARMACY]),
        (
            json!({ "search": "みなと", "open": null }),
            &[CLINIC, HOSPITAL, PHARMACY],
        ),
        (
            json!({ "search": "みなと", "kinds": ["PHARMACY", "DENTAL_CLINIC"] }),
            &[PHARMACY],
        ),
        (
            json!({ "search": "みなと", "vendorId": aoba, "open": null }),
            &[CLINIC, HOSPITAL],
        ),
        (json!({ "search": "みなと", "hasVendor": false }), &[]),
    ];
    for (filter, expected) in cases {
        let listed = scene.listed(LIST, json!({ "filter": filter })).await;
        assert_eq!(listed, *expected, "{filter}");
    }
    let asked: BTreeSet<String> = cases
        .iter()
        .filter_map(|(filter, _)| filter.as_object())
        .flat_map(|filter| filter.keys().cloned())
        .collect();
    assert_eq!(asked, scene.filters().await, "each filter has a case");
}

#[rstest]
#[tokio::test]
async fn without_a_filter_a_list_holds_what_it_holds_with_an_empty_one(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let open = [CLINIC, DENTIST, PHARMACY];
    for (document, variables) in [
        (LIST_OF_ALL, json!({})),
        (LIST, json!({})),
        (LIST, json!({ "filter": null })),
        (LIST, json!({ "filter": {} })),
    ] {
        let listed = scene.listed(document, variables.clone()).await;
        assert_eq!(listed, open, "{document} {variables}");
    }
}

#[rstest]
#[tokio::test]
async fn each_facility_of_a_list_says_how_long_it_has_waited(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let document =
        "{ facilities(first: 100, filter: { open: null }) { nodes { name waitingBusinessDays } } }";
    let data = scene.api.data(&ministry(), document, json!({})).await;
    let nodes = data["facilities"]["nodes"].as_array().unwrap();
    let waited = |name: &str| {
        let node = nodes.iter().find(|node| node["name"] == name).unwrap();
        node["waitingBusinessDays"].clone()
    };
    assert_eq!(waited(CLINIC), 6, "since its installation");
    assert_eq!(waited(DENTIST), 418, "since it opened");
    for (name, why) in [
        (HOSPITAL, "closed"),
        (PHARMACY, "live"),
        (NEWCOMER, "to come"),
    ] {
        assert_eq!(waited(name), Value::Null, "{why}");
    }
}

#[rstest]
#[tokio::test]
async fn an_age_below_no_days_is_refused(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
    #[values(
        "daysSinceLastMilestoneAtLeast",
        "daysSinceLastMilestoneAtMost",
        "waitingBusinessDaysAtLeast"
    )]
    filter: &str,
) {
    let api = Api::new(backend).await;
    let mut variables = json!({ "filter": {} });
    variables["filter"][filter] = json!(-1);
    let response = api.call(&ministry(), LIST, variables).await;
    assert_eq!(response["errors"][0]["extensions"]["code"], "BAD_FILTER");
}
