//! The tables `application`, `application_line` and `application_step`; those of orders have a file of their own.

pub mod order_lists;
pub mod orders;

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, NaiveDate, Utc};

use super::{
    ApplicationId, ApplicationKind, ApplicationStatus, ApplicationStep, ReaderLine, Standing,
    StepTaken,
};
use crate::{
    auth::{OrganisationName, Scope, entity::push_scope, read_name},
    db::{
        ChangeId, Column, ConnectionTrait, Database, DbErr, FacilityId, Query, Row, Table,
        Transaction, Values,
    },
    supply::ModelId,
};

/// Applications, each as its steps left it.
pub const APPLICATION: Table = Table {
    name: "application",
    columns: &[
        ("id", Column::Big),
        ("facility_id", Column::Big),
        ("kind", Column::Code),
        ("status", Column::Code),
        ("since", Column::Date),
        ("received_on", Column::Date),
        ("expires_on", Column::Date),
        ("version", Column::Int),
        ("opened_by", Column::Big),
    ],
};

/// As [`APPLICATION`], for rows whose ids the database gives.
pub const NEW_APPLICATION: Table = Table {
    name: APPLICATION.name,
    columns: match APPLICATION.columns.split_first() {
        Some((_, rest)) => rest,
        None => &[],
    },
};

/// The readers of applications.
pub const APPLICATION_LINE: Table = Table {
    name: "application_line",
    columns: &[
        ("application_id", Column::Big),
        ("model_id", Column::Big),
        ("free_count", Column::Int),
        ("bought_count", Column::Int),
    ],
};

/// What happened to applications.
pub const APPLICATION_STEP: Table = Table {
    name: "application_step",
    columns: &[
        ("application_id", Column::Big),
        ("step", Column::Code),
        ("done_on", Column::Date),
        ("expires_on", Column::Date),
        ("reached", Column::Bool),
        ("change_id", Column::Big),
        ("voided_by", Column::Big),
    ],
};

/// An application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Application {
    /// Its row; 0 for one that is not written yet.
    pub id: ApplicationId,
    /// Whose.
    pub facility: FacilityId,
    /// What is applied for.
    pub kind: ApplicationKind,
    /// Where it stands.
    pub standing: Standing,
    /// On which day it arrived.
    pub received_on: NaiveDate,
    /// Counts up with every change.
    pub version: i32,
    /// By which change it was filed.
    pub opened_by: ChangeId,
}

/// The columns of an application `a`, as [`read`] reads them.
const COLUMNS: &str = "a.id, a.facility_id, a.kind, a.status, a.since, a.received_on, a.expires_on, a.version, a.opened_by";

fn read(row: &mut Row<'_>) -> Result<Application, DbErr> {
    let (id, facility) = (ApplicationId(row.take()?), row.take()?);
    let (kind, status): (i16, i16) = (row.take()?, row.take()?);
    let since = row.take()?;
    let received_on = row.take()?;
    Ok(Application {
        id,
        facility,
        kind: ApplicationKind::from_code(kind)
            .ok_or_else(|| DbErr::Type(format!("{kind} is no kind of application")))?,
        standing: Standing {
            status: ApplicationStatus::from_code(status)
                .ok_or_else(|| DbErr::Type(format!("no application has the status {status}")))?,
            since,
            expires_on: row.take()?,
        },
        received_on,
        version: row.take()?,
        opened_by: row.take()?,
    })
}

/// The columns of an application's row.
pub fn values(application: &Application) -> Values {
    vec![
        application.id.0.into(),
        application.facility.0.into(),
        application.kind.code().into(),
        application.standing.status.code().into(),
        application.standing.since.into(),
        application.received_on.into(),
        application.standing.expires_on.into(),
        application.version.into(),
        application.opened_by.0.into(),
    ]
}

/// The columns of a step's row.
pub fn step_values(application: ApplicationId, step: &StepTaken, change: ChangeId) -> Values {
    vec![
        application.0.into(),
        step.step.code().into(),
        step.on.into(),
        step.expires_on.into(),
        step.reached.into(),
        change.0.into(),
        None::<i64>.into(),
    ]
}

/// The columns of a line's row.
pub fn line_values(application: ApplicationId, line: &ReaderLine) -> Values {
    vec![
        application.0.into(),
        line.model.0.into(),
        line.free.into(),
        line.bought.into(),
    ]
}

/// Every application of facilities, by their rows, the first first.
pub async fn of_facilities(
    database: &Database,
    connection: &impl ConnectionTrait,
    facilities: &[FacilityId],
) -> Result<Vec<Application>, DbErr> {
    let mut query = Query::new(format!(
        "SELECT {COLUMNS} FROM application a WHERE a.facility_id"
    ));
    query.bind_ids(database.backend(), facilities.iter().map(|id| id.0));
    query.push(" ORDER BY a.id");
    let rows = query.all(connection).await?;
    rows.iter().map(|row| read(&mut Row::new(row))).collect()
}

/// Some applications after one, by their rows.
pub async fn after(
    connection: &impl ConnectionTrait,
    after: ApplicationId,
    most: u64,
) -> Result<Vec<Application>, DbErr> {
    let rows = Query::with(
        format!("SELECT {COLUMNS} FROM application a WHERE a.id > $1 ORDER BY a.id LIMIT $2"),
        [
            after.0.into(),
            i64::try_from(most).unwrap_or(i64::MAX).into(),
        ],
    )
    .all(connection)
    .await?;
    rows.iter().map(|row| read(&mut Row::new(row))).collect()
}

/// The readers of applications, in the order of their models.
pub async fn lines(
    database: &Database,
    connection: &impl ConnectionTrait,
    applications: &[ApplicationId],
) -> Result<HashMap<ApplicationId, Vec<ReaderLine>>, DbErr> {
    let mut all: HashMap<ApplicationId, Vec<ReaderLine>> = HashMap::new();
    if applications.is_empty() {
        return Ok(all);
    }
    let mut query = Query::new(
        "SELECT application_id, model_id, free_count, bought_count FROM application_line WHERE application_id",
    );
    query.bind_ids(database.backend(), applications.iter().map(|id| id.0));
    query.push(" ORDER BY application_id, model_id");
    for row in query.all(connection).await? {
        let mut row = Row::new(&row);
        let lines = all.entry(ApplicationId(row.take()?)).or_default();
        lines.push(ReaderLine {
            model: ModelId(row.take()?),
            free: row.take()?,
            bought: row.take()?,
        });
    }
    Ok(all)
}

/// The steps of applications that were not voided, in the order in which they were recorded.
pub async fn steps(
    database: &Database,
    connection: &impl ConnectionTrait,
    applications: &[ApplicationId],
) -> Result<HashMap<ApplicationId, Vec<StepTaken>>, DbErr> {
    let mut all: HashMap<ApplicationId, Vec<StepTaken>> = HashMap::new();
    if applications.is_empty() {
        return Ok(all);
    }
    let mut query = Query::new(
        "SELECT application_id, step, done_on, expires_on, reached FROM application_step \
         WHERE voided_by IS NULL AND application_id",
    );
    query.bind_ids(database.backend(), applications.iter().map(|id| id.0));
    query.push(" ORDER BY application_id, id");
    for row in query.all(connection).await? {
        let mut row = Row::new(&row);
        let steps = all.entry(ApplicationId(row.take()?)).or_default();
        let code: i16 = row.take()?;
        steps.push(StepTaken {
            step: ApplicationStep::from_code(code)
                .ok_or_else(|| DbErr::Type(format!("{code} is no step of an application")))?,
            on: row.take()?,
            expires_on: row.take()?,
            reached: row.take()?,
        });
    }
    Ok(all)
}

/// Files applications, one of a kind of a facility at most, and answers their ids.
pub async fn insert(
    transaction: &Transaction,
    change: ChangeId,
    applications: &[&Application],
) -> Result<BTreeMap<(FacilityId, ApplicationKind), ApplicationId>, DbErr> {
    if applications.is_empty() {
        return Ok(BTreeMap::new());
    }
    let rows = applications
        .iter()
        .map(|application| values(application).into_iter().skip(1).collect());
    NEW_APPLICATION.insert(transaction, rows.collect()).await?;
    let rows = Query::with(
        format!("SELECT {COLUMNS} FROM application a WHERE a.opened_by = $1"),
        [change.0.into()],
    )
    .all(transaction)
    .await?;
    rows.iter()
        .map(|row| {
            let written = read(&mut Row::new(row))?;
            Ok(((written.facility, written.kind), written.id))
        })
        .collect()
}

/// Writes applications that are there.
pub async fn update(transaction: &Transaction, applications: &[&Application]) -> Result<(), DbErr> {
    let rows = applications.iter().map(|application| values(application));
    APPLICATION
        .upsert(transaction, &["id"], rows.collect())
        .await
}

/// The applications of which a change recorded or voided steps.
pub async fn touched_by(
    transaction: &Transaction,
    change: ChangeId,
) -> Result<Vec<Application>, DbErr> {
    let rows = Query::with(
        format!(
            "SELECT {COLUMNS} FROM application a WHERE a.id IN (SELECT application_id FROM application_step \
             WHERE change_id = $1 UNION SELECT application_id FROM application_step WHERE voided_by = $1) ORDER BY a.id"
        ),
        [change.0.into()],
    )
    .all(transaction)
    .await?;
    rows.iter().map(|row| read(&mut Row::new(row))).collect()
}

/// Takes back what a change did to applications: the steps that it recorded are voided by another, and those that it
/// voided are recorded again by that.
pub async fn take_back(
    database: &Database,
    transaction: &Transaction,
    undone: ChangeId,
    by: ChangeId,
    applications: &[ApplicationId],
) -> Result<(), DbErr> {
    let mut again = Query::new(
        "INSERT INTO application_step (application_id, step, done_on, expires_on, reached, change_id) \
         SELECT application_id, step, done_on, expires_on, reached, ",
    );
    // Its type is not known where it is selected.
    again.push("CAST(").bind(by.0).push(" AS BIGINT)");
    again.push(" FROM application_step WHERE voided_by = ");
    again.bind(undone.0).push(" AND application_id");
    again.bind_ids(database.backend(), applications.iter().map(|id| id.0));
    // In the order in which they were recorded, after everything that holds.
    again.push(" ORDER BY id");
    again.execute(transaction).await?;
    let mut voided = Query::new("UPDATE application_step SET voided_by = ");
    voided.bind(by.0).push(" WHERE change_id = ");
    voided.bind(undone.0).push(" AND application_id");
    voided.bind_ids(database.backend(), applications.iter().map(|id| id.0));
    voided.execute(transaction).await?;
    Ok(())
}

/// An application as lists have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApplicationRow {
    /// The application.
    pub application: Application,
    /// When it was filed here.
    pub recorded_at: DateTime<Utc>,
    /// In whose name.
    pub organisation: Option<OrganisationName>,
    /// Its certificate was replaced by that of a later application.
    pub replaced: bool,
}

/// Which applications a list holds; all conditions must hold.
#[derive(Clone, Debug, Default)]
pub struct ListQuery {
    /// Of this facility; of none that can be seen if there is none.
    pub facility: Option<Option<FacilityId>>,
    /// Of any of these kinds; of all if there is none.
    pub kinds: Vec<ApplicationKind>,
    /// At any of these; at all if there is none.
    pub statuses: Vec<ApplicationStatus>,
    /// Where it stands since this day or longer.
    pub since_until: Option<NaiveDate>,
    /// With a certificate that expires on this day or earlier.
    pub expires_until: Option<NaiveDate>,
    /// For readers of this model.
    pub model: Option<ModelId>,
}

fn select() -> String {
    format!(
        "SELECT {COLUMNS}, c.recorded_at, o.id, o.name, {REPLACED} FROM {FROM} JOIN change c ON c.id = a.opened_by \
         LEFT JOIN organisation o ON o.id = c.organisation_id WHERE "
    )
}

/// A later application of the kind has come so far that a certificate was issued.
const REPLACED: &str = "EXISTS (SELECT 1 FROM application n WHERE n.facility_id = a.facility_id AND n.kind = a.kind \
     AND n.id > a.id AND n.status IN (2, 3))";

const FROM: &str = "application a JOIN facility_state s ON s.facility_id = a.facility_id";

fn read_row(row: &mut Row<'_>) -> Result<ApplicationRow, DbErr> {
    Ok(ApplicationRow {
        application: read(row)?,
        recorded_at: row.take()?,
        organisation: read_name(row)?,
        replaced: row.take()?,
    })
}

/// A page of applications, the last that was filed first, before or after a row.
pub async fn list(
    database: &Database,
    scope: &Scope,
    list: &ListQuery,
    from: Option<i64>,
    backwards: bool,
    most: u64,
) -> Result<Vec<ApplicationRow>, DbErr> {
    let mut query = Query::new(select());
    push_where(&mut query, scope, list);
    if let Some(id) = from {
        query.push(if backwards {
            " AND a.id > "
        } else {
            " AND a.id < "
        });
        query.bind(id);
    }
    query.push(if backwards {
        " ORDER BY a.id LIMIT "
    } else {
        " ORDER BY a.id DESC LIMIT "
    });
    query.bind(i64::try_from(most).unwrap_or(i64::MAX));
    let rows = query.all(database.read()).await?;
    let mut rows: Vec<ApplicationRow> = rows
        .iter()
        .map(|row| read_row(&mut Row::new(row)))
        .collect::<Result<_, DbErr>>()?;
    if backwards {
        rows.reverse();
    }
    Ok(rows)
}

/// How many applications a list has, counted up to so many.
pub async fn count_up_to(
    database: &Database,
    scope: &Scope,
    list: &ListQuery,
    most: i64,
) -> Result<i64, DbErr> {
    let mut query = Query::new(format!("SELECT count(*) FROM (SELECT 1 FROM {FROM} WHERE "));
    push_where(&mut query, scope, list);
    query.push(" LIMIT ").bind(most).push(") AS counted");
    query.scalar(database.read()).await
}

/// Those of some applications that may be seen, in the order of their rows.
pub async fn find(
    database: &Database,
    scope: &Scope,
    ids: &[i64],
) -> Result<Vec<ApplicationRow>, DbErr> {
    let mut query = Query::new(select());
    push_scope(&mut query, scope, "s");
    query.push(" AND a.id");
    query.bind_ids(database.backend(), ids.iter().copied());
    query.push(" ORDER BY a.id");
    let rows = query.all(database.read()).await?;
    rows.iter()
        .map(|row| read_row(&mut Row::new(row)))
        .collect()
}

fn push_where(query: &mut Query, scope: &Scope, list: &ListQuery) {
    let ListQuery {
        facility,
        kinds,
        statuses,
        since_until,
        expires_until,
        model,
    } = list;
    push_scope(query, scope, "s");
    match facility {
        Some(Some(facility)) => query.push(" AND a.facility_id = ").bind(facility.0),
        Some(None) => query.push(" AND FALSE"),
        None => query,
    };
    query.and_any("a.kind", kinds.iter().map(|one| one.code()));
    query.and_any("a.status", statuses.iter().map(|one| one.code()));
    if let Some(day) = since_until {
        query.push(" AND a.since <= ").bind(*day);
    }
    if let Some(day) = expires_until {
        query.push(" AND a.expires_on <= ").bind(*day);
        query.push(&format!(" AND a.status IN (2, 3) AND NOT {REPLACED}"));
    }
    if let Some(model) = model {
        query.push(
            " AND a.id IN (SELECT l.application_id FROM application_line l WHERE l.model_id = ",
        );
        query.bind(model.0).push(")");
    }
}
