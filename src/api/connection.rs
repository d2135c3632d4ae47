//! A page of a list in the API, as the Relay specification has it. It is the library's connection with a
//! description on the type, which the library's own has not.

use std::borrow::Cow;

use async_graphql::{
    Object, ObjectType, OutputType, TypeName,
    connection::{Edge, EmptyFields, PageInfo},
};

/// A page of a list, with what else is known of the whole list.
pub struct Connection<T: OutputType, X: ObjectType = EmptyFields> {
    /// The rows of the page with their cursors.
    pub edges: Vec<Edge<String, T, EmptyFields>>,
    has_previous_page: bool,
    has_next_page: bool,
    whole: X,
}

impl<T: OutputType> Connection<T> {
    /// A page that knows of its neighbours.
    pub fn new(has_previous_page: bool, has_next_page: bool) -> Self {
        Self::with_additional_fields(has_previous_page, has_next_page, EmptyFields)
    }
}

impl<T: OutputType, X: ObjectType> Connection<T, X> {
    /// A page that knows of its neighbours and of the whole list.
    pub fn with_additional_fields(has_previous_page: bool, has_next_page: bool, whole: X) -> Self {
        Self {
            edges: Vec::new(),
            has_previous_page,
            has_next_page,
            whole,
        }
    }
}

impl<T: OutputType, X: ObjectType> TypeName for Connection<T, X> {
    fn type_name() -> Cow<'static, str> {
        Cow::Owned(format!("{}Connection", <T as OutputType>::type_name()))
    }
}

/// A page of a list.
#[Object(name_type)]
impl<T: OutputType, X: ObjectType> Connection<T, X> {
    /// Whether there are pages before and after this one.
    async fn page_info(&self) -> PageInfo {
        PageInfo {
            has_previous_page: self.has_previous_page,
            has_next_page: self.has_next_page,
            start_cursor: self.edges.first().map(|edge| edge.cursor.clone()),
            end_cursor: self.edges.last().map(|edge| edge.cursor.clone()),
        }
    }

    /// The rows of the page with their cursors.
    async fn edges(&self) -> &[Edge<String, T, EmptyFields>] {
        &self.edges
    }

    /// The rows of the page.
    async fn nodes(&self) -> Vec<&T> {
        self.edges.iter().map(|edge| &edge.node).collect()
    }

    #[graphql(flatten)]
    async fn whole(&self) -> &X {
        &self.whole
    }
}
