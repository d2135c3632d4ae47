//! What in a new schema would break clients of the released one.

use async_graphql::parser::types::{BaseType, Type};
use rstest::rstest;

use super::document::{Part, Parts, parts};

/// Every change from the released schema to the present one that a client could fail on, as sentences.
pub fn breaking_changes(released: &str, present: &str) -> Vec<String> {
    let (released, present) = (parts(released), parts(present));
    let mut changes = Vec::new();
    for (path, old) in &released {
        match present.get(path) {
            None if owner_is_gone(path, &present) => {}
            None => changes.push(format!("{path} was removed")),
            Some(new) => changes.extend(change(path, &old.part, &new.part)),
        }
    }
    for (path, new) in &present {
        let is_new = !released.contains_key(path);
        if is_new
            && required(&new.part)
            && owner(path).is_some_and(|owner| released.contains_key(owner))
        {
            changes.push(format!("{path} is new and required"));
        }
    }
    changes
}

/// What a part belongs to: `Query.node` for `Query.node(id)`, `Query` for that.
fn owner(path: &str) -> Option<&str> {
    path.rfind(['.', '(', ':', '='])
        .map(|end| path[..end].trim_end())
}

/// Then the removal of the owner says it all.
fn owner_is_gone(path: &str, present: &Parts) -> bool {
    owner(path).is_some_and(|owner| !present.contains_key(owner))
}

fn required(part: &Part) -> bool {
    matches!(part, Part::Input(ty, default) if !ty.nullable && default.is_none())
}

fn change(path: &str, old: &Part, new: &Part) -> Option<String> {
    match (old, new) {
        (Part::Type(old), Part::Type(new)) if old != new => {
            Some(format!("{path} was {old} and is {new}"))
        }
        (Part::Field(old), Part::Field(new)) if !narrows(old, new) => {
            Some(format!("{path} was of type {old} and is of type {new}"))
        }
        (Part::Input(old, _), Part::Input(new, _)) if !narrows(new, old) => {
            Some(format!("{path} took {old} and takes {new}"))
        }
        (Part::Input(_, Some(old)), Part::Input(_, new)) if new.as_ref() != Some(old) => {
            let new = new.as_deref().unwrap_or("none");
            Some(format!("{path} had the default {old} and has {new}"))
        }
        (Part::Input(..), Part::Input(..)) if required(new) && !required(old) => {
            Some(format!("{path} became required"))
        }
        _ => None,
    }
}

/// May a value of the type `new` stand wherever one of the type `old` was expected?
fn narrows(old: &Type, new: &Type) -> bool {
    (old.nullable || !new.nullable)
        && match (&old.base, &new.base) {
            (BaseType::Named(old), BaseType::Named(new)) => old == new,
            (BaseType::List(old), BaseType::List(new)) => narrows(old, new),
            _ => false,
        }
}

const RELEASED: &str = r#"
    type Query implements Node { id: ID! name: String facility(code: String!, first: Int = 10): Facility! }
    interface Node { id: ID! }
    type Facility { names: [String!]! }
    enum Stage { READY LIVE }
    union Found = Query | Facility
    input Filter { stage: Stage! text: String open: Boolean! = true }
"#;

#[rstest]
#[case::type_removed("type Facility { names: [String!]! }", "scalar Other", &["Facility was removed", "Found = Facility was removed"])]
#[case::type_of_another_kind("enum Stage { READY LIVE }", "scalar Stage", &["Stage was enum and is scalar", "Stage.LIVE was removed", "Stage.READY was removed"])]
#[case::field_removed("name: String", "", &["Query.name was removed"])]
#[case::field_of_another_type("name: String", "name: Int", &["Query.name was of type String and is of type Int"])]
#[case::field_became_nullable("[String!]!", "[String]!", &["Facility.names was of type [String!]! and is of type [String]!"])]
#[case::field_became_list("name: String", "name: [String]", &["Query.name was of type String and is of type [String]"])]
#[case::argument_removed("code: String!, ", "", &["Query.facility(code) was removed"])]
#[case::argument_became_required("first: Int = 10", "first: Int!", &["Query.facility(first) took Int and takes Int!"])]
#[case::argument_lost_its_default("first: Int = 10", "first: Int", &["Query.facility(first) had the default 10 and has none"])]
#[case::argument_changed_its_default("first: Int = 10", "first: Int = 11", &["Query.facility(first) had the default 10 and has 11"])]
#[case::new_required_argument("code: String!,", "code: String!, kind: Int!,", &["Query.facility(kind) is new and required"])]
#[case::enum_value_removed("READY LIVE", "LIVE", &["Stage.READY was removed"])]
#[case::union_member_removed("Query | Facility", "Query", &["Found = Facility was removed"])]
#[case::interface_removed("Query implements Node", "Query", &["Query: Node was removed"])]
#[case::input_field_removed("text: String", "", &["Filter.text was removed"])]
#[case::input_field_became_required("text: String", "text: String!", &["Filter.text took String and takes String!"])]
#[case::required_without_a_default("open: Boolean! = true", "open: Boolean!", &["Filter.open had the default true and has none"])]
#[case::new_required_input_field("text: String", "text: String kind: Int!", &["Filter.kind is new and required"])]
#[case::one_of("input Filter", "input Filter @oneOf", &["Filter was input and is oneOf"])]
fn a_breaking_change_is_seen(#[case] old: &str, #[case] new: &str, #[case] expected: &[&str]) {
    let present = RELEASED.replacen(old, new, 1);
    // The union must not name a type that is gone.
    let present = if present.contains("type Facility") {
        present
    } else {
        present.replace("Query | Facility", "Query")
    };
    assert_ne!(present, RELEASED);
    assert_eq!(breaking_changes(RELEASED, &present), expected);
}

#[rstest]
#[case::new_type("scalar Date", "")]
#[case::new_field("name: String", "name: String kana: String!")]
#[case::field_became_non_null("name: String", "name: String!")]
#[case::new_optional_argument("code: String!,", "code: String!, kind: Int,")]
#[case::new_argument_with_a_default("code: String!,", "code: String!, kind: Int! = 1,")]
#[case::argument_became_optional("code: String!", "code: String")]
#[case::new_enum_value("READY LIVE", "READY LIVE CLOSED")]
#[case::new_optional_input_field("text: String", "text: String kind: Int")]
#[case::new_default("text: String", "text: String = \"x\"")]
#[case::described("type Facility", "\"A facility.\" type Facility")]
fn an_addition_breaks_nobody(#[case] old: &str, #[case] new: &str) {
    let present = if new.is_empty() {
        format!("{RELEASED} {old}")
    } else {
        RELEASED.replacen(old, new, 1)
    };
    assert_ne!(present, RELEASED);
    assert_eq!(breaking_changes(RELEASED, &present), Vec::<String>::new());
}
