//! The rules of validation (GraphQL specification, section 5) that async-graphql leaves out: where a variable may
//! stand, directives on `__typename` and on variable definitions, one root field in a subscription. Each operation and
//! each fragment is walked once, with the type it stands on at hand.

use std::collections::{HashMap, HashSet};

use async_graphql::{
    Name, Pos, Positioned,
    parser::types::{
        BaseType, Directive, DirectiveLocation, ExecutableDocument, Field, OperationDefinition,
        OperationType, Selection, SelectionSet, Type,
    },
};
use async_graphql_value::Value;

use super::{
    limits::Limits,
    query_error::QueryError,
    type_map::{InputSlot, Shape, TypeMap, base_name},
    variables::is_int,
};

/// From so many unknown names on, the document is refused before async-graphql looks for similar names for each.
const MOST_UNKNOWN_NAMES: usize = 20;

/// A variable in a place that takes a value.
struct Usage<'d> {
    variable: &'d str,
    at: Pos,
    place: &'d Type,
    /// The place may be left out, or has a default.
    place_has_default: bool,
}

/// What one operation or fragment uses.
#[derive(Default)]
struct Uses<'d> {
    variables: Vec<Usage<'d>>,
    fragments: Vec<&'d str>,
}

struct Walk<'d> {
    document: &'d ExecutableDocument,
    types: &'d TypeMap,
    list_items: usize,
    unknown_names: usize,
    errors: Vec<QueryError>,
}

/// Checks a whole document.
pub(super) fn validate(
    document: &ExecutableDocument,
    types: &TypeMap,
    limits: &Limits,
) -> Result<(), Vec<QueryError>> {
    let mut walk = Walk {
        document,
        types,
        list_items: limits.list_items,
        unknown_names: 0,
        errors: Vec::new(),
    };
    let mut fragments = HashMap::with_capacity(document.fragments.len());
    for (name, fragment) in &document.fragments {
        let mut uses = Uses::default();
        let on = fragment.node.type_condition.node.on.node.as_str();
        walk.directives(
            &fragment.node.directives,
            DirectiveLocation::FragmentDefinition,
            &mut uses,
        );
        walk.set(&fragment.node.selection_set.node, on, &mut uses);
        fragments.insert(name.as_str(), uses);
    }
    for (_, operation) in document.operations.iter() {
        walk.operation(operation, &fragments);
    }
    if walk.unknown_names > MOST_UNKNOWN_NAMES {
        walk.errors.push(QueryError::Invalid {
            message: format!(
                "{} names of fields and arguments are unknown",
                walk.unknown_names
            ),
            at: Vec::new(),
        });
    }
    if walk.errors.is_empty() {
        return Ok(());
    }
    Err(walk.errors)
}

impl<'d> Walk<'d> {
    fn operation(
        &mut self,
        operation: &'d Positioned<OperationDefinition>,
        fragments: &HashMap<&'d str, Uses<'d>>,
    ) {
        let node = &operation.node;
        let Some(root) = self.types.root(node.ty) else {
            let message = format!("the schema has no {} operations", node.ty);
            self.errors
                .push(QueryError::invalid(message, operation.pos));
            return;
        };
        let mut uses = Uses::default();
        self.directives(&node.directives, location_of(node.ty), &mut uses);
        for variable in &node.variable_definitions {
            let mut none = Uses::default();
            self.directives(
                &variable.node.directives,
                DirectiveLocation::VariableDefinition,
                &mut none,
            );
        }
        self.set(&node.selection_set.node, root, &mut uses);
        self.root(node);
        self.positions(node, &uses, fragments);
    }

    /// The rules that only the root of a subscription or a mutation has.
    fn root(&mut self, operation: &'d OperationDefinition) {
        let items = &operation.selection_set.node.items;
        match operation.ty {
            OperationType::Query => {}
            OperationType::Subscription => {
                // async-graphql neither sees fragments here nor minds two fields.
                let one_field = match items.as_slice() {
                    [item] => matches!(&item.node, Selection::Field(field)
                        if !field.node.name.node.starts_with("__") && field.node.directives.is_empty()),
                    _ => false,
                };
                if !one_field {
                    self.errors.push(QueryError::invalid(
                        "a subscription selects exactly one field, directly and without directives",
                        operation.selection_set.pos,
                    ));
                }
            }
            OperationType::Mutation => {
                // async-graphql would run it twice, where the specification merges the two.
                let mut keys = Vec::new();
                self.root_keys(&operation.selection_set.node, &mut keys);
                let mut seen = HashSet::new();
                for key in keys {
                    if !seen.insert(key.node.as_str()) {
                        self.errors.push(QueryError::invalid(
                            "a mutation selects each root field once: merge the selections or use an alias",
                            key.pos,
                        ));
                    }
                }
            }
        }
    }

    /// The names under which the fields at a root answer, fragments expanded.
    fn root_keys(&self, set: &'d SelectionSet, into: &mut Vec<&'d Positioned<Name>>) {
        for item in &set.items {
            match &item.node {
                Selection::Field(field) => into.push(field.node.response_key()),
                Selection::InlineFragment(inline) => {
                    self.root_keys(&inline.node.selection_set.node, into);
                }
                Selection::FragmentSpread(spread) => {
                    let name = &spread.node.fragment_name.node;
                    if let Some(fragment) = self.document.fragments.get(name) {
                        self.root_keys(&fragment.node.selection_set.node, into);
                    }
                }
            }
        }
    }

    fn set(&mut self, set: &'d SelectionSet, on: &'d str, uses: &mut Uses<'d>) {
        for item in &set.items {
            match &item.node {
                Selection::Field(field) => self.field(field, on, uses),
                Selection::FragmentSpread(spread) => {
                    uses.fragments.push(spread.node.fragment_name.node.as_str());
                    self.directives(
                        &spread.node.directives,
                        DirectiveLocation::FragmentSpread,
                        uses,
                    );
                }
                Selection::InlineFragment(inline) => {
                    self.directives(
                        &inline.node.directives,
                        DirectiveLocation::InlineFragment,
                        uses,
                    );
                    let on = inline
                        .node
                        .type_condition
                        .as_ref()
                        .map_or(on, |condition| condition.node.on.node.as_str());
                    self.set(&inline.node.selection_set.node, on, uses);
                }
            }
        }
    }

    fn field(&mut self, field: &'d Positioned<Field>, on: &'d str, uses: &mut Uses<'d>) {
        let node = &field.node;
        self.directives(&node.directives, DirectiveLocation::Field, uses);
        let Some(shape) = self.types.field(on, &node.name.node) else {
            self.unknown_names += 1;
            return;
        };
        if node.name.node == "__typename"
            && !(node.arguments.is_empty() && node.selection_set.node.items.is_empty())
        {
            self.errors.push(QueryError::invalid(
                "`__typename` takes no arguments and has no fields",
                field.pos,
            ));
        }
        for (name, value) in &node.arguments {
            match shape.arguments.get(name.node.as_str()) {
                Some(slot) => self.value(&value.node, value.pos, slot, uses),
                None => self.unknown_names += 1,
            }
        }
        self.set(&node.selection_set.node, base_name(&shape.ty), uses);
    }

    fn directives(
        &mut self,
        directives: &'d [Positioned<Directive>],
        place: DirectiveLocation,
        uses: &mut Uses<'d>,
    ) {
        let mut seen = HashSet::new();
        for directive in directives {
            let name = directive.node.name.node.as_str();
            let Some(shape) = self.types.directive(name) else {
                self.errors.push(QueryError::invalid(
                    "the schema has no such directive",
                    directive.pos,
                ));
                continue;
            };
            if !shape.places.contains(&place) {
                self.errors.push(QueryError::invalid(
                    format!("`@{name}` may not stand here"),
                    directive.pos,
                ));
            }
            if !seen.insert(name) && !shape.repeatable {
                self.errors.push(QueryError::invalid(
                    format!("`@{name}` may stand only once"),
                    directive.pos,
                ));
            }
            for (argument, slot) in &shape.arguments {
                if slot.is_required() && directive.node.get_argument(argument).is_none() {
                    self.errors.push(QueryError::invalid(
                        format!("`@{name}` needs the argument `{argument}`"),
                        directive.pos,
                    ));
                }
            }
            for (argument, value) in &directive.node.arguments {
                match shape.arguments.get(argument.node.as_str()) {
                    Some(slot) => self.value(&value.node, value.pos, slot, uses),
                    None => self.unknown_names += 1,
                }
            }
        }
    }

    /// Notes the variables within a value, and refuses lists that are too long.
    fn value(&mut self, value: &'d Value, at: Pos, slot: &'d InputSlot, uses: &mut Uses<'d>) {
        self.value_of(value, at, &slot.ty, slot.default.is_some(), uses);
    }

    fn value_of(
        &mut self,
        value: &'d Value,
        at: Pos,
        ty: &'d Type,
        has_default: bool,
        uses: &mut Uses<'d>,
    ) {
        match value {
            Value::Variable(name) => uses.variables.push(Usage {
                variable: name.as_str(),
                at,
                place: ty,
                place_has_default: has_default,
            }),
            Value::List(items) => {
                if items.len() > self.list_items {
                    self.errors.push(QueryError::ListTooLong {
                        count: items.len(),
                        most: self.list_items,
                        at: Some(at),
                    });
                    return;
                }
                let inner = match &ty.base {
                    BaseType::List(inner) => inner.as_ref(),
                    BaseType::Named(_) => return,
                };
                for item in items {
                    self.value_of(item, at, inner, false, uses);
                }
            }
            Value::Number(number)
                if base_name(ty) == "Int" && !number.is_f64() && !is_int(number) =>
            {
                self.errors
                    .push(QueryError::invalid("an `Int` has 32 bits", at));
            }
            Value::Object(values) => {
                let Some(Shape::Input { fields, .. }) = self.types.shape(base_name(ty)) else {
                    return;
                };
                for (name, value) in values {
                    if let Some(slot) = fields.get(name.as_str()) {
                        self.value(value, at, slot, uses);
                    }
                }
            }
            _ => {}
        }
    }

    /// "All Variable Usages Are Allowed" (section 5.8.5), through all fragments that the operation reaches.
    fn positions(
        &mut self,
        operation: &'d OperationDefinition,
        own: &Uses<'d>,
        fragments: &HashMap<&'d str, Uses<'d>>,
    ) {
        let defined: HashMap<&str, (&Type, bool)> = operation
            .variable_definitions
            .iter()
            .map(|definition| {
                let node = &definition.node;
                let default = node
                    .default_value
                    .as_ref()
                    .is_some_and(|value| value.node != async_graphql::Value::Null);
                (node.name.node.as_str(), (&node.var_type.node, default))
            })
            .collect();
        let mut reached = HashSet::new();
        let mut used = HashSet::new();
        let mut waiting = vec![own];
        while let Some(uses) = waiting.pop() {
            for usage in &uses.variables {
                used.insert(usage.variable);
                // async-graphql refuses variables that are not defined.
                let Some((ty, has_default)) = defined.get(usage.variable) else {
                    continue;
                };
                if !may_stand(ty, *has_default, usage) {
                    self.errors.push(QueryError::invalid(
                        format!(
                            "`${}` is declared as `{ty}` and stands where `{}` is expected",
                            usage.variable, usage.place
                        ),
                        usage.at,
                    ));
                }
            }
            for fragment in &uses.fragments {
                if reached.insert(*fragment) {
                    waiting.extend(fragments.get(fragment));
                }
            }
        }
        // async-graphql never sees those that were left out of a request.
        for definition in &operation.variable_definitions {
            if !used.contains(definition.node.name.node.as_str()) {
                let message = format!("`${}` is not used", definition.node.name.node);
                self.errors
                    .push(QueryError::invalid(message, definition.pos));
            }
        }
    }
}

fn location_of(kind: OperationType) -> DirectiveLocation {
    match kind {
        OperationType::Query => DirectiveLocation::Query,
        OperationType::Mutation => DirectiveLocation::Mutation,
        OperationType::Subscription => DirectiveLocation::Subscription,
    }
}

/// `IsVariableUsageAllowed` of the specification.
fn may_stand(variable: &Type, has_default: bool, usage: &Usage<'_>) -> bool {
    if usage.place.nullable || !variable.nullable {
        return compatible(variable, usage.place);
    }
    (has_default || usage.place_has_default) && compatible_base(&variable.base, &usage.place.base)
}

/// `AreTypesCompatible` of the specification.
fn compatible(variable: &Type, place: &Type) -> bool {
    (place.nullable || !variable.nullable) && compatible_base(&variable.base, &place.base)
}

fn compatible_base(variable: &BaseType, place: &BaseType) -> bool {
    match (variable, place) {
        (BaseType::Named(variable), BaseType::Named(place)) => variable == place,
        (BaseType::List(variable), BaseType::List(place)) => compatible(variable, place),
        (BaseType::Named(_), BaseType::List(_)) | (BaseType::List(_), BaseType::Named(_)) => false,
    }
}
