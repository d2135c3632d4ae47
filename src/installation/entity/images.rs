//! The table `installation_before`: work orders as they were before a change, so that it can be undone.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Checks, INSTALLATION_CHECK, update, write_references};
use crate::{
    db::{
        ChangeId, Column, Database, DbErr, OrganisationId, Query, Row, Table, Transaction, Values,
    },
    installation::{Installation, InstallationId},
};

/// What a change overwrote.
pub const INSTALLATION_BEFORE: Table = Table {
    name: "installation_before",
    columns: &[
        ("change_id", Column::Big),
        ("installation_id", Column::Big),
        ("image", Column::Text),
    ],
};

/// What an organisation calls an order.
pub type OrderName = (OrganisationId, Option<String>);

/// An order as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// Its row.
    pub order: Installation,
    /// What was ticked off.
    pub checks: Checks,
    /// What those called it who call it something else since.
    pub names: Vec<OrderName>,
}

/// Keeps what a change is about to overwrite; no image of what it opens.
pub async fn write_images(
    transaction: &Transaction,
    change: ChangeId,
    images: &[(InstallationId, Option<&Image>)],
) -> Result<(), DbErr> {
    let rows = images
        .iter()
        .map(|(order, image)| image_values(change, *order, *image))
        .collect::<Result<_, _>>()?;
    INSTALLATION_BEFORE.insert(transaction, rows).await
}

/// The columns of the row of an order that a change overwrites, or opens.
pub fn image_values(
    change: ChangeId,
    order: InstallationId,
    image: Option<&Image>,
) -> Result<Values, DbErr> {
    let image = image.map(serde_json::to_string).transpose();
    let image = image.map_err(|error| DbErr::Json(error.to_string()))?;
    Ok(vec![change.0.into(), order.0.into(), image.into()])
}

/// What a change overwrote: each order as it is now, and as it was.
pub async fn images(
    transaction: &Transaction,
    change: ChangeId,
) -> Result<Vec<(Installation, Option<Image>)>, DbErr> {
    let rows = Query::with(
        format!(
            "SELECT {}, b.image FROM installation_before b JOIN installation i ON i.id = b.installation_id \
             WHERE b.change_id = $1 ORDER BY i.id",
            super::columns()
        ),
        [change.0.into()],
    )
    .all(transaction)
    .await?;
    let mut found = Vec::new();
    for row in &rows {
        let mut row = Row::new(row);
        let order = super::read(&mut row)?;
        let image: Option<String> = row.take()?;
        let image = image.as_deref().map(serde_json::from_str).transpose();
        let image = image.map_err(|error| DbErr::Json(error.to_string()))?;
        found.push((order, image));
    }
    Ok(found)
}

/// What organisations call orders.
pub async fn names_of(
    database: &Database,
    transaction: &Transaction,
    orders: &[InstallationId],
) -> Result<BTreeMap<(InstallationId, OrganisationId), String>, DbErr> {
    let mut query = Query::new(
        "SELECT installation_id, organisation_id, reference FROM installation_reference WHERE installation_id",
    );
    query.bind_ids(database.backend(), orders.iter().map(|id| id.0));
    let rows = query.all(transaction).await?;
    rows.iter()
        .map(|row| {
            let mut row = Row::new(row);
            let key = (InstallationId(row.take()?), row.take()?);
            Ok((key, row.take()?))
        })
        .collect()
}

/// Writes orders in place of what they are, with what is ticked off and what they are called.
///
/// # Errors
/// A unique violation if another order has one of the references by now.
pub async fn replace(
    database: &Database,
    transaction: &Transaction,
    change: ChangeId,
    images: &[Image],
) -> Result<(), DbErr> {
    // Those that end make room for those that open.
    for open in [false, true] {
        let orders: Vec<&Installation> = images
            .iter()
            .map(|image| &image.order)
            .filter(|order| order.status.is_open() == open)
            .collect();
        update(transaction, &orders).await?;
    }
    if images.is_empty() {
        return Ok(());
    }
    let mut query = Query::new("DELETE FROM installation_check WHERE installation_id");
    query.bind_ids(
        database.backend(),
        images.iter().map(|image| image.order.id.0),
    );
    query.execute(transaction).await?;
    let checks = images.iter().flat_map(|image| {
        let row = |(item, day): (&String, &chrono::NaiveDate)| {
            vec![
                image.order.id.0.into(),
                item.as_str().into(),
                (*day).into(),
                change.0.into(),
            ]
        };
        image.checks.iter().map(row)
    });
    INSTALLATION_CHECK
        .insert(transaction, checks.collect())
        .await?;
    let names: Vec<_> = images
        .iter()
        .flat_map(|image| {
            let name = |(organisation, name): &OrderName| (*organisation, name.clone());
            let id = image.order.id;
            image
                .names
                .iter()
                .map(name)
                .map(move |(by, name)| (by, id, name))
        })
        .collect();
    let names: Vec<_> = names
        .iter()
        .map(|(by, id, name)| (*by, *id, name.as_deref()))
        .collect();
    write_references(database, transaction, &names).await
}
