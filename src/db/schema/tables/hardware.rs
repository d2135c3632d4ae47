//! The catalogue of hardware, applications, orders, lots and allocations.

use crate::db::{Column, Table, schema::Definition};

pub(super) const TABLES: &[Definition] = &[
    Definition {
        table: Table {
            name: "hardware_model",
            columns: &[
                ("id", Column::Big),
                ("supplier_id", Column::Big),
                ("class", Column::Code),
                ("name", Column::Text),
                ("number", Column::Text),
                ("kinds", Column::Code),
                ("lines", Column::Code),
                ("discontinued_on", Column::Date),
                ("version", Column::Int),
                ("change_id", Column::Big),
            ],
        },
        key: &["id"],
        backed_up: true,
    },
    Definition {
        table: Table {
            name: "hardware_fit",
            columns: &[("model_id", Column::Big), ("reader_id", Column::Big)],
        },
        key: &["model_id", "reader_id"],
        backed_up: true,
    },
    Definition {
        table: Table {
            name: "application",
            columns: &[
                ("id", Column::Big),
                ("facility_id", Column::Big),
                ("kind", Column::Code),
                ("status", Column::Code),
                ("since", Column::Date),
                ("received_on", Column::Date),
                ("expires_on", Column::Date),
                ("version", Column::Int),
                ("opened_by", Column::Big),
            ],
        },
        key: &["id"],
        backed_up: true,
    },
    Definition {
        table: Table {
            name: "application_line",
            columns: &[
                ("application_id", Column::Big),
                ("model_id", Column::Big),
                ("free_count", Column::Int),
                ("bought_count", Column::Int),
            ],
        },
        key: &["application_id", "model_id"],
        backed_up: true,
    },
    Definition {
        table: Table {
            name: "application_step",
            columns: &[
                ("id", Column::Big),
                ("application_id", Column::Big),
                ("step", Column::Code),
                ("done_on", Column::Date),
                ("expires_on", Column::Date),
                ("reached", Column::Bool),
                ("change_id", Column::Big),
                ("voided_by", Column::Big),
            ],
        },
        key: &["id"],
        backed_up: true,
    },
    Definition {
        table: Table {
            name: "hardware_order",
            columns: &[
                ("id", Column::Big),
                ("buyer_id", Column::Big),
                ("supplier_id", Column::Big),
                ("model_id", Column::Big),
                ("ordered_model_id", Column::Big),
                ("quantity", Column::Int),
                ("delivered", Column::Int),
                ("cancelled", Column::Int),
                ("unit_price", Column::Int),
                ("ordered_on", Column::Date),
                ("promised_on", Column::Date),
                ("version", Column::Int),
                ("change_id", Column::Big),
            ],
        },
        key: &["id"],
        backed_up: true,
    },
    Definition {
        table: Table {
            name: "hardware_order_step",
            columns: &[
                ("id", Column::Big),
                ("order_id", Column::Big),
                ("step", Column::Code),
                ("done_on", Column::Date),
                ("quantity", Column::Int),
                ("promised_on", Column::Date),
                ("model_id", Column::Big),
                ("lot_id", Column::Big),
                ("note", Column::Text),
                ("change_id", Column::Big),
            ],
        },
        key: &["id"],
        backed_up: true,
    },
    Definition {
        table: Table {
            name: "hardware_order_facility",
            columns: &[("order_id", Column::Big), ("facility_id", Column::Big)],
        },
        key: &["order_id", "facility_id"],
        backed_up: true,
    },
    Definition {
        table: Table {
            name: "hardware_lot",
            columns: &[
                ("id", Column::Big),
                ("order_id", Column::Big),
                ("buyer_id", Column::Big),
                ("model_id", Column::Big),
                ("class", Column::Code),
                ("quantity", Column::Int),
                ("allocated", Column::Int),
                ("returned", Column::Int),
                ("received_on", Column::Date),
                ("stock_since", Column::Date),
                ("change_id", Column::Big),
            ],
        },
        key: &["id"],
        backed_up: true,
    },
    Definition {
        table: Table {
            name: "hardware_allocation",
            columns: &[
                ("id", Column::Big),
                ("lot_id", Column::Big),
                ("facility_id", Column::Big),
                ("class", Column::Code),
                ("quantity", Column::Int),
                ("allocated_on", Column::Date),
                ("reached", Column::Bool),
                ("change_id", Column::Big),
                ("ended_on", Column::Date),
                ("ended_by", Column::Big),
            ],
        },
        key: &["id"],
        backed_up: true,
    },
];
