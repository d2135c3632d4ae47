//! Processes, figures, organisations, accounts and mail.

use crate::db::{Column, Table, schema::Definition};

pub(super) const TABLES: &[Definition] = &[
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
            name: "work_delta",
            columns: &[
                ("change_id", Column::Big),
                ("ordinal", Column::Int),
                ("effective_on", Column::Date),
                ("kind", Column::Code),
                ("prefecture", Column::Code),
                ("vendor_id", Column::Big),
                ("chain_id", Column::Big),
                ("installed_count", Column::Int),
                ("waiting_count", Column::Int),
                ("minute_count", Column::Int),
                ("timed_count", Column::Int),
            ],
        },
        key: &["change_id", "ordinal"],
        backed_up: true,
    },
    Definition {
        table: Table {
            name: "work_total",
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
                ("parent_id", Column::Big),
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
            name: "reporting_confirmation",
            columns: &[
                ("id", Column::Big),
                ("organisation_id", Column::Big),
                ("complete_to", Column::Date),
                ("change_id", Column::Big),
                ("taken_back_by", Column::Big),
            ],
        },
        key: &["id"],
        backed_up: true,
    },
    Definition {
        table: Table {
            name: "capacity_pledge",
            columns: &[
                ("id", Column::Big),
                ("organisation_id", Column::Big),
                ("month", Column::Date),
                ("prefecture", Column::Code),
                ("installs", Column::Int),
                ("change_id", Column::Big),
                ("replaced_by", Column::Big),
            ],
        },
        key: &["id"],
        backed_up: true,
    },
    Definition {
        table: Table {
            name: "capacity_answer",
            columns: &[
                ("id", Column::Big),
                ("organisation_id", Column::Big),
                ("month", Column::Date),
                ("team_count", Column::Int),
                ("remark", Column::Text),
                ("change_id", Column::Big),
                ("replaced_by", Column::Big),
            ],
        },
        key: &["id"],
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
