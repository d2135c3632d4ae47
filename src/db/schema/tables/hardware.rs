//! The catalogue of hardware, and applications.

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
                ("change_id", Column::Big),
                ("voided_by", Column::Big),
            ],
        },
        key: &["id"],
        backed_up: true,
    },
];
