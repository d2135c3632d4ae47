//! The list of tables.

mod deployment;
mod facilities;
mod hardware;

use super::Definition;

/// All tables, but that of the applied migrations and the search index of SQLite.
pub fn all_tables() -> impl Iterator<Item = &'static Definition> {
    facilities::TABLES
        .iter()
        .chain(deployment::TABLES)
        .chain(hardware::TABLES)
}
