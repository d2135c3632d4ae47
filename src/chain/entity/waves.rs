//! The tables `wave` and `wave_store`. A store's row counts until another replaces it; none is changed otherwise, so that
//! what was planned is known of any change.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, NaiveDate, Utc};

use crate::{
    auth::{Actor, OrganisationName, Permission, Scope, entity::push_scope, read_name},
    chain::{WaveId, WaveStoreState},
    db::{
        Backend, ChangeId, Column, ConnectionTrait, Database, DbErr, FacilityId, OrganisationId,
        Query, Row, Table, Transaction,
    },
    milestone::Milestone,
};

/// Waves.
pub const WAVE: Table = Table {
    name: "wave",
    columns: &[
        ("id", Column::Big),
        ("organisation_id", Column::Big),
        ("name", Column::Text),
        ("milestone", Column::Code),
        ("version", Column::Int),
        ("change_id", Column::Big),
        ("removed_by", Column::Big),
    ],
};

/// Their stores.
pub const WAVE_STORE: Table = Table {
    name: "wave_store",
    columns: &[
        ("id", Column::Big),
        ("wave_id", Column::Big),
        ("facility_id", Column::Big),
        ("planned_on", Column::Date),
        ("change_id", Column::Big),
        ("replaced_by", Column::Big),
    ],
};

/// As [`WAVE_STORE`], for rows whose ids the database gives.
const NEW_WAVE_STORE: Table = Table {
    name: WAVE_STORE.name,
    columns: &[
        ("wave_id", Column::Big),
        ("facility_id", Column::Big),
        ("planned_on", Column::Date),
        ("change_id", Column::Big),
    ],
};

/// A wave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaveRow {
    /// Its row.
    pub id: WaveId,
    /// The chain whose it is.
    pub chain: OrganisationName,
    /// Its name.
    pub name: String,
    /// What is planned of its stores.
    pub milestone: Milestone,
    /// Counts up with every change of its name.
    pub version: i32,
}

/// Which waves.
#[derive(Clone, Copy, Debug)]
pub enum Which<'a> {
    /// With these rows.
    Ids(&'a [i64]),
    /// A page: of a chain or of all, after one.
    Page {
        /// Of this chain alone.
        chain: Option<OrganisationId>,
        /// After this row.
        after: Option<i64>,
        /// At most so many.
        most: i64,
    },
}

/// When a milestone was reached. Whoever is ready is installed, whether that was told or not.
fn reached(milestone: Milestone) -> String {
    let column = milestone.column();
    match milestone {
        Milestone::Installed => format!("COALESCE(s.{column}, s.{})", Milestone::Ready.column()),
        _ => format!("s.{column}"),
    }
}

/// Appends when the milestone of a wave was reached.
fn push_reached(query: &mut Query) {
    query.push("CASE w.milestone");
    for milestone in Milestone::ALL {
        let reached = reached(milestone);
        query.push(&format!(" WHEN {} THEN {reached}", milestone.code()));
    }
    query.push(" END");
}

/// Appends the stores of waves that the actor sees: those that are still stores of the chain, open on a day, and within
/// reach.
fn push_stores(query: &mut Query, scope: &Scope, on: NaiveDate) {
    query.push(
        " JOIN wave_store r ON r.wave_id = w.id AND r.replaced_by IS NULL AND r.planned_on IS NOT NULL \
         JOIN facility_state s ON s.facility_id = r.facility_id AND s.chain_id = w.organisation_id \
         AND (s.closed_on IS NULL OR s.closed_on > ",
    );
    query.bind(on).push(") AND ");
    push_scope(query, scope, "s");
}

/// Waves within sight, in the order in which they were made: those of one's own chains, and those that have stores within
/// reach.
pub async fn waves(
    connection: &impl ConnectionTrait,
    actor: &Actor,
    which: Which<'_>,
) -> Result<Vec<WaveRow>, DbErr> {
    let backend = Backend::of(connection);
    let scope = actor.scope(Permission::FacilityRead);
    let own = actor.organisations_with(Permission::FacilityRead);
    let mut query = Query::new(
        "SELECT w.id, w.name, w.milestone, w.version, o.id, o.name FROM wave w \
         JOIN organisation o ON o.id = w.organisation_id WHERE w.removed_by IS NULL AND (",
    );
    if scope == Scope::All {
        query.push("TRUE");
    } else {
        query.push("w.organisation_id");
        query.bind_ids(backend, own.iter().map(|id| id.0));
        query.push(
            " OR EXISTS (SELECT 1 FROM wave_store r JOIN facility_state s ON s.facility_id = r.facility_id \
             AND s.chain_id = w.organisation_id WHERE r.wave_id = w.id AND r.replaced_by IS NULL \
             AND r.planned_on IS NOT NULL AND ",
        );
        push_scope(&mut query, &scope, "s");
        query.push(")");
    }
    query.push(")");
    match which {
        Which::Ids(ids) => {
            query.push(" AND w.id");
            query.bind_ids(backend, ids.iter().copied());
            query.push(" ORDER BY w.id");
        }
        Which::Page { chain, after, most } => {
            if let Some(chain) = chain {
                query.push(" AND w.organisation_id = ").bind(chain.0);
            }
            if let Some(after) = after {
                query.push(" AND w.id > ").bind(after);
            }
            query.push(" ORDER BY w.id LIMIT ").bind(most);
        }
    }
    let rows = query.all(connection).await?;
    rows.iter()
        .map(|row| {
            let mut row = Row::new(row);
            let id = row.take()?;
            let name = row.take()?;
            let code: i16 = row.take()?;
            let milestone = Milestone::from_code(code)
                .ok_or_else(|| DbErr::Type(format!("{code} is no milestone")))?;
            let version = row.take()?;
            let chain = read_name(&mut row)?.ok_or_else(|| DbErr::Type("no chain".to_owned()))?;
            Ok(WaveRow {
                id: WaveId(id),
                chain,
                name,
                milestone,
                version,
            })
        })
        .collect()
}

/// How far a wave is, by the stores within reach.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Its stores.
    pub stores: i64,
    /// Planned for the day asked for, or earlier.
    pub due: i64,
    /// Done by then.
    pub done: i64,
    /// Of these, by the planned day.
    pub done_on_time: i64,
    /// Planned for an earlier day and not done.
    pub overdue: i64,
    /// Not done, and promised for a later day by now than that of the wave.
    pub moved: i64,
    /// Not done, and something holds them up today.
    pub blocked: i64,
}

/// How far waves are on a day, as that is known now.
pub async fn counts(
    connection: &impl ConnectionTrait,
    scope: &Scope,
    waves: &[i64],
    as_of: NaiveDate,
) -> Result<HashMap<WaveId, Counts>, DbErr> {
    let mut query = Query::new("SELECT t.wave_id, count(*)");
    for condition in ["t.planned_on <= ", "t.reached_on <= "] {
        query.push(", count(CASE WHEN ").push(condition);
        query.bind(as_of).push(" THEN 1 END)");
    }
    query.push(", count(CASE WHEN t.reached_on <= t.planned_on AND t.reached_on <= ");
    query.bind(as_of).push(" THEN 1 END)");
    query.push(", count(CASE WHEN t.planned_on < ").bind(as_of);
    query.push(" AND COALESCE(t.reached_on > ").bind(as_of);
    query.push(", TRUE) THEN 1 END)");
    for condition in ["t.promised_on > t.planned_on", "t.is_blocked"] {
        query.push(", count(CASE WHEN ").push(condition);
        query.push(" AND COALESCE(t.reached_on > ").bind(as_of);
        query.push(", TRUE) THEN 1 END)");
    }
    query.push(" FROM (SELECT w.id AS wave_id, r.planned_on, p.planned_on AS promised_on, ");
    push_reached(&mut query);
    query.push(
        " AS reached_on, EXISTS (SELECT 1 FROM facility_blocker b WHERE b.facility_id = s.facility_id) AS is_blocked \
         FROM wave w",
    );
    push_stores(&mut query, scope, as_of);
    query.push(
        " LEFT JOIN milestone_plan p ON p.facility_id = s.facility_id AND p.milestone = w.milestone WHERE w.id",
    );
    query.bind_ids(Backend::of(connection), waves.iter().copied());
    query.push(") AS t GROUP BY t.wave_id");
    let rows = query.all(connection).await?;
    rows.iter()
        .map(|row| {
            let mut row = Row::new(row);
            let wave = WaveId(row.take()?);
            let counts = Counts {
                stores: row.take()?,
                due: row.take()?,
                done: row.take()?,
                done_on_time: row.take()?,
                overdue: row.take()?,
                moved: row.take()?,
                blocked: row.take()?,
            };
            Ok((wave, counts))
        })
        .collect()
}

/// How many stores of a wave were planned for a day, and how many were done on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DayCounts {
    /// Planned.
    pub planned: i64,
    /// Done.
    pub done: i64,
}

/// Plan and progress of a wave day by day, up to a day, as that is known now; days on which nothing was planned or done
/// are left out.
pub async fn days(
    connection: &impl ConnectionTrait,
    scope: &Scope,
    wave: WaveId,
    as_of: NaiveDate,
) -> Result<BTreeMap<NaiveDate, DayCounts>, DbErr> {
    let mut query = Query::new("SELECT r.planned_on, ");
    push_reached(&mut query);
    query.push(" FROM wave w");
    push_stores(&mut query, scope, as_of);
    query.push(" WHERE w.id = ").bind(wave.0);
    let mut days: BTreeMap<NaiveDate, DayCounts> = BTreeMap::new();
    for row in query.all(connection).await? {
        let mut row = Row::new(&row);
        let planned_on: NaiveDate = row.take()?;
        let reached_on: Option<NaiveDate> = row.take()?;
        days.entry(planned_on).or_default().planned += 1;
        if let Some(day) = reached_on.filter(|day| *day <= as_of) {
            days.entry(day).or_default().done += 1;
        }
    }
    Ok(days)
}

/// A store in a wave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreRow {
    /// The store.
    pub facility: FacilityId,
    /// For which day the wave has it.
    pub planned_on: NaiveDate,
    /// For which day it is promised by now.
    pub promised_on: Option<NaiveDate>,
    /// When it was done.
    pub reached_on: Option<NaiveDate>,
}

/// Where a page of stores begins: after this day and facility.
pub type StoreCursor = (NaiveDate, i64);

/// Some of a wave's stores within reach, by their days.
pub async fn stores(
    connection: &impl ConnectionTrait,
    scope: &Scope,
    wave: WaveId,
    only: &[WaveStoreState],
    today: NaiveDate,
    after: Option<StoreCursor>,
    most: i64,
) -> Result<Vec<StoreRow>, DbErr> {
    let mut query = Query::new(
        "SELECT t.facility_id, t.planned_on, t.promised_on, t.reached_on FROM (SELECT s.facility_id, r.planned_on, \
         p.planned_on AS promised_on, ",
    );
    push_reached(&mut query);
    query.push(" AS reached_on FROM wave w");
    push_stores(&mut query, scope, today);
    query.push(
        " LEFT JOIN milestone_plan p ON p.facility_id = s.facility_id AND p.milestone = w.milestone WHERE w.id = ",
    );
    query.bind(wave.0).push(") AS t WHERE TRUE");
    if !only.is_empty() {
        query.push(" AND (FALSE");
        for state in only {
            match state {
                WaveStoreState::DoneOnTime => {
                    query.push(" OR t.reached_on <= t.planned_on");
                }
                WaveStoreState::DoneLate => {
                    query.push(" OR t.reached_on > t.planned_on");
                }
                WaveStoreState::Overdue => {
                    query.push(" OR t.reached_on IS NULL AND t.planned_on < ");
                    query.bind(today);
                }
                WaveStoreState::ToCome => {
                    query.push(" OR t.reached_on IS NULL AND t.planned_on >= ");
                    query.bind(today);
                }
            }
        }
        query.push(")");
    }
    if let Some((day, facility)) = after {
        query.push(" AND (t.planned_on, t.facility_id) > (");
        query.bind(day).push(", ").bind(facility).push(")");
    }
    query
        .push(" ORDER BY t.planned_on, t.facility_id LIMIT ")
        .bind(most);
    let rows = query.all(connection).await?;
    rows.iter()
        .map(|row| {
            let mut row = Row::new(row);
            Ok(StoreRow {
                facility: row.take()?,
                planned_on: row.take()?,
                promised_on: row.take()?,
                reached_on: row.take()?,
            })
        })
        .collect()
}

/// Adds a wave.
pub async fn insert(
    transaction: &Transaction,
    chain: OrganisationId,
    name: &str,
    milestone: Milestone,
    change: ChangeId,
) -> Result<WaveId, DbErr> {
    Query::with(
        "INSERT INTO wave (organisation_id, name, milestone, version, change_id) VALUES ($1, $2, $3, 1, $4) RETURNING id",
        [
            chain.0.into(),
            name.into(),
            milestone.code().into(),
            change.0.into(),
        ],
    )
    .scalar(transaction)
    .await
    .map(WaveId)
}

/// Gives a wave of this version another name. `false` if it is another version by now.
pub async fn rename(
    transaction: &Transaction,
    wave: WaveId,
    version: i32,
    name: &str,
) -> Result<bool, DbErr> {
    let updated = Query::with(
        "UPDATE wave SET name = $3, version = version + 1 WHERE id = $1 AND version = $2 AND removed_by IS NULL",
        [wave.0.into(), version.into(), name.into()],
    )
    .execute(transaction)
    .await?;
    Ok(updated.rows_affected() == 1)
}

/// Removes a wave; what was planned stays known.
pub async fn remove(
    transaction: &Transaction,
    wave: WaveId,
    change: ChangeId,
) -> Result<bool, DbErr> {
    let updated = Query::with(
        "UPDATE wave SET removed_by = $2 WHERE id = $1 AND removed_by IS NULL",
        [wave.0.into(), change.0.into()],
    )
    .execute(transaction)
    .await?;
    Ok(updated.rows_affected() == 1)
}

/// Locks a wave. `false` if it was removed.
pub async fn lock(
    database: &Database,
    transaction: &Transaction,
    wave: WaveId,
) -> Result<bool, DbErr> {
    let mut query = Query::new("SELECT 1 FROM wave WHERE removed_by IS NULL AND id = ");
    query.bind(wave.0).push(database.for_update());
    Ok(query.one(transaction).await?.is_some())
}

/// A store that a wave has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Planned {
    /// For which day.
    pub on: NaiveDate,
    /// Whether it is still a store of the chain.
    pub is_of_chain: bool,
}

/// The stores that a wave has, those that have left its chain too.
pub async fn in_force(
    transaction: &Transaction,
    wave: WaveId,
) -> Result<BTreeMap<FacilityId, Planned>, DbErr> {
    let rows = Query::with(
        "SELECT r.facility_id, r.planned_on, CASE WHEN s.chain_id = w.organisation_id THEN 1 ELSE 0 END \
         FROM wave w JOIN wave_store r ON r.wave_id = w.id AND r.replaced_by IS NULL AND r.planned_on IS NOT NULL \
         JOIN facility_state s ON s.facility_id = r.facility_id WHERE w.id = $1",
        [wave.0.into()],
    )
    .all(transaction)
    .await?;
    rows.iter()
        .map(|row| {
            let mut row = Row::new(row);
            let facility = row.take()?;
            let on = row.take()?;
            let is_of_chain: i32 = row.take()?;
            Ok((
                facility,
                Planned {
                    on,
                    is_of_chain: is_of_chain != 0,
                },
            ))
        })
        .collect()
}

/// Plans stores of a wave for days, or takes them out of it.
pub async fn plan_stores(
    transaction: &Transaction,
    wave: WaveId,
    stores: &BTreeMap<FacilityId, Option<NaiveDate>>,
    change: ChangeId,
) -> Result<(), DbErr> {
    let mut query = Query::new("UPDATE wave_store SET replaced_by = ");
    query.bind(change.0).push(" WHERE wave_id = ").bind(wave.0);
    query.push(" AND replaced_by IS NULL AND facility_id");
    query.bind_ids(Backend::of(transaction), stores.keys().map(|id| id.0));
    query.execute(transaction).await?;
    let rows = stores.iter().map(|(facility, planned_on)| {
        vec![
            wave.0.into(),
            facility.0.into(),
            (*planned_on).into(),
            change.0.into(),
        ]
    });
    NEW_WAVE_STORE.insert(transaction, rows.collect()).await
}

/// A store that a change planned in a wave, or took out of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// The store.
    pub facility: FacilityId,
    /// The chain whose wave it is.
    pub chain: OrganisationId,
    /// By what it was planned anew since, and when.
    pub replaced: Option<(ChangeId, DateTime<Utc>)>,
}

/// What a change told of stores in waves, in its order; so many at most.
pub async fn told_by(
    transaction: &Transaction,
    change: ChangeId,
    most: usize,
) -> Result<Vec<Told>, DbErr> {
    let rows = Query::with(
        "SELECT r.facility_id, w.organisation_id, r.replaced_by, c.recorded_at FROM wave_store r \
         JOIN wave w ON w.id = r.wave_id AND w.removed_by IS NULL LEFT JOIN change c ON c.id = r.replaced_by \
         WHERE r.change_id = $1 \
         ORDER BY r.id LIMIT $2",
        [change.0.into(), i64::try_from(most).unwrap_or(i64::MAX).into()],
    )
    .all(transaction)
    .await?;
    rows.iter()
        .map(|row| {
            let mut row = Row::new(row);
            let facility = row.take()?;
            let chain = row.take()?;
            let by: Option<ChangeId> = row.take()?;
            let at: Option<DateTime<Utc>> = row.take()?;
            Ok(Told {
                facility,
                chain,
                replaced: by.zip(at),
            })
        })
        .collect()
}

/// Plans some stores of waves as they were before a change, as far as that was not planned anew since.
pub async fn restore(
    transaction: &Transaction,
    undone: ChangeId,
    by: ChangeId,
    facilities: &[FacilityId],
) -> Result<(), DbErr> {
    let mut query = Query::new(
        "SELECT r.wave_id, r.facility_id, b.planned_on FROM wave_store r \
         JOIN wave w ON w.id = r.wave_id AND w.removed_by IS NULL LEFT JOIN wave_store b ON b.replaced_by = r.change_id AND b.wave_id = r.wave_id \
         AND b.facility_id = r.facility_id WHERE r.replaced_by IS NULL AND r.change_id = ",
    );
    query.bind(undone.0).push(" AND r.facility_id");
    query.bind_ids(Backend::of(transaction), facilities.iter().map(|id| id.0));
    let mut restored: BTreeMap<WaveId, BTreeMap<FacilityId, Option<NaiveDate>>> = BTreeMap::new();
    for row in query.all(transaction).await? {
        let mut row = Row::new(&row);
        let wave = WaveId(row.take()?);
        let facility = row.take()?;
        restored
            .entry(wave)
            .or_default()
            .insert(facility, row.take()?);
    }
    for (wave, stores) in &restored {
        plan_stores(transaction, *wave, stores, by).await?;
    }
    Ok(())
}
