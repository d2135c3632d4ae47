//! Orders of hardware, lots that were delivered, and allocations to facilities.

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
    // Quantities delivered and cancelled, the model and the promise follow from the steps.
    "CREATE TABLE hardware_order (
        id {id},
        buyer_id {big} NOT NULL,
        supplier_id {big} NOT NULL,
        model_id {big} NOT NULL,
        ordered_model_id {big} NOT NULL,
        quantity {int} NOT NULL,
        delivered {int} NOT NULL,
        cancelled {int} NOT NULL,
        unit_price {int},
        ordered_on {date} NOT NULL,
        promised_on {date},
        version {int} NOT NULL,
        change_id {big} NOT NULL,
        CHECK (quantity > 0 AND delivered >= 0 AND cancelled >= 0 AND delivered + cancelled <= quantity)
    ) {strict}",
    "CREATE INDEX hardware_order_buyer ON hardware_order (buyer_id, id)",
    "CREATE INDEX hardware_order_supplier ON hardware_order (supplier_id, id)",
    "CREATE INDEX hardware_order_model ON hardware_order (model_id, id)",
    "CREATE TABLE hardware_order_step (
        id {id},
        order_id {big} NOT NULL,
        step {code} NOT NULL,
        done_on {date} NOT NULL,
        quantity {int},
        promised_on {date},
        model_id {big},
        lot_id {big},
        note TEXT,
        change_id {big} NOT NULL
    ) {strict}",
    "CREATE INDEX hardware_order_step_order ON hardware_order_step (order_id, id)",
    // The facilities that an order is placed for.
    "CREATE TABLE hardware_order_facility (
        order_id {big} NOT NULL,
        facility_id {big} NOT NULL,
        PRIMARY KEY (order_id, facility_id)
    ) {strict}",
    "CREATE INDEX hardware_order_facility_facility ON hardware_order_facility (facility_id, order_id)",
    "CREATE TABLE hardware_lot (
        id {id},
        order_id {big} NOT NULL,
        buyer_id {big} NOT NULL,
        model_id {big} NOT NULL,
        class {code} NOT NULL,
        quantity {int} NOT NULL,
        allocated {int} NOT NULL,
        returned {int} NOT NULL,
        received_on {date} NOT NULL,
        stock_since {date} NOT NULL,
        change_id {big} NOT NULL,
        CHECK (quantity > 0 AND allocated >= 0 AND returned >= 0 AND allocated + returned <= quantity)
    ) {strict}",
    "CREATE INDEX hardware_lot_order ON hardware_lot (order_id)",
    "CREATE INDEX hardware_lot_buyer ON hardware_lot (buyer_id, id)",
    // A row counts until it is ended. What reached a milestone says so: only that is taken back with it.
    "CREATE TABLE hardware_allocation (
        id {id},
        lot_id {big} NOT NULL,
        facility_id {big} NOT NULL,
        class {code} NOT NULL,
        quantity {int} NOT NULL,
        allocated_on {date} NOT NULL,
        reached {bool} NOT NULL,
        change_id {big} NOT NULL,
        ended_on {date},
        ended_by {big}
    ) {strict}",
    "CREATE UNIQUE INDEX hardware_allocation_in_force ON hardware_allocation (lot_id, facility_id) WHERE ended_by IS NULL",
    "CREATE INDEX hardware_allocation_facility ON hardware_allocation (facility_id, class) WHERE ended_by IS NULL",
];

const DOWN: &[&str] = &[
    "DROP TABLE hardware_allocation",
    "DROP TABLE hardware_lot",
    "DROP TABLE hardware_order_facility",
    "DROP TABLE hardware_order_step",
    "DROP TABLE hardware_order",
];
