//! Where the `null` of a failed field belongs ("Handling Execution Errors", GraphQL specification, section 6.4.4).
//! async-graphql leaves a field whose resolver failed out of its object. A client was promised the field: it gets
//! `null` there if the field may be null, or else the nearest field around it that may be null becomes `null`.

use std::collections::HashSet;

use async_graphql::{
    PathSegment, Response, Value,
    parser::types::{
        BaseType, ExecutableDocument, Field, OperationDefinition, Selection, SelectionSet, Type,
    },
};

use super::type_map::{TypeMap, base_name};

/// Puts the `null`s of all errors where they belong.
pub(super) fn complete(
    document: &ExecutableDocument,
    operation: &OperationDefinition,
    types: &TypeMap,
    response: &mut Response,
) {
    let Some(root) = types.root(operation.ty) else {
        return;
    };
    let places = Places { document, types };
    let mut nulled: Vec<&[PathSegment]> = Vec::new();
    for error in &response.errors {
        let path = error.path.as_slice();
        if path.is_empty() || nulled.iter().any(|place| path.starts_with(place)) {
            continue;
        }
        let level = [(root, &operation.selection_set.node)];
        if response.data == Value::Null {
            response.data = Value::Object(async_graphql::indexmap::IndexMap::new());
        }
        match places.object(&mut response.data, &level, path) {
            Outcome::Kept => {}
            Outcome::NulledBefore(rest) => {
                nulled.extend(path.get(..path.len().saturating_sub(rest)));
            }
            Outcome::Null => {
                response.data = Value::Null;
                return;
            }
        }
    }
}

/// What an error has done to the value at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// Nothing: the path leads nowhere.
    Kept,
    /// A value on the way became `null`, with so many segments of the path still to go.
    NulledBefore(usize),
    /// It has to become `null`.
    Null,
}

struct Places<'d> {
    document: &'d ExecutableDocument,
    types: &'d TypeMap,
}

impl<'d> Places<'d> {
    /// Follows an error's path into an object that these selection sets select from.
    fn object(
        &self,
        value: &mut Value,
        sets: &[(&'d str, &'d SelectionSet)],
        path: &[PathSegment],
    ) -> Outcome {
        let (Some((PathSegment::Field(key), rest)), Value::Object(fields)) =
            (path.split_first(), value)
        else {
            return Outcome::Kept;
        };
        let mut found = Vec::new();
        for (on, set) in sets {
            self.find(on, set, key, &mut found, &mut HashSet::new());
        }
        let Some(ty) = found
            .iter()
            .find_map(|(on, field)| self.types.field(on, &field.name.node))
            .map(|shape| &shape.ty)
        else {
            return Outcome::Kept;
        };
        let below: Vec<_> = found
            .iter()
            .filter_map(|(on, field)| {
                let shape = self.types.field(on, &field.name.node)?;
                Some((base_name(&shape.ty), &field.selection_set.node))
            })
            .collect();
        let name = async_graphql::Name::new(key);
        let slot = fields.entry(name).or_insert(Value::Null);
        self.value(slot, ty, &below, rest)
    }

    /// Follows an error's path into a value of a type.
    fn value(
        &self,
        value: &mut Value,
        ty: &Type,
        below: &[(&'d str, &'d SelectionSet)],
        path: &[PathSegment],
    ) -> Outcome {
        let outcome = match (path, &ty.base) {
            ([], _) => Outcome::Null,
            ([PathSegment::Index(index), rest @ ..], BaseType::List(inner)) => {
                match list_item(value, *index) {
                    Some(item) => self.value(item, inner, below, rest),
                    None => Outcome::Null,
                }
            }
            (_, BaseType::List(_)) => Outcome::Null,
            (path, BaseType::Named(_)) => {
                if *value == Value::Null {
                    // async-graphql has no empty object: all its fields failed.
                    *value = Value::Object(async_graphql::indexmap::IndexMap::new());
                }
                self.object(value, below, path)
            }
        };
        if outcome != Outcome::Null {
            return outcome;
        }
        *value = Value::Null;
        if ty.nullable {
            Outcome::NulledBefore(path.len())
        } else {
            Outcome::Null
        }
    }

    /// The fields that answer under a key. They all have the same shape, or the document would not be valid.
    fn find(
        &self,
        on: &'d str,
        set: &'d SelectionSet,
        key: &str,
        into: &mut Vec<(&'d str, &'d Field)>,
        spread: &mut HashSet<&'d str>,
    ) {
        for item in &set.items {
            match &item.node {
                Selection::Field(field) => {
                    if field.node.response_key().node == key {
                        into.push((on, &field.node));
                    }
                }
                Selection::InlineFragment(inline) => {
                    let on = inline
                        .node
                        .type_condition
                        .as_ref()
                        .map_or(on, |condition| condition.node.on.node.as_str());
                    self.find(on, &inline.node.selection_set.node, key, into, spread);
                }
                Selection::FragmentSpread(item) => {
                    let name = &item.node.fragment_name.node;
                    if let Some(fragment) = self.document.fragments.get(name)
                        && spread.insert(name.as_str())
                    {
                        let on = fragment.node.type_condition.node.on.node.as_str();
                        self.find(on, &fragment.node.selection_set.node, key, into, spread);
                    }
                }
            }
        }
    }
}

fn list_item(value: &mut Value, index: usize) -> Option<&mut Value> {
    match value {
        Value::List(items) => items.get_mut(index),
        _ => None,
    }
}
