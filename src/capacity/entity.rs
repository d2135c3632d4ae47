//! The tables `capacity_pledge` and `capacity_answer`. A row counts until another replaces it; none is changed otherwise,
//! so that what was pledged is known of any instant.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, NaiveDate, Utc};

use super::Pledge;
use crate::{
    app::{Month, clock::day_begins},
    auth::{OrganisationKind, OrganisationName, read_name},
    change::Known,
    db::{
        Backend, ChangeId, Column, ConnectionTrait, DbErr, OrganisationId, Query, Row, Table,
        Transaction,
    },
    facility::Prefecture,
    milestone::Blocker,
};

/// What vendors pledge.
pub const CAPACITY_PLEDGE: Table = Table {
    name: "capacity_pledge",
    columns: &[
        ("organisation_id", Column::Big),
        ("month", Column::Date),
        ("prefecture", Column::Code),
        ("installs", Column::Int),
        ("change_id", Column::Big),
        ("replaced_by", Column::Big),
    ],
};

/// What vendors answer to follow-ups.
pub const CAPACITY_ANSWER: Table = Table {
    name: "capacity_answer",
    columns: &[
        ("organisation_id", Column::Big),
        ("month", Column::Date),
        ("team_count", Column::Int),
        ("remark", Column::Text),
        ("change_id", Column::Big),
        ("replaced_by", Column::Big),
    ],
};

/// Appends the condition that a row counts, as it was known.
fn push_in_force(query: &mut Query, known: Known, alias: &str) {
    match known {
        Known::Now => {
            query.push(" AND ").push(alias).push(".replaced_by IS NULL");
        }
        Known::UpTo { seq, .. } => {
            query.push(" AND EXISTS (SELECT 1 FROM change c WHERE c.seq <= ");
            query.bind(seq).push(" AND c.id = ").push(alias);
            query.push(".change_id) AND NOT EXISTS (SELECT 1 FROM change c WHERE c.seq <= ");
            query.bind(seq).push(" AND c.id = ").push(alias);
            query.push(".replaced_by)");
        }
    }
}

/// Whose pledges are summed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PledgeFilter {
    /// Of any of these vendors; `None` for all.
    pub vendors: Option<Vec<OrganisationId>>,
    /// In any of these prefectures; `None` for all.
    pub prefectures: Option<Vec<Prefecture>>,
}

/// How many installations were pledged in each of some months that follow each other, as it was known. Months without a
/// pledge are left out.
pub async fn pledged(
    connection: &impl ConnectionTrait,
    filter: &PledgeFilter,
    (first, last): (Month, Month),
    known: Known,
) -> Result<BTreeMap<Month, i64>, DbErr> {
    let backend = Backend::of(connection);
    let mut query = Query::new(
        "SELECT p.month, CAST(sum(p.installs) AS BIGINT) FROM capacity_pledge p WHERE p.month >= ",
    );
    query.bind(first.first());
    query.push(" AND p.month <= ").bind(last.first());
    if let Some(vendors) = &filter.vendors {
        query.push(" AND p.organisation_id");
        query.bind_ids(backend, vendors.iter().map(|id| id.0));
    }
    if let Some(prefectures) = &filter.prefectures {
        query.push(" AND p.prefecture");
        query.bind_ids(backend, prefectures.iter().map(|one| one.number().into()));
    }
    push_in_force(&mut query, known, "p");
    query.push(" GROUP BY p.month");
    let rows = query.all(connection).await?;
    rows.iter()
        .map(|row| {
            let mut row = Row::new(row);
            Ok((Month::of(row.take()?), row.take()?))
        })
        .collect()
}

/// The same, but as it had been pledged by the time each month began: what was said later is no promise for it.
pub async fn promised(
    connection: &impl ConnectionTrait,
    filter: &PledgeFilter,
    months: &[Month],
    known: Known,
) -> Result<BTreeMap<Month, i64>, DbErr> {
    let backend = Backend::of(connection);
    let mut query = Query::new(
        "SELECT p.month, CAST(sum(p.installs) AS BIGINT) FROM capacity_pledge p \
         JOIN change a ON a.id = p.change_id LEFT JOIN change r ON r.id = p.replaced_by WHERE (FALSE",
    );
    for month in months {
        let begins = day_begins(month.first());
        query.push(" OR p.month = ").bind(month.first());
        query.push(" AND a.recorded_at < ").bind(begins);
        query.push(" AND (r.recorded_at IS NULL OR r.recorded_at >= ");
        query.bind(begins);
        if let Known::UpTo { seq, .. } = known {
            query.push(" OR r.seq IS NULL OR r.seq > ").bind(seq);
        }
        query.push(")");
    }
    query.push(")");
    if let Some(vendors) = &filter.vendors {
        query.push(" AND p.organisation_id");
        query.bind_ids(backend, vendors.iter().map(|id| id.0));
    }
    if let Some(prefectures) = &filter.prefectures {
        query.push(" AND p.prefecture");
        query.bind_ids(backend, prefectures.iter().map(|one| one.number().into()));
    }
    if let Known::UpTo { seq, .. } = known {
        query.push(" AND a.seq <= ").bind(seq);
    }
    query.push(" GROUP BY p.month");
    let rows = query.all(connection).await?;
    rows.iter()
        .map(|row| {
            let mut row = Row::new(row);
            Ok((Month::of(row.take()?), row.take()?))
        })
        .collect()
}

/// How many installations each vendor pledged in a month.
pub async fn pledged_by_vendor(
    connection: &impl ConnectionTrait,
    month: Month,
) -> Result<HashMap<OrganisationId, i64>, DbErr> {
    let mut query = Query::new(
        "SELECT p.organisation_id, CAST(sum(p.installs) AS BIGINT) FROM capacity_pledge p WHERE p.month = ",
    );
    query.bind(month.first());
    push_in_force(&mut query, Known::Now, "p");
    query.push(" GROUP BY p.organisation_id");
    let rows = query.all(connection).await?;
    rows.iter()
        .map(|row| {
            let mut row = Row::new(row);
            Ok((row.take()?, row.take()?))
        })
        .collect()
}

/// The pledges of vendors in months that follow each other, by month and prefecture.
pub async fn pledges(
    connection: &impl ConnectionTrait,
    vendors: &[OrganisationId],
    (first, last): (Month, Month),
) -> Result<HashMap<OrganisationId, Vec<Pledge>>, DbErr> {
    let mut found: HashMap<OrganisationId, Vec<Pledge>> = HashMap::new();
    if vendors.is_empty() {
        return Ok(found);
    }
    let mut query = Query::new(
        "SELECT p.organisation_id, p.month, p.prefecture, p.installs FROM capacity_pledge p WHERE p.organisation_id",
    );
    let backend = Backend::of(connection);
    query.bind_ids(backend, vendors.iter().map(|id| id.0));
    query.push(" AND p.month >= ").bind(first.first());
    query.push(" AND p.month <= ").bind(last.first());
    push_in_force(&mut query, Known::Now, "p");
    query.push(" ORDER BY p.organisation_id, p.month, p.prefecture");
    for row in query.all(connection).await? {
        let mut row = Row::new(&row);
        let vendor = row.take()?;
        let month = Month::of(row.take()?);
        let prefecture: i16 = row.take()?;
        found.entry(vendor).or_default().push(Pledge {
            month,
            prefecture: u8::try_from(prefecture).unwrap_or(0),
            installs: row.take()?,
        });
    }
    Ok(found)
}

/// Pledges in place of what was pledged for these months and prefectures. The organisation is locked.
pub async fn write_pledges(
    transaction: &Transaction,
    vendor: OrganisationId,
    pledges: &[Pledge],
    change: ChangeId,
) -> Result<(), DbErr> {
    let backend = Backend::of(transaction);
    let mut by_month: BTreeMap<Month, Vec<i64>> = BTreeMap::new();
    for pledge in pledges {
        let prefectures = by_month.entry(pledge.month).or_default();
        prefectures.push(pledge.prefecture.into());
    }
    for (month, prefectures) in by_month {
        let mut query = Query::new("UPDATE capacity_pledge SET replaced_by = ");
        query.bind(change.0).push(" WHERE organisation_id = ");
        query
            .bind(vendor.0)
            .push(" AND month = ")
            .bind(month.first());
        query.push(" AND replaced_by IS NULL AND prefecture");
        query.bind_ids(backend, prefectures);
        query.execute(transaction).await?;
    }
    let rows = pledges.iter().map(|pledge| {
        vec![
            vendor.0.into(),
            pledge.month.first().into(),
            i16::from(pledge.prefecture).into(),
            pledge.installs.into(),
            change.0.into(),
            None::<i64>.into(),
        ]
    });
    CAPACITY_PLEDGE.insert(transaction, rows.collect()).await
}

/// What a vendor answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// How many teams it has.
    pub team_count: Option<i32>,
    /// What it says.
    pub remark: String,
    /// When it answered first.
    pub first_at: DateTime<Utc>,
    /// When it said this.
    pub last_at: DateTime<Utc>,
}

/// What vendors answered to the follow-up of a month.
pub async fn answers(
    connection: &impl ConnectionTrait,
    month: Month,
) -> Result<HashMap<OrganisationId, Answer>, DbErr> {
    let query = Query::with(
        "SELECT a.organisation_id, a.team_count, a.remark, (SELECT min(f.recorded_at) FROM capacity_answer e \
         JOIN change f ON f.id = e.change_id WHERE e.organisation_id = a.organisation_id AND e.month = a.month), \
         c.recorded_at FROM capacity_answer a JOIN change c ON c.id = a.change_id \
         WHERE a.month = $1 AND a.replaced_by IS NULL",
        [month.first().into()],
    );
    let rows = query.all(connection).await?;
    rows.iter()
        .map(|row| {
            let mut row = Row::new(row);
            let vendor = row.take()?;
            let answer = Answer {
                team_count: row.take()?,
                remark: row.take()?,
                first_at: row.take()?,
                last_at: row.take()?,
            };
            Ok((vendor, answer))
        })
        .collect()
}

/// Answers in place of what was answered. The organisation is locked.
pub async fn write_answer(
    transaction: &Transaction,
    vendor: OrganisationId,
    month: Month,
    (team_count, remark): (Option<i32>, &str),
    change: ChangeId,
) -> Result<(), DbErr> {
    let key: (i64, NaiveDate) = (vendor.0, month.first());
    Query::with(
        "UPDATE capacity_answer SET replaced_by = $3 WHERE organisation_id = $1 AND month = $2 AND replaced_by IS NULL",
        [key.0.into(), key.1.into(), change.0.into()],
    )
    .execute(transaction)
    .await?;
    let row = vec![
        key.0.into(),
        key.1.into(),
        team_count.into(),
        remark.into(),
        change.0.into(),
        None::<i64>.into(),
    ];
    CAPACITY_ANSWER.insert(transaction, vec![row]).await
}

/// How many open facilities of each vendor each blocker holds up.
pub async fn held_up(
    connection: &impl ConnectionTrait,
    vendors: &[OrganisationId],
    today: NaiveDate,
) -> Result<HashMap<OrganisationId, BTreeMap<Blocker, i64>>, DbErr> {
    let mut found: HashMap<OrganisationId, BTreeMap<Blocker, i64>> = HashMap::new();
    if vendors.is_empty() {
        return Ok(found);
    }
    let mut query = Query::new(
        "SELECT s.vendor_id, b.blocker, count(*) FROM facility_blocker b \
         JOIN facility_state s ON s.facility_id = b.facility_id WHERE s.vendor_id",
    );
    let backend = Backend::of(connection);
    query.bind_ids(backend, vendors.iter().map(|id| id.0));
    query.push(" AND (s.closed_on IS NULL OR s.closed_on > ");
    query.bind(today).push(") GROUP BY s.vendor_id, b.blocker");
    for row in query.all(connection).await? {
        let mut row = Row::new(&row);
        let vendor: OrganisationId = row.take()?;
        let code: i16 = row.take()?;
        if let Some(blocker) = Blocker::from_code(code) {
            found
                .entry(vendor)
                .or_default()
                .insert(blocker, row.take()?);
        }
    }
    Ok(found)
}

/// A vendor or chain, by its kind and name.
pub async fn reporter(
    connection: &impl ConnectionTrait,
    id: OrganisationId,
) -> Result<Option<(OrganisationKind, OrganisationName)>, DbErr> {
    let query = Query::with(
        "SELECT kind, id, name FROM organisation WHERE id = $1 AND kind IN ($2, $3)",
        [
            id.0.into(),
            OrganisationKind::Vendor.code().into(),
            OrganisationKind::Chain.code().into(),
        ],
    );
    let Some(row) = query.one(connection).await? else {
        return Ok(None);
    };
    let mut row = Row::new(&row);
    let code: i16 = row.take()?;
    let kind = OrganisationKind::from_code(code);
    Ok(kind.zip(read_name(&mut row)?))
}
