//! A schema as a flat list of named parts, so that two schemas can be compared line by line.

use std::collections::BTreeMap;

use async_graphql::parser::{
    parse_schema,
    types::{FieldDefinition, InputValueDefinition, Type, TypeKind, TypeSystemDefinition},
};

/// What a part is, as far as a client depends on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// A type, by its kind; `oneOf` is an input of which exactly one field is given.
    Type(&'static str),
    /// A field that answers with this type.
    Field(Type),
    /// An argument or an input field, with its default as text.
    Input(Type, Option<String>),
    /// A value of an enum, a member of a union, or an interface of an object.
    Member,
}

/// A part with its description.
#[derive(Clone, Debug)]
pub struct Described {
    pub part: Part,
    pub description: Option<String>,
}

/// Parts by their paths: `Facility`, `Facility.code`, `Query.node(id)`, `Stage.LIVE`, `Facility: Node`.
pub type Parts = BTreeMap<String, Described>;

/// Reads a schema.
pub fn parts(sdl: &str) -> Parts {
    let mut parts = Parts::new();
    for definition in parse_schema(sdl).unwrap().definitions {
        let TypeSystemDefinition::Type(definition) = definition else {
            continue;
        };
        let definition = definition.node;
        let name = definition.name.node.to_string();
        let one_of = definition
            .directives
            .iter()
            .any(|directive| directive.node.name.node == "oneOf");
        let kind = match definition.kind {
            TypeKind::Scalar => "scalar",
            TypeKind::Object(object) => {
                for interface in object.implements {
                    member(&mut parts, format!("{name}: {}", interface.node), None);
                }
                fields(
                    &mut parts,
                    &name,
                    object.fields.into_iter().map(|field| field.node),
                );
                "object"
            }
            TypeKind::Interface(interface) => {
                fields(
                    &mut parts,
                    &name,
                    interface.fields.into_iter().map(|field| field.node),
                );
                "interface"
            }
            TypeKind::Union(union) => {
                for one in union.members {
                    member(&mut parts, format!("{name} = {}", one.node), None);
                }
                "union"
            }
            TypeKind::Enum(values) => {
                for value in values.values {
                    let description = Some(
                        value
                            .node
                            .description
                            .map_or_else(String::new, |text| text.node),
                    );
                    member(
                        &mut parts,
                        format!("{name}.{}", value.node.value.node),
                        description,
                    );
                }
                "enum"
            }
            TypeKind::InputObject(input) => {
                for field in input.fields {
                    let path = format!("{name}.{}", field.node.name.node);
                    parts.insert(path, input_part(field.node));
                }
                if one_of { "oneOf" } else { "input" }
            }
        };
        let description = definition.description.map(|text| text.node);
        parts.insert(
            name,
            Described {
                part: Part::Type(kind),
                description,
            },
        );
    }
    parts
}

fn fields(parts: &mut Parts, owner: &str, fields: impl Iterator<Item = FieldDefinition>) {
    for field in fields {
        let path = format!("{owner}.{}", field.name.node);
        for argument in field.arguments {
            let path = format!("{path}({})", argument.node.name.node);
            parts.insert(path, input_part(argument.node));
        }
        let part = Part::Field(field.ty.node);
        parts.insert(
            path,
            Described {
                part,
                description: field.description.map(|text| text.node),
            },
        );
    }
}

fn input_part(input: InputValueDefinition) -> Described {
    let default = input.default_value.map(|value| value.node.to_string());
    Described {
        part: Part::Input(input.ty.node, default),
        description: input.description.map(|text| text.node),
    }
}

/// Interfaces and members have no description of their own to give.
fn member(parts: &mut Parts, path: String, description: Option<String>) {
    let description = description.or_else(|| Some("named by its type".to_owned()));
    parts.insert(
        path,
        Described {
            part: Part::Member,
            description,
        },
    );
}

/// The paths of all parts without a description.
pub fn undescribed(sdl: &str) -> Vec<String> {
    parts(sdl)
        .into_iter()
        .filter(|(_, described)| {
            described
                .description
                .as_deref()
                .is_none_or(|text| text.trim().is_empty())
        })
        .map(|(path, _)| path)
        .collect()
}
