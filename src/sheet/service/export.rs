//! The sheet of one's own facilities, to be filled in and sent back: with the version of each, so that who sends it back
//! is told what has changed meanwhile.

use std::collections::HashMap;

use super::{
    Written,
    result::{Writing, blockers_cell},
};
use crate::{
    auth::{Actor, Language, Permission},
    db::{Database, DbErr, FacilityId},
    facility::entity::{Cursor, FacilityRow, Fields, ListQuery, list, references_of},
    milestone::{
        Blocker, Milestone,
        entity::{blockers, plans},
    },
    sheet::{
        column::Field,
        write::{Form, Value},
    },
};

/// Rows of an export; as many can be sent back.
pub const MOST_EXPORTED: usize = 300_000;

/// Rows read at a time.
const AT_ONCE: u64 = 1_000;

/// What an export has beside the columns that are read again.
const READ_ONLY: [(&str, &str); 4] = [
    ("施設名", "Name"),
    ("施設種別", "Kind"),
    ("所在地", "Address"),
    ("進捗", "Stage"),
];

const FIELDS: Fields = Fields {
    names: true,
    contacts: true,
    milestones: true,
    vendor: false,
    chain: false,
    contractor: false,
    corporation: false,
    area: false,
};

/// Why nothing is exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The list has more than [`MOST_EXPORTED`].
    #[error("the list has more than {MOST_EXPORTED} facilities")]
    TooManyRows,
    /// The database or the disk.
    #[error(transparent)]
    Database(#[from] DbErr),
}

/// Writes the facilities of a list that the actor can see, in the order of their codes, if they are not too many.
///
/// # Errors
/// There are too many, or the database or the disk.
pub async fn export(
    database: &Database,
    actor: &Actor,
    query: &ListQuery,
    form: Form,
    most: usize,
) -> Result<Written, ExportError> {
    let language = actor.language;
    let scope = actor.scope(Permission::FacilityRead);
    let mut writing = Writing::begin(form, "Kaitsu", headings(language));
    let mut cursor = None;
    let mut count = 0;
    loop {
        let rows = list(
            database,
            &scope,
            query,
            FIELDS,
            cursor.as_ref(),
            false,
            AT_ONCE,
        )
        .await?;
        cursor = rows.last().and_then(|row| Cursor::of(query.order, row));
        count += rows.len();
        if count > most {
            return Err(ExportError::TooManyRows);
        }
        if cursor.is_none()
            || !writing
                .rows(values(database, actor, rows, language).await?)
                .await
        {
            break;
        }
    }
    Ok(writing.end().await?)
}

/// The columns that are read again, but those that only complete a code.
fn fields() -> impl Iterator<Item = Field> {
    Field::all().filter(|field| !matches!(field, Field::Prefecture | Field::FeeTable))
}

fn headings(language: Language) -> Vec<String> {
    let read_only = READ_ONLY.map(|(ja, en)| match language {
        Language::Ja => ja.to_owned(),
        Language::En => en.to_owned(),
    });
    let mut headings: Vec<String> = fields().map(|field| field.heading(language)).collect();
    // What a person looks for stands beside the code.
    headings.splice(1..1, read_only);
    headings
}

async fn values(
    database: &Database,
    actor: &Actor,
    rows: Vec<FacilityRow>,
    language: Language,
) -> Result<Vec<Vec<Value>>, DbErr> {
    let ids: Vec<FacilityId> = rows.iter().map(|row| row.id).collect();
    let organisations = actor.organisations_with(Permission::FacilityRead);
    let told = Told {
        plans: plans(database, &ids).await?,
        blockers: blockers(database, &ids).await?,
        references: if organisations.is_empty() {
            HashMap::new()
        } else {
            references_of(database, &organisations, &ids).await?
        },
        language,
    };
    Ok(rows.into_iter().map(|row| told.row(row)).collect())
}

/// What stands in tables of their own.
struct Told {
    plans: HashMap<FacilityId, Vec<(Milestone, chrono::NaiveDate)>>,
    blockers: HashMap<FacilityId, Vec<(Blocker, chrono::NaiveDate)>>,
    references: HashMap<FacilityId, String>,
    language: Language,
}

impl Told {
    fn row(&self, row: FacilityRow) -> Vec<Value> {
        let name = row.names.as_ref().map(|(name, _)| name.clone());
        let address = row.contacts.as_ref().map(|contacts| contacts.1.clone());
        let (kind, stage) = match self.language {
            Language::Ja => (
                row.kind.label_ja().to_owned(),
                row.stage.label_ja().to_owned(),
            ),
            Language::En => (
                crate::sheet::column::word(row.kind),
                crate::sheet::column::word(row.stage),
            ),
        };
        let read_only = [
            Value::Text(name.unwrap_or_default()),
            Value::Text(kind),
            Value::Text(address.unwrap_or_default()),
            Value::Text(stage),
        ];
        let mut values: Vec<Value> = fields().map(|field| self.value(&row, field)).collect();
        values.splice(1..1, read_only);
        values
    }

    fn value(&self, row: &FacilityRow, field: Field) -> Value {
        let day = |day: Option<chrono::NaiveDate>| day.map_or(Value::Empty, Value::Day);
        match field {
            Field::Code => Value::Text(row.code.clone()),
            Field::Reference => self
                .references
                .get(&row.id)
                .map_or(Value::Empty, |text| Value::Text(text.clone())),
            Field::Version => Value::Whole(row.version.into()),
            Field::Reached(milestone) => {
                let dates = row.milestones.as_ref();
                day(dates.and_then(|dates| *dates.of(milestone)))
            }
            Field::Planned(milestone) => {
                let plans = self.plans.get(&row.id).into_iter().flatten();
                let mut planned = plans.filter(|(one, _)| *one == milestone);
                day(planned.next().map(|(_, day)| *day))
            }
            Field::Blockers => {
                let blockers = self.blockers.get(&row.id).into_iter().flatten();
                let blockers: Vec<Blocker> = blockers.map(|(blocker, _)| *blocker).collect();
                blockers_cell(&blockers, self.language)
            }
            Field::Prefecture | Field::FeeTable | Field::Note => Value::Empty,
        }
    }
}
