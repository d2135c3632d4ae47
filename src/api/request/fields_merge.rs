//! Fields that answer under the same name have to be the same field ("Field Selection Merging", GraphQL specification,
//! section 5.3.2). async-graphql compares only neighbours on one type; deeper down, or between a type and its
//! interface, it would run both and keep whichever finishes first.

use std::collections::{HashMap, HashSet};

use async_graphql::{
    Pos, Positioned,
    parser::types::{BaseType, ExecutableDocument, Field, Selection, SelectionSet, Type},
};

use super::{
    limits::Limits,
    query_error::QueryError,
    type_map::{TypeMap, base_name},
};

/// A field and the type it is selected on.
#[derive(Clone, Copy)]
struct Selected<'d> {
    on: &'d str,
    field: &'d Positioned<Field>,
}

struct Merge<'d> {
    document: &'d ExecutableDocument,
    types: &'d TypeMap,
    /// Fields that may still be looked at before we give up on a document made to be compared for ever.
    budget: u64,
    most: u64,
}

/// Checks every operation of a document.
pub(super) fn check(
    document: &ExecutableDocument,
    types: &TypeMap,
    limits: &Limits,
) -> Result<(), QueryError> {
    let mut merge = Merge {
        document,
        types,
        budget: limits.fields.saturating_mul(20),
        most: limits.fields,
    };
    for (_, operation) in document.operations.iter() {
        let Some(root) = types.root(operation.node.ty) else {
            continue;
        };
        let mut fields = Vec::new();
        merge.collect(
            &operation.node.selection_set.node,
            root,
            &mut fields,
            &mut HashSet::new(),
        )?;
        merge.fields(fields)?;
    }
    Ok(())
}

impl<'d> Merge<'d> {
    fn collect(
        &mut self,
        set: &'d SelectionSet,
        on: &'d str,
        into: &mut Vec<Selected<'d>>,
        spread: &mut HashSet<&'d str>,
    ) -> Result<(), QueryError> {
        for item in &set.items {
            self.budget = self
                .budget
                .checked_sub(1)
                .ok_or(QueryError::TooManyFields { most: self.most })?;
            match &item.node {
                Selection::Field(field) => into.push(Selected { on, field }),
                Selection::InlineFragment(inline) => {
                    let on = inline
                        .node
                        .type_condition
                        .as_ref()
                        .map_or(on, |condition| condition.node.on.node.as_str());
                    self.collect(&inline.node.selection_set.node, on, into, spread)?;
                }
                Selection::FragmentSpread(item) => {
                    let name = &item.node.fragment_name.node;
                    if !spread.insert(name.as_str()) {
                        continue;
                    }
                    if let Some(fragment) = self.document.fragments.get(name) {
                        let on = fragment.node.type_condition.node.on.node.as_str();
                        self.collect(&fragment.node.selection_set.node, on, into, spread)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn fields(&mut self, fields: Vec<Selected<'d>>) -> Result<(), QueryError> {
        let mut groups: HashMap<&'d str, Vec<Selected<'d>>> = HashMap::with_capacity(fields.len());
        for selected in fields {
            let key = selected.field.node.response_key().node.as_str();
            groups.entry(key).or_default().push(selected);
        }
        for group in groups.into_values() {
            self.same_field(&group)?;
            self.same_shape(&group)?;
            for together in self.together(&group) {
                let below = self.below(&together)?;
                if !below.is_empty() {
                    self.fields(below)?;
                }
            }
        }
        Ok(())
    }

    /// Two fields that one object can have both of must have one name and one list of arguments.
    fn same_field(&self, group: &[Selected<'d>]) -> Result<(), QueryError> {
        let mut variants: Vec<Selected<'d>> = Vec::new();
        for selected in group {
            let mut known = false;
            for variant in &variants {
                let same = same_call(&variant.field.node, &selected.field.node);
                if !same && self.may_meet(variant.on, selected.on) {
                    return Err(conflict(
                        "the same name stands for different fields or arguments",
                        variant.field.pos,
                        selected.field.pos,
                    ));
                }
                known |= same && variant.on == selected.on;
            }
            if !known {
                variants.push(*selected);
            }
        }
        Ok(())
    }

    /// Even on different objects, the same name must answer with the same shape.
    fn same_shape(&self, group: &[Selected<'d>]) -> Result<(), QueryError> {
        let mut first: Option<(&Type, Pos)> = None;
        for selected in group {
            let Some(shape) = self
                .types
                .field(selected.on, &selected.field.node.name.node)
            else {
                continue;
            };
            match first {
                Some((ty, at)) if !self.alike(ty, &shape.ty) => {
                    return Err(conflict(
                        "the same name stands for fields of different types",
                        at,
                        selected.field.pos,
                    ));
                }
                Some(_) => {}
                None => first = Some((&shape.ty, selected.field.pos)),
            }
        }
        Ok(())
    }

    fn alike(&self, one: &Type, other: &Type) -> bool {
        one.nullable == other.nullable
            && match (&one.base, &other.base) {
                (BaseType::List(one), BaseType::List(other)) => self.alike(one, other),
                (BaseType::Named(one), BaseType::Named(other)) => {
                    one == other || !(self.types.is_leaf(one) || self.types.is_leaf(other))
                }
                (BaseType::List(_), BaseType::Named(_))
                | (BaseType::Named(_), BaseType::List(_)) => false,
            }
    }

    fn may_meet(&self, one: &str, other: &str) -> bool {
        one == other || !(self.types.is_object(one) && self.types.is_object(other))
    }

    /// The fields that one object may have together: those on one object type and on all its abstract types.
    fn together(&self, group: &[Selected<'d>]) -> Vec<Vec<Selected<'d>>> {
        let objects: HashSet<&str> = group
            .iter()
            .map(|selected| selected.on)
            .filter(|on| self.types.is_object(on))
            .collect();
        if objects.len() < 2 {
            return vec![group.to_vec()];
        }
        objects
            .into_iter()
            .map(|object| {
                group
                    .iter()
                    .filter(|selected| self.may_meet(selected.on, object))
                    .copied()
                    .collect()
            })
            .collect()
    }

    fn below(&mut self, group: &[Selected<'d>]) -> Result<Vec<Selected<'d>>, QueryError> {
        let types = self.types;
        let mut below = Vec::new();
        let mut spread = HashSet::new();
        for selected in group {
            let node = &selected.field.node;
            if let Some(shape) = types.field(selected.on, &node.name.node) {
                let on = base_name(&shape.ty);
                self.collect(&node.selection_set.node, on, &mut below, &mut spread)?;
            }
        }
        Ok(below)
    }
}

fn same_call(one: &Field, other: &Field) -> bool {
    one.name.node == other.name.node
        && one.arguments.len() == other.arguments.len()
        && one.arguments.iter().all(|(name, value)| {
            other
                .get_argument(&name.node)
                .is_some_and(|theirs| theirs.node == value.node)
        })
}

fn conflict(message: &str, one: Pos, other: Pos) -> QueryError {
    QueryError::Invalid {
        message: format!("{message}: use an alias to have both"),
        at: vec![one, other],
    }
}
