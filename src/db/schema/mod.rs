//! Every table with all its columns, for what treats all tables alike: backups, and telling a database that
//! nobody uses. A test compares this list to the schema that the migrations make.

mod tables;

use sea_orm::{ConnectionTrait, DbErr};

pub use tables::all_tables;

use super::{Backend, Column, Database, Query, Row, Table};

/// A table as a whole.
#[derive(Clone, Copy, Debug)]
pub struct Definition {
    /// Its name and all its columns, but those that are derived for searching, and the feed's epoch, which is another
    /// in each copy.
    pub table: Table,
    /// The columns of its primary key.
    pub key: &'static [&'static str],
    /// Whether a backup holds it. Left out are keys that must not leave the database, and what concerns
    /// running processes only.
    pub backed_up: bool,
}

impl Definition {
    /// Does the database number its rows?
    pub fn has_generated_id(&self) -> bool {
        self.table.columns.first() == Some(&("id", Column::Big))
    }

    /// Does the table hold rows that a new database doesn't have?
    pub async fn is_in_use(&self, connection: &impl ConnectionTrait) -> Result<bool, DbErr> {
        let name = self.table.name;
        let filter = match name {
            HORIZON => " WHERE last_seq > 0",
            _ => "",
        };
        let row = Query::new(format!("SELECT 1 FROM {name}{filter} LIMIT 1"))
            .one(connection)
            .await?;
        Ok(row.is_some())
    }
}

/// The table that has its one row from the beginning.
pub const HORIZON: &str = "change_horizon";

/// Has nobody used this database, for us or for anything else? Every table in it is ours then and has no rows,
/// but of those that concern running processes only. The schema may be behind, or not there at all.
pub async fn is_unused(database: &Database) -> Result<bool, DbErr> {
    for name in tables(database).await? {
        let ours = all_tables().find(|one| one.table.name == name);
        let unused = match ours {
            None => false,
            Some(definition) if definition.backed_up => {
                !definition.is_in_use(database.read()).await?
            }
            Some(_) => true,
        };
        if !unused {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Is there a table of this name where ours are made?
pub async fn has_table(database: &Database, name: &str) -> Result<bool, DbErr> {
    Ok(tables(database).await?.iter().any(|found| found == name))
}

/// The tables that are there, whoever made them, but that of the applied migrations and SQLite's own.
async fn tables(database: &Database) -> Result<Vec<String>, DbErr> {
    let sql = match database.backend() {
        Backend::Sqlite => {
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' \
             AND name NOT LIKE 'facility\\_search%' ESCAPE '\\' AND name <> 'seaql_migrations'"
        }
        Backend::Postgres => {
            "SELECT c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
             WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p', 'f', 'm') \
             AND c.relname <> 'seaql_migrations'"
        }
    };
    let rows = Query::new(sql).all(database.read()).await?;
    rows.iter().map(|row| Row::new(row).take()).collect()
}
