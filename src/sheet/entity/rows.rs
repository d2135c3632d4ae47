//! The table `sheet_row`: what rows of sheets would do, or did.

use std::collections::HashMap;

use super::{from_json, to_json};
use crate::{
    db::{
        ChangeId, Column, ConnectionTrait, Database, DbErr, FacilityId, Query, Row, Table,
        Transaction,
    },
    milestone::Problem,
    sheet::{Detail, RowProblem, SheetId, SheetRowOutcome},
};

/// Rows as they are inserted.
const SHEET_ROW: Table = Table {
    name: "sheet_row",
    columns: &[
        ("sheet_id", Column::Big),
        ("number", Column::Int),
        ("facility_id", Column::Big),
        ("outcome", Column::Code),
        ("change_id", Column::Big),
        ("detail", Column::Text),
    ],
};

/// A row of a sheet that there is something to tell of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SheetRow {
    /// Its number, as a spreadsheet program shows it.
    pub number: i32,
    /// Its facility, if it names one that whoever checked it could see.
    pub facility: Option<FacilityId>,
    /// What it would do, or did.
    pub outcome: SheetRowOutcome,
    /// The change that wrote it.
    pub change: Option<ChangeId>,
    /// The rest.
    pub detail: Detail,
}

impl SheetRow {
    /// Leaves out what is known of a facility that its reader can't see any more.
    pub fn hide(&mut self) {
        self.facility = None;
        self.detail.identified = None;
        self.detail.wishes.clear();
        self.detail.before.clear();
        self.detail.problems = vec![RowProblem::of(Problem::NotFound)];
    }
}

const COLUMNS: &str = "number, facility_id, outcome, change_id, detail";

fn read(row: &mut Row<'_>) -> Result<SheetRow, DbErr> {
    let (number, facility): (i32, Option<FacilityId>) = (row.take()?, row.take()?);
    let outcome: i16 = row.take()?;
    Ok(SheetRow {
        number,
        facility,
        outcome: SheetRowOutcome::from_code(outcome)
            .ok_or_else(|| DbErr::Type(format!("{outcome} is no outcome of a row")))?,
        change: row.take()?,
        detail: from_json(&row.take::<String>()?)?,
    })
}

/// Keeps rows that were looked at.
pub async fn insert_rows(
    transaction: &Transaction,
    sheet: SheetId,
    rows: &[SheetRow],
) -> Result<(), DbErr> {
    let values: Result<Vec<_>, DbErr> = rows
        .iter()
        .map(|row| {
            Ok(vec![
                sheet.0.into(),
                row.number.into(),
                row.facility.map(|id| id.0).into(),
                row.outcome.code().into(),
                row.change.map(|id| id.0).into(),
                to_json(&row.detail)?.into(),
            ])
        })
        .collect();
    SHEET_ROW.insert(transaction, values?).await
}

/// Removes all rows of a sheet, as before it is checked anew. A check leaves no more of them than a file may have.
pub async fn discard_rows(transaction: &Transaction, sheet: SheetId) -> Result<(), DbErr> {
    Query::with(
        "DELETE FROM sheet_row WHERE sheet_id = $1",
        [sheet.0.into()],
    )
    .execute(transaction)
    .await?;
    Ok(())
}

/// The next rows that are to be written.
pub async fn pending(
    connection: &impl ConnectionTrait,
    sheet: SheetId,
    most: usize,
) -> Result<Vec<SheetRow>, DbErr> {
    let rows = Query::with(
        format!(
            "SELECT {COLUMNS} FROM sheet_row WHERE sheet_id = $1 AND outcome = $2 ORDER BY number LIMIT $3"
        ),
        [
            sheet.0.into(),
            SheetRowOutcome::WillChange.code().into(),
            i64::try_from(most).unwrap_or(i64::MAX).into(),
        ],
    )
    .all(connection)
    .await?;
    rows.iter().map(|row| read(&mut Row::new(row))).collect()
}

/// Keeps what became of rows. Of those that were written as they were shown, or taken back, nothing else changes: they
/// are kept in one statement.
pub async fn store_outcomes(
    database: &Database,
    transaction: &Transaction,
    sheet: SheetId,
    rows: &[SheetRow],
) -> Result<(), DbErr> {
    let mut as_shown: HashMap<(i16, Option<i64>), Vec<i64>> = HashMap::new();
    for row in rows {
        let change = row.change.map(|id| id.0);
        if matches!(
            row.outcome,
            SheetRowOutcome::Changed | SheetRowOutcome::Undone
        ) {
            let key = (row.outcome.code(), change);
            as_shown.entry(key).or_default().push(row.number.into());
            continue;
        }
        Query::with(
            "UPDATE sheet_row SET outcome = $3, change_id = $4, detail = $5 WHERE sheet_id = $1 AND number = $2",
            [
                sheet.0.into(),
                row.number.into(),
                row.outcome.code().into(),
                change.into(),
                to_json(&row.detail)?.into(),
            ],
        )
        .execute(transaction)
        .await?;
    }
    for ((outcome, change), numbers) in as_shown {
        let mut query = Query::new("UPDATE sheet_row SET outcome = ");
        query.bind(outcome).push(", change_id = ").bind(change);
        query.push(" WHERE sheet_id = ").bind(sheet.0);
        query.push(" AND number");
        query.bind_ids(database.backend(), numbers);
        query.execute(transaction).await?;
    }
    Ok(())
}

/// The last change of a sheet that was not looked at for taking it back yet, with the rows that it wrote.
pub async fn written_last(
    connection: &impl ConnectionTrait,
    sheet: SheetId,
) -> Result<Option<(ChangeId, Vec<SheetRow>)>, DbErr> {
    let changed = SheetRowOutcome::Changed.code();
    let last: Option<ChangeId> = Query::with(
        "SELECT max(change_id) FROM sheet_row WHERE sheet_id = $1 AND outcome = $2",
        [sheet.0.into(), changed.into()],
    )
    .scalar(connection)
    .await?;
    let Some(change) = last else {
        return Ok(None);
    };
    let rows = Query::with(
        format!(
            "SELECT {COLUMNS} FROM sheet_row WHERE sheet_id = $1 AND outcome = $2 AND change_id = $3 ORDER BY number"
        ),
        [sheet.0.into(), changed.into(), change.0.into()],
    )
    .all(connection)
    .await?;
    let rows: Result<Vec<SheetRow>, DbErr> =
        rows.iter().map(|row| read(&mut Row::new(row))).collect();
    Ok(Some((change, rows?)))
}

/// How many rows of each outcome there are, of some sheets. Rows that there is nothing to tell of are not among them.
pub async fn counts(
    database: &Database,
    connection: &impl ConnectionTrait,
    sheets: &[i64],
) -> Result<HashMap<i64, HashMap<SheetRowOutcome, i64>>, DbErr> {
    let mut query = Query::new("SELECT sheet_id, outcome, count(*) FROM sheet_row WHERE sheet_id");
    query
        .bind_ids(database.backend(), sheets.iter().copied())
        .push(" GROUP BY sheet_id, outcome");
    let mut counts: HashMap<i64, HashMap<SheetRowOutcome, i64>> = HashMap::new();
    for row in query.all(connection).await? {
        let mut row = Row::new(&row);
        let (sheet, outcome): (i64, i16) = (row.take()?, row.take()?);
        if let Some(outcome) = SheetRowOutcome::from_code(outcome) {
            counts
                .entry(sheet)
                .or_default()
                .insert(outcome, row.take()?);
        }
    }
    Ok(counts)
}

/// Which rows of a sheet a list holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowQuery {
    /// Any of these; all that there is something to tell of if there is none.
    pub outcomes: Vec<SheetRowOutcome>,
    /// After this number.
    pub after: Option<i32>,
}

/// A page of the rows of a sheet that the caller has found for its reader.
pub async fn list_rows(
    database: &Database,
    sheet: SheetId,
    list: &RowQuery,
    most: u64,
) -> Result<Vec<SheetRow>, DbErr> {
    let mut query = Query::new(format!("SELECT {COLUMNS} FROM sheet_row WHERE sheet_id = "));
    query.bind(sheet.0);
    query.and_any("outcome", list.outcomes.iter().map(|one| one.code()));
    if let Some(after) = list.after {
        query.push(" AND number > ").bind(after);
    }
    query.push(" ORDER BY number LIMIT ");
    query.bind(i64::try_from(most).unwrap_or(i64::MAX));
    let rows = query.all(database.read()).await?;
    rows.iter().map(|row| read(&mut Row::new(row))).collect()
}

/// The rows of a sheet between two numbers, both included, by number.
pub async fn rows_between(
    database: &Database,
    sheet: SheetId,
    first: i32,
    last: i32,
) -> Result<HashMap<i32, SheetRow>, DbErr> {
    let rows = Query::with(
        format!("SELECT {COLUMNS} FROM sheet_row WHERE sheet_id = $1 AND number BETWEEN $2 AND $3"),
        [sheet.0.into(), first.into(), last.into()],
    )
    .all(database.read())
    .await?;
    rows.iter()
        .map(|row| {
            let row = read(&mut Row::new(row))?;
            Ok((row.number, row))
        })
        .collect()
}
