//! The tables `hardware_model` and `hardware_fit`. The catalogue is public, so nothing here takes a scope.

use std::collections::HashMap;

use super::{HardwareClass, LineType, Model, ModelEntry, ModelId};
use crate::{
    auth::{OrganisationKind, read_name},
    db::{
        ChangeId, Column, ConnectionTrait, Database, DbErr, OrganisationId, Query, Row, Table,
        Transaction, Values,
    },
    facility::FacilityKind,
};

/// Models.
pub const HARDWARE_MODEL: Table = Table {
    name: "hardware_model",
    columns: &[
        ("id", Column::Big),
        ("supplier_id", Column::Big),
        ("class", Column::Code),
        ("name", Column::Text),
        ("number", Column::Text),
        ("kinds", Column::Code),
        ("lines", Column::Code),
        ("discontinued_on", Column::Date),
        ("version", Column::Int),
        ("change_id", Column::Big),
    ],
};

/// As [`HARDWARE_MODEL`], for rows whose ids the database gives.
pub const NEW_HARDWARE_MODEL: Table = Table {
    name: HARDWARE_MODEL.name,
    columns: match HARDWARE_MODEL.columns.split_first() {
        Some((_, rest)) => rest,
        None => &[],
    },
};

/// Which readers go with which PCs.
pub const HARDWARE_FIT: Table = Table {
    name: "hardware_fit",
    columns: &[("model_id", Column::Big), ("reader_id", Column::Big)],
};

/// Which models a list holds; all conditions must hold.
#[derive(Clone, Debug, Default)]
pub struct ListQuery {
    /// Of any of these classes; of all if there is none.
    pub classes: Vec<HardwareClass>,
    /// Of this supplier.
    pub supplier: Option<OrganisationId>,
    /// Made for this kind of facility.
    pub kind: Option<FacilityKind>,
    /// Goes with this line.
    pub line: Option<LineType>,
    /// Goes with this reader.
    pub reader: Option<ModelId>,
    /// Still made on this day, or (`false`) not.
    pub made_on: Option<(chrono::NaiveDate, bool)>,
}

/// Where a page begins: after this class, name and row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The class.
    pub class: i16,
    /// The name.
    pub name: String,
    /// The row.
    pub id: i64,
}

const SELECT: &str = "SELECT m.id, o.id, o.name, m.class, m.name, m.number, m.kinds, m.lines, m.discontinued_on, m.version \
     FROM hardware_model m JOIN organisation o ON o.id = m.supplier_id WHERE ";

/// A set of codes as bits.
fn bits(codes: impl Iterator<Item = i16>) -> i16 {
    codes.fold(0, |bits, code| bits | (1 << code))
}

fn from_bits<T>(bits: i16, all: impl IntoIterator<Item = T>, code: impl Fn(&T) -> i16) -> Vec<T> {
    let all = all.into_iter();
    all.filter(|one| bits & (1 << code(one)) != 0).collect()
}

/// The row of a model whose id the database gives.
pub fn values(
    supplier: OrganisationId,
    entry: &ModelEntry,
    version: i32,
    change: Option<ChangeId>,
) -> Values {
    vec![
        supplier.0.into(),
        entry.class.code().into(),
        entry.name.as_str().into(),
        entry.number.as_str().into(),
        bits(entry.kinds.iter().map(|kind| kind.code())).into(),
        bits(entry.lines.iter().map(|line| line.code())).into(),
        entry.discontinued_on.into(),
        version.into(),
        change.map(|change| change.0).into(),
    ]
}

fn read(row: &mut Row<'_>) -> Result<Model, DbErr> {
    let id = ModelId(row.take()?);
    let supplier =
        read_name(row)?.ok_or_else(|| DbErr::Type("a model of no supplier".to_owned()))?;
    let class: i16 = row.take()?;
    let (name, number) = (row.take()?, row.take()?);
    let (kinds, lines): (i16, i16) = (row.take()?, row.take()?);
    Ok(Model {
        id,
        supplier,
        entry: ModelEntry {
            class: HardwareClass::from_code(class)
                .ok_or_else(|| DbErr::Type(format!("{class} is no class of hardware")))?,
            name,
            number,
            kinds: from_bits(kinds, FacilityKind::ALL, |kind| kind.code()),
            lines: from_bits(lines, LineType::ALL, |line| line.code()),
            readers: Vec::new(),
            discontinued_on: row.take()?,
        },
        version: row.take()?,
    })
}

async fn complete(
    database: &Database,
    connection: &impl ConnectionTrait,
    query: Query,
) -> Result<Vec<Model>, DbErr> {
    let rows = query.all(connection).await?;
    let models: Result<Vec<Model>, DbErr> =
        rows.iter().map(|row| read(&mut Row::new(row))).collect();
    let mut models = models?;
    if models
        .iter()
        .all(|model| model.entry.class != HardwareClass::Pc)
    {
        return Ok(models);
    }
    let mut fits = Query::new("SELECT model_id, reader_id FROM hardware_fit WHERE model_id");
    fits.bind_ids(database.backend(), models.iter().map(|model| model.id.0));
    fits.push(" ORDER BY model_id, reader_id");
    let mut readers: HashMap<i64, Vec<ModelId>> = HashMap::new();
    for row in fits.all(connection).await? {
        let mut row = Row::new(&row);
        let fitting = readers.entry(row.take()?).or_default();
        fitting.push(ModelId(row.take()?));
    }
    for model in &mut models {
        model.entry.readers = readers.remove(&model.id.0).unwrap_or_default();
    }
    Ok(models)
}

/// A page of the catalogue, in the order of classes and names.
pub async fn list(
    database: &Database,
    list: &ListQuery,
    from: Option<&Cursor>,
    backwards: bool,
    most: u64,
) -> Result<Vec<Model>, DbErr> {
    let mut query = Query::new(SELECT);
    push_where(&mut query, list);
    if let Some(Cursor { class, name, id }) = from {
        query.push(" AND (m.class, m.name, m.id) ");
        query.push(if backwards { "< (" } else { "> (" });
        query.bind(*class).push(", ").bind(name.as_str());
        query.push(", ").bind(*id).push(")");
    }
    let direction = if backwards { " DESC" } else { "" };
    query.push(&format!(
        " ORDER BY m.class{direction}, m.name{direction}, m.id{direction} LIMIT "
    ));
    query.bind(i64::try_from(most).unwrap_or(i64::MAX));
    let mut models = complete(database, database.read(), query).await?;
    if backwards {
        models.reverse();
    }
    Ok(models)
}

/// How many models a list holds.
pub async fn count(database: &Database, list: &ListQuery) -> Result<i64, DbErr> {
    let mut query = Query::new("SELECT count(*) FROM hardware_model m WHERE ");
    push_where(&mut query, list);
    query.scalar(database.read()).await
}

fn push_where(query: &mut Query, list: &ListQuery) {
    let ListQuery {
        classes,
        supplier,
        kind,
        line,
        reader,
        made_on,
    } = list;
    query.push("TRUE");
    query.and_any("m.class", classes.iter().map(|class| class.code()));
    if let Some(supplier) = supplier {
        query.push(" AND m.supplier_id = ").bind(supplier.0);
    }
    if let Some(kind) = kind {
        query
            .push(" AND m.kinds & ")
            .bind(bits(std::iter::once(kind.code())));
        query.push(" <> 0");
    }
    if let Some(line) = line {
        query
            .push(" AND m.lines & ")
            .bind(bits(std::iter::once(line.code())));
        query.push(" <> 0");
    }
    if let Some(reader) = reader {
        query.push(" AND m.id IN (SELECT model_id FROM hardware_fit WHERE reader_id = ");
        query.bind(reader.0).push(")");
    }
    if let Some((day, made)) = *made_on {
        query.push(if made { " AND " } else { " AND NOT " });
        query.push("(m.discontinued_on IS NULL OR m.discontinued_on > ");
        query.bind(day).push(")");
    }
}

/// Models by their rows, in no order.
pub async fn find(
    database: &Database,
    connection: &impl ConnectionTrait,
    ids: &[ModelId],
) -> Result<Vec<Model>, DbErr> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut query = Query::new(SELECT);
    query.push("m.id");
    query.bind_ids(database.backend(), ids.iter().map(|id| id.0));
    complete(database, connection, query).await
}

/// Locks a supplier: two who change its models wait for each other. `false` if there is no such supplier. Answers how many
/// models it has.
pub async fn lock_supplier(
    database: &Database,
    transaction: &Transaction,
    supplier: OrganisationId,
) -> Result<Option<i64>, DbErr> {
    let lock = format!(
        "SELECT id FROM organisation WHERE id = $1 AND kind = $2{}",
        database.for_update()
    );
    let kind = OrganisationKind::Supplier.code();
    let found = Query::with(lock, [supplier.0.into(), kind.into()]);
    if found.one(transaction).await?.is_none() {
        return Ok(None);
    }
    let count = Query::with(
        "SELECT count(*) FROM hardware_model WHERE supplier_id = $1",
        [supplier.0.into()],
    );
    count.scalar(transaction).await.map(Some)
}

/// Has the supplier another model of this number?
pub async fn number_is_taken(
    transaction: &Transaction,
    supplier: OrganisationId,
    number: &str,
    but_for: Option<ModelId>,
) -> Result<bool, DbErr> {
    let found = Query::with(
        "SELECT id FROM hardware_model WHERE supplier_id = $1 AND number = $2 AND id <> $3",
        [
            supplier.0.into(),
            number.into(),
            but_for.map_or(0, |id| id.0).into(),
        ],
    );
    Ok(found.one(transaction).await?.is_some())
}

/// Writes an entry: that of a model, or a new one. Answers its row.
pub async fn write(
    transaction: &Transaction,
    id: Option<ModelId>,
    supplier: OrganisationId,
    entry: &ModelEntry,
    version: i32,
    change: ChangeId,
) -> Result<ModelId, DbErr> {
    let row = values(supplier, entry, version, Some(change));
    let id = match id {
        Some(id) => {
            let row = std::iter::once(id.0.into()).chain(row).collect();
            HARDWARE_MODEL.update(transaction, row).await?;
            id
        }
        None => {
            let ids = NEW_HARDWARE_MODEL
                .insert_returning(transaction, "id", vec![row])
                .await?;
            let id = ids.first().copied();
            ModelId(id.ok_or_else(|| DbErr::Custom("a model got no id".to_owned()))?)
        }
    };
    Query::with(
        "DELETE FROM hardware_fit WHERE model_id = $1",
        [id.0.into()],
    )
    .execute(transaction)
    .await?;
    let fits = entry.readers.iter();
    let fits = fits.map(|reader| vec![id.0.into(), reader.0.into()]);
    HARDWARE_FIT.insert(transaction, fits.collect()).await?;
    Ok(id)
}
