//! From the text of a document to something that may be executed. A document is scanned, parsed, measured and
//! validated once; the result is kept by its text, so that a client that sends the same document again pays only for
//! its variables. The cache is bounded by what the parsed documents weigh, and forgetting one costs time only.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use async_graphql::{
    Response, Variables,
    parser::{
        Error as ParseError, parse_query,
        types::{ExecutableDocument, OperationDefinition, OperationType, Selection, SelectionSet},
    },
};

use super::{
    fields_merge,
    limits::{Cost, Limits, Measure, Pricing},
    null_propagation,
    query_error::QueryError,
    scan,
    type_map::{SchemaUnreadable, TypeMap},
    validation, variables,
};

/// A document that keeps the rules, whatever its variables are.
#[derive(Debug)]
pub struct CheckedDocument {
    parsed: ExecutableDocument,
    plans: Vec<OperationPlan>,
}

/// What is known of one operation before it is asked for.
#[derive(Debug)]
pub struct OperationPlan {
    name: Option<String>,
    kind: OperationType,
    root_fields: Vec<String>,
    depth: u64,
    fields: u64,
    /// `None` if it depends on variables.
    complexity: Option<u64>,
}

impl OperationPlan {
    /// Query, mutation or subscription.
    #[must_use]
    pub fn kind(&self) -> OperationType {
        self.kind
    }

    /// The name in the document, if it has one.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The names of all fields that the operation selects at its root, each once, skipped ones included.
    #[must_use]
    pub fn root_fields(&self) -> &[String] {
        &self.root_fields
    }
}

impl CheckedDocument {
    /// The operation that a request means. An empty name counts as none.
    ///
    /// # Errors
    /// When there is no operation of that name, or several and no name.
    pub fn operation(&self, name: Option<&str>) -> Result<&OperationPlan, QueryError> {
        match (name.filter(|name| !name.is_empty()), self.plans.as_slice()) {
            (None, [only]) => Ok(only),
            (None, _) => Err(QueryError::UnknownOperation {
                message: "the document has several operations: name one in `operationName`",
            }),
            (Some(name), plans) => plans
                .iter()
                .find(|plan| plan.name.as_deref() == Some(name))
                .ok_or(QueryError::UnknownOperation {
                    message: "the document has no operation of that name",
                }),
        }
    }

    fn definition(&self, plan: &OperationPlan) -> Option<&OperationDefinition> {
        self.parsed
            .operations
            .iter()
            .find(|(name, _)| name.map(async_graphql::Name::as_str) == plan.name.as_deref())
            .map(|(_, operation)| &operation.node)
    }
}

/// Checks documents against one schema and one set of limits.
#[derive(Debug)]
pub struct Checker {
    types: TypeMap,
    limits: Limits,
    kept: RwLock<Kept>,
}

impl Checker {
    /// `sdl` is what the schema prints.
    ///
    /// # Errors
    /// When the SDL cannot be read back.
    pub fn new(sdl: &str, limits: Limits) -> Result<Self, SchemaUnreadable> {
        Ok(Self {
            types: TypeMap::read(sdl)?,
            limits,
            kept: RwLock::default(),
        })
    }

    /// The limits it keeps.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Reads a document.
    ///
    /// # Errors
    /// All that is wrong with it, whatever its variables.
    pub fn read(&self, text: &str) -> Result<Arc<CheckedDocument>, Vec<QueryError>> {
        if text.len() > self.limits.document_bytes {
            let most = self.limits.document_bytes;
            return Err(vec![QueryError::DocumentTooLarge { most }]);
        }
        if let Some(document) = self.recall(text) {
            return Ok(document);
        }
        let tokens = scan::tokens(text, self.limits.tokens, self.limits.nesting * 2)
            .map_err(|error| vec![error])?;
        let parsed = parse_query(text).map_err(|error| vec![unparsed(&error)])?;
        let document = Arc::new(self.check(parsed)?);
        self.keep(text, tokens, &document);
        Ok(document)
    }

    fn check(&self, parsed: ExecutableDocument) -> Result<CheckedDocument, Vec<QueryError>> {
        let plans = self.measure(&parsed).map_err(|error| vec![error])?;
        validation::validate(&parsed, &self.types, &self.limits)?;
        fields_merge::check(&parsed, &self.types, &self.limits).map_err(|error| vec![error])?;
        Ok(CheckedDocument { parsed, plans })
    }

    fn measure(&self, parsed: &ExecutableDocument) -> Result<Vec<OperationPlan>, QueryError> {
        let count = parsed.operations.iter().len();
        if count > self.limits.operations {
            return Err(QueryError::TooManyOperations {
                count,
                most: self.limits.operations,
            });
        }
        let mut measure = Measure::new(parsed, &self.limits);
        let mut plans = Vec::with_capacity(count);
        // async-graphql expands every operation and fragment of a document, not only what runs.
        let mut expanded = 0_u64;
        for fragment in parsed.fragments.values() {
            let tally = measure.set(&fragment.node.selection_set.node, 1)?;
            self.limits.hold(&tally)?;
            expanded = expanded.saturating_add(tally.selections);
        }
        for (name, operation) in parsed.operations.iter() {
            let node = &operation.node;
            let tally = measure.set(&node.selection_set.node, 1)?;
            self.limits.hold(&tally)?;
            expanded = expanded.saturating_add(tally.selections);
            plans.push(OperationPlan {
                name: name.map(ToString::to_string),
                kind: node.ty,
                root_fields: self.root(parsed, node)?,
                depth: tally.depth,
                fields: tally.fields,
                complexity: self.fixed_complexity(parsed, node)?,
            });
        }
        if expanded > self.limits.fields.saturating_mul(4) {
            return Err(QueryError::TooManyFields {
                most: self.limits.fields,
            });
        }
        Ok(plans)
    }

    fn root(
        &self,
        parsed: &ExecutableDocument,
        operation: &OperationDefinition,
    ) -> Result<Vec<String>, QueryError> {
        let mut all = Vec::new();
        collect_root_fields(parsed, &operation.selection_set.node, &mut all);
        if all.len() > self.limits.root_fields {
            return Err(QueryError::TooManyRootFields {
                count: all.len(),
                most: self.limits.root_fields,
            });
        }
        Ok(distinct(all).into_iter().map(ToOwned::to_owned).collect())
    }

    fn fixed_complexity(
        &self,
        parsed: &ExecutableDocument,
        operation: &OperationDefinition,
    ) -> Result<Option<u64>, QueryError> {
        let none = Variables::default();
        let Some(root) = self.types.root(operation.ty) else {
            return Ok(None);
        };
        let (complexity, varies) = Pricing::new(parsed, &self.types, &none, &self.limits)
            .operation(&operation.selection_set.node, root)?;
        Ok((!varies).then_some(complexity))
    }

    /// Checks the variables of a request, adds the defaults of those left out, and prices the operation with them.
    ///
    /// # Errors
    /// What is wrong with the variables, or that the operation costs too much with them.
    pub fn admit(
        &self,
        document: &CheckedDocument,
        plan: &OperationPlan,
        variables: &mut Variables,
    ) -> Result<Cost, Vec<QueryError>> {
        let (Some(operation), Some(root)) = (document.definition(plan), self.types.root(plan.kind))
        else {
            return Err(vec![QueryError::UnknownOperation {
                message: "the document has no such operation",
            }]);
        };
        variables::coerce(operation, variables, &self.types, self.limits.list_items)?;
        let complexity = match plan.complexity {
            Some(complexity) => complexity,
            None => {
                Pricing::new(&document.parsed, &self.types, variables, &self.limits)
                    .operation(&operation.selection_set.node, root)
                    .map_err(|error| vec![error])?
                    .0
            }
        };
        if complexity > self.limits.complexity {
            return Err(vec![QueryError::TooComplex {
                complexity,
                most: self.limits.complexity,
            }]);
        }
        Ok(Cost {
            depth: plan.depth,
            fields: plan.fields,
            complexity,
        })
    }

    /// A copy of the document for async-graphql to execute, without the variables that were left out.
    #[must_use]
    pub fn executable(
        &self,
        document: &CheckedDocument,
        plan: &OperationPlan,
        variables: &Variables,
    ) -> ExecutableDocument {
        let mut copy = document.parsed.clone();
        let absent = document
            .definition(plan)
            .map(|operation| variables::absent(operation, variables))
            .unwrap_or_default();
        if !absent.is_empty() {
            variables::prune(&mut copy, &absent);
        }
        copy
    }

    /// Puts the `null`s of failed fields where a client may expect them.
    pub fn complete(
        &self,
        document: &CheckedDocument,
        operation: Option<&str>,
        response: &mut Response,
    ) {
        if response.errors.is_empty() {
            return;
        }
        if let Some(operation) = document
            .operation(operation)
            .ok()
            .and_then(|plan| document.definition(plan))
        {
            null_propagation::complete(&document.parsed, operation, &self.types, response);
        }
    }

    fn recall(&self, text: &str) -> Option<Arc<CheckedDocument>> {
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = kept.new.get(text) {
            return Some(Arc::clone(&known.document));
        }
        let (document, tokens) = kept
            .old
            .get(text)
            .map(|known| (Arc::clone(&known.document), known.tokens))?;
        drop(kept);
        self.keep(text, tokens, &document);
        Some(document)
    }

    fn keep(&self, text: &str, tokens: usize, document: &Arc<CheckedDocument>) {
        let half = self.limits.cached_tokens / 2;
        // One document never takes more than an eighth, so that a large one cannot push out all others.
        if tokens > half / 4 {
            return;
        }
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        if kept.tokens + tokens > half {
            kept.old = std::mem::take(&mut kept.new);
            kept.tokens = 0;
        }
        let entry = Known {
            document: Arc::clone(document),
            tokens,
        };
        if kept.new.insert(text.into(), entry).is_none() {
            kept.tokens += tokens;
        }
    }
}

/// Checked documents in two generations: what was used since the last turn, and what was used in the one before.
#[derive(Debug, Default)]
struct Kept {
    new: HashMap<Box<str>, Known>,
    old: HashMap<Box<str>, Known>,
    /// Tokens in `new`.
    tokens: usize,
}

#[derive(Debug)]
struct Known {
    document: Arc<CheckedDocument>,
    tokens: usize,
}

/// The names of all fields that an operation selects at its root, each once: through fragments and inline fragments,
/// and whether or not `@skip` or `@include` would leave them out. Authorization is decided on these. No fragment may
/// contain itself.
#[must_use]
pub fn root_fields<'d>(
    document: &'d ExecutableDocument,
    operation: &'d OperationDefinition,
) -> Vec<&'d str> {
    let mut all = Vec::new();
    collect_root_fields(document, &operation.selection_set.node, &mut all);
    distinct(all)
}

fn collect_root_fields<'d>(
    document: &'d ExecutableDocument,
    set: &'d SelectionSet,
    into: &mut Vec<&'d str>,
) {
    for item in &set.items {
        match &item.node {
            Selection::Field(field) => into.push(field.node.name.node.as_str()),
            Selection::InlineFragment(inline) => {
                collect_root_fields(document, &inline.node.selection_set.node, into);
            }
            Selection::FragmentSpread(spread) => {
                if let Some(fragment) = document.fragments.get(&spread.node.fragment_name.node) {
                    collect_root_fields(document, &fragment.node.selection_set.node, into);
                }
            }
        }
    }
}

fn distinct(mut names: Vec<&str>) -> Vec<&str> {
    names.sort_unstable();
    names.dedup();
    names
}

/// The parser's errors quote the line that they stand in; ours only say what was expected.
fn unparsed(error: &ParseError) -> QueryError {
    match error {
        ParseError::Syntax { message, start, .. } => QueryError::Syntax {
            expected: message
                .lines()
                .find_map(|line| line.trim_start().strip_prefix("= "))
                .map(|expected| expected.chars().take(200).collect()),
            at: Some(*start),
        },
        ParseError::MissingOperation => QueryError::Syntax {
            expected: Some("the document has no operation".to_owned()),
            at: None,
        },
        ParseError::RecursionLimitExceeded => QueryError::NestedTooDeep { most: 64 },
        other => QueryError::Invalid {
            message:
                "an operation or fragment is defined twice, or stands beside one without a name"
                    .to_owned(),
            at: other.positions().collect(),
        },
    }
}
