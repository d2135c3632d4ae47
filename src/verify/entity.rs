//! Reading everything in a snapshot: facilities with all that is theirs in ranges of ids, and the
//! differences that the database can find by itself.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};

use crate::{
    db::{
        ChangeId, ConnectionTrait, DatabaseTransaction, DbErr, EventId, Query, Row, Table, Values,
        search::{self, Entry},
    },
    facility::entity::FACILITY,
    figures::entity::{Cube, KNOWN_PERIOD, Series, StoredDelta, read_delta},
    milestone::{
        Action, Aspect, Event,
        entity::{FACILITY_BLOCKER, FACILITY_STATE, MILESTONE_PLAN},
    },
};

/// Facilities read at a time.
const AT_ONCE: i64 = 2_000;

/// Facilities by id: after the first number, up to the second.
#[derive(Clone, Copy, Debug)]
pub struct Range {
    after: i64,
    up_to: i64,
}

/// All rows of one facility. Where there should be one row there may be none.
#[derive(Debug, Default)]
pub struct Stored {
    /// Its row in the registry.
    pub facility: Option<Values>,
    /// Its entry in the search index.
    pub entry: Option<Entry>,
    /// Its codes, and until when each was valid.
    pub codes: Vec<(String, Option<NaiveDate>)>,
    /// Its events in the order of their ids; `None` for one that can't be understood.
    pub events: Vec<Option<(ChangeId, Event)>>,
    /// Its current state.
    pub state: Option<Values>,
    /// Its plans, in the order of milestones.
    pub plans: Vec<Values>,
    /// What holds it up, in the order of the blockers.
    pub blockers: Vec<Values>,
    /// Its periods, in the order in which they were written.
    pub periods: Vec<Values>,
}

impl Range {
    /// The range after this one, or the first. `None` after the last.
    pub async fn next(
        snapshot: &DatabaseTransaction,
        last: Option<Self>,
    ) -> Result<Option<Self>, DbErr> {
        let after = last.map_or(0, |range| range.up_to);
        if after == i64::MAX {
            return Ok(None);
        }
        let end: Option<i64> = Query::with(
            "SELECT max(id) FROM (SELECT id FROM facility WHERE id > $1 ORDER BY id LIMIT $2) AS page",
            [after.into(), AT_ONCE.into()],
        )
        .scalar(snapshot)
        .await?;
        // The last range is open, for rows of facilities that are not there.
        let up_to = end.unwrap_or(i64::MAX);
        Ok(Some(Self { after, up_to }))
    }

    /// Everything in the range.
    pub async fn read(
        self,
        snapshot: &DatabaseTransaction,
    ) -> Result<BTreeMap<i64, Stored>, DbErr> {
        let mut all: BTreeMap<i64, Stored> = BTreeMap::new();
        for row in self.rows(snapshot, &FACILITY, "id", "id").await? {
            let values = FACILITY.read(&mut Row::new(&row))?;
            let id: i64 = Row::new(&row).take()?;
            all.entry(id).or_default().facility = Some(values);
        }
        for (id, entry) in search::entries(snapshot, self.after, self.up_to).await? {
            all.entry(id).or_default().entry = Some(entry);
        }
        for row in self
            .select(
                snapshot,
                "facility_id, code, valid_until FROM facility_code",
                "code",
            )
            .await?
        {
            let mut row = Row::new(&row);
            let id = row.take()?;
            all.entry(id)
                .or_default()
                .codes
                .push((row.take()?, row.take()?));
        }
        let events = "facility_id, id, change_id, aspect, action, effective_on, value, voids_id \
                      FROM facility_event";
        for row in self.select(snapshot, events, "id").await? {
            let mut row = Row::new(&row);
            let id = row.take()?;
            let event = read_event(&mut row)?;
            all.entry(id).or_default().events.push(event);
        }
        for row in self
            .rows(snapshot, &FACILITY_STATE, "facility_id", "facility_id")
            .await?
        {
            let id: i64 = Row::new(&row).take()?;
            all.entry(id).or_default().state = Some(FACILITY_STATE.read(&mut Row::new(&row))?);
        }
        for row in self
            .rows(snapshot, &MILESTONE_PLAN, "facility_id", "milestone")
            .await?
        {
            let id: i64 = Row::new(&row).take()?;
            let plan = MILESTONE_PLAN.read(&mut Row::new(&row))?;
            all.entry(id).or_default().plans.push(plan);
        }
        for row in self
            .rows(snapshot, &FACILITY_BLOCKER, "facility_id", "blocker")
            .await?
        {
            let id: i64 = Row::new(&row).take()?;
            let blocker = FACILITY_BLOCKER.read(&mut Row::new(&row))?;
            all.entry(id).or_default().blockers.push(blocker);
        }
        for row in self
            .rows(snapshot, &KNOWN_PERIOD, "facility_id", "id")
            .await?
        {
            let id: i64 = Row::new(&row).take()?;
            let period = KNOWN_PERIOD.read(&mut Row::new(&row))?;
            all.entry(id).or_default().periods.push(period);
        }
        Ok(all)
    }

    async fn rows(
        self,
        snapshot: &DatabaseTransaction,
        table: &Table,
        key: &str,
        order: &str,
    ) -> Result<Vec<sea_orm::QueryResult>, DbErr> {
        let what = format!("{} FROM {}", table.column_list(), table.name);
        self.select_by(snapshot, &what, key, order).await
    }

    async fn select(
        self,
        snapshot: &DatabaseTransaction,
        what: &str,
        order: &str,
    ) -> Result<Vec<sea_orm::QueryResult>, DbErr> {
        self.select_by(snapshot, what, "facility_id", order).await
    }

    async fn select_by(
        self,
        snapshot: &DatabaseTransaction,
        what: &str,
        key: &str,
        order: &str,
    ) -> Result<Vec<sea_orm::QueryResult>, DbErr> {
        let sql = format!("SELECT {what} WHERE {key} > $1 AND {key} <= $2 ORDER BY {key}, {order}");
        Query::with(sql, [self.after.into(), self.up_to.into()])
            .all(snapshot)
            .await
    }
}

fn read_event(row: &mut Row<'_>) -> Result<Option<(ChangeId, Event)>, DbErr> {
    let (id, change): (EventId, ChangeId) = (row.take()?, row.take()?);
    let (aspect, action): (i16, i16) = (row.take()?, row.take()?);
    let (effective_on, value, voids) = (row.take()?, row.take()?, row.take()?);
    Ok(Aspect::from_code(aspect)
        .zip(Action::from_code(action))
        .map(|(aspect, action)| {
            let event = Event {
                id: Some(id),
                aspect,
                action,
                effective_on,
                value,
                voids,
                note: None,
            };
            (change, event)
        }))
}

/// A row that the database finds to be wrong: its key, what it should be, and what it is.
#[derive(Debug)]
pub struct Wrong {
    /// Which row.
    pub key: String,
    /// What it should be.
    pub expected: String,
    /// What it is.
    pub found: String,
}

/// Deltas that are not what their change did to the periods, at most so many, and how many there are.
pub async fn wrong_deltas(
    snapshot: &DatabaseTransaction,
    most: i64,
) -> Result<(Vec<Wrong>, u64), DbErr> {
    let rows = Query::with(RECOUNT, [most.into()]).all(snapshot).await?;
    let mut count = 0;
    let mut wrong = Vec::new();
    for row in &rows {
        let mut row = Row::new(row);
        count = row.take::<i64>()?;
        wrong.push(Wrong {
            key: row.take()?,
            expected: row.take()?,
            found: row.take()?,
        });
    }
    Ok((wrong, u64::try_from(count).unwrap_or(0)))
}

/// What every change did to the counts by its periods, against its deltas.
const RECOUNT: &str = "
WITH step AS (
    SELECT added_by AS change_id, effective_from AS day, kind, prefecture, vendor_id, chain_id, level, 1 AS sign
        FROM facility_period
    UNION ALL SELECT added_by, effective_until, kind, prefecture, vendor_id, chain_id, level, -1
        FROM facility_period WHERE effective_until < '9999-12-31'
    UNION ALL SELECT removed_by, effective_from, kind, prefecture, vendor_id, chain_id, level, -1
        FROM facility_period WHERE removed_by IS NOT NULL
    UNION ALL SELECT removed_by, effective_until, kind, prefecture, vendor_id, chain_id, level, 1
        FROM facility_period WHERE removed_by IS NOT NULL AND effective_until < '9999-12-31'
), both_sides AS (
    SELECT change_id, day, kind, prefecture, vendor_id, chain_id, sign AS p0,
        CASE WHEN level >= 1 THEN sign ELSE 0 END AS p1, CASE WHEN level >= 2 THEN sign ELSE 0 END AS p2,
        CASE WHEN level >= 3 THEN sign ELSE 0 END AS p3, 0 AS d0, 0 AS d1, 0 AS d2, 0 AS d3
        FROM step
    UNION ALL SELECT change_id, effective_on, kind, prefecture, vendor_id, chain_id, 0, 0, 0, 0,
        open_count, applied_count, ready_count, live_count
        FROM figure_delta
), summed AS (
    SELECT change_id, day, kind, prefecture, vendor_id, chain_id, sum(p0) AS p0, sum(p1) AS p1,
        sum(p2) AS p2, sum(p3) AS p3, sum(d0) AS d0, sum(d1) AS d1, sum(d2) AS d2, sum(d3) AS d3
        FROM both_sides GROUP BY change_id, day, kind, prefecture, vendor_id, chain_id
), wrong AS (
    SELECT * FROM summed WHERE p0 <> d0 OR p1 <> d1 OR p2 <> d2 OR p3 <> d3
)
SELECT (SELECT count(*) FROM wrong), 'change ' || change_id || ' from ' || day || ', kind ' || kind
    || ', prefecture ' || prefecture || ', vendor ' || vendor_id || ', chain ' || chain_id,
    p0 || '/' || p1 || '/' || p2 || '/' || p3, d0 || '/' || d1 || '/' || d2 || '/' || d3
FROM wrong ORDER BY change_id, day, kind, prefecture, vendor_id, chain_id LIMIT $1";

/// A stored total of a series.
pub type StoredTotal = (NaiveDate, Vec<u8>);

/// The stored totals of a series of a cube, by day.
pub async fn totals(
    snapshot: &DatabaseTransaction,
    cube: &Cube,
    series: &Series,
) -> Result<Vec<StoredTotal>, DbErr> {
    let (level, start) = series.block.key();
    let rows = Query::with(
        format!(
            "SELECT effective_on, counts FROM {} WHERE block_level = $1 AND block_start = $2 \
             AND vendor_id = $3 AND chain_id = $4 ORDER BY effective_on",
            cube.totals.name
        ),
        [
            level.into(),
            start.into(),
            series.vendor.into(),
            series.chain.into(),
        ],
    )
    .all(snapshot)
    .await?;
    rows.iter()
        .map(|row| {
            let mut row = Row::new(row);
            Ok((row.take()?, row.take()?))
        })
        .collect()
}

/// The key of a series, and how many totals of a cube are stored of it.
pub async fn series_sizes(
    snapshot: &DatabaseTransaction,
    cube: &Cube,
) -> Result<BTreeMap<(i16, NaiveDate, i64, i64), i64>, DbErr> {
    let rows = Query::new(format!(
        "SELECT block_level, block_start, vendor_id, chain_id, count(*) FROM {} \
         GROUP BY block_level, block_start, vendor_id, chain_id",
        cube.totals.name
    ))
    .all(snapshot)
    .await?;
    rows.iter()
        .map(|row| {
            let mut row = Row::new(row);
            let key = (row.take()?, row.take()?, row.take()?, row.take()?);
            Ok((key, row.take()?))
        })
        .collect()
}

/// How changes are numbered.
#[derive(Debug)]
pub struct Numbering {
    /// Changes that have a number.
    pub numbered: i64,
    /// The last number.
    pub last: i64,
    /// The instant of the last number.
    pub last_at: Option<DateTime<Utc>>,
    /// Numbers whose instant lies before that of the number before.
    pub backwards: i64,
}

/// Reads how changes are numbered.
pub async fn numbering(snapshot: &DatabaseTransaction) -> Result<Numbering, DbErr> {
    let row = Query::new(
        "SELECT count(seq), COALESCE(max(seq), 0), max(settled_at), (SELECT count(*) FROM change one \
         JOIN change next ON next.seq = one.seq + 1 WHERE next.settled_at < one.settled_at) FROM change",
    )
    .one(snapshot)
    .await?
    .ok_or_else(|| DbErr::RecordNotFound("the changes".to_owned()))?;
    let mut row = Row::new(&row);
    Ok(Numbering {
        numbered: row.take()?,
        last: row.take()?,
        last_at: row.take()?,
        backwards: row.take()?,
    })
}

/// Changes that rows of a table name but that are not there.
pub async fn missing_changes(
    connection: &impl ConnectionTrait,
    table: &str,
) -> Result<Vec<i64>, DbErr> {
    let rows = Query::new(format!(
        "SELECT DISTINCT change_id FROM {table} r WHERE NOT EXISTS (SELECT 1 FROM change c \
         WHERE c.id = r.change_id) ORDER BY change_id"
    ))
    .all(connection)
    .await?;
    rows.iter().map(|row| Row::new(row).take()).collect()
}

/// What each change adds to the work, summed up into a number that two sums share only if their deltas are the same, but
/// for accidents: so that a whole history can be held against a recount in a few bytes for each change.
pub async fn work_digests(
    snapshot: &DatabaseTransaction,
    digest: impl Fn(&StoredDelta) -> i64,
) -> Result<BTreeMap<ChangeId, i64>, DbErr> {
    let mut digests: BTreeMap<ChangeId, i64> = BTreeMap::new();
    let mut after = (0_i64, -1_i32);
    loop {
        let page = Query::with(
            format!(
                "SELECT d.change_id, d.ordinal, {} FROM {} d WHERE (d.change_id, d.ordinal) > ($1, $2) \
                 ORDER BY d.change_id, d.ordinal LIMIT 10000",
                Cube::WORK.delta_columns,
                Cube::WORK.deltas.name
            ),
            [after.0.into(), after.1.into()],
        );
        let rows = page.all(snapshot).await?;
        for row in &rows {
            let mut row = Row::new(row);
            after = (row.take()?, row.take()?);
            let sum = digests.entry(ChangeId(after.0)).or_default();
            *sum = sum.wrapping_add(digest(&read_delta(&mut row)?));
        }
        if rows.is_empty() {
            return Ok(digests);
        }
    }
}

/// How many rows of an outcome sheets have by their own count and by ours, where the two differ: sheet, outcome, as
/// counted now, as kept. A sheet that is being forgotten has no counts any more.
pub async fn wrong_sheet_counts(
    snapshot: &DatabaseTransaction,
) -> Result<Vec<(i64, i16, i64, i64)>, DbErr> {
    let rows = Query::new(
        "SELECT sheet_id, outcome, CAST(sum(counted) AS BIGINT), CAST(sum(kept) AS BIGINT) FROM ( \
         SELECT sheet_id, outcome, count(*) AS counted, 0 AS kept FROM sheet_row \
         WHERE sheet_id IN (SELECT sheet_id FROM sheet_count) GROUP BY sheet_id, outcome \
         UNION ALL SELECT sheet_id, outcome, 0, row_count FROM sheet_count) AS both_counts \
         GROUP BY sheet_id, outcome HAVING sum(counted) <> sum(kept) ORDER BY sheet_id, outcome",
    )
    .all(snapshot)
    .await?;
    rows.iter()
        .map(|row| {
            let mut row = Row::new(row);
            Ok((row.take()?, row.take()?, row.take()?, row.take()?))
        })
        .collect()
}
