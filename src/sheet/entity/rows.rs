//! The table `sheet_row`: what rows of sheets would do, or did.

use std::collections::{BTreeMap, HashMap};

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

/// Counts rows of outcomes that there are more or fewer of.
async fn count(
    transaction: &Transaction,
    sheet: SheetId,
    more: &BTreeMap<i16, i32>,
) -> Result<(), DbErr> {
    let mut query = Query::new("INSERT INTO sheet_count (sheet_id, outcome, row_count) VALUES ");
    let changed = more.iter().filter(|(_, more)| **more != 0);
    for (position, (outcome, more)) in changed.enumerate() {
        query.push(if position > 0 { ", (" } else { "(" });
        query.bind(sheet.0).push(", ").bind(*outcome);
        query.push(", ").bind(*more).push(")");
    }
    if query.bound() == 0 {
        return Ok(());
    }
    query.push(
        " ON CONFLICT (sheet_id, outcome) DO UPDATE SET row_count = sheet_count.row_count + excluded.row_count",
    );
    query.execute(transaction).await?;
    Ok(())
}

/// Keeps rows that were looked at.
pub async fn insert_rows(
    transaction: &Transaction,
    sheet: SheetId,
    rows: &[SheetRow],
) -> Result<(), DbErr> {
    let mut more = BTreeMap::new();
    for row in rows {
        *more.entry(row.outcome.code()).or_default() += 1;
    }
    count(transaction, sheet, &more).await?;
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
    for table in ["sheet_row", "sheet_count"] {
        let delete = format!("DELETE FROM {table} WHERE sheet_id = $1");
        let delete = Query::with(delete, [sheet.0.into()]);
        delete.execute(transaction).await?;
    }
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

/// Keeps what became of rows that had an outcome before: of all that did between the first and the last of them. Of those
/// that were written as they were shown, or taken back, nothing else changes: they are kept in one statement, which goes
/// along the index from one to the other, whatever the database believes of the table.
pub async fn store_outcomes(
    transaction: &Transaction,
    sheet: SheetId,
    from: SheetRowOutcome,
    rows: &[SheetRow],
) -> Result<(), DbErr> {
    let mut more = BTreeMap::new();
    let mut as_shown = BTreeMap::new();
    for row in rows {
        *more.entry(from.code()).or_default() -= 1;
        *more.entry(row.outcome.code()).or_default() += 1;
        let change = row.change.map(|id| id.0);
        if matches!(
            row.outcome,
            SheetRowOutcome::Changed | SheetRowOutcome::Undone
        ) {
            let (first, last) = as_shown
                .entry((row.outcome.code(), change))
                .or_insert((row.number, row.number));
            *first = row.number.min(*first);
            *last = row.number.max(*last);
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
    for ((outcome, change), (first, last)) in as_shown {
        // What is taken back is of one change; what is written has none yet.
        let of_change = match from {
            SheetRowOutcome::Changed => "change_id = $4",
            _ => "change_id IS NULL",
        };
        Query::with(
            format!(
                "UPDATE sheet_row SET outcome = $3, change_id = $4 WHERE sheet_id = $1 AND outcome = $2 \
                 AND number BETWEEN $5 AND $6 AND {of_change}"
            ),
            [
                sheet.0.into(),
                from.code().into(),
                outcome.into(),
                change.into(),
                first.into(),
                last.into(),
            ],
        )
        .execute(transaction)
        .await?;
    }
    count(transaction, sheet, &more).await
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
    let mut query = Query::new(
        "SELECT sheet_id, outcome, row_count FROM sheet_count WHERE row_count <> 0 AND sheet_id",
    );
    query.bind_ids(database.backend(), sheets.iter().copied());
    let mut counts: HashMap<i64, HashMap<SheetRowOutcome, i64>> = HashMap::new();
    for row in query.all(connection).await? {
        let mut row = Row::new(&row);
        let (sheet, outcome): (i64, i16) = (row.take()?, row.take()?);
        if let Some(outcome) = SheetRowOutcome::from_code(outcome) {
            let count: i32 = row.take()?;
            let of_sheet = counts.entry(sheet).or_default();
            of_sheet.insert(outcome, count.into());
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
