//! The list of tables.

use super::Definition;
use crate::db::{Column, Table};

/// All tables, but that of the applied migrations and the search index of SQLite.
pub const ALL_TABLES: &[Definition] = &[
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
            name: "deployment",
            columns: &[("key", Column::Text), ("value", Column::Text)],
        },
        key: &["key"],
        backed_up: true,
    },
    Definition {
        table: Table {
            name: "job_lease",
            columns: &[
                ("name", Column::Text),
                ("holder", Column::Text),
                ("until", Column::Instant),
                ("last_run_at", Column::Instant),
                ("last_outcome", Column::Text),
            ],
        },
        key: &["name"],
        backed_up: false,
    },
    Definition {
        table: Table {
            name: "facility_period",
            columns: &[
                ("id", Column::Big),
                ("facility_id", Column::Big),
                ("effective_from", Column::Date),
                ("effective_until", Column::Date),
                ("kind", Column::Code),
                ("prefecture", Column::Code),
                ("vendor_id", Column::Big),
                ("chain_id", Column::Big),
                ("level", Column::Code),
                ("added_by", Column::Big),
                ("removed_by", Column::Big),
            ],
        },
        key: &["id"],
        backed_up: true,
    },
    Definition {
        table: Table {
            name: "figure_delta",
            columns: &[
                ("change_id", Column::Big),
                ("ordinal", Column::Int),
                ("effective_on", Column::Date),
                ("kind", Column::Code),
                ("prefecture", Column::Code),
                ("vendor_id", Column::Big),
                ("chain_id", Column::Big),
                ("open_count", Column::Int),
                ("applied_count", Column::Int),
                ("ready_count", Column::Int),
                ("live_count", Column::Int),
            ],
        },
        key: &["change_id", "ordinal"],
        backed_up: true,
    },
    Definition {
        table: Table {
            name: "figure_total",
            columns: &[
                ("block_level", Column::Code),
                ("block_start", Column::Date),
                ("vendor_id", Column::Big),
                ("chain_id", Column::Big),
                ("effective_on", Column::Date),
                ("counts", Column::Bytes),
            ],
        },
        key: &[
            "block_level",
            "block_start",
            "vendor_id",
            "chain_id",
            "effective_on",
        ],
        backed_up: true,
    },
    Definition {
        table: Table {
            name: "organisation",
            columns: &[
                ("id", Column::Big),
                ("kind", Column::Code),
                ("name", Column::Text),
                ("name_kana", Column::Text),
                ("bureau", Column::Code),
                ("facility_id", Column::Big),
                ("created_at", Column::Instant),
            ],
        },
        key: &["id"],
        backed_up: true,
    },
    Definition {
        table: Table {
            name: "vendor_profile",
            columns: &[
                ("organisation_id", Column::Big),
                ("accepts_work", Column::Bool),
                ("introduction", Column::Text),
                ("version", Column::Int),
                ("change_id", Column::Big),
            ],
        },
        key: &["organisation_id"],
        backed_up: true,
    },
    Definition {
        table: Table {
            name: "vendor_area",
            columns: &[
                ("organisation_id", Column::Big),
                ("prefecture", Column::Code),
            ],
        },
        key: &["organisation_id", "prefecture"],
        backed_up: true,
    },
    Definition {
        table: Table {
            name: "vendor_system",
            columns: &[
                ("organisation_id", Column::Big),
                ("ordinal", Column::Int),
                ("name", Column::Text),
            ],
        },
        key: &["organisation_id", "ordinal"],
        backed_up: true,
    },
    Definition {
        table: Table {
            name: "vendor_contact",
            columns: &[
                ("organisation_id", Column::Big),
                ("ordinal", Column::Int),
                ("label", Column::Text),
                ("phone", Column::Text),
                ("email", Column::Text),
                ("url", Column::Text),
            ],
        },
        key: &["organisation_id", "ordinal"],
        backed_up: true,
    },
    Definition {
        table: Table {
            name: "user_account",
            columns: &[
                ("id", Column::Big),
                ("email", Column::Text),
                ("display_name", Column::Text),
                ("password_hash", Column::Text),
                ("language", Column::Code),
                ("disabled_at", Column::Instant),
                ("created_at", Column::Instant),
            ],
        },
        key: &["id"],
        backed_up: true,
    },
    Definition {
        table: Table {
            name: "membership",
            columns: &[
                ("user_id", Column::Big),
                ("organisation_id", Column::Big),
                ("role", Column::Code),
                ("created_at", Column::Instant),
            ],
        },
        key: &["user_id", "organisation_id"],
        backed_up: true,
    },
    Definition {
        table: Table {
            name: "session",
            columns: &[
                ("id", Column::Big),
                ("user_id", Column::Big),
                ("created_at", Column::Instant),
                ("expires_at", Column::Instant),
                ("revoked_at", Column::Instant),
                ("revoked_because", Column::Text),
            ],
        },
        key: &["id"],
        backed_up: true,
    },
    Definition {
        table: Table {
            name: "refresh_token",
            columns: &[
                ("token_hash", Column::Bytes),
                ("session_id", Column::Big),
                ("created_at", Column::Instant),
                ("expires_at", Column::Instant),
                ("used_at", Column::Instant),
            ],
        },
        key: &["token_hash"],
        backed_up: true,
    },
    Definition {
        table: Table {
            name: "service_token",
            columns: &[
                ("id", Column::Big),
                ("organisation_id", Column::Big),
                ("name", Column::Text),
                ("role", Column::Code),
                ("permissions", Column::Text),
                ("token_hash", Column::Bytes),
                ("created_by", Column::Big),
                ("created_at", Column::Instant),
                ("expires_at", Column::Instant),
                ("revoked_at", Column::Instant),
                ("last_used_at", Column::Instant),
            ],
        },
        key: &["id"],
        backed_up: true,
    },
    Definition {
        table: Table {
            name: "one_time_secret",
            columns: &[
                ("id", Column::Big),
                ("purpose", Column::Code),
                ("secret_hash", Column::Bytes),
                ("user_id", Column::Big),
                ("organisation_id", Column::Big),
                ("facility_id", Column::Big),
                ("email", Column::Text),
                ("role", Column::Code),
                ("created_by", Column::Big),
                ("created_at", Column::Instant),
                ("expires_at", Column::Instant),
                ("failures", Column::Int),
                ("used_at", Column::Instant),
            ],
        },
        key: &["id"],
        backed_up: true,
    },
    Definition {
        table: Table {
            name: "login_throttle",
            columns: &[
                ("bucket", Column::Text),
                ("attempts", Column::Int),
                ("window_ends_at", Column::Instant),
            ],
        },
        key: &["bucket"],
        backed_up: false,
    },
    Definition {
        table: Table {
            name: "signing_key",
            columns: &[
                ("kid", Column::Text),
                ("private_key", Column::Bytes),
                ("public_key", Column::Bytes),
                ("created_at", Column::Instant),
                ("signs_from", Column::Instant),
                ("verifies_until", Column::Instant),
            ],
        },
        key: &["kid"],
        backed_up: false,
    },
    Definition {
        table: Table {
            name: "mail_outbox",
            columns: &[
                ("id", Column::Big),
                ("message_id", Column::Text),
                ("recipient", Column::Text),
                ("template", Column::Text),
                ("language", Column::Code),
                ("content", Column::Text),
                ("created_at", Column::Instant),
                ("not_before", Column::Instant),
                ("attempts", Column::Int),
                ("leased_until", Column::Instant),
                ("state", Column::Code),
                ("finished_at", Column::Instant),
                ("last_error", Column::Text),
            ],
        },
        key: &["id"],
        backed_up: true,
    },
];
