//! The catalogue of readers, PCs and routers.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        super::run(manager, UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        super::run(manager, DOWN).await
    }
}

const UP: &[&str] = &[
    // Kinds of facility and lines are bits, by their codes. The change is the last one, and says who told it.
    "CREATE TABLE hardware_model (
        id {id},
        supplier_id {big} NOT NULL,
        class {code} NOT NULL,
        name {name} NOT NULL,
        number TEXT NOT NULL,
        kinds {code} NOT NULL,
        lines {code} NOT NULL,
        discontinued_on {date},
        version {int} NOT NULL,
        change_id {big}
    ) {strict}",
    "CREATE UNIQUE INDEX hardware_model_number ON hardware_model (supplier_id, number)",
    "CREATE INDEX hardware_model_class ON hardware_model (class, name, id)",
    "CREATE TABLE hardware_fit (
        model_id {big} NOT NULL,
        reader_id {big} NOT NULL,
        PRIMARY KEY (model_id, reader_id)
    ) {strict}",
    "CREATE INDEX hardware_fit_reader ON hardware_fit (reader_id)",
];

const DOWN: &[&str] = &["DROP TABLE hardware_fit", "DROP TABLE hardware_model"];
