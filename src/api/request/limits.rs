//! How much one request may ask for, and what it asks. Fragments are counted as if they were written out, but each is
//! measured only once, so that a document of 600 bytes that expands to millions of fields costs nothing to refuse.
//!
//! The *complexity* of an operation is the number of fields that it may resolve: a field counts 1, and what is
//! selected under a field with `first` or `last` counts that many times. Under a connection only `edges` and `nodes`
//! are repeated; `pageInfo` and `totalCount` are there once.

use std::{cell::Cell, collections::HashMap};

use async_graphql::{
    Name, Pos, Positioned, Value as ConstValue, Variables,
    parser::types::{ExecutableDocument, Field, FragmentDefinition, Selection, SelectionSet},
};
use async_graphql_value::Value;

use super::{
    query_error::QueryError,
    type_map::{FieldShape, TypeMap, base_name},
};

/// What a request may be at most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Length of a document in bytes.
    pub document_bytes: usize,
    /// Tokens in a document.
    pub tokens: usize,
    /// Brackets inside each other, and fragments and fields inside each other.
    pub nesting: usize,
    /// Operations in a document.
    pub operations: usize,
    /// Levels of fields. The standard introspection query needs 16.
    pub depth: u64,
    /// Fields, with fragments expanded.
    pub fields: u64,
    /// Fields, each counted as often as its page may have rows.
    pub complexity: u64,
    /// Aliases, with fragments expanded.
    pub aliases: u64,
    /// Directives, with fragments expanded.
    pub directives: u64,
    /// Fields at the root, with fragments expanded.
    pub root_fields: usize,
    /// Items in any one list among the arguments and variables.
    pub list_items: usize,
    /// Rows in a page (`first`, `last`).
    pub page_size: u64,
    /// Tokens of all checked documents that are kept in memory; 0 keeps none. A token takes about 300 bytes.
    pub cached_tokens: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            document_bytes: 128 * 1024,
            tokens: 20_000,
            nesting: 32,
            operations: 20,
            depth: 20,
            fields: 2_000,
            complexity: 50_000,
            aliases: 100,
            directives: 100,
            root_fields: 30,
            list_items: 5_000,
            page_size: 100,
            cached_tokens: 50_000,
        }
    }
}

/// What an operation asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cost {
    /// Levels of fields.
    pub depth: u64,
    /// Fields, with fragments expanded.
    pub fields: u64,
    /// Fields, each counted as often as its page may have rows.
    pub complexity: u64,
}

/// What stands in a selection set, with fragments expanded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Tally {
    pub(super) depth: u64,
    pub(super) fields: u64,
    /// Fields, spreads and inline fragments.
    pub(super) selections: u64,
    /// Selection sets inside each other, those of fragments included.
    pub(super) level: u64,
    pub(super) aliases: u64,
    pub(super) directives: u64,
}

impl Tally {
    fn beside(&mut self, other: Self) {
        self.depth = self.depth.max(other.depth);
        self.level = self.level.max(other.level);
        self.fields = self.fields.saturating_add(other.fields);
        self.selections = self.selections.saturating_add(other.selections);
        self.aliases = self.aliases.saturating_add(other.aliases);
        self.directives = self.directives.saturating_add(other.directives);
    }
}

/// Measures selection sets of one document, each fragment once.
pub(super) struct Measure<'d> {
    document: &'d ExecutableDocument,
    most_levels: usize,
    /// `None` while the fragment is being measured.
    fragments: HashMap<&'d str, Option<Tally>>,
}

impl<'d> Measure<'d> {
    pub(super) fn new(document: &'d ExecutableDocument, limits: &Limits) -> Self {
        Self {
            document,
            most_levels: limits.nesting,
            fragments: HashMap::with_capacity(document.fragments.len()),
        }
    }

    /// Counts what a selection set holds; `level` is how deep the caller stands.
    pub(super) fn set(&mut self, set: &'d SelectionSet, level: usize) -> Result<Tally, QueryError> {
        if level > self.most_levels {
            return Err(QueryError::NestedTooDeep {
                most: self.most_levels,
            });
        }
        let mut sum = Tally::default();
        for item in &set.items {
            sum.beside(self.selection(&item.node, level)?);
        }
        sum.level = sum.level.saturating_add(1);
        Ok(sum)
    }

    fn selection(&mut self, item: &'d Selection, level: usize) -> Result<Tally, QueryError> {
        let mut tally = match item {
            Selection::Field(field) => self.field(&field.node, level)?,
            Selection::InlineFragment(inline) => {
                self.set(&inline.node.selection_set.node, level + 1)?
            }
            Selection::FragmentSpread(spread) => {
                self.spread(&spread.node.fragment_name, level + 1)?
            }
        };
        tally.selections = tally.selections.saturating_add(1);
        tally.directives = tally
            .directives
            .saturating_add(u64::try_from(item.directives().len()).unwrap_or(u64::MAX));
        Ok(tally)
    }

    fn field(&mut self, field: &'d Field, level: usize) -> Result<Tally, QueryError> {
        let mut tally = if field.selection_set.node.items.is_empty() {
            Tally::default()
        } else {
            self.set(&field.selection_set.node, level + 1)?
        };
        tally.depth = tally.depth.saturating_add(1);
        tally.fields = tally.fields.saturating_add(1);
        tally.aliases = tally
            .aliases
            .saturating_add(u64::from(field.alias.is_some()));
        Ok(tally)
    }

    fn spread(&mut self, name: &'d Positioned<Name>, level: usize) -> Result<Tally, QueryError> {
        match self.fragments.get(name.node.as_str()) {
            Some(Some(known)) => return Ok(*known),
            Some(None) => return Err(QueryError::FragmentCycle { at: name.pos }),
            None => {}
        }
        let Some(fragment) = self.document.fragments.get(&name.node) else {
            return Ok(Tally::default());
        };
        self.fragments.insert(name.node.as_str(), None);
        let tally = self.set(&fragment.node.selection_set.node, level)?;
        self.fragments.insert(name.node.as_str(), Some(tally));
        Ok(tally)
    }
}

impl Limits {
    /// Holds a measured operation against the limits that do not depend on variables.
    pub(super) fn hold(&self, tally: &Tally) -> Result<(), QueryError> {
        let levels = u64::try_from(self.nesting).unwrap_or(u64::MAX);
        if tally.fields > self.fields || tally.selections > self.fields.saturating_mul(2) {
            return Err(QueryError::TooManyFields { most: self.fields });
        }
        if tally.depth > self.depth {
            return Err(QueryError::TooDeep {
                depth: tally.depth,
                most: self.depth,
            });
        }
        if tally.level > levels {
            return Err(QueryError::NestedTooDeep { most: self.nesting });
        }
        if tally.aliases > self.aliases {
            return Err(QueryError::TooManyAliases {
                count: tally.aliases,
                most: self.aliases,
            });
        }
        if tally.directives > self.directives {
            return Err(QueryError::TooManyDirectives {
                count: tally.directives,
                most: self.directives,
            });
        }
        Ok(())
    }
}

/// The complexity of a selection set, apart into what is there once and what is there for each row of a connection.
#[derive(Debug, Clone, Copy, Default)]
struct Split {
    once: u64,
    each_row: u64,
}

impl Split {
    fn total(self) -> u64 {
        self.once.saturating_add(self.each_row)
    }
}

/// Prices one operation with its variables.
pub(super) struct Pricing<'d> {
    fragments: &'d HashMap<Name, Positioned<FragmentDefinition>>,
    types: &'d TypeMap,
    variables: &'d Variables,
    page_size: u64,
    known: HashMap<&'d str, Split>,
    asked_a_variable: Cell<bool>,
}

impl<'d> Pricing<'d> {
    /// `variables` hold the defaults of those that were not given.
    pub(super) fn new(
        document: &'d ExecutableDocument,
        types: &'d TypeMap,
        variables: &'d Variables,
        limits: &Limits,
    ) -> Self {
        Self {
            fragments: &document.fragments,
            types,
            variables,
            page_size: limits.page_size,
            known: HashMap::new(),
            asked_a_variable: Cell::new(false),
        }
    }

    /// The complexity of an operation, and whether it depends on a variable.
    pub(super) fn operation(
        &mut self,
        set: &'d SelectionSet,
        root: &'d str,
    ) -> Result<(u64, bool), QueryError> {
        let complexity = self.set(set, root)?.total();
        Ok((complexity, self.asked_a_variable.get()))
    }

    fn set(&mut self, set: &'d SelectionSet, on: &'d str) -> Result<Split, QueryError> {
        let mut sum = Split::default();
        for item in &set.items {
            let part = match &item.node {
                Selection::Field(field) => {
                    let cost = self.field(&field.node, on)?;
                    if is_connection(on) && is_row(&field.node) {
                        Split {
                            once: 0,
                            each_row: cost,
                        }
                    } else {
                        Split {
                            once: cost,
                            each_row: 0,
                        }
                    }
                }
                Selection::InlineFragment(inline) => {
                    let on = inline
                        .node
                        .type_condition
                        .as_ref()
                        .map_or(on, |condition| condition.node.on.node.as_str());
                    self.set(&inline.node.selection_set.node, on)?
                }
                Selection::FragmentSpread(spread) => {
                    self.spread(spread.node.fragment_name.node.as_str())?
                }
            };
            sum.once = sum.once.saturating_add(part.once);
            sum.each_row = sum.each_row.saturating_add(part.each_row);
        }
        Ok(sum)
    }

    fn field(&mut self, field: &'d Field, on: &'d str) -> Result<u64, QueryError> {
        if field.selection_set.node.items.is_empty() {
            return Ok(1);
        }
        let Some(shape) = self.types.field(on, &field.name.node) else {
            // The validation refuses it; until then it is one field with one row.
            return Ok(self
                .set(&field.selection_set.node, "")?
                .total()
                .saturating_add(1));
        };
        let below = base_name(&shape.ty);
        let cost = self.set(&field.selection_set.node, below)?;
        let rows = self.rows(field, shape, is_connection(below))?;
        let inside = if is_connection(below) {
            cost.once.saturating_add(cost.each_row.saturating_mul(rows))
        } else {
            cost.total().saturating_mul(rows)
        };
        Ok(inside.saturating_add(1))
    }

    fn spread(&mut self, name: &'d str) -> Result<Split, QueryError> {
        if let Some(known) = self.known.get(name) {
            return Ok(*known);
        }
        let Some(fragment) = self.fragments.get(name) else {
            return Ok(Split::default());
        };
        let on = fragment.node.type_condition.node.on.node.as_str();
        let split = self.set(&fragment.node.selection_set.node, on)?;
        self.known.insert(name, split);
        Ok(split)
    }

    /// How many rows a field may have. A connection asked for no size is priced as its largest page.
    fn rows(&self, field: &Field, shape: &FieldShape, connection: bool) -> Result<u64, QueryError> {
        let mut rows = None;
        for argument in ["first", "last"] {
            let Some(slot) = shape.arguments.get(argument) else {
                continue;
            };
            let (asked, at) = match field.get_argument(argument) {
                Some(given) => (self.whole_number(&given.node), given.pos),
                None => (slot.default.as_ref().and_then(as_number), field.name.pos),
            };
            if let Some(asked) = asked {
                rows = rows.max(Some(self.page(asked, argument, at)?));
            }
        }
        Ok(rows.unwrap_or(if connection { self.page_size } else { 1 }))
    }

    fn page(&self, asked: i128, argument: &'static str, at: Pos) -> Result<u64, QueryError> {
        u64::try_from(asked)
            .ok()
            .filter(|rows| *rows <= self.page_size)
            .ok_or(QueryError::PageSize {
                argument,
                most: self.page_size,
                at,
            })
    }

    fn whole_number(&self, value: &Value) -> Option<i128> {
        match value {
            Value::Number(number) => number_of(number),
            Value::Variable(name) => {
                self.asked_a_variable.set(true);
                self.variables.get(name).and_then(as_number)
            }
            _ => None,
        }
    }
}

fn as_number(value: &ConstValue) -> Option<i128> {
    match value {
        ConstValue::Number(number) => number_of(number),
        _ => None,
    }
}

fn number_of(number: &async_graphql::Number) -> Option<i128> {
    number
        .as_i64()
        .map(i128::from)
        .or_else(|| number.as_u64().map(i128::from))
        // More digits than an integer has.
        .or_else(|| {
            number
                .as_f64()
                .filter(|float| float.abs() > 1.0e15)
                .map(|_| i128::MAX)
        })
}

fn is_connection(ty: &str) -> bool {
    ty.ends_with("Connection")
}

fn is_row(field: &Field) -> bool {
    matches!(field.name.node.as_str(), "edges" | "nodes")
}
