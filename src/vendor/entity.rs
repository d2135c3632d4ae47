//! The directory's tables. Everybody may read them, so nothing here takes a scope.

use std::collections::{HashMap, HashSet};

use sea_orm::ConnectionTrait;

use super::{ContactPoint, Profile, Vendor, VendorKind};
use crate::{
    auth::OrganisationKind,
    db::{
        ChangeId, Column, Database, DbErr, OrganisationId, Query, Row, Table, Transaction, Values,
    },
    facility::{Prefecture, columns::read_prefecture, text::fold},
};

/// Whether an organisation takes on work, and its introduction.
pub const VENDOR_PROFILE: Table = Table {
    name: "vendor_profile",
    columns: &[
        ("organisation_id", Column::Big),
        ("accepts_work", Column::Bool),
        ("introduction", Column::Text),
        ("version", Column::Int),
        ("change_id", Column::Big),
    ],
};

/// Where it works.
pub const VENDOR_AREA: Table = Table {
    name: "vendor_area",
    columns: &[
        ("organisation_id", Column::Big),
        ("prefecture", Column::Code),
    ],
};

/// The systems that it knows.
pub const VENDOR_SYSTEM: Table = Table {
    name: "vendor_system",
    columns: &[
        ("organisation_id", Column::Big),
        ("ordinal", Column::Int),
        ("name", Column::Text),
    ],
};

/// How to reach it.
pub const VENDOR_CONTACT: Table = Table {
    name: "vendor_contact",
    columns: &[
        ("organisation_id", Column::Big),
        ("ordinal", Column::Int),
        ("label", Column::Text),
        ("phone", Column::Text),
        ("email", Column::Text),
        ("url", Column::Text),
    ],
};

const COLUMNS: &str =
    "o.id, o.kind, o.name, o.name_kana, p.accepts_work, p.introduction, p.version";
const DIRECTORY: &str = "organisation o LEFT JOIN vendor_profile p ON p.organisation_id = o.id";

/// Whom a list holds; all conditions must hold.
#[derive(Clone, Debug, Default)]
pub struct ListQuery {
    /// Of one of these kinds.
    pub kinds: Vec<VendorKind>,
    /// Who works in one of these prefectures; empty for anywhere.
    pub areas: Vec<Prefecture>,
    /// One of those that were found by a text, see [`matching`]; `None` for everybody.
    pub found: Option<Vec<i64>>,
    /// Who takes on work at present, or has said that it does not.
    pub accepts_work: Option<bool>,
}

/// Which of an organisation's lists are asked for: the others are not read.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted {
    /// Where it works.
    pub areas: bool,
    /// The systems that it knows.
    pub systems: bool,
    /// How to reach it.
    pub contacts: bool,
}

impl Wanted {
    /// All of them.
    pub const ALL: Self = Self {
        areas: true,
        systems: true,
        contacts: true,
    };

    /// What either asks for.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            areas: self.areas || other.areas,
            systems: self.systems || other.systems,
            contacts: self.contacts || other.contacts,
        }
    }
}

/// Where a page begins: after or before this name and row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The name in kana.
    pub name_kana: String,
    /// The row.
    pub id: i64,
}

/// A page of the directory in the order of the names, with what is wanted of what each tells.
pub async fn list(
    database: &Database,
    list: &ListQuery,
    wanted: Wanted,
    from: Option<&Cursor>,
    backwards: bool,
    most: u64,
) -> Result<Vec<Vendor>, DbErr> {
    let mut query = Query::new(format!("SELECT {COLUMNS} FROM {DIRECTORY} WHERE "));
    push_where(&mut query, database, list);
    if let Some(Cursor { name_kana, id }) = from {
        query.push(" AND (o.name_kana, o.id) ");
        query.push(if backwards { "< (" } else { "> (" });
        query
            .bind(name_kana.as_str())
            .push(", ")
            .bind(*id)
            .push(")");
    }
    let direction = if backwards { " DESC" } else { "" };
    query.push(&format!(
        " ORDER BY o.name_kana{direction}, o.id{direction} LIMIT "
    ));
    query.bind(i64::try_from(most).unwrap_or(i64::MAX));
    let mut vendors = read(database, query, wanted).await?;
    if backwards {
        vendors.reverse();
    }
    Ok(vendors)
}

/// How many a list holds.
pub async fn count(database: &Database, list: &ListQuery) -> Result<i64, DbErr> {
    let mut query = Query::new(format!("SELECT count(*) FROM {DIRECTORY} WHERE "));
    push_where(&mut query, database, list);
    query.scalar(database.read()).await
}

/// Those of some organisations that stand in the directory.
pub async fn find(
    database: &Database,
    ids: &[OrganisationId],
    wanted: Wanted,
) -> Result<Vec<Vendor>, DbErr> {
    let mut query = Query::new(format!("SELECT {COLUMNS} FROM {DIRECTORY} WHERE "));
    push_kinds(&mut query, &VendorKind::ALL);
    query.push(" AND o.id");
    query.bind_ids(database.backend(), ids.iter().map(|id| id.0));
    read(database, query, wanted).await
}

fn push_where(query: &mut Query, database: &Database, list: &ListQuery) {
    push_kinds(query, &list.kinds);
    if !list.areas.is_empty() {
        query.push(
            " AND EXISTS (SELECT 1 FROM vendor_area a WHERE a.organisation_id = o.id AND a.prefecture IN (",
        );
        query.bind_all(list.areas.iter().map(|area| i16::from(area.number())));
        query.push("))");
    }
    if let Some(accepts_work) = list.accepts_work {
        query.push(" AND p.accepts_work = ").bind(accepts_work);
    }
    if let Some(found) = &list.found {
        query.push(" AND o.id");
        query.bind_ids(database.backend(), found.iter().copied());
    }
}

/// Whose name or kana has one text in it, and who knows a system with another in its name; both folded. `None` if
/// neither is asked for. The directory has hundreds of rows, not hundreds of thousands: they are read and folded rather
/// than indexed.
pub async fn matching(
    database: &Database,
    search: Option<&str>,
    system: Option<&str>,
) -> Result<Option<Vec<i64>>, DbErr> {
    let mut names = Query::new("SELECT o.id, o.name FROM organisation o WHERE ");
    push_kinds(&mut names, &VendorKind::ALL);
    names.push(" UNION ALL SELECT o.id, o.name_kana FROM organisation o WHERE ");
    push_kinds(&mut names, &VendorKind::ALL);
    let systems = Query::new("SELECT organisation_id, name FROM vendor_system");
    let mut found: Option<HashSet<i64>> = None;
    for (asked, texts) in [(search, names), (system, systems)] {
        let Some(asked) = asked else { continue };
        let mut with_it = HashSet::new();
        for row in texts.all(database.read()).await? {
            let mut row = Row::new(&row);
            let (id, text): (i64, String) = (row.take()?, row.take()?);
            if found.as_ref().is_none_or(|found| found.contains(&id)) && fold(&text).contains(asked)
            {
                with_it.insert(id);
            }
        }
        found = Some(with_it);
    }
    Ok(found.map(|found| found.into_iter().collect()))
}

fn push_kinds(query: &mut Query, kinds: &[VendorKind]) {
    query.push("o.kind IN (");
    query.bind_all(kinds.iter().map(|kind| kind.organisation_kind().code()));
    query.push(")");
}

/// Reads organisations and what each tells, in a statement and one for each list, however many there are.
async fn read(database: &Database, query: Query, wanted: Wanted) -> Result<Vec<Vendor>, DbErr> {
    let rows = query.all(database.read()).await?;
    let vendors: Result<Vec<Vendor>, DbErr> = rows
        .iter()
        .map(|row| read_vendor(&mut Row::new(row)))
        .collect();
    let mut vendors = vendors?;
    if vendors.is_empty() {
        return Ok(vendors);
    }
    let ids: Vec<OrganisationId> = vendors.iter().map(|vendor| vendor.id).collect();
    let mut lists = lists(database.read(), database, &ids, wanted).await?;
    for vendor in &mut vendors {
        let told = lists.remove(&vendor.id).unwrap_or_default();
        vendor.profile = Profile {
            accepts_work: vendor.profile.accepts_work,
            introduction: std::mem::take(&mut vendor.profile.introduction),
            ..told
        };
    }
    Ok(vendors)
}

fn read_vendor(row: &mut Row<'_>) -> Result<Vendor, DbErr> {
    let id = row.take()?;
    let code: i16 = row.take()?;
    let kind = OrganisationKind::from_code(code)
        .and_then(VendorKind::of)
        .ok_or_else(|| DbErr::Type(format!("{code} is no kind of the directory")))?;
    let (name, name_kana) = (row.take()?, row.take()?);
    let profile = read_profile(row)?;
    let version: Option<i32> = row.take()?;
    Ok(Vendor {
        id,
        kind,
        name,
        name_kana,
        profile,
        version: version.unwrap_or(0),
    })
}

/// Whether it takes on work, and its introduction; its lists are read apart.
fn read_profile(row: &mut Row<'_>) -> Result<Profile, DbErr> {
    let accepts_work = row.take()?;
    let introduction: Option<String> = row.take()?;
    Ok(Profile {
        accepts_work,
        introduction: introduction.unwrap_or_default(),
        ..Profile::default()
    })
}

/// The areas, systems and contacts of organisations.
async fn lists(
    connection: &impl ConnectionTrait,
    database: &Database,
    ids: &[OrganisationId],
    wanted: Wanted,
) -> Result<HashMap<OrganisationId, Profile>, DbErr> {
    let mut told: HashMap<OrganisationId, Profile> = HashMap::new();
    let of_them = |columns: &str, table: &Table, order: &str| {
        let mut query = Query::new(format!(
            "SELECT organisation_id, {columns} FROM {} WHERE organisation_id",
            table.name
        ));
        query.bind_ids(database.backend(), ids.iter().map(|id| id.0));
        query.push(" ORDER BY organisation_id, ").push(order);
        query
    };
    if wanted.areas {
        let areas = of_them("prefecture", &VENDOR_AREA, "prefecture");
        for row in areas.all(connection).await? {
            let mut row = Row::new(&row);
            let profile = told.entry(row.take()?).or_default();
            profile.areas.push(read_prefecture(&mut row)?);
        }
    }
    if wanted.systems {
        let systems = of_them("name", &VENDOR_SYSTEM, "ordinal");
        for row in systems.all(connection).await? {
            let mut row = Row::new(&row);
            let profile = told.entry(row.take()?).or_default();
            profile.systems.push(row.take()?);
        }
    }
    if wanted.contacts {
        let contacts = of_them("label, phone, email, url", &VENDOR_CONTACT, "ordinal");
        for row in contacts.all(connection).await? {
            let mut row = Row::new(&row);
            let profile = told.entry(row.take()?).or_default();
            profile.contacts.push(ContactPoint {
                label: row.take()?,
                phone: row.take()?,
                email: row.take()?,
                url: row.take()?,
            });
        }
    }
    Ok(told)
}

/// What an organisation tells, with its version; two who update it wait for each other. None if it does not stand in
/// the directory.
pub async fn lock(
    database: &Database,
    transaction: &Transaction,
    id: OrganisationId,
) -> Result<Option<(Profile, i32)>, DbErr> {
    let mut query = Query::new("SELECT o.id FROM organisation o WHERE ");
    push_kinds(&mut query, &VendorKind::ALL);
    query.push(" AND o.id = ").bind(id.0);
    query.push(database.for_update());
    if query.one(transaction).await?.is_none() {
        return Ok(None);
    }
    let row = Query::with(
        "SELECT accepts_work, introduction, version FROM vendor_profile WHERE organisation_id = $1",
        [id.0.into()],
    )
    .one(transaction)
    .await?;
    let Some(row) = row else {
        return Ok(Some((Profile::default(), 0)));
    };
    let mut row = Row::new(&row);
    let told = read_profile(&mut row)?;
    let version = row.take()?;
    let lists = lists(transaction, database, &[id], Wanted::ALL).await?;
    let lists = lists.into_values().next().unwrap_or_default();
    let profile = Profile {
        accepts_work: told.accepts_work,
        introduction: told.introduction,
        ..lists
    };
    Ok(Some((profile, version)))
}

/// What an organisation tells, as rows of the four tables.
#[derive(Debug)]
pub struct ProfileRows {
    /// Its row of [`VENDOR_PROFILE`].
    pub profile: Values,
    /// Its rows of [`VENDOR_AREA`].
    pub areas: Vec<Values>,
    /// Its rows of [`VENDOR_SYSTEM`].
    pub systems: Vec<Values>,
    /// Its rows of [`VENDOR_CONTACT`].
    pub contacts: Vec<Values>,
}

/// The rows of what an organisation tells.
pub fn profile_rows(
    id: OrganisationId,
    profile: &Profile,
    version: i32,
    change: Option<ChangeId>,
) -> ProfileRows {
    let area = |area: &Prefecture| vec![id.0.into(), i16::from(area.number()).into()];
    let system =
        |(ordinal, name): (i32, &String)| vec![id.0.into(), ordinal.into(), name.as_str().into()];
    let contact = |(ordinal, contact): (i32, &ContactPoint)| {
        vec![
            id.0.into(),
            ordinal.into(),
            contact.label.as_str().into(),
            contact.phone.clone().into(),
            contact.email.clone().into(),
            contact.url.clone().into(),
        ]
    };
    ProfileRows {
        profile: vec![
            id.0.into(),
            profile.accepts_work.into(),
            profile.introduction.as_str().into(),
            version.into(),
            change.map(|change| change.0).into(),
        ],
        areas: profile.areas.iter().map(area).collect(),
        systems: (0..).zip(&profile.systems).map(system).collect(),
        contacts: (0..).zip(&profile.contacts).map(contact).collect(),
    }
}

/// Writes what an organisation tells now, in place of what it told before.
pub async fn write(
    transaction: &Transaction,
    id: OrganisationId,
    before: &Profile,
    now: &Profile,
    version: i32,
    change: ChangeId,
) -> Result<(), DbErr> {
    let rows = profile_rows(id, now, version, Some(change));
    VENDOR_PROFILE
        .upsert(transaction, &["organisation_id"], vec![rows.profile])
        .await?;
    if now.areas != before.areas {
        replace(transaction, &VENDOR_AREA, id, rows.areas).await?;
    }
    if now.systems != before.systems {
        replace(transaction, &VENDOR_SYSTEM, id, rows.systems).await?;
    }
    if now.contacts != before.contacts {
        replace(transaction, &VENDOR_CONTACT, id, rows.contacts).await?;
    }
    Ok(())
}

async fn replace(
    transaction: &Transaction,
    table: &Table,
    id: OrganisationId,
    rows: Vec<Values>,
) -> Result<(), DbErr> {
    Query::with(
        format!("DELETE FROM {} WHERE organisation_id = $1", table.name),
        [id.0.into()],
    )
    .execute(transaction)
    .await?;
    table.insert(transaction, rows).await
}
