//! The schema as the request checks need it: which fields a type has, which arguments they take, and which types can
//! stand for each other. It is read once, at start, from the SDL that the schema prints, because async-graphql keeps
//! its own registry private.

use std::collections::{HashMap, HashSet};

use async_graphql::{
    Value,
    parser::{
        parse_schema,
        types::{
            BaseType, DirectiveLocation, FieldDefinition, InputValueDefinition, OperationType,
            ServiceDocument, Type, TypeDefinition, TypeKind, TypeSystemDefinition,
        },
    },
};

/// The types of introspection, which no SDL prints (GraphQL specification, section 4), and the two directives that
/// every schema has.
const BUILT_IN: &str = r"
directive @skip(if: Boolean!) on FIELD | FRAGMENT_SPREAD | INLINE_FRAGMENT
directive @include(if: Boolean!) on FIELD | FRAGMENT_SPREAD | INLINE_FRAGMENT
type __Schema { description: String types: [__Type!]! queryType: __Type! mutationType: __Type subscriptionType: __Type directives: [__Directive!]! }
type __Type { kind: __TypeKind! name: String description: String specifiedByURL: String fields(includeDeprecated: Boolean = false): [__Field!] interfaces: [__Type!] possibleTypes: [__Type!] enumValues(includeDeprecated: Boolean = false): [__EnumValue!] inputFields(includeDeprecated: Boolean = false): [__InputValue!] ofType: __Type isOneOf: Boolean }
type __Field { name: String! description: String args(includeDeprecated: Boolean = false): [__InputValue!]! type: __Type! isDeprecated: Boolean! deprecationReason: String }
type __InputValue { name: String! description: String type: __Type! defaultValue: String isDeprecated: Boolean! deprecationReason: String }
type __EnumValue { name: String! description: String isDeprecated: Boolean! deprecationReason: String }
type __Directive { name: String! description: String isRepeatable: Boolean! locations: [__DirectiveLocation!]! args(includeDeprecated: Boolean = false): [__InputValue!]! }
enum __TypeKind { SCALAR OBJECT INTERFACE UNION ENUM INPUT_OBJECT LIST NON_NULL }
enum __DirectiveLocation { QUERY }
";

/// The printed schema could not be read back; nothing can be served then.
#[derive(Debug, thiserror::Error)]
#[error("the printed schema cannot be read back: {0}")]
pub struct SchemaUnreadable(String);

/// A place that takes a value: an argument or a field of an input object.
#[derive(Debug, Clone)]
pub struct InputSlot {
    /// The declared type.
    pub ty: Type,
    /// The declared default, if any.
    pub default: Option<Value>,
}

impl InputSlot {
    /// Whether the caller has to give a value.
    #[must_use]
    pub fn is_required(&self) -> bool {
        !self.ty.nullable && self.default.is_none()
    }
}

/// A field of an object or interface.
#[derive(Debug, Clone)]
pub struct FieldShape {
    /// The declared type.
    pub ty: Type,
    /// The arguments by name.
    pub arguments: HashMap<String, InputSlot>,
}

/// What a named type is.
#[derive(Debug, Clone)]
pub enum Shape {
    /// A leaf whose values the schema itself checks.
    Scalar,
    /// A leaf with a closed list of names.
    Enum(HashSet<String>),
    /// Something with fields.
    Object(HashMap<String, FieldShape>),
    /// Something with fields that several objects share.
    Interface(HashMap<String, FieldShape>),
    /// One of several objects.
    Union,
    /// An object of values.
    Input {
        /// The fields by name.
        fields: HashMap<String, InputSlot>,
        /// Whether exactly one of the fields must be given (`@oneOf`).
        one_of: bool,
    },
}

/// A directive that the schema knows.
#[derive(Debug, Clone)]
pub struct DirectiveShape {
    /// The arguments by name.
    pub arguments: HashMap<String, InputSlot>,
    /// Where it may stand.
    pub places: Vec<DirectiveLocation>,
    /// Whether it may stand twice in one place.
    pub repeatable: bool,
}

/// The whole schema, by name.
#[derive(Debug, Clone)]
pub struct TypeMap {
    types: HashMap<String, Shape>,
    directives: HashMap<String, DirectiveShape>,
    query: String,
    mutation: Option<String>,
    subscription: Option<String>,
    typename: FieldShape,
    schema: FieldShape,
    type_by_name: FieldShape,
}

impl TypeMap {
    /// Reads the SDL that `async_graphql::Schema::sdl` prints.
    ///
    /// # Errors
    /// When the SDL is not well-formed.
    pub fn read(sdl: &str) -> Result<Self, SchemaUnreadable> {
        let built_in =
            parse_schema(BUILT_IN).map_err(|error| SchemaUnreadable(error.to_string()))?;
        let own = parse_schema(sdl).map_err(|error| SchemaUnreadable(error.to_string()))?;
        let mut map = Self {
            types: ["Int", "Float", "String", "Boolean", "ID"]
                .into_iter()
                .map(|name| (name.to_owned(), Shape::Scalar))
                .collect(),
            directives: HashMap::new(),
            query: "Query".to_owned(),
            mutation: None,
            subscription: None,
            typename: meta_field("String!", None)?,
            schema: meta_field("__Schema!", None)?,
            type_by_name: meta_field("__Type", Some("name"))?,
        };
        map.add(built_in, BUILT_IN);
        map.add(own, sdl);
        Ok(map)
    }

    fn add(&mut self, document: ServiceDocument, text: &str) {
        for definition in document.definitions {
            match definition {
                TypeSystemDefinition::Schema(schema) => {
                    let name = |root: Option<async_graphql::Positioned<async_graphql::Name>>| {
                        root.map(|name| name.node.to_string())
                    };
                    if let Some(query) = name(schema.node.query) {
                        self.query = query;
                    }
                    self.mutation = name(schema.node.mutation);
                    self.subscription = name(schema.node.subscription);
                }
                TypeSystemDefinition::Type(ty) => {
                    let name = ty.node.name.node.to_string();
                    self.types.insert(name, shape(ty.node));
                }
                TypeSystemDefinition::Directive(directive) => {
                    let node = directive.node;
                    let repeatable = is_repeatable(text, &node.name.node);
                    let shape = DirectiveShape {
                        arguments: slots(node.arguments),
                        places: node.locations.into_iter().map(|place| place.node).collect(),
                        repeatable,
                    };
                    self.directives.insert(node.name.node.to_string(), shape);
                }
            }
        }
    }

    /// The type on which an operation of this kind starts; `None` if the schema has no such operations.
    #[must_use]
    pub fn root(&self, kind: OperationType) -> Option<&str> {
        match kind {
            OperationType::Query => Some(&self.query),
            OperationType::Mutation => self.mutation.as_deref(),
            OperationType::Subscription => self.subscription.as_deref(),
        }
    }

    /// The shape of a named type.
    #[must_use]
    pub fn shape(&self, name: &str) -> Option<&Shape> {
        self.types.get(name)
    }

    /// A field of a type, the introspection fields included.
    #[must_use]
    pub fn field(&self, on: &str, name: &str) -> Option<&FieldShape> {
        match name {
            "__typename" => return Some(&self.typename),
            "__schema" if on == self.query => return Some(&self.schema),
            "__type" if on == self.query => return Some(&self.type_by_name),
            _ => {}
        }
        match self.types.get(on)? {
            Shape::Object(fields) | Shape::Interface(fields) => fields.get(name),
            Shape::Scalar | Shape::Enum(_) | Shape::Union | Shape::Input { .. } => None,
        }
    }

    /// A directive; `None` if the schema does not know it.
    #[must_use]
    pub fn directive(&self, name: &str) -> Option<&DirectiveShape> {
        self.directives.get(name)
    }

    /// Whether a type is a plain object, so that two different ones never have a value in common.
    #[must_use]
    pub fn is_object(&self, name: &str) -> bool {
        matches!(self.types.get(name), Some(Shape::Object(_)))
    }

    /// Whether a type has no fields to select.
    #[must_use]
    pub fn is_leaf(&self, name: &str) -> bool {
        matches!(self.types.get(name), Some(Shape::Scalar | Shape::Enum(_)))
    }
}

/// The name inside all lists and exclamation marks.
#[must_use]
pub fn base_name(ty: &Type) -> &str {
    match &ty.base {
        BaseType::Named(name) => name.as_str(),
        BaseType::List(inner) => base_name(inner),
    }
}

/// Whether the SDL declares a directive as repeatable. The parser says so of every directive.
fn is_repeatable(sdl: &str, directive: &str) -> bool {
    sdl.lines()
        .filter_map(|line| line.strip_prefix("directive @"))
        .filter_map(|line| line.strip_prefix(directive))
        .any(|rest| rest.starts_with([' ', '(']) && rest.contains(" repeatable on "))
}

fn meta_field(ty: &str, argument: Option<&str>) -> Result<FieldShape, SchemaUnreadable> {
    let read = |text: &str| Type::new(text).ok_or_else(|| SchemaUnreadable(text.to_owned()));
    let name = read("String!")?;
    Ok(FieldShape {
        ty: read(ty)?,
        arguments: argument
            .map(|argument| {
                (
                    argument.to_owned(),
                    InputSlot {
                        ty: name,
                        default: None,
                    },
                )
            })
            .into_iter()
            .collect(),
    })
}

fn shape(ty: TypeDefinition) -> Shape {
    let one_of = ty
        .directives
        .iter()
        .any(|directive| directive.node.name.node == "oneOf");
    match ty.kind {
        TypeKind::Scalar => Shape::Scalar,
        TypeKind::Enum(values) => Shape::Enum(
            values
                .values
                .into_iter()
                .map(|value| value.node.value.node.to_string())
                .collect(),
        ),
        TypeKind::Object(object) => Shape::Object(fields(object.fields)),
        TypeKind::Interface(interface) => Shape::Interface(fields(interface.fields)),
        TypeKind::Union(_) => Shape::Union,
        TypeKind::InputObject(input) => Shape::Input {
            fields: slots(input.fields),
            one_of,
        },
    }
}

fn fields(
    definitions: Vec<async_graphql::Positioned<FieldDefinition>>,
) -> HashMap<String, FieldShape> {
    definitions
        .into_iter()
        .map(|field| {
            let shape = FieldShape {
                ty: field.node.ty.node,
                arguments: slots(field.node.arguments),
            };
            (field.node.name.node.to_string(), shape)
        })
        .collect()
}

fn slots(
    definitions: Vec<async_graphql::Positioned<InputValueDefinition>>,
) -> HashMap<String, InputSlot> {
    definitions
        .into_iter()
        .map(|slot| {
            let shape = InputSlot {
                ty: slot.node.ty.node,
                default: slot.node.default_value.map(|value| value.node),
            };
            (slot.node.name.node.to_string(), shape)
        })
        .collect()
}
