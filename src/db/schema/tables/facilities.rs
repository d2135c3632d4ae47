//! Changes, facilities, and what is recorded of them and sent about them.

use crate::db::{Column, Table, schema::Definition};

pub(super) const TABLES: &[Definition] = &[
    Definition {
        table: Table {
            name: "change",
            columns: &[
                ("id", Column::Big),
                ("seq", Column::Big),
                ("recorded_at", Column::Instant),
                ("settled_at", Column::Instant),
                ("identity_kind", Column::Code),
                ("identity_id", Column::Big),
                ("organisation_id", Column::Big),
                ("source", Column::Code),
                ("operation", Column::Text),
                ("request_id", Column::Text),
                ("reason", Column::Text),
            ],
        },
        key: &["id"],
        backed_up: true,
    },
    Definition {
        table: Table {
            name: "change_horizon",
            columns: &[
                ("id", Column::Code),
                ("last_seq", Column::Big),
                ("settled_until", Column::Instant),
                ("folded_seq", Column::Big),
            ],
        },
        key: &["id"],
        backed_up: true,
    },
    Definition {
        table: Table {
            name: "idempotency",
            columns: &[
                ("caller", Column::Text),
                ("idempotency_key", Column::Text),
                ("request_hash", Column::Bytes),
                ("outcome", Column::Text),
                ("created_at", Column::Instant),
            ],
        },
        key: &["caller", "idempotency_key"],
        backed_up: true,
    },
    Definition {
        table: Table {
            name: "facility",
            columns: &[
                ("id", Column::Big),
                ("name", Column::Text),
                ("name_kana", Column::Text),
                ("postal_code", Column::Text),
                ("address", Column::Text),
                ("phone", Column::Text),
                ("email", Column::Text),
                ("search_text", Column::Text),
            ],
        },
        key: &["id"],
        backed_up: true,
    },
    Definition {
        table: Table {
            name: "facility_code",
            columns: &[
                ("code", Column::Text),
                ("facility_id", Column::Big),
                ("valid_until", Column::Date),
            ],
        },
        key: &["code"],
        backed_up: true,
    },
    Definition {
        table: Table {
            name: "facility_reference",
            columns: &[
                ("organisation_id", Column::Big),
                ("reference", Column::Text),
                ("facility_id", Column::Big),
            ],
        },
        key: &["organisation_id", "reference"],
        backed_up: true,
    },
    Definition {
        table: Table {
            name: "facility_event",
            columns: &[
                ("id", Column::Big),
                ("facility_id", Column::Big),
                ("change_id", Column::Big),
                ("aspect", Column::Code),
                ("action", Column::Code),
                ("effective_on", Column::Date),
                ("value", Column::Big),
                ("voids_id", Column::Big),
                ("note", Column::Text),
            ],
        },
        key: &["id"],
        backed_up: true,
    },
    Definition {
        table: Table {
            name: "facility_state",
            columns: &[
                ("facility_id", Column::Big),
                ("code", Column::Text),
                ("version", Column::Int),
                ("kind", Column::Code),
                ("prefecture", Column::Code),
                ("public_institution", Column::Bool),
                ("opened_on", Column::Date),
                ("closed_on", Column::Date),
                ("vendor_id", Column::Big),
                ("chain_id", Column::Big),
                ("contractor_id", Column::Big),
                ("stage", Column::Code),
                ("last_milestone_on", Column::Date),
                ("reader_applied_on", Column::Date),
                ("vendor_ordered_on", Column::Date),
                ("use_applied_on", Column::Date),
                ("certificate_issued_on", Column::Date),
                ("reader_delivered_on", Column::Date),
                ("pc_procured_on", Column::Date),
                ("router_procured_on", Column::Date),
                ("installed_on", Column::Date),
                ("ready_on", Column::Date),
                ("live_on", Column::Date),
            ],
        },
        key: &["facility_id"],
        backed_up: true,
    },
    Definition {
        table: Table {
            name: "milestone_plan",
            columns: &[
                ("facility_id", Column::Big),
                ("milestone", Column::Code),
                ("planned_on", Column::Date),
            ],
        },
        key: &["facility_id", "milestone"],
        backed_up: true,
    },
    Definition {
        table: Table {
            name: "facility_blocker",
            columns: &[
                ("facility_id", Column::Big),
                ("blocker", Column::Code),
                ("since", Column::Date),
            ],
        },
        key: &["facility_id", "blocker"],
        backed_up: true,
    },
    Definition {
        table: Table {
            name: "installation",
            columns: &[
                ("id", Column::Big),
                ("facility_id", Column::Big),
                ("status", Column::Code),
                ("visit_window", Column::Code),
                ("started_on", Column::Date),
                ("ended_on", Column::Date),
                ("minutes", Column::Int),
                ("crew", Column::Int),
                ("remark", Column::Text),
                ("checklist_kind", Column::Code),
                ("checklist_version", Column::Int),
                ("vendor_id", Column::Big),
                ("contractor_id", Column::Big),
                ("version", Column::Int),
                ("opened_by", Column::Big),
                ("ended_by", Column::Big),
            ],
        },
        key: &["id"],
        backed_up: true,
    },
    Definition {
        table: Table {
            name: "installation_check",
            columns: &[
                ("installation_id", Column::Big),
                ("item", Column::Text),
                ("done_on", Column::Date),
                ("change_id", Column::Big),
            ],
        },
        key: &["installation_id", "item"],
        backed_up: true,
    },
    Definition {
        table: Table {
            name: "installation_reference",
            columns: &[
                ("organisation_id", Column::Big),
                ("installation_id", Column::Big),
                ("reference", Column::Text),
            ],
        },
        key: &["organisation_id", "installation_id"],
        backed_up: true,
    },
    Definition {
        table: Table {
            name: "checklist",
            columns: &[
                ("kind", Column::Code),
                ("version", Column::Int),
                ("items", Column::Text),
                ("change_id", Column::Big),
            ],
        },
        key: &["kind", "version"],
        backed_up: true,
    },
    Definition {
        table: Table {
            name: "installation_before",
            columns: &[
                ("change_id", Column::Big),
                ("installation_id", Column::Big),
                ("image", Column::Text),
            ],
        },
        key: &["change_id", "installation_id"],
        backed_up: true,
    },
    Definition {
        table: Table {
            name: "change_undo",
            columns: &[("change_id", Column::Big), ("undone_id", Column::Big)],
        },
        key: &["change_id"],
        backed_up: true,
    },
    Definition {
        table: Table {
            name: "handover",
            columns: &[
                ("id", Column::Big),
                ("facility_id", Column::Big),
                ("vendor_id", Column::Big),
                ("contractor_id", Column::Big),
                ("status", Column::Code),
                ("proposed_on", Column::Date),
                ("answer_by", Column::Date),
                ("answered_on", Column::Date),
                ("message", Column::Text),
                ("reason", Column::Text),
                ("proposed_by", Column::Big),
                ("answered_by", Column::Big),
            ],
        },
        key: &["id"],
        backed_up: true,
    },
    Definition {
        table: Table {
            name: "sheet",
            columns: &[
                ("id", Column::Big),
                ("organisation_id", Column::Big),
                ("identity_kind", Column::Code),
                ("identity_id", Column::Big),
                ("name", Column::Text),
                ("digest", Column::Bytes),
                ("byte_count", Column::Big),
                ("layout", Column::Text),
                ("columns", Column::Text),
                ("row_count", Column::Int),
                ("is_checked", Column::Bool),
                ("status", Column::Code),
                ("problem", Column::Text),
                ("uploaded_at", Column::Instant),
                ("changed_at", Column::Instant),
                ("runner_kind", Column::Code),
                ("runner_id", Column::Big),
                ("reason", Column::Text),
                ("gentle", Column::Bool),
                ("done_count", Column::Int),
                ("todo_count", Column::Int),
                ("attempts", Column::Int),
                ("holder", Column::Text),
                ("leased_until", Column::Instant),
            ],
        },
        key: &["id"],
        backed_up: true,
    },
    Definition {
        table: Table {
            name: "sheet_chunk",
            columns: &[
                ("sheet_id", Column::Big),
                ("position", Column::Int),
                ("content", Column::Bytes),
            ],
        },
        key: &["sheet_id", "position"],
        backed_up: true,
    },
    Definition {
        table: Table {
            name: "sheet_row",
            columns: &[
                ("sheet_id", Column::Big),
                ("number", Column::Int),
                ("facility_id", Column::Big),
                ("outcome", Column::Code),
                ("change_id", Column::Big),
                ("detail", Column::Text),
            ],
        },
        key: &["sheet_id", "number"],
        backed_up: true,
    },
    Definition {
        table: Table {
            name: "sheet_mapping",
            columns: &[
                ("organisation_id", Column::Big),
                ("name", Column::Text),
                ("columns", Column::Text),
            ],
        },
        key: &["organisation_id", "name"],
        backed_up: true,
    },
];
