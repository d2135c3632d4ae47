//! Objects whose fields only hand out what is there. async-graphql makes a boxed future of every field, which is most
//! of what a page of rows costs; a [`Plain`] object answers its whole selection at once. Whatever asks for more than
//! that (arguments, another table, a fragment on an interface) is resolved by async-graphql as ever.

use std::{borrow::Cow, ops::Deref};

use async_graphql::{
    ContainerType, Context, ContextSelectionSet, Name, ObjectType, OutputType, Positioned,
    ServerResult, Value,
    indexmap::IndexMap,
    parser::types::{Field, FragmentDefinition, Selection, SelectionSet},
    registry::Registry,
};

/// An object that knows the values of its plain fields.
pub trait PlainFields {
    /// The object's type in the schema.
    const TYPE: &'static str;

    /// The value of a field; `None` if it takes more than looking.
    fn value(&self, field: &PlainField<'_>) -> Option<Value>;
}

/// An object that is answered at once where only plain fields are selected.
#[derive(Clone, Copy, Debug)]
pub struct Plain<T>(pub T);

/// The fragments of a document.
type Fragments = std::collections::HashMap<Name, Positioned<FragmentDefinition>>;

/// A field that is selected of an object.
pub struct PlainField<'a> {
    field: &'a Field,
    fragments: &'a Fragments,
}

impl PlainField<'_> {
    /// Its name in the schema.
    pub fn name(&self) -> &str {
        &self.field.name.node
    }

    /// The field's value, if it is an object.
    pub fn object<T: PlainFields>(&self, object: &T) -> Option<Value> {
        let mut fields = IndexMap::with_capacity(self.field.selection_set.node.items.len());
        add(
            &mut fields,
            &self.field.selection_set.node,
            object,
            self.fragments,
        )?;
        Some(Value::Object(fields))
    }

    /// The field's value, if it is an object or null.
    pub fn optional<T: PlainFields>(&self, object: Option<&T>) -> Option<Value> {
        object.map_or(Some(Value::Null), |object| self.object(object))
    }

    /// The field's value, if it is a list of objects.
    pub fn list<T: PlainFields>(&self, objects: impl Iterator<Item = T>) -> Option<Value> {
        objects
            .map(|object| self.object(&object))
            .collect::<Option<Vec<Value>>>()
            .map(Value::List)
    }
}

fn add<T: PlainFields>(
    into: &mut IndexMap<Name, Value>,
    set: &SelectionSet,
    object: &T,
    fragments: &Fragments,
) -> Option<()> {
    for selection in &set.items {
        let (condition, within) = match &selection.node {
            Selection::Field(field) => {
                add_field(into, &field.node, object, fragments)?;
                continue;
            }
            Selection::InlineFragment(fragment) => (
                fragment.node.type_condition.as_ref(),
                &fragment.node.selection_set,
            ),
            Selection::FragmentSpread(spread) => {
                let fragment = fragments.get(&spread.node.fragment_name.node)?;
                (
                    Some(&fragment.node.type_condition),
                    &fragment.node.selection_set,
                )
            }
        };
        if condition.is_some_and(|condition| condition.node.on.node != T::TYPE) {
            return None;
        }
        add(into, &within.node, object, fragments)?;
    }
    Some(())
}

fn add_field<T: PlainFields>(
    into: &mut IndexMap<Name, Value>,
    field: &Field,
    object: &T,
    fragments: &Fragments,
) -> Option<()> {
    // Directives that decide were applied before; others are async-graphql's business.
    if !field.directives.is_empty() {
        return None;
    }
    let value = if field.name.node == "__typename" {
        Value::String(T::TYPE.to_owned())
    } else {
        object.value(&PlainField { field, fragments })?
    };
    // A field that is selected twice is the same, but what is selected of it may differ.
    let key = field.response_key().node.clone();
    let twice = into.insert(key, value).is_some();
    (!twice || field.selection_set.node.items.is_empty()).then_some(())
}

impl<T> Deref for Plain<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: ObjectType + PlainFields> OutputType for Plain<T> {
    fn type_name() -> Cow<'static, str> {
        T::type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        T::create_type_info(registry)
    }

    async fn resolve(
        &self,
        context: &ContextSelectionSet<'_>,
        field: &Positioned<Field>,
    ) -> ServerResult<Value> {
        let mut fields = IndexMap::with_capacity(context.item.node.items.len());
        let fragments = &context.query_env.fragments;
        match add(&mut fields, &context.item.node, &self.0, fragments) {
            Some(()) => Ok(Value::Object(fields)),
            None => self.0.resolve(context, field).await,
        }
    }
}

impl<T: ObjectType + PlainFields> ContainerType for Plain<T> {
    async fn resolve_field(&self, context: &Context<'_>) -> ServerResult<Option<Value>> {
        self.0.resolve_field(context).await
    }
}

impl<T: ObjectType + PlainFields> ObjectType for Plain<T> {}
