//! Queries over sheets.

use std::collections::HashMap;

use async_graphql::{Context, ID, Lookahead, Object, SimpleObject, connection::Edge};

use super::types::{Sheet, SheetConnection, SheetCounts, SheetField, SheetRow, SheetRowConnection};
use crate::{
    api::{
        ApiResult, NodeId, PageArguments,
        context::{caller, services},
        node_id::NodeKind,
        page::{Fingerprint, bad_cursor, row_of_cursor},
    },
    auth::Permission,
    db::FacilityId,
    facility::graphql::{Selected, facilities_by_id},
    milestone::Milestone,
    sheet::{
        SheetId, SheetRowOutcome,
        entity::{self, RowQuery},
    },
};

/// A column as it is saved.
#[derive(Clone, Debug, SimpleObject)]
pub struct SavedSheetColumn {
    /// The heading by which it is known.
    heading: String,
    /// What it holds.
    field: SheetField,
    /// Of which milestone.
    milestone: Option<Milestone>,
}

/// Columns that an organisation has saved under a name, for files that look alike.
#[derive(Clone, Debug, SimpleObject)]
pub struct SheetMapping {
    /// The name.
    name: String,
    /// The columns that hold something.
    columns: Vec<SavedSheetColumn>,
}

/// Queries over sheets.
#[derive(Default)]
pub struct SheetQuery;

#[Object]
impl SheetQuery {
    /// The sheets that you or others in your organisations have sent, the latest first.
    async fn sheets(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "How many, from `after`; 1 to 100, required.")] first: Option<i32>,
        #[graphql(desc = "The cursor after which to begin.")] after: Option<String>,
    ) -> ApiResult<SheetConnection> {
        let fingerprint = Fingerprint::of(&"sheets");
        let page = PageArguments {
            after,
            first,
            ..PageArguments::default()
        }
        .check(&fingerprint)?;
        let before = page.from.as_deref().map(row_of_cursor).transpose()?;
        let actor = &caller(context)?.actor;
        let most = u64::try_from(page.size).unwrap_or(0) + 1;
        let mut rows = entity::list(&services(context)?.database, actor, before, most).await?;
        let more = rows.len() > page.size;
        rows.truncate(page.size);
        let ahead = context.look_ahead();
        let counted =
            is_counted(&ahead.field("nodes")) || is_counted(&ahead.field("edges").field("node"));
        let cursors: Vec<String> = rows
            .iter()
            .map(|row| fingerprint.cursor(&[row.id.0.to_string()]))
            .collect();
        let sheets = complete(context, rows, counted).await?;
        let mut connection = SheetConnection::new(before.is_some(), more);
        connection.edges = cursors
            .into_iter()
            .zip(sheets)
            .map(|(cursor, (_, sheet))| Edge::new(cursor, sheet))
            .collect();
        Ok(connection)
    }

    /// The rows of a sheet that there is something to tell of, in their order: what they would change, or did, and why
    /// they are refused. Rows of which everything is there already are not among them. Empty if there is no such sheet.
    async fn sheet_rows(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Global id of the sheet.")] sheet_id: ID,
        #[graphql(desc = "Any of these; all if none is given.", default)] outcomes: Vec<
            SheetRowOutcome,
        >,
        #[graphql(desc = "How many, from `after`; 1 to 100, required.")] first: Option<i32>,
        #[graphql(desc = "The cursor after which to begin.")] after: Option<String>,
    ) -> ApiResult<SheetRowConnection> {
        let fingerprint = Fingerprint::of(&("sheetRows", &sheet_id, &outcomes));
        let page = PageArguments {
            after,
            first,
            ..PageArguments::default()
        }
        .check(&fingerprint)?;
        let after = page.from.as_deref().map(row_of_cursor).transpose()?;
        let list = RowQuery {
            outcomes,
            after: after
                .map(|number| i32::try_from(number).map_err(|_| bad_cursor()))
                .transpose()?,
        };
        let Some(id) = found(context, &sheet_id).await? else {
            return Ok(SheetRowConnection::new(false, false));
        };
        let most = u64::try_from(page.size).unwrap_or(0) + 1;
        let database = &services(context)?.database;
        let mut rows = entity::list_rows(database, id, &list, most).await?;
        let more = rows.len() > page.size;
        rows.truncate(page.size);
        let mut connection = SheetRowConnection::new(after.is_some(), more);
        let told = complete_rows(context, rows).await?;
        connection.edges = told
            .into_iter()
            .map(|(number, row)| Edge::new(fingerprint.cursor(&[number.to_string()]), row))
            .collect();
        Ok(connection)
    }

    /// The columns that your organisations have saved, by their names.
    async fn sheet_mappings(&self, context: &Context<'_>) -> ApiResult<Vec<SheetMapping>> {
        let organisations = caller(context)?
            .actor
            .organisations_with(Permission::FacilityRead);
        let database = &services(context)?.database;
        let saved = entity::mappings(database.read(), &organisations).await?;
        let column = |(heading, field)| {
            let (field, milestone) = SheetField::of(field);
            SavedSheetColumn {
                heading,
                field,
                milestone,
            }
        };
        Ok(saved
            .into_iter()
            .map(|(name, columns)| SheetMapping {
                name,
                columns: columns.into_iter().map(column).collect(),
            })
            .collect())
    }
}

/// The sheet of a global id, if the caller can see it.
async fn found(context: &Context<'_>, id: &ID) -> ApiResult<Option<SheetId>> {
    let Some(row) = NodeId::row_of(id, NodeKind::Sheet) else {
        return Ok(None);
    };
    let database = &services(context)?.database;
    let actor = &caller(context)?.actor;
    let found = entity::find(database, database.read(), actor, &[row]).await?;
    Ok(found.first().map(|sheet| sheet.id))
}

fn is_counted(sheet: &Lookahead<'_>) -> bool {
    sheet.field("counts").exists()
}

async fn complete(
    context: &Context<'_>,
    rows: Vec<entity::Sheet>,
    counted: bool,
) -> ApiResult<Vec<(i64, Sheet)>> {
    let database = &services(context)?.database;
    let language = caller(context)?.actor.language;
    let ids: Vec<i64> = rows.iter().map(|row| row.id.0).collect();
    let counts = if counted && !ids.is_empty() {
        entity::counts(database, database.read(), &ids).await?
    } else {
        HashMap::new()
    };
    Ok(rows
        .into_iter()
        .map(|row| {
            let id = row.id.0;
            let counts = SheetCounts::of(&row, counts.get(&id));
            (id, Sheet::of(row, counts, language))
        })
        .collect())
}

async fn complete_rows(
    context: &Context<'_>,
    rows: Vec<entity::SheetRow>,
) -> ApiResult<Vec<(i32, SheetRow)>> {
    let actor = &caller(context)?.actor;
    let ahead = context.look_ahead();
    let mut selected = Selected::of(&ahead.field("nodes").field("facility"));
    selected.merge(Selected::of(
        &ahead.field("edges").field("node").field("facility"),
    ));
    let mut ids: Vec<FacilityId> = rows.iter().filter_map(|row| row.facility).collect();
    ids.sort_unstable();
    ids.dedup();
    let facilities = if ids.is_empty() {
        HashMap::new()
    } else {
        facilities_by_id(services(context)?, actor, &ids, selected).await?
    };
    Ok(rows
        .into_iter()
        .map(|row| {
            let facility = row.facility.and_then(|id| facilities.get(&id).cloned());
            (row.number, SheetRow::of(row, facility, actor.language))
        })
        .collect())
}

/// Those of some sheets that the caller can see, by their rows.
pub async fn sheets_by_id(context: &Context<'_>, ids: &[i64]) -> ApiResult<HashMap<i64, Sheet>> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let database = &services(context)?.database;
    let actor = &caller(context)?.actor;
    let rows = entity::find(database, database.write(), actor, ids).await?;
    Ok(complete(context, rows, true).await?.into_iter().collect())
}
