//! Why a request was refused before anything ran. Each variant is one rule with one public code, so that a client can
//! tell "your query is too large" from "your query is wrong". Messages never repeat the document.

use async_graphql::{Pos, ServerError};

/// A refused document, operation or set of variables.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// The text is not GraphQL.
    #[error("syntax error{}", expected.as_deref().map(|e| format!(": {e}")).unwrap_or_default())]
    Syntax {
        /// What the grammar wanted instead, in its own words.
        expected: Option<String>,
        /// Where.
        at: Option<Pos>,
    },
    /// The text is longer than we read.
    #[error("the document has more than {most} bytes")]
    DocumentTooLarge {
        /// The most that is read, in bytes.
        most: usize,
    },
    /// The text has more tokens than we parse.
    #[error("the document has more than {most} tokens")]
    TooManyTokens {
        /// The most that is parsed.
        most: usize,
    },
    /// Brackets are nested deeper than we parse.
    #[error("the document nests brackets or fragments deeper than {most}")]
    NestedTooDeep {
        /// The most that is parsed.
        most: usize,
    },
    /// Fields are nested too deep.
    #[error("the operation selects {depth} levels of fields, {most} are allowed")]
    TooDeep {
        /// Levels, the root fields being the first.
        depth: u64,
        /// The most that is allowed.
        most: u64,
    },
    /// The operation may resolve too many fields.
    #[error("the operation costs {complexity}, {most} are allowed")]
    TooComplex {
        /// Fields, each counted as often as its page may have rows.
        complexity: u64,
        /// The most that is allowed.
        most: u64,
    },
    /// The document spells out too many selections once its fragments are expanded.
    #[error("the operation selects more than {most} fields with its fragments expanded")]
    TooManyFields {
        /// The most that is allowed.
        most: u64,
    },
    /// Too many aliases.
    #[error("the operation has {count} aliases, {most} are allowed")]
    TooManyAliases {
        /// Aliases with fragments expanded.
        count: u64,
        /// The most that is allowed.
        most: u64,
    },
    /// Too many directives.
    #[error("the operation has {count} directives, {most} are allowed")]
    TooManyDirectives {
        /// Directives with fragments expanded.
        count: u64,
        /// The most that is allowed.
        most: u64,
    },
    /// Too many fields at the root.
    #[error("the operation has {count} root fields, {most} are allowed")]
    TooManyRootFields {
        /// Root fields with fragments expanded.
        count: usize,
        /// The most that is allowed.
        most: usize,
    },
    /// Too many operations in one document.
    #[error("the document has {count} operations, {most} are allowed")]
    TooManyOperations {
        /// Operations.
        count: usize,
        /// The most that is allowed.
        most: usize,
    },
    /// A list argument or variable is too long.
    #[error("a list of {count} items was given, {most} are allowed")]
    ListTooLong {
        /// Items.
        count: usize,
        /// The most that is allowed.
        most: usize,
        /// Where, if it stands in the document.
        at: Option<Pos>,
    },
    /// A page of an impossible size was asked for.
    #[error("`{argument}` must be between 0 and {most}")]
    PageSize {
        /// `first` or `last`.
        argument: &'static str,
        /// The largest page.
        most: u64,
        /// Where.
        at: Pos,
    },
    /// A fragment contains itself.
    #[error("a fragment spreads itself")]
    FragmentCycle {
        /// Where the circle closes.
        at: Pos,
    },
    /// The document breaks a rule of validation (GraphQL specification, section 5).
    #[error("{message}")]
    Invalid {
        /// Which rule, in words.
        message: String,
        /// Where.
        at: Vec<Pos>,
    },
    /// The named operation is not there, or none was named among several.
    #[error("{message}")]
    UnknownOperation {
        /// What was wrong, in words.
        message: &'static str,
    },
    /// A variable is missing, null or of a wrong type.
    #[error("variable `${name}`{path} {problem}")]
    Variable {
        /// The variable.
        name: String,
        /// The place within its value, such as `.rows[3].code`.
        path: String,
        /// What was wrong, in words.
        problem: String,
        /// Where it is declared.
        at: Pos,
    },
}

impl QueryError {
    /// A broken rule of validation.
    pub(crate) fn invalid(message: impl Into<String>, at: Pos) -> Self {
        Self::Invalid {
            message: message.into(),
            at: vec![at],
        }
    }

    /// The public code, for `extensions.code`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Syntax { .. } => "GRAPHQL_PARSE_FAILED",
            Self::DocumentTooLarge { .. } | Self::TooManyTokens { .. } => "DOCUMENT_TOO_LARGE",
            Self::NestedTooDeep { .. } | Self::TooDeep { .. } => "QUERY_TOO_DEEP",
            Self::TooComplex { .. } | Self::TooManyFields { .. } => "QUERY_TOO_COMPLEX",
            Self::TooManyAliases { .. } => "TOO_MANY_ALIASES",
            Self::TooManyDirectives { .. } => "TOO_MANY_DIRECTIVES",
            Self::TooManyRootFields { .. } => "TOO_MANY_ROOT_FIELDS",
            Self::TooManyOperations { .. } => "TOO_MANY_OPERATIONS",
            Self::ListTooLong { .. } => "LIST_TOO_LONG",
            Self::PageSize { .. } => "PAGE_SIZE",
            Self::FragmentCycle { .. } | Self::Invalid { .. } => "GRAPHQL_VALIDATION_FAILED",
            Self::UnknownOperation { .. } => "OPERATION_RESOLUTION_FAILURE",
            Self::Variable { .. } => "BAD_VARIABLE",
        }
    }

    /// The places in the document that the error speaks of.
    #[must_use]
    pub fn locations(&self) -> Vec<Pos> {
        match self {
            Self::Syntax { at, .. } | Self::ListTooLong { at, .. } => at.iter().copied().collect(),
            Self::PageSize { at, .. } | Self::FragmentCycle { at } | Self::Variable { at, .. } => {
                vec![*at]
            }
            Self::Invalid { at, .. } => at.clone(),
            Self::DocumentTooLarge { .. }
            | Self::TooManyTokens { .. }
            | Self::NestedTooDeep { .. }
            | Self::TooDeep { .. }
            | Self::TooComplex { .. }
            | Self::TooManyFields { .. }
            | Self::TooManyAliases { .. }
            | Self::TooManyDirectives { .. }
            | Self::TooManyRootFields { .. }
            | Self::TooManyOperations { .. }
            | Self::UnknownOperation { .. } => Vec::new(),
        }
    }
}

impl From<QueryError> for ServerError {
    fn from(error: QueryError) -> Self {
        let mut shown = ServerError::new(error.to_string(), None);
        shown.locations = error.locations();
        shown
            .extensions
            .get_or_insert_default()
            .set("code", error.code());
        shown
    }
}
