//! The tables `deployment` and `organisation`, as far as the demo is concerned: whether a database holds
//! one, and loading it.

use chrono::{DateTime, Utc};

use super::Scale;
use crate::{
    auth::{OrganisationKind, OrganisationName},
    db::{Column, Database, DbErr, OrganisationId, Query, Row, Table, Values, schema},
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
        ("parent_id", Column::Big),
        ("created_at", Column::Instant),
    ],
};

/// The columns of an organisation's row.
pub(super) fn organisation_values(
    id: OrganisationId,
    kind: OrganisationKind,
    (name, name_kana): (&str, &str),
    bureau: Option<Bureau>,
    parent: Option<OrganisationId>,
    created_at: DateTime<Utc>,
) -> Values {
    vec![
        id.0.into(),
        kind.code().into(),
        name.into(),
        name_kana.into(),
        bureau.map(Bureau::code).into(),
        parent.map(|parent| parent.0).into(),
        created_at.into(),
    ]
}

/// The scale of the demo that the database holds, if it holds one. The schema may be behind, or not there at
/// all.
pub async fn is_demo(database: &Database) -> Result<Option<Scale>, DbErr> {
    if !schema::has_table(database, DEPLOYMENT.name).await? {
        return Ok(None);
    }
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

/// The organisation in whose name the demo's account of a kind acts: the one with the most facilities
/// among vendors and chains that are not the very largest, so that its lists are long and quick to read.
/// A facility's own organisation is made if there is none yet.
pub async fn organisation_for(
    database: &Database,
    kind: OrganisationKind,
) -> Result<OrganisationName, DbErr> {
    if kind == OrganisationKind::Facility {
        make_facility_organisation(database).await?;
    }
    let row = Query::with(
        "SELECT id, name FROM organisation WHERE kind = $1 ORDER BY id LIMIT 1",
        [kind.code().into()],
    )
    .one(database.read())
    .await?
    .ok_or_else(|| DbErr::RecordNotFound(format!("the demo's {kind:?}")))?;
    let mut row = Row::new(&row);
    Ok(OrganisationName {
        id: row.take()?,
        name: row.take()?,
    })
}

async fn make_facility_organisation(database: &Database) -> Result<(), DbErr> {
    Query::with(
        "INSERT INTO organisation (kind, name, name_kana, facility_id, created_at) \
         SELECT $1, f.name, f.name_kana, f.id, c.recorded_at FROM facility f, change c WHERE f.id = 1 \
         AND c.seq = 1 AND NOT EXISTS (SELECT 1 FROM organisation WHERE facility_id = 1)",
        [OrganisationKind::Facility.code().into()],
    )
    .execute(database.write())
    .await?;
    Ok(())
}

/// Has the demo this account already?
pub async fn has_account(database: &Database, email: &str) -> Result<bool, DbErr> {
    let row = Query::with(
        "SELECT 1 FROM user_account WHERE email = $1",
        [email.into()],
    )
    .one(database.read())
    .await?;
    Ok(row.is_some())
}
