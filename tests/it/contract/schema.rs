//! The schema is the committed one, breaks no client of the released one, and says of everything what it is.

use kaitsu::api::{policy, sdl};

use super::{breaking::breaking_changes, document::undescribed};

/// What `kaitsu schema` prints.
const COMMITTED: &str = include_str!("../../../graphql/schema.graphql");
/// What clients were last promised; a release copies `schema.graphql` over it.
const RELEASED: &str = include_str!("../../../graphql/released.graphql");

#[test]
fn the_committed_schema_is_the_one_that_is_served() {
    let present = sdl();
    if present.trim_end() == COMMITTED.trim_end() {
        return;
    }
    let differs = present
        .lines()
        .zip(COMMITTED.lines())
        .position(|(present, committed)| present != committed)
        .unwrap_or(0);
    let around: Vec<&str> = present
        .lines()
        .skip(differs.saturating_sub(3))
        .take(8)
        .collect();
    panic!(
        "graphql/schema.graphql differs from line {} on; run scripts/schema and commit it. The API has there:\n{}",
        differs + 1,
        around.join("\n")
    );
}

#[test]
fn no_client_of_the_released_schema_breaks() {
    let changes = breaking_changes(RELEASED, &sdl());
    assert!(
        changes.is_empty(),
        "these break clients:\n{}",
        changes.join("\n")
    );
}

#[test]
fn everything_in_the_schema_is_described() {
    assert_eq!(undescribed(&sdl()), Vec::<String>::new());
}

#[test]
fn every_root_field_has_a_policy() {
    assert_eq!(policy::unlisted(&sdl()), Vec::<String>::new());
}

#[test]
fn what_has_no_description_is_named() {
    let schema = r#"
        "Asked." type Query { code("Which." id: ID!, kind: Int): String "Here." stage: Stage }
        enum Stage { "On." LIVE READY }
        "Given." input Filter { text: String }
    "#;
    assert_eq!(
        undescribed(schema),
        [
            "Filter.text",
            "Query.code",
            "Query.code(kind)",
            "Stage",
            "Stage.READY"
        ]
    );
}
