//! Writing the registry's own rows: names, contacts, codes, references and the search index.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    hash::Hash,
};

use chrono::NaiveDate;
use sea_orm::{ConnectionTrait, TryGetable, Value};
use serde::{Deserialize, Serialize};

use crate::{
    auth::{Scope, entity::push_scope},
    db::{
        Backend, Column, Database, DbErr, FacilityId, OrganisationId, Query, Row, Table,
        Transaction, Values, is_unique_violation, search,
    },
    facility::{InstitutionCode, text},
};

/// Names and contacts.
pub const FACILITY: Table = Table {
    name: "facility",
    columns: &[
        ("id", Column::Big),
        ("name", Column::Text),
        ("name_kana", Column::Text),
        ("postal_code", Column::Text),
        ("address", Column::Text),
        ("phone", Column::Text),
        ("email", Column::Text),
        ("search_text", Column::Text),
    ],
};

/// Every code a facility ever had.
pub const FACILITY_CODE: Table = Table {
    name: "facility_code",
    columns: &[
        ("code", Column::Text),
        ("facility_id", Column::Big),
        ("valid_until", Column::Date),
    ],
};

/// What organisations call facilities.
const FACILITY_REFERENCE: Table = Table {
    name: "facility_reference",
    columns: &[
        ("organisation_id", Column::Big),
        ("reference", Column::Text),
        ("facility_id", Column::Big),
    ],
};

/// How a facility is called, found and reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contacts {
    /// Its name.
    pub name: String,
    /// Its name in katakana.
    pub name_kana: String,
    /// Seven digits, with a hyphen.
    pub postal_code: String,
    /// Its address, prefecture first.
    pub address: String,
    /// Its telephone number.
    pub phone: String,
    /// Its mail address, if it has one.
    pub email: Option<String>,
}

impl Contacts {
    /// The folded text by which it is found.
    pub fn search_text(&self) -> String {
        text::search_text(&self.name, &self.name_kana, &self.address)
    }
}

/// The columns of a facility's row.
pub fn facility_values(id: FacilityId, contacts: &Contacts) -> Values {
    vec![
        id.0.into(),
        contacts.name.clone().into(),
        contacts.name_kana.clone().into(),
        contacts.postal_code.clone().into(),
        contacts.address.clone().into(),
        contacts.phone.clone().into(),
        contacts.email.clone().into(),
        contacts.search_text().into(),
    ]
}

/// The columns of a code's row.
pub fn code_values(
    code: InstitutionCode,
    facility: FacilityId,
    until: Option<NaiveDate>,
) -> Values {
    vec![code.to_string().into(), facility.0.into(), until.into()]
}

/// Adds a facility's row and its search entry. Answers its id.
pub async fn insert(transaction: &Transaction, contacts: &Contacts) -> Result<FacilityId, DbErr> {
    let values: Vec<Value> = facility_values(FacilityId(0), contacts);
    let mut query = Query::new(
        "INSERT INTO facility (name, name_kana, postal_code, address, phone, email, search_text) \
         VALUES (",
    );
    query
        .bind_all(values.into_iter().skip(1))
        .push(") RETURNING id");
    let id = FacilityId(query.scalar(transaction).await?);
    write_search(transaction, [(&id, contacts)]).await?;
    Ok(id)
}

/// Replaces the names and contacts of facilities.
pub async fn update_contacts(
    transaction: &Transaction,
    contacts: &BTreeMap<FacilityId, Contacts>,
) -> Result<(), DbErr> {
    let rows = contacts
        .iter()
        .map(|(facility, contacts)| facility_values(*facility, contacts));
    FACILITY
        .upsert(transaction, &["id"], rows.collect())
        .await?;
    write_search(transaction, contacts).await
}

/// Writes the entries of facilities in the search index.
pub async fn write_search<'a>(
    transaction: &Transaction,
    contacts: impl IntoIterator<Item = (&'a FacilityId, &'a Contacts)>,
) -> Result<(), DbErr> {
    let entries: Vec<(i64, Vec<i32>)> = contacts
        .into_iter()
        .map(|(facility, contacts)| (facility.0, text::grams(&contacts.search_text())))
        .collect();
    search::write(transaction, &entries).await
}

/// The names and contacts of facilities. Its caller has checked the scope.
pub async fn contacts_of(
    connection: &impl ConnectionTrait,
    facilities: &[FacilityId],
) -> Result<BTreeMap<FacilityId, Contacts>, DbErr> {
    let mut query = Query::new(
        "SELECT id, name, name_kana, postal_code, address, phone, email FROM facility WHERE id",
    );
    query.bind_ids(Backend::of(connection), facilities.iter().map(|id| id.0));
    let rows = query.all(connection).await?;
    rows.iter()
        .map(|row| {
            let mut row = Row::new(row);
            let facility = row.take()?;
            let contacts = Contacts {
                name: row.take()?,
                name_kana: row.take()?,
                postal_code: row.take()?,
                address: row.take()?,
                phone: row.take()?,
                email: row.take()?,
            };
            Ok((facility, contacts))
        })
        .collect()
}

/// Which of these codes does any facility have, or did any ever have?
pub async fn taken_codes(
    transaction: &Transaction,
    codes: &[InstitutionCode],
) -> Result<HashSet<InstitutionCode>, DbErr> {
    let mut query = Query::new("SELECT code FROM facility_code WHERE code");
    let texts = codes.iter().map(InstitutionCode::to_string).collect();
    query.bind_texts(Backend::of(transaction), texts);
    let rows = query.all(transaction).await?;
    let mut taken = HashSet::with_capacity(rows.len());
    for row in &rows {
        taken.extend(InstitutionCode::parse(&Row::new(row).take::<String>()?).ok());
    }
    Ok(taken)
}

/// Adds the code of a new facility. `false` if it is taken, after which the transaction is of no more use.
pub async fn add_code(
    transaction: &Transaction,
    facility: FacilityId,
    code: InstitutionCode,
) -> Result<bool, DbErr> {
    let added = FACILITY_CODE
        .insert(transaction, vec![code_values(code, facility, None)])
        .await;
    match added {
        Ok(()) => Ok(true),
        Err(error) if is_unique_violation(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Gives a facility a new code; the old one stays findable. `false` if it is taken, after which the transaction
/// is of no more use.
pub async fn replace_code(
    transaction: &Transaction,
    facility: FacilityId,
    code: InstitutionCode,
    on: NaiveDate,
) -> Result<bool, DbErr> {
    Query::with(
        "UPDATE facility_code SET valid_until = $2 WHERE facility_id = $1 AND valid_until IS NULL",
        [facility.0.into(), on.into()],
    )
    .execute(transaction)
    .await?;
    add_code(transaction, facility, code).await
}

/// What an organisation is to call a facility; `None` if nothing any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Naming {
    /// The organisation.
    pub organisation: OrganisationId,
    /// The facility.
    pub facility: FacilityId,
    /// Its reference.
    pub reference: Option<String>,
}

/// Sets or removes organisations' own references for facilities, each facility once for an organisation. `false` if
/// another facility has one of them by now, after which the transaction is of no more use.
pub async fn set_references(transaction: &Transaction, namings: &[Naming]) -> Result<bool, DbErr> {
    let backend = Backend::of(transaction);
    let pairs: Vec<(i64, i64)> = namings
        .iter()
        .map(|naming| (naming.organisation.0, naming.facility.0))
        .collect();
    let mut query = Query::new(
        "DELETE FROM facility_reference WHERE (organisation_id, facility_id) \
         IN (SELECT first_id, second_id FROM ",
    );
    query.bind_id_pairs(backend, &pairs).push(")");
    query.execute(transaction).await?;
    let mut set: Vec<_> = namings
        .iter()
        .filter_map(|naming| {
            Some((
                naming.organisation.0,
                naming.reference.clone()?,
                naming.facility.0,
            ))
        })
        .collect();
    // In the order of the references, so that two requests that cross don't wait for each other.
    set.sort_unstable();
    let rows = set.into_iter().map(|(organisation, reference, facility)| {
        vec![organisation.into(), reference.into(), facility.into()]
    });
    match FACILITY_REFERENCE.insert(transaction, rows.collect()).await {
        Ok(()) => Ok(true),
        Err(error) if is_unique_violation(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

/// What organisations call by these references, and what they call these facilities, whether or not that is within reach.
pub async fn namings(
    transaction: &Transaction,
    organisations: &[OrganisationId],
    references: Vec<String>,
    facilities: &[FacilityId],
) -> Result<Vec<Naming>, DbErr> {
    let backend = Backend::of(transaction);
    let mut query = Query::new(
        "SELECT organisation_id, facility_id, reference FROM facility_reference WHERE organisation_id",
    );
    query
        .bind_ids(backend, organisations.iter().map(|id| id.0))
        .push(" AND (reference")
        .bind_texts(backend, references);
    query
        .push(" OR facility_id")
        .bind_ids(backend, facilities.iter().map(|id| id.0))
        .push(")");
    let rows = query.all(transaction).await?;
    rows.iter()
        .map(|row| {
            let mut row = Row::new(row);
            Ok(Naming {
                organisation: row.take()?,
                facility: row.take()?,
                reference: row.take()?,
            })
        })
        .collect()
}

/// A code, past or present, and whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FoundCode {
    /// The facility.
    pub facility: FacilityId,
    /// Set for a past code: the day from which another holds.
    pub valid_until: Option<NaiveDate>,
}

/// The facilities in a scope that have, or had, these codes.
pub async fn find_by_codes(
    database: &Database,
    scope: &Scope,
    codes: &[InstitutionCode],
) -> Result<HashMap<InstitutionCode, FoundCode>, DbErr> {
    let mut query = Query::new(
        "SELECT c.code, c.facility_id, c.valid_until FROM facility_code c JOIN facility_state s \
         ON s.facility_id = c.facility_id WHERE c.code",
    );
    match codes {
        [one] => {
            query.push(" = ").bind(one.to_string());
        }
        many => {
            let texts = many.iter().map(InstitutionCode::to_string).collect();
            query.bind_texts(database.backend(), texts);
        }
    }
    query.push(" AND ");
    push_scope(&mut query, scope, "s");
    let rows = query.all(database.read()).await?;
    rows.iter()
        .map(|row| {
            let mut row = Row::new(row);
            let code: String = row.take()?;
            let code = InstitutionCode::parse(&code)
                .map_err(|error| DbErr::Type(format!("stored code: {error}")))?;
            let found = FoundCode {
                facility: row.take()?,
                valid_until: row.take()?,
            };
            Ok((code, found))
        })
        .collect()
}

/// The facilities in a scope for which one of these organisations keeps these references. Where several do, the first
/// of them is meant.
pub async fn find_by_references(
    database: &Database,
    scope: &Scope,
    organisations: &[OrganisationId],
    references: Vec<String>,
) -> Result<HashMap<String, FacilityId>, DbErr> {
    let mut query = Query::new(
        "SELECT r.organisation_id, r.reference, r.facility_id FROM facility_reference r \
         JOIN facility_state s ON s.facility_id = r.facility_id WHERE r.organisation_id",
    );
    query
        .bind_ids(database.backend(), organisations.iter().map(|id| id.0))
        .push(" AND r.reference")
        .bind_texts(database.backend(), references)
        .push(" AND ");
    push_scope(&mut query, scope, "s");
    first_of_each(database, organisations, query).await
}

/// The facilities in a scope for which any of these organisations keeps these references: all of them, by reference.
pub async fn all_by_references(
    database: &Database,
    scope: &Scope,
    organisations: &[OrganisationId],
    references: Vec<String>,
) -> Result<HashMap<String, Vec<FacilityId>>, DbErr> {
    let mut query = Query::new(
        "SELECT DISTINCT r.reference, r.facility_id FROM facility_reference r \
         JOIN facility_state s ON s.facility_id = r.facility_id WHERE r.organisation_id",
    );
    query
        .bind_ids(database.backend(), organisations.iter().map(|id| id.0))
        .push(" AND r.reference")
        .bind_texts(database.backend(), references)
        .push(" AND ");
    push_scope(&mut query, scope, "s");
    let mut found: HashMap<String, Vec<FacilityId>> = HashMap::new();
    for row in query.all(database.read()).await? {
        let mut row = Row::new(&row);
        let facilities = found.entry(row.take()?).or_default();
        facilities.push(row.take()?);
    }
    Ok(found)
}

/// The references that these organisations keep for facilities. Where several keep one for the same facility, the
/// first of them is meant.
pub async fn references_of(
    database: &Database,
    organisations: &[OrganisationId],
    facilities: &[FacilityId],
) -> Result<HashMap<FacilityId, String>, DbErr> {
    let mut query = Query::new(
        "SELECT organisation_id, facility_id, reference FROM facility_reference WHERE organisation_id",
    );
    query
        .bind_ids(database.backend(), organisations.iter().map(|id| id.0))
        .push(" AND facility_id")
        .bind_ids(database.backend(), facilities.iter().map(|id| id.0));
    first_of_each(database, organisations, query).await
}

/// Reads organisations with a key and a value, and keeps of each key the value of the first organisation.
pub async fn first_of_each<K: TryGetable + Eq + Hash, V: TryGetable>(
    database: &Database,
    organisations: &[OrganisationId],
    query: Query,
) -> Result<HashMap<K, V>, DbErr> {
    let rows = query.all(database.read()).await?;
    let mut found: Vec<(OrganisationId, K, V)> = rows
        .iter()
        .map(|row| {
            let mut row = Row::new(row);
            Ok((row.take()?, row.take()?, row.take()?))
        })
        .collect::<Result<_, DbErr>>()?;
    found
        .sort_by_key(|(organisation, ..)| organisations.iter().position(|one| one == organisation));
    let mut first = HashMap::new();
    for (_, key, value) in found {
        first.entry(key).or_insert(value);
    }
    Ok(first)
}

/// The codes that facilities had before their present ones, each with the day from which another holds, the oldest
/// first. The caller has checked the scope.
pub async fn past_codes(
    database: &Database,
    facilities: &[FacilityId],
) -> Result<HashMap<FacilityId, Vec<(String, NaiveDate)>>, DbErr> {
    let mut query = Query::new(
        "SELECT facility_id, code, valid_until FROM facility_code WHERE valid_until IS NOT NULL \
         AND facility_id",
    );
    query
        .bind_ids(database.backend(), facilities.iter().map(|id| id.0))
        .push(" ORDER BY facility_id, valid_until, code");
    let mut codes: HashMap<FacilityId, Vec<(String, NaiveDate)>> = HashMap::new();
    for row in query.all(database.read()).await? {
        let mut row = Row::new(&row);
        let past = codes.entry(row.take()?).or_default();
        past.push((row.take()?, row.take()?));
    }
    Ok(codes)
}

/// Appends "is found by this folded text": candidates from the index, checked against the text.
pub fn push_search(query: &mut Query, backend: Backend, folded: &str) {
    search::push_match(query, backend, "f", &text::grams(folded));
    let escaped: String = folded
        .chars()
        .flat_map(|c| {
            let escape = matches!(c, '%' | '_' | '\\').then_some('\\');
            escape.into_iter().chain([c])
        })
        .collect();
    query
        .push(" AND f.search_text LIKE ")
        .bind(format!("%{escaped}%"))
        .push(" ESCAPE '\\'");
}
