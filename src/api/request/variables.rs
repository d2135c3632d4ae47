//! The variables of one request against what its operation declares (`CoerceVariableValues`, GraphQL specification,
//! section 6.1.2). async-graphql executes a required variable that is missing as if it were absent, ignores defaults in
//! `@skip` and `@include`, and turns a variable that was left out into `null`; here all three are put right before it
//! sees them. Values of custom scalars are left to their own parsers.

use async_graphql::{
    Name, Pos, Positioned, Value as ConstValue, Variables,
    parser::types::{
        BaseType, Directive, ExecutableDocument, OperationDefinition, Selection, SelectionSet, Type,
    },
};
use async_graphql_value::Value;

use super::{
    query_error::QueryError,
    type_map::{Shape, TypeMap},
};

/// Checks the given variables and adds the defaults of those that were left out.
pub(super) fn coerce(
    operation: &OperationDefinition,
    variables: &mut Variables,
    types: &TypeMap,
    list_items: usize,
) -> Result<(), Vec<QueryError>> {
    let mut errors = Vec::new();
    for definition in &operation.variable_definitions {
        let node = &definition.node;
        let check = Check {
            types,
            list_items,
            name: &node.name.node,
            at: definition.pos,
        };
        match (variables.get(&node.name.node), &node.default_value) {
            (Some(value), _) => {
                if let Err(error) = check.value(value, &node.var_type.node, &mut String::new()) {
                    errors.push(error);
                }
            }
            (None, Some(default)) => {
                let value = default.node.clone();
                variables.insert(node.name.node.clone(), value);
            }
            (None, None) if !node.var_type.node.nullable => {
                errors.push(check.error("", "is required"));
            }
            (None, None) => {}
        }
    }
    if errors.is_empty() {
        Ok(())
    } else {
        Err(errors)
    }
}

/// The variables that were left out, have no default and may be absent.
pub(super) fn absent(operation: &OperationDefinition, variables: &Variables) -> Vec<Name> {
    operation
        .variable_definitions
        .iter()
        .map(|definition| &definition.node.name.node)
        .filter(|name| !variables.contains_key(*name))
        .cloned()
        .collect()
}

struct Check<'c> {
    types: &'c TypeMap,
    list_items: usize,
    name: &'c Name,
    at: Pos,
}

impl Check<'_> {
    fn error(&self, path: &str, problem: impl Into<String>) -> QueryError {
        QueryError::Variable {
            name: self.name.to_string(),
            path: path.to_owned(),
            problem: problem.into(),
            at: self.at,
        }
    }

    fn value(&self, value: &ConstValue, ty: &Type, path: &mut String) -> Result<(), QueryError> {
        if *value == ConstValue::Null {
            return if ty.nullable {
                Ok(())
            } else {
                Err(self.error(path, format!("must not be null: it is of type `{ty}`")))
            };
        }
        match (&ty.base, value) {
            (BaseType::List(inner), ConstValue::List(items)) => self.list(items, inner, path),
            // One item stands for a list of one (section 3.11).
            (BaseType::List(inner), single) => self.value(single, inner, path),
            (BaseType::Named(name), value) => self.named(value, name, path),
        }
    }

    fn list(&self, items: &[ConstValue], ty: &Type, path: &mut String) -> Result<(), QueryError> {
        if items.len() > self.list_items {
            return Err(QueryError::ListTooLong {
                count: items.len(),
                most: self.list_items,
                at: Some(self.at),
            });
        }
        let length = path.len();
        for (index, item) in items.iter().enumerate() {
            path.push_str(&format!("[{index}]"));
            self.value(item, ty, path)?;
            path.truncate(length);
        }
        Ok(())
    }

    fn named(&self, value: &ConstValue, ty: &str, path: &mut String) -> Result<(), QueryError> {
        let fits = match self.types.shape(ty) {
            Some(Shape::Enum(names)) => match value {
                ConstValue::String(name) => names.contains(name),
                ConstValue::Enum(name) => names.contains(name.as_str()),
                _ => false,
            },
            Some(Shape::Input { fields, one_of }) => {
                let ConstValue::Object(values) = value else {
                    return Err(self.error(path, format!("is not of type `{ty}`")));
                };
                return self.input(values, fields, *one_of, path);
            }
            Some(Shape::Scalar) => {
                self.lists_within(value)?;
                is_scalar(value, ty)
            }
            // Not an input type: async-graphql refuses the declaration.
            Some(Shape::Object(_) | Shape::Interface(_) | Shape::Union) | None => true,
        };
        if fits {
            Ok(())
        } else {
            Err(self.error(path, format!("is not of type `{ty}`")))
        }
    }

    fn input(
        &self,
        values: &async_graphql::indexmap::IndexMap<Name, ConstValue>,
        fields: &std::collections::HashMap<String, super::type_map::InputSlot>,
        one_of: bool,
        path: &mut String,
    ) -> Result<(), QueryError> {
        if one_of && !(values.len() == 1 && values.values().all(|value| *value != ConstValue::Null))
        {
            return Err(self.error(path, "must have exactly one field"));
        }
        let length = path.len();
        for (name, value) in values {
            let Some(slot) = fields.get(name.as_str()) else {
                return Err(self.error(path, "has a field that its type does not have"));
            };
            path.push('.');
            path.push_str(name);
            self.value(value, &slot.ty, path)?;
            path.truncate(length);
        }
        // Most inputs give all that is required: only then is a second look needed.
        for (name, slot) in fields {
            if slot.is_required() && !values.contains_key(name.as_str()) {
                return Err(self.error(path, format!("lacks the field `{name}`")));
            }
        }
        Ok(())
    }

    /// A scalar may be JSON with lists of its own.
    fn lists_within(&self, value: &ConstValue) -> Result<(), QueryError> {
        match value {
            ConstValue::List(items) if items.len() > self.list_items => {
                Err(QueryError::ListTooLong {
                    count: items.len(),
                    most: self.list_items,
                    at: Some(self.at),
                })
            }
            ConstValue::List(items) => items.iter().try_for_each(|item| self.lists_within(item)),
            ConstValue::Object(values) => {
                values.values().try_for_each(|item| self.lists_within(item))
            }
            _ => Ok(()),
        }
    }
}

fn is_scalar(value: &ConstValue, ty: &str) -> bool {
    match ty {
        "Int" => matches!(value, ConstValue::Number(number) if is_int(number)),
        "Float" => matches!(value, ConstValue::Number(_)),
        "String" => matches!(value, ConstValue::String(_)),
        "Boolean" => matches!(value, ConstValue::Boolean(_)),
        "ID" => match value {
            ConstValue::String(_) => true,
            ConstValue::Number(number) => !number.is_f64(),
            _ => false,
        },
        _ => true,
    }
}

/// An `Int` has 32 bits (section 3.5.1); async-graphql takes 64.
pub(super) fn is_int(number: &async_graphql::Number) -> bool {
    number
        .as_i64()
        .is_some_and(|number| i32::try_from(number).is_ok())
}

/// Takes variables that were left out out of the document, so that an argument given by one is absent and not `null`.
pub(super) fn prune(document: &mut ExecutableDocument, absent: &[Name]) {
    use async_graphql::parser::types::DocumentOperations;
    let operation = |operation: &mut Positioned<OperationDefinition>| {
        operation
            .node
            .variable_definitions
            .retain(|definition| !absent.contains(&definition.node.name.node));
        prune_directives(&mut operation.node.directives, absent);
        prune_set(&mut operation.node.selection_set.node, absent);
    };
    match &mut document.operations {
        DocumentOperations::Single(single) => operation(single),
        DocumentOperations::Multiple(many) => many.values_mut().for_each(operation),
    }
    for fragment in document.fragments.values_mut() {
        prune_directives(&mut fragment.node.directives, absent);
        prune_set(&mut fragment.node.selection_set.node, absent);
    }
}

fn prune_set(set: &mut SelectionSet, absent: &[Name]) {
    for item in &mut set.items {
        prune_directives(item.node.directives_mut(), absent);
        match &mut item.node {
            Selection::Field(field) => {
                prune_arguments(&mut field.node.arguments, absent);
                prune_set(&mut field.node.selection_set.node, absent);
            }
            Selection::InlineFragment(inline) => {
                prune_set(&mut inline.node.selection_set.node, absent);
            }
            Selection::FragmentSpread(_) => {}
        }
    }
}

fn prune_directives(directives: &mut [Positioned<Directive>], absent: &[Name]) {
    for directive in directives {
        prune_arguments(&mut directive.node.arguments, absent);
    }
}

fn prune_arguments(arguments: &mut Vec<(Positioned<Name>, Positioned<Value>)>, absent: &[Name]) {
    arguments.retain(|(_, value)| !is_absent(&value.node, absent));
    for (_, value) in arguments {
        prune_value(&mut value.node, absent);
    }
}

fn prune_value(value: &mut Value, absent: &[Name]) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, value| !is_absent(value, absent));
            fields
                .values_mut()
                .for_each(|value| prune_value(value, absent));
        }
        Value::List(items) => {
            for item in items {
                if is_absent(item, absent) {
                    *item = Value::Null;
                }
                prune_value(item, absent);
            }
        }
        _ => {}
    }
}

fn is_absent(value: &Value, absent: &[Name]) -> bool {
    matches!(value, Value::Variable(name) if absent.contains(name))
}
