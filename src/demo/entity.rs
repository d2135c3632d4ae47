//! The tables `deployment` and `organisation`, as far as the demo is concerned: whether a database holds
//! one, and loading it.

use chrono::{DateTime, Utc};

use super::Scale;
use crate::{
    auth::OrganisationKind,
    db::{Column, Database, DbErr, OrganisationId, Query, Row, Table, Values},
    facility::Bureau,
};

/// Facts about the deployment, by key.
pub(super) const DEPLOYMENT: Table = Table {
    name: "deployment",
    columns: &[("key", Column::Text), ("value", Column::Text)],
};

/// The key under which a demo keeps its scale.
pub(super) const DEMO: &str = "demo";

/// Organisations whose ids are given.
pub(super) const ORGANISATION: Table = Table {
    name: "organisation",
    columns: &[
        ("id", Column::Big),
        ("kind", Column::Code),
        ("name", Column::Text),
        ("name_kana", Column::Text),
        ("bureau", Column::Code),
        ("created_at", Column::Instant),
    ],
};

/// The columns of an organisation's row.
pub(super) fn organisation_values(
    id: OrganisationId,
    kind: OrganisationKind,
    (name, name_kana): (&str, &str),
    bureau: Option<Bureau>,
    created_at: DateTime<Utc>,
) -> Values {
    vec![
        id.0.into(),
        kind.code().into(),
        name.into(),
        name_kana.into(),
        bureau.map(Bureau::code).into(),
        created_at.into(),
    ]
}

/// The scale of the demo that the database holds, if it holds one.
pub async fn is_demo(database: &Database) -> Result<Option<Scale>, DbErr> {
    let row = Query::with("SELECT value FROM deployment WHERE key = $1", [DEMO.into()])
        .one(database.read())
        .await?;
    row.map(|row| {
        let scale: String = Row::new(&row).take()?;
        scale
            .parse()
            .map_err(|error| DbErr::Type(format!("the demo's scale: {error}")))
    })
    .transpose()
}

/// Has nobody used the database yet? Only such a one may become a demo.
pub async fn is_empty(database: &Database) -> Result<bool, DbErr> {
    let row = Query::new(
        "SELECT 1 WHERE EXISTS (SELECT 1 FROM change) OR EXISTS (SELECT 1 FROM facility) \
         OR EXISTS (SELECT 1 FROM organisation) OR EXISTS (SELECT 1 FROM user_account)",
    )
    .one(database.read())
    .await?;
    Ok(row.is_none())
}
