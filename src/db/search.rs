//! The n-gram index of facilities: an array column under GIN on PostgreSQL, a contentless FTS5 table on
//! SQLite, in which every gram is a word of eight hexadecimal digits.

use std::fmt;

use sea_orm::{ConnectionTrait, DbBackend, DbErr};

use super::{Backend, Column, Query, Row, Table};

/// PostgreSQL's column of grams.
pub(super) const GRAMS: &str = "search_grams";

/// SQLite's index, as a table.
pub(super) const FTS: Table = Table {
    name: "facility_search",
    columns: &[("rowid", Column::Big), ("grams", Column::Text)],
};

/// While SQLite's index is loaded it gathers more in memory, and merges what it wrote only at the end.
pub(super) const BEGIN_LOAD: &[&str] = &[
    "INSERT INTO facility_search (facility_search, rank) VALUES ('automerge', 0)",
    "INSERT INTO facility_search (facility_search, rank) VALUES ('hashsize', 16777216)",
];

/// Merges, and goes back to how FTS5 works by default.
pub(super) const END_LOAD: &[&str] = &[
    "INSERT INTO facility_search (facility_search) VALUES ('optimize')",
    "INSERT INTO facility_search (facility_search, rank) VALUES ('automerge', 4)",
    "INSERT INTO facility_search (facility_search, rank) VALUES ('hashsize', 1048576)",
];

/// A gram as a word of the FTS5 table.
fn word(gram: i32) -> String {
    format!("{:08x}", gram.cast_unsigned())
}

/// The FTS5 document of some grams.
pub fn document(grams: &[i32]) -> String {
    let words: Vec<String> = grams.iter().map(|gram| word(*gram)).collect();
    words.join(" ")
}

/// So many entries are replaced in one statement.
const TOGETHER: usize = 500;

/// Replaces the entries of rows in the index.
pub async fn write(
    connection: &impl ConnectionTrait,
    entries: &[(i64, Vec<i32>)],
) -> Result<(), DbErr> {
    let backend = Backend::of(connection);
    for some in entries.chunks(TOGETHER) {
        match backend {
            Backend::Postgres => {
                let mut query =
                    Query::new("UPDATE facility f SET search_grams = v.grams FROM (VALUES ");
                for (position, (id, grams)) in some.iter().enumerate() {
                    query.push(if position > 0 { ", (" } else { "(" });
                    query.bind(*id).push("::bigint, ");
                    query.bind(grams.clone()).push("::integer[])");
                }
                query.push(") AS v (id, grams) WHERE f.id = v.id");
                query.execute(connection).await?;
            }
            Backend::Sqlite => {
                let mut query = Query::new("DELETE FROM facility_search WHERE rowid");
                query.bind_ids(backend, some.iter().map(|(id, _)| *id));
                query.execute(connection).await?;
                let rows = some
                    .iter()
                    .map(|(id, grams)| vec![(*id).into(), document(grams).into()]);
                FTS.insert(connection, rows.collect()).await?;
            }
        }
    }
    Ok(())
}

/// What the index has of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// All grams, on PostgreSQL.
    Grams(Vec<i32>),
    /// How many, on SQLite, which doesn't keep them by row.
    Count(usize),
}

impl Entry {
    /// Can this be the entry of a row with these grams?
    pub fn is_of(&self, grams: &[i32]) -> bool {
        match self {
            Self::Grams(found) => found == grams,
            Self::Count(count) => *count == grams.len(),
        }
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Grams(grams) => write!(f, "{} grams, not all the same", grams.len()),
            Self::Count(count) => write!(f, "{count} grams"),
        }
    }
}

/// The entries of rows by id: after one number, up to another.
pub async fn entries(
    connection: &impl ConnectionTrait,
    after: i64,
    up_to: i64,
) -> Result<Vec<(i64, Entry)>, DbErr> {
    let grams_by_row = connection.get_database_backend() == DbBackend::Postgres;
    let sql = if grams_by_row {
        "SELECT id, search_grams FROM facility WHERE id > $1 AND id <= $2 ORDER BY id"
    } else {
        "SELECT id, sz FROM facility_search_docsize WHERE id > $1 AND id <= $2 ORDER BY id"
    };
    let rows = Query::with(sql, [after.into(), up_to.into()])
        .all(connection)
        .await?;
    rows.iter()
        .map(|row| {
            let mut row = Row::new(row);
            let id = row.take()?;
            let entry = if grams_by_row {
                Entry::Grams(row.take()?)
            } else {
                Entry::Count(first_number(&row.take::<Vec<u8>>()?))
            };
            Ok((id, entry))
        })
        .collect()
}

/// The first of SQLite's numbers of variable length, seven bits in each byte, highest first.
fn first_number(bytes: &[u8]) -> usize {
    let last = bytes.iter().position(|byte| byte & 0x80 == 0).unwrap_or(0);
    bytes
        .iter()
        .take(last + 1)
        .fold(0, |number, byte| (number << 7) | usize::from(byte & 0x7f))
}

/// Appends "the row called `alias` has all these grams".
pub fn push_match(query: &mut Query, backend: Backend, alias: &str, grams: &[i32]) {
    match backend {
        Backend::Postgres => {
            query
                .push(alias)
                .push(".search_grams @> ")
                .bind(grams.to_vec())
                .push("::integer[]");
        }
        Backend::Sqlite => {
            let words: Vec<String> = grams.iter().map(|gram| word(*gram)).collect();
            query
                .push(alias)
                .push(".id IN (SELECT rowid FROM facility_search WHERE facility_search MATCH ")
                .bind(words.join(" AND "))
                .push(")");
        }
    }
}
